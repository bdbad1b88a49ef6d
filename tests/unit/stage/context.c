/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Conversations made to fit: each step on small ones, and for random ones that whatever is taken, the
 * rest is valid, in order, with its system messages, its last user's message, and every call and result
 * together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/stage/context.h"

#define S(text) "{\"role\":\"system\",\"content\":\"" text "\"}"
#define U(text) "{\"role\":\"user\",\"content\":\"" text "\"}"
#define A(text) "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define CALL(id)                                                                            \
	"{\"role\":\"assistant\",\"tool_calls\":[{\"id\":\"" id "\",\"type\":\"function\"," \
	"\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}"
#define TOOL(id, text) "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"" text "\"}"
#define LONG	       "one two three four five six seven eight nine ten eleven twelve thirteen"
#define NOTE	       SL_CONTEXT_NOTE

struct lab {
	struct sl_arena arena;
	struct sl_context context;
	struct sl_text out;
};

static void read_context(struct lab *lab, const char *text)
{
	struct sl_json_field field = {
		.type = SL_JSON_ARRAY, .value = text, .value_len = strlen(text)};

	assert_int_equal(sl_json_check(text, strlen(text), NULL), 0);
	sl_arena_init(&lab->arena, 0, 64u << 20);
	sl_text_init(&lab->out, 0);
	assert_int_equal(sl_context_read(&lab->context, &lab->arena, &field, 10), 0);
}

static const char *written(struct lab *lab, const char *summary)
{
	sl_text_reset(&lab->out);
	assert_int_equal(sl_context_write(&lab->context, sl_span_string(summary), &lab->out), 0);
	assert_int_equal(sl_json_check(lab->out.data, lab->out.len, NULL), 0);
	return lab->out.data;
}

static void end(struct lab *lab)
{
	sl_text_fini(&lab->out);
	sl_arena_fini(&lab->arena);
}

enum step { OUTPUTS, OUTPUTS_ONE, TURNS, TURNS_KEEP_2, SUMMARY };

static const struct {
	const char *what;
	enum step step;
	uint64_t limit;
	const char *before, *after;
} rows[] = {
	{"what fits stays", TURNS, 100000, "[" U("a") "," A("b") "," U("c") "]",
	 "[" U("a") "," A("b") "," U("c") "]"},
	{"the oldest turn goes, whole", TURNS, 60, "[" S("s") "," U(LONG) "," A("b") "," U("c") "]",
	 "[" S("s") "," U("c") "]"},
	{"no more than needed", TURNS, 90,
	 "[" U(LONG) "," A("b") "," U("c") "," A("d") "," U("e") "]",
	 "[" U("c") "," A("d") "," U("e") "]"},
	{"the last turn stays, whatever the limit", TURNS, 0,
	 "[" U("a") "," A("b") "," U("c") "," CALL("1") "," TOOL("1", "t") "]",
	 "[" U("c") "," CALL("1") "," TOOL("1", "t") "]"},
	{"system messages stay where they are", TURNS, 0,
	 "[" S("s") "," U("a") "," S("t") "," A("b") "," U("c") "]",
	 "[" S("s") "," S("t") "," U("c") "]"},
	{"turns to keep", TURNS_KEEP_2, 0, "[" U("a") "," U("b") "," U("c") "," U("d") "]",
	 "[" U("c") "," U("d") "]"},
	{"what comes before the first question", TURNS, 0, "[" A("hello") "," U("a") "]",
	 "[" U("a") "]"},
	{"a result in a later turn", TURNS, 0,
	 "[" U("a") "," CALL("1") "," U("b") "," TOOL("1", "t") "," U("c") "]", "[" U("c") "]"},
	{"a result in the last turn keeps all from its call", TURNS, 0,
	 "[" U("z") "," U("a") "," CALL("1") "," U("b") "," TOOL("1", "t") "]",
	 "[" U("a") "," CALL("1") "," U("b") "," TOOL("1", "t") "]"},
	{"outputs lose their text", OUTPUTS, 0,
	 "[" U("a") "," CALL("1") "," TOOL("1", LONG) "," A("b") "," U("c") "]",
	 "[" U("a") "," CALL("1") "," TOOL("1", NOTE) "," A("b") "," U("c") "]"},
	{"the oldest first, as many as needed", OUTPUTS_ONE, 0,
	 "[" U("a") "," CALL("1") "," TOOL("1", LONG) "," CALL("2") "," TOOL("2",
									     LONG) "," A("x") "]",
	 "[" U("a") "," CALL("1") "," TOOL("1", NOTE) "," CALL("2") "," TOOL("2",
									     LONG) "," A("x") "]"},
	{"what was not answered stays", OUTPUTS, 0,
	 "[" U("a") "," CALL("1") "," TOOL("1", LONG) "," CALL("2") "," TOOL("2", LONG) "]",
	 "[" U("a") "," CALL("1") "," TOOL("1", NOTE) "," CALL("2") "," TOOL("2", LONG) "]"},
	{"short outputs stay", OUTPUTS, 0,
	 "[" U("a") "," CALL("1") "," TOOL("1", "ok") "," A("b") "]",
	 "[" U("a") "," CALL("1") "," TOOL("1", "ok") "," A("b") "]"},
	{"a summary in the place of the history", SUMMARY, 0,
	 "[" S("s") "," U("a") "," A("b") "," U("c") "]",
	 "[" S("s") "," U("Summary of the conversation up to here:\\nthey \\\"met\\\"") "," U(
		 "c") "]"},
	{"no history", SUMMARY, 0, "[" S("s") "," U("c") "]", "[" S("s") "," U("c") "]"},
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab lab;
		struct sl_text history;
		const char *summary = "", *after;

		read_context(&lab, rows[i].before);
		sl_text_init(&history, 0);
		switch (rows[i].step) {
		case OUTPUTS:
			sl_context_drop_outputs(&lab.context, rows[i].limit);
			break;
		case OUTPUTS_ONE: /* one token too many */
			sl_context_drop_outputs(&lab.context, lab.context.tokens - 1);
			break;
		case TURNS:
		case TURNS_KEEP_2:
			sl_context_drop_turns(&lab.context, rows[i].limit,
					      rows[i].step == TURNS ? 1 : 2);
			break;
		case SUMMARY:
			if (sl_context_history(&lab.context, &history)) {
				summary = "they \"met\"";
				assert_string_equal(history.data, "user: a\nassistant: b\n");
				sl_context_summarised(&lab.context, 3);
			}
			break;
		}
		after = written(&lab, summary);
		if (strcmp(after, rows[i].after) != 0)
			fail_msg("%s:\n%s\nexpected\n%s", rows[i].what, after, rows[i].after);
		sl_text_fini(&history);
		end(&lab);
	}
}

