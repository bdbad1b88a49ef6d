/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_eat.h - strings, numbers and words of a JSON text at a cursor, validated: what json_scan.c and
 * json_tape.c read alike. Nobody else's. Strings, which are most of a prompt, go 16 bytes at a time.
 * RFC 8259, RFC 3629.
 */
#ifndef SL_WIRE_JSON_EAT_H
#define SL_WIRE_JSON_EAT_H

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#ifdef __SSSE3__
#include <tmmintrin.h>
#endif
#include "user/wire/json_plain.h"
#include "user/wire/json_scan.h"

#define SL_JSON_PLAIN_UNTIL_BLOCKS 4 /* loads without a hit, then whole blocks are tried */

struct sl_json_cursor {
	const char *at;
	const char *end;
	int bad;      /* why it was refused */
	bool escaped; /* the last string had a backslash */
};

static inline bool sl_json_refuse(struct sl_json_cursor *s, enum sl_json_bad bad)
{
	s->bad = bad;
	return false;
}

static inline bool sl_json_refuse_here(struct sl_json_cursor *s, enum sl_json_bad bad)
{
	return sl_json_refuse(s, s->at == s->end ? SL_JSON_BAD_CUT : bad);
}

static inline void sl_json_skip_space(struct sl_json_cursor *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* What may stand behind a backslash, \u apart. */
static const bool sl_json_simple_escape[256] = {
	['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
	['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
};

#ifdef __SSSE3__
/*
 * Which bytes of a load are of those in sl_json_simple_escape: the upper half of a byte names a bit, the lower
 * half says which bits it goes with.
 */
static inline unsigned int sl_json_simple_bytes(__m128i v)
{
	const __m128i high = _mm_setr_epi8(0, 0, 1, 0, 0, 2, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0);
	const __m128i low = _mm_setr_epi8(0, 0, 1 | 4 | 8, 0, 8, 0, 4, 0, 0, 0, 0, 0, 2, 0, 4, 1);
	const __m128i half = _mm_set1_epi8(0x0f);
	__m128i both =
		_mm_and_si128(_mm_shuffle_epi8(low, _mm_and_si128(v, half)),
			      _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(v, 4), half)));

	return ~(unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi8(both, _mm_setzero_si128()));
}

/* The hits of a load that are no simple escapes, whole within it. No backslash follows another. */
static inline unsigned int sl_json_hits_left(__m128i v, unsigned int hits, unsigned int slashes)
{
	unsigned int whole = slashes & 0x7fff, escaped = whole << 1;

	return (hits & ~(whole | escaped)) | (escaped & ~sl_json_simple_bytes(v)) >> 1;
}
#endif

/*
 * First byte that needs a closer look: the quote, a control, a byte that is not ASCII, or an escape that is
 * not simple or not within one load. Simple escapes are stepped over, since in source code there is one every
 * few bytes: those of a load at once where no backslash follows another, else by clearing their two bits.
 */
static inline const char *sl_json_skip_plain(const char *at, const char *end, bool *ret_escaped)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	for (int plain = 0; end - at >= 16; at += 16, plain++) {
		if (plain == SL_JSON_PLAIN_UNTIL_BLOCKS) {
			at = sl_json_skip_plain_blocks(at, end);
			plain = 0;
			if (end - at < 16)
				break;
		}
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i slashes = _mm_cmpeq_epi8(v, slash);
		/* signed: both controls and bytes from 0x80 are below a space */
		__m128i hit = _mm_or_si128(_mm_cmplt_epi8(v, space),
					   _mm_or_si128(_mm_cmpeq_epi8(v, quote), slashes));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(hit);

#ifdef __SSSE3__
		if (__builtin_expect(mask && at[__builtin_ctz(mask)] == '\\', 0)) {
			unsigned int slash_mask = (unsigned int)_mm_movemask_epi8(slashes);

			if (!(slash_mask & slash_mask << 1)) {
				mask = sl_json_hits_left(v, mask, slash_mask);
				plain = 0;
				*ret_escaped = true; /* the first hit is a backslash */
				if (mask == 0x8000 && slash_mask & 0x8000)
					at--; /* the next load begins with it */
				else if (mask)
					return at + __builtin_ctz(mask);
				continue;
			}
		}
#endif
		while (mask) {
			unsigned int i = (unsigned int)__builtin_ctz(mask);

			if (at[i] != '\\' || i == 15 ||
			    !sl_json_simple_escape[(unsigned char)at[i + 1]])
				return at + i;
			*ret_escaped = true;
			mask &= ~(3u << i);
			plain = 0;
		}
	}
#else
	(void)ret_escaped;
#endif
	while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* One character of two to four bytes; RFC 3629 section 4. */
static inline bool sl_json_eat_utf8(struct sl_json_cursor *s)
{
	const unsigned char *p = (const unsigned char *)s->at;
	size_t have = (size_t)(s->end - s->at);
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		lo = p[0] == 0xe0 ? 0xa0 : 0x80;
		hi = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		lo = p[0] == 0xf0 ? 0x90 : 0x80;
		hi = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return sl_json_refuse(s, SL_JSON_BAD_UTF8);
	}
	for (size_t i = 1; i < len; i++, lo = 0x80, hi = 0xbf) {
		if (i == have)
			return sl_json_refuse(s, SL_JSON_BAD_CUT);
		if (p[i] < lo || p[i] > hi)
			return sl_json_refuse(s, SL_JSON_BAD_UTF8);
	}
	s->at += len;
	return true;
}

