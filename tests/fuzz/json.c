/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON: the check against a slow reader that is written from RFC 8259; the scan against the walk over
 * members; strings and numbers decoded and written again.
 */
#include <errno.h>
#include <stdbool.h>
#include "tests/fuzz/fuzz.h"
#include "user/base/text.h"
#include "user/wire/json_scan.h"

struct slow {
	const uint8_t *at, *end;
	unsigned depth;
	bool too_deep;
};

static bool slow_value(struct slow *s);

static void slow_blank(struct slow *s)
{
	while (s->at < s->end && strchr(" \t\n\r", *s->at) && *s->at)
		s->at++;
}

static bool slow_eat(struct slow *s, char byte)
{
	if (s->at == s->end || *s->at != (uint8_t)byte)
		return false;
	s->at++;
	return true;
}

static bool slow_word(struct slow *s, const char *word)
{
	while (*word)
		if (!slow_eat(s, *word++))
			return false;
	return true;
}

static size_t slow_digits(struct slow *s)
{
	size_t count = 0;

	for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
		count++;
	return count;
}

static bool slow_number(struct slow *s)
{
	const uint8_t *begin;

	slow_eat(s, '-');
	begin = s->at;
	if (!slow_digits(s) || (*begin == '0' && s->at - begin > 1))
		return false;
	if (slow_eat(s, '.') && !slow_digits(s))
		return false;
	if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
		s->at++;
		if (!slow_eat(s, '-'))
			slow_eat(s, '+');
		return slow_digits(s) > 0;
	}
	return true;
}

static int slow_hex4(struct slow *s)
{
	char text[5] = {0};

	if (s->end - s->at < 4)
		return -1;
	memcpy(text, s->at, 4);
	for (int i = 0; i < 4; i++)
		if (!text[i] || !strchr("0123456789abcdefABCDEF", text[i]))
			return -1;
	s->at += 4;
	return (int)strtol(text, NULL, 16);
}

static bool slow_escape(struct slow *s)
{
	int code;

	if (s->at == s->end)
		return false;
	if (*s->at != 'u')
		return *s->at && strchr("\"\\/bfnrt", *s->at++);
	s->at++;
	code = slow_hex4(s);
	if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code < 0xd800 || code > 0xdbff)
		return true;
	if (!slow_word(s, "\\u"))
		return false;
	code = slow_hex4(s);
	return code >= 0xdc00 && code <= 0xdfff;
}

static bool slow_string(struct slow *s)
{
	if (!slow_eat(s, '"'))
		return false;
	while (s->at < s->end) {
		size_t len = sl_text_utf8_len((const char *)s->at, (size_t)(s->end - s->at));

		if (!len || *s->at < 0x20)
			return false;
		s->at += len;
		if (s->at[-1] == '"' && len == 1)
			return true;
		if (s->at[-1] == '\\' && len == 1 && !slow_escape(s))
			return false;
	}
	return false;
}

/* Behind the opening bracket. */
static bool slow_list(struct slow *s, bool object)
{
	char close = object ? '}' : ']';

	if (++s->depth > SL_JSON_DEPTH_MAX) {
		s->too_deep = true;
		return false;
	}
	slow_blank(s);
	if (slow_eat(s, close)) {
		s->depth--;
		return true;
	}
	do {
		slow_blank(s);
		if (object) {
			if (!slow_string(s))
				return false;
			slow_blank(s);
			if (!slow_eat(s, ':'))
				return false;
		}
		if (!slow_value(s))
			return false;
	} while (slow_eat(s, ','));
	s->depth--;
	return slow_eat(s, close);
}

static bool slow_value(struct slow *s)
{
	bool good;

	slow_blank(s);
	if (s->at == s->end)
		return false;
	switch (*s->at) {
	case '{':
	case '[':
		s->at++;
		good = slow_list(s, s->at[-1] == '{');
		break;
	case '"':
		good = slow_string(s);
		break;
	case 't':
		good = slow_word(s, "true");
		break;
	case 'f':
		good = slow_word(s, "false");
		break;
	case 'n':
		good = slow_word(s, "null");
		break;
	default:
		good = slow_number(s);
	}
	slow_blank(s);
	return good;
}

