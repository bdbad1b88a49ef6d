/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of a request, from the Messages API to chat completions.
 *
 *   system, string or text blocks      a first message of role system, texts joined by a line end
 *   a message of role system           the same, in its place
 *   user: tool_result blocks           a message of role tool each, before the rest
 *   user: text and image blocks        one message: a string, or parts where an image is among them
 *   assistant: text, tool_use blocks   one message with content and tool_calls
 *   assistant: thinking blocks         left out: servers want no thinking of earlier turns
 *   assistant as the last message      continue_final_message: the answer goes on from it
 *
 * Pure but for sl_text; any thread. Declared in anthropic_request.h.
 */
#include "user/wire/anthropic_request.h"

#include <string.h>

enum block_field {
	TYPE,
	TEXT,
	SOURCE,
	TOOL_USE_ID,
	CONTENT,
	IS_ERROR,
	ID,
	NAME,
	INPUT,
	CACHE_CONTROL,
	CALLER,
	THINKING,
	SIGNATURE,
	DATA,
	BLOCK_FIELDS
};

enum block_kind {
	KIND_UNKNOWN = 0,
	KIND_TEXT,
	KIND_IMAGE,
	KIND_TOOL_USE,
	KIND_TOOL_RESULT,
	KIND_THINKING,
};

struct block {
	enum block_kind kind;
	struct sl_json_field f[BLOCK_FIELDS];
};

static const struct sl_json_field block_wanted[BLOCK_FIELDS] = {
	[TYPE] = SL_JSON_FIELD("type"),
	[TEXT] = SL_JSON_FIELD("text"),
	[SOURCE] = SL_JSON_FIELD("source"),
	[TOOL_USE_ID] = SL_JSON_FIELD("tool_use_id"),
	[CONTENT] = SL_JSON_FIELD("content"),
	[IS_ERROR] = SL_JSON_FIELD("is_error"),
	[ID] = SL_JSON_FIELD("id"),
	[NAME] = SL_JSON_FIELD("name"),
	[INPUT] = SL_JSON_FIELD("input"),
	[CACHE_CONTROL] = SL_JSON_FIELD("cache_control"),
	[CALLER] = SL_JSON_FIELD("caller"),
	[THINKING] = SL_JSON_FIELD("thinking"),
	[SIGNATURE] = SL_JSON_FIELD("signature"),
	[DATA] = SL_JSON_FIELD("data"),
};

static const struct {
	const char *name;
	enum block_kind kind;
} kinds[] = {
	{"text", KIND_TEXT},	     {"image", KIND_IMAGE},
	{"tool_use", KIND_TOOL_USE}, {"tool_result", KIND_TOOL_RESULT},
	{"thinking", KIND_THINKING}, {"redacted_thinking", KIND_THINKING},
};

/* allowed: bits of the kinds that may stand here. */
static enum sl_openai_error_id read_block(struct sl_place *s, const struct sl_json_field *object,
					  unsigned int allowed, const char *expected,
					  struct block *ret_block)
{
	struct sl_json_field unknown;
	enum sl_openai_error_id id;
	size_t i;

	if (object->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	memcpy(ret_block->f, block_wanted, sizeof(block_wanted));
	ret_block->kind = KIND_UNKNOWN;
	id = sl_place_object_read(s, object, ret_block->f, BLOCK_FIELDS, false);
	if (id)
		return id;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (sl_json_string_equal(&ret_block->f[TYPE], kinds[i].name, strlen(kinds[i].name)))
			ret_block->kind = kinds[i].kind;
	}
	if (!sl_chat_given(&ret_block->f[TYPE]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, "type", NULL);
	if (!(allowed & 1u << ret_block->kind))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type", expected);
	if (sl_place_unknown(object, ret_block->f, BLOCK_FIELDS, &unknown))
		return sl_place_refuse_unknown(s, &unknown);
	if (ret_block->kind == KIND_TEXT && ret_block->f[TEXT].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "text", "a string");
	return SL_OPENAI_OK;
}

#define ALLOW(kind) (1u << KIND_##kind)

/* The texts of an array of text blocks as one JSON string behind prefix. depth: &s->part or &s->deep.
 */
static enum sl_openai_error_id put_texts(struct sl_place *s, const struct sl_json_field *blocks,
					 long *depth, const char *prefix)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *cursor = NULL;
	struct block block;

