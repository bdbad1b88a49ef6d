/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/http/server.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>
#include "user/http/h1_write.h"
#include "user/http/h2.h"
#include "user/http/server_conn.h"

#define CONNS_KEPT 1024u
#define HEADS_KEPT 256u

static struct sl_server_conn *conn_of_timer(struct sl_timer *timer)
{
	return (struct sl_server_conn *)((char *)timer - offsetof(struct sl_server_conn, timer));
}

/* ---- closing -------------------------------------------------------------------------------- */

void sl_server_conn_close(struct sl_server_conn *conn, enum sl_socket_how how)
{
	conn->state = SL_SERVER_CLOSE;
	conn->behind = false;
	sl_timer_cancel(conn->x.server->loop, &conn->timer);
	if (how == SL_SOCKET_FLUSH)
		sl_timer_set(conn->x.server->loop, &conn->timer, SL_SERVER_LINGER_MS);
	sl_socket_close(&conn->socket, how);
}

void sl_server_conn_lose(struct sl_server_conn *conn, enum sl_socket_how how)
{
	if (conn->state == SL_SERVER_HANDLE && !conn->finished) {
		conn->x.server->gone++;
		conn->finished = true;
		conn->x.server->ops->gone(&conn->x);
	}
	if (conn->state == SL_SERVER_H2)
		sl_h2_lose(conn->h2);
	if (conn->state != SL_SERVER_CLOSE)
		sl_server_conn_close(conn, how);
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
	struct sl_server *server = conn->x.server;

	sl_timer_cancel(server->loop, &conn->timer);
	sl_server_h1_free(conn);
	sl_h2_free(&conn->h2);
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
	sl_server_conn_lose((struct sl_server_conn *)socket, SL_SOCKET_NOW);
}

static void on_data(struct sl_socket *socket, const char *buf, size_t len)
{
	struct sl_server_conn *conn = (struct sl_server_conn *)socket;

	if (conn->state == SL_SERVER_H2)
		sl_h2_data(conn->h2, buf, len);
	else
		sl_server_h1_data(conn, buf, len);
}

static void on_drained(struct sl_socket *socket)
{
	struct sl_server_conn *conn = (struct sl_server_conn *)socket;

	if (conn->state == SL_SERVER_H2)
		sl_h2_drained(conn->h2);
	else
		sl_server_h1_drained(conn);
}

static void on_eof(struct sl_socket *socket)
{
	sl_server_conn_lose((struct sl_server_conn *)socket, SL_SOCKET_NOW);
}

/* ---- answers of our own --------------------------------------------------------------------- */

void sl_server_conn_refuse(struct sl_server_conn *conn, enum sl_server_refusal refusal, int status,
			   const char *reason)
{
	struct sl_server *server = conn->x.server;
	char body[SL_SERVER_ERROR_ROOM];
	int body_len;

	server->refused[refusal]++;
	body_len = server->ops->error_body(&conn->x, refusal, status, reason, body, sizeof(body));
	conn->keep_alive = false;
	conn->x.to_head = false;
	conn->finished = false;
	conn->state = SL_SERVER_HANDLE;
	sl_server_respond(&conn->x, status, "application/json", NULL, 0, body,
			  body_len > 0 ? (size_t)body_len : 0);
}

void sl_server_respond(struct sl_exchange *exchange, int status, const char *content_type,
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
		       : sl_server_begin(exchange, status, lines, lines_len, (int64_t)body_len);
	if (!rc && !exchange->to_head)
		rc = sl_server_body(exchange, body, body_len);
	if (rc)
		sl_server_abort(exchange);
	else
		sl_server_finish(exchange);
}

/* ---- time ----------------------------------------------------------------------------------- */

static uint64_t body_due_ns(const struct sl_server_conn *conn)
{
	const struct sl_server_options *o = &conn->x.server->options;
	bool chunked = conn->x.head->body == SL_H1_BODY_CHUNKED;
	size_t bytes = chunked ? conn->x.body_len : conn->in_len - conn->x.head_len;
	uint64_t from_ns = conn->started_ns + (uint64_t)o->header_timeout_ms * SL_NS_PER_MS;

	return sl_patience_min_ns(
		conn->patience.progress_ns + (uint64_t)o->body_timeout_ms * SL_NS_PER_MS,
		sl_patience_due_ns(from_ns, o->body_timeout_ms, bytes, o->rate_min));
}

