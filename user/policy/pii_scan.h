/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pii_scan.h - where in a text a number or a secret may be, 64 bytes at a time.
 *
 * Marked are the first digit of each run of digits, and each byte that begins three which may be the
 * first of a secret (pii_secret.c); every secret is marked, and some that are none. Pure; any thread.
 * Reads nothing at or behind the end.
 */
#ifndef SL_POLICY_PII_SCAN_H
#define SL_POLICY_PII_SCAN_H

#include <stddef.h>
#include <stdint.h>

#define SL_PII_SCAN_BYTES 64u

/*
 * The first block, counted from `from` in steps of SL_PII_SCAN_BYTES, that begins before `end` and has a
 * mark: its offset, and *ret_marks, bit 0 for its first byte. None: an offset from `end` on, and 0. A run
 * that goes on from before `from` has its mark there.
 */
size_t sl_pii_scan(const char *data, size_t len, size_t from, size_t end, uint64_t *ret_marks);

/* The same on a processor without AVX2; for tests. */
size_t sl_pii_scan_narrow(const char *data, size_t len, size_t from, size_t end,
			  uint64_t *ret_marks);

#endif
