/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunked decoder: tables of bodies, fed whole, split in two at every byte, and byte by
 * byte, each piece ending at a guard page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/guard.h"
#include "user/http/h1_chunk.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM	 (64 * 1024)

static char *room;

struct outcome {
	int rc;
	size_t used; /* bytes of the input up to the end of the body */
	char data[ROOM];
	size_t data_len;
};

static struct outcome out;

/* Feeds one buffer to the end; false when the body ended or was refused. */
static bool feed(struct sl_h1_chunk *c, const char *text, size_t len)
{
	const char *at = memcpy(room + ROOM - len, text, len);
	size_t left = len;

	for (size_t turns = 0; left; turns++) {
		size_t used, data_len;
		const char *data;

		assert_true(turns <= len);
		out.rc = sl_h1_chunk_feed(c, at, left, &used, &data, &data_len);
		if (out.rc < 0)
			return false;
		assert_true(used <= left);
		assert_true(data_len == 0 || (data >= at && data + data_len <= at + used));
		assert_true((out.rc == SL_H1_CHUNK_DATA) == (data_len > 0));
		memcpy(out.data + out.data_len, data, data_len);
		out.data_len += data_len;
		out.used += used;
		at += used;
		left -= used;
		if (out.rc == SL_H1_CHUNK_END)
			return false;
		if (out.rc == SL_H1_CHUNK_MORE)
			assert_int_equal(left, 0);
	}
	out.rc = SL_H1_CHUNK_MORE;
	return true;
}

static void reset(struct sl_h1_chunk *c)
{
	sl_h1_chunk_init(c);
	out.rc = 0;
	out.used = out.data_len = 0;
}

struct chunk_case {
	const char *name;
	const char *text;
	size_t len;
	int rc;		  /* END, MORE or -bad */
	const char *data; /* of a body that is not refused */
	size_t behind;	  /* bytes of text behind the end */
};

#define BODY(name, text, rc, data, behind)                     \
	{                                                      \
		name, text, sizeof(text) - 1, rc, data, behind \
	}
#define BAD(name, text, bad)                                                       \
	{                                                                          \
		name, text, sizeof(text) - 1, -(int)SL_H1_CHUNK_BAD_##bad, NULL, 0 \
	}

static const struct chunk_case cases[] = {
	BODY("empty", "0\r\n\r\n", SL_H1_CHUNK_END, "", 0),
	BODY("one", "5\r\nhello\r\n0\r\n\r\n", SL_H1_CHUNK_END, "hello", 0),
	BODY("two, hexadecimal", "A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n",
	     SL_H1_CHUNK_END, "01234567890123456789a", 0),
	BODY("next request behind", "1\r\nx\r\n0\r\n\r\nGET / HTTP/1.1\r\n", SL_H1_CHUNK_END, "x",
	     16),
	BODY("leading zeros", "0000000000000001\r\nx\r\n000\r\n\r\n", SL_H1_CHUNK_END, "x", 0),
	BODY("data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", SL_H1_CHUNK_END,
	     "\r\n0\r\n\r\n", 0),
	BODY("extensions", "1;a=b;c=\"d e\"\r\nx\r\n0;last\r\n\r\n", SL_H1_CHUNK_END, "x", 0),
	BODY("trailers", "0\r\nX-Sum: 1\r\nY:\r\n\r\n", SL_H1_CHUNK_END, "", 0),
	BODY("cut in the size", "5", SL_H1_CHUNK_MORE, "", 0),
	BODY("cut in the data", "5\r\nhel", SL_H1_CHUNK_MORE, "hel", 0),
	BODY("cut before the last chunk", "5\r\nhello\r\n", SL_H1_CHUNK_MORE, "hello", 0),
	BODY("cut before the last line", "5\r\nhello\r\n0\r\n", SL_H1_CHUNK_MORE, "hello", 0),
	BODY("cut before the last byte", "0\r\n\r", SL_H1_CHUNK_MORE, "", 0),
	BODY("largest size", "7fffffffffffffff\r\nx", SL_H1_CHUNK_MORE, "x", 0),
	BAD("no size", "\r\nhello\r\n", SIZE),
	BAD("no digit", "g\r\n", SIZE),
	BAD("only an extension", ";a\r\n", SIZE),
	BAD("prefix 0x", "0x5\r\nhello\r\n", SIZE),
	BAD("plus", "+5\r\nhello\r\n", SIZE),
	BAD("minus", "-1\r\n", SIZE),
	BAD("blank first", " 5\r\nhello\r\n", SIZE),
	BAD("blank behind", "5 \r\nhello\r\n", SIZE),
	BAD("tab behind", "5\t\r\nhello\r\n", SIZE),
	BAD("blank before the extension", "5 ;a\r\nhello\r\n", SIZE),
	BAD("underscore", "1_0\r\n", SIZE),
	BAD("NUL", "5\0\r\nhello\r\n", SIZE),
	BAD("17 digits", "00000000000000005\r\nhello\r\n", SIZE_LONG),
	BAD("2^63", "8000000000000000\r\n", SIZE_LONG),
	BAD("2^64 - 1", "ffffffffffffffff\r\n", SIZE_LONG),
	BAD("bare LF behind the size", "5\nhello\r\n", LINE_END),
	BAD("bare CR behind the size", "5\rhello\r\n", LINE_END),
	BAD("CR CR LF behind the size", "5\r\r\nhello\r\n", LINE_END),
	BAD("bare LF behind an extension", "5;a\nhello\r\n", LINE_END),
	BAD("bare CR in an extension", "5;a\rb\r\nhello\r\n", LINE_END),
	BAD("NUL in an extension", "5;a\0\r\nhello\r\n", EXTENSION),
	BAD("data too long", "4\r\nhello\r\n", DATA_END),
	BAD("data too short", "6\r\nhello\r\n0\r\n\r\n", DATA_END),
	BAD("bare LF behind the data", "5\r\nhello\n0\r\n\r\n", DATA_END),
	BAD("bare CR behind the data", "5\r\nhello\r0\r\n\r\n", DATA_END),
	BAD("nothing behind the data", "5\r\nhello0\r\n\r\n", DATA_END),
	BAD("bare LF behind the last chunk", "0\n\n", LINE_END),
	BAD("bare LF at the end", "0\r\n\n", LINE_END),
	BAD("bare CR at the end", "0\r\n\rX", LINE_END),
	BAD("trailer without colon", "0\r\nGET / HTTP/1.1\r\n\r\n", TRAILER),
	BAD("trailer name cut by CR", "0\r\nX\r\n\r\n", TRAILER),
	BAD("trailer fold", "0\r\nX: a\r\n b\r\n\r\n", TRAILER),
	BAD("trailer name in quotes", "0\r\n{\"a\": 1}\r\n\r\n", TRAILER),
	BAD("trailer name not ASCII", "0\r\nX\xe4: 1\r\n\r\n", TRAILER),
	BAD("trailer without name", "0\r\n: a\r\n\r\n", TRAILER),
	BAD("trailer blank before colon", "0\r\nX : a\r\n\r\n", TRAILER),
	BAD("trailer with NUL", "0\r\nX: \0\r\n\r\n", TRAILER),
	BAD("trailer with bare LF", "0\r\nX: a\n\r\n", LINE_END),
	BAD("trailer with bare CR", "0\r\nX: a\rb\r\n\r\n", LINE_END),
};

