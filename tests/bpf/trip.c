/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trip.c - what the fast lane concludes about nodes, and which node a new flow gets: signals,
 * breaker, half-open probes, ejection cap, panic, draining, load. Time is moved by editing the
 * times in the maps, never by waiting.
 */
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "tests/bpf/lib/rig.h"

#define AT_ONCE_MS    8u /* below SL_SYN_REPEAT_MIN_MS of bpf/conn.h, by whole milliseconds */
#define AT_ONCE_TRIES 1000

#define CLIENT	   "198.51.100.7"
#define FAST	   "192.0.2.100"
#define SNAT	   "10.0.0.2"
#define SYN	   SL_FRAME_SYN
#define ACK	   SL_FRAME_ACK
#define RST	   SL_FRAME_RST
#define CLIENT_SEQ 1000u
#define NODE_SEQ   9000u
#define A	   SL_RIG_NODE_A
#define B	   SL_RIG_NODE_B
#define FLOWS	   100 /* enough that chance cannot matter */

/* One connection of the client with number `sport`. */
struct visit {
	uint16_t sport;
	uint16_t port; /* towards the node */
	uint32_t slot; /* 0: not forwarded */
	uint32_t sent; /* payload so far */
	uint32_t received;
};

static const char *node_addr(uint32_t slot)
{
	return slot == A ? "10.0.0.11" : "10.0.0.12";
}

static int run(struct sl_rig *rig, const struct sl_frame_spec *spec, struct sl_frame *ret_out)
{
	struct sl_frame in;

	sl_frame_build(&in, spec);
	return sl_rig_xdp(rig, &in, ret_out);
}

static int client_sends(struct sl_rig *rig, struct visit *visit, uint8_t flags, uint16_t len)
{
	struct sl_frame_spec spec = {
		.src = CLIENT,
		.dst = FAST,
		.sport = visit->sport,
		.dport = 80,
		.seq = CLIENT_SEQ + !(flags & SYN) + visit->sent,
		.ack = flags & ACK ? NODE_SEQ + 1 + visit->received : 0,
		.flags = flags,
		.payload_len = len,
	};
	struct sl_frame out;

	visit->sent += len;
	return run(rig, &spec, &out);
}

static int node_sends(struct sl_rig *rig, struct visit *visit, uint8_t flags, uint16_t len)
{
	struct sl_frame_spec spec = {
		.src = node_addr(visit->slot),
		.dst = SNAT,
		.sport = 8000,
		.dport = visit->port,
		.seq = NODE_SEQ + !(flags & SYN) + visit->received,
		.ack = CLIENT_SEQ + 1 + visit->sent,
		.flags = flags,
		.payload_len = len,
	};
	struct sl_frame out;

	visit->received += len;
	return run(rig, &spec, &out);
}

/* Sends a SYN; says where it went. */
static struct visit visit_begin(struct sl_rig *rig, uint16_t sport)
{
	struct visit visit = {.sport = sport};
	struct sl_flow *flow;

	if (client_sends(rig, &visit, SYN, 0) == XDP_TX) {
		flow = sl_rig_flow(rig, sport);
		visit.slot = flow ? flow->conn.node : 0;
		visit.port = flow ? (uint16_t)(flow->nat_port << 8 | flow->nat_port >> 8) : 0;
	}
	return visit;
}

/* A SYN answered and acknowledged. */
static struct visit visit_open(struct sl_rig *rig, uint16_t sport)
{
	struct visit visit = visit_begin(rig, sport);

	if (visit.slot) {
		node_sends(rig, &visit, SYN | ACK, 0);
		client_sends(rig, &visit, ACK, 0);
	}
	return visit;
}

/* Opens visits until one gets to the slot; the others are reset by the client. */
static struct visit visit_of(struct sl_rig *rig, uint32_t slot, uint16_t sport)
{
	struct visit visit = {0};

	for (uint16_t i = 0; i < FLOWS; i++) {
		visit = visit_begin(rig, (uint16_t)(sport + i));
		if (visit.slot == slot)
			return visit;
		client_sends(rig, &visit, RST, 0);
	}
	visit.slot = 0;
	return visit;
}

