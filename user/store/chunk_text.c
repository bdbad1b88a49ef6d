/* SPDX-License-Identifier: BSD-2-Clause */
/* The readers of plain text, Markdown (CommonMark's headings and fences) and JSON lines. */
#include <errno.h>
#include <stdlib.h>

#include "user/store/chunk_parts.h"
#include "user/wire/json_scan.h"

#define FRONT_MATTER_LINES_MAX 200u
#define FENCE_MIN	       3u

static bool is_empty_line(struct sl_span line)
{
	return sl_span_trim(line).len == 0;
}

/* The lines [begin, end) of one text, which `end` follows. */
static struct sl_span between(const char *begin, const char *end)
{
	return sl_span_make(begin, (size_t)(end - begin));
}

void sl_chunk_read_text(struct sl_chunker *c, struct sl_span text, uint32_t line)
{
	const char *begin = text.data;
	uint32_t begin_line = line;

	while (text.data != NULL && c->rc == 0) {
		struct sl_span now = sl_span_cut(&text, '\n');

		if (is_empty_line(now)) {
			sl_chunker_block(c, between(begin, now.data), begin_line);
			begin = now.data;
			begin_line = line;
		}
		if (text.data == NULL)
			sl_chunker_block(c, between(begin, now.data + now.len), begin_line);
		line += !c->one_line;
	}
}

/* ---- Markdown -------------------------------------------------------------------------------- */

/* 1 to 6 with the heading's text, else 0. */
static unsigned hash_heading(struct sl_span line, struct sl_span *ret_text)
{
	unsigned level = 0;
	size_t end;

	line = sl_span_trim(line);
	while (level < line.len && line.data[level] == '#')
		level++;
	if (level == 0 || level > SL_CHUNK_LEVELS ||
	    (level < line.len && line.data[level] != ' ' && line.data[level] != '\t'))
		return 0;
	line = sl_span_trim(sl_span_make(line.data + level, line.len - level));
	end = line.len;
	while (end > 0 && line.data[end - 1] == '#')
		end--;
	/* Hashes at the end close the heading only behind a space: "C#" keeps its own. */
	if (end == 0 || line.data[end - 1] == ' ')
		line.len = end;
	*ret_text = sl_span_trim(line);
	return level;
}

/* A line of = (1) or - (2) only, which makes a heading of the line above. */
static unsigned underline(struct sl_span line)
{
	line = sl_span_trim(line);
	if (line.len < 2 || (line.data[0] != '=' && line.data[0] != '-'))
		return 0;
	for (size_t i = 1; i < line.len; i++)
		if (line.data[i] != line.data[0])
			return 0;
	return line.data[0] == '=' ? 1 : 2;
}

/* Length of the fence that the line is, 0 for none; *ret_byte: ` or ~. */
static size_t fence(struct sl_span line, char *ret_byte)
{
	size_t len = 0;

	line = sl_span_trim(line);
	if (line.len < FENCE_MIN || (line.data[0] != '`' && line.data[0] != '~'))
		return 0;
	while (len < line.len && line.data[len] == line.data[0])
		len++;
	*ret_byte = line.data[0];
	return len >= FENCE_MIN ? len : 0;
}

/* Cuts a front matter ("---" to "---" or "...") off the text; returns its lines. */
static uint32_t skip_front_matter(struct sl_span *text)
{
	struct sl_span rest = *text;
	struct sl_span line = sl_span_cut(&rest, '\n');

	if (!sl_span_equal(sl_span_trim(line), SL_SPAN("---")))
		return 0;
	for (uint32_t lines = 2; rest.data != NULL && lines < FRONT_MATTER_LINES_MAX; lines++) {
		line = sl_span_trim(sl_span_cut(&rest, '\n'));
		if (sl_span_equal(line, SL_SPAN("---")) || sl_span_equal(line, SL_SPAN("..."))) {
			*text = rest.data != NULL ? rest : sl_span_make("", 0);
			return lines;
		}
	}
	return 0;
}

struct markdown {
	struct sl_chunker *c;
	const char *begin; /* of the block that is being read */
	uint32_t begin_line;
	uint32_t block_lines; /* of it, so far */
	struct sl_span last;  /* its last line */
	size_t fence_len;     /* 0 outside of code */
	char fence_byte;
};

