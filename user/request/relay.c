/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/money.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/filtered.h"
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

static struct sl_route_stats *stats_of(struct sl_relay *relay)
{
	return sl_stats_route(&relay->worker->stats, relay->route->stats_index);
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

/* ---- endings --------------------------------------------------------------------------------- */

static void drop_upstream(struct sl_relay *relay)
{
	sl_upstream_abandon(relay->upstream);
	relay->upstream = NULL;
}

/* The node's part of the stream is over, however it ended. */
static void leave_node(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_worker *worker = relay->worker;
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);

	if (!relay->node)
		return;
	sl_stats_add(&worker->stats.stream_endings[relay->pool_slot][ending], 1);
	/* The first token was reported as success already; a second verdict never is the probe's.
	 */
	if (ending != SL_ENDING_OK)
		sl_upstream_report(&worker->upstream, relay->node, relay->ticket & ~1u,
				   rule->outcome, rule->signal);
	drop_upstream(relay);
	sl_upstream_release(&worker->upstream, relay->node);
	relay->node = NULL;
	sl_attempt_free_decoder(&relay->decoder);
}

static void record(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_worker *worker = relay->worker;
	struct sl_route_stats *stats = stats_of(relay);

	sl_stats_sub(&worker->stats.in_flight, 1);
	if (!stats)
		return;
	sl_stats_add(&stats->tokens, relay->tokens);
	if (relay->resume)
		sl_stats_add(&stats->held_back_bytes, relay->resume->splice.held_bytes);
	if (ending == SL_ENDING_CLIENT_GONE)
		sl_stats_add(&stats->client_gone, 1);
	else if (ending != SL_ENDING_OK)
		sl_stats_add(&stats->streams_broken, 1);
	sl_histogram_record(&stats->duration_us, (now_of(relay) - relay->start_ns) / SL_NS_PER_US);
}

/*
 * Everything but the client connection, which the caller ends or has lost. cost: gets what the client is
 * to be told, "" for nothing; NULL: there is none.
 */
static void finish(struct sl_relay *relay, enum sl_ending ending, char cost[SL_MONEY_TEXT_SIZE])
{
	struct sl_worker *worker = relay->worker;

	sl_charge_settle_stream(relay);
	if (cost && relay->tells_cost && relay->trail.priced)
		sl_money_format(relay->trail.cost, cost);
	sl_explain_stream_end(relay, ending);
	leave_node(relay, ending);
	record(relay, ending);
	sl_admit_end(&relay->admission, now_of(relay));
	if (ending == SL_ENDING_OK)
		sl_flight_land(&relay->flight, NULL); /* NULL where it was kept */
	else
		sl_flight_fail(&relay->flight);
	sl_timer_cancel(worker->loop, &relay->timer);
	sl_resume_free(&relay->resume);
	sl_filtered_free(&relay->filtered, ending == SL_ENDING_OK);
	sl_text_fini(&relay->partial);
	if (relay->translated)
		sl_relay_dialect(relay)->stream_fini(sl_relay_dialect_stream(relay));
	*relay->pprev = relay->next;
	if (relay->next)
		relay->next->pprev = relay->pprev;
	sl_routes_put(&relay->routes);
	sl_slab_put(relay->translated ? &worker->message_relays : &worker->relays, relay);
}

static void end_client(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_exchange *client = relay->client;
	char cost[SL_MONEY_TEXT_SIZE] = "";

	relay->over = true;
	finish(relay, ending, cost);
	if (cost[0])
		sl_server_end_with(client, &(struct sl_trailer){"x-sluice-cost", cost});
	else
		sl_server_end(client);
}

static void end_well(struct sl_relay *relay)
{
	end_client(relay, SL_ENDING_OK);
}

/*
 * What broke a stream. event: the node's own, whole (as_is) or, for a dialect, its data; else id and
 * detail make one.
 */
struct cause {
	enum sl_ending ending;
	enum sl_openai_error_id id;
	const char *detail;
	const char *event;
	size_t event_len;
	bool as_is;
};

