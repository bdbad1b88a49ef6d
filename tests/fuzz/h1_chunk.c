/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunked bodies: against a slow reader that is written from the grammar, in pieces, and written anew.
 */
#include <ctype.h>
#include "tests/fuzz/fuzz.h"
#include "user/http/h1_chunk.h"
#include "user/http/h1_write.h"

#define CUTS 4

struct body {
	char *data;
	size_t len;
	size_t used; /* of the input, when it ended */
	int verdict; /* MORE, END or a refusal */
};

static int hex_of(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

/* Index behind the CRLF that ends the line at `at`; 0: the input ends first; -1: refused. */
static long line_end(const uint8_t *data, size_t size, size_t at)
{
	for (; at < size; at++) {
		if (data[at] == '\r') {
			if (at + 1 == size)
				return 0;
			return data[at + 1] == '\n' ? (long)at + 2 : -1;
		}
		if ((data[at] < 0x20 && data[at] != '\t') || data[at] == 0x7f)
			return -1;
	}
	return 0;
}

/* Trailer lines and the empty one; the same returns. */
static long trailer_end(const uint8_t *data, size_t size, size_t at)
{
	for (;;) {
		const size_t begin = at;

		if (at == size)
			return 0;
		if (data[at] == '\r')
			return at + 1 == size ? 0 : data[at + 1] == '\n' ? (long)at + 2 : -1;
		while (at < size && data[at] &&
		       (isalnum(data[at]) || strchr("!#$%&'*+-.^_`|~", data[at])))
			at++;
		if (at == size)
			return 0;
		if (data[at] != ':' || at == begin)
			return -1;
		long end = line_end(data, size, at);
		if (end <= 0)
			return end;
		at = (size_t)end;
	}
}

/* RFC 9112 7.1, one rule after the other, with the whole input at hand. */
static void read_slowly(const uint8_t *data, size_t size, struct body *body)
{
	size_t at = 0;

	body->len = 0;
	for (;;) {
		unsigned __int128 length = 0;
		size_t digits = 0;
		long end;

		for (; at < size && hex_of(data[at]) >= 0; at++, digits++)
			length = digits < 16 ? length << 4 | (unsigned)hex_of(data[at]) : length;
		if (digits > 16)
			goto refused;
		if (at == size)
			goto more;
		if (!digits || (data[at] != ';' && data[at] != '\r') || length > INT64_MAX)
			goto refused;
		end = line_end(data, size, at);
		if (end <= 0) {
			if (end < 0)
				goto refused;
			goto more;
		}
		at = (size_t)end;
		if (!length)
			break;
		if (length > size - at) {
			memcpy(body->data + body->len, data + at, size - at);
			body->len += size - at;
			goto more;
		}
		memcpy(body->data + body->len, data + at, (size_t)length);
		body->len += (size_t)length;
		at += (size_t)length;
		if ((at < size && data[at] != '\r') || (at + 1 < size && data[at + 1] != '\n'))
			goto refused;
		if (size - at < 2)
			goto more;
		at += 2;
	}
	long end = trailer_end(data, size, at);
	if (end < 0)
		goto refused;
	body->verdict = end ? SL_H1_CHUNK_END : SL_H1_CHUNK_MORE;
	body->used = (size_t)end;
	return;
more:
	body->verdict = SL_H1_CHUNK_MORE;
	return;
refused:
	body->verdict = -1;
}

/* The decoder, fed in pieces; chance NULL: all at once. */
static void decode(const uint8_t *data, size_t size, struct fuzz_chance *chance, struct body *body)
{
	struct sl_h1_chunk c;
	size_t at = 0;

	sl_h1_chunk_init(&c);
	body->len = body->used = 0;
	body->verdict = SL_H1_CHUNK_MORE;
	while (at < size && body->verdict == SL_H1_CHUNK_MORE) {
		size_t piece = chance ? fuzz_piece(chance, size - at) : size;
		char *copy = fuzz_copy(data + at, piece);
		size_t done = 0;

		while (done < piece && body->verdict == SL_H1_CHUNK_MORE) {
			const char *found;
			size_t used, found_len;
			int rc = sl_h1_chunk_feed(&c, copy + done, piece - done, &used, &found,
						  &found_len);

			if (rc >= 0) {
				CHECK(used <= piece - done);
				CHECK(rc != SL_H1_CHUNK_MORE || used == piece - done);
				CHECK(found >= copy && found + found_len <= copy + piece);
				memcpy(body->data + body->len, found, found_len);
				body->len += found_len;
				done += used;
			}
			body->verdict = rc == SL_H1_CHUNK_DATA ? SL_H1_CHUNK_MORE : rc;
		}
		free(copy);
		at += done;
	}
	body->used = at;
}

/* The same body in chunks of our own. */
static void check_anew(const struct body *body)
{
	char *text = malloc(body->len * (SL_H1_CHUNK_HEAD_MAX + 3) + 8);
	struct fuzz_chance chance = fuzz_chance_of((const uint8_t *)body->data, body->len);
	struct body again = {.data = malloc(body->len + 1)};
	size_t len = 0, at = 0;

	CHECK(text && again.data);
	while (at < body->len) {
		size_t piece = fuzz_piece(&chance, body->len - at);

		len += sl_h1_write_chunk_head(text + len, piece);
		memcpy(text + len, body->data + at, piece);
		len += piece;
		memcpy(text + len, SL_H1_CHUNK_TAIL, 2);
		len += 2;
		at += piece;
	}
	memcpy(text + len, SL_H1_CHUNK_LAST, sizeof(SL_H1_CHUNK_LAST) - 1);
	len += sizeof(SL_H1_CHUNK_LAST) - 1;
	decode((const uint8_t *)text, len, &chance, &again);
	CHECK(again.verdict == SL_H1_CHUNK_END && again.used == len && again.len == body->len);
	CHECK(!memcmp(again.data, body->data, body->len));
	free(again.data);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_chance chance = fuzz_chance_of(data, size);
	struct body slow = {.data = malloc(size + 1)};
	struct body body = {.data = malloc(size + 1)};

	CHECK(slow.data && body.data);
	read_slowly(data, size, &slow);
	for (int i = 0; i < CUTS; i++) {
		decode(data, size, i ? &chance : NULL, &body);
		/* the sums of extensions and trailers are bounded, which the slow reader is not */
		if (body.verdict == -SL_H1_CHUNK_BAD_EXTENSION_LONG ||
		    body.verdict == -SL_H1_CHUNK_BAD_TRAILER_LONG)
			continue;
		CHECK((body.verdict < 0) == (slow.verdict < 0));
		CHECK(body.verdict < 0 || body.verdict == slow.verdict);
		if (body.verdict < 0)
			CHECK(sl_h1_chunk_bad_text((enum sl_h1_chunk_bad) - body.verdict)[0]);
		if (body.verdict >= 0)
			CHECK(slow.len == body.len && !memcmp(slow.data, body.data, body.len));
		if (body.verdict == SL_H1_CHUNK_END)
			CHECK(body.used == slow.used);
	}
	if (body.verdict == SL_H1_CHUNK_END)
		check_anew(&body);
	free(body.data);
	free(slow.data);
	return 0;
}
