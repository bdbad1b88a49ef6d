/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/request/explain.h"
#include "user/request/filtered.h"
#include "user/request/relay_end.h"
#include "user/request/relay_scan.h"
#include "user/request/resume_native.h"
#include "user/wire/openai.h"

static struct sl_relay *relay_of_timer(struct sl_timer *timer)
{
	return (struct sl_relay *)((char *)timer - offsetof(struct sl_relay, timer));
}

static uint64_t now_of(const struct sl_relay *relay)
{
	return sl_loop_now_ns(relay->worker->loop);
}

/*
 * With many streams on a thread their tokens come one by one, and being woken for each costs much of
 * what a token costs. Where the operator gives them time (gather_us) they wait for each other, and
 * nothing else waits with them: the node's connection is patient from the first token to the end.
 * Few streams never wait.
 */
static void pace(const struct sl_relay *relay)
{
	const struct sl_worker *worker = relay->worker;
	bool many = worker->relays.used + worker->message_relays.used >= SL_RELAY_GATHER_MIN;

	if (relay->upstream && worker->gather_us && many)
		sl_socket_set_patient(&relay->upstream->socket, true);
}

/* ---- events ---------------------------------------------------------------------------------- */

static void hold_back_pressure(struct sl_relay *relay)
{
	if (relay->paused || !relay->upstream ||
	    (sl_server_pending(relay->client) <= relay->worker->stream_buffer_bytes_max &&
	     !sl_filtered_is_full(relay->filtered)))
		return;
	relay->paused = true;
	sl_client_hold(relay->upstream, SL_CLIENT_HELD_BY_OWNER);
}

/* The node says itself that it failed. */
static void break_by_fault(struct sl_relay *relay, const struct sl_sse_event *event)
{
	bool anew = relay->translated && !relay->direct;
	enum sl_openai_fault fault =
		relay->direct || relay->decoder
			? sl_openai_fault_read(0, event->data, event->data_len, NULL)
			: SL_OPENAI_FAULT_OTHER;
	bool busy = fault == SL_OPENAI_FAULT_OVERLOADED || fault == SL_OPENAI_FAULT_RATE;
	struct sl_relay_cause cause = {
		.ending = busy ? SL_ENDING_BUSY : SL_ENDING_ERROR_EVENT, /* see attempt.c */
		.detail = "the node sent an error event",
		.event = anew ? event->data : event->raw,
		.event_len = anew ? event->data_len : event->raw_len,
		.as_is = !anew,
	};

	sl_relay_break_off(relay, &cause);
}

/* The answer that was begun is not this one: the node did nothing wrong, and none can help. */
static void end_as_other(struct sl_relay *relay)
{
	sl_relay_leave_node(relay, SL_ENDING_LOCAL);
	sl_relay_give_up(relay, SL_RESUMPTION_DIFFERS);
}

/* No node's answer to this request can be told, or there is no memory for it. */
static void end_untold(struct sl_relay *relay)
{
	static const struct sl_relay_cause cause = {
		.ending = SL_ENDING_BAD,
		.id = SL_OPENAI_ERROR_STREAM_CUT,
		.detail = "an event of the server cannot be translated",
	};

	sl_relay_log_break(relay, cause.detail);
	sl_relay_end_broken(relay, &cause);
}

/*
 * The last event of a complete answer; untouched: as the node would have sent it, or NULL. Returns
 * false when it cannot be told: the relay is over then.
 */
static bool end_data(struct sl_relay *relay, const char *untouched)
{
	struct sl_text out;
	bool told;

	if (!sl_relay_translator(relay)) {
		if (untouched)
			sl_server_chunk(relay->client, untouched, strlen(untouched));
		return true;
	}
	sl_text_init(&out, SL_RELAY_ANEW_BYTES_MAX);
	told = !sl_relay_dialect(relay)->stream_end(sl_relay_dialect_stream(relay), &out) &&
	       !out.error;
	if (told)
		sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	else
		end_untold(relay);
	sl_text_fini(&out);
	return told;
}

