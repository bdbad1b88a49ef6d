/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The breaker's transition table, its fences and its numbers, one thread. The races are in
 * breaker_race.c, random sequences in breaker_property.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"

#define POOL_NODES 4u
#define T0	   1000000ull /* ms */

struct bench {
	struct sl_node_state nodes[POOL_NODES];
	struct sl_pool_state pool;
	struct sl_breaker_config config;
	struct sl_breaker_change change;
	uint64_t now_ms;
};

static void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->pool.node_count = POOL_NODES;
	b->now_ms = T0;
	b->config = (struct sl_breaker_config){
		.consecutive = 5,
		.failure_percent = 50,
		.volume = 20,
		.open_ms = 5000,
		.open_max_ms = 120000,
		.probe_ms = 10000,
		.successes = 3,
		.eject_percent = 50,
	};
	for (unsigned i = 0; i < POOL_NODES; i++)
		b->nodes[i].admin = SL_NODE_PRESENT;
}

static enum sl_breaker_verdict admit(struct bench *b, unsigned i, uint32_t *ticket)
{
	return sl_breaker_admit(&b->nodes[i], &b->pool, &b->config, b->now_ms, 0, ticket,
				&b->change);
}

static void report(struct bench *b, unsigned i, uint32_t ticket, enum sl_outcome outcome)
{
	static const enum sl_signal signals[] = {SL_SIGNAL_BUSY, SL_SIGNAL_SUCCESS,
						 SL_SIGNAL_FIRST_BYTE_SLOW,
						 SL_SIGNAL_CONNECT_ERROR};

	sl_breaker_report(&b->nodes[i], &b->pool, &b->config, b->now_ms, 0, ticket, outcome,
			  signals[outcome], SL_PLANE_DAEMON, &b->change);
}

static uint32_t own_ticket(struct bench *b, unsigned i)
{
	return sl_breaker_ticket(b->nodes[i].breaker, sl_breaker_probe(b->nodes[i].breaker));
}

static enum sl_breaker_state state(struct bench *b, unsigned i)
{
	return sl_breaker_state(b->nodes[i].breaker);
}

static void fail_times(struct bench *b, unsigned i, int times)
{
	while (times-- > 0)
		report(b, i, own_ticket(b, i), SL_OUTCOME_FAILURE);
}

static void force(struct bench *b, unsigned i, enum sl_breaker_order order)
{
	assert_int_equal(sl_breaker_force(&b->nodes[i], &b->pool, order, b->now_ms,
					  SL_PLANE_OPERATOR, &b->change),
			 1);
}

