/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/attempt.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/error.h"
#include "user/http/h1_write.h"
#include "user/upstream/attempt_parts.h"
#include "user/upstream/concurrency.h"

/* Answers' fields that are ours to say. */
/* x-ratelimit-* of a server would speak of its limits for us, beside ours for the client. */
#define DROPPED_FIELDS                                                           \
	(SL_H1_ID_BIT(SL_H1_ID_X_SLUICE) | SL_H1_ID_BIT(SL_H1_ID_X_REQUEST_ID) | \
	 SL_H1_ID_BIT(SL_H1_ID_X_RATELIMIT))

static uint64_t now_of(const struct sl_attempt *attempt)
{
	return sl_loop_now_ns(attempt->up->loop);
}

void sl_attempt_conclude(struct sl_attempt *attempt, enum sl_ending ending, const char *detail)
{
	attempt->done = true;
	attempt->ending = ending;
	if (detail)
		snprintf(attempt->detail, sizeof(attempt->detail), "%s", detail);
}

void sl_attempt_finish(struct sl_attempt *attempt, enum sl_ending ending, const char *detail)
{
	if (attempt->done)
		return;
	sl_attempt_conclude(attempt, ending, detail);
	sl_fiber_wake(attempt->fiber);
}

/* ---- the connection's callbacks -------------------------------------------------------------- */

/* Words that an -errno does not have: of TLS, of DNS. */
static void note_trouble(struct sl_attempt *attempt, const char *words)
{
	if (words && words[0])
		snprintf(attempt->detail, sizeof(attempt->detail), "connect: %.*s",
			 (int)sizeof(attempt->detail) - 10, words);
}

static void on_connected(struct sl_client_conn *conn, int error)
{
	struct sl_attempt *attempt = conn->owner;

	if (!attempt) /* the attempt gave up meanwhile */
		return;
	attempt->connect_done = true;
	attempt->connect_error = error;
	if (error) {
		note_trouble(attempt, sl_socket_trouble(&conn->socket));
		attempt->conn = NULL;
	}
	sl_fiber_wake(attempt->fiber);
}

/* Keeps the end-to-end header lines; false when they are too many. */
static bool keep_lines(struct sl_attempt *attempt, const struct sl_h1_head *head)
{
	char room[SL_ATTEMPT_LINES_BYTES_MAX];
	struct sl_h1_out out;

	sl_h1_out_init(&out, room, sizeof(room));
	sl_h1_write_headers_of(&out, head, DROPPED_FIELDS | attempt->plan->dropped_fields);
	if (out.error)
		return false;
	attempt->lines_len = (size_t)(out.at - room);
	attempt->lines = sl_arena_memdup(attempt->arena, room, attempt->lines_len);
	return attempt->lines != NULL;
}

static bool begin_decoding(struct sl_attempt *attempt)
{
	attempt->decoder = malloc(sizeof(*attempt->decoder));
	if (!attempt->decoder)
		return false;
	sl_messages_decoder_init(attempt->decoder, &attempt->plan->names);
	return true;
}

static void on_head(struct sl_client_conn *conn, const struct sl_h1_head *head)
{
	struct sl_attempt *attempt = conn->owner;

	attempt->status = head->status;
	attempt->has_retry_after = head->retry_after_ms != SL_H1_RETRY_AFTER_NONE;
	attempt->retry_after_ms = head->retry_after_ms >= 0 ? head->retry_after_ms : -1;
	attempt->is_json = head->content == SL_H1_CONTENT_JSON;
	attempt->is_stream =
		head->status == 200 && head->content == SL_H1_CONTENT_SSE && attempt->plan->stream;
	if (!keep_lines(attempt, head))
		sl_attempt_finish(attempt, SL_ENDING_BAD, "response header too large");
	else if (attempt->is_stream && attempt->plan->answer == SL_ATTEMPT_DECODED &&
		 !begin_decoding(attempt))
		sl_attempt_finish(attempt, SL_ENDING_LOCAL, "no memory to translate the stream");
	else if (head->status == 200 && head->content == SL_H1_CONTENT_SSE && !attempt->is_stream)
		sl_attempt_finish(attempt, SL_ENDING_BAD, "a stream that nobody asked for");
}

