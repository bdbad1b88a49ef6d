/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests of the Messages API: what each becomes, what is refused and by which name, and that
 * whatever comes, the result is a valid chat request or a named error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>

#include "tests/unit/guard.h"
#include "user/wire/anthropic.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HI	 "{\"role\":\"user\",\"content\":\"Hi\"}"
#define HEAD	 "{\"model\":\"m\",\"max_tokens\":9,"
#define ASK(...) HEAD "\"messages\":[" __VA_ARGS__ "]}"
#define WITH(f)	 HEAD f ",\"messages\":[" HI "]}"
#define TOOL	 "\"tools\":[{\"name\":\"t\",\"input_schema\":{\"type\":\"object\"}}]"

struct done {
	enum sl_openai_error_id id;
	char param[SL_ANTHROPIC_PARAM_BYTES];
	struct sl_openai_error error;
	struct sl_text out;
};

/* The body ends at a guard page. The caller frees done->out. */
static void translate(const char *body, size_t len, struct done *done)
{
	char *copy = sl_guard_copy(body, len);

	memset(done, 0, sizeof(*done));
	sl_text_init(&done->out, 0);
	done->id = sl_anthropic_request_translate(copy, len, &done->out, done->param, &done->error);
	sl_guard_free(copy, len);
}

/* ---- what becomes of a request ---- */

struct row {
	const char *what;
	const char *body;
	const char *chat; /* compared as JSON */
};

#define CHAT(messages, more) \
	"{\"model\":\"m\",\"messages\":[" messages "],\"max_tokens\":9" more "}"
#define CALLS(...) "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" __VA_ARGS__ "]}"
#define CALL(id, name, args)                                                      \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"" args "\"}}"
#define USE(id, name, input) \
	"{\"type\":\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":" input "}"
#define RESULT(id, more) "{\"type\":\"tool_result\",\"tool_use_id\":\"" id "\"" more "}"
#define USER(blocks)	 "{\"role\":\"user\",\"content\":[" blocks "]}"
#define AGENT(blocks)	 "{\"role\":\"assistant\",\"content\":[" blocks "]}"
#define TEXT(t)		 "{\"type\":\"text\",\"text\":\"" t "\"}"
#define TOLD(id, text)	 "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"

static const struct row rows[] = {
	{"a string", ASK(HI), CHAT(HI, "")},
	{"one text block is a string", ASK(USER(TEXT("a\\n\\u00e9\\\"b"))),
	 CHAT("{\"role\":\"user\",\"content\":\"a\\n\\u00e9\\\"b\"}", "")},
	{"two text blocks are parts", ASK(USER(TEXT("a") "," TEXT("b"))),
	 CHAT(USER(TEXT("a") "," TEXT("b")), "")},
	{"an image in base64",
	 ASK(USER("{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":"
		  "\"image/png\",\"data\":\"iVBO+/=\"}}," TEXT("what"))),
	 CHAT(USER("{\"type\":\"image_url\",\"image_url\":{\"url\":"
		   "\"data:image/png;base64,iVBO+/=\"}}," TEXT("what")),
	      "")},
	{"an image by its address",
	 ASK(USER("{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"http:\\/\\/x\"}}")),
	 CHAT(USER("{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://x\"}}"), "")},
	{"system as a string", WITH("\"system\":\"be kind\""),
	 CHAT("{\"role\":\"system\",\"content\":\"be kind\"}," HI, "")},
	{"system as blocks, hints left out",
	 WITH("\"system\":[{\"type\":\"text\",\"text\":\"a\",\"cache_control\":{\"type\":"
	      "\"ephemeral\"}}," TEXT("b") "]"),
	 CHAT("{\"role\":\"system\",\"content\":\"a\\nb\"}," HI, "")},
	{"system among the turns",
	 ASK(HI ",{\"role\":\"system\",\"content\":[" TEXT("a") "," TEXT("b") "]}," HI),
	 CHAT(HI ",{\"role\":\"system\",\"content\":\"a\\nb\"}," HI, "")},
	{"turns", ASK(HI ",{\"role\":\"assistant\",\"content\":\"Yes?\"}," HI),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"Yes?\"}," HI, "")},
	{"tools in parallel, with text and thinking",
	 ASK(HI "," AGENT(
		 "{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"s\"}"
		 "," TEXT("Look:") "," USE("a", "get", "{\"q\": \"x\\ny\"}") "," USE(
			 "b", "put",
			 "{}")) "," USER(RESULT("a",
						",\"content\":\"one\"") "," RESULT("b",
										   ",\"is_error\":"
										   "true,"
										   "\"content\":"
										   "[" TEXT("two") "," TEXT(
											   "three") "]") "," TEXT("go on"))),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"Look:\",\"tool_calls\":[" CALL(
		      "a", "get",
		      "{\\\"q\\\": \\\"x\\\\ny\\\"}") "," CALL("b", "put",
							       "{}") "]}," TOLD("a",
										"one") "," TOLD("b",
												"Er"
												"ro"
												"r:"
												" t"
												"wo"
												"\\"
												"nt"
												"hr"
												"e"
												"e") ",{\"role\":\"user\",\"content\":\"go on\"}",
	      "")},
	{"a result without content", ASK(AGENT(USE("a", "t", "{}")) "," USER(RESULT("a", ""))),
	 CHAT(CALLS(CALL("a", "t", "{}")) "," TOLD("a", ""), "")},
	{"thinking alone in an earlier turn",
	 ASK(AGENT("{\"type\":\"redacted_thinking\",\"data\":\"x\"}") "," HI),
	 CHAT("{\"role\":\"assistant\",\"content\":\"\"}," HI, "")},
	{"the beginning of the answer", ASK(HI ",{\"role\":\"assistant\",\"content\":\"{\"}"),
	 CHAT(HI ",{\"role\":\"assistant\",\"content\":\"{\"}",
	      ",\"add_generation_prompt\":false,\"continue_final_message\":true")},
	{"tools",
	 WITH("\"tools\":[{\"type\":\"custom\",\"name\":\"t\",\"description\":\"d\",\"strict\":"
	      "true,"
	      "\"cache_control\":null,\"input_schema\":{\"type\":\"object\"}}]"),
	 CHAT(HI, ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\",\"description\":"
		  "\"d\",\"strict\":true,\"parameters\":{\"type\":\"object\"}}}]")},
