/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * craft.h - frames of our own making, in the place of the one that came in.
 *
 *   a reset      the frame becomes a RST to its sender (RFC 9293, 3.5.2)
 *   an error     the frame becomes an ICMP error to its sender that quotes it (RFC 792, 1812, 4443)
 *   a segment    the frame becomes a TCP segment without payload, to anyone
 *
 * An answer goes back the way the frame came: MAC addresses swapped, tags kept. No route is asked
 * for, so it needs none, and who spoofs a source gets nothing sent anywhere else by it.
 *
 * Every length and checksum is computed anew. Three things may be hidden behind a frame at TC:
 *   its checksum is left to the card (a veth or virtio peer on this host): then the field holds the
 *   pseudo header's sum alone, the kernel fills in the rest on the way out, and what is summed up
 *   around it must know that (craft_partial());
 *   the card summed up the whole frame: growing it makes the kernel forget that (sl_craft_resize());
 *   it is joined of segments: the same call makes it a plain frame.
 *
 * Errors are limited to SL_ANSWERS_MAX a second and CPU, and never sent to what is no single host
 * (RFC 1122, 3.2.2).
 */
#ifndef SL_BPF_CRAFT_H
#define SL_BPF_CRAFT_H

#include "bpf/csum.h"
#include "bpf/forward.h"
#include "bpf/steps.h"

#define SL_IP6_MTU_MIN	    1280u
#define SL_CRAFT_HOPS	    64u
#define SL_CRAFT_CONTROL    0xc0u /* class of ICMP errors: internetwork control (RFC 1812, 4.3.2.5) */
#define SL_CRAFT_SECOND	    30u	  /* 2^30 ns */
#define SL_CRAFT_LINK_WORDS 11u	  /* Ethernet and SL_VLAN_DEPTH_MAX tags, in units of two bytes */
#define SL_CRAFT_GROW	    4u
#define SL_CRAFT_PUSH_MAX   63u

#define SL_ICMP4_UNREACH      3u
#define SL_ICMP4_TIME	      11u
#define SL_ICMP4_PARAMETER    12u
#define SL_ICMP4_HOST_UNREACH 1u /* codes of UNREACH */
#define SL_ICMP4_PORT_UNREACH 3u
#define SL_ICMP4_TOO_BIG      4u
#define SL_ICMP6_UNREACH      1u
#define SL_ICMP6_TOO_BIG      2u
#define SL_ICMP6_TIME	      3u
#define SL_ICMP6_PARAMETER    4u
#define SL_ICMP6_ADDR_UNREACH 3u /* codes of UNREACH */
#define SL_ICMP6_PORT_UNREACH 4u
#define SL_ICMP_HEADER	      8u

struct sl_icmp_head {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 rest;
};

/* A TCP segment without payload. The options are words of a map's row, zero behind their end. */
struct sl_craft_tcp {
	const struct sl_addr *src;
	const struct sl_addr *dst;
	const __u32 *options; /* SL_SYN_OPTIONS_MAX bytes; NULL: none */
	__be32 seq;
	__be32 ack;
	__be16 sport;
	__be16 dport;
	__be16 window;
	__u8 flags;
	__u8 option_len; /* a multiple of 4 */
	__u8 hops;
	__u8 tos;
};

/*
 * Makes room of `len` bytes, at most SL_CRAFT_PUSH_MAX, behind the link's header, which moves to the
 * new front. Returns false when there is none.
 */
static __always_inline bool craft_push(void *ctx, bool tc, __u32 len)
{
	__u16 *to, *from;
	__u32 i;

	if (tc ? bpf_skb_change_head(ctx, len, 0) : bpf_xdp_adjust_head(ctx, -(int)len))
		return false;
	to = sl_hook_data(ctx, tc);
	/* 6.1 forgets the bound over the call; the compiler, which does not, would leave out the mask. */
	__asm__ volatile("" : "+r"(len));
	from = (void *)to + (len & SL_CRAFT_PUSH_MAX);
	if ((void *)(to + SL_CRAFT_LINK_WORDS) > sl_hook_end(ctx, tc) ||
	    (void *)(from + SL_CRAFT_LINK_WORDS) > sl_hook_end(ctx, tc))
		return false;
	for (i = 0; i < SL_CRAFT_LINK_WORDS; i++)
		to[i] = from[i];
	return true;
}

