/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * otlp.h - OpenTelemetry's export format (OTLP 1.x, protobuf over HTTP): spans, their attributes and
 * events, the resource that sends them, and what a collector answers.
 *
 *	sl_otlp_begin(text, resource, marks)
 *		for each: mark = sl_otlp_span_begin(text, &span) ... attributes, events ... sl_otlp_close()
 *	sl_otlp_end(text, marks)
 *
 * Source: opentelemetry-proto 1.7, trace.proto and common.proto. Errors stay in the text. Pure.
 */
#ifndef SL_WIRE_OTLP_H
#define SL_WIRE_OTLP_H

#include "user/base/trace_context.h"
#include "user/wire/protobuf.h"

enum sl_otlp_signal { SL_OTLP_TRACES = 0, SL_OTLP_METRICS, SL_OTLP_SIGNALS };

enum sl_otlp_kind {
	SL_OTLP_INTERNAL = 1,
	SL_OTLP_SERVER = 2,
	SL_OTLP_CLIENT = 3,
};

/* What an attribute belongs to: the number of its field there. */
#define SL_OTLP_OF_SPAN	    9u
#define SL_OTLP_OF_EVENT    3u
#define SL_OTLP_OF_RESOURCE 1u
#define SL_OTLP_OF_NUMBER   7u /* a point of a counter or gauge */
#define SL_OTLP_OF_BUCKETS  9u /* of a histogram */

struct sl_otlp_span {
	const struct sl_trace_context *trace;
	uint64_t id;
	uint64_t parent; /* 0: none */
	bool remote;	 /* the parent is another process's */
	const char *name;
	enum sl_otlp_kind kind;
	uint64_t start_ns, end_ns; /* Unix time */
	uint32_t events_lost;
	const char *error; /* what failed, for people; NULL: status is not set */
};

struct sl_otlp_marks {
	size_t resource, scope;
};

/* resource: whole attributes (SL_OTLP_OF_RESOURCE), as a span of bytes. */
void sl_otlp_begin(struct sl_text *text, struct sl_span resource, struct sl_otlp_marks *ret_marks);
void sl_otlp_end(struct sl_text *text, const struct sl_otlp_marks *marks);

size_t sl_otlp_span_begin(struct sl_text *text, const struct sl_otlp_span *span);
size_t sl_otlp_event_begin(struct sl_text *text, const char *name, uint64_t time_ns);
void sl_otlp_close(struct sl_text *text, size_t mark);

/* value NULL or "": nothing is written. Bytes that are not UTF-8 become '?'. */
void sl_otlp_string(struct sl_text *text, uint32_t of, const char *key, const char *value);
void sl_otlp_span_string(struct sl_text *text, uint32_t of, struct sl_span key,
			 struct sl_span value);
void sl_otlp_int(struct sl_text *text, uint32_t of, const char *key, int64_t value);
void sl_otlp_bool(struct sl_text *text, uint32_t of, const char *key, bool value);

/* A collector's answer of status 200: 0, or -EBADMSG when it is none. rejected: of what was sent; why is
 * borrowed from the body. */
int sl_otlp_read_answer(struct sl_span body, uint64_t *ret_rejected, struct sl_span *ret_why);

#endif
