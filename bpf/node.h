/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.h - what the packet path tells a node's row, and what it asks its breaker.
 *
 * Load (waiting, flows, bytes) is added atomically: CPUs share the row. Moving averages are stored
 * without a lock: a sample lost to a race is a sample. The breaker is asked and told here only; a
 * change of its state becomes an event. Functions that the verifier should walk once, and that
 * need stack of their own, are not inlined; they take slots instead of pointers.
 *
 * `waiting` counts what sent bytes and got none back. Whoever turns sl_conn.request_ns from 0
 * raises it, whoever turns it back lowers it, both by atomic exchange, so it cannot drift. A
 * connection that the LRU map evicts while it waits is the exception; a node that was sent nothing
 * for SL_NODE_QUIET_MS starts from 0 again, and lowering stops at 0.
 */
#ifndef SL_BPF_NODE_H
#define SL_BPF_NODE_H

#include "bpf/maps.h"

#define SL_NODE_QUIET_MS  60000ull
#define SL_NODE_LOAD_FULL 1000000u /* above any number of flows in flight that still is useful */
#define SL_NODE_KV_FULL	  950u	   /* of 1000 */

static __always_inline void sl_breaker_config_read(struct sl_breaker_config *config, __u32 pool)
{
	config->consecutive = SL_TUNABLE(pool, BREAKER_CONSECUTIVE);
	config->failure_percent = SL_TUNABLE(pool, BREAKER_RATIO);
	config->volume = SL_TUNABLE(pool, BREAKER_VOLUME);
	config->slow_percent = SL_TUNABLE(pool, BREAKER_SLOW_PERCENT);
	config->open_ms = SL_TUNABLE(pool, BREAKER_OPEN_MS);
	config->open_max_ms = SL_TUNABLE(pool, BREAKER_OPEN_MAX_MS);
	config->probe_ms = SL_TUNABLE(pool, BREAKER_PROBE_MS);
	config->successes = SL_TUNABLE(pool, BREAKER_SUCCESSES);
	config->eject_percent = SL_TUNABLE(pool, BREAKER_EJECT_PERCENT);
	config->metrics_only = SL_TUNABLE(pool, BREAKER_MODE);
}

static __always_inline void event_emit(struct sl_event *event, __u64 now_ns)
{
	event->time_ns = now_ns;
	event->plane = SL_PLANE_KERNEL;
	if (bpf_ringbuf_output(&events, event, sizeof(*event), 0))
		sl_count(SL_COUNTER_EVENT_LOST);
}

/* Turns what a breaker call changed into an event. */
static __always_inline void change_emit(struct sl_scratch *room, const struct sl_node_state *node,
					__u32 slot, __u64 now_ns)
{
	const struct sl_breaker_change *change = &room->change;
	struct sl_event *event = &room->event;

	if (change->lost)
		sl_count(SL_COUNTER_CAS_LOST);
	if (!change->changed && !change->cap_denied)
		return;
	__builtin_memset(event, 0, sizeof(*event));
	event->node = slot;
	event->pool = node->pool;
	event->incarnation = node->incarnation;
	event->consecutive = change->consecutive;
	event->generation = change->generation;
	event->kind = change->changed ? SL_EVENT_TRANSITION : SL_EVENT_CAP_DENIED;
	event->from = change->from;
	event->to = change->to;
	event->signal = change->signal;
	event_emit(event, now_ns);
}

/* A new flow of `pool` found no node. */
static __always_inline void sl_node_none_emit(__u32 pool, __u64 now_ns)
{
	struct sl_scratch *room = sl_scratch_row();

	if (!room)
		return;
	__builtin_memset(&room->event, 0, sizeof(room->event));
	room->event.pool = pool;
	room->event.kind = SL_EVENT_NO_NODE;
	event_emit(&room->event, now_ns);
}

/*
 * The gate of a breaker that is not closed; room->config is filled. Returns enum sl_breaker_verdict
 * and the ticket << 2, which is valid with every verdict.
 */