static void check_outcome(const struct chunk_case *c, const char *how, size_t at)
{
	if (out.rc != c->rc)
		fail_msg("%s, %s %zu: %d (%s), expected %d", c->name, how, at, out.rc,
			 out.rc < 0 ? sl_h1_chunk_bad_text((enum sl_h1_chunk_bad) - out.rc) : "",
			 c->rc);
	if (c->rc < 0)
		return;
	if (out.data_len != strlen(c->data) || memcmp(out.data, c->data, out.data_len) != 0)
		fail_msg("%s, %s %zu: data \"%.*s\"", c->name, how, at, (int)out.data_len,
			 out.data);
	if (out.used != c->len - c->behind)
		fail_msg("%s, %s %zu: used %zu of %zu", c->name, how, at, out.used, c->len);
}

static void test_cases(void **state)
{
	struct sl_h1_chunk c;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct chunk_case *k = &cases[i];

		reset(&c);
		feed(&c, k->text, k->len);
		check_outcome(k, "whole", 0);
		for (size_t n = 1; n < k->len; n++) {
			reset(&c);
			if (feed(&c, k->text, n))
				feed(&c, k->text + n, k->len - n);
			check_outcome(k, "split at", n);
		}
		reset(&c);
		for (size_t n = 0; n < k->len; n++)
			if (!feed(&c, k->text + n, 1))
				break;
		check_outcome(k, "byte by byte", 1);
	}
}

/* A refusal sticks, whatever is fed afterwards. */
static void test_sticky(void **state)
{
	struct sl_h1_chunk c;

	(void)state;
	reset(&c);
	feed(&c, "x", 1);
	assert_int_equal(out.rc, -SL_H1_CHUNK_BAD_SIZE);
	feed(&c, "0\r\n\r\n", 5);
	assert_int_equal(out.rc, -SL_H1_CHUNK_BAD_SIZE);
}

/* Extensions and trailers are bounded over the whole message, not per line. */
static void test_limits(void **state)
{
	static const char chunk[] = "1;aaaaaaaaaaaaaaa\r\nx\r\n"; /* 15 bytes of extension */
	static const char trailer[] = "Trailer: aaaaa\r\n";	  /* 15 bytes without the LF */
	struct sl_h1_chunk c;
	size_t count = 0;

	(void)state;
	reset(&c);
	while (count < SL_H1_CHUNK_EXTENSION_BYTES_MAX && feed(&c, chunk, sizeof(chunk) - 1)) {
		out.data_len = 0;
		count++;
	}
	assert_int_equal(out.rc, -SL_H1_CHUNK_BAD_EXTENSION_LONG);
	assert_int_equal(count, SL_H1_CHUNK_EXTENSION_BYTES_MAX / 15);
	reset(&c);
	assert_true(feed(&c, "0\r\n", 3));
	for (count = 0; count < SL_H1_CHUNK_TRAILER_BYTES_MAX; count++)
		if (!feed(&c, trailer, sizeof(trailer) - 1))
			break;
	assert_int_equal(out.rc, -SL_H1_CHUNK_BAD_TRAILER_LONG);
	assert_int_equal(count, SL_H1_CHUNK_TRAILER_BYTES_MAX / 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_limits),
	};
	int rc;

	room = sl_guard_alloc(ROOM);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(room, ROOM);
	return rc;
}
