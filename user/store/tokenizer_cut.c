/* SPDX-License-Identifier: BSD-2-Clause */
/* Normalizing and cutting of one text: see tokenizer.h. */
#include "user/store/tokenizer_parts.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <utf8proc.h>

#define MARKS_MAX 256u /* side by side */

/* ---- looking for a pattern ------------------------------------------------------------------- */

/* The next match in text from *at on. 1: found, 0: none, or -EIO. */
static int find(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		struct sl_span text, size_t at, size_t *ret_from, size_t *ret_to)
{
	const PCRE2_SIZE *vector;
	const char *hit;
	int rc;

	if (!step->code) {
		hit = memmem(text.data + at, text.len - at, step->pattern, step->pattern_len);
		if (!hit)
			return 0;
		*ret_from = (size_t)(hit - text.data);
		*ret_to = *ret_from + step->pattern_len;
		return 1;
	}
	rc = pcre2_match(step->code, (PCRE2_SPTR)text.data, text.len, at, PCRE2_NO_UTF_CHECK,
			 work->match, work->context);
	if (rc == PCRE2_ERROR_NOMATCH)
		return 0;
	if (rc < 0)
		return -EIO;
	vector = pcre2_get_ovector_pointer(work->match);
	*ret_from = vector[0];
	*ret_to = vector[1];
	return vector[1] >= vector[0] && vector[0] >= at ? 1 : -EIO; /* \K in a look-ahead */
}

/* As find, but no empty match. */
static int find_some(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		     struct sl_span text, size_t at, size_t *ret_from, size_t *ret_to)
{
	int rc = 0;

	while (at < text.len) {
		rc = find(work, step, text, at, ret_from, ret_to);
		if (rc <= 0 || *ret_to > *ret_from)
			return rc;
		if (*ret_from >= text.len)
			return 0;
		at = *ret_from + sl_tokenizer_letter(text.data, text.len, *ret_from);
	}
	return 0;
}

/* ---- normalizing ----------------------------------------------------------------------------- */

static bool is_ascii(struct sl_span text)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < text.len; i++)
		seen |= (uint8_t)text.data[i];
	return !(seen & 0x80);
}

/*
 * Marks on one letter are ordered in the square of their number: a text that has very many is nobody's, and
 * is estimated instead of holding up a thread for minutes.
 */
static bool has_many_marks(struct sl_span text)
{
	const utf8proc_uint8_t *data = (const utf8proc_uint8_t *)text.data;
	utf8proc_int32_t code;
	size_t run = 0;

	for (size_t i = 0; i < text.len && run <= MARKS_MAX;) {
		utf8proc_ssize_t n =
			utf8proc_iterate(data + i, (utf8proc_ssize_t)(text.len - i), &code);
		utf8proc_category_t kind;

		if (n <= 0)
			return false; /* utf8proc_map() says so */
		i += (size_t)n;
		kind = utf8proc_category(code);
		/* the last two become marks in the compatible forms */
		run = kind == UTF8PROC_CATEGORY_MN || kind == UTF8PROC_CATEGORY_MC ||
				      kind == UTF8PROC_CATEGORY_ME || code == 0xff9e ||
				      code == 0xff9f
			      ? run + 1
			      : 0;
	}
	return run > MARKS_MAX;
}

static int to_form(const struct sl_tokenizer_step *step, struct sl_span text, struct sl_text *out)
{
	utf8proc_uint8_t *made = NULL;
	utf8proc_ssize_t len;

	if (is_ascii(text))
		return sl_text_append_span(out, text);
	if (has_many_marks(text))
		return -EIO;
	len = utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &made,
			   step->options);
	if (len < 0)
		return len == UTF8PROC_ERROR_NOMEM ? -ENOMEM : -EILSEQ;
	sl_text_append(out, made, (size_t)len);
	free(made);
	return out->error;
}

static int to_lower(struct sl_span text, struct sl_text *out)
{
	const utf8proc_uint8_t *data = (const utf8proc_uint8_t *)text.data;
	utf8proc_uint8_t letter[4];
	utf8proc_int32_t code;

	for (size_t i = 0; i < text.len;) {
		utf8proc_ssize_t n =
			utf8proc_iterate(data + i, (utf8proc_ssize_t)(text.len - i), &code);

		if (n <= 0)
			return -EILSEQ;
		i += (size_t)n;
		n = utf8proc_encode_char(utf8proc_tolower(code), letter);
		sl_text_append(out, letter, (size_t)n);
	}
	return out->error;
}

