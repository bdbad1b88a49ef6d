/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of calls under way: who leads, who waits and what they are told, case by case; then
 * threads that lead, give up, leave and wait for few keys at random. Of a key one leads at a time,
 * nobody waits for ever, every reference comes back.
 */
#include "user/store/flights.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/random.h"

#define THREADS	   4u
#define KEYS	   3u
#define THREAD_OPS 6000u

static struct sl_cache_key key_of(uint8_t number)
{
	struct sl_cache_key key = {{0}};

	memset(key.bytes, number + 1, sizeof(key.bytes));
	key.bytes[SL_CACHE_KEY_BYTES - 1] = number;
	return key;
}

/* ---- one thread ------------------------------------------------------------------------------ */

static int told_count;

static void count_told(struct sl_flights_waiter *waiter)
{
	(void)waiter;
	told_count++;
}

static struct sl_flights_entry *entry_of(uint8_t number)
{
	struct sl_flights_entry *entry = calloc(1, sizeof(*entry));

	assert_non_null(entry);
	entry->key = key_of(number);
	return entry;
}

static struct sl_flights_waiter *waiter_new(void)
{
	struct sl_flights_waiter *waiter = calloc(1, sizeof(*waiter));

	assert_non_null(waiter);
	waiter->tell = count_told;
	return waiter;
}

/* Enters as one who has to wait. */
static struct sl_flights_waiter *wait_for(struct sl_flights *flights, uint8_t number)
{
	struct sl_flights_waiter *waiter = waiter_new();
	struct sl_flights_entry *spare = entry_of(number);

	assert_false(sl_flights_enter(flights, spare, waiter));
	free(spare);
	assert_int_equal(waiter->outcome, SL_FLIGHTS_WAITING);
	return waiter;
}

static void finish(struct sl_flights *flights, struct sl_flights_waiter *waiter,
		   enum sl_flights_outcome outcome)
{
	assert_int_equal(waiter->outcome, outcome);
	assert_false(sl_flights_leave(flights, waiter));
	sl_flights_done(flights, waiter);
	sl_cache_value_put(&waiter->value);
	free(waiter);
}

static void test_outcomes(void **state)
{
	struct sl_cache_value *value = sl_cache_value_new("answer", 6, 1);
	struct sl_flights_waiter *spare = waiter_new(), *first, *second, *third;
	struct sl_flights_entry *entry = entry_of(1), *other = entry_of(2);
	struct sl_flights *flights;

	(void)state;
	told_count = 0;
	assert_int_equal(sl_flights_open(&flights), 0);
	assert_true(sl_flights_enter(flights, entry, spare));
	assert_true(sl_flights_enter(flights, other, spare)); /* another key, another leader */
	first = wait_for(flights, 1);
	second = wait_for(flights, 1);
	third = wait_for(flights, 1);
	/* The leader gives up: the first one leads, the others wait on. */
	assert_true(sl_flights_pass(flights, entry));
	assert_int_equal(told_count, 1);
	assert_ptr_equal(first->entry, entry);
	finish(flights, first, SL_FLIGHTS_LEADS);
	assert_int_equal(second->outcome, SL_FLIGHTS_WAITING);
	/* One leaves; the last in the list, so the next one has to find the end again. */
	assert_true(sl_flights_leave(flights, third));
	free(third);
	third = wait_for(flights, 1);
	sl_flights_land(flights, entry, value);
	assert_int_equal(told_count, 3);
	assert_ptr_equal(second->value, value);
	assert_int_equal(value->refs, 3);
	finish(flights, third, SL_FLIGHTS_SERVED);
	finish(flights, second, SL_FLIGHTS_SERVED);
	assert_int_equal(value->refs, 1);
	/* It is over: the next one leads. */
	assert_true(sl_flights_enter(flights, entry, spare));
	first = wait_for(flights, 1);
	sl_flights_land(flights, entry, NULL);
	finish(flights, first, SL_FLIGHTS_RELEASED);
	/* Nobody waits: nobody to pass to. */
	assert_false(sl_flights_pass(flights, other));
	assert_true(sl_flights_enter(flights, other, spare));
	sl_flights_land(flights, other, value);
	free(entry);
	free(other);
	free(spare);
	sl_cache_value_put(&value);
	sl_flights_close(&flights);
	assert_null(flights);
}

