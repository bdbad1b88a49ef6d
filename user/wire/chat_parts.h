/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What those who translate chat completions have in common: the first choice, and single fields
 * that are copied as they stand. Pure but for sl_text; any thread.
 */
#ifndef SL_USER_WIRE_CHAT_PARTS_H
#define SL_USER_WIRE_CHAT_PARTS_H

#include <stdbool.h>

#include "user/base/text.h"
#include "user/wire/json_scan.h"

/* The fields of a choice that say what it is and why it ended. */
enum sl_chat_choice_field {
	SL_CHAT_CHOICE_INDEX,
	SL_CHAT_CHOICE_FINISH,
	SL_CHAT_CHOICE_STOP,	/* vLLM */
	SL_CHAT_CHOICE_MATCHED, /* SGLang */
	SL_CHAT_CHOICE_BODY,	/* message or delta */
	SL_CHAT_CHOICE_FIELDS
};

/* body: "message" or "delta". */
#define SL_CHAT_CHOICE(body)                                              \
	{                                                                 \
		[SL_CHAT_CHOICE_INDEX] = SL_JSON_FIELD("index"),          \
		[SL_CHAT_CHOICE_FINISH] = SL_JSON_FIELD("finish_reason"), \
		[SL_CHAT_CHOICE_STOP] = SL_JSON_FIELD("stop_reason"),     \
		[SL_CHAT_CHOICE_MATCHED] = SL_JSON_FIELD("matched_stop"), \
		[SL_CHAT_CHOICE_BODY] = SL_JSON_FIELD(body),              \
	}

/*
 * Finds the first choice of an array (index 0 or absent) and reads its fields. Returns false when
 * there is none.
 */
bool sl_chat_choice_read(const struct sl_json_field *choices,
			 struct sl_json_field f[SL_CHAT_CHOICE_FIELDS]);

/* FNV-1a of a call's id: tells whether two are the same, nothing more. 0: there is none. */
uint32_t sl_chat_id_hash(const struct sl_json_field *id);

/* A field as it stands in its source. */
static inline void sl_chat_put_raw(struct sl_text *out, const struct sl_json_field *field)
{
	sl_text_append(out, field->value, field->value_len);
}

/* The inside of a string as it stands: pieces of JSON strings may be put together freely. */
static inline void sl_chat_put_inside(struct sl_text *out, const struct sl_json_field *string)
{
	sl_text_append(out, string->value + 1, string->value_len - 2);
}

static inline bool sl_chat_given(const struct sl_json_field *field)
{
	return field->type != SL_JSON_ABSENT && field->type != SL_JSON_NULL;
}

/* A string with at least one character. */
static inline bool sl_chat_filled(const struct sl_json_field *field)
{
	return field->type == SL_JSON_STRING && field->value_len > 2;
}

#endif
