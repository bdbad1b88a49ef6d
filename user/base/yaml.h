/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * yaml.h - a YAML document as a tree of scalars, lists and maps that know their place.
 *
 * Wraps libfyaml; only yaml.c includes it. One document. Refused: duplicate keys, keys that are not
 * scalars, tags, control bytes, what is not UTF-8, anything over a limit below. Anchors, aliases
 * and merge keys (`<<`) work: an alias shares its anchor's nodes, and a document whose expansion
 * has more than SL_YAML_NODES_MAX nodes is refused. The tree lives in the caller's arena and is
 * read-only. One thread while parsing.
 */
#ifndef SL_BASE_YAML_H
#define SL_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include "user/base/arena.h"
#include "user/base/report.h"

#define SL_YAML_BYTES_MAX    (4u << 20)
#define SL_YAML_NODES_MAX    200000u /* expanded: an aliased node counts each time */
#define SL_YAML_DEPTH_MAX    16u
#define SL_YAML_MAP_KEYS_MAX 1024u
#define SL_YAML_ANCHORS_MAX  256u
/* Two shapes that cost libfyaml 0.7 seconds and gigabytes; counted before it sees them. */
#define SL_YAML_OPEN_MAX  1000u /* opening brackets less closing ones, wherever they stand */
#define SL_YAML_BLANK_MAX 2000u /* blank lines in a row */

enum sl_yaml_kind {
	SL_YAML_NULL = 0, /* nothing, ~ or null */
	SL_YAML_SCALAR,
	SL_YAML_LIST,
	SL_YAML_MAP,
};

/* Both from 1; column in characters. */
struct sl_yaml_mark {
	unsigned line;
	unsigned column;
};

struct sl_yaml {
	enum sl_yaml_kind kind;
	struct sl_yaml_mark mark;
	unsigned count;	   /* items or pairs */
	unsigned expanded; /* nodes below and this one */
	bool broken;	   /* a scalar that was complained about already: say no more of it */

	const char *text; /* scalar, ${NAME} replaced, NUL-terminated, no control bytes but \t \n */
	size_t text_len;
	/* For messages: as written in the file, so that no secret of the environment is shown. */
	const char *shown;

	struct sl_yaml **items;
	struct sl_yaml_pair *pairs; /* in the order of the file, merged ones last */
};

struct sl_yaml_pair {
	const char *key;
	struct sl_yaml_mark mark; /* of the key */
	struct sl_yaml *value;
};

/* "a scalar", "a list", "a map", "nothing". */
const char *sl_yaml_kind_name(enum sl_yaml_kind kind);

/*
 * Parses report->source. An empty document gives a root of kind SL_YAML_NULL. Complaints go to the
 * report; duplicate keys and unset variables do not end the parse, so look at report->count.
 * `${NAME}` in values becomes the environment's NAME; `$${` stands for `${`. Returns 0, -EINVAL (no
 * tree), -E2BIG (source over SL_YAML_BYTES_MAX; complaint), -ENOMEM.
 */
int sl_yaml_parse(struct sl_report *report, struct sl_arena *arena, struct sl_yaml **ret_root);

/* NULL when map is not a map or has no such key. */
const struct sl_yaml_pair *sl_yaml_find(const struct sl_yaml *map, const char *key);

#endif
