/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of patterns: what they match and where, which lines are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/wire/pattern.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sl_pattern_list *compile(const char *text)
{
	struct sl_pattern_list *list = NULL;
	struct sl_error error = {""};

	if (sl_pattern_compile(text, strlen(text), &list, &error))
		fail_msg("%s: %s", text, error.text);
	return list;
}

static void test_find(void **state)
{
	static const char text[] =
		"# names\n\nJohn Appleseed\r\n  Bl\xc3\xbcm & Co. \n/proj-[0-9]{2,4}/\n"
		"/kill|killer/\nC++\n"
		"\xd0\x91\xd0\xbe\xd0\xbc\xd0\xb1\xd0\xb0\n" /* Bomba, in Cyrillic */
		"\xe7\x82\xb8\xe5\xbc\xb9\n"		     /* bomb, in Chinese */
		"/^root:/\n/xa|a{1,3}b/\n";
	static const struct {
		const char *text;
		size_t from;
		int at; /* -1: none */
		size_t len;
	} cases[] = {
		{"", 0, -1, 0},
		{"nothing", 0, -1, 0},
		{"John Appleseed", 0, 0, 14},
		{"dear JOHN appleSEED, hello", 0, 5, 14},
		{"dear John Appleseeds", 0, -1, 0},
		{"aJohn Appleseed", 0, -1, 0},
		{"aJohn Appleseed", 1, -1, 0}, /* the byte before counts */
		{"at Bl\xc3\xbcm & Co. now", 0, 3, 11},
		{"at BL\xc3\x9cM & CO. now", 0, 3, 11},
		{"John Appleseed\xc3\xa9", 0, -1, 0},		      /* a letter is behind it */
		{"\xe2\x80\x9cJohn Appleseed\xe2\x80\x9d", 0, 3, 14}, /* quotation marks are none */
		{"\xe6\x88\x91 John Appleseed\xe6\x98\xaf", 0, 4, 14},
		{"\xd0\xb1\xd0\x9e\xd0\xbc\xd0\xb1\xd0\xb0!", 0, 0, 10},
		{"\xd0\xb1\xd0\xbe\xd0\xbc\xd0\xb1\xd0\xb0\xd1\x80", 0, -1, 0},
		{"\xd0\xb0\xd0\xb1\xd0\xbe\xd0\xbc\xd0\xb1\xd0\xb0", 0, -1, 0},
		{"\xe5\x81\x9a\xe7\x82\xb8\xe5\xbc\xb9\xe7\x9a\x84", 0, 3, 6},
		{"a root:x", 0, -1, 0}, /* of a line */
		{"a\nroot:x", 0, 2, 5},
		{"....root:x", 4, -1, 0},
		{"xaab", 0, 0, 2},
		{"xaab", 2, 2, 2},		/* though one begins before */
		{"see proj-1234 now", 0, 4, 9}, /* the longest */
		{"see PROJ-12345", 0, 4, 9},
		{"a killer", 0, 2, 6},
		{"in C++ and John Appleseed", 0, 3, 3},
		{"in C++ and John Appleseed", 4, 11, 14},
		{"# names", 0, -1, 0},
	};
	struct sl_pattern_list *list = compile(text), *held = sl_pattern_hold(list);

	(void)state;
	assert_int_equal(sl_pattern_hold_back(list), 14 + SL_PATTERN_CHAR_MAX);
	assert_int_equal(sl_pattern_count(list), 9);
	sl_pattern_free(&list);
	assert_null(list);
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t size = strlen(cases[i].text), at = 99, len = 99;
		char *copy = sl_guard_copy(cases[i].text, size);
		int rc = sl_pattern_find(held, copy, size, cases[i].from, &at, &len);

		if (rc != (cases[i].at >= 0) ||
		    (rc && ((int)at != cases[i].at || len != cases[i].len)))
			fail_msg("\"%s\": %d at %zu, %zu", cases[i].text, rc, at, len);
		sl_guard_free(copy, size);
	}
	sl_pattern_free(&held);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{"good\n/(/\n", "line 2: "},
		{"/a(?=b)/", "line 1: "},
		{"/(a)\\1/", "line 1: "},
		{"x\n\n# y\n/a.*b/", "line 4: may match more than 256 bytes"},
		{"/a*/", "line 1: matches nothing"},
		{"/a{1,300}/", "line 1: may match more than"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_pattern_list *list = NULL;
		struct sl_error error = {""};

		assert_int_equal(
			sl_pattern_compile(cases[i].text, strlen(cases[i].text), &list, &error),
			-EINVAL);
		assert_null(list);
		if (!strstr(error.text, cases[i].part))
			fail_msg("%s: %s", cases[i].text, error.text);
	}
}

static void test_empty(void **state)
{
	struct sl_pattern_list *list = compile("# nothing\n");
	size_t at, len;

	(void)state;
	assert_int_equal(sl_pattern_hold_back(list), 0);
	assert_int_equal(sl_pattern_count(list), 0);
	assert_int_equal(sl_pattern_find(list, "nothing", 7, 0, &at, &len), 0);
	sl_pattern_free(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
