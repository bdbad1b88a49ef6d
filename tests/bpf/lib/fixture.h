/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture.h - packets as data: {description, input, state before, verdict, expected bytes, counters}.
 *
 * A row names a path (where its packets come from and go to), the state that the flow is in before,
 * the packet, and what must come of it at either hook: the verdict, every byte of the frame
 * afterwards, the counters that were raised (all others must stand still), the state of the flow.
 * The expected frame is built anew from its description, every checksum from scratch, never by the
 * code under test; where the input's checksum was made wrong, the expected one is wrong by as much.
 * Rows live in fixture_*.c beside this file; a new file of them is named in fixture_tables.c.
 *
 *   state            packets before, c of the client, n of the node
 *   NONE
 *   OPENING          c SYN
 *   OPEN             c SYN, n SYN-ACK, c ACK
 *   ASKED            as OPEN, c 100 bytes
 *   ANSWERED         as ASKED, n 200 bytes
 *   FIN_CLIENT       as OPEN, c FIN
 *   FIN_NODE         as OPEN, n FIN
 *   CLOSED           as OPEN, c FIN, n FIN
 *   UDP              c datagram
 *   UDP_ANSWERED     c datagram, n datagram
 */
#ifndef SL_TESTS_BPF_FIXTURE_H
#define SL_TESTS_BPF_FIXTURE_H

#include "tests/bpf/lib/rig.h"
#include "tests/bpf/lib/talk.h"

#define SL_FIXTURE_PORT	    SL_RIG_PORT_MIN /* the only source port towards the node */
#define SL_FIXTURE_SETS	    8u		    /* of the flow table */
#define SL_FIXTURE_SPORT    5000
#define SL_FIXTURE_COUNTERS 5

enum sl_fixture_state {
	SL_BEFORE_NONE = 0,
	SL_BEFORE_OPENING,
	SL_BEFORE_OPEN,
	SL_BEFORE_ASKED,
	SL_BEFORE_ANSWERED,
	SL_BEFORE_FIN_CLIENT,
	SL_BEFORE_FIN_NODE,
	SL_BEFORE_CLOSED,
	SL_BEFORE_UDP,
	SL_BEFORE_UDP_ANSWERED,
};

/* The node is in slot SL_RIG_NODE_A of the pool of its family, alone unless `prepare` says else. */
struct sl_fixture_path {
	const char *name;
	const char *client, *service, *node, *snat;
	uint16_t vlan[2];		    /* of packets of the client */
	uint16_t out_vlan[SL_RIG_HOOKS][2]; /* of packets to the node; at TC a VLAN device tags */
	uint8_t node_mac;
	uint8_t out_mac;   /* last byte of the MAC of the device towards the node */
	uint8_t mode;	   /* enum sl_mode */
	bool redirected;   /* to another device */
	bool no_neighbour; /* XDP hands the packet to TC, untagged, with our mark before it */
};

enum sl_fixture_layer {
	SL_LAYER_LINK = 1,
	SL_LAYER_IP,
	SL_LAYER_TRANSPORT,
};

/* A byte of the finished input, changed without care for checksums: byte = (byte & keep) ^ flip. */
struct sl_fixture_patch {
	uint8_t layer; /* 0: no patch */
	uint8_t at;
	uint8_t keep;
	uint8_t flip;
};

struct sl_fixture_tune {
	uint8_t id; /* enum sl_tunable + 1; 0: none */
	uint32_t value;
};

/*
 * spec: what is zero is filled in from the path and the state; seq and ack count from what the other
 * side expects next (for a SYN: from the first number).
 */
struct sl_fixture {
	const char *description;
	const struct sl_fixture_path *path;
	enum sl_fixture_state before;
	bool from_node;
	struct sl_frame_spec spec;
	struct sl_fixture_patch patches[4];
	uint16_t cut; /* bytes taken off the end of the frame */
	struct sl_fixture_tune tunes[2];
	void (*prepare)(struct sl_rig *rig); /* more state, after the packets of `before` */
	enum sl_rig_verdict verdict;
	uint8_t counters
		[SL_FIXTURE_COUNTERS]; /* raised by one each, beside packets and packets_tc */
	uint8_t after;		       /* enum sl_tcp_state of the flow; 0: no flow */
};

struct sl_fixture_table {
	const char *name;
	const struct sl_fixture *rows;
	size_t count;
};

/* The table of this number, counted over all files; NULL behind the last. */
const struct sl_fixture_table *sl_fixture_table(size_t number);

/* Brings about the state before, through this hook. Returns false when it did not come about. */
bool sl_fixture_prepare(struct sl_rig *rig, const struct sl_fixture *fixture, enum sl_rig_hook hook,
			struct sl_talk *ret_talk);

/* The input of a fixture whose state was prepared. */
void sl_fixture_input(const struct sl_rig *rig, const struct sl_fixture *fixture,
		      const struct sl_talk *talk, struct sl_frame *ret_in);

/* What leaves, or what is left, at this hook. */
void sl_fixture_expected(const struct sl_rig *rig, const struct sl_fixture *fixture,
			 const struct sl_talk *talk, enum sl_rig_hook hook,
			 const struct sl_frame *in, struct sl_frame *ret_want);

/* Prepares, runs and judges one fixture at one hook; prints its line. */
void sl_fixture_run(struct sl_rig *rig, const char *table, const struct sl_fixture *fixture,
		    enum sl_rig_hook hook);

/* ---- the state of a rig, to run many variants of one packet from the same state -------------- */

struct sl_fixture_snapshot {
	struct sl_flow_set flows[SL_FIXTURE_SETS];
	struct sl_port_set ports[SL_PORT_SETS(SL_FIXTURE_SETS)];
	struct sl_node_state nodes[8];
	struct sl_pool_state pools[4];
	uint64_t counters[SL_COUNTER_SLOTS]; /* since the reset */
};

void sl_fixture_save(const struct sl_rig *rig, struct sl_fixture_snapshot *ret_snapshot);

/* Puts it back; counters go on from here (sl_rig_counted()). */
void sl_fixture_restore(struct sl_rig *rig, const struct sl_fixture_snapshot *snapshot);

/*
 * Ends of a packet that were counted since the last mark: each packet has exactly one. Passes and
 * drops, and what went to a node or a client; counters that only say more of such an end are left
 * out.
 */
uint64_t sl_fixture_ends(const struct sl_rig *rig);

/* Names of the counters that were raised since the mark, in a static buffer. */
const char *sl_fixture_raised(const struct sl_rig *rig);

#endif
