/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams of the Messages API: which events a stream of chunks becomes, the same whatever the
 * pieces in which it arrives, and that a client which puts the events together gets the message.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "tests/unit/guard.h"
#include "user/http/sse.h"
#include "user/wire/anthropic.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define CARRY_BYTES 4096

static const struct sl_anthropic_names names = {"req_1f", "route"};

static int take(struct sl_anthropic_stream *s, const struct sl_sse_event *event,
		struct sl_text *out)
{
	struct sl_openai_chunk chunk;

	switch (event->kind) {
	case SL_SSE_DONE:
		sl_anthropic_stream_end(s, out);
		return 0;
	case SL_SSE_COMMENT:
		sl_anthropic_stream_ping(s, out);
		return 0;
	case SL_SSE_DATA:
		sl_openai_chunk_read(event->data, event->data_len, &chunk);
		return sl_anthropic_stream_data(s, event->data, event->data_len, &chunk, out);
	default:
		return 0;
	}
}

/* Feeds the text in two pieces, cut at `cut`, each at a guard page. */
static int translate(const char *text, size_t len, size_t cut, struct sl_text *out)
{
	char carry[CARRY_BYTES];
	struct sl_anthropic_stream stream;
	struct sl_sse_event event;
	struct sl_sse sse;
	int rc = 0;

	sl_text_init(out, 0);
	sl_sse_init(&sse, carry, sizeof(carry));
	sl_anthropic_stream_init(&stream, &names);
	for (int i = 0; i < 2 && !rc; i++) {
		size_t piece = i ? len - cut : cut, at = 0;
		char *copy = sl_guard_copy(i ? text + cut : text, piece);

		while (!rc && sl_sse_next(&sse, copy, piece, &at, &event) == 1)
			rc = take(&stream, &event, out);
		sl_guard_free(copy, piece);
	}
	return rc;
}

/* ---- what a client makes of the events ---- */

struct client {
	json_t *message;
	json_t *block;	/* the open one */
	char json[512]; /* of an open tool_use */
	int pings;
	bool stopped;
};

static void on_delta(struct client *c, json_t *data)
{
	json_t *delta = json_object_get(data, "delta");
	const char *type = json_string_value(json_object_get(delta, "type"));
	char text[1024];

	assert_non_null(c->block);
	if (strcmp(type, "input_json_delta") == 0) {
		strcat(c->json, json_string_value(json_object_get(delta, "partial_json")));
		return;
	}
	assert_string_equal(type, "text_delta");
	snprintf(text, sizeof(text), "%s%s", json_string_value(json_object_get(c->block, "text")),
		 json_string_value(json_object_get(delta, "text")));
	json_object_set_new(c->block, "text", json_string(text));
}

static void on_block(struct client *c, const char *name, json_t *data)
{
	json_t *content = json_object_get(c->message, "content");
	json_int_t index = json_integer_value(json_object_get(data, "index"));

	if (strcmp(name, "content_block_start") == 0) {
		assert_null(c->block);
		assert_int_equal(index, json_array_size(content));
		c->block = json_object_get(data, "content_block");
		json_array_append(content, c->block);
		c->json[0] = '\0';
		return;
	}
	assert_int_equal(index + 1, json_array_size(content));
	if (strcmp(name, "content_block_delta") == 0) {
		on_delta(c, data);
		return;
	}
	assert_string_equal(name, "content_block_stop");
	assert_non_null(c->block);
	if (c->json[0])
		json_object_set_new(c->block, "input", json_loads(c->json, 0, NULL));
	c->block = NULL;
}

static void on_event(struct client *c, const char *name, json_t *data)
{
	assert_false(c->stopped);
	assert_string_equal(json_string_value(json_object_get(data, "type")), name);
	if (strcmp(name, "message_start") == 0) {
		assert_null(c->message);
		c->message = json_incref(json_object_get(data, "message"));
		return;
	}
	assert_non_null(c->message);
	if (strcmp(name, "ping") == 0) {
		c->pings++;
	} else if (strcmp(name, "message_delta") == 0) {
		assert_null(c->block);
		json_object_update(c->message, json_object_get(data, "delta"));
		json_object_set(c->message, "usage", json_object_get(data, "usage"));
	} else if (strcmp(name, "message_stop") == 0) {
		assert_string_not_equal(
			json_string_value(json_object_get(c->message, "stop_reason")), "");
		c->stopped = true;
	} else {
		on_block(c, name, data);
	}
}

