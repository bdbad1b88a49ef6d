/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of a request's translation share. For responses_request.c, responses_input.c and
 * responses_tool.c alone. Pure.
 *
 * Functions return SL_OPENAI_OK or the id of an error that they have written to s->error.
 */
#ifndef SL_USER_WIRE_RESPONSES_REQUEST_H
#define SL_USER_WIRE_RESPONSES_REQUEST_H

#include "user/wire/chat_parts.h"
#include "user/wire/responses.h"
#include "user/wire/place.h"

/* ,"messages":[...] */
enum sl_openai_error_id sl_responses_input_put(struct sl_place *s,
					       const struct sl_json_field *instructions,
					       const struct sl_json_field *input);

/* ,"tools":[...],"tool_choice":...,"parallel_tool_calls":... as far as given. */
enum sl_openai_error_id sl_responses_tools_put(struct sl_place *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice,
					       const struct sl_json_field *parallel);

#endif
