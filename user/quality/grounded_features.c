/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_features.c - one claim against the context. */
#include "user/quality/grounded_parts.h"
#include "user/store/linear.h"

#define PAIR_GAIN      0.15f /* what a second sentence must add to be looked at with the first */
#define FIGURE_WEIGHT  0.5f
#define NEAREST_MAX    4u   /* passages whose meaning is looked at */
#define ALL_MAX	       6u   /* or all, of so few */
#define LEXICAL_ENOUGH 0.5f /* nearer by its words than by its meaning */
#define RUN_FULL       4.0f
#define CLAUSES_MAX    6u
#define SAME_CLAUSE    0.75f /* of its words: it says the same */
#define NONE	       UINT32_MAX

struct look {
	struct sl_grounded_work *work;
	struct sl_grounded_claim *claim;
	const struct sl_gates_reading *reading;	  /* of the claim */
	uint64_t found[SL_GROUNDED_PASSAGES_MAX]; /* by passage: bit by word of the claim */
	float score[SL_GROUNDED_PASSAGES_MAX];
	uint64_t anywhere;
	float weights[SL_GATES_WORDS_MAX];
	float total;
	uint32_t nearest, beside; /* NONE */
};

/* ---- words ----------------------------------------------------------------------------------- */

static float weigh(const struct look *look, uint64_t words)
{
	float sum = 0;
	uint32_t i;

	for (i = 0; i < look->reading->count; i++)
		sum += words >> i & 1 ? look->weights[i] : 0;
	return sum;
}

/* Those of the claim's words that the reading has. */
static uint64_t find_words(const struct look *look, const struct sl_gates_reading *in)
{
	uint64_t found = 0;
	uint32_t i, j;

	for (i = 0; i < look->reading->count; i++) {
		if (look->weights[i] == 0)
			continue;
		for (j = 0; j < in->count; j++) {
			if (sl_grounded_akin(&look->reading->words[i], &in->words[j])) {
				found |= 1ull << i;
				break;
			}
		}
	}
	return found;
}

static enum sl_grounded_match best_match(const struct sl_grounded_figure *figure,
					 const struct sl_grounded_passage *in)
{
	enum sl_grounded_match match, best = SL_GROUNDED_OTHER;
	uint32_t i;

	for (i = 0; i < in->figure_count; i++) {
		match = sl_grounded_compare(figure, &in->figures[i]);
		best = match > best ? match : best;
	}
	return best;
}

/* "one" and "a" say little. */
static bool counts(const struct sl_grounded_figure *figure)
{
	return figure->value != 1;
}

static void score_passages(struct look *look)
{
	struct sl_grounded_work *work = look->work;
	uint32_t i, j, figures = 0;

	for (j = 0; j < work->claim.figure_count; j++)
		figures += counts(&work->claim.figures[j]);
	for (i = 0; i < work->passage_count; i++) {
		const struct sl_grounded_passage *p = &work->passages[i];
		float sum;

		look->found[i] = find_words(look, &p->reading);
		look->anywhere |= look->found[i];
		sum = weigh(look, look->found[i]);
		for (j = 0; j < work->claim.figure_count; j++)
			sum += counts(&work->claim.figures[j]) &&
					       best_match(&work->claim.figures[j], p)
				       ? FIGURE_WEIGHT
				       : 0;
		look->score[i] = sum / (look->total + FIGURE_WEIGHT * (float)figures + 1e-6f);
	}
}

static void choose_nearest(struct look *look)
{
	uint32_t i;

	look->nearest = look->work->passage_count ? 0 : NONE;
	for (i = 1; i < look->work->passage_count; i++) {
		if (look->score[i] > look->score[look->nearest])
			look->nearest = i;
	}
}

/* A neighbour that has what the nearest has not: "It", "the latter" tell of what was said before. */
static void choose_beside(struct look *look)
{
	float least = weigh(look, look->found[look->nearest]) + PAIR_GAIN * look->total, sum;
	uint32_t step;

	look->beside = NONE;
	for (step = 0; step < 2; step++) {
		uint32_t i =
			step ? look->nearest + 1 : look->nearest - 1; /* before the first: wraps */

		if (i >= look->work->passage_count)
			continue;
		sum = weigh(look, look->found[look->nearest] | look->found[i]);
		if (sum >= least && sum > 0) {
			least = sum + 1e-6f;
			look->beside = i;
		}
	}
}

/* ---- meaning --------------------------------------------------------------------------------- */

