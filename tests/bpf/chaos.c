/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos.c - experiments on packets: what they do to which ones, and that each ends by itself.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <endian.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bpf/siphash.h"
#include "tests/bpf/lib/talk.h"

#define SYN	 SL_FRAME_SYN
#define ACK	 SL_FRAME_ACK
#define RST	 SL_FRAME_RST
#define ROW	 3u /* any of SL_CHAOS_MAX */
#define PAYLOAD	 100u
#define BOTH	 (SL_CHAOS_TO_NODE | SL_CHAOS_FROM_NODE)
#define PACKETS	 4000u
#define QUARTER	 (SL_CHAOS_ALL / 4)
#define FAR_OFF	 200u /* of 1,000 expected hits: seven standard deviations */
#define HOUR_NS	 3600000000000ull
#define BEACONS	 7700
#define LOCAL	 "10.0.0.2"
#define NODE	 "10.0.0.11"
#define NODE_SEQ 9000u

struct bench {
	struct sl_rig rig;
	struct sl_chaos *rows;
	enum sl_rig_hook hook;
	bool ip6;
	char name[160];
};

static bool open_bench(struct bench *bench)
{
	int map;

	sl_rig_open(&bench->rig);
	map = bpf_object__find_map_fd_by_name(bench->rig.object, "chaos");
	bench->rows = mmap(NULL, SL_CHAOS_MAX * sizeof(*bench->rows), PROT_READ | PROT_WRITE,
			   MAP_SHARED, map, 0);
	return bench->rows != MAP_FAILED;
}

static const char *named(struct bench *bench, const char *name)
{
	snprintf(bench->name, sizeof(bench->name), "%s, IPv%d: %s",
		 bench->hook == SL_RIG_TC ? "TC" : "XDP", bench->ip6 ? 6 : 4, name);
	return bench->name;
}

static struct sl_chaos *row(const struct bench *bench)
{
	return &bench->rows[ROW];
}

static void aim(const struct bench *bench, uint32_t slot)
{
	row(bench)->nodes[slot / 64] |= 1ull << slot % 64;
}

/* An experiment on every packet of all the rig's nodes but those left out by the test. */
static void begin(const struct bench *bench, enum sl_chaos_kind kind, uint8_t ways)
{
	memset(bench->rows, 0, SL_CHAOS_MAX * sizeof(*bench->rows));
	row(bench)->until_ns = sl_rig_now_ns() + HOUR_NS;
	row(bench)->hits_max = UINT64_MAX;
	row(bench)->share = SL_CHAOS_ALL;
	row(bench)->kind = (uint8_t)kind;
	row(bench)->ways = ways;
	for (uint32_t slot = SL_RIG_NODE_A; slot <= SL_RIG_NODE6_B; slot++)
		aim(bench, slot);
	bench->rig.settings->chaos = 1u << ROW;
}

/* A connection that stands, made before any experiment. */
static struct sl_talk stand(struct bench *bench)
{
	struct sl_talk talk = sl_talk_of(bench->hook, bench->ip6);

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	if (!sl_talk_establish(&bench->rig, &talk))
		sl_rig_check(&bench->rig, false, named(bench, "stands"), "no connection");
	return talk;
}

