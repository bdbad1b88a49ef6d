/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Heads, written field by field into the caller's buffer. Nothing but tables lives here.
 * Pure; any thread. About 10 ns a field.
 */
#include "user/http/h1_write.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Fields that a relay never passes on: ours to write, or meant for the next hop only. */
#define NEVER_COPIED                                                                    \
	(SL_H1_ID_BIT(SL_H1_ID_HOST) | SL_H1_ID_BIT(SL_H1_ID_CONTENT_LENGTH) |          \
	 SL_H1_ID_BIT(SL_H1_ID_TRANSFER_ENCODING) | SL_H1_ID_BIT(SL_H1_ID_CONNECTION) | \
	 SL_H1_ID_BIT(SL_H1_ID_KEEP_ALIVE) | SL_H1_ID_BIT(SL_H1_ID_PROXY) |             \
	 SL_H1_ID_BIT(SL_H1_ID_TE) | SL_H1_ID_BIT(SL_H1_ID_TRAILER) |                   \
	 SL_H1_ID_BIT(SL_H1_ID_UPGRADE) | SL_H1_ID_BIT(SL_H1_ID_HTTP2_SETTINGS) |       \
	 SL_H1_ID_BIT(SL_H1_ID_EXPECT))

#define STATUS_MIN 100
#define STATUS_MAX 999

static const char digit_pairs[201] = "00010203040506070809101112131415161718192021222324"
				     "25262728293031323334353637383940414243444546474849"
				     "50515253545556575859606162636465666768697071727374"
				     "75767778798081828384858687888990919293949596979899";

/* IANA's registered reasons, and 499 as servers log it. */
const char *sl_h1_status_text(int status)
{
	static const char *const texts[STATUS_MAX + 1] = {
		[100] = "Continue",
		[101] = "Switching Protocols",
		[200] = "OK",
		[201] = "Created",
		[202] = "Accepted",
		[204] = "No Content",
		[206] = "Partial Content",
		[301] = "Moved Permanently",
		[302] = "Found",
		[303] = "See Other",
		[304] = "Not Modified",
		[307] = "Temporary Redirect",
		[308] = "Permanent Redirect",
		[400] = "Bad Request",
		[401] = "Unauthorized",
		[402] = "Payment Required",
		[403] = "Forbidden",
		[404] = "Not Found",
		[405] = "Method Not Allowed",
		[406] = "Not Acceptable",
		[408] = "Request Timeout",
		[409] = "Conflict",
		[410] = "Gone",
		[411] = "Length Required",
		[412] = "Precondition Failed",
		[413] = "Content Too Large",
		[414] = "URI Too Long",
		[415] = "Unsupported Media Type",
		[417] = "Expectation Failed",
		[421] = "Misdirected Request",
		[422] = "Unprocessable Content",
		[424] = "Failed Dependency",
		[425] = "Too Early",
		[426] = "Upgrade Required",
		[428] = "Precondition Required",
		[429] = "Too Many Requests",
		[431] = "Request Header Fields Too Large",
		[451] = "Unavailable For Legal Reasons",
		[499] = "Client Closed Request",
		[500] = "Internal Server Error",
		[501] = "Not Implemented",
		[502] = "Bad Gateway",
		[503] = "Service Unavailable",
		[504] = "Gateway Timeout",
		[505] = "HTTP Version Not Supported",
		[507] = "Insufficient Storage",
		[529] = "Site Is Overloaded",
	};

	if (status < STATUS_MIN || status > STATUS_MAX || !texts[status])
		return "";
	return texts[status];
}

size_t sl_h1_format_u64(char out[SL_H1_U64_TEXT_MAX], uint64_t value)
{
	char text[SL_H1_U64_TEXT_MAX];
	size_t at = sizeof(text);
	size_t len;

	while (value >= 100) {
		memcpy(text + (at -= 2), digit_pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10)
		memcpy(text + (at -= 2), digit_pairs + value * 2, 2);
	else
		text[--at] = (char)('0' + value);
	len = sizeof(text) - at;
	memcpy(out, text + at, len);
	return len;
}

size_t sl_h1_write_chunk_head(char out[SL_H1_CHUNK_HEAD_MAX], uint64_t size)
{
	size_t digits, i;

	assert(size > 0); /* a chunk of 0 would end the body */
	digits = (size_t)(64 - __builtin_clzll(size) + 3) / 4;
	for (i = digits; i-- > 0; size >>= 4)
		out[i] = "0123456789abcdef"[size & 15];
	out[digits] = '\r';
	out[digits + 1] = '\n';
	return digits + 2;
}

/* Room for len more bytes, or NULL with the error set. */
static inline char *reserve(struct sl_h1_out *o, size_t len)
{
	char *at = o->at;

	if (o->error)
		return NULL;
	if (len > (size_t)(o->end - at)) {
		o->error = -ENOSPC;
		return NULL;
	}
	o->at = at + len;
	return at;
}

static inline char *put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}

