/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/policies/world.h"

#include <inttypes.h>

#define RETRY_WINDOW_S 20u

void w_check_send(uint32_t node)
{
	const struct sl_node_state *state = &w->nodes[node];

	if (w->scenario->limit && state->requests > w->scenario->limit)
		w_fail("node %u has %u requests, it takes %u", node, state->requests,
		       w->scenario->limit);
	if (sl_retry_held_ms(w->holds[node], state->incarnation, w_now_ms()))
		w_fail("node %u is asked while it is to be left alone", node);
	if (!(state->admin & SL_NODE_PRESENT))
		w_fail("node %u is asked and not there", node);
}

void w_check_retry(uint32_t in_flight)
{
	uint32_t running = w->budget.running;

	if (running > 3 && running * 5 > in_flight + running)
		w_fail("%u retries run beside %u attempts", running, in_flight);
}

/* Each class that waits has one of any SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES grants. */
void w_check_grant(enum sl_key_class class)
{
	uint32_t c;

	for (c = 0; c < SL_QUEUE_CLASSES; c++) {
		if (c == class || !w->queue.classes[c].count)
			w->passed[c] = 0;
		else if (++w->passed[c] >= SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES)
			w_fail("class %s was passed over %u times in a row",
			       sl_key_class_name((enum sl_key_class)c), w->passed[c]);
	}
}

/*
 * What it may not do, by what is there and not by what the policy says of it: take what nobody has to
 * give, overtake who waits, take from the retries, or be the second one.
 */
void w_check_hedge(const struct w_request *request, uint32_t in_flight)
{
	bool place = false;
	uint32_t i;

	for (i = 1; i <= w->scenario->nodes; i++)
		place = place ||
			(!sl_choose_is_among(request->tried, request->tries, i) &&
			 (!w->scenario->limit || w->nodes[i].requests < w->scenario->limit));
	if (!place)
		w_fail("a hedge, and every other node is full");
	if (w->queue.count)
		w_fail("a hedge, and %u requests wait", w->queue.count);
	if (w->budget.spent * 2 >= w->retry.budget * SL_RETRY_COST)
		w_fail("a hedge, and the retry budget is spent: %u", w->budget.spent);
	if (request->hedge || request->hedged || !request->attempt)
		w_fail("a hedge, and it is not the only one beside a first attempt");
	w_check_retry(in_flight);
}

/* Who was cut off has no place at its node any more. */
static void check_places(void)
{
	uint32_t live[W_NODES_MAX + 1] = {0}, i;

	for (i = 1; i <= w->attempt_count; i++)
		live[w->attempts[i].node] += w->attempts[i].live;
	for (i = 1; i <= w->scenario->nodes; i++) {
		if (w->nodes[i].requests != live[i])
			w_fail("node %u has %u requests, %u are under way", i, w->nodes[i].requests,
			       live[i]);
		if (w->servers[i].running + w->servers[i].waiting > live[i] &&
		    !w->scenario->kind.works_on)
			w_fail("server %u works on %u requests, %u are under way", i,
			       w->servers[i].running + w->servers[i].waiting, live[i]);
	}
}

void w_sample(void)
{
	struct w_second *second = w_this_second();
	uint32_t i;

	if (w->scenario->hedge_per_mille)
		check_places();

	for (i = 1; i <= w->scenario->nodes; i++) {
		second->limit += sl_concurrency_limit(&w->concurrency[i], w->nodes[i].incarnation,
						      w->scenario->limit);
		second->in_flight += w->nodes[i].requests;
	}
	if (!w->draining)
		w_push(w->now_us + W_S, W_SAMPLE, 0, 0);
}

