/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From text to nodes. Each value that is a schema is compiled once, however many references lead to
 * it; references are resolved when everything else is compiled, since what they name may come later.
 * Keywords are a table: what is not in it is refused, and what an object has twice, since every reader
 * of such a text may take another one of the two.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/wire/schema_parts.h"

#define COUNT(a)	    (sizeof(a) / sizeof((a)[0]))
#define REFS_MAX	    1024u
#define ANCHORS_MAX	    256u
#define PATTERNS_MAX	    512u
#define NESTED_MAX	    32u /* subschemas in one another; a fiber's stack has room for them */
#define TEMPORARY_BYTES_MAX (4u << 20)
#define TEXT_MAX	    64 /* of a foreign name in an error */

struct ref {
	struct sl_schema_node *from;
	struct sl_span target;
};

struct anchor {
	struct sl_span name;
	const struct sl_schema_node *node;
};

struct compile {
	struct sl_schema *schema;
	const struct sl_json_tape *tape;
	struct sl_arena *arena;
	struct sl_arena temporary;
	struct sl_schema_node **compiled; /* by the tape's node */
	struct ref *refs;
	struct anchor *anchors;
	uint32_t ref_count, anchor_count, node_count, pattern_count, deep;
	struct sl_span root_id;
	enum sl_schema_draft draft;
	unsigned int flags;
	struct sl_error *error;
	int rc;
};

static bool fail(struct compile *c, int rc, const char *key, const char *why)
{
	if (!c->rc)
		c->rc = key ? sl_error_set(c->error, rc, "schema: \"%.*s\": %s", TEXT_MAX, key, why)
			    : sl_error_set(c->error, rc, "schema: %s", why);
	return false;
}

static const struct sl_json_node *at(const struct compile *c, uint32_t node)
{
	return &c->tape->nodes[node];
}

static void *allocate(struct compile *c, size_t count, size_t size)
{
	void *memory = sl_arena_array(c->arena, count ? count : 1, size);

	if (!memory)
		fail(c, -ENOMEM, NULL, "too large for its memory");
	return memory;
}

static bool string_at(struct compile *c, uint32_t node, struct sl_span *ret_span)
{
	return sl_json_tape_string(c->tape, node, c->arena, ret_span) ||
	       fail(c, -ENOMEM, NULL, "no memory");
}

static struct sl_schema_node *compile_node(struct compile *c, uint32_t node, const char *key);

static bool schema_of(struct compile *c, uint32_t node, const char *key,
		      const struct sl_schema_node **ret_node)
{
	*ret_node = compile_node(c, node, key);
	return *ret_node;
}

static bool list_of(struct compile *c, uint32_t node, const char *key, bool may_be_empty,
		    struct sl_schema_list *ret_list)
{
	uint32_t child = node + 1, count = at(c, node)->count;

	if (at(c, node)->type != SL_JSON_ARRAY || (count == 0 && !may_be_empty))
		return fail(c, -EINVAL, key, "expected a list of schemas");
	ret_list->nodes = allocate(c, count, sizeof(*ret_list->nodes));
	if (!ret_list->nodes)
		return false;
	ret_list->count = count;
	for (uint32_t i = 0; i < count; i++, child = at(c, child)->next)
		if (!schema_of(c, child, key, &ret_list->nodes[i]))
			return false;
	return true;
}

static bool count_of(struct compile *c, uint32_t node, const char *key, uint32_t *ret_count)
{
	struct sl_schema_number number;

	if (at(c, node)->type != SL_JSON_NUMBER)
		return fail(c, -EINVAL, key, "expected a whole number from 0");
	sl_schema_number_parse(sl_json_tape_raw(c->tape, node), &number);
	if (!number.whole || number.mantissa < 0)
		return fail(c, -EINVAL, key, "expected a whole number from 0");
	/* nothing that is checked is as long as that */
	*ret_count =
		number.value >= SL_SCHEMA_UNSET - 1 ? SL_SCHEMA_UNSET - 1 : (uint32_t)number.value;
	return true;
}

static bool number_of(struct compile *c, uint32_t node, const char *key,
		      struct sl_schema_number *ret_number)
{
	if (at(c, node)->type != SL_JSON_NUMBER)
		return fail(c, -EINVAL, key, "expected a number");
	sl_schema_number_parse(sl_json_tape_raw(c->tape, node), ret_number);
	return true;
}

