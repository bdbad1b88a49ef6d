/* SPDX-License-Identifier: BSD-2-Clause */
/* Differences of texts: known ones, and of random texts that the hunks make one of the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/diff.h"
#include "user/base/random.h"

static const struct {
	const char *name, *from, *to, *wanted;
} cases[] = {
	{"equal", "a\nb\n", "a\nb\n", ""},
	{"both empty", "", "", ""},
	{"one line changed", "a\nb\nc\n", "a\nx\nc\n",
	 "--- f\n+++ t\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
	{"from nothing", "", "a\nb\n", "--- f\n+++ t\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
	{"to nothing", "a\n", "", "--- f\n+++ t\n@@ -1 +0,0 @@\n-a\n"},
	{"at the end", "1\n2\n3\n4\n5\n", "1\n2\n3\n4\n5\n6\n",
	 "--- f\n+++ t\n@@ -3,3 +3,4 @@\n 3\n 4\n 5\n+6\n"},
	{"far from each other", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "x\n2\n3\n4\n5\n6\n7\n8\ny\n",
	 "--- f\n+++ t\n@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,4 @@\n 6\n 7\n "
	 "8\n-9\n+y\n"},
	{"near each other", "1\n2\n3\n4\n5\n6\n7\n8\n", "x\n2\n3\n4\n5\n6\n7\ny\n",
	 "--- f\n+++ t\n@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n"},
	{"without a line end", "a", "b", "--- f\n+++ t\n@@ -1 +1 @@\n-a\n+b\n"},
};

static void test_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_text out;

		sl_text_init(&out, 4096);
		assert_int_equal(sl_diff_write(sl_span_string(cases[i].from), "f",
					       sl_span_string(cases[i].to), "t", &out),
				 0);
		if (strcmp(sl_text_string(&out), cases[i].wanted) != 0)
			fail_msg("%s: got\n%s", cases[i].name, sl_text_string(&out));
		sl_text_fini(&out);
	}
}

/* Lines of a small alphabet, so that many are equal. */
static void make(struct sl_random *random, uint32_t lines, struct sl_text *out)
{
	for (uint32_t i = 0; i < lines; i++)
		sl_text_printf(out, "%c\n", 'a' + (int)(sl_random_u32(random) % 4));
}

/* What `from` becomes by the hunks, each of which says where it begins. */
static void apply(struct sl_span from, struct sl_span diff, struct sl_text *out)
{
	uint32_t at = 1;

	sl_span_cut(&diff, '\n');
	sl_span_cut(&diff, '\n');
	while (diff.len) {
		struct sl_span line = sl_span_cut(&diff, '\n');
		unsigned int begin = 0, count = 1, skip = 0;

		if (line.data[0] == '@') {
			if (sscanf(line.data, "@@ -%u,%u", &begin, &count) == 2 && !count)
				begin++;
			for (skip = at; skip < begin; skip++, at++) {
				sl_text_append_span(out, sl_span_cut(&from, '\n'));
				sl_text_append_char(out, '\n');
			}
			continue;
		}
		if (line.data[0] != '+') {
			struct sl_span old = sl_span_cut(&from, '\n');

			assert_true(sl_span_equal(old, sl_span_make(line.data + 1, line.len - 1)));
			at++;
		}
		if (line.data[0] != '-') {
			sl_text_append(out, line.data + 1, line.len - 1);
			sl_text_append_char(out, '\n');
		}
	}
	sl_text_append_span(out, from);
}

static void check_pair(struct sl_span from, struct sl_span to, size_t max)
{
	struct sl_text diff, made;

	sl_text_init(&diff, 1u << 20);
	sl_text_init(&made, 1u << 20);
	assert_int_equal(sl_diff_write(from, "f", to, "t", &diff), 0);
	assert_true(diff.len <= max);
	apply(from, sl_text_span(&diff), &made);
	assert_true(sl_span_equal(sl_text_span(&made), to));
	sl_text_fini(&diff);
	sl_text_fini(&made);
}

static void test_random(void **state)
{
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 5);
	for (int i = 0; i < 300; i++) {
		struct sl_text from, to;

		sl_text_init(&from, 1u << 20);
		sl_text_init(&to, 1u << 20);
		make(&random, sl_random_u32(&random) % 40, &from);
		make(&random, sl_random_u32(&random) % 40, &to);
		check_pair(sl_text_span(&from), sl_text_span(&to), 1u << 20);
		sl_text_fini(&from);
		sl_text_fini(&to);
	}
}

/* More differences than are searched for: right all the same. And few in a long text are few. */
static void test_bounds(void **state)
{
	struct sl_text from, to, more;

	(void)state;
	sl_text_init(&from, 1u << 20);
	sl_text_init(&to, 1u << 20);
	sl_text_init(&more, 1u << 20);
	for (uint32_t i = 0; i < 3000; i++) {
		sl_text_printf(&from, "from %u\n", i);
		sl_text_printf(&to, i % 2 ? "from %u\n" : "to %u\n", i);
		sl_text_printf(&more, i % 1000 == 7 ? "new %u\n" : "from %u\n", i);
	}
	check_pair(sl_text_span(&from), sl_text_span(&to), 1u << 20);
	check_pair(sl_text_span(&from), sl_text_span(&more), 500);
	sl_text_fini(&from);
	sl_text_fini(&to);
	sl_text_fini(&more);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
