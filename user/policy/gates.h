/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gates.h - may the answer to one question be given to another that looks like it?
 *
 * Vectors of two questions that differ in a number, a "not" or a name are nearly the same, so nearness
 * alone is not enough. The gates read both texts as words (English; what they do not know counts as
 * content, so that another language is refused rather than mistaken):
 *
 *	gate       refuses when
 *	LENGTH     a text has more than SL_GATES_WORDS_MAX words, or none
 *	NUMBERS    the numbers, also in words, are not the same in the same order
 *	UNITS      the units are not the same, or the same number has another unit
 *	NEGATION   one says not, never, without, ... and the other does not
 *	POLARITY   one has a word (enable, before, most) and the other its opposite
 *	DIRECTION  to, from: not of the same things
 *	ENTITIES   a name of one (capitals within a sentence, words with digits) is not in the other
 *	CONTENT    a word that carries meaning has neither itself nor a synonym in the other
 *
 * Refusing costs a miss, passing wrongly a wrong answer: in doubt they refuse. The figures of the
 * labelled set (tests/data/semantic-pairs.txt) at a similarity of 0.85: precision 0.992, recall 0.64, and
 * of the half that nothing was chosen by 0.984 and 0.65. Pure; any thread.
 */
#ifndef SL_POLICY_GATES_H
#define SL_POLICY_GATES_H

#include "user/base/text.h"

#define SL_GATES_WORDS_MAX 64u
#define SL_GATES_WORD_MAX  40u /* bytes; a longer word counts by its first ones and its length */

enum sl_gate {
	SL_GATE_PASSED = 0,
	SL_GATE_LENGTH,
	SL_GATE_NUMBERS,
	SL_GATE_UNITS,
	SL_GATE_NEGATION,
	SL_GATE_POLARITY,
	SL_GATE_DIRECTION,
	SL_GATE_ENTITIES,
	SL_GATE_CONTENT,
	SL_GATES
};

/* What is known of words (gates_lexicon.h): made once, read by all. */
struct sl_gates_lexicon;

/* The first gate that refuses, in the order above. */
enum sl_gate sl_gates_check(const struct sl_gates_lexicon *lexicon, struct sl_span asked,
			    struct sl_span kept);

/* "numbers"; "passed". */
const char *sl_gate_name(enum sl_gate gate);

#endif
