/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/sim/policies/world.h"

#include <stdlib.h>

/* As user/request and user/upstream have them. */
#define GATE_TRIES_MAX	    4
#define CROWDED_WAIT_MIN_MS 5u
#define TICK_MS		    10u
#define PROBE_MS	    250u
#define DOUBT_US	    (2 * PROBE_MS * W_MS)
#define GRANTS_MAX	    64u
#define HOLD_MS		    5000u
#define BACKOFF_MS	    25u
#define BACKOFF_MAX_MS	    1000u

static struct w_request *request_at(uint32_t index)
{
	return &w->requests[index];
}

static uint32_t index_of(const struct w_request *request)
{
	return (uint32_t)(request - w->requests);
}

/* ---- choosing -------------------------------------------------------------------------------- */

struct sl_choose w_question(const uint32_t *tried, uint32_t tried_count)
{
	return (struct sl_choose){
		.nodes = w->nodes,
		.slots = w->slots,
		.slot_count = w->scenario->nodes,
		.tried = tried,
		.tried_count = tried_count,
		.holds = w->holds,
		.limits = w->scenario->limit ? w->limits : NULL,
		.concurrency = w->limits_config.mode ? w->concurrency : NULL,
		.tokens_max = w->limits_config.tokens,
		.doubtful = w->breaker.consecutive,
		.now_ms = w_now_ms(),
		.slow_start_ms = (uint32_t)w->tunables[SL_TUNABLE_SLOW_START_MS],
		.panic_percent = (uint32_t)w->tunables[SL_TUNABLE_PANIC_PERCENT],
	};
}

struct w_grant w_acquire(struct sl_choose *in)
{
	struct w_grant grant = {0};
	int i;

	for (i = 0; i < GATE_TRIES_MAX; i++) {
		struct sl_breaker_change change;
		struct sl_node_state *node;
		struct sl_choice choice;

		in->random = sl_random_u32(&w->random);
		choice = sl_choose_node(in);
		grant.full = choice.full;
		if (choice.slot == SL_CHOOSE_NONE)
			break;
		node = &w->nodes[choice.slot];
		node->requests++;
		if (w->limits_config.mode)
			sl_concurrency_enter(&w->concurrency[choice.slot], &w->limits_config,
					     node->incarnation, node->requests, w_now_ms());
		grant.ticket = (uint32_t)sl_breaker_generation(node->breaker) << 1;
		if (choice.panic || sl_breaker_admit(node, &w->pool, &w->breaker, w_now_ms(),
						     sl_random_u32(&w->random), &grant.ticket,
						     &change) != SL_BREAKER_REFUSE) {
			grant.node = choice.slot;
			w_check_send(grant.node);
			return grant;
		}
		node->requests--;
	}
	return grant;
}

static struct w_grant acquire_at(uint32_t node)
{
	struct sl_choose in = w_question(NULL, 0);

	in.slots += node - 1;
	in.slot_count = 1;
	if (in.limits)
		in.limits += node - 1;
	if (!sl_choose_any_healthy(&in))
		return (struct w_grant){0};
	return w_acquire(&in);
}

