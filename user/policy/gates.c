/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/gates.h"

#include "user/policy/gates_read.h"

/* The next word of that kind, from *at on. */
static const struct sl_gates_word *next_of(const struct sl_gates_reading *reading,
					   enum sl_gates_kind kind, uint32_t *at)
{
	while (*at < reading->count) {
		const struct sl_gates_word *word = &reading->words[(*at)++];

		if (word->kind == kind)
			return word;
	}
	return NULL;
}

static bool same_numbers(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i = 0, j = 0;
	const struct sl_gates_word *one, *other;

	do {
		one = next_of(a, SL_GATES_NUMBER, &i);
		other = next_of(b, SL_GATES_NUMBER, &j);
		if (!one != !other || (one && strcmp(one->root, other->root) != 0))
			return false;
	} while (one);
	return true;
}

static bool has_root(const struct sl_gates_reading *reading, const struct sl_gates_word *wanted)
{
	uint32_t i;

	for (i = 0; i < reading->count; i++) {
		if (sl_gates_same(&reading->words[i], wanted))
			return true;
	}
	return false;
}

/* What stands right behind each number: 10 miles in kilometers is not 10 kilometers in miles. */
static const struct sl_gates_word *unit_behind(const struct sl_gates_reading *reading, uint32_t at)
{
	const struct sl_gates_word *before = at >= 2 ? &reading->words[at - 2] : NULL;

	if (at < reading->count && reading->words[at].kind == SL_GATES_UNIT)
		return &reading->words[at];
	return before && before->kind == SL_GATES_UNIT ? before : NULL; /* $1000 */
}

static bool same_units(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i, j = 0;
	const struct sl_gates_word *one, *other;

	for (i = 0; i < a->count; i++) {
		if (a->words[i].kind == SL_GATES_UNIT && !has_root(b, &a->words[i]))
			return false;
	}
	for (i = 0; i < b->count; i++) {
		if (b->words[i].kind == SL_GATES_UNIT && !has_root(a, &b->words[i]))
			return false;
	}
	for (i = 0; next_of(a, SL_GATES_NUMBER, &i) && next_of(b, SL_GATES_NUMBER, &j);) {
		one = unit_behind(a, i);
		other = unit_behind(b, j);
		if (one && other && strcmp(one->root, other->root) != 0)
			return false;
	}
	return true;
}

static bool same_negation(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i = 0, j = 0, count_a = 0, count_b = 0;

	while (next_of(a, SL_GATES_NEGATION, &i))
		count_a++;
	while (next_of(b, SL_GATES_NEGATION, &j))
		count_b++;
	return count_a == count_b;
}

bool sl_gates_opposed(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	const struct sl_gates_reading *both[] = {a, b};
	uint64_t one[2] = {0}, other[2] = {0};

	for (uint32_t side = 0; side < 2; side++) {
		for (uint32_t i = 0; i < both[side]->count; i++) {
			one[side] |= both[side]->words[i].one;
			other[side] |= both[side]->words[i].other;
		}
	}
	return ((one[0] & ~other[0]) & (other[1] & ~one[1])) ||
	       ((other[0] & ~one[0]) & (one[1] & ~other[1]));
}

/* Words of both, marked so in one: in the other with the other mark, or others are marked there. */
bool sl_gates_turned(const struct sl_gates_reading *a, const struct sl_gates_reading *b)
{
	uint32_t i, j, shared[2][SL_GATES_TARGET + 1] = {0}, missing[SL_GATES_TARGET + 1] = {0};

	for (j = 0; j < b->count; j++) {
		if (b->words[j].course && has_root(a, &b->words[j]))
			shared[1][b->words[j].course]++;
	}
	for (i = 0; i < a->count; i++) {
		const struct sl_gates_word *word = &a->words[i];
		bool there = false, same = false;

		if (!word->course)
			continue;
		for (j = 0; j < b->count; j++) {
			if (!sl_gates_same(word, &b->words[j]))
				continue;
			there = true;
			same |= b->words[j].course == word->course;
			if (b->words[j].course && b->words[j].course != word->course)
				return true;
		}
		shared[0][word->course] += there;
		missing[word->course] += there && !same;
	}
	for (i = SL_GATES_SOURCE; i <= SL_GATES_TARGET; i++) {
		if (missing[i] && shared[1][i])
			return true;
	}
	return false;
}

/* A word of a that b has nothing for, or NULL; names before others. */
static const struct sl_gates_word *uncovered(const struct sl_gates_reading *a,
					     const struct sl_gates_reading *b)
{
	const struct sl_gates_word *found = NULL;
	uint32_t i;

	for (i = 0; i < a->count; i++) {
		const struct sl_gates_word *word = &a->words[i];

		if (word->kind != SL_GATES_CONTENT &&
		    !(word->kind == SL_GATES_FILLER && word->name))
			continue;
		if (!has_root(b, word) && (!found || (word->name && !found->name)))
			found = word;
	}
	return found;
}

enum sl_gate sl_gates_check(const struct sl_gates_lexicon *lexicon, struct sl_span asked,
			    struct sl_span kept)
{
	struct sl_gates_reading a, b;
	const struct sl_gates_word *one, *other;

	sl_gates_read(lexicon, asked, &a);
	sl_gates_read(lexicon, kept, &b);
	if (a.too_long || b.too_long || !a.count || !b.count)
		return SL_GATE_LENGTH;
	if (!same_numbers(&a, &b))
		return SL_GATE_NUMBERS;
	if (!same_units(&a, &b))
		return SL_GATE_UNITS;
	if (!same_negation(&a, &b))
		return SL_GATE_NEGATION;
	if (sl_gates_opposed(&a, &b))
		return SL_GATE_POLARITY;
	if (sl_gates_turned(&a, &b) || sl_gates_turned(&b, &a))
		return SL_GATE_DIRECTION;
	one = uncovered(&a, &b);
	other = uncovered(&b, &a);
	if ((one && one->name) || (other && other->name))
		return SL_GATE_ENTITIES;
	return one || other ? SL_GATE_CONTENT : SL_GATE_PASSED;
}

const char *sl_gate_name(enum sl_gate gate)
{
	static const char *const names[SL_GATES] = {
		"passed",   "length",	 "numbers",  "units",	"negation",
		"polarity", "direction", "entities", "content",
	};

	return names[gate];
}
