/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/arm.h"
#include "user/request/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/http/h1_write.h"
#include "user/io/turns.h"
#include "user/request/charge.h"
#include "user/request/explain.h"
#include "user/request/fit.h"
#include "user/request/gate.h"
#include "user/request/hedged.h"
#include "user/request/keepalive.h"
#include "user/request/near.h"
#include "user/request/prompted.h"
#include "user/request/translate.h"
#include "user/request/recall.h"
#include "user/request/respond.h"
#include "user/request/stages.h"
#include "user/request/wait.h"

#define CROWDED_WAIT_MIN_MS 5u /* between two questions for a place among the retries */

#define RETRY_AFTER_JITTER 8u /* a wait for Retry-After is longer by up to one eighth */

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

/*
 * A node that was silent, or said that it is full, is not asked again by the same request: it would
 * only cost time. One that named a time is left alone by everybody until then, and free after that.
 */
void sl_request_note_ending(struct sl_request *request, const struct sl_attempt *attempt,
			    enum sl_ending ending)
{
	if (!sl_outcome_of(ending)->elsewhere)
		return;
	if (ending == SL_ENDING_BUSY && attempt->retry_after_ms > 0 &&
	    sl_upstream_hold(&request->worker->upstream, attempt->node,
			     (uint64_t)attempt->retry_after_ms))
		return;
	if (request->shunned_count < SL_CHOOSE_TRIED_MAX)
		request->shunned[request->shunned_count++] = attempt->node->slot;
}

void sl_request_note_attempt(struct sl_request *request, const struct sl_upstream_node *node)
{
	note_tried(request, node->slot);
	request->any_attempt = true;
	request->attempts++;
	request->pool_attempts++;
}

void sl_request_forget_attempt(struct sl_request *request, const struct sl_upstream_node *node)
{
	note_tried(request, node->slot); /* which makes it the newest */
	request->tried_count--;
	request->attempts--;
	request->pool_attempts--;
}

/*
 * Exponential with full jitter, from the second attempt on, and at least min_ms. Returns false when
 * the wait is cut.
 */
static bool back_off(struct sl_request *request, uint32_t failures, uint32_t min_ms)
{
	const struct sl_config_route *config = request->route->config;
	uint32_t delay_ms =
		sl_random_backoff_ms(&request->worker->upstream.random, config->backoff_ms,
				     config->backoff_max_ms, failures - 1);
	uint64_t now_ns = now_of(request);

	if (now_ns >= request->deadline_ns)
		return false;
	if (delay_ms < min_ms)
		delay_ms = min_ms;
	if (delay_ms > (request->deadline_ns - now_ns) / SL_NS_PER_MS)
		delay_ms = (uint32_t)((request->deadline_ns - now_ns) / SL_NS_PER_MS);
	if (delay_ms) {
		sl_explain_note(request, SL_TRAIL_BACK_OFF, 0, delay_ms, NULL, NULL);
		sl_fiber_sleep(request->worker->loop, delay_ms);
	}
	return !request->gone && now_of(request) < request->deadline_ns;
}

enum step { STEP_ANSWER, STEP_AGAIN, STEP_NEXT_POOL, STEP_WAIT, STEP_STOP };

/* Why the request would leave the pool it is in. */
static enum sl_cause cause_of(const struct sl_request *request)
{
	if (request->unfit)
		return SL_CAUSE_ERROR;
	if (!request->pool_attempts)
		return SL_CAUSE_BREAKER_OPEN;
	switch (request->attempt.fault) {
	case SL_OPENAI_FAULT_CONTEXT_LENGTH:
		return SL_CAUSE_CONTEXT_LENGTH;
	case SL_OPENAI_FAULT_CONTENT_POLICY:
		return SL_CAUSE_CONTENT_POLICY;
	case SL_OPENAI_FAULT_QUOTA:
		return SL_CAUSE_QUOTA;
	default:
		break;
	}
	switch (request->last_ending) {
	case SL_ENDING_TTFT_TIMEOUT:
		return SL_CAUSE_TTFT;
	case SL_ENDING_TOTAL_TIMEOUT:
		return SL_CAUSE_TOTAL;
	default:
		return SL_CAUSE_ERROR;
	}
}

/* Could any other pool follow, whatever happens in this one? */
static bool has_pools_behind(const struct sl_request *request)
{
	return sl_chain_behind(&request->chain, SL_CAUSE_ERROR) ||
	       sl_chain_has_own(&request->chain,
				request->facts.stream ? SL_CAUSE_TTFT : SL_CAUSE_TOTAL);
}

