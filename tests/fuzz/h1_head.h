/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers of requests and responses share: cuts, and how a lenient reader frames a head. */
#ifndef SL_TESTS_FUZZ_H1_HEAD_H
#define SL_TESTS_FUZZ_H1_HEAD_H

#include <strings.h>
#include "tests/fuzz/fuzz.h"
#include "user/http/h1_parse.h"
#include "user/http/h1_write.h"

typedef int h1_parse_fn(const char *buf, size_t len, size_t scanned, struct sl_h1_head *ret_head);

#define H1_CUTS 4 /* ways in which each input is cut */

/* Arrives in pieces, each time in fresh memory, as a buffer that grows would move it. */
static inline int h1_in_pieces(h1_parse_fn *parse, const uint8_t *data, size_t size,
			       struct fuzz_chance *chance, size_t *ret_seen)
{
	static struct sl_h1_head head;
	size_t seen = 0;
	size_t scanned = 0;
	int rc = 0;

	while (!rc && seen < size) {
		char *copy;

		seen += fuzz_piece(chance, size - seen);
		copy = fuzz_copy(data, seen);
		rc = parse(copy, seen, scanned, &head);
		free(copy);
		scanned = seen;
	}
	*ret_seen = seen;
	return rc;
}

/* The verdict is that of the whole; a refusal may wait for the end of the head. */
static inline void h1_check_pieces(h1_parse_fn *parse, const uint8_t *data, size_t size, int whole)
{
	struct fuzz_chance chance = fuzz_chance_of(data, size);

	for (int i = 0; i < H1_CUTS; i++) {
		size_t seen;
		int rc = h1_in_pieces(parse, data, size, &chance, &seen);

		if (rc == 0 && whole < 0) {
			static struct sl_h1_head head;
			char *ended = malloc(size + 4);

			CHECK(ended);
			memcpy(ended, data, size);
			memcpy(ended + size, "\r\n\r\n", 4);
			rc = parse(ended, size + 4, size, &head);
			free(ended);
		}
		CHECK(rc == whole);
	}
}

/* Is the name, blanks and controls apart, the one that is meant? */
static inline int h1_name_like(const char *line, size_t len, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < len && line[i] != ':'; i++) {
		if ((unsigned char)line[i] <= ' ' || line[i] == 0x7f)
			continue;
		if (strncasecmp(line + i, name + n, 1) != 0 || !name[n])
			return 0;
		n++;
	}
	return !name[n] && memchr(line, ':', len) != NULL;
}

/*
 * What the most lenient reader would take for lines of framing: any LF ends a line, blanks and
 * controls in a name do not count. It must see no more of them than we do.
 */
static inline void h1_check_lenient(const struct sl_h1_head *head, const char *buf, size_t len)
{
	size_t lengths = 0, codings = 0;
	const char *at = buf, *end = buf + len;

	for (const char *b = buf; b < end; b++) {
		CHECK(*b != '\n' || (b > buf && b[-1] == '\r'));
		CHECK(*b != '\r' || (b + 1 < end && b[1] == '\n'));
		CHECK(*b);
	}
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop ? stop : end;
		lengths += (size_t)h1_name_like(at, (size_t)(stop - at), "content-length");
		codings += (size_t)h1_name_like(at, (size_t)(stop - at), "transfer-encoding");
		at = stop < end ? stop + 1 : end;
	}
	CHECK(lengths == (head->content_length >= 0));
	CHECK(codings <= 1 && lengths + codings <= 1);
	CHECK(!codings == !(head->present & SL_H1_ID_BIT(SL_H1_ID_TRANSFER_ENCODING)));
	for (uint32_t i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *h = &head->headers[i];

		CHECK(h->name >= buf && h->name_len && h->name + h->name_len < end);
		CHECK(h->value >= h->name + h->name_len && h->value + h->value_len <= end);
		CHECK(h->id == sl_h1_name_id(h->name, h->name_len));
	}
}

/* The end-to-end fields of `again` are those of `head`, in order; the fields of framing are ours. */
static inline void h1_check_copied(const struct sl_h1_head *head, const struct sl_h1_head *again)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < again->header_count; i++) {
		const struct sl_h1_header *copy = &again->headers[i];
		const struct sl_h1_header *h = NULL;

		if (copy->id == SL_H1_ID_HOST || copy->id == SL_H1_ID_CONTENT_LENGTH ||
		    copy->id == SL_H1_ID_TRANSFER_ENCODING)
			continue;
		CHECK(copy->id == SL_H1_ID_OTHER || copy->id >= SL_H1_ID_ACCEPT);
		while (next < head->header_count) {
			h = &head->headers[next++];
			if (h->name_len == copy->name_len && h->value_len == copy->value_len &&
			    !memcmp(h->name, copy->name, h->name_len) &&
			    !memcmp(h->value, copy->value, h->value_len))
				break;
			h = NULL;
		}
		CHECK(h);
	}
}

#endif
