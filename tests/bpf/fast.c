/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fast.c - the fast lane: translation both ways, the way out, the life of flows. Each output frame
 * is compared with one that is built anew, checksums and all.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/rig.h"

#define SYN	   SL_FRAME_SYN
#define ACK	   SL_FRAME_ACK
#define FIN	   SL_FRAME_FIN
#define RST	   SL_FRAME_RST
#define CLIENT_SEQ 1000u
#define NODE_SEQ   4294967000u /* wraps during the tests */
#define NO_WAY	   (-1)

/* Where one fixture's packets come from and go to. */
struct route {
	const char *description;
	const char *client, *service, *node, *snat;
	uint16_t vlan[2];     /* of packets of the client */
	uint16_t out_vlan[2]; /* of packets to the node */
	uint8_t node_mac;
	uint8_t out_mac; /* of the device they leave by */
	int verdict;
	uint32_t pool;
	uint16_t pad_len;
};

static const struct route routes[] = {
	{"IPv4",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 {0},
	 {0},
	 0x0b,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 0},
	{"IPv6",
	 "2001:db8:c::7",
	 "2001:db8::100",
	 "fd00::11",
	 "fd00::2",
	 {0},
	 {0},
	 0x0b,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL6,
	 0},
	{"IPv4, padded",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.12",
	 "10.0.0.2",
	 {0},
	 {0},
	 0x0c,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 6},
	{"VLAN kept",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 {7},
	 {7},
	 0x0b,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 0},
	{"VLAN kept, IPv6",
	 "2001:db8:c::7",
	 "2001:db8::100",
	 "fd00::11",
	 "fd00::2",
	 {7},
	 {7},
	 0x0b,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL6,
	 0},
	{"QinQ kept",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.0.11",
	 "10.0.0.2",
	 {7, 9},
	 {7, 9},
	 0x0b,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 0},
	{"other device",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 {0},
	 {0},
	 0x0d,
	 0xa2,
	 XDP_REDIRECT,
	 SL_RIG_POOL4,
	 0},
	{"other device, tag off",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 {7},
	 {0},
	 0x0d,
	 0xa2,
	 XDP_REDIRECT,
	 SL_RIG_POOL4,
	 0},
	{"other device, tags off",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.2.11",
	 "10.0.2.2",
	 {7, 9},
	 {0},
	 0x0d,
	 0xa2,
	 XDP_REDIRECT,
	 SL_RIG_POOL4,
	 0},
	{"VLAN device, tag on",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.100.11",
	 "10.0.100.2",
	 {0},
	 {100},
	 0x0e,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 0},
	{"VLAN device, tag changed",
	 "198.51.100.7",
	 "192.0.2.100",
	 "10.0.100.11",
	 "10.0.100.2",
	 {7},
	 {100},
	 0x0e,
	 0xa0,
	 XDP_TX,
	 SL_RIG_POOL4,
	 0},
};

static void set_mac(uint8_t *mac, uint8_t last)
{
	memset(mac, 0, 6);
	mac[0] = 0x02;
	mac[5] = last;
}

/* A packet of the client as it arrives. */
static struct sl_frame_spec from_client(const struct route *route, uint8_t flags, uint32_t seq,
					uint32_t ack, uint16_t payload_len)
{
	struct sl_frame_spec spec = {
		.src = route->client,
		.dst = route->service,
		.sport = 5000,
		.dport = 80,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.vlan = {route->vlan[0], route->vlan[1]},
		.payload_len = payload_len,
		.pad_len = route->pad_len,
	};

	set_mac(spec.smac, 0x01);
	set_mac(spec.dmac, 0xa0);
	return spec;
}

