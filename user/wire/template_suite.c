/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/template_suite.h"

#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include "user/wire/openai.h"
#include "user/wire/schema.h"

#define GROUPS_MAX 16u /* of a pattern */

#define ANSWER_SHOWN  60u
#define SCRATCH_BYTES (8u << 20) /* of a schema's check */

enum check_kind {
	CHECK_EXACT = 0,
	CHECK_CONTAINS,
	CHECK_NOT,
	CHECK_REGEX,
	CHECK_JSON,
	CHECK_LENGTH,
	CHECK_TOKENS,
	CHECK_SCHEMA,
	CHECK_SIMILAR,
	CHECKS
};

static const char *const names[CHECKS] = {"exact",	"contains", "not_contains",
					  "regex",	"json",	    "length_max",
					  "tokens_max", "schema",   "similar"};

struct check {
	enum check_kind kind;
	struct sl_json_field value;
	char text[SL_SUITE_TEXT_BYTES_MAX + 1]; /* of a string */
	size_t text_len;
	int64_t number; /* length_max, tokens_max; similar: percent */
};

/* ---- reading --------------------------------------------------------------------------------- */

/* Without what makes the time or memory of a match unbounded; brackets and \ keep their meaning. */
/* A pattern that takes neither time nor stack. */
static bool is_tame(const char *pattern)
{
	unsigned open = 0; /* of groups; the library goes one call deeper for each */
	bool bracket = false;

	if (strlen(pattern) > SL_SUITE_PATTERN_BYTES_MAX)
		return false;
	for (; *pattern; pattern++) {
		if (bracket) {
			bracket = *pattern != ']';
		} else if (*pattern == '\\' && pattern[1]) {
			pattern++;
			if (*pattern >= '0' && *pattern <= '9')
				return false;
		} else if (*pattern == '{' || (*pattern == '(' && ++open > GROUPS_MAX)) {
			return false;
		} else {
			bracket = *pattern == '[';
		}
	}
	return true;
}

static int read_pattern(const struct check *check, struct sl_error *error)
{
	regex_t regex;
	int rc;

	if (strlen(check->text) != check->text_len || !is_tame(check->text))
		return sl_error_set(error, -EINVAL,
				    "regex: expected at most %u bytes and %u groups, without {n,m} "
				    "and \\1",
				    SL_SUITE_PATTERN_BYTES_MAX, GROUPS_MAX);
	rc = regcomp(&regex, check->text, REG_EXTENDED | REG_NOSUB);
	if (rc != 0)
		return sl_error_set(error, -EINVAL,
				    "regex: \"%s\" is no extended regular expression", check->text);
	regfree(&regex);
	return 0;
}

static int read_number(struct check *check, struct sl_error *error)
{
	if (!sl_json_int(&check->value, &check->number) && check->number >= 0)
		return 0;
	return sl_error_set(error, -EINVAL, "%s: expected a number of %s", names[check->kind],
			    check->kind == CHECK_LENGTH ? "bytes" : "tokens");
}

static int read_json(const struct check *check, struct sl_error *error)
{
	struct sl_json_field key;
	const char *cursor = NULL;

	if (check->value.type == SL_JSON_TRUE)
		return 0;
	if (check->value.type != SL_JSON_ARRAY)
		return sl_error_set(error, -EINVAL, "json: expected true or a list of keys");
	while (sl_json_each(&check->value, &cursor, &key)) {
		if (key.type != SL_JSON_STRING || key.value_len > SL_JSON_NAME_BYTES_MAX + 2)
			return sl_error_set(error, -EINVAL,
					    "json: expected keys of at most %d bytes",
					    SL_JSON_NAME_BYTES_MAX);
	}
	return 0;
}

static int read_schema(const struct check *check, struct sl_error *error)
{
	struct sl_schema *schema = NULL;
	int rc = sl_schema_compile(check->value.value, check->value.value_len, SL_SCHEMA_DRAFT_2020,
				   SL_SCHEMA_FORMATS, &schema, error);

	sl_schema_free(&schema);
	if (rc == 0 || rc == -ENOMEM)
		return rc;
	return sl_error_prefix(error, -EINVAL, "schema");
}

static int read_string(const struct sl_json_field *value, struct check *check,
		       struct sl_error *error)
{
	int len = sl_json_string(value, check->text, sizeof(check->text));

	if (len < 0)
		return sl_error_set(error, -EINVAL, "%s: expected a string of at most %u bytes",
				    names[check->kind], SL_SUITE_TEXT_BYTES_MAX);
	check->text_len = (size_t)len;
	return 0;
}

static int read_similar(struct check *check, struct sl_error *error)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("text"), SL_JSON_FIELD("percent")};

	if (check->value.type != SL_JSON_OBJECT ||
	    sl_json_scan(check->value.value, check->value.value_len, f, 2) ||
	    sl_json_int(&f[1], &check->number) || check->number < 1 || check->number > 100)
		return sl_error_set(error, -EINVAL,
				    "similar: expected text, and percent from 1 to 100");
	return read_string(&f[0], check, error);
}

