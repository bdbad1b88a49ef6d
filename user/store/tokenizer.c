/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/tokenizer.h"

#include "user/store/tokenizer_parts.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define STACK_MIN (32u << 10) /* of patterns: not the fiber's */
#define STACK_MAX (512u << 10)
#define MARK	  "\xe2\x96\x81" /* U+2581 */

/* ---- buffers --------------------------------------------------------------------------------- */

bool sl_tokenizer_room(struct sl_tokenizer_work *work, void **array, size_t *size, size_t wanted,
		       size_t item)
{
	size_t grown = *size ? *size : 64;
	void *made;

	if (wanted <= *size)
		return true;
	while (grown < wanted)
		grown *= 2;
	made = realloc(*array, grown * item);
	if (!made) {
		work->failed_memory = true;
		return false;
	}
	*array = made;
	*size = grown;
	return true;
}

void sl_tokenizer_work_close(struct sl_tokenizer_work **work)
{
	struct sl_tokenizer_work *w = *work;

	*work = NULL;
	if (!w)
		return;
	for (int i = 0; i < 2; i++) {
		sl_text_fini(&w->texts[i]);
		sl_text_fini(&w->pieces[i]);
		free(w->parts[i].list);
	}
	free(w->symbols);
	free(w->heap);
	free(w->places);
	pcre2_match_data_free(w->match);
	pcre2_match_context_free(w->context);
	pcre2_jit_stack_free(w->stack);
	free(w);
}

static struct sl_tokenizer_work *new_work(void)
{
	struct sl_tokenizer_work *work = calloc(1, sizeof(*work));

	if (!work)
		return NULL;
	for (int i = 0; i < 2; i++) {
		sl_text_init(&work->texts[i], 4 * (size_t)SL_TOKENIZER_TEXT_MAX);
		sl_text_init(&work->pieces[i], 4 * (size_t)SL_TOKENIZER_TEXT_MAX);
	}
	work->match = pcre2_match_data_create(1, NULL);
	work->context = pcre2_match_context_create(NULL);
	work->stack = pcre2_jit_stack_create(STACK_MIN, STACK_MAX, NULL);
	if (!work->match || !work->context || !work->stack) {
		sl_tokenizer_work_close(&work);
		return NULL;
	}
	pcre2_jit_stack_assign(work->context, NULL, work->stack);
	return work;
}

static struct sl_tokenizer_work *take_work(struct sl_tokenizer *t)
{
	struct sl_tokenizer_work *work = NULL;

	for (size_t i = 0; i < SL_TOKENIZER_WORKS && !work; i++)
		work = __atomic_exchange_n(&t->works[i], NULL, __ATOMIC_ACQUIRE);
	if (!work)
		work = new_work();
	if (work) {
		work->tokenizer = t;
		work->failed_memory = false;
		work->count = 0;
	}
	return work;
}

static size_t bytes_of(const struct sl_tokenizer_work *work)
{
	size_t bytes = work->symbols_size * sizeof(*work->symbols) +
		       work->heap_size * sizeof(*work->heap) +
		       work->places_size * sizeof(*work->places);

	for (int i = 0; i < 2; i++)
		bytes += work->texts[i].size + work->pieces[i].size +
			 work->parts[i].size * sizeof(*work->parts[i].list);
	return bytes;
}

