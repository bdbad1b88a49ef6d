/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/share.h"

/* FNV-1a, with MurmurHash3's last steps: its low bits alone are not even enough for short names. */
static uint64_t mix_in(uint64_t hash, struct sl_span bytes)
{
	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ (uint8_t)bytes.data[i]) * 0x100000001b3ull;
	return (hash ^ 0xff) * 0x100000001b3ull; /* where it ends: "ab" + "c" is not "a" + "bc" */
}

bool sl_share_takes(struct sl_span name, struct sl_span salt, uint32_t share)
{
	uint64_t hash = mix_in(mix_in(0xcbf29ce484222325ull, salt), name);

	hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdull;
	hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53ull;
	return (hash >> 32) % SL_SHARE_WHOLE < share;
}