/* The node refuses as many SYNs. */
static void refuse(struct sl_rig *rig, uint32_t slot, int count, uint16_t sport)
{
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, 0); /* a refusal gets to the client */
	for (int i = 0; i < count; i++) {
		struct visit visit = visit_of(rig, slot, (uint16_t)(sport + i * FLOWS));

		if (visit.slot)
			node_sends(rig, &visit, RST | ACK, 0);
	}
}

static enum sl_breaker_state state_of(const struct sl_rig *rig, uint32_t slot)
{
	return sl_breaker_state(rig->nodes[slot].breaker);
}

/* How many of FLOWS new flows get to the slot; each is reset at once. */
static int share_of(struct sl_rig *rig, uint32_t slot, uint16_t sport)
{
	int count = 0;

	for (uint16_t i = 0; i < FLOWS; i++) {
		struct visit visit = visit_begin(rig, (uint16_t)(sport + i));

		count += visit.slot == slot;
		client_sends(rig, &visit, RST, 0);
	}
	return count;
}

static void make_due(struct sl_rig *rig, uint32_t slot)
{
	uint64_t word = rig->nodes[slot].breaker;

	rig->nodes[slot].breaker =
		sl_breaker_pack(sl_breaker_state(word), sl_breaker_exponent(word),
				sl_breaker_generation(word), sl_rig_now_ns() / 1000000 - 1) |
		(word & (SL_BREAKER_PROBE_BIT | 15 * SL_BREAKER_SUCCESS_UNIT));
}

/* Only this node in the table, but two in the pool: so that it may be ejected. */
static void only(struct sl_rig *rig, uint32_t slot)
{
	sl_rig_reset(rig);
	sl_rig_table(rig, SL_RIG_POOL4, &slot, 1);
	rig->pools[SL_RIG_POOL4].node_count = 2;
	sl_rig_tune(rig, SL_TUNABLE_PANIC_PERCENT, 0);
}

/* ---- the breaker --------------------------------------------------------------------------- */

static void trips(struct sl_rig *rig)
{
	struct sl_event event = {0};
	int share;

	sl_rig_reset(rig);
	refuse(rig, A, 4, 1000);
	sl_rig_check(rig, state_of(rig, A) == SL_BREAKER_CLOSED && rig->nodes[A].consecutive == 4,
		     "four refusals do not trip", "state %d, consecutive %u", state_of(rig, A),
		     rig->nodes[A].consecutive);
	refuse(rig, A, 1, 2000);
	sl_rig_check(rig,
		     state_of(rig, A) == SL_BREAKER_OPEN && rig->nodes[A].trips == 1 &&
			     rig->nodes[A].signals[SL_SIGNAL_RST_EARLY] == 5 &&
			     rig->pools[SL_RIG_POOL4].ejected == 1,
		     "the fifth does", "state %d, signals %llu", state_of(rig, A),
		     (unsigned long long)rig->nodes[A].signals[SL_SIGNAL_RST_EARLY]);
	sl_rig_check(rig,
		     sl_rig_events(rig, &event) == 1 && event.kind == SL_EVENT_TRANSITION &&
			     event.node == A && event.to == SL_BREAKER_OPEN &&
			     event.signal == SL_SIGNAL_RST_EARLY &&
			     event.plane == SL_PLANE_KERNEL && event.incarnation == A + 100,
		     "the trip is an event", "kind %d node %u to %d signal %d", event.kind,
		     event.node, event.to, event.signal);
	share = share_of(rig, A, 3000);
	sl_rig_check(rig, share == 0 && share_of(rig, B, 3000) == FLOWS,
		     "an open breaker gets no flow", "%d of %d", share, FLOWS);
	sl_rig_check(rig, sl_rig_counted(rig, SL_COUNTER_GATE_REFUSED) > 0, "refusals are counted",
		     "none");
}

