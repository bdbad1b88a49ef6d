/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward.h - where a packet goes: the kernel's routes and neighbours decide.
 *
 * The lookup comes before the rewriting, so a packet that cannot go out is dropped or passed as it
 * came. Forwarding must be switched on for the device that packets come in on (the loader does).
 *
 *   way out                          tags of the frame     XDP                    TC
 *   same device                      kept                  XDP_TX                 redirect
 *   VLAN device listed in `devices`  that VLAN's           XDP_TX or redirect to  redirect to the
 *                                                          the real device        VLAN device
 *   other device                     taken off             redirect               redirect
 *   neighbour not resolved           taken off             XDP_PASS with a mark   redirect_neigh
 *
 * The mark is metadata before the frame: sl_neighbour_mark. sluice_tc_ingress on the same device
 * finds it and hands the packet to bpf_redirect_neigh(), which resolves the neighbour and holds the
 * packet meanwhile. A driver without metadata: drop, counted; the client's repeat tries again.
 */
#ifndef SL_BPF_FORWARD_H
#define SL_BPF_FORWARD_H

#include "bpf/maps.h"
#include "bpf/nat.h"

#define SL_AF_INET	   2
#define SL_AF_INET6	   10
#define SL_IP6_FLOW_MASK   0x0fffffff
#define SL_NEIGHBOUR_MAGIC 0x736c6e62u
/* In skb->tc_index of what the lane sends, so that TC egress knows that it was measured. */
#define SL_TC_MEASURED 0x736cu

struct sl_neighbour_mark {
	__u32 magic;
	__u32 ifindex; /* way out */
	/* The next hop: in mode l2 the packet's own destination does not tell it. */
	struct sl_addr next;
};

/* Where a frame leaves, and with what in front of IP. */
struct sl_way {
	__u32 ifindex;
	__u16 vlan_id;
	__be16 vlan_proto; /* 0: no tag of ours */
	bool keep_tags;
};

/* The fields of a lookup that do not depend on the packet's headers. */
static __always_inline void route_begin(void *ctx, bool tc, struct bpf_fib_lookup *fib, bool ip_v6,
					const struct sl_addr *src, const struct sl_addr *dst)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->ifindex = sl_hook_ingress(ctx, tc);
	if (ip_v6) {
		fib->family = SL_AF_INET6;
		__builtin_memcpy(fib->ipv6_src, src, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, dst, sizeof(fib->ipv6_dst));
	} else {
		fib->family = SL_AF_INET;
		fib->ipv4_src = src->w[3];
		fib->ipv4_dst = dst->w[3];
	}
}

/*
 * What must fit the way out: the packet, or of one that TC's device joined each segment that it will
 * be cut into again.
 */
static __always_inline __u16 sl_route_len(void *ctx, bool tc, const struct sl_packet *packet)
{
	__u32 segment = tc ? ((struct __sk_buff *)ctx)->gso_size : 0;

	if (!segment)
		return packet->l3_len;
	segment += sl_ip_header_len(packet->ip_v6);
	segment += packet->tcp ? packet->tcp->doff * 4u : SL_UDP_HEADER;
	return segment < 0xffff ? segment : 0xffff;
}

/*
 * Routes the packet as it will be after the rewriting. `grows` is what a tunnel adds to it. Returns
 * BPF_FIB_LKUP_RET_* or -errno; FRAG_NEEDED leaves the MTU in fib->mtu_result (alias of tot_len).
 */
