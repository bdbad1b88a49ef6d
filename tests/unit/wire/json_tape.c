/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tape of a JSON text: each node, and that it takes and refuses exactly what sl_json_check() does, for
 * the same reason, wherever a text is cut or spoilt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/wire/json_tape.h"

static struct sl_arena arena;

static int set_up(void **state)
{
	(void)state;
	sl_arena_init(&arena, 0, 64u << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sl_arena_fini(&arena);
	return 0;
}

static void test_nodes(void **state)
{
	static const char text[] =
		" {\"a\" : [1, -2.5e3 ,{}],\"b\\n\":\"x\\\"y\", \"c\":[[],true,null]}\n";
	static const struct {
		const char *raw;
		uint8_t type;
		uint32_t next, count;
		bool escaped;
	} want[] = {
		{"{\"a\" : [1, -2.5e3 ,{}],\"b\\n\":\"x\\\"y\", \"c\":[[],true,null]}",
		 SL_JSON_OBJECT, 13, 3, false},
		{"a", SL_JSON_STRING, 2, 0, false},
		{"[1, -2.5e3 ,{}]", SL_JSON_ARRAY, 6, 3, false},
		{"1", SL_JSON_NUMBER, 4, 0, false},
		{"-2.5e3", SL_JSON_NUMBER, 5, 0, false},
		{"{}", SL_JSON_OBJECT, 6, 0, false},
		{"b\\n", SL_JSON_STRING, 7, 0, true},
		{"x\\\"y", SL_JSON_STRING, 8, 0, true},
		{"c", SL_JSON_STRING, 9, 0, false},
		{"[[],true,null]", SL_JSON_ARRAY, 13, 3, false},
		{"[]", SL_JSON_ARRAY, 11, 0, false},
		{"true", SL_JSON_TRUE, 12, 0, false},
		{"null", SL_JSON_NULL, 13, 0, false},
	};
	struct sl_json_tape tape;
	struct sl_span span;

	(void)state;
	assert_int_equal(sl_json_tape_make(text, sizeof(text) - 1, &arena, &tape), 0);
	assert_int_equal(tape.node_count, 13);
	for (uint32_t i = 0; i < tape.node_count; i++) {
		const struct sl_json_node *n = &tape.nodes[i];

		span = sl_json_tape_raw(&tape, i);
		if (!sl_span_equal(span, sl_span_string(want[i].raw)) || n->type != want[i].type ||
		    n->next != want[i].next || n->count != want[i].count ||
		    n->escaped != want[i].escaped)
			fail_msg("node %u: \"%.*s\" type %u next %u count %u escaped %d", i,
				 (int)span.len, span.data, n->type, n->next, n->count, n->escaped);
	}
	assert_true(sl_json_tape_string(&tape, 7, &arena, &span));
	assert_true(sl_span_equal(span, SL_SPAN("x\"y")));
	assert_int_equal(sl_json_tape_member(&tape, 0, SL_SPAN("b\n"), &arena), 7);
	assert_int_equal(sl_json_tape_member(&tape, 0, SL_SPAN("d"), &arena), 0);
}

static void same(const char *text, size_t len)
{
	char *copy = sl_guard_copy(text, len);
	struct sl_json_tape tape;
	int made = sl_json_tape_make(copy, len, &arena, &tape);
	int checked = sl_json_check(copy, len, NULL);

	if (made != checked)
		fail_msg("\"%.*s\": tape %d, check %d", (int)len, text, made, checked);
	sl_arena_reset(&arena);
	sl_guard_free(copy, len);
}

static void test_as_checked(void **state)
{
	static const char text[] =
		"{\"a\":[1,-2.5e3,{\"b\":\"\\u00e9\\n \xc3\xa9\"}],\"c\": [ [ ] , "
		"true,false,null,{}], \"d\" :\"0123456789012345678\"} ";
	static const char bytes[] = "{}[]:,\"\\ 0-.ent\x01\x80\xff";
	size_t len = sizeof(text) - 1;
	char spoilt[sizeof(text)];

	(void)state;
	for (size_t cut = 0; cut <= len; cut++)
		same(text, cut);
	for (size_t at = 0; at < len; at++)
		for (size_t i = 0; i < sizeof(bytes); i++) {
			memcpy(spoilt, text, len);
			spoilt[at] = bytes[i];
			same(spoilt, len);
			/* one byte less */
			memmove(spoilt + at, text + at + 1, len - at - 1);
			same(spoilt, len - 1);
		}
	same("7", 1);
	same("7 7", 3);
	same("\"x", 2);
	same("[1,]", 4);
	same("{\"a\":1,}", 8);
	same("{\"a\"}", 5);
	same("{1:2}", 5);
	same("[1}", 3);
}

/* As deep and as many as the limits say, and one more. */
static void test_limits(void **state)
{
	static char text[4 * SL_JSON_TAPE_NODES_MAX];
	struct sl_json_tape tape;
	size_t len = 0;

	(void)state;
	memset(text, '[', SL_JSON_DEPTH_MAX);
	memset(text + SL_JSON_DEPTH_MAX, ']', SL_JSON_DEPTH_MAX);
	same(text, (size_t)2 * SL_JSON_DEPTH_MAX);
	assert_int_equal(sl_json_tape_make(text, (size_t)2 * SL_JSON_DEPTH_MAX, &arena, &tape), 0);
	memset(text, '[', SL_JSON_DEPTH_MAX + 1);
	assert_int_equal(sl_json_tape_make(text, SL_JSON_DEPTH_MAX + 1, &arena, &tape),
			 -SL_JSON_BAD_DEPTH);
	text[len++] = '[';
	for (uint32_t i = 0; i < SL_JSON_TAPE_NODES_MAX - 1; i++) {
		text[len++] = '7';
		text[len++] = ',';
	}
	text[len - 1] = ']';
	assert_int_equal(sl_json_tape_make(text, len, &arena, &tape), 0);
	assert_int_equal(tape.node_count, SL_JSON_TAPE_NODES_MAX);
	assert_int_equal(tape.nodes[0].count, SL_JSON_TAPE_NODES_MAX - 1);
	memcpy(text + len - 1, ",7]", 3);
	assert_int_equal(sl_json_tape_make(text, len + 2, &arena, &tape), SL_JSON_TAPE_TOO_LARGE);
	/* and malformed on top of it */
	memcpy(text + len - 1, ",7}", 3);
	same(text, len + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_as_checked),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
