/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * protobuf.h - the wire format of Protocol Buffers, as much of it as OTLP needs: fields written one behind
 * the other into a text, messages inside messages, and a reader of fields for the short answers.
 *
 * Written here rather than generated: what is sent are some forty fields of eight messages, and neither
 * libprotobuf-c (structs to be filled and freed, a generator at build time) nor nanopb (callbacks for each
 * repeated field) is less to read than these functions. tests/e2e/trace.sh reads it all with OpenTelemetry's own
 * decoder.
 *
 * A message's length goes before it and is known only behind it: sl_protobuf_open() leaves one byte, and
 * sl_protobuf_close() moves the content by one or two more where that is too few. Errors stay in the text
 * (text.h): look once, at the end.
 *
 * Source: https://protobuf.dev/programming-guides/encoding/. Pure; any thread.
 */
#ifndef SL_WIRE_PROTOBUF_H
#define SL_WIRE_PROTOBUF_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

void sl_protobuf_u64(struct sl_text *text, uint32_t field,
		     uint64_t value); /* also of enum and bool */
void sl_protobuf_fixed64(struct sl_text *text, uint32_t field, uint64_t value);
void sl_protobuf_fixed32(struct sl_text *text, uint32_t field, uint32_t value);
void sl_protobuf_double(struct sl_text *text, uint32_t field, double value);
void sl_protobuf_bytes(struct sl_text *text, uint32_t field, const void *data, size_t len);
void sl_protobuf_string(struct sl_text *text, uint32_t field, const char *string);

/* Begins a message; returns its mark, for sl_protobuf_close(). They nest. */
size_t sl_protobuf_open(struct sl_text *text, uint32_t field);
void sl_protobuf_close(struct sl_text *text, size_t mark);

struct sl_protobuf_field {
	uint32_t number;
	uint32_t type;	      /* wire type: 0 a varint, 1 eight bytes, 2 a span, 5 four bytes */
	uint64_t value;	      /* of 0, 1 and 5 */
	struct sl_span bytes; /* of 2, borrowed */
};

/*
 * Takes the first field off *rest. 1: there is one; 0: *rest is empty; -EBADMSG: it is no field (cut, a
 * group, a number that does not fit). Peers' bytes.
 */
int sl_protobuf_next(struct sl_span *rest, struct sl_protobuf_field *ret_field);

#endif
