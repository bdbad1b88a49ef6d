/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow.h - flows of the fast lane: how one begins, moves to another node, and ends.
 *
 *   opening   SYN_SENT    from the SYN; moves to another node when that SYN is refused or repeated
 *   open      ESTABLISHED from the client's ACK of the node's SYN-ACK, or its next packet; the state
 *                         from the SYN-ACK (mode nat)
 *   closing   FIN, CLOSED from the first FIN
 *   udp       UDP         ends by idle time alone
 *
 * A flow ends by RST, by FIN of both sides and the last ACK, when a new SYN of the same client finds
 * it over or idle (flow.idle_ms; flow.closing_ms after a FIN), or when the table needs its place
 * (table.h). Every end is counted on its node: closed, expired or evicted; opened minus these is
 * what the table holds.
 *
 * Mode nat takes a source port towards the node. Each CPU hands out the ports of its own blocks of
 * eight (block number modulo CPUs) one after the other, for each node, so CPUs do not meet and the
 * ports of flows that began together lie in one line. A look at that line tells all that is free in
 * a block; where nothing is, it goes on at another block by chance, at last one of any CPU, where flows
 * that were silent too long give up theirs. After SL_NAT_TRIES_MAX full blocks the SYN is dropped and
 * counted, and its repeat tries others.
 *
 * Only a SYN begins a flow of TCP. In mode nat a packet in mid-flow that is not known is dropped,
 * not passed: after a change of the balancer for a moment (ECMP) the client's repeat may find its
 * flow again, while the local stack would reset it for good. In the direct-return modes it goes to
 * the first candidate of its flow (the node role there gives it a second chance) and leaves no
 * entry.
 */
#ifndef SL_BPF_FLOW_H
#define SL_BPF_FLOW_H

#include "bpf/balance.h"
#include "bpf/conn.h"
#include "bpf/table.h"

#define SL_FLOW_OPENED (-1) /* where else the counter of a reason is returned */

/* Why a flow is forgotten. */
enum sl_flow_end {
	SL_FLOW_END_CLOSED = 0,
	SL_FLOW_END_EXPIRED,
	SL_FLOW_END_EVICTED,
};

static __always_inline enum sl_view sl_flow_view(const struct sl_flow *flow)
{
	return (flow->flags & SL_FLOW_MODE) == SL_MODE_NAT ? SL_VIEW_LANE : SL_VIEW_ONE_WAY;
}

static __always_inline __u64 node_answer_hash(const struct sl_node_state *node, __be16 nat_port,
					      __u8 proto, __u64 seed)
{
	return answer_hash(&node->endpoint.addr, &node->snat_addr, node->endpoint.port, nat_port,
			   proto, seed);
}

/*
 * Takes what a flow holds of its node: its port, its place in the load, its awaited byte. The row
 * stays as it is.
 */
static __always_inline void flow_leave(struct sl_flow *flow, __u32 index,
				       const struct sl_settings *config, enum sl_flow_end end)
{
	struct sl_node_state *node = sl_node_at(flow->conn.node);

	sl_conn_over(&flow->conn, sl_flow_view(flow));
	if (!node)
		return;
	if (flow->nat_port)
		sl_ports_release(node_answer_hash(node, flow->nat_port, flow->proto, config->seed),
				 flow->nat_port, index, config->flow_sets);
	sl_node_flow_move(flow->conn.node, flow->conn.incarnation, flow->conn.mark, 0);
	flow->conn.mark = 0;
	if ((__u16)node->incarnation != flow->conn.incarnation)
		return;
	if (end == SL_FLOW_END_CLOSED)
		__sync_fetch_and_add(&node->flows_closed, 1);
	else
		__sync_fetch_and_add(end == SL_FLOW_END_EXPIRED ? &node->flows_expired
								: &node->flows_evicted,
				     1);
}

/* Forgets the flow at `index`, whose way is this CPU's. */
static __always_inline void flow_forget(__u32 index, enum sl_flow_end end)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_flow *flow = sl_flow_at(index);

	if (!flow || !config)
		return;
	flow_leave(flow, index, config, end);
	sl_count(end == SL_FLOW_END_CLOSED    ? SL_COUNTER_FLOW_CLOSED
		 : end == SL_FLOW_END_EXPIRED ? SL_COUNTER_FLOW_EXPIRED
					      : SL_COUNTER_FLOW_EVICTED);
}

