/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Personal data: what is found, exactly, and what only looks like it; that the end of a growing text
 * is held back far enough; what a secret without end does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "tests/unit/policy/pii_cases.h"
#include "user/policy/pii_scan.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEXT_MAX 2048

static void test_positive(void **state)
{
	(void)state;
	assert_true(COUNT(pii_positive) >= 300);
	for (size_t i = 0; i < COUNT(pii_positive); i++) {
		const struct pii_found *want = &pii_positive[i];
		char text[TEXT_MAX];
		size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s", want->before,
					      want->match, want->after);
		char *copy = sl_guard_copy(text, len);
		struct sl_pii_match match = {0};
		bool found = sl_pii_find(copy, len, 0, SL_PII_ALL, &match);

		if (!found || match.kind != want->kind || match.at != strlen(want->before) ||
		    match.len != strlen(want->match))
			fail_msg("\"%s\": found %d %s %zu+%zu", text, found,
				 sl_pii_name(match.kind), match.at, match.len);
		/* and nothing else behind it, nor of another kind */
		assert_false(sl_pii_find(copy, len, match.at + match.len, SL_PII_ALL, &match));
		assert_true(sl_pii_contains(copy, len));
		sl_guard_free(copy, len);
	}
}

static void test_negative(void **state)
{
	(void)state;
	assert_true(COUNT(pii_negative) >= 300);
	for (size_t i = 0; i < COUNT(pii_negative); i++) {
		size_t len = strlen(pii_negative[i]);
		char *copy = sl_guard_copy(pii_negative[i], len);
		struct sl_pii_match match;

		if (sl_pii_find(copy, len, 0, SL_PII_ALL, &match))
			fail_msg("\"%s\": found %s %zu+%zu", pii_negative[i],
				 sl_pii_name(match.kind), match.at, match.len);
		assert_false(sl_pii_contains(copy, len));
		sl_guard_free(copy, len);
	}
}

/* Where in a block of the search, and in a window, a match begins is all the same; so is what is before. */
static void test_positions(void **state)
{
	static const char prose[] =
		"The light might give 12 pages, risk-free; ask_me at 4.5 or \xc3\xa9. ";
	enum { PAD_MAX = 512 + 2 * 64 };

	(void)state;
	for (size_t i = 0; i < COUNT(pii_positive); i++) {
		const struct pii_found *want = &pii_positive[i];
		char text[PAD_MAX + TEXT_MAX];
		int len = snprintf(text + PAD_MAX, TEXT_MAX, "%s%s%s", want->before, want->match,
				   want->after);

		for (size_t at = PAD_MAX; at-- > 0;)
			text[at] = prose[at % (sizeof(prose) - 1)];
		/* a line end before it, whatever it begins with */
		text[PAD_MAX - 1] = '\n';
		for (size_t pad = 1 + i % 7; pad <= PAD_MAX; pad += 7) {
			struct sl_pii_match match = {0};
			bool found = sl_pii_find(text + PAD_MAX - pad, pad + (size_t)len, 0,
						 SL_PII_ALL, &match);

			if (!found || match.kind != want->kind ||
			    match.at != pad + strlen(want->before) ||
			    match.len != strlen(want->match))
				fail_msg("%zu bytes before \"%s\": found %d %s %zu+%zu", pad,
					 text + PAD_MAX, found, sl_pii_name(match.kind), match.at,
					 match.len);
		}
	}
}

/* Every way to look for marks sees the same ones, at each end of a text. */
static void test_scan(void **state)
{
	static const char *const starts[] = {
		"sk-", "sk_", "rk_", "AKI", "ASI", "AIz", "ghp",	  "gho",
		"ghu", "ghs", "ghr", "git", "glp", "xox", "xap",	  "npm",
		"hf_", "eyJ", "---", "7",   "77",  "7a7", "\x80\xb7\xf3", "ght",
	};
	char text[200];
	uint32_t seed = 7;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		size_t len = 0, from;
		uint64_t wide, narrow;
		char *copy;

		while (len < 190) {
			const char *part = starts[(seed >> 16) % COUNT(starts)];

			memcpy(text + len, part, strlen(part));
			len += strlen(part);
			seed = seed * 1103515245 + 12345;
			text[len++] = (char)(seed >> 20);
		}
		len = (size_t)(seed >> 8) % len;
		from = (size_t)(seed >> 16) % (len + 1);
		copy = sl_guard_copy(text, len);
		assert_int_equal(sl_pii_scan(copy, len, from, len, &wide),
				 sl_pii_scan_narrow(copy, len, from, len, &narrow));
		assert_int_equal(wide, narrow);
		sl_guard_free(copy, len);
	}
	for (size_t i = 0; i < 20; i++) {
		uint64_t marks;

		assert_int_equal(sl_pii_scan(starts[i], strlen(starts[i]), 0, 1, &marks), 0);
		assert_true(marks & 1);
	}
}

