/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads of two planes at one pool: admission, outcomes, orders. A probe is held alone, an instant
 * with many trips ejects exactly up to the cap, and when all are done the counts agree exactly.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"

#define NODES	4u
#define THREADS 4u
#define ROUNDS	1000000u

struct arena {
	struct sl_node_state nodes[NODES];
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	uint64_t now_ms;	  /* moved on by the threads themselves */
	uint32_t probes[NODES];	  /* probes that count, held now */
	uint32_t two_probes;	  /* how often a second one was seen */
	uint32_t trips, recovers; /* seen by the callers */
	uint32_t orders;	  /* an operator is at it too */
};

static uint32_t draw(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void note(struct arena *a, const struct sl_breaker_change *change)
{
	if (!change->changed)
		return;
	if (change->to == SL_BREAKER_OPEN)
		__sync_fetch_and_add(&a->trips, 1);
	if (change->to == SL_BREAKER_CLOSED)
		__sync_fetch_and_add(&a->recovers, 1);
}

/* One request: ask, hold, report. */
static void round_trip(struct arena *a, uint32_t *seed, enum sl_plane plane)
{
	struct sl_breaker_change change;
	unsigned i = draw(seed) % NODES;
	uint64_t now_ms = __sync_fetch_and_add(&a->now_ms, draw(seed) % 4 == 0);
	uint32_t ticket;
	enum sl_breaker_verdict verdict = sl_breaker_admit(&a->nodes[i], &a->pool, &a->config,
							   now_ms, draw(seed), &ticket, &change);
	/* Phases of a sick and a well node. */
	enum sl_outcome outcome = (now_ms / 512 + i) % 2 ? SL_OUTCOME_FAILURE : SL_OUTCOME_SUCCESS;

	note(a, &change);
	if (verdict == SL_BREAKER_REFUSE)
		return;
	if (draw(seed) % 64 == 0)
		outcome = SL_OUTCOME_NEUTRAL;
	if (verdict == SL_BREAKER_ADMIT_PROBE) {
		if (__sync_fetch_and_add(&a->probes[i], 1) != 0)
			__sync_fetch_and_add(&a->two_probes, 1);
		__sync_fetch_and_sub(&a->probes[i], 1);
	}
	sl_breaker_report(&a->nodes[i], &a->pool, &a->config, now_ms, draw(seed), ticket, outcome,
			  outcome == SL_OUTCOME_FAILURE ? SL_SIGNAL_RESET : SL_SIGNAL_SUCCESS,
			  plane, &change);
	note(a, &change);
}

struct thread {
	struct arena *arena;
	uint32_t seed;
	enum sl_plane plane;
};

static void *run(void *opaque)
{
	struct thread *thread = opaque;
	struct arena *a = thread->arena;

	for (uint32_t n = 0; n < ROUNDS; n++) {
		struct sl_breaker_change change;

		round_trip(a, &thread->seed, thread->plane);
		if (a->orders && draw(&thread->seed) % 32 == 0)
			sl_breaker_force(&a->nodes[draw(&thread->seed) % NODES], &a->pool,
					 (enum sl_breaker_order)(draw(&thread->seed) % 3),
					 a->now_ms, SL_PLANE_OPERATOR, &change);
	}
	return NULL;
}

static void hammer(struct arena *a, uint32_t orders, uint32_t probe_ms)
{
	struct thread threads[THREADS];
	pthread_t ids[THREADS];
	uint32_t held = 0;

	memset(a, 0, sizeof(*a));
	a->now_ms = 1000000;
	a->orders = orders;
	a->pool.node_count = NODES;
	a->config = (struct sl_breaker_config){
		.consecutive = 3,
		.failure_percent = 50,
		.volume = 20,
		.open_ms = 20,
		.open_max_ms = 100,
		.probe_ms = probe_ms,
		.successes = 3,
		.eject_percent = 50,
	};
	for (unsigned t = 0; t < THREADS; t++) {
		threads[t] = (struct thread){a, 12345 + t * 977,
					     t % 2 ? SL_PLANE_KERNEL : SL_PLANE_DAEMON};
		assert_int_equal(pthread_create(&ids[t], NULL, run, &threads[t]), 0);
	}
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(ids[t], NULL);
	for (unsigned i = 0; i < NODES; i++) {
		uint32_t out = sl_breaker_state(a->nodes[i].breaker) != SL_BREAKER_CLOSED;

		assert_int_equal(a->nodes[i].ejected, out);
		held += out;
	}
	assert_int_equal(a->pool.ejected, held);
	/* An order may cut a probe short and a new one begin while its holder still runs. */
	if (!orders)
		assert_int_equal(a->two_probes, 0);
	if (!orders)
		assert_true(held <= NODES / 2);
	assert_true(a->trips > 10);
	assert_true(a->recovers > 10);
}

static void test_two_planes(void **unused)
{
	struct arena a;

	(void)unused;
	hammer(&a, 0, 2400000); /* more than passes: no probe is lost, a second one is an error */
}

static void test_with_orders(void **unused)
{
	struct arena a;

	(void)unused;
	hammer(&a, 1, 200);
}

/* ---- the ejection cap: many trips at one instant ------------------------------------------- */

#define WIDE 8u
#define CAP  3u

struct start {
	struct sl_node_state nodes[WIDE];
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	pthread_barrier_t barrier;
	uint32_t turn;
	uint32_t denied;
	uint32_t opened;
	uint32_t over_cap;
	uint32_t leaked;
};

static void *trip_one(void *opaque)
{
	struct start *s = opaque;
	uint32_t mine = __sync_fetch_and_add(&s->turn, 1);

	for (uint32_t n = 0; n < 2000; n++) {
		struct sl_breaker_change change;
		struct sl_node_state *node = &s->nodes[(mine + n) % WIDE];
		uint64_t now_ms = 1000000 + n * 10000ull;
		uint32_t ticket = sl_breaker_ticket(sl_breaker_load(&node->breaker), 0);

		pthread_barrier_wait(&s->barrier);
		sl_breaker_report(node, &s->pool, &s->config, now_ms, mine, ticket,
				  SL_OUTCOME_FAILURE, SL_SIGNAL_RESET, SL_PLANE_KERNEL, &change);
		if (change.cap_denied)
			__sync_fetch_and_add(&s->denied, 1);
		if (change.changed)
			__sync_fetch_and_add(&s->opened, 1);
		pthread_barrier_wait(&s->barrier);
		if (s->pool.ejected > CAP)
			s->over_cap = 1;
		pthread_barrier_wait(&s->barrier);
		sl_breaker_force(node, &s->pool, SL_BREAKER_ORDER_CLOSE, now_ms, SL_PLANE_OPERATOR,
				 &change);
		pthread_barrier_wait(&s->barrier);
		if (s->pool.ejected != 0)
			s->leaked = 1;
		pthread_barrier_wait(&s->barrier);
	}
	return NULL;
}

static void test_cap_race(void **unused)
{
	static struct start s;
	pthread_t ids[WIDE];

	(void)unused;
	memset(&s, 0, sizeof(s));
	s.pool.node_count = WIDE;
	s.config = (struct sl_breaker_config){.consecutive = 1,
					      .failure_percent = 100,
					      .volume = 1000,
					      .open_ms = 5000,
					      .open_max_ms = 5000,
					      .probe_ms = 1000,
					      .successes = 1,
					      .eject_percent = 40};
	assert_int_equal(sl_breaker_cap(WIDE, 40), CAP);
	pthread_barrier_init(&s.barrier, NULL, WIDE);
	for (unsigned t = 0; t < WIDE; t++)
		assert_int_equal(pthread_create(&ids[t], NULL, trip_one, &s), 0);
	for (unsigned t = 0; t < WIDE; t++)
		pthread_join(ids[t], NULL);
	pthread_barrier_destroy(&s.barrier);
	assert_int_equal(s.over_cap, 0);
	assert_int_equal(s.leaked, 0);
	assert_true(s.opened > 0);
	assert_true(s.denied > 0);
}

/* The same without barriers, so that the trips overlap: who holds a place counts itself. */
struct crowd {
	struct sl_node_state nodes[THREADS];
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	uint32_t turn;
	uint32_t holders;
	uint32_t over_cap;
	uint32_t opened;
};

static void *hold_places(void *opaque)
{
	struct crowd *c = opaque;
	uint32_t mine = __sync_fetch_and_add(&c->turn, 1);
	struct sl_node_state *node = &c->nodes[mine];

	for (uint64_t n = 1; n <= ROUNDS; n++) {
		struct sl_breaker_change change;
		uint64_t now_ms = n * 2 * SL_BREAKER_DENIED_MS;

		sl_breaker_report(node, &c->pool, &c->config, now_ms, 0,
				  sl_breaker_ticket(sl_breaker_load(&node->breaker), 0),
				  SL_OUTCOME_FAILURE, SL_SIGNAL_RESET, SL_PLANE_KERNEL, &change);
		if (!change.changed)
			continue;
		if (__sync_fetch_and_add(&c->holders, 1) >= 1)
			c->over_cap = 1;
		__sync_fetch_and_add(&c->opened, 1);
		__sync_fetch_and_sub(&c->holders, 1);
		sl_breaker_force(node, &c->pool, SL_BREAKER_ORDER_CLOSE, now_ms, SL_PLANE_OPERATOR,
				 &change);
	}
	return NULL;
}

static void test_cap_overlapping(void **unused)
{
	struct crowd c;
	pthread_t ids[THREADS];

	(void)unused;
	memset(&c, 0, sizeof(c));
	c.pool.node_count = THREADS;
	c.config = (struct sl_breaker_config){.consecutive = 1,
					      .failure_percent = 100,
					      .volume = 100000,
					      .open_ms = 5000,
					      .open_max_ms = 5000,
					      .probe_ms = 1000,
					      .successes = 1,
					      .eject_percent = 25};
	assert_int_equal(sl_breaker_cap(THREADS, 25), 1);
	for (unsigned t = 0; t < THREADS; t++)
		assert_int_equal(pthread_create(&ids[t], NULL, hold_places, &c), 0);
	for (unsigned t = 0; t < THREADS; t++)
		pthread_join(ids[t], NULL);
	assert_int_equal(c.over_cap, 0);
	assert_int_equal(c.pool.ejected, 0);
	assert_true(c.opened > 100);
}

/* ---- probes: every one is somebody's alone ------------------------------------------------- */

#define GRANTS 60000u /* fewer than there are generations */

struct hunt {
	struct sl_node_state node;
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	uint32_t grants;
	uint32_t holders[1u << 16]; /* by generation */
};

static void *hunt_probes(void *opaque)
{
	struct hunt *h = opaque;

	while (__sync_fetch_and_add(&h->grants, 0) < GRANTS) {
		struct sl_breaker_change change;
		uint32_t ticket;

		if (sl_breaker_admit(&h->node, &h->pool, &h->config, 5000, 0, &ticket, &change) !=
		    SL_BREAKER_ADMIT_PROBE)
			continue;
		__sync_fetch_and_add(&h->grants, 1);
		__sync_fetch_and_add(&h->holders[ticket >> 1], 1);
		sl_breaker_report(&h->node, &h->pool, &h->config, 5000, 0, ticket,
				  SL_OUTCOME_NEUTRAL, SL_SIGNAL_BUSY, SL_PLANE_DAEMON, &change);
	}
	return NULL;
}

static void test_probe_race(void **unused)
{
	static struct hunt h;

	(void)unused;
	for (int round = 0; round < 10; round++) {
		pthread_t ids[THREADS];

		memset(&h, 0, sizeof(h));
		h.pool.node_count = 2;
		h.pool.ejected = h.node.ejected = 1;
		h.node.breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 0, 5000);
		h.config = (struct sl_breaker_config){.open_ms = 5000,
						      .open_max_ms = 5000,
						      .probe_ms = 1000,
						      .successes = 1,
						      .eject_percent = 50};
		for (unsigned t = 0; t < THREADS; t++)
			assert_int_equal(pthread_create(&ids[t], NULL, hunt_probes, &h), 0);
		for (unsigned t = 0; t < THREADS; t++)
			pthread_join(ids[t], NULL);
		for (uint32_t g = 0; g < 1u << 16; g++)
			assert_in_range(h.holders[g], 0, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cap_race),    cmocka_unit_test(test_cap_overlapping),
		cmocka_unit_test(test_probe_race),  cmocka_unit_test(test_two_planes),
		cmocka_unit_test(test_with_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