static bool any_healthy(void)
{
	struct sl_choose in = w_question(NULL, 0);

	return sl_choose_any_healthy(&in);
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void end(struct w_request *request, enum w_outcome outcome)
{
	struct w_second *second = w_this_second();

	if (request->outcome != W_NONE) {
		w_fail("request %u has a second outcome", index_of(request));
		return;
	}
	request->outcome = outcome;
	request->era++;
	w->outcomes[outcome]++;
	second->answered += outcome == W_ANSWERED;
	second->failed += outcome == W_FAILED;
	second->refused += outcome == W_REFUSED;
	second->cut += outcome == W_CUT;
	w_ended(request->source);
}

/* ---- sending --------------------------------------------------------------------------------- */

void w_send(struct w_request *request, const struct w_grant *grant, bool charged, bool hedge)
{
	uint32_t index = ++w->attempt_count;
	struct w_attempt *attempt = &w->attempts[index];
	uint32_t *place = hedge ? &request->hedge : &request->attempt;

	if (index == W_ATTEMPTS_MAX || *place || request->tries == W_TRIES_MAX ||
	    (!hedge && request->hedge)) {
		w_fail("request %u: attempt %u while another runs, or one too many",
		       index_of(request), request->tries + 1);
		return;
	}
	*attempt = (struct w_attempt){
		.sent_us = w->now_us,
		.last_us = w->now_us,
		.request = index_of(request),
		.node = grant->node,
		.ticket = grant->ticket,
		.left = request->out,
		.live = true,
		.charged = charged,
		.hedge = hedge,
	};
	if (!request->tries)
		w_this_second()->firsts++;
	request->tried[request->tries++] = request->last_node = grant->node;
	*place = index;
	sl_concurrency_take_tokens(&w->concurrency[grant->node], request->prompt + request->out);
	w_push(w->now_us + w->scenario->ttft_ms * W_MS, W_LATE, index, 0);
	if (!hedge)
		w_hedge_sent(index);
	w_server_take(grant->node, index);
}

/* ---- the queue ------------------------------------------------------------------------------- */

static void take_shed(void)
{
	struct sl_queue_entry *entry;

	while ((entry = sl_queue_take_shed(&w->queue)))
		end((struct w_request *)entry, W_REFUSED);
}

static void grant_next(const struct w_grant *grant)
{
	struct w_request *request =
		(struct w_request *)sl_queue_pop(&w->queue, &w->queue_config, w->now_us * 1000u);

	w_check_grant(request->entry.class);
	w_this_second()->granted[request->source] += request->entry.cost;
	request->era++; /* its wait has no end any more */
	w_send(request, grant, false, false);
}

static void look(void)
{
	uint32_t left = GRANTS_MAX;
	bool panic = !any_healthy();

	if (panic || w->now_us < w->doubt_us) {
		sl_queue_pause(&w->queue);
		left = w->now_us >= w->probe_us;
		if (left)
			w->probe_us = w->now_us + PROBE_MS * W_MS;
	}
	for (; left && w->queue.count; left--) {
		struct sl_choose in = w_question(NULL, 0);
		struct w_grant grant;

		in.allow_panic = panic;
		grant = w_acquire(&in);
		if (!grant.node)
			break;
		grant_next(&grant);
	}
}

void w_tick(void)
{
	w->ticking = false;
	look();
	sl_queue_tick(&w->queue, &w->queue_config, w->now_us * 1000u);
	take_shed();
	if (w->queue.count && !w->ticking) {
		w->ticking = true;
		w_push(w->now_us + TICK_MS * W_MS, W_TICK, 0, 0);
	}
}

void w_freed(uint32_t node)
{
	struct w_grant grant;

	if (!w->queue.count || w->now_us < w->doubt_us)
		return;
	grant = acquire_at(node);
	if (grant.node)
		grant_next(&grant);
}

static void wait(struct w_request *request, uint64_t until_us, bool came_back)
{
	const struct w_source *source = &w->scenario->sources[request->source];
	enum sl_queue_verdict verdict;
	uint64_t wait_ns;

	if (until_us > request->deadline_us)
		until_us = request->deadline_us;
	request->entry = (struct sl_queue_entry){
		.class = source->class,
		.tenant = source->tenant,
		.cost = request->prompt + request->out,
		.bytes = 4096,
		.born_ns = request->start_us * 1000u,
		.deadline_ns = until_us * 1000u,
	};
	if (came_back)
		w->doubt_us = w->now_us + DOUBT_US;
	verdict = sl_queue_push(&w->queue, &w->queue_config, &request->entry, w->now_us * 1000u,
				&wait_ns);
	take_shed();
	if (verdict != SL_QUEUE_WAITING) {
		end(request, came_back ? W_FAILED : W_REFUSED);
		return;
	}
	w_push(until_us, W_EXPIRE, index_of(request), ++request->era);
	if (w->queue.count == 1)
		look();
	if (!w->ticking) {
		w->ticking = true;
		w_push(w->now_us + TICK_MS * W_MS, W_TICK, 0, 0);
	}
}

void w_expire(uint32_t index, uint32_t era)
{
	struct w_request *request = request_at(index);

	if (request->era != era || request->outcome != W_NONE)
		return;
	sl_queue_remove(&w->queue, &request->entry, SL_QUEUE_EXPIRED);
	end(request, request->was_full ? W_REFUSED : W_FAILED);
}

static void wait_for_place(struct w_request *request)
{
	request->was_full = true;
	if (!request->place_until_us)
		request->place_until_us = w->now_us + w->scenario->wait_ms * W_MS;
	wait(request, request->place_until_us, false);
}

/* No node may be asked, or none could be reached. */
static void wait_for_node(struct w_request *request)
{
	bool unsent = !request->tries || request->ending == SL_ENDING_CONNECT_ERROR;

	if (!request->hold_until_us)
		request->hold_until_us = w->now_us + HOLD_MS * W_MS;
	if (request->was_full || !unsent || request->tries == W_TRIES_MAX ||
	    w->now_us >= request->hold_until_us)
		end(request, W_FAILED);
	else
		wait(request, request->hold_until_us, request->tries > 0);
}

/* ---- trying ---------------------------------------------------------------------------------- */

static bool is_shunned(const struct w_request *request, uint32_t node)
{
	return sl_choose_is_among(request->shunned, request->shunned_count, node);
}

/* Who was not sent to anybody yet asks for a place alone. */
static enum sl_retry_verdict take_permit(struct w_request *request)
{
	struct sl_choose in = w_question(request->tried, request->tries);
	enum sl_retry_verdict verdict;
	uint32_t i, in_flight = 0;

	if (request->tries && sl_choose_is_out(&in, &w->nodes[request->last_node]) &&
	    sl_choose_any_healthy(&in)) {
		w_this_second()->moved++;
		return SL_RETRY_MOVED;
	}
	for (i = 1; i <= w->scenario->nodes; i++)
		in_flight += w->nodes[i].requests;
	verdict = sl_retry_take(&w->budget, &w->retry, in_flight, request->tries > 0, w_now_ms());
	if (verdict == SL_RETRY_CHARGED)
		w_check_retry(in_flight);
	return verdict;
}

/* Nobody is left to ask, but a node has said when it will have room. */
static bool wait_for_held(struct w_request *request)
{
	struct sl_choose in = w_question(NULL, 0);
	uint64_t wait_ms = sl_choose_held_ms(&in);

	if (wait_ms == UINT64_MAX || request->tries == W_TRIES_MAX)
		return false;
	wait_ms += 1 + sl_random_below(&w->random, (uint32_t)(1 + wait_ms / 8));
	if (w->now_us + wait_ms * W_MS >= request->deadline_us)
		return false;
	if (!request->charged) {
		enum sl_retry_verdict verdict = take_permit(request);

		if (verdict <= SL_RETRY_CROWDED)
			return false;
		request->charged = verdict == SL_RETRY_CHARGED;
	}
	w_push(w->now_us + wait_ms * W_MS, W_TRY, index_of(request), request->era);
	return true;
}

static void give_permit(struct w_request *request, bool used)
{
	if (!request->charged)
		return;
	request->charged = false;
	sl_retry_done(&w->budget);
	if (!used && request->tries)
		sl_retry_refund(&w->budget);
}

void w_give_back(const struct w_grant *grant)
{
	struct sl_breaker_change change;

	sl_breaker_report(&w->nodes[grant->node], &w->pool, &w->breaker, w_now_ms(),
			  sl_random_u32(&w->random), grant->ticket, SL_OUTCOME_NEUTRAL,
			  SL_SIGNAL_NONE, SL_PLANE_DAEMON, &change);
	w->nodes[grant->node].requests--;
	w_freed(grant->node);
}

static void try_once(struct w_request *request)
{
	struct sl_choose in = w_question(request->tried, request->tries);
	bool bounded = w->scenario->limit || w->limits_config.mode;
	bool charged = request->charged;
	struct w_grant grant;

	if (!request->tries && bounded && w->queue.count && any_healthy()) {
		give_permit(request, false);
		wait_for_place(request);
		return;
	}
	grant = w_acquire(&in);
	if (!grant.node && !grant.full && !request->tries) {
		in.allow_panic = true;
		grant = w_acquire(&in);
	}
	if (grant.node && is_shunned(request, grant.node)) {
		w_give_back(&grant);
		grant.node = 0;
		grant.full = false;
	}
	if (grant.node) {
		w_this_second()->retries += charged && request->tries;
		w_send(request, &grant, charged, false);
		return;
	}
	if (!grant.full && wait_for_held(request))
		return;
	give_permit(request, false);
	if (grant.full)
		wait_for_place(request);
	else
		wait_for_node(request);
}

void w_request_start(uint32_t index)
{
	struct w_request *request = request_at(index);

	request->start_us = w->now_us;
	request->deadline_us = w->now_us + w->scenario->total_ms * W_MS;
	w_push(request->deadline_us, W_TOTAL, index, 0);
	try_once(request);
}

void w_ask(uint32_t index)
{
	struct w_request *request = request_at(index);
	enum sl_retry_verdict verdict;
	uint64_t wait_ms;

	if (request->outcome != W_NONE)
		return;
	verdict = take_permit(request);
	request->charged = verdict == SL_RETRY_CHARGED;
	if (verdict == SL_RETRY_SPENT) {
		if (!wait_for_held(request))
			end(request, W_FAILED);
		return;
	}
	wait_ms = sl_random_backoff_ms(&w->random, BACKOFF_MS, BACKOFF_MAX_MS, request->tries - 1);
	if (verdict == SL_RETRY_CROWDED && wait_ms < CROWDED_WAIT_MIN_MS)
		wait_ms = CROWDED_WAIT_MIN_MS;
	w_push(w->now_us + wait_ms * W_MS, verdict == SL_RETRY_CROWDED ? W_ASK : W_TRY, index,
	       request->era);
}

void w_try(uint32_t index)
{
	if (request_at(index)->outcome == W_NONE)
		try_once(request_at(index));
}

/* ---- what the node does ---------------------------------------------------------------------- */

void w_release(struct w_attempt *attempt)
{
	struct w_request *request = request_at(attempt->request);

	attempt->live = false;
	if (attempt->hedge)
		request->hedge = 0;
	else
		request->attempt = 0;
	w->nodes[attempt->node].requests--;
	sl_concurrency_give_tokens(&w->concurrency[attempt->node], request->prompt + request->out);
	w_hedge_over(attempt);
	if (!attempt->hedge)
		give_permit(request, true);
}

void w_report(const struct w_attempt *attempt, enum sl_outcome outcome, enum sl_signal signal)
{
	struct sl_breaker_change change;

	sl_breaker_report(&w->nodes[attempt->node], &w->pool, &w->breaker, w_now_ms(),
			  sl_random_u32(&w->random),
			  attempt->first ? attempt->ticket & ~1u : attempt->ticket, outcome, signal,
			  SL_PLANE_DAEMON, &change);
}

void w_on_first_token(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];
	struct w_request *request = request_at(attempt->request);
	struct w_second *second = &w->seconds[w_second_of(request->start_us)];

	w_report(attempt, SL_OUTCOME_SUCCESS, SL_SIGNAL_SUCCESS);
	attempt->first = true;
	w_hedge_decided(index);
	attempt->last_us = request->first_us = w->now_us;
	w->alive_ns[attempt->node] = w->now_us * 1000u;
	second->ttft_us += w->now_us - request->start_us;
	sl_retry_earn(&w->budget, &w->retry);
	give_permit(request, true);
}

