/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_h1.c - HTTP/1 on a connection: requests in, one after the other, answers out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/http/h1_write.h"
#include "user/http/h2.h"
#include "user/http/server_conn.h"

#define TRAILER_BYTES (64u + SL_TRAILER_VALUE_BYTES) /* the last chunk and one field */

static bool next_request(struct sl_server_conn *conn);

static struct sl_server_conn *conn_of(const struct sl_exchange *exchange)
{
	return (struct sl_server_conn *)((char *)exchange - offsetof(struct sl_server_conn, x));
}

static void release_buffers(struct sl_server_conn *conn)
{
	if (conn->x.head)
		sl_slab_put(&conn->x.server->heads, conn->x.head);
	conn->x.head = NULL;
	free(conn->in);
	conn->in = NULL;
	conn->in_len = conn->in_size = 0;
	conn->scanned = conn->x.head_len = conn->request_len = conn->raw_at = 0;
	conn->x.body = NULL;
	conn->x.body_len = 0;
}

static void release_request(struct sl_exchange *exchange)
{
	struct sl_server_conn *conn = conn_of(exchange);

	/* Bytes behind the request (pipelining) must survive it. */
	if (conn->in_len > conn->request_len && !conn->next_in) {
		size_t rest = conn->in_len - conn->request_len;

		conn->next_in = malloc(rest);
		if (!conn->next_in) {
			conn->keep_alive = false;
		} else {
			memcpy(conn->next_in, conn->in + conn->request_len, rest);
			conn->next_len = conn->next_size = rest;
		}
	}
	release_buffers(conn);
}

void sl_server_h1_free(struct sl_server_conn *conn)
{
	release_buffers(conn);
	free(conn->next_in);
	conn->next_in = NULL;
}

/* ---- requests ------------------------------------------------------------------------------- */

static int grow_in(struct sl_server_conn *conn, size_t need)
{
	size_t size = conn->in_size ? conn->in_size : SL_SERVER_BUFFER_BYTES;
	char *in;

	if (need <= conn->in_size)
		return 0;
	while (size < need)
		size *= 2;
	in = realloc(conn->in, size);
	if (!in)
		return -ENOMEM;
	conn->in = in;
	conn->in_size = size;
	return 0;
}

static void hand_over(struct sl_server_conn *conn)
{
	conn->state = SL_SERVER_HANDLE;
	conn->finished = false;
	conn->x.server->requests++;
	conn->patience.progress_ns = sl_loop_now_ns(conn->x.server->loop);
	conn->patience.sent_mark = conn->socket.bytes_out;
	conn->patience.behind_ns = 0;
	conn->used = true;
	sl_server_conn_watch(conn);
	conn->in_request = true;
	conn->x.server->ops->request(&conn->x);
	conn->in_request = false;
}

/* Decodes what has come of a chunked body in place, behind the head. Returns false when refused. */
static bool decode_chunks(struct sl_server_conn *conn, bool *ret_complete)
{
	*ret_complete = false;
	while (conn->raw_at < conn->in_len) {
		const char *data;
		size_t used, data_len;
		int rc = sl_h1_chunk_feed(&conn->chunk, conn->in + conn->raw_at,
					  conn->in_len - conn->raw_at, &used, &data, &data_len);

		if (rc < 0) {
			sl_server_conn_refuse(conn, SL_SERVER_REFUSED_BODY, 400,
					      sl_h1_chunk_bad_text((enum sl_h1_chunk_bad) - rc));
			return false;
		}
		if (data_len) {
			if (conn->x.body_len + data_len > conn->x.server->options.body_bytes_max) {
				sl_server_conn_refuse(conn, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
				return false;
			}
			memmove(conn->in + conn->x.head_len + conn->x.body_len, data, data_len);
			conn->x.body_len += data_len;
		}
		conn->raw_at += used;
		if (rc == SL_H1_CHUNK_END) {
			conn->request_len = conn->raw_at;
			*ret_complete = true;
			return true;
		}
		if (rc == SL_H1_CHUNK_MORE)
			break;
	}
	/* Framing bytes that are done with make room for what comes. */
	if (conn->raw_at == conn->in_len) {
		conn->in_len = conn->x.head_len + conn->x.body_len;
		conn->raw_at = conn->in_len;
	}
	return true;
}

/* Returns true when the request is complete. */
static bool collect_body(struct sl_server_conn *conn)
{
	bool complete = false;

	if (conn->x.head->body == SL_H1_BODY_CHUNKED)
		return decode_chunks(conn, &complete) && complete;
	conn->request_len = conn->x.head_len + (size_t)conn->x.head->content_length;
	if (conn->in_len < conn->request_len)
		return false;
	conn->x.body_len = (size_t)conn->x.head->content_length;
	return true;
}

static void send_continue(struct sl_server_conn *conn)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	sl_socket_send(&conn->socket, line, sizeof(line) - 1);
}

