/* SPDX-License-Identifier: BSD-2-Clause */
/* A tokenizer.json into tables: see tokenizer.h. */
#include "user/store/tokenizer_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/random.h"

#define MARK	    "\xe2\x96\x81" /* U+2581 */
#define UNKNOWN_GAP 10.0	   /* below the lowest score: Unigram's unknown */

struct reader {
	struct sl_tokenizer *t;
	struct sl_error *error;
	char first[SL_TOKENIZER_TOKEN_MAX + 1]; /* a token, decoded */
	char pair[2 * SL_TOKENIZER_TOKEN_MAX + 2];
};

enum {
	TYPE,
	VOCAB,
	MERGES,
	UNKNOWN,
	UNKNOWN_ID,
	FUSE,
	FALLBACK,
	IGNORE,
	DROPOUT,
	PREFIX,
	SUFFIX,
	MODEL_FIELDS
};

/* ---- tokens' texts --------------------------------------------------------------------------- */

/* ByteLevel's alphabet: a byte of the letter, or -1. */
static int byte_of(uint32_t code)
{
	if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) ||
	    (code >= 0xae && code <= 0xff))
		return (int)code;
	if (code < 0x100 || code >= 0x100 + 68)
		return -1;
	code -= 0x100; /* of those that are left, in their order */
	if (code < 0x21)
		return (int)code;
	if (code < 0x21 + 34)
		return (int)(code - 0x21 + 0x7f);
	return 0xad;
}

/* In place. False: it has letters of no byte, and is left as it was. */
static bool to_bytes(char *text, size_t *len)
{
	char bytes[SL_TOKENIZER_TOKEN_MAX];
	size_t at = 0, count = 0, n;
	uint32_t code;
	int byte;

	if (!*len)
		return true;
	while (at < *len) {
		n = sl_tokenizer_letter(text, *len, at);
		code = (uint8_t)text[at];
		if (n == 2)
			code = (code & 0x1f) << 6 | ((uint8_t)text[at + 1] & 0x3f);
		byte = n > 2 ? -1 : byte_of(code);
		if (byte < 0)
			return false;
		bytes[count++] = (char)byte;
		at += n;
	}
	memcpy(text, bytes, count);
	*len = count;
	return true;
}

/* The token of a JSON string into room, which has SL_TOKENIZER_TOKEN_MAX + 1. */
static int take(const struct reader *r, const struct sl_json_field *field, char *room,
		size_t *ret_len)
{
	int len = sl_json_string(field, room, SL_TOKENIZER_TOKEN_MAX + 1);

	if (len == -ENOSPC)
		return sl_error_set(r->error, -E2BIG, "a token of more than %u bytes",
				    SL_TOKENIZER_TOKEN_MAX);
	if (len < 0)
		return sl_error_set(r->error, -EINVAL, "a token is no text");
	*ret_len = (size_t)len;
	if (r->t->bytes)
		to_bytes(room, ret_len);
	return 0;
}

static size_t count_of(const struct sl_json_field *list)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	size_t count = 0;

	if (list->type == SL_JSON_OBJECT) {
		while (sl_json_each_member(list, &cursor, &key, &value))
			count++;
	} else if (list->type == SL_JSON_ARRAY) {
		while (sl_json_each(list, &cursor, &value))
			count++;
	}
	return count;
}

static int open_names(struct reader *r, const struct sl_json_field *vocab)
{
	size_t count = count_of(vocab);

	if (!count)
		return sl_error_set(r->error, -EINVAL, "model.vocab: no tokens");
	if (count > SL_TOKENIZER_TOKENS_MAX)
		return sl_error_set(r->error, -E2BIG, "model.vocab: more than %u tokens",
				    SL_TOKENIZER_TOKENS_MAX);
	r->t->size = (uint32_t)count;
	if (sl_tokenizer_names_open(&r->t->names, (uint32_t)count, vocab->value_len))
		return sl_error_set(r->error, -ENOMEM, "model.vocab: no memory");
	return 0;
}

