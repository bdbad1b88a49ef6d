/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hop.h - next hops that the kernel named a moment ago.
 *
 * A lookup of route and neighbour costs more than all else that happens to a packet (measured: 150
 * of 290 ns), and gives the same answer for every packet of a flow until somebody changes a route.
 * So the answer is kept: towards a client with the flow, as the number of a row in `hops`; towards a
 * node with the node, as the number of a row and the link address beside it. Hosts have few next hops
 * towards clients, whatever the number of their flows, but each node of a segment is one of its own:
 * in rows they would be too many, and one line more for each packet.
 *
 *   row     a next hop; or a device, with a destination of 0, for the nodes behind it
 *           key: hash of all that the row says, 0: free, 1: being written
 *           written once under its key, so who reads a row by number reads one answer; a row that
 *           nobody has confirmed for SL_HOP_REUSE_NS may become another
 *   number  0: none is known; else the row
 *
 * How long it is believed. Once in SL_HOP_CHECK (134 to 268 ms) a packet that would use a row, or a
 * node's answer, asks the kernel again. The same answer confirms the row for all; another one makes
 * its flow go another way, and leaves the row to be confirmed by others, each of which asks for
 * itself: so a next hop that is gone or has another link address is left within that time. A route
 * that changes for a part of a row's destinations only is noticed by each flow when its own answer is
 * SL_HOP_STAMP (4.3 to 8.6 s) old.
 *
 * A node's answer is two words, and two CPUs may each win one of them: both are answers of that
 * moment.
 *
 * Kept answers do not see: rules by TOS or by the device of arrival, and several paths to one node
 * (the flows to it share one of them at a time; flows to clients keep one each). A flow that was
 * silent for 18 minutes or more meets its old stamp again in one case of 128, a node that was for
 * 2.4 hours in one of 32,768.
 * Full: when all rows where one may stand belong to others, its flows ask for every packet.
 */
#ifndef SL_BPF_HOP_H
#define SL_BPF_HOP_H

#include "bpf/hash.h"
#include "bpf/maps.h"

#define SL_HOP_STAMP	32u /* ns >> this: clock of a flow's answer */
#define SL_HOP_CHECK	27u /* ns >> this: clock of a row's confirmation */
#define SL_HOP_REUSE_NS (60000ull * SL_NS_PER_MS)
#define SL_HOP_TRIES	8
#define SL_HOP_WRITING	1ull

static __always_inline __u8 sl_hop_stamp(__u64 now_ns)
{
	return (__u8)(now_ns >> SL_HOP_STAMP);
}

/* The row of a number that was given out under `stamp`, or NULL: ask the kernel. */
static __always_inline struct sl_hop *sl_hop_get(__u8 number, __u8 stamp, __u64 now_ns)
{
	__u32 row = number;
	struct sl_hop *hop;

	if (!number || (__u8)(sl_hop_stamp(now_ns) - stamp) > 1)
		return NULL;
	hop = bpf_map_lookup_elem(&hops, &row);
	if (!hop || (now_ns >> SL_HOP_CHECK) - (SL_LOAD(hop->seen_ns) >> SL_HOP_CHECK) > 1)
		return NULL;
	return hop;
}

static __always_inline __u64 hop_key(const struct sl_hop *hop)
{
	const __u32 *macs = (const void *)hop->dmac; /* both addresses, 12 bytes */
	__u64 key = sl_hash_combine(hop->ifindex, (__u64)macs[0] << 32 | macs[1]);

	key = sl_hash_combine(key, (__u64)macs[2] << 32 | hop->mtu);
	return key > SL_HOP_WRITING ? key : key + 2;
}

/*
 * The number for room->fib, a successful answer of now, or with `device` for the part of it that all
 * next hops behind that device share. Finds its row or makes one; 0 when there is no room.
 */