/* A flow is over: forgets it and frees its way. Two CPUs may see the end; one of them does it. */
__attribute__((noinline)) int sl_flow_close(__u32 index)
{
	__u64 *way = sl_way_at(index);
	__u64 old;

	if (!way)
		return 0;
	old = SL_LOAD(*way);
	/* Claimed, so that nobody takes the way before its row is left. */
	if (!sl_way_tag(old) || !sl_way_claim(way, old, (__u32)(old >> 32)))
		return 0;
	flow_forget(index, SL_FLOW_END_CLOSED);
	sl_table_release(index);
	return 1;
}

/*
 * A place for a new flow; what was there is forgotten. Returns its index + 1, or 0 after losing
 * every race.
 */
__attribute__((noinline)) __u32 sl_table_claim(__u64 hash, __u32 pool)
{
	struct sl_settings *config = sl_settings_row();
	__u32 stamp = sl_way_stamp(sl_now());
	int tries;

	if (!config)
		return 0;
	for (tries = 0; tries < SL_CLAIM_TRIES; tries++) {
		__u32 found = claim_choose(hash, config->flow_sets, stamp, pool);
		__u64 *way = found ? sl_way_at(found - 1) : NULL;
		__u64 old;

		if (!way)
			return 0;
		old = SL_LOAD(*way);
		if (!sl_way_claim(way, old, stamp))
			continue;
		if (sl_way_tag(old))
			flow_forget(found - 1, way_expired(old, stamp, pool) ? SL_FLOW_END_EXPIRED
									     : SL_FLOW_END_EVICTED);
		return found;
	}
	sl_count(SL_COUNTER_CAS_LOST);
	return 0;
}

/* The same where the flow's home is free, without a call. Returns 0: ask sl_table_claim(). */
static __always_inline __u32 claim_home(__u64 hash, __u64 now_ns)
{
	struct sl_settings *config = sl_settings_row();
	__u32 place;
	__u64 *way;
	__u64 old;

	if (!config)
		return 0;
	place = hash_set(hash, config->flow_sets) * SL_FLOW_WAYS + hash_home(hash);
	way = sl_way_at(place);
	if (!way)
		return 0;
	old = SL_LOAD(*way);
	if (sl_way_kind(old) != SL_WAY_FREE || !sl_way_claim(way, old, sl_way_stamp(now_ns)))
		return 0;
	return place + 1;
}

/* ---- source ports -------------------------------------------------------------------------- */

/*
 * Forgets the flow at `index` when it was silent for longer than its kind may be. Its node's pool says
 * how long; a row that another CPU rewrites meanwhile fails at the claim. Returns 1 when it did.
 */
__attribute__((noinline)) int sl_flow_expire(__u32 index)
{
	struct sl_flow *flow = sl_flow_at(index);
	__u32 stamp = sl_way_stamp(sl_now());
	__u64 *way = sl_way_at(index);
	struct sl_node_state *node;
	__u64 word;

	if (!flow || !way)
		return 0;
	word = SL_LOAD(*way);
	node = sl_node_at(flow->conn.node);
	if (!sl_way_tag(word) || !way_expired(word, stamp, node ? node->pool : 0) ||
	    !sl_way_claim(way, word, (__u32)(word >> 32)))
		return 0;
	flow_forget(index, SL_FLOW_END_EXPIRED);
	sl_table_release(index);
	return 1;
}

/*
 * Ends the flows of a full block that are silent too long: UDP and clients that vanished have no
 * other end, and while the table has room nobody wants their places. Returns how many.
 */
__attribute__((noinline)) __u32 sl_ports_expire(__u32 slot, __u32 proto, __u32 block)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_node_state *node = sl_node_at(slot);
	struct sl_port_set *set;
	__u32 number, way, ended = 0;

	if (!config || !node)
		return 0;
	number = hash_set(node_answer_hash(node, bpf_htons((__u16)block), proto, config->seed),
			  SL_PORT_SETS(config->flow_sets));
	set = bpf_map_lookup_elem(&ports, &number);
	if (!set)
		return 0;
	for (way = 0; way < SL_PORT_BLOCK; way++) {
		__u32 index = (__u32)SL_LOAD(set->way[way]);

		if (index)
			ended += sl_flow_expire(index - 1);
	}
	return ended;
}

