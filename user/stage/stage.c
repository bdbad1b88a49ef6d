/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/stage.h"

#include <stdio.h>
#include <string.h>
#include "user/http/h1_parse.h"

const struct sl_step_info sl_steps[SL_STEPS] = {
#define SL_STEP(stage, name, text, keeps, help) {SL_STAGE_##stage, text, keeps, help},
#include "user/stage/steps.def"
};

_Static_assert(SL_STEPS <= SL_STEPS_MAX, "a request remembers them in one word");

static const char *const stage_texts[SL_STAGE_NAMES] = {
#define SL_STAGE(name, text) text,
#include "user/stage/steps.def"
};

const char *sl_stage_text(enum sl_stage_name stage)
{
	return stage_texts[stage];
}

bool sl_stage_has_directive(struct sl_span value, struct sl_span directive)
{
	while (value.data) {
		struct sl_span one = sl_span_trim(sl_span_cut(&value, ','));

		if (sl_span_equal_case(sl_span_trim(sl_span_cut(&one, '=')), directive))
			return true;
	}
	return false;
}

bool sl_stage_client_says_no(const struct sl_h1_head *head)
{
	static const char ours[] = "x-sluice-cache";
	uint32_t i;

	for (i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];
		struct sl_span value = {header->value, header->value_len};

		if (header->id == SL_H1_ID_CACHE_CONTROL &&
		    (sl_stage_has_directive(value, SL_SPAN("no-store")) ||
		     sl_stage_has_directive(value, SL_SPAN("no-cache"))))
			return true;
		if (header->id == SL_H1_ID_X_SLUICE && header->name_len == sizeof(ours) - 1 &&
		    sl_h1_text_equal(header->name, ours, sizeof(ours) - 1) &&
		    sl_span_equal_case(value, SL_SPAN("no")))
			return true;
	}
	return false;
}

void sl_stage_key_add(struct sl_text *key, const void *data, size_t len)
{
	uint64_t framed = len;

	sl_text_append(key, &framed, sizeof(framed));
	sl_text_append(key, data, len);
}

const char *sl_stage_key_add_owner(struct sl_text *key, const struct sl_key_record *record,
				   const struct sl_h1_head *head)
{
	const uint64_t own =
		SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION) | SL_H1_ID_BIT(SL_H1_ID_X_API_KEY);

	if (!record) {
		for (uint32_t i = 0; i < head->header_count; i++) {
			const struct sl_h1_header *header = &head->headers[i];

			if (header->id != SL_H1_ID_OTHER && (own & SL_H1_ID_BIT(header->id)))
				sl_stage_key_add(key, header->value, header->value_len);
		}
		return "";
	}
	if (record->tenant[0] && strcmp(record->tenant, SL_KEY_TENANT_DEFAULT) != 0) {
		sl_stage_key_add(key, "tenant", 6);
		sl_stage_key_add(key, record->tenant, strlen(record->tenant));
		return record->tenant;
	}
	sl_stage_key_add(key, "key", 3);
	sl_stage_key_add(key, record->id, strlen(record->id));
	return record->id;
}

const char *sl_noted_name(enum sl_noted noted)
{
	static const char *const names[SL_NOTEDS] = {
		[SL_NOTED_SEMANTIC_HIT] = "hit",
		[SL_NOTED_SHADOW] = "shadow",
		[SL_NOTED_SHADOW_AGREED] = "shadow_agreed",
		[SL_NOTED_SHADOW_DIFFERED] = "shadow_differed",
		[SL_NOTED_SHADOW_FAILED] = "shadow_failed",
	};

	return names[noted];
}

const char *sl_check_name(enum sl_check check)
{
	static const char *const names[SL_CHECKS] = {
		[SL_CHECK_FORM] = "form",
		[SL_CHECK_SCHEMA] = "schema",
		[SL_CHECK_LIST] = "list",
		[SL_CHECK_PII] = "pii",
		[SL_CHECK_MODERATION] = "moderation",
		[SL_CHECK_CITATION] = "citation",
		[SL_CHECK_REFUSAL] = "refusal",
		[SL_CHECK_EMPTY] = "empty",
		[SL_CHECK_LANGUAGE] = "language",
	};

	return names[check];
}

