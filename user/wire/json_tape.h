/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_tape.h - a JSON text as an array of nodes in the order of the text, for whoever looks at its
 * values more than once (a schema and what it is applied to). Everything on the request path that
 * needs a value or two asks sl_json_scan() instead.
 *
 * Node 0 is the whole value. The children of an array are its elements, those of an object keys and
 * values in turn; the first is the node behind its parent, the next one is node->next. Nodes borrow
 * the text. Pure; any thread.
 */
#ifndef SL_WIRE_JSON_TAPE_H
#define SL_WIRE_JSON_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/arena.h"
#include "user/base/text.h"
#include "user/wire/json_scan.h"

#define SL_JSON_TAPE_NODES_MAX 65536u
#define SL_JSON_TAPE_BYTES_MAX (16u << 20)

struct sl_json_node {
	uint32_t at; /* offset of the value in the text, quotes and brackets included */
	uint32_t len;
	uint32_t next;	/* the node behind this value */
	uint32_t count; /* elements, or members */
	uint8_t type;	/* enum sl_json_type */
	bool escaped;	/* a string with a backslash in it */
};

struct sl_json_tape {
	const char *text;
	struct sl_json_node *nodes;
	uint32_t node_count;
};

/*
 * Checks the text and lays it out; the nodes live in the arena. Returns 0, the negated enum
 * sl_json_bad (sl_json_bad_text()), or one of the two below.
 */
#define SL_JSON_TAPE_TOO_LARGE (-1000) /* over SL_JSON_TAPE_BYTES_MAX or SL_JSON_TAPE_NODES_MAX */
#define SL_JSON_TAPE_NO_MEMORY (-1001)
int sl_json_tape_make(const char *text, size_t len, struct sl_arena *arena,
		      struct sl_json_tape *ret_tape);

/* One line for an error message. */
const char *sl_json_tape_bad_text(int rc);

/* The bytes of the value as they stand in the text; of a string, what is between the quotes. */
static inline struct sl_span sl_json_tape_raw(const struct sl_json_tape *tape, uint32_t node)
{
	const struct sl_json_node *n = &tape->nodes[node];
	uint32_t quote = n->type == SL_JSON_STRING;

	return sl_span_make(tape->text + n->at + quote, n->len - 2 * quote);
}

/* A string with escapes; for the function below. */
bool sl_json_tape_unescape(const struct sl_json_tape *tape, uint32_t node, struct sl_arena *arena,
			   struct sl_span *ret_span);

/*
 * A string's bytes, unescaped: borrowed from the text where it has no escapes, else from the arena.
 * Returns false without memory.
 */
static inline bool sl_json_tape_string(const struct sl_json_tape *tape, uint32_t node,
				       struct sl_arena *arena, struct sl_span *ret_span)
{
	if (tape->nodes[node].escaped)
		return sl_json_tape_unescape(tape, node, arena, ret_span);
	*ret_span = sl_json_tape_raw(tape, node);
	return true;
}

/* The value of a key (unescaped bytes) of an object, 0 when it has none: node 0 is nobody's child. */
uint32_t sl_json_tape_member(const struct sl_json_tape *tape, uint32_t object, struct sl_span key,
			     struct sl_arena *arena);

/*
 * What a JSON pointer leads to ("" or "/a/0"), written as in the fragment of a URI: %25 is a percent
 * sign. False when it leads nowhere, or without memory.
 */
bool sl_json_tape_follow(const struct sl_json_tape *tape, struct sl_span pointer,
			 struct sl_arena *arena, uint32_t *ret_node);

#endif
