/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drift against a baseline, on simulated runs of eight questions: long unchanged series raise no alarm,
 * changes are found within the runs that drift.h states, and what goes back clears by itself.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/base/random.h"
#include "user/policy/drift.h"

#define QUESTIONS 8u
#define SAMPLES	  3u	 /* of each, in the baseline */
#define CALM_RUNS 40000u /* over a year at one in a quarter of an hour */
#define SERIES	  20u

/* What a model does. */
struct model {
	double bad, refuses; /* shares */
	double length, length_spread;
	double distance, distance_spread;
};

static const struct model before = {
	.bad = 0.05,
	.refuses = 0.02,
	.length = 4,
	.length_spread = 0.3,
	.distance = 0.1,
	.distance_spread = 0.05,
};

static double uniform(struct sl_random *random)
{
	return (sl_random_below(random, 1u << 30) + 0.5) / (1u << 30);
}

static double normal(struct sl_random *random)
{
	return sqrt(-2 * log(uniform(random))) * cos(6.283185307179586 * uniform(random));
}

static double length_of(struct sl_random *random, const struct model *model)
{
	return model->length + model->length_spread * normal(random);
}

static double distance_of(struct sl_random *random, const struct model *model)
{
	return model->distance + model->distance_spread * normal(random);
}

struct recorded {
	struct sl_drift_base base;
	double lengths[QUESTIONS], distances[QUESTIONS];
};

/* As it is done in life: the means and spreads are those of few samples, not the true ones. */
static struct recorded record(struct sl_random *random, const struct model *model)
{
	struct recorded recorded = {.base = {.answers = QUESTIONS * SAMPLES, .has_meaning = true}};
	double lengths[SAMPLES], distances[SAMPLES], length_squares = 0, distance_squares = 0;

	for (uint32_t q = 0; q < QUESTIONS; q++) {
		for (uint32_t s = 0; s < SAMPLES; s++) {
			recorded.base.bad_format += uniform(random) < model->bad;
			recorded.base.refusals += uniform(random) < model->refuses;
			lengths[s] = length_of(random, model);
			distances[s] = distance_of(random, model);
			recorded.lengths[q] += lengths[s] / SAMPLES;
			recorded.distances[q] += distances[s] / SAMPLES;
		}
		for (uint32_t s = 0; s < SAMPLES; s++) {
			length_squares += pow(lengths[s] - recorded.lengths[q], 2);
			distance_squares += pow(distances[s] - recorded.distances[q], 2);
		}
	}
	recorded.base.length_spread = sqrt(length_squares / (QUESTIONS * (SAMPLES - 1)));
	recorded.base.meaning_spread = sqrt(distance_squares / (QUESTIONS * (SAMPLES - 1)));
	return recorded;
}

static struct sl_drift_run run_once(struct sl_random *random, const struct recorded *recorded,
				    const struct model *model)
{
	struct sl_drift_run run = {.answers = QUESTIONS, .meanings = QUESTIONS};

	for (uint32_t q = 0; q < QUESTIONS; q++) {
		run.bad_format += uniform(random) < model->bad;
		run.refusals += uniform(random) < model->refuses;
		run.length_sum += length_of(random, model) - recorded->lengths[q];
		run.meaning_sum += distance_of(random, model) - recorded->distances[q];
	}
	return run;
}

/* 20 models, each with a baseline of its own, 40,000 runs each: 800,000 runs without an alarm. */
static void test_calm(void **state)
{
	struct sl_random random;
	uint32_t alarms[SL_DRIFT_CAUSES] = {0};

	(void)state;
	sl_random_seed(&random, 7);
	for (uint32_t i = 0; i < SERIES; i++) {
		struct recorded recorded = record(&random, &before);
		struct sl_drift drift = {{0}, {false}};

		for (uint32_t r = 0; r < CALM_RUNS; r++) {
			struct sl_drift_run run = run_once(&random, &recorded, &before);
			uint32_t changed = sl_drift_note(&drift, &recorded.base, &run);

			for (int c = 0; c < SL_DRIFT_CAUSES; c++)
				alarms[c] += changed >> c & 1;
		}
	}
	for (int c = 0; c < SL_DRIFT_CAUSES; c++) {
		if (alarms[c])
			fail_msg("%s: %u alarms", sl_drift_cause_name((enum sl_drift_cause)c),
				 alarms[c]);
	}
}