static void end_block(struct markdown *m, const char *end)
{
	sl_chunker_block(m->c, between(m->begin, end), m->begin_line);
}

static void begin_block(struct markdown *m, const char *at, uint32_t line)
{
	m->begin = at;
	m->begin_line = line;
	m->block_lines = 0;
}

static void markdown_line(struct markdown *m, struct sl_span line, const char *next,
			  uint32_t number)
{
	struct sl_span text;
	unsigned level;
	size_t len;
	char byte = 0;

	len = fence(line, &byte);
	if (m->fence_len) { /* within code only its end counts */
		if (byte == m->fence_byte && len >= m->fence_len && sl_span_trim(line).len == len) {
			m->fence_len = 0;
			end_block(m, next);
			begin_block(m, next, number + 1);
		}
		return;
	}
	if (len) {
		end_block(m, line.data);
		begin_block(m, line.data, number);
		m->fence_len = len;
		m->fence_byte = byte;
		return;
	}
	level = hash_heading(line, &text);
	if (level) {
		end_block(m, line.data);
	} else {
		level = m->block_lines == 1 ? underline(line) : 0;
		text = m->last;
	}
	if (level) {
		sl_chunker_heading(m->c, level, text);
		begin_block(m, next, number + 1);
	} else if (is_empty_line(line)) {
		end_block(m, line.data);
		begin_block(m, next, number + 1);
	} else {
		m->block_lines++;
		m->last = line;
	}
}

void sl_chunk_read_markdown(struct sl_chunker *c, struct sl_span text)
{
	struct markdown m = {.c = c};
	const char *end = text.data + text.len;
	uint32_t number = 1 + skip_front_matter(&text);

	end = text.len ? end : text.data;
	begin_block(&m, text.data, number);
	while (text.data != NULL && c->rc == 0) {
		struct sl_span line = sl_span_cut(&text, '\n');

		markdown_line(&m, line, text.data != NULL ? text.data : end, number++);
	}
	end_block(&m, end);
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

/* The decoded string in memory of the caller, {NULL, 0} where the field is none. */
static struct sl_span decode(const struct sl_json_field *field, char *memory, size_t size)
{
	int len = field->type == SL_JSON_STRING ? sl_json_string(field, memory, size) : -1;

	return len < 0 ? sl_span_make(NULL, 0) : sl_span_make(memory, (size_t)len);
}

static void blank_controls(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t') ||
		    text[i] == 0x7f)
			text[i] = ' ';
}

static bool take_record(struct sl_chunker *c, struct sl_span line, char *memory, uint32_t number)
{
	struct sl_json_field fields[] = {SL_JSON_FIELD("text"), SL_JSON_FIELD("content"),
					 SL_JSON_FIELD("body"), SL_JSON_FIELD("title"),
					 SL_JSON_FIELD("id")};
	struct sl_span text = {NULL, 0}, title;

	if (sl_json_scan(line.data, line.len, fields, sizeof(fields) / sizeof(fields[0])))
		return false;
	title = decode(&fields[3], memory, line.len + 1);
	if (title.len == 0)
		title = decode(&fields[4], memory, line.len + 1);
	if (title.len == 0 && fields[4].type == SL_JSON_NUMBER)
		title = sl_span_make(fields[4].value, fields[4].value_len);
	if (title.data == memory)
		blank_controls(memory, title.len);
	sl_chunker_restart(c);
	if (title.len)
		sl_chunker_heading(c, 1, title);
	for (size_t i = 0; i < 3 && text.len == 0; i++)
		text = decode(&fields[i], memory, line.len + 1);
	if (text.len == 0)
		return false;
	blank_controls(memory, text.len);
	sl_chunk_read_text(c, text, number);
	return true;
}

void sl_chunk_read_jsonl(struct sl_chunker *c, struct sl_span text)
{
	uint32_t number = 1;
	char *memory = malloc(text.len + 1);

	if (memory == NULL) {
		c->rc = -ENOMEM;
		return;
	}
	c->one_line = true;
	while (text.data != NULL && c->rc == 0) {
		struct sl_span line = sl_span_trim(sl_span_cut(&text, '\n'));

		if (line.len && !take_record(c, line, memory, number) &&
		    c->report.records_bad++ == 0)
			c->report.record_bad_at = number;
		number++;
	}
	free(memory);
}
