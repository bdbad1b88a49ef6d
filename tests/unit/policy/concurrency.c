/* SPDX-License-Identifier: BSD-2-Clause */
/* The limit of a node: by busy answers, by the gap between tokens, and where it settles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/policy/concurrency.h"

#define NOW    5000000u
#define WINDOW 1000u
#define SLOT   7u /* incarnation */

static const struct sl_concurrency_config by_gap = {
	.mode = SL_CONCURRENCY_GAP, .min = 1, .gap_percent = 200, .window_ms = WINDOW};
static const struct sl_concurrency_config by_busy = {
	.mode = SL_CONCURRENCY_BUSY, .min = 1, .gap_percent = 200, .window_ms = WINDOW};

static uint64_t now_ms;

static uint32_t limit_of(const struct sl_concurrency *node)
{
	return sl_concurrency_limit(node, SLOT, 0);
}

/* A window with so many in flight and gaps, of which the median is gap_us; 0: none. */
static bool window(struct sl_concurrency *node, const struct sl_concurrency_config *config,
		   uint32_t in_flight, uint32_t gap_us)
{
	uint32_t i;

	sl_concurrency_enter(node, config, SLOT, in_flight, now_ms);
	for (i = 0; gap_us && i < 31; i++)
		sl_concurrency_note_gap(node, gap_us * (85 + i) / 100);
	now_ms += WINDOW;
	return sl_concurrency_tick(node, config, in_flight, now_ms);
}

static void begin(struct sl_concurrency *node)
{
	*node = (struct sl_concurrency){0};
	now_ms = NOW;
}

/* Its best gap is 10 ms. */
static void grow_to(struct sl_concurrency *node, uint32_t limit)
{
	while (limit_of(node) < limit)
		window(node, &by_gap, limit_of(node) ? limit_of(node) : 1, 10000);
	assert_int_equal(limit_of(node), limit);
}

static void assert_near(uint32_t value, uint32_t wanted, uint32_t percent)
{
	if (value * 100ull < wanted * (100ull - percent) ||
	    value * 100ull > wanted * (100ull + percent))
		fail_msg("%u is not within %u %% of %u", value, percent, wanted);
}

/* ---- medians --------------------------------------------------------------------------------- */

static void test_median(void **state)
{
	static const struct {
		const char *what;
		uint32_t gap_us, odd_us, odd_in_ten;
	} cases[] = {
		{"alike", 20000, 20000, 0},
		{"a few long prefills", 20000, 3000000, 3},
		{"bursts that a slow client held up", 20000, 10, 4},
		{"short", 400, 400, 0},
		{"long", 3000000, 3000000, 0},
	};
	struct sl_concurrency node;
	uint32_t c, i;

	(void)state;
	for (c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		begin(&node);
		sl_concurrency_enter(&node, &by_gap, SLOT, 1, now_ms);
		for (i = 0; i < 200; i++)
			sl_concurrency_note_gap(&node, i % 10 < cases[c].odd_in_ten
							       ? cases[c].odd_us
							       : cases[c].gap_us);
		now_ms += WINDOW;
		sl_concurrency_tick(&node, &by_gap, 1, now_ms);
		assert_near(node.gap_us, cases[c].gap_us, 13);
	}
}

static void test_gaps_beyond_the_buckets(void **state)
{
	static const uint64_t gaps_us[] = {0, 1, 255, 256, 4u << 20, UINT32_MAX, UINT64_MAX};
	struct sl_concurrency node;
	uint32_t i, sum = 0;

	(void)state;
	begin(&node);
	for (i = 0; i < sizeof(gaps_us) / sizeof(gaps_us[0]); i++)
		sl_concurrency_note_gap(&node, gaps_us[i]);
	for (i = 0; i < SL_CONCURRENCY_BUCKETS; i++)
		sum += node.gaps[i];
	assert_int_equal(sum, sizeof(gaps_us) / sizeof(gaps_us[0]));
	assert_int_equal(node.gaps[0], 4);
	assert_int_equal(node.gaps[SL_CONCURRENCY_BUCKETS - 1], 3);
}

