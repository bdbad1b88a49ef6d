/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse.h - answers to packets that cannot be served.
 */
#ifndef SL_BPF_REFUSE_H
#define SL_BPF_REFUSE_H

#include "bpf/lane.h"

static __always_inline int sl_refuse(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();

	return row ? sl_unforwarded(tc, row, SL_COUNTER_DROP_NO_NODE) : sl_hook_pass(tc);
}

static __always_inline int sl_too_big(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();

	return row ? sl_unforwarded(tc, row, SL_COUNTER_DROP_TOO_BIG) : sl_hook_pass(tc);
}

#endif
