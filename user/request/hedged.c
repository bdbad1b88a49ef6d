/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/hedged.h"

#include <stdio.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/request/explain.h"
#include "user/request/near.h"
#include "user/request/plan.h"
#include "user/request/room.h"

#define FIRST	 0
#define HEDGE	 1
#define ATTEMPTS 2

/* What lives while one or two attempts are under way; on the fiber's stack. */
struct turn {
	struct sl_request *request;
	const struct sl_upstream_pool *pool;
	struct sl_attempt *attempts[ATTEMPTS]; /* the first is the request's own */
	struct sl_attempt second;
	struct sl_attempt_plan plans[ATTEMPTS];
	bool on[ATTEMPTS];
	bool second_made; /* it has memory */
	const struct sl_upstream_node *second_node;
	enum sl_affinity_verdict second_is_by; /* why it is on its node */
	enum sl_zone second_zone;
	uint32_t class;	   /* of its times */
	uint64_t hedge_ns; /* loop time of the hedge; SL_HEDGE_NEVER: none */
};

static struct sl_stats *stats_of(const struct turn *turn)
{
	return &turn->request->worker->stats;
}

static struct sl_upstream *up_of(const struct turn *turn)
{
	return &turn->request->worker->upstream;
}

static uint64_t now_of(const struct turn *turn)
{
	return sl_loop_now_ns(turn->request->worker->loop);
}

static bool is_hedging(const struct sl_request *request)
{
	return request->route->config->hedge_after != SL_CONFIG_HEDGE_OFF;
}

/* May a model's refusal to answer still be moved to another one? */
static bool may_leave_refused(const struct sl_request *request)
{
	return request->attempts < request->attempts_max &&
	       sl_chain_leaves_at_once(&request->chain, SL_CAUSE_CONTENT_POLICY);
}

/* ---- when ------------------------------------------------------------------------------------ */

/* Is an attempt left that no pool behind in the chain may need? */
static bool has_attempt_left(const struct sl_request *request)
{
	enum sl_cause cause = request->facts.stream ? SL_CAUSE_TTFT : SL_CAUSE_TOTAL;

	return request->attempts + sl_chain_behind(&request->chain, cause) < request->attempts_max;
}

static uint64_t hedge_time(const struct turn *turn, const struct sl_upstream_grant *grant)
{
	static const uint32_t per_mille[] = {
		[SL_CONFIG_HEDGE_P50] = 500, [SL_CONFIG_HEDGE_P75] = 750,
		[SL_CONFIG_HEDGE_P90] = 900, [SL_CONFIG_HEDGE_P95] = 950,
		[SL_CONFIG_HEDGE_P98] = 980, [SL_CONFIG_HEDGE_P99] = 990,
	};
	const struct sl_request *request = turn->request;
	const struct sl_config_route *config = request->route->config;
	uint64_t after_us;

	if ((request->stage && request->stage->no_hedge) || request->hedged != SL_HEDGED_NONE ||
	    grant->panic || turn->pool->node_count < 2 ||
	    !(request->facts.stream || config->hedge_whole) || !has_attempt_left(request))
		return SL_HEDGE_NEVER;
	after_us = sl_upstream_hedge_after_us(up_of(turn), turn->pool, turn->class,
					      per_mille[config->hedge_after], config->hedge_min_ms);
	return after_us == SL_HEDGE_NEVER ? SL_HEDGE_NEVER : now_of(turn) + after_us * SL_NS_PER_US;
}

static uint32_t other_than(uint32_t which)
{
	return which == FIRST ? HEDGE : FIRST;
}

/* ---- endings --------------------------------------------------------------------------------- */

static void log_failed(const struct turn *turn, uint32_t which)
{
	const struct sl_request *request = turn->request;
	const struct sl_attempt *attempt = turn->attempts[which];
	const char *who = request->client_name;

	sl_log(SL_LOG_DEBUG, "pool \"%s\": node %s: attempt %u%s: %s (%s) request=%s%s%s%s",
	       turn->pool->name, attempt->node->text, request->attempts,
	       which == HEDGE ? ", a hedge" : "", sl_outcome_of(attempt->ending)->name,
	       attempt->detail, request->id, who ? " client=\"" : "", who ? who : "",
	       who ? "\"" : "");
}

/* What every attempt that is over means for the pool's counters, budgets and times. */
static void account(struct turn *turn, uint32_t which)
{
	const struct sl_attempt *attempt = turn->attempts[which];
	uint64_t begun_ns = attempt->first_ns ? attempt->first_ns : now_of(turn);
	enum sl_ending ending = attempt->ending;

	turn->on[which] = false;
	sl_explain_ending(turn->request, turn->pool, attempt, ending);
	if (which == HEDGE)
		sl_upstream_hedge_done(up_of(turn), turn->pool, ending != SL_ENDING_STALE);
	sl_stats_add(&stats_of(turn)->attempts[turn->pool->slot][ending], 1);
	if (ending == SL_ENDING_OK)
		sl_upstream_retry_earn(up_of(turn), turn->pool);
	if (is_hedging(turn->request) && (ending == SL_ENDING_OK || ending == SL_ENDING_LOST))
		sl_upstream_hedge_note(up_of(turn), turn->pool, turn->class,
				       (begun_ns - attempt->start_ns) / SL_NS_PER_US);
	if (ending != SL_ENDING_OK && ending != SL_ENDING_CLIENT_GONE)
		log_failed(turn, which);
}

