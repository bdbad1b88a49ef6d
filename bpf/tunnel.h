/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.h - the step TUNNEL: one packet to one node without a change of its addresses.
 *
 * Comes here: what belongs to a flow in mode ipip or gue, and what belongs to no flow that is known
 * here but to a direct-return service, in any of its modes (chain.h). handover.slot names the node;
 * the flow, if there is one, was observed.
 *
 *   l2          MAC addresses only, as lane_l2() does it for known flows
 *   ipip, gue   route by the outer addresses -> does it fit? -> hop limit -> outer header -> send
 *
 * Does it fit: the route's MTU, which knows of path MTU discovery on the way to the node, against
 * the packet with its outer header. What does not goes to the step TOO_BIG as it came, with the MTU
 * that the client may use (tunnel.too_big), or is dropped. Segments that TC's device joined are
 * asked for one by one: TCP's that only just fitted without the outer header are cut anew by its
 * length, which costs the client nothing.
 *
 * The MSS of SYNs is not touched here: it limits what the node sends, and that does not come this
 * way. What the client may send stands in the node's SYN-ACK; the node role clamps it (served.h).
 */
#ifndef SL_BPF_TUNNEL_H
#define SL_BPF_TUNNEL_H

#include "bpf/encap.h"
#include "bpf/lane.h"

/* What the tunnel needs to know of the packet before it is moved. */
struct tunnel_fit {
	__u32 segment_len; /* of one packet on the wire, without the outer header */
	__u32 overhead;
	bool recut; /* joined TCP: segments may be cut smaller */
	__u64 flags;
};

