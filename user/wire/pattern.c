/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/pattern.h"

#include <errno.h>
#include <hs/hs.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/text.h"

/* ^ and $ are those of lines: where a text begins and ends is not known while it comes. */
#define FLAGS	     (HS_FLAG_CASELESS | HS_FLAG_SOM_LEFTMOST | HS_FLAG_DOTALL | HS_FLAG_MULTILINE)
#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define SCRATCH_KEPT 16u
#define UNORDERED    16u /* bytes by which matches may come late: those that end with \b or $ do */

/* What an expression's id says: the match is words, and must not begin or end within one. */
#define EDGE_BEFORE 1u
#define EDGE_AFTER  2u

struct sl_pattern_list {
	hs_database_t *database; /* NULL: an empty list */
	uint32_t width;
	uint32_t count;
	uint32_t owners;
	pthread_mutex_t lock; /* of the two below */
	hs_scratch_t *scratches[SCRATCH_KEPT];
	uint32_t scratch_count;
};

struct reading {
	struct sl_text texts; /* the expressions, a NUL behind each */
	size_t *offsets;      /* of each */
	unsigned int *lines;  /* of the list */
	unsigned int *ids;    /* EDGE_ */
	unsigned int count;
	struct sl_error *error;
};

/* ---- characters -------------------------------------------------------------------------------- */

/*
 * Are words made of it, in a script that parts them? Han, Kana, Hangul, Thai, Lao, Burmese and Khmer are
 * left out: there a name stands beside others without a gap.
 */
static bool is_word(uint32_t c)
{
	if (c < 0x80)
		return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
		       c == '_';
	if (c < 0x100)
		return (c >= 0xc0 && c != 0xd7 && c != 0xf7) || c == 0xaa || c == 0xb5 || c == 0xba;
	if (c >= 0x1000)
		return (c >= 0x10a0 && c < 0x1780) || (c >= 0x1800 && c < 0x2000) ||
		       (c >= 0x2c00 && c < 0x2e00) || (c >= 0xa640 && c < 0xa6a0);
	return c < 0xe00 || c >= 0xf00;
}

/* The character that begins there; its bytes, 1 where it is none. */
static size_t decode(const char *data, size_t len, uint32_t *ret_char)
{
	unsigned char b = (unsigned char)data[0];
	size_t size = b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
	uint32_t c = size == 1 ? b : b & (0x7fu >> size);

	for (size_t i = 1; i < size; i++) {
		if (i >= len || ((unsigned char)data[i] & 0xc0) != 0x80) {
			*ret_char = b;
			return 1;
		}
		c = c << 6 | ((unsigned char)data[i] & 0x3f);
	}
	*ret_char = c;
	return size;
}

static bool word_before(const char *text, size_t at)
{
	size_t from = at;
	uint32_t c;

	if (at == 0)
		return false;
	do
		from--;
	while (from > 0 && at - from < 4 && ((unsigned char)text[from] & 0xc0) == 0x80);
	decode(text + from, at - from, &c);
	return is_word(c);
}

static bool word_at(const char *text, size_t len, size_t at)
{
	uint32_t c;

	if (at >= len)
		return false;
	decode(text + at, len - at, &c);
	return is_word(c);
}

/* A letter's other case, in the blocks where upper and lower case are side by side; else itself. */
static uint32_t other_case(uint32_t c)
{
	static const struct {
		uint16_t from, to; /* of upper case */
		uint16_t step;
	} blocks[] = {
		{0xc0, 0xd6, 0x20},   {0xd8, 0xde, 0x20},   {0x391, 0x3a1, 0x20},
		{0x3a3, 0x3a9, 0x20}, {0x400, 0x40f, 0x50}, {0x410, 0x42f, 0x20},
		{0x531, 0x556, 0x30},
	};
	/* pairs, the upper case first: even, or odd */
	static const uint16_t even[][2] = {{0x100, 0x12f},   {0x132, 0x137},  {0x14a, 0x177},
					   {0x460, 0x481},   {0x48a, 0x4bf},  {0x4d0, 0x52f},
					   {0x1e00, 0x1e95}, {0x1ea0, 0x1eff}};
	static const uint16_t odd[][2] = {{0x139, 0x148}, {0x179, 0x17e}, {0x4c1, 0x4ce}};

	for (size_t i = 0; i < COUNT(blocks); i++) {
		if (c >= blocks[i].from && c <= blocks[i].to)
			return c + blocks[i].step;
		if (c >= (uint32_t)blocks[i].from + blocks[i].step &&
		    c <= (uint32_t)blocks[i].to + blocks[i].step)
			return c - blocks[i].step;
	}
	for (size_t i = 0; i < COUNT(even); i++)
		if (c >= even[i][0] && c <= even[i][1])
			return c ^ 1;
	for (size_t i = 0; i < COUNT(odd); i++)
		if (c >= odd[i][0] && c <= odd[i][1])
			return ((c - 1) ^ 1) + 1;
	return c;
}

