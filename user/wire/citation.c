/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/citation.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/wire/regex.h"

#define NAMED	     "(?<chunk>"
#define ARENA_BLOCK  16384u
#define ARENA_MAX    (1u << 20) /* a program has a bound of its own */
#define NAME_MAX_LEN 200u	/* bytes of a chunk's name that is looked for */

/* The expression in three: what is before the group, in it, and behind it. */
struct parts {
	struct sl_span before, group, behind;
	bool named;
	bool open; /* nothing behind the group says where the name ends */
};

/* Where the group that begins at `at` ends: its ')'. NULL: nowhere. */
static const char *end_of_group(const char *at)
{
	uint32_t deep = 1;
	bool class = false;

	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (class)
			class = *at != ']';
		else if (*at == '[')
			class = true;
		else if (*at == '(')
			deep++;
		else if (*at == ')' && --deep == 0)
			return at;
	}
	return NULL;
}

/* The group, where it stands neither escaped nor in a class. */
static const char *find_group(const char *at)
{
	bool class = false;

	for (; *at; at++) {
		if (*at == '\\' && at[1])
			at++;
		else if (class)
			class = *at != ']';
		else if (*at == '[')
			class = true;
		else if (strncmp(at, NAMED, strlen(NAMED)) == 0)
			return at;
	}
	return NULL;
}

static int split(const char *pattern, struct parts *ret_parts, struct sl_error *error)
{
	const char *group = find_group(pattern);
	const char *inside = group != NULL ? group + strlen(NAMED) : NULL;
	const char *end = inside != NULL ? end_of_group(inside) : NULL;

	*ret_parts = (struct parts){.before = sl_span_string(pattern), .named = group != NULL};
	if (group == NULL)
		return 0;
	if (end == NULL)
		return sl_error_set(error, -EINVAL, "the group \"chunk\" has no end");
	if (find_group(end + 1) != NULL || find_group(inside) != NULL)
		return sl_error_set(error, -EINVAL, "there are two groups \"chunk\"");
	ret_parts->before = sl_span_make(pattern, (size_t)(group - pattern));
	ret_parts->group = sl_span_make(inside, (size_t)(end - inside));
	ret_parts->behind = sl_span_string(end + 1);
	return 0;
}

/* Compiles and searches once. */
static int search(struct sl_span pattern, struct sl_span text, uint64_t *steps,
		  struct sl_error *error)
{
	struct sl_arena arena;
	struct sl_regex *regex;
	uint32_t *work;
	int rc;

	sl_arena_init(&arena, ARENA_BLOCK, ARENA_MAX);
	rc = sl_regex_compile(pattern.data, pattern.len, &arena, &regex, error);
	if (!rc) {
		work = sl_arena_array(&arena, sl_regex_work_count(regex), sizeof(*work));
		rc = work != NULL ? sl_regex_search(regex, text.data, text.len, work, steps)
				  : -ENOMEM;
	}
	sl_arena_fini(&arena);
	return rc;
}

static void add_literal(struct sl_text *out, struct sl_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (strchr("^$\\.*+?()[]{}|/", text.data[i]))
			sl_text_append_char(out, '\\');
		sl_text_append_char(out, text.data[i]);
	}
}

/* Would the group match this name, whole? */
static bool is_name(const struct parts *p, struct sl_span name, uint64_t *steps)
{
	char memory[SL_CITATION_PATTERN_MAX + 16];
	struct sl_text whole;

	if (name.len == 0 || name.len > NAME_MAX_LEN || memchr(name.data, '\0', name.len))
		return false;
	sl_text_init_fixed(&whole, memory, sizeof(memory));
	sl_text_append_string(&whole, "^(?:");
	sl_text_append_span(&whole, p->group);
	sl_text_append_string(&whole, ")$");
	return !whole.error && search(sl_text_span(&whole), name, steps, NULL) == 1;
}

