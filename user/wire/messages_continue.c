/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/messages_continue.h"

#include <errno.h>
#include "user/wire/json_scan.h"

enum field {
	MAX_TOKENS = 0,
	MESSAGES,
	THINKING,
	THINKING_TYPE,
	OUTPUT_CONFIG,
	OUTPUT_CONFIG_FORMAT,
	OUTPUT_FORMAT,
	FIELDS
};

#define NUMBER_BYTES 24
#define EDITS	     2
#define PIECES	     (3 * EDITS + 1)

static bool is_given(const struct sl_json_field *f)
{
	return f->type > SL_JSON_NULL;
}

/* The assistant has the last word, or nobody has one. */
static bool answer_begun(const struct sl_json_field *messages)
{
	struct sl_json_field message, last = {0}, role = SL_JSON_FIELD("role");
	const char *cursor = NULL;

	while (sl_json_each(messages, &cursor, &message))
		last = message;
	return last.type != SL_JSON_OBJECT ||
	       sl_json_scan(last.value, last.value_len, &role, 1) != 0 ||
	       !sl_json_string_equal(&role, "user", 4);
}

static bool may(const char *body, size_t body_len, struct sl_json_field f[FIELDS])
{
	f[MAX_TOKENS] = (struct sl_json_field)SL_JSON_FIELD("max_tokens");
	f[MESSAGES] = (struct sl_json_field)SL_JSON_FIELD("messages");
	f[THINKING] = (struct sl_json_field)SL_JSON_FIELD("thinking");
	f[THINKING_TYPE] = (struct sl_json_field)SL_JSON_FIELD_IN("thinking", "type");
	f[OUTPUT_CONFIG] = (struct sl_json_field)SL_JSON_FIELD("output_config");
	f[OUTPUT_CONFIG_FORMAT] = (struct sl_json_field)SL_JSON_FIELD_IN("output_config", "format");
	f[OUTPUT_FORMAT] = (struct sl_json_field)SL_JSON_FIELD("output_format");
	if (sl_json_scan(body, body_len, f, FIELDS) || f[MESSAGES].type != SL_JSON_ARRAY)
		return false;
	if (is_given(&f[THINKING]) && !sl_json_string_equal(&f[THINKING_TYPE], "disabled", 8))
		return false;
	if (is_given(&f[OUTPUT_CONFIG_FORMAT]) || is_given(&f[OUTPUT_FORMAT]))
		return false;
	return !answer_begun(&f[MESSAGES]);
}

bool sl_messages_continue_may(const char *body, size_t body_len)
{
	struct sl_json_field f[FIELDS];

	return may(body, body_len, f);
}

int sl_messages_continue_write(const char *body, size_t body_len,
			       const struct sl_messages_continue *how, struct sl_text *out)
{
	struct sl_json_field f[FIELDS];
	struct sl_json_piece pieces[PIECES];
	struct sl_json_edit edits[EDITS];
	char room[NUMBER_BYTES];
	struct sl_text number, message;
	int64_t bound;
	int i, count, rc;

	if (!how->text_len || !may(body, body_len, f) || sl_json_int(&f[MAX_TOKENS], &bound) ||
	    bound < 0 || (uint64_t)bound <= how->tokens)
		return -ENOTSUP;
	sl_text_init_fixed(&number, room, sizeof(room));
	sl_text_append_u64(&number, (uint64_t)bound - how->tokens);
	sl_text_init(&message, 0);
	sl_text_append_string(&message, ",{\"role\":\"assistant\",\"content\":\"");
	sl_text_append_json(&message, how->text, how->text_len);
	sl_text_append_string(&message, "\"}");
	edits[0] = sl_json_edit_replace(body, &f[MAX_TOKENS], room, number.len);
	edits[1] = (struct sl_json_edit){
		.at = (size_t)(f[MESSAGES].value - body) + f[MESSAGES].value_len - 1,
		.text = sl_text_string(&message),
		.text_len = message.len,
	};
	sl_json_edit_sort(edits, EDITS);
	count = sl_json_edit_pieces(body, body_len, edits, EDITS, pieces, PIECES);
	for (i = 0; i < count && !message.error; i++)
		sl_text_append(out, pieces[i].data, pieces[i].len);
	rc = count < 0 ? count : message.error ? message.error : out->error;
	sl_text_fini(&message);
	return rc;
}