/* Brings node 0 into a state; half-open has its probe in flight. */
static void enter(struct bench *b, enum sl_breaker_state wanted)
{
	uint32_t ticket;

	switch (wanted) {
	case SL_BREAKER_OPEN:
	case SL_BREAKER_HALF_OPEN:
		fail_times(b, 0, 5);
		if (wanted == SL_BREAKER_OPEN)
			break;
		b->now_ms += 5000;
		assert_int_equal(admit(b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
		break;
	case SL_BREAKER_FORCED_OPEN:
		force(b, 0, SL_BREAKER_ORDER_OPEN);
		break;
	case SL_BREAKER_METRICS_ONLY:
		b->config.metrics_only = 1;
		report(b, 0, own_ticket(b, 0), SL_OUTCOME_SUCCESS);
		break;
	default:
		break;
	}
	assert_int_equal(state(b, 0), wanted);
}

enum event {
	ADMIT,
	ADMIT_DUE, /* after the word's time has come */
	SUCCESS,
	LAST_SUCCESS, /* the one that is enough */
	SLOW_ONE,
	NEUTRAL,
	FAILURE,
	ENOUGH_FAILURES,
	STALE_FAILURES,
	WITHOUT_PROBE, /* failures of this generation, but no probe's */
	FORCE_OPEN,
	FORCE_CLOSE,
	FORCE_AUTO,
	METRICS_ON, /* and an admission */
};

struct row {
	enum sl_breaker_state from;
	enum event event;
	enum sl_breaker_state to;
	int verdict; /* of ADMIT*; -1 else */
	unsigned exponent;
};

#define C SL_BREAKER_CLOSED
#define H SL_BREAKER_HALF_OPEN
#define O SL_BREAKER_OPEN
#define F SL_BREAKER_FORCED_OPEN
#define M SL_BREAKER_METRICS_ONLY

static const struct row rows[] = {
	{C, ADMIT, C, SL_BREAKER_ADMIT, 0},
	{C, ADMIT_DUE, C, SL_BREAKER_ADMIT, 0},
	{C, SUCCESS, C, -1, 0},
	{C, SLOW_ONE, C, -1, 0},
	{C, NEUTRAL, C, -1, 0},
	{C, FAILURE, C, -1, 0},
	{C, ENOUGH_FAILURES, O, -1, 0},
	{C, STALE_FAILURES, C, -1, 0},
	{C, FORCE_OPEN, F, -1, 0},
	{C, FORCE_CLOSE, C, -1, 0},
	{C, FORCE_AUTO, C, -1, 0},
	{C, METRICS_ON, C, SL_BREAKER_ADMIT, 0},
	{O, ADMIT, O, SL_BREAKER_REFUSE, 0},
	{O, ADMIT_DUE, H, SL_BREAKER_ADMIT_PROBE, 0},
	{O, SUCCESS, O, -1, 0},
	{O, NEUTRAL, O, -1, 0},
	{O, ENOUGH_FAILURES, O, -1, 0},
	{O, STALE_FAILURES, O, -1, 0},
	{O, FORCE_OPEN, F, -1, 0},
	{O, FORCE_CLOSE, C, -1, 0},
	{O, FORCE_AUTO, O, -1, 0},
	{O, METRICS_ON, M, SL_BREAKER_ADMIT, 0},
	{H, ADMIT, H, SL_BREAKER_REFUSE, 0},
	{H, ADMIT_DUE, O, SL_BREAKER_REFUSE, 1},
	{H, SUCCESS, H, -1, 0},
	{H, LAST_SUCCESS, C, -1, 0},
	{H, SLOW_ONE, H, -1, 0},
	{H, NEUTRAL, H, -1, 0},
	{H, FAILURE, O, -1, 1},
	{H, STALE_FAILURES, H, -1, 0},
	{H, WITHOUT_PROBE, H, -1, 0},
	{H, FORCE_OPEN, F, -1, 0},
	{H, FORCE_CLOSE, C, -1, 0},
	{H, FORCE_AUTO, H, -1, 0},
	{H, METRICS_ON, M, SL_BREAKER_ADMIT, 0},
	{F, ADMIT, F, SL_BREAKER_REFUSE, 0},
	{F, ADMIT_DUE, F, SL_BREAKER_REFUSE, 0},
	{F, SUCCESS, F, -1, 0},
	{F, ENOUGH_FAILURES, F, -1, 0},
	{F, FORCE_OPEN, F, -1, 0},
	{F, FORCE_CLOSE, C, -1, 0},
	{F, FORCE_AUTO, O, -1, 0},
	{F, METRICS_ON, F, SL_BREAKER_REFUSE, 0},
	{M, ADMIT, M, SL_BREAKER_ADMIT, 0},
	{M, ADMIT_DUE, M, SL_BREAKER_ADMIT, 0},
	{M, SUCCESS, M, -1, 0},
	{M, ENOUGH_FAILURES, M, -1, 0},
	{M, FORCE_OPEN, F, -1, 0},
	{M, FORCE_CLOSE, M, -1, 0},
	{M, FORCE_AUTO, M, -1, 0},
};

static int play(struct bench *b, enum event event)
{
	uint32_t ticket = own_ticket(b, 0);

	switch (event) {
	case ADMIT_DUE:
		b->now_ms += 3600000;
		return (int)admit(b, 0, &ticket);
	case METRICS_ON:
		b->config.metrics_only = 1;
		return (int)admit(b, 0, &ticket);
	case ADMIT:
		return (int)admit(b, 0, &ticket);
	case LAST_SUCCESS:
		b->config.successes = 1;
		report(b, 0, ticket, SL_OUTCOME_SUCCESS);
		break;
	case SUCCESS:
		report(b, 0, ticket, SL_OUTCOME_SUCCESS);
		break;
	case SLOW_ONE:
		report(b, 0, ticket, SL_OUTCOME_SLOW);
		break;
	case NEUTRAL:
		report(b, 0, ticket, SL_OUTCOME_NEUTRAL);
		break;
	case FAILURE:
		report(b, 0, ticket, SL_OUTCOME_FAILURE);
		break;
	case ENOUGH_FAILURES:
		fail_times(b, 0, 50);
		break;
	case STALE_FAILURES:
		for (int i = 0; i < 50; i++)
			report(b, 0, ((ticket >> 1) + 0xffff) % 0x10000 << 1 | (ticket & 1),
			       SL_OUTCOME_FAILURE);
		break;
	case WITHOUT_PROBE:
		for (int i = 0; i < 50; i++)
			report(b, 0, ticket & ~1u, SL_OUTCOME_FAILURE);
		break;
	case FORCE_OPEN:
		force(b, 0, SL_BREAKER_ORDER_OPEN);
		break;
	case FORCE_CLOSE:
		force(b, 0, SL_BREAKER_ORDER_CLOSE);
		break;
	case FORCE_AUTO:
		force(b, 0, SL_BREAKER_ORDER_AUTO);
		break;
	}
	return -1;
}

static void test_table(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bench b;
		int verdict;
		int holds = rows[i].to == H || rows[i].to == O || rows[i].to == F;

		bench_init(&b);
		enter(&b, rows[i].from);
		verdict = play(&b, rows[i].event);
		if (verdict != rows[i].verdict || state(&b, 0) != rows[i].to)
			fail_msg("row %zu: state %d, event %d: now state %d, verdict %d", i,
				 rows[i].from, rows[i].event, state(&b, 0), verdict);
		assert_int_equal(sl_breaker_exponent(b.nodes[0].breaker), rows[i].exponent);
		assert_int_equal(b.nodes[0].ejected, holds);
		assert_int_equal(b.pool.ejected, holds);
		if (rows[i].event != ENOUGH_FAILURES && rows[i].from != rows[i].to) {
			assert_int_equal(b.change.changed, 1);
			assert_int_equal(b.change.from, rows[i].from);
			assert_int_equal(b.change.to, rows[i].to);
		}
	}
}

static void test_closes_after_successes(void **unused)
{
	struct bench b;
	uint32_t ticket;

	(void)unused;
	bench_init(&b);
	enter(&b, SL_BREAKER_HALF_OPEN);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(state(&b, 0), SL_BREAKER_HALF_OPEN);
		report(&b, 0, own_ticket(&b, 0), SL_OUTCOME_SUCCESS);
		if (i < 2)
			assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
	}
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	assert_int_equal(b.nodes[0].recovered_ms, b.now_ms);
	assert_int_equal(b.nodes[0].consecutive, 0);
	assert_int_equal(b.nodes[0].trips, 1);
	/* No failure of before counts: four more do not trip. */
	fail_times(&b, 0, 4);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	assert_int_equal(b.nodes[0].ejected, 0);
}

