/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The input of a request, from items of the Responses API to the messages of chat completions.
 *
 *   instructions                      a first message of role system
 *   a string                          a message of role user
 *   message: system, developer        a message of role system, its texts joined by a line end
 *   message: user                     a string, or parts where it has several or an image
 *   message: assistant, function_call one message of role assistant for those that follow each
 *                                     other: texts joined by a line end, and tool_calls. Servers
 *                                     want a tool's answer right behind the message that asked
 *   function_call_output              a message of role tool
 *   reasoning                         left out: servers want no thinking of earlier turns
 *
 * What an item holds beside its meaning (id, status, annotations) is not looked at: programs send
 * back the items that they got, with what their SDK added. Pure but for sl_text; any thread.
 * Declared in responses_request.h.
 */
#include "user/wire/responses_request.h"

#include <string.h>

enum item_field { TYPE, ROLE, CONTENT, CALL_ID, NAME, ARGUMENTS, OUTPUT, ITEM_FIELDS };

enum item_kind {
	KIND_UNKNOWN = 0,
	KIND_SYSTEM,
	KIND_USER,
	KIND_ASSISTANT,
	KIND_CALL,
	KIND_RESULT,
	KIND_REASONING,
};

struct item {
	enum item_kind kind;
	struct sl_json_field f[ITEM_FIELDS];
};

static const struct sl_json_field item_wanted[ITEM_FIELDS] = {
	[TYPE] = SL_JSON_FIELD("type"),	      [ROLE] = SL_JSON_FIELD("role"),
	[CONTENT] = SL_JSON_FIELD("content"), [CALL_ID] = SL_JSON_FIELD("call_id"),
	[NAME] = SL_JSON_FIELD("name"),	      [ARGUMENTS] = SL_JSON_FIELD("arguments"),
	[OUTPUT] = SL_JSON_FIELD("output"),
};

struct kind_name {
	const char *name;
	enum item_kind kind;
};

static const struct kind_name types[] = {
	{"function_call", KIND_CALL},
	{"function_call_output", KIND_RESULT},
	{"reasoning", KIND_REASONING},
};

static const struct kind_name roles[] = {
	{"user", KIND_USER},
	{"assistant", KIND_ASSISTANT},
	{"system", KIND_SYSTEM},
	{"developer", KIND_SYSTEM},
};

static enum item_kind find_kind(const struct kind_name *names, size_t count,
				const struct sl_json_field *text)
{
	for (size_t i = 0; i < count; i++)
		if (sl_json_string_equal(text, names[i].name, strlen(names[i].name)))
			return names[i].kind;
	return KIND_UNKNOWN;
}

#define FIND_KIND(names, text) find_kind(names, sizeof(names) / sizeof((names)[0]), text)

static enum sl_openai_error_id read_item(struct sl_place *s, const struct sl_json_field *object,
					 struct item *ret_item)
{
	struct sl_json_field *f = ret_item->f;
	enum sl_openai_error_id id;

	memcpy(f, item_wanted, sizeof(item_wanted));
	id = sl_place_object_read(s, object, f, ITEM_FIELDS, false);
	if (id)
		return id;
	if (!sl_chat_given(&f[TYPE]) || sl_json_string_equal(&f[TYPE], "message", 7)) {
		ret_item->kind = FIND_KIND(roles, &f[ROLE]);
		if (!ret_item->kind)
			return sl_place_refuse(
				s, SL_OPENAI_ERROR_VALUE, "role",
				"\"user\", \"assistant\", \"system\" or \"developer\"");
		if (f[CONTENT].type != SL_JSON_STRING && f[CONTENT].type != SL_JSON_ARRAY)
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "content",
					       "a string or an array of parts");
		return SL_OPENAI_OK;
	}
	ret_item->kind = FIND_KIND(types, &f[TYPE]);
	if (!ret_item->kind)
		return sl_place_refuse(
			s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
			"items may be message, function_call, function_call_output or reasoning");
	return SL_OPENAI_OK;
}

/* ---- parts ----------------------------------------------------------------------------------- */

