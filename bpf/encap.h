/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * encap.h - the outer headers of the direct-return tunnels: put on, taken off.
 *
 *   ipip   IP | the packet                    RFC 2003 (4 in 4), RFC 2473 (6 in 6)
 *   gue    IP | UDP | the packet              draft-ietf-intarea-gue, variant 1: the first four bits
 *                                             behind UDP are the version of the packet's IP header
 *
 * Inner and outer family are the same. Fields of the outer header:
 *   addresses     this host's towards the node, the node's
 *   hop limit     SL_ENCAP_HOPS, whatever the packet's is
 *   DSCP, ECN     the packet's; on the way out the mark of congestion is carried back (RFC 6040)
 *   IPv4          DF as the packet's; id 0 with DF (RFC 6864), else at random
 *   IPv6          the flow label from the flow's hash, for ECMP on the way (RFC 6438)
 *   UDP           source port 49152 and up from the hash, for ECMP and for the node's receive
 *                 queues. No checksum, also over IPv6: the packet inside has one over its own
 *                 addresses, that is the case which RFC 6935 allows it for; computing one means to
 *                 read the whole payload, or at TC one that the card has still to fill in.
 *
 * At TC segments that the kernel joined stay joined: bpf_skb_adjust_room() is told what goes in
 * front, so that the card or the kernel cuts them under the outer header.
 */
#ifndef SL_BPF_ENCAP_H
#define SL_BPF_ENCAP_H

#include "bpf/csum.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

#define SL_ENCAP_HOPS	    64
#define SL_ENCAP_LINK_MAX   22 /* Ethernet and two tags */
#define SL_ENCAP_PORT_FIRST 0xc000u
#define SL_ENCAP_PORT_MASK  0x3fffu
#define SL_IP4_DF	    0x4000
#define SL_ECN_MASK	    3u
#define SL_ECN_CE	    3u

struct sl_outer {
	const struct sl_addr *src; /* borrowed from a map's value */
	const struct sl_addr *dst;
	__u64 hash; /* of the flow */
	__u32 inner_len;
	__be16 fragment; /* IPv4: the packet's */
	__be16 gue_port; /* 0: ipip */
	__u8 tos;
	bool ip_v6;
};

static __always_inline __u32 sl_encap_len(bool ip_v6, bool gue)
{
	return sl_ip_header_len(ip_v6) + (gue ? sizeof(struct udphdr) : 0);
}

/* The byte that IPv4 calls TOS and IPv6 traffic class. */
static __always_inline __u8 sl_ip_tos(const struct sl_packet *packet)
{
	if (!packet->ip_v6)
		return packet->ip4->tos;
	return (__u8)(bpf_ntohs(*(__be16 *)packet->ip6) >> 4);
}

/*
 * IP header and all behind it, as the header says; at TC as the kernel says where it joined more
 * than 16 bits tell.
 */
static __always_inline __u32 sl_ip_len(void *ctx, bool tc, const struct sl_packet *packet)
{
	__u32 len = packet->ip_v6 ? bpf_ntohs(packet->ip6->payload_len)
				  : bpf_ntohs(packet->ip4->tot_len);

	if (tc && !len)
		return ((struct __sk_buff *)ctx)->len - packet->l3_at;
	return packet->ip_v6 ? len + sizeof(struct ipv6hdr) : len;
}

static __always_inline void sl_ip_hops_set(const struct sl_packet *packet, __u8 hops)
{
	struct iphdr *ip = packet->ip4;
	__be16 *word = (__be16 *)&ip->ttl; /* TTL and protocol */
	__u16 old;

	if (packet->ip_v6) {
		packet->ip6->hop_limit = hops;
		return;
	}
	old = *word;
	ip->ttl = hops;
	ip->check = sl_csum_apply(ip->check, sl_csum_word(0, old, *word));
}

static __always_inline __u8 sl_ip_hops(const struct sl_packet *packet)
{
	return packet->ip_v6 ? packet->ip6->hop_limit : packet->ip4->ttl;
}

