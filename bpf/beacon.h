/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * beacon.h - the step CONTROL: load beacons of inference hosts (struct sl_beacon).
 *
 * UDP to settings.beacon_port at an address of this host is ours, whatever it holds: taken in or
 * counted, and dropped. What only passes through here on its way to another host is passed.
 *
 *   length, magic, version                                  else drop_beacon_unknown
 *   key id: one of the two in `beacon_keys`; tag            else drop_beacon_forged
 *   health and KV use within their range, a node of ours    else drop_beacon_unknown
 *   incarnation not less than the last; within one          else drop_beacon_replayed
 *   incarnation the sequence greater
 *   then its row in `loads`, seen_ns last                   drop_beacon
 *
 * The tag is SipHash-2-4 of the 64 bytes before it. It does not cover the packet's source address,
 * so where `addr` is zero that stands in its place before the tag is computed, here and at the
 * sender: a beacon that was caught cannot speak for another host.
 *
 * Replay. An incarnation is the sender's start in ns of wall time, so what was caught before a
 * restart of the sender is old after it. A sender whose clock was set back before its start is
 * refused until that time comes, or until this host's maps are made anew. Maps made anew know no
 * last sequence: the first beacon of a node may be an old one, until the next true one.
 *
 * Signals (beacon.signal). Each beacon that says SICK is a failure (beacon_sick), so at the default
 * of five in a row a node that is sick and serves nothing for five beacons is open. READY is no
 * success: what a node thinks of itself does not close its breaker, an answer to a client does.
 * BUSY and DRAINING are no outcome, they are load (node.h). Silence longer than beacon.stale_ms is
 * one failure (beacon_lost); it is noticed when the node is looked at for a choice, there is no
 * timer.
 */
#ifndef SL_BPF_BEACON_H
#define SL_BPF_BEACON_H

#include "bpf/lane.h"
#include "bpf/siphash.h"

#define SL_BEACON_TAGGED __builtin_offsetof(struct sl_beacon, tag)
SL_STATIC_ASSERT(SL_BEACON_TAGGED == SL_SIPHASH_WORDS_MAX * 8, "words of a beacon");

/* Is the destination an address of this host? The kernel forwards no packet to it then. */
static __always_inline bool beacon_is_ours(void *ctx, bool tc, struct sl_scratch *room,
					   const struct sl_packet *packet)
{
	long result;

	route_begin(ctx, tc, &room->fib, packet->ip_v6, &packet->key->src, &packet->key->dst);
	result = bpf_fib_lookup(ctx, &room->fib, sizeof(room->fib), 0);
	return result == BPF_FIB_LKUP_RET_NOT_FWDED || result == BPF_FIB_LKUP_RET_FWD_DISABLED;
}

/* Copies the payload into room->beacon. Returns false: it is not as long as a beacon. */
static __always_inline bool beacon_load(void *ctx, bool tc, struct sl_scratch *room,
					const struct sl_packet *packet)
{
	__u32 at = packet->l3_at + SL_UDP_HEADER + sl_ip_header_len(packet->ip_v6);

	if (!packet->udp || packet->udp->len != bpf_htons(SL_UDP_HEADER + sizeof(room->beacon)))
		return false;
	if (tc)
		return !bpf_skb_load_bytes(ctx, at, &room->beacon, sizeof(room->beacon));
	return !bpf_xdp_load_bytes(ctx, at, &room->beacon, sizeof(room->beacon));
}

static __always_inline struct sl_beacon_key *beacon_key_at(__u32 index)
{
	return bpf_map_lookup_elem(&beacon_keys, &index);
}

/* The active key of this id, or NULL. */
static __always_inline struct sl_beacon_key *beacon_key_of(__u32 id)
{
	struct sl_beacon_key *key;
	__u32 i;

	for (i = 0; i < SL_BEACON_KEYS_MAX; i++) {
		key = beacon_key_at(i);
		if (key && (key->key[0] | key->key[1]) && key->id == id)
			return key;
	}
	return NULL;
}

/* Is room->beacon from one who has a key? Zero `addr` has been replaced. */
__attribute__((noinline)) int sl_beacon_genuine(void)
{
	struct sl_scratch *room = sl_scratch_row();
	struct sl_beacon_key *key;
	__u64 secret[2];

	key = room ? beacon_key_of(bpf_ntohl(room->beacon.key_id)) : NULL;
	if (!key)
		return 0;
	secret[0] = key->key[0];
	secret[1] = key->key[1];
	return sl_siphash24((const __u64 *)&room->beacon, SL_SIPHASH_WORDS_MAX, secret) ==
	       bpf_be64_to_cpu(room->beacon.tag);
}

