/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/chat_context.h"

#include <errno.h>

static bool is_chat(const struct sl_openai_request *facts)
{
	return facts->endpoint == SL_OPENAI_CHAT && facts->prompt_field.type == SL_JSON_ARRAY;
}

static int append_string(const struct sl_json_field *string, struct sl_text *out)
{
	size_t size = string->value_len + 1;
	int len, rc = sl_text_reserve(out, size);

	if (rc)
		return rc;
	len = sl_json_string(string, out->data + out->len, size);
	if (len < 0)
		return 0; /* no string: it says nothing */
	out->len += (size_t)len;
	return 0;
}

/* A content: a string, or parts of which those of text count. */
static int append_content(const struct sl_json_field *content, struct sl_text *out)
{
	struct sl_json_field part;
	const char *cursor = NULL;
	int rc = 0;

	if (content->type == SL_JSON_STRING)
		return append_string(content, out);
	if (content->type != SL_JSON_ARRAY)
		return 0;
	while (!rc && sl_json_each(content, &cursor, &part)) {
		struct sl_json_field text = SL_JSON_FIELD("text");

		if (part.type != SL_JSON_OBJECT ||
		    sl_json_scan(part.value, part.value_len, &text, 1) ||
		    text.type != SL_JSON_STRING)
			continue;
		if (out->len)
			rc = sl_text_append_char(out, '\n');
		if (!rc)
			rc = append_string(&text, out);
	}
	return rc;
}

int sl_chat_question(const struct sl_openai_request *facts, struct sl_text *out)
{
	struct sl_json_field message, last = {0};
	const char *cursor = NULL;
	size_t begin = out->len;
	int rc;

	if (!is_chat(facts))
		return -ENOENT;
	while (sl_json_each(&facts->prompt_field, &cursor, &message)) {
		struct sl_json_field fields[] = {SL_JSON_FIELD("role"), SL_JSON_FIELD("content")};

		if (message.type == SL_JSON_OBJECT &&
		    !sl_json_scan(message.value, message.value_len, fields, 2) &&
		    sl_json_string_equal(&fields[0], "user", 4))
			last = fields[1];
	}
	rc = append_content(&last, out);
	if (rc)
		return rc;
	if (out->len - begin > SL_CHAT_QUESTION_BYTES_MAX) {
		size_t end = begin + SL_CHAT_QUESTION_BYTES_MAX;

		while (end > begin && ((unsigned char)out->data[end] & 0xc0) == 0x80)
			end--;
		sl_text_truncate(out, end);
	}
	return out->len > begin ? 0 : -ENOENT;
}

int sl_chat_material(const struct sl_openai_request *facts, bool user, struct sl_text *out)
{
	struct sl_json_field message;
	const char *cursor = NULL;
	int rc = 0;

	if (!is_chat(facts))
		return -ENOENT;
	while (!rc && sl_json_each(&facts->prompt_field, &cursor, &message)) {
		struct sl_json_field fields[] = {SL_JSON_FIELD("role"), SL_JSON_FIELD("content")};

		if (message.type != SL_JSON_OBJECT ||
		    sl_json_scan(message.value, message.value_len, fields, 2) ||
		    sl_json_string_equal(&fields[0], "assistant", 9) ||
		    (!user && sl_json_string_equal(&fields[0], "user", 4)))
			continue;
		if (out->len)
			sl_text_append_string(out, "\n\n");
		rc = append_content(&fields[1], out);
	}
	return rc;
}

static bool is_system(const struct sl_json_field *message)
{
	struct sl_json_field role = SL_JSON_FIELD("role");

	return message->type == SL_JSON_OBJECT &&
	       !sl_json_scan(message->value, message->value_len, &role, 1) &&
	       (sl_json_string_equal(&role, "system", 6) ||
		sl_json_string_equal(&role, "developer", 9));
}

int sl_chat_add_system(const struct sl_openai_request *facts, struct sl_span text,
		       struct sl_text *out)
{
	struct sl_json_field message;
	const char *cursor = NULL, *at = NULL;