/* An image costs what a model makes of it, not its bytes. */
static void test_images(void **state)
{
	struct sl_text text;
	struct lab lab;

	(void)state;
	sl_text_init(&text, 0);
	sl_text_append_string(
		&text, "[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":"
		       "{\"url\":\"data:image/png;base64,");
	for (int i = 0; i < 100000; i++)
		sl_text_append_string(&text, "aB3/");
	sl_text_append_string(&text, "\"}}]}]");
	read_context(&lab, text.data);
	assert_in_range(lab.context.tokens, SL_CONTEXT_IMAGE_RAW, SL_CONTEXT_IMAGE_RAW + 100);
	end(&lab);
	sl_text_fini(&text);
}

static void test_refused(void **state)
{
	struct sl_json_field field = {.type = SL_JSON_ARRAY, .value = "[1]", .value_len = 3};
	struct sl_context context;
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 0, 1u << 20);
	assert_int_equal(sl_context_read(&context, &arena, &field, 0), -22);
	sl_arena_fini(&arena);
}

/* ---- random conversations ---- */

static json_t *random_message(unsigned *seed, int *calls, int *answered)
{
	char id[16], text[400];
	int len = rand_r(seed) % 300, kind = rand_r(seed) % 10;
	json_t *message;

	for (int i = 0; i < len; i++)
		text[i] = "abc \"\\\n"[rand_r(seed) % 7];
	text[len] = '\0';
	if (kind < 3)
		return json_pack("{s:s,s:s}", "role", "user", "content", text);
	if (kind < 4)
		return json_pack("{s:s,s:s}", "role", kind & 1 ? "system" : "developer", "content",
				 text);
	if (kind < 6) {
		message = json_pack("{s:s,s:[]}", "role", "assistant", "tool_calls");
		for (int n = rand_r(seed) % 3 + 1; n > 0; n--) {
			snprintf(id, sizeof(id), "c%d", (*calls)++);
			json_array_append_new(json_object_get(message, "tool_calls"),
					      json_pack("{s:s,s:s}", "id", id, "type", "function"));
		}
		return message;
	}
	if (kind < 9 && *answered < *calls) { /* now and then turns later than its call */
		snprintf(id, sizeof(id), "c%d", (*answered)++);
		return json_pack("{s:s,s:s,s:s}", "role", "tool", "tool_call_id", id, "content",
				 text);
	}
	return json_pack("{s:s,s:s}", "role", "assistant", "content", text);
}

