/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The semantic cache's store: verdicts by nearness, age and gates; fingerprints apart; bounds in entries
 * and bytes, the longest unused goes; purges; and the database: what was kept is there after a restart,
 * also after a crash, narrower bounds hold, a file that is none costs persistence alone.
 */
#include "user/store/semantic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/log.h"

#define DIMENSIONS 8u
#define TTL_MS	   10000u
#define NOW_MS	   1000000u

static char scratch[] = "/tmp/sluice-semantic-XXXXXX";

/* Angle 0 is the same; the score of two is the cosine of what lies between. */
static void point(float *vector, double angle)
{
	memset(vector, 0, DIMENSIONS * sizeof(*vector));
	vector[0] = (float)cos(angle);
	vector[1] = (float)sin(angle);
}

static const char *path(void)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s/cache.db", scratch);
	return text;
}

static struct sl_semantic *open_cache(const char *file, uint32_t entries, uint64_t bytes)
{
	struct sl_semantic_options options = {file, entries, bytes};
	struct sl_semantic *cache = NULL;

	assert_int_equal(sl_semantic_open(&options, &cache), 0);
	sl_semantic_load(cache);
	return cache;
}

static int insert(struct sl_semantic *cache, uint8_t group, double angle, const char *question,
		  const char *answer, uint64_t now_ms)
{
	float vector[DIMENSIONS];
	struct sl_semantic_entry entry = {
		.fingerprint = {group},
		.vector = vector,
		.dimensions = DIMENSIONS,
		.question = sl_span_string(question),
		.answer = sl_span_string(answer),
		.tenant = group % 2 ? "blue" : "red",
		.route = "chat",
		.model = "model:1",
		.version = group,
		.now_ms = now_ms,
	};

	point(vector, angle);
	return sl_semantic_insert(cache, &entry);
}

static enum sl_semantic_verdict ask(struct sl_semantic *cache, uint8_t group, double angle,
				    const char *question, const char *expected, uint64_t now_ms,
				    struct sl_semantic_found *found)
{
	float vector[DIMENSIONS];
	struct sl_semantic_query query = {
		.fingerprint = {group},
		.vector = vector,
		.dimensions = DIMENSIONS,
		.question = sl_span_string(question),
		.threshold = 0.85f,
		.ttl_ms = TTL_MS,
		.now_ms = now_ms,
	};
	struct sl_semantic_found room;

	if (!found)
		found = &room;
	point(vector, angle);
	assert_int_equal(sl_semantic_find(cache, &query, found), 0);
	if (found->verdict == SL_SEMANTIC_HIT) {
		assert_non_null(expected);
		assert_string_equal(found->answer, expected);
		assert_int_equal(found->answer_len, strlen(expected));
		free(found->answer);
	}
	return found->verdict;
}

static void test_verdicts(void **state)
{
	struct sl_semantic *cache = open_cache(NULL, 10, 1 << 20);
	struct sl_semantic_found found;
	struct sl_semantic_counts counts;

	(void)state;
	assert_int_equal(ask(cache, 1, 0, "reset the password", NULL, NOW_MS, NULL),
			 SL_SEMANTIC_NONE);
	assert_int_equal(insert(cache, 1, 0, "reset my password", "press the button", NOW_MS), 0);
	assert_int_equal(ask(cache, 1, 0.1, "how to reset the password", "press the button",
			     NOW_MS + 5, &found),
			 SL_SEMANTIC_HIT);
	assert_true(fabs(found.score - cos(0.1)) < 1e-4);
	assert_int_equal(found.age_ms, 5);
	assert_int_equal(ask(cache, 1, 0.8, "reset the password", NULL, NOW_MS, &found),
			 SL_SEMANTIC_FAR);
	assert_true(fabs(found.score - cos(0.8)) < 1e-4);
	assert_int_equal(ask(cache, 1, 0.1, "do not reset the password", NULL, NOW_MS, &found),
			 SL_SEMANTIC_GATED);
	assert_int_equal(found.gate, SL_GATE_NEGATION);
	assert_int_equal(ask(cache, 2, 0, "reset my password", NULL, NOW_MS, NULL),
			 SL_SEMANTIC_NONE);
	assert_int_equal(ask(cache, 1, 0, "reset my password", NULL, NOW_MS + TTL_MS + 1, NULL),
			 SL_SEMANTIC_NONE);
	/* Behind a nearer one that a gate refuses, one that passes. */
	assert_int_equal(insert(cache, 1, 0.3, "reset my router", "pull the plug", NOW_MS), 0);
	assert_int_equal(ask(cache, 1, 0.05, "reset the router", "pull the plug", NOW_MS, NULL),
			 SL_SEMANTIC_HIT);
	/* The same question again takes the place. */
	assert_int_equal(insert(cache, 1, 0, "reset my password", "say please", NOW_MS), 0);
	assert_int_equal(ask(cache, 1, 0, "reset my password", "say please", NOW_MS, NULL),
			 SL_SEMANTIC_HIT);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 2);
	assert_int_equal(counts.inserted, 3);
	assert_int_equal(counts.found[SL_SEMANTIC_HIT], 3);
	assert_int_equal(counts.found[SL_SEMANTIC_NONE], 3);
	assert_int_equal(counts.gated[SL_GATE_NEGATION], 1);
	sl_semantic_close(&cache);
	assert_null(cache);
}

