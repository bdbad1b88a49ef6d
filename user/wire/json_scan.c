/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over a JSON text: validates everything, notes the wanted fields. No recursion: the
 * kinds of the open containers are bits of one word. Strings, which are most of a prompt,
 * go 16 bytes at a time. RFC 8259, RFC 3629.
 *
 * Keys are looked at only at depth 1, and at depth 2 below an object that is a wanted
 * parent, so what the messages contain costs validation alone.
 *
 * Pure; any thread.
 */
#include "user/wire/json_scan.h"

#include <assert.h>
#include <string.h>

#include "user/wire/json_eat.h"

#define LEVELS 3 /* index 1: outermost object, 2: objects in it */
#define LONG_S "\xc5\xbf"
#define KELVIN "\xe2\x84\xaa"

_Static_assert(SL_JSON_DEPTH_MAX <= 64, "container kinds are bits of a word");
_Static_assert(SL_JSON_FIELDS_MAX <= 32, "seen parents are bits of a word");

struct scan {
	struct sl_json_cursor c;
	unsigned int depth;
	uint64_t objects; /* bit 0: is the innermost open container an object? */
	struct sl_json_field *fields;
	size_t field_count;
	struct sl_json_field *open[LEVELS]; /* wanted field whose value is being read */
	const struct sl_json_field *parent; /* wants the object that is being read at depth 1 */
	uint32_t parents_seen;		    /* bit of the first field that wants the parent */
};

static const char *const texts[SL_JSON_BAD_COUNT] = {
	[SL_JSON_BAD_NONE] = "no fault",
	[SL_JSON_BAD_EMPTY] = "empty text",
	[SL_JSON_BAD_CUT] = "text ends within a value",
	[SL_JSON_BAD_SYNTAX] = "unexpected character",
	[SL_JSON_BAD_NUMBER] = "malformed number",
	[SL_JSON_BAD_ESCAPE] = "malformed escape in a string",
	[SL_JSON_BAD_CONTROL] = "control character in a string",
	[SL_JSON_BAD_UTF8] = "invalid UTF-8",
	[SL_JSON_BAD_DEPTH] = "nested too deeply",
	[SL_JSON_BAD_DUPLICATE] = "key occurs twice",
	[SL_JSON_BAD_CASE] = "key in letters of another case",
	[SL_JSON_BAD_TRAILING] = "text after the value",
	[SL_JSON_BAD_NOT_OBJECT] = "not an object",
};

const char *sl_json_bad_text(enum sl_json_bad bad)
{
	return (unsigned int)bad < SL_JSON_BAD_COUNT ? texts[bad] : "unknown fault";
}

static inline bool name_equal(const char *name, uint8_t name_len, const char *key, size_t len)
{
	return name_len == len && memcmp(name, key, len) == 0;
}

static bool refuse_field(struct scan *s, struct sl_json_field *f, enum sl_json_bad bad)
{
	f->refused = true;
	return sl_json_refuse(&s->c, bad);
}

/*
 * Is the key the name to a reader that compares without case? Unicode folds two more characters to
 * ASCII letters: the long s and the Kelvin sign.
 */
static bool name_folds(const struct sl_json_field *f, const char *key, size_t len)
{
	const char *at = key, *end = key + len;
	size_t i;

	for (i = 0; i < f->name_len && at < end; i++) {
		char b = *at;

		if (b >= 'A' && b <= 'Z') {
			b |= 0x20;
		} else if (end - at >= 2 && memcmp(at, LONG_S, 2) == 0) {
			b = 's';
			at++;
		} else if (end - at >= 3 && memcmp(at, KELVIN, 3) == 0) {
			b = 'k';
			at += 2;
		}
		if (b != f->name[i])
			return false;
		at++;
	}
	return i == f->name_len && at == end;
}

/* Only keys with a capital or beyond ASCII can be another's: real ones have neither. */
static bool match_case(struct scan *s, const char *key, size_t len)
{
	size_t i = 0;

	while (i < len && (key[i] < 'A' || key[i] > 'Z') && (unsigned char)key[i] < 0x80)
		i++;
	if (i == len)
		return true;
	for (i = 0; i < s->field_count; i++)
		if (s->fields[i].any_case && name_folds(&s->fields[i], key, len))
			return refuse_field(s, &s->fields[i], SL_JSON_BAD_CASE);
	return true;
}

/* A key of the outermost object: is it wanted, or the parent of something wanted? */
static bool match_outer(struct scan *s, const char *key, size_t len)
{
	s->open[1] = NULL;
	s->parent = NULL;
	for (size_t i = 0; i < s->field_count; i++) {
		struct sl_json_field *f = &s->fields[i];

		if (!f->parent && name_equal(f->name, f->name_len, key, len)) {
			if (f->type != SL_JSON_ABSENT)
				return refuse_field(s, f, SL_JSON_BAD_DUPLICATE);
			s->open[1] = f;
		} else if (f->parent && !s->parent &&
			   name_equal(f->parent, f->parent_len, key, len)) {
			if (s->parents_seen & UINT32_C(1) << i)
				return refuse_field(s, f, SL_JSON_BAD_DUPLICATE);
			s->parents_seen |= UINT32_C(1) << i;
			s->parent = f;
		}
	}
	return s->open[1] || s->parent || match_case(s, key, len);
}