static void add_char(struct sl_text *out, uint32_t c)
{
	if (c < 0x800)
		sl_text_printf(out, "\\x%02x\\x%02x", 0xc0 | c >> 6, 0x80 | (c & 0x3f));
	else
		sl_text_printf(out, "\\x%02x\\x%02x\\x%02x", 0xe0 | c >> 12, 0x80 | (c >> 6 & 0x3f),
			       0x80 | (c & 0x3f));
}

/* ---- lists ------------------------------------------------------------------------------------- */

/* Words as they are, in either case. Returns the edges that are to be looked at. */
static unsigned int add_words(struct sl_text *out, struct sl_span words)
{
	unsigned int edges = word_at(words.data, words.len, 0) ? EDGE_BEFORE : 0;
	size_t size;

	for (size_t at = 0; at < words.len; at += size) {
		uint32_t c, other;

		size = decode(words.data + at, words.len - at, &c);
		other = size > 1 ? other_case(c) : c;
		if (other != c) {
			sl_text_append_string(out, "(?:");
			add_char(out, c);
			sl_text_append_char(out, '|');
			add_char(out, other);
			sl_text_append_char(out, ')');
			continue;
		}
		for (size_t i = 0; i < size; i++) {
			unsigned char b = (unsigned char)words.data[at + i];

			if (b < 0x80 && is_word(b))
				sl_text_append_char(out, (char)b);
			else
				sl_text_printf(out, "\\x%02x", b);
		}
	}
	return edges | (word_before(words.data, words.len) ? EDGE_AFTER : 0);
}

static int read_line(struct reading *r, struct sl_span line, unsigned int number)
{
	if (line.len && line.data[line.len - 1] == '\r')
		line.len--;
	line = sl_span_trim(line);
	if (line.len == 0 || line.data[0] == '#')
		return 0;
	if (r->count == SL_PATTERN_LINES_MAX)
		return sl_error_set(r->error, -E2BIG, "line %u: more than %u patterns", number,
				    SL_PATTERN_LINES_MAX);
	if (memchr(line.data, '\0', line.len))
		return sl_error_set(r->error, -EINVAL, "line %u: a NUL byte", number);
	r->offsets[r->count] = r->texts.len;
	r->lines[r->count] = number;
	if (line.len > 2 && line.data[0] == '/' && line.data[line.len - 1] == '/')
		sl_text_append(&r->texts, line.data + 1, line.len - 2);
	else
		r->ids[r->count] = add_words(&r->texts, line);
	r->count++;
	sl_text_append_char(&r->texts, '\0');
	return r->texts.error;
}

/* How long can its matches be? */
static int measure(struct reading *r, const char *expression, unsigned int line, uint32_t *width)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *bad = NULL;
	int rc = 0;

	if (hs_expression_info(expression, FLAGS, &info, &bad) != HS_SUCCESS) {
		rc = sl_error_set(r->error, -EINVAL, "line %u: %s", line,
				  bad ? bad->message : "no expression");
		hs_free_compile_error(bad);
		return rc;
	}
	if (info->min_width == 0)
		rc = sl_error_set(r->error, -EINVAL, "line %u: matches nothing at all", line);
	else if (info->max_width > SL_PATTERN_WIDTH_MAX)
		rc = sl_error_set(
			r->error, -EINVAL,
			"line %u: may match more than %u bytes: bound its repetitions, like "
			"{1,20}",
			line, SL_PATTERN_WIDTH_MAX);
	else if (info->max_width > *width)
		*width = info->max_width;
	free(info);
	return rc;
}

static int build(struct reading *r, struct sl_pattern_list *list)
{
	const char **expressions = calloc(r->count, sizeof(*expressions));
	unsigned int *flags = calloc(r->count, sizeof(*flags));
	hs_compile_error_t *bad = NULL;
	int rc = expressions && flags ? 0 : -ENOMEM;

	for (unsigned int i = 0; !rc && i < r->count; i++) {
		expressions[i] = r->texts.data + r->offsets[i];
		flags[i] = FLAGS;
		rc = measure(r, expressions[i], r->lines[i], &list->width);
	}
	if (!rc && hs_compile_multi(expressions, flags, r->ids, r->count, HS_MODE_BLOCK, NULL,
				    &list->database, &bad) != HS_SUCCESS) {
		int at = bad ? bad->expression : -1;

		rc = sl_error_set(r->error, -EINVAL, "line %u: %s", at >= 0 ? r->lines[at] : 0,
				  bad ? bad->message : "not to be compiled");
		hs_free_compile_error(bad);
	}
	free(expressions);
	free(flags);
	return rc;
}

int sl_pattern_compile(const char *text, size_t len, struct sl_pattern_list **ret_list,
		       struct sl_error *error)
{
	struct sl_pattern_list *list = calloc(1, sizeof(*list));
	struct reading r = {.error = error};
	struct sl_span rest = {text, len};
	unsigned int number = 0;
	int rc = 0;

