/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - flows of the fast lane: how one begins and how it ends.
 *
 * A flow has two entries in `flows`: client -> service (TO_NODE, with the measurements) and
 * node -> snat (TO_CLIENT). The second is also the reservation of the source port: it is inserted
 * first and only if absent, so two CPUs never share a port and no further lock is needed. The port
 * search starts at random; after SL_NAT_TRIES_MAX taken ports the SYN is dropped, and its repeat
 * tries others.
 *
 * A flow ends by RST, by FIN of both sides and the last ACK, or when a new SYN of the same client
 * finds it over or idle (flow.idle_ms; flow.closing_ms after a FIN). Whoever removes the TO_NODE
 * entry counts the end. When the table is full the kernel evicts the entry used least recently
 * (approximately): such a flow is not counted as closed and falls out of the flows in flight
 * (inflight.h); its packets are dropped as unknown, and packets of the node pass to the local
 * stack, which resets them.
 *
 * Only a SYN begins a flow. A packet in mid-flow that is not known is dropped, not passed: after a
 * change of the balancer for a moment (ECMP) the client's repeat may find its flow again, while the
 * local stack would reset it for good.
 */
#ifndef SL_BPF_FLOW_H
#define SL_BPF_FLOW_H

#include "bpf/balance.h"
#include "bpf/conn.h"

#define SL_FLOW_OPENED (-1) /* where else the counter of a reason is returned */

/* Forgets the flow whose TO_NODE entry has this key. Returns 1 when it was there. */
__attribute__((noinline)) int sl_flow_close(struct sl_flow_key *to_node)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *node;
	struct sl_flow *flow;
	__u32 slot, incarnation;
	__u8 mark;

	if (!to_node || !room)
		return 0;
	room->key = *to_node;
	flow = bpf_map_lookup_elem(&flows, &room->key);
	if (!flow || flow->dir != SL_FLOW_TO_NODE)
		return 0;
	room->back = flow->peer;
	node = sl_conn_node(&flow->conn);
	mark = flow->conn.mark;
	slot = flow->conn.node;
	incarnation = flow->conn.incarnation;
	sl_conn_over(&flow->conn, true);
	if (bpf_map_delete_elem(&flows, &room->key))
		return 0;
	if (node) {
		__sync_fetch_and_add(&node->flows_closed, 1);
		sl_node_flow_move(slot, incarnation, mark, 0);
	}
	sl_count(SL_COUNTER_FLOW_CLOSED);
	bpf_map_delete_elem(&flows, &room->back);
	return 1;
}

/* A SYN met a flow. Returns 1 when the flow was over or idle and may be forgotten now. */
__attribute__((noinline)) int sl_flow_replaceable(struct sl_flow_key *to_node, __u32 seq)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *node;
	struct sl_flow *flow;

	if (!to_node || !room)
		return 0;
	room->key = *to_node;
	flow = bpf_map_lookup_elem(&flows, &room->key);
	if (!flow || flow->dir != SL_FLOW_TO_NODE)
		return 0;
	node = sl_node_at(flow->conn.node);
	if (!sl_conn_replaceable(&flow->conn, node ? node->pool : 0, seq, bpf_ktime_get_ns()))
		return 0;
	sl_count(SL_COUNTER_FLOW_REPLACED);
	return 1;
}

/* Fills the rewriting half of an entry. */
static __always_inline void flow_rewrite(struct sl_flow *flow, const struct sl_addr *src,
					 __be16 sport, const struct sl_addr *dst, __be16 dport)
{
	flow->new_src = *src;
	flow->new_dst = *dst;
	flow->new_sport = sport;
	flow->new_dport = dport;
}

/*
 * Reserves a source port towards the node by inserting the TO_CLIENT entry. `flow` is that entry,
 * `back` its key but for the port. Returns the port, 0 when all tries met taken ones.
 */
static __always_inline __be16 port_reserve(struct sl_flow_key *back, const struct sl_flow *flow,
					   const struct sl_settings *config)
{
	__u32 span = (__u32)config->nat_port_max - config->nat_port_min + 1;
	__u32 offset = sl_hash_scale(bpf_get_prandom_u32(), span);
	int tries;

	if (config->nat_port_max < config->nat_port_min || !config->nat_port_min)
		return 0;
	for (tries = 0; tries < SL_NAT_TRIES_MAX; tries++) {
		back->dport = bpf_htons((__u16)(config->nat_port_min + offset));
		if (!bpf_map_update_elem(&flows, back, flow, BPF_NOEXIST))
			return back->dport;
		offset = offset + 1 < span ? offset + 1 : 0;
	}
	return 0;
}

