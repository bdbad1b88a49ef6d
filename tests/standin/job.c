/* See job.h. */
#include "tests/standin/job.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/standin/conn.h"
#include "tests/standin/native.h"
#include "tests/standin/reply.h"
#include "tests/standin/strike.h"
#include "tests/standin/text.h"

enum { PAUSE_LEN = 256 * 1024 };

static const uint64_t comment_every_ns = 100000000;

static struct sl_server *server_of(struct sl_conn *conn)
{
	return conn->worker->server;
}

static void arm(struct sl_conn *conn, uint64_t due_ns)
{
	sl_wheel_arm(&conn->worker->wheel, &conn->timer, due_ns);
}

static void forget(struct sl_conn *conn)
{
	struct sl_job *job = &conn->job;

	sl_wheel_disarm(&conn->worker->wheel, &conn->timer);
	sl_model_leave(&server_of(conn)->model, &job->ticket, &conn->worker->inbox);
	free(job->keys);
	job->keys = NULL;
	job->paused = false;
	job->state = SL_JOB_IDLE;
}

void sl_job_end(struct sl_conn *conn, enum sl_after after)
{
	struct sl_job *job = &conn->job;

	if (after == SL_AFTER_KEEP && (!job->keep_alive || job->fault.kind == SL_FAULT_CLOSE_IDLE))
		after = SL_AFTER_FIN;
	conn->after = after;
	forget(conn);
}

void sl_job_cancel(struct sl_conn *conn)
{
	if (conn->job.state != SL_JOB_IDLE)
		forget(conn);
}

void sl_job_head(struct sl_conn *conn, int64_t length)
{
	struct sl_job *job = &conn->job;
	struct sl_reply_head head = {.status = 200,
				     .type = job->stream ? SL_REPLY_EVENTS : SL_REPLY_JSON,
				     .name = server_of(conn)->options.name,
				     .length = length,
				     .retry_after_s = -1,
				     .close = !job->keep_alive,
				     .huge = job->fault.kind == SL_FAULT_HUGE_HEADERS};

	if (job->head_sent)
		return;
	job->head_sent = true;
	sl_count(&conn->worker->counters.requests[job->path][SL_STATUS_INDEX_200], 1);
	sl_reply_head(&conn->worker->out, &head);
}

static void stream_head(struct sl_conn *conn)
{
	sl_job_head(conn, conn->job.raw ? SL_REPLY_UNTIL_CLOSE : SL_REPLY_CHUNKED);
}

/* Renders one token of every choice that is not over. Returns how many that were. */
static uint64_t put_step(struct sl_conn *conn, struct sl_buf *out)
{
	struct sl_job *job = &conn->job;
	uint64_t natural = server_of(conn)->options.reply_tokens;
	uint64_t count = 0;
	const char *reason;

	if (job->choice_count == 1) {
		sl_reply_token(out, job, 0, job->step++);
		return 1;
	}
	for (uint32_t choice = 0; choice < job->choice_count; choice++) {
		if (job->step >= sl_reply_choice_len(job, natural, choice, &reason))
			continue;
		sl_reply_token(out, job, choice, job->step);
		count++;
	}
	job->step++;
	return count;
}

static void put_ending(struct sl_conn *conn, struct sl_buf *out)
{
	struct sl_job *job = &conn->job;
	const char *reason = "stop";

	for (uint32_t choice = 0; choice < job->choice_count; choice++) {
		sl_reply_choice_len(job, server_of(conn)->options.reply_tokens, choice, &reason);
		sl_reply_finish(out, job, choice, reason);
	}
	if (job->include_usage)
		sl_reply_usage(out, job);
	if (job->fault.kind != SL_FAULT_NO_DONE)
		sl_reply_done(out, job);
	sl_count(*reason == 'l' ? &conn->worker->counters.finished_length
				: &conn->worker->counters.finished_stop,
		 1);
}

static void finish_stream(struct sl_conn *conn)
{
	struct sl_job *job = &conn->job;

	put_ending(conn, &conn->worker->out);
	if (job->raw) {
		sl_job_end(conn, SL_AFTER_FIN);
		return;
	}
	sl_buf_lit(&conn->worker->out, "0\r\n\r\n");
	sl_job_end(conn, SL_AFTER_KEEP);
}