/* ---- keywords ------------------------------------------------------------------------------ */

static bool type_bit(struct compile *c, uint32_t node, uint16_t *types)
{
	static const struct {
		const char *name;
		uint16_t bits;
	} known[] = {
		{"null", 1u << SL_JSON_NULL},	  {"boolean", SL_SCHEMA_TYPE_BOOLEAN},
		{"number", 1u << SL_JSON_NUMBER}, {"integer", SL_SCHEMA_TYPE_INTEGER},
		{"string", 1u << SL_JSON_STRING}, {"array", 1u << SL_JSON_ARRAY},
		{"object", 1u << SL_JSON_OBJECT},
	};
	struct sl_span name;

	if (at(c, node)->type == SL_JSON_STRING) {
		name = sl_json_tape_raw(c->tape, node);
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
			if (sl_span_equal(name, sl_span_string(known[i].name))) {
				*types |= known[i].bits;
				return true;
			}
	}
	return fail(c, -EINVAL, "type", "not a name of a type");
}

static bool key_type(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	uint32_t child = node + 1;

	if (at(c, node)->type != SL_JSON_ARRAY)
		return type_bit(c, node, &s->types);
	if (at(c, node)->count == 0)
		return fail(c, -EINVAL, key, "an empty list");
	for (uint32_t i = 0; i < at(c, node)->count; i++, child = at(c, child)->next)
		if (!type_bit(c, child, &s->types))
			return false;
	return true;
}

static bool key_value(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (key[0] == 'c') {
		s->has_const = true;
		s->const_node = node;
		return true;
	}
	if (at(c, node)->type != SL_JSON_ARRAY)
		return fail(c, -EINVAL, key, "expected a list");
	s->has_enum = true;
	s->enum_node = node;
	return true;
}

/* minimum, maximum, exclusiveMinimum, exclusiveMaximum; the latter two also as draft 4 has them. */
static bool key_range(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	bool exclusive = key[0] == 'e';
	bool low = strstr(key, "inimum") != NULL;
	struct sl_schema_number number;
	struct sl_schema_number *bound = low ? &s->minimum : &s->maximum;
	bool *has = low ? &s->has_minimum : &s->has_maximum, *open = low ? &s->above : &s->below;
	int order;

	if (exclusive && (1u << at(c, node)->type & SL_SCHEMA_TYPE_BOOLEAN)) {
		*open = *open || at(c, node)->type == SL_JSON_TRUE;
		return true;
	}
	if (!number_of(c, node, key, &number))
		return false;
	/* the narrower of the two where both are given */
	order = *has ? sl_schema_number_compare(&number, bound) : 0;
	if (!*has || (low ? order > 0 : order < 0)) {
		*bound = number;
		*open = *has ? exclusive : *open || exclusive;
	} else if (order == 0) {
		*open = *open || exclusive;
	}
	*has = true;
	return true;
}

static bool key_multiple(struct compile *c, struct sl_schema_node *s, uint32_t node,
			 const char *key)
{
	s->has_multiple = true;
	if (!number_of(c, node, key, &s->multiple))
		return false;
	return s->multiple.mantissa > 0 || fail(c, -EINVAL, key, "expected a number above 0");
}