/* The 256 bytes: each a token of one letter, or of <0x00> to <0xFF>. */
static int read_letters(struct reader *r, bool fallback)
{
	struct sl_tokenizer *t = r->t;
	char name[8];
	bool all = true;

	for (unsigned i = 0; i < SL_TOKENIZER_LETTERS; i++) {
		char byte = (char)i;

		snprintf(name, sizeof(name), "<0x%02X>", i & 0xffu);
		t->letters[i] = sl_tokenizer_names_find(&t->names, t->bytes ? sl_span_make(&byte, 1)
									    : sl_span_string(name));
		all &= t->letters[i] != SL_TOKENIZER_NONE;
	}
	if (fallback && !t->bytes && !all)
		return sl_error_set(r->error, -EINVAL,
				    "model.byte_fallback: not all of <0x00> to <0xFF> are tokens");
	t->fallback = fallback && !t->bytes;
	return 0;
}

/* ---- BPE ------------------------------------------------------------------------------------- */

static int read_vocab(struct reader *r, const struct sl_json_field *vocab)
{
	struct sl_json_field key, value;
	const char *cursor = NULL;
	int64_t id;
	size_t len;
	int rc;

	if (vocab->type != SL_JSON_OBJECT)
		return sl_error_set(r->error, -EINVAL, "model.vocab: no object");
	rc = open_names(r, vocab);
	while (rc == 0 && sl_json_each_member(vocab, &cursor, &key, &value)) {
		rc = take(r, &key, r->first, &len);
		if (rc)
			break;
		if (sl_json_int(&value, &id) || id < 0 || id >= INT32_MAX)
			return sl_error_set(r->error, -EINVAL, "model.vocab: an id is no number");
		sl_tokenizer_names_add(&r->t->names, sl_span_make(r->first, len), (uint32_t)id);
	}
	return rc;
}

/* "left right", or ["left", "right"]: both into pair, one behind the other. */
static int take_merge(struct reader *r, const struct sl_json_field *merge, size_t *ret_left,
		      size_t *ret_len)
{
	struct sl_json_field element;
	const char *cursor = NULL;
	size_t lens[2] = {0}, count = 0;
	char *space;
	int len, rc = 0;

	if (merge->type == SL_JSON_ARRAY) {
		while (rc == 0 && count < 2 && sl_json_each(merge, &cursor, &element)) {
			rc = take(r, &element, r->pair + lens[0], &lens[count]);
			count++;
		}
		if (rc == 0 && (count != 2 || sl_json_each(merge, &cursor, &element)))
			rc = sl_error_set(r->error, -EINVAL, "model.merges: a pair is not of two");
		*ret_left = lens[0];
		*ret_len = lens[0] + lens[1];
		return rc;
	}
	len = sl_json_string(merge, r->pair, sizeof(r->pair));
	space = len > 0 ? memchr(r->pair, ' ', (size_t)len) : NULL;
	if (!space)
		return sl_error_set(r->error, -EINVAL, "model.merges: no pair of tokens");
	lens[0] = (size_t)(space - r->pair);
	lens[1] = (size_t)len - lens[0] - 1;
	if (lens[0] > SL_TOKENIZER_TOKEN_MAX || lens[1] > SL_TOKENIZER_TOKEN_MAX)
		return sl_error_set(r->error, -E2BIG, "model.merges: a token of more than %u bytes",
				    SL_TOKENIZER_TOKEN_MAX);
	if (r->t->bytes) {
		to_bytes(space + 1, &lens[1]);
		to_bytes(r->pair, &lens[0]);
	}
	memmove(r->pair + lens[0], space + 1, lens[1]);
	*ret_left = lens[0];
	*ret_len = lens[0] + lens[1];
	return 0;
}

