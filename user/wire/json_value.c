/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values of fields that a scan has found and validated, and text on its way into JSON.
 * Pure; any thread. The declarations are in json_scan.h.
 */
#include "user/wire/json_scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NUMBER_BYTES_MAX 63 /* longer numbers are refused as out of range */
#define REPLACEMENT	 "\xef\xbf\xbd"
#define REPLACEMENT_LEN	 3
#define PIECE_BYTES	 16 /* copied at once */
#define BLOCK_BYTES	 64 /* whose backslashes are the bits of a word */

/* What stands behind a backslash and is not \u. */
static const char simple_escape[256] = {
	['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
	['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

static unsigned int hex4(const char *at)
{
	unsigned int value = 0;

	for (int i = 0; i < 4; i++) {
		char b = at[i];

		value = value << 4 | (unsigned int)(b <= '9' ? b - '0' : (b | 0x20) - 'a' + 10);
	}
	return value;
}

static size_t put_utf8(char out[4], uint32_t code)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

/* Decodes the escape at `at`, valid as it was scanned. Returns its length in the text. */
static size_t decode_escape(const char *at, char out[4], size_t *ret_len)
{
	uint32_t code;

	if (at[1] != 'u') {
		out[0] = simple_escape[(unsigned char)at[1]];
		*ret_len = 1;
		return 2;
	}
	code = hex4(at + 2);
	if (code < 0xd800 || code > 0xdbff) {
		*ret_len = put_utf8(out, code);
		return 6;
	}
	code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 8) - 0xdc00);
	*ret_len = put_utf8(out, code);
	return 12;
}

#ifdef __SSE2__
static uint64_t slashes_of(const char *at)
{
	const __m128i slash = _mm_set1_epi8('\\');
	uint64_t mask = 0;

#pragma GCC unroll 4
	for (int i = 0; i < BLOCK_BYTES / PIECE_BYTES; i++) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)at + i);

		mask |= (uint64_t)(unsigned int)_mm_movemask_epi8(_mm_cmpeq_epi8(v, slash))
			<< i * PIECE_BYTES;
	}
	return mask;
}

/* Whole pieces, the last of which may be longer than the run: there is text behind it, and room. */
static void copy_run(char *out, const char *at, size_t run)
{
	for (size_t i = 0; i < run; i += PIECE_BYTES)
		_mm_storeu_si128((__m128i *)(void *)(out + i),
				 _mm_loadu_si128((const __m128i *)(const void *)(at + i)));
}

/*
 * The blocks behind each of which there is another piece: what a word of bits says of a block is worked off
 * without asking the text again, and a run between two escapes, mostly a few bytes, is one piece. Nothing is
 * written that is not read before, so out is at no time ahead of the text.
 */
static const char *decode_blocks(const char *at, const char *end, char **out_at)
{
	char *out = *out_at;

	while (end - at >= BLOCK_BYTES + PIECE_BYTES) {
		uint64_t slashes = slashes_of(at);
		size_t done = 0;

		while (slashes) {
			size_t next = (size_t)__builtin_ctzll(slashes), len;

			copy_run(out, at + done, next - done);
			out += next - done;
			done = next + decode_escape(at + next, out, &len);
			out += len;
			slashes = done < BLOCK_BYTES ? slashes & ~UINT64_C(0) << done : 0;
		}
		if (done < BLOCK_BYTES) {
			copy_run(out, at + done, BLOCK_BYTES - done);
			out += BLOCK_BYTES - done;
			done = BLOCK_BYTES;
		}
		at += done;
	}
	*out_at = out;
	return at;
}
#endif

/* Where there is room for as many bytes as the text has: none is longer decoded. */
static size_t decode(const char *at, const char *end, char *out)
{
	const char *from = out;

#ifdef __SSE2__
	at = decode_blocks(at, end, &out);
#endif
	while (at < end) {
		size_t len;

		if (*at != '\\') {
			*out++ = *at++;
			continue;
		}
		at += decode_escape(at, out, &len);
		out += len;
	}
	return (size_t)(out - from);
}

/* Into less room than the text itself takes. */
static int decode_within(const char *at, const char *end, char *out, size_t out_size)
{
	size_t used = 0;

	while (at < end) {
		size_t run, code_len;
		char code[4];

		for (run = 0; at + run < end && at[run] != '\\'; run++)
			;
		if (run >= out_size - used)
			return -ENOSPC;
		memcpy(out + used, at, run);
		used += run;
		at += run;
		if (at == end)
			break;
		at += decode_escape(at, code, &code_len);
		if (code_len >= out_size - used)
			return -ENOSPC;
		memcpy(out + used, code, code_len);
		used += code_len;
	}
	if (used == out_size)
		return -ENOSPC;
	return (int)used;
}

