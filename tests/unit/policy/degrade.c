/* SPDX-License-Identifier: BSD-2-Clause */
/* When a rule of degradation enters and leaves, in virtual time: tables of looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/policy/degrade.h"

#define DWELL 10000u

struct look {
	const char *what;
	uint64_t at_ms;
	struct sl_degrade_view view;
	bool on;
	enum sl_degrade_change change;
};

static const struct sl_degrade_rule rule = {
	.bounds = {.load_percent = 80, .breakers_percent = 50, .wait_ms = 500, .ttft_ms = 2000},
	.leave_percent = 75,
	.dwell_ms = DWELL,
};

static void run(const struct sl_degrade_rule *by, const struct look *looks, size_t count)
{
	struct sl_degrade_state state = {0};
	enum sl_degrade_change change;
	size_t i;

	for (i = 0; i < count; i++) {
		bool on = sl_degrade_look(&state, by, &looks[i].view, looks[i].at_ms, &change);

		if (on != looks[i].on || change != looks[i].change)
			fail_msg("look %zu, %s: on %d, change %d", i, looks[i].what, on, change);
	}
}

#define RUN(by, looks) run(by, looks, sizeof(looks) / sizeof((looks)[0]))

static void enters_and_leaves(void **state)
{
	static const struct look looks[] = {
		{"quiet", 1000, {.load_percent = 10}, false, SL_DEGRADE_SAME},
		{"at the bound", 2000, {.load_percent = 80}, false, SL_DEGRADE_SAME},
		{"over it", 3000, {.load_percent = 81}, true, SL_DEGRADE_ENTERED},
		{"still", 4000, {.load_percent = 200}, true, SL_DEGRADE_SAME},
		{"below it, above leave", 9000, {.load_percent = 61}, true, SL_DEGRADE_SAME},
		{"calm", 10000, {.load_percent = 60}, true, SL_DEGRADE_SAME},
		{"on for dwell, calm for less", 15000, {.load_percent = 0}, true, SL_DEGRADE_SAME},
		{"not calm", 19000, {.load_percent = 61}, true, SL_DEGRADE_SAME},
		{"calm from here", 20000, {.load_percent = 20}, true, SL_DEGRADE_SAME},
		{"nearly", 29999, {.load_percent = 20}, true, SL_DEGRADE_SAME},
		{"calm for dwell", 30000, {.load_percent = 20}, false, SL_DEGRADE_LEFT},
		{"again", 30001, {.load_percent = 90}, true, SL_DEGRADE_ENTERED},
	};

	(void)state;
	RUN(&rule, looks);
}

static void any_value_counts(void **state)
{
	static const struct look looks[] = {
		{"breakers", 1000, {.breakers_percent = 51}, true, SL_DEGRADE_ENTERED},
		{"calm", 2000, {.breakers_percent = 37}, true, SL_DEGRADE_SAME},
		{"the queue instead", 11000, {.wait_ms = 501}, true, SL_DEGRADE_SAME},
		{"calm", 12000, {0}, true, SL_DEGRADE_SAME},
		{"tokens come late", 21999, {.ttft_ms = 1501}, true, SL_DEGRADE_SAME},
		{"calm", 22000, {0}, true, SL_DEGRADE_SAME},
		{"", 30000, {0}, true, SL_DEGRADE_SAME},
		{"for dwell", 32000, {0}, false, SL_DEGRADE_LEFT},
		{"ttft", 33000, {.ttft_ms = 2001}, true, SL_DEGRADE_ENTERED},
	};

	(void)state;
	RUN(&rule, looks);
}

/* A value that flutters around its bound switches once, not each time. */
static void does_not_flap(void **state)
{
	struct sl_degrade_state at = {0};
	enum sl_degrade_change change;
	uint64_t now_ms;
	uint32_t changes = 0;

	(void)state;
	for (now_ms = 1000; now_ms < 121000; now_ms += 100) {
		struct sl_degrade_view view = {.load_percent = now_ms / 100 % 2 ? 85 : 45};

		sl_degrade_look(&at, &rule, &view, now_ms, &change);
		changes += change != SL_DEGRADE_SAME;
	}
	assert_int_equal(changes, 1);
	assert_true(at.on);
	assert_int_equal(at.entered, 1);
}

