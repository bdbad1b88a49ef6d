/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chunker: every format over the same bytes. Whatever they are, a chunk is valid UTF-8 without
 * control bytes, within its bounds, on a line that the source has; and the same input gives the same
 * chunks. Of plain text without overlap, all that is not white space comes out once and in order.
 */
#include "tests/fuzz/fuzz.h"
#include "user/store/chunk.h"

struct seen {
	uint64_t sum;
	uint32_t count;
	uint32_t bytes_max;
	uint32_t lines;
	struct sl_text text;
};

static void check_text(struct sl_span text)
{
	for (size_t i = 0, len; i < text.len; i += len) {
		unsigned char byte = (unsigned char)text.data[i];

		len = sl_text_utf8_len(text.data + i, text.len - i);
		CHECK(len > 0);
		CHECK(byte >= 0x20 || byte == '\n' || byte == '\t');
		CHECK(byte != 0x7f);
	}
}

static int take(void *arg, const struct sl_chunk *chunk)
{
	struct seen *seen = arg;

	CHECK(chunk->text.len > 0 && chunk->text.len <= seen->bytes_max);
	CHECK(chunk->path.len <= SL_CHUNK_PATH_BYTES_MAX);
	CHECK(chunk->line >= 1 && chunk->line <= seen->lines);
	check_text(chunk->text);
	check_text(chunk->path);
	for (size_t i = 0; i < chunk->text.len; i++) {
		char byte = chunk->text.data[i];

		seen->sum = (seen->sum ^ (unsigned char)byte) * UINT64_C(0x100000001b3);
		if (byte != ' ' && byte != '\n' && byte != '\t')
			sl_text_append_char(&seen->text, byte);
	}
	seen->count++;
	return 0;
}

static struct seen split(const char *data, size_t size, enum sl_chunk_format format, uint32_t bytes,
			 uint32_t overlap)
{
	struct sl_chunk_options options = {.bytes = bytes, .overlap = overlap};
	struct seen seen = {.bytes_max = bytes, .lines = 1};
	struct sl_chunk_report report;

	for (size_t i = 0; i < size; i++)
		seen.lines += data[i] == '\n' || data[i] == '\r';
	sl_text_init(&seen.text, 0);
	CHECK(sl_chunk_split(sl_span_make(data, size), format, &options, take, &seen, &report,
			     NULL) == 0);
	CHECK(report.chunks == seen.count);
	CHECK(report.records_bad == 0 || format == SL_CHUNK_JSONL);
	return seen;
}

/* What the text format keeps, worked out byte by byte. */
static void expect(const uint8_t *data, size_t size, struct sl_text *out)
{
	size_t i = size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0;

	while (i < size) {
		size_t len = sl_text_utf8_len((const char *)data + i, size - i);

		if (len == 0)
			sl_text_append_string(out, "\xef\xbf\xbd");
		else if (data[i] > 0x20 && data[i] != 0x7f)
			sl_text_append(out, data + i, len);
		i += len ? len : 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sl_chunk_format formats[] = {SL_CHUNK_TEXT, SL_CHUNK_MARKDOWN,
						       SL_CHUNK_HTML, SL_CHUNK_JSONL};
	struct fuzz_chance chance = fuzz_chance_of(data, size);
	char *copy = fuzz_copy(data, size);
	struct sl_text wanted;

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		uint32_t bytes = SL_CHUNK_BYTES_MIN + (uint32_t)fuzz_below(&chance, 300);
		uint32_t overlap = (uint32_t)fuzz_below(&chance, bytes / 2 + 1);
		struct seen first = split(copy, size, formats[i], bytes, overlap);
		struct seen second = split(copy, size, formats[i], bytes, overlap);

		CHECK(first.sum == second.sum && first.count == second.count);
		sl_text_fini(&first.text);
		sl_text_fini(&second.text);
	}
	sl_text_init(&wanted, 0);
	expect(data, size, &wanted);
	for (uint32_t bytes = SL_CHUNK_BYTES_MIN; bytes < 1000; bytes = bytes * 3 + 1) {
		struct seen seen = split(copy, size, SL_CHUNK_TEXT, bytes, 0);

		CHECK(sl_span_equal(sl_text_span(&seen.text), sl_text_span(&wanted)));
		sl_text_fini(&seen.text);
	}
	sl_text_fini(&wanted);
	free(copy);
	return 0;
}
