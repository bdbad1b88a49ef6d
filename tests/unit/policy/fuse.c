/* SPDX-License-Identifier: BSD-2-Clause */
/* A fuse as a table of events and times; steering between two pools by simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/base/random.h"
#include "user/policy/fuse.h"
#include "user/policy/steer.h"

static void test_fuse(void **state)
{
	/* '+' useful, '-' not, 'y' it may be asked, 'n' it may not */
	static const struct {
		char what;
		uint64_t at_ms;
	} steps[] =
		{
			{'-', 0},     {'-', 0},	    {'-', 0},	  {'-', 0},	{'y', 0},
			{'+', 0},     {'-', 1},	    {'-', 1},	  {'-', 1},	{'-', 1},
			{'y', 1},     {'-', 1},	    {'n', 2},	  {'-', 3},	{'n', 5000},
			{'y', 5001},  {'n', 5002},  {'-', 5100},  {'n', 15099}, {'y', 15100},
			{'n', 20000}, {'y', 75100}, /* the one that was to find out never came back */
			{'+', 75200}, {'y', 75200}, {'y', 75200}, {'-', 75300}, {'y', 75300},
		};
	struct sl_fuse fuse = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		bool may;

		if (steps[i].what == '+' || steps[i].what == '-') {
			sl_fuse_note(&fuse, steps[i].what == '+', steps[i].at_ms);
			continue;
		}
		may = sl_fuse_may(&fuse, steps[i].at_ms);
		if (may != (steps[i].what == 'y'))
			fail_msg("step %zu: %s", i, may ? "it may" : "it may not");
	}
	for (uint64_t ms = 100000; ms < 10000000; ms += 60000) { /* its time has a bound */
		sl_fuse_note(&fuse, false, ms);
		(void)sl_fuse_may(&fuse, ms);
		assert_true(fuse.blown_ms <= SL_FUSE_MS_MAX);
	}
	assert_true(sl_fuse_is_blown(&fuse));
}

/* So many looks, a second apart, with ten answers each; the share of the second pool at the end. */
static uint32_t steer_for(uint32_t first_bad, uint32_t second_bad, uint32_t looks)
{
	const struct sl_steer_rules rules = {.floor = 500, .step = 1000, .every_ms = 5000};
	struct sl_rate rates[2];
	const uint32_t bad[] = {first_bad, second_bad};
	struct sl_steer steer = {0};
	struct sl_random random;
	uint32_t before = 500;

	memset(rates, 0, sizeof(rates));
	sl_random_seed(&random, 5);
	for (uint32_t i = 0; i < looks; i++) {
		uint32_t share;

		for (uint32_t k = 0; k < 10; k++) {
			bool second = sl_random_below(&random, SL_STEER_ONE) < before;

			sl_rate_add(&rates[second], 1, sl_random_below(&random, 100) < bad[second]);
		}
		share = sl_steer_move(&steer, &rules, &rates[0], &rates[1], 1000 + i * 1000);
		assert_true(share >= 500 && share <= 9500);
		assert_true(share <= before + 1000 && before <= share + 1000);
		before = share;
	}
	return before;
}

static void test_steer(void **state)
{
	(void)state;
	assert_int_equal(steer_for(40, 5, 300), 9500); /* the first is bad: it keeps its floor */
	assert_int_equal(steer_for(5, 40, 300), 500);
	assert_int_equal(steer_for(10, 10, 2000), 500); /* alike: it stays where it began */
	assert_int_equal(steer_for(40, 5, 3), 500);	/* and without evidence */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fuse),
		cmocka_unit_test(test_steer),
	};

	return cmocka_run_group_tests_name("policy/fuse", tests, NULL, NULL);
}
