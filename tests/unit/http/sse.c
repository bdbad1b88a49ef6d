/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SSE scanner: streams and the events they hold, fed whole, split in two at every byte, and
 * byte by byte, with a carry buffer, a small one and none; each piece ends at a guard page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "tests/unit/guard.h"
#include "user/http/sse.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define ROOM	   (64 * 1024)
#define EVENTS_MAX 8

static char *room;

struct expected {
	enum sl_sse_kind kind;
	const char *data; /* joined */
	const char *name;
};

struct stream_case {
	const char *name;
	const char *text;
	size_t len;
	size_t tail;			    /* bytes behind the last whole event */
	struct expected events[EVENTS_MAX]; /* up to one without data, of kind COMMENT */
	size_t count;
};

#define STREAM(name, text, tail) name, text, sizeof(text) - 1, tail
#define DATA(data)                      \
	{                               \
		SL_SSE_DATA, data, NULL \
	}
#define COMMENT                          \
	{                                \
		SL_SSE_COMMENT, "", NULL \
	}
#define DONE                                \
	{                                   \
		SL_SSE_DONE, "[DONE]", NULL \
	}

static const struct stream_case cases[] = {
	{STREAM("LF", "data: {\"a\":1}\n\ndata: [DONE]\n\n", 0), {DATA("{\"a\":1}"), DONE}, 2},
	{STREAM("CRLF", "data: a\r\n\r\ndata: [DONE]\r\n\r\n", 0), {DATA("a"), DONE}, 2},
	{STREAM("CR", "data: a\r\rdata: [DONE]\r\r", 0), {DATA("a"), DONE}, 2},
	{STREAM("mixed ends", "data: a\r\n\ndata: b\n\r\ndata: c\n\rdata: d\r\r\n", 0),
	 {DATA("a"), DATA("b"), DATA("c"), DATA("d")},
	 4},
	{STREAM("no blank", "data:a\n\ndata:[DONE]\n\n", 0), {DATA("a"), DONE}, 2},
	{STREAM("two blanks", "data:  a\n\ndata:  [DONE]\n\n", 0),
	 {DATA(" a"), DATA(" [DONE]")},
	 2},
	{STREAM("comment", ": ping\n\ndata: a\n\n:\n\n", 0), {COMMENT, DATA("a"), COMMENT}, 3},
	{STREAM("comment in an event", ": x\ndata: a\n: y\n\n", 0), {DATA("a")}, 1},
	{STREAM("empty lines", "\n\r\n\ndata: a\n\n", 0),
	 {COMMENT, COMMENT, COMMENT, DATA("a")},
	 4},
	{STREAM("several data lines", "data: a\ndata\ndata: b\n\n", 0), {DATA("a\n\nb")}, 1},
	{STREAM("empty data", "data\n\ndata:\n\n", 0), {DATA(""), DATA("")}, 2},
	{STREAM("names", "event: error\ndata: a\n\ndata: b\nevent:x\n\n", 0),
	 {{SL_SSE_DATA, "a", "error"}, {SL_SSE_DATA, "b", "x"}},
	 2},
	{STREAM("no data", "event: ping\n\nid: 7\n\nretry: 10\n\n", 0),
	 {{SL_SSE_OTHER, "", "ping"}, {SL_SSE_OTHER, "", NULL}, {SL_SSE_OTHER, "", NULL}},
	 3},
	{STREAM("other fields", "database: 1\ndat: 2\ndatax\nData: 3\n\n", 0),
	 {{SL_SSE_OTHER, "", NULL}},
	 1},
	{STREAM("nearly done", "data: [DONE]x\n\ndata: [done]\n\ndata: x[DONE]\n\n", 0),
	 {DATA("[DONE]x"), DATA("[done]"), DATA("x[DONE]")},
	 3},
	{STREAM("done and more", "data: [DONE]\ndata: x\n\n", 0), {DATA("[DONE]\nx")}, 1},
	{STREAM("more and done", "data: x\ndata: [DONE]\n\n", 0), {DATA("x\n[DONE]")}, 1},
	{STREAM("done with a name", "event: end\ndata: [DONE]\n\n", 0),
	 {{SL_SSE_DONE, "[DONE]", "end"}},
	 1},
	{STREAM("mark first",
		"\xef\xbb\xbf"
		"data: a\n\n\xef\xbb\xbf"
		"data: b\n\n",
		0),
	 {DATA("a"), {SL_SSE_OTHER, "", NULL}},
	 2},
	{STREAM("mark first and later, with names",
		"\xef\xbb\xbf"
		"event: x\ndata: a\n\n\xef\xbb\xbf"
		"event: y\ndata: b\n\n",
		0),
	 {{SL_SSE_DATA, "a", "x"}, DATA("b")},
	 2},
	{STREAM("mark later, several data lines",
		"data: a\n\n\xef\xbb\xbf"
		"data: x\ndata: b\ndata: c\n\n",
		0),
	 {DATA("a"), DATA("b\nc")},
	 2},
	{STREAM("long line", "data: 0123456789012345678901234567890123456789\xc3\xa4\n\n", 0),
	 {DATA("0123456789012345678901234567890123456789\xc3\xa4")},
	 1},
	{STREAM("cut in a line", "data: a\n\ndata: b", 7), {DATA("a")}, 1},
	{STREAM("cut behind a line", "data: a\n\ndata: b\n", 8), {DATA("a")}, 1},
	{STREAM("nothing", "", 0), {COMMENT}, 0},
};

