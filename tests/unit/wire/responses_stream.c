/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams of the Responses API: which events a stream of chunks becomes, the same whatever the
 * pieces in which it arrives; that a client which puts the deltas together gets what the last event
 * repeats; and that no stream which broke looks complete.
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
#include "user/wire/responses.h"

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define CARRY_BYTES 4096

static const struct sl_responses_names names = {"req_1f", "route", {",\"tools\":[]", 11}};

static int take(struct sl_responses_stream *s, const struct sl_sse_event *event,
		struct sl_text *out)
{
	struct sl_openai_chunk chunk;

	switch (event->kind) {
	case SL_SSE_DONE:
		return sl_responses_stream_end(s, out);
	case SL_SSE_COMMENT:
		sl_responses_stream_ping(out);
		return 0;
	case SL_SSE_DATA:
		sl_openai_chunk_read(event->data, event->data_len, &chunk);
		return sl_responses_stream_data(s, event->data, event->data_len, &chunk, out);
	default:
		return 0;
	}
}

/* Feeds the text in two pieces, cut at `cut`, each at a guard page, into a stream that is open. */
static int feed(struct sl_responses_stream *stream, const char *text, size_t len, size_t cut,
		struct sl_text *out)
{
	char carry[CARRY_BYTES];
	struct sl_sse_event event;
	struct sl_sse sse;
	int rc = 0;

	sl_text_init(out, 0);
	sl_sse_init(&sse, carry, sizeof(carry));
	sl_responses_stream_init(stream, &names);
	for (int i = 0; i < 2 && !rc; i++) {
		size_t piece = i ? len - cut : cut, at = 0;
		char *copy = sl_guard_copy(i ? text + cut : text, piece);

		while (!rc && sl_sse_next(&sse, copy, piece, &at, &event) == 1)
			rc = take(stream, &event, out);
		sl_guard_free(copy, piece);
	}
	return rc;
}

static int translate(const char *text, size_t len, size_t cut, struct sl_text *out)
{
	struct sl_responses_stream stream;
	int rc = feed(&stream, text, len, cut, out);

	sl_responses_stream_fini(&stream);
	return rc;
}

/* ---- what a client makes of the events ---- */

struct client {
	json_t *response; /* of the last event */
	json_t *items;	  /* put together from deltas, in their order */
	json_t *item;	  /* the open one, borrowed from items */
	char text[1024];  /* of its deltas */
	json_int_t sequence;
	int comments;
	bool errored;
	const char *over; /* name of the last event */
};

