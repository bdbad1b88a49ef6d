/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON scanner: tables of texts, every cut of them, guard pages; a generated corpus, whole
 * and damaged, on which jansson must agree about validity; fields, values and edits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <jansson.h>

#include "tests/unit/guard.h"
#include "user/base/random.h"
#include "user/wire/json_plain.h"
#include "user/wire/json_scan.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define ROOM	      (64 * 1024)
#define CORPUS_TEXTS  3000
#define DAMAGES_EACH  12
#define CORPUS_SEED   20240607
#define GENERATED_MAX 8000

static char *room;

static const char *place(const char *text, size_t len)
{
	assert_true(len <= ROOM);
	return memcpy(room + ROOM - len, text, len);
}

static int check(const char *text, size_t len, size_t *ret_at)
{
	return sl_json_check(place(text, len), len, ret_at);
}

struct text_case {
	const char *text;
	size_t len;
	int rc;
};

#define OK(text)                          \
	{                                 \
		text, sizeof(text) - 1, 0 \
	}
#define BAD(text, bad)                                          \
	{                                                       \
		text, sizeof(text) - 1, -(int)SL_JSON_BAD_##bad \
	}

static const struct text_case cases[] = {
	OK("null"),
	OK("true"),
	OK("false"),
	OK(" [ ] "),
	OK("{}"),
	OK("\"\""),
	OK("0"),
	OK("-0"),
	OK("10"),
	OK("-1.50"),
	OK("1e5"),
	OK("1E+5"),
	OK("0.1e-5"),
	OK("[1,2 , 3]"),
	OK("{\"a\":{\"b\":[{}]},\"a\":2}"),
	OK("\t\r\n {\"\":\"\"}\n"),
	OK("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\uABcd\""),
	OK("\"\\ud83d\\ude00\""),
	OK("\"\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""),
	OK("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""),
	OK("\"\x7f\""),
	OK("\"0123456789abcdef0123456789abcdef\\n0123456789abcdef\""),
	BAD("", EMPTY),
	BAD(" \n", EMPTY),
	BAD("nul", CUT),
	BAD("nulL", SYNTAX),
	BAD("True", SYNTAX),
	BAD("nullx", TRAILING),
	BAD("1 2", TRAILING),
	BAD("{}{}", TRAILING),
	BAD("{} \0", TRAILING),
	BAD("[", CUT),
	BAD("[1", CUT),
	BAD("[1,", CUT),
	BAD("[1,]", SYNTAX),
	BAD("[,1]", SYNTAX),
	BAD("[1 2]", SYNTAX),
	BAD("[1}", SYNTAX),
	BAD("{]", SYNTAX),
	BAD("]", SYNTAX),
	BAD("{", CUT),
	BAD("{\"a\"", CUT),
	BAD("{\"a\":", CUT),
	BAD("{\"a\":1", CUT),
	BAD("{\"a\":1,", CUT),
	BAD("{\"a\":1,}", SYNTAX),
	BAD("{\"a\" 1}", SYNTAX),
	BAD("{a:1}", SYNTAX),
	BAD("{1:1}", SYNTAX),
	BAD("{'a':1}", SYNTAX),
	BAD("{,}", SYNTAX),
	BAD("{\"a\":1 \"b\":2}", SYNTAX),
	BAD("{\"a\"::1}", SYNTAX),
	BAD("{\"a\":}", SYNTAX),
	BAD("// c\n1", SYNTAX),
	BAD("[1/**/]", SYNTAX),
	BAD("NaN", SYNTAX),
	BAD("-Infinity", NUMBER),
	BAD("\f1", SYNTAX),
	BAD("\v1", SYNTAX),
	BAD("\xc2\xa0"
	    "1",
	    SYNTAX),
	BAD("\xef\xbb\xbf{}", SYNTAX),
	BAD("\0", SYNTAX),
	BAD("01", NUMBER),
	BAD("-01", NUMBER),
	BAD("+1", SYNTAX),
	BAD(".5", SYNTAX),
	BAD("5.", CUT),
	BAD("[5.]", NUMBER),
	BAD("-", CUT),
	BAD("[-]", NUMBER),
	BAD("1e", CUT),
	BAD("[1e]", NUMBER),
	BAD("[1e+]", NUMBER),
	BAD("[1.e5]", NUMBER),
	BAD("0x10", TRAILING),
	BAD("1_0", TRAILING),
	BAD("\"", CUT),
	BAD("\"a", CUT),
	BAD("\"\\", CUT),
	BAD("\"\\\"", CUT),
	BAD("\"\\x\"", ESCAPE),
	BAD("\"\\u12g4\"", ESCAPE),
	BAD("\"\\u12\"", ESCAPE),
	BAD("\"\\U0041\"", ESCAPE),
	BAD("\"\\ud83d\"", ESCAPE),
	BAD("\"\\ud83dx\"", ESCAPE),
	BAD("\"\\ud83d\\n\"", ESCAPE),
	BAD("\"\\ud83d\\u0041\"", ESCAPE),
	BAD("\"\\ude00\"", ESCAPE),
	BAD("\"\\ude00\\ud83d\"", ESCAPE),
	BAD("\"\\ud83d\\ud83d\"", ESCAPE),
	BAD("\"\\ud83d", CUT),
	BAD("\"\\ud83d\\u", CUT),
	BAD("\"\n\"", CONTROL),
	BAD("\"\t\"", CONTROL),
	BAD("\"\0\"", CONTROL),
	BAD("\"0123456789abcdef\x1f\"", CONTROL),
	BAD("\"\x80\"", UTF8),
	BAD("\"\xc0\x80\"", UTF8),
	BAD("\"\xc1\xbf\"", UTF8),
	BAD("\"\xc2\"", UTF8),
	BAD("\"\xe0\x9f\xbf\"", UTF8),
	BAD("\"\xe2\x82\"", UTF8),
	BAD("\"\xed\xa0\x80\"", UTF8),
	BAD("\"\xf0\x8f\xbf\xbf\"", UTF8),
	BAD("\"\xf4\x90\x80\x80\"", UTF8),
	BAD("\"\xf5\x80\x80\x80\"", UTF8),
	BAD("\"\xff\"", UTF8),
	BAD("\"\xe2\x82", CUT),
	BAD("{\"\xff\":1}", UTF8),
};

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int rc = check(cases[i].text, cases[i].len, NULL);

		if (rc != cases[i].rc)
			fail_msg("%s: %d (%s)", cases[i].text, rc,
				 sl_json_bad_text((enum sl_json_bad) - rc));
	}
}

