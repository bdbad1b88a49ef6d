/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * open.h - the step OPEN: a packet without a flow, or a SYN of a flow that is known.
 *
 *   SYN of a known flow   over or idle             forget the flow, begin anew
 *                         opening, counts as       move to another node (connect.retries), send the
 *                         failed by repeats        SYN there
 *                         else                     forward it as it is
 *   SYN, datagram         of a fast service        guard -> choose -> open -> forward
 *                         that must prove itself   step COOKIE
 *                         of a smart service       guard -> pass
 *                         no node                  step REFUSE, or drop (pool.refuse)
 *   anything else         of a direct-return       to the first candidate, without an entry: the
 *                         service                  node role there gives it a second chance
 *                         of mode nat              drop
 *                         not for a service        pass
 *                         a cookie that comes      drop: its source is proven (guard.h)
 *                         back
 */
#ifndef SL_BPF_OPEN_H
#define SL_BPF_OPEN_H

#include "bpf/chain.h"
#include "bpf/lag.h"
#include "bpf/lane.h"
#include "bpf/retry.h"

/* No node took the flow. */
static __always_inline int open_refused(void *ctx, bool tc, struct sl_scratch *room, __u32 pool,
					struct sl_counters *row)
{
	if (!SL_TUNABLE(pool, POOL_REFUSE))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_NO_NODE);
	room->handover.reason = SL_COUNTER_DROP_NO_NODE;
	room->handover.index = 0;
	return sl_step(ctx, tc, SL_STEP_REFUSE, row);
}

/* The packet goes to the flow at `index`. */
static __always_inline int open_send(void *ctx, bool tc, struct sl_scratch *room, __u32 index,
				     struct sl_counters *row)
{
	room->handover.index = index + 1;
	room->handover.fresh = 1;
	return sl_step(ctx, tc, SL_STEP_SEND, row);
}

/*
 * The pool of the packet's service, as sl_flow_pool() says it, from what the lane looked up. Reads
 * what limits new flows of it.
 */
static __always_inline int open_pool(struct sl_scratch *room)
{
	struct sl_handover *packet = &room->handover;
	int pool;

	if (packet->lane == SL_LANE_UNSET) {
		pool = sl_flow_pool(&room->key, packet->is_first, 0);
		sl_guard_limits_read(pool > 0 ? pool : 0);
		return pool;
	}
	sl_guard_limits_read(packet->lane == SL_LANE_FAST ? packet->pool : 0);
	return sl_flow_pool_of(packet->lane, packet->pool, packet->is_first,
			       room->limits.fast_lane);
}

/* May the packet open a flow? Returns 0, or the counter of the reason why not. */
static __always_inline __u32 open_guard(const struct sl_handover *packet, int pool)
{
	if (!packet->is_first || (pool <= 0 && pool != -SL_COUNTER_PASS_SMART))
		return 0;
	return sl_guard_ask(pool > 0 ? pool : 0);
}

/* A node for a new flow. Returns 0: there is none. */
static __always_inline int open_choose(struct sl_scratch *room, __u32 pool, __u32 exclude)
{
	int chosen;

	room->choice.lost = 0;
	chosen = sl_balance_choose(room->handover.hash, pool, room->handover.ip_v6, exclude);
	if (room->choice.lost)
		sl_node_beacon_lost(room->choice.lost);
	return chosen;
}

/*
 * A packet in mid-flow of a direct-return service: no entry is made for it, and no breaker asked. A
 * flow that came from another balancer stays where it is, whatever is thought of its node here.
 */
static __always_inline int open_stray(void *ctx, bool tc, struct sl_scratch *room, __u32 pool,
				      struct sl_counters *row)
{
	room->handover.slot = sl_chain_entry(room, room->handover.hash, pool, room->handover.ip_v6);
	if (!room->handover.slot)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_NO_FLOW);
	room->handover.index = 0;
	return sl_step(ctx, tc, SL_STEP_TUNNEL, row);
}

static __always_inline int open_new(void *ctx, bool tc, struct sl_scratch *room,
				    struct sl_counters *row)
{
	struct sl_handover *packet = &room->handover;
	int pool = open_pool(room);
	__u32 refused = open_guard(packet, pool);
	int opened;

	if (refused == SL_COUNTER_DROP_COOKIE)
		return sl_step(ctx, tc, SL_STEP_COOKIE, row);
	if (refused || pool <= 0)
		return sl_unforwarded(tc, row, refused ? refused : (__u32)-pool);
	if (!packet->is_first)
		return open_stray(ctx, tc, room, pool, row);
	if (packet->quic ? !sl_balance_keep(packet->hash, pool, packet->quic)
			 : !open_choose(room, pool, 0))
		return open_refused(ctx, tc, room, pool, row);
	opened = sl_flow_open(&room->key, packet->hash, packet->seq);
	if (opened < 0)
		return sl_unforwarded(tc, row, -opened);
	if (packet->quic)
		row->v[SL_COUNTER_QUIC_ROUTED]++;
	sl_trace(tc, packet->quic ? SL_COUNTER_QUIC_ROUTED : SL_COUNTER_FLOW_OPENED, opened + 1);
	return open_send(ctx, tc, room, opened, row);
}

