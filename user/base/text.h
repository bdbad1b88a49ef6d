/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * text.h - a string that grows up to a stated cap, and spans of bytes that belong to others.
 *
 * A failed append (cap reached, no memory) changes nothing, sets text->error for good and makes
 * every later append fail the same way: chain appends and look once at the end. The bytes are
 * always NUL-terminated. One owner, one thread.
 */
#ifndef SL_BASE_TEXT_H
#define SL_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- spans --------------------------------------------------------------------------------- */

/* Borrowed bytes, not NUL-terminated; alive as long as what they point into. */
struct sl_span {
	const char *data;
	size_t len;
};

/* Of a string literal. */
#define SL_SPAN(literal) ((struct sl_span){"" literal, sizeof(literal) - 1})

static inline struct sl_span sl_span_make(const char *data, size_t len)
{
	return (struct sl_span){data, len};
}

static inline struct sl_span sl_span_string(const char *string)
{
	return (struct sl_span){string, strlen(string)};
}

static inline bool sl_span_equal(struct sl_span a, struct sl_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* ASCII letters compare without case; other bytes as they are (no locale). */
bool sl_span_equal_case(struct sl_span a, struct sl_span b);

bool sl_span_starts(struct sl_span span, struct sl_span prefix);

/* Without the spaces and tabs at both ends. */
struct sl_span sl_span_trim(struct sl_span span);

/* Index of the first such byte, or span.len. */
size_t sl_span_find(struct sl_span span, char byte);

/*
 * Cuts the part before the first separator off *rest and returns it; *rest then starts behind the
 * separator. When there is none, returns all and *rest becomes {NULL, 0}.
 */
struct sl_span sl_span_cut(struct sl_span *rest, char separator);

/* Digits only, the whole span. -EINVAL: empty or other bytes; -ERANGE: over UINT64_MAX. */
int sl_span_u64(struct sl_span span, uint64_t *ret_value);

/* ---- text ---------------------------------------------------------------------------------- */

#define SL_TEXT_CAP_DEFAULT (16u << 20)

struct sl_text {
	char *data; /* NULL while nothing was ever appended; else data[len] == 0 */
	size_t len;
	size_t size; /* bytes allocated, the terminator included */
	size_t cap;  /* largest len */
	int error;   /* 0, -E2BIG (cap) or -ENOMEM; sticky */
	bool fixed;  /* data belongs to the caller */
};

/* Empty, on the heap, at most cap bytes; 0: SL_TEXT_CAP_DEFAULT. */
void sl_text_init(struct sl_text *text, size_t cap);

/* Empty, in memory of size >= 1 bytes that the caller keeps alive; never allocates. */
void sl_text_init_fixed(struct sl_text *text, char *memory, size_t size);

/* Frees the memory; the text is empty and usable again. Idempotent. */
void sl_text_fini(struct sl_text *text);

/* Empty and without error; keeps the memory. */
void sl_text_reset(struct sl_text *text);

/* Shortens to len (<= text->len). */
void sl_text_truncate(struct sl_text *text, size_t len);

/* Writes the text to a file and waits until it is on the disk. Returns 0 or -errno. */
int sl_text_write(const struct sl_text *text, int fd);

/* Makes room for `more` bytes, which sl_text_append then cannot fail to add. */
int sl_text_reserve(struct sl_text *text, size_t more);

/* The bytes, NUL-terminated; "" when empty. Alive until the next change. */
static inline const char *sl_text_string(const struct sl_text *text)
{
	return text->data != NULL ? text->data : "";
}

static inline struct sl_span sl_text_span(const struct sl_text *text)
{
	return (struct sl_span){sl_text_string(text), text->len};
}

/* Moves the malloc'ed, NUL-terminated bytes out (caller frees); NULL on an earlier error or no
 * memory. The text is empty afterwards. Not for fixed texts. */
char *sl_text_take(struct sl_text *text);

/* All appends: 0, or text->error (-E2BIG, -ENOMEM). */
int sl_text_append(struct sl_text *text, const void *data, size_t len);
int sl_text_append_string(struct sl_text *text, const char *string);
int sl_text_append_span(struct sl_text *text, struct sl_span span);
int sl_text_append_char(struct sl_text *text, char byte);
int sl_text_append_fill(struct sl_text *text, char byte, size_t count);

/* Decimal, without printf's cost: about 10 ns a number. */
int sl_text_append_u64(struct sl_text *text, uint64_t value);
int sl_text_append_i64(struct sl_text *text, int64_t value);

/* value / 10^digits as a plain decimal: (1500, 3) -> "1.5", (20, 1) -> "2". digits <= 18. */
int sl_text_append_scaled(struct sl_text *text, uint64_t value, unsigned digits);

/*
 * The inside of a JSON string (RFC 8259 section 7), without the quotes. Bytes that are not UTF-8
 * become U+FFFD, so that the output is always valid JSON. sl_text_append_json_string adds quotes.
 */
int sl_text_append_json(struct sl_text *text, const char *data, size_t len);
int sl_text_append_json_string(struct sl_text *text, const char *string);

__attribute__((format(printf, 2, 3))) int sl_text_printf(struct sl_text *text, const char *format,
							 ...);
__attribute__((format(printf, 2, 0))) int sl_text_vprintf(struct sl_text *text, const char *format,
							  va_list args);

/*
 * Length in bytes of the well-formed UTF-8 character (Unicode 15, table 3-7) at data, 0 when there
 * is none within len bytes.
 */
size_t sl_text_utf8_len(const char *data, size_t len);

#endif
