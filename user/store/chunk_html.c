/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of an HTML page, by a tokenizer after the WHATWG's (13.2.5) without a tree: a block begins
 * and ends at each tag of a block element. Comments, processing instructions and declarations are
 * skipped; script and style hold no tags but their own end; of the other elements that are left out,
 * the same element nested within is counted.
 */
#include <errno.h>
#include <stdlib.h>

#include "user/store/chunk_entities.h"
#include "user/store/chunk_parts.h"

#define TAG_NAME_MAX	 16u
#define ENTITY_BYTES_MAX 32u /* longest that is looked for behind an & */

enum element {
	ELEMENT_INLINE = 0, /* and all that is not known */
	ELEMENT_BLOCK,
	ELEMENT_BREAK, /* a line's end within a block */
	ELEMENT_CELL,  /* parts words, ends no block */
	ELEMENT_PRE,   /* a block whose white space counts */
	ELEMENT_HEADING,
	ELEMENT_SKIP, /* with all that is in it */
	ELEMENT_RAW   /* the same, and no tag within is one */
};

struct tag {
	char name[TAG_NAME_MAX + 1]; /* small letters; cut, which makes it one not known */
	bool closes;
	bool empty; /* <name/> */
};

struct html {
	struct sl_chunker *c;
	struct sl_text block;
	uint32_t line; /* now */
	uint32_t block_line;
	unsigned pre;		     /* nested */
	unsigned heading;	     /* level of the heading that is being read, 0: none */
	bool space;		     /* white space is owed before the next character */
	char skip[TAG_NAME_MAX + 1]; /* the element that is left out, "": none */
	unsigned skip_depth;
};

/* ---- characters ------------------------------------------------------------------------------ */

static void append_character(struct sl_text *text, uint32_t code)
{
	/* What a browser makes of 0x80 to 0x9f: the characters of Windows-1252 (WHATWG 13.2.5.80). */
	static const uint16_t windows[32] = {0x20ac, 0xfffd, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020,
					     0x2021, 0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0xfffd,
					     0x017d, 0xfffd, 0xfffd, 0x2018, 0x2019, 0x201c, 0x201d,
					     0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a,
					     0x0153, 0xfffd, 0x017e, 0x0178};

	if (code >= 0x80 && code < 0xa0)
		code = windows[code - 0x80];
	if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		code = 0xfffd;
	if (code < 0x80) {
		sl_text_append_char(text, code < 0x20 || code == 0x7f ? ' ' : (char)code);
	} else if (code < 0x800) {
		sl_text_append_char(text, (char)(0xc0 | code >> 6));
		sl_text_append_char(text, (char)(0x80 | (code & 0x3f)));
	} else if (code < 0x10000) {
		sl_text_append_char(text, (char)(0xe0 | code >> 12));
		sl_text_append_char(text, (char)(0x80 | (code >> 6 & 0x3f)));
		sl_text_append_char(text, (char)(0x80 | (code & 0x3f)));
	} else {
		sl_text_append_char(text, (char)(0xf0 | code >> 18));
		sl_text_append_char(text, (char)(0x80 | (code >> 12 & 0x3f)));
		sl_text_append_char(text, (char)(0x80 | (code >> 6 & 0x3f)));
		sl_text_append_char(text, (char)(0x80 | (code & 0x3f)));
	}
}

static int digit_of(char byte, unsigned base)
{
	int value = byte >= '0' && byte <= '9'	 ? byte - '0'
		    : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
		    : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
						 : 99;

	return value < (int)base ? value : -1;
}

/* "#123" or "#x1F": the number behind the &; *ret_len: bytes of it. False: no number. */
static bool number_entity(struct sl_span text, uint32_t *ret_code, size_t *ret_len)
{
	bool hex = text.len > 1 && (text.data[1] == 'x' || text.data[1] == 'X');
	unsigned base = hex ? 16 : 10;
	size_t begin = hex ? 2 : 1, i = begin;
	uint32_t code = 0;

	while (i < text.len && digit_of(text.data[i], base) >= 0) {
		if (code <= 0x10ffff)
			code = code * base + (uint32_t)digit_of(text.data[i], base);
		i++;
	}
	if (i == begin)
		return false;
	*ret_code = code;
	*ret_len = i + (i < text.len && text.data[i] == ';');
	return true;
}

struct entity {
	const char *name;
	uint16_t code;
};

static int compare_entity(const void *key, const void *item)
{
	return strcmp(key, ((const struct entity *)item)->name);
}

