/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tunnel.c - the balancer's side of the direct-return modes: the bytes of each tunnel at both hooks,
 * what does not fit, and packets in mid-flow that no flow is known for.
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include "bpf/hash.h"
#include "tests/bpf/lib/outer.h"

#define SYN	 SL_FRAME_SYN
#define ACK	 SL_FRAME_ACK
#define ONE_NODE 1u
#define NAME_MAX 160
#define MTU	 1500u

static const char *const mode_names[SL_MODES] = {"nat", "l2", "ipip", "gue"};
static const char *const hook_names[SL_RIG_HOOKS] = {"XDP", "TC"};

/* One family and way out. */
struct route {
	const char *description;
	const char *client, *service, *node, *snat;
	uint32_t pool;
	uint32_t slot;
	uint16_t vlan[2], out_vlan[2];
	uint8_t node_mac, out_mac;
	bool xdp_only; /* tags within the frame: real TC has the outer one beside it */
};

static const struct route routes[] = {
	{"IPv4",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {0},
	 {0},
	 0x0b,
	 0xa0,
	 false},
	{"IPv6",
	 "2001:db8:c::7",
	 "2001:db8::100",
	 "fd00::11",
	 "fd00::2",
	 SL_RIG_POOL6,
	 SL_RIG_NODE6_A,
	 {0},
	 {0},
	 0x0b,
	 0xa0,
	 false},
	{"IPv4, VLAN kept",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {7},
	 {7},
	 0x0b,
	 0xa0,
	 true},
	{"IPv6, VLAN kept",
	 "2001:db8:c::7",
	 "2001:db8::100",
	 "fd00::11",
	 "fd00::2",
	 SL_RIG_POOL6,
	 SL_RIG_NODE6_A,
	 {7},
	 {7},
	 0x0b,
	 0xa0,
	 true},
	{"IPv4, QinQ kept",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {7, 9},
	 {7, 9},
	 0x0b,
	 0xa0,
	 true},
	{"IPv4, other device",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {0},
	 {0},
	 0x0d,
	 0xa2,
	 false},
	{"IPv6, other device",
	 "2001:db8:c::7",
	 "2001:db8::100",
	 "fd00:2::11",
	 "fd00:2::2",
	 SL_RIG_POOL6,
	 SL_RIG_NODE6_A,
	 {0},
	 {0},
	 0x0d,
	 0xa2,
	 false},
	{"IPv4, other device, tag off",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {7},
	 {0},
	 0x0d,
	 0xa2,
	 false},
	{"IPv4, other device, tags off",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {7, 9},
	 {0},
	 0x0d,
	 0xa2,
	 false},
	{"IPv4, VLAN device, tag on",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.100.11",
	 "10.0.100.2",
	 SL_RIG_POOL4,
	 SL_RIG_NODE_A,
	 {0},
	 {100},
	 0x0e,
	 0xa0,
	 true},
};

