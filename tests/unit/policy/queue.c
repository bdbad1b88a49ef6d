/* SPDX-License-Identifier: BSD-2-Clause */
/* The queue of a pool: order, shares, bounds, estimates, overload; and what holds for any seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/base/random.h"
#include "user/policy/queue.h"

#define MS	1000000ull
#define S	1000000000ull
#define START	(1000 * S)
#define ENTRIES 20000u
#define SEEDS	20u

#define BATCH	    SL_KEY_CLASS_BATCH
#define STANDARD    SL_KEY_CLASS_STANDARD
#define INTERACTIVE SL_KEY_CLASS_INTERACTIVE
#define CRITICAL    SL_KEY_CLASS_CRITICAL

static const struct sl_queue_config usual = {
	.count_max = 10000, .bytes_max = 1u << 30, .target_ns = 5 * S, .interval_ns = 10 * S};

static struct sl_queue queue;
static struct sl_queue_entry entries[ENTRIES];
static uint32_t used;

static int begin(void **state)
{
	(void)state;
	used = 0;
	memset(entries, 0, sizeof(entries));
	return sl_queue_init(&queue);
}

static int end(void **state)
{
	struct sl_queue_config never = usual;

	(void)state;
	never.target_ns = 0;
	while (sl_queue_pop(&queue, &never, START))
		;
	while (sl_queue_take_shed(&queue))
		;
	assert_int_equal(queue.bytes, 0);
	assert_int_equal(queue.flow_count, 0);
	sl_queue_fini(&queue);
	return 0;
}

static struct sl_queue_entry *entry_of(enum sl_key_class class, uint64_t tenant, uint32_t cost,
				       uint64_t now_ns)
{
	struct sl_queue_entry *entry = &entries[used++];

	assert_true(used <= ENTRIES);
	*entry = (struct sl_queue_entry){.class = class,
					 .tenant = tenant,
					 .cost = cost,
					 .bytes = 100,
					 .born_ns = now_ns,
					 .deadline_ns = UINT64_MAX};
	return entry;
}

static enum sl_queue_verdict push_of(const struct sl_queue_config *config,
				     struct sl_queue_entry *entry, uint64_t now_ns)
{
	uint64_t wait_ns;

	return sl_queue_push(&queue, config, entry, now_ns, &wait_ns);
}

static struct sl_queue_entry *push(enum sl_key_class class, uint64_t tenant, uint32_t cost)
{
	struct sl_queue_entry *entry = entry_of(class, tenant, cost, START);

	assert_int_equal(push_of(&usual, entry, START), SL_QUEUE_WAITING);
	return entry;
}

static struct sl_queue_entry *pop(void)
{
	return sl_queue_pop(&queue, &usual, START);
}

/* ---- order ----------------------------------------------------------------------------------- */

static void test_oldest_first(void **state)
{
	uint32_t i;

	(void)state;
	assert_null(pop());
	for (i = 0; i < 100; i++)
		push(STANDARD, 1, 1 + i * 7 % 3000);
	for (i = 0; i < 100; i++)
		assert_ptr_equal(pop(), &entries[i]);
	assert_null(pop());
}

static void test_higher_class_first(void **state)
{
	static const enum sl_key_class classes[] = {STANDARD, BATCH, CRITICAL, INTERACTIVE};
	static const uint32_t order[] = {2, 3, 0, 1};
	uint32_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		push(classes[i], i, 100);
	for (i = 0; i < 4; i++)
		assert_ptr_equal(pop(), &entries[order[i]]);
}

/* Whoever waits in a class has one of any SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES grants. */
static void test_no_class_starves(void **state)
{
	uint32_t since[SL_QUEUE_CLASSES] = {0}, grants[SL_QUEUE_CLASSES] = {0}, i;
	int c;

	(void)state;
	for (c = 0; c < SL_QUEUE_CLASSES; c++)
		for (i = 0; i < 1000; i++)
			push((enum sl_key_class)c, i % 5, 300);
	for (i = 0; i < 1000; i++) {
		struct sl_queue_entry *entry = pop();

		for (c = 0; c < SL_QUEUE_CLASSES; c++) {
			since[c] = (int)entry->class == c ? 0 : since[c] + 1;
			assert_true(since[c] < SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES);
		}
		grants[entry->class]++;
	}
	assert_true(grants[CRITICAL] > 800);
	assert_true(grants[BATCH] >= 1000 / (SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES));
}

