/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of HTTP/1.x heads: finds the start line and the header fields and refuses
 * what is not exactly RFC 9112 with CRLF line ends. What values mean is h1_facts.c's part.
 *
 * A cursor walks the input once. Each step returns true to go on, or false with cursor.rc
 * set: 0 when the input ended (partial), negative when it is refused. Before every read the
 * cursor is compared with the end; 16-byte loads only happen where 16 bytes remain.
 *
 * Pure; any thread. About 200 ns for a request with ten headers.
 */
#include "user/http/h1_parse.h"

#include <string.h>

#include "user/http/h1_facts.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define VERSION_LEN	8  /* "HTTP/1.1" */
#define STATUS_LINE_MIN 12 /* "HTTP/1.1 200" */

struct cursor {
	const char *at;
	const char *end;
	int rc;
};

enum class_bit {
	CLASS_TOKEN = 1,  /* RFC 9110 tchar */
	CLASS_TARGET = 2, /* RFC 3986 characters, without '#' */
};

#define BOTH (CLASS_TOKEN | CLASS_TARGET)

/* clang-format off */
static const uint8_t classes[256] = {
	['0' ... '9'] = BOTH, ['A' ... 'Z'] = BOTH, ['a' ... 'z'] = BOTH,
	['-'] = BOTH, ['.'] = BOTH, ['_'] = BOTH, ['~'] = BOTH, ['!'] = BOTH, ['$'] = BOTH,
	['%'] = BOTH, ['&'] = BOTH, ['\''] = BOTH, ['*'] = BOTH, ['+'] = BOTH,
	['#'] = CLASS_TOKEN, ['^'] = CLASS_TOKEN, ['`'] = CLASS_TOKEN, ['|'] = CLASS_TOKEN,
	['('] = CLASS_TARGET, [')'] = CLASS_TARGET, [','] = CLASS_TARGET, [';'] = CLASS_TARGET,
	['='] = CLASS_TARGET, [':'] = CLASS_TARGET, ['@'] = CLASS_TARGET, ['/'] = CLASS_TARGET,
	['?'] = CLASS_TARGET, ['['] = CLASS_TARGET, [']'] = CLASS_TARGET,
};
/* clang-format on */

static inline bool partial(struct cursor *c)
{
	c->rc = 0;
	return false;
}

static inline bool refuse(struct cursor *c, enum sl_h1_bad bad)
{
	c->rc = -(int)bad;
	return false;
}

static inline bool is_blank(char b)
{
	return b == ' ' || b == '\t';
}

/* First byte that is a control other than tab, or end. */
static inline const char *skip_text(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i top = _mm_set1_epi8(0x1f);
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7f);

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, top), v);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low),
					   _mm_cmpeq_epi8(v, del));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(bad);

		if (mask)
			return at + __builtin_ctz(mask);
	}
#endif
	for (; at < end; at++) {
		unsigned char b = (unsigned char)*at;

		if ((b < 0x20 && b != '\t') || b == 0x7f)
			break;
	}
	return at;
}

#ifdef __SSE2__
/* 0xff where lo <= v <= hi, for bounds below 0x80; bytes from 0x80 are negative: never. */
static inline __m128i in_range(__m128i v, char lo, char hi)
{
	return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(lo - 1))),
			     _mm_cmpgt_epi8(_mm_set1_epi8((char)(hi + 1)), v));
}
#endif