/* Whatever the cut, nothing is read past it; a cut object is never valid. */
static void test_cuts(void **state)
{
	static const char text[] =
		" {\"model\" : \"m\\u0041\xe2\x82\xac\", \"a\":[1.5e-3,true,null,{\"b\":\"\\ud83d"
		"\\ude00 long enough for a sixteen byte load\"}],\"n\":-10}";
	size_t len = sizeof(text) - 1;
	size_t at;

	(void)state;
	assert_int_equal(check(text, len, &at), 0);
	assert_int_equal(at, len);
	for (size_t n = 0; n < len; n++) {
		int rc = check(text, n, &at);

		if (rc != (n > 1 ? -SL_JSON_BAD_CUT : -SL_JSON_BAD_EMPTY))
			fail_msg("cut at %zu: %d", n, rc);
		assert_true(at <= n);
	}
}

/* One odd byte in a long plain string, at each place of each block: found, and exactly there. */
static void test_plain_blocks(void **state)
{
	static const struct {
		char byte;
		int rc;
	} odd[] = {
		{'"', -SL_JSON_BAD_TRAILING},
		{'\\', -SL_JSON_BAD_ESCAPE},
		{'\x1f', -SL_JSON_BAD_CONTROL},
		{'\0', -SL_JSON_BAD_CONTROL},
		{'\x80', -SL_JSON_BAD_UTF8},
		{'\xff', -SL_JSON_BAD_UTF8},
		{'\x20', 0},
		{'\x7f', 0},
	};
	char text[700];
	size_t at;

	(void)state;
	for (size_t len = 3; len < sizeof(text); len += len < 600 ? 97 : 1) {
		for (size_t i = 1; i < len - 1; i++) {
			for (size_t k = 0; k < COUNT(odd); k++) {
				int rc;

				memset(text, 'a', len);
				text[0] = text[len - 1] = '"';
				text[i] = odd[k].byte;
				assert_ptr_equal(
					sl_json_skip_plain_blocks(text + 1, text + len),
					sl_json_skip_plain_blocks_narrow(text + 1, text + len));
				rc = check(text, len, &at);
				assert_int_equal(rc, odd[k].byte == '\\' && i == len - 2
							     ? -SL_JSON_BAD_CUT
							     : odd[k].rc);
			}
		}
	}
}