/* Too few gaps say nothing, and are waited for. */
static void test_few_gaps(void **state)
{
	struct sl_concurrency node;
	uint32_t i;

	(void)state;
	begin(&node);
	sl_concurrency_enter(&node, &by_gap, SLOT, 1, now_ms);
	for (i = 0; i < SL_CONCURRENCY_GAPS_MIN - 1; i++)
		sl_concurrency_note_gap(&node, 20000);
	now_ms += 2 * WINDOW;
	sl_concurrency_tick(&node, &by_gap, 1, now_ms);
	assert_int_equal(node.window_ms, NOW);
	sl_concurrency_note_gap(&node, 20000);
	sl_concurrency_tick(&node, &by_gap, 1, now_ms);
	assert_int_equal(node.window_ms, now_ms);
	assert_int_not_equal(node.gap_us, 0);
	node.gap_us = 0;
	sl_concurrency_note_gap(&node, 20000);
	now_ms += SL_CONCURRENCY_WAIT_WINDOWS * WINDOW;
	sl_concurrency_tick(&node, &by_gap, 1, now_ms);
	assert_int_equal(node.window_ms, now_ms);
	assert_int_equal(node.gap_us, 0);
}

/* ---- up and down ----------------------------------------------------------------------------- */

static void test_gap(void **state)
{
	struct sl_concurrency node;

	(void)state;
	begin(&node);
	window(&node, &by_gap, 1, 10000);
	assert_int_equal(limit_of(&node), SL_CONCURRENCY_INITIAL);
	/* in use and fine: doubles, until it is lowered first */
	assert_true(window(&node, &by_gap, 4, 10000));
	assert_int_equal(limit_of(&node), 8);
	grow_to(&node, 32);
	assert_true(window(&node, &by_gap, 32, 14000));
	assert_int_equal(limit_of(&node), 64);
	/* not in use: stays */
	assert_false(window(&node, &by_gap, 40, 14000));
	assert_int_equal(limit_of(&node), 64);
	/* 20 % over: by a fifth */
	assert_false(window(&node, &by_gap, 64, 24000));
	assert_int_equal(limit_of(&node), 51);
	/* streams end when they end: nothing is lowered for those, nor in the window after */
	window(&node, &by_gap, 64, 24000);
	window(&node, &by_gap, 51, 24000);
	assert_int_equal(limit_of(&node), 51);
	/* far over: by half at most */
	window(&node, &by_gap, 51, 90000);
	assert_int_equal(limit_of(&node), 25);
	/* then a sixteenth a window */
	window(&node, &by_gap, 25, 14000);
	window(&node, &by_gap, 25, 14000);
	assert_int_equal(limit_of(&node), 26);
	assert_int_equal(node.lowered, 2);
	assert_int_equal(node.raised, 5);
}

/* It fails at 64, and keeps below that until it may try again. */
static void test_ceiling(void **state)
{
	struct sl_concurrency node;
	uint32_t i;

	(void)state;
	begin(&node);
	grow_to(&node, 64);
	window(&node, &by_gap, 64, 30000);
	assert_int_equal(limit_of(&node), 42);
	for (i = 0; i < SL_CONCURRENCY_HOLD_WINDOWS - 1; i++) {
		window(&node, &by_gap, limit_of(&node), 10000);
		assert_true(limit_of(&node) < 64);
	}
	assert_int_equal(limit_of(&node), 63);
	for (i = 0; i < 3; i++)
		window(&node, &by_gap, limit_of(&node), 10000);
	assert_true(limit_of(&node) > 64);
}

/* Where the limit of a node goes that was fast with one request and is not with any more. */
static uint32_t lowest_of(const struct sl_concurrency_config *config)
{
	struct sl_concurrency node;
	uint32_t i, lowest = UINT32_MAX;

	begin(&node);
	window(&node, config, 1, 10000);
	for (i = 0; i < 40; i++) {
		window(&node, config, limit_of(&node), 100000);
		if (limit_of(&node) < lowest)
			lowest = limit_of(&node);
	}
	return lowest;
}

