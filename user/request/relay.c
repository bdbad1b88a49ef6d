/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/wire/openai.h"

/* Of the events of one receive: a token of few bytes becomes an event of about 120. */
#define TRANSLATED_BYTES_MAX (64u << 20)

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
 * With many streams on a thread their tokens come one by one, and most of the cost of a token is
 * being woken for it: the loop then gathers for up to a millisecond (gather_us), a small part of
 * the time between two tokens of a stream. Measured with 1,000 streams of 40 tokens a second:
 * 7.2 CPU seconds a million tokens, 8.5 at once (tests/bench). Few streams never wait.
 */
static void pace(struct sl_worker *worker)
{
	bool many = worker->relays.used + worker->message_relays.used >= SL_RELAY_GATHER_MIN;

	sl_loop_set_coalesce(worker->loop, many ? worker->gather_us * SL_NS_PER_US : 0);
}

/* ---- endings --------------------------------------------------------------------------------- */

static void drop_upstream(struct sl_relay *relay)
{
	sl_upstream_abandon(relay->upstream);
	relay->upstream = NULL;
}

static void record(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_worker *worker = relay->worker;
	struct sl_route_stats *stats = stats_of(relay);

	sl_stats_add(&worker->stats.stream_endings[relay->pool_slot][ending], 1);
	sl_stats_sub(&worker->stats.in_flight, 1);
	if (!stats)
		return;
	sl_stats_add(&stats->tokens, relay->tokens);
	if (ending == SL_ENDING_CLIENT_GONE)
		sl_stats_add(&stats->client_gone, 1);
	else if (ending != SL_ENDING_OK)
		sl_stats_add(&stats->streams_broken, 1);
	sl_histogram_record(&stats->duration_us, (now_of(relay) - relay->start_ns) / SL_NS_PER_US);
}

/* Everything but the client connection, which the caller has ended or lost. */
static void finish(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_worker *worker = relay->worker;
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);

	record(relay, ending);
	/* What was sent, when the node's own count did not come: a cut stream is charged too. */
	sl_admit_settle(&relay->admission,
			relay->usage_tokens ? relay->usage_tokens
					    : relay->prompt_tokens + relay->tokens,
			now_of(relay));
	sl_admit_end(&relay->admission, now_of(relay));
	/* The first token was reported as success already; a second verdict never is the probe's.
	 */
	if (ending != SL_ENDING_OK)
		sl_upstream_report(&worker->upstream, relay->node, relay->ticket & ~1u,
				   rule->outcome, rule->signal);
	if (ending == SL_ENDING_OK)
		sl_flight_land(&relay->flight, NULL); /* NULL where it was kept */
	else
		sl_flight_fail(&relay->flight);
	sl_timer_cancel(worker->loop, &relay->timer);
	drop_upstream(relay);
	sl_upstream_release(&worker->upstream, relay->node);
	sl_text_fini(&relay->partial);
	*relay->pprev = relay->next;
	if (relay->next)
		relay->next->pprev = relay->pprev;
	sl_routes_put(&relay->routes);
	sl_slab_put(relay->translated ? &worker->message_relays : &worker->relays, relay);
	pace(worker);
}

static void end_well(struct sl_relay *relay)
{
	struct sl_server_conn *client = relay->client;

	relay->over = true;
	finish(relay, SL_ENDING_OK);
	sl_server_end(client);
}

/* The honest end of a stream that broke. id 0: the node's own error event has been forwarded. */
static void end_broken(struct sl_relay *relay, enum sl_ending ending, enum sl_openai_error_id id,
		       const char *detail)
{
	struct sl_server_conn *client = relay->client;
	struct sl_openai_error error = {.id = id, .object = relay->route->model, .detail = detail};
	char event[SL_OPENAI_ERROR_BYTES_MAX];
	int len;

	relay->over = true;
	sl_log_limited(SL_LOG_WARN,
		       "route \"%s\": node %s: stream broken: %s request=%s tokens=%llu",
		       relay->route->model, relay->node->text, detail, relay->id,
		       (unsigned long long)relay->tokens);
	if (id) {
		len = relay->translated ? sl_anthropic_error_event_write(&error, relay->id, event,
									 sizeof(event))
					: sl_openai_error_event_write(&error, event, sizeof(event));
		if (len > 0)
			sl_server_chunk(client, event, (size_t)len);
	}
	finish(relay, ending);
	sl_server_end(client);
}

static void on_client_gone(struct sl_client_owner *owner)
{
	struct sl_relay *relay = (struct sl_relay *)owner;

	relay->over = true;
	finish(relay, SL_ENDING_CLIENT_GONE);
}

/* ---- events ---------------------------------------------------------------------------------- */

enum verdict {
	GO_ON = 0,
	STOP_AFTER,  /* forward up to here, then end the stream as broken */
	STOP_BEFORE, /* forward what came before this event, then end as broken */
};

static enum verdict look_at_data(struct sl_relay *relay, const struct sl_sse_event *event)
{
	struct sl_openai_chunk chunk;