bool sl_request_is_last(const struct sl_request *request, const struct sl_upstream_grant *grant)
{
	return request->attempts >= request->attempts_max ||
	       (!has_pools_behind(request) && !grant->others);
}

/* Is a further attempt in this pool worth more than keeping it for the pools behind? */
static bool may_try_again(const struct sl_request *request)
{
	uint32_t left = request->attempts_max > request->attempts
				? request->attempts_max - request->attempts
				: 0;

	return left > sl_chain_behind(&request->chain, cause_of(request));
}

/*
 * Asks the pool's budget. While too many retries are under way the request goes on to the next pool
 * or, in the last one, waits in line. failed NULL: the request was not tried yet, only a place is
 * asked for.
 */
static enum sl_retry_verdict take_permit(struct sl_request *request,
					 const struct sl_upstream_pool *pool,
					 const struct sl_upstream_node *failed)
{
	struct sl_worker *worker = request->worker;
	bool more_pools = has_pools_behind(request);
	enum sl_retry_verdict verdict;
	uint32_t waits = 0;

	for (;;) {
		verdict = sl_upstream_retry_take(&worker->upstream, pool, failed, request->tried,
						 request->tried_count);
		if (verdict != SL_RETRY_CROWDED || more_pools)
			break;
		if (!waits++)
			sl_stats_add(&worker->stats.retries_waited[pool->slot], 1);
		if (!back_off(request, waits, CROWDED_WAIT_MIN_MS))
			break;
	}
	sl_explain_note(request, SL_TRAIL_RETRY, (uint8_t)verdict, 0, pool, NULL);
	if (verdict <= SL_RETRY_CROWDED && !request->gone) {
		sl_stats_add(&worker->stats.retries_refused[pool->slot][verdict], 1);
		request->refused_pool = pool;
	}
	return verdict;
}

/* One attempt in this pool. STEP_AGAIN: it failed, and another one may be worth it. */
static enum step try_once(struct sl_request *request, const struct sl_upstream_pool *pool,
			  bool allow_panic)
{
	bool more_pools = has_pools_behind(request);
	const struct sl_outcome_rule *rule;
	struct sl_upstream_grant grant;

	grant = request->granted;
	request->granted.node = NULL;
	if (!grant.node && !request->pool_attempts && sl_room_is_busy(request->worker, pool))
		return STEP_WAIT;
	if (!grant.node)
		grant = sl_upstream_acquire_near(&request->worker->upstream, pool,
						 sl_near_key(request, pool), request->tried,
						 request->tried_count, allow_panic);
	if (!grant.node && grant.full && (!request->pool_attempts || !more_pools))
		return STEP_WAIT;
	if (!grant.node) {
		sl_explain_note(request, SL_TRAIL_NO_NODE, 0, 0, pool, NULL);
		return STEP_NEXT_POOL;
	}
	if (sl_choose_is_among(request->shunned, request->shunned_count, grant.node->slot) ||
	    (more_pools &&
	     sl_choose_is_among(request->tried, request->tried_count, grant.node->slot))) {
		/* Everyone worth it had a try. */
		sl_upstream_give_back(&request->worker->upstream, &grant);
		return STEP_NEXT_POOL;
	}
	request->affinity = grant.affinity;
	request->zone = grant.zone;
	sl_stats_add(&request->worker->stats.zones[pool->slot][grant.zone], 1);
	sl_stats_add(&request->worker->stats.affinity[pool->slot][grant.affinity], 1);
	sl_request_note_attempt(request, grant.node);
	request->last_ending =
		sl_hedged_run(request, pool, &grant, sl_request_is_last(request, &grant));
	sl_request_note_ending(request, &request->attempt, request->last_ending);
	rule = sl_outcome_of(request->last_ending);
	if (request->last_ending != SL_ENDING_OK && request->attempts < request->attempts_max &&
	    sl_chain_leaves_at_once(&request->chain, cause_of(request)))
		return STEP_NEXT_POOL;
	if (!rule->retry)
		return STEP_ANSWER;
	if (rule->free_retry && request->free_retries++ < pool->node_count + 1)
		sl_request_forget_attempt(request, request->attempt.node);
	return STEP_AGAIN;
}