/*
 * Makes the frame exactly `len` bytes long. One that grows does not keep what it held from the IP
 * header on. Returns false when there is no room. Ends the life of all packet pointers. At TC all of
 * the frame is linear afterwards.
 *
 * At XDP a frame may end where its buffer does (a reset of Linux over veth has not one byte to
 * spare), but there always is room in front.
 */
static __always_inline bool sl_craft_resize(void *ctx, bool tc, __u32 len)
{
	__u32 now = sl_hook_len(ctx, tc);

	if (tc)
		return !bpf_skb_change_tail(ctx, len, 0) &&
		       !bpf_skb_change_tail(ctx, len + SL_CRAFT_GROW, 0) &&
		       !bpf_skb_change_tail(ctx, len, 0);
	if (len == now || !bpf_xdp_adjust_tail(ctx, (int)len - (int)now))
		return true;
	return len > now && len - now <= SL_CRAFT_PUSH_MAX && craft_push(ctx, false, len - now);
}

/*
 * TC: is the transport's checksum at this offset left to the card? There is no field that says so,
 * but the kernel's helper knows: it leaves such a checksum alone when what changed is not part of
 * the pseudo header. Ends the life of all packet pointers.
 */
static __always_inline bool craft_partial(struct __sk_buff *skb, __u32 check_at)
{
	__u16 before = 0, after = 0;

	if (bpf_skb_load_bytes(skb, check_at, &before, sizeof(before)))
		return false;
	bpf_l4_csum_replace(skb, check_at, 0, 1, 0);
	bpf_skb_load_bytes(skb, check_at, &after, sizeof(after));
	if (before == after)
		return true;
	bpf_skb_store_bytes(skb, check_at, &before, sizeof(before), 0);
	return false;
}

/* The checksum field for this sum of words. */
static __always_inline __u16 craft_check(__u64 sum)
{
	return sl_csum_apply(0xffff, sum);
}

/* The pseudo header's part of a transport's checksum. */
static __always_inline __u64 craft_pseudo(bool ip_v6, const struct sl_addr *src,
					  const struct sl_addr *dst, __u32 proto, __u32 len)
{
	__u64 sum = (__u64)src->w[3] + dst->w[3] + bpf_htonl(proto) + bpf_htonl(len);

	if (ip_v6)
		sum += (__u64)src->w[0] + src->w[1] + src->w[2] + dst->w[0] + dst->w[1] + dst->w[2];
	return sum;
}

/* The IP header of a packet with `len` bytes behind it. Returns what is behind it, NULL: no room. */
static __always_inline void *craft_ip(void *at, void *end, bool ip_v6, const struct sl_addr *src,
				      const struct sl_addr *dst, __u32 proto, __u32 len, __u8 hops,
				      __u8 tos)
{
	struct ipv6hdr *ip6 = at;
	struct iphdr *ip4 = at;
	__u32 *words = at;
	__u64 sum;

	if (ip_v6) {
		if ((void *)(ip6 + 1) > end)
			return NULL;
		words[0] = bpf_htonl(6u << 28 | (__u32)tos << 20);
		ip6->payload_len = bpf_htons(len);
		ip6->nexthdr = proto;
		ip6->hop_limit = hops;
		__builtin_memcpy(&ip6->saddr, src, sizeof(ip6->saddr));
		__builtin_memcpy(&ip6->daddr, dst, sizeof(ip6->daddr));
		return ip6 + 1;
	}
	if ((void *)(ip4 + 1) > end)
		return NULL;
	words[0] = bpf_htonl(0x45u << 24 | (__u32)tos << 16 | (sizeof(*ip4) + len));
	words[1] = bpf_htonl(0x4000); /* never fragmented, so it needs no number (RFC 6864) */
	words[2] = bpf_htonl((__u32)hops << 24 | proto << 16);
	ip4->saddr = src->w[3];
	ip4->daddr = dst->w[3];
	sum = (__u64)words[0] + words[1] + words[2] + ip4->saddr + ip4->daddr;
	ip4->check = craft_check(sum);
	return ip4 + 1;
}

/* ---- segments ------------------------------------------------------------------------------ */

/*
 * Writes the segment over what lies from the IP header on; the frame is exactly as long as it needs.
 * Returns false when it is not. Ends the life of all packet pointers.
 */
