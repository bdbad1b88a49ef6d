/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluice.bpf.c - the programs of the kernel plane.
 *
 *   sluice_xdp         the fast lane at XDP (lane.h)
 *   sluice_tc_lane     the same at TC ingress, and sluice_tc_ingress for what it passes
 *   sluice_tc_ingress  observes connections of the local stack to nodes (local.h); sends what XDP
 *                      could not for want of a neighbour (forward.h)
 *   sluice_tc_egress   observes the other way
 *   the steps          tail calls of the lane (steps.h), one program for each hook
 *   sluice_node_xdp    the node role (node_role.h): takes tunnels apart, passes on what others hold
 *   sluice_node_tc_ingress  the same at TC, also behind sluice_node_xdp; measures the servers of
 *                      this host (served.h)
 *   sluice_node_tc_egress   measures what they answer
 *
 * One exit counts the reason of each pass and drop. The observing programs drop, or hold back, only what
 * an experiment takes (chaos.h, lag.h). Beside
 * sluice_xdp, sluice_tc_ingress must be attached to the same device; the pair of TC programs to one
 * device on each way to the nodes (not to a VLAN device and its parent: bytes would count twice).
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "bpf/chaos_act.h"
#include "bpf/icmp.h"
#include "bpf/lane.h"
#include "bpf/local.h"
#include "bpf/node_role.h"
#include "bpf/open.h"
#include "bpf/served.h"
#include "bpf/beacon.h"
#include "bpf/cookie.h"
#include "bpf/quic.h"
#include "bpf/refuse.h"
#include "bpf/retry.h"
#include "bpf/tunnel.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* ---- steps --------------------------------------------------------------------------------- */

/* X(step, name of its function): a program for each hook, and its place in the arrays. */
#define SL_STEP_TABLE(X)    \
	X(OPEN, open)       \
	X(SEND, send)       \
	X(TUNNEL, tunnel)   \
	X(ICMP, icmp)       \
	X(RETRY, retry)     \
	X(REFUSE, refuse)   \
	X(CONTROL, control) \
	X(TOO_BIG, too_big) \
	X(COOKIE, cookie)   \
	X(QUIC, quic)       \
	X(RESEND, resend)   \
	X(RELAY, relay)     \
	X(UNWRAP, unwrap)   \
	X(CHAOS, chaos)     \
	X(ONWARD, onward)

#define X(id, name) SEC("xdp") int sluice_xdp_##name(struct xdp_md *ctx);
SL_STEP_TABLE(X)
#undef X
#define X(id, name) SEC("tc") int sluice_tc_##name(struct __sk_buff *skb);
SL_STEP_TABLE(X)
#undef X
SEC("tc") int sluice_tc_local(struct __sk_buff *skb);
SEC("tc") int sluice_tc_chaos_in(struct __sk_buff *skb);
SEC("tc") int sluice_local_chaos_in(struct __sk_buff *skb);
SEC("tc") int sluice_local_chaos_out(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SL_STEPS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} xdp_steps SEC(".maps") = {
	.values =
		{
#define X(id, name) [SL_STEP_##id] = (void *)&sluice_xdp_##name,
			SL_STEP_TABLE(X)
#undef X
		},
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SL_STEPS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} tc_steps SEC(".maps") = {
	.values =
		{
#define X(id, name) [SL_STEP_##id] = (void *)&sluice_tc_##name,
			SL_STEP_TABLE(X)
#undef X
				[SL_STEP_LOCAL] = (void *)&sluice_tc_local,
			[SL_STEP_CHAOS_IN] = (void *)&sluice_tc_chaos_in,
		},
};

/* Of the observing programs, which are loaded without the lane. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SL_STEPS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} local_steps SEC(".maps") = {
	.values =
		{
			[SL_STEP_CHAOS_IN] = (void *)&sluice_local_chaos_in,
			[SL_STEP_CHAOS_OUT] = (void *)&sluice_local_chaos_out,
		},
};

/* Does not return but when the step is missing. */
static __always_inline int sl_step(void *ctx, bool tc, enum sl_step step, struct sl_counters *row)
{
	if (tc)
		bpf_tail_call(ctx, &tc_steps, step);
	else
		bpf_tail_call(ctx, &xdp_steps, step);
	return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
}

/*
 * What the lane leaves to the local stack is observed as sluice_tc_ingress does. A step of its own:
 * in line it was a third of all that the verifier walks when the lane of TC is loaded.
 */
static __always_inline int tc_end(struct __sk_buff *skb, int verdict)
{
	if (verdict == TC_ACT_UNSPEC)
		bpf_tail_call(skb, &tc_steps, SL_STEP_LOCAL);
	return verdict;
}

