/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * balance.h - one node for one new flow.
 *
 *   1. two candidates from the Maglev table; the less loaded is asked first (power of two choices,
 *      Mitzenmacher 2001): node.h's load, by weight; equal: the one that is twice as fast, if any.
 *      A node in slow start is asked first only with the probability of its capacity.
 *   2. the load bound and the breaker of each are asked; a refusal is counted. The bound
 *      (pool.load_bound_percent): no node takes a new flow while its load is above that share of
 *      the pool's mean, by weight ("consistent hashing with bounded loads", Mirrokni et al. 2018);
 *      ejected nodes do not count among those who share it.
 *   3. both refuse: up to SL_CHOICES_MAX further entries of the table.
 *   4. none, and the bound alone refused some: the candidates again without the bound, then one that
 *      was refused by it alone. In the direct-return modes the candidates before 3: another balancer
 *      looks for the flow at its candidates only.
 *   5. all refuse: when the pool's share of nodes that are not ejected is below pool.panic_percent,
 *      the least bad of the same entries takes it (never draining, absent or forced open):
 *      fewest failures in a row, then least load.
 *   6. no node: the pool that this one spills into, once; else none.
 *
 * The two candidates depend on the flow and the table alone, so every host with the same table
 * finds the same two. The walk starts at the flow's entry but steps by chance, so that a repeated SYN
 * does not meet the same refusals again. A retry excludes the node that failed.
 */
#ifndef SL_BPF_BALANCE_H
#define SL_BPF_BALANCE_H

#include "bpf/node.h"
#include "bpf/select.h"

#define SL_AVERAGE_TRUST_NS (5000ull * SL_NS_PER_MS) /* averages of a silent node are old news */
#define SL_SLOWER_TIMES	    2			     /* nodes that differ by less share evenly */
#define SL_BOUND_MIN	    8u
#define SL_SPILLS_MAX	    2 /* pools asked for one flow, the first included */

static __always_inline struct sl_node_state *candidate(const struct sl_choice *choice, __u32 slot)
{
	struct sl_node_state *node = sl_node_at(slot);

	if (!slot || slot == choice->exclude || !node)
		return NULL;
	return sl_select_eligible(node, choice->pool, choice->ip_v6) ? node : NULL;
}

/*
 * How slow the node has been lately; 0 when that is not known any more, so that a node which nobody
 * asks, because it was slow once, is asked again.
 */
static __always_inline __u64 slowness_us(const struct sl_node_state *node, __u64 now_ns)
{
	if (now_ns - SL_LOAD(node->last_byte_ns) > SL_AVERAGE_TRUST_NS)
		return 0;
	return (__u64)SL_LOAD(node->first_byte_us) + SL_LOAD(node->connect_us);
}

/* sl_node_load(), without a call as long as no beacon of the node was ever heard. */
static __always_inline __u64 load_of(__u32 slot, const struct sl_node_state *node, __u64 now_ns)
{
	struct sl_node_load *beacon = bpf_map_lookup_elem(&loads, &slot);

	if (beacon && SL_LOAD(beacon->seen_ns))
		return sl_node_load(slot);
	return SL_LOAD(node->waiting) + sl_epoch_sum(node->flow_epochs, now_ns);
}

/* Is `a` less loaded than `b` for its weight? */
static __always_inline bool lighter(__u32 slot_a, const struct sl_node_state *a, __u32 slot_b,
				    const struct sl_node_state *b, __u64 now_ns)
{
	__u64 load_a = load_of(slot_a, a, now_ns) * b->weight;
	__u64 load_b = load_of(slot_b, b, now_ns) * a->weight;

	if (load_a != load_b)
		return load_a < load_b;
	return slowness_us(a, now_ns) * SL_SLOWER_TIMES < slowness_us(b, now_ns);
}

/* Does a node in slow start step back this time? */
static __always_inline bool steps_back(const struct sl_node_state *node, __u64 now_ms)
{
	__u64 recovered_ms = sl_breaker_load(&node->recovered_ms);
	__u32 percent;

	if (!recovered_ms || now_ms - recovered_ms >= SL_TUNABLE_MAX_SLOW_START_MS)
		return false;
	percent = sl_breaker_capacity_percent(node, SL_TUNABLE(node->pool, SLOW_START_MS), now_ms);
	return percent < 100 && sl_hash_scale(bpf_get_prandom_u32(), 100) >= percent;
}