/* Does a U+2581 stand behind something else? */
static bool joins_words(struct sl_span text)
{
	size_t mark = sizeof(MARK) - 1, at = 0;

	while (text.len - at >= mark && memcmp(text.data + at, MARK, mark) == 0)
		at += mark;
	return memmem(text.data + at, text.len - at, MARK, mark) != NULL;
}

static int read_merges(struct reader *r, const struct sl_json_field *merges)
{
	struct sl_tokenizer *t = r->t;
	struct sl_json_field merge;
	const char *cursor = NULL;
	size_t count = count_of(merges), left = 0, len = 0;
	uint32_t rank = 0, ids[3];
	int rc = 0;

	if (merges->type != SL_JSON_ARRAY)
		return sl_error_set(r->error, -EINVAL, "model.merges: no list");
	if (count > SL_TOKENIZER_MERGES_MAX)
		return sl_error_set(r->error, -E2BIG, "model.merges: more than %u",
				    SL_TOKENIZER_MERGES_MAX);
	if (sl_tokenizer_pairs_open(&t->pairs, (uint32_t)count))
		return sl_error_set(r->error, -ENOMEM, "model.merges: no memory");
	while (sl_json_each(merges, &cursor, &merge)) {
		rc = take_merge(r, &merge, &left, &len);
		if (rc)
			return rc;
		ids[0] = sl_tokenizer_names_find(&t->names, sl_span_make(r->pair, left));
		ids[1] = sl_tokenizer_names_find(&t->names,
						 sl_span_make(r->pair + left, len - left));
		ids[2] = sl_tokenizer_names_find(&t->names, sl_span_make(r->pair, len));
		if (ids[0] == SL_TOKENIZER_NONE || ids[1] == SL_TOKENIZER_NONE ||
		    ids[2] == SL_TOKENIZER_NONE)
			return sl_error_set(
				r->error, -EINVAL,
				"model.merges[%u]: its tokens are not all in the vocabulary", rank);
		t->cuts_spaces &= !joins_words(sl_span_make(r->pair, len));
		sl_tokenizer_pairs_add(&t->pairs, ids[0], ids[1], rank++, ids[2]);
	}
	return 0;
}

static bool is_set(const struct sl_json_field *field)
{
	return field->type != SL_JSON_ABSENT && field->type != SL_JSON_NULL &&
	       !sl_json_string_equal(field, "", 0);
}

static bool is_true(const struct sl_json_field *field)
{
	bool value = false;

	sl_json_bool(field, &value);
	return value;
}

static int read_bpe(struct reader *r, const struct sl_json_field *f)
{
	struct sl_tokenizer *t = r->t;
	double dropout = 0;
	size_t len;
	int rc;

	if (is_set(&f[PREFIX]) || is_set(&f[SUFFIX]))
		return sl_error_set(r->error, -EINVAL, "model: %s is not supported",
				    is_set(&f[PREFIX]) ? "continuing_subword_prefix"
						       : "end_of_word_suffix");
	if (is_set(&f[DROPOUT]) && (sl_json_double(&f[DROPOUT], &dropout) || dropout != 0))
		return sl_error_set(r->error, -EINVAL, "model: dropout is not supported");
	t->fuse = is_true(&f[FUSE]);
	t->ignore_merges = is_true(&f[IGNORE]);
	t->cuts_spaces = true;
	rc = read_vocab(r, &f[VOCAB]);
	if (!rc)
		rc = read_merges(r, &f[MERGES]);
	if (!rc)
		rc = read_letters(r, is_true(&f[FALLBACK]));
	if (rc || !is_set(&f[UNKNOWN]))
		return rc;
	rc = take(r, &f[UNKNOWN], r->first, &len);
	t->unknown = rc ? 0 : sl_tokenizer_names_find(&t->names, sl_span_make(r->first, len));
	if (!rc && t->unknown == SL_TOKENIZER_NONE)
		rc = sl_error_set(r->error, -EINVAL, "model.unk_token is not in the vocabulary");
	return rc;
}