/* Every id of calls, or of results, in the messages; both as one string for a search. */
static void collect(json_t *messages, char *calls, char *results)
{
	json_t *message, *call;
	size_t i, k;

	calls[0] = results[0] = '\0';
	json_array_foreach(messages, i, message)
	{
		json_array_foreach(json_object_get(message, "tool_calls"), k, call)
			sprintf(calls + strlen(calls), "<%s>",
				json_string_value(json_object_get(call, "id")));
		if (json_object_get(message, "tool_call_id"))
			sprintf(results + strlen(results), "<%s>",
				json_string_value(json_object_get(message, "tool_call_id")));
	}
}

/* What was paired is paired still, or gone together. */
static void check_pairs(json_t *before, json_t *after, int calls)
{
	static char calls_before[4096], results_before[4096], calls_after[4096],
		results_after[4096];
	char id[20];

	collect(before, calls_before, results_before);
	collect(after, calls_after, results_after);
	for (int i = 0; i < calls; i++) {
		snprintf(id, sizeof(id), "<c%d>", i);
		if (strstr(calls_before, id) && strstr(results_before, id))
			assert_int_equal(strstr(calls_after, id) != NULL,
					 strstr(results_after, id) != NULL);
	}
}

static bool is_role(json_t *message, const char *role)
{
	return strcmp(json_string_value(json_object_get(message, "role")), role) == 0;
}

/* Every message of `after` is one of `before`, in order, but for notes; nothing protected is missing. */
static void check_rest(json_t *before, json_t *after)
{
	size_t i, k = 0, last_user = SIZE_MAX;

	for (i = 0; i < json_array_size(before); i++) {
		if (is_role(json_array_get(before, i), "user"))
			last_user = i;
	}
	for (i = 0; i < json_array_size(before); i++) {
		json_t *was = json_array_get(before, i), *is = json_array_get(after, k);
		json_t *copy = is ? json_deep_copy(is) : NULL;
		bool same = is && json_equal(was, is);

		if (is && !same && is_role(is, "tool") && is_role(was, "tool")) {
			json_object_set(copy, "content", json_object_get(was, "content"));
			same = json_equal(was, copy) &&
			       strcmp(json_string_value(json_object_get(is, "content")), NOTE) == 0;
		}
		json_decref(copy);
		if (same)
			k++;
		else
			assert_false(is_role(was, "system") || is_role(was, "developer") ||
				     i == last_user || (last_user != SIZE_MAX && i > last_user));
	}
	assert_int_equal(k, json_array_size(after));
}

/* The count that was kept on the way is the one of who reads the result. */
static void check_count(struct lab *lab)
{
	struct lab again;

	read_context(&again, written(lab, ""));
	assert_int_equal(again.context.tokens, lab->context.tokens);
	end(&again);
}

static void test_random(void **state)
{
	unsigned seed = 11;
	size_t cut = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		json_t *before = json_array(), *after;
		int calls = 0, answered = 0, count = rand_r(&seed) % 30 + 1;
		uint64_t limit = (uint64_t)(rand_r(&seed) % 1500);
		uint32_t keep = (uint32_t)(rand_r(&seed) % 4);
		struct lab lab;
		bool fits = false;
		char *text;

		while (count--)
			json_array_append_new(before, random_message(&seed, &calls, &answered));
		text = json_dumps(before, 0);
		read_context(&lab, text);
		if (round % 3 != 1)
			fits = sl_context_drop_outputs(&lab.context, limit);
		if (round % 3 != 0)
			fits = sl_context_drop_turns(&lab.context, limit, keep);
		assert_int_equal(fits, lab.context.tokens <= limit);
		after = json_loads(written(&lab, ""), 0, NULL);
		assert_non_null(after);
		check_rest(before, after);
		check_pairs(before, after, calls);
		cut += !json_equal(before, after);
		check_count(&lab);
		end(&lab);
		json_decref(after);
		json_decref(before);
		free(text);
	}
	assert_true(cut > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_images),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
