/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * served.c - what the node role measures of this host's own servers, and the MSS that it lowers.
 * The rig is the inference host, 10.0.0.2; packets are those that its stack gets and sends.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/outer.h"

#define SYN	   SL_FRAME_SYN
#define ACK	   SL_FRAME_ACK
#define RST	   SL_FRAME_RST
#define FIN	   SL_FRAME_FIN
#define SELF	   1u
#define CLIENT_SEQ 1000u
#define SERVER_SEQ 4294967290u
#define CLIENT	   "198.51.100.7"
#define CLIENT6	   "2001:db8:c::7"
#define VIP	   "192.0.2.100"
#define VIP6	   "2001:db8::100"
#define HERE	   "10.0.0.2"
#define HERE6	   "fd00::2"
#define NAME_MAX   160

/* One packet; sequence numbers count from each side's first. */
struct packet {
	bool answer; /* the server sends it */
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
	struct packet packets[8];
	uint32_t entries;
	uint64_t opened, closed, alive;
	uint32_t waiting;
	enum sl_signal signal; /* the only one that counts, NONE for none */
	bool connected, answered;
} fixtures[] = {
	{"connect", {CONNECT}, 1, 1, 0, 1, 0, SL_SIGNAL_NONE, true, false},
	{"a request waits",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}},
	 1,
	 1,
	 0,
	 1,
	 1,
	 SL_SIGNAL_NONE,
	 true,
	 false},
	{"its answer is a success",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 700, 0}},
	 1,
	 1,
	 0,
	 1,
	 0,
	 SL_SIGNAL_SUCCESS,
	 true,
	 true},
	{"a late first byte",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 700, 1500}},
	 1,
	 1,
	 0,
	 1,
	 0,
	 SL_SIGNAL_FIRST_BYTE_SLOW,
	 true,
	 true},
	{"a stall",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {0, ACK, 301, 1, 0, 2500}},
	 1,
	 1,
	 0,
	 1,
	 1,
	 SL_SIGNAL_STALL,
	 true,
	 false},
	{"closed by both, nothing asked",
	 {CONNECT, {0, FIN | ACK, 1, 1, 0, 0}, {1, FIN | ACK, 1, 2, 0, 0}, {0, ACK, 2, 2, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 SL_SIGNAL_CLIENT_GONE,
	 true,
	 false},
	{"reset before the first byte",
	 {CONNECT, {0, ACK, 1, 1, 300, 0}, {1, RST, 1, 0, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 SL_SIGNAL_RST_EARLY,
	 true,
	 false},
	{"refused",
	 {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 1, 0, 0}},
	 0,
	 1,
	 1,
	 0,
	 0,
	 SL_SIGNAL_RST_EARLY,
	 false,
	 false},
	{"a SYN that waits for room in the backlog",
	 {{0, SYN, 0, 0, 0, 0}, {0, SYN, 0, 0, 0, 1000}},
	 1,
	 1,
	 0,
	 0,
	 0,
	 SL_SIGNAL_SYN_RETRANS,
	 false,
	 false},
	{"a new connection from the same port",
	 {{0, SYN, 0, 0, 0, 0}, {0, SYN, 70000, 0, 0, 1000}},
	 1,
	 2,
	 1,
	 0,
	 0,
	 SL_SIGNAL_CLIENT_GONE,
	 false,
	 false},
	{"in mid-flow, not seen to begin",
	 {{0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 700, 0}},
	 0,
	 0,
	 0,
	 0,
	 0,
	 SL_SIGNAL_NONE,
	 false,
	 false},
};

/* This host as a node: its clients come to the service, or in mode nat to its own address. */
static void start(struct sl_rig *rig, enum sl_mode mode, bool ip6)
{
	uint32_t slot = SELF, pool = ip6 ? SL_RIG_POOL6 : SL_RIG_POOL4;

	sl_rig_reset(rig);
	sl_rig_node(rig, SELF, pool, ip6 ? HERE6 : HERE, 80, ip6 ? HERE6 : HERE);
	rig->nodes[SELF].mode = mode;
	sl_rig_table(rig, pool, &slot, 1);
	rig->pools[pool].mode = mode;
	rig->pools[pool].local = SELF;
	rig->settings->role = SL_ROLE_NODE;
	sl_rig_tune(rig, SL_TUNABLE_STALL_MS, 2000);
	sl_rig_tune(rig, SL_TUNABLE_FIRST_BYTE_SLOW_US, 1000000);
}

static struct sl_frame_spec spec_of(const struct packet *packet, enum sl_mode mode, bool ip6)
{
	const char *client = ip6 ? CLIENT6 : CLIENT;
	const char *server = mode == SL_MODE_NAT ? (ip6 ? HERE6 : HERE) : ip6 ? VIP6 : VIP;
	uint32_t seq = packet->answer ? SERVER_SEQ : CLIENT_SEQ;
	uint32_t ack = packet->answer ? CLIENT_SEQ : SERVER_SEQ;

	return (struct sl_frame_spec){
		.src = packet->answer ? server : client,
		.dst = packet->answer ? client : server,
		.sport = packet->answer ? 80 : 5000,
		.dport = packet->answer ? 5000 : 80,
		.flags = packet->flags,
		.seq = seq + packet->seq,
		.ack = packet->flags & ACK ? ack + packet->ack : 0,
		.payload_len = packet->payload_len,
		.dmac = SL_RIG_MAC_NODE(0xa0),
	};
}

/* Moves the only connection's times into the past. */
static void age(struct sl_rig *rig, uint64_t age_ms)
{
	uint32_t ticks = (uint32_t)(age_ms * 1000000 >> 10);
	struct sl_local_conn local;
	struct sl_flow_key key;

	if (!age_ms || bpf_map_get_next_key(rig->conns_fd, NULL, &key) ||
	    bpf_map_lookup_elem(rig->conns_fd, &key, &local))
		return;
	local.last_tick = (local.last_tick - ticks) | 1;
	if (local.conn.begun)
		local.conn.begun = (local.conn.begun - ticks) | 1;
	bpf_map_update_elem(rig->conns_fd, &key, &local, BPF_EXIST);
}

/* The packet at its hook, which must leave it as it is. */
static bool seen(struct sl_rig *rig, const struct packet *packet, enum sl_mode mode, bool ip6)
{
	const char *program = packet->answer ? "sluice_node_tc_egress" : "sluice_node_tc_ingress";
	struct sl_frame_spec spec = spec_of(packet, mode, ip6);
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	return sl_outer_run(rig, program, SL_RIG_TC, &in, &out) == SL_RIG_PASS &&
	       sl_outer_same(&out, &in);
}

static uint64_t other_signals(const struct sl_node_state *node, enum sl_signal signal)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < SL_SIGNAL_COUNT; i++)
		sum += i == signal ? 0 : node->signals[i];
	return sum;
}

