/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * latency.h - reading the histograms that the kernel plane keeps of each node's times.
 *
 * struct sl_node_latency (abi.h) is log-linear with four buckets an octave. A percentile is the
 * middle of its bucket: at most 12.5 % off. Counts are of 32 bits and wrap; a difference of two
 * looks is right as long as less than 2^32 samples lie between. The kernel counts while one reads.
 * Pure functions, any thread.
 */
#ifndef SL_BASE_LATENCY_H
#define SL_BASE_LATENCY_H

#include "bpf/abi.h"
#include "user/base/text.h"

/* Smallest time of a bucket, in us. The last one takes all above, too. */
uint64_t sl_latency_bucket_min_us(uint32_t index);

/* What came between two looks. */
void sl_latency_between(const uint32_t before[SL_LATENCY_BUCKETS],
			const uint32_t now[SL_LATENCY_BUCKETS],
			uint32_t ret_between[SL_LATENCY_BUCKETS]);

uint64_t sl_latency_count(const uint32_t counts[SL_LATENCY_BUCKETS]);

/* The time below which per_mille of the samples lie (500: median), in us; 0 when there are none. */
uint64_t sl_latency_quantile_us(const uint32_t counts[SL_LATENCY_BUCKETS], uint32_t per_mille);

/*
 * Prometheus text format: NAME_bucket{LABELS,le="..."} in seconds, NAME_sum, NAME_count. Edges are
 * powers of two of us, so that every count is exact: `shifts` are their exponents, ascending, at
 * most 26. The sum is of the buckets' middles. The caller writes # HELP and # TYPE.
 */
void sl_latency_append_prometheus(const uint32_t counts[SL_LATENCY_BUCKETS], struct sl_text *text,
				  const char *name, const char *labels, const uint8_t *shifts,
				  size_t shift_count);

#endif
