/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.h - where a flow of a direct-return pool may live: the same list on every host.
 *
 * In the direct-return modes a flow that moves to another balancer (ECMP) leaves its entry behind.
 * What is left to find its node are the flow's hash and tables that are equal everywhere:
 *
 *   chain    first and second candidate of the pool's table, then those of its tables before its
 *            last SL_OLD_TABLES changes (`maglev_old`), the newest first; present nodes only, none
 *            twice, at most SL_CHAIN_MAX
 *
 * A packet in mid-flow without an entry goes to the head of the chain. Each node that runs the node
 * role passes what it does not hold on to the next one of the chain, which is a ring: whoever was
 * asked first, all are asked, and each once. So a flow that its balancer gave to the second
 * candidate, because the first was loaded or open, is found again; and one that was opened before
 * the pool changed, as long as its node is still there. (The second chance is GitHub's GLB
 * director's; the former tables are ours.) As most changes move few flows, most chains are two long.
 *
 * How often a packet was passed on is written in its own hop limit, which no host needs any more but
 * to refuse what is spent: SL_CHAIN_MAX - 1 at the first pass, then one less each time. A packet
 * with 1 stays where it is. That holds without any state and in every mode (l2 has no other header
 * of ours), also when hosts disagree about the tables. A client whose packets arrive with a hop
 * limit below SL_CHAIN_MAX loses passes, nothing else.
 *
 * Not in the chain, and so lost when their balancer changes: flows that found both candidates
 * refusing and went to a third node or another pool, and those that the pool has changed under more
 * than SL_OLD_TABLES times. A host that was restarted knows former tables no more.
 */
#ifndef SL_BPF_CHAIN_H
#define SL_BPF_CHAIN_H

#include "bpf/select.h"

/* May `node` hold flows of the pool? Draining ones may. */
static __always_inline bool chain_usable(const struct sl_node_state *node, __u32 pool, bool ip_v6)
{
	return (sl_breaker_load32(&node->admin) & SL_NODE_PRESENT) && node->pool == pool &&
	       sl_select_addressed(node, ip_v6);
}

static __always_inline void chain_add(struct sl_chain *chain, __u32 slot, __u32 pool, bool ip_v6)
{
	struct sl_node_state *node = sl_node_at(slot);
	__u32 count = chain->count, i;

	if (!slot || !node || !chain_usable(node, pool, ip_v6) || count >= SL_CHAIN_MAX)
		return;
#pragma unroll
	for (i = 0; i < SL_CHAIN_MAX; i++) {
		if (chain->slot[i] == slot)
			return;
	}
	chain->slot[count & (SL_CHAIN_MAX - 1)] = slot;
	chain->count = count + 1;
}

/*
 * Adds the two candidates of one table to room->chain: the pool's as it is, or as it was `ago`
 * changes ago. A function of its own, so that the verifier walks it once. Returns the chain's
 * length.
 */
__attribute__((noinline)) int sl_chain_pair(__u64 hash, __u32 pool_slot, __u32 ip_v6, __u32 ago)
{
	struct sl_pool_state *pool = sl_pool_at(pool_slot);
	struct sl_scratch *room = sl_scratch_row();
	struct sl_select in = {};
	__u32 first, second, was;

	if (!pool || !room)
		return 0;
	was = SL_LOAD(pool->generation) - ago;
	in.old = ago;
	in.table = ago ? sl_old_table(pool_slot, was) : pool_slot;
	in.size = ago ? SL_LOAD(pool->old_size[was & (SL_OLD_TABLES - 1)])
		      : SL_LOAD(pool->maglev_size);
	if (!in.size)
		return room->chain.count;
	first = sl_select_first(&in, hash);
	second = sl_select_second(&in, hash, first);
	chain_add(&room->chain, first, pool_slot, ip_v6);
	chain_add(&room->chain, second, pool_slot, ip_v6);
	return room->chain.count;
}

/*
 * Makes the chain of a flow with this hash, in room->chain. Returns its length, 0: the pool has no
 * node.
 */
static __always_inline int sl_chain_make(struct sl_scratch *room, __u64 hash, __u32 pool,
					 __u32 ip_v6)
{
	__u32 ago;

	__builtin_memset(&room->chain, 0, sizeof(room->chain));
	for (ago = 0; ago <= SL_OLD_TABLES; ago++)
		sl_chain_pair(hash, pool, ip_v6, ago);
	return room->chain.count;
}

/* Refuses the breaker new flows? */
static __always_inline bool chain_open(const struct sl_node_state *node)
{
	enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));

	return state == SL_BREAKER_OPEN || state == SL_BREAKER_HALF_OPEN ||
	       state == SL_BREAKER_FORCED_OPEN;
}

/*
 * The node that a balancer sends a packet to which no flow is known for; 0: the pool has none. The
 * second of the chain when the first is open, and so perhaps dead: what the first still holds
 * comes back to it along the ring.
 */
static __always_inline __u32 sl_chain_entry(struct sl_scratch *room, __u64 hash, __u32 pool,
					    __u32 ip_v6)
{
	struct sl_node_state *first, *second;

	if (!sl_chain_make(room, hash, pool, ip_v6))
		return 0;
	first = sl_node_at(room->chain.slot[0]);
	second = sl_node_at(room->chain.slot[1]);
	if (room->chain.count > 1 && first && second && chain_open(first) && !chain_open(second))
		return room->chain.slot[1];
	return room->chain.slot[0];
}

/* How often a packet with this hop limit was passed on. */
static __always_inline __u32 sl_chain_passes(__u32 hops)
{
	return hops && hops < SL_CHAIN_MAX ? SL_CHAIN_MAX - hops : 0;
}

/*
 * The node after `self` in room->chain for a packet that was passed on `passes` times; 0: all were
 * asked. Who is not in the chain has the head behind it.
 */
static __always_inline __u32 sl_chain_next(const struct sl_chain *chain, __u32 self, __u32 passes)
{
	__u32 count = chain->count, next = 0, i;

	if (!count || passes + 1 >= count)
		return 0;
#pragma unroll
	for (i = 0; i < SL_CHAIN_MAX; i++) {
		if (chain->slot[i] == self && i < count)
			next = i + 1 < count ? i + 1 : 0;
	}
	return chain->slot[next & (SL_CHAIN_MAX - 1)];
}

#endif