/* Sends every token that is due; arms the timer for the next, or ends the answer. */
static void pump(struct sl_conn *conn)
{
	struct sl_worker *worker = conn->worker;
	struct sl_job *job = &conn->job;
	uint64_t count = 0;

	job->paused = false;
	if (worker->now_ns < job->first_ns) {
		arm(conn, job->first_ns);
		return;
	}
	stream_head(conn);
	if (!job->role_sent)
		for (uint32_t choice = 0; choice < job->choice_count; choice++)
			sl_reply_role(&worker->out, job, choice);
	job->role_sent = true;
	for (;;) {
		if (sl_strike_due(job) && sl_strike_stream(conn))
			break;
		if (job->step >= job->step_count) {
			finish_stream(conn);
			break;
		}
		uint64_t due_ns = job->first_ns + job->step * job->step_ns;
		if (due_ns > worker->now_ns) {
			arm(conn, due_ns);
			break;
		}
		if (worker->out.len + conn->pending.len >= PAUSE_LEN) {
			sl_conn_flush(conn);
			job->paused = conn->pending.len > 0;
			if (job->paused || conn->broken)
				break;
		}
		count += put_step(conn, &worker->out);
	}
	sl_count(&worker->counters.generation_tokens, count);
	if (job->state == SL_JOB_STREAM && count)
		sl_model_grow(&server_of(conn)->model, &job->ticket, count);
}

/* A stream as one body, for the faults of content-length. */
static void put_stream(struct sl_conn *conn, struct sl_buf *body)
{
	struct sl_job *job = &conn->job;

	job->raw = true;
	for (uint32_t choice = 0; choice < job->choice_count; choice++)
		sl_reply_role(body, job, choice);
	while (job->step < job->step_count)
		put_step(conn, body);
	put_ending(conn, body);
}

static void answer_whole(struct sl_conn *conn)
{
	struct sl_worker *worker = conn->worker;
	struct sl_options *options = &server_of(conn)->options;
	struct sl_job *job = &conn->job;
	struct sl_buf *body = &worker->body;

	body->len = 0;
	if (atomic_load_explicit(&server_of(conn)->rubbish, memory_order_relaxed) && !job->stream)
		sl_buf_lit(body, "{\"object\":\"rubbish\",\"data\":[],\"choices\":[]}");
	else if (job->kind == SL_ASK_EMBEDDING)
		sl_reply_embeddings(body, job);
	else if (job->stream)
		put_stream(conn, body);
	else
		sl_reply_whole(body, job, options->reply_tokens, job->fingerprint);
	sl_count(&worker->counters.generation_tokens, job->reply_tokens);
	if (!job->stream)
		sl_count(&worker->counters.finished_stop, 1);
	if (sl_strike_whole(conn, body))
		return;
	sl_job_head(conn, (int64_t)body->len);
	sl_buf_put(&worker->out, body->data, body->len);
	sl_job_end(conn, SL_AFTER_KEEP);
}

static void run(struct sl_conn *conn)
{
	struct sl_server *server = server_of(conn);
	struct sl_job *job = &conn->job;
	struct sl_worker *worker = conn->worker;

	job->first_ns = worker->now_ns +
			job->prompt_tokens *
				(uint64_t)atomic_load_explicit(&server->model.prefill_ns_per_token,
							       memory_order_relaxed);
	job->step_ns =
		(uint64_t)atomic_load_explicit(&server->model.token_ns, memory_order_relaxed);
	if (job->fault.kind == SL_FAULT_SLOW_FIRST)
		job->first_ns += (uint64_t)job->fault.arg * 1000000;
	if (job->fault.kind == SL_FAULT_SLOW_TOKEN)
		job->step_ns += (uint64_t)job->fault.arg * 1000000;
	sl_count(&worker->counters.prompt_tokens, job->prompt_tokens);
	if (job->stream && job->fault.kind != SL_FAULT_BAD_LENGTH &&
	    job->fault.kind != SL_FAULT_SHORT_LENGTH) {
		job->state = SL_JOB_STREAM;
		sl_reply_prepare(job, job->fingerprint);
		pump(conn);
		return;
	}
	if (job->stream)
		sl_reply_prepare(job, job->fingerprint);
	uint64_t due_ns =
		job->first_ns + (job->step_count ? job->step_count - 1 : 0) * job->step_ns;
	if (due_ns <= worker->now_ns) {
		answer_whole(conn);
		return;
	}
	job->state = SL_JOB_WAITING;
	sl_model_grow(&server->model, &job->ticket, job->reply_tokens);
	arm(conn, due_ns);
}