static bool key_count(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	static const struct {
		const char *key;
		size_t offset;
	} counts[] = {
		{"minLength", offsetof(struct sl_schema_node, length_min)},
		{"maxLength", offsetof(struct sl_schema_node, length_max)},
		{"minItems", offsetof(struct sl_schema_node, items_min)},
		{"maxItems", offsetof(struct sl_schema_node, items_max)},
		{"minProperties", offsetof(struct sl_schema_node, members_min)},
		{"maxProperties", offsetof(struct sl_schema_node, members_max)},
		{"minContains", offsetof(struct sl_schema_node, contains_min)},
		{"maxContains", offsetof(struct sl_schema_node, contains_max)},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (strcmp(counts[i].key, key) == 0)
			return count_of(c, node, key, (uint32_t *)((char *)s + counts[i].offset));
	abort();
}

static bool pattern_of(struct compile *c, uint32_t node, struct sl_schema_pattern *pattern)
{
	struct sl_error why;
	size_t work;
	int rc;

	if (c->pattern_count++ == PATTERNS_MAX)
		return fail(c, -E2BIG, NULL, "too many patterns");
	if (!string_at(c, node, &pattern->text))
		return false;
	rc = sl_regex_compile(pattern->text.data, pattern->text.len, c->arena, &pattern->regex,
			      &why);
	if (rc)
		return fail(c, rc == -EINVAL ? -ENOTSUP : rc, "pattern", why.text);
	work = sl_regex_work_count(pattern->regex);
	if (work > c->schema->work_count)
		c->schema->work_count = (uint32_t)work;
	return true;
}

static bool key_pattern(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (at(c, node)->type != SL_JSON_STRING)
		return fail(c, -EINVAL, key, "expected a string");
	s->pattern = allocate(c, 1, sizeof(*s->pattern));
	return s->pattern && pattern_of(c, node, s->pattern);
}

static bool key_format(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (at(c, node)->type != SL_JSON_STRING)
		return fail(c, -EINVAL, key, "expected a string");
	if (!(c->flags & SL_SCHEMA_FORMATS))
		return true;
	s->format = (uint8_t)sl_schema_format_find(sl_json_tape_raw(c->tape, node));
	return s->format != SL_SCHEMA_FORMAT_NONE ||
	       fail(c, -ENOTSUP, key,
		    "not supported; those that are: date-time date time duration "
		    "email hostname ipv4 ipv6 uuid");
}

static bool key_boolean(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (!(1u << at(c, node)->type & SL_SCHEMA_TYPE_BOOLEAN))
		return fail(c, -EINVAL, key, "expected true or false");
	s->unique = at(c, node)->type == SL_JSON_TRUE;
	return true;
}

/* items of all drafts: a schema for all behind the prefix, or a list that is the prefix. */
static bool key_items(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (at(c, node)->type == SL_JSON_ARRAY) {
		if (c->draft == SL_SCHEMA_DRAFT_2020 && key[0] == 'i')
			return fail(c, -EINVAL, key, "a list of schemas is prefixItems in 2020-12");
		return list_of(c, node, key, key[0] == 'i', &s->prefix);
	}
	if (key[0] == 'p')
		return fail(c, -EINVAL, key, "expected a list of schemas");
	return schema_of(c, node, key, &s->items);
}

static bool key_schema(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	static const struct {
		const char *key;
		size_t offset;
	} places[] = {
		{"contains", offsetof(struct sl_schema_node, contains)},
		{"additionalProperties", offsetof(struct sl_schema_node, additional)},
		{"propertyNames", offsetof(struct sl_schema_node, property_names)},
		{"not", offsetof(struct sl_schema_node, none)},
		{"if", offsetof(struct sl_schema_node, condition)},
		{"then", offsetof(struct sl_schema_node, then)},
		{"else", offsetof(struct sl_schema_node, otherwise)},
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(places[i].key, key) == 0)
			return schema_of(
				c, node, key,
				(const struct sl_schema_node **)((char *)s + places[i].offset));
	abort();
}

static bool key_list(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	struct sl_schema_list *list = key[1] == 'l'		       ? &s->all
				      : key[1] == 'n' && key[0] == 'a' ? &s->any
								       : &s->one;

	return list_of(c, node, key, false, list);
}

/* $defs, definitions: compiled for what they refuse, and for their anchors. */
static bool key_definitions(struct compile *c, struct sl_schema_node *s, uint32_t node,
			    const char *key)
{
	uint32_t child = node + 1;

	(void)s;
	if (at(c, node)->type != SL_JSON_OBJECT)
		return fail(c, -EINVAL, key, "expected an object");
	for (uint32_t i = 0; i < at(c, node)->count; i++, child = at(c, child + 1)->next)
		if (!compile_node(c, child + 1, key))
			return false;
	return true;
}

static bool key_ref(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	if (at(c, node)->type != SL_JSON_STRING)
		return fail(c, -EINVAL, key, "expected a string");
	if (c->ref_count == REFS_MAX)
		return fail(c, -E2BIG, key, "too many references");
	c->refs[c->ref_count].from = s;
	return string_at(c, node, &c->refs[c->ref_count++].target);
}

static bool add_anchor(struct compile *c, const struct sl_schema_node *s, struct sl_span name)
{
	if (c->anchor_count == ANCHORS_MAX)
		return fail(c, -E2BIG, "$anchor", "too many of them");
	for (uint32_t i = 0; i < c->anchor_count; i++)
		if (sl_span_equal(c->anchors[i].name, name))
			return fail(c, -EINVAL, "$anchor", "the same name twice");
	c->anchors[c->anchor_count++] = (struct anchor){name, s};
	return true;
}

static bool key_anchor(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	struct sl_span name;

	if (at(c, node)->type != SL_JSON_STRING)
		return fail(c, -EINVAL, key, "expected a string");
	return string_at(c, node, &name) && add_anchor(c, s, name);
}

/* $id, and id in draft 4: of the whole, or a name of a part as drafts 4 to 7 write it. */
static bool key_id(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	struct sl_span id;

	if (key[0] == 'i' && c->draft != SL_SCHEMA_DRAFT_4)
		return fail(c, -ENOTSUP, key, "unknown keyword");
	if (at(c, node)->type != SL_JSON_STRING)
		return fail(c, -EINVAL, key, "expected a string");
	if (!string_at(c, node, &id))
		return false;
	if (id.len > 1 && id.data[0] == '#' && c->draft >= SL_SCHEMA_DRAFT_7)
		return add_anchor(c, s, sl_span_make(id.data + 1, id.len - 1));
	if (s != c->compiled[0])
		return fail(c, -ENOTSUP, key, "not supported but in the outermost schema");
	c->root_id = sl_span_make(id.data, sl_span_find(id, '#'));
	return true;
}

static bool key_nothing(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	(void)c, (void)s, (void)node, (void)key;
	return true;
}

static bool key_members(struct compile *c, struct sl_schema_node *s, uint32_t node,
			const char *key);
static bool key_patterns(struct compile *c, struct sl_schema_node *s, uint32_t node,
			 const char *key);
static bool key_dependents(struct compile *c, struct sl_schema_node *s, uint32_t node,
			   const char *key);

static const struct keyword {
	const char *name;
	bool (*compile)(struct compile *c, struct sl_schema_node *s, uint32_t node,
			const char *key);
} keywords[] = {
	{"type", key_type},
	{"enum", key_value},
	{"const", key_value},
	{"minimum", key_range},
	{"maximum", key_range},
	{"exclusiveMinimum", key_range},
	{"exclusiveMaximum", key_range},
	{"multipleOf", key_multiple},
	{"minLength", key_count},
	{"maxLength", key_count},
	{"pattern", key_pattern},
	{"format", key_format},
	{"items", key_items},
	{"prefixItems", key_items},
	{"minItems", key_count},
	{"maxItems", key_count},
	{"uniqueItems", key_boolean},
	{"contains", key_schema},
	{"minContains", key_count},
	{"maxContains", key_count},
	{"properties", key_members},
	{"required", key_members},
	{"additionalProperties", key_schema},
	{"additionalItems", key_nothing}, /* when all of its object is known */
	{"patternProperties", key_patterns},
	{"propertyNames", key_schema},
	{"minProperties", key_count},
	{"maxProperties", key_count},
	{"dependencies", key_dependents},
	{"dependentRequired", key_dependents},
	{"dependentSchemas", key_dependents},
	{"allOf", key_list},
	{"anyOf", key_list},
	{"oneOf", key_list},
	{"not", key_schema},
	{"if", key_schema},
	{"then", key_schema},
	{"else", key_schema},
	{"$ref", key_ref},
	{"$defs", key_definitions},
	{"definitions", key_definitions},
	{"$anchor", key_anchor},
	{"$id", key_id},
	{"id", key_id},
	{"$schema", key_nothing},
	{"$comment", key_nothing},
	{"title", key_nothing},
	{"description", key_nothing},
	{"default", key_nothing},
	{"example", key_nothing},
	{"examples", key_nothing},
	{"deprecated", key_nothing},
	{"readOnly", key_nothing},
	{"writeOnly", key_nothing},
	{"contentEncoding", key_nothing},
	{"contentMediaType", key_nothing},
	{"contentSchema", key_nothing},
};
_Static_assert(COUNT(keywords) <= 64, "a bit for each of those that an object has");

static bool key_members(struct compile *c, struct sl_schema_node *s, uint32_t node, const char *key)
{
	bool required = key[0] == 'r';
	uint32_t count = at(c, node)->count, child = node + 1;
	struct sl_schema_name *names;
	int rc;

	if (at(c, node)->type != (required ? SL_JSON_ARRAY : SL_JSON_OBJECT))
		return fail(c, -EINVAL, key,
			    required ? "expected a list of names" : "expected an object");
	if (count + s->name_count > SL_SCHEMA_NAMES_MAX)
		return fail(c, -E2BIG, key, "too many names");
	names = allocate(c, s->name_count + count, sizeof(*names));
	if (!names)
		return false;
	if (s->name_count)
		memcpy(names, s->names, s->name_count * sizeof(*names));
	for (uint32_t i = 0; i < count; i++) {
		struct sl_schema_name *name = &names[s->name_count + i];

		if (at(c, child)->type != SL_JSON_STRING)
			return fail(c, -EINVAL, key, "expected a list of names");
		if (!string_at(c, child, &name->name))
			return false;
		name->required = required;
		name->order = required ? SL_SCHEMA_UNSET : s->order_count + i;
		if (!required && !schema_of(c, ++child, key, &name->schema))
			return false;
		child = at(c, child)->next;
	}
	s->names = names;
	s->name_count += count;
	rc = sl_schema_names_settle(s, c->arena);
	if (rc == -EINVAL)
		return fail(c, -EINVAL, "properties", "a name occurs twice");
	return !rc || fail(c, rc, NULL, "too large for its memory");
}

static bool key_patterns(struct compile *c, struct sl_schema_node *s, uint32_t node,
			 const char *key)
{
	uint32_t child = node + 1, count = at(c, node)->count;

	if (at(c, node)->type != SL_JSON_OBJECT)
		return fail(c, -EINVAL, key, "expected an object");
	s->patterns = allocate(c, count, sizeof(*s->patterns));
	if (!s->patterns)
		return false;
	for (uint32_t i = 0; i < count; i++, child = at(c, child + 1)->next)
		if (!pattern_of(c, child, &s->patterns[i]) ||
		    !schema_of(c, child + 1, key, &s->patterns[i].schema))
			return false;
	s->pattern_count = count;
	return true;
}

static bool dependent_of(struct compile *c, uint32_t node, const char *key,
			 struct sl_schema_dependent *dependent)
{
	uint32_t value = node + 1, child = value + 1, count = at(c, value)->count;

	if (!string_at(c, node, &dependent->name))
		return false;
	if (at(c, value)->type != SL_JSON_ARRAY || strcmp(key, "dependentSchemas") == 0)
		return strcmp(key, "dependentRequired") == 0
			       ? fail(c, -EINVAL, key, "expected a list of names")
			       : schema_of(c, value, key, &dependent->schema);
	dependent->required = allocate(c, count, sizeof(*dependent->required));
	if (!dependent->required)
		return false;
	dependent->required_count = count;
	for (uint32_t i = 0; i < count; i++, child = at(c, child)->next) {
		if (at(c, child)->type != SL_JSON_STRING)
			return fail(c, -EINVAL, key, "expected a list of names");
		if (!string_at(c, child, &dependent->required[i]))
			return false;
	}
	return true;
}

static bool key_dependents(struct compile *c, struct sl_schema_node *s, uint32_t node,
			   const char *key)
{
	uint32_t count = at(c, node)->count, child = node + 1;
	struct sl_schema_dependent *all;

	if (at(c, node)->type != SL_JSON_OBJECT)
		return fail(c, -EINVAL, key, "expected an object");
	all = allocate(c, s->dependent_count + count, sizeof(*all));
	if (!all)
		return false;
	if (s->dependent_count)
		memcpy(all, s->dependents, s->dependent_count * sizeof(*all));
	for (uint32_t i = 0; i < count; i++, child = at(c, child + 1)->next)
		if (!dependent_of(c, child, key, &all[s->dependent_count + i]))
			return false;
	s->dependents = all;
	s->dependent_count += count;
	return true;
}

/* ---- one schema ---------------------------------------------------------------------------- */

/* What $ref of drafts 4 to 7 does not hide. */
static bool stands_beside_ref(const struct keyword *word)
{
	return word->compile == key_ref || word->compile == key_definitions;
}

/* *seen: a bit for each keyword that the object has had. */
static bool compile_keyword(struct compile *c, struct sl_schema_node *s, uint32_t key, bool hidden,
			    uint64_t *seen)
{
	char copy[TEXT_MAX + 1];
	struct sl_span name;

	if (!string_at(c, key, &name))
		return false;
	for (size_t i = 0; i < COUNT(keywords); i++) {
		const struct keyword *word = &keywords[i];

		if (!sl_span_equal(name, sl_span_string(word->name)))
			continue;
		if (*seen & UINT64_C(1) << i)
			return fail(c, -EINVAL, word->name, "occurs twice in one object");
		*seen |= UINT64_C(1) << i;
		return (hidden && !stands_beside_ref(word)) ||
		       word->compile(c, s, key + 1, word->name);
	}
	if (hidden || sl_span_starts(name, SL_SPAN("x-")))
		return true;
	snprintf(copy, sizeof(copy), "%.*s", (int)(name.len < TEXT_MAX ? name.len : TEXT_MAX),
		 name.data);
	return fail(c, -ENOTSUP, copy, "keyword is not supported");
}

/* additionalItems means something beside a list of items alone. */
static bool compile_additional_items(struct compile *c, struct sl_schema_node *s, uint32_t object)
{
	uint32_t more = sl_json_tape_member(c->tape, object, SL_SPAN("additionalItems"), c->arena);
	uint32_t items = sl_json_tape_member(c->tape, object, SL_SPAN("items"), c->arena);
	const struct sl_schema_node *node;

	if (!more)
		return true;
	if (c->draft == SL_SCHEMA_DRAFT_2020)
		return fail(c, -ENOTSUP, "additionalItems", "is items in 2020-12");
	if (!schema_of(c, more, "additionalItems", &node))
		return false;
	if (items && at(c, items)->type == SL_JSON_ARRAY)
		s->items = node;
	return true;
}

/* Up to draft 7, $ref hides what stands beside it. */
static bool compile_object(struct compile *c, struct sl_schema_node *s, uint32_t node)
{
	bool hidden = c->draft >= SL_SCHEMA_DRAFT_7 &&
		      sl_json_tape_member(c->tape, node, SL_SPAN("$ref"), c->arena);
	uint32_t key = node + 1;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < at(c, node)->count; i++, key = at(c, key + 1)->next)
		if (!compile_keyword(c, s, key, hidden, &seen))
			return false;
	return hidden || compile_additional_items(c, s, node);
}