static uint32_t add_up(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

/* Is the checksum of the frame's TCP right, computed from scratch (RFC 9293, 3.1)? */
static bool sum_is_right(const struct sl_frame *frame)
{
	const uint8_t *ip = frame->bytes + sl_frame_l3_at(frame);
	bool ip6 = ip[0] >> 4 == 6;
	size_t head = ip6 ? 40 : 20;
	size_t len = ip6 ? (size_t)(ip[4] << 8 | ip[5]) : (size_t)(ip[2] << 8 | ip[3]) - head;
	uint32_t sum = IPPROTO_TCP + (uint32_t)len;

	sum = add_up(sum, ip6 ? ip + 8 : ip + 12, ip6 ? 32 : 8);
	sum = add_up(sum, ip + head, len);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static const uint8_t *tcp_of(const struct sl_frame *frame)
{
	const uint8_t *ip = frame->bytes + sl_frame_l3_at(frame);

	return ip + (ip[0] >> 4 == 6 ? 40 : 20);
}

/* One packet with payload; what came out. */
static enum sl_rig_verdict send_data(struct bench *bench, const struct sl_talk *talk,
				     bool from_node, struct sl_frame *ret_in,
				     struct sl_frame *ret_out)
{
	struct sl_frame_spec spec = from_node ? sl_talk_node_spec(&bench->rig, talk, ACK, PAYLOAD)
					      : sl_talk_client_spec(talk, ACK, PAYLOAD);

	sl_frame_build(ret_in, &spec);
	return sl_rig_run(&bench->rig, bench->hook, ret_in, ret_out);
}

/* ---- loss ---------------------------------------------------------------------------------- */

static void test_ways(struct bench *bench)
{
	static const struct {
		const char *description;
		uint8_t ways;
		bool to_lost, from_lost;
	} cases[] = {
		{"lost towards the node alone", SL_CHAOS_TO_NODE, true, false},
		{"lost from the node alone", SL_CHAOS_FROM_NODE, false, true},
		{"lost both ways", BOTH, true, true},
		{"no way, none lost", 0, false, false},
	};
	struct sl_talk talk = stand(bench);
	struct sl_frame in, out;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool to, from;

		begin(bench, SL_CHAOS_DROP, cases[i].ways);
		sl_rig_count_mark(&bench->rig);
		to = send_data(bench, &talk, false, &in, &out) == SL_RIG_DROP;
		from = send_data(bench, &talk, true, &in, &out) == SL_RIG_DROP;
		sl_rig_check(&bench->rig,
			     to == cases[i].to_lost && from == cases[i].from_lost &&
				     row(bench)->hits == (uint64_t)to + from &&
				     row(bench)->seen == row(bench)->hits &&
				     sl_rig_counted(&bench->rig, SL_COUNTER_DROP_CHAOS) ==
					     (uint64_t)to + from,
			     named(bench, cases[i].description), "to %d, from %d, %llu of %llu", to,
			     from, (unsigned long long)row(bench)->hits,
			     (unsigned long long)row(bench)->seen);
	}
}

static void test_share(struct bench *bench)
{
	struct sl_talk talk = stand(bench);
	struct sl_frame in, out;
	uint32_t lost = 0;

	begin(bench, SL_CHAOS_DROP, BOTH);
	row(bench)->share = QUARTER;
	for (uint32_t i = 0; i < PACKETS; i++)
		lost += send_data(bench, &talk, i & 1, &in, &out) == SL_RIG_DROP;
	sl_rig_check(&bench->rig,
		     lost > PACKETS / 4 - FAR_OFF && lost < PACKETS / 4 + FAR_OFF &&
			     row(bench)->hits == lost && row(bench)->seen == PACKETS,
		     named(bench, "a quarter is lost, and counted"), "%u of %u", lost, PACKETS);
	begin(bench, SL_CHAOS_DROP, BOTH);
	row(bench)->share = 0;
	lost = send_data(bench, &talk, true, &in, &out) == SL_RIG_DROP;
	sl_rig_check(&bench->rig, !lost && row(bench)->seen == 1,
		     named(bench, "share 0: seen alone"), "%u lost", lost);
}

static void test_aim(struct bench *bench)
{
	struct sl_talk talk = stand(bench);
	struct sl_frame in, out;

	begin(bench, SL_CHAOS_DROP, BOTH);
	row(bench)->nodes[talk.slot / 64] &= ~(1ull << talk.slot % 64);
	sl_rig_check(&bench->rig,
		     send_data(bench, &talk, false, &in, &out) == SL_RIG_FORWARD &&
			     !row(bench)->seen,
		     named(bench, "another node's packets are not touched"), "%llu seen",
		     (unsigned long long)row(bench)->seen);
	bench->rows[ROW + 1] = *row(bench);
	memset(bench->rows[ROW + 1].nodes, 0xff, sizeof(bench->rows[ROW + 1].nodes));
	bench->rig.settings->chaos |= 1u << (ROW + 1);
	sl_rig_check(&bench->rig,
		     send_data(bench, &talk, false, &in, &out) == SL_RIG_DROP &&
			     bench->rows[ROW + 1].hits == 1,
		     named(bench, "by the row that means it"), "%llu hits",
		     (unsigned long long)bench->rows[ROW + 1].hits);
}

static void test_syn(struct bench *bench)
{
	struct sl_talk talk = sl_talk_of(bench->hook, bench->ip6);
	enum sl_rig_verdict verdict;

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	begin(bench, SL_CHAOS_DROP, SL_CHAOS_TO_NODE);
	verdict = sl_talk_client(&bench->rig, &talk, SYN, 0);
	sl_rig_check(&bench->rig,
		     verdict == SL_RIG_DROP && row(bench)->hits == 1 &&
			     sl_rig_counted(&bench->rig, SL_COUNTER_DROP_CHAOS) == 1 &&
			     sl_rig_flow_count(&bench->rig) == 1,
		     named(bench, "a SYN is lost, its flow waits for the next"),
		     "verdict %d, %u flows", verdict, sl_rig_flow_count(&bench->rig));
	begin(bench, SL_CHAOS_RESET, SL_CHAOS_TO_NODE);
	talk = sl_talk_of(bench->hook, bench->ip6);
	talk.sport++;
	sl_rig_check(&bench->rig, sl_talk_client(&bench->rig, &talk, SYN, 0) == SL_RIG_FORWARD,
		     named(bench, "no other kind does anything to a SYN"), "slot %u", talk.slot);
}

/* ---- the end ------------------------------------------------------------------------------- */

static void test_end(struct bench *bench)
{
	struct sl_talk talk = stand(bench);
	struct sl_frame in, out;
	uint32_t lost = 0;

	begin(bench, SL_CHAOS_DROP, BOTH);
	row(bench)->until_ns = sl_rig_now_ns() - 1;
	sl_rig_check(&bench->rig,
		     send_data(bench, &talk, false, &in, &out) == SL_RIG_FORWARD &&
			     !bench->rig.settings->chaos,
		     named(bench, "its time is over: the packet ends it"), "chaos is %x",
		     bench->rig.settings->chaos);
	begin(bench, SL_CHAOS_DROP, BOTH);
	row(bench)->hits_max = 3;
	for (uint32_t i = 0; i < 10; i++)
		lost += send_data(bench, &talk, true, &in, &out) == SL_RIG_DROP;
	sl_rig_check(&bench->rig, lost == 3 && !bench->rig.settings->chaos,
		     named(bench, "it has hit what it may: the next packet ends it"), "%u lost",
		     lost);
	begin(bench, SL_CHAOS_DROP, BOTH);
	bench->rig.settings->chaos = 0;
	sl_rig_check(&bench->rig,
		     send_data(bench, &talk, false, &in, &out) == SL_RIG_FORWARD &&
			     !row(bench)->seen,
		     named(bench, "off: no row is looked at"), "%llu seen",
		     (unsigned long long)row(bench)->seen);
}

/* ---- changes ------------------------------------------------------------------------------- */

static void test_reset(struct bench *bench)
{
	struct sl_talk talk = stand(bench);
	struct sl_frame in, out;
	const struct sl_flow *flow;
	enum sl_rig_verdict verdict;

	begin(bench, SL_CHAOS_RESET, SL_CHAOS_FROM_NODE);
	verdict = send_data(bench, &talk, true, &in, &out);
	sl_rig_check(&bench->rig,
		     verdict == SL_RIG_FORWARD && tcp_of(&out)[13] == (RST | ACK) &&
			     !memcmp(tcp_of(&out) + 4, tcp_of(&in) + 4, 8) && sum_is_right(&out),
		     named(bench, "what a node sends becomes its reset"),
		     "verdict %d, flags %02x, sum %d", verdict, tcp_of(&out)[13],
		     sum_is_right(&out));
	flow = sl_rig_flow(&bench->rig, talk.sport);
	sl_rig_check(&bench->rig,
		     !flow || (flow->conn.state != SL_TCP_ESTABLISHED && row(bench)->hits == 1),
		     named(bench, "and is seen as one"), "state %d", flow ? flow->conn.state : -1);
	talk = stand(bench);
	begin(bench, SL_CHAOS_RESET, SL_CHAOS_TO_NODE);
	verdict = send_data(bench, &talk, false, &in, &out);
	sl_rig_check(&bench->rig,
		     verdict == SL_RIG_FORWARD && tcp_of(&out)[13] == (RST | ACK) &&
			     sum_is_right(&out),
		     named(bench, "what a client sends too"), "verdict %d, flags %02x", verdict,
		     tcp_of(&out)[13]);
	sl_rig_check(&bench->rig, sl_rig_counted(&bench->rig, SL_COUNTER_CHAOS_CHANGED) == 1,
		     named(bench, "counted"), "%llu",
		     (unsigned long long)sl_rig_counted(&bench->rig, SL_COUNTER_CHAOS_CHANGED));
}

static void test_payload(struct bench *bench, enum sl_chaos_kind kind, bool from_node)
{
	bool garble = kind == SL_CHAOS_GARBLE;
	struct sl_talk talk = stand(bench);
	enum sl_rig_verdict verdict;
	struct sl_frame in, out;
	const uint8_t *before, *after;
	struct sl_frame_spec spec;

	begin(bench, kind, BOTH);
	verdict = send_data(bench, &talk, from_node, &in, &out);
	before = tcp_of(&in) + 20;
	after = tcp_of(&out) + 20;
	sl_rig_check(&bench->rig,
		     verdict == SL_RIG_FORWARD && memcmp(before, after, 4) &&
			     !memcmp(before + 4, after + 4, PAYLOAD - 4) &&
			     sum_is_right(&out) == garble && row(bench)->hits == 1,
		     named(bench, garble ? "garbled, the checksum right"
					 : "corrupted, the checksum wrong"),
		     "verdict %d, sum %s", verdict, sum_is_right(&out) ? "right" : "wrong");
	spec = sl_talk_client_spec(&talk, ACK, 3);
	sl_frame_build(&in, &spec);
	sl_rig_run(&bench->rig, bench->hook, &in, &out);
	sl_rig_check(&bench->rig, sum_is_right(&out) && row(bench)->hits == 1,
		     named(bench, "not with less than four bytes"), "%llu hits",
		     (unsigned long long)row(bench)->hits);
}

/* ---- held back ----------------------------------------------------------------------------- */

/* Some device holds back what goes by the key, or (0) nobody does any longer. */
static void hold(struct bench *bench, uint32_t key, uint32_t ifindex)
{
	int map = bpf_object__find_map_fd_by_name(bench->rig.object, "lag_taps");

	if (ifindex ? bpf_map_update_elem(map, &key, &ifindex, BPF_ANY)
		    : bpf_map_delete_elem(map, &key))
		sl_rig_check(&bench->rig, false, named(bench, "lag_taps"), "key %x", key);
}

/* The hook's verdict for what is held, and for what goes out by the way it came. */
static int held_verdict(const struct bench *bench)
{
	return bench->hook == SL_RIG_TC ? TC_ACT_REDIRECT : (int)XDP_REDIRECT;
}

static int sent_verdict(const struct bench *bench)
{
	return bench->hook == SL_RIG_TC ? TC_ACT_REDIRECT : (int)XDP_TX;
}

static bool is_held(struct bench *bench, uint64_t packets)
{
	return row(bench)->hits == packets &&
	       sl_rig_counted(&bench->rig, SL_COUNTER_CHAOS_HELD) == packets;
}

static void check_held(struct bench *bench, const char *name, int verdict, uint64_t packets)
{
	sl_rig_check(&bench->rig, bench->rig.last_verdict == verdict && is_held(bench, packets),
		     named(bench, name), "verdict %d, %llu hits, %llu held",
		     bench->rig.last_verdict, (unsigned long long)row(bench)->hits,
		     (unsigned long long)sl_rig_counted(&bench->rig, SL_COUNTER_CHAOS_HELD));
}

static void begin_lag(struct bench *bench, uint8_t ways)
{
	begin(bench, SL_CHAOS_LAG, ways);
	sl_rig_count_mark(&bench->rig);
}

static void test_lag(struct bench *bench)
{
	uint32_t key = SL_LAG_OUT(bench->rig.one_arm.ifindex);
	struct sl_talk talk = stand(bench), next = sl_talk_of(bench->hook, bench->ip6);
	struct sl_frame in, out, late;

	begin_lag(bench, BOTH);
	send_data(bench, &talk, true, &in, &out);
	check_held(bench, "nobody would hold it: it goes its way", sent_verdict(bench), 0);
	hold(bench, key, bench->rig.other.ifindex);
	send_data(bench, &talk, true, &in, &late);
	check_held(bench, "it is held", held_verdict(bench), 1);
	sl_rig_check(&bench->rig, out.len == late.len && !memcmp(out.bytes, late.bytes, out.len),
		     named(bench, "as it would have left"), "%zu bytes, %zu", out.len, late.len);
	send_data(bench, &talk, false, &in, &out);
	check_held(bench, "towards the node, too", held_verdict(bench), 2);
	next.sport++;
	sl_talk_client(&bench->rig, &next, SYN, 0);
	check_held(bench, "and a SYN", held_verdict(bench), 3);
	begin_lag(bench, SL_CHAOS_FROM_NODE);
	send_data(bench, &talk, false, &in, &out);
	check_held(bench, "not the other way", sent_verdict(bench), 0);
	begin_lag(bench, BOTH);
	row(bench)->until_ns = sl_rig_now_ns() - 1;
	send_data(bench, &talk, true, &in, &out);
	check_held(bench, "its time is over: nothing is held", sent_verdict(bench), 0);
	begin_lag(bench, BOTH);
	hold(bench, key, 0);
	hold(bench, SL_LAG_OUT(bench->rig.other.ifindex), bench->rig.other.ifindex);
	send_data(bench, &talk, true, &in, &out);
	check_held(bench, "nor by the holder of another device", sent_verdict(bench), 0);
	hold(bench, SL_LAG_OUT(bench->rig.other.ifindex), 0);
}

/* A SYN to a node that is elsewhere: behind a VLAN, or not resolved yet. */
static void test_lag_way(struct bench *bench)
{
	const uint32_t tables[] = {SL_RIG_NODE_A};
	uint32_t vlan =
		bench->hook == SL_RIG_TC ? bench->rig.vlan.ifindex : bench->rig.one_arm.ifindex;
	struct sl_talk talk = sl_talk_of(bench->hook, false);

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	sl_rig_table(&bench->rig, SL_RIG_POOL4, tables, 1);
	sl_rig_node(&bench->rig, SL_RIG_NODE_A, SL_RIG_POOL4, "10.0.0.99", 8000, LOCAL);
	hold(bench, SL_LAG_OUT(bench->rig.one_arm.ifindex), bench->rig.other.ifindex);
	hold(bench, SL_LAG_OUT(bench->rig.vlan.ifindex), bench->rig.other.ifindex);
	begin_lag(bench, BOTH);
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	check_held(bench, "whose next hop is not known is not held",
		   bench->hook == SL_RIG_TC ? TC_ACT_REDIRECT : (int)XDP_PASS, 0);
	hold(bench, SL_LAG_OUT(bench->rig.one_arm.ifindex), 0);
	hold(bench, SL_LAG_OUT(bench->rig.vlan.ifindex), 0);
	sl_rig_node(&bench->rig, SL_RIG_NODE_A, SL_RIG_POOL4, "10.0.100.11", 8000, "10.0.100.2");
	hold(bench, SL_LAG_OUT(vlan), bench->rig.other.ifindex);
	begin_lag(bench, BOTH);
	talk = sl_talk_of(bench->hook, false);
	talk.sport++;
	sl_talk_client(&bench->rig, &talk, SYN, 0);
	check_held(bench, "into a VLAN: by the device that sends it", held_verdict(bench), 1);
	hold(bench, SL_LAG_OUT(vlan), 0);
	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	sl_rig_table(&bench->rig, SL_RIG_POOL4, (const uint32_t[]){SL_RIG_NODE_A, SL_RIG_NODE_B},
		     2);
}

/* ---- the local stack ----------------------------------------------------------------------- */

static struct sl_frame_spec local_packet(bool from_node, uint8_t flags, uint32_t seq, uint32_t ack,
					 uint16_t payload_len)
{
	return (struct sl_frame_spec){
		.src = from_node ? NODE : LOCAL,
		.dst = from_node ? LOCAL : NODE,
		.sport = from_node ? 8000 : 35000,
		.dport = from_node ? 35000 : 8000,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.payload_len = payload_len,
	};
}

static int run_local(struct bench *bench, bool from_node, uint8_t flags, uint32_t seq, uint32_t ack,
		     uint16_t payload_len)
{
	struct sl_frame_spec spec = local_packet(from_node, flags, seq, ack, payload_len);

	return from_node ? sl_rig_ingress(&bench->rig, &spec) : sl_rig_egress(&bench->rig, &spec);
}

/* Connects to the node whose time was measured. */
static uint32_t connects(const struct bench *bench)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < SL_LATENCY_BUCKETS; i++)
		sum += bench->rig.latencies[SL_RIG_NODE_A].connect[i];
	return sum;
}

