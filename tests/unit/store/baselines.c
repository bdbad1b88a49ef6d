/* SPDX-License-Identifier: BSD-2-Clause */
/* Baselines on disk: what is written is read, replaced as a whole, and one pool's is not another's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/store/baselines.h"

static struct sl_baseline one, two, read_back;

static void fill(struct sl_baseline *b, const char *pool, uint32_t count)
{
	memset(b, 0, sizeof(*b));
	snprintf(b->pool, sizeof(b->pool), "%s", pool);
	snprintf(b->model, sizeof(b->model), "model of %s", pool);
	snprintf(b->fingerprints, sizeof(b->fingerprints), " a b ");
	snprintf(b->vector_model, sizeof(b->vector_model), "use-lite:1");
	b->recorded_ms = 1234567890123;
	b->base = (struct sl_drift_base){24, 1, 2, 0.25, 0.125, true};
	b->drift.sums[SL_DRIFT_LONGER] = 12;
	b->drift.sums[SL_DRIFT_MEANING] = 3.5;
	b->drift.alarms[SL_DRIFT_LONGER] = true;
	b->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct sl_baseline_question *q = &b->questions[i];

		snprintf(q->id, sizeof(q->id), "q%u",
			 count - i); /* not in the order of their names */
		snprintf(q->answer, sizeof(q->answer), "it's \"%u\"", i);
		q->length = i + 0.5;
		q->distance = 1.0 / (i + 1);
		q->dimensions = i % 2 ? SL_BASELINE_DIMENSIONS_MAX : 0;
		for (uint32_t d = 0; d < q->dimensions; d++)
			q->vector[d] = (float)d / (float)(i + 1);
	}
}

static void test_disk(void **state)
{
	char path[] = "/tmp/sluice-baselines.XXXXXX", file[64];
	struct sl_error error = {""};

	(void)state;
	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/canary.db", path);
	fill(&one, "one", SL_BASELINE_QUESTIONS_MAX);
	fill(&two, "two", 1);
	snprintf(read_back.pool, sizeof(read_back.pool), "one");
	assert_int_equal(sl_baselines_load(file, &read_back, &error), -ENOENT);
	assert_int_equal(sl_baselines_save(file, &one, &error), 0);
	assert_int_equal(sl_baselines_save(file, &two, &error), 0);
	assert_int_equal(sl_baselines_load(file, &read_back, &error), 0);
	assert_memory_equal(&read_back, &one, sizeof(one));
	/* replaced as a whole: fewer questions leave none of the old */
	fill(&one, "one", 2);
	assert_int_equal(sl_baselines_save(file, &one, &error), 0);
	one.drift.sums[SL_DRIFT_FORMAT] = 7;
	one.drift.alarms[SL_DRIFT_LONGER] = false;
	assert_int_equal(sl_baselines_save_drift(file, &one, &error), 0);
	memset(&read_back, 0, sizeof(read_back));
	snprintf(read_back.pool, sizeof(read_back.pool), "one");
	assert_int_equal(sl_baselines_load(file, &read_back, &error), 0);
	assert_memory_equal(&read_back, &one, sizeof(one));
	memset(&read_back, 0, sizeof(read_back));
	snprintf(read_back.pool, sizeof(read_back.pool), "two");
	assert_int_equal(sl_baselines_load(file, &read_back, &error), 0);
	assert_memory_equal(&read_back, &two, sizeof(two));
	unlink(file);
	rmdir(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_disk)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