static bool match_inner(struct scan *s, const char *key, size_t len)
{
	const struct sl_json_field *parent = s->parent;

	s->open[2] = NULL;
	for (size_t i = 0; i < s->field_count; i++) {
		struct sl_json_field *f = &s->fields[i];

		if (!f->parent || !name_equal(f->name, f->name_len, key, len) ||
		    !name_equal(f->parent, f->parent_len, parent->parent, parent->parent_len))
			continue;
		if (f->type != SL_JSON_ABSENT)
			return refuse_field(s, f, SL_JSON_BAD_DUPLICATE);
		s->open[2] = f;
		break;
	}
	return true;
}

/* Reads a key and its colon; the cursor is where the key must begin. */
static bool eat_key(struct scan *s)
{
	struct sl_json_field key = {.type = SL_JSON_STRING};
	char text[SL_JSON_NAME_BYTES_MAX + 1];
	const char *name;
	int len;

	if (s->c.at == s->c.end || *s->c.at != '"')
		return sl_json_refuse_here(&s->c, SL_JSON_BAD_SYNTAX);
	key.value = s->c.at++;
	if (!sl_json_eat_string(&s->c))
		return false;
	if (s->field_count && (s->depth == 1 || (s->depth == 2 && s->parent))) {
		name = key.value + 1;
		key.value_len = (size_t)(s->c.at - key.value);
		key.escaped = s->c.escaped;
		len = (int)key.value_len - 2;
		if (key.escaped) {
			/* negative when it does not fit: then it is no wanted name */
			len = sl_json_string(&key, text, sizeof(text));
			name = text;
		}
		if (len < 0)
			s->open[s->depth] = NULL;
		else if (!(s->depth == 1 ? match_outer(s, name, (size_t)len)
					 : match_inner(s, name, (size_t)len)))
			return false;
		if (len < 0 && s->depth == 1)
			s->parent = NULL;
	}
	sl_json_skip_space(&s->c);
	if (s->c.at == s->c.end || *s->c.at != ':')
		return sl_json_refuse_here(&s->c, SL_JSON_BAD_SYNTAX);
	s->c.at++;
	return true;
}

/* The wanted field whose value begins or ends here, if any. */
static inline struct sl_json_field *wanted_here(const struct scan *s)
{
	if (s->depth >= LEVELS || !(s->objects & 1))
		return NULL;
	return s->open[s->depth];
}

/* Opens the container at the cursor. */
static bool open_container(struct scan *s, bool object)
{
	struct sl_json_field *f = wanted_here(s);

	if (s->depth == SL_JSON_DEPTH_MAX)
		return sl_json_refuse(&s->c, SL_JSON_BAD_DEPTH);
	if (f) {
		f->type = object ? SL_JSON_OBJECT : SL_JSON_ARRAY;
		f->value = s->c.at;
	}
	/* the elements of an array are nobody's children */
	if (s->depth == 1 && !object)
		s->parent = NULL;
	s->depth++;
	s->objects = s->objects << 1 | object;
	if (s->depth < LEVELS)
		s->open[s->depth] = NULL;
	s->c.at++;
	sl_json_skip_space(&s->c);
	return true;
}

static void close_container(struct scan *s)
{
	struct sl_json_field *f;

	s->c.at++;
	s->depth--;
	s->objects >>= 1;
	f = wanted_here(s);
	if (f)
		f->value_len = (size_t)(s->c.at - f->value);
}

/*
 * One whole value at the cursor, blanks before it allowed. The states of the loop: a value
 * is due; a value has ended (step_after); a key is due.
 */
static bool eat_value(struct scan *s)
{
	for (;;) { /* a value is due; every turn moves the cursor */
		sl_json_skip_space(&s->c);
		if (s->c.at == s->c.end)
			return sl_json_refuse(&s->c,
					      s->depth ? SL_JSON_BAD_CUT : SL_JSON_BAD_EMPTY);
		if (*s->c.at == '{' || *s->c.at == '[') {
			bool object = *s->c.at == '{';

			if (!open_container(s, object))
				return false;
			if (s->c.at == s->c.end)
				return sl_json_refuse(&s->c, SL_JSON_BAD_CUT);
			if (*s->c.at != (object ? '}' : ']')) {
				if (object && !eat_key(s))
					return false;
				continue;
			}
			close_container(s);
		} else {
			struct sl_json_field *f = wanted_here(s);
			const char *begin = s->c.at;
			enum sl_json_type type;

			if (!sl_json_eat_scalar(&s->c, &type))
				return false;
			if (f) {
				f->type = (uint8_t)type;
				f->value = begin;
				f->value_len = (size_t)(s->c.at - begin);
				f->escaped = type == SL_JSON_STRING && s->c.escaped;
			}
		}
		for (;;) { /* a value has ended */
			if (s->depth == 0)
				return true;
			sl_json_skip_space(&s->c);
			if (s->c.at == s->c.end)
				return sl_json_refuse(&s->c, SL_JSON_BAD_CUT);
			if (*s->c.at != (s->objects & 1 ? '}' : ']'))
				break;
			close_container(s);
		}
		if (*s->c.at != ',')
			return sl_json_refuse(&s->c, SL_JSON_BAD_SYNTAX);
		s->c.at++;
		if (s->objects & 1) {
			sl_json_skip_space(&s->c);
			if (!eat_key(s))
				return false;
		}
	}
}

