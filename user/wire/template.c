/* SPDX-License-Identifier: BSD-2-Clause */
/* The compiler of templates; template_render.c runs what it makes. */
#include "user/wire/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/wire/template_parts.h"
#include "user/wire/template_suite.h"

#define ARENA_BLOCK_BYTES (16u << 10)
#define ARENA_BYTES_MAX	  (8u << 20)

const char *const sl_template_param_names[] = {"model",
					       "temperature",
					       "top_p",
					       "max_tokens",
					       "max_completion_tokens",
					       "stop",
					       "seed",
					       "presence_penalty",
					       "frequency_penalty",
					       "reasoning_effort",
					       "tools",
					       "tool_choice",
					       "parallel_tool_calls",
					       "response_format",
					       NULL};

const char *const sl_template_type_names[SL_TEMPLATE_TYPES] = {
	"", "string", "number", "integer", "boolean", "json", "list"};

static const char *const roles[] = {"system", "developer", "user", "assistant", NULL};

/* ---- errors ---------------------------------------------------------------------------------- */

/* Columns count bytes, as editors that jump to them do. */
static void where(const struct sl_template_compiler *c, const char *at, unsigned *ret_line,
		  unsigned *ret_column)
{
	unsigned line = 1;
	const char *start = c->text;

	for (const char *p = c->text; p < at; p++) {
		if (*p == '\n') {
			line++;
			start = p + 1;
		}
	}
	*ret_line = line;
	*ret_column = (unsigned)(at - start) + 1;
}

int sl_template_fail(struct sl_template_compiler *c, int code, const char *at, const char *format,
		     ...)
{
	unsigned line, column;
	char text[SL_ERROR_TEXT_SIZE];
	struct sl_text words;
	va_list args;

	where(c, at, &line, &column);
	sl_text_init_fixed(&words, text, sizeof(text));
	va_start(args, format);
	if (sl_text_vprintf(&words, format, args) != 0)
		sl_text_append_string(&words, "too long a name");
	va_end(args);
	return sl_error_set(c->error, code, "line %u, column %u: %s", line, column,
			    sl_text_string(&words));
}

/* ---- the canonical form ---------------------------------------------------------------------- */

static size_t control_at(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = sl_text_utf8_len(text + i, len - i);
		unsigned char byte = (unsigned char)text[i];

		if (!n || (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') ||
		    byte == 0x7f)
			return i;
		i += n;
	}
	return len;
}

static int append_lines(const char *text, size_t len, struct sl_text *out)
{
	struct sl_span rest = sl_span_make(text, len);

	while (rest.data) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		while (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		for (size_t i = 0; i < line.len; i++)
			sl_text_append_char(out, line.data[i] == '\r' ? ' ' : line.data[i]);
		sl_text_append_char(out, '\n');
	}
	return out->error;
}

int sl_template_canonical(const char *text, size_t len, struct sl_text *out, struct sl_error *error)
{
	struct sl_template_compiler c = {.text = text, .error = error};
	size_t bad;

	if (len > SL_TEMPLATE_BYTES_MAX)
		return sl_error_set(error, -E2BIG, "%zu bytes: a template has at most %u", len,
				    SL_TEMPLATE_BYTES_MAX);
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
		c.text = text;
	}
	bad = control_at(text, len);
	if (bad < len)
		return sl_template_fail(&c, -EINVAL, text + bad,
					"byte 0x%02x is not UTF-8 text or is a control character",
					(unsigned char)text[bad]);
	while (len && strchr("\n\r\t ", text[len - 1]))
		len--;
	return append_lines(text, len, out);
}

/* ---- names and values ------------------------------------------------------------------------ */

static bool name_byte(char byte, bool first)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
	       (!first && ((byte >= '0' && byte <= '9') || byte == '-'));
}

struct sl_span sl_template_take_name(const char **at, const char *end)
{
	const char *from = *at;

	while (*at < end && name_byte(**at, *at == from))
		(*at)++;
	return sl_span_make(from, (size_t)(*at - from));
}

const char *sl_template_skip_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	return at;
}

static const char *line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline : end;
}

int sl_template_find_variable(const struct sl_template *t, struct sl_span name)
{
	for (size_t i = 0; i < t->variable_count; i++) {
		if (sl_span_equal(name,
				  sl_span_make(t->variables[i].name, t->variables[i].name_len)))
			return (int)i;
	}
	return -1;
}

