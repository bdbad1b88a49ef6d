/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * output.h - bytes that wait for their turn on a socket, in the loop's pooled blocks.
 *
 * For owners that share a socket among several senders: each has its own, and one slow sender takes
 * no place of the others. Thread: the loop's.
 */
#ifndef SL_IO_OUTPUT_H
#define SL_IO_OUTPUT_H

#include "user/io/socket.h"

struct sl_output {
	struct sl_socket_queue queue; /* zero: empty */
	uint32_t bytes;
};

/* Appends len bytes (copied), all or none. 0, or -ENOMEM (also over SL_SOCKET_OUT_MAX). */
int sl_output_append(struct sl_loop *loop, struct sl_output *output, const void *data, size_t len);

/* Moves the first len (<= bytes) to out. */
void sl_output_take(struct sl_loop *loop, struct sl_output *output, char *out, size_t len);

void sl_output_drop(struct sl_loop *loop, struct sl_output *output);

#endif
