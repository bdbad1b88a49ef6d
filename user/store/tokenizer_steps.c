/* SPDX-License-Identifier: BSD-2-Clause */
/* Normalizers and pre-tokenizers as they are read: see tokenizer.h. */
#include "user/store/tokenizer_parts.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#define DEPTH_MAX   4 /* of sequences within sequences */
#define PATTERN_MAX 4096u
#define TYPE_MAX    64u

/* What ByteLevel cuts by; the pattern of GPT-2. */
#define PATTERN_GPT2                                                                     \
	"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|" \
	"\\s+"

/* ---- values ---------------------------------------------------------------------------------- */

/* A string of its own. 0, -EINVAL (not one, or too long), -ENOMEM. */
static int take_string(const struct sl_json_field *field, char **ret_text, size_t *ret_len)
{
	size_t room = field->value_len + 1;
	char *text;
	int len;

	if (field->type != SL_JSON_STRING || field->value_len > PATTERN_MAX)
		return -EINVAL;
	text = malloc(room);
	if (!text)
		return -ENOMEM;
	len = sl_json_string(field, text, room);
	if (len < 0) {
		free(text);
		return -EINVAL;
	}
	*ret_text = text;
	*ret_len = (size_t)len;
	return 0;
}

static bool is_true(const struct sl_json_field *field, bool otherwise)
{
	bool value = otherwise;

	sl_json_bool(field, &value);
	return value;
}

/* ---- patterns -------------------------------------------------------------------------------- */

/* Oniguruma has sets within sets and their intersection, which would be read as something else. */
static bool has_nested_sets(const char *pattern, size_t len)
{
	bool inside = false;

	for (size_t i = 0; i < len; i++) {
		if (pattern[i] == '\\') {
			i++;
		} else if (!inside) {
			inside = pattern[i] == '[';
			if (inside && i + 1 < len && pattern[i + 1] == '^')
				i++;
		} else if (pattern[i] == '[' ||
			   (pattern[i] == '&' && i + 1 < len && pattern[i + 1] == '&')) {
			return true;
		} else {
			inside = pattern[i] != ']';
		}
	}
	return false;
}

static int compile(struct sl_tokenizer_step *step, const char *pattern, size_t len,
		   struct sl_error *error)
{
	PCRE2_SIZE at = 0;
	PCRE2_UCHAR why[128] = "";
	int number = 0;

	if (has_nested_sets(pattern, len))
		return sl_error_set(error, -EINVAL, "pattern \"%.*s\": sets within sets",
				    (int)(len < 80 ? len : 80), pattern);
	step->code =
		pcre2_compile((PCRE2_SPTR)pattern, len,
			      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C,
			      &number, &at, NULL);
	if (!step->code) {
		pcre2_get_error_message(number, why, sizeof(why));
		return sl_error_set(error, -EINVAL, "pattern \"%.*s\": %s at %zu",
				    (int)(len < 80 ? len : 80), pattern, (const char *)why, at);
	}
	pcre2_jit_compile(step->code, PCRE2_JIT_COMPLETE); /* without, it is only slower */
	return 0;
}

/* {"String": ...} or {"Regex": ...} */
static int read_pattern(struct sl_tokenizer_step *step, const struct sl_json_field *value,
			struct sl_error *error)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("String"), SL_JSON_FIELD("Regex")};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (value->type != SL_JSON_OBJECT || sl_json_scan(value->value, value->value_len, f, 2))
		return sl_error_set(error, -EINVAL,
				    "pattern: expected {\"String\"} or {\"Regex\"}");
	rc = take_string(f[0].type ? &f[0] : &f[1], &text, &len);
	if (rc)
		return sl_error_set(error, rc, "pattern: no text of at most %u bytes", PATTERN_MAX);
	if (f[0].type) {
		step->pattern = text;
		step->pattern_len = len;
		return len ? 0 : sl_error_set(error, -EINVAL, "pattern: empty");
	}
	rc = compile(step, text, len, error);
	free(text);
	return rc;
}

/* ---- the kinds ------------------------------------------------------------------------------- */

enum {
	TYPE,
	LIST,
	PATTERN,
	CONTENT,
	PREPEND,
	LEFT,
	RIGHT,
	BEHAVIOR,
	INVERT,
	PREFIX,
	REGEX,
	REPLACEMENT,
	SCHEME,
	CUT,
	SINGLE,
	FIELDS
};

struct reading {
	struct sl_tokenizer_step *step;
	struct sl_json_field *fields;
	struct sl_error *error;
};

static int read_replace(const struct reading *r)
{
	int rc = read_pattern(r->step, &r->fields[PATTERN], r->error);

	if (rc)
		return rc;
	r->step->kind = SL_TOKENIZER_REPLACE;
	rc = take_string(&r->fields[CONTENT], &r->step->content, &r->step->content_len);
	return rc ? sl_error_set(r->error, rc, "content: no text") : 0;
}

