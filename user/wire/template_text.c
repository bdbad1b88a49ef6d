/* SPDX-License-Identifier: BSD-2-Clause */
/* The texts of messages, which template.c finds, into operations. */
#include <errno.h>
#include <string.h>
#include "user/wire/template.h"
#include "user/wire/template_parts.h"

/* ---- operations ------------------------------------------------------------------------------ */

static struct sl_template_op *add_op(struct sl_template_compiler *c, enum sl_template_op_kind kind)
{
	struct sl_template_op *op;

	if (c->op_count == SL_TEMPLATE_OPS_MAX)
		return NULL;
	op = &c->ops[c->op_count++];
	*op = (struct sl_template_op){.kind = kind, .end = SL_TEMPLATE_NO_OP};
	return op;
}

static int too_many(struct sl_template_compiler *c, const char *at)
{
	return sl_template_fail(c, -E2BIG, at, "over %u pieces; split the prompt",
				SL_TEMPLATE_OPS_MAX);
}

int sl_template_add_document(struct sl_template_compiler *c, const char *at, const char *text,
			     size_t len, bool escape)
{
	struct sl_template_op *last = c->op_count ? &c->ops[c->op_count - 1] : NULL;
	size_t before = c->literal.len;

	if (!len)
		return 0;
	if (!last || last->kind != SL_TEMPLATE_OP_TEXT) {
		last = add_op(c, SL_TEMPLATE_OP_TEXT);
		if (!last)
			return too_many(c, at);
		last->variable = (uint32_t)before;
	}
	if (escape)
		sl_text_append_json(&c->literal, text, len);
	else
		sl_text_append(&c->literal, text, len);
	last->len += c->literal.len - before;
	return c->literal.error;
}

/* ---- texts ----------------------------------------------------------------------------------- */

/* Is a tag, from..to, alone on its line? Then what of the line goes with it. */
static bool alone(const char *text, const char *text_end, const char *from, const char *to,
		  const char **ret_start, const char **ret_stop)
{
	const char *start = from, *stop = sl_template_skip_blanks(to, text_end);

	while (start > text && (start[-1] == ' ' || start[-1] == '\t'))
		start--;
	if (start > text && start[-1] != '\n')
		return false;
	if (stop < text_end && *stop != '\n')
		return false;
	*ret_start = start;
	*ret_stop = stop < text_end ? stop + 1 : stop;
	return true;
}

static int undeclared(struct sl_template_compiler *c, const char *at, struct sl_span name)
{
	return sl_template_fail(c, -EINVAL, at,
				"unknown variable \"%.*s\": declare it with @var %.*s TYPE",
				SL_TEMPLATE_SHOWN(name), SL_TEMPLATE_SHOWN(name));
}

static int add_section(struct sl_template_compiler *c, const char *at, struct sl_span name,
		       bool absent)
{
	int variable = sl_template_find_variable(c->template, name);
	struct sl_template_op *op;

	if (variable < 0)
		return undeclared(c, at, name);
	if (c->depth == SL_TEMPLATE_DEPTH_MAX)
		return sl_template_fail(c, -E2BIG, at, "over %u sections within each other",
					SL_TEMPLATE_DEPTH_MAX);
	op = add_op(c, absent ? SL_TEMPLATE_OP_ABSENT : SL_TEMPLATE_OP_SECTION);
	if (!op)
		return too_many(c, at);
	op->variable = (uint32_t)variable;
	c->open[c->depth++] = (struct sl_template_open){
		.op = (uint32_t)c->op_count - 1,
		.name = name,
		.at = at,
		.list = !absent && (c->template->variables[variable].type == SL_TEMPLATE_LIST ||
				    c->template->variables[variable].type == SL_TEMPLATE_JSON)};
	return 0;
}

static int end_section(struct sl_template_compiler *c, const char *at, struct sl_span name)
{
	struct sl_template_open *open;

	if (!c->depth)
		return sl_template_fail(c, -EINVAL, at,
					"{{/%.*s}} ends a section that did not begin",
					SL_TEMPLATE_SHOWN(name));
	open = &c->open[c->depth - 1];
	if (!sl_span_equal(open->name, name))
		return sl_template_fail(c, -EINVAL, at,
					"{{/%.*s}}: the section that is open is \"%.*s\"",
					SL_TEMPLATE_SHOWN(name), SL_TEMPLATE_SHOWN(open->name));
	if (!add_op(c, SL_TEMPLATE_OP_END))
		return too_many(c, at);
	c->ops[open->op].end = (uint32_t)c->op_count - 1;
	c->depth--;
	return 0;
}

static int add_item(struct sl_template_compiler *c, const char *at, struct sl_span field)
{
	struct sl_template_op *op;
	bool list = false;

	for (uint32_t i = 0; i < c->depth; i++)
		list |= c->open[i].list;
	if (!list)
		return sl_template_fail(c, -EINVAL, at,
					"{{.}} is an element of a list: it stands in {{#LIST}}");
	op = add_op(c, SL_TEMPLATE_OP_ITEM);
	if (!op)
		return too_many(c, at);
	if (!field.len)
		return 0;
	op->text = sl_arena_strndup(&c->template->arena, field.data, field.len);
	op->len = field.len;
	return op->text ? 0 : -ENOMEM;
}

