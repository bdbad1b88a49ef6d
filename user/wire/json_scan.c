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

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "user/wire/json_plain.h"

#define PLAIN_UNTIL_BLOCKS 4 /* loads without a hit, then whole blocks are tried */
#define LEVELS		   3 /* index 1: outermost object, 2: objects in it */
#define LONG_S		   "\xc5\xbf"
#define KELVIN		   "\xe2\x84\xaa"

_Static_assert(SL_JSON_DEPTH_MAX <= 64, "container kinds are bits of a word");
_Static_assert(SL_JSON_FIELDS_MAX <= 32, "seen parents are bits of a word");

struct scan {
	const char *at;
	const char *end;
	int bad;
	unsigned int depth;
	uint64_t objects; /* bit 0: is the innermost open container an object? */
	struct sl_json_field *fields;
	size_t field_count;
	struct sl_json_field *open[LEVELS]; /* wanted field whose value is being read */
	const struct sl_json_field *parent; /* wants the object that is being read at depth 1 */
	uint32_t parents_seen;		    /* bit of the first field that wants the parent */
	bool escaped;			    /* the last string had a backslash */
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

static inline bool refuse(struct scan *s, enum sl_json_bad bad)
{
	s->bad = bad;
	return false;
}

static inline bool refuse_here(struct scan *s, enum sl_json_bad bad)
{
	return refuse(s, s->at == s->end ? SL_JSON_BAD_CUT : bad);
}

static inline void skip_space(struct scan *s)
{
	while (s->at < s->end &&
	       (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
		s->at++;
}

/* What may stand behind a backslash, \u apart. */
static const bool simple_escape[256] = {
	['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
	['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true,
};

/*
 * First byte that needs a closer look: the quote, a control, a byte that is not ASCII, or an
 * escape that is not simple or not within one load. Simple escapes are stepped over by
 * clearing their two bits, since in source code there is one every few bytes.
 */
static inline const char *skip_plain(const char *at, const char *end, bool *ret_escaped)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(0x20);

	for (int plain = 0; end - at >= 16; at += 16, plain++) {
		if (plain == PLAIN_UNTIL_BLOCKS) {
			at = sl_json_skip_plain_blocks(at, end);
			plain = 0;
			if (end - at < 16)
				break;
		}
		__m128i v = _mm_loadu_si128((const __m128i *)at);
		/* signed: both controls and bytes from 0x80 are below a space */
		__m128i hit = _mm_or_si128(
			_mm_cmplt_epi8(v, space),
			_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash)));
		unsigned int mask = (unsigned int)_mm_movemask_epi8(hit);

		while (mask) {
			unsigned int i = (unsigned int)__builtin_ctz(mask);

			if (at[i] != '\\' || i == 15 || !simple_escape[(unsigned char)at[i + 1]])
				return at + i;
			*ret_escaped = true;
			mask &= ~(3u << i);
			plain = 0;
		}
	}
#else
	(void)ret_escaped;
#endif
	while (at < end && (signed char)*at >= 0x20 && *at != '"' && *at != '\\')
		at++;
	return at;
}

/* One character of two to four bytes; RFC 3629 section 4. */
static bool eat_utf8(struct scan *s)
{
	const unsigned char *p = (const unsigned char *)s->at;
	size_t have = (size_t)(s->end - s->at);
	unsigned char lo = 0x80, hi = 0xbf;
	size_t len;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		len = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		len = 3;
		lo = p[0] == 0xe0 ? 0xa0 : 0x80;
		hi = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		len = 4;
		lo = p[0] == 0xf0 ? 0x90 : 0x80;
		hi = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return refuse(s, SL_JSON_BAD_UTF8);
	}
	for (size_t i = 1; i < len; i++, lo = 0x80, hi = 0xbf) {
		if (i == have)
			return refuse(s, SL_JSON_BAD_CUT);
		if (p[i] < lo || p[i] > hi)
			return refuse(s, SL_JSON_BAD_UTF8);
	}
	s->at += len;
	return true;
}

/* The four digits of \uXXXX at *at; -1 when they are no digits, -2 when the text ends. */
static int hex4(const char *at, const char *end)
{
	int value = 0;

	for (int i = 0; i < 4; i++) {
		char b;

		if (at + i >= end)
			return -2;
		b = at[i];
		if (b >= '0' && b <= '9')
			value = value << 4 | (b - '0');
		else if ((b | 0x20) >= 'a' && (b | 0x20) <= 'f')
			value = value << 4 | ((b | 0x20) - 'a' + 10);
		else
			return -1;
	}
	return value;
}

/* The cursor is at a backslash before no simple escape. Lone surrogates have no UTF-8 form. */
static bool eat_unicode_escape(struct scan *s)
{
	int unit;

	if (s->end - s->at < 2)
		return refuse(s, SL_JSON_BAD_CUT);
	if (s->at[1] != 'u')
		return refuse(s, SL_JSON_BAD_ESCAPE);
	unit = hex4(s->at + 2, s->end);
	if (unit >= 0xd800 && unit <= 0xdbff) {
		static const char next[] = "\\u";

		s->at += 6;
		for (int i = 0; i < 2; i++)
			if (s->at + i == s->end || s->at[i] != next[i])
				return refuse(s, s->at + i == s->end ? SL_JSON_BAD_CUT
								     : SL_JSON_BAD_ESCAPE);
		unit = hex4(s->at + 2, s->end);
		if (unit >= 0 && (unit < 0xdc00 || unit > 0xdfff))
			unit = -1;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		unit = -1;
	}
	if (unit < 0)
		return refuse(s, unit == -2 ? SL_JSON_BAD_CUT : SL_JSON_BAD_ESCAPE);
	s->at += 6;
	return true;
}

/* The cursor is behind the opening quote and goes behind the closing one. */
static bool eat_string(struct scan *s)
{
	s->escaped = false;
	for (;;) {
		s->at = skip_plain(s->at, s->end, &s->escaped);
		if (s->at == s->end)
			return refuse(s, SL_JSON_BAD_CUT);
		if (*s->at == '"') {
			s->at++;
			return true;
		}
		if (*s->at == '\\') {
			s->escaped = true;
			if (s->end - s->at >= 2 && simple_escape[(unsigned char)s->at[1]])
				s->at += 2;
			else if (!eat_unicode_escape(s))
				return false;
		} else if ((unsigned char)*s->at < 0x20) {
			return refuse(s, SL_JSON_BAD_CONTROL);
		} else {
			do {
				if (!eat_utf8(s))
					return false;
			} while (s->at < s->end && (unsigned char)*s->at >= 0x80);
		}
	}
}

static inline bool at_digit(const struct scan *s)
{
	return s->at < s->end && *s->at >= '0' && *s->at <= '9';
}

static inline bool eat_digits(struct scan *s)
{
	if (!at_digit(s))
		return refuse_here(s, SL_JSON_BAD_NUMBER);
	while (at_digit(s))
		s->at++;
	return true;
}

static bool eat_number(struct scan *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0') {
		s->at++;
		if (at_digit(s))
			return refuse(s, SL_JSON_BAD_NUMBER);
	} else if (!eat_digits(s)) {
		return false;
	}
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!eat_digits(s))
			return false;
	}
	if (s->at < s->end && (*s->at | 0x20) == 'e') {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		if (!eat_digits(s))
			return false;
	}
	return true;
}

