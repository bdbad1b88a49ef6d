/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/otlp.h"

#include <errno.h>
#include <string.h>

/* ExportTraceServiceRequest and ExportMetricsServiceRequest have the same numbers down to the scope. */
#define RESOURCE_X	    1u
#define RESOURCE_X_RESOURCE 1u
#define RESOURCE_X_SCOPE_X  2u
#define SCOPE_X_SCOPE	    1u
#define SCOPE_NAME	    1u
#define SCOPE_X_SPAN	    2u

#define SPAN_TRACE_ID 1u
#define SPAN_ID	      2u
#define SPAN_PARENT   4u
#define SPAN_NAME     5u
#define SPAN_KIND     6u
#define SPAN_START    7u
#define SPAN_END      8u
#define SPAN_EVENT    11u
#define SPAN_LOST     12u
#define SPAN_STATUS   15u
#define SPAN_FLAGS    16u

#define FLAG_KNOWS_REMOTE 0x100u
#define FLAG_REMOTE	  0x200u

#define EVENT_TIME     1u
#define EVENT_NAME     2u
#define STATUS_MESSAGE 2u
#define STATUS_CODE    3u
#define STATUS_ERROR   2u

#define KEY_VALUE_KEY	1u
#define KEY_VALUE_VALUE 2u
#define ANY_STRING	1u
#define ANY_BOOL	2u
#define ANY_INT		3u

static void write_id(struct sl_text *text, uint32_t field, uint64_t high, uint64_t low, size_t len)
{
	uint8_t id[16];

	for (size_t i = 0; i < 8; i++) {
		id[i] = (uint8_t)(high >> (56 - 8 * i));
		id[8 + i] = (uint8_t)(low >> (56 - 8 * i));
	}
	sl_protobuf_bytes(text, field, id + 16 - len, len);
}

/* ---- frame ----------------------------------------------------------------------------------- */

void sl_otlp_begin(struct sl_text *text, struct sl_span resource, struct sl_otlp_marks *ret_marks)
{
	size_t mark;

	ret_marks->resource = sl_protobuf_open(text, RESOURCE_X);
	sl_protobuf_bytes(text, RESOURCE_X_RESOURCE, resource.data, resource.len);
	ret_marks->scope = sl_protobuf_open(text, RESOURCE_X_SCOPE_X);
	mark = sl_protobuf_open(text, SCOPE_X_SCOPE);
	sl_protobuf_string(text, SCOPE_NAME, "sluice");
	sl_protobuf_close(text, mark);
}

void sl_otlp_end(struct sl_text *text, const struct sl_otlp_marks *marks)
{
	sl_protobuf_close(text, marks->scope);
	sl_protobuf_close(text, marks->resource);
}

void sl_otlp_close(struct sl_text *text, size_t mark)
{
	sl_protobuf_close(text, mark);
}

/* ---- spans ----------------------------------------------------------------------------------- */

size_t sl_otlp_span_begin(struct sl_text *text, const struct sl_otlp_span *span)
{
	size_t mark = sl_protobuf_open(text, SCOPE_X_SPAN), status;

	write_id(text, SPAN_TRACE_ID, span->trace->high, span->trace->low, 16);
	write_id(text, SPAN_ID, 0, span->id, 8);
	if (span->parent)
		write_id(text, SPAN_PARENT, 0, span->parent, 8);
	sl_protobuf_string(text, SPAN_NAME, span->name);
	sl_protobuf_u64(text, SPAN_KIND, span->kind);
	sl_protobuf_fixed64(text, SPAN_START, span->start_ns);
	sl_protobuf_fixed64(text, SPAN_END, span->end_ns);
	if (span->events_lost)
		sl_protobuf_u64(text, SPAN_LOST, span->events_lost);
	if (span->error) {
		status = sl_protobuf_open(text, SPAN_STATUS);
		if (span->error[0])
			sl_protobuf_string(text, STATUS_MESSAGE, span->error);
		sl_protobuf_u64(text, STATUS_CODE, STATUS_ERROR);
		sl_protobuf_close(text, status);
	}
	sl_protobuf_fixed32(text, SPAN_FLAGS,
			    span->trace->flags | FLAG_KNOWS_REMOTE |
				    (span->remote ? FLAG_REMOTE : 0));
	return mark;
}

