/* SPDX-License-Identifier: BSD-2-Clause */
/* What evaluation may cost: periods of the wall clock, what is over their bounds, and that it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/policy/allowance.h"

#define MINUTE_MS 60000ull
#define DAY_MS	  86400000ull
#define NOON_MS	  (20000 * DAY_MS + DAY_MS / 2)

static void test_answers(void **state)
{
	const struct sl_allowance_rules rules = {.answers = 2};
	struct sl_allowance allowance = {0};

	(void)state;
	sl_allowance_turn(&allowance, NOON_MS);
	assert_true(sl_allowance_take_answer(&allowance, &rules));
	assert_true(sl_allowance_take_answer(&allowance, &rules));
	assert_false(sl_allowance_take_answer(&allowance, &rules));
	sl_allowance_turn(&allowance, NOON_MS + MINUTE_MS - 1);
	assert_false(sl_allowance_take_answer(&allowance, &rules));
	sl_allowance_turn(&allowance, NOON_MS + MINUTE_MS);
	assert_true(sl_allowance_take_answer(&allowance, &rules));
}

/* A history: at that time so many tokens are asked for, of 100 a minute and 250 a day. */
static void test_tokens(void **state)
{
	static const struct {
		uint64_t at_ms;
		uint64_t asked, used;
		bool has, spent_minute, spent_day;
	} rows[] = {
		{NOON_MS, 60, 60, true, false, false},
		{NOON_MS + 1, 41, 0, false, true, false},
		{NOON_MS + 2, 40, 55, true, true, false}, /* it used more than was guessed */
		{NOON_MS + 3, 1, 0, false, true, false},
		{NOON_MS + MINUTE_MS, 100, 100, true, false, false},
		{NOON_MS + 2 * MINUTE_MS, 36, 0, false, false, true},
		{NOON_MS + 2 * MINUTE_MS, 35, 35, true, false, true},
		{NOON_MS + 3 * MINUTE_MS, 1, 0, false, false, true}, /* a minute brings none back */
		{NOON_MS + 3 * MINUTE_MS, 101, 0, false, true, true},
		{NOON_MS + DAY_MS / 2 - 1, 1, 0, false, false, true},
		{NOON_MS + DAY_MS / 2, 100, 100, true, false, false}, /* midnight */
		{NOON_MS, 100, 100, true, false, false},	      /* the clock is set back */
	};
	const struct sl_allowance_rules rules = {.tokens = {100, 250}};
	const struct sl_allowance_rules free_rules = {.answers = 1};
	struct sl_allowance allowance = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool has;

		sl_allowance_turn(&allowance, rows[i].at_ms);
		has = sl_allowance_has_tokens(&allowance, &rules, rows[i].asked);
		sl_allowance_spend(&allowance, rows[i].used);
		if (has != rows[i].has ||
		    allowance.spent[SL_ALLOWANCE_MINUTE] != rows[i].spent_minute ||
		    allowance.spent[SL_ALLOWANCE_DAY] != rows[i].spent_day)
			fail_msg("row %zu: %d %d %d", i, has, allowance.spent[0],
				 allowance.spent[1]);
	}
	assert_true(sl_allowance_has_tokens(&allowance, &free_rules, UINT64_MAX / 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests_name("allowance", tests, NULL, NULL);
}