	r.offsets = calloc(SL_PATTERN_LINES_MAX, sizeof(*r.offsets));
	r.lines = calloc(SL_PATTERN_LINES_MAX, sizeof(*r.lines));
	r.ids = calloc(SL_PATTERN_LINES_MAX, sizeof(*r.ids));
	sl_text_init(&r.texts, 8 * SL_PATTERN_TEXT_MAX);
	if (!list || !r.offsets || !r.lines || !r.ids)
		rc = -ENOMEM;
	else if (len > SL_PATTERN_TEXT_MAX)
		rc = sl_error_set(error, -E2BIG, "over %u bytes", SL_PATTERN_TEXT_MAX);
	while (!rc && rest.len)
		rc = read_line(&r, sl_span_cut(&rest, '\n'), ++number);
	if (!rc && r.count)
		rc = build(&r, list);
	sl_text_fini(&r.texts);
	free(r.offsets);
	free(r.lines);
	free(r.ids);
	if (rc) {
		free(list);
		return rc;
	}
	pthread_mutex_init(&list->lock, NULL);
	list->owners = 1;
	list->count = r.count;
	*ret_list = list;
	return 0;
}

struct sl_pattern_list *sl_pattern_hold(struct sl_pattern_list *list)
{
	__atomic_add_fetch(&list->owners, 1, __ATOMIC_RELAXED);
	return list;
}

void sl_pattern_free(struct sl_pattern_list **list_in)
{
	struct sl_pattern_list *list = *list_in;

	*list_in = NULL;
	if (!list || __atomic_sub_fetch(&list->owners, 1, __ATOMIC_ACQ_REL))
		return;
	while (list->scratch_count)
		hs_free_scratch(list->scratches[--list->scratch_count]);
	hs_free_database(list->database);
	pthread_mutex_destroy(&list->lock);
	free(list);
}

uint32_t sl_pattern_hold_back(const struct sl_pattern_list *list)
{
	return list->width ? list->width + SL_PATTERN_CHAR_MAX : 0;
}

uint32_t sl_pattern_count(const struct sl_pattern_list *list)
{
	return list->count;
}

static hs_scratch_t *take_scratch(struct sl_pattern_list *list)
{
	hs_scratch_t *scratch = NULL;

	pthread_mutex_lock(&list->lock);
	if (list->scratch_count)
		scratch = list->scratches[--list->scratch_count];
	pthread_mutex_unlock(&list->lock);
	if (!scratch && hs_alloc_scratch(list->database, &scratch) != HS_SUCCESS)
		return NULL;
	return scratch;
}

static void give_scratch(struct sl_pattern_list *list, hs_scratch_t *scratch)
{
	pthread_mutex_lock(&list->lock);
	if (list->scratch_count < SCRATCH_KEPT) {
		list->scratches[list->scratch_count++] = scratch;
		scratch = NULL;
	}
	pthread_mutex_unlock(&list->lock);
	hs_free_scratch(scratch);
}

/* ---- searching --------------------------------------------------------------------------------- */

struct found {
	const char *text;
	size_t len;
	size_t from; /* nothing that begins before counts */
	size_t at, end;
	uint32_t width;
	bool any;
	bool hidden; /* one that began before `from` may have hidden one that begins behind it */
};

static int note_match(unsigned int id, unsigned long long at_in, unsigned long long end_in,
		      unsigned int flags, void *context)
{
	struct found *found = context;
	size_t at = (size_t)at_in, end = (size_t)end_in;

	(void)flags;
	/* they come by their ends: none can begin as early any more */
	if (found->any && end > found->at + found->width + UNORDERED)
		return 1;
	if (at < found->from) {
		found->hidden = found->hidden || end > found->from;
		return 0;
	}
	if ((id & EDGE_BEFORE && word_before(found->text, at)) ||
	    (id & EDGE_AFTER && word_at(found->text, found->len, end)))
		return 0;
	if (!found->any || at < found->at || (at == found->at && end > found->end)) {
		found->any = true;
		found->at = at;
		found->end = end;
	}
	return 0;
}

int sl_pattern_find(struct sl_pattern_list *list, const char *text, size_t len, size_t from,
		    size_t *ret_at, size_t *ret_len)
{
	/* what is before, to see whether a word begins */
	size_t context = from < SL_PATTERN_CHAR_MAX ? from : SL_PATTERN_CHAR_MAX;
	struct found found = {.width = list->width};
	hs_scratch_t *scratch;
	hs_error_t rc;

	if (!list->database || from >= len || len > UINT32_MAX)
		return 0;
	scratch = take_scratch(list);
	if (!scratch)
		return -ENOMEM;
	do {
		if (found.hidden)
			context = 0;
		found.text = text + from - context;
		found.len = len - from + context;
		found.from = context;
		found.any = found.hidden = false;
		rc = hs_scan(list->database, found.text, (unsigned int)found.len, 0, scratch,
			     note_match, &found);
	} while (found.hidden);
	give_scratch(list, scratch);
	if (rc != HS_SUCCESS && rc != HS_SCAN_TERMINATED)
		return -ENOMEM;
	if (!found.any)
		return 0;
	*ret_at = from - context + found.at;
	*ret_len = found.end - found.at;
	return 1;
}