/* The string decoded and escaped again reads the same. */
static void check_string(const struct sl_json_field *field)
{
	char *text = malloc(field->value_len + 1);
	char *escaped = malloc(6 * field->value_len + 2);
	char *again = malloc(field->value_len + 1);
	int len = sl_json_string(field, text, field->value_len + 1);
	struct sl_json_field copy = {.type = SL_JSON_STRING, .escaped = true, .value = escaped};
	int escaped_len;

	CHECK(len >= 0 && (size_t)len <= field->value_len && !text[len]);
	CHECK(sl_json_string(field, text, (size_t)len) == -ENOSPC);
	CHECK(sl_json_string(field, text, (size_t)len + 1) == len);
	escaped_len = sl_json_escape(text, (size_t)len, escaped + 1, 6 * (size_t)len);
	CHECK(escaped_len >= 0);
	escaped[0] = escaped[1 + escaped_len] = '"';
	copy.value_len = (size_t)escaped_len + 2;
	CHECK(!sl_json_check(escaped, copy.value_len, NULL));
	CHECK(sl_json_string(&copy, again, field->value_len + 1) == len);
	CHECK(!memcmp(again, text, (size_t)len));
	if (len <= SL_JSON_NAME_BYTES_MAX)
		CHECK(sl_json_string_equal(field, text, (size_t)len));
	free(again);
	free(escaped);
	free(text);
}

static void check_number(const struct sl_json_field *field)
{
	char text[64];
	int64_t whole;
	double real;

	if (sl_json_int(field, &whole))
		return;
	CHECK(field->value_len >= sizeof(text) || !sl_json_double(field, &real));
	if (field->value_len >= sizeof(text))
		return;
	snprintf(text, sizeof(text), "%.*s", (int)field->value_len, field->value);
	CHECK(whole == strtoll(text, NULL, 10));
}

/* Every value of the tree, each of which must be a whole text of JSON by itself. */
static void walk(const struct sl_json_field *value)
{
	struct sl_json_field key, element;
	const char *cursor = NULL;

	CHECK(!sl_json_check(value->value, value->value_len, NULL));
	if (value->type == SL_JSON_STRING)
		check_string(value);
	else if (value->type == SL_JSON_NUMBER)
		check_number(value);
	else if (value->type == SL_JSON_ARRAY)
		while (sl_json_each(value, &cursor, &element))
			walk(&element);
	else if (value->type == SL_JSON_OBJECT)
		while (sl_json_each_member(value, &cursor, &key, &element)) {
			check_string(&key);
			walk(&element);
		}
}

enum { MODEL, A, A_B, FIELDS };

static bool same(const struct sl_json_field *a, const struct sl_json_field *b)
{
	return a->type == b->type && a->value == b->value && a->value_len == b->value_len &&
	       a->escaped == b->escaped;
}

/* The scan finds what the walk finds; a wanted key that is there twice is refused. */
static void check_scan(const char *text, size_t len, const struct sl_json_field *whole)
{
	struct sl_json_field f[FIELDS] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("a"),
					  SL_JSON_FIELD_IN("a", "b")};
	struct sl_json_field want[FIELDS] = {0};
	struct sl_json_field key, value;
	const char *cursor = NULL, *inner = NULL;
	unsigned counts[FIELDS] = {0};
	int rc = sl_json_scan(text, len, f, FIELDS);

	while (sl_json_each_member(whole, &cursor, &key, &value)) {
		int at = sl_json_string_equal(&key, "model", 5) ? MODEL
			 : sl_json_string_equal(&key, "a", 1)	? A
								: FIELDS;

		if (at == FIELDS)
			continue;
		want[at] = value;
		counts[at]++;
	}
	if (want[A].type == SL_JSON_OBJECT)
		while (sl_json_each_member(&want[A], &inner, &key, &value)) {
			if (!sl_json_string_equal(&key, "b", 1))
				continue;
			want[A_B] = value;
			counts[A_B]++;
		}
	if (counts[MODEL] > 1 || counts[A] > 1 || counts[A_B] > 1) {
		CHECK(rc == -SL_JSON_BAD_DUPLICATE);
		return;
	}
	CHECK(!rc);
	for (int i = 0; i < FIELDS; i++)
		CHECK(same(&f[i], &want[i]));
}