/* What is still there is freed with it: the sanitizer would tell. */
static void test_close(void **state)
{
	struct sl_cache_value *value = sl_cache_value_new("answer", 6, 1);
	struct sl_flights_entry *entry = entry_of(1), *left = entry_of(2);
	struct sl_flights_waiter *spare = waiter_new();
	struct sl_flights *flights;

	(void)state;
	assert_int_equal(sl_flights_open(&flights), 0);
	assert_true(sl_flights_enter(flights, entry, spare));
	assert_true(sl_flights_enter(flights, left, spare));
	free(spare);
	wait_for(flights, 1);
	wait_for(flights, 2);
	wait_for(flights, 2);
	sl_flights_land(flights, entry, value);
	free(entry);
	sl_cache_value_put(&value);
	assert_true(sl_flights_pass(flights, left)); /* told, and never done */
	sl_flights_close(&flights);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct crowd {
	struct sl_flights *flights;
	_Atomic uint32_t leaders[KEYS]; /* now: never more than one */
	_Atomic uint32_t served, led, released, left;
	atomic_bool broken;
};

struct person {
	struct sl_flights_waiter waiter; /* first */
	pthread_mutex_t lock;
	pthread_cond_t told_cond;
	bool told;
};

static void tell_person(struct sl_flights_waiter *waiter)
{
	struct person *person = (struct person *)waiter;

	pthread_mutex_lock(&person->lock);
	person->told = true;
	pthread_cond_signal(&person->told_cond);
	pthread_mutex_unlock(&person->lock);
}

static void lead(struct crowd *crowd, struct sl_flights_entry *entry, uint8_t number,
		 struct sl_random *random)
{
	struct sl_cache_value *value = NULL;
	uint32_t way = sl_random_u32(random) % 4;

	if (atomic_fetch_add(&crowd->leaders[number], 1) != 0)
		atomic_store(&crowd->broken, true);
	atomic_fetch_add(&crowd->led, 1);
	for (uint32_t spin = sl_random_u32(random) % 200; spin > 0; spin--)
		__asm__ volatile("" ::: "memory");
	atomic_fetch_sub(&crowd->leaders[number], 1);
	if (way < 2) {
		value = way ? sl_cache_value_new((const char *)&number, 1, 1) : NULL;
		sl_flights_land(crowd->flights, entry, value);
		sl_cache_value_put(&value);
		free(entry);
	} else if (!sl_flights_pass(crowd->flights, entry)) {
		free(entry);
	}
}

static struct person *person_new(void)
{
	struct person *person = calloc(1, sizeof(*person));

	person->waiter.tell = tell_person;
	pthread_mutex_init(&person->lock, NULL);
	pthread_cond_init(&person->told_cond, NULL);
	return person;
}

static void person_free(struct person *person)
{
	pthread_mutex_destroy(&person->lock);
	pthread_cond_destroy(&person->told_cond);
	free(person);
}

static void follow(struct crowd *crowd, struct person *person, uint8_t number,
		   struct sl_random *random)
{
	struct sl_flights_waiter *waiter = &person->waiter;

	if (sl_random_u32(random) % 4 == 0 && sl_flights_leave(crowd->flights, waiter)) {
		atomic_fetch_add(&crowd->left, 1);
		return;
	}
	pthread_mutex_lock(&person->lock);
	while (!person->told)
		pthread_cond_wait(&person->told_cond, &person->lock);
	pthread_mutex_unlock(&person->lock);
	sl_flights_done(crowd->flights, waiter);
	if (waiter->outcome == SL_FLIGHTS_LEADS) {
		lead(crowd, waiter->entry, number, random);
	} else if (waiter->outcome == SL_FLIGHTS_SERVED) {
		if (waiter->value->data[0] != number)
			atomic_store(&crowd->broken, true);
		sl_cache_value_put(&waiter->value);
		atomic_fetch_add(&crowd->served, 1);
	} else {
		atomic_fetch_add(&crowd->released, 1);
	}
}

static void *run_thread(void *arg)
{
	static _Atomic uint32_t seed = 1;
	struct crowd *crowd = arg;
	struct sl_random random;

	sl_random_seed(&random, atomic_fetch_add(&seed, 1));
	for (uint32_t i = 0; i < THREAD_OPS; i++) {
		uint8_t number = (uint8_t)(sl_random_u32(&random) % KEYS);
		struct sl_flights_entry *entry = entry_of(number);
		struct person *person = person_new();

		if (sl_flights_enter(crowd->flights, entry, &person->waiter)) {
			lead(crowd, entry, number, &random);
		} else {
			free(entry);
			follow(crowd, person, number, &random);
		}
		person_free(person);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct crowd crowd = {0};
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(sl_flights_open(&crowd.flights), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_thread, &crowd), 0);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_false(crowd.broken);
	assert_int_equal(crowd.led + crowd.served + crowd.released + crowd.left,
			 THREADS * THREAD_OPS);
	/* Nothing was left behind: each key has no leader. */
	for (uint8_t i = 0; i < KEYS; i++) {
		struct sl_flights_entry *entry = entry_of(i);
		struct sl_flights_waiter *spare = waiter_new();

		assert_true(sl_flights_enter(crowd.flights, entry, spare));
		assert_false(sl_flights_pass(crowd.flights, entry));
		free(entry);
		free(spare);
	}
	sl_flights_close(&crowd.flights);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
