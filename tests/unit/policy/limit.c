/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Limits against a reference: the level of a bucket in exact fractions, which knows every
 * reservation and every charge. The product may round against the client by 1 ns a charge, and for it
 * by half a unit or 10 us in all. Then threads that race, and the cases one would draw on a board.
 */
#include "user/policy/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "user/base/random.h"

#define PERIOD	   SL_LIMIT_PERIOD_NS
#define SEEDS	   200u
#define STEPS	   2000u
#define OPEN_MAX   64u
#define THREADS	   4u
#define THREAD_OPS 20000u
#define RACE_RATE  1000u

typedef __int128 wide;

/* Level and time in units * PERIOD: a unit that was charged is PERIOD, each ns drains `rate`. */
struct reference {
	wide level;
	uint64_t at_ns;
	uint64_t reserved;
	uint64_t charges;
};

static void drain(struct reference *r, uint32_t rate, uint64_t now_ns)
{
	r->level -= (wide)(now_ns - r->at_ns) * rate;
	if (r->level < 0)
		r->level = 0;
	r->at_ns = now_ns;
}

static bool fits(const struct reference *r, uint32_t rate, uint64_t units, wide slack)
{
	return r->level + (wide)(r->reserved + units) * PERIOD <= (wide)rate * PERIOD - slack;
}

static wide favour_of(uint32_t rate)
{
	wide favour = (wide)10000 * rate;

	return favour < (wide)PERIOD / 2 ? favour : (wide)PERIOD / 2;
}

static void judge(struct reference *r, struct sl_limit *limit, uint32_t rate, uint64_t units,
		  uint64_t now_ns, uint64_t *open, unsigned *open_count)
{
	wide slack = (wide)(r->charges + 2) * rate; /* 1 ns a charge */
	uint64_t wait_ns = 0;
	bool admitted = sl_limit_reserve(limit, rate, units, now_ns, &wait_ns);
	struct sl_limit then = *limit;

	if (admitted) {
		assert_true(fits(r, rate, units, -favour_of(rate))); /* never more than it */
		r->reserved += units;
		open[(*open_count)++] = units;
		return;
	}
	assert_false(fits(r, rate, units, slack)); /* never less, but for rounding */
	if (wait_ns == SL_LIMIT_NEVER) {
		assert_true(units > rate);
		return;
	}
	/* it fits then, when nothing else comes, unless reservations are what is in the way */
	assert_true(wait_ns > 0);
	if (r->reserved == 0)
		assert_true(sl_limit_reserve(&then, rate, units, now_ns + wait_ns, &wait_ns));
	else
		assert_false(sl_limit_reserve(&then, rate, units, now_ns + wait_ns / 2, &wait_ns));
}

static void run_seed(uint64_t seed)
{
	struct reference r = {.at_ns = 1000};
	struct sl_limit limit = {0};
	struct sl_random random;
	uint64_t now_ns = 1000, open[OPEN_MAX];
	unsigned open_count = 0;
	uint32_t rate;

	sl_random_seed(&random, seed);
	rate = 1 + sl_random_below(&random, seed % 3 == 0   ? 10
					    : seed % 3 == 1 ? 1000
							    : SL_RATE_MAX);
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t pause = PERIOD / (1 + sl_random_below(&random, 1000));

		now_ns += sl_random_below(&random, 2) ? sl_random_u64(&random) % pause : 0;
		drain(&r, rate, now_ns);
		if (open_count && (open_count == OPEN_MAX || sl_random_below(&random, 2))) {
			unsigned i = sl_random_below(&random, open_count);
			uint64_t used = sl_random_u64(&random) % (open[i] + open[i] / 4 + 2);

			sl_limit_settle(&limit, rate, open[i], used, now_ns);
			r.level += (wide)used * PERIOD;
			r.reserved -= open[i];
			r.charges++;
			open[i] = open[--open_count];
			continue;
		}
		judge(&r, &limit, rate, 1 + sl_random_u64(&random) % (rate / 5 + 2), now_ns, open,
		      &open_count);
		assert_true(limit.reserved == r.reserved);
	}
}

static void against_the_reference(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_seed(seed);
}