/* What a reader that compares without case takes the key for; "" when it is long or holds a NUL. */
static void folded(const struct sl_json_field *key, char out[SL_JSON_NAME_BYTES_MAX + 1])
{
	char text[SL_JSON_NAME_BYTES_MAX + 1];
	int len = sl_json_string(key, text, sizeof(text));
	size_t n = 0;

	for (int i = 0; i < len; i++) {
		if (!strncmp(text + i, "\xc5\xbf", 2)) {
			out[n++] = 's';
			i++;
		} else if (!strncmp(text + i, "\xe2\x84\xaa", 3)) {
			out[n++] = 'k';
			i += 2;
		} else {
			out[n++] =
				(char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] | 0x20 : text[i]);
		}
	}
	if (len < 0 || memchr(text, 0, (size_t)len))
		n = 0;
	out[n] = '\0';
}

/* The first key that is the wanted one again, or in letters of another case, is the refusal. */
static void check_case(const char *text, size_t len, const struct sl_json_field *whole)
{
	struct sl_json_field f = {.name = "masks", .name_len = 5, .any_case = true};
	struct sl_json_field key, value;
	const char *cursor = NULL;
	char name[SL_JSON_NAME_BYTES_MAX + 1];
	int want = 0, seen = 0;

	while (!want && sl_json_each_member(whole, &cursor, &key, &value)) {
		folded(&key, name);
		if (strcmp(name, "masks"))
			continue;
		if (!sl_json_string_equal(&key, "masks", 5))
			want = -SL_JSON_BAD_CASE;
		else if (seen++)
			want = -SL_JSON_BAD_DUPLICATE;
	}
	CHECK(sl_json_scan(text, len, &f, 1) == want);
	CHECK(f.refused == (want != 0));
	CHECK(!sl_json_refused_name(&f, 1) == !want);
}

static void check_edit(const char *text, size_t len)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("a")};
	struct sl_json_field again[] = {SL_JSON_FIELD("model"), SL_JSON_FIELD("zz")};
	struct sl_json_edit edits[2];
	size_t count = 0, room = len + 64;
	char *out;
	int64_t out_len;

	again[1].name = "zz";
	if (sl_json_scan(text, len, f, 2) || sl_json_scan(text, len, again, 2) || again[1].type)
		return;
	if (f[0].type)
		edits[count++] = sl_json_edit_replace(text, &f[0], "[7]", 3);
	edits[count++] = sl_json_edit_insert(text, len, NULL, "\"zz\":8", 6);
	out = malloc(room);
	out_len = sl_json_edit_write(text, len, edits, count, out, room);
	CHECK(out_len > 0);
	CHECK(!sl_json_scan(out, (size_t)out_len, again, 2));
	CHECK(again[1].type == SL_JSON_NUMBER && again[1].value[0] == '8');
	CHECK(!f[0].type || (again[0].type == SL_JSON_ARRAY && again[0].value_len == 3));
	free(out);
	if (f[1].type != SL_JSON_OBJECT)
		return;
	edits[0] = sl_json_edit_insert(text, len, &f[1], "\"zz\":8", 6);
	out = malloc(room);
	out_len = sl_json_edit_write(text, len, edits, 1, out, room);
	CHECK(out_len > 0 && !sl_json_check(out, (size_t)out_len, NULL));
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct slow slow = {.at = data, .end = data + size};
	bool good = slow_value(&slow) && slow.at == slow.end;
	size_t at = SIZE_MAX, begin = 0;
	int rc = sl_json_check(text, size, &at);

	CHECK(good == !rc);
	CHECK(at <= size);
	if (slow.too_deep)
		CHECK(rc == -SL_JSON_BAD_DEPTH);
	if (rc)
		CHECK(sl_json_bad_text((enum sl_json_bad) - rc)[0]);
	while (begin < size && strchr(" \t\n\r", text[begin]))
		begin++;
	if (good && text[begin] == '{') {
		struct sl_json_field whole = {.type = SL_JSON_OBJECT, .value = text + begin};

		whole.value_len = size - begin;
		while (whole.value[whole.value_len - 1] != '}')
			whole.value_len--;
		walk(&whole);
		check_scan(text, size, &whole);
		check_case(text, size, &whole);
		check_edit(text, size);
	} else {
		struct sl_json_field f = SL_JSON_FIELD("model");

		CHECK(sl_json_scan(text, size, &f, 1) < 0);
	}
	free(text);
	return 0;
}