static void test_bounds(void **state)
{
	struct sl_semantic_options none = {NULL, 0, 1};
	struct sl_semantic *cache = NULL;
	struct sl_semantic_counts counts;
	char question[32], *large = calloc(1, 20001);

	(void)state;
	assert_int_equal(sl_semantic_open(&none, &cache), -EINVAL);
	cache = open_cache(NULL, 4, 100000);
	for (int i = 0; i < 6; i++) {
		snprintf(question, sizeof(question), "item %c", 'a' + i);
		assert_int_equal(insert(cache, 1, i * 0.9, question, "yes", NOW_MS), 0);
		if (i == 3) /* the first is used: the second goes instead */
			assert_int_equal(ask(cache, 1, 0, "item a", "yes", NOW_MS, NULL),
					 SL_SEMANTIC_HIT);
	}
	assert_int_equal(ask(cache, 1, 0, "item a", "yes", NOW_MS, NULL), SL_SEMANTIC_HIT);
	assert_int_not_equal(ask(cache, 1, 0.9, "item b", NULL, NOW_MS, NULL), SL_SEMANTIC_HIT);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 4);
	assert_int_equal(counts.evicted, 2);
	memset(large, 'x', 20000);
	assert_int_equal(insert(cache, 1, 0, "item a", large, NOW_MS), -E2BIG);
	assert_int_equal(insert(cache, 1, 0, large, "yes", NOW_MS), -E2BIG);
	large[9000] = '\0';
	for (int i = 0; i < 30; i++) {
		assert_int_equal(insert(cache, (uint8_t)i, 0, "item a", large, NOW_MS), 0);
		sl_semantic_count(cache, &counts);
		assert_true(counts.bytes <= 100000);
	}
	assert_int_equal(counts.refused, 2);
	free(large);
	sl_semantic_close(&cache);
}

static uint32_t lines_of(struct sl_semantic *cache, const struct sl_semantic_selector *selector,
			 struct sl_text *out)
{
	sl_text_reset(out);
	return sl_semantic_list(cache, selector, NOW_MS + 3000, false, out);
}

static void test_purge(void **state)
{
	struct sl_semantic *cache = open_cache(NULL, 1000, 1 << 24);
	struct sl_semantic_selector selector = {0};
	struct sl_text out;
	char question[32];

	(void)state;
	sl_text_init(&out, 0);
	for (int i = 0; i < 600; i++) {
		snprintf(question, sizeof(question), "%s %d", i % 3 ? "blue" : "green", i);
		insert(cache, (uint8_t)(i % 4 + 1), i, question, "yes", NOW_MS);
	}
	assert_int_equal(lines_of(cache, &selector, &out), SL_SEMANTIC_LIST_MAX);
	selector.prefix = "green";
	selector.tenant = "red";
	assert_int_equal(lines_of(cache, &selector, &out), 100);
	assert_non_null(strstr(out.data, "\"tenant\":\"red\",\"route\":\"chat\""));
	assert_non_null(strstr(out.data, "\"age_s\":3,\"uses\":0,\"question\":\"green"));
	assert_int_equal(sl_semantic_purge(cache, &selector), 100);
	assert_int_equal(sl_semantic_purge(cache, &selector), 0);
	selector = (struct sl_semantic_selector){.version = 1};
	assert_int_equal(sl_semantic_purge(cache, &selector), 150);
	selector = (struct sl_semantic_selector){.route = "other"};
	assert_int_equal(sl_semantic_purge(cache, &selector), 0);
	selector = (struct sl_semantic_selector){0};
	assert_int_equal(sl_semantic_purge(cache, &selector), 350); /* more than one round */
	assert_int_equal(lines_of(cache, &selector, &out), 0);
	sl_text_fini(&out);
	sl_semantic_close(&cache);
}

