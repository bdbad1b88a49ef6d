/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - the integer mixers that both planes must compute alike. Pure, host-compilable.
 *
 * sl_mix64 is the finaliser of MurmurHash3 (Appleby, public domain): every input bit flips each
 * output bit with probability 1/2 within 0.01. It is not keyed; tables that an attacker can fill
 * use a per-boot seed (struct sl_settings.seed) as first input.
 */
#ifndef SL_BPF_HASH_H
#define SL_BPF_HASH_H

#include <linux/types.h>

static inline __u64 sl_mix64(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ull;
	x ^= x >> 33;
	return x;
}

static inline __u64 sl_hash_combine(__u64 hash, __u64 value)
{
	return sl_mix64(hash ^ (value * 0x9e3779b97f4a7c15ull));
}

/*
 * One of the products of NH (Black et al., "UMAC", CRYPTO 1999): two words and two words of key
 * into 64 bits. Sums of products over a key that an attacker does not know collide for two inputs
 * of his with probability 2^-32; sl_mix64 spreads the sum over all bits.
 */
static inline __u64 sl_hash_nh(__u32 a, __u32 b, __u32 key_a, __u32 key_b)
{
	return (__u64)(__u32)(a + key_a) * (__u32)(b + key_b);
}

/* Of addresses and ports as words; `seed` is struct sl_settings.seed. */
static inline __u64 sl_hash_tuple(const __u32 src[4], const __u32 dst[4], __u32 ports, __u32 proto,
				  __u64 seed)
{
	__u32 low = (__u32)seed, high = (__u32)(seed >> 32);
	__u64 sum = sl_hash_nh(src[0], src[1], low ^ 0x243f6a88u, high ^ 0x85a308d3u);

	/* The constants are digits of pi. */
	sum += sl_hash_nh(src[2], src[3], high ^ 0x13198a2eu, low ^ 0x03707344u);
	sum += sl_hash_nh(dst[0], dst[1], low ^ 0xa4093822u, high ^ 0x299f31d0u);
	sum += sl_hash_nh(dst[2], dst[3], high ^ 0x082efa98u, low ^ 0xec4e6c89u);
	sum += sl_hash_nh(ports, proto, low ^ 0x452821e6u, high ^ 0x38d01377u);
	return sl_mix64(sum ^ seed);
}

/*
 * Maps a 32-bit hash evenly onto [0, size) with a multiplication instead of a division
 * (Lemire, "Fast random integer generation in an interval", 2019).
 */
static inline __u32 sl_hash_scale(__u32 hash, __u32 size)
{
	return (__u32)(((__u64)hash * size) >> 32);
}

#endif