/* What comes of the answer, as it is or decoded. 0 or -errno. */
static int keep_body(struct sl_attempt *attempt, const char *data, size_t len)
{
	if (attempt->decoder)
		return sl_messages_decoder_feed(attempt->decoder, data, len, &attempt->body);
	return sl_text_append(&attempt->body, data, len);
}

static void on_body(struct sl_client_conn *conn, const char *data, size_t len)
{
	struct sl_attempt *attempt = conn->owner;
	size_t cap = attempt->is_stream ? SL_ATTEMPT_HELD_BYTES_MAX : SL_ATTEMPT_BODY_BYTES_MAX;
	int rc;

	if (attempt->done && !attempt->is_stream)
		return;
	rc = attempt->body.len + len > cap ? -E2BIG : keep_body(attempt, data, len);
	if (rc) {
		attempt->done = false;
		sl_attempt_finish(attempt, SL_ENDING_BAD,
				  rc == -EBADMSG ? "the server sent an event that is not valid"
						 : "the answer is too large");
		return;
	}
	if (attempt->is_stream && !attempt->done)
		sl_attempt_scan_stream(attempt);
	if (attempt->first_ns && !attempt->done && attempt->body.len >= attempt->plan->buffer_bytes)
		sl_attempt_finish(attempt, SL_ENDING_OK, NULL);
}

/* The body in other words. */
static void take_body(struct sl_attempt *attempt, struct sl_text *body)
{
	sl_text_fini(&attempt->body);
	attempt->body = *body;
	attempt->body.cap = SL_ATTEMPT_BODY_BYTES_MAX;
}

/* An error of the Messages API for who does not know that API. */
static void decode_error(struct sl_attempt *attempt)
{
	struct sl_text error;
	int status;

	sl_text_init(&error, 0);
	status = sl_messages_fault_write(attempt->status, sl_text_string(&attempt->body),
					 attempt->body.len, &error);
	if (error.error) {
		sl_text_fini(&error);
		return;
	}
	attempt->status = status;
	take_body(attempt, &error);
}

/* The message as the plan wants it. False: it is none, and the attempt is finished. */
static bool take_message(struct sl_attempt *attempt)
{
	const struct sl_attempt_plan *plan = attempt->plan;
	struct sl_text chat;
	int rc;

	sl_text_init(&chat, SL_MESSAGES_ANSWER_BYTES_MAX);
	if (plan->answer == SL_ATTEMPT_DECODED)
		rc = sl_messages_answer_read(&plan->names, sl_text_string(&attempt->body),
					     attempt->body.len, &chat, &attempt->refused);
	else
		rc = sl_messages_answer_check(sl_text_string(&attempt->body), attempt->body.len,
					      &attempt->refused);
	if (rc) {
		sl_text_fini(&chat);
		sl_attempt_finish(attempt, rc == -ENOMEM ? SL_ENDING_LOCAL : SL_ENDING_BAD,
				  "the answer is not a whole message");
		return false;
	}
	if (plan->answer == SL_ATTEMPT_DECODED)
		take_body(attempt, &chat);
	if (!attempt->refused || !plan->refusal_leaves)
		return true;
	attempt->fault = SL_OPENAI_FAULT_CONTENT_POLICY;
	sl_attempt_finish(attempt, SL_ENDING_STATUS_4XX, "the model refused to answer");
	return false;
}

