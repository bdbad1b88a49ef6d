/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sentences.h - a text taken apart into sentences, as a model or a document writes it.
 *
 *	ends a sentence                     does not
 *	. ! ? and what closes behind them   3.5, e.g., Dr., J. Smith, a.m., "1." of a list
 *	a semicolon                         within `code`
 *	an empty line                       a line that only goes on
 *	a line before a list, a heading,
 *	a table, a block of code
 *	the ends of other scripts, a blank
 *	behind them or not
 *
 * Marks of lists, headings and quotations are not part of a sentence; marks of citation ("[1]") behind its
 * end are. A sentence over SL_SENTENCE_BYTES_MAX is cut at a blank. Pure; any thread.
 */
#ifndef SL_QUALITY_SENTENCES_H
#define SL_QUALITY_SENTENCES_H

#include "user/base/text.h"

#define SL_SENTENCE_BYTES_MAX 600u

enum sl_sentence_kind {
	SL_SENTENCE_PLAIN = 0,
	SL_SENTENCE_QUESTION,
	SL_SENTENCE_LEAD, /* ends with a colon: what it leads to comes behind it */
	SL_SENTENCE_CODE, /* a block between fences */
	SL_SENTENCE_MARKS /* neither letters nor digits */
};

/* The next sentence, cut off *rest (at first the whole text), without blanks around it. False: none. */
bool sl_sentences_next(struct sl_span *rest, struct sl_span *ret_sentence,
		       enum sl_sentence_kind *ret_kind);

/* Where to cut a text that has more than `most` bytes: at the last blank of these, or at a character's end. */
size_t sl_sentences_cut(struct sl_span text, size_t most);

#endif
