/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The messages of a chat completion, for the Messages API. Differences of the two:
 *
 *   role system, developer    one list of texts before all messages
 *   role tool                 a tool_result at the beginning of what the user says next
 *   several in a row          one message: turns of user and assistant alternate
 *   blank texts               left out: the API refuses them
 *
 * Pure but for sl_text; any thread. Declared in messages_parts.h.
 */
#include "user/wire/messages.h"

#include <string.h>
#include "user/wire/messages_parts.h"

enum turn { TURN_NONE = 0, TURN_USER, TURN_ASSISTANT };

enum message_field { ROLE, CONTENT, TOOL_CALLS, TOOL_CALL_ID, REFUSAL, FUNCTION_CALL, FIELDS };

/* The list of messages while it is written. */
struct turns {
	struct sl_place *s;
	enum turn open;
};

/* The next block of a turn: in the open message, where that is its own. */
static void begin_block(struct turns *t, enum turn turn)
{
	struct sl_text *out = t->s->out;

	if (t->open == turn) {
		sl_text_append_char(out, ',');
		return;
	}
	sl_text_append_string(out, t->open == TURN_NONE ? "{\"role\":\"" : "]},{\"role\":\"");
	sl_text_append_string(out, turn == TURN_USER ? "user" : "assistant");
	sl_text_append_string(out, "\",\"content\":[");
	t->open = turn;
}

/* Has a text anything but blanks? It stands as it is escaped. */
static bool says_something(const struct sl_json_field *text)
{
	const char *at = text->value + 1, *end = text->value + text->value_len - 1;

	if (text->type != SL_JSON_STRING)
		return false;
	while (at < end) {
		if (*at == ' ')
			at++;
		else if (*at == '\\' && strchr("ntrf", at[1])) /* a scanned text ends no escape */
			at += 2;
		else
			return true;
	}
	return false;
}

static void put_text_block(struct sl_text *out, const struct sl_json_field *text)
{
	sl_text_append_string(out, "{\"type\":\"text\",\"text\":");
	sl_chat_put_raw(out, text);
	sl_text_append_char(out, '}');
}

/* ---- images ---------------------------------------------------------------------------------- */

/* A data: URL as its parts. False: it is none of base64. */
static bool split_data_url(struct sl_span url, struct sl_span *ret_type, struct sl_span *ret_data)
{
	static const struct sl_span mark = {";base64,", 8};
	const char *at = memmem(url.data, url.len < 256 ? url.len : 256, mark.data, mark.len);

	if (!at)
		return false;
	*ret_type = sl_span_make(url.data + 5, (size_t)(at - url.data) - 5);
	at += mark.len;
	*ret_data = sl_span_make(at, (size_t)(url.data + url.len - at));
	return ret_type->len > 0;
}

/* url: decoded. */
static enum sl_openai_error_id put_image_source(struct sl_place *s, struct sl_span url)
{
	struct sl_span type, data;

	if (!sl_span_starts(url, SL_SPAN("data:"))) {
		sl_text_append_string(s->out, "{\"type\":\"image\",\"source\":{\"type\":\"url\","
					      "\"url\":\"");
		sl_text_append_json(s->out, url.data, url.len);
		sl_text_append_string(s->out, "\"}}");
		return SL_OPENAI_OK;
	}
	if (!split_data_url(url, &type, &data))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "image_url.url",
				       "send a data: URL of base64, or http(s)");
	sl_text_append_string(s->out, "{\"type\":\"image\",\"source\":{\"type\":\"base64\","
				      "\"media_type\":\"");
	sl_text_append_json(s->out, type.data, type.len);
	sl_text_append_string(s->out, "\",\"data\":\"");
	sl_text_append_json(s->out, data.data, data.len);
	sl_text_append_string(s->out, "\"}}");
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_image(struct sl_place *s, const struct sl_json_field *image)
{
	struct sl_json_field url = SL_JSON_FIELD("url");
	enum sl_openai_error_id id;
	struct sl_text decoded;
	int len;

	if (image->type != SL_JSON_OBJECT ||
	    sl_json_scan(image->value, image->value_len, &url, 1) || !sl_chat_filled(&url))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "image_url.url", "a string");
	if (!url.escaped)
		return put_image_source(s, sl_span_make(url.value + 1, url.value_len - 2));
	sl_text_init(&decoded, url.value_len + 1);
	if (sl_text_reserve(&decoded, url.value_len)) {
		s->out->error = s->out->error ? s->out->error : decoded.error;
		return SL_OPENAI_OK; /* told at the end */
	}
	len = sl_json_string(&url, decoded.data, url.value_len);
	id = put_image_source(s, sl_span_make(decoded.data, len > 0 ? (size_t)len : 0));
	sl_text_fini(&decoded);
	return id;
}

