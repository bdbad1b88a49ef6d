/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * refuse.h - answers to packets that cannot be served: the steps REFUSE and TOO_BIG.
 *
 *   new flow, no node   TCP                    RST with ACK of the SYN               drop_refused
 *                       UDP                    ICMP port unreachable                 drop_refused
 *   flow of a dead node TCP, established       RST at the sequence number awaited,   drop_retired
 *   (retire.h)          or closing             the flow is over
 *                       UDP                    the flow is over, the datagram begins a new one
 *                       else                   forwarded as usual
 *   too long for the    IPv6, IPv4 with DF     ICMP too big with what fits           drop_too_big_answered
 *   way out             IPv4 without DF        nothing: we do not fragment           drop_too_big
 *
 * ICMP errors over their rate: drop_rate_answer. Packets whose source is no single host are dropped
 * as if answers were off: drop_no_node, drop_too_big.
 *
 * Too big. The packet is quoted as its sender sent it, for it was not rewritten yet, and the answer
 * comes from the address that it was sent to: the service, or towards a node our own. A node learns
 * the MTU for that address of ours, so the narrowest way to any client of its counts for all of
 * them, as behind any translator.
 */
#ifndef SL_BPF_REFUSE_H
#define SL_BPF_REFUSE_H

#include "bpf/craft.h"
#include "bpf/lane.h"

#define SL_IP4_DONT 0x4000 /* fragment */

/* Sends an ICMP error about the packet at hand, or says with `otherwise` why not. */
static __always_inline int refuse_error(void *ctx, bool tc, const struct sl_packet *packet,
					const struct sl_icmp_head *error, struct sl_scratch *room,
					__u32 counter, __u32 otherwise, struct sl_counters *row)
{
	if (!sl_craft_answerable(packet))
		return sl_unforwarded(tc, row, otherwise);
	if (!sl_craft_allowed(room))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_RATE_ANSWER);
	if (!sl_craft_error(ctx, tc, packet, error))
		return sl_unforwarded(tc, row, otherwise);
	row->v[counter & (SL_COUNTER_SLOTS - 1)]++;
	sl_trace(tc, counter, room->handover.index);
	return sl_craft_back(ctx, tc);
}

static __always_inline int refuse_reset(void *ctx, bool tc, const struct sl_packet *packet,
					__u32 counter, __u32 otherwise, struct sl_counters *row)
{
	if (!sl_craft_answerable(packet) || !sl_craft_reset(ctx, tc, packet))
		return sl_unforwarded(tc, row, otherwise);
	row->v[counter & (SL_COUNTER_SLOTS - 1)]++;
	sl_trace(tc, counter, 0);
	return sl_craft_back(ctx, tc);
}

static __always_inline int refuse_new(void *ctx, bool tc, const struct sl_packet *packet,
				      struct sl_scratch *room, struct sl_counters *row)
{
	struct sl_icmp_head error = {
		.type = packet->ip_v6 ? SL_ICMP6_UNREACH : SL_ICMP4_UNREACH,
		.code = packet->ip_v6 ? SL_ICMP6_PORT_UNREACH : SL_ICMP4_PORT_UNREACH,
	};

	if (packet->tcp)
		return refuse_reset(ctx, tc, packet, SL_COUNTER_DROP_REFUSED,
				    SL_COUNTER_DROP_NO_NODE, row);
	return refuse_error(ctx, tc, packet, &error, room, SL_COUNTER_DROP_REFUSED,
			    SL_COUNTER_DROP_NO_NODE, row);
}

/* A packet of the client in the flow at `index`, whose node is marked as dead. */
static __always_inline int refuse_retired(void *ctx, bool tc, const struct sl_packet *packet,
					  struct sl_scratch *room, __u32 index,
					  struct sl_counters *row)
{
	struct sl_flow *flow = sl_flow_at(index);

	room->handover.fresh = 0;
	if (!flow || flow->conn.state == SL_TCP_SYN_SENT || (packet->flags & SL_TCPF_RST) ||
	    !sl_retire_look(flow->conn.node))
		return sl_step(ctx, tc, SL_STEP_SEND, row);
	sl_flow_close(index);
	if (packet->tcp)
		return refuse_reset(ctx, tc, packet, SL_COUNTER_DROP_RETIRED,
				    SL_COUNTER_DROP_RETIRED, row);
	room->handover.index = 0;
	return sl_step(ctx, tc, SL_STEP_OPEN, row);
}

/* The step REFUSE. */
static __always_inline int sl_refuse(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;

	if (!row || !room)
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_INTERNAL);
	if (room->handover.index)
		return refuse_retired(ctx, tc, &packet, room, room->handover.index - 1, row);
	return refuse_new(ctx, tc, &packet, room, row);
}

/* Is the sender to be told that the packet is too long? Its pool is that of the flow. */
static __always_inline bool too_big_told(const struct sl_packet *packet,
					 const struct sl_scratch *room)
{
	struct sl_flow *flow = room->handover.index ? sl_flow_at(room->handover.index - 1) : NULL;
	struct sl_node_state *node = flow ? sl_node_at(flow->conn.node) : NULL;

	if (!packet->ip_v6 && !(packet->ip4->frag_off & bpf_htons(SL_IP4_DONT)))
		return false;
	return SL_TUNABLE(node ? node->pool : 0, TOO_BIG);
}

/* The step TOO_BIG. */
static __always_inline int sl_too_big(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	struct sl_icmp_head error = {};
	struct sl_packet packet;
	struct sl_cursor cursor;
	enum sl_parse parse;
	__u32 mtu;

	if (!row || !room)
		return sl_hook_pass(tc);
	parse = sl_parse_packet(ctx, tc, &cursor, &packet, &room->key);
	if (parse != SL_PARSE_TCP && parse != SL_PARSE_UDP)
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TOO_BIG);
	mtu = room->handover.mtu;
	if (!mtu || !too_big_told(&packet, room))
		return sl_unforwarded(tc, row, SL_COUNTER_DROP_TOO_BIG);
	if (packet.ip_v6) {
		error.type = SL_ICMP6_TOO_BIG;
		error.rest = bpf_htonl(mtu > SL_IP6_MTU_MIN ? mtu : SL_IP6_MTU_MIN);
	} else {
		error.type = SL_ICMP4_UNREACH;
		error.code = SL_ICMP4_TOO_BIG;
		error.rest = bpf_htonl(mtu & 0xffff);
	}
	return refuse_error(ctx, tc, &packet, &error, room, SL_COUNTER_DROP_TOO_BIG_ANSWERED,
			    SL_COUNTER_DROP_TOO_BIG, row);
}

#endif