	if (!is_chat(facts))
		return -ENOENT;
	while (at == NULL && sl_json_each(&facts->prompt_field, &cursor, &message))
		if (!is_system(&message))
			at = message.value;
	if (at == NULL)
		return -ENOENT;
	sl_text_append(out, facts->body, (size_t)(at - facts->body));
	sl_text_append_string(out, "{\"role\":\"system\",\"content\":\"");
	sl_text_append_json(out, text.data, text.len);
	sl_text_append_string(out, "\"},");
	return sl_text_append(out, at, facts->body_len - (size_t)(at - facts->body));
}

bool sl_chat_is_none(const struct sl_json_field *field)
{
	return field->type == SL_JSON_ABSENT || field->type == SL_JSON_NULL ||
	       (field->type == SL_JSON_ARRAY && field->value_len == 2);
}

static bool is_plain(const struct sl_json_field *choice, struct sl_json_field *ret_content)
{
	struct sl_json_field fields[] = {
		SL_JSON_FIELD("finish_reason"),
		SL_JSON_FIELD_IN("message", "content"),
		SL_JSON_FIELD_IN("message", "tool_calls"),
		SL_JSON_FIELD_IN("message", "function_call"),
		SL_JSON_FIELD_IN("message", "refusal"),
	};

	if (choice->type != SL_JSON_OBJECT ||
	    sl_json_scan(choice->value, choice->value_len, fields, 5) ||
	    !sl_json_string_equal(&fields[0], "stop", 4) || fields[1].type != SL_JSON_STRING ||
	    !sl_chat_is_none(&fields[2]) || !sl_chat_is_none(&fields[3]) ||
	    !sl_chat_is_none(&fields[4]))
		return false;
	*ret_content = fields[1];
	return true;
}

bool sl_chat_answer_plain_one(struct sl_span body, struct sl_json_field *ret_content)
{
	struct sl_json_field choices = SL_JSON_FIELD("choices"), choice, more;
	const char *cursor = NULL;

	return sl_json_scan(body.data, body.len, &choices, 1) == 0 &&
	       choices.type == SL_JSON_ARRAY && sl_json_each(&choices, &cursor, &choice) &&
	       !sl_json_each(&choices, &cursor, &more) && is_plain(&choice, ret_content);
}

bool sl_chat_answer_is_plain(struct sl_span body)
{
	struct sl_json_field choices = SL_JSON_FIELD("choices"), choice, content;
	const char *cursor = NULL;
	uint32_t count = 0;

	if (sl_json_scan(body.data, body.len, &choices, 1) || choices.type != SL_JSON_ARRAY)
		return false;
	while (sl_json_each(&choices, &cursor, &choice)) {
		if (!is_plain(&choice, &content))
			return false;
		count++;
	}
	return count > 0;
}

/* False: there is no first choice with a message. */
static bool first_message(struct sl_span body, struct sl_json_field *ret_message)
{
	struct sl_json_field choices = SL_JSON_FIELD("choices"), choice;
	const char *cursor = NULL;

	*ret_message = (struct sl_json_field)SL_JSON_FIELD("message");
	return sl_json_scan(body.data, body.len, &choices, 1) == 0 &&
	       choices.type == SL_JSON_ARRAY && sl_json_each(&choices, &cursor, &choice) &&
	       choice.type == SL_JSON_OBJECT &&
	       sl_json_scan(choice.value, choice.value_len, ret_message, 1) == 0 &&
	       ret_message->type == SL_JSON_OBJECT;
}

bool sl_chat_answer_has_message(struct sl_span body)
{
	struct sl_json_field message;

	return first_message(body, &message);
}

bool sl_chat_answer_text(struct sl_span body, struct sl_text *out)
{
	struct sl_json_field message, content = SL_JSON_FIELD("content");
	struct sl_span text;
	int len;

	if (!first_message(body, &message) ||
	    sl_json_scan(message.value, message.value_len, &content, 1) ||
	    content.type != SL_JSON_STRING || sl_text_reserve(out, content.value_len))
		return false;
	len = sl_json_string(&content, out->data + out->len, out->size - out->len);
	if (len <= 0)
		return false;
	text = sl_span_make(out->data + out->len, (size_t)len);
	while (text.len && strchr(" \t\r\n", text.data[text.len - 1]))
		text.len--;
	if (!text.len) {
		out->data[out->len] = '\0';
		return false;
	}
	out->len += (size_t)len;
	return true;
}
