/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retry.h - a refused SYN goes to another node, and the client sees none of it.
 *
 * Refused: a RST that acknowledges exactly the SYN, or an ICMP unreachable that quotes it. It is a
 * failure of the node either way. Stale: an ACK of something else. The node still holds the last
 * connection from that port of ours (TIME_WAIT lasts a minute where the node closed first) and finds
 * the SYN too old: clients have clocks of their own, and the next client's may be behind (RFC 7323,
 * 5.3). That is nobody's failure: the flow takes another port, at whichever node, but once only:
 * where two ports are known, most may be, and each that is asked for nothing will be silent to the
 * next flow for half a second (Linux: tcp_invalid_ratelimit).
 *
 * Then, in step RETRY, while connect.retries is not used up and a node other than the last one takes
 * the flow: the flow moves there, and
 *
 *   connect.retry_mode 0   step RESEND: the frame of the refusal becomes that SYN again, which was
 *                          kept in `syns` (sl_syn_keep()), and goes to the other node: retry_turned
 *   connect.retry_mode 1,  the refusal is dropped: drop_withheld. The client repeats its SYN (Linux:
 *   or the SYN is not to   after a second), which goes to the other node; sl_conn.begun 0 says that
 *   be had: its row is     it is the first one there and no failure of that node
 *   another flow's by now,
 *   or the frame cannot
 *   grow
 *
 * No retry or no node left: the refusal goes on to the client: retry_spent (none was allowed from
 * the beginning: not counted). So does a stale ACK: the client resets the old connection by it, and
 * its repeat finds the port free.
 *
 * `syns` has one row for many flows (index of the flow modulo settings.syn_count), so it stays small
 * whatever the table's size: a row is only needed for the time of one connect.
 */
#ifndef SL_BPF_RETRY_H
#define SL_BPF_RETRY_H

#include "bpf/craft.h"
#include "bpf/lane.h"

/* Another node than the flow's, at least one that may be asked? Spares an event and a count. */
static __always_inline bool retry_has_other(__u32 pool_slot)
{
	struct sl_pool_state *pool = sl_pool_at(pool_slot);

	return pool && (SL_LOAD(pool->node_count) > 1 || SL_LOAD(pool->spill));
}

/* The flow's key, for the choice. */
static __always_inline __u64 retry_hash(struct sl_scratch *room, const struct sl_flow *flow,
					const struct sl_settings *config)
{
	room->key.src = flow->client;
	room->key.dst = flow->vip;
	room->key.sport = flow->client_port;
	room->key.dport = flow->vip_port;
	*(__u32 *)&room->key.proto = 0;
	room->key.proto = flow->proto;
	return sl_key_hash(&room->key, config->seed);
}

/*
 * Moves the flow at `index`, whose node has been told that it refused, to another one. Returns false
 * when it stays where it is.
 */
static __always_inline bool retry_move(struct sl_scratch *room, const struct sl_settings *config,
				       struct sl_flow *flow, __u32 index, __u32 pool)
{
	bool stale = room->handover.reason == SL_RETRY_STALE;

	if (!sl_flow_may_retry(flow, pool) ||
	    (stale ? flow->flags & SL_FLOW_RETRIES : !retry_has_other(pool)))
		return false;
	return sl_balance_choose(retry_hash(room, flow, config), pool,
				 !sl_addr_is_ip4(&flow->client), stale ? 0 : flow->conn.node) &&
	       sl_flow_rebind(index);
}

/* The refusal goes to the client. */
static __always_inline int retry_spent(void *ctx, bool tc, struct sl_scratch *room,
				       const struct sl_flow *flow, struct sl_counters *row)
{
	room->handover.fresh = 0;
	if (room->handover.reason != SL_RETRY_ICMP)
		return sl_step(ctx, tc, SL_STEP_SEND, row);
	if ((flow->flags & SL_FLOW_MODE) == SL_MODE_NAT)
		return sl_step(ctx, tc, SL_STEP_RELAY, row);
	return sl_step(ctx, tc, SL_STEP_UNWRAP, row);
}

