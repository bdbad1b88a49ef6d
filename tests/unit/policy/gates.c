/* SPDX-License-Identifier: BSD-2-Clause */
/* What each gate of the semantic cache refuses, and what passes all of them; both ways round. */
#include "user/policy/gates.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "user/policy/gates_lexicon.h"

static struct sl_gates_lexicon *lexicon;

static const struct {
	const char *asked, *kept;
	enum sl_gate gate;
} cases[] = {
	{"How do I reset my password?", "how can I reset the password", SL_GATE_PASSED},
	{"What's France's capital city?", "What is the capital city of France?", SL_GATE_PASSED},
	{"What\xe2\x80\x99s the capital of France", "what is the capital of france",
	 SL_GATE_PASSED},
	{"How do I turn on dark mode?", "How can I enable dark mode", SL_GATE_PASSED},
	{"Who is the author of Emma?", "Who wrote Emma?", SL_GATE_PASSED},
	{"fees over 50,000", "fees over 50000", SL_GATE_PASSED},
	{"boil eggs for 6 minutes", "boil eggs for six minutes", SL_GATE_PASSED},
	{"a laptop under $1000", "a laptop under 1000 dollars", SL_GATE_PASSED},
	{"100MB of space", "100 megabytes of space", SL_GATE_PASSED},
	{"What is 15% of 200?", "what is 15 percent of 200", SL_GATE_PASSED},
	{"", "x", SL_GATE_LENGTH},
	{"?!", "?!", SL_GATE_LENGTH},
	{"status 404", "status 403", SL_GATE_NUMBERS},
	{"status 404", "status", SL_GATE_NUMBERS},
	{"15 of 200", "200 of 15", SL_GATE_NUMBERS},
	{"version 3.5", "version 3.6", SL_GATE_NUMBERS},
	{"merge two branches", "merge three branches", SL_GATE_NUMBERS},
	{"10 miles in kilometers", "10 miles in meters", SL_GATE_UNITS},
	{"10 miles in kilometers", "10 kilometers in miles", SL_GATE_UNITS},
	{"100 MB files", "100 KB files", SL_GATE_UNITS},
	{"30 days", "30 months", SL_GATE_UNITS},
	{"Do cats like milk?", "Do cats not like milk?", SL_GATE_NEGATION},
	{"I can log in", "I can't log in", SL_GATE_NEGATION},
	{"I can log in", "I cannot log in", SL_GATE_NEGATION},
	{"pancakes with eggs", "pancakes without eggs", SL_GATE_NEGATION},
	{"enable it", "disable it", SL_GATE_POLARITY},
	{"turn on dark mode", "turn off dark mode", SL_GATE_POLARITY},
	{"sort ascending", "sort descending", SL_GATE_POLARITY},
	{"refund before Friday", "refund after Friday", SL_GATE_POLARITY},
	{"the best phone", "the worst phone", SL_GATE_POLARITY},
	{"import contacts", "export contacts", SL_GATE_POLARITY},
	{"shipping to Germany", "shipping from Germany", SL_GATE_DIRECTION},
	{"train from London to Paris", "train from Paris to London", SL_GATE_DIRECTION},
	{"convert Celsius degrees to Kelvin", "convert Kelvin to Celsius degrees",
	 SL_GATE_DIRECTION},
	{"euro to yen", "yen to euro", SL_GATE_DIRECTION},
	{"the capital of Spain", "the capital of France", SL_GATE_ENTITIES},
	{"install TLS", "install SSH", SL_GATE_ENTITIES},
	{"ask gpt4", "ask gpt3", SL_GATE_ENTITIES},
	{"the capital of spain", "the capital of france", SL_GATE_CONTENT},
	{"add a user to a group", "add a group", SL_GATE_CONTENT},
	{"is it cheaper", "is it heavier", SL_GATE_CONTENT},
	{"the bank of Austria", "the bank of Australia", SL_GATE_ENTITIES},
	{"wie sp\xc3\xa4t ist es nicht", "wie sp\xc3\xa4t ist es", SL_GATE_CONTENT},
	{"\xe4\xbd\xa0\xe5\xa5\xbd", "\xe4\xbd\xa0\xe4\xbb\xac", SL_GATE_CONTENT},
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_span a = sl_span_string(cases[i].asked);
		struct sl_span b = sl_span_string(cases[i].kept);

		if (sl_gates_check(lexicon, a, b) != cases[i].gate ||
		    sl_gates_check(lexicon, b, a) != cases[i].gate)
			fail_msg("\"%s\" and \"%s\": %s and %s, expected %s", cases[i].asked,
				 cases[i].kept, sl_gate_name(sl_gates_check(lexicon, a, b)),
				 sl_gate_name(sl_gates_check(lexicon, b, a)),
				 sl_gate_name(cases[i].gate));
		if (a.len && strcmp(cases[i].asked, "?!") != 0)
			assert_int_equal(sl_gates_check(lexicon, a, a), SL_GATE_PASSED);
	}
}

