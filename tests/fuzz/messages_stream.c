/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stream of the Messages API in pieces becomes chunks of a chat completion: the same whatever the
 * pieces, each a valid chunk, none behind the end, and [DONE] only behind a finish_reason. The first byte
 * of the input says how large the pieces are.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/http/sse.h"
#include "user/wire/messages.h"

static const struct sl_messages_names names = {.created_s = 1, .include_usage = true};

static int decode(const uint8_t *data, size_t size, size_t piece, struct sl_text *out,
		  struct sl_messages_decoder *d)
{
	size_t at = 0, len;
	int rc = 0;

	sl_messages_decoder_init(d, &names);
	sl_text_init(out, 32u << 20);
	for (; at < size && !rc; at += len) {
		char *copy;

		len = size - at < piece ? size - at : piece;
		copy = fuzz_copy(data + at, len);
		rc = sl_messages_decoder_feed(d, copy, len, out);
		free(copy);
	}
	CHECK(rc == 0 || rc == -EBADMSG || rc == -E2BIG);
	return rc;
}

static void check_chunks(const struct sl_text *out, bool over)
{
	bool finished = false, done = false, failed = false;
	struct sl_openai_chunk chunk;
	struct sl_sse_event event;
	struct sl_sse s;
	size_t pos = 0;

	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, sl_text_string(out), out->len, &pos, &event) == 1) {
		CHECK(!done && !failed);
		if (event.kind == SL_SSE_DONE) {
			CHECK(finished);
			done = true;
			continue;
		}
		if (event.kind != SL_SSE_DATA)
			continue;
		CHECK(event.data && !sl_json_check(event.data, event.data_len, NULL));
		sl_openai_chunk_read(event.data, event.data_len, &chunk);
		CHECK(!(chunk.flags & SL_OPENAI_CHUNK_INVALID));
		if (chunk.flags & SL_OPENAI_CHUNK_ERROR)
			failed = true;
		else if (chunk.flags & SL_OPENAI_CHUNK_FINISH)
			finished = true;
		else
			CHECK(!finished || chunk.flags & SL_OPENAI_CHUNK_USAGE);
	}
	CHECK(pos == out->len);
	CHECK(over == (done || failed));
}

/* The events by themselves, as for a stream that passes as it is. */
static void read_events(const uint8_t *data, size_t size)
{
	char *copy = fuzz_copy(data, size);
	struct sl_messages_usage usage;
	struct sl_sse_event event;
	bool refused = false;
	struct sl_sse s;
	size_t pos = 0;

	sl_messages_usage_init(&usage);
	sl_sse_init(&s, NULL, 0);
	while (sl_sse_next(&s, copy, size, &pos, &event) == 1) {
		if (event.data)
			sl_messages_event_read(event.data, event.data_len, &usage, &refused);
	}
	sl_messages_stream_is_whole(copy, size);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_messages_decoder whole, pieces;
	struct sl_text out, again;
	int rc, rc_again;

	if (!size)
		return 0;
	rc = decode(data + 1, size - 1, size, &out, &whole);
	rc_again = decode(data + 1, size - 1, (size_t)data[0] + 1, &again, &pieces);
	CHECK(rc == rc_again);
	CHECK(out.len == again.len && (!out.len || !memcmp(out.data, again.data, out.len)));
	CHECK(sl_messages_usage_total(&whole.usage) == sl_messages_usage_total(&pieces.usage));
	check_chunks(&out, whole.over);
	read_events(data + 1, size - 1);
	sl_messages_decoder_fini(&whole);
	sl_messages_decoder_fini(&pieces);
	sl_text_fini(&out);
	sl_text_fini(&again);
	return 0;
}
