/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/canary_file.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_TOKENS 256

enum { ID, INPUT, MESSAGES, CHECKS, TOKENS, PARAMETERS, FIELDS };

static bool is_id(const char *id)
{
	for (; *id; id++) {
		if (!isalnum((unsigned char)*id) && !strchr("._-", *id))
			return false;
	}
	return true;
}

/* The members of an object, without its braces. */
static struct sl_span inside(const struct sl_json_field *object)
{
	return sl_span_trim(sl_span_make(object->value + 1, object->value_len - 2));
}

static int write_body(const struct sl_json_field *f, struct sl_span model, struct sl_arena *arena,
		      struct sl_canary_question *question, struct sl_error *error)
{
	struct sl_span parameters = SL_SPAN("\"temperature\":0,\"seed\":1");
	int64_t tokens = MAX_TOKENS;
	struct sl_text body;
	char *copy;

	if (f[TOKENS].type != SL_JSON_ABSENT && (sl_json_int(&f[TOKENS], &tokens) || tokens < 1))
		return sl_error_set(error, -EINVAL, "max_tokens: expected an integer from 1 on");
	if (f[PARAMETERS].type == SL_JSON_OBJECT)
		parameters = inside(&f[PARAMETERS]);
	else if (f[PARAMETERS].type != SL_JSON_ABSENT)
		return sl_error_set(error, -EINVAL, "parameters: expected an object");
	if ((f[INPUT].type == SL_JSON_STRING) == (f[MESSAGES].type == SL_JSON_ARRAY))
		return sl_error_set(error, -EINVAL,
				    "expected either input, a text, or messages, a list");
	sl_text_init(&body, SL_CANARY_FILE_BYTES_MAX * 2);
	sl_text_printf(&body, "{\"model\":%.*s,\"max_tokens\":%lld,", (int)model.len, model.data,
		       (long long)tokens);
	sl_text_append_span(&body, parameters);
	sl_text_append_string(&body, parameters.len ? ",\"messages\":" : "\"messages\":");
	if (f[MESSAGES].type == SL_JSON_ARRAY) {
		sl_text_append(&body, f[MESSAGES].value, f[MESSAGES].value_len);
	} else {
		sl_text_append_string(&body, "[{\"role\":\"user\",\"content\":");
		sl_text_append(&body, f[INPUT].value, f[INPUT].value_len);
		sl_text_append_string(&body, "}]");
	}
	sl_text_append_char(&body, '}');
	copy = body.error ? NULL : sl_arena_memdup(arena, body.data, body.len);
	question->body = sl_span_make(copy, body.len);
	sl_text_fini(&body);
	return copy ? 0 : -ENOMEM;
}

static int read_checks(const struct sl_json_field *checks, struct sl_arena *arena,
		       struct sl_canary_question *question, struct sl_error *error)
{
	char *suite;

	question->has_checks = checks->type != SL_JSON_ABSENT;
	if (!question->has_checks)
		return 0;
	suite = sl_arena_printf(arena, "{\"checks\":%.*s}", (int)checks->value_len, checks->value);
	return suite ? sl_suite_read(suite, strlen(suite), &question->suite, error) : -ENOMEM;
}

static int read_question(struct sl_span line, struct sl_span model, struct sl_arena *arena,
			 struct sl_canary_file *file, struct sl_error *error)
{
	struct sl_json_field f[FIELDS] = {
		[ID] = SL_JSON_FIELD("id"),
		[INPUT] = SL_JSON_FIELD("input"),
		[MESSAGES] = SL_JSON_FIELD("messages"),
		[CHECKS] = SL_JSON_FIELD("checks"),
		[TOKENS] = SL_JSON_FIELD("max_tokens"),
		[PARAMETERS] = SL_JSON_FIELD("parameters"),
	};
	struct sl_canary_question *question = &file->questions[file->count];
	char id[SL_BASELINE_ID_BYTES];
	int rc = sl_json_scan(line.data, line.len, f, FIELDS);

	if (rc)
		return sl_error_set(error, -EINVAL, "%s",
				    sl_json_bad_text((enum sl_json_bad) - rc));
	if (sl_json_string(&f[ID], id, sizeof(id)) <= 0 || !is_id(id))
		return sl_error_set(error, -EINVAL,
				    "id: expected up to 63 letters, digits and . _ -");
	for (uint32_t i = 0; i < file->count; i++) {
		if (!strcmp(file->questions[i].id, id))
			return sl_error_set(error, -EINVAL, "the id \"%s\" is there twice", id);
	}
	question->id = sl_arena_strdup(arena, id);
	rc = question->id ? write_body(f, model, arena, question, error) : -ENOMEM;
	if (!rc)
		rc = read_checks(&f[CHECKS], arena, question, error);
	if (!rc)
		file->count++;
	return rc;
}

int sl_canary_file_parse(struct sl_span text, struct sl_span model, struct sl_arena *arena,
			 struct sl_canary_file *ret_file, struct sl_error *error)
{
	struct sl_error why = {""};
	uint32_t number = 0;
	int rc;

	ret_file->count = 0;
	while (text.data) {
		struct sl_span line = sl_span_trim(sl_span_cut(&text, '\n'));

		number++;
		if (line.len && line.data[line.len - 1] == '\r')
			line.len--;
		if (!line.len || line.data[0] == '#')
			continue;
		if (ret_file->count == SL_BASELINE_QUESTIONS_MAX)
			return sl_error_set(error, -E2BIG, "line %u: more than %u questions",
					    number, SL_BASELINE_QUESTIONS_MAX);
		rc = read_question(line, model, arena, ret_file, &why);
		if (rc)
			return sl_error_set(error, rc, "line %u: %s", number,
					    why.text[0] ? why.text : strerror(-rc));
	}
	return ret_file->count ? 0 : sl_error_set(error, -ENODATA, "there is no question in it");
}

int sl_canary_file_read(const char *path, struct sl_span model, struct sl_arena *arena,
			struct sl_canary_file *ret_file, struct sl_error *error)
{
	FILE *file = fopen(path, "re");
	struct sl_text text;
	char part[8192];
	size_t got;
	int rc;

	if (!file)
		return sl_error_set(error, -errno, "%s", strerror(errno));
	sl_text_init(&text, SL_CANARY_FILE_BYTES_MAX);
	while ((got = fread(part, 1, sizeof(part), file)) > 0)
		sl_text_append(&text, part, got);
	rc = ferror(file) ? -EIO : text.error;
	fclose(file);
	if (rc)
		sl_error_set(error, rc, "it cannot be read, or has more than %u bytes",
			     SL_CANARY_FILE_BYTES_MAX);
	else
		rc = sl_canary_file_parse(sl_text_span(&text), model, arena, ret_file, error);
	sl_text_fini(&text);
	return rc;
}
