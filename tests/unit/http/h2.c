/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * HTTP/2 connections to sl_server over loopback TCP. Frames are written by hand, so that they can be
 * wrong and cut at every byte; what comes back is read frame by frame.
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
#include "tests/unit/pair.h"
#include "user/http/h2.h"

#define TURNS_MAX   2000
#define TURN_MS	    10
#define BODY_MAX    (64u << 10)
#define STREAMS_MAX 20u
#define PREFACE	    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

enum answer { ANSWER_OK = 0, ANSWER_HOLD, ANSWER_LARGE };

#define HELD_MAX    64
#define LARGE_BYTES 300000u

struct world {
	struct sl_loop *loop;
	struct sl_server server;
	int fd; /* the client's */
	enum answer answer;
	int requests, gone, drained;
	char body[256]; /* of the last request */
	size_t body_len;
	struct sl_exchange *held[HELD_MAX];
	int held_count;
	char *sent; /* what the client writes next */
	size_t sent_len, sent_size;
	/* what came */
	uint8_t in[1 << 20];
	size_t in_len, in_at;
	bool closed;
	nghttp2_hd_inflater *inflater;
};

static void on_request(struct sl_exchange *exchange)
{
	struct world *world = exchange->server->owner;
	static char large[LARGE_BYTES];

	world->requests++;
	world->body_len = exchange->body_len;
	memcpy(world->body, exchange->body,
	       exchange->body_len < sizeof(world->body) ? exchange->body_len : sizeof(world->body));
	if (world->answer == ANSWER_OK) {
		sl_server_respond(exchange, 200, "text/plain", "X-Sent: 1\r\nConnection: close\r\n",
				  30, "ok", 2);
		return;
	}
	exchange->user = world;
	world->held[world->held_count++] = exchange;
	if (world->answer == ANSWER_LARGE) {
		assert_int_equal(sl_server_begin(exchange, 200, NULL, 0, -1), 0);
		assert_int_equal(sl_server_chunk(exchange, large, sizeof(large)), 0);
		assert_int_equal(sl_server_pending(exchange), sizeof(large));
	}
}

static void on_gone(struct sl_exchange *exchange)
{
	struct world *world = exchange->server->owner;
	int i, keep = 0;

	world->gone++;
	for (i = 0; i < world->held_count; i++) {
		if (world->held[i] != exchange)
			world->held[keep++] = world->held[i];
	}
	world->held_count = keep;
}

static void on_drained(struct sl_exchange *exchange)
{
	struct world *world = exchange->server->owner;

	world->drained++;
}

static int write_error(const struct sl_exchange *exchange, enum sl_server_refusal refusal,
		       int status, const char *reason, char *out, size_t out_size)
{
	(void)exchange, (void)reason;
	return snprintf(out, out_size, "{\"refused\":%d,\"status\":%d}", (int)refusal, status);
}

static const struct sl_server_ops ops = {
	.request = on_request,
	.gone = on_gone,
	.drained = on_drained,
	.error_body = write_error,
};

static const struct sl_server_options options = {
	.body_bytes_max = BODY_MAX,
	.header_timeout_ms = 60000,
	.body_timeout_ms = 60000,
	.idle_timeout_ms = 60000,
	.send_timeout_ms = 60000,
	.connections_max = 30,
	.h2_streams_max = STREAMS_MAX,
};

/* ---- the client ------------------------------------------------------------------------------- */

static void put(struct world *world, const void *data, size_t len)
{
	if (world->sent_len + len > world->sent_size) {
		world->sent_size = 2 * (world->sent_len + len);
		world->sent = realloc(world->sent, world->sent_size);
		assert_non_null(world->sent);
	}
	if (len)
		memcpy(world->sent + world->sent_len, data, len);
	world->sent_len += len;
}

static void put_frame(struct world *world, uint8_t type, uint8_t flags, uint32_t stream,
		      const void *payload, size_t len)
{
	const uint8_t head[9] = {(uint8_t)(len >> 16),
				 (uint8_t)(len >> 8),
				 (uint8_t)len,
				 type,
				 flags,
				 (uint8_t)(stream >> 24),
				 (uint8_t)(stream >> 16),
				 (uint8_t)(stream >> 8),
				 (uint8_t)stream};

	put(world, head, sizeof(head));
	put(world, payload, len);
}

