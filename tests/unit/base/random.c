/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void below_is_even_and_in_range(void **state)
{
	unsigned counts[7] = {0};
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 1);
	for (unsigned i = 0; i < 70000; i++)
		counts[sl_random_below(&random, 7)]++;
	/* 10000 expected each, standard deviation 93: five of them. */
	for (unsigned i = 0; i < 7; i++)
		assert_in_range(counts[i], 9500, 10500);
	assert_int_equal(sl_random_below(&random, 0), 0);
	assert_int_equal(sl_random_below(&random, 1), 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(sl_random_below(&random, 0x80000001u) <= 0x80000000u);
}

static void seeds_repeat(void **state)
{
	struct sl_random a;
	struct sl_random b;

	(void)state;
	sl_random_seed(&a, 7);
	sl_random_seed(&b, 7);
	for (unsigned i = 0; i < 100; i++)
		assert_true(sl_random_u64(&a) == sl_random_u64(&b));
	sl_random_seed(&b, 8);
	assert_false(sl_random_u64(&a) == sl_random_u64(&b));
	sl_random_init(&a);
	sl_random_init(&b);
	assert_false(sl_random_u64(&a) == sl_random_u64(&b));
}

static void backoff_is_bounded_and_full(void **state)
{
	static const struct {
		uint32_t base;
		uint32_t max;
		unsigned attempt;
		uint32_t bound;
	} cases[] = {
		{25, 1000, 0, 25}, {25, 1000, 2, 100}, {25, 1000, 10, 1000}, {25, 1000, 500, 1000},
		{0, 1000, 3, 0},   {0, 1000, 90, 0},   {25, 0, 1, 0},	     {25, 10, 0, 10},
	};
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 3);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t least = UINT32_MAX;
		uint32_t most = 0;

		for (unsigned j = 0; j < 4000; j++) {
			uint32_t ms = sl_random_backoff_ms(&random, cases[i].base, cases[i].max,
							   cases[i].attempt);

			least = ms < least ? ms : least;
			most = ms > most ? ms : most;
		}
		assert_true(most <= cases[i].bound);
		assert_true(most >= cases[i].bound - cases[i].bound / 50);
		assert_true(least <= cases[i].bound / 50);
	}
	sl_random_backoff_ms(&random, UINT32_MAX, UINT32_MAX, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(below_is_even_and_in_range),
		cmocka_unit_test(seeds_repeat),
		cmocka_unit_test(backoff_is_bounded_and_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
