/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.h - the flow table: places for flows, found by the client's side and by the node's side.
 *
 * `flows` is an array of sets of eight ways (abi.h). A flow lives in one of two sets, by two parts
 * of its hash: the first while that has room, else the second; way 0 of the first then carries the
 * overflow bit for good, so that a look for what is not there reads one line in most cases. At
 * its stated size (five ways of eight) about 1 flow in 8 lives in its second set, and about 1 in 500
 * finds both full.
 *
 *   way       -> claimed     sl_way_claim(): compare-and-swap to OPENING without a tag
 *   claimed   -> a flow      sl_table_publish(): the tag, after the row was written
 *   claimed   -> free        sl_table_release(): kind FREE, no tag
 *   a flow    -> claimed     as above: by its end (flow.h), by a move to another node, or by a new
 *                            flow that finds both sets full; see below
 * A claimed way belongs to the CPU that claimed it: nobody else changes it, but for the overflow
 * bit, and nobody else reads its row by the client's key. It is claimed for a moment only.
 *
 * Full. A place is taken, in this order: a free way; a flow that is silent for longer than its kind
 * may be (flow.syn_ms, flow.closing_ms, flow.idle_ms, flow.udp_ms of the pool that asks): counted
 * as expired; else the one that is silent longest among those that are opening, else closing, else
 * UDP, else open: counted as evicted. Of a set's handshakes one that is alone and younger than a
 * second does not count: two that begin at a time would else take the one place from each other. So a
 * flood of SYNs pushes out SYNs, and of the connections two in a set at most. A new flow always gets a
 * place, unless other CPUs win every race for one.
 *
 * A reader finds a flow by tag and whole key; it may meet a row that another CPU is about to
 * rewrite only when that flow was silent longest of sixteen.
 *
 * `ports` has twice as many sets (no port is to be looked for in vain where a place was
 * found): the eight source ports of a block (port / 8) towards one node share one,
 * each with a way of its own (port % 8), so that the ports a CPU hands out one after the other lie in
 * one line. An entry is also the reservation of its port. Blocks that meet in one set push each
 * other to another block, never out.
 *
 * In its set a flow takes the way that its hash names, if that is free: at the stated size two of
 * three flows are so at home, in a half empty table four of five.
 *
 * Lines touched: a packet to the node: way words, row. From the node: port set, row. A new flow:
 * way words, port set, row.
 */
#ifndef SL_BPF_TABLE_H
#define SL_BPF_TABLE_H

#include "bpf/hash.h"
#include "bpf/maps.h"
#include "bpf/parse.h"

#define SL_WAY_REFRESH	 256u
#define SL_WAY_TAG_SHIFT 16u
#define SL_WAY_OVERFLOW	 (1ull << 12)
#define SL_WAY_SEQUENCE	 0xfffull
#define SL_CLAIM_TRIES	 4

#define SL_TABLE_SPARED 2u   /* of so many young handshakes in a set the oldest may go */
#define SL_WAY_YOUNG	950u /* stamps, 1 s: then a client sends its SYN again */

#define SL_WAY_RANK_EXPIRED 5u
#define SL_WAY_LIMIT_MIN    900u /* stamps; no tunable goes below: most ways need not be asked */

static __always_inline __u32 sl_way_stamp(__u64 now_ns)
{
	return (__u32)(now_ns >> SL_WAY_STAMP_SHIFT);
}

/* The ms between a stamp and now; 0 when another CPU's clock was ahead. */
static __always_inline __u32 sl_way_age_ms(__u64 word, __u64 now_ns)
{
	__s32 stamps = (__s32)(sl_way_stamp(now_ns) - (__u32)(word >> 32));

	return stamps > 0 ? (__u32)(((__u64)stamps * 1074) >> 10) : 0;
}

static __always_inline __u32 sl_way_kind(__u64 word)
{
	return (__u32)(word >> SL_WAY_KIND_SHIFT) & 7u;
}

static __always_inline __u32 sl_way_tag(__u64 word)
{
	return (__u32)(word >> SL_WAY_TAG_SHIFT) & 0xffffu;
}

