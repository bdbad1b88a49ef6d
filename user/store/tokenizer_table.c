/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of a tokenizer: see tokenizer_parts.h. */
#include "user/store/tokenizer_parts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FEW_CHILDREN 8u /* are looked through one by one */

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

/* A text of a tree that is being made; in the order in which they came by `at`. */
struct sl_tokenizer_leaf {
	uint32_t at, len;
	uint32_t number;
};

/* Which texts have the beginning that a node is, while the tree is made. */
struct range {
	uint32_t from, to;
};

void sl_tokenizer_tree_close(struct sl_tokenizer_tree *tree)
{
	free(tree->leaves);
	sl_text_fini(&tree->bytes);
	free(tree->children);
	free(tree->labels);
	free(tree->ends);
	*tree = (struct sl_tokenizer_tree){.node_count = 0};
}

int sl_tokenizer_tree_add(struct sl_tokenizer_tree *tree, struct sl_span text, uint32_t number)
{
	if (!text.len)
		return 0;
	if (tree->leaf_count == tree->leaf_room) {
		uint32_t room = tree->leaf_room ? tree->leaf_room * 2 : 256;
		void *leaves = realloc(tree->leaves, room * sizeof(*tree->leaves));

		if (!leaves)
			return -ENOMEM;
		tree->leaves = leaves;
		tree->leaf_room = room;
	}
	if (!tree->bytes.cap)
		sl_text_init(&tree->bytes, 4 * (size_t)SL_TOKENIZER_FILE_MAX);
	tree->leaves[tree->leaf_count++] =
		(struct sl_tokenizer_leaf){(uint32_t)tree->bytes.len, (uint32_t)text.len, number};
	return sl_text_append_span(&tree->bytes, text);
}

static int compare_leaves(const void *a, const void *b, void *bytes)
{
	const struct sl_tokenizer_leaf *x = a, *y = b;
	uint32_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp((const char *)bytes + x->at, (const char *)bytes + y->at, len);

	if (order)
		return order;
	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

/* Of equal texts the first stays. Returns how many nodes the others make, the root among them. */
static uint32_t sort_leaves(struct sl_tokenizer_tree *tree)
{
	const char *bytes = sl_text_string(&tree->bytes);
	uint32_t kept = 0, nodes = 1;

	qsort_r(tree->leaves, tree->leaf_count, sizeof(*tree->leaves), compare_leaves,
		(void *)bytes);
	for (uint32_t i = 0; i < tree->leaf_count; i++) {
		const struct sl_tokenizer_leaf *leaf = &tree->leaves[i];
		const struct sl_tokenizer_leaf *last = kept ? &tree->leaves[kept - 1] : NULL;
		uint32_t same = 0;

		while (last && same < last->len && same < leaf->len &&
		       bytes[last->at + same] == bytes[leaf->at + same])
			same++;
		if (last && same == leaf->len)
			continue; /* sorted: it is the same text */
		nodes += leaf->len - same;
		tree->leaves[kept++] = *leaf;
	}
	tree->leaf_count = kept;
	return nodes;
}

/* Node by node, level by level: the children of each get the next numbers, in the order of their bytes. */
static void number_nodes(struct sl_tokenizer_tree *tree, struct range *ranges)
{
	const char *bytes = sl_text_string(&tree->bytes);
	uint32_t next = 1, level_end = 1, depth = 0;

	ranges[0] = (struct range){0, tree->leaf_count};
	for (uint32_t node = 0; node < tree->node_count; node++) {
		const struct sl_tokenizer_leaf *leaf = &tree->leaves[ranges[node].from];
		const struct sl_tokenizer_leaf *end = &tree->leaves[ranges[node].to];

		if (node == level_end) {
			depth++;
			level_end = next;
		}
		tree->ends[node] = SL_TOKENIZER_NONE;
		if (leaf < end && leaf->len == depth)
			tree->ends[node] = leaf++->number;
		tree->children[node] = next;
		while (leaf < end) {
			struct range *range = &ranges[next];
			char byte = bytes[leaf->at + depth];

			tree->labels[next++] = (uint8_t)byte;
			range->from = (uint32_t)(leaf - tree->leaves);
			while (leaf < end && bytes[leaf->at + depth] == byte)
				leaf++;
			range->to = (uint32_t)(leaf - tree->leaves);
		}
	}
	tree->children[tree->node_count] = next;
}

int sl_tokenizer_tree_settle(struct sl_tokenizer_tree *tree)
{
	struct range *ranges = NULL;
	size_t nodes;

	if (!tree->leaf_count)
		return 0;
	nodes = sort_leaves(tree);
	tree->node_count = (uint32_t)nodes;
	tree->children = malloc((nodes + 1) * sizeof(*tree->children));
	tree->labels = malloc(nodes);
	tree->ends = malloc(nodes * sizeof(*tree->ends));
	ranges = malloc(nodes * sizeof(*ranges));
	if (!tree->children || !tree->labels || !tree->ends || !ranges) {
		free(ranges);
		sl_tokenizer_tree_close(tree);
		return -ENOMEM;
	}
	tree->labels[0] = 0;
	number_nodes(tree, ranges);
	for (uint32_t node = tree->children[0]; node < tree->children[1]; node++)
		tree->roots[tree->labels[node]] = node;
	free(ranges);
	free(tree->leaves);
	tree->leaves = NULL;
	tree->leaf_count = tree->leaf_room = 0;
	sl_text_fini(&tree->bytes);
	return 0;
}

uint32_t sl_tokenizer_tree_step(const struct sl_tokenizer_tree *tree, uint32_t node, uint8_t byte)
{
	uint32_t low, high;

	if (!node)
		return tree->roots[byte];
	low = tree->children[node];
	high = tree->children[node + 1];
	while (high - low > FEW_CHILDREN) {
		uint32_t middle = low + (high - low) / 2;

		if (tree->labels[middle] <= byte)
			low = middle;
		else
			high = middle;
	}
	for (; low < high; low++)
		if (tree->labels[low] == byte)
			return low;
	return 0;
}

size_t sl_tokenizer_tree_bytes(const struct sl_tokenizer_tree *tree)
{
	return tree->node_count *
	       (sizeof(*tree->children) + sizeof(*tree->labels) + sizeof(*tree->ends));
}
