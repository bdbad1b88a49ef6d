/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose vectors an index has, and how the builder comes by them. The builder's thread. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/store/indexes_parts.h"

bool sl_index_is_by_pool(const struct sl_index *index)
{
	return index->config.vectors == SL_CONFIG_VECTORS_POOL ||
	       index->config.vectors == SL_CONFIG_VECTORS_BOTH;
}

bool sl_index_is_by_builtin(const struct sl_index *index)
{
	return index->config.vectors == SL_CONFIG_VECTORS_BUILTIN ||
	       index->config.vectors == SL_CONFIG_VECTORS_BOTH;
}

uint32_t sl_index_models(const struct sl_index *index,
			 struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX])
{
	uint32_t count = 0;

	memset(models, 0, SL_DOCUMENTS_MODELS_MAX * sizeof(*models));
	if (sl_index_is_by_pool(index)) {
		models[count].dimensions = index->embedder.dimensions;
		snprintf(models[count++].name, sizeof(models[0].name), SL_VECTORS_POOL_PREFIX "%s",
			 index->embedder.model);
	}
	if (sl_index_is_by_builtin(index) && index->encoder != NULL) {
		models[count].dimensions = SL_ENCODER_DIMENSIONS;
		snprintf(models[count++].name, sizeof(models[0].name), "%s",
			 sl_encoder_identity(index->encoder));
	}
	return count;
}

static int embed_here(const struct sl_index *index, const struct sl_span *texts, uint32_t count,
		      float *vectors, uint32_t stride, struct sl_error *error)
{
	for (uint32_t i = 0; i < count; i++) {
		float *vector = vectors + (size_t)i * stride;
		int rc = sl_encoder_embed(index->encoder, texts[i], vector, NULL);

		if (rc == -ENODATA) { /* only marks that the model does not know: near to nothing */
			memset(vector, 0, SL_ENCODER_DIMENSIONS * sizeof(float));
			vector[0] = 1;
			rc = 0;
		}
		if (rc)
			return sl_error_set_errno(error, rc,
						  "index \"%s\": a text cannot be embedded",
						  index->status.name);
	}
	return 0;
}

static int ask(const struct sl_index *index, const struct sl_indexes_ask *wanted,
	       struct sl_error *error)
{
	const struct sl_indexes_asker *asker;
	int rc = -EAGAIN;

	pthread_mutex_lock(&index->lent->lock);
	asker = atomic_load(&index->lent->asker);
	if (asker != NULL)
		rc = asker->ask(asker->owner, wanted, error);
	else
		sl_error_set(error, rc, "pool \"%s\": cannot be asked now", wanted->pool);
	pthread_mutex_unlock(&index->lent->lock);
	return rc;
}

static int embed_there(const struct sl_index *index, const struct sl_span *texts, uint32_t count,
		       float *vectors, uint32_t stride, struct sl_error *error)
{
	uint32_t numbers = index->embedder.dimensions;
	const struct sl_indexes_ask wanted = {
		.pool = index->embedder.pool,
		.model = index->embedder.model,
		.dimensions = numbers,
		.timeout_ms = index->embedder.build_ms,
		.texts = texts,
		.count = count,
		.vectors = malloc((size_t)count * numbers * sizeof(float)),
		.gone = &index->gone,
	};
	int rc;

	if (wanted.vectors == NULL)
		return sl_error_set_errno(error, -ENOMEM, "index \"%s\"", index->status.name);
	rc = ask(index, &wanted, error);
	for (uint32_t i = 0; i < count && !rc; i++)
		memcpy(vectors + (size_t)i * stride, wanted.vectors + (size_t)i * numbers,
		       numbers * sizeof(float));
	free(wanted.vectors);
	return rc;
}

int sl_index_embed(const struct sl_index *index, uint32_t model, const struct sl_span *texts,
		   uint32_t count, float *vectors, uint32_t stride, struct sl_error *error)
{
	assert(count <= SL_DOCUMENTS_BATCH_MAX);
	if (model == 0 && sl_index_is_by_pool(index))
		return embed_there(index, texts, count, vectors, stride, error);
	return embed_here(index, texts, count, vectors, stride, error);
}