/* One probe at a time; as many good ones as the tunable says close the breaker. */
static void recovers(struct sl_rig *rig)
{
	struct visit probe, second;

	only(rig, A);
	refuse(rig, A, 5, 1000);
	for (uint16_t i = 0; i < 3; i++) {
		make_due(rig, A);
		probe = visit_open(rig, (uint16_t)(2000 + i));
		second = visit_begin(rig, 2100);
		if (probe.slot != A || second.slot) {
			sl_rig_check(rig, false, "half-open admits one probe",
				     "probe to %u, another to %u", probe.slot, second.slot);
			return;
		}
		client_sends(rig, &probe, ACK, 100);
		node_sends(rig, &probe, ACK, 100);
	}
	sl_rig_check(rig, sl_rig_counted(rig, SL_COUNTER_GATE_PROBE) == 3,
		     "half-open admits one probe", "%llu probes",
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_GATE_PROBE));
	sl_rig_check(rig,
		     state_of(rig, A) == SL_BREAKER_CLOSED && rig->nodes[A].recovered_ms &&
			     rig->pools[SL_RIG_POOL4].ejected == 0,
		     "three good probes close it", "state %d", state_of(rig, A));
}

static void probe_ends(struct sl_rig *rig)
{
	struct visit probe;

	only(rig, A);
	refuse(rig, A, 5, 1000);
	make_due(rig, A);
	probe = visit_begin(rig, 2000);
	node_sends(rig, &probe, RST | ACK, 0);
	sl_rig_check(rig,
		     probe.slot == A && state_of(rig, A) == SL_BREAKER_OPEN &&
			     sl_breaker_exponent(rig->nodes[A].breaker) == 1,
		     "a refused probe opens it again, for longer", "state %d exponent %u",
		     state_of(rig, A), sl_breaker_exponent(rig->nodes[A].breaker));
	make_due(rig, A);
	probe = visit_begin(rig, 2001);
	client_sends(rig, &probe, RST, 0);
	sl_rig_check(rig,
		     probe.slot == A && state_of(rig, A) == SL_BREAKER_HALF_OPEN &&
			     !sl_breaker_probe(rig->nodes[A].breaker),
		     "a client that leaves gives the probe back", "state %d", state_of(rig, A));
	rig->settings->nat_port_max = 0;
	probe = visit_begin(rig, 2002);
	rig->settings->nat_port_max = SL_RIG_PORT_MAX;
	sl_rig_check(rig,
		     !probe.slot && !sl_breaker_probe(rig->nodes[A].breaker) &&
			     sl_rig_counted(rig, SL_COUNTER_DROP_NO_PORT) == 1,
		     "a probe that could not be sent is given back", "still in flight");
	probe = visit_begin(rig, 2003);
	make_due(rig, A);
	visit_begin(rig, 2004);
	sl_rig_check(rig,
		     probe.slot == A && state_of(rig, A) == SL_BREAKER_OPEN &&
			     rig->nodes[A].signals[SL_SIGNAL_PROBE_LOST] == 1,
		     "a lost probe opens it again", "state %d", state_of(rig, A));
}

static void capped(struct sl_rig *rig)
{
	struct sl_event event = {0};

	sl_rig_reset(rig);
	refuse(rig, B, 5, 1000);
	sl_rig_events(rig, NULL);
	refuse(rig, A, 5, 2000);
	sl_rig_check(rig,
		     state_of(rig, B) == SL_BREAKER_OPEN && state_of(rig, A) == SL_BREAKER_CLOSED &&
			     rig->nodes[A].cap_denied == 1 && rig->pools[SL_RIG_POOL4].ejected == 1,
		     "the second of two nodes is not ejected", "states %d %d", state_of(rig, A),
		     state_of(rig, B));
	sl_rig_check(rig,
		     sl_rig_events(rig, &event) == 1 && event.kind == SL_EVENT_CAP_DENIED &&
			     event.node == A,
		     "the denied trip is an event", "kind %d", event.kind);
	sl_rig_check(rig, share_of(rig, A, 4000) == FLOWS, "it takes all flows", "it does not");
}

static void metrics_only(struct sl_rig *rig)
{
	only(rig, A);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_MODE, 1);
	refuse(rig, A, 8, 1000);
	sl_rig_check(rig,
		     state_of(rig, A) == SL_BREAKER_METRICS_ONLY && rig->nodes[A].trips == 1 &&
			     visit_begin(rig, 9000).slot == A,
		     "metrics only never refuses", "state %d trips %u", state_of(rig, A),
		     rig->nodes[A].trips);
}

