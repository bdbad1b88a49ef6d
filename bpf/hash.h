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
 * Maps a 32-bit hash evenly onto [0, size) with a multiplication instead of a division
 * (Lemire, "Fast random integer generation in an interval", 2019).
 */
static inline __u32 sl_hash_scale(__u32 hash, __u32 size)
{
	return (__u32)(((__u64)hash * size) >> 32);
}

#endif