static void test_return_goes_before_all(void **state)
{
	struct sl_queue_entry *first, *again;

	(void)state;
	push(STANDARD, 1, 100);
	push(STANDARD, 1, 100);
	first = pop();
	sl_queue_return(&queue, first);
	assert_int_equal(queue.counts[SL_QUEUE_GRANTED][STANDARD], 0);
	again = pop();
	assert_ptr_equal(again, first);
	assert_ptr_equal(pop(), &entries[1]);
}

/* ---- shares ---------------------------------------------------------------------------------- */

/* Tenants that always wait have equal tokens, whatever their requests cost. */
static void test_equal_tokens(void **state)
{
	static const uint32_t costs[] = {70, 400, 3000, 20000};
	uint64_t tokens[4] = {0}, least = UINT64_MAX, most = 0;
	uint32_t i, t;

	(void)state;
	for (t = 0; t < 4; t++)
		for (i = 0; i < 4; i++)
			push(STANDARD, t, costs[t]);
	for (i = 0; i < 200000; i++) {
		struct sl_queue_entry *entry = pop();

		tokens[entry->tenant] += entry->cost;
		assert_int_equal(push_of(&usual, entry, START), SL_QUEUE_WAITING);
	}
	for (t = 0; t < 4; t++) {
		least = tokens[t] < least ? tokens[t] : least;
		most = tokens[t] > most ? tokens[t] : most;
	}
	assert_true(most - least < least / 10);
}

/* One that sends a thousand at once does not delay one that sends a few. */
static void test_flood_of_a_tenant(void **state)
{
	struct sl_queue_entry *few[5];
	uint32_t i, grants;

	(void)state;
	for (i = 0; i < 1000; i++)
		push(STANDARD, 1, 500);
	for (i = 0; i < 5; i++)
		few[i] = push(STANDARD, 2, 500);
	for (i = 0, grants = 0; i < 5; grants++)
		i += pop() == few[i];
	assert_true(grants <= 11);
}

/* One request after the other brings no more than having many wait, and no less. */
static void test_closed_loop(void **state)
{
	uint64_t tokens[2] = {0};
	struct sl_queue_entry *single = push(STANDARD, 0, 700);
	uint32_t i;

	(void)state;
	for (i = 0; i < 3000; i++)
		push(STANDARD, 1, 700);
	for (i = 0; i < 2000; i++) {
		struct sl_queue_entry *entry = pop();

		tokens[entry->tenant] += entry->cost;
		if (entry == single)
			assert_int_equal(push_of(&usual, single, START), SL_QUEUE_WAITING);
	}
	assert_true(tokens[0] * 10 >= tokens[1] * 9 && tokens[1] * 10 >= tokens[0] * 9);
}

static void test_more_tenants_than_turns(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 3 * SL_QUEUE_FLOWS_MAX; i++)
		push((enum sl_key_class)(i % SL_QUEUE_CLASSES), i, 100);
	assert_true(queue.flow_count <= SL_QUEUE_FLOWS_MAX + SL_QUEUE_CLASSES);
	for (i = 0; i < 3 * SL_QUEUE_FLOWS_MAX; i++)
		assert_non_null(pop());
	assert_null(pop());
	for (i = 0; i < 2 * SL_QUEUE_FLOWS_MAX; i++)
		push(BATCH, 100000 + i, 100);
}

/* ---- bounds ---------------------------------------------------------------------------------- */

