/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * csum.h - the Internet checksum, updated for what changes (RFC 1624, equation 3).
 *
 * A delta collects ~old + new of 32-bit words in 64 bits, so no carry is lost; word order does not
 * matter to the sum (RFC 1071), so words are taken as they lie in memory. An update keeps a sum
 * that was wrong wrong: the receiver still finds out.
 */
#ifndef SL_BPF_CSUM_H
#define SL_BPF_CSUM_H

#include <linux/types.h>
#include "bpf/abi.h"

static __always_inline __u64 sl_csum_word(__u64 delta, __u32 old, __u32 new)
{
	return delta + (__u32)~old + new;
}

static __always_inline __u64 sl_csum_addr(__u64 delta, const struct sl_addr *old,
					  const struct sl_addr *new)
{
	delta = sl_csum_word(delta, old->w[0], new->w[0]);
	delta = sl_csum_word(delta, old->w[1], new->w[1]);
	delta = sl_csum_word(delta, old->w[2], new->w[2]);
	return sl_csum_word(delta, old->w[3], new->w[3]);
}

/* A delta as the kernel's helpers want it. */
static __always_inline __u32 sl_csum_fold32(__u64 delta)
{
	delta = (delta & 0xffffffff) + (delta >> 32);
	delta = (delta & 0xffffffff) + (delta >> 32);
	return (__u32)delta;
}

/* The checksum field after `delta`. */
static __always_inline __u16 sl_csum_apply(__u16 check, __u64 delta)
{
	delta += (__u16)~check;
	delta = (delta & 0xffffffff) + (delta >> 32);
	delta = (delta & 0xffff) + (delta >> 16);
	delta = (delta & 0xffff) + (delta >> 16);
	delta = (delta & 0xffff) + (delta >> 16);
	return (__u16)~delta;
}

#endif