static __always_inline bool sl_craft_tcp(void *ctx, bool tc, __u32 l3_at, bool ip_v6,
					 const struct sl_craft_tcp *want)
{
	void *at = sl_hook_data(ctx, tc) + (l3_at & 0x1f), *end = sl_hook_end(ctx, tc);
	__u32 len = SL_TCP_HEADER + want->option_len;
	__u32 check_at = l3_at + sl_ip_header_len(ip_v6) + offsetof(struct tcphdr, check);
	__u64 pseudo = craft_pseudo(ip_v6, want->src, want->dst, IPPROTO_TCP, len), sum = pseudo;
	__u32 *words = craft_ip(at, end, ip_v6, want->src, want->dst, IPPROTO_TCP, len, want->hops,
				want->tos);
	struct tcphdr *tcp = (void *)words;
	__u16 check;
	__u32 i;

	if (!tcp || (void *)(tcp + 1) > end)
		return false;
	tcp->source = want->sport;
	tcp->dest = want->dport;
	tcp->seq = want->seq;
	tcp->ack_seq = want->ack;
	words[3] = bpf_htonl((len / 4) << 28 | (__u32)want->flags << 16) |
		   ((__u32)want->window << (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? 16 : 0));
	words[4] = 0;
	sum += (__u64)words[0] + words[1] + words[2] + words[3];
	words += SL_TCP_HEADER / 4;
	for (i = 0; want->options && i < SL_SYN_OPTIONS_MAX / 4; i++, words++) {
		if (i * 4 >= want->option_len)
			break;
		if ((void *)(words + 1) > end)
			return false;
		*words = want->options[i];
		sum += want->options[i];
	}
	check = craft_check(sum);
	if (tc) {
		if (craft_partial(ctx, check_at))
			check = ~craft_check(pseudo);
		return !bpf_skb_store_bytes(ctx, check_at, &check, sizeof(check), 0);
	}
	tcp->check = check;
	return true;
}

/* ---- answers ------------------------------------------------------------------------------- */

/*
 * May the packet be answered at all? Its source must be one host: not unspecified, loopback,
 * multicast or broadcast; and it came to us alone.
 */
static __always_inline bool sl_craft_answerable(const struct sl_packet *packet)
{
	const struct sl_addr *src = &packet->key->src;
	__u32 first = bpf_ntohl(src->w[3]) >> 24;

	if (packet->eth->h_dest[0] & 1)
		return false;
	if (packet->ip_v6)
		return bpf_ntohl(src->w[0]) >> 24 != 0xff && (src->w[0] | src->w[1] | src->w[2]);
	return first != 0 && first != 127 && first < 224;
}

/* Takes one of this second's errors. */
static __always_inline bool sl_craft_allowed(struct sl_scratch *room)
{
	__u64 second = room->now_ns >> SL_CRAFT_SECOND;

	if (room->answers >> 32 != (__u32)second)
		room->answers = second << 32;
	if ((__u32)room->answers >= SL_ANSWERS_MAX)
		return false;
	room->answers++;
	return true;
}

/* Sends the frame back where it came from. Returns the hook's verdict. */
static __always_inline int sl_craft_back(void *ctx, bool tc)
{
	struct ethhdr *eth = sl_hook_data(ctx, tc);
	__u8 mac[ETH_ALEN];

	if ((void *)(eth + 1) > sl_hook_end(ctx, tc))
		return sl_hook_drop(tc);
	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	if (!tc)
		return XDP_TX;
	((struct __sk_buff *)ctx)->tc_index = SL_TC_MEASURED;
	return bpf_redirect(((struct __sk_buff *)ctx)->ifindex, 0);
}

/*
 * Makes the segment at hand a RST to its sender: one that it believes, because it takes its numbers
 * from what the sender said. Returns false when the frame is not to be had.
 */
static __always_inline bool sl_craft_reset(void *ctx, bool tc, const struct sl_packet *packet)
{
	__u32 taken = packet->payload_len + !!(packet->flags & SL_TCPF_SYN) +
		      !!(packet->flags & SL_TCPF_FIN);
	struct sl_craft_tcp rst = {
		.src = &packet->key->dst,
		.dst = &packet->key->src,
		.sport = packet->key->dport,
		.dport = packet->key->sport,
		.flags = SL_TCPF_RST,
		.hops = SL_CRAFT_HOPS,
	};

	if (packet->flags & SL_TCPF_ACK) {
		rst.seq = packet->tcp->ack_seq;
	} else {
		rst.ack = bpf_htonl(bpf_ntohl(packet->tcp->seq) + taken);
		rst.flags |= SL_TCPF_ACK;
	}
	return sl_craft_resize(ctx, tc,
			       packet->l3_at + sl_ip_header_len(packet->ip_v6) + SL_TCP_HEADER) &&
	       sl_craft_tcp(ctx, tc, packet->l3_at, packet->ip_v6, &rst);
}

