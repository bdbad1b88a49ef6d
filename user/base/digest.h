/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * digest.h - SHA-256 and a comparison that takes the same time whatever differs.
 *
 * Wraps nettle; only digest.c includes it. Nettle keeps its state on the stack, so that a digest on
 * the request path allocates nothing and asks no provider table (OpenSSL 3 does both). About 0.2 us
 * for a short text with the CPU's SHA instructions. Pure; any thread.
 */
#ifndef SL_BASE_DIGEST_H
#define SL_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_DIGEST_BYTES 32u

/* SHA-256 (FIPS 180-4) over the parts, one behind the other. */
void sl_digest_sha256(const struct sl_span *parts, size_t part_count, uint8_t out[SL_DIGEST_BYTES]);

/* HMAC-SHA-256 (RFC 2104). */
void sl_digest_hmac_sha256(struct sl_span key, struct sl_span message,
			   uint8_t out[SL_DIGEST_BYTES]);

/* For secrets: the time depends on len alone. */
bool sl_digest_equal(const void *a, const void *b, size_t len);

#endif
