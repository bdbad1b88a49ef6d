/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/http/h1_write.h"
#include "user/request/gate.h"
#include "user/request/respond.h"

/* Fields of the client that nodes must not get: ours to say, or a coding we could not read. */
#define DROPPED_FIELDS                                                           \
	(SL_H1_ID_BIT(SL_H1_ID_X_SLUICE) | SL_H1_ID_BIT(SL_H1_ID_X_REQUEST_ID) | \
	 SL_H1_ID_BIT(SL_H1_ID_ACCEPT_ENCODING))

#define HEAD_EXTRA_BYTES 512u /* request line, host, id and framing beside the copied fields */
#define EDIT_EXTRA_BYTES 512u /* longest growth of a body by its edits */

/* ---- life ------------------------------------------------------------------------------------ */

static struct sl_request *request_new(struct sl_worker *worker)
{
	struct sl_request *request = worker->free_requests;

	if (request) {
		worker->free_requests = request->next_free;
		worker->free_request_count--;
		return request;
	}
	request = malloc(sizeof(*request));
	if (!request)
		return NULL;
	sl_arena_init(&request->arena, 0, SL_REQUEST_ARENA_BYTES_MAX);
	sl_attempt_init(&request->attempt, &worker->upstream, &request->arena);
	return request;
}

void sl_request_free(struct sl_request *request)
{
	sl_attempt_fini(&request->attempt);
	sl_arena_fini(&request->arena);
	free(request);
}

static void request_put(struct sl_request *request)
{
	struct sl_worker *worker = request->worker;

	sl_routes_put(&request->routes);
	sl_admit_end(&request->admission);
	if (worker->free_request_count >= SL_REQUESTS_KEPT) {
		sl_request_free(request);
		return;
	}
	sl_arena_reset(&request->arena);
	if (request->attempt.body.size > SL_REQUEST_BODY_KEPT_BYTES)
		sl_text_fini(&request->attempt.body);
	request->next_free = worker->free_requests;
	worker->free_requests = request;
	worker->free_request_count++;
}

static void on_client_gone(struct sl_client_owner *owner)
{
	struct sl_request *request = (struct sl_request *)owner;

	request->client = NULL;
	request->gone = true;
	if (request->fiber)
		sl_fiber_wake(request->fiber);
}

static uint64_t now_of(const struct sl_request *request)
{
	return sl_loop_now_ns(request->worker->loop);
}

/* ---- counting -------------------------------------------------------------------------------- */

static struct sl_route_stats *stats_of(struct sl_request *request)
{
	uint32_t index = request->route ? request->route->stats_index : SL_STATS_NO_ROUTE;

	return sl_stats_route(&request->worker->stats, index);
}

static void count_status(struct sl_request *request, int status)
{
	struct sl_route_stats *stats = stats_of(request);

	if (stats && status >= SL_STATS_STATUS_MIN && status <= SL_STATS_STATUS_MAX)
		sl_stats_add(&stats->by_status[status - SL_STATS_STATUS_MIN], 1);
}

static void count_end(struct sl_request *request)
{
	struct sl_route_stats *stats = stats_of(request);

	sl_stats_sub(&request->worker->stats.in_flight, 1);
	if (stats)
		sl_histogram_record(&stats->duration_us,
				    (now_of(request) - request->start_ns) / SL_NS_PER_US);
}

/* ---- one attempt ----------------------------------------------------------------------------- */

/* The request head for one node. */
static int write_head(struct sl_request *request, const struct sl_upstream_node *node,
		      size_t body_len, struct sl_attempt_plan *plan)
{
	const struct sl_h1_head *head = request->client->head;
	size_t room_len = request->client->head_len + HEAD_EXTRA_BYTES;
	char *room = sl_arena_alloc(&request->arena, room_len);
	struct sl_h1_out out;
	int rc;

	if (!room)
		return -ENOMEM;
	sl_h1_out_init(&out, room, room_len);
	sl_h1_write_request_line(&out, head->method_text, head->method_len, head->path,
				 head->path_len);
	SL_H1_WRITE_HEADER(&out, "host", node->text, strlen(node->text));
	SL_H1_WRITE_HEADER(&out, "x-request-id", request->id, strlen(request->id));
	/* Without keys of ours the field is for the node, as with vLLM's --api-key. */
	sl_h1_write_headers_of(&out, head,
			       DROPPED_FIELDS | (request->admission.key ? SL_ADMIT_KEY_FIELDS : 0));
	sl_h1_write_content_length(&out, body_len);
	rc = sl_h1_write_end(&out);
	if (rc < 0)
		return rc;
	plan->head = room;
	plan->head_len = (size_t)rc;
	return 0;
}