static void write_translated_error(struct sl_relay *relay, const struct cause *cause,
				   const struct sl_openai_error *error)
{
	const struct sl_dialect *dialect = sl_relay_dialect(relay);
	struct sl_text out;

	sl_text_init(&out, SL_RELAY_ANEW_BYTES_MAX);
	if (cause->event_len)
		dialect->stream_fault(sl_relay_dialect_stream(relay), cause->event,
				      cause->event_len, relay->id, &out);
	else
		dialect->stream_error(sl_relay_dialect_stream(relay), error, relay->id, &out);
	sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
}

static void write_error(struct sl_relay *relay, const struct cause *cause)
{
	struct sl_openai_error error = {
		.id = cause->id, .object = relay->route->model, .detail = cause->detail};
	char event[SL_OPENAI_ERROR_BYTES_MAX];
	int len;

	if (cause->event_len && cause->as_is) {
		sl_server_chunk(relay->client, cause->event, cause->event_len);
		return;
	}
	if (relay->translated) {
		write_translated_error(relay, cause, &error);
		return;
	}
	len = sl_openai_error_event_write(&error, event, sizeof(event));
	if (len > 0)
		sl_server_chunk(relay->client, event, (size_t)len);
}

static void log_break(const struct sl_relay *relay, const char *detail)
{
	sl_log_limited(SL_LOG_WARN,
		       "route \"%s\": node %s: stream broken: %s request=%s tokens=%llu",
		       relay->route->model, relay->node->text, detail, relay->id,
		       (unsigned long long)relay->tokens);
}

/* The honest end of a stream that broke. */
static void end_broken(struct sl_relay *relay, const struct cause *cause)
{
	relay->over = true;
	write_error(relay, cause);
	end_client(relay, cause->ending);
}

/* The cause is told until the stream has gone on: what meets those who try to help is their affair. */
static void keep_cause(struct sl_relay *relay, const struct cause *cause)
{
	struct sl_resume *resume = relay->resume;

	if (resume->broke && resume->tokens == relay->tokens)
		return;
	resume->broke = true;
	resume->tokens = relay->tokens;
	resume->ending = cause->ending;
	resume->error = cause->id;
	sl_text_fini(&resume->cause);
	sl_text_append_string(&resume->cause, cause->detail);
	sl_text_fini(&resume->fault);
	sl_text_append(&resume->fault, cause->event, cause->event_len);
	resume->fault_as_is = cause->as_is;
	if (resume->fault.error) /* too large to keep: one of ours then */
		sl_text_fini(&resume->fault);
	if (!resume->fault.len && !resume->error)
		resume->error = SL_OPENAI_ERROR_STREAM_CUT;
}

/* The cause that was kept: what came from the node may be gone by now. */
static void end_by_cause(struct sl_relay *relay)
{
	struct sl_resume *resume = relay->resume;
	struct cause cause = {
		.ending = resume->ending,
		.id = resume->error,
		.detail = sl_text_string(&resume->cause),
		.event = sl_text_string(&resume->fault),
		.event_len = resume->fault.len,
		.as_is = resume->fault_as_is,
	};

	end_broken(relay, &cause);
}

/* The stream of the node is broken: goes on elsewhere if that is possible. */
static void break_off(struct sl_relay *relay, const struct cause *cause)
{
	struct sl_upstream_node *node = relay->node;

	log_break(relay, cause->detail);
	if (!relay->resume) {
		end_broken(relay, cause);
		return;
	}
	keep_cause(relay, cause);
	sl_explain_stream_note(relay, SL_TRAIL_STREAM_BROKEN, cause->ending);
	leave_node(relay, cause->ending);
	sl_flight_fail(&relay->flight); /* an answer of two nodes is not given again */
	sl_filtered_miss(relay->filtered);
	sl_timer_cancel(relay->worker->loop, &relay->timer);
	sl_text_fini(&relay->partial);
	relay->paused = false;
	relay->resuming = true;
	if (!sl_resume_start(relay, node))
		end_by_cause(relay);
}

static void break_off_with(struct sl_relay *relay, enum sl_ending ending,
			   enum sl_openai_error_id id, const char *detail)
{
	break_off(relay, &(struct cause){.ending = ending, .id = id, .detail = detail});
}

