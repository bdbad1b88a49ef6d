/* SPDX-License-Identifier: BSD-2-Clause */
/* When a hedge is due, that old times are forgotten, and what the budget allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>
#include "user/base/latency.h"
#include "user/base/random.h"
#include "user/policy/choose.h"
#include "user/policy/hedge.h"

#define NOW 5000000u

static const struct sl_hedge_config usual = {
	.percent = 2,
	.burst = 5,
	.samples_min = 100,
	.retry = {.budget = 10, .earn = 10, .concurrent_percent = 20, .concurrent_min = 3},
};

static const struct sl_hedge_view fine = {
	.other = true, .place = true, .in_flight = 100, .now_ms = NOW};

static void note(struct sl_hedge_times *times, uint64_t us, uint32_t count, uint64_t now_ms)
{
	while (count--)
		sl_hedge_note(times, us, now_ms);
}

static void test_classes(void **state)
{
	static const struct {
		bool stream;
		uint64_t tokens;
		uint32_t class;
	} cases[] = {
		{true, 0, 0},	 {true, 999, 0},	 {true, 1000, 1},  {true, 3999, 1},
		{true, 4000, 2}, {true, 15999, 2},	 {true, 16000, 3}, {true, UINT64_MAX, 3},
		{false, 999, 4}, {false, UINT64_MAX, 7},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sl_hedge_class(cases[i].stream, cases[i].tokens), cases[i].class);
}

/* Every time lands in the bucket that base/latency.h says begins at or below it. */
static void test_buckets(void **state)
{
	struct sl_hedge_times times;
	uint64_t us;

	(void)state;
	for (us = 0; us < 1ull << 40; us = us < 64 ? us + 1 : us * 9 / 8) {
		uint32_t i, found = SL_LATENCY_BUCKETS;

		memset(&times, 0, sizeof(times));
		sl_hedge_note(&times, us, NOW);
		for (i = 0; i < SL_LATENCY_BUCKETS; i++) {
			if (times.buckets[i])
				found = i;
		}
		assert_true(found < SL_LATENCY_BUCKETS);
		assert_true(sl_latency_bucket_min_us(found) <= us);
		if (found + 1 < SL_LATENCY_BUCKETS)
			assert_true(us < sl_latency_bucket_min_us(found + 1));
	}
}

static void test_when(void **state)
{
	struct sl_hedge_config off = usual;
	struct sl_hedge_times times = {0};
	uint64_t us;

	(void)state;
	assert_int_equal(sl_hedge_after_us(&times, &usual, 950, 0), SL_HEDGE_NEVER);
	note(&times, 100000, 94, NOW);
	note(&times, 900000, 5, NOW);
	assert_int_equal(sl_hedge_after_us(&times, &usual, 950, 0), SL_HEDGE_NEVER);
	note(&times, 100000, 1, NOW); /* the hundredth */
	us = sl_hedge_after_us(&times, &usual, 950, 0);
	assert_in_range(us, 87500, 112500);
	us = sl_hedge_after_us(&times, &usual, 990, 0);
	assert_in_range(us, 787500, 1012500);
	assert_int_equal(sl_hedge_after_us(&times, &usual, 950, 400), 400000);
	off.percent = 0;
	assert_int_equal(sl_hedge_after_us(&times, &off, 950, 0), SL_HEDGE_NEVER);
	off = usual;
	off.samples_min = 0; /* an empty histogram has no percentile all the same */
	memset(&times, 0, sizeof(times));
	assert_int_equal(sl_hedge_after_us(&times, &off, 950, 0), SL_HEDGE_NEVER);
}

/* The pool has become slower: what it was before is forgotten within twice the most that is kept. */
static void test_forgets_by_count(void **state)
{
	struct sl_hedge_times times = {0};
	uint32_t i, bound = 0;

	(void)state;
	note(&times, 10000, SL_HEDGE_TIMES_MAX, NOW);
	for (i = 0; i < 4 * SL_HEDGE_TIMES_MAX; i++) {
		sl_hedge_note(&times, 800000, NOW);
		assert_true(times.count <= SL_HEDGE_TIMES_MAX);
		assert_int_equal(times.count, sl_latency_count(times.buckets));
		if (sl_hedge_after_us(&times, &usual, 500, 0) < 100000)
			bound = i;
	}
	assert_in_range(bound, 500, 2 * SL_HEDGE_TIMES_MAX);
	/* and a few old ones are gone altogether, not kept at one for ever */
	note(&times, 10000, 1, NOW);
	note(&times, 800000, 12 * SL_HEDGE_TIMES_MAX, NOW);
	assert_int_equal(sl_hedge_after_us(&times, &usual, 1, 0),
			 sl_hedge_after_us(&times, &usual, 999, 0));
}

