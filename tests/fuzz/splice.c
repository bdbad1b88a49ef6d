/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each line of the input is one chunk of a stream. Noted in the short way and in the long one they are
 * the same text. A stream that breaks behind any line and is restarted with the same lines is never
 * another answer, holds back what was sent, and ends with the text of the whole. What is written anew,
 * for a rest as for a restart, is valid JSON.
 */
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/wire/splice.h"

#define LINES_MAX 64

struct lines {
	char *data[LINES_MAX];
	size_t len[LINES_MAX];
	size_t count;
};

/* The relay ends a stream at what is not JSON. */
static void read_lines(struct lines *lines, const uint8_t *at, const uint8_t *end)
{
	while (at < end && lines->count < LINES_MAX) {
		const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop ? stop : end) - at);

		if (!sl_json_check((const char *)at, len, NULL)) {
			lines->data[lines->count] = fuzz_copy(at, len);
			lines->len[lines->count++] = len;
		}
		at = stop ? stop + 1 : end;
	}
}

static bool same_text(const struct sl_splice *a, const struct sl_splice *b)
{
	for (int kind = 0; kind < SL_SPLICE_KINDS; kind++) {
		if (a->sent[kind].len != b->sent[kind].len ||
		    memcmp(sl_text_string(&a->sent[kind]), sl_text_string(&b->sent[kind]),
			   a->sent[kind].len) != 0)
			return false;
	}
	return true;
}

/* Returns false when the lines cannot be noted. */
static bool note_all(struct sl_splice *whole, const struct lines *lines)
{
	struct sl_splice slow;
	int rc = 0;

	sl_splice_init(whole);
	sl_splice_init(&slow);
	for (size_t i = 0; i < lines->count && !rc; i++) {
		rc = sl_splice_note(whole, lines->data[i], lines->len[i]);
		sl_text_reset(&slow.form);
		CHECK(rc == sl_splice_note(&slow, lines->data[i], lines->len[i]));
	}
	CHECK(rc || same_text(whole, &slow));
	sl_splice_fini(&slow);
	return !rc;
}

static void go_on(const struct lines *lines, size_t cut, enum sl_splice_way way,
		  const struct sl_splice *whole)
{
	struct sl_splice splice;
	struct sl_text out;
	size_t i;

	sl_splice_init(&splice);
	sl_text_init(&out, 16u << 20);
	for (i = 0; i < cut; i++)
		CHECK(!sl_splice_note(&splice, lines->data[i], lines->len[i]));
	sl_splice_begin(&splice, way, cut & 1, cut);
	for (i = way == SL_SPLICE_RESTART ? 0 : cut; i < lines->count; i++) {
		enum sl_splice_verdict verdict;

		sl_text_reset(&out);
		verdict = sl_splice_put(&splice, lines->data[i], lines->len[i], &out);
		CHECK(verdict != SL_SPLICE_DIFFERS || splice.finished);
		if (verdict == SL_SPLICE_DIFFERS)
			break;
		CHECK(verdict == SL_SPLICE_HOLD ||
		      !sl_json_check(sl_text_string(&out), out.len, NULL));
		if (way == SL_SPLICE_RESTART && i + 1 == cut)
			CHECK(sl_splice_caught_up(&splice));
	}
	if (way == SL_SPLICE_RESTART && i == lines->count)
		CHECK(same_text(&splice, whole));
	sl_text_fini(&out);
	sl_splice_fini(&splice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_chance chance = fuzz_chance_of(data, size);
	struct lines lines = {.count = 0};
	struct sl_splice whole;
	size_t i;

	read_lines(&lines, data, data + size);
	if (note_all(&whole, &lines)) {
		size_t cut = fuzz_below(&chance, lines.count + 1);

		go_on(&lines, cut, SL_SPLICE_RESTART, &whole);
		go_on(&lines, cut, SL_SPLICE_CONTINUE, &whole);
	}
	sl_splice_fini(&whole);
	for (i = 0; i < lines.count; i++)
		free(lines.data[i]);
	return 0;
}