	sl_text_append_char(s->out, '"');
	sl_text_append_string(s->out, prefix);
	for (*depth = 0; sl_json_each(blocks, &cursor, &object); ++*depth) {
		id = read_block(s, &object, ALLOW(TEXT), "only text blocks are", &block);
		if (id)
			return id;
		if (*depth)
			sl_text_append_string(s->out, "\\n");
		sl_chat_put_inside(s->out, &block.f[TEXT]);
	}
	*depth = -1;
	sl_text_append_char(s->out, '"');
	return SL_OPENAI_OK;
}

/* ---- user ------------------------------------------------------------------------------------ */

static enum sl_openai_error_id put_image(struct sl_place *s, const struct sl_json_field *source)
{
	enum { KIND, MEDIA, BYTES, URL, COUNT };
	struct sl_json_field f[COUNT] = {
		[KIND] = SL_JSON_FIELD("type"),
		[MEDIA] = SL_JSON_FIELD("media_type"),
		[BYTES] = SL_JSON_FIELD("data"),
		[URL] = SL_JSON_FIELD("url"),
	};

	if (source->type != SL_JSON_OBJECT ||
	    sl_json_scan(source->value, source->value_len, f, COUNT))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "source", "an object");
	sl_text_append_string(s->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
	if (sl_json_string_equal(&f[KIND], "base64", 6)) {
		if (!sl_chat_filled(&f[MEDIA]) || !sl_chat_filled(&f[BYTES]))
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "source",
					       "strings in 'media_type' and 'data'");
		sl_text_append_string(s->out, "data:");
		sl_chat_put_inside(s->out, &f[MEDIA]);
		sl_text_append_string(s->out, ";base64,");
		sl_chat_put_inside(s->out, &f[BYTES]);
	} else if (sl_json_string_equal(&f[KIND], "url", 3)) {
		if (!sl_chat_filled(&f[URL]))
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "source",
					       "a string in 'url'");
		sl_chat_put_inside(s->out, &f[URL]);
	} else {
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "source.type",
				       "send \"base64\" or \"url\"");
	}
	sl_text_append_string(s->out, "\"}}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_result(struct sl_place *s, const struct block *block)
{
	const struct sl_json_field *content = &block->f[CONTENT];
	enum sl_openai_error_id id = SL_OPENAI_OK;
	bool failed = false;
	const char *prefix;

	if (!sl_chat_filled(&block->f[TOOL_USE_ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "tool_use_id", "a string");
	if (sl_chat_given(&block->f[IS_ERROR]) && sl_json_bool(&block->f[IS_ERROR], &failed))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "is_error", "a boolean");
	prefix = failed ? "Error: " : "";
	sl_text_append_string(s->out, ",{\"role\":\"tool\",\"tool_call_id\":");
	sl_chat_put_raw(s->out, &block->f[TOOL_USE_ID]);
	sl_text_append_string(s->out, ",\"content\":");
	if (content->type == SL_JSON_ARRAY) {
		id = put_texts(s, content, &s->deep, prefix);
	} else if (content->type == SL_JSON_STRING || !sl_chat_given(content)) {
		sl_text_append_char(s->out, '"');
		sl_text_append_string(s->out, prefix);
		if (content->type == SL_JSON_STRING)
			sl_chat_put_inside(s->out, content);
		sl_text_append_char(s->out, '"');
	} else {
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "content", "a string or an array");
	}
	sl_text_append_char(s->out, '}');
	return id;
}

/* Writes the tool results; counts what else there is. */
static enum sl_openai_error_id put_results(struct sl_place *s, const struct sl_json_field *content,
					   size_t *ret_texts, size_t *ret_images)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *cursor = NULL;
	struct block block;

	*ret_texts = *ret_images = 0;
	for (s->part = 0; !id && sl_json_each(content, &cursor, &object); s->part++) {
		id = read_block(s, &object, ALLOW(TEXT) | ALLOW(IMAGE) | ALLOW(TOOL_RESULT),
				"a user's blocks may be text, image or tool_result", &block);
		if (id)
			return id;
		if (block.kind == KIND_TOOL_RESULT)
			id = put_result(s, &block);
		else if (block.kind == KIND_TEXT)
			++*ret_texts;
		else
			++*ret_images;
	}
	return id;
}