/* Of two slots the one to ask first; 0 when neither may be asked. */
__attribute__((noinline)) int sl_balance_prefer(__u32 slot_a, __u32 slot_b)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *a, *b;
	bool prefer_b;

	if (!room)
		return 0;
	a = candidate(&room->choice, slot_a);
	b = slot_b == slot_a ? NULL : candidate(&room->choice, slot_b);
	if (!a || !b)
		return a ? slot_a : b ? slot_b : 0;
	prefer_b = lighter(slot_b, b, slot_a, a, room->choice.now_ns);
	if (steps_back(prefer_b ? b : a, room->choice.now_ns / SL_NS_PER_MS))
		prefer_b = !prefer_b;
	return prefer_b ? slot_b : slot_a;
}

#define SL_ASK_WALKING 1u /* look first whether it is worth asking; count no refusal */
#define SL_ASK_BOUND   2u /* the load bound counts */

/* The weights among which the pool's load is shared, as if ejected nodes had the mean weight. */
static __always_inline __u64 pool_shared(const struct sl_pool_state *pool)
{
	__u64 sum = SL_LOAD(pool->weight_sum);
	__u32 nodes = SL_LOAD(pool->node_count);
	__s32 ejected = (__s32)SL_LOAD(pool->ejected);

	if (ejected <= 0 || (__u32)ejected >= nodes)
		return sum;
	return sum * (nodes - (__u32)ejected) / nodes;
}

/*
 * Has the node more than its share of its pool's flows? Fewer than SL_BOUND_MIN are never too many:
 * with few flows the mean says little.
 */
static __always_inline bool balance_over(const struct sl_choice *choice,
					 const struct sl_node_state *node)
{
	__u64 own = sl_epoch_sum(node->flow_epochs, choice->now_ns), all;
	struct sl_pool_state *pool;

	if (choice->bound_percent < 100 || own < SL_BOUND_MIN)
		return false;
	pool = sl_pool_at(choice->pool);
	if (!pool)
		return false;
	all = sl_epoch_sum(pool->flow_epochs, choice->now_ns) + 1;
	return own * pool_shared(pool) * 100 > all * node->weight * choice->bound_percent;
}

/* What a candidate said, for the trace. */
static __always_inline void choice_note(struct sl_choice *choice, __u32 slot, __u8 verdict)
{
	if (slot == choice->candidate_a)
		choice->verdict_a = verdict;
	else if (slot == choice->candidate_b)
		choice->verdict_b = verdict;
}

/* Asks one node. Returns 1 when it takes the flow: ret_slot and ret_ticket are set. */
__attribute__((noinline)) int sl_balance_ask(__u32 slot, __u32 flags)
{
	struct sl_scratch *room = sl_scratch_row();
	enum sl_breaker_verdict verdict;
	struct sl_node_state *node;

	if (!room)
		return 0;
	node = candidate(&room->choice, slot);
	if (!node)
		return 0;
	if ((flags & SL_ASK_WALKING) &&
	    sl_breaker_peek(node, room->choice.now_ns / SL_NS_PER_MS) == SL_BREAKER_REFUSE)
		return 0;
	if ((flags & SL_ASK_BOUND) && balance_over(&room->choice, node)) {
		room->choice.bounded = slot;
		choice_note(&room->choice, slot, SL_TRACE_BOUNDED);
		sl_count(SL_COUNTER_GATE_BOUNDED);
		return 0;
	}
	verdict = sl_node_admit(node, slot, room, &room->choice.ret_ticket);
	choice_note(&room->choice, slot, sl_breaker_state(sl_breaker_load(&node->breaker)));
	if (verdict == SL_BREAKER_REFUSE) {
		sl_count(SL_COUNTER_GATE_REFUSED);
		return 0;
	}
	if (verdict == SL_BREAKER_ADMIT_PROBE)
		sl_count(SL_COUNTER_GATE_PROBE);
	room->choice.ret_slot = slot;
	return 1;
}

/*
 * The slot at one step of the walk: from the entry of the flow's hash on, by a stride of chance that
 * grows by `growth`, of chance too, at each step. With a stride that stays the same one flow in a
 * thousand met no entry of a node that had a fifth of them: Maglev places a node's entries by a
 * constant skip, and a stride near it walks past all of them. (Steps of the hash itself meet a
 * handful of entries, with a stride near a simple fraction of 2^32.)
 *
 * The first stride is `ahead` times the growth: step k lies growth * (k (k - 1) / 2 + k ahead) on.
 * The table's size is prime, so k and k' meet only where it divides k + k' + 2 ahead - 1, which for
 * the steps of a walk stays below it. With strides independent of each other up to half of the steps
 * met an entry again, and in a table of 251 one flow in 50,000 missed a fifth of the entries.
 */
