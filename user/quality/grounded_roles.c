/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_roles.c - what is said of whom: negated in one of two sentences, or exchanged. */
#include "user/quality/grounded_parts.h"

#define NEGATION_REACH 4u /* words of meaning behind a "not" */
#define REPLACED_REACH 4u /* words in whose place there is another */
#define OWNER_REACH    7u /* words from a name to its number */
#define NOWHERE	       UINT32_MAX

/* ---- negation -------------------------------------------------------------------------------- */

/* Verbs of no meaning of their own that may be negated. */
static const char carried[] =
	"use used using possible able make made need needs give given show let allowed may can "
	"must should";
/* What says no without a word of negation. */
static const char denials[] =
	"drop drops dropped remove removed refuse refused forbidden prohibited exempt disagree "
	"only impossible invalid stop stopped instead rather less exclude excluded";
static const char auxiliaries[] =
	"is are was were be been am do does did can could may might must should shall will would "
	"has have had need";

struct denied {
	uint64_t words;	   /* bit by word: what a "not" before it says no to */
	uint64_t contrast; /* that of "X, not Y" alone */
	uint32_t count;
	bool otherwise; /* by another word */
};

static bool may_be_denied(const struct sl_gates_word *word)
{
	return word->kind == SL_GATES_CONTENT || word->kind == SL_GATES_UNIT ||
	       sl_gates_is_in(carried, word->text, word->len);
}

static struct denied read_denials(const struct sl_gates_reading *reading)
{
	struct denied denied = {0};
	uint32_t i, left = 0;
	bool contrast = false;

	for (i = 0; i < reading->count; i++) {
		const struct sl_gates_word *word = &reading->words[i];
		const struct sl_gates_word *before = i ? word - 1 : NULL;

		denied.otherwise |= sl_gates_is_in(denials, word->text, word->len);
		if (word->kind == SL_GATES_NEGATION) {
			left = NEGATION_REACH;
			denied.count++;
			contrast = strcmp(word->text, "not") == 0 && before &&
				   !sl_gates_is_in(auxiliaries, before->text, before->len);
		} else if (sl_gates_is_in("but unless until though because", word->text,
					  word->len)) {
			left = 0;
		} else if (left && may_be_denied(word)) {
			denied.words |= 1ull << i;
			if (contrast)
				denied.contrast |= 1ull << i;
			left -= word->kind == SL_GATES_CONTENT;
		}
	}
	return denied;
}

/* How a word stands in a reading: bit 0: there, and meant; bit 1: there, and denied. */
static uint32_t status_in(const struct sl_gates_word *word, const struct sl_gates_reading *reading,
			  uint64_t denied)
{
	uint32_t i, status = 0;

	for (i = 0; i < reading->count; i++) {
		if (sl_grounded_akin(word, &reading->words[i]))
			status |= denied >> i & 1 ? 2u : 1u;
	}
	return status;
}

/* "by seeds, not by spores": both have one no, of different words. */
static bool is_contrary(const struct sl_gates_reading *a, const struct denied *in_a,
			const struct sl_gates_reading *b, const struct denied *in_b)
{
	bool only_a = false, only_b = false;
	uint32_t i;

	for (i = 0; i < a->count; i++) {
		uint32_t theirs = a->words[i].kind == SL_GATES_CONTENT
					  ? status_in(&a->words[i], b, in_b->contrast)
					  : 0;

		only_a |= (in_a->contrast >> i & 1) && theirs == 1;
		only_b |= !(in_a->contrast >> i & 1) && theirs == 2;
	}
	return in_a->contrast && in_b->contrast && only_a && only_b;
}

/* A word that both have, denied in one alone. */
static const struct sl_gates_word *find_denied(const struct sl_gates_reading *a,
					       const struct denied *in_a,
					       const struct sl_gates_reading *b,
					       const struct denied *in_b)
{
	uint32_t i;

	if (in_a->count == in_b->count || in_a->otherwise || in_b->otherwise)
		return NULL;
	for (i = 0; i < a->count; i++) {
		bool here = in_a->words >> i & 1;

		if (may_be_denied(&a->words[i]) && status_in(&a->words[i], a, in_a->words) != 3 &&
		    status_in(&a->words[i], b, in_b->words) == (here ? 1u : 2u))
			return &a->words[i];
	}
	return NULL;
}

/* At least half of what a says is in b. */
static bool is_mostly_in(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i, j, all = 0, found = 0;

	for (i = 0; i < a->count; i++) {
		if (a->words[i].kind != SL_GATES_CONTENT)
			continue;
		all++;
		for (j = 0; j < b->count; j++) {
			if (sl_grounded_akin(&a->words[i], &b->words[j])) {
				found++;
				break;
			}
		}
	}
	return 2 * found >= all;
}

