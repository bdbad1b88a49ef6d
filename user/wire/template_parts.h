/* SPDX-License-Identifier: BSD-2-Clause */
/* template_parts.h - what the compiler of templates (template.c, template_text.c) and template_render.c share. */
#ifndef SL_WIRE_TEMPLATE_PARTS_H
#define SL_WIRE_TEMPLATE_PARTS_H

#include "user/base/arena.h"
#include "user/wire/template.h"

enum sl_template_op_kind {
	SL_TEMPLATE_OP_UNSET = 0,
	SL_TEMPLATE_OP_TEXT,	/* bytes of the document, escaped already */
	SL_TEMPLATE_OP_VALUE,	/* a variable */
	SL_TEMPLATE_OP_ITEM,	/* the element of the innermost list, or a member of it */
	SL_TEMPLATE_OP_SECTION, /* up to .end, once or once an element */
	SL_TEMPLATE_OP_ABSENT,	/* up to .end when there is no value */
	SL_TEMPLATE_OP_END,
};

struct sl_template_op {
	enum sl_template_op_kind kind;
	uint32_t variable; /* VALUE, SECTION, ABSENT */
	uint32_t end;	   /* SECTION, ABSENT: index of their END */
	const char *text;  /* TEXT; ITEM: a member's name or NULL */
	size_t len;
};

struct sl_template {
	struct sl_arena arena;
	struct sl_template_variable variables[SL_TEMPLATE_VARIABLES_MAX];
	size_t variable_count;
	struct sl_template_param params[SL_TEMPLATE_PARAMS_MAX];
	size_t param_count;
	struct sl_template_case cases[SL_TEMPLATE_CASES_MAX];
	size_t case_count;
	const char *roles[SL_TEMPLATE_MESSAGES_MAX];
	size_t message_count;
	struct sl_template_op *ops;
	size_t op_count;
};

#define SL_TEMPLATE_NO_OP UINT32_MAX

struct sl_template_open {
	uint32_t op;
	struct sl_span name;
	const char *at;
	bool list; /* of a variable that is or may be a list */
};

struct sl_template_compiler {
	struct sl_template *template;
	const char *text, *end;
	const char *at;
	struct sl_template_op
		*ops; /* SL_TEMPLATE_OPS_MAX; TEXT: .variable is an offset in literal */
	size_t op_count;
	struct sl_text literal; /* all text of the document */
	struct sl_template_open open[SL_TEMPLATE_DEPTH_MAX];
	uint32_t depth;
	struct sl_error *error;
};

/* Of a span in an error, for %.*s. */
#define SL_TEMPLATE_SHOWN(span) (int)((span).len < 40 ? (span).len : 40), (span).data

/* "line L, column C: ..." of that place in the text; returns code. */
__attribute__((format(printf, 4, 5))) int sl_template_fail(struct sl_template_compiler *c, int code,
							   const char *at, const char *format, ...);

/* A name at *at, which moves behind it; empty when there is none. */
struct sl_span sl_template_take_name(const char **at, const char *end);
const char *sl_template_skip_blanks(const char *at, const char *end);

/* Its index, or -1. */
int sl_template_find_variable(const struct sl_template *t, struct sl_span name);

/*
 * Text of the document; `at` is its place for an error. What stands beside a section's border is never
 * joined across it.
 */
int sl_template_add_document(struct sl_template_compiler *c, const char *at, const char *text,
			     size_t len, bool escape);

/* The text of one message, which has been cut off at both ends. */
int sl_template_add_text(struct sl_template_compiler *c, const char *text, const char *end);

/* 0, or -EINVAL: the value is not of that type. */
int sl_template_type_check(enum sl_template_type type, const struct sl_json_field *value);

#endif