static void test_depth(void **state)
{
	char text[2 * (SL_JSON_DEPTH_MAX + 1)];

	(void)state;
	for (size_t depth = SL_JSON_DEPTH_MAX; depth <= SL_JSON_DEPTH_MAX + 1; depth++) {
		memset(text, '[', depth);
		memset(text + depth, ']', depth);
		assert_int_equal(check(text, 2 * depth, NULL),
				 depth > SL_JSON_DEPTH_MAX ? -SL_JSON_BAD_DEPTH : 0);
	}
}

static void test_where(void **state)
{
	size_t at = 0;

	(void)state;
	assert_int_equal(check("{\"a\":1,,}", 9, &at), -SL_JSON_BAD_SYNTAX);
	assert_int_equal(at, 7);
}

/* ---- a corpus of its own making, judged by another parser too ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % bound;
}

struct writer {
	char text[GENERATED_MAX + 256];
	size_t len;
};

static void add(struct writer *w, const char *text)
{
	size_t len = strlen(text);

	memcpy(w->text + w->len, text, len);
	w->len += len;
}

static void add_string(struct writer *w)
{
	static const char *const bits[] = {"a",
					   "model",
					   "\\n",
					   "\\\"",
					   "\xc3\xa4",
					   "\xe2\x82\xac",
					   "\\u00e4",
					   " ",
					   "\\ud83d\\ude00",
					   "0123456789abcdef",
					   "{",
					   "\xf0\x9f\x98\x80",
					   "\\\\",
					   ","};

	add(w, "\"");
	for (uint32_t n = random_below(8); n; n--)
		add(w, bits[random_below(COUNT(bits))]);
	add(w, "\"");
}

static void add_value(struct writer *w, unsigned int depth)
{
	static const char *const words[] = {"null", "true", "false", "0",	"-0",
					    "17",   "-2.5", "1e3",   "0.25E-2", "123456789"};
	static const char *const blanks[] = {"", "", "", " ", "\n\t", "\r\n"};
	uint32_t kind = random_below(depth < 8 && w->len < GENERATED_MAX / 2 ? 5 : 2);

	add(w, blanks[random_below(COUNT(blanks))]);
	if (kind < 2) {
		if (kind)
			add_string(w);
		else
			add(w, words[random_below(COUNT(words))]);
	} else {
		bool object = kind > 2;

		add(w, object ? "{" : "[");
		for (uint32_t n = random_below(5), i = 0; i < n && w->len < GENERATED_MAX - 256;
		     i++) {
			if (i)
				add(w, ",");
			if (object) {
				add_string(w);
				add(w, blanks[random_below(COUNT(blanks))]);
				add(w, ":");
			}
			add_value(w, depth + 1);
		}
		add(w, blanks[random_below(COUNT(blanks))]);
		add(w, object ? "}" : "]");
	}
	add(w, blanks[random_below(COUNT(blanks))]);
}

/* No NUL among the bytes: jansson swallows one behind a number. The tables have NULs. */
static void damage(struct writer *w)
{
	static const char nasty[] =
		"\"\\{}[]:,0123456789-+.eEntf \n\t\x01\x7f\x80\xc3\xe2\xed\xf0\xff/u'";
	size_t at = random_below((uint32_t)w->len);

	switch (random_below(4)) {
	case 0: /* another byte */
		w->text[at] = nasty[random_below(sizeof(nasty) - 1)];
		break;
	case 1: /* one byte less */
		memmove(w->text + at, w->text + at + 1, w->len - at - 1);
		w->len--;
		break;
	case 2: /* one byte more */
		memmove(w->text + at + 1, w->text + at, w->len - at);
		w->text[at] = nasty[random_below(sizeof(nasty) - 1)];
		w->len++;
		break;
	default: /* cut */
		w->len = at;
		break;
	}
}

/* jansson also refuses numbers that do not fit its types: those are no question of syntax. */
static bool jansson_accepts(const char *text, size_t len, bool *ret_out_of_range)
{
	json_error_t error;
	json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

	*ret_out_of_range = !value && json_error_code(&error) == json_error_numeric_overflow;
	json_decref(value);
	return value != NULL;
}

