/* SPDX-License-Identifier: BSD-2-Clause */
/* Wilson's interval against published values; when a threshold moves, how far, and when it does not. */
#include "user/policy/shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

static const struct sl_shadow_limits limits = {
	.percent = 10,
	.threshold = 850000000,
	.lowest = 840000000,
	.highest = 875000000,
	.target_percent = 2,
	.tokens_max = 1000,
};

static const struct {
	uint64_t count, all;
	double low, high;
} intervals[] = {
	/* Newcombe, Statistics in Medicine 17 (1998), table I, method 3 */
	{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0000, 0.1611},
	{1, 29, 0.0061, 0.1718},   {10, 10, 0.7225, 1.0000},  {0, 0, 0, 1},
};

static void test_wilson(void **state)
{
	double low, high;

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		sl_shadow_wilson(intervals[i].count, intervals[i].all, &low, &high);
		assert_float_equal(low, intervals[i].low, 0.00006);
		assert_float_equal(high, intervals[i].high, 0.00006);
	}
}

static void test_share_of_hits(void **state)
{
	struct sl_shadow shadow = {0};
	int wanted = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		wanted += sl_shadow_wants(&shadow, &limits, 0, 0);
	assert_int_equal(wanted, 100);
	for (int i = 0; i < 9; i++)
		assert_false(sl_shadow_wants(&shadow, &limits, 0, 0));
	assert_true(sl_shadow_wants(&shadow, &limits, 0, 0));
}

static void test_budget_of_an_hour(void **state)
{
	const struct sl_shadow_limits all = {.percent = 100, .tokens_max = 1000};
	struct sl_shadow shadow = {0};

	(void)state;
	assert_true(sl_shadow_wants(&shadow, &all, 400, 1));
	sl_shadow_spend(&shadow, 700, 1);
	assert_false(sl_shadow_wants(&shadow, &all, 400, 3599999));
	assert_true(sl_shadow_wants(&shadow, &all, 300, 3599999));
	assert_true(sl_shadow_wants(&shadow, &all, 400, 3600000));
	assert_int_equal(shadow.spared, 1);
	assert_int_equal(shadow.all_tokens, 700);
}

static enum sl_shadow_move note(struct sl_shadow *shadow, uint32_t agreed, uint32_t differed)
{
	enum sl_shadow_move move = SL_SHADOW_STAYS, last;

	for (uint32_t i = 0; i < agreed + differed; i++) {
		last = sl_shadow_note(shadow, &limits, i < agreed);
		move = last ? last : move;
	}
	return move;
}

static void test_goes_up_and_not_past_its_limit(void **state)
{
	struct sl_shadow shadow = {0};

	(void)state;
	assert_int_equal(sl_shadow_threshold(&shadow, &limits), 850000000);
	assert_int_equal(note(&shadow, 16, 3), SL_SHADOW_STAYS); /* 19 are too few to judge by */
	assert_int_equal(note(&shadow, 0, 1), SL_SHADOW_RAISED);
	assert_int_equal(sl_shadow_threshold(&shadow, &limits), 860000000);
	assert_int_equal(shadow.agreed + shadow.differed, 0);
	assert_int_equal(note(&shadow, 0, 19), SL_SHADOW_STAYS);
	assert_int_equal(note(&shadow, 0, 100), SL_SHADOW_RAISED);
	assert_int_equal(shadow.threshold, 875000000);
	assert_int_equal(shadow.raised, 3);
	assert_int_equal(shadow.all_differed, 123);
}

static void test_goes_down_slowly(void **state)
{
	struct sl_shadow shadow = {0};

	(void)state;
	assert_int_equal(note(&shadow, 380, 0), SL_SHADOW_STAYS); /* up to 1.0007 % is possible */
	assert_int_equal(note(&shadow, 1, 0), SL_SHADOW_LOWERED);
	assert_int_equal(shadow.threshold, 845000000);
	note(&shadow, 2000, 0);
	assert_int_equal(shadow.threshold, 840000000); /* its limit */
	assert_int_equal(shadow.lowered, 2);
}

/* Between half of the target and the target nothing moves. */
static void test_rests_at_its_target(void **state)
{
	struct sl_shadow shadow = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(note(&shadow, 197, 3), SL_SHADOW_STAYS);
	assert_int_equal(shadow.threshold, 850000000);
	assert_in_range(shadow.agreed + shadow.differed, 1000, 2000);
}

static void test_another_configuration(void **state)
{
	struct sl_shadow_limits other = limits;
	struct sl_shadow shadow = {0};

	(void)state;
	note(&shadow, 0, 20);
	assert_int_equal(shadow.threshold, 860000000);
	other.highest = 855000000;
	assert_int_equal(sl_shadow_threshold(&shadow, &other), 855000000);
	other.threshold = 900000000; /* above its own highest: that is where it is */
	assert_int_equal(sl_shadow_threshold(&shadow, &other), 900000000);
	assert_int_equal(sl_shadow_threshold(&shadow, &limits), 850000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wilson),
		cmocka_unit_test(test_share_of_hits),
		cmocka_unit_test(test_budget_of_an_hour),
		cmocka_unit_test(test_goes_up_and_not_past_its_limit),
		cmocka_unit_test(test_goes_down_slowly),
		cmocka_unit_test(test_rests_at_its_target),
		cmocka_unit_test(test_another_configuration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
