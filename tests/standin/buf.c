/* See buf.h. Growth doubles, from 4 KB. */
#include "tests/standin/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_CAP_MIN = 4096 };

void sl_buf_grow(struct sl_buf *buf, size_t more)
{
	size_t cap = buf->cap ? buf->cap : BUF_CAP_MIN;

	while (cap - buf->len < more)
		cap *= 2;
	buf->data = realloc(buf->data, cap);
	if (!buf->data) {
		fprintf(stderr, "standin: out of memory for a buffer of %zu bytes\n", cap);
		abort();
	}
	buf->cap = cap;
}

void sl_buf_free(struct sl_buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void sl_buf_printf(struct sl_buf *buf, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return;
	char *room = sl_buf_room(buf, (size_t)len + 1);
	va_start(args, format);
	vsnprintf(room, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

void sl_buf_u64(struct sl_buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	sl_buf_put(buf, digits + at, sizeof(digits) - at);
}