/* CPUs that share the blocks; 1 where there are too few. */
static __always_inline __u32 share_cpus(const struct sl_settings *config)
{
	__u32 blocks = config->nat_port_max / SL_PORT_BLOCK - config->nat_port_min / SL_PORT_BLOCK;

	return config->cpu_count && config->cpu_count * 2 <= blocks ? config->cpu_count : 1;
}

/*
 * The first port of the block to look at next, after `before`: for the first half of the tries one
 * of this CPU's own by chance, then any by chance and those that follow it.
 */
__attribute__((noinline)) __u32 sl_port_block(__u32 tries, __u32 before)
{
	struct sl_settings *config = sl_settings_row();
	__u32 first, blocks, cpus;

	if (!config)
		return 0;
	first = config->nat_port_min / SL_PORT_BLOCK;
	blocks = config->nat_port_max / SL_PORT_BLOCK - first + 1;
	cpus = share_cpus(config);
	if (tries < SL_NAT_TRIES_MAX / 2)
		return (first + sl_hash_scale(bpf_get_prandom_u32(), blocks / cpus) * cpus +
			bpf_get_smp_processor_id() % cpus) *
		       SL_PORT_BLOCK;
	if (tries == SL_NAT_TRIES_MAX / 2)
		return (first + sl_hash_scale(bpf_get_prandom_u32(), blocks)) * SL_PORT_BLOCK;
	before = before / SL_PORT_BLOCK + 1;
	return (before < first + blocks ? before : first) * SL_PORT_BLOCK;
}

/* Reserves one of the ports from `from` to the end of its block. Returns it, or 0: none is free. */
__attribute__((noinline)) __u32 sl_port_take(__u32 index, __u32 slot, __u32 proto, __u32 from)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_node_state *node = sl_node_at(slot);
	__u32 block = from & ~(SL_PORT_BLOCK - 1);
	__u32 last = SL_PORT_BLOCK - 1;
	int way;

	if (!config || !node)
		return 0;
	if (from < config->nat_port_min)
		from = config->nat_port_min;
	if (block + last > config->nat_port_max)
		last = config->nat_port_max - block;
	way = sl_ports_reserve(node_answer_hash(node, bpf_htons((__u16)block), proto, config->seed),
			       from - block, last, index, config->flow_sets);
	return way ? block + way - 1 : 0;
}

/* The port to begin at after `port`: the next of its block, or of this CPU's next one; 0: by chance. */
static __always_inline __u32 port_after(const struct sl_settings *config, __u32 port)
{
	port++;
	if (port % SL_PORT_BLOCK == 0)
		port += (share_cpus(config) - 1) * SL_PORT_BLOCK;
	return port <= config->nat_port_max ? port : 0;
}

/*
 * Reserves a source port towards the node for the flow at `index`. Returns it in network order, or
 * 0 when none was free in all the blocks that were looked at.
 */
__attribute__((noinline)) __u32 sl_flow_port(__u32 index, __u32 slot, __u32 proto)
{
	struct sl_settings *config = sl_settings_row();
	__u32 *cursor = bpf_map_lookup_elem(&port_cursors, &slot);
	__u32 from, taken;
	int tries;

	if (!config || !cursor || !config->nat_port_min ||
	    config->nat_port_max < config->nat_port_min)
		return 0;
	from = *cursor;
	if (from < config->nat_port_min || from > config->nat_port_max)
		from = sl_port_block(0, 0);
	for (tries = 0; tries < SL_NAT_TRIES_MAX; tries++) {
		taken = sl_port_take(index, slot, proto, from);
		if (!taken && tries >= SL_NAT_TRIES_MAX / 2 &&
		    sl_ports_expire(slot, proto, from & ~(SL_PORT_BLOCK - 1)))
			taken = sl_port_take(index, slot, proto, from);
		if (taken) {
			*cursor = port_after(config, taken);
			return bpf_htons((__u16)taken);
		}
		from = sl_port_block(tries + 1, from);
	}
	*cursor = 0;
	return 0;
}