/* Copies a name that is needed for as long as the job lives, escaped as it came. */
static int copy_name(struct sl_str name, char *copy, size_t cap)
{
	if (name.len >= cap)
		return -E2BIG;
	if (name.len)
		memcpy(copy, name.data, name.len);
	copy[name.len] = 0;
	return 0;
}

static void measure(struct sl_conn *conn)
{
	struct sl_job *job = &conn->job;
	const char *reason;

	job->reply_tokens = job->step_count = 0;
	if (job->kind == SL_ASK_EMBEDDING)
		return;
	for (uint32_t choice = 0; choice < job->choice_count; choice++) {
		uint64_t len = sl_reply_choice_len(job, server_of(conn)->options.reply_tokens,
						   choice, &reason);

		job->reply_tokens += len;
		if (len > job->step_count)
			job->step_count = len;
	}
}

static void refuse(struct sl_conn *conn, int status, const char *message, const char *param,
		   const char *code)
{
	struct sl_buf *body = &conn->worker->body;
	struct sl_job *job = &conn->job;

	body->len = 0;
	if (job->kind == SL_ASK_MESSAGES)
		sl_native_error(body, status, message);
	else
		sl_reply_error(body, message, "invalid_request_error", param, code);
	sl_conn_answer(conn, job->path, status, -1, SL_REPLY_JSON, job->keep_alive);
	sl_job_end(conn, SL_AFTER_KEEP);
}

static bool knows_model(const struct sl_options *options, struct sl_str model)
{
	for (unsigned int i = 0; i < options->model_count; i++)
		if (sl_str_is(model, options->models[i]))
			return true;
	return options->model_count == 0;
}

/* Checks what depends on the server, and takes over what outlives the body. False: refused. */
static bool accept_ask(struct sl_conn *conn, const struct sl_ask *ask)
{
	struct sl_options *options = &server_of(conn)->options;
	struct sl_names names = sl_server_names(server_of(conn));
	struct sl_job *job = &conn->job;

	if (copy_name(ask->tool, job->tool, sizeof(job->tool)))
		job->tool[0] = 0;
	if (!ask->model.data || copy_name(ask->model, job->model, sizeof(job->model)) ||
	    !knows_model(options, ask->model)) {
		refuse(conn, ask->model.data ? 404 : 400,
		       ask->model.data ? "The model does not exist." : "model is required", "model",
		       ask->model.data ? "\"model_not_found\"" : "null");
		return false;
	}
	if (names.model[0])
		snprintf(job->model, sizeof(job->model), "%s", names.model);
	snprintf(job->fingerprint, sizeof(job->fingerprint), "%s",
		 names.fingerprint[0] ? names.fingerprint : options->name);
	if (job->fault.kind == SL_FAULT_WRONG_MODEL)
		strcpy(job->model, "another-model");
	int64_t wanted = ask->max_tokens > 0 ? ask->max_tokens : 0;
	if (options->context_tokens &&
	    ask->prompt_tokens + (uint64_t)wanted > options->context_tokens) {
		refuse(conn, 400,
		       "This model's maximum context length is exceeded by the prompt and "
		       "max_tokens together. Please reduce the length of the messages.",
		       "messages", "\"context_length_exceeded\"");
		return false;
	}
	job->stream = ask->stream && ask->kind != SL_ASK_EMBEDDING;
	job->include_usage = ask->include_usage;
	job->ignore_eos = ask->ignore_eos;
	job->calls_tool = ask->calls_tool;
	job->base64 = ask->base64;
	job->n = ask->kind == SL_ASK_EMBEDDING ? 1 : ask->n;
	job->choice_count = job->n * ask->prompt_count;
	job->dimensions = ask->dimensions;
	job->max_tokens = ask->max_tokens;
	job->min_tokens = ask->min_tokens;
	job->prompt_tokens = ask->prompt_tokens;
	job->key = ask->keys[0];
	if (ask->prompt_count > 1) {
		size_t size = ask->prompt_count * sizeof(job->keys[0]);

		job->keys = malloc(size);
		assert(job->keys);
		memcpy(job->keys, ask->keys, size);
	}
	if (ask->continues) {
		struct sl_buf *scratch = &conn->worker->scratch;

		scratch->len = 0;
		sl_json_decode(ask->prefix, scratch);
		sl_text_resume(job->key, scratch->data, scratch->len, &job->start_index,
			       &job->start_skip);
	}
	return true;
}