struct sl_patience_bounds sl_server_bounds(const struct sl_server *server)
{
	return (struct sl_patience_bounds){.timeout_ms = server->options.send_timeout_ms,
					   .rate_min = server->options.rate_min,
					   .slack = SL_SERVER_BUFFER_BYTES};
}

static uint64_t answer_due_ns(struct sl_server_conn *conn)
{
	return sl_patience_answer_ns(&conn->patience, sl_loop_now_ns(conn->x.server->loop),
				     sl_socket_pending(&conn->socket), conn->socket.bytes_out,
				     sl_server_bounds(conn->x.server));
}

/* When the present state will be overdue. */
static uint64_t due_ns(struct sl_server_conn *conn)
{
	const struct sl_server_options *o = &conn->x.server->options;

	switch (conn->state) {
	case SL_SERVER_IDLE:
		return conn->patience.progress_ns + (uint64_t)o->idle_timeout_ms * SL_NS_PER_MS;
	case SL_SERVER_HEAD:
		return conn->started_ns + (uint64_t)o->header_timeout_ms * SL_NS_PER_MS;
	case SL_SERVER_BODY:
		return body_due_ns(conn);
	case SL_SERVER_H2:
		return sl_h2_due_ns(conn->h2);
	default:
		return answer_due_ns(conn);
	}
}

void sl_server_conn_watch(struct sl_server_conn *conn)
{
	uint64_t now_ns = sl_loop_now_ns(conn->x.server->loop);
	uint64_t at_ns = due_ns(conn);
	uint64_t left_ms = at_ns > now_ns ? (at_ns - now_ns + SL_NS_PER_MS - 1) / SL_NS_PER_MS : 0;
	uint64_t due_ms = sl_loop_now_ms(conn->x.server->loop) + left_ms;

	if (!sl_timer_is_set(&conn->timer) || conn->timer.due_ms > due_ms + 1)
		sl_timer_set(conn->x.server->loop, &conn->timer, left_ms);
}

/* The last answer has its time as any other; behind it the client has SL_SERVER_LINGER_MS. */
static void watch_closing(struct sl_server_conn *conn)
{
	struct sl_server *server = conn->x.server;

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

	if (conn->state == SL_SERVER_CLOSE) {
		watch_closing(conn);
		return;
	}
	if (sl_loop_now_ns(conn->x.server->loop) < due_ns(conn)) {
		sl_server_conn_watch(conn);
		return;
	}
	switch (conn->state) {
	case SL_SERVER_IDLE:
		sl_server_conn_close(conn, SL_SOCKET_NOW);
		break;
	case SL_SERVER_HEAD:
	case SL_SERVER_BODY:
		sl_server_conn_refuse(conn, SL_SERVER_REFUSED_SLOW, 408,
				      "the request was not complete in time");
		break;
	case SL_SERVER_H2:
		sl_h2_overdue(conn->h2);
		break;
	default:
		conn->x.server->cut++;
		sl_server_conn_lose(conn, SL_SOCKET_RESET);
		break;
	}
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
	conn->x.server = server;
	conn->x.ops = &sl_server_h1_ops;
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
	conn->patience.progress_ns = sl_loop_now_ns(server->loop);
	sl_server_conn_watch(conn);
}

void sl_server_leave(struct sl_server *server)
{
	struct sl_server_conn *conn;

	server->leaving = true;
	for (conn = server->open; conn; conn = conn->next) {
		if (conn->state == SL_SERVER_H2)
			sl_h2_leave(conn->h2);
	}
}

void sl_server_drain(struct sl_server *server)
{
	struct sl_server_conn *conn, *next;

	server->draining = true;
	for (conn = server->open; conn; conn = next) {
		next = conn->next;
		conn->keep_alive = false;
		if (conn->state == SL_SERVER_IDLE)
			sl_server_conn_close(conn, SL_SOCKET_NOW);
		else if (conn->state == SL_SERVER_H2)
			sl_h2_leave(conn->h2);
	}
}

void sl_server_abort_all(struct sl_server *server)
{
	struct sl_server_conn *conn, *next;

	for (conn = server->open; conn; conn = next) {
		next = conn->next;
		if (conn->state != SL_SERVER_CLOSE)
			sl_server_conn_lose(conn, SL_SOCKET_RESET);
		else if (sl_socket_pending(&conn->socket))
			sl_socket_close(&conn->socket, SL_SOCKET_RESET);
	}
}