static const char *member(json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void on_item(struct client *c, const char *name, json_t *data)
{
	json_t *item = json_object_get(data, "item");

	if (strcmp(name, "response.output_item.added") == 0) {
		assert_null(c->item);
		assert_int_equal(json_integer_value(json_object_get(data, "output_index")),
				 json_array_size(c->items));
		assert_string_equal(member(item, "status"), "in_progress");
		json_array_append(c->items, item);
		c->item = item;
		c->text[0] = '\0';
		return;
	}
	assert_non_null(c->item);
	assert_string_equal(member(item, "id"), member(c->item, "id"));
	json_array_set(c->items, json_array_size(c->items) - 1, item);
	c->item = NULL;
}

/* Deltas, and what repeats them. */
static void on_piece(struct client *c, const char *name, json_t *data)
{
	json_t *part = json_object_get(data, "part");

	assert_non_null(c->item);
	assert_string_equal(member(data, "item_id"), member(c->item, "id"));
	assert_int_equal(json_integer_value(json_object_get(data, "output_index")) + 1,
			 json_array_size(c->items));
	if (strstr(name, ".delta"))
		strcat(c->text, member(data, "delta"));
	else if (strcmp(name, "response.output_text.done") == 0)
		assert_string_equal(member(data, "text"), c->text);
	else if (strcmp(name, "response.refusal.done") == 0)
		assert_string_equal(member(data, "refusal"), c->text);
	else if (strcmp(name, "response.function_call_arguments.done") == 0)
		assert_string_equal(member(data, "arguments"), c->text);
	else if (strcmp(name, "response.content_part.done") == 0)
		assert_string_equal(member(part, strcmp(member(part, "type"), "refusal") == 0
							 ? "refusal"
							 : "text"),
				    c->text);
	else
		assert_string_equal(name, "response.content_part.added");
}

static void on_event(struct client *c, const char *name, json_t *data)
{
	static const char *const lasts[] = {"response.completed", "response.incomplete",
					    "response.failed"};
	json_t *response = json_object_get(data, "response");

	assert_null(c->over);
	assert_string_equal(member(data, "type"), name);
	assert_int_equal(json_integer_value(json_object_get(data, "sequence_number")), c->sequence);
	c->sequence++;
	for (size_t i = 0; i < COUNT(lasts); i++)
		if (strcmp(name, lasts[i]) == 0)
			c->over = lasts[i];
	if (c->over) {
		assert_string_equal(member(response, "status"), strchr(c->over, '.') + 1);
		assert_true(c->errored == (c->over == lasts[2]));
		json_decref(c->response);
		c->response = json_incref(response);
	} else if (response) {
		assert_true(c->sequence == 1 ? strcmp(name, "response.created") == 0
					     : strcmp(name, "response.in_progress") == 0);
		assert_string_equal(member(response, "status"), "in_progress");
		assert_int_equal(json_array_size(json_object_get(response, "output")), 0);
	} else if (strcmp(name, "error") == 0) {
		c->errored = true;
		assert_non_null(member(data, "code"));
		assert_non_null(member(data, "message"));
	} else if (strncmp(name, "response.output_item", 20) == 0) {
		on_item(c, name, data);
	} else {
		on_piece(c, name, data);
	}
}

static void read_events(struct client *c, const char *text, size_t len)
{
	struct sl_sse_event event;
	struct sl_sse sse;
	size_t at = 0;
	char name[64];

	memset(c, 0, sizeof(*c));
	c->items = json_array();
	sl_sse_init(&sse, NULL, 0);
	while (sl_sse_next(&sse, text, len, &at, &event) == 1) {
		json_t *data;

		if (event.kind == SL_SSE_COMMENT) {
			c->comments++;
			continue;
		}
		data = json_loadb(event.data, event.data_len, JSON_REJECT_DUPLICATES, NULL);
		if (!data)
			fail_msg("no JSON: %.*s", (int)event.data_len, event.data);
		snprintf(name, sizeof(name), "%.*s", (int)event.name_len, event.name);
		on_event(c, name, data);
		json_decref(data);
	}
	assert_int_equal(at, len);
}

static void client_free(struct client *c)
{
	json_decref(c->response);
	json_decref(c->items);
}

/* ---- rows ---- */

#define EVENT(json) "data: " json "\n\n"
#define CHUNK(delta, more)                                                                \
	EVENT("{\"id\":\"c\",\"created\":17,\"model\":\"m-1\",\"choices\":[{\"index\":0," \
	      "\"delta\":{" delta "}" more "}]}")
#define ROLE	    CHUNK("\"role\":\"assistant\",\"content\":\"\"", ",\"finish_reason\":null")
#define SAY(text)   CHUNK("\"content\":\"" text "\"", "")
#define NO(text)    CHUNK("\"refusal\":\"" text "\"", "")
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
#define TEXT(n, status, t)                                                                     \
	"{\"id\":\"msg_1f_" n "\",\"type\":\"message\",\"status\":\"" status                   \
	"\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_text\",\"annotations\":[]," \
	"\"logprobs\":[],\"text\":\"" t "\"}]}"
#define REFUSAL(n, t)                                                             \
	"{\"id\":\"msg_1f_" n "\",\"type\":\"message\",\"status\":\"completed\"," \
	"\"role\":\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"" t "\"}]}"
#define USE(n, id, name, args)                                                         \
	"{\"id\":\"fc_1f_" n "\",\"type\":\"function_call\",\"status\":\"completed\"," \
	"\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define RESPONSE(status, output, details, error, usage)                                           \
	"{\"id\":\"resp_1f\",\"object\":\"response\",\"created_at\":17,\"status\":\"" status      \
	"\",\"background\":false,\"store\":false,\"previous_response_id\":null,\"service_tier\":" \
	"\"default\",\"truncation\":\"disabled\",\"top_logprobs\":0,\"max_tool_calls\":null,"     \
	"\"model\":\"m-1\",\"tools\":[],\"error\":" error ",\"incomplete_details\":" details      \
	",\"output\":[" output "],\"usage\":" usage "}"
#define WHOLE(output) RESPONSE("completed", output, "null", "null", "null")
#define USED                                                                                      \
	"{\"input_tokens\":7,\"input_tokens_details\":{\"cached_tokens\":3},\"output_tokens\":2," \
	"\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":9}"

struct row {
	const char *what;
	const char *chunks;
	const char *response; /* of the last event */
	int comments;
};

static const struct row rows[] = {
	{"text", ROLE SAY("He") SAY("llo\\n\\u00e9") END("stop") USAGE DONE,
	 RESPONSE("completed", TEXT("0", "completed", "Hello\\n\\u00e9"), "null", "null", USED), 0},
	{"cut by max_output_tokens", ROLE SAY("a") SAY("b") END("length") DONE,
	 RESPONSE("incomplete", TEXT("0", "incomplete", "ab"), "{\"reason\":\"max_output_tokens\"}",
		  "null", "null"),
	 0},
	{"content_filter", SAY("a") END("content_filter") DONE,
	 RESPONSE("incomplete", TEXT("0", "incomplete", "a"), "{\"reason\":\"content_filter\"}",
		  "null", "null"),
	 0},
	{"a refusal", NO("N") NO("o.") END("stop") DONE, WHOLE(REFUSAL("0", "No.")), 0},
	{"a refusal behind text", SAY("a") NO("No.") END("stop") DONE,
	 WHOLE(TEXT("0", "completed", "a") "," REFUSAL("1", "No.")), 0},
	{"nothing said", ROLE END("stop") DONE, WHOLE(""), 0},
	{"no reason", ROLE SAY("a") DONE, WHOLE(TEXT("0", "completed", "a")), 0},
	{"text and its end in one chunk",
	 CHUNK("\"content\":\"a\"", ",\"finish_reason\":\"stop\"") DONE,
	 WHOLE(TEXT("0", "completed", "a")), 0},
	{"comments and reasoning are comments",
	 ROLE ": wait\n\n" CHUNK("\"reasoning_content\":\"hm\"", "") SAY("a") END("stop") DONE,
	 WHOLE(TEXT("0", "completed", "a")), 2},
	{"CRLF and a retry field",
	 "retry: 5\r\n\r\ndata: {\"model\":\"m-1\",\"created\":17,\"choices\":[{\"delta\":{"
	 "\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\r\n\r\ndata: [DONE]\r\n\r\n",
	 WHOLE(TEXT("0", "completed", "a")), 0},
	{"a tool",
	 ROLE CALLS(CALL("0", "\"a\"", "\"get\"", "")) CALLS(MORE("0", "{\\\"q\\\":"))
		 CALLS(MORE("0", " 1}")) END("tool_calls") DONE,
	 WHOLE(USE("0", "a", "get", "{\\\"q\\\": 1}")), 0},
	{"text, then tools in parallel, ended by stop",
	 SAY("Look") CALLS(CALL("0", "\"a\"", "\"get\"", "{")) CALLS(MORE("0", "}"))
		 CALLS(CALL("1", "\"b\"", "\"put\"", "")) CALLS(MORE("1", "{\\\"x\\\":[]}"))
			 END("stop") DONE,
	 WHOLE(TEXT("0", "completed", "Look") "," USE("1", "a", "get", "{}") "," USE(
		 "2", "b", "put", "{\\\"x\\\":[]}")),
	 0},
	{"tools in one chunk",
	 CALLS(CALL("0", "\"a\"", "\"t\"", "1") "," CALL("1", "\"b\"", "\"t\"", "2"))
		 END("tool_calls") DONE,
	 WHOLE(USE("0", "a", "t", "1") "," USE("1", "b", "t", "2")), 0},
	{"tools told apart by id alone, the id in each chunk",
	 CALLS("{\"id\":\"a\",\"function\":{\"name\":\"t\",\"arguments\":\"{\"}}")
		 CALLS("{\"id\":\"a\",\"function\":{\"name\":\"t\",\"arguments\":\"}\"}}") CALLS(
			 "{\"id\":\"b\",\"function\":{\"name\":\"t\"}}") END("tool_calls") DONE,
	 WHOLE(USE("0", "a", "t", "{}") "," USE("1", "b", "t", "")), 0},
	{"a tool without id", CALLS(CALL("0", "null", "\"t\"", "{}")) END("tool_calls") DONE,
	 WHOLE(USE("0", "call_1f_0", "t", "{}")), 0},
	{"text after a tool",
	 CALLS(CALL("0", "\"a\"", "\"t\"", "{}")) SAY("So") END("tool_calls") DONE,
	 WHOLE(USE("0", "a", "t", "{}") "," TEXT("1", "completed", "So")), 0},
	{"other choices are not told",
	 EVENT("{\"model\":\"m-1\",\"created\":17,\"choices\":[{\"index\":1,\"delta\":{\"content\":"
	       "\"x\"}},{\"index\":0,\"delta\":{\"content\":\"a\"}}]}") END("stop") DONE,
	 WHOLE(TEXT("0", "completed", "a")), 0},
};

static void test_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].chunks);
		struct client client;
		struct sl_text out;
		json_t *wanted = json_loads(rows[i].response, 0, NULL);

		assert_non_null(wanted);
		assert_int_equal(translate(rows[i].chunks, len, len, &out), 0);
		read_events(&client, out.data, out.len);
		if (!client.over || !json_equal(client.response, wanted) ||
		    client.comments != rows[i].comments ||
		    !json_equal(client.items, json_object_get(wanted, "output")))
			fail_msg("%s: %d comments: %s", rows[i].what, client.comments, out.data);
		client_free(&client);
		json_decref(wanted);
		sl_text_fini(&out);
	}
}

