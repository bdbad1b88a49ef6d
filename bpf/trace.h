/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - shows decisions, one by one and with their reasons, to who asks (`sluice trace`).
 *
 *   the packet was parsed    sl_trace_begin(): notes whose packet it is, with the trace's number
 *   a decision was made      sl_trace(): compares it with the filter, completes the note, sends it
 *
 * Off, which settings.trace = 0 says, the first costs a load from the line that the lane reads for
 * its seed anyway, and a branch. The second, for known flows, asks the note: its number lies beside
 * what the route is looked up with. All else is in functions that nothing calls then.
 *
 * settings.trace holds a number that each trace chooses anew, so a note that was left by an earlier
 * one is never taken for one of this. trace_filter.until_ns is a lease: who traces renews it, and
 * when nobody does (it was killed), the first packet after it switches the trace off.
 *
 * What counts as a decision when packets of known flows are not asked for: every drop, every new
 * flow, every SYN that moves. Of what is passed to the local stack, the SYNs; with a client or a
 * service in the filter also what has no flags of TCP, and beacons that were taken in.
 */
#ifndef SL_BPF_TRACE_H
#define SL_BPF_TRACE_H

#include "bpf/node.h"
#include "bpf/parse.h"
#include "bpf/table.h"

#define SL_TRACE_TC    (1u << 16) /* in sl_trace_emit()'s `what`, above the reason */
#define SL_UNLIKELY(x) __builtin_expect(!!(x), 0)

static __always_inline struct sl_trace_filter *trace_filter_row(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&trace_filter, &zero);
}

/*
 * Notes the packet that was just parsed into the scratch row's key. `word` is the second of its
 * transport header: of TCP the sequence number. Switches a trace off whose lease is over. Always
 * returns 0.
 */
__attribute__((noinline)) int sl_trace_note(__be32 word, __u32 flags)
{
	struct sl_trace_filter *filter = trace_filter_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	__u64 now_ns = bpf_ktime_get_ns();
	__u32 number;

	if (!filter || !config || !room)
		return 0;
	number = SL_LOAD(config->trace);
	if (SL_LOAD(filter->until_ns) < now_ns) {
		__sync_val_compare_and_swap(&config->trace, number, 0);
		return 0;
	}
	__builtin_memset(&room->trace, 0, sizeof(room->trace));
	room->trace.time_ns = now_ns;
	room->trace.key = room->key;
	room->trace.seq = room->key.proto == IPPROTO_TCP ? bpf_ntohl(word) : 0;
	room->trace.flags = (__u8)flags;
	room->traced = number;
	return 0;
}

static __always_inline void sl_trace_begin(const struct sl_settings *config,
					   const struct sl_packet *packet)
{
	if (SL_UNLIKELY(SL_LOAD(config->trace)))
		sl_trace_note(*((__be32 *)packet->udp + 1), packet->flags);
}

/* The same where there is no transport header, or none to be trusted. `ports`: those were read. */
static __always_inline void sl_trace_begin_odd(struct sl_flow_key *key, bool ports)
{
	struct sl_settings *config = sl_settings_row();

	if (!config || !SL_UNLIKELY(SL_LOAD(config->trace)))
		return;
	if (!ports) {
		key->sport = 0;
		key->dport = 0;
	}
	sl_trace_note(0, 0);
}

static __always_inline bool is_between(__u32 value, __u32 first, __u32 last)
{
	return value >= first && value <= last;
}

static __always_inline enum sl_trace_step trace_step(__u32 reason, __u8 proto)
{
	if (reason == SL_COUNTER_FORWARD_ICMP || proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6)
		return SL_TRACE_ICMP;
	if (is_between(reason, SL_COUNTER_DROP_RATE_SOURCE, SL_COUNTER_DROP_COOKIE_BACK))
		return SL_TRACE_GUARD;
	if (is_between(reason, SL_COUNTER_DROP_BEACON, SL_COUNTER_DROP_BEACON_UNKNOWN))
		return SL_TRACE_BEACON;
	if (is_between(reason, SL_COUNTER_RETRY_MOVED, SL_COUNTER_RETRY_SPENT) ||
	    reason == SL_COUNTER_DROP_WITHHELD)
		return SL_TRACE_RETRY;
	switch (reason) {
	case SL_COUNTER_DROP_TUNNEL:
	case SL_COUNTER_FORWARD_AGAIN:
	case SL_COUNTER_DECAPSULATED:
		return SL_TRACE_NODE;
	case SL_COUNTER_DROP_NO_NODE:
	case SL_COUNTER_DROP_NO_PORT:
	case SL_COUNTER_DROP_NO_FLOW:
	case SL_COUNTER_DROP_TABLE:
	case SL_COUNTER_DROP_REFUSED:
	case SL_COUNTER_FLOW_OPENED:
	case SL_COUNTER_GATE_PROBE:
	case SL_COUNTER_GATE_PANIC:
	case SL_COUNTER_GATE_SPILLED:
	case SL_COUNTER_QUIC_ROUTED:
		return SL_TRACE_OPEN;
	default:
		return SL_TRACE_FORWARD;
	}
}