/* Adds to each word's status how it stands in one passage, which is read once for all of them. */
static void add_status(const struct sl_gates_reading *claim, uint64_t meant,
		       const struct sl_gates_reading *theirs, uint32_t *status)
{
	struct denied denied = read_denials(theirs);
	bool mostly = denied.words && is_mostly_in(theirs, claim);
	uint32_t i;

	for (i = 0; i < claim->count; i++) {
		uint32_t here =
			meant >> i & 1 ? status_in(&claim->words[i], theirs, denied.words) : 0;

		status[i] |= here == 2 && !mostly ? 3 : here;
	}
}

/* The claim has it, and the context has it denied alone: "use soap", and "do not use soap". */
static const struct sl_gates_word *find_denied_anywhere(const struct sl_grounded_work *work,
							const struct denied *ours)
{
	const struct sl_gates_reading *reading = &work->claim.reading;
	uint32_t status[SL_GATES_WORDS_MAX] = {0}, i;
	uint64_t meant = 0;

	if (ours->count || ours->otherwise)
		return NULL;
	for (i = 0; i < reading->count; i++) {
		if (reading->words[i].kind == SL_GATES_CONTENT &&
		    sl_grounded_weight(&reading->words[i]) >= 1)
			meant |= 1ull << i;
	}
	for (i = 0; i < work->passage_count; i++)
		add_status(reading, meant, &work->passages[i].reading, status);
	for (i = 0; i < reading->count; i++) {
		if (status[i] == 2)
			return &reading->words[i];
	}
	return NULL;
}

const struct sl_gates_word *sl_grounded_negated(const struct sl_grounded_work *work,
						const struct sl_grounded_passage *nearest,
						const struct sl_grounded_passage *beside)
{
	const struct sl_gates_reading *claim = &work->claim.reading;
	struct denied ours = read_denials(claim), theirs = read_denials(&nearest->reading), more;
	const struct sl_gates_word *word = find_denied(claim, &ours, &nearest->reading, &theirs);
	uint32_t here;

	if (is_contrary(claim, &ours, &nearest->reading, &theirs))
		return claim->words;
	if (word && beside) {
		more = read_denials(&beside->reading);
		here = ours.words >> (word - claim->words) & 1 ? 2 : 1;
		if (status_in(word, &beside->reading, more.words) & here)
			word = NULL;
	}
	return word ? word : find_denied_anywhere(work, &ours);
}

/* ---- opposites ------------------------------------------------------------------------------- */

/* Roots, beside the pairs of policy/gates_words.h, which are of questions. */
static const char *const opposed_roots[] = {
	"ris ros rise rose grow grew increas climb|fall fell drop shrink shrank decreas declin "
	"sink",
	"win gain|los lost lose",
	"higher increas|decreas lower",
	"grant allow permit permitted|forbid forbidden prohibit prohibited ban banned",
	"includ contain include|exclud exclude",
	"start begin|end finish finished",
	"succeed pass|fail failed",
	"early earlier|lat later",
	"support|oppos oppose",
	"accept|reject refus refuse",
	"open|close clos closed",
	"always|never",
	"apply applies appl appli|exempt",
	"solid|liquid",
	"strong stronger|weak weaker",
	"many most|few fewest",
	NULL,
};

static bool has_root(const struct sl_gates_reading *reading, const char *list)
{
	uint32_t i;

	for (i = 0; i < reading->count; i++) {
		const struct sl_gates_word *word = &reading->words[i];

		if (sl_gates_is_in(list, word->root, strlen(word->root)) ||
		    sl_gates_is_in(list, word->text, word->len))
			return true;
	}
	return false;
}

bool sl_grounded_opposed(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	const char *const *pair;

	for (pair = opposed_roots; *pair; pair++) {
		const char *other = strchr(*pair, '|') + 1;
		bool a_one = has_root(a, *pair), a_other = has_root(a, other);
		bool b_one = has_root(b, *pair), b_other = has_root(b, other);

		if ((a_one && !a_other && b_other && !b_one) ||
		    (a_other && !a_one && b_one && !b_other))
			return true;
	}
	return sl_gates_opposed(a, b);
}

/* ---- who did it to whom ---------------------------------------------------------------------- */

/* Where the other has the word, once; NOWHERE. */
static uint32_t place_of(const struct sl_gates_word *word, const struct sl_gates_reading *other)
{
	uint32_t i, place = NOWHERE;

	for (i = 0; i < other->count; i++) {
		if (!sl_grounded_akin(word, &other->words[i]))
			continue;
		if (place != NOWHERE)
			return NOWHERE;
		place = i;
	}
	return place;
}