static void test_generation_fence(void **unused)
{
	struct bench b;
	uint32_t before, probe, next;

	(void)unused;
	bench_init(&b);
	admit(&b, 0, &before);
	fail_times(&b, 0, 5);
	b.now_ms += 5000;
	admit(&b, 0, &probe);
	report(&b, 0, before, SL_OUTCOME_FAILURE); /* a straggler from before the trip */
	report(&b, 0, before, SL_OUTCOME_SUCCESS);
	assert_int_equal(state(&b, 0), SL_BREAKER_HALF_OPEN);
	assert_int_equal(sl_breaker_successes(b.nodes[0].breaker), 0);
	report(&b, 0, probe, SL_OUTCOME_SUCCESS);
	report(&b, 0, probe, SL_OUTCOME_SUCCESS); /* the same probe again */
	assert_int_equal(sl_breaker_successes(b.nodes[0].breaker), 1);
	assert_int_equal(admit(&b, 0, &next), SL_BREAKER_ADMIT_PROBE);
	report(&b, 0, probe, SL_OUTCOME_FAILURE); /* the former probe, while the next is out */
	assert_int_equal(state(&b, 0), SL_BREAKER_HALF_OPEN);
	assert_int_equal(sl_breaker_probe(b.nodes[0].breaker), 1);
	b.config.successes = 1;
	report(&b, 0, next, SL_OUTCOME_SUCCESS);
	for (int i = 0; i < 50; i++) {
		report(&b, 0, before, SL_OUTCOME_FAILURE);
		report(&b, 0, probe, SL_OUTCOME_FAILURE);
		report(&b, 0, next, SL_OUTCOME_FAILURE);
	}
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	assert_int_equal(b.nodes[0].consecutive, 0);
	assert_int_equal(b.nodes[0].signals[SL_SIGNAL_CONNECT_ERROR], 5 + 1 + 1 + 150);
}