/* First byte that is no token character, or end. Letters, digits and '-' go 16 at a time. */
static inline const char *skip_token(const char *at, const char *end)
{
#ifdef __SSE2__
	while (end - at >= 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i ok = in_range(_mm_or_si128(v, _mm_set1_epi8(0x20)), 'a', 'z');
		unsigned int mask;

		ok = _mm_or_si128(ok, in_range(v, '0', '9'));
		ok = _mm_or_si128(ok, _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
		mask = (unsigned int)_mm_movemask_epi8(ok) ^ 0xffff;
		if (!mask) {
			at += 16;
			continue;
		}
		at += __builtin_ctz(mask);
		if (!(classes[(unsigned char)*at] & CLASS_TOKEN))
			return at;
		at++;
	}
#endif
	while (at < end && (classes[(unsigned char)*at] & CLASS_TOKEN))
		at++;
	return at;
}

/* The cursor stands where a line must end. */
static inline bool eat_line_end(struct cursor *c, enum sl_h1_bad otherwise)
{
	if (c->at == c->end)
		return partial(c);
	if (*c->at == '\n')
		return refuse(c, SL_H1_BAD_LINE_END);
	if (*c->at != '\r')
		return refuse(c, otherwise);
	if (c->end - c->at < 2)
		return partial(c);
	if (c->at[1] != '\n')
		return refuse(c, SL_H1_BAD_LINE_END);
	c->at += 2;
	return true;
}

/* "HTTP/1.x" at the cursor; any other digits are a version that we do not speak. */
static bool eat_version(struct cursor *c, struct sl_h1_head *head)
{
	static const char shape[VERSION_LEN + 1] = "HTTP/d.d";
	const char *at = c->at;

	for (int i = 0; i < VERSION_LEN; i++) {
		bool ok;

		if (at + i == c->end)
			return partial(c);
		ok = shape[i] == 'd' ? at[i] >= '0' && at[i] <= '9' : at[i] == shape[i];
		if (!ok)
			return refuse(c, at[i] == '\n' ? SL_H1_BAD_LINE_END : SL_H1_BAD_VERSION);
	}
	if (at[5] != '1' || at[7] > '1')
		return refuse(c, SL_H1_BAD_VERSION_UNSUPPORTED);
	head->minor = (uint8_t)(at[7] - '0');
	c->at += VERSION_LEN;
	return true;
}

static enum sl_h1_method method_of(const char *name, size_t len)
{
	static const struct {
		char name[8];
		uint8_t len;
		uint8_t method;
	} methods[] = {
		{"GET", 3, SL_H1_METHOD_GET},	    {"POST", 4, SL_H1_METHOD_POST},
		{"HEAD", 4, SL_H1_METHOD_HEAD},	    {"PUT", 3, SL_H1_METHOD_PUT},
		{"DELETE", 6, SL_H1_METHOD_DELETE}, {"OPTIONS", 7, SL_H1_METHOD_OPTIONS},
		{"PATCH", 5, SL_H1_METHOD_PATCH},   {"TRACE", 5, SL_H1_METHOD_TRACE},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (methods[i].len == len && memcmp(methods[i].name, name, len) == 0)
			return methods[i].method;
	return SL_H1_METHOD_OTHER;
}

static bool eat_method(struct cursor *c, struct sl_h1_head *head)
{
	const char *begin = c->at;

	while (c->at < c->end && *c->at != ' ') {
		char b = *c->at;

		if (!((b >= 'A' && b <= 'Z') || (c->at > begin && (b == '-' || b == '_'))) ||
		    c->at - begin >= SL_H1_METHOD_BYTES_MAX)
			return refuse(c, b == '\n' ? SL_H1_BAD_LINE_END : SL_H1_BAD_METHOD);
		c->at++;
	}
	if (c->at == c->end)
		return partial(c);
	if (c->at == begin)
		return refuse(c, SL_H1_BAD_METHOD);
	head->method_text = begin;
	head->method_len = (uint32_t)(c->at - begin);
	head->method = (uint8_t)method_of(begin, head->method_len);
	c->at++;
	return true;
}

/* Called behind the method PRI: the whole first line of the preface, or no preface. */
static bool refuse_preface(struct cursor *c)
{
	static const char rest[] = "* HTTP/2.0\r\n";
	size_t have = (size_t)(c->end - c->at);
	size_t len = sizeof(rest) - 1;

	if (memcmp(c->at, rest, have < len ? have : len) != 0)
		return true;
	return have < len ? partial(c) : refuse(c, SL_H1_BAD_HTTP2_PREFACE);
}

static bool eat_target(struct cursor *c, struct sl_h1_head *head)
{
	const char *begin = c->at;
	const char *stop = c->end - begin > SL_H1_TARGET_BYTES_MAX + 1
				   ? begin + SL_H1_TARGET_BYTES_MAX + 1
				   : c->end;

	while (c->at < stop && (classes[(unsigned char)*c->at] & CLASS_TARGET))
		c->at++;
	if (c->at - begin > SL_H1_TARGET_BYTES_MAX)
		return refuse(c, SL_H1_BAD_TARGET_LONG);
	if (c->at == c->end)
		return partial(c);
	if (*c->at == '\n')
		return refuse(c, SL_H1_BAD_LINE_END);
	if (*c->at == '\r') /* HTTP/0.9, or a target cut short */
		return refuse(c, SL_H1_BAD_VERSION);
	if (*c->at != ' ' || c->at == begin)
		return refuse(c, SL_H1_BAD_TARGET);
	head->target = begin;
	head->target_len = (uint32_t)(c->at - begin);
	c->at++;
	return true;
}

static bool eat_request_line(struct cursor *c, struct sl_h1_head *head)
{
	int rc;

	if (!eat_method(c, head))
		return false;
	if (head->method_len == 3 && memcmp(head->method_text, "PRI", 3) == 0 && !refuse_preface(c))
		return false;
	if (head->method_len == 7 && memcmp(head->method_text, "CONNECT", 7) == 0)
		return refuse(c, SL_H1_BAD_METHOD_CONNECT);
	if (!eat_target(c, head))
		return false;
	rc = sl_h1_facts_target(head);
	if (rc < 0)
		return refuse(c, (enum sl_h1_bad) - rc);
	return eat_version(c, head) && eat_line_end(c, SL_H1_BAD_VERSION);
}

/* "HTTP/1.1 200 reason"; the blank before an empty reason is often forgotten: allowed. */
static bool eat_status_line(struct cursor *c, struct sl_h1_head *head)
{
	int status = 0;

	if (!eat_version(c, head))
		return false;
	for (int i = 0; i < STATUS_LINE_MIN - VERSION_LEN; i++, c->at++) {
		if (c->at == c->end)
			return partial(c);
		if (*c->at == '\n')
			return refuse(c, SL_H1_BAD_LINE_END);
		if (i == 0 ? *c->at != ' ' : *c->at < '0' || *c->at > '9')
			return refuse(c, SL_H1_BAD_STATUS_LINE);
		if (i > 0)
			status = status * 10 + (*c->at - '0');
	}
	if (status < 100 || status > 599)
		return refuse(c, SL_H1_BAD_STATUS_LINE);
	head->status = (uint16_t)status;
	if (c->at == c->end)
		return partial(c);
	if (*c->at == ' ') {
		head->reason = ++c->at;
		c->at = skip_text(c->at, c->end);
		head->reason_len = (uint32_t)(c->at - head->reason);
		return eat_line_end(c, SL_H1_BAD_CONTROL);
	}
	return eat_line_end(c, SL_H1_BAD_STATUS_LINE);
}

static bool eat_name(struct cursor *c, struct sl_h1_header *h)
{
	const char *begin = c->at;

	c->at = skip_token(begin, c->end);
	if (c->at == c->end)
		return partial(c);
	if (*c->at == ':' && c->at > begin) {
		h->name = begin;
		h->name_len = (uint16_t)(c->at - begin);
		c->at++;
		return true;
	}
	if (is_blank(*c->at))
		return refuse(c, c->at == begin ? SL_H1_BAD_FOLD : SL_H1_BAD_HEADER_SPACE);
	if (*c->at == '\n')
		return refuse(c, SL_H1_BAD_LINE_END);
	if (*c->at == '\r')
		return refuse(c, SL_H1_BAD_HEADER_NAME);
	if ((unsigned char)*c->at < 0x20 || *c->at == 0x7f)
		return refuse(c, SL_H1_BAD_CONTROL);
	return refuse(c, SL_H1_BAD_HEADER_NAME);
}

static bool eat_value(struct cursor *c, struct sl_h1_header *h)
{
	const char *last;

	while (c->at < c->end && is_blank(*c->at))
		c->at++;
	h->value = c->at;
	last = c->at = skip_text(c->at, c->end);
	if (!eat_line_end(c, SL_H1_BAD_CONTROL))
		return false;
	while (last > h->value && is_blank(last[-1]))
		last--;
	h->value_len = (uint32_t)(last - h->value);
	return true;
}

/* All header lines and the empty line. */
static bool eat_headers(struct cursor *c, struct sl_h1_facts *f)
{
	struct sl_h1_head *head = f->head;

	for (;;) {
		struct sl_h1_header *h;
		int rc;

		if (c->at == c->end)
			return partial(c);
		if (*c->at == '\r')
			return eat_line_end(c, SL_H1_BAD_LINE_END);
		if (head->header_count == SL_H1_HEADERS_MAX)
			return refuse(c, SL_H1_BAD_HEADERS_MANY);
		h = &head->headers[head->header_count];
		if (!eat_name(c, h) || !eat_value(c, h))
			return false;
		rc = sl_h1_facts_take(f, head->header_count++);
		if (rc < 0)
			return refuse(c, (enum sl_h1_bad) - rc);
	}
}

/*
 * With bytes [0..scanned) known to hold no complete head and no lone LF: is it worth
 * parsing again? Yes when the empty line, or a lone LF to be refused, has come.
 */
static bool worth_parsing(const char *buf, size_t len, size_t scanned)
{
	size_t i = scanned;

	while (i < len) {
		const char *lf = memchr(buf + i, '\n', len - i);

		if (!lf)
			return false;
		i = (size_t)(lf - buf);
		if (i == 0 || buf[i - 1] != '\r')
			return true;
		if (i == 1 || buf[i - 2] == '\n')
			return true;
		i++;
	}
	return false;
}

static int parse(const char *buf, size_t len, size_t scanned, size_t head_bytes_max,
		 struct sl_h1_facts *f)
{
	struct sl_h1_head *head = f->head;
	struct cursor c = {.at = buf, .end = buf + (len < head_bytes_max ? len : head_bytes_max)};
	bool ok = true;

	if (scanned > 2 && scanned < len && len < head_bytes_max &&
	    !worth_parsing(buf, len, scanned))
		return 0;
	memset(head, 0, offsetof(struct sl_h1_head, headers));
	head->content_length = -1;
	head->retry_after_ms = SL_H1_RETRY_AFTER_NONE;
	f->retry_after_s = SL_H1_RETRY_AFTER_NONE;
	if (f->request && len && *buf == '\r')
		ok = eat_line_end(&c, SL_H1_BAD_LINE_END);
	ok = ok && (f->request ? eat_request_line(&c, head) : eat_status_line(&c, head));
	ok = ok && eat_headers(&c, f);
	if (!ok)
		return c.rc == 0 && len >= head_bytes_max ? -SL_H1_BAD_HEAD_LONG : c.rc;
	c.rc = f->request ? sl_h1_facts_finish_request(f) : sl_h1_facts_finish_response(f);
	return c.rc < 0 ? c.rc : (int)(c.at - buf);
}

int sl_h1_parse_request(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head)
{
	struct sl_h1_facts f = {.head = ret_head, .request = true};

	return parse(buf, len, scanned, SL_H1_REQUEST_HEAD_BYTES_MAX, &f);
}

int sl_h1_parse_response(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head)
{
	struct sl_h1_facts f = {.head = ret_head};

	return parse(buf, len, scanned, SL_H1_RESPONSE_HEAD_BYTES_MAX, &f);
}

const struct sl_h1_header *sl_h1_head_find_name(const struct sl_h1_head *head, const char *name,
						size_t name_len)
{
	for (uint32_t i = 0; i < head->header_count; i++)
		if (head->headers[i].name_len == name_len &&
		    sl_h1_text_equal(head->headers[i].name, name, name_len))
			return &head->headers[i];
	return NULL;
}
