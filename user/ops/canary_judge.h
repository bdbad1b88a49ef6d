/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canary_judge.h - readings of canary questions become a baseline, or a run against one.
 *
 * A baseline's distances are those of its own answers to their mean, which they have drawn to themselves;
 * so they are scaled by (n + 1) / (n - 1) to what those of a further answer would be. Pure; any thread.
 */
#ifndef SL_OPS_CANARY_JUDGE_H
#define SL_OPS_CANARY_JUDGE_H

#include "user/ops/canary_ask.h"

#define SL_CANARY_SAMPLES_MAX 20u

/* Of one question, while a baseline is recorded. Zeros at first. */
struct sl_canary_samples {
	uint32_t count, vectors;
	double lengths[SL_CANARY_SAMPLES_MAX];
	float *all[SL_CANARY_SAMPLES_MAX]; /* borrowed */
	uint32_t dimensions;
};

/* One reading more. place: of the question. */
void sl_canary_record(struct sl_baseline *baseline, uint32_t place,
		      struct sl_canary_samples *samples, const struct sl_canary_question *question,
		      const struct sl_canary_reading *reading);

/* All readings are in: means and spreads. Questions without an answer go. */
void sl_canary_record_end(struct sl_baseline *baseline, const struct sl_canary_samples *samples,
			  uint32_t count);

/* One reading of a run. Those of questions that the baseline has not are passed over. */
void sl_canary_add(const struct sl_baseline *baseline, const struct sl_canary_question *question,
		   const struct sl_canary_reading *reading, struct sl_drift_run *run);

/* Is the fingerprint one of the list " a b "? Adds it where add says so and there is room. */
bool sl_canary_fingerprint(char list[SL_BASELINE_PRINTS_BYTES], const char *fingerprint, bool add);

#endif