static struct sl_schema_node *compile_node(struct compile *c, uint32_t node, const char *key)
{
	struct sl_schema_node *s = c->compiled[node];
	uint8_t type = at(c, node)->type;

	if (s)
		return s;
	if (type != SL_JSON_OBJECT && type != SL_JSON_FALSE && type != SL_JSON_TRUE) {
		fail(c, -EINVAL, key, "expected a schema: an object, true or false");
		return NULL;
	}
	if (c->node_count++ == SL_SCHEMA_NODES_MAX) {
		fail(c, -E2BIG, NULL, "too many subschemas");
		return NULL;
	}
	s = c->compiled[node] = allocate(c, 1, sizeof(*s));
	if (!s)
		return NULL;
	s->never = type == SL_JSON_FALSE;
	s->length_max = s->items_max = s->members_max = s->contains_max = SL_SCHEMA_UNSET;
	s->contains_min = 1;
	if (type != SL_JSON_OBJECT)
		return s;
	if (++c->deep > NESTED_MAX) {
		fail(c, -E2BIG, key, "subschemas are nested too deeply");
		return NULL;
	}
	if (!compile_object(c, s, node))
		return NULL;
	s->combines = s->all.count || s->any.count || s->one.count || s->none || s->condition;
	c->deep--;
	return s;
}