static int read_value(struct check *check, struct sl_error *error)
{
	int rc;

	switch (check->kind) {
	case CHECK_LENGTH:
	case CHECK_TOKENS:
		return read_number(check, error);
	case CHECK_JSON:
		return read_json(check, error);
	case CHECK_SCHEMA:
		return read_schema(check, error);
	case CHECK_SIMILAR:
		return read_similar(check, error);
	default:
		rc = read_string(&check->value, check, error);
		return rc == 0 && check->kind == CHECK_REGEX ? read_pattern(check, error) : rc;
	}
}

static int read_check(const struct sl_json_field *field, struct check *check,
		      struct sl_error *error)
{
	struct sl_json_field key, more;
	const char *cursor = NULL;

	check->text[0] = '\0';
	check->text_len = 0;
	if (field->type == SL_JSON_OBJECT &&
	    sl_json_each_member(field, &cursor, &key, &check->value)) {
		for (check->kind = 0; check->kind < CHECKS; check->kind++) {
			if (sl_json_string_equal(&key, names[check->kind],
						 strlen(names[check->kind])))
				break;
		}
		if (check->kind < CHECKS && !sl_json_each_member(field, &cursor, &key, &more))
			return read_value(check, error);
	}
	return sl_error_set(error, -EINVAL,
			    "checks: expected objects with one of exact, contains, not_contains, "
			    "regex, json, schema, length_max, tokens_max, similar");
}

static int read_checks(const struct sl_json_field *checks, struct sl_error *error)
{
	struct check *check = malloc(sizeof(*check));
	struct sl_json_field element;
	const char *cursor = NULL;
	size_t count = 0;
	int rc = 0;

	if (!check)
		return -ENOMEM;
	while (rc == 0 && sl_json_each(checks, &cursor, &element)) {
		rc = ++count > SL_SUITE_CHECKS_MAX
			     ? sl_error_set(error, -EINVAL, "over %u checks", SL_SUITE_CHECKS_MAX)
			     : read_check(&element, check, error);
	}
	if (rc == 0 && !count)
		rc = sl_error_set(error, -EINVAL, "checks: expected at least one");
	free(check);
	return rc;
}

static int check_members(const struct sl_json_field f[5], size_t members, struct sl_error *error)
{
	size_t known = 0;

	for (size_t i = 0; i < 5; i++)
		known += f[i].type != SL_JSON_ABSENT;
	if (known != members)
		return sl_error_set(error, -EINVAL,
				    "expected name, variables, input, messages and checks, and "
				    "nothing else");
	if (f[0].type != SL_JSON_ABSENT && f[0].type != SL_JSON_OBJECT)
		return sl_error_set(error, -EINVAL, "variables: expected an object");
	if (f[1].type != SL_JSON_ABSENT && f[1].type != SL_JSON_STRING)
		return sl_error_set(error, -EINVAL, "input: expected a string");
	if (f[3].type != SL_JSON_ABSENT && f[3].type != SL_JSON_ARRAY)
		return sl_error_set(error, -EINVAL, "messages: expected a list");
	if (f[4].type != SL_JSON_ABSENT && f[4].type != SL_JSON_STRING)
		return sl_error_set(error, -EINVAL, "name: expected a string");
	return f[2].type == SL_JSON_ARRAY ? 0
					  : sl_error_set(error, -EINVAL, "checks: expected a list");
}

int sl_suite_read(const char *body, size_t len, struct sl_suite_case *ret_case,
		  struct sl_error *error)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("variables"), SL_JSON_FIELD("input"),
				    SL_JSON_FIELD("checks"), SL_JSON_FIELD("messages"),
				    SL_JSON_FIELD("name")};
	struct sl_json_field object = {.type = SL_JSON_OBJECT, .value = body, .value_len = len};
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t members = 0;
	int rc = sl_json_scan(body, len, f, 5);

	if (rc < 0)
		return sl_error_set(error, -EINVAL, "%s",
				    sl_json_bad_text((enum sl_json_bad) - rc));
	while (*object.value != '{') /* the scan has let blanks before it pass */
		object.value++, object.value_len--;
	while (sl_json_each_member(&object, &cursor, &key, &value))
		members++;
	rc = check_members(f, members, error);
	if (rc == 0)
		rc = read_checks(&f[2], error);
	if (rc == 0)
		*ret_case = (struct sl_suite_case){.variables = f[0],
						   .input = f[1],
						   .messages = f[3],
						   .name = f[4],
						   .checks = f[2]};
	return rc;
}

/* ---- checking -------------------------------------------------------------------------------- */

static bool has_keys(const struct sl_json_field *keys, const char *answer, size_t len)
{
	struct sl_json_field object = {.value = answer, .value_len = len}, key, member, value;
	const char *at = NULL, *cursor;
	char name[SL_JSON_NAME_BYTES_MAX + 1];

	while (object.value_len && strchr(" \t\r\n", *object.value))
		object.value++, object.value_len--;
	if (!object.value_len || *object.value != '{')
		return false;
	object.type = SL_JSON_OBJECT;
	while (sl_json_each(keys, &at, &key)) {
		int name_len = sl_json_string(&key, name, sizeof(name));
		bool found = false;

		cursor = NULL;
		while (!found && name_len >= 0 &&
		       sl_json_each_member(&object, &cursor, &member, &value))
			found = sl_json_string_equal(&member, name, (size_t)name_len);
		if (!found)
			return false;
	}
	return true;
}