static void test_generation_wraps(void **unused)
{
	struct bench b;
	uint32_t ticket;

	(void)unused;
	bench_init(&b);
	b.nodes[0].breaker = sl_breaker_pack(SL_BREAKER_CLOSED, 0, 0xffff, 0);
	admit(&b, 0, &ticket);
	assert_int_equal(ticket, 0xffffu << 1);
	fail_times(&b, 0, 5);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
	assert_int_equal(sl_breaker_generation(b.nodes[0].breaker), 0);
	b.now_ms += 5000;
	assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
	assert_int_equal(ticket, 1u << 1 | 1u);
}

static void test_late_probe(void **unused)
{
	struct bench b;

	(void)unused;
	bench_init(&b);
	enter(&b, SL_BREAKER_HALF_OPEN);
	b.now_ms += b.config.probe_ms - 1;
	assert_int_equal(sl_breaker_peek(&b.nodes[0], b.now_ms), SL_BREAKER_REFUSE);
	b.now_ms += 1;
	assert_int_equal(sl_breaker_peek(&b.nodes[0], b.now_ms), SL_BREAKER_ADMIT_PROBE);
	report(&b, 0, own_ticket(&b, 0), SL_OUTCOME_SUCCESS); /* a success, but too late */
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
	assert_int_equal(b.change.signal, SL_SIGNAL_PROBE_LOST);
	assert_int_equal(b.nodes[0].signals[SL_SIGNAL_PROBE_LOST], 1);
}

static void test_ratio_and_window(void **unused)
{
	struct bench b;
	struct sl_breaker_window sum;

	(void)unused;
	bench_init(&b);
	b.config.consecutive = 1000;
	for (int i = 0; i < 10; i++)
		report(&b, 0, 0, SL_OUTCOME_SUCCESS);
	fail_times(&b, 0, 9);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED); /* 19 outcomes */
	b.now_ms += 9000;
	sl_breaker_window_sum(&b.nodes[0], b.now_ms, &sum);
	assert_int_equal(sum.success, 10);
	assert_int_equal(sum.failure, 9);
	b.now_ms += 1000;
	sl_breaker_window_sum(&b.nodes[0], b.now_ms, &sum);
	assert_int_equal(sum.success + sum.failure, 0);
	fail_times(&b, 0, 19);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED); /* 19 again: the others are gone */
	fail_times(&b, 0, 1);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);

	bench_init(&b);
	b.config.consecutive = 1000;
	for (int i = 0; i < 11; i++)
		report(&b, 0, 0, SL_OUTCOME_SUCCESS);
	fail_times(&b, 0, 10);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED); /* 10 of 21 */
	fail_times(&b, 0, 1);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN); /* 11 of 22 */
}