/* ---- content --------------------------------------------------------------------------------- */

enum part_field { PART_TYPE, PART_TEXT, PART_REFUSAL, PART_IMAGE, PART_FIELDS };

/* Reads a part. Text and refusal come back as *ret_text, an image as *ret_image. */
static enum sl_openai_error_id read_part(struct sl_place *s, const struct sl_json_field *part,
					 struct sl_json_field *ret_text,
					 struct sl_json_field *ret_image)
{
	struct sl_json_field f[PART_FIELDS] = {
		[PART_TYPE] = SL_JSON_FIELD("type"),
		[PART_TEXT] = SL_JSON_FIELD("text"),
		[PART_REFUSAL] = SL_JSON_FIELD("refusal"),
		[PART_IMAGE] = SL_JSON_FIELD("image_url"),
	};
	enum sl_openai_error_id id = sl_place_object_read(s, part, f, PART_FIELDS, false);

	ret_text->type = ret_image->type = SL_JSON_ABSENT;
	if (id)
		return id;
	if (sl_json_string_equal(&f[PART_TYPE], "text", 4))
		*ret_text = f[PART_TEXT];
	else if (sl_json_string_equal(&f[PART_TYPE], "refusal", 7))
		*ret_text = f[PART_REFUSAL];
	else if (sl_json_string_equal(&f[PART_TYPE], "image_url", 9))
		*ret_image = f[PART_IMAGE];
	else
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "only \"text\" and \"image_url\" are");
	if (ret_text->type != SL_JSON_STRING && ret_image->type == SL_JSON_ABSENT)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "text", "a string");
	return SL_OPENAI_OK;
}

/* Blocks of a content that is a string, null or a list of parts. */
static enum sl_openai_error_id put_content(struct turns *t, enum turn turn,
					   const struct sl_json_field *content)
{
	struct sl_place *s = t->s;
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field part, text, image;
	const char *cursor = NULL;

	if (content->type == SL_JSON_STRING && says_something(content)) {
		begin_block(t, turn);
		put_text_block(s->out, content);
	}
	if (content->type == SL_JSON_STRING || !sl_chat_given(content))
		return SL_OPENAI_OK;
	if (content->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "content", "a string or an array");
	for (s->part = 0; !id && sl_json_each(content, &cursor, &part); s->part++) {
		id = read_part(s, &part, &text, &image);
		if (id)
			return id;
		if (image.type != SL_JSON_ABSENT) {
			begin_block(t, turn);
			id = put_image(s, &image);
			if (id)
				return id;
		} else if (says_something(&text)) {
			begin_block(t, turn);
			put_text_block(s->out, &text);
		}
	}
	s->part = -1;
	return id;
}

/* ---- tools ----------------------------------------------------------------------------------- */

/* Ids are letters, digits, '_' and '-' there; other bytes become '_', in call and result alike. */
static void put_id(struct sl_text *out, const struct sl_json_field *id)
{
	size_t i;

	sl_text_append_char(out, '"');
	for (i = 1; i + 1 < id->value_len; i++) {
		char c = id->value[i];
		bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z') || c == '-';

		sl_text_append_char(out, fine ? c : '_');
	}
	sl_text_append_char(out, '"');
}

static enum sl_openai_error_id put_result(struct turns *t, const struct sl_json_field *f)
{
	struct sl_place *s = t->s;
	struct turns inside = {.s = s, .open = TURN_USER};
	enum sl_openai_error_id id = SL_OPENAI_OK;
	size_t before;