/* ---- errors -------------------------------------------------------------------------------- */

/* How much of the packet an error quotes: whole words, as much as may be. */
static __always_inline __u32 craft_quote_len(void *ctx, bool tc, const struct sl_packet *packet)
{
	__u32 most = packet->ip_v6 ? SL_QUOTE6_MAX : SL_QUOTE4_MAX;
	__u32 has = sl_hook_len(ctx, tc);
	__u32 linear = sl_hook_end(ctx, tc) - sl_hook_data(ctx, tc);

	/* Before the compiler makes one 32-bit subtraction of pointers and numbers of it. */
	__asm__ volatile("" : "+r"(linear));
	if (!tc && has > linear)
		has = linear;
	has -= packet->l3_at;
	if (packet->l3_len && packet->l3_len < has)
		has = packet->l3_len;
	return (has < most ? has : most) & ~3u;
}

/* Sum of the words from `at` to the frame's end, but at most `most` of them. */
static __always_inline __u64 craft_sum(__u32 *at, void *end, __u32 most)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < (SL_ICMP_HEADER + SL_QUOTE6_MAX) / 4; i++, at++) {
		if (i >= most || (void *)(at + 1) > end)
			break;
		sum += *at;
	}
	return sum;
}

/* Writes the headers of an error before its quote of `quote_len` bytes. */
static __always_inline bool craft_error_write(void *ctx, bool tc, const struct sl_packet *packet,
					      const struct sl_icmp_head *want, __u32 quote_len,
					      bool partial, __u16 left)
{
	void *at = sl_hook_data(ctx, tc) + (packet->l3_at & 0x1f), *end = sl_hook_end(ctx, tc);
	const struct sl_addr *src = &packet->key->dst, *dst = &packet->key->src;
	__u32 len = SL_ICMP_HEADER + quote_len;
	__u32 proto = packet->ip_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	struct sl_icmp_head *head = craft_ip(at, end, packet->ip_v6, src, dst, proto, len,
					     SL_CRAFT_HOPS, SL_CRAFT_CONTROL);
	__u64 sum;

	if (!head || (void *)(head + 1) > end)
		return false;
	*head = *want;
	/* Once filled in, what the card sums up comes to the complement of what the field holds now. */
	sum = partial ? craft_sum((__u32 *)head, end,
				  (SL_ICMP_HEADER + sl_ip_header_len(packet->ip_v6)) / 4) +
				(__u16)~left
		      : craft_sum((__u32 *)head, end, (SL_ICMP_HEADER + SL_QUOTE6_MAX) / 4);
	if (packet->ip_v6)
		sum += craft_pseudo(true, src, dst, proto, len);
	head->check = craft_check(sum);
	return true;
}

/*
 * Makes the packet at hand an ICMP error to its sender, from the address that it was sent to. `want`
 * is its header, checksum 0. Returns false when the frame is not to be had.
 */
static __always_inline bool sl_craft_error(void *ctx, bool tc, const struct sl_packet *packet,
					   const struct sl_icmp_head *want)
{
	__u32 quote_len = craft_quote_len(ctx, tc, packet);
	__u32 ip_len = sl_ip_header_len(packet->ip_v6);
	__u32 check_at = packet->l3_at + ip_len +
			 (packet->protocol == IPPROTO_UDP ? offsetof(struct udphdr, check)
							  : offsetof(struct tcphdr, check));
	bool partial = false;
	__u16 left = 0;

	if (!sl_craft_resize(ctx, tc, packet->l3_at + quote_len))
		return false;
	if (tc) {
		partial = craft_partial(ctx, check_at);
		bpf_skb_load_bytes(ctx, check_at, &left, sizeof(left));
	}
	return craft_push(ctx, tc, ip_len + SL_ICMP_HEADER) &&
	       craft_error_write(ctx, tc, packet, want, quote_len, partial, left);
}

#endif
