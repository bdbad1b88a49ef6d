/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A chat stream becomes a message stream: each line of the input is one chunk. The events that come
 * out keep the order of the Messages API: message_start, blocks one after the other with rising
 * index, each started, filled and stopped, message_delta, message_stop.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/http/sse.h"
#include "user/wire/anthropic.h"

struct order {
	bool started, open, told, stopped;
	int64_t block;
};

static bool named(const struct sl_sse_event *event, const char *name)
{
	return event->name_len == strlen(name) && !memcmp(event->name, name, event->name_len);
}

static void check_event(struct order *o, const struct sl_sse_event *event)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("type"), SL_JSON_FIELD("index")};
	int64_t index = -1;

	CHECK(event->kind == SL_SSE_DATA && event->data && event->name);
	CHECK(!sl_json_scan(event->data, event->data_len, f, 2));
	CHECK(sl_json_string_equal(&f[0], event->name, event->name_len));
	CHECK(!o->stopped);
	if (named(event, "ping"))
		return;
	if (named(event, "message_start")) {
		CHECK(!o->started);
		o->started = true;
		return;
	}
	CHECK(o->started);
	if (f[1].type != SL_JSON_ABSENT)
		CHECK(!sl_json_int(&f[1], &index));
	if (named(event, "content_block_start")) {
		CHECK(!o->open && !o->told && index == o->block);
		o->open = true;
	} else if (named(event, "content_block_delta")) {
		CHECK(o->open && index == o->block);
	} else if (named(event, "content_block_stop")) {
		CHECK(o->open && index == o->block);
		o->open = false;
		o->block++;
	} else if (named(event, "message_delta")) {
		CHECK(!o->open && !o->told);
		o->told = true;
	} else {
		CHECK(named(event, "message_stop") && o->told);
		o->stopped = true;
	}
}

static void check_events(struct order *o, const struct sl_text *out)
{
	struct sl_sse_event event;
	struct sl_sse s;
	size_t pos = 0;

	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, sl_text_string(out), out->len, &pos, &event) == 1)
		check_event(o, &event);
	CHECK(pos == out->len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_anthropic_names names = {.request_id = "req", .model = "m"};
	struct sl_anthropic_stream stream;
	struct order order = {0};
	const uint8_t *at = data, *end = data + size;
	struct sl_text out;
	int rc = 0;

	sl_anthropic_stream_init(&stream, &names);
	sl_text_init(&out, 16u << 20);
	while (at < end && !rc) {
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);
		char *line = fuzz_copy(at, len);
		struct sl_openai_chunk chunk;

		sl_text_reset(&out);
		sl_openai_chunk_read(line, len, &chunk);
		/* the relay ends the stream at an error, and does not translate it */
		if (!len)
			sl_anthropic_stream_ping(&stream, &out);
		else if (!(chunk.flags & (SL_OPENAI_CHUNK_ERROR | SL_OPENAI_CHUNK_INVALID)))
			rc = sl_anthropic_stream_data(&stream, line, len, &chunk, &out);
		CHECK(rc == 0 || rc == -EBADMSG);
		check_events(&order, &out);
		free(line);
		at = stop ? stop + 1 : end;
	}
	if (!rc) {
		sl_text_reset(&out);
		sl_anthropic_stream_end(&stream, &out);
		check_events(&order, &out);
		CHECK(order.stopped);
	}
	sl_text_fini(&out);
	return 0;
}