static int read_prepend(const struct reading *r)
{
	int rc = take_string(&r->fields[PREPEND], &r->step->content, &r->step->content_len);

	r->step->kind = SL_TOKENIZER_PREPEND;
	return rc ? sl_error_set(r->error, rc, "prepend: no text") : 0;
}

static int read_strip(const struct reading *r)
{
	r->step->kind = SL_TOKENIZER_STRIP;
	r->step->left = is_true(&r->fields[LEFT], true);
	r->step->right = is_true(&r->fields[RIGHT], true);
	return 0;
}

static int read_lower(const struct reading *r)
{
	r->step->kind = SL_TOKENIZER_LOWER;
	return 0;
}

static int read_form(const struct reading *r, int options)
{
	r->step->kind = SL_TOKENIZER_NORMAL;
	r->step->options = options | UTF8PROC_STABLE;
	return 0;
}

static int read_nfc(const struct reading *r)
{
	return read_form(r, UTF8PROC_COMPOSE);
}

static int read_nfd(const struct reading *r)
{
	return read_form(r, UTF8PROC_DECOMPOSE);
}

static int read_nfkc(const struct reading *r)
{
	return read_form(r, UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

static int read_nfkd(const struct reading *r)
{
	return read_form(r, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT);
}

static int read_behavior(const struct reading *r)
{
	static const char *const names[] = {"Isolated", "Removed", "MergedWithPrevious",
					    "MergedWithNext", "Contiguous"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (sl_json_string_equal(&r->fields[BEHAVIOR], names[i], strlen(names[i]))) {
			r->step->behavior = (enum sl_tokenizer_behavior)i;
			return 0;
		}
	}
	return sl_error_set(r->error, -EINVAL, "behavior %.*s is not known",
			    (int)(r->fields[BEHAVIOR].value_len & 63), r->fields[BEHAVIOR].value);
}

static int read_split(const struct reading *r)
{
	int rc = read_pattern(r->step, &r->fields[PATTERN], r->error);

	r->step->kind = SL_TOKENIZER_SPLIT;
	r->step->invert = is_true(&r->fields[INVERT], false);
	return rc ? rc : read_behavior(r);
}

static int read_bytes(const struct reading *r)
{
	r->step->kind = SL_TOKENIZER_BYTES;
	r->step->prepend =
		is_true(&r->fields[PREFIX], true) ? SL_TOKENIZER_ALWAYS : SL_TOKENIZER_NEVER;
	if (!is_true(&r->fields[REGEX], true))
		return 0;
	return compile(r->step, PATTERN_GPT2, sizeof(PATTERN_GPT2) - 1, r->error);
}

static int read_spaces(const struct reading *r)
{
	const struct sl_json_field *scheme = &r->fields[SCHEME];
	int rc = take_string(&r->fields[REPLACEMENT], &r->step->content, &r->step->content_len);

	if (rc || !r->step->content_len)
		return sl_error_set(r->error, rc ? rc : -EINVAL, "replacement: no text");
	r->step->kind = SL_TOKENIZER_SPACES;
	r->step->cut = is_true(&r->fields[CUT], true);
	r->step->prepend =
		is_true(&r->fields[PREFIX], true) ? SL_TOKENIZER_ALWAYS : SL_TOKENIZER_NEVER;
	if (sl_json_string_equal(scheme, "never", 5))
		r->step->prepend = SL_TOKENIZER_NEVER;
	else if (sl_json_string_equal(scheme, "first", 5))
		r->step->prepend = SL_TOKENIZER_FIRST;
	return 0;
}

static int read_digits(const struct reading *r)
{
	bool single = is_true(&r->fields[SINGLE], false);

	r->step->kind = SL_TOKENIZER_SPLIT;
	r->step->behavior = SL_TOKENIZER_ISOLATED;
	return compile(r->step, single ? "\\p{N}" : "\\p{N}+", single ? 5 : 6, r->error);
}

static int read_punctuation(const struct reading *r)
{
	static const char pattern[] = "[\\p{P}!-\\/:-@\\[-`{-~]";

	r->step->kind = SL_TOKENIZER_SPLIT;
	r->step->behavior = SL_TOKENIZER_ISOLATED;
	if (r->fields[BEHAVIOR].type && read_behavior(r))
		return -EINVAL;
	return compile(r->step, pattern, sizeof(pattern) - 1, r->error);
}

static int read_blanks(const struct reading *r)
{
	r->step->kind = SL_TOKENIZER_SPLIT;
	r->step->behavior = SL_TOKENIZER_REMOVED;
	return compile(r->step, "\\s+", 3, r->error);
}

static const struct kind {
	const char *name;
	bool cutting;
	int (*read)(const struct reading *r);
} kinds[] = {
	{"NFC", false, read_nfc},
	{"NFD", false, read_nfd},
	{"NFKC", false, read_nfkc},
	{"NFKD", false, read_nfkd},
	{"Lowercase", false, read_lower},
	{"Prepend", false, read_prepend},
	{"Replace", false, read_replace},
	{"Strip", false, read_strip},
	{"Split", true, read_split},
	{"ByteLevel", true, read_bytes},
	{"Metaspace", true, read_spaces},
	{"Digits", true, read_digits},
	{"Punctuation", true, read_punctuation},
	{"WhitespaceSplit", true, read_blanks},
};

/* ---- reading --------------------------------------------------------------------------------- */

static int read_any(struct sl_tokenizer_steps *steps, const struct sl_json_field *value,
		    bool cutting, int depth, struct sl_error *error);

static int read_sequence(struct sl_tokenizer_steps *steps, const struct sl_json_field *list,
			 bool cutting, int depth, struct sl_error *error)
{
	const char *cursor = NULL;
	struct sl_json_field element;
	int rc = 0;

	if (list->type != SL_JSON_ARRAY)
		return sl_error_set(error, -EINVAL, "Sequence: no list");
	if (depth == DEPTH_MAX)
		return sl_error_set(error, -EINVAL, "Sequence: more than %d within each other",
				    DEPTH_MAX);
	while (rc == 0 && sl_json_each(list, &cursor, &element))
		rc = read_any(steps, &element, cutting, depth + 1, error);
	return rc;
}

static int read_one(struct sl_tokenizer_steps *steps, struct sl_json_field *fields,
		    const char *type, bool cutting, struct sl_error *error)
{
	struct reading r = {.fields = fields, .error = error};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (kinds[i].cutting != cutting || strcmp(kinds[i].name, type) != 0)
			continue;
		if (steps->count == SL_TOKENIZER_STEPS_MAX)
			return sl_error_set(error, -E2BIG, "more than %u steps",
					    SL_TOKENIZER_STEPS_MAX);
		r.step = &steps->list[steps->count++];
		return kinds[i].read(&r);
	}
	return sl_error_set(error, -EINVAL, "type \"%s\" is not supported", type);
}

static int read_any(struct sl_tokenizer_steps *steps, const struct sl_json_field *value,
		    bool cutting, int depth, struct sl_error *error)
{
	struct sl_json_field f[FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[PATTERN] = SL_JSON_FIELD("pattern"),
		[CONTENT] = SL_JSON_FIELD("content"),
		[PREPEND] = SL_JSON_FIELD("prepend"),
		[LEFT] = SL_JSON_FIELD("strip_left"),
		[RIGHT] = SL_JSON_FIELD("strip_right"),
		[BEHAVIOR] = SL_JSON_FIELD("behavior"),
		[INVERT] = SL_JSON_FIELD("invert"),
		[PREFIX] = SL_JSON_FIELD("add_prefix_space"),
		[REGEX] = SL_JSON_FIELD("use_regex"),
		[REPLACEMENT] = SL_JSON_FIELD("replacement"),
		[SCHEME] = SL_JSON_FIELD("prepend_scheme"),
		[CUT] = SL_JSON_FIELD("split"),
		[SINGLE] = SL_JSON_FIELD("individual_digits"),
		[LIST] = SL_JSON_FIELD("normalizers"),
	};
	char type[TYPE_MAX];
	int rc;

	if (value->type == SL_JSON_ABSENT || value->type == SL_JSON_NULL)
		return 0;
	if (cutting)
		f[LIST] = (struct sl_json_field)SL_JSON_FIELD("pretokenizers");
	if (value->type != SL_JSON_OBJECT ||
	    sl_json_scan(value->value, value->value_len, f, FIELDS) ||
	    sl_json_string(&f[TYPE], type, sizeof(type)) <= 0)
		return sl_error_set(error, -EINVAL, "an object with a type was expected");
	if (strcmp(type, "Sequence") == 0)
		return read_sequence(steps, &f[LIST], cutting, depth, error);
	rc = read_one(steps, f, type, cutting, error);
	return rc;
}

int sl_tokenizer_steps_read(struct sl_tokenizer_steps *steps, const struct sl_json_field *value,
			    bool cutting, struct sl_error *error)
{
	int rc = read_any(steps, value, cutting, 0, error);
	uint32_t i;

	for (i = 0; rc == 0 && i + 1 < steps->count; i++) {
		if (steps->list[i].kind == SL_TOKENIZER_BYTES)
			rc = sl_error_set(error, -EINVAL, "ByteLevel is not the last one");
	}
	return rc ? sl_error_prefix(error, rc, cutting ? "pre_tokenizer" : "normalizer") : 0;
}

void sl_tokenizer_steps_close(struct sl_tokenizer_steps *steps)
{
	for (uint32_t i = 0; i < steps->count; i++) {
		pcre2_code_free(steps->list[i].code);
		free(steps->list[i].pattern);
		free(steps->list[i].content);
	}
	steps->count = 0;
}
