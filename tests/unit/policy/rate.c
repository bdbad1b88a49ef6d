/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shares and their intervals: values of the score interval from the literature, how often the interval holds
 * what is true, weights, and what is forgotten.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "user/base/random.h"
#include "user/policy/rate.h"

#define RUNS 2000u

static void test_wilson(void **state)
{
	/* R. G. Newcombe, Statistics in Medicine 1998, table I: method 3 */
	static const struct {
		double bad, n, low, high;
	} cases[] = {
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},   {29, 29, 0.8830, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_interval got =
			sl_interval_wilson(cases[i].bad / cases[i].n, cases[i].n, SL_RATE_Z);

		if (fabs(got.low - cases[i].low) > 0.0001 ||
		    fabs(got.high - cases[i].high) > 0.0001)
			fail_msg("%g of %g: %g to %g", cases[i].bad, cases[i].n, got.low, got.high);
	}
	assert_true(sl_interval_wilson(0, 0, SL_RATE_Z).high == 1);
	assert_true(sl_interval_wilson(0, 0, SL_RATE_Z).low == 0);
}

/* Of 2,000 experiments the interval of 95 % must hold the true share in some 95 %. */
static void test_coverage(void **state)
{
	static const struct {
		uint32_t per_mille, samples;
	} cases[] = {{10, 400}, {100, 100}, {300, 60}, {500, 200}, {900, 100}};
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 11);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		double truth = cases[i].per_mille / 1000.0;
		uint32_t held = 0;

		for (uint32_t run = 0; run < RUNS; run++) {
			struct sl_rate rate = {0};
			struct sl_interval interval;

			for (uint32_t k = 0; k < cases[i].samples; k++)
				sl_rate_add(&rate, 1,
					    sl_random_below(&random, 1000) < cases[i].per_mille);
			interval = sl_rate_interval(&rate);
			held += interval.low <= truth && truth <= interval.high;
		}
		if (held < RUNS * 92 / 100)
			fail_msg("%u per mille of %u: only %u of %u hold it", cases[i].per_mille,
				 cases[i].samples, held, RUNS);
	}
}

/*
 * A rare stratum (one in ten) that is bad in half of its answers, and is looked at ten times as often as the
 * rest, which is good: unweighted the share would be a quarter, weighted it is one in twenty.
 */
static void test_weights(void **state)
{
	struct sl_rate rate = {0};

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		sl_rate_add(&rate, 9, false);
		sl_rate_add(&rate, 1, i % 2);
	}
	assert_true(fabs(sl_rate_share(&rate) - 0.05) < 1e-9);
	assert_int_equal(rate.count, 200);
	assert_int_equal(rate.bad_count, 50);
	/* (9+1)^2 x 100^2 / (82 x 100) */
	assert_true(fabs(sl_rate_samples(&rate) - 1000000.0 / 8200) < 1e-6);
	assert_true(sl_rate_interval(&rate).low < 0.05 && sl_rate_interval(&rate).high > 0.05);
}

/* What was true long ago fades; all counts stay. */
static void test_memory(void **state)
{
	struct sl_rate rate = {0};

	(void)state;
	for (uint32_t i = 0; i < 3000; i++)
		sl_rate_add(&rate, 1, true);
	for (uint32_t i = 0; i < 8000; i++)
		sl_rate_add(&rate, 1, false);
	assert_true(sl_rate_share(&rate) < 0.02);
	assert_true(sl_rate_samples(&rate) <= SL_RATE_MEMORY + 1);
	assert_int_equal(rate.count, 11000);
	assert_int_equal(rate.bad_count, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson),
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_weights),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests_name("policy/rate", tests, NULL, NULL);
}
