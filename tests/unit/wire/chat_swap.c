/* SPDX-License-Identifier: BSD-2-Clause */
/* A request as it would be with another prompt: what is replaced, what stays, what cannot be told. */
#include "user/wire/chat_swap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#define S(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define U(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define A(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"

static const struct {
	const char *what, *body;
	const char *from, *from_members, *to, *to_members;
	int rc;
	const char *out;
} cases[] = {
	{"one system message for another",
	 "{\"model\":\"m\",\"messages\":[" S("old") "," U("q") "]}", "[" S("old") "]", "{}",
	 "[" S("new") "]", "{}", 0, "{\"model\":\"m\",\"messages\":[" S("new") "," U("q") "]}"},
	{"it is no stream any more",
	 " {\"stream\":true,\"messages\":[" S(
		 "old") "],\"stream_options\":{\"include_usage\":true},"
			"\"seed\":1}",
	 "[" S("old") "]", "{}", "[" S("new") "]", "{}", 0,
	 "{\"messages\":[" S("new") "],\"seed\":1}"},
	{"documents stay between",
	 "{\"messages\":[" S("old") "," S("docs") "," U("shot") "," A("shot") "," U("q") "]}",
	 "[" S("old") "," U("shot") "," A("shot") "]", "{}", "[" S("new") "," U("other") "]", "{}",
	 0, "{\"messages\":[" S("new") "," S("docs") "," U("other") "," U("q") "]}"},
	{"a client's own message of the same words stays", "{\"messages\":[" U("q") "," U("q") "]}",
	 "[" U("q") "]", "{}", "[" S("new") "]", "{}", 0,
	 "{\"messages\":[" S("new") "," U("q") "]}"},
	{"a prompt without messages", "{\"messages\":[" U("q") "]}", "[]", "{}",
	 "[" S("new") "," U("shot") "]", "{}", 0,
	 "{\"messages\":[" S("new") "," U("shot") "," U("q") "]}"},
	{"parameters of the one go, of the other come",
	 "{\"temperature\":0,\"top_p\":1,\"messages\":[" S("old") "]}", "[" S("old") "]",
	 "{\"temperature\":0}", "[" S("new") "]", "{\"max_tokens\":7}", 0,
	 "{\"top_p\":1,\"messages\":[" S("new") "],\"max_tokens\":7}"},
	{"a parameter that both have", "{\"temperature\":0,\"messages\":[" S("old") "]}",
	 "[" S("old") "]", "{\"temperature\":0}", "[" S("new") "]", "{\"temperature\":1}", 0,
	 "{\"messages\":[" S("new") "],\"temperature\":1}"},
	{"its message was cut away", "{\"messages\":[" U("q") "]}", "[" S("old") "]", "{}",
	 "[" S("new") "]", "{}", -ENOENT, NULL},
	{"its messages have changed order", "{\"messages\":[" U("b") "," S("a") "]}",
	 "[" S("a") "," U("b") "]", "{}", "[" S("new") "]", "{}", -ENOENT, NULL},
	{"no messages", "{\"prompt\":\"x\"}", "[]", "{}", "[" S("new") "]", "{}", -ENOENT, NULL},
	{"no array", "{\"messages\":[" U("q") "]}", "[", "{}", "[]", "{}", -EINVAL, NULL},
	{"no object", "{\"messages\":[" U("q") "]}", "[]", "{}", "[]", "[]", -EINVAL, NULL},
	{"nothing at all", "{\"messages\":[" U("q") "]}", "", "{}", "[]", "{}", -EINVAL, NULL},
};

static void test_swap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_openai_request facts = {.body = cases[i].body,
						  .body_len = strlen(cases[i].body)};
		struct sl_chat_prompt from = {sl_span_string(cases[i].from),
					      sl_span_string(cases[i].from_members)};
		struct sl_chat_prompt to = {sl_span_string(cases[i].to),
					    sl_span_string(cases[i].to_members)};
		struct sl_text out;
		int rc;

		sl_text_init(&out, 4096);
		rc = sl_chat_swap(&facts, &from, &to, &out);
		if (rc != cases[i].rc ||
		    (cases[i].out && strcmp(sl_text_string(&out), cases[i].out) != 0))
			fail_msg("%s: %d: %s", cases[i].what, rc, sl_text_string(&out));
		sl_text_fini(&out);
	}
}

static void test_no_room(void **state)
{
	static const char body[] = "{\"messages\":[" S("old") "]}";
	struct sl_openai_request facts = {.body = body, .body_len = sizeof(body) - 1};
	struct sl_chat_prompt from = {SL_SPAN("[" S("old") "]"), SL_SPAN("{}")};
	struct sl_text out;

	(void)state;
	for (size_t cap = 1; cap < sizeof(body) - 1; cap++) {
		sl_text_init(&out, cap);
		assert_true(sl_chat_swap(&facts, &from, &from, &out) < 0);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_swap),
					   cmocka_unit_test(test_no_room)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
