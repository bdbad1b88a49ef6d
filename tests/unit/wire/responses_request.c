/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of the Responses API: what each becomes, what is refused and by which name, what the
 * response repeats, and that whatever comes, the result is a valid chat request or a named error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "tests/unit/guard.h"
#include "user/wire/responses.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define WITH(more) "{\"model\":\"m\",\"input\":\"Hi\"," more "}"
#define ASK(...)   "{\"model\":\"m\",\"input\":[" __VA_ARGS__ "]}"
#define TOOL                                                                                      \
	"\"tools\":[{\"type\":\"function\",\"name\":\"t\",\"description\":\"d\",\"parameters\":{" \
	"\"type\":\"object\"},\"strict\":true}]"

struct done {
	enum sl_openai_error_id id;
	char param[SL_RESPONSES_PARAM_BYTES];
	struct sl_openai_error error;
	struct sl_text out, echo;
};

/* The body ends at a guard page. The caller frees by done_free. */
static void translate(const char *body, size_t len, struct done *done)
{
	char *copy = sl_guard_copy(body, len);

	memset(done, 0, sizeof(*done));
	sl_text_init(&done->out, 0);
	sl_text_init(&done->echo, 0);
	done->id = sl_responses_request_translate(copy, len, &done->out, &done->echo, done->param,
						  &done->error);
	sl_guard_free(copy, len);
}

static void done_free(struct done *done)
{
	sl_text_fini(&done->out);
	sl_text_fini(&done->echo);
}

/* ---- what becomes of a request ---- */

#define HI		     "{\"role\":\"user\",\"content\":\"Hi\"}"
#define CHAT(messages, more) "{\"model\":\"m\",\"messages\":[" messages "]" more "}"
#define FUNCTION(more)                                                                          \
	"\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\",\"description\":\"d\"," \
	"\"parameters\":{\"type\":\"object\"},\"strict\":true}}]" more
#define CALL(id, name, args)                                                      \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"" args "\"}}"
#define USE(id, name, args)                                                                      \
	"{\"type\":\"function_call\",\"id\":\"fc_1\",\"status\":\"completed\",\"call_id\":\"" id \
	"\",\"name\":\"" name "\",\"arguments\":\"" args "\",\"parsed_arguments\":null}"
#define RESULT(id, output) \
	"{\"type\":\"function_call_output\",\"call_id\":\"" id "\",\"output\":" output "}"
#define TOLD(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define THOUGHT	       "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}"
#define USER(parts)    "{\"type\":\"message\",\"role\":\"user\",\"content\":[" parts "]}"
#define IN(text)       "{\"type\":\"input_text\",\"text\":\"" text "\"}"
#define SAID(text)                                                                                \
	"{\"type\":\"message\",\"id\":\"msg_1\",\"role\":\"assistant\",\"status\":\"completed\"," \
	"\"content\":[{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[],"        \
	"\"parsed\":null}]}"
#define FORMAT(f) "\"text\":{\"format\":" f "}"

