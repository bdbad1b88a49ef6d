/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/encoder.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"
#include "user/store/encoder_pack.h"

#define NARROW	     256u /* the first layer's input */
#define WIDE	     SL_ENCODER_DIMENSIONS
#define FEED	     1536u
#define HEADS	     4u
#define LAYERS	     2u
#define NORM_EPSILON 1e-6f
#define LENGTH_MIN   1e-12f /* of the square of a vector's length */

struct sl_encoder {
	struct sl_encoder_pack pack;
	struct sl_pieces *pieces;
	const struct sl_linear *linear;
	char identity[SL_ENCODER_IDENTITY_BYTES];
};

/* The memory of one call; all of it `count` rows. */
struct work {
	uint32_t count;
	float *input;	 /* NARROW or WIDE: what a layer gets */
	float *residual; /* WIDE */
	float *normal;	 /* WIDE at most */
	float *qkv;	 /* 3 * WIDE at most */
	float *feed;	 /* FEED */
	float *scores;	 /* one row of attention */
};

static const float *tensor(const struct sl_encoder *encoder, uint32_t layer, int which)
{
	return encoder->pack.tensors[which + (int)layer * SL_TENSORS_A_LAYER];
}

/* ---- parts of a layer ------------------------------------------------------------------------ */

static void normalise(const float *in, uint32_t count, size_t width, const float *scale,
		      const float *bias, float *out)
{
	for (uint32_t row = 0; row < count; row++, in += width, out += width) {
		float sum = 0, squares = 0, mean, factor;
		size_t i;

		for (i = 0; i < width; i++)
			sum += in[i];
		mean = sum / (float)width;
		for (i = 0; i < width; i++)
			squares += (in[i] - mean) * (in[i] - mean);
		factor = 1.0f / sqrtf(squares / (float)width + NORM_EPSILON);
		for (i = 0; i < width; i++)
			out[i] = (in[i] - mean) * (factor * scale[i]) + bias[i];
	}
}

static void softmax(float *row, uint32_t count)
{
	float most = row[0], sum = 0;
	uint32_t i;

	for (i = 1; i < count; i++)
		most = row[i] > most ? row[i] : most;
	for (i = 0; i < count; i++) {
		row[i] = expf(row[i] - most);
		sum += row[i];
	}
	for (i = 0; i < count; i++)
		row[i] /= sum;
}

/* out (count x width) gets, for each head and piece, the values that it attends to. */
static void attend(const struct sl_encoder *encoder, struct work *work, size_t width, float *out)
{
	const struct sl_linear *linear = encoder->linear;
	size_t depth = width / HEADS, stride = 3 * width, head;
	float scale = 1.0f / sqrtf((float)depth);
	uint32_t i, j;

	memset(out, 0, work->count * width * sizeof(float));
	for (head = 0; head < HEADS; head++) {
		const float *query = work->qkv + head * depth;
		const float *keys = query + width, *values = keys + width;

		for (i = 0; i < work->count; i++) {
			for (j = 0; j < work->count; j++)
				work->scores[j] = scale * linear->dot(query + i * stride,
								      keys + j * stride, depth);
			softmax(work->scores, work->count);
			for (j = 0; j < work->count; j++)
				linear->add_scaled(out + i * width + head * depth,
						   values + j * stride, work->scores[j], depth);
		}
	}
}

static void multiply(const struct sl_encoder *encoder, uint32_t layer, int which, const float *rows,
		     size_t count, float *out, enum sl_linear_after after)
{
	static const struct {
		uint16_t depth, columns; /* depth 0: the layer's width; columns 0: three times it */
	} shapes[SL_TENSORS_A_LAYER] = {
		[SL_TENSOR_QKV - SL_TENSOR_LAYER] = {0, 0},
		[SL_TENSOR_MIX - SL_TENSOR_LAYER] = {0, WIDE},
		[SL_TENSOR_FEED_IN - SL_TENSOR_LAYER] = {WIDE, FEED},
		[SL_TENSOR_FEED_OUT - SL_TENSOR_LAYER] = {FEED, WIDE},
	};
	size_t width = layer ? WIDE : NARROW;
	size_t depth = shapes[which - SL_TENSOR_LAYER].depth;
	size_t columns = shapes[which - SL_TENSOR_LAYER].columns;

	encoder->linear->multiply(&(struct sl_linear_product){
		.rows = rows,
		.row_count = count,
		.depth = depth ? depth : width,
		.panels = tensor(encoder, layer, which),
		.columns = columns ? columns : 3 * width,
		.bias = tensor(encoder, layer, which + 1),
		.out = out,
		.after = after,
	});
}

