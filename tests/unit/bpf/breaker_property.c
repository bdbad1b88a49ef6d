/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A million random sequences of events (a tenth of that under the sanitizers) against what must always
 * hold:
 *
 *   - never two probes of a node in flight
 *   - never more ejected than the cap (where no operator ordered it)
 *   - the pool's count is the sum of its nodes', and a node holds a place exactly while it refuses
 *   - a ticket of another generation changes nothing but the count of its signal
 *   - the state changes along the drawn edges only
 *   - peek says what admit does
 *   - whatever happened, a node that answers well is admitted again
 *
 * The seed is printed; SL_SEED=N repeats a run. Ends after SECONDS_MAX with what it has done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "bpf/breaker.h"

#ifdef __SANITIZE_ADDRESS__ /* they look at each access, which fewer sequences reach as well */
#define SEQUENCES 100000u
#else
#define SEQUENCES 1000000u
#endif
#define EVENTS_MAX  48u
#define NODES_MAX   5u
#define TICKETS	    12u
#define SECONDS_MAX 20

struct held {
	uint32_t node;
	uint32_t ticket;
};

struct world {
	struct sl_node_state nodes[NODES_MAX];
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	uint64_t now_ms;
	struct held held[TICKETS];
	uint32_t held_count;
	uint32_t probe[NODES_MAX]; /* ticket of the probe in flight, 0 none */
	uint64_t probe_end_ms[NODES_MAX];
	uint64_t words[NODES_MAX];
	int with_orders;
	int with_metrics;
};

static uint64_t seed_at, run_seed;
static uint32_t sequence;

static uint32_t draw(uint32_t below)
{
	uint64_t z = seed_at += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)(((z ^ (z >> 31)) >> 32) * below >> 32);
}