static const struct {
	const char *what;
	const char *body;
	const char *chat; /* compared as JSON */
} rows[] = {
	{"a string", "{\"model\":\"m\",\"input\":\"Hi\"}", CHAT(HI, "")},
	{"escapes stay", "{\"model\":\"\\u006d\",\"input\":\"a\\n\\\"b\\\" \\ud83d\\ude00\"}",
	 CHAT("{\"role\":\"user\",\"content\":\"a\\n\\\"b\\\" \\ud83d\\ude00\"}", "")},
	{"instructions", WITH("\"instructions\":\"Be kind.\""),
	 CHAT("{\"role\":\"system\",\"content\":\"Be kind.\"}," HI, "")},
	{"no instructions", WITH("\"instructions\":\"\""), CHAT(HI, "")},
	{"roles",
	 ASK("{\"role\":\"developer\",\"content\":\"d\"},{\"role\":\"system\",\"content\":[" IN(
		 "s") "," IN("t") "]}," HI),
	 CHAT("{\"role\":\"system\",\"content\":\"d\"},{\"role\":\"system\",\"content\":\"s\\nt\"}"
	      "," HI,
	      "")},
	{"a part alone is a string", ASK(USER(IN("Hi"))), CHAT(HI, "")},
	{"parts", ASK(USER(IN("a") "," IN("b"))),
	 CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":"
	      "\"text\",\"text\":\"b\"}]}",
	      "")},
	{"an image",
	 ASK(USER("{\"type\":\"input_image\",\"image_url\":\"data:x\",\"detail\":\"low\",\"file_"
		  "id\":null}")),
	 CHAT("{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
	      "\"data:x\",\"detail\":\"low\"}}]}",
	      "")},
	{"what an answer brought goes back", ASK(HI "," THOUGHT "," SAID("Yes.") "," HI),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"Yes.\"}," HI, "")},
	{"the assistant's word as a string, and a refusal",
	 ASK(HI ",{\"role\":\"assistant\",\"content\":\"a\"},{\"type\":\"message\",\"role\":"
		"\"assistant\",\"content\":[{\"type\":\"refusal\",\"refusal\":\"No.\"}]}"),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"a\\nNo.\"}", "")},
	{"a call and its output",
	 ASK(HI "," USE("c1", "t", "{\\\"a\\\":1}") "," RESULT("c1", "\"ok\"")),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" CALL(
		      "c1", "t", "{\\\"a\\\":1}") "]}," TOLD("c1", "ok"),
	      "")},
	{"text and calls in parallel, thinking between",
	 ASK(HI "," SAID("Look.") "," THOUGHT "," USE("c1", "t", "") "," THOUGHT "," USE(
		 "c2", "u", "{}") "," RESULT("c1", "[" IN("a") "," IN("b") "]") "," RESULT("c2",
											   "\"\"")),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"Look.\",\"tool_calls\":[" CALL(
		      "c1", "t", "") "," CALL("c2", "u",
					      "{}") "]}," TOLD("c1", "a\\nb") "," TOLD("c2", ""),
	      "")},
	{"text behind a call belongs to the same message",
	 ASK(HI "," USE("c1", "t", "") "," SAID("So.") "," RESULT("c1", "\"\"")),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"So.\",\"tool_calls\":[" CALL(
		      "c1", "t", "") "]}," TOLD("c1", ""),
	      "")},
	{"numbers",
	 WITH("\"max_output_tokens\":7,\"temperature\":0.5,\"top_p\":1,\"top_logprobs\":0"),
	 CHAT(HI, ",\"max_tokens\":7,\"temperature\":0.5,\"top_p\":1")},
	{"nulls",
	 WITH("\"max_output_tokens\":null,\"temperature\":null,\"tools\":null,\"text\":null,"
	      "\"previous_response_id\":null,\"conversation\":null,\"prompt\":null,\"background\":"
	      "null,\"store\":null,\"include\":null,\"reasoning\":null,\"user\":null,\"metadata\":"
	      "null,\"truncation\":null,\"service_tier\":null,\"stream\":null"),
	 CHAT(HI, "")},
	{"stream", WITH("\"stream\":true,\"stream_options\":{\"include_obfuscation\":false}"),
	 CHAT(HI, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}")},
	{"no stream", WITH("\"stream\":false"), CHAT(HI, "")},
	{"who asks", WITH("\"user\":\"u\",\"safety_identifier\":\"s\",\"metadata\":{\"a\":\"b\"}"),
	 CHAT(HI, ",\"user\":\"u\",\"safety_identifier\":\"s\"")},
	{"what changes nothing",
	 WITH("\"store\":true,\"background\":false,\"truncation\":\"disabled\",\"service_tier\":"
	      "\"auto\",\"max_tool_calls\":3,\"include\":[\"reasoning.encrypted_content\"]"),
	 CHAT(HI, "")},
	{"a stored prompt is for the gateway", WITH("\"prompt\":{\"id\":\"p\"}"),
	 CHAT(HI, ",\"prompt\":{\"id\":\"p\"}")},
	{"a stored prompt alone", "{\"model\":\"m\",\"prompt\":{\"id\":\"p\"}}",
	 CHAT("", ",\"prompt\":{\"id\":\"p\"}")},
	{"fields of the servers pass", WITH("\"seed\":1,\"min_p\":0.1,\"prompt_cache_key\":\"k\""),
	 CHAT(HI, ",\"seed\":1,\"min_p\":0.1,\"prompt_cache_key\":\"k\"")},
	{"tools", WITH(TOOL ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false"),
	 CHAT(HI, "," FUNCTION(",\"tool_choice\":\"required\",\"parallel_tool_calls\":false"))},
	{"a tool by name", WITH(TOOL ",\"tool_choice\":{\"type\":\"function\",\"name\":\"t\"}"),
	 CHAT(HI, "," FUNCTION(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"
			       "\"t\"}}"))},
	{"a bare tool",
	 WITH("\"tools\":[{\"type\":\"function\",\"name\":\"t\",\"parameters\":null,\"strict\":"
	      "null,\"description\":null}]"),
	 CHAT(HI, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]")},
	{"no tools to choose from",
	 WITH("\"tools\":[],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true"), CHAT(HI, "")},
	{"text", WITH(FORMAT("{\"type\":\"text\"}")), CHAT(HI, "")},
	{"any JSON", WITH(FORMAT("{\"type\":\"json_object\"}")),
	 CHAT(HI, ",\"response_format\":{\"type\":\"json_object\"}")},
	{"a schema",
	 WITH("\"text\":{\"verbosity\":\"low\",\"format\":{\"type\":\"json_schema\",\"name\":\"n\","
	      "\"schema\":{\"type\":\"object\"},\"strict\":true,\"description\":\"d\"}}"),
	 CHAT(HI, ",\"verbosity\":\"low\",\"response_format\":{\"type\":\"json_schema\",\"json_"
		  "schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\"},\"strict\":true,"
		  "\"description\":\"d\"}}")},
	{"reasoning", WITH("\"reasoning\":{\"effort\":\"low\",\"summary\":\"auto\"}"),
	 CHAT(HI, ",\"reasoning_effort\":\"low\"")},
};

static void test_translated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		json_t *wanted = json_loads(rows[i].chat, 0, NULL), *got;
		struct done done;

		assert_non_null(wanted);
		translate(rows[i].body, strlen(rows[i].body), &done);
		if (done.id)
			fail_msg("%s: refused: %s %s", rows[i].what, done.error.param,
				 done.error.object);
		got = json_loadb(done.out.data, done.out.len, JSON_REJECT_DUPLICATES, NULL);
		if (!got || !json_equal(got, wanted))
			fail_msg("%s: became %s", rows[i].what, done.out.data);
		json_decref(got);
		json_decref(wanted);
		done_free(&done);
	}
}