/* Exactly the limit at once, also where a unit is no whole number of ns; no drift over time. */
static void odd_rates(void **state)
{
	uint64_t wait_ns, remaining, reset_ns, admitted;

	(void)state;
	for (uint32_t rate = 1; rate <= 3000; rate++) {
		struct sl_limit limit = {0};

		for (uint32_t i = 0; i < rate; i++) {
			sl_limit_look(&limit, rate, PERIOD, &remaining, &reset_ns);
			assert_int_equal(remaining, rate - i);
			assert_true(sl_limit_reserve(&limit, rate, 1, PERIOD, &wait_ns));
			sl_limit_settle(&limit, rate, 1, 1, PERIOD);
		}
		assert_false(sl_limit_reserve(&limit, rate, 1, PERIOD, &wait_ns));
	}
	/* a client that always comes again at once, and uses more than it reserved */
	for (uint32_t rate = 700000007; rate > 600000000; rate -= 30000001) {
		struct sl_limit limit = {0};
		uint64_t now_ns = PERIOD;

		for (admitted = 0; now_ns < PERIOD + 1000000; now_ns += 50) {
			if (!sl_limit_reserve(&limit, rate, rate / 50000000, now_ns, &wait_ns))
				continue;
			sl_limit_settle(&limit, rate, rate / 50000000, rate / 50, now_ns);
			admitted += rate / 50;
		}
		assert_true(admitted <= (uint64_t)rate + rate / 50 + rate / 60000 + 1);
	}
}

/* 60 a minute: 60 at once, then one a second. */
static void requests_by_the_minute(void **state)
{
	struct sl_limit limit = {0};
	uint64_t now_ns = 5 * PERIOD, wait_ns, remaining, reset_ns;
	unsigned i;

	(void)state;
	for (i = 0; i < 60; i++) {
		sl_limit_look(&limit, 60, now_ns, &remaining, &reset_ns);
		assert_int_equal(remaining, 60 - i);
		assert_int_equal(reset_ns, i * PERIOD / 60);
		assert_true(sl_limit_reserve(&limit, 60, 1, now_ns, &wait_ns));
		sl_limit_settle(&limit, 60, 1, 1, now_ns);
	}
	assert_false(sl_limit_reserve(&limit, 60, 1, now_ns, &wait_ns));
	assert_int_equal(wait_ns, PERIOD / 60);
	assert_false(sl_limit_reserve(&limit, 60, 1, now_ns + wait_ns - 20000, &wait_ns));
	assert_int_equal(wait_ns, 20000);
	now_ns += PERIOD / 60;
	assert_true(sl_limit_reserve(&limit, 60, 1, now_ns, &wait_ns));
	sl_limit_settle(&limit, 60, 1, 1, now_ns);
	assert_false(sl_limit_reserve(&limit, 60, 1, now_ns, &wait_ns));
	sl_limit_look(&limit, 60, now_ns, &remaining, &reset_ns);
	assert_int_equal(remaining, 0);
	/* what nobody used is not saved up */
	now_ns += 100 * PERIOD;
	sl_limit_look(&limit, 60, now_ns, &remaining, &reset_ns);
	assert_int_equal(remaining, 60);
	assert_int_equal(reset_ns, 0);
}

/* Reserved by estimate, settled by use: below, above, nothing. */
static void reservations(void **state)
{
	struct sl_limit limit = {0};
	uint64_t now_ns = 7 * PERIOD, wait_ns, remaining, reset_ns;

	(void)state;
	assert_true(sl_limit_reserve(&limit, 1000, 900, now_ns, &wait_ns));
	assert_false(sl_limit_reserve(&limit, 1000, 101, now_ns, &wait_ns));
	assert_true(sl_limit_reserve(&limit, 1000, 100, now_ns, &wait_ns));
	sl_limit_settle(&limit, 1000, 100, 0, now_ns);
	sl_limit_look(&limit, 1000, now_ns, &remaining, &reset_ns);
	assert_int_equal(remaining, 100);
	sl_limit_settle(&limit, 1000, 900, 30, now_ns);
	sl_limit_look(&limit, 1000, now_ns, &remaining, &reset_ns);
	assert_int_equal(remaining, 970);
	assert_true(sl_limit_reserve(&limit, 1000, 10, now_ns, &wait_ns));
	sl_limit_settle(&limit, 1000, 10, 1470, now_ns); /* far more than it said */
	sl_limit_look(&limit, 1000, now_ns, &remaining, &reset_ns);
	assert_int_equal(remaining, 0);
	assert_int_equal(reset_ns, PERIOD / 1000 * 1500);
	assert_false(sl_limit_reserve(&limit, 1000, 1, now_ns, &wait_ns));
	assert_int_equal(wait_ns, PERIOD / 1000 * 501);
	assert_false(sl_limit_reserve(&limit, 1000, 1001, now_ns, &wait_ns));
	assert_true(wait_ns == SL_LIMIT_NEVER);
}

