/* SPDX-License-Identifier: BSD-2-Clause */
/* A chat completion with less in it: bodies before and after. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/stage/degrade_body.h"
#include "user/wire/json_scan.h"

#define TOOL(name)	 "{\"type\":\"function\",\"function\":{\"name\":\"" name "\"}}"
#define SAYS(role, text) "{\"role\":\"" role "\",\"content\":\"" text "\"}"
#define GONE		 " Answer without, and say what you could not do or look up because of that."

struct body {
	const char *what;
	const char *before;
	struct sl_degrade_less less;
	const char *after;
	struct sl_degrade_done done;
};

static bool all_but_clock(void *owner, struct sl_span name)
{
	(void)owner;
	return !sl_span_equal(name, SL_SPAN("clock"));
}

static const struct body bodies[] = {
	{"nothing to do", "{\"model\":\"m\"}", {0}, "{\"model\":\"m\"}", {0}},
	{"a bound is set",
	 " {\"model\" : \"m\"} ",
	 {.max_tokens = 5},
	 "{\"model\":\"m\",\"max_tokens\":5}",
	 {.max_tokens = true}},
	{"lowered",
	 "{\"max_tokens\":9}",
	 {.max_tokens = 5},
	 "{\"max_tokens\":5}",
	 {.max_tokens = true}},
	{"its other name",
	 "{\"max_completion_tokens\":9}",
	 {.max_tokens = 5},
	 "{\"max_completion_tokens\":5}",
	 {.max_tokens = true}},
	{"low enough", "{\"max_tokens\":5}", {.max_tokens = 5}, "{\"max_tokens\":5}", {0}},
	{"null is none",
	 "{\"max_tokens\":null}",
	 {.max_tokens = 5},
	 "{\"max_tokens\":5}",
	 {.max_tokens = true}},
	{"the latest two, from one of the user on",
	 "{\"messages\":[" SAYS("system", "s") "," SAYS("user", "1") "," SAYS(
		 "assistant", "2") "," SAYS("user", "3") "," SAYS("assistant", "4") "]}",
	 {.messages = 2},
	 "{\"messages\":[" SAYS("system", "s") "," SAYS("user", "3") "," SAYS("assistant",
									      "4") "]}",
	 {.messages = true}},
	{"a call is not parted from its result: back to the user's last",
	 "{\"messages\":[" SAYS("user", "1") "," SAYS("user", "2") "," SAYS(
		 "assistant", "call") "," SAYS("tool", "result") "]}",
	 {.messages = 1},
	 "{\"messages\":[" SAYS("user", "2") "," SAYS("assistant", "call") "," SAYS("tool",
										    "result") "]}",
	 {.messages = true}},
	{"few enough",
	 "{\"messages\":[" SAYS("user", "1") "]}",
	 {.messages = 1},
	 "{\"messages\":[" SAYS("user", "1") "]}",
	 {0}},
	{"one tool of two; who must call it may choose",
	 "{\"messages\":[" SAYS("user", "1") "],\"tools\":[" TOOL("clock") "," TOOL(
		 "w\\u0065ather") "],\"tool_choice\":" TOOL("weather") "}",
	 {.is_dead = all_but_clock},
	 "{\"messages\":[{\"role\":\"system\",\"content\":\"The tool \\\"weather\\\" is out of "
	 "order at "
	 "the moment." GONE
	 "\"}," SAYS("user", "1") "],\"tools\":[" TOOL("clock") "],\"tool_choice\":"
								"\"auto\"}",
	 {.tools = 1}},
	{"all of them: the members go, the system's message says so",
	 "{\"tools\":[" TOOL("a") "," TOOL(
		 "b") "],\"tool_choice\":\"auto\",\"parallel_tool_calls\":"
		      "true,\"messages\":[" SAYS("system", "s\\\"") "," SAYS("user", "1") "]}",
	 {.is_dead = all_but_clock},
	 "{\"messages\":[{\"role\":\"system\",\"content\":\"s\\\"\\n\\nThe tools \\\"a\\\", "
	 "\\\"b\\\" are "
	 "out of order at the moment." GONE "\"}," SAYS("user", "1") "]}",
	 {.tools = 2}},
	{"none of those",
	 "{\"tools\":[" TOOL("clock") "],\"messages\":[]}",
	 {.is_dead = all_but_clock},
	 "{\"tools\":[" TOOL("clock") "],\"messages\":[]}",
	 {0}},
};

static void bodies_have_less(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		const struct body *body = &bodies[i];
		struct sl_degrade_done done;
		struct sl_text out;

		sl_text_init(&out, 0);
		assert_int_equal(
			sl_degrade_write(sl_span_string(body->before), &body->less, &out, &done),
			0);
		if (strcmp(sl_text_string(&out), body->after) != 0)
			fail_msg("%s: %s", body->what, sl_text_string(&out));
		assert_int_equal(sl_json_check(out.data, out.len, NULL), 0);
		assert_int_equal(done.max_tokens, body->done.max_tokens);
		assert_int_equal(done.messages, body->done.messages);
		assert_int_equal(done.tools, body->done.tools);
		sl_text_fini(&out);
	}
}

/* More names than there is room for: what is sent stays JSON. */
static void many_names_are_cut(void **state)
{
	struct sl_degrade_less less = {.is_dead = all_but_clock};
	struct sl_degrade_done done;
	struct sl_text before, out;
	int i;

	(void)state;
	sl_text_init(&before, 0);
	sl_text_append_string(&before, "{\"messages\":[" SAYS("user", "1") "],\"tools\":[");
	for (i = 0; i < 60; i++)
		sl_text_printf(&before, "%s" TOOL("name\\\"%d"), i ? "," : "", i);
	sl_text_append_string(&before, "]}");
	sl_text_init(&out, 0);
	assert_int_equal(sl_degrade_write(sl_text_span(&before), &less, &out, &done), 0);
	assert_int_equal(done.tools, 60);
	assert_int_equal(sl_json_check(out.data, out.len, NULL), 0);
	sl_text_fini(&out);
	sl_text_fini(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bodies_have_less),
		cmocka_unit_test(many_names_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
