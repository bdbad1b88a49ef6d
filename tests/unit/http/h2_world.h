/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_world.h - a server that speaks HTTP/2, and a client over loopback TCP, for unit tests under cmocka,
 * which must be included before. Frames are written by hand, so that they can be wrong and cut at every
 * byte; what comes back is read frame by frame.
 *
 *	struct world *world = open_world(SL_IO_EPOLL);
 *	put_hello(world); put_post(world, 1, true, NULL, NULL);
 *	send_put(world, 1000);                   what was put, in pieces of so many bytes
 *	expect_status(world, 1, 200);
 *	close_world(world);
 */
#ifndef SL_TESTS_UNIT_H2_WORLD_H
#define SL_TESTS_UNIT_H2_WORLD_H

#include <arpa/inet.h>
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
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

static inline void on_request(struct sl_exchange *exchange)
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

static inline void on_gone(struct sl_exchange *exchange)
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

static inline void on_drained(struct sl_exchange *exchange)
{
	struct world *world = exchange->server->owner;

	world->drained++;
}

static inline int write_error(const struct sl_exchange *exchange, enum sl_server_refusal refusal,
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

static inline void put(struct world *world, const void *data, size_t len)
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

static inline void put_frame(struct world *world, uint8_t type, uint8_t flags, uint32_t stream,
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
static inline size_t field(char *out, const char *name, const char *value)
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
static inline void put_post(struct world *world, uint32_t stream, bool end, const char *name,
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

static inline void put_hello(struct world *world)
{
	put(world, PREFACE, sizeof(PREFACE) - 1);
	put_frame(world, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

static inline void put_code(struct world *world, uint8_t type, uint32_t stream, uint32_t code)
{
	const uint8_t bytes[4] = {(uint8_t)(code >> 24), (uint8_t)(code >> 16),
				  (uint8_t)(code >> 8), (uint8_t)code};

	put_frame(world, type, 0, stream, bytes, sizeof(bytes));
}

static inline void turn(struct world *world, int wait_ms)
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
static inline void send_put(struct world *world, size_t piece)
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
static inline bool next_frame(struct world *world, struct frame *ret_frame)
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
static inline struct frame expect_frame(struct world *world, uint8_t type, uint32_t stream)
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

static inline uint32_t code_of(struct frame frame, size_t at)
{
	return (uint32_t)frame.payload[at] << 24 | (uint32_t)frame.payload[at + 1] << 16 |
	       (uint32_t)frame.payload[at + 2] << 8 | frame.payload[at + 3];
}

/* The status of a HEADERS frame; other fields are looked at too. */
static inline int status_of(struct world *world, struct frame frame)
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

static inline void expect_status(struct world *world, uint32_t stream, int status)
{
	assert_int_equal(status_of(world, expect_frame(world, NGHTTP2_HEADERS, stream)), status);
}

/* The connection ends by GOAWAY with that code. */
static inline void expect_end(struct world *world, uint32_t code)
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

static inline void connect_again(struct world *world)
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

static inline struct world *open_world(enum sl_io_backend backend)
{
	struct sl_loop_options loop_options = {.backend = backend};
	struct world *world = calloc(1, sizeof(*world));

	assert_non_null(world);
	assert_int_equal(sl_loop_open(&loop_options, &world->loop), 0);
	sl_server_init(&world->server, world->loop, &ops, &options, world);
	connect_again(world);
	return world;
}

static inline void disconnect(struct world *world)
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

static inline void close_world(struct world *world)
{
	disconnect(world);
	sl_server_fini(&world->server);
	sl_loop_close(&world->loop);
	nghttp2_hd_inflate_del(world->inflater);
	free(world->sent);
	free(world);
}

static inline void put_data(struct world *world, uint32_t stream, bool end, const char *text)
{
	put_frame(world, NGHTTP2_DATA, end ? NGHTTP2_FLAG_END_STREAM : 0, stream, text,
		  strlen(text));
}

#endif
