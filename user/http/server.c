/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/http/server.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include "user/http/h1_write.h"
#include "user/http/patience.h"

enum {
	STATE_IDLE = 0,
	STATE_HEAD,
	STATE_BODY,
	STATE_HANDLE,
	STATE_CLOSE,
};

#define CONNS_KEPT	1024u
#define HEADS_KEPT	256u
#define ROOM_MAX	16384u	     /* the limit of sl_socket_reserve */
#define HEAD_ROOM	512u	     /* status line and the fields that are written here */
#define GROW_AT_ONCE	(256u << 10) /* bodies announced larger than this earn their buffer */
#define ERROR_BODY_ROOM 4096u

static bool next_request(struct sl_server_conn *conn);

static struct sl_server_conn *conn_of_timer(struct sl_timer *timer)
{
	return (struct sl_server_conn *)((char *)timer - offsetof(struct sl_server_conn, timer));
}

static void release_buffers(struct sl_server_conn *conn)
{
	if (conn->head)
		sl_slab_put(&conn->server->heads, conn->head);
	conn->head = NULL;
	free(conn->in);
	conn->in = NULL;
	conn->in_len = conn->in_size = 0;
	conn->scanned = conn->head_len = conn->request_len = conn->raw_at = 0;
	conn->body = NULL;
	conn->body_len = 0;
}

