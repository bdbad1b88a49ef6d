/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/2 connections to sl_server over loopback TCP: requests, answers, time, leaving, the beginning.
 * Floods: h2_flood.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "tests/unit/http/h2_world.h"

/* ---- requests --------------------------------------------------------------------------------- */

/* A request in three frames, with trailers, in pieces of every size. */
static void split_everywhere(enum sl_io_backend backend)
{
	struct world *world = open_world(backend);
	char trailer[64];
	size_t piece;

	for (piece = 1; piece < 230; piece += piece < 40 ? 1 : 13) {
		struct frame frame;
		int before = world->requests;

		put_hello(world);
		put_post(world, 1, false, "content-length", "11");
		put_data(world, 1, false, "hello");
		put_data(world, 1, false, " world");
		put_frame(world, NGHTTP2_HEADERS,
			  NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, trailer,
			  field(trailer, "content-md5", "x"));
		send_put(world, piece);
		expect_status(world, 1, 200);
		frame = expect_frame(world, NGHTTP2_DATA, 1);
		assert_int_equal(frame.len, 2);
		assert_memory_equal(frame.payload, "ok", 2);
		assert_true(frame.flags & NGHTTP2_FLAG_END_STREAM);
		assert_int_equal(world->requests, before + 1);
		assert_int_equal(world->body_len, 11);
		assert_memory_equal(world->body, "hello world", 11);
		disconnect(world);
		connect_again(world);
	}
	close_world(world);
}

static void test_split_uring(void **state)
{
	(void)state;
	split_everywhere(SL_IO_URING);
}

static void test_split_epoll(void **state)
{
	(void)state;
	split_everywhere(SL_IO_EPOLL);
}

/* More streams than may be open at a time, round by round; their bodies by turns. */
static void test_many_streams(void **state)
{
	struct world *world = open_world(SL_IO_EPOLL);
	uint32_t round, i, answers = 0, ends = 0;
	struct frame frame;

	(void)state;
	put_hello(world);
	for (round = 0; round < 10; round++) {
		uint32_t first = 1 + round * 2 * STREAMS_MAX;

		for (i = 0; i < STREAMS_MAX; i++)
			put_post(world, first + 2 * i, false, NULL, NULL);
		for (i = 0; i < STREAMS_MAX; i++)
			put_data(world, first + 2 * i, false, "a");
		for (i = 0; i < STREAMS_MAX; i++)
			put_data(world, first + 2 * i, true, "b");
		send_put(world, 1000);
		while (ends < (round + 1) * STREAMS_MAX) {
			if (!next_frame(world, &frame)) {
				assert_false(world->closed);
				turn(world, TURN_MS);
				continue;
			}
			if (frame.type == NGHTTP2_HEADERS) {
				assert_int_equal(status_of(world, frame), 200);
				answers++;
			}
			if (frame.type == NGHTTP2_DATA && (frame.flags & NGHTTP2_FLAG_END_STREAM))
				ends++;
		}
		assert_int_equal(answers, ends);
		assert_int_equal(world->body_len, 2);
	}
	assert_int_equal(world->server.h2.requests, 10 * STREAMS_MAX);
	close_world(world);
}

struct bad_case {
	const char *name, *value;
	int status; /* 0: RST_STREAM with PROTOCOL_ERROR */
};

