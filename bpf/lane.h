/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane.h - the fast lane's way of a packet, for both hooks.
 *
 *   parse -> flow? -> (opened already) -> route -> rewrite -> observe -> send
 *              |no
 *              +-> step OPEN: guard -> choose -> open -> the same way
 *                             smart lane: guard -> pass
 *
 * Costs of a packet of a known flow in mode nat: towards the node one line of way words, one of the
 * flow, one of the node (shared by all its flows); from the node one line of its port set instead of
 * the way words, and with payload the line of the node's load. No lock, no map of the kernel's with a
 * lock. Atomic adds on the node's load only for packets with payload.
 *
 * Packets that are not for a service or a flow of ours are passed as they are, whatever their state.
 */
#ifndef SL_BPF_LANE_H
#define SL_BPF_LANE_H

#include "bpf/chaos.h"
#include "bpf/flow.h"
#include "bpf/forward.h"
#include "bpf/guard.h"
#include "bpf/hop.h"
#include "bpf/retire.h"
#include "bpf/steps.h"

/* The prog arrays are declared with the programs (sluice.bpf.c). */
static __always_inline int sl_step(void *ctx, bool tc, enum sl_step step, struct sl_counters *row);

/* Counts an established flow in the present epoch; once in 17 s it costs more than a compare. */
static __always_inline void count_alive(struct sl_conn *conn, __u64 now_ns)
{
	if (conn->mark != sl_flow_mark(now_ns) && conn->state != SL_TCP_SYN_SENT)
		conn->mark = sl_node_flow_move(conn->node, conn->incarnation, conn->mark, 1);
}

/*
 * Open is a flow whose client has ended the handshake. The node's SYN-ACK alone does not make it so:
 * the SYNs of a flood are answered too, and would push out connections that stand.
 */
static __always_inline __u32 kind_of(const struct sl_conn *conn)
{
	if (conn->state == SL_TCP_ESTABLISHED)
		return conn->reported & SL_CONN_FINISHED ? SL_WAY_OPEN : SL_WAY_OPENING;
	return conn->state == SL_TCP_SYN_SENT ? SL_WAY_OPENING
	       : conn->state == SL_TCP_UDP    ? SL_WAY_UDP
					      : SL_WAY_CLOSING;
}

static __always_inline bool stamp_is_old(__u64 word, __u32 stamp)
{
	return (__s32)(stamp - (__u32)(word >> 32)) >= (__s32)SL_WAY_REFRESH;
}

static __always_inline bool way_is_old(__u64 word, __u32 kind, __u32 stamp)
{
	return stamp_is_old(word, stamp) || sl_way_kind(word) != kind;
}

/* Brings the way's stamp and kind up to date where they are off. Returns true: the stamp was old. */
static __always_inline bool way_refresh(__u64 *way, const struct sl_conn *conn, __u64 now_ns)
{
	__u64 word = SL_LOAD(*way);
	__u32 stamp = sl_way_stamp(now_ns);

	if (way_is_old(word, kind_of(conn), stamp))
		sl_way_set(way, kind_of(conn), stamp);
	return stamp_is_old(word, stamp);
}

/* Does the packet begin or end something that is measured? */
static __always_inline bool is_measured(struct sl_conn *conn, const struct sl_segment *segment,
					bool from_node)
{
	if (conn->state == SL_TCP_SYN_SENT)
		return true;
	return segment->payload_len && from_node == !!SL_LOAD(conn->begun);
}

/*
 * What room->segment says about the flow at `index`. A function of its own: the verifier walks the
 * life of a connection once, and its stack is not the packet's. Returns 1 when the flow is over.
 */
__attribute__((noinline)) int sl_lane_observe(__u32 index, __u32 from_node)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_flow *flow = sl_flow_at(index);
	__u64 *way = sl_way_at(index);
	__u64 now_ns;
	__u8 state;
	bool over;

	if (!room || !flow || !way)
		return 0;
	if (is_measured(&flow->conn, &room->segment, from_node))
		sl_now_set(room);
	now_ns = room->now_ns;
	if (from_node) {
		/* The way's word is another line: only touched when it has something to learn. */
		state = flow->conn.state;
		over = sl_conn_received(&flow->conn, &room->segment, now_ns, SL_VIEW_LANE);
		if (flow->conn.mark != sl_flow_mark(now_ns) || flow->conn.state != state)
			way_refresh(way, &flow->conn, now_ns);
	} else {
		__u32 gap_ms = sl_way_age_ms(SL_LOAD(*way), now_ns);

		over = sl_conn_sent(&flow->conn, &room->segment, gap_ms, now_ns,
				    sl_flow_view(flow));
		if (sl_guard_ends(&flow->conn, &room->segment, sl_flow_view(flow)))
			sl_guard_finish(index);
		if (way_refresh(way, &flow->conn, now_ns))
			sl_retire_look(flow->conn.node);
	}
	count_alive(&flow->conn, now_ns);
	return over;
}

