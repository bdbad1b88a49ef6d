/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server-sent events, line by line. A line that ends in the buffer it began in is looked at
 * in place; of a line that is split only the first SL_SSE_LINE_HEAD bytes are kept, which
 * suffice to tell a comment, a field's name, and [DONE].
 *
 * Invariant between calls: event_len bytes of the open event were seen; if they fit, they
 * are carry[0..event_len). line_len bytes of the open line were seen, the first of them are
 * in line[]. Everything is 0 between events.
 */
#include "user/http/sse.h"

#include <errno.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define BOM	 "\xef\xbb\xbf"
#define BOM_LEN	 3
#define DONE	 "[DONE]"
#define DONE_LEN 6

/* Where the value of a field begins in its line; what the field is. */
enum line_kind {
	LINE_COMMENT = 0,
	LINE_OTHER,
	LINE_EVENT,
	LINE_DATA,
};

void sl_sse_init(struct sl_sse *s, char *carry, size_t carry_size)
{
	*s = (struct sl_sse){
		.carry = carry,
		.carry_size = carry_size < SL_SSE_EVENT_BYTES_MAX ? (uint32_t)carry_size
								  : SL_SSE_EVENT_BYTES_MAX,
	};
}

/* First CR or LF, or end. */
static inline const char *find_line_end(const char *at, const char *end)
{
#ifdef __SSE2__
	const __m128i lf = _mm_set1_epi8('\n');
	const __m128i cr = _mm_set1_epi8('\r');

	for (; end - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		__m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, lf), _mm_cmpeq_epi8(v, cr));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(hit);

		if (mask)
			return at + __builtin_ctz(mask);
	}
#endif
	while (at < end && *at != '\n' && *at != '\r')
		at++;
	return at;
}

/*
 * Names a line of len bytes of which at least the first min(len, SL_SSE_LINE_HEAD) are at
 * `line`. *ret_value: offset of the value, at most len.
 */
static inline enum line_kind line_kind(const char *line, size_t len, size_t *ret_value)
{
	enum line_kind kind;
	size_t name_len;

	*ret_value = len;
	if (line[0] == ':')
		return LINE_COMMENT;
	if (len >= 4 && memcmp(line, "data", 4) == 0) {
		kind = LINE_DATA;
		name_len = 4;
	} else if (len >= 5 && memcmp(line, "event", 5) == 0) {
		kind = LINE_EVENT;
		name_len = 5;
	} else {
		return LINE_OTHER;
	}
	if (len == name_len)
		return kind;
	if (line[name_len] != ':')
		return LINE_OTHER;
	*ret_value = name_len + 1;
	if (len > name_len + 1 && line[name_len + 1] == ' ')
		*ret_value = name_len + 2;
	return kind;
}

/* Takes a whole line that is not empty into the event's facts. */
static inline enum line_kind take_line(struct sl_sse *s, const char *line, size_t len,
				       size_t *ret_value)
{
	enum line_kind kind = line_kind(line, len, ret_value);

	if (kind == LINE_COMMENT)
		return kind;
	s->fields = true;
	if (kind == LINE_DATA) {
		s->data_lines++;
		s->done = len - *ret_value == DONE_LEN && len <= SL_SSE_LINE_HEAD &&
			  memcmp(line + *ret_value, DONE, DONE_LEN) == 0;
	}
	return kind;
}

static enum sl_sse_kind event_kind(const struct sl_sse *s)
{
	if (s->data_lines)
		return s->data_lines == 1 && s->done ? SL_SSE_DONE : SL_SSE_DATA;
	return s->fields ? SL_SSE_OTHER : SL_SSE_COMMENT;
}

/* Steps over the line end at *at; a CR LF pair counts as one. */
static inline const char *skip_line_end(const char *at, const char *end)
{
	return at + (at[0] == '\r' && end - at > 1 && at[1] == '\n' ? 2 : 1);
}

/* Calls for each line of a gathered event; false at the end. */
static bool next_line(const char **at, const char *end, const char **ret_line, size_t *ret_len)
{
	const char *stop;

	if (*at == end)
		return false;
	stop = find_line_end(*at, end);
	*ret_line = *at;
	*ret_len = (size_t)(stop - *at);
	*at = stop == end ? end : skip_line_end(stop, end);
	return true;
}

static const char *skip_bom(const char *at, const char *end)
{
	return end - at >= BOM_LEN && memcmp(at, BOM, BOM_LEN) == 0 ? at + BOM_LEN : at;
}

/* The event without the byte order mark that only the stream's first one may begin with. */
static void set_raw(const struct sl_sse *s, struct sl_sse_event *event, const char *raw,
		    size_t raw_len)
{
	event->raw = s->later ? raw : skip_bom(raw, raw + raw_len);
	event->raw_len = raw_len - (size_t)(event->raw - raw);
}

/* Finds data and name in an event that was gathered in the carry buffer. */
static void point_into(const struct sl_sse *s, struct sl_sse_event *event, size_t raw_len)
{
	const char *end = s->carry + raw_len;
	const char *at;
	const char *line;
	size_t len, value;

	set_raw(s, event, s->carry, raw_len);
	at = event->raw;
	while (next_line(&at, end, &line, &len)) {
		enum line_kind kind = len ? line_kind(line, len, &value) : LINE_COMMENT;

		if (kind == LINE_DATA && event->data_lines == 1) {
			event->data = line + value;
			event->data_len = len - value;
		} else if (kind == LINE_EVENT) {
			event->name = line + value;
			event->name_len = len - value;
		}
	}
}