/* Test runs of the observers are on the loopback device, number 1. */
static void test_local_lag(struct bench *bench)
{
	int out, in;

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	begin_lag(bench, BOTH);
	out = run_local(bench, false, SYN, 100, 0, 0);
	in = run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	sl_rig_check(&bench->rig,
		     out == TC_ACT_UNSPEC && in == TC_ACT_UNSPEC && is_held(bench, 0) &&
			     connects(bench) == 1,
		     "local stack: nobody would hold it: it goes its way",
		     "out %d, in %d, %u connects measured", out, in, connects(bench));
	sl_rig_reset(&bench->rig);
	hold(bench, SL_LAG_OUT(1), bench->rig.other.ifindex);
	hold(bench, SL_LAG_IN(1), bench->rig.other.ifindex);
	begin_lag(bench, BOTH);
	out = run_local(bench, false, SYN, 100, 0, 0);
	sl_rig_check(&bench->rig,
		     out == TC_ACT_REDIRECT && is_held(bench, 1) &&
			     sl_rig_counted(&bench->rig, SL_COUNTER_CONN_OBSERVED) == 1,
		     "local stack: held when it was measured", "out %d", out);
	in = run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	sl_rig_check(&bench->rig,
		     in == TC_ACT_REDIRECT && is_held(bench, 2) && connects(bench) == 0,
		     "local stack: from the node before it is", "in %d, %u connects measured", in,
		     connects(bench));
	hold(bench, SL_LAG_OUT(1), 0);
	hold(bench, SL_LAG_IN(1), 0);
}