static void read_events(struct client *c, const char *text, size_t len)
{
	struct sl_sse_event event;
	struct sl_sse sse;
	size_t at = 0;
	char name[64];

	memset(c, 0, sizeof(*c));
	sl_sse_init(&sse, NULL, 0);
	while (sl_sse_next(&sse, text, len, &at, &event) == 1) {
		json_t *data = json_loadb(event.data, event.data_len, JSON_REJECT_DUPLICATES, NULL);

		assert_non_null(data);
		snprintf(name, sizeof(name), "%.*s", (int)event.name_len, event.name);
		on_event(c, name, data);
		json_decref(data);
	}
	assert_int_equal(at, len);
}

/* ---- rows ---- */

#define EVENT(json) "data: " json "\n\n"
#define CHUNK(delta, more)                                                                  \
	EVENT("{\"id\":\"c\",\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{" delta \
	      "}" more "}]}")
#define ROLE	    CHUNK("\"role\":\"assistant\",\"content\":\"\"", ",\"finish_reason\":null")
#define SAY(text)   CHUNK("\"content\":\"" text "\"", "")
#define END(reason) CHUNK("", ",\"finish_reason\":\"" reason "\"")
#define USAGE                                                                           \
	EVENT("{\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2," \
	      "\"prompt_tokens_details\":{\"cached_tokens\":3}}}")
#define DONE	     "data: [DONE]\n\n"
#define CALLS(calls) CHUNK("\"tool_calls\":[" calls "]", "")
#define CALL(index, id, name, args)                                                                \
	"{\"index\":" index ",\"id\":" id ",\"function\":{\"name\":" name ",\"arguments\":\"" args \
	"\"}}"
#define MORE(index, args) "{\"index\":" index ",\"function\":{\"arguments\":\"" args "\"}}"
#define TEXT(t)		  "{\"type\":\"text\",\"citations\":null,\"text\":\"" t "\"}"
#define USE(id, name, input)                                                   \
	"{\"type\":\"tool_use\",\"caller\":{\"type\":\"direct\"},\"id\":\"" id \
	"\",\"name\":\"" name "\",\"input\":" input "}"
#define MESSAGE(content, stop, sequence, in, read, out)                                     \
	"{\"id\":\"msg_1f\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\"," \
	"\"content\":[" content "],\"stop_reason\":\"" stop                                 \
	"\",\"stop_details\":null,\"container\":null,\"stop_sequence\":" sequence           \
	",\"usage\":{\"input_tokens\":" in ",\"cache_creation_input_tokens\":null,"         \
	"\"cache_read_input_tokens\":" read ",\"output_tokens\":" out "}}"

struct row {
	const char *what;
	const char *chunks;
	const char *message; /* what a client puts together */
	int pings;
};