static void test_bounds(void **state)
{
	struct sl_queue_config config = usual;
	struct sl_queue_entry *low, *high, *large;

	(void)state;
	config.count_max = 2;
	low = entry_of(BATCH, 1, 10, START);
	high = entry_of(STANDARD, 1, 10, START);
	assert_int_equal(push_of(&config, low, START), SL_QUEUE_WAITING);
	assert_int_equal(push_of(&config, entry_of(BATCH, 1, 10, START), START), SL_QUEUE_WAITING);
	assert_int_equal(push_of(&config, entry_of(BATCH, 1, 10, START), START), SL_QUEUE_COUNT);
	assert_int_equal(push_of(&config, high, START), SL_QUEUE_WAITING);
	assert_ptr_equal(sl_queue_take_shed(&queue), &entries[2]); /* the newest of the lowest */
	assert_int_equal(entries[2].verdict, SL_QUEUE_DISPLACED);
	assert_null(sl_queue_take_shed(&queue));
	assert_int_equal(push_of(&config, entry_of(BATCH, 1, 10, START), START), SL_QUEUE_COUNT);
	assert_int_equal(queue.counts[SL_QUEUE_COUNT][BATCH], 2);
	config.count_max = 100;
	config.bytes_max = 1000;
	large = entry_of(CRITICAL, 1, 10, START);
	large->bytes = 900;
	assert_int_equal(push_of(&config, large, START), SL_QUEUE_WAITING);
	assert_ptr_equal(sl_queue_take_shed(&queue), low); /* one was enough */
	assert_null(sl_queue_take_shed(&queue));
	assert_int_equal(queue.bytes, 1000);
	large = entry_of(CRITICAL, 1, 10, START);
	large->bytes = 1001;
	assert_int_equal(push_of(&config, large, START), SL_QUEUE_BYTES);
	assert_null(sl_queue_take_shed(&queue));
}

/* Ten a second are granted while others wait. */
static uint64_t drain(uint32_t count, uint64_t now_ns)
{
	while (count--) {
		now_ns += 100 * MS;
		assert_non_null(sl_queue_pop(&queue, &usual, now_ns));
	}
	return now_ns;
}

static void test_deadline(void **state)
{
	struct sl_queue_entry *entry;
	uint64_t now_ns, wait_ns = 0;
	uint32_t i;

	(void)state;
	entry = entry_of(STANDARD, 9, 10, START);
	entry->deadline_ns = START;
	assert_int_equal(push_of(&usual, entry, START), SL_QUEUE_DEADLINE);
	for (i = 0; i < 120; i++)
		push(STANDARD, 1, 10);
	assert_int_equal(sl_queue_estimate_ns(&queue, STANDARD, 1), 0);
	now_ns = drain(20, START); /* 100 are left */
	assert_in_range(sl_queue_estimate_ns(&queue, STANDARD, 1), 10000 * MS, 10200 * MS);
	entry = entry_of(STANDARD, 1, 10, now_ns);
	entry->deadline_ns = now_ns + 9 * S;
	assert_int_equal(sl_queue_push(&queue, &usual, entry, now_ns, &wait_ns), SL_QUEUE_DEADLINE);
	assert_in_range(wait_ns, 10000 * MS, 10200 * MS);
	entry->deadline_ns = now_ns + 11 * S;
	assert_int_equal(push_of(&usual, entry, now_ns), SL_QUEUE_WAITING);
	/* another tenant, and a higher class, are sooner; a lower one is later */
	assert_in_range(sl_queue_estimate_ns(&queue, STANDARD, 2), 200 * MS, 210 * MS);
	assert_in_range(sl_queue_estimate_ns(&queue, CRITICAL, 1), 100 * MS, 110 * MS);
	assert_true(sl_queue_estimate_ns(&queue, BATCH, 1) > S);
	/* an outage says nothing about how fast the pool serves */
	sl_queue_pause(&queue);
	assert_non_null(sl_queue_pop(&queue, &usual, now_ns + 1000 * S));
	assert_in_range(sl_queue_estimate_ns(&queue, CRITICAL, 1), 100 * MS, 110 * MS);
}

/* ---- overload -------------------------------------------------------------------------------- */

/* Two arrive for each one that is granted, every 100 ms. */
static uint64_t overload(uint64_t now_ns, uint32_t turns, enum sl_key_class class)
{
	while (turns--) {
		push_of(&usual, entry_of(class, 1, 10, now_ns), now_ns);
		push_of(&usual, entry_of(STANDARD, 1, 10, now_ns), now_ns);
		sl_queue_tick(&queue, &usual, now_ns);
		sl_queue_pop(&queue, &usual, now_ns);
		now_ns += 100 * MS;
	}
	return now_ns;
}

