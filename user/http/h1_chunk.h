/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Incremental decoder of the chunked transfer coding. Borrows: it hands out ranges of
 * the caller's buffer, copies nothing and keeps 16 bytes of state between buffers.
 *
 * How to use
 *
 *	struct sl_h1_chunk c;
 *	sl_h1_chunk_init(&c);
 *	while (len) {
 *		rc = sl_h1_chunk_feed(&c, buf, len, &used, &data, &data_len);
 *		if (rc < 0) the message is broken: close, never reuse the connection
 *		if (data_len) consume data[0..data_len)
 *		buf += used; len -= used;
 *		if (rc == SL_H1_CHUNK_END) what is left in buf is the next message; stop
 *		if (rc == SL_H1_CHUNK_MORE) break;	all of buf was used
 *	}
 *
 * The body is complete only when END was returned: a peer that closes before it cut
 * the message short.
 *
 * Strict (RFC 9112 7.1): CRLF only, hexadecimal size of at most 16 digits, nothing but
 * ';' or CR after the size, no control bytes. Extensions and trailers are checked,
 * bounded over the whole message, and dropped. Pure; any thread.
 */
#ifndef SL_USER_HTTP_H1_CHUNK_H
#define SL_USER_HTTP_H1_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#define SL_H1_CHUNK_DIGITS_MAX		16
#define SL_H1_CHUNK_EXTENSION_BYTES_MAX (16 * 1024) /* summed over one message */
#define SL_H1_CHUNK_TRAILER_BYTES_MAX	(8 * 1024)  /* summed over one message */

enum sl_h1_chunk_verdict {
	SL_H1_CHUNK_MORE = 0, /* everything was used, the body goes on */
	SL_H1_CHUNK_DATA,     /* data was found, call again for the rest */
	SL_H1_CHUNK_END,      /* the body is complete */
};

/* Why a body was refused; sl_h1_chunk_feed returns the negated value. */
enum sl_h1_chunk_bad {
	SL_H1_CHUNK_BAD_NONE = 0,
	SL_H1_CHUNK_BAD_SIZE,	   /* no digit, or something other than ';' or CR behind them */
	SL_H1_CHUNK_BAD_SIZE_LONG, /* too many digits or above INT64_MAX */
	SL_H1_CHUNK_BAD_LINE_END,
	SL_H1_CHUNK_BAD_EXTENSION,
	SL_H1_CHUNK_BAD_EXTENSION_LONG,
	SL_H1_CHUNK_BAD_DATA_END, /* chunk data not followed by CRLF */
	SL_H1_CHUNK_BAD_TRAILER,
	SL_H1_CHUNK_BAD_TRAILER_LONG,
	SL_H1_CHUNK_BAD_COUNT
};

/* All fields are the decoder's own. */
struct sl_h1_chunk {
	uint64_t left; /* data bytes of the chunk still to come; the size while reading it */
	uint16_t extension_len;
	uint16_t trailer_len;
	uint8_t state;
	uint8_t digits;
	uint8_t bad; /* sticky refusal */
	uint8_t pad;
};

_Static_assert(sizeof(struct sl_h1_chunk) <= 16, "kept per connection");

void sl_h1_chunk_init(struct sl_h1_chunk *c);

/*
 * Decodes buf[0..len) up to the end of the first run of chunk data.
 * ret_used: bytes of buf done with (data included). ret_data, ret_data_len: the run, a
 * range of buf that lives as long as buf; length 0 when there is none.
 * Returns enum sl_h1_chunk_verdict, or -enum sl_h1_chunk_bad (then for ever). With DATA
 * used may equal len. Once END was returned, feed must not be called again before init.
 */
int sl_h1_chunk_feed(struct sl_h1_chunk *c, const char *buf, size_t len, size_t *ret_used,
		     const char **ret_data, size_t *ret_data_len);

/* One line for a log, without a final stop. Takes the positive value. */
const char *sl_h1_chunk_bad_text(enum sl_h1_chunk_bad bad);

#endif