static bool as_wanted(struct sl_rig *rig, const struct fixture *fixture)
{
	const struct sl_node_state *node = &rig->nodes[SELF];
	bool told = fixture->signal == SL_SIGNAL_NONE || node->signals[fixture->signal] == 1;

	return sl_rig_entries(rig->conns_fd) == fixture->entries &&
	       node->flows_opened == fixture->opened && node->flows_closed == fixture->closed &&
	       sl_rig_flows(rig, SELF) == fixture->alive && node->waiting == fixture->waiting &&
	       told && other_signals(node, fixture->signal) == 0 &&
	       !!node->connect_us == fixture->connected &&
	       !!node->first_byte_us == fixture->answered &&
	       sl_rig_counted(rig, SL_COUNTER_CONN_OBSERVED) == fixture->opened;
}

static void test_fixture(struct sl_rig *rig, const struct fixture *fixture, enum sl_mode mode,
			 bool ip6)
{
	const struct sl_node_state *node = &rig->nodes[SELF];
	char name[NAME_MAX];
	bool ok = true;

	start(rig, mode, ip6);
	for (size_t i = 0; i < 8 && fixture->packets[i].flags; i++) {
		age(rig, fixture->packets[i].age_ms);
		ok = seen(rig, &fixture->packets[i], mode, ip6) && ok;
	}
	snprintf(name, sizeof(name), "%s, %s: %s", mode == SL_MODE_NAT ? "nat" : "gue",
		 ip6 ? "IPv6" : "IPv4", fixture->description);
	sl_rig_check(rig, ok && as_wanted(rig, fixture), name,
		     "entries %u, opened %llu, closed %llu, alive %llu, waiting %u, signal %llu, "
		     "others %llu, connect %u, first byte %u",
		     sl_rig_entries(rig->conns_fd), (unsigned long long)node->flows_opened,
		     (unsigned long long)node->flows_closed,
		     (unsigned long long)sl_rig_flows(rig, SELF), node->waiting,
		     (unsigned long long)node->signals[fixture->signal],
		     (unsigned long long)other_signals(node, fixture->signal), node->connect_us,
		     node->first_byte_us);
}

