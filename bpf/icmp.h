/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * icmp.h - ICMP errors about packets that went through here: the steps ICMP, RELAY, UNWRAP.
 *
 *   the error quotes             found by    it goes
 *   what nat sent to a node      `ports`     to the client, translated
 *   an answer to a client        `flows`     to the node: translated (nat), or as it is (direct return)
 *   a tunnel of ours with a      `flows`     to the client, without the tunnel
 *   client's packet in it
 *   an answer of a fast service  -           nat: nowhere, drop_icmp_stray; direct return: to the
 *   to no flow that is known                 node where the flow would be
 *   anything else, or too        -           to the local stack, as all other ICMP
 *   short to tell
 *
 * Translated (RFC 5508): the quoted packet reads as its sender sent it, checksums and all; the error
 * comes from the service when the node itself sent it, else from the router that did. The length
 * stays. So path MTU discovery works through the lane in both directions.
 *
 * Without the tunnel (RFC 2003, 4; RFC 2473, 8): the error comes from the service and quotes what
 * was in the tunnel. "Too big" says what is left of the MTU; all else about the tunnel is to its
 * sender a host that cannot be reached. A quote that ends before the ports of the packet in the
 * tunnel leads nowhere; the stack gets it.
 *
 * Health: an unreachable about what went to a node, of a segment in flight, is a failure (conn.h).
 * One about the SYN of an opening flow is a refusal: step RETRY.
 */
#ifndef SL_BPF_ICMP_H
#define SL_BPF_ICMP_H

#include "bpf/chain.h"
#include "bpf/lane.h"
#include "bpf/quote.h"
#include "bpf/retry.h"

/* ---- whose is it --------------------------------------------------------------------------- */

/* An unreachable about the flow at `index`, towards its node. Returns true: its SYN was refused. */
static __always_inline bool icmp_refused(struct sl_flow *flow, __u32 seq)
{
	if (!sl_conn_unreachable(&flow->conn, seq))
		return false;
	return flow->conn.state == SL_TCP_SYN_SENT && seq + 1 == flow->conn.next_seq;
}

/*
 * An error about a packet of the flow room->handover.index. `unreachable`: its node cannot be
 * reached; `step` is where the error goes if that is no reason to try another one.
 */
static __always_inline int icmp_judged(void *ctx, bool tc, struct sl_scratch *room,
				       bool unreachable, __u32 seq, enum sl_step step,
				       struct sl_counters *row)
{
	struct sl_flow *flow = sl_flow_at(room->handover.index - 1);

	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	room->handover.fresh = 0;
	room->handover.slot = flow->conn.node;
	if (unreachable && icmp_refused(flow, seq)) {
		room->handover.reason = SL_RETRY_ICMP;
		return sl_step(ctx, tc, SL_STEP_RETRY, row);
	}
	return sl_step(ctx, tc, step, row);
}

/* Looks for the flow of a quoted packet; its key is turned round. Returns the index + 1, or 0. */
static __always_inline __u32 icmp_find(const struct sl_settings *config, struct sl_flow_key *back,
				       __u32 *ret_from_node)
{
	__u32 found = sl_answer_find(back, config->seed, config->flow_sets);

	*ret_from_node = !!found;
	return found ? found
		     : sl_table_find(back, sl_key_hash(back, config->seed), config->flow_sets);
}

/* A quoted packet of a client in a tunnel to `dst`: the index of its flow + 1, or 0. */
static __always_inline __u32 icmp_find_tunneled(const struct sl_settings *config,
						struct sl_flow_key *inner,
						const struct sl_addr *dst, __u8 proto)
{
	__u32 found = sl_table_find(inner, sl_key_hash(inner, config->seed), config->flow_sets);
	struct sl_flow *flow = found ? sl_flow_at(found - 1) : NULL;
	struct sl_node_state *node = flow ? sl_node_at(flow->conn.node) : NULL;
	__u8 mode = proto == IPPROTO_UDP ? SL_MODE_GUE : SL_MODE_IPIP;

	if (!node || (flow->flags & SL_FLOW_MODE) != mode || !addr_equal(&node->endpoint.addr, dst))
		return 0;
	return found;
}

/*
 * No flow: the key is that of the client's packets, if it quotes an answer. In the direct-return modes
 * routers send errors about answers to any balancer of the ECMP group, so another one may know the
 * flow: to the node where it would be, as what is in mid-flow (chain.h).
 */
