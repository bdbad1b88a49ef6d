/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * local.h - connections of the local stack to nodes, observed at TC.
 *
 * Egress sees what goes to a node and begins a connection at its SYN, ingress sees what comes back.
 * Never drops, never changes a packet. What the lane sends by TC passes egress of the other device
 * too; it was measured and carries SL_TC_MEASURED.
 */
#ifndef SL_BPF_LOCAL_H
#define SL_BPF_LOCAL_H

#include "bpf/conn.h"
#include "bpf/forward.h"
#include "bpf/quote.h"
#include "bpf/select.h"

static __always_inline void conn_forget(struct sl_flow_key *key, struct sl_local_conn *local)
{
	sl_conn_over(&local->conn, SL_VIEW_LOCAL);
	if (!bpf_map_delete_elem(&conns, key))
		sl_count(SL_COUNTER_CONN_CLOSED);
}

/* A source port of the fast lane: its packet was handed over by XDP and is observed there. */
static __always_inline bool is_nat_port(__be16 port)
{
	struct sl_settings *config = sl_settings_row();
	__u16 number = bpf_ntohs(port);

	return config && number >= config->nat_port_min && number <= config->nat_port_max;
}

/*
 * The local stack connects to a node. The breaker's ticket is one of the generation now and never
 * a probe: a probe that the daemon sends has its own ticket, which the daemon reports.
 */
static __always_inline void conn_begin(struct sl_flow_key *key, __u32 seq, __u64 now_ns)
{
	__u32 *slot = sl_endpoint_of(key);
	struct sl_local_conn local = {};
	struct sl_node_state *node;

	if (!slot || is_nat_port(key->sport))
		return;
	node = sl_node_at(*slot);
	if (!node || !(SL_LOAD(node->admin) & SL_NODE_PRESENT))
		return;
	sl_conn_init(&local.conn, *slot, node->incarnation,
		     sl_breaker_ticket(sl_breaker_load(&node->breaker), 0), seq, now_ns);
	local.last_tick = sl_tick(now_ns);
	if (!bpf_map_update_elem(&conns, key, &local, BPF_ANY))
		sl_count(SL_COUNTER_CONN_OBSERVED);
}

static __always_inline void local_sent(struct sl_packet *packet)
{
	struct sl_local_conn *local = bpf_map_lookup_elem(&conns, packet->key);
	__u64 now_ns = sl_now();
	struct sl_segment segment = {};
	__u32 gap_ms;

	sl_segment_from(&segment, packet);
	if (sl_packet_is_syn(packet) && (!local || local->conn.state != SL_TCP_SYN_SENT ||
					 segment.seq + 1 != local->conn.next_seq)) {
		if (local)
			conn_forget(packet->key, local);
		conn_begin(packet->key, segment.seq, now_ns);
		return;
	}
	if (!local)
		return;
	gap_ms = ticks_us(local->last_tick, sl_tick(now_ns)) / 1000;
	local->last_tick = sl_tick(now_ns);
	if (sl_conn_sent(&local->conn, &segment, gap_ms, now_ns, SL_VIEW_LOCAL))
		conn_forget(packet->key, local);
}

static __always_inline void local_received(struct sl_packet *packet)
{
	struct sl_segment segment = {};
	struct sl_local_conn *local;
	struct sl_flow_key key;
	__u64 now_ns;

	sl_flow_key_reverse(&key, packet->key);
	local = bpf_map_lookup_elem(&conns, &key);
	if (!local)
		return;
	now_ns = sl_now();
	local->last_tick = sl_tick(now_ns);
	sl_segment_from(&segment, packet);
	if (sl_conn_received(&local->conn, &segment, now_ns, SL_VIEW_LOCAL))
		conn_forget(&key, local);
}

static __always_inline void local_unreachable(struct sl_cursor *cursor, bool ip_v6)
{
	struct sl_local_conn *local;
	struct sl_flow_key quoted;
	__u32 seq;

	if (!sl_quote_unreachable(cursor, ip_v6, &quoted, &seq))
		return;
	local = bpf_map_lookup_elem(&conns, &quoted);
	if (local)
		sl_conn_unreachable(&local->conn, seq);
}

static __always_inline void sl_local_egress(struct __sk_buff *skb)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!room || skb->tc_index == SL_TC_MEASURED)
		return;
	sl_now_set(room);
	if (sl_parse_hook(skb, true, &cursor, &packet, &room->key) == SL_PARSE_TCP)
		local_sent(&packet);
}

static __always_inline void sl_local_ingress(struct __sk_buff *skb)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!room)
		return;
	sl_now_set(room);
	switch (sl_parse_hook(skb, true, &cursor, &packet, &room->key)) {
	case SL_PARSE_TCP:
		local_received(&packet);
		break;
	case SL_PARSE_ICMP:
		local_unreachable(&cursor, packet.ip_v6);
		break;
	default:
		break;
	}
}

#endif