static int replace(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		   struct sl_span text, struct sl_text *out)
{
	size_t at = 0, from, to;
	int rc;

	while ((rc = find_some(work, step, text, at, &from, &to)) > 0) {
		sl_text_append(out, text.data + at, from - at);
		sl_text_append(out, step->content, step->content_len);
		at = to;
	}
	if (rc < 0)
		return rc;
	return sl_text_append(out, text.data + at, text.len - at);
}

static bool is_blank(const char *text, size_t len)
{
	utf8proc_int32_t code = 0;

	if (utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len, &code) <= 0)
		return false;
	switch (utf8proc_category(code)) {
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return true;
	default:
		return (code >= 9 && code <= 13) || code == 0x85;
	}
}

static size_t last_letter(struct sl_span text)
{
	size_t at = text.len;

	while (at && ((uint8_t)text.data[--at] & 0xc0) == 0x80)
		;
	return at;
}

static struct sl_span strip(struct sl_span text, bool left, bool right)
{
	size_t n;

	while (left && text.len && is_blank(text.data, text.len)) {
		n = sl_tokenizer_letter(text.data, text.len, 0);
		text = sl_span_make(text.data + n, text.len - n);
	}
	while (right && text.len) {
		n = last_letter(text);
		if (!is_blank(text.data + n, text.len - n))
			break;
		text.len = n;
	}
	return text;
}

static int normalise_step(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
			  struct sl_span text, struct sl_text *out)
{
	switch (step->kind) {
	case SL_TOKENIZER_NORMAL:
		return to_form(step, text, out);
	case SL_TOKENIZER_LOWER:
		return to_lower(text, out);
	case SL_TOKENIZER_PREPEND:
		if (text.len)
			sl_text_append(out, step->content, step->content_len);
		return sl_text_append_span(out, text);
	case SL_TOKENIZER_REPLACE:
		return replace(work, step, text, out);
	default:
		return sl_text_append_span(out, strip(text, step->left, step->right));
	}
}

int sl_tokenizer_normalise(struct sl_tokenizer_work *work, struct sl_span *text)
{
	const struct sl_tokenizer_steps *steps = &work->tokenizer->normal;

	for (uint32_t i = 0; i < steps->count; i++) {
		struct sl_text *out = &work->texts[i & 1];
		int rc;

		sl_text_reset(out);
		rc = normalise_step(work, &steps->list[i], *text, out);
		if (rc)
			return rc;
		*text = sl_text_span(out);
	}
	return 0;
}

/* ---- cutting --------------------------------------------------------------------------------- */

static bool add(struct sl_tokenizer_work *work, struct sl_tokenizer_parts *parts, size_t from,
		size_t to)
{
	if (from == to)
		return true;
	if (!sl_tokenizer_room(work, (void **)&parts->list, &parts->size, parts->count + 1,
			       sizeof(*parts->list)))
		return false;
	parts->list[parts->count++] =
		(struct sl_tokenizer_part){(uint32_t)from, (uint32_t)(to - from)};
	return true;
}

/* What of one part comes next: a match, or what is between two. begin: where the part began. */
static bool place(struct sl_tokenizer_work *work, struct sl_tokenizer_parts *out,
		  const struct sl_tokenizer_step *step, size_t first, bool *before, size_t from,
		  size_t to, bool match)
{
	struct sl_tokenizer_part *last = out->count > first ? &out->list[out->count - 1] : NULL;
	bool joins = false;

	if (from == to)
		return true;
	match ^= step->invert;
	if (step->behavior == SL_TOKENIZER_REMOVED && match)
		return true;
	if (step->behavior == SL_TOKENIZER_PREVIOUS)
		joins = match && !*before;
	else if (step->behavior == SL_TOKENIZER_NEXT)
		joins = !match && *before;
	else if (step->behavior == SL_TOKENIZER_CONTIGUOUS)
		joins = match == *before;
	*before = match;
	if (joins && last) {
		last->len += (uint32_t)(to - from);
		return true;
	}
	return add(work, out, from, to);
}

static int split_part(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		      struct sl_span text, struct sl_tokenizer_part part,
		      struct sl_tokenizer_parts *out)
{
	struct sl_span span = sl_span_make(text.data + part.at, part.len);
	size_t first = out->count, at = 0, from, to;
	bool before = false;
	int rc;

	while ((rc = find_some(work, step, span, at, &from, &to)) > 0) {
		if (!place(work, out, step, first, &before, part.at + at, part.at + from, false) ||
		    !place(work, out, step, first, &before, part.at + from, part.at + to, true))
			return -ENOMEM;
		at = to;
	}
	if (rc < 0)
		return rc;
	if (!place(work, out, step, first, &before, part.at + at, part.at + part.len, false))
		return -ENOMEM;
	return 0;
}