/* What the plan's owner says to an answer that is right as far as HTTP and JSON go. */
static void finish_accepted(struct sl_attempt *attempt)
{
	const struct sl_attempt_plan *plan = attempt->plan;
	enum sl_ending ending = SL_ENDING_OK;
	const char *detail = NULL;

	if (plan->answer != SL_ATTEMPT_CHAT && !plan->check && !take_message(attempt))
		return;
	if (plan->accept)
		ending = plan->accept(plan->owner, sl_text_string(&attempt->body),
				      attempt->body.len, &detail);
	sl_attempt_finish(attempt, ending, detail);
}

/*
 * A provider that refuses our own key, or says that our account is used up, says nothing about the
 * client's request: another one may do better, and the breaker learns nothing of the node.
 */
enum sl_ending sl_attempt_ending_of_status(const struct sl_attempt *attempt)
{
	enum sl_ending ending = sl_outcome_of_status(attempt->status, attempt->has_retry_after,
						     attempt->fault == SL_OPENAI_FAULT_MODEL);

	if (ending != SL_ENDING_STATUS_4XX)
		return ending;
	if (attempt->plan->own_key && attempt->fault == SL_OPENAI_FAULT_AUTH)
		return SL_ENDING_STATUS_RETRY;
	return attempt->fault == SL_OPENAI_FAULT_QUOTA ? SL_ENDING_BUSY : ending;
}

/* False: it is none. Its names are found where they are looked at. */
static bool scan_object(const struct sl_attempt *attempt, struct sl_json_field fields[3])
{
	const struct sl_text *body = &attempt->body;
	size_t count = sl_attempt_asks_model(attempt) ? 3 : 1;
	int rc =
		body->len ? sl_json_scan(body->data, body->len, fields, count) : -SL_JSON_BAD_EMPTY;

	if (rc == -SL_JSON_BAD_DUPLICATE && count > 1) { /* a name twice is not our business */
		fields[1].type = fields[2].type = SL_JSON_ABSENT;
		rc = sl_json_scan(body->data, body->len, fields, 1);
	}
	return !rc;
}

static void check_whole(struct sl_attempt *attempt)
{
	const struct sl_text *body = &attempt->body;
	struct sl_json_field message, f[3] = {SL_JSON_FIELD("error"), SL_JSON_FIELD("model"),
					      SL_JSON_FIELD("system_fingerprint")};
	enum sl_ending ending;

	if (attempt->status >= 400)
		attempt->fault = sl_openai_fault_read(attempt->status, sl_text_string(body),
						      body->len, &message);
	ending = sl_attempt_ending_of_status(attempt);
	if (ending != SL_ENDING_OK) {
		snprintf(attempt->detail, sizeof(attempt->detail), "status %d", attempt->status);
		if (attempt->plan->answer == SL_ATTEMPT_DECODED)
			decode_error(attempt);
		sl_attempt_finish(attempt, ending, NULL);
	} else if (attempt->plan->json_answer && !scan_object(attempt, f)) {
		sl_attempt_finish(attempt, SL_ENDING_BAD, "the answer is not a JSON object");
	} else if (f[0].type != SL_JSON_ABSENT && f[0].type != SL_JSON_NULL) {
		attempt->fault =
			sl_openai_fault_read(attempt->status, body->data, body->len, &message);
		sl_attempt_finish(attempt, SL_ENDING_ERROR_EVENT,
				  "an error object with status 200");
	} else if (sl_attempt_take_names(attempt, &f[1], &f[2])) {
		finish_accepted(attempt);
	}
}

static void on_end(struct sl_client_conn *conn)
{
	struct sl_attempt *attempt = conn->owner;

	attempt->complete = true;
	if (!sl_client_is_idle(conn))
		attempt->conn = NULL; /* closing by itself: it could not serve again */
	if (attempt->is_stream && attempt->finished)
		sl_attempt_finish(attempt, SL_ENDING_OK, NULL);
	else if (attempt->is_stream)
		sl_attempt_finish(attempt, SL_ENDING_CUT,
				  attempt->first_ns
					  ? "the stream ended before the answer was complete"
					  : "the stream ended before its first event");
	else
		check_whole(attempt);
}

