/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/relay_end.h"

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/money.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/filtered.h"
#include "user/request/resume.h"

static struct sl_route_stats *stats_of(struct sl_relay *relay)
{
	return sl_stats_route(&relay->worker->stats, relay->route->stats_index);
}

static void drop_upstream(struct sl_relay *relay)
{
	sl_upstream_abandon(relay->upstream);
	relay->upstream = NULL;
}

void sl_relay_leave_node(struct sl_relay *relay, enum sl_ending ending)
{
	struct sl_worker *worker = relay->worker;
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);

	if (!relay->node)
		return;
	sl_stats_add(&worker->stats.stream_endings[relay->pool_slot][ending], 1);
	/* The first token was reported as success already; a second verdict never is the probe's. */
	if (ending != SL_ENDING_OK && !(relay->on_trial && rule->outcome == SL_OUTCOME_FAILURE))
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
	sl_histogram_record(&stats->duration_us,
			    (sl_loop_now_ns(relay->worker->loop) - relay->start_ns) / SL_NS_PER_US);
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
	sl_relay_leave_node(relay, ending);
	record(relay, ending);
	sl_admit_end(&relay->admission, sl_loop_now_ns(relay->worker->loop));
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

void sl_relay_end_well(struct sl_relay *relay)
{
	end_client(relay, SL_ENDING_OK);
}

static void write_translated_error(struct sl_relay *relay, const struct sl_relay_cause *cause,
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

static void write_error(struct sl_relay *relay, const struct sl_relay_cause *cause)
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

void sl_relay_log_break(const struct sl_relay *relay, const char *detail)
{
	sl_log_limited(SL_LOG_WARN,
		       "route \"%s\": node %s: stream broken: %s request=%s tokens=%llu",
		       relay->route->model, relay->node->text, detail, relay->id,
		       (unsigned long long)relay->tokens);
}

void sl_relay_end_broken(struct sl_relay *relay, const struct sl_relay_cause *cause)
{
	relay->over = true;
	write_error(relay, cause);
	end_client(relay, cause->ending);
}

/* The cause is told until the stream has gone on: what meets those who try to help is their affair. */
static void keep_cause(struct sl_relay *relay, const struct sl_relay_cause *cause)
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
	struct sl_relay_cause cause = {
		.ending = resume->ending,
		.id = resume->error,
		.detail = sl_text_string(&resume->cause),
		.event = sl_text_string(&resume->fault),
		.event_len = resume->fault.len,
		.as_is = resume->fault_as_is,
	};

	sl_relay_end_broken(relay, &cause);
}

void sl_relay_break_off(struct sl_relay *relay, const struct sl_relay_cause *cause)
{
	struct sl_upstream_node *node = relay->node;

	sl_relay_log_break(relay, cause->detail);
	if (!relay->resume) {
		sl_relay_end_broken(relay, cause);
		return;
	}
	keep_cause(relay, cause);
	sl_explain_stream_note(relay, SL_TRAIL_STREAM_BROKEN, cause->ending);
	sl_relay_leave_node(relay, cause->ending);
	sl_flight_fail(&relay->flight); /* an answer of two nodes is not given again */
	sl_filtered_miss(relay->filtered);
	sl_timer_cancel(relay->worker->loop, &relay->timer);
	sl_text_fini(&relay->partial);
	relay->paused = false;
	relay->resuming = true;
	if (!sl_resume_start(relay, node))
		end_by_cause(relay);
}

void sl_relay_break_off_with(struct sl_relay *relay, enum sl_ending ending,
			     enum sl_openai_error_id id, const char *detail)
{
	sl_relay_break_off(relay,
			   &(struct sl_relay_cause){.ending = ending, .id = id, .detail = detail});
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
