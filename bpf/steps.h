/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steps.h - the programs that a packet may be handed on to, and the way there.
 *
 * Packets of known flows are done with in the first program; what is rarer lives in programs of its
 * own, reached by tail call: each has a stack and a verifier's budget of its own, and none of it is
 * walked with the first. What they tell each other stands in struct sl_handover; a step that needs the
 * packet itself parses it again. The stack is short: a step that chooses a node (five frames deep)
 * leaves the packet to another step.
 *
 * The arrays of programs belong to one load of the object and are not pinned: an upgrade brings its
 * own, so a packet never runs half of two versions.
 */
#ifndef SL_BPF_STEPS_H
#define SL_BPF_STEPS_H

#include "bpf/maps.h"
#include "bpf/parse.h"
#include "bpf/trace.h"

enum sl_step {
	SL_STEP_OPEN = 0,  /* a packet without a flow, or a SYN of a known one: open.h */
	SL_STEP_SEND,	   /* a packet of the flow that OPEN opened: open.h */
	SL_STEP_TUNNEL,	   /* a packet of a flow in mode ipip or gue: tunnel.h */
	SL_STEP_ICMP,	   /* icmp.h */
	SL_STEP_RETRY,	   /* a RST or a stale ACK from the node that answers a SYN: retry.h */
	SL_STEP_REFUSE,	   /* a new flow that found no node, or a flow of a dead one: refuse.h */
	SL_STEP_CONTROL,   /* UDP to the port of beacons: beacon.h */
	SL_STEP_TOO_BIG,   /* a packet that does not fit the way out: refuse.h */
	SL_STEP_COOKIE,	   /* a SYN that must prove its source: guard.h */
	SL_STEP_QUIC,	   /* a datagram without a flow, for a QUIC service: quic.h */
	SL_STEP_RESEND,	   /* a refusal that becomes the SYN again: retry.h */
	SL_STEP_RELAY,	   /* an ICMP error about a packet of a flow, to its other end: icmp.h */
	SL_STEP_UNWRAP,	   /* an ICMP error about a tunnel of ours: icmp.h */
	SL_STEP_CHAOS,	   /* a packet of a known flow, while experiments run: chaos.h */
	SL_STEP_ONWARD,	   /* what they leave of it: chaos.h */
	SL_STEP_LOCAL,	   /* TC alone: what the lane leaves to the local stack: local.h */
	SL_STEP_CHAOS_IN,  /* TC alone: from a node to the local stack, while experiments run */
	SL_STEP_CHAOS_OUT, /* TC alone: the other way */
	SL_STEPS
};

/* handover.reason of the step RETRY: how the SYN was refused */
#define SL_RETRY_RESET 0u /* by a RST */
#define SL_RETRY_ICMP  1u /* by an ICMP error, which was told to the breaker already */
#define SL_RETRY_STALE 2u /* by the ACK of an older connection from the same port */

/* Those of the node role, in arrays of their own: a host has one role and loads its programs. */
enum sl_node_step {
	SL_NODE_STEP_TAKE = 0, /* what looks like a tunnel of ours: node_role.h */
	SL_NODE_STEP_AGAIN,    /* what another node may hold: node_role.h */
	SL_NODE_STEP_SERVED,   /* TC alone: what the local stack gets: served.h */
	SL_NODE_STEPS
};

/*
 * Counts the reason of a pass or a drop, shows it to who traces, and gives the hook's verdict for it.
 * `found` is the index of the packet's flow + 1; 0: none.
 */
static __always_inline int sl_unforwarded_of(bool tc, struct sl_counters *row, __u32 reason,
					     __u32 found)
{
	if (reason >= SL_COUNTER_COUNT)
		reason = SL_COUNTER_DROP_INTERNAL;
	row->v[reason & (SL_COUNTER_SLOTS - 1)]++;
	sl_trace(tc, reason, found);
	return reason >= SL_COUNTER_PASS_NOT_IP && reason <= SL_COUNTER_PASS_NEIGHBOUR
		       ? sl_hook_pass(tc)
		       : sl_hook_drop(tc);
}

static __always_inline int sl_unforwarded(bool tc, struct sl_counters *row, __u32 reason)
{
	return sl_unforwarded_of(tc, row, reason, 0);
}

#endif