static __always_inline __u64 way_pack(__u32 stamp, __u32 tag, __u32 kind, __u64 old, __u32 step)
{
	return (__u64)stamp << 32 | (__u64)tag << SL_WAY_TAG_SHIFT |
	       (__u64)kind << SL_WAY_KIND_SHIFT | (old & SL_WAY_OVERFLOW) |
	       ((old + step) & SL_WAY_SEQUENCE);
}

static __always_inline __u64 sl_key_hash(const struct sl_flow_key *key, __u64 seed)
{
	return sl_hash_tuple(key->src.w, key->dst.w, (__u32)key->sport << 16 | key->dport,
			     key->proto, seed);
}

static __always_inline __u32 hash_tag(__u64 hash)
{
	__u32 tag = (__u32)hash & 0xffffu;

	return tag ? tag : 1;
}

static __always_inline __u32 hash_set(__u64 hash, __u32 sets)
{
	return sl_hash_scale((__u32)(hash >> 32), sets);
}

static __always_inline __u32 hash_second_set(__u64 hash, __u32 sets)
{
	return sl_hash_scale((__u32)(hash >> 8) * 0x9e3779b1u, sets);
}

/* Where in a set a flow lies when it has the choice. */
static __always_inline __u32 hash_home(__u64 hash)
{
	return (__u32)(hash >> 16) & (SL_FLOW_WAYS - 1);
}

static __always_inline struct sl_flow_set *sl_set_at(__u32 number)
{
	return bpf_map_lookup_elem(&flows, &number);
}

/* The row of an index; the caller knows the flow is there. */
static __always_inline struct sl_flow *sl_flow_at(__u32 index)
{
	struct sl_flow_set *set = sl_set_at(index / SL_FLOW_WAYS);

	return set ? &set->flow[index % SL_FLOW_WAYS] : NULL;
}

static __always_inline __u64 *sl_way_at(__u32 index)
{
	struct sl_flow_set *set = sl_set_at(index / SL_FLOW_WAYS);

	return set ? &set->way[index % SL_FLOW_WAYS] : NULL;
}

static __always_inline bool addr_equal(const struct sl_addr *a, const struct sl_addr *b)
{
	return !((a->w[3] ^ b->w[3]) | (a->w[2] ^ b->w[2]) | (a->w[1] ^ b->w[1]) |
		 (a->w[0] ^ b->w[0]));
}

static __always_inline bool flow_is(const struct sl_flow *flow, const struct sl_flow_key *key)
{
	return flow->client_port == key->sport && flow->vip_port == key->dport &&
	       flow->proto == key->proto && addr_equal(&flow->client, &key->src) &&
	       addr_equal(&flow->vip, &key->dst);
}

/* Index + 1 of the flow with this key in one set, or 0. */
static __always_inline __u32 find_in(__u32 number, __u64 hash, const struct sl_flow_key *key,
				     __u64 *ret_first)
{
	struct sl_flow_set *set = sl_set_at(number);
	__u32 tag = hash_tag(hash), way;

	if (!set)
		return 0;
	*ret_first = SL_LOAD(set->way[0]);
#pragma unroll
	for (way = 0; way < SL_FLOW_WAYS; way++) {
		if (sl_way_tag(SL_LOAD(set->way[way])) == tag && flow_is(&set->flow[way], key))
			return number * SL_FLOW_WAYS + way + 1;
	}
	return 0;
}

/*
 * The flow with this key, where most are. The row is read while the way's word is still on its way
 * from memory, for the CPU foretells the answer. Returns its index + 1, or 0: ask sl_table_find().
 */
static __always_inline __u32 sl_table_home(const struct sl_flow_key *key, __u64 hash, __u32 sets)
{
	__u32 number = hash_set(hash, sets), way = hash_home(hash);
	struct sl_flow_set *set = sl_set_at(number);

	if (!set || sl_way_tag(SL_LOAD(set->way[way])) != hash_tag(hash) ||
	    !flow_is(&set->flow[way], key))
		return 0;
	return number * SL_FLOW_WAYS + way + 1;
}