static void test_bounds(void **state)
{
	struct sl_concurrency_config config = by_gap;
	struct sl_concurrency node;
	uint32_t i;

	(void)state;
	config.min = 5;
	config.max = 40;
	begin(&node);
	for (i = 0; i < 20; i++)
		window(&node, &config, limit_of(&node), 10000);
	assert_int_equal(limit_of(&node), 40);
	assert_int_equal(sl_concurrency_limit(&node, SLOT, 12), 12); /* the slots' */
	assert_int_equal(lowest_of(&config), 5);
	config.min = 1;
	assert_int_equal(lowest_of(&config), 1);
	config.max = 3;
	begin(&node);
	window(&node, &config, 1, 10000);
	assert_int_equal(limit_of(&node), 3);
}

static void test_mode_busy(void **state)
{
	struct sl_concurrency node;
	uint32_t i;

	(void)state;
	begin(&node);
	for (i = 0; i < 5; i++)
		window(&node, &by_busy, 200, 10000u << i);
	assert_int_equal(limit_of(&node), 0); /* gaps mean nothing */
	sl_concurrency_note_busy(&node, &by_busy, SLOT, 200, now_ms);
	assert_int_equal(limit_of(&node), 160);
	/* at most once a window */
	sl_concurrency_note_busy(&node, &by_busy, SLOT, 160, now_ms + WINDOW - 1);
	assert_int_equal(limit_of(&node), 160);
	/* and not while the last time has not had its effect */
	sl_concurrency_note_busy(&node, &by_busy, SLOT, 199, now_ms + WINDOW);
	assert_int_equal(limit_of(&node), 160);
	sl_concurrency_note_busy(&node, &by_busy, SLOT, 160, now_ms + WINDOW);
	assert_int_equal(limit_of(&node), 128);
	assert_int_equal(node.busy, 4);
	/* down to one, never to none */
	for (i = 0; i < 40; i++) {
		now_ms += 2 * WINDOW;
		sl_concurrency_note_busy(&node, &by_busy, SLOT, limit_of(&node), now_ms);
		assert_int_not_equal(limit_of(&node), 0);
	}
	assert_int_equal(limit_of(&node), 1);
	/* and up again, until it is no limit any more */
	for (i = 0; limit_of(&node); i++) {
		assert_true(i < 200);
		window(&node, &by_busy, limit_of(&node), 0);
	}
	assert_true(i > 20);
}

/* A server that says that requests wait in it gets no more, and less as before. */
static void test_queueing(void **state)
{
	struct sl_concurrency_config config = by_gap;
	struct sl_concurrency node;

	(void)state;
	begin(&node);
	grow_to(&node, 32);
	config.is_queueing = true;
	assert_false(window(&node, &config, 32, 10000));
	assert_int_equal(limit_of(&node), 32);
	window(&node, &config, 32, 30000);
	assert_int_equal(limit_of(&node), 21);
}

/* A busy answer in a window keeps it from growing. */
static void test_busy_window(void **state)
{
	struct sl_concurrency node;

	(void)state;
	begin(&node);
	grow_to(&node, 32);
	sl_concurrency_note_busy(&node, &by_gap, SLOT, 20, now_ms);
	assert_int_equal(limit_of(&node), 16);
	window(&node, &by_gap, 16, 10000);
	assert_int_equal(limit_of(&node), 16);
	window(&node, &by_gap, 16, 10000);
	assert_int_equal(limit_of(&node), 17);
}

/* ---- the best gap ---------------------------------------------------------------------------- */