static __always_inline int icmp_stray(void *ctx, bool tc, const struct sl_packet *packet,
				      struct sl_scratch *room, struct sl_flow_key *back,
				      const struct sl_settings *config, struct sl_counters *row)
{
	int pool = sl_flow_pool(back, 0, 0);

	if (pool == -SL_COUNTER_DROP_NO_FLOW)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_ICMP_STRAY);
	if (pool <= 0)
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	if (!packet->l3_len)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	room->handover.slot =
		sl_chain_entry(room, sl_key_hash(back, config->seed), pool, packet->ip_v6);
	if (!room->handover.slot)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_ICMP_STRAY);
	room->handover.index = 0;
	room->handover.fresh = 0;
	return sl_step(ctx, tc, SL_STEP_TUNNEL, row);
}

/* The quoted packet may be a tunnel: the cursor stands behind its outer header. */
static __always_inline int icmp_tunnel(void *ctx, bool tc, struct sl_cursor *cursor,
				       const struct sl_packet *packet, struct sl_flow_key *quoted,
				       bool unreachable, struct sl_scratch *room,
				       struct sl_counters *row)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_addr dst = quoted->dst;
	__u8 proto = quoted->proto;
	__u32 seq = 0;

	if (!config || !sl_quote_ip(cursor, packet->ip_v6, quoted) ||
	    !sl_quote_ports(cursor, quoted, &seq))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	room->handover.index = icmp_find_tunneled(config, quoted, &dst, proto);
	if (!room->handover.index)
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	if (!packet->l3_len)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	room->handover.from_node = 1;
	return icmp_judged(ctx, tc, room, unreachable, seq, SL_STEP_UNWRAP, row);
}

/* The quoted packet is TCP or UDP. */
static __always_inline int icmp_transport(void *ctx, bool tc, const struct sl_packet *packet,
					  struct sl_flow_key *back, __u32 seq, bool unreachable,
					  struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_flow *flow = sl_flow_at(room->handover.index - 1);

	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (!packet->l3_len)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	if (!room->handover.from_node) {
		unreachable = false;
		if ((flow->flags & SL_FLOW_MODE) != SL_MODE_NAT)
			return icmp_judged(ctx, tc, room, false, seq, SL_STEP_TUNNEL, row);
	}
	return icmp_judged(ctx, tc, room, unreachable, seq, SL_STEP_RELAY, row);
}

static __always_inline bool is_tunnel(const struct sl_settings *config,
				      const struct sl_flow_key *quoted, bool ip_v6)
{
	if (quoted->proto == IPPROTO_UDP)
		return config->gue_port && quoted->dport == config->gue_port;
	return quoted->proto == (ip_v6 ? IPPROTO_IPV6 : IPPROTO_IPIP);
}

/* The step ICMP. */
static __always_inline int sl_icmp(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_flow_key quoted, back;
	struct sl_icmp_head *head;
	struct sl_packet packet;
	struct sl_cursor cursor;
	bool unreachable;
	__u32 seq = 0;

	if (!row || !config || !room)
		return sl_hook_pass(tc);
	if (!sl_icmp_packet(ctx, tc, &cursor, &packet, &room->key))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	head = SL_TAKE(&cursor, struct sl_icmp_head);
	if (!head || !sl_icmp_is_error(packet.ip_v6, head->type))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	unreachable = sl_icmp_is_unreachable(packet.ip_v6, head->type, head->code);
	if (!sl_quote_ip(&cursor, packet.ip_v6, &quoted))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	if (sl_quote_ports(&cursor, &quoted, &seq)) {
		sl_flow_key_reverse(&back, &quoted);
		room->handover.index = icmp_find(config, &back, &room->handover.from_node);
		if (room->handover.index)
			return icmp_transport(ctx, tc, &packet, &back, seq, unreachable, room, row);
		if (!is_tunnel(config, &quoted, packet.ip_v6))
			return icmp_stray(ctx, tc, &packet, room, &back, config, row);
	}
	if (!is_tunnel(config, &quoted, packet.ip_v6))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	return icmp_tunnel(ctx, tc, &cursor, &packet, &quoted, unreachable, room, row);
}