/* A pool's row of the tunables wins over the global one. */
static void pool_row(struct sl_rig *rig)
{
	only(rig, A);
	rig->tunables[SL_RIG_POOL4 * SL_TUNABLE_KEYS + SL_TUNABLE_BREAKER_CONSECUTIVE] = 2;
	refuse(rig, A, 2, 1000);
	sl_rig_check(rig, state_of(rig, A) == SL_BREAKER_OPEN, "a pool's own threshold counts",
		     "state %d", state_of(rig, A));
}

/* ---- choosing ------------------------------------------------------------------------------ */

/*
 * The bound never leaves a flow without a node: with two of three out, the third gets all, whatever
 * its share; and an ejected node does not lower the mean for the others.
 */
static void bounded(struct sl_rig *rig)
{
	uint32_t slots[] = {A, B, 5};
	bool open;

	sl_rig_reset(rig);
	sl_rig_node(rig, 5, SL_RIG_POOL4, "10.0.0.13", 8000, SNAT);
	sl_rig_table_mixed(rig, SL_RIG_POOL4, slots, 3);
	rig->nodes[A].breaker = sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, 7, 0);
	rig->nodes[5].admin |= SL_NODE_DRAINING;
	sl_rig_load(rig, B, 20);
	open = share_of(rig, B, 1000) == FLOWS;
	sl_rig_check(rig, open && sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED) > 0,
		     "the only node takes all flows, over its bound", "it does not");
	rig->nodes[5].admin = SL_NODE_PRESENT;
	rig->pools[SL_RIG_POOL4].ejected = 1;
	sl_rig_load(rig, 5, 20);
	sl_rig_count_mark(rig);
	share_of(rig, B, 2000);
	sl_rig_check(rig, sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED) == 0,
		     "two of three share what is one third more each", "refused %llu times",
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED));
}

static void panics(struct sl_rig *rig)
{
	struct sl_event event = {0};
	struct visit visit;

	sl_rig_reset(rig);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_EJECT_PERCENT, 100);
	sl_rig_tune(rig, SL_TUNABLE_POOL_REFUSE, 0);
	refuse(rig, B, 7, 1000);
	refuse(rig, A, 5, 2000);
	rig->nodes[B].consecutive = 9;
	sl_rig_events(rig, NULL);
	sl_rig_count_mark(rig);
	visit = visit_begin(rig, 3000);
	sl_rig_check(rig,
		     visit.slot == A && sl_rig_counted(rig, SL_COUNTER_GATE_PANIC) == 1 &&
			     rig->pools[SL_RIG_POOL4].panics == 1 &&
			     state_of(rig, A) == SL_BREAKER_OPEN,
		     "in panic the least bad node gets the flow", "slot %u", visit.slot);
	sl_rig_tune(rig, SL_TUNABLE_PANIC_PERCENT, 0);
	visit = visit_begin(rig, 3001);
	sl_rig_check(
		rig,
		!visit.slot && sl_rig_counted(rig, SL_COUNTER_DROP_NO_NODE) == 1 &&
			rig->pools[SL_RIG_POOL4].no_node == 1 && sl_rig_events(rig, &event) == 1 &&
			event.kind == SL_EVENT_NO_NODE && event.pool == SL_RIG_POOL4,
		"without panic no node is an event", "slot %u kind %d", visit.slot, event.kind);
	sl_rig_tune(rig, SL_TUNABLE_PANIC_PERCENT, 30);
	rig->nodes[A].breaker = sl_breaker_pack(SL_BREAKER_FORCED_OPEN, 0, 7, 0);
	sl_rig_check(rig, visit_begin(rig, 3002).slot == B, "panic spares a node forced open",
		     "it does not");
	rig->nodes[B].admin |= SL_NODE_DRAINING;
	sl_rig_check(rig, !visit_begin(rig, 3003).slot, "panic spares a draining node",
		     "it does not");
}

