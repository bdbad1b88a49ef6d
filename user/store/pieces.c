/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/pieces.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define SPACE	     "\xe2\x96\x81" /* U+2581 */
#define SPACE_BYTES  3u
#define SYMBOLS_ROOM (SL_PIECES_TEXT_MAX * SPACE_BYTES + SPACE_BYTES)
#define NO_PIECE     UINT32_MAX

/*
 * A tree of bytes. Its edges are in one table by (node, byte), open addressing, at most half full:
 * a step costs about one line of memory.
 */
struct edge {
	uint32_t from; /* node * 256 + byte, plus 1; 0: free */
	uint32_t to;
};

struct node {
	uint32_t piece; /* that ends here, or NO_PIECE */
};

struct sl_pieces {
	struct sl_piece *list;
	uint32_t count;
	struct node *nodes;
	uint32_t node_count;
	struct edge *edges;
	uint32_t edge_mask;
};

_Static_assert(sizeof(struct sl_piece) == 64, "it lies in a file");

/* ---- the tree -------------------------------------------------------------------------------- */

static struct edge *find_edge(const struct sl_pieces *pieces, uint32_t node, uint8_t byte)
{
	uint32_t key = node * 256u + byte + 1u;
	uint32_t at = (key * 2654435769u) >> 7;

	for (;; at++) {
		struct edge *edge = &pieces->edges[at & pieces->edge_mask];

		if (edge->from == key || edge->from == 0)
			return edge;
	}
}

static void insert(struct sl_pieces *pieces, uint32_t id)
{
	const struct sl_piece *piece = &pieces->list[id];
	uint32_t node = 0, i;

	for (i = 0; i < piece->len; i++) {
		struct edge *edge = find_edge(pieces, node, (uint8_t)piece->text[i]);

		if (!edge->from) {
			edge->from = node * 256u + (uint8_t)piece->text[i] + 1u;
			edge->to = pieces->node_count;
			pieces->nodes[pieces->node_count++].piece = NO_PIECE;
		}
		node = edge->to;
	}
	pieces->nodes[node].piece = id;
}

static int build(struct sl_pieces *pieces)
{
	size_t nodes_max = 1, edges = 64, i;

	for (i = 0; i < pieces->count; i++) {
		if (!pieces->list[i].len || pieces->list[i].len > SL_PIECE_BYTES_MAX)
			return -EINVAL;
		nodes_max += pieces->list[i].len;
	}
	while (edges < nodes_max * 2)
		edges *= 2;
	pieces->nodes = calloc(nodes_max, sizeof(*pieces->nodes));
	pieces->edges = calloc(edges, sizeof(*pieces->edges));
	if (!pieces->nodes || !pieces->edges)
		return -ENOMEM;
	pieces->edge_mask = (uint32_t)edges - 1;
	pieces->nodes[0].piece = NO_PIECE;
	pieces->node_count = 1;
	for (i = SL_PIECES_RESERVED; i < pieces->count; i++)
		insert(pieces, (uint32_t)i);
	return 0;
}

int sl_pieces_open(const struct sl_piece *pieces, uint32_t piece_count,
		   struct sl_pieces **ret_pieces)
{
	struct sl_pieces *made;
	int rc = -ENOMEM;

	if (piece_count <= SL_PIECES_RESERVED || piece_count > SL_PIECES_MAX)
		return -EINVAL;
	made = calloc(1, sizeof(*made));
	if (!made)
		return -ENOMEM;
	made->count = piece_count;
	made->list = malloc(piece_count * sizeof(*made->list));
	if (made->list) {
		memcpy(made->list, pieces, piece_count * sizeof(*made->list));
		rc = build(made);
	}
	if (rc < 0)
		sl_pieces_close(&made);
	else
		*ret_pieces = made;
	return rc;
}

void sl_pieces_close(struct sl_pieces **pieces)
{
	struct sl_pieces *gone = *pieces;

	*pieces = NULL;
	if (!gone)
		return;
	free(gone->edges);
	free(gone->nodes);
	free(gone->list);
	free(gone);
}

/* ---- the text as symbols --------------------------------------------------------------------- */

static bool is_ascii(struct sl_span text)
{
	uint8_t seen = 0;
	size_t i;

	for (i = 0; i < text.len; i++)
		seen |= (uint8_t)text.data[i];
	return !(seen & 0x80);
}

static bool starts_symbol(char byte)
{
	return ((uint8_t)byte & 0xc0) != 0x80;
}

/* At most max bytes of it, no symbol torn. */
static struct sl_span shorten(struct sl_span text, size_t max, bool *ret_cut)
{
	size_t len = text.len;

	if (len > max) {
		*ret_cut = true;
		len = max;
		while (len && !starts_symbol(text.data[len]))
			len--;
	}
	return sl_span_make(text.data, len);
}

