/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole answers and errors of the Messages API: each stop reason, tool calls, usage, what is no
 * answer; our errors with their status and type, servers' errors with their words.
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
#include "user/wire/anthropic.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_anthropic_names names = {"req_1f", "route"};

static int translate(const char *body, size_t len, struct sl_text *out)
{
	char *copy = sl_guard_copy(body, len);
	int rc;

	sl_text_init(out, 0);
	rc = sl_anthropic_answer_translate(&names, copy, len, out);
	sl_guard_free(copy, len);
	return rc;
}

/* ---- answers ---- */

#define ANSWER(message, choice, more)                                                             \
	"{\"model\":\"m-1\",\"choices\":[{\"index\":0,\"message\":{" message "}" choice "}]" more \
	"}"
#define SAYS(choice) ANSWER("\"role\":\"assistant\",\"content\":\"Hi\"", choice, "")
#define ENDS(reason) ",\"finish_reason\":\"" reason "\""
#define TEXT(t)	     "{\"type\":\"text\",\"citations\":null,\"text\":\"" t "\"}"
#define USED(in, read, out)                                              \
	"{\"input_tokens\":" in ",\"cache_creation_input_tokens\":null," \
	"\"cache_read_input_tokens\":" read ",\"output_tokens\":" out "}"
#define MESSAGE(content, stop, sequence, usage)                                             \
	"{\"id\":\"msg_1f\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\"," \
	"\"content\":[" content "],\"stop_reason\":\"" stop                                 \
	"\",\"stop_details\":null,\"container\":null,\"stop_sequence\":" sequence           \
	",\"usage\":" usage "}"
#define SAID(stop, sequence) MESSAGE(TEXT("Hi"), stop, sequence, USED("0", "null", "0"))
#define CALL(id, name, args)                                                                       \
	"{\"id\":" id ",\"type\":\"function\",\"function\":{\"name\":" name ",\"arguments\":" args \
	"}}"
#define CALLS(calls, reason) ANSWER("\"content\":null,\"tool_calls\":[" calls "]", ENDS(reason), "")
#define USE(id, name, input)                                                   \
	"{\"type\":\"tool_use\",\"caller\":{\"type\":\"direct\"},\"id\":\"" id \
	"\",\"name\":\"" name "\",\"input\":" input "}"
#define USES(content, stop) MESSAGE(content, stop, "null", USED("0", "null", "0"))

struct row {
	const char *what;
	const char *body;
	int rc;
	const char *message;
};

