/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.h - ICMP errors that say a node cannot be reached.
 *
 * Counted only when the error quotes a segment of a living flow that was in flight. Type 3 but
 * code 4 (IPv4), type 1 (IPv6).
 */
#ifndef SL_BPF_ICMP_H
#define SL_BPF_ICMP_H

#include "bpf/lane.h"

#define SL_ICMP4_UNREACH     3
#define SL_ICMP4_TOO_BIG     4
#define SL_ICMP6_UNREACH     1
#define SL_ICMP_QUOTE_OFFSET 8

struct sl_icmp_head {
	__u8 type;
	__u8 code;
	__be16 check;
	__be32 rest;
};

/* The part of a TCP header that every error quotes. */
struct sl_icmp_quote {
	__be16 sport;
	__be16 dport;
	__be32 seq;
};

static __always_inline bool quote_ip4(struct sl_cursor *cursor, struct sl_flow_key *key)
{
	struct iphdr *ip = SL_TAKE(cursor, struct iphdr);

	if (!ip || ip->version != 4 || ip->ihl != 5)
		return false;
	key->proto = ip->protocol;
	sl_addr_from_ip4(&key->src, ip->saddr);
	sl_addr_from_ip4(&key->dst, ip->daddr);
	return !(ip->frag_off & bpf_htons(SL_IP4_FRAGMENT));
}

static __always_inline bool quote_ip6(struct sl_cursor *cursor, struct sl_flow_key *key)
{
	struct ipv6hdr *ip = SL_TAKE(cursor, struct ipv6hdr);

	if (!ip || ip->version != 6)
		return false;
	key->proto = ip->nexthdr;
	sl_addr_from_ip6(&key->src, &ip->saddr);
	sl_addr_from_ip6(&key->dst, &ip->daddr);
	return true;
}

/*
 * From the ICMP header on. Returns true for an unreachable of a TCP segment: *ret_key is the
 * segment's as it went out, *ret_seq its sequence number.
 */
static __always_inline bool sl_icmp_parse(struct sl_cursor *cursor, bool ip_v6,
					  struct sl_flow_key *ret_key, __u32 *ret_seq)
{
	struct sl_icmp_head *head = SL_TAKE(cursor, struct sl_icmp_head);
	struct sl_icmp_quote *quote;

	if (!head)
		return false;
	if (ip_v6 ? head->type != SL_ICMP6_UNREACH
		  : head->type != SL_ICMP4_UNREACH || head->code == SL_ICMP4_TOO_BIG)
		return false;
	*(__u32 *)&ret_key->proto = 0;
	if (ip_v6 ? !quote_ip6(cursor, ret_key) : !quote_ip4(cursor, ret_key))
		return false;
	quote = SL_TAKE(cursor, struct sl_icmp_quote);
	if (!quote)
		return false;
	ret_key->sport = quote->sport;
	ret_key->dport = quote->dport;
	*ret_seq = bpf_ntohl(quote->seq);
	return true;
}

/* The step ICMP. */
static __always_inline int sl_icmp(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_flow_key quoted, back;
	struct sl_packet packet;
	struct sl_cursor cursor;
	struct sl_flow *flow;
	__u32 seq, found;

	if (!row || !config || !room)
		return sl_hook_pass(tc);
	if (sl_parse_hook(ctx, tc, &cursor, &packet, &room->key) != SL_PARSE_ICMP ||
	    !sl_icmp_parse(&cursor, packet.ip_v6, &quoted, &seq))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	sl_flow_key_reverse(&back, &quoted);
	found = sl_answer_find(&back, config->seed, config->flow_sets);
	flow = found ? sl_flow_at(found - 1) : NULL;
	if (flow)
		sl_conn_unreachable(&flow->conn, seq);
	return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
}

#endif