static void drains(struct sl_rig *rig)
{
	struct visit visit;

	sl_rig_reset(rig);
	visit = visit_of(rig, A, 1000);
	rig->nodes[A].admin |= SL_NODE_DRAINING;
	sl_rig_check(rig, share_of(rig, B, 2000) == FLOWS, "a draining node gets no flow",
		     "it does");
	sl_rig_check(rig,
		     visit.slot == A && node_sends(rig, &visit, SYN | ACK, 0) == XDP_TX &&
			     client_sends(rig, &visit, ACK, 10) == XDP_TX,
		     "its flows go on", "they do not");
	rig->nodes[A].admin = 0;
	sl_rig_check(rig, share_of(rig, B, 3000) == FLOWS, "an absent node gets no flow",
		     "it does");
	rig->nodes[A].admin = SL_NODE_PRESENT;
	rig->nodes[A].pool = SL_RIG_POOL6;
	sl_rig_check(rig, share_of(rig, B, 4000) == FLOWS, "nor does one of another pool",
		     "it does");
	rig->pools[SL_RIG_POOL4].maglev_size = 100000;
	visit = visit_begin(rig, 5000);
	sl_rig_check(rig, visit.slot == B || !visit.slot, "a table smaller than said", "slot %u",
		     visit.slot);
	rig->pools[SL_RIG_POOL4].maglev_size = 0;
	sl_rig_check(rig, share_of(rig, B, 6000) + share_of(rig, A, 6000) <= FLOWS,
		     "a table of size 0", "impossible share");
}

static void balances(struct sl_rig *rig)
{
	int share;

	sl_rig_reset(rig);
	share = share_of(rig, A, 1000);
	sl_rig_check(rig, share > FLOWS / 5 && share < FLOWS * 4 / 5, "idle nodes share",
		     "%d of %d", share, FLOWS);
	rig->nodes[A].waiting = 10;
	share = share_of(rig, A, 2000);
	sl_rig_check(rig, share < FLOWS / 10, "the node that waits less is preferred", "%d of %d",
		     share, FLOWS);
	rig->nodes[A].waiting = 0;
	sl_rig_load(rig, A, 10);
	share = share_of(rig, A, 3000);
	sl_rig_check(rig, share < FLOWS / 10, "the node with fewer flows is preferred", "%d of %d",
		     share, FLOWS);
	sl_rig_load(rig, B, 3);
	rig->nodes[A].weight = 10;
	rig->pools[SL_RIG_POOL4].weight_sum = 11;
	share = share_of(rig, A, 4000);
	sl_rig_check(rig, share > FLOWS * 9 / 10, "load counts by weight", "%d of %d", share,
		     FLOWS);
	sl_rig_reset(rig);
	rig->nodes[A].first_byte_us = 1000;
	rig->nodes[B].first_byte_us = 450;
	rig->nodes[A].last_byte_ns = rig->nodes[B].last_byte_ns = sl_rig_now_ns();
	share = share_of(rig, A, 5000);
	sl_rig_check(rig, share < FLOWS / 10, "equal load: the faster node", "%d of %d", share,
		     FLOWS);
	rig->nodes[B].first_byte_us = 600;
	share = share_of(rig, A, 5250);
	sl_rig_check(rig, share > FLOWS / 5 && share < FLOWS * 4 / 5,
		     "equal load, less than twice as fast: both", "%d of %d", share, FLOWS);
	rig->nodes[A].last_byte_ns -= 6000000000ull;
	share = share_of(rig, A, 5500);
	sl_rig_check(rig, share > FLOWS * 9 / 10, "old averages are not held against a node",
		     "%d of %d", share, FLOWS);
	sl_rig_reset(rig);
	rig->nodes[A].recovered_ms = sl_rig_now_ns() / 1000000;
	sl_rig_tune(rig, SL_TUNABLE_SLOW_START_MS, 600000);
	share = share_of(rig, A, 6000);
	sl_rig_check(rig, share < FLOWS / 3, "slow start holds a node back", "%d of %d", share,
		     FLOWS);
}

/* ---- signals ------------------------------------------------------------------------------- */

