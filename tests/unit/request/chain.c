/* SPDX-License-Identifier: BSD-2-Clause */
/* Which pool follows which, by cause. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/request/chain.h"

#define POOLS 6
#define STEPS 6

static const struct sl_upstream_pool pools[POOLS] = {{.name = "a"}, {.name = "b"}, {.name = "c"},
						     {.name = "d"}, {.name = "e"}, {.name = "f"}};

/* pools a, b; ttft: c; context_length: d, e; breaker_open: f */
static const struct sl_route route = {
	.chains = {[SL_CAUSE_ERROR] = {{&pools[0], &pools[1]}, 2},
		   [SL_CAUSE_TTFT] = {{&pools[2]}, 1},
		   [SL_CAUSE_CONTEXT_LENGTH] = {{&pools[3], &pools[4]}, 2},
		   [SL_CAUSE_BREAKER_OPEN] = {{&pools[5]}, 1}},
};

static const struct row {
	const char *what;
	enum sl_cause causes[STEPS];
	uint32_t count;
	const char *path; /* pools in order; "." is the end */
} rows[] = {
	{"errors walk through pools", {SL_CAUSE_ERROR, SL_CAUSE_ERROR}, 2, "ab."},
	{"a cause without a chain of its own is an error",
	 {SL_CAUSE_TOTAL, SL_CAUSE_QUOTA},
	 2,
	 "ab."},
	{"a chain of its own takes the place of the rest",
	 {SL_CAUSE_TTFT, SL_CAUSE_ERROR},
	 2,
	 "ac."},
	{"also from the middle", {SL_CAUSE_ERROR, SL_CAUSE_TTFT, SL_CAUSE_TTFT}, 3, "abc."},
	{"errors walk through it",
	 {SL_CAUSE_CONTEXT_LENGTH, SL_CAUSE_ERROR, SL_CAUSE_ERROR},
	 3,
	 "ade."},
	{"it is entered once",
	 {SL_CAUSE_CONTEXT_LENGTH, SL_CAUSE_CONTEXT_LENGTH, SL_CAUSE_CONTEXT_LENGTH},
	 3,
	 "ade."},
	{"from one into another, and not back",
	 {SL_CAUSE_BREAKER_OPEN, SL_CAUSE_TTFT, SL_CAUSE_CONTEXT_LENGTH, SL_CAUSE_TTFT,
	  SL_CAUSE_BREAKER_OPEN},
	 5,
	 "afcde."},
};

static void test_walks(void **state)
{
	(void)state;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct sl_chain_walk walk;
		char path[STEPS + 3] = {0};
		size_t len = 0;

		sl_chain_begin(&walk, &route);
		path[len++] = sl_chain_pool(&walk)->name[0];
		for (uint32_t i = 0; i < rows[r].count; i++) {
			uint32_t behind = sl_chain_behind(&walk, rows[r].causes[i]);
			bool moved = sl_chain_next(&walk, rows[r].causes[i]);

			assert_int_equal(moved, behind > 0);
			path[len++] = moved ? sl_chain_pool(&walk)->name[0] : '.';
		}
		if (strcmp(path, rows[r].path))
			fail_msg("%s: %s, expected %s", rows[r].what, path, rows[r].path);
		assert_int_equal(walk.moves, strlen(path) - 2);
	}
}

static void test_own(void **state)
{
	struct sl_chain_walk walk;

	(void)state;
	sl_chain_begin(&walk, &route);
	assert_false(sl_chain_has_own(&walk, SL_CAUSE_ERROR));
	assert_false(sl_chain_has_own(&walk, SL_CAUSE_QUOTA));
	assert_true(sl_chain_has_own(&walk, SL_CAUSE_TTFT));
	assert_true(sl_chain_next(&walk, SL_CAUSE_TTFT));
	assert_false(sl_chain_has_own(&walk, SL_CAUSE_TTFT));
	assert_true(sl_chain_has_own(&walk, SL_CAUSE_BREAKER_OPEN));
	sl_chain_begin(&walk, &route);
	assert_false(
		sl_chain_leaves_at_once(&walk, SL_CAUSE_TTFT)); /* another node may do better */
	assert_false(
		sl_chain_leaves_at_once(&walk, SL_CAUSE_CONTENT_POLICY)); /* the client hears it */
	assert_true(sl_chain_leaves_at_once(&walk, SL_CAUSE_CONTEXT_LENGTH));
	assert_true(sl_chain_next(&walk, SL_CAUSE_CONTEXT_LENGTH));
	assert_true(
		sl_chain_leaves_at_once(&walk, SL_CAUSE_CONTEXT_LENGTH)); /* to the larger one */
	assert_true(sl_chain_next(&walk, SL_CAUSE_CONTEXT_LENGTH));
	assert_false(sl_chain_leaves_at_once(&walk, SL_CAUSE_CONTEXT_LENGTH));
	for (int cause = 0; cause < SL_CAUSES; cause++)
		assert_non_null(sl_chain_cause_name((enum sl_cause)cause));
}

/* A budget's way: the chain of the cause quota and nothing else. */
static void test_thrifty(void **state)
{
	const struct sl_upstream_pool cheap = {.name = "y"}, cheaper = {.name = "z"};
	struct sl_route saving = route;
	struct sl_chain_walk walk;

	(void)state;
	saving.chains[SL_CAUSE_QUOTA] =
		(struct sl_route_chain){.pools = {&cheap, &cheaper}, .len = 2};
	sl_chain_begin_thrifty(&walk, &saving);
	assert_ptr_equal(sl_chain_pool(&walk), &cheap);
	assert_int_equal(walk.moves, 1);
	for (int cause = 0; cause < SL_CAUSES; cause++) {
		assert_false(sl_chain_has_own(&walk, (enum sl_cause)cause));
		assert_int_equal(sl_chain_behind(&walk, (enum sl_cause)cause), 1);
	}
	assert_true(sl_chain_next(&walk, SL_CAUSE_TTFT));
	assert_ptr_equal(sl_chain_pool(&walk), &cheaper);
	assert_int_equal(walk.cause, SL_CAUSE_QUOTA);
	assert_false(sl_chain_next(&walk, SL_CAUSE_ERROR));
}

/* The one pool that was asked for (stage/pick.h): whatever comes, nothing is behind it. */
static void test_only(void **state)
{
	const struct sl_upstream_pool picked = {.name = "p"};
	const struct sl_route_chain own = {.pools = {&picked}, .len = 1, .only = true};
	struct sl_chain_walk walk;

	(void)state;
	sl_chain_begin_own(&walk, &route, &own);
	assert_ptr_equal(sl_chain_pool(&walk), &picked);
	for (int cause = 0; cause < SL_CAUSES; cause++) {
		assert_false(sl_chain_has_own(&walk, (enum sl_cause)cause));
		assert_int_equal(sl_chain_behind(&walk, (enum sl_cause)cause), 0);
		assert_false(sl_chain_leaves_at_once(&walk, (enum sl_cause)cause));
		assert_false(sl_chain_next(&walk, (enum sl_cause)cause));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
		cmocka_unit_test(test_own),
		cmocka_unit_test(test_thrifty),
		cmocka_unit_test(test_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