/* Behind the group there may be nothing, or anything: "doc 1" would be found in "doc 12". */
static bool is_open(struct sl_span behind, uint64_t *steps)
{
	char memory[SL_CITATION_PATTERN_MAX + 16];
	struct sl_text whole;
	size_t ends = 0; /* of groups around it */

	while (ends < behind.len && behind.data[ends] == ')')
		ends++;
	behind = sl_span_make(behind.data + ends, behind.len - ends);
	if (behind.len == 0 || behind.data[0] == '.' ||
	    (behind.len > 1 && memcmp(behind.data, "[^", 2) == 0))
		return true;
	sl_text_init_fixed(&whole, memory, sizeof(memory));
	sl_text_append_string(&whole, "^(?:");
	sl_text_append_span(&whole, behind);
	sl_text_append_string(&whole, ")$");
	switch (whole.error ? -1 : search(sl_text_span(&whole), SL_SPAN(""), steps, NULL)) {
	case 0:
		return false;
	case 1:
		return true;
	default: /* a part of an expression: "?" behind a group's end */
		return ends > 0;
	}
}

/* A name, and that it ends here: no letter or digit goes on with it. */
static void add_name(const struct parts *p, struct sl_span name, struct sl_text *out)
{
	unsigned char last = (unsigned char)name.data[name.len - 1];
	bool word = isalnum(last) || last == '_';

	add_literal(out, name);
	if (!p->open)
		return;
	sl_text_append_string(out, word ? "\\b" : "\\B");
	if (word && p->behind.len == 0) { /* of type: _see doc 1_ */
		sl_text_append_char(out, '|');
		add_literal(out, name);
		sl_text_append_char(out, '_');
	}
}

/* The expression with the names of one chunk in the place of its group. False: it has none that fits. */
static bool write_with(const struct parts *p, const struct sl_citation_chunk *chunk,
		       uint64_t *steps, struct sl_text *out)
{
	char number[16];
	struct sl_span names[3];
	uint32_t written = 0;

	snprintf(number, sizeof(number), "%" PRIu32, chunk->number);
	names[0] = sl_span_string(number);
	names[1] = sl_span_string(chunk->id);
	names[2] = sl_span_string(chunk->document);
	sl_text_append_span(out, p->before);
	sl_text_append_string(out, "(?:");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!is_name(p, names[i], steps))
			continue;
		sl_text_append_string(out, written++ ? "|" : "");
		add_name(p, names[i], out);
	}
	sl_text_append_char(out, ')');
	sl_text_append_span(out, p->behind);
	return written != 0;
}

bool sl_citation_names_chunk(const char *pattern)
{
	return find_group(pattern) != NULL;
}

int sl_citation_check(const char *pattern, struct sl_error *error)
{
	uint64_t steps = SL_CITATION_STEPS;
	struct parts p;
	int rc = split(pattern, &p, error);

	if (!rc)
		rc = search(sl_span_string(pattern), SL_SPAN(""), &steps, error);
	if (rc == 1) /* then every answer would do */
		return sl_error_set(error, -EINVAL, "it matches where nothing is");
	return rc;
}

int sl_citation_find(const char *pattern, struct sl_span text,
		     const struct sl_citation_chunk *chunks, uint32_t count)
{
	uint64_t steps = SL_CITATION_STEPS;
	struct sl_text one;
	struct parts p;
	int rc = split(pattern, &p, NULL);

	if (rc)
		return rc;
	rc = search(sl_span_string(pattern), text, &steps, NULL);
	if (rc != 1 || !p.named || count == 0)
		return rc;
	p.open = is_open(p.behind, &steps);
	sl_text_init(&one, 0);
	rc = 0;
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		sl_text_reset(&one);
		if (!write_with(&p, &chunks[i], &steps, &one))
			continue;
		rc = one.error ? one.error : search(sl_text_span(&one), text, &steps, NULL);
	}
	sl_text_fini(&one);
	return rc;
}
