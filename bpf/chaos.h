/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos.h - experiments: packets to and from chosen nodes are lost, reset or corrupted on purpose.
 *
 *   off    settings.chaos = 0: one load from a line that is read anyway, and a branch
 *   on     a packet of a known flow        step CHAOS -> step ONWARD, the rest of its way
 *          the SYN of a flow that opens    lost or not, in the step SEND
 *          a beacon of a node              lost or not, where it is taken in
 *          of the local stack, at TC       step CHAOS_IN, CHAOS_OUT; then observed as usual
 *
 *   kind      becomes of the packet                             which ones
 *   DROP      nothing                                           all
 *   RESET     a RST with the same numbers; the next reset is    TCP, but for a SYN without ACK and
 *             the receiver's own                                what is a RST already
 *   CORRUPT   a byte of payload and the checksum are wrong      with four bytes of payload
 *   GARBLE    two words of payload are wrong and their sum is   with four bytes of payload
 *             not, so the checksum is right
 *   LAG       it comes later, where somebody holds it back      what lag.h says
 *
 * A row whose time is over, or that has hit what it may, is void from the next packet on, whoever is
 * alive: that packet takes its bit out of settings.chaos. So an experiment ends by itself when its
 * owner dies. Where several rows name a node the first whose share hits counts.
 *
 * This file is the table of experiments; chaos_act.h does what they say.
 */
#ifndef SL_BPF_CHAOS_H
#define SL_BPF_CHAOS_H

#include "bpf/maps.h"
#include "bpf/trace.h"

static __always_inline struct sl_chaos *chaos_at(__u32 index)
{
	return bpf_map_lookup_elem(&chaos, &index);
}

static __always_inline bool sl_chaos_on(void)
{
	struct sl_settings *config = sl_settings_row();

	return config && SL_UNLIKELY(SL_LOAD(config->chaos));
}

/* The row is void: the next packets need not look at it. */
static __always_inline void chaos_retire(struct sl_settings *config, __u32 index)
{
	__sync_fetch_and_and(&config->chaos, ~(1u << index));
}

static __always_inline bool chaos_is_over(const struct sl_chaos *row, __u64 now_ns)
{
	return SL_LOAD(row->until_ns) <= now_ns || SL_LOAD(row->hits) >= SL_LOAD(row->hits_max);
}

/* Does the row mean the node, in this way, and this packet of it? */
static __always_inline bool chaos_means(struct sl_chaos *row, __u32 slot, __u32 way)
{
	__u64 nodes = SL_LOAD(row->nodes[(slot & (SL_NODES_MAX - 1)) >> 6]);

	if (!(nodes >> (slot & 63) & 1) || !(row->ways & way))
		return false;
	__sync_fetch_and_add(&row->seen, 1);
	return (bpf_get_prandom_u32() & (SL_CHAOS_ALL - 1)) < SL_LOAD(row->share);
}

/*
 * What an experiment wants of a packet to or from the node in `slot`; `way` is one SL_CHAOS_*_NODE.
 * Returns kind << 8 | row, or 0. A function of its own: the verifier walks the rows once.
 */
__attribute__((noinline)) __u32 sl_chaos_look(__u32 slot, __u32 way)
{
	struct sl_settings *config = sl_settings_row();
	__u64 now_ns = bpf_ktime_get_ns();
	struct sl_chaos *row;
	__u32 index, rows;

	if (!config || !slot)
		return 0;
	rows = SL_LOAD(config->chaos);
	for (index = 0; index < SL_CHAOS_MAX; index++) {
		row = rows >> index & 1 ? chaos_at(index) : NULL;
		if (!row)
			continue;
		if (chaos_is_over(row, now_ns))
			chaos_retire(config, index);
		else if (chaos_means(row, slot, way))
			return (__u32)row->kind << 8 | index;
	}
	return 0;
}

/* The experiment of sl_chaos_look() did what it wanted. */
static __always_inline void chaos_hit(__u32 what)
{
	struct sl_chaos *row = chaos_at(what & 0xff);

	if (row)
		__sync_fetch_and_add(&row->hits, 1);
}

/* Is this packet to be lost? For where nothing else can be done with it. */
static __always_inline bool sl_chaos_loses(__u32 slot, __u32 way)
{
	__u32 what = sl_chaos_look(slot, way);

	if (what >> 8 != SL_CHAOS_DROP)
		return false;
	chaos_hit(what);
	return true;
}

#endif