static int split(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		 struct sl_span text, const struct sl_tokenizer_parts *in,
		 struct sl_tokenizer_parts *out)
{
	int rc = 0;

	out->count = 0;
	for (size_t i = 0; rc == 0 && i < in->count; i++)
		rc = split_part(work, step, text, in->list[i], out);
	return rc;
}

/* A space in front of each part that has none; the text is a new one. */
static int put_spaces(struct sl_span *text, struct sl_tokenizer_parts *in, struct sl_text *out)
{
	sl_text_reset(out);
	for (size_t i = 0; i < in->count; i++) {
		struct sl_tokenizer_part *part = &in->list[i];
		size_t at = out->len;

		if (text->data[part->at] != ' ')
			sl_text_append_char(out, ' ');
		sl_text_append(out, text->data + part->at, part->len);
		*part = (struct sl_tokenizer_part){(uint32_t)at, (uint32_t)(out->len - at)};
	}
	*text = sl_text_span(out);
	return out->error;
}

/* One part with each space replaced, and one in front where that is wanted. */
static void write_spaced(const struct sl_tokenizer_step *step, struct sl_span part, bool first,
			 struct sl_text *out)
{
	struct sl_span mark = sl_span_make(step->content, step->content_len);
	bool wanted = step->prepend == SL_TOKENIZER_ALWAYS ||
		      (step->prepend == SL_TOKENIZER_FIRST && first);

	if (wanted && part.data[0] != ' ' && !sl_span_starts(part, mark))
		sl_text_append_span(out, mark);
	for (size_t i = 0; i < part.len; i++) {
		if (part.data[i] == ' ')
			sl_text_append_span(out, mark);
		else
			sl_text_append_char(out, part.data[i]);
	}
}

/* Before each mark but one at the beginning. */
static bool cut_marks(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		      struct sl_span text, size_t from, struct sl_tokenizer_parts *out)
{
	const char *hit;
	size_t to;

	while (from < text.len) {
		hit = memmem(text.data + from + 1, text.len - from - 1, step->content,
			     step->content_len);
		to = hit ? (size_t)(hit - text.data) : text.len;
		if (!add(work, out, from, to))
			return false;
		from = to;
	}
	return true;
}

static int spaces(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		  struct sl_span *text, bool first, const struct sl_tokenizer_parts *in,
		  struct sl_tokenizer_parts *parts, struct sl_text *out)
{
	sl_text_reset(out);
	parts->count = 0;
	for (size_t i = 0; i < in->count; i++) {
		struct sl_span part = sl_span_make(text->data + in->list[i].at, in->list[i].len);
		size_t at = out->len;

		write_spaced(step, part, first && i == 0, out);
		if (out->error)
			return out->error;
		if (step->cut ? !cut_marks(work, step, sl_text_span(out), at, parts)
			      : !add(work, parts, at, out->len))
			return -ENOMEM;
	}
	*text = sl_text_span(out);
	return 0;
}

/* One step over all parts; room: for a text that changes. */
static int cut_step(struct sl_tokenizer_work *work, const struct sl_tokenizer_step *step,
		    struct sl_span *text, bool first, struct sl_text *room, bool *ret_parts_are_out)
{
	struct sl_tokenizer_parts *in = &work->parts[work->parts_at];
	struct sl_tokenizer_parts *out = &work->parts[1 - work->parts_at];
	int rc = 0;

	*ret_parts_are_out = true;
	if (step->kind == SL_TOKENIZER_SPACES)
		return spaces(work, step, text, first, in, out, room);
	if (step->prepend == SL_TOKENIZER_ALWAYS)
		rc = put_spaces(text, in, room);
	if (rc)
		return rc;
	*ret_parts_are_out = step->code || step->pattern; /* else ByteLevel without a pattern */
	return *ret_parts_are_out ? split(work, step, *text, in, out) : 0;
}

int sl_tokenizer_cut(struct sl_tokenizer_work *work, struct sl_span *text, bool first,
		     const struct sl_tokenizer_parts **ret_parts)
{
	const struct sl_tokenizer_steps *steps = &work->tokenizer->cuts;
	bool moved;
	int rc = 0;

	work->parts_at = 0;
	work->parts[0].count = 0;
	if (!add(work, &work->parts[0], 0, text->len))
		return -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < steps->count; i++) {
		/* not the one that the text lies in by now */
		struct sl_text *room = &work->pieces[text->data == work->pieces[0].data];

		rc = cut_step(work, &steps->list[i], text, first, room, &moved);
		work->parts_at ^= moved;
	}
	*ret_parts = &work->parts[work->parts_at];
	return rc;
}
