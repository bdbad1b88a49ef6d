/* SPDX-License-Identifier: BSD-2-Clause */
/* Error budgets and burn rates: histories computed by hand, and random ones against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "user/policy/slo.h"

#define MINUTE	  60000ull
#define HOUR	  (60 * MINUTE)
#define DAY	  (24 * HOUR)
#define BEGIN	  (20000 * DAY)
#define OBJECTIVE 999000000ull /* 99.9 %: one bad in a thousand */

static const struct sl_slo_rules rules = {
	.budget_ms = 30 * DAY,
	.events_min = 20,
	.failures_min = 3,
	.pair_count = 3,
	.pairs = {{SL_SLO_PAGE, 14400000000ull, HOUR, 5 * MINUTE},
		  {SL_SLO_PAGE, 6000000000ull, 6 * HOUR, 30 * MINUTE},
		  {SL_SLO_TICKET, 1000000000ull, 3 * DAY, 6 * HOUR}},
};

static struct sl_slo slo;

static void begin(void)
{
	memset(&slo, 0, sizeof(slo));
	sl_slo_fit(&slo, &rules);
}

static void notes(uint64_t at, int count, bool good)
{
	for (int i = 0; i < count; i++)
		sl_slo_note(&slo, at, good);
}

static uint32_t judge(uint64_t at)
{
	sl_slo_advance(&slo, at);
	return sl_slo_judge(&slo, &rules, OBJECTIVE);
}

#define ABOUT(got, wanted) assert_true(fabs((got) - (wanted)) < 1e-9 * (1 + fabs(wanted)))

/* 10,000 requests, 5 bad: half of the 10 that the budget allows. */
static void test_budget(void **state)
{
	(void)state;
	begin();
	ABOUT(sl_slo_left(&slo, OBJECTIVE), 1.0);
	notes(BEGIN, 9995, true);
	notes(BEGIN, 5, false);
	ABOUT(sl_slo_left(&slo, OBJECTIVE), 0.5);
	notes(BEGIN + DAY, 10, false);
	notes(BEGIN + DAY, 9990, true); /* 15 of the 20 */
	ABOUT(sl_slo_left(&slo, OBJECTIVE), 0.25);
	notes(BEGIN + DAY, 20, false); /* 35 of 20.02 */
	ABOUT(sl_slo_left(&slo, OBJECTIVE), 1 - 35 / 20.02);
	assert_int_equal(slo.bad, 35);
	sl_slo_advance(&slo, BEGIN + 32 * DAY);
	ABOUT(sl_slo_left(&slo, OBJECTIVE), 1.0);
	assert_int_equal(slo.bad, 35); /* the total forgets nothing */
}

/* A steady 2 % of failures: 20 times the budget's pace. 1,000 requests a minute. */
static void test_fast_burn(void **state)
{
	uint32_t minute, changed = 0;

	(void)state;
	begin();
	for (minute = 0; minute < 60; minute++)
		notes(BEGIN + minute * MINUTE, 1000, true);
	assert_int_equal(judge(BEGIN + 59 * MINUTE), 0);
	/* the long window has 1.44 % when x minutes of 20 bad are among 60,000: x = 43.2 */
	for (minute = 60; minute < 60 + 60 && !(changed & 1); minute++) {
		notes(BEGIN + minute * MINUTE, 980, true);
		notes(BEGIN + minute * MINUTE, 20, false);
		changed = judge(BEGIN + minute * MINUTE);
	}
	assert_int_equal(minute - 60, 44);
	assert_true(slo.burns[0]);
	ABOUT(sl_slo_burn(sl_slo_short(&slo, 0), OBJECTIVE), 20.0);
	ABOUT(sl_slo_burn(sl_slo_long(&slo, 0), OBJECTIVE), 44 * 20 / 60000.0 / 0.001);
	/* it ends with the short window, not with the long one */
	for (changed = 0; !(changed & 1); minute++) {
		notes(BEGIN + minute * MINUTE, 1000, true);
		changed = judge(BEGIN + minute * MINUTE);
		assert_true(minute < 200);
	}
	assert_false(slo.burns[0]);
	assert_int_equal(minute - 60 - 44, 2); /* 3 of 5 minutes bad: 12; 4 of 5: 16 */
	assert_true(sl_slo_burn(sl_slo_long(&slo, 0), OBJECTIVE) > 14.4);
}

static void test_all_down(void **state)
{
	(void)state;
	begin();
	for (uint32_t minute = 0; minute < 60; minute++)
		notes(BEGIN + minute * MINUTE, 100, true);
	notes(BEGIN + 60 * MINUTE, 100, false);		     /* 1 of 60 minutes: 16.9 in the hour */
	assert_int_equal(judge(BEGIN + 60 * MINUTE) & 3, 3); /* the slower pair sees it as well */
	assert_true(slo.burns[0] && slo.burns[1]);
	assert_int_equal(judge(BEGIN + 60 * MINUTE) & 3, 0); /* told once */
}