/* No match may reach from what is settled into what comes later, wherever the text is cut. */
static void test_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(pii_positive); i++) {
		const struct pii_found *want = &pii_positive[i];
		size_t at = strlen(want->before), end = at + strlen(want->match);
		char text[TEXT_MAX];
		size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s", want->before,
					      want->match, want->after);

		for (size_t cut = 0; cut <= len; cut++) {
			size_t settled = cut - sl_pii_hold(text, cut);
			struct sl_pii_match match;

			assert_true(sl_pii_hold(text, cut) <= SL_PII_HOLD_MAX);
			if (settled <= at || settled >= end)
				continue;
			/* but a secret that is open, and known as one already */
			if (sl_pii_find(text, cut, 0, SL_PII_ALL, &match) && match.at == at &&
			    match.kind == SL_PII_SECRET && (match.open || match.pem))
				continue;
			fail_msg("\"%s\" cut at %zu: settled up to %zu", text, cut, settled);
		}
	}
}

static void test_hold_lets_go(void **state)
{
	static const struct {
		const char *text;
		size_t hold;
	} cases[] = {
		{"", 0},
		{"Hello", 5},
		{"Hello ", 0},
		{"Hello world", 5},
		{"Hello world.\n", 0},
		{"number 4111 1111 ", 10},
		{"number 4111 1111 then ", 0},
		{"number 4111 1111 then", 4},
		{"caf\xc3\xa9", 0},
		{"\xe4\xbd\xa0\xe5\xa5\xbd", 0},
		{"he said: -----BEGIN RSA PRIV", 19},
		{"he said: -----BEGIN CERTIFICATE----- and", 3},
		{"two  spaces", 6},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		if (sl_pii_hold(cases[i].text, strlen(cases[i].text)) != cases[i].hold)
			fail_msg("\"%s\": %zu", cases[i].text,
				 sl_pii_hold(cases[i].text, strlen(cases[i].text)));
}

static void test_kinds(void **state)
{
	static const char text[] = "a@example.com and 4111111111111111";
	struct sl_pii_match match;

	(void)state;
	assert_true(sl_pii_find(text, sizeof(text) - 1, 0, 1u << SL_PII_CARD, &match));
	assert_int_equal(match.kind, SL_PII_CARD);
	assert_false(sl_pii_find(text, sizeof(text) - 1, 0, 1u << SL_PII_IBAN, &match));
	assert_false(sl_pii_find(text, sizeof(text) - 1, 0, 0, &match));
	for (int i = 1; i < SL_PII_COUNT; i++)
		assert_int_equal(sl_pii_find_name(sl_pii_name(i), strlen(sl_pii_name(i))), i);
	assert_int_equal(sl_pii_find_name("none", 4), SL_PII_NONE);
	assert_int_equal(sl_pii_find_name("cards", 5), SL_PII_NONE);
}

/* JSON in base64 is no token because it begins like one, however long it is. */
static void test_base64(void **state)
{
	char text[2000] = "eyJtZXNzYWdlcyI6";

	(void)state;
	memset(text + 16, 'a', sizeof(text) - 17);
	assert_false(sl_pii_contains(text, sizeof(text) - 1));
}

static void test_open(void **state)
{
	static const char key[] = "k sk-abcdefghijklmnopqrst1234";
	static const char pem[] = "k -----BEGIN PRIVATE KEY-----\nMIIE";
	struct sl_pii_match match;

	(void)state;
	assert_true(sl_pii_find(key, sizeof(key) - 1, 0, SL_PII_ALL, &match));
	assert_true(match.open && !match.pem);
	assert_int_equal(match.len, sizeof(key) - 3);
	assert_true(sl_pii_find(pem, sizeof(pem) - 1, 0, SL_PII_ALL, &match));
	assert_true(match.open && match.pem);
	assert_int_equal(match.len, sizeof(pem) - 3);
	assert_true(sl_pii_goes_on('a') && sl_pii_goes_on('-') && !sl_pii_goes_on(' '));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positive), cmocka_unit_test(test_negative),
		cmocka_unit_test(test_hold),	 cmocka_unit_test(test_hold_lets_go),
		cmocka_unit_test(test_kinds),	 cmocka_unit_test(test_open),
		cmocka_unit_test(test_base64),	 cmocka_unit_test(test_positions),
		cmocka_unit_test(test_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