static uint64_t signal_count(const struct sl_rig *rig, enum sl_signal signal)
{
	return rig->nodes[A].signals[signal];
}

/* Moves the flow's times into the past. */
static void age(struct sl_rig *rig, uint16_t sport, uint64_t age_ns)
{
	struct sl_flow *flow = sl_rig_flow(rig, sport);

	if (flow)
		sl_rig_flow_age(rig, flow, age_ns / 1000000);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void syn_repeats(struct sl_rig *rig)
{
	struct visit visit;
	uint64_t begun_ms;
	int tries = 0;

	/* "at once" is within ten milliseconds, which an emulator may take for anything else */
	do {
		only(rig, A);
		begun_ms = now_ms();
		visit = visit_begin(rig, 1000);
		client_sends(rig, &visit, SYN, 0);
	} while (now_ms() - begun_ms >= AT_ONCE_MS && ++tries < AT_ONCE_TRIES);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SYN_RETRANS) == 0,
		     "the same SYN seen twice at once is no repeat", "counted");
	age(rig, 1000, 1000000000);
	client_sends(rig, &visit, SYN, 0);
	age(rig, 1000, 2000000000);
	client_sends(rig, &visit, SYN, 0);
	sl_rig_check(rig,
		     signal_count(rig, SL_SIGNAL_SYN_RETRANS) == 1 &&
			     rig->nodes[A].consecutive == 1,
		     "a repeated SYN is one failure", "%llu",
		     (unsigned long long)signal_count(rig, SL_SIGNAL_SYN_RETRANS));
	node_sends(rig, &visit, SYN | ACK, 0);
	sl_rig_check(rig, rig->nodes[A].connect_us == 0, "no connect time after a repeat", "%u us",
		     rig->nodes[A].connect_us);
	only(rig, A);
	sl_rig_tune(rig, SL_TUNABLE_SYN_RETRANS, 2);
	visit = visit_begin(rig, 1000);
	age(rig, 1000, 1000000000);
	client_sends(rig, &visit, SYN, 0);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SYN_RETRANS) == 0, "two repeats by tunable",
		     "counted at the first");
	age(rig, 1000, 2000000000);
	client_sends(rig, &visit, SYN, 0);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SYN_RETRANS) == 1,
		     "two repeats by tunable, the second", "not counted");
}