static const struct row rows[] = {
	{"text", ROLE SAY("He") SAY("llo\\n\\u00e9") END("stop") USAGE DONE,
	 MESSAGE(TEXT("Hello\\n\\u00e9"), "end_turn", "null", "4", "3", "2"), 0},
	{"cut by max_tokens, no usage", ROLE SAY("a") SAY("b") END("length") DONE,
	 MESSAGE(TEXT("ab"), "max_tokens", "null", "0", "null", "2"), 0},
	{"a stop sequence",
	 SAY("a") CHUNK("", ",\"finish_reason\":\"stop\",\"stop_reason\":\"E\\nND\"") DONE,
	 MESSAGE(TEXT("a"), "stop_sequence", "\"E\\nND\"", "0", "null", "1"), 0},
	{"content_filter", SAY("a") END("content_filter") DONE,
	 MESSAGE(TEXT("a"), "refusal", "null", "0", "null", "1"), 0},
	{"a refusal", CHUNK("\"refusal\":\"No.\"", "") END("stop") DONE,
	 MESSAGE(TEXT("No."), "refusal", "null", "0", "null", "1"), 0},
	{"nothing said", ROLE END("stop") DONE, MESSAGE("", "end_turn", "null", "0", "null", "0"),
	 0},
	{"no reason", ROLE SAY("a") DONE, MESSAGE(TEXT("a"), "end_turn", "null", "0", "null", "1"),
	 0},
	{"text and its end in one chunk",
	 CHUNK("\"content\":\"a\"", ",\"finish_reason\":\"stop\"") DONE,
	 MESSAGE(TEXT("a"), "end_turn", "null", "0", "null", "1"), 0},
	{"comments and reasoning are pings",
	 ROLE ": wait\n\n" CHUNK("\"reasoning_content\":\"hm\"", "") SAY("a") END("stop") DONE,
	 MESSAGE(TEXT("a"), "end_turn", "null", "0", "null", "2"), 2},
	{"CRLF and a retry field",
	 "retry: 5\r\n\r\ndata: {\"model\":\"m-1\",\"choices\":[{\"delta\":{\"content\":\"a\"},"
	 "\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
	 MESSAGE(TEXT("a"), "end_turn", "null", "0", "null", "1"), 0},
	{"a tool",
	 ROLE CALLS(CALL("0", "\"a\"", "\"get\"", "")) CALLS(MORE("0", "{\\\"q\\\":"))
		 CALLS(MORE("0", " 1}")) END("tool_calls") DONE,
	 MESSAGE(USE("a", "get", "{\"q\":1}"), "tool_use", "null", "0", "null", "3"), 0},
	{"text, then tools in parallel, ended by stop",
	 SAY("Look") CALLS(CALL("0", "\"a\"", "\"get\"", "{")) CALLS(MORE("0", "}"))
		 CALLS(CALL("1", "\"b\"", "\"put\"", "")) CALLS(MORE("1", "{\\\"x\\\":[]}"))
			 END("stop") DONE,
	 MESSAGE(TEXT("Look") "," USE("a", "get", "{}") "," USE("b", "put", "{\"x\":[]}"),
		 "tool_use", "null", "0", "null", "5"),
	 0},
	{"tools in one chunk",
	 CALLS(CALL("0", "\"a\"", "\"t\"", "{\\\"n\\\":1}") "," CALL(
		 "1", "\"b\"", "\"t\"", "{\\\"n\\\":2}")) END("tool_calls") DONE,
	 MESSAGE(USE("a", "t", "{\"n\":1}") "," USE("b", "t", "{\"n\":2}"), "tool_use", "null", "0",
		 "null", "1"),
	 0},
	{"tools told apart by id alone, the id in each chunk",
	 CALLS("{\"id\":\"a\",\"function\":{\"name\":\"t\",\"arguments\":\"{\"}}")
		 CALLS("{\"id\":\"a\",\"function\":{\"name\":\"t\",\"arguments\":\"}\"}}") CALLS(
			 "{\"id\":\"b\",\"function\":{\"name\":\"t\"}}") END("tool_calls") DONE,
	 MESSAGE(USE("a", "t", "{}") "," USE("b", "t", "{}"), "tool_use", "null", "0", "null", "3"),
	 0},
	{"a tool without id", CALLS(CALL("0", "null", "\"t\"", "{}")) END("tool_calls") DONE,
	 MESSAGE(USE("toolu_1f_0", "t", "{}"), "tool_use", "null", "0", "null", "1"), 0},
	{"text after a tool",
	 CALLS(CALL("0", "\"a\"", "\"t\"", "{}")) SAY("So") END("tool_calls") DONE,
	 MESSAGE(USE("a", "t", "{}") "," TEXT("So"), "tool_use", "null", "0", "null", "2"), 0},
	{"other choices are not told",
	 EVENT("{\"model\":\"m-1\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}},"
	       "{\"index\":0,\"delta\":{\"content\":\"a\"}}]}") END("stop") DONE,
	 MESSAGE(TEXT("a"), "end_turn", "null", "0", "null", "1"), 0},
};

static void test_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].chunks);
		struct client client;
		struct sl_text out;
		json_t *wanted = json_loads(rows[i].message, 0, NULL);

		assert_non_null(wanted);
		assert_int_equal(translate(rows[i].chunks, len, len, &out), 0);
		read_events(&client, out.data, out.len);
		if (!client.stopped || !json_equal(client.message, wanted) ||
		    client.pings != rows[i].pings)
			fail_msg("%s: %d pings: %s", rows[i].what, client.pings, out.data);
		json_decref(client.message);
		json_decref(wanted);
		sl_text_fini(&out);
	}
}

