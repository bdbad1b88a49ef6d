/* SPDX-License-Identifier: BSD-2-Clause */
/* Experiments on requests: what may be ordered, who is struck, how much of a pool, and when it is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/policy/strike_board.h"

/* ---- the grammar ----------------------------------------------------------------------------- */

static void test_orders(void **state)
{
	static const struct {
		const char *words;
		struct sl_strike_order
			expected; /* strike, aim, store, share, times, limits, flags */
		const char *at, *name;
	} cases[] = {
		{"hang pool=vectors",
		 {.strike = {.kind = SL_STRIKE_HANG, .status = 503, .delay_ms = 1000},
		  .aim = SL_STRIKE_AIM_POOL,
		  .share = SL_STRIKE_ALL,
		  .hits_max = UINT64_MAX,
		  .time_ms = 30000,
		  .lease_ms = 30000,
		  .limit_percent = 50},
		 "vectors",
		 "hang pool vectors"},
		{"error node=chat/0 status=429 hits=50 share=0.25 for=2m lease=5s limit=100% "
		 "nodes=3 "
		 "checks=yes despite_burn=yes name=it is full",
		 {.strike = {.kind = SL_STRIKE_ERROR, .status = 429, .delay_ms = 1000},
		  .aim = SL_STRIKE_AIM_NODE,
		  .share = SL_STRIKE_ALL / 4,
		  .hits_max = 50,
		  .time_ms = 120000,
		  .lease_ms = 5000,
		  .limit_percent = 100,
		  .limit_nodes = 3,
		  .checks = true,
		  .despite_burn = true},
		 "chat/0",
		 "it is full"},
		{"delay zone=east delay=300ms jitter=100ms share=0.5%",
		 {.strike = {.kind = SL_STRIKE_DELAY,
			     .status = 503,
			     .delay_ms = 300,
			     .jitter_ms = 100},
		  .aim = SL_STRIKE_AIM_ZONE,
		  .share = 327,
		  .hits_max = UINT64_MAX,
		  .time_ms = 30000,
		  .lease_ms = 30000,
		  .limit_percent = 50},
		 "east",
		 "delay zone east"},
		{"malformed pool=a how=chunk after=200b for=1s lease=5s",
		 {.strike = {.kind = SL_STRIKE_MALFORMED,
			     .status = 503,
			     .delay_ms = 1000,
			     .after = 200,
			     .after_bytes = true,
			     .bad_chunk = true},
		  .aim = SL_STRIKE_AIM_POOL,
		  .share = SL_STRIKE_ALL,
		  .hits_max = UINT64_MAX,
		  .time_ms = 1000,
		  .lease_ms = 1000,
		  .limit_percent = 50},
		 "a",
		 "malformed pool a"},
		{"down store=semantic  share=100%",
		 {.strike = {.kind = SL_STRIKE_DOWN, .status = 503, .delay_ms = 1000},
		  .aim = SL_STRIKE_AIM_STORE,
		  .store = SL_STRIKE_STORE_SEMANTIC,
		  .share = SL_STRIKE_ALL,
		  .hits_max = UINT64_MAX,
		  .time_ms = 30000,
		  .lease_ms = 30000,
		  .limit_percent = 50},
		 "semantic",
		 "down store semantic"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_strike_order *want = &cases[i].expected;
		struct sl_strike_order order;
		struct sl_error error = {{0}};

		print_message("%s\n", cases[i].words);
		assert_int_equal(sl_strike_read(cases[i].words, &order, &error), 0);
		assert_int_equal(order.strike.kind, want->strike.kind);
		assert_int_equal(order.strike.status, want->strike.status);
		assert_int_equal(order.strike.delay_ms, want->strike.delay_ms);
		assert_int_equal(order.strike.jitter_ms, want->strike.jitter_ms);
		assert_int_equal(order.strike.after, want->strike.after);
		assert_int_equal(order.strike.after_bytes, want->strike.after_bytes);
		assert_int_equal(order.strike.bad_chunk, want->strike.bad_chunk);
		assert_int_equal(order.aim, want->aim);
		assert_int_equal(order.store, want->store);
		assert_int_equal(order.share, want->share);
		assert_int_equal(order.hits_max, want->hits_max);
		assert_int_equal(order.time_ms, want->time_ms);
		assert_int_equal(order.lease_ms, want->lease_ms);
		assert_int_equal(order.limit_percent, want->limit_percent);
		assert_int_equal(order.limit_nodes, want->limit_nodes);
		assert_int_equal(order.checks, want->checks);
		assert_int_equal(order.despite_burn, want->despite_burn);
		assert_string_equal(order.at, cases[i].at);
		assert_string_equal(order.name, cases[i].name);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *words, *text; /* the text names the word */
	} cases[] = {
		{"", "is no kind"},
		{"melt pool=a", "\"melt\""},
		{"none pool=a", "\"none\""},
		{"error", "say one of node, pool, zone, region"},
		{"error pool=a zone=b", "zone \"b\": expected one aim"},
		{"error pool=", "pool \"\""},
		{"error pool", "pool \"\""},
		{"error pool=a happy=yes", "\"happy=yes\""},
		{"error pool=a status=200", "status \"200\": expected a status from 400 to 599"},
		{"error pool=a status=600", "status \"600\""},
		{"error pool=a delay=1s", "kind error has no delay"},
		{"delay pool=a delay=0", "delay \"0\""},
		{"delay pool=a delay=11m", "delay \"11m\""},
		{"delay pool=a after=3", "kind delay has no after"},
		{"cut pool=a after=x", "after \"x\""},
		{"cut pool=a after=b", "after \"b\""},
		{"malformed pool=a how=badly", "how \"badly\": expected json or chunk"},
		{"hang pool=a share=0", "share \"0\""},
		{"hang pool=a share=0%", "share \"0%\""},
		{"hang pool=a share=101%", "share \"101%\""},
		{"hang pool=a share=1.01", "share \"1.01\""},
		{"hang pool=a share=5.%", "share \"5.%\""},
		{"hang pool=a share=half", "share \"half\""},
		{"hang pool=a for=61m", "for \"61m\""},
		{"hang pool=a hits=0", "hits \"0\""},
		{"hang pool=a limit=0", "limit \"0\""},
		{"hang pool=a limit=101%", "limit \"101%\""},
		{"hang pool=a checks=perhaps", "checks \"perhaps\": expected yes or no"},
		{"hang store=cache", "kind hang has no store"},
		{"down pool=a", "down needs store"},
		{"down store=kitchen", "store \"kitchen\""},
		{"down store=cache checks=yes", "kind down has no checks"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_strike_order order = {.share = 7};
		struct sl_error error = {{0}};

		print_message("%s\n", cases[i].words);
		assert_int_equal(sl_strike_read(cases[i].words, &order, &error), -EINVAL);
		if (!strstr(error.text, cases[i].text))
			fail_msg("\"%s\" does not say \"%s\"", error.text, cases[i].text);
		assert_int_equal(order.share, 7); /* untouched */
	}
}

/* ---- who is struck --------------------------------------------------------------------------- */

static void test_share(void **state)
{
	static const uint32_t percents[] = {1, 10, 30, 50, 99};
	uint32_t both = 0, first = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		uint32_t share = SL_STRIKE_ALL * percents[i] / 100, taken = 0;

		for (uint32_t n = 0; n < 20000; n++) {
			char id[24];
			uint64_t key;
			bool takes;

			snprintf(id, sizeof(id), "req-%u", n);
			key = sl_strike_key(id);
			takes = sl_strike_takes(1, key, share);
			taken += takes;
			/* the same each time; a larger share has all of a smaller one */
			assert_int_equal(takes, sl_strike_takes(1, sl_strike_key(id), share));
			assert_true(!takes || sl_strike_takes(1, key, share + 1));
		}
		/* five sigma of a binomial are at most 354 of 20000 */
		assert_in_range(taken + 354, 200 * percents[i], 200 * percents[i] + 708);
	}
	for (uint32_t n = 0; n < 20000; n++) { /* another experiment takes others */
		bool takes = sl_strike_takes(1, n, SL_STRIKE_ALL / 2);

		first += takes;
		both += takes && sl_strike_takes(2, n, SL_STRIKE_ALL / 2);
	}
	assert_in_range(both, first / 2 - 354, first / 2 + 354);
	assert_true(sl_strike_takes(1, 12345, SL_STRIKE_ALL));
	assert_false(sl_strike_takes(1, 12345, 0));
}

static void test_delay(void **state)
{
	struct sl_strike strike = {.number = 3, .delay_ms = 100, .jitter_ms = 40};
	uint32_t least = UINT32_MAX, most = 0;

	(void)state;
	for (uint64_t key = 0; key < 5000; key++) {
		uint32_t delay_ms = sl_strike_delay_ms(&strike, key);

		assert_int_equal(delay_ms, sl_strike_delay_ms(&strike, key));
		least = delay_ms < least ? delay_ms : least;
		most = delay_ms > most ? delay_ms : most;
	}
	assert_int_equal(least, 60);
	assert_int_equal(most, 140);
	strike.jitter_ms = 0;
	assert_int_equal(sl_strike_delay_ms(&strike, 9), 100);
	strike.jitter_ms = 200; /* never below 0 */
	for (uint64_t key = 0; key < 5000; key++)
		assert_in_range(sl_strike_delay_ms(&strike, key), 0, 300);
}

static void test_limit(void **state)
{
	static const struct {
		uint32_t struck, nodes, percent;
		bool allowed;
	} cases[] = {
		{1, 1, 50, false},    {1, 1, 100, true}, {1, 2, 50, true},  {2, 2, 50, false},
		{2, 2, 100, true},    {1, 3, 10, true},	 {2, 3, 50, false}, {2, 4, 50, true},
		{3, 4, 50, false},    {1, 2, 1, true},	 {0, 1, 50, true},  {50, 100, 50, true},
		{51, 100, 50, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_error error = {{0}};
		int rc = sl_strike_limit("chat", cases[i].struck, cases[i].nodes, cases[i].percent,
					 &error);

		print_message("%u of %u, %u%%\n", cases[i].struck, cases[i].nodes,
			      cases[i].percent);
		assert_int_equal(rc, cases[i].allowed ? 0 : -EPERM);
		assert_true(cases[i].allowed || strstr(error.text, "pool \"chat\""));
	}
}

/* ---- the board ------------------------------------------------------------------------------- */

#define SLOT 70u

static struct sl_strike_board board;

static uint32_t begin(const char *words, uint64_t now_ms)
{
	uint64_t nodes[SL_STRIKE_WORDS] = {[SLOT / 64] = 1ull << SLOT % 64};
	struct sl_strike_order order;
	struct sl_error error;

	assert_int_equal(sl_strike_read(words, &order, &error), 0);
	return sl_strike_board_begin(&board, &order, nodes, now_ms);
}

static bool is_struck(uint32_t slot, bool check, uint64_t now_ms)
{
	struct sl_strike strike;
	uint64_t key;

	return sl_strike_board_pick(&board, slot, "an id", check, now_ms, &strike, &key);
}

static enum sl_strike_end sweep(uint64_t now_ms)
{
	struct sl_strike_order order;

	return sl_strike_board_sweep(&board, now_ms, &order);
}

static void test_board(void **state)
{
	uint32_t number;

	(void)state;
	memset(&board, 0, sizeof(board));
	assert_false(sl_strike_board_is_on(NULL));
	assert_false(sl_strike_board_is_on(&board));
	number = begin("hang pool=a for=10s lease=2s", 1000);
	assert_int_equal(number, 1);
	assert_true(sl_strike_board_is_on(&board));
	assert_true(is_struck(SLOT, false, 1000));
	assert_false(is_struck(SLOT + 1, false, 1000));
	assert_false(is_struck(SLOT, true, 1000)); /* a check */
	assert_false(sl_strike_board_is_down(&board, SL_STRIKE_STORE_CACHE, "an id", 1000));
	/* the dead man's switch: nobody has to look for it to be over */
	assert_true(is_struck(SLOT, false, 2999));
	assert_false(is_struck(SLOT, false, 3000));
	sl_strike_board_renew(sl_strike_board_find(&board, number), 2500);
	assert_true(is_struck(SLOT, false, 4499));
	assert_int_equal(sweep(4499), SL_STRIKE_RUNS);
	assert_int_equal(sweep(4500), SL_STRIKE_ORPHANED);
	assert_false(sl_strike_board_is_on(&board));
	assert_int_equal(sl_strike_board_find(&board, number)->ended, SL_STRIKE_ORPHANED);
	/* its time bounds the lease */
	number = begin("hang pool=a for=10s lease=20s", 1000);
	sl_strike_board_renew(sl_strike_board_find(&board, number), 10999);
	assert_true(is_struck(SLOT, false, 10999));
	assert_false(is_struck(SLOT, false, 11000));
	assert_int_equal(sweep(11000), SL_STRIKE_RAN);
	assert_int_equal(board.ended[SL_STRIKE_RAN], 1);
}

static void test_board_hits(void **state)
{
	uint32_t struck = 0;

	(void)state;
	memset(&board, 0, sizeof(board));
	begin("error pool=a hits=3 checks=yes", 0);
	for (int i = 0; i < 10; i++)
		struck += is_struck(SLOT, i & 1, 1);
	assert_int_equal(struck, 3);
	assert_int_equal(board.hits[SL_STRIKE_ERROR], 3);
	assert_int_equal(sweep(1), SL_STRIKE_SPENT);
	begin("down store=cache", 0);
	assert_true(sl_strike_board_is_down(&board, SL_STRIKE_STORE_CACHE, NULL, 1));
	assert_false(sl_strike_board_is_down(&board, SL_STRIKE_STORE_SEMANTIC, NULL, 1));
	sl_strike_board_end(&board, &board.rows[0], SL_STRIKE_STOPPED);
	assert_false(sl_strike_board_is_down(&board, SL_STRIKE_STORE_CACHE, NULL, 1));
}

static void test_board_narrow(void **state)
{
	struct sl_strike_order order;
	struct sl_strike strike;
	struct sl_error error;
	uint64_t both[SL_STRIKE_WORDS] = {1ull << 3, 1ull << 1}, second[SL_STRIKE_WORDS] = {0, 3};
	uint64_t none[SL_STRIKE_WORDS] = {1ull << 3}, key;

	(void)state;
	memset(&board, 0, sizeof(board));
	assert_int_equal(sl_strike_read("error pool=p for=1m lease=1m", &order, &error), 0);
	assert_int_not_equal(sl_strike_board_begin(&board, &order, both, 0), 0);
	assert_true(sl_strike_board_pick(&board, 3, NULL, false, 1, &strike, &key));
	assert_true(sl_strike_board_narrow(&board.rows[0], second));
	assert_false(sl_strike_board_pick(&board, 3, NULL, false, 1, &strike, &key));
	assert_true(sl_strike_board_pick(&board, 65, NULL, false, 1, &strike, &key));
	assert_false(
		sl_strike_board_pick(&board, 64, NULL, false, 1, &strike, &key)); /* not added */
	assert_false(sl_strike_board_narrow(&board.rows[0], none));
	assert_false(sl_strike_board_pick(&board, 65, NULL, false, 1, &strike, &key));
}

static void test_board_full(void **state)
{
	(void)state;
	memset(&board, 0, sizeof(board));
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++)
		assert_int_not_equal(begin("hang pool=a share=1%", 0), 0);
	assert_int_equal(begin("hang pool=a", 0), 0);
	sl_strike_board_end(&board, &board.rows[4], SL_STRIKE_STOPPED);
	assert_int_equal(begin("hang pool=a", 0), SL_STRIKES_MAX + 1);
	assert_true(is_struck(SLOT, false, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_orders),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_share),	     cmocka_unit_test(test_delay),
		cmocka_unit_test(test_limit),	     cmocka_unit_test(test_board),
		cmocka_unit_test(test_board_hits),   cmocka_unit_test(test_board_full),
		cmocka_unit_test(test_board_narrow),
	};

	return cmocka_run_group_tests_name("strike", tests, NULL, NULL);
}
