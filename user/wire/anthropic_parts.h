/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What whole answers and streams of the Messages API have in common. For anthropic_answer.c and
 * anthropic_stream.c alone. Pure.
 */
#ifndef SL_USER_WIRE_ANTHROPIC_PARTS_H
#define SL_USER_WIRE_ANTHROPIC_PARTS_H

#include "user/wire/anthropic.h"

enum sl_anthropic_finish {
	SL_ANTHROPIC_FINISH_NONE = 0, /* the server gave no reason */
	SL_ANTHROPIC_FINISH_STOP,
	SL_ANTHROPIC_FINISH_SEQUENCE,
	SL_ANTHROPIC_FINISH_LENGTH,
	SL_ANTHROPIC_FINISH_TOOL,
	SL_ANTHROPIC_FINISH_REFUSAL,
};

/* The fields of a choice that say why it ended; names a stop sequence by what servers add. */
enum sl_anthropic_choice_field {
	SL_ANTHROPIC_CHOICE_INDEX,
	SL_ANTHROPIC_CHOICE_FINISH,
	SL_ANTHROPIC_CHOICE_STOP,    /* vLLM */
	SL_ANTHROPIC_CHOICE_MATCHED, /* SGLang */
	SL_ANTHROPIC_CHOICE_BODY,    /* message or delta */
	SL_ANTHROPIC_CHOICE_FIELDS
};

/* body: "message" or "delta". */
#define SL_ANTHROPIC_CHOICE(body)                                              \
	{                                                                      \
		[SL_ANTHROPIC_CHOICE_INDEX] = SL_JSON_FIELD("index"),          \
		[SL_ANTHROPIC_CHOICE_FINISH] = SL_JSON_FIELD("finish_reason"), \
		[SL_ANTHROPIC_CHOICE_STOP] = SL_JSON_FIELD("stop_reason"),     \
		[SL_ANTHROPIC_CHOICE_MATCHED] = SL_JSON_FIELD("matched_stop"), \
		[SL_ANTHROPIC_CHOICE_BODY] = SL_JSON_FIELD(body),              \
	}

/*
 * Finds the first choice of an array (index 0 or absent) and reads its fields. Returns false when
 * there is none.
 */
bool sl_anthropic_choice_read(const struct sl_json_field *choices,
			      struct sl_json_field f[SL_ANTHROPIC_CHOICE_FIELDS]);

/* *ret_sequence: the field that names the stop sequence, NULL unless FINISH_SEQUENCE. */
enum sl_anthropic_finish
sl_anthropic_finish_read(const struct sl_json_field f[SL_ANTHROPIC_CHOICE_FIELDS],
			 const struct sl_json_field **ret_sequence);

/* "end_turn" and so on. Servers that end a tool call with "stop" are put right by tool_seen. */
const char *sl_anthropic_stop_name(enum sl_anthropic_finish finish, bool tool_seen);

/* The id of the message that answers a request: the same digits behind "msg_". */
void sl_anthropic_id_of(const char *request_id, char out[SL_ANTHROPIC_ID_BYTES]);

/* The members of a usage object, braces included. Tokens from the cache are not input_tokens. */
void sl_anthropic_put_usage(struct sl_text *out, const struct sl_openai_usage *usage);

/* A field as it stands in its source. */
static inline void sl_anthropic_put_raw(struct sl_text *out, const struct sl_json_field *field)
{
	sl_text_append(out, field->value, field->value_len);
}

static inline bool sl_anthropic_given(const struct sl_json_field *field)
{
	return field->type != SL_JSON_ABSENT && field->type != SL_JSON_NULL;
}

/* A string with at least one character. */
static inline bool sl_anthropic_filled(const struct sl_json_field *field)
{
	return field->type == SL_JSON_STRING && field->value_len > 2;
}

#endif
