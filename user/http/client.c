/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/http/client.h"

#include <errno.h>
#include <string.h>

enum {
	STATE_CONNECT = 0,
	STATE_IDLE,
	STATE_HEAD,
	STATE_BODY,
	STATE_DEAD,
};

static void kill_conn(struct sl_client_conn *conn, enum sl_socket_how how)
{
	conn->state = STATE_DEAD;
	conn->reusable = false;
	sl_socket_close(&conn->socket, how);
}

static void fail(struct sl_client_conn *conn, enum sl_client_failure failure, int error,
		 const char *text)
{
	kill_conn(conn, SL_SOCKET_NOW);
	conn->ops->failed(conn, failure, error, text);
}

void sl_client_fail(struct sl_client_conn *conn, enum sl_client_failure failure, const char *text)
{
	if (conn->state != STATE_DEAD)
		fail(conn, failure, 0, text);
}

static void complete(struct sl_client_conn *conn)
{
	conn->state = STATE_IDLE;
	conn->reused = true;
	if (!conn->reusable)
		kill_conn(conn, SL_SOCKET_NOW);
	conn->ops->end(conn);
}

/* ---- body ----------------------------------------------------------------------------------- */

static void give(struct sl_client_conn *conn, const char *data, size_t len)
{
	if (__builtin_expect(conn->tap != NULL, 0) && conn->tap->body)
		conn->tap->body(conn->tap, conn, data, len);
	else
		conn->ops->body(conn, data, len);
}

/* Feeds chunked bytes. Returns how many were used when the body ended or failed, else len. */
static size_t take_chunked(struct sl_client_conn *conn, const char *buf, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *data;
		size_t used, data_len;
		int rc =
			sl_h1_chunk_feed(&conn->chunk, buf + at, len - at, &used, &data, &data_len);

		if (rc < 0) {
			fail(conn, SL_CLIENT_FAILED_BODY, 0,
			     sl_h1_chunk_bad_text((enum sl_h1_chunk_bad) - rc));
			return len;
		}
		at += used;
		if (data_len) {
			give(conn, data, data_len);
			if (conn->state != STATE_BODY)
				return len;
		}
		if (rc == SL_H1_CHUNK_END) {
			if (at < len) /* bytes that nobody asked for */
				conn->reusable = false;
			complete(conn);
			return at;
		}
	}
	return len;
}

static void take_body(struct sl_client_conn *conn, const char *buf, size_t len)
{
	size_t part = len;

	if (conn->body_kind == SL_H1_BODY_CHUNKED) {
		take_chunked(conn, buf, len);
		return;
	}
	if (conn->body_kind == SL_H1_BODY_LENGTH && part > conn->body_left)
		part = (size_t)conn->body_left;
	give(conn, buf, part);
	if (conn->state != STATE_BODY || conn->body_kind != SL_H1_BODY_LENGTH)
		return;
	conn->body_left -= part;
	if (conn->body_left)
		return;
	if (part < len)
		conn->reusable = false;
	complete(conn);
}

/* ---- head ----------------------------------------------------------------------------------- */

static void begin_body(struct sl_client_conn *conn, const struct sl_h1_head *head)
{
	conn->body_kind = (uint8_t)sl_h1_response_body(head, conn->to_head);
	conn->body_left = head->content_length > 0 ? (uint64_t)head->content_length : 0;
	conn->reusable = head->keep_alive && conn->body_kind != SL_H1_BODY_UNTIL_CLOSE;
	sl_h1_chunk_init(&conn->chunk);
	conn->state = STATE_BODY;
}

