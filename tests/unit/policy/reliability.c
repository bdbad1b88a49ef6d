/* SPDX-License-Identifier: BSD-2-Clause */
/* MTBF, MTTR and MTTD of ledgers computed by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/policy/reliability.h"

static const struct {
	const char *what;
	struct sl_outage outages[3];
	uint32_t count;
	struct sl_reliability expected; /* outages, ended, down, mtbf, mttr, mttd */
} cases[] = {
	{"none", {{0}}, 0, {0}},
	/* up 100 + 190 + 690 of 1000, down 20 */
	{"two", {{1100, 1102, 1110}, {1300, 1306, 1310}}, 2, {2, 2, 20, 490, 10, 4}},
	{"one goes on", {{1100, 1100, 1150}, {1900, 1910, 0}}, 2, {2, 1, 150, 425, 50, 5}},
	{"one began before", {{900, 901, 1100}, {1500, 1500, 1600}}, 2, {1, 1, 200, 800, 100, 0}},
	{"one ended before", {{500, 501, 600}}, 1, {0, 0, 0, 0, 0, 0}},
	{"they overlap",
	 {{1100, 1100, 1300}, {1200, 1220, 1250}, {1250, 1250, 1400}},
	 3,
	 {3, 3, 300, 233, 133, 6}},
	/* the clock was set back: found and ended before it began */
	{"backwards", {{1500, 1400, 1450}}, 1, {1, 1, 0, 1000, 0, 0}},
	{"ends in the future", {{1100, 1100, 9000}}, 1, {1, 1, 7900, 0, 7900, 0}},
};

/* now is before the time that is looked at */
static void test_clock_back(void **state)
{
	static const struct sl_outage outage = {1100, 1100, 1200};
	struct sl_reliability got;

	(void)state;
	sl_reliability_of(&outage, 1, 1000, 500, &got);
	assert_int_equal(got.mtbf_ms, 0);
	assert_int_equal(got.mttr_ms, 100);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_reliability got;

		sl_reliability_of(cases[i].outages, cases[i].count, 1000, 2000, &got);
		if (got.outages != cases[i].expected.outages ||
		    got.ended != cases[i].expected.ended ||
		    got.down_ms != cases[i].expected.down_ms ||
		    got.mtbf_ms != cases[i].expected.mtbf_ms ||
		    got.mttr_ms != cases[i].expected.mttr_ms ||
		    got.mttd_ms != cases[i].expected.mttd_ms)
			fail_msg("%s: %u %u down %d mtbf %d mttr %d mttd %d", cases[i].what,
				 got.outages, got.ended, (int)got.down_ms, (int)got.mtbf_ms,
				 (int)got.mttr_ms, (int)got.mttd_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
					   cmocka_unit_test(test_clock_back)};

	return cmocka_run_group_tests_name("reliability", tests, NULL, NULL);
}