static void resets(struct sl_rig *rig)
{
	static const struct {
		const char *description;
		int turns; /* requests answered before */
		bool request;
		bool client; /* who resets */
		bool fin;    /* the client has closed its side */
		uint64_t failures;
	} cases[] = {
		{"reset before the first byte", 0, true, false, false, 1},
		{"reset without a request", 0, false, false, false, 1},
		{"reset after an answer", 1, false, false, false, 0},
		{"reset under a second request", 1, true, false, false, 0},
		{"reset by the client", 0, true, true, false, 0},
		{"reset after the client's FIN", 0, true, false, true, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct visit visit;

		only(rig, A);
		visit = visit_open(rig, 1000);
		for (int turn = 0; turn < cases[i].turns; turn++) {
			client_sends(rig, &visit, ACK, 100);
			node_sends(rig, &visit, ACK, 100);
		}
		if (cases[i].request)
			client_sends(rig, &visit, ACK, 100);
		if (cases[i].fin)
			client_sends(rig, &visit, SL_FRAME_FIN | ACK, 0);
		if (cases[i].client)
			client_sends(rig, &visit, RST, 0);
		else
			node_sends(rig, &visit, RST | ACK, 0);
		sl_rig_check(rig,
			     signal_count(rig, SL_SIGNAL_RST_EARLY) == cases[i].failures &&
				     rig->nodes[A].consecutive == cases[i].failures &&
				     rig->nodes[A].waiting == 0 && sl_rig_flow_count(rig) == 0,
			     cases[i].description, "failures %llu, waiting %u, entries %u",
			     (unsigned long long)signal_count(rig, SL_SIGNAL_RST_EARLY),
			     rig->nodes[A].waiting, sl_rig_flow_count(rig));
	}
}

static void answers(struct sl_rig *rig)
{
	struct visit visit;

	only(rig, A);
	rig->nodes[A].consecutive = 3;
	visit = visit_open(rig, 1000);
	sl_rig_check(rig, rig->nodes[A].connect_us > 0, "connect time is measured", "0");
	client_sends(rig, &visit, ACK, 100);
	client_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig, rig->nodes[A].waiting == 1 && signal_count(rig, SL_SIGNAL_SUCCESS) == 0,
		     "one request waits", "waiting %u", rig->nodes[A].waiting);
	node_sends(rig, &visit, ACK, 0);
	sl_rig_check(rig, rig->nodes[A].waiting == 1, "a bare ACK is no answer", "it is");
	node_sends(rig, &visit, ACK, 500);
	node_sends(rig, &visit, ACK, 500);
	sl_rig_check(rig,
		     rig->nodes[A].waiting == 0 && signal_count(rig, SL_SIGNAL_SUCCESS) == 1 &&
			     rig->nodes[A].first_byte_us > 0 && rig->nodes[A].consecutive == 0 &&
			     rig->nodes[A].bytes_in == 1000 && rig->nodes[A].bytes_out == 200,
		     "the first byte is one success", "success %llu, waiting %u",
		     (unsigned long long)signal_count(rig, SL_SIGNAL_SUCCESS),
		     rig->nodes[A].waiting);
	client_sends(rig, &visit, ACK, 100);
	node_sends(rig, &visit, ACK, 500);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SUCCESS) == 2, "so is the next turn's",
		     "%llu", (unsigned long long)signal_count(rig, SL_SIGNAL_SUCCESS));
	client_sends(rig, &visit, ACK, 100);
	visit.received += 0x10000000;
	node_sends(rig, &visit, ACK, 500);
	sl_rig_check(rig, rig->nodes[A].waiting == 1 && signal_count(rig, SL_SIGNAL_SUCCESS) == 2,
		     "payload out of window is no answer", "it is");
}

static void slow(struct sl_rig *rig)
{
	struct visit visit;

	only(rig, A);
	visit = visit_open(rig, 1000);
	client_sends(rig, &visit, ACK, 100);
	sl_rig_tune(rig, SL_TUNABLE_FIRST_BYTE_SLOW_US, 1000000);
	age(rig, 1000, 1100000000);
	node_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig,
		     signal_count(rig, SL_SIGNAL_FIRST_BYTE_SLOW) == 1 &&
			     signal_count(rig, SL_SIGNAL_SUCCESS) == 0,
		     "a late first byte is slow", "it is not");
	visit = visit_begin(rig, 1001);
	age(rig, 1001, 1100000000);
	node_sends(rig, &visit, SYN | ACK, 0);
	client_sends(rig, &visit, ACK, 100);
	node_sends(rig, &visit, ACK, 100);
	client_sends(rig, &visit, ACK, 100);
	node_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig,
		     signal_count(rig, SL_SIGNAL_CONNECT_SLOW) == 1 &&
			     signal_count(rig, SL_SIGNAL_SUCCESS) == 1,
		     "a late connect makes the first answer slow", "connect_slow %llu",
		     (unsigned long long)signal_count(rig, SL_SIGNAL_CONNECT_SLOW));
}

static void stalls(struct sl_rig *rig)
{
	struct visit visit;

	only(rig, A);
	/* Short: a test machine may be up for a few seconds only. */
	sl_rig_tune(rig, SL_TUNABLE_STALL_MS, 2000);
	visit = visit_open(rig, 1000);
	client_sends(rig, &visit, ACK, 100);
	age(rig, 1000, 1500000000);
	client_sends(rig, &visit, ACK, 0);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_STALL) == 0,
		     "a wait below the bound is no stall", "counted");
	age(rig, 1000, 1000000000);
	client_sends(rig, &visit, ACK, 0);
	client_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig,
		     signal_count(rig, SL_SIGNAL_STALL) == 1 && rig->nodes[A].consecutive == 1 &&
			     rig->nodes[A].waiting == 1,
		     "a wait over the bound is one", "%llu",
		     (unsigned long long)signal_count(rig, SL_SIGNAL_STALL));
	node_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SUCCESS) == 0 && rig->nodes[A].waiting == 0,
		     "its late answer is no success", "it is");
	client_sends(rig, &visit, ACK, 100);
	node_sends(rig, &visit, ACK, 100);
	sl_rig_check(rig, signal_count(rig, SL_SIGNAL_SUCCESS) == 1, "the next answer is",
		     "it is not");
}