	if (!event->data && relay->flight)
		relay->flight->spoilt = true; /* not looked into */
	if (!event->data)
		return GO_ON; /* several data lines: none of the known servers, passed untouched */
	if (sl_json_check(event->data, event->data_len, NULL))
		return STOP_BEFORE;
	sl_openai_chunk_read(event->data, event->data_len, &chunk);
	if (chunk.flags & SL_OPENAI_CHUNK_ERROR)
		return STOP_AFTER;
	if (chunk.flags & SL_OPENAI_CHUNK_FINISH) {
		relay->finish_seen = true;
		if (relay->flight)
			sl_flight_finish(relay->flight, event->data, event->data_len);
	}
	if (chunk.flags & SL_OPENAI_CHUNK_TOKEN)
		relay->tokens++;
	if (chunk.flags & SL_OPENAI_CHUNK_USAGE && chunk.usage.total_tokens > 0)
		relay->usage_tokens = (uint64_t)chunk.usage.total_tokens;
	return GO_ON;
}

/* What an event becomes for a client of the Messages API; verdict: of the event as it came. */
static enum verdict translate(struct sl_relay *relay, const struct sl_sse_event *event,
			      enum verdict verdict, struct sl_text *out)
{
	struct sl_anthropic_stream *stream = &((struct sl_message_relay *)relay)->stream;
	struct sl_openai_chunk chunk;

	if (event->kind == SL_SSE_COMMENT)
		sl_anthropic_stream_ping(stream, out);
	else if (event->kind == SL_SSE_DONE)
		sl_anthropic_stream_end(stream, out);
	if (event->kind != SL_SSE_DATA)
		return verdict;
	if (!event->data)
		return STOP_BEFORE;
	if (verdict == STOP_AFTER) {
		sl_anthropic_fault_event_write(event->data, event->data_len, relay->id, out);
		return verdict;
	}
	sl_openai_chunk_read(event->data, event->data_len, &chunk);
	if (sl_anthropic_stream_data(stream, event->data, event->data_len, &chunk, out))
		return STOP_BEFORE;
	return verdict;
}

/*
 * Scans buf from its start. *ret_whole: bytes of whole events that may be forwarded. out: gets them
 * translated; NULL: they are forwarded as they came.
 */
static enum verdict scan(struct sl_relay *relay, const char *buf, size_t len, size_t *ret_whole,
			 struct sl_text *out)
{
	struct sl_sse sse;
	struct sl_sse_event event;
	enum verdict verdict = GO_ON;
	bool progress = false;
	size_t at = 0;
	int rc;

	sl_sse_init(&sse, NULL, 0);
	*ret_whole = 0;
	while ((rc = sl_sse_next(&sse, buf, len, &at, &event)) == 1) {
		if (event.kind == SL_SSE_DONE)
			relay->done_seen = true;
		if (event.kind == SL_SSE_DATA) {
			verdict = look_at_data(relay, &event);
			progress = true;
		}
		if (out && verdict != STOP_BEFORE)
			verdict = translate(relay, &event, verdict, out);
		if (verdict == STOP_BEFORE)
			return verdict;
		*ret_whole = at;
		if (verdict == STOP_AFTER || relay->done_seen)
			break;
	}
	if (progress) {
		relay->progress_ns = now_of(relay);
		sl_upstream_note_alive(&relay->worker->upstream, relay->node);
	}
	return rc < 0 ? STOP_BEFORE : verdict;
}

static void hold_back_pressure(struct sl_relay *relay)
{
	if (relay->paused || !relay->upstream ||
	    sl_socket_pending(&relay->client->socket) <= relay->worker->stream_buffer_bytes_max)
		return;
	relay->paused = true;
	sl_socket_pause(&relay->upstream->socket);
}

/* Scans, and sends what becomes of the events instead of them. */
static enum verdict pass_translated(struct sl_relay *relay, const char *buf, size_t len,
				    size_t *ret_whole)
{
	enum verdict verdict;
	struct sl_text out;

	sl_text_init(&out, TRANSLATED_BYTES_MAX);
	verdict = scan(relay, buf, len, ret_whole, &out);
	if (out.error) /* whole events only, so nothing of them */
		verdict = STOP_BEFORE;
	else
		sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
	return verdict;
}

static enum verdict pass_untouched(struct sl_relay *relay, const char *buf, size_t len,
				   size_t *ret_whole)
{
	enum verdict verdict = scan(relay, buf, len, ret_whole, NULL);

	sl_server_chunk(relay->client, buf, *ret_whole);
	if (relay->flight)
		sl_flight_capture(relay->flight, buf, *ret_whole);
	return verdict;
}

/* Returns false when the relay is over (and freed). */
static bool pass_on(struct sl_relay *relay, const char *buf, size_t len, size_t *ret_whole)
{
	enum verdict verdict = relay->translated ? pass_translated(relay, buf, len, ret_whole)
						 : pass_untouched(relay, buf, len, ret_whole);

	if (verdict == GO_ON) {
		hold_back_pressure(relay);
		return true;
	}
	if (verdict == STOP_AFTER)
		end_broken(relay, SL_ENDING_ERROR_EVENT, SL_OPENAI_OK,
			   "the node sent an error event");
	else
		end_broken(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
			   "the server sent an event that is not valid");
	return false;
}

