/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - from the first byte of a frame to the ports and flags of TCP or UDP.
 *
 * A cursor walks the frame; each advance is checked against the end beside it. The same code is
 * compiled for both hooks. It never writes and never moves the packet.
 *
 * What is left to the local stack, whatever it is addressed to: anything but IPv4 and IPv6, more
 * than SL_VLAN_DEPTH_MAX tags, fragments (the stack reassembles), IPv4 options and IPv6 extension
 * headers, other protocols. A header that is cut short or lies about its length is BAD only when
 * the ports are readable, so that the caller can tell whether the packet is for one of our
 * services; else it is UNREADABLE.
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
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "bpf/hook.h"

#define SL_IP4_FRAGMENT 0x3fff /* more-fragments bit and offset */
#define SL_TCP_HEADER	20u
#define SL_UDP_HEADER	8u

/* Flags of the TCP header, as in its 14th byte. */
#define SL_TCPF_FIN 0x01
#define SL_TCPF_SYN 0x02
#define SL_TCPF_RST 0x04
#define SL_TCPF_ACK 0x10

enum sl_parse {
	SL_PARSE_TCP = 0,
	SL_PARSE_UDP,
	SL_PARSE_ICMP, /* the cursor stands on the ICMP header */
	SL_PARSE_BAD,  /* the ports are known, the rest is not to be trusted */
	SL_PARSE_UNREADABLE,
	SL_PARSE_NOT_IP,
	SL_PARSE_FRAGMENT,
	SL_PARSE_OPTIONS,
	SL_PARSE_PROTOCOL, /* among them IPIP: the cursor stands behind the IP header */
};

struct sl_cursor {
	void *pos;
	void *end;
};

struct sl_vlan_tag {
	__be16 tci;
	__be16 proto;
};

/* The pointers live as long as the packet is not moved. */
struct sl_packet {
	struct sl_flow_key *key; /* as on the wire; in struct sl_scratch: the stack is short */
	struct ethhdr *eth;
	union {
		struct iphdr *ip4;
		struct ipv6hdr *ip6;
	};
	/* NULL for UDP: so the verifier, which forgets what a byte on the stack was compared with,
	 * knows which of the two it is. */
	struct tcphdr *tcp;
	struct udphdr *udp; /* for TCP too, whose header begins with the same ports */
	__u32 payload_len;
	__u16 l3_len;  /* IP header and all behind it; 0: longer than 16 bits tell (TC, joined) */
	__u8 l3_at;    /* offset of the IP header in the frame */
	__u8 tags;     /* in the frame; TC has the outer one beside it */
	__u8 flags;    /* SL_TCPF_*; 0 for UDP */
	__u8 protocol; /* IPPROTO_*, 0 where not read */
	bool ip_v6;
};

/* Of an IP header without options or extensions. */
static __always_inline __u32 sl_ip_header_len(bool ip_v6)
{
	return ip_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);
}

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
 * Does a packet of `total` bytes from its IP header on lie within the frame? At XDP the linear part
 * is asked first: it holds all but jumbo frames.
 */
static __always_inline bool parse_fits(void *ctx, bool tc, const struct sl_packet *packet,
				       __u32 total)
{
	/* As numbers: 6.1 knows no bound of what a byte swap gives, so no pointer may move by it. */
	if (!tc && packet->l3_at + total <= (__u32)(sl_hook_end(ctx, tc) - sl_hook_data(ctx, tc)))
		return true;
	return packet->l3_at + total <= sl_hook_len(ctx, tc);
}

/* From the ports on. `total` counts from the IP header, which is head_len long. */
static __always_inline enum sl_parse parse_ports(void *ctx, bool tc, struct sl_cursor *cursor,
						 struct sl_packet *packet, __u32 head_len,
						 __u32 total)
{
	__be16 *ports = cursor->pos;
	__u32 l4_len;

	if ((void *)(ports + 2) > cursor->end)
		return SL_PARSE_UNREADABLE;
	packet->key->sport = ports[0];
	packet->key->dport = ports[1];
	if (!parse_fits(ctx, tc, packet, total))
		return SL_PARSE_BAD;
	packet->l3_len = total > 0xffff ? 0 : total;
	if (packet->protocol == IPPROTO_UDP) {
		struct udphdr *udp = SL_TAKE(cursor, struct udphdr);

		if (!udp || total < head_len + SL_UDP_HEADER ||
		    bpf_ntohs(udp->len) < SL_UDP_HEADER || head_len + bpf_ntohs(udp->len) > total)
			return SL_PARSE_BAD;
		packet->tcp = NULL;
		packet->udp = udp;
		packet->flags = 0;
		packet->payload_len = total - head_len - SL_UDP_HEADER;
		return SL_PARSE_UDP;
	}
	packet->tcp = SL_TAKE(cursor, struct tcphdr);
	if (!packet->tcp)
		return SL_PARSE_BAD;
	packet->udp = (void *)packet->tcp;
	l4_len = packet->tcp->doff * 4u;
	if (l4_len < SL_TCP_HEADER || total < head_len + l4_len)
		return SL_PARSE_BAD;
	packet->flags = ((__u8 *)packet->tcp)[13];
	packet->payload_len = total - head_len - l4_len;
	return SL_PARSE_TCP;
}

static __always_inline enum sl_parse parse_protocol(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return SL_PARSE_TCP;
	case IPPROTO_UDP:
		return SL_PARSE_UDP;
	case IPPROTO_ICMP:
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
}

