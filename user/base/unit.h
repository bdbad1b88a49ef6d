/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unit.h - durations and sizes as people write them.
 *
 *	250ms  2s  1m  1m30s  1h  500us  1d    a bare number is in the caller's unit
 *	4096   64k  1MiB  1mb  2G              powers of 1024 under every spelling
 *
 * No fractions, no signs, no spaces. Pure functions, any thread.
 */
#ifndef SL_BASE_UNIT_H
#define SL_BASE_UNIT_H

#include <stddef.h>
#include <stdint.h>

#define SL_UNIT_TEXT_SIZE 32u

/*
 * In us; a bare number counts bare_us each (1000 when it means ms).
 * -EINVAL: not a duration; -ERANGE: over UINT64_MAX us.
 */
int sl_unit_parse_us(const char *text, size_t len, uint64_t bare_us, uint64_t *ret_us);

/* In ms; a bare number is ms. -EINVAL, -ERANGE as above; -EDOM: not a whole number of ms. */
int sl_unit_parse_ms(const char *text, size_t len, uint64_t *ret_ms);

/* In bytes. -EINVAL, -ERANGE. */
int sl_unit_parse_bytes(const char *text, size_t len, uint64_t *ret_bytes);

/* Shortest exact form that the parsers read back: "1500ms", "30s", "5m"; "4MiB", "1000". */
const char *sl_unit_format_ms(uint64_t ms, char out[SL_UNIT_TEXT_SIZE]);
const char *sl_unit_format_bytes(uint64_t bytes, char out[SL_UNIT_TEXT_SIZE]);

#endif