static void die(const char *what)
{
	fprintf(stderr, "tunnel: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void set_mac(uint8_t *mac, uint8_t last)
{
	memset(mac, 0, 6);
	mac[0] = 0x02;
	mac[5] = last;
}

static struct sl_frame_spec from_client(const struct route *route, uint8_t flags, uint32_t seq,
					uint16_t payload_len)
{
	struct sl_frame_spec spec = {
		.src = route->client,
		.dst = route->service,
		.sport = 5000,
		.dport = 80,
		.seq = seq,
		.ack = flags & ACK ? 1 : 0,
		.flags = flags,
		.vlan = {route->vlan[0], route->vlan[1]},
		.payload_len = payload_len,
	};

	set_mac(spec.smac, 0x01);
	set_mac(spec.dmac, 0xa0);
	return spec;
}

/* The frame that reaches the node. */
static void at_node(const struct sl_rig *rig, const struct route *route, enum sl_mode mode,
		    const struct sl_frame_spec *in, uint8_t tos, struct sl_frame *ret_frame)
{
	struct sl_outer_spec outer =
		sl_outer_of(rig, in, route->snat, route->node, mode == SL_MODE_GUE);
	struct sl_frame_spec spec = *in;

	spec.vlan[0] = route->out_vlan[0];
	spec.vlan[1] = route->out_vlan[1];
	set_mac(spec.smac, route->out_mac);
	set_mac(spec.dmac, route->node_mac);
	outer.tos = tos;
	if (mode == SL_MODE_L2) {
		sl_frame_build(ret_frame, &spec);
		return;
	}
	spec.hops = (uint8_t)((in->hops ? in->hops : SL_FRAME_HOPS) - 1);
	sl_frame_build(ret_frame, &spec);
	if (tos)
		sl_outer_set_tos(ret_frame, sl_frame_l3_at(ret_frame), tos);
	sl_outer_wrap(ret_frame, &outer);
}

/* One pool of one node in this mode. */
static void start(struct sl_rig *rig, const struct route *route, enum sl_mode mode)
{
	sl_rig_reset(rig);
	rig->settings->gue_port = htons(SL_OUTER_GUE_PORT);
	sl_rig_node(rig, route->slot, route->pool, route->node, 80, route->snat);
	rig->nodes[route->slot].mode = mode;
	rig->pools[route->pool].mode = mode;
	sl_rig_table(rig, route->pool, &route->slot, ONE_NODE);
	rig->pools[route->pool].mode = mode;
}

/* Runs one packet of the client; what leaves must be exactly what `at_node` says. */
static bool reaches(struct sl_rig *rig, enum sl_rig_hook hook, const struct route *route,
		    enum sl_mode mode, const struct sl_frame_spec *in, uint8_t tos)
{
	struct sl_frame frame, out, wanted;
	enum sl_rig_verdict verdict;

	sl_frame_build(&frame, in);
	if (tos)
		sl_outer_set_tos(&frame, sl_frame_l3_at(&frame), tos);
	at_node(rig, route, mode, in, tos, &wanted);
	verdict = sl_rig_run(rig, hook, &frame, &out);
	if (verdict != SL_RIG_FORWARD)
		printf("# verdict %d\n", verdict);
	return verdict == SL_RIG_FORWARD && sl_outer_same(&out, &wanted);
}

static enum sl_counter mode_counter(enum sl_mode mode)
{
	return mode == SL_MODE_L2     ? SL_COUNTER_FORWARD_L2
	       : mode == SL_MODE_IPIP ? SL_COUNTER_FORWARD_IPIP
				      : SL_COUNTER_FORWARD_GUE;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static void test_bytes(struct sl_rig *rig, enum sl_rig_hook hook, const struct route *route,
		       enum sl_mode mode)
{
	struct sl_frame_spec syn = from_client(route, SYN, 1000, 0);
	struct sl_frame_spec data = from_client(route, ACK, 1001, 100);
	struct sl_frame_spec fin = from_client(route, ACK | SL_FRAME_FIN, 1101, 0);
	char name[NAME_MAX];
	bool ok;

	if (route->xdp_only && hook == SL_RIG_TC)
		return;
	start(rig, route, mode);
	ok = reaches(rig, hook, route, mode, &syn, 0) &&
	     reaches(rig, hook, route, mode, &data, 0) && reaches(rig, hook, route, mode, &fin, 0);
	snprintf(name, sizeof(name), "%s: %s, %s", hook_names[hook], mode_names[mode],
		 route->description);
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_NODE) == 3 &&
			     sl_rig_counted(rig, mode_counter(mode)) == 3 &&
			     sl_rig_flow_count(rig) == 1,
		     name, "bytes, counters or flow");
}

/* A packet that is padded to the least that Ethernet carries, and one with a UDP header. */
static void test_other_packets(struct sl_rig *rig, enum sl_rig_hook hook, enum sl_mode mode)
{
	const struct route *route = &routes[0];
	struct sl_frame_spec udp = from_client(route, 0, 0, 40);
	struct sl_frame_spec loose = from_client(route, SYN, 1000, 0);
	struct sl_frame frame, out, wanted;
	char name[NAME_MAX];
	bool ok;

	start(rig, route, mode);
	udp.udp = true;
	udp.dport = 443;
	snprintf(name, sizeof(name), "%s: %s, a datagram", hook_names[hook], mode_names[mode]);
	sl_rig_check(rig, reaches(rig, hook, route, mode, &udp, 0), name, "bytes");

	start(rig, route, mode);
	loose.fragment = 0; /* built with DF; then without */
	sl_frame_build(&frame, &loose);
	frame.bytes[20] = 0;
	sl_outer_set_tos(&frame, 14, 0);
	at_node(rig, route, mode, &loose, 0, &wanted);
	ok = sl_rig_run(rig, hook, &frame, &out) == SL_RIG_FORWARD && out.len == wanted.len &&
	     out.bytes[20] == 0 && out.bytes[21] == 0;
	/* The id is at random, so only what must hold is compared: nothing but it and the sum. */
	memcpy(wanted.bytes + 18, out.bytes + 18, 2);
	wanted.bytes[20] = 0;
	sl_outer_set_tos(&wanted, 14, 0);
	wanted.bytes[14 + sl_outer_len(&frame, mode == SL_MODE_GUE) + 6] = 0;
	sl_outer_set_tos(&wanted, 14 + sl_outer_len(&frame, mode == SL_MODE_GUE), 0);
	snprintf(name, sizeof(name), "%s: %s, without DF", hook_names[hook], mode_names[mode]);
	sl_rig_check(rig, ok && sl_outer_same(&out, &wanted), name, "bytes");
}

/* DSCP and ECN are on the outside what they are on the inside. */
static void test_tos(struct sl_rig *rig, enum sl_rig_hook hook, const struct route *route,
		     enum sl_mode mode)
{
	static const uint8_t values[] = {0x01, 0x02, 0x03, 0xb8, 0xbb, 0xff};
	struct sl_frame_spec syn = from_client(route, SYN, 1000, 0);
	char name[NAME_MAX];
	bool ok = true;

	start(rig, route, mode);
	for (size_t i = 0; i < sizeof(values); i++)
		ok = reaches(rig, hook, route, mode, &syn, values[i]) && ok;
	snprintf(name, sizeof(name), "%s: %s, %s: DSCP and ECN", hook_names[hook], mode_names[mode],
		 route->description);
	sl_rig_check(rig, ok, name, "bytes");
}

/* ---- what stays ---------------------------------------------------------------------------- */

static size_t ip_len(const struct route *route)
{
	return strchr(route->client, ':') ? 40 : 20;
}

/* The longest packet that fits goes, one byte more does not. */
static void test_too_big(struct sl_rig *rig, enum sl_rig_hook hook, const struct route *route,
			 enum sl_mode mode)
{
	size_t head = ip_len(route);
	uint16_t room = (uint16_t)(MTU - 2 * head - 20 - (mode == SL_MODE_GUE ? 8 : 0));
	struct sl_frame_spec syn = from_client(route, SYN, 1000, 0);
	struct sl_frame_spec fits = from_client(route, ACK, 1001, room);
	struct sl_frame_spec over = from_client(route, ACK, 1001, (uint16_t)(room + 1));
	struct sl_frame frame, out;
	char name[NAME_MAX];
	bool ok;

	start(rig, route, mode);
	sl_rig_tune(rig, SL_TUNABLE_TOO_BIG, 0);
	ok = reaches(rig, hook, route, mode, &syn, 0) && reaches(rig, hook, route, mode, &fits, 0);
	sl_frame_build(&frame, &over);
	ok = ok && sl_rig_run(rig, hook, &frame, &out) == SL_RIG_DROP &&
	     sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG) == 1;
	snprintf(name, sizeof(name), "%s: %s, %s: too big by one byte", hook_names[hook],
		 mode_names[mode], route->description);
	sl_rig_check(rig, ok && sl_rig_flow_count(rig) == 1, name, "forwarded, or not counted");

	sl_rig_tune(rig, SL_TUNABLE_TOO_BIG, 1);
	sl_rig_run(rig, hook, &frame, &out);
	snprintf(name, sizeof(name), "%s: %s, %s: too big, handed to the step that answers",
		 hook_names[hook], mode_names[mode], route->description);
	sl_rig_check(rig,
		     sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG) +
				     sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG_ANSWERED) ==
			     2,
		     name, "not counted");
}