	if (!sl_chat_filled(&f[TOOL_CALL_ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "tool_call_id", "a string");
	begin_block(t, TURN_USER);
	sl_text_append_string(s->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
	put_id(s->out, &f[TOOL_CALL_ID]);
	if (f[CONTENT].type == SL_JSON_STRING && says_something(&f[CONTENT])) {
		sl_text_append_string(s->out, ",\"content\":");
		sl_chat_put_raw(s->out, &f[CONTENT]);
	} else if (f[CONTENT].type == SL_JSON_ARRAY) {
		sl_text_append_string(s->out, ",\"content\":[");
		before = s->out->len;
		id = put_content(&inside, TURN_USER, &f[CONTENT]);
		if (!s->out->error && s->out->len > before) /* each block begins with a comma */
			s->out->data[before] = ' ';
		sl_text_append_char(s->out, ']');
	} else if (sl_chat_given(&f[CONTENT]) && f[CONTENT].type != SL_JSON_STRING) {
		id = sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "content", "a string or an array");
	}
	sl_text_append_char(s->out, '}');
	return id;
}

/* "input":{...} of a call: the text of its arguments is JSON of its own. */
static enum sl_openai_error_id put_input(struct sl_place *s, const struct sl_json_field *arguments)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_text decoded;
	int len = 0;

	if (arguments->type == SL_JSON_OBJECT) { /* some servers and clients */
		sl_chat_put_raw(s->out, arguments);
		return SL_OPENAI_OK;
	}
	if (!sl_chat_filled(arguments)) {
		sl_text_append_string(s->out, "{}");
		return SL_OPENAI_OK;
	}
	sl_text_init(&decoded, arguments->value_len + 1);
	if (!sl_text_reserve(&decoded, arguments->value_len))
		len = sl_json_string(arguments, decoded.data, arguments->value_len);
	if (decoded.error)
		s->out->error = s->out->error ? s->out->error : decoded.error;
	else if (len < 0 || sl_json_scan(decoded.data, (size_t)len, NULL, 0))
		id = sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "function.arguments",
				     "the text of a JSON object");
	else
		sl_text_append(s->out, decoded.data, (size_t)len);
	sl_text_fini(&decoded);
	return id;
}

static enum sl_openai_error_id put_call(struct turns *t, const struct sl_json_field *call)
{
	enum { ID, TYPE, FUNCTION, NAME, ARGUMENTS, COUNT };
	struct sl_json_field f[COUNT] = {
		[ID] = SL_JSON_FIELD("id"),
		[TYPE] = SL_JSON_FIELD("type"),
		[FUNCTION] = SL_JSON_FIELD("function"),
		[NAME] = SL_JSON_FIELD_IN("function", "name"),
		[ARGUMENTS] = SL_JSON_FIELD_IN("function", "arguments"),
	};
	struct sl_place *s = t->s;
	enum sl_openai_error_id id = sl_place_object_read(s, call, f, COUNT, false);

	if (id)
		return id;
	if (sl_chat_given(&f[TYPE]) && !sl_json_string_equal(&f[TYPE], "function", 8))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       "only calls of functions are");
	if (!sl_chat_filled(&f[ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "id", "a string");
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "function.name", "a string");
	begin_block(t, TURN_ASSISTANT);
	sl_text_append_string(s->out, "{\"type\":\"tool_use\",\"id\":");
	put_id(s->out, &f[ID]);
	sl_text_append_string(s->out, ",\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	sl_text_append_string(s->out, ",\"input\":");
	id = put_input(s, &f[ARGUMENTS]);
	sl_text_append_char(s->out, '}');
	return id;
}

static enum sl_openai_error_id put_assistant(struct turns *t, const struct sl_json_field *f)
{
	enum sl_openai_error_id id;
	struct sl_json_field call;
	const char *cursor = NULL;