static void test_overload(void **state)
{
	struct sl_queue_entry *entry;
	uint64_t now_ns;

	(void)state;
	now_ns = overload(START, 100, STANDARD);
	assert_false(queue.overloaded); /* not for an interval yet */
	assert_int_equal(queue.counts[SL_QUEUE_SHED][STANDARD], 0);
	now_ns = overload(now_ns, 200, BATCH);
	assert_true(queue.overloaded);
	assert_true(queue.counts[SL_QUEUE_SHED][BATCH] > 0);
	assert_int_equal(queue.counts[SL_QUEUE_SHED][STANDARD], 0); /* the lowest class alone */
	while ((entry = sl_queue_take_shed(&queue))) {
		assert_int_equal(entry->class, BATCH);
		assert_int_equal(entry->verdict, SL_QUEUE_SHED);
	}
	assert_true(queue.classes[BATCH].count > 0); /* those below the target stay */
	/* newest first */
	entry = entry_of(STANDARD, 1, 10, now_ns);
	push_of(&usual, entry, now_ns);
	assert_ptr_equal(sl_queue_pop(&queue, &usual, now_ns), entry);
	/* and it ends when a request's turn comes in time */
	while (queue.count)
		sl_queue_pop(&queue, &usual, now_ns += 20 * MS);
	entry = entry_of(STANDARD, 1, 10, now_ns);
	push_of(&usual, entry, now_ns);
	push_of(&usual, entry_of(STANDARD, 1, 10, now_ns), now_ns);
	assert_ptr_equal(sl_queue_pop(&queue, &usual, now_ns), entry);
	assert_false(queue.overloaded);
}

/* A long pause between a request in time and those that come late is no interval of late ones. */
static void test_pause_is_no_overload(void **state)
{
	uint64_t now_ns = START + 100 * S;
	uint32_t i;

	(void)state;
	push(STANDARD, 1, 10);
	assert_non_null(pop());
	for (i = 0; i < 20; i++)
		push_of(&usual, entry_of(STANDARD, 1, 10, now_ns), now_ns);
	for (i = 0; i < 20; i++) {
		sl_queue_tick(&queue, &usual, now_ns + 7 * S);
		assert_non_null(sl_queue_pop(&queue, &usual, now_ns + 7 * S));
		now_ns += 100 * MS;
	}
}

/* Shedding alone does not end it: while as many come as before, it goes on. */
static void test_overload_goes_on(void **state)
{
	uint64_t now_ns = overload(START, 300, STANDARD);
	uint32_t i;

	(void)state;
	assert_true(queue.overloaded);
	for (i = 0; i < 300; i++) {
		now_ns = overload(now_ns, 1, STANDARD);
		assert_true(queue.overloaded);
	}
	assert_true(queue.counts[SL_QUEUE_SHED][STANDARD] > 200);
}

/* A burst that takes two minutes to serve fails nobody: nothing more arrives. */
static void test_burst_is_no_overload(void **state)
{
	uint64_t now_ns = START;
	uint32_t i;

	(void)state;
	for (i = 0; i < 1200; i++)
		push(BATCH, i % 3, 10);
	for (i = 0; i < 1200; i++) {
		now_ns += 100 * MS;
		sl_queue_tick(&queue, &usual, now_ns);
		assert_non_null(sl_queue_pop(&queue, &usual, now_ns));
		assert_false(queue.overloaded);
	}
	assert_null(sl_queue_take_shed(&queue));
}

/* ---- whatever happens ------------------------------------------------------------------------ */

static struct sl_random random_;

static void check_sums(const uint8_t *waits)
{
	uint64_t count = 0, bytes = 0;
	uint32_t of[SL_QUEUE_CLASSES] = {0}, i;

	for (i = 0; i < used; i++) {
		if (!waits[i])
			continue;
		count++;
		bytes += entries[i].bytes;
		of[entries[i].class]++;
		assert_int_equal(entries[i].verdict, SL_QUEUE_WAITING);
	}
	assert_int_equal(queue.count, count);
	assert_int_equal(queue.bytes, bytes);
	for (i = 0; i < SL_QUEUE_CLASSES; i++)
		assert_int_equal(queue.classes[i].count, of[i]);
}

