/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retire.h - a node that is dead rather than sick.
 *
 * An open breaker leaves flows alone: the node may serve them well. With flow.retire_ms set, the
 * flows of a node that sends nothing at all are reset instead, so that their clients begin anew
 * elsewhere and need not wait for time-outs of their own.
 *
 *   suspect   the breaker is open (or forced), and the node was sent bytes since its own last one:
 *             sl_node_state.suspect_ns is when that was seen first
 *   dead      still so flow.retire_ms later, and not one byte came since
 *   neither   a byte came (whatever flow it belongs to), or the breaker is not open
 *
 * The time that counts is that since the suspicion, not since the last byte: a node that was idle
 * for an hour is not dead because its answer takes a second.
 *
 * SL_NODE_RETIRED in sl_node_state.admin is set with the first look that finds the node dead, which
 * makes one event. It is cleared by the first look that finds it alive, and when the breaker closes
 * (breaker.h). While it is set every packet to the node makes a look; else a flow does when its way
 * is brought up to date, a few times a second at most. A half-open breaker resets nothing, or no
 * probe could succeed.
 *
 * Mode nat alone: in the others what the node sends is not seen here.
 */
#ifndef SL_BPF_RETIRE_H
#define SL_BPF_RETIRE_H

#include "bpf/node.h"

/* Turns RETIRED on or off. Returns true when this call did it. */
static __always_inline bool retire_mark(struct sl_node_state *node, bool dead)
{
	__u32 old = SL_LOAD(node->admin);

	if (!!(old & SL_NODE_RETIRED) == dead)
		return false;
	if (dead)
		old = __sync_fetch_and_or(&node->admin, SL_NODE_RETIRED);
	else
		old = __sync_fetch_and_and(&node->admin, ~SL_NODE_RETIRED);
	return !!(old & SL_NODE_RETIRED) != dead;
}

static __always_inline void retire_emit(const struct sl_node_state *node, __u32 slot, __u64 now_ns)
{
	struct sl_scratch *room = sl_scratch_row();

	if (!room)
		return;
	__builtin_memset(&room->event, 0, sizeof(room->event));
	room->event.node = slot;
	room->event.pool = node->pool;
	room->event.incarnation = node->incarnation;
	room->event.kind = SL_EVENT_RETIRED;
	event_emit(&room->event, now_ns);
}

/*
 * Looks at the node in `slot` while something is about to be sent to it. Returns 1 when it is dead:
 * its flow is to be reset.
 */
__attribute__((noinline)) int sl_retire_look(__u32 slot)
{
	struct sl_node_state *node = sl_node_at(slot);
	__u64 now_ns = sl_now();
	__u64 suspect_ns, last_byte_ns;
	enum sl_breaker_state state;
	__u64 retire_ms;

	if (!node)
		return 0;
	state = sl_breaker_state(sl_breaker_load(&node->breaker));
	last_byte_ns = SL_LOAD(node->last_byte_ns);
	suspect_ns = SL_LOAD(node->suspect_ns);
	if (state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY ||
	    last_byte_ns >= suspect_ns)
		retire_mark(node, false);
	if ((state != SL_BREAKER_OPEN && state != SL_BREAKER_FORCED_OPEN) ||
	    node->mode != SL_MODE_NAT || SL_LOAD(node->last_sent_ns) <= last_byte_ns)
		return 0;
	retire_ms = SL_TUNABLE(node->pool, RETIRE_MS);
	if (!retire_ms)
		return 0;
	if (last_byte_ns >= suspect_ns) {
		__sync_val_compare_and_swap(&node->suspect_ns, suspect_ns, now_ns);
		return 0;
	}
	if (now_ns < suspect_ns || now_ns - suspect_ns < retire_ms * SL_NS_PER_MS)
		return 0;
	if (retire_mark(node, true))
		retire_emit(node, slot, now_ns);
	return 1;
}

#endif