__attribute__((noinline)) __u32 sl_node_admit_slow(__u32 slot)
{
	struct sl_node_state *node = sl_node_at(slot);
	struct sl_scratch *room = sl_scratch_row();
	enum sl_breaker_verdict verdict;
	struct sl_pool_state *pool;
	__u32 ticket = 0;
	__u64 now_ns;

	if (!node || !room)
		return SL_BREAKER_REFUSE;
	pool = sl_pool_at(node->pool);
	if (!pool)
		return SL_BREAKER_REFUSE;
	now_ns = sl_now();
	verdict = sl_breaker_admit(node, pool, &room->config, now_ns / SL_NS_PER_MS,
				   bpf_get_prandom_u32(), &ticket, &room->change);
	change_emit(room, node, slot, now_ns);
	return verdict | ticket << 2;
}

/*
 * The gate for a new flow to the node in `slot`. A closed breaker is one load; only the others need
 * the tunables, which are read here so that no frame for it lies under the breaker's.
 */
static __always_inline enum sl_breaker_verdict sl_node_admit(const struct sl_node_state *node,
							     __u32 slot, struct sl_scratch *room,
							     __u32 *ret_ticket)
{
	__u64 word = sl_breaker_load(&node->breaker);
	__u32 answer;

	if (sl_breaker_state(word) == SL_BREAKER_CLOSED) {
		*ret_ticket = sl_breaker_ticket(word, 0);
		return SL_BREAKER_ADMIT;
	}
	sl_breaker_config_read(&room->config, node->pool);
	answer = sl_node_admit_slow(slot);
	*ret_ticket = answer >> 2;
	return answer & 3;
}

/*
 * What the breaker of a node needs to know to be told `what` (outcome << 8 | signal): fills
 * room->config. Returns 1, or 0 when there is nothing more to tell. A success of a closed breaker
 * asks for nothing but the mode, a neutral outcome for nothing at all: that is what most are.
 */
__attribute__((noinline)) int sl_node_report_begin(__u32 slot, __u32 incarnation, __u32 ticket,
						   __u32 what)
{
	struct sl_node_state *node = sl_node_at(slot);
	struct sl_scratch *room = sl_scratch_row();
	__u64 word;

	if (!node || !room)
		return 0;
	if ((__u16)node->incarnation != (__u16)incarnation) {
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
		return 0;
	}
	word = sl_breaker_load(&node->breaker);
	if (sl_breaker_generation(word) != ticket >> 1)
		sl_count(SL_COUNTER_SIGNAL_IGNORED);
	if (what >> 8 == SL_OUTCOME_NEUTRAL && !(ticket & 1)) {
		sl_breaker_count(node, what & 0xff);
		return 0;
	}
	if (what >> 8 == SL_OUTCOME_SUCCESS && sl_breaker_state(word) == SL_BREAKER_CLOSED &&
	    !(ticket & 1))
		room->config.metrics_only = SL_TUNABLE(node->pool, BREAKER_MODE);
	else
		sl_breaker_config_read(&room->config, node->pool);
	return 1;
}

/* Tells it; after sl_node_report_begin(), whose frame would else lie under this one. Returns 0. */
__attribute__((noinline)) int sl_node_report_end(__u32 slot, __u32 ticket, __u32 what)
{
	struct sl_node_state *node = sl_node_at(slot);
	struct sl_scratch *room = sl_scratch_row();
	struct sl_pool_state *pool;
	__u64 now_ns;

	if (!node || !room)
		return 0;
	pool = sl_pool_at(node->pool);
	if (!pool)
		return 0;
	now_ns = sl_now();
	sl_breaker_report(node, pool, &room->config, now_ns / SL_NS_PER_MS, bpf_get_prandom_u32(),
			  ticket, what >> 8, what & 0xff, SL_PLANE_KERNEL, &room->change);
	change_emit(room, node, slot, now_ns);
	return 0;
}

/*
 * Tells the breaker one outcome of a connection that began with `ticket` when the slot had this
 * `incarnation`. `what` is outcome << 8 | signal.
 */
