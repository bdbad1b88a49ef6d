/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward.h - where a rewritten packet goes: the kernel's routes and neighbours decide.
 *
 * The lookup comes before the rewriting, so a packet that cannot go out is dropped or passed as it
 * came. Forwarding must be switched on for the device that packets come in on (the loader does).
 *
 *   way out                          tags of the frame       verdict
 *   same device                      kept                    XDP_TX
 *   VLAN device listed in `devices`  that VLAN's             XDP_TX or redirect to the real device
 *   other device                     taken off               redirect
 *   neighbour not resolved           taken off               XDP_PASS with a mark for TC
 *
 * The mark is metadata before the frame: sl_neighbour_mark. sluice_tc_ingress on the same device
 * finds it and hands the packet to bpf_redirect_neigh(), which resolves the neighbour and holds the
 * packet meanwhile. A driver without metadata: drop, counted; the client's repeat tries again.
 *
 * Longer than the MTU of the way out: dropped and counted. The sending side's path MTU discovery is
 * not told yet, so networks of clients and nodes must have equal MTUs or a clamped MSS.
 */
#ifndef SL_BPF_FORWARD_H
#define SL_BPF_FORWARD_H

#include "bpf/maps.h"
#include "bpf/nat.h"

#define SL_AF_INET	   2
#define SL_AF_INET6	   10
#define SL_IP6_FLOW_MASK   0x0fffffff
#define SL_NEIGHBOUR_MAGIC 0x736c6e62u

struct sl_neighbour_mark {
	__u32 magic;
	__u32 ifindex; /* way out */
};

/* Where a frame leaves, and with what in front of IP. */
struct sl_way {
	__u32 ifindex;
	__u16 vlan_id;
	__be16 vlan_proto; /* 0: no tag of ours */
	bool keep_tags;
};

/* Routes the packet as it will be after the rewriting. Returns BPF_FIB_LKUP_RET_* or -errno. */
static __always_inline long sl_route(struct xdp_md *ctx, const struct sl_packet *packet,
				     const struct sl_flow *flow, struct bpf_fib_lookup *fib)
{
	__builtin_memset(fib, 0, sizeof(*fib));
	fib->l4_protocol = IPPROTO_TCP;
	fib->sport = flow->new_sport;
	fib->dport = flow->new_dport;
	fib->tot_len = packet->l3_len;
	fib->ifindex = ctx->ingress_ifindex;
	if (packet->ip_v6) {
		fib->family = SL_AF_INET6;
		fib->flowinfo = *(__be32 *)packet->ip6 & bpf_htonl(SL_IP6_FLOW_MASK);
		__builtin_memcpy(fib->ipv6_src, &flow->new_src, sizeof(fib->ipv6_src));
		__builtin_memcpy(fib->ipv6_dst, &flow->new_dst, sizeof(fib->ipv6_dst));
	} else {
		fib->family = SL_AF_INET;
		fib->tos = packet->ip4->tos;
		fib->ipv4_src = flow->new_src.w[3];
		fib->ipv4_dst = flow->new_dst.w[3];
	}
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
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

/*
 * Makes the frame begin with an Ethernet header and at most one tag, whatever it began with. The
 * MAC addresses are those of `fib`. Returns 0 or -1 when there is no room.
 */
static __always_inline int link_rewrite(struct xdp_md *ctx, const struct sl_way *way,
					const struct bpf_fib_lookup *fib, __u32 tags_now,
					bool ip_v6)
{
	__be16 proto = ip_v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
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
		eth->h_proto = proto;
		return 0;
	}
	eth->h_proto = way->vlan_proto;
	tag->tci = bpf_htons(way->vlan_id);
	tag->proto = proto;
	return 0;
}

/* The rewritten packet leaves. Returns the verdict of XDP. */
static __always_inline int sl_transmit(struct xdp_md *ctx, struct ethhdr *eth, __u32 tags,
				       bool ip_v6, const struct bpf_fib_lookup *fib)
{
	struct sl_way way = {};

	way_find(&way, fib->ifindex, ctx->ingress_ifindex);
	if (way.keep_tags) {
		mac_write(eth, fib);
		return XDP_TX;
	}
	if (!tags && !way.vlan_proto) {
		eth->h_proto = ip_v6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
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
static __always_inline int sl_neighbour_hand_over(struct xdp_md *ctx, struct ethhdr *eth,
						  __u32 tags, bool ip_v6,
						  struct bpf_fib_lookup *fib)
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
	return XDP_PASS;
}

#endif
