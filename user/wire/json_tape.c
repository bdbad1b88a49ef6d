/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text is checked first, by the scanner, which is fast; what is left to do here is to find where
 * values begin and end in a text that is known to be well formed.
 */
#include "user/wire/json_tape.h"

#include <assert.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define FIRST_NODES 256u

struct build {
	const char *text;
	size_t len;
	size_t at;
	struct sl_arena *arena;
	struct sl_json_node *nodes;
	uint32_t node_count;
	uint32_t room;
	uint32_t open[SL_JSON_DEPTH_MAX]; /* containers that are not closed yet */
	uint32_t depth;
};

static bool grow(struct build *b)
{
	uint32_t room = b->room ? b->room * 4 : FIRST_NODES;
	/* not zeroed: each is written whole when it is taken */
	struct sl_json_node *nodes = sl_arena_alloc(b->arena, room * sizeof(*nodes));

	if (!nodes)
		return false;
	if (b->node_count)
		memcpy(nodes, b->nodes, b->node_count * sizeof(*nodes));
	b->nodes = nodes;
	b->room = room;
	return true;
}

/* The quotation mark or backslash at `from` or behind it: there is one, for the text is well formed. */
static const char *find_mark(const char *from, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');

	for (; end - from >= 16; from += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)from);
		int mask = _mm_movemask_epi8(
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));

		if (mask)
			return from + __builtin_ctz((unsigned int)mask);
	}
#endif
	while (from < end && *from != '"' && *from != '\\')
		from++;
	return from;
}

/* The offset behind the string that begins at `at`. */
static size_t string_end(const struct build *b, size_t at, bool *ret_escaped)
{
	const char *end = b->text + b->len, *from = find_mark(b->text + at + 1, end);

	*ret_escaped = false;
	while (from < end && *from == '\\') {
		*ret_escaped = true;
		from = find_mark(from + 2, end);
	}
	assert(from < end);
	return (size_t)(from - b->text) + 1;
}

static inline bool ends_scalar(char b)
{
	return b == ',' || b == '}' || b == ']' || b == ' ' || b == '\n' || b == '\r' ||
	       b == '\t' || b == ':';
}

static size_t scalar_end(const struct build *b, size_t at)
{
	while (at < b->len && !ends_scalar(b->text[at]))
		at++;
	return at;
}

static void close_node(struct build *b)
{
	struct sl_json_node *node = &b->nodes[b->open[--b->depth]];

	node->len = (uint32_t)(++b->at - node->at);
	node->next = b->node_count;
}

/* The value or key at the cursor. */
static void add_node(struct build *b)
{
	struct sl_json_node *node = &b->nodes[b->node_count++];
	struct sl_json_node *parent = b->depth ? &b->nodes[b->open[b->depth - 1]] : NULL;
	char first = b->text[b->at];

	*node = (struct sl_json_node){.at = (uint32_t)b->at,
				      .type = (uint8_t)sl_json_type_of(first)};
	if (parent)
		parent->count++;
	if (first == '{' || first == '[') {
		assert(b->depth < SL_JSON_DEPTH_MAX);
		b->open[b->depth++] = b->node_count - 1;
		b->at++;
		return;
	}
	b->at = first == '"' ? string_end(b, b->at, &node->escaped) : scalar_end(b, b->at);
	node->len = (uint32_t)(b->at - node->at);
	node->next = b->node_count;
}

int sl_json_tape_make(const char *text, size_t len, struct sl_arena *arena,
		      struct sl_json_tape *ret_tape)
{
	struct build b = {.text = text, .len = len, .arena = arena};
	int rc;

	if (len > SL_JSON_TAPE_BYTES_MAX)
		return SL_JSON_TAPE_TOO_LARGE;
	rc = sl_json_check(text, len, NULL);
	if (rc)
		return rc;
	while (b.at < len) {
		switch (text[b.at]) {
		case ' ':
		case '\t':
		case '\r':
		case '\n':
		case ',':
		case ':':
			b.at++;
			continue;
		case '}':
		case ']':
			close_node(&b);
			continue;
		}
		if (b.node_count == SL_JSON_TAPE_NODES_MAX)
			return SL_JSON_TAPE_TOO_LARGE;
		if (b.node_count == b.room && !grow(&b))
			return SL_JSON_TAPE_NO_MEMORY;
		add_node(&b);
	}
	/* keys and values were counted alike */
	for (uint32_t i = 0; i < b.node_count; i++)
		if (b.nodes[i].type == SL_JSON_OBJECT)
			b.nodes[i].count /= 2;
	*ret_tape = (struct sl_json_tape){text, b.nodes, b.node_count};
	return 0;
}

const char *sl_json_tape_bad_text(int rc)
{
	switch (rc) {
	case SL_JSON_TAPE_TOO_LARGE:
		return "too many values";
	case SL_JSON_TAPE_NO_MEMORY:
		return "no memory";
	default:
		return sl_json_bad_text((enum sl_json_bad) - rc);
	}
}

struct sl_span sl_json_tape_raw(const struct sl_json_tape *tape, uint32_t node)
{
	const struct sl_json_node *n = &tape->nodes[node];

	if (n->type == SL_JSON_STRING)
		return sl_span_make(tape->text + n->at + 1, n->len - 2);
	return sl_span_make(tape->text + n->at, n->len);
}

bool sl_json_tape_string(const struct sl_json_tape *tape, uint32_t node, struct sl_arena *arena,
			 struct sl_span *ret_span)
{
	const struct sl_json_node *n = &tape->nodes[node];
	struct sl_json_field field = {.type = SL_JSON_STRING,
				      .escaped = true,
				      .value = tape->text + n->at,
				      .value_len = n->len};
	char *out;
	int len;

	assert(n->type == SL_JSON_STRING);
	if (!n->escaped) {
		*ret_span = sl_json_tape_raw(tape, node);
		return true;
	}
	out = sl_arena_alloc(arena, n->len);
	if (!out)
		return false;
	len = sl_json_string(&field, out, n->len);
	assert(len >= 0); /* the two quotes leave room for the terminator */
	*ret_span = sl_span_make(out, (size_t)len);
	return true;
}

uint32_t sl_json_tape_member(const struct sl_json_tape *tape, uint32_t object, struct sl_span key,
			     struct sl_arena *arena)
{
	const struct sl_json_node *o = &tape->nodes[object];
	uint32_t at = object + 1;

	if (o->type != SL_JSON_OBJECT)
		return 0;
	for (uint32_t i = 0; i < o->count; i++, at = tape->nodes[at + 1].next) {
		const struct sl_json_node *n = &tape->nodes[at];
		struct sl_span name;

		if (!n->escaped && n->len != key.len + 2)
			continue;
		if (sl_json_tape_string(tape, at, arena, &name) && sl_span_equal(name, key))
			return at + 1;
	}
	return 0;
}
