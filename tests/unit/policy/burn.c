/* SPDX-License-Identifier: BSD-2-Clause */
/* Budgets of a prompt's version: when it is taken away, when it comes back, and what does neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/policy/burn.h"

static const struct sl_burn_limits limits = {
	.window_ms = 60000,
	.requests_min = 20,
	.error_percent = 25,
	.invalid_percent = 10,
	.hold_ms = 10000,
	.trials = 8,
};

static bool notes(struct sl_burn *burn, uint64_t now_ms, int count, enum sl_burn_outcome outcome)
{
	bool changed = false;

	for (int i = 0; i < count; i++)
		changed |= sl_burn_note(burn, &limits, now_ms, outcome);
	return changed;
}

static void test_burns_at_its_share(void **state)
{
	struct sl_burn burn = {0};

	(void)state;
	assert_false(notes(&burn, 1000, 15, SL_BURN_OK));
	assert_false(notes(&burn, 1000, 4, SL_BURN_ERROR)); /* 19: too few to judge */
	assert_true(sl_burn_allows(&burn, 1000));
	assert_true(notes(&burn, 1000, 1, SL_BURN_ERROR)); /* 5 of 20 */
	assert_false(sl_burn_allows(&burn, 1000));
	assert_int_equal(burn.state, SL_BURN_BURNT);
}

static void test_invalid_has_its_own_share(void **state)
{
	struct sl_burn burn = {0};

	(void)state;
	assert_false(notes(&burn, 0, 18, SL_BURN_OK));
	assert_false(notes(&burn, 0, 1, SL_BURN_INVALID));
	assert_true(notes(&burn, 0, 1, SL_BURN_INVALID));
	burn = (struct sl_burn){0};
	assert_false(notes(&burn, 0, 18, SL_BURN_OK));
	assert_false(notes(&burn, 0, 2, SL_BURN_ERROR));
}

/* What is older than the window does not count. */
static void test_window_passes(void **state)
{
	struct sl_burn burn = {0};

	(void)state;
	notes(&burn, 0, 15, SL_BURN_OK);
	notes(&burn, 0, 4, SL_BURN_ERROR);
	assert_false(notes(&burn, 60000, 19, SL_BURN_ERROR)); /* alone: too few */
	assert_true(notes(&burn, 60000, 1, SL_BURN_ERROR));
	burn = (struct sl_burn){0};
	for (uint64_t now = 0; now < 3600000; now += 1000) { /* one in ten, for an hour */
		notes(&burn, now, 9, SL_BURN_OK);
		assert_false(notes(&burn, now, 1, SL_BURN_ERROR));
	}
}

static void burn_it(struct sl_burn *burn, uint64_t now_ms)
{
	*burn = (struct sl_burn){0};
	assert_true(notes(burn, now_ms, 20, SL_BURN_ERROR));
}

static void test_way_back(void **state)
{
	struct sl_burn burn;
	int allowed = 0;

	(void)state;
	burn_it(&burn, 5000);
	assert_false(notes(&burn, 6000, 50, SL_BURN_OK)); /* in flight still: moves nothing */
	assert_false(sl_burn_allows(&burn, 14999));
	for (int i = 0; i < 80; i++)
		allowed += sl_burn_allows(&burn, 15000);
	assert_int_equal(allowed, 10);
	assert_int_equal(burn.state, SL_BURN_TRIAL);
	assert_false(notes(&burn, 15000, 6, SL_BURN_OK));
	assert_false(notes(&burn, 15000, 1, SL_BURN_ERROR)); /* 1 of 8 is half of 25 % */
	assert_true(notes(&burn, 15000, 1, SL_BURN_OK));
	assert_int_equal(burn.state, SL_BURN_GOOD);
	/* and has its whole budget again */
	assert_false(notes(&burn, 15000, 19, SL_BURN_ERROR));
}

static void test_falls_again_for_longer(void **state)
{
	struct sl_burn burn;
	uint64_t now = 0, hold = 10000;

	(void)state;
	burn_it(&burn, now);
	for (int i = 0; i < 6; i++) {
		assert_false(sl_burn_allows(&burn, now + hold - 1));
		now += hold;
		assert_true(sl_burn_allows(&burn, now));
		assert_false(notes(&burn, now, 1, SL_BURN_ERROR));
		assert_true(notes(&burn, now, 1, SL_BURN_ERROR));
		hold = hold * 2 < 80000 ? hold * 2 : 80000;
	}
	now += hold;
	assert_true(sl_burn_allows(&burn, now));
	assert_true(notes(&burn, now, 8, SL_BURN_OK));
	assert_true(notes(&burn, now, 20, SL_BURN_ERROR));
	assert_true(sl_burn_allows(&burn, now + 10000)); /* the first hold again */
}

static void test_zero_is_never(void **state)
{
	struct sl_burn_limits none = limits;
	struct sl_burn burn = {0};

	(void)state;
	none.error_percent = none.invalid_percent = 0;
	for (int i = 0; i < 1000; i++) {
		assert_false(sl_burn_note(&burn, &none, 0, SL_BURN_ERROR));
		assert_false(sl_burn_note(&burn, &none, 0, SL_BURN_INVALID));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_burns_at_its_share),
		cmocka_unit_test(test_invalid_has_its_own_share),
		cmocka_unit_test(test_window_passes),
		cmocka_unit_test(test_way_back),
		cmocka_unit_test(test_falls_again_for_longer),
		cmocka_unit_test(test_zero_is_never),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