/*
 * Brings the stamp of an open flow's way up to date. Returns false where there is more to see: another
 * kind, or a node that may have to be retired, which one with a closed breaker has not.
 */
static __always_inline bool way_plain(__u64 *way, __u32 slot, __u32 stamp)
{
	__u64 word = SL_LOAD(*way);
	struct sl_node_state *node;

	if (sl_way_kind(word) != SL_WAY_OPEN)
		return false;
	if (!stamp_is_old(word, stamp))
		return true;
	node = sl_node_at(slot);
	if (!node || sl_breaker_state(sl_breaker_load(&node->breaker)) != SL_BREAKER_CLOSED)
		return false;
	sl_way_set(way, SL_WAY_OPEN, stamp);
	return true;
}

/*
 * Most packets: of an open connection of mode nat, with nothing to begin, to end or to count anew.
 * What they change is done here, without a call (every return costs a branch that is foretold wrong,
 * where the kernel guards itself against Inception). Returns false for all others, untouched.
 */
static __always_inline bool observe_plain(const struct sl_scratch *room, struct sl_flow *flow,
					  __u32 index, bool from_node)
{
	const struct sl_segment *segment = &room->segment;
	struct sl_conn *conn = &flow->conn;
	__u64 *way;

	if (conn->state != SL_TCP_ESTABLISHED || conn->mark != sl_flow_mark(room->now_ns) ||
	    (segment->flags & (SL_TCPF_FIN | SL_TCPF_SYN | SL_TCPF_RST)) || SL_LOAD(conn->begun))
		return false;
	if (from_node) {
		sl_conn_received_plain(conn, segment, room->now_ns);
		return true;
	}
	way = sl_way_at(index);
	return way && !segment->payload_len && (conn->reported & SL_CONN_FINISHED) &&
	       sl_flow_view(flow) == SL_VIEW_LANE &&
	       way_plain(way, conn->node, sl_way_stamp(room->now_ns));
}

/*
 * `fresh` is true for the packet that opened its flow: sl_conn_init() has all that its SYN says. A
 * datagram is a request from the first one on.
 */
static __always_inline void observe(struct sl_scratch *room, struct sl_flow *flow, __u32 index,
				    const struct sl_packet *packet, bool from_node, bool fresh)
{
	if (fresh && packet->tcp)
		return;
	sl_segment_from(&room->segment, packet);
	if (!observe_plain(room, flow, index, from_node) && sl_lane_observe(index, from_node))
		sl_flow_close(index);
}

/* Where the packet of a flow goes, and as what; `node` is NULL for one that comes from there. */
static __always_inline void rewrite_for(const struct sl_flow *flow,
					const struct sl_node_state *node, struct sl_rewrite *ret_to)
{
	if (!node) {
		ret_to->src = &flow->vip;
		ret_to->dst = &flow->client;
		ret_to->sport = flow->vip_port;
		ret_to->dport = flow->client_port;
		return;
	}
	ret_to->src = &node->snat_addr;
	ret_to->dst = &node->endpoint.addr;
	ret_to->sport = flow->nat_port;
	ret_to->dport = node->endpoint.port;
}

/* The packet is longer than the way out takes, which room->fib tells. */
static __always_inline int lane_too_big(void *ctx, bool tc, __u32 index, struct sl_scratch *room,
					struct sl_counters *row)
{
	room->handover.index = index + 1;
	room->handover.mtu = room->fib.mtu_result;
	room->handover.lag = 0;
	return sl_step(ctx, tc, SL_STEP_TOO_BIG, row);
}

/*
 * The way out, by what the kernel said a moment ago or says now; fills room->fib. `node` is NULL for
 * the way to the client. Returns what sl_route() does.
 */
static __always_inline long lane_route(void *ctx, bool tc, struct sl_packet *packet,
				       const struct sl_rewrite *to, struct sl_flow *flow,
				       struct sl_node_state *node, struct sl_scratch *room)
{
	__u64 now_ns = room->now_ns;
	__u32 len = sl_route_len(ctx, tc, packet);
	struct sl_hop *hop;
	long route;