#define TOOLS                                                                              \
	",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"t\",\"parameters\":{" \
	"\"type\":\"object\"}}}]"
	{"choice auto", WITH(TOOL ",\"tool_choice\":{\"type\":\"auto\"}"),
	 CHAT(HI, TOOLS ",\"tool_choice\":\"auto\"")},
	{"choice any, one at a time",
	 WITH(TOOL ",\"tool_choice\":{\"type\":\"any\",\"disable_parallel_tool_use\":true}"),
	 CHAT(HI, TOOLS ",\"tool_choice\":\"required\",\"parallel_tool_calls\":false")},
	{"choice none", WITH(TOOL ",\"tool_choice\":{\"type\":\"none\"}"),
	 CHAT(HI, TOOLS ",\"tool_choice\":\"none\"")},
	{"choice of a tool", WITH(TOOL ",\"tool_choice\":{\"type\":\"tool\",\"name\":\"t\"}"),
	 CHAT(HI, TOOLS ",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"t\"}}")},
	{"stop sequences", WITH("\"stop_sequences\":[\"\\n\\n\",\"END\"]"),
	 CHAT(HI, ",\"stop\":[\"\\n\\n\",\"END\"]")},
	{"no stop sequences", WITH("\"stop_sequences\":[]"), CHAT(HI, "")},
	{"sampling", WITH("\"temperature\":0.5,\"top_p\":0.9,\"top_k\":40"),
	 CHAT(HI, ",\"temperature\":0.5,\"top_p\":0.9,\"top_k\":40")},
	{"streamed, usage asked for", WITH("\"stream\":true"),
	 CHAT(HI, ",\"stream\":true,\"stream_options\":{\"include_usage\":true}")},
	{"not streamed", WITH("\"stream\":false"), CHAT(HI, "")},
	{"the user", WITH("\"metadata\":{\"user_id\":\"u\\u00e91\"}"),
	 CHAT(HI, ",\"user\":\"u\\u00e91\"")},
	{"structured output",
	 WITH("\"output_config\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"a\":1}},"
	      "\"effort\":\"low\"}"),
	 CHAT(HI, ",\"reasoning_effort\":\"low\",\"response_format\":{\"type\":\"json_schema\","
		  "\"json_schema\":{\"name\":\"answer\",\"strict\":true,\"schema\":{\"a\":1}}}")},
	{"hints and nulls left out",
	 WITH("\"service_tier\":\"auto\",\"cache_control\":{\"type\":\"ephemeral\"},\"thinking\":{"
	      "\"type\":\"disabled\"},\"container\":null,\"system\":null,\"tools\":null"),
	 CHAT(HI, "")},
	{"fields of the servers pass", WITH("\"min_p\":0.1,\"x\":{\"y\":[1,null]}"),
	 CHAT(HI, ",\"min_p\":0.1,\"x\":{\"y\":[1,null]}")},
};

