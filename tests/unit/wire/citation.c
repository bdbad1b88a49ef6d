/* SPDX-License-Identifier: BSD-2-Clause */
/* Citations of an operator's own form: what cites, what only looks like it, and expressions that are refused. */
#include "user/wire/citation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct sl_citation_chunk given[] = {
	{1, "leave.md-1", "leave.md"},
	{2, "17", "rooms (new).jsonl"},
	{12, "", ""},
};

#define DOC  "\\[doc:(?<chunk>[a-z0-9. ()-]+)\\]"
#define OPEN "doc (?<chunk>[0-9]+)"
#define PAGE "\\(page [0-9]+\\)"

static const struct {
	const char *what, *pattern, *text;
	bool none_given;
	int wanted;
} cases[] = {
	{"by id", DOC, "Thirty days [doc:leave.md-1].", false, 1},
	{"by document", DOC, "Thirty days [doc:leave.md].", false, 1},
	{"by number", DOC, "Thirty days [doc:2].", false, 1},
	{"marks in a name are no syntax", DOC, "[doc:rooms (new).jsonl]", false, 1},
	{"a dot in a name is a dot", DOC, "[doc:leavexmd]", false, 0},
	{"one that was not given", DOC, "[doc:other.md]", false, 0},
	{"a number that was not", DOC, "[doc:3]", false, 0},
	{"part of a number", DOC, "[doc:1]2 [doc:121]", false, 1},
	{"a longer number alone", DOC, "[doc:121]", false, 0},
	{"one wrong, one right", DOC, "[doc:other.md] and [doc:17]", false, 1},
	{"another form", DOC, "Thirty days [1].", false, 0},
	{"nothing", DOC, "", false, 0},
	{"none given: any will do", DOC, "[doc:other.md]", true, 1},
	{"none given: but one must be", DOC, "other.md", true, 0},
	{"no group: the form alone", PAGE, "As written (page 4).", false, 1},
	{"no group: another form", PAGE, "As written on page 4.", false, 0},
	{"a group that takes numbers takes no ids", "\\[(?<chunk>[0-9]+)\\]", "[leave.md-1]", false,
	 0},
	{"alternatives within", "\\[(?<chunk>[0-9]+|none)\\]", "[1]", false, 1},
	{"alternatives beside", "(?:see|cf) (?<chunk>[0-9]+)\\b", "cf 12", false, 1},
	{"a group in the group", "<(?<chunk>(?:[a-z.]+-)?[0-9]+)>", "<leave.md-1>", false, 1},
	{"an open end: another number", OPEN, "see doc 14", false, 0},
	{"an open end: the number of one, and more", OPEN, "see doc 120", false, 0},
	{"an open end: a letter behind", OPEN, "see doc 1b", false, 0},
	{"an open end: the text's end", OPEN, "see doc 1", false, 1},
	{"an open end: a longer number that was given", OPEN, "see doc 12", false, 1},
	{"an open end: a dot behind", OPEN, "see doc 1.", false, 1},
	{"an open end: of type", OPEN, "_see doc 1_", false, 1},
	{"an open end: one wrong, one right", OPEN, "doc 14, doc 2", false, 1},
	{"an open end: in a group", "(?:see|cf) (?:doc (?<chunk>[0-9]+))", "cf doc 14", false, 0},
	{"an open end: in a group that may be missing", "see(?: doc (?<chunk>[0-9]+))?!",
	 "see doc 14!", false, 0},
	{"an open end: perhaps a bracket", "doc (?<chunk>[0-9]+)\\)?", "doc 14)", false, 0},
	{"an open end: perhaps a bracket, right", "doc (?<chunk>[0-9]+)\\)?", "doc 1)", false, 1},
	{"an open end: anything", "\\[(?<chunk>[0-9]+)[^\\]]*\\]", "[14]", false, 0},
	{"an open end: anything, right", "\\[(?<chunk>[0-9]+)[^\\]]*\\]", "[1, p. 4]", false, 1},
	{"an open end: the line's", "doc (?<chunk>[0-9]+)$", "doc 1 and more", false, 0},
	{"an open end: a name of signs", "doc (?<chunk>[a-z (.)]+)", "doc rooms (new).jsonl!",
	 false, 1},
	{"an end of letters", "the (?<chunk>[0-9]+)st one", "the 1st one", false, 1},
	{"not the group: escaped", "\\(\\?<chunk>", "(?<chunk>", false, 1},
	{"not the group: in a class", "[(?<chunk>]x", "(x", false, 1},
};

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t count = cases[i].none_given ? 0 : sizeof(given) / sizeof(given[0]);
		int found = sl_citation_find(cases[i].pattern, sl_span_string(cases[i].text), given,
					     count);

		if (found != cases[i].wanted)
			fail_msg("%s: %d", cases[i].what, found);
		assert_int_equal(sl_citation_check(cases[i].pattern, NULL), 0);
	}
}

static const struct {
	const char *pattern, *said;
} refused[] = {
	{"\\[doc:(?<chunk>[a-z]+", "has no end"},
	{"(?<chunk>a)(?<chunk>b)", "two groups"},
	{"(?<chunk>a(?<chunk>b))", "two groups"},
	{"[a-", NULL},
	{"(?=x)y", "look-around"},
	{"[0-9]*", "matches where nothing is"},
	{"", "matches where nothing is"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct sl_error error = {""};

		assert_int_equal(sl_citation_check(refused[i].pattern, &error), -EINVAL);
		if (refused[i].said != NULL && strstr(error.text, refused[i].said) == NULL)
			fail_msg("%s: %s", refused[i].pattern, error.text);
		assert_true(error.text[0] != '\0');
	}
	assert_true(sl_citation_names_chunk(DOC));
	assert_false(sl_citation_names_chunk(PAGE));
}

/* A search without bound would hold its thread: it ends, and nothing counts as found. */
static void test_bounded(void **state)
{
	const size_t len = 4u << 20;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	assert_int_equal(sl_citation_find("(?:a|aa)+(?:a|aa)+b", sl_span_make(text, len), NULL, 0),
			 -E2BIG);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