/* What cannot go out leaves no flow behind, and is counted. */
static void test_stays(struct sl_rig *rig, enum sl_rig_hook hook, enum sl_mode mode)
{
	struct route route = routes[0];
	struct sl_frame_spec syn = from_client(&route, SYN, 1000, 0);
	struct sl_frame frame, out, in;
	char name[NAME_MAX];

	start(rig, &route, mode);
	syn.hops = 1;
	sl_frame_build(&frame, &syn);
	in = frame;
	snprintf(name, sizeof(name), "%s: %s, hop limit spent", hook_names[hook], mode_names[mode]);
	sl_rig_check(rig,
		     sl_rig_run(rig, hook, &frame, &out) == SL_RIG_PASS &&
			     sl_outer_same(&out, &in) &&
			     sl_rig_counted(rig, SL_COUNTER_PASS_TTL) == 1 &&
			     sl_rig_flow_count(rig) == 0,
		     name, "verdict, counter or flow");

	route.node = "10.0.9.11";
	start(rig, &route, mode);
	syn.hops = 0;
	sl_frame_build(&frame, &syn);
	snprintf(name, sizeof(name), "%s: %s, no route", hook_names[hook], mode_names[mode]);
	sl_rig_check(rig,
		     sl_rig_run(rig, hook, &frame, &out) == SL_RIG_DROP &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_NO_ROUTE) == 1 &&
			     sl_rig_flow_count(rig) == 0,
		     name, "verdict, counter or flow");
}