static void test_local(struct bench *bench)
{
	int out, in, other;

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	begin(bench, SL_CHAOS_DROP, SL_CHAOS_TO_NODE);
	out = run_local(bench, false, SYN, 100, 0, 0);
	in = run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	sl_rig_check(&bench->rig, out == TC_ACT_SHOT && in == TC_ACT_UNSPEC,
		     "local stack: lost towards the node", "out %d, in %d", out, in);
	begin(bench, SL_CHAOS_DROP, SL_CHAOS_FROM_NODE);
	out = run_local(bench, false, SYN, 100, 0, 0);
	in = run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	sl_rig_check(&bench->rig, out == TC_ACT_UNSPEC && in == TC_ACT_SHOT,
		     "local stack: lost from the node", "out %d, in %d", out, in);
	row(bench)->nodes[0] = 1ull << SL_RIG_NODE_B;
	other = run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	sl_rig_check(&bench->rig, other == TC_ACT_UNSPEC, "local stack: another node's is not",
		     "in %d", other);

	test_local_lag(bench);
	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	run_local(bench, false, SYN, 100, 0, 0);
	run_local(bench, true, SYN | ACK, NODE_SEQ, 101, 0);
	run_local(bench, false, ACK, 101, NODE_SEQ + 1, 50);
	begin(bench, SL_CHAOS_RESET, SL_CHAOS_FROM_NODE);
	in = run_local(bench, true, ACK, NODE_SEQ + 1, 151, PAYLOAD);
	sl_rig_check(&bench->rig,
		     in == TC_ACT_UNSPEC && row(bench)->hits == 1 &&
			     sl_rig_counted(&bench->rig, SL_COUNTER_CONN_CLOSED) == 1,
		     "local stack: a reset ends the connection", "in %d, %llu closed", in,
		     (unsigned long long)sl_rig_counted(&bench->rig, SL_COUNTER_CONN_CLOSED));
}