/*
 * Is it plain from the first set's words alone that there is no flow with this hash? No branch for
 * each way, and no call.
 */
static __always_inline bool sl_table_lacks(__u64 hash, __u32 sets)
{
	struct sl_flow_set *set = sl_set_at(hash_set(hash, sets));
	__u64 tag = hash_tag(hash), same = 0;
	__u32 way;

	if (!set)
		return true;
#pragma unroll
	for (way = 0; way < SL_FLOW_WAYS; way++)
		same |= (sl_way_tag(SL_LOAD(set->way[way])) ^ tag) - 1; /* negative where equal */
	return !(same >> 63) && !(SL_LOAD(set->way[0]) & SL_WAY_OVERFLOW);
}

/*
 * The flow with this key, as the client's packets carry it. Returns its index + 1, or 0. A function
 * of its own: the verifier walks what follows once, not once for each way.
 */
__attribute__((noinline)) __u32 sl_table_find(struct sl_flow_key *key, __u64 hash, __u32 sets)
{
	__u64 first = 0;
	__u32 found;

	if (!key)
		return 0;
	found = find_in(hash_set(hash, sets), hash, key, &first);
	if (found || !(first & SL_WAY_OVERFLOW))
		return found;
	return find_in(hash_second_set(hash, sets), hash, key, &first);
}

/* ---- places -------------------------------------------------------------------------------- */

/* How long a flow of a kind may be silent, in stamps. Walked once, not once for each way. */
__attribute__((noinline)) __u32 sl_table_limit(__u32 pool, __u32 kind)
{
	__u64 limit_ms = kind == SL_WAY_OPENING	  ? SL_TUNABLE(pool, FLOW_SYN_MS)
			 : kind == SL_WAY_CLOSING ? SL_TUNABLE(pool, FLOW_CLOSING_MS)
			 : kind == SL_WAY_UDP	  ? SL_TUNABLE(pool, FLOW_UDP_MS)
						  : SL_TUNABLE(pool, FLOW_IDLE_MS);

	return (__u32)(limit_ms - limit_ms / 22); /* 1 ms is 0.954 stamps */
}

static __always_inline bool way_expired(__u64 word, __u32 stamp, __u32 pool)
{
	__u32 age = stamp - (__u32)(word >> 32);

	return (__s32)age > (__s32)SL_WAY_LIMIT_MIN &&
	       age > sl_table_limit(pool, sl_way_kind(word));
}

/*
 * Which goes first; higher goes first. The age decides among equals. 0: claimed, not to be had. A
 * function of its own: walked for each way in turn, its branches cost the verifier 740 k
 * instructions.
 */
__attribute__((noinline)) __u64 sl_way_badness(__u64 word, __u32 stamp, __u32 pool)
{
	__u32 kind = sl_way_kind(word);
	__u32 age = stamp - (__u32)(word >> 32);
	__u64 rank = kind == SL_WAY_OPENING   ? 4
		     : kind == SL_WAY_CLOSING ? 3
		     : kind == SL_WAY_UDP     ? 2
					      : 1;

	if (!sl_way_tag(word))
		return 0;
	if (way_expired(word, stamp, pool))
		rank = SL_WAY_RANK_EXPIRED;
	return rank << 32 | ((__s32)age < 0 ? 0 : age);
}

/* A free way of the set, `way` if it is: index + 1, or 0. */
static __always_inline __u32 free_in(__u32 number, __u32 way)
{
	struct sl_flow_set *set = sl_set_at(number);

	if (!set)
		return 0;
	if (sl_way_kind(SL_LOAD(set->way[way])) == SL_WAY_FREE)
		return number * SL_FLOW_WAYS + way + 1;
#pragma unroll
	for (way = 0; way < SL_FLOW_WAYS; way++) {
		if (sl_way_kind(SL_LOAD(set->way[way])) == SL_WAY_FREE)
			return number * SL_FLOW_WAYS + way + 1;
	}
	return 0;
}

