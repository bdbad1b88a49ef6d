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

/* Where the translation stands: what an error's path is made of, formatted only for an error. */
struct sl_anthropic_source {
	struct sl_text *out;
	struct sl_openai_error *error;
	char *param;
	const char *list; /* "messages", "tools", or the path itself */
	long item;	  /* -1: none */
	long block;
	long inner;
};

/* An error about `key` at the present place; "" or NULL: about the place itself. */
enum sl_openai_error_id sl_anthropic_refuse(struct sl_anthropic_source *s,
					    enum sl_openai_error_id id, const char *key,
					    const char *expected);

/*
 * Reads an object (valid as part of a scanned text) into fields. A field that is not among them and
 * not null is refused; or, with ret_unknown, the first such key is given back (else type ABSENT).
 */
enum sl_openai_error_id sl_anthropic_object_read(struct sl_anthropic_source *s,
						 const struct sl_json_field *object,
						 struct sl_json_field *fields, size_t field_count,
						 struct sl_json_field *ret_unknown);
enum sl_openai_error_id sl_anthropic_unknown_refuse(struct sl_anthropic_source *s,
						    const struct sl_json_field *key);

/* ,"messages":[...], and what a last message of the assistant needs. */
enum sl_openai_error_id sl_anthropic_messages_put(struct sl_anthropic_source *s,
						  const struct sl_json_field *system,
						  const struct sl_json_field *messages);

/* ,"tools":[...],"tool_choice":...,"parallel_tool_calls":false as far as given. */
enum sl_openai_error_id sl_anthropic_tools_put(struct sl_anthropic_source *s,
					       const struct sl_json_field *tools,
					       const struct sl_json_field *choice);

#endif
