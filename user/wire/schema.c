/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Applies a compiled schema to a text. The first reason is kept, of the outermost thing that failed:
 * within `not`, and within alternatives one of which may still hold, nothing is said.
 */
#include "user/wire/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/wire/schema_parts.h"

#define EXCERPT 48 /* of a value in a reason */

struct check {
	const struct sl_schema *schema;
	struct sl_json_tape tape;
	struct sl_arena *scratch;
	struct sl_error *reason;
	struct sl_schema_place *place; /* NULL: nobody asks */
	uint32_t *work;
	uint64_t steps;
	uint32_t depth;
	uint32_t quiet;			  /* alternatives, in which nothing is said */
	uint32_t path[SL_JSON_DEPTH_MAX]; /* keys (nodes), or indices where is_index has the bit */
	uint64_t is_index;
	uint32_t path_count;
	int rc; /* why the whole check is given up */
};

static bool check_node(struct check *c, const struct sl_schema_node *s, uint32_t node);

static bool give_up(struct check *c, int rc)
{
	if (!c->rc)
		c->rc = rc;
	return false;
}

static bool spend(struct check *c, uint64_t steps)
{
	if (c->steps < steps) {
		c->steps = 0;
		return give_up(c, -E2BIG);
	}
	c->steps -= steps;
	return true;
}

static void write_path(struct check *c, struct sl_text *out)
{
	for (uint32_t i = 0; i < c->path_count; i++) {
		sl_text_append_char(out, '/');
		if (c->is_index & UINT64_C(1) << i)
			sl_text_append_u64(out, c->path[i]);
		else
			sl_text_append_span(out, sl_json_tape_raw(&c->tape, c->path[i]));
	}
}

/* The node of that number below a list or an object, and how many stand before it. */
static uint32_t find_child(const struct check *c, uint32_t parent, uint32_t child, bool is_index,
			   uint32_t *ret_number)
{
	const struct sl_json_node *nodes = c->tape.nodes;
	uint32_t at = parent + 1, number = 0;

	while (is_index ? number < child : at != child && number < nodes[parent].count) {
		at = is_index ? nodes[at].next : nodes[at + 1].next;
		number++;
	}
	*ret_number = number;
	return is_index ? at : at + 1;
}

/* The path without a name in it: a member is {n}, the nth of its object in the text. */
static void write_place(const struct check *c, const char *keyword, struct sl_schema_place *place)
{
	struct sl_text out;
	uint32_t node = 0, number;

	place->keyword = keyword;
	place->path[0] = '\0';
	sl_text_init_fixed(&out, place->path, sizeof(place->path));
	for (uint32_t i = 0; i < c->path_count && !out.error; i++) {
		bool is_index = c->is_index & UINT64_C(1) << i;

		node = find_child(c, node, c->path[i], is_index, &number);
		sl_text_printf(&out, is_index ? "/%u" : "/{%u}", is_index ? number : number + 1);
	}
}

/* Always false. The first reason stays. */
__attribute__((format(printf, 3, 4))) static bool fail(struct check *c, const char *keyword,
						       const char *format, ...)
{
	char memory[SL_ERROR_TEXT_SIZE / 2];
	struct sl_text path;
	va_list args;
	int len;

	if (c->quiet || !c->reason || c->reason->text[0])
		return false;
	if (c->place)
		write_place(c, keyword, c->place);
	sl_text_init_fixed(&path, memory, sizeof(memory));
	write_path(c, &path);
	len = snprintf(c->reason->text, sizeof(c->reason->text),
		       "at %s: ", c->path_count ? sl_text_string(&path) : "the top");
	va_start(args, format);
	vsnprintf(c->reason->text + len, sizeof(c->reason->text) - (size_t)len, format, args);
	va_end(args);
	return false;
}

static const struct sl_json_node *at(const struct check *c, uint32_t node)
{
	return &c->tape.nodes[node];
}

static bool string_at(struct check *c, uint32_t node, struct sl_span *ret_span)
{
	return sl_json_tape_string(&c->tape, node, c->scratch, ret_span) || give_up(c, -ENOMEM);
}

/* ---- equality ------------------------------------------------------------------------------ */