static const struct row rows[] = {
	{"stop", SAYS(ENDS("stop")), 0, SAID("end_turn", "null")},
	{"length", SAYS(ENDS("length")), 0, SAID("max_tokens", "null")},
	{"content_filter", SAYS(ENDS("content_filter")), 0, SAID("refusal", "null")},
	{"a stop sequence, as vLLM names it", SAYS(ENDS("stop") ",\"stop_reason\":\"E\\nND\""), 0,
	 SAID("stop_sequence", "\"E\\nND\"")},
	{"a stop sequence, as SGLang names it", SAYS(ENDS("stop") ",\"matched_stop\":\"END\""), 0,
	 SAID("stop_sequence", "\"END\"")},
	{"the model's own end token", SAYS(ENDS("stop") ",\"stop_reason\":128009"), 0,
	 SAID("end_turn", "null")},
	{"no reason", SAYS(""), 0, SAID("end_turn", "null")},
	{"a refusal", ANSWER("\"content\":null,\"refusal\":\"No.\"", ENDS("stop"), ""), 0,
	 USES(TEXT("No."), "refusal")},
	{"nothing said", ANSWER("\"content\":\"\"", ENDS("stop"), ""), 0, USES("", "end_turn")},
	{"reasoning is not shown",
	 ANSWER("\"reasoning_content\":\"hm\",\"content\":\"Hi\"", ENDS("stop"), ""), 0,
	 SAID("end_turn", "null")},
	{"usage",
	 ANSWER("\"content\":\"Hi\"", ENDS("stop"),
		",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}"),
	 0, MESSAGE(TEXT("Hi"), "end_turn", "null", USED("7", "null", "2"))},
	{"usage with a cache",
	 ANSWER("\"content\":\"Hi\"", ENDS("stop"),
		",\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,"
		"\"prompt_tokens_details\":{\"cached_tokens\":4}}"),
	 0, MESSAGE(TEXT("Hi"), "end_turn", "null", USED("3", "4", "2"))},
	{"a tool",
	 CALLS(CALL("\"a\"", "\"get\"", "\"{\\\"q\\\": \\\"\\u00e9\\\"}\""), "tool_calls"), 0,
	 USES(USE("a", "get", "{\"q\":\"\\u00e9\"}"), "tool_use")},
	{"tools in parallel, ended by stop",
	 CALLS(CALL("\"a\"", "\"get\"", "\"{}\"") "," CALL("\"b\"", "\"put\"", "\"\""), "stop"), 0,
	 USES(USE("a", "get", "{}") "," USE("b", "put", "{}"), "tool_use")},
	{"text before a tool",
	 ANSWER("\"content\":\"Hi\",\"tool_calls\":[" CALL("\"a\"", "\"t\"", "\"{}\"") "]",
		ENDS("tool_calls"), ""),
	 0, USES(TEXT("Hi") "," USE("a", "t", "{}"), "tool_use")},
	{"arguments as an object, no id", CALLS(CALL("null", "\"t\"", "{\"a\":1}"), "tool_calls"),
	 0, USES(USE("toolu_1f_0", "t", "{\"a\":1}"), "tool_use")},
	{"arguments that are no JSON", CALLS(CALL("\"a\"", "\"t\"", "\"{oops\""), "tool_calls"),
	 -EBADMSG, NULL},
	{"arguments that are no object", CALLS(CALL("\"a\"", "\"t\"", "\"[1]\""), "tool_calls"),
	 -EBADMSG, NULL},
	{"a call cut by max_tokens is left out",
	 CALLS(CALL("\"a\"", "\"t\"", "\"{}\"") "," CALL("\"b\"", "\"t\"", "\"{\\\"q\\\":\""),
	       "length"),
	 0, USES(USE("a", "t", "{}"), "max_tokens")},
	{"a call without a name", CALLS(CALL("\"a\"", "null", "\"{}\""), "tool_calls"), -EINVAL,
	 NULL},
	{"no choices", "{\"choices\":[]}", -EINVAL, NULL},
	{"no object", "[]", -EINVAL, NULL},
	{"an empty body", "", -EINVAL, NULL},
	{"no message", "{\"choices\":[{\"index\":0,\"text\":\"x\"}]}", -EINVAL, NULL},
	{"content that is no text", ANSWER("\"content\":7", ENDS("stop"), ""), -EINVAL, NULL},
	{"the other choice", "{\"choices\":[{\"index\":1,\"message\":{\"content\":\"x\"}}]}",
	 -EINVAL, NULL},
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *got, *wanted;
		struct sl_text out;
		int rc = translate(rows[i].body, strlen(rows[i].body), &out);

		if (rc != rows[i].rc)
			fail_msg("%s: %d", rows[i].what, rc);
		if (!rc) {
			got = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
			wanted = json_loads(rows[i].message, 0, NULL);
			assert_non_null(wanted);
			if (!got || !json_equal(got, wanted))
				fail_msg("%s: %s", rows[i].what, out.data);
			json_decref(got);
			json_decref(wanted);
		}
		sl_text_fini(&out);
	}
}

static void test_model_of_the_route(void **state)
{
	static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"x\"}}]}";
	struct sl_text out;

	(void)state;
	assert_int_equal(translate(body, sizeof(body) - 1, &out), 0);
	assert_non_null(strstr(out.data, "\"model\":\"route\""));
	sl_text_fini(&out);
}

/* Random changes: never a crash, and what passes is JSON with a stop reason. */
static void test_mutated(void **state)
{
	uint32_t seed = 7;
	size_t passed = 0;

	(void)state;
	for (size_t round = 0; round < 40000; round++) {
		static const char bytes[] = "{}[]\",:\\01ntx \n";
		const struct row *row = &rows[round % COUNT(rows)];
		size_t len = strlen(row->body);
		char *body = malloc(len + 1);
		struct sl_text out;

		memcpy(body, row->body, len);
		for (int i = 0; i < 2 && len; i++) {
			seed = seed * 1664525u + 1013904223u;
			body[(seed >> 8) % len] = bytes[(seed >> 24) % (sizeof(bytes) - 1)];
		}
		if (translate(body, len, &out) == 0) {
			json_t *root = json_loadb(out.data, out.len, 0, NULL);

			passed++;
			/* jansson refuses \u0000 where RFC 8259 does not */
			if (!root && !strstr(out.data, "\\u0000"))
				fail_msg("%.*s\nbecame %s", (int)len, body, out.data);
			json_decref(root);
		}
		sl_text_fini(&out);
		free(body);
	}
	assert_true(passed > 1000);
}

/* ---- errors ---- */

