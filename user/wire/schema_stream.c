/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/schema_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/wire/json_scan.h"
#include "user/wire/schema_parts.h"

#define NO_JSON	      "it is no JSON"
#define NOT_AS_SCHEMA "it is not as its schema says"
#define ESCAPED_MAX   12u /* bytes of one character, as two escapes */

enum state {
	STATE_VALUE = 0,   /* a value must begin */
	STATE_ITEM_OR_END, /* behind [ */
	STATE_KEY_OR_END,  /* behind { */
	STATE_KEY,	   /* behind a comma */
	STATE_COLON,
	STATE_COMMA_OR_END,
	STATE_STRING,
	STATE_NUMBER,
	STATE_WORD,
	STATE_BEHIND, /* the value is whole */
};

/* The subschemas that speak of one value, as far as they are followed. */
struct view {
	const struct sl_schema_node *nodes[SL_SCHEMA_STREAM_VIEW_MAX];
	uint32_t count;
};

struct frame {
	size_t begin;
	uint32_t count; /* items or members that have begun */
	bool object;
	struct view view;
};

struct sl_schema_stream {
	const struct sl_schema *schema;
	const char *why;
	uint64_t steps; /* left, for all checks of it; 0: all is left to the end */
	size_t at;	/* how far the text was read */
	size_t begin;	/* of the scalar under way */
	enum state state;
	bool key, escape; /* STRING: it is a name; the byte before was a backslash */
	struct view view; /* of the value that begins, or the scalar under way */
	uint32_t depth;
	struct frame frames[SL_JSON_DEPTH_MAX];
};

/* What a feed works on. */
struct look {
	struct sl_schema_stream *s;
	const char *text;
	struct sl_arena *scratch;
};

static bool say(struct look *l, const char *why)
{
	l->s->why = why;
	return false;
}

static bool is_blank(char b)
{
	return b == ' ' || b == '\n' || b == '\t' || b == '\r';
}

/* Circles end where the view is full; what does not fit is looked at when its value ends. */
static void view_add(struct view *view, const struct sl_schema_node *node)
{
	if (!node || view->count == SL_SCHEMA_STREAM_VIEW_MAX)
		return;
	view->nodes[view->count++] = node;
	view_add(view, node->ref);
	for (uint32_t i = 0; i < node->all.count; i++)
		view_add(view, node->all.nodes[i]);
}

/* ---- values ---------------------------------------------------------------------------------- */

/* One of the types that a value may be of by what begins it: bits as in struct sl_schema_node. */
static uint32_t types_of(char first)
{
	switch (first) {
	case '{':
		return 1u << SL_JSON_OBJECT;
	case '[':
		return 1u << SL_JSON_ARRAY;
	case '"':
		return 1u << SL_JSON_STRING;
	case 't':
		return 1u << SL_JSON_TRUE;
	case 'f':
		return 1u << SL_JSON_FALSE;
	case 'n':
		return 1u << SL_JSON_NULL;
	default:
		return first == '-' || (first >= '0' && first <= '9')
			       ? 1u << SL_JSON_NUMBER | SL_SCHEMA_TYPE_INTEGER
			       : 0;
	}
}

static bool has_type(const struct sl_json_tape *own, uint32_t node, uint32_t types)
{
	return types & 1u << own->nodes[node].type;
}

/* May a value of these types be one of those that the schema lists? */
static bool is_listed(const struct sl_json_tape *own, const struct sl_schema_node *n,
		      uint32_t types)
{
	uint32_t child = n->enum_node + 1;

	if (n->has_const && !has_type(own, n->const_node, types))
		return false;
	if (!n->has_enum)
		return true;
	for (uint32_t i = 0; i < own->nodes[n->enum_node].count;
	     i++, child = own->nodes[child].next)
		if (has_type(own, child, types))
			return true;
	return false;
}

static bool may_begin(struct look *l, uint32_t types)
{
	const struct view *view = &l->s->view;

	for (uint32_t i = 0; i < view->count; i++) {
		const struct sl_schema_node *n = view->nodes[i];

		if (n->never || (n->types && !(n->types & types)) ||
		    !is_listed(&l->s->schema->tape, n, types))
			return say(l, NOT_AS_SCHEMA);
	}
	return true;
}

/* A whole value: all that is said of it. Too much to check, or no memory: left to the end. */
static bool holds(struct look *l, const struct view *view, size_t begin, size_t end)
{
	if (!view->count)
		return true;
	/* the first has the others as its ref or its allOf, but for those of several parents */
	for (uint32_t i = 0; i < view->count && l->s->steps; i++) {
		int rc = sl_schema_check_part(l->s->schema, view->nodes[i], l->text + begin,
					      end - begin, l->scratch, &l->s->steps);

		sl_arena_reset(l->scratch);
		if (rc == -EINVAL)
			return say(l, NOT_AS_SCHEMA);
	}
	return true;
}