static bool equal(struct check *c, const struct sl_json_tape *a, uint32_t x,
		  const struct sl_json_tape *b, uint32_t y);

static bool equal_numbers(const struct sl_json_tape *a, uint32_t x, const struct sl_json_tape *b,
			  uint32_t y)
{
	struct sl_schema_number m, n;

	if (sl_span_equal(sl_json_tape_raw(a, x), sl_json_tape_raw(b, y)))
		return true;
	sl_schema_number_parse(sl_json_tape_raw(a, x), &m);
	sl_schema_number_parse(sl_json_tape_raw(b, y), &n);
	return sl_schema_number_compare(&m, &n) == 0;
}

static bool equal_strings(struct check *c, const struct sl_json_tape *a, uint32_t x,
			  const struct sl_json_tape *b, uint32_t y)
{
	struct sl_span m, n;

	if (!a->nodes[x].escaped && !b->nodes[y].escaped)
		return sl_span_equal(sl_json_tape_raw(a, x), sl_json_tape_raw(b, y));
	if (!sl_json_tape_string(a, x, c->scratch, &m) ||
	    !sl_json_tape_string(b, y, c->scratch, &n))
		return give_up(c, -ENOMEM);
	return sl_span_equal(m, n);
}

/* Every member of one is in the other, which has as many. */
static bool equal_objects(struct check *c, const struct sl_json_tape *a, uint32_t x,
			  const struct sl_json_tape *b, uint32_t y)
{
	uint32_t key = x + 1;

	for (uint32_t i = 0; i < a->nodes[x].count; i++, key = a->nodes[key + 1].next) {
		struct sl_span name;
		uint32_t value;

		if (!spend(c, b->nodes[y].count))
			return false;
		if (!sl_json_tape_string(a, key, c->scratch, &name))
			return give_up(c, -ENOMEM);
		value = sl_json_tape_member(b, y, name, c->scratch);
		if (!value || !equal(c, a, key + 1, b, value))
			return false;
	}
	return true;
}

/* Deep, but never deeper than the scanner lets a text be. */
static bool equal(struct check *c, const struct sl_json_tape *a, uint32_t x,
		  const struct sl_json_tape *b, uint32_t y)
{
	const struct sl_json_node *m = &a->nodes[x], *n = &b->nodes[y];

	if (m->type != n->type || m->count != n->count || !spend(c, 1))
		return false;
	switch (m->type) {
	case SL_JSON_NUMBER:
		return equal_numbers(a, x, b, y);
	case SL_JSON_STRING:
		return equal_strings(c, a, x, b, y);
	case SL_JSON_ARRAY:
		x++;
		y++;
		for (uint32_t i = 0; i < m->count; i++) {
			if (!equal(c, a, x, b, y))
				return false;
			x = a->nodes[x].next;
			y = b->nodes[y].next;
		}
		return true;
	case SL_JSON_OBJECT:
		return equal_objects(c, a, x, b, y);
	default:
		return true;
	}
}

/* ---- scalars ------------------------------------------------------------------------------- */

static const char *type_name(uint8_t type)
{
	static const char *const names[] = {
		[SL_JSON_NULL] = "null",     [SL_JSON_FALSE] = "boolean",
		[SL_JSON_TRUE] = "boolean",  [SL_JSON_NUMBER] = "number",
		[SL_JSON_STRING] = "string", [SL_JSON_ARRAY] = "array",
		[SL_JSON_OBJECT] = "object",
	};

	return names[type];
}

static bool fail_type(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	char memory[96];
	struct sl_text wanted;

	sl_text_init_fixed(&wanted, memory, sizeof(memory));
	for (uint8_t type = SL_JSON_NULL; type <= SL_JSON_OBJECT; type++)
		if (s->types & 1u << type && type != SL_JSON_TRUE)
			sl_text_printf(&wanted, "%s%s", wanted.len ? " or " : "", type_name(type));
	if (s->types & SL_SCHEMA_TYPE_INTEGER)
		sl_text_printf(&wanted, "%sinteger", wanted.len ? " or " : "");
	return fail(c, "type", "expected %s, found %s", sl_text_string(&wanted),
		    type_name(at(c, node)->type));
}