struct run {
	const struct stream_case *c;
	struct sl_sse sse;
	size_t carry_size;
	size_t count; /* events so far */
	size_t fed;   /* bytes of earlier pieces */
	size_t ended; /* bytes up to the end of the last event */
};

static void check_event(struct run *r, const struct sl_sse_event *e)
{
	const struct expected *x = &r->c->events[r->count];
	char joined[256];
	int len;

	if (r->count == r->c->count || e->kind != x->kind)
		fail_msg("%s: event %zu is of kind %d", r->c->name, r->count, (int)e->kind);
	if (!e->raw) { /* only what does not fit the carry buffer may be missing */
		assert_null(e->data);
		assert_null(e->name);
		assert_true(r->carry_size < 256);
		return;
	}
	len = e->data_lines ? sl_sse_data_join(e->raw, e->raw_len, joined, sizeof(joined)) : 0;
	if (e->data_lines == 1) {
		assert_int_equal(len, e->data_len);
		assert_memory_equal(joined, e->data, e->data_len);
	} else {
		assert_null(e->data);
	}
	if (len != (int)strlen(x->data) || memcmp(joined, x->data, (size_t)len) != 0)
		fail_msg("%s: event %zu: \"%.*s\"", r->c->name, r->count, len, joined);
	if (x->name) {
		assert_int_equal(e->name_len, strlen(x->name));
		assert_memory_equal(e->name, x->name, e->name_len);
	} else {
		assert_null(e->name);
	}
}

static void feed(struct run *r, const char *text, size_t len)
{
	const char *at = memcpy(room + ROOM - len, text, len);
	struct sl_sse_event e;
	size_t pos = 0;
	int rc;

	while ((rc = sl_sse_next(&r->sse, at, len, &pos, &e)) == 1) {
		check_event(r, &e);
		assert_true(pos <= len);
		r->ended = r->fed + pos;
		r->count++;
	}
	assert_int_equal(rc, 0);
	r->fed += len;
}

static void check_end(const struct run *r, const char *how, size_t at)
{
	const struct stream_case *c = r->c;

	if (r->count != c->count)
		fail_msg("%s, %s %zu: %zu events", c->name, how, at, r->count);
	/* an LF behind a CR may be counted to either side of a split */
	if (r->ended != c->len - c->tail &&
	    !(r->ended + 1 == c->len - c->tail && c->text[r->ended] == '\n'))
		fail_msg("%s, %s %zu: events end at %zu", c->name, how, at, r->ended);
}

static void run_case(const struct stream_case *c, size_t carry_size)
{
	char *carry = sl_guard_alloc(carry_size);
	struct run r;

	for (size_t n = 0; n <= c->len; n++) { /* split 0 is the whole */
		r = (struct run){.c = c, .carry_size = carry_size};
		sl_sse_init(&r.sse, carry, carry_size);
		feed(&r, c->text, n);
		feed(&r, c->text + n, c->len - n);
		check_end(&r, "split at", n);
	}
	r = (struct run){.c = c, .carry_size = carry_size};
	sl_sse_init(&r.sse, carry, carry_size);
	for (size_t n = 0; n < c->len; n++)
		feed(&r, c->text + n, 1);
	check_end(&r, "byte by byte", 1);
	sl_guard_free(carry, carry_size);
}