static const float *vector_of(struct sl_grounded_work *work, struct sl_grounded_passage *p)
{
	const struct sl_grounded_ask *ask = work->ask;
	float *vector;

	if (p->tried || !ask->embed)
		return p->vector;
	p->tried = true;
	if (work->vector_count == SL_GROUNDED_EMBEDS_MAX)
		return NULL;
	vector = work->vectors + (size_t)work->vector_count * ask->dimensions;
	work->grounded->embedded++;
	if (ask->embed(ask->owner, p->text, vector))
		return NULL;
	work->vector_count++;
	p->vector = vector;
	return vector;
}

/* The passage of the highest score below the bound, or at it and behind `after`; NONE. */
static uint32_t next_best(const struct look *look, float bound, uint32_t after)
{
	uint32_t i, best = NONE;

	for (i = 0; i < look->work->passage_count; i++) {
		float score = look->score[i];
		bool behind = score < bound || (score == bound && (after == NONE || i > after));

		if (behind && (best == NONE || score > look->score[best]))
			best = i;
	}
	return best;
}

static void look_at_meaning(struct look *look)
{
	struct sl_grounded_work *work = look->work;
	const float *mine = vector_of(work, &work->claim), *theirs;
	uint32_t most = work->passage_count <= ALL_MAX ? ALL_MAX : NEAREST_MAX, i, at = NONE;
	float bound = 2, best = 0, similarity;
	uint32_t best_at = NONE;

	for (i = 0; mine && i < most; i++) {
		at = next_best(look, bound, at);
		if (at == NONE)
			break;
		bound = look->score[at];
		theirs = vector_of(work, &work->passages[at]);
		if (!theirs)
			continue;
		similarity = sl_linear_best()->dot(mine, theirs, work->ask->dimensions);
		if (best_at == NONE || similarity > best) {
			best = similarity;
			best_at = at;
		}
	}
	if (best_at == NONE)
		return;
	look->claim->has_meaning = true;
	look->claim->features[SL_GROUNDED_FAR] = 1 - best;
	if (look->score[look->nearest] < LEXICAL_ENOUGH)
		look->nearest = best_at;
}

/* ---- clauses --------------------------------------------------------------------------------- */

/* Where the next clause begins, from `at` on. */
static size_t clause_end(struct sl_span text, size_t at)
{
	static const char *const joints[] = {" and ",	  " but ",    " while ",    " then ",
					     " whereas ", " though ", " although ", " because "};
	size_t i;

	for (; at < text.len; at++) {
		bool number =
			at + 1 < text.len && text.data[at + 1] >= '0' && text.data[at + 1] <= '9';

		if (text.data[at] == ';' || text.data[at] == '(' ||
		    (text.data[at] == ',' && !number))
			return at + 1;
		for (i = 0; text.data[at] == ' ' && i < sizeof(joints) / sizeof(joints[0]); i++) {
			size_t len = strlen(joints[i]);

			if (at + len <= text.len && memcmp(text.data + at, joints[i], len) == 0)
				return at + len;
		}
	}
	return text.len;
}

static bool next_clause(const struct sl_grounded_work *work, struct sl_span *rest,
			struct sl_grounded_passage *ret_clause)
{
	size_t end;

	if (!rest->len)
		return false;
	end = clause_end(*rest, 0);
	sl_grounded_read(work->ask->lexicon, sl_span_make(rest->data, end), ret_clause);
	*rest = sl_span_make(rest->data + end, rest->len - end);
	return true;
}

/* What is found of one clause of the claim in the clause that has most of it. */
struct best_clause {
	float sum;
	bool other_number; /* it has not the number, but another */
};

/* A figure of a is in none of b, which has one of its unit that is not in a either. */
static bool has_other_number(const struct sl_grounded_passage *a,
			     const struct sl_grounded_passage *b)
{
	uint32_t i, j;

	for (i = 0; i < a->figure_count; i++) {
		const struct sl_grounded_figure *ours = &a->figures[i];

		if (!counts(ours) || best_match(ours, b) == SL_GROUNDED_EQUAL)
			continue;
		for (j = 0; j < b->figure_count; j++) {
			const struct sl_grounded_figure *theirs = &b->figures[j];

			if (!ours->unit == !theirs->unit &&
			    (!ours->unit || strcmp(ours->unit, theirs->unit) == 0) &&
			    best_match(theirs, a) != SL_GROUNDED_EQUAL)
				return true;
		}
	}
	return false;
}

