/* SPDX-License-Identifier: BSD-2-Clause */
/* semantic_read.c - whether a request is fit for the semantic cache, and its fingerprint. */
#include "user/stage/semantic_parts.h"

#include <stdio.h>
#include <string.h>
#include "user/http/h1_parse.h"
#include "user/stage/semantic.h"

#define KEY_BYTES_MAX (1u << 20)

static void add_field(struct sl_text *key, const struct sl_json_field *field)
{
	sl_stage_key_add(key, field->value, field->value_len);
}

/* ---- the messages ---------------------------------------------------------------------------- */

/* A string, or a list of one text. */
static bool find_text(const struct sl_json_field *content, struct sl_json_field *ret_text)
{
	struct sl_json_field part, more, fields[2] = {SL_JSON_FIELD("type"), SL_JSON_FIELD("text")};
	const char *cursor = NULL;

	if (content->type == SL_JSON_STRING) {
		*ret_text = *content;
		return true;
	}
	if (content->type != SL_JSON_ARRAY || !sl_json_each(content, &cursor, &part) ||
	    sl_json_each(content, &cursor, &more) || part.type != SL_JSON_OBJECT ||
	    sl_json_scan(part.value, part.value_len, fields, 2) ||
	    !sl_json_string_equal(&fields[0], "text", 4) || fields[1].type != SL_JSON_STRING)
		return false;
	*ret_text = fields[1];
	return true;
}

/* The last message but for its content, which is the question. */
static bool read_last(struct sl_stage *stage, const struct sl_json_field *message,
		      struct sl_text *key, struct sl_span *ret_question)
{
	struct sl_json_field name, value, text = {.type = SL_JSON_ABSENT};
	const char *cursor = NULL;
	char *room;
	int len;

	while (sl_json_each_member(message, &cursor, &name, &value)) {
		if (sl_json_string_equal(&name, "content", 7)) {
			if (!find_text(&value, &text))
				return false;
		} else {
			add_field(key, &name);
			add_field(key, &value);
		}
	}
	if (text.type != SL_JSON_STRING || text.value_len > 6 * SL_SEMANTIC_QUESTION_BYTES)
		return false;
	room = sl_arena_alloc(stage->arena, text.value_len + 1);
	len = room ? sl_json_string(&text, room, text.value_len + 1) : -1;
	if (len <= 0 || (uint32_t)len > SL_SEMANTIC_QUESTION_BYTES)
		return false;
	*ret_question = sl_span_make(room, (size_t)len);
	return true;
}

static bool read_messages(struct sl_stage *stage, struct sl_text *key, struct sl_span *ret_question)
{
	struct sl_json_field message, next, role;
	const char *cursor = NULL;
	uint32_t turns = 0;
	bool more, users = false;

	more = sl_json_each(&stage->facts->prompt_field, &cursor, &message);
	while (more) {
		role = (struct sl_json_field)SL_JSON_FIELD("role");
		if (message.type != SL_JSON_OBJECT ||
		    sl_json_scan(message.value, message.value_len, &role, 1))
			return false;
		users = sl_json_string_equal(&role, "user", 4);
		turns += users;
		more = sl_json_each(&stage->facts->prompt_field, &cursor, &next);
		if (more) {
			add_field(key, &message);
			message = next;
		}
	}
	return users && turns <= stage->route->semantic.turns_max &&
	       read_last(stage, &message, key, ret_question);
}

/* ---- the rest of the body -------------------------------------------------------------------- */

static const char *class_of(double temperature)
{
	if (temperature < 0)
		return "unset";
	if (temperature == 0)
		return "none";
	return temperature <= 0.5 ? "low" : temperature <= 1 ? "usual" : "high";
}

/* Whatever is not known to be about the asker or the sending counts. */
static void add_members(const struct sl_stage *stage, struct sl_text *key)
{
	static const char *const apart[] = {
		"model",       "messages",
		"stream",      "stream_options",
		"user",	       "safety_identifier",
		"temperature", "prompt_cache_key",
		"metadata",    "store",
	};
	const struct sl_openai_request *facts = stage->facts;
	struct sl_json_field body = {.type = SL_JSON_OBJECT}, name, value;
	const char *cursor = NULL;
	size_t blank = 0, i;

	while (strchr(" \t\r\n", facts->body[blank]))
		blank++;
	body.value = facts->body + blank;
	body.value_len = facts->body_len - blank;
	while (sl_json_each_member(&body, &cursor, &name, &value)) {
		for (i = 0; i < sizeof(apart) / sizeof(apart[0]); i++) {
			if (sl_json_string_equal(&name, apart[i], strlen(apart[i])))
				break;
		}
		if (i < sizeof(apart) / sizeof(apart[0]))
			continue;
		add_field(key, &name);
		add_field(key, &value);
	}
	sl_stage_key_add(key, class_of(facts->temperature), strlen(class_of(facts->temperature)));
}

static void add_route(const struct sl_stage *stage, const char *model, struct sl_text *key)
{
	const struct sl_upstream_pool *pool =
		&stage->pools[stage->route->chains[SL_CAUSE_ERROR].pools[0]];

	sl_stage_key_add(key, stage->route->model, strlen(stage->route->model));
	sl_stage_key_add(key, pool->name, strlen(pool->name));
	if (pool->model_json)
		sl_stage_key_add(key, pool->model_json, pool->model_json_len);
	sl_stage_key_add(key, &stage->vary, sizeof(stage->vary));
	sl_stage_key_add(key, model, strlen(model));
}

bool sl_semantic_read(struct sl_stage *stage, const char *model,
		      struct sl_semantic_asked *ret_asked)
{
	const struct sl_openai_request *facts = stage->facts;
	struct sl_semantic_asked asked = {.owner = ""};
	struct sl_text key;
	struct sl_span whole;
	bool fit;

	if (stage->fixed || facts->endpoint != SL_OPENAI_CHAT || facts->n > 1 || facts->logprobs ||
	    facts->prompt_field.type != SL_JSON_ARRAY || !stage->head ||
	    sl_stage_client_says_no(stage->head))
		return false;
	sl_text_init(&key, KEY_BYTES_MAX);
	if (stage->route->semantic.shared)
		sl_stage_key_add(&key, "shared", 6);
	else
		asked.owner = sl_stage_key_add_owner(&key, stage->key, stage->head);
	add_route(stage, model, &key);
	add_members(stage, &key);
	sl_stage_key_add(&key, "messages", 8);
	fit = read_messages(stage, &key, &asked.question) && !key.error;
	if (fit) {
		whole = sl_text_span(&key);
		sl_digest_sha256(&whole, 1, asked.fingerprint);
		*ret_asked = asked;
	}
	sl_text_fini(&key);
	return fit;
}