/* ---- translated ---------------------------------------------------------------------------- */

/* What an error and its quote get instead. The ports of `outer` are 0. */
struct icmp_rewrite {
	struct sl_rewrite outer;
	struct sl_rewrite inner;
};

/* Returns false when the flow's node is gone. */
static __always_inline bool translate_as(const struct sl_flow *flow, const struct sl_packet *packet,
					 bool from_node, struct icmp_rewrite *ret_to)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);
	struct sl_rewrite *outer = &ret_to->outer, *inner = &ret_to->inner;

	if (!node)
		return false;
	outer->sport = outer->dport = 0;
	outer->src = &packet->key->src;
	if (from_node) {
		*inner = (struct sl_rewrite){&flow->client, &flow->vip, flow->client_port,
					     flow->vip_port};
		outer->dst = &flow->client;
		if (addr_equal(&packet->key->src, &node->endpoint.addr))
			outer->src = &flow->vip;
		return true;
	}
	*inner = (struct sl_rewrite){&node->endpoint.addr, &node->snat_addr, node->endpoint.port,
				     flow->nat_port};
	outer->dst = &node->endpoint.addr;
	if (addr_equal(&packet->key->src, &flow->client))
		outer->src = &node->snat_addr;
	return true;
}

/* Addresses of the quoted header. Adds what changed in all, and apart what its transport sums up. */
static __always_inline void *quote_addresses(void *at, bool ip_v6, const struct sl_rewrite *to,
					     __u64 *delta, __u64 *ret_addresses)
{
	struct iphdr *ip4 = at;
	struct ipv6hdr *ip6 = at;
	struct sl_addr *src = (void *)&ip6->saddr, *dst = (void *)&ip6->daddr;
	__u64 addresses = 0;
	__u16 old;

	if (ip_v6) {
		addresses = sl_csum_addr(addresses, src, to->src);
		addresses = sl_csum_addr(addresses, dst, to->dst);
		__builtin_memcpy(src, to->src, sizeof(*src));
		__builtin_memcpy(dst, to->dst, sizeof(*dst));
	} else {
		addresses = sl_csum_word(addresses, ip4->saddr, to->src->w[3]);
		addresses = sl_csum_word(addresses, ip4->daddr, to->dst->w[3]);
		ip4->saddr = to->src->w[3];
		ip4->daddr = to->dst->w[3];
		old = ip4->check;
		ip4->check = sl_csum_apply(old, addresses);
		*delta = sl_csum_word(*delta, old, ip4->check);
	}
	*delta += addresses;
	*ret_addresses = addresses;
	return at + sl_ip_header_len(ip_v6);
}

/*
 * Ports of the quoted transport and, where the quote holds it (`whole`), its checksum: that of UDP
 * always, that of TCP lies behind the 8 bytes.
 */
static __always_inline __u64 quote_transport(struct sl_quote_ports *ports, bool udp, bool whole,
					     const struct sl_rewrite *to, __u64 delta)
{
	__be16 *check = udp ? &ports->udp.check : &((struct tcphdr *)ports)->check;
	__u64 changed = 0;
	__u16 old;

	changed = sl_csum_word(changed, ports->sport, to->sport);
	changed = sl_csum_word(changed, ports->dport, to->dport);
	ports->sport = to->sport;
	ports->dport = to->dport;
	if (udp || whole) {
		old = *check;
		*check =
			udp ? udp_check(old, delta + changed) : sl_csum_apply(old, delta + changed);
		changed = sl_csum_word(changed, old, *check);
	}
	return changed;
}

/*
 * Rewrites the error, whose quote begins at `head` + 8. Returns false when it is cut short: nothing
 * is changed then.
 */
