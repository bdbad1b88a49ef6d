/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beacon.h - beacons of inference hosts.
 */
#ifndef SL_BPF_BEACON_H
#define SL_BPF_BEACON_H

#include "bpf/lane.h"

static __always_inline int sl_control(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();

	return row ? sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE) : sl_hook_pass(tc);
}

#endif