static void test_translated(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct done done;
		json_t *got, *wanted;

		translate(rows[i].body, strlen(rows[i].body), &done);
		if (done.id)
			fail_msg("%s: refused for %s: %s", rows[i].what, done.param,
				 done.error.object ? done.error.object : "");
		got = json_loadb(done.out.data, done.out.len, JSON_REJECT_DUPLICATES, NULL);
		wanted = json_loads(rows[i].chat, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(wanted);
		if (!got || !json_equal(got, wanted))
			fail_msg("%s: %s", rows[i].what, done.out.data);
		json_decref(got);
		json_decref(wanted);
		sl_text_fini(&done.out);
	}
}

/* ---- what is refused ---- */

struct refused_row {
	const char *body;
	enum sl_openai_error_id id;
	const char *param;
};

#define MISSING	     SL_OPENAI_ERROR_MISSING
#define TYPE	     SL_OPENAI_ERROR_TYPE
#define VALUE	     SL_OPENAI_ERROR_VALUE
#define UNTRANSLATED SL_OPENAI_ERROR_UNTRANSLATED

static const struct refused_row refused[] = {
	{"", SL_OPENAI_ERROR_JSON, NULL},
	{"[]", SL_OPENAI_ERROR_JSON, NULL},
	{HEAD "\"max_tokens\":8,\"messages\":[" HI "]}", SL_OPENAI_ERROR_JSON, NULL},
	{"{\"max_tokens\":9,\"messages\":[" HI "]}", MISSING, "model"},
	{"{\"model\":\"m\",\"messages\":[" HI "]}", MISSING, "max_tokens"},
	{"{\"model\":\"m\",\"max_tokens\":0,\"messages\":[" HI "]}", VALUE, "max_tokens"},
	{"{\"model\":\"m\",\"max_tokens\":1.5,\"messages\":[" HI "]}", VALUE, "max_tokens"},
	{"{\"model\":\"m\",\"max_tokens\":1}", MISSING, "messages"},
	{HEAD "\"messages\":{}}", TYPE, "messages"},
	{ASK(), VALUE, "messages"},
	{ASK("7"), TYPE, "messages.0"},
	{ASK("{\"role\":\"tool\",\"content\":\"x\"}"), VALUE, "messages.0.role"},
	{ASK(HI ",{\"role\":\"system\",\"content\":[" TEXT("a") ",7]}"), TYPE,
	 "messages.1.content.1"},
	{ASK(HI ",{\"role\":\"user\"}"), TYPE, "messages.1.content"},
	{ASK("{\"role\":\"user\",\"content\":\"x\",\"name\":\"n\"}"), UNTRANSLATED,
	 "messages.0.name"},
	{ASK("{\"role\":\"user\",\"role\":\"user\",\"content\":\"x\"}"), VALUE, "messages.0.role"},
	{ASK(USER("")), VALUE, "messages.0.content"},
	{ASK(HI "," USER("")), VALUE, "messages.1.content"},
	{ASK(USER("7")), TYPE, "messages.0.content.0"},
	{ASK(USER("{\"text\":\"x\"}")), MISSING, "messages.0.content.0.type"},
	{ASK(USER(TEXT("a") ",{\"type\":\"document\",\"title\":\"x\"}")), UNTRANSLATED,
	 "messages.0.content.1.type"},
	{ASK(USER("{\"type\":\"text\",\"text\":\"x\",\"citations\":[1]}")), UNTRANSLATED,
	 "messages.0.content.0.citations"},
	{ASK(USER("{\"type\":\"text\"}")), TYPE, "messages.0.content.0.text"},
	{ASK(USER("{\"type\":\"image\",\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}")),
	 UNTRANSLATED, "messages.0.content.0.source.type"},
	{ASK(USER("{\"type\":\"image\"}")), TYPE, "messages.0.content.0.source"},
	{ASK(USER(USE("a", "t", "{}"))), UNTRANSLATED, "messages.0.content.0.type"},
	{ASK(USER(RESULT("", ""))), TYPE, "messages.0.content.0.tool_use_id"},
	{ASK(USER(TEXT("x") "," RESULT("a", ",\"content\":[" TEXT("y") ",{\"type\":\"image\"}]"))),
	 UNTRANSLATED, "messages.0.content.1.content.1.type"},
	{ASK(AGENT("{\"type\":\"server_tool_use\"}") "," HI), UNTRANSLATED,
	 "messages.0.content.0.type"},
	{ASK(AGENT(USE("a", "t", "[]")) "," HI), TYPE, "messages.0.content.0.input"},
	{ASK(HI "," AGENT(USE("a", "t", "{}"))), VALUE, "messages.1"},
	{WITH("\"system\":7"), TYPE, "system"},
	{WITH("\"system\":[" TEXT("a") ",{\"type\":\"image\"}]"), UNTRANSLATED, "system.1.type"},
	{WITH("\"temperature\":\"hot\""), VALUE, "temperature"},
	{WITH("\"top_p\":\"x\""), TYPE, "top_p"},
	{WITH("\"top_k\":1.5"), TYPE, "top_k"},
	{WITH("\"stream\":1"), TYPE, "stream"},
	{WITH("\"stop_sequences\":\"x\""), TYPE, "stop_sequences"},
	{WITH("\"stop_sequences\":[1]"), TYPE, "stop_sequences"},
	{WITH("\"metadata\":{\"user_id\":7}"), VALUE, "metadata.user_id"},
	{WITH("\"metadata\":{\"plan\":7}"), UNTRANSLATED, "metadata.plan"},
	{WITH("\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]"),
	 UNTRANSLATED, "tools.0.type"},
	{WITH("\"tools\":[{\"name\":\"t\"}]"), TYPE, "tools.0.input_schema"},
	{WITH("\"tools\":[{\"name\":\"t\",\"input_schema\":{},\"defer_loading\":true}]"),
	 UNTRANSLATED, "tools.0.defer_loading"},
	{WITH("\"tool_choice\":{\"type\":\"any\"}"), VALUE, "tool_choice"},
	{WITH(TOOL ",\"tool_choice\":\"any\""), TYPE, "tool_choice"},
	{WITH(TOOL ",\"tool_choice\":{\"type\":\"some\"}"), VALUE, "tool_choice.type"},
	{WITH(TOOL ",\"tool_choice\":{\"type\":\"tool\"}"), MISSING, "tool_choice.name"},
	{WITH("\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}"), UNTRANSLATED,
	 "thinking"},
	{WITH("\"output_config\":{\"effort\":\"max\"}"), UNTRANSLATED, "output_config.effort"},
	{WITH("\"output_format\":{\"type\":\"text\"}"), VALUE, "output_format.type"},
	{WITH("\"service_tier\":\"priority\""), UNTRANSLATED, "service_tier"},
	{WITH("\"mcp_servers\":[]"), UNTRANSLATED, "mcp_servers"},
	{WITH("\"n\":2"), UNTRANSLATED, "n"},
	{WITH("\"st\\u006fp\":\"x\""), UNTRANSLATED, "stop"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(refused); i++) {
		const struct refused_row *row = &refused[i];
		char out[SL_ANTHROPIC_ERROR_BYTES];
		const char *message;
		struct done done;
		json_t *root;
		int len;

		translate(row->body, strlen(row->body), &done);
		if (done.id != row->id || (row->param && strcmp(done.param, row->param) != 0))
			fail_msg("%s: error %d for '%s'", row->body, (int)done.id, done.param);
		len = sl_anthropic_error_write(&done.error, "req_1", out, sizeof(out));
		assert_true(len > 0);
		root = json_loadb(out, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
		assert_non_null(root);
		message = json_string_value(
			json_object_get(json_object_get(root, "error"), "message"));
		if (row->param && !strstr(message, row->param))
			fail_msg("%s: not named: %s", row->param, message);
		assert_string_equal(json_string_value(json_object_get(root, "request_id")),
				    "req_1");
		assert_int_equal(sl_anthropic_error_status(done.id), 400);
		json_decref(root);
		sl_text_fini(&done.out);
	}
}

/* ---- whatever comes ---- */

/* Random changes of good requests: never a crash, and what passes is a valid chat request. */
static void test_mutated(void **state)
{
	uint32_t seed = 20230601;
	size_t passed = 0;

	(void)state;
	for (size_t round = 0; round < 60000; round++) {
		const struct row *row = &rows[round % COUNT(rows)];
		size_t len = strlen(row->body);
		char *body = malloc(len + 1);
		struct done done;

		memcpy(body, row->body, len);
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
			if (id && strcmp(error.param ? error.param : "", "model") != 0 &&
			    strcmp(error.param ? error.param : "", "messages") != 0)
				fail_msg("%.*s\nbecame %s\nwhich is refused: %s %s", (int)len, body,
					 done.out.data, error.param, error.object);
		}
		sl_text_fini(&done.out);
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
			sl_text_fini(&done.out);
		}
}

static void test_no_room(void **state)
{
	struct sl_openai_error error;
	char param[SL_ANTHROPIC_PARAM_BYTES], room[40];
	const char *body = rows[0].body;
	struct sl_text out;

	(void)state;
	sl_text_init_fixed(&out, room, sizeof(room));
	assert_int_equal(sl_anthropic_request_translate(body, strlen(body), &out, param, &error),
			 SL_OPENAI_ERROR_INTERNAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_translated), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_mutated),	   cmocka_unit_test(test_cut),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