static void unreachable(struct sl_rig *rig, const char *name, uint8_t code, uint32_t seq_offset,
			uint64_t failures, uint64_t ignored)
{
	struct sl_frame_spec quoted = {.src = SNAT, .dst = "10.0.0.11", .dport = 8000};
	struct sl_frame in, out;
	struct visit visit;
	bool sent;

	only(rig, A);
	visit = visit_begin(rig, 1000);
	quoted.sport = visit.port;
	quoted.seq = CLIENT_SEQ + seq_offset;
	sl_frame_build_unreachable(&in, "10.0.0.1", code, &quoted);
	sent = sl_rig_xdp(rig, &in, &out) == XDP_TX && sl_rig_xdp(rig, &in, &out) == XDP_TX;
	sl_rig_check(rig,
		     sent && sl_rig_counted(rig, SL_COUNTER_FORWARD_ICMP) == 2 &&
			     signal_count(rig, SL_SIGNAL_ICMP_UNREACH) == failures &&
			     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == ignored,
		     name, "failures %llu, ignored %llu",
		     (unsigned long long)signal_count(rig, SL_SIGNAL_ICMP_UNREACH),
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED));
}

static void unreachable6(struct sl_rig *rig)
{
	struct sl_frame_spec syn = {.src = "2001:db8:c::7",
				    .dst = "2001:db8::100",
				    .sport = 1000,
				    .dport = 80,
				    .seq = CLIENT_SEQ,
				    .flags = SYN};
	struct sl_frame_spec quoted = {
		.src = "fd00::2", .dst = "fd00::11", .dport = 8000, .seq = CLIENT_SEQ};
	uint32_t slot = SL_RIG_NODE6_A;
	struct sl_frame in, out;

	sl_rig_reset(rig);
	sl_rig_table_mixed(rig, SL_RIG_POOL6, &slot, 1);
	run(rig, &syn, &out);
	quoted.sport = sl_frame_sport(&out);
	sl_frame_build_unreachable(&in, "fd00::1", 0, &quoted);
	sl_rig_check(rig,
		     sl_rig_xdp(rig, &in, &out) == XDP_TX &&
			     rig->nodes[slot].signals[SL_SIGNAL_ICMP_UNREACH] == 1,
		     "unreachable, IPv6", "not counted");
}

/* A flow that began before its slot was given to another endpoint says nothing about that. */
static void other_incarnation(struct sl_rig *rig)
{
	struct visit visit;

	only(rig, A);
	visit = visit_begin(rig, 1000);
	rig->nodes[A].incarnation++;
	node_sends(rig, &visit, RST | ACK, 0);
	sl_rig_check(rig,
		     signal_count(rig, SL_SIGNAL_RST_EARLY) == 0 &&
			     sl_rig_counted(rig, SL_COUNTER_SIGNAL_IGNORED) == 1 &&
			     sl_rig_flow_count(rig) == 0,
		     "a signal for an earlier incarnation is ignored", "it counts");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	trips(&rig);
	recovers(&rig);
	probe_ends(&rig);
	capped(&rig);
	metrics_only(&rig);
	pool_row(&rig);
	bounded(&rig);
	panics(&rig);
	drains(&rig);
	balances(&rig);
	syn_repeats(&rig);
	resets(&rig);
	answers(&rig);
	slow(&rig);
	stalls(&rig);
	unreachable(&rig, "host unreachable", 1, 0, 1, 1);
	unreachable(&rig, "port unreachable", 3, 0, 1, 1);
	unreachable(&rig, "too big is no failure", 4, 0, 0, 0);
	unreachable(&rig, "unreachable, out of window", 1, 0x10000000, 0, 2);
	unreachable6(&rig);
	other_incarnation(&rig);
	return sl_rig_close(&rig);
}