/* A breaker that closed within the window's ten seconds starts with an empty one. */
static void test_window_is_forgotten(void **unused)
{
	struct bench b;

	(void)unused;
	bench_init(&b);
	b.config.consecutive = 1000;
	b.config.open_ms = 10;
	b.config.successes = 1;
	fail_times(&b, 0, 20);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
	b.now_ms += 10;
	assert_int_equal(admit(&b, 0, &(uint32_t){0}), SL_BREAKER_ADMIT_PROBE);
	report(&b, 0, own_ticket(&b, 0), SL_OUTCOME_SUCCESS);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	fail_times(&b, 0, 1);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
}

static void test_slow_share(void **unused)
{
	struct bench b;

	(void)unused;
	for (uint32_t percent = 0; percent <= 50; percent += 50) {
		bench_init(&b);
		b.config.slow_percent = percent;
		for (int i = 0; i < 30; i++)
			report(&b, 0, 0, SL_OUTCOME_SLOW);
		assert_int_equal(state(&b, 0), percent ? SL_BREAKER_OPEN : SL_BREAKER_CLOSED);
	}
	b.now_ms += 5000;
	admit(&b, 0, &(uint32_t){0});
	report(&b, 0, own_ticket(&b, 0), SL_OUTCOME_SLOW); /* where slow trips, slow is no proof */
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
}

/* Stamps come again after 65,536 s, in the same bucket after 327,680 s. */
static void test_stamp_aliases(void **unused)
{
	static const uint64_t gaps_s[] = {65536, 327680, 655360, 1000000ull * 327680};

	(void)unused;
	for (size_t i = 0; i < sizeof(gaps_s) / sizeof(gaps_s[0]); i++) {
		struct bench b;
		struct sl_breaker_window sum;

		bench_init(&b);
		b.config.consecutive = 1000;
		fail_times(&b, 0, 19);
		b.now_ms += gaps_s[i] * 1000;
		sl_breaker_window_sum(&b.nodes[0], b.now_ms, &sum);
		assert_int_equal(sum.failure, 0);
		b.now_ms += 1000; /* so that the aliased bucket is not the one written */
		fail_times(&b, 0, 19);
		assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	}
	{
		/* An outcome each 5 s touches two buckets only; the others must not come alive. */
		struct bench b;
		struct sl_breaker_window sum;

		bench_init(&b);
		b.config.consecutive = 1000;
		b.now_ms = 3000;
		fail_times(&b, 0, 19);
		for (uint64_t s = 5; s <= 327685; s += 5) {
			b.now_ms = s * 1000;
			report(&b, 0, 0, SL_OUTCOME_SUCCESS);
		}
		sl_breaker_window_sum(&b.nodes[0], b.now_ms, &sum);
		assert_int_equal(sum.failure, 0);
		assert_int_equal(sum.success, 2);
	}
}

static void test_bucket_saturates(void **unused)
{
	struct bench b;
	struct sl_breaker_window sum;

	(void)unused;
	bench_init(&b);
	for (int i = 0; i < 70000; i++) {
		report(&b, 0, 0, SL_OUTCOME_SUCCESS);
		if (i % 2 == 0)
			report(&b, 0, 0, SL_OUTCOME_SLOW);
	}
	sl_breaker_window_sum(&b.nodes[0], b.now_ms, &sum);
	assert_int_equal(sum.success, 65535);
	assert_int_equal(sum.slow, 35000);
	assert_int_equal(sum.failure, 0);
}

