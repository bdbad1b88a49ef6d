/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gateway.c - the attempt loop in a simulator: virtual clock, seeds, the policies of production
 * (choose, retry, outcome, breaker.h) in front of nodes with slots and queues.
 *
 *   arrivals -> choose -> gate -> node: queue -> slot -> answer, failure or silence
 *                 ^                                        |
 *                 +---- back off <- budget <- outcome <----+
 *
 * What must hold, for every seed:
 *   one outcome a request, whatever happens
 *   attempts <= 1.2 x requests (and the budget's own rest), when all nodes fail
 *   no failed request when nodes die one at a time and a healthy one is there
 *   60 s after the end of an overload, or of an outage, the pool serves as before it
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
#include "user/policy/outcome.h"
#include "user/policy/retry.h"

#define NODES	     4u
#define SLOTS	     4u
#define SEEDS	     8u
#define REQUESTS_MAX 40000u
#define EVENTS_MAX   (1u << 20)
#define ATTEMPTS_MAX 4u
#define SERVICE_MS   200u /* mean; uniform from half to one and a half */
#define CAPACITY_RPS (NODES * SLOTS * 1000u / SERVICE_MS)
#define NORMAL_RPS   (CAPACITY_RPS * 7u / 10u)
#define TTFT_MS	     2000u
#define TOTAL_MS     15000u
#define START_MS     1000000u

enum health { WELL = 0, REFUSES, FAILS, SILENT };
enum event_kind { ARRIVAL, TRY, ASK, DONE, FAILURE, LATE };
enum outcome { NONE = 0, ANSWERED, FAILED };

struct event {
	uint64_t at_ms, order;
	enum event_kind kind;
	uint32_t request, attempt, node;
};

struct request {
	uint64_t start_ms, sent_ms;
	uint32_t attempts, node, tried[ATTEMPTS_MAX];
	uint32_t ticket;
	bool charged, at_node, in_slot;
	enum sl_ending ending;
	enum outcome outcome;
};

struct server {
	enum health health;
	uint32_t running, head, tail;
	struct {
		uint32_t request, attempt;
	} queue[REQUESTS_MAX];
};

struct world {
	struct sl_random random;
	uint64_t now_ms, order, end_ms;
	struct event heap[EVENTS_MAX];
	uint32_t events;
	struct request requests[REQUESTS_MAX];
	uint32_t request_count, rps;
	uint64_t attempts, answered, failed;
	struct sl_node_state nodes[NODES + 1];
	struct sl_pool_state pool;
	struct server servers[NODES + 1];
	uint32_t slots[NODES];
	uint64_t tunables[SL_TUNABLE_KEYS];
	struct sl_breaker_config breaker;
	struct sl_retry_budget budget;
	struct sl_retry_config retry;
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

static void push(uint64_t at_ms, enum event_kind kind, uint32_t request, uint32_t node)
{
	push_of(at_ms, kind, request, w->requests[request].attempts, node);
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

static bool is_current(uint32_t request, uint32_t attempt)
{
	return w->requests[request].at_node && w->requests[request].attempts == attempt;
}

static void serve(uint32_t node)
{
	struct server *server = &w->servers[node];

	while (server->running < SLOTS && server->head < server->tail) {
		uint32_t request = server->queue[server->head].request;
		uint32_t attempt = server->queue[server->head++].attempt;

		if (!is_current(request, attempt))
			continue;
		server->running++;
		if (is_current(request, attempt))
			w->requests[request].in_slot = true;
		push_of(w->now_ms + SERVICE_MS / 2 + sl_random_below(&w->random, SERVICE_MS), DONE,
			request, attempt, node);
	}
}

static void send_to(uint32_t index, uint32_t node)
{
	struct server *server = &w->servers[node];

	push(w->now_ms + TTFT_MS, LATE, index, node);
	if (server->health == REFUSES || server->health == FAILS) {
		push(w->now_ms + 2, FAILURE, index, node);
		return;
	}
	assert_true(server->tail < REQUESTS_MAX);
	server->queue[server->tail].request = index;
	server->queue[server->tail++].attempt = w->requests[index].attempts;
	if (server->health == WELL)
		serve(node);
}

/* A crash: everybody on it hears of it at once. */
static void crash(uint32_t node)
{
	struct server *server = &w->servers[node];
	uint32_t i;

	server->health = REFUSES;
	server->head = server->tail = server->running = 0;
	for (i = 0; i < w->request_count; i++) {
		if (!w->requests[i].at_node || w->requests[i].node != node)
			continue;
		w->requests[i].in_slot = false;
		push(w->now_ms + 1, FAILURE, i, node);
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
	if (outcome == ANSWERED)
		w->answered++;
	else
		w->failed++;
}

static void leave_node(struct request *request, enum sl_ending ending)
{
	const struct sl_outcome_rule *rule = sl_outcome_of(ending);
	struct server *server = &w->servers[request->node];
	struct sl_node_state *node = &w->nodes[request->node];
	bool overload =
		sl_outcome_is_overload(ending, request->sent_ms * 1000000u, node->last_byte_ns);
	struct sl_breaker_change change;

	sl_breaker_report(node, &w->pool, &w->breaker, w->now_ms, sl_random_u32(&w->random),
			  request->ticket, overload ? SL_OUTCOME_NEUTRAL : rule->outcome,
			  overload ? SL_SIGNAL_BUSY : rule->signal, SL_PLANE_DAEMON, &change);
	w->nodes[request->node].requests--;
	request->at_node = false;
	request->ending = ending;
	if (request->charged)
		sl_retry_done(&w->budget);
	request->charged = false;
	if (request->in_slot) {
		server->running--;
		if (server->health == WELL)
			serve(request->node);
	}
	request->in_slot = false;
}

static void ask(uint32_t index)
{
	struct request *request = &w->requests[index];
	struct sl_choose in = question(request);
	enum sl_retry_verdict verdict = SL_RETRY_MOVED;
	uint32_t i, in_flight = 0;

	if (request->attempts == ATTEMPTS_MAX || w->now_ms >= request->start_ms + TOTAL_MS) {
		end(request, FAILED);
		return;
	}
	if (!sl_choose_is_out(&in, &w->nodes[request->node]) || !sl_choose_any_healthy(&in)) {
		for (i = 1; i <= NODES; i++)
			in_flight += w->nodes[i].requests;
		verdict = sl_retry_take(&w->budget, &w->retry, in_flight, true, w->now_ms);
	}
	request->charged = verdict == SL_RETRY_CHARGED;
	if (verdict == SL_RETRY_SPENT)
		end(request, FAILED);
	else
		push(w->now_ms + 5 +
			     sl_random_backoff_ms(&w->random, 25, 1000, request->attempts - 1),
		     verdict == SL_RETRY_CROWDED ? ASK : TRY, index, 0);
}

static void attempt(uint32_t index)
{
	struct request *request = &w->requests[index];
	struct sl_choose in = question(request);
	struct sl_breaker_change change;
	struct sl_choice choice;
	uint32_t tries;

	in.allow_panic = !request->attempts;
	for (tries = 0; tries < 4; tries++) {
		in.random = sl_random_u32(&w->random);
		choice = sl_choose_node(&in);
		if (choice.slot == SL_CHOOSE_NONE || choice.panic)
			break;
		if (sl_breaker_admit(&w->nodes[choice.slot], &w->pool, &w->breaker, w->now_ms,
				     in.random, &request->ticket, &change) != SL_BREAKER_REFUSE)
			break;
		choice.slot = SL_CHOOSE_NONE;
	}
	if (choice.slot == SL_CHOOSE_NONE || (request->attempts && choice.slot == request->node &&
					      sl_outcome_of(request->ending)->elsewhere)) {
		if (request->charged) {
			sl_retry_refund(&w->budget);
			sl_retry_done(&w->budget);
		}
		end(request, FAILED);
		return;
	}
	if (choice.panic)
		request->ticket = (uint32_t)sl_breaker_generation(w->nodes[choice.slot].breaker)
				  << 1;
	request->tried[request->attempts++] = request->node = choice.slot;
	request->at_node = true;
	request->sent_ms = w->now_ms;
	w->nodes[choice.slot].requests++;
	w->attempts++;
	send_to(index, choice.slot);
}

static void fail_attempt(uint32_t index, enum sl_ending ending)
{
	leave_node(&w->requests[index], ending);
	ask(index);
}

static void arrive(void)
{
	uint32_t index = w->request_count++;

	assert_true(w->request_count < REQUESTS_MAX);
	w->requests[index].start_ms = w->now_ms;
	attempt(index);
	push(w->now_ms + 1 + sl_random_below(&w->random, 2000 / w->rps), ARRIVAL, 0, 0);
}

static void done(const struct event *event)
{
	struct server *server = &w->servers[event->node];

	if (server->health == REFUSES)
		return; /* its work died with it */
	if (is_current(event->request, event->attempt) && server->health != SILENT) {
		w->nodes[event->node].last_byte_ns = w->now_ms * 1000000u;
		leave_node(&w->requests[event->request], SL_ENDING_OK);
		sl_retry_earn(&w->budget, &w->retry);
		end(&w->requests[event->request], ANSWERED);
	}
	if (server->health == WELL)
		serve(event->node);
}

static void run_until(uint64_t ms)
{
	uint64_t end_ms = START_MS + ms;

	while (w->events && w->heap[0].at_ms < end_ms) {
		struct event event = pop();

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
			if (is_current(event.request, event.attempt))
				fail_attempt(event.request, SL_ENDING_TTFT_TIMEOUT);
			break;
		case FAILURE:
			if (is_current(event.request, event.attempt))
				fail_attempt(event.request, w->servers[event.node].health == FAILS
								    ? SL_ENDING_STATUS_5XX
								    : SL_ENDING_RESET);
			break;
		}
	}
	w->now_ms = end_ms;
}

/* ---- worlds ---------------------------------------------------------------------------------- */

static void begin(uint64_t seed, uint32_t rps)
{
	uint32_t i;

	memset(w, 0, sizeof(*w));
	sl_random_seed(&w->random, seed);
	w->now_ms = START_MS;
	w->rps = rps;
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
	w->pool.node_count = NODES;
	for (i = 1; i <= NODES; i++) {
		w->slots[i - 1] = i;
		w->nodes[i].admin = SL_NODE_PRESENT;
		w->nodes[i].weight = 1;
	}
	push(w->now_ms, ARRIVAL, 0, 0);
}

static void set_health(uint32_t from, uint32_t to, enum health health)
{
	uint32_t i;

	for (i = from; i <= to; i++) {
		if (health == REFUSES)
			crash(i);
		w->servers[i].health = health;
		if (health == WELL)
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
	for (seed = 1; seed <= SEEDS; seed++) {
		begin(seed, NORMAL_RPS);
		run_until(60000);
		finish();
		assert_int_equal(w->failed, 0);
		assert_int_equal(w->attempts, w->request_count);
	}
}

static void test_all_fail(void **state)
{
	static const enum health kinds[] = {REFUSES, FAILS, SILENT};
	uint64_t seed, allowed;
	size_t k;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (seed = 1; seed <= SEEDS; seed++) {
			begin(seed, NORMAL_RPS);
			set_health(1, NODES, kinds[k]);
			run_until(120000);
			finish();
			assert_int_equal(w->answered, 0);
			allowed = (uint64_t)w->request_count * 12 / 10 + w->retry.budget / 2 + 1;
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
	begin(1, NORMAL_RPS);
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
	for (seed = 1; seed <= SEEDS; seed++) {
		begin(seed, CAPACITY_RPS / 2);
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

		for (seed = 1; seed <= SEEDS; seed++) {
			begin(seed, NORMAL_RPS);
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
	};

	return cmocka_run_group_tests(tests, make_world, free_world);
}
