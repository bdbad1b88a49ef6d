/* SPDX-License-Identifier: BSD-2-Clause */
/* The question of a chat, the system message put into it, and which answers are whole and plain. */
#include "user/wire/chat_context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The body is borrowed by the facts. */
static struct sl_openai_request facts_of(const char *messages, char body[2048])
{
	struct sl_openai_request facts;
	struct sl_openai_error error;

	snprintf(body, 2048, "{\"model\":\"m\",\"messages\":%s,\"seed\":1}", messages);
	assert_int_equal(sl_openai_request_read(SL_OPENAI_CHAT, body, strlen(body), &facts, &error),
			 0);
	return facts;
}

#define USER(content) "{\"role\":\"user\",\"content\":" content "}"
#define SYSTEM(text)  "{\"role\":\"system\",\"content\":\"" text "\"}"
#define ANSWER	      "{\"role\":\"assistant\",\"content\":\"x\"}"

static void finds_the_question(void **state)
{
	static const struct {
		const char *messages, *question; /* NULL: none */
	} cases[] = {
		{"[" USER("\"a \\\"b\\\" \\u00e9\"") "]", "a \"b\" \xc3\xa9"},
		{"[" USER("\"first\"") "," ANSWER "," USER("\"last\"") "," ANSWER "]", "last"},
		{"[" USER("[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image_url\",\"image_"
			  "url\":{\"url\":\"data:\"}},"
			  "{\"type\":\"text\",\"text\":\"b\"}]") "]",
		 "a\nb"},
		{"[" SYSTEM("s") "]", NULL},
		{"[" USER("\"\"") "]", NULL},
	};
	char body[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_openai_request facts = facts_of(cases[i].messages, body);
		struct sl_text out;
		int rc;

		sl_text_init(&out, 0);
		rc = sl_chat_question(&facts, &out);
		if (rc != (cases[i].question ? 0 : -ENOENT))
			fail_msg("case %zu: %d", i, rc);
		if (!rc)
			assert_string_equal(sl_text_string(&out), cases[i].question);
		sl_text_fini(&out);
	}
}

static void adds_behind_the_systems(void **state)
{
	static const struct {
		const char *messages, *wanted;
	} cases[] = {
		{"[" USER("\"q\"") "]", "[" SYSTEM("a\\n\\\"b\\\"") "," USER("\"q\"") "]"},
		{"[" SYSTEM("s") "," USER("\"q\"") "]",
		 "[" SYSTEM("s") "," SYSTEM("a\\n\\\"b\\\"") "," USER("\"q\"") "]"},
		{"[" SYSTEM("s") ",{\"role\":\"developer\",\"content\":\"d\"}," USER(
			 "\"q\"") "," SYSTEM("t") "]",
		 "[" SYSTEM("s") ",{\"role\":\"developer\",\"content\":\"d\"}," SYSTEM(
			 "a\\n\\\"b\\\"") "," USER("\"q\"") "," SYSTEM("t") "]"},
	};
	char body[2048], wanted[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_openai_request facts = facts_of(cases[i].messages, body);
		struct sl_text out;

		snprintf(wanted, sizeof(wanted), "{\"model\":\"m\",\"messages\":%s,\"seed\":1}",
			 cases[i].wanted);
		sl_text_init(&out, 0);
		assert_int_equal(sl_chat_add_system(&facts, sl_span_string("a\n\"b\""), &out), 0);
		assert_string_equal(sl_text_string(&out), wanted);
		sl_text_fini(&out);
	}
}

static void knows_plain_answers(void **state)
{
#define CHOICE(message, reason) "{\"message\":{" message "},\"finish_reason\":" reason "}"
#define CHOICES(list)		"{\"choices\":[" list "]}"
	static const struct {
		const char *body;
		bool plain;
	} cases[] = {
		{CHOICES(CHOICE("\"content\":\"x\"", "\"stop\"")), true},
		{CHOICES(CHOICE("\"content\":\"x\",\"tool_calls\":[],\"refusal\":null",
				"\"stop\"")),
		 true},
		{CHOICES(CHOICE("\"content\":\"x\"", "\"stop\"") "," CHOICE("\"content\":\"y\"",
									    "\"length\"")),
		 false},
		{CHOICES(CHOICE("\"content\":\"x\"", "\"length\"")), false},
		{CHOICES(CHOICE("\"content\":\"x\"", "\"content_filter\"")), false},
		{CHOICES(CHOICE("\"content\":\"x\"", "null")), false},
		{CHOICES(CHOICE("\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]",
				"\"tool_calls\"")),
		 false},
		{CHOICES(CHOICE("\"content\":\"x\",\"tool_calls\":[{\"id\":\"1\"}]", "\"stop\"")),
		 false},
		{CHOICES(CHOICE("\"content\":\"x\",\"function_call\":{\"name\":\"f\"}",
				"\"stop\"")),
		 false},
		{CHOICES(CHOICE("\"content\":\"x\",\"refusal\":\"no\"", "\"stop\"")), false},
		{CHOICES(""), false},
		{"{\"error\":{}}", false},
		{"[]", false},
		{"{\"choices\":[", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sl_chat_answer_is_plain(sl_span_string(cases[i].body)) != cases[i].plain)
			fail_msg("case %zu: %s", i, cases[i].body);
}

/* What a summary and a call of a chat are judged by. */
static void knows_messages(void **state)
{
#define SAYS(content) CHOICES("{\"message\":{\"content\":" content "}}")
	static const struct {
		const char *body;
		bool message;
		const char *text; /* NULL: none */
	} cases[] = {
		{SAYS("\"a\\nb\""), true, "a\nb"},
		{CHOICES(CHOICE("\"content\":\"x\"", "\"length\"")), true, "x"},
		{SAYS("\"\""), true, NULL},
		{SAYS("\" \\n\\t\""), true, NULL},
		{SAYS("null"), true, NULL},
		{SAYS("7"), true, NULL},
		{CHOICES("{\"message\":{}}"), true, NULL},
		{CHOICES("{\"message\":null}"), false, NULL},
		{CHOICES("{\"text\":\"x\"}"), false, NULL},
		{CHOICES("7"), false, NULL},
		{CHOICES(""), false, NULL},
		{"{\"object\":\"rubbish\",\"data\":[]}", false, NULL},
		{"{}", false, NULL},
		{"[]", false, NULL},
		{"", false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_span body = sl_span_string(cases[i].body);
		struct sl_text text;
		bool has;

		sl_text_init(&text, 64);
		sl_text_append_string(&text, ">");
		has = sl_chat_answer_text(body, &text);
		if (sl_chat_answer_has_message(body) != cases[i].message ||
		    has != (cases[i].text != NULL))
			fail_msg("case %zu: %s", i, cases[i].body);
		/* What was there stays, and nothing half comes behind it. */
		assert_string_equal(sl_text_string(&text) + 1, has ? cases[i].text : "");
		sl_text_fini(&text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_question),
		cmocka_unit_test(adds_behind_the_systems),
		cmocka_unit_test(knows_plain_answers),
		cmocka_unit_test(knows_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