static void on_failed(struct sl_client_conn *conn, enum sl_client_failure failure, int error,
		      const char *text)
{
	static const enum sl_ending endings[SL_CLIENT_FAILED_COUNT] = {
		[SL_CLIENT_FAILED_CONNECT] = SL_ENDING_CONNECT_ERROR,
		[SL_CLIENT_FAILED_STALE] = SL_ENDING_STALE,
		[SL_CLIENT_FAILED_RESET] = SL_ENDING_RESET,
		[SL_CLIENT_FAILED_CUT] = SL_ENDING_CUT,
		[SL_CLIENT_FAILED_HEAD] = SL_ENDING_BAD,
		[SL_CLIENT_FAILED_BODY] = SL_ENDING_BAD,
	};
	struct sl_attempt *attempt = conn->owner;

	(void)error;
	attempt->conn = NULL;
	if (attempt->done && attempt->is_stream && attempt->ending == SL_ENDING_OK) {
		attempt->complete = attempt->unframed = sl_attempt_held_is_whole(attempt);
		if (attempt->complete)
			return;
		attempt->done = false; /* broke before the relay could take over: try elsewhere */
	}
	sl_attempt_finish(attempt, endings[failure], text);
}

static void on_lost(struct sl_client_conn *conn)
{
	struct sl_attempt *attempt = conn->owner;

	if (attempt)
		attempt->conn = NULL;
}

static const struct sl_client_ops attempt_ops = {
	.connected = on_connected,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
	.lost = on_lost,
	.closed = sl_upstream_conn_closed,
};

/* ---- the fiber's side ------------------------------------------------------------------------ */

static void abandon(struct sl_attempt *attempt)
{
	sl_upstream_abandon(attempt->conn);
	attempt->conn = NULL;
}

static void send_request(struct sl_attempt *attempt)
{
	const struct sl_attempt_plan *plan = attempt->plan;
	struct sl_client_conn *conn = attempt->conn;

	sl_client_begin(conn, false);
	sl_upstream_charge(conn, plan->tokens);
	attempt->sent_ns = now_of(attempt);
	if (__builtin_expect(attempt->strike.kind != SL_STRIKE_NONE, 0))
		sl_attempt_strike_sent(attempt);
	if (sl_socket_send(&conn->socket, plan->head, plan->head_len) ||
	    sl_socket_send(&conn->socket, plan->body, plan->body_len))
		sl_attempt_conclude(attempt, conn->reused ? SL_ENDING_STALE : SL_ENDING_RESET,
				    "the request could not be sent");
}

static void connect_failed(struct sl_attempt *attempt, enum sl_ending ending, int error)
{
	sl_attempt_conclude(attempt, ending, NULL);
	if (!attempt->detail[0])
		note_trouble(attempt, sl_error_words(error));
}

static void open_connection(struct sl_attempt *attempt)
{
	uint64_t until_ns = attempt->start_ns + attempt->plan->connect_ms * SL_NS_PER_MS;
	struct sl_error why = {{0}};
	int rc;

	attempt->kernel_signals = sl_upstream_kernel_signals(attempt->node);
	if (until_ns > attempt->plan->deadline_ns)
		until_ns = attempt->plan->deadline_ns;
	attempt->connecting = true;
	attempt->connect_until_ns = until_ns;
	rc = sl_upstream_connect(attempt->up, attempt->node, &attempt_ops, attempt, &attempt->conn,
				 &why);
	if (!rc)
		return;
	attempt->conn = NULL;
	note_trouble(attempt, why.text);
	connect_failed(attempt,
		       rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE ? SL_ENDING_LOCAL
								       : SL_ENDING_CONNECT_ERROR,
		       rc);
}

