/* SPDX-License-Identifier: BSD-2-Clause */
/* A roll-out's check: when it is run, what its end means, and that only a pass lets a step be taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/policy/rollout_check.h"

#define PAUSE_MS 1000u

static void test_ends(void **unused)
{
	static const struct {
		int status;
		enum sl_rollout_check_end end;
	} rows[] = {
		{0, SL_ROLLOUT_CHECK_SAYS_GOOD},     {1, SL_ROLLOUT_CHECK_SAYS_BAD},
		{2, SL_ROLLOUT_CHECK_SAYS_NOTHING},  {126, SL_ROLLOUT_CHECK_SAYS_NOTHING},
		{-1, SL_ROLLOUT_CHECK_SAYS_NOTHING}, {255, SL_ROLLOUT_CHECK_SAYS_NOTHING},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(sl_rollout_check_end_of(rows[i].status), rows[i].end);
}

enum act { START, GOOD, BAD, NOTHING, HOLD, REST };

/* Each history begins with a check that is WAITING, at 0 ms; 100 ms pass before each act. */
static const struct {
	const char *what;
	enum act acts[6];
	uint32_t count;
	enum sl_rollout_check_state state;
	bool allows;
	uint32_t misses;
	uint64_t due_ms; /* with a step that is ready; 0: never */
} histories[] = {
	{"not run yet", {0}, 0, SL_ROLLOUT_CHECK_WAITING, false, 0, 1},
	{"it runs", {START}, 1, SL_ROLLOUT_CHECK_RUNNING, false, 0, 0},
	{"passed", {START, GOOD}, 2, SL_ROLLOUT_CHECK_PASSED, true, 0, 0},
	{"failed", {START, BAD}, 2, SL_ROLLOUT_CHECK_FAILED, false, 0, 0},
	{"nothing", {START, NOTHING}, 2, SL_ROLLOUT_CHECK_CANNOT_RUN, false, 1, 1200},
	{"nothing twice",
	 {START, NOTHING, START, NOTHING},
	 4,
	 SL_ROLLOUT_CHECK_CANNOT_RUN,
	 false,
	 2,
	 1400},
	{"nothing, then passed",
	 {START, NOTHING, START, GOOD},
	 4,
	 SL_ROLLOUT_CHECK_PASSED,
	 true,
	 0,
	 0},
	{"the step was left: it passes for one step alone",
	 {START, GOOD, REST},
	 3,
	 SL_ROLLOUT_CHECK_WAITING,
	 false,
	 0,
	 1},
	{"taken back while it ran", {START, REST}, 2, SL_ROLLOUT_CHECK_WAITING, false, 0, 1},
	{"a failure stays", {START, BAD, REST}, 3, SL_ROLLOUT_CHECK_FAILED, false, 0, 0},
	{"there is none any more", {HOLD}, 1, SL_ROLLOUT_CHECK_CANNOT_RUN, false, 0, 1},
	{"none, while it ran", {START, HOLD}, 2, SL_ROLLOUT_CHECK_CANNOT_RUN, false, 0, 1},
	{"none, though it had passed",
	 {START, GOOD, HOLD},
	 3,
	 SL_ROLLOUT_CHECK_CANNOT_RUN,
	 false,
	 0,
	 1},
};

static void act(struct sl_rollout_check *check, enum act what, uint64_t now_ms)
{
	if (what == START)
		sl_rollout_check_start(check);
	else if (what == HOLD)
		sl_rollout_check_hold(check);
	else if (what == REST)
		sl_rollout_check_rest(check);
	else
		sl_rollout_check_end(check,
				     what == GOOD  ? SL_ROLLOUT_CHECK_SAYS_GOOD
				     : what == BAD ? SL_ROLLOUT_CHECK_SAYS_BAD
						   : SL_ROLLOUT_CHECK_SAYS_NOTHING,
				     now_ms, PAUSE_MS);
}

static void test_histories(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(histories) / sizeof(histories[0]); i++) {
		struct sl_rollout_check check = {.state = SL_ROLLOUT_CHECK_WAITING};
		uint64_t due_ms = histories[i].due_ms;

		for (uint32_t k = 0; k < histories[i].count; k++)
			act(&check, histories[i].acts[k], 100 * (k + 1));
		if (check.state != histories[i].state || check.misses != histories[i].misses ||
		    sl_rollout_check_allows(&check) != histories[i].allows)
			fail_msg("%s: %s", histories[i].what,
				 sl_rollout_check_state_name(check.state));
		assert_false(sl_rollout_check_is_due(&check, false, UINT64_MAX));
		if (sl_rollout_check_is_due(&check, true, due_ms ? due_ms : UINT64_MAX) !=
			    (due_ms != 0) ||
		    (due_ms > 1 && sl_rollout_check_is_due(&check, true, due_ms - 1)))
			fail_msg("%s: when it is due", histories[i].what);
	}
}

/* Without a check nothing is run, and nothing is kept from a step. */
static void test_none(void **unused)
{
	struct sl_rollout_check check = {SL_ROLLOUT_CHECK_NONE};

	(void)unused;
	assert_true(sl_rollout_check_allows(&check));
	assert_false(sl_rollout_check_is_due(&check, true, UINT64_MAX));
	sl_rollout_check_rest(&check);
	assert_int_equal(check.state, SL_ROLLOUT_CHECK_NONE);
}

/* Each run is counted once; what was taken back, or is not there, is none. */
static void test_counts(void **unused)
{
	static const enum act acts[] = {START, NOTHING, START, REST,  HOLD,
					START, GOOD,	REST,  START, BAD};
	struct sl_rollout_check check = {.state = SL_ROLLOUT_CHECK_WAITING};

	(void)unused;
	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++)
		act(&check, acts[i], i);
	assert_int_equal(check.ends[SL_ROLLOUT_CHECK_SAYS_NOTHING], 1);
	assert_int_equal(check.ends[SL_ROLLOUT_CHECK_SAYS_GOOD], 1);
	assert_int_equal(check.ends[SL_ROLLOUT_CHECK_SAYS_BAD], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
