/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * talk.h - a client and the node that it was given to, packet by packet, through either hook.
 *
 * Sequence numbers are kept, so a caller says flags and lengths alone. Where a packet of the client
 * came out is read from the frame: which node, which source port of ours.
 */
#ifndef SL_TESTS_BPF_TALK_H
#define SL_TESTS_BPF_TALK_H

#include "tests/bpf/lib/rig.h"

#define SL_TALK_CLIENT_SEQ 1000u
#define SL_TALK_NODE_SEQ   4294967000u /* wraps soon */

struct sl_talk {
	const char *client; /* text, borrowed */
	const char *service;
	uint16_t sport;
	uint16_t dport;
	uint16_t vlan[2]; /* of the client's packets */
	bool udp;
	enum sl_rig_hook hook;
	uint32_t seq;	   /* next of the client; 0: not begun */
	uint32_t ack;	   /* next of the node */
	uint16_t nat_port; /* where the last packet left from, host order */
	uint32_t slot;	   /* node that it went to; 0: not forwarded */
};

/* The first one of a client of IPv4 or IPv6 with the fast TCP service. */
struct sl_talk sl_talk_of(enum sl_rig_hook hook, bool ip6);

/* What the client sends next; flags 0 with udp. */
struct sl_frame_spec sl_talk_client_spec(const struct sl_talk *talk, uint8_t flags,
					 uint16_t payload_len);

/* What the node sends next. */
struct sl_frame_spec sl_talk_node_spec(const struct sl_rig *rig, const struct sl_talk *talk,
				       uint8_t flags, uint16_t payload_len);

/*
 * Sends it and moves the sequence numbers on when it was forwarded. A SYN begins anew at `seq` as
 * it stands, or at SL_TALK_CLIENT_SEQ.
 */
enum sl_rig_verdict sl_talk_client(struct sl_rig *rig, struct sl_talk *talk, uint8_t flags,
				   uint16_t payload_len);
enum sl_rig_verdict sl_talk_node(struct sl_rig *rig, struct sl_talk *talk, uint8_t flags,
				 uint16_t payload_len);

/* SYN, SYN-ACK, ACK. Returns whether all three were forwarded. */
bool sl_talk_establish(struct sl_rig *rig, struct sl_talk *talk);

/* Both FINs and the last ACK. Returns whether all were forwarded. */
bool sl_talk_finish(struct sl_rig *rig, struct sl_talk *talk);

/* Index of the talk's row in the table, counted over all sets; UINT32_MAX: none. */
uint32_t sl_talk_index(const struct sl_rig *rig, const struct sl_talk *talk);

/* Hash of the talk's key. */
uint64_t sl_talk_hash(const struct sl_rig *rig, const struct sl_talk *talk);

#endif