/* A client that has left took along the body that would be sent. */
static void go_on_connected(struct sl_attempt *attempt)
{
	attempt->connecting = false;
	if (attempt->connect_error) {
		connect_failed(attempt, SL_ENDING_CONNECT_ERROR, attempt->connect_error);
		return;
	}
	sl_upstream_note_connect(attempt->up, attempt->node,
				 (now_of(attempt) - attempt->start_ns) / SL_NS_PER_US);
	if (!attempt->conn) /* accepted and broken in one turn */
		sl_attempt_conclude(attempt, SL_ENDING_RESET, "the connection was broken at once");
	else if (!attempt->plan->head_len)
		sl_attempt_conclude(attempt, SL_ENDING_OK, NULL);
	else if (!*attempt->plan->gone)
		send_request(attempt);
}

static void conclude_late(struct sl_attempt *attempt)
{
	bool stream = attempt->plan->stream;
	enum sl_ending late = attempt->connecting ? SL_ENDING_CONNECT_TIMEOUT
			      : stream		  ? SL_ENDING_TTFT_TIMEOUT
						  : SL_ENDING_TOTAL_TIMEOUT;
	const char *detail = attempt->connecting ? "connect timed out"
			     : stream		 ? "no first token in time"
						 : "no answer in time";

	if (now_of(attempt) >= attempt->plan->deadline_ns)
		late = SL_ENDING_TOTAL_TIMEOUT;
	else if (attempt->first_ns) { /* held back for long enough */
		sl_attempt_conclude(attempt, SL_ENDING_OK, NULL);
		return;
	}
	sl_attempt_conclude(attempt, late, detail);
}

static void reset(struct sl_attempt *attempt)
{
	attempt->done = attempt->is_stream = attempt->complete = attempt->unframed = false;
	attempt->connecting = attempt->connect_done = false;
	attempt->connect_error = 0;
	attempt->held_until_ns = 0;
	attempt->strike.kind = SL_STRIKE_NONE;
	attempt->ending = SL_ENDING_UNSET;
	attempt->status = 0;
	attempt->fault = SL_OPENAI_FAULT_NONE;
	attempt->finished = false;
	attempt->scanned = 0;
	attempt->first_ns = 0;
	attempt->has_retry_after = false;
	attempt->retry_after_ms = -1;
	attempt->is_json = attempt->refused = attempt->named = attempt->changed = false;
	sl_attempt_free_decoder(&attempt->decoder);
	attempt->lines = NULL;
	attempt->lines_len = 0;
	attempt->detail[0] = attempt->said[0] = '\0';
	sl_text_reset(&attempt->body);
}

/*
 * A connect that failed was seen by TC too, and reported there: counted once, it is one failure.
 * A probe is always judged here, because only its own ticket counts.
 */
static bool kernel_told(const struct sl_attempt *attempt, enum sl_ending ending)
{
	return (ending == SL_ENDING_CONNECT_ERROR || ending == SL_ENDING_CONNECT_TIMEOUT) &&
	       attempt->up->state.kernel_measures && !(attempt->ticket & 1u) &&
	       sl_upstream_kernel_signals(attempt->node) != attempt->kernel_signals;
}

/*
 * What was asked is remembered at once, so that those who come before the answer go there too; who
 * did not answer loses it again.
 */
static void remember(struct sl_attempt *attempt)
{
	const struct sl_upstream_node *node = attempt->node;
	struct sl_loads *loads = attempt->up->state.retries->loads;

	if (loads && attempt->plan->tokens)
		__atomic_fetch_add(&loads->sent[node->slot], attempt->plan->tokens,
				   __ATOMIC_RELAXED);
	if (attempt->plan->affinity)
		attempt->known_blocks =
			sl_affinity_note(attempt->up->state.retries->affinity,
					 attempt->plan->affinity, node->state->pool, node->slot,
					 node->incarnation, sl_loop_now_ms(attempt->up->loop));
}

