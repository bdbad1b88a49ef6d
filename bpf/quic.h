/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quic.h - the step QUIC: a datagram without a flow, for a service that follows connection ids.
 *
 *   names a node of ours       to that node, whatever its breaker says; OPEN makes the flow
 *   all else                   OPEN chooses by address and port, as for any datagram
 *
 * So a connection whose client changes its address or port (RFC 9000, section 9) stays with its
 * node: the new pair of addresses becomes another flow to the same node. A connection that stands is
 * never refused by a breaker, as no flow is.
 *
 * A connection id of ours is one of the plaintext form of QUIC-LB (draft-ietf-quic-load-balancers):
 *   byte 0     bits 5-7: config rotation, settings.quic; the rest is the server's
 *   byte 1-2   server id, in network order: index of `server_ids`
 *   byte 3-    the server's
 * Only what the server chose is looked at: the short header, and Handshake packets of QUIC 1 and 2.
 * The id in Initial and 0-RTT packets is the client's, who could pick a node, or hit one by chance.
 * Before the server's first answer there is nothing to be stable by: a client that moves so early
 * begins again.
 */
#ifndef SL_BPF_QUIC_H
#define SL_BPF_QUIC_H

#include "bpf/lane.h"

#define SL_QUIC_LOOK_BYTES    9u /* as much as a long header with the part of the id that counts */
#define SL_QUIC_LONG	      0x80u
#define SL_QUIC_V1	      0x00000001u
#define SL_QUIC_V2	      0x6b3343cfu /* RFC 9369 */
#define SL_QUIC_V1_HANDSHAKE  2u
#define SL_QUIC_V2_HANDSHAKE  3u
#define SL_QUIC_ID_BYTES_MIN  3u
#define SL_QUIC_ROTATION_MASK 7u

/* The server id in the first bytes of a datagram, 0: none of ours. */
static __always_inline __u32 quic_server_id(const __u8 look[SL_QUIC_LOOK_BYTES], __u32 rotation)
{
	const __u8 *id = look + 1;

	if (look[0] & SL_QUIC_LONG) {
		__u32 version =
			(__u32)look[1] << 24 | (__u32)look[2] << 16 | look[3] << 8 | look[4];
		__u32 type = look[0] >> 4 & 3;

		if (version == SL_QUIC_V1 ? type != SL_QUIC_V1_HANDSHAKE
					  : version != SL_QUIC_V2 || type != SL_QUIC_V2_HANDSHAKE)
			return 0;
		if (look[5] < SL_QUIC_ID_BYTES_MIN)
			return 0;
		id = look + 6;
	}
	if (id[0] >> 5 != (rotation & SL_QUIC_ROTATION_MASK))
		return 0;
	return (__u32)id[1] << 8 | id[2];
}

/* May a flow of `pool` go to this node, or to one that the pool spilled it to? */
static __always_inline bool quic_reachable(const struct sl_node_state *node, __u32 pool_slot,
					   bool ip_v6)
{
	__u32 admin = sl_breaker_load32(&node->admin);
	struct sl_pool_state *pool = sl_pool_at(pool_slot);

	if ((admin & (SL_NODE_PRESENT | SL_NODE_RETIRED)) != SL_NODE_PRESENT || !pool)
		return false;
	if (node->pool != pool_slot && (!pool->spill || node->pool != pool->spill))
		return false;
	return sl_select_addressed(node, ip_v6);
}

/* The node that the connection id in `look` names, for the service of room->key. 0: none. */
static __always_inline __u32 quic_slot(const struct sl_scratch *room, const __u8 *look)
{
	struct sl_settings *config = sl_settings_row();
	struct sl_service *service = sl_service_of(&room->key);
	struct sl_server_id *entry;
	struct sl_node_state *node;
	__u32 id;

	if (!config || !service)
		return 0;
	id = quic_server_id(look, config->quic);
	entry = id ? bpf_map_lookup_elem(&server_ids, &id) : NULL;
	node = entry && entry->node ? sl_node_at(entry->node) : NULL;
	if (!node || !quic_reachable(node, service->pool, room->handover.ip_v6))
		return 0;
	return entry->node;
}

static __always_inline int sl_quic(void *ctx, bool tc)
{
	struct sl_counters *row = sl_counters_row();
	struct sl_scratch *room = sl_scratch_row();
	__u8 look[SL_QUIC_LOOK_BYTES];
	struct sl_packet packet;
	struct sl_cursor cursor;
	__u32 at;

	if (!row || !room || sl_parse_packet(ctx, tc, &cursor, &packet, &room->key) != SL_PARSE_UDP)
		return sl_hook_pass(tc);
	at = packet.l3_at + SL_UDP_HEADER +
	     (packet.ip_v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	if (packet.payload_len >= sizeof(look) &&
	    !(tc ? bpf_skb_load_bytes(ctx, at, look, sizeof(look))
		 : bpf_xdp_load_bytes(ctx, at, look, sizeof(look))))
		room->handover.quic = quic_slot(room, look);
	return sl_step(ctx, tc, SL_STEP_OPEN, row);
}

#endif