/* Parses at buf. Returns bytes used, 0 when more are needed or the exchange is over. */
static size_t take_head(struct sl_client_conn *conn, const char *buf, size_t len)
{
	struct sl_h1_head head;
	size_t at = 0;
	int rc;

	for (;;) {
		rc = sl_h1_parse_response(buf + at, len - at, at ? 0 : conn->scanned, &head);
		if (rc < 0) {
			fail(conn, SL_CLIENT_FAILED_HEAD, 0, sl_h1_bad_text((enum sl_h1_bad) - rc));
			return 0;
		}
		if (rc == 0) {
			conn->scanned = len - at;
			return at;
		}
		at += (size_t)rc;
		if (head.status >= 200)
			break;
		if (head.status == 101) {
			fail(conn, SL_CLIENT_FAILED_HEAD, 0, "the server switched protocols");
			return 0;
		}
		conn->scanned = 0;
	}
	begin_body(conn, &head);
	conn->ops->head(conn, &head);
	if (conn->state == STATE_BODY && conn->body_kind == SL_H1_BODY_NONE)
		complete(conn);
	else if (conn->state == STATE_BODY && conn->body_kind == SL_H1_BODY_LENGTH &&
		 !conn->body_left)
		complete(conn);
	return at;
}

static int keep(struct sl_client_conn *conn, const char *buf, size_t len)
{
	if (conn->in_len + len > conn->in_size) {
		size_t size = conn->in_len + len + 1024;
		char *in = realloc(conn->in, size);

		if (!in)
			return -ENOMEM;
		conn->in = in;
		conn->in_size = size;
	}
	memcpy(conn->in + conn->in_len, buf, len);
	conn->in_len += len;
	return 0;
}

static void drop_kept(struct sl_client_conn *conn)
{
	free(conn->in);
	conn->in = NULL;
	conn->in_len = conn->in_size = conn->scanned = 0;
}

/* The head did not fit into one piece: parse from the kept bytes. */
static void take_split_head(struct sl_client_conn *conn, const char *buf, size_t len)
{
	char *in;
	size_t in_len, used;

	if (keep(conn, buf, len)) {
		fail(conn, SL_CLIENT_FAILED_RESET, -ENOMEM, "out of memory");
		return;
	}
	used = take_head(conn, conn->in, conn->in_len);
	if (conn->state == STATE_HEAD) {
		if (used) { /* an interim head is done with */
			memmove(conn->in, conn->in + used, conn->in_len - used);
			conn->in_len -= used;
		}
		return;
	}
	in = conn->in;
	in_len = conn->in_len;
	conn->in = NULL;
	conn->in_len = conn->in_size = conn->scanned = 0;
	if (conn->state == STATE_BODY && used < in_len)
		take_body(conn, in + used, in_len - used);
	else if (conn->state == STATE_IDLE && used < in_len)
		conn->reusable = false;
	free(in);
}

void sl_client_feed(struct sl_client_conn *conn, const char *buf, size_t len)
{
	size_t used;

	conn->got_bytes = true;
	switch (conn->state) {
	case STATE_HEAD:
		if (conn->in_len) {
			take_split_head(conn, buf, len);
			return;
		}
		used = take_head(conn, buf, len);
		if (conn->state == STATE_BODY && used < len)
			take_body(conn, buf + used, len - used);
		else if (conn->state == STATE_HEAD && used < len &&
			 keep(conn, buf + used, len - used))
			fail(conn, SL_CLIENT_FAILED_RESET, -ENOMEM, "out of memory");
		return;
	case STATE_BODY:
		take_body(conn, buf, len);
		return;
	case STATE_IDLE: /* an answer nobody asked for */
		kill_conn(conn, SL_SOCKET_NOW);
		conn->ops->lost(conn);
		return;
	default:
		return;
	}
}

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct sl_client_conn *conn = (struct sl_client_conn *)socket;

	if (__builtin_expect(conn->tap != NULL, 0) && conn->tap->data)
		conn->tap->data(conn->tap, conn, buf, len);
	else
		sl_client_feed(conn, buf, len);
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void broken(struct sl_client_conn *conn, int error)
{
	bool cut = error == 0;
	const char *trouble = sl_socket_trouble(&conn->socket);
	const char *words = trouble ? trouble : "connection broken";

	switch (conn->state) {
	case STATE_IDLE:
		kill_conn(conn, SL_SOCKET_NOW);
		conn->ops->lost(conn);
		return;
	case STATE_HEAD:
		fail(conn,
		     conn->reused && !conn->got_bytes ? SL_CLIENT_FAILED_STALE
		     : cut			      ? SL_CLIENT_FAILED_CUT
						      : SL_CLIENT_FAILED_RESET,
		     error, cut ? "closed before the response head" : words);
		return;
	case STATE_BODY:
		if (cut && conn->body_kind == SL_H1_BODY_UNTIL_CLOSE) {
			complete(conn);
			return;
		}
		fail(conn, cut ? SL_CLIENT_FAILED_CUT : SL_CLIENT_FAILED_RESET, error,
		     cut ? "closed in the middle of the body" : words);
		return;
	default:
		return;
	}
}

