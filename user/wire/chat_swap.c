/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/chat_swap.h"

#include <errno.h>
#include <string.h>
#include "user/wire/json_scan.h"

static struct sl_json_field body_of(const struct sl_openai_request *facts)
{
	struct sl_json_field body = {.type = SL_JSON_OBJECT};
	size_t blank = 0;

	while (blank < facts->body_len && strchr(" \t\r\n", facts->body[blank]))
		blank++;
	body.value = facts->body + blank;
	body.value_len = facts->body_len - blank;
	return body;
}

static bool is_named(const struct sl_json_field *name, const char *text)
{
	return sl_json_string_equal(name, text, strlen(text));
}

static bool is_of_stream(const struct sl_json_field *name)
{
	return is_named(name, "stream") || is_named(name, "stream_options");
}

static void put_member(struct sl_text *out, const struct sl_json_field *name,
		       const struct sl_json_field *value)
{
	sl_text_append_char(out, out->len ? ',' : '{');
	sl_text_append(out, name->value, name->value_len);
	sl_text_append_char(out, ':');
	sl_text_append(out, value->value, value->value_len);
}

int sl_chat_whole(const struct sl_openai_request *facts, struct sl_text *out)
{
	struct sl_json_field body = body_of(facts), name, value;
	const char *cursor = NULL;

	while (sl_json_each_member(&body, &cursor, &name, &value)) {
		if (!is_of_stream(&name))
			put_member(out, &name, &value);
	}
	return sl_text_append_char(out, '}');
}

/* Is it of the members, by its name as it is written? */
static bool is_among(const struct sl_json_field *members, const struct sl_json_field *name)
{
	struct sl_json_field other, value;
	const char *cursor = NULL;

	while (sl_json_each_member(members, &cursor, &other, &value)) {
		if (other.value_len == name->value_len &&
		    !memcmp(other.value, name->value, name->value_len))
			return true;
	}
	return false;
}

static void put_message(struct sl_text *out, const struct sl_json_field *message, uint32_t *count)
{
	if ((*count)++)
		sl_text_append_char(out, ',');
	sl_text_append(out, message->value, message->value_len);
}

static bool is_system(const struct sl_json_field *message)
{
	struct sl_json_field role = SL_JSON_FIELD("role");

	return message->type == SL_JSON_OBJECT &&
	       !sl_json_scan(message->value, message->value_len, &role, 1) &&
	       (is_named(&role, "system") || is_named(&role, "developer"));
}

/* Those messages of a prompt that it begins with as the system, or those behind them. */
static void put_prompt(struct sl_text *out, const struct sl_json_field *messages, bool head,
		       uint32_t *count)
{
	struct sl_json_field message;
	const char *cursor = NULL;
	bool in_head = true;

	while (sl_json_each(messages, &cursor, &message)) {
		in_head = in_head && is_system(&message);
		if (in_head == head)
			put_message(out, &message, count);
	}
}

static int put_messages(struct sl_text *out, const struct sl_json_field *has,
			const struct sl_json_field *from, const struct sl_json_field *to)
{
	struct sl_json_field message, wanted;
	const char *cursor = NULL, *at = NULL;
	bool more = sl_json_each(from, &at, &wanted);
	uint32_t count = 0;

	sl_text_append_char(out, '[');
	put_prompt(out, to, true, &count);
	if (!more)
		put_prompt(out, to, false, &count);
	while (sl_json_each(has, &cursor, &message)) {
		if (!more || message.value_len != wanted.value_len ||
		    memcmp(message.value, wanted.value, wanted.value_len) != 0) {
			put_message(out, &message, &count);
			continue;
		}
		more = sl_json_each(from, &at, &wanted);
		if (!more)
			put_prompt(out, to, false, &count);
	}
	sl_text_append_char(out, ']');
	return more ? -ENOENT : 0;
}

static struct sl_json_field field_of(struct sl_span text, enum sl_json_type type)
{
	return (struct sl_json_field){.type = type, .value = text.data, .value_len = text.len};
}

static bool is_valid(const struct sl_json_field *field)
{
	size_t at;

	return field->value_len && field->value[0] == (field->type == SL_JSON_ARRAY ? '[' : '{') &&
	       !sl_json_check(field->value, field->value_len, &at);
}

int sl_chat_swap(const struct sl_openai_request *facts, const struct sl_chat_prompt *from,
		 const struct sl_chat_prompt *to, struct sl_text *out)
{
	struct sl_json_field body = body_of(facts), name, value;
	struct sl_json_field old = field_of(from->messages, SL_JSON_ARRAY);
	struct sl_json_field new = field_of(to->messages, SL_JSON_ARRAY);
	struct sl_json_field less = field_of(from->members, SL_JSON_OBJECT);
	struct sl_json_field more = field_of(to->members, SL_JSON_OBJECT);
	const char *cursor = NULL;
	int rc = -ENOENT;

	if (!is_valid(&old) || !is_valid(&new) || !is_valid(&less) || !is_valid(&more))
		return -EINVAL;
	while (sl_json_each_member(&body, &cursor, &name, &value)) {
		if (is_of_stream(&name) || is_among(&less, &name) || is_among(&more, &name))
			continue;
		if (!is_named(&name, "messages") || value.type != SL_JSON_ARRAY) {
			put_member(out, &name, &value);
			continue;
		}
		sl_text_append_string(out, out->len ? ",\"messages\":" : "{\"messages\":");
		rc = put_messages(out, &value, &old, &new);
	}
	cursor = NULL;
	while (sl_json_each_member(&more, &cursor, &name, &value))
		put_member(out, &name, &value);
	sl_text_append_char(out, '}');
	return rc ? rc : out->error;
}
