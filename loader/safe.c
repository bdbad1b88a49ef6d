/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/safe.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <wchar.h>

/* A character as it is shown. */
struct glyph {
	char bytes[12]; /* "\\u{10ffff}" at most, NUL-terminated */
	uint32_t columns;
	size_t taken; /* bytes of the source */
};

bool sl_safe_begin(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
	const char *value = NULL;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	for (int i = 0; i < 3 && (!value || !*value); i++)
		value = getenv(names[i]);
	return value && (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

/* Of well-formed UTF-8; by hand, for mbrtowc() would obey whatever locale is set. */
static uint32_t decode(const char *data, size_t len)
{
	const unsigned char *at = (const unsigned char *)data;
	uint32_t code = len == 1 ? at[0] : at[0] & (0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++)
		code = code << 6 | (at[i] & 0x3fu);
	return code;
}

static struct glyph look(struct sl_span span, bool utf8)
{
	size_t len = sl_text_utf8_len(span.data, span.len);
	struct glyph glyph = {.taken = len ? len : 1};
	uint32_t code;
	int width;

	if (!len) {
		snprintf(glyph.bytes, sizeof(glyph.bytes), "\\x%02x", (unsigned char)span.data[0]);
		glyph.columns = 4;
		return glyph;
	}
	code = decode(span.data, len);
	width = code < 0x20 || code == 0x7f ? -1
		: code < 0x80		    ? 1
		: utf8			    ? wcwidth((wchar_t)code)
					    : -1;
	if (code == '\t' || width > 0) {
		snprintf(glyph.bytes, sizeof(glyph.bytes), "%.*s", (int)len,
			 code == '\t' ? " " : span.data);
		glyph.columns = code == '\t' ? 1 : (uint32_t)width;
		return glyph;
	}
	glyph.columns = (uint32_t)snprintf(glyph.bytes, sizeof(glyph.bytes),
					   code < 0x80	    ? "\\x%02x"
					   : code < 0x10000 ? "\\u%04x"
							    : "\\u{%x}",
					   code);
	return glyph;
}

uint32_t sl_safe_append(struct sl_text *text, struct sl_span span, uint32_t columns, bool utf8)
{
	size_t keep_len = text->len; /* up to here a column is left for the sign of a cut */
	uint32_t used = 0, keep = 0;

	for (size_t at = 0; at < span.len;) {
		struct glyph glyph = look(sl_span_make(span.data + at, span.len - at), utf8);

		if (used + glyph.columns > columns) {
			sl_text_truncate(text, keep_len);
			sl_text_append_string(text, columns ? "~" : "");
			return columns ? keep + 1 : 0;
		}
		sl_text_append_string(text, glyph.bytes);
		used += glyph.columns;
		at += glyph.taken;
		if (used < columns) {
			keep_len = text->len;
			keep = used;
		}
	}
	return used;
}

uint32_t sl_safe_width(struct sl_span span, bool utf8)
{
	uint32_t columns = 0;

	for (size_t at = 0; at < span.len;) {
		struct glyph glyph = look(sl_span_make(span.data + at, span.len - at), utf8);

		columns += glyph.columns;
		at += glyph.taken;
	}
	return columns;
}

size_t sl_safe_fit(struct sl_span span, uint32_t columns, bool utf8)
{
	size_t at = 0;

	while (at < span.len) {
		struct glyph glyph = look(sl_span_make(span.data + at, span.len - at), utf8);

		if (glyph.columns > columns)
			break;
		columns -= glyph.columns;
		at += glyph.taken;
	}
	return at;
}

void sl_safe_append_json(struct sl_text *text, struct sl_span json)
{
	for (size_t i = 0, from = 0; i <= json.len; i++) {
		unsigned char byte = i < json.len ? (unsigned char)json.data[i] : 0;
		bool delete = byte == 0x7f;
		bool c1 =
			byte == 0xc2 && i + 1 < json.len && (unsigned char)json.data[i + 1] < 0xa0;
		bool line = byte == '\n' || byte == '\r';

		if (i < json.len && !delete &&!c1 && !line)
			continue;
		sl_text_append(text, json.data + from, i - from);
		if (delete)
			sl_text_append_string(text, "\\u007f");
		else if (c1)
			sl_text_printf(text, "\\u%04x", (unsigned char)json.data[++i]);
		else if (line)
			sl_text_append_char(text,
					    ' '); /* between values: within strings it is escaped */
		from = i + 1;
	}
}