/* The end of an object or list that begins at `at`, without judging what is in it. */
static const char *brackets_end(const char *at, const char *end)
{
	size_t depth = 0;
	bool string = false;

	for (; at < end; at++) {
		if (string) {
			if (*at == '\\' && at + 1 < end)
				at++;
			else if (*at == '"')
				string = false;
		} else if (*at == '"') {
			string = true;
		} else if (*at == '{' || *at == '[') {
			depth++;
		} else if ((*at == '}' || *at == ']') && --depth == 0) {
			return at + 1;
		}
	}
	return end;
}

/* The JSON value at c->at, which moves behind its last line. The field lives in the arena. */
static int take_json(struct sl_template_compiler *c, const char *what,
		     struct sl_json_field *ret_field)
{
	const char *at = sl_template_skip_blanks(c->at, c->end), *stop;
	struct sl_json_field object = {.type = SL_JSON_OBJECT}, key;
	const char *cursor = NULL;
	struct sl_span value;
	size_t bad = 0;
	char *copy;
	int rc;

	stop = at < c->end && (*at == '{' || *at == '[') ? brackets_end(at, c->end)
							 : line_end(at, c->end);
	value = sl_span_trim(sl_span_make(at, (size_t)(stop - at)));
	if (!value.len)
		return sl_template_fail(c, -EINVAL, at, "%s: expected a JSON value", what);
	rc = sl_json_check(value.data, value.len, &bad);
	if (rc < 0)
		return sl_template_fail(c, -EINVAL, value.data + bad, "%s: %s", what,
					sl_json_bad_text((enum sl_json_bad) - rc));
	at = sl_template_skip_blanks(stop, c->end);
	if (at < c->end && *at != '\n')
		return sl_template_fail(c, -EINVAL, at,
					"%s: expected the end of the line behind the value", what);
	/* as the only member of an object: the scan then says of which type it is */
	copy = sl_arena_printf(&c->template->arena, "{\"v\":%.*s}", (int)value.len, value.data);
	if (!copy)
		return -ENOMEM;
	object.value = copy;
	object.value_len = strlen(copy);
	sl_json_each_member(&object, &cursor, &key, ret_field);
	c->at = at;
	return 0;
}

int sl_template_type_check(enum sl_template_type type, const struct sl_json_field *value)
{
	int64_t integer;

	switch (type) {
	case SL_TEMPLATE_STRING:
		return value->type == SL_JSON_STRING ? 0 : -EINVAL;
	case SL_TEMPLATE_NUMBER:
		return value->type == SL_JSON_NUMBER ? 0 : -EINVAL;
	case SL_TEMPLATE_INTEGER:
		return value->type == SL_JSON_NUMBER && !sl_json_int(value, &integer) ? 0 : -EINVAL;
	case SL_TEMPLATE_BOOLEAN:
		return value->type == SL_JSON_TRUE || value->type == SL_JSON_FALSE ? 0 : -EINVAL;
	case SL_TEMPLATE_LIST:
		return value->type == SL_JSON_ARRAY ? 0 : -EINVAL;
	default:
		return 0;
	}
}

/* ---- directives ------------------------------------------------------------------------------ */

static enum sl_template_type type_of(struct sl_span name)
{
	for (int i = 1; i < SL_TEMPLATE_TYPES; i++) {
		if (sl_span_equal(name, sl_span_string(sl_template_type_names[i])))
			return (enum sl_template_type)i;
	}
	return SL_TEMPLATE_UNSET;
}

static int take_preset(struct sl_template_compiler *c, struct sl_template_variable *variable)
{
	const char *at = c->at;
	int rc = take_json(c, variable->name, &variable->preset);

	if (rc != 0)
		return rc;
	if (variable->required)
		return sl_template_fail(
			c, -EINVAL, at,
			"variable \"%s\": required and with a default; leave one out",
			variable->name);
	if (sl_template_type_check(variable->type, &variable->preset) != 0)
		return sl_template_fail(c, -EINVAL, at,
					"variable \"%s\": the default is not of type %s",
					variable->name, sl_template_type_names[variable->type]);
	return 0;
}