/* The breaker opens and finds its way back by the connections that come anyway. */
static void test_breaker(struct sl_rig *rig)
{
	static const struct packet refusal[] = {{0, SYN, 0, 0, 0, 0}, {1, RST | ACK, 0, 1, 0, 0}};
	static const struct packet served[] = {
		CONNECT, {0, ACK, 1, 1, 300, 0}, {1, ACK, 1, 301, 700, 0}, {1, RST, 701, 0, 0, 0}};
	struct sl_node_state *node = &rig->nodes[SELF];
	bool ok = true;

	start(rig, SL_MODE_GUE, false);
	rig->pools[SL_RIG_POOL4].node_count = 2; /* the only one of a pool never opens */
	for (int i = 0; i < 5; i++) {
		ok = seen(rig, &refusal[0], SL_MODE_GUE, false) &&
		     seen(rig, &refusal[1], SL_MODE_GUE, false) && ok;
	}
	sl_rig_check(rig, ok && sl_breaker_state(node->breaker) == SL_BREAKER_OPEN,
		     "five refusals open this host's own breaker", "state %d",
		     (int)sl_breaker_state(node->breaker));
	/* Its time is over. */
	node->breaker =
		sl_breaker_pack(SL_BREAKER_OPEN, 0, sl_breaker_generation(node->breaker), 1);
	for (int i = 0; i < 3; i++) {
		for (size_t at = 0; at < sizeof(served) / sizeof(*served); at++)
			ok = seen(rig, &served[at], SL_MODE_GUE, false) && ok;
	}
	sl_rig_check(rig, ok && sl_breaker_state(node->breaker) == SL_BREAKER_CLOSED,
		     "three answers close it again", "state %d",
		     (int)sl_breaker_state(node->breaker));
}

/* What goes to a node that is not this host, or to no service at all, is not measured. */
static void test_not_here(struct sl_rig *rig)
{
	static const struct packet syn = {0, SYN, 0, 0, 0, 0};
	struct sl_frame_spec spec;
	struct sl_frame in, out;
	bool ok;

	start(rig, SL_MODE_GUE, false);
	rig->pools[SL_RIG_POOL4].local = 0;
	ok = seen(rig, &syn, SL_MODE_GUE, false);
	spec = spec_of(&syn, SL_MODE_GUE, false);
	spec.dport = 81;
	sl_frame_build(&in, &spec);
	ok = ok && sl_outer_run(rig, "sluice_node_tc_ingress", SL_RIG_TC, &in, &out) == SL_RIG_PASS;
	sl_rig_check(rig, ok && sl_rig_entries(rig->conns_fd) == 0, "what is not served here",
		     "it was measured");
}

/* ---- the MSS ------------------------------------------------------------------------------- */

#define OPTIONS_AT(ip6) (14 + ((ip6) ? 40 : 20) + 20)