/* One header field, literal and not indexed; lengths below 127. */
static size_t field(char *out, const char *name, const char *value)
{
	size_t name_len = strlen(name), value_len = strlen(value);

	out[0] = 0;
	out[1] = (char)name_len;
	memcpy(out + 2, name, name_len);
	out[2 + name_len] = (char)value_len;
	memcpy(out + 3 + name_len, value, value_len);
	return 3 + name_len + value_len;
}

/* HEADERS of a POST, with a field of its own where name is given. */
static void put_post(struct world *world, uint32_t stream, bool end, const char *name,
		     const char *value)
{
	char block[1024];
	size_t len = 0;

	len += field(block + len, ":method", "POST");
	len += field(block + len, ":scheme", "http");
	len += field(block + len, ":authority", "a.test");
	len += field(block + len, ":path", "/v1/x");
	if (name)
		len += field(block + len, name, value);
	put_frame(world, NGHTTP2_HEADERS,
		  NGHTTP2_FLAG_END_HEADERS | (end ? NGHTTP2_FLAG_END_STREAM : 0), stream, block,
		  len);
}

static void put_hello(struct world *world)
{
	put(world, PREFACE, sizeof(PREFACE) - 1);
	put_frame(world, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static void put_code(struct world *world, uint8_t type, uint32_t stream, uint32_t code)
{
	const uint8_t bytes[4] = {(uint8_t)(code >> 24), (uint8_t)(code >> 16),
				  (uint8_t)(code >> 8), (uint8_t)code};

	put_frame(world, type, 0, stream, bytes, sizeof(bytes));
}

static void turn(struct world *world, int wait_ms)
{
	ssize_t got;

	sl_loop_turn(world->loop, wait_ms);
	while (!world->closed && world->in_len < sizeof(world->in)) {
		got = recv(world->fd, world->in + world->in_len, sizeof(world->in) - world->in_len,
			   MSG_DONTWAIT);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0)
			world->closed = true;
		else
			world->in_len += (size_t)got;
	}
}

/* Writes what was put, in pieces of at most piece bytes; what the server no longer takes is lost. */
static void send_put(struct world *world, size_t piece)
{
	size_t at = 0;
	int i;

	for (i = 0; i < 1000000 && at < world->sent_len && !world->closed; i++) {
		size_t part = world->sent_len - at < piece ? world->sent_len - at : piece;
		ssize_t sent = send(world->fd, world->sent + at, part, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent > 0)
			at += (size_t)sent;
		else if (errno != EAGAIN)
			break;
		turn(world, 0);
	}
	world->sent_len = 0;
}

struct frame {
	uint8_t type, flags;
	uint32_t stream;
	const uint8_t *payload;
	size_t len;
};

/* The next frame that came, or false. */
static bool next_frame(struct world *world, struct frame *ret_frame)
{
	const uint8_t *at = world->in + world->in_at;
	size_t have = world->in_len - world->in_at, len;

	if (have < 9)
		return false;
	len = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
	if (have < 9 + len)
		return false;
	*ret_frame = (struct frame){
		.type = at[3],
		.flags = at[4],
		.stream = ((uint32_t)at[5] << 24 | (uint32_t)at[6] << 16 | (uint32_t)at[7] << 8 |
			   at[8]) &
			  0x7fffffff,
		.payload = at + 9,
		.len = len,
	};
	world->in_at += 9 + len;
	return true;
}

/* Passes over frames until one of that type of that stream comes. */
static struct frame expect_frame(struct world *world, uint8_t type, uint32_t stream)
{
	struct frame frame;
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		while (next_frame(world, &frame)) {
			if (frame.type == type && frame.stream == stream &&
			    !(type == NGHTTP2_SETTINGS && (frame.flags & NGHTTP2_FLAG_ACK)))
				return frame;
			if (frame.type == NGHTTP2_GOAWAY)
				fail_msg("GOAWAY %u in the place of frame %u of %u",
					 frame.payload[7], type, stream);
		}
		if (world->closed)
			break;
		turn(world, TURN_MS);
	}
	fail_msg("no frame %u of stream %u", type, stream);
	return frame;
}

