/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_act.h - what experiments do to packets, and the steps CHAOS, ONWARD, CHAOS_IN, CHAOS_OUT.
 *
 * The sum of GARBLE's two words stays the same, and so do all three forms in which a kernel keeps the
 * checksum of a packet. CORRUPT changes the field too, because a packet whose sum is yet to be made
 * would be right again; between virtual devices nobody looks at it, unless transmit checksums are off.
 */
#ifndef SL_BPF_CHAOS_ACT_H
#define SL_BPF_CHAOS_ACT_H

#include "bpf/chaos.h"
#include "bpf/lag.h"
#include "bpf/lane.h"
#include "bpf/local.h"

#define SL_CHAOS_FLIP  0x0101 /* of a payload's word */
#define SL_CHAOS_WRONG 0x1000 /* of a checksum: no sum of the above makes up for it */

#define SL_TCPF_PSH 0x08
#define SL_TCPF_URG 0x20

/* ---- what is done to a packet -------------------------------------------------------------- */

static __always_inline long chaos_load(void *ctx, bool tc, __u32 at, void *bytes, __u32 len)
{
	return tc ? bpf_skb_load_bytes(ctx, at, bytes, len)
		  : bpf_xdp_load_bytes(ctx, at, bytes, len);
}

/* The kernel's own sum of the bytes follows. Pointers into the packet are void after it. */
static __always_inline long chaos_store(void *ctx, bool tc, __u32 at, void *bytes, __u32 len)
{
	return tc ? bpf_skb_store_bytes(ctx, at, bytes, len, BPF_F_RECOMPUTE_CSUM)
		  : bpf_xdp_store_bytes(ctx, at, bytes, len);
}

/* Where the packet's parts are, for the helpers above. */
struct chaos_place {
	__u32 l4_at;
	__u32 check_at;
	__u32 payload_at;
	__u32 payload_len;
};

static __always_inline struct chaos_place chaos_place_of(const struct sl_packet *packet)
{
	__u32 l4_at = packet->l3_at + sl_ip_header_len(packet->ip_v6);
	struct chaos_place place = {
		.l4_at = l4_at,
		.check_at = l4_at + (packet->tcp ? offsetof(struct tcphdr, check)
						 : offsetof(struct udphdr, check)),
		.payload_at = l4_at + (packet->tcp ? packet->tcp->doff * 4u : SL_UDP_HEADER),
		.payload_len = packet->payload_len,
	};

	return place;
}

/* Returns true when the packet is a RST now. */
static __always_inline bool chaos_reset(void *ctx, bool tc, const struct sl_packet *packet)
{
	struct chaos_place place = chaos_place_of(packet);
	__u8 flags = packet->flags;
	__be16 word[2] = {}; /* offset and flags, before and after */
	__u16 check;

	if (!packet->tcp || (flags & SL_TCPF_RST) || sl_packet_is_syn(packet) ||
	    chaos_load(ctx, tc, place.l4_at + 12, &word[0], sizeof(word[0])))
		return false;
	word[1] = (word[0] & ~bpf_htons(SL_TCPF_FIN | SL_TCPF_SYN | SL_TCPF_PSH | SL_TCPF_URG)) |
		  bpf_htons(SL_TCPF_RST);
	if (tc) /* both cancel out in the kernel's own sum of the bytes */
		return !bpf_skb_store_bytes(ctx, place.l4_at + 12, &word[1], sizeof(word[1]), 0) &&
		       !bpf_l4_csum_replace(ctx, place.check_at, word[0], word[1], sizeof(word[0]));
	if (chaos_load(ctx, tc, place.check_at, &check, sizeof(check)))
		return false;
	check = sl_csum_apply(check, sl_csum_word(0, word[0], word[1]));
	return !chaos_store(ctx, tc, place.l4_at + 12, &word[1], sizeof(word[1])) &&
	       !chaos_store(ctx, tc, place.check_at, &check, sizeof(check));
}

/* Makes the second word up for what was done to the first. */
static __always_inline __u16 chaos_make_up(__u16 first, __u16 changed, __u16 second)
{
	__u32 sum = (__u32)second + first + (__u16)~changed;

	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)((sum & 0xffff) + (sum >> 16));
}

static __always_inline bool chaos_garble(void *ctx, bool tc, const struct sl_packet *packet)
{
	struct chaos_place place = chaos_place_of(packet);
	__u16 words[2], changed;

	if (place.payload_len < sizeof(words) ||
	    chaos_load(ctx, tc, place.payload_at, words, sizeof(words)))
		return false;
	changed = words[0] ^ SL_CHAOS_FLIP;
	words[1] = chaos_make_up(words[0], changed, words[1]);
	words[0] = changed;
	return !chaos_store(ctx, tc, place.payload_at, words, sizeof(words));
}