/* ---- the layers ------------------------------------------------------------------------------ */

static void start(const struct sl_encoder *encoder, const uint32_t *ids, struct work *work)
{
	const float *table = encoder->pack.tensors[SL_TENSOR_EMBEDDINGS];
	const float *timescales = encoder->pack.tensors[SL_TENSOR_TIMESCALES];
	uint32_t row, i;

	for (row = 0; row < work->count; row++) {
		const float *from = table + (size_t)ids[row] * NARROW;
		float *to = work->input + (size_t)row * NARROW;

		for (i = 0; i < NARROW / 2; i++) {
			float angle = (float)row * timescales[i];

			to[i] = 2 * from[i] + sinf(angle);
			to[i + NARROW / 2] = 2 * from[i + NARROW / 2] + cosf(angle);
		}
	}
}

/* Of input makes residual: the way past the attention, and the attention added to it. */
static void run_attention(const struct sl_encoder *encoder, uint32_t layer, struct work *work)
{
	size_t width = layer ? WIDE : NARROW;

	if (layer == 0) {
		encoder->linear->multiply(&(struct sl_linear_product){
			.rows = work->input,
			.row_count = work->count,
			.depth = NARROW,
			.panels = encoder->pack.tensors[SL_TENSOR_WIDEN],
			.columns = WIDE,
			.bias = encoder->pack.tensors[SL_TENSOR_WIDEN_BIAS],
			.out = work->residual,
		});
	} else {
		memcpy(work->residual, work->input, work->count * WIDE * sizeof(float));
	}
	normalise(work->input, work->count, width, tensor(encoder, layer, SL_TENSOR_NORM_SCALE),
		  tensor(encoder, layer, SL_TENSOR_NORM_BIAS), work->normal);
	multiply(encoder, layer, SL_TENSOR_QKV, work->normal, work->count, work->qkv,
		 SL_LINEAR_STORE);
	attend(encoder, work, width, work->normal);
	multiply(encoder, layer, SL_TENSOR_MIX, work->normal, work->count, work->residual,
		 SL_LINEAR_ADD);
}

/* Of residual makes feed, to which FEED_OUT is still to be applied. */
static void run_feed(const struct sl_encoder *encoder, uint32_t layer, struct work *work)
{
	normalise(work->residual, work->count, WIDE,
		  tensor(encoder, layer, SL_TENSOR_FEED_NORM_SCALE),
		  tensor(encoder, layer, SL_TENSOR_FEED_NORM_BIAS), work->normal);
	multiply(encoder, layer, SL_TENSOR_FEED_IN, work->normal, work->count, work->feed,
		 SL_LINEAR_RELU);
}

/* Into the first row. */
static void average(const struct sl_encoder *encoder, float *rows, uint32_t count, size_t width)
{
	float share = 1.0f / (float)count;
	size_t i;

	for (uint32_t row = 1; row < count; row++)
		encoder->linear->add_scaled(rows, rows + row * width, 1, width);
	for (i = 0; i < width; i++)
		rows[i] *= share;
}

static void finish(const struct sl_encoder *encoder, const float *mean, float *vector)
{
	float squares, factor;
	size_t i;

	encoder->linear->multiply(&(struct sl_linear_product){
		.rows = mean,
		.row_count = 1,
		.depth = WIDE,
		.panels = encoder->pack.tensors[SL_TENSOR_LAST],
		.columns = WIDE,
		.bias = encoder->pack.tensors[SL_TENSOR_LAST_BIAS],
		.out = vector,
	});
	for (i = 0; i < WIDE; i++)
		vector[i] = tanhf(vector[i]);
	squares = encoder->linear->dot(vector, vector, WIDE);
	factor = 1.0f / sqrtf(squares > LENGTH_MIN ? squares : LENGTH_MIN);
	for (i = 0; i < WIDE; i++)
		vector[i] *= factor;
}

