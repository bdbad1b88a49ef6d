/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cookie.h - the step COOKIE: a SYN whose source must first show that it is there.
 *
 *   source                                   here
 *   SYN, seq = x                      --->   service over guard.pending_per_s, source unknown:
 *   (still SYN-SENT: no ACK for x+1)  <---   SYN-ACK, ack = cookie, which is not x+1
 *   RST, seq = cookie                 --->   right: the source is proven (counter drop_cookie_back)
 *   SYN, seq = x, its repeat          --->   passes, for guard.proven_ms
 *
 * RFC 9293 obliges a TCP in SYN-SENT to answer an unacceptable acknowledgment with a RST that
 * repeats it (3.10.7.3) and to stay in SYN-SENT, so the application sees nothing but a connect that
 * takes longer: Linux repeats its SYN two ticks after such an answer (12 ms measured), others after
 * their time-out of a second. Nothing is kept for a source that does not answer, and no flow needs
 * its sequence numbers translated for the rest of its life, as a SYN proxy would.
 *
 * The kernel's own helpers (bpf_tcp_raw_gen_syncookie_*, 6.0) do not fit: their cookie is our
 * sequence number and is checked together with the client's in the ACK of a handshake. A RST
 * repeats neither. With them the client would be connected, and would have to be reset once proven:
 * the application would see that.
 *
 * Two forms of a cookie, from one SipHash-2-4 of addresses, ports and time slot under
 * settings.guard_key:
 *   near   16 of its bits, and above them bits of x, such that it lies at most 65,535 below x. A
 *          stateful firewall or NAT on the way takes that for an old acknowledgment and lets it
 *          pass (Linux's conntrack: within 66,000), where it would drop one that is out of window.
 *   far    32 of its bits. Sent, and alone believed, while more than SL_GUESSES_MAX RSTs a second
 *          did not fit: so who guesses gets 256 tries a second at 16 bits, and 2^-31 a packet for
 *          the rest.
 *
 * The answer is the SYN itself, turned round: options and payload go back as they came, and TCP
 * looks at neither before it has refused the acknowledgment. So its length stays, an answer is
 * never longer than the question, and the checksum needs two words. It leaves by the way it came,
 * to the link address it came from.
 */
#ifndef SL_BPF_COOKIE_H
#define SL_BPF_COOKIE_H

#include "bpf/lane.h"

#define SL_COOKIE_HOPS 64u

/* Turns addresses, ports and link addresses round: no checksum notices. */
static __always_inline void cookie_turn(const struct sl_packet *packet)
{
	struct ethhdr *eth = packet->eth;
	__u8 mac[ETH_ALEN];

	__builtin_memcpy(mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, mac, ETH_ALEN);
	packet->tcp->source = packet->key->dport;
	packet->tcp->dest = packet->key->sport;
	if (packet->ip_v6) {
		__builtin_memcpy(&packet->ip6->saddr, &packet->key->dst, sizeof(struct in6_addr));
		__builtin_memcpy(&packet->ip6->daddr, &packet->key->src, sizeof(struct in6_addr));
		packet->ip6->hop_limit = SL_COOKIE_HOPS;
		return;
	}
	packet->ip4->saddr = packet->key->dst.w[3];
	packet->ip4->daddr = packet->key->src.w[3];
}

static __always_inline void cookie_hops(struct iphdr *ip)
{
	__be16 *hops = (__be16 *)&ip->ttl;
	__u16 old_hops = *hops;

	ip->ttl = SL_COOKIE_HOPS;
	ip->check = sl_csum_apply(ip->check, sl_csum_word(0, old_hops, *hops));
}

/* Writes the acknowledgment. Returns what the checksum has to take up. */
static __always_inline __u64 cookie_write(struct tcphdr *tcp, __u32 cookie)
{
	__be32 *last = (__be32 *)tcp + 3; /* length, flags, window */
	__u32 old_last = *last;
	__u64 delta = sl_csum_word(0, tcp->ack_seq, bpf_htonl(cookie));
	__u8 *bytes = (__u8 *)last;

	tcp->ack_seq = bpf_htonl(cookie);
	bytes[0] &= 0xf0;
	bytes[1] = SL_TCPF_SYN | SL_TCPF_ACK;
	return sl_csum_word(delta, old_last, *last);
}

static __always_inline int sl_cookie(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	__u32 check_at;
	__u64 delta;

	if (!row || !room)
		return sl_hook_drop(tc);
	if (sl_parse_packet(ctx, tc, &cursor, &packet, &room->key) != SL_PARSE_TCP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	cookie_turn(&packet);
	if (!packet.ip_v6)
		cookie_hops(packet.ip4);
	delta = cookie_write(packet.tcp, room->handover.cookie);
	row->v[SL_COUNTER_DROP_COOKIE]++;
	sl_trace(tc, SL_COUNTER_DROP_COOKIE, 0);
	if (!tc) {
		packet.tcp->check = sl_csum_apply(packet.tcp->check, delta);
		return XDP_TX;
	}
	check_at = packet.l3_at + sl_ip_header_len(packet.ip_v6) + offsetof(struct tcphdr, check);
	((struct __sk_buff *)ctx)->tc_index = SL_TC_MEASURED;
	bpf_l4_csum_replace(ctx, check_at, 0, sl_csum_fold32(delta), 0);
	return bpf_redirect(((struct __sk_buff *)ctx)->ifindex, 0);
}

#endif
