/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/chunk.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "user/store/chunk_parts.h"

#define HEADING_BYTES_MAX 160u
#define PATH_JOIN	  " > "
#define BLOCK_JOIN	  "\n\n"
#define CHAR_BYTES_MAX	  4u

static bool is_blank(char byte)
{
	return byte == ' ' || byte == '\n' || byte == '\t';
}

static struct sl_span strip(struct sl_span span)
{
	while (span.len && is_blank(span.data[0])) {
		span.data++;
		span.len--;
	}
	while (span.len && is_blank(span.data[span.len - 1]))
		span.len--;
	return span;
}

/* The longest prefix of at most `max` bytes that ends between two characters. */
static size_t whole_characters(struct sl_span text, size_t max)
{
	if (text.len <= max)
		return text.len;
	while (max > 0 && ((unsigned char)text.data[max] & 0xc0) == 0x80)
		max--;
	return max;
}

/* ---- filling chunks -------------------------------------------------------------------------- */

/* Where to cut text so that at most `room` bytes are in front: a sentence, a word, a character. */
static size_t best_cut(struct sl_span text, size_t room)
{
	size_t word = 0, sentence = 0, at = whole_characters(text, room);

	for (size_t i = at; i > at / 2 && sentence == 0; i--) {
		if (!is_blank(text.data[i - 1]))
			continue;
		if (word == 0)
			word = i;
		if (i >= 2 && memchr(".!?:;", text.data[i - 2], 5) != NULL)
			sentence = i;
	}
	return sentence ? sentence : word ? word : at;
}

/* The last `overlap` bytes, from the start of a word; nothing where no word begins there. */
static size_t overlap_from(const struct sl_chunker *c)
{
	size_t at = c->text.len > c->options.overlap ? c->text.len - c->options.overlap : 0;

	if (c->options.overlap == 0)
		return c->text.len;
	while (at < c->text.len && !is_blank(c->text.data[at]))
		at++;
	while (at < c->text.len && is_blank(c->text.data[at]))
		at++;
	return at;
}

static void give(struct sl_chunker *c, bool goes_on)
{
	struct sl_chunk chunk;
	size_t from;

	if (c->rc == 0 && c->text.len > c->old) {
		chunk = (struct sl_chunk){.path = sl_text_span(&c->path),
					  .text = strip(sl_text_span(&c->text)),
					  .line = c->line};
		if (c->report.chunks == SL_CHUNKS_MAX)
			c->rc = -E2BIG;
		else
			c->rc = c->take(c->arg, &chunk);
		c->report.chunks += c->rc == 0;
	}
	from = goes_on && c->rc == 0 && c->text.len > c->old ? overlap_from(c) : c->text.len;
	if (from < c->text.len)
		memmove(c->text.data, c->text.data + from, c->text.len - from);
	sl_text_truncate(&c->text, c->text.len - from);
	c->old = c->text.len;
}

static void append(struct sl_chunker *c, struct sl_span text, uint32_t line)
{
	if (c->text.len == c->old)
		c->line = line;
	if (c->text.len)
		sl_text_append_string(&c->text, BLOCK_JOIN);
	sl_text_append_span(&c->text, text);
	if (c->text.error && c->rc == 0)
		c->rc = c->text.error;
}

static uint32_t lines_in(const struct sl_chunker *c, struct sl_span text)
{
	uint32_t lines = 0;

	if (c->one_line)
		return 0;
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	return lines;
}

void sl_chunker_block(struct sl_chunker *c, struct sl_span text, uint32_t line)
{
	struct sl_span inner = strip(text);

	line += lines_in(c,
			 sl_span_make(text.data, (size_t)(inner.len ? inner.data - text.data : 0)));
	text = inner;
	while (text.len && c->rc == 0) {
		size_t used = c->text.len + (c->text.len ? sizeof(BLOCK_JOIN) - 1 : 0);
		size_t room = used < c->options.bytes ? c->options.bytes - used : 0;
		struct sl_span part = text;

		if (text.len > room) {
			/* One that fits into a chunk of its own is not cut to fill this one. */
			if (c->text.len > c->old &&
			    (text.len <= c->options.bytes - c->options.overlap ||
			     room < c->options.bytes / 4)) {
				give(c, true);
				continue;
			}
			part.len = best_cut(text, room);
			assert(part.len > 0); /* overlap is at most half of bytes */
		}
		append(c, strip(part), line);
		line += lines_in(c, part);
		text = strip(sl_span_make(text.data + part.len, text.len - part.len));
		if (text.len)
			give(c, true);
	}
}

static void write_path(struct sl_chunker *c)
{
	struct sl_span path;

	sl_text_reset(&c->path);
	for (size_t i = 0; i < SL_CHUNK_LEVELS; i++) {
		if (c->headings[i].len == 0)
			continue;
		if (c->path.len)
			sl_text_append_string(&c->path, PATH_JOIN);
		sl_text_append_span(&c->path, sl_text_span(&c->headings[i]));
	}
	path = sl_text_span(&c->path);
	sl_text_truncate(&c->path, whole_characters(path, SL_CHUNK_PATH_BYTES_MAX));
}

void sl_chunker_heading(struct sl_chunker *c, unsigned level, struct sl_span text)
{
	struct sl_text *heading;
	bool blank = false;

	assert(level >= 1 && level <= SL_CHUNK_LEVELS);
	give(c, false);
	for (size_t i = level - 1; i < SL_CHUNK_LEVELS; i++)
		sl_text_reset(&c->headings[i]);
	heading = &c->headings[level - 1];
	text = strip(text);
	text.len = whole_characters(text, HEADING_BYTES_MAX);
	for (size_t i = 0; i < text.len; i++) { /* one line, one space between words */
		bool now = is_blank(text.data[i]);

		if (!now || !blank)
			sl_text_append_char(heading, now ? ' ' : text.data[i]);
		blank = now;
	}
	write_path(c);
}

