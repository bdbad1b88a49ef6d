/* See conn.h. */
#include "tests/standin/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/standin/dispatch.h"
#include "tests/standin/http.h"
#include "tests/standin/reply.h"

enum { FILLS_A_TURN_MAX = 16, SPARE_BUF_CAP_MAX = 1 << 20 };

static const uint64_t linger_ns = 1000000000;

void sl_conn_open(struct sl_worker *worker, int fd, bool admin)
{
	struct sl_conn *conn = worker->spare;

	if (conn)
		worker->spare = conn->next;
	else
		conn = malloc(sizeof(*conn));
	if (!conn) {
		close(fd);
		return;
	}
	memset(conn, 0, sizeof(*conn));
	conn->worker = worker;
	conn->fd = fd;
	conn->admin = admin;
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = conn};
	if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
		close(fd);
		free(conn);
		return;
	}
	conn->next = worker->conns;
	if (conn->next)
		conn->next->prev = conn;
	worker->conns = conn;
	if (!admin)
		sl_count(&worker->counters.connections, 1);
}

static void close_conn(struct sl_conn *conn)
{
	struct sl_worker *worker = conn->worker;
	enum sl_job_state state = conn->job.state;

	if (state != SL_JOB_IDLE && state != SL_JOB_DOOMED)
		sl_count(&worker->counters.client_gone, 1);
	sl_job_cancel(conn);
	sl_wheel_disarm(&worker->wheel, &conn->timer);
	close(conn->fd);
	sl_buf_free(&conn->in);
	sl_buf_free(&conn->pending);
	*(conn->prev ? &conn->prev->next : &worker->conns) = conn->next;
	if (conn->next)
		conn->next->prev = conn->prev;
	if (!conn->admin)
		sl_count(&worker->counters.connections_closed, 1);
	conn->next = worker->spare;
	worker->spare = conn;
}

static void reset_conn(struct sl_conn *conn)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close_conn(conn);
}

void sl_conn_drop(struct sl_conn *conn)
{
	sl_job_cancel(conn);
	reset_conn(conn);
}

/* Sends bytes; returns how many the socket took. */
static size_t send_some(struct sl_conn *conn, const char *data, size_t len)
{
	ssize_t sent = send(conn->fd, data, len, MSG_NOSIGNAL);

	if (sent >= 0)
		return (size_t)sent;
	if (errno != EAGAIN && errno != EINTR)
		conn->broken = true;
	return 0;
}

void sl_conn_flush(struct sl_conn *conn)
{
	struct sl_buf *out = &conn->worker->out;
	size_t sent = 0;

	if (conn->pending.len == 0 && out->len && !conn->broken)
		sent = send_some(conn, out->data, out->len);
	sl_buf_put(&conn->pending, out->data + sent, out->len - sent);
	out->len = 0;
}

static void flush_pending(struct sl_conn *conn)
{
	if (conn->pending.len == 0)
		return;
	sl_buf_drop(&conn->pending, send_some(conn, conn->pending.data, conn->pending.len));
	if (conn->pending.len == 0 && conn->pending.cap > SPARE_BUF_CAP_MAX)
		sl_buf_free(&conn->pending);
}

void sl_conn_answer(struct sl_conn *conn, enum sl_path path, int status, int64_t retry_after_s,
		    const char *type, bool keep_alive)
{
	struct sl_worker *worker = conn->worker;
	struct sl_reply_head head = {.status = status,
				     .type = type,
				     .name = worker->server->options.name,
				     .length = (int64_t)worker->body.len,
				     .retry_after_s = retry_after_s,
				     .close = !keep_alive};

	sl_reply_head(&worker->out, &head);
	if (!conn->head_only)
		sl_buf_put(&worker->out, worker->body.data, worker->body.len);
	if (!conn->admin)
		sl_count(&worker->counters.requests[path][sl_reply_status_index(status)], 1);
	conn->after = keep_alive ? SL_AFTER_KEEP : SL_AFTER_FIN;
}

static void refuse(struct sl_conn *conn, int err)
{
	struct sl_buf *body = &conn->worker->body;

	body->len = 0;
	sl_reply_error(body, err == -E2BIG ? "the request is too large" : "not an HTTP/1.1 request",
		       "invalid_request_error", NULL, "null");
	sl_conn_answer(conn, SL_PATH_OTHER, err == -E2BIG ? 413 : 400, -1, SL_REPLY_JSON, false);
}

/* Takes one request from data. 0: *ret_used bytes were one; -EAGAIN: not all here yet; else
 * refused. */