static uint32_t count_word(const struct sl_gates_reading *reading, const char *text,
			   uint32_t *ret_last)
{
	uint32_t i, count = 0;

	for (i = 0; i < reading->count; i++) {
		if (strcmp(reading->words[i].text, text) != 0)
			continue;
		*ret_last = i;
		count++;
	}
	return count;
}

/* On which sides of the place a reading has the word: bit 0 before, bit 1 behind. */
static uint32_t sides_of(const struct sl_gates_word *word, const struct sl_gates_reading *reading,
			 uint32_t place)
{
	uint32_t i, sides = 0;

	for (i = 0; i < reading->count; i++) {
		if (i != place && sl_grounded_akin(word, &reading->words[i]))
			sides |= i < place ? 1u : 2u;
	}
	return sides;
}

/* "A is faster than B", and "B is faster than A". */
static const struct sl_gates_word *find_compared(const struct sl_gates_reading *a,
						 const struct sl_gates_reading *b)
{
	const struct sl_gates_word *left = NULL, *right = NULL;
	uint32_t than_a = 0, than_b = 0, i;

	if (count_word(a, "than", &than_a) != 1 || count_word(b, "than", &than_b) != 1)
		return NULL;
	for (i = 0; i < a->count; i++) {
		const struct sl_gates_word *word = &a->words[i];
		uint32_t theirs = word->kind == SL_GATES_CONTENT ? sides_of(word, b, than_b) : 0;

		if (i < than_a && theirs == 2)
			left = word;
		if (i > than_a && theirs == 1)
			right = word;
	}
	return right ? left : NULL;
}

/* The words of a that b has once, with their places there. */
static uint32_t list_shared(const struct sl_gates_reading *a, const struct sl_gates_reading *b,
			    const struct sl_gates_word *words[SL_GATES_WORDS_MAX],
			    uint32_t places[SL_GATES_WORDS_MAX])
{
	uint32_t i, count = 0;

	for (i = 0; i < a->count; i++) {
		const struct sl_gates_word *word = &a->words[i];

		if (word->kind != SL_GATES_CONTENT)
			continue;
		places[count] = place_of(word, b);
		words[count] = word;
		count += places[count] != NOWHERE && place_of(word, a) == i;
	}
	return count;
}

/* The names around a word are on its other sides in the other sentence. */
static const struct sl_gates_word *find_reversed(const struct sl_gates_reading *a,
						 const struct sl_gates_reading *b)
{
	const struct sl_gates_word *words[SL_GATES_WORDS_MAX];
	uint32_t places[SL_GATES_WORDS_MAX], count, i, j, k, unused;

	if (count_word(a, "by", &unused) != count_word(b, "by", &unused))
		return NULL; /* the passive */
	count = list_shared(a, b, words, places);
	for (j = 1; j + 1 < count; j++) {
		for (i = 0; i < j; i++) {
			for (k = j + 1; k < count; k++) {
				if (words[i]->name && words[k]->name && !words[j]->name &&
				    places[k] < places[j] && places[j] < places[i])
					return words[i];
			}
		}
	}
	return NULL;
}

/* ---- one in another's place ------------------------------------------------------------------- */

static bool is_meant(const struct sl_gates_word *word)
{
	return word->kind == SL_GATES_CONTENT && sl_grounded_weight(word) >= 1;
}

/* Between two places of b there is a word of meaning that a has nowhere. */
static bool has_other(const struct sl_gates_reading *a, const struct sl_gates_reading *b,
		      uint32_t from, uint32_t to)
{
	uint32_t i, j;

	for (i = from; i < to; i++) {
		if (!is_meant(&b->words[i]))
			continue;
		for (j = 0; j < a->count; j++) {
			if (sl_grounded_akin(&a->words[j], &b->words[i]))
				break;
		}
		if (j == a->count)
			return true;
	}
	return false;
}

/* The place in b of the next shared word of a from `at` in that direction; the end of b: none. */
static uint32_t anchor(const struct sl_gates_reading *a, const struct sl_gates_reading *b,
		       uint64_t here, uint32_t at, bool back)
{
	while (back ? at-- > 0 : ++at < a->count) {
		uint32_t place;

		if (!(here >> at & 1))
			continue;
		place = place_of(&a->words[at], b);
		if (place != NOWHERE)
			return back ? place + 1 : place;
	}
	return back ? 0 : b->count;
}

