/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The cache of answers against a model that remembers every insertion: what is found is the newest
 * of its key and young enough, the bound holds, and each insertion is accounted for. Then a scan
 * past a hot set, a value that outlives its entry, and threads that race.
 */
#include "user/store/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "user/base/digest.h"
#include "user/base/random.h"

#define SEEDS	   60u
#define STEPS	   4000u
#define KEYS	   400u
#define TTL_NS	   1000u
#define VALUE_MAX  3000u
#define THREADS	   4u
#define THREAD_OPS 30000u

static struct sl_cache_key key_of(uint32_t number)
{
	struct sl_cache_key key;
	struct sl_span span = {(const char *)&number, sizeof(number)};

	sl_digest_sha256(&span, 1, key.bytes);
	return key;
}

/* Every byte tells key and version. */
static struct sl_cache_value *make(uint32_t number, uint32_t version, size_t len, uint64_t now_ns)
{
	uint32_t words[VALUE_MAX / 4 + 2];

	for (size_t i = 0; i < len / 4 + 1; i++)
		words[i] = i % 2 ? version : number;
	return sl_cache_value_new((const char *)words, len, now_ns);
}

static uint32_t word_at(const struct sl_cache_value *value, size_t index)
{
	uint32_t word;

	memcpy(&word, value->data + 4 * index, sizeof(word));
	return word;
}

static void check_bytes(const struct sl_cache_value *value, uint32_t number)
{
	assert_true(value->len >= 8);
	for (size_t i = 0; i < value->len / 4; i++)
		assert_int_equal(word_at(value, i), i % 2 ? word_at(value, 1) : number);
}

struct model {
	uint32_t version; /* 0: never inserted */
	uint64_t born_ns;
	size_t len;
};

static void check_counts(struct sl_cache *cache, uint64_t inserted, size_t bound)
{
	struct sl_cache_counts counts;
	uint64_t ended = 0;

	sl_cache_count(cache, &counts);
	for (int end = 0; end < SL_CACHE_ENDS; end++)
		ended += counts.ended[end];
	assert_int_equal(inserted, counts.entries + ended + counts.refused);
	assert_true(counts.bytes <= bound);
	assert_true(counts.entries == 0 ? counts.bytes == 0 : counts.bytes > 0);
}

static void run_seed(uint64_t seed)
{
	static struct model models[KEYS];
	struct sl_random random;
	struct sl_cache *cache;
	uint64_t now_ns = 1000, inserted = 0, found = 0;
	uint32_t keys;
	size_t bound;

	memset(models, 0, sizeof(models));
	sl_random_seed(&random, seed);
	keys = 10 + sl_random_below(&random, KEYS - 10);
	bound = (size_t)(64u + sl_random_below(&random, 1000)) << 10;
	assert_int_equal(sl_cache_open(bound, &cache), 0);
	for (uint32_t step = 1; step <= STEPS; step++) {
		uint32_t number = sl_random_below(&random, keys);
		struct sl_cache_key key = key_of(number);
		struct model *model = &models[number];
		struct sl_cache_value *value;

		now_ns += sl_random_below(&random, 20);
		value = sl_cache_find(cache, &key, TTL_NS, now_ns);
		if (value) {
			found++;
			check_bytes(value, number);
			assert_int_equal(word_at(value, 1), model->version);
			assert_int_equal(value->len, model->len);
			assert_true(now_ns - model->born_ns < TTL_NS);
			sl_cache_value_put(&value);
			assert_null(value);
		} else if (sl_random_below(&random, 2)) {
			*model = (struct model){step, now_ns,
						8 + sl_random_below(&random, VALUE_MAX - 8)};
			value = make(number, step, model->len, now_ns);
			sl_cache_insert(cache, &key, value, TTL_NS, now_ns);
			sl_cache_value_put(&value);
			inserted++;
		}
		check_counts(cache, inserted, bound);
	}
	assert_true(found > STEPS / 50);
	sl_cache_close(&cache);
	assert_null(cache);
}

static void test_model(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		run_seed(seed);
}

static bool has(struct sl_cache *cache, uint32_t number, uint64_t now_ns)
{
	struct sl_cache_key key = key_of(number);
	struct sl_cache_value *value = sl_cache_find(cache, &key, TTL_NS, now_ns);
	bool found = value != NULL;

	sl_cache_value_put(&value);
	return found;
}

static void put(struct sl_cache *cache, uint32_t number, uint32_t version, size_t len,
		uint64_t now_ns)
{
	struct sl_cache_key key = key_of(number);
	struct sl_cache_value *value = make(number, version, len, now_ns);

	sl_cache_insert(cache, &key, value, TTL_NS, now_ns);
	sl_cache_value_put(&value);
}

