/* SPDX-License-Identifier: BSD-2-Clause */
/* Which node takes the next attempt: preference classes, load, weight, slow start, panic. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "user/policy/choose.h"
#include "user/policy/outcome.h"
#include "user/policy/retry.h"

#define NODES 64u
#define NOW   1000000u

struct world {
	struct sl_node_state nodes[NODES + 1];
	uint32_t slots[NODES];
	struct sl_choose in;
};

static void world_init(struct world *w, uint32_t count)
{
	memset(w, 0, sizeof(*w));
	for (uint32_t i = 0; i < count; i++) {
		w->slots[i] = i + 1;
		w->nodes[i + 1].admin = SL_NODE_PRESENT;
		w->nodes[i + 1].weight = 1;
	}
	w->in = (struct sl_choose){
		.nodes = w->nodes,
		.slots = w->slots,
		.slot_count = count,
		.now_ms = NOW,
		.slow_start_ms = 10000,
		.panic_percent = 30,
	};
}

static void set_open(struct world *w, uint32_t slot, uint64_t until_ms)
{
	w->nodes[slot].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, until_ms);
}

/* One line a case: what is special about nodes 1..4, and who must be chosen. */
struct row {
	const char *what;
	uint32_t count;
	uint32_t load[5], weight[5];
	uint32_t open[5]; /* 1: open, not due; 2: due for its probe */
	uint32_t draining[5];
	uint32_t recovered[5]; /* ms ago */
	uint32_t tried[4], tried_count;
	int allow_panic;
	uint32_t expect; /* slot; 0: none */
	int expect_panic;
};

static const struct row rows[] = {
	{.what = "the least loaded", .count = 3, .load = {0, 5, 2, 9}, .expect = 2},
	{.what = "load by weight", .count = 2, .load = {0, 4, 3}, .weight = {0, 4, 1}, .expect = 1},
	{.what = "open is passed over", .count = 2, .load = {0, 0, 9}, .open = {0, 1}, .expect = 2},
	{.what = "draining is passed over",
	 .count = 2,
	 .load = {0, 0, 9},
	 .draining = {0, 1},
	 .expect = 2},
	{.what = "a due probe goes first",
	 .count = 3,
	 .load = {0, 0, 0, 50},
	 .open = {0, 0, 0, 2},
	 .expect = 3},
	{.what = "but not with a request that failed once",
	 .count = 3,
	 .load = {0, 3, 7, 0},
	 .open = {0, 0, 0, 2},
	 .tried = {1},
	 .tried_count = 1,
	 .expect = 2},
	{.what = "untried before tried",
	 .count = 3,
	 .load = {0, 0, 0, 9},
	 .tried = {1, 2},
	 .tried_count = 2,
	 .expect = 3},
	{.what = "tried, but not the last one",
	 .count = 2,
	 .load = {0, 9, 0},
	 .tried = {1, 2},
	 .tried_count = 2,
	 .expect = 1},
	{.what = "the last one when there is no other",
	 .count = 1,
	 .tried = {1},
	 .tried_count = 1,
	 .expect = 1},
	{.what = "slow start halves the appeal",
	 .count = 2,
	 .load = {0, 2, 3},
	 .recovered = {0, 5000},
	 .expect = 2},
	{.what = "slow start is over",
	 .count = 2,
	 .load = {0, 2, 3},
	 .recovered = {0, 20000},
	 .expect = 1},
	{.what = "all open: nobody", .count = 2, .open = {0, 1, 1}, .expect = 0},
	{.what = "all open: the least bad in panic",
	 .count = 2,
	 .load = {0, 5, 1},
	 .open = {0, 1, 1},
	 .allow_panic = 1,
	 .expect = 2,
	 .expect_panic = 1},
	{.what = "panic never takes a drained one",
	 .count = 2,
	 .open = {0, 1, 1},
	 .draining = {0, 0, 1},
	 .allow_panic = 1,
	 .expect = 1,
	 .expect_panic = 1},
	{.what = "no panic while nodes are there",
	 .count = 2,
	 .open = {0, 1},
	 .allow_panic = 1,
	 .expect = 2},
	{.what = "empty pool", .count = 0, .allow_panic = 1, .expect = 0},
};

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		const struct row *row = &rows[r];

		/* The random start must not matter. */
		for (uint32_t random = 0; random < 7; random++) {
			struct world w;
			struct sl_choice choice;

			world_init(&w, row->count);
			for (uint32_t i = 1; i <= row->count; i++) {
				w.nodes[i].requests = row->load[i];
				if (row->weight[i])
					w.nodes[i].weight = row->weight[i];
				if (row->open[i])
					set_open(&w, i, row->open[i] == 1 ? NOW + 1000 : NOW - 1);
				if (row->draining[i])
					w.nodes[i].admin |= SL_NODE_DRAINING;
				if (row->recovered[i])
					w.nodes[i].recovered_ms = NOW - row->recovered[i];
			}
			w.in.tried = row->tried;
			w.in.tried_count = row->tried_count;
			w.in.allow_panic = row->allow_panic != 0;
			w.in.random = random * 0x2545f491u;
			choice = sl_choose_node(&w.in);
			if (choice.slot != (row->expect ? row->expect : SL_CHOOSE_NONE) ||
			    choice.panic != (row->expect_panic != 0))
				fail_msg("%s: slot %d panic %d, expected %u panic %d", row->what,
					 (int)choice.slot, choice.panic, row->expect,
					 row->expect_panic);
		}
	}
}

