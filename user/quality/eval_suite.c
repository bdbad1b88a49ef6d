/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/eval_suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/wire/template_suite.h"

#define LINE_BYTES_MAX (1u << 20)

enum { NAME, INPUT, MESSAGES, VARIABLES, CHECKS, WEIGHT, THRESHOLD, REPEAT, FIELDS };

/* ---- reading a line ---------------------------------------------------------------------------- */

static int read_number(const struct sl_json_field *field, const char *name, double low, double high,
		       double *ret_value, struct sl_error *error)
{
	if (field->type == SL_JSON_ABSENT)
		return 0;
	if (sl_json_double(field, ret_value) || !(*ret_value >= low && *ret_value <= high))
		return sl_error_set(error, -EINVAL, "%s: expected a number from %g to %g", name,
				    low, high);
	return 0;
}

static int read_own(const struct sl_json_field f[FIELDS], struct sl_eval_case *of,
		    struct sl_error *error)
{
	double repeat = 1;
	int rc;

	of->weight = of->threshold = 1;
	rc = read_number(&f[WEIGHT], "weight", 0, 1000, &of->weight, error);
	if (!rc)
		rc = read_number(&f[THRESHOLD], "threshold", 0, 1, &of->threshold, error);
	if (!rc)
		rc = read_number(&f[REPEAT], "repeat", 1, SL_EVAL_SUITE_REPEATS_MAX, &repeat,
				 error);
	of->repeat = (uint32_t)repeat;
	if (!rc && repeat != of->repeat)
		rc = sl_error_set(error, -EINVAL, "repeat: expected a whole number");
	return rc;
}

static char *text_of(const struct sl_json_field *field)
{
	char *text = malloc(field->value_len + 1);

	if (text && sl_json_string(field, text, field->value_len + 1) < 0)
		text[0] = '\0';
	return text;
}

/* Takes a judge's rubric out of the checks; the others are the suite's. */
static int split_checks(const struct sl_json_field *checks, struct sl_text *others,
			char **ret_rubric, struct sl_error *error)
{
	struct sl_json_field element;
	const char *cursor = NULL;
	bool any = false;

	if (checks->type != SL_JSON_ARRAY)
		return sl_error_set(error, -EINVAL, "checks: expected a list");
	sl_text_append_char(others, '[');
	while (sl_json_each(checks, &cursor, &element)) {
		struct sl_json_field judge = SL_JSON_FIELD("judge");

		if (element.type == SL_JSON_OBJECT &&
		    !sl_json_scan(element.value, element.value_len, &judge, 1) &&
		    judge.type != SL_JSON_ABSENT) {
			if (judge.type != SL_JSON_STRING || *ret_rubric)
				return sl_error_set(error, -EINVAL,
						    "judge: expected one rubric, a string");
			*ret_rubric = text_of(&judge);
			continue;
		}
		if (any)
			sl_text_append_char(others, ',');
		any = true;
		sl_text_append(others, element.value, element.value_len);
	}
	/* a case that is judged alone has a check that always holds */
	if (!any && *ret_rubric)
		sl_text_append_string(others, "{\"contains\":\"\"}");
	return sl_text_append_char(others, ']');
}

/* ---- a question -------------------------------------------------------------------------------- */

static void put_messages(const struct sl_json_field f[FIELDS], struct sl_text *out)
{
	struct sl_json_field message;
	const char *cursor = NULL;
	bool any = false;

	sl_text_append_string(out, ",\"messages\":[");
	while (f[MESSAGES].type == SL_JSON_ARRAY && sl_json_each(&f[MESSAGES], &cursor, &message)) {
		sl_text_append_string(out, any ? "," : "");
		sl_text_append(out, message.value, message.value_len);
		any = true;
	}
	if (f[INPUT].type == SL_JSON_STRING) {
		sl_text_append_string(out, any ? ",{\"role\":\"user\",\"content\":"
					       : "{\"role\":\"user\",\"content\":");
		sl_text_append(out, f[INPUT].value, f[INPUT].value_len);
		sl_text_append_char(out, '}');
	}
	sl_text_append_string(out, "]");
}