/* What may stand behind a variable's type. */
static int take_attributes(struct sl_template_compiler *c, struct sl_template_variable *variable)
{
	for (;;) {
		const char *at = c->at = sl_template_skip_blanks(c->at, c->end);
		struct sl_span word;

		if (at == c->end || *at == '\n')
			return 0;
		if (*at == '=') {
			c->at++;
			return take_preset(c, variable);
		}
		word = sl_template_take_name(&c->at, c->end);
		if (sl_span_equal(word, SL_SPAN("required")))
			variable->required = true;
		else if (sl_span_equal(word, SL_SPAN("raw")))
			variable->raw = true;
		else
			return sl_template_fail(
				c, -EINVAL, at,
				"variable \"%s\": expected required, raw, or = and a default",
				variable->name);
	}
}

static int take_variable(struct sl_template_compiler *c)
{
	struct sl_template *t = c->template;
	struct sl_template_variable *variable = &t->variables[t->variable_count];
	const char *at = c->at = sl_template_skip_blanks(c->at, c->end);
	struct sl_span name = sl_template_take_name(&c->at, c->end), type;

	if (!name.len || name.len > SL_TEMPLATE_NAME_MAX)
		return sl_template_fail(
			c, -EINVAL, at,
			"expected @var NAME TYPE; a name is 1 to %u letters, digits, _ and -",
			SL_TEMPLATE_NAME_MAX);
	if (sl_template_find_variable(t, name) >= 0)
		return sl_template_fail(c, -EINVAL, at, "variable \"%.*s\" is there already",
					SL_TEMPLATE_SHOWN(name));
	if (t->variable_count == SL_TEMPLATE_VARIABLES_MAX)
		return sl_template_fail(c, -E2BIG, at, "over %u variables",
					SL_TEMPLATE_VARIABLES_MAX);
	*variable = (struct sl_template_variable){
		.name = sl_arena_strndup(&t->arena, name.data, name.len), .name_len = name.len};
	if (!variable->name)
		return -ENOMEM;
	at = c->at = sl_template_skip_blanks(c->at, c->end);
	type = sl_template_take_name(&c->at, c->end);
	variable->type = type_of(type);
	if (!variable->type)
		return sl_template_fail(
			c, -EINVAL, at,
			"variable \"%s\": expected a type: string, number, integer, boolean, json "
			"or list",
			variable->name);
	t->variable_count++;
	return take_attributes(c, variable);
}

/* @model chat-small: without quotes, as everybody writes it. */
static int take_bare_model(struct sl_template_compiler *c, struct sl_json_field *ret_value)
{
	const char *stop = line_end(c->at, c->end);
	struct sl_span word = sl_span_trim(sl_span_make(c->at, (size_t)(stop - c->at)));
	struct sl_text quoted;
	char room[6 * 128 + 3];

	if (word.len > 127 || sl_span_find(word, ' ') < word.len)
		return sl_template_fail(c, -EINVAL, c->at,
					"model: expected a name of 1 to 127 bytes");
	sl_text_init_fixed(&quoted, room, sizeof(room));
	sl_text_append_char(&quoted, '"');
	sl_text_append_json(&quoted, word.data, word.len);
	sl_text_append_char(&quoted, '"');
	*ret_value = (struct sl_json_field){
		.type = SL_JSON_STRING,
		.value = sl_arena_strndup(&c->template->arena, quoted.data, quoted.len),
		.value_len = quoted.len};
	c->at = stop;
	return ret_value->value ? 0 : -ENOMEM;
}

static int take_param(struct sl_template_compiler *c, const char *name, const char *line)
{
	struct sl_template *t = c->template;
	const char *at = c->at = sl_template_skip_blanks(c->at, c->end);
	bool model = strcmp(name, "model") == 0;
	struct sl_json_field value;
	int rc;

	if (sl_template_param(t, name).data)
		return sl_template_fail(c, -EINVAL, line, "@%s is there already", name);
	if (model && at < c->end && *at != '"' && *at != '\n')
		rc = take_bare_model(c, &value);
	else
		rc = take_json(c, name, &value);
	if (rc != 0)
		return rc;
	if (model && (value.type != SL_JSON_STRING || value.value_len < 3))
		return sl_template_fail(c, -EINVAL, at, "model: expected a name of 1 to 127 bytes");
	if (t->param_count == SL_TEMPLATE_PARAMS_MAX)
		return sl_template_fail(c, -E2BIG, line, "over %u parameters",
					SL_TEMPLATE_PARAMS_MAX);
	t->params[t->param_count++] =
		(struct sl_template_param){.name = name,
					   .name_len = strlen(name),
					   .value = sl_span_make(value.value, value.value_len)};
	return 0;
}

