/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * block.h - blocks of queued output, in two sizes, pooled per loop. Internal to io/.
 *
 * Freed blocks go on a last-in first-out list, so a relayed token is written into memory that is
 * still in the cache. The lists are bounded; what is over the bound goes back to malloc.
 */
#ifndef SL_IO_BLOCK_H
#define SL_IO_BLOCK_H

#include <stddef.h>
#include <stdint.h>
#include "user/io/socket.h"

#define SL_BLOCK_SMALL_BYTES 1000u  /* with the header: 1 KiB */
#define SL_BLOCK_LARGE_BYTES 16384u /* the most that sl_socket_reserve() promises */
#define SL_BLOCK_SMALL_IDLE  2048u  /* most that a loop keeps: 2 MiB */
#define SL_BLOCK_LARGE_IDLE  64u    /* 1 MiB */

struct sl_socket_block {
	struct sl_socket_block *next;
	uint32_t start; /* first byte that is not sent yet */
	uint32_t end;	/* behind the last byte written */
	uint32_t size;
	uint32_t unused;
	char data[];
};

struct sl_block_pool {
	struct sl_socket_block *small, *large;
	uint32_t small_idle, large_idle;
	uint32_t live; /* handed out; 0 when every socket is closed */
};

/* An empty block with at least min(len, SL_BLOCK_LARGE_BYTES) bytes, or NULL. */
struct sl_socket_block *sl_block_get(struct sl_block_pool *pool, size_t len);
void sl_block_put(struct sl_block_pool *pool, struct sl_socket_block *block);
/* ---- queues of them ---- */

/* Appends len bytes (copied), all or none. 0 or -ENOMEM. */
int sl_block_queue_append(struct sl_block_pool *pool, struct sl_socket_queue *queue,
			  const void *buf, size_t len);
/* Room for len <= SL_BLOCK_LARGE_BYTES at the end, or NULL; then sl_block_queue_commit(). */
char *sl_block_queue_reserve(struct sl_block_pool *pool, struct sl_socket_queue *queue, size_t len);
void sl_block_queue_commit(struct sl_socket_queue *queue, size_t len);
/* Takes the first block off and gives it back; the queue is not empty. */
void sl_block_queue_pop(struct sl_block_pool *pool, struct sl_socket_queue *queue);
void sl_block_queue_drop(struct sl_block_pool *pool, struct sl_socket_queue *queue);

/* Frees the idle ones. */
void sl_block_pool_fini(struct sl_block_pool *pool);

#endif
