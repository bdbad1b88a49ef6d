/* A growable byte buffer, for output that is rendered piece by piece.
 *
 * States: data is NULL until the first growth; len <= cap always.
 * Threads: one owner at a time. Costs: one branch a piece; no system call.
 * Running out of memory ends the process: this is a test server, and half an answer would look like
 * a fault that nobody asked for.
 */
#ifndef TESTS_STANDIN_BUF_H
#define TESTS_STANDIN_BUF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sl_buf {
	char *data;
	size_t len;
	size_t cap;
};

/* Makes room for at least `more` bytes after len. */
void sl_buf_grow(struct sl_buf *buf, size_t more);

/* Frees the bytes; the buffer is empty and usable afterwards. */
void sl_buf_free(struct sl_buf *buf);

/* Appends formatted text, of any length. */
__attribute__((format(printf, 2, 3))) void sl_buf_printf(struct sl_buf *buf, const char *format,
							 ...);

/* Appends a decimal number. */
void sl_buf_u64(struct sl_buf *buf, uint64_t value);

/* Returns a place for `more` bytes at the end; the caller adds what it wrote to len. */
static inline char *sl_buf_room(struct sl_buf *buf, size_t more)
{
	if (buf->cap - buf->len < more)
		sl_buf_grow(buf, more);
	return buf->data + buf->len;
}

static inline void sl_buf_put(struct sl_buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(sl_buf_room(buf, len), bytes, len);
	buf->len += len;
}

static inline void sl_buf_str(struct sl_buf *buf, const char *text)
{
	sl_buf_put(buf, text, strlen(text));
}

/* Appends a string literal. */
#define sl_buf_lit(buf, literal) sl_buf_put((buf), "" literal, sizeof(literal) - 1)

/* Drops `len` bytes from the front. */
static inline void sl_buf_drop(struct sl_buf *buf, size_t len)
{
	if (len == 0)
		return;
	buf->len -= len;
	if (buf->len)
		memmove(buf->data, buf->data + len, buf->len);
}

#endif
