/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole messages as chat completions, errors of the Messages API in OpenAI's shape, and what they mean
 * for retry, fallback and breaker.
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
#include "user/wire/messages.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MESSAGE(content, end)                                                                 \
	"{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m-1\","    \
	"\"content\":[" content "]," end ",\"usage\":{\"input_tokens\":7,\"cache_read_input_" \
	"tokens\":3,\"output_tokens\":9}}"
#define END(reason) "\"stop_reason\":\"" reason "\",\"stop_sequence\":null"
#define TEXT(t)	    "{\"type\":\"text\",\"text\":\"" t "\",\"citations\":null}"
#define USE(id, name, input) \
	"{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":" input "}"
#define CHAT(message, end)                                                                        \
	"{\"id\":\"chatcmpl-msg_1\",\"object\":\"chat.completion\",\"created\":5,\"model\":\"m-"  \
	"1\","                                                                                    \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"refusal\":null," message \
	"},\"logprobs\":null," end "}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":9,"  \
	"\"total_tokens\":19,\"prompt_tokens_details\":{\"cached_tokens\":3}}}"
#define FINISH(reason) "\"finish_reason\":\"" reason "\""
#define CALL(id, name, args)                                                      \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"" args "\"}}"

static const struct sl_messages_names names = {.created_s = 5};

static const struct {
	const char *what;
	const char *message;
	const char *chat; /* compared as JSON; NULL: refused */
	bool refused;
} rows[] = {
	{"text", MESSAGE(TEXT("a\\n\\\"b\\\""), END("end_turn")),
	 CHAT("\"content\":\"a\\n\\\"b\\\"\"", FINISH("stop")), false},
	{"two texts", MESSAGE(TEXT("a") "," TEXT("b"), END("max_tokens")),
	 CHAT("\"content\":\"ab\"", FINISH("length")), false},
	{"the context is full", MESSAGE(TEXT("a"), END("model_context_window_exceeded")),
	 CHAT("\"content\":\"a\"", FINISH("length")), false},
	{"tools",
	 MESSAGE(TEXT("L") "," USE("t1", "get", "{\"q\": \"\\u00e9\"}") "," USE("t2", "now", "{}"),
		 END("tool_use")),
	 CHAT("\"content\":\"L\",\"tool_calls\":[" CALL(
		      "t1", "get", "{\\\"q\\\": \\\"\\\\u00e9\\\"}") "," CALL("t2", "now",
									      "{}") "]",
	      FINISH("tool_calls")),
	 false},
	{"a tool alone", MESSAGE(USE("t1", "now", "{}"), END("tool_use")),
	 CHAT("\"content\":null,\"tool_calls\":[" CALL("t1", "now", "{}") "]",
	      FINISH("tool_calls")),
	 false},
	{"thoughts",
	 MESSAGE("{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"},{\"type\":"
		 "\"redacted_thinking\",\"data\":\"x\"}," TEXT("a"),
		 END("end_turn")),
	 CHAT("\"content\":\"a\",\"reasoning_content\":\"hm\"", FINISH("stop")), false},
	{"a stop sequence",
	 MESSAGE(TEXT("a"), "\"stop_reason\":\"stop_sequence\",\"stop_sequence\":\"E\\nND\""),
	 CHAT("\"content\":\"a\"", FINISH("stop") ",\"stop_reason\":\"E\\nND\""), false},
	{"a refusal", MESSAGE("", END("refusal")),
	 CHAT("\"content\":null", FINISH("content_filter")), true},
	{"a reason that is new", MESSAGE(TEXT("a"), END("whatever")),
	 CHAT("\"content\":\"a\"", FINISH("stop")), false},
	{"not over", MESSAGE(TEXT("a"), "\"stop_reason\":null"), NULL, false},
	{"no message", "{\"type\":\"error\",\"error\":{}}", NULL, false},
	{"a completion", "{\"type\":\"completion\",\"completion\":\"a\"}", NULL, false},
	{"no JSON", "<html>", NULL, false},
	{"a block that is none", MESSAGE("1", END("end_turn")), NULL, false},
	{"a call without a name", MESSAGE("{\"type\":\"tool_use\",\"id\":\"t\"}", END("tool_use")),
	 NULL, false},
	{"a call without an object", MESSAGE(USE("t", "n", "[1]"), END("tool_use")), NULL, false},
};

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].message);
		char *copy = sl_guard_copy(rows[i].message, len);
		bool refused = false, told = false;
		json_t *got, *wanted;
		struct sl_text out;
		int rc;

		sl_text_init(&out, 0);
		rc = sl_messages_answer_read(&names, copy, len, &out, &refused);
		if (!rows[i].chat) {
			if (rc != -EINVAL)
				fail_msg("%s: %d", rows[i].what, rc);
		} else {
			got = json_loadb(sl_text_string(&out), out.len, JSON_REJECT_DUPLICATES,
					 NULL);
			wanted = json_loads(rows[i].chat, 0, NULL);
			assert_non_null(wanted);
			if (rc || !got || !json_equal(got, wanted) || refused != rows[i].refused)
				fail_msg("%s: %d %s", rows[i].what, rc, sl_text_string(&out));
			json_decref(got);
			json_decref(wanted);
			assert_int_equal(sl_messages_answer_check(copy, len, &told), 0);
			assert_int_equal(told, rows[i].refused);
		}
		sl_text_fini(&out);
		sl_guard_free(copy, len);
	}
}