static enum step try_pool(struct sl_request *request, bool allow_panic)
{
	const struct sl_upstream_pool *pool = sl_chain_pool(&request->chain);
	struct sl_upstream *up = &request->worker->upstream;
	enum step step = STEP_AGAIN;

	sl_explain_note(request, SL_TRAIL_POOL,
			request->chain.moves ? (uint8_t)(request->chain.cause + 1) : 0, 0, pool,
			NULL);
	request->tried_count = request->shunned_count = 0;
	request->pool_attempts = request->free_retries = 0;
	request->unfit = (uint8_t)sl_fit_of(request, pool);
	if (request->unfit) {
		sl_stats_add(&request->worker->stats.unfit[pool->slot][request->unfit], 1);
		sl_explain_note(request, SL_TRAIL_UNFIT, request->unfit, 0, pool, NULL);
		return STEP_NEXT_POOL;
	}
	while (step == STEP_AGAIN) {
		enum sl_retry_verdict permit = SL_RETRY_MOVED;
		uint32_t before = request->attempts;

		bool granted = request->granted.node != NULL;

		if (before && !granted && !may_try_again(request))
			return STEP_NEXT_POOL;
		if (request->gone) /* and with it the body that an attempt would send */
			return STEP_STOP;
		if (request->pool_attempts)
			permit = take_permit(request, pool, request->attempt.node);
		if (permit <= SL_RETRY_CROWDED)
			return STEP_NEXT_POOL;
		step = STEP_STOP;
		if (!before || granted || back_off(request, before, 0))
			step = try_once(request, pool, allow_panic);
		if (permit == SL_RETRY_CHARGED)
			sl_upstream_retry_done(up, pool, request->attempts > before);
	}
	return step;
}

/* From the present pool on. */
static enum step walk_on(struct sl_request *request, bool allow_panic)
{
	do {
		enum step step = try_pool(request, allow_panic);

		if (step != STEP_NEXT_POOL || request->gone)
			return step;
		if (now_of(request) >= request->deadline_ns)
			return STEP_STOP;
	} while (sl_chain_next(&request->chain, cause_of(request)));
	return STEP_NEXT_POOL;
}

static enum step walk_chain(struct sl_request *request, bool allow_panic)
{
	if (request->thrifty)
		sl_chain_begin_thrifty(&request->chain, request->route);
	else
		sl_chain_begin_own(&request->chain, request->route, request->own_chain);
	return walk_on(request, allow_panic);
}

/* The pool's queue did not take the request, or it waited there in vain. */
static enum step pass_by(struct sl_request *request)
{
	if (!request->gone && request->wait_verdict == SL_QUEUE_MOVED && sl_wait_move(request))
		return walk_chain(request, false);
	if (request->gone || now_of(request) >= request->deadline_ns ||
	    !sl_chain_next(&request->chain, cause_of(request)))
		return STEP_STOP;
	return walk_on(request, false);
}

/* ---- Retry-After ----------------------------------------------------------------------------- */

/* The pool with the node that may be asked first, of those that are left alone; NULL: none is. */
static const struct sl_upstream_pool *first_held(struct sl_request *request, uint64_t *ret_wait_ms)
{
	const struct sl_route_chain *chain = sl_request_chain(request);
	const struct sl_upstream_pool *pool = NULL;
	uint64_t wait_ms, first_ms = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < chain->len; i++) {
		if (request->route->other_api && sl_fit_of(request, chain->pools[i]))
			continue;
		wait_ms = sl_upstream_held_ms(&request->worker->upstream, chain->pools[i]);
		if (wait_ms < first_ms) {
			first_ms = wait_ms;
			pool = chain->pools[i];
		}
	}
	*ret_wait_ms = first_ms;
	return pool;
}

/*
 * Nobody else is left to ask, but a node has said when it will have room: waits for it where the
 * deadline allows, and goes through the chain once more. Jitter spreads those that wait with it.
 */
static enum step wait_and_walk(struct sl_request *request)
{
	struct sl_upstream *up = &request->worker->upstream;
	uint64_t wait_ms, now_ns = now_of(request);
	const struct sl_upstream_pool *pool = first_held(request, &wait_ms);
	enum sl_retry_verdict permit;
	uint32_t before = request->attempts;
	bool unpaid = !request->any_attempt; /* it asked for a place alone: nothing to refund */
	enum step step = STEP_STOP;