static void test_time_wraps(void **unused)
{
	/* Just before the 36 bits are full, and at the turns where signs would flip. */
	static const uint64_t starts[] = {(1ull << 36) - 100, (1ull << 35) - 100, (1ull << 36) * 5,
					  1, (1ull << 40) - 1};

	(void)unused;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		struct bench b;
		uint32_t ticket;

		bench_init(&b);
		b.now_ms = starts[i];
		b.nodes[0].breaker = sl_breaker_pack(SL_BREAKER_CLOSED, 0, 0, b.now_ms);
		fail_times(&b, 0, 5);
		assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_REFUSE);
		b.now_ms += 2499; /* rnd is 0: half of 5 s */
		assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_REFUSE);
		b.now_ms += 1;
		assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
	}
	{
		/* A node that was closed for years, and one that was open and forgotten for years.
		 */
		struct bench b;
		uint32_t ticket;

		bench_init(&b);
		enter(&b, SL_BREAKER_OPEN);
		b.now_ms += 1ull << 35;
		assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
	}
}

static void test_backoff(void **unused)
{
	struct bench b;
	uint32_t ticket;

	(void)unused;
	bench_init(&b);
	for (uint32_t e = 0; e <= 15; e++) {
		uint64_t base = 5000ull << e > 120000 ? 120000 : 5000ull << e;

		for (uint32_t rnd = 0; rnd < 200000; rnd += 37) {
			uint32_t open_ms = sl_breaker_open_time_ms(&b.config, e, rnd * 21701u);

			assert_in_range(open_ms, base / 2, base - 1);
		}
	}
	b.config.open_ms = b.config.open_max_ms = 0; /* nonsense from bpftool */
	assert_int_equal(sl_breaker_open_time_ms(&b.config, 3, 7), 1);
	bench_init(&b);
	enter(&b, SL_BREAKER_OPEN);
	for (uint32_t n = 1; n <= 40;
	     n++) { /* the exponent grows by one a failed probe, then stays */
		b.now_ms += 120000;
		assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
		report(&b, 0, ticket, SL_OUTCOME_FAILURE);
		assert_int_equal(sl_breaker_exponent(b.nodes[0].breaker), n < 15 ? n : 15);
		assert_int_equal(b.nodes[0].trips, n + 1);
	}
}

static void test_cap(void **unused)
{
	struct bench b;

	(void)unused;
	assert_int_equal(sl_breaker_cap(0, 50), 0);
	assert_int_equal(sl_breaker_cap(1, 100), 0);
	assert_int_equal(sl_breaker_cap(2, 0), 1);
	assert_int_equal(sl_breaker_cap(3, 50), 1);
	assert_int_equal(sl_breaker_cap(4, 50), 2);
	assert_int_equal(sl_breaker_cap(4096, 100), 4096);
	bench_init(&b);
	for (unsigned i = 0; i < 3; i++)
		fail_times(&b, i, 5);
	assert_int_equal(b.pool.ejected, 2);
	assert_int_equal(state(&b, 2), SL_BREAKER_CLOSED);
	assert_int_equal(b.change.cap_denied, 1);
	assert_int_equal(b.nodes[2].cap_denied, 1);
	fail_times(&b, 2, 100); /* asked again only after a while */
	assert_int_equal(b.nodes[2].cap_denied, 1);
	force(&b, 0, SL_BREAKER_ORDER_CLOSE);
	b.now_ms += SL_BREAKER_DENIED_MS;
	fail_times(&b, 2, 1);
	assert_int_equal(state(&b, 2), SL_BREAKER_OPEN);
	assert_int_equal(b.pool.ejected, 2);
}

static void test_single_node(void **unused)
{
	struct bench b;
	uint32_t ticket;

	(void)unused;
	bench_init(&b);
	b.pool.node_count = 1;
	fail_times(&b, 0, 100);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	/* An operator may eject it; handed back it gets one probe and is closed whatever it says.
	 */
	force(&b, 0, SL_BREAKER_ORDER_OPEN);
	assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_REFUSE);
	force(&b, 0, SL_BREAKER_ORDER_AUTO);
	assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT_PROBE);
	report(&b, 0, ticket, SL_OUTCOME_FAILURE);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	assert_int_equal(b.change.cap_denied, 1);
	assert_int_equal(b.pool.ejected, 0);
	assert_int_equal(b.nodes[0].ejected, 0);
}