static bool matches(const char *pattern, const char *answer, size_t len)
{
	char *copy = strndup(answer, len);
	regex_t regex;
	bool found = false;

	if (copy && regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0) {
		found = regexec(&regex, copy, 0, NULL, 0) == 0;
		regfree(&regex);
	}
	free(copy);
	return found;
}

static struct sl_span trim(struct sl_span text)
{
	while (text.len && strchr(" \t\r\n", text.data[0]) && text.data[0])
		text.data++, text.len--;
	while (text.len && text.data[text.len - 1] && strchr(" \t\r\n", text.data[text.len - 1]))
		text.len--;
	return text;
}

static int allows(const struct check *check, struct sl_span answer, struct sl_error *error)
{
	struct sl_error why = {""};
	struct sl_schema *schema = NULL;
	struct sl_arena scratch;
	int rc = sl_schema_compile(check->value.value, check->value.value_len, SL_SCHEMA_DRAFT_2020,
				   SL_SCHEMA_FORMATS, &schema, &why);

	if (rc == 0) {
		sl_arena_init(&scratch, 0, SCRATCH_BYTES);
		rc = sl_schema_check(schema, answer.data, answer.len, &scratch, &why);
		sl_arena_fini(&scratch);
		sl_schema_free(&schema);
	}
	if (rc == 0)
		return 1;
	sl_error_set(error, -EINVAL, "%s", why.text[0] ? why.text : strerror(-rc));
	return rc == -EINVAL ? 0 : rc;
}

static int is_like(const struct check *check, const struct sl_suite_answer *answer,
		   struct sl_error *error)
{
	int percent = answer->likeness
			      ? answer->likeness(answer->owner, answer->text,
						 sl_span_make(check->text, check->text_len))
			      : -ENOTSUP;

	if (percent < 0)
		return sl_error_set(error, percent, "how near it is cannot be told: %s",
				    answer->likeness ? strerror(-percent)
						     : "there is no encoder (embeddings)");
	if (percent < check->number)
		sl_error_set(error, -EINVAL, "%d percent", percent);
	return percent >= check->number;
}

/* 1, 0 or -errno; of what is not plain from the answer itself, error says more. */
static int holds(const struct check *check, const struct sl_suite_answer *of,
		 struct sl_error *error)
{
	const char *answer = of->text.data;
	size_t len = of->text.len;
	int64_t tokens = of->tokens;

	switch (check->kind) {
	case CHECK_EXACT:
		return sl_span_equal(trim(of->text),
				     trim(sl_span_make(check->text, check->text_len)));
	case CHECK_CONTAINS:
	case CHECK_NOT:
		return (memmem(answer, len, check->text, check->text_len) != NULL) ==
		       (check->kind == CHECK_CONTAINS);
	case CHECK_REGEX:
		return matches(check->text, answer, len);
	case CHECK_JSON:
		return sl_json_check(answer, len, NULL) == 0 &&
		       (check->value.type == SL_JSON_TRUE || has_keys(&check->value, answer, len));
	case CHECK_SCHEMA:
		return allows(check, of->text, error);
	case CHECK_SIMILAR:
		return is_like(check, of, error);
	case CHECK_TOKENS:
		if (tokens < 0)
			tokens = (int64_t)((len + SL_OPENAI_BYTES_PER_TOKEN - 1) /
					   SL_OPENAI_BYTES_PER_TOKEN);
		if (tokens > check->number)
			sl_error_set(error, -EINVAL, "%lld tokens", (long long)tokens);
		return tokens <= check->number;
	default:
		return (int64_t)len <= check->number;
	}
}

int sl_suite_holds(const struct sl_suite_case *of, const struct sl_suite_answer *answer,
		   size_t *ret_check, struct sl_error *error)
{
	struct check *check = malloc(sizeof(*check));
	struct sl_json_field element;
	const char *cursor = NULL;
	size_t index = 0, len = answer->text.len;
	int rc = check ? 1 : -ENOMEM;

	while (rc == 1 && sl_json_each(&of->checks, &cursor, &element)) {
		struct sl_error why = {""};

		rc = read_check(&element, check, error) ? -EINVAL : holds(check, answer, &why);
		if (rc != 1) {
			int wanted =
				(int)(check->value.value_len < 80 ? check->value.value_len : 80);

			sl_error_set(error, -EINVAL,
				     "check %zu, %s %.*s: the answer is \"%.*s\"%s%s%s", index + 1,
				     names[check->kind], wanted, check->value.value,
				     (int)(len < ANSWER_SHOWN ? len : ANSWER_SHOWN),
				     answer->text.data, len > ANSWER_SHOWN ? " and more" : "",
				     why.text[0] ? ": " : "", why.text);
		}
		index += rc == 1;
	}
	if (!check)
		sl_error_set(error, -ENOMEM, "no memory for the check");
	*ret_check = index;
	free(check);
	return rc;
}
