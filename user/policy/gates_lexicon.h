/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gates_lexicon.h - the words of gates_words.h, found by one look-up instead of along their lists.
 *
 * A word has one entry, whatever lists it stands in; so has the root of a word that has synonyms. Made
 * once (about 0.2 ms), then only read: any thread.
 */
#ifndef SL_POLICY_GATES_LEXICON_H
#define SL_POLICY_GATES_LEXICON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0: in no such list. Texts by sl_gates_lexicon_text(). */
struct sl_gates_known {
	uint64_t one, other; /* pairs of opposites, by bit: on the left, on the right */
	uint16_t text;
	uint16_t number, unit; /* first word of its group */
	uint16_t synonym;      /* the key is a root: that of the first word of its group */
	uint8_t len;
	bool negation, filler, phrase; /* phrase: a first word of one */
};

struct sl_gates_lexicon;

/* 0 or -ENOMEM. */
int sl_gates_lexicon_open(struct sl_gates_lexicon **ret_lexicon);
void sl_gates_lexicon_close(struct sl_gates_lexicon **lexicon);

/* Never NULL: what is in no list has an entry of zeros. Alive as long as the lexicon. */
const struct sl_gates_known *sl_gates_lexicon_find(const struct sl_gates_lexicon *lexicon,
						   const char *text, size_t len);

const char *sl_gates_lexicon_text(const struct sl_gates_lexicon *lexicon, uint16_t text);

/*
 * The root of a word, in its place: plural, -ing, -ed and a final e go: charge, charges, charged, charging
 * are one. Returns its length, which is no longer.
 */
size_t sl_gates_root(char *text, size_t len);

#endif