/* Spaces replaced, one in front. Returns the bytes written. */
static size_t write_symbols(struct sl_span text, char *out)
{
	size_t len = 0, i;

	memcpy(out, SPACE, SPACE_BYTES);
	len = SPACE_BYTES;
	for (i = 0; i < text.len; i++) {
		if (text.data[i] == ' ') {
			memcpy(out + len, SPACE, SPACE_BYTES);
			len += SPACE_BYTES;
		} else {
			out[len++] = text.data[i];
		}
	}
	return len;
}

/* Returns the number of bytes in out, which has SYMBOLS_ROOM, or -EILSEQ, -ENOMEM. */
static int make_symbols(struct sl_span text, char *out, bool *ret_cut)
{
	utf8proc_uint8_t *normal = NULL;
	utf8proc_ssize_t len;
	size_t written;

	text = shorten(text, SL_PIECES_TEXT_MAX, ret_cut);
	if (!text.len)
		return 0;
	if (is_ascii(text))
		return (int)write_symbols(text, out);
	len = utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.len, &normal,
			   UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
	if (len < 0)
		return len == UTF8PROC_ERROR_NOMEM ? -ENOMEM : -EILSEQ;
	text = shorten(sl_span_make((const char *)normal, (size_t)len), SL_PIECES_TEXT_MAX,
		       ret_cut);
	written = text.len ? write_symbols(text, out) : 0;
	free(normal);
	return (int)written;
}

/* ---- the best way to cut it ------------------------------------------------------------------ */

struct place {
	double best;
	uint32_t word; /* that ends here */
};

static void offer(struct place *place, double score, uint32_t id)
{
	if (place->best == 0 || score >= place->best) {
		place->best = score;
		place->word = id;
	}
}

static size_t symbol_end(const char *symbols, size_t len, size_t at)
{
	for (at++; at < len && !starts_symbol(symbols[at]); at++)
		;
	return at;
}

/* Every piece that starts at `at`, or the symbol there as unknown. */
static void step(const struct sl_pieces *pieces, const char *symbols, size_t len, size_t at,
		 struct place *places)
{
	uint32_t node = 0;
	bool found = false;
	size_t i;

	for (i = at; i < len; i++) {
		const struct edge *edge = find_edge(pieces, node, (uint8_t)symbols[i]);

		if (!edge->from)
			break;
		node = edge->to;
		if (pieces->nodes[node].piece != NO_PIECE) {
			uint32_t id = pieces->nodes[node].piece;

			offer(&places[i + 1], pieces->list[id].score + places[at].best, id);
			found = true;
		}
	}
	if (!found)
		offer(&places[symbol_end(symbols, len, at)], places[at].best, SL_PIECES_UNKNOWN);
}

/* From the end to the start; into the end of ids, which has room for one of each byte. */
static size_t walk_back(const struct sl_pieces *pieces, const char *symbols, size_t len,
			const struct place *places, uint32_t *ids)
{
	size_t at = len, first = len;
	bool unknown_before = false;

	while (at > 0) {
		uint32_t id = places[at].word;

		if (id != SL_PIECES_UNKNOWN) {
			at -= pieces->list[id].len;
		} else {
			for (at--; at && !starts_symbol(symbols[at]); at--)
				;
		}
		if (id != SL_PIECES_UNKNOWN || !unknown_before)
			ids[--first] = id;
		unknown_before = id == SL_PIECES_UNKNOWN;
	}
	return first;
}

int sl_pieces_encode(const struct sl_pieces *pieces, struct sl_span text, uint32_t *ret_ids,
		     uint32_t ids_max, bool *ret_cut)
{
	struct place *places = NULL;
	uint32_t *ids = NULL;
	size_t first, count = 0;
	bool cut = false;
	char *symbols = malloc(text.len < SL_PIECES_TEXT_MAX && is_ascii(text)
				       ? (text.len + 1) * SPACE_BYTES
				       : SYMBOLS_ROOM);
	int len, rc = -ENOMEM;

	if (!symbols)
		return -ENOMEM;
	rc = len = make_symbols(text, symbols, &cut);
	if (len < 0)
		goto free_symbols;
	places = calloc((size_t)len + 1, sizeof(*places));
	ids = malloc(((size_t)len + 1) * sizeof(*ids));
	rc = -ENOMEM;
	if (!places || !ids)
		goto free_places;
	for (int at = 0; at < len; at++) {
		if (starts_symbol(symbols[at]))
			step(pieces, symbols, (size_t)len, (size_t)at, places);
	}
	first = walk_back(pieces, symbols, (size_t)len, places, ids);
	count = (size_t)len - first;
	if (count > ids_max) {
		count = ids_max;
		cut = true;
	}
	memcpy(ret_ids, ids + first, count * sizeof(*ids));
	*ret_cut = cut;
	rc = (int)count;
free_places:
	free(ids);
	free(places);
free_symbols:
	free(symbols);
	return rc;
}
