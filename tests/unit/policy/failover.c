/* SPDX-License-Identifier: BSD-2-Clause */
/* How a broken stream may go on: the cases by name, then all 64 combinations against the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/policy/failover.h"

struct failover_case {
	const char *name;
	struct sl_failover_facts facts;
	enum sl_failover way;
};

#define TEXT .text_only = true

static const struct failover_case cases[] = {
	{"text, prefill", {TEXT, .takes_rest = true, .may_continue = true}, SL_FAILOVER_CONTINUE},
	{"text, prefill and a seed: no work is lost",
	 {TEXT, .takes_rest = true, .may_continue = true, .same_again = true},
	 SL_FAILOVER_CONTINUE},
	{"text, no prefill", {TEXT, .may_continue = true}, SL_FAILOVER_GIVE_UP},
	{"text, a seed", {TEXT, .may_continue = true, .same_again = true}, SL_FAILOVER_RESTART},
	{"calls begun, prefill", {.takes_rest = true, .may_continue = true}, SL_FAILOVER_GIVE_UP},
	{"calls begun, prefill and a seed",
	 {.takes_rest = true, .may_continue = true, .same_again = true},
	 SL_FAILOVER_RESTART},
	{"structured, prefill", {TEXT, .takes_rest = true}, SL_FAILOVER_GIVE_UP},
	{"structured, prefill and temperature 0",
	 {TEXT, .takes_rest = true, .same_again = true},
	 SL_FAILOVER_RESTART},
	{"finished, not framed",
	 {TEXT, .takes_rest = true, .may_continue = true, .finished = true},
	 SL_FAILOVER_GIVE_UP},
	{"nothing was sent", {.nothing_sent = true}, SL_FAILOVER_RESTART},
};

static void named_cases(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (sl_failover_choose(&cases[i].facts) != cases[i].way)
			fail_msg("%s", cases[i].name);
	}
}

static void never_glued(void **state)
{
	unsigned bits;

	(void)state;
	for (bits = 0; bits < 64; bits++) {
		struct sl_failover_facts facts = {
			.may_continue = bits & 1,
			.takes_rest = bits & 2,
			.same_again = bits & 4,
			.text_only = bits & 8,
			.finished = bits & 16,
			.nothing_sent = bits & 32,
		};
		enum sl_failover way = sl_failover_choose(&facts);

		if (way == SL_FAILOVER_CONTINUE)
			assert_true(facts.text_only && facts.takes_rest && facts.may_continue &&
				    !facts.finished);
		if (way == SL_FAILOVER_RESTART)
			assert_true(facts.same_again || facts.nothing_sent);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(named_cases),
		cmocka_unit_test(never_glued),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
