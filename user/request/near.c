/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/near.h"

#include <string.h>

static void add_session(struct sl_request *request, bool users, struct sl_affinity_key *key)
{
	const struct sl_h1_header *header =
		sl_h1_head_find(request->client->head, SL_H1_ID_X_SESSION_ID);
	const struct sl_json_field *field = &request->facts.cache_key_field;

	if (header && header->value_len)
		sl_affinity_key_session(header->value, header->value_len, key);
	else if (field->type == SL_JSON_STRING && field->value_len > 2)
		sl_affinity_key_session(field->value, field->value_len, key);
	else if (users)
		sl_affinity_key_session(request->facts.user, request->facts.user_len, key);
}

bool sl_near_is_adapter(const struct sl_request *request, const struct sl_upstream_pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->adapters->count; i++) {
		if (!strcmp(pool->adapters->names[i], request->facts.model))
			return true;
	}
	return false;
}

static void make_key(struct sl_request *request, enum sl_config_affinity by,
		     struct sl_affinity_key *key)
{
	const struct sl_affinity *affinity = request->worker->upstream.state.retries->affinity;
	const struct sl_openai_request *facts = &request->facts;

	*key = (struct sl_affinity_key){0};
	if (by == SL_CONFIG_AFFINITY_PREFIX)
		sl_affinity_key_prompt(affinity, facts->model, facts->model_len,
				       facts->prompt_field.value, facts->prompt_field.value_len,
				       key);
	if (by != SL_CONFIG_AFFINITY_NONE)
		add_session(request, by == SL_CONFIG_AFFINITY_SESSION, key);
	request->near = key;
	request->near_by = by;
}

const struct sl_affinity_key *sl_near_key(struct sl_request *request,
					  const struct sl_upstream_pool *pool)
{
	const struct sl_affinity *affinity = request->worker->upstream.state.retries->affinity;
	const struct sl_openai_request *facts = &request->facts;
	bool adapter = sl_near_is_adapter(request, pool);
	enum sl_config_affinity by =
		facts->endpoint == SL_OPENAI_EMBEDDINGS ? SL_CONFIG_AFFINITY_NONE : pool->affinity;
	struct sl_affinity_key *key = request->near;

	if (!affinity || (by == SL_CONFIG_AFFINITY_NONE && !adapter) || pool->node_count < 2)
		return NULL;
	if (!key || request->near_by != by) {
		if (!request->client)
			return NULL;
		key = sl_arena_alloc(&request->arena, sizeof(*key));
		if (!key)
			return NULL;
		make_key(request, by, key);
	}
	key->adapter = adapter ? sl_load_adapter(facts->model, facts->model_len) : 0;
	return key;
}
const char *sl_near_word(enum sl_affinity_verdict verdict)
{
	static const char *const words[SL_AFFINITY_VERDICTS] = {
		[SL_AFFINITY_PREFIX] = "prefix",   [SL_AFFINITY_SESSION] = "session",
		[SL_AFFINITY_MISS] = "miss",	   [SL_AFFINITY_LOAD] = "load",
		[SL_AFFINITY_ADAPTER] = "adapter", [SL_AFFINITY_ADAPTER_NEW] = "adapter-new",
	};

	return words[verdict];
}

const char *sl_near_zone_word(enum sl_zone zone)
{
	static const char *const words[SL_ZONES] = {
		[SL_ZONE_LOCAL] = "local",
		[SL_ZONE_REGION] = "region",
		[SL_ZONE_SPILL] = "spill",
	};

	return words[zone];
}
