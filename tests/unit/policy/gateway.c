/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gateway.c - the attempt loop in a simulator: virtual clock, seeds, the policies of production
 * (choose, retry, hedge, outcome, breaker.h) in front of nodes with slots and queues.
 *
 *   arrivals -> choose -> gate -> node: queue -> slot -> answer, failure or silence
 *                 ^   \                                    |
 *                 |    +-- hedge, when that takes long      |
 *                 +---- back off <- budget <- outcome <----+
 *
 * What must hold, for every seed:
 *   one outcome a request, whatever happens
 *   attempts <= 1.2 x requests (and the budgets' own rests), when all nodes fail
 *   hedges <= 2 % of the requests, and the burst
 *   no failed request when nodes die one at a time and a healthy one is there
 *   60 s after the end of an overload, or of an outage, the pool serves as before it
 * with and without hedging, which must be worth it where single answers are late
 *
 * Servers here stop working for a client that leaves, as the common ones do. For those that do not,
 * the queues in front of them must be bounded, which is not the attempt loop's to do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "user/base/random.h"
#include "user/base/tunables.h"
#include "user/policy/choose.h"
#include "user/policy/hedge.h"
#include "user/policy/outcome.h"
#include "user/policy/retry.h"

#define NODES	     4u
#define SLOTS	     4u
#define SEEDS	     8u
#define REQUESTS_MAX 40000u
#define QUEUE_MAX    (2u * REQUESTS_MAX)
#define EVENTS_MAX   (1u << 20)
#define ATTEMPTS_MAX 4u
#define SERVICE_MS   200u /* mean; uniform from half to one and a half */
#define CAPACITY_RPS (NODES * SLOTS * 1000u / SERVICE_MS)
#define NORMAL_RPS   (CAPACITY_RPS * 7u / 10u)
#define TTFT_MS	     2000u
#define LATE_MS	     (SERVICE_MS * 4)
#define TOTAL_MS     15000u
#define START_MS     1000000u

#define HEDGE_PER_MILLE 950u
#define FIRST		0 /* of a request's lanes */
#define HEDGE		1
#define LANES		2

enum health { WELL = 0, STUTTERS, REFUSES, FAILS, SILENT };
enum event_kind { ARRIVAL, TRY, ASK, DONE, FAILURE, LATE, SLOW };
enum outcome { NONE = 0, ANSWERED, FAILED };

struct event {
	uint64_t at_ms, order;
	enum event_kind kind;
	uint32_t request, attempt, node;
};

/* An attempt under way; a request has two of them while it is hedged. */
struct lane {
	uint64_t sent_ms;
	uint32_t number, node, ticket;
	bool at_node, in_slot;
};

struct request {
	uint64_t start_ms, end_ms;
	uint32_t attempts, node, tried[ATTEMPTS_MAX]; /* node: where it failed last */
	struct lane lanes[LANES];
	bool charged, hedged;
	enum sl_ending ending;
	enum outcome outcome;
};

struct server {
	enum health health;
	uint32_t running, head, tail;
	struct {
		uint32_t request, attempt;
	} queue[QUEUE_MAX];
};

struct world {
	struct sl_random random;
	uint64_t now_ms, order, end_ms;
	struct event heap[EVENTS_MAX];
	uint32_t events;
	struct request requests[REQUESTS_MAX];
	uint32_t request_count, rps;
	uint64_t attempts, answered, failed, hedges, hedges_won;
	struct sl_node_state nodes[NODES + 1];
	struct sl_pool_state pool;
	struct server servers[NODES + 1];
	uint32_t slots[NODES];
	uint64_t tunables[SL_TUNABLE_KEYS];
	struct sl_breaker_config breaker;
	struct sl_retry_budget budget;
	struct sl_retry_config retry;
	bool hedging;
	struct sl_hedge_pool hedge_pool;
	struct sl_hedge_config hedge;
};

static struct world *w; /* too large for a stack; one at a time */

/* ---- events ---------------------------------------------------------------------------------- */

static bool earlier(const struct event *a, const struct event *b)
{
	return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void push_of(uint64_t at_ms, enum event_kind kind, uint32_t request, uint32_t attempt,
		    uint32_t node)
{
	uint32_t at = w->events++;
	struct event event = {at_ms, w->order++, kind, request, attempt, node};

	assert_true(at < EVENTS_MAX);
	for (; at && earlier(&event, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = event;
}

static void push(uint64_t at_ms, enum event_kind kind, uint32_t request)
{
	push_of(at_ms, kind, request, 0, 0);
}

static struct event pop(void)
{
	struct event first = w->heap[0], last = w->heap[--w->events];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < w->events) {
		if (child + 1 < w->events && earlier(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!earlier(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = last;
	return first;
}

/* ---- servers --------------------------------------------------------------------------------- */

static bool works(const struct server *server)
{
	return server->health == WELL || server->health == STUTTERS;
}

/* The lane that the attempt of that number is in, NULL when it is over. */
static struct lane *lane_of(uint32_t request, uint32_t attempt)
{
	uint32_t i;

	for (i = 0; i < LANES; i++) {
		struct lane *lane = &w->requests[request].lanes[i];

		if (lane->at_node && lane->number == attempt)
			return lane;
	}
	return NULL;
}

/* Of one that stutters, three answers of a hundred take five times as long. */
static uint32_t service_ms(const struct server *server)
{
	uint32_t ms = SERVICE_MS / 2 + sl_random_below(&w->random, SERVICE_MS);

	if (server->health == STUTTERS && sl_random_below(&w->random, 100) < 3)
		ms *= 5;
	return ms;
}

static void serve(uint32_t node)
{
	struct server *server = &w->servers[node];

	while (server->running < SLOTS && server->head < server->tail) {
		uint32_t request = server->queue[server->head].request;
		uint32_t attempt = server->queue[server->head++].attempt;
		struct lane *lane = lane_of(request, attempt);

		if (!lane)
			continue;
		server->running++;
		lane->in_slot = true;
		push_of(w->now_ms + service_ms(server), DONE, request, attempt, node);
	}
}

static void send_to(uint32_t index, const struct lane *lane)
{
	struct server *server = &w->servers[lane->node];

	push_of(w->now_ms + TTFT_MS, LATE, index, lane->number, lane->node);
	if (server->health == REFUSES || server->health == FAILS) {
		push_of(w->now_ms + 2, FAILURE, index, lane->number, lane->node);
		return;
	}
	assert_true(server->tail < QUEUE_MAX);
	server->queue[server->tail].request = index;
	server->queue[server->tail++].attempt = lane->number;
	if (works(server))
		serve(lane->node);
}

/* A crash: everybody on it hears of it at once. */
static void crash(uint32_t node)
{
	struct server *server = &w->servers[node];
	uint32_t i;

	server->health = REFUSES;
	server->head = server->tail = server->running = 0;
	for (i = 0; i < w->request_count * LANES; i++) {
		struct lane *lane = &w->requests[i / LANES].lanes[i % LANES];

		if (!lane->at_node || lane->node != node)
			continue;
		lane->in_slot = false;
		push_of(w->now_ms + 1, FAILURE, i / LANES, lane->number, node);
	}
}

/* ---- the attempt loop, as user/request has it ------------------------------------------------ */

static struct sl_choose question(const struct request *request)
{
	return (struct sl_choose){
		.nodes = w->nodes,
		.slots = w->slots,
		.slot_count = NODES,
		.tried = request->tried,
		.tried_count = request->attempts,
		.doubtful = w->breaker.consecutive,
		.now_ms = w->now_ms,
		.slow_start_ms = 10000,
		.panic_percent = 30,
		.random = sl_random_u32(&w->random),
	};
}

static void end(struct request *request, enum outcome outcome)
{
	assert_int_equal(request->outcome, NONE); /* one outcome a request */
	request->outcome = outcome;
	request->end_ms = w->now_ms;
	if (outcome == ANSWERED)
		w->answered++;
	else
		w->failed++;
}

static uint32_t in_flight(void)
{
	uint32_t i, sum = 0;

	for (i = 1; i <= NODES; i++)
		sum += w->nodes[i].requests;
	return sum;
}

static bool is_under_way(const struct request *request)
{
	return request->lanes[FIRST].at_node || request->lanes[HEDGE].at_node;
}

/* The lane's attempt is over: told to the breaker, the node works on somebody else. */
static void leave_node(struct request *request, struct lane *lane, enum sl_ending ending)
{
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	struct server *server = &w->servers[lane->node];
	struct sl_node_state *node = &w->nodes[lane->node];
	bool overload =
		sl_outcome_is_overload(ending, lane->sent_ms * 1000000u, node->last_byte_ns);
	struct sl_breaker_change change;

	sl_breaker_report(node, &w->pool, &w->breaker, w->now_ms, sl_random_u32(&w->random),
			  lane->ticket, overload ? SL_OUTCOME_NEUTRAL : rule->outcome,
			  overload ? SL_SIGNAL_BUSY : rule->signal, SL_PLANE_DAEMON, &change);
	node->requests--;
	lane->at_node = false;
	request->ending = ending;
	request->node = lane->node;
	if (ending == SL_ENDING_OK || ending == SL_ENDING_LOST)
		sl_hedge_note(&w->hedge_pool.times[0], (w->now_ms - lane->sent_ms) * 1000,
			      w->now_ms);
	if (lane == &request->lanes[HEDGE])
		sl_hedge_done(&w->budget);
	else if (request->charged)
		sl_retry_done(&w->budget);
	if (lane == &request->lanes[FIRST])
		request->charged = false;
	if (lane->in_slot) {
		server->running--;
		if (works(server))
			serve(lane->node);
	}
	lane->in_slot = false;
}

static void ask(uint32_t index)
{
	struct request *request = &w->requests[index];
	struct sl_choose in = question(request);
	enum sl_retry_verdict verdict = SL_RETRY_MOVED;

	if (request->attempts == ATTEMPTS_MAX || w->now_ms >= request->start_ms + TOTAL_MS) {
		end(request, FAILED);
		return;
	}
	if (!sl_choose_is_out(&in, &w->nodes[request->node]) || !sl_choose_any_healthy(&in))
		verdict = sl_retry_take(&w->budget, &w->retry, in_flight(), true, w->now_ms);
	request->charged = verdict == SL_RETRY_CHARGED;
	if (verdict == SL_RETRY_SPENT)
		end(request, FAILED);
	else
		push(w->now_ms + 5 +
			     sl_random_backoff_ms(&w->random, 25, 1000, request->attempts - 1),
		     verdict == SL_RETRY_CROWDED ? ASK : TRY, index);
}

/* The next attempt's node, through its gate. SL_CHOOSE_NONE: nobody. */
static struct sl_choice acquire(const struct request *request, bool allow_panic,
				uint32_t *ret_ticket)
{
	struct sl_choose in = question(request);
	struct sl_breaker_change change;
	struct sl_choice choice;
	uint32_t tries;

	in.allow_panic = allow_panic;
	for (tries = 0; tries < 4; tries++) {
		in.random = sl_random_u32(&w->random);
		choice = sl_choose_node(&in);
		if (choice.slot == SL_CHOOSE_NONE)
			return choice;
		*ret_ticket = (uint32_t)sl_breaker_generation(w->nodes[choice.slot].breaker) << 1;
		if (choice.panic ||
		    sl_breaker_admit(&w->nodes[choice.slot], &w->pool, &w->breaker, w->now_ms,
				     in.random, ret_ticket, &change) != SL_BREAKER_REFUSE)
			return choice;
	}
	choice.slot = SL_CHOOSE_NONE;
	return choice;
}

static void start(uint32_t index, struct lane *lane, uint32_t node, uint32_t ticket)
{
	struct request *request = &w->requests[index];

	assert_true(request->attempts < ATTEMPTS_MAX);
	assert_false(lane->at_node);
	*lane = (struct lane){.sent_ms = w->now_ms,
			      .number = request->attempts + 1,
			      .node = node,
			      .ticket = ticket,
			      .at_node = true};
	request->tried[request->attempts++] = node;
	w->nodes[node].requests++;
	w->attempts++;
	send_to(index, lane);
}

static void attempt(uint32_t index)
{
	struct request *request = &w->requests[index];
	uint64_t after_us;
	uint32_t ticket;
	struct sl_choice choice = acquire(request, !request->attempts, &ticket);

	if (choice.slot == SL_CHOOSE_NONE || (request->attempts && choice.slot == request->node &&
					      sl_outcome_of(request->ending)->elsewhere)) {
		if (request->charged) {
			sl_retry_refund(&w->budget);
			sl_retry_done(&w->budget);
		}
		end(request, FAILED);
		return;
	}
	if (!request->attempts)
		sl_hedge_earn(&w->hedge_pool, &w->hedge);
	after_us = sl_hedge_after_us(&w->hedge_pool.times[0], &w->hedge, HEDGE_PER_MILLE, 1);
	if (w->hedging && !request->hedged && !choice.panic && after_us != SL_HEDGE_NEVER)
		push_of(w->now_ms + after_us / 1000, SLOW, index, request->attempts + 1, 0);
	start(index, &request->lanes[FIRST], choice.slot, ticket);
}

/* The attempt has taken as long as nearly none does. */
static void hedge(uint32_t index)
{
	struct request *request = &w->requests[index];
	struct sl_choose in = question(request);
	struct sl_hedge_view view = {
		.panic = sl_choose_in_panic(&in),
		.other = sl_choose_any_healthy(&in),
		.place = sl_choose_any_place(&in),
		.in_flight = in_flight(),
		.now_ms = w->now_ms,
	};
	struct sl_choice choice;
	uint32_t ticket;

	if (request->attempts == ATTEMPTS_MAX ||
	    sl_hedge_take(&w->hedge_pool, &w->budget, &w->hedge, &view) != SL_HEDGE_GO)
		return;
	choice = acquire(request, false, &ticket);
	assert_int_not_equal(choice.slot, SL_CHOOSE_NONE); /* one was healthy, and we are alone */
	assert_int_not_equal(choice.slot, request->lanes[FIRST].node);
	request->hedged = true;
	w->hedges++;
	start(index, &request->lanes[HEDGE], choice.slot, ticket);
}

/* While the other lane runs, that is the retry. */
static void fail_attempt(uint32_t index, struct lane *lane, enum sl_ending ending)
{
	leave_node(&w->requests[index], lane, ending);
	if (!is_under_way(&w->requests[index]))
		ask(index);
}

static void arrive(void)
{
	uint32_t index = w->request_count++;

	assert_true(w->request_count < REQUESTS_MAX);
	w->requests[index].start_ms = w->now_ms;
	attempt(index);
	push(w->now_ms + 1 + sl_random_below(&w->random, 2000 / w->rps), ARRIVAL, 0);
}

static void answer(uint32_t index, struct lane *lane)
{
	struct request *request = &w->requests[index];
	struct lane *other = &request->lanes[lane == &request->lanes[FIRST] ? HEDGE : FIRST];

	w->nodes[lane->node].last_byte_ns = w->now_ms * 1000000u;
	w->hedges_won += lane == &request->lanes[HEDGE];
	leave_node(request, lane, SL_ENDING_OK);
	if (other->at_node)
		leave_node(request, other, SL_ENDING_LOST);
	sl_retry_earn(&w->budget, &w->retry);
	end(request, ANSWERED);
}

static void done(const struct event *event)
{
	struct server *server = &w->servers[event->node];
	struct lane *lane = lane_of(event->request, event->attempt);

	if (server->health == REFUSES)
		return; /* its work died with it */
	if (lane && server->health != SILENT)
		answer(event->request, lane);
	if (works(server))
		serve(event->node);
}

static void run_until(uint64_t ms)
{
	uint64_t end_ms = START_MS + ms;

	while (w->events && w->heap[0].at_ms < end_ms) {
		struct event event = pop();
		struct lane *lane = lane_of(event.request, event.attempt);

		w->now_ms = event.at_ms;
		switch (event.kind) {
		case ARRIVAL:
			arrive();
			break;
		case TRY:
			attempt(event.request);
			break;
		case ASK:
			ask(event.request);
			break;
		case DONE:
			done(&event);
			break;
		case LATE:
			if (lane)
				fail_attempt(event.request, lane, SL_ENDING_TTFT_TIMEOUT);
			break;
		case FAILURE:
			if (lane)
				fail_attempt(event.request, lane,
					     w->servers[event.node].health == FAILS
						     ? SL_ENDING_STATUS_5XX
						     : SL_ENDING_RESET);
			break;
		case SLOW:
			if (lane)
				hedge(event.request);
			break;
		}
	}
	w->now_ms = end_ms;
}

/* ---- worlds ---------------------------------------------------------------------------------- */

static void begin(uint64_t seed, uint32_t rps, bool hedging)
{
	uint32_t i;

	memset(w, 0, sizeof(*w));
	sl_random_seed(&w->random, seed);
	w->now_ms = START_MS;
	w->rps = rps;
	w->hedging = hedging;
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
	w->hedge = (struct sl_hedge_config){
		.percent = TUNABLE(HEDGE_PERCENT),
		.burst = TUNABLE(HEDGE_BURST),
		.samples_min = TUNABLE(HEDGE_SAMPLES_MIN),
		.retry = w->retry,
	};
	w->pool.node_count = NODES;
	for (i = 1; i <= NODES; i++) {
		w->slots[i - 1] = i;
		w->nodes[i].admin = SL_NODE_PRESENT;
		w->nodes[i].weight = 1;
	}
	push(w->now_ms, ARRIVAL, 0);
}

static void set_health(uint32_t from, uint32_t to, enum health health)
{
	uint32_t i;

	for (i = from; i <= to; i++) {
		if (health == REFUSES)
			crash(i);
		w->servers[i].health = health;
		if (works(&w->servers[i]))
			serve(i);
	}
}

/* No more arrivals: whatever is under way comes to its end, and every request has one. */
static void finish(void)
{
	uint32_t i;

	for (i = 0; i < w->events; i++) {
		if (w->heap[i].kind == ARRIVAL)
			w->heap[i].kind = LATE, w->heap[i].attempt = UINT32_MAX;
	}
	run_until(10000000);
	assert_int_equal(w->events, 0);
	for (i = 0; i < w->request_count; i++)
		assert_int_not_equal(w->requests[i].outcome, NONE);
	assert_int_equal(w->answered + w->failed, w->request_count);
	assert_int_equal(w->budget.running, 0);
	if (w->hedges * 100 > (uint64_t)w->request_count * w->hedge.percent + w->hedge.burst * 100)
		fail_msg("%d hedges of %d requests", (int)w->hedges, (int)w->request_count);
	for (i = 1; i <= NODES; i++)
		assert_int_equal(w->nodes[i].requests, 0);
}

/* In thousandths, of the requests that begin within the next ms. */
static uint64_t share_answered(uint64_t from_ms, uint64_t ms)
{
	uint32_t first, last, i, good = 0;

	run_until(from_ms);
	first = w->request_count;
	run_until(from_ms + ms);
	last = w->request_count;
	run_until(from_ms + ms + TOTAL_MS);
	for (i = first; i < last; i++)
		good += w->requests[i].outcome == ANSWERED;
	return (uint64_t)good * 1000 / (last - first);
}

/* ---- what must hold -------------------------------------------------------------------------- */

static void test_well(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= 2 * SEEDS; seed++) {
		begin(seed, NORMAL_RPS, seed > SEEDS);
		run_until(60000);
		finish();
		assert_int_equal(w->failed, 0);
		assert_int_equal(w->attempts, w->request_count + w->hedges);
		assert_int_equal(w->hedging, w->hedges != 0);
	}
}

static void test_all_fail(void **state)
{
	static const enum health kinds[] = {REFUSES, FAILS, SILENT};
	uint64_t seed, allowed;
	size_t k;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (seed = 1; seed <= 2 * SEEDS; seed++) {
			begin(seed, NORMAL_RPS, seed > SEEDS);
			if (w->hedging) /* so that times are known */
				run_until(20000);
			set_health(1, NODES, kinds[k]);
			run_until(120000);
			finish();
			if (!w->hedging)
				assert_int_equal(w->answered, 0);
			allowed = (uint64_t)w->request_count * 12 / 10 + w->retry.budget / 2 +
				  w->hedge.burst + 1;
			if (w->attempts > allowed)
				fail_msg("kind %d seed %d: %d attempts of %d requests",
					 (int)kinds[k], (int)seed, (int)w->attempts,
					 (int)w->request_count);
		}
	}
}

/* The same without a budget: the simulator can see what the budget prevents. */
static void test_without_a_budget(void **state)
{
	(void)state;
	begin(1, NORMAL_RPS, false);
	w->retry.budget = 0;
	set_health(1, NODES, FAILS);
	run_until(30000);
	finish();
	assert_true(w->attempts > 2 * (uint64_t)w->request_count);
}

/* Every node dies once and comes back, one after the other, with full slots. */
static void test_deaths_save_all(void **state)
{
	uint64_t seed;
	uint32_t n;

	(void)state;
	for (seed = 1; seed <= 2 * SEEDS; seed++) {
		begin(seed, CAPACITY_RPS / 2, seed > SEEDS);
		for (n = 1; n <= NODES; n++) {
			run_until(n * 40000 + sl_random_below(&w->random, 5000));
			set_health(n, n, REFUSES);
			run_until(n * 40000 + 15000);
			set_health(n, n, WELL);
		}
		run_until(NODES * 40000 + 60000);
		finish();
		if (w->failed)
			fail_msg("seed %d: %d of %d requests failed", (int)seed, (int)w->failed,
				 (int)w->request_count);
	}
}

struct trigger {
	const char *what;
	uint32_t rps;	    /* while it lasts */
	uint32_t sick;	    /* nodes */
	enum health health; /* theirs */
	uint32_t ms;
};

static const struct trigger triggers[] = {
	{"three times the load", CAPACITY_RPS * 2, 0, WELL, 30000},
	{"half of the nodes refuse", NORMAL_RPS, NODES / 2, REFUSES, 30000},
	{"half of the nodes fail", NORMAL_RPS, NODES / 2, FAILS, 30000},
	{"half of the nodes are silent", NORMAL_RPS, NODES / 2, SILENT, 30000},
	{"all nodes refuse", NORMAL_RPS, NODES, REFUSES, 30000},
	{"all nodes are silent", NORMAL_RPS, NODES, SILENT, 30000},
};

static void test_recovery(void **state)
{
	uint64_t seed, share;
	size_t t;

	(void)state;
	for (t = 0; t < sizeof(triggers) / sizeof(triggers[0]); t++) {
		const struct trigger *trigger = &triggers[t];

		for (seed = 1; seed <= 2 * SEEDS; seed++) {
			begin(seed, NORMAL_RPS, seed > SEEDS);
			run_until(20000);
			w->rps = trigger->rps;
			set_health(1, trigger->sick, trigger->health);
			run_until(20000 + trigger->ms);
			w->rps = NORMAL_RPS;
			set_health(1, trigger->sick, WELL);
			share = share_answered(20000 + trigger->ms + 60000, 20000);
			if (share < 1000)
				fail_msg("%s, seed %d: %d of 1000 answered 60 s later",
					 trigger->what, (int)seed, (int)share);
			finish();
		}
	}
}

/* Single answers are late, on any node: what hedging is for. */
static void test_hedging_cuts_the_tail(void **state)
{
	uint32_t hedging, i, late[2];
	uint64_t seed;

	(void)state;
	for (seed = 1; seed <= SEEDS; seed++) {
		for (hedging = 0; hedging < 2; hedging++) {
			begin(seed, CAPACITY_RPS / 2, hedging);
			w->hedge.percent = 5; /* as many as are later than the percentile */
			set_health(1, NODES, STUTTERS);
			run_until(200000);
			finish();
			assert_int_equal(w->failed, 0);
			for (i = late[hedging] = 0; i < w->request_count; i++)
				late[hedging] +=
					w->requests[i].end_ms - w->requests[i].start_ms > LATE_MS;
		}
		if (late[1] * 2 > late[0] || w->hedges_won * 4 < w->hedges)
			fail_msg("seed %d: %d late, hedged %d; %d hedges of %d, %d won", (int)seed,
				 (int)late[0], (int)late[1], (int)w->hedges, (int)w->request_count,
				 (int)w->hedges_won);
	}
}

/* Overload: every request is late, and more work is what the pool needs least. */
static void test_hedging_in_an_overload(void **state)
{
	uint64_t seed, attempts[2] = {0}, answered[2] = {0};
	uint32_t hedging;

	(void)state;
	for (hedging = 0; hedging < 2; hedging++) {
		for (seed = 1; seed <= 4 * SEEDS; seed++) {
			begin(seed, NORMAL_RPS, hedging);
			run_until(20000);
			w->rps = CAPACITY_RPS * 3;
			run_until(50000);
			finish();
			attempts[hedging] += w->attempts;
			answered[hedging] += w->answered;
		}
	}
	if (attempts[1] * 100 > attempts[0] * 105 || answered[1] * 100 < answered[0] * 97)
		fail_msg("%d attempts and %d answers, hedged %d and %d", (int)attempts[0],
			 (int)answered[0], (int)attempts[1], (int)answered[1]);
}

static int make_world(void **state)
{
	(void)state;
	w = malloc(sizeof(*w));
	return w ? 0 : -1;
}

static int free_world(void **state)
{
	(void)state;
	free(w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_well),
		cmocka_unit_test(test_all_fail),
		cmocka_unit_test(test_without_a_budget),
		cmocka_unit_test(test_deaths_save_all),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_hedging_cuts_the_tail),
		cmocka_unit_test(test_hedging_in_an_overload),
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