/* The body for one pool: the client's, or with the pool's name of the model. */
static int write_body(struct sl_request *request, const struct sl_upstream_pool *pool,
		      struct sl_attempt_plan *plan)
{
	struct sl_json_edit edits[2];
	size_t edit_count = sl_openai_request_edits(&request->facts, pool->model_json,
						    pool->model_json_len, false, edits);
	size_t room_len = request->facts.body_len + EDIT_EXTRA_BYTES;
	int64_t len;
	char *room;

	plan->body = request->facts.body;
	plan->body_len = request->facts.body_len;
	if (!edit_count)
		return 0;
	room = sl_arena_alloc(&request->arena, room_len);
	if (!room)
		return -ENOMEM;
	len = sl_json_edit_write(plan->body, plan->body_len, edits, edit_count, room, room_len);
	if (len < 0)
		return (int)len;
	plan->body = room;
	plan->body_len = (size_t)len;
	return 0;
}

/*
 * When this attempt must have answered. A stream's first token has a bound of its own, longer for
 * a longer prompt. A whole answer may take a part of what is left while another node could still be
 * asked, so that one silent node does not spend the whole deadline.
 */
static uint64_t answer_bound(const struct sl_request *request, bool last)
{
	const struct sl_config_route *config = request->route->config;
	uint64_t now_ns = now_of(request);
	uint64_t left_ns = request->deadline_ns > now_ns ? request->deadline_ns - now_ns : 0;
	uint64_t bound_ns = left_ns;

	if (request->facts.stream)
		bound_ns = (config->ttft_timeout_ms +
			    (uint64_t)config->ttft_per_1k_tokens_ms *
				    request->facts.prompt_tokens_estimate / 1000u) *
			   SL_NS_PER_MS;
	else if (!last && config->attempt_timeout_ms)
		bound_ns = config->attempt_timeout_ms * SL_NS_PER_MS;
	else if (!last)
		bound_ns = left_ns / 2;
	return now_ns + (bound_ns < left_ns ? bound_ns : left_ns);
}

static enum sl_ending try_node(struct sl_request *request, const struct sl_upstream_pool *pool,
			       const struct sl_upstream_grant *grant, bool last)
{
	const struct sl_config_route *config = request->route->config;
	struct sl_attempt_plan plan = {
		.stream = request->facts.stream,
		.json_answer = true,
		.connect_ms = config->connect_timeout_ms,
		.answer_ns = answer_bound(request, last),
		.deadline_ns = request->deadline_ns,
		.gone = &request->gone,
	};
	enum sl_ending ending;

	request->last_pool = pool;
	snprintf(request->last_node, sizeof(request->last_node), "%s", grant->node->text);
	if (write_body(request, pool, &plan) ||
	    write_head(request, grant->node, plan.body_len, &plan)) {
		sl_upstream_report(&request->worker->upstream, grant->node, grant->ticket,
				   SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE);
		sl_upstream_release(&request->worker->upstream, grant->node);
		return SL_ENDING_LOCAL;
	}
	ending = sl_attempt_run(&request->attempt, grant, &plan);
	sl_stats_add(&request->worker->stats.attempts[pool->slot][ending], 1);
	if (ending != SL_ENDING_OK && ending != SL_ENDING_CLIENT_GONE)
		sl_log(SL_LOG_DEBUG, "pool \"%s\": node %s: attempt %u: %s (%s) request=%s",
		       pool->name, request->last_node, request->attempts,
		       sl_outcome_of(ending)->name, request->attempt.detail, request->id);
	return ending;
}

/* ---- the attempt loop ------------------------------------------------------------------------ */

/* Remembers the node; the newest is last, and the oldest is forgotten when there are too many. */
static void note_tried(struct sl_request *request, uint32_t slot)
{
	uint32_t i, keep = 0;

	for (i = 0; i < request->tried_count; i++) {
		if (request->tried[i] != slot)
			request->tried[keep++] = request->tried[i];
	}
	if (keep == SL_CHOOSE_TRIED_MAX) {
		memmove(request->tried, request->tried + 1, (keep - 1) * sizeof(request->tried[0]));
		keep--;
	}
	request->tried[keep++] = slot;
	request->tried_count = keep;
}

static bool was_tried(const struct sl_request *request, uint32_t slot)
{
	uint32_t i;

	for (i = 0; i < request->tried_count; i++) {
		if (request->tried[i] == slot)
			return true;
	}
	return false;
}

