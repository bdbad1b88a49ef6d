/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/near.h"

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

const struct sl_affinity_key *sl_near_key(struct sl_request *request,
					  const struct sl_upstream_pool *pool)
{
	const struct sl_affinity *affinity = request->worker->upstream.state.retries->affinity;
	const struct sl_openai_request *facts = &request->facts;
	bool prompts = pool->affinity == SL_CONFIG_AFFINITY_PREFIX;
	struct sl_affinity_key *key = request->near;

	if (!affinity || pool->affinity == SL_CONFIG_AFFINITY_NONE || pool->node_count < 2 ||
	    facts->endpoint == SL_OPENAI_EMBEDDINGS)
		return NULL;
	if (key && request->near_prompts == prompts)
		return key;
	if (!request->client)
		return NULL;
	key = sl_arena_alloc(&request->arena, sizeof(*key));
	if (!key)
		return NULL;
	*key = (struct sl_affinity_key){0};
	if (prompts)
		sl_affinity_key_prompt(affinity, facts->model, facts->model_len,
				       facts->prompt_field.value, facts->prompt_field.value_len,
				       key);
	add_session(request, !prompts, key);
	request->near = key;
	request->near_prompts = prompts;
	return key;
}

const char *sl_near_word(enum sl_affinity_verdict verdict)
{
	static const char *const words[SL_AFFINITY_VERDICTS] = {
		[SL_AFFINITY_PREFIX] = "prefix",
		[SL_AFFINITY_SESSION] = "session",
		[SL_AFFINITY_MISS] = "miss",
		[SL_AFFINITY_LOAD] = "load",
	};

	return words[verdict];
}
