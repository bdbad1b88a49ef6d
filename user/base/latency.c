/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/latency.h"

#include <inttypes.h>

uint64_t sl_latency_bucket_min_us(uint32_t index)
{
	uint32_t shift;

	if (index < SL_LATENCY_SUB)
		return index;
	shift = index / SL_LATENCY_SUB - 1;
	return (uint64_t)(SL_LATENCY_SUB + index % SL_LATENCY_SUB) << shift;
}

void sl_latency_between(const uint32_t before[SL_LATENCY_BUCKETS],
			const uint32_t now[SL_LATENCY_BUCKETS],
			uint32_t ret_between[SL_LATENCY_BUCKETS])
{
	for (uint32_t i = 0; i < SL_LATENCY_BUCKETS; i++)
		ret_between[i] = now[i] - before[i];
}

static uint32_t load(const uint32_t *count)
{
	return __atomic_load_n(count, __ATOMIC_RELAXED);
}

uint64_t sl_latency_count(const uint32_t counts[SL_LATENCY_BUCKETS])
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SL_LATENCY_BUCKETS; i++)
		sum += load(&counts[i]);
	return sum;
}

/* Twice the middle of a bucket, which may lie between two numbers. */
static uint64_t middle2_us(uint32_t index)
{
	/* Buckets of one number hold just that. */
	if (index < 2 * SL_LATENCY_SUB)
		return 2 * sl_latency_bucket_min_us(index);
	return sl_latency_bucket_min_us(index) + sl_latency_bucket_min_us(index + 1);
}

uint64_t sl_latency_quantile_us(const uint32_t counts[SL_LATENCY_BUCKETS], uint32_t per_mille)
{
	uint64_t count = sl_latency_count(counts);
	/* The rank rounded up: of one sample every percentile is that sample. */
	uint64_t rank = (count * per_mille + 999) / 1000;
	uint64_t seen = 0;
	uint32_t last = 0;

	if (!count)
		return 0;
	for (uint32_t i = 0; i < SL_LATENCY_BUCKETS; i++) {
		uint32_t here = load(&counts[i]);

		if (!here)
			continue;
		last = i;
		seen += here;
		if (seen >= rank && seen)
			break;
	}
	return middle2_us(last) / 2;
}

void sl_latency_append_prometheus(const uint32_t counts[SL_LATENCY_BUCKETS], struct sl_text *text,
				  const char *name, const char *labels, const uint8_t *shifts,
				  size_t shift_count)
{
	uint64_t seen = 0, sum2_us = 0;
	size_t edge = 0;

	for (uint32_t i = 0; i < SL_LATENCY_BUCKETS; i++) {
		uint32_t here = load(&counts[i]);

		while (edge < shift_count && sl_latency_bucket_min_us(i) >= 1ull << shifts[edge]) {
			sl_text_printf(text, "%s_bucket{%s,le=\"", name, labels);
			sl_text_append_scaled(text, 1ull << shifts[edge++], 6);
			sl_text_printf(text, "\"} %" PRIu64 "\n", seen);
		}
		seen += here;
		sum2_us += here * middle2_us(i);
	}
	sl_text_printf(text, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n", name, labels, seen);
	sl_text_printf(text, "%s_sum{%s} ", name, labels);
	sl_text_append_scaled(text, sum2_us / 2, 6);
	sl_text_printf(text, "\n%s_count{%s} %" PRIu64 "\n", name, labels, seen);
}