/* The four digits of \uXXXX at *at; -1 when they are no digits, -2 when the text ends. */
static inline int sl_json_hex4(const char *at, const char *end)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char b;

		if (at + i >= end)
			return -2;
		b = at[i];
		if (b >= '0' && b <= '9')
			value = value << 4 | (b - '0');
		else if ((b | 0x20) >= 'a' && (b | 0x20) <= 'f')
			value = value << 4 | ((b | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The cursor is at a backslash before no simple escape. Lone surrogates have no UTF-8 form. */
static inline bool sl_json_eat_unicode_escape(struct sl_json_cursor *s)
{
	int unit;

	if (s->end - s->at < 2)
		return sl_json_refuse(s, SL_JSON_BAD_CUT);
	if (s->at[1] != 'u')
		return sl_json_refuse(s, SL_JSON_BAD_ESCAPE);
	unit = sl_json_hex4(s->at + 2, s->end);
	if (unit >= 0xd800 && unit <= 0xdbff) {
		static const char next[] = "\\u";

		s->at += 6;
		for (int i = 0; i < 2; i++)
			if (s->at + i == s->end || s->at[i] != next[i])
				return sl_json_refuse(s, s->at + i == s->end ? SL_JSON_BAD_CUT
									     : SL_JSON_BAD_ESCAPE);
		unit = sl_json_hex4(s->at + 2, s->end);
		if (unit >= 0 && (unit < 0xdc00 || unit > 0xdfff))
			unit = -1;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		unit = -1;
	}
	if (unit < 0)
		return sl_json_refuse(s, unit == -2 ? SL_JSON_BAD_CUT : SL_JSON_BAD_ESCAPE);
	s->at += 6;
	return true;
}

/* The cursor is behind the opening quote and goes behind the closing one. */
static inline bool sl_json_eat_string(struct sl_json_cursor *s)
{
	s->escaped = false;
	for (;;) {
		s->at = sl_json_skip_plain(s->at, s->end, &s->escaped);
		if (s->at == s->end)
			return sl_json_refuse(s, SL_JSON_BAD_CUT);
		if (*s->at == '"') {
			s->at++;
			return true;
		}
		if (*s->at == '\\') {
			s->escaped = true;
			if (s->end - s->at >= 2 && sl_json_simple_escape[(unsigned char)s->at[1]])
				s->at += 2;
			else if (!sl_json_eat_unicode_escape(s))
				return false;
		} else if ((unsigned char)*s->at < 0x20) {
			return sl_json_refuse(s, SL_JSON_BAD_CONTROL);
		} else {
			do {
				if (!sl_json_eat_utf8(s))
					return false;
			} while (s->at < s->end && (unsigned char)*s->at >= 0x80);
		}
	}
}

static inline bool sl_json_at_digit(const struct sl_json_cursor *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static inline bool sl_json_eat_digits(struct sl_json_cursor *s)
{
	if (!sl_json_at_digit(s))
		return sl_json_refuse_here(s, SL_JSON_BAD_NUMBER);
	while (sl_json_at_digit(s))
		s->at++;
	return true;
}

static inline bool sl_json_eat_number(struct sl_json_cursor *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0') {
		s->at++;
		if (sl_json_at_digit(s))
			return sl_json_refuse(s, SL_JSON_BAD_NUMBER);
	} else if (!sl_json_eat_digits(s)) {
		return false;
	}
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!sl_json_eat_digits(s))
			return false;
	}
	if (s->at < s->end && (*s->at | 0x20) == 'e') {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (!sl_json_eat_digits(s))
			return false;
	}
	return true;
}

static inline bool sl_json_eat_word(struct sl_json_cursor *s, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++, s->at++)
		if (s->at == s->end || *s->at != word[i])
			return sl_json_refuse_here(s, SL_JSON_BAD_SYNTAX);
	return true;
}

/* A value that is no container; false when it is refused. */
static inline bool sl_json_eat_scalar(struct sl_json_cursor *s, enum sl_json_type *ret_type)
{
	switch (*s->at) {
	case '"':
		s->at++;
		*ret_type = SL_JSON_STRING;
		return sl_json_eat_string(s);
	case 't':
		*ret_type = SL_JSON_TRUE;
		return sl_json_eat_word(s, "true", 4);
	case 'f':
		*ret_type = SL_JSON_FALSE;
		return sl_json_eat_word(s, "false", 5);
	case 'n':
		*ret_type = SL_JSON_NULL;
		return sl_json_eat_word(s, "null", 4);
	case '-':
	case '0' ... '9':
		*ret_type = SL_JSON_NUMBER;
		return sl_json_eat_number(s);
	default:
		return sl_json_refuse(s, SL_JSON_BAD_SYNTAX);
	}
}

#endif