void sl_relay_give_up(struct sl_relay *relay, enum sl_resumption why)
{
	relay->resuming = false;
	sl_log_limited(SL_LOG_WARN, "route \"%s\": broken stream ends: %s request=%s",
		       relay->route->model, sl_resume_word(why), relay->id);
	sl_resume_count(relay, why);
	end_by_cause(relay);
}

void sl_relay_lost(struct sl_relay *relay)
{
	finish(relay, SL_ENDING_CLIENT_GONE, NULL);
}

static void on_client_gone(struct sl_client_owner *owner)
{
	struct sl_relay *relay = (struct sl_relay *)owner;

	relay->over = true;
	relay->client = NULL;
	if (relay->resuming)
		sl_resume_leave(relay->resume);
	else
		finish(relay, SL_ENDING_CLIENT_GONE, NULL);
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
	struct cause cause = {
		.ending = busy ? SL_ENDING_BUSY : SL_ENDING_ERROR_EVENT, /* see attempt.c */
		.detail = "the node sent an error event",
		.event = anew ? event->data : event->raw,
		.event_len = anew ? event->data_len : event->raw_len,
		.as_is = !anew,
	};

	break_off(relay, &cause);
}

/* The answer that was begun is not this one: the node did nothing wrong, and none can help. */
static void end_as_other(struct sl_relay *relay)
{
	leave_node(relay, SL_ENDING_LOCAL);
	sl_relay_give_up(relay, SL_RESUMPTION_DIFFERS);
}

/* No node's answer to this request can be told, or there is no memory for it. */
static void end_untold(struct sl_relay *relay)
{
	static const struct cause cause = {
		.ending = SL_ENDING_BAD,
		.id = SL_OPENAI_ERROR_STREAM_CUT,
		.detail = "an event of the server cannot be translated",
	};

	log_break(relay, cause.detail);
	end_broken(relay, &cause);
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
	leave_node(relay, SL_ENDING_LOST);
	end_well(relay);
}

/* A stage forbids the rest. */
static void end_forbidden(struct sl_relay *relay)
{
	const struct sl_openai_error *error = sl_filtered_error(relay->filtered);
	struct cause cause = {
		.ending = SL_ENDING_LOST,
		.id = error->id,
		.detail = error->detail,
	};

	end_broken(relay, &cause);
}

static void stop(struct sl_relay *relay, enum sl_relay_verdict verdict,
		 const struct sl_sse_event *event)
{
	struct cause cause = {
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
		break_off(relay, &cause);
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
	break_off_with(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
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
		end_well(relay);
	else
		break_off_with(relay, SL_ENDING_CUT, SL_OPENAI_ERROR_STREAM_CUT,
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
		break_off_with(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
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
		end_well(relay);
	else if (!relay->awaiting)
		break_off_with(relay, ending, SL_OPENAI_ERROR_STREAM_CUT, text);
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
		end_well(relay);
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
	static const struct cause cause = {
		.ending = SL_ENDING_TOTAL_TIMEOUT,
		.id = SL_OPENAI_ERROR_DEADLINE,
		.detail = "the total time of the route",
	};

	log_break(relay, cause.detail);
	if (relay->resume)
		sl_resume_count(relay, SL_RESUMPTION_DEADLINE);
	end_broken(relay, &cause);
}

/* Set once a period, not once a token: when it fires it looks how late the stream really is. */
static void on_timer(struct sl_timer *timer)
{
	struct sl_relay *relay = relay_of_timer(timer);
	uint64_t now_ns = now_of(relay);

	if (relay->done_seen) { /* whole, but the server does not end its body */
		end_well(relay);
		return;
	}
	if (now_ns >= relay->deadline_ns) {
		end_late(relay);
		return;
	}
	if (!relay->paused && !relay->awaiting &&
	    now_ns - relay->progress_ns >= relay->inter_token_ms * SL_NS_PER_MS) {
		break_off_with(relay, SL_ENDING_STALL, SL_OPENAI_ERROR_STREAM_STALL,
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