/* ---- no flow is known ---------------------------------------------------------------------- */

/* A pool of two nodes in this mode. */
static void start_pair(struct sl_rig *rig, const struct route *route, enum sl_mode mode)
{
	uint32_t slots[2] = {route->slot, route->slot + 1};
	bool ip6 = strchr(route->client, ':');

	start(rig, route, mode);
	sl_rig_node(rig, slots[1], route->pool, ip6 ? "fd00::12" : "10.0.0.12", 80, route->snat);
	rig->nodes[slots[1]].mode = mode;
	sl_rig_table(rig, route->pool, slots, 2);
	rig->pools[route->pool].mode = mode;
}

/* A port of the client for which the first node of the pair is the first candidate, or is not. */
static uint16_t port_of(const struct sl_rig *rig, const struct sl_frame_spec *spec, bool first)
{
	struct sl_frame_spec at = *spec;

	for (at.sport = 5000;; at.sport++) {
		uint64_t hash = sl_outer_hash(rig, &at);
		uint32_t position = sl_hash_scale((uint32_t)hash, SL_RIG_MAGLEV_SIZE);
		uint32_t second = sl_hash_scale((uint32_t)(hash >> 32), SL_RIG_MAGLEV_SIZE);

		/* Entries alternate. The second candidate is to be the other one at once. */
		if ((position % 2 == 0) == first && position % 2 != second % 2)
			return at.sport;
	}
}

/* Where does the packet go? Fills the route's node in. */
static bool stray_reaches(struct sl_rig *rig, enum sl_rig_hook hook, struct route route,
			  enum sl_mode mode, struct sl_frame_spec *spec, bool to_second)
{
	bool ip6 = strchr(route.client, ':');

	if (to_second) {
		route.node = ip6 ? "fd00::12" : "10.0.0.12";
		route.node_mac = 0x0c;
	}
	return reaches(rig, hook, &route, mode, spec, 0) && sl_rig_flow_count(rig) == 0;
}

static void test_stray(struct sl_rig *rig, enum sl_rig_hook hook, const struct route *route,
		       enum sl_mode mode)
{
	static const uint8_t flags[] = {ACK,	      ACK | SL_FRAME_PSH, ACK | SL_FRAME_FIN,
					SL_FRAME_RST, SL_FRAME_RST | ACK, SYN | ACK};
	struct sl_frame_spec spec = from_client(route, ACK, 7000, 10);
	char name[NAME_MAX];
	bool ok = true;