size_t sl_otlp_event_begin(struct sl_text *text, const char *name, uint64_t time_ns)
{
	size_t mark = sl_protobuf_open(text, SPAN_EVENT);

	sl_protobuf_fixed64(text, EVENT_TIME, time_ns);
	sl_protobuf_string(text, EVENT_NAME, name);
	return mark;
}

/* ---- attributes ------------------------------------------------------------------------------ */

/* A proto3 string is UTF-8, or the whole batch is refused. */
static void append_utf8(struct sl_text *text, struct sl_span value)
{
	size_t at = 0;

	while (at < value.len) {
		size_t len = sl_text_utf8_len(value.data + at, value.len - at);

		if (len)
			sl_text_append(text, value.data + at, len);
		else
			sl_text_append_char(text, '?');
		at += len ? len : 1;
	}
}

void sl_otlp_span_string(struct sl_text *text, uint32_t of, struct sl_span key,
			 struct sl_span value)
{
	size_t mark, any, string;

	mark = sl_protobuf_open(text, of);
	string = sl_protobuf_open(text, KEY_VALUE_KEY);
	append_utf8(text, key);
	sl_protobuf_close(text, string);
	any = sl_protobuf_open(text, KEY_VALUE_VALUE);
	string = sl_protobuf_open(text, ANY_STRING);
	append_utf8(text, value);
	sl_protobuf_close(text, string);
	sl_protobuf_close(text, any);
	sl_protobuf_close(text, mark);
}

void sl_otlp_string(struct sl_text *text, uint32_t of, const char *key, const char *value)
{
	if (value && value[0])
		sl_otlp_span_string(text, of, sl_span_string(key), sl_span_string(value));
}

static void varint(struct sl_text *text, uint32_t of, const char *key, uint32_t field,
		   uint64_t value)
{
	size_t mark = sl_protobuf_open(text, of), any;

	sl_protobuf_string(text, KEY_VALUE_KEY, key);
	any = sl_protobuf_open(text, KEY_VALUE_VALUE);
	sl_protobuf_u64(text, field, value);
	sl_protobuf_close(text, any);
	sl_protobuf_close(text, mark);
}

void sl_otlp_int(struct sl_text *text, uint32_t of, const char *key, int64_t value)
{
	varint(text, of, key, ANY_INT, (uint64_t)value);
}

void sl_otlp_bool(struct sl_text *text, uint32_t of, const char *key, bool value)
{
	varint(text, of, key, ANY_BOOL, value);
}

/* ---- answers --------------------------------------------------------------------------------- */

int sl_otlp_read_answer(struct sl_span body, uint64_t *ret_rejected, struct sl_span *ret_why)
{
	struct sl_protobuf_field field, inside;
	struct sl_span partial = SL_SPAN("");
	uint64_t rejected = 0;
	struct sl_span why = SL_SPAN("");
	int rc;

	while ((rc = sl_protobuf_next(&body, &field)) > 0) {
		if (field.number == 1 && field.type != 2)
			return -EBADMSG;
		if (field.number == 1)
			partial = field.bytes;
	}
	if (rc)
		return rc;
	while ((rc = sl_protobuf_next(&partial, &inside)) > 0) {
		if (inside.number == 1 && inside.type == 0)
			rejected = inside.value;
		else if (inside.number == 2 && inside.type == 2)
			why = inside.bytes;
	}
	if (rc)
		return rc;
	*ret_rejected = rejected;
	*ret_why = why;
	return 0;
}
