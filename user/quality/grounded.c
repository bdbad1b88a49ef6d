/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/grounded.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "user/quality/grounded_parts.h"

#define CERTAIN	     0.98 /* what a judge's word is worth */
#define PIECE_MIN    64u  /* bytes: no more words than are read at once */
#define PIECES_SHARE 40u  /* bytes that a piece of a sentence has of the one before it */

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

/* Where the piece behind the first `end` bytes begins: a few words before them, at a word. */
static size_t next_piece(struct sl_span text, size_t end)
{
	size_t least = end - (end / 2 < PIECES_SHARE ? end / 2 : PIECES_SHARE), at = least;

	while (at < end && text.data[at] != ' ')
		at++;
	if (at < end)
		return at + 1;
	for (at = least; at < end && (text.data[at] & 0xc0) == 0x80;)
		at++;
	return at;
}

/* A passage; or several, where the sentence has more words than are read at once. */
static void read_sentence(struct sl_grounded_work *work, struct sl_span rest)
{
	size_t next = 0;

	for (;;) {
		struct sl_grounded_passage *p = &work->passages[work->passage_count];
		struct sl_span piece;

		if (work->passage_count == SL_GROUNDED_PASSAGES_MAX) {
			work->grounded->cut = work->unread = true;
			return;
		}
		piece = rest = sl_span_make(rest.data + next, rest.len - next);
		if (piece.len > SL_GROUNDED_PLAIN_BYTES)
			piece.len = sl_sentences_cut(piece, SL_GROUNDED_PLAIN_BYTES);
		sl_grounded_read(work->ask->lexicon, piece, p);
		while (p->cut && piece.len > PIECE_MIN) {
			piece.len = sl_sentences_cut(piece, piece.len / 4 * 3);
			sl_grounded_read(work->ask->lexicon, piece, p);
		}
		work->unread |= p->cut || p->reading.foreign;
		work->passage_count++;
		if (piece.len == rest.len)
			return;
		next = next_piece(rest, piece.len);
	}
}

static void read_context(struct sl_grounded_work *work)
{
	struct sl_span rest = work->ask->context, sentence;
	enum sl_sentence_kind kind;

	while (!work->grounded->cut && sl_sentences_next(&rest, &sentence, &kind)) {
		if (kind != SL_SENTENCE_MARKS)
			read_sentence(work, sentence);
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

int sl_grounded_run(const struct sl_grounded_ask *ask, struct sl_grounded *ret_grounded)
{
	struct sl_grounded_work *work = calloc(1, sizeof(*work));
	uint32_t i;
	int rc = -ENOMEM;

	memset(ret_grounded, 0, sizeof(*ret_grounded));
	if (!work)
		return -ENOMEM;
	work->ask = ask;
	work->grounded = ret_grounded;
	/* Pages that are not used are not touched; none is looked at before it is read. */
	work->passages = malloc(SL_GROUNDED_PASSAGES_MAX * sizeof(*work->passages));
	if (ask->embed)
		work->vectors = calloc((size_t)SL_GROUNDED_EMBEDS_MAX * ask->dimensions,
				       sizeof(*work->vectors));
	if (work->passages && (!ask->embed || work->vectors)) {
		read_context(work);
		read_answer(work);
		/* What was not found may be in what was not read. */
		for (i = 0; work->unread && i < ret_grounded->count; i++) {
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