static void run(const struct sl_encoder *encoder, const uint32_t *ids, struct work *work,
		float *ret_vector)
{
	float *swap;

	start(encoder, ids, work);
	run_attention(encoder, 0, work);
	run_feed(encoder, 0, work);
	multiply(encoder, 0, SL_TENSOR_FEED_OUT, work->feed, work->count, work->residual,
		 SL_LINEAR_ADD);
	swap = work->input;
	work->input = work->residual;
	work->residual = swap;
	run_attention(encoder, 1, work);
	run_feed(encoder, 1, work);
	average(encoder, work->feed, work->count, FEED);
	average(encoder, work->residual, work->count, WIDE);
	multiply(encoder, 1, SL_TENSOR_FEED_OUT, work->feed, 1, work->residual, SL_LINEAR_ADD);
	finish(encoder, work->residual, ret_vector);
}

/* ---- outside --------------------------------------------------------------------------------- */

int sl_encoder_pieces(const struct sl_encoder *encoder, struct sl_span text, uint32_t *ret_ids,
		      uint32_t ids_max, bool *ret_cut)
{
	return sl_pieces_encode(encoder->pieces, text, ret_ids, ids_max, ret_cut);
}

int sl_encoder_embed(const struct sl_encoder *encoder, struct sl_span text, float *ret_vector,
		     struct sl_encoder_facts *ret_facts)
{
	uint32_t ids[SL_ENCODER_PIECES_MAX];
	struct work work = {};
	bool cut = false;
	float *memory;
	int count = sl_pieces_encode(encoder->pieces, text, ids, SL_ENCODER_PIECES_MAX, &cut);

	if (count <= 0)
		return count ? count : -ENODATA;
	work.count = (uint32_t)count;
	memory = malloc(((6 * WIDE + FEED) * work.count + SL_ENCODER_PIECES_MAX) * sizeof(float));
	if (!memory)
		return -ENOMEM;
	work.input = memory;
	work.residual = work.input + WIDE * work.count;
	work.normal = work.residual + WIDE * work.count;
	work.qkv = work.normal + WIDE * work.count;
	work.feed = work.qkv + 3 * WIDE * work.count;
	work.scores = work.feed + FEED * work.count;
	run(encoder, ids, &work, ret_vector);
	free(memory);
	if (ret_facts)
		*ret_facts = (struct sl_encoder_facts){.pieces = work.count, .cut = cut};
	return 0;
}

static void say(const struct sl_encoder *encoder, const char *directory, const char *packed_file)
{
	const struct sl_encoder_pack *pack = &encoder->pack;

	if (pack->write_error)
		sl_log(SL_LOG_WARN,
		       "encoder %s: cannot keep it packed in %s (%s): it is packed anew, %zu bytes "
		       "of memory, at each start",
		       encoder->identity, packed_file, sl_error_words(pack->write_error),
		       pack->map_len);
	else
		sl_log(SL_LOG_INFO, "encoder %s: %s %s, products by %s", encoder->identity,
		       pack->made_now ? "packed from" : "mapped from",
		       pack->made_now ? directory : packed_file, encoder->linear->name);
}

int sl_encoder_open(const char *directory, const char *packed_file, const struct sl_linear *linear,
		    struct sl_error *error, struct sl_encoder **ret_encoder)
{
	struct sl_encoder *encoder = calloc(1, sizeof(*encoder));
	uint32_t i;
	int rc, at;

	if (!encoder)
		return sl_error_set(error, -ENOMEM, "no memory for the encoder");
	encoder->linear = linear;
	rc = sl_encoder_pack_open(directory, packed_file, error, &encoder->pack);
	if (rc == 0) {
		rc = sl_pieces_open(encoder->pack.pieces, encoder->pack.piece_count,
				    &encoder->pieces);
		if (rc < 0)
			sl_error_set_errno(error, rc, "%s: vocabulary", directory);
	}
	if (rc < 0) {
		sl_encoder_close(&encoder);
		return rc;
	}
	at = snprintf(encoder->identity, sizeof(encoder->identity), "use-lite:");
	for (i = 0; i < 8; i++)
		at += snprintf(encoder->identity + at, sizeof(encoder->identity) - (size_t)at,
			       "%02x", encoder->pack.digest[i]);
	say(encoder, directory, packed_file);
	*ret_encoder = encoder;
	return 0;
}

void sl_encoder_close(struct sl_encoder **encoder)
{
	struct sl_encoder *gone = *encoder;

	*encoder = NULL;
	if (!gone)
		return;
	sl_pieces_close(&gone->pieces);
	sl_encoder_pack_close(&gone->pack);
	free(gone);
}

const char *sl_encoder_identity(const struct sl_encoder *encoder)
{
	return encoder->identity;
}