/* ---- references ---------------------------------------------------------------------------- */

static bool resolve(struct compile *c, const struct ref *ref)
{
	struct sl_span target = ref->target;
	char copy[TEXT_MAX + 1];
	uint32_t node;

	snprintf(copy, sizeof(copy), "%.*s", (int)(target.len < TEXT_MAX ? target.len : TEXT_MAX),
		 target.data);
	if (c->root_id.len && sl_span_starts(target, c->root_id))
		target = sl_span_make(target.data + c->root_id.len, target.len - c->root_id.len);
	if (target.len && target.data[0] != '#')
		return fail(c, -ENOTSUP, copy, "a reference to another text is not supported");
	if (target.len)
		target = sl_span_make(target.data + 1, target.len - 1);
	if (target.len && target.data[0] != '/') {
		for (uint32_t i = 0; i < c->anchor_count; i++)
			if (sl_span_equal(c->anchors[i].name, target)) {
				ref->from->ref = c->anchors[i].node;
				return true;
			}
		return fail(c, -EINVAL, copy, "the reference leads nowhere");
	}
	if (!sl_json_tape_follow(c->tape, target, c->arena, &node))
		return fail(c, -EINVAL, copy, "the reference leads nowhere");
	ref->from->ref = compile_node(c, node, "$ref");
	return ref->from->ref;
}