static void value_ended(struct sl_schema_stream *s)
{
	s->state = s->depth ? STATE_COMMA_OR_END : STATE_BEHIND;
}

static bool scalar_ended(struct look *l, size_t end)
{
	struct sl_schema_stream *s = l->s;

	if (sl_json_check(l->text + s->begin, end - s->begin, NULL))
		return say(l, NO_JSON);
	value_ended(s);
	return holds(l, &s->view, s->begin, end);
}

/* One more item or member than the schema has room for? */
static bool has_room(struct look *l, const struct frame *f)
{
	for (uint32_t i = 0; i < f->view.count; i++)
		if (f->count >
		    (f->object ? f->view.nodes[i]->members_max : f->view.nodes[i]->items_max))
			return say(l, NOT_AS_SCHEMA);
	return true;
}

static bool begin_container(struct look *l, bool object, size_t at)
{
	struct sl_schema_stream *s = l->s;

	if (s->depth == SL_JSON_DEPTH_MAX)
		return say(l, NO_JSON); /* too deep for any check */
	s->frames[s->depth++] = (struct frame){.begin = at, .object = object, .view = s->view};
	s->state = object ? STATE_KEY_OR_END : STATE_ITEM_OR_END;
	return true;
}

static bool end_container(struct look *l, bool object, size_t at)
{
	struct sl_schema_stream *s = l->s;
	struct frame *f = &s->frames[s->depth - 1];

	if (f->object != object)
		return say(l, NO_JSON);
	s->depth--;
	value_ended(s);
	return at + 1 - f->begin > SL_SCHEMA_STREAM_WHOLE_BYTES ||
	       holds(l, &f->view, f->begin, at + 1);
}

/* A value begins in the innermost container, or at the top. */
static bool begin_value(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;
	struct frame *f = s->depth ? &s->frames[s->depth - 1] : NULL;
	uint32_t types = types_of(l->text[at]);

	if (!types)
		return say(l, NO_JSON);
	if (f && !f->object) {
		s->view.count = 0;
		for (uint32_t i = 0; i < f->view.count; i++) {
			const struct sl_schema_node *n = f->view.nodes[i];

			view_add(&s->view,
				 f->count < n->prefix.count ? n->prefix.nodes[f->count] : n->items);
		}
		f->count++;
		if (!has_room(l, f))
			return false;
	}
	s->begin = at;
	s->key = s->escape = false;
	if (!may_begin(l, types))
		return false;
	if (types == 1u << SL_JSON_OBJECT || types == 1u << SL_JSON_ARRAY)
		return begin_container(l, types == 1u << SL_JSON_OBJECT, at);
	s->state = types == 1u << SL_JSON_STRING  ? STATE_STRING
		   : types & 1u << SL_JSON_NUMBER ? STATE_NUMBER
						  : STATE_WORD;
	return true;
}

/* ---- names ----------------------------------------------------------------------------------- */