/* The same packet as it leaves. */
static struct sl_frame_spec at_node(const struct route *route, const struct sl_frame_spec *in,
				    uint16_t port)
{
	struct sl_frame_spec spec = *in;

	spec.src = route->snat;
	spec.dst = route->node;
	spec.sport = port;
	spec.dport = 8000;
	spec.hops = SL_FRAME_HOPS - 1;
	spec.vlan[0] = route->out_vlan[0];
	spec.vlan[1] = route->out_vlan[1];
	set_mac(spec.smac, route->out_mac);
	set_mac(spec.dmac, route->node_mac);
	return spec;
}

/* A packet of the node, on rig0 without tags whatever the way there. */
static struct sl_frame_spec from_node(const struct route *route, uint16_t port, uint8_t flags,
				      uint32_t seq, uint32_t ack, uint16_t payload_len)
{
	struct sl_frame_spec spec = {
		.src = route->node,
		.dst = route->snat,
		.sport = 8000,
		.dport = port,
		.seq = seq,
		.ack = ack,
		.flags = flags,
		.payload_len = payload_len,
	};

	set_mac(spec.smac, route->node_mac);
	set_mac(spec.dmac, 0xa0);
	return spec;
}

static struct sl_frame_spec at_client(const struct route *route, const struct sl_frame_spec *in)
{
	struct sl_frame_spec spec = *in;

	spec.src = route->service;
	spec.dst = route->client;
	spec.sport = 80;
	spec.dport = 5000;
	spec.hops = SL_FRAME_HOPS - 1;
	set_mac(spec.smac, 0xa0);
	set_mac(spec.dmac, 0x01);
	return spec;
}

/* Runs one packet; what leaves must be exactly `expected`. */
static bool forwards(struct sl_rig *rig, const struct sl_frame_spec *in,
		     const struct sl_frame_spec *expected, int verdict)
{
	struct sl_frame frame, out, want;

	sl_frame_build(&frame, in);
	sl_frame_build(&want, expected);
	if (sl_rig_xdp(rig, &frame, &out) != verdict)
		return false;
	if (out.len == want.len && !memcmp(out.bytes, want.bytes, want.len))
		return true;
	sl_frame_print_difference(&out, &want);
	return false;
}

static void rig_for(struct sl_rig *rig, const struct route *route)
{
	uint32_t only = SL_RIG_NODE_A;

	sl_rig_reset(rig);
	sl_rig_node(rig, only, route->pool, route->node, 8000, route->snat);
	sl_rig_table(rig, route->pool, &only, 1);
}

/* Opens a flow. Returns its source port towards the node, 0 when the SYN did not go there. */
static uint16_t open_flow(struct sl_rig *rig, const struct route *route)
{
	struct sl_frame_spec syn = from_client(route, SYN, CLIENT_SEQ, 0, 0), want;
	struct sl_frame in, out, expected;
	uint16_t port;

	sl_frame_build(&in, &syn);
	if (sl_rig_xdp(rig, &in, &out) != route->verdict)
		return 0;
	port = sl_frame_sport(&out);
	want = at_node(route, &syn, port);
	sl_frame_build(&expected, &want);
	if (out.len == expected.len && !memcmp(out.bytes, expected.bytes, out.len))
		return port;
	sl_frame_print_difference(&out, &expected);
	return 0;
}