/* ---- Unigram --------------------------------------------------------------------------------- */

static int read_piece(struct reader *r, const struct sl_json_field *pair, uint32_t number)
{
	struct sl_tokenizer *t = r->t;
	struct sl_json_field text, score, more;
	const char *cursor = NULL;
	size_t len;
	int rc;

	if (pair->type != SL_JSON_ARRAY || !sl_json_each(pair, &cursor, &text) ||
	    !sl_json_each(pair, &cursor, &score) || sl_json_each(pair, &cursor, &more) ||
	    sl_json_double(&score, &t->scores[number]))
		return sl_error_set(r->error, -EINVAL, "model.vocab[%u]: no token and score",
				    number);
	rc = take(r, &text, r->first, &len);
	if (rc)
		return rc;
	if (t->scores[number] < t->unknown_score)
		t->unknown_score = t->scores[number];
	sl_tokenizer_names_add(&t->names, sl_span_make(r->first, len), number);
	rc = sl_tokenizer_tree_add(&t->pieces, sl_span_make(r->first, len), number);
	return rc ? sl_error_set(r->error, rc, "model.vocab: no memory") : 0;
}

static int read_unigram(struct reader *r, const struct sl_json_field *f)
{
	struct sl_tokenizer *t = r->t;
	struct sl_json_field piece;
	const char *cursor = NULL;
	int64_t unknown;
	int rc;

	if (f[VOCAB].type != SL_JSON_ARRAY)
		return sl_error_set(r->error, -EINVAL, "model.vocab: no list");
	t->unigram = true;
	t->bytes = false;
	rc = open_names(r, &f[VOCAB]);
	if (rc)
		return rc;
	t->scores = calloc(t->size, sizeof(*t->scores));
	if (!t->scores)
		return sl_error_set(r->error, -ENOMEM, "model.vocab: no memory");
	while (rc == 0 && sl_json_each(&f[VOCAB], &cursor, &piece))
		rc = read_piece(r, &piece, t->score_count++);
	t->unknown_score -= UNKNOWN_GAP;
	if (!rc && sl_tokenizer_tree_settle(&t->pieces))
		rc = sl_error_set(r->error, -ENOMEM, "model.vocab: no memory");
	if (!rc)
		rc = read_letters(r, is_true(&f[FALLBACK]));
	if (rc || !is_set(&f[UNKNOWN_ID]))
		return rc;
	if (sl_json_int(&f[UNKNOWN_ID], &unknown) || unknown < 0 || unknown >= t->size)
		return sl_error_set(r->error, -EINVAL, "model.unk_id is not in the vocabulary");
	t->unknown = (uint32_t)unknown;
	return 0;
}

static int read_model(struct reader *r, const struct sl_json_field *model)
{
	struct sl_json_field f[MODEL_FIELDS] = {
		[TYPE] = SL_JSON_FIELD("type"),
		[VOCAB] = SL_JSON_FIELD("vocab"),
		[MERGES] = SL_JSON_FIELD("merges"),
		[UNKNOWN] = SL_JSON_FIELD("unk_token"),
		[UNKNOWN_ID] = SL_JSON_FIELD("unk_id"),
		[FUSE] = SL_JSON_FIELD("fuse_unk"),
		[FALLBACK] = SL_JSON_FIELD("byte_fallback"),
		[IGNORE] = SL_JSON_FIELD("ignore_merges"),
		[DROPOUT] = SL_JSON_FIELD("dropout"),
		[PREFIX] = SL_JSON_FIELD("continuing_subword_prefix"),
		[SUFFIX] = SL_JSON_FIELD("end_of_word_suffix"),
	};
	char type[64] = "";

	if (model->type != SL_JSON_OBJECT ||
	    sl_json_scan(model->value, model->value_len, f, MODEL_FIELDS))
		return sl_error_set(r->error, -EINVAL, "model: no object");
	sl_json_string(&f[TYPE], type, sizeof(type));
	/* files of before the type was written have merges */
	if (strcmp(type, "BPE") == 0 || (!f[TYPE].type && f[MERGES].type))
		return read_bpe(r, f);
	if (strcmp(type, "Unigram") == 0)
		return read_unigram(r, f);
	return sl_error_set(r->error, -EINVAL, "model: type \"%s\" is not supported", type);
}

