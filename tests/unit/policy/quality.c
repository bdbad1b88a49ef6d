/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether documents answer a route's questions: the window, both bounds, and what lies between them. */
#include "user/policy/quality.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

/* g: a good chunk, m: none. Returns the verdict after each as a string of 0 and 1. */
static const char *run(struct sl_quality *q, const struct sl_quality_rule *rule, const char *seen)
{
	static char out[64];
	size_t len = strlen(seen);

	assert_true(len < sizeof(out));
	for (size_t i = 0; i < len; i++)
		out[i] = sl_quality_note(q, rule, seen[i] == 'g') ? '1' : '0';
	out[len] = '\0';
	return out;
}

static void follows_the_share(void **state)
{
	static const struct {
		const char *name, *seen, *verdicts;
		uint64_t poor, back;
	} cases[] = {
		{"a window that is not full says nothing", "mmmm", "0000", 600000000, 300000000},
		{"full of misses", "mmmmm", "00001", 600000000, 300000000},
		{"just the bound", "ggmmm", "00001", 600000000, 300000000},
		{"just under it", "gggmm", "00000", 600000000, 300000000},
		{"it slides", "gggmmm", "000001", 600000000, 300000000},
		{"between the bounds it stays", "mmmmmggg", "00001111", 600000000, 300000000},
		{"it comes back at the lower one", "mmmmmgggg", "000011110", 600000000, 300000000},
		{"and is poor again only at the upper", "mmmmmggggm", "0000111100", 600000000,
		 300000000},
		{"never", "mmmmmmmm", "00000000", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_quality_rule rule = {cases[i].poor, cases[i].back, 5};
		struct sl_quality q = {.count = 0};

		if (strcmp(run(&q, &rule, cases[i].seen), cases[i].verdicts) != 0)
			fail_msg("%s", cases[i].name);
	}
}

static void begins_anew_with_another_window(void **state)
{
	struct sl_quality_rule rule = {600000000, 300000000, 5};
	struct sl_quality q = {.count = 0};

	(void)state;
	assert_string_equal(run(&q, &rule, "mmmmm"), "00001");
	rule.questions = 6;
	assert_string_equal(run(&q, &rule, "mmmmmm"), "000001");
	assert_int_equal(q.count, 6);
	assert_int_equal(q.misses, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(follows_the_share),
		cmocka_unit_test(begins_anew_with_another_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