static bool has_control(const char *text, size_t len)
{
	unsigned int found = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char b = (unsigned char)text[i];

		found |= (b < 0x20 && b != '\t') || b == 0x7f;
	}
	return found;
}

void sl_h1_write_lines(struct sl_h1_out *o, const char *lines, size_t lines_len)
{
	char *at = reserve(o, lines_len);

	if (at && lines_len)
		put(at, lines, lines_len);
}

void sl_h1_write_request_line(struct sl_h1_out *o, const char *method, size_t method_len,
			      const char *target, size_t target_len)
{
	static const char version[] = " HTTP/1.1\r\n";
	char *at = reserve(o, method_len + 1 + target_len + sizeof(version) - 1);

	if (!at)
		return;
	at = put(at, method, method_len);
	*at++ = ' ';
	at = put(at, target, target_len);
	put(at, version, sizeof(version) - 1);
}

void sl_h1_write_status_line(struct sl_h1_out *o, int status)
{
	static const char version[] = "HTTP/1.1 ";
	const char *reason = sl_h1_status_text(status);
	size_t reason_len = strlen(reason);
	char *at;

	assert(status >= STATUS_MIN && status <= STATUS_MAX);
	at = reserve(o, sizeof(version) - 1 + 4 + reason_len + 2);
	if (!at)
		return;
	at = put(at, version, sizeof(version) - 1);
	*at++ = (char)('0' + status / 100);
	at = put(at, digit_pairs + status % 100 * 2, 2);
	*at++ = ' ';
	at = put(at, reason, reason_len);
	put(at, "\r\n", 2);
}

/* A field whose bytes are known to be clean. */
static inline void copy_header(struct sl_h1_out *o, const char *name, size_t name_len,
			       const char *value, size_t value_len)
{
	char *at = reserve(o, name_len + value_len + 4);

	if (!at)
		return;
	at = put(at, name, name_len);
	at = put(at, ": ", 2);
	at = put(at, value, value_len);
	put(at, "\r\n", 2);
}

void sl_h1_write_header(struct sl_h1_out *o, const char *name, size_t name_len, const char *value,
			size_t value_len)
{
	if (has_control(value, value_len)) {
		o->error = o->error ? o->error : -EINVAL;
		return;
	}
	copy_header(o, name, name_len, value, value_len);
}

void sl_h1_write_header_u64(struct sl_h1_out *o, const char *name, size_t name_len, uint64_t value)
{
	char text[SL_H1_U64_TEXT_MAX];

	copy_header(o, name, name_len, text, sl_h1_format_u64(text, value));
}

void sl_h1_write_content_length(struct sl_h1_out *o, uint64_t body_len)
{
	SL_H1_WRITE_HEADER_U64(o, "content-length", body_len);
}

void sl_h1_write_chunked(struct sl_h1_out *o)
{
	static const char line[] = "transfer-encoding: chunked\r\n";

	sl_h1_write_lines(o, line, sizeof(line) - 1);
}

void sl_h1_write_connection(struct sl_h1_out *o, bool keep_alive)
{
	static const char keep[] = "connection: keep-alive\r\n";
	static const char close[] = "connection: close\r\n";

	if (keep_alive)
		sl_h1_write_lines(o, keep, sizeof(keep) - 1);
	else
		sl_h1_write_lines(o, close, sizeof(close) - 1);
}

/* Is the field an element of this Connection value? The parser has checked its grammar. */
static bool listed(const struct sl_h1_header *connection, const struct sl_h1_header *h)
{
	const char *at = connection->value;
	const char *end = at + connection->value_len;

	while (at < end) {
		const char *comma = memchr(at, ',', (size_t)(end - at));
		const char *stop = comma ? comma : end;
		size_t len;

		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		len = (size_t)(stop - at);
		while (len && (at[len - 1] == ' ' || at[len - 1] == '\t'))
			len--;
		if (len == h->name_len && sl_h1_text_equal(at, h->name, len))
			return true;
		if (!comma)
			break;
		at = comma + 1;
	}
	return false;
}

/* The rare head whose Connection names fields: is this one of them? */
static bool named_by_connection(const struct sl_h1_head *head, const struct sl_h1_header *h)
{
	for (uint32_t i = 0; i < head->header_count; i++)
		if (head->headers[i].id == SL_H1_ID_CONNECTION && listed(&head->headers[i], h))
			return true;
	return false;
}

void sl_h1_write_headers_of(struct sl_h1_out *o, const struct sl_h1_head *head, uint64_t drop_ids)
{
	uint64_t drop = NEVER_COPIED | drop_ids;

	for (uint32_t i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *h = &head->headers[i];

		if (drop & SL_H1_ID_BIT(h->id))
			continue;
		if (head->connection_names && named_by_connection(head, h))
			continue;
		copy_header(o, h->name, h->name_len, h->value, h->value_len);
	}
}

int sl_h1_write_end(struct sl_h1_out *o)
{
	sl_h1_write_lines(o, "\r\n", 2);
	return o->error ? o->error : (int)(o->at - o->begin);
}
