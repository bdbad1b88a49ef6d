/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * world.h - the gateway's policies, as production runs them, in front of model servers that do not
 * exist, in a time that does not pass.
 *
 *   traffic.c    who sends what, and when; phases: what happens to the servers
 *   hedge.c      a second attempt beside a slow one: hedge.h
 *   gateway.c    one pool: queue.h, choose.h, breaker.h, retry.h, outcome.h, concurrency.h, put
 *                together as user/request does
 *   server.c     continuous batching: slots, prefill, a step for all streams that takes a + b * n
 *   world.c      clock and events
 *   check.c      what must hold at each event, and at the end
 *   scenarios.c  the worlds
 *   main.c       runs each with many seeds; TAP
 *   mutants.sh   breaks a policy in one place at a time; a scenario must find each
 *
 *   arrival -> place? -> node: queue -> slot -> prefill -> tokens -> end
 *      ^         | no       | refused, busy, late, dead
 *      |       queue        v
 *      |         ^       outcome -> breaker, limit
 *      +-- back off <-- retry budget
 *
 * A world is a function of its scenario and its seed: one thread, no real clock, events in the order
 * of their time and, at one time, of their making. An attempt is a thing of its own, beside its
 * request, which has two of them while it is hedged.
 */
#ifndef SL_TESTS_SIM_WORLD_H
#define SL_TESTS_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/breaker.h"
#include "user/base/random.h"
#include "user/base/tunables.h"
#include "user/policy/choose.h"
#include "user/policy/concurrency.h"
#include "user/policy/hedge.h"
#include "user/policy/outcome.h"
#include "user/policy/queue.h"
#include "user/policy/retry.h"

#define W_NODES_MAX    8u
#define W_REQUESTS_MAX 60000u
#define W_ATTEMPTS_MAX (4u * W_REQUESTS_MAX)
#define W_EVENTS_MAX   (1u << 20)
#define W_JOBS_MAX     8192u /* at one server */
#define W_TRIES_MAX    4u
#define W_SOURCES_MAX  6u
#define W_PHASES_MAX   8u
#define W_SECONDS_MAX  512u
#define W_START_MS     1000000u

#define W_MS 1000ull /* in us, the unit of the clock */
#define W_S  1000000ull

enum w_health { W_WELL = 0, W_REFUSES, W_FAILS, W_SILENT, W_BUSY };

/* ---- scenarios ------------------------------------------------------------------------------- */

/* A tenant that sends at a rate, or keeps so many requests under way. */
struct w_source {
	uint64_t tenant;
	enum sl_key_class class;
	uint32_t per_s;	      /* mean; exponential gaps */
	uint32_t under_way;   /* instead: as one ends, the next begins */
	uint32_t prompt, out; /* tokens, mean; a half to one and a half */
};

/* From a time on. */
struct w_phase {
	uint32_t at_s;
	uint32_t load_percent; /* of every source with a rate; 0: as before */
	uint32_t first, last;  /* nodes; 0: none */
	enum w_health health;
	uint32_t pace_percent; /* of the time that steps take; 0: as before */
};

struct w_server_kind {
	uint32_t a_us, b_us; /* a step with n streams takes a + b * n */
	uint32_t prefill_us; /* a token of a prompt adds to the step */
	uint32_t slots;	     /* that it runs at once */
	uint32_t waits;	     /* more that it keeps; the next one is told 429 */
	uint32_t after_ms;   /* Retry-After of it; 0: says none */
	bool works_on;	     /* for clients that have left */
};

struct w_scenario {
	const char *name;
	uint32_t nodes;
	uint32_t limit; /* slots that the gateway knows; 0: none */
	struct w_server_kind kind;
	struct sl_concurrency_config concurrency;
	struct w_source sources[W_SOURCES_MAX];
	struct w_phase phases[W_PHASES_MAX];
	uint32_t seconds;
	uint32_t ttft_ms, total_ms, wait_ms;
	uint32_t target_ms;	  /* of the queue */
	uint32_t hedge_per_mille; /* of the times to the first token; 0: nothing is hedged */
	uint32_t seeds;
	/* Of the world at its end; fails by w_fail(). */
	void (*judge)(void);
	/* What may happen in it at all. */
	bool may_fail;	 /* requests fail */
	bool may_refuse; /* requests are refused a place, or shed */
	bool may_open;	 /* breakers of nodes that are in order: they answer nobody in time */
	bool may_cut;	 /* streams are cut after their first token */
};

