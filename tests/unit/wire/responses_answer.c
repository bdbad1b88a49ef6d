/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole answers and servers' errors of the Responses API: text, calls, each way to end, usage, what
 * is no answer, and that whatever comes, what is written is valid JSON.
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
#include "user/wire/responses.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct sl_responses_names names = {"req_1f", "route", {",\"tools\":[]", 11}};

static int translate(const char *body, size_t len, struct sl_text *out)
{
	char *copy = sl_guard_copy(body, len);
	int rc;

	sl_text_init(out, 0);
	rc = sl_responses_answer_translate(&names, copy, len, out);
	sl_guard_free(copy, len);
	return rc;
}

#define ANSWER(message, choice, more)                                                       \
	"{\"model\":\"m-1\",\"created\":17,\"choices\":[{\"index\":0,\"message\":{" message \
	"}" choice "}]" more "}"
#define SAYS(choice) ANSWER("\"role\":\"assistant\",\"content\":\"Hi\"", choice, "")
#define ENDS(reason) ",\"finish_reason\":\"" reason "\""
#define CALL(id, name, args)                                                  \
	"{\"id\":" id ",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":" args "}}"
#define RESPONSE(status, output, details, usage)                                                  \
	"{\"id\":\"resp_1f\",\"object\":\"response\",\"created_at\":17,\"status\":\"" status      \
	"\",\"background\":false,\"store\":false,\"previous_response_id\":null,\"service_tier\":" \
	"\"default\",\"truncation\":\"disabled\",\"top_logprobs\":0,\"max_tool_calls\":null,"     \
	"\"model\":\"m-1\",\"tools\":[],\"error\":null,\"incomplete_details\":" details           \
	",\"output\":[" output "],\"usage\":" usage "}"
#define MESSAGE(n, status, part)                                             \
	"{\"id\":\"msg_1f_" n "\",\"type\":\"message\",\"status\":\"" status \
	"\",\"role\":\"assistant\",\"content\":[" part "]}"
#define TEXT(t) "{\"type\":\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":\"" t "\"}"
#define NO(t)	"{\"type\":\"refusal\",\"refusal\":\"" t "\"}"
#define USE(n, status, id, name, args)                                            \
	"{\"id\":\"fc_1f_" n "\",\"type\":\"function_call\",\"status\":\"" status \
	"\",\"call_id\":\"" id "\",\"name\":\"" name "\",\"arguments\":\"" args "\"}"
#define USED(in, cached, out, thought, total)                                                  \
	"{\"input_tokens\":" in ",\"input_tokens_details\":{\"cached_tokens\":" cached         \
	"},\"output_tokens\":" out ",\"output_tokens_details\":{\"reasoning_tokens\":" thought \
	"},\"total_tokens\":" total "}"
#define WHOLE(output) RESPONSE("completed", output, "null", "null")

static const struct {
	const char *what;
	const char *body;
	int rc;
	const char *response;
} rows[] = {
	{"text", SAYS(ENDS("stop")), 0, WHOLE(MESSAGE("0", "completed", TEXT("Hi")))},
	{"no reason", SAYS(""), 0, WHOLE(MESSAGE("0", "completed", TEXT("Hi")))},
	{"escapes stay", ANSWER("\"content\":\"a\\n\\u00e9\\\"\"", "", ""), 0,
	 WHOLE(MESSAGE("0", "completed", TEXT("a\\n\\u00e9\\\"")))},
	{"cut by max_output_tokens", SAYS(ENDS("length")), 0,
	 RESPONSE("incomplete", MESSAGE("0", "incomplete", TEXT("Hi")),
		  "{\"reason\":\"max_output_tokens\"}", "null")},
	{"filtered", SAYS(ENDS("content_filter")), 0,
	 RESPONSE("incomplete", MESSAGE("0", "incomplete", TEXT("Hi")),
		  "{\"reason\":\"content_filter\"}", "null")},
	{"nothing said", ANSWER("\"content\":null", ENDS("stop"), ""), 0, WHOLE("")},
	{"a refusal", ANSWER("\"content\":null,\"refusal\":\"No.\"", ENDS("stop"), ""), 0,
	 WHOLE(MESSAGE("0", "completed", NO("No.")))},
	{"thinking is not shown", ANSWER("\"reasoning_content\":\"hm\",\"content\":\"Hi\"", "", ""),
	 0, WHOLE(MESSAGE("0", "completed", TEXT("Hi")))},
	{"calls behind text, the last one cut",
	 ANSWER("\"content\":\"Hi\",\"tool_calls\":[" CALL(
			"\"a\"", "t", "\"{\\\"x\\\":1}\"") "," CALL("\"b\"", "u", "\"{\"") "]",
		ENDS("length"), ""),
	 0,
	 RESPONSE("incomplete",
		  MESSAGE("0", "completed", TEXT("Hi")) "," USE(
			  "1", "completed", "a", "t", "{\\\"x\\\":1}") "," USE("2", "incomplete",
									       "b", "u", "{"),
		  "{\"reason\":\"max_output_tokens\"}", "null")},
	{"arguments as an object, none, no id",
	 ANSWER("\"tool_calls\":[" CALL("\"a\"", "t", "{\"x\":\"y\"}") "," CALL("null", "u",
										"null") "]",
		ENDS("tool_calls"), ""),
	 0,
	 WHOLE(USE("0", "completed", "a", "t",
		   "{\\\"x\\\":\\\"y\\\"}") "," USE("1", "completed", "call_1f_1", "u", ""))},
	{"usage",
	 ANSWER("\"content\":\"Hi\"", "",
		",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4,\"total_tokens\":13,"
		"\"prompt_tokens_details\":{\"cached_tokens\":8},\"completion_tokens_details\":{"
		"\"reasoning_tokens\":3}}"),
	 0,
	 RESPONSE("completed", MESSAGE("0", "completed", TEXT("Hi")), "null",
		  USED("9", "8", "4", "3", "13"))},
	{"usage of a server that tells less",
	 ANSWER("\"content\":\"Hi\"", "",
		",\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":4}"),
	 0,
	 RESPONSE("completed", MESSAGE("0", "completed", TEXT("Hi")), "null",
		  USED("9", "0", "4", "0", "13"))},
	{"no choice", "{\"choices\":[]}", -EINVAL, NULL},
	{"another object", "{\"object\":\"text_completion\",\"choices\":[{\"text\":\"x\"}]}",
	 -EINVAL, NULL},
	{"parts", ANSWER("\"content\":[{\"type\":\"text\"}]", "", ""), -EINVAL, NULL},
	{"a call without a name", ANSWER("\"tool_calls\":[{\"id\":\"a\"}]", "", ""), -EINVAL, NULL},
	{"arguments of another kind",
	 ANSWER("\"tool_calls\":[" CALL("\"a\"", "t", "7") "]", "", ""), -EINVAL, NULL},
	{"no JSON", "<html>", -EINVAL, NULL},
};

