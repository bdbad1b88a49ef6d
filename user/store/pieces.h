/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pieces.h - a text into the numbers of its pieces, as a SentencePiece unigram vocabulary cuts it.
 *
 * The text is normalised (NFKC), each space becomes U+2581 and one more goes in front; of all ways
 * to cut it into pieces of the vocabulary, the one with the highest sum of scores is taken (Viterbi;
 * Kudo, "Subword Regularization", 2018). What no piece covers is "unknown", id 0; unknowns in a row
 * are one.
 *
 * The ids are those that the model's own JavaScript gives, also where that is not what the paper
 * says: an unknown symbol costs nothing, a place that no piece ends at counts as score 0, and of
 * equal sums the later start wins. The model was fed with these ids, so they are kept to.
 *
 * Wraps utf8proc for NFKC (only for texts that are not ASCII, which NFKC leaves alone); only
 * pieces.c includes it. A vocabulary does not change once open: any thread may encode with it.
 */
#ifndef SL_STORE_PIECES_H
#define SL_STORE_PIECES_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_PIECE_BYTES_MAX 55u
#define SL_PIECES_MAX	   65536u
#define SL_PIECES_RESERVED 6u /* the first ids: unknown, control and unused ones, never matched */
#define SL_PIECES_TEXT_MAX 8192u /* bytes of a text that are looked at, before and after NFKC */
#define SL_PIECES_UNKNOWN  0

/* As it lies in the packed file of a model: 64 bytes, no pointers. */
struct sl_piece {
	double score;
	uint8_t len;
	char text[SL_PIECE_BYTES_MAX];
};

struct sl_pieces;

/*
 * Builds the vocabulary of the pieces; a piece's id is its index. Borrows nothing. Of two equal
 * pieces the later one counts. Returns 0, -EINVAL (no pieces, too many, an empty or too long one) or
 * -ENOMEM.
 */
int sl_pieces_open(const struct sl_piece *pieces, uint32_t piece_count,
		   struct sl_pieces **ret_pieces);

void sl_pieces_close(struct sl_pieces **pieces);

/*
 * The ids of the text, at most ids_max of them. *ret_cut: the text had more than fitted, or more than
 * SL_PIECES_TEXT_MAX bytes. Returns their number (0 for an empty text), -EILSEQ when the text is no
 * UTF-8, or -ENOMEM.
 */
int sl_pieces_encode(const struct sl_pieces *pieces, struct sl_span text, uint32_t *ret_ids,
		     uint32_t ids_max, bool *ret_cut);

#endif
