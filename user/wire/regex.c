/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recursive-descent compiler that emits code as it reads, and the simulation. Jumps are relative
 * to their instruction, so that a piece of code can be moved (to put a split before it) and copied
 * (for counted repetition) as it is.
 */
#include "user/wire/regex.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/text.h"

#define RANGES_MAX 2048u
#define NO_POINT   UINT32_MAX
#define POINT_MAX  0x10ffffu
#define BIG_BYTES  (256u << 10) /* a program of the largest size and its ranges */

enum op {
	OP_MATCH = 0,
	OP_POINT, /* a: the code point */
	OP_CLASS, /* a: first range, b: their number */
	OP_NOT_CLASS,
	OP_JUMP,  /* x */
	OP_SPLIT, /* x and y */
	OP_BEGIN,
	OP_END,
	OP_WORD_EDGE,
	OP_NOT_WORD_EDGE,
};

struct code {
	uint8_t op;
	int16_t x, y; /* relative to this instruction */
	uint32_t a;
	uint16_t b;
};

struct range {
	uint32_t from, to;
};

struct sl_regex {
	struct code *code;
	struct range *ranges;
	uint32_t code_count;
	uint32_t range_count;
};

struct parse {
	const char *at;
	const char *end;
	struct sl_regex *regex;
	struct sl_error *error;
	uint32_t deep;
	int rc;
};

_Static_assert(SL_REGEX_PROGRAM_MAX < INT16_MAX, "jumps are 16 bits");
_Static_assert(RANGES_MAX < UINT16_MAX, "ranges are counted in 16 bits");

static bool fail(struct parse *p, int rc, const char *why)
{
	if (!p->rc)
		p->rc = sl_error_set(p->error, rc, "regular expression: %s", why);
	return false;
}

static bool emit(struct parse *p, struct code code)
{
	if (p->regex->code_count == SL_REGEX_PROGRAM_MAX)
		return fail(p, -E2BIG, "too large once its repetitions are written out");
	p->regex->code[p->regex->code_count++] = code;
	return true;
}

/* Makes room for one instruction before the piece of code that begins at `from`. */
static bool insert(struct parse *p, uint32_t from, struct code code)
{
	struct code *at = p->regex->code + from;

	if (!emit(p, code))
		return false;
	memmove(at + 1, at, (p->regex->code_count - 1 - from) * sizeof(*at));
	*at = code;
	return true;
}

static bool add_range(struct parse *p, uint32_t from, uint32_t to)
{
	if (p->regex->range_count == RANGES_MAX)
		return fail(p, -E2BIG, "too many character ranges");
	p->regex->ranges[p->regex->range_count++] = (struct range){from, to};
	return true;
}