	if (node) {
		if (len && sl_hop_to_node(&room->fib, node, len, now_ns))
			return BPF_FIB_LKUP_RET_SUCCESS;
	} else {
		hop = sl_hop_get(flow->conn.hop, flow->conn.hop_stamp, now_ns);
		if (hop && len && len <= hop->mtu) {
			sl_hop_fill(&room->fib, hop);
			return BPF_FIB_LKUP_RET_SUCCESS;
		}
	}
	route = sl_route(ctx, tc, packet, to, &room->fib);
	if (route != BPF_FIB_LKUP_RET_SUCCESS || !len)
		return route;
	if (node) {
		sl_hop_keep_node(node, room);
	} else {
		flow->conn.hop = (__u8)sl_hop_put(now_ns, 0);
		flow->conn.hop_stamp = sl_hop_stamp(now_ns);
	}
	return route;
}

/*
 * Mode nat: from the lookup of the route to the way out. `fresh` is true for the packet that opened
 * the flow.
 */
static __always_inline int lane_nat(void *ctx, bool tc, struct sl_packet *packet, __u32 index,
				    struct sl_flow *flow, bool from_node, bool fresh,
				    struct sl_counters *row)
{
	struct sl_node_state *node = from_node ? NULL : sl_node_at(flow->conn.node);
	struct sl_scratch *room = sl_scratch_row();
	struct sl_nat_rest rest = {};
	struct sl_rewrite to;
	long route;

	if (!room || (!from_node && !node))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	rewrite_for(flow, node, &to);
	route = lane_route(ctx, tc, packet, &to, flow, node, room);
	if (!sl_route_usable(route)) {
		if (fresh)
			sl_flow_close(index);
		if (route == BPF_FIB_LKUP_RET_FRAG_NEEDED)
			return lane_too_big(ctx, tc, index, room, row);
		return sl_unforwarded_of(tc, row, sl_route_failure(route), index + 1);
	}
	sl_nat_apply(tc, packet, &to, &rest);
	row->v[from_node ? SL_COUNTER_FORWARD_TO_CLIENT : SL_COUNTER_FORWARD_TO_NODE]++;
	if (!fresh)
		sl_trace_packet(tc, room, SL_COUNTER_FORWARD_TO_NODE + from_node, index + 1);
	observe(room, flow, index, packet, from_node, fresh);
	sl_nat_finish(ctx, tc, &rest);
	return sl_transmit(ctx, tc, packet->eth, packet->tags, packet->ip_v6, route, &room->fib,
			   row);
}

/* Mode l2: the frame goes to the node's link address as it is. */
static __always_inline int lane_l2(void *ctx, bool tc, struct sl_packet *packet, __u32 index,
				   struct sl_flow *flow, bool fresh, struct sl_counters *row)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);
	struct sl_scratch *room = sl_scratch_row();
	struct sl_rewrite to;
	long route;

	if (!node || !room)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	to.src = &packet->key->src;
	to.dst = &node->endpoint.addr;
	to.sport = packet->key->sport;
	to.dport = packet->key->dport;
	route = lane_route(ctx, tc, packet, &to, flow, node, room);
	if (!sl_route_usable(route)) {
		if (fresh)
			sl_flow_close(index);
		if (route == BPF_FIB_LKUP_RET_FRAG_NEEDED)
			return lane_too_big(ctx, tc, index, room, row);
		return sl_unforwarded_of(tc, row, sl_route_failure(route), index + 1);
	}
	row->v[SL_COUNTER_FORWARD_TO_NODE]++;
	row->v[SL_COUNTER_FORWARD_L2]++;
	if (!fresh)
		sl_trace_packet(tc, room, SL_COUNTER_FORWARD_TO_NODE, index + 1);
	observe(room, flow, index, packet, false, fresh);
	return sl_transmit(ctx, tc, packet->eth, packet->tags, packet->ip_v6, route, &room->fib,
			   row);
}

/* A packet of a flow that is known or was just opened. */
static __always_inline int lane_forward(void *ctx, bool tc, struct sl_packet *packet, __u32 index,
					bool from_node, bool fresh, struct sl_counters *row)
{
	struct sl_flow *flow = sl_flow_at(index);
	struct sl_scratch *room;
	__u32 mode;

	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	mode = flow->flags & SL_FLOW_MODE;
	if (mode == SL_MODE_NAT || mode == SL_MODE_L2) {
		if (sl_nat_hops_spent(packet)) {
			if (fresh)
				sl_flow_close(index);
			return sl_unforwarded_of(tc, row, SL_COUNTER_PASS_TTL, index + 1);
		}
		if (mode == SL_MODE_NAT)
			return lane_nat(ctx, tc, packet, index, flow, from_node, fresh, row);
		return lane_l2(ctx, tc, packet, index, flow, fresh, row);
	}
	room = sl_scratch_row();
	if (!room)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	room->handover.index = index + 1;
	room->handover.fresh = fresh;
	/* Before the flow may be over, and its row another's. */
	room->handover.slot = flow->conn.node;
	observe(room, flow, index, packet, false, fresh);
	return sl_step(ctx, tc, SL_STEP_TUNNEL, row);
}

