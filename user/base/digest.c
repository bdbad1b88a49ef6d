/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/digest.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

void sl_digest_sha256(const struct sl_span *parts, size_t part_count, uint8_t out[SL_DIGEST_BYTES])
{
	struct sha256_ctx state;

	sha256_init(&state);
	for (size_t i = 0; i < part_count; i++)
		sha256_update(&state, parts[i].len, (const uint8_t *)parts[i].data);
	sha256_digest(&state, SL_DIGEST_BYTES, out);
}

void sl_digest_hmac_sha256(struct sl_span key, struct sl_span message, uint8_t out[SL_DIGEST_BYTES])
{
	struct hmac_sha256_ctx state;

	hmac_sha256_set_key(&state, key.len, (const uint8_t *)key.data);
	hmac_sha256_update(&state, message.len, (const uint8_t *)message.data);
	hmac_sha256_digest(&state, SL_DIGEST_BYTES, out);
}

bool sl_digest_equal(const void *a, const void *b, size_t len)
{
	return memeql_sec(a, b, len) != 0;
}