__attribute__((noinline)) __u32 sl_hop_put(__u64 now_ns, __u32 device)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_hop fresh = {};
	__u64 key;
	int tries;

	if (!room)
		return 0;
	fresh.ifindex = room->fib.ifindex;
	fresh.mtu = room->fib.tot_len; /* mtu_result */
	if (!device)
		__builtin_memcpy(fresh.dmac, room->fib.dmac, sizeof(fresh.dmac));
	__builtin_memcpy(fresh.smac, room->fib.smac, sizeof(fresh.smac));
	key = hop_key(&fresh);
	for (tries = 0; tries < SL_HOP_TRIES; tries++) {
		__u32 number = ((__u32)key + tries) % (SL_HOPS_MAX - 1) + 1;
		struct sl_hop *hop = bpf_map_lookup_elem(&hops, &number);
		__u64 old;

		if (!hop)
			return 0;
		old = SL_LOAD(hop->key);
		if (old == key) {
			SL_STORE(hop->seen_ns, now_ns);
			return number;
		}
		if (old == SL_HOP_WRITING ||
		    (old && now_ns - SL_LOAD(hop->seen_ns) < SL_HOP_REUSE_NS))
			continue;
		if (__sync_val_compare_and_swap(&hop->key, old, SL_HOP_WRITING) != old)
			continue;
		hop->ifindex = fresh.ifindex;
		hop->mtu = fresh.mtu;
		__builtin_memcpy(hop->dmac, fresh.dmac, sizeof(hop->dmac));
		__builtin_memcpy(hop->smac, fresh.smac, sizeof(hop->smac));
		SL_STORE(hop->seen_ns, now_ns);
		__sync_lock_test_and_set(&hop->key, key);
		return number;
	}
	return 0;
}

/* What a kept answer says, in the words of a lookup. */
static __always_inline void sl_hop_fill(struct bpf_fib_lookup *fib, const struct sl_hop *hop)
{
	fib->ifindex = hop->ifindex;
	__builtin_memcpy(fib->dmac, hop->dmac, sizeof(fib->dmac));
	__builtin_memcpy(fib->smac, hop->smac, sizeof(fib->smac));
}

/* ---- towards nodes ------------------------------------------------------------------------- */

/* A link address in the upper 48 bits of a word, as its bytes lie in memory. */
static __always_inline __u64 hop_pack(const __u8 mac[6])
{
	__u32 low;
	__u16 high;

	__builtin_memcpy(&low, mac, sizeof(low));
	__builtin_memcpy(&high, mac + sizeof(low), sizeof(high));
	return (__u64)high << 48 | (__u64)low << 16;
}

static __always_inline void hop_unpack(__u8 ret_mac[6], __u64 word)
{
	__u32 low = (__u32)(word >> 16);
	__u16 high = (__u16)(word >> 48);

	__builtin_memcpy(ret_mac, &low, sizeof(low));
	__builtin_memcpy(ret_mac + sizeof(low), &high, sizeof(high));
}

static __always_inline __u16 node_stamp(__u64 now_ns)
{
	return (__u16)(now_ns >> SL_HOP_CHECK);
}

/*
 * Fills `fib` by what is kept of the way to the node, for a packet of `len` bytes. Returns false:
 * ask the kernel.
 */
static __always_inline bool sl_hop_to_node(struct bpf_fib_lookup *fib,
					   const struct sl_node_state *node, __u32 len,
					   __u64 now_ns)
{
	__u64 kept = SL_LOAD(node->hop);
	__u32 row = (__u32)kept & (SL_HOPS_MAX - 1);
	struct sl_hop *hop;

	if (!row || (__u16)(node_stamp(now_ns) - SL_LOAD(node->hop_stamp)) > 1)
		return false;
	hop = bpf_map_lookup_elem(&hops, &row);
	if (!hop || len > hop->mtu)
		return false;
	fib->ifindex = hop->ifindex;
	__builtin_memcpy(fib->smac, hop->smac, sizeof(fib->smac));
	hop_unpack(fib->dmac, kept);
	return true;
}

/* Keeps room->fib, a successful answer of now. */
static __always_inline void sl_hop_keep_node(struct sl_node_state *node,
					     const struct sl_scratch *room)
{
	SL_STORE(node->hop, hop_pack(room->fib.dmac) | sl_hop_put(room->now_ns, 1));
	SL_STORE(node->hop_stamp, node_stamp(room->now_ns));
}

#endif
