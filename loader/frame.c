/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/frame.h"

#include <wchar.h>

#define CLEAR_ALL   "\033[H\033[2J"
#define CLEAR_BELOW "\033[J"
#define CLEAR_RIGHT "\033[K"
#define PLAIN	    "\033[0m"

void sl_frame_init(struct sl_frame *frame)
{
	*frame = (struct sl_frame){0};
	sl_text_init(&frame->shown, 0);
	sl_text_init(&frame->next, 0);
}

void sl_frame_fini(struct sl_frame *frame)
{
	sl_text_fini(&frame->shown);
	sl_text_fini(&frame->next);
}

void sl_frame_forget(struct sl_frame *frame)
{
	frame->known = false;
}

/* Columns of the character at data, and its bytes: an escape sequence, or bytes that are none, take no place. */
static uint32_t step(struct sl_span rest, size_t *ret_len)
{
	size_t len = sl_text_utf8_len(rest.data, rest.len);
	wchar_t code;
	int width;

	if (rest.data[0] == '\033') {
		*ret_len = sl_span_find(rest, 'm') + 1;
		*ret_len = *ret_len > rest.len ? rest.len : *ret_len;
		return 0;
	}
	*ret_len = len ? len : 1;
	if (len < 2)
		return 1;
	code = (wchar_t)((unsigned char)rest.data[0] & (0xffu >> (len + 1)));
	for (size_t i = 1; i < len; i++)
		code = code << 6 | ((unsigned char)rest.data[i] & 0x3f);
	width = wcwidth(code);
	return width < 0 ? 1 : (uint32_t)width;
}

/* How many bytes of the line fit; *ret_columns is what they take. */
static size_t fit(struct sl_span line, uint32_t columns, uint32_t *ret_columns)
{
	uint32_t used = 0;
	size_t at = 0;

	while (at < line.len) {
		size_t len;
		uint32_t width = step(sl_span_make(line.data + at, line.len - at), &len);

		if (used + width > columns)
			break;
		used += width;
		at += len;
	}
	*ret_columns = used;
	return at;
}

/* The text as rows of the terminal. */
static void lay_out(struct sl_frame *frame, const char *text)
{
	struct sl_span rest = sl_span_string(text);
	uint32_t row = 0, columns;

	sl_text_reset(&frame->next);
	while (rest.len && row < frame->size.rows) {
		bool first = rest.data == text;
		struct sl_span line = sl_span_cut(&rest, '\n');

		do {
			size_t len = fit(line, frame->size.columns, &columns);

			sl_text_append(&frame->next, line.data, len);
			sl_text_append_char(&frame->next, '\n');
			line = sl_span_make(line.data + len, line.len - len);
			row++;
			if (!len)
				break;
		} while (first && line.len && row < frame->size.rows);
	}
}

static void put_row(const struct sl_frame *frame, uint32_t row, struct sl_span line,
		    struct sl_text *out)
{
	uint32_t columns;

	(void)fit(line, frame->size.columns, &columns);
	sl_text_printf(out, "\033[%u;1H", row + 1);
	sl_text_append_span(out, line);
	/* in the last column the cursor still stands on it: to clear from there on would take it away */
	sl_text_append_string(out, columns < frame->size.columns ? PLAIN CLEAR_RIGHT : PLAIN);
}

void sl_frame_change(struct sl_frame *frame, const char *text, struct sl_screen_size size,
		     struct sl_text *out)
{
	struct sl_screen_size wanted = {size.columns ? size.columns : UINT16_MAX,
					size.rows ? size.rows : UINT16_MAX};
	struct sl_span now, before;
	struct sl_text shown;
	uint32_t row = 0;

	frame->known &= frame->size.columns == wanted.columns && frame->size.rows == wanted.rows;
	frame->size = wanted;
	lay_out(frame, text);
	if (!frame->known) {
		sl_text_reset(&frame->shown);
		sl_text_append_string(out, PLAIN CLEAR_ALL);
	}
	now = sl_text_span(&frame->next);
	before = sl_text_span(&frame->shown);
	for (; now.len; row++) {
		bool had = before.len;
		struct sl_span line = sl_span_cut(&now, '\n'), old = sl_span_cut(&before, '\n');

		if (!had || !sl_span_equal(line, old))
			put_row(frame, row, line, out);
	}
	if (before.len)
		sl_text_printf(out, "\033[%u;1H" CLEAR_BELOW, row + 1);
	shown = frame->shown;
	frame->shown = frame->next;
	frame->next = shown;
	frame->known = true;
}
