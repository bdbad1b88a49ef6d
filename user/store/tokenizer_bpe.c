/* SPDX-License-Identifier: BSD-2-Clause */
/* The models: see tokenizer.h. */
#include "user/store/tokenizer_parts.h"

#define SHORT 24u /* symbols; longer pieces are worth a heap */

/* ---- symbols --------------------------------------------------------------------------------- */

static size_t put(struct sl_tokenizer_work *work, size_t count, uint32_t id)
{
	work->symbols[count].id = id;
	return count + 1;
}

/* What one character begins as: its token, its bytes, "unknown", or nothing. */
static size_t put_letter(struct sl_tokenizer_work *work, size_t count, struct sl_span letter,
			 bool *unknown_before)
{
	const struct sl_tokenizer *t = work->tokenizer;
	uint32_t id = sl_tokenizer_names_find(&t->names, letter);

	if (id != SL_TOKENIZER_NONE) {
		*unknown_before = false;
		return put(work, count, id);
	}
	if (t->fallback) {
		*unknown_before = false;
		for (size_t i = 0; i < letter.len; i++)
			count = put(work, count, t->letters[(uint8_t)letter.data[i]]);
		return count;
	}
	if (t->unknown == SL_TOKENIZER_NONE || (t->fuse && *unknown_before))
		return count;
	*unknown_before = true;
	return put(work, count, t->unknown);
}

static size_t begin(struct sl_tokenizer_work *work, struct sl_span piece)
{
	const struct sl_tokenizer *t = work->tokenizer;
	bool unknown_before = false;
	size_t count = 0, at, len;

	if (t->bytes) {
		for (at = 0; at < piece.len; at++) {
			uint32_t id = t->letters[(uint8_t)piece.data[at]];

			if (id == SL_TOKENIZER_NONE)
				id = t->unknown;
			if (id != SL_TOKENIZER_NONE)
				count = put(work, count, id);
		}
		return count;
	}
	for (at = 0; at < piece.len; at += len) {
		len = sl_tokenizer_letter(piece.data, piece.len, at);
		count = put_letter(work, count, sl_span_make(piece.data + at, len),
				   &unknown_before);
	}
	return count;
}

/* ---- short pieces ---------------------------------------------------------------------------- */

static void join_short(struct sl_tokenizer_work *work, size_t count)
{
	const struct sl_tokenizer_pairs *pairs = &work->tokenizer->pairs;
	const struct sl_tokenizer_pair *found[SHORT], *best;
	uint32_t ids[SHORT + 1];
	size_t i, at;

	for (i = 0; i < count; i++)
		ids[i] = work->symbols[i].id;
	for (i = 0; i + 1 < count; i++)
		found[i] = sl_tokenizer_pairs_find(pairs, ids[i], ids[i + 1]);
	for (;;) {
		best = NULL;
		at = 0;
		for (i = 0; i + 1 < count; i++) {
			if (found[i] && (!best || found[i]->rank < best->rank)) {
				best = found[i];
				at = i;
			}
		}
		if (!best)
			break;
		ids[at] = best->id;
		count--;
		for (i = at + 1; i < count; i++) {
			ids[i] = ids[i + 1];
			found[i - 1] = found[i];
		}
		if (at + 1 < count)
			found[at] = sl_tokenizer_pairs_find(pairs, ids[at], ids[at + 1]);
		if (at)
			found[at - 1] = sl_tokenizer_pairs_find(pairs, ids[at - 1], ids[at]);
	}
	for (i = 0; i < count; i++)
		sl_tokenizer_emit(work, ids[i]);
}

/* ---- long pieces ----------------------------------------------------------------------------- */

static bool is_before(struct sl_tokenizer_top a, struct sl_tokenizer_top b)
{
	return a.rank < b.rank || (a.rank == b.rank && a.at < b.at);
}

