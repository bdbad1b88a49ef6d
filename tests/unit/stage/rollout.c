/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose kept answers are whose, while something is rolled out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/stage/rollout.h"

static void add_header(struct sl_stage *stage, const char *name, const char *value)
{
	(void)stage;
	(void)name;
	(void)value;
}

/* Of a request of this arm; NULL: of no roll-out. known: the board still has it. */
static uint64_t vary_of(struct sl_rollout_item *item, bool candidate, bool known)
{
	static const struct sl_stage_ops ops = {.header = add_header};
	static const struct sl_config config = {.pool_count = 0};
	static const struct sl_config_route route = {.model = (char *)"chat"};
	struct sl_rollout_set set = {.count = 0};
	struct sl_rollout_board board = {.set = &set};
	struct sl_stores stores = {.rollouts = &board};
	struct sl_stage stage = {
		.ops = &ops, .config = &config, .route = &route, .stores = &stores};

	if (item)
		stage.rollouts[SL_ROLLOUT_CONFIG] = sl_rollout_mark(item, candidate);
	if (item && known)
		set.items[set.count++] = item;
	assert_int_equal(sl_rollout_stage_run(&stage), SL_STAGE_GO_ON);
	return stage.vary;
}

/* Ids begin anew with the daemon; answers on the disk do not. */
static void each_has_its_own_answers(void **state)
{
	struct sl_rollout_item one = {.id = 1, .kind = SL_ROLLOUT_CONFIG, .salt = "one 1000"};
	struct sl_rollout_item two = {.id = 1, .kind = SL_ROLLOUT_CONFIG, .salt = "two 2000"};
	struct sl_rollout_item again = {.id = 7, .kind = SL_ROLLOUT_CONFIG, .salt = "one 1000"};
	uint64_t all = vary_of(NULL, false, false);

	(void)state;
	assert_int_equal(vary_of(&one, false, true), all);
	assert_int_not_equal(vary_of(&one, true, true), all);
	assert_int_not_equal(vary_of(&one, true, true), vary_of(&two, true, true));
	assert_int_equal(vary_of(&one, true, true), vary_of(&again, true, true));
	/* it has just ended: the request is still answered by the candidate */
	assert_int_not_equal(vary_of(&one, true, false), all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