/* As many failures as open a breaker, closed by the cap alone: nearly out, and looked at again. */
static void test_doubtful(void **unused)
{
	struct world w;
	uint32_t n, chosen = 0;

	(void)unused;
	world_init(&w, 2);
	w.in.doubtful = 5;
	w.nodes[1].consecutive = 5;
	w.nodes[2].requests = 50;
	for (n = 0; n < SL_CHOOSE_DOUBT_PERIOD; n++) {
		struct sl_choice choice;

		w.in.random = n;
		choice = sl_choose_node(&w.in);
		assert_true(choice.others);
		chosen += choice.slot == 1;
	}
	assert_int_equal(chosen, 1);
	assert_true(sl_choose_is_doubtful(&w.in, &w.nodes[1]));
	assert_true(sl_choose_any_healthy(&w.in));
	/* A request that has failed is never risked on it while another is there. */
	w.in.tried = (uint32_t[]){9};
	w.in.tried_count = 1;
	w.in.random = 0;
	assert_int_equal(sl_choose_node(&w.in).slot, 2);
	w.in.tried = (uint32_t[]){2};
	assert_int_equal(sl_choose_node(&w.in).slot, 1);
	assert_false(sl_choose_any_healthy(&w.in));
	w.nodes[1].consecutive = 4;
	assert_true(sl_choose_any_healthy(&w.in));
	w.in.doubtful = 0;
	w.nodes[1].consecutive = 1000;
	assert_false(sl_choose_is_doubtful(&w.in, &w.nodes[1]));
}

/* A node that said Retry-After is nobody's choice, not even in panic, until then. */
static void test_held(void **unused)
{
	uint64_t holds[NODES + 1] = {0};
	struct world w;

	(void)unused;
	world_init(&w, 3);
	w.in.holds = holds;
	assert_int_equal(sl_choose_held_ms(&w.in), UINT64_MAX);
	w.nodes[2].requests = w.nodes[3].requests = 9;
	holds[1] = sl_retry_hold_word(NOW + 700, 0);
	assert_int_not_equal(sl_choose_node(&w.in).slot, 1);
	holds[2] = sl_retry_hold_word(NOW + 300, 0);
	assert_int_equal(sl_choose_node(&w.in).slot, 3);
	assert_false(sl_choose_node(&w.in).others);
	assert_int_equal(sl_choose_held_ms(&w.in), 300);
	holds[3] = sl_retry_hold_word(NOW + 1, 0);
	w.in.allow_panic = true;
	assert_int_equal(sl_choose_node(&w.in).slot, SL_CHOOSE_NONE);
	assert_int_equal(sl_choose_held_ms(&w.in), 1);
	w.in.now_ms = NOW + 1;
	assert_int_equal(sl_choose_node(&w.in).slot, 3);
	w.nodes[1].incarnation = 1; /* another endpoint in the slot has said nothing */
	assert_int_equal(sl_choose_node(&w.in).slot, 1);
	assert_true(sl_choose_node(&w.in).others);
}