static int take_request(struct sl_conn *conn, char *data, size_t len, size_t *ret_used)
{
	struct sl_head head;
	size_t used;
	int err = sl_http_head(data, len, &head);

	if (err)
		return err;
	char *body = data + head.head_len;
	size_t have = len - head.head_len;
	if (head.chunked) {
		err = sl_http_dechunk(body, have, &head.body_len, &used);
	} else {
		used = head.body_len;
		err = have < used ? -EAGAIN : 0;
	}
	if (err == -EAGAIN && head.expect_continue && !conn->continued) {
		conn->continued = true;
		sl_buf_lit(&conn->worker->out, "HTTP/1.1 100 Continue\r\n\r\n");
	}
	if (err)
		return err;
	conn->continued = false;
	*ret_used = head.head_len + used;
	sl_dispatch(conn, &head, data, body, head.body_len);
	return 0;
}

/* Takes requests until a job is at work, the connection ends or the input does. Returns what was
 * used. */
static size_t consume(struct sl_conn *conn, char *data, size_t len)
{
	size_t at = 0, used = 0;

	while (at < len && conn->job.state == SL_JOB_IDLE && conn->after == SL_AFTER_KEEP) {
		int err = take_request(conn, data + at, len - at, &used);

		if (err == -EAGAIN)
			break;
		if (err) {
			refuse(conn, err);
			return len;
		}
		at += used;
	}
	return at;
}

/* Reads once and acts on it. False: there was nothing to read. */
static bool fill(struct sl_conn *conn)
{
	struct sl_worker *worker = conn->worker;
	bool direct = conn->in.len > 0;
	char *into = direct ? sl_buf_room(&conn->in, SL_READ_LEN_MAX) : worker->input;
	ssize_t got = recv(conn->fd, into, SL_READ_LEN_MAX, 0);

	if (got < SL_READ_LEN_MAX)
		conn->readable = false;
	if (got < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn->broken = true;
		return false;
	}
	if (got == 0) {
		conn->peer_closed = true;
		return false;
	}
	if (conn->ending)
		return true;
	if (direct) {
		conn->in.len += (size_t)got;
		sl_buf_drop(&conn->in, consume(conn, conn->in.data, conn->in.len));
		return true;
	}
	size_t used = consume(conn, into, (size_t)got);
	sl_buf_put(&conn->in, into + used, (size_t)got - used);
	return true;
}

/* FIN goes out once all is sent; then the peer has a while to close its side. */
static void begin_ending(struct sl_conn *conn)
{
	conn->ending = true;
	shutdown(conn->fd, SHUT_WR);
	sl_wheel_arm(&conn->worker->wheel, &conn->timer, conn->worker->now_ns + linger_ns);
}

/* Brings the connection to rest after any event: output out, input used, state acted on. */
static void settle(struct sl_conn *conn)
{
	for (int turn = 0;; turn++) {
		if (conn->job.state == SL_JOB_IDLE && conn->after == SL_AFTER_KEEP && conn->in.len)
			sl_buf_drop(&conn->in, consume(conn, conn->in.data, conn->in.len));
		sl_conn_flush(conn);
		bool idle = conn->job.state == SL_JOB_IDLE;
		if (conn->after == SL_AFTER_RST && idle) {
			reset_conn(conn);
			return;
		}
		if (conn->broken ||
		    (conn->peer_closed && (!idle || (!conn->readable && !conn->pending.len)))) {
			close_conn(conn);
			return;
		}
		if (!idle || conn->pending.len)
			return;
		if (conn->after == SL_AFTER_FIN && !conn->ending)
			begin_ending(conn);
		if (!conn->readable)
			return;
		if (turn == FILLS_A_TURN_MAX) {
			/* Others first: the timer brings it back within a millisecond. */
			if (!conn->ending)
				sl_wheel_arm(&conn->worker->wheel, &conn->timer,
					     conn->worker->now_ns);
			return;
		}
		fill(conn);
	}
}

void sl_conn_event(struct sl_conn *conn, uint32_t events)
{
	if (events & EPOLLIN)
		conn->readable = true;
	if (events & (EPOLLERR | EPOLLHUP))
		conn->broken = true;
	if (events & EPOLLRDHUP)
		conn->peer_closed = true;
	if ((events & EPOLLOUT) && conn->pending.len) {
		flush_pending(conn);
		if (conn->pending.len == 0)
			sl_job_writable(conn);
	}
	settle(conn);
}

void sl_conn_timer(struct sl_conn *conn)
{
	if (conn->ending) {
		close_conn(conn);
		return;
	}
	sl_job_timer(conn);
	settle(conn);
}

void sl_conn_granted(struct sl_conn *conn)
{
	sl_job_granted(conn);
	settle(conn);
}
