/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * breaker.h - contract (the body follows in this file).
 *
 * Pure functions over struct sl_node_state and struct sl_pool_state, compiled into the BPF object,
 * the daemon and the simulator. No clock, no randomness, no map access: the caller passes them in.
 */
#ifndef SL_BPF_BREAKER_H
#define SL_BPF_BREAKER_H

#include "bpf/abi.h"

/* The numbers that one decision needs; the caller fills them from its row of the tunables. */
struct sl_breaker_config {
	__u32 consecutive;
	__u32 failure_percent;
	__u32 volume;
	__u32 slow_percent;
	__u32 open_ms;
	__u32 open_max_ms;
	__u32 probe_ms;
	__u32 successes;
	__u32 eject_percent;
	__u32 metrics_only;
};

enum sl_breaker_verdict {
	SL_BREAKER_REFUSE = 0,
	SL_BREAKER_ADMIT = 1,
	SL_BREAKER_ADMIT_PROBE = 2,
};

/* What a call changed; the caller turns it into an event. */
struct sl_breaker_change {
	__u8 changed; /* 1: from -> to happened */
	__u8 cap_denied;
	__u8 from;
	__u8 to;
	__u16 generation;
	__u16 pad;
};

#endif