/* Returns 1 when the known flow at `index` is over or idle, so that a SYN may begin anew. */
__attribute__((noinline)) int sl_open_replaceable(__u32 index, __u32 seq)
{
	struct sl_flow *flow = sl_flow_at(index);
	__u64 *way = sl_way_at(index);
	struct sl_node_state *node;
	__u32 idle_ms;

	if (!flow || !way)
		return 0;
	node = sl_node_at(flow->conn.node);
	idle_ms = sl_way_age_ms(SL_LOAD(*way), sl_now());
	if (!sl_conn_replaceable(&flow->conn, node ? node->pool : 0, seq, idle_ms))
		return 0;
	sl_count(SL_COUNTER_FLOW_REPLACED);
	return 1;
}

/* Counts a repeat of the SYN. Returns the pool to look for another node in, 0: none. */
__attribute__((noinline)) __u32 sl_open_repeated(__u32 index, __u32 seq)
{
	struct sl_flow *flow = sl_flow_at(index);
	__u64 *way = sl_way_at(index);
	struct sl_node_state *node;
	bool failed = false;
	__u64 now_ns;

	if (!flow || !way)
		return 0;
	now_ns = sl_now();
	if (seq + 1 == flow->conn.next_seq)
		failed = conn_syn_repeated(&flow->conn, sl_way_age_ms(SL_LOAD(*way), now_ns),
					   now_ns);
	if (flow->conn.state == SL_TCP_SYN_SENT)
		sl_way_set(way, SL_WAY_OPENING, sl_way_stamp(now_ns));
	node = failed ? sl_node_at(flow->conn.node) : NULL;
	return node && sl_flow_may_retry(flow, node->pool) ? node->pool : 0;
}

/* A SYN of a known flow that goes on. */
static __always_inline int open_again(void *ctx, bool tc, struct sl_scratch *room, __u32 index,
				      struct sl_counters *row)
{
	__u32 pool = sl_open_repeated(index, room->handover.seq);
	struct sl_flow *flow = pool ? sl_flow_at(index) : NULL;

	if (flow && open_choose(room, pool, flow->conn.node) && sl_flow_rebind(index)) {
		row->v[SL_COUNTER_RETRY_MOVED]++;
		sl_trace(tc, SL_COUNTER_RETRY_MOVED, index + 1);
	} else {
		sl_trace(tc, SL_COUNTER_FORWARD_TO_NODE, index + 1);
	}
	return open_send(ctx, tc, room, index, row);
}

static __always_inline int sl_open(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	__u32 found;

	if (!row || !room)
		return sl_hook_pass(tc);
	found = room->handover.index;
	if (found && room->handover.is_syn) {
		if (!sl_open_replaceable(found - 1, room->handover.seq))
			return open_again(ctx, tc, room, found - 1, row);
		sl_flow_close(found - 1);
	} else if (found) { /* a SYN with other flags: as any packet of the flow */
		return sl_step(ctx, tc, SL_STEP_SEND, row);
	} else if (room->handover.is_reset && sl_guard_prove()) {
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_COOKIE_BACK);
	}
	return open_new(ctx, tc, room, row);
}

/*
 * The RST that answered the flow's SYN goes to the client, and the flow is over. Its node was told:
 * the packet is not observed.
 */
static __always_inline int send_refusal(void *ctx, bool tc, struct sl_packet *packet, __u32 index,
					struct sl_counters *row)
{
	__u64 *way = sl_way_at(index);
	__u64 word = way ? SL_LOAD(*way) : 0;
	int verdict = lane_forward(ctx, tc, packet, index, true, true, row);

	/* Closed already when there was no route; then the place may be another's by now. */
	if (way && SL_LOAD(*way) == word)
		sl_flow_close(index);
	return verdict;
}

/* Does an experiment take the packet that opened the flow, or repeats its SYN? Or holds it back? */
static __always_inline bool send_lost(struct sl_scratch *room)
{
	struct sl_flow *flow = sl_flow_at(room->handover.index - 1);
	__u32 what = flow ? sl_chaos_look(flow->conn.node, SL_CHAOS_TO_NODE) : 0;

	if (what >> 8 == SL_CHAOS_DROP) {
		chaos_hit(what);
		return true;
	}
	if (what >> 8 == SL_CHAOS_LAG)
		room->handover.lag = what;
	return false;
}

/* The step SEND. Also for the refusal or stale ACK that RETRY lets pass, which come from the node. */
static __always_inline int sl_send(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;

	if (!row || !room || !room->handover.index)
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (room->handover.fresh) {
		if (sl_packet_is_syn(&packet))
			sl_syn_keep(ctx, tc, &packet, room->handover.index - 1);
		if (sl_chaos_on() && send_lost(room))
			return sl_unforwarded_of(tc, row, SL_COUNTER_DROP_CHAOS,
						 room->handover.index);
		return sl_lag_end(
			ctx, tc, room,
			lane_forward(ctx, tc, &packet, room->handover.index - 1, false, true, row),
			row);
	}
	if (room->handover.from_node && room->handover.reason == SL_RETRY_STALE)
		return lane_forward(ctx, tc, &packet, room->handover.index - 1, true, false, row);
	if (room->handover.from_node)
		return send_refusal(ctx, tc, &packet, room->handover.index - 1, row);
	return lane_forward(ctx, tc, &packet, room->handover.index - 1, false, false, row);
}

#endif
