/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * baseline.h - the maps of baseline.bpf.c, as the benchmark fills them.
 *
 *   base_vips   struct sl_base_vip -> u32     base_ring   u32 -> real     base_reals  u32 -> real
 */
#ifndef SL_TESTS_BENCH_BASELINE_H
#define SL_TESTS_BENCH_BASELINE_H

#include <linux/types.h>

#define SL_BASE_RING  65537u
#define SL_BASE_REALS 4096u

struct sl_base_vip {
	__be32 addr;
	__be16 port;
	__u8 proto;
	__u8 pad;
};

struct sl_base_real {
	__be32 addr;
	__be32 snat; /* this host's address towards it */
	__be16 port;
	__u8 mac[6];
};

struct sl_base_stats {
	__u64 packets;
	__u64 bytes;
	__u64 misses; /* flows inserted */
};

#endif
