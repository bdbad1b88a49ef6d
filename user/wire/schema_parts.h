/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema_parts.h - what the files of schema.h share: a compiled schema, numbers, formats.
 */
#ifndef SL_WIRE_SCHEMA_PARTS_H
#define SL_WIRE_SCHEMA_PARTS_H

#include "user/wire/json_tape.h"
#include "user/wire/regex.h"
#include "user/wire/schema.h"

/* ---- numbers (schema_number.c) ------------------------------------------------------------- */

/* A JSON number: mantissa * 10^exponent without trailing zeros where that is exact. */
struct sl_schema_number {
	double value;	  /* nearest, or infinite */
	int64_t mantissa; /* signed; of the first 18 digits when not exact */
	int32_t exponent;
	bool exact;
	bool whole; /* no fraction, however it is written */
};

void sl_schema_number_parse(struct sl_span text, struct sl_schema_number *ret_number);
int sl_schema_number_compare(const struct sl_schema_number *a, const struct sl_schema_number *b);
bool sl_schema_number_divides(const struct sl_schema_number *divisor,
			      const struct sl_schema_number *number);

/* ---- formats (schema_format.c) ------------------------------------------------------------- */

enum sl_schema_format {
	SL_SCHEMA_FORMAT_NONE = 0,
	SL_SCHEMA_FORMAT_DATE_TIME,
	SL_SCHEMA_FORMAT_DATE,
	SL_SCHEMA_FORMAT_TIME,
	SL_SCHEMA_FORMAT_DURATION,
	SL_SCHEMA_FORMAT_EMAIL,
	SL_SCHEMA_FORMAT_HOSTNAME,
	SL_SCHEMA_FORMAT_IPV4,
	SL_SCHEMA_FORMAT_IPV6,
	SL_SCHEMA_FORMAT_UUID,
	SL_SCHEMA_FORMAT_COUNT
};

/* NONE: not one of them. */
enum sl_schema_format sl_schema_format_find(struct sl_span name);
const char *sl_schema_format_name(enum sl_schema_format format);
bool sl_schema_format_holds(enum sl_schema_format format, struct sl_span text);

/* ---- a compiled schema --------------------------------------------------------------------- */

#define SL_SCHEMA_TYPE_INTEGER (1u << 8) /* beside 1 << enum sl_json_type */
#define SL_SCHEMA_TYPE_BOOLEAN (1u << SL_JSON_FALSE | 1u << SL_JSON_TRUE)

#define SL_SCHEMA_UNSET UINT32_MAX

struct sl_schema_node;

struct sl_schema_list {
	const struct sl_schema_node **nodes;
	uint32_t count;
};

/* A name that an object's schema speaks of: a property, a required one, or both. */
struct sl_schema_name {
	struct sl_span name;
	const struct sl_schema_node *schema; /* NULL: required alone */
	uint32_t order; /* among the properties, as the schema lists them; UNSET: none of them */
	bool required;
};

struct sl_schema_pattern {
	struct sl_span text;
	struct sl_regex *regex;
	const struct sl_schema_node *schema; /* of patternProperties */
};

/* What holds where a name is present. */
struct sl_schema_dependent {
	struct sl_span name;
	const struct sl_schema_node *schema; /* or */
	struct sl_span *required;
	uint32_t required_count;
};

struct sl_schema_node {
	bool never;	/* the schema `false` */
	bool combines;	/* any of all, any, one, none, condition */
	uint16_t types; /* bits; 0: any */
	uint8_t format;
	bool has_const, has_enum, unique;
	bool has_minimum, has_maximum, has_multiple;
	bool above, below; /* the minimum, the maximum is exclusive */
	struct sl_schema_number minimum, maximum, multiple;
	uint32_t const_node; /* of the schema's tape */
	uint32_t enum_node;
	uint32_t length_min, length_max; /* max: UNSET */
	uint32_t items_min, items_max;
	uint32_t members_min, members_max;
	uint32_t contains_min, contains_max;
	struct sl_schema_pattern *pattern;
	const struct sl_schema_node *ref;
	struct sl_schema_list prefix;
	const struct sl_schema_node *items; /* behind the prefix */
	const struct sl_schema_node *contains;
	struct sl_schema_name *names; /* sorted by length, then bytes */
	uint32_t name_count;
	uint32_t required_count;
	/* those that are properties, in the schema's order: models write them in that mostly */
	struct sl_schema_name **ordered;
	uint32_t order_count;
	struct sl_schema_pattern *patterns;
	uint32_t pattern_count;
	const struct sl_schema_node *additional;
	const struct sl_schema_node *property_names;
	struct sl_schema_dependent *dependents;
	uint32_t dependent_count;
	struct sl_schema_list all, any, one;
	const struct sl_schema_node *none; /* not */
	const struct sl_schema_node *condition, *then, *otherwise;
};

struct sl_schema {
	struct sl_arena arena;
	struct sl_json_tape tape;
	const struct sl_schema_node *root;
	uint32_t work_count; /* of the largest pattern */
	uint32_t owners;
};

/* (schema.c) sl_schema_check() of a value that one of the subschemas speaks of. steps: what is left of them. */
int sl_schema_check_part(const struct sl_schema *schema, const struct sl_schema_node *node,
			 const char *text, size_t len, struct sl_arena *scratch, uint64_t *steps);

/* Orders names as they are sorted. */
/* (schema_names.c) */
int sl_schema_name_compare(struct sl_span a, struct sl_span b);

/* Sorts the names of a node and makes one of two that are the same. -EINVAL: two properties are. */
int sl_schema_names_settle(struct sl_schema_node *node, struct sl_arena *arena);

/* The draft that a $schema names; false when it is none of them. */
bool sl_schema_draft_find(struct sl_span uri, enum sl_schema_draft *ret_draft);

#endif
