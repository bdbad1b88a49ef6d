/* SPDX-License-Identifier: BSD-2-Clause */
/* The question's vectors and the index: retrieve_parts.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/io/fiber.h"
#include "user/stage/embed.h"
#include "user/stage/retrieve_parts.h"

#define SHARE_OF_LEFT  4u /* a step may take a quarter of what is left to the request */
#define PATH_BYTES_MAX 256u

/* ---- time ------------------------------------------------------------------------------------ */

uint64_t sl_retrieve_deadline(const struct sl_retrieve_turn *r, uint32_t timeout_ms)
{
	uint64_t now_ns = sl_loop_now_ns(r->stage->loop);
	uint64_t left_ns = r->stage->deadline_ns > now_ns ? r->stage->deadline_ns - now_ns : 0;
	uint64_t most_ns = timeout_ms * SL_NS_PER_MS;

	left_ns /= SHARE_OF_LEFT;
	return now_ns + (left_ns < most_ns ? left_ns : most_ns) + 1;
}

/* ---- the index ------------------------------------------------------------------------------- */

/* Takes the question's vector from the semantic cache, which has asked by it before. */
static void take_vector(struct sl_retrieve_turn *r)
{
	const struct sl_encoder *encoder = sl_indexes_encoder(r->shared->indexes);
	const struct sl_embedding *known =
		encoder != NULL ? sl_embed_known(r->stage, sl_text_span(&r->question),
						 sl_encoder_identity(encoder))
				: NULL;

	if (known == NULL || known->dimensions != SL_ENCODER_DIMENSIONS)
		return;
	memcpy(r->lookup->vector, known->vector, sizeof(r->lookup->vector));
	r->lookup->has_vector = true;
	sl_retrieval_note_shared(r->shared, r->stage->route->model);
}

/* False: no memory for it. */
bool sl_retrieve_has_lookup(struct sl_retrieve_turn *r)
{
	if (r->lookup != NULL)
		return true;
	r->lookup = sl_lookup_new(r->shared->indexes, sl_text_span(&r->question));
	if (r->lookup != NULL)
		take_vector(r);
	return r->lookup != NULL;
}

int sl_retrieve_run_lookup(struct sl_retrieve_turn *r, enum sl_lookup_how how)
{
	struct sl_stage *stage = r->stage;
	uint64_t deadline_ns = sl_retrieve_deadline(r, r->config->timeout_ms);
	int rc;

	if (how != SL_LOOKUP_EMBED &&
	    sl_upstream_is_down(stage->up, SL_STRIKE_STORE_DOCUMENTS, stage->id))
		return -EIO;
	if (!sl_retrieve_has_lookup(r))
		return -ENOMEM;
	r->lookup->how = how;
	r->lookup->count = r->config->candidates;
	r->lookup->deadline_ns = deadline_ns;
	rc = sl_work_run(stage->stores->work, stage->loop, sl_lookup_run, sl_lookup_free, r->lookup,
			 deadline_ns, stage->gone);
	if (rc == -ETIMEDOUT || rc == -ECANCELED) {
		r->lookup = NULL;
		return rc;
	}
	return rc ? rc : r->lookup->rc;
}