/*
 * Index + 1 of the packet's flow; *ret_from_node tells from which side it was found, *ret_hash is
 * that of the key, as far as it was needed.
 */
static __always_inline __u32 lane_find(struct sl_packet *packet, const struct sl_settings *config,
				       __u64 *ret_hash, bool *ret_from_node)
{
	__u16 port = bpf_ntohs(packet->key->dport);
	__u32 found;

	*ret_hash = 0;
	*ret_from_node = false;
	if (port >= config->nat_port_min && port <= config->nat_port_max) {
		found = sl_answer_find(packet->key, config->seed, config->flow_sets);
		*ret_from_node = found;
		if (found)
			return found;
	}
	*ret_hash = sl_key_hash(packet->key, config->seed);
	found = sl_table_home(packet->key, *ret_hash, config->flow_sets);
	if (found || sl_table_lacks(*ret_hash, config->flow_sets))
		return found;
	return sl_table_find(packet->key, *ret_hash, config->flow_sets);
}

/* Hands the packet on to a step, with what is known of it. */
static __always_inline int hand_on(void *ctx, bool tc, enum sl_step step, struct sl_packet *packet,
				   __u64 hash, __u32 found, bool from_node, struct sl_counters *row)
{
	struct sl_scratch *room = sl_scratch_row();

	if (!room)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (found)
		room->handover.lane = SL_LANE_UNSET;
	sl_now_set(room);
	room->handover.hash = hash;
	room->handover.index = found;
	room->handover.from_node = from_node;
	room->handover.reason = 0;
	if (step == SL_STEP_RETRY && !(packet->flags & SL_TCPF_RST))
		room->handover.reason = SL_RETRY_STALE;
	room->handover.seq = packet->tcp ? bpf_ntohl(packet->tcp->seq) : 0;
	room->handover.is_syn = sl_packet_is_syn(packet);
	room->handover.is_first = room->handover.is_syn || !packet->tcp;
	room->handover.is_reset =
		packet->tcp &&
		(packet->flags & (SL_TCPF_RST | SL_TCPF_ACK | SL_TCPF_SYN)) == SL_TCPF_RST;
	room->handover.ip_v6 = packet->ip_v6;
	room->handover.fresh = 0;
	room->handover.quic = 0;
	room->handover.lag = 0;
	return sl_step(ctx, tc, step, row);
}

/*
 * An answer to the SYN of an opening flow that knows nothing of it? The node still holds an older
 * connection from the same port, mostly in TIME_WAIT, and finds the SYN too old for it.
 */
static __always_inline bool is_stale(const struct sl_flow *flow, const struct sl_packet *packet)
{
	return flow->conn.state == SL_TCP_SYN_SENT && flow->conn.begun && packet->tcp &&
	       (packet->flags & (SL_TCPF_ACK | SL_TCPF_SYN | SL_TCPF_RST | SL_TCPF_FIN)) ==
		       SL_TCPF_ACK &&
	       bpf_ntohl(packet->tcp->ack_seq) != flow->conn.next_seq;
}

/* A RST of the node, as an answer to the SYN of an opening flow? */
static __always_inline bool is_refusal(const struct sl_flow *flow, const struct sl_packet *packet)
{
	struct sl_segment segment = {};

	if (!(packet->flags & SL_TCPF_RST))
		return false;
	sl_segment_from(&segment, packet);
	return sl_conn_refused(&flow->conn, &segment);
}

/* Was the flow's node found to be dead? The step looks again, so a mark that is old does no harm. */
static __always_inline bool is_of_dead(const struct sl_flow *flow)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);

	return node && (SL_LOAD(node->admin) & SL_NODE_RETIRED);
}

/* A packet of a flow that is known, but for its SYN. */
static __always_inline int lane_known(void *ctx, bool tc, struct sl_packet *packet, __u64 hash,
				      __u32 found, bool from_node, struct sl_counters *row)
{
	struct sl_flow *flow = sl_flow_at(found - 1);

	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (from_node && (is_refusal(flow, packet) || is_stale(flow, packet)))
		return hand_on(ctx, tc, SL_STEP_RETRY, packet, hash, found, true, row);
	if (!from_node && is_of_dead(flow))
		return hand_on(ctx, tc, SL_STEP_REFUSE, packet, hash, found, false, row);
	return lane_forward(ctx, tc, packet, found - 1, from_node, false, row);
}