static void test_edges(void **state)
{
	struct sl_cache_counts counts;
	struct sl_cache *cache;

	(void)state;
	assert_int_equal(sl_cache_open(0, &cache), 0);
	assert_null(cache);
	put(cache, 1, 1, 100, 0);
	assert_false(has(cache, 1, 0));
	sl_cache_count(cache, &counts);
	assert_int_equal(counts.entries, 0);
	sl_cache_close(&cache);

	assert_int_equal(sl_cache_open(1u << 20, &cache), 0);
	put(cache, 1, 1, 100, 5000);
	assert_true(has(cache, 1, 5000));
	assert_true(has(cache, 1, 5000 + TTL_NS - 1));
	assert_true(has(cache, 1, 4000)); /* another thread's clock may be behind */
	assert_false(has(cache, 1, 5000 + TTL_NS));
	sl_cache_count(cache, &counts);
	assert_int_equal(counts.entries, 0);
	assert_int_equal(counts.bytes, 0);
	assert_int_equal(counts.ended[SL_CACHE_END_EXPIRED], 1);
	put(cache, 2, 1, 100, 5000);
	put(cache, 2, 2, 200, 5001);
	sl_cache_count(cache, &counts);
	assert_int_equal(counts.entries, 1);
	assert_int_equal(counts.ended[SL_CACHE_END_REPLACED], 1);
	sl_cache_close(&cache);
	/* larger than a quarter of a shard: refused, and nothing is pushed out for it */
	assert_int_equal(sl_cache_open(SL_CACHE_SHARDS * 4000, &cache), 0);
	put(cache, 1, 1, 100, 0);
	put(cache, 2, 1, 1100, 0);
	assert_true(has(cache, 1, 0));
	assert_false(has(cache, 2, 0));
	sl_cache_count(cache, &counts);
	assert_int_equal(counts.refused, 1);
	sl_cache_close(&cache);
}

/* Twice the cache's size of keys that are asked once, past a hot tenth. */
static void test_scan(void **state)
{
	uint32_t hot = 300, kept = 0;
	struct sl_cache *cache;

	(void)state;
	assert_int_equal(sl_cache_open(4u << 20, &cache), 0);
	for (uint32_t i = 0; i < hot; i++)
		put(cache, i, 1, 900, 0);
	for (uint32_t i = 0; i < hot; i++)
		assert_true(has(cache, i, 0));
	for (uint32_t i = 0; i < 8000; i++)
		put(cache, 10000 + i, 1, 900, 0);
	for (uint32_t i = 0; i < hot; i++)
		kept += has(cache, i, 0);
	assert_true(kept > hot * 9 / 10);
	sl_cache_close(&cache);
}

static void test_outlives(void **state)
{
	struct sl_cache_key key = key_of(7);
	struct sl_cache_value *value;
	struct sl_cache *cache;

	(void)state;
	assert_int_equal(sl_cache_open(1u << 20, &cache), 0);
	put(cache, 7, 1, 2000, 0);
	value = sl_cache_find(cache, &key, TTL_NS, 0);
	assert_non_null(value);
	put(cache, 7, 2, 2000, 0);
	sl_cache_close(&cache);
	check_bytes(value, 7);
	assert_int_equal(word_at(value, 1), 1);
	sl_cache_value_put(&value);
}

static void *race(void *arg)
{
	struct sl_cache *cache = arg;
	struct sl_random random;

	sl_random_init(&random);
	for (uint32_t i = 0; i < THREAD_OPS; i++) {
		uint32_t number = sl_random_below(&random, 200);
		struct sl_cache_key key = key_of(number);
		struct sl_cache_value *value = sl_cache_find(cache, &key, TTL_NS, i / 10);

		if (value)
			check_bytes(value, number);
		else
			put(cache, number, i, 8 + sl_random_below(&random, 1500), i / 10);
		sl_cache_value_put(&value);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct sl_cache_counts counts;
	pthread_t threads[THREADS];
	struct sl_cache *cache;
	size_t bound = 160u << 10;

	(void)state;
	assert_int_equal(sl_cache_open(bound, &cache), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, race, cache), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	sl_cache_count(cache, &counts);
	assert_true(counts.bytes <= bound);
	assert_true(counts.entries > 0);
	assert_true(counts.ended[SL_CACHE_END_SIZE] > 0);
	assert_true(counts.ended[SL_CACHE_END_EXPIRED] > 0);
	sl_cache_close(&cache);
}

/* ---- by hand --------------------------------------------------------------------------------- */

/* Those of the owner's route. */
static bool is_of(void *owner, const struct sl_cache_key *key, const struct sl_cache_value *value)
{
	(void)key;
	return !strcmp(value->label.route, owner);
}

static void test_purge(void **state)
{
	struct sl_cache_counts counts;
	struct sl_cache_value *value;
	struct sl_cache_key key;
	struct sl_cache *cache;

	(void)state;
	assert_int_equal(sl_cache_open(16 << 20, &cache), 0);
	for (uint32_t i = 0; i < 300; i++) {
		key = key_of(i);
		value = make(i, 1, 64, 1);
		strcpy(value->label.route, i % 3 ? "chat" : "code");
		sl_cache_insert(cache, &key, value, 1000, 1);
		sl_cache_value_put(&value);
	}
	key = key_of(3);
	value = sl_cache_find(cache, &key, 1000, 2); /* held while it is taken out */
	assert_int_equal(sl_cache_purge(cache, is_of, "nothing"), 0);
	assert_int_equal(sl_cache_purge(cache, is_of, "code"), 100);
	check_bytes(value, 3);
	sl_cache_value_put(&value);
	assert_null(sl_cache_find(cache, &key, 1000, 2));
	key = key_of(4);
	value = sl_cache_find(cache, &key, 1000, 2);
	assert_non_null(value);
	sl_cache_value_put(&value);
	sl_cache_count(cache, &counts);
	assert_int_equal(counts.entries, 200);
	assert_int_equal(counts.ended[SL_CACHE_END_PURGED], 100);
	assert_int_equal(sl_cache_purge(NULL, is_of, "code"), 0);
	sl_cache_close(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_purge),	 cmocka_unit_test(test_model),
		cmocka_unit_test(test_edges),	 cmocka_unit_test(test_scan),
		cmocka_unit_test(test_outlives), cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