/* ---- what is refused ---- */

static const struct {
	const char *body;
	enum sl_openai_error_id id;
	const char *param;
} bad[] = {
	{"[]", SL_OPENAI_ERROR_JSON, NULL},
	{"{\"model\":\"m\",\"model\":\"n\",\"input\":\"x\"}", SL_OPENAI_ERROR_JSON, NULL},
	{"{\"input\":\"x\"}", SL_OPENAI_ERROR_MISSING, "model"},
	{"{\"model\":7,\"input\":\"x\"}", SL_OPENAI_ERROR_TYPE, "model"},
	{"{\"model\":\"m\"}", SL_OPENAI_ERROR_MISSING, "input"},
	{"{\"model\":\"m\",\"input\":{}}", SL_OPENAI_ERROR_TYPE, "input"},
	{ASK(), SL_OPENAI_ERROR_VALUE, "input"},
	{ASK(THOUGHT), SL_OPENAI_ERROR_VALUE, "input"},
	{ASK("7"), SL_OPENAI_ERROR_TYPE, "input[0]"},
	{ASK("{}"), SL_OPENAI_ERROR_VALUE, "input[0].role"},
	{ASK("{\"role\":\"user\",\"role\":\"user\",\"content\":\"\"}"), SL_OPENAI_ERROR_VALUE,
	 "input[0].role"},
	{ASK(HI ",{\"role\":\"tool\",\"content\":\"\"}"), SL_OPENAI_ERROR_VALUE, "input[1].role"},
	{ASK("{\"role\":\"user\"}"), SL_OPENAI_ERROR_TYPE, "input[0].content"},
	{ASK(USER("")), SL_OPENAI_ERROR_VALUE, "input[0].content"},
	{ASK(USER(IN("a") ",{\"type\":\"input_file\",\"file_id\":\"f\"}")),
	 SL_OPENAI_ERROR_UNTRANSLATED, "input[0].content[1].type"},
	{ASK(USER("{\"type\":\"input_image\",\"file_id\":\"f\"}")), SL_OPENAI_ERROR_UNTRANSLATED,
	 "input[0].content[0].image_url"},
	{ASK(USER("{\"type\":\"input_text\",\"text\":7}")), SL_OPENAI_ERROR_TYPE,
	 "input[0].content[0].text"},
	{ASK(USER("{\"text\":\"a\"}")), SL_OPENAI_ERROR_MISSING, "input[0].content[0].type"},
	{ASK("{\"role\":\"system\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"u\"}]}"),
	 SL_OPENAI_ERROR_UNTRANSLATED, "input[0].content[0].type"},
	{ASK("{\"type\":\"item_reference\",\"id\":\"msg_1\"}"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "input[0].type"},
	{ASK(HI ",{\"type\":\"web_search_call\",\"id\":\"w\"}"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "input[1].type"},
	{ASK(HI "," USE("c", "t", "")), SL_OPENAI_ERROR_VALUE, "input[1]"},
	{ASK(HI "," THOUGHT ",{\"type\":\"function_call\",\"name\":\"t\",\"arguments\":\"\"}"),
	 SL_OPENAI_ERROR_TYPE, "input[2].call_id"},
	{ASK("{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"t\",\"arguments\":{}}"),
	 SL_OPENAI_ERROR_TYPE, "input[0].arguments"},
	{ASK(RESULT("", "\"\"")), SL_OPENAI_ERROR_TYPE, "input[0].call_id"},
	{ASK(RESULT("c", "7")), SL_OPENAI_ERROR_TYPE, "input[0].output"},
	{ASK(RESULT("c", "[" IN("a") ",{\"type\":\"input_image\",\"image_url\":\"u\"}]")),
	 SL_OPENAI_ERROR_UNTRANSLATED, "input[0].output[1].type"},
	{WITH("\"instructions\":[]"), SL_OPENAI_ERROR_TYPE, "instructions"},
	{WITH("\"max_output_tokens\":0"), SL_OPENAI_ERROR_VALUE, "max_output_tokens"},
	{WITH("\"temperature\":\"x\""), SL_OPENAI_ERROR_VALUE, "temperature"},
	{WITH("\"top_p\":-1"), SL_OPENAI_ERROR_VALUE, "top_p"},
	{WITH("\"top_logprobs\":2"), SL_OPENAI_ERROR_UNTRANSLATED, "top_logprobs"},
	{WITH("\"stream\":1"), SL_OPENAI_ERROR_TYPE, "stream"},
	{WITH("\"previous_response_id\":\"resp_1\""), SL_OPENAI_ERROR_UNTRANSLATED,
	 "previous_response_id"},
	{WITH("\"conversation\":\"c\""), SL_OPENAI_ERROR_UNTRANSLATED, "conversation"},
	{WITH("\"prompt\":\"p\""), SL_OPENAI_ERROR_TYPE, "prompt"},
	{WITH("\"background\":true"), SL_OPENAI_ERROR_UNTRANSLATED, "background"},
	{WITH("\"store\":\"x\""), SL_OPENAI_ERROR_TYPE, "store"},
	{WITH("\"truncation\":\"auto\""), SL_OPENAI_ERROR_UNTRANSLATED, "truncation"},
	{WITH("\"service_tier\":\"flex\""), SL_OPENAI_ERROR_UNTRANSLATED, "service_tier"},
	{WITH("\"include\":[\"message.output_text.logprobs\"]"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "include"},
	{WITH("\"metadata\":7"), SL_OPENAI_ERROR_TYPE, "metadata"},
	{WITH("\"messages\":[]"), SL_OPENAI_ERROR_UNTRANSLATED, "messages"},
	{WITH("\"max_tokens\":5"), SL_OPENAI_ERROR_UNTRANSLATED, "max_tokens"},
	{WITH("\"\\u006e\":2"), SL_OPENAI_ERROR_UNTRANSLATED, "n"},
	{WITH("\"tools\":[{\"type\":\"web_search\"}]"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "tools[0].type"},
	{WITH("\"tools\":[{\"type\":\"custom\",\"name\":\"t\"}]"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "tools[0].type"},
	{WITH("\"tools\":[{\"name\":\"t\"}]"), SL_OPENAI_ERROR_MISSING, "tools[0].type"},
	{WITH("\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\"}}]"),
	 SL_OPENAI_ERROR_UNTRANSLATED, "tools[0].function"},
	{WITH("\"tools\":[{\"type\":\"function\",\"name\":\"\"}]"), SL_OPENAI_ERROR_TYPE,
	 "tools[0].name"},
	{WITH("\"tools\":{}"), SL_OPENAI_ERROR_TYPE, "tools"},
	{WITH("\"tool_choice\":\"required\""), SL_OPENAI_ERROR_VALUE, "tool_choice"},
	{WITH(TOOL ",\"tool_choice\":\"any\""), SL_OPENAI_ERROR_VALUE, "tool_choice"},
	{WITH(TOOL ",\"tool_choice\":{\"type\":\"file_search\"}"), SL_OPENAI_ERROR_UNTRANSLATED,
	 "tool_choice.type"},
	{WITH(TOOL ",\"tool_choice\":{\"type\":\"function\"}"), SL_OPENAI_ERROR_TYPE,
	 "tool_choice.name"},
	{WITH("\"parallel_tool_calls\":1"), SL_OPENAI_ERROR_TYPE, "parallel_tool_calls"},
	{WITH("\"text\":7"), SL_OPENAI_ERROR_TYPE, "text"},
	{WITH("\"text\":{\"color\":1}"), SL_OPENAI_ERROR_UNTRANSLATED, "text.color"},
	{WITH(FORMAT("{\"type\":\"grammar\"}")), SL_OPENAI_ERROR_VALUE, "text.format.type"},
	{WITH(FORMAT("{\"type\":\"json_schema\",\"schema\":{}}")), SL_OPENAI_ERROR_TYPE,
	 "text.format.name"},
	{WITH(FORMAT("{\"type\":\"json_schema\",\"name\":\"n\"}")), SL_OPENAI_ERROR_TYPE,
	 "text.format.schema"},
	{WITH("\"reasoning\":{\"budget\":1}"), SL_OPENAI_ERROR_UNTRANSLATED, "reasoning.budget"},
	{WITH("\"reasoning\":{\"effort\":1}"), SL_OPENAI_ERROR_TYPE, "reasoning.effort"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		char out[SL_OPENAI_ERROR_BYTES_MAX];
		struct done done;
		json_t *root;
		int len;

		translate(bad[i].body, strlen(bad[i].body), &done);
		if (done.id != bad[i].id || done.error.id != bad[i].id ||
		    (bad[i].param && strcmp(done.error.param, bad[i].param) != 0))
			fail_msg("%s: %d %s %s", bad[i].body, done.id,
				 done.error.param ? done.error.param : "-", done.error.object);
		len = sl_openai_error_write(&done.error, out, sizeof(out));
		assert_true(len > 0);
		root = json_loadb(out, (size_t)len, 0, NULL);
		assert_non_null(root);
		json_decref(root);
		done_free(&done);
	}
}

/* ---- what the response repeats ---- */

static void test_echo(void **state)
{
	static const char *const expected[][2] = {
		{"{\"model\":\"m\",\"input\":\"Hi\"}",
		 "{\"instructions\":null,\"max_output_tokens\":null,\"metadata\":{},\"parallel_"
		 "tool_"
		 "calls\":true,\"reasoning\":{\"effort\":null,\"summary\":null},\"safety_"
		 "identifier\":null,\"temperature\":null,\"text\":{\"format\":{\"type\":\"text\"}},"
		 "\"tool_choice\":\"auto\",\"tools\":[],\"top_p\":null,\"user\":null}"},
		{"{\"model\":\"m\",\r\n\"input\":\"Hi\",\"instructions\":\"a\\nb\",\"tools\":[\n{\r"
		 "\"type\":\"function\",\n\"name\":\"t\"}\n],\n\"metadata\":{\n\"k\":\"v\"},"
		 "\"max_output_tokens\":5,\"parallel_tool_calls\":false,\"temperature\":0,\"text\":"
		 "{"
		 "\n},\"tool_choice\":\"none\",\"top_p\":0.5,\"user\":\"u\",\"safety_identifier\":"
		 "\"s\",\"reasoning\":{\n\"effort\":\"low\"}}",
		 "{\"instructions\":\"a\\nb\",\"max_output_tokens\":5,\"metadata\":{\"k\":\"v\"},"
		 "\"parallel_tool_calls\":false,\"reasoning\":{\"effort\":\"low\"},\"safety_"
		 "identifier\":\"s\",\"temperature\":0,\"text\":{},\"tool_choice\":\"none\","
		 "\"tools\":[{\"type\":\"function\",\"name\":\"t\"}],\"top_p\":0.5,\"user\":"
		 "\"u\"}"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(expected); i++) {
		json_t *wanted = json_loads(expected[i][1], 0, NULL), *got;
		struct done done;
		char text[2048];

		translate(expected[i][0], strlen(expected[i][0]), &done);
		assert_int_equal(done.id, SL_OPENAI_OK);
		assert_int_equal(done.echo.data[0], ',');
		assert_null(strpbrk(done.echo.data, "\r\n")); /* it goes into a line of a stream */
		snprintf(text, sizeof(text), "{%s}", done.echo.data + 1);
		got = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
		if (!got || !json_equal(got, wanted))
			fail_msg("%s: %s", expected[i][0], text);
		json_decref(got);
		json_decref(wanted);
		done_free(&done);
	}
}

/* ---- whatever comes ---- */

/* What sl_openai_request_read looks at, and not the translation. */
static bool may_still_be_refused(const char *param)
{
	return param && (!strcmp(param, "model") || !strcmp(param, "user") ||
			 !strcmp(param, "safety_identifier") || !strcmp(param, "seed"));
}

/* Random changes of good requests: never a crash, and what passes is a valid chat request. */
static void test_mutated(void **state)
{
	uint32_t seed = 20250311;
	size_t passed = 0;

	(void)state;
	for (size_t round = 0; round < 60000; round++) {
		const char *row = rows[round % COUNT(rows)].body;
		size_t len = strlen(row);
		char *body = malloc(len + 1);
		struct done done;

		memcpy(body, row, len);
		for (int i = 0; i < 2; i++) {
			static const char bytes[] = "{}[]\",:\\01ntx \n";

			seed = seed * 1664525u + 1013904223u;
			if (seed & 1u << 30)
				body[(seed >> 8) % len] = bytes[(seed >> 24) % (sizeof(bytes) - 1)];
			else if ((seed >> 8) % len < len - 1)
				memmove(body + (seed >> 8) % len, body + (seed >> 8) % len + 1,
					len - 1 - (seed >> 8) % len),
					len--;
		}
		translate(body, len, &done);
		if (!done.id) {
			struct sl_openai_request facts;
			struct sl_openai_error error;
			enum sl_openai_error_id id = sl_openai_request_read(
				SL_OPENAI_CHAT, done.out.data, done.out.len, &facts, &error);

			passed++;
			if (id && !may_still_be_refused(error.param))
				fail_msg("%.*s\nbecame %s\nwhich is refused: %s %s", (int)len, body,
					 done.out.data, error.param, error.object);
			done.echo.data[0] = '{';
			sl_text_append_char(&done.echo, '}');
			if (sl_json_check(done.echo.data, done.echo.len, NULL))
				fail_msg("%.*s\nis repeated as %s", (int)len, body, done.echo.data);
		}
		done_free(&done);
		free(body);
	}
	assert_true(passed > 1000);
}

/* Every prefix of a request is refused, and never read past its end. */
static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t len = 0; len < strlen(rows[i].body); len++) {
			struct done done;

			translate(rows[i].body, len, &done);
			assert_int_equal(done.id, SL_OPENAI_ERROR_JSON);
			done_free(&done);
		}
}

static void test_no_room(void **state)
{
	struct sl_openai_error error;
	char param[SL_RESPONSES_PARAM_BYTES], room[2][1024];
	const char *body = rows[0].body;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sl_text out, echo;

		sl_text_init_fixed(&out, room[0], i ? sizeof(room[0]) : 20);
		sl_text_init_fixed(&echo, room[1], i ? 20 : sizeof(room[1]));
		assert_int_equal(sl_responses_request_translate(body, strlen(body), &out, &echo,
								param, &error),
				 SL_OPENAI_ERROR_INTERNAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translated), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_echo),	   cmocka_unit_test(test_mutated),
		cmocka_unit_test(test_cut),	   cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
