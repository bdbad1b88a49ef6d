/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams of the Messages API as chat completion chunks: which chunks each becomes, the same whatever
 * the pieces in which it arrives, where it is refused, and what single events are.
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
#include "user/wire/messages.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_messages_names names = {.created_s = 5, .include_usage = true};

/* Feeds the text in two pieces, cut at `cut`, each at a guard page; d is left for the caller. */
static int decode(const char *text, size_t len, size_t cut, struct sl_messages_decoder *d,
		  struct sl_text *out)
{
	int rc = 0;

	sl_text_init(out, 0);
	sl_messages_decoder_init(d, &names);
	for (int i = 0; i < 2 && !rc; i++) {
		size_t piece = i ? len - cut : cut;
		char *copy = sl_guard_copy(i ? text + cut : text, piece);

		rc = sl_messages_decoder_feed(d, copy, piece, out);
		sl_guard_free(copy, piece);
	}
	return rc;
}

/* ---- what a client makes of the chunks ---- */

struct client {
	char text[512], thoughts[128], finish[32], stop[64], usage[256];
	char calls[512]; /* id:name:arguments; */
	int open_call;
	int comments, errors;
	bool done;
};

static void add(char *to, size_t size, json_t *text)
{
	if (json_is_string(text))
		strncat(to, json_string_value(text), size - strlen(to) - 1);
}

static void on_call(struct client *c, json_t *call)
{
	json_t *function = json_object_get(call, "function");
	int index = (int)json_integer_value(json_object_get(call, "index"));

	if (index != c->open_call) {
		assert_int_equal(index, c->open_call + 1);
		assert_true(json_is_string(json_object_get(call, "id")));
		c->open_call = index;
		strcat(c->calls, index ? ";" : "");
		add(c->calls, sizeof(c->calls), json_object_get(call, "id"));
		strcat(c->calls, ":");
		add(c->calls, sizeof(c->calls), json_object_get(function, "name"));
		strcat(c->calls, ":");
	}
	add(c->calls, sizeof(c->calls), json_object_get(function, "arguments"));
}

static void on_chunk(struct client *c, json_t *chunk)
{
	json_t *choice = json_array_get(json_object_get(chunk, "choices"), 0), *call;
	json_t *delta = json_object_get(choice, "delta"), *usage = json_object_get(chunk, "usage");
	size_t i;

	if (json_object_get(chunk, "error")) {
		c->errors++;
		return;
	}
	assert_string_equal(json_string_value(json_object_get(chunk, "object")),
			    "chat.completion.chunk");
	assert_string_equal(json_string_value(json_object_get(chunk, "id")), "chatcmpl-msg_1");
	assert_string_equal(json_string_value(json_object_get(chunk, "model")), "m-1");
	assert_int_equal(json_integer_value(json_object_get(chunk, "created")), 5);
	add(c->text, sizeof(c->text), json_object_get(delta, "content"));
	add(c->thoughts, sizeof(c->thoughts), json_object_get(delta, "reasoning_content"));
	json_array_foreach(json_object_get(delta, "tool_calls"), i, call) on_call(c, call);
	add(c->finish, sizeof(c->finish), json_object_get(choice, "finish_reason"));
	add(c->stop, sizeof(c->stop), json_object_get(choice, "stop_reason"));
	if (usage) {
		char *text = json_dumps(usage, JSON_COMPACT | JSON_SORT_KEYS);

		assert_null(choice);
		snprintf(c->usage, sizeof(c->usage), "%s", text);
		free(text);
	}
}

