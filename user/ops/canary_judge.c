/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/canary_judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool sl_canary_fingerprint(char list[SL_BASELINE_PRINTS_BYTES], const char *fingerprint, bool add)
{
	char word[SL_BASELINE_PRINTS_BYTES];
	size_t len = strlen(list);

	snprintf(word, sizeof(word), " %s ", fingerprint);
	if (!len)
		memcpy(list, " ", 2), len = 1;
	if (strstr(list, word))
		return true;
	if (add && len + strlen(word) <= SL_BASELINE_PRINTS_BYTES)
		memcpy(list + len, word + 1, strlen(word));
	return false;
}

static double distance(const float *a, const float *b, uint32_t count)
{
	double product = 0;

	for (uint32_t i = 0; i < count; i++)
		product += (double)a[i] * b[i];
	return 1 - product;
}

void sl_canary_record(struct sl_baseline *baseline, uint32_t place,
		      struct sl_canary_samples *samples, const struct sl_canary_question *question,
		      const struct sl_canary_reading *reading)
{
	struct sl_baseline_question *q = &baseline->questions[place];
	const struct sl_embedding *embedding = &reading->embedding;

	if (!reading->answered || samples->count == SL_CANARY_SAMPLES_MAX)
		return;
	snprintf(q->id, sizeof(q->id), "%s", question->id);
	if (!samples->count)
		snprintf(q->answer, sizeof(q->answer), "%.*s",
			 (int)(reading->text.len < sizeof(q->answer) ? reading->text.len
								     : sizeof(q->answer) - 1),
			 reading->text.data);
	samples->lengths[samples->count++] = reading->length;
	baseline->base.answers++;
	baseline->base.bad_format += reading->bad_format;
	baseline->base.refusals += reading->refusal;
	snprintf(baseline->model, sizeof(baseline->model), "%s", reading->model);
	if (reading->fingerprint[0])
		sl_canary_fingerprint(baseline->fingerprints, reading->fingerprint, true);
	if (!embedding->vector || embedding->dimensions > SL_BASELINE_DIMENSIONS_MAX ||
	    (baseline->vector_model[0] && strcmp(baseline->vector_model, embedding->model)) ||
	    (samples->dimensions && samples->dimensions != embedding->dimensions))
		return;
	snprintf(baseline->vector_model, sizeof(baseline->vector_model), "%s", embedding->model);
	samples->dimensions = embedding->dimensions;
	samples->all[samples->vectors++] = (float *)embedding->vector;
}

/* The mean of the vectors, of length 1. */
static void set_vector(struct sl_baseline_question *q, const struct sl_canary_samples *samples)
{
	double squares = 0;

	/* One alone tells nothing of chance. */
	q->dimensions = samples->vectors > 1 ? samples->dimensions : 0;
	for (uint32_t i = 0; i < q->dimensions; i++) {
		q->vector[i] = 0;
		for (uint32_t s = 0; s < samples->vectors; s++)
			q->vector[i] += samples->all[s][i];
		squares += (double)q->vector[i] * q->vector[i];
	}
	for (uint32_t i = 0; i < q->dimensions && squares > 0; i++)
		q->vector[i] = (float)(q->vector[i] / sqrt(squares));
}

/* Mean and sum of squares about it. */
static double mean_of(const double *values, uint32_t count, double *squares)
{
	double mean = 0;

	for (uint32_t i = 0; i < count; i++)
		mean += values[i] / count;
	for (uint32_t i = 0; i < count; i++)
		*squares += (values[i] - mean) * (values[i] - mean);
	return mean;
}

void sl_canary_record_end(struct sl_baseline *baseline, const struct sl_canary_samples *samples,
			  uint32_t count)
{
	double length_squares = 0, meaning_squares = 0, distances[SL_CANARY_SAMPLES_MAX];
	uint32_t length_freedom = 0, meaning_freedom = 0, kept = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct sl_baseline_question *q = &baseline->questions[kept];
		uint32_t n = samples[i].vectors;

		if (!samples[i].count)
			continue;
		if (kept != i)
			*q = baseline->questions[i];
		kept++;
		q->length = mean_of(samples[i].lengths, samples[i].count, &length_squares);
		length_freedom += samples[i].count - 1;
		set_vector(q, &samples[i]);
		for (uint32_t s = 0; s < n; s++)
			distances[s] = distance(samples[i].all[s], q->vector, q->dimensions) *
				       (n > 1 ? (n + 1.0) / (n - 1.0) : 1);
		q->distance = n ? mean_of(distances, n, &meaning_squares) : 0;
		meaning_freedom += n ? n - 1 : 0;
		baseline->base.has_meaning |= n > 0;
	}
	baseline->count = kept;
	baseline->base.length_spread = length_freedom ? sqrt(length_squares / length_freedom) : 0;
	baseline->base.meaning_spread =
		meaning_freedom ? sqrt(meaning_squares / meaning_freedom) : 0;
}

void sl_canary_add(const struct sl_baseline *baseline, const struct sl_canary_question *question,
		   const struct sl_canary_reading *reading, struct sl_drift_run *run)
{
	const struct sl_embedding *embedding = &reading->embedding;
	const struct sl_baseline_question *q = NULL;

	for (uint32_t i = 0; i < baseline->count && !q; i++) {
		if (!strcmp(baseline->questions[i].id, question->id))
			q = &baseline->questions[i];
	}
	if (!q || !reading->answered)
		return;
	run->answers++;
	run->bad_format += reading->bad_format;
	run->refusals += reading->refusal;
	run->length_sum += reading->length - q->length;
	if (!embedding->vector || !q->dimensions || embedding->dimensions != q->dimensions ||
	    strcmp(embedding->model, baseline->vector_model))
		return;
	run->meanings++;
	run->meaning_sum += distance(embedding->vector, q->vector, q->dimensions) - q->distance;
}
