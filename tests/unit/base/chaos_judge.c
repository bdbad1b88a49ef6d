/* SPDX-License-Identifier: BSD-2-Clause */
/* What a hypothesis is worth when the daemon that was asked is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "loader/chaos_judge.h"

static enum sl_chaos_verdict judge(const char *text, const struct sl_chaos_measure *measure)
{
	struct sl_chaos_conditions conditions;
	struct sl_error error;

	assert_int_equal(sl_chaos_conditions_parse(text, &conditions, &error), 0);
	return sl_chaos_conditions_judge(&conditions, measure);
}

static void test_daemon_lost(void **state)
{
	static const char *const of_clients[] = {"client errors < 1%", "errors = 0",
						 "requests > 10", "p99 ttft < 2s"};
	struct sl_chaos_measure measure = {.requests = 100, .ttft = {[3] = 100}};

	(void)state;
	for (size_t i = 0; i < sizeof(of_clients) / sizeof(of_clients[0]); i++) {
		measure.daemon_lost = false;
		assert_int_equal(judge(of_clients[i], &measure), SL_CHAOS_HELD);
		measure.daemon_lost = true;
		assert_int_equal(judge(of_clients[i], &measure), SL_CHAOS_UNKNOWN);
	}
	assert_int_equal(judge("open nodes <= 1, drop_internal = 0", &measure), SL_CHAOS_HELD);
	assert_int_equal(judge("open nodes <= 1, errors = 0", &measure), SL_CHAOS_UNKNOWN);
	measure.open_max = 2; /* broken is broken, whatever is not known */
	assert_int_equal(judge("errors = 0, open nodes <= 1", &measure), SL_CHAOS_BROKEN);
}

static void test_deeds(void **state)
{
	static const struct {
		const char *text;
		enum sl_chaos_verdict verdict;
	} cases[] = {
		{"did fallbacks > 5", SL_CHAOS_HELD},
		{"did retrieve:words = 2", SL_CHAOS_HELD},
		{"did resumed = 0", SL_CHAOS_HELD},
		{"did resumed > 0", SL_CHAOS_BROKEN},
		{"probes <= 4, opens = 1, detection < 2s", SL_CHAOS_HELD},
		{"detection < 1s", SL_CHAOS_BROKEN},
		{"probes < 4", SL_CHAOS_BROKEN},
		{"drop_internal = 0", SL_CHAOS_UNKNOWN}, /* there is no kernel plane */
	};
	struct sl_chaos_measure measure = {
		.requests = 100,
		.probes = 4,
		.opens = 1,
		.detected = true,
		.detection_s = 1.5,
		.no_counters = true,
		.deeds = {{"fallbacks", 9}, {"retrieve=words", 2}},
		.deed_count = 2,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].text);
		assert_int_equal(judge(cases[i].text, &measure), cases[i].verdict);
	}
	measure.detected = false; /* never, once it is over */
	assert_int_equal(judge("detection < 2s", &measure), SL_CHAOS_BROKEN);
	measure.waiting = true;
	assert_int_equal(judge("detection < 2s", &measure), SL_CHAOS_UNKNOWN);
	measure.daemon_lost = true;
	assert_int_equal(judge("did fallbacks > 5", &measure), SL_CHAOS_UNKNOWN);
	assert_int_equal(judge("probes <= 4", &measure), SL_CHAOS_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_daemon_lost),
					   cmocka_unit_test(test_deeds)};

	return cmocka_run_group_tests_name("chaos_judge", tests, NULL, NULL);
}