static void test_usage(void **unused)
{
	static const char body[] = MESSAGE(TEXT("a"), END("end_turn"));
	static const char error[] = "{\"type\":\"error\"}";
	struct sl_messages_usage usage;

	(void)unused;
	assert_int_equal(sl_messages_usage_of(body, sizeof(body) - 1, &usage), 0);
	assert_int_equal(usage.input, 7);
	assert_int_equal(usage.cache_write, -1);
	assert_int_equal(usage.cache_read, 3);
	assert_int_equal(sl_messages_usage_total(&usage), 19);
	assert_int_equal(sl_messages_usage_of(error, sizeof(error) - 1, &usage), -ENOENT);
}

#define ERROR(type, words) \
	"{\"type\":\"error\",\"error\":{\"type\":\"" type "\",\"message\":\"" words "\"}}"

static const struct {
	const char *what;
	int status;
	const char *body;
	enum sl_openai_fault fault;
	int told; /* status */
	const char *code;
} errors[] = {
	{"overloaded", 529, ERROR("overloaded_error", "Overloaded"), SL_OPENAI_FAULT_OVERLOADED,
	 503, "server_is_overloaded"},
	{"overloaded, in a stream", 0, ERROR("overloaded_error", "Overloaded"),
	 SL_OPENAI_FAULT_OVERLOADED, 0, "server_is_overloaded"},
	{"rate", 429, ERROR("rate_limit_error", "x"), SL_OPENAI_FAULT_RATE, 429,
	 "rate_limit_exceeded"},
	{"key", 401, ERROR("authentication_error", "x"), SL_OPENAI_FAULT_AUTH, 401,
	 "invalid_api_key"},
	{"permission", 403, ERROR("permission_error", "x"), SL_OPENAI_FAULT_AUTH, 403,
	 "invalid_api_key"},
	{"no model", 404, ERROR("not_found_error", "model: x"), SL_OPENAI_FAULT_MODEL, 404,
	 "model_not_found"},
	{"too long", 400,
	 ERROR("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
	 SL_OPENAI_FAULT_CONTEXT_LENGTH, 400, "context_length_exceeded"},
	{"too long with the answer", 400,
	 ERROR("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + "
					"2 > 2, decrease input length or `max_tokens`"),
	 SL_OPENAI_FAULT_CONTEXT_LENGTH, 400, "context_length_exceeded"},
	{"policy", 400,
	 ERROR("invalid_request_error", "Output blocked by content filtering policy"),
	 SL_OPENAI_FAULT_CONTENT_POLICY, 400, "content_policy_violation"},
	{"credit", 400,
	 ERROR("invalid_request_error", "Your credit balance is too low to access the API"),
	 SL_OPENAI_FAULT_QUOTA, 400, "insufficient_quota"},
	{"spent", 429,
	 "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"x\","
	 "\"details\":{\"error_code\":\"enforced_spend_limit_reached\"}}}",
	 SL_OPENAI_FAULT_QUOTA, 429, "insufficient_quota"},
	{"billing", 402, ERROR("billing_error", "x"), SL_OPENAI_FAULT_QUOTA, 402,
	 "insufficient_quota"},
	{"invalid", 400, ERROR("invalid_request_error", "x"), SL_OPENAI_FAULT_INVALID, 400, NULL},
	{"large", 413, ERROR("request_too_large", "x"), SL_OPENAI_FAULT_INVALID, 413, NULL},
	{"server", 500, ERROR("api_error", "x"), SL_OPENAI_FAULT_SERVER, 500, NULL},
	{"server, in a stream", 0, ERROR("api_error", "x"), SL_OPENAI_FAULT_SERVER, 0, NULL},
	{"time", 0, ERROR("timeout_error", "x"), SL_OPENAI_FAULT_SERVER, 0, NULL},
	{"no JSON", 500, "oops", SL_OPENAI_FAULT_SERVER, 500, NULL},
};

static void test_errors(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(errors); i++) {
		size_t len = strlen(errors[i].body);
		enum sl_openai_fault fault =
			sl_openai_fault_read(errors[i].status, errors[i].body, len, NULL);
		struct sl_text out;
		json_t *told, *code;
		int status;

		if (fault != errors[i].fault)
			fail_msg("%s: %s", errors[i].what, sl_openai_fault_name(fault));
		sl_text_init(&out, 0);
		status = sl_messages_fault_write(errors[i].status, errors[i].body, len, &out);
		told = json_loadb(sl_text_string(&out), out.len, 0, NULL);
		code = json_object_get(json_object_get(told, "error"), "code");
		if (status != errors[i].told ||
		    (errors[i].code ? !json_is_string(code) ||
					      strcmp(json_string_value(code), errors[i].code) != 0
				    : !json_is_null(code)))
			fail_msg("%s: %d %s", errors[i].what, status, sl_text_string(&out));
		json_decref(told);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_usage),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