/* Kept for the next count, unless it has become large or there are enough. */
static void put_work(struct sl_tokenizer *t, struct sl_tokenizer_work *work)
{
	struct sl_tokenizer_work *none;

	if (bytes_of(work) > SL_TOKENIZER_WORK_BYTES)
		sl_tokenizer_work_close(&work);
	for (size_t i = 0; i < SL_TOKENIZER_WORKS && work; i++) {
		none = NULL;
		if (__atomic_compare_exchange_n(&t->works[i], &none, work, false, __ATOMIC_RELEASE,
						__ATOMIC_RELAXED))
			work = NULL;
	}
	sl_tokenizer_work_close(&work);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

static int one_piece(struct sl_tokenizer_work *work, struct sl_span piece)
{
	return work->tokenizer->unigram ? sl_tokenizer_unigram(work, piece)
					: sl_tokenizer_bpe(work, piece);
}

/* Counted by what is known of it, or known from now on. */
static int count_piece(struct sl_tokenizer_work *work, struct sl_span piece)
{
	const struct sl_tokenizer *t = work->tokenizer;
	uint64_t hash, word, before = work->count, *known;
	int rc;

	if (work->ids || piece.len > SL_TOKENIZER_KNOWN_MAX)
		return one_piece(work, piece);
	hash = XXH3_64bits_withSeed(piece.data, piece.len, t->secret);
	known = &t->known[hash & (SL_TOKENIZER_CACHE - 1)];
	word = __atomic_load_n(known, __ATOMIC_RELAXED);
	if ((word >> 16) == (hash >> 16) && (word & 0xffff)) {
		work->count += (word & 0xffff) - 1;
		return 0;
	}
	rc = one_piece(work, piece);
	if (rc == 0)
		__atomic_store_n(known, hash >> 16 << 16 | (work->count - before + 1),
				 __ATOMIC_RELAXED);
	return rc;
}

/*
 * Without a pre-tokenizer the whole text is one piece. Where no two tokens are joined over the border
 * before a U+2581 that has something else before it, cutting there changes nothing, and makes words of it.
 */
static int count_words(struct sl_tokenizer_work *work, struct sl_span text)
{
	size_t mark = sizeof(MARK) - 1, from = 0, at = 0;
	int rc = 0;

	while (rc == 0 && from < text.len) {
		const char *hit;

		while (text.len - at >= mark && memcmp(text.data + at, MARK, mark) == 0)
			at += mark;
		hit = memmem(text.data + at, text.len - at, MARK, mark);
		at = hit ? (size_t)(hit - text.data) : text.len;
		rc = count_piece(work, sl_span_make(text.data + from, at - from));
		from = at;
	}
	return rc;
}

static int count_normal(struct sl_tokenizer_work *work, struct sl_span text, bool first)
{
	const struct sl_tokenizer *t = work->tokenizer;
	const struct sl_tokenizer_parts *parts;
	int rc;

	if (!text.len)
		return 0;
	if (!t->cuts.count)
		return t->cuts_spaces ? count_words(work, text) : one_piece(work, text);
	rc = sl_tokenizer_cut(work, &text, first, &parts);
	for (size_t i = 0; rc == 0 && i < parts->count; i++)
		rc = count_piece(work,
				 sl_span_make(text.data + parts->list[i].at, parts->list[i].len));
	return rc;
}

/* ---- added tokens ---------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* The longest that begins at `at`: its length and number; 0: none does. */
static size_t longest(const struct sl_tokenizer_tree *tree, struct sl_span text, size_t at,
		      uint32_t *ret_number)
{
	uint32_t node = 0;
	size_t len = 0;

	for (size_t i = at; i < text.len; i++) {
		node = sl_tokenizer_tree_step(tree, node, (uint8_t)text.data[i]);
		if (!node)
			break;
		if (tree->ends[node] != SL_TOKENIZER_NONE) {
			len = i + 1 - at;
			*ret_number = tree->ends[node];
		}
	}
	return len;
}

typedef int between_fn(struct sl_tokenizer_work *work, struct sl_span text, bool first);

/* Calls between() for what lies between added tokens. */
static int cut_added(struct sl_tokenizer_work *work, const struct sl_tokenizer_tree *tree,
		     struct sl_span text, bool first, between_fn *between)
{
	const struct sl_tokenizer *t = work->tokenizer;
	size_t from = 0, at = 0, end, len;
	uint32_t number = 0;
	int rc;

	while (at < text.len) {
		len = tree->roots[(uint8_t)text.data[at]] ? longest(tree, text, at, &number) : 0;
		if (!len) {
			at++;
			continue;
		}
		end = at + len;
		while (t->added_list[number].left && at > from && is_blank(text.data[at - 1]))
			at--;
		while (t->added_list[number].right && end < text.len && is_blank(text.data[end]))
			end++;
		rc = between(work, sl_span_make(text.data + from, at - from), first && !from);
		if (rc)
			return rc;
		sl_tokenizer_emit(work, t->added_list[number].id);
		from = at = end;
	}
	return between(work, sl_span_make(text.data + from, text.len - from), first && !from);
}

static int count_raw(struct sl_tokenizer_work *work, struct sl_span text, bool first)
{
	const struct sl_tokenizer *t = work->tokenizer;
	int rc;

	if (!text.len)
		return 0;
	rc = sl_tokenizer_normalise(work, &text);
	if (rc)
		return rc;
	if (t->added[1].node_count)
		return cut_added(work, &t->added[1], text, first, count_normal);
	return count_normal(work, text, first);
}

/* ---- counting -------------------------------------------------------------------------------- */

static bool is_utf8(struct sl_span text)
{
	size_t at = 0, n;

	while (at < text.len) {
		if ((uint8_t)text.data[at] < 0x80) {
			at++;
			continue;
		}
		n = sl_text_utf8_len(text.data + at, text.len - at);
		if (!n)
			return false;
		at += n;
	}
	return true;
}

int64_t sl_tokenizer_encode(const struct sl_tokenizer *tokenizer, struct sl_span text,
			    uint32_t *ret_ids, size_t ids_max)
{
	struct sl_tokenizer *t = (struct sl_tokenizer *)tokenizer; /* its buffers alone change */
	struct sl_tokenizer_work *work;
	int64_t count;
	int rc;

	if (text.len > SL_TOKENIZER_TEXT_MAX)
		return -E2BIG;
	if (!is_utf8(text))
		return -EILSEQ;
	work = take_work(t);
	if (!work)
		return -ENOMEM;
	work->ids = ret_ids;
	work->ids_max = ids_max;
	rc = t->added[0].node_count ? cut_added(work, &t->added[0], text, true, count_raw)
				    : count_raw(work, text, true);
	count = (int64_t)work->count;
	put_work(t, work);
	return rc ? rc : count;
}

int64_t sl_tokenizer_count(const struct sl_tokenizer *tokenizer, struct sl_span text)
{
	return sl_tokenizer_encode(tokenizer, text, NULL, 0);
}

uint32_t sl_tokenizer_size(const struct sl_tokenizer *tokenizer)
{
	return tokenizer->size;
}

size_t sl_tokenizer_bytes(const struct sl_tokenizer *tokenizer)
{
	const struct sl_tokenizer *t = tokenizer;
	size_t names = t->names.mask + (size_t)1, pairs = t->pairs.mask + (size_t)1;

	return sizeof(*t) + names * sizeof(*t->names.entries) + t->names.bytes_size +
	       (t->pairs.pairs ? pairs * sizeof(*t->pairs.pairs) : 0) +
	       t->score_count * sizeof(*t->scores) + sl_tokenizer_tree_bytes(&t->pieces) +
	       sl_tokenizer_tree_bytes(&t->added[0]) + sl_tokenizer_tree_bytes(&t->added[1]) +
	       t->added_count * sizeof(*t->added_list) + SL_TOKENIZER_CACHE * sizeof(*t->known);
}

void sl_tokenizer_close(struct sl_tokenizer **tokenizer)
{
	struct sl_tokenizer *t = *tokenizer;

	*tokenizer = NULL;
	if (!t)
		return;
	for (size_t i = 0; i < SL_TOKENIZER_WORKS; i++)
		sl_tokenizer_work_close(&t->works[i]);
	sl_tokenizer_names_close(&t->names);
	free(t->pairs.pairs);
	sl_tokenizer_tree_close(&t->pieces);
	free(t->scores);
	sl_tokenizer_steps_close(&t->normal);
	sl_tokenizer_steps_close(&t->cuts);
	sl_tokenizer_tree_close(&t->added[0]);
	sl_tokenizer_tree_close(&t->added[1]);
	free(t->added_list);
	free(t->known);
	free(t);
}
