/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "user/io/backend.h"

int sl_output_append(struct sl_loop *loop, struct sl_output *output, const void *data, size_t len)
{
	int error;

	if (!len)
		return 0;
	if (len > SL_SOCKET_OUT_MAX - output->bytes)
		return -ENOMEM;
	error = sl_block_queue_append(&loop->blocks, &output->queue, data, len);
	if (!error)
		output->bytes += (uint32_t)len;
	return error;
}

void sl_output_take(struct sl_loop *loop, struct sl_output *output, char *out, size_t len)
{
	assert(len <= output->bytes);
	output->bytes -= (uint32_t)len;
	while (len) {
		struct sl_socket_block *block = output->queue.head;
		size_t part = block->end - block->start;

		if (part > len)
			part = len;
		memcpy(out, block->data + block->start, part);
		out += part;
		len -= part;
		block->start += (uint32_t)part;
		if (block->start == block->end)
			sl_block_queue_pop(&loop->blocks, &output->queue);
	}
}

void sl_output_drop(struct sl_loop *loop, struct sl_output *output)
{
	sl_block_queue_drop(&loop->blocks, &output->queue);
	output->bytes = 0;
}