static void translates(struct sl_rig *rig, const struct route *route)
{
	struct sl_frame_spec in, out;
	uint16_t port;
	bool ok;

	rig_for(rig, route);
	port = open_flow(rig, route);
	ok = port >= SL_RIG_PORT_MIN && port <= SL_RIG_PORT_MAX;
	in = from_node(route, port, SYN | ACK, NODE_SEQ, CLIENT_SEQ + 1, 0);
	out = at_client(route, &in);
	ok = ok && forwards(rig, &in, &out, XDP_TX);
	in = from_client(route, ACK, CLIENT_SEQ + 1, NODE_SEQ + 1, 0);
	out = at_node(route, &in, port);
	ok = ok && forwards(rig, &in, &out, route->verdict);
	in = from_client(route, ACK | SL_FRAME_PSH, CLIENT_SEQ + 1, NODE_SEQ + 1, 1201);
	out = at_node(route, &in, port);
	ok = ok && forwards(rig, &in, &out, route->verdict);
	in = from_node(route, port, ACK, NODE_SEQ + 1, CLIENT_SEQ + 1202, 777);
	out = at_client(route, &in);
	ok = ok && forwards(rig, &in, &out, XDP_TX);
	ok = ok && sl_rig_counted(rig, SL_COUNTER_PACKETS) == 5 &&
	     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_NODE) == 3 &&
	     sl_rig_counted(rig, SL_COUNTER_FORWARD_TO_CLIENT) == 2 &&
	     sl_rig_counted(rig, SL_COUNTER_FLOW_OPENED) == 1 && sl_rig_flow_count(rig) == 1 &&
	     sl_rig_port_count(rig) == 1 && rig->nodes[SL_RIG_NODE_A].flows_opened == 1 &&
	     rig->nodes[SL_RIG_NODE_A].bytes_out == 1201 &&
	     rig->nodes[SL_RIG_NODE_A].bytes_in == 777;
	sl_rig_check(rig, ok, route->description, "verdict, bytes or counters (see above)");
}

/* ---- life ---------------------------------------------------------------------------------- */

struct step {
	bool node; /* the node sends it */
	uint8_t flags;
	uint32_t seq; /* from the sender's first sequence number */
	uint32_t ack; /* from the other side's */
	uint16_t payload_len;
	uint32_t entries; /* afterwards */
};

#define HANDSHAKE                                         \
	{0, SYN, 0, 0, 0, 1}, {1, SYN | ACK, 0, 1, 0, 1}, \
	{                                                 \
		0, ACK, 1, 1, 0, 1                        \
	}

static const struct {
	const char *description;
	struct step steps[12];
	uint64_t closed;
	uint64_t ignored;
} lives[] = {
	{"client closes first",
	 {HANDSHAKE,
	  {0, FIN | ACK, 1, 1, 0, 1},
	  {1, ACK, 1, 2, 0, 1},
	  {1, FIN | ACK, 1, 2, 0, 1},
	  {0, ACK, 2, 2, 0, 0}},
	 1,
	 0},
	{"node closes first",
	 {HANDSHAKE,
	  {1, FIN | ACK, 1, 1, 0, 1},
	  {0, ACK, 1, 2, 0, 1},
	  {0, FIN | ACK, 1, 2, 0, 1},
	  {1, ACK, 2, 2, 0, 0}},
	 1,
	 0},
	{"both close at once",
	 {HANDSHAKE, {0, FIN | ACK, 1, 1, 0, 1}, {1, FIN | ACK, 1, 1, 0, 1}, {0, ACK, 2, 2, 0, 0}},
	 1,
	 0},
	{"the node answers after the client has closed its side",
	 {HANDSHAKE,
	  {0, FIN | ACK, 1, 1, 9, 1},
	  {1, ACK, 1, 11, 500, 1},
	  {0, ACK, 11, 501, 0, 1},
	  {1, FIN | ACK, 501, 11, 20, 1},
	  {0, ACK, 11, 501, 0, 1},
	  {0, ACK, 11, 522, 0, 0}},
	 1,
	 0},
	{"reset by the client", {HANDSHAKE, {0, RST, 1, 0, 0, 0}}, 1, 0},
	{"reset by the client, out of window",
	 {HANDSHAKE, {0, RST, 0x40000000, 0, 0, 1}, {0, RST, 0xffff0000, 0, 0, 1}},
	 0,
	 2},
	{"reset by the node after an answer",
	 {HANDSHAKE, {0, ACK, 1, 1, 9, 1}, {1, ACK, 1, 10, 500, 1}, {1, RST | ACK, 501, 10, 0, 0}},
	 1,
	 0},
	{"reset by the node, out of window",
	 {HANDSHAKE, {1, RST | ACK, 0x40000000, 1, 0, 1}, {1, RST | ACK, 0, 1, 0, 1}},
	 0,
	 2},
	{"refused", {{0, SYN, 0, 0, 0, 1}, {1, RST | ACK, 0, 1, 0, 0}}, 1, 0},
	{"refused, for another SYN",
	 {{0, SYN, 0, 0, 0, 1}, {1, RST | ACK, 0, 2, 0, 1}, {1, RST, 0, 1, 0, 1}},
	 0,
	 2},
	{"the client gives up its SYN", {{0, SYN, 0, 0, 0, 1}, {0, RST, 1, 0, 0, 0}}, 1, 0},
	{"port used again before an answer", {{0, SYN, 0, 0, 0, 1}, {0, SYN, 7777, 0, 0, 1}}, 1, 0},
	{"SYN repeated", {{0, SYN, 0, 0, 0, 1}, {0, SYN, 0, 0, 0, 1}}, 0, 0},
	{"SYN in an established flow", {HANDSHAKE, {0, SYN, 7777, 0, 0, 1}}, 0, 0},
	{"port used again after the end",
	 {HANDSHAKE,
	  {0, FIN | ACK, 1, 1, 0, 1},
	  {1, FIN | ACK, 1, 2, 0, 1},
	  {0, SYN, 7777, 0, 0, 1}},
	 1,
	 0},
};

