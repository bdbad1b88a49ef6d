/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/lag_queue.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sl_lag_queue_init(struct sl_lag_queue *queue, uint32_t count_max, uint64_t bytes_max)
{
	memset(queue, 0, sizeof(*queue));
	queue->heap = calloc(count_max, sizeof(struct sl_lag_frame *));
	if (!queue->heap)
		return -ENOMEM;
	queue->count_max = count_max;
	queue->bytes_max = bytes_max;
	return 0;
}

void sl_lag_queue_fini(struct sl_lag_queue *queue)
{
	while (queue->count)
		sl_lag_queue_drop(queue);
	free(queue->heap);
	queue->heap = NULL;
}

bool sl_lag_queue_has_room(const struct sl_lag_queue *queue, uint32_t len)
{
	return queue->count < queue->count_max && queue->bytes + len <= queue->bytes_max;
}

static bool comes_first(const struct sl_lag_frame *a, const struct sl_lag_frame *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->number < b->number;
}

static void rise(struct sl_lag_queue *queue, uint32_t at)
{
	struct sl_lag_frame *frame = queue->heap[at];

	while (at && comes_first(frame, queue->heap[(at - 1) / 2])) {
		queue->heap[at] = queue->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	queue->heap[at] = frame;
}

static void sink(struct sl_lag_queue *queue)
{
	struct sl_lag_frame *frame = queue->heap[0];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child + 1 < queue->count &&
		    comes_first(queue->heap[child + 1], queue->heap[child]))
			child++;
		if (child >= queue->count || !comes_first(queue->heap[child], frame))
			break;
		queue->heap[at] = queue->heap[child];
		at = child;
	}
	queue->heap[at] = frame;
}

int sl_lag_queue_add(struct sl_lag_queue *queue, uint64_t due_ns, uint32_t way,
		     const uint8_t *bytes, uint32_t len)
{
	struct sl_lag_frame *frame;

	if (!sl_lag_queue_has_room(queue, len))
		return -ENOBUFS;
	frame = malloc(sizeof(*frame) + len);
	if (!frame)
		return -ENOMEM;
	frame->due_ns = due_ns;
	frame->number = queue->numbers++;
	frame->way = way;
	frame->tries = 0;
	frame->len = len;
	memcpy(frame->bytes, bytes, len);
	queue->bytes += len;
	queue->heap[queue->count] = frame;
	rise(queue, queue->count++);
	return 0;
}

struct sl_lag_frame *sl_lag_queue_peek(const struct sl_lag_queue *queue)
{
	return queue->count ? queue->heap[0] : NULL;
}

void sl_lag_queue_drop(struct sl_lag_queue *queue)
{
	struct sl_lag_frame *frame = sl_lag_queue_peek(queue);

	assert(frame && queue->bytes >= frame->len);
	queue->bytes -= frame->len;
	queue->heap[0] = queue->heap[--queue->count];
	if (queue->count)
		sink(queue);
	free(frame);
}

void sl_lag_queue_defer(struct sl_lag_queue *queue, uint64_t due_ns)
{
	struct sl_lag_frame *frame = sl_lag_queue_peek(queue);

	assert(frame && due_ns >= frame->due_ns);
	frame->due_ns = due_ns;
	frame->number = queue->numbers++;
	sink(queue);
}