static uint32_t code_of(struct frame frame, size_t at)
{
	return (uint32_t)frame.payload[at] << 24 | (uint32_t)frame.payload[at + 1] << 16 |
	       (uint32_t)frame.payload[at + 2] << 8 | frame.payload[at + 3];
}

/* The status of a HEADERS frame; other fields are looked at too. */
static int status_of(struct world *world, struct frame frame)
{
	const uint8_t *at = frame.payload;
	size_t left = frame.len;
	int status = 0;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t rc = nghttp2_hd_inflate_hd2(world->inflater, &nv, &flags, at, left, 1);

		assert_true(rc >= 0);
		at += rc;
		left -= (size_t)rc;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			if (nv.namelen == 7 && !memcmp(nv.name, ":status", 7))
				status = atoi((const char *)nv.value);
			assert_false(nv.namelen == 10 && !memcmp(nv.name, "connection", 10));
			for (size_t i = 0; i < nv.namelen; i++)
				assert_false(nv.name[i] >= 'A' && nv.name[i] <= 'Z');
		}
		if (flags & NGHTTP2_HD_INFLATE_FINAL)
			break;
	}
	nghttp2_hd_inflate_end_headers(world->inflater);
	return status;
}

static void expect_status(struct world *world, uint32_t stream, int status)
{
	assert_int_equal(status_of(world, expect_frame(world, NGHTTP2_HEADERS, stream)), status);
}

/* The connection ends by GOAWAY with that code. */
static void expect_end(struct world *world, uint32_t code)
{
	struct frame frame;
	int i;

	for (i = 0; i < TURNS_MAX; i++) {
		while (next_frame(world, &frame)) {
			if (frame.type == NGHTTP2_GOAWAY && code_of(frame, 4) != NGHTTP2_NO_ERROR) {
				assert_int_equal(code_of(frame, 4), code);
				goto closing;
			}
		}
		turn(world, TURN_MS);
	}
	fail_msg("no GOAWAY");
closing:
	shutdown(world->fd, SHUT_WR);
	for (i = 0; i < TURNS_MAX && world->server.conn_count; i++)
		turn(world, TURN_MS);
	assert_int_equal(world->server.conn_count, 0);
	assert_int_equal(world->server.h2.streams, 0);
	assert_int_equal(world->held_count, 0);
}

static void connect_again(struct world *world)
{
	int fd;

	sl_pair_connect(&world->fd, &fd);
	world->in_len = world->in_at = 0;
	world->closed = false;
	if (world->inflater)
		nghttp2_hd_inflate_del(world->inflater);
	assert_int_equal(nghttp2_hd_inflate_new(&world->inflater), 0);
	sl_server_accept(&world->server, fd, NULL);
}

static struct world *open_world(enum sl_io_backend backend)
{
	struct sl_loop_options loop_options = {.backend = backend};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(sl_loop_open(&loop_options, &world->loop), 0);
	sl_server_init(&world->server, world->loop, &ops, &options, world);
	connect_again(world);
	return world;
}

static void disconnect(struct world *world)
{
	int i;

	close(world->fd);
	for (i = 0; i < TURNS_MAX && world->server.conn_count; i++)
		sl_loop_turn(world->loop, TURN_MS);
	assert_int_equal(world->server.conn_count, 0);
	assert_int_equal(world->server.h2.streams, 0);
	assert_int_equal(world->server.h2.conns, 0);
	assert_int_equal(world->held_count, 0);
}

static void close_world(struct world *world)
{
	disconnect(world);
	sl_server_fini(&world->server);
	sl_loop_close(&world->loop);
	nghttp2_hd_inflate_del(world->inflater);
	free(world->sent);
	free(world);
}

static void put_data(struct world *world, uint32_t stream, bool end, const char *text)
{
	put_frame(world, NGHTTP2_DATA, end ? NGHTTP2_FLAG_END_STREAM : 0, stream, text,
		  strlen(text));
}

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

/* ---- floods ----------------------------------------------------------------------------------- */

#define FLOOD 3000u

static void flood_ping(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_PING, 0, 0, "12345678", 8);
}

static void flood_settings(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static void flood_priority(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_PRIORITY, 0, 2 * i + 1, "\0\0\0\0\0", 5);
}

static void flood_empty_data(struct world *world)
{
	put_post(world, 1, false, NULL, NULL);
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_DATA, 0, 1, NULL, 0);
}