static void test_own_errors(void **state)
{
	static const struct {
		enum sl_openai_error_id id;
		int status;
		const char *type;
	} expected[] = {
		{SL_OPENAI_ERROR_VALUE, 400, "invalid_request_error"},
		{SL_OPENAI_ERROR_UNTRANSLATED, 400, "invalid_request_error"},
		{SL_OPENAI_ERROR_CONTEXT, 400, "invalid_request_error"},
		{SL_OPENAI_ERROR_KEY, 401, "authentication_error"},
		{SL_OPENAI_ERROR_FORBIDDEN, 403, "permission_error"},
		{SL_OPENAI_ERROR_MODEL, 404, "not_found_error"},
		{SL_OPENAI_ERROR_PATH, 404, "not_found_error"},
		{SL_OPENAI_ERROR_NO_COUNT, 404, "not_found_error"},
		{SL_OPENAI_ERROR_TOO_LARGE, 413, "request_too_large"},
		{SL_OPENAI_ERROR_RATE, 429, "rate_limit_error"},
		{SL_OPENAI_ERROR_INTERNAL, 500, "api_error"},
		{SL_OPENAI_ERROR_UPSTREAM, 500, "api_error"},
		{SL_OPENAI_ERROR_DEADLINE, 504, "timeout_error"},
		{SL_OPENAI_ERROR_OVERLOADED, 529, "overloaded_error"},
		{SL_OPENAI_ERROR_NO_NODE, 529, "overloaded_error"},
		{SL_OPENAI_ERROR_DRAINING, 529, "overloaded_error"},
	};
	char out[SL_ANTHROPIC_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct sl_openai_error error = {.id = expected[i].id, .object = "\"o\"\n"};
		int len = sl_anthropic_error_write(&error, NULL, out, sizeof(out));
		json_t *root = json_loadb(out, len > 0 ? (size_t)len : 0, 0, NULL);

		assert_non_null(root);
		assert_int_equal(sl_anthropic_error_status(expected[i].id), expected[i].status);
		assert_string_equal(json_string_value(json_object_get(root, "type")), "error");
		assert_string_equal(
			json_string_value(json_object_get(json_object_get(root, "error"), "type")),
			expected[i].type);
		assert_true(json_is_null(json_object_get(root, "request_id")));
		json_decref(root);
	}
}

/* Each error fits the room that callers have, with the longest object there can be. */
static void test_all_errors_fit(void **state)
{
	char out[SL_ANTHROPIC_ERROR_BYTES], object[2000], id[64];

	(void)state;
	memset(object, '"', sizeof(object) - 1);
	object[sizeof(object) - 1] = '\0';
	memset(id, 'x', sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	for (int e = SL_OPENAI_OK; e <= SL_OPENAI_ERROR_COUNT; e++) {
		struct sl_openai_error error = {.id = (enum sl_openai_error_id)e,
						.object = object,
						.detail = object,
						.param = object};

		assert_true(sl_anthropic_error_event_write(&error, id, out, sizeof(out)) > 0);
		assert_true(sl_anthropic_error_status(error.id) > 0);
	}
}

static void test_server_errors(void **state)
{
	static const struct {
		int status;
		const char *body;
		int wanted;
		const char *part;
	} expected[] = {
		{400, "{\"error\":{\"message\":\"bad \\\"x\\\"\"}}", 400,
		 "\"invalid_request_error\",\"message\":\"bad \\\"x\\\"\""},
		{400, "{\"error\":{\"message\":\"9 > 8\",\"code\":\"context_length_exceeded\"}}",
		 400, "\"message\":\"prompt is too long: 9 > 8\""},
		{422, "{\"detail\":\"no\"}", 400, "\"invalid_request_error\",\"message\":\"no\""},
		{401, "{\"message\":\"key\"}", 401, "\"authentication_error\""},
		{402, "{}", 402, "\"billing_error\""},
		{403, "{}", 403, "\"permission_error\""},
		{404, "{}", 404, "\"not_found_error\""},
		{413, "<html>", 413, "\"request_too_large\""},
		{429, "", 429, "\"rate_limit_error\""},
		{503, "{\"error\":\"busy\"}", 529, "\"overloaded_error\",\"message\":\"busy\""},
		{529, "{}", 529, "\"overloaded_error\""},
		{500, "{}", 500, "\"api_error\""},
		{501, "{}", 500, "\"api_error\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct sl_text out;
		json_t *root;

		sl_text_init(&out, 0);
		assert_int_equal(sl_anthropic_fault_write(expected[i].status, expected[i].body,
							  strlen(expected[i].body), "req_1", &out),
				 expected[i].wanted);
		root = json_loadb(out.data, out.len, 0, NULL);
		if (!root || !strstr(out.data, expected[i].part))
			fail_msg("%d: %s", expected[i].status, out.data);
		json_decref(root);
		sl_text_fini(&out);
	}
}

static void test_paths(void **state)
{
	(void)state;
	assert_true(sl_anthropic_path("/v1/messages", 12));
	assert_true(sl_anthropic_path("/v1/messages/count_tokens", 25));
	assert_false(sl_anthropic_path("/v1/messages", 11));
	assert_false(sl_anthropic_path("/v1/messagesX", 13));
	assert_false(sl_anthropic_path("/v1/chat/completions", 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),	       cmocka_unit_test(test_model_of_the_route),
		cmocka_unit_test(test_mutated),	       cmocka_unit_test(test_own_errors),
		cmocka_unit_test(test_all_errors_fit), cmocka_unit_test(test_server_errors),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
