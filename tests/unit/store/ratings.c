/* SPDX-License-Identifier: BSD-2-Clause */
/* Ratings: what may be rated and for how long, replacing, bounds, a key's minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/store/ratings.h"

static struct sl_rated rated(uint32_t number, uint16_t route)
{
	struct sl_rated of = {.route = route};

	snprintf(of.id, sizeof(of.id), "r%u", number);
	return of;
}

static struct sl_rating rating(uint32_t number, const char *key, int32_t score)
{
	struct sl_rating of = {.of = rated(number, 1), .has_score = true, .score = score};

	snprintf(of.key_id, sizeof(of.key_id), "%s", key);
	return of;
}

/* The oldest are forgotten, of one id the newest counts. */
static void test_window(void **state)
{
	struct sl_ratings *ratings = sl_ratings_open();
	struct sl_rated of, *copy = calloc(100, sizeof(*copy));

	(void)state;
	assert_non_null(ratings);
	assert_non_null(copy);
	assert_false(sl_ratings_find(ratings, "r0", &of));
	for (uint32_t i = 0; i < SL_RATINGS_REQUESTS + 10; i++) {
		of = rated(i, (uint16_t)(i % 100));
		sl_ratings_note(ratings, &of);
	}
	assert_false(sl_ratings_find(ratings, "r9", &of));
	assert_true(sl_ratings_find(ratings, "r10", &of));
	for (uint32_t i = 10; i < SL_RATINGS_REQUESTS + 10; i++) {
		struct sl_rated wanted = rated(i, 0);

		if (!sl_ratings_find(ratings, wanted.id, &of) || of.route != i % 100)
			fail_msg("%s is gone", wanted.id);
	}
	of = rated(500, 77);
	sl_ratings_note(ratings, &of);
	assert_true(sl_ratings_find(ratings, "r500", &of));
	assert_int_equal(of.route, 77);
	assert_int_equal(sl_ratings_copy(ratings, copy, 100), 100);
	assert_string_equal(copy[99].id, "r500");
	assert_string_equal(copy[98].id, "r16393");
	/* the table has gone round some times: no chain leads into another one, so what is not there is told */
	for (uint32_t i = 0; i < 3 * SL_RATINGS_REQUESTS; i++) {
		of = rated(100000 + i, 1);
		sl_ratings_note(ratings, &of);
	}
	for (uint32_t i = 0; i < 2000; i++) {
		of = rated(900000 + i, 1);
		assert_false(sl_ratings_find(ratings, of.id, &of));
	}
	free(copy);
	sl_ratings_close(&ratings);
	assert_null(ratings);
}

static void take(struct sl_ratings *ratings, const struct sl_rating *put, bool replaces,
		 int32_t before_score)
{
	struct sl_rating got, before;
	bool does;

	assert_int_equal(sl_ratings_put(ratings, put), 0);
	assert_true(sl_ratings_take(ratings, &got, &before, &does));
	assert_string_equal(got.of.id, put->of.id);
	assert_int_equal(does, replaces);
	if (does)
		assert_int_equal(before.score, before_score);
	assert_false(sl_ratings_take(ratings, &got, &before, &does));
}

static void test_replace(void **state)
{
	struct sl_ratings *ratings = sl_ratings_open();
	struct sl_rating one = rating(1, "aaaaaaaaaa", 1000), got;

	(void)state;
	take(ratings, &one, false, 0);
	one.score = -1000;
	take(ratings, &one, true, 1000);
	one = rating(1, "bbbbbbbbbb", 500); /* another key's is another rating */
	take(ratings, &one, false, 0);
	one = rating(2, "aaaaaaaaaa", 200);
	take(ratings, &one, false, 0);
	assert_true(sl_ratings_at(ratings, 0, &got));
	assert_string_equal(got.of.id, "r2");
	assert_true(sl_ratings_at(ratings, 2, &got));
	assert_int_equal(got.score, -1000);
	assert_false(sl_ratings_at(ratings, 3, &got));
	sl_ratings_close(&ratings);
}

static void test_bounds(void **state)
{
	struct sl_ratings *ratings = sl_ratings_open();
	struct sl_rating one, got, before;
	bool replaces;
	uint32_t i;

	(void)state;
	for (i = 0; i < SL_RATINGS_PENDING_MAX; i++) {
		one = rating(i, "", 0);
		assert_int_equal(sl_ratings_put(ratings, &one), 0);
	}
	assert_int_equal(sl_ratings_put(ratings, &one), -EAGAIN);
	for (i = 0; sl_ratings_take(ratings, &got, &before, &replaces); i++)
		assert_false(replaces);
	assert_int_equal(i, SL_RATINGS_PENDING_MAX);
	for (i = 0; i < 3 * SL_RATINGS_KEPT; i++) {
		one = rating(i, "k", (int32_t)(i % 1000));
		sl_ratings_restore(ratings, &one, &before, &replaces);
		assert_false(replaces);
	}
	for (i = 0; sl_ratings_at(ratings, i, &got); i++)
		assert_int_equal(got.score, (3 * SL_RATINGS_KEPT - 1 - i) % 1000);
	assert_int_equal(i, SL_RATINGS_KEPT);
	/* the chains are still right: the newest are found, the oldest are not */
	one = rating(3 * SL_RATINGS_KEPT - 1, "k", 5);
	sl_ratings_restore(ratings, &one, &before, &replaces);
	assert_true(replaces);
	one = rating(0, "k", 5);
	sl_ratings_restore(ratings, &one, &before, &replaces);
	assert_false(replaces);
	sl_ratings_close(&ratings);
}

static void test_minute(void **state)
{
	struct sl_ratings *ratings = sl_ratings_open();
	char key[SL_API_KEY_ID_LEN + 1];
	uint32_t i, may;

	(void)state;
	assert_false(sl_ratings_are_on(ratings));
	sl_ratings_apply(ratings, true, 3, false);
	assert_true(sl_ratings_are_on(ratings));
	for (i = may = 0; i < 5; i++)
		may += sl_ratings_may(ratings, "a", 120000);
	assert_int_equal(may, 3);
	assert_true(sl_ratings_may(ratings, "b", 120000));
	assert_true(sl_ratings_may(ratings, "a", 180000));
	/* more keys than are counted apart share what is left; nobody is let through without a bound */
	for (i = may = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		may += sl_ratings_may(ratings, key, 180001);
	}
	assert_true(may >= SL_RATINGS_KEYS_MAX - 2 && may <= SL_RATINGS_KEYS_MAX + 3);
	sl_ratings_apply(ratings, true, 0, false);
	assert_true(sl_ratings_may(ratings, "a", 180001));
	sl_ratings_close(&ratings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_minute),
	};

	return cmocka_run_group_tests_name("store/ratings", tests, NULL, NULL);
}