/* The step RETRY. */
static __always_inline int sl_retry(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_node_state *node;
	struct sl_flow *flow;
	__u32 index;

	if (!row || !room || !config || !room->handover.index)
		return sl_hook_pass(tc);
	index = room->handover.index - 1;
	flow = sl_flow_at(index);
	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (room->handover.reason == SL_RETRY_RESET)
		conn_report(&flow->conn, SL_OUTCOME_FAILURE, SL_SIGNAL_RST_EARLY);
	node = sl_conn_node(&flow->conn);
	if (!node || !SL_TUNABLE(node->pool, CONNECT_RETRIES))
		return retry_spent(ctx, tc, room, flow, row);
	if (retry_move(room, config, flow, index, node->pool))
		return sl_step(ctx, tc, SL_STEP_RESEND, row);
	if (room->handover.reason != SL_RETRY_STALE) {
		row->v[SL_COUNTER_RETRY_SPENT]++;
		sl_trace(tc, SL_COUNTER_RETRY_SPENT, index + 1);
	}
	return retry_spent(ctx, tc, room, flow, row);
}

/* ---- the SYN ------------------------------------------------------------------------------- */

/* Is the flow's SYN to be sent again at once when it is refused? */
static __always_inline bool syn_wanted(const struct sl_flow *flow)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);

	return node && (flow->flags & SL_FLOW_MODE) == SL_MODE_NAT &&
	       flow->conn.state == SL_TCP_SYN_SENT &&
	       SL_TUNABLE_QUICK(node->pool, CONNECT_RETRIES) &&
	       !SL_TUNABLE_QUICK(node->pool, CONNECT_RETRY_MODE);
}

/*
 * Keeps the SYN at hand, of the flow at `index`, as long as it may be refused. The row is nobody's
 * while it is written.
 */
static __always_inline void sl_syn_keep(void *ctx, bool tc, const struct sl_packet *packet,
					__u32 index)
{
	struct sl_flow *flow = sl_flow_at(index);
	struct sl_syn *syn = syn_at(index);
	__u32 at = packet->l3_at + sl_ip_header_len(packet->ip_v6) + SL_TCP_HEADER;
	__u32 len = packet->tcp->doff * 4u - SL_TCP_HEADER;
	__u32 rest;

	if (!flow || !syn || !syn_wanted(flow))
		return;
	SL_STORE(syn->flow, 0);
	__builtin_memset(syn->options, 0, sizeof(syn->options));
	syn->seq = packet->tcp->seq;
	syn->window = packet->tcp->window;
	syn->hops = (packet->ip_v6 ? packet->ip6->hop_limit : packet->ip4->ttl) - 1;
	syn->tos = packet->ip_v6 ? bpf_ntohl(*(__be32 *)packet->ip6) >> 20 : packet->ip4->tos;
	/* The verifier must see a bound that is not zero beside the call. */
	__asm__ volatile("" : "+r"(len));
	if (len > SL_SYN_OPTIONS_MAX)
		return;
	syn->option_len = len;
	rest = len - 1;
	/* 6.1 learns of a bound only from the register that it bounds. */
	__asm__ volatile("" : "+r"(rest));
	if (rest < SL_SYN_OPTIONS_MAX && (tc ? bpf_skb_load_bytes(ctx, at, syn->options, rest + 1)
					     : bpf_xdp_load_bytes(ctx, at, syn->options, rest + 1)))
		return;
	SL_STORE(syn->flow, index + 1);
}

/* The flow was moved, but nothing is sent: its client's next SYN is the node's first. */
static __always_inline int retry_withhold(bool tc, struct sl_flow *flow, __u32 index, __u32 reason,
					  struct sl_counters *row)
{
	SL_STORE(flow->conn.begun, 0);
	return sl_unforwarded_of(tc, row, reason, index + 1);
}

