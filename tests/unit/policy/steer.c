/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Weights by the quality of answers: which way they move, by how much at most and how often, that they stay
 * within their limits and stay where nothing is sure, and that they find their way back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "user/base/random.h"
#include "user/policy/steer.h"

#define EVERY_MS 1000u
#define FLOOR	 500u
#define STEP	 1000u

static const struct sl_steer_rules rules = {.floor = FLOOR, .step = STEP, .every_ms = EVERY_MS};

static struct sl_rate rate_of(uint32_t count, uint32_t bad)
{
	struct sl_rate rate = {0};

	for (uint32_t i = 0; i < count; i++)
		sl_rate_add(&rate, 1, i < bad);
	return rate;
}

static void test_ways(void **state)
{
	static const struct {
		const char *what;
		uint32_t counts[2], bad[2];
		uint32_t share, moved;
	} rows[] = {
		{"the first is surely worse", {100, 100}, {40, 5}, 3000, 4000},
		{"the second is", {100, 100}, {5, 40}, 3000, 2000},
		{"alike", {100, 100}, {20, 20}, 3000, 3000},
		{"worse, but not surely", {100, 100}, {14, 10}, 3000, 3000},
		{"too few of the second: its floor, so that there are some",
		 {100, 19},
		 {40, 0},
		 200,
		 FLOOR},
		{"too few of the first: its floor", {19, 100}, {0, 40}, 9900, SL_STEER_ONE - FLOOR},
		{"no lower than the floor", {100, 100}, {5, 40}, 800, FLOOR},
		{"and no higher", {100, 100}, {40, 5}, 9300, SL_STEER_ONE - FLOOR},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_rate first = rate_of(rows[i].counts[0], rows[i].bad[0]);
		struct sl_rate second = rate_of(rows[i].counts[1], rows[i].bad[1]);
		struct sl_steer steer = {.share = rows[i].share, .moved_ms = 1};
		uint32_t share = sl_steer_move(&steer, &rules, &first, &second, 1 + EVERY_MS);

		if (share != rows[i].moved)
			fail_msg("%s: %u", rows[i].what, share);
	}
}

static void test_pace(void **state)
{
	struct sl_rate bad = rate_of(100, 50), good = rate_of(100, 1);
	struct sl_steer steer = {0};
	uint32_t last;

	(void)state;
	assert_int_equal(sl_steer_move(&steer, &rules, &bad, &good, 5),
			 FLOOR); /* it begins there */
	for (uint64_t now_ms = 6; now_ms < 20 * EVERY_MS; now_ms += 7) {
		uint64_t moved_ms = steer.moved_ms;

		last = steer.share;
		sl_steer_move(&steer, &rules, &bad, &good, now_ms);
		assert_true(steer.share - last <= STEP);
		assert_true(steer.share == last || now_ms - moved_ms >= EVERY_MS);
	}
	assert_int_equal(steer.share, SL_STEER_ONE - FLOOR);
}

/*
 * Two pools whose answers are judged, forgotten by halves as sl_rate is; alike for long, then the first becomes
 * bad, then it is well again and the other one is bad. The share must not wander while they are alike.
 */
static void test_history(void **state)
{
	static const struct {
		uint32_t bad[2];    /* per cent */
		uint32_t low, high; /* where the share must be in the end */
	} phases[] = {
		{{10, 10}, FLOOR, FLOOR + STEP},
		{{40, 10}, SL_STEER_ONE - FLOOR, SL_STEER_ONE - FLOOR},
		{{5, 60}, FLOOR, FLOOR},
	};
	struct sl_rate rates[2];
	struct sl_steer steer = {0};
	struct sl_random random;
	uint64_t now_ms = 1;

	(void)state;
	memset(rates, 0, sizeof(rates));
	sl_random_seed(&random, 5);
	for (size_t phase = 0; phase < sizeof(phases) / sizeof(phases[0]); phase++) {
		for (uint32_t i = 0; i < 20000; i++, now_ms += 50) {
			bool second = sl_random_below(&random, SL_STEER_ONE) < steer.share;

			sl_rate_add(&rates[second], 1,
				    sl_random_below(&random, 100) < phases[phase].bad[second]);
			sl_steer_move(&steer, &rules, &rates[0], &rates[1], now_ms);
			assert_true(steer.share >= FLOOR && steer.share <= SL_STEER_ONE - FLOOR);
		}
		if (steer.share < phases[phase].low || steer.share > phases[phase].high)
			fail_msg("phase %zu: %u", phase, steer.share);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_history),
	};

	return cmocka_run_group_tests_name("steer", tests, NULL, NULL);
}