static void put_body(const struct sl_eval_suite_ask *ask, const struct sl_json_field f[FIELDS],
		     struct sl_text *out)
{
	sl_text_append_string(out, "{\"model\":");
	sl_text_append_json_string(out, ask->model);
	if (ask->prompt_id) {
		sl_text_append_string(out, ",\"prompt\":{\"id\":");
		sl_text_append_json_string(out, ask->prompt_id);
		if (ask->prompt_version[0]) {
			sl_text_append_string(out, ",\"version\":");
			sl_text_append_json_string(out, ask->prompt_version);
		}
		if (f[VARIABLES].type == SL_JSON_OBJECT) {
			sl_text_append_string(out, ",\"variables\":");
			sl_text_append(out, f[VARIABLES].value, f[VARIABLES].value_len);
		}
		sl_text_append_char(out, '}');
	}
	put_messages(f, out);
	sl_text_append_char(out, '}');
}

/* The case without what is ours, as wire/template_suite.h reads it. */
static void put_case(const struct sl_text *checks, struct sl_text *out)
{
	sl_text_append_string(out, "{\"checks\":");
	sl_text_append(out, checks->data, checks->len);
	sl_text_append_char(out, '}');
}

static int add_questions(struct sl_eval_suite *all, const struct sl_text *body,
			 const struct sl_text *of, struct sl_suite *suite)
{
	const struct sl_eval_case *self = &all->cases[all->count];
	int rc = body->error ? body->error : of->error;

	for (uint32_t i = 0; i < self->repeat && !rc; i++) {
		uint32_t done, count;

		sl_suite_progress(suite, &done, &count);
		rc = sl_suite_add(suite, self->name, sl_text_span(body), sl_text_span(of), NULL);
		if (!rc)
			all->case_of[count] = all->count;
	}
	return rc;
}

static int check_case(const struct sl_text *of, struct sl_error *error)
{
	struct sl_suite_case checked;

	return of->error ? of->error : sl_suite_read(sl_text_string(of), of->len, &checked, error);
}

static int add_case(struct sl_eval_suite *all, uint32_t line, struct sl_json_field f[FIELDS],
		    const struct sl_eval_suite_ask *ask, struct sl_suite *suite,
		    struct sl_error *error)
{
	struct sl_eval_case *self = &all->cases[all->count];
	struct sl_eval_suite_case *own = &all->own[all->count];
	struct sl_text checks, of, body;
	int rc;

	memset(self, 0, sizeof(*self));
	if (sl_json_string(&f[NAME], self->name, sizeof(self->name)) <= 0)
		snprintf(self->name, sizeof(self->name), "line %u", line);
	for (uint32_t i = 0; i < all->count; i++) {
		if (!strcmp(all->cases[i].name, self->name))
			return sl_error_set(error, -EINVAL, "name: there is another case \"%.64s\"",
					    self->name);
	}
	if (f[INPUT].type != SL_JSON_STRING && f[MESSAGES].type != SL_JSON_ARRAY && !ask->prompt_id)
		return sl_error_set(error, -EINVAL, "expected an input (a string) or messages");
	if (f[VARIABLES].type != SL_JSON_ABSENT && !ask->prompt_id)
		return sl_error_set(error, -EINVAL, "variables: of which prompt? (--prompt ID)");
	sl_text_init(&checks, LINE_BYTES_MAX);
	sl_text_init(&of, LINE_BYTES_MAX);
	sl_text_init(&body, 2 * LINE_BYTES_MAX);
	rc = read_own(f, self, error);
	if (!rc)
		rc = split_checks(&f[CHECKS], &checks, &own->rubric, error);
	if (!rc) {
		put_case(&checks, &of);
		rc = check_case(&of, error);
	}
	if (!rc) {
		put_body(ask, f, &body);
		own->question = text_of(&f[INPUT]);
		rc = own->question ? add_questions(all, &body, &of, suite) : -ENOMEM;
	}
	sl_text_fini(&checks);
	sl_text_fini(&of);
	sl_text_fini(&body);
	all->count++; /* also a failed one: its texts are freed with the rest */
	return rc;
}