static void test_order(void **state)
{
	static const char chunks[] =
		ROLE SAY("a") CALLS(CALL("0", "\"c\"", "\"t\"", "{}")) END("stop") DONE;
	static const char *const order[] = {
		"response.created",
		"response.in_progress",
		"response.output_item.added",
		"response.content_part.added",
		"response.output_text.delta",
		"response.output_text.done",
		"response.content_part.done",
		"response.output_item.done",
		"response.output_item.added",
		"response.function_call_arguments.delta",
		"response.function_call_arguments.done",
		"response.output_item.done",
		"response.completed",
	};
	struct sl_text out;
	const char *at;

	(void)state;
	assert_int_equal(translate(chunks, sizeof(chunks) - 1, 9, &out), 0);
	at = out.data;
	for (size_t i = 0; i < COUNT(order); i++) {
		size_t len = strlen(order[i]);

		assert_memory_equal(at, "event: ", 7);
		if (strncmp(at + 7, order[i], len) != 0 || at[7 + len] != '\n')
			fail_msg("event %zu is not %s: %s", i, order[i], at);
		at = strstr(at, "\n\n") + 2;
	}
	assert_int_equal(*at, '\0');
	sl_text_fini(&out);
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

/* ---- streams that break ---- */

/* Wherever a stream is cut: events of a sequence, and at the end response.failed, never another. */
static void test_cut(void **state)
{
	const struct sl_openai_error error = {
		.id = SL_OPENAI_ERROR_STREAM_CUT, .object = "m", .detail = "a \"reset\""};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t whole = strlen(rows[i].chunks) - (sizeof(DONE) - 1);

		for (size_t len = 0; len <= whole; len++) {
			struct sl_responses_stream stream;
			struct client client;
			struct sl_text out;
			json_t *told;

			if (strchr(rows[i].chunks, '\r'))
				break;
			assert_int_equal(feed(&stream, rows[i].chunks, len, len, &out), 0);
			assert_null(strstr(sl_text_string(&out), "response.completed"));
			assert_null(strstr(sl_text_string(&out), "response.incomplete"));
			sl_responses_stream_error(&stream, &error, &out);
			read_events(&client, out.data, out.len);
			assert_string_equal(client.over, "response.failed");
			told = json_object_get(client.response, "error");
			assert_string_equal(member(told, "code"), "server_error");
			assert_non_null(strstr(member(told, "message"), "a \"reset\""));
			assert_int_equal(
				json_array_size(json_object_get(client.response, "output")),
				json_array_size(client.items));
			client_free(&client);
			sl_text_fini(&out);
			sl_responses_stream_fini(&stream);
		}
	}
}