/* ---- meters -------------------------------------------------------------------------------- */

static void a_refusal_takes_nothing(void **state)
{
	static const struct sl_rates rates = {10, 100, 2};
	struct sl_meter *meter = sl_meter_new();
	struct sl_meter before;
	uint64_t wait_ns, now_ns = PERIOD;

	(void)state;
	assert_non_null(meter);
	assert_int_equal(sl_meter_take(meter, &rates, 60, now_ns, &wait_ns), SL_METER_NONE);
	sl_meter_begin(meter, &rates, now_ns);
	before = *meter;
	assert_int_equal(sl_meter_take(meter, &rates, 41, now_ns, &wait_ns), SL_METER_TOKENS);
	assert_memory_equal(meter, &before, sizeof(before));
	assert_int_equal(sl_meter_take(meter, &rates, 1, now_ns, &wait_ns), SL_METER_NONE);
	sl_meter_undo(meter, &rates, 1, now_ns);
	assert_memory_equal(meter, &before, sizeof(before));
	assert_int_equal(sl_meter_take(meter, &rates, 1, now_ns, &wait_ns), SL_METER_NONE);
	assert_int_equal(sl_meter_take(meter, &rates, 1, now_ns, &wait_ns), SL_METER_CONCURRENT);
	sl_meter_undo(meter, &rates, 1, now_ns);
	sl_meter_end(meter, &rates, 60, 60, now_ns);
	assert_int_equal(meter->in_flight, 0);
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(sl_meter_take(meter, &rates, 1, now_ns, &wait_ns), SL_METER_NONE);
		sl_meter_begin(meter, &rates, now_ns);
		sl_meter_end(meter, &rates, 1, 0, now_ns);
	}
	before = *meter;
	assert_int_equal(sl_meter_take(meter, &rates, 1, now_ns, &wait_ns), SL_METER_REQUESTS);
	assert_int_equal(wait_ns, PERIOD / 10);
	assert_memory_equal(meter, &before, sizeof(before));
	assert_int_equal(meter->requests_total, 10);
	assert_int_equal(meter->tokens_total, 60);
	sl_meter_put(&meter);
	assert_null(meter);
}

struct racer {
	pthread_t thread;
	struct sl_meter *meter;
	uint64_t seed, admitted, charged;
};

static const struct sl_rates race_rates = {RACE_RATE, 100 * RACE_RATE, 3};

static void *race(void *arg)
{
	struct racer *racer = arg;
	struct sl_random random;
	uint64_t wait_ns;

	sl_random_seed(&random, racer->seed);
	for (unsigned i = 0; i < THREAD_OPS; i++) {
		uint64_t used = sl_random_below(&random, 12);

		if (sl_meter_take(racer->meter, &race_rates, 10, PERIOD, &wait_ns))
			continue;
		if (__atomic_load_n(&racer->meter->in_flight, __ATOMIC_SEQ_CST) >
		    race_rates.concurrent + THREADS)
			racer->admitted += 1000000; /* seen by the sum below */
		sl_meter_begin(racer->meter, &race_rates, PERIOD);
		racer->admitted++;
		racer->charged += used;
		sl_meter_end(racer->meter, &race_rates, 10, used, PERIOD);
	}
	return NULL;
}

/* The clock stands still: exactly the limit may pass, whatever the threads do. */
static void threads_never_exceed_it(void **state)
{
	struct sl_meter *meter = sl_meter_new();
	struct racer racers[THREADS];
	uint64_t admitted = 0, charged = 0, remaining, reset_ns;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		racers[i] = (struct racer){.meter = meter, .seed = i + 1};
		assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(racers[i].thread, NULL);
		admitted += racers[i].admitted;
		charged += racers[i].charged;
	}
	assert_int_equal(admitted, RACE_RATE);
	assert_int_equal(meter->requests_total, RACE_RATE);
	assert_int_equal(meter->tokens_total, charged);
	assert_int_equal(meter->in_flight, 0);
	assert_int_equal(meter->requests.reserved, 0);
	assert_int_equal(meter->tokens.reserved, 0);
	sl_limit_look(&meter->tokens, race_rates.tokens_per_minute, PERIOD, &remaining, &reset_ns);
	assert_int_equal(remaining, race_rates.tokens_per_minute - charged);
	sl_meter_put(&meter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(against_the_reference),
		cmocka_unit_test(odd_rates),
		cmocka_unit_test(requests_by_the_minute),
		cmocka_unit_test(reservations),
		cmocka_unit_test(a_refusal_takes_nothing),
		cmocka_unit_test(threads_never_exceed_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
