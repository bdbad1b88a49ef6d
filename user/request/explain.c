/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/explain.h"

#include "user/request/stages.h"

#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/request/chain.h"
#include "user/request/charge.h"
#include "user/request/hedged.h"

static uint64_t now_of(const struct sl_request *request)
{
	return sl_loop_now_ns(request->worker->loop);
}

static uint32_t to_u32(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static struct sl_trail_event event_of(enum sl_trail_kind kind, uint8_t detail, uint32_t value,
				      const struct sl_upstream_pool *pool,
				      const struct sl_upstream_node *node)
{
	return (struct sl_trail_event){
		.kind = (uint8_t)kind,
		.detail = detail,
		.value = value,
		.pool = pool ? (uint8_t)pool->slot : 0,
		.node = node ? (uint16_t)node->slot : 0,
		.incarnation = node ? (uint16_t)node->incarnation : 0,
	};
}

void sl_explain_note(struct sl_request *request, enum sl_trail_kind kind, uint8_t detail,
		     uint32_t value, const struct sl_upstream_pool *pool,
		     const struct sl_upstream_node *node)
{
	struct sl_trail_event event = event_of(kind, detail, value, pool, node);

	sl_trail_note(&request->trail, now_of(request), &event);
}

void sl_explain_begin(struct sl_request *request)
{
	const struct sl_h1_head *head = request->client->head;
	struct sl_trail *trail;

	request->trail = sl_trail_begin(&request->worker->trails, request->id, request->start_ns);
	request->trail.trace =
		sl_traces_begin(request->routes->config, head, &request->worker->upstream.random);
	trail = sl_trail_of(&request->trail);
	if (!trail)
		return;
	trail->trace = request->trail.trace;
	snprintf(trail->path, sizeof(trail->path), "%.*s", (int)head->path_len, head->path);
}

void sl_explain_stage_begin(struct sl_request *request, enum sl_trail_stage stage)
{
	const struct sl_trace_context *trace = &request->trail.trace;

	sl_trail_stage_begin(&request->trail, stage, now_of(request));
	if (trace->span && request->stage)
		sl_trace_write(trace, sl_trace_child(trace, SL_TRAIL_SPAN_STAGE + stage),
			       request->stage->traceparent);
}

void sl_explain_stage_end(struct sl_request *request, enum sl_trail_stage stage)
{
	sl_trail_stage_end(&request->trail, stage, now_of(request));
}

void sl_explain_usage(struct sl_trail_ref *ref, uint64_t input, uint64_t output)
{
	struct sl_trail *trail = sl_trail_of(ref);

	ref->counted = true;
	ref->usage_input = to_u32(input);
	ref->usage_output = to_u32(output);
	if (!trail)
		return;
	trail->counted = true;
	trail->usage_input = to_u32(input);
	trail->usage_output = to_u32(output);
}

void sl_explain_admitted(struct sl_request *request)
{
	struct sl_trail *trail = sl_trail_of(&request->trail);

	if (!trail)
		return;
	snprintf(trail->model, sizeof(trail->model), "%.*s", (int)sizeof(trail->model) - 1,
		 request->route->model);
	if (request->admission.key)
		snprintf(trail->key_id, sizeof(trail->key_id), "%s", request->admission.key->id);
	trail->stream = request->facts.stream;
	trail->endpoint = request->trail.endpoint = (uint8_t)request->facts.endpoint;
	trail->prompt_tokens = request->facts.prompt_tokens_estimate;
	trail->bill.reserved = sl_charge_counts(request);
	trail->bill.reserved_tokens = request->admission.reserved_tokens;
	trail->bill.reserved_nano = request->admission.reserved_nano;
	sl_explain_note(request, SL_TRAIL_ADMITTED, 0, 0, NULL, NULL);
}

void sl_explain_refused_by(struct sl_request *request, enum sl_admit_refusal refusal)
{
	struct sl_trail *trail = sl_trail_of(&request->trail);

	if (trail)
		trail->bill.refused_by = (uint8_t)(refusal + 1);
}

void sl_explain_settled(const struct sl_trail_ref *ref, uint64_t tokens, uint64_t nano, bool priced)
{
	struct sl_trail *trail = sl_trail_of(ref);

	if (!trail)
		return;
	trail->bill.settled = true;
	trail->bill.settled_tokens = to_u32(tokens);
	trail->bill.settled_nano = nano;
	trail->bill.priced = priced;
}

void sl_explain_attempt(struct sl_request *request, const struct sl_upstream_pool *pool,
			const struct sl_upstream_grant *grant, uint8_t number)
{
	struct sl_trail *trail = sl_trail_of(&request->trail);
	struct sl_trail_event event;
	uint8_t why = 0;

	if (grant->panic)
		why |= SL_TRAIL_WHY_PANIC;
	if (grant->ticket & 1u)
		why |= SL_TRAIL_WHY_PROBE;
	if (!grant->others)
		why |= SL_TRAIL_WHY_ONLY;
	if (grant->left == SL_ZONE_BY_LOAD)
		why |= SL_TRAIL_WHY_LOAD;
	if (grant->left == SL_ZONE_BY_LOSS)
		why |= SL_TRAIL_WHY_LOSS;
	if (grant->left == SL_ZONE_KEPT)
		why |= SL_TRAIL_WHY_KEPT;
	request->trail.anthropic = pool->api == SL_CONFIG_API_ANTHROPIC;
	if (trail)
		trail->anthropic = request->trail.anthropic;
	event = event_of(SL_TRAIL_ATTEMPT, why,
			 (uint32_t)grant->affinity | (uint32_t)grant->zone << SL_TRAIL_ZONE_SHIFT,
			 pool, grant->node);
	event.attempt = number;
	sl_trail_note(&request->trail, now_of(request), &event);
}

void sl_explain_ending(struct sl_request *request, const struct sl_upstream_pool *pool,
		       const struct sl_attempt *attempt, enum sl_ending ending)
{
	struct sl_trail_event sent =
		event_of(SL_TRAIL_CONNECTED, 0, !attempt->connect_done, pool, attempt->node);
	struct sl_trail_event over = event_of(SL_TRAIL_ENDING, (uint8_t)ending,
					      (uint32_t)attempt->status, pool, attempt->node);
	struct sl_trail *trail = sl_trail_of(&request->trail);

	sent.attempt = over.attempt = attempt->plan->number;
	if (trail && attempt->said[0])
		memcpy(trail->said, attempt->said, sizeof(trail->said));
	/* An attempt without a connection has not sent anything. */
	if (ending != SL_ENDING_CONNECT_ERROR && ending != SL_ENDING_CONNECT_TIMEOUT &&
	    ending != SL_ENDING_LOCAL)
		sl_trail_note(&request->trail, attempt->sent_ns, &sent);
	sl_trail_note(&request->trail, now_of(request), &over);
}

static const char *cache_of(enum sl_recall recall)
{
	static const char *const names[SL_RECALLS] = {
		[SL_RECALL_BYPASS] = "bypass",
		[SL_RECALL_MISS] = "miss",
		[SL_RECALL_HIT] = "hit",
		[SL_RECALL_COALESCED] = "coalesced",
	};

	return names[recall];
}

/* In one word: what became of a request that was answered in one piece. */
static const char *outcome_of(const struct sl_request *request, int status)
{
	if (!status)
		return "client_gone";
	if (status < 400 && !request->head_sent)
		return "ok";
	if (!request->any_attempt)
		return request->route && request->deadline_ns ? "no_node" : "refused";
	return sl_outcome_of(request->last_ending)->final_answer ? "error_answer" : "failed";
}

static enum sl_feed_outcome feed_outcome_of(const struct sl_request *request, int status)
{
	if (!status)
		return SL_FEED_GONE;
	if (status >= 500)
		return SL_FEED_FAILED;
	if (status >= 400)
		return SL_FEED_REFUSED;
	return request->head_sent && request->error.id ? SL_FEED_BROKEN : SL_FEED_GOOD;
}

/* Each request once: it ends here, or as a stream. */
static void count_outcome(struct sl_worker *worker, const struct sl_route *route,
			  enum sl_feed_outcome outcome, enum sl_ending ending)
{
	struct sl_route_stats *stats =
		sl_stats_route(&worker->stats, route ? route->stats_index : SL_STATS_NO_ROUTE);

	if (stats)
		sl_stats_add(&stats->outcomes[outcome][ending], 1);
}

static enum sl_feed_outcome stream_outcome_of(enum sl_ending ending)
{
	return ending == SL_ENDING_OK		 ? SL_FEED_GOOD
	       : ending == SL_ENDING_CLIENT_GONE ? SL_FEED_GONE
						 : SL_FEED_BROKEN;
}

static void feed_key(struct sl_feed_record *record, const char *id, const struct sl_key_record *key)
{
	snprintf(record->id, sizeof(record->id), "%s", id);
	snprintf(record->key_id, sizeof(record->key_id), "%s", key ? key->id : "");
	record->end_wall_ms = sl_clock_wall_ms();
}

static void feed_request(struct sl_request *request, int status)
{
	uint32_t us = to_u32((now_of(request) - request->start_ns) / SL_NS_PER_US);
	struct sl_feed_record record = {
		.degraded = request->degraded,
		.cost = request->cost,
		.priced = request->priced,
		.duration_us = us,
		.first_us = status ? us : 0,
		.prompt_tokens = request->route ? request->facts.prompt_tokens_estimate : 0,
		.route = request->route ? (uint16_t)request->route->stats_index : 0,
		.status = (uint16_t)status,
		.node = request->last_slot,
		.incarnation = request->last_incarnation,
		.attempts = (uint16_t)request->attempts,
		.pool = request->last_pool ? (uint8_t)request->last_pool->slot : 0,
		.outcome = (uint8_t)feed_outcome_of(request, status),
		.ending = (uint8_t)request->last_ending,
		.fallback = request->any_attempt && request->chain.moves
				    ? (uint8_t)(request->chain.cause + 1)
				    : 0,
		.recall = (uint8_t)request->recall,
		.hedged = (uint8_t)request->hedged,
		.stream = request->route && request->facts.stream,
	};

	if (request->stage) {
		memcpy(record.rollouts, request->stage->rollouts, sizeof(record.rollouts));
		record.prompt_version = request->stage->prompt_version;
		record.index_version = request->stage->index_version;
		record.found = request->stage->found;
	}
	feed_key(&record, request->id, request->admission.key);
	sl_feed_put(&request->worker->feed, &record);
}

static void trace_request(struct sl_request *request, int status)
{
	uint32_t us = to_u32((now_of(request) - request->start_ns) / SL_NS_PER_US);

	sl_traces_end(&request->worker->traces, request->routes->config, &request->trail,
		      &(struct sl_trace_end){
			      .id = request->id,
			      .model = request->route ? request->route->model : NULL,
			      .degraded = request->degraded,
			      .duration_us = us,
			      .first_us = status ? us : 0,
			      .status = (uint16_t)status,
			      .outcome = feed_outcome_of(request, status),
			      .fell_back = request->any_attempt && request->chain.moves,
		      });
}

/* What an operation took and used; one that was refused, or whose client left (status 0), was none. */
static void note_genai(struct sl_worker *worker, const struct sl_route *route,
		       const struct sl_trail_ref *ref, const struct sl_genai_end *known, int status)
{
	struct sl_route_stats *stats =
		route ? sl_stats_route(&worker->stats, route->stats_index) : NULL;
	struct sl_genai_end end = *known;

	if (!stats || !status || (status >= 400 && status < 500))
		return;
	end.endpoint = ref->endpoint;
	end.anthropic = ref->anthropic;
	end.counted = ref->counted;
	end.input = ref->usage_input;
	end.output = ref->usage_output;
	sl_genai_note(stats->genai, &end);
}

void sl_explain_end(struct sl_request *request, int status)
{
	struct sl_reqlog *log = &request->worker->reqlog;
	char steps[SL_STAGES_STEPS_BYTES];

	sl_explain_note(request, status ? SL_TRAIL_ANSWER : SL_TRAIL_CLIENT_GONE,
			status && request->head_sent ? (uint8_t)request->error.id : 0,
			(uint32_t)status, NULL, NULL);
	count_outcome(request->worker, request->route, feed_outcome_of(request, status),
		      request->any_attempt ? request->last_ending : SL_ENDING_UNSET);
	note_genai(request->worker, request->route, &request->trail,
		   &(struct sl_genai_end){
			   .error = status >= 500,
			   .duration_us =
				   to_u32((now_of(request) - request->start_ns) / SL_NS_PER_US)},
		   status);
	if (request->trail.trace.span)
		trace_request(request, status);
	if (sl_feed_is_on(&request->worker->feed))
		feed_request(request, status);
	if (!sl_reqlog_is_on(log))
		return;
	sl_stages_format(request->degraded, steps);
	sl_reqlog_write(
		log,
		&(struct sl_reqlog_line){
			.id = request->id,
			.model = request->route ? request->route->model : NULL,
			.key = request->admission.key,
			.client = request->client_name,
			.outcome = outcome_of(request, status),
			.pool = request->last_pool ? request->last_pool->name : NULL,
			.node = request->last_node,
			.fallback = request->any_attempt && request->chain.moves
					    ? sl_chain_cause_name(request->chain.cause)
					    : NULL,
			.cache = cache_of(request->recall),
			.hedge = sl_hedged_name(request->hedged),
			.degraded = steps,
			.stream = request->route && request->facts.stream,
			.status = status,
			.attempts = request->attempts,
			.prompt_tokens = request->route ? request->facts.prompt_tokens_estimate : 0,
			.priced = request->priced,
			.cost = request->cost,
			.duration_us = (now_of(request) - request->start_ns) / SL_NS_PER_US,
		});
}

void sl_explain_refused(struct sl_request *request, enum sl_openai_error_id id)
{
	int status = sl_request_error_status(request, id);
	struct sl_trail *trail = sl_trail_of(&request->trail);

	if (trail && request->admission.key)
		snprintf(trail->key_id, sizeof(trail->key_id), "%s", request->admission.key->id);
	if (trail && request->route)
		snprintf(trail->model, sizeof(trail->model), "%.*s", (int)sizeof(trail->model) - 1,
			 request->route->model);
	sl_explain_note(request, SL_TRAIL_REFUSED, (uint8_t)id, (uint32_t)status, NULL, NULL);
	request->deadline_ns = 0;
	sl_explain_end(request, status);
}

struct sl_trail_ref sl_explain_stream(struct sl_request *request)
{
	sl_explain_note(request, SL_TRAIL_STREAM, 0, 0, request->last_pool, request->attempt.node);
	request->trail.first_us = to_u32((now_of(request) - request->start_ns) / SL_NS_PER_US);
	request->trail.attempts = (uint16_t)request->attempts;
	request->trail.recall = (uint8_t)request->recall;
	request->trail.hedged = (uint8_t)request->hedged;
	request->trail.degraded = request->degraded;
	if (request->stage) {
		memcpy(request->trail.rollouts, request->stage->rollouts,
		       sizeof(request->trail.rollouts));
		request->trail.prompt_version = request->stage->prompt_version;
		request->trail.index_version = request->stage->index_version;
		request->trail.found = request->stage->found;
	}
	request->trail.fallback = request->chain.moves ? (uint8_t)(request->chain.cause + 1) : 0;
	return request->trail;
}

void sl_explain_stream_note(const struct sl_relay *relay, enum sl_trail_kind kind,
			    enum sl_ending ending)
{
	struct sl_trail_event event =
		event_of(kind, (uint8_t)ending, to_u32(relay->tokens), NULL, relay->node);

	event.pool = (uint8_t)relay->pool_slot;
	sl_trail_note(&relay->trail, sl_loop_now_ns(relay->worker->loop), &event);
}

static void trace_stream(const struct sl_relay *relay, enum sl_ending ending, uint64_t now_ns)
{
	const struct sl_trail_ref *ref = &relay->trail;

	sl_traces_end(&relay->worker->traces, relay->routes->config, ref,
		      &(struct sl_trace_end){
			      .id = relay->id,
			      .model = relay->route->model,
			      .degraded = ref->degraded,
			      .duration_us = to_u32((now_ns - relay->start_ns) / SL_NS_PER_US),
			      .first_us = ref->first_us,
			      .status = 200,
			      .outcome = stream_outcome_of(ending),
			      .fell_back = ref->fallback != 0,
		      });
}

static void feed_stream(const struct sl_relay *relay, enum sl_ending ending, uint64_t now_ns)
{
	const struct sl_trail_ref *ref = &relay->trail;
	struct sl_feed_record record = {
		.degraded = ref->degraded,
		.cost = ref->cost,
		.priced = ref->priced,
		.tokens = relay->tokens,
		.duration_us = to_u32((now_ns - relay->start_ns) / SL_NS_PER_US),
		.first_us = ref->first_us,
		.prompt_tokens = relay->prompt_tokens,
		.route = (uint16_t)relay->route->stats_index,
		.status = 200,
		.node = relay->node ? (uint16_t)relay->node->slot : 0,
		.incarnation = relay->node ? (uint16_t)relay->node->incarnation : 0,
		.attempts = ref->attempts,
		.pool = (uint8_t)relay->pool_slot,
		.outcome = (uint8_t)stream_outcome_of(ending),
		.ending = (uint8_t)ending,
		.fallback = ref->fallback,
		.recall = ref->recall,
		.hedged = ref->hedged,
		.stream = true,
	};

	memcpy(record.rollouts, ref->rollouts, sizeof(record.rollouts));
	record.prompt_version = ref->prompt_version;
	record.index_version = ref->index_version;
	record.found = ref->found;
	feed_key(&record, relay->id, relay->admission.key);
	sl_feed_put(&relay->worker->feed, &record);
}

void sl_explain_stream_end(const struct sl_relay *relay, enum sl_ending ending)
{
	const struct sl_trail_ref *ref = &relay->trail;
	struct sl_reqlog *log = &relay->worker->reqlog;
	uint64_t now_ns = sl_loop_now_ns(relay->worker->loop);
	char steps[SL_STAGES_STEPS_BYTES];

	sl_explain_stream_note(relay, SL_TRAIL_STREAM_END, ending);
	count_outcome(relay->worker, relay->route, stream_outcome_of(ending), ending);
	note_genai(relay->worker, relay->route, ref,
		   &(struct sl_genai_end){.error = stream_outcome_of(ending) == SL_FEED_BROKEN,
					  .duration_us =
						  to_u32((now_ns - relay->start_ns) / SL_NS_PER_US),
					  .first_us = ref->first_us,
					  .streamed = relay->tokens},
		   ending == SL_ENDING_CLIENT_GONE ? 0 : 200);
	if (ref->trace.span)
		trace_stream(relay, ending, now_ns);
	if (sl_feed_is_on(&relay->worker->feed))
		feed_stream(relay, ending, now_ns);
	if (!sl_reqlog_is_on(log))
		return;
	sl_stages_format(ref->degraded, steps);
	sl_reqlog_write(
		log, &(struct sl_reqlog_line){
			     .id = relay->id,
			     .model = relay->route->model,
			     .key = relay->admission.key,
			     .client = relay->client ? sl_server_identity(relay->client) : NULL,
			     .outcome = sl_outcome_of(ending)->name,
			     .pool = relay->worker->upstream.state.pools[relay->pool_slot].name,
			     .node = relay->node ? relay->node->text : NULL,
			     .fallback = ref->fallback ? sl_chain_cause_name(
								 (enum sl_cause)(ref->fallback - 1))
						       : NULL,
			     .cache = cache_of((enum sl_recall)ref->recall),
			     .hedge = sl_hedged_name((enum sl_hedged)ref->hedged),
			     .degraded = steps,
			     .stream = true,
			     .status = 200,
			     .attempts = ref->attempts,
			     .tokens = relay->tokens,
			     .prompt_tokens = relay->prompt_tokens,
			     .priced = ref->priced,
			     .cost = ref->cost,
			     .duration_us = (now_ns - relay->start_ns) / SL_NS_PER_US,
			     .first_us = ref->first_us,
		     });
}
