/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index of vectors against a plain list: flat and while it grows, a search gives exactly what
 * the list gives; in the graph, nearly all of it. Insertions, replacements, removals and places taken
 * again; files written, read, torn and foreign; searches beside changes.
 */
#include "user/store/vectors.h"
#include "user/store/vectors_graph.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/store/linear.h"

#define DIMENSIONS 24u
#define IDS	   600u
#define TOP	   10u

static char scratch[] = "/tmp/sluice-vectors-XXXXXX";
static uint32_t seed = 1;

struct list {
	bool there[IDS];
	float vectors[IDS][DIMENSIONS];
	uint32_t count;
};

static uint32_t roll(uint32_t below)
{
	seed = seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)seed * below) >> 32);
}

static void random_vector(float *vector)
{
	float squares = 0;

	for (uint32_t i = 0; i < DIMENSIONS; i++) {
		vector[i] = (float)roll(2001) / 1000.0f - 1.0f;
		squares += vector[i] * vector[i];
	}
	for (uint32_t i = 0; i < DIMENSIONS; i++)
		vector[i] /= sqrtf(squares);
}

static float product(const float *a, const float *b)
{
	float sum = 0;

	for (uint32_t i = 0; i < DIMENSIONS; i++)
		sum += a[i] * b[i];
	return sum;
}

static struct sl_vectors *open_index(uint32_t flat_max)
{
	struct sl_vectors_options options = {DIMENSIONS, IDS, flat_max, "model:1"};
	struct sl_vectors *vectors = NULL;

	assert_int_equal(sl_vectors_open(&options, &vectors), 0);
	return vectors;
}

/* How many of the truly best ten the index finds; every result must carry its true score, in order. */
static uint32_t check_search(struct sl_vectors *vectors, const struct list *list)
{
	struct sl_vectors_result results[TOP];
	float query[DIMENSIONS];
	uint32_t good = 0, better = 0;
	int found;

	random_vector(query);
	found = sl_vectors_search(vectors, query, TOP, results);
	assert_int_equal(found, list->count < TOP ? list->count : TOP);
	for (int i = 0; i < found; i++) {
		assert_true(results[i].id < IDS && list->there[results[i].id]);
		assert_true(fabsf(results[i].score - product(query, list->vectors[results[i].id])) <
			    1e-5f);
		assert_true(i == 0 || results[i].score <= results[i - 1].score);
		for (int j = 0; j < i; j++)
			assert_true(results[j].id != results[i].id);
	}
	for (int i = 0; i < found; i++) { /* those that fewer than ten are better than */
		better = 0;
		for (uint32_t id = 0; id < IDS; id++)
			better += list->there[id] &&
				  product(query, list->vectors[id]) > results[i].score + 1e-5f;
		good += better < TOP;
	}
	return good;
}

static void change(struct sl_vectors *vectors, struct list *list, uint32_t id)
{
	if (list->there[id] && roll(3) == 0) {
		assert_true(sl_vectors_remove(vectors, id));
		assert_false(sl_vectors_remove(vectors, id));
		list->there[id] = false;
		list->count--;
	} else {
		random_vector(list->vectors[id]);
		assert_int_equal(sl_vectors_add(vectors, id, list->vectors[id]), 0);
		list->count += !list->there[id];
		list->there[id] = true;
	}
	assert_int_equal(sl_vectors_count(vectors), list->count);
}

static void test_flat(void **state)
{
	struct sl_vectors *vectors = open_index(IDS);
	struct list *list = calloc(1, sizeof(*list));
	float query[DIMENSIONS];
	struct sl_vectors_result result;

	(void)state;
	random_vector(query);
	assert_int_equal(sl_vectors_search(vectors, query, 1, &result), 0);
	for (uint32_t i = 0; i < 3000; i++) {
		change(vectors, list, roll(IDS));
		if (i % 50 == 0)
			assert_int_equal(check_search(vectors, list),
					 list->count < TOP ? list->count : TOP);
	}
	assert_false(sl_vectors_has_graph(vectors));
	free(list);
	sl_vectors_close(&vectors);
	assert_null(vectors);
}

/* Over flat_max it grows into the graph; from then on most of the best are found. */
static void test_graph(void **state)
{
	struct sl_vectors *vectors = open_index(100);
	struct list *list = calloc(1, sizeof(*list));
	uint32_t good = 0, searches = 0;

	(void)state;
	for (uint32_t i = 0; i < 101; i++)
		change(vectors, list, i);
	for (uint32_t i = 0; !sl_vectors_has_graph(vectors); i++) {
		assert_int_equal(check_search(vectors, list), TOP); /* exact while it grows */
		change(vectors, list, 101 + i);
		assert_true(i < 30);
	}
	for (uint32_t i = 0; i < 4000; i++) {
		change(vectors, list, roll(IDS));
		if (i % 20 == 0) {
			good += check_search(vectors, list);
			searches++;
		}
	}
	assert_true(good >= searches * TOP * 95 / 100);
	free(list);
	sl_vectors_close(&vectors);
}