static void check_outcomes(void)
{
	const struct w_scenario *scenario = w->scenario;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < w->request_count; i++) {
		if (w->requests[i].outcome == W_NONE)
			w_fail("request %u has no outcome", i);
	}
	for (i = W_NONE + 1; i < W_OUTCOMES; i++)
		sum += w->outcomes[i];
	if (sum != w->request_count)
		w_fail("%" PRIu64 " outcomes of %u requests", sum, w->request_count);
	if (!scenario->may_fail && w->outcomes[W_FAILED])
		w_fail("%" PRIu64 " requests failed", w->outcomes[W_FAILED]);
	if (!scenario->may_refuse && w->outcomes[W_REFUSED])
		w_fail("%" PRIu64 " requests were refused", w->outcomes[W_REFUSED]);
	if (!scenario->may_cut && w->outcomes[W_CUT])
		w_fail("%" PRIu64 " streams were cut", w->outcomes[W_CUT]);
}

/* Whatever was taken is given back. */
static void check_rest(void)
{
	uint32_t i;

	if (w->budget.running)
		w_fail("%u retries run, and nobody is there", w->budget.running);
	if (w->queue.count || w->queue.bytes || w->queue.flow_count)
		w_fail("the queue is not empty: %u", w->queue.count);
	for (i = 1; i <= w->scenario->nodes; i++) {
		if (w->nodes[i].requests)
			w_fail("node %u has %u requests, and nobody is there", i,
			       w->nodes[i].requests);
		if (w->concurrency[i].tokens)
			w_fail("node %u has tokens in flight, and nobody is there", i);
	}
}

/*
 * Attempts are at most 1.2 times the requests, in all and in any 20 s (with what the budget has saved
 * up for them). Those that move away from a dead node are free in the second, and count in the first.
 */
static void check_attempts(void)
{
	uint64_t bound = (uint64_t)w->request_count * 12 / 10 + w->retry.budget;
	uint32_t s, i;

	if (w->attempt_count > bound)
		w_fail("%u attempts of %u requests", w->attempt_count, w->request_count);
	for (s = 0; s + RETRY_WINDOW_S <= w->scenario->seconds; s++) {
		uint32_t requests = 0, retries = 0;

		for (i = s; i < s + RETRY_WINDOW_S; i++) {
			requests += w->seconds[i].arrivals > w->seconds[i].firsts
					    ? w->seconds[i].arrivals
					    : w->seconds[i].firsts;
			retries += w->seconds[i].retries;
		}
		if (retries > requests / 5 + w->retry.budget)
			w_fail("%u retries of %u requests from second %u on", retries, requests, s);
	}
}

/* Hedges are 2 % of the requests, in all and in any 20 s, and the burst that was saved up. */
static void check_hedges(void)
{
	uint32_t s, i, hedges = 0, firsts = 0;

	for (s = 0; s < W_SECONDS_MAX; s++) {
		hedges += w->seconds[s].hedges;
		firsts += w->seconds[s].firsts;
	}
	if (hedges * 100 > firsts * 2 + w->hedge.burst * 100)
		w_fail("%u hedges of %u requests", hedges, firsts);
	if (hedges != w->hedge_verdicts[SL_HEDGE_GO])
		w_fail("%u hedges were sent, %" PRIu64 " were paid for", hedges,
		       w->hedge_verdicts[SL_HEDGE_GO]);
	for (s = 0; s + RETRY_WINDOW_S <= w->scenario->seconds; s++) {
		for (i = s, hedges = firsts = 0; i < s + RETRY_WINDOW_S; i++) {
			hedges += w->seconds[i].hedges;
			firsts += w->seconds[i].firsts;
		}
		if (hedges * 100 > firsts * 2 + w->hedge.burst * 100)
			w_fail("%u hedges of %u requests from second %u on", hedges, firsts, s);
	}
}

/* Too much to do is no fault: a breaker opens where a node was dead, failed or silent alone. */
static void check_breakers(void)
{
	uint32_t i;

	if (w->scenario->may_open)
		return;
	for (i = 0; i < W_PHASES_MAX; i++) {
		enum w_health health = w->scenario->phases[i].health;

		if (health != W_WELL && health != W_BUSY)
			return;
	}
	for (i = 1; i <= w->scenario->nodes; i++) {
		if (w->nodes[i].trips)
			w_fail("the breaker of node %u opened, and it was never out of order", i);
	}
}

void w_check_end(void)
{
	check_breakers();
	check_outcomes();
	check_rest();
	check_attempts();
	check_hedges();
}
