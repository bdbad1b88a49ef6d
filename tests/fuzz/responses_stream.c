/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chat stream becomes a stream of the Responses API: each line of the input is one chunk, an empty
 * one a sign of life. The events that come out are numbered without a gap, begin with
 * response.created, open and close one item after the other, and end with one response that is
 * complete, or that has failed where the stream broke.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/http/sse.h"
#include "user/wire/responses.h"

struct order {
	int64_t sequence, item;
	bool started, open, over, failed;
};

static bool named(const struct sl_sse_event *event, const char *name)
{
	return event->name_len == strlen(name) && !memcmp(event->name, name, event->name_len);
}

static void check_item(struct order *o, const struct sl_sse_event *event,
		       const struct sl_json_field *index)
{
	int64_t at;

	CHECK(o->started && !sl_json_int(index, &at) && at == o->item);
	if (named(event, "response.output_item.added")) {
		CHECK(!o->open);
		o->open = true;
		return;
	}
	CHECK(o->open);
	if (named(event, "response.output_item.done")) {
		o->open = false;
		o->item++;
	}
}

static void check_event(struct order *o, const struct sl_sse_event *event)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("type"), SL_JSON_FIELD("sequence_number"),
				    SL_JSON_FIELD("output_index")};
	int64_t sequence;

	if (event->kind == SL_SSE_COMMENT)
		return;
	CHECK(event->kind == SL_SSE_DATA && event->data && event->name && !o->over);
	CHECK(!sl_json_scan(event->data, event->data_len, f, 3));
	CHECK(sl_json_string_equal(&f[0], event->name, event->name_len));
	CHECK(!sl_json_int(&f[1], &sequence) && sequence == o->sequence);
	o->sequence++;
	if (f[2].type != SL_JSON_ABSENT) {
		check_item(o, event, &f[2]);
	} else if (named(event, "response.created")) {
		CHECK(!o->started);
		o->started = true;
	} else if (named(event, "error")) {
		o->failed = true;
	} else if (named(event, "response.failed")) {
		CHECK(o->failed);
		o->over = true;
	} else if (!named(event, "response.in_progress")) {
		CHECK(named(event, "response.completed") || named(event, "response.incomplete"));
		CHECK(o->started && !o->open && !o->failed);
		o->over = true;
	}
}

static void check_events(struct order *o, struct sl_text *out)
{
	struct sl_sse_event event;
	struct sl_sse s;
	size_t pos = 0;

	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, sl_text_string(out), out->len, &pos, &event) == 1)
		check_event(o, &event);
	CHECK(pos == out->len);
	sl_text_reset(out);
}

/* One chunk, or a sign of life. The relay ends the stream at an error, and does not translate it. */
static int feed(struct sl_responses_stream *stream, const char *line, size_t len,
		struct sl_text *out)
{
	struct sl_openai_chunk chunk;

	if (!len) {
		sl_responses_stream_ping(out);
		return 0;
	}
	sl_openai_chunk_read(line, len, &chunk);
	if (chunk.flags & SL_OPENAI_CHUNK_INVALID)
		return 0;
	if (chunk.flags & SL_OPENAI_CHUNK_ERROR) {
		sl_responses_stream_fault(stream, line, len, out);
		return -EPIPE;
	}
	return sl_responses_stream_data(stream, line, len, &chunk, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sl_responses_names names = {"req_1f", "m", {",\"tools\":[]", 11}};
	struct sl_openai_error broken = {
		.id = SL_OPENAI_ERROR_STREAM_CUT, .object = "m", .detail = "cut"};
	struct sl_responses_stream stream;
	struct order order = {0};
	const uint8_t *at = data, *end = data + size;
	struct sl_text out;
	int rc = 0;

	sl_responses_stream_init(&stream, &names);
	sl_text_init(&out, 16u << 20);
	while (at < end && !rc) {
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);
		char *line = fuzz_copy(at, len);

		rc = feed(&stream, line, len, &out);
		CHECK(rc == 0 || rc == -EBADMSG || rc == -EPIPE);
		check_events(&order, &out);
		free(line);
		at = stop ? stop + 1 : end;
	}
	if (!rc) {
		CHECK(!sl_responses_stream_end(&stream, &out));
	} else if (rc == -EBADMSG) {
		sl_responses_stream_error(&stream, &broken, &out);
	}
	check_events(&order, &out);
	CHECK(order.over && order.failed == (rc != 0));
	sl_responses_stream_fini(&stream);
	sl_text_fini(&out);
	return 0;
}
