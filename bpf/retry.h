/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retry.h - refused SYNs that go to another node.
 */
#ifndef SL_BPF_RETRY_H
#define SL_BPF_RETRY_H

#include "bpf/lane.h"

static __always_inline int sl_retry(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!row || !room || !room->handover.index ||
	    sl_parse_packet(ctx, tc, &cursor, &packet, &room->key) != SL_PARSE_TCP)
		return sl_hook_pass(tc);
	return lane_forward(ctx, tc, &packet, room->handover.index - 1, true, false, row);
}

#endif