static __always_inline bool translate(const struct sl_packet *packet, struct sl_icmp_head *head,
				      void *end, const struct icmp_rewrite *to)
{
	__u32 ip_len = sl_ip_header_len(packet->ip_v6);
	void *quoted = head + 1;
	struct sl_quote_ports *ports = quoted + ip_len;
	__u32 ports_at = ip_len + SL_ICMP_HEADER + ip_len;
	__u64 delta = 0, addresses = 0;
	bool udp, whole;

	if ((void *)(ports + 1) > end || packet->l3_len < ports_at + sizeof(*ports))
		return false;
	udp = (packet->ip_v6 ? ((struct ipv6hdr *)quoted)->nexthdr
			     : ((struct iphdr *)quoted)->protocol) == IPPROTO_UDP;
	whole = (void *)ports + SL_QUOTE_TCP_SUM <= end &&
		packet->l3_len >= ports_at + SL_QUOTE_TCP_SUM;
	quote_addresses(quoted, packet->ip_v6, &to->inner, &delta, &addresses);
	if (udp)
		delta += quote_transport(ports, true, true, &to->inner, addresses);
	else if (whole)
		delta += quote_transport(ports, false, true, &to->inner, addresses);
	else
		delta += quote_transport(ports, false, false, &to->inner, addresses);
	if (packet->ip_v6) {
		delta = sl_csum_addr(delta, &packet->key->src, to->outer.src);
		delta = sl_csum_addr(delta, &packet->key->dst, to->outer.dst);
	}
	head->check = sl_csum_apply(head->check, delta);
	return true;
}

/* The step RELAY: mode nat, in the direction that handover.from_node says. */
static __always_inline int sl_relay(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_icmp_head *head;
	struct icmp_rewrite to;
	struct sl_packet packet;
	struct sl_cursor cursor;
	struct sl_flow *flow;
	long route;

	if (!row || !room || !room->handover.index)
		return sl_hook_pass(tc);
	flow = sl_flow_at(room->handover.index - 1);
	if (!flow || !sl_icmp_packet(ctx, tc, &cursor, &packet, &room->key))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	head = SL_TAKE(&cursor, struct sl_icmp_head);
	if (!head || !translate_as(flow, &packet, room->handover.from_node, &to))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (sl_nat_hops_spent(&packet))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_TTL);
	route = sl_route(ctx, tc, &packet, &to.outer, &room->fib);
	if (!sl_route_usable(route))
		return sl_unforwarded(tc, row, sl_route_failure(route));
	if (!translate(&packet, head, cursor.end, &to))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	nat_header(&packet, &to.outer);
	row->v[SL_COUNTER_FORWARD_ICMP]++;
	sl_trace(tc, SL_COUNTER_FORWARD_ICMP, room->handover.index);
	return sl_transmit(ctx, tc, packet.eth, packet.tags, packet.ip_v6, route, &room->fib, row);
}

/* ---- without the tunnel -------------------------------------------------------------------- */

/* An error about a tunnel of ours, and what becomes of it. */
struct icmp_unwrap {
	__u32 cut;	 /* bytes of the tunnel's headers */
	__u32 quote_len; /* of what was in it, whole words */
	struct sl_icmp_head head;
};

/* What the error says to who does not know of the tunnel. */
static __always_inline void unwrap_says(struct icmp_unwrap *unwrap, bool ip_v6,
					const struct sl_icmp_head *head)
{
	__u32 mtu = bpf_ntohl(head->rest);

	__builtin_memset(&unwrap->head, 0, sizeof(unwrap->head));
	if (!sl_icmp_is_too_big(ip_v6, head->type, head->code)) {
		unwrap->head.type = ip_v6 ? SL_ICMP6_UNREACH : SL_ICMP4_UNREACH;
		unwrap->head.code = ip_v6 ? SL_ICMP6_ADDR_UNREACH : SL_ICMP4_HOST_UNREACH;
		return;
	}
	unwrap->head.type = head->type;
	unwrap->head.code = head->code;
	if (!ip_v6)
		mtu &= 0xffff; /* 0: a router that does not tell; the client knows what to try */
	mtu = mtu > unwrap->cut ? mtu - unwrap->cut : 0;
	if (ip_v6 && mtu < SL_IP6_MTU_MIN)
		mtu = SL_IP6_MTU_MIN;
	unwrap->head.rest = bpf_htonl(mtu);
}

/* Returns false when the quote is too short or no tunnel. */
static __always_inline bool unwrap_measure(const struct sl_packet *packet,
					   const struct sl_icmp_head *head, void *end,
					   struct icmp_unwrap *ret_unwrap)
{
	__u32 ip_len = sl_ip_header_len(packet->ip_v6);
	__u32 most = packet->ip_v6 ? SL_QUOTE6_MAX : SL_QUOTE4_MAX;
	struct ipv6hdr *ip6 = (void *)(head + 1);
	struct iphdr *ip4 = (void *)(head + 1);
	__u32 headers, proto;