static void test_against_jansson(void **state)
{
	static struct writer w;
	unsigned int accepted = 0, refused = 0;

	(void)state;
	random_state = CORPUS_SEED;
	for (unsigned int i = 0; i < CORPUS_TEXTS; i++) {
		w.len = 0;
		add_value(&w, 0);
		for (unsigned int d = 0; d <= DAMAGES_EACH && w.len; d++) {
			bool out_of_range;
			bool theirs = jansson_accepts(w.text, w.len, &out_of_range);
			bool ours = check(w.text, w.len, NULL) == 0;

			if (d == 0 && !ours)
				fail_msg("text %u refused: %.*s", i, (int)w.len, w.text);
			if (ours != theirs && !out_of_range)
				fail_msg("text %u, damage %u: %s by us: %.*s", i, d,
					 ours ? "accepted" : "refused", (int)w.len, w.text);
			accepted += ours;
			refused += !ours;
			damage(&w);
		}
	}
	/* the corpus must say something about both verdicts */
	assert_true(accepted > CORPUS_TEXTS);
	assert_true(refused > CORPUS_TEXTS);
}

/* ---- fields ---- */

enum { F_MODEL, F_STREAM, F_OPTIONS, F_USAGE, F_TOP_USAGE, F_COUNT };

struct field_case {
	const char *text;
	int rc;
	const char *values[F_COUNT]; /* NULL: absent */
};

static const struct field_case field_cases[] = {
	{"{}", 0, {NULL}},
	{"{\"model\":\"m\",\"stream\":true}", 0, {"\"m\"", "true"}},
	{" { \"stream\" : false , \"model\" : null } ", 0, {"null", "false"}},
	{"{\"mod\\u0065l\":1}", 0, {"1"}},
	{"{\"stream_options\":{\"include_usage\":true,\"x\":[{}]},\"model\":[1,{\"model\":2}]}",
	 0,
	 {"[1,{\"model\":2}]", NULL, "{\"include_usage\":true,\"x\":[{}]}", "true"}},
	{"{\"include_usage\":1,\"other\":{\"include_usage\":2,\"model\":3}}",
	 0,
	 {NULL, NULL, NULL, NULL, "1"}},
	{"{\"stream_options\":[{\"include_usage\":true}]}",
	 0,
	 {NULL, NULL, "[{\"include_usage\":true}]"}},
	{"{\"stream_options\":{\"a\":{\"include_usage\":true}}}",
	 0,
	 {NULL, NULL, "{\"a\":{\"include_usage\":true}}"}},
	{"{\"stream_options\":{},\"x\":{\"include_usage\":true}}", 0, {NULL, NULL, "{}"}},
	{"{\"stream\\u005foptions\":{\"include\\u005fusage\":7}}",
	 0,
	 {NULL, NULL, "{\"include\\u005fusage\":7}", "7"}},
	{"{\"models\":1,\"mode\":2,\"\":3,\"Model\":4}", 0, {NULL}},
	{"{\"x\":1,\"x\":2,\"messages\":[{\"model\":1},{\"model\":1}]}", 0, {NULL}},
	{"{\"model\\u0000\":1}", 0, {NULL}},
	{"{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\n\":1,"
	 "\"model\":2}",
	 0,
	 {"2"}},
	{"{\"model\":1,\"model\":2}", -SL_JSON_BAD_DUPLICATE, {NULL}},
	{"{\"model\":1,\"x\":{},\"mod\\u0065l\":2}", -SL_JSON_BAD_DUPLICATE, {NULL}},
	{"{\"\\u006dodel\":{},\"model\":2}", -SL_JSON_BAD_DUPLICATE, {NULL}},
	{"{\"model\":null,\"model\":null}", -SL_JSON_BAD_DUPLICATE, {NULL}},
	{"{\"stream_options\":{},\"stream_options\":{}}", -SL_JSON_BAD_DUPLICATE, {NULL}},
	{"{\"stream_options\":{\"include_usage\":1,\"include_usage\":1}}",
	 -SL_JSON_BAD_DUPLICATE,
	 {NULL}},
	{"[{\"model\":1}]", -SL_JSON_BAD_NOT_OBJECT, {NULL}},
	{"\"model\"", -SL_JSON_BAD_NOT_OBJECT, {NULL}},
	{"[", -SL_JSON_BAD_CUT, {NULL}},
	{"", -SL_JSON_BAD_EMPTY, {NULL}},
	{"{\"model\":1}x", -SL_JSON_BAD_TRAILING, {NULL}},
};