static void look_in_clauses(const struct look *look, uint64_t words,
			    const struct sl_grounded_passage *p, struct best_clause *best)
{
	struct sl_grounded_work *work = look->work;
	struct sl_span rest = p->plain;
	uint32_t i = 0;
	float sum;

	while (i++ < CLAUSES_MAX && next_clause(work, &rest, &work->other)) {
		sum = weigh(look, words & find_words(look, &work->other.reading));
		if (sum <= best->sum)
			continue;
		best->sum = sum;
		best->other_number = has_other_number(&work->clause, &work->other);
	}
}

/* What the passages have of the claim, less what single clauses of theirs have of its clauses. */
static float scattered(const struct look *look, uint64_t in_passage)
{
	struct sl_grounded_work *work = look->work;
	struct sl_span rest = work->claim.plain;
	uint32_t first = 0, i = 0;
	float lost = 0, all;

	while (i++ < CLAUSES_MAX && next_clause(work, &rest, &work->clause)) {
		uint32_t count = work->clause.reading.count;
		uint64_t words = count ? (count < 64 ? (1ull << count) - 1 : UINT64_MAX) : 0;
		struct best_clause best = {0};

		if (first + count > look->reading->count)
			break; /* a phrase was parted: the words are counted otherwise */
		words = (first < 64 ? words << first : 0) & in_passage;
		look_in_clauses(look, words, &work->passages[look->nearest], &best);
		if (look->beside != NONE)
			look_in_clauses(look, words, &work->passages[look->beside], &best);
		all = weigh(look, words);
		lost += all - best.sum;
		if (best.other_number && best.sum >= SAME_CLAUSE * all)
			look->claim->features[SL_GROUNDED_NUMBER_APART] = 1;
		first += count;
	}
	return lost;
}

/* ---- features -------------------------------------------------------------------------------- */

static void name_word(struct sl_grounded_claim *claim, enum sl_grounded_feature feature,
		      const struct sl_gates_word *word)
{
	if (claim->features[feature] == 0 && word && !claim->word[0]) {
		memcpy(claim->word, word->text, sizeof(claim->word));
		claim->reason = feature;
	}
	claim->features[feature] = 1;
}

static void look_at_figures(struct look *look)
{
	struct sl_grounded_work *work = look->work;
	uint32_t i, j;

	for (i = 0; i < work->claim.figure_count; i++) {
		const struct sl_grounded_figure *figure = &work->claim.figures[i];
		const struct sl_gates_word *word = &look->reading->words[figure->at];
		enum sl_grounded_match match, best = SL_GROUNDED_OTHER;

		if (!counts(figure))
			continue;
		for (j = 0; j < work->passage_count; j++) {
			match = best_match(figure, &work->passages[j]);
			best = match > best ? match : best;
		}
		if (best == SL_GROUNDED_OTHER)
			name_word(look->claim, SL_GROUNDED_NUMBER, word);
		else if (best == SL_GROUNDED_OTHER_UNIT)
			name_word(look->claim, SL_GROUNDED_UNIT, word);
	}
}

static bool is_of_figure(const struct sl_grounded_passage *p, uint32_t at)
{
	uint32_t i;

	for (i = 0; i < p->figure_count; i++) {
		if (at + 1 >= p->figures[i].at && at < p->figures[i].end)
			return true;
	}
	return false;
}

/* "each month", where the context has no month. */
static void look_at_units(struct look *look)
{
	const struct sl_grounded_work *work = look->work;
	uint32_t i, j, k;

	for (i = 0; i < look->reading->count; i++) {
		const struct sl_gates_word *word = &look->reading->words[i];
		bool there = false, others = false;

		if (word->kind != SL_GATES_UNIT || is_of_figure(&work->claim, i))
			continue;
		for (j = 0; j < work->passage_count; j++) {
			const struct sl_gates_reading *in = &work->passages[j].reading;

			for (k = 0; k < in->count; k++) {
				there |= strcmp(in->words[k].root, word->root) == 0;
				others |= in->words[k].kind == SL_GATES_UNIT;
			}
		}
		if (!there && others)
			name_word(look->claim, SL_GROUNDED_UNIT, word);
	}
}

