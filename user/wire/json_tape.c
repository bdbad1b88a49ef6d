/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass, by the same reader of strings, numbers and words as the scanner's: what is checked is laid out
 * at once. The states are the scanner's too: a value is due; a value has ended; a key is due.
 *
 * Measured (build/bench/validate, 4 KB of JSON with 560 values, CPU): 7 us, 1.0 to 1.6 times a check alone
 * (what is read is a chain of short strings, each of which says where the next begins). Checked first
 * and laid out in a second pass: a schema's whole check took 23 us, with one pass and without a search
 * for names that come in the schema's order 13.8.
 */
#include "user/wire/json_tape.h"

#include <assert.h>
#include <string.h>

#include "user/wire/json_eat.h"

#define FIRST_NODES 256u
#define MORE_NODES  4u /* times as many */

_Static_assert(SL_JSON_TAPE_NODES_MAX ==
		       FIRST_NODES * MORE_NODES * MORE_NODES * MORE_NODES * MORE_NODES,
	       "the last room is the limit");

struct build {
	struct sl_json_cursor c;
	const char *text;
	struct sl_arena *arena;
	struct sl_json_node *nodes;
	uint32_t node_count;
	uint32_t room;
	int rc;				  /* TOO_LARGE, NO_MEMORY */
	uint32_t open[SL_JSON_DEPTH_MAX]; /* containers that are not closed yet */
	uint32_t depth;
};

static bool grow(struct build *b)
{
	uint32_t room = b->room ? b->room * MORE_NODES : FIRST_NODES;
	struct sl_json_node *nodes;

	b->rc = SL_JSON_TAPE_TOO_LARGE;
	if (b->node_count == SL_JSON_TAPE_NODES_MAX)
		return false;
	/* not zeroed: each is written whole when it is taken */
	nodes = sl_arena_alloc(b->arena, room * sizeof(*nodes));
	b->rc = SL_JSON_TAPE_NO_MEMORY;
	if (!nodes)
		return false;
	b->rc = 0;
	if (b->node_count)
		memcpy(nodes, b->nodes, b->node_count * sizeof(*nodes));
	b->nodes = nodes;
	b->room = room;
	return true;
}

/* The next node, which begins at the cursor; NULL: there is no room. */
static inline struct sl_json_node *new_node(struct build *b)
{
	if (b->node_count == b->room && !grow(b))
		return NULL;
	return &b->nodes[b->node_count++];
}

static inline void close_node(struct build *b)
{
	struct sl_json_node *node = &b->nodes[b->open[--b->depth]];

	b->c.at++;
	node->len = (uint32_t)(b->c.at - b->text) - node->at;
	node->next = b->node_count;
}

/* Opens the container at the cursor. */
static bool open_node(struct build *b, bool object)
{
	struct sl_json_node *node;

	if (b->depth == SL_JSON_DEPTH_MAX)
		return sl_json_refuse(&b->c, SL_JSON_BAD_DEPTH);
	node = new_node(b);
	if (!node)
		return false;
	*node = (struct sl_json_node){.at = (uint32_t)(b->c.at - b->text),
				      .type = object ? SL_JSON_OBJECT : SL_JSON_ARRAY};
	b->open[b->depth++] = b->node_count - 1;
	b->c.at++;
	sl_json_skip_space(&b->c);
	return b->c.at < b->c.end || sl_json_refuse(&b->c, SL_JSON_BAD_CUT);
}

/* A key with its colon, or a value that is no container. */
static inline bool add_scalar(struct build *b)
{
	struct sl_json_node *node = new_node(b);
	const char *from = b->c.at;
	enum sl_json_type type;

	b->c.escaped = false;
	if (!node || !sl_json_eat_scalar(&b->c, &type))
		return false;
	*node = (struct sl_json_node){.at = (uint32_t)(from - b->text),
				      .len = (uint32_t)(b->c.at - from),
				      .next = b->node_count,
				      .type = (uint8_t)type,
				      .escaped = b->c.escaped};
	return true;
}

static inline bool add_key(struct build *b)
{
	if (b->c.at == b->c.end || *b->c.at != '"')
		return sl_json_refuse_here(&b->c, SL_JSON_BAD_SYNTAX);
	if (!add_scalar(b))
		return false;
	sl_json_skip_space(&b->c);
	if (b->c.at == b->c.end || *b->c.at != ':')
		return sl_json_refuse_here(&b->c, SL_JSON_BAD_SYNTAX);
	b->c.at++;
	return true;
}

/* The value at the cursor, to where the next is due, or the end: then *ret_whole. */
static bool add_value(struct build *b, bool *ret_whole)
{
	struct sl_json_node *parent;
	bool object;

	sl_json_skip_space(&b->c);
	if (b->c.at == b->c.end)
		return sl_json_refuse(&b->c, b->depth ? SL_JSON_BAD_CUT : SL_JSON_BAD_EMPTY);
	if (b->depth)
		b->nodes[b->open[b->depth - 1]].count++;
	object = *b->c.at == '{';
	if (object || *b->c.at == '[') {
		if (!open_node(b, object))
			return false;
		if (*b->c.at != (object ? '}' : ']'))
			return !object || add_key(b);
		close_node(b);
	} else if (!add_scalar(b)) {
		return false;
	}
	for (; b->depth; close_node(b)) { /* a value has ended */
		parent = &b->nodes[b->open[b->depth - 1]];
		sl_json_skip_space(&b->c);
		if (b->c.at == b->c.end)
			return sl_json_refuse(&b->c, SL_JSON_BAD_CUT);
		if (*b->c.at == (parent->type == SL_JSON_OBJECT ? '}' : ']'))
			continue;
		if (*b->c.at++ != ',')
			return sl_json_refuse(&b->c, SL_JSON_BAD_SYNTAX);
		sl_json_skip_space(&b->c);
		return parent->type != SL_JSON_OBJECT || add_key(b);
	}
	*ret_whole = true;
	return true;
}

int sl_json_tape_make(const char *text, size_t len, struct sl_arena *arena,
		      struct sl_json_tape *ret_tape)
{
	struct build b = {.c = {.at = text, .end = text + len}, .text = text, .arena = arena};
	bool whole = false;

	if (len > SL_JSON_TAPE_BYTES_MAX)
		return SL_JSON_TAPE_TOO_LARGE;
	while (!whole)
		if (!add_value(&b, &whole))
			break;
	/* what is malformed is called so, however large it is */
	if (b.rc == SL_JSON_TAPE_TOO_LARGE) {
		int bad = sl_json_check(text, len, NULL);

		return bad ? bad : b.rc;
	}
	if (!whole)
		return b.rc ? b.rc : -b.c.bad;
	sl_json_skip_space(&b.c);
	if (b.c.at < b.c.end)
		return -SL_JSON_BAD_TRAILING;
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

bool sl_json_tape_unescape(const struct sl_json_tape *tape, uint32_t node, struct sl_arena *arena,
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