static void flood_windows(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++)
		put_code(world, NGHTTP2_WINDOW_UPDATE, 0, 1);
}

static void flood_resets(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++) {
		put_post(world, 2 * i + 1, true, NULL, NULL);
		put_code(world, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
	}
}

/* The server resets the streams itself, for what the client did. */
static void flood_made_resets(struct world *world)
{
	for (uint32_t i = 0; i < FLOOD; i++) {
		put_post(world, 2 * i + 1, true, NULL, NULL);
		put_code(world, NGHTTP2_WINDOW_UPDATE, 2 * i + 1, 0x7fffffff);
	}
}

static void flood_continuations(struct world *world)
{
	char block[64];
	size_t len = field(block, ":method", "POST");

	put_frame(world, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_STREAM, 1, block, len);
	len = field(block, "x", "y");
	for (uint32_t i = 0; i < FLOOD; i++)
		put_frame(world, NGHTTP2_CONTINUATION, 0, 1, block, len);
}

/* A field of the static table takes one byte: many of them cost only the decoder. */
static void flood_fields(struct world *world)
{
	static char block[16000];

	memset(block, 0x80 | 19, sizeof(block)); /* accept: */
	put_frame(world, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
		  block, sizeof(block));
}

static void flood_text(struct world *world)
{
	put(world, "GET /v1/models HTTP/1.1\r\nhost: a\r\n\r\n", 36);
}

static void flood_streams(struct world *world)
{
	put_frame(world, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
	for (uint32_t i = 0; i < STREAMS_MAX + 1; i++)
		put_post(world, 2 * i + 1, false, NULL, NULL);
}

static void test_floods(void **state)
{
	static const struct {
		const char *name;
		void (*put)(struct world *world);
		enum sl_h2_refusal refusal;
		uint32_t code;
	} floods[] = {
		{"ping", flood_ping, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"settings", flood_settings, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"priority", flood_priority, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"empty data", flood_empty_data, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"windows", flood_windows, SL_H2_REFUSED_CONTROL, NGHTTP2_ENHANCE_YOUR_CALM},
		{"resets", flood_resets, SL_H2_REFUSED_RESETS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"made resets", flood_made_resets, SL_H2_REFUSED_RESETS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"continuations", flood_continuations, SL_H2_REFUSED_HEADERS,
		 NGHTTP2_ENHANCE_YOUR_CALM},
		{"fields", flood_fields, SL_H2_REFUSED_HEADERS, NGHTTP2_ENHANCE_YOUR_CALM},
		{"text", flood_text, SL_H2_REFUSED_COUNT, NGHTTP2_FRAME_SIZE_ERROR},
		{"streams", flood_streams, SL_H2_REFUSED_MALFORMED, NGHTTP2_PROTOCOL_ERROR},
	};
	struct world *world = open_world(SL_IO_EPOLL);
	size_t i;

	(void)state;
	world->answer = ANSWER_HOLD;
	for (i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		const uint64_t *refused = world->server.h2.refused;
		uint64_t before = i && floods[i].refusal < SL_H2_REFUSED_COUNT
					  ? refused[floods[i].refusal]
					  : 0;

		print_message("  %s\n", floods[i].name);
		put_hello(world);
		floods[i].put(world);
		send_put(world, 512);
		expect_end(world, floods[i].code);
		if (floods[i].refusal < SL_H2_REFUSED_COUNT)
			assert_true(refused[floods[i].refusal] > before);
		close(world->fd);
		connect_again(world);
	}
	/* What honest clients do is none: 100 streams given up, a ping a stream. */
	put_hello(world);
	for (i = 0; i < 100; i++) {
		put_post(world, (uint32_t)(2 * i + 1), true, NULL, NULL);
		put_frame(world, NGHTTP2_PING, 0, 0, "12345678", 8);
		put_code(world, NGHTTP2_RST_STREAM, (uint32_t)(2 * i + 1), NGHTTP2_CANCEL);
	}
	world->answer = ANSWER_OK;
	put_post(world, 1001, true, NULL, NULL);
	send_put(world, 4096);
	expect_status(world, 1001, 200);
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
		cmocka_unit_test(test_floods),	     cmocka_unit_test(test_slow),
		cmocka_unit_test(test_leave),	     cmocka_unit_test(test_not_spoken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