static void read_chunks(struct client *c, const struct sl_text *out)
{
	struct sl_sse_event event;
	struct sl_sse sse;
	size_t at = 0;

	memset(c, 0, sizeof(*c));
	c->open_call = -1;
	sl_sse_init(&sse, NULL, 0);
	while (sl_sse_next(&sse, sl_text_string(out), out->len, &at, &event) == 1) {
		json_t *data;

		assert_false(c->done);
		if (event.kind == SL_SSE_COMMENT) {
			c->comments++;
			continue;
		}
		if (event.kind == SL_SSE_DONE) {
			c->done = true;
			continue;
		}
		assert_int_equal(event.kind, SL_SSE_DATA);
		data = json_loadb(event.data, event.data_len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(data);
		on_chunk(c, data);
		json_decref(data);
	}
	assert_int_equal(at, out->len);
}

/* ---- rows ---- */

#define EVENT(type, more) "event: " type "\ndata: {\"type\":\"" type "\"" more "}\n\n"
#define START                                                                                  \
	EVENT("message_start", ",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":" \
			       "\"assistant\",\"model\":\"m-1\",\"content\":[],\"usage\":{"    \
			       "\"input_tokens\":7,\"cache_creation_input_tokens\":2,"         \
			       "\"cache_read_input_tokens\":3,\"output_tokens\":1}}")
#define OPEN(index, block) \
	EVENT("content_block_start", ",\"index\":" index ",\"content_block\":{" block "}")
#define DELTA(index, kind, member, value)                                               \
	EVENT("content_block_delta", ",\"index\":" index ",\"delta\":{\"type\":\"" kind \
				     "\",\"" member "\":\"" value "\"}")
#define CLOSE(index) EVENT("content_block_stop", ",\"index\":" index)
#define END(reason)                                                  \
	EVENT("message_delta", ",\"delta\":{\"stop_reason\":" reason \
			       ",\"stop_sequence\":null},\"usage\":{\"output_tokens\":9}")
#define STOP	       EVENT("message_stop", "")
#define PING	       EVENT("ping", "")
#define TEXT	       "\"type\":\"text\",\"text\":\"\""
#define SAY(index, t)  DELTA(index, "text_delta", "text", t)
#define USE(id, name)  "\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{}"
#define ARGS(index, t) DELTA(index, "input_json_delta", "partial_json", t)
#define USAGE                                                                               \
	"{\"completion_tokens\":9,\"prompt_tokens\":12,\"prompt_tokens_details\":{\"cache_" \
	"write_tokens\":2,\"cached_tokens\":3},\"total_tokens\":21}"
#define BLOCK(t) OPEN("0", TEXT) SAY("0", t) CLOSE("0")

struct row {
	const char *what;
	const char *events;
	const char *text, *calls, *finish;
	bool done;
	int comments, errors;
};

static const struct row rows[] = {
	{"text",
	 START OPEN("0", TEXT) PING SAY("0", "He") SAY("0", "llo\\n\\u00e9") CLOSE("0")
		 END("\"end_turn\"") STOP,
	 "Hello\n\xc3\xa9", "", "stop", true, 1, 0},
	{"text in the start of a block",
	 START OPEN("0", "\"type\":\"text\",\"text\":\"a\"") CLOSE("0") END("\"max_tokens\"") STOP,
	 "a", "", "length", true, 0, 0},
	{"two tools, one without arguments",
	 START BLOCK("Look") OPEN("1", USE("t1", "get")) ARGS("1", "") ARGS("1", "{\\\"q\\\":")
		 ARGS("1", "1}") CLOSE("1") OPEN("2", USE("t2", "now")) ARGS("2", "") CLOSE("2")
			 END("\"tool_use\"") STOP,
	 "Look", "t1:get:{\"q\":1};t2:now:{}", "tool_calls", true, 0, 0},
	{"a tool whose input comes with its start",
	 START OPEN("0",
		    "\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"n\",\"input\":{\"a\":\"b\"}")
		 CLOSE("0") END("\"tool_use\"") STOP,
	 "", "t:n:{\"a\":\"b\"}", "tool_calls", true, 0, 0},
	{"blocks and deltas that are new to us",
	 START OPEN("0", "\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"web\"")
		 ARGS("0", "{}") CLOSE("0") OPEN("1", TEXT) SAY("1", "a")
			 DELTA("1", "citations_delta", "citation", "c") CLOSE("1")
				 EVENT("brand_new", "") END("\"a_new_reason\"") STOP,
	 "a", "", "stop", true, 1, 0},
	{"a refusal", START END("\"refusal\"") STOP, "", "", "content_filter", true, 0, 0},
	{"a pause is an end", START BLOCK("a") END("\"pause_turn\"") STOP, "a", "", "stop", true, 0,
	 0},
	{"nothing may follow the end", START BLOCK("a") END("\"end_turn\"") STOP START, "a", "",
	 "stop", true, 0, 0},
	{"an error, and nothing behind it",
	 START OPEN("0", TEXT) SAY("0", "a")
		 EVENT("error", ",\"error\":{\"type\":\"overloaded_error\",\"message\":\"O\"}")
			 SAY("0", "b"),
	 "a", "", "", false, 0, 1},
	{"an error first", EVENT("error", ",\"error\":{\"type\":\"api_error\",\"message\":\"O\"}"),
	 "", "", "", false, 0, 1},
	{"cut before message_stop", START BLOCK("a") END("\"end_turn\""), "a", "", "", false, 0, 0},
	{"CRLF, comments, other fields",
	 ": hi\r\n\r\nretry: 5\r\n\r\n" START
	 "event: ping\r\ndata: {\"type\": \"ping\"}\r\n\r\n" BLOCK("a") END("\"end_turn\"") STOP,
	 "a", "", "stop", true, 2, 0},
};

static void check_row(const struct row *row, struct sl_text *out)
{
	struct client c;

	read_chunks(&c, out);
	if (strcmp(c.text, row->text) != 0 || strcmp(c.calls, row->calls) != 0 ||
	    strcmp(c.finish, row->finish) != 0 || c.done != row->done ||
	    c.comments != row->comments || c.errors != row->errors)
		fail_msg("%s: text '%s' calls '%s' finish '%s' done %d comments %d errors %d",
			 row->what, c.text, c.calls, c.finish, c.done, c.comments, c.errors);
	if (row->done)
		assert_string_equal(c.usage, USAGE);
}

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].events);
		struct sl_messages_decoder d;
		struct sl_text whole, out;

		if (decode(rows[i].events, len, len, &d, &whole))
			fail_msg("%s: refused", rows[i].what);
		sl_messages_decoder_fini(&d);
		check_row(&rows[i], &whole);
		/* the same bytes, wherever it is cut */
		for (size_t cut = 0; cut < len; cut++) {
			assert_int_equal(decode(rows[i].events, len, cut, &d, &out), 0);
			sl_messages_decoder_fini(&d);
			if (out.len != whole.len || memcmp(out.data, whole.data, out.len) != 0)
				fail_msg("%s: cut at %zu", rows[i].what, cut);
			sl_text_fini(&out);
		}
		sl_text_fini(&whole);
	}
}

