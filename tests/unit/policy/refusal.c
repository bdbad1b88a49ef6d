/* SPDX-License-Identifier: BSD-2-Clause */
/* Openings of refusals, and answers that only look like one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/policy/refusal.h"

static const struct {
	const char *answer;
	bool refusal;
} cases[] = {
	{"I'm sorry, but I can't help with that.", true},
	{"  I\xe2\x80\x99m sorry, but no.", true},
	{"I CANNOT do that", true},
	{"**I can't** ", false},
	{"\"I won't say.\"", true},
	{"As an AI language model", true},
	{"Sorry, I can\xe2\x80\x99t.", true},
	{"Unfortunately, I cannot", true},
	{"", false},
	{"I", false},
	{"I can't", false},
	{"I can do that.", false},
	{"I\xe2\x80", false},
	{"The capital is Paris. I'm sorry, but that is all.", false},
	{"I cannotice", false},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (sl_refusal_begins(sl_span_string(cases[i].answer)) != cases[i].refusal)
			fail_msg("%s", cases[i].answer);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