/* Exponential with full jitter, from the second attempt on. Returns false when the wait is cut. */
static bool back_off(struct sl_request *request, uint32_t failures)
{
	const struct sl_config_route *config = request->route->config;
	uint32_t delay_ms =
		sl_random_backoff_ms(&request->worker->upstream.random, config->backoff_ms,
				     config->backoff_max_ms, failures - 1);
	uint64_t now_ns = now_of(request);

	if (now_ns >= request->deadline_ns)
		return false;
	if (delay_ms > (request->deadline_ns - now_ns) / SL_NS_PER_MS)
		delay_ms = (uint32_t)((request->deadline_ns - now_ns) / SL_NS_PER_MS);
	if (delay_ms)
		sl_fiber_sleep(request->worker->loop, delay_ms);
	return !request->gone && now_of(request) < request->deadline_ns;
}

enum step { STEP_ANSWER, STEP_NEXT_POOL, STEP_STOP };

/* Is a further attempt in this pool worth more than keeping it for the pools behind? */
static bool may_try_again(const struct sl_request *request)
{
	uint32_t left = request->route->config->attempts_max > request->attempts
				? request->route->config->attempts_max - request->attempts
				: 0;
	uint32_t behind = request->route->chain_len - request->chain_at - 1;

	return left > behind;
}

static enum step try_pool(struct sl_request *request, bool allow_panic)
{
	const struct sl_upstream_pool *pool = request->route->chain[request->chain_at];
	bool more_pools = request->chain_at + 1 < request->route->chain_len;
	uint32_t free_retries = 0;

	request->tried_count = 0;
	while (may_try_again(request) || !request->attempts) {
		struct sl_upstream_grant grant;
		const struct sl_outcome_rule *rule;
		bool last;

		if (request->gone) /* and with it the body that an attempt would send */
			return STEP_STOP;
		if (request->attempts && !back_off(request, request->attempts))
			return STEP_STOP;
		grant = sl_upstream_acquire(&request->worker->upstream, pool, request->tried,
					    request->tried_count, allow_panic);
		if (!grant.node)
			return STEP_NEXT_POOL;
		if (was_tried(request, grant.node->slot) &&
		    (more_pools || request->last_ending == SL_ENDING_BUSY)) {
			/*
			 * Everyone here had a try. The next pool is the better bet; and who said
			 * that it is busy is not asked again by the same request.
			 */
			sl_upstream_report(&request->worker->upstream, grant.node, grant.ticket,
					   SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE);
			sl_upstream_release(&request->worker->upstream, grant.node);
			return STEP_NEXT_POOL;
		}
		note_tried(request, grant.node->slot);
		request->any_attempt = true;
		request->attempts++;
		last = request->attempts >= request->route->config->attempts_max;
		request->last_ending = try_node(request, pool, &grant, last);
		rule = sl_outcome_of(request->last_ending);
		if (!rule->retry)
			return STEP_ANSWER;
		if (rule->free_retry && free_retries++ < pool->node_count + 1) {
			request->attempts--;
			request->tried_count--;
		}
	}
	return STEP_NEXT_POOL;
}

static enum step walk_chain(struct sl_request *request, bool allow_panic)
{
	for (request->chain_at = 0; request->chain_at < request->route->chain_len;
	     request->chain_at++) {
		enum step step = try_pool(request, allow_panic);

		if (step != STEP_NEXT_POOL || request->gone)
			return step;
		if (now_of(request) >= request->deadline_ns)
			return STEP_STOP;
	}
	request->chain_at = request->route->chain_len - 1;
	return STEP_STOP;
}

/* ---- the fiber ------------------------------------------------------------------------------- */

static void answer(struct sl_request *request)
{
	struct sl_route_stats *stats = stats_of(request);
	bool fell_back = request->chain_at > 0;

	if (stats && request->attempts > 1)
		sl_stats_add(&stats->retries, request->attempts - 1);
	if (stats && fell_back && request->last_ending == SL_ENDING_OK)
		sl_stats_add(&stats->fallbacks, 1);
	if (request->last_ending == SL_ENDING_OK && request->attempt.is_stream) {
		count_status(request, 200);
		if (stats) {
			sl_stats_add(&stats->streams, 1);
			sl_histogram_record(&stats->ttft_us,
					    (now_of(request) - request->start_ns) / SL_NS_PER_US);
		}
		if (sl_respond_stream(request))
			return; /* the relay counts the end */
		count_end(request);
		return;
	}
	count_status(request, sl_respond_whole(request));
	count_end(request);
}