enum part_field { PART_TYPE, PART_TEXT, PART_REFUSAL, PART_IMAGE, PART_DETAIL, PART_FIELDS };

struct part {
	struct sl_json_field text; /* or ABSENT: an image */
	struct sl_json_field image;
	struct sl_json_field detail;
};

static enum sl_openai_error_id read_part(struct sl_place *s, const struct sl_json_field *object,
					 bool images, struct part *ret_part)
{
	struct sl_json_field f[PART_FIELDS] = {
		[PART_TYPE] = SL_JSON_FIELD("type"),
		[PART_TEXT] = SL_JSON_FIELD("text"),
		[PART_REFUSAL] = SL_JSON_FIELD("refusal"),
		[PART_IMAGE] = SL_JSON_FIELD("image_url"),
		[PART_DETAIL] = SL_JSON_FIELD("detail"),
	};
	enum sl_openai_error_id id = sl_place_object_read(s, object, f, PART_FIELDS, false);
	bool refusal = sl_json_string_equal(&f[PART_TYPE], "refusal", 7);

	*ret_part = (struct part){.text = {.type = SL_JSON_ABSENT}};
	if (id)
		return id;
	if (!sl_chat_given(&f[PART_TYPE]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, "type", NULL);
	if (refusal || sl_json_string_equal(&f[PART_TYPE], "input_text", 10) ||
	    sl_json_string_equal(&f[PART_TYPE], "output_text", 11)) {
		ret_part->text = f[refusal ? PART_REFUSAL : PART_TEXT];
		if (ret_part->text.type != SL_JSON_STRING)
			return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, ret_part->text.name,
					       "a string");
		return SL_OPENAI_OK;
	}
	if (!images || !sl_json_string_equal(&f[PART_TYPE], "input_image", 11))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "type",
				       images ? "a user's parts may be input_text or input_image"
					      : "only parts of text are, here");
	if (!sl_chat_filled(&f[PART_IMAGE]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_UNTRANSLATED, "image_url",
				       "an image is sent as a URL, not by 'file_id'");
	if (sl_chat_given(&f[PART_DETAIL]) && f[PART_DETAIL].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "detail", "a string");
	ret_part->image = f[PART_IMAGE];
	ret_part->detail = f[PART_DETAIL];
	return SL_OPENAI_OK;
}

/* All texts of a string or of parts, joined by a line end, as the inside of one JSON string. */
static enum sl_openai_error_id put_texts(struct sl_place *s, const struct sl_json_field *content,
					 const char *key)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *cursor = NULL;
	struct part part;

	if (content->type == SL_JSON_STRING) {
		sl_chat_put_inside(s->out, content);
		return SL_OPENAI_OK;
	}
	s->inner = key;
	for (s->part = 0; sl_json_each(content, &cursor, &object); s->part++) {
		id = read_part(s, &object, false, &part);
		if (id)
			return id;
		if (s->part)
			sl_text_append_string(s->out, "\\n");
		sl_chat_put_inside(s->out, &part.text);
	}
	s->part = -1;
	return SL_OPENAI_OK;
}

static enum sl_openai_error_id put_message(struct sl_place *s, const char *role,
					   const struct sl_json_field *content, const char *key)
{
	enum sl_openai_error_id id;

	sl_text_printf(s->out, ",{\"role\":\"%s\",\"content\":\"", role);
	id = put_texts(s, content, key);
	sl_text_append_string(s->out, "\"}");
	return id;
}

static void put_image(struct sl_place *s, const struct part *part)
{
	sl_text_append_string(s->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":");
	sl_chat_put_raw(s->out, &part->image);
	if (sl_chat_given(&part->detail)) {
		sl_text_append_string(s->out, ",\"detail\":");
		sl_chat_put_raw(s->out, &part->detail);
	}
	sl_text_append_string(s->out, "}}");
}