void w_on_token(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];
	struct sl_concurrency *limit = &w->concurrency[attempt->node];

	if (w->limits_config.mode && ++attempt->reads % SL_CONCURRENCY_SAMPLE == 0) {
		sl_concurrency_note_gap(limit, w->now_us - attempt->last_us);
		sl_concurrency_tick(limit, &w->limits_config, w->nodes[attempt->node].requests,
				    w_now_ms());
	}
	attempt->last_us = w->now_us;
	w->alive_ns[attempt->node] = w->now_us * 1000u;
}

void w_on_end(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];
	uint32_t node = attempt->node;

	w_release(attempt);
	end(request_at(attempt->request), W_ANSWERED);
	w_freed(node);
}

static void note_busy(const struct w_attempt *attempt, bool told)
{
	struct sl_node_state *node = &w->nodes[attempt->node];

	if (w->limits_config.mode == SL_CONCURRENCY_GAP || (told && w->limits_config.mode))
		sl_concurrency_note_busy(&w->concurrency[attempt->node], &w->limits_config,
					 node->incarnation, node->requests, w_now_ms());
}

static void note_ending(struct w_request *request, uint32_t node, enum sl_ending ending,
			uint32_t after_ms)
{
	uint32_t max_ms = (uint32_t)w->tunables[SL_TUNABLE_RETRY_AFTER_MAX];

	request->ending = ending;
	request->last_node = node;
	if (!sl_outcome_of(ending)->elsewhere)
		return;
	if (ending == SL_ENDING_BUSY && after_ms) {
		if (after_ms > max_ms)
			after_ms = max_ms;
		w->holds[request->last_node] = sl_retry_hold_word(
			w_now_ms() + after_ms, w->nodes[request->last_node].incarnation);
		return;
	}
	request->shunned[request->shunned_count++ % W_TRIES_MAX] = request->last_node;
	if (request->shunned_count > W_TRIES_MAX)
		request->shunned_count = W_TRIES_MAX;
}