static void test_bad_heads(void **state)
{
	static const struct bad_case cases[] = {
		{"X-Upper", "a", 0},
		{"connection", "close", 0},
		{"transfer-encoding", "chunked", 0},
		{"te", "gzip", 0},
		{":path", "/again", 0},
		{"x", "a\r\nhost: b", 400},
		{"x", "a\nb", 400},
		{"x", " a", 400},
		{"host", "b.test", 400},
		{"content-length", "1x", 0},
		{"http2-settings", "AA", 400},
		{"expect", "miracles", 417},
		{"content-length", "65537", 413},
	};
	struct world *world = open_world(SL_IO_EPOLL);
	size_t i;

	(void)state;
	put_hello(world);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t stream = (uint32_t)(2 * i + 1);
		bool end = strcmp(cases[i].name, "content-length") != 0;

		put_post(world, stream, end, cases[i].name, cases[i].value);
		send_put(world, 1000);
		if (cases[i].status) {
			expect_status(world, stream, cases[i].status);
			assert_true(expect_frame(world, NGHTTP2_DATA, stream).flags &
				    NGHTTP2_FLAG_END_STREAM);
		} else {
			assert_int_equal(
				code_of(expect_frame(world, NGHTTP2_RST_STREAM, stream), 0),
				NGHTTP2_PROTOCOL_ERROR);
		}
	}
	assert_int_equal(world->requests, 0);
	assert_int_equal(world->server.h2.refused[SL_H2_REFUSED_MALFORMED], i - 1);
	assert_int_equal(world->server.refused[SL_SERVER_REFUSED_TOO_LARGE], 1);
	/* The connection serves on. */
	put_post(world, 101, true, NULL, NULL);
	send_put(world, 1000);
	expect_status(world, 101, 200);
	close_world(world);
}

/* Bodies: too large without a length, longer and shorter than theirs, none at all. */
static void test_bodies(void **state)
{
	static char large[16000];
	struct world *world = open_world(SL_IO_EPOLL);
	int i;

	(void)state;
	put_hello(world);
	put_post(world, 1, false, NULL, NULL);
	for (i = 0; i < 5; i++)
		put_frame(world, NGHTTP2_DATA, 0, 1, large, sizeof(large));
	send_put(world, 1000);
	expect_status(world, 1, 413);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 1), 0), NGHTTP2_NO_ERROR);
	put_post(world, 3, false, "content-length", "3");
	put_data(world, 3, true, "abcd");
	send_put(world, 1000);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 3), 0),
			 NGHTTP2_PROTOCOL_ERROR);
	put_post(world, 5, false, "content-length", "5");
	put_data(world, 5, true, "abcd");
	send_put(world, 1000);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 5), 0),
			 NGHTTP2_PROTOCOL_ERROR);
	assert_int_equal(world->requests, 0);
	put_post(world, 7, true, "content-length", "0");
	put_post(world, 9, false, NULL, NULL);
	put_data(world, 9, true, "");
	send_put(world, 1000);
	expect_status(world, 7, 200);
	expect_status(world, 9, 200);
	assert_int_equal(world->requests, 2);
	close_world(world);
}

/* The connection holds so much of requests that are not complete, and the newest has to go. */
static void test_held_bodies(void **state)
{
	static char part[16000];
	struct world *world = open_world(SL_IO_EPOLL);
	uint32_t stream;
	int i;

	(void)state;
	put_hello(world);
	for (stream = 1; stream < 2 * 18; stream += 2) {
		put_post(world, stream, false, NULL, NULL);
		for (i = 0; i < 4; i++)
			put_frame(world, NGHTTP2_DATA, 0, stream, part, sizeof(part));
	}
	send_put(world, 16000);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 33), 0),
			 NGHTTP2_REFUSED_STREAM);
	assert_true(world->server.h2.refused[SL_H2_REFUSED_BODIES] >= 1);
	put_data(world, 1, true, "x");
	send_put(world, 1000);
	expect_status(world, 1, 200);
	assert_int_equal(world->body_len, 4 * sizeof(part) + 1);
	close_world(world);
}

/* ---- answers ---------------------------------------------------------------------------------- */

static size_t read_data(struct world *world, uint32_t stream, size_t wanted)
{
	size_t got = 0;

	while (got < wanted)
		got += expect_frame(world, NGHTTP2_DATA, stream).len;
	return got;
}