static void test_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sl_text out;
		int rc = translate(rows[i].body, strlen(rows[i].body), &out);
		json_t *wanted = rows[i].response ? json_loads(rows[i].response, 0, NULL) : NULL;
		json_t *got;

		if (rc != rows[i].rc)
			fail_msg("%s: %d", rows[i].what, rc);
		if (rc) {
			sl_text_fini(&out);
			continue;
		}
		assert_non_null(wanted);
		got = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
		if (!got || !json_equal(got, wanted))
			fail_msg("%s: %s", rows[i].what, out.data);
		json_decref(got);
		json_decref(wanted);
		sl_text_fini(&out);
	}
}

static void test_model_of_the_route(void **state)
{
	static const char body[] = "{\"choices\":[{\"message\":{\"content\":\"a\"}}]}";
	struct sl_text out;

	(void)state;
	assert_int_equal(translate(body, strlen(body), &out), 0);
	assert_non_null(strstr(out.data, "\"model\":\"route\""));
	sl_text_fini(&out);
}

static void test_mutated(void **state)
{
	uint32_t seed = 5;

	(void)state;
	for (size_t round = 0; round < 40000; round++) {
		static const char bytes[] = "{}[]\",:\\01ntx \n";
		const char *row = rows[round % COUNT(rows)].body;
		size_t len = strlen(row);
		char *body = malloc(len + 1);
		struct sl_text out;

		memcpy(body, row, len);
		for (int i = 0; i < 2; i++) {
			seed = seed * 1664525u + 1013904223u;
			body[(seed >> 8) % len] = bytes[(seed >> 24) % (sizeof(bytes) - 1)];
		}
		if (!translate(body, len, &out) && sl_json_check(out.data, out.len, NULL))
			fail_msg("%.*s\nbecame %s", (int)len, body, out.data);
		sl_text_fini(&out);
		free(body);
	}
}

static void test_server_errors(void **state)
{
	static const struct {
		int status;
		const char *body;
		const char *wanted;
	} expected[] = {
		{400, "{\"error\":{\"message\":\"bad\",\"code\":7}}",
		 "{\"error\":{\"message\":\"bad\",\"code\":7}}"},
		{400, "{\"object\":\"error\",\"message\":\"no \\\"x\\\"\",\"code\":400}",
		 "{\"error\":{\"message\":\"no \\\"x\\\"\",\"type\":\"invalid_request_error\","
		 "\"param\":null,\"code\":\"invalid_request\"}}"},
		{400, "{\"message\":\"maximum context length is 8\"}",
		 "{\"error\":{\"message\":\"maximum context length is 8\",\"type\":"
		 "\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}}"},
		{503, "<html>",
		 "{\"error\":{\"message\":\"The server answered with an error and gave no "
		 "reason.\","
		 "\"type\":\"server_error\",\"param\":null,\"code\":\"overloaded\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		struct sl_text out;

		sl_text_init(&out, 0);
		sl_responses_fault_write(expected[i].status, expected[i].body,
					 strlen(expected[i].body), &out);
		assert_string_equal(out.data, expected[i].wanted);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_model_of_the_route),
		cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_server_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