	if (!pool || request->attempts >= request->attempts_max)
		return STEP_STOP;
	wait_ms += 1 + sl_random_u32(&up->random) % (1 + wait_ms / RETRY_AFTER_JITTER);
	if (now_ns + wait_ms * SL_NS_PER_MS >= request->deadline_ns)
		return STEP_STOP;
	permit = take_permit(request, pool, request->any_attempt ? request->attempt.node : NULL);
	if (permit <= SL_RETRY_CROWDED)
		return STEP_STOP;
	sl_stats_add(&request->worker->stats.retries_waited[pool->slot], 1);
	sl_explain_note(request, SL_TRAIL_WAIT, 0, (uint32_t)wait_ms, pool, NULL);
	sl_fiber_sleep(request->worker->loop, wait_ms);
	if (!request->gone)
		step = walk_chain(request, false);
	if (permit == SL_RETRY_CHARGED)
		sl_upstream_retry_done(up, pool, unpaid || request->attempts > before);
	return step;
}

/* ---- the fiber ------------------------------------------------------------------------------- */

/* The client has its whole answer. */
static void end_with(struct sl_request *request, int status)
{
	if (request->stage)
		sl_stages_ended(request, status);
	count_status(request, status);
	sl_explain_end(request, status);
	count_end(request);
}

static void answer(struct sl_request *request)
{
	struct sl_route_stats *stats = stats_of(request);
	uint32_t no_retries = request->hedged == SL_HEDGED_NONE ? 1 : 2;
	bool streams;

	if (stats && request->attempts > no_retries)
		sl_stats_add(&stats->retries, request->attempts - no_retries);
	if (stats && request->chain.moves && request->last_ending == SL_ENDING_OK) {
		sl_stats_add(&stats->fallbacks, 1);
		sl_stats_add(&stats->fallbacks_by_cause[request->chain.cause], 1);
	}
	if (request->last_ending == SL_ENDING_OK && request->attempt.is_stream) {
		count_status(request, 200);
		if (stats) {
			sl_stats_add(&stats->streams, 1);
			sl_histogram_record(&stats->ttft_us,
					    (now_of(request) - request->start_ns) / SL_NS_PER_US);
		}
		if (request->stage)
			sl_stages_note_first(request,
					     (now_of(request) - request->start_ns) / SL_NS_PER_US);
		streams = sl_respond_stream(request);
		if (request->stage) /* what filters will say of it is told by them, at its end */
			sl_stages_ended(request, 200);
		if (!streams) /* else the relay counts the end */
			count_end(request);
		return;
	}
	sl_charge_settle(request);
	if (request->stage)
		sl_stages_kept(request);
	sl_recall_keep(request);
	end_with(request, sl_respond_whole(request));
}

static void leave(struct sl_request *request)
{
	struct sl_route_stats *stats = stats_of(request);

	/* The first token and the client's leaving may come in the same turn. */
	if (request->last_ending == SL_ENDING_OK && request->attempt.is_stream)
		sl_respond_drop(request);
	if (stats)
		sl_stats_add(&stats->client_gone, 1);
	sl_charge_settle(request);
	sl_explain_end(request, 0);
	count_end(request);
}

static void on_client_gone(struct sl_client_owner *owner)
{
	struct sl_request *request = (struct sl_request *)owner;

	request->client = NULL;
	request->gone = true;
	if (request->fiber) {
		sl_fiber_wake(request->fiber);
	} else if (sl_wait_leave(request)) {
		leave(request);
		sl_request_put(request);
	}
}

/* Another pool of the chain has a node again; nothing was sent to anyone so far. */
static enum step look_again(struct sl_request *request)
{
	request->attempts_max = request->attempts + request->route->config->attempts_max;
	return walk_chain(request, false);
}

static void work(struct sl_request *request, enum step step);

/* What the stages say to a whole answer. False: it is to be sent as it is by now. */
static bool judge_answer(struct sl_request *request, struct sl_fiber *self)
{
	bool again;
	int status = 0;

	request->fiber = self;
	again = sl_stages_after(request, &status);
	if (again && !request->gone) {
		request->attempts_max = request->attempts + request->route->config->attempts_max;
		work(request, walk_chain(request, false));
		return true;
	}
	request->fiber = NULL;
	if (request->gone)
		leave(request);
	else if (status)
		end_with(request, status);
	else
		return false;
	sl_request_put(request);
	return true;
}