/*
 * Who asks for few gets the first of those that who asks for all candidates gets, of whose every one the true
 * score was measured: near one another, and of any length.
 */
static void test_few(void **state)
{
	static const float lengths[] = {0.01f, 1, 300};
	struct sl_vectors_result few[TOP], all[SL_GRAPH_WIDTH];
	float middle[DIMENSIONS], vector[DIMENSIONS];

	(void)state;
	for (uint32_t k = 0; k < sizeof(lengths) / sizeof(lengths[0]); k++) {
		struct sl_vectors *vectors = open_index(100);

		random_vector(middle);
		for (uint32_t id = 0; id < IDS; id++) {
			random_vector(vector);
			for (uint32_t i = 0; i < DIMENSIONS; i++)
				vector[i] = (middle[i] + 0.2f * vector[i]) * lengths[k];
			assert_int_equal(sl_vectors_add(vectors, id, vector), 0);
		}
		assert_true(sl_vectors_has_graph(vectors));
		for (int round = 0; round < 100; round++) {
			random_vector(vector);
			for (uint32_t i = 0; i < DIMENSIONS; i++)
				vector[i] = middle[i] + 0.2f * vector[i];
			assert_int_equal(sl_vectors_search(vectors, vector, SL_GRAPH_WIDTH, all),
					 SL_GRAPH_WIDTH);
			for (uint32_t count = 1; count <= TOP; count += 3) {
				assert_int_equal(sl_vectors_search(vectors, vector, count, few),
						 count);
				for (uint32_t i = 0; i < count; i++)
					assert_true(few[i].id == all[i].id &&
						    few[i].score == all[i].score);
			}
		}
		sl_vectors_close(&vectors);
	}
}

static void test_limits(void **state)
{
	static const struct sl_vectors_options bad[] = {
		{0, 1, 0, "m"},
		{SL_VECTORS_DIMENSIONS_MAX + 1, 1, 0, "m"},
		{1, 0, 0, "m"},
		{1, SL_VECTORS_ENTRIES_MAX + 1, 0, "m"},
		{1, 1, 0, NULL},
		{1, 1, 0,
		 "a model whose name is longer than what is kept of one in a file, which is a "
		 "little "
		 "under a hundred bytes"},
	};
	struct sl_vectors_options small = {2, 2, 0, "m"};
	struct sl_vectors *vectors = NULL;
	struct sl_vectors_result results[3];
	float one[2] = {1, 0}, bad_one[2] = {0, NAN};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(sl_vectors_open(&bad[i], &vectors), -EINVAL);
	assert_int_equal(sl_vectors_open(&small, &vectors), 0);
	assert_int_equal(sl_vectors_add(vectors, UINT64_MAX, one), -EINVAL);
	assert_int_equal(sl_vectors_add(vectors, 1, bad_one), -EINVAL);
	assert_int_equal(sl_vectors_add(vectors, 9, one), 0);
	assert_int_equal(sl_vectors_add(vectors, 4, one), 0);
	assert_int_equal(sl_vectors_add(vectors, 5, one), -ENOSPC);
	assert_int_equal(sl_vectors_add(vectors, 4, one), 0);
	assert_int_equal(sl_vectors_search(vectors, one, 3, results), 2);
	assert_int_equal(results[0].id, 4); /* equal scores by id */
	assert_int_equal(results[1].id, 9);
	assert_true(sl_vectors_bytes(vectors) > 2 * sizeof(one));
	sl_vectors_close(&vectors);
}

/* Products of bytes are exact in both sets, at every length and at the bounds of the numbers. */
static void test_bytes(void **state)
{
	static const char *const names[] = {"portable", "avx2"};
	int8_t a[300], b[300];

	(void)state;
	for (uint32_t round = 0; round < 600; round++) {
		uint32_t len = round % 300;
		int32_t sum = 0;

		for (uint32_t i = 0; i < len; i++) {
			a[i] = (int8_t)(round < 300 ? 127 : (int)roll(255) - 127);
			b[i] = (int8_t)(round < 300 ? (round % 2 ? 127 : -127)
						    : (int)roll(255) - 127);
			sum += a[i] * b[i];
		}
		for (uint32_t i = 0; i < 2; i++) {
			const struct sl_linear *linear = sl_linear_named(names[i]);

			if (linear) /* this CPU has it */
				assert_int_equal(linear->dot_bytes(a, b, len), sum);
		}
	}
}