/* One text alone stays a string: servers without vision know no parts. */
static enum sl_openai_error_id put_user(struct sl_place *s, const struct sl_json_field *content)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object, second;
	const char *cursor = NULL;
	struct part part;
	bool alone;

	if (content->type == SL_JSON_STRING)
		return put_message(s, "user", content, "content");
	s->inner = "content";
	s->part = 0;
	if (!sl_json_each(content, &cursor, &object)) {
		s->part = -1;
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, "content", "at least one part");
	}
	id = read_part(s, &object, true, &part);
	alone = !id && !sl_json_each(content, &cursor, &second) && part.text.type == SL_JSON_STRING;
	sl_text_append_string(s->out, ",{\"role\":\"user\",\"content\":");
	if (alone)
		sl_chat_put_raw(s->out, &part.text);
	cursor = NULL;
	for (s->part = 0; !alone && !id && sl_json_each(content, &cursor, &object); s->part++) {
		sl_text_append_char(s->out, s->part ? ',' : '[');
		id = read_part(s, &object, true, &part);
		if (id)
			break;
		if (part.text.type != SL_JSON_STRING) {
			put_image(s, &part);
			continue;
		}
		sl_text_append_string(s->out, "{\"type\":\"text\",\"text\":");
		sl_chat_put_raw(s->out, &part.text);
		sl_text_append_char(s->out, '}');
	}
	if (id)
		return id;
	s->part = -1;
	sl_text_append_string(s->out, alone ? "}" : "]}");
	return SL_OPENAI_OK;
}

/* ---- assistant ------------------------------------------------------------------------------- */

static enum sl_openai_error_id put_call(struct sl_place *s, const struct item *item)
{
	const struct sl_json_field *f = item->f;

	if (!sl_chat_filled(&f[CALL_ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "call_id", "a string");
	if (!sl_chat_filled(&f[NAME]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "name", "a string");
	if (f[ARGUMENTS].type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "arguments", "a string");
	sl_text_append_string(s->out, "{\"id\":");
	sl_chat_put_raw(s->out, &f[CALL_ID]);
	sl_text_append_string(s->out, ",\"type\":\"function\",\"function\":{\"name\":");
	sl_chat_put_raw(s->out, &f[NAME]);
	sl_text_append_string(s->out, ",\"arguments\":");
	sl_chat_put_raw(s->out, &f[ARGUMENTS]);
	sl_text_append_string(s->out, "}}");
	return SL_OPENAI_OK;
}

static bool is_of_run(enum item_kind kind)
{
	return kind == KIND_ASSISTANT || kind == KIND_CALL || kind == KIND_REASONING;
}

/*
 * One walk over the assistant's items from *cursor on for the texts (kind ASSISTANT), one for the
 * calls (kind CALL). *cursor ends behind the last of them, s->item at the one that follows.
 */
static enum sl_openai_error_id put_run(struct sl_place *s, const struct sl_json_field *input,
				       const char **cursor, enum item_kind kind, size_t *ret_count)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	struct sl_json_field object;
	const char *next = *cursor;
	struct item item;

	*ret_count = 0;
	for (; sl_json_each(input, &next, &object); *cursor = next, s->item++) {
		id = read_item(s, &object, &item);
		if (id || !is_of_run(item.kind))
			return id;
		if (item.kind != kind)
			continue;
		++*ret_count;
		if (kind == KIND_ASSISTANT) {
			sl_text_append_string(s->out, *ret_count == 1 ? "\"" : "\\n");
			id = put_texts(s, &item.f[CONTENT], "content");
		} else {
			sl_text_append_string(s->out, *ret_count == 1 ? ",\"tool_calls\":[" : ",");
			id = put_call(s, &item);
		}
		if (id)
			return id;
	}
	return SL_OPENAI_OK;
}

/* *cursor: before the first of the assistant's items. */
static enum sl_openai_error_id put_assistant(struct sl_place *s, const struct sl_json_field *input,
					     const char **cursor, size_t *ret_calls)
{
	enum sl_openai_error_id id;
	const char *again = *cursor;
	size_t texts, begin = s->out->len;
	long first = s->item;

	sl_text_append_string(s->out, ",{\"role\":\"assistant\",\"content\":");
	id = put_run(s, input, &again, KIND_ASSISTANT, &texts);
	if (id)
		return id;
	sl_text_append_string(s->out, texts ? "\"" : "null");
	s->item = first;
	id = put_run(s, input, cursor, KIND_CALL, ret_calls);
	if (id)
		return id;
	sl_text_append_string(s->out, *ret_calls ? "]}" : "}");
	if (!texts && !*ret_calls && !s->out->error) /* reasoning alone */
		sl_text_truncate(s->out, begin);
	return SL_OPENAI_OK;
}

/* ---- the list -------------------------------------------------------------------------------- */

static enum sl_openai_error_id put_result(struct sl_place *s, const struct item *item)
{
	const struct sl_json_field *output = &item->f[OUTPUT];
	enum sl_openai_error_id id;

	if (!sl_chat_filled(&item->f[CALL_ID]))
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "call_id", "a string");
	if (output->type != SL_JSON_STRING && output->type != SL_JSON_ARRAY)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, "output",
				       "a string or an array of parts");
	sl_text_append_string(s->out, ",{\"role\":\"tool\",\"tool_call_id\":");
	sl_chat_put_raw(s->out, &item->f[CALL_ID]);
	sl_text_append_string(s->out, ",\"content\":\"");
	id = put_texts(s, output, "output");
	sl_text_append_string(s->out, "\"}");
	return id;
}