static void on_eof(struct sl_socket *socket)
{
	struct sl_client_conn *conn = (struct sl_client_conn *)socket;

	if (conn->tap && conn->tap->eof && conn->tap->eof(conn->tap, conn))
		return;
	broken(conn, 0);
}

void sl_client_feed_eof(struct sl_client_conn *conn)
{
	broken(conn, 0);
}

void sl_client_hold(struct sl_client_conn *conn, enum sl_client_holder who)
{
	conn->held |= (uint8_t)who;
	sl_socket_pause(&conn->socket);
}

void sl_client_release(struct sl_client_conn *conn, enum sl_client_holder who)
{
	conn->held &= (uint8_t) ~(uint8_t)who;
	if (!conn->held)
		sl_socket_resume(&conn->socket);
}

static void on_error(struct sl_socket *socket, int error)
{
	broken((struct sl_client_conn *)socket, error ? error : -EIO);
}

static void on_connected(struct sl_socket *socket, int error)
{
	struct sl_client_conn *conn = (struct sl_client_conn *)socket;

	if (error) {
		kill_conn(conn, SL_SOCKET_NOW);
		conn->ops->connected(conn, error);
		return;
	}
	conn->state = STATE_IDLE;
	conn->reusable = true;
	conn->ops->connected(conn, 0);
}

static void on_closed(struct sl_socket *socket)
{
	struct sl_client_conn *conn = (struct sl_client_conn *)socket;

	drop_kept(conn);
	conn->ops->closed(conn);
}

static const struct sl_socket_ops socket_ops = {
	.connected = on_connected,
	.data = on_data,
	.eof = on_eof,
	.error = on_error,
	.closed = on_closed,
};

int sl_client_connect(struct sl_client_conn *conn, struct sl_loop *loop,
		      const struct sl_client_ops *ops, void *owner, const struct sockaddr *addr,
		      socklen_t addr_len, struct sl_tls_client *tls)
{
	int rc;

	memset(conn, 0, sizeof(*conn));
	conn->ops = ops;
	conn->owner = owner;
	sl_socket_init(&conn->socket, loop, &socket_ops);
	rc = tls ? sl_tls_connect(&conn->socket, tls) : 0;
	return rc ? rc : sl_socket_connect(&conn->socket, addr, addr_len);
}

void sl_client_begin(struct sl_client_conn *conn, bool to_head)
{
	conn->state = STATE_HEAD;
	conn->got_bytes = false;
	conn->to_head = to_head;
	conn->scanned = 0;
}

void sl_client_close(struct sl_client_conn *conn)
{
	bool busy = conn->state == STATE_HEAD || conn->state == STATE_BODY;

	if (conn->state == STATE_DEAD)
		return;
	kill_conn(conn, busy ? SL_SOCKET_RESET : SL_SOCKET_NOW);
}

bool sl_client_is_idle(const struct sl_client_conn *conn)
{
	return conn->state == STATE_IDLE && conn->reusable;
}