static enum sl_openai_error_id put_parts(struct sl_place *s, const struct sl_json_field *content)
{
	const unsigned int all = ~0u;
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *cursor = NULL;
	struct block block;
	bool first = true;

	sl_text_append_char(s->out, '[');
	for (s->part = 0; !id && sl_json_each(content, &cursor, &object); s->part++) {
		id = read_block(s, &object, all, "", &block);
		if (id || block.kind == KIND_TOOL_RESULT)
			continue;
		if (!first)
			sl_text_append_char(s->out, ',');
		first = false;
		if (block.kind == KIND_IMAGE) {
			id = put_image(s, &block.f[SOURCE]);
			if (id)
				return id;
			continue;
		}
		sl_text_append_string(s->out, "{\"type\":\"text\",\"text\":");
		sl_chat_put_raw(s->out, &block.f[TEXT]);
		sl_text_append_char(s->out, '}');
	}
	sl_text_append_char(s->out, ']');
	return id;
}

/* The only text of a content that has but one. */
static void put_only_text(struct sl_place *s, const struct sl_json_field *content)
{
	struct sl_json_field object;
	const char *cursor = NULL;
	struct block block;

	while (sl_json_each(content, &cursor, &object)) {
		if (!read_block(s, &object, ~0u, "", &block) && block.kind == KIND_TEXT)
			sl_chat_put_raw(s->out, &block.f[TEXT]);
	}
}

static enum sl_openai_error_id put_user(struct sl_place *s, const struct sl_json_field *content)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	size_t texts = 0, images = 0;

	if (content->type == SL_JSON_ARRAY) {
		bool empty;

		id = put_results(s, content, &texts, &images);
		empty = s->part == 0;
		s->part = -1;
		if (!id && empty) /* it would leave no trace, and perhaps no message at all */
			return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "content",
					       "at least one block");
		if (id || !(texts + images))
			return id;
	}
	sl_text_append_string(s->out, ",{\"role\":\"user\",\"content\":");
	if (content->type == SL_JSON_STRING)
		sl_chat_put_raw(s->out, content);
	else if (texts == 1 && !images)
		put_only_text(s, content);
	else
		id = put_parts(s, content);
	if (id)
		return id;
	s->part = -1;
	sl_text_append_char(s->out, '}');
	return SL_OPENAI_OK;
}

/* ---- assistant ------------------------------------------------------------------------------- */

static enum sl_openai_error_id put_tool_use(struct sl_place *s, const struct block *block)
{
	const struct sl_json_field *input = &block->f[INPUT];

