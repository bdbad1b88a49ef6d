/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts in pieces: each of the strings of policy/pii_cases.h whole, cut at every byte, and byte by byte
 * gives the same; long secrets, blocks, masks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/policy/pii_cases.h"
#include "user/stage/validate_screen.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX 4096

static struct sl_screen screen;
static struct sl_text out;

/* The text in two pieces, or a byte at a time with cut SIZE_MAX. */
static int run(const char *text, size_t len, size_t cut)
{
	int rc = 0;

	sl_text_reset(&out);
	if (cut == SIZE_MAX) {
		for (size_t i = 0; i < len && !rc; i++)
			rc = sl_screen_feed(&screen, text + i, 1, false, &out);
	} else {
		rc = sl_screen_feed(&screen, text, cut, false, &out);
		if (!rc)
			rc = sl_screen_feed(&screen, text + cut, len - cut, false, &out);
	}
	return rc ? rc : sl_screen_feed(&screen, NULL, 0, true, &out);
}

static void begin(enum sl_screen_action action)
{
	sl_screen_fini(&screen);
	sl_screen_init(&screen, SL_PII_ALL, action);
}

static void test_positive(void **state)
{
	(void)state;
	begin(SL_SCREEN_REDACT);
	for (size_t i = 0; i < COUNT(pii_positive); i++) {
		const struct pii_found *want = &pii_positive[i];
		char text[TEXT_MAX], wanted[TEXT_MAX];
		size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s", want->before,
					      want->match, want->after);

		snprintf(wanted, sizeof(wanted), "%s[%s]%s", want->before, sl_pii_name(want->kind),
			 want->after);
		for (size_t cut = 0; cut <= len + 1; cut++) {
			assert_int_equal(run(text, len, cut > len ? SIZE_MAX : cut), 0);
			if (strcmp(sl_text_string(&out), wanted) != 0)
				fail_msg("\"%s\" cut at %zu: \"%s\"", text, cut,
					 sl_text_string(&out));
		}
	}
	assert_int_equal(screen.found, SL_PII_ALL);
}

static void test_negative(void **state)
{
	(void)state;
	begin(SL_SCREEN_REDACT);
	for (size_t i = 0; i < COUNT(pii_negative); i++) {
		size_t len = strlen(pii_negative[i]);

		for (size_t cut = 0; cut <= len + 1; cut++) {
			assert_int_equal(run(pii_negative[i], len, cut > len ? SIZE_MAX : cut), 0);
			if (strcmp(sl_text_string(&out), pii_negative[i]) != 0)
				fail_msg("\"%s\" cut at %zu: \"%s\"", pii_negative[i], cut,
					 sl_text_string(&out));
		}
	}
	assert_int_equal(screen.count, 0);
}

/* Secrets of any length, in a long text, in pieces of any size. */
static void test_long(void **state)
{
	static const char wanted[] = "before [secret] middle [secret]\nthen [email], end";
	char text[3 * TEXT_MAX];
	size_t len = (size_t)sprintf(text, "before sk-a1");

	(void)state;
	begin(SL_SCREEN_REDACT);
	memset(text + len, 'k', 2000);
	len += 2000;
	len += (size_t)sprintf(text + len, " middle -----BEGIN RSA PRIVATE KEY-----\n");
	for (int i = 0; i < 40; i++)
		len += (size_t)sprintf(text + len,
				       "MIIEpAIBAAKCAQEA1234567890abcdefghijklmnopqrstu\n");
	len += (size_t)sprintf(text + len,
			       "-----END RSA PRIVATE KEY-----\nthen a@example.org, end");
	for (size_t piece = 1; piece < 700; piece += piece < 20 ? 1 : 37) {
		sl_text_reset(&out);
		for (size_t at = 0; at < len; at += piece)
			assert_int_equal(sl_screen_feed(&screen, text + at,
							at + piece < len ? piece : len - at, false,
							&out),
					 0);
		assert_int_equal(sl_screen_feed(&screen, NULL, 0, true, &out), 0);
		assert_string_equal(sl_text_string(&out), wanted);
	}
	assert_false(sl_screen_holds(&screen));
}

static void test_block(void **state)
{
	static const char text[] = "my card is 4111 1111 1111 1111, really";

	(void)state;
	begin(SL_SCREEN_BLOCK);
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		begin(SL_SCREEN_BLOCK);
		assert_int_equal(run(text, sizeof(text) - 1, cut == sizeof(text) ? SIZE_MAX : cut),
				 -EPERM);
		assert_string_equal(sl_text_string(&out), "my card is ");
		assert_int_equal(screen.found, 1u << SL_PII_CARD);
	}
}