/* Whole numbers are mostly written as such. */
static bool has_digits_alone(struct sl_span raw)
{
	for (size_t i = raw.data[0] == '-'; i < raw.len; i++)
		if (raw.data[i] < '0' || raw.data[i] > '9')
			return false;
	return true;
}

static bool check_type(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	uint8_t type = at(c, node)->type;
	struct sl_schema_number number;

	if (s->types & 1u << type)
		return true;
	if (type == SL_JSON_NUMBER && s->types & SL_SCHEMA_TYPE_INTEGER) {
		struct sl_span raw = sl_json_tape_raw(&c->tape, node);

		if (has_digits_alone(raw))
			return true;
		sl_schema_number_parse(raw, &number);
		if (number.whole)
			return true;
	}
	return fail_type(c, s, node);
}

static bool check_values(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	const struct sl_json_tape *own = &c->schema->tape;
	struct sl_span raw;
	uint32_t child;

	if (s->has_const && !equal(c, &c->tape, node, own, s->const_node)) {
		raw = sl_json_tape_raw(own, s->const_node);
		return fail(c, "const", "expected the value %.*s",
			    (int)(raw.len < EXCERPT ? raw.len : EXCERPT), raw.data);
	}
	if (!s->has_enum)
		return true;
	child = s->enum_node + 1;
	for (uint32_t i = 0; i < own->nodes[s->enum_node].count;
	     i++, child = own->nodes[child].next)
		if (equal(c, &c->tape, node, own, child))
			return true;
	raw = sl_json_tape_raw(own, s->enum_node);
	return fail(c, "enum", "expected one of %.*s", (int)(raw.len < 160 ? raw.len : 160),
		    raw.data);
}

static bool check_number(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	struct sl_schema_number n;
	int order;

	if (!s->has_minimum && !s->has_maximum && !s->has_multiple)
		return true;
	sl_schema_number_parse(sl_json_tape_raw(&c->tape, node), &n);
	if (s->has_minimum) {
		order = sl_schema_number_compare(&n, &s->minimum);
		if (order < 0 || (order == 0 && s->above))
			return fail(c, "minimum", "expected a number %s %g",
				    s->above ? "above" : "of at least", s->minimum.value);
	}
	if (s->has_maximum) {
		order = sl_schema_number_compare(&n, &s->maximum);
		if (order > 0 || (order == 0 && s->below))
			return fail(c, "maximum", "expected a number %s %g",
				    s->below ? "below" : "of at most", s->maximum.value);
	}
	if (s->has_multiple && !sl_schema_number_divides(&s->multiple, &n))
		return fail(c, "multipleOf", "expected a multiple of %g", s->multiple.value);
	return true;
}

static uint32_t characters(struct sl_span text)
{
	uint32_t count = 0;

	for (size_t i = 0; i < text.len; i++)
		count += (text.data[i] & 0xc0) != 0x80;
	return count;
}

static bool matches(struct check *c, const struct sl_schema_pattern *pattern, struct sl_span text)
{
	int rc;

	if (!c->work) {
		c->work = sl_arena_alloc(c->scratch, c->schema->work_count * sizeof(*c->work));
		if (!c->work)
			return give_up(c, -ENOMEM);
	}
	rc = sl_regex_search(pattern->regex, text.data, text.len, c->work, &c->steps);
	return rc < 0 ? give_up(c, rc) : rc > 0;
}

static bool check_string(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	struct sl_span text;
	uint32_t count;

	if (!s->pattern && !s->format && !s->length_min && s->length_max == SL_SCHEMA_UNSET)
		return true;
	if (!string_at(c, node, &text))
		return false;
	/* a character has one to four bytes: most need not be counted */
	if (s->length_min > text.len / 4 || s->length_max < text.len) {
		count = characters(text);
		if (count < s->length_min)
			return fail(c, "minLength", "expected at least %u characters, found %u",
				    s->length_min, count);
		if (count > s->length_max)
			return fail(c, "maxLength", "expected at most %u characters, found %u",
				    s->length_max, count);
	}
	if (s->pattern && !matches(c, s->pattern, text))
		return fail(c, "pattern", "does not match the pattern %.*s",
			    (int)(s->pattern->text.len < 160 ? s->pattern->text.len : 160),
			    s->pattern->text.data);
	if (!sl_schema_format_holds(s->format, text))
		return fail(c, "format", "is not of the format %s",
			    sl_schema_format_name(s->format));
	return true;
}

