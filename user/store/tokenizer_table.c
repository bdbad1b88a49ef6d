/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of a tokenizer: see tokenizer_parts.h. */
#include "user/store/tokenizer_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint32_t table_size(uint64_t room)
{
	uint64_t size = 64;

	while (size < room * 2)
		size *= 2;
	return (uint32_t)size;
}

/* ---- texts ----------------------------------------------------------------------------------- */

int sl_tokenizer_names_open(struct sl_tokenizer_names *names, uint32_t room, size_t bytes)
{
	uint32_t size = table_size(room);

	names->entries = malloc(size * sizeof(*names->entries));
	names->bytes = malloc(bytes + 1);
	names->bytes_size = bytes;
	names->mask = size - 1;
	if (!names->entries || !names->bytes)
		return -ENOMEM;
	memset(names->entries, 0xff, size * sizeof(*names->entries));
	return 0;
}

void sl_tokenizer_names_close(struct sl_tokenizer_names *names)
{
	free(names->entries);
	free(names->bytes);
}

static struct sl_tokenizer_entry *place_of(const struct sl_tokenizer_names *names,
					   struct sl_span text, uint32_t hash)
{
	for (uint32_t at = hash;; at++) {
		struct sl_tokenizer_entry *entry = &names->entries[at & names->mask];

		if (entry->id == SL_TOKENIZER_NONE ||
		    (entry->hash == hash && entry->len == text.len &&
		     memcmp(names->bytes + entry->at, text.data, text.len) == 0))
			return entry;
	}
}

int sl_tokenizer_names_add(struct sl_tokenizer_names *names, struct sl_span text, uint32_t id)
{
	uint32_t hash = (uint32_t)XXH3_64bits(text.data, text.len);
	struct sl_tokenizer_entry *entry = place_of(names, text, hash);

	if (entry->id != SL_TOKENIZER_NONE)
		return -EEXIST;
	if (names->bytes_len + text.len > names->bytes_size || names->count > names->mask / 2)
		return -E2BIG;
	memcpy(names->bytes + names->bytes_len, text.data, text.len);
	*entry = (struct sl_tokenizer_entry){hash, (uint32_t)names->bytes_len, (uint32_t)text.len,
					     id};
	names->bytes_len += text.len;
	names->count++;
	return 0;
}

uint32_t sl_tokenizer_names_find(const struct sl_tokenizer_names *names, struct sl_span text)
{
	return place_of(names, text, (uint32_t)XXH3_64bits(text.data, text.len))->id;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

int sl_tokenizer_pairs_open(struct sl_tokenizer_pairs *pairs, uint32_t room)
{
	uint32_t size = table_size(room);

	pairs->pairs = malloc(size * sizeof(*pairs->pairs));
	pairs->mask = size - 1;
	if (!pairs->pairs)
		return -ENOMEM;
	memset(pairs->pairs, 0xff, size * sizeof(*pairs->pairs));
	return 0;
}

void sl_tokenizer_pairs_add(struct sl_tokenizer_pairs *pairs, uint32_t left, uint32_t right,
			    uint32_t rank, uint32_t id)
{
	uint64_t key = (uint64_t)left << 32 | right;
	uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
	struct sl_tokenizer_pair *pair = &pairs->pairs[at & pairs->mask];

	while (pair->key != UINT64_MAX && pair->key != key)
		pair = &pairs->pairs[++at & pairs->mask];
	*pair = (struct sl_tokenizer_pair){key, rank, id};
}

/* ---- trees ----------------------------------------------------------------------------------- */

int sl_tokenizer_tree_open(struct sl_tokenizer_tree *tree, size_t bytes)
{
	uint32_t size = table_size(bytes + 1), i;

	tree->edges = calloc(size, sizeof(*tree->edges));
	tree->ends = malloc((bytes + 1) * sizeof(*tree->ends));
	tree->mask = size - 1;
	tree->node_room = (uint32_t)bytes + 1;
	if (!tree->edges || !tree->ends)
		return -ENOMEM;
	for (i = 0; i < tree->node_room; i++)
		tree->ends[i] = SL_TOKENIZER_NONE;
	tree->node_count = 1;
	return 0;
}

void sl_tokenizer_tree_close(struct sl_tokenizer_tree *tree)
{
	free(tree->edges);
	free(tree->ends);
}

static struct sl_tokenizer_edge *edge_of(const struct sl_tokenizer_tree *tree, uint32_t node,
					 uint8_t byte)
{
	uint64_t key = (uint64_t)node * 256u + byte + 1u;
	uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 32;

	for (;; at++) {
		struct sl_tokenizer_edge *edge = &tree->edges[at & tree->mask];

		if (edge->from == key || !edge->from)
			return edge;
	}
}

void sl_tokenizer_tree_add(struct sl_tokenizer_tree *tree, struct sl_span text, uint32_t number)
{
	uint32_t node = 0;

	for (size_t i = 0; i < text.len; i++) {
		struct sl_tokenizer_edge *edge = edge_of(tree, node, (uint8_t)text.data[i]);

		if (!edge->from) {
			if (tree->node_count == tree->node_room)
				return; /* opened for fewer bytes: a bug of the caller's */
			edge->from = (uint64_t)node * 256u + (uint8_t)text.data[i] + 1u;
			edge->to = tree->node_count++;
		}
		node = edge->to;
	}
	if (!text.len)
		return;
	tree->first[(uint8_t)text.data[0]] = true;
	if (tree->ends[node] == SL_TOKENIZER_NONE)
		tree->ends[node] = number;
}

uint32_t sl_tokenizer_tree_step(const struct sl_tokenizer_tree *tree, uint32_t node, uint8_t byte)
{
	const struct sl_tokenizer_edge *edge = edge_of(tree, node, byte);

	return edge->from ? edge->to : 0;
}