/* A route of the outer header for a packet of `len` bytes, outer header included. */
static __always_inline long tunnel_route(void *ctx, bool tc, const struct sl_outer *outer,
					 __u32 len, struct bpf_fib_lookup *fib)
{
	route_begin(ctx, tc, fib, outer->ip_v6, outer->src, outer->dst);
	if (outer->gue_port) {
		fib->l4_protocol = IPPROTO_UDP;
		fib->sport = sl_encap_port(outer->hash);
		fib->dport = outer->gue_port;
	} else {
		fib->l4_protocol = outer->ip_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	}
	fib->tot_len = len > 0xffff ? 0xffff : len;
	if (!outer->ip_v6)
		fib->tos = outer->tos;
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

static __always_inline void tunnel_measure(void *ctx, bool tc, const struct sl_packet *packet,
					   struct sl_outer *outer, struct tunnel_fit *fit)
{
	struct __sk_buff *skb = ctx;

	outer->inner_len = sl_ip_len(ctx, tc, packet);
	fit->overhead = sl_encap_len(outer->ip_v6, outer->gue_port);
	fit->segment_len = outer->inner_len;
	fit->recut = false;
	fit->flags = 0;
	if (!sl_hook_joined(ctx, tc))
		return;
	fit->segment_len = outer->inner_len - packet->payload_len + skb->gso_size;
	fit->recut = packet->tcp;
	fit->flags = BPF_F_ADJ_ROOM_FIXED_GSO;
}

/*
 * Routes the packet; a route that it does not fit is no way. Returns what sl_route() does;
 * FRAG_NEEDED leaves the packet's largest length in *ret_mtu.
 */
static __always_inline long tunnel_fits(void *ctx, bool tc, const struct sl_outer *outer,
					struct tunnel_fit *fit, struct bpf_fib_lookup *fib,
					__u32 *ret_mtu)
{
	long route = tunnel_route(ctx, tc, outer, fit->segment_len + fit->overhead, fib);

	if (route != BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return route;
	*ret_mtu = fib->mtu_result > fit->overhead ? fib->mtu_result - fit->overhead : 0;
	if (!tc || !fit->recut || fib->mtu_result < fit->segment_len)
		return route;
	fit->flags = 0;
	return tunnel_route(ctx, tc, outer, fit->segment_len, fib);
}

/* The same, by what the kernel said a moment ago of this node, where that is enough (hop.h). */
static __always_inline long tunnel_way(void *ctx, bool tc, const struct sl_outer *outer,
				       struct tunnel_fit *fit, struct sl_node_state *node,
				       struct sl_scratch *room, __u32 *ret_mtu)
{
	long route;

	if (sl_hop_to_node(&room->fib, node, fit->segment_len + fit->overhead, room->now_ns))
		return BPF_FIB_LKUP_RET_SUCCESS;
	route = tunnel_fits(ctx, tc, outer, fit, &room->fib, ret_mtu);
	if (route == BPF_FIB_LKUP_RET_SUCCESS)
		sl_hop_keep_node(node, room);
	return route;
}

/* The packet stays here: a flow that it opened is closed again. */
static __always_inline int tunnel_stays(bool tc, const struct sl_scratch *room, __u32 reason,
					struct sl_counters *row)
{
	if (room->handover.fresh && room->handover.index)
		sl_flow_close(room->handover.index - 1);
	return sl_unforwarded_of(tc, row, reason, room->handover.index);
}

static __always_inline int tunnel_too_big(void *ctx, bool tc, struct sl_scratch *room, __u32 mtu,
					  __u32 pool, struct sl_counters *row)
{
	if (!mtu || !SL_TUNABLE(pool, TOO_BIG))
		return tunnel_stays(tc, room, SL_COUNTER_DROP_TOO_BIG, row);
	room->handover.mtu = mtu;
	room->handover.lag = 0;
	room->handover.reason = SL_COUNTER_DROP_TOO_BIG;
	room->handover.from_node = 0;
	if (room->handover.fresh && room->handover.index)
		sl_flow_close(room->handover.index - 1);
	return sl_step(ctx, tc, SL_STEP_TOO_BIG, row);
}

/* Puts the outer header on and sends what came out. */
static __always_inline int tunnel_send(void *ctx, bool tc, const struct sl_packet *packet,
				       const struct sl_outer *outer, const struct tunnel_fit *fit,
				       long route, struct sl_scratch *room, struct sl_counters *row)
{
	__u32 tags = packet->tags;
	bool done, keep;
	struct ethhdr *eth;

	sl_ip_hops_set(packet, sl_ip_hops(packet) - 1);
	if (tc) {
		keep = room->fib.ifindex == sl_hook_ingress(ctx, tc);
		done = !tags && (keep || !((struct __sk_buff *)ctx)->vlan_present)
			       ? encap_tc(ctx, outer, fit->flags)
			       : encap_tagged_tc(ctx, outer, fit->flags, tags, keep);
		tags = 0;
	} else {
		done = encap_xdp(ctx, tags, outer);
	}
	eth = sl_hook_data(ctx, tc);
	if (!done || (void *)(eth + 1) > sl_hook_end(ctx, tc))
		return tunnel_stays(tc, room, SL_COUNTER_DROP_INTERNAL, row);
	if (!room->handover.fresh)
		sl_trace_packet(tc, room, SL_COUNTER_FORWARD_TO_NODE, room->handover.index);
	row->v[SL_COUNTER_FORWARD_TO_NODE]++;
	row->v[outer->gue_port ? SL_COUNTER_FORWARD_GUE : SL_COUNTER_FORWARD_IPIP]++;
	return sl_transmit(ctx, tc, eth, tags, outer->ip_v6, route, &room->fib, row);
}

static __always_inline int tunnel_wrap(void *ctx, bool tc, struct sl_packet *packet, __u64 hash,
				       struct sl_node_state *node, const struct sl_settings *config,
				       struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_outer outer = {
		.src = &node->snat_addr,
		.dst = &node->endpoint.addr,
		.hash = hash,
		.gue_port = node->mode == SL_MODE_GUE ? config->gue_port : 0,
		.tos = sl_ip_tos(packet),
		.ip_v6 = packet->ip_v6,
	};
	struct tunnel_fit fit;
	__u32 mtu = 0;
	long route;

	if (node->mode == SL_MODE_GUE && !outer.gue_port)
		return tunnel_stays(tc, room, SL_COUNTER_DROP_INTERNAL, row);
	if (!packet->ip_v6)
		outer.fragment = packet->ip4->frag_off;
	tunnel_measure(ctx, tc, packet, &outer, &fit);
	route = tunnel_way(ctx, tc, &outer, &fit, node, room, &mtu);
	if (route == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return tunnel_too_big(ctx, tc, room, mtu, node->pool, row);
	if (!sl_route_usable(route))
		return tunnel_stays(tc, room, SL_COUNTER_DROP_NO_ROUTE, row);
	return tunnel_send(ctx, tc, packet, &outer, &fit, route, room, row);
}

/* Mode l2, of no flow that is known. */
static __always_inline int tunnel_l2(void *ctx, bool tc, struct sl_packet *packet,
				     const struct sl_node_state *node, struct sl_scratch *room,
				     struct sl_counters *row)
{
	struct sl_rewrite to = {
		.src = &packet->key->src,
		.dst = &node->endpoint.addr,
		.sport = packet->key->sport,
		.dport = packet->key->dport,
	};
	long route = sl_route(ctx, tc, packet, &to, &room->fib);

	if (!sl_route_usable(route))
		return tunnel_stays(tc, room, sl_route_failure(route), row);
	row->v[SL_COUNTER_FORWARD_TO_NODE]++;
	row->v[SL_COUNTER_FORWARD_L2]++;
	return sl_transmit(ctx, tc, packet->eth, packet->tags, packet->ip_v6, route, &room->fib,
			   row);
}

/* The step TUNNEL. */
static __always_inline int sl_tunnel(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *node;
	struct sl_packet packet = {};
	struct sl_cursor cursor;
	enum sl_parse parse;
	__u64 hash = 0;

	if (!row || !config || !room)
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	node = sl_node_at(room->handover.slot);
	if (!node || node->mode == SL_MODE_NAT || parse == SL_PARSE_BAD ||
	    parse == SL_PARSE_UNREADABLE || parse == SL_PARSE_NOT_IP)
		return tunnel_stays(tc, room, SL_COUNTER_DROP_INTERNAL, row);
	if (sl_ip_hops(&packet) <= 1)
		return tunnel_stays(tc, room, SL_COUNTER_PASS_TTL, row);
	if (node->mode == SL_MODE_L2)
		return sl_lag_end(ctx, tc, room, tunnel_l2(ctx, tc, &packet, node, room, row), row);
	if (parse == SL_PARSE_TCP || parse == SL_PARSE_UDP)
		hash = sl_key_hash(packet.key, config->seed);
	return sl_lag_end(ctx, tc, room,
			  tunnel_wrap(ctx, tc, &packet, hash, node, config, room, row), row);
}

#endif