/* Is it newer than all before? Then it is the last one from now on. */
static __always_inline bool beacon_is_newer(struct sl_node_load *load, __u64 incarnation,
					    __u64 sequence)
{
	__u64 last = SL_LOAD(load->incarnation);
	__u64 last_sequence = SL_LOAD(load->sequence);

	if (incarnation < last || (incarnation == last && sequence <= last_sequence))
		return false;
	if (incarnation == last)
		return __sync_val_compare_and_swap(&load->sequence, last_sequence, sequence) ==
		       last_sequence;
	if (__sync_val_compare_and_swap(&load->incarnation, last, incarnation) != last)
		return false;
	SL_STORE(load->sequence, sequence);
	return true;
}

/* Writes what room->beacon says of the node in `slot`. Returns the counter of what became of it. */
__attribute__((noinline)) __u32 sl_beacon_accept(__u32 slot)
{
	struct sl_node_load *load = bpf_map_lookup_elem(&loads, &slot);
	struct sl_node_state *node = sl_node_at(slot);
	struct sl_scratch *room = sl_scratch_row();
	struct sl_beacon *beacon;

	if (!load || !node || !room || !(SL_LOAD(node->admin) & SL_NODE_PRESENT))
		return SL_COUNTER_DROP_BEACON_UNKNOWN;
	beacon = &room->beacon;
	if (!beacon_is_newer(load, bpf_be64_to_cpu(beacon->incarnation),
			     bpf_be64_to_cpu(beacon->sequence)))
		return SL_COUNTER_DROP_BEACON_REPLAYED;
	SL_STORE(load->slots, bpf_ntohl(beacon->slots));
	SL_STORE(load->running, bpf_ntohl(beacon->running));
	SL_STORE(load->waiting, bpf_ntohl(beacon->waiting));
	SL_STORE(load->kv_permille, bpf_ntohl(beacon->kv_permille));
	SL_STORE(load->health, beacon->health);
	SL_STORE(load->lost, 0);
	__sync_fetch_and_add(&load->accepted, 1);
	SL_STORE(load->seen_ns, sl_now());
	if (beacon->health == SL_HEALTH_SICK && SL_TUNABLE(node->pool, BEACON_SIGNAL))
		sl_node_report_packed(slot, node->incarnation,
				      sl_breaker_ticket(sl_breaker_load(&node->breaker), 0),
				      SL_OUTCOME_FAILURE << 8 | SL_SIGNAL_BEACON_SICK);
	return SL_COUNTER_DROP_BEACON;
}

/* Slot of the node that room->beacon speaks of; 0: none of ours. */
static __always_inline __u32 beacon_node(const struct sl_beacon *beacon)
{
	struct sl_endpoint endpoint = {};
	__u32 *slot;

	endpoint.addr = beacon->addr;
	endpoint.port = beacon->port;
	endpoint.proto = IPPROTO_TCP; /* whatever the node serves: see topology.h */
	slot = bpf_map_lookup_elem(&endpoints, &endpoint);
	return slot ? *slot : 0;
}

static __always_inline bool beacon_addr_missing(const struct sl_addr *addr)
{
	return !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

/* What becomes of a beacon: the counter of it. */
static __always_inline __u32 beacon_judge(void *ctx, bool tc, struct sl_scratch *room,
					  const struct sl_packet *packet)
{
	struct sl_beacon *beacon = &room->beacon;
	__u32 slot;

	if (!beacon_load(ctx, tc, room, packet) || beacon->magic != bpf_htonl(SL_BEACON_MAGIC) ||
	    beacon->version != SL_BEACON_VERSION)
		return SL_COUNTER_DROP_BEACON_UNKNOWN;
	if (beacon_addr_missing(&beacon->addr))
		beacon->addr = room->key.src;
	if (!sl_beacon_genuine())
		return SL_COUNTER_DROP_BEACON_FORGED;
	slot = beacon_node(beacon);
	if (!slot || beacon->health > SL_HEALTH_SICK ||
	    bpf_ntohl(beacon->kv_permille) > SL_BEACON_KV_MAX)
		return SL_COUNTER_DROP_BEACON_UNKNOWN;
	if (sl_chaos_on() && sl_chaos_loses(slot, SL_CHAOS_FROM_NODE))
		return SL_COUNTER_DROP_CHAOS;
	return sl_beacon_accept(slot);
}

static __always_inline int sl_control(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;

	if (!row || !room)
		return sl_hook_pass(tc);
	if (sl_parse_packet(ctx, tc, &cursor, &packet, &room->key) != SL_PARSE_UDP ||
	    !beacon_is_ours(ctx, tc, room, &packet))
		return sl_unforwarded(tc, row, SL_COUNTER_PASS_NOT_SERVICE);
	return sl_unforwarded(tc, row, beacon_judge(ctx, tc, room, &packet));
}

#endif