static void lives_run(struct sl_rig *rig, size_t index)
{
	struct sl_frame in, out;
	struct sl_frame_spec spec;
	uint16_t port = 0;
	bool established = false;

	rig_for(rig, &routes[0]);
	for (const struct step *step = lives[index].steps; step->entries || step->flags; step++) {
		spec = step->node ? from_node(&routes[0], port, step->flags, NODE_SEQ + step->seq,
					      CLIENT_SEQ + step->ack, step->payload_len)
				  : from_client(&routes[0], step->flags, CLIENT_SEQ + step->seq,
						NODE_SEQ + step->ack, step->payload_len);
		sl_frame_build(&in, &spec);
		if (sl_rig_xdp(rig, &in, &out) != XDP_TX ||
		    sl_rig_flow_count(rig) != step->entries) {
			sl_rig_check(rig, false, lives[index].description,
				     "step %td: not sent, or %u entries instead of %u",
				     step - lives[index].steps + 1, sl_rig_flow_count(rig),
				     step->entries);
			return;
		}
		if (!step->node)
			port = sl_frame_sport(&out);
		established |= step->node && (step->flags & SYN);
	}
	sl_rig_check(rig, sl_rig_flows(rig, SL_RIG_NODE_A) == (established && !lives[index].closed),
		     lives[index].description, "%llu flows alive",
		     (unsigned long long)sl_rig_flows(rig, SL_RIG_NODE_A));
	sl_rig_check(rig,
		     rig->nodes[SL_RIG_NODE_A].flows_closed == lives[index].closed &&
			     sl_rig_counted(rig, SL_COUNTER_FLOW_CLOSED) == lives[index].closed &&
			     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) ==
				     lives[index].ignored &&
			     rig->nodes[SL_RIG_NODE_A].waiting == 0,
		     lives[index].description, "closed %llu, ignored %llu, waiting %u",
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_CLOSED),
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED),
		     rig->nodes[SL_RIG_NODE_A].waiting);
}

/* Moves the last packet of the only flow into the past. */
static void make_idle(struct sl_rig *rig, uint64_t idle_ms, uint8_t state)
{
	struct sl_flow *flow = sl_rig_flow(rig, 5000);

	if (!flow)
		return;
	flow->conn.state = state;
	sl_rig_flow_age(rig, flow, idle_ms);
}

