/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/chat_gather.h"

#include <stdlib.h>
#include "user/wire/chat_context.h"
#include "user/wire/json_scan.h"

void sl_chat_gather_init(struct sl_chat_gather *gather, size_t bytes_max)
{
	*gather = (struct sl_chat_gather){0};
	sl_text_init(&gather->text, bytes_max);
}

void sl_chat_gather_fini(struct sl_chat_gather *gather)
{
	sl_text_fini(&gather->text);
}

/* False: an answer like this is none. */
static bool read_chunk(struct sl_chat_gather *gather, const char *data, size_t len)
{
	struct sl_json_field choices = SL_JSON_FIELD("choices"), choice;
	struct sl_json_field parts[] = {
		SL_JSON_FIELD_IN("delta", "content"),
		SL_JSON_FIELD_IN("delta", "tool_calls"),
		SL_JSON_FIELD("finish_reason"),
		SL_JSON_FIELD("index"),
	};
	const char *cursor = NULL;

	if (sl_json_scan(data, len, &choices, 1) || choices.type != SL_JSON_ARRAY)
		return false;
	while (sl_json_each(&choices, &cursor, &choice)) {
		if (choice.type != SL_JSON_OBJECT ||
		    sl_json_scan(choice.value, choice.value_len, parts, 4) ||
		    !sl_chat_is_none(&parts[1]) ||
		    (parts[3].value_len && !(parts[3].value_len == 1 && *parts[3].value == '0')))
			return false;
		if (parts[0].type == SL_JSON_STRING)
			sl_text_append(&gather->text, parts[0].value + 1, parts[0].value_len - 2);
		gather->stopped |= sl_json_string_equal(&parts[2], "stop", 4);
	}
	return !gather->text.error;
}

void sl_chat_gather_chunk(struct sl_chat_gather *gather, const char *data, size_t len)
{
	if (!gather->spoilt && !read_chunk(gather, data, len))
		gather->spoilt = true;
}

bool sl_chat_gather_is_whole(const struct sl_chat_gather *gather)
{
	return gather->stopped && !gather->spoilt;
}

char *sl_chat_gather_take(const struct sl_chat_gather *gather, size_t *ret_len)
{
	struct sl_json_field content = {.type = SL_JSON_STRING};
	struct sl_text quoted;
	char *text = NULL;
	int len = -1;

	sl_text_init(&quoted, 0);
	sl_text_append_char(&quoted, '"');
	sl_text_append_span(&quoted, sl_text_span(&gather->text));
	sl_text_append_char(&quoted, '"');
	content.value = sl_text_string(&quoted);
	content.value_len = quoted.len;
	if (!quoted.error)
		text = malloc(quoted.len + 1);
	if (text)
		len = sl_json_string(&content, text, quoted.len + 1);
	sl_text_fini(&quoted);
	if (len <= 0) {
		free(text);
		return NULL;
	}
	*ret_len = (size_t)len;
	return text;
}
