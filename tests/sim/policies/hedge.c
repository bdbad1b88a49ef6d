/* SPDX-License-Identifier: BSD-2-Clause */
/* As user/request/hedged.c has it: streams alone, at most one hedge a request. */
#include "tests/sim/policies/world.h"

#define MIN_MS 10u

static struct w_request *request_of(const struct w_attempt *attempt)
{
	return &w->requests[attempt->request];
}

static struct sl_hedge_times *times_of(const struct w_attempt *attempt)
{
	return &w->hedges.times[sl_hedge_class(true, request_of(attempt)->prompt)];
}

static bool is_hedging(void)
{
	return w->scenario->hedge_per_mille != 0;
}

void w_hedge_begin(void)
{
#define TUNABLE(id) (uint32_t) w->tunables[SL_TUNABLE_##id]
	w->hedge = (struct sl_hedge_config){
		.percent = TUNABLE(HEDGE_PERCENT),
		.burst = TUNABLE(HEDGE_BURST),
		.samples_min = TUNABLE(HEDGE_SAMPLES_MIN),
		.retry = w->retry,
	};
}

void w_hedge_sent(uint32_t index)
{
	const struct w_attempt *attempt = &w->attempts[index];
	const struct w_request *request = request_of(attempt);
	uint64_t after_us;

	if (!is_hedging())
		return;
	if (request->tries == 1)
		sl_hedge_earn(&w->hedges, &w->hedge);
	after_us = sl_hedge_after_us(times_of(attempt), &w->hedge, w->scenario->hedge_per_mille,
				     MIN_MS);
	if (after_us != SL_HEDGE_NEVER && !request->hedged)
		w_push(w->now_us + after_us, W_HEDGE, index, 0);
}

void w_hedge_due(uint32_t index)
{
	const struct w_attempt *attempt = &w->attempts[index];
	struct w_request *request = request_of(attempt);
	struct sl_choose in = w_question(request->tried, request->tries);
	struct sl_hedge_view view = {
		.panic = sl_choose_in_panic(&in),
		.other = sl_choose_any_healthy(&in),
		.place = !w->queue.count && sl_choose_any_place(&in),
		.now_ms = w_now_ms(),
	};
	enum sl_hedge_verdict verdict;
	struct w_grant grant;
	uint32_t i;

	if (!attempt->live || attempt->first || request->hedged || request->tries == W_TRIES_MAX)
		return;
	for (i = 1; i <= w->scenario->nodes; i++)
		view.in_flight += w->nodes[i].requests;
	verdict = sl_hedge_take(&w->hedges, &w->budget, &w->hedge, &view);
	w->hedge_verdicts[verdict]++;
	if (verdict != SL_HEDGE_GO)
		return;
	w_check_hedge(request, view.in_flight);
	grant = w_acquire(&in);
	if (grant.node && sl_choose_is_among(request->tried, request->tries, grant.node)) {
		w_give_back(&grant);
		grant.node = 0;
	}
	if (!grant.node) {
		sl_hedge_refund(&w->hedges, &w->budget);
		w->hedge_verdicts[SL_HEDGE_GO]--;
		w->hedge_verdicts[SL_HEDGE_NO_PLACE]++;
		return;
	}
	request->hedged = true;
	w_this_second()->hedges++;
	w_send(request, &grant, false, true);
	w->attempts[request->hedge].placed = true;
}

void w_hedge_over(struct w_attempt *attempt)
{
	if (!attempt->placed)
		return;
	attempt->placed = false;
	sl_hedge_done(&w->budget);
}

static void note_time(const struct w_attempt *attempt)
{
	if (is_hedging())
		sl_hedge_note(times_of(attempt), w->now_us - attempt->sent_us, w_now_ms());
}

/* Cancelled on the wire: the server is free of it, and its place too. */
void w_hedge_lose(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];
	const struct sl_outcome_rule *rule = sl_outcome_of(SL_ENDING_LOST);

	w_server_leave(attempt->node, index);
	w_report(attempt, rule->outcome, rule->signal);
	note_time(attempt);
	w_release(attempt);
	w_freed(attempt->node);
}

void w_hedge_decided(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];
	struct w_request *request = request_of(attempt);
	uint32_t other = attempt->hedge ? request->attempt : request->hedge;

	note_time(attempt);
	w_hedge_over(attempt);
	if (other)
		w_hedge_lose(other);
	if (!attempt->hedge)
		return;
	w->hedges_won++;
	attempt->hedge = false;
	request->attempt = index;
	request->hedge = 0;
	request->last_node = attempt->node;
}
