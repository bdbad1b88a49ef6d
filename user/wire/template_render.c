/* SPDX-License-Identifier: BSD-2-Clause */
/* Rendering of compiled templates. Declared in template.h. */
#include <errno.h>
#include <string.h>
#include "user/wire/template.h"
#include "user/wire/template_parts.h"

#define BREAK	    "\xe2\x80\x8b" /* U+200B */
#define NAMES_SHOWN 200u	   /* bytes of the variables' names in an error */
#define SHOWN_BYTES 40u

/* A value, as in the document that it comes from. */
struct value {
	const char *data;
	size_t len;
	uint8_t type; /* enum sl_json_type */
	bool escaped;
};

struct render {
	const struct sl_template *template;
	struct value values[SL_TEMPLATE_VARIABLES_MAX];
	struct value item; /* of the innermost list */
	bool item_raw;
	uint32_t steps;
	struct sl_text *out;
};

static struct value value_of(const struct sl_json_field *field)
{
	return (struct value){field->value, field->value_len, field->type, field->escaped};
}

static struct sl_json_field field_of(const struct value *value)
{
	return (struct sl_json_field){.value = value->data,
				      .value_len = value->len,
				      .type = value->type,
				      .escaped = value->escaped};
}

/* ---- marks of roles -------------------------------------------------------------------------- */

static bool word_byte(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') || byte == '_' || byte == '/';
}

static bool starts(const char *at, const char *end, const char *mark)
{
	size_t len = strlen(mark);

	return (size_t)(end - at) >= len && memcmp(at, mark, len) == 0;
}

/*
 * Does a mark begin at `at`, or could one, where the value ends and what follows is not known? at
 * points to '<' or '['.
 */
static bool is_mark(const char *at, const char *end)
{
	static const char *const marks[] = {
		"[INST]",	 "[/INST]", "<<SYS>>", "<</SYS>>", "<start_of_turn>",
		"<end_of_turn>", "<s>",	    "</s>",    NULL};
	size_t bar = starts(at, end, "<|") ? 2 : starts(at, end, "<\xef\xbd\x9c") ? 4 : 0;

	if (bar)
		return at + bar == end || word_byte(at[bar]);
	for (const char *const *mark = marks; *mark; mark++) {
		if (starts(at, end, *mark))
			return true;
	}
	return false;
}

static const char *next_mark(const char *at, const char *end)
{
	for (; at < end; at++) {
		if ((*at == '<' || *at == '[') && is_mark(at, end))
			return at;
	}
	return end;
}