/*
 * A new flow needs the row of its place, of its source and of its SYN, each a line that no cache
 * holds. Asked for here, in one go and before anything waits for one of them, they are fetched
 * together: memory answers a dozen questions in the time of one.
 */
static __always_inline void warm(const struct sl_scratch *room, const struct sl_settings *config)
{
	__u64 hash = sl_key_hash(&room->key, config->seed);
	__u32 place = hash_set(hash, config->flow_sets) * SL_FLOW_WAYS + hash_home(hash);
	struct sl_flow *flow = sl_flow_at(place);
	struct sl_syn *syn = syn_at(place);
	__u64 *way = sl_way_at(place);

	if (!flow || !syn || !way)
		return;
	(void)SL_LOAD(*way);
	(void)SL_LOAD(flow->conn.begun);
	(void)SL_LOAD(syn->flow);
	source_warm(room);
}

/* TCP or UDP. */
static __always_inline int lane_transport(void *ctx, bool tc, struct sl_packet *packet,
					  struct sl_counters *row)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	bool from_node = false;
	__u32 found;
	__u64 hash;

	if (!config || !room)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	sl_trace_begin(config, packet);
	if (packet->protocol == IPPROTO_UDP && config->beacon_port &&
	    packet->key->dport == config->beacon_port) {
		return hand_on(ctx, tc, SL_STEP_CONTROL, packet, 0, 0, false, row);
	}
	if (sl_packet_is_syn(packet))
		warm(room, config);
	found = lane_find(packet, config, &hash, &from_node);
	if (!found) {
		struct sl_service *service = sl_service_of(packet->key);

		if (!service)
			return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
		/* OPEN asks the guard for both lanes. */
		if (service->lane != SL_LANE_FAST && !sl_packet_is_syn(packet))
			return sl_unforwarded(tc, row, SL_COUNTER_PASS_SMART);
		room->handover.lane = service->lane;
		room->handover.pool = service->pool;
		room->handover.service = service->index;
		if (service->flags & SL_SERVICE_QUIC)
			return hand_on(ctx, tc, SL_STEP_QUIC, packet, hash, 0, false, row);
	}
	if (!found || (!from_node && (packet->flags & SL_TCPF_SYN)))
		return hand_on(ctx, tc, SL_STEP_OPEN, packet, hash, found, false, row);
	if (SL_UNLIKELY(SL_LOAD(config->chaos)))
		return hand_on(ctx, tc, SL_STEP_CHAOS, packet, hash, found, from_node, row);
	sl_now_near(room);
	return lane_known(ctx, tc, packet, hash, found, from_node, row);
}

/* The ports are known, the rest of the header is cut short or lies. */
static __always_inline int lane_bad(bool tc, struct sl_packet *packet, struct sl_counters *row)
{
	struct sl_settings *config = sl_settings_row();
	bool from_node;
	__u64 hash;

	sl_trace_begin_odd(packet->key, true);
	if (config && lane_find(packet, config, &hash, &from_node))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_MALFORMED);
	return sl_unforwarded(tc, row, -sl_flow_pool(packet->key, 0, 1));
}

/* The first program. */
static __always_inline int sl_lane(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!row || !room)
		return sl_hook_pass(tc);
	row->v[tc ? SL_COUNTER_PACKETS_TC : SL_COUNTER_PACKETS]++;
	switch (sl_parse_hook(ctx, tc, &cursor, &packet, &room->key)) {
	case SL_PARSE_TCP:
	case SL_PARSE_UDP:
		return lane_transport(ctx, tc, &packet, row);
	case SL_PARSE_BAD:
		return lane_bad(tc, &packet, row);
	case SL_PARSE_ICMP:
		sl_now_set(room);
		sl_trace_begin_odd(&room->key, false);
		return sl_step(ctx, tc, SL_STEP_ICMP, row);
	case SL_PARSE_FRAGMENT:
		sl_trace_begin_odd(&room->key, false);
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_FRAGMENT);
	case SL_PARSE_OPTIONS:
		sl_trace_begin_odd(&room->key, false);
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_OPTIONS);
	case SL_PARSE_PROTOCOL:
		sl_trace_begin_odd(&room->key, false);
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_PROTOCOL);
	case SL_PARSE_NOT_IP:
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_IP);
	case SL_PARSE_UNREADABLE:
		break;
	}
	return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
}

#endif