static void test_forgets_by_time(void **state)
{
	struct sl_hedge_times times = {0};

	(void)state;
	note(&times, 10000, 400, NOW);
	note(&times, 10000, 1, NOW + SL_HEDGE_HALVE_MS - 1);
	assert_int_equal(times.count, 401);
	note(&times, 10000, 1, NOW + SL_HEDGE_HALVE_MS);
	assert_int_equal(times.count, 201);
	note(&times, 10000, 1, NOW + 3 * SL_HEDGE_HALVE_MS); /* two halvings at once */
	assert_int_equal(times.count, 51);
	note(&times, 10000, 1, NOW + 1000ull * SL_HEDGE_HALVE_MS);
	assert_int_equal(times.count, 1);
	note(&times, 10000, 1, NOW); /* a clock of another thread, a little behind */
	assert_int_equal(times.count, 2);
}

static void test_verdicts(void **state)
{
	static const struct {
		const char *what;
		bool panic, other, place;
		uint32_t hedges_spent, retries_spent, running, percent;
		enum sl_hedge_verdict verdict;
	} cases[] = {
		{"nothing against it", false, true, true, 0, 0, 0, 2, SL_HEDGE_GO},
		{"panic", true, true, true, 0, 0, 0, 2, SL_HEDGE_PANIC},
		{"nobody else", false, false, true, 0, 0, 0, 2, SL_HEDGE_NO_NODE},
		{"no place, or a queue", false, true, false, 0, 0, 0, 2, SL_HEDGE_NO_PLACE},
		{"last one", false, true, true, 400, 0, 0, 2, SL_HEDGE_GO},
		{"not a whole one left", false, true, true, 401, 0, 0, 2, SL_HEDGE_BUDGET},
		{"off", false, true, true, 0, 0, 0, 0, SL_HEDGE_BUDGET},
		{"a retry left", false, true, true, 0, 499, 0, 2, SL_HEDGE_GO},
		{"over the retry gate", false, true, true, 0, 500, 0, 2, SL_HEDGE_RETRIES},
		{"a place among retries", false, true, true, 0, 0, 24, 2, SL_HEDGE_GO},
		{"no place among retries", false, true, true, 0, 0, 25, 2, SL_HEDGE_RETRIES},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_hedge_pool pool = {.spent = cases[i].hedges_spent};
		struct sl_retry_budget retries = {.spent = cases[i].retries_spent,
						  .running = cases[i].running};
		struct sl_hedge_config config = usual;
		struct sl_hedge_view view = fine;
		enum sl_hedge_verdict verdict;
		bool go;

		config.percent = cases[i].percent;
		view.panic = cases[i].panic;
		view.other = cases[i].other;
		view.place = cases[i].place;
		verdict = sl_hedge_take(&pool, &retries, &config, &view);
		if (verdict != cases[i].verdict)
			fail_msg("%s: %s", cases[i].what, sl_hedge_verdict_name(verdict));
		go = verdict == SL_HEDGE_GO;
		assert_int_equal(pool.spent, cases[i].hedges_spent + (go ? 100 : 0));
		assert_int_equal(retries.running, cases[i].running + (go ? 1 : 0));
		assert_int_equal(retries.spent, cases[i].retries_spent);
		if (go)
			sl_hedge_refund(&pool, &retries);
		assert_int_equal(pool.spent, cases[i].hedges_spent);
		assert_int_equal(retries.running, cases[i].running);
	}
}

/* Of 10,000 requests that all want one: two of a hundred, and the burst. */
static void test_share(void **state)
{
	struct sl_hedge_pool pool = {0};
	struct sl_retry_budget retries = {0};
	uint32_t i, hedges = 0;

	(void)state;
	for (i = 0; i < 10000; i++) {
		sl_hedge_earn(&pool, &usual);
		if (sl_hedge_take(&pool, &retries, &usual, &fine) != SL_HEDGE_GO)
			continue;
		sl_hedge_done(&retries);
		hedges++;
	}
	assert_in_range(hedges, 200, 205);
	assert_int_equal(retries.running, 0);
	/* quiet times do not add up */
	for (i = 0; i < 10000; i++)
		sl_hedge_earn(&pool, &usual);
	for (hedges = 0; sl_hedge_take(&pool, &retries, &usual, &fine) == SL_HEDGE_GO; hedges++)
		sl_hedge_done(&retries);
	assert_int_equal(hedges, usual.burst);
}

/* ---- nodes with few places, and a queue in front of them ---------------------------------------- */

#define NODES	    3u
#define PLACES	    2u
#define TASKS	    64u
#define TICKS	    200000u
#define SLOW_TICKS  40u /* of those that are hedged */
#define USUAL_TICKS 10u

/* Node slots; 0: none. */
struct task {
	uint32_t first, second, start, end;
};

struct places {
	struct sl_node_state nodes[NODES + 1];
	struct sl_hedge_pool pool;
	struct sl_retry_budget retries;
	struct sl_random random;
	struct task tasks[TASKS];
	uint32_t waiting, requests, hedges, no_place;
};