static void test_mask(void **state)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{"to jane@example.com now", "to j***@example.com now"},
		{"pay 4111 1111 1111 1111 now", "pay **** **** **** 1111 now"},
		{"call +1 415 555 2671 now", "call +* *** *** 2671 now"},
		{"key AKIAIOSFODNN7EXAMPLE now", "key AKI*** now"},
		{"ssn 536-22-1234 now", "ssn ***-**-1234 now"},
	};

	(void)state;
	begin(SL_SCREEN_MASK);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(run(cases[i].text, strlen(cases[i].text), SIZE_MAX), 0);
		assert_string_equal(sl_text_string(&out), cases[i].wanted);
	}
}

/* What is held back is bounded, and prose is held back by a word. */
static void test_hold(void **state)
{
	char text[TEXT_MAX];

	(void)state;
	begin(SL_SCREEN_REDACT);
	sl_text_reset(&out);
	assert_int_equal(sl_screen_feed(&screen, "Hello wor", 9, false, &out), 0);
	assert_string_equal(sl_text_string(&out), "Hello ");
	assert_int_equal(sl_screen_feed(&screen, "ld. ", 4, false, &out), 0);
	assert_string_equal(sl_text_string(&out), "Hello world. ");
	memset(text, 'a', sizeof(text));
	assert_int_equal(sl_screen_feed(&screen, text, sizeof(text), false, &out), 0);
	assert_int_equal(out.len, 13 + sizeof(text) - SL_PII_HOLD_MAX);
}

/* A list's matches go wherever the text is cut, beside personal data. */
static void test_lists(void **state)
{
	static const char text[] = "so John Appleseed\xe2\x80\x94 met j@example.com, a bombardier, "
				   "no bomb \xe4\xbd\xa0";
	static const char wanted[] =
		"so [removed]\xe2\x80\x94 met [email], a bombardier, no [removed] \xe4\xbd\xa0";
	struct sl_pattern_list *list = NULL;
	uint64_t matches = 0, *counter = &matches;

	(void)state;
	assert_int_equal(sl_pattern_compile("John Appleseed\nbomb\n", 20, &list, NULL), 0);
	begin(SL_SCREEN_REDACT);
	screen.lists = &list;
	screen.list_count = 1;
	screen.list_matches = &counter;
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		assert_int_equal(run(text, sizeof(text) - 1,
				     cut == sizeof(text)      ? SIZE_MAX
				     : cut < sizeof(text) - 1 ? cut
							      : sizeof(text) - 1),
				 0);
		if (strcmp(sl_text_string(&out), wanted) != 0)
			fail_msg("cut at %zu: \"%s\"", cut, sl_text_string(&out));
	}
	assert_true(screen.found & SL_SCREEN_LISTED);
	assert_int_equal(matches, 2 * (sizeof(text) + 1));
	screen.lists_block = true;
	assert_int_equal(run(text, sizeof(text) - 1, SIZE_MAX), -EPERM);
	assert_string_equal(sl_text_string(&out), "so ");
	begin(SL_SCREEN_REDACT);
	sl_pattern_free(&list);
}

/* Many matches of one, none of the other: each is searched for once. */
static void test_many(void **state)
{
	enum { WORDS = 40000 };
	struct sl_pattern_list *lists[2] = {NULL, NULL};
	char *text = malloc(5 * WORDS);

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < WORDS; i++)
		memcpy(text + 5 * i, "bomb ", 5);
	assert_int_equal(sl_pattern_compile("bomb", 4, &lists[0], NULL), 0);
	assert_int_equal(sl_pattern_compile("none", 4, &lists[1], NULL), 0);
	begin(SL_SCREEN_REDACT);
	screen.lists = lists;
	screen.list_count = 2;
	assert_int_equal(run(text, 5 * WORDS, 0), 0);
	assert_int_equal(screen.count, WORDS);
	assert_int_equal(out.len, 10 * WORDS);
	begin(SL_SCREEN_REDACT);
	sl_pattern_free(&lists[0]);
	sl_pattern_free(&lists[1]);
	free(text);
}

static int set_up(void **state)
{
	(void)state;
	sl_text_init(&out, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sl_text_fini(&out);
	sl_screen_fini(&screen);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positive), cmocka_unit_test(test_negative),
		cmocka_unit_test(test_long),	 cmocka_unit_test(test_block),
		cmocka_unit_test(test_mask),	 cmocka_unit_test(test_hold),
		cmocka_unit_test(test_lists),	 cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
