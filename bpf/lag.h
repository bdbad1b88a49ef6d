/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lag.h - packets that an experiment holds back: out of the kernel plane, into the command that delays
 * them, and in again.
 *
 * Neither hook can hold a packet. So a packet that is to come later leaves by another device, a tap that
 * the command of the experiment reads, keeps as long as it says and sends on (loader/lag.h).
 *
 *   fast lane, either way   where it would leave, rewritten and measured: to the tap of that device.
 *                           The command sends it there by a packet socket, past the qdisc and TC egress
 *   local stack, to nodes   at TC egress, measured: the same
 *   local stack, from them  at TC ingress, before it is measured: to another tap. What the command
 *                           writes there comes to TC ingress of the first device again, with
 *                           tc_index = SL_TC_HELD, which says that it was looked at
 *
 * `lag_taps` says by which tap. The kernel takes a device out of that map when the device goes, and a tap
 * goes with its process: without its command an experiment finds no tap, and packets go their way as if
 * there were none. The row's time is looked at before (chaos.h), so a command that hangs holds nothing
 * back after its lease.
 *
 * What the verdict does not send by itself is not held: a packet whose neighbour is to be resolved, a
 * frame of several buffers at XDP, which a tap does not take. Nor are beacons.
 *
 * Costs without experiments: a load and a branch in the steps SEND, ONWARD and TUNNEL.
 */
#ifndef SL_BPF_LAG_H
#define SL_BPF_LAG_H

#include "bpf/chaos.h"
#include "bpf/hook.h"

/* The tap for this key of `lag_taps`; 0: none. */
static __always_inline __u32 lag_tap(__u32 key)
{
	__u32 *tap = bpf_map_lookup_elem(&lag_taps, &key);

	return tap ? *tap : 0;
}

static __always_inline void lag_count(__u32 what, struct sl_counters *row)
{
	chaos_hit(what);
	row->v[SL_COUNTER_CHAOS_HELD]++;
}

/*
 * The packet is the local stack's, on its way in or out by skb->ifindex. Returns the verdict that holds
 * it back; TC_ACT_UNSPEC: nobody would.
 */
static __always_inline int sl_lag_local(struct __sk_buff *skb, bool in, __u32 what,
					struct sl_counters *row)
{
	__u32 tap = lag_tap(in ? SL_LAG_IN(skb->ifindex) : SL_LAG_OUT(skb->ifindex));

	if (!tap)
		return TC_ACT_UNSPEC;
	lag_count(what, row);
	return bpf_redirect(tap, 0);
}

/* The device by which XDP sends what is routed to `ifindex`. */
static __always_inline __u32 lag_device(__u32 ifindex, __u32 in_ifindex)
{
	struct sl_device *device;

	if (ifindex == in_ifindex)
		return ifindex;
	device = bpf_map_lookup_elem(&devices, &ifindex);
	return device ? device->ifindex : ifindex;
}

static __always_inline int lag_xdp(struct xdp_md *ctx, const struct sl_scratch *room, __u32 what,
				   int verdict, struct sl_counters *row)
{
	__u32 ifindex = lag_device(room->fib.ifindex, ctx->ingress_ifindex);

	if ((verdict != XDP_TX && verdict != XDP_REDIRECT) ||
	    bpf_xdp_get_buff_len(ctx) != (__u64)(ctx->data_end - ctx->data) || !lag_tap(ifindex))
		return verdict;
	if (bpf_redirect_map(&lag_taps, SL_LAG_OUT(ifindex), XDP_ABORTED) == XDP_REDIRECT) {
		lag_count(what, row);
		return XDP_REDIRECT;
	}
	/* It went in between, and with it what the verdict was to do. */
	return verdict == XDP_TX ? XDP_TX : (int)bpf_redirect(ifindex, 0);
}

/*
 * The end of a step that sent a packet of the lane: `verdict` said how. Returns another one where the
 * packet is to be held back.
 */
static __always_inline int sl_lag_end(void *ctx, bool tc, struct sl_scratch *room, int verdict,
				      struct sl_counters *row)
{
	__u32 what = room->handover.lag;
	__u32 tap;

	if (!SL_UNLIKELY(what))
		return verdict;
	room->handover.lag = 0;
	if (!tc)
		return lag_xdp(ctx, room, what, verdict, row);
	tap = verdict == TC_ACT_REDIRECT ? lag_tap(SL_LAG_OUT(room->fib.ifindex)) : 0;
	if (!tap)
		return verdict;
	lag_count(what, row);
	return bpf_redirect(tap, 0);
}

#endif