static __always_inline __u32 walk_slot(const struct sl_choice *choice, __u32 step)
{
	__u32 size = choice->size;
	__u32 position = sl_hash_scale((__u32)choice->hash, size);
	__u32 ahead, growth;

	if (step && size > 2 * SL_CHOICES_MAX + 1) {
		ahead = 1 + (choice->stride & 0xffffu) % (size / 2 - SL_CHOICES_MAX);
		growth = 1 + (choice->stride >> 16) % (size - 1);
		position =
			(position + (__u64)growth * (step * (step - 1) / 2 + step * ahead)) % size;
	} else if (step && size) {
		position = (position + step) % size;
	}
	return sl_select_slot(choice->pool, position);
}

/* The same for room->choice: by itself, so that the verifier walks it once and not at every step. */
__attribute__((noinline)) __u32 sl_balance_step(__u32 step)
{
	struct sl_scratch *room = sl_scratch_row();

	return room ? walk_slot(&room->choice, step) : 0;
}

/* The two candidates of room->choice, which are all that most flows ask. */
static __always_inline void choose_pair(struct sl_choice *choice)
{
	struct sl_select in = {.table = choice->pool, .size = choice->size};

	choice->candidate_a = select_slot(in.table, sl_hash_scale((__u32)choice->hash, in.size));
	choice->candidate_b = select_slot(in.table, sl_hash_scale(choice->hash >> 32, in.size));
	if (choice->candidate_a == choice->candidate_b)
		choice->candidate_b = sl_select_second(&in, choice->hash, choice->candidate_a);
}

/* Of a node for room->choice: lower is less bad; ~0 may not be taken at all. */
__attribute__((noinline)) __u64 sl_balance_badness(__u32 slot)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *node;
	__u64 load;

	if (!room)
		return ~0ull;
	node = candidate(&room->choice, slot);
	if (!node || sl_breaker_state(sl_breaker_load(&node->breaker)) == SL_BREAKER_FORCED_OPEN)
		return ~0ull;
	load = sl_node_load(slot);
	return (__u64)SL_LOAD(node->consecutive) << 32 | (load < 0xfffffffe ? load : 0xfffffffe);
}

static __always_inline bool pool_in_panic(const struct sl_pool_state *pool, __u32 slot)
{
	__u32 node_count = SL_LOAD(pool->node_count);
	__u32 ejected = SL_LOAD(pool->ejected);

	return sl_pool_in_panic(ejected < node_count ? node_count - ejected : 0, node_count,
				SL_TUNABLE(slot, PANIC_PERCENT));
}

/* Step 4: the least bad. Returns 1 when there is one and the pool is in panic. */
__attribute__((noinline)) int sl_balance_panic(void)
{
	struct sl_scratch *room = sl_scratch_row();
	__u64 best_badness = ~0ull;
	struct sl_pool_state *pool;
	struct sl_node_state *node;
	__u32 best = 0;
	int i;

	if (!room)
		return 0;
	pool = sl_pool_at(room->choice.pool);
	if (!pool || !pool_in_panic(pool, room->choice.pool))
		return 0;
	for (i = 0; i < SL_CHOICES_MAX; i++) {
		__u32 slot = sl_balance_step(i);
		__u64 bad = sl_balance_badness(slot);

		if (bad < best_badness) {
			best_badness = bad;
			best = slot;
		}
	}
	node = best ? sl_node_at(best) : NULL;
	if (!node)
		return 0;
	/* Its refusal is what panic overrules; the flow's outcomes carry no probe. */
	room->choice.ret_ticket = sl_breaker_ticket(sl_breaker_load(&node->breaker), 0);
	room->choice.ret_slot = best;
	room->choice.panic = 1;
	__sync_fetch_and_add(&pool->panics, 1);
	sl_count(SL_COUNTER_GATE_PANIC);
	return 1;
}

/* Step 4. Returns 1 when one takes the flow. */
static __always_inline int ask_unbounded(const struct sl_scratch *room, __u32 first, __u32 other)
{
	return room->choice.bounded && first &&
	       (sl_balance_ask(first, 0) || (first != other && sl_balance_ask(other, 0)));
}