/*
 * The same where the next port in turn is free, as it mostly is, without a call. Returns 0: ask
 * sl_flow_port().
 */
static __always_inline __u32 port_next(__u32 index, __u32 slot, const struct sl_node_state *node,
				       __u8 proto)
{
	struct sl_settings *config = sl_settings_row();
	__u32 *cursor = bpf_map_lookup_elem(&port_cursors, &slot);
	__u32 port;
	__u64 hash, *way;

	if (!config || !cursor)
		return 0;
	port = *cursor;
	if (!port || port < config->nat_port_min || port > config->nat_port_max)
		return 0;
	hash = node_answer_hash(node, bpf_htons((__u16)port), proto, config->seed);
	way = port_way(hash, bpf_htons((__u16)port), config->flow_sets);
	if (!way || SL_LOAD(*way) ||
	    __sync_val_compare_and_swap(way, 0, hash << 32 | (index + 1)) != 0)
		return 0;
	*cursor = port_after(config, port);
	return bpf_htons((__u16)port);
}

/* ---- beginnings ---------------------------------------------------------------------------- */

/* Binds the row to the node that room->choice names. Returns false when no port is left. */
static __always_inline bool flow_bind(struct sl_flow *flow, __u32 index,
				      const struct sl_choice *choice, __u32 seq)
{
	struct sl_node_state *node = sl_node_at(choice->ret_slot);
	__u8 state = flow->proto == IPPROTO_UDP ? SL_TCP_UDP : SL_TCP_SYN_SENT;
	__be16 port = 0;

	if (!node)
		return false;
	if (node->mode == SL_MODE_NAT) {
		port = port_next(index, choice->ret_slot, node, flow->proto);
		if (!port)
			port = sl_flow_port(index, choice->ret_slot, flow->proto);
		if (!port)
			return false;
	}
	flow->nat_port = port;
	flow->flags = (flow->flags & ~SL_FLOW_MODE) | (node->mode & SL_FLOW_MODE);
	sl_conn_init(&flow->conn, choice->ret_slot, node->incarnation, choice->ret_ticket, seq,
		     choice->now_ns);
	flow->conn.state = state;
	if (state == SL_TCP_UDP)
		flow->conn.begun = 0;
	__sync_fetch_and_add(&node->flows_opened, 1);
	sl_count(SL_COUNTER_FLOW_OPENED);
	return true;
}

/* A probe that was given out for nothing is given back. */
static __always_inline void probe_return(const struct sl_choice *choice)
{
	struct sl_node_state *node = sl_node_at(choice->ret_slot);

	if (node && (choice->ret_ticket & 1))
		sl_node_report_packed(choice->ret_slot, node->incarnation, choice->ret_ticket,
				      SL_OUTCOME_NEUTRAL << 8 | SL_SIGNAL_NONE);
}

/*
 * Opens the flow with this key to the node that room->choice names. Returns its index, which is not
 * negative, or minus the counter of the reason why not.
 */
__attribute__((noinline)) int sl_flow_open(struct sl_flow_key *key, __u64 hash, __u32 seq)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_flow *flow;
	__u32 place;

	if (!key || !room)
		return -SL_COUNTER_DROP_INTERNAL;
	place = claim_home(hash, room->choice.now_ns);
	if (!place)
		place = sl_table_claim(hash, room->choice.pool);
	flow = place ? sl_flow_at(place - 1) : NULL;
	if (!flow) {
		probe_return(&room->choice);
		return -SL_COUNTER_DROP_TABLE;
	}
	flow->client = key->src;
	flow->vip = key->dst;
	flow->client_port = key->sport;
	flow->vip_port = key->dport;
	flow->proto = key->proto;
	flow->flags = 0;
	if (!flow_bind(flow, place - 1, &room->choice, seq)) {
		sl_table_release(place - 1);
		probe_return(&room->choice);
		return -SL_COUNTER_DROP_NO_PORT;
	}
	sl_table_publish(place - 1, hash, key->proto == IPPROTO_UDP ? SL_WAY_UDP : SL_WAY_OPENING,
			 sl_way_stamp(room->choice.now_ns));
	return (int)(place - 1);
}

