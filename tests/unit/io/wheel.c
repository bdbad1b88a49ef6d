/* SPDX-License-Identifier: BSD-2-Clause */
/* wheel.c - the timer wheel against a plain list, on a clock that the test moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "user/io/wheel.h"

struct item {
	struct sl_timer timer; /* first: a timer is its item */
	uint64_t due_ms;       /* what was asked for; 0: not set */
	int runs;
	struct item *other; /* canceled by this one */
};

/* cmocka's callbacks carry no context to expired(). */
static struct {
	struct sl_wheel wheel;
	uint64_t now_ms;
	uint64_t last_due_ms;
	int runs;
	int again;
} test;

static uint64_t random_state = 88172645463325252u;
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void item_expired(struct sl_timer *timer)
{
	struct item *item = (struct item *)(void *)timer;

	assert_false(sl_timer_is_set(timer));
	assert_int_not_equal(item->due_ms, 0);
	assert_true(item->due_ms <= test.now_ms); /* never early */
	assert_true(item->due_ms >= test.last_due_ms);
	test.last_due_ms = item->due_ms;
	item->due_ms = 0;
	item->runs++;
	test.runs++;
}

static void item_set(struct item *item, uint64_t due_ms)
{
	sl_wheel_set(&test.wheel, &item->timer, due_ms);
	item->due_ms = due_ms;
}

static void start(uint64_t now_ms)
{
	test.now_ms = now_ms;
	test.last_due_ms = 0;
	test.runs = test.again = 0;
	sl_wheel_init(&test.wheel, now_ms);
}

static void advance(uint64_t now_ms)
{
	test.now_ms = now_ms;
	sl_wheel_advance(&test.wheel, now_ms);
}

static void test_edges(void **state)
{
	static const uint64_t starts[] = {0, 1, 63, 64, 4095, 262143, 16777215, 1u << 30};
	static const uint64_t delays[] = {1,	2,    62,    63,     64,       65,
					  4095, 4096, 70000, 262144, 16777217, 5000000000u};

	(void)state;
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		for (size_t d = 0; d < sizeof(delays) / sizeof(delays[0]); d++) {
			struct item item = {.runs = 0};

			start(starts[s]);
			sl_timer_init(&item.timer, item_expired);
			item_set(&item, starts[s] + delays[d]);
			assert_true(sl_wheel_next_ms(&test.wheel) <= item.due_ms);
			advance(starts[s] + delays[d] - 1);
			assert_int_equal(item.runs, 0);
			assert_int_equal(sl_wheel_next_ms(&test.wheel), item.due_ms);
			advance(starts[s] + delays[d]);
			assert_int_equal(item.runs, 1);
			assert_int_equal(sl_wheel_next_ms(&test.wheel), UINT64_MAX);
		}
	}
}

/* 10,000 timers set, moved and canceled at random while the clock jumps at random. */
static void test_random(void **state)
{
	enum { ITEMS = 10000 };
	struct item *items = calloc(ITEMS, sizeof(*items));
	uint64_t now_ms = 1000003;

	(void)state;
	start(now_ms);
	for (int i = 0; i < ITEMS; i++)
		sl_timer_init(&items[i].timer, item_expired);
	for (int step = 0; step < 100000; step++) {
		struct item *item = &items[random_next() % ITEMS];
		uint64_t span = UINT64_C(1) << random_next() % 24;

		switch (random_next() % 4) {
		case 0:
		case 1:
			item_set(item, now_ms + 1 + random_next() % span);
			break;
		case 2:
			sl_wheel_cancel(&test.wheel, &item->timer);
			item->due_ms = 0;
			break;
		default:
			now_ms += random_next() % (span < 100000 ? span : 3);
			test.last_due_ms = 0;
			advance(now_ms);
		}
		if (step % 5000)
			continue;
		for (int i = 0; i < ITEMS; i++) {
			assert_int_equal(items[i].due_ms != 0, sl_timer_is_set(&items[i].timer));
			assert_true(!items[i].due_ms || items[i].due_ms > now_ms);
		}
	}
	test.last_due_ms = 0;
	advance(now_ms + (1u << 25));
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(items[i].due_ms, 0);
	assert_int_equal(sl_wheel_next_ms(&test.wheel), UINT64_MAX);
	free(items);
}

static void set_again(struct sl_timer *timer)
{
	test.runs++;
	if (test.again-- > 0) /* the past means the next tick, not now: no endless loop */
		sl_wheel_set(&test.wheel, timer, 0);
}

static void test_set_in_callback(void **state)
{
	struct sl_timer timer;

	(void)state;
	start(100);
	test.again = 5;
	sl_timer_init(&timer, set_again);
	sl_wheel_set(&test.wheel, &timer, 101);
	advance(101);
	assert_int_equal(test.runs, 1);
	advance(103);
	assert_int_equal(test.runs, 3);
	advance(1000);
	assert_int_equal(test.runs, 6);
}

static void cancel_other(struct sl_timer *timer)
{
	struct item *item = (struct item *)(void *)timer;

	item->runs++;
	sl_wheel_cancel(&test.wheel, &item->other->timer);
	sl_wheel_cancel(&test.wheel, timer); /* itself: no effect */
}

/* Of two that are due together, the first to run cancels the other; also after a move down. */
static void test_cancel_in_callback(void **state)
{
	(void)state;
	for (uint64_t due_ms = 1; due_ms < 100000; due_ms = due_ms * 7 + 1) {
		struct item first = {.runs = 0}, second = {.runs = 0};

		start(0);
		sl_timer_init(&first.timer, cancel_other);
		sl_timer_init(&second.timer, cancel_other);
		first.other = &second;
		second.other = &first;
		item_set(&first, due_ms);
		item_set(&second, due_ms);
		advance(due_ms);
		assert_int_equal(first.runs + second.runs, 1);
		assert_false(sl_timer_is_set(&first.timer) || sl_timer_is_set(&second.timer));
	}
}

static void test_far(void **state)
{
	struct item item = {.runs = 0};

	(void)state;
	start(5);
	sl_timer_init(&item.timer, item_expired);
	item_set(&item, UINT64_MAX);
	assert_int_equal(item.timer.due_ms, SL_WHEEL_TICK_MAX);
	advance(UINT64_C(1) << 40);
	assert_int_equal(item.runs, 0);
	sl_wheel_cancel(&test.wheel, &item.timer);
	assert_int_equal(sl_wheel_next_ms(&test.wheel), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_set_in_callback),
		cmocka_unit_test(test_cancel_in_callback),
		cmocka_unit_test(test_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