void sl_server_release_request(struct sl_server_conn *conn)
{
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

/* ---- closing -------------------------------------------------------------------------------- */

static void close_conn(struct sl_server_conn *conn, enum sl_socket_how how)
{
	conn->state = STATE_CLOSE;
	conn->behind = false;
	sl_timer_cancel(conn->server->loop, &conn->timer);
	if (how == SL_SOCKET_FLUSH)
		sl_timer_set(conn->server->loop, &conn->timer, SL_SERVER_LINGER_MS);
	sl_socket_close(&conn->socket, how);
}

/* The peer is lost: tell the owner of a request under way first. */
static void lose(struct sl_server_conn *conn, enum sl_socket_how how)
{
	if (conn->state == STATE_HANDLE && !conn->finished) {
		conn->server->gone++;
		conn->finished = true;
		conn->server->ops->gone(conn);
	}
	if (conn->state != STATE_CLOSE)
		close_conn(conn, how);
}

/*
 * A flood of connections is over: what it took goes back to the system, which the allocator would
 * keep, as something small always lies above it. Costs some milliseconds, a few times a flood.
 */
static void give_back(struct sl_server *server)
{
	if (!server->trim_at || server->conn_count > server->trim_at)
		return;
	server->trim_at /= SL_SERVER_FLOOD_PARTS;
	malloc_trim(0);
}

static void on_closed(struct sl_socket *socket)
{
	struct sl_server_conn *conn = (struct sl_server_conn *)socket;
	struct sl_server *server = conn->server;

	sl_timer_cancel(server->loop, &conn->timer);
	release_buffers(conn);
	free(conn->next_in);
	*conn->pprev = conn->next;
	if (conn->next)
		conn->next->pprev = conn->pprev;
	server->conn_count--;
	sl_slab_put(&server->conns, conn);
	give_back(server);
}

static void on_error(struct sl_socket *socket, int error)
{
	(void)error;
	lose((struct sl_server_conn *)socket, SL_SOCKET_NOW);
}

static void on_eof(struct sl_socket *socket)
{
	lose((struct sl_server_conn *)socket, SL_SOCKET_NOW);
}

/* ---- answers of our own --------------------------------------------------------------------- */

static void refuse(struct sl_server_conn *conn, enum sl_server_refusal refusal, int status,
		   const char *reason)
{
	struct sl_server *server = conn->server;
	char body[ERROR_BODY_ROOM];
	int body_len;

	server->refused[refusal]++;
	body_len = server->ops->error_body(conn, refusal, status, reason, body, sizeof(body));
	conn->keep_alive = false;
	conn->to_head = false;
	conn->finished = false;
	conn->state = STATE_HANDLE;
	sl_server_respond(conn, status, "application/json", NULL, 0, body,
			  body_len > 0 ? (size_t)body_len : 0);
}

static void send_continue(struct sl_server_conn *conn)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";

	sl_socket_send(&conn->socket, line, sizeof(line) - 1);
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t body_due_ns(const struct sl_server_conn *conn)
{
	const struct sl_server_options *o = &conn->server->options;
	bool chunked = conn->head->body == SL_H1_BODY_CHUNKED;
	size_t bytes = chunked ? conn->body_len : conn->in_len - conn->head_len;
	uint64_t from_ns = conn->started_ns + (uint64_t)o->header_timeout_ms * SL_NS_PER_MS;

	return sl_patience_min_ns(
		conn->progress_ns + (uint64_t)o->body_timeout_ms * SL_NS_PER_MS,
		sl_patience_due_ns(from_ns, o->body_timeout_ms, bytes, o->rate_min));
}

/*
 * An answer under way. Only a client that does not take its bytes is late; the owner times the
 * rest. What is below one buffer may be on its way just now: it is not held against a client whose
 * server writes slowly.
 */
static uint64_t answer_due_ns(struct sl_server_conn *conn)
{
	const struct sl_server_options *o = &conn->server->options;
	uint64_t now_ns = sl_loop_now_ns(conn->server->loop);
	size_t pending = sl_socket_pending(&conn->socket);

	if (!pending || conn->sent_mark != conn->socket.bytes_out) {
		conn->sent_mark = conn->socket.bytes_out;
		conn->progress_ns = now_ns;
	}
	if (pending <= SL_SERVER_BUFFER_BYTES || !conn->behind_ns) {
		conn->behind_ns = now_ns;
		conn->behind_mark = conn->socket.bytes_out;
	}
	return sl_patience_min_ns(conn->progress_ns + (uint64_t)o->send_timeout_ms * SL_NS_PER_MS,
				  sl_patience_due_ns(conn->behind_ns, o->send_timeout_ms,
						     conn->socket.bytes_out - conn->behind_mark,
						     o->rate_min));
}

/* When the present state will be overdue. */
static uint64_t due_ns(struct sl_server_conn *conn)
{
	const struct sl_server_options *o = &conn->server->options;

	switch (conn->state) {
	case STATE_IDLE:
		return conn->progress_ns + (uint64_t)o->idle_timeout_ms * SL_NS_PER_MS;
	case STATE_HEAD:
		return conn->started_ns + (uint64_t)o->header_timeout_ms * SL_NS_PER_MS;
	case STATE_BODY:
		return body_due_ns(conn);
	default:
		return answer_due_ns(conn);
	}
}

/* Sees that the timer fires no later than the present state is overdue. */
static void watch(struct sl_server_conn *conn)
{
	uint64_t now_ns = sl_loop_now_ns(conn->server->loop);
	uint64_t at_ns = due_ns(conn);
	uint64_t left_ms = at_ns > now_ns ? (at_ns - now_ns + SL_NS_PER_MS - 1) / SL_NS_PER_MS : 0;
	uint64_t due_ms = sl_loop_now_ms(conn->server->loop) + left_ms;

	if (!sl_timer_is_set(&conn->timer) || conn->timer.due_ms > due_ms + 1)
		sl_timer_set(conn->server->loop, &conn->timer, left_ms);
}

/* The last answer has its time as any other; behind it the client has SL_SERVER_LINGER_MS. */
static void watch_closing(struct sl_server_conn *conn)
{
	struct sl_server *server = conn->server;

	if (!sl_socket_pending(&conn->socket)) {
		if (!conn->behind) {
			sl_socket_close(&conn->socket, SL_SOCKET_NOW);
			return;
		}
		conn->behind = false;
	} else if (sl_loop_now_ns(server->loop) >= answer_due_ns(conn)) {
		server->cut++;
		sl_socket_close(&conn->socket, SL_SOCKET_RESET);
		return;
	} else {
		conn->behind = true;
	}
	sl_timer_set(server->loop, &conn->timer, SL_SERVER_LINGER_MS);
}

/*
 * One timer a connection, never moved on the request path: when it fires it looks how late the
 * state really is and sleeps for the rest.
 */
static void on_timer(struct sl_timer *timer)
{
	struct sl_server_conn *conn = conn_of_timer(timer);

	if (conn->state == STATE_CLOSE) {
		watch_closing(conn);
		return;
	}
	if (sl_loop_now_ns(conn->server->loop) < due_ns(conn)) {
		watch(conn);
		return;
	}
	switch (conn->state) {
	case STATE_IDLE:
		close_conn(conn, SL_SOCKET_NOW);
		break;
	case STATE_HEAD:
	case STATE_BODY:
		refuse(conn, SL_SERVER_REFUSED_SLOW, 408, "the request was not complete in time");
		break;
	default:
		conn->server->cut++;
		lose(conn, SL_SOCKET_RESET);
		break;
	}
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
	conn->state = STATE_HANDLE;
	conn->finished = false;
	conn->server->requests++;
	conn->progress_ns = sl_loop_now_ns(conn->server->loop);
	conn->sent_mark = conn->socket.bytes_out;
	conn->behind_ns = 0;
	watch(conn);
	conn->in_request = true;
	conn->server->ops->request(conn);
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
			refuse(conn, SL_SERVER_REFUSED_BODY, 400,
			       sl_h1_chunk_bad_text((enum sl_h1_chunk_bad) - rc));
			return false;
		}
		if (data_len) {
			if (conn->body_len + data_len > conn->server->options.body_bytes_max) {
				refuse(conn, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
				return false;
			}
			memmove(conn->in + conn->head_len + conn->body_len, data, data_len);
			conn->body_len += data_len;
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
		conn->in_len = conn->head_len + conn->body_len;
		conn->raw_at = conn->in_len;
	}
	return true;
}

/* Returns true when the request is complete. */
static bool collect_body(struct sl_server_conn *conn)
{
	bool complete = false;

	if (conn->head->body == SL_H1_BODY_CHUNKED)
		return decode_chunks(conn, &complete) && complete;
	conn->request_len = conn->head_len + (size_t)conn->head->content_length;
	if (conn->in_len < conn->request_len)
		return false;
	conn->body_len = (size_t)conn->head->content_length;
	return true;
}

static bool begin_body(struct sl_server_conn *conn)
{
	const struct sl_h1_head *head = conn->head;
	const char *before;

	conn->keep_alive = head->keep_alive && !conn->server->draining;
	conn->http10 = head->minor == 0;
	conn->to_head = head->method == SL_H1_METHOD_HEAD;
	conn->body_len = 0;
	conn->raw_at = conn->head_len;
	sl_h1_chunk_init(&conn->chunk);
	if (head->content_length > (int64_t)conn->server->options.body_bytes_max) {
		refuse(conn, SL_SERVER_REFUSED_TOO_LARGE, 413, NULL);
		return false;
	}
	conn->state = STATE_BODY;
	if (head->body == SL_H1_BODY_NONE) {
		conn->request_len = conn->head_len;
		return true;
	}
	before = conn->in;
	if (head->body == SL_H1_BODY_LENGTH && head->content_length <= (int64_t)GROW_AT_ONCE &&
	    grow_in(conn, conn->head_len + (size_t)head->content_length)) {
		close_conn(conn, SL_SOCKET_NOW);
		return false;
	}
	if (conn->in != before) /* the head's pointers moved with the buffer */
		sl_h1_parse_request(conn->in, conn->head_len, 0, conn->head);
	if (head->expect_continue && conn->in_len == conn->head_len)
		send_continue(conn);
	return true;
}

static bool collect_head(struct sl_server_conn *conn)
{
	int rc;

	if (!conn->head)
		conn->head = sl_slab_get(&conn->server->heads);
	if (!conn->head) {
		close_conn(conn, SL_SOCKET_NOW);
		return false;
	}
	rc = sl_h1_parse_request(conn->in, conn->in_len, conn->scanned, conn->head);
	if (rc < 0) {
		refuse(conn, SL_SERVER_REFUSED_HEAD, sl_h1_bad_status((enum sl_h1_bad) - rc),
		       sl_h1_bad_text((enum sl_h1_bad) - rc));
		return false;
	}
	if (rc == 0) {
		conn->scanned = conn->in_len;
		watch(conn);
		return false;
	}
	conn->head_len = (size_t)rc;
	return begin_body(conn);
}

/* Collects one request from what lies in the buffer. Returns true when it is complete. */
static bool collect(struct sl_server_conn *conn)
{
	if (conn->state == STATE_HEAD && !collect_head(conn))
		return false;
	if (conn->state != STATE_BODY)
		return false;
	if (conn->head->body != SL_H1_BODY_NONE && !collect_body(conn)) {
		if (conn->state == STATE_BODY)
			watch(conn);
		return false;
	}
	conn->body = conn->in + conn->head_len;
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
			lose(conn, SL_SOCKET_RESET);
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

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct sl_server_conn *conn = (struct sl_server_conn *)socket;
	const char *before;

	switch (conn->state) {
	case STATE_CLOSE:
		return;
	case STATE_HANDLE:
		keep_for_later(conn, buf, len);
		return;
	case STATE_IDLE:
		conn->state = STATE_HEAD;
		conn->started_ns = sl_loop_now_ns(conn->server->loop);
		break;
	default:
		break;
	}
	conn->progress_ns = sl_loop_now_ns(conn->server->loop);
	before = conn->in;
	if (grow_in(conn, conn->in_len + len)) {
		close_conn(conn, SL_SOCKET_NOW);
		return;
	}
	memcpy(conn->in + conn->in_len, buf, len);
	conn->in_len += len;
	if (conn->in != before && conn->state == STATE_BODY)
		sl_h1_parse_request(conn->in, conn->head_len, 0, conn->head);
	process(conn);
}

static void on_drained(struct sl_socket *socket)
{
	struct sl_server_conn *conn = (struct sl_server_conn *)socket;

	if (conn->behind) {
		conn->behind = false;
		if (next_request(conn))
			process(conn);
		return;
	}
	if (conn->state == STATE_HANDLE && !conn->finished && conn->server->ops->drained)
		conn->server->ops->drained(conn);
}

/* ---- answers -------------------------------------------------------------------------------- */

int sl_server_begin(struct sl_server_conn *conn, int status, const char *lines, size_t lines_len,
		    int64_t body_len)
{
	size_t room_len = HEAD_ROOM + lines_len;
	char *room = room_len > ROOM_MAX ? NULL : sl_socket_reserve(&conn->socket, room_len);
	struct sl_h1_out out;
	int rc;

	if (!room)
		return room_len > ROOM_MAX ? -ENOSPC : -EPIPE;
	if (conn->server->draining || conn->server->leaving || (body_len < 0 && conn->http10))
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

void sl_server_respond(struct sl_server_conn *conn, int status, const char *content_type,
		       const char *lines, size_t lines_len, const char *body, size_t body_len)
{
	char all[1024];
	struct sl_h1_out out;
	int rc;

	sl_h1_out_init(&out, all, sizeof(all));
	if (content_type) {
		SL_H1_WRITE_HEADER(&out, "content-type", content_type, strlen(content_type));
		sl_h1_write_lines(&out, lines ? lines : "", lines_len);
		lines = all;
		lines_len = (size_t)(out.at - all);
	}
	rc = out.error ? out.error
		       : sl_server_begin(conn, status, lines, lines_len, (int64_t)body_len);
	if (!rc && !conn->to_head)
		rc = sl_socket_send(&conn->socket, body, body_len);
	if (rc)
		sl_server_abort(conn);
	else
		sl_server_finish(conn);
}

int sl_server_chunk(struct sl_server_conn *conn, const void *data, size_t len)
{
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

void sl_server_end(struct sl_server_conn *conn)
{
	if (!conn->http10)
		sl_socket_send(&conn->socket, SL_H1_CHUNK_LAST, sizeof(SL_H1_CHUNK_LAST) - 1);
	sl_server_finish(conn);
}

/* Moves pipelined bytes to the front as the next request. */
static void take_next(struct sl_server_conn *conn)
{
	size_t rest = conn->in_len > conn->request_len ? conn->in_len - conn->request_len : 0;

	if (rest && !conn->next_in) {
		memmove(conn->in, conn->in + conn->request_len, rest);
		conn->in_len = rest;
		conn->scanned = conn->head_len = conn->request_len = conn->raw_at = 0;
		conn->body = NULL;
		conn->body_len = 0;
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

	conn->progress_ns = sl_loop_now_ns(conn->server->loop);
	if (conn->server->draining) {
		close_conn(conn, SL_SOCKET_FLUSH);
		return false;
	}
	if (!more) {
		release_buffers(conn);
		conn->state = STATE_IDLE;
		watch(conn);
		return false;
	}
	take_next(conn);
	if (conn->paused_pipeline) {
		conn->paused_pipeline = false;
		sl_socket_resume(&conn->socket);
	}
	conn->state = STATE_HEAD;
	conn->started_ns = conn->progress_ns;
	return true;
}

void sl_server_finish(struct sl_server_conn *conn)
{
	if (conn->state == STATE_CLOSE)
		return;
	conn->finished = true;
	conn->user = NULL;
	if (!conn->keep_alive) {
		close_conn(conn, SL_SOCKET_FLUSH);
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

void sl_server_abort(struct sl_server_conn *conn)
{
	if (conn->state == STATE_CLOSE)
		return;
	conn->finished = true;
	conn->user = NULL;
	close_conn(conn, SL_SOCKET_RESET);
}

/* ---- life ----------------------------------------------------------------------------------- */

static const struct sl_socket_ops socket_ops = {
	.data = on_data,
	.eof = on_eof,
	.error = on_error,
	.drained = on_drained,
	.closed = on_closed,
};

void sl_server_init(struct sl_server *server, struct sl_loop *loop, const struct sl_server_ops *ops,
		    const struct sl_server_options *options, void *owner)
{
	*server = (struct sl_server){
		.loop = loop,
		.ops = ops,
		.owner = owner,
		.options = *options,
	};
	sl_slab_init(&server->conns, sizeof(struct sl_server_conn), CONNS_KEPT);
	sl_slab_init(&server->heads, sizeof(struct sl_h1_head), HEADS_KEPT);
}

void sl_server_fini(struct sl_server *server)
{
	sl_slab_fini(&server->conns);
	sl_slab_fini(&server->heads);
}

static void refuse_connection(struct sl_server *server, int fd, bool plain)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n"
				     "retry-after: 1\r\nconnection: close\r\n\r\n";

	server->refused[SL_SERVER_REFUSED_MANY]++;
	if (plain)
		(void)!send(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

void sl_server_accept(struct sl_server *server, int fd, struct sl_tls_server *tls)
{
	struct sl_server_conn *conn;

	if (server->draining || server->conn_count >= server->options.connections_max) {
		refuse_connection(server, fd, !tls);
		return;
	}
	conn = sl_slab_get(&server->conns);
	if (!conn) {
		refuse_connection(server, fd, !tls);
		return;
	}
	memset(conn, 0, sizeof(*conn));
	conn->server = server;
	sl_timer_init(&conn->timer, on_timer);
	sl_socket_init(&conn->socket, server->loop, &socket_ops);
	if ((tls && sl_tls_accept(&conn->socket, tls)) || sl_socket_adopt(&conn->socket, fd)) {
		close(fd);
		sl_slab_put(&server->conns, conn);
		return;
	}
	conn->next = server->open;
	conn->pprev = &server->open;
	if (conn->next)
		conn->next->pprev = &conn->next;
	server->open = conn;
	server->conn_count++;
	if (server->conn_count >= SL_SERVER_FLOOD_CONNS &&
	    server->trim_at < server->conn_count / SL_SERVER_FLOOD_PARTS)
		server->trim_at = server->conn_count / SL_SERVER_FLOOD_PARTS;
	server->accepted++;
	conn->progress_ns = sl_loop_now_ns(server->loop);
	watch(conn);
}

void sl_server_leave(struct sl_server *server)
{
	server->leaving = true;
}

void sl_server_drain(struct sl_server *server)
{
	struct sl_server_conn *conn, *next;

	server->draining = true;
	for (conn = server->open; conn; conn = next) {
		next = conn->next;
		conn->keep_alive = false;
		if (conn->state == STATE_IDLE)
			close_conn(conn, SL_SOCKET_NOW);
	}
}

void sl_server_abort_all(struct sl_server *server)
{
	struct sl_server_conn *conn, *next;

	for (conn = server->open; conn; conn = next) {
		next = conn->next;
		if (conn->state != STATE_CLOSE)
			lose(conn, SL_SOCKET_RESET);
		else if (sl_socket_pending(&conn->socket))
			sl_socket_close(&conn->socket, SL_SOCKET_RESET);
	}
}