/* A process that ends in the middle: what it had inserted is there. */
static void crash_after_inserts(void)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct sl_semantic *cache = open_cache(path(), 100, 1 << 20);

		insert(cache, 1, 0, "item a", "first", NOW_MS);
		insert(cache, 1, 1, "item b", "second", NOW_MS);
		insert(cache, 1, 0, "item a", "third", NOW_MS);
		abort();
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
}

static void test_disk(void **state)
{
	struct sl_semantic_selector all = {0};
	struct sl_semantic_counts counts;
	struct sl_semantic *cache;
	FILE *file;

	(void)state;
	crash_after_inserts();
	cache = open_cache(path(), 100, 1 << 20);
	assert_int_equal(ask(cache, 1, 0, "item a", "third", NOW_MS, NULL), SL_SEMANTIC_HIT);
	assert_int_equal(ask(cache, 1, 1, "item b", "second", NOW_MS, NULL), SL_SEMANTIC_HIT);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 2);
	assert_int_equal(insert(cache, 1, 2, "item c", "fourth", NOW_MS), 0);
	sl_semantic_close(&cache);

	cache = open_cache(path(), 2, 1 << 20); /* narrower: the oldest goes, for good */
	sl_semantic_close(&cache);
	cache = open_cache(path(), 100, 1 << 20);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 2);
	assert_int_equal(ask(cache, 1, 2, "item c", "fourth", NOW_MS, NULL), SL_SEMANTIC_HIT);
	assert_int_equal(sl_semantic_purge(cache, &all), 2);
	sl_semantic_close(&cache);
	cache = open_cache(path(), 100, 1 << 20);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 0);
	sl_semantic_close(&cache);

	file = fopen(path(), "w");
	fputs("this is no database, whatever its name may say; and it is long enough to be one\n",
	      file);
	fclose(file);
	cache = open_cache(path(), 100, 1 << 20);
	assert_int_equal(insert(cache, 1, 0, "item a", "first", NOW_MS), 0);
	assert_int_equal(ask(cache, 1, 0, "item a", "first", NOW_MS, NULL), SL_SEMANTIC_HIT);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.disk_errors, 1);
	sl_semantic_close(&cache);
}

static void *load(void *cache)
{
	sl_semantic_load(cache);
	return NULL;
}

/* More rows than one batch, read beside insertions; what was answered anew meanwhile stays. */
static void test_load_beside(void **state)
{
	struct sl_semantic_options options = {
		.path = path(), .entries_max = 1000, .bytes_max = 1 << 24};
	struct sl_semantic_counts counts;
	struct sl_semantic *cache;
	pthread_t thread;
	char text[32];

	(void)state;
	unlink(path());
	cache = open_cache(path(), 1000, 1 << 24);
	for (uint32_t i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "old %u", i);
		assert_int_equal(insert(cache, (uint8_t)(i % 200), 0, text, "old", NOW_MS), 0);
	}
	sl_semantic_close(&cache);
	assert_int_equal(sl_semantic_open(&options, &cache), 0);
	assert_int_equal(insert(cache, 7, 0, "old 7", "new", NOW_MS), 0);
	assert_int_equal(pthread_create(&thread, NULL, load, cache), 0);
	for (uint32_t i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "new %u", i);
		assert_int_equal(insert(cache, 201, 0, text, "new", NOW_MS), 0);
	}
	pthread_join(thread, NULL);
	assert_int_equal(ask(cache, 7, 0, "old 7", "new", NOW_MS, NULL), SL_SEMANTIC_HIT);
	assert_int_equal(ask(cache, 199, 0, "old 199", "old", NOW_MS, NULL), SL_SEMANTIC_HIT);
	sl_semantic_count(cache, &counts);
	assert_int_equal(counts.entries, 350);
	assert_int_equal(counts.disk_errors, 0);
	sl_semantic_close(&cache);
}

static int set_up(void **state)
{
	(void)state;
	sl_log_set_level(SL_LOG_ERROR);
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
	char file[80];

	(void)state;
	unlink(path());
	snprintf(file, sizeof(file), "%s-wal", path());
	unlink(file);
	snprintf(file, sizeof(file), "%s-shm", path());
	unlink(file);
	return rmdir(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),    cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_purge),	    cmocka_unit_test(test_disk),
		cmocka_unit_test(test_load_beside),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