/* ---- added tokens ---------------------------------------------------------------------------- */

/* The text of a token that is looked for after normalization: normalised itself. */
static int add_normal(struct reader *r, struct sl_span text, uint32_t number)
{
	struct sl_tokenizer_work *work = NULL;
	int64_t rc;

	/* a count makes the buffers that are needed; they stay with the tokenizer */
	rc = sl_tokenizer_count(r->t, SL_SPAN("a"));
	if (rc < 0)
		return sl_error_set_errno(r->error, (int)rc, "added_tokens[%u]", number);
	work = r->t->works[0];
	if (!work) /* it has become too large to be kept */
		return sl_error_set(r->error, -E2BIG,
				    "added_tokens[%u]: the normalizers make too much of a text",
				    number);
	rc = sl_tokenizer_normalise(work, &text);
	if (rc == 0)
		rc = sl_tokenizer_tree_add(&r->t->added[1], text, number);
	return (int)rc;
}

static int read_added(struct reader *r, const struct sl_json_field *token, uint32_t number)
{
	struct sl_json_field f[] = {
		SL_JSON_FIELD("id"),	 SL_JSON_FIELD("content"), SL_JSON_FIELD("single_word"),
		SL_JSON_FIELD("lstrip"), SL_JSON_FIELD("rstrip"),  SL_JSON_FIELD("normalized"),
	};
	int64_t id = -1;
	int len;

	if (token->type != SL_JSON_OBJECT || sl_json_scan(token->value, token->value_len, f, 6) ||
	    sl_json_int(&f[0], &id) || id < 0 || id >= INT32_MAX)
		return sl_error_set(r->error, -EINVAL, "added_tokens[%u]: no token with an id",
				    number);
	len = sl_json_string(&f[1], r->first, SL_TOKENIZER_TOKEN_MAX + 1);
	if (len <= 0)
		return sl_error_set(r->error, -EINVAL,
				    "added_tokens[%u]: no text of at most %u bytes", number,
				    SL_TOKENIZER_TOKEN_MAX);
	if (is_true(&f[2]))
		return sl_error_set(r->error, -EINVAL,
				    "added_tokens[%u]: single_word is not supported", number);
	r->t->added_list[number] =
		(struct sl_tokenizer_added){(uint32_t)id, is_true(&f[3]), is_true(&f[4])};
	if (is_true(&f[5]) && r->t->normal.count)
		return add_normal(r, sl_span_make(r->first, (size_t)len), number);
	return sl_tokenizer_tree_add(&r->t->added[0], sl_span_make(r->first, (size_t)len), number);
}

