/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * template.h - prompt templates: a text that is compiled once and rendered into chat messages.
 *
 *	# a comment, before the first message
 *	@model support-small
 *	@temperature 0.2
 *	@response_format {"type": "json_object"}
 *	@var customer string required
 *	@var tone string = "friendly"
 *	@var cases list
 *
 *	@system
 *	You are {{tone}}.
 *	{{#cases}}
 *	Case {{.id}}: {{.text}}
 *	{{/cases}}
 *	@user
 *	{{customer}} asks:
 *	@test greets
 *	{"variables": {"customer": "Ann"}, "checks": [{"contains": "Ann"}]}
 *
 *   line                        is
 *   @NAME JSON                  a parameter of the request, see sl_template_param_names; an object or a
 *                               list may go on over lines. The model may be a bare word
 *   @var NAME TYPE [required]   a variable: string, number, integer, boolean, json, list;
 *        [raw] [= JSON]         at the end its default
 *   @system @developer          a message begins; its text is all up to the next such line, without
 *   @user @assistant            blanks at the end
 *   @test NAME                  a case of the regression suite, see template_suite.h
 *   @@...                       text that begins with @
 *
 *   in a text                   is
 *   {{name}}                    the variable; json, a list and an object as JSON text; else its value
 *   {{#name}} ... {{/name}}     once when it is not absent, null, false, "", [] or {}; of a list once an
 *                               element, which is {{.}} and, when an object, {{.key}}; of an
 *                               object once, with {{.key}}
 *   {{^name}} ... {{/name}}     when it is one of those
 *   {{! ... }}                  a comment
 *   {{"..."}}                   that JSON string as text, for {{ itself
 *
 * A section's mark or a comment alone on its line takes the line away with it. A section ends within
 * the message in which it begins. There is nothing else: no code, no includes, no filters.
 *
 * What a variable can do. Its text becomes the inside of a JSON string of the message in which it
 * stands, whatever bytes it has: the document always has the template's messages and roles. Servers
 * turn messages into one text with marks of their own between roles ("<|im_start|>"); a value that
 * holds such a mark has it broken by a zero-width space (U+200B) behind its first character, unless the
 * variable is `raw`. Covered: "<|" before a letter, digit, "_" or "/"; the same with U+FF5C; [INST],
 * [/INST], <<SYS>>, <</SYS>>, <start_of_turn>, <end_of_turn>, <s>, </s>.
 *
 * Pure; a compiled template is immutable and shared by all threads. Rendering allocates nothing but the
 * growth of its output, and copies of values that are lists, objects or have \u escapes; 1.6 us for a prompt of two messages and five variables.
 */
#ifndef SL_WIRE_TEMPLATE_H
#define SL_WIRE_TEMPLATE_H

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/wire/json_scan.h"

#define SL_TEMPLATE_BYTES_MAX	  (256u << 10)
#define SL_TEMPLATE_VARIABLES_MAX 64u
#define SL_TEMPLATE_MESSAGES_MAX  64u
#define SL_TEMPLATE_PARAMS_MAX	  16u
#define SL_TEMPLATE_CASES_MAX	  64u
#define SL_TEMPLATE_OPS_MAX	  4096u
#define SL_TEMPLATE_NAME_MAX	  63u
#define SL_TEMPLATE_DEPTH_MAX	  8u	  /* sections within sections */
#define SL_TEMPLATE_STEPS_MAX	  200000u /* of one rendering: lists within lists multiply */

enum sl_template_type {
	SL_TEMPLATE_UNSET = 0,
	SL_TEMPLATE_STRING,
	SL_TEMPLATE_NUMBER,
	SL_TEMPLATE_INTEGER,
	SL_TEMPLATE_BOOLEAN,
	SL_TEMPLATE_JSON,
	SL_TEMPLATE_LIST,
	SL_TEMPLATE_TYPES
};

struct sl_template_variable {
	const char *name;
	size_t name_len;
	enum sl_template_type type;
	bool required;
	bool raw;
	struct sl_json_field preset; /* type ABSENT: none */
};

/* A parameter of the request, as JSON members have it. */
struct sl_template_param {
	const char *name;
	size_t name_len;
	struct sl_span value; /* raw JSON */
};

struct sl_template_case {
	const char *name;
	struct sl_span body; /* raw JSON, checked; read by sl_suite_read */
};

struct sl_template;

/* Names that may stand behind @, ended by NULL. */
extern const char *const sl_template_param_names[];
extern const char *const sl_template_type_names[SL_TEMPLATE_TYPES];

/*
 * The form in which a template is kept and by which it is known: UTF-8 without a byte order mark, lines
 * that end in \n, one \n at the end. Fails with -EINVAL as compile does where the text is no UTF-8 or
 * has control characters; -E2BIG; -ENOMEM.
 */
int sl_template_canonical(const char *text, size_t len, struct sl_text *out,
			  struct sl_error *error);

/*
 * Compiles a text. -EINVAL: error says "line L, column C: what, and what was expected"; -E2BIG over one
 * of the bounds above, with the same; -ENOMEM.
 */
int sl_template_compile(const char *text, size_t len, struct sl_template **ret_template,
			struct sl_error *error);

void sl_template_free(struct sl_template *template);

size_t sl_template_variables(const struct sl_template *template,
			     const struct sl_template_variable **ret_variables);
size_t sl_template_params(const struct sl_template *template,
			  const struct sl_template_param **ret_params);
size_t sl_template_cases(const struct sl_template *template,
			 const struct sl_template_case **ret_cases);
size_t sl_template_message_count(const struct sl_template *template);
/* Role of a message. */
const char *sl_template_role(const struct sl_template *template, size_t message);

/* The raw JSON of parameter `name`; {NULL, 0}: none. */
struct sl_span sl_template_param(const struct sl_template *template, const char *name);

/*
 * Appends the messages to out as JSON objects with commas between, without brackets around. variables:
 * an object that a scan has found valid, or one of type ABSENT or NULL. -EINVAL: they are not what the
 * template wants, error names the variable; -E2BIG: out's cap, or SL_TEMPLATE_STEPS_MAX; -ENOMEM. After
 * an error out is as it was, but for its sticky error.
 */
int sl_template_render(const struct sl_template *template, const struct sl_json_field *variables,
		       struct sl_text *out, struct sl_error *error);

/*
 * The whole request: the parameters, then "messages". more: raw JSON elements to follow the template's
 * messages, or empty. Errors as above.
 */
int sl_template_render_request(const struct sl_template *template,
			       const struct sl_json_field *variables, struct sl_span more,
			       struct sl_text *out, struct sl_error *error);

#endif