/* Long words, many words, and every byte that a text may have. */
static void test_bounds(void **state)
{
	char text[4096];
	unsigned seed = 1;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(sl_gates_check(lexicon, sl_span_make(text, SL_GATES_WORD_MAX),
					sl_span_make(text, SL_GATES_WORD_MAX)),
			 SL_GATE_PASSED);
	assert_int_equal(sl_gates_check(lexicon, sl_span_make(text, SL_GATES_WORD_MAX + 1),
					sl_span_make(text, 1)),
			 SL_GATE_LENGTH);
	assert_int_equal(
		sl_gates_check(lexicon, sl_span_make(text, 1), sl_span_make(text, sizeof(text))),
		SL_GATE_LENGTH);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? ' ' : 'x';
	assert_int_equal(sl_gates_check(lexicon, sl_span_make(text, 2 * SL_GATES_WORDS_MAX),
					sl_span_make(text, 2 * SL_GATES_WORDS_MAX)),
			 SL_GATE_PASSED);
	assert_int_equal(sl_gates_check(lexicon, sl_span_make(text, 2 * SL_GATES_WORDS_MAX + 2),
					sl_span_make(text, 2)),
			 SL_GATE_LENGTH);
	for (int round = 0; round < 2000; round++) {
		size_t len = 1 + seed % 90;
		char *exact = malloc(2 * len); /* so that a byte too far is seen */

		for (size_t i = 0; i < 2 * len; i++) {
			seed = seed * 1664525u + 1013904223u;
			exact[i] = seed >> 30 ? "aT5'.% -n,\xe2\x80\x99"[(seed >> 8) % 13]
					      : (char)(seed >> 16);
		}
		assert_in_range(sl_gates_check(lexicon, sl_span_make(exact, len),
					       sl_span_make(exact + len, len)),
				0, SL_GATES - 1);
		free(exact);
	}
}

static const struct sl_gates_known *known(const char *text)
{
	return sl_gates_lexicon_find(lexicon, text, strlen(text));
}

/* A word of several lists has what each says, and one of none has nothing. */
static void test_lexicon(void **state)
{
	(void)state;
	assert_string_equal(sl_gates_lexicon_text(lexicon, known("second")->number), "2");
	assert_string_equal(sl_gates_lexicon_text(lexicon, known("second")->unit), "second");
	assert_string_equal(sl_gates_lexicon_text(lexicon, known("movi")->synonym), "film");
	assert_true(known("without")->negation && !known("without")->filler);
	assert_true(known("please")->filler && !known("please")->negation);
	assert_true(known("turn")->phrase);
	assert_true(known("before")->one && known("before")->one == known("after")->other);
	assert_false(known("before")->other || known("after")->one);
	for (const char *const *word = (const char *const[]){"zebra", "", "befor", NULL}; *word;
	     word++) {
		const struct sl_gates_known *of = known(*word);

		assert_false(of->one || of->other || of->number || of->unit || of->synonym ||
			     of->negation || of->filler || of->phrase);
	}
}

static int set_up(void **state)
{
	(void)state;
	return sl_gates_lexicon_open(&lexicon);
}

static int tear_down(void **state)
{
	(void)state;
	sl_gates_lexicon_close(&lexicon);
	return lexicon ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_lexicon),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
