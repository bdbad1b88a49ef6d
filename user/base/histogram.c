/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/histogram.h"

#include <assert.h>

#define EDGES_MAX 64u
#define LINEAR	  (1u << SL_HISTOGRAM_SUB_BITS)

const uint64_t sl_histogram_latency_edges_us[SL_HISTOGRAM_LATENCY_EDGES] = {
	1000,	 2000,	  5000,	   10000,    25000,    50000,	 100000,   250000,    500000,
	1000000, 2500000, 5000000, 10000000, 20000000, 30000000, 60000000, 300000000, 600000000,
};

uint64_t sl_histogram_bucket_min(uint32_t index)
{
	uint32_t shift;

	if (index < LINEAR)
		return index;
	shift = (index >> SL_HISTOGRAM_SUB_BITS) - 1;
	return (uint64_t)(LINEAR + (index & (LINEAR - 1))) << shift;
}

uint64_t sl_histogram_bucket_max(uint32_t index)
{
	uint32_t shift = index < LINEAR ? 0 : (index >> SL_HISTOGRAM_SUB_BITS) - 1;

	return sl_histogram_bucket_min(index) + ((1ull << shift) - 1);
}

static uint64_t bucket_middle(uint32_t index)
{
	uint64_t low = sl_histogram_bucket_min(index);

	return low + (sl_histogram_bucket_max(index) - low) / 2;
}

static uint64_t load(const uint64_t *value)
{
	return __atomic_load_n(value, __ATOMIC_RELAXED);
}

void sl_histogram_reset(struct sl_histogram *histogram)
{
	memset(histogram, 0, sizeof(*histogram));
}

void sl_histogram_merge(struct sl_histogram *into, const struct sl_histogram *from)
{
	uint64_t max = load(&from->max);
	uint64_t added = 0;

	into->sum += load(&from->sum);
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		uint64_t count = load(&from->buckets[i]);

		into->buckets[i] += count;
		added += count;
	}
	/* From the buckets, so that count and buckets agree whatever the writer does meanwhile. */
	into->count += added;
	if (max > into->max)
		into->max = max;
}

uint64_t sl_histogram_quantile(const struct sl_histogram *histogram, uint32_t per_mille)
{
	uint64_t max = load(&histogram->max);
	uint64_t total = 0;
	uint64_t rank;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++)
		total += load(&histogram->buckets[i]);
	if (total == 0)
		return 0;
	if (per_mille > 1000)
		per_mille = 1000;
	/* The rank-th smallest, from 1, rounded up. */
	rank = (uint64_t)(((unsigned __int128)total * per_mille + 999) / 1000);
	if (rank == 0)
		rank = 1;
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		seen += load(&histogram->buckets[i]);
		if (seen >= rank)
			return bucket_middle(i) < max ? bucket_middle(i) : max;
	}
	return max;
}

void sl_histogram_cumulative(const struct sl_histogram *histogram, const uint64_t *edges,
			     size_t edge_count, uint64_t *ret_counts)
{
	uint64_t seen = 0;
	uint32_t index = 0;

	for (size_t edge = 0; edge < edge_count; edge++) {
		for (; index < SL_HISTOGRAM_BUCKETS && bucket_middle(index) <= edges[edge]; index++)
			seen += load(&histogram->buckets[index]);
		ret_counts[edge] = seen;
	}
}

int sl_histogram_append_prometheus(const struct sl_histogram *histogram, struct sl_text *text,
				   const char *name, const char *labels, const uint64_t *edges,
				   size_t edge_count, unsigned scale_digits)
{
	const char *comma = labels[0] != '\0' ? "," : "";
	const char *open = labels[0] != '\0' ? "{" : "";
	const char *close = labels[0] != '\0' ? "}" : "";
	uint64_t counts[EDGES_MAX + 1];
	uint64_t all[EDGES_MAX + 1];

	assert(edge_count <= EDGES_MAX);
	memcpy(all, edges, edge_count * sizeof(*edges));
	all[edge_count] = UINT64_MAX;
	/* +Inf comes from the same pass: a reader never sees a bucket above the count. */
	sl_histogram_cumulative(histogram, all, edge_count + 1, counts);
	for (size_t i = 0; i <= edge_count; i++) {
		sl_text_printf(text, "%s_bucket{%s%sle=\"", name, labels, comma);
		if (i == edge_count)
			sl_text_append_string(text, "+Inf");
		else
			sl_text_append_scaled(text, edges[i], scale_digits);
		sl_text_append_string(text, "\"} ");
		sl_text_append_u64(text, counts[i]);
		sl_text_append_char(text, '\n');
	}
	sl_text_printf(text, "%s_sum%s%s%s ", name, open, labels, close);
	sl_text_append_scaled(text, load(&histogram->sum), scale_digits);
	sl_text_printf(text, "\n%s_count%s%s%s %llu\n", name, open, labels, close,
		       (unsigned long long)counts[edge_count]);
	return text->error;
}
