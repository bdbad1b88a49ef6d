/* SPDX-License-Identifier: BSD-2-Clause */
/* Refusals, citations, blanks; and texts that only look like them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/policy/reply.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef bool check_fn(const char *text, size_t len);

static void run(check_fn *check, const char *text, bool want)
{
	size_t len = strlen(text);
	char *copy = sl_guard_copy(text, len);

	if (check(copy, len) != want)
		fail_msg("%s: %s", want ? "missed" : "found", text);
	sl_guard_free(copy, len);
}

static void test_refusal(void **state)
{
	static const char *const yes[] = {
		"I'm sorry, but I can't assist with that request.",
		"I\xe2\x80\x99m sorry, but I can\xe2\x80\x99t help with that.",
		"Sorry, I am unable to help with this. I'm not able to assist with that.",
		"As an AI, I cannot comply with this request.",
		"Es tut mir leid, aber ich kann dabei nicht helfen.",
		"D\xc3\xa9sol\xc3\xa9, je ne peux pas vous aider avec cela.",
		"Lo siento, pero no puedo ayudarte con eso.",
		"Mi dispiace, non posso aiutarti con questo.",
		"Desculpe, mas n\xc3\xa3o posso ajudar com isso.",
	};
	static const char *const no[] = {
		"",
		"I'm sorry that your parcel is late. It will come on Monday.",
		"I cannot find the order number in the document.",
		"You can't provide more than ten files in one request.",
		"The server cannot be reached, so the call fails.",
		"Sorry for the confusion! Here is the corrected table.",
		"Das kann ich gern erkl\xc3\xa4ren.",
		"No puedo ver la imagen, pero el texto dice 42.",
	};
	char text[1300];

	(void)state;
	for (size_t i = 0; i < COUNT(yes); i++)
		run(sl_reply_is_refusal, yes[i], true);
	for (size_t i = 0; i < COUNT(no); i++)
		run(sl_reply_is_refusal, no[i], false);
	/* one that goes on at length has said something */
	memset(text, 'a', sizeof(text));
	memcpy(text, yes[0], strlen(yes[0]));
	text[sizeof(text) - 1] = '\0';
	run(sl_reply_is_refusal, text, false);
}

static void test_citations(void **state)
{
	static const struct {
		const char *text;
		bool number, link;
	} cases[] = {
		{"", false, false},
		{"It opens at nine [1].", true, false},
		{"It opens at nine [1, 12].", true, false},
		{"It opens at nine [2;3]", true, false},
		{"[1", false, false},
		{"[]", false, false},
		{"[1,]", false, false},
		{"[note] and [12345]", false, false},
		{"[x] then [7]", true, false},
		{"see https://example.com/a", false, true},
		{"see HTTP://[::1]/a", false, true},
		{"see ftp://example.com", false, false},
		{"see http:// and https://", false, false},
		{"://", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		run(sl_reply_has_number, cases[i].text, cases[i].number);
		run(sl_reply_has_link, cases[i].text, cases[i].link);
	}
}

static void test_blank(void **state)
{
	(void)state;
	run(sl_reply_is_blank, "", true);
	run(sl_reply_is_blank, " \n\t\r ", true);
	run(sl_reply_is_blank, " . ", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_citations),
		cmocka_unit_test(test_blank),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
