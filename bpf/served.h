/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served.h - the node role: how this host's servers answer, measured beside them at TC.
 *
 * In the direct-return modes nobody else sees both directions. Ingress sees what goes to the server
 * and begins a connection at its SYN, egress what comes from it; conn.h judges as it does for the
 * lane, with this host's own row of `nodes` as the node. So `sluice status` and the beacons of this
 * host tell connect time, first byte, resets, stalls and flows alive in every mode, nat included.
 * What a repeated SYN says is the server's full backlog: its host is alive.
 *
 * The breaker of that row goes through its states as everywhere, each new connection asks it; but
 * it refuses nobody here: what arrives is served. It is what the balancers would think.
 *
 * Egress also lowers the MSS in SYN-ACKs of services in mode ipip and gue to what fits through the
 * tunnel in front of this host (tunnel.mss_clamp): the device's MTU without the outer header.
 */
#ifndef SL_BPF_SERVED_H
#define SL_BPF_SERVED_H

#include "bpf/encap.h"
#include "bpf/lane.h"
#include "bpf/node_role.h"

#define SL_TCP_OPTION_END  0
#define SL_TCP_OPTION_NOP  1
#define SL_TCP_OPTION_MSS  2
#define SL_TCP_OPTIONS_MAX 40u
#define SL_OPTION_ROOM	   64u /* a power of two, so that a mask bounds what is read */
#define SL_MSS_MIN	   64u /* below this the MTU is not to be believed */

/* The slot of the node of this host that serves what this key leads to; 0: none. */
static __always_inline __u32 served_slot(const struct sl_flow_key *key)
{
	__u32 *slot = sl_endpoint_of(key);
	struct sl_node_state *node = slot ? sl_node_at(*slot) : NULL;
	struct sl_pool_state *pool;
	struct sl_service *service;

	if (node)
		return node_is_here(node) ? *slot : 0;
	service = sl_service_of(key);
	pool = service ? sl_pool_at(service->pool) : NULL;
	return pool ? SL_LOAD(pool->local) : 0;
}

static __always_inline void served_forget(struct sl_flow_key *key, struct sl_local_conn *local)
{
	struct sl_node_state *node = sl_conn_node(&local->conn);

	sl_conn_over(&local->conn, SL_VIEW_LANE);
	sl_node_flow_move(local->conn.node, local->conn.incarnation, local->conn.mark, 0);
	if (bpf_map_delete_elem(&conns, key))
		return;
	sl_count(SL_COUNTER_CONN_CLOSED);
	if (node)
		__sync_fetch_and_add(&node->flows_closed, 1);
}

/* A client connects. The breaker is asked, so that it finds its way back by real connections. */
static __always_inline void served_begin(struct sl_flow_key *key, __u32 seq,
					 struct sl_scratch *room, __u64 now_ns)
{
	__u32 slot = served_slot(key);
	struct sl_local_conn local = {};
	struct sl_node_state *node = slot ? sl_node_at(slot) : NULL;
	__u32 ticket;

	if (!node || !(SL_LOAD(node->admin) & SL_NODE_PRESENT))
		return;
	sl_node_admit(node, slot, room, &ticket);
	sl_conn_init(&local.conn, slot, node->incarnation, ticket, seq, now_ns);
	local.last_tick = sl_tick(now_ns);
	if (bpf_map_update_elem(&conns, key, &local, BPF_ANY))
		return;
	sl_count(SL_COUNTER_CONN_OBSERVED);
	__sync_fetch_and_add(&node->flows_opened, 1);
}

/* The step SERVED: a packet that the stack gets. */
static __always_inline void sl_served_ingress(struct __sk_buff *skb)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_local_conn *local;
	struct sl_packet packet;
	struct sl_cursor cursor;
	__u64 now_ns;
	__u32 gap_ms;

	if (!room || sl_parse_hook(skb, true, &cursor, &packet, &room->key) != SL_PARSE_TCP)
		return;
	sl_now_set(room);
	local = bpf_map_lookup_elem(&conns, &room->key);
	if (!local && !sl_packet_is_syn(&packet))
		return;
	now_ns = sl_now();
	sl_segment_from(&room->segment, &packet);
	if (sl_packet_is_syn(&packet) && (!local || local->conn.state != SL_TCP_SYN_SENT ||
					  room->segment.seq + 1 != local->conn.next_seq)) {
		if (local)
			served_forget(&room->key, local);
		served_begin(&room->key, room->segment.seq, room, now_ns);
		return;
	}
	if (!local)
		return;
	gap_ms = ticks_us(local->last_tick, sl_tick(now_ns)) / 1000;
	local->last_tick = sl_tick(now_ns);
	if (sl_conn_sent(&local->conn, &room->segment, gap_ms, now_ns, SL_VIEW_LANE))
		served_forget(&room->key, local);
	else
		count_alive(&local->conn, now_ns);
}

/* ---- the MSS ------------------------------------------------------------------------------- */

/*
 * The MSS in the first `len` bytes of room->options: where it lies << 16 | its value. 0: there is
 * none.
 */