/* ---- arrays -------------------------------------------------------------------------------- */

static bool check_at(struct check *c, const struct sl_schema_node *s, uint32_t node, uint32_t step,
		     bool index)
{
	bool ok;

	assert(c->path_count < SL_JSON_DEPTH_MAX);
	c->path[c->path_count] = step;
	c->is_index &= ~(UINT64_C(1) << c->path_count);
	c->is_index |= (uint64_t)index << c->path_count;
	c->path_count++;
	ok = check_node(c, s, node);
	c->path_count--;
	return ok;
}

static bool check_unique(struct check *c, uint32_t node)
{
	uint32_t a = node + 1;

	for (uint32_t i = 0; i < at(c, node)->count; i++, a = at(c, a)->next) {
		uint32_t b = at(c, a)->next;

		for (uint32_t j = i + 1; j < at(c, node)->count; j++, b = at(c, b)->next)
			if (equal(c, &c->tape, a, &c->tape, b))
				return fail(c, "uniqueItems", "the items %u and %u are the same", i,
					    j);
		if (c->rc)
			return false;
	}
	return true;
}

static bool check_contains(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	uint32_t child = node + 1, found = 0;

	c->quiet++;
	for (uint32_t i = 0; i < at(c, node)->count && !c->rc; i++, child = at(c, child)->next)
		found += check_at(c, s->contains, child, i, true);
	c->quiet--;
	if (c->rc)
		return false;
	if (found < s->contains_min)
		return fail(c, "contains", "too few items are as \"contains\" wants them");
	if (found > s->contains_max)
		return fail(c, "maxContains", "too many items are as \"contains\" wants them");
	return true;
}

static bool check_array(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	uint32_t count = at(c, node)->count, child = node + 1;

	if (count < s->items_min)
		return fail(c, "minItems", "expected at least %u items, found %u", s->items_min,
			    count);
	if (count > s->items_max)
		return fail(c, "maxItems", "expected at most %u items, found %u", s->items_max,
			    count);
	if (s->prefix.count || s->items)
		for (uint32_t i = 0; i < count; i++, child = at(c, child)->next) {
			const struct sl_schema_node *item =
				i < s->prefix.count ? s->prefix.nodes[i] : s->items;

			if (item && !check_at(c, item, child, i, true))
				return false;
		}
	if (s->contains && !check_contains(c, s, node))
		return false;
	return !s->unique || check_unique(c, node);
}

/* ---- objects ------------------------------------------------------------------------------- */