/* One character of UTF-8; NO_POINT at the end. */
static uint32_t take_point(const char **at, const char *end)
{
	const unsigned char *b = (const unsigned char *)*at;
	size_t len;

	if (*at == end)
		return NO_POINT;
	len = sl_text_utf8_len(*at, (size_t)(end - *at));
	*at += len ? len : 1;
	switch (len) {
	case 1:
		return b[0];
	case 2:
		return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
	case 3:
		return (b[0] & 0x0fu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
	case 4:
		return (b[0] & 0x07u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 |
		       (b[3] & 0x3fu);
	default:
		return 0xfffd;
	}
}

static int hex_digit(char b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b |= 0x20;
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static bool take_hex(struct parse *p, unsigned int digits, uint32_t *ret_value)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < digits; i++) {
		int digit = p->at < p->end ? hex_digit(*p->at) : -1;

		if (digit < 0)
			return fail(p, -EINVAL, "malformed \\x or \\u escape");
		value = value << 4 | (uint32_t)digit;
		p->at++;
	}
	*ret_value = value;
	return true;
}

/* Behind \u: {X...}, or four digits, and four more where they are a surrogate pair. */
static bool take_unicode(struct parse *p, uint32_t *ret_point)
{
	uint32_t value = 0, low;

	if (p->at < p->end && *p->at == '{') {
		const char *from = ++p->at;

		for (; p->at < p->end && *p->at != '}'; p->at++) {
			int digit = hex_digit(*p->at);

			if (digit < 0 || value > POINT_MAX >> 4)
				return fail(p, -EINVAL, "malformed \\u{...} escape");
			value = value << 4 | (uint32_t)digit;
		}
		if (p->at == p->end || p->at == from || value > POINT_MAX)
			return fail(p, -EINVAL, "malformed \\u{...} escape");
		p->at++;
	} else {
		if (!take_hex(p, 4, &value))
			return false;
		if (value >= 0xd800 && value <= 0xdbff && p->end - p->at >= 6 && p->at[0] == '\\' &&
		    p->at[1] == 'u') {
			p->at += 2;
			if (!take_hex(p, 4, &low))
				return false;
			if (low < 0xdc00 || low > 0xdfff)
				return fail(p, -EINVAL, "lone surrogate");
			value = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	*ret_point = value;
	return true;
}

static const struct range digit_ranges[] = {{'0', '9'}};
static const struct range word_ranges[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
/* ECMA-262 WhiteSpace and LineTerminator */
static const struct range space_ranges[] = {
	{0x09, 0x0d},	  {0x20, 0x20},	    {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
	{0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff},
};
static const struct range line_ranges[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Adds the ranges, or what is between them. */
static bool add_ranges(struct parse *p, const struct range *ranges, size_t count, bool inverse)
{
	uint32_t from = 0;

	for (size_t i = 0; i < count; i++) {
		if (!inverse && !add_range(p, ranges[i].from, ranges[i].to))
			return false;
		if (inverse && ranges[i].from > from && !add_range(p, from, ranges[i].from - 1))
			return false;
		from = ranges[i].to + 1;
	}
	return !inverse || add_range(p, from, POINT_MAX);
}

/* \d \D \w \W \s \S; false without an error when the letter is none of them. */
static bool add_shorthand(struct parse *p, char letter)
{
	switch (letter) {
	case 'd':
	case 'D':
		return add_ranges(p, digit_ranges, COUNT(digit_ranges), letter == 'D');
	case 'w':
	case 'W':
		return add_ranges(p, word_ranges, COUNT(word_ranges), letter == 'W');
	case 's':
	case 'S':
		return add_ranges(p, space_ranges, COUNT(space_ranges), letter == 'S');
	default:
		return false;
	}
}

/* The cursor is behind the backslash, before an escape that stands for one code point. */
static bool take_escape(struct parse *p, uint32_t *ret_point)
{
	static const char from[] = "tnvfr0";
	static const char to[] = "\t\n\v\f\r";
	const char *hit;
	char b;

	if (p->at == p->end)
		return fail(p, -EINVAL, "ends with a backslash");
	b = *p->at++;
	hit = b ? strchr(from, b) : NULL;
	if (b == '0' && p->at < p->end && *p->at >= '0' && *p->at <= '9')
		return fail(p, -EINVAL, "octal escapes are not supported");
	if (hit) {
		*ret_point = (unsigned char)to[hit - from];
		return true;
	}
	if (b == 'x')
		return take_hex(p, 2, ret_point);
	if (b == 'u')
		return take_unicode(p, ret_point);
	if (b == 'c' && p->at < p->end && ((*p->at | 0x20) >= 'a' && (*p->at | 0x20) <= 'z')) {
		*ret_point = (uint32_t)*p->at++ & 0x1f;
		return true;
	}
	if ((b >= '1' && b <= '9') || b == 'k')
		return fail(p, -EINVAL, "back references are not supported");
	if (b == 'p' || b == 'P')
		return fail(p, -EINVAL, "\\p{...} is not supported");
	if ((b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_')
		return fail(p, -EINVAL, "unknown escape");
	p->at--;
	*ret_point = take_point(&p->at, p->end);
	return true;
}

/* One end of a range in brackets, or a shorthand, which sets *ret_point to NO_POINT. */
static bool take_class_atom(struct parse *p, uint32_t *ret_point)
{
	if (*p->at != '\\') {
		*ret_point = take_point(&p->at, p->end);
		return true;
	}
	p->at++;
	if (p->at < p->end && add_shorthand(p, *p->at)) {
		p->at++;
		*ret_point = NO_POINT;
		return true;
	}
	if (p->rc)
		return false;
	if (p->at < p->end && (*p->at == 'b' || *p->at == '-')) {
		*ret_point = *p->at++ == 'b' ? '\b' : '-';
		return true;
	}
	return take_escape(p, ret_point);
}

/* The cursor is behind the opening bracket. */
static bool take_class(struct parse *p)
{
	struct code code = {.op = OP_CLASS, .a = p->regex->range_count};
	uint32_t from, to;

	if (p->at < p->end && *p->at == '^') {
		code.op = OP_NOT_CLASS;
		p->at++;
	}
	while (p->at < p->end && *p->at != ']') {
		if (!take_class_atom(p, &from))
			return false;
		to = from;
		if (p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
			p->at++;
			if (!take_class_atom(p, &to))
				return false;
			if (from == NO_POINT || to == NO_POINT || from > to)
				return fail(p, -EINVAL, "malformed range in brackets");
		}
		if (from != NO_POINT && !add_range(p, from, to))
			return false;
	}
	if (p->at == p->end)
		return fail(p, -EINVAL, "\"[\" is not closed");
	p->at++;
	code.b = (uint16_t)(p->regex->range_count - code.a);
	return emit(p, code);
}

static bool take_alternatives(struct parse *p);

/* The cursor is behind the opening parenthesis. */
static bool take_group(struct parse *p)
{
	if (p->at < p->end && *p->at == '?') {
		const char *name = p->at + 2;

		if (p->end - p->at >= 2 && p->at[1] == ':') {
			p->at += 2;
		} else if (p->end - p->at >= 3 && p->at[1] == '<' && *name != '=' && *name != '!') {
			const char *close = memchr(name, '>', (size_t)(p->end - name));

			if (!close || close == name)
				return fail(p, -EINVAL, "malformed name of a group");
			p->at = close + 1;
		} else {
			return fail(p, -EINVAL, "look-around is not supported");
		}
	}
	if (++p->deep > SL_REGEX_GROUPS_DEEP_MAX)
		return fail(p, -E2BIG, "groups are nested too deeply");
	if (!take_alternatives(p))
		return false;
	p->deep--;
	if (p->at == p->end)
		return fail(p, -EINVAL, "\"(\" is not closed");
	p->at++;
	return true;
}

/* An escape outside of brackets. The cursor is behind the backslash. */
static bool take_outer_escape(struct parse *p)
{
	struct code code = {.op = OP_CLASS, .a = p->regex->range_count};
	uint32_t point;

	if (p->at < p->end && (*p->at == 'b' || *p->at == 'B')) {
		code.op = *p->at++ == 'b' ? OP_WORD_EDGE : OP_NOT_WORD_EDGE;
		return emit(p, code);
	}
	if (p->at < p->end && add_shorthand(p, *p->at)) {
		p->at++;
		code.b = (uint16_t)(p->regex->range_count - code.a);
		return emit(p, code);
	}
	if (p->rc || !take_escape(p, &point))
		return false;
	return emit(p, (struct code){.op = OP_POINT, .a = point});
}

/* One atom. *ret_edge: it is an assertion, which must not be repeated. */
static bool take_atom(struct parse *p, bool *ret_edge)
{
	struct code code = {.op = OP_NOT_CLASS, .a = p->regex->range_count};
	char b = *p->at;

	*ret_edge = b == '^' || b == '$' ||
		    (b == '\\' && p->end - p->at >= 2 && (p->at[1] | 0x20) == 'b');
	switch (b) {
	case '^':
	case '$':
		p->at++;
		return emit(p, (struct code){.op = b == '^' ? OP_BEGIN : OP_END});
	case '.':
		p->at++;
		code.b = COUNT(line_ranges);
		return add_ranges(p, line_ranges, COUNT(line_ranges), false) && emit(p, code);
	case '(':
		p->at++;
		return take_group(p);
	case '[':
		p->at++;
		return take_class(p);
	case '\\':
		p->at++;
		return take_outer_escape(p);
	case '*':
	case '+':
	case '?':
	case '{':
		return fail(p, -EINVAL, "nothing to repeat");
	case '}':
	case ']':
		return fail(p, -EINVAL, "lone closing bracket");
	default:
		code = (struct code){.op = OP_POINT};
		code.a = take_point(&p->at, p->end);
		return emit(p, code);
	}
}

static bool take_number(struct parse *p, uint32_t *ret_value)
{
	uint32_t value = 0;
	const char *from = p->at;

	for (; p->at < p->end && *p->at >= '0' && *p->at <= '9'; p->at++) {
		value = value * 10 + (uint32_t)(*p->at - '0');
		if (value > SL_REGEX_REPEAT_MAX)
			return fail(p, -E2BIG, "a count of repetitions is over 1000");
	}
	*ret_value = value;
	return p->at > from;
}

/* * + ? {n} {n,} {n,m} at the cursor; without one, once. *ret_max NO_POINT: no end. */
static bool take_counts(struct parse *p, uint32_t *ret_min, uint32_t *ret_max)
{
	*ret_min = *ret_max = 1;
	if (p->at == p->end || !strchr("*+?{", *p->at))
		return true;
	switch (*p->at++) {
	case '*':
		*ret_min = 0;
		*ret_max = NO_POINT;
		break;
	case '+':
		*ret_max = NO_POINT;
		break;
	case '?':
		*ret_min = 0;
		break;
	default:
		if (!take_number(p, ret_min))
			return fail(p, -EINVAL, "malformed {...}");
		*ret_max = *ret_min;
		if (p->at < p->end && *p->at == ',') {
			p->at++;
			if (!take_number(p, ret_max))
				*ret_max = NO_POINT;
		}
		if (p->rc || p->at == p->end || *p->at != '}' || *ret_min > *ret_max)
			return fail(p, -EINVAL, "malformed {...}");
		p->at++;
	}
	/* greedy or lazy makes no difference to whether there is a match */
	if (p->at < p->end && *p->at == '?')
		p->at++;
	return true;
}

/* Writes out the repetition of the piece of code from `from` to the end. */
static bool repeat(struct parse *p, uint32_t from, uint32_t min, uint32_t max)
{
	struct sl_regex *regex = p->regex;
	uint32_t size = regex->code_count - from, copies = max == NO_POINT ? min + 1 : max;
	struct code *piece;

	if (max == 0) {
		regex->code_count = from;
		return true;
	}
	/* each copy takes at most two instructions more */
	if ((uint64_t)copies * (size + 2) + from > SL_REGEX_PROGRAM_MAX)
		return fail(p, -E2BIG, "too large once its repetitions are written out");
	piece = regex->code + from;
	for (uint32_t i = 1; i < min; i++, regex->code_count += size)
		memcpy(regex->code + regex->code_count, piece, size * sizeof(*piece));
	if (max == NO_POINT && min > 0) {
		/* once more from the last copy */
		return emit(p, (struct code){.op = OP_SPLIT, .x = (int16_t) - (int)size, .y = 1});
	}
	if (max == NO_POINT)
		return insert(p, from,
			      (struct code){.op = OP_SPLIT, .x = 1, .y = (int16_t)(size + 2)}) &&
		       emit(p, (struct code){.op = OP_JUMP, .x = (int16_t) - (int)(size + 1)});
	if (min == 0) {
		if (!insert(p, from,
			    (struct code){.op = OP_SPLIT, .x = 1, .y = (int16_t)(size + 1)}))
			return false;
		piece = regex->code + from + 1;
		min = 1;
	}
	for (uint32_t i = min; i < max; i++) {
		if (!emit(p, (struct code){.op = OP_SPLIT, .x = 1, .y = (int16_t)(size + 1)}))
			return false;
		memcpy(regex->code + regex->code_count, piece, size * sizeof(*piece));
		regex->code_count += size;
	}
	return true;
}

static bool take_sequence(struct parse *p)
{
	while (p->at < p->end && *p->at != '|' && *p->at != ')') {
		uint32_t from = p->regex->code_count, min, max;
		bool edge;

		if (!take_atom(p, &edge) || !take_counts(p, &min, &max))
			return false;
		if (min == 1 && max == 1)
			continue;
		if (edge)
			return fail(p, -EINVAL, "an assertion cannot be repeated");
		if (!repeat(p, from, min, max))
			return false;
	}
	return true;
}

/* a|b|c up to the closing parenthesis or the end. */
static bool take_alternatives(struct parse *p)
{
	struct sl_regex *regex = p->regex;
	uint32_t from = regex->code_count, last_jump = 0;
	bool any = false;

	for (;;) {
		if (!take_sequence(p))
			return false;
		if (p->at == p->end || *p->at != '|')
			break;
		p->at++;
		/* split to this alternative or the next one; each jumps to the jump of the next */
		if (!insert(p, from, (struct code){.op = OP_SPLIT, .x = 1}) ||
		    !emit(p, (struct code){.op = OP_JUMP}))
			return false;
		regex->code[from].y = (int16_t)(regex->code_count - from);
		if (any)
			regex->code[last_jump].x = (int16_t)(regex->code_count - 1 - last_jump);
		any = true;
		last_jump = regex->code_count - 1;
		from = regex->code_count;
	}
	if (any)
		regex->code[last_jump].x = (int16_t)(regex->code_count - last_jump);
	return true;
}

/* Compiles into memory of the largest size, which is given back: most programs are small. */
static int compile_into(struct parse *p, struct sl_arena *big)
{
	p->regex->code = sl_arena_array(big, SL_REGEX_PROGRAM_MAX, sizeof(*p->regex->code));
	p->regex->ranges = sl_arena_array(big, RANGES_MAX, sizeof(*p->regex->ranges));
	if (!p->regex->code || !p->regex->ranges)
		return sl_error_set(p->error, -ENOMEM, "regular expression: no memory");
	if (take_alternatives(p) && p->at < p->end)
		fail(p, -EINVAL, "\")\" closes nothing");
	if (!p->rc)
		emit(p, (struct code){.op = OP_MATCH});
	return p->rc;
}

int sl_regex_compile(const char *pattern, size_t len, struct sl_arena *arena,
		     struct sl_regex **ret_regex, struct sl_error *error)
{
	struct sl_regex *regex = sl_arena_zalloc(arena, sizeof(*regex));
	struct parse p = {.at = pattern, .end = pattern + len, .regex = regex, .error = error};
	struct sl_arena big;
	int rc;

	if (!regex)
		return sl_error_set(error, -ENOMEM, "regular expression: no memory");
	if (len > SL_REGEX_PATTERN_BYTES_MAX)
		return sl_error_set(error, -E2BIG, "regular expression: over %u bytes",
				    SL_REGEX_PATTERN_BYTES_MAX);
	sl_arena_init(&big, 0, BIG_BYTES);
	rc = compile_into(&p, &big);
	if (!rc) {
		regex->code = sl_arena_memdup(arena, regex->code,
					      regex->code_count * sizeof(*regex->code));
		regex->ranges = sl_arena_memdup(arena, regex->ranges,
						regex->range_count * sizeof(*regex->ranges));
		if (!regex->code || !regex->ranges)
			rc = sl_error_set(error, -ENOMEM, "regular expression: no memory");
	}
	sl_arena_fini(&big);
	if (!rc)
		*ret_regex = regex;
	return rc;
}

/* ---- search -------------------------------------------------------------------------------- */

/* The four parts of the work memory, each as long as the program. */
struct search {
	const struct sl_regex *regex;
	uint32_t *now;	 /* states before the character */
	uint32_t *then;	 /* states behind it */
	uint32_t *mark;	 /* the place at which a state was last added */
	uint32_t *due;	 /* states that are still to be followed */
	uint32_t place;	 /* counts characters, from 1 */
	uint32_t before; /* the characters around the place; NO_POINT: none */
	uint32_t behind;
	uint64_t *steps;
};

size_t sl_regex_work_count(const struct sl_regex *regex)
{
	return (size_t)regex->code_count * 4;
}

static bool is_word(uint32_t point)
{
	return (point >= '0' && point <= '9') || (point >= 'A' && point <= 'Z') ||
	       (point >= 'a' && point <= 'z') || point == '_';
}

static bool holds(const struct search *s, enum op op)
{
	bool edge = is_word(s->before) != is_word(s->behind);

	switch (op) {
	case OP_BEGIN:
		return s->before == NO_POINT;
	case OP_END:
		return s->behind == NO_POINT;
	case OP_WORD_EDGE:
		return edge;
	default:
		return !edge;
	}
}

/* Adds a state and what it leads to without a character. Returns true at a match. */
static bool add_state(struct search *s, uint32_t first, uint32_t *list, uint32_t *count)
{
	uint32_t due = 0;

	if (s->mark[first] == s->place)
		return false;
	s->mark[first] = s->place;
	s->due[due++] = first;
	while (due) {
		uint32_t at = s->due[--due], next[2], next_count = 0;
		const struct code *code = &s->regex->code[at];

		*s->steps -= *s->steps > 0;
		switch (code->op) {
		case OP_MATCH:
			return true;
		case OP_SPLIT:
			next[next_count++] = at + (uint32_t)(int32_t)code->y;
			next[next_count++] = at + (uint32_t)(int32_t)code->x;
			break;
		case OP_JUMP:
			next[next_count++] = at + (uint32_t)(int32_t)code->x;
			break;
		case OP_POINT:
		case OP_CLASS:
		case OP_NOT_CLASS:
			list[(*count)++] = at;
			break;
		default:
			if (holds(s, code->op))
				next[next_count++] = at + 1;
		}
		for (uint32_t i = 0; i < next_count; i++) {
			if (s->mark[next[i]] == s->place)
				continue;
			s->mark[next[i]] = s->place;
			s->due[due++] = next[i];
		}
	}
	return false;
}

static bool takes(const struct sl_regex *regex, const struct code *code, uint32_t point)
{
	const struct range *range = regex->ranges + code->a;

	if (code->op == OP_POINT)
		return code->a == point;
	for (uint32_t i = 0; i < code->b; i++)
		if (point >= range[i].from && point <= range[i].to)
			return code->op == OP_CLASS;
	return code->op == OP_NOT_CLASS;
}

int sl_regex_search(const struct sl_regex *regex, const char *text, size_t len, uint32_t *work,
		    uint64_t *steps)
{
	uint32_t n = regex->code_count, now_count = 0;
	struct search s = {.regex = regex,
			   .now = work,
			   .then = work + n,
			   .mark = work + 2 * n,
			   .due = work + 3 * (size_t)n,
			   .place = 1,
			   .before = NO_POINT,
			   .steps = steps};
	const char *at = text, *end = text + len;
	bool anchored = regex->code[0].op == OP_BEGIN;

	memset(s.mark, 0, n * sizeof(*s.mark));
	s.behind = take_point(&at, end);
	for (;;) {
		uint32_t then_count = 0, *swap;

		/* a match may begin at any character */
		if ((!anchored || s.place == 1) && add_state(&s, 0, s.now, &now_count))
			return 1;
		if (*steps == 0)
			return -E2BIG;
		if (s.behind == NO_POINT || (anchored && now_count == 0))
			return 0;
		*steps -= now_count < *steps ? now_count : *steps;
		s.before = s.behind;
		s.behind = take_point(&at, end);
		s.place++;
		for (uint32_t i = 0; i < now_count; i++)
			if (takes(regex, &regex->code[s.now[i]], s.before) &&
			    add_state(&s, s.now[i] + 1, s.then, &then_count))
				return 1;
		swap = s.now;
		s.now = s.then;
		s.then = swap;
		now_count = then_count;
	}
}