static __always_inline void sl_node_report_packed(__u32 slot, __u32 incarnation, __u32 ticket,
						  __u32 what)
{
	if (sl_node_report_begin(slot, incarnation, ticket, what))
		sl_node_report_end(slot, ticket, what);
}

/* ---- load ---------------------------------------------------------------------------------- */

/*
 * What the node's beacon adds to the load that is counted here; see beacon.h. A beacon that has
 * become old says nothing; the first one to notice leaves the slot in room->choice.lost.
 */
static __always_inline __u64 load_with_beacon(const struct sl_node_state *node, __u32 slot,
					      struct sl_node_load *beacon, __u64 load, __u64 now_ns)
{
	__u64 told, seen_ns = SL_LOAD(beacon->seen_ns);
	struct sl_scratch *room;

	if (!seen_ns)
		return load;
	/* Signed: another CPU may have written it after our clock was read. */
	if ((__s64)(now_ns - seen_ns) >=
	    (__s64)(SL_TUNABLE(node->pool, BEACON_STALE_MS) * SL_NS_PER_MS)) {
		room = SL_LOAD(beacon->lost) ? NULL : sl_scratch_row();
		if (room)
			room->choice.lost = slot;
		return load;
	}
	told = (__u64)SL_LOAD(beacon->running) + SL_LOAD(beacon->waiting);
	if (told > load)
		load = told;
	if (SL_LOAD(beacon->health) > SL_HEALTH_READY ||
	    SL_LOAD(beacon->kv_permille) >= SL_NODE_KV_FULL)
		load += SL_NODE_LOAD_FULL;
	return load;
}

/*
 * How much the node in `slot` has to do: the larger of what is counted here (waiting and living
 * flows) and what its beacon said, while that is fresh. A node that says it is busy, or whose KV
 * cache is nearly full, counts as SL_NODE_LOAD_FULL more. A function of its own: inlined, the branch
 * for each epoch multiplies through the walks of balance.h beyond what 6.1 verifies.
 */
__attribute__((noinline)) __u32 sl_node_load(__u32 slot)
{
	struct sl_node_load *beacon = bpf_map_lookup_elem(&loads, &slot);
	struct sl_node_state *node = sl_node_at(slot);
	__u64 now_ns = sl_now();
	__u64 load;

	if (!node)
		return 0;
	load = SL_LOAD(node->waiting) + sl_epoch_sum(node->flow_epochs, now_ns);
	if (beacon)
		load = load_with_beacon(node, slot, beacon, load, now_ns);
	return load < 0x7fffffff ? load : 0x7fffffff;
}

/*
 * The beacons of the node in `slot` have stopped: a failure, once, until one arrives again. Reported
 * with a ticket of the present generation: it says what is known now. Always returns 0.
 */
__attribute__((noinline)) int sl_node_beacon_lost(__u32 slot)
{
	struct sl_node_load *beacon = bpf_map_lookup_elem(&loads, &slot);
	struct sl_node_state *node = sl_node_at(slot);

	if (!beacon || !node || __sync_val_compare_and_swap(&beacon->lost, 0, 1) != 0)
		return 0;
	if (SL_TUNABLE(node->pool, BEACON_SIGNAL))
		sl_node_report_packed(slot, node->incarnation,
				      sl_breaker_ticket(sl_breaker_load(&node->breaker), 0),
				      SL_OUTCOME_FAILURE << 8 | SL_SIGNAL_BEACON_LOST);
	return 0;
}

/*
 * Takes a flow out of the epoch of its old mark, and with `again` into the present one, of its node
 * and of its node's pool. Returns the new mark, 0 for none.
 */
__attribute__((noinline)) __u32 sl_node_flow_move(__u32 slot, __u32 incarnation, __u32 old_mark,
						  __u32 again)
{
	struct sl_node_state *node = sl_node_at(slot);
	__u64 now_ns = sl_now();
	struct sl_pool_state *pool;

	if (!node || (__u16)node->incarnation != (__u16)incarnation)
		return 0;
	pool = sl_pool_at(node->pool);
	sl_epoch_sub(node->flow_epochs, old_mark);
	if (pool)
		sl_epoch_sub(pool->flow_epochs, old_mark);
	if (!again)
		return 0;
	sl_epoch_add(node->flow_epochs, now_ns);
	if (pool)
		sl_epoch_add(pool->flow_epochs, now_ns);
	return sl_flow_mark(now_ns);
}