/* *turn: the property that is expected, as those before it came in the schema's order. */
static const struct sl_schema_name *find_name(const struct sl_schema_node *s, struct sl_span name,
					      uint32_t *turn)
{
	const struct sl_schema_name *next = *turn < s->order_count ? s->ordered[*turn] : NULL;
	uint32_t low = 0, high = s->name_count;

	if (next && sl_span_equal(name, next->name)) {
		++*turn;
		return next;
	}
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = sl_schema_name_compare(name, s->names[middle].name);

		if (order == 0) {
			*turn = s->names[middle].order + 1; /* 0 behind none of the properties */
			return &s->names[middle];
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* One member against all that speaks of its name. */
static bool check_member(struct check *c, const struct sl_schema_node *s, uint32_t key,
			 struct sl_span name, const struct sl_schema_name *known)
{
	bool spoken_of = known && known->schema;

	if (spoken_of && !check_at(c, known->schema, key + 1, key, false))
		return false;
	for (uint32_t i = 0; i < s->pattern_count; i++) {
		if (matches(c, &s->patterns[i], name)) {
			spoken_of = true;
			if (!check_at(c, s->patterns[i].schema, key + 1, key, false))
				return false;
		}
		if (c->rc)
			return false;
	}
	if (s->additional && !spoken_of) {
		if (s->additional->never)
			return fail(c, "additionalProperties",
				    "the property \"%.*s\" is not allowed",
				    (int)(name.len < EXCERPT ? name.len : EXCERPT), name.data);
		if (!check_at(c, s->additional, key + 1, key, false))
			return false;
	}
	return !s->property_names || check_at(c, s->property_names, key, key, false);
}

static bool fail_required(struct check *c, const struct sl_schema_node *s, const uint64_t *seen)
{
	for (uint32_t i = 0; i < s->name_count; i++)
		if (s->names[i].required && !(seen[i / 64] & UINT64_C(1) << i % 64))
			return fail(c, "required", "the property \"%.*s\" is missing",
				    (int)(s->names[i].name.len < EXCERPT ? s->names[i].name.len
									 : EXCERPT),
				    s->names[i].name.data);
	return true;
}

static bool has_member(struct check *c, uint32_t node, struct sl_span name)
{
	return spend(c, at(c, node)->count) &&
	       sl_json_tape_member(&c->tape, node, name, c->scratch);
}

static bool check_dependents(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	for (uint32_t i = 0; i < s->dependent_count; i++) {
		const struct sl_schema_dependent *d = &s->dependents[i];

		if (!has_member(c, node, d->name))
			continue;
		if (d->schema && !check_node(c, d->schema, node))
			return false;
		for (uint32_t j = 0; j < d->required_count; j++)
			if (!has_member(c, node, d->required[j]))
				return fail(c, "dependentRequired",
					    "the property \"%.*s\" is missing beside \"%.*s\"",
					    (int)d->required[j].len, d->required[j].data,
					    (int)d->name.len, d->name.data);
	}
	return !c->rc;
}

static bool check_object(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	uint64_t few = 0, *seen = NULL;
	uint32_t count = at(c, node)->count, key = node + 1, turn = 0;

	if (count < s->members_min)
		return fail(c, "minProperties", "expected at least %u properties, found %u",
			    s->members_min, count);
	if (count > s->members_max)
		return fail(c, "maxProperties", "expected at most %u properties, found %u",
			    s->members_max, count);
	if (s->required_count) {
		seen = s->name_count <= 64 ? &few
					   : sl_arena_array(c->scratch, (s->name_count + 63) / 64,
							    sizeof(*seen));
		if (!seen)
			return give_up(c, -ENOMEM);
	}
	if (s->name_count || s->pattern_count || s->additional || s->property_names)
		for (uint32_t i = 0; i < count; i++, key = at(c, key + 1)->next) {
			const struct sl_schema_name *known;
			struct sl_span name;

			if (!string_at(c, key, &name))
				return false;
			known = find_name(s, name, &turn);
			if (known && seen)
				seen[(known - s->names) / 64] |= UINT64_C(1)
								 << (known - s->names) % 64;
			if (!check_member(c, s, key, name, known))
				return false;
		}
	if (seen && !fail_required(c, s, seen))
		return false;
	return !s->dependent_count || check_dependents(c, s, node);
}

/* ---- what combines schemas ------------------------------------------------------------------ */

/* How many of the list hold; stops at `enough`. */
static uint32_t count_holding(struct check *c, const struct sl_schema_list *list, uint32_t node,
			      uint32_t enough)
{
	uint32_t count = 0;

	c->quiet++;
	for (uint32_t i = 0; i < list->count && count < enough && !c->rc; i++)
		count += check_node(c, list->nodes[i], node);
	c->quiet--;
	return count;
}

static bool holds_quietly(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	bool ok;

	c->quiet++;
	ok = check_node(c, s, node);
	c->quiet--;
	return ok;
}

static bool check_combined(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	uint32_t count;

	for (uint32_t i = 0; i < s->all.count; i++)
		if (!check_node(c, s->all.nodes[i], node))
			return false;
	if (s->any.count && !count_holding(c, &s->any, node, 1))
		return fail(c, "anyOf", "matches none of the %u alternatives of anyOf",
			    s->any.count);
	if (s->one.count) {
		count = count_holding(c, &s->one, node, 2);
		if (count != 1)
			return fail(c, "oneOf", "matches %s of the %u alternatives of oneOf",
				    count ? "more than one" : "none", s->one.count);
	}
	if (s->none && holds_quietly(c, s->none, node))
		return fail(c, "not", "matches what \"not\" excludes");
	if (s->condition && (s->then || s->otherwise) && !c->rc) {
		const struct sl_schema_node *next =
			holds_quietly(c, s->condition, node) ? s->then : s->otherwise;

		if (next && !check_node(c, next, node))
			return false;
	}
	return !c->rc;
}

static bool check_kind(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	switch (at(c, node)->type) {
	case SL_JSON_NUMBER:
		return check_number(c, s, node);
	case SL_JSON_STRING:
		return check_string(c, s, node);
	case SL_JSON_ARRAY:
		return check_array(c, s, node);
	case SL_JSON_OBJECT:
		return check_object(c, s, node);
	default:
		return true;
	}
}

static bool check_node(struct check *c, const struct sl_schema_node *s, uint32_t node)
{
	bool ok;

	if (s->never)
		return fail(c, "false", "nothing is allowed here");
	if (c->depth == SL_SCHEMA_DEPTH_MAX)
		return give_up(c, -E2BIG);
	if (!spend(c, 1))
		return false;
	c->depth++;
	ok = (!s->types || check_type(c, s, node)) &&
	     ((!s->has_const && !s->has_enum) || check_values(c, s, node)) &&
	     check_kind(c, s, node) && (!s->ref || check_node(c, s->ref, node)) &&
	     (!s->combines || check_combined(c, s, node));
	c->depth--;
	return ok && !c->rc;
}

static int check(const struct sl_schema *schema, const struct sl_schema_node *node,
		 const char *text, size_t len, struct sl_arena *scratch, struct sl_error *reason,
		 struct sl_schema_place *place, uint64_t *steps)
{
	struct check c = {.schema = schema,
			  .scratch = scratch,
			  .reason = reason,
			  .place = place,
			  .steps = *steps};
	int rc = sl_json_tape_make(text, len, scratch, &c.tape);
	bool ok;

	if (reason)
		reason->text[0] = '\0';
	if (place)
		*place = (struct sl_schema_place){.keyword = rc ? "json" : ""};
	if (rc == SL_JSON_TAPE_NO_MEMORY || rc == SL_JSON_TAPE_TOO_LARGE)
		return sl_error_set(reason, rc == SL_JSON_TAPE_NO_MEMORY ? -ENOMEM : -E2BIG,
				    "the text is too large to be checked");
	if (rc)
		return sl_error_set(reason, -EINVAL, "not valid JSON: %s",
				    sl_json_tape_bad_text(rc));
	ok = check_node(&c, node, 0);
	*steps = c.steps;
	if (c.rc && place)
		*place = (struct sl_schema_place){.keyword = "effort"};
	if (c.rc)
		return sl_error_set(reason, c.rc,
				    "checking the text against its schema takes too much");
	return ok ? 0 : -EINVAL;
}

int sl_schema_check(const struct sl_schema *schema, const char *text, size_t len,
		    struct sl_arena *scratch, struct sl_error *reason)
{
	return sl_schema_check_place(schema, text, len, scratch, reason, NULL);
}

int sl_schema_check_place(const struct sl_schema *schema, const char *text, size_t len,
			  struct sl_arena *scratch, struct sl_error *reason,
			  struct sl_schema_place *ret_place)
{
	uint64_t steps = SL_SCHEMA_STEPS_MAX;

	return check(schema, schema->root, text, len, scratch, reason, ret_place, &steps);
}

int sl_schema_check_part(const struct sl_schema *schema, const struct sl_schema_node *node,
			 const char *text, size_t len, struct sl_arena *scratch, uint64_t *steps)
{
	return check(schema, node, text, len, scratch, NULL, NULL, steps);
}

void sl_schema_free(struct sl_schema **schema)
{
	if (!*schema)
		return;
	if (__atomic_sub_fetch(&(*schema)->owners, 1, __ATOMIC_ACQ_REL) == 0) {
		sl_arena_fini(&(*schema)->arena);
		free(*schema);
	}
	*schema = NULL;
}

struct sl_schema *sl_schema_hold(const struct sl_schema *schema)
{
	struct sl_schema *held = (struct sl_schema *)schema;

	__atomic_add_fetch(&held->owners, 1, __ATOMIC_RELAXED);
	return held;
}