const char *sl_check_done_name(enum sl_check_done done)
{
	static const char *const names[SL_CHECK_DONES] = {
		[SL_CHECK_BLOCKED] = "blocked",	  [SL_CHECK_REPAIRED] = "repaired",
		[SL_CHECK_MOVED] = "moved",	  [SL_CHECK_REFUSED] = "refused",
		[SL_CHECK_REDACTED] = "redacted", [SL_CHECK_MASKED] = "masked",
		[SL_CHECK_ENDED] = "ended",	  [SL_CHECK_LET_THROUGH] = "let_through",
	};

	return names[done];
}

bool sl_stage_is_listed(const char *list, const char *name)
{
	struct sl_span rest = sl_span_string(list ? list : "");

	while (rest.len) {
		if (sl_span_equal(sl_span_trim(sl_span_cut(&rest, ',')), sl_span_string(name)))
			return true;
	}
	return false;
}

const char *sl_step_name(enum sl_step step)
{
	return strchr(sl_steps[step].text, '=') + 1;
}

struct sl_span sl_stage_asker_of(const struct sl_openai_request *facts,
				 const struct sl_h1_head *head, const struct sl_key_record *key)
{
	const struct sl_h1_header *session =
		head ? sl_h1_head_find(head, SL_H1_ID_X_SESSION_ID) : NULL;
	struct sl_json_field first;
	const char *cursor = NULL;

	if (session && session->value_len)
		return sl_span_make(session->value, session->value_len);
	if (facts->cache_key_field.type == SL_JSON_STRING && facts->cache_key_field.value_len > 2)
		return sl_span_make(facts->cache_key_field.value, facts->cache_key_field.value_len);
	if (facts->user_len)
		return sl_span_make(facts->user, facts->user_len);
	if (key)
		return sl_span_string(key->id);
	if (!facts->no_messages && sl_json_each(&facts->prompt_field, &cursor, &first))
		return sl_span_make(first.value, first.value_len);
	return sl_span_make(facts->body, facts->body_len);
}

struct sl_span sl_stage_asker(const struct sl_stage *stage)
{
	return sl_stage_asker_of(stage->facts, stage->head, stage->key);
}

const struct sl_rollout_item *sl_stage_rollout(struct sl_stage *stage, enum sl_rollout_kind kind,
					       struct sl_span subject)
{
	struct sl_rollout_item *item =
		sl_rollout_board_find(stage->stores->rollouts, kind, subject);
	char line[SL_ROLLOUT_NAME_BYTES + 16];
	bool takes;

	if (!item)
		return NULL;
	takes = sl_rollout_item_takes(item, sl_stage_asker(stage));
	stage->rollouts[kind] = sl_rollout_mark(item, takes);
	snprintf(line, sizeof(line), "%s=%s", item->name, takes ? "candidate" : "baseline");
	stage->ops->header(stage, "x-sluice-rollout", line);
	if (!takes &&
	    sl_rollout_item_shadows(item, sl_span_string(stage->id), sl_loop_now_ms(stage->loop)))
		stage->shadows[kind] = item;
	return takes ? item : NULL;
}

bool sl_stage_pool_is_asked(const struct sl_stage *stage, const struct sl_upstream_pool *pool)
{
	const struct sl_config *config = stage->config;
	const uint32_t index = (uint32_t)(pool - stage->pools);

	for (uint32_t i = 0; i < config->route_count; i++)
		for (int cause = 0; cause < SL_CAUSES; cause++) {
			const struct sl_config_chain *chain = &config->routes[i].chains[cause];

			for (uint32_t k = 0; k < chain->len; k++)
				if (chain->pools[k] == index)
					return true;
		}
	return false;
}