int sl_json_scan(const char *buf, size_t len, struct sl_json_field *fields, size_t field_count)
{
	struct scan s = {
		.c = {.at = buf, .end = buf + len}, .fields = fields, .field_count = field_count};

	assert(field_count <= SL_JSON_FIELDS_MAX);
	for (size_t i = 0; i < field_count; i++) {
		assert(fields[i].name_len <= SL_JSON_NAME_BYTES_MAX);
		fields[i].type = SL_JSON_ABSENT;
		fields[i].escaped = false;
		fields[i].refused = false;
		fields[i].value = NULL;
		fields[i].value_len = 0;
	}
	sl_json_skip_space(&s.c);
	if (s.c.at < s.c.end && *s.c.at != '{') {
		/* say "malformed" before "not an object" */
		return eat_value(&s) ? -SL_JSON_BAD_NOT_OBJECT : -s.c.bad;
	}
	if (!eat_value(&s))
		return -s.c.bad;
	sl_json_skip_space(&s.c);
	return s.c.at == s.c.end ? 0 : -SL_JSON_BAD_TRAILING;
}

const char *sl_json_refused_name(const struct sl_json_field *fields, size_t field_count)
{
	for (size_t i = 0; i < field_count; i++)
		if (fields[i].refused)
			return fields[i].name;
	return NULL;
}

int sl_json_check(const char *buf, size_t len, size_t *ret_at)
{
	struct scan s = {.c = {.at = buf, .end = buf + len}};
	bool ok = eat_value(&s);

	if (ok) {
		sl_json_skip_space(&s.c);
		if (s.c.at < s.c.end)
			ok = sl_json_refuse(&s.c, SL_JSON_BAD_TRAILING);
	}
	if (ret_at)
		*ret_at = (size_t)(s.c.at - buf);
	return ok ? 0 : -s.c.bad;
}

enum sl_json_type sl_json_type_of(char first)
{
	switch (first) {
	case '{':
		return SL_JSON_OBJECT;
	case '[':
		return SL_JSON_ARRAY;
	case '"':
		return SL_JSON_STRING;
	case 't':
		return SL_JSON_TRUE;
	case 'f':
		return SL_JSON_FALSE;
	case 'n':
		return SL_JSON_NULL;
	default:
		return SL_JSON_NUMBER;
	}
}

/* The value at the cursor as a field without a name. */
static bool eat_field(struct scan *s, struct sl_json_field *ret_field)
{
	const char *from = s->c.at;

	*ret_field = (struct sl_json_field){.type = sl_json_type_of(*from), .value = from};
	if (!eat_value(s))
		return false;
	ret_field->value_len = (size_t)(s->c.at - from);
	ret_field->escaped =
		ret_field->type == SL_JSON_STRING && memchr(from, '\\', ret_field->value_len);
	return true;
}

bool sl_json_each(const struct sl_json_field *array, const char **cursor,
		  struct sl_json_field *ret_element)
{
	struct scan s = {.c = {.at = *cursor}};

	if (array->type != SL_JSON_ARRAY)
		return false;
	s.c.end = array->value + array->value_len;
	if (!s.c.at)
		s.c.at = array->value;
	/* the cursor is at the opening bracket, or behind an element */
	if (s.c.at != array->value) {
		sl_json_skip_space(&s.c);
		if (s.c.at == s.c.end || *s.c.at != ',')
			return false;
	}
	s.c.at++;
	sl_json_skip_space(&s.c);
	if (s.c.at == s.c.end || *s.c.at == ']')
		return false;
	if (!eat_field(&s, ret_element))
		return false;
	*cursor = s.c.at;
	return true;
}

bool sl_json_each_member(const struct sl_json_field *object, const char **cursor,
			 struct sl_json_field *ret_key, struct sl_json_field *ret_value)
{
	struct scan s = {.c = {.at = *cursor}};

	if (object->type != SL_JSON_OBJECT)
		return false;
	s.c.end = object->value + object->value_len;
	if (!s.c.at)
		s.c.at = object->value;
	/* the cursor is at the opening brace, or behind a value */
	if (s.c.at != object->value) {
		sl_json_skip_space(&s.c);
		if (s.c.at == s.c.end || *s.c.at != ',')
			return false;
	}
	s.c.at++;
	sl_json_skip_space(&s.c);
	if (s.c.at == s.c.end || *s.c.at != '"' || !eat_field(&s, ret_key))
		return false;
	sl_json_skip_space(&s.c);
	if (s.c.at == s.c.end || *s.c.at != ':')
		return false;
	s.c.at++;
	sl_json_skip_space(&s.c);
	if (s.c.at == s.c.end || !eat_field(&s, ret_value))
		return false;
	*cursor = s.c.at;
	return true;
}
