/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lag_queue.h - frames that wait for their time: first the one that is due first, of the same time in
 * the order in which they came.
 *
 * A heap with room for so many frames and so many bytes. Owned by one thread.
 */
#ifndef SL_LOADER_LAG_QUEUE_H
#define SL_LOADER_LAG_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct sl_lag_frame {
	uint64_t due_ns;
	uint64_t number; /* in the order in which they came; the queue's */
	uint32_t way;	 /* whose it is; the caller's */
	uint32_t tries;	 /* to send it, without success; the caller's */
	uint32_t len;
	uint8_t bytes[];
};

struct sl_lag_queue {
	struct sl_lag_frame **heap;
	uint32_t count, count_max;
	uint64_t bytes, bytes_max;
	uint64_t numbers;
};

/* -ENOMEM. */
int sl_lag_queue_init(struct sl_lag_queue *queue, uint32_t count_max, uint64_t bytes_max);

/* Frees what waits, too. */
void sl_lag_queue_fini(struct sl_lag_queue *queue);

bool sl_lag_queue_has_room(const struct sl_lag_queue *queue, uint32_t len);

/* A copy of the bytes. -ENOBUFS: no room; -ENOMEM. */
int sl_lag_queue_add(struct sl_lag_queue *queue, uint64_t due_ns, uint32_t way,
		     const uint8_t *bytes, uint32_t len);

/* The one that is due first, borrowed; NULL: none waits. */
struct sl_lag_frame *sl_lag_queue_peek(const struct sl_lag_queue *queue);

/* Takes that one out, and frees it. */
void sl_lag_queue_drop(struct sl_lag_queue *queue);

/* That one is due later: behind those of the same time. */
void sl_lag_queue_defer(struct sl_lag_queue *queue, uint64_t due_ns);

#endif
