/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * histogram.h - how often which value was seen, over the whole range of u64.
 *
 * Log-linear: each power of two is cut into 2^SL_HISTOGRAM_SUB_BITS equal parts, so a bucket is at
 * most 6.25 % wide and a percentile (the bucket's middle) at most 3.2 % off. Values below 16 are
 * exact. 7.8 kB each; record is one index computation and two adds (about 2 ns), no allocation.
 *
 * One thread records; any thread may read at the same time (relaxed atomics: a reader may miss the
 * last few records, never sees a torn number).
 */
#ifndef SL_BASE_HISTOGRAM_H
#define SL_BASE_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_HISTOGRAM_SUB_BITS 4u
#define SL_HISTOGRAM_BUCKETS  ((65u - SL_HISTOGRAM_SUB_BITS) << SL_HISTOGRAM_SUB_BITS)

/* All zero is empty. */
struct sl_histogram {
	uint64_t count;
	uint64_t sum;
	uint64_t max;
	uint64_t buckets[SL_HISTOGRAM_BUCKETS];
};

static inline uint32_t sl_histogram_index(uint64_t value)
{
	uint32_t shift;

	if (value < (1u << SL_HISTOGRAM_SUB_BITS))
		return (uint32_t)value;
	shift = 63u - (uint32_t)__builtin_clzll(value) - SL_HISTOGRAM_SUB_BITS;
	return (shift << SL_HISTOGRAM_SUB_BITS) + (uint32_t)(value >> shift);
}

/* Smallest and largest value of a bucket. */
uint64_t sl_histogram_bucket_min(uint32_t index);
uint64_t sl_histogram_bucket_max(uint32_t index);

static inline void sl_histogram_record(struct sl_histogram *histogram, uint64_t value)
{
	uint64_t *bucket = &histogram->buckets[sl_histogram_index(value)];

	__atomic_store_n(bucket, *bucket + 1, __ATOMIC_RELAXED);
	__atomic_store_n(&histogram->sum, histogram->sum + value, __ATOMIC_RELAXED);
	__atomic_store_n(&histogram->count, histogram->count + 1, __ATOMIC_RELAXED);
	if (value > histogram->max)
		__atomic_store_n(&histogram->max, value, __ATOMIC_RELAXED);
}

void sl_histogram_reset(struct sl_histogram *histogram);

/* Adds `from` into `into`. `from` may be recorded into meanwhile; `into` is the caller's. */
void sl_histogram_merge(struct sl_histogram *into, const struct sl_histogram *from);

/* The value below which per_mille of the records lie (500: median, 990: p99); 0 when empty. */
uint64_t sl_histogram_quantile(const struct sl_histogram *histogram, uint32_t per_mille);

/*
 * ret_counts[i] = records <= edges[i], edges ascending. A bucket that an edge cuts counts whole
 * when its middle is below the edge, so a count is exact to half a bucket (3.2 %).
 */
void sl_histogram_cumulative(const struct sl_histogram *histogram, const uint64_t *edges,
			     size_t edge_count, uint64_t *ret_counts);

/* 1 ms to 10 min in us: connect, first token and whole requests alike. */
#define SL_HISTOGRAM_LATENCY_EDGES 18u
extern const uint64_t sl_histogram_latency_edges_us[SL_HISTOGRAM_LATENCY_EDGES];

/*
 * Prometheus text format (version 0.0.4): NAME_bucket{LABELS,le="..."} lines, NAME_sum, NAME_count.
 * labels: `pool="chat"` or "". Values are divided by 10^scale_digits (us to seconds: 6). The caller
 * writes # HELP and # TYPE once a family. edge_count <= 64. 0 or the text's error.
 */
int sl_histogram_append_prometheus(const struct sl_histogram *histogram, struct sl_text *text,
				   const char *name, const char *labels, const uint64_t *edges,
				   size_t edge_count, unsigned scale_digits);

#endif
