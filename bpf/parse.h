/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - from the first byte of a frame to the TCP ports and flags.
 *
 * A cursor walks the frame; each advance is checked against the end beside it. The same code is
 * compiled for XDP and for TC: it sees two pointers and the length on the wire, no context.
 *
 * What is left to the local stack: anything but IPv4 and IPv6, more than SL_VLAN_DEPTH_MAX tags,
 * fragments (the stack reassembles), IPv4 options and IPv6 extension headers, other protocols.
 * A header that is cut short or lies about its length is BAD only when the ports are readable, so
 * that the caller can tell whether the packet is for one of our services; else it is UNREADABLE.
 */
#ifndef SL_BPF_PARSE_H
#define SL_BPF_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

#define SL_IP4_FRAGMENT 0x3fff /* more-fragments bit and offset */
#define SL_TCP_HEADER	20u

/* Flags of the TCP header, as in its 14th byte. */
#define SL_TCPF_FIN 0x01
#define SL_TCPF_SYN 0x02
#define SL_TCPF_RST 0x04
#define SL_TCPF_ACK 0x10

enum sl_parse {
	SL_PARSE_TCP = 0,
	SL_PARSE_ICMP, /* the cursor stands on the ICMP header */
	SL_PARSE_BAD,  /* the ports are known, the rest is not to be trusted */
	SL_PARSE_UNREADABLE,
	SL_PARSE_NOT_IP,
	SL_PARSE_FRAGMENT,
	SL_PARSE_OPTIONS,
	SL_PARSE_PROTOCOL,
};

struct sl_cursor {
	void *pos;
	void *end;
};

struct sl_vlan_tag {
	__be16 tci;
	__be16 proto;
};

/* The pointers live as long as the frame is not resized. */
struct sl_packet {
	struct sl_flow_key key; /* as on the wire */
	struct ethhdr *eth;
	union {
		struct iphdr *ip4;
		struct ipv6hdr *ip6;
	};
	struct tcphdr *tcp;
	__u32 payload_len;
	__u16 l3_len;
	__u8 tags;
	__u8 flags; /* SL_TCPF_* */
	bool ip_v6;
};

/* Returns the header at the cursor and steps over it, or NULL when the frame ends before. */
#define SL_TAKE(cursor, type)                            \
	({                                               \
		type *head_ = (cursor)->pos;             \
		if ((void *)(head_ + 1) > (cursor)->end) \
			head_ = NULL;                    \
		else                                     \
			(cursor)->pos = head_ + 1;       \
		head_;                                   \
	})

static __always_inline void sl_addr_from_ip4(struct sl_addr *addr, __be32 ip4)
{
	addr->w[0] = 0;
	addr->w[1] = 0;
	addr->w[2] = bpf_htonl(0xffff);
	addr->w[3] = ip4;
}

static __always_inline bool sl_addr_is_ip4(const struct sl_addr *addr)
{
	return !addr->w[0] && !addr->w[1] && addr->w[2] == bpf_htonl(0xffff);
}

static __always_inline void sl_addr_from_ip6(struct sl_addr *addr, const struct in6_addr *ip6)
{
	__builtin_memcpy(addr->w, ip6, sizeof(addr->w));
}

/* Steps over Ethernet and its tags. Returns the type of what follows, 0 when cut short. */
static __always_inline __be16 sl_parse_link(struct sl_cursor *cursor, struct sl_packet *packet)
{
	struct ethhdr *eth = SL_TAKE(cursor, struct ethhdr);
	struct sl_vlan_tag *tag;
	__be16 proto;
	int i;

	packet->tags = 0;
	if (!eth)
		return 0;
	packet->eth = eth;
	proto = eth->h_proto;
#pragma unroll
	for (i = 0; i < SL_VLAN_DEPTH_MAX; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		tag = SL_TAKE(cursor, struct sl_vlan_tag);
		if (!tag)
			return 0;
		proto = tag->proto;
		packet->tags++;
	}
	return proto;
}

/*
 * `left` is what the wire carried from the IP header on. `aggregated` (TC) accepts a length of 0,
 * which the kernel uses for segments joined beyond 64 KiB.
 */