static const enum sl_ask_kind kinds[SL_PATH_COUNT] = {
	[SL_PATH_CHAT] = SL_ASK_CHAT,
	[SL_PATH_COMPLETIONS] = SL_ASK_COMPLETION,
	[SL_PATH_EMBEDDINGS] = SL_ASK_EMBEDDING,
	[SL_PATH_MESSAGES] = SL_ASK_MESSAGES,
};

void sl_job_begin(struct sl_conn *conn, const struct sl_head *head, enum sl_path path,
		  const char *body, size_t len)
{
	struct sl_worker *worker = conn->worker;
	struct sl_server *server = worker->server;
	struct sl_job *job = &conn->job;
	const char *why = NULL, *param = NULL;
	struct sl_ask ask;

	assert(job->state == SL_JOB_IDLE && !job->keys);
	/* The names and the event head at the end are written before they are read. */
	memset(job, 0, offsetof(struct sl_job, model));
	job->ticket.inbox = &worker->inbox;
	job->path = path;
	job->kind = kinds[path];
	job->keep_alive = head->keep_alive;
	job->raw = head->http10;
	job->id = sl_text_mix(server->options.seed ^ worker->index, worker->next_id++);
	job->created_s = worker->now_s;
	int err = sl_ask_read(job->kind, body, len, server->options.seed, &worker->scratch, &ask,
			      &why, &param);
	if (sl_strike_choose(conn, head, &ask, &job->fault)) {
		refuse(conn, 400, "no such stand-in fault", "standin_fault", "null");
		return;
	}
	job->stream = ask.stream;
	if (sl_strike_first(conn))
		return;
	if (err) {
		refuse(conn, 400, why, param, "null");
		return;
	}
	if (!accept_ask(conn, &ask))
		return;
	measure(conn);
	if (job->stream && atomic_load_explicit(&server->headers_first, memory_order_relaxed))
		stream_head(conn);
	if (sl_model_enter(&server->model, &job->ticket, job->prompt_tokens))
		run(conn);
	else
		job->state = SL_JOB_QUEUED;
}

void sl_job_granted(struct sl_conn *conn)
{
	assert(conn->job.state == SL_JOB_QUEUED);
	run(conn);
}

void sl_job_timer(struct sl_conn *conn)
{
	struct sl_job *job = &conn->job;

	switch (job->state) {
	case SL_JOB_STREAM:
		pump(conn);
		return;
	case SL_JOB_WAITING:
		answer_whole(conn);
		return;
	case SL_JOB_COMMENTS:
		if (conn->pending.len < PAUSE_LEN)
			sl_strike_comment(conn);
		arm(conn, conn->worker->now_ns + comment_every_ns);
		return;
	case SL_JOB_DOOMED:
		sl_job_end(conn, SL_AFTER_RST);
		return;
	case SL_JOB_IDLE:
	case SL_JOB_QUEUED:
	case SL_JOB_SILENT:
		return;
	}
}

void sl_job_writable(struct sl_conn *conn)
{
	if (conn->job.state == SL_JOB_STREAM && conn->job.paused)
		pump(conn);
}