static int take_case(struct sl_template_compiler *c, const char *line)
{
	struct sl_template *t = c->template;
	const char *stop = line_end(c->at, c->end);
	struct sl_span name = sl_span_trim(sl_span_make(c->at, (size_t)(stop - c->at)));
	struct sl_suite_case read;
	struct sl_json_field body;
	char *copy;
	int rc;

	if (!name.len || name.len > SL_TEMPLATE_NAME_MAX)
		return sl_template_fail(c, -EINVAL, line,
					"expected @test NAME; a name has 1 to %u bytes",
					SL_TEMPLATE_NAME_MAX);
	if (t->case_count == SL_TEMPLATE_CASES_MAX)
		return sl_template_fail(c, -E2BIG, line, "over %u tests", SL_TEMPLATE_CASES_MAX);
	copy = sl_arena_strndup(&t->arena, name.data, name.len);
	if (!copy)
		return -ENOMEM;
	c->at = stop;
	while (c->at < c->end && strchr(" \t\n", *c->at))
		c->at++;
	rc = take_json(c, "@test", &body);
	if (rc == 0)
		rc = sl_suite_read(body.value, body.value_len, &read, c->error);
	if (rc == -EINVAL && c->error && strncmp(c->error->text, "line ", 5) != 0) {
		struct sl_error inner = *c->error;

		return sl_template_fail(c, rc, line, "test \"%s\": %s", copy, inner.text);
	}
	if (rc != 0)
		return rc;
	t->cases[t->case_count++] = (struct sl_template_case){
		.name = copy, .body = sl_span_make(body.value, body.value_len)};
	return 0;
}

/* ---- messages ------------------------------------------------------------------------------- */

/* The end of a message's text: the line of the next directive. */
static const char *text_end(const char *at, const char *end)
{
	while (at < end && (at[0] != '@' || (at + 1 < end && at[1] == '@'))) {
		at = line_end(at, end);
		at += at < end;
	}
	return at;
}

