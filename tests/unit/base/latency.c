/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/random.h"

/* The bucket as abi.h defines it, by another road than the kernel's. */
static uint32_t bucket_of(uint64_t us)
{
	uint32_t e = 63u - (uint32_t)__builtin_clzll(us | 1);
	uint32_t index =
		us < SL_LATENCY_SUB ? (uint32_t)us : (e - 1) * 4 + (uint32_t)((us >> (e - 2)) & 3);

	return index < SL_LATENCY_BUCKETS ? index : SL_LATENCY_BUCKETS - 1;
}

static void buckets_tile_the_range(void **state)
{
	(void)state;
	assert_true(sl_latency_bucket_min_us(0) == 0);
	for (uint32_t i = 0; i + 1 < SL_LATENCY_BUCKETS; i++) {
		uint64_t min = sl_latency_bucket_min_us(i);
		uint64_t next = sl_latency_bucket_min_us(i + 1);

		assert_true(next > min);
		assert_int_equal(bucket_of(min), i);
		assert_int_equal(bucket_of(next - 1), i);
		assert_int_equal(bucket_of(next), i + 1);
		assert_true((next - min) * 4 <= min + 4);
	}
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

#define VALUES 10000u

static void quantiles_are_close(void **state)
{
	static uint64_t values[VALUES];
	uint32_t counts[SL_LATENCY_BUCKETS] = {0};
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 7);
	for (uint32_t i = 0; i < VALUES; i++) {
		/* from some us to some tens of seconds */
		values[i] = sl_random_below(&random, 1u << 26) >> sl_random_below(&random, 22);
		counts[bucket_of(values[i])]++;
	}
	qsort(values, VALUES, sizeof(*values), compare);
	assert_true(sl_latency_count(counts) == VALUES);
	for (uint32_t per_mille = 1; per_mille <= 1000; per_mille++) {
		uint64_t exact = values[VALUES / 1000 * per_mille - 1];
		uint64_t got = sl_latency_quantile_us(counts, per_mille);
		uint64_t off = got > exact ? got - exact : exact - got;

		if (off > exact / 8 + 1)
			fail_msg("p%u/1000: %llu, exact %llu", per_mille, (unsigned long long)got,
				 (unsigned long long)exact);
	}
}

static void few_samples(void **state)
{
	uint32_t counts[SL_LATENCY_BUCKETS] = {0};

	(void)state;
	assert_true(sl_latency_quantile_us(counts, 500) == 0);
	counts[bucket_of(3)] = 1;
	assert_true(sl_latency_quantile_us(counts, 1) == 3);
	assert_true(sl_latency_quantile_us(counts, 500) == 3);
	assert_true(sl_latency_quantile_us(counts, 1000) == 3);
	counts[bucket_of(7)] = 1;
	assert_true(sl_latency_quantile_us(counts, 500) == 3);
	assert_true(sl_latency_quantile_us(counts, 501) == 7);
	counts[SL_LATENCY_BUCKETS - 1] = 1;
	assert_true(sl_latency_quantile_us(counts, 1000) >= 1u << 26);
}

static void differences_wrap(void **state)
{
	uint32_t before[SL_LATENCY_BUCKETS] = {0}, now[SL_LATENCY_BUCKETS] = {0};
	uint32_t between[SL_LATENCY_BUCKETS];

	(void)state;
	before[9] = UINT32_MAX - 1;
	now[9] = 3;
	now[20] = 8;
	sl_latency_between(before, now, between);
	assert_int_equal(between[9], 5);
	assert_int_equal(between[20], 8);
	assert_true(sl_latency_count(between) == 13);
}

static void prometheus_text(void **state)
{
	static const uint8_t shifts[] = {2, 7, 10, 26};
	uint32_t counts[SL_LATENCY_BUCKETS] = {0};
	struct sl_text text;

	(void)state;
	counts[bucket_of(3)] = 1;
	counts[bucket_of(4)] = 2;
	counts[bucket_of(127)] = 4;	    /* 112..127: middle 120 */
	counts[bucket_of(128)] = 8;	    /* 128..159: middle 144 */
	counts[bucket_of(1ull << 30)] = 16; /* the last: 117,440,512 to 134,217,728 */
	sl_text_init(&text, 0);
	sl_latency_append_prometheus(counts, &text, "t", "node=\"a\"", shifts, 4);
	assert_string_equal(sl_text_string(&text), "t_bucket{node=\"a\",le=\"0.000004\"} 1\n"
						   "t_bucket{node=\"a\",le=\"0.000128\"} 7\n"
						   "t_bucket{node=\"a\",le=\"0.001024\"} 15\n"
						   "t_bucket{node=\"a\",le=\"67.108864\"} 15\n"
						   "t_bucket{node=\"a\",le=\"+Inf\"} 31\n"
						   "t_sum{node=\"a\"} 2013.267563\n"
						   "t_count{node=\"a\"} 31\n");
	sl_text_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_tile_the_range),
		cmocka_unit_test(quantiles_are_close),
		cmocka_unit_test(few_samples),
		cmocka_unit_test(differences_wrap),
		cmocka_unit_test(prometheus_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