static __always_inline bool resend_fill(struct sl_craft_tcp *ret_tcp, const struct sl_flow *flow,
					const struct sl_node_state *node, const struct sl_syn *syn)
{
	ret_tcp->src = &node->snat_addr;
	ret_tcp->dst = &node->endpoint.addr;
	ret_tcp->sport = flow->nat_port;
	ret_tcp->dport = node->endpoint.port;
	ret_tcp->seq = syn->seq;
	ret_tcp->window = syn->window;
	ret_tcp->flags = SL_TCPF_SYN;
	ret_tcp->hops = syn->hops;
	ret_tcp->tos = syn->tos;
	ret_tcp->options = (const __u32 *)syn->options;
	ret_tcp->option_len = syn->option_len;
	return ret_tcp->option_len <= SL_SYN_OPTIONS_MAX && !(ret_tcp->option_len & 3);
}

/* A route for the SYN as it will be. */
static __always_inline long resend_route(void *ctx, bool tc, const struct sl_craft_tcp *tcp,
					 bool ip_v6, struct bpf_fib_lookup *fib)
{
	route_begin(ctx, tc, fib, ip_v6, tcp->src, tcp->dst);
	fib->l4_protocol = IPPROTO_TCP;
	fib->sport = tcp->sport;
	fib->dport = tcp->dport;
	fib->tot_len = sl_ip_header_len(ip_v6) + SL_TCP_HEADER + tcp->option_len;
	if (!ip_v6)
		fib->tos = tcp->tos;
	return bpf_fib_lookup(ctx, fib, sizeof(*fib), 0);
}

/* The frame at hand becomes the SYN of the flow at `index`, which was moved to another node. */
static __always_inline int resend(void *ctx, bool tc, const struct sl_packet *packet,
				  struct sl_flow *flow, struct sl_syn *syn, __u32 index,
				  struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);
	__u32 len = packet->l3_at + sl_ip_header_len(packet->ip_v6) + SL_TCP_HEADER;
	__u64 *way = sl_way_at(index);
	struct sl_craft_tcp tcp = {};
	struct ethhdr *eth;
	long route;

	if (!node || !way || !resend_fill(&tcp, flow, node, syn))
		return retry_withhold(tc, flow, index, SL_COUNTER_DROP_WITHHELD, row);
	route = resend_route(ctx, tc, &tcp, packet->ip_v6, &room->fib);
	if (!sl_route_usable(route))
		return retry_withhold(tc, flow, index, sl_route_failure(route), row);
	/* Looked at again: the row may have got another flow while it was read. */
	if (!sl_craft_resize(ctx, tc, len + tcp.option_len) ||
	    !sl_craft_tcp(ctx, tc, packet->l3_at, packet->ip_v6, &tcp) ||
	    SL_LOAD(syn->flow) != index + 1)
		return retry_withhold(tc, flow, index, SL_COUNTER_DROP_WITHHELD, row);
	eth = sl_hook_data(ctx, tc);
	if ((void *)(eth + 1) > sl_hook_end(ctx, tc))
		return retry_withhold(tc, flow, index, SL_COUNTER_DROP_WITHHELD, row);
	sl_way_set(way, SL_WAY_OPENING, sl_way_stamp(room->now_ns));
	sl_trace(tc, SL_COUNTER_RETRY_TURNED, index + 1);
	row->v[SL_COUNTER_RETRY_TURNED]++;
	row->v[SL_COUNTER_FORWARD_TO_NODE]++;
	return sl_transmit(ctx, tc, eth, packet->tags, packet->ip_v6, route, &room->fib, row);
}

/* The step RESEND. */
static __always_inline int sl_resend(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;
	struct sl_flow *flow;
	struct sl_syn *syn;
	__u32 index;

	if (!row || !room || !room->handover.index)
		return sl_hook_pass(tc);
	index = room->handover.index - 1;
	flow = sl_flow_at(index);
	syn = syn_at(index);
	if (!flow || !syn)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (!syn_wanted(flow) || SL_LOAD(syn->flow) != index + 1 ||
	    bpf_ntohl(syn->seq) + 1 != flow->conn.next_seq)
		return retry_withhold(tc, flow, index, SL_COUNTER_DROP_WITHHELD, row);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_ICMP)
		return retry_withhold(tc, flow, index, SL_COUNTER_DROP_WITHHELD, row);
	return resend(ctx, tc, &packet, flow, syn, index, room, row);
}

#endif
