/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What whole answers and streams of the Messages API have in common. For anthropic_answer.c and
 * anthropic_stream.c alone. Pure.
 */
#ifndef SL_USER_WIRE_ANTHROPIC_PARTS_H
#define SL_USER_WIRE_ANTHROPIC_PARTS_H

#include "user/wire/anthropic.h"
#include "user/wire/chat_parts.h"

enum sl_anthropic_finish {
	SL_ANTHROPIC_FINISH_NONE = 0, /* the server gave no reason */
	SL_ANTHROPIC_FINISH_STOP,
	SL_ANTHROPIC_FINISH_SEQUENCE,
	SL_ANTHROPIC_FINISH_LENGTH,
	SL_ANTHROPIC_FINISH_TOOL,
	SL_ANTHROPIC_FINISH_REFUSAL,
};

/* *ret_sequence: the field that names the stop sequence, NULL unless FINISH_SEQUENCE. */
enum sl_anthropic_finish
sl_anthropic_finish_read(const struct sl_json_field f[SL_CHAT_CHOICE_FIELDS],
			 const struct sl_json_field **ret_sequence);

/* "end_turn" and so on. Servers that end a tool call with "stop" are put right by tool_seen. */
const char *sl_anthropic_stop_name(enum sl_anthropic_finish finish, bool tool_seen);

/* The id of the message that answers a request: the same digits behind "msg_". */
void sl_anthropic_id_of(const char *request_id, char out[SL_ANTHROPIC_ID_BYTES]);

/* The members of a usage object, braces included. Tokens from the cache are not input_tokens. */
void sl_anthropic_put_usage(struct sl_text *out, const struct sl_openai_usage *usage);

#endif