/* The TCP checksum of an untagged frame, from scratch. */
static void sum_tcp(struct sl_frame *frame, bool ip6)
{
	uint8_t *ip = frame->bytes + 14;
	size_t head = ip6 ? 40 : 20, len = frame->len - 14 - head;
	uint8_t *tcp = ip + head;
	uint32_t sum = 6 + (uint32_t)len;

	tcp[16] = tcp[17] = 0;
	for (size_t i = ip6 ? 8 : 12; i < head; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? tcp[i] : (uint32_t)tcp[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	tcp[16] = (uint8_t)(~sum >> 8);
	tcp[17] = (uint8_t)~sum;
}

static const struct mss {
	const char *description;
	uint8_t options[12];
	uint8_t at; /* where the value is; 0: it stays as it is */
	bool off;   /* by tunable */
} options[] = {
	{"MSS first", {2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1, 1, 1}, 2, false},
	{"MSS behind another option", {3, 3, 7, 1, 2, 4, 5, 0xb4, 1, 1, 1, 1}, 6, false},
	{"MSS at an odd place", {1, 2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1, 1}, 3, false},
	{"MSS last", {1, 1, 1, 1, 1, 1, 1, 1, 2, 4, 5, 0xb4}, 10, false},
	{"MSS that fits already", {2, 4, 4, 0, 1, 1, 1, 1, 1, 1, 1, 1}, 0, false},
	{"no MSS", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, false},
	{"the list ends before it", {0, 0, 0, 0, 2, 4, 5, 0xb4, 1, 1, 1, 1}, 0, false},
	{"an option without length", {3, 0, 2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1}, 0, false},
	{"an option longer than all", {3, 200, 2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1}, 0, false},
	{"MSS of a wrong length", {2, 6, 5, 0xb4, 1, 1, 1, 1, 1, 1, 1, 1}, 0, false},
	{"MSS cut short", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 4}, 0, false},
	{"tunnel.mss_clamp is off", {2, 4, 5, 0xb4, 1, 1, 1, 1, 1, 1, 1, 1}, 0, true},
};

static void test_mss(struct sl_rig *rig, const struct mss *mss, enum sl_mode mode, bool ip6)
{
	static const struct packet syn = {0, SYN, 0, 0, 0, 0};
	static const struct packet answer = {1, SYN | ACK, 0, 1, 0, 0};
	struct sl_frame_spec spec = spec_of(&answer, mode, ip6);
	uint32_t most = 1500 - (ip6 ? 100 : 60) - (mode == SL_MODE_GUE ? 8 : 0);
	bool lowered = mss->at && (mode == SL_MODE_IPIP || mode == SL_MODE_GUE);
	struct sl_frame in, out, wanted;
	char name[NAME_MAX];
	bool ok;

	start(rig, mode, ip6);
	sl_rig_tune(rig, SL_TUNABLE_MSS_CLAMP, !mss->off);
	ok = seen(rig, &syn, mode, ip6);
	spec.tcp_option_len = sizeof(mss->options);
	sl_frame_build(&in, &spec);
	memcpy(in.bytes + OPTIONS_AT(ip6), mss->options, sizeof(mss->options));
	sum_tcp(&in, ip6);
	wanted = in;
	if (lowered) {
		wanted.bytes[OPTIONS_AT(ip6) + mss->at] = (uint8_t)(most >> 8);
		wanted.bytes[OPTIONS_AT(ip6) + mss->at + 1] = (uint8_t)most;
		sum_tcp(&wanted, ip6);
	}
	ok = ok && sl_outer_run(rig, "sluice_node_tc_egress", SL_RIG_TC, &in, &out) == SL_RIG_PASS;
	snprintf(name, sizeof(name), "%s, %s: %s",
		 mode == SL_MODE_IPIP ? "ipip"
		 : mode == SL_MODE_L2 ? "l2"
				      : "gue",
		 ip6 ? "IPv6" : "IPv4", mss->description);
	sl_rig_check(rig,
		     ok && sl_outer_same(&out, &wanted) &&
			     sl_rig_counted(rig, SL_COUNTER_MSS_CLAMPED) == lowered,
		     name, "bytes or counter");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(fixtures) / sizeof(*fixtures); i++) {
		test_fixture(&rig, &fixtures[i], SL_MODE_GUE, false);
		test_fixture(&rig, &fixtures[i], SL_MODE_NAT, true);
	}
	test_breaker(&rig);
	test_not_here(&rig);
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
		for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++) {
			test_mss(&rig, &options[i], mode, false);
			test_mss(&rig, &options[i], mode, true);
		}
	}
	return sl_rig_close(&rig);
}
