/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema_stream.h - can a text that is still coming become what its schema wants?
 *
 * A scanner over the text as it grows, with a frame for each open object and array that knows which
 * subschemas speak of what is in it. It says no as soon as that is certain:
 *
 *   no JSON              at the byte: prose, a fence, a comma too many, what stands behind the value
 *   type, enum, const    by type at the first byte of a value; a string that begins none of them when it does
 *   unknown property     at the end of its name, where additionalProperties is false
 *   too much             the item or property beyond maxItems or maxProperties, a string long beyond maxLength
 *   a scalar             at its end, by all that its schema says (pattern, format, minimum, ...)
 *   an object, an array  at its end, by all that its schema says (required, anyOf, ...), up to
 *                        SL_SCHEMA_STREAM_WHOLE_BYTES; larger ones, and the whole, by sl_schema_check()
 *
 * It never says no to what sl_schema_check() would let pass. Followed down are properties, items, $ref and
 * allOf; alternatives (anyOf, oneOf, if) and patternProperties are looked at when their value ends.
 *
 * Memory: one allocation of 5 KB, whatever the text; the text is the caller's. Some ns a byte; a scalar's
 * end costs a check of it, so a byte is checked once and, within small containers, once for each of these.
 * All checks of a stream together have SL_SCHEMA_STEPS_MAX steps; from there on its values, but not its form,
 * are left to the end.
 */
#ifndef SL_WIRE_SCHEMA_STREAM_H
#define SL_WIRE_SCHEMA_STREAM_H

#include "user/wire/schema.h"

#define SL_SCHEMA_STREAM_WHOLE_BYTES 4096u /* of an object or array that is checked at its end */
#define SL_SCHEMA_STREAM_VIEW_MAX    4u	   /* subschemas of one value that are followed */

struct sl_schema_stream;

/* schema: borrowed, until the stream is freed. NULL without memory. */
struct sl_schema_stream *sl_schema_stream_new(const struct sl_schema *schema);
void sl_schema_stream_free(struct sl_schema_stream **stream);

/*
 * The text has grown to len bytes; it begins as it did before. Returns NULL while it may become valid, else
 * why it cannot (a constant), and the same from then on. scratch: for one value at a time; it is reset, so
 * nothing else may be in it.
 */
const char *sl_schema_stream_feed(struct sl_schema_stream *stream, const char *text, size_t len,
				  struct sl_arena *scratch);

#endif