static void correct(struct sl_attempt *attempt, enum sl_ending ending)
{
	struct sl_affinity *affinity = attempt->up->state.retries->affinity;
	const struct sl_upstream_node *node = attempt->node;
	/* Its cache is as good as gone; one that is busy, or was not waited for, keeps what it had. */
	bool broken = sl_outcome_of(ending)->outcome == SL_OUTCOME_FAILURE;

	if (!attempt->plan->affinity)
		return;
	if (ending == SL_ENDING_OK)
		sl_affinity_confirm(affinity, attempt->plan->affinity, node->state->pool,
				    node->slot, node->incarnation,
				    sl_loop_now_ms(attempt->up->loop));
	else
		sl_affinity_forget(affinity, attempt->plan->affinity, node->state->pool, node->slot,
				   broken ? 0 : attempt->known_blocks);
}

enum sl_ending sl_attempt_settle(struct sl_attempt *attempt)
{
	enum sl_ending ending = attempt->ending;
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	enum sl_outcome outcome = kernel_told(attempt, ending) ? SL_OUTCOME_NEUTRAL : rule->outcome;
	enum sl_signal signal = rule->signal;

	if (attempt->plan->check) {
		abandon(attempt);
		return ending;
	}
	correct(attempt, ending);
	if (ending == SL_ENDING_BUSY && attempt->fault != SL_OPENAI_FAULT_QUOTA)
		sl_upstream_note_busy(attempt->up, attempt->plan->pool, attempt->node, true);
	if (sl_outcome_is_overload(ending, attempt->sent_ns,
				   sl_upstream_alive_ns(attempt->up, attempt->node))) {
		outcome = SL_OUTCOME_NEUTRAL;
		signal = SL_SIGNAL_BUSY;
		if (!attempt->plan->on_trial) /* whose time-outs are not those of all */
			sl_upstream_note_busy(attempt->up, attempt->plan->pool, attempt->node,
					      false);
	}
	if (attempt->plan->on_trial && outcome == SL_OUTCOME_FAILURE) {
		outcome = SL_OUTCOME_NEUTRAL;
		signal = SL_SIGNAL_NONE;
	}
	if (ending == SL_ENDING_OK)
		sl_upstream_note_first_byte(
			attempt->up, attempt->node,
			((attempt->first_ns ? attempt->first_ns : now_of(attempt)) -
			 attempt->sent_ns) /
				SL_NS_PER_US);
	sl_upstream_report(attempt->up, attempt->node, attempt->ticket, outcome, signal);
	if (ending == SL_ENDING_OK && attempt->is_stream)
		return ending; /* the relay keeps connection and grant */
	if (attempt->conn && attempt->complete)
		sl_upstream_put(attempt->up, attempt->node, attempt->conn);
	else
		abandon(attempt);
	attempt->conn = NULL;
	sl_upstream_release(attempt->up, attempt->node);
	return ending;
}

static void begin(struct sl_attempt *attempt)
{
	attempt->conn =
		attempt->plan->check ? NULL : sl_upstream_take_idle(attempt->up, attempt->node);
	if (!attempt->conn) {
		open_connection(attempt);
		return;
	}
	attempt->conn->ops = &attempt_ops;
	attempt->conn->owner = attempt;
	send_request(attempt);
}

void sl_attempt_start(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
		      const struct sl_attempt_plan *plan)
{
	reset(attempt);
	attempt->plan = plan;
	attempt->answer = plan->answer;
	attempt->node = grant->node;
	attempt->ticket = grant->ticket;
	attempt->fiber = sl_fiber_self(attempt->up->loop);
	attempt->start_ns = attempt->sent_ns = now_of(attempt);
	attempt->conn = NULL;
	remember(attempt);
	if (grant->ticket & 1u)
		__atomic_store_n(&attempt->up->probes, attempt->up->probes + 1, __ATOMIC_RELAXED);
	if (sl_strike_board_is_on(attempt->up->state.retries->strikes) &&
	    sl_attempt_is_struck(attempt))
		return;
	begin(attempt);
}