static __always_inline enum sl_parse parse_ip4(void *ctx, bool tc, struct sl_cursor *cursor,
					       struct sl_packet *packet)
{
	struct iphdr *ip = SL_TAKE(cursor, struct iphdr);
	enum sl_parse parse;
	__u32 total;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return SL_PARSE_UNREADABLE;
	packet->ip4 = ip;
	packet->ip_v6 = false;
	packet->protocol = ip->protocol;
	packet->key->proto = ip->protocol;
	sl_addr_from_ip4(&packet->key->src, ip->saddr);
	sl_addr_from_ip4(&packet->key->dst, ip->daddr);
	if (ip->frag_off & bpf_htons(SL_IP4_FRAGMENT))
		return SL_PARSE_FRAGMENT;
	if (ip->ihl != 5)
		return SL_PARSE_OPTIONS;
	if (ip->protocol == IPPROTO_TCP || ip->protocol == IPPROTO_UDP) {
		total = bpf_ntohs(ip->tot_len);
		/* 0: the kernel joined segments beyond 64 KiB; of any other packet it is a lie */
		if (!total && sl_hook_joined(ctx, tc))
			total = ((struct __sk_buff *)ctx)->len - packet->l3_at;
		return parse_ports(ctx, tc, cursor, packet, sizeof(*ip), total);
	}
	parse = parse_protocol(ip->protocol);
	return ip->protocol == IPPROTO_ICMP ? SL_PARSE_ICMP
	       : parse == SL_PARSE_ICMP	    ? SL_PARSE_PROTOCOL
	       : parse == SL_PARSE_FRAGMENT ? SL_PARSE_PROTOCOL
					    : parse;
}

static __always_inline enum sl_parse parse_ip6(void *ctx, bool tc, struct sl_cursor *cursor,
					       struct sl_packet *packet)
{
	struct ipv6hdr *ip = SL_TAKE(cursor, struct ipv6hdr);
	enum sl_parse parse;
	__u32 total;

	if (!ip || ip->version != 6)
		return SL_PARSE_UNREADABLE;
	packet->ip6 = ip;
	packet->ip_v6 = true;
	packet->protocol = ip->nexthdr;
	packet->key->proto = ip->nexthdr;
	sl_addr_from_ip6(&packet->key->src, &ip->saddr);
	sl_addr_from_ip6(&packet->key->dst, &ip->daddr);
	if (ip->nexthdr == IPPROTO_TCP || ip->nexthdr == IPPROTO_UDP) {
		total = sizeof(*ip) + bpf_ntohs(ip->payload_len);
		if (!ip->payload_len && sl_hook_joined(ctx, tc))
			total = ((struct __sk_buff *)ctx)->len - packet->l3_at;
		return parse_ports(ctx, tc, cursor, packet, sizeof(*ip), total);
	}
	parse = parse_protocol(ip->nexthdr);
	return ip->nexthdr == IPPROTO_ICMP ? SL_PARSE_PROTOCOL : parse;
}

/*
 * Fills `packet` and `key` as far as the verdict says: the addresses wherever there is an IP header.
 * The key is borrowed as long as the packet is.
 */
static __always_inline enum sl_parse sl_parse_packet(void *ctx, bool tc, struct sl_cursor *cursor,
						     struct sl_packet *packet,
						     struct sl_flow_key *key)
{
	void *start = sl_hook_data(ctx, tc);
	__be16 proto;

	cursor->pos = start;
	cursor->end = sl_hook_end(ctx, tc);
	packet->key = key;
	*(__u32 *)&packet->key->proto = 0;
	packet->protocol = 0;
	proto = sl_parse_link(cursor, packet);
	/* The outer tag lies beside the frame. */
	if (tc && packet->tags == SL_VLAN_DEPTH_MAX && ((struct __sk_buff *)ctx)->vlan_present)
		return SL_PARSE_NOT_IP;
	packet->l3_at = (__u8)(cursor->pos - start);
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ip4(ctx, tc, cursor, packet);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ip6(ctx, tc, cursor, packet);
	return proto ? SL_PARSE_NOT_IP : SL_PARSE_UNREADABLE;
}

/*
 * At TC the headers may not lie in one piece: brings them together and parses again. Joined
 * segments of TCP are only a few hundred bytes apart from that.
 */
static __always_inline enum sl_parse sl_parse_hook(void *ctx, bool tc, struct sl_cursor *cursor,
						   struct sl_packet *packet,
						   struct sl_flow_key *key)
{
	enum sl_parse parse = sl_parse_packet(ctx, tc, cursor, packet, key);
	struct __sk_buff *skb = ctx;
	__u32 want;

	if (!tc ||
	    (parse != SL_PARSE_UNREADABLE && parse != SL_PARSE_BAD && parse != SL_PARSE_ICMP))
		return parse;
	want = skb->len < SL_TC_HEADERS_MAX ? skb->len : SL_TC_HEADERS_MAX;
	if ((__u64)skb->data + want <= (__u64)skb->data_end)
		return parse;
	if (bpf_skb_pull_data(skb, want))
		return SL_PARSE_UNREADABLE;
	return sl_parse_packet(ctx, tc, cursor, packet, key);
}

static __always_inline bool sl_packet_is_syn(const struct sl_packet *packet)
{
	return packet->tcp && (packet->flags & (SL_TCPF_SYN | SL_TCPF_ACK | SL_TCPF_RST |
						SL_TCPF_FIN)) == SL_TCPF_SYN;
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
