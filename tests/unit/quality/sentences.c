/* SPDX-License-Identifier: BSD-2-Clause */
/* Texts taken apart: '|' between the sentences that are expected, each with the letter of its kind. */
#include "user/quality/sentences.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/unit/guard.h"

static const struct {
	const char *text, *expected;
} cases[] = {
	{"", ""},
	{" \n\n ", ""},
	{"One. Two.", "pOne.|pTwo."},
	{"Is it? Yes! So be it", "qIs it?|pYes!|pSo be it"},
	{"It costs 3.5 million. Version 2.1.4 is out.",
	 "pIt costs 3.5 million.|pVersion 2.1.4 is out."},
	{"Dr. Osei met J. K. Smith at 3 p.m. in Bern. They left.",
	 "pDr. Osei met J. K. Smith at 3 p.m. in Bern.|pThey left."},
	{"Use fruit, e.g. apples, i.e. not nuts. Or vs. Them.",
	 "pUse fruit, e.g. apples, i.e. not nuts.|pOr vs. Them."},
	{"Enter by gate B. Smoking is forbidden. J. Smith agrees.",
	 "pEnter by gate B.|pSmoking is forbidden.|pJ. Smith agrees."},
	{"It takes approx. five days. See no. 7.", "pIt takes approx. five days.|pSee no. 7."},
	{"He said \"Stop.\" Then he left.", "pHe said \"Stop.\"|pThen he left."},
	{"A year. [1] Two years [2, 3]. Three.[4]", "pA year. [1]|pTwo years [2, 3].|pThree.[4]"},
	{"No photographs; phones in the lobby only.",
	 "pNo photographs;|pphones in the lobby only."},
	{"Steps:\n1. Open it.\n2. Close it\n- first\n* second\n\nDone.",
	 "lSteps:|pOpen it.|pClose it|pfirst|psecond|pDone."},
	{"# Title\nA line that\ngoes on. Next", "pTitle\nA line that\ngoes on.|pNext"},
	{"# Title\n\nText.", "pTitle|pText."},
	{"Run:\n```sh\nrm a. b. c.\n```\nThen wait.", "lRun:|c```sh\nrm a. b. c.\n```|pThen wait."},
	{"```\nnever closed. Really", "c```\nnever closed. Really"},
	{"Call `a. B. c` twice. Then `open", "pCall `a. B. c` twice.|pThen `open"},
	{"...", "m..."},
	{"[1] [2]", "p[1] [2]"},
	{"| a | b |\n| c. | d |", "pa | b ||pc.|pd |"},
	{"\xe4\xb8\x80\xe3\x80\x82\xe4\xba\x8c\xef\xbc\x9f\xe4\xb8\x89",
	 "p\xe4\xb8\x80\xe3\x80\x82|q\xe4\xba\x8c\xef\xbc\x9f|p\xe4\xb8\x89"},
	{"\xe0\xa4\x95\xe0\xa5\xa4\xe0\xa4\x96", "p\xe0\xa4\x95\xe0\xa5\xa4|p\xe0\xa4\x96"},
	{"The 1. FC won. At 2. place.", "pThe 1.|pFC won.|pAt 2. place."},
	{"10.5 km, 12. Then 3) third", "p10.5 km, 12.|pThen 3) third"},
};

static void take_apart(struct sl_span text, char *out, size_t size)
{
	struct sl_span sentence;
	enum sl_sentence_kind kind;
	struct sl_text written;

	sl_text_init_fixed(&written, out, size);
	while (sl_sentences_next(&text, &sentence, &kind)) {
		if (written.len)
			sl_text_append_char(&written, '|');
		sl_text_append_char(&written, "pqlcm"[kind]);
		sl_text_append_span(&written, sentence);
	}
}

static void test_cases(void **state)
{
	char out[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);
		char *text = sl_guard_copy(cases[i].text, len);

		take_apart(sl_span_make(text, len), out, sizeof(out));
		assert_string_equal(out, cases[i].expected);
		sl_guard_free(text, len);
	}
}

/* Whatever is written, all of it is looked at, in pieces that are not too long, and none is empty. */
static void test_anything(void **state)
{
	static const char signs[] = "aB1 .\n!?;:`[]-#|*\xe3\x80\x82\xd8\x9f";
	unsigned seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t len = round % 50 ? seed % 80 : 2000;
		char *text = sl_guard_alloc(len);
		struct sl_span rest = {text, len}, sentence;
		enum sl_sentence_kind kind;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525u + 1013904223u;
			text[i] = round % 100 ? signs[(seed >> 8) % (sizeof(signs) - 1)] : 'x';
		}
		while (sl_sentences_next(&rest, &sentence, &kind)) {
			assert_true(sentence.len > 0);
			assert_true(kind == SL_SENTENCE_CODE ||
				    sentence.len <= SL_SENTENCE_BYTES_MAX + 64);
			assert_true(sentence.data + sentence.len <= text + len);
		}
		sl_guard_free(text, len);
	}
	/* A text without an end is cut. */
	char long_text[2000];
	struct sl_span rest = {long_text, sizeof(long_text)}, sentence;
	enum sl_sentence_kind kind;
	size_t seen = 0;

	memset(long_text, 'y', sizeof(long_text));
	while (sl_sentences_next(&rest, &sentence, &kind)) {
		assert_true(sentence.len <= SL_SENTENCE_BYTES_MAX);
		seen += sentence.len;
	}
	assert_int_equal(seen, sizeof(long_text));
}

/* A row of ends does not make each of them look through all that are behind it. */
static void test_row(void **state)
{
	static char text[64 * 1024];
	struct sl_span rest = {text, sizeof(text)}, sentence;
	enum sl_sentence_kind kind;
	size_t seen = 0;

	(void)state;
	memset(text, '.', sizeof(text));
	memcpy(text, "Yes", 3);
	text[sizeof(text) - 1] = 'x';
	while (sl_sentences_next(&rest, &sentence, &kind)) {
		assert_true(sentence.len <= SL_SENTENCE_BYTES_MAX + 65);
		seen += sentence.len;
	}
	assert_int_equal(seen, sizeof(text));
	/* Few of them close their sentence as ever; all of a text's end that is short. */
	rest = SL_SPAN("Yes?!..).\" Then no.......");
	assert_true(sl_sentences_next(&rest, &sentence, &kind));
	assert_true(sl_span_equal(sentence, SL_SPAN("Yes?!..).\"")));
	assert_true(sl_sentences_next(&rest, &sentence, &kind));
	assert_false(sl_sentences_next(&rest, &sentence, &kind));
	rest = sl_span_make(text,
			    sizeof(text) - 1); /* they are the text's end: no sentence is so long */
	assert_true(sl_sentences_next(&rest, &sentence, &kind));
	assert_true(sentence.len <= SL_SENTENCE_BYTES_MAX + 65);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_anything),
		cmocka_unit_test(test_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
