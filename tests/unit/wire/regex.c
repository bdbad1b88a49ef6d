/* SPDX-License-Identifier: BSD-2-Clause */
/* Regular expressions of schemas: what matches, what is refused, what nothing can make slow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/wire/regex.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define STEPS	 UINT64_C(10000000)

/* 1 or 0, or the error of either call. The text ends at a page without access. */
static int search(const char *pattern, const char *text, uint64_t steps)
{
	size_t len = strlen(text);
	char *copy = sl_guard_copy(text, len);
	struct sl_regex *regex;
	struct sl_error error = {""};
	struct sl_arena arena;
	uint32_t *work;
	int rc;

	sl_arena_init(&arena, 0, 1u << 20);
	rc = sl_regex_compile(pattern, strlen(pattern), &arena, &regex, &error);
	if (rc) {
		assert_true(error.text[0]);
	} else {
		work = malloc(sl_regex_work_count(regex) * sizeof(*work));
		rc = sl_regex_search(regex, copy, len, work, &steps);
		free(work);
	}
	sl_arena_fini(&arena);
	sl_guard_free(copy, len);
	return rc;
}

static void test_search(void **state)
{
	static const struct {
		const char *pattern, *text;
		int want;
	} cases[] = {
		{"", "", 1},
		{"", "abc", 1},
		{"abc", "xabcx", 1},
		{"abc", "xabx", 0},
		{"^abc$", "abc", 1},
		{"^abc$", "abcd", 0},
		{"^abc$", "abc\n", 0},
		{"a.c", "a\nc", 0},
		{"a.c",
		 "a\xe2\x82\xac"
		 "c",
		 1},
		{"^.$", "\xf0\x9f\x98\x80", 1},
		{"^..$", "\xf0\x9f\x98\x80", 0},
		{"^a*$", "", 1},
		{"^a*$", "aaa", 1},
		{"^a*$", "aab", 0},
		{"^a+$", "", 0},
		{"^a+$", "aaaa", 1},
		{"^a?b$", "b", 1},
		{"^a?b$", "ab", 1},
		{"^a?b$", "aab", 0},
		{"^a{3}$", "aa", 0},
		{"^a{3}$", "aaa", 1},
		{"^a{3}$", "aaaa", 0},
		{"^a{2,}$", "a", 0},
		{"^a{2,}$", "aaaaa", 1},
		{"^a{0,2}$", "", 1},
		{"^a{0,2}$", "aa", 1},
		{"^a{0,2}$", "aaa", 0},
		{"^a{1,3}b$", "aaab", 1},
		{"^a{1,3}b$", "aaaab", 0},
		{"^a{0}b$", "b", 1},
		{"^a{0}b$", "ab", 0},
		{"^a{0,}b$", "aaab", 1},
		{"^(ab|cd|ef)+$", "abefcd", 1},
		{"^(ab|cd|ef)+$", "abefc", 0},
		{"^(a|b|)c$", "c", 1},
		{"^(?:a|(?<n>b))*?c$", "ababc", 1},
		{"^(a*)*$", "aaaa", 1},
		{"^(a*)*$", "aaab", 0},
		{"^(a|ab)(c|bcd)(d*)$", "abcd", 1},
		{"^(x(a|b){2}){2}$", "xabxba", 1},
		{"^(x(a|b){2}){2}$", "xabxb", 0},
		{"[a-c]", "b", 1},
		{"[a-c]", "d", 0},
		{"[^a-c]", "b", 0},
		{"[^a-c]", "d", 1},
		{"^[\\w-]+$", "a-b_9", 1},
		{"^[\\w.-]+$", "a b", 0},
		{"^[]$", "a", 0},
		{"^[^]$", "\n", 1},
		{"[\\]]", "]", 1},
		{"[\\b]", "\b", 1},
		{"^\\d+$", "0123", 1},
		{"^\\d+$", "\xdf\x80", 0}, /* NKo digit: \d is ASCII */
		{"^\\D+$", "abc", 1},
		{"^\\w+$", "\xc3\xa9", 0},
		{"^\\W$", "\xc3\xa9", 1},
		{"^\\s+$", " \t\xc2\xa0\xef\xbb\xbf\xe2\x80\xa9", 1},
		{"^\\S$", "\xe2\x80\x83", 0},
		{"\\bfoo\\b", "a foo b", 1},
		{"\\bfoo\\b", "afoo b", 0},
		{"\\Boo", "foo", 1},
		{"^\\Boo", "oo", 0},
		{"^\\x41\\u0042\\u{43}$", "ABC", 1},
		{"^\\ud83d\\ude00$", "\xf0\x9f\x98\x80", 1},
		{"^\\u{1F600}$", "\xf0\x9f\x98\x80", 1},
		{"^\\cA$", "\x01", 1},
		{"^\\t\\n\\v\\f\\r$", "\t\n\v\f\r", 1},
		{"^\\.\\*\\/\\-$", ".*/-", 1},
		{"^\xc3\xa9+$", "\xc3\xa9\xc3\xa9", 1},
		{"^[\xc3\xa0-\xc3\xbf]$", "\xc3\xa9", 1},
		{"^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$", "(888)555-1212", 1},
		{"^(\\([0-9]{3}\\))?[0-9]{3}-[0-9]{4}$", "(800)FLOWERS", 0},
		{"a|^b$|c", "xxc", 1},
		{"^$", "", 1},
		{"^$", "a", 0},
		{"x*", "y", 1},
		{"(", "", -EINVAL},
		{")", "", -EINVAL},
		{"(a", "", -EINVAL},
		{"a)", "", -EINVAL},
		{"[a", "", -EINVAL},
		{"[b-a]", "", -EINVAL},
		{"[\\d-z]", "", -EINVAL},
		{"*a", "", -EINVAL},
		{"a**", "", -EINVAL},
		{"a{", "", -EINVAL},
		{"a{x}", "", -EINVAL},
		{"a{2,1}", "", -EINVAL},
		{"a{1001}", "", -E2BIG},
		{"(a{100}){100}", "", -E2BIG},
		{"]", "", -EINVAL},
		{"}", "", -EINVAL},
		{"^*", "", -EINVAL},
		{"\\", "", -EINVAL},
		{"\\a", "", -EINVAL},
		{"\\Z", "", -EINVAL},
		{"\\1", "", -EINVAL},
		{"(a)\\k<n>", "", -EINVAL},
		{"\\p{L}", "", -EINVAL},
		{"\\x4", "", -EINVAL},
		{"\\u{110000}", "", -EINVAL},
		{"\\u{}", "", -EINVAL},
		{"\\01", "", -EINVAL},
		{"(?=a)", "", -EINVAL},
		{"(?!a)", "", -EINVAL},
		{"(?<=a)", "", -EINVAL},
		{"(?<!a)", "", -EINVAL},
		{"(?i)a", "", -EINVAL},
		{"((((((((((((((((((((((((((a))))))))))))))))))))))))))", "", -E2BIG},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int rc = search(cases[i].pattern, cases[i].text, STEPS);

		if (rc != cases[i].want)
			fail_msg("/%s/ of \"%s\": %d, expected %d", cases[i].pattern, cases[i].text,
				 rc, cases[i].want);
	}
}

/* What takes a backtracking engine exponential time takes this one its length times its size. */
static void test_no_explosion(void **state)
{
	static const char *const patterns[] = {"^(a+)+$", "^(a|aa)+$", "^(a*)*b$", "^(.*a){12}$",
					       "(x+x+)+y"};
	char text[4001];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	text[sizeof(text) - 2] = '!';
	for (size_t i = 0; i < COUNT(patterns); i++)
		assert_int_equal(search(patterns[i], text, 4000 * 256), 0);
}

static void test_steps(void **state)
{
	(void)state;
	assert_int_equal(search("^(a|b|c)*$", "abcabcabc", 5), -E2BIG);
	assert_int_equal(search("^(a|b|c)*$", "abcabcabc", 500), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_no_explosion),
		cmocka_unit_test(test_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