static bool feed(struct sl_relay *relay, const char *data, size_t len)
{
	size_t whole;

	if (relay->done_seen) /* nothing may follow [DONE] */
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
	end_broken(relay, SL_ENDING_BAD, SL_OPENAI_ERROR_STREAM_CUT,
		   "an event of the stream is too large");
	return false;
}

/* The last event of a complete answer; untouched: as the node would have sent it, or NULL. */
static void end_data(struct sl_relay *relay, const char *untouched)
{
	struct sl_text out;

	if (!relay->translated) {
		if (untouched)
			sl_server_chunk(relay->client, untouched, strlen(untouched));
		return;
	}
	sl_text_init(&out, TRANSLATED_BYTES_MAX);
	sl_anthropic_stream_end(&((struct sl_message_relay *)relay)->stream, &out);
	sl_server_chunk(relay->client, sl_text_string(&out), out.len);
	sl_text_fini(&out);
}

/* The body ended properly: is the answer whole? */
static void conclude(struct sl_relay *relay)
{
	static const char done[] = "data: [DONE]";

	/* Not one that lacked its end in whatever way: that may be a sign of more. */
	if (relay->flight && relay->done_seen && !relay->partial.len)
		sl_flight_commit(&relay->flight);
	if (relay->partial.len >= sizeof(done) - 1 &&
	    !memcmp(relay->partial.data, done, sizeof(done) - 1)) {
		/* A server that forgot the last empty line. */
		end_data(relay, "data: [DONE]\n\n");
		relay->done_seen = true;
	} else if (relay->finish_seen && !relay->done_seen) {
		end_data(relay, NULL);
	}
	if (relay->done_seen || relay->finish_seen)
		end_well(relay);
	else
		end_broken(relay, SL_ENDING_CUT, SL_OPENAI_ERROR_STREAM_CUT,
			   "the stream ended before the answer was complete");
}

/* ---- the node's side ------------------------------------------------------------------------- */

static void on_body(struct sl_client_conn *conn, const char *data, size_t len)
{
	feed(conn->owner, data, len);
}

static void on_end(struct sl_client_conn *conn)
{
	struct sl_relay *relay = conn->owner;

	relay->upstream = NULL;
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
	else
		end_broken(relay, ending, SL_OPENAI_ERROR_STREAM_CUT, text);
}

static const struct sl_client_ops relay_ops = {
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
	.closed = sl_upstream_conn_closed,
};

static void on_client_drained(struct sl_client_owner *owner)
{
	struct sl_relay *relay = (struct sl_relay *)owner;

	if (!relay->paused || !relay->upstream)
		return;
	relay->paused = false;
	relay->progress_ns = now_of(relay); /* the silence was the client's */
	sl_socket_resume(&relay->upstream->socket);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void watch(struct sl_relay *relay)
{
	uint64_t due_ns = relay->progress_ns + relay->inter_token_ms * SL_NS_PER_MS;
	uint64_t now_ns = now_of(relay);

	if (relay->paused)
		due_ns = now_ns + relay->inter_token_ms * SL_NS_PER_MS;
	if (due_ns > relay->deadline_ns)
		due_ns = relay->deadline_ns;
	sl_timer_set(relay->worker->loop, &relay->timer,
		     due_ns > now_ns ? (due_ns - now_ns) / SL_NS_PER_MS + 1 : 0);
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
		end_broken(relay, SL_ENDING_TOTAL_TIMEOUT, SL_OPENAI_ERROR_DEADLINE,
			   "the total time of the route");
		return;
	}
	if (!relay->paused && now_ns - relay->progress_ns >= relay->inter_token_ms * SL_NS_PER_MS) {
		end_broken(relay, SL_ENDING_STALL, SL_OPENAI_ERROR_STREAM_STALL,
			   "no token within the inter-token bound");
		return;
	}
	watch(relay);
}

/* ---- start ----------------------------------------------------------------------------------- */

int sl_relay_start(struct sl_worker *worker, const struct sl_relay_start *start)
{
	struct sl_relay *relay =
		sl_slab_get(start->messages ? &worker->message_relays : &worker->relays);

	if (!relay)
		return -ENOMEM;
	pace(worker);
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
		.translated = start->messages,
		.start_ns = start->start_ns,
		.deadline_ns = start->deadline_ns,
		.progress_ns = sl_loop_now_ns(worker->loop),
		.prompt_tokens = start->prompt_tokens,
		.admission = *start->admission,
		.flight = *start->flight,
	};
	*start->admission = (struct sl_admission){0};
	*start->flight = NULL;
	snprintf(relay->id, sizeof(relay->id), "%s", start->id);
	if (start->messages)
		sl_anthropic_stream_init(
			&((struct sl_message_relay *)relay)->stream,
			&(struct sl_anthropic_names){relay->id, relay->route->model});
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
	watch(relay);
	if (feed(relay, start->held, start->held_len) && start->complete)
		conclude(relay);
	return 0;
}
