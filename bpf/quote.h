/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quote.h - what an ICMP error is about: the packet that it quotes.
 *
 *   IP | ICMP header, 8 bytes | IP of the quoted packet | at least 8 bytes behind that
 *
 * Errors are, of IPv4: unreachable, time exceeded, parameter problem; of IPv6: unreachable, packet
 * too big, time exceeded, parameter problem. Source quench and redirects are left to the stack
 * (RFC 6633, RFC 1812), and so is what asks and answers, echo above all.
 *
 * A quote must be the beginning of a packet (no later fragment), without options: what we send and
 * what is sent to us is such a packet. 8 bytes hold the ports, and of TCP the sequence number.
 */
#ifndef SL_BPF_QUOTE_H
#define SL_BPF_QUOTE_H

#include "bpf/craft.h"

#define SL_IP4_OFFSET	 0x1fff
#define SL_ICMP_LEN_MAX	 1302u /* frame of the longest error: 1,280 and Ethernet with two tags */
#define SL_QUOTE_PORTS	 8u    /* what every error quotes of the transport */
#define SL_QUOTE_TCP_SUM 18u   /* quoted as far as the end of TCP's checksum */

/* The part of a transport's header that every error quotes. */
struct sl_quote_ports {
	__be16 sport;
	__be16 dport;
	union {
		__be32 seq; /* TCP */
		struct {
			__be16 len;
			__be16 check;
		} udp;
	};
};

static __always_inline bool sl_icmp_is_error(bool ip_v6, __u8 type)
{
	if (ip_v6)
		return type >= SL_ICMP6_UNREACH && type <= SL_ICMP6_PARAMETER;
	return type == SL_ICMP4_UNREACH || type == SL_ICMP4_TIME || type == SL_ICMP4_PARAMETER;
}

/* Does it say that the quoted packet cannot get where it should, whatever its length? */
static __always_inline bool sl_icmp_is_unreachable(bool ip_v6, __u8 type, __u8 code)
{
	return ip_v6 ? type == SL_ICMP6_UNREACH
		     : type == SL_ICMP4_UNREACH && code != SL_ICMP4_TOO_BIG;
}

static __always_inline bool sl_icmp_is_too_big(bool ip_v6, __u8 type, __u8 code)
{
	return ip_v6 ? type == SL_ICMP6_TOO_BIG
		     : type == SL_ICMP4_UNREACH && code == SL_ICMP4_TOO_BIG;
}

/* Steps over a quoted IP header: its addresses and protocol into *ret_key. */
static __always_inline bool sl_quote_ip(struct sl_cursor *cursor, bool ip_v6,
					struct sl_flow_key *ret_key)
{
	struct iphdr *ip4;
	struct ipv6hdr *ip6;

	*(__u32 *)&ret_key->proto = 0;
	if (ip_v6) {
		ip6 = SL_TAKE(cursor, struct ipv6hdr);
		if (!ip6 || ip6->version != 6)
			return false;
		ret_key->proto = ip6->nexthdr;
		sl_addr_from_ip6(&ret_key->src, &ip6->saddr);
		sl_addr_from_ip6(&ret_key->dst, &ip6->daddr);
		return true;
	}
	ip4 = SL_TAKE(cursor, struct iphdr);
	if (!ip4 || ip4->version != 4 || ip4->ihl != 5 ||
	    (ip4->frag_off & bpf_htons(SL_IP4_OFFSET)))
		return false;
	ret_key->proto = ip4->protocol;
	sl_addr_from_ip4(&ret_key->src, ip4->saddr);
	sl_addr_from_ip4(&ret_key->dst, ip4->daddr);
	return true;
}

/* Steps over the quoted ports. Returns false when it is not TCP or UDP, or cut short. */
static __always_inline bool sl_quote_ports(struct sl_cursor *cursor, struct sl_flow_key *ret_key,
					   __u32 *ret_seq)
{
	struct sl_quote_ports *ports;

	if (ret_key->proto != IPPROTO_TCP && ret_key->proto != IPPROTO_UDP)
		return false;
	ports = SL_TAKE(cursor, struct sl_quote_ports);
	if (!ports)
		return false;
	ret_key->sport = ports->sport;
	ret_key->dport = ports->dport;
	*ret_seq = bpf_ntohl(ports->seq);
	return true;
}

/*
 * From the ICMP header on. Returns true for an unreachable: *ret_key is the quoted packet's as it
 * went out, *ret_seq its sequence number (of TCP).
 */
static __always_inline bool sl_quote_unreachable(struct sl_cursor *cursor, bool ip_v6,
						 struct sl_flow_key *ret_key, __u32 *ret_seq)
{
	struct sl_icmp_head *head = SL_TAKE(cursor, struct sl_icmp_head);

	return head && sl_icmp_is_unreachable(ip_v6, head->type, head->code) &&
	       sl_quote_ip(cursor, ip_v6, ret_key) && sl_quote_ports(cursor, ret_key, ret_seq);
}

/*
 * Parses an ICMP packet and, at TC, brings all of it together first. The cursor stands on the ICMP
 * header; packet->l3_len is what the IP header says, 0 when the frame does not hold as much.
 */
static __always_inline bool sl_icmp_packet(void *ctx, bool tc, struct sl_cursor *cursor,
					   struct sl_packet *packet, struct sl_flow_key *key)
{
	struct __sk_buff *skb = ctx;
	__u32 want, total;

	if (tc) {
		want = skb->len < SL_ICMP_LEN_MAX ? skb->len : SL_ICMP_LEN_MAX;
		if ((__u64)skb->data + want > (__u64)skb->data_end && bpf_skb_pull_data(skb, want))
			return false;
	}
	if (sl_parse_packet(ctx, tc, cursor, packet, key) != SL_PARSE_ICMP)
		return false;
	total = packet->ip_v6 ? sizeof(struct ipv6hdr) + bpf_ntohs(packet->ip6->payload_len)
			      : bpf_ntohs(packet->ip4->tot_len);
	packet->tcp = NULL;
	packet->udp = NULL;
	packet->payload_len = 0;
	packet->l3_len = packet->l3_at + total <= sl_hook_len(ctx, tc) ? total : 0;
	return true;
}

#endif