/*
 * The way of a full set that may go first: its badness << 3 | way. Badness 0: none. One handshake of
 * the set that is young is spared while it is alone: beyond it the client may have what it needs to
 * believe it is connected, and would wait for ever. Without branches, which would be walked in 256 ways.
 */
__attribute__((noinline)) __u64 sl_table_worst(__u32 number, __u32 stamp, __u32 pool)
{
	struct sl_flow_set *set = sl_set_at(number);
	__u64 opening = 0, other = 0, count = 0;
	__u32 way;

	if (!set)
		return 0;
	for (way = 0; way < SL_FLOW_WAYS; way++) {
		__u64 bad = sl_way_badness(SL_LOAD(set->way[way]), stamp, pool) << 3 | way;
		__u64 rank = bad >> 35, is_opening = rank >> 2 & ~rank & 1; /* 4, of 0 to 5 */
		__u64 here = bad & -is_opening, there = bad & (is_opening - 1);

		count += is_opening;
		opening = here > opening ? here : opening;
		other = there > other ? there : other;
	}
	if (count < SL_TABLE_SPARED && other >> 3 && (__u32)(opening >> 3) < SL_WAY_YOUNG)
		opening = 0;
	return other > opening ? other : opening;
}

/*
 * Takes a way that was seen free or with a flow as `old` says. Returns false when it has changed
 * since, or somebody else has it.
 */
static __always_inline bool sl_way_claim(__u64 *way, __u64 old, __u32 stamp)
{
	if (sl_way_kind(old) != SL_WAY_FREE && !sl_way_tag(old))
		return false;
	return __sync_val_compare_and_swap(way, old, way_pack(stamp, 0, SL_WAY_OPENING, old, 1)) ==
	       old;
}

/*
 * What a claimed way becomes. The overflow bit may come in between, once and for good: a second
 * attempt succeeds.
 */
static __always_inline void claimed_set(__u64 *way, __u32 stamp, __u32 tag, __u32 kind)
{
	int tries;

	for (tries = 0; tries < SL_CLAIM_TRIES; tries++) {
		__u64 old = SL_LOAD(*way);

		if (__sync_val_compare_and_swap(way, old, way_pack(stamp, tag, kind, old, 0)) ==
		    old)
			return;
	}
}

static __always_inline void set_overflow(__u32 number)
{
	struct sl_flow_set *set = sl_set_at(number);

	if (set && !(SL_LOAD(set->way[0]) & SL_WAY_OVERFLOW))
		__sync_fetch_and_or(&set->way[0], SL_WAY_OVERFLOW);
}

/*
 * Which way to take: index + 1. With both sets full the worse of the two worst; an expired one of
 * the first set is preferred. 0: all of both sets are claimed.
 */
static __always_inline __u32 claim_choose(__u64 hash, __u32 sets, __u32 stamp, __u32 pool)
{
	__u32 first = hash_set(hash, sets), second = hash_second_set(hash, sets);
	__u32 home = hash_home(hash), found = free_in(first, home);
	__u64 worst_first, worst_second;

	if (found)
		return found;
	worst_first = sl_table_worst(first, stamp, pool);
	if (worst_first >> 35 == SL_WAY_RANK_EXPIRED)
		return first * SL_FLOW_WAYS + (worst_first & 7) + 1;
	set_overflow(first);
	found = free_in(second, home);
	if (found)
		return found;
	worst_second = sl_table_worst(second, stamp, pool);
	if (worst_second >> 3 > worst_first >> 3)
		return second * SL_FLOW_WAYS + (worst_second & 7) + 1;
	return worst_first >> 3 ? first * SL_FLOW_WAYS + (worst_first & 7) + 1 : 0;
}

/* Shows the row of a claimed way, which the caller has filled. */
static __always_inline void sl_table_publish(__u32 index, __u64 hash, __u32 kind, __u32 stamp)
{
	__u64 *way = sl_way_at(index);

	if (way)
		claimed_set(way, stamp, hash_tag(hash), kind);
}

/* Frees a claimed way. */
static __always_inline void sl_table_release(__u32 index)
{
	__u64 *way = sl_way_at(index);

	if (way)
		claimed_set(way, 0, 0, SL_WAY_FREE);
}

