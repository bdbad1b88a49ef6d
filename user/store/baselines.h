/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * baselines.h - what models answered to their canary questions when that was recorded, and what has been
 * found against it since: a row a pool, one a question, in a database of their own.
 *
 * A new baseline takes the place of the old one in one transaction: a crash leaves the one or the other,
 * whole. Thread: a job of the pool of work (db.h), one at a time for one pool.
 */
#ifndef SL_STORE_BASELINES_H
#define SL_STORE_BASELINES_H

#include "user/base/config.h"
#include "user/base/error.h"
#include "user/policy/drift.h"

#define SL_BASELINE_QUESTIONS_MAX   64u
#define SL_BASELINE_ID_BYTES	    64u
#define SL_BASELINE_ANSWER_BYTES    512u /* its beginning, for people */
#define SL_BASELINE_DIMENSIONS_MAX  1024u
#define SL_BASELINE_PRINTS_BYTES    256u
#define SL_BASELINE_VECTOR_ID_BYTES 160u

struct sl_baseline_question {
	char id[SL_BASELINE_ID_BYTES];
	char answer[SL_BASELINE_ANSWER_BYTES];
	double length;	     /* mean of ln(tokens) */
	double distance;     /* mean of those of its answers to the vector */
	uint32_t dimensions; /* 0: no vector */
	float vector[SL_BASELINE_DIMENSIONS_MAX];
};

struct sl_baseline {
	char pool[SL_CONFIG_NAME_MAX + 1];
	char model[SL_CONFIG_MODEL_MAX + 1];	     /* as the answers name it */
	char fingerprints[SL_BASELINE_PRINTS_BYTES]; /* " a b ": those that were seen; " ": none */
	char vector_model[SL_BASELINE_VECTOR_ID_BYTES];
	uint64_t recorded_ms; /* wall clock */
	struct sl_drift_base base;
	struct sl_drift drift;
	uint32_t count;
	struct sl_baseline_question questions[SL_BASELINE_QUESTIONS_MAX];
};

/* Replaces the pool's. Returns 0 or -errno with an error. */
int sl_baselines_save(const char *path, const struct sl_baseline *baseline, struct sl_error *error);

/* Its sums and alarms alone. */
int sl_baselines_save_drift(const char *path, const struct sl_baseline *baseline,
			    struct sl_error *error);

/* Fills in the pool's, by its name. 0, -ENOENT: it has none, or -errno with an error. */
int sl_baselines_load(const char *path, struct sl_baseline *baseline, struct sl_error *error);

#endif
