/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chat completions for servers of the Messages API: what each becomes, what cannot be said and by which
 * name, and that whatever comes, the result is a valid request or a named error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "tests/unit/guard.h"
#include "user/wire/messages.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define HI	   "{\"role\":\"user\",\"content\":\"Hi\"}"
#define ASK(...)   "{\"model\":\"m\",\"messages\":[" __VA_ARGS__ "]}"
#define WITH(more) "{\"model\":\"m\",\"messages\":[" HI "]," more "}"
#define SENT	   "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"Hi\"}]}"
#define TEXT(t)	   "{\"type\":\"text\",\"text\":\"" t "\"}"
#define TOLD(...)  "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[" __VA_ARGS__ "]}"
#define SAID(more) "{\"model\":\"m\",\"max_tokens\":50,\"messages\":[" SENT "]," more "}"
#define FUNCTION   "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]"
#define TOOL	   "\"tools\":[{\"name\":\"t\",\"input_schema\":{\"type\":\"object\",\"properties\":{}}}]"
#define CALL(id, args)                                                           \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"t\"," \
	"\"arguments\":" args "}}"
#define CALLS(calls) "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" calls "]}"
#define USE(id, input) \
	"{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"t\",\"input\":" input "}"
#define USES(uses)  "{\"role\":\"assistant\",\"content\":[" uses "]}"
#define USER(parts) "{\"role\":\"user\",\"content\":[" parts "]}"
#define IMAGE(url)  "{\"type\":\"image_url\",\"image_url\":{\"url\":\"" url "\"}}"