static bool choose_draft(struct compile *c)
{
	uint32_t node = sl_json_tape_member(c->tape, 0, SL_SPAN("$schema"), c->arena);
	struct sl_span text;

	if (!node)
		return true;
	if (at(c, node)->type != SL_JSON_STRING || !string_at(c, node, &text))
		return fail(c, -EINVAL, "$schema", "expected a string");
	return sl_schema_draft_find(text, &c->draft) ||
	       fail(c, -ENOTSUP, "$schema", "drafts 4, 6, 7, 2019-09 and 2020-12 are supported");
}

static int compile_all(struct compile *c, const char *text, size_t len)
{
	struct sl_schema *schema = c->schema;
	char *copy = sl_arena_strndup(c->arena, text, len);
	int rc;

	if (!copy)
		return sl_error_set(c->error, -ENOMEM, "schema: no memory");
	rc = sl_json_tape_make(copy, len, c->arena, &schema->tape);
	if (rc)
		return sl_error_set(c->error, rc == SL_JSON_TAPE_TOO_LARGE ? -E2BIG : -EINVAL,
				    "schema: no JSON: %s", sl_json_tape_bad_text(rc));
	c->compiled = sl_arena_array(&c->temporary, c->tape->node_count, sizeof(*c->compiled));
	c->refs = sl_arena_array(&c->temporary, REFS_MAX, sizeof(*c->refs));
	c->anchors = sl_arena_array(&c->temporary, ANCHORS_MAX, sizeof(*c->anchors));
	if (!c->compiled || !c->refs || !c->anchors)
		return sl_error_set(c->error, -ENOMEM, "schema: no memory");
	if (!choose_draft(c))
		return c->rc;
	schema->root = compile_node(c, 0, NULL);
	for (uint32_t i = 0; !c->rc && i < c->ref_count; i++)
		resolve(c, &c->refs[i]);
	return c->rc;
}

int sl_schema_compile(const char *text, size_t len, enum sl_schema_draft draft, unsigned int flags,
		      struct sl_schema **ret_schema, struct sl_error *error)
{
	struct sl_schema *schema;
	struct compile c = {.draft = draft, .flags = flags, .error = error};
	int rc;

	if (len > SL_SCHEMA_TEXT_BYTES_MAX)
		return sl_error_set(error, -E2BIG, "schema: over %u bytes",
				    SL_SCHEMA_TEXT_BYTES_MAX);
	schema = calloc(1, sizeof(*schema));
	if (!schema)
		return sl_error_set(error, -ENOMEM, "schema: no memory");
	sl_arena_init(&schema->arena, 0, SL_SCHEMA_BYTES_MAX);
	schema->owners = 1;
	c.schema = schema;
	c.tape = &schema->tape;
	c.arena = &schema->arena;
	sl_arena_init(&c.temporary, 0, TEMPORARY_BYTES_MAX);
	rc = compile_all(&c, text, len);
	sl_arena_fini(&c.temporary);
	if (rc) {
		sl_schema_free(&schema);
		return rc;
	}
	*ret_schema = schema;
	return 0;
}
