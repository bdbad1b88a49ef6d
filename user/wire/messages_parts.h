/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the Messages API behind share: of the request for messages_request.c,
 * messages_content.c and messages_tool.c, of the answer for messages_answer.c and
 * messages_stream.c. Pure.
 */
#ifndef SL_USER_WIRE_MESSAGES_PARTS_H
#define SL_USER_WIRE_MESSAGES_PARTS_H

#include "user/wire/chat_parts.h"
#include "user/wire/messages.h"

/* ---- requests -------------------------------------------------------------------------------- */

/* ,"system":[...],"messages":[...]; blanks and empty texts are left out, the API refuses them. */
enum sl_openai_error_id sl_messages_content_put(struct sl_place *s,
						const struct sl_json_field *messages);

/* ,"tools":[...],"tool_choice":{...} as far as given. */
enum sl_openai_error_id sl_messages_tools_put(struct sl_place *s, const struct sl_json_field *tools,
					      const struct sl_json_field *choice,
					      const struct sl_json_field *parallel);

/* ---- answers --------------------------------------------------------------------------------- */

enum sl_messages_finish {
	SL_MESSAGES_FINISH_NONE = 0, /* no reason was given: the message is not over */
	SL_MESSAGES_FINISH_STOP,
	SL_MESSAGES_FINISH_LENGTH,
	SL_MESSAGES_FINISH_TOOL,
	SL_MESSAGES_FINISH_REFUSAL,
};

enum sl_messages_finish sl_messages_finish_read(const struct sl_json_field *reason);

/* "finish_reason":"stop" and, where the server named one, the stop sequence as vLLM tells it. */
void sl_messages_finish_put(struct sl_text *out, enum sl_messages_finish finish,
			    struct sl_span stop_sequence);

/* "usage":{...} of a chat completion; tokens of the cache are prompt tokens there. */
void sl_messages_usage_put(struct sl_text *out, const struct sl_messages_usage *usage);

/* {"error":{...}} in OpenAI's shape. */
void sl_messages_error_put(struct sl_text *out, enum sl_openai_fault fault,
			   const struct sl_json_field *message);

#endif