/* ---- files ----------------------------------------------------------------------------------- */

static const char *file_path(void)
{
	static char path[64];

	snprintf(path, sizeof(path), "%s/index", scratch);
	return path;
}

static void check_file(uint32_t flat_max, uint32_t entries)
{
	struct sl_vectors_options options = {DIMENSIONS, IDS, flat_max, "model:1"};
	struct sl_vectors *vectors = open_index(flat_max), *loaded = NULL;
	struct list *list = calloc(1, sizeof(*list));
	struct sl_error error = {};
	struct stat facts;
	uint32_t good = 0;
	int fd;

	for (uint32_t i = 0; i < entries; i++)
		change(vectors, list, roll(IDS));
	assert_int_equal(sl_vectors_save(vectors, file_path()), 0);
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), 0);
	assert_int_equal(sl_vectors_has_graph(loaded), sl_vectors_has_graph(vectors));
	for (uint32_t i = 0; i < 200; i++) {
		if (entries)
			change(loaded, list, roll(IDS));
		good += check_search(loaded, list);
	}
	assert_true(good >= 200 * (list->count < TOP ? list->count : TOP) * 95 / 100);
	sl_vectors_close(&loaded);

	/* Every part of it: one wrong byte is seen. */
	assert_int_equal(stat(file_path(), &facts), 0);
	fd = open(file_path(), O_RDWR | O_CLOEXEC);
	for (off_t at = 0; at < facts.st_size; at += 1 + facts.st_size / 50) {
		char byte, other;

		assert_int_equal(pread(fd, &byte, 1, at), 1);
		other = (char)(byte ^ 0x10);
		assert_int_equal(pwrite(fd, &other, 1, at), 1);
		assert_true(sl_vectors_load(file_path(), &options, &error, &loaded) < 0);
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), 0);
	sl_vectors_close(&loaded);
	/* The version stands before what the checksum covers: an old file is told, not misread. */
	assert_int_equal(pwrite(fd, &(uint32_t){1}, sizeof(uint32_t), 8), sizeof(uint32_t));
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -EPROTO);
	assert_non_null(strstr(error.text, "version 1"));
	assert_int_equal(pwrite(fd, &(uint32_t){2}, sizeof(uint32_t), 8), sizeof(uint32_t));
	options.model = "model:2";
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -EPROTO);
	assert_non_null(strstr(error.text, "model:1"));
	options = (struct sl_vectors_options){DIMENSIONS, 1, 0, "model:1"};
	if (entries)
		assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -ENOSPC);
	options.entries_max = IDS;
	assert_int_equal(ftruncate(fd, facts.st_size - 1), 0);
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -EBADMSG);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -EBADMSG);
	close(fd);
	unlink(file_path());
	assert_int_equal(sl_vectors_load(file_path(), &options, &error, &loaded), -ENOENT);
	free(list);
	sl_vectors_close(&vectors);
}

static void test_file(void **state)
{
	(void)state;
	check_file(IDS, 0);
	check_file(IDS, 500);
	check_file(50, 1500);
}

/* ---- threads --------------------------------------------------------------------------------- */

struct race {
	struct sl_vectors *vectors;
	atomic_bool over;
	atomic_uint bad;
};

static void *search_on(void *argument)
{
	struct race *race = argument;
	struct sl_vectors_result results[TOP];
	float query[DIMENSIONS] = {1};

	while (!atomic_load(&race->over)) {
		int found = sl_vectors_search(race->vectors, query, TOP, results);

		for (int i = 0; i < found; i++) {
			if (results[i].id >= IDS)
				atomic_fetch_add(&race->bad, 1);
		}
		if (found < 0)
			atomic_fetch_add(&race->bad, 1);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct race race = {.vectors = open_index(80)};
	struct list *list = calloc(1, sizeof(*list));
	pthread_t threads[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, search_on, &race), 0);
	for (uint32_t i = 0; i < 2000; i++)
		change(race.vectors, list, roll(IDS));
	atomic_store(&race.over, true);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&race.bad), 0);
	free(list);
	sl_vectors_close(&race.vectors);
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flat),	cmocka_unit_test(test_graph),
		cmocka_unit_test(test_few),	cmocka_unit_test(test_limits),
		cmocka_unit_test(test_bytes),	cmocka_unit_test(test_file),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
