/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/grounded.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/quality/grounded_parts.h"

#define CERTAIN 0.98 /* what a judge's word is worth */

double sl_grounded_logistic(const double *weights, const double *values, uint32_t count)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		sum += weights[i] * values[i];
	return 1 / (1 + exp(-sum));
}

static double logit(double probability)
{
	return log(probability / (1 - probability));
}

/* ---- one claim ------------------------------------------------------------------------------- */

/* What spoke most against it, where no word was named. */
static enum sl_grounded_feature worst_feature(const struct sl_grounded_claim *claim,
					      const double *weights)
{
	enum sl_grounded_feature worst = SL_GROUNDED_ONE;
	double least = 0;
	int i;

	for (i = SL_GROUNDED_ONE + 1; i < SL_GROUNDED_FEATURES; i++) {
		double part = weights[i] * (double)claim->features[i];

		if (part < least) {
			least = part;
			worst = (enum sl_grounded_feature)i;
		}
	}
	return worst;
}

static void judge_claim(struct sl_grounded_claim *claim)
{
	const double *weights = sl_grounded_weights[claim->has_meaning];
	double values[SL_GROUNDED_FEATURES];
	int i;

	for (i = 0; i < SL_GROUNDED_FEATURES; i++)
		values[i] = (double)claim->features[i];
	claim->probability = sl_grounded_logistic(weights, values, SL_GROUNDED_FEATURES);
	if (claim->probability >= SL_GROUNDED_SURE)
		claim->verdict = SL_GROUNDED_SUPPORTED;
	else if (claim->probability < SL_GROUNDED_UNSURE)
		claim->verdict = SL_GROUNDED_UNSUPPORTED;
	if (claim->verdict == SL_GROUNDED_SUPPORTED) {
		claim->reason = SL_GROUNDED_ONE;
		claim->word[0] = '\0';
	} else if (claim->reason == SL_GROUNDED_ONE) {
		claim->reason = worst_feature(claim, weights);
	}
}

/* ---- the answer ------------------------------------------------------------------------------ */

static void conclude(struct sl_grounded *g)
{
	double worst = 1, sum = 0, values[3];
	bool meaning = false;
	uint32_t i;

	g->supported = g->doubtful = g->unsupported = 0;
	for (i = 0; i < g->count; i++) {
		const struct sl_grounded_claim *claim = &g->claims[i];
		double probability = claim->probability;

		if (claim->judged)
			probability =
				claim->verdict == SL_GROUNDED_SUPPORTED ? CERTAIN : 1 - CERTAIN;
		worst = probability < worst ? probability : worst;
		meaning |= claim->has_meaning;
		g->supported += claim->verdict == SL_GROUNDED_SUPPORTED;
		g->doubtful += claim->verdict == SL_GROUNDED_DOUBTFUL;
		g->unsupported += claim->verdict == SL_GROUNDED_UNSUPPORTED;
		sum += claim->verdict == SL_GROUNDED_DOUBTFUL ? probability : 0;
	}
	g->score = 1;
	g->probability = 1;
	if (!g->count)
		return;
	g->score = ((double)g->supported + sum) / (double)g->count;
	values[0] = 1;
	values[1] = logit(fmin(fmax(worst, 1e-6), 1 - 1e-6));
	values[2] = log((double)g->count);
	g->probability = sl_grounded_logistic(sl_grounded_answer_weights[meaning], values, 3);
}

static void read_context(struct sl_grounded_work *work)
{
	struct sl_span rest = work->ask->context, sentence;
	enum sl_sentence_kind kind;

	while (sl_sentences_next(&rest, &sentence, &kind)) {
		if (kind == SL_SENTENCE_MARKS)
			continue;
		if (work->passage_count == SL_GROUNDED_PASSAGES_MAX) {
			work->grounded->cut = true;
			return;
		}
		sl_grounded_read(work->ask->lexicon, sentence,
				 &work->passages[work->passage_count++]);
	}
}

static void read_answer(struct sl_grounded_work *work)
{
	struct sl_grounded *g = work->grounded;
	struct sl_span rest = work->ask->answer, sentence;
	enum sl_sentence_kind kind;

	while (sl_sentences_next(&rest, &sentence, &kind)) {
		struct sl_grounded_claim *claim = &g->claims[g->count];

		sl_grounded_read(work->ask->lexicon, sentence, &work->claim);
		if (!sl_grounded_claims(sentence, kind, &work->claim)) {
			g->silent++;
			continue;
		}
		if (g->count == SL_GROUNDED_CLAIMS_MAX) {
			g->cut = true;
			return;
		}
		claim->text = sentence;
		sl_grounded_look(work, claim);
		judge_claim(claim);
		g->count++;
	}
}

/* Sentences of a context, at most. */
static uint32_t count_passages(struct sl_span context)
{
	struct sl_span sentence;
	enum sl_sentence_kind kind;
	uint32_t count = 0;

	while (count < SL_GROUNDED_PASSAGES_MAX && sl_sentences_next(&context, &sentence, &kind))
		count++;
	return count;
}

int sl_grounded_run(const struct sl_grounded_ask *ask, struct sl_grounded *ret_grounded)
{
	uint32_t passages = count_passages(ask->context), i;
	struct sl_grounded_work *work = calloc(1, sizeof(*work));
	int rc = -ENOMEM;

	memset(ret_grounded, 0, sizeof(*ret_grounded));
	if (!work)
		return -ENOMEM;
	work->ask = ask;
	work->grounded = ret_grounded;
	work->passages = calloc(passages + 1, sizeof(*work->passages));
	if (ask->embed)
		work->vectors = calloc((size_t)SL_GROUNDED_EMBEDS_MAX * ask->dimensions,
				       sizeof(*work->vectors));
	if (work->passages && (!ask->embed || work->vectors)) {
		read_context(work);
		read_answer(work);
		/* What was not found may be in what was not read. */
		for (i = 0; work->grounded->cut && i < ret_grounded->count &&
			    work->passage_count == SL_GROUNDED_PASSAGES_MAX;
		     i++) {
			if (ret_grounded->claims[i].verdict == SL_GROUNDED_UNSUPPORTED)
				ret_grounded->claims[i].verdict = SL_GROUNDED_DOUBTFUL;
		}
		conclude(ret_grounded);
		rc = 0;
	}
	free(work->vectors);
	free(work->passages);
	free(work);
	return rc;
}

/* ---- the judge ------------------------------------------------------------------------------- */

static struct sl_grounded_claim *most_doubtful(struct sl_grounded *g)
{
	struct sl_grounded_claim *found = NULL;
	uint32_t i;

	for (i = 0; i < g->count; i++) {
		struct sl_grounded_claim *claim = &g->claims[i];

		if (claim->verdict == SL_GROUNDED_DOUBTFUL && !claim->judged &&
		    (!found || fabs(claim->probability - 0.5) < fabs(found->probability - 0.5)))
			found = claim;
	}
	return found;
}

uint32_t sl_grounded_settle(struct sl_grounded *g, uint32_t most,
			    int (*judge)(void *owner, const struct sl_grounded_claim *claim),
			    void *owner)
{
	struct sl_grounded_claim *claim;
	uint32_t count = 0;
	int said;

	while (count < most && (claim = most_doubtful(g))) {
		said = judge(owner, claim);
		if (said < 0)
			break;
		claim->judged = true;
		claim->verdict = said ? SL_GROUNDED_SUPPORTED : SL_GROUNDED_UNSUPPORTED;
		count++;
	}
	conclude(g);
	return count;
}