/*
 * Inserts both entries for the flow room->key as room->choice says. Returns SL_FLOW_OPENED, or the
 * counter of the reason why not.
 */
static __always_inline int flow_insert(struct sl_scratch *room, const struct sl_settings *config,
				       struct sl_node_state *node, __u32 seq)
{
	struct sl_choice *choice = &room->choice;
	struct sl_flow_key *back = &room->back;
	struct sl_flow_key *key = &room->key;
	struct sl_flow *flow = &room->flow;

	__builtin_memset(back, 0, sizeof(*back));
	back->src = node->endpoint.addr;
	back->dst = node->snat_addr;
	back->sport = node->endpoint.port;
	back->proto = IPPROTO_TCP;
	__builtin_memset(flow, 0, sizeof(*flow));
	flow->peer = *key;
	flow->dir = SL_FLOW_TO_CLIENT;
	flow_rewrite(flow, &key->dst, key->dport, &key->src, key->sport);
	if (!port_reserve(back, flow, config))
		return SL_COUNTER_DROP_NO_PORT;
	flow->peer = *back;
	flow->dir = SL_FLOW_TO_NODE;
	flow_rewrite(flow, &back->dst, back->dport, &back->src, back->sport);
	sl_conn_init(&flow->conn, choice->ret_slot, node->incarnation, choice->ret_ticket, seq,
		     choice->now_ns);
	if (bpf_map_update_elem(&flows, key, flow, BPF_NOEXIST)) {
		bpf_map_delete_elem(&flows, back);
		return SL_COUNTER_DROP_TABLE;
	}
	__sync_fetch_and_add(&node->flows_opened, 1);
	sl_count(SL_COUNTER_FLOW_OPENED);
	return SL_FLOW_OPENED;
}

/*
 * Opens the flow with this TO_NODE key to the node that room->choice names. Returns SL_FLOW_OPENED,
 * or the counter of the reason why not; a probe that was given out for nothing is given back.
 */
__attribute__((noinline)) int sl_flow_open(struct sl_flow_key *to_node, __u32 seq)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_settings *config;
	struct sl_node_state *node;
	__u32 zero = 0;
	int result;

	config = bpf_map_lookup_elem(&settings, &zero);
	if (!to_node || !room || !config)
		return SL_COUNTER_DROP_INTERNAL;
	node = sl_node_at(room->choice.ret_slot);
	if (!node)
		return SL_COUNTER_DROP_INTERNAL;
	room->key = *to_node;
	result = flow_insert(room, config, node, seq);
	if (result != SL_FLOW_OPENED && (room->choice.ret_ticket & 1))
		sl_node_report_packed(room->choice.ret_slot, node->incarnation,
				      room->choice.ret_ticket,
				      SL_OUTCOME_NEUTRAL << 8 | SL_SIGNAL_NONE);
	return result;
}

/*
 * A TCP packet without a flow: which pool may begin one for it? `is_syn` is 1 for a SYN that may,
 * `bad` for a header that lies. Returns the pool's slot, or minus the counter of the reason why
 * the packet is passed or dropped.
 */
__attribute__((noinline)) int sl_flow_pool(struct sl_flow_key *key, __u32 is_syn, __u32 bad)
{
	struct sl_service *service;

	if (!key)
		return -SL_COUNTER_DROP_INTERNAL;
	service = sl_service_of(key);
	if (!service)
		return -SL_COUNTER_PASS_NOT_SERVICE;
	if (bad)
		return -SL_COUNTER_DROP_MALFORMED;
	if (service->lane != SL_LANE_FAST)
		return -SL_COUNTER_PASS_SMART;
	if (!SL_TUNABLE(service->pool, FAST_LANE))
		return -SL_COUNTER_PASS_DISABLED;
	if (!is_syn)
		return -SL_COUNTER_DROP_NO_FLOW;
	if (service->pool == 0 || service->pool >= SL_POOLS_MAX)
		return -SL_COUNTER_DROP_NO_NODE;
	return service->pool;
}

#endif
