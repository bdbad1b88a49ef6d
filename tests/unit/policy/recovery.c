/* SPDX-License-Identifier: BSD-2-Clause */
/* When a target gives its place to another: not before all that could refuse it a run is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "user/policy/recovery.h"

#define MINUTE 60000ull
#define HOUR   (60 * MINUTE)
#define START  1000ull

enum fate { RUNS, GOOD, BAD };

/* "first" has run; later another wants a place, and then first asks again. */
static void test_places(void **state)
{
	static const struct {
		const char *what;
		struct sl_recovery_rule rule;
		enum fate fate;
		bool full; /* the other places are taken by targets that run */
		uint64_t after_ms;
		enum sl_recovery_verdict other, first;
	} rows[] = {
		{"a free place is taken first",
		 {1000, 2 * HOUR, 9},
		 GOOD,
		 false,
		 HOUR,
		 SL_RECOVERY_RUN,
		 SL_RECOVERY_COOLING},
		{"also before one that is over",
		 {1000, 0, 9},
		 GOOD,
		 false,
		 HOUR,
		 SL_RECOVERY_RUN,
		 SL_RECOVERY_RUN},
		{"it cools",
		 {1000, 2 * HOUR, 9},
		 GOOD,
		 true,
		 2 * HOUR - 1,
		 SL_RECOVERY_FULL,
		 SL_RECOVERY_COOLING},
		{"it has cooled",
		 {1000, 2 * HOUR, 9},
		 GOOD,
		 true,
		 2 * HOUR,
		 SL_RECOVERY_RUN,
		 SL_RECOVERY_FULL},
		{"its pause is long",
		 {3 * HOUR, 0, 9},
		 GOOD,
		 true,
		 3 * HOUR - 1,
		 SL_RECOVERY_FULL,
		 SL_RECOVERY_SOON},
		{"its pause is over",
		 {3 * HOUR, 0, 9},
		 BAD,
		 true,
		 3 * HOUR,
		 SL_RECOVERY_RUN,
		 SL_RECOVERY_FULL},
		{"its hour counts",
		 {1000, 0, 1},
		 GOOD,
		 true,
		 HOUR - 1,
		 SL_RECOVERY_FULL,
		 SL_RECOVERY_HOUR},
		{"its hour is over",
		 {1000, 0, 1},
		 GOOD,
		 true,
		 HOUR,
		 SL_RECOVERY_RUN,
		 SL_RECOVERY_FULL},
		{"it runs", {1000, 0, 9}, RUNS, true, 9 * HOUR, SL_RECOVERY_FULL, SL_RECOVERY_BUSY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_recovery *recovery = calloc(1, sizeof(*recovery));
		enum sl_recovery_verdict other, first;
		char name[16];

		assert_non_null(recovery);
		assert_int_equal(sl_recovery_ask(recovery, &rows[i].rule, "first", START),
				 SL_RECOVERY_RUN);
		for (uint32_t k = 1; rows[i].full && k < SL_RECOVERY_TARGETS_MAX; k++) {
			snprintf(name, sizeof(name), "n%u", k);
			assert_int_equal(sl_recovery_ask(recovery, &rows[i].rule, name, START),
					 SL_RECOVERY_RUN);
		}
		if (rows[i].fate != RUNS)
			sl_recovery_ran(recovery, "first", rows[i].fate == GOOD, START);
		other = sl_recovery_ask(recovery, &rows[i].rule, "other", START + rows[i].after_ms);
		first = sl_recovery_ask(recovery, &rows[i].rule, "first", START + rows[i].after_ms);
		if (other != rows[i].other || first != rows[i].first)
			fail_msg("%s: other %s, first %s", rows[i].what,
				 sl_recovery_verdict_name(other), sl_recovery_verdict_name(first));
		free(recovery);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_places)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