/* A length as 16 bits; 0, as the kernel has it, for what it joined beyond that. */
static __always_inline __be16 encap_len16(__u32 len)
{
	return len > 0xffff ? 0 : bpf_htons((__u16)len);
}

/* ---- headers ------------------------------------------------------------------------------- */

static __always_inline void encap_ip4(struct iphdr *ip, const struct sl_outer *outer)
{
	__be16 df = outer->fragment & bpf_htons(SL_IP4_DF);
	__u32 *word = (__u32 *)ip;

	ip->version = 4;
	ip->ihl = 5;
	ip->tos = outer->tos;
	ip->tot_len = encap_len16(outer->inner_len + sl_encap_len(false, outer->gue_port));
	ip->id = df ? 0 : (__be16)bpf_get_prandom_u32();
	ip->frag_off = df;
	ip->ttl = SL_ENCAP_HOPS;
	ip->protocol = outer->gue_port ? IPPROTO_UDP : IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = outer->src->w[3];
	ip->daddr = outer->dst->w[3];
	ip->check = sl_csum_apply(0xffff, (__u64)word[0] + word[1] + word[2] + word[3] + word[4]);
}

static __always_inline void encap_ip6(struct ipv6hdr *ip, const struct sl_outer *outer)
{
	__u32 udp_len = outer->gue_port ? sizeof(struct udphdr) : 0;

	*(__be32 *)ip = bpf_htonl(6u << 28 | (__u32)outer->tos << 20 |
				  ((__u32)(outer->hash >> 32) & 0xfffff));
	ip->payload_len = encap_len16(outer->inner_len + udp_len);
	ip->nexthdr = outer->gue_port ? IPPROTO_UDP : IPPROTO_IPV6;
	ip->hop_limit = SL_ENCAP_HOPS;
	__builtin_memcpy(&ip->saddr, outer->src, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, outer->dst, sizeof(ip->daddr));
}

static __always_inline __be16 sl_encap_port(__u64 hash)
{
	return bpf_htons((__u16)(SL_ENCAP_PORT_FIRST | ((hash >> 16) & SL_ENCAP_PORT_MASK)));
}

/* Writes all of it at `at`. Returns false when the frame is too short for it. */
static __always_inline bool encap_write(void *at, void *end, const struct sl_outer *outer)
{
	struct udphdr *udp = outer->ip_v6 ? at + sizeof(struct ipv6hdr) : at + sizeof(struct iphdr);

	if ((void *)(udp + 1) > end)
		return false;
	if (outer->ip_v6)
		encap_ip6(at, outer);
	else
		encap_ip4(at, outer);
	if (!outer->gue_port)
		return true;
	udp->source = sl_encap_port(outer->hash);
	udp->dest = outer->gue_port;
	udp->len = encap_len16(outer->inner_len + sizeof(*udp));
	udp->check = 0;
	return true;
}

/* ---- XDP ----------------------------------------------------------------------------------- */

/*
 * Moves the link header by `grow` bytes to the front (or back, when negative) and the start of the
 * frame with it. Returns false without room.
 */
static __always_inline bool encap_move_link(struct xdp_md *ctx, __u32 tags, int grow)
{
	__u8 link[SL_ENCAP_LINK_MAX];
	void *at = (void *)(long)ctx->data;

	/* What is behind the link header is IP, so there are this many bytes. */
	if (at + sizeof(link) > (void *)(long)ctx->data_end)
		return false;
	__builtin_memcpy(link, at, sizeof(link));
	if (bpf_xdp_adjust_head(ctx, -grow))
		return false;
	at = (void *)(long)ctx->data;
	if (at + sizeof(link) > (void *)(long)ctx->data_end)
		return false;
	__builtin_memcpy(at, link, ETH_HLEN);
	if (tags)
		__builtin_memcpy(at + ETH_HLEN, link + ETH_HLEN, sizeof(struct sl_vlan_tag));
	if (tags > 1)
		__builtin_memcpy(at + ETH_HLEN + sizeof(struct sl_vlan_tag),
				 link + ETH_HLEN + sizeof(struct sl_vlan_tag),
				 sizeof(struct sl_vlan_tag));
	return true;
}