	if (!sl_chat_filled(&block->f[ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "id", "a string");
	if (!sl_chat_filled(&block->f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	if (sl_chat_given(input) && input->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "input", "an object");
	sl_text_append_string(s->out, "{\"id\":");
	sl_chat_put_raw(s->out, &block->f[ID]);
	sl_text_append_string(s->out, ",\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(s->out, &block->f[NAME]);
	sl_text_append_string(s->out, ",\"arguments\":\"");
	if (sl_chat_given(input))
		sl_text_append_json(s->out, input->value, input->value_len);
	else
		sl_text_append_string(s->out, "{}");
	sl_text_append_string(s->out, "\"}}");
	return SL_OPENAI_OK;
}

/* One walk for the texts (kind TEXT), one for the calls (kind TOOL_USE). */
static enum sl_openai_error_id put_blocks(struct sl_place *s, const struct sl_json_field *content,
					  enum block_kind kind, size_t *ret_count)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *cursor = NULL;
	struct block block;

	*ret_count = 0;
	for (s->part = 0; sl_json_each(content, &cursor, &object); s->part++) {
		id = read_block(s, &object, ALLOW(TEXT) | ALLOW(TOOL_USE) | ALLOW(THINKING),
				"an assistant's blocks may be text, tool_use or thinking", &block);
		if (id)
			return id;
		if (block.kind != kind)
			continue;
		if (kind == KIND_TEXT) {
			sl_text_append_string(s->out, ++*ret_count == 1 ? "\"" : "\\n");
			sl_chat_put_inside(s->out, &block.f[TEXT]);
			continue;
		}
		sl_text_append_string(s->out, ++*ret_count == 1 ? ",\"tool_calls\":[" : ",");
		id = put_tool_use(s, &block);
		if (id)
			return id;
	}
	s->part = -1;
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_assistant(struct sl_place *s,
					     const struct sl_json_field *content, size_t *ret_calls)
{
	enum sl_openai_error_id id;
	size_t texts;

	*ret_calls = 0;
	sl_text_append_string(s->out, ",{\"role\":\"assistant\",\"content\":");
	if (content->type == SL_JSON_STRING) {
		sl_chat_put_raw(s->out, content);
	} else {
		id = put_blocks(s, content, KIND_TEXT, &texts);
		if (id)
			return id;
		sl_text_append_string(s->out, texts ? "\"" : "null");
		id = put_blocks(s, content, KIND_TOOL_USE, ret_calls);
		if (id)
			return id;
		if (*ret_calls)
			sl_text_append_char(s->out, ']');
		else if (!texts) { /* thinking alone, or nothing: "" for null */
			sl_text_truncate(s->out, s->out->len - (sizeof("null") - 1));
			sl_text_append_string(s->out, "\"\"");
		}
	}
	sl_text_append_char(s->out, '}');
	return SL_OPENAI_OK;
}

/* ---- the list -------------------------------------------------------------------------------- */

/* depth: where an array's index belongs in the path of an error. */
static enum sl_openai_error_id put_system(struct sl_place *s, const struct sl_json_field *system,
					  long *depth)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;

	if (system->type != SL_JSON_STRING && system->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL,
				       "a string or an array of text blocks");
	sl_text_append_string(s->out, ",{\"role\":\"system\",\"content\":");
	if (system->type == SL_JSON_STRING)
		sl_chat_put_raw(s->out, system);
	else
		id = put_texts(s, system, depth, "");
	sl_text_append_char(s->out, '}');
	return id;
}

static enum sl_openai_error_id put_message(struct sl_place *s, const struct sl_json_field *message,
					   bool *ret_assistant, size_t *ret_calls)
{
	enum { ROLE, BODY, COUNT };
	struct sl_json_field f[COUNT] = {
		[ROLE] = SL_JSON_FIELD("role"),
		[BODY] = SL_JSON_FIELD("content"),
	};
	enum sl_openai_error_id id;

	*ret_calls = 0;
	if (message->type != SL_JSON_OBJECT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an object");
	id = sl_place_object_read(s, message, f, COUNT, true);
	if (id)
		return id;
	*ret_assistant = sl_json_string_equal(&f[ROLE], "assistant", 9);
	if (sl_json_string_equal(&f[ROLE], "system", 6))
		return put_system(s, &f[BODY], &s->part);
	if (!*ret_assistant && !sl_json_string_equal(&f[ROLE], "user", 4))
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "role",
				       "\"user\", \"assistant\" or \"system\"");
	if (f[BODY].type != SL_JSON_STRING && f[BODY].type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "content",
				       "a string or an array of blocks");
	return *ret_assistant ? put_assistant(s, &f[BODY], ret_calls) : put_user(s, &f[BODY]);
}

enum sl_openai_error_id sl_anthropic_messages_put(struct sl_place *s,
						  const struct sl_json_field *system,
						  const struct sl_json_field *messages)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field message;
	const char *cursor = NULL;
	bool assistant = false;
	size_t begin, calls = 0;

	sl_text_append_string(s->out, ",\"messages\":[");
	begin = s->out->len;
	s->list = "system";
	if (sl_chat_given(system))
		id = put_system(s, system, &s->item);
	if (id)
		return id;
	s->list = "messages";
	if (!sl_chat_given(messages))
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, NULL, NULL);
	if (messages->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "an array of messages");
	for (s->item = 0; sl_json_each(messages, &cursor, &message); s->item++) {
		id = put_message(s, &message, &assistant, &calls);
		if (id)
			return id;
	}
	if (!s->item) {
		s->item = -1;
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL, "at least one message");
	}
	if (calls) {
		s->item--;
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL,
				       "a message with a tool_result for each tool_use behind "
				       "it");
	}
	s->item = -1;
	if (!s->out->error) /* each message begins with a comma, the first must not */
		s->out->data[begin] = ' ';
	sl_text_append_char(s->out, ']');
	if (assistant)
		sl_text_append_string(s->out, ",\"add_generation_prompt\":false,"
					      "\"continue_final_message\":true");
	return SL_OPENAI_OK;
}
