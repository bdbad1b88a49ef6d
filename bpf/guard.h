/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - who may open new flows, and how fast.
 */
#ifndef SL_BPF_GUARD_H
#define SL_BPF_GUARD_H

#include "bpf/lane.h"

static __always_inline int sl_cookie(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();

	return row ? sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL) : sl_hook_pass(tc);
}

#endif
