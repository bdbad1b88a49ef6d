/* SPDX-License-Identifier: BSD-2-Clause */
/* The Messages API: the request for the rest of an answer, and where a client stands in a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "user/wire/json_scan.h"
#include "user/wire/messages.h"
#include "user/wire/messages_continue.h"

#define USER "{\"role\":\"user\",\"content\":\"Hi\"}"
#define MSGS "\"messages\":[" USER "]"
#define REST "{\"role\":\"assistant\",\"content\":\"a \\\"b\\\"\"}"

struct continue_case {
	const char *name;
	const char *body;
	const char *wanted; /* NULL: refused */
};

/* The text so far is: a "b", in 5 tokens. */
static const struct continue_case cases[] = {
	{"plain", "{\"model\":\"m\",\"max_tokens\":12," MSGS "}",
	 "{\"model\":\"m\",\"max_tokens\":7,\"messages\":[" USER "," REST "]}"},
	{"the bound behind, blanks before the bracket, fields of its own",
	 "{\"messages\":[" USER "\n],\"container\":\"c\",\"max_tokens\":6 }",
	 "{\"messages\":[" USER "\n," REST "],\"container\":\"c\",\"max_tokens\":1 }"},
	{"max_tokens used up", "{\"max_tokens\":5," MSGS "}", NULL},
	{"no bound", "{" MSGS "}", NULL},
	{"thinking", "{\"max_tokens\":9,\"thinking\":{\"type\":\"enabled\"}," MSGS "}", NULL},
	{"thinking of a kind to come", "{\"max_tokens\":9,\"thinking\":{}," MSGS "}", NULL},
	{"no thinking", "{\"max_tokens\":9,\"thinking\":{\"type\":\"disabled\"}," MSGS "}",
	 "{\"max_tokens\":4,\"thinking\":{\"type\":\"disabled\"},\"messages\":[" USER "," REST
	 "]}"},
	{"a schema", "{\"max_tokens\":9,\"output_config\":{\"format\":{}}," MSGS "}", NULL},
	{"a schema, as it was written before", "{\"max_tokens\":9,\"output_format\":{}," MSGS "}",
	 NULL},
	{"effort", "{\"max_tokens\":9,\"output_config\":{\"effort\":\"low\"}," MSGS "}",
	 "{\"max_tokens\":4,\"output_config\":{\"effort\":\"low\"},\"messages\":[" USER "," REST
	 "]}"},
	{"the client's own beginning",
	 "{\"max_tokens\":9,\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"a\"}]}",
	 NULL},
	{"an answer further up is none",
	 "{\"max_tokens\":9,\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}," USER "]}",
	 "{\"max_tokens\":4,\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}," USER "," REST
	 "]}"},
	{"no messages", "{\"max_tokens\":9,\"messages\":[]}", NULL},
};

static void bodies(void **state)
{
	static const char text[] = "a \"b\"";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct continue_case *c = &cases[i];
		const struct sl_messages_continue how = {text, sizeof(text) - 1, 5};
		struct sl_text out;
		int rc;

		sl_text_init(&out, 0);
		rc = sl_messages_continue_write(c->body, strlen(c->body), &how, &out);
		if (!c->wanted ? rc != -ENOTSUP : rc || strcmp(sl_text_string(&out), c->wanted))
			fail_msg("%s: %d %s", c->name, rc, sl_text_string(&out));
		if (rc == 0)
			assert_int_equal(sl_json_check(out.data, out.len, NULL), 0);
		if (rc == 0)
			assert_true(sl_messages_continue_may(c->body, strlen(c->body)));
		sl_text_fini(&out);
	}
}

static void no_text(void **state)
{
	static const char body[] = "{\"max_tokens\":9," MSGS "}";
	const struct sl_messages_continue how = {"", 0, 1};
	struct sl_text out;

	(void)state;
	sl_text_init(&out, 0);
	assert_int_equal(sl_messages_continue_write(body, sizeof(body) - 1, &how, &out), -ENOTSUP);
	sl_text_fini(&out);
}

/* ---- places ---------------------------------------------------------------------------------- */

#define EVENT(json) "data: {\"type\":\"" json "}\n\n"
#define START	    EVENT("message_start\",\"message\":{\"id\":\"i\",\"model\":\"m\"}")
#define BEGIN(index, kind)                                                                     \
	EVENT("content_block_start\",\"index\":" #index ",\"content_block\":{\"type\":\"" kind \
	      "\"}")
#define CALL(index)                                     \
	EVENT("content_block_start\",\"index\":" #index \
	      ",\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\"}")
#define SAY(index, delta) EVENT("content_block_delta\",\"index\":" #index ",\"delta\":{" delta "}")
#define STOP(index)	  EVENT("content_block_stop\",\"index\":" #index)
#define END		  EVENT("message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}")

struct place_case {
	const char *name;
	const char *stream;
	struct sl_messages_place wanted;
};

static const struct place_case places[] = {
	{"nothing", "", {.plain = false}},
	{"begun", START, {.plain = true}},
	{"in a text",
	 START BEGIN(0, "text") SAY(0, "\"text\":\"a\""),
	 {.plain = true, .text = true, .block = 0}},
	{"behind it",
	 START BEGIN(0, "text") SAY(0, "\"text\":\"a\"") STOP(0),
	 {.plain = true, .block = 1}},
	{"in a call",
	 START BEGIN(0, "text") STOP(0) CALL(1),
	 {.plain = true, .call = true, .block = 1, .calls = 1}},
	{"in the second call",
	 START CALL(0) STOP(0) CALL(1),
	 {.plain = true, .call = true, .block = 1, .calls = 2}},
	{"thoughts", START BEGIN(0, "thinking"), {.block = 0}},
	{"behind thoughts",
	 START BEGIN(0, "thinking") STOP(0) BEGIN(1, "text"),
	 {.text = true, .block = 1}},
	{"a block to come", START BEGIN(0, "server_tool_use"), {.block = 0}},
	{"a quote",
	 START BEGIN(0, "text") SAY(0, "\"type\":\"citations_delta\",\"citation\":{}"),
	 {.text = true, .block = 0}},
	{"an end was told", START BEGIN(0, "text") STOP(0) END, {.block = 1}},
};

static void stands(void **state)
{
	static const struct sl_messages_names nobody = {0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place_case *c = &places[i];
		struct sl_messages_decoder d;
		struct sl_messages_place got;
		struct sl_text out;

		sl_text_init(&out, 0);
		sl_messages_decoder_init(&d, &nobody);
		assert_int_equal(sl_messages_decoder_feed(&d, c->stream, strlen(c->stream), &out),
				 0);
		sl_messages_decoder_place(&d, &got);
		if (got.plain != c->wanted.plain || got.text != c->wanted.text ||
		    got.call != c->wanted.call || got.block != c->wanted.block ||
		    got.calls != c->wanted.calls)
			fail_msg("%s: plain %d text %d call %d block %u calls %u", c->name,
				 got.plain, got.text, got.call, got.block, got.calls);
		sl_messages_decoder_fini(&d);
		sl_text_fini(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies), cmocka_unit_test(no_text), cmocka_unit_test(stands)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