	if (sl_chat_given(&f[FUNCTION_CALL]))
		return sl_place_refuse(t->s, SL_OPENAI_ERROR_UNTRANSLATED, "function_call",
				       "send 'tool_calls'");
	id = put_content(t, TURN_ASSISTANT, &f[CONTENT]);
	if (!id && !sl_chat_given(&f[CONTENT]))
		id = put_content(t, TURN_ASSISTANT, &f[REFUSAL]);
	t->s->inner = "tool_calls";
	for (t->s->part = 0; !id && sl_json_each(&f[TOOL_CALLS], &cursor, &call); t->s->part++)
		id = put_call(t, &call);
	if (id)
		return id;
	t->s->inner = "content";
	t->s->part = -1;
	return SL_OPENAI_OK;
}

/* ---- the lists ------------------------------------------------------------------------------- */

static bool is_system(const struct sl_json_field *role)
{
	return sl_json_string_equal(role, "system", 6) ||
	       sl_json_string_equal(role, "developer", 9);
}

static enum sl_openai_error_id read_message(struct sl_place *s, const struct sl_json_field *message,
					    struct sl_json_field f[FIELDS])
{
	static const struct sl_json_field wanted[FIELDS] = {
		[ROLE] = SL_JSON_FIELD("role"),
		[CONTENT] = SL_JSON_FIELD("content"),
		[TOOL_CALLS] = SL_JSON_FIELD("tool_calls"),
		[TOOL_CALL_ID] = SL_JSON_FIELD("tool_call_id"),
		[REFUSAL] = SL_JSON_FIELD("refusal"),
		[FUNCTION_CALL] = SL_JSON_FIELD("function_call"),
	};

	memcpy(f, wanted, sizeof(wanted));
	return sl_place_object_read(s, message, f, FIELDS, false);
}

/* The texts of all system messages. Images in them are refused by the name of their place. */
static enum sl_openai_error_id put_system(struct sl_place *s, const struct sl_json_field *messages)
{
	static const char begin[] = ",\"system\":[";
	struct turns inside = {.s = s, .open = TURN_USER};
	struct sl_json_field message, f[FIELDS];
	enum sl_openai_error_id id;
	const char *cursor = NULL;
	size_t before = s->out->len, first;

	sl_text_append_string(s->out, begin);
	first = s->out->len;
	for (s->item = 0; sl_json_each(messages, &cursor, &message); s->item++) {
		id = read_message(s, &message, f);
		if (!id && is_system(&f[ROLE]))
			id = put_content(&inside, TURN_USER, &f[CONTENT]);
		if (id)
			return id;
	}
	if (s->out->error)
		return SL_OPENAI_OK;
	if (s->out->len == first) {
		sl_text_truncate(s->out, before);
		return SL_OPENAI_OK;
	}
	s->out->data[first] = ' '; /* each block begins with a comma */
	sl_text_append_char(s->out, ']');
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_message(struct turns *t, const struct sl_json_field *message)
{
	struct sl_json_field f[FIELDS];
	enum sl_openai_error_id id = read_message(t->s, message, f);

	if (id || is_system(&f[ROLE]))
		return id;
	if (sl_json_string_equal(&f[ROLE], "user", 4))
		return put_content(t, TURN_USER, &f[CONTENT]);
	if (sl_json_string_equal(&f[ROLE], "assistant", 9))
		return put_assistant(t, f);
	if (sl_json_string_equal(&f[ROLE], "tool", 4))
		return put_result(t, f);
	return sl_place_refuse(t->s, SL_OPENAI_ERROR_UNTRANSLATED, "role",
			       "send \"system\", \"developer\", \"user\", \"assistant\" or "
			       "\"tool\"");
}

enum sl_openai_error_id sl_messages_content_put(struct sl_place *s,
						const struct sl_json_field *messages)
{
	struct turns turns = {.s = s};
	enum sl_openai_error_id id;
	struct sl_json_field message;
	const char *cursor = NULL;

	s->list = "messages";
	s->inner = "content";
	id = put_system(s, messages);
	if (id)
		return id;
	sl_text_append_string(s->out, ",\"messages\":[");
	for (s->item = 0; sl_json_each(messages, &cursor, &message); s->item++) {
		id = put_message(&turns, &message);
		if (id)
			return id;
	}
	s->item = -1;
	sl_text_append_string(s->out, turns.open == TURN_NONE ? "]" : "]}]");
	return SL_OPENAI_OK;
}