static const struct {
	const char *what;
	const char *chat;
	const char *message; /* compared as JSON */
} rows[] = {
	{"a word", ASK(HI), TOLD(SENT)},
	{"escapes stay", ASK("{\"role\":\"user\",\"content\":\"a\\n\\\"\\u00e9\"}"),
	 TOLD(USER(TEXT("a\\n\\\"\\u00e9")))},
	{"bounds", WITH("\"max_tokens\":7"),
	 "{\"model\":\"m\",\"max_tokens\":7,\"messages\":[" SENT "]}"},
	{"the newer bound goes first", WITH("\"max_tokens\":7,\"max_completion_tokens\":9"),
	 "{\"model\":\"m\",\"max_tokens\":9,\"messages\":[" SENT "]}"},
	{"sampling", WITH("\"temperature\":0.5,\"top_p\":0.9,\"top_k\":40"),
	 SAID("\"temperature\":0.5,\"top_k\":40")},
	{"the highest temperature", WITH("\"temperature\":1.5"), SAID("\"temperature\":1")},
	{"top_p alone", WITH("\"top_p\":0.9"), SAID("\"top_p\":0.9")},
	{"numbers that say nothing", WITH("\"top_p\":1,\"top_k\":-1,\"n\":1"), TOLD(SENT)},
	{"stop", WITH("\"stop\":\"END\""), SAID("\"stop_sequences\":[\"END\"]")},
	{"stops", WITH("\"stop\":[\"a\",\"\\nb\"]"), SAID("\"stop_sequences\":[\"a\",\"\\nb\"]")},
	{"no stop", WITH("\"stop\":null,\"stop\\u0032\":1"), TOLD(SENT)},
	{"a stream", WITH("\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
	 SAID("\"stream\":true")},
	{"who asks", WITH("\"user\":\"u\",\"safety_identifier\":\"s\""),
	 SAID("\"metadata\":{\"user_id\":\"s\"}")},
	{"left out",
	 WITH("\"seed\":1,\"presence_penalty\":1,\"logprobs\":false,\"logit_bias\":{},\"store\":"
	      "true,\"min_p\":0.1,\"modalities\":[\"text\"],\"metadata\":{\"a\":\"b\"},"
	      "\"continue_final_message\":true,\"add_generation_prompt\":false"),
	 TOLD(SENT)},
	{"a schema",
	 WITH("\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\","
	      "\"schema\":{\"type\":\"object\"}}},\"reasoning_effort\":\"low\""),
	 SAID("\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":"
	      "\"object\"}},\"effort\":\"low\"}")},
	{"effort", WITH("\"reasoning_effort\":\"high\",\"response_format\":{\"type\":\"text\"}"),
	 SAID("\"output_config\":{\"effort\":\"high\"}")},
	{"no effort", WITH("\"reasoning_effort\":\"none\""), TOLD(SENT)},
	{"system messages, wherever they stand",
	 ASK("{\"role\":\"system\",\"content\":\"a\"}," HI
	     ",{\"role\":\"developer\",\"content\":[" TEXT("b") "," TEXT(" \\n") "]}"),
	 "{\"model\":\"m\",\"max_tokens\":50,\"system\":[" TEXT("a") "," TEXT(
		 "b") "],\"messages\":[" SENT "]}"},
	{"blank texts are left out",
	 ASK("{\"role\":\"system\",\"content\":\" \"}," HI
	     ",{\"role\":\"assistant\",\"content\":\"\\n\\t\"}," HI),
	 TOLD(USER(TEXT("Hi") "," TEXT("Hi")))},
	{"turns alternate",
	 ASK(HI "," HI ",{\"role\":\"assistant\",\"content\":\"a\"},"
		"{\"role\":\"assistant\",\"content\":[" TEXT("b") "]}," HI),
	 TOLD(USER(TEXT("Hi") "," TEXT("Hi")) ",{\"role\":\"assistant\",\"content\":[" TEXT(
		 "a") "," TEXT("b") "]}," SENT)},
	{"a refusal of before",
	 ASK(HI ",{\"role\":\"assistant\",\"content\":null,\"refusal\":\"No.\"}," HI),
	 TOLD(SENT ",{\"role\":\"assistant\",\"content\":[" TEXT("No.") "]}," SENT)},
	{"images",
	 ASK(USER(IMAGE("https://x/a\\\"b.png") "," IMAGE("data:image/png;base64,iV/+=") "," IMAGE(
		 "data:image\\/png;base64,a\\/b"))),
	 TOLD(USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"https://x/a\\\"b."
		   "png\"}},{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
		   "\"image/png\",\"data\":\"iV/+=\"}},{\"type\":\"image\",\"source\":{\"type\":"
		   "\"base64\",\"media_type\":\"image/png\",\"data\":\"a/b\"}}"))},
	{"tools",
	 WITH("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\",\"description\":"
	      "\"d\","
	      "\"strict\":true,\"parameters\":{\"type\":\"object\"}}},{\"type\":\"function\","
	      "\"function\":{\"name\":\"u\",\"parameters\":{\"properties\":{}}}}]"),
	 SAID("\"tools\":[{\"name\":\"t\",\"description\":\"d\",\"strict\":true,\"input_schema\":{"
	      "\"type\":\"object\"}},{\"name\":\"u\",\"input_schema\":{\"type\":\"object\","
	      "\"properties\":{}}}]")},
	{"any tool, one at a time",
	 WITH(FUNCTION ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false"),
	 SAID(TOOL ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}")},
	{"one at a time", WITH(FUNCTION ",\"parallel_tool_calls\":false"),
	 SAID(TOOL ",\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}")},
	{"no tool", WITH(FUNCTION ",\"tool_choice\":\"none\",\"parallel_tool_calls\":false"),
	 SAID(TOOL ",\"tool_choice\":{\"type\":\"none\"}")},
	{"this tool",
	 WITH(FUNCTION ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"t\"}}"),
	 SAID(TOOL ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"t\"}")},
	{"a choice without tools", WITH("\"tool_choice\":\"auto\",\"tools\":[]"), TOLD(SENT)},
	{"calls and their results",
	 ASK(HI
	     "," CALLS(CALL("c.1", "\"{\\\"a\\\":\\\"\\\\n\\\"}\"") "," CALL("c2", "\"\"") "," CALL(
		     "c3",
		     "{\"b\":1}")) ",{\"role\":\"tool\",\"tool_call_id\":\"c.1\",\"content\":\"x\"}"
				   ","
				   "{\"role\":\"tool\",\"tool_call_id\":\"c2\",\"content\":[" TEXT(
					   "y") "]},{\"role\":\"tool\",\"tool_call_id\":\"c3\","
						"\"content\":\"\"}," HI),
	 TOLD(SENT "," USES(USE("c_1", "{\"a\":\"\\n\"}") "," USE("c2", "{}") "," USE(
		 "c3",
		 "{\"b\":1}")) "," USER("{\"type\":\"tool_result\",\"tool_use_id\":\"c_1\","
					"\"content\":\"x\"},{\"type\":\"tool_result\",\"tool_use_"
					"id\":\"c2\",\"content\":[" TEXT(
						"y") "]},{\"type\":\"tool_result\",\"tool_use_id\":"
						     "\"c3\"}," TEXT("Hi")))},
	{"a beginning to go on with", ASK(HI ",{\"role\":\"assistant\",\"content\":\"One\"}"),
	 TOLD(SENT ",{\"role\":\"assistant\",\"content\":[" TEXT("One") "]}")},
};

static enum sl_openai_error_id translate(const char *chat, struct sl_text *out, char *param,
					 struct sl_openai_error *error)
{
	const struct sl_messages_terms terms = {.max_tokens = 50};
	size_t len = strlen(chat);
	char *copy = sl_guard_copy(chat, len);
	struct sl_openai_request request;
	enum sl_openai_error_id id;

	sl_text_init(out, 0);
	param[0] = '\0';
	if (sl_openai_request_read(SL_OPENAI_CHAT, copy, len, &request, error))
		fail_msg("not a chat completion: %s", chat);
	id = sl_messages_request_write(&request, &terms, out, param, error);
	sl_guard_free(copy, len);
	return id;
}

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char param[SL_PLACE_PARAM_BYTES];
		struct sl_openai_error error;
		struct sl_text out;
		enum sl_openai_error_id id = translate(rows[i].chat, &out, param, &error);
		json_t *got =
			json_loadb(sl_text_string(&out), out.len, JSON_REJECT_DUPLICATES, NULL);
		json_t *wanted = json_loads(rows[i].message, 0, NULL);

		if (!wanted)
			fail_msg("%s: wrong row", rows[i].what);
		if (id || !got || !json_equal(got, wanted))
			fail_msg("%s: %d %s: %s", rows[i].what, id, param, sl_text_string(&out));
		json_decref(got);
		json_decref(wanted);
		sl_text_fini(&out);
	}
}