/* Changes kind and stamp of a flow's way, unless it has changed meanwhile. */
static __always_inline void sl_way_set(__u64 *way, __u32 kind, __u32 stamp)
{
	__u64 old = SL_LOAD(*way);

	if (sl_way_tag(old))
		__sync_val_compare_and_swap(way, old,
					    way_pack(stamp, sl_way_tag(old), kind, old, 0));
}

/* Where the SYN of the flow at `index` is kept, see retry.h. */
static __always_inline struct sl_syn *syn_at(__u32 index)
{
	struct sl_settings *config = sl_settings_row();
	__u32 at;

	if (!config || !config->syn_count)
		return NULL;
	at = index % config->syn_count;
	return bpf_map_lookup_elem(&syns, &at);
}

/* ---- the node's side ----------------------------------------------------------------------- */

#define SL_PORT_BLOCK 8u /* ports that share a set: as many as it has ways */

/* What a packet of the node carries, but for the place of the port in its block. */
static __always_inline __u64 answer_hash(const struct sl_addr *node, const struct sl_addr *own,
					 __be16 node_port, __be16 own_port, __u8 proto, __u64 seed)
{
	__be16 block = own_port & ~bpf_htons(SL_PORT_BLOCK - 1);

	return sl_hash_tuple(node->w, own->w, (__u32)node_port << 16 | block, proto, seed);
}

static __always_inline __u64 *port_way(__u64 hash, __be16 own_port, __u32 sets)
{
	__u32 number = hash_set(hash, SL_PORT_SETS(sets));
	struct sl_port_set *set = bpf_map_lookup_elem(&ports, &number);

	return set ? &set->way[bpf_ntohs(own_port) % SL_PORT_BLOCK] : NULL;
}

/* Index + 1 of the flow (mode nat) whose node sends packets with this key, or 0. */
static __always_inline __u32 sl_answer_find(const struct sl_flow_key *key, __u64 seed, __u32 sets)
{
	struct sl_node_state *node;
	struct sl_flow *flow;
	__u64 hash, word;
	__u64 *way;

	if (!key)
		return 0;
	hash = answer_hash(&key->src, &key->dst, key->sport, key->dport, key->proto, seed);
	way = port_way(hash, key->dport, sets);
	word = way ? SL_LOAD(*way) : 0;
	if (!word || word >> 32 != (__u32)hash)
		return 0;
	flow = sl_flow_at((__u32)word - 1);
	if (!flow || flow->nat_port != key->dport || flow->proto != key->proto)
		return 0;
	node = sl_node_at(flow->conn.node);
	if (!node || node->endpoint.port != key->sport ||
	    !addr_equal(&node->endpoint.addr, &key->src))
		return 0;
	return (__u32)word;
}

/*
 * Reserves a port for the flow at `index`: the first free one of the ways `first` to `last` of the
 * block whose answers have this hash. Eight looks for one line. Returns the way + 1, or 0: none.
 */
__attribute__((noinline)) int sl_ports_reserve(__u64 hash, __u32 first, __u32 last, __u32 index,
					       __u32 sets)
{
	__u32 number = hash_set(hash, SL_PORT_SETS(sets)), way;
	struct sl_port_set *set = bpf_map_lookup_elem(&ports, &number);
	__u64 word = hash << 32 | (index + 1);

	if (!set)
		return 0;
	for (way = 0; way < SL_PORT_BLOCK; way++) {
		if (way < first || way > last || SL_LOAD(set->way[way]))
			continue;
		if (__sync_val_compare_and_swap(&set->way[way], 0, word) == 0)
			return (int)way + 1;
	}
	return 0;
}

/* Gives a port back, if it is that of the flow at `index`. Always returns 0. */
__attribute__((noinline)) int sl_ports_release(__u64 hash, __u32 port, __u32 index, __u32 sets)
{
	__u64 *way = port_way(hash, port, sets);

	if (way)
		__sync_val_compare_and_swap(way, hash << 32 | (index + 1), 0);
	return 0;
}

#endif