/* A stream whose window is used up waits with its bytes; another one goes on beside it. */
static void test_flow_control(void **state)
{
	struct world *world = open_world(SL_IO_EPOLL);
	int i;

	(void)state;
	put_hello(world);
	put_code(world, NGHTTP2_WINDOW_UPDATE, 0, 10000000);
	world->answer = ANSWER_LARGE;
	put_post(world, 1, true, NULL, NULL);
	send_put(world, 1000);
	expect_status(world, 1, 200);
	assert_int_equal(read_data(world, 1, 65535), 65535);
	assert_int_equal(sl_server_pending(world->held[0]), LARGE_BYTES - 65535);
	world->answer = ANSWER_OK;
	put_post(world, 3, true, NULL, NULL);
	send_put(world, 1000);
	expect_status(world, 3, 200);
	assert_int_equal(sl_server_pending(world->held[0]), LARGE_BYTES - 65535);
	assert_int_equal(world->drained, 0);
	put_code(world, NGHTTP2_WINDOW_UPDATE, 1, 1000000);
	send_put(world, 1000);
	assert_int_equal(read_data(world, 1, LARGE_BYTES - 65535), LARGE_BYTES - 65535);
	for (i = 0; i < TURNS_MAX && !world->drained; i++)
		turn(world, TURN_MS);
	assert_int_equal(world->drained, 1);
	sl_server_end(world->held[0]);
	world->held_count = 0;
	assert_true(expect_frame(world, NGHTTP2_DATA, 1).flags & NGHTTP2_FLAG_END_STREAM);
	assert_int_equal(world->gone, 0);
	close_world(world);
}

/* A reset tells the owner at once; a lost connection tells all of them; abort resets the stream. */
static void test_gone(void **state)
{
	struct world *world = open_world(SL_IO_EPOLL);
	uint32_t i;

	(void)state;
	world->answer = ANSWER_HOLD;
	put_hello(world);
	for (i = 0; i < 5; i++)
		put_post(world, 2 * i + 1, true, NULL, NULL);
	send_put(world, 1000);
	assert_int_equal(world->held_count, 5);
	put_code(world, NGHTTP2_RST_STREAM, 5, NGHTTP2_CANCEL);
	send_put(world, 1000);
	for (i = 0; i < TURNS_MAX && !world->gone; i++)
		turn(world, TURN_MS);
	assert_int_equal(world->gone, 1);
	assert_int_equal(world->held_count, 4);
	assert_int_equal(world->server.h2.streams, 4);
	sl_server_abort(world->held[3]);
	world->held_count = 3;
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 9), 0),
			 NGHTTP2_INTERNAL_ERROR);
	assert_int_equal(world->gone, 1);
	disconnect(world);
	assert_int_equal(world->gone, 4);
	connect_again(world);
	close_world(world);
}

/* ---- time ------------------------------------------------------------------------------------- */

static void test_slow(void **state)
{
	struct world *world = open_world(SL_IO_EPOLL);
	char block[64];
	int i;

	(void)state;
	/* a head that is not complete holds the connection up */
	world->server.options.header_timeout_ms = 50;
	put_hello(world);
	put_frame(world, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block,
		  field(block, ":method", "POST"));
	send_put(world, 1000);
	expect_end(world, NGHTTP2_ENHANCE_YOUR_CALM);
	assert_int_equal(world->server.refused[SL_SERVER_REFUSED_SLOW], 1);
	close(world->fd);
	connect_again(world);
	/* a body only its stream */
	world->server.options.header_timeout_ms = 60000;
	world->server.options.body_timeout_ms = 50;
	put_hello(world);
	put_post(world, 1, false, NULL, NULL);
	send_put(world, 1000);
	expect_status(world, 1, 408);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 1), 0), NGHTTP2_NO_ERROR);
	assert_int_equal(world->server.refused[SL_SERVER_REFUSED_SLOW], 2);
	/* an answer that is not taken too */
	world->server.options.send_timeout_ms = 50;
	world->answer = ANSWER_LARGE;
	put_code(world, NGHTTP2_WINDOW_UPDATE, 0, 10000000);
	put_post(world, 3, true, NULL, NULL);
	send_put(world, 1000);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_RST_STREAM, 3), 0), NGHTTP2_CANCEL);
	assert_int_equal(world->server.cut, 1);
	assert_int_equal(world->gone, 1);
	/* nothing at all */
	world->server.options.idle_timeout_ms = 50;
	world->answer = ANSWER_OK;
	put_post(world, 5, true, NULL, NULL);
	send_put(world, 1000);
	expect_status(world, 5, 200);
	assert_int_equal(code_of(expect_frame(world, NGHTTP2_GOAWAY, 0), 4), NGHTTP2_NO_ERROR);
	for (i = 0; i < TURNS_MAX && !world->closed; i++)
		turn(world, TURN_MS);
	assert_true(world->closed);
	close_world(world);
}

