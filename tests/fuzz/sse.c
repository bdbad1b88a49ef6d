/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server-sent events: against a slow reader that has the whole stream, in pieces with a carry buffer
 * that is large, small or none.
 */
#include "tests/fuzz/fuzz.h"
#include "user/http/sse.h"

#define EVENTS_MAX 4096
#define CUTS	   6

struct seen {
	enum sl_sse_kind kind;
	uint32_t data_lines;
	const uint8_t *data; /* of a single data line */
	size_t data_len;
	const uint8_t *name;
	size_t name_len;
};

struct stream {
	struct seen events[EVENTS_MAX];
	size_t count;
	bool open; /* the last one has no empty line */
};

/* A field of that name; *ret: its value. */
static bool is_field(const uint8_t *line, size_t len, const char *name, const uint8_t **ret,
		     size_t *ret_len)
{
	size_t name_len = strlen(name);

	if (len < name_len || memcmp(line, name, name_len) != 0)
		return false;
	line += name_len;
	len -= name_len;
	if (len) {
		if (*line != ':')
			return false;
		line++;
		len--;
	}
	if (len && *line == ' ') {
		line++;
		len--;
	}
	*ret = line;
	*ret_len = len;
	return true;
}

static void take_line(struct seen *event, bool *fields, const uint8_t *line, size_t len)
{
	const uint8_t *value;
	size_t value_len;

	if (line[0] == ':')
		return;
	*fields = true;
	if (is_field(line, len, "data", &value, &value_len)) {
		event->data_lines++;
		event->data = value;
		event->data_len = value_len;
	} else if (is_field(line, len, "event", &value, &value_len)) {
		event->name = value;
		event->name_len = value_len;
	}
}

static void end_event(struct stream *stream, struct seen *event, bool fields)
{
	bool done =
		event->data_lines == 1 && event->data_len == 6 && !memcmp(event->data, "[DONE]", 6);

	event->kind = done		  ? SL_SSE_DONE
		      : event->data_lines ? SL_SSE_DATA
		      : fields		  ? SL_SSE_OTHER
					  : SL_SSE_COMMENT;
	if (event->data_lines != 1) {
		event->data = NULL;
		event->data_len = 0;
	}
	stream->events[stream->count++] = *event;
}

/* WHATWG HTML 9.2.6, line by line. */
static void read_slowly(const uint8_t *data, size_t size, struct stream *stream)
{
	struct seen event = {0};
	bool fields = false, open = false;
	size_t at = size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0;

	stream->count = 0;
	while (at < size && stream->count + 1 < EVENTS_MAX) {
		size_t begin = at;

		while (at < size && data[at] != '\r' && data[at] != '\n')
			at++;
		if (at > begin) {
			open = true;
			take_line(&event, &fields, data + begin, at - begin);
		}
		if (at == size)
			break;
		at += data[at] == '\r' && at + 1 < size && data[at + 1] == '\n' ? 2 : 1;
		if (at - begin > 2 || (data[begin] != '\r' && data[begin] != '\n'))
			continue;
		end_event(stream, &event, fields);
		memset(&event, 0, sizeof(event));
		fields = open = false;
	}
	stream->open = open && fields;
	if (stream->open)
		end_event(stream, &event, fields);
}

static void check_event(const struct sl_sse_event *event, const struct seen *want, bool carried)
{
	CHECK(event->kind == want->kind);
	CHECK(event->data_lines == want->data_lines);
	CHECK(event->raw || !carried);
	if (!event->raw) {
		CHECK(!event->data && !event->name);
		return;
	}
	CHECK(!event->data == !want->data && event->data_len == want->data_len);
	CHECK(!event->data || !memcmp(event->data, want->data, want->data_len));
	CHECK(!event->name == !want->name && event->name_len == want->name_len);
	CHECK(!event->name || !memcmp(event->name, want->name, want->name_len));
	if (event->data_lines) {
		char *joined = malloc(event->raw_len + 1);
		int len = sl_sse_data_join(event->raw, event->raw_len, joined, event->raw_len);

		CHECK(len >= 0);
		if (want->data_lines == 1)
			CHECK((size_t)len == want->data_len &&
			      !memcmp(joined, want->data, want->data_len));
		free(joined);
	}
}

static void check_pieces(const uint8_t *data, size_t size, const struct stream *want,
			 struct fuzz_chance *chance, size_t carry_size)
{
	char *carry = malloc(carry_size ? carry_size : 1);
	struct sl_sse_event event;
	size_t count = 0, at = 0;
	struct sl_sse s;

	sl_sse_init(&s, carry_size ? carry : NULL, carry_size);
	while (at < size) {
		size_t piece = chance ? fuzz_piece(chance, size - at) : size;
		char *copy = fuzz_copy(data + at, piece);
		size_t pos = 0, before = 0;
		int rc;

		while ((rc = sl_sse_next(&s, copy, piece, &pos, &event)) == 1) {
			CHECK(pos > before && pos <= piece);
			CHECK(count < want->count);
			check_event(&event, &want->events[count++], carry_size >= size);
			before = pos;
		}
		CHECK(rc == 0 && pos == before);
		free(copy);
		at += piece;
	}
	if (sl_sse_finish(&s, &event)) {
		CHECK(want->open && count == want->count - 1);
		check_event(&event, &want->events[count], carry_size >= size);
	} else {
		CHECK(!want->open && count == want->count);
	}
	free(carry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct stream want;
	struct fuzz_chance chance = fuzz_chance_of(data, size);

	if (size > EVENTS_MAX - 2)
		return 0;
	read_slowly(data, size, &want);
	for (int i = 0; i < CUTS; i++) {
		size_t carry = i < 3 ? size + 1 : i == 3 ? 0 : fuzz_below(&chance, size + 1);

		check_pieces(data, size, &want, i ? &chance : NULL, carry);
	}
	return 0;
}
