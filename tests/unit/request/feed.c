/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The feed of ended requests: order over many turns of the ring, loss that is counted, two threads.
 *
 *	build/unit/request/feed --measure	prints what a record costs
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>
#include <cmocka.h>
#include "user/base/clock.h"
#include "user/request/feed.h"

#define BETWEEN_THREADS 200000u
#define MEASURED	5000000u

static struct sl_feed_record numbered(uint64_t number)
{
	return (struct sl_feed_record){.tokens = number, .cost = ~number};
}

static void test_order(void **unused)
{
	struct sl_feed_record record;
	struct sl_feed feed;
	uint64_t put = 0, taken = 0, i;

	(void)unused;
	sl_feed_init(&feed);
	assert_false(sl_feed_is_on(&feed));
	assert_false(sl_feed_take(&feed, &record));
	while (put < 3 * SL_FEED_RECORDS) {
		for (i = 0; i < 1000; i++) {
			record = numbered(put++);
			sl_feed_put(&feed, &record);
		}
		while (sl_feed_take(&feed, &record))
			assert_int_equal(record.tokens, taken++);
	}
	assert_int_equal(put, taken);
	assert_int_equal(sl_feed_lost(&feed), 0);
	sl_feed_fini(&feed);
}

static void test_full(void **unused)
{
	struct sl_feed_record record;
	struct sl_feed feed;
	uint64_t i;

	(void)unused;
	sl_feed_init(&feed);
	for (i = 0; i < SL_FEED_RECORDS + 5; i++) {
		record = numbered(i);
		sl_feed_put(&feed, &record);
	}
	assert_int_equal(sl_feed_lost(&feed), 5);
	for (i = 0; i < SL_FEED_RECORDS; i++) {
		assert_true(sl_feed_take(&feed, &record));
		assert_int_equal(record.tokens, i);
	}
	assert_false(sl_feed_take(&feed, &record));
	sl_feed_fini(&feed);
	sl_feed_put(&feed, &record); /* without memory: lost */
	assert_int_equal(sl_feed_lost(&feed), 6);
}

static void *put_all(void *argument)
{
	struct sl_feed_record record;
	uint64_t i;

	for (i = 0; i < BETWEEN_THREADS; i++) {
		uint64_t lost = sl_feed_lost(argument);

		record = numbered(i);
		sl_feed_put(argument, &record);
		if (sl_feed_lost(argument) != lost)
			sched_yield();
	}
	return NULL;
}

/* Every record is whole, in order, and taken or lost. */
static void test_threads(void **unused)
{
	struct sl_feed_record record;
	struct sl_feed feed;
	pthread_t thread;
	uint64_t next = 0, count = 0;

	(void)unused;
	sl_feed_init(&feed);
	assert_int_equal(pthread_create(&thread, NULL, put_all, &feed), 0);
	while (count + sl_feed_lost(&feed) < BETWEEN_THREADS) {
		if (!sl_feed_take(&feed, &record)) {
			sched_yield();
			continue;
		}
		assert_true(record.tokens >= next);
		assert_int_equal(record.cost, ~record.tokens);
		next = record.tokens + 1;
		count++;
	}
	pthread_join(thread, NULL);
	assert_false(sl_feed_take(&feed, &record));
	assert_true(count > 0);
	sl_feed_fini(&feed);
}

static int measure(void)
{
	struct sl_feed_record record = numbered(1);
	struct sl_feed feed;
	uint64_t start_ns, i;

	sl_feed_init(&feed);
	start_ns = sl_clock_ns();
	for (i = 0; i < MEASURED; i++) {
		sl_feed_put(&feed, &record);
		sl_feed_take(&feed, &record);
	}
	printf("put and take: %.1f ns a record of %zu bytes\n",
	       (double)(sl_clock_ns() - start_ns) / MEASURED, sizeof(record));
	sl_feed_fini(&feed);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_threads),
	};

	if (argc > 1 && !strcmp(argv[1], "--measure"))
		return measure();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