/* Goes on from a step to the answer, or to a wait: then the fiber ends here, the request does not. */
static void work(struct sl_request *request, enum step step)
{
	struct sl_fiber *self = sl_fiber_self(request->worker->loop);
	bool panicked = false;

	while (!request->gone && (step == STEP_WAIT || step == STEP_NEXT_POOL)) {
		bool untried = !request->any_attempt && !request->was_full;

		if (step == STEP_WAIT && sl_wait_for_place(request)) {
			request->fiber = NULL;
			return;
		}
		if (step == STEP_WAIT)
			step = pass_by(request);
		else if (untried && !panicked)
			step = walk_chain(request, true);
		else
			step = wait_and_walk(request);
		panicked = true;
	}
	sl_wait_drop(request);
	request->fiber = NULL;
	if (step == STEP_STOP && !request->gone && sl_wait_for_node(request))
		return;
	if (self && step == STEP_STOP && !request->gone &&
	    request->wait_verdict == SL_QUEUE_MOVED && sl_wait_move(request)) {
		request->fiber = self; /* once: a request moves once */
		work(request, walk_chain(request, false));
		return;
	}
	if (self && request->stage && step == STEP_ANSWER && !request->gone &&
	    judge_answer(request, self))
		return;
	if (request->gone)
		leave(request);
	else
		answer(request);
	sl_request_put(request);
}

/* Before anyone is asked. Returns the status of an answer that was sent, or 0. */
static int answer_early(struct sl_request *request)
{
	int status = request->route->staged ? sl_stages_before(request) : 0;
	const char *before;

	if (status)
		return status;
	before = sl_turns_enter(request->worker->loop, "cache");
	if (request->route->config->cache_ttl_ms)
		sl_explain_stage_begin(request, SL_TRAIL_IN_CACHE);
	status = sl_recall_answer(request);
	if (request->route->config->cache_ttl_ms)
		sl_explain_stage_end(request, SL_TRAIL_IN_CACHE);
	sl_turns_leave(request->worker->loop, before);
	if (request->recall)
		sl_explain_note(request, SL_TRAIL_CACHE, (uint8_t)request->recall, 0, NULL, NULL);
	return status || !request->stage ? status : sl_stages_prepare(request);
}

static void run(void *arg)
{
	struct sl_request *request = arg;
	int status;

	request->fiber = sl_fiber_self(request->worker->loop);
	(void)sl_turns_enter(request->worker->loop, "request");
	status = answer_early(request);
	if (status) {
		end_with(request, status);
		sl_request_put(request);
		return;
	}
	work(request, walk_chain(request, false));
}

/* After a wait. What the queue granted is used for one attempt; the rest is as before. */
static void after_wait(void *arg)
{
	struct sl_request *request = arg;
	bool granted = request->granted.node != NULL, place = !request->holds;
	enum step step = STEP_STOP;

	request->fiber = sl_fiber_self(request->worker->loop);
	if (request->gone) {
		work(request, STEP_STOP);
		return;
	}
	if (granted && request->attempts >= request->attempts_max)
		request->attempts_max = request->attempts + 1;
	if (place)
		step = granted ? walk_on(request, false) : pass_by(request);
	else if (granted)
		step = walk_chain(request, false);
	else if (request->wait_verdict == SL_QUEUE_MOVED)
		step = pass_by(request);
	else if (now_of(request) < request->waiter.entry.deadline_ns &&
		 request->wait_verdict == SL_QUEUE_EXPIRED)
		step = look_again(request);
	work(request, step);
}

void sl_request_go_on(struct sl_request *request)
{
	if (!sl_fiber_start(request->worker->loop, after_wait, request))
		return;
	sl_stats_add(&request->worker->stats.refused_overload, 1);
	work(request, STEP_STOP);
}

/* ---- start ----------------------------------------------------------------------------------- */