bool sl_attempt_poll(struct sl_attempt *attempt)
{
	if (!attempt->done && attempt->connecting && attempt->connect_done)
		go_on_connected(attempt);
	if (!attempt->done && *attempt->plan->gone)
		sl_attempt_conclude(attempt, SL_ENDING_CLIENT_GONE, "the client left");
	if (!attempt->done && attempt->held_until_ns && now_of(attempt) >= attempt->held_until_ns) {
		attempt->held_until_ns = 0;
		attempt->start_ns = now_of(attempt); /* of the connect */
		begin(attempt);
	}
	if (!attempt->done && now_of(attempt) >= sl_attempt_due_ns(attempt))
		conclude_late(attempt);
	return attempt->done;
}

uint64_t sl_attempt_due_ns(const struct sl_attempt *attempt)
{
	uint64_t held_ns = attempt->first_ns + attempt->plan->buffer_ms * SL_NS_PER_MS;

	if (attempt->first_ns)
		return held_ns < attempt->plan->deadline_ns ? held_ns : attempt->plan->deadline_ns;
	if (attempt->held_until_ns && attempt->held_until_ns < attempt->plan->answer_ns)
		return attempt->held_until_ns;
	return attempt->connecting ? attempt->connect_until_ns : attempt->plan->answer_ns;
}

enum sl_ending sl_attempt_cancel(struct sl_attempt *attempt)
{
	if (!attempt->done)
		sl_attempt_conclude(attempt,
				    *attempt->plan->gone ? SL_ENDING_CLIENT_GONE : SL_ENDING_LOST,
				    "another attempt was first");
	sl_attempt_settle(attempt);
	if (attempt->ending == SL_ENDING_OK && attempt->is_stream) {
		/* Its first token came in the same turn as that of the other. */
		abandon(attempt);
		sl_upstream_release(attempt->up, attempt->node);
	}
	return attempt->ending;
}

static void adopt(struct sl_attempt *attempt)
{
	if (attempt->conn)
		attempt->conn->owner = attempt;
}

void sl_attempt_swap(struct sl_attempt *a, struct sl_attempt *b)
{
	struct sl_attempt kept = *a;

	*a = *b;
	*b = kept;
	adopt(a);
	adopt(b);
}

enum sl_ending sl_attempt_run(struct sl_attempt *attempt, const struct sl_upstream_grant *grant,
			      const struct sl_attempt_plan *plan)
{
	sl_attempt_start(attempt, grant, plan);
	while (!sl_attempt_poll(attempt))
		sl_fiber_park(attempt->up->loop, sl_attempt_due_ns(attempt));
	return sl_attempt_settle(attempt);
}

struct sl_client_conn *sl_attempt_take_stream(struct sl_attempt *attempt)
{
	struct sl_client_conn *conn = attempt->conn;

	attempt->conn = NULL;
	return conn;
}

struct sl_messages_decoder *sl_attempt_take_decoder(struct sl_attempt *attempt)
{
	struct sl_messages_decoder *decoder = attempt->decoder;

	attempt->decoder = NULL;
	return decoder;
}

void sl_attempt_free_decoder(struct sl_messages_decoder **decoder)
{
	struct sl_messages_decoder *old = *decoder;

	*decoder = NULL;
	if (!old)
		return;
	sl_messages_decoder_fini(old);
	free(old);
}

void sl_attempt_init(struct sl_attempt *attempt, struct sl_upstream *up, struct sl_arena *arena)
{
	memset(attempt, 0, sizeof(*attempt));
	attempt->up = up;
	attempt->arena = arena;
	sl_text_init(&attempt->body, SL_ATTEMPT_BODY_BYTES_MAX);
}

void sl_attempt_fini(struct sl_attempt *attempt)
{
	sl_attempt_free_decoder(&attempt->decoder);
	sl_text_fini(&attempt->body);
}