/* Steps 1 to 5 for room->choice.pool. */
__attribute__((noinline)) int sl_balance_pool(void)
{
	struct sl_scratch *room = sl_scratch_row();
	__u32 slot_a, slot_b, first, other;
	struct sl_pool_state *pool;
	int i;

	if (!room)
		return 0;
	pool = sl_pool_at(room->choice.pool);
	room->choice.bounded = 0;
	choose_pair(&room->choice);
	slot_a = room->choice.candidate_a;
	slot_b = room->choice.candidate_b;
	room->choice.verdict_a = SL_TRACE_NOT_ASKED;
	room->choice.verdict_b = SL_TRACE_NOT_ASKED;
	room->choice.panic = 0;
	first = sl_balance_prefer(slot_a, slot_b);
	other = first == slot_a ? slot_b : slot_a;
	if (first && sl_balance_ask(first, SL_ASK_BOUND))
		return 1;
	if (first && slot_a != slot_b && sl_balance_ask(other, SL_ASK_BOUND))
		return 1;
	if (pool && pool->mode != SL_MODE_NAT && ask_unbounded(room, first, other))
		return 1;
	room->choice.stride = bpf_get_prandom_u32();
	for (i = 1; i <= SL_CHOICES_MAX; i++) {
		__u32 slot = sl_balance_step(i);

		if (slot != slot_a && slot != slot_b &&
		    sl_balance_ask(slot, SL_ASK_WALKING | SL_ASK_BOUND))
			return 1;
	}
	if (ask_unbounded(room, first, other))
		return 1;
	if (room->choice.bounded && sl_balance_ask(room->choice.bounded, 0))
		return 1;
	return sl_balance_panic();
}

/* No node: counts it on the pool. Returns the pool to ask instead, 0 for none; the last one asks none. */
static __always_inline __u32 spill_to(struct sl_pool_state *pool, __u32 pool_slot, bool last)
{
	__u32 spill = SL_LOAD(pool->spill);

	if (last || !spill || spill >= SL_POOLS_MAX || !SL_TUNABLE(pool_slot, POOL_SPILL)) {
		__sync_fetch_and_add(&pool->no_node, 1);
		return 0;
	}
	__sync_fetch_and_add(&pool->spills, 1);
	sl_count(SL_COUNTER_GATE_SPILLED);
	return spill;
}

/*
 * Chooses a node for a new flow of this hash, in the pool in slot `pool_slot` or one that it spills
 * into, but not `exclude`. Returns 1 with room->choice.ret_slot and ret_ticket, or 0: no node, which
 * is counted on the pool and made an event.
 */
__attribute__((noinline)) int sl_balance_choose(__u64 hash, __u32 pool_slot, __u32 ip_v6,
						__u32 exclude)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_pool_state *pool;
	int tries;

	if (!room)
		return 0;
	room->choice.hash = hash;
	room->choice.now_ns = sl_now();
	room->choice.ip_v6 = ip_v6;
	room->choice.exclude = exclude;
	for (tries = 0; tries < SL_SPILLS_MAX; tries++) {
		pool = sl_pool_at(pool_slot);
		if (!pool)
			return 0;
		room->choice.pool = pool_slot;
		room->choice.spilled = tries > 0;
		room->choice.size = SL_LOAD(pool->maglev_size);
		room->choice.bound_percent = SL_TUNABLE_QUICK(pool_slot, LOAD_BOUND);
		if (sl_balance_pool())
			return 1;
		pool_slot = spill_to(pool, pool_slot, tries + 1 == SL_SPILLS_MAX);
		if (!pool_slot)
			break;
	}
	sl_node_none_emit(room->choice.pool, room->choice.now_ns);
	return 0;
}

/*
 * The node in `slot` takes a new flow of this hash, which belongs to what it does already: no breaker
 * is asked. Fills room->choice as sl_balance_choose() does. Returns 1, or 0 without such a node.
 */
__attribute__((noinline)) int sl_balance_keep(__u64 hash, __u32 pool_slot, __u32 slot)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_node_state *node = sl_node_at(slot);

	if (!room || !node)
		return 0;
	__builtin_memset(&room->choice, 0, sizeof(room->choice));
	room->choice.hash = hash;
	room->choice.now_ns = sl_now();
	room->choice.pool = pool_slot;
	room->choice.verdict_a = SL_TRACE_NOT_ASKED;
	room->choice.verdict_b = SL_TRACE_NOT_ASKED;
	room->choice.ret_ticket = sl_breaker_ticket(sl_breaker_load(&node->breaker), 0);
	room->choice.ret_slot = slot;
	return 1;
}

#endif