static void drop_shed(uint8_t *waits, const struct sl_queue_config *config)
{
	struct sl_queue_entry *entry;

	while ((entry = sl_queue_take_shed(&queue))) {
		assert_true(waits[entry - entries]);
		waits[entry - entries] = 0;
	}
	assert_true(queue.count <= config->count_max && queue.bytes <= config->bytes_max);
}

static void push_random(uint8_t *waits, const struct sl_queue_config *config, uint64_t now_ns)
{
	struct sl_queue_entry *entry =
		entry_of((enum sl_key_class)sl_random_below(&random_, SL_QUEUE_CLASSES),
			 sl_random_below(&random_, 12), sl_random_below(&random_, 300000), now_ns);
	enum sl_queue_verdict verdict;

	entry->bytes = sl_random_below(&random_, 5000);
	if (sl_random_below(&random_, 2))
		entry->deadline_ns = now_ns + sl_random_below(&random_, 20000) * MS;
	verdict = push_of(config, entry, now_ns);
	waits[entry - entries] = verdict == SL_QUEUE_WAITING;
	assert_true(verdict == SL_QUEUE_WAITING || !entry->flow);
}

/* Each entry is in the queue once, or out of it once; the sums are right after every step. */
static void test_random_steps(void **state)
{
	static uint8_t waits[ENTRIES];
	struct sl_queue_config config = usual;
	struct sl_queue_entry *entry;
	uint64_t seed, now_ns;
	uint32_t i, pick;

	(void)state;
	config.count_max = 60;
	config.bytes_max = 120000;
	config.target_ns = S;
	config.interval_ns = 2 * S;
	for (seed = 1; seed <= SEEDS; seed++) {
		sl_random_seed(&random_, seed);
		memset(waits, 0, sizeof(waits));
		used = 0;
		now_ns = START;
		for (i = 0; i < 3000; i++) {
			now_ns += sl_random_below(&random_, 100) * MS;
			switch (sl_random_below(&random_, 8)) {
			case 0:
			case 1:
			case 2:
			case 3:
				push_random(waits, &config, now_ns);
				break;
			case 4:
				pick = used ? sl_random_below(&random_, used) : 0;
				if (waits[pick])
					sl_queue_remove(&queue, &entries[pick], SL_QUEUE_LEFT);
				waits[pick] = 0;
				break;
			case 5:
				sl_queue_tick(&queue, &config, now_ns);
				break;
			default:
				pick = queue.count;
				entry = sl_queue_pop(&queue, &config, now_ns);
				assert_int_equal(entry != NULL, pick != 0);
				if (!entry)
					break;
				assert_true(waits[entry - entries]);
				waits[entry - entries] = 0;
				if (sl_random_below(&random_, 8) ||
				    queue.count >= config.count_max - 1 ||
				    queue.bytes + entry->bytes > config.bytes_max)
					break;
				sl_queue_return(&queue, entry);
				waits[entry - entries] = 1;
				break;
			}
			drop_shed(waits, &config);
			if (i % 16 == 0)
				check_sums(waits);
		}
		check_sums(waits);
		while ((entry = sl_queue_pop(&queue, &usual, START)))
			waits[entry - entries] = 0;
		check_sums(waits);
	}
}

static void test_names(void **state)
{
	int v, w;

	(void)state;
	for (v = SL_QUEUE_WAITING; v < SL_QUEUE_VERDICTS; v++) {
		assert_true(sl_queue_verdict_name((enum sl_queue_verdict)v)[0] != '\0');
		for (w = 0; w < v; w++)
			assert_string_not_equal(sl_queue_verdict_name((enum sl_queue_verdict)v),
						sl_queue_verdict_name((enum sl_queue_verdict)w));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_oldest_first),     TEST(test_higher_class_first),
		TEST(test_no_class_starves), TEST(test_return_goes_before_all),
		TEST(test_equal_tokens),     TEST(test_flood_of_a_tenant),
		TEST(test_closed_loop),	     TEST(test_more_tenants_than_turns),
		TEST(test_bounds),	     TEST(test_deadline),
		TEST(test_overload),	     TEST(test_pause_is_no_overload),
		TEST(test_overload_goes_on), TEST(test_burst_is_no_overload),
		TEST(test_random_steps),     TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