static int take_message(struct sl_template_compiler *c, const char *role, const char *line)
{
	struct sl_template *t = c->template;
	const char *text, *stop, *end;
	int rc;

	c->at = sl_template_skip_blanks(c->at, c->end);
	if (c->at < c->end && *c->at != '\n')
		return sl_template_fail(c, -EINVAL, c->at,
					"expected the message's text on the lines below");
	if (t->message_count == SL_TEMPLATE_MESSAGES_MAX)
		return sl_template_fail(c, -E2BIG, line, "over %u messages",
					SL_TEMPLATE_MESSAGES_MAX);
	text = c->at + (c->at < c->end);
	end = stop = text_end(text, c->end);
	while (end > text && strchr(" \t\n", end[-1]))
		end--;
	while (text < end && *text == '\n')
		text++;
	rc = sl_template_add_document(c, line, ",", t->message_count ? 1 : 0, false);
	if (rc == 0)
		rc = sl_template_add_document(c, line, "{\"role\":\"", 9, false);
	if (rc == 0)
		rc = sl_template_add_document(c, line, role, strlen(role), false);
	if (rc == 0)
		rc = sl_template_add_document(c, line, "\",\"content\":\"", 13, false);
	if (rc == 0)
		rc = sl_template_add_text(c, text, end);
	if (rc == 0)
		rc = sl_template_add_document(c, line, "\"}", 2, false);
	t->roles[t->message_count++] = role;
	c->at = stop;
	return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static const char *find_word(const char *const *words, struct sl_span word)
{
	for (; *words; words++) {
		if (sl_span_equal(word, sl_span_string(*words)))
			return *words;
	}
	return NULL;
}

static int take_directive(struct sl_template_compiler *c)
{
	const char *line = c->at++;
	struct sl_span name = sl_template_take_name(&c->at, c->end);
	const char *known;

	if (sl_span_equal(name, SL_SPAN("test")))
		return take_case(c, line);
	known = find_word(roles, name);
	if (known)
		return take_message(c, known, line);
	known = find_word(sl_template_param_names, name);
	if (!known && !sl_span_equal(name, SL_SPAN("var")))
		return sl_template_fail(
			c, -EINVAL, line,
			"unknown \"@%.*s\": expected @var, @test, a role or a parameter such as "
			"@model; for text that begins with @ write @@",
			SL_TEMPLATE_SHOWN(name));
	if (c->template->message_count || c->template->case_count)
		return sl_template_fail(c, -EINVAL, line,
					"@%.*s stands before the first message and test",
					SL_TEMPLATE_SHOWN(name));
	return known ? take_param(c, known, line) : take_variable(c);
}

static int take_lines(struct sl_template_compiler *c)
{
	int rc = 0;

	while (c->at < c->end && rc == 0) {
		const char *at = sl_template_skip_blanks(c->at, c->end);

		if (at == c->end || *at == '\n' || *c->at == '#')
			c->at = line_end(c->at, c->end);
		else if (*c->at != '@')
			return sl_template_fail(
				c, -EINVAL, c->at,
				"expected a line that begins with @, such as @system, or a # "
				"comment");
		else
			rc = take_directive(c);
		if (rc == 0 && c->at < c->end && *c->at == '\n')
			c->at++;
	}
	if (rc == 0 && !c->template->message_count)
		return sl_template_fail(c, -EINVAL, c->text,
					"no message: expected @system, @user or another role");
	return rc;
}

/* Into the arena, texts in place of offsets. */
static int keep_ops(struct sl_template_compiler *c)
{
	struct sl_template *t = c->template;
	const char *literal = sl_arena_memdup(&t->arena, c->literal.data, c->literal.len);

	t->ops = sl_arena_memdup(&t->arena, c->ops, c->op_count * sizeof(*c->ops));
	if (!literal || !t->ops)
		return -ENOMEM;
	t->op_count = c->op_count;
	for (size_t i = 0; i < t->op_count; i++) {
		if (t->ops[i].kind == SL_TEMPLATE_OP_TEXT)
			t->ops[i].text = literal + t->ops[i].variable;
	}
	return 0;
}

static int compile(struct sl_template_compiler *c)
{
	int rc;

	c->ops = malloc(SL_TEMPLATE_OPS_MAX * sizeof(*c->ops));
	if (!c->ops)
		return -ENOMEM;
	sl_text_init(&c->literal, 8 * SL_TEMPLATE_BYTES_MAX);
	rc = take_lines(c);
	if (rc == 0)
		rc = keep_ops(c);
	sl_text_fini(&c->literal);
	free(c->ops);
	return rc;
}

int sl_template_compile(const char *text, size_t len, struct sl_template **ret_template,
			struct sl_error *error)
{
	struct sl_template_compiler c = {.error = error};
	struct sl_text canonical;
	int rc;

	sl_text_init(&canonical, 2 * SL_TEMPLATE_BYTES_MAX);
	rc = sl_template_canonical(text, len, &canonical, error);
	if (rc == 0) {
		c.template = calloc(1, sizeof(*c.template));
		rc = c.template ? 0 : -ENOMEM;
	}
	if (rc == 0) {
		sl_arena_init(&c.template->arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
		c.text = c.at = sl_text_string(&canonical);
		c.end = c.text + canonical.len;
		rc = compile(&c);
	}
	sl_text_fini(&canonical);
	if (rc == 0)
		*ret_template = c.template;
	else
		sl_template_free(c.template);
	return rc == -ENOMEM ? sl_error_set(error, rc, "no memory for the template") : rc;
}

void sl_template_free(struct sl_template *template)
{
	if (!template)
		return;
	sl_arena_fini(&template->arena);
	free(template);
}

/* ---- what it has ----------------------------------------------------------------------------- */

size_t sl_template_variables(const struct sl_template *template,
			     const struct sl_template_variable **ret_variables)
{
	*ret_variables = template->variables;
	return template->variable_count;
}

size_t sl_template_params(const struct sl_template *template,
			  const struct sl_template_param **ret_params)
{
	*ret_params = template->params;
	return template->param_count;
}

size_t sl_template_cases(const struct sl_template *template,
			 const struct sl_template_case **ret_cases)
{
	*ret_cases = template->cases;
	return template->case_count;
}

size_t sl_template_message_count(const struct sl_template *template)
{
	return template->message_count;
}

const char *sl_template_role(const struct sl_template *template, size_t message)
{
	return message < template->message_count ? template->roles[message] : NULL;
}

struct sl_span sl_template_param(const struct sl_template *template, const char *name)
{
	for (size_t i = 0; i < template->param_count; i++) {
		if (strcmp(template->params[i].name, name) == 0)
			return template->params[i].value;
	}
	return sl_span_make(NULL, 0);
}