/* The byte order mark of the stream's first line is no part of it. */
static inline void take_bom(struct sl_sse *s, const char **line, size_t *line_len)
{
	if (s->started)
		return;
	s->started = true;
	if (*line_len >= BOM_LEN && memcmp(*line, BOM, BOM_LEN) == 0) {
		*line += BOM_LEN;
		*line_len -= BOM_LEN;
	}
}

static void reset_event(struct sl_sse *s)
{
	s->event_len = 0;
	s->line_len = 0;
	s->data_lines = 0;
	s->fields = false;
	s->done = false;
	s->later = true;
}

/* Keeps the first bytes of the open line. */
static inline void keep_line(struct sl_sse *s, const char *at, size_t len)
{
	if (s->line_len < SL_SSE_LINE_HEAD) {
		size_t room = SL_SSE_LINE_HEAD - s->line_len;

		memcpy(s->line + s->line_len, at, len < room ? len : room);
	}
	s->line_len += (uint32_t)len;
}

/* Keeps the rest of buf, which holds no end of the event. len may be 0. */
static int keep_rest(struct sl_sse *s, const char *begin, size_t len)
{
	if (len > SL_SSE_EVENT_BYTES_MAX - s->event_len)
		return -EMSGSIZE;
	if (len && s->event_len + len <= s->carry_size)
		memcpy(s->carry + s->event_len, begin, len);
	s->event_len += (uint32_t)len;
	return 0;
}

/* The event under way ended with buf[begin..at): fills ret_event and starts afresh. */
static int end_event(struct sl_sse *s, const char *begin, size_t len, struct sl_sse_event *event)
{
	event->kind = event_kind(s);
	event->data_lines = s->data_lines;
	if (len > SL_SSE_EVENT_BYTES_MAX - s->event_len)
		return -EMSGSIZE;
	if (s->event_len == 0) {
		set_raw(s, event, begin, len);
		if (s->data_lines != 1) {
			event->data = NULL;
			event->data_len = 0;
		}
	} else {
		*event =
			(struct sl_sse_event){.kind = event->kind, .data_lines = event->data_lines};
		if (s->event_len + len <= s->carry_size) {
			memcpy(s->carry + s->event_len, begin, len);
			point_into(s, event, s->event_len + len);
		}
	}
	reset_event(s);
	return 1;
}

int sl_sse_next(struct sl_sse *s, const char *buf, size_t len, size_t *pos,
		struct sl_sse_event *ret_event)
{
	const char *begin = buf + *pos;
	const char *end = buf + len;
	const char *at = begin;

	*ret_event = (struct sl_sse_event){0};
	if (s->cr && at < end) {
		s->cr = false;
		at += *at == '\n';
	}
	while (at < end) {
		const char *stop = find_line_end(at, end);
		const char *line = at;
		size_t line_len = (size_t)(stop - at);
		size_t value;
		enum line_kind kind;

		if (stop == end) {
			keep_line(s, at, line_len);
			break;
		}
		if (s->line_len) {
			keep_line(s, at, line_len);
			line = s->line;
			line_len = s->line_len;
			s->line_len = 0;
		}
		at = skip_line_end(stop, end);
		s->cr = at == end && *stop == '\r' && at - stop == 1;
		take_bom(s, &line, &line_len);
		if (line_len == 0) {
			int rc = end_event(s, begin, (size_t)(at - begin), ret_event);

			if (rc > 0)
				*pos = (size_t)(at - buf);
			return rc;
		}
		kind = take_line(s, line, line_len, &value);
		/* of use only when the event turns out to be whole in this buffer */
		if (kind == LINE_DATA) {
			ret_event->data = line + value;
			ret_event->data_len = line_len - value;
		} else if (kind == LINE_EVENT) {
			ret_event->name = line + value;
			ret_event->name_len = line_len - value;
		}
	}
	return keep_rest(s, begin, (size_t)(end - begin));
}

int sl_sse_finish(struct sl_sse *s, struct sl_sse_event *ret_event)
{
	uint32_t event_len = s->event_len;
	const char *line = s->line;
	size_t line_len = s->line_len;
	size_t value;

	*ret_event = (struct sl_sse_event){0};
	take_bom(s, &line, &line_len);
	if (line_len)
		take_line(s, line, line_len, &value);
	if (!s->fields)
		event_len = 0; /* comments, or the LF behind the last CR */
	if (event_len == 0) {
		reset_event(s);
		return 0;
	}
	ret_event->kind = event_kind(s);
	ret_event->data_lines = s->data_lines;
	if (event_len <= s->carry_size)
		point_into(s, ret_event, event_len);
	reset_event(s);
	return 1;
}

int sl_sse_data_join(const char *raw, size_t raw_len, char *out, size_t out_size)
{
	const char *end = raw + raw_len;
	const char *at = raw;
	const char *line;
	size_t len, value;
	size_t used = 0;
	bool first = true;

	while (next_line(&at, end, &line, &len)) {
		if (len == 0 || line_kind(line, len, &value) != LINE_DATA)
			continue;
		if (len - value + !first > out_size - used)
			return -ENOSPC;
		if (!first)
			out[used++] = '\n';
		first = false;
		memmove(out + used, line + value, len - value);
		used += len - value;
	}
	return (int)used;
}