static __always_inline bool chaos_corrupt(void *ctx, bool tc, const struct sl_packet *packet)
{
	struct chaos_place place = chaos_place_of(packet);
	__u16 word, check;

	if (place.payload_len < 2 * sizeof(word) ||
	    chaos_load(ctx, tc, place.payload_at, &word, sizeof(word)) ||
	    chaos_load(ctx, tc, place.check_at, &check, sizeof(check)))
		return false;
	word ^= SL_CHAOS_FLIP;
	check ^= SL_CHAOS_WRONG;
	if (chaos_store(ctx, tc, place.payload_at, &word, sizeof(word)) ||
	    chaos_store(ctx, tc, place.check_at, &check, sizeof(check)))
		return false;
	if (tc) /* what the card has checked must be checked again */
		bpf_csum_level(ctx, BPF_CSUM_LEVEL_RESET);
	return true;
}

/*
 * Does to the packet what sl_chaos_look() said. Returns true when the packet is to be dropped; else
 * it goes on, and pointers into it are void.
 */
static __always_inline bool chaos_act(void *ctx, bool tc, const struct sl_packet *packet,
				      __u32 what, struct sl_counters *row)
{
	__u32 kind = what >> 8;
	bool done;

	if (kind == SL_CHAOS_DROP) {
		chaos_hit(what);
		return true;
	}
	done = kind == SL_CHAOS_RESET	  ? chaos_reset(ctx, tc, packet)
	       : kind == SL_CHAOS_CORRUPT ? chaos_corrupt(ctx, tc, packet)
	       : kind == SL_CHAOS_GARBLE  ? chaos_garble(ctx, tc, packet)
					  : false;
	if (done) {
		chaos_hit(what);
		row->v[SL_COUNTER_CHAOS_CHANGED]++;
	}
	return false;
}

/* ---- the lane ------------------------------------------------------------------------------ */

/* The step CHAOS. */
static __always_inline int sl_chaos(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	struct sl_flow *flow;
	enum sl_parse parse;
	__u32 found, what;

	if (!row || !room)
		return sl_hook_pass(tc);
	found = room->handover.index;
	flow = found ? sl_flow_at(found - 1) : NULL;
	if (!flow)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	what = sl_chaos_look(flow->conn.node,
			     room->handover.from_node ? SL_CHAOS_FROM_NODE : SL_CHAOS_TO_NODE);
	if (what >> 8 == SL_CHAOS_LAG)
		room->handover.lag = what;
	if (!what || what >> 8 == SL_CHAOS_LAG)
		return sl_step(ctx, tc, SL_STEP_ONWARD, row);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (chaos_act(ctx, tc, &packet, what, row))
		return sl_unforwarded_of(tc, row, SL_COUNTER_DROP_CHAOS, found);
	return sl_step(ctx, tc, SL_STEP_ONWARD, row);
}

/* The step ONWARD: as the lane goes on with a packet of a known flow. */
static __always_inline int sl_onward(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;

	if (!row || !room || !room->handover.index)
		return sl_hook_pass(tc);
	parse = sl_parse_hook(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	return sl_lag_end(ctx, tc, room,
			  lane_known(ctx, tc, &packet, room->handover.hash, room->handover.index,
				     room->handover.from_node, row),
			  row);
}

/* ---- the local stack ------------------------------------------------------------------------ */

/*
 * What becomes of this packet of the local stack: TC_ACT_UNSPEC, it goes on; TC_ACT_SHOT; or the
 * verdict that holds it back. What is not a node's packet is left alone.
 */
static __always_inline int chaos_local(struct __sk_buff *skb, __u32 way)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;
	__u32 *slot, what;

	if (!row || !room)
		return TC_ACT_UNSPEC;
	parse = sl_parse_hook(skb, true, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return TC_ACT_UNSPEC;
	if (way == SL_CHAOS_FROM_NODE)
		sl_flow_key_reverse(&room->outer, &room->key);
	else
		room->outer = room->key;
	slot = sl_endpoint_of(&room->outer);
	what = slot ? sl_chaos_look(*slot, way) : 0;
	if (what >> 8 == SL_CHAOS_LAG)
		return sl_lag_local(skb, way == SL_CHAOS_FROM_NODE, what, row);
	if (!what || !chaos_act(skb, true, &packet, what, row))
		return TC_ACT_UNSPEC;
	row->v[SL_COUNTER_DROP_CHAOS]++;
	return TC_ACT_SHOT;
}

/* The step CHAOS_IN. What comes from its node is held back before it is measured. */
static __always_inline int sl_chaos_in(struct __sk_buff *skb)
{
	int verdict = TC_ACT_UNSPEC;

	if (skb->tc_index != SL_TC_HELD)
		verdict = chaos_local(skb, SL_CHAOS_FROM_NODE);
	if (verdict == TC_ACT_UNSPEC)
		sl_local_ingress(skb);
	return verdict;
}

/*
 * The step CHAOS_OUT. What the lane sent by TC went through its own step; what is held back was sent
 * all the same.
 */
static __always_inline int sl_chaos_out(struct __sk_buff *skb)
{
	int verdict = TC_ACT_UNSPEC;

	if (skb->tc_index != SL_TC_MEASURED)
		verdict = chaos_local(skb, SL_CHAOS_TO_NODE);
	if (verdict != TC_ACT_SHOT)
		sl_local_egress(skb);
	return verdict;
}

#endif