/* Whether somebody else could be asked decides how long the first one is waited for. */
static void test_others(void **unused)
{
	struct world w;
	uint32_t tried[] = {2};

	(void)unused;
	world_init(&w, 2);
	assert_true(sl_choose_node(&w.in).others);
	w.in.tried = tried;
	w.in.tried_count = 1;
	assert_int_equal(sl_choose_node(&w.in).slot, 1);
	assert_false(sl_choose_node(&w.in).others);
	w.in.tried_count = 0;
	set_open(&w, 2, NOW + 1000);
	assert_false(sl_choose_node(&w.in).others);
	world_init(&w, 1);
	assert_false(sl_choose_node(&w.in).others);
}

/* Panic counts those that take new work; a place is one of a node that is well and was not tried. */
static void test_panic_and_places(void **unused)
{
	uint32_t limits[] = {2, 0, 2}, tried[] = {2};
	struct world w;

	(void)unused;
	world_init(&w, 3);
	w.in.panic_percent = 50;
	w.in.limits = limits;
	assert_false(sl_choose_in_panic(&w.in));
	set_open(&w, 1, NOW + 1000);
	assert_false(sl_choose_in_panic(&w.in));
	set_open(&w, 2, NOW + 1000);
	assert_true(sl_choose_in_panic(&w.in));
	assert_true(sl_choose_any_place(&w.in));
	w.nodes[3].requests = 2;
	assert_false(sl_choose_any_place(&w.in));
	assert_true(sl_choose_any_healthy(&w.in));
	w.nodes[2].breaker = 0;
	assert_true(sl_choose_any_place(&w.in)); /* it takes any */
	w.in.tried = tried;
	w.in.tried_count = 1;
	assert_false(sl_choose_any_place(&w.in));
	w.nodes[3].requests = 1;
	assert_true(sl_choose_any_place(&w.in));
	w.nodes[3].consecutive = w.in.doubtful = 5;
	assert_false(sl_choose_any_place(&w.in));
	w.in.panic_percent = 0;
	assert_false(sl_choose_in_panic(&w.in));
}

/* A large pool is sampled: the choice is good on average, and a lone available node is found. */
static void test_large(void **unused)
{
	struct world w;
	uint64_t load = 0;

	(void)unused;
	world_init(&w, NODES);
	for (uint32_t i = 1; i <= NODES; i++)
		w.nodes[i].requests = i;
	for (uint32_t n = 0; n < 10000; n++) {
		w.in.random = n * 2654435761u;
		load += w.nodes[sl_choose_node(&w.in).slot].requests;
	}
	/* Minimum of four draws from 1..64: expectation (65 / 5) = 13. */
	assert_in_range(load / 10000, 11, 15);
	for (uint32_t i = 1; i < NODES; i++)
		set_open(&w, i, NOW + 1000);
	for (uint32_t n = 0; n < 100; n++) {
		w.in.random = n * 2654435761u;
		assert_int_equal(sl_choose_node(&w.in).slot, NODES);
	}
	assert_int_equal(sl_choose_available(&w.in), 1);
}

/* A limit that a node has shown bounds it, and changes nothing about who is the least loaded. */
static void test_limits_shown(void **unused)
{
	static const struct {
		const char *what;
		uint32_t load[3], limit[3], slots[2];
		uint64_t tokens[3], tokens_max;
		uint32_t chosen; /* 0: nobody, for want of a place */
	} cases[] = {
		{"no limit", {0, 2, 3}, {0, 0, 0}, {0, 0}, {0, 0, 0}, 0, 1},
		{"the larger one draws nobody", {0, 2, 3}, {0, 4, 64}, {0, 0}, {0, 0, 0}, 0, 1},
		{"one is full", {0, 2, 3}, {0, 2, 0}, {0, 0}, {0, 0, 0}, 0, 2},
		{"both are", {0, 2, 3}, {0, 2, 3}, {0, 0}, {0, 0, 0}, 0, 0},
		{"slots stay the highest", {0, 2, 3}, {0, 9, 9}, {2, 9}, {0, 0, 0}, 0, 2},
		{"tokens", {0, 2, 3}, {0, 0, 0}, {0, 0}, {0, 100, 99}, 100, 2},
		{"tokens of both", {0, 2, 3}, {0, 0, 0}, {0, 0}, {0, 100, 200}, 100, 0},
		{"tokens, not known", {0, 2, 3}, {0, 0, 0}, {0, 0}, {0, 100, 200}, 0, 1},
	};

	(void)unused;
	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sl_concurrency shown[3] = {0};
		struct sl_choice choice;
		struct world w;

		world_init(&w, 2);
		for (uint32_t i = 1; i <= 2; i++) {
			w.nodes[i].requests = cases[c].load[i];
			w.nodes[i].incarnation = shown[i].incarnation = 7;
			shown[i].limit = cases[c].limit[i];
			shown[i].tokens = cases[c].tokens[i];
		}
		w.in.concurrency = shown;
		w.in.limits = cases[c].slots;
		w.in.tokens_max = cases[c].tokens_max;
		choice = sl_choose_node(&w.in);
		if (choice.slot != (cases[c].chosen ? cases[c].chosen : SL_CHOOSE_NONE) ||
		    (!cases[c].chosen && !choice.full))
			fail_msg("%s: node %u", cases[c].what, choice.slot);
	}
}