static const uint32_t node_slots[NODES] = {1, 2, 3}, node_limits[NODES] = {PLACES, PLACES, PLACES};

static struct sl_choose choice_of(struct places *p, const uint32_t *tried, uint32_t tried_count)
{
	return (struct sl_choose){.nodes = p->nodes,
				  .slots = node_slots,
				  .slot_count = NODES,
				  .tried = tried,
				  .tried_count = tried_count,
				  .limits = node_limits,
				  .now_ms = NOW,
				  .panic_percent = 30,
				  .random = sl_random_u32(&p->random)};
}

static void begin_task(struct places *p, uint32_t slot, uint32_t now)
{
	uint32_t i = 0, slow = sl_random_below(&p->random, 100) < 5;

	while (p->tasks[i].first)
		i++;
	p->tasks[i] = (struct task){slot, 0, now, now + (slow ? 4 * SLOW_TICKS : USUAL_TICKS)};
	p->nodes[slot].requests++;
	sl_hedge_earn(&p->pool, &usual);
}

static void hedge_task(struct places *p, struct task *task)
{
	struct sl_choose in = choice_of(p, &task->first, 1);
	struct sl_hedge_view view = fine;
	enum sl_hedge_verdict verdict;
	uint32_t slot;

	view.place = !p->waiting && sl_choose_any_place(&in);
	verdict = sl_hedge_take(&p->pool, &p->retries, &usual, &view);
	p->no_place += verdict == SL_HEDGE_NO_PLACE;
	if (verdict != SL_HEDGE_GO)
		return;
	slot = sl_choose_node(&in).slot;
	assert_int_equal(p->waiting, 0); /* overtakes nobody */
	assert_true(slot && slot <= NODES && slot != task->first);
	task->second = slot;
	task->end = task->start + SLOW_TICKS + USUAL_TICKS;
	p->nodes[slot].requests++;
	p->hedges++;
}

static void run_tasks(struct places *p, uint32_t now)
{
	uint32_t i;

	for (i = 0; i < TASKS; i++) {
		struct task *task = &p->tasks[i];

		if (task->first && !task->second && now == task->start + SLOW_TICKS)
			hedge_task(p, task);
		if (!task->first || now < task->end)
			continue;
		p->nodes[task->first].requests--;
		if (task->second) {
			p->nodes[task->second].requests--;
			sl_hedge_done(&p->retries);
		}
		*task = (struct task){0};
	}
}

/* Hedges keep to the places of the nodes and behind those who wait, and the share holds there too. */
static void test_places(void **state)
{
	struct places p = {0};
	uint32_t now, i;

	(void)state;
	sl_random_seed(&p.random, 7);
	for (i = 1; i <= NODES; i++)
		p.nodes[i] = (struct sl_node_state){.admin = SL_NODE_PRESENT, .weight = 1};
	for (now = 1; now < TICKS; now++) {
		if (sl_random_below(&p.random, 100) < 28) {
			p.waiting++;
			p.requests++;
		}
		run_tasks(&p, now);
		while (p.waiting) {
			struct sl_choose in = choice_of(&p, NULL, 0);
			uint32_t slot = sl_choose_node(&in).slot;

			if (slot == SL_CHOOSE_NONE)
				break;
			p.waiting--;
			begin_task(&p, slot, now);
		}
		for (i = 1; i <= NODES; i++)
			assert_true(p.nodes[i].requests <= PLACES);
	}
	assert_true(p.hedges > 100 && p.no_place > 100);
	assert_true(p.hedges * 100 <= p.requests * usual.percent + usual.burst * 100);
}

/* ---- many threads ---------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS	20000u

static struct sl_hedge_pool shared;
static struct sl_retry_budget shared_retries;
static uint32_t shared_hedges;

static void *work(void *arg)
{
	uint32_t i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		sl_hedge_note(&shared.times[0], 1000 + i % 700, NOW + i);
		sl_hedge_earn(&shared, &usual);
		if (sl_hedge_take(&shared, &shared_retries, &usual, &fine) != SL_HEDGE_GO)
			continue;
		sl_hedge_done(&shared_retries);
		__atomic_fetch_add(&shared_hedges, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, NULL), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(shared_hedges <= THREADS * ROUNDS * 2 / 100 + usual.burst);
	assert_true(shared_hedges > THREADS * ROUNDS / 100);
	assert_int_equal(shared_retries.running, 0);
	assert_int_equal(shared.times[0].count, sl_latency_count(shared.times[0].buckets));
	assert_true(shared.times[0].count <= SL_HEDGE_TIMES_MAX + THREADS);
	assert_in_range(sl_hedge_after_us(&shared.times[0], &usual, 500, 0), 1100, 1600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_when),
		cmocka_unit_test(test_forgets_by_count),
		cmocka_unit_test(test_forgets_by_time),
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