/* Another model's pace: what was best at that load is not to be had any more. */
static void test_stale(void **state)
{
	struct sl_concurrency node;
	uint32_t i;

	(void)state;
	begin(&node);
	grow_to(&node, 64);
	for (i = 0; i < 3; i++)
		window(&node, &by_gap, 64, 15000); /* more load: says nothing */
	assert_near(node.best_us, 10000, 13);
	window(&node, &by_gap, 8, 40000);
	window(&node, &by_gap, 8, 40000);
	assert_near(node.best_us, 10000, 13);
	for (i = 0; i < 6; i++)
		window(&node, &by_gap, limit_of(&node), 40000);
	assert_near(node.best_us, 40000, 13);
	for (i = 0; i < 5; i++)
		window(&node, &by_gap, limit_of(&node), 40000);
	assert_true(limit_of(&node) >= 64); /* and it grows fast from there */
}

static void test_lucky_window(void **state)
{
	struct sl_concurrency node;

	(void)state;
	begin(&node);
	window(&node, &by_gap, 3, 20000);
	window(&node, &by_gap, 3, 1000);
	assert_near(node.best_us, 10000, 13);
}

static void test_another_endpoint(void **state)
{
	struct sl_concurrency node;

	(void)state;
	begin(&node);
	grow_to(&node, 8);
	sl_concurrency_note_busy(&node, &by_gap, SLOT, 8, now_ms);
	assert_int_equal(limit_of(&node), 6);
	assert_int_equal(sl_concurrency_limit(&node, SLOT + 1, 0), 0);
	sl_concurrency_enter(&node, &by_gap, SLOT + 1, 1, now_ms);
	assert_int_equal(sl_concurrency_limit(&node, SLOT + 1, 0), SL_CONCURRENCY_INITIAL);
	assert_int_equal(node.best_us, 0);
}

/* ---- where it settles ------------------------------------------------------------------------ */

/*
 * A server whose step takes a + b * n us, and which holds all streams for 2 s now and then. More than
 * enough is asked for. The best point is a / b; mean and extremes of the last 100 of 300 windows.
 */
static void test_converges(void **state)
{
	static const struct {
		uint32_t a_us, b_us;
	} servers[] = {{8000, 1000}, {20000, 500}, {12000, 80}};
	struct sl_concurrency node;
	uint32_t s, i, sum;

	(void)state;
	for (s = 0; s < sizeof(servers) / sizeof(servers[0]); s++) {
		uint32_t best = servers[s].a_us / servers[s].b_us;

		begin(&node);
		window(&node, &by_gap, 1, servers[s].a_us + servers[s].b_us);
		for (i = sum = 0; i < 300; i++) {
			uint32_t n = limit_of(&node), k;

			for (k = 0; k < 8 && i % 7 == 0; k++)
				sl_concurrency_note_gap(&node, 2000000);
			window(&node, &by_gap, n, servers[s].a_us + servers[s].b_us * n);
			if (i >= 200)
				sum += n;
		}
		assert_near(sum / 100, best, 25);
	}
}

/* ---- tokens ---------------------------------------------------------------------------------- */

static void test_tokens(void **state)
{
	struct sl_concurrency node = {0};

	(void)state;
	assert_false(sl_concurrency_is_laden(&node, 0));
	sl_concurrency_take_tokens(&node, 900);
	assert_false(sl_concurrency_is_laden(&node, 0)); /* not known */
	assert_false(sl_concurrency_is_laden(&node, 1000));
	sl_concurrency_take_tokens(&node, 5000);
	assert_true(sl_concurrency_is_laden(&node, 1000));
	sl_concurrency_give_tokens(&node, 900);
	assert_true(sl_concurrency_is_laden(&node, 1000));
	sl_concurrency_give_tokens(&node, 5000);
	assert_false(sl_concurrency_is_laden(&node, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),	     cmocka_unit_test(test_gaps_beyond_the_buckets),
		cmocka_unit_test(test_few_gaps),     cmocka_unit_test(test_gap),
		cmocka_unit_test(test_ceiling),	     cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_mode_busy),    cmocka_unit_test(test_busy_window),
		cmocka_unit_test(test_queueing),     cmocka_unit_test(test_stale),
		cmocka_unit_test(test_lucky_window), cmocka_unit_test(test_another_endpoint),
		cmocka_unit_test(test_converges),    cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