#define X(id, name)                                           \
	SEC("xdp") int sluice_xdp_##name(struct xdp_md *ctx)  \
	{                                                     \
		return sl_##name(ctx, false);                 \
	}                                                     \
	SEC("tc") int sluice_tc_##name(struct __sk_buff *skb) \
	{                                                     \
		return tc_end(skb, sl_##name(skb, true));     \
	}
SL_STEP_TABLE(X)
#undef X

SEC("tc")
int sluice_tc_local(struct __sk_buff *skb)
{
	if (sl_chaos_on())
		bpf_tail_call(skb, &tc_steps, SL_STEP_CHAOS_IN);
	sl_local_ingress(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sluice_tc_chaos_in(struct __sk_buff *skb)
{
	return sl_chaos_in(skb);
}

SEC("tc")
int sluice_local_chaos_in(struct __sk_buff *skb)
{
	return sl_chaos_in(skb);
}

SEC("tc")
int sluice_local_chaos_out(struct __sk_buff *skb)
{
	return sl_chaos_out(skb);
}

/* ---- hooks --------------------------------------------------------------------------------- */

SEC("xdp")
int sluice_xdp(struct xdp_md *ctx)
{
	return sl_lane(ctx, false);
}

SEC("tc")
int sluice_tc_lane(struct __sk_buff *skb)
{
	if (skb->pkt_type != SL_PACKET_HOST)
		return TC_ACT_UNSPEC;
	return tc_end(skb, sl_lane(skb, true));
}

SEC("tc")
int sluice_tc_ingress(struct __sk_buff *skb)
{
	int verdict = sl_neighbour_send(skb);

	if (verdict != TC_ACT_UNSPEC)
		return verdict;
	if (sl_chaos_on())
		bpf_tail_call(skb, &local_steps, SL_STEP_CHAOS_IN);
	sl_local_ingress(skb);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int sluice_tc_egress(struct __sk_buff *skb)
{
	if (sl_chaos_on())
		bpf_tail_call(skb, &local_steps, SL_STEP_CHAOS_OUT);
	sl_local_egress(skb);
	return TC_ACT_UNSPEC;
}

/* ---- the node role ------------------------------------------------------------------------- */

/* X(step, name of its function): a program for each hook, as above */
#define SL_NODE_STEP_TABLE(X) \
	X(TAKE, take)         \
	X(AGAIN, again)

#define X(id, name)                                                \
	SEC("xdp") int sluice_node_xdp_##name(struct xdp_md *ctx); \
	SEC("tc") int sluice_node_tc_##name(struct __sk_buff *skb);
SL_NODE_STEP_TABLE(X)
#undef X
SEC("tc") int sluice_node_tc_served(struct __sk_buff *skb);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SL_NODE_STEPS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} node_xdp_steps SEC(".maps") = {
	.values =
		{
#define X(id, name) [SL_NODE_STEP_##id] = (void *)&sluice_node_xdp_##name,
			SL_NODE_STEP_TABLE(X)
#undef X
		},
};

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, SL_NODE_STEPS);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} node_tc_steps SEC(".maps") = {
	.values =
		{
#define X(id, name) [SL_NODE_STEP_##id] = (void *)&sluice_node_tc_##name,
			SL_NODE_STEP_TABLE(X)
#undef X
				[SL_NODE_STEP_SERVED] = (void *)&sluice_node_tc_served,
		},
};

static __always_inline int sl_node_step(void *ctx, bool tc, enum sl_node_step step,
					struct sl_counters *row)
{
	if (tc)
		bpf_tail_call(ctx, &node_tc_steps, step);
	else
		bpf_tail_call(ctx, &node_xdp_steps, step);
	return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
}

/* What is left to the local stack is measured. */
static __always_inline int node_end(struct __sk_buff *skb, int verdict)
{
	if (verdict == TC_ACT_UNSPEC)
		bpf_tail_call(skb, &node_tc_steps, SL_NODE_STEP_SERVED);
	return verdict;
}

#define X(id, name)                                                \
	SEC("xdp") int sluice_node_xdp_##name(struct xdp_md *ctx)  \
	{                                                          \
		return sl_##name(ctx, false);                      \
	}                                                          \
	SEC("tc") int sluice_node_tc_##name(struct __sk_buff *skb) \
	{                                                          \
		return node_end(skb, sl_##name(skb, true));        \
	}
SL_NODE_STEP_TABLE(X)
#undef X

SEC("tc")
int sluice_node_tc_served(struct __sk_buff *skb)
{
	sl_served_ingress(skb);
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int sluice_node_xdp(struct xdp_md *ctx)
{
	return sl_node_role(ctx, false);
}

SEC("tc")
int sluice_node_tc_ingress(struct __sk_buff *skb)
{
	int verdict = sl_neighbour_send(skb);

	if (verdict != TC_ACT_UNSPEC || skb->pkt_type != SL_PACKET_HOST)
		return verdict;
	return node_end(skb, sl_node_role(skb, true));
}

SEC("tc")
int sluice_node_tc_egress(struct __sk_buff *skb)
{
	sl_served_egress(skb);
	return TC_ACT_UNSPEC;
}