static void name_node(struct sl_request *request, const struct sl_upstream_node *node)
{
	snprintf(request->last_node, sizeof(request->last_node), "%.*s",
		 (int)sizeof(request->last_node) - 1, node->text);
	request->last_slot = (uint16_t)node->slot;
	request->last_incarnation = (uint16_t)node->incarnation;
}

/* The other one goes on without it. */
static void drop(struct turn *turn, uint32_t which)
{
	struct sl_request *request = turn->request;
	struct sl_attempt *attempt = turn->attempts[which];

	sl_attempt_settle(attempt);
	account(turn, which);
	if (which == HEDGE && attempt->ending == SL_ENDING_STALE &&
	    request->free_retries++ < turn->pool->node_count + 1) {
		/* A kept connection that was closed meanwhile: as if it had not been. */
		sl_request_forget_attempt(request, attempt->node);
		sl_stats_sub(&stats_of(turn)->hedges_started[turn->pool->slot], 1);
		request->hedged = SL_HEDGED_NONE;
		turn->hedge_ns = now_of(turn);
		return;
	}
	sl_request_note_ending(request, attempt, attempt->ending);
}

/* It is not wanted any more, if it is under way. */
static void cut(struct turn *turn, uint32_t which)
{
	if (!turn->on[which])
		return;
	if (sl_attempt_cancel(turn->attempts[which]) == SL_ENDING_LOST)
		sl_stats_add(&stats_of(turn)->hedges_cancelled[turn->pool->slot], 1);
	account(turn, which);
}

/* It is the request's attempt from now on. */
static enum sl_ending decide(struct turn *turn, uint32_t which)
{
	struct sl_request *request = turn->request;
	enum sl_ending ending;

	/* The loser first: what it takes back of affinity is then noted anew for the winner. */
	cut(turn, other_than(which));
	ending = sl_attempt_settle(turn->attempts[which]);
	account(turn, which);
	if (which == FIRST)
		return ending;
	if (ending == SL_ENDING_OK)
		sl_stats_add(&stats_of(turn)->hedges_won[turn->pool->slot], 1);
	if (!sl_outcome_of(ending)->retry && ending != SL_ENDING_CLIENT_GONE)
		request->hedged = SL_HEDGED_WON;
	sl_attempt_swap(&request->attempt, &turn->second);
	name_node(request, request->attempt.node);
	request->affinity = turn->second_is_by;
	request->zone = turn->second_zone;
	return ending;
}

/*
 * Both may have had a whole answer, and the request has one place for what was made of it: the
 * other one's stands there if that came later. Done again, it is the winner's.
 */
static enum sl_ending accept_again(struct turn *turn, enum sl_ending ending)
{
	const struct sl_attempt *attempt = &turn->request->attempt;
	const struct sl_attempt_plan *plan = &turn->plans[FIRST];
	const char *detail;

	if (ending != SL_ENDING_OK || attempt->is_stream || !plan->accept)
		return ending;
	return plan->accept(plan->owner, sl_text_string(&attempt->body), attempt->body.len,
			    &detail);
}

/* ---- the wait -------------------------------------------------------------------------------- */

static uint32_t waited_ms(const struct turn *turn)
{
	return (uint32_t)((now_of(turn) - turn->attempts[FIRST]->start_ns) / SL_NS_PER_MS);
}

/* Sends the request to a second node. False: it is not to be. */
static bool start_hedge(struct turn *turn)
{
	struct sl_request *request = turn->request;
	struct sl_upstream_grant grant;
	enum sl_hedge_verdict verdict;

	verdict = sl_upstream_hedge_take(up_of(turn), turn->pool, sl_near_key(request, turn->pool),
					 sl_room_is_waited_in(request->worker, turn->pool),
					 request->tried, request->tried_count, &grant);
	sl_explain_note(request, SL_TRAIL_HEDGE, (uint8_t)verdict, waited_ms(turn), turn->pool,
			verdict == SL_HEDGE_GO ? grant.node : NULL);
	if (verdict != SL_HEDGE_GO) {
		sl_stats_add(&stats_of(turn)->hedges_refused[turn->pool->slot][verdict], 1);
		return false;
	}
	sl_request_note_attempt(request, grant.node);
	if (sl_plan_for_another(request, grant.node, sl_request_is_last(request, &grant),
				&turn->plans[FIRST], &turn->plans[HEDGE])) {
		sl_request_forget_attempt(request, grant.node);
		sl_upstream_give_back(up_of(turn), &grant);
		sl_upstream_hedge_done(up_of(turn), turn->pool, false);
		return false;
	}
	turn->plans[HEDGE].refusal_leaves = may_leave_refused(request);
	turn->second_node = grant.node;
	turn->second_is_by = grant.affinity;
	turn->second_zone = grant.zone;
	sl_stats_add(&stats_of(turn)->zones[turn->pool->slot][grant.zone], 1);
	sl_stats_add(&stats_of(turn)->affinity[turn->pool->slot][grant.affinity], 1);
	if (!turn->second_made)
		sl_attempt_init(&turn->second, up_of(turn), &request->arena);
	turn->second_made = true;
	request->hedged = SL_HEDGED_LOST; /* until it wins */
	sl_stats_add(&stats_of(turn)->hedges_started[turn->pool->slot], 1);
	turn->on[HEDGE] = true;
	sl_explain_attempt(request, turn->pool, &grant, turn->plans[HEDGE].number);
	sl_attempt_start(&turn->second, &grant, &turn->plans[HEDGE]);
	return true;
}