/* Text that is the inside of a JSON string already. */
static void put_inside(struct render *r, const char *data, size_t len, bool raw)
{
	const char *at = data, *end = data + len, *mark;

	if (raw || (!memchr(data, '<', len) && !memchr(data, '[', len) && data[0] != '|' &&
		    (unsigned char)data[0] != 0xef)) {
		sl_text_append(r->out, data, len);
		return;
	}
	/* what was written before may be the mark's first byte */
	if (r->out->len && r->out->data[r->out->len - 1] == '<' &&
	    (data[0] == '|' || starts(data, end, "\xef\xbd\x9c")))
		sl_text_append(r->out, BREAK, 3);
	while ((mark = next_mark(at, end)) < end) {
		sl_text_append(r->out, at, (size_t)(mark + 1 - at));
		sl_text_append(r->out, BREAK, 3);
		at = mark + 1;
	}
	sl_text_append(r->out, at, (size_t)(end - at));
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Has a string an escape that could hide a mark? */
static bool hides(const char *data, size_t len)
{
	const char *end = data + len;

	while ((data = memchr(data, '\\', (size_t)(end - data))) != NULL) {
		if (data[1] == 'u' || data[1] == '/')
			return true;
		data += 2;
	}
	return false;
}

/* Decoded and escaped anew, so that no mark hides in escapes. */
static void put_decoded(struct render *r, const struct value *value, bool raw)
{
	struct sl_json_field field = field_of(value);
	struct sl_text plain, inside;
	int len;

	sl_text_init(&plain, value->len + 1);
	sl_text_init(&inside, 6 * value->len + 1);
	if (sl_text_reserve(&plain, value->len) == 0) {
		len = sl_json_string(&field, plain.data, plain.size);
		if (len > 0 && sl_text_append_json(&inside, plain.data, (size_t)len) == 0)
			put_inside(r, inside.data, inside.len, raw);
	}
	if (plain.error || inside.error)
		r->out->error = -ENOMEM;
	sl_text_fini(&inside);
	sl_text_fini(&plain);
}

static void put_json(struct render *r, const struct value *value, bool raw)
{
	struct sl_text inside;

	sl_text_init(&inside, 6 * value->len + 1);
	if (sl_text_append_json(&inside, value->data, value->len) == 0)
		put_inside(r, inside.data, inside.len, raw);
	else
		r->out->error = -ENOMEM;
	sl_text_fini(&inside);
}

static void put_value(struct render *r, const struct value *value, bool raw)
{
	switch (value->type) {
	case SL_JSON_ABSENT:
	case SL_JSON_NULL:
		break;
	case SL_JSON_STRING:
		if (value->escaped && !raw && hides(value->data + 1, value->len - 2))
			put_decoded(r, value, raw);
		else if (value->len > 2)
			put_inside(r, value->data + 1, value->len - 2, raw);
		break;
	case SL_JSON_ARRAY:
	case SL_JSON_OBJECT:
		put_json(r, value, raw);
		break;
	default: /* a number, true, false: nothing in them to escape */
		sl_text_append(r->out, value->data, value->len);
	}
}

static bool has_value(const struct value *value)
{
	struct sl_json_field field = field_of(value), key, element;
	const char *cursor = NULL;

	switch (value->type) {
	case SL_JSON_NUMBER:
	case SL_JSON_TRUE:
		return true;
	case SL_JSON_STRING:
		return value->len > 2;
	case SL_JSON_ARRAY:
		return sl_json_each(&field, &cursor, &element);
	case SL_JSON_OBJECT:
		return sl_json_each_member(&field, &cursor, &key, &element);
	default:
		return false;
	}
}

static struct value member_of(const struct value *object, const char *name, size_t name_len)
{
	struct sl_json_field field = field_of(object), key, value;
	const char *cursor = NULL;

	if (object->type != SL_JSON_OBJECT)
		return (struct value){0};
	while (sl_json_each_member(&field, &cursor, &key, &value)) {
		if (sl_json_string_equal(&key, name, name_len))
			return value_of(&value);
	}
	return (struct value){0};
}

/* ---- running --------------------------------------------------------------------------------- */

static void run(struct render *r, size_t from, size_t to);

static void run_section(struct render *r, size_t at, const struct sl_template_op *op)
{
	const struct value *value = &r->values[op->variable];
	struct value outer = r->item;
	bool outer_raw = r->item_raw;
	struct sl_json_field list = field_of(value), element;
	const char *cursor = NULL;

	if (value->type != SL_JSON_ARRAY) {
		if (!has_value(value))
			return;
		if (value->type == SL_JSON_OBJECT) {
			r->item = *value;
			r->item_raw = r->template->variables[op->variable].raw;
		}
		run(r, at + 1, op->end);
		r->item = outer;
		r->item_raw = outer_raw;
		return;
	}
	r->item_raw = r->template->variables[op->variable].raw;
	while (!r->out->error && sl_json_each(&list, &cursor, &element)) {
		r->item = value_of(&element);
		run(r, at + 1, op->end);
		if (++r->steps > SL_TEMPLATE_STEPS_MAX)
			r->out->error = -E2BIG;
	}
	r->item = outer;
	r->item_raw = outer_raw;
}

static void run(struct render *r, size_t from, size_t to)
{
	struct value member;

	for (size_t i = from; i < to; i++) {
		const struct sl_template_op *op = &r->template->ops[i];

		switch (op->kind) {
		case SL_TEMPLATE_OP_TEXT:
			sl_text_append(r->out, op->text, op->len);
			break;
		case SL_TEMPLATE_OP_VALUE:
			put_value(r, &r->values[op->variable],
				  r->template->variables[op->variable].raw);
			break;
		case SL_TEMPLATE_OP_ITEM:
			member = op->text ? member_of(&r->item, op->text, op->len) : r->item;
			put_value(r, &member, r->item_raw);
			break;
		case SL_TEMPLATE_OP_SECTION:
			run_section(r, i, op);
			i = op->end;
			break;
		case SL_TEMPLATE_OP_ABSENT:
			if (!has_value(&r->values[op->variable]))
				run(r, i + 1, op->end);
			i = op->end;
			break;
		default:
			break;
		}
		if (++r->steps > SL_TEMPLATE_STEPS_MAX || r->out->error) {
			r->out->error = r->out->error ? r->out->error : -E2BIG;
			return;
		}
	}
}

/* ---- variables ------------------------------------------------------------------------------- */

static int unknown(const struct sl_template *t, const struct sl_json_field *key,
		   struct sl_error *error)
{
	char names[NAMES_SHOWN];
	struct sl_text text;
	int shown = (int)(key->value_len - 2 < SHOWN_BYTES ? key->value_len - 2 : SHOWN_BYTES);

	sl_text_init_fixed(&text, names, sizeof(names));
	for (size_t i = 0; i < t->variable_count; i++)
		sl_text_printf(&text, "%s%s", i ? ", " : "", t->variables[i].name);
	return sl_error_set(error, -EINVAL, "unknown variable \"%.*s\"; the prompt has %s", shown,
			    key->value + 1,
			    t->variable_count ? sl_text_string(&text) : "no variables");
}

static int take_given(struct render *r, const struct sl_json_field *variables,
		      struct sl_error *error)
{
	const struct sl_template *t = r->template;
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t i;

	while (sl_json_each_member(variables, &cursor, &key, &value)) {
		for (i = 0; i < t->variable_count; i++) {
			if (sl_json_string_equal(&key, t->variables[i].name,
						 t->variables[i].name_len))
				break;
		}
		if (i == t->variable_count)
			return unknown(t, &key, error);
		if (r->values[i].type != SL_JSON_ABSENT)
			return sl_error_set(error, -EINVAL, "variable \"%s\" is given twice",
					    t->variables[i].name);
		if (value.type != SL_JSON_NULL &&
		    sl_template_type_check(t->variables[i].type, &value) != 0)
			return sl_error_set(error, -EINVAL, "variable \"%s\" must be of type %s",
					    t->variables[i].name,
					    sl_template_type_names[t->variables[i].type]);
		r->values[i] = value_of(&value);
	}
	return 0;
}

static int take_variables(struct render *r, const struct sl_json_field *variables,
			  struct sl_error *error)
{
	const struct sl_template *t = r->template;
	int rc = 0;

	if (variables && variables->type == SL_JSON_OBJECT)
		rc = take_given(r, variables, error);
	else if (variables && variables->type != SL_JSON_ABSENT && variables->type != SL_JSON_NULL)
		return sl_error_set(error, -EINVAL, "the variables must be an object");
	for (size_t i = 0; i < t->variable_count && rc == 0; i++) {
		if (r->values[i].type != SL_JSON_ABSENT && r->values[i].type != SL_JSON_NULL)
			continue;
		if (t->variables[i].required)
			return sl_error_set(error, -EINVAL, "variable \"%s\" (%s) is missing",
					    t->variables[i].name,
					    sl_template_type_names[t->variables[i].type]);
		r->values[i] = value_of(&t->variables[i].preset);
	}
	return rc;
}

/* ---- the document ---------------------------------------------------------------------------- */

int sl_template_render(const struct sl_template *template, const struct sl_json_field *variables,
		       struct sl_text *out, struct sl_error *error)
{
	struct render r = {.template = template, .out = out};
	size_t before = out->len;
	int rc = take_variables(&r, variables, error);

	if (rc != 0)
		return rc;
	run(&r, 0, template->op_count);
	if (!out->error)
		return 0;
	sl_text_truncate(out, before);
	return sl_error_set(error, out->error,
			    out->error == -E2BIG ? "the rendered prompt is too long"
						 : "no memory for the prompt");
}

int sl_template_render_request(const struct sl_template *template,
			       const struct sl_json_field *variables, struct sl_span more,
			       struct sl_text *out, struct sl_error *error)
{
	size_t before = out->len;
	int rc;

	sl_text_append_char(out, '{');
	for (size_t i = 0; i < template->param_count; i++) {
		const struct sl_template_param *param = &template->params[i];

		sl_text_append_char(out, '"');
		sl_text_append(out, param->name, param->name_len);
		sl_text_append(out, "\":", 2);
		sl_text_append_span(out, param->value);
		sl_text_append_char(out, ',');
	}
	sl_text_append_string(out, "\"messages\":[");
	rc = sl_template_render(template, variables, out, error);
	if (rc == 0 && more.len) {
		sl_text_append_char(out, ',');
		sl_text_append_span(out, more);
	}
	if (rc == 0)
		rc = sl_text_append(out, "]}", 2);
	if (rc != 0)
		sl_text_truncate(out, before);
	return rc;
}