	start_pair(rig, route, mode);
	for (size_t i = 0; i < sizeof(flags); i++) {
		for (int second = 0; second < 2; second++) {
			spec.flags = flags[i];
			spec.ack = flags[i] & ACK ? 1 : 0;
			spec.sport = port_of(rig, &spec, !second);
			ok = stray_reaches(rig, hook, *route, mode, &spec, second) && ok;
		}
	}
	snprintf(name, sizeof(name), "%s: %s, %s: mid-flow, unknown, to the first candidate",
		 hook_names[hook], mode_names[mode], route->description);
	sl_rig_check(rig, ok && sl_rig_counted(rig, SL_COUNTER_FLOW_OPENED) == 0, name,
		     "bytes, or an entry");
}

/* Who gets it when the first candidate is away, open, draining; and when nobody is there. */
static void test_stray_nodes(struct sl_rig *rig, enum sl_rig_hook hook, enum sl_mode mode)
{
	const struct route *route = &routes[0];
	struct sl_frame_spec spec = from_client(route, ACK, 7000, 10);
	struct sl_node_state *first = &rig->nodes[route->slot], *second = first + 1;
	struct sl_frame frame, out;
	char name[NAME_MAX];
	bool ok;

	start_pair(rig, route, mode);
	spec.sport = port_of(rig, &spec, true);
	first->admin = SL_NODE_PRESENT | SL_NODE_DRAINING;
	ok = stray_reaches(rig, hook, *route, mode, &spec, false);
	first->admin = SL_NODE_PRESENT;
	first->breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 2, ~0ull >> 30);
	ok = stray_reaches(rig, hook, *route, mode, &spec, true) && ok;
	second->breaker = sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, 2, 0);
	ok = stray_reaches(rig, hook, *route, mode, &spec, false) && ok;
	first->admin = 0;
	ok = stray_reaches(rig, hook, *route, mode, &spec, true) && ok;
	second->admin = 0;
	sl_frame_build(&frame, &spec);
	ok = ok && sl_rig_run(rig, hook, &frame, &out) == SL_RIG_DROP &&
	     sl_rig_counted(rig, SL_COUNTER_DROP_NO_FLOW) == 1;
	snprintf(name, sizeof(name), "%s: %s, mid-flow, unknown: draining, open, away, nobody",
		 hook_names[hook], mode_names[mode]);
	sl_rig_check(rig, ok, name, "another node, or not counted");
}

/* A new flow whose candidates both are over their share stays with them: others look there only. */
static void test_bound(struct sl_rig *rig, enum sl_rig_hook hook)
{
	uint32_t slots[3] = {1, 2, 3};
	struct route route = routes[0];
	uint32_t third = 0;

	start_pair(rig, &route, SL_MODE_IPIP);
	sl_rig_node(rig, 3, SL_RIG_POOL4, "10.0.0.13", 80, "10.0.0.2");
	rig->nodes[3].mode = SL_MODE_IPIP;
	sl_rig_table(rig, SL_RIG_POOL4, slots, 3);
	rig->pools[SL_RIG_POOL4].mode = SL_MODE_IPIP;
	for (uint32_t slot = 1; slot <= 2; slot++)
		sl_rig_load(rig, slot, 100);
	for (uint16_t port = 6000; port < 6200; port++) {
		struct sl_frame_spec syn = from_client(&route, SYN, 1000, 0);
		struct sl_frame frame, out;
		uint64_t hash;
		uint32_t first, second;

		syn.sport = port;
		hash = sl_outer_hash(rig, &syn);
		first = sl_hash_scale((uint32_t)hash, SL_RIG_MAGLEV_SIZE) % 3;
		second = sl_hash_scale((uint32_t)(hash >> 32), SL_RIG_MAGLEV_SIZE) % 3;
		if (first == 2 || second == 2 || first == second)
			continue;
		sl_frame_build(&frame, &syn);
		sl_rig_run(rig, hook, &frame, &out);
		third += sl_rig_flow(rig, port) && sl_rig_flow(rig, port)->conn.node == 3;
	}
	sl_rig_check(rig,
		     third == 0 && sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED) > 0 &&
			     sl_rig_flow_count(rig) > 10,
		     hook == SL_RIG_TC ? "TC: both candidates loaded: one of them all the same"
				       : "XDP: both candidates loaded: one of them all the same",
		     "%u of %u flows went to a third node", third, sl_rig_flow_count(rig));
}

