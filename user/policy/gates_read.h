/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gates_read.h - a short text as words: what each is, and its root, so that two texts can be compared.
 *
 *	kind      is                                        its root
 *	CONTENT   whatever is in no list                    without its ending; the first of its synonyms
 *	FILLER    a word of grammar, asking, politeness     itself
 *	NUMBER    of digits or in words                     its value: "1,000", "1000" are 1000
 *	UNIT      km, kilometres, %                         the first of its group
 *	NEGATION  not, never, without                       itself
 *
 * English; words of other languages are content. See gates.h, and quality/grounded.h. Pure; any thread.
 */
#ifndef SL_POLICY_GATES_READ_H
#define SL_POLICY_GATES_READ_H

#include "user/policy/gates.h"

enum sl_gates_kind {
	SL_GATES_CONTENT = 0,
	SL_GATES_FILLER,
	SL_GATES_NUMBER,
	SL_GATES_UNIT,
	SL_GATES_NEGATION
};

/* Of what stands behind "from" and "to". */
enum sl_gates_course { SL_GATES_NOWHERE = 0, SL_GATES_SOURCE, SL_GATES_TARGET };

struct sl_gates_word {
	char text[SL_GATES_WORD_MAX + 1]; /* lower case */
	char root[SL_GATES_WORD_MAX + 1]; /* of it, or of its group; a unit's or number's name */
	uint8_t len;
	uint8_t kind;
	uint8_t course;
	bool name;	     /* written like one */
	bool phrase;	     /* may begin one */
	uint64_t one, other; /* pairs of opposites that it is in, by bit: left, right */
};

struct sl_gates_reading {
	const struct sl_gates_lexicon *lexicon;
	struct sl_gates_word words[SL_GATES_WORDS_MAX];
	uint32_t count;
	bool too_long; /* words are missing: */
	bool full;     /* those behind SL_GATES_WORDS_MAX */
	bool foreign;  /* one over SL_GATES_WORD_MAX that is not ASCII: a script without blanks? */
};

void sl_gates_read(const struct sl_gates_lexicon *lexicon, struct sl_span text,
		   struct sl_gates_reading *ret_reading);

/* The same but for its ending, or a synonym. */
bool sl_gates_same(const struct sl_gates_word *a, const struct sl_gates_word *b);

/* Is the word one of a list (words apart by spaces, up to its end or a '|')? */
bool sl_gates_is_in(const char *list, const char *text, size_t len);

/* One has a word (enable, before, most), the other its opposite. */
bool sl_gates_opposed(const struct sl_gates_reading *a, const struct sl_gates_reading *b);

/* What one comes from, or goes to, is in the other, but not so. */
bool sl_gates_turned(const struct sl_gates_reading *a, const struct sl_gates_reading *b);

#endif