static void test_statuses(void **unused)
{
	static const struct {
		int status;
		bool retry_after, model_missing;
		enum sl_ending ending;
		enum sl_outcome outcome;
		bool retry;
	} cases[] = {
		{200, false, false, SL_ENDING_OK, SL_OUTCOME_SUCCESS, false},
		{301, false, false, SL_ENDING_BAD, SL_OUTCOME_FAILURE, true},
		{400, false, false, SL_ENDING_STATUS_4XX, SL_OUTCOME_NEUTRAL, false},
		{401, false, false, SL_ENDING_STATUS_4XX, SL_OUTCOME_NEUTRAL, false},
		{404, false, false, SL_ENDING_STATUS_4XX, SL_OUTCOME_NEUTRAL, false},
		{404, false, true, SL_ENDING_STATUS_RETRY, SL_OUTCOME_NEUTRAL, true},
		{408, false, false, SL_ENDING_STATUS_RETRY, SL_OUTCOME_NEUTRAL, true},
		{429, false, false, SL_ENDING_BUSY, SL_OUTCOME_NEUTRAL, true},
		{429, true, false, SL_ENDING_BUSY, SL_OUTCOME_NEUTRAL, true},
		{500, false, false, SL_ENDING_STATUS_5XX, SL_OUTCOME_FAILURE, true},
		{501, false, false, SL_ENDING_STATUS_4XX, SL_OUTCOME_NEUTRAL, false},
		{502, false, false, SL_ENDING_STATUS_5XX, SL_OUTCOME_FAILURE, true},
		{503, false, false, SL_ENDING_STATUS_5XX, SL_OUTCOME_FAILURE, true},
		{503, true, false, SL_ENDING_BUSY, SL_OUTCOME_NEUTRAL, true},
		{529, false, false, SL_ENDING_BUSY, SL_OUTCOME_NEUTRAL, true},
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum sl_ending ending = sl_outcome_of_status(cases[i].status, cases[i].retry_after,
							     cases[i].model_missing);
		const struct sl_outcome_rule *rule = sl_outcome_of(ending);

		if (ending != cases[i].ending || rule->outcome != cases[i].outcome ||
		    rule->retry != cases[i].retry)
			fail_msg("status %d: %s", cases[i].status, rule->name);
	}
	for (int e = 0; e < SL_ENDING_COUNT; e++)
		assert_non_null(sl_outcome_of((enum sl_ending)e)->name);
}

static void test_overload(void **unused)
{
	(void)unused;
	assert_true(sl_outcome_is_overload(SL_ENDING_TTFT_TIMEOUT, 100, 101));
	assert_true(sl_outcome_is_overload(SL_ENDING_TOTAL_TIMEOUT, 100, 101));
	assert_false(sl_outcome_is_overload(SL_ENDING_TTFT_TIMEOUT, 100, 100)); /* silent */
	assert_false(sl_outcome_is_overload(SL_ENDING_TTFT_TIMEOUT, 100, 0));
	assert_false(sl_outcome_is_overload(SL_ENDING_STATUS_5XX, 100, 101));
	assert_false(sl_outcome_is_overload(SL_ENDING_CONNECT_TIMEOUT, 100, 101));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_doubtful),
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_overload),
		cmocka_unit_test(test_limits_shown),
		cmocka_unit_test(test_panic_and_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