#define MUST(condition)                                                                      \
	do {                                                                                 \
		if (!(condition))                                                            \
			fail_msg("seed %llu, sequence %u: %s", (unsigned long long)run_seed, \
				 sequence, #condition);                                      \
	} while (0)

static void world_init(struct world *w)
{
	static const uint64_t starts[] = {
		0, 5000, (1ull << 35) - 9000, (1ull << 36) - 9000, (1ull << 36) * 3, 1ull << 44};

	memset(w, 0, sizeof(*w));
	w->now_ms = starts[draw(6)] + draw(20000);
	w->pool.node_count = 1 + draw(NODES_MAX);
	w->with_orders = draw(4) == 0;
	w->with_metrics = draw(8) == 0;
	w->config = (struct sl_breaker_config){
		.consecutive = 1 + draw(6),
		.failure_percent = 1 + draw(100),
		.volume = 1 + draw(30),
		.slow_percent = draw(2) ? draw(101) : 0,
		.open_ms = 10 + draw(9000),
		.open_max_ms = 10 + draw(120000),
		.probe_ms = 10 + draw(20000),
		.successes = 1 + draw(15),
		.eject_percent = draw(101),
	};
	for (uint32_t i = 0; i < w->pool.node_count; i++) {
		w->nodes[i].admin = SL_NODE_PRESENT;
		w->words[i] = w->nodes[i].breaker =
			sl_breaker_pack(SL_BREAKER_CLOSED, 0, draw(2) ? 0xfff8 : 0, w->now_ms);
	}
}

static int holds(uint64_t word)
{
	enum sl_breaker_state state = sl_breaker_state(word);

	return state == SL_BREAKER_OPEN || state == SL_BREAKER_HALF_OPEN ||
	       state == SL_BREAKER_FORCED_OPEN;
}

/* Written down apart from SL_BREAKER_EDGES. */
static int is_edge(enum sl_breaker_state from, enum sl_breaker_state to)
{
	static const uint8_t edges[SL_BREAKER_STATES][SL_BREAKER_STATES] = {
		/*		  closed half open forced metrics */
		/* closed */ {1, 0, 1, 1, 1},
		/* half   */ {1, 1, 1, 1, 1},
		/* open   */ {1, 1, 1, 1, 1},
		/* forced */ {1, 0, 1, 1, 0},
		/* metric */ {1, 0, 1, 1, 1}, /* mode off and tripped, in one call */
	};

	return edges[from][to];
}

static void check_world(struct world *w)
{
	uint32_t sum = 0, out = 0;

	for (uint32_t i = 0; i < w->pool.node_count; i++) {
		uint64_t word = w->nodes[i].breaker, old = w->words[i];

		MUST(is_edge(sl_breaker_state(old), sl_breaker_state(word)));
		MUST(w->nodes[i].ejected == (uint32_t)holds(word));
		MUST(sl_breaker_probe(word) == 0 || sl_breaker_state(word) == SL_BREAKER_HALF_OPEN);
		sum += w->nodes[i].ejected;
		out += holds(word);
		w->words[i] = word;
		if (sl_breaker_generation(word) != sl_breaker_generation(old) &&
		    sl_breaker_ticket(word, 1) != w->probe[i])
			w->probe[i] = 0; /* lost, or cut short by an order */
	}
	MUST(w->pool.ejected == sum);
	if (!w->with_orders)
		MUST(out <= sl_breaker_cap(w->pool.node_count, w->config.eject_percent));
}

static void keep(struct world *w, uint32_t node, uint32_t ticket)
{
	uint32_t at = w->held_count < TICKETS ? w->held_count++ : draw(TICKETS);

	w->held[at] = (struct held){node, ticket};
}

static enum sl_breaker_verdict play_admit(struct world *w, uint32_t i)
{
	struct sl_breaker_change change;
	enum sl_breaker_verdict peek = sl_breaker_peek(&w->nodes[i], w->now_ms);
	enum sl_breaker_verdict verdict;
	uint32_t ticket;

	verdict = sl_breaker_admit(&w->nodes[i], &w->pool, &w->config, w->now_ms, draw(~0u),
				   &ticket, &change);
	MUST(peek != SL_BREAKER_ADMIT || verdict == SL_BREAKER_ADMIT);
	MUST(peek != SL_BREAKER_REFUSE || verdict == SL_BREAKER_REFUSE || w->config.metrics_only);
	MUST(ticket >> 1 == sl_breaker_generation(w->nodes[i].breaker) ||
	     verdict == SL_BREAKER_REFUSE);
	if (verdict == SL_BREAKER_ADMIT_PROBE) {
		MUST(w->probe[i] == 0 || w->now_ms >= w->probe_end_ms[i]);
		w->probe[i] = ticket;
		w->probe_end_ms[i] = w->now_ms + w->config.probe_ms;
	}
	keep(w, i, ticket);
	return verdict;
}

static void play_report(struct world *w, uint32_t i, uint32_t ticket, enum sl_outcome outcome)
{
	struct sl_node_state before = w->nodes[i];
	struct sl_breaker_change change;
	int is_stale = ticket >> 1 != sl_breaker_generation(before.breaker);

	sl_breaker_report(&w->nodes[i], &w->pool, &w->config, w->now_ms, draw(~0u), ticket, outcome,
			  SL_SIGNAL_RESET, draw(2) ? SL_PLANE_KERNEL : SL_PLANE_DAEMON, &change);
	before.signals[SL_SIGNAL_RESET]++;
	if (is_stale) {
		MUST(memcmp(&before, &w->nodes[i], sizeof(before)) == 0);
		MUST(!change.changed && !change.cap_denied && !change.would_open);
	} else if (ticket == w->probe[i]) {
		w->probe[i] = 0;
	}
	if (sl_breaker_state(before.breaker) == SL_BREAKER_HALF_OPEN && (ticket & 1) == 0)
		MUST(before.breaker == w->nodes[i].breaker);
}

static void play_event(struct world *w)
{
	uint32_t i = draw(w->pool.node_count);
	struct sl_breaker_change change;
	enum sl_outcome outcome = draw(3) ? SL_OUTCOME_FAILURE : (enum sl_outcome)draw(4);

	switch (draw(16)) {
	case 0:
		w->now_ms += draw(400);
		break;
	case 1:
		w->now_ms += draw(draw(4) ? 20000 : 4000000);
		break;
	case 2:
		if (w->with_orders)
			MUST(sl_breaker_force(&w->nodes[i], &w->pool,
					      (enum sl_breaker_order)draw(3), w->now_ms,
					      SL_PLANE_OPERATOR, &change));
		break;
	case 3:
		if (w->with_metrics)
			w->config.metrics_only = draw(2);
		break;
	case 4: /* a ticket from nowhere */
		play_report(w, i, draw(1u << 17), outcome);
		break;
	case 5: /* a run of failures, so that deep states are common */
		for (int n = 0; n < 6; n++)
			play_report(w, i, sl_breaker_generation(w->nodes[i].breaker) << 1,
				    SL_OUTCOME_FAILURE);
		break;
	case 6:
	case 7:
	case 8:
	case 9:
	case 10:
		play_admit(w, i);
		break;
	default: /* an outcome of one of the last, perhaps not its first */
		if (w->held_count != 0) {
			struct held *held = &w->held[draw(w->held_count)];

			play_report(w, held->node, held->ticket, outcome);
			if (draw(4) != 0)
				*held = w->held[--w->held_count];
		}
	}
}

/* From wherever it is, a node that answers well is let in again. */
static void check_recovery(struct world *w)
{
	struct sl_breaker_change change;

	w->config.metrics_only = 0;
	for (uint32_t i = 0; i < w->pool.node_count; i++) {
		if (sl_breaker_state(w->nodes[i].breaker) == SL_BREAKER_FORCED_OPEN)
			sl_breaker_force(&w->nodes[i], &w->pool, SL_BREAKER_ORDER_AUTO, w->now_ms,
					 SL_PLANE_OPERATOR, &change);
		for (uint32_t n = 0; n < w->config.successes + 4; n++) {
			w->now_ms += w->config.open_max_ms;
			if (n == 0 || w->probe[i] != 0)
				w->now_ms += w->config.probe_ms;
			if (play_admit(w, i) != SL_BREAKER_REFUSE)
				play_report(w, i, w->held[w->held_count - 1].ticket,
					    SL_OUTCOME_SUCCESS);
			w->held_count--;
		}
		MUST(sl_breaker_state(w->nodes[i].breaker) == SL_BREAKER_CLOSED);
		w->words[i] = w->nodes[i].breaker;
	}
	MUST(w->pool.ejected == 0);
}

static void test_sequences(void **unused)
{
	const char *given = getenv("SL_SEED");
	struct timespec start, now;
	static struct world w;
	uint64_t events = 0;

	(void)unused;
	clock_gettime(CLOCK_MONOTONIC, &start);
	run_seed = given ? strtoull(given, NULL, 10) : (uint64_t)start.tv_nsec;
	print_message("seed %llu (SL_SEED=%llu repeats this)\n", (unsigned long long)run_seed,
		      (unsigned long long)run_seed);
	for (sequence = 0; sequence < SEQUENCES; sequence++) {
		uint32_t count;

		seed_at = (run_seed << 20) + sequence * 0x632be59bd9b4e019ull;
		count = 1 + draw(EVENTS_MAX);
		world_init(&w);
		for (uint32_t n = 0; n < count; n++) {
			play_event(&w);
			check_world(&w);
		}
		events += count;
		w.held_count = 0;
		check_recovery(&w);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec >= SECONDS_MAX)
			break;
	}
	print_message("%u sequences, %llu events\n", sequence, (unsigned long long)events);
	assert_true(sequence > SEQUENCES / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