/* ---- leaving ---------------------------------------------------------------------------------- */

/* Both kinds: told, a request still on its way is taken, the last one named, the rest finished. */
static void leave(void (*how)(struct sl_server *server), bool pong)
{
	struct world *world = open_world(SL_IO_EPOLL);
	struct frame frame;
	int i;

	world->answer = ANSWER_HOLD;
	put_hello(world);
	put_post(world, 1, true, NULL, NULL);
	send_put(world, 1000);
	assert_int_equal(world->held_count, 1);
	how(&world->server);
	frame = expect_frame(world, NGHTTP2_GOAWAY, 0);
	assert_int_equal(code_of(frame, 0), 0x7fffffff);
	assert_int_equal(code_of(frame, 4), NGHTTP2_NO_ERROR);
	expect_frame(world, NGHTTP2_PING, 0);
	put_post(world, 3, true, NULL, NULL);
	if (pong)
		put_frame(world, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
	send_put(world, 1000);
	frame = expect_frame(world, NGHTTP2_GOAWAY, 0);
	assert_int_equal(code_of(frame, 0), 3);
	assert_int_equal(world->held_count, 2);
	for (i = 0; i < 2; i++)
		sl_server_respond(world->held[i], 200, "text/plain", NULL, 0, "late", 4);
	world->held_count = 0;
	expect_status(world, 1, 200);
	for (i = 0; i < TURNS_MAX && !world->closed; i++)
		turn(world, TURN_MS);
	assert_true(world->closed);
	assert_int_equal(world->gone, 0);
	close_world(world);
}

static void test_leave(void **state)
{
	(void)state;
	leave(sl_server_leave, true);
	leave(sl_server_drain, true);
	leave(sl_server_drain, false);
}

/* ---- the beginning ---------------------------------------------------------------------------- */

static void test_not_spoken(void **state)
{
	static const char first[] = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
	struct world *world = open_world(SL_IO_EPOLL);
	int i;

	(void)state;
	put(world, first, sizeof(first) - 1);
	put_hello(world);
	send_put(world, 1000);
	for (i = 0; i < TURNS_MAX && !world->closed; i++)
		turn(world, TURN_MS);
	world->in[world->in_len] = '\0';
	assert_non_null(strstr((const char *)world->in, "HTTP/1.1 200 "));
	assert_non_null(strstr((const char *)world->in, "HTTP/1.1 505 "));
	close(world->fd);
	connect_again(world);
	world->server.options.h2_streams_max = 0;
	put_hello(world);
	send_put(world, 1000);
	for (i = 0; i < TURNS_MAX && !world->closed; i++)
		turn(world, TURN_MS);
	assert_memory_equal(world->in, "HTTP/1.1 505 ", 13);
	assert_int_equal(world->server.h2.accepted, 0);
	close_world(world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_uring),  cmocka_unit_test(test_split_epoll),
		cmocka_unit_test(test_many_streams), cmocka_unit_test(test_bad_heads),
		cmocka_unit_test(test_bodies),	     cmocka_unit_test(test_held_bodies),
		cmocka_unit_test(test_flow_control), cmocka_unit_test(test_gone),
		cmocka_unit_test(test_slow),	     cmocka_unit_test(test_leave),
		cmocka_unit_test(test_not_spoken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