	if ((void *)head + SL_ICMP_HEADER + ip_len > end)
		return false;
	proto = packet->ip_v6 ? ip6->nexthdr : ip4->protocol;
	ret_unwrap->cut = ip_len + (proto == IPPROTO_UDP ? SL_UDP_HEADER : 0);
	headers = ip_len + SL_ICMP_HEADER + ret_unwrap->cut;
	if (packet->l3_len < headers + ip_len + SL_QUOTE_PORTS)
		return false;
	ret_unwrap->quote_len = (packet->l3_len - headers) & ~3u;
	if (ret_unwrap->quote_len > most)
		ret_unwrap->quote_len = most;
	unwrap_says(ret_unwrap, packet->ip_v6, head);
	return true;
}

/* Moves the quote of the packet that was in the tunnel to the front. Returns the sum of its words. */
static __always_inline __u64 unwrap_move(__u32 *to, void *end, __u32 cut, __u32 len)
{
	__u32 *from = (void *)to + (cut & 0x3f);
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < SL_QUOTE6_MAX / 4; i++, to++, from++) {
		if (i >= len / 4 || (void *)(to + 1) > end || (void *)(from + 1) > end)
			break;
		*to = *from;
		sum += *to;
	}
	return sum;
}

/* Makes the error at hand one from the service to the client. Returns false: no room (never). */
static __always_inline bool unwrap_write(void *ctx, bool tc, const struct sl_packet *packet,
					 const struct sl_flow *flow,
					 const struct icmp_unwrap *unwrap)
{
	void *at = sl_hook_data(ctx, tc) + (packet->l3_at & 0x1f), *end = sl_hook_end(ctx, tc);
	__u32 proto = packet->ip_v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	__u32 len = SL_ICMP_HEADER + unwrap->quote_len;
	struct sl_icmp_head *head = craft_ip(at, end, packet->ip_v6, &flow->vip, &flow->client,
					     proto, len, SL_CRAFT_HOPS, SL_CRAFT_CONTROL);
	__u64 sum;

	if (!head || (void *)(head + 1) > end)
		return false;
	*head = unwrap->head;
	sum = *(__u32 *)&unwrap->head + (__u64)unwrap->head.rest;
	sum += unwrap_move((__u32 *)(head + 1), end, unwrap->cut, unwrap->quote_len);
	if (packet->ip_v6)
		sum += craft_pseudo(true, &flow->vip, &flow->client, proto, len);
	head->check = craft_check(sum);
	return sl_craft_resize(ctx, tc, packet->l3_at + sl_ip_header_len(packet->ip_v6) + len);
}

/* The step UNWRAP: modes ipip and gue. */
static __always_inline int sl_unwrap(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct icmp_unwrap unwrap = {};
	struct sl_icmp_head *head;
	struct sl_packet packet;
	struct sl_cursor cursor;
	struct sl_rewrite to = {};
	struct sl_flow *flow;
	struct ethhdr *eth;
	long route;

	if (!row || !room || !room->handover.index)
		return sl_hook_pass(tc);
	flow = sl_flow_at(room->handover.index - 1);
	if (!flow || !sl_icmp_packet(ctx, tc, &cursor, &packet, &room->key))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	head = SL_TAKE(&cursor, struct sl_icmp_head);
	if (!head || !unwrap_measure(&packet, head, cursor.end, &unwrap))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	to.src = &flow->vip;
	to.dst = &flow->client;
	packet.l3_len = sl_ip_header_len(packet.ip_v6) + SL_ICMP_HEADER + unwrap.quote_len;
	route = sl_route(ctx, tc, &packet, &to, &room->fib);
	if (!sl_route_usable(route))
		return sl_unforwarded(tc, row, sl_route_failure(route));
	if (!unwrap_write(ctx, tc, &packet, flow, &unwrap))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	eth = sl_hook_data(ctx, tc);
	if ((void *)(eth + 1) > sl_hook_end(ctx, tc))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	row->v[SL_COUNTER_FORWARD_ICMP]++;
	sl_trace(tc, SL_COUNTER_FORWARD_ICMP, room->handover.index);
	return sl_transmit(ctx, tc, eth, packet.tags, packet.ip_v6, route, &room->fib, row);
}

#endif