/* {{"..."}}: where its string ends. */
static int add_quoted(struct sl_template_compiler *c, const char *at, const char *end,
		      const char **ret_after)
{
	const char *stop = at + 1;
	int rc;

	while (stop < end && *stop != '"' && *stop != '\n')
		stop += *stop == '\\' && stop + 1 < end ? 2 : 1;
	if (stop >= end || *stop != '"')
		return sl_template_fail(c, -EINVAL, at, "expected the \" that ends the text");
	stop++;
	rc = sl_json_check(at, (size_t)(stop - at), NULL);
	if (rc < 0)
		return sl_template_fail(c, -EINVAL, at, "%s",
					sl_json_bad_text((enum sl_json_bad) - rc));
	*ret_after = stop;
	return sl_template_add_document(c, at, at + 1, (size_t)(stop - at) - 2, false);
}

/* A tag without its braces. */
static int add_inner(struct sl_template_compiler *c, const char **at, const char *end)
{
	const char *from = *at;
	char sign = *at < end ? **at : '\0';
	struct sl_span name;
	int variable;

	if (sign == '"')
		return add_quoted(c, from, end, at);
	if (sign == '.')
		*at += 1;
	else if (sign == '#' || sign == '^' || sign == '/')
		*at = sl_template_skip_blanks(*at + 1, end);
	name = sl_template_take_name(at, end);
	if (name.len > SL_TEMPLATE_NAME_MAX)
		return sl_template_fail(c, -EINVAL, from, "a name has at most %u bytes",
					SL_TEMPLATE_NAME_MAX);
	if (sign == '.')
		return add_item(c, from, name);
	if (!name.len)
		return sl_template_fail(
			c, -EINVAL, from,
			"expected a variable, #, ^, /, ., ! or \"; for {{ itself write {{\"{{\"}}");
	if (sign == '#' || sign == '^')
		return add_section(c, from, name, sign == '^');
	if (sign == '/')
		return end_section(c, from, name);
	variable = sl_template_find_variable(c->template, name);
	if (variable < 0)
		return undeclared(c, from, name);
	if (!add_op(c, SL_TEMPLATE_OP_VALUE))
		return too_many(c, from);
	c->ops[c->op_count - 1].variable = (uint32_t)variable;
	return 0;
}

/* Where the tag whose inside begins at `at` has its }}; NULL when it has none. */
static const char *tag_end(const char *at, const char *end)
{
	if (at < end && *at == '"') {
		for (at++; at < end && *at != '"' && *at != '\n'; at++)
			at += *at == '\\' && at + 1 < end;
	}
	return at < end ? memmem(at, (size_t)(end - at), "}}", 2) : NULL;
}

/* The tag at `from`. What lies between *plain and it has not been added yet. */
static int add_tag(struct sl_template_compiler *c, const char *text, const char *end,
		   const char *from, const char **plain)
{
	const char *at = sl_template_skip_blanks(from + 2, end), *stop = tag_end(at, end),
		   *start = from;
	const char *after = stop ? stop + 2 : end;
	bool mark = at < end && strchr("#^/!", *at) != NULL;
	int rc;

	if (!stop)
		return sl_template_fail(c, -EINVAL, from, "expected }} at the end of the tag");
	if (mark)
		alone(text, end, from, after, &start, &after);
	rc = sl_template_add_document(c, *plain, *plain, (size_t)(start - *plain), true);
	*plain = after;
	if (rc != 0 || *at == '!')
		return rc;
	rc = add_inner(c, &at, stop);
	if (rc != 0)
		return rc;
	at = sl_template_skip_blanks(at, stop);
	if (at != stop)
		return sl_template_fail(c, -EINVAL, at, "expected }} at the end of the tag");
	return 0;
}

int sl_template_add_text(struct sl_template_compiler *c, const char *text, const char *end)
{
	const char *plain = text, *at = text;
	int rc = 0;

	while (at < end && rc == 0) {
		if (*at == '@' && (at == text || at[-1] == '\n')) { /* the first of @@ */
			rc = sl_template_add_document(c, plain, plain, (size_t)(at - plain), true);
			plain = at + 1;
			at += 2;
		} else if (*at == '{' && at + 1 < end && at[1] == '{') {
			rc = add_tag(c, text, end, at, &plain);
			at = plain;
		} else {
			at++;
		}
	}
	if (rc == 0 && c->depth)
		return sl_template_fail(c, -EINVAL, c->open[c->depth - 1].at,
					"section \"%.*s\" does not end in its message",
					SL_TEMPLATE_SHOWN(c->open[c->depth - 1].name));
	return rc != 0 ? rc
		       : sl_template_add_document(c, plain, plain, (size_t)(end - plain), true);
}
