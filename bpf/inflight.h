/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inflight.h - how many flows of the fast lane are alive at a node, without a way to leak.
 *
 * Opened minus closed, evicted and expired would count flows whose clients vanished without FIN
 * until their place is needed. So a flow is counted in the epoch of its last packet: struct
 * sl_node_state and struct sl_pool_state hold the counts of the last SL_FLOW_EPOCHS epochs of 17 s
 * (2^34 ns, no division), a flow remembers its epoch, and its first packet of a later epoch moves
 * it. What sends no packet for about a minute falls out by itself; a flow that wakes up counts
 * again. A flow counts from its handshake's end, so connects that nobody answers are no load.
 *
 *   bucket    stamp (epoch) << 32 | count, changed by compare-and-swap
 *   mark      0: not counted; else 0x80 | epoch & 0x7f
 *
 * Two CPUs that move one flow at the same instant count it twice until the epoch falls out.
 * Pure; included through breaker.h.
 */
#ifndef SL_BPF_INFLIGHT_H
#define SL_BPF_INFLIGHT_H

#include "bpf/breaker_word.h"

#define SL_FLOW_EPOCH_SHIFT  34u
#define SL_FLOW_MARK_COUNTED 0x80u
#define SL_FLOW_MARK_EPOCH   0x7fu

SL_BREAKER_INLINE __u32 sl_flow_epoch(__u64 now_ns)
{
	return (__u32)(now_ns >> SL_FLOW_EPOCH_SHIFT);
}

SL_BREAKER_INLINE __u8 sl_flow_mark(__u64 now_ns)
{
	return (__u8)(SL_FLOW_MARK_COUNTED | (sl_flow_epoch(now_ns) & SL_FLOW_MARK_EPOCH));
}

/*
 * Flows alive: those with a packet in this epoch or the SL_FLOW_EPOCHS - 1 before. Without a branch
 * for each, which would multiply for the verifier wherever this is inlined.
 */
SL_BREAKER_INLINE __u64 sl_epoch_sum(const __u64 epochs[SL_FLOW_EPOCHS], __u64 now_ns)
{
	__u32 epoch = sl_flow_epoch(now_ns);
	__u64 sum = 0;

	for (__u32 i = 0; i < SL_FLOW_EPOCHS; i++) {
		__u64 bucket = sl_breaker_load(&epochs[i]);
		/* A clock that is behind by one epoch sees the newest as the future: age -1. */
		__u64 age_next = (__u32)(epoch - (__u32)(bucket >> 32) + 1);
		__u64 counts = (__u64)((__s64)(age_next - (SL_FLOW_EPOCHS + 1)) >> 63);

		__asm__ volatile("" : "+r"(counts));
		sum += bucket & 0xffffffffu & counts;
	}
	return sum;
}

SL_BREAKER_INLINE __u64 sl_node_flows(const struct sl_node_state *node, __u64 now_ns)
{
	return sl_epoch_sum(node->flow_epochs, now_ns);
}

SL_BREAKER_INLINE void sl_epoch_add(__u64 epochs[SL_FLOW_EPOCHS], __u64 now_ns)
{
	__u32 epoch = sl_flow_epoch(now_ns);
	__u64 *bucket = &epochs[epoch % SL_FLOW_EPOCHS];

	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 old = sl_breaker_load(bucket);
		__u64 next = (__u32)(old >> 32) == epoch ? old + 1 : (__u64)epoch << 32 | 1;

		if (__sync_val_compare_and_swap(bucket, old, next) == old)
			return;
	}
}

/* Takes a counted flow out again; one whose epoch has fallen out is out already. */
SL_BREAKER_INLINE void sl_epoch_sub(__u64 epochs[SL_FLOW_EPOCHS], __u8 mark)
{
	__u64 *bucket = &epochs[mark % SL_FLOW_EPOCHS];

	if (!(mark & SL_FLOW_MARK_COUNTED))
		return;
	for (int tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u64 old = sl_breaker_load(bucket);

		if (((old >> 32) & SL_FLOW_MARK_EPOCH) != (mark & SL_FLOW_MARK_EPOCH) ||
		    (__u32)old == 0)
			return;
		if (__sync_val_compare_and_swap(bucket, old, old - 1) == old)
			return;
	}
}

#endif
