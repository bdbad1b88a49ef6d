/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scanner of server-sent events over bytes that arrive in arbitrary pieces. It finds where
 * events end and says what kind each is, so that a relay can forward the bytes untouched.
 * What the data means is the wire layer's part (user/wire/openai.h reads a chunk).
 *
 * How to use
 *
 *	struct sl_sse s;
 *	sl_sse_init(&s, carry, sizeof(carry));		carry may be NULL, 0
 *	for each received buf, len:
 *		size_t pos = 0;
 *		while ((rc = sl_sse_next(&s, buf, len, &pos, &event)) == 1) {
 *			the event ends at buf + pos; see event.kind, event.data
 *		}
 *		if (rc < 0) the stream is refused
 *		bytes before pos belong to whole events: forward them; the bytes
 *		from pos to len are the beginning of an event and were noted: forward
 *		them too, or hold them back, but do not feed them again
 *	at the end of the body: sl_sse_finish(&s, &event)
 *
 * An event that lies whole in one buffer is pointed to in place. One that is split is
 * gathered in the carry buffer; if it does not fit, kind is still right but data is NULL.
 * Pointers in an event live until the next call or until buf goes, whichever is first.
 *
 * Line ends are LF, CRLF or CR. A CR that ends an event at the very end of a buffer ends it
 * at once; an LF at the start of the next one is then the first byte of the event after it.
 *
 * Pure, no allocation. About 20 ns for an event of 200 bytes. Any thread.
 * Source: WHATWG HTML, 9.2.6 "Interpreting an event stream".
 */
#ifndef SL_USER_HTTP_SSE_H
#define SL_USER_HTTP_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_SSE_EVENT_BYTES_MAX (1024 * 1024)

/* Bytes of a line that are kept to tell what the line is. */
#define SL_SSE_LINE_HEAD 16

enum sl_sse_kind {
	SL_SSE_COMMENT = 0, /* only comments or empty lines: keep-alive, no progress */
	SL_SSE_OTHER,	    /* fields, but no data (a lone event:, id: or retry:) */
	SL_SSE_DATA,
	SL_SSE_DONE, /* data: [DONE] */
};

struct sl_sse_event {
	enum sl_sse_kind kind;
	uint32_t data_lines; /* number of data: lines */
	/* From the first byte (a byte order mark apart) to past the empty line. NULL when split
	 * and not carried. */
	const char *raw;
	size_t raw_len;
	/* Value of the data: line, one blank after the colon removed; NULL when raw is, or
	 * when data_lines is not 1 (then see sl_sse_data_join). */
	const char *data;
	size_t data_len;
	/* Value of the last event: line; NULL when there is none, or raw is NULL. */
	const char *name;
	size_t name_len;
};

/* All fields are the scanner's own. */
struct sl_sse {
	char *carry;
	uint32_t carry_size;
	uint32_t event_len; /* bytes of the event that lie in earlier buffers */
	uint32_t line_len;  /* bytes of the open line so far */
	uint32_t data_lines;
	bool started; /* past the first line: no byte order mark any more */
	bool cr;      /* the last byte was a CR that ended a line: an LF belongs to it */
	bool fields;  /* the event has a line that is no comment */
	bool done;    /* the last data line was [DONE] */
	bool later;   /* past the first event: a byte order mark is nothing special */
	char line[SL_SSE_LINE_HEAD];
};

_Static_assert(sizeof(struct sl_sse) <= 64, "kept per stream");

/* The carry buffer is borrowed as long as the scanner is used. */
void sl_sse_init(struct sl_sse *s, char *carry, size_t carry_size);

/*
 * Goes on at buf[*pos] to the end of the next event. Returns 1 with *ret_event filled and
 * *pos past the event; 0 when buf holds no further end of an event (the rest, from *pos
 * on, was noted; *pos stays); -EMSGSIZE when an event exceeds SL_SSE_EVENT_BYTES_MAX.
 * After 0 the next call must be with new bytes and *pos 0.
 */
int sl_sse_next(struct sl_sse *s, const char *buf, size_t len, size_t *pos,
		struct sl_sse_event *ret_event);

/*
 * The body ended. Returns 0 when it ended between events; 1 when it ended within one, which
 * then is in *ret_event as far as it was seen (a browser would discard it; kind DONE tells
 * of a server that forgot the last empty line).
 */
int sl_sse_finish(struct sl_sse *s, struct sl_sse_event *ret_event);

/*
 * Joins the data lines of an event (data_lines > 0) with LF, as a browser would. Returns the length
 * written to out, or -ENOSPC; raw_len bytes always suffice. out may be raw itself.
 */
int sl_sse_data_join(const char *raw, size_t raw_len, char *out, size_t out_size);

/* Data of nothing or blanks: a browser does not show such an event, JSON readers fail on it. */
static inline bool sl_sse_says_nothing(const struct sl_sse_event *event)
{
	size_t len = event->data ? event->data_len : 1;

	while (event->data && len && (event->data[len - 1] == ' ' || event->data[len - 1] == '\t'))
		len--;
	return !len;
}

#endif
