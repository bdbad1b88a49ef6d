/* See strike.h. */
#include "tests/standin/strike.h"

#include <errno.h>

#include "tests/standin/native.h"
#include "tests/standin/reply.h"

enum { HEADERS_ONLY_LENGTH = 1000, LENGTH_EXCESS = 100 };

/* How long bytes get to reach the client before a reset may overtake them. */
static const uint64_t doom_after_ns = 10000000;
static const uint64_t comment_every_ns = 100000000;

#define BAD_CHUNK "ZZ;not-hex\r\nnot a chunk\r\n"

static void silence(struct sl_conn *conn)
{
	conn->job.state = SL_JOB_SILENT;
	sl_wheel_disarm(&conn->worker->wheel, &conn->timer);
}

static void doom(struct sl_conn *conn)
{
	conn->job.state = SL_JOB_DOOMED;
	sl_wheel_arm(&conn->worker->wheel, &conn->timer, conn->worker->now_ns + doom_after_ns);
}

static void comment(struct sl_conn *conn)
{
	conn->job.state = SL_JOB_COMMENTS;
	sl_wheel_arm(&conn->worker->wheel, &conn->timer, conn->worker->now_ns + comment_every_ns);
}

static bool is_mine(struct sl_conn *conn, struct sl_str fault, struct sl_str node)
{
	return fault.len && (!node.len || sl_str_is(node, conn->worker->server->options.name));
}

int sl_strike_choose(struct sl_conn *conn, const struct sl_head *head, const struct sl_ask *ask,
		     struct sl_fault *ret_fault)
{
	struct sl_fault_set *faults = &conn->worker->server->faults;
	struct sl_fault fault = {0};
	int err = 0;

	if (is_mine(conn, head->fault, head->fault_node))
		err = sl_fault_parse(head->fault, &fault);
	else if (ask && is_mine(conn, ask->fault, ask->fault_node))
		err = sl_fault_parse(ask->fault, &fault);
	else if (ask)
		fault = sl_fault_draw(faults, false);
	if (err)
		return err;
	if (fault.kind == SL_FAULT_PREFILL && !(ask && ask->continues))
		fault.kind = SL_FAULT_NONE;
	if (fault.kind != SL_FAULT_NONE)
		sl_fault_count(faults, fault.kind);
	*ret_fault = fault;
	return 0;
}

static void count_none(struct sl_conn *conn)
{
	sl_count(&conn->worker->counters.requests[conn->job.path][SL_STATUS_INDEX_0], 1);
}

static void answer(struct sl_conn *conn, int status, int64_t retry_after_s, const char *type)
{
	sl_conn_answer(conn, conn->job.path, status, retry_after_s, type, conn->job.keep_alive);
	sl_job_end(conn, conn->after);
}

bool sl_strike_first(struct sl_conn *conn)
{
	struct sl_job *job = &conn->job;
	struct sl_buf *body = &conn->worker->body;
	int status = sl_fault_status(job->fault.kind);

	body->len = 0;
	if (status) {
		bool retry = job->fault.kind == SL_FAULT_STATUS_429_RETRY ||
			     job->fault.kind == SL_FAULT_STATUS_503_RETRY;

		if (job->kind == SL_ASK_MESSAGES)
			sl_native_fault_error(body, job->fault.kind);
		else
			sl_reply_fault_error(body, job->fault.kind);
		answer(conn, status, retry ? job->fault.arg : -1, SL_REPLY_JSON);
		return true;
	}
	switch (job->fault.kind) {
	case SL_FAULT_RESET_BEFORE:
		count_none(conn);
		sl_job_end(conn, SL_AFTER_RST);
		return true;
	case SL_FAULT_HANG:
		count_none(conn);
		silence(conn);
		return true;
	case SL_FAULT_HANG_HEADERS:
	case SL_FAULT_RESET_HEADERS:
		sl_job_head(conn, job->stream ? SL_REPLY_CHUNKED : HEADERS_ONLY_LENGTH);
		if (job->fault.kind == SL_FAULT_RESET_HEADERS)
			doom(conn);
		else
			silence(conn);
		return true;
	case SL_FAULT_EMPTY:
		answer(conn, 200, -1, SL_REPLY_JSON);
		return true;
	case SL_FAULT_HTML:
		sl_buf_lit(body, "<!doctype html><title>stand-in</title><p>It works!</p>\n");
		answer(conn, 200, -1, "text/html; charset=utf-8");
		return true;
	default:
		return false;
	}
}

static bool between_tokens(enum sl_fault_kind kind)
{
	switch (kind) {
	case SL_FAULT_STALL:
	case SL_FAULT_KEEPALIVE_STALL:
	case SL_FAULT_CUT:
	case SL_FAULT_RST:
	case SL_FAULT_CLEAN_CUT:
	case SL_FAULT_BAD_CHUNK:
	case SL_FAULT_BAD_EVENT:
	case SL_FAULT_ERROR_EVENT:
		return true;
	default:
		return false;
	}
}