static void leave(struct sl_request *request)
{
	struct sl_route_stats *stats = stats_of(request);

	/* The first token and the client's leaving may come in the same turn. */
	if (request->last_ending == SL_ENDING_OK && request->attempt.is_stream)
		sl_respond_drop(request);
	if (stats)
		sl_stats_add(&stats->client_gone, 1);
	count_end(request);
}

static void run(void *arg)
{
	struct sl_request *request = arg;

	request->fiber = sl_fiber_self(request->worker->loop);
	walk_chain(request, false);
	if (!request->any_attempt && !request->gone)
		walk_chain(request, true);
	request->fiber = NULL;
	if (request->gone)
		leave(request);
	else
		answer(request);
	request_put(request);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void prepare(struct sl_request *request, struct sl_worker *worker,
		    struct sl_server_conn *client)
{
	request->owner = (struct sl_client_owner){.gone = on_client_gone};
	request->worker = worker;
	request->client = client;
	request->gone = false;
	request->routes = sl_routes_get(worker->routes);
	request->route = NULL;
	request->error = (struct sl_openai_error){0};
	request->admission = (struct sl_admission){0};
	request->fiber = NULL;
	request->start_ns = sl_loop_now_ns(worker->loop);
	request->deadline_ns = 0;
	request->tried_count = request->attempts = request->chain_at = 0;
	request->any_attempt = false;
	request->last_pool = NULL;
	request->last_ending = SL_ENDING_UNSET;
	request->last_node[0] = '\0';
	request->attempt.lines = NULL;
	request->attempt.lines_len = 0;
	request->attempt.detail[0] = '\0';
	sl_request_id_of(worker, client, request->id);
}

/* Returns SL_OPENAI_OK, or the error that the client gets. */
static enum sl_openai_error_id read_request(struct sl_request *request,
					    enum sl_openai_endpoint endpoint)
{
	struct sl_server_conn *client = request->client;
	enum sl_admit_refusal refusal;
	enum sl_openai_error_id id;

	id = sl_openai_request_read(endpoint, client->body, client->body_len, &request->facts,
				    &request->error);
	if (id)
		return id;
	request->route =
		sl_routes_find(request->routes, request->facts.model, request->facts.model_len);
	if (!request->route) {
		request->error = (struct sl_openai_error){
			.id = SL_OPENAI_ERROR_MODEL,
			.param = "model",
			.object = request->facts.model,
		};
		return SL_OPENAI_ERROR_MODEL;
	}
	id = sl_admit_route(&request->admission, request->route->model,
			    strlen(request->route->model), &request->error, &refusal);
	if (id) {
		sl_stats_add(&request->worker->stats.refused_admission[refusal], 1);
		return id;
	}
	request->deadline_ns =
		request->start_ns + request->route->config->total_timeout_ms * SL_NS_PER_MS;
	return SL_OPENAI_OK;
}

static void refuse(struct sl_request *request, enum sl_openai_error_id id)
{
	struct sl_server_conn *client = request->client;

	count_status(request, sl_openai_error_status(id));
	client->user = NULL;
	sl_request_respond_error(client, &request->error, request->id, false);
	request_put(request);
}

void sl_request_start(struct sl_worker *worker, struct sl_server_conn *client,
		      enum sl_openai_endpoint endpoint)
{
	static const struct sl_openai_error overloaded = {.id = SL_OPENAI_ERROR_OVERLOADED,
							  .object = "any"};
	struct sl_request *request = NULL;
	enum sl_openai_error_id id;

	if (worker->stats.in_flight < worker->requests_max)
		request = request_new(worker);
	if (!request) {
		sl_stats_add(&worker->stats.refused_overload, 1);
		sl_request_respond_error(client, &overloaded, "", false);
		return;
	}
	prepare(request, worker, client);
	id = sl_gate_admit(worker, client, request->id, &request->admission);
	if (id) {
		count_status(request, sl_openai_error_status(id));
		request_put(request);
		return;
	}
	client->user = request;
	id = read_request(request, endpoint);
	if (id) {
		refuse(request, id);
		return;
	}
	sl_stats_add(&worker->stats.in_flight, 1);
	if (sl_fiber_start(worker->loop, run, request)) {
		sl_stats_sub(&worker->stats.in_flight, 1);
		sl_stats_add(&worker->stats.refused_overload, 1);
		request->error = overloaded;
		refuse(request, SL_OPENAI_ERROR_OVERLOADED);
	}
}