static void send_beacon(struct bench *bench, const struct sl_beacon_key *key, uint64_t sequence)
{
	struct sl_frame_spec spec = {
		.src = NODE,
		.dst = LOCAL,
		.sport = 40001,
		.dport = BEACONS,
		.udp = true,
		.payload_len = sizeof(struct sl_beacon),
		.smac = SL_RIG_MAC_NODE(0x0b),
		.dmac = SL_RIG_MAC_NODE(0xa0),
	};
	struct sl_beacon beacon = {
		.magic = htonl(SL_BEACON_MAGIC),
		.version = SL_BEACON_VERSION,
		.health = SL_HEALTH_READY,
		.port = htons(8000),
		.key_id = htonl(1),
		.addr = sl_frame_addr(NODE),
		.incarnation = htobe64(1700000000000000000ull),
		.sequence = htobe64(sequence),
	};
	struct sl_frame in, out;

	sl_frame_build(&in, &spec);
	beacon.tag = htobe64(sl_siphash24((const __u64 *)&beacon, 8, key->key));
	memcpy(in.bytes + sl_frame_l3_at(&in) + 28, &beacon, sizeof(beacon));
	sl_rig_run(&bench->rig, SL_RIG_XDP, &in, &out);
}

static void test_beacon(struct bench *bench)
{
	int keys = bpf_object__find_map_fd_by_name(bench->rig.object, "beacon_keys");
	struct sl_beacon_key key = {.key = {0x1111, 0x2222}, .id = 1};
	const struct sl_node_load *load = &bench->rig.loads[SL_RIG_NODE_A];
	uint32_t zero = 0;
	uint64_t before;

	bench->rig.settings->chaos = 0;
	sl_rig_reset(&bench->rig);
	bench->rig.settings->beacon_port = htons(BEACONS);
	bpf_map_update_elem(keys, &zero, &key, BPF_ANY);
	send_beacon(bench, &key, 1);
	before = load->accepted;
	begin(bench, SL_CHAOS_DROP, SL_CHAOS_FROM_NODE);
	send_beacon(bench, &key, 2);
	sl_rig_check(&bench->rig, before && load->accepted == before && row(bench)->hits == 1,
		     "a lost beacon is not taken in", "%llu, then %llu", (unsigned long long)before,
		     (unsigned long long)load->accepted);
	begin(bench, SL_CHAOS_DROP, SL_CHAOS_TO_NODE);
	send_beacon(bench, &key, 3);
	sl_rig_check(&bench->rig, load->accepted == before + 1,
		     "a beacon is nothing that goes to its node", "%llu",
		     (unsigned long long)load->accepted);
	bench->rig.settings->beacon_port = 0;
}

int main(void)
{
	static struct bench bench;

	if (!open_bench(&bench)) {
		perror("the map chaos");
		return 2;
	}
	for (unsigned i = 0; i < 2u * SL_RIG_HOOKS; i++) {
		bench.hook = i / 2 ? SL_RIG_TC : SL_RIG_XDP;
		bench.ip6 = i & 1;
		test_ways(&bench);
		test_share(&bench);
		test_aim(&bench);
		test_syn(&bench);
		test_end(&bench);
		test_reset(&bench);
		test_lag(&bench);
		test_payload(&bench, SL_CHAOS_CORRUPT, false);
		test_payload(&bench, SL_CHAOS_CORRUPT, true);
		test_payload(&bench, SL_CHAOS_GARBLE, false);
		test_payload(&bench, SL_CHAOS_GARBLE, true);
		if (!bench.ip6)
			test_lag_way(&bench);
	}
	test_local(&bench);
	test_beacon(&bench);
	bench.rig.settings->chaos = 0;
	return sl_rig_close(&bench.rig);
}
