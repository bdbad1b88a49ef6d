/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds a roll-out up: an experiment each, a burning objective and a drifted candidate those of models. */
#include "user/ops/rollout_parts.h"
#include "user/policy/drift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct {
	const char *what;
	enum sl_rollout_kind kind;
	bool chaos;
	const char *burning; /* a route, or NULL */
	const char *drifted; /* a pool, or NULL */
	const char *why;     /* a word of the reason; NULL: it is not held */
} cases[] = {
	{"a model, and all is calm", SL_ROLLOUT_MODEL, false, NULL, NULL, NULL},
	{"an experiment", SL_ROLLOUT_MODEL, true, NULL, NULL, "experiment"},
	{"its route burns", SL_ROLLOUT_MODEL, false, "chat", NULL, "objective"},
	{"another route burns", SL_ROLLOUT_MODEL, false, "code", NULL, NULL},
	{"a longer name burns", SL_ROLLOUT_MODEL, false, "chat2", NULL, NULL},
	{"its candidate has drifted", SL_ROLLOUT_MODEL, false, NULL, "new", "drifted"},
	{"the baseline has", SL_ROLLOUT_MODEL, false, NULL, "old", NULL},
	{"both: what the operator can end comes first", SL_ROLLOUT_MODEL, true, "chat", "new",
	 "experiment"},
	{"a prompt, and all is calm", SL_ROLLOUT_PROMPT, false, NULL, NULL, NULL},
	{"a prompt in an experiment", SL_ROLLOUT_PROMPT, true, NULL, NULL, "experiment"},
	{"a prompt with the name of a route that burns", SL_ROLLOUT_PROMPT, false, "chat", NULL,
	 NULL},
	{"a prompt with a version of a pool's name", SL_ROLLOUT_PROMPT, false, NULL, "new", NULL},
};

static void test_held(void **state)
{
	struct sl_drift_board *board = calloc(1, sizeof(*board));
	struct sl_rollouts *rollouts = calloc(1, sizeof(*rollouts));
	struct sl_stores stores = {.drift = board};

	(void)state;
	assert_non_null(board);
	assert_non_null(rollouts);
	sl_drift_add(board, "new");
	sl_drift_add(board, "old");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_rollout_item item = {
			.kind = cases[i].kind, .subject = "chat", .candidate = "new"};
		struct sl_rollout_entry entry = {.used = true, .item = &item};
		const char *why;

		rollouts->place.stores = &stores;
		rollouts->chaos = cases[i].chaos;
		snprintf(rollouts->burning[1], sizeof(rollouts->burning[1]), "%s",
			 cases[i].burning ? cases[i].burning : "");
		if (cases[i].drifted)
			sl_drift_set(board, cases[i].drifted, SL_DRIFT_BY_CANARY, true);
		why = sl_rollouts_why_held(rollouts, &entry);
		if (!why != !cases[i].why || (why && !strstr(why, cases[i].why)))
			fail_msg("%s: %s", cases[i].what, why ? why : "not held");
		if (cases[i].drifted)
			sl_drift_set(board, cases[i].drifted, SL_DRIFT_BY_CANARY, false);
	}
	free(rollouts);
	free(board);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_held)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