/* A SYN meets a flow that was silent for so long. */
static void idle(struct sl_rig *rig, const char *name, uint64_t idle_ms, uint8_t state,
		 uint64_t replaced)
{
	struct sl_frame_spec syn = from_client(&routes[0], SYN, CLIENT_SEQ + 7777, 0, 0);
	struct sl_frame in, out;

	rig_for(rig, &routes[0]);
	/* Short bounds: a test machine may be up for a few seconds only. */
	sl_rig_tune(rig, SL_TUNABLE_FLOW_IDLE_MS, 2000);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_CLOSING_MS, 1000);
	open_flow(rig, &routes[0]);
	make_idle(rig, idle_ms, state);
	sl_frame_build(&in, &syn);
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_TX &&
			     sl_rig_counted(rig, SL_COUNTER_FLOW_REPLACED) == replaced &&
			     sl_rig_counted(rig, SL_COUNTER_FLOW_OPENED) == 1 + replaced &&
			     sl_rig_flow_count(rig) == 1 && sl_rig_port_count(rig) == 1,
		     name, "replaced %llu",
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_FLOW_REPLACED));
}

/* ---- ports, ways --------------------------------------------------------------------------- */

/* A SYN from this port of the client. Returns the verdict. */
static int syn_from(struct sl_rig *rig, const struct route *route, uint16_t sport,
		    uint16_t *ret_port)
{
	struct sl_frame_spec syn = from_client(route, SYN, CLIENT_SEQ, 0, 0);
	struct sl_frame in, out;
	int verdict;

	syn.sport = sport;
	sl_frame_build(&in, &syn);
	verdict = sl_rig_xdp(rig, &in, &out);
	*ret_port = sl_frame_sport(&out);
	return verdict;
}

static void ports(struct sl_rig *rig)
{
	uint64_t seen = 0;
	uint16_t port;
	bool ok = true;

	rig_for(rig, &routes[0]);
	rig->settings->nat_port_max = SL_RIG_PORT_MIN + 7;
	for (uint16_t i = 0; i < 8; i++) {
		ok = ok && syn_from(rig, &routes[0], (uint16_t)(5000 + i), &port) == XDP_TX &&
		     port >= SL_RIG_PORT_MIN && port <= SL_RIG_PORT_MIN + 7;
		seen |= ok ? 1ull << (port - SL_RIG_PORT_MIN) : 0;
	}
	sl_rig_check(rig, ok && seen == 0xff, "every source port is used once", "seen %llx",
		     (unsigned long long)seen);
	sl_rig_check(rig,
		     syn_from(rig, &routes[0], 5008, &port) == XDP_DROP &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_NO_PORT) == 1 &&
			     sl_rig_flow_count(rig) == 8,
		     "source ports exhausted", "not dropped, or entries left");
}

static void no_way(struct sl_rig *rig)
{
	static const struct route unreachable = {
		"no route", "198.51.100.7", "192.0.2.100", "10.0.9.9",	 "10.0.0.2", {0}, {0},
		0,	    0xa0,	    NO_WAY,	   SL_RIG_POOL4, 0,
	};
	struct sl_frame_spec spec;
	struct sl_frame in, out;
	uint16_t port;

	rig_for(rig, &unreachable);
	sl_rig_check(rig,
		     syn_from(rig, &unreachable, 5000, &port) == XDP_DROP &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_NO_ROUTE) == 1 &&
			     sl_rig_flow_count(rig) == 0 &&
			     rig->nodes[SL_RIG_NODE_A].flows_closed == 1,
		     "no route", "not dropped, or the flow stayed");
	rig_for(rig, &routes[0]);
	sl_rig_tune(rig, SL_TUNABLE_TOO_BIG, 0);
	open_flow(rig, &routes[0]);
	spec = from_client(&routes[0], ACK, CLIENT_SEQ + 1, NODE_SEQ + 1, 1600);
	sl_frame_build(&in, &spec);
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_DROP &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_TOO_BIG) == 1 &&
			     sl_rig_flow_count(rig) == 1 && sl_rig_port_count(rig) == 1,
		     "longer than the MTU", "not dropped, or not counted");
}

