/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * observe.c - what the TC programs see of connections of the local stack to nodes.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/rig.h"

#define SYN	  SL_FRAME_SYN
#define ACK	  SL_FRAME_ACK
#define RST	  SL_FRAME_RST
#define FIN	  SL_FRAME_FIN
#define LOCAL_SEQ 1000u
#define NODE_SEQ  4294967290u
#define A	  SL_RIG_NODE_A
#define A6	  SL_RIG_NODE6_A
#define UNSPEC	  (-1) /* TC_ACT_UNSPEC: the packet goes on */

/* One packet; sequence numbers count from each side's first. */
struct packet {
	bool node; /* the node sends it */
	uint8_t flags;
	uint32_t seq;
	uint32_t ack;
	uint16_t payload_len;
	uint64_t age_ms; /* before it, the connection's times are moved back by so much */
};

#define CONNECT                                           \
	{0, SYN, 0, 0, 0, 0}, {1, SYN | ACK, 0, 1, 0, 0}, \
	{                                                 \
		0, ACK, 1, 1, 0, 0                        \
	}

static const struct fixture {
	const char *description;
	struct packet packets[10];
	uint32_t entries;
	uint64_t opened, closed, ignored;
	uint32_t waiting;
	uint64_t bytes_out, bytes_in;
	enum sl_signal signal;	  /* the only one that counts, NONE for none */
	bool connected, answered; /* times are measured */
} fixtures[] = {
	{"connect", {CONNECT}, 1, 1, 0, 0, 0, 0, 0, SL_SIGNAL_NONE, true, false},
	{"a request waits",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}},
	 1,
	 1,
	 0,
	 0,
	 1,
	 300,
	 0,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"its answer is measured, and left to the daemon to judge",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 700, 0}, {1, ACK, 701, 301, 700, 0}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 300,
	 1400,
	 SL_SIGNAL_NONE,
	 true,
	 true},
	{"a stall too",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {0, ACK, 301, 1, 0, 2500}, {1, ACK, 1, 301, 7, 0}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 300,
	 7,
	 SL_SIGNAL_NONE,
	 true,
	 true},
	{"closed by both",
	 {CONNECT, {0, FIN | ACK, 1, 1, 0, 0}, {1, FIN | ACK, 1, 2, 0, 0}, {0, ACK, 2, 2, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"reset by the local side while it waits",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {0, RST, 301, 0, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 300,
	 0,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"refused",
	 {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 1, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_RST_EARLY,
	 false,
	 false},
	{"refused, for another SYN",
	 {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 9, 0, 0}},
	 1,
	 1,
	 0,
	 1,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 false,
	 false},
	{"reset under a request is left to the daemon",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {1, RST | ACK, 1, 301, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 300,
	 0,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"SYN repeated",
	 {{0, SYN, 0, 0, 0, 0},
	  {0, SYN, 0, 0, 0, 1000},
	  {0, SYN, 0, 0, 0, 2000},
	  {1, SYN | ACK, 0, 1, 0, 0}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_SYN_RETRANS,
	 false,
	 false},
	{"the same SYN at two hooks",
	 {{0, SYN, 0, 0, 0, 0}, {0, SYN, 0, 0, 0, 0}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 false,
	 false},
	{"slow connect",
	 {{0, SYN, 0, 0, 0, 0}, {1, SYN | ACK, 0, 1, 0, 1100}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_CONNECT_SLOW,
	 true,
	 false},
	{"port used again",
	 {CONNECT, {0, SYN, 7777, 0, 0, 0}},
	 1,
	 2,
	 1,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"not seen from its beginning",
	 {{0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 7, 0}},
	 0,
	 0,
	 0,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 false,
	 false},
};

static struct sl_frame_spec to_node(const struct packet *packet, bool ip6, uint16_t sport)
{
	struct sl_frame_spec spec = {
		.src = ip6 ? "fd00::2" : "10.0.0.2",
		.dst = ip6 ? "fd00::11" : "10.0.0.11",
		.sport = sport,
		.dport = 8000,
		.seq = LOCAL_SEQ + packet->seq,
		.ack = packet->flags & ACK ? NODE_SEQ + packet->ack : 0,
		.flags = packet->flags,
		.payload_len = packet->payload_len,
	};

	return spec;
}

static struct sl_frame_spec to_local(const struct packet *packet, bool ip6, uint16_t sport)
{
	struct sl_frame_spec spec = {
		.src = ip6 ? "fd00::11" : "10.0.0.11",
		.dst = ip6 ? "fd00::2" : "10.0.0.2",
		.sport = 8000,
		.dport = sport,
		.seq = NODE_SEQ + packet->seq,
		.ack = packet->flags & ACK ? LOCAL_SEQ + packet->ack : 0,
		.flags = packet->flags,
		.payload_len = packet->payload_len,
		.pad_len = packet->payload_len ? 0 : 6, /* as a card receives it */
	};

	return spec;
}

static void age(struct sl_rig *rig, uint64_t age_ms)
{
	struct sl_flow_key key;
	struct sl_local_conn local;

	if (!age_ms || bpf_map_get_next_key(rig->conns_fd, NULL, &key) ||
	    bpf_map_lookup_elem(rig->conns_fd, &key, &local))
		return;
	local.last_tick -= (uint32_t)(age_ms * 1000000 >> 10);
	if (local.conn.begun)
		local.conn.begun = (local.conn.begun - (uint32_t)(age_ms * 1000000 >> 10)) | 1;
	bpf_map_update_elem(rig->conns_fd, &key, &local, BPF_EXIST);
}

static bool play(struct sl_rig *rig, const struct packet *packet, bool ip6, uint16_t sport)
{
	struct sl_frame_spec spec =
		packet->node ? to_local(packet, ip6, sport) : to_node(packet, ip6, sport);

	age(rig, packet->age_ms);
	return (packet->node ? sl_rig_ingress(rig, &spec) : sl_rig_egress(rig, &spec)) == UNSPEC;
}

/* Is this the only signal that was counted, once? */
static bool signal_only(const struct sl_node_state *node, enum sl_signal signal)
{
	for (uint32_t i = 0; i < SL_SIGNAL_COUNT; i++) {
		if (node->signals[i] != (i == signal && signal != SL_SIGNAL_NONE))
			return false;
	}
	return true;
}

static bool as_expected(const struct sl_rig *rig, const struct fixture *fixture,
			const struct sl_node_state *node)
{
	return sl_rig_entries(rig->conns_fd) == fixture->entries &&
	       sl_rig_counted(rig, SL_COUNTER_CONN_OBSERVED) == fixture->opened &&
	       sl_rig_counted(rig, SL_COUNTER_CONN_CLOSED) == fixture->closed &&
	       sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == fixture->ignored &&
	       node->waiting == fixture->waiting && node->bytes_out == fixture->bytes_out &&
	       node->bytes_in == fixture->bytes_in && signal_only(node, fixture->signal) &&
	       !!node->connect_us == fixture->connected &&
	       !!node->first_byte_us == fixture->answered;
}

static void run_fixture(struct sl_rig *rig, const struct fixture *fixture, bool ip6)
{
	const struct sl_node_state *node = &rig->nodes[ip6 ? A6 : A];
	bool passed = true;
	char name[128];

	snprintf(name, sizeof(name), "%s%s", fixture->description, ip6 ? ", IPv6" : "");
	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_STALL_MS, 2000);
	for (const struct packet *packet = fixture->packets; packet->flags; packet++)
		passed = play(rig, packet, ip6, 50000) && passed;
	sl_rig_check(rig, passed && as_expected(rig, fixture, node), name,
		     "passed %d entries %u waiting %u out %llu in %llu connect %u first byte %u",
		     passed, sl_rig_entries(rig->conns_fd), node->waiting,
		     (unsigned long long)node->bytes_out, (unsigned long long)node->bytes_in,
		     node->connect_us, node->first_byte_us);
}

/* What is not a connection of the local stack to a node leaves no trace. */
static void not_ours(struct sl_rig *rig)
{
	static const struct packet syn = {0, SYN, 0, 0, 0, 0};
	struct sl_frame_spec spec = to_node(&syn, false, 50000);

	sl_rig_reset(rig);
	spec.dport = 22;
	sl_rig_check(rig, sl_rig_egress(rig, &spec) == UNSPEC && !sl_rig_entries(rig->conns_fd),
		     "not a node", "observed");
	spec = to_node(&syn, false, SL_RIG_PORT_MIN + 1);
	sl_rig_check(rig, sl_rig_egress(rig, &spec) == UNSPEC && !sl_rig_entries(rig->conns_fd),
		     "a packet of the fast lane", "observed");
	rig->nodes[A].admin = 0;
	spec = to_node(&syn, false, 50000);
	sl_rig_check(rig, sl_rig_egress(rig, &spec) == UNSPEC && !sl_rig_entries(rig->conns_fd),
		     "an absent node", "observed");
}

static void unreachable(struct sl_rig *rig, bool ip6)
{
	static const struct packet syn = {0, SYN, 0, 0, 0, 0};
	const struct sl_node_state *node = &rig->nodes[ip6 ? A6 : A];
	struct sl_frame_spec spec = to_node(&syn, ip6, 50000);
	struct sl_frame frame;

	sl_rig_reset(rig);
	play(rig, &syn, ip6, 50000);
	sl_frame_build_unreachable(&frame, ip6 ? "fd00::1" : "10.0.0.1", ip6 ? 0 : 1, &spec);
	sl_rig_check(rig,
		     sl_rig_ingress_frame(rig, &frame) == UNSPEC &&
			     signal_only(node, SL_SIGNAL_ICMP_UNREACH) && node->consecutive == 1,
		     ip6 ? "unreachable, IPv6" : "unreachable", "not counted once");
	sl_rig_ingress_frame(rig, &frame);
	spec.sport++;
	sl_frame_build_unreachable(&frame, ip6 ? "fd00::1" : "10.0.0.1", ip6 ? 0 : 1, &spec);
	sl_rig_ingress_frame(rig, &frame);
	sl_rig_check(rig,
		     signal_only(node, SL_SIGNAL_ICMP_UNREACH) &&
			     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == 1,
		     ip6 ? "unreachable again, IPv6" : "unreachable again", "counted");
}

/* The daemon's probe is refused: the kernel counts the signal and leaves the verdict to it. */
static void half_open(struct sl_rig *rig)
{
	static const struct packet refused[] = {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 1, 0, 0}};
	uint64_t word =
		sl_breaker_pack(SL_BREAKER_HALF_OPEN, 2, 9, sl_rig_now_ns() / 1000000 + 10000) |
		SL_BREAKER_PROBE_BIT;

	sl_rig_reset(rig);
	rig->nodes[A].breaker = word;
	play(rig, &refused[0], false, 50000);
	play(rig, &refused[1], false, 50000);
	sl_rig_check(rig,
		     rig->nodes[A].breaker == word &&
			     signal_only(&rig->nodes[A], SL_SIGNAL_RST_EARLY),
		     "a probe of the daemon is judged by the daemon", "word %llx",
		     (unsigned long long)rig->nodes[A].breaker);
}

static void trips(struct sl_rig *rig)
{
	static const struct packet refused[] = {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 1, 0, 0}};

	sl_rig_reset(rig);
	for (uint16_t i = 0; i < 5; i++) {
		play(rig, &refused[0], false, (uint16_t)(50000 + i));
		play(rig, &refused[1], false, (uint16_t)(50000 + i));
	}
	sl_rig_check(rig,
		     sl_breaker_state(rig->nodes[A].breaker) == SL_BREAKER_OPEN &&
			     rig->nodes[A].last_plane == SL_PLANE_KERNEL,
		     "five refused connects trip", "state %d",
		     sl_breaker_state(rig->nodes[A].breaker));
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(*fixtures); i++) {
		run_fixture(&rig, &fixtures[i], false);
		run_fixture(&rig, &fixtures[i], true);
	}
	not_ours(&rig);
	unreachable(&rig, false);
	unreachable(&rig, true);
	half_open(&rig);
	trips(&rig);
	return sl_rig_close(&rig);
}