static __always_inline long sl_route(void *ctx, bool tc, const struct sl_packet *packet,
				     const struct sl_rewrite *to, struct bpf_fib_lookup *fib)
{
	route_begin(ctx, tc, fib, packet->ip_v6, to->src, to->dst);
	fib->l4_protocol = packet->protocol;
	fib->sport = to->sport;
	fib->dport = to->dport;
	fib->tot_len = sl_route_len(ctx, tc, packet);
	if (packet->ip_v6)
		fib->flowinfo = *(__be32 *)packet->ip6 & bpf_htonl(SL_IP6_FLOW_MASK);
	else
		fib->tos = packet->ip4->tos;
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

static __always_inline __u32 sl_route_failure(long result)
{
	return result == BPF_FIB_LKUP_RET_FRAG_NEEDED ? SL_COUNTER_DROP_TOO_BIG
						      : SL_COUNTER_DROP_NO_ROUTE;
}

static __always_inline bool sl_route_usable(long result)
{
	return result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH;
}

static __always_inline void way_find(struct sl_way *way, __u32 out_ifindex, __u32 in_ifindex)
{
	struct sl_device *device;

	way->ifindex = out_ifindex;
	way->vlan_proto = 0;
	way->keep_tags = out_ifindex == in_ifindex;
	if (way->keep_tags)
		return;
	device = bpf_map_lookup_elem(&devices, &out_ifindex);
	if (!device)
		return;
	way->ifindex = device->ifindex;
	way->vlan_id = device->vlan_id;
	way->vlan_proto = device->vlan_proto;
}

static __always_inline void mac_write(struct ethhdr *eth, const struct bpf_fib_lookup *fib)
{
	__builtin_memcpy(eth->h_dest, fib->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, fib->smac, ETH_ALEN);
}

static __always_inline __be16 link_proto(bool ip_v6)
{
	return ip_v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
}

/* ---- XDP ----------------------------------------------------------------------------------- */

/*
 * Makes the frame begin with an Ethernet header and at most one tag, whatever it began with. The
 * MAC addresses are those of `fib`. Returns 0 or -1 when there is no room.
 */
static __always_inline int link_rewrite(struct xdp_md *ctx, const struct sl_way *way,
					const struct bpf_fib_lookup *fib, __u32 tags_now,
					bool ip_v6)
{
	__u32 tags_new = way->vlan_proto ? 1 : 0;
	struct sl_vlan_tag *tag;
	struct ethhdr *eth;

	if (tags_now != tags_new &&
	    bpf_xdp_adjust_head(ctx, ((int)tags_now - (int)tags_new) * (int)sizeof(*tag)))
		return -1;
	eth = (void *)(long)ctx->data;
	tag = (void *)(eth + 1);
	if ((void *)(tag + 1) > (void *)(long)ctx->data_end)
		return -1;
	mac_write(eth, fib);
	if (!way->vlan_proto) {
		eth->h_proto = link_proto(ip_v6);
		return 0;
	}
	eth->h_proto = way->vlan_proto;
	tag->tci = bpf_htons(way->vlan_id);
	tag->proto = link_proto(ip_v6);
	return 0;
}

static __always_inline int transmit_xdp(struct xdp_md *ctx, struct ethhdr *eth, __u32 tags,
					bool ip_v6, const struct bpf_fib_lookup *fib)
{
	struct sl_way way = {};

	way_find(&way, fib->ifindex, ctx->ingress_ifindex);
	if (way.keep_tags) {
		mac_write(eth, fib);
		return XDP_TX;
	}
	if (!tags && !way.vlan_proto) {
		eth->h_proto = link_proto(ip_v6);
		mac_write(eth, fib);
	} else if (link_rewrite(ctx, &way, fib, tags, ip_v6)) {
		return XDP_ABORTED;
	}
	if (way.ifindex == ctx->ingress_ifindex)
		return XDP_TX;
	return bpf_redirect(way.ifindex, 0);
}

/*
 * The rewritten packet goes to TC, which knows how to wait for a neighbour. The destination MAC
 * stays ours, or the stack would not take the frame. Returns XDP_PASS, or XDP_DROP without room.
 */
static __always_inline int hand_over_xdp(struct xdp_md *ctx, struct ethhdr *eth, __u32 tags,
					 bool ip_v6, struct bpf_fib_lookup *fib)
{
	struct sl_neighbour_mark *mark;
	struct sl_way untagged = {};

	if (tags) {
		__builtin_memcpy(fib->dmac, eth->h_dest, ETH_ALEN);
		__builtin_memcpy(fib->smac, eth->h_source, ETH_ALEN);
		if (link_rewrite(ctx, &untagged, fib, tags, ip_v6))
			return XDP_DROP;
	}
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
		return XDP_DROP;
	mark = (void *)(long)ctx->data_meta;
	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return XDP_DROP;
	mark->magic = SL_NEIGHBOUR_MAGIC;
	mark->ifindex = fib->ifindex;
	if (fib->family == SL_AF_INET6)
		__builtin_memcpy(&mark->next, fib->ipv6_dst, sizeof(mark->next));
	else
		sl_addr_from_ip4(&mark->next, fib->ipv4_dst);
	return XDP_PASS;
}

/* ---- TC ------------------------------------------------------------------------------------ */

/* Takes off the tags that the frame came with, unless it leaves as it came. Returns false: failed. */
static __always_inline bool tags_off_tc(struct __sk_buff *skb, __u32 tags)
{
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return false;
	return !tags || !bpf_skb_vlan_pop(skb);
}

/* Out by `ifindex`; the kernel resolves the next hop and holds the packet meanwhile. */
static __always_inline int redirect_neighbour(__u32 ifindex, bool ip_v6, const void *ip6,
					      __be32 ip4)
{
	struct bpf_redir_neigh next = {};

	next.nh_family = ip_v6 ? SL_AF_INET6 : SL_AF_INET;
	if (ip_v6)
		__builtin_memcpy(next.ipv6_nh, ip6, sizeof(next.ipv6_nh));
	else
		next.ipv4_nh = ip4;
	return bpf_redirect_neigh(ifindex, &next, sizeof(next), 0);
}

/* The kernel has yet to write the link address: nobody else can send it (lag.h). */
static __always_inline void transmit_unheld(void)
{
	struct sl_scratch *room = sl_scratch_row();

	if (room)
		room->handover.lag = 0;
}

/*
 * Sends what was rewritten; the MAC addresses too, where the neighbour is known (`resolved`).
 * Packet pointers are not needed.
 */
static __always_inline int transmit_tc(struct __sk_buff *skb, __u32 tags, bool ip_v6, bool resolved,
				       const struct bpf_fib_lookup *fib)
{
	struct ethhdr *eth;

	skb->tc_index = SL_TC_MEASURED;
	if (fib->ifindex != skb->ifindex && !tags_off_tc(skb, tags))
		return TC_ACT_SHOT;
	if (resolved) {
		eth = (void *)(long)skb->data;
		if ((void *)(eth + 1) > (void *)(long)skb->data_end)
			return TC_ACT_SHOT;
		mac_write(eth, fib);
		return bpf_redirect(fib->ifindex, 0);
	}
	transmit_unheld();
	/* Of the next hop, which a route of IPv4 may have from IPv6. */
	return redirect_neighbour(fib->ifindex, fib->family == SL_AF_INET6, fib->ipv6_dst,
				  fib->ipv4_dst);
}

/* ---- both ---------------------------------------------------------------------------------- */

/*
 * The rewritten packet leaves by `fib`; `route` is what sl_route() said of it. Counts what keeps it
 * here. `eth` is only used at XDP. Returns the hook's verdict.
 */
static __always_inline int sl_transmit(void *ctx, bool tc, struct ethhdr *eth, __u32 tags,
				       bool ip_v6, long route, struct bpf_fib_lookup *fib,
				       struct sl_counters *row)
{
	int verdict;

	if (tc)
		return transmit_tc(ctx, tags, ip_v6, route == BPF_FIB_LKUP_RET_SUCCESS, fib);
	if (route == BPF_FIB_LKUP_RET_SUCCESS) {
		verdict = transmit_xdp(ctx, eth, tags, ip_v6, fib);
		if (verdict == XDP_ABORTED)
			row->v[SL_COUNTER_DROP_INTERNAL]++;
		return verdict;
	}
	verdict = hand_over_xdp(ctx, eth, tags, ip_v6, fib);
	row->v[verdict == XDP_PASS ? SL_COUNTER_PASS_NEIGHBOUR : SL_COUNTER_DROP_NO_NEIGHBOUR]++;
	return verdict;
}

/* TC ingress: sends what XDP marked. Returns TC_ACT_UNSPEC for all other packets. */
static __always_inline int sl_neighbour_send(struct __sk_buff *skb)
{
	struct sl_neighbour_mark *mark = (void *)(long)skb->data_meta;
	struct sl_addr next;
	__u32 ifindex;

	if ((void *)(mark + 1) > (void *)(long)skb->data || mark->magic != SL_NEIGHBOUR_MAGIC)
		return TC_ACT_UNSPEC;
	ifindex = mark->ifindex;
	next = mark->next;
	skb->tc_index = SL_TC_MEASURED;
	if (skb->vlan_present && bpf_skb_vlan_pop(skb))
		return TC_ACT_UNSPEC;
	return redirect_neighbour(ifindex, !sl_addr_is_ip4(&next), &next, next.w[3]);
}

#endif