static int scan(const char *text, struct sl_json_field f[F_COUNT])
{
	size_t len = strlen(text);

	f[F_MODEL] = (struct sl_json_field)SL_JSON_FIELD("model");
	f[F_STREAM] = (struct sl_json_field)SL_JSON_FIELD("stream");
	f[F_OPTIONS] = (struct sl_json_field)SL_JSON_FIELD("stream_options");
	f[F_USAGE] = (struct sl_json_field)SL_JSON_FIELD_IN("stream_options", "include_usage");
	f[F_TOP_USAGE] = (struct sl_json_field)SL_JSON_FIELD("include_usage");
	return sl_json_scan(place(text, len), len, f, F_COUNT);
}

static void test_fields(void **state)
{
	struct sl_json_field f[F_COUNT];

	(void)state;
	for (size_t i = 0; i < COUNT(field_cases); i++) {
		const struct field_case *c = &field_cases[i];
		int rc = scan(c->text, f);

		if (rc != c->rc)
			fail_msg("%s: %d", c->text, rc);
		for (size_t k = 0; rc == 0 && k < F_COUNT; k++) {
			const char *x = c->values[k];

			if (!x != (f[k].type == SL_JSON_ABSENT) ||
			    (x && (f[k].value_len != strlen(x) ||
				   memcmp(f[k].value, x, f[k].value_len) != 0)))
				fail_msg("%s: field %zu: %.*s", c->text, k, (int)f[k].value_len,
					 f[k].value ? f[k].value : "");
		}
	}
}