/* A stage has had enough of the answer, and has written its end; the node did nothing wrong. */
static void end_closed(struct sl_relay *relay)
{
	relay->done_seen = true;
	if (!end_data(relay, "data: [DONE]\n\n"))
		return;
	sl_relay_leave_node(relay, SL_ENDING_LOST);
	sl_relay_end_well(relay);
}

/* A stage forbids the rest. */
static void end_forbidden(struct sl_relay *relay)
{
	const struct sl_openai_error *error = sl_filtered_error(relay->filtered);
	struct sl_relay_cause cause = {
		.ending = SL_ENDING_LOST,
		.id = error->id,
		.detail = error->detail,
	};

	sl_relay_end_broken(relay, &cause);
}

static void stop(struct sl_relay *relay, enum sl_relay_verdict verdict,
		 const struct sl_sse_event *event)
{
	struct sl_relay_cause cause = {
		.ending = SL_ENDING_BAD,
		.id = SL_OPENAI_ERROR_STREAM_CUT,
		.detail = "the server sent an event that is not valid",
	};

	if (verdict == SL_RELAY_FAULT)
		break_by_fault(relay, event);
	else if (verdict == SL_RELAY_OTHER)
		end_as_other(relay);
	else if (verdict == SL_RELAY_UNTOLD)
		end_untold(relay);
	else if (verdict == SL_RELAY_CLOSED)
		end_closed(relay);
	else if (verdict == SL_RELAY_FORBIDDEN)
		end_forbidden(relay);
	else if (verdict == SL_RELAY_WAIT)
		relay->awaiting = true;
	else
		sl_relay_break_off(relay, &cause);
}

/* Returns false when the node's stream is over, and the relay perhaps freed. */
static bool pass_on(struct sl_relay *relay, const char *buf, size_t len, size_t *ret_whole)
{
	bool anew = (relay->translated && !relay->direct) || relay->resumed ||
		    !sl_filtered_looks_only(relay->filtered);
	struct sl_text out;
	struct sl_relay_pass pass = {.buf = buf};
	enum sl_relay_verdict verdict;

	sl_text_init(&out, SL_RELAY_ANEW_BYTES_MAX);
	pass.out = anew ? &out : NULL;
	verdict = sl_relay_scan(relay, &pass, len);
	if (out.error) /* whole events only, so nothing of them */
		verdict = SL_RELAY_UNTOLD;
	else
		sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
	*ret_whole = pass.whole;
	if (verdict != SL_RELAY_GO_ON) {
		stop(relay, verdict, &pass.fault);
		return false;
	}
	hold_back_pressure(relay);
	return true;
}

static bool feed(struct sl_relay *relay, const char *data, size_t len)
{
	size_t whole;

	if (relay->done_seen || relay->awaiting) /* nothing may follow [DONE] */
		return true;
	if (!relay->partial.len) {
		if (!pass_on(relay, data, len, &whole))
			return false;
		if (whole == len || relay->done_seen)
			return true;
		data += whole;
		len -= whole;
		if (!sl_text_append(&relay->partial, data, len))
			return true;
	} else if (!sl_text_append(&relay->partial, data, len)) {
		if (!pass_on(relay, relay->partial.data, relay->partial.len, &whole))
			return false;
		memmove(relay->partial.data, relay->partial.data + whole,
			relay->partial.len - whole);
		sl_text_truncate(&relay->partial, relay->partial.len - whole);
		if (!relay->partial.len)
			sl_text_fini(&relay->partial);
		return true;
	}
	sl_relay_break_off_with(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
				"an event of the stream is too large");
	return false;
}

/* What the filters still hold back. False: the stream is over. */
static bool flush(struct sl_relay *relay)
{
	enum sl_relay_verdict verdict;
	struct sl_text out;

	sl_text_init(&out, SL_RELAY_ANEW_BYTES_MAX);
	verdict = sl_filtered_end(relay, &out);
	if (out.error)
		verdict = SL_RELAY_UNTOLD;
	else
		sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
	if (verdict != SL_RELAY_GO_ON)
		stop(relay, verdict, NULL);
	return verdict == SL_RELAY_GO_ON;
}