static void test_model(void **unused)
{
	const struct sl_messages_terms terms = {"\"other\"", 7, 50};
	static const char chat[] = ASK(HI);
	char param[SL_PLACE_PARAM_BYTES];
	struct sl_openai_request request;
	struct sl_openai_error error;
	struct sl_text out;

	(void)unused;
	sl_text_init(&out, 0);
	assert_int_equal(
		sl_openai_request_read(SL_OPENAI_CHAT, chat, sizeof(chat) - 1, &request, &error),
		0);
	assert_int_equal(sl_messages_request_write(&request, &terms, &out, param, &error), 0);
	assert_non_null(strstr(out.data, "\"model\":\"other\""));
	sl_text_fini(&out);
}

static const struct {
	const char *chat;
	enum sl_openai_error_id id;
	const char *param;
} refused[] = {
	{WITH("\"n\":2"), SL_OPENAI_ERROR_UNTRANSLATED, "n"},
	{WITH("\"logprobs\":true"), SL_OPENAI_ERROR_UNTRANSLATED, "logprobs"},
	{WITH("\"top_logprobs\":2"), SL_OPENAI_ERROR_UNTRANSLATED, "top_logprobs"},
	{WITH("\"logit_bias\":{\"5\":-100}"), SL_OPENAI_ERROR_UNTRANSLATED, "logit_bias"},
	{WITH("\"functions\":[{\"name\":\"f\"}]"), SL_OPENAI_ERROR_UNTRANSLATED, "functions"},
	{WITH("\"modalities\":[\"text\",\"audio\"]"), SL_OPENAI_ERROR_UNTRANSLATED, "modalities"},
	{WITH("\"guided_json\":{\"type\":\"object\"}"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "guided_json"},
	{WITH("\"response_format\":{\"type\":\"json_object\"}"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "response_format.type"},
	{WITH("\"response_format\":{\"type\":\"json_schema\"}"), SL_OPENAI_ERROR_TYPE,
	 "response_format.json_schema.schema"},
	{WITH("\"reasoning_effort\":\"ultra\""), SL_OPENAI_ERROR_UNTRANSLATED, "reasoning_effort"},
	{WITH("\"stop\":[\"a\",\"\\n \"]"), SL_OPENAI_ERROR_UNTRANSLATED, "stop"},
	{WITH("\"stop\":7"), SL_OPENAI_ERROR_TYPE, "stop"},
	{WITH("\"tools\":[{\"type\":\"custom\"}]"), SL_OPENAI_ERROR_UNTRANSLATED, "tools[0].type"},
	{WITH("\"tools\":[{\"type\":\"function\"}]"), SL_OPENAI_ERROR_TYPE,
	 "tools[0].function.name"},
	{WITH(FUNCTION ",\"tool_choice\":{\"type\":\"allowed_tools\"}"),
	 SL_OPENAI_ERROR_UNTRANSLATED, "tool_choice"},
	{ASK(USER("{\"type\":\"input_audio\"}")), SL_OPENAI_ERROR_UNTRANSLATED,
	 "messages[0].content[0].type"},
	{ASK(HI "," USER(TEXT("a") "," IMAGE("data:image/png,x"))), SL_OPENAI_ERROR_UNTRANSLATED,
	 "messages[1].content[1].image_url.url"},
	{ASK(HI "," CALLS(CALL("c", "\"{oops\""))), SL_OPENAI_ERROR_VALUE,
	 "messages[1].tool_calls[0].function.arguments"},
	{ASK(HI "," CALLS(CALL("c", "\"[1]\""))), SL_OPENAI_ERROR_VALUE,
	 "messages[1].tool_calls[0].function.arguments"},
	{ASK(HI ",{\"role\":\"function\",\"name\":\"f\",\"content\":\"x\"}"),
	 SL_OPENAI_ERROR_UNTRANSLATED, "messages[1].role"},
	{ASK(HI ",{\"role\":\"assistant\",\"function_call\":{\"name\":\"f\"}}"),
	 SL_OPENAI_ERROR_UNTRANSLATED, "messages[1].function_call"},
	{ASK(HI ",{\"role\":\"tool\",\"content\":\"x\"}"), SL_OPENAI_ERROR_TYPE,
	 "messages[1].tool_call_id"},
	{ASK(HI ",7"), SL_OPENAI_ERROR_TYPE, "messages[1]"},
};

static void test_refused(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < COUNT(refused); i++) {
		char param[SL_PLACE_PARAM_BYTES];
		struct sl_openai_error error;
		struct sl_text out;
		enum sl_openai_error_id id = translate(refused[i].chat, &out, param, &error);

		if (id != refused[i].id || strcmp(param, refused[i].param) != 0 ||
		    error.param != param || error.id != id)
			fail_msg("%s: %d '%s'", refused[i].chat, id, param);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