static void test_forced_ignores_cap(void **unused)
{
	struct bench b;

	(void)unused;
	bench_init(&b);
	for (unsigned i = 0; i < 4; i++)
		force(&b, i, SL_BREAKER_ORDER_OPEN);
	assert_int_equal(b.pool.ejected, 4);
	force(&b, 3, SL_BREAKER_ORDER_CLOSE);
	fail_times(&b, 3, 5); /* three are out by order: none may trip */
	assert_int_equal(state(&b, 3), SL_BREAKER_CLOSED);
	assert_int_equal(b.pool.ejected, 3);
	for (unsigned i = 0; i < 4; i++)
		force(&b, i, SL_BREAKER_ORDER_CLOSE);
	assert_int_equal(b.pool.ejected, 0);
}

static void condemn(struct bench *b, unsigned i)
{
	sl_breaker_condemn(&b->nodes[i], &b->pool, &b->config, b->now_ms, 0, SL_SIGNAL_STALL,
			   SL_PLANE_DAEMON, &b->change);
}

/* Opens what is closed, within the cap, and changes nothing else. */
static void test_condemned(void **unused)
{
	static const enum sl_breaker_state kept[] = {SL_BREAKER_OPEN, SL_BREAKER_HALF_OPEN,
						     SL_BREAKER_FORCED_OPEN};
	struct bench b;
	uint64_t word;

	(void)unused;
	bench_init(&b);
	condemn(&b, 0);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
	assert_int_equal(b.change.changed, 1);
	assert_int_equal(b.change.signal, SL_SIGNAL_STALL);
	assert_int_equal(b.pool.ejected, 1);
	condemn(&b, 1);
	condemn(&b, 2);
	assert_int_equal(state(&b, 1), SL_BREAKER_OPEN);
	assert_int_equal(state(&b, 2), SL_BREAKER_CLOSED); /* half of four is the cap */
	assert_int_equal(b.change.cap_denied, 1);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		bench_init(&b);
		enter(&b, kept[i]);
		word = b.nodes[0].breaker;
		condemn(&b, 0);
		assert_true(b.nodes[0].breaker == word);
		assert_int_equal(b.change.changed, 0);
		assert_int_equal(b.nodes[0].signals[SL_SIGNAL_STALL], 1);
	}
	bench_init(&b);
	enter(&b, SL_BREAKER_METRICS_ONLY);
	condemn(&b, 0);
	assert_int_equal(state(&b, 0), SL_BREAKER_METRICS_ONLY);
	assert_int_equal(b.change.would_open, 1);
}

static void test_metrics_only(void **unused)
{
	struct bench b;
	uint32_t ticket;

	(void)unused;
	bench_init(&b);
	enter(&b, SL_BREAKER_METRICS_ONLY);
	fail_times(&b, 0, 5);
	assert_int_equal(b.change.would_open, 1);
	assert_int_equal(b.nodes[0].trips, 1);
	fail_times(&b, 0, 100);
	assert_int_equal(b.nodes[0].trips, 1);
	assert_int_equal(admit(&b, 0, &ticket), SL_BREAKER_ADMIT);
	b.now_ms += 5000;
	fail_times(&b, 0, 1);
	assert_int_equal(b.nodes[0].trips, 2);
	assert_int_equal(b.pool.ejected, 0);
	b.config.metrics_only = 0;
	fail_times(&b, 0, 1);
	assert_int_equal(state(&b, 0), SL_BREAKER_OPEN);
}