/* The body ended properly: is the answer whole? */
static void conclude(struct sl_relay *relay)
{
	static const char done[] = "data: [DONE]";

	if (relay->awaiting)
		return;
	if (relay->resumed && !sl_splice_caught_up(&relay->resume->splice)) {
		end_as_other(relay);
		return;
	}
	if ((relay->finish_seen || relay->done_seen) && relay->filtered && !flush(relay))
		return;
	/* Not one that lacked its end in whatever way: that may be a sign of more. */
	if (relay->flight && relay->done_seen && !relay->partial.len)
		sl_flight_commit(&relay->flight);
	if (!relay->direct && relay->partial.len >= sizeof(done) - 1 &&
	    !memcmp(relay->partial.data, done, sizeof(done) - 1)) {
		/* A server that forgot the last empty line. */
		if (!end_data(relay, "data: [DONE]\n\n"))
			return;
		relay->done_seen = true;
	} else if (relay->finish_seen && !relay->done_seen && !end_data(relay, NULL)) {
		return;
	}
	if (relay->done_seen || relay->finish_seen)
		sl_relay_end_well(relay);
	else
		sl_relay_break_off_with(relay, SL_ENDING_CUT, SL_OPENAI_ERROR_STREAM_CUT,
					"the stream ended before the answer was complete");
}

/* ---- the node's side ------------------------------------------------------------------------- */

/* As the node counted, once it has counted to the end; its client may not have asked for the chunk. */
static void note_usage(struct sl_relay *relay)
{
	if (relay->decoder && relay->decoder->finish)
		sl_relay_note_usage(relay, &relay->decoder->usage);
}

/* What the bytes are as chat completion chunks; then as from any node. */
static void feed_decoded(struct sl_relay *relay, const char *data, size_t len)
{
	struct sl_text chunks;
	bool goes_on;
	int rc;

	sl_text_init(&chunks, SL_RELAY_ANEW_BYTES_MAX);
	rc = sl_messages_decoder_feed(relay->decoder, data, len, &chunks);
	note_usage(relay);
	goes_on = !chunks.len || feed(relay, chunks.data, chunks.len);
	sl_text_fini(&chunks);
	if (goes_on && rc && !relay->done_seen)
		sl_relay_break_off_with(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
					"the server sent an event that is not valid");
}

static void on_body(struct sl_client_conn *conn, const char *data, size_t len)
{
	struct sl_relay *relay = conn->owner;

	if (relay->decoder)
		feed_decoded(relay, data, len);
	else
		feed(relay, data, len);
}

static void on_end(struct sl_client_conn *conn)
{
	struct sl_relay *relay = conn->owner;

	relay->upstream = NULL;
	sl_socket_set_patient(&conn->socket, false);
	if (sl_client_is_idle(conn))
		sl_upstream_put(&relay->worker->upstream, relay->node, conn);
	conclude(relay);
}

static void on_failed(struct sl_client_conn *conn, enum sl_client_failure failure, int error,
		      const char *text)
{
	struct sl_relay *relay = conn->owner;
	enum sl_ending ending = failure == SL_CLIENT_FAILED_BODY    ? SL_ENDING_BAD
				: failure == SL_CLIENT_FAILED_RESET ? SL_ENDING_RESET
								    : SL_ENDING_CUT;

	(void)error;
	relay->upstream = NULL;
	if (relay->done_seen) /* the answer was whole; only the framing's end is missing */
		sl_relay_end_well(relay);
	else if (!relay->awaiting)
		sl_relay_break_off_with(relay, ending, SL_OPENAI_ERROR_STREAM_CUT, text);
}

static const struct sl_client_ops relay_ops = {
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
	.closed = sl_upstream_conn_closed,
};

static void read_on(struct sl_relay *relay)
{
	if (!relay->paused || !relay->upstream || sl_filtered_is_full(relay->filtered))
		return;
	relay->paused = false;
	relay->progress_ns = now_of(relay); /* the silence was the client's, or a filter's */
	relay->reads = 0;		    /* and what comes at once was held up by it */
	sl_client_release(relay->upstream, SL_CLIENT_HELD_BY_OWNER);
}