/* ---- two tags at TC, with live packets ----------------------------------------------------- */

/* A test run knows no tag beside the frame; the kernel puts the outer one of two there. */
static void lane_attach(struct sl_rig *rig)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)rig->one_arm.ifindex,
		    .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = rig->lane_fd);

	if (bpf_xdp_detach((int)rig->one_arm.ifindex, XDP_FLAGS_DRV_MODE, NULL) ||
	    bpf_tc_hook_create(&hook) || bpf_tc_attach(&hook, &options))
		die("attach sluice_tc_lane to rig0");
}

static int wire_open(void)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex("rig1"),
	};
	struct timeval wait = {.tv_sec = 5}; /* a guard, not a measure */
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), one = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)))
		die("packet socket on rig1");
	return fd;
}

/* The next frame that comes out of rig0, its outer tag apart. False: none. */
static bool wire_read(int fd, struct sl_frame *ret_frame, uint16_t *ret_tag)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec vector = {ret_frame->bytes, SL_FRAME_MAX};
	struct sockaddr_ll from;

	for (int frames = 0; frames < 64; frames++) {
		struct msghdr message = {
			.msg_name = &from,
			.msg_namelen = sizeof(from),
			.msg_iov = &vector,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control),
		};
		struct tpacket_auxdata data;
		ssize_t len = recvmsg(fd, &message, 0);
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);

		if (len < 0 || !head)
			return false;
		memcpy(&data, CMSG_DATA(head), sizeof(data));
		if (from.sll_pkttype == PACKET_OUTGOING || !(data.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		ret_frame->len = (size_t)len;
		*ret_tag = data.tp_vlan_tci;
		return true;
	}
	return false;
}

static void test_two_tags(struct sl_rig *rig, int wire, enum sl_mode mode)
{
	struct route route = routes[0], inner = routes[0];
	struct sl_frame_spec syn;
	struct sl_frame frame, out, wanted;
	uint16_t tag = 0;
	char name[NAME_MAX];
	bool ok;

	route.vlan[0] = 7;
	route.vlan[1] = 9;
	inner.out_vlan[0] = 9;
	start(rig, &route, mode);
	syn = from_client(&route, SYN, 1000, 0);
	sl_frame_build(&frame, &syn);
	if (send(wire, frame.bytes, frame.len, 0) != (ssize_t)frame.len)
		die("send on rig1");
	ok = wire_read(wire, &out, &tag);
	at_node(rig, &inner, mode, &syn, 0, &wanted);
	snprintf(name, sizeof(name), "TC: %s, two tags, both kept", mode_names[mode]);
	sl_rig_check(rig, ok && tag == 7 && sl_outer_same(&out, &wanted), name, "tag %u", tag);
}

static void test_hook(struct sl_rig *rig, enum sl_rig_hook hook)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++)
			test_bytes(rig, hook, &routes[i], mode);
	}
	for (size_t i = 0; i < 2; i++) {
		for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++)
			test_stray(rig, hook, &routes[i], mode);
		for (enum sl_mode mode = SL_MODE_IPIP; mode < SL_MODES; mode++) {
			test_tos(rig, hook, &routes[i], mode);
			test_too_big(rig, hook, &routes[i], mode);
		}
	}
	for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++) {
		test_stays(rig, hook, mode);
		test_stray_nodes(rig, hook, mode);
	}
	for (enum sl_mode mode = SL_MODE_IPIP; mode < SL_MODES; mode++)
		test_other_packets(rig, hook, mode);
	test_bound(rig, hook);
}

int main(void)
{
	struct sl_rig rig;
	int wire;

	sl_rig_open(&rig);
	test_hook(&rig, SL_RIG_XDP);
	test_hook(&rig, SL_RIG_TC);
	lane_attach(&rig);
	wire = wire_open();
	for (enum sl_mode mode = SL_MODE_L2; mode < SL_MODES; mode++)
		test_two_tags(&rig, wire, mode);
	return sl_rig_close(&rig);
}