static void test_streams(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		run_case(&cases[i], 256);
		run_case(&cases[i], 10);
		run_case(&cases[i], 0);
	}
}

/* How a stream may stop, and what is then left. */
static void test_finish(void **state)
{
	static const struct {
		const char *text;
		int rc;
		enum sl_sse_kind kind;
		const char *data;
	} ends[] = {
		{"", 0, SL_SSE_COMMENT, NULL},
		{"data: a\n\n", 0, SL_SSE_COMMENT, NULL},
		{"data: a\r\r", 0, SL_SSE_COMMENT, NULL},
		{"data: [DONE]\n", 1, SL_SSE_DONE, "[DONE]"},
		{"data: [DONE]", 1, SL_SSE_DONE, "[DONE]"},
		{"data: [DO", 1, SL_SSE_DATA, "[DO"},
		{"data: {\"a\"", 1, SL_SSE_DATA, "{\"a\""},
		{"data: a\n\ndat", 1, SL_SSE_OTHER, NULL},
		{": ping\n", 0, SL_SSE_COMMENT, NULL},
		{": pin", 0, SL_SSE_COMMENT, NULL},
		{"\xef\xbb\xbf"
		 "data: a",
		 1, SL_SSE_DATA, "a"},
		{"event: x\n", 1, SL_SSE_OTHER, NULL},
	};
	char carry[64];

	(void)state;
	for (size_t i = 0; i < COUNT(ends); i++) {
		struct sl_sse s;
		struct sl_sse_event e;
		size_t pos = 0;
		size_t len = strlen(ends[i].text);

		sl_sse_init(&s, carry, sizeof(carry));
		while (sl_sse_next(&s, ends[i].text, len, &pos, &e) == 1)
			;
		assert_int_equal(sl_sse_finish(&s, &e), ends[i].rc);
		if (!ends[i].rc)
			continue;
		assert_int_equal(e.kind, ends[i].kind);
		if (!ends[i].data) {
			assert_null(e.data);
			continue;
		}
		assert_int_equal(e.data_len, strlen(ends[i].data));
		assert_memory_equal(e.data, ends[i].data, e.data_len);
	}
}

/* An event of the largest size passes, one byte more is refused, split or not. */
static void test_limit(void **state)
{
	char *text = malloc(SL_SSE_EVENT_BYTES_MAX + 1);

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		for (size_t piece = 65536; piece <= 2 * SL_SSE_EVENT_BYTES_MAX; piece *= 32) {
			size_t len = SL_SSE_EVENT_BYTES_MAX + extra;
			struct sl_sse_event e;
			struct sl_sse s;
			int rc = 0;

			memset(text, 'x', len);
			memcpy(text, "data: ", 6);
			memcpy(text + len - 2, "\n\n", 2);
			sl_sse_init(&s, NULL, 0);
			for (size_t at = 0; at < len && rc == 0; at += piece) {
				size_t pos = 0;

				rc = sl_sse_next(&s, text + at, piece < len - at ? piece : len - at,
						 &pos, &e);
			}
			assert_int_equal(rc, extra ? -EMSGSIZE : 1);
		}
	}
	free(text);
}

static void test_join_room(void **state)
{
	static const char raw[] = "data: ab\ndata: c\n\n";
	char out[4];

	(void)state;
	assert_int_equal(sl_sse_data_join(raw, sizeof(raw) - 1, out, 4), 4);
	assert_memory_equal(out, "ab\nc", 4);
	assert_int_equal(sl_sse_data_join(raw, sizeof(raw) - 1, out, 3), -ENOSPC);
	assert_int_equal(sl_sse_data_join(raw, sizeof(raw) - 1, out, 0), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_finish),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_join_room),
	};
	int rc;

	room = sl_guard_alloc(ROOM);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(room, ROOM);
	return rc;
}