/* The neighbour is not known: the frame goes to TC, rewritten, without tags, behind its mark. */
static void no_neighbour(struct sl_rig *rig, const char *name, uint16_t vlan)
{
	struct route route = routes[0];
	struct sl_frame_spec syn, want;
	struct sl_frame in, out, expected, frame;
	uint32_t mark[SL_RIG_MARK_BYTES / 4];

	route.node = "10.0.0.99";
	route.vlan[0] = vlan;
	rig_for(rig, &route);
	syn = from_client(&route, SYN, CLIENT_SEQ, 0, 0);
	sl_frame_build(&in, &syn);
	if (sl_rig_xdp(rig, &in, &out) != XDP_PASS || out.len < sizeof(mark)) {
		sl_rig_check(rig, false, name, "not passed");
		return;
	}
	memcpy(mark, out.bytes, sizeof(mark));
	frame.len = out.len - sizeof(mark);
	memcpy(frame.bytes, out.bytes + sizeof(mark), frame.len);
	want = at_node(&route, &syn, sl_frame_sport(&frame));
	set_mac(want.smac, 0x01);
	set_mac(want.dmac, 0xa0);
	sl_frame_build(&expected, &want);
	if (frame.len != expected.len || memcmp(frame.bytes, expected.bytes, frame.len))
		sl_frame_print_difference(&frame, &expected);
	sl_rig_check(rig,
		     frame.len == expected.len && !memcmp(frame.bytes, expected.bytes, frame.len) &&
			     mark[1] == rig->one_arm.ifindex &&
			     mark[5] == htonl(0x0a000063) && /* the next hop */
			     sl_rig_counted(rig, SL_COUNTER_PASS_NEIGHBOUR) == 1 &&
			     sl_rig_flow_count(rig) == 1 && sl_rig_port_count(rig) == 1,
		     name, "wrong bytes, mark or counter");
}

/* A lying header in an open flow, from either side, is dropped and leaves the flow alone. */
static void bad_in_flow(struct sl_rig *rig)
{
	struct sl_frame_spec spec;
	struct sl_frame in, out;
	uint16_t port;
	bool ok;

	rig_for(rig, &routes[0]);
	port = open_flow(rig, &routes[0]);
	spec = from_node(&routes[0], port, RST | ACK, NODE_SEQ, CLIENT_SEQ + 1, 0);
	sl_frame_build(&in, &spec);
	in.bytes[14 + 20 + 12] = 0;
	ok = sl_rig_xdp(rig, &in, &out) == XDP_DROP;
	spec = from_client(&routes[0], RST, CLIENT_SEQ + 1, 0, 0);
	sl_frame_build(&in, &spec);
	in.len--;
	ok = ok && sl_rig_xdp(rig, &in, &out) == XDP_DROP;
	sl_rig_check(rig,
		     ok && sl_rig_counted(rig, SL_COUNTER_DROP_MALFORMED) == 2 &&
			     sl_rig_flow_count(rig) == 1 && sl_rig_port_count(rig) == 1,
		     "malformed packets of a flow", "not dropped, or the flow ended");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		translates(&rig, &routes[i]);
	for (size_t i = 0; i < sizeof(lives) / sizeof(*lives); i++)
		lives_run(&rig, i);
	idle(&rig, "established, idle too long", 2020, SL_TCP_ESTABLISHED, 1);
	idle(&rig, "established, idle not long enough", 1500, SL_TCP_ESTABLISHED, 0);
	idle(&rig, "half closed, idle too long", 1020, SL_TCP_FIN_CLIENT, 1);
	idle(&rig, "half closed, idle not long enough", 500, SL_TCP_FIN_NODE, 0);
	ports(&rig);
	no_way(&rig);
	no_neighbour(&rig, "no neighbour", 0);
	no_neighbour(&rig, "no neighbour, tag off", 7);
	bad_in_flow(&rig);
	return sl_rig_close(&rig);
}