static void sink(struct sl_tokenizer_work *work, size_t at)
{
	struct sl_tokenizer_top *heap = work->heap, top = heap[at];
	size_t child;

	while ((child = 2 * at + 1) < work->heap_count) {
		if (child + 1 < work->heap_count && is_before(heap[child + 1], heap[child]))
			child++;
		if (!is_before(heap[child], top))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = top;
}

static void push(struct sl_tokenizer_work *work, struct sl_tokenizer_top top)
{
	size_t at = work->heap_count++;

	while (at && is_before(top, work->heap[(at - 1) / 2])) {
		work->heap[at] = work->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	work->heap[at] = top;
}

static struct sl_tokenizer_top pop(struct sl_tokenizer_work *work)
{
	struct sl_tokenizer_top top = work->heap[0];

	work->heap[0] = work->heap[--work->heap_count];
	if (work->heap_count)
		sink(work, 0);
	return top;
}

static const struct sl_tokenizer_pair *pair_at(const struct sl_tokenizer_work *work, uint32_t at)
{
	const struct sl_tokenizer_symbol *symbol = &work->symbols[at];

	if (symbol->id == SL_TOKENIZER_NONE || symbol->after == SL_TOKENIZER_NONE)
		return NULL;
	return sl_tokenizer_pairs_find(&work->tokenizer->pairs, symbol->id,
				       work->symbols[symbol->after].id);
}

static void offer(struct sl_tokenizer_work *work, uint32_t at)
{
	const struct sl_tokenizer_pair *pair = pair_at(work, at);

	if (pair)
		push(work, (struct sl_tokenizer_top){pair->rank, at});
}

static void join(struct sl_tokenizer_work *work, uint32_t at, uint32_t id)
{
	struct sl_tokenizer_symbol *symbol = &work->symbols[at];
	struct sl_tokenizer_symbol *gone = &work->symbols[symbol->after];

	symbol->id = id;
	gone->id = SL_TOKENIZER_NONE;
	symbol->after = gone->after;
	if (symbol->after != SL_TOKENIZER_NONE)
		work->symbols[symbol->after].before = at;
	offer(work, at);
	if (symbol->before != SL_TOKENIZER_NONE)
		offer(work, symbol->before);
}

/* Each join takes one symbol and offers two pairs, so the heap holds three times the symbols at most. */
static int join_long(struct sl_tokenizer_work *work, size_t count)
{
	size_t i;

	if (!sl_tokenizer_room(work, (void **)&work->heap, &work->heap_size, 3 * count,
			       sizeof(*work->heap)))
		return -ENOMEM;
	work->heap_count = 0;
	for (i = 0; i < count; i++) {
		work->symbols[i].before = i ? (uint32_t)i - 1 : SL_TOKENIZER_NONE;
		work->symbols[i].after = i + 1 < count ? (uint32_t)i + 1 : SL_TOKENIZER_NONE;
	}
	for (i = 0; i < count; i++)
		offer(work, (uint32_t)i);
	while (work->heap_count) {
		struct sl_tokenizer_top top = pop(work);
		const struct sl_tokenizer_pair *pair = pair_at(work, top.at);

		if (pair && pair->rank == top.rank) /* else it has changed since */
			join(work, top.at, pair->id);
	}
	for (i = 0; i < count; i++) {
		if (work->symbols[i].id != SL_TOKENIZER_NONE)
			sl_tokenizer_emit(work, work->symbols[i].id);
	}
	return 0;
}

int sl_tokenizer_bpe(struct sl_tokenizer_work *work, struct sl_span piece)
{
	const struct sl_tokenizer *t = work->tokenizer;
	size_t count;

	if (t->ignore_merges) {
		uint32_t id = sl_tokenizer_names_find(&t->names, piece);

		if (id != SL_TOKENIZER_NONE) {
			sl_tokenizer_emit(work, id);
			return 0;
		}
	}
	if (!sl_tokenizer_room(work, (void **)&work->symbols, &work->symbols_size, piece.len + 1,
			       sizeof(*work->symbols)))
		return -ENOMEM;
	count = begin(work, piece);
	if (count > SHORT)
		return join_long(work, count);
	join_short(work, count);
	return 0;
}

/* ---- Unigram --------------------------------------------------------------------------------- */

static void reach(struct sl_tokenizer_work *work, size_t from, size_t to, double score, uint32_t id)
{
	struct sl_tokenizer_place *place = &work->places[to];

	score += work->places[from].score;
	if (place->reached && score <= place->score)
		return;
	*place = (struct sl_tokenizer_place){score, (uint32_t)from, id, true};
}

/* All tokens that begin at `at`; a character that is none is unknown. */
static void reach_from(struct sl_tokenizer_work *work, struct sl_span piece, size_t at)
{
	const struct sl_tokenizer *t = work->tokenizer;
	size_t letter = sl_tokenizer_letter(piece.data, piece.len, at), i;
	uint32_t node = 0;
	bool single = false;

	for (i = at; i < piece.len; i++) {
		node = sl_tokenizer_tree_step(&t->pieces, node, (uint8_t)piece.data[i]);
		if (!node)
			break;
		if (t->pieces.ends[node] == SL_TOKENIZER_NONE)
			continue;
		reach(work, at, i + 1, t->scores[t->pieces.ends[node]], t->pieces.ends[node]);
		single |= i + 1 == at + letter;
	}
	if (!single)
		reach(work, at, at + letter, t->unknown_score, SL_TOKENIZER_NONE);
}

/* What no token covers, from..to: unknowns side by side are one. */
static void emit_unknown(struct sl_tokenizer_work *work, struct sl_span text)
{
	const struct sl_tokenizer *t = work->tokenizer;
	uint32_t id = sl_tokenizer_names_find(&t->names, text);

	if (id != SL_TOKENIZER_NONE) {
		sl_tokenizer_emit(work, id);
	} else if (t->fallback) {
		for (size_t i = 0; i < text.len; i++)
			sl_tokenizer_emit(work, t->letters[(uint8_t)text.data[i]]);
	} else if (t->unknown != SL_TOKENIZER_NONE) {
		sl_tokenizer_emit(work, t->unknown);
	}
}

/* From the end to the beginning, then forwards: each place gets where the way goes on. */
static void walk(struct sl_tokenizer_work *work, struct sl_span piece)
{
	struct sl_tokenizer_place *places = work->places;
	uint32_t at = (uint32_t)piece.len, to = SL_TOKENIZER_NONE, from, id, next_id = 0;

	while (at) {
		from = places[at].from;
		id = places[at].id;
		places[at].from = to;
		places[at].id = next_id;
		to = at;
		next_id = id;
		at = from;
	}
	places[0].from = to;
	places[0].id = next_id;
	while (at != (uint32_t)piece.len) {
		if (places[at].id != SL_TOKENIZER_NONE) {
			sl_tokenizer_emit(work, places[at].id);
			at = places[at].from;
			continue;
		}
		from = at;
		while (at != (uint32_t)piece.len && places[at].id == SL_TOKENIZER_NONE)
			at = places[at].from;
		emit_unknown(work, sl_span_make(piece.data + from, at - from));
	}
}

int sl_tokenizer_unigram(struct sl_tokenizer_work *work, struct sl_span piece)
{
	size_t at;

	if (!piece.len)
		return 0;
	if (!sl_tokenizer_room(work, (void **)&work->places, &work->places_size, piece.len + 1,
			       sizeof(*work->places)))
		return -ENOMEM;
	memset(work->places, 0, (piece.len + 1) * sizeof(*work->places));
	for (at = 0; at < piece.len; at += sl_tokenizer_letter(piece.data, piece.len, at))
		reach_from(work, piece, at);
	walk(work, piece);
	return 0;
}