static int read_all_added(struct reader *r, const struct sl_json_field *list)
{
	struct sl_tokenizer *t = r->t;
	size_t count = count_of(list);
	struct sl_json_field token;
	const char *cursor = NULL;
	int rc = 0;

	if (list->type != SL_JSON_ARRAY || !count)
		return 0;
	if (count > SL_TOKENIZER_ADDED_MAX)
		return sl_error_set(r->error, -E2BIG, "added_tokens: more than %u",
				    SL_TOKENIZER_ADDED_MAX);
	t->added_list = calloc(count, sizeof(*t->added_list));
	if (!t->added_list)
		return sl_error_set(r->error, -ENOMEM, "added_tokens: no memory");
	while (rc == 0 && sl_json_each(list, &cursor, &token)) {
		rc = read_added(r, &token, t->added_count);
		t->added_count++;
	}
	for (int i = 0; i < 2 && !rc; i++)
		rc = sl_tokenizer_tree_settle(&t->added[i]);
	if (rc && !r->error->text[0])
		sl_error_set(r->error, rc, "added_tokens: no memory");
	return rc;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int read_all(struct reader *r, const char *json, size_t len)
{
	struct sl_json_field f[] = {
		SL_JSON_FIELD("model"),
		SL_JSON_FIELD("normalizer"),
		SL_JSON_FIELD("pre_tokenizer"),
		SL_JSON_FIELD("added_tokens"),
	};
	struct sl_tokenizer *t = r->t;
	int rc = sl_json_scan(json, len, f, 4);

	if (rc)
		return sl_error_set(r->error, -EINVAL, "not a JSON object: %s",
				    sl_json_bad_text((enum sl_json_bad) - rc));
	rc = sl_tokenizer_steps_read(&t->normal, &f[1], false, r->error);
	if (!rc)
		rc = sl_tokenizer_steps_read(&t->cuts, &f[2], true, r->error);
	if (rc)
		return rc;
	t->bytes = t->cuts.count && t->cuts.list[t->cuts.count - 1].kind == SL_TOKENIZER_BYTES;
	rc = read_model(r, &f[0]);
	if (rc)
		return rc;
	t->cuts_spaces &= !t->ignore_merges &&
			  sl_tokenizer_names_find(&t->names, SL_SPAN(MARK)) != SL_TOKENIZER_NONE;
	return read_all_added(r, &f[3]);
}

int sl_tokenizer_parse(const char *json, size_t len, struct sl_tokenizer **ret_tokenizer,
		       struct sl_error *error)
{
	struct reader *r = NULL;
	struct sl_tokenizer *t;
	int rc = -ENOMEM;

	if (len > SL_TOKENIZER_FILE_MAX)
		return sl_error_set(error, -E2BIG, "more than %u bytes", SL_TOKENIZER_FILE_MAX);
	t = calloc(1, sizeof(*t));
	if (t) {
		t->unknown = SL_TOKENIZER_NONE;
		t->known = calloc(SL_TOKENIZER_CACHE, sizeof(*t->known));
		r = calloc(1, sizeof(*r));
	}
	if (r && t->known) {
		*r = (struct reader){.t = t, .error = error};
		rc = sl_random_secure(&t->secret, sizeof(t->secret));
		if (!rc)
			rc = read_all(r, json, len);
	} else {
		sl_error_set(error, rc, "no memory");
	}
	free(r);
	if (rc)
		sl_tokenizer_close(&t);
	else
		*ret_tokenizer = t;
	return rc;
}

static int read_bytes(int fd, char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, bytes + at, len - at);

		if (n == 0 || (n < 0 && errno != EINTR))
			return n ? -errno : -EIO;
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int sl_tokenizer_read(const char *path, struct sl_tokenizer **ret_tokenizer, struct sl_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = fd < 0 ? -errno : 0;
	struct stat st = {0};
	char *bytes = NULL;

	if (rc || fstat(fd, &st))
		rc = rc ? rc : -errno;
	else if (st.st_size > (off_t)SL_TOKENIZER_FILE_MAX)
		rc = -EFBIG;
	if (!rc) {
		bytes = malloc((size_t)st.st_size + 1);
		rc = bytes ? read_bytes(fd, bytes, (size_t)st.st_size) : -ENOMEM;
	}
	if (fd >= 0)
		close(fd);
	if (rc) {
		free(bytes);
		return sl_error_set_errno(error, rc, "%s", path);
	}
	rc = sl_tokenizer_parse(bytes, (size_t)st.st_size, ret_tokenizer, error);
	free(bytes);
	return rc ? sl_error_prefix(error, rc, "%s", path) : 0;
}