static __always_inline void average_add(__u32 *average_us, __u64 sample_us)
{
	__s64 old_us = SL_LOAD(*average_us);
	__s64 sample = sample_us > 0xffffffff ? 0xffffffff : sample_us ? sample_us : 1;

	/* An arithmetic shift: BPF before v4 has no signed division. */
	SL_STORE(*average_us, (__u32)(old_us ? old_us + ((sample - old_us) >> 3) : sample));
}

/* The bucket of a time in us; see struct sl_node_latency. */
static __always_inline __u32 latency_bucket(__u64 us)
{
	__u32 value = us > 0xffffffff ? 0xffffffff : (__u32)us;
	__u32 shift = 0;

	if (value < SL_LATENCY_SUB)
		return value;
	/* The octave: the first three bits stay. Five halvings instead of a bit scan. */
	if (value >> 18)
		shift += 16;
	if (value >> (shift + 10))
		shift += 8;
	if (value >> (shift + 6))
		shift += 4;
	if (value >> (shift + 4))
		shift += 2;
	if (value >> (shift + 3))
		shift += 1;
	return (shift + 1) * SL_LATENCY_SUB + ((value >> shift) & (SL_LATENCY_SUB - 1));
}

/* Counts one time in a node's histogram; kind 0: connect, 1: first byte. Always returns 0. */
__attribute__((noinline)) int sl_node_latency_add(__u32 slot, __u32 kind, __u64 us)
{
	struct sl_node_latency *latency = bpf_map_lookup_elem(&latencies, &slot);
	__u32 bucket = latency_bucket(us);

	if (bucket >= SL_LATENCY_BUCKETS)
		bucket = SL_LATENCY_BUCKETS - 1;
	__asm__ volatile("" : "+r"(bucket));
	if (!latency || bucket >= SL_LATENCY_BUCKETS)
		return 0;
	__sync_fetch_and_add(kind ? &latency->first_byte[bucket] : &latency->connect[bucket], 1);
	return 0;
}

static __always_inline void sl_node_connected(struct sl_node_state *node, __u32 slot,
					      __u64 sample_us)
{
	average_add(&node->connect_us, sample_us);
	sl_node_latency_add(slot, 0, sample_us);
}

static __always_inline void sl_node_answered(struct sl_node_state *node, __u32 slot,
					     __u64 sample_us)
{
	average_add(&node->first_byte_us, sample_us);
	sl_node_latency_add(slot, 1, sample_us);
}

static __always_inline void sl_node_sent(struct sl_node_state *node, __u32 payload_len,
					 __u64 now_ns)
{
	SL_STORE(node->last_sent_ns, now_ns);
	__sync_fetch_and_add(&node->bytes_out, payload_len);
}

static __always_inline void sl_node_received(struct sl_node_state *node, __u32 payload_len,
					     __u64 now_ns)
{
	SL_STORE(node->last_byte_ns, now_ns);
	__sync_fetch_and_add(&node->bytes_in, payload_len);
}

/* Call before sl_node_sent() of the same packet. */
static __always_inline void sl_node_wait_begin(struct sl_node_state *node, __u64 now_ns)
{
	if (now_ns - SL_LOAD(node->last_sent_ns) > SL_NODE_QUIET_MS * SL_NS_PER_MS)
		SL_STORE(node->waiting, 0);
	__sync_fetch_and_add(&node->waiting, 1);
}

static __always_inline void sl_node_wait_end(struct sl_node_state *node)
{
	int tries;

	for (tries = 0; tries < SL_CAS_TRIES_MAX; tries++) {
		__u32 old = SL_LOAD(node->waiting);

		if (!old || __sync_val_compare_and_swap(&node->waiting, old, old - 1) == old)
			return;
	}
	sl_count(SL_COUNTER_CAS_LOST);
}

#endif
