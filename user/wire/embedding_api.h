/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * embedding_api.h - OpenAI's POST /v1/embeddings: what is asked, and vectors of an answer that is right.
 *
 *   {"model": M, "input": [TEXT, ...], "encoding_format": "float"}
 *   {"data": [{"index": 0, "embedding": [0.1, ...]}, ...]}
 *
 * An answer is right as a whole or not at all: a vector for each text, none twice, all of one number of
 * dimensions, finite, and with a direction. Pure; any thread.
 */
#ifndef SL_WIRE_EMBEDDING_API_H
#define SL_WIRE_EMBEDDING_API_H

#include <stdint.h>
#include "user/base/text.h"

#define SL_EMBEDDING_TEXTS_MAX 64u /* of one call */

/* Appends the body. 0, -ENOMEM, -E2BIG. One text goes as a string, which every server takes. */
int sl_embeddings_ask(const char *model, const struct sl_span *texts, uint32_t count,
		      struct sl_text *out);

/*
 * Reads `count` vectors (at most SL_EMBEDDING_TEXTS_MAX) in the order of the texts, one behind the other,
 * each made of length 1. dimensions: how many numbers each must have; 0: as many as the first has.
 * room: of how many numbers there is place for. Without an `index` they are in order.
 * Returns the dimensions, or -EINVAL with why in *ret_why (a constant).
 */
int sl_embeddings_read(struct sl_span body, uint32_t count, uint32_t dimensions, float *ret_vectors,
		       size_t room, const char **ret_why);

#endif
