/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/random.h"

#define VALUES 20000u

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void buckets_tile_the_range(void **state)
{
	(void)state;
	assert_true(sl_histogram_bucket_min(0) == 0);
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		uint64_t min = sl_histogram_bucket_min(i);
		uint64_t max = sl_histogram_bucket_max(i);

		assert_int_equal(sl_histogram_index(min), i);
		assert_int_equal(sl_histogram_index(max), i);
		if (i + 1 < SL_HISTOGRAM_BUCKETS)
			assert_true(sl_histogram_bucket_min(i + 1) == max + 1);
		else
			assert_true(max == UINT64_MAX);
		/* 6.25 % wide at most. */
		assert_true((max - min) / 15 <= min / 16 + 1);
	}
}

static void quantiles_are_close(void **state)
{
	struct sl_histogram *histogram = calloc(1, sizeof(*histogram));
	uint64_t *values = malloc(VALUES * sizeof(*values));
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 42);
	for (unsigned i = 0; i < VALUES; i++) {
		/* Over twelve powers of two, as latencies are. */
		values[i] = sl_random_u64(&random) >> (40 + sl_random_below(&random, 12));
		sl_histogram_record(histogram, values[i]);
	}
	qsort(values, VALUES, sizeof(*values), compare);
	for (uint32_t per_mille = 1; per_mille <= 1000; per_mille++) {
		uint64_t exact = values[VALUES / 1000 * per_mille - 1];
		uint64_t got = sl_histogram_quantile(histogram, per_mille);
		uint64_t off = got > exact ? got - exact : exact - got;

		if (off > exact / 30 + 1)
			fail_msg("p%u/1000: %llu, exact %llu", per_mille, (unsigned long long)got,
				 (unsigned long long)exact);
	}
	assert_true(histogram->count == VALUES);
	assert_true(histogram->max == values[VALUES - 1]);
	free(values);
	free(histogram);
}

static void merge_adds(void **state)
{
	struct sl_histogram *a = calloc(1, sizeof(*a));
	struct sl_histogram *b = calloc(1, sizeof(*b));

	(void)state;
	assert_true(sl_histogram_quantile(a, 500) == 0);
	sl_histogram_record(a, 3);
	sl_histogram_record(b, 5);
	sl_histogram_record(b, 7);
	sl_histogram_merge(a, b);
	assert_true(a->count == 3 && a->sum == 15 && a->max == 7);
	assert_true(sl_histogram_quantile(a, 500) == 5);
	assert_true(sl_histogram_quantile(a, 0) == 3);
	assert_true(sl_histogram_quantile(a, 5000) == 7);
	sl_histogram_reset(a);
	assert_true(a->count == 0 && sl_histogram_quantile(a, 990) == 0);
	free(a);
	free(b);
}

static void prometheus_text(void **state)
{
	static const uint64_t edges[] = {1000, 2500000};
	struct sl_histogram *histogram = calloc(1, sizeof(*histogram));
	struct sl_text text;

	(void)state;
	sl_histogram_record(histogram, 500);
	sl_histogram_record(histogram, 999000);
	sl_histogram_record(histogram, UINT32_MAX);
	sl_text_init(&text, 0);
	assert_int_equal(sl_histogram_append_prometheus(histogram, &text, "sluice_ttft_seconds",
							"pool=\"chat\"", edges, 2, 6),
			 0);
	assert_string_equal(sl_text_string(&text),
			    "sluice_ttft_seconds_bucket{pool=\"chat\",le=\"0.001\"} 1\n"
			    "sluice_ttft_seconds_bucket{pool=\"chat\",le=\"2.5\"} 2\n"
			    "sluice_ttft_seconds_bucket{pool=\"chat\",le=\"+Inf\"} 3\n"
			    "sluice_ttft_seconds_sum{pool=\"chat\"} 4295.966795\n"
			    "sluice_ttft_seconds_count{pool=\"chat\"} 3\n");
	sl_text_reset(&text);
	sl_histogram_append_prometheus(histogram, &text, "x", "", edges, 1, 0);
	assert_string_equal(sl_text_string(&text), "x_bucket{le=\"1000\"} 1\n"
						   "x_bucket{le=\"+Inf\"} 3\n"
						   "x_sum 4295966795\nx_count 3\n");
	sl_text_fini(&text);
	free(histogram);
}

static void edges_ascend_and_counts_match(void **state)
{
	uint64_t counts[SL_HISTOGRAM_LATENCY_EDGES];
	struct sl_histogram *histogram = calloc(1, sizeof(*histogram));

	(void)state;
	for (uint64_t us = 100; us < 1000000; us += 100)
		sl_histogram_record(histogram, us);
	sl_histogram_cumulative(histogram, sl_histogram_latency_edges_us,
				SL_HISTOGRAM_LATENCY_EDGES, counts);
	for (unsigned i = 0; i < SL_HISTOGRAM_LATENCY_EDGES; i++) {
		uint64_t edge = sl_histogram_latency_edges_us[i];
		uint64_t exact = edge >= 1000000 ? 9999 : edge / 100;
		uint64_t off = counts[i] > exact ? counts[i] - exact : exact - counts[i];

		assert_true(i == 0 || edge > sl_histogram_latency_edges_us[i - 1]);
		assert_true(off <= exact / 25 + 1);
	}
	free(histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_tile_the_range),
		cmocka_unit_test(quantiles_are_close),
		cmocka_unit_test(merge_adds),
		cmocka_unit_test(prometheus_text),
		cmocka_unit_test(edges_ascend_and_counts_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