/* The pieces in which a stream arrives make no difference. */
static void test_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].chunks);
		struct sl_text whole, pieces;

		assert_int_equal(translate(rows[i].chunks, len, len, &whole), 0);
		for (size_t cut = 0; cut < len; cut++) {
			/* between CR and LF the LF begins the next event: a comment more */
			if (strchr(rows[i].chunks, '\r'))
				break;
			assert_int_equal(translate(rows[i].chunks, len, cut, &pieces), 0);
			if (pieces.len != whole.len ||
			    memcmp(pieces.data, whole.data, whole.len) != 0)
				fail_msg("%s, cut at %zu: %s", rows[i].what, cut, pieces.data);
			sl_text_fini(&pieces);
		}
		sl_text_fini(&whole);
	}
}

/* Without [DONE], or the caller's word that the body ended well, there is no message_stop. */
static void test_no_false_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].chunks) - (sizeof(DONE) - 1);
		struct sl_text out;

		assert_int_equal(translate(rows[i].chunks, len, len, &out), 0);
		assert_null(strstr(sl_text_string(&out), "message_stop"));
		assert_null(strstr(sl_text_string(&out), "message_delta"));
		sl_text_fini(&out);
	}
}

static void test_untellable(void **state)
{
	static const char *const chunks[] = {
		CALLS(CALL("0", "\"a\"", "\"t\"", "{")) CALLS(CALL("1", "\"b\"", "\"t\"", "{"))
			CALLS(MORE("0", "}")),
		CALLS(MORE("0", "{}")),
		SAY("a") CALLS("7"),
		EVENT("7"),
		EVENT("{\"choices\":[{\"delta\":{\"content\":\"a\"}}"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(chunks); i++) {
		struct sl_text out;
		size_t len = strlen(chunks[i]);

		if (translate(chunks[i], len, len, &out) != -EBADMSG)
			fail_msg("%s: %s", chunks[i], sl_text_string(&out));
		sl_text_fini(&out);
	}
}

static void test_error_event(void **state)
{
	static const struct {
		const char *data;
		const char *event;
	} expected[] = {
		{"{\"error\":{\"message\":\"CUDA\",\"type\":\"server_error\"}}",
		 "{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"CUDA\"},"
		 "\"request_id\":\"req_1f\"}"},
		{"{\"object\":\"error\",\"message\":\"full\",\"code\":503}",
		 "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":"
		 "\"full\"},\"request_id\":\"req_1f\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct sl_text out;
		char wanted[512];

		sl_text_init(&out, 0);
		sl_anthropic_fault_event_write(expected[i].data, strlen(expected[i].data), "req_1f",
					       &out);
		snprintf(wanted, sizeof(wanted), "event: error\ndata: %s\n\n", expected[i].event);
		assert_string_equal(out.data, wanted);
		sl_text_fini(&out);
	}
}

/* Random changes: never a crash, and what is written is whole events of valid JSON. */
static void test_mutated(void **state)
{
	uint32_t seed = 11;

	(void)state;
	for (size_t round = 0; round < 30000; round++) {
		static const char bytes[] = "{}[]\",:\\01ntx \n";
		const struct row *row = &rows[round % COUNT(rows)];
		size_t len = strlen(row->chunks), at = 0;
		char *chunks = malloc(len + 1);
		struct sl_sse_event event;
		struct sl_text out;
		struct sl_sse sse;

		memcpy(chunks, row->chunks, len);
		for (int i = 0; i < 2; i++) {
			seed = seed * 1664525u + 1013904223u;
			chunks[(seed >> 8) % len] = bytes[(seed >> 24) % (sizeof(bytes) - 1)];
		}
		translate(chunks, len, len / 2, &out);
		sl_sse_init(&sse, NULL, 0);
		while (sl_sse_next(&sse, sl_text_string(&out), out.len, &at, &event) == 1)
			if (!event.data || !event.name ||
			    sl_json_check(event.data, event.data_len, NULL))
				fail_msg("%.*s\nbecame %s", (int)len, chunks, out.data);
		assert_int_equal(at, out.len);
		sl_text_fini(&out);
		free(chunks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),     cmocka_unit_test(test_split),
		cmocka_unit_test(test_no_false_end), cmocka_unit_test(test_untellable),
		cmocka_unit_test(test_error_event),  cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