static __always_inline bool is_zero(const struct sl_addr *addr)
{
	return !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

static __always_inline bool addr_under(const struct sl_addr *a, const struct sl_addr *b,
				       const struct sl_addr *mask)
{
	return !(((a->w[0] ^ b->w[0]) & mask->w[0]) | ((a->w[1] ^ b->w[1]) & mask->w[1]) |
		 ((a->w[2] ^ b->w[2]) & mask->w[2]) | ((a->w[3] ^ b->w[3]) & mask->w[3]));
}

static __always_inline bool trace_wanted(const struct sl_trace_filter *filter,
					 const struct sl_trace *record)
{
	bool anybody = is_zero(&filter->mask) && is_zero(&filter->vip);

	if (!addr_under(&record->key.src, &filter->client, &filter->mask) ||
	    (filter->client_port && filter->client_port != record->key.sport))
		return false;
	if (!is_zero(&filter->vip) && !addr_equal(&record->key.dst, &filter->vip))
		return false;
	if (filter->vip_port && filter->vip_port != record->key.dport)
		return false;
	if (filter->node && filter->node != record->node && filter->node != record->candidate_a &&
	    filter->node != record->candidate_b)
		return false;
	if (filter->every_packet)
		return true;
	if ((is_between(record->reason, SL_COUNTER_PASS_NOT_IP, SL_COUNTER_PASS_DISABLED) &&
	     record->reason != SL_COUNTER_PASS_TTL) ||
	    record->reason == SL_COUNTER_DROP_BEACON)
		return record->flags ? record->flags & SL_TCPF_SYN : !anybody;
	return record->reason != SL_COUNTER_FORWARD_TO_NODE &&
	       record->reason != SL_COUNTER_FORWARD_TO_CLIENT;
}

/* The choice that was made for this packet. */
static __always_inline void trace_choice(struct sl_trace *record, const struct sl_choice *choice)
{
	record->pool = choice->pool;
	record->candidate_a = choice->candidate_a;
	record->candidate_b = choice->candidate_b;
	record->load_a = sl_node_load(choice->candidate_a);
	record->load_b = sl_node_load(choice->candidate_b);
	record->verdict_a = choice->verdict_a;
	record->verdict_b = choice->verdict_b;
	if (record->reason == SL_COUNTER_FLOW_OPENED)
		record->reason = choice->panic		  ? SL_COUNTER_GATE_PANIC
				 : choice->ret_ticket & 1 ? SL_COUNTER_GATE_PROBE
				 : choice->spilled	  ? SL_COUNTER_GATE_SPILLED
							  : SL_COUNTER_FLOW_OPENED;
}

/*
 * Completes the note of the packet at hand and sends it, if the filter wants it. `what` is the
 * counter of the reason, and SL_TRACE_TC; `found` the index of the flow + 1, 0 for none. Always
 * returns 0.
 */
__attribute__((noinline)) int sl_trace_emit(__u32 what, __u32 found)
{
	struct sl_trace_filter *filter = trace_filter_row();
	struct sl_settings *config = sl_settings_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_trace *record;
	struct sl_flow *flow;

	if (!filter || !config || !room)
		return 0;
	/* What is not IP has no client and no note: the one at hand is the packet's before. */
	if ((__u16)what == SL_COUNTER_PASS_NOT_IP)
		return 0;
	if (room->traced != SL_LOAD(config->trace)) {
		room->traced = 0;
		return 0;
	}
	record = &room->trace;
	record->reason = (__u16)what;
	record->hook = !!(what & SL_TRACE_TC);
	flow = found ? sl_flow_at(found - 1) : NULL;
	if (flow) {
		record->from_node = !addr_equal(&record->key.src, &flow->client) ||
				    record->key.sport != flow->client_port;
		record->key.src = flow->client;
		record->key.dst = flow->vip;
		record->key.sport = flow->client_port;
		record->key.dport = flow->vip_port;
		record->node = flow->conn.node;
	}
	record->verdict_a = SL_TRACE_NOT_ASKED;
	record->verdict_b = SL_TRACE_NOT_ASKED;
	if (room->choice.now_ns >= record->time_ns)
		trace_choice(record, &room->choice);
	record->step = trace_step(record->reason, record->key.proto);
	if (trace_wanted(filter, record) && bpf_ringbuf_output(&trace, record, sizeof(*record), 0))
		sl_count(SL_COUNTER_TRACE_LOST);
	return 0;
}

/* A decision was made. For where the row of settings is not at hand. */
static __always_inline void sl_trace(bool tc, __u32 reason, __u32 found)
{
	struct sl_settings *config = sl_settings_row();

	if (config && SL_UNLIKELY(SL_LOAD(config->trace)))
		sl_trace_emit(reason | (tc ? SL_TRACE_TC : 0), found);
}

/* The same for packets of known flows, which have the scratch row at hand. */
static __always_inline void sl_trace_packet(bool tc, const struct sl_scratch *room, __u32 reason,
					    __u32 found)
{
	if (SL_UNLIKELY(room->traced))
		sl_trace_emit(reason | (tc ? SL_TRACE_TC : 0), found);
}

#endif