void w_on_failure(uint32_t index, enum sl_ending ending, uint32_t after_ms)
{
	struct w_attempt *attempt = &w->attempts[index];
	struct w_request *request = request_at(attempt->request);
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	enum sl_outcome outcome = rule->outcome;
	enum sl_signal signal = rule->signal;
	uint32_t node = attempt->node;

	if (ending == SL_ENDING_BUSY)
		note_busy(attempt, true);
	if (sl_outcome_is_overload(ending, attempt->sent_us * 1000u, w->alive_ns[node])) {
		outcome = SL_OUTCOME_NEUTRAL;
		signal = SL_SIGNAL_BUSY;
		note_busy(attempt, false);
	}
	w_report(attempt, outcome, signal);
	note_ending(request, node, ending, after_ms);
	w_release(attempt);
	if (attempt->first)
		end(request, W_CUT);
	else if (request->attempt || request->hedge)
		; /* the other one goes on */
	else if (!rule->retry || request->tries == W_TRIES_MAX || w->now_us >= request->deadline_us)
		end(request, W_FAILED);
	else
		w_ask(attempt->request);
	w_freed(node);
}

void w_on_late(uint32_t index)
{
	struct w_attempt *attempt = &w->attempts[index];

	if (!attempt->live || attempt->first)
		return;
	w_server_leave(attempt->node, index);
	w_on_failure(index, SL_ENDING_TTFT_TIMEOUT, 0);
}