static bool eat_word(struct scan *s, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++, s->at++)
		if (s->at == s->end || *s->at != word[i])
			return refuse_here(s, SL_JSON_BAD_SYNTAX);
	return true;
}

static inline bool name_equal(const char *name, uint8_t name_len, const char *key, size_t len)
{
	return name_len == len && memcmp(name, key, len) == 0;
}

static bool refuse_field(struct scan *s, struct sl_json_field *f, enum sl_json_bad bad)
{
	f->refused = true;
	return refuse(s, bad);
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

	if (s->at == s->end || *s->at != '"')
		return refuse_here(s, SL_JSON_BAD_SYNTAX);
	key.value = s->at++;
	if (!eat_string(s))
		return false;
	if (s->field_count && (s->depth == 1 || (s->depth == 2 && s->parent))) {
		name = key.value + 1;
		key.value_len = (size_t)(s->at - key.value);
		key.escaped = s->escaped;
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
	skip_space(s);
	if (s->at == s->end || *s->at != ':')
		return refuse_here(s, SL_JSON_BAD_SYNTAX);
	s->at++;
	return true;
}

/* The wanted field whose value begins or ends here, if any. */
static inline struct sl_json_field *wanted_here(const struct scan *s)
{
	if (s->depth >= LEVELS || !(s->objects & 1))
		return NULL;
	return s->open[s->depth];
}

/* A value that is no container; false when it is refused. */
static bool eat_scalar(struct scan *s, enum sl_json_type *ret_type)
{
	switch (*s->at) {
	case '"':
		s->at++;
		*ret_type = SL_JSON_STRING;
		return eat_string(s);
	case 't':
		*ret_type = SL_JSON_TRUE;
		return eat_word(s, "true", 4);
	case 'f':
		*ret_type = SL_JSON_FALSE;
		return eat_word(s, "false", 5);
	case 'n':
		*ret_type = SL_JSON_NULL;
		return eat_word(s, "null", 4);
	case '-':
	case '0' ... '9':
		*ret_type = SL_JSON_NUMBER;
		return eat_number(s);
	default:
		return refuse(s, SL_JSON_BAD_SYNTAX);
	}
}

/* Opens the container at the cursor. */
static bool open_container(struct scan *s, bool object)
{
	struct sl_json_field *f = wanted_here(s);

	if (s->depth == SL_JSON_DEPTH_MAX)
		return refuse(s, SL_JSON_BAD_DEPTH);
	if (f) {
		f->type = object ? SL_JSON_OBJECT : SL_JSON_ARRAY;
		f->value = s->at;
	}
	/* the elements of an array are nobody's children */
	if (s->depth == 1 && !object)
		s->parent = NULL;
	s->depth++;
	s->objects = s->objects << 1 | object;
	if (s->depth < LEVELS)
		s->open[s->depth] = NULL;
	s->at++;
	skip_space(s);
	return true;
}

static void close_container(struct scan *s)
{
	struct sl_json_field *f;

	s->at++;
	s->depth--;
	s->objects >>= 1;
	f = wanted_here(s);
	if (f)
		f->value_len = (size_t)(s->at - f->value);
}

/*
 * One whole value at the cursor, blanks before it allowed. The states of the loop: a value
 * is due; a value has ended (step_after); a key is due.
 */
static bool eat_value(struct scan *s)
{
	for (;;) { /* a value is due; every turn moves the cursor */
		skip_space(s);
		if (s->at == s->end)
			return refuse(s, s->depth ? SL_JSON_BAD_CUT : SL_JSON_BAD_EMPTY);
		if (*s->at == '{' || *s->at == '[') {
			bool object = *s->at == '{';

			if (!open_container(s, object))
				return false;
			if (s->at == s->end)
				return refuse(s, SL_JSON_BAD_CUT);
			if (*s->at != (object ? '}' : ']')) {
				if (object && !eat_key(s))
					return false;
				continue;
			}
			close_container(s);
		} else {
			struct sl_json_field *f = wanted_here(s);
			const char *begin = s->at;
			enum sl_json_type type;

			if (!eat_scalar(s, &type))
				return false;
			if (f) {
				f->type = (uint8_t)type;
				f->value = begin;
				f->value_len = (size_t)(s->at - begin);
				f->escaped = type == SL_JSON_STRING && s->escaped;
			}
		}
		for (;;) { /* a value has ended */
			if (s->depth == 0)
				return true;
			skip_space(s);
			if (s->at == s->end)
				return refuse(s, SL_JSON_BAD_CUT);
			if (*s->at != (s->objects & 1 ? '}' : ']'))
				break;
			close_container(s);
		}
		if (*s->at != ',')
			return refuse(s, SL_JSON_BAD_SYNTAX);
		s->at++;
		if (s->objects & 1) {
			skip_space(s);
			if (!eat_key(s))
				return false;
		}
	}
}

int sl_json_scan(const char *buf, size_t len, struct sl_json_field *fields, size_t field_count)
{
	struct scan s = {.at = buf, .end = buf + len, .fields = fields, .field_count = field_count};

	assert(field_count <= SL_JSON_FIELDS_MAX);
	for (size_t i = 0; i < field_count; i++) {
		assert(fields[i].name_len <= SL_JSON_NAME_BYTES_MAX);
		fields[i].type = SL_JSON_ABSENT;
		fields[i].escaped = false;
		fields[i].refused = false;
		fields[i].value = NULL;
		fields[i].value_len = 0;
	}
	skip_space(&s);
	if (s.at < s.end && *s.at != '{') {
		/* say "malformed" before "not an object" */
		return eat_value(&s) ? -SL_JSON_BAD_NOT_OBJECT : -s.bad;
	}
	if (!eat_value(&s))
		return -s.bad;
	skip_space(&s);
	return s.at == s.end ? 0 : -SL_JSON_BAD_TRAILING;
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
	struct scan s = {.at = buf, .end = buf + len};
	bool ok = eat_value(&s);

	if (ok) {
		skip_space(&s);
		if (s.at < s.end)
			ok = refuse(&s, SL_JSON_BAD_TRAILING);
	}
	if (ret_at)
		*ret_at = (size_t)(s.at - buf);
	return ok ? 0 : -s.bad;
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
	const char *from = s->at;

	*ret_field = (struct sl_json_field){.type = sl_json_type_of(*from), .value = from};
	if (!eat_value(s))
		return false;
	ret_field->value_len = (size_t)(s->at - from);
	ret_field->escaped =
		ret_field->type == SL_JSON_STRING && memchr(from, '\\', ret_field->value_len);
	return true;
}

bool sl_json_each(const struct sl_json_field *array, const char **cursor,
		  struct sl_json_field *ret_element)
{
	struct scan s = {.at = *cursor};

	if (array->type != SL_JSON_ARRAY)
		return false;
	s.end = array->value + array->value_len;
	if (!s.at)
		s.at = array->value;
	/* the cursor is at the opening bracket, or behind an element */
	if (s.at != array->value) {
		skip_space(&s);
		if (s.at == s.end || *s.at != ',')
			return false;
	}
	s.at++;
	skip_space(&s);
	if (s.at == s.end || *s.at == ']')
		return false;
	if (!eat_field(&s, ret_element))
		return false;
	*cursor = s.at;
	return true;
}

bool sl_json_each_member(const struct sl_json_field *object, const char **cursor,
			 struct sl_json_field *ret_key, struct sl_json_field *ret_value)
{
	struct scan s = {.at = *cursor};

	if (object->type != SL_JSON_OBJECT)
		return false;
	s.end = object->value + object->value_len;
	if (!s.at)
		s.at = object->value;
	/* the cursor is at the opening brace, or behind a value */
	if (s.at != object->value) {
		skip_space(&s);
		if (s.at == s.end || *s.at != ',')
			return false;
	}
	s.at++;
	skip_space(&s);
	if (s.at == s.end || *s.at != '"' || !eat_field(&s, ret_key))
		return false;
	skip_space(&s);
	if (s.at == s.end || *s.at != ':')
		return false;
	s.at++;
	skip_space(&s);
	if (s.at == s.end || !eat_field(&s, ret_value))
		return false;
	*cursor = s.at;
	return true;
}