static __always_inline enum sl_parse sl_parse_tcp(struct sl_cursor *cursor,
						  struct sl_packet *packet, __u32 head_len,
						  __u32 total, __u32 left, bool aggregated)
{
	__be16 *ports = cursor->pos;
	struct tcphdr *tcp;
	__u32 tcp_len;

	if ((void *)(ports + 2) > cursor->end)
		return SL_PARSE_UNREADABLE;
	packet->key.sport = ports[0];
	packet->key.dport = ports[1];
	if (aggregated && total == head_len)
		total = left;
	tcp = SL_TAKE(cursor, struct tcphdr);
	if (!tcp || total > left)
		return SL_PARSE_BAD;
	tcp_len = tcp->doff * 4u;
	if (tcp_len < SL_TCP_HEADER || total < head_len + tcp_len)
		return SL_PARSE_BAD;
	packet->tcp = tcp;
	packet->flags = ((__u8 *)tcp)[13];
	packet->payload_len = total - head_len - tcp_len;
	packet->l3_len = total;
	return SL_PARSE_TCP;
}

static __always_inline enum sl_parse
sl_parse_ip4(struct sl_cursor *cursor, struct sl_packet *packet, __u32 left, bool aggregated)
{
	struct iphdr *ip = SL_TAKE(cursor, struct iphdr);
	__u32 total;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return SL_PARSE_UNREADABLE;
	packet->ip4 = ip;
	packet->ip_v6 = false;
	if (ip->frag_off & bpf_htons(SL_IP4_FRAGMENT))
		return SL_PARSE_FRAGMENT;
	if (ip->ihl != 5)
		return SL_PARSE_OPTIONS;
	if (ip->protocol == IPPROTO_ICMP)
		return SL_PARSE_ICMP;
	if (ip->protocol != IPPROTO_TCP)
		return SL_PARSE_PROTOCOL;
	sl_addr_from_ip4(&packet->key.src, ip->saddr);
	sl_addr_from_ip4(&packet->key.dst, ip->daddr);
	total = bpf_ntohs(ip->tot_len);
	if (aggregated && !total)
		total = sizeof(*ip);
	return sl_parse_tcp(cursor, packet, sizeof(*ip), total, left, aggregated);
}

static __always_inline enum sl_parse
sl_parse_ip6(struct sl_cursor *cursor, struct sl_packet *packet, __u32 left, bool aggregated)
{
	struct ipv6hdr *ip = SL_TAKE(cursor, struct ipv6hdr);

	if (!ip || ip->version != 6)
		return SL_PARSE_UNREADABLE;
	packet->ip6 = ip;
	packet->ip_v6 = true;
	switch (ip->nexthdr) {
	case IPPROTO_TCP:
		break;
	case IPPROTO_ICMPV6:
		return SL_PARSE_ICMP;
	case IPPROTO_FRAGMENT:
		return SL_PARSE_FRAGMENT;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_AH:
	case IPPROTO_MH:
		return SL_PARSE_OPTIONS;
	default:
		return SL_PARSE_PROTOCOL;
	}
	sl_addr_from_ip6(&packet->key.src, &ip->saddr);
	sl_addr_from_ip6(&packet->key.dst, &ip->daddr);
	return sl_parse_tcp(cursor, packet, sizeof(*ip), sizeof(*ip) + bpf_ntohs(ip->payload_len),
			    left, aggregated);
}

/*
 * Fills `packet` as far as the verdict says. `wire_len` counts the frame with its Ethernet header,
 * also where only the beginning lies between the cursor's ends.
 */
static __always_inline enum sl_parse
sl_parse_packet(struct sl_cursor *cursor, struct sl_packet *packet, __u32 wire_len, bool aggregated)
{
	void *start = cursor->pos;
	__be16 proto = sl_parse_link(cursor, packet);
	__u32 left = wire_len - (__u32)(cursor->pos - start);

	*(__u32 *)&packet->key.proto = 0;
	packet->key.proto = IPPROTO_TCP;
	if (proto == bpf_htons(ETH_P_IP))
		return sl_parse_ip4(cursor, packet, left, aggregated);
	if (proto == bpf_htons(ETH_P_IPV6))
		return sl_parse_ip6(cursor, packet, left, aggregated);
	return proto ? SL_PARSE_NOT_IP : SL_PARSE_UNREADABLE;
}

static __always_inline bool sl_packet_is_syn(const struct sl_packet *packet)
{
	return (packet->flags & (SL_TCPF_SYN | SL_TCPF_ACK | SL_TCPF_RST | SL_TCPF_FIN)) ==
	       SL_TCPF_SYN;
}

static __always_inline void sl_flow_key_reverse(struct sl_flow_key *to,
						const struct sl_flow_key *from)
{
	to->src = from->dst;
	to->dst = from->src;
	to->sport = from->dport;
	to->dport = from->sport;
	*(__u32 *)&to->proto = *(const __u32 *)&from->proto;
}

#endif