/* What must not page. */
static void test_few(void **state)
{
	static const struct {
		const char *what;
		int good, bad;
		bool burns;
	} cases[] = {
		{"one failure at night", 5, 1, false},
		{"one among enough events", 40, 1, false},
		{"two are too few as well", 40, 2, false},
		{"three of nineteen", 16, 3, false},
		{"three of twenty", 17, 3, true},
		{"nothing bad", 100, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		notes(BEGIN, cases[i].good, true);
		notes(BEGIN, cases[i].bad, false);
		judge(BEGIN);
		if (slo.burns[0] != cases[i].burns)
			fail_msg("%s", cases[i].what);
	}
}

static void test_ticket(void **state)
{
	(void)state;
	begin();
	for (uint32_t hour = 0; hour < 72; hour++) {
		notes(BEGIN + hour * HOUR, 998, true);
		notes(BEGIN + hour * HOUR, 2, false);
		judge(BEGIN + hour * HOUR);
		assert_false(slo.burns[0] || slo.burns[1]); /* twice the pace wakes nobody */
	}
	assert_true(slo.burns[2]);
}

/* What was counted stays with a window of the same length; the others begin anew. */
static void test_fit(void **state)
{
	struct sl_slo_rules other = rules;

	(void)state;
	begin();
	notes(BEGIN, 900, true);
	notes(BEGIN, 100, false);
	judge(BEGIN);
	assert_true(slo.burns[0]);
	sl_slo_fit(&slo, &rules);
	assert_true(slo.burns[0]);
	assert_int_equal(judge(BEGIN), 0);
	other.pair_count = 1;
	other.pairs[0] = (struct sl_slo_pair){SL_SLO_PAGE, 2000000000ull, 6 * HOUR, MINUTE};
	sl_slo_fit(&slo, &other);
	assert_false(slo.burns[0]);
	assert_int_equal(sl_slo_long(&slo, 0)->bad, 100);
	assert_int_equal(sl_slo_short(&slo, 0)->bad, 0);
	assert_int_equal(slo.windows[0].bad, 100);
	assert_int_equal(sl_slo_long(&slo, 2)->length_ms, 0);
}

static void test_clock_set_back(void **state)
{
	(void)state;
	begin();
	notes(BEGIN + 400 * DAY, 50, true);
	notes(BEGIN, 50, false); /* the clock was wrong, and is right now */
	judge(BEGIN);
	assert_int_equal(slo.windows[0].bad, 50);
	assert_int_equal(slo.windows[0].good, 0);
	notes(BEGIN - MINUTE / 30, 3, true); /* a little late: counted where it belongs */
	assert_int_equal(sl_slo_short(&slo, 0)->good, 3);
}

/* ---- against a list ---- */

struct event {
	uint64_t at;
	bool good;
};

static void compare(const struct event *events, size_t count, uint64_t now)
{
	sl_slo_advance(&slo, now);
	for (uint32_t i = 0; i < SL_SLO_WINDOWS; i++) {
		const struct sl_slo_window *window = &slo.windows[i];
		uint64_t bucket = window->length_ms / SL_SLO_BUCKETS, good = 0, bad = 0;

		for (size_t e = 0; e < count && bucket; e++) {
			if (events[e].at / bucket + SL_SLO_BUCKETS <= now / bucket)
				continue;
			good += events[e].good;
			bad += !events[e].good;
		}
		assert_int_equal(window->good, good);
		assert_int_equal(window->bad, bad);
	}
}

static void test_random(void **state)
{
	static struct event events[3000];

	(void)state;
	srand(7);
	for (int round = 0; round < 20; round++) {
		uint64_t now = BEGIN + (uint64_t)rand() * 1000;
		uint64_t step = round % 4 == 0 ? 30000 : round % 4 == 1 ? 3 * HOUR : 10 * MINUTE;
		size_t count = 0;

		begin();
		while (count < sizeof(events) / sizeof(events[0])) {
			if (rand() % 10 == 0)
				now += (uint64_t)rand() % (step * (rand() % 50 ? 1 : 40));
			events[count].at = now;
			events[count].good = rand() % 20 != 0;
			sl_slo_note(&slo, now, events[count].good);
			count++;
			if (count % 500 == 0)
				compare(events, count, now + (uint64_t)rand() % step);
			now += count % 500 == 0 ? step : 0;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget),	       cmocka_unit_test(test_fast_burn),
		cmocka_unit_test(test_all_down),       cmocka_unit_test(test_few),
		cmocka_unit_test(test_ticket),	       cmocka_unit_test(test_fit),
		cmocka_unit_test(test_clock_set_back), cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests_name("slo", tests, NULL, NULL);
}