static void what_nobody_looked_at_is_over(void **state)
{
	static const struct look looks[] = {
		{"", 1000, {.load_percent = 99}, true, SL_DEGRADE_ENTERED},
		{"no request for dwell, and calm",
		 11000,
		 {.load_percent = 1},
		 false,
		 SL_DEGRADE_LEFT},
		{"", 12000, {.load_percent = 99}, true, SL_DEGRADE_ENTERED},
		{"no request for dwell, and not calm",
		 30000,
		 {.load_percent = 70},
		 true,
		 SL_DEGRADE_SAME},
	};

	(void)state;
	RUN(&rule, looks);
}

static void bounds_that_are_not_there(void **state)
{
	static const struct sl_degrade_rule load_alone = {
		.bounds = {.load_percent = 50}, .leave_percent = 100, .dwell_ms = 0};
	static const struct look looks[] = {
		{"",
		 1000,
		 {.breakers_percent = 100, .wait_ms = 9999, .ttft_ms = 9999},
		 false,
		 SL_DEGRADE_SAME},
		{"", 1001, {.load_percent = 51}, true, SL_DEGRADE_ENTERED},
		{"no dwell: at once",
		 1002,
		 {.load_percent = 50, .wait_ms = 9999},
		 false,
		 SL_DEGRADE_LEFT},
	};

	(void)state;
	RUN(&load_alone, looks);
}

static void another_thread_is_at_it(void **state)
{
	struct sl_degrade_state at = {.busy = 1, .on = 1};
	struct sl_degrade_view view = {0};
	enum sl_degrade_change change;

	(void)state;
	assert_true(sl_degrade_look(&at, &rule, &view, 99999, &change));
	assert_int_equal(change, SL_DEGRADE_SAME);
}

static void times_are_forgotten(void **state)
{
	struct sl_degrade_times times = {0};
	const uint64_t begin_ms = 1000 * SL_DEGRADE_WINDOW_MS;
	uint32_t i;

	(void)state;
	assert_int_equal(sl_degrade_ttft_ms(&times, begin_ms), 0);
	for (i = 0; i < SL_DEGRADE_SAMPLES_MIN - 1; i++)
		sl_degrade_note(&times, 3000000, begin_ms);
	assert_int_equal(sl_degrade_ttft_ms(&times, begin_ms), 0); /* too few */
	sl_degrade_note(&times, 3000000, begin_ms + 1);
	assert_in_range(sl_degrade_ttft_ms(&times, begin_ms + 1), 2600, 3400);
	/* In the next window they still count, */
	for (i = 0; i < SL_DEGRADE_SAMPLES_MIN; i++)
		sl_degrade_note(&times, 10000, begin_ms + SL_DEGRADE_WINDOW_MS);
	assert_in_range(sl_degrade_ttft_ms(&times, begin_ms + SL_DEGRADE_WINDOW_MS), 2600, 3400);
	/* then no more, */
	for (i = 0; i < SL_DEGRADE_SAMPLES_MIN; i++)
		sl_degrade_note(&times, 10000, begin_ms + 2 * SL_DEGRADE_WINDOW_MS);
	assert_in_range(sl_degrade_ttft_ms(&times, begin_ms + 2 * SL_DEGRADE_WINDOW_MS), 8, 12);
	/* and after a pause nothing is known. */
	assert_in_range(sl_degrade_ttft_ms(&times, begin_ms + 3 * SL_DEGRADE_WINDOW_MS), 8, 12);
	assert_int_equal(sl_degrade_ttft_ms(&times, begin_ms + 4 * SL_DEGRADE_WINDOW_MS), 0);
	sl_degrade_note(&times, 10000, begin_ms + 9 * SL_DEGRADE_WINDOW_MS);
	assert_int_equal(sl_degrade_ttft_ms(&times, begin_ms + 9 * SL_DEGRADE_WINDOW_MS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enters_and_leaves),
		cmocka_unit_test(any_value_counts),
		cmocka_unit_test(does_not_flap),
		cmocka_unit_test(what_nobody_looked_at_is_over),
		cmocka_unit_test(bounds_that_are_not_there),
		cmocka_unit_test(another_thread_is_at_it),
		cmocka_unit_test(times_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
