/* SPDX-License-Identifier: BSD-2-Clause */
/* block.c - see block.h. */
#include "user/io/block.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- queues ---------------------------------------------------------------------------------- */

static size_t room_in(const struct sl_socket_block *block)
{
	return block ? block->size - block->end : 0;
}

static void append_block(struct sl_socket_queue *queue, struct sl_socket_block *block)
{
	if (queue->tail)
		queue->tail->next = block;
	else
		queue->head = block;
	queue->tail = block;
}

static void put_chain(struct sl_block_pool *pool, struct sl_socket_block *block)
{
	while (block) {
		struct sl_socket_block *next = block->next;

		sl_block_put(pool, block);
		block = next;
	}
}

/* Blocks for len bytes, all or none: half a message must never be queued. */
static int get_chain(struct sl_block_pool *pool, size_t len, struct sl_socket_block **ret_first)
{
	struct sl_socket_block *first = NULL, **tail = &first;

	while (len) {
		struct sl_socket_block *block = sl_block_get(pool, len);

		if (!block) {
			put_chain(pool, first);
			return -ENOMEM;
		}
		*tail = block;
		tail = &block->next;
		len -= len < block->size ? len : block->size;
	}
	*ret_first = first;
	return 0;
}

static size_t fill(struct sl_socket_block *block, const char *buf, size_t len)
{
	size_t room = room_in(block);
	size_t part = len < room ? len : room;

	memcpy(block->data + block->end, buf, part);
	block->end += (uint32_t)part;
	return part;
}

int sl_block_queue_append(struct sl_block_pool *pool, struct sl_socket_queue *queue,
			  const void *buf, size_t len)
{
	struct sl_socket_block *chain = NULL;
	size_t room = room_in(queue->tail);
	const char *from = buf;
	size_t left = len;

	if (len > room) {
		int error = get_chain(pool, len - room, &chain);

		if (error)
			return error;
	}
	if (room) {
		size_t part = fill(queue->tail, from, left);

		from += part;
		left -= part;
	}
	while (chain) {
		struct sl_socket_block *next = chain->next;
		size_t part = fill(chain, from, left);

		chain->next = NULL;
		append_block(queue, chain);
		from += part;
		left -= part;
		chain = next;
	}
	assert(!left);
	return 0;
}

char *sl_block_queue_reserve(struct sl_block_pool *pool, struct sl_socket_queue *queue, size_t len)
{
	struct sl_socket_block *block;

	if (!queue->tail || room_in(queue->tail) < len) {
		block = sl_block_get(pool, len);
		if (!block)
			return NULL;
		append_block(queue, block);
	}
	block = queue->tail;
	return block->data + block->end;
}

void sl_block_queue_commit(struct sl_socket_queue *queue, size_t len)
{
	assert(len <= room_in(queue->tail));
	queue->tail->end += (uint32_t)len;
}

void sl_block_queue_pop(struct sl_block_pool *pool, struct sl_socket_queue *queue)
{
	struct sl_socket_block *block = queue->head;

	queue->head = block->next;
	if (!queue->head)
		queue->tail = NULL;
	sl_block_put(pool, block);
}

void sl_block_queue_drop(struct sl_block_pool *pool, struct sl_socket_queue *queue)
{
	put_chain(pool, queue->head);
	queue->head = queue->tail = NULL;
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
