/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat.h - rewrites addresses, ports and hop limit in place, and keeps the checksums right.
 *
 * At XDP both checksums are updated by what changed. At TC that of TCP or UDP may be left to the
 * card (then the field holds only the pseudo header's part), which only the kernel's helper knows:
 * it is given the change of the addresses and that of the ports apart. Its call ends the life of
 * all packet pointers, so it comes last (sl_nat_finish()).
 *
 * Nothing here can fail: the caller has parsed the packet and looked at the hop limit.
 */
#ifndef SL_BPF_NAT_H
#define SL_BPF_NAT_H

#include "bpf/csum.h"
#include "bpf/parse.h"

/* What a packet gets instead. The addresses are borrowed from map values. */
struct sl_rewrite {
	const struct sl_addr *src;
	const struct sl_addr *dst;
	__be16 sport;
	__be16 dport;
};

/* What the transport's checksum has still to take up (TC). */
struct sl_nat_rest {
	__u64 address_delta;
	__u64 port_delta;
	__u32 check_at; /* offset in the frame; 0: nothing to do */
	bool udp;
};

static __always_inline bool sl_nat_hops_spent(const struct sl_packet *packet)
{
	return (packet->ip_v6 ? packet->ip6->hop_limit : packet->ip4->ttl) <= 1;
}

/* Addresses and hop limit at once: one update of the IPv4 header's checksum. */
static __always_inline void nat_header(const struct sl_packet *packet, const struct sl_rewrite *to)
{
	struct iphdr *ip = packet->ip4;
	__be16 *hops = (__be16 *)&ip->ttl; /* TTL and protocol are one 16-bit word */
	__u16 old_hops = *hops, new_hops;
	__u64 delta = 0;

	if (packet->ip_v6) {
		packet->ip6->hop_limit--;
		__builtin_memcpy(&packet->ip6->saddr, to->src, sizeof(packet->ip6->saddr));
		__builtin_memcpy(&packet->ip6->daddr, to->dst, sizeof(packet->ip6->daddr));
		return;
	}
	new_hops = old_hops - bpf_htons(0x0100);
	/* One store of 16 bits: reading it back behind one of 8 would stall for 15 ns. */
	*hops = new_hops;
	delta = sl_csum_word(delta, old_hops, new_hops);
	delta = sl_csum_word(delta, ip->saddr, to->src->w[3]);
	delta = sl_csum_word(delta, ip->daddr, to->dst->w[3]);
	ip->saddr = to->src->w[3];
	ip->daddr = to->dst->w[3];
	ip->check = sl_csum_apply(ip->check, delta);
}

/* UDP over IPv4 may have no checksum (0); a computed 0 is sent as all ones (RFC 768). */
static __always_inline __u16 udp_check(__u16 check, __u64 delta)
{
	__u16 result;

	if (!check)
		return 0;
	result = sl_csum_apply(check, delta);
	return result ? result : 0xffff;
}

/* Rewrites all but, at TC, the transport's checksum: that is left in *ret_rest. */
static __always_inline void sl_nat_apply(bool tc, const struct sl_packet *packet,
					 const struct sl_rewrite *to, struct sl_nat_rest *ret_rest)
{
	bool udp = !packet->tcp;
	__u64 address_delta = 0, port_delta = 0;

	address_delta = sl_csum_addr(address_delta, &packet->key->src, to->src);
	address_delta = sl_csum_addr(address_delta, &packet->key->dst, to->dst);
	port_delta = sl_csum_word(port_delta, packet->key->sport, to->sport);
	port_delta = sl_csum_word(port_delta, packet->key->dport, to->dport);
	packet->udp->source = to->sport;
	packet->udp->dest = to->dport;
	nat_header(packet, to);
	if (tc) {
		ret_rest->address_delta = address_delta;
		ret_rest->port_delta = port_delta;
		ret_rest->udp = udp;
		ret_rest->check_at =
			packet->l3_at + sl_ip_header_len(packet->ip_v6) +
			(udp ? offsetof(struct udphdr, check) : offsetof(struct tcphdr, check));
		return;
	}
	if (udp)
		packet->udp->check = udp_check(packet->udp->check, address_delta + port_delta);
	else
		packet->tcp->check = sl_csum_apply(packet->tcp->check, address_delta + port_delta);
}

/* TC: the transport's checksum. Ends the life of all packet pointers. */
static __always_inline void sl_nat_finish(void *ctx, bool tc, const struct sl_nat_rest *rest)
{
	__u64 mangled = rest->udp ? BPF_F_MARK_MANGLED_0 : 0;

	if (!tc || !rest->check_at)
		return;
	bpf_l4_csum_replace(ctx, rest->check_at, 0, sl_csum_fold32(rest->address_delta),
			    BPF_F_PSEUDO_HDR | mangled);
	bpf_l4_csum_replace(ctx, rest->check_at, 0, sl_csum_fold32(rest->port_delta), mangled);
}

#endif
