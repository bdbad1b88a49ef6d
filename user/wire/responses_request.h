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

/* Where the translation stands: what an error's path is made of, formatted only for an error. */
struct sl_responses_source {
	struct sl_text *out;
	struct sl_openai_error *error;
	char *param;
	const char *list;  /* "input", "tools", or the path itself */
	long item;	   /* -1: none */
	const char *inner; /* "content" or "output" of the item */
	long part;
};

/* An error about `key` at the present place; "" or NULL: about the place itself. */
enum sl_openai_error_id sl_responses_refuse(struct sl_responses_source *s,
					    enum sl_openai_error_id id, const char *key,
					    const char *expected);

/*
 * Reads an object (valid as part of a scanned text) into fields; others are not looked at, but for
 * strict: then a field that is not among them and not null is refused.
 */
enum sl_openai_error_id sl_responses_object_read(struct sl_responses_source *s,
						 const struct sl_json_field *object,
						 struct sl_json_field *fields, size_t field_count,
						 bool strict);

/* ,"messages":[...] */
enum sl_openai_error_id sl_responses_input_put(struct sl_responses_source *s,
					       const struct sl_json_field *instructions,
					       const struct sl_json_field *input);

/* ,"tools":[...],"tool_choice":...,"parallel_tool_calls":... as far as given. */
enum sl_openai_error_id sl_responses_tools_put(struct sl_responses_source *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice,
					       const struct sl_json_field *parallel);

#endif
