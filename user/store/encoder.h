/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * encoder.h - the embedded sentence encoder: a text becomes 512 numbers whose products tell how near
 * two texts are in meaning.
 *
 * Universal Sentence Encoder Lite (Cer et al., "Universal Sentence Encoder", 2018): pieces of the
 * text (pieces.h), two layers of a transformer, the mean over the pieces, a dense layer with tanh, and
 * length 1. The products of two vectors are between -1 and 1; near ones are above 0.7.
 *
 *	pieces -> 2 * embedding + timing signal (256)
 *	layer 0: x -> widen(x) + mix(attention(norm(x)))   256 -> 512, 4 heads of 64
 *	         y -> y + feed(norm(y))                    512 -> 1536 -> 512
 *	layer 1: the same, 512 wide, 4 heads of 128
 *	mean over the pieces -> tanh(dense) -> length 1
 *
 * Of layer 1 only the mean is wanted, so its last matrix is applied to the mean of what it would be
 * applied to: a sixth less work, the same numbers but for rounding.
 *
 * A text of more than SL_ENCODER_PIECES_MAX pieces is cut there, as the model was trained; the facts
 * say so. A query of 12 words (16 pieces) takes 2.8 ms of one busy EPYC core by AVX2, 15 ms portable.
 *
 * Threads: any number may embed with one encoder at once; each call takes its memory from the heap
 * (18 KB a piece) and gives it back. About 2 ms: never on a loop's thread.
 */
#ifndef SL_STORE_ENCODER_H
#define SL_STORE_ENCODER_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"
#include "user/store/linear.h"

#define SL_ENCODER_DIMENSIONS	  512u
#define SL_ENCODER_PIECES_MAX	  128u
#define SL_ENCODER_IDENTITY_BYTES 32u /* with its NUL */

struct sl_encoder;

struct sl_encoder_facts {
	uint32_t pieces;
	bool cut; /* the text was longer than what the vector tells of */
};

/*
 * Opens the model of a directory (see encoder_pack.h), kept packed in packed_file (NULL: in memory).
 * linear: sl_linear_best(), or the one to test. Logs how it came by the weights. Returns 0 or the
 * errors of sl_encoder_pack_open().
 */
int sl_encoder_open(const char *directory, const char *packed_file, const struct sl_linear *linear,
		    struct sl_error *error, struct sl_encoder **ret_encoder);

void sl_encoder_close(struct sl_encoder **encoder);

/* "use-lite:" and 16 hex digits of what its weights are: vectors of another identity never meet. */
const char *sl_encoder_identity(const struct sl_encoder *encoder);

/*
 * The vector of a text, SL_ENCODER_DIMENSIONS numbers, of length 1. ret_facts may be NULL. Returns 0,
 * -ENODATA (nothing in the text), -EILSEQ (no UTF-8) or -ENOMEM.
 */
int sl_encoder_embed(const struct sl_encoder *encoder, struct sl_span text, float *ret_vector,
		     struct sl_encoder_facts *ret_facts);

/* The ids of the pieces alone, as sl_pieces_encode(): for tests and tools. */
int sl_encoder_pieces(const struct sl_encoder *encoder, struct sl_span text, uint32_t *ret_ids,
		      uint32_t ids_max, bool *ret_cut);

#endif
