/* SPDX-License-Identifier: BSD-2-Clause */
/* The retry budget of a pool, and nodes that are left alone after Retry-After. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <cmocka.h>
#include "user/policy/retry.h"

#define NOW 5000000u

static const struct sl_retry_config usual = {
	.budget = 10, .earn = 10, .concurrent_percent = 20, .concurrent_min = 3};

/* Takes and gives the place back at once: what counts is the budget. */
static enum sl_retry_verdict spend(struct sl_retry_budget *budget,
				   const struct sl_retry_config *config, uint64_t now_ms)
{
	enum sl_retry_verdict verdict = sl_retry_take(budget, config, 100, true, now_ms);

	if (verdict == SL_RETRY_CHARGED)
		sl_retry_done(budget);
	return verdict;
}

static void test_half_of_the_budget(void **state)
{
	struct sl_retry_budget budget = {0};
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(spend(&budget, &usual, NOW), SL_RETRY_CHARGED);
	assert_int_equal(spend(&budget, &usual, NOW), SL_RETRY_SPENT);
	assert_int_equal(budget.spent, 500);
	assert_int_equal(budget.running, 0);
	sl_retry_earn(&budget, &usual);
	assert_int_equal(spend(&budget, &usual, NOW), SL_RETRY_CHARGED);
	for (i = 0; i < 9; i++) {
		sl_retry_earn(&budget, &usual);
		assert_int_equal(spend(&budget, &usual, NOW), SL_RETRY_SPENT);
	}
	sl_retry_earn(&budget, &usual);
	assert_int_equal(spend(&budget, &usual, NOW), SL_RETRY_CHARGED);
}

static void test_earning_stops_at_full(void **state)
{
	struct sl_retry_budget budget = {.spent = 15};

	(void)state;
	sl_retry_earn(&budget, &usual);
	assert_int_equal(budget.spent, 5);
	sl_retry_earn(&budget, &usual);
	assert_int_equal(budget.spent, 0);
	sl_retry_earn(&budget, &usual);
	assert_int_equal(budget.spent, 0);
}

static void test_refund(void **state)
{
	struct sl_retry_budget budget = {0};

	(void)state;
	assert_int_equal(sl_retry_take(&budget, &usual, 0, true, NOW), SL_RETRY_CHARGED);
	sl_retry_refund(&budget);
	sl_retry_done(&budget);
	assert_int_equal(budget.spent, 0);
	assert_int_equal(budget.running, 0);
}

static void test_a_smaller_budget_counts_at_once(void **state)
{
	struct sl_retry_config small = usual;
	struct sl_retry_budget budget = {.spent = 500};
	int i;

	(void)state;
	small.budget = 2;
	assert_int_equal(spend(&budget, &small, NOW), SL_RETRY_SPENT);
	for (i = 0; i < 41; i++)
		sl_retry_earn(&budget, &small);
	assert_int_equal(spend(&budget, &small, NOW), SL_RETRY_CHARGED);
}

/* in flight beside the retries -> retries at once */
static void test_places(void **state)
{
	static const struct {
		uint32_t in_flight, places;
	} rows[] = {{0, 3}, {10, 3}, {12, 3}, {16, 4}, {40, 10}, {100, 25}};
	struct sl_retry_config config = usual;
	size_t r;

	(void)state;
	config.budget = 100000;
	for (r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct sl_retry_budget budget = {0};
		uint32_t taken = 0;

		while (sl_retry_take(&budget, &config, rows[r].in_flight, true, NOW) ==
		       SL_RETRY_CHARGED)
			taken++;
		assert_int_equal(taken, rows[r].places);
		assert_int_equal(budget.running, taken);
		assert_int_equal(budget.spent,
				 taken * SL_RETRY_COST); /* the refused cost nothing */
		assert_int_equal(sl_retry_take(&budget, &config, rows[r].in_flight, true, NOW),
				 SL_RETRY_CROWDED);
		sl_retry_done(&budget);
		assert_int_equal(sl_retry_take(&budget, &config, rows[r].in_flight, true, NOW),
				 SL_RETRY_CHARGED);
	}
}

static void test_a_place_without_a_charge(void **state)
{
	struct sl_retry_budget budget = {.spent = 500};

	(void)state;
	assert_int_equal(sl_retry_take(&budget, &usual, 0, false, NOW), SL_RETRY_CHARGED);
	assert_int_equal(budget.spent, 500);
	assert_int_equal(budget.running, 1);
}

static void test_no_limit(void **state)
{
	struct sl_retry_config config = usual;
	struct sl_retry_budget budget = {.spent = 500};
	int i;

	(void)state;
	config.budget = 0;
	for (i = 0; i < 100; i++)
		assert_int_equal(sl_retry_take(&budget, &config, 0, true, NOW), SL_RETRY_CHARGED);
	assert_int_equal(budget.running, 100);
}

/* Ten a minute are one in 6 s, however often it is asked meanwhile. */
static void test_reserve(void **state)
{
	struct sl_retry_config config = usual;
	struct sl_retry_budget budget = {0};
	uint64_t now_ms = NOW, allowed = 0;

	(void)state;
	config.reserve_per_min = 10;
	while (spend(&budget, &config, now_ms) == SL_RETRY_CHARGED)
		;
	for (; now_ms < NOW + 600000; now_ms += 7)
		allowed += spend(&budget, &config, now_ms) == SL_RETRY_CHARGED;
	assert_in_range(allowed, 99, 100);
	now_ms += 3600000; /* a long silence fills it, and no more */
	allowed = 0;
	while (spend(&budget, &config, now_ms) == SL_RETRY_CHARGED)
		allowed++;
	assert_int_equal(allowed, 5);
}

#define RACE_TURNS 20000

static void *race(void *arg)
{
	static const struct sl_retry_config config = {.budget = 100000,
						      .earn = SL_RETRY_COST,
						      .concurrent_percent = 100,
						      .concurrent_min = 100};
	struct sl_retry_budget *budget = arg;
	int i;

	for (i = 0; i < RACE_TURNS; i++) {
		if (sl_retry_take(budget, &config, 0, true, NOW) != SL_RETRY_CHARGED)
			return arg;
		sl_retry_done(budget);
		sl_retry_earn(budget, &config);
	}
	return NULL;
}

static void test_threads_lose_nothing(void **state)
{
	static struct sl_retry_budget budget;
	pthread_t threads[4];
	void *failed;
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, &budget), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(budget.running, 0);
	assert_int_equal(budget.spent, 0);
}

static void test_holds(void **state)
{
	uint64_t word = sl_retry_hold_word(NOW + 1000, 0x10007);

	(void)state;
	assert_int_equal(sl_retry_held_ms(word, 0x10007, NOW), 1000);
	assert_int_equal(sl_retry_held_ms(word, 0x10007, NOW + 999), 1);
	assert_int_equal(sl_retry_held_ms(word, 0x10007, NOW + 1000), 0);
	assert_int_equal(sl_retry_held_ms(word, 0x10008, NOW), 0); /* another endpoint by now */
	assert_int_equal(sl_retry_held_ms(0, 0, NOW), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_half_of_the_budget),
		cmocka_unit_test(test_earning_stops_at_full),
		cmocka_unit_test(test_refund),
		cmocka_unit_test(test_a_smaller_budget_counts_at_once),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_a_place_without_a_charge),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_threads_lose_nothing),
		cmocka_unit_test(test_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