extern const struct w_scenario w_scenarios[];
extern const size_t w_scenario_count;

/* ---- the world ------------------------------------------------------------------------------- */

enum w_outcome {
	W_NONE = 0,
	W_ANSWERED,
	W_FAILED,
	W_REFUSED, /* by the queue */
	W_CUT,	   /* after its first token */
	W_OUTCOMES
};

enum w_event_kind {
	W_ARRIVAL,
	W_PHASE,
	W_STEP,	  /* of a server */
	W_REPLY,  /* of a server that does not serve */
	W_LATE,	  /* no first token in time */
	W_TOTAL,  /* the request's deadline */
	W_ASK,	  /* for a retry once more */
	W_TRY,	  /* again */
	W_HEDGE,  /* of an attempt that takes long */
	W_EXPIRE, /* a wait */
	W_TICK,	  /* of the queue */
	W_SAMPLE, /* a second is over */
};

struct w_event {
	uint64_t at_us, order;
	enum w_event_kind kind;
	uint32_t index; /* request, attempt, server, source or phase */
	uint32_t era;	/* of a wait, of a server's life */
};

struct w_request {
	struct sl_queue_entry entry; /* first */
	uint64_t start_us, deadline_us, first_us;
	uint64_t place_until_us, hold_until_us;
	uint32_t source, prompt, out;
	uint32_t tries, tried[W_TRIES_MAX], shunned[W_TRIES_MAX], shunned_count;
	uint32_t attempt; /* the one under way; 0: none */
	uint32_t hedge;	  /* the one beside it */
	bool hedged;
	uint32_t last_node;
	uint32_t era;
	enum sl_ending ending;
	bool charged, was_full;
	enum w_outcome outcome;
};

struct w_attempt {
	uint64_t sent_us, last_us;
	uint32_t request, node, ticket, left, reads;
	bool live; /* the gateway waits for it */
	bool first;
	bool charged; /* it is a retry that was paid for */
	bool hedge;   /* the second one, until it wins */
	bool placed;  /* among the retries that run, as a hedge */
};

struct w_server {
	struct w_server_kind kind;
	enum w_health health;
	uint32_t pace_percent;
	uint32_t era;
	bool stepping;
	uint32_t running, waiting; /* in jobs[]: those that run, then those that wait */
	uint32_t jobs[W_JOBS_MAX];
	uint64_t tokens, busy_answers;
};

struct w_second {
	uint32_t arrivals, firsts, retries, hedges, moved, answered, failed, refused, cut, busy;
	uint64_t ttft_us;
	uint64_t granted[W_SOURCES_MAX];
	uint32_t limit, in_flight; /* of all nodes, at its end */
};

struct world {
	const struct w_scenario *scenario;
	uint64_t seed;
	struct sl_random random;
	uint64_t now_us, order;
	struct w_event heap[W_EVENTS_MAX];
	uint32_t events;
	uint32_t load_percent;
	bool draining; /* no more arrivals */

	struct w_request requests[W_REQUESTS_MAX];
	struct w_attempt attempts[W_ATTEMPTS_MAX];
	uint32_t request_count, attempt_count; /* attempt 0 is none */
	uint64_t outcomes[W_OUTCOMES];
	struct w_server servers[W_NODES_MAX + 1];
	struct w_second seconds[W_SECONDS_MAX];

	/* what the threads of the daemon share */
	struct sl_node_state nodes[W_NODES_MAX + 1];
	struct sl_pool_state pool;
	uint64_t holds[W_NODES_MAX + 1], alive_ns[W_NODES_MAX + 1];
	struct sl_concurrency concurrency[W_NODES_MAX + 1];
	struct sl_retry_budget budget;
	struct sl_hedge_pool hedges;
	struct sl_queue queue;
	uint64_t probe_us, doubt_us;
	bool ticking;