static bool named_entity(struct sl_span text, uint32_t *ret_code, size_t *ret_len)
{
#define ENTITY(NAME, CODE) {NAME, CODE},
	static const struct entity entities[] = {SL_CHUNK_ENTITIES(ENTITY)};
	char name[ENTITY_BYTES_MAX];
	const struct entity *found;
	size_t len = 0;

	while (len < text.len && len < sizeof(name) - 1 && text.data[len] != ';' &&
	       (unsigned char)text.data[len] > ' ') {
		name[len] = text.data[len];
		len++;
	}
	if (len == text.len || text.data[len] != ';')
		return false;
	name[len] = '\0';
	found = bsearch(name, entities, sizeof(entities) / sizeof(entities[0]), sizeof(entities[0]),
			compare_entity);
	if (found == NULL)
		return false;
	*ret_code = found->code;
	*ret_len = len + 1;
	return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void end_block(struct html *h)
{
	struct sl_span text = sl_text_span(&h->block);

	if (h->block.error && h->c->rc == 0)
		h->c->rc = h->block.error;
	if (h->heading)
		sl_chunker_heading(h->c, h->heading, text);
	else
		sl_chunker_block(h->c, text, h->block_line);
	sl_text_truncate(&h->block, 0);
	h->space = false;
	h->heading = 0;
}

static void text_byte(struct html *h, char byte)
{
	bool blank = byte == ' ' || byte == '\t' || byte == '\n';

	if (blank && !h->pre) {
		h->space = true;
		return;
	}
	if (h->block.len == 0)
		h->block_line = h->line;
	else if (h->space && h->block.data[h->block.len - 1] != '\n')
		sl_text_append_char(&h->block, ' ');
	h->space = false;
	sl_text_append_char(&h->block, byte);
}

/* An entity at text (the & itself), or the &; returns the bytes that it was. */
static size_t take_entity(struct html *h, struct sl_span text)
{
	struct sl_span inner = sl_span_make(text.data + 1, text.len - 1);
	char memory[8];
	struct sl_text bytes;
	uint32_t code;
	size_t len;
	bool found = inner.len && inner.data[0] == '#' ? number_entity(inner, &code, &len)
						       : named_entity(inner, &code, &len);

	if (!found) {
		text_byte(h, '&');
		return 1;
	}
	if (code == 0xa0)
		code = ' ';
	if (code == 0xad) /* a soft hyphen is no letter */
		return len + 1;
	sl_text_init_fixed(&bytes, memory, sizeof(memory));
	append_character(&bytes, code);
	for (size_t i = 0; i < bytes.len; i++)
		text_byte(h, memory[i]);
	return len + 1;
}

/* ---- tags ------------------------------------------------------------------------------------ */

static enum element element_of(const char *name)
{
	static const struct {
		const char *name;
		enum element element;
	} elements[] = {
		{"address", ELEMENT_BLOCK},    {"article", ELEMENT_BLOCK},
		{"aside", ELEMENT_BLOCK},      {"blockquote", ELEMENT_BLOCK},
		{"body", ELEMENT_BLOCK},       {"br", ELEMENT_BREAK},
		{"caption", ELEMENT_BLOCK},    {"dd", ELEMENT_BLOCK},
		{"details", ELEMENT_BLOCK},    {"dialog", ELEMENT_BLOCK},
		{"div", ELEMENT_BLOCK},	       {"dl", ELEMENT_BLOCK},
		{"dt", ELEMENT_BLOCK},	       {"fieldset", ELEMENT_BLOCK},
		{"figcaption", ELEMENT_BLOCK}, {"figure", ELEMENT_BLOCK},
		{"footer", ELEMENT_BLOCK},     {"form", ELEMENT_BLOCK},
		{"h1", ELEMENT_HEADING},       {"h2", ELEMENT_HEADING},
		{"h3", ELEMENT_HEADING},       {"h4", ELEMENT_HEADING},
		{"h5", ELEMENT_HEADING},       {"h6", ELEMENT_HEADING},
		{"head", ELEMENT_BLOCK},       {"header", ELEMENT_BLOCK},
		{"hr", ELEMENT_BLOCK},	       {"li", ELEMENT_BREAK},
		{"main", ELEMENT_BLOCK},       {"nav", ELEMENT_BLOCK},
		{"noscript", ELEMENT_SKIP},    {"ol", ELEMENT_BLOCK},
		{"option", ELEMENT_BREAK},     {"p", ELEMENT_BLOCK},
		{"pre", ELEMENT_PRE},	       {"script", ELEMENT_RAW},
		{"section", ELEMENT_BLOCK},    {"select", ELEMENT_SKIP},
		{"style", ELEMENT_RAW},	       {"summary", ELEMENT_BLOCK},
		{"svg", ELEMENT_SKIP},	       {"table", ELEMENT_BLOCK},
		{"td", ELEMENT_CELL},	       {"template", ELEMENT_SKIP},
		{"th", ELEMENT_CELL},	       {"title", ELEMENT_HEADING},
		{"tr", ELEMENT_BREAK},	       {"ul", ELEMENT_BLOCK},
	};

	for (size_t i = 0; i < sizeof(elements) / sizeof(elements[0]); i++)
		if (strcmp(elements[i].name, name) == 0)
			return elements[i].element;
	return ELEMENT_INLINE;
}

static bool is_letter(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Length of the tag at text ("<" itself), 0: it is none, but text. */
static size_t read_tag(struct sl_span text, struct tag *tag)
{
	size_t i = 1, name_len = 0;
	char quote = 0;

	*tag = (struct tag){.closes = text.len > 1 && text.data[1] == '/'};
	i += tag->closes;
	if (i >= text.len || !is_letter(text.data[i]))
		return 0;
	for (; i < text.len && !memchr(" \t\n/>", text.data[i], 5); i++) {
		char byte = text.data[i];

		if (name_len < TAG_NAME_MAX)
			tag->name[name_len++] =
				byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
	}
	for (; i < text.len; i++) {
		char byte = text.data[i];

		if (quote) {
			quote = byte == quote ? 0 : quote;
		} else if ((byte == '"' || byte == '\'') && text.data[i - 1] == '=') {
			quote = byte;
		} else if (byte == '>') {
			tag->empty = text.data[i - 1] == '/';
			return i + 1;
		}
	}
	return text.len; /* a tag that never ends takes the rest, as in a browser */
}

static unsigned level_of(const char *name)
{
	return name[0] == 'h' ? (unsigned)(name[1] - '0') : 1;
}

static void take_tag(struct html *h, const struct tag *tag)
{
	enum element element = element_of(tag->name);

	switch (element) {
	case ELEMENT_INLINE:
		break;
	case ELEMENT_BREAK:
	case ELEMENT_CELL:
		h->space = h->space || element == ELEMENT_CELL;
		if (element == ELEMENT_BREAK && h->block.len && !h->heading) {
			if (h->block.data[h->block.len - 1] != '\n')
				sl_text_append_char(&h->block, '\n');
			h->space = false;
		} else if (h->heading) {
			h->space = true;
		}
		break;
	case ELEMENT_BLOCK:
		end_block(h);
		break;
	case ELEMENT_PRE:
		end_block(h);
		h->pre = tag->closes ? 0 : 1;
		break;
	case ELEMENT_HEADING:
		end_block(h);
		h->heading = tag->closes ? 0 : level_of(tag->name);
		break;
	case ELEMENT_SKIP:
	case ELEMENT_RAW:
		if (tag->closes || (tag->empty && element == ELEMENT_SKIP))
			break;
		memcpy(h->skip, tag->name, sizeof(h->skip));
		h->skip_depth = 1;
		break;
	}
}

/* Within an element that is left out: only its own tags count. */
static void skip_tag(struct html *h, const struct tag *tag)
{
	if (strcmp(tag->name, h->skip) != 0)
		return;
	if (tag->closes)
		h->skip_depth--;
	else if (element_of(tag->name) == ELEMENT_SKIP && !tag->empty)
		h->skip_depth++;
	if (h->skip_depth == 0)
		h->skip[0] = '\0';
}

/* Length of the comment, declaration or instruction at text, 0: it is none. */
static size_t read_markup(struct sl_span text)
{
	const char *end;

	if (text.len < 2 || (text.data[1] != '!' && text.data[1] != '?'))
		return 0;
	if (sl_span_starts(text, SL_SPAN("<!--"))) {
		end = memmem(text.data + 2, text.len - 2, "-->", 3); /* "<!-->" is one */
		return end != NULL ? (size_t)(end - text.data) + 3 : text.len;
	}
	end = memchr(text.data, '>', text.len);
	return end != NULL ? (size_t)(end - text.data) + 1 : text.len;
}

/* Whether text begins with the end tag of the raw element that is left out. */
static bool ends_raw(const struct html *h, struct sl_span text)
{
	size_t len = strlen(h->skip);

	return text.len >= len + 2 && text.data[1] == '/' &&
	       sl_span_equal_case(sl_span_make(text.data + 2, len), sl_span_string(h->skip)) &&
	       (text.len == len + 2 || !is_letter(text.data[len + 2]));
}

static void apply_tag(struct html *h, const struct tag *tag)
{
	if (h->skip[0])
		skip_tag(h, tag);
	else
		take_tag(h, tag);
}

/* One step at text, which is not empty: returns the bytes that it took. */
static size_t step(struct html *h, struct sl_span text)
{
	bool raw = h->skip[0] && element_of(h->skip) == ELEMENT_RAW;
	struct tag tag;
	size_t len;

	/* In a script a "<" is looked at no further, or one full of them would cost its square. */
	if (text.data[0] == '<' && (!raw || ends_raw(h, text))) {
		len = raw ? 0 : read_markup(text);
		if (len)
			return len;
		len = read_tag(text, &tag);
		if (len) {
			apply_tag(h, &tag);
			return len;
		}
	}
	if (h->skip[0])
		return 1;
	if (text.data[0] == '&')
		return take_entity(h, text);
	text_byte(h, text.data[0]);
	return 1;
}

void sl_chunk_read_html(struct sl_chunker *c, struct sl_span text)
{
	struct html h = {.c = c, .line = 1};

	c->one_line = true; /* a block's line ends are those of <br> and its like */
	sl_text_init(&h.block, SL_CHUNK_SOURCE_BYTES_MAX);
	while (text.len && c->rc == 0) {
		size_t len = step(&h, text);

		for (size_t i = 0; i < len; i++)
			h.line += text.data[i] == '\n';
		text.data += len;
		text.len -= len;
	}
	end_block(&h);
	sl_text_fini(&h.block);
}