static const struct sl_schema_name *find_name(const struct sl_schema_node *n, struct sl_span name)
{
	uint32_t low = 0, high = n->name_count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;
		int order = sl_schema_name_compare(name, n->names[middle].name);

		if (!order)
			return &n->names[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* What speaks of the member of that name becomes the view. */
static bool view_member(struct look *l, const struct frame *f, struct sl_span name)
{
	struct sl_schema_stream *s = l->s;

	s->view.count = 0;
	for (uint32_t i = 0; i < f->view.count; i++) {
		const struct sl_schema_node *n = f->view.nodes[i];
		const struct sl_schema_name *known = find_name(n, name);

		if (known && known->schema)
			view_add(&s->view, known->schema);
		else if (n->pattern_count || !n->additional)
			continue;
		else if (n->additional->never)
			return say(l, NOT_AS_SCHEMA);
		else
			view_add(&s->view, n->additional);
	}
	return true;
}

static bool take_name(struct look *l, size_t end)
{
	struct sl_schema_stream *s = l->s;
	struct frame *f = &s->frames[s->depth - 1];
	struct sl_json_tape tape;
	struct sl_span name;
	int rc = sl_json_tape_make(l->text + s->begin, end - s->begin, l->scratch, &tape);

	s->state = STATE_COLON;
	s->view.count = 0;
	if (rc && rc != SL_JSON_TAPE_NO_MEMORY)
		return say(l, NO_JSON);
	f->count++;
	if (rc || !sl_json_tape_string(&tape, 0, l->scratch, &name))
		return true; /* no memory: nothing is known of the value */
	return has_room(l, f) && view_member(l, f, name);
}

static bool name_ended(struct look *l, size_t end)
{
	bool ok = take_name(l, end);

	sl_arena_reset(l->scratch);
	return ok;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static bool in_string(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;
	unsigned char b = (unsigned char)l->text[at];

	if (b < 0x20)
		return say(l, NO_JSON);
	if (s->escape || b == '\\')
		s->escape = !s->escape;
	else if (b == '"')
		return s->key ? name_ended(l, at + 1) : scalar_ended(l, at + 1);
	return true;
}

static bool in_word(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;
	const char *word = l->text[s->begin] == 't'   ? "true"
			   : l->text[s->begin] == 'f' ? "false"
						      : "null";
	size_t place = at - s->begin;

	if (l->text[at] != word[place])
		return say(l, NO_JSON);
	return word[place + 1] || scalar_ended(l, at + 1);
}

static bool in_container(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;
	const struct frame *f = &s->frames[s->depth - 1];
	char b = l->text[at];

	if (b == '}' || b == ']')
		return end_container(l, b == '}', at);
	if (b != ',')
		return say(l, NO_JSON);
	s->state = f->object ? STATE_KEY : STATE_VALUE;
	return true;
}

static bool at_name(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;

	if (l->text[at] == '}' && s->state == STATE_KEY_OR_END)
		return end_container(l, true, at);
	if (l->text[at] != '"')
		return say(l, NO_JSON);
	s->begin = at;
	s->key = true;
	s->escape = false;
	s->state = STATE_STRING;
	return true;
}

static bool is_of_number(char b)
{
	return (b >= '0' && b <= '9') || b == '.' || b == 'e' || b == 'E' || b == '+' || b == '-';
}

/* One byte outside of strings and words. */
static bool at_rest(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;
	char b = l->text[at];

	if (is_blank(b))
		return true;
	switch (s->state) {
	case STATE_VALUE:
		return begin_value(l, at);
	case STATE_ITEM_OR_END:
		return b == ']' ? end_container(l, false, at) : begin_value(l, at);
	case STATE_KEY:
	case STATE_KEY_OR_END:
		return at_name(l, at);
	case STATE_COLON:
		s->state = STATE_VALUE;
		return b == ':' || say(l, NO_JSON);
	case STATE_COMMA_OR_END:
		return in_container(l, at);
	default:
		return say(l, NO_JSON);
	}
}

static bool take(struct look *l, size_t at)
{
	struct sl_schema_stream *s = l->s;

	if (s->state == STATE_STRING)
		return in_string(l, at);
	if (s->state == STATE_WORD)
		return in_word(l, at);
	if (s->state == STATE_NUMBER && is_of_number(l->text[at]))
		return true;
	if (s->state == STATE_NUMBER && !scalar_ended(l, at))
		return false;
	return at_rest(l, at);
}

/* ---- a string that is not whole ----------------------------------------------------------------- */

static bool begins_one(const struct sl_json_tape *own, uint32_t node, struct sl_span text)
{
	struct sl_span raw = sl_json_tape_raw(own, node);

	return own->nodes[node].type == SL_JSON_STRING &&
	       (own->nodes[node].escaped ||
		(raw.len >= text.len && !memcmp(raw.data, text.data, text.len)));
}

/* So far it is this text, without escapes. */
static bool may_become(const struct sl_json_tape *own, const struct sl_schema_node *n,
		       struct sl_span text)
{
	uint32_t child = n->enum_node + 1;

	if (n->has_const && !begins_one(own, n->const_node, text))
		return false;
	if (!n->has_enum)
		return true;
	for (uint32_t i = 0; i < own->nodes[n->enum_node].count;
	     i++, child = own->nodes[child].next)
		if (begins_one(own, child, text))
			return true;
	return false;
}

static bool string_may_go_on(struct look *l, size_t len)
{
	struct sl_schema_stream *s = l->s;
	struct sl_span text = {l->text + s->begin + 1, len - s->begin - 1};

	for (uint32_t i = 0; i < s->view.count; i++) {
		const struct sl_schema_node *n = s->view.nodes[i];

		if (n->length_max != SL_SCHEMA_UNSET &&
		    text.len > (size_t)ESCAPED_MAX * (n->length_max + 1u))
			return say(l, NOT_AS_SCHEMA);
		if ((n->has_const || n->has_enum) && !memchr(text.data, '\\', text.len) &&
		    !may_become(&s->schema->tape, n, text))
			return say(l, NOT_AS_SCHEMA);
	}
	return true;
}

/* ---- exported ---------------------------------------------------------------------------------- */

struct sl_schema_stream *sl_schema_stream_new(const struct sl_schema *schema)
{
	struct sl_schema_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->schema = schema;
	s->steps = SL_SCHEMA_STEPS_MAX;
	view_add(&s->view, schema->root);
	return s;
}

void sl_schema_stream_free(struct sl_schema_stream **stream)
{
	free(*stream);
	*stream = NULL;
}

const char *sl_schema_stream_feed(struct sl_schema_stream *stream, const char *text, size_t len,
				  struct sl_arena *scratch)
{
	struct look l = {stream, text, scratch};

	while (!stream->why && stream->at < len)
		(void)take(&l, stream->at++);
	if (!stream->why && stream->state == STATE_STRING && !stream->key)
		(void)string_may_go_on(&l, len);
	return stream->why;
}