__attribute__((noinline)) __u32 sl_served_mss(__u32 len)
{
	struct sl_scratch *room = sl_scratch_row();
	__u32 at = 0, kind, size, tries;

	if (!room)
		return 0;
	for (tries = 0; tries < SL_TCP_OPTIONS_MAX; tries++) {
		if (at + 4 > len)
			return 0;
		kind = room->options[at & (SL_OPTION_ROOM - 1)];
		size = room->options[(at + 1) & (SL_OPTION_ROOM - 1)];
		if (kind == SL_TCP_OPTION_END || (kind != SL_TCP_OPTION_NOP && size < 2) ||
		    (kind == SL_TCP_OPTION_MSS && size != 4))
			return 0;
		if (kind == SL_TCP_OPTION_MSS)
			break;
		at += kind == SL_TCP_OPTION_NOP ? 1 : size;
	}
	return (at + 2) << 16 | (__u32)room->options[(at + 2) & (SL_OPTION_ROOM - 1)] << 8 |
	       room->options[(at + 3) & (SL_OPTION_ROOM - 1)];
}

/* Copies the options to room->options, word by word: 6.1 loses the bound of a length on its way. */
static __always_inline __u32 served_options(struct __sk_buff *skb, const struct sl_packet *packet,
					    struct sl_scratch *room)
{
	__u32 *from = (void *)(packet->tcp + 1), *to = (void *)room->options;
	void *end = (void *)(long)skb->data_end;
	__u32 len = packet->tcp->doff * 4u - SL_TCP_HEADER, i;

#pragma unroll
	for (i = 0; i < SL_TCP_OPTIONS_MAX / 4; i++) {
		if ((void *)(from + i + 1) > end)
			return len < i * 4 ? len : i * 4;
		to[i] = from[i];
	}
	return len;
}

/* Lowers the MSS of the SYN-ACK to `most`. Ends the life of packet pointers. */
static __always_inline void served_mss(struct __sk_buff *skb, const struct sl_packet *packet,
				       __u16 most, struct sl_scratch *room)
{
	__u32 tcp_at = packet->l3_at + sl_ip_header_len(packet->ip_v6);
	__u32 found = sl_served_mss(served_options(skb, packet, room));
	__u32 at = tcp_at + SL_TCP_HEADER + (found >> 16);
	__be16 mss = bpf_htons((__u16)found), lower = bpf_htons(most);

	if (!found || (__u16)found <= most ||
	    bpf_skb_store_bytes(skb, at, &lower, sizeof(lower), 0))
		return;
	/* At an odd place the two bytes belong to two words of the sum. */
	if ((found >> 16) & 1) {
		mss = __builtin_bswap16(mss);
		lower = __builtin_bswap16(lower);
	}
	bpf_l4_csum_replace(skb, tcp_at + offsetof(struct tcphdr, check), mss, lower,
			    sizeof(lower));
	sl_count(SL_COUNTER_MSS_CLAMPED);
}

static __always_inline void served_clamp(struct __sk_buff *skb, const struct sl_packet *packet,
					 __u32 slot, struct sl_scratch *room)
{
	struct sl_node_state *node = sl_node_at(slot);
	__u32 mtu = 0, less;

	if (!node || (node->mode != SL_MODE_IPIP && node->mode != SL_MODE_GUE) ||
	    !SL_TUNABLE(node->pool, MSS_CLAMP))
		return;
	bpf_check_mtu(skb, 0, &mtu, 0, 0);
	less = sl_encap_len(packet->ip_v6, node->mode == SL_MODE_GUE) + SL_TCP_HEADER +
	       sl_ip_header_len(packet->ip_v6);
	if (mtu >= less + SL_MSS_MIN && mtu - less <= 0xffff)
		served_mss(skb, packet, (__u16)(mtu - less), room);
}

/* TC egress: a packet of the stack leaves. Never drops. */
static __always_inline void sl_served_egress(struct __sk_buff *skb)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_local_conn *local;
	struct sl_flow_key *key;
	struct sl_packet packet;
	struct sl_cursor cursor;
	__u64 now_ns;
	__u32 slot;

	if (!room || skb->tc_index == SL_TC_MEASURED ||
	    sl_parse_hook(skb, true, &cursor, &packet, &room->outer) != SL_PARSE_TCP)
		return;
	sl_now_set(room);
	key = &room->key;
	sl_flow_key_reverse(key, &room->outer);
	local = bpf_map_lookup_elem(&conns, key);
	if (!local)
		return;
	now_ns = sl_now();
	local->last_tick = sl_tick(now_ns);
	slot = local->conn.node;
	sl_segment_from(&room->segment, &packet);
	if (sl_conn_received(&local->conn, &room->segment, now_ns, SL_VIEW_LANE))
		served_forget(key, local);
	else
		count_alive(&local->conn, now_ns);
	if ((packet.flags & (SL_TCPF_SYN | SL_TCPF_ACK)) == (SL_TCPF_SYN | SL_TCPF_ACK))
		served_clamp(skb, &packet, slot, room);
}

#endif
