/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/maglev.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/hash.h"

/* One node at work. Turn times are in units of 1 / TIME_UNIT of a turn of weight 1. */
#define TIME_UNIT (1ull << 40)

struct turn {
	uint64_t time; /* of the next turn */
	uint64_t step; /* between two turns */
	uint64_t key;
	uint32_t value;
	uint32_t rank; /* by key, then as given: settles equal times */
	uint32_t at;   /* next slot of the permutation */
	uint32_t skip;
};

static const uint32_t sizes[] = {
	251, 509, 1021, 2039, 4093, 8191, 16381, 32749, SL_MAGLEV_SIZE_MAX};

uint32_t sl_maglev_size(uint32_t node_count)
{
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (sizes[i] >= (uint64_t)node_count * SL_MAGLEV_SLOTS_PER_NODE)
			return sizes[i];
	}
	return SL_MAGLEV_SIZE_MAX;
}

static bool is_prime(uint32_t number)
{
	if (number < 2)
		return false;
	for (uint32_t i = 2; i * i <= number; i++) {
		if (number % i == 0)
			return false;
	}
	return true;
}

static int compare_keys(const void *left, const void *right)
{
	const struct turn *a = left, *b = right;

	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return a->rank < b->rank ? -1 : a->rank > b->rank;
}

static bool is_earlier(const struct turn *a, const struct turn *b)
{
	return a->time != b->time ? a->time < b->time : a->rank < b->rank;
}

/* Restores the heap (earliest turn on top) after the time of the top grew. */
static void sift_down(struct turn *heap, uint32_t count)
{
	struct turn top = heap[0];
	uint32_t hole = 0;

	for (uint32_t child = 1; child < count; child = 2 * hole + 1) {
		if (child + 1 < count && is_earlier(&heap[child + 1], &heap[child]))
			child++;
		if (!is_earlier(&heap[child], &top))
			break;
		heap[hole] = heap[child];
		hole = child;
	}
	heap[hole] = top;
}

static void take_slot(struct turn *turn, uint32_t *table, uint32_t size)
{
	/* skip and size have no common factor, so size steps visit every slot. */
	for (uint32_t tries = 0; tries < size; tries++) {
		uint32_t slot = turn->at;

		turn->at += turn->skip;
		if (turn->at >= size)
			turn->at -= size;
		if (table[slot] == 0) {
			table[slot] = turn->value;
			break;
		}
	}
	turn->time += turn->step;
}

int sl_maglev_build(const struct sl_maglev_node *nodes, uint32_t count, uint32_t size,
		    uint32_t *ret_table)
{
	struct turn *heap;
	uint32_t used = 0;

	if (size > SL_MAGLEV_SIZE_MAX || !is_prime(size))
		return -EINVAL;
	if (count > SL_POOL_NODES_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < count; i++) {
		if (nodes[i].value == 0)
			return -EINVAL;
	}
	heap = calloc(count == 0 ? 1 : count, sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		if (nodes[i].weight == 0)
			continue;
		heap[used] = (struct turn){
			.step = TIME_UNIT / nodes[i].weight,
			.key = nodes[i].key,
			.value = nodes[i].value,
			.rank = used,
			.at = sl_hash_combine(1, nodes[i].key) % size,
			.skip = size == 2 ? 1 : sl_hash_combine(2, nodes[i].key) % (size - 1) + 1,
		};
		used++;
	}
	qsort(heap, used, sizeof(*heap), compare_keys);
	for (uint32_t i = 0; i < used; i++)
		heap[i].rank = i; /* all times are 0, so sorted by rank is a heap */
	memset(ret_table, 0, size * sizeof(*ret_table));
	for (uint32_t filled = 0; used > 0 && filled < size; filled++) {
		take_slot(&heap[0], ret_table, size);
		sift_down(heap, used);
	}
	free(heap);
	return 0;
}
