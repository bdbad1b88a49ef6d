/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a request's translation share. For anthropic_request.c, anthropic_message.c and
 * anthropic_tool.c alone. Pure.
 *
 * Functions return SL_OPENAI_OK or the id of an error that they have written to s->error.
 */
#ifndef SL_USER_WIRE_ANTHROPIC_REQUEST_H
#define SL_USER_WIRE_ANTHROPIC_REQUEST_H

#include "user/wire/anthropic.h"
#include "user/wire/anthropic_parts.h"
#include "user/wire/place.h"

/* ,"messages":[...], and what a last message of the assistant needs. */
enum sl_openai_error_id sl_anthropic_messages_put(struct sl_place *s,
						  const struct sl_json_field *system,
						  const struct sl_json_field *messages);

/* ,"tools":[...],"tool_choice":...,"parallel_tool_calls":false as far as given. */
enum sl_openai_error_id sl_anthropic_tools_put(struct sl_place *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice);

#endif