static void test_stop_sequence(void **unused)
{
	static const char events[] = START BLOCK("a")
		EVENT("message_delta", ",\"delta\":{\"stop_reason\":\"stop_sequence\",\"stop_"
				       "sequence\":\"E\\\"ND\"},\"usage\":{\"output_tokens\":9}")
			STOP;
	struct sl_messages_decoder d;
	struct sl_text out;
	struct client c;

	(void)unused;
	assert_int_equal(decode(events, sizeof(events) - 1, 3, &d, &out), 0);
	read_chunks(&c, &out);
	assert_string_equal(c.stop, "E\"ND");
	assert_int_equal(sl_messages_usage_total(&d.usage), 21);
	sl_messages_decoder_fini(&d);
	sl_text_fini(&out);
}

static void test_thoughts(void **unused)
{
	static const char events[] =
		START OPEN("0", "\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"")
			DELTA("0", "thinking_delta", "thinking", "h")
				DELTA("0", "thinking_delta", "thinking", "m")
					DELTA("0", "signature_delta", "signature", "xyz") CLOSE("0")
						OPEN("1", TEXT) SAY("1", "a") CLOSE("1")
							END("\"end_turn\"") STOP;
	struct sl_messages_decoder d;
	struct sl_text out;
	struct client c;

	(void)unused;
	assert_int_equal(decode(events, sizeof(events) - 1, 0, &d, &out), 0);
	read_chunks(&c, &out);
	assert_string_equal(c.thoughts, "hm");
	assert_string_equal(c.text, "a");
	assert_false(d.refused);
	sl_messages_decoder_fini(&d);
	sl_text_fini(&out);
}

/* Streams whose order is wrong: what came before is there, and no end. */
static void test_refused(void **unused)
{
	static const char *const wrong[] = {
		"data: x\n\n",
		"data: {\"type\":1}\n\n",
		"data: [DONE]\n\n",
		"data: {\ndata: }\n\n",
		BLOCK("a"),
		START START,
		START CLOSE("0"),
		START SAY("0", "a"),
		START OPEN("0", TEXT) SAY("1", "a"),
		START OPEN("0", TEXT) OPEN("1", TEXT),
		START OPEN("-1", TEXT),
		START OPEN("0", "\"type\":\"tool_use\",\"id\":\"t\",\"input\":{}"),
		START BLOCK("a") STOP,
		START BLOCK("a") END("null") STOP,
		START OPEN("0", TEXT) END("\"end_turn\"") STOP,
		EVENT("message_start", ""),
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		size_t len = strlen(wrong[i]);

		for (size_t cut = 0; cut <= len; cut++) {
			struct sl_messages_decoder d;
			struct sl_text out;
			struct client c;

			if (decode(wrong[i], len, cut, &d, &out) != -EBADMSG)
				fail_msg("taken: %s", wrong[i]);
			sl_messages_decoder_fini(&d);
			read_chunks(&c, &out);
			assert_false(c.done);
			assert_string_equal(c.finish, "");
			sl_text_fini(&out);
		}
	}
}

static void test_too_large(void **unused)
{
	struct sl_text event, out;
	struct sl_messages_decoder d;

	(void)unused;
	sl_text_init(&event, 0);
	sl_text_append_string(&event, "data: {\"type\":\"ping\",\"x\":\"");
	sl_text_append_fill(&event, 'x', SL_MESSAGES_EVENT_BYTES_MAX);
	assert_true(decode(event.data, event.len, event.len / 2, &d, &out) < 0);
	sl_messages_decoder_fini(&d);
	sl_text_fini(&out);
	sl_text_fini(&event);
}

static void test_events(void **unused)
{
	static const struct {
		const char *data;
		enum sl_messages_kind kind;
		int64_t output; /* -1: says nothing */
		bool refused;
	} events[] = {
		{"{\"type\":\"message_start\",\"message\":{\"usage\":{\"output_tokens\":1}}}",
		 SL_MESSAGES_START, 1, false},
		{"{\"type\":\"content_block_start\"}", SL_MESSAGES_BLOCK_START, -1, false},
		{"{\"type\":\"content_block_delta\"}", SL_MESSAGES_DELTA, -1, false},
		{"{\"type\":\"content_block_stop\"}", SL_MESSAGES_BLOCK_STOP, -1, false},
		{"{\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":4},"
		 "\"type\":\"message_delta\"}",
		 SL_MESSAGES_END, 4, false},
		{"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"refusal\"}}",
		 SL_MESSAGES_END, -1, true},
		{"{\"type\":\"message_stop\"}", SL_MESSAGES_STOP, -1, false},
		{"{\"type\":\"ping\"}", SL_MESSAGES_PING, -1, false},
		{"{\"type\":\"error\"}", SL_MESSAGES_ERROR, -1, false},
		{"{\"type\":\"new\"}", SL_MESSAGES_OTHER, -1, false},
		{"{\"kind\":\"ping\"}", SL_MESSAGES_INVALID, -1, false},
		{"[]", SL_MESSAGES_INVALID, -1, false},
		{"", SL_MESSAGES_INVALID, -1, false},
	};

	(void)unused;
	for (size_t i = 0; i < COUNT(events); i++) {
		size_t len = strlen(events[i].data);
		char *copy = sl_guard_copy(events[i].data, len);
		struct sl_messages_usage usage;
		bool refused = false;

		sl_messages_usage_init(&usage);
		assert_int_equal(sl_messages_event_read(copy, len, &usage, &refused),
				 events[i].kind);
		assert_int_equal(usage.output, events[i].output);
		assert_int_equal(refused, events[i].refused);
		sl_guard_free(copy, len);
	}
}

static void test_whole(void **unused)
{
	static const char whole[] = START BLOCK("message_stop") END("\"end_turn\"") STOP;

	(void)unused;
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		assert_false(sl_messages_stream_is_whole(whole, len));
	assert_true(sl_messages_stream_is_whole(whole, sizeof(whole) - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	  cmocka_unit_test(test_stop_sequence),
		cmocka_unit_test(test_thoughts),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_large), cmocka_unit_test(test_events),
		cmocka_unit_test(test_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