void w_on_total(uint32_t index)
{
	struct w_request *request = request_at(index);
	uint32_t attempt;

	if (request->outcome != W_NONE)
		return;
	if (request->attempt && request->hedge)
		w_hedge_lose(request->hedge);
	attempt = request->attempt ? request->attempt : request->hedge;
	if (attempt) {
		w_server_leave(w->attempts[attempt].node, attempt);
		w_on_failure(attempt, SL_ENDING_TOTAL_TIMEOUT, 0);
		return;
	}
	if (request->entry.flow)
		sl_queue_remove(&w->queue, &request->entry, SL_QUEUE_EXPIRED);
	give_permit(request, false);
	end(request, W_FAILED);
}

/* ---- begin ----------------------------------------------------------------------------------- */

void w_gateway_begin(void)
{
	const struct w_scenario *scenario = w->scenario;
	uint32_t i;

	for (i = 0; i < SL_TUNABLE_COUNT; i++)
		w->tunables[i] = sl_tunable_info[i].initial;
	sl_breaker_config_fill(w->tunables, 0, &w->breaker);
#define TUNABLE(id) (uint32_t) w->tunables[SL_TUNABLE_##id]
	w->retry = (struct sl_retry_config){
		.budget = TUNABLE(RETRY_BUDGET),
		.earn = TUNABLE(RETRY_EARN),
		.reserve_per_min = TUNABLE(RETRY_RESERVE),
		.concurrent_percent = TUNABLE(RETRY_CONCURRENT),
		.concurrent_min = TUNABLE(RETRY_CONCURRENT_MIN),
	};
	w_hedge_begin();
	w->limits_config = scenario->concurrency;
	w->limits_config.min = 1;
	w->limits_config.gap_percent = TUNABLE(CONCURRENCY_GAP);
	w->limits_config.window_ms = TUNABLE(CONCURRENCY_WINDOW);
	w->queue_config = (struct sl_queue_config){
		.count_max = 1000,
		.bytes_max = 64u << 20,
		.target_ns = scenario->target_ms * 1000000ull,
		.interval_ns = 10000000000ull,
	};
	if (sl_queue_init(&w->queue))
		abort();
	w->pool.node_count = scenario->nodes;
	for (i = 1; i <= scenario->nodes; i++) {
		w->slots[i - 1] = i;
		w->limits[i - 1] = scenario->limit;
		w->nodes[i].admin = SL_NODE_PRESENT;
		w->nodes[i].weight = 1;
		w->nodes[i].incarnation = 1;
		w->servers[i].kind = scenario->kind;
		w->servers[i].pace_percent = 100;
	}
}