static __always_inline bool encap_xdp(struct xdp_md *ctx, __u32 tags, const struct sl_outer *outer)
{
	void *at;

	if (!encap_move_link(ctx, tags, sl_encap_len(outer->ip_v6, outer->gue_port)))
		return false;
	at = (void *)(long)ctx->data;
	if (tags > 1)
		at += 2 * sizeof(struct sl_vlan_tag);
	else if (tags)
		at += sizeof(struct sl_vlan_tag);
	return encap_write(at + ETH_HLEN, (void *)(long)ctx->data_end, outer);
}

/* ---- TC ------------------------------------------------------------------------------------ */

/*
 * `flags` of the caller: BPF_F_ADJ_ROOM_FIXED_GSO when the segments still fit with the headers in
 * front; without it TCP's are cut smaller by as much.
 */
static __always_inline bool encap_tc(struct __sk_buff *skb, const struct sl_outer *outer,
				     __u64 flags)
{
	flags |= outer->ip_v6 ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 : BPF_F_ADJ_ROOM_ENCAP_L3_IPV4;
	if (outer->gue_port)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (bpf_skb_adjust_room(skb, sl_encap_len(outer->ip_v6, outer->gue_port), BPF_ADJ_ROOM_MAC,
				flags))
		return false;
	return encap_write((void *)(long)skb->data + ETH_HLEN, (void *)(long)skb->data_end, outer);
}

/*
 * The same for a frame that has tags: the kernel wants none of them within the frame then. With
 * `keep` the frame leaves as it came; the outer one of two is put back behind the card's back.
 */
static __always_inline bool encap_tagged_tc(struct __sk_buff *skb, const struct sl_outer *outer,
					    __u64 flags, __u32 tags, bool keep)
{
	__u32 had_outer = skb->vlan_present;
	__be16 proto = (__be16)skb->vlan_proto;
	__u16 tci = (__u16)skb->vlan_tci;

	/* Takes off the outer one, wherever it is, and leaves the inner one beside the frame. */
	if (tags && bpf_skb_vlan_pop(skb))
		return false;
	if (!keep && skb->vlan_present && bpf_skb_vlan_pop(skb))
		return false;
	if (!encap_tc(skb, outer, flags))
		return false;
	return !keep || !tags || !had_outer || !bpf_skb_vlan_push(skb, proto, tci);
}

/* ---- the way back -------------------------------------------------------------------------- */

/*
 * RFC 6040, section 4.2: the congestion that the outer header saw on its way counts for the packet
 * in it. Returns false for one that must be dropped: congestion, and the packet's ends do not know
 * the mark. *ret_delta is what the bytes changed by, for the checksum that a card has made of all.
 */
static __always_inline bool sl_decap_ecn(const struct sl_packet *outer,
					 const struct sl_packet *inner, __u64 *ret_delta)
{
	__u8 tos = sl_ip_tos(inner);
	__u8 mark = sl_ip_tos(outer) & SL_ECN_MASK;
	__be16 *word = (__be16 *)inner->ip4; /* both have the byte within the first two */
	__u16 old = *word;

	if (mark != SL_ECN_CE)
		return true;
	if (!(tos & SL_ECN_MASK))
		return false;
	if (inner->ip_v6) {
		*word = old | bpf_htons(SL_ECN_CE << 4);
		*ret_delta = sl_csum_word(0, old, *word);
		return true;
	}
	inner->ip4->tos |= SL_ECN_CE;
	inner->ip4->check = sl_csum_apply(inner->ip4->check, sl_csum_word(0, old, *word));
	return true;
}

/* Takes `len` bytes off between link and IP header. Returns false when the kernel does not. */
static __always_inline bool sl_decap(void *ctx, bool tc, __u32 tags, __u32 len)
{
	if (!tc)
		return encap_move_link(ctx, tags, -(int)len);
	return !bpf_skb_adjust_room(ctx, -(__s32)len, BPF_ADJ_ROOM_MAC, BPF_F_ADJ_ROOM_FIXED_GSO);
}

#endif