static void prepare(struct sl_request *request, struct sl_worker *worker,
		    struct sl_exchange *client)
{
	request->owner = (struct sl_client_owner){.gone = on_client_gone};
	request->worker = worker;
	request->client = client;
	request->gone = false;
	request->client_name = sl_server_identity(client);
	if (request->client_name) /* the request may outlive the connection */
		request->client_name = sl_arena_strdup(&request->arena, request->client_name);
	request->routes = sl_routes_get(worker->routes);
	request->former = NULL;
	request->route = NULL;
	request->arm = 0;
	request->on_trial = false;
	request->error = (struct sl_openai_error){0};
	request->admission = (struct sl_admission){0};
	request->thrifty = request->wants_usage = request->priced = false;
	request->cost = 0;
	request->dialect = sl_dialect_of_path(client->head->path, client->head->path_len);
	request->may_direct = request->dialect && request->dialect->anthropic_fields;
	request->direct = request->resumes = false;
	request->rest = (struct sl_span){0};
	request->untold = (struct sl_openai_error){0};
	request->native_of = NULL;
	request->unfit = SL_FIT_GOOD;
	request->fiber = NULL;
	request->start_ns = sl_loop_now_ns(worker->loop);
	request->deadline_ns = 0;
	request->flight = NULL;
	request->kept = NULL;
	request->recall = SL_RECALL_NONE;
	request->hedged = SL_HEDGED_NONE;
	request->wait = SL_WAIT_NONE;
	request->wait_verdict = SL_QUEUE_UNSET;
	request->granted.node = NULL;
	request->holds = request->was_full = request->fiber_waits = false;
	request->head_sent = false;
	request->hold_count = 0;
	request->wait_born_ns = request->queued_ns = 0;
	request->place_until_ns = request->hold_until_ns = 0;
	request->attempts_max = 0;
	request->near = NULL;
	request->affinity = SL_AFFINITY_NONE;
	request->zone = SL_ZONE_NONE;
	request->tried_count = request->attempts = 0;
	request->pool_attempts = 0;
	request->any_attempt = false;
	request->last_pool = request->refused_pool = NULL;
	request->last_ending = SL_ENDING_UNSET;
	request->last_node[0] = '\0';
	request->last_slot = request->last_incarnation = 0;
	request->attempt.lines = NULL;
	request->attempt.lines_len = 0;
	request->attempt.detail[0] = '\0';
	sl_request_id_of(worker, client, request->id);
	sl_explain_begin(request);
}

/* Returns SL_OPENAI_OK, or the error that the client gets. */
static enum sl_openai_error_id read_request(struct sl_request *request,
					    enum sl_openai_endpoint endpoint)
{
	struct sl_exchange *client = request->client;
	enum sl_openai_error_id id;
	uint64_t asked_ns;

	if (request->dialect)
		id = sl_translate_read(request);
	else
		id = sl_openai_request_read(endpoint, client->body, client->body_len,
					    &request->facts, &request->error);
	if (id)
		id = sl_prompted_read(request, endpoint, id);
	if (id) {
		sl_stats_add(&request->worker->stats.refused_bodies[request->error.bad], 1);
		return id;
	}
	sl_arm_choose(request);
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
	id = sl_prompted_check(request);
	if (!id)
		id = sl_fit_check(request);
	if (!id)
		id = sl_gate_limit(request);
	if (id)
		return id;
	request->deadline_ns =
		request->start_ns + request->route->config->total_timeout_ms * SL_NS_PER_MS;
	asked_ns = sl_wait_deadline_ns(request);
	if (asked_ns < request->deadline_ns)
		request->deadline_ns = asked_ns;
	request->attempts_max = request->route->config->attempts_max;
	sl_explain_admitted(request);
	return SL_OPENAI_OK;
}

static void refuse(struct sl_request *request, enum sl_openai_error_id id)
{
	struct sl_exchange *client = request->client;

	count_status(request, sl_request_error_status(request, id));
	sl_explain_refused(request, id);
	client->user = NULL;
	sl_gate_refuse(request);
	sl_request_put(request);
}

void sl_request_start(struct sl_worker *worker, struct sl_exchange *client,
		      enum sl_openai_endpoint endpoint)
{
	static const struct sl_openai_error overloaded = {.id = SL_OPENAI_ERROR_OVERLOADED,
							  .object = "any"};
	struct sl_request *request = NULL;
	enum sl_openai_error_id id;
	const char *before;

	if (worker->stats.in_flight < worker->requests_max)
		request = sl_request_take(worker);
	if (!request) {
		sl_stats_add(&worker->stats.refused_overload, 1);
		sl_request_respond_error(client, &overloaded, "", false);
		return;
	}
	prepare(request, worker, client);
	id = sl_gate_admit(worker, client, request->id, &request->admission);
	if (id) {
		count_status(request, sl_request_error_status(request, id));
		sl_explain_refused(request, id);
		sl_request_put(request);
		return;
	}
	client->user = request;
	before = sl_turns_enter(worker->loop, "read");
	id = read_request(request, endpoint);
	sl_turns_leave(worker->loop, before);
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