/* Names in letters of another case are refused where the caller wants it, and only whole names. */
static void test_letter_case(void **state)
{
	static const struct {
		const char *text;
		int rc;
		bool any_case;
	} rows[] = {
		{"{\"model\":1,\"Model\":2}", 0, false},
		{"{\"model\":1,\"Model\":2}", -SL_JSON_BAD_CASE, true},
		{"{\"MODEL\":2}", -SL_JSON_BAD_CASE, true},
		{"{\"mod\\u0045l\":2}", -SL_JSON_BAD_CASE, true},
		{"{\"Models\":1,\"Mode\":2,\"MODEL \":3,\"\":4,\"Moder\":5}", 0, true},
		{"{\"x\":{\"Model\":1},\"y\":[{\"MODEL\":2}]}", 0, true},
		{"{\"\xe2\x84\xaa\":1,\"mode\xe2\x84\":1}", -SL_JSON_BAD_UTF8, true},
		{"{\"\xc3\xa4model\":1,\"model\xc3\xa4\":1}", 0, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sl_json_field f = SL_JSON_FIELD("model");
		size_t len = strlen(rows[i].text);
		int rc;

		f.any_case = rows[i].any_case;
		rc = sl_json_scan(place(rows[i].text, len), len, &f, 1);
		if (rc != rows[i].rc)
			fail_msg("%s: %d", rows[i].text, rc);
		assert_int_equal(f.refused, rc == -SL_JSON_BAD_CASE);
	}
}

/* A parent that is wanted only for a child of it may not occur twice either. */
static void test_lone_parent(void **state)
{
	struct sl_json_field f = SL_JSON_FIELD_IN("a", "b");
	static const char twice[] = "{\"a\":1,\"a\":{\"b\":2}}";

	(void)state;
	assert_int_equal(sl_json_scan(twice, sizeof(twice) - 1, &f, 1), -SL_JSON_BAD_DUPLICATE);
	assert_int_equal(sl_json_scan(twice + 6, 0, &f, 1), -SL_JSON_BAD_EMPTY);
}

static void test_each(void **state)
{
	static const char *const elements[] = {"1", "\"a,]\"", "[2,[]]", "{\"b\":[3]}", "null"};
	static const uint8_t types[] = {SL_JSON_NUMBER, SL_JSON_STRING, SL_JSON_ARRAY,
					SL_JSON_OBJECT, SL_JSON_NULL};
	struct sl_json_field f[F_COUNT], e;
	const char *cursor = NULL;
	size_t i = 0;

	(void)state;
	assert_int_equal(
		scan("{\"model\":[ 1 ,\"a,]\", [2,[]],{\"b\":[3]},null ],\"stream\":[ ]}", f), 0);
	while (sl_json_each(&f[F_MODEL], &cursor, &e)) {
		assert_true(i < COUNT(elements));
		assert_int_equal(e.type, types[i]);
		assert_int_equal(e.value_len, strlen(elements[i]));
		assert_memory_equal(e.value, elements[i], e.value_len);
		i++;
	}
	assert_int_equal(i, COUNT(elements));
	cursor = NULL;
	assert_false(sl_json_each(&f[F_STREAM], &cursor, &e));
	cursor = NULL;
	assert_false(sl_json_each(&f[F_OPTIONS], &cursor, &e));
}

static struct sl_json_field value_of(const char *json)
{
	static char text[512];
	struct sl_json_field f = SL_JSON_FIELD("v");
	size_t len = (size_t)snprintf(text, sizeof(text), "{\"v\":%s}", json);

	assert_int_equal(sl_json_scan(text, len, &f, 1), 0);
	return f;
}

static void test_strings(void **state)
{
	static const struct {
		const char *json, *text;
	} strings[] = {
		{"\"\"", ""},
		{"\"abc\"", "abc"},
		{"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"},
		{"\"\\u0041\\u00e4\\u20AC\\ud83D\\uDe00z\"",
		 "A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"},
		{"\"\xe2\x82\xac\"", "\xe2\x82\xac"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		struct sl_json_field f = value_of(strings[i].json);
		size_t len = strlen(strings[i].text);

		for (size_t size = 0; size < len + 2; size++) {
			char *out = sl_guard_alloc(size);
			int rc = sl_json_string(&f, out, size);

			assert_int_equal(rc, size > len ? (int)len : -ENOSPC);
			if (rc >= 0)
				assert_string_equal(out, strings[i].text);
			sl_guard_free(out, size);
		}
		assert_true(sl_json_string_equal(&f, strings[i].text, len));
		assert_false(sl_json_string_equal(&f, "no", 2));
	}
}

/*
 * Long texts of pieces whose decoding is known, so that escapes stand at each place of a block, behind one
 * another and at its end: text and room end at guard pages. Checked and decoded.
 */
static void test_long_strings(void **state)
{
	static const struct {
		const char *json, *text;
	} pieces[] = {
		{"a", "a"},
		{"twenty bytes of words", "twenty bytes of words"},
		{"\\\"", "\""},
		{"\\\\", "\\"},
		{"\\n", "\n"},
		{"\\/", "/"},
		{"\\u0041", "A"},
		{"\\u20ac", "\xe2\x82\xac"},
		{"\\ud83d\\ude00", "\xf0\x9f\x98\x80"},
		{"\xc3\xa4", "\xc3\xa4"},
		{"\\\\\\\\\\\"", "\\\\\""},
		{"0123456789012345678901234567890123456789012345678901234567890123",
		 "0123456789012345678901234567890123456789012345678901234567890123"},
	};
	struct sl_random random;
	char json[700], text[700];

	(void)state;
	sl_random_seed(&random, CORPUS_SEED);
	for (int round = 0; round < 20000; round++) {
		/* of some the escapes are rare, of some nearly all */
		uint32_t kinds = round % 3 ? COUNT(pieces) : 2 + (uint32_t)round % 9;
		size_t wanted = sl_random_below(&random, 500), json_len = 0, text_len = 0;
		struct sl_json_field f = SL_JSON_FIELD("");
		char *out;

		json[json_len++] = '"';
		while (json_len < wanted) {
			uint32_t k = (uint32_t)sl_random_below(&random, kinds);

			memcpy(json + json_len, pieces[k].json, strlen(pieces[k].json));
			memcpy(text + text_len, pieces[k].text, strlen(pieces[k].text));
			json_len += strlen(pieces[k].json);
			text_len += strlen(pieces[k].text);
		}
		json[json_len++] = '"';
		f.value = place(json, json_len);
		assert_int_equal(sl_json_check(f.value, json_len, NULL), 0);
		f.value_len = json_len;
		f.type = SL_JSON_STRING;
		f.escaped = memchr(json, '\\', json_len) != NULL;
		for (int tight = 0; tight < 2; tight++) {
			size_t size = tight ? text_len + 1 : json_len - 1;

			out = sl_guard_alloc(size);
			assert_int_equal(sl_json_string(&f, out, size), text_len);
			assert_memory_equal(out, text, text_len);
			assert_int_equal(out[text_len], 0);
			assert_int_equal(sl_json_string(&f, out, text_len), -ENOSPC);
			sl_guard_free(out, size);
		}
	}
}

/* An escape that is none, at each place of a block, behind escapes that are. */
static void test_bad_escapes(void **state)
{
	static const char *const before[] = {"a", "\\\"", "\\\\", "\\n", "abcde\\/"};
	char text[200];

	(void)state;
	for (size_t k = 0; k < COUNT(before); k++) {
		size_t len = 1, step = strlen(before[k]), at;

		text[0] = '"';
		for (; len + step < 150; len += step) {
			for (int code = 1; code < 256; code++) {
				size_t all = len;
				bool good = strchr("\"\\/bfnrt", code) != NULL;

				text[all++] = '\\';
				text[all++] = (char)code;
				memset(text + all, 'x', 20);
				all += 20;
				text[all++] = '"';
				assert_int_equal(check(text, all, &at),
						 good ? 0 : -SL_JSON_BAD_ESCAPE);
				assert_int_equal(at, good ? all : len);
			}
			memcpy(text + len, before[k], step);
		}
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *json;
		int rc;
		int64_t value;
	} ints[] = {
		{"0", 0, 0},
		{"-0", 0, 0},
		{"17", 0, 17},
		{"-17", 0, -17},
		{"5.000", 0, 5},
		{"9223372036854775807", 0, INT64_MAX},
		{"-9223372036854775808", 0, INT64_MIN},
		{"9223372036854775808", -ERANGE, 0},
		{"-9223372036854775809", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"5.5", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"\"5\"", -EINVAL, 0},
		{"true", -EINVAL, 0},
	};
	struct sl_json_field f;
	int64_t value;
	double number;
	bool truth;

	(void)state;
	for (size_t i = 0; i < COUNT(ints); i++) {
		f = value_of(ints[i].json);
		value = 42;
		assert_int_equal(sl_json_int(&f, &value), ints[i].rc);
		assert_int_equal(value, ints[i].rc ? 42 : ints[i].value);
	}
	f = value_of("-2.5e-1");
	assert_int_equal(sl_json_double(&f, &number), 0);
	assert_true(number == -0.25);
	f = value_of("1e999");
	assert_int_equal(sl_json_double(&f, &number), -ERANGE);
	f = value_of("null");
	assert_int_equal(sl_json_double(&f, &number), -EINVAL);
	assert_int_equal(sl_json_bool(&f, &truth), -EINVAL);
	f = value_of("true");
	assert_int_equal(sl_json_bool(&f, &truth), 0);
	assert_true(truth);
}

/* Whatever bytes go in, what comes out is a valid string that decodes to them. */
static void test_escape(void **state)
{
	char text[64], json[512], out[64];

	(void)state;
	random_state = CORPUS_SEED;
	for (unsigned int i = 0; i < 2000; i++) {
		size_t len = random_below(sizeof(text) - 1);
		bool ascii = i % 2;
		struct sl_json_field f = {.type = SL_JSON_STRING, .value = json, .escaped = true};
		int rc;

		for (size_t k = 0; k < len; k++)
			text[k] = (char)random_below(ascii ? 128 : 256);
		json[0] = '"';
		rc = sl_json_escape(text, len, json + 1, sizeof(json) - 2);
		assert_in_range(rc, 0, 6 * len);
		json[rc + 1] = '"';
		f.value_len = (size_t)rc + 2;
		assert_int_equal(check(json, f.value_len, NULL), 0);
		if (ascii) {
			assert_int_equal(sl_json_string(&f, out, sizeof(out)), len);
			assert_memory_equal(out, text, len);
		}
		if (rc > 0)
			assert_int_equal(sl_json_escape(text, len, json, (size_t)rc - 1), -ENOSPC);
	}
	assert_int_equal(sl_json_escape("a\xff"
					"b\xe2\x82",
					5, out, sizeof(out)),
			 11);
	assert_memory_equal(out,
			    "a\xef\xbf\xbd"
			    "b\xef\xbf\xbd\xef\xbf\xbd",
			    11);
}

struct edit_case {
	const char *body;
	const char *expected; /* model becomes "n", then "k":1 is added */
};

static void test_edits(void **state)
{
	static const struct edit_case edits[] = {
		{"{\"model\":\"m\"}", "{\"model\":\"n\",\"k\":1}"},
		{"{\"model\":\"m\" , \"x\":[1]\n}\n", "{\"model\":\"n\" , \"x\":[1],\"k\":1\n}\n"},
		{" {\"x\":{},\"model\":{\"a\":1} } ", " {\"x\":{},\"model\":\"n\",\"k\":1 } "},
		{"{\"model\":\"{\"}", "{\"model\":\"n\",\"k\":1}"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < COUNT(edits); i++) {
		struct sl_json_field f = SL_JSON_FIELD("model");
		struct sl_json_piece pieces[7];
		struct sl_json_edit e[2];
		size_t len = strlen(edits[i].body);
		size_t expected_len = strlen(edits[i].expected);
		size_t total = 0;
		int count;

		assert_int_equal(sl_json_scan(edits[i].body, len, &f, 1), 0);
		e[0] = sl_json_edit_replace(edits[i].body, &f, "\"n\"", 3);
		e[1] = sl_json_edit_insert(edits[i].body, len, NULL, "\"k\":1", 5);
		for (size_t size = 0; size < expected_len; size++)
			assert_int_equal(sl_json_edit_write(edits[i].body, len, e, 2, out, size),
					 -ENOSPC);
		assert_int_equal(sl_json_edit_write(edits[i].body, len, e, 2, out, sizeof(out)),
				 expected_len);
		assert_memory_equal(out, edits[i].expected, expected_len);
		count = sl_json_edit_pieces(edits[i].body, len, e, 2, pieces, COUNT(pieces));
		assert_in_range(count, 1, COUNT(pieces));
		for (int k = 0; k < count; k++) {
			assert_memory_equal(pieces[k].data, edits[i].expected + total,
					    pieces[k].len);
			total += pieces[k].len;
		}
		assert_int_equal(total, expected_len);
		assert_int_equal(
			sl_json_edit_pieces(edits[i].body, len, e, 2, pieces, (size_t)count - 1),
			-ENOSPC);
	}
}

static void test_insertions(void **state)
{
	static const char body[] = "{\"o\":{ },\"p\":{\"a\":\"{\"}}";
	struct sl_json_field f[2] = {SL_JSON_FIELD("o"), SL_JSON_FIELD("p")};
	struct sl_json_edit e[3];
	char out[128];
	static const char expected[] = "{\"o\":{\"b\":1,\"c\":2 },\"p\":{\"a\":\"{\",\"b\":1}}";

	(void)state;
	assert_int_equal(sl_json_scan(body, sizeof(body) - 1, f, 2), 0);
	e[0] = sl_json_edit_insert(body, sizeof(body) - 1, &f[0], "\"b\":1", 5);
	e[1] = sl_json_edit_insert(body, sizeof(body) - 1, &f[0], "\"c\":2", 5);
	e[2] = sl_json_edit_insert(body, sizeof(body) - 1, &f[1], "\"b\":1", 5);
	assert_int_equal(sl_json_edit_write(body, sizeof(body) - 1, e, 3, out, sizeof(out)),
			 sizeof(expected) - 1);
	assert_memory_equal(out, expected, sizeof(expected) - 1);
	e[0] = sl_json_edit_insert("{}", 2, NULL, "\"b\":1", 5);
	assert_int_equal(sl_json_edit_write("{}", 2, e, 1, out, sizeof(out)), 7);
	assert_memory_equal(out, "{\"b\":1}", 7);
	e[1] = (struct sl_json_edit){.at = 0, .text = "x", .text_len = 1};
	assert_int_equal(sl_json_edit_write("{}", 2, e, 2, out, sizeof(out)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),	     cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_plain_blocks), cmocka_unit_test(test_depth),
		cmocka_unit_test(test_where),	     cmocka_unit_test(test_against_jansson),
		cmocka_unit_test(test_fields),	     cmocka_unit_test(test_letter_case),
		cmocka_unit_test(test_lone_parent),  cmocka_unit_test(test_each),
		cmocka_unit_test(test_strings),	     cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_bad_escapes),  cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_escape),	     cmocka_unit_test(test_edits),
		cmocka_unit_test(test_insertions),
	};
	int rc;

	room = sl_guard_alloc(ROOM);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	sl_guard_free(room, ROOM);
	return rc;
}