static void on_client_drained(struct sl_client_owner *owner)
{
	read_on((struct sl_relay *)owner);
}

/* ---- filters that ask others ------------------------------------------------------------------- */

/* Nothing is left to be asked about. */
static void end_awaited(struct sl_relay *relay)
{
	relay->awaiting = false;
	if (!relay->awaits_done) {
		conclude(relay);
		return;
	}
	relay->done_seen = true;
	if (end_data(relay, "data: [DONE]\n\n"))
		sl_relay_end_well(relay);
}

bool sl_relay_filters_ready(struct sl_relay *relay)
{
	enum sl_relay_verdict verdict;
	struct sl_text out;

	relay->ready_later = relay->resuming;
	if (relay->resuming) /* who looks for another node holds the relay */
		return true;
	sl_text_init(&out, SL_RELAY_ANEW_BYTES_MAX);
	verdict = sl_filtered_more(relay, &out);
	if (verdict == SL_RELAY_GO_ON && relay->awaiting)
		verdict = sl_filtered_end(relay, &out);
	if (out.error)
		verdict = SL_RELAY_UNTOLD;
	else
		sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
	if (verdict == SL_RELAY_WAIT)
		return true;
	if (verdict != SL_RELAY_GO_ON) {
		stop(relay, verdict, NULL);
		return false;
	}
	if (relay->awaiting) {
		end_awaited(relay);
		return false;
	}
	if (sl_server_pending(relay->client) <= relay->worker->stream_buffer_bytes_max)
		read_on(relay);
	return true;
}

/* ---- the client's side ----------------------------------------------------------------------- */