/* Until when nothing happens unless somebody wakes the fiber. */
static uint64_t next_ns(const struct turn *turn)
{
	uint64_t until_ns = turn->on[HEDGE] ? SL_HEDGE_NEVER : turn->hedge_ns;
	uint32_t i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (turn->on[i] && sl_attempt_due_ns(turn->attempts[i]) < until_ns)
			until_ns = sl_attempt_due_ns(turn->attempts[i]);
	}
	return until_ns;
}

/* Looks at what is under way. Returns the attempt that decides, or ATTEMPTS: none does yet. */
static uint32_t look(struct turn *turn)
{
	uint32_t i;

	for (i = 0; i < ATTEMPTS; i++) {
		if (!turn->on[i])
			continue;
		if (!sl_attempt_poll(turn->attempts[i])) {
			if (turn->attempts[i]
				    ->first_ns) /* and is held back: it has won all the same */
				cut(turn, other_than(i));
			continue;
		}
		if (!turn->on[other_than(i)] || !sl_outcome_of(turn->attempts[i]->ending)->retry)
			return i;
		drop(turn, i);
	}
	return ATTEMPTS;
}

static enum sl_ending wait_for_one(struct turn *turn)
{
	uint32_t which;

	while ((which = look(turn)) == ATTEMPTS) {
		if (turn->on[FIRST] && !turn->on[HEDGE] && now_of(turn) >= turn->hedge_ns) {
			turn->hedge_ns = SL_HEDGE_NEVER;
			if (!turn->attempts[FIRST]->first_ns && start_hedge(turn))
				continue;
		}
		sl_fiber_park(turn->request->worker->loop, next_ns(turn));
	}
	return decide(turn, which);
}

/* What became of the hedge, if there was one; the client's leaving decides nothing. */
static void tell(const struct turn *turn, enum sl_ending ending)
{
	struct sl_request *request = turn->request;
	bool won = request->hedged == SL_HEDGED_WON;

	if (request->hedged == SL_HEDGED_NONE || ending == SL_ENDING_CLIENT_GONE)
		return;
	sl_explain_note(request, won ? SL_TRAIL_HEDGE_WON : SL_TRAIL_HEDGE_LOST, 0, 0, turn->pool,
			turn->second_node);
}

enum sl_ending sl_hedged_run(struct sl_request *request, const struct sl_upstream_pool *pool,
			     const struct sl_upstream_grant *grant, bool last)
{
	struct turn turn;
	enum sl_ending ending;

	request->last_pool = pool;
	name_node(request, grant->node);
	turn.request = request;
	turn.pool = pool;
	turn.attempts[FIRST] = &request->attempt;
	turn.attempts[HEDGE] = &turn.second;
	turn.on[FIRST] = true;
	turn.on[HEDGE] = turn.second_made = false;
	turn.hedge_ns = SL_HEDGE_NEVER;
	turn.class = sl_hedge_class(request->facts.stream, request->facts.prompt_tokens_estimate);
	if (sl_plan_make(request, pool, grant->node, last, &turn.plans[FIRST])) {
		sl_upstream_give_back(up_of(&turn), grant);
		return SL_ENDING_LOCAL;
	}
	turn.plans[FIRST].refusal_leaves = may_leave_refused(request);
	if (is_hedging(request)) {
		if (request->pool_attempts == 1)
			sl_upstream_hedge_earn(up_of(&turn), pool);
		turn.hedge_ns = hedge_time(&turn, grant);
	}
	sl_explain_attempt(request, pool, grant, turn.plans[FIRST].number);
	sl_attempt_start(&request->attempt, grant, &turn.plans[FIRST]);
	ending = wait_for_one(&turn);
	if (turn.second_made) {
		ending = accept_again(&turn, ending);
		tell(&turn, ending);
		sl_attempt_fini(&turn.second);
	}
	return ending;
}

const char *sl_hedged_name(enum sl_hedged hedged)
{
	static const char *const names[] = {
		[SL_HEDGED_NONE] = NULL, [SL_HEDGED_LOST] = "lost", [SL_HEDGED_WON] = "won"};

	return names[hedged];
}
