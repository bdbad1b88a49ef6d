/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nat.h - rewrites addresses, ports and hop limit in place, and keeps the checksums right.
 *
 * Both families keep theirs. Nothing here can fail: the caller has parsed the packet and looked at
 * the hop limit.
 */
#ifndef SL_BPF_NAT_H
#define SL_BPF_NAT_H

#include "bpf/csum.h"
#include "bpf/parse.h"

static __always_inline bool sl_nat_hops_spent(const struct sl_packet *packet)
{
	return (packet->ip_v6 ? packet->ip6->hop_limit : packet->ip4->ttl) <= 1;
}

static __always_inline void nat_ip4(struct iphdr *ip, const struct sl_flow *flow)
{
	/* TTL and protocol are one 16-bit word of the header. */
	__be16 *hops = (__be16 *)&ip->ttl;
	__u16 old_hops = *hops;
	__u64 delta = 0;

	ip->ttl--;
	delta = sl_csum_word(delta, ip->saddr, flow->new_src.w[3]);
	delta = sl_csum_word(delta, ip->daddr, flow->new_dst.w[3]);
	delta = sl_csum_word(delta, old_hops, *hops);
	ip->saddr = flow->new_src.w[3];
	ip->daddr = flow->new_dst.w[3];
	ip->check = sl_csum_apply(ip->check, delta);
}

static __always_inline void nat_ip6(struct ipv6hdr *ip, const struct sl_flow *flow)
{
	ip->hop_limit--;
	__builtin_memcpy(&ip->saddr, &flow->new_src, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &flow->new_dst, sizeof(ip->daddr));
}

static __always_inline void sl_nat_apply(const struct sl_packet *packet, const struct sl_flow *flow)
{
	struct tcphdr *tcp = packet->tcp;
	__u64 delta = 0;

	delta = sl_csum_addr(delta, &packet->key.src, &flow->new_src);
	delta = sl_csum_addr(delta, &packet->key.dst, &flow->new_dst);
	delta = sl_csum_word(delta, tcp->source, flow->new_sport);
	delta = sl_csum_word(delta, tcp->dest, flow->new_dport);
	tcp->source = flow->new_sport;
	tcp->dest = flow->new_dport;
	tcp->check = sl_csum_apply(tcp->check, delta);
	if (packet->ip_v6)
		nat_ip6(packet->ip6, flow);
	else
		nat_ip4(packet->ip4, flow);
}

#endif