bool sl_strike_due(const struct sl_job *job)
{
	return job->fault.kind != SL_FAULT_NONE && !job->faulted &&
	       between_tokens(job->fault.kind) &&
	       (job->step >= (uint64_t)job->fault.arg || job->step >= job->step_count);
}

static void end_body(struct sl_conn *conn)
{
	if (!conn->job.raw)
		sl_buf_lit(&conn->worker->out, "0\r\n\r\n");
	sl_job_end(conn, conn->job.raw ? SL_AFTER_FIN : SL_AFTER_KEEP);
}

bool sl_strike_stream(struct sl_conn *conn)
{
	struct sl_buf *out = &conn->worker->out;
	struct sl_job *job = &conn->job;

	job->faulted = true;
	switch (job->fault.kind) {
	case SL_FAULT_STALL:
		silence(conn);
		return true;
	case SL_FAULT_KEEPALIVE_STALL:
		comment(conn);
		return true;
	case SL_FAULT_CUT:
		sl_job_end(conn, SL_AFTER_FIN);
		return true;
	case SL_FAULT_RST:
		doom(conn);
		return true;
	case SL_FAULT_CLEAN_CUT:
		end_body(conn);
		return true;
	case SL_FAULT_BAD_CHUNK:
		sl_buf_lit(out, BAD_CHUNK);
		sl_job_end(conn, SL_AFTER_FIN);
		return true;
	case SL_FAULT_ERROR_EVENT:
		sl_reply_error_event(out, job);
		sl_reply_done(out, job);
		end_body(conn);
		return true;
	default:
		sl_reply_broken_event(out, job);
		return false;
	}
}

static void put_chunk(struct sl_buf *out, const char *data, size_t len)
{
	sl_buf_printf(out, "%zx\r\n", len);
	sl_buf_put(out, data, len);
	sl_buf_lit(out, "\r\n");
}

/* Faults of which half a body shows. True when it was one. */
static bool strike_half(struct sl_conn *conn, const struct sl_buf *body)
{
	struct sl_buf *out = &conn->worker->out;
	size_t half = body->len / 2;

	switch (conn->job.fault.kind) {
	case SL_FAULT_STALL:
	case SL_FAULT_CUT:
	case SL_FAULT_RST:
		sl_job_head(conn, (int64_t)body->len);
		sl_buf_put(out, body->data, half);
		if (conn->job.fault.kind == SL_FAULT_STALL)
			silence(conn);
		else if (conn->job.fault.kind == SL_FAULT_CUT)
			sl_job_end(conn, SL_AFTER_FIN);
		else
			doom(conn);
		return true;
	case SL_FAULT_CLEAN_CUT:
	case SL_FAULT_BAD_CHUNK:
		sl_job_head(conn, SL_REPLY_CHUNKED);
		put_chunk(out, body->data, half);
		if (conn->job.fault.kind == SL_FAULT_CLEAN_CUT) {
			sl_buf_lit(out, "0\r\n\r\n");
			sl_job_end(conn, SL_AFTER_KEEP);
		} else {
			sl_buf_lit(out, BAD_CHUNK);
			sl_job_end(conn, SL_AFTER_FIN);
		}
		return true;
	case SL_FAULT_BAD_EVENT:
		sl_job_head(conn, (int64_t)half);
		sl_buf_put(out, body->data, half);
		sl_job_end(conn, SL_AFTER_KEEP);
		return true;
	default:
		return false;
	}
}

bool sl_strike_whole(struct sl_conn *conn, struct sl_buf *body)
{
	struct sl_buf *out = &conn->worker->out;

	if (conn->job.fault.kind == SL_FAULT_NONE)
		return false;
	if (strike_half(conn, body))
		return true;
	switch (conn->job.fault.kind) {
	case SL_FAULT_KEEPALIVE_STALL:
		sl_job_head(conn, SL_REPLY_CHUNKED);
		comment(conn);
		return true;
	case SL_FAULT_ERROR_EVENT:
		body->len = 0;
		if (conn->job.kind == SL_ASK_MESSAGES) {
			sl_native_error(body, 500, "The engine died while generating.");
			return false;
		}
		sl_reply_error(body, "The engine died while generating.", "server_error", NULL,
			       "\"internal_error\"");
		return false;
	case SL_FAULT_BAD_LENGTH:
		sl_job_head(conn, (int64_t)body->len + LENGTH_EXCESS);
		sl_buf_put(out, body->data, body->len);
		sl_job_end(conn, SL_AFTER_FIN);
		return true;
	case SL_FAULT_SHORT_LENGTH:
		sl_job_head(conn, (int64_t)body->len / 2);
		sl_buf_put(out, body->data, body->len);
		sl_job_end(conn, SL_AFTER_KEEP);
		return true;
	default:
		return false;
	}
}

void sl_strike_comment(struct sl_conn *conn)
{
	if (conn->job.stream)
		sl_reply_comment(&conn->worker->out, &conn->job);
	else
		put_chunk(&conn->worker->out, " ", 1);
}