const struct sl_gates_word *sl_grounded_replaced(const struct sl_gates_reading *claim,
						 const struct sl_gates_reading *passage,
						 uint64_t here, uint64_t anywhere)
{
	uint32_t i, first = NOWHERE, last = 0, found = 0, from, to;

	for (i = 0; i < claim->count; i++) {
		if (!is_meant(&claim->words[i]))
			continue;
		if (here >> i & 1) {
			found++;
			if (first != NOWHERE)
				last = last ? last : i;
			continue;
		}
		if (!(anywhere >> i & 1) || last)
			return NULL; /* new words are another matter; and it is one place alone */
		first = first == NOWHERE ? i : first;
	}
	if (first == NOWHERE || !found)
		return NULL;
	from = anchor(claim, passage, here, first, true);
	to = anchor(claim, passage, here, last ? last - 1 : claim->count - 1, false);
	return from < to && to - from <= REPLACED_REACH && has_other(claim, passage, from, to)
		       ? &claim->words[first]
		       : NULL;
}

/* ---- what number belongs to what ------------------------------------------------------------- */

/* What a number counts: the word right behind it and its unit. NULL: none. */
static const struct sl_gates_word *head_of(const struct sl_grounded_passage *p,
					   const struct sl_grounded_figure *figure)
{
	const struct sl_gates_reading *reading = &p->reading;
	uint32_t i = figure->end;

	if (i < reading->count && strcmp(reading->words[i].text, "of") == 0)
		i++;
	return i < reading->count && is_meant(&reading->words[i]) ? &reading->words[i] : NULL;
}

static const char months[] = "january february march april may june july august september "
			     "october november december";

/* Whose number it is: the name before it, and before any other number. */
static const struct sl_gates_word *owner_of(const struct sl_grounded_passage *p,
					    const struct sl_grounded_figure *figure)
{
	uint32_t back;

	for (back = 1; back <= OWNER_REACH && back <= figure->at; back++) {
		const struct sl_gates_word *word = &p->reading.words[figure->at - back];

		if (word->kind == SL_GATES_NUMBER)
			return NULL;
		if (word->name && word->kind == SL_GATES_CONTENT)
			return sl_gates_is_in(months, word->text, word->len) ? NULL : word;
	}
	return NULL;
}

typedef const struct sl_gates_word *belongs_fn(const struct sl_grounded_passage *p,
					       const struct sl_grounded_figure *figure);

/* The figure is in the context, but for something else, and what it is said of has another there. */
static const struct sl_gates_word *find_exchanged(const struct sl_grounded_work *work,
						  const struct sl_grounded_figure *figure,
						  belongs_fn *belongs)
{
	const struct sl_gates_word *word = belongs(&work->claim, figure), *theirs;
	bool elsewhere = false, another = false;
	uint32_t i, j;

	for (i = 0; word && i < work->passage_count; i++) {
		const struct sl_grounded_passage *p = &work->passages[i];

		for (j = 0; j < p->figure_count; j++) {
			bool equal =
				sl_grounded_compare(figure, &p->figures[j]) == SL_GROUNDED_EQUAL;
			bool same;

			theirs = belongs(p, &p->figures[j]);
			same = theirs && sl_grounded_akin(word, theirs);
			if (equal && (same || !theirs))
				return NULL;
			elsewhere |= equal;
			another |= !equal && same;
		}
	}
	return elsewhere && another ? word : NULL;
}

/* What stands behind "from" and "to", where it is no number. */
static bool is_turned(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i;

	for (i = 0; i < a->count + b->count; i++) {
		const struct sl_gates_word *word =
			i < a->count ? &a->words[i] : &b->words[i - a->count];

		if (word->course && word->kind != SL_GATES_CONTENT)
			return false;
	}
	return sl_gates_turned(a, b);
}

bool sl_grounded_is_swapped(const struct sl_grounded_work *work,
			    const struct sl_grounded_passage *nearest,
			    const struct sl_gates_word **ret_word)
{
	const struct sl_grounded_passage *claim = &work->claim;
	const struct sl_gates_word *word;
	uint32_t i;

	for (i = 0; i < claim->figure_count; i++) {
		word = find_exchanged(work, &claim->figures[i], head_of);
		if (!word)
			word = find_exchanged(work, &claim->figures[i], owner_of);
		if (word) {
			*ret_word = &claim->reading.words[claim->figures[i].at];
			return true;
		}
	}
	*ret_word = find_compared(&claim->reading, &nearest->reading);
	if (!*ret_word)
		*ret_word = find_reversed(&claim->reading, &nearest->reading);
	return *ret_word || is_turned(&claim->reading, &nearest->reading);
}