void sl_chunker_restart(struct sl_chunker *c)
{
	give(c, false);
	for (size_t i = 0; i < SL_CHUNK_LEVELS; i++)
		sl_text_reset(&c->headings[i]);
	sl_text_reset(&c->path);
}

/* ---- the whole ------------------------------------------------------------------------------- */

int sl_chunk_format_of(const char *name, enum sl_chunk_format *ret_format)
{
	static const struct {
		const char *ending;
		enum sl_chunk_format format;
	} endings[] = {
		{".txt", SL_CHUNK_TEXT},    {".text", SL_CHUNK_TEXT},
		{".md", SL_CHUNK_MARKDOWN}, {".markdown", SL_CHUNK_MARKDOWN},
		{".html", SL_CHUNK_HTML},   {".htm", SL_CHUNK_HTML},
		{".jsonl", SL_CHUNK_JSONL}, {".ndjson", SL_CHUNK_JSONL},
	};
	struct sl_span span = sl_span_string(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		struct sl_span ending = sl_span_string(endings[i].ending);

		if (span.len > ending.len &&
		    sl_span_equal_case(sl_span_make(span.data + span.len - ending.len, ending.len),
				       ending)) {
			*ret_format = endings[i].format;
			return 0;
		}
	}
	return -EINVAL;
}

const char *sl_chunk_format_name(enum sl_chunk_format format)
{
	static const char *const names[] = {[SL_CHUNK_TEXT] = "text",
					    [SL_CHUNK_MARKDOWN] = "markdown",
					    [SL_CHUNK_HTML] = "html",
					    [SL_CHUNK_JSONL] = "jsonl"};

	return names[format];
}

/* UTF-8, lines that end in \n, no other control byte than \t. */
static int clean(struct sl_span source, struct sl_text *out)
{
	size_t i = sl_span_starts(source, SL_SPAN("\xef\xbb\xbf")) ? 3 : 0;

	while (i < source.len) {
		unsigned char byte = (unsigned char)source.data[i];
		size_t len;

		if (byte >= 0x80) {
			len = sl_text_utf8_len(source.data + i, source.len - i);
			sl_text_append(out, len ? source.data + i : "\xef\xbf\xbd", len ? len : 3);
			i += len ? len : 1;
			continue;
		}
		if (byte == '\r') {
			if (i + 1 == source.len || source.data[i + 1] != '\n')
				sl_text_append_char(out, '\n');
		} else if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
			sl_text_append_char(out, ' ');
		} else {
			sl_text_append_char(out, (char)byte);
		}
		i++;
	}
	return out->error;
}

static struct sl_chunk_options resolve(const struct sl_chunk_options *options)
{
	struct sl_chunk_options o = *options;

	if (o.bytes == 0)
		o.bytes = SL_CHUNK_BYTES_DEFAULT;
	if (o.bytes < SL_CHUNK_BYTES_MIN)
		o.bytes = SL_CHUNK_BYTES_MIN;
	if (o.bytes > SL_CHUNK_BYTES_MAX)
		o.bytes = SL_CHUNK_BYTES_MAX;
	if (o.overlap > o.bytes / 2)
		o.overlap = o.bytes / 2;
	return o;
}

static void read_all(struct sl_chunker *c, struct sl_span text, enum sl_chunk_format format)
{
	switch (format) {
	case SL_CHUNK_TEXT:
		sl_chunk_read_text(c, text, 1);
		break;
	case SL_CHUNK_MARKDOWN:
		sl_chunk_read_markdown(c, text);
		break;
	case SL_CHUNK_HTML:
		sl_chunk_read_html(c, text);
		break;
	case SL_CHUNK_JSONL:
		sl_chunk_read_jsonl(c, text);
		break;
	}
	give(c, false);
}

int sl_chunk_split(struct sl_span source, enum sl_chunk_format format,
		   const struct sl_chunk_options *options,
		   int (*take)(void *arg, const struct sl_chunk *chunk), void *arg,
		   struct sl_chunk_report *ret_report, struct sl_error *error)
{
	struct sl_chunker c = {.options = resolve(options), .take = take, .arg = arg};
	struct sl_text text;
	int rc;

	if (source.len > SL_CHUNK_SOURCE_BYTES_MAX)
		return sl_error_set(error, -E2BIG, "document of %zu bytes: over %u; split it",
				    source.len, SL_CHUNK_SOURCE_BYTES_MAX);
	sl_text_init(&text, 3u * SL_CHUNK_SOURCE_BYTES_MAX);
	sl_text_init(&c.text, 0);
	sl_text_init(&c.path, 0);
	for (size_t i = 0; i < SL_CHUNK_LEVELS; i++)
		sl_text_init(&c.headings[i], 0);
	rc = clean(source, &text);
	if (!rc) {
		read_all(&c, sl_text_span(&text), format);
		rc = c.rc;
	}
	if (rc == -E2BIG && c.report.chunks == SL_CHUNKS_MAX)
		sl_error_set(error, rc, "document: over %u chunks; split it, or give larger chunks",
			     SL_CHUNKS_MAX);
	else if (rc == -ENOMEM)
		sl_error_set_errno(error, rc, "document of %zu bytes", source.len);
	sl_text_fini(&text);
	sl_text_fini(&c.text);
	sl_text_fini(&c.path);
	for (size_t i = 0; i < SL_CHUNK_LEVELS; i++)
		sl_text_fini(&c.headings[i]);
	*ret_report = c.report;
	return rc;
}
