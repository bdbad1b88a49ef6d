/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TEXT_SIZE_MIN 64u
#define U64_DIGITS    20u

/* ---- spans --------------------------------------------------------------------------------- */

static char lower(char byte)
{
	return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

bool sl_span_equal_case(struct sl_span a, struct sl_span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

bool sl_span_starts(struct sl_span span, struct sl_span prefix)
{
	return span.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(span.data, prefix.data, prefix.len) == 0);
}

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

struct sl_span sl_span_trim(struct sl_span span)
{
	while (span.len > 0 && is_blank(span.data[0])) {
		span.data++;
		span.len--;
	}
	while (span.len > 0 && is_blank(span.data[span.len - 1]))
		span.len--;
	return span;
}

size_t sl_span_find(struct sl_span span, char byte)
{
	const char *at = span.len > 0 ? memchr(span.data, byte, span.len) : NULL;

	return at != NULL ? (size_t)(at - span.data) : span.len;
}

struct sl_span sl_span_cut(struct sl_span *rest, char separator)
{
	size_t at = sl_span_find(*rest, separator);
	struct sl_span head = {rest->data, at};

	if (at == rest->len) {
		*rest = (struct sl_span){NULL, 0};
	} else {
		rest->data += at + 1;
		rest->len -= at + 1;
	}
	return head;
}

int sl_span_u64(struct sl_span span, uint64_t *ret_value)
{
	uint64_t value = 0;

	if (span.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < span.len; i++)
		if (span.data[i] < '0' || span.data[i] > '9')
			return -EINVAL;
	for (size_t i = 0; i < span.len; i++) {
		if (__builtin_mul_overflow(value, 10u, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(span.data[i] - '0'), &value))
			return -ERANGE;
	}
	*ret_value = value;
	return 0;
}

/* ---- text ---------------------------------------------------------------------------------- */

void sl_text_init(struct sl_text *text, size_t cap)
{
	*text = (struct sl_text){.cap = cap != 0 ? cap : SL_TEXT_CAP_DEFAULT};
}

void sl_text_init_fixed(struct sl_text *text, char *memory, size_t size)
{
	*text = (struct sl_text){.data = memory, .size = size, .cap = size - 1, .fixed = true};
	memory[0] = '\0';
}

void sl_text_fini(struct sl_text *text)
{
	if (text->fixed) {
		sl_text_reset(text);
		return;
	}
	free(text->data);
	*text = (struct sl_text){.cap = text->cap};
}

void sl_text_reset(struct sl_text *text)
{
	text->error = 0;
	sl_text_truncate(text, 0);
}

void sl_text_truncate(struct sl_text *text, size_t len)
{
	if (len > text->len)
		len = text->len;
	text->len = len;
	if (text->data != NULL)
		text->data[len] = '\0';
}

int sl_text_reserve(struct sl_text *text, size_t more)
{
	size_t size;
	char *data;

	if (text->error != 0)
		return text->error;
	if (more > text->cap - text->len)
		return text->error = -E2BIG;
	if (text->data != NULL && text->len + more < text->size)
		return 0;
	size = text->size < TEXT_SIZE_MIN ? TEXT_SIZE_MIN : text->size + text->size / 2;
	if (size > text->cap)
		size = text->cap + 1;
	if (size < text->len + more + 1)
		size = text->len + more + 1;
	data = realloc(text->data, size);
	if (data == NULL)
		return text->error = -ENOMEM;
	data[text->len] = '\0';
	text->data = data;
	text->size = size;
	return 0;
}

char *sl_text_take(struct sl_text *text)
{
	char *data;

	if (text->fixed || text->error != 0 || sl_text_reserve(text, 0) != 0)
		return NULL;
	data = text->data;
	*text = (struct sl_text){.cap = text->cap};
	return data;
}

int sl_text_append(struct sl_text *text, const void *data, size_t len)
{
	int rc = sl_text_reserve(text, len);

	if (rc != 0)
		return rc;
	if (len > 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
	return 0;
}

int sl_text_append_string(struct sl_text *text, const char *string)
{
	return sl_text_append(text, string, strlen(string));
}

int sl_text_append_span(struct sl_text *text, struct sl_span span)
{
	return sl_text_append(text, span.data, span.len);
}

int sl_text_append_char(struct sl_text *text, char byte)
{
	return sl_text_append(text, &byte, 1);
}

int sl_text_append_fill(struct sl_text *text, char byte, size_t count)
{
	int rc = sl_text_reserve(text, count);

	if (rc != 0)
		return rc;
	memset(text->data + text->len, byte, count);
	text->len += count;
	text->data[text->len] = '\0';
	return 0;
}

/* Digits end at digits[U64_DIGITS]; returns the index of the first. */
static size_t write_digits(char digits[U64_DIGITS], uint64_t value)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";
	size_t at = U64_DIGITS;

	while (value >= 100) {
		at -= 2;
		memcpy(digits + at, pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		at -= 2;
		memcpy(digits + at, pairs + value * 2, 2);
	} else {
		digits[--at] = (char)('0' + value);
	}
	return at;
}

int sl_text_append_u64(struct sl_text *text, uint64_t value)
{
	char digits[U64_DIGITS];
	size_t at = write_digits(digits, value);

	return sl_text_append(text, digits + at, U64_DIGITS - at);
}

int sl_text_append_i64(struct sl_text *text, int64_t value)
{
	char digits[U64_DIGITS + 1];
	size_t at;

	if (value >= 0)
		return sl_text_append_u64(text, (uint64_t)value);
	at = write_digits(digits + 1, 0 - (uint64_t)value);
	digits[at] = '-';
	return sl_text_append(text, digits + at, U64_DIGITS + 1 - at);
}

int sl_text_append_scaled(struct sl_text *text, uint64_t value, unsigned digits)
{
	char fraction[U64_DIGITS + 2];
	uint64_t scale = 1;
	size_t len;

	for (unsigned i = 0; i < digits; i++)
		scale *= 10;
	sl_text_append_u64(text, value / scale);
	if (value % scale == 0)
		return text->error;
	/* The leading 1 keeps the zeros behind the point; it becomes the point. */
	len = (size_t)snprintf(fraction, sizeof(fraction), "%llu",
			       (unsigned long long)(scale + value % scale));
	fraction[0] = '.';
	while (fraction[len - 1] == '0')
		len--;
	return sl_text_append(text, fraction, len);
}

size_t sl_text_utf8_len(const char *data, size_t len)
{
	const unsigned char *p = (const unsigned char *)data;
	unsigned char low = 0x80;
	unsigned char high = 0xbf;
	size_t need;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	need = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (len < need || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

/* The escape of one byte below 0x20, or of a quote or backslash. */
static void append_escape(struct sl_text *text, unsigned char byte)
{
	static const char names[] = "\b\t\n\f\r\"\\";
	static const char letters[] = "btnfr\"\\";
	static const char hex[] = "0123456789abcdef";
	const char *at = byte != 0 ? strchr(names, byte) : NULL;
	char escape[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

	if (at != NULL) {
		escape[1] = letters[at - names];
		sl_text_append(text, escape, 2);
	} else {
		sl_text_append(text, escape, sizeof(escape));
	}
}

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes of which none is a quote, a backslash, below 0x20 or above 0x7f. */
static bool is_plain_word(const char *data)
{
	uint64_t word, quote, slash;

	memcpy(&word, data, sizeof(word));
	quote = word ^ EACH_BYTE('"');
	slash = word ^ EACH_BYTE('\\');
	return !((word | (word - EACH_BYTE(0x20)) | ((quote - EACH_BYTE(1)) & ~quote) |
		  ((slash - EACH_BYTE(1)) & ~slash)) &
		 EACH_BYTE(0x80));
}

int sl_text_append_json(struct sl_text *text, const char *data, size_t len)
{
	size_t start = 0;
	size_t at = 0;

	while (at < len) {
		unsigned char byte;
		size_t step;

		while (len - at >= 8 && is_plain_word(data + at))
			at += 8;
		if (at == len)
			break;
		byte = (unsigned char)data[at];
		if (byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
			at++;
			continue;
		}
		step = byte >= 0x80 ? sl_text_utf8_len(data + at, len - at) : 0;
		if (step > 0) {
			at += step;
			continue;
		}
		sl_text_append(text, data + start, at - start);
		if (byte >= 0x80)
			sl_text_append(text, "\xef\xbf\xbd", 3);
		else
			append_escape(text, byte);
		start = ++at;
	}
	return sl_text_append(text, data + start, len - start);
}

int sl_text_append_json_string(struct sl_text *text, const char *string)
{
	sl_text_append_char(text, '"');
	sl_text_append_json(text, string, strlen(string));
	return sl_text_append_char(text, '"');
}

int sl_text_vprintf(struct sl_text *text, const char *format, va_list args)
{
	va_list again;
	int len;
	int rc;

	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (len < 0)
		return text->error != 0 ? text->error : (text->error = -ENOMEM);
	rc = sl_text_reserve(text, (size_t)len);
	if (rc != 0)
		return rc;
	vsnprintf(text->data + text->len, (size_t)len + 1, format, args);
	text->len += (size_t)len;
	return 0;
}

int sl_text_printf(struct sl_text *text, const char *format, ...)
{
	va_list args;
	int rc;

	va_start(args, format);
	rc = sl_text_vprintf(text, format, args);
	va_end(args);
	return rc;
}

/* ---- files ----------------------------------------------------------------------------------- */

int sl_text_write(const struct sl_text *text, int fd)
{
	size_t done = 0;

	while (done < text->len) {
		ssize_t put = write(fd, text->data + done, text->len - done);

		if (put < 0 && errno != EINTR)
			return -errno;
		done += put > 0 ? (size_t)put : 0;
	}
	return fsync(fd) != 0 ? -errno : 0;
}