static int read_line(struct sl_eval_suite *all, uint32_t number, struct sl_span line,
		     const struct sl_eval_suite_ask *ask, struct sl_suite *suite,
		     struct sl_error *error)
{
	struct sl_json_field f[FIELDS] = {
		[NAME] = SL_JSON_FIELD("name"),		  [INPUT] = SL_JSON_FIELD("input"),
		[MESSAGES] = SL_JSON_FIELD("messages"),	  [VARIABLES] = SL_JSON_FIELD("variables"),
		[CHECKS] = SL_JSON_FIELD("checks"),	  [WEIGHT] = SL_JSON_FIELD("weight"),
		[THRESHOLD] = SL_JSON_FIELD("threshold"), [REPEAT] = SL_JSON_FIELD("repeat"),
	};
	struct sl_json_field object = {
		.type = SL_JSON_OBJECT, .value = line.data, .value_len = line.len};
	struct sl_json_field key, value;
	const char *cursor = NULL;
	uint32_t members = 0, known = 0, i;
	int rc = sl_json_scan(line.data, line.len, f, FIELDS);

	if (rc)
		return sl_error_set(error, -EINVAL, "%s",
				    sl_json_bad_text((enum sl_json_bad) - rc));
	while (sl_json_each_member(&object, &cursor, &key, &value))
		members++;
	for (i = 0; i < FIELDS; i++)
		known += f[i].type != SL_JSON_ABSENT;
	if (known != members)
		return sl_error_set(error, -EINVAL,
				    "expected name, input, messages, variables, checks, weight, "
				    "threshold and repeat, and nothing else");
	if (all->count == SL_EVAL_REPORT_CASES_MAX)
		return sl_error_set(error, -E2BIG, "over %u cases", SL_EVAL_REPORT_CASES_MAX);
	rc = add_case(all, number, f, ask, suite, error);
	if (rc == -E2BIG && !error->text[0])
		sl_error_set(error, rc, "over %u questions, with their repeats",
			     SL_SUITE_CASES_MAX);
	return rc;
}

int sl_eval_suite_read(struct sl_eval_suite *all, const char *name, struct sl_span text,
		       const struct sl_eval_suite_ask *ask, struct sl_suite *suite,
		       struct sl_error *error)
{
	uint32_t number = 0;
	int rc = 0;

	while (!rc && text.len) {
		struct sl_span line = sl_span_trim(sl_span_cut(&text, '\n'));

		number++;
		while (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		if (!line.len)
			continue;
		rc = read_line(all, number, line, ask, suite, error);
		if (rc && !error->text[0])
			sl_error_set(error, rc, "%s", strerror(-rc));
		if (rc)
			return sl_error_prefix(error, rc, "%s:%u", name, number);
	}
	if (!all->count)
		return sl_error_set(error, -EINVAL, "%s: there is no case in it", name);
	return 0;
}

/* ---- the end ----------------------------------------------------------------------------------- */

void sl_eval_suite_gather(struct sl_eval_suite *all, const struct sl_suite *suite)
{
	struct sl_suite_result result;

	for (uint32_t i = 0; sl_suite_result(suite, i, &result); i++) {
		struct sl_eval_case *of = &all->cases[all->case_of[i]];

		of->passed += result.verdict == SL_SUITE_PASSED;
		of->failed += result.verdict == SL_SUITE_FAILED;
		of->ms += result.ms;
		if (result.verdict != SL_SUITE_PASSED && result.detail[0])
			snprintf(of->why, sizeof(of->why), "%s", result.detail);
	}
}

void sl_eval_suite_fini(struct sl_eval_suite *all)
{
	for (uint32_t i = 0; i < all->count; i++) {
		free(all->own[i].question);
		free(all->own[i].rubric);
	}
	all->count = 0;
}