/*
 * Moves the opening flow at `index` to the node that room->choice names. Its SYN is to be sent
 * again. The way is claimed meanwhile: its end, and a second move at the same moment, would release
 * one port twice and another never. Returns 1, or 0: no port, or another CPU is at the flow, which
 * stays where it is.
 */
__attribute__((noinline)) int sl_flow_rebind(__u32 index)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_flow *flow = sl_flow_at(index);
	__u64 *way = sl_way_at(index);
	struct sl_flow *old;
	__u32 retries;
	__u64 word;

	if (!room || !config || !flow || !way)
		return 0;
	word = SL_LOAD(*way);
	if (sl_way_kind(word) != SL_WAY_OPENING || !sl_way_claim(way, word, (__u32)(word >> 32))) {
		probe_return(&room->choice);
		return 0;
	}
	old = &room->flow;
	__builtin_memcpy(old, flow, sizeof(*old));
	/* Answered meanwhile: its place is that of an opening flow until the client says so too. */
	if (old->conn.state != SL_TCP_SYN_SENT ||
	    !flow_bind(flow, index, &room->choice, old->conn.next_seq - 1)) {
		claimed_set(way, (__u32)(word >> 32), sl_way_tag(word), SL_WAY_OPENING);
		probe_return(&room->choice);
		return 0;
	}
	retries = ((old->flags & SL_FLOW_RETRIES) >> SL_FLOW_RETRY_SHIFT) + 1;
	flow->flags = (flow->flags & ~SL_FLOW_RETRIES) |
		      ((retries << SL_FLOW_RETRY_SHIFT) & SL_FLOW_RETRIES);
	flow_leave(old, index, config, SL_FLOW_END_CLOSED);
	sl_count(SL_COUNTER_FLOW_CLOSED);
	claimed_set(way, (__u32)(word >> 32), sl_way_tag(word), SL_WAY_OPENING);
	return 1;
}

/* May the opening flow try yet another node? */
static __always_inline bool sl_flow_may_retry(const struct sl_flow *flow, __u32 pool)
{
	__u32 retries = (flow->flags & SL_FLOW_RETRIES) >> SL_FLOW_RETRY_SHIFT;

	return flow->conn.state == SL_TCP_SYN_SENT && retries < SL_TUNABLE(pool, CONNECT_RETRIES);
}

/* The same for a service that is known; `enabled` is the tunable fast_lane.enabled of its pool. */
static __always_inline int sl_flow_pool_of(__u32 lane, __u32 pool_slot, __u32 is_first,
					   __u64 enabled)
{
	struct sl_pool_state *pool;

	if (lane != SL_LANE_FAST)
		return -SL_COUNTER_PASS_SMART;
	if (!enabled)
		return -SL_COUNTER_PASS_DISABLED;
	if (pool_slot == 0 || pool_slot >= SL_POOLS_MAX)
		return -SL_COUNTER_DROP_NO_NODE;
	pool = sl_pool_at(pool_slot);
	if (!is_first && (!pool || pool->mode == SL_MODE_NAT))
		return -SL_COUNTER_DROP_NO_FLOW;
	return (int)pool_slot;
}

/*
 * A packet without a flow: which pool may begin one for it? `is_first` is 1 for a SYN or a
 * datagram, `bad` for a header that lies. Returns the pool's slot, or minus the counter of the
 * reason why the packet is passed or dropped; handover.service is the service, where there is one.
 */
__attribute__((noinline)) int sl_flow_pool(struct sl_flow_key *key, __u32 is_first, __u32 bad)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_service *service;

	if (!key || !room)
		return -SL_COUNTER_DROP_INTERNAL;
	service = sl_service_of(key);
	if (!service)
		return -SL_COUNTER_PASS_NOT_SERVICE;
	room->handover.service = service->index;
	if (bad)
		return -SL_COUNTER_DROP_MALFORMED;
	return sl_flow_pool_of(service->lane, service->pool, is_first,
			       SL_TUNABLE(service->pool, FAST_LANE));
}

#endif
