/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema.h - JSON Schema: compiled once, then applied to many texts.
 *
 * Drafts 4, 6, 7, 2019-09 and 2020-12, of which these keywords: type enum const; multipleOf, minimum,
 * maximum, exclusiveMinimum, exclusiveMaximum (numbers, or draft 4's booleans); minLength maxLength
 * pattern format; items prefixItems additionalItems minItems maxItems uniqueItems contains
 * minContains maxContains; properties required additionalProperties patternProperties propertyNames
 * minProperties maxProperties dependencies dependentRequired dependentSchemas; allOf anyOf oneOf not
 * if then else; $ref into the same text (JSON pointers, $anchor), $defs, definitions; and those that
 * say nothing about validity (title, description, default, examples ..., names beginning with x-).
 * Whatever else a schema uses is refused by name when it is compiled, never ignored: unevaluated*,
 * $dynamicRef, $recursiveRef, references to other texts, an $id within, keywords nobody knows; and a
 * keyword that one object has twice.
 *
 * `format` is asserted with SL_SCHEMA_FORMATS, for date-time date time duration email hostname ipv4
 * ipv6 uuid; other formats are refused then. Without the flag it is an annotation.
 *
 * Bounds: size and values of the schema, depth, and for each text a number of steps, so that no
 * schema and no pattern makes a check long (regex.h).
 *
 * A compiled schema is immutable; any thread.
 */
#ifndef SL_WIRE_SCHEMA_H
#define SL_WIRE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/arena.h"
#include "user/base/error.h"

#define SL_SCHEMA_TEXT_BYTES_MAX (256u << 10)
#define SL_SCHEMA_NODES_MAX	 4096u /* subschemas */
#define SL_SCHEMA_NAMES_MAX	 1024u /* properties of one object */
#define SL_SCHEMA_BYTES_MAX	 (8u << 20)
#define SL_SCHEMA_DEPTH_MAX	 96u /* subschemas within one another while a text is checked */
#define SL_SCHEMA_STEPS_MAX	 2000000u

enum sl_schema_draft {
	SL_SCHEMA_DRAFT_2020 = 0, /* and what a schema without $schema is taken for */
	SL_SCHEMA_DRAFT_2019,
	SL_SCHEMA_DRAFT_7,
	SL_SCHEMA_DRAFT_6,
	SL_SCHEMA_DRAFT_4,
};

#define SL_SCHEMA_FORMATS 1u /* assert `format` */

struct sl_schema;

/*
 * Compiles a text; it is copied. The draft is what $schema says, else the given one. Returns 0,
 * -EINVAL (no JSON, or no schema), -ENOTSUP (a keyword that is not supported), -E2BIG (a limit),
 * -ENOMEM; the sentence names keyword and place. The caller frees.
 */
int sl_schema_compile(const char *text, size_t len, enum sl_schema_draft draft, unsigned int flags,
		      struct sl_schema **ret_schema, struct sl_error *error);

/* Frees and nulls; NULL is fine. */
void sl_schema_free(struct sl_schema **schema);

/*
 * Checks a text. Returns 0 when it is valid; -EINVAL with the first reason ("at /items/0/price:
 * expected number, found string"), which also says so of a text that is no JSON; -E2BIG when the
 * steps or the depth are used up; -ENOMEM when the scratch arena is full. The caller resets scratch.
 */
int sl_schema_check(const struct sl_schema *schema, const char *text, size_t len,
		    struct sl_arena *scratch, struct sl_error *reason);

/* What failed, told without a word of the text or of the schema's author. */
struct sl_schema_place {
	const char *
		keyword; /* "required"; "json": it is none; "effort": it takes too much; constant */
	char path[40];	 /* "/{2}/0": item 0 of the text's second member; cut; "": the top */
};

/* sl_schema_check() that says where as well, when it is not 0; reason must not be NULL. */
int sl_schema_check_place(const struct sl_schema *schema, const char *text, size_t len,
			  struct sl_arena *scratch, struct sl_error *reason,
			  struct sl_schema_place *ret_place);

/* ---- cache --------------------------------------------------------------------------------- */

#define SL_SCHEMA_CACHE_ENTRIES_MAX 128u
#define SL_SCHEMA_CACHE_BYTES_MAX   (32u << 20)

struct sl_schema_cache;

struct sl_schema_cache_stats {
	uint64_t hits;
	uint64_t misses; /* compiled, or refused */
	uint64_t evicted;
};

/* NULL without memory. */
struct sl_schema_cache *sl_schema_cache_open(void);
void sl_schema_cache_close(struct sl_schema_cache **cache);

/*
 * The compiled schema of a text, from the cache by the SHA-256 of text and flags, or compiled now;
 * those used longest ago make room. Any thread; one at a time is in the cache, for a microsecond or
 * for as long as it compiles. Errors as of sl_schema_compile(); a refusal is not kept. The caller frees.
 */
int sl_schema_cache_get(struct sl_schema_cache *cache, const char *text, size_t len,
			unsigned int flags, struct sl_schema **ret_schema, struct sl_error *error);
void sl_schema_cache_read_stats(struct sl_schema_cache *cache,
				struct sl_schema_cache_stats *ret_stats);

/* One more owner, whose sl_schema_free() comes in time; any thread. */
struct sl_schema *sl_schema_hold(const struct sl_schema *schema);

#endif
