/* SPDX-License-Identifier: BSD-2-Clause */
/* block.c - see block.h. */
#include "user/io/block.h"

#include <stdlib.h>

_Static_assert(sizeof(struct sl_socket_block) + SL_BLOCK_SMALL_BYTES == 1024, "1 KiB a block");

struct sl_socket_block *sl_block_get(struct sl_block_pool *pool, size_t len)
{
	uint32_t size = len <= SL_BLOCK_SMALL_BYTES ? SL_BLOCK_SMALL_BYTES : SL_BLOCK_LARGE_BYTES;
	struct sl_socket_block **list = len <= SL_BLOCK_SMALL_BYTES ? &pool->small : &pool->large;
	struct sl_socket_block *block = *list;

	if (block) {
		*list = block->next;
		if (size == SL_BLOCK_SMALL_BYTES)
			pool->small_idle--;
		else
			pool->large_idle--;
	} else {
		block = malloc(sizeof(*block) + size);
		if (!block)
			return NULL;
		block->size = size;
	}
	block->next = NULL;
	block->start = block->end = 0;
	pool->live++;
	return block;
}

void sl_block_put(struct sl_block_pool *pool, struct sl_socket_block *block)
{
	pool->live--;
	if (block->size == SL_BLOCK_SMALL_BYTES && pool->small_idle < SL_BLOCK_SMALL_IDLE) {
		block->next = pool->small;
		pool->small = block;
		pool->small_idle++;
	} else if (block->size == SL_BLOCK_LARGE_BYTES && pool->large_idle < SL_BLOCK_LARGE_IDLE) {
		block->next = pool->large;
		pool->large = block;
		pool->large_idle++;
	} else {
		free(block);
	}
}

static void free_list(struct sl_socket_block *block)
{
	while (block) {
		struct sl_socket_block *next = block->next;

		free(block);
		block = next;
	}
}

void sl_block_pool_fini(struct sl_block_pool *pool)
{
	free_list(pool->small);
	free_list(pool->large);
	*pool = (struct sl_block_pool){.live = pool->live};
}