/* *ret_calls: of the assistant's items, where they are the last. */
static enum sl_openai_error_id put_items(struct sl_place *s, const struct sl_json_field *input,
					 size_t *ret_calls)
{
	enum sl_openai_error_id id;
	struct sl_json_field object;
	const char *cursor = NULL, *next = NULL;
	struct item item;

	*ret_calls = 0;
	for (s->item = 0; sl_json_each(input, &next, &object); next = cursor) {
		id = read_item(s, &object, &item);
		if (id)
			return id;
		if (is_of_run(item.kind)) {
			id = put_assistant(s, input, &cursor, ret_calls);
			if (id)
				return id;
			continue;
		}
		*ret_calls = 0;
		if (item.kind == KIND_RESULT)
			id = put_result(s, &item);
		else if (item.kind == KIND_USER)
			id = put_user(s, &item.f[CONTENT]);
		else
			id = put_message(s, "system", &item.f[CONTENT], "content");
		if (id)
			return id;
		cursor = next;
		s->item++;
	}
	return SL_OPENAI_OK;
}

enum sl_openai_error_id sl_responses_input_put(struct sl_place *s,
					       const struct sl_json_field *instructions,
					       const struct sl_json_field *input)
{
	enum sl_openai_error_id id = SL_OPENAI_OK;
	size_t begin, after, calls = 0;

	sl_text_append_string(s->out, ",\"messages\":[");
	begin = s->out->len;
	s->list = "instructions";
	if (sl_chat_given(instructions) && instructions->type != SL_JSON_STRING)
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "a string");
	if (sl_chat_filled(instructions))
		put_message(s, "system", instructions, NULL);
	s->list = "input";
	after = s->out->len;
	if (!sl_chat_given(input))
		return sl_place_refuse(s, SL_OPENAI_ERROR_MISSING, NULL, NULL);
	if (input->type == SL_JSON_STRING)
		id = put_message(s, "user", input, NULL);
	else if (input->type == SL_JSON_ARRAY)
		id = put_items(s, input, &calls);
	else
		return sl_place_refuse(s, SL_OPENAI_ERROR_TYPE, NULL, "a string or an array");
	if (id)
		return id;
	if (calls) {
		s->item--;
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL,
				       "a function_call_output for each function_call behind it");
	}
	s->item = -1;
	if (!s->out->error && s->out->len == after)
		return sl_place_refuse(s, SL_OPENAI_ERROR_VALUE, NULL, "at least one message");
	if (!s->out->error) /* each message begins with a comma, the first must not */
		s->out->data[begin] = ' ';
	sl_text_append_char(s->out, ']');
	return SL_OPENAI_OK;
}