static void on_client_gone(struct sl_client_owner *owner)
{
	struct sl_relay *relay = (struct sl_relay *)owner;

	relay->over = true;
	relay->client = NULL;
	if (relay->resuming)
		sl_resume_leave(relay->resume);
	else
		sl_relay_lost(relay);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void watch(struct sl_relay *relay)
{
	uint64_t due_ns = relay->progress_ns + relay->inter_token_ms * SL_NS_PER_MS;
	uint64_t now_ns = now_of(relay);

	if (relay->paused || relay->awaiting)
		due_ns = now_ns + relay->inter_token_ms * SL_NS_PER_MS;
	if (due_ns > relay->deadline_ns)
		due_ns = relay->deadline_ns;
	sl_timer_set(relay->worker->loop, &relay->timer,
		     due_ns > now_ns ? (due_ns - now_ns) / SL_NS_PER_MS + 1 : 0);
}

/* No time is left for another node either. */
static void end_late(struct sl_relay *relay)
{
	static const struct sl_relay_cause cause = {
		.ending = SL_ENDING_TOTAL_TIMEOUT,
		.id = SL_OPENAI_ERROR_DEADLINE,
		.detail = "the total time of the route",
	};

	sl_relay_log_break(relay, cause.detail);
	if (relay->resume)
		sl_resume_count(relay, SL_RESUMPTION_DEADLINE);
	sl_relay_end_broken(relay, &cause);
}

/* Set once a period, not once a token: when it fires it looks how late the stream really is. */
static void on_timer(struct sl_timer *timer)
{
	struct sl_relay *relay = relay_of_timer(timer);
	uint64_t now_ns = now_of(relay);

	if (relay->done_seen) { /* whole, but the server does not end its body */
		sl_relay_end_well(relay);
		return;
	}
	if (now_ns >= relay->deadline_ns) {
		end_late(relay);
		return;
	}
	if (!relay->paused && !relay->awaiting &&
	    now_ns - relay->progress_ns >= relay->inter_token_ms * SL_NS_PER_MS) {
		sl_relay_break_off_with(relay, SL_ENDING_STALL, SL_OPENAI_ERROR_STREAM_STALL,
					"no token within the inter-token bound");
		return;
	}
	watch(relay);
}

/* ---- start ----------------------------------------------------------------------------------- */

int sl_relay_start(struct sl_worker *worker, const struct sl_relay_start *start)
{
	struct sl_relay *relay =
		sl_slab_get(start->dialect ? &worker->message_relays : &worker->relays);

	if (!relay)
		return -ENOMEM;
	*relay = (struct sl_relay){
		.owner = {.gone = on_client_gone, .drained = on_client_drained},
		.worker = worker,
		.client = start->client,
		.upstream = start->upstream,
		.node = start->node,
		.route = start->route,
		.routes = start->routes,
		.ticket = start->ticket,
		.on_trial = start->on_trial,
		.pool_slot = start->pool_slot,
		.inter_token_ms = start->inter_token_ms,
		.translated = start->dialect != NULL,
		.direct = start->direct,
		.decoder = start->decoder,
		.start_ns = start->start_ns,
		.deadline_ns = start->deadline_ns,
		.progress_ns = sl_loop_now_ns(worker->loop),
		.prompt_tokens = start->prompt_tokens,
		.learns = start->learns,
		.learns_raw = start->learns_raw,
		.wants_usage = start->wants_usage,
		.strips_usage = start->strips_usage,
		.tells_cost = start->tells_cost,
		.trail = start->trail,
		.admission = *start->admission,
		.flight = *start->flight,
		.resume = *start->resume,
		.filtered = *start->filtered,
	};
	*start->admission = (struct sl_admission){0};
	*start->flight = NULL;
	*start->resume = NULL;
	*start->filtered = NULL;
	sl_filtered_bind(relay->filtered, relay);
	snprintf(relay->id, sizeof(relay->id), "%s", start->id);
	if (start->dialect) {
		((struct sl_message_relay *)relay)->dialect = start->dialect;
		sl_messages_usage_init(&((struct sl_message_relay *)relay)->usage);
		start->dialect->stream_init(
			sl_relay_dialect_stream(relay),
			&(struct sl_dialect_names){relay->id, relay->route->model, start->echo});
	}
	sl_text_init(&relay->partial, SL_SSE_EVENT_BYTES_MAX);
	sl_timer_init(&relay->timer, on_timer);
	relay->next = worker->relay_list;
	relay->pprev = &worker->relay_list;
	if (relay->next)
		relay->next->pprev = &relay->next;
	worker->relay_list = relay;
	start->client->user = relay;
	if (relay->upstream) {
		relay->upstream->ops = &relay_ops;
		relay->upstream->owner = relay;
	}
	pace(relay);
	watch(relay);
	note_usage(relay);
	if (feed(relay, start->held, start->held_len) && start->complete)
		conclude(relay);
	return 0;
}

/* ---- another node's stream ------------------------------------------------------------------- */

/*
 * The head of the answer is gone, so a comment tells who goes on: clients pass over comments, and
 * trailers are lost on most of them.
 */
static void tell(struct sl_relay *relay, const char *how)
{
	char comment[64 + SL_ADDRESS_TEXT_SIZE];
	int len = snprintf(comment, sizeof(comment), ": sluice: %s on %s, attempt %u\n\n", how,
			   relay->node->text, relay->resume->attempts);

	if (len > 0 && (size_t)len < sizeof(comment))
		sl_server_chunk(relay->client, comment, (size_t)len);
}

void sl_relay_attach(struct sl_relay *relay, const struct sl_relay_source *source, const char *how)
{
	relay->resuming = false;
	relay->resumed = true;
	relay->node = source->node;
	relay->ticket = source->ticket;
	relay->pool_slot = source->pool_slot;
	relay->upstream = source->upstream;
	relay->decoder = source->decoder;
	relay->progress_ns = now_of(relay);
	if (relay->direct)
		sl_resume_native_join(relay);
	if (relay->upstream) {
		relay->upstream->ops = &relay_ops;
		relay->upstream->owner = relay;
	}
	sl_explain_stream_note(relay, SL_TRAIL_STREAM_RESUMED, SL_ENDING_OK);
	tell(relay, how);
	pace(relay);
	watch(relay);
	note_usage(relay);
	if (relay->ready_later && !sl_relay_filters_ready(relay))
		return;
	if (feed(relay, source->held, source->held_len) && source->complete)
		conclude(relay);
}