	uint64_t tunables[SL_TUNABLE_KEYS];
	struct sl_breaker_config breaker;
	struct sl_retry_config retry;
	struct sl_hedge_config hedge;
	struct sl_queue_config queue_config;
	struct sl_concurrency_config limits_config;
	uint32_t slots[W_NODES_MAX], limits[W_NODES_MAX];

	uint64_t hedge_verdicts[SL_HEDGE_VERDICTS], hedges_won;
	uint32_t passed[SL_QUEUE_CLASSES]; /* check.c: grants to others while it waited */
	bool failed;
};

extern struct world *w;

/* ---- world.c --------------------------------------------------------------------------------- */

void w_push(uint64_t at_us, enum w_event_kind kind, uint32_t index, uint32_t era);
static inline uint64_t w_now_ms(void)
{
	return w->now_us / W_MS;
}
/* Of the world, from its begin on. */
static inline uint32_t w_second_of(uint64_t us)
{
	uint64_t second = us / W_S - W_START_MS / 1000u;

	return second < W_SECONDS_MAX ? (uint32_t)second : W_SECONDS_MAX - 1;
}
static inline struct w_second *w_this_second(void)
{
	return &w->seconds[w_second_of(w->now_us)];
}
/* Runs the scenario; false: something did not hold, and was said. */
bool w_run(const struct w_scenario *scenario, uint64_t seed);
/* Once a run; what follows is not looked at. */
__attribute__((format(printf, 1, 2))) void w_fail(const char *format, ...);

/* ---- traffic.c ------------------------------------------------------------------------------- */

void w_traffic_begin(void);
void w_arrive(uint32_t source);
void w_ended(uint32_t source); /* a request of it has ended */
void w_enter_phase(uint32_t phase);

/* ---- gateway.c ------------------------------------------------------------------------------- */

/* A node that takes a request, and counts it. */
struct w_grant {
	uint32_t node; /* 0: none */
	uint32_t ticket;
	bool full;
};

void w_gateway_begin(void);
struct sl_choose w_question(const uint32_t *tried, uint32_t tried_count);
struct w_grant w_acquire(struct sl_choose *in);
void w_give_back(const struct w_grant *grant);
void w_send(struct w_request *request, const struct w_grant *grant, bool charged, bool hedge);
void w_report(const struct w_attempt *attempt, enum sl_outcome outcome, enum sl_signal signal);
void w_release(struct w_attempt *attempt);
/* Its node has a place: the next in line gets it. */
void w_freed(uint32_t node);
void w_request_start(uint32_t request);
void w_on_first_token(uint32_t attempt);
void w_on_token(uint32_t attempt);
void w_on_end(uint32_t attempt);
/* after_ms: of SL_ENDING_BUSY, 0: none was said */
void w_on_failure(uint32_t attempt, enum sl_ending ending, uint32_t after_ms);
void w_on_late(uint32_t attempt);
void w_on_total(uint32_t request);
void w_ask(uint32_t request);
void w_try(uint32_t request);
void w_expire(uint32_t request, uint32_t era);
void w_tick(void);

/* ---- hedge.c --------------------------------------------------------------------------------- */

void w_hedge_begin(void);
void w_hedge_sent(uint32_t attempt);
void w_hedge_due(uint32_t attempt);
/* It has its first token: the other one, if there is one, has lost. */
void w_hedge_decided(uint32_t attempt);
void w_hedge_lose(uint32_t attempt);
/* Its place among the retries is free, if it has one. */
void w_hedge_over(struct w_attempt *attempt);

/* ---- server.c -------------------------------------------------------------------------------- */

void w_server_take(uint32_t node, uint32_t attempt);
void w_server_leave(uint32_t node, uint32_t attempt);
void w_server_step(uint32_t node, uint32_t era);
void w_server_reply(uint32_t attempt);
void w_server_set(uint32_t node, enum w_health health, uint32_t pace_percent);

/* ---- check.c --------------------------------------------------------------------------------- */

void w_check_send(uint32_t node);
/* A retry has got its place; in_flight: attempts, without it. */
void w_check_retry(uint32_t in_flight);
void w_check_grant(enum sl_key_class class);
/* A hedge is to be sent; nothing of it is yet but what it paid. in_flight: attempts, without it. */
void w_check_hedge(const struct w_request *request, uint32_t in_flight);
void w_check_end(void);
void w_sample(void);

#endif