int sl_json_string(const struct sl_json_field *field, char *out, size_t out_size)
{
	const char *at;
	size_t len;
	int used;

	if (field->type != SL_JSON_STRING)
		return -EINVAL;
	at = field->value + 1;
	len = field->value_len - 2;
	if (len >= out_size) {
		used = field->escaped ? decode_within(at, at + len, out, out_size) : -ENOSPC;
		if (used < 0)
			return used;
	} else if (field->escaped) {
		used = (int)decode(at, at + len, out);
	} else {
		memcpy(out, at, len);
		used = (int)len;
	}
	out[used] = '\0';
	return used;
}

bool sl_json_string_equal(const struct sl_json_field *field, const char *text, size_t text_len)
{
	char decoded[SL_JSON_NAME_BYTES_MAX + 1];
	int len;

	if (field->type != SL_JSON_STRING)
		return false;
	if (!field->escaped)
		return field->value_len == text_len + 2 &&
		       memcmp(field->value + 1, text, text_len) == 0;
	len = sl_json_string(field, decoded, sizeof(decoded));
	return len >= 0 && (size_t)len == text_len && memcmp(decoded, text, text_len) == 0;
}

int sl_json_int(const struct sl_json_field *field, int64_t *ret_value)
{
	const char *at, *end;
	bool negative;
	int64_t value = 0;

	if (field->type != SL_JSON_NUMBER)
		return -EINVAL;
	at = field->value;
	end = at + field->value_len;
	negative = *at == '-';
	for (at += negative; at < end && *at >= '0' && *at <= '9'; at++) {
		int digit = *at - '0';

		/* downwards, since INT64_MIN has no positive counterpart */
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_sub_overflow(value, digit, &value))
			return -ERANGE;
	}
	if (at < end && *at == '.')
		for (at++; at < end && *at == '0'; at++)
			;
	if (at < end)
		return -EINVAL;
	if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int sl_json_double(const struct sl_json_field *field, double *ret_value)
{
	char text[NUMBER_BYTES_MAX + 1];
	double value;

	if (field->type != SL_JSON_NUMBER)
		return -EINVAL;
	if (field->value_len > NUMBER_BYTES_MAX)
		return -ERANGE;
	memcpy(text, field->value, field->value_len);
	text[field->value_len] = '\0';
	value = strtod(text, NULL);
	if (!isfinite(value))
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int sl_json_bool(const struct sl_json_field *field, bool *ret_value)
{
	if (field->type != SL_JSON_TRUE && field->type != SL_JSON_FALSE)
		return -EINVAL;
	*ret_value = field->type == SL_JSON_TRUE;
	return 0;
}

/* Length of the valid UTF-8 character at p, or 0. */
static size_t utf8_len(const unsigned char *p, size_t have)
{
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		lo = p[0] == 0xe0 ? 0xa0 : lo;
		hi = p[0] == 0xed ? 0x9f : hi;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		lo = p[0] == 0xf0 ? 0x90 : lo;
		hi = p[0] == 0xf4 ? 0x8f : hi;
	} else {
		return 0;
	}
	if (have < len || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* The escape of an ASCII byte into out; 0 when it needs none. */
static size_t escape_of(unsigned char b, char out[6])
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *hit;

	if (b >= 0x20 && b != '"' && b != '\\' && b != 0x7f)
		return 0;
	hit = b ? strchr(from, b) : NULL;
	out[0] = '\\';
	if (hit) {
		out[1] = to[hit - from];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = "0123456789abcdef"[b >> 4];
	out[5] = "0123456789abcdef"[b & 15];
	return 6;
}

int sl_json_escape(const char *text, size_t text_len, char *out, size_t out_size)
{
	size_t used = 0;

	for (size_t i = 0; i < text_len;) {
		const char *from = text + i;
		size_t take = utf8_len((const unsigned char *)from, text_len - i);
		size_t put = take;
		char code[6];

		if (take == 0) {
			from = REPLACEMENT;
			put = REPLACEMENT_LEN;
			take = 1;
		} else if (take == 1) {
			size_t code_len = escape_of((unsigned char)*from, code);

			if (code_len) {
				from = code;
				put = code_len;
			}
		}
		if (put > out_size - used)
			return -ENOSPC;
		memcpy(out + used, from, put);
		used += put;
		i += take;
	}
	return (int)used;
}