struct change {
	const char *what;
	struct model after;
	uint32_t causes;   /* that must be found */
	uint32_t runs_max; /* in each of the series */
};

#define BIT(cause) (1u << SL_DRIFT_##cause)

static const struct change changes[] = {
	{"answers twice as long, in a spread of 0.3",
	 {0.05, 0.02, 4.69, 0.3, 0.1, 0.05},
	 BIT(LONGER),
	 24},
	{"answers of a third", {0.05, 0.02, 2.9, 0.3, 0.1, 0.05}, BIT(SHORTER), 8},
	{"half of them not in their format", {0.5, 0.02, 4, 0.3, 0.1, 0.05}, BIT(FORMAT), 8},
	{"all of them", {1, 0.02, 4, 0.3, 0.1, 0.05}, BIT(FORMAT), 3},
	{"a third are refused", {0.05, 0.35, 4, 0.3, 0.1, 0.05}, BIT(REFUSAL), 20},
	{"they mean something else", {0.05, 0.02, 4, 0.3, 0.4, 0.1}, BIT(MEANING), 5},
	{"another model altogether",
	 {0.6, 0.5, 5, 0.5, 0.6, 0.1},
	 BIT(FORMAT) | BIT(REFUSAL) | BIT(LONGER) | BIT(MEANING),
	 12},
};

static void follow(struct sl_random *random, const struct change *change)
{
	struct recorded recorded = record(random, &before);
	struct sl_drift drift = {{0}, {false}};
	struct sl_drift_run run;
	uint32_t r, found = 0;

	for (r = 0; r < 100; r++) {
		run = run_once(random, &recorded, &before);
		sl_drift_note(&drift, &recorded.base, &run);
	}
	for (r = 0; r < change->runs_max; r++) {
		run = run_once(random, &recorded, &change->after);
		sl_drift_note(&drift, &recorded.base, &run);
	}
	for (int c = 0; c < SL_DRIFT_CAUSES; c++)
		found |= (uint32_t)drift.alarms[c] << c;
	if (found != change->causes)
		fail_msg("%s: found %x, wanted %x", change->what, found, change->causes);
	assert_true(sl_drift_is_on(&drift));
	/* and the way back: not at once, but by itself */
	run = run_once(random, &recorded, &before);
	sl_drift_note(&drift, &recorded.base, &run);
	assert_true(sl_drift_is_on(&drift));
	for (r = 0; r < 60 && sl_drift_is_on(&drift); r++) {
		run = run_once(random, &recorded, &before);
		sl_drift_note(&drift, &recorded.base, &run);
	}
	if (sl_drift_is_on(&drift))
		fail_msg("%s: does not clear", change->what);
}

static void test_changes(void **state)
{
	struct sl_random random;

	(void)state;
	sl_random_seed(&random, 11);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		for (uint32_t s = 0; s < SERIES; s++)
			follow(&random, &changes[i]);
	}
}

/* Nothing to judge by, nothing to judge, answers without meaning. */
static void test_nothing(void **state)
{
	const struct sl_drift_base none = {0}, plain = {.answers = 24};
	const struct sl_drift_run bad = {.answers = 8, .bad_format = 8, .length_sum = 80};
	const struct sl_drift_run silent = {0};
	struct sl_drift drift = {{0}, {false}};

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sl_drift_note(&drift, &none, &bad), 0);
		assert_int_equal(sl_drift_note(&drift, &plain, &silent), 0);
	}
	assert_false(sl_drift_is_on(&drift));
	/* one run that went astray is not a change */
	assert_int_equal(sl_drift_note(&drift, &plain,
				       &(struct sl_drift_run){.answers = 8, .length_sum = 800}),
			 0);
	while (!drift.alarms[SL_DRIFT_FORMAT])
		sl_drift_note(&drift, &plain, &bad);
	assert_false(drift.alarms[SL_DRIFT_MEANING]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calm),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