static void test_error_event(void **state)
{
	static const struct {
		const char *data;
		const char *code; /* of the event */
		const char *kind; /* of the response */
		const char *message;
	} expected[] = {
		{"{\"error\":{\"message\":\"CUDA\",\"type\":\"server_error\"}}", "server_error",
		 "server_error", "CUDA"},
		{"{\"object\":\"error\",\"message\":\"full\",\"code\":429}", "rate_limit_exceeded",
		 "rate_limit_exceeded", "full"},
		{"{\"error\":{\"message\":\"9\",\"code\":\"context_length_exceeded\"}}",
		 "context_length_exceeded", "invalid_prompt", "9"},
		{"{\"error\":{\"message\":\"no\",\"code\":400}}", "invalid_prompt",
		 "invalid_prompt", "no"},
		{"{\"error\":{}}", "server_error", "server_error",
		 "The server sent an error and gave no reason."},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct sl_responses_stream stream;
		struct client client;
		struct sl_text out;
		char event[256];
		json_t *told;

		assert_int_equal(feed(&stream, SAY("a"), strlen(SAY("a")), 0, &out), 0);
		sl_responses_stream_fault(&stream, expected[i].data, strlen(expected[i].data),
					  &out);
		snprintf(event, sizeof(event), "\"code\":\"%s\",\"message\":\"%s\",\"param\":null}",
			 expected[i].code, expected[i].message);
		if (!strstr(out.data, event))
			fail_msg("%s: %s", expected[i].data, out.data);
		read_events(&client, out.data, out.len);
		assert_string_equal(client.over, "response.failed");
		told = json_object_get(client.response, "error");
		assert_string_equal(member(told, "code"), expected[i].kind);
		assert_string_equal(member(told, "message"), expected[i].message);
		client_free(&client);
		sl_text_fini(&out);
		sl_responses_stream_fini(&stream);
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

/* An answer over the bound: an error, and its end is whole events still. */
static void test_too_long(void **state)
{
	const struct sl_openai_error error = {.id = SL_OPENAI_ERROR_STREAM_CUT, .object = "m"};
	const size_t piece_len = SL_RESPONSES_TEXT_BYTES / 4;
	char *data = malloc(piece_len + 128);
	struct sl_openai_chunk chunk;
	struct sl_responses_stream stream;
	struct client client;
	struct sl_text out;
	int rc = 0, i;

	(void)state;
	strcpy(data, "{\"choices\":[{\"delta\":{\"content\":\"");
	memset(data + strlen(data), 'x', piece_len + 1);
	data[33 + piece_len] = '\0';
	strcat(data, "\"}}]}");
	sl_text_init(&out, 64u << 20);
	sl_responses_stream_init(&stream, &names);
	for (i = 0; i < 8 && !rc; i++) {
		sl_openai_chunk_read(data, strlen(data), &chunk);
		sl_text_reset(&out);
		rc = sl_responses_stream_data(&stream, data, strlen(data), &chunk, &out);
	}
	assert_int_equal(rc, -ENOMEM);
	assert_int_equal(i, 5);
	sl_text_reset(&out);
	assert_int_equal(sl_responses_stream_end(&stream, &out), -ENOMEM);
	assert_int_equal(out.len, 0);
	stream.sequence = 0;
	sl_responses_stream_error(&stream, &error, &out);
	read_events(&client, out.data, out.len);
	assert_string_equal(client.over, "response.failed");
	client_free(&client);
	sl_text_fini(&out);
	sl_responses_stream_fini(&stream);
	free(data);
}

/* Random changes: never a crash, and what is written is whole events of valid JSON. */
static void test_mutated(void **state)
{
	uint32_t seed = 11;

	(void)state;
	for (size_t round = 0; round < 20000; round++) {
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
			if (event.kind != SL_SSE_COMMENT &&
			    (!event.data || !event.name ||
			     sl_json_check(event.data, event.data_len, NULL)))
				fail_msg("%.*s\nbecame %s", (int)len, chunks, out.data);
		assert_int_equal(at, out.len);
		sl_text_fini(&out);
		free(chunks);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_responses),   cmocka_unit_test(test_order),
		cmocka_unit_test(test_split),	    cmocka_unit_test(test_cut),
		cmocka_unit_test(test_error_event), cmocka_unit_test(test_untellable),
		cmocka_unit_test(test_too_long),    cmocka_unit_test(test_mutated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
