/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What whole answers and streams of the Responses API have in common. For responses_answer.c and
 * responses_stream.c alone. Pure.
 */
#ifndef SL_USER_WIRE_RESPONSES_PARTS_H
#define SL_USER_WIRE_RESPONSES_PARTS_H

#include "user/wire/chat_parts.h"
#include "user/wire/responses.h"

/* Why the server stopped, as far as this API tells it. */
enum sl_responses_finish {
	SL_RESPONSES_FINISH_WHOLE = 0,
	SL_RESPONSES_FINISH_LENGTH,
	SL_RESPONSES_FINISH_FILTER,
};

enum sl_responses_item {
	SL_RESPONSES_ITEM_NONE = 0,
	SL_RESPONSES_ITEM_TEXT,
	SL_RESPONSES_ITEM_REFUSAL,
	SL_RESPONSES_ITEM_CALL,
};

/* A response object at one moment. Spans and strings are borrowed. */
struct sl_responses_view {
	const char *hex;
	int64_t created_s;
	struct sl_span model; /* a JSON string */
	struct sl_span echo;
	struct sl_span output; /* items with commas between */
	const char *status;
	enum sl_responses_finish finish;
	struct sl_span error;			/* a JSON object; empty: null */
	const struct sl_responses_usage *usage; /* NULL, or not given: null */
};

void sl_responses_view_put(struct sl_text *out, const struct sl_responses_view *view);

/* The digits of the request's id, which ids of responses and items are made of. */
void sl_responses_hex_of(const char *request_id, char out[SL_RESPONSES_HEX_BYTES]);

/* The id of an item, without quotes. */
void sl_responses_put_item_id(struct sl_text *out, const char *hex, enum sl_responses_item kind,
			      uint32_t index);

/* A content part. inside: its text, the inside of a JSON string. */
void sl_responses_put_part(struct sl_text *out, enum sl_responses_item kind, struct sl_span inside);

/*
 * An item. For a call, call holds its members call_id and name and inside its arguments; else
 * inside is its text, and with status "in_progress" it has no part yet.
 */
void sl_responses_put_item(struct sl_text *out, const char *hex, enum sl_responses_item kind,
			   uint32_t index, struct sl_span call, struct sl_span inside,
			   const char *status);

/* "call_id":...,"name":... of a call; a server that names no id gets one of ours. */
void sl_responses_put_call(struct sl_text *out, const char *hex, const struct sl_json_field *id,
			   const struct sl_json_field *name, uint32_t index);

enum sl_responses_finish sl_responses_finish_read(const struct sl_json_field *reason);

/* The status of a response, and of its last item. */
const char *sl_responses_status_of(enum sl_responses_finish finish);

/* Of a chunk or a whole answer; leaves *usage alone where there is none. */
void sl_responses_usage_read(const char *body, size_t body_len, struct sl_responses_usage *usage);

#endif