static void test_asking(void **unused)
{
	struct bench b;

	(void)unused;
	bench_init(&b);
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 10000, b.now_ms), 100);
	enter(&b, SL_BREAKER_OPEN);
	assert_false(sl_breaker_available(&b.nodes[0], b.now_ms));
	assert_true(sl_breaker_available(&b.nodes[0], b.now_ms + 5000));
	force(&b, 0, SL_BREAKER_ORDER_CLOSE);
	assert_true(sl_breaker_available(&b.nodes[0], b.now_ms));
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 10000, b.now_ms), 10);
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 10000, b.now_ms - 1), 10);
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 10000, b.now_ms + 5000), 55);
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 10000, b.now_ms + 10000), 100);
	assert_int_equal(sl_breaker_capacity_percent(&b.nodes[0], 0, b.now_ms), 100);
	b.nodes[0].admin |= SL_NODE_DRAINING;
	assert_false(sl_breaker_available(&b.nodes[0], b.now_ms));
	b.nodes[0].admin = 0;
	assert_false(sl_breaker_available(&b.nodes[0], b.now_ms));
	assert_true(sl_pool_in_panic(0, 1, 30));
	assert_true(sl_pool_in_panic(2, 10, 30));
	assert_false(sl_pool_in_panic(3, 10, 30));
	assert_false(sl_pool_in_panic(0, 4, 0));
	assert_false(sl_pool_in_panic(0, 0, 30));
	/* A word that is none refuses, and an operator can end it. */
	b.nodes[0].breaker = ~0ull;
	b.pool.ejected = 1; /* of another node; this one has no place to give back */
	assert_int_equal(sl_breaker_peek(&b.nodes[0], b.now_ms), SL_BREAKER_REFUSE);
	force(&b, 0, SL_BREAKER_ORDER_CLOSE);
	assert_int_equal(state(&b, 0), SL_BREAKER_CLOSED);
	assert_int_equal(b.pool.ejected, 1);
}

static void test_word(void **unused)
{
	uint64_t word = sl_breaker_pack(SL_BREAKER_METRICS_ONLY, 0x1f, 0x1ffff, ~0ull);

	(void)unused;
	assert_int_equal(sl_breaker_state(word), SL_BREAKER_METRICS_ONLY);
	assert_int_equal(sl_breaker_exponent(word), 15);
	assert_int_equal(sl_breaker_successes(word), 0);
	assert_int_equal(sl_breaker_probe(word), 0);
	assert_int_equal(sl_breaker_generation(word), 0xffff);
	assert_int_equal(sl_breaker_until_ms(word), (1ull << 36) - 1);
	word |= SL_BREAKER_PROBE_BIT | 9 * SL_BREAKER_SUCCESS_UNIT;
	assert_int_equal(sl_breaker_probe(word), 1);
	assert_int_equal(sl_breaker_successes(word), 9);
	assert_int_equal(sl_breaker_exponent(word), 15);
	assert_true(SL_TUNABLE_MAX_BREAKER_OPEN_MAX_MS <= SL_BREAKER_SPAN_MAX_MS);
	assert_true(SL_TUNABLE_MAX_BREAKER_PROBE_MS <= SL_BREAKER_SPAN_MAX_MS);
	assert_true(SL_TUNABLE_MAX_BREAKER_SUCCESSES <= SL_BREAKER_SUCCESSES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_closes_after_successes),
		cmocka_unit_test(test_generation_fence),
		cmocka_unit_test(test_generation_wraps),
		cmocka_unit_test(test_late_probe),
		cmocka_unit_test(test_ratio_and_window),
		cmocka_unit_test(test_window_is_forgotten),
		cmocka_unit_test(test_slow_share),
		cmocka_unit_test(test_stamp_aliases),
		cmocka_unit_test(test_bucket_saturates),
		cmocka_unit_test(test_time_wraps),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_cap),
		cmocka_unit_test(test_single_node),
		cmocka_unit_test(test_forced_ignores_cap),
		cmocka_unit_test(test_condemned),
		cmocka_unit_test(test_metrics_only),
		cmocka_unit_test(test_asking),
		cmocka_unit_test(test_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