static void look_at_words(struct look *look)
{
	struct sl_grounded_claim *claim = look->claim;
	uint64_t here = look->nearest == NONE ? 0 : look->found[look->nearest];
	const struct sl_gates_word *missing = NULL;
	uint32_t i, run = 0, longest = 0;

	here |= look->beside == NONE ? 0 : look->found[look->beside];
	for (i = 0; i < look->reading->count; i++) {
		const struct sl_gates_word *word = &look->reading->words[i];

		if (look->anywhere >> i & 1) {
			run = 0;
		} else if (look->weights[i] >= 1) {
			run++;
			longest = run > longest ? run : longest;
			if (word->name && word->kind == SL_GATES_CONTENT)
				name_word(claim, SL_GROUNDED_NAME, word);
			missing = missing ? missing : word;
		}
	}
	if (missing && !claim->word[0])
		memcpy(claim->word, missing->text, sizeof(claim->word));
	claim->features[SL_GROUNDED_RUN] = (float)longest / RUN_FULL;
	if (claim->features[SL_GROUNDED_RUN] > 1)
		claim->features[SL_GROUNDED_RUN] = 1;
	if (look->total <= 0)
		return;
	claim->features[SL_GROUNDED_UNCOVERED] = 1 - weigh(look, look->anywhere) / look->total;
	claim->features[SL_GROUNDED_STRANGE] =
		claim->features[SL_GROUNDED_UNCOVERED] * claim->features[SL_GROUNDED_FAR];
	claim->features[SL_GROUNDED_APART] =
		(weigh(look, look->anywhere) - weigh(look, here)) / look->total;
	if (look->nearest != NONE)
		claim->features[SL_GROUNDED_CLAUSE] = scattered(look, here) / look->total;
}

static bool has_all_figures(const struct look *look, const struct sl_grounded_passage *in)
{
	const struct sl_grounded_passage *claim = &look->work->claim;
	uint32_t i;

	for (i = 0; i < claim->figure_count; i++) {
		if (counts(&claim->figures[i]) &&
		    best_match(&claim->figures[i], in) != SL_GROUNDED_EQUAL)
			return false;
	}
	return true;
}

/* Only where no passage has it all. */
static void look_for_replaced(struct look *look)
{
	const struct sl_gates_word *word = NULL;
	uint32_t i;

	for (i = 0; i < look->work->passage_count; i++) {
		if (look->found[i] == look->anywhere)
			return;
		if (!word && has_all_figures(look, &look->work->passages[i]))
			word = sl_grounded_replaced(look->reading, &look->work->passages[i].reading,
						    look->found[i], look->anywhere);
	}
	if (word)
		name_word(look->claim, SL_GROUNDED_REPLACED, word);
}

static void look_at_roles(struct look *look)
{
	struct sl_grounded_work *work = look->work;
	const struct sl_grounded_passage *nearest = &work->passages[look->nearest];
	const struct sl_grounded_passage *beside =
		look->beside != NONE ? &work->passages[look->beside] : NULL;
	uint64_t here = look->found[look->nearest] | (beside ? look->found[look->beside] : 0);
	const struct sl_gates_word *word = sl_grounded_negated(work, nearest, beside);
	bool opposed = sl_grounded_opposed(look->reading, &nearest->reading), swapped;
	uint32_t i;

	if (word)
		name_word(look->claim, SL_GROUNDED_NEGATION, word);
	look_for_replaced(look);
	for (i = 0; i < look->reading->count; i++) {
		if (look->reading->words[i].name &&
		    look->reading->words[i].kind == SL_GATES_CONTENT &&
		    (look->anywhere & ~here) >> i & 1)
			look->claim->features[SL_GROUNDED_NAME_APART] = 1;
	}
	word = NULL;
	swapped = sl_grounded_is_swapped(work, nearest, &word);
	if (opposed && swapped)
		return; /* "A is dearer than B", "B is cheaper than A" */
	look->claim->features[SL_GROUNDED_POLARITY] = opposed;
	if (swapped)
		name_word(look->claim, SL_GROUNDED_SWAP, word);
}

void sl_grounded_look(struct sl_grounded_work *work, struct sl_grounded_claim *claim)
{
	struct look look = {.work = work,
			    .claim = claim,
			    .reading = &work->claim.reading,
			    .nearest = NONE,
			    .beside = NONE};
	uint32_t i;

	for (i = 0; i < look.reading->count; i++) {
		look.weights[i] = sl_grounded_weight(&look.reading->words[i]);
		look.total += look.weights[i];
	}
	claim->features[SL_GROUNDED_ONE] = 1;
	score_passages(&look);
	choose_nearest(&look);
	if (look.nearest != NONE) {
		look_at_meaning(&look);
		choose_beside(&look);
		claim->passage = work->passages[look.nearest].text;
	}
	look_at_figures(&look);
	look_at_units(&look);
	if (look.nearest != NONE)
		look_at_roles(&look);
	look_at_words(&look);
}