static bool begin_body(struct sl_server_conn *conn)
{
	const struct sl_h1_head *head = conn->x.head;
	const char *before;

	conn->keep_alive = head->keep_alive && !conn->x.server->draining;
	conn->http10 = head->minor == 0;
	conn->x.to_head = head->method == SL_H1_METHOD_HEAD;
	conn->x.body_len = 0;
	conn->raw_at = conn->x.head_len;
	sl_h1_chunk_init(&conn->chunk);
	if (head->content_length > (int64_t)conn->x.server->options.body_bytes_max) {
		sl_server_conn_refuse(conn, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
		return false;
	}
	conn->state = SL_SERVER_BODY;
	if (head->body == SL_H1_BODY_NONE) {
		conn->request_len = conn->x.head_len;
		return true;
	}
	before = conn->in;
	if (head->body == SL_H1_BODY_LENGTH &&
	    head->content_length <= (int64_t)SL_SERVER_GROW_AT_ONCE &&
	    grow_in(conn, conn->x.head_len + (size_t)head->content_length)) {
		sl_server_conn_close(conn, SL_SOCKET_NOW);
		return false;
	}
	if (conn->in != before) /* the head's pointers moved with the buffer */
		sl_h1_parse_request(conn->in, conn->x.head_len, 0, conn->x.head);
	if (head->expect_continue && conn->in_len == conn->x.head_len)
		send_continue(conn);
	return true;
}

/* A client that speaks HTTP/2: chosen by ALPN, or with prior knowledge. */
static void begin_h2(struct sl_server_conn *conn)
{
	char *in = conn->in;
	size_t in_len = conn->in_len;

	conn->in = NULL;
	release_buffers(conn);
	if (sl_h2_open(conn, in, in_len))
		sl_server_conn_close(conn, SL_SOCKET_NOW);
	free(in);
}

static bool collect_head(struct sl_server_conn *conn)
{
	int rc;

	if (!conn->x.head)
		conn->x.head = sl_slab_get(&conn->x.server->heads);
	if (!conn->x.head) {
		sl_server_conn_close(conn, SL_SOCKET_NOW);
		return false;
	}
	rc = sl_h1_parse_request(conn->in, conn->in_len, conn->scanned, conn->x.head);
	if (rc == -SL_H1_BAD_HTTP2_PREFACE && !conn->used &&
	    conn->x.server->options.h2_streams_max) {
		begin_h2(conn);
		return false;
	}
	if (rc < 0) {
		sl_server_conn_refuse(conn, SL_SERVER_REFUSED_HEAD,
				      sl_h1_bad_status((enum sl_h1_bad) - rc),
				      sl_h1_bad_text((enum sl_h1_bad) - rc));
		return false;
	}
	if (rc == 0) {
		conn->scanned = conn->in_len;
		sl_server_conn_watch(conn);
		return false;
	}
	conn->x.head_len = (size_t)rc;
	return begin_body(conn);
}

/* Collects one request from what lies in the buffer. Returns true when it is complete. */
static bool collect(struct sl_server_conn *conn)
{
	if (conn->state == SL_SERVER_HEAD && !collect_head(conn))
		return false;
	if (conn->state != SL_SERVER_BODY)
		return false;
	if (conn->x.head->body != SL_H1_BODY_NONE && !collect_body(conn)) {
		if (conn->state == SL_SERVER_BODY)
			sl_server_conn_watch(conn);
		return false;
	}
	conn->x.body = conn->in + conn->x.head_len;
	return true;
}

/* Pipelined requests that are answered at once are a loop here, not a recursion. */
static void process(struct sl_server_conn *conn)
{
	while (collect(conn)) {
		hand_over(conn);
		if (!conn->again)
			return;
		conn->again = false;
		if (!next_request(conn))
			return;
	}
}

/* Bytes of the next request while one is handled. */
static void keep_for_later(struct sl_server_conn *conn, const char *buf, size_t len)
{
	if (conn->next_len + len > conn->next_size) {
		size_t size = conn->next_len + len + SL_SERVER_BUFFER_BYTES;
		char *next = realloc(conn->next_in, size);

		if (!next) {
			sl_server_conn_lose(conn, SL_SOCKET_RESET);
			return;
		}
		conn->next_in = next;
		conn->next_size = size;
	}
	memcpy(conn->next_in + conn->next_len, buf, len);
	conn->next_len += len;
	if (conn->next_len >= SL_SERVER_PIPELINE_BYTES && !conn->paused_pipeline) {
		conn->paused_pipeline = true;
		sl_socket_pause(&conn->socket);
	}
}

void sl_server_h1_data(struct sl_server_conn *conn, const char *buf, size_t len)
{
	const char *before;

	switch (conn->state) {
	case SL_SERVER_CLOSE:
		return;
	case SL_SERVER_HANDLE:
		keep_for_later(conn, buf, len);
		return;
	case SL_SERVER_IDLE:
		conn->state = SL_SERVER_HEAD;
		conn->started_ns = sl_loop_now_ns(conn->x.server->loop);
		break;
	default:
		break;
	}
	conn->patience.progress_ns = sl_loop_now_ns(conn->x.server->loop);
	before = conn->in;
	if (grow_in(conn, conn->in_len + len)) {
		sl_server_conn_close(conn, SL_SOCKET_NOW);
		return;
	}
	memcpy(conn->in + conn->in_len, buf, len);
	conn->in_len += len;
	if (conn->in != before && conn->state == SL_SERVER_BODY)
		sl_h1_parse_request(conn->in, conn->x.head_len, 0, conn->x.head);
	process(conn);
}

void sl_server_h1_drained(struct sl_server_conn *conn)
{
	if (conn->behind) {
		conn->behind = false;
		if (next_request(conn))
			process(conn);
		return;
	}
	if (conn->state == SL_SERVER_HANDLE && !conn->finished && conn->x.server->ops->drained)
		conn->x.server->ops->drained(&conn->x);
}

/* ---- answers -------------------------------------------------------------------------------- */

static int begin(struct sl_exchange *exchange, int status, const char *lines, size_t lines_len,
		 int64_t body_len)
{
	struct sl_server_conn *conn = conn_of(exchange);
	size_t room_len = SL_SERVER_HEAD_ROOM + lines_len;
	char *room =
		room_len > SL_SERVER_LINES_MAX ? NULL : sl_socket_reserve(&conn->socket, room_len);
	struct sl_h1_out out;
	int rc;

	if (!room)
		return room_len > SL_SERVER_LINES_MAX ? -ENOSPC : -EPIPE;
	if (conn->x.server->draining || conn->x.server->leaving || (body_len < 0 && conn->http10))
		conn->keep_alive = false;
	sl_h1_out_init(&out, room, room_len);
	sl_h1_write_status_line(&out, status);
	if (lines)
		sl_h1_write_lines(&out, lines, lines_len);
	if (body_len >= 0)
		sl_h1_write_content_length(&out, (uint64_t)body_len);
	else if (!conn->http10)
		sl_h1_write_chunked(&out);
	if (!conn->keep_alive || conn->http10)
		sl_h1_write_connection(&out, conn->keep_alive);
	rc = sl_h1_write_end(&out);
	if (rc < 0)
		return rc;
	sl_socket_commit(&conn->socket, (size_t)rc);
	return 0;
}

static int body(struct sl_exchange *exchange, const void *data, size_t len)
{
	return sl_socket_send(&conn_of(exchange)->socket, data, len);
}

static int chunk(struct sl_exchange *exchange, const void *data, size_t len)
{
	struct sl_server_conn *conn = conn_of(exchange);
	char head[SL_H1_CHUNK_HEAD_MAX];
	size_t head_len;
	char *room;

	if (!len)
		return 0;
	if (conn->http10)
		return sl_socket_send(&conn->socket, data, len);
	head_len = sl_h1_write_chunk_head(head, len);
	if (len <= SL_SERVER_BUFFER_BYTES) {
		room = sl_socket_reserve(&conn->socket, head_len + len + 2);
		if (!room)
			return -EPIPE;
		memcpy(room, head, head_len);
		memcpy(room + head_len, data, len);
		memcpy(room + head_len + len, SL_H1_CHUNK_TAIL, 2);
		sl_socket_commit(&conn->socket, head_len + len + 2);
		return 0;
	}
	if (sl_socket_send(&conn->socket, head, head_len) ||
	    sl_socket_send(&conn->socket, data, len) ||
	    sl_socket_send(&conn->socket, SL_H1_CHUNK_TAIL, 2))
		return -EPIPE;
	return 0;
}

/* Moves pipelined bytes to the front as the next request. */
static void take_next(struct sl_server_conn *conn)
{
	size_t rest = conn->in_len > conn->request_len ? conn->in_len - conn->request_len : 0;

	if (rest && !conn->next_in) {
		memmove(conn->in, conn->in + conn->request_len, rest);
		conn->in_len = rest;
		conn->scanned = conn->x.head_len = conn->request_len = conn->raw_at = 0;
		conn->x.body = NULL;
		conn->x.body_len = 0;
		return;
	}
	if (rest) {
		/* Both: what lies behind the request came before what was kept for later. */
		char *joined = malloc(rest + conn->next_len);

		if (joined) {
			memcpy(joined, conn->in + conn->request_len, rest);
			memcpy(joined + rest, conn->next_in, conn->next_len);
			free(conn->next_in);
			conn->next_in = joined;
			conn->next_len += rest;
			conn->next_size = conn->next_len;
		}
	}
	release_buffers(conn);
	conn->in = conn->next_in;
	conn->in_len = conn->next_len;
	conn->in_size = conn->next_size;
	conn->next_in = NULL;
	conn->next_len = conn->next_size = 0;
}

/* Returns true when bytes of a further request are there to be processed. */
static bool next_request(struct sl_server_conn *conn)
{
	bool more = conn->next_len || conn->in_len > conn->request_len;

	conn->patience.progress_ns = sl_loop_now_ns(conn->x.server->loop);
	if (conn->x.server->draining) {
		sl_server_conn_close(conn, SL_SOCKET_FLUSH);
		return false;
	}
	if (!more) {
		release_buffers(conn);
		conn->state = SL_SERVER_IDLE;
		sl_server_conn_watch(conn);
		return false;
	}
	take_next(conn);
	if (conn->paused_pipeline) {
		conn->paused_pipeline = false;
		sl_socket_resume(&conn->socket);
	}
	conn->state = SL_SERVER_HEAD;
	conn->started_ns = conn->patience.progress_ns;
	return true;
}

static void finish(struct sl_exchange *exchange)
{
	struct sl_server_conn *conn = conn_of(exchange);

	if (conn->state == SL_SERVER_CLOSE)
		return;
	conn->finished = true;
	exchange->user = NULL;
	if (!conn->keep_alive) {
		sl_server_conn_close(conn, SL_SOCKET_FLUSH);
		return;
	}
	/* A client that pipelines without reading its answers gets no further ones made. */
	if (sl_socket_pending(&conn->socket) > SL_SERVER_UNREAD_BYTES)
		conn->behind = true;
	else if (conn->in_request)
		conn->again = true;
	else if (next_request(conn))
		process(conn);
}

static void end(struct sl_exchange *exchange, const struct sl_trailer *trailer)
{
	struct sl_server_conn *conn = conn_of(exchange);
	char last[TRAILER_BYTES];
	int len = 0;

	if (trailer)
		len = snprintf(last, sizeof(last), "0\r\n%s: %s\r\n\r\n", trailer->name,
			       trailer->value);
	if (!conn->http10 && len > 0 && len < (int)sizeof(last))
		sl_socket_send(&conn->socket, last, (size_t)len);
	else if (!conn->http10)
		sl_socket_send(&conn->socket, SL_H1_CHUNK_LAST, sizeof(SL_H1_CHUNK_LAST) - 1);
	finish(exchange);
}

static void abort_answer(struct sl_exchange *exchange)
{
	struct sl_server_conn *conn = conn_of(exchange);

	if (conn->state == SL_SERVER_CLOSE)
		return;
	conn->finished = true;
	exchange->user = NULL;
	sl_server_conn_close(conn, SL_SOCKET_RESET);
}

static size_t pending(const struct sl_exchange *exchange)
{
	return sl_socket_pending(&conn_of(exchange)->socket);
}

static const char *identity(struct sl_exchange *exchange)
{
	return sl_tls_identity(&conn_of(exchange)->socket);
}

const struct sl_exchange_ops sl_server_h1_ops = {
	.protocol = SL_PROTOCOL_HTTP1,
	.begin = begin,
	.body = body,
	.chunk = chunk,
	.end = end,
	.finish = finish,
	.abort = abort_answer,
	.release_request = release_request,
	.pending = pending,
	.identity = identity,
};