const struct sl_config_item *sl_retrieve_item(const struct sl_config_items *items, size_t size,
					      const char *name)
{
	for (uint32_t i = 0; name != NULL && i < items->count; i++) {
		const struct sl_config_item *item =
			(const void *)((const char *)items->items + i * size);

		if (strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

const struct sl_upstream_pool *sl_retrieve_pool(const struct sl_stage *stage, const char *name)
{
	for (uint32_t i = 0; i < stage->config->pool_count; i++)
		if (strcmp(stage->pools[i].name, name) == 0)
			return &stage->pools[i];
	return NULL;
}

static bool embed_by(struct sl_retrieve_turn *r, const struct sl_config_embedder *embedder)
{
	const struct sl_embed_pool source = {.pool = sl_retrieve_pool(r->stage, embedder->pool),
					     .model = embedder->model,
					     .dimensions = embedder->dimensions};
	struct sl_span question = sl_text_span(&r->question);
	const char *model = sl_embed_pool_model(r->stage, embedder->model);
	bool known = model != NULL && sl_embed_known(r->stage, question, model) != NULL;
	struct sl_embedding embedding;

	if (model == NULL ||
	    sl_embed_by(r->stage, &source, question, sl_retrieve_deadline(r, r->config->timeout_ms),
			&embedding))
		return false;
	if (known && r->tried != embedder)
		sl_retrieval_note_shared(r->shared, r->stage->route->model);
	return sl_lookup_give(r->lookup, embedding.model, embedding.vector, embedding.dimensions) ==
	       0;
}

const struct sl_config_index *sl_retrieve_index(const struct sl_retrieve_turn *r, const char *name)
{
	return (const void *)sl_retrieve_item(&r->stage->config->indexes,
					      sizeof(struct sl_config_index), name);
}

/* Gives the lookup the question's vector of the pool that `embedding` names; asked once, not by each rung. */
bool sl_retrieve_give_vector(struct sl_retrieve_turn *r, const char *embedding)
{
	const struct sl_config_embedder *embedder = (const void *)sl_retrieve_item(
		&r->stage->config->embedders, sizeof(struct sl_config_embedder), embedding);

	if (embedder == NULL || !sl_retrieve_has_lookup(r))
		return false;
	/* A lookup that took too long was given up, with the vector in it: the stage remembers it. */
	if (r->tried != embedder || (r->has_vector && r->lookup->given == NULL))
		r->has_vector = embed_by(r, embedder);
	r->tried = embedder;
	return r->has_vector;
}

static int take_hits(struct sl_retrieve_turn *r, const char *name)
{
	const struct sl_documents_hits *hits = &r->lookup->hits;

	r->count = 0;
	for (uint32_t i = 0; i < hits->count; i++) {
		const struct sl_documents_hit *hit = &hits->items[i];
		struct sl_vector_found *found = &r->found[r->count];

		*found = (struct sl_vector_found){.score = hit->score};
		found->id = sl_arena_printf(r->stage->arena, "%" PRId64, hit->chunk);
		found->text = sl_arena_strdup(r->stage->arena, hit->text);
		found->name = sl_arena_printf(r->stage->arena, "%s%s%.*s:%" PRIu32, hit->source,
					      *hit->path ? ", " : "", (int)PATH_BYTES_MAX,
					      hit->path, hit->line);
		found->document_len = (uint32_t)strlen(hit->source);
		if (found->id == NULL || found->text == NULL || found->name == NULL)
			return -ENOMEM;
		r->count++;
	}
	r->by_words = r->lookup->by_words;
	r->by_builtin = r->lookup->by_builtin;
	r->from = name;
	r->version = r->lookup->version;
	return 0;
}

enum sl_retrieve_outcome sl_retrieve_ask_index(struct sl_retrieve_turn *r, const char *name,
					       enum sl_indexes_which which, enum sl_lookup_how how)
{
	const struct sl_config_index *config = sl_retrieve_index(r, name);
	int rc;

	if (how == SL_LOOKUP_NEAR && config != NULL && config->embedding != NULL)
		(void)sl_retrieve_give_vector(
			r, config->embedding); /* without it the lookup finds what there is */
	sl_fiber_share(r->stage->loop);	       /* waking the pool is another 10 us */
	if (*r->stage->gone)
		return SL_RETRIEVE_GONE;
	if (!sl_retrieve_has_lookup(r))
		return SL_RETRIEVE_FAILED;
	snprintf(r->lookup->name, sizeof(r->lookup->name), "%s", name);
	r->lookup->which = which;
	rc = sl_retrieve_run_lookup(r, how);
	if (rc == -ECANCELED)
		return SL_RETRIEVE_GONE;
	if (!rc)
		rc = take_hits(r, name);
	if (rc)
		sl_log_limited(SL_LOG_WARN, "route \"%s\": retrieve: %s", r->stage->route->model,
			       r->lookup != NULL && r->lookup->error.text[0] ? r->lookup->error.text
									     : sl_error_words(rc));
	return rc ? SL_RETRIEVE_FAILED : SL_RETRIEVE_FOUND;
}
