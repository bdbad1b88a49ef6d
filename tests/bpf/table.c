/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * table.c - the flow table: flows whose tags are equal, overflow into the second set and back, which
 * flow makes room in a full table, ports and their sets, and that every kind of end gives back all
 * that a flow held. Keys are searched for so that they fall where a case wants them. Each case ends
 * with an audit of the maps (lib/audit.h). Both hooks share the table, so one of them is enough
 * here.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define CLIENT	 "198.51.100.7"
#define FAST	 "192.0.2.100"
#define SYN	 SL_FRAME_SYN
#define ACK	 SL_FRAME_ACK
#define FIN	 SL_FRAME_FIN
#define RST	 SL_FRAME_RST
#define A	 SL_RIG_NODE_A
#define B	 SL_RIG_NODE_B
#define WAYS	 SL_FLOW_WAYS
#define BLOCK	 8u /* ports that share a set */
#define OVERFLOW (1ull << 12)
#define SETS	 4u
#define PLACES	 16u /* of two sets */
/* Idle times of the cases, in ms: short of their least, so that all are alive, or beyond. */
#define SYN_MS	   4000u
#define CLOSING_MS 3000u
#define UDP_MS	   5000u
#define IDLE_MS	   6000u

/* A table of SETS sets, one node, idle times as above; what steps of their own do is off. */
static void rig_small(struct sl_rig *rig)
{
	uint32_t only = A;

	sl_rig_reset(rig);
	rig->settings->flow_sets = SETS;
	sl_rig_table(rig, SL_RIG_POOL4, &only, 1);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_SYN_MS, SYN_MS);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_CLOSING_MS, CLOSING_MS);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_UDP_MS, UDP_MS);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_IDLE_MS, IDLE_MS);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, 0);
	sl_rig_tune(rig, SL_TUNABLE_POOL_REFUSE, 0);
}

static void check(struct sl_rig *rig, bool ok, const char *name, const char *why)
{
	const char *audit = ok ? sl_audit(rig, true) : NULL;

	sl_rig_check(rig, ok && !audit, name, "%s", audit ? audit : why);
}

static struct sl_talk talk_of(uint16_t sport, bool udp)
{
	return (struct sl_talk){
		.client = CLIENT,
		.service = FAST,
		.sport = sport,
		.dport = udp ? 443 : 80,
		.udp = udp,
	};
}

/* The next port from `from` on whose key has these two sets. */
static uint16_t port_in(const struct sl_rig *rig, uint32_t from, bool udp, uint32_t first,
			uint32_t second)
{
	for (uint32_t sport = from; sport < 65536; sport++) {
		struct sl_talk talk = talk_of((uint16_t)sport, udp);
		uint64_t hash = sl_talk_hash(rig, &talk);

		if (sl_audit_first_set(hash, SETS) == first &&
		    sl_audit_second_set(hash, SETS) == second)
			return (uint16_t)sport;
	}
	fprintf(stderr, "table: no key for sets %u and %u\n", first, second);
	return 0;
}

static uint32_t set_of(const struct sl_rig *rig, const struct sl_talk *talk)
{
	return sl_talk_index(rig, talk) / WAYS;
}

static bool still_there(const struct sl_rig *rig, const struct sl_talk *talk)
{
	return sl_talk_index(rig, talk) != UINT32_MAX;
}

/* Does the next segment of an established talk leave by the port that it left by before? */
static bool goes_on(struct sl_rig *rig, struct sl_talk *talk)
{
	uint16_t port = talk->nat_port;
	uint32_t slot = talk->slot;

	return sl_talk_client(rig, talk, ACK, 10) == SL_RIG_FORWARD && talk->nat_port == port &&
	       talk->slot == slot;
}

/* ---- finding ------------------------------------------------------------------------------- */

/* Two keys of the same set whose tags are equal: the whole key decides. */
static void equal_tags(struct sl_rig *rig)
{
	static uint16_t seen[1u << 16];
	struct sl_talk one = {0}, two = {0};
	bool ok;

	rig_small(rig);
	memset(seen, 0, sizeof(seen));
	for (uint32_t sport = 1024; sport < 65536 && !two.sport; sport++) {
		struct sl_talk talk = talk_of((uint16_t)sport, false);
		uint64_t hash = sl_talk_hash(rig, &talk);
		uint32_t tag = sl_audit_tag(hash);

		if (sl_audit_first_set(hash, SETS) != 2)
			continue;
		if (seen[tag]) {
			one = talk_of(seen[tag], false);
			two = talk;
		}
		seen[tag] = (uint16_t)sport;
	}
	ok = two.sport && sl_talk_establish(rig, &one) && sl_talk_establish(rig, &two);
	check(rig,
	      ok && set_of(rig, &one) == set_of(rig, &two) && one.nat_port != two.nat_port &&
		      goes_on(rig, &one) && goes_on(rig, &two),
	      "two flows with equal tags", "no such keys, or one is taken for the other");
	ok = sl_talk_finish(rig, &one);
	check(rig, ok && !still_there(rig, &one) && goes_on(rig, &two),
	      "one of them ends, the other goes on", "the wrong one ended");
}

static void overflow(struct sl_rig *rig)
{
	struct sl_talk talks[10];
	uint16_t sport = 1024;
	bool ok = true;

	rig_small(rig);
	for (int i = 0; i < 9; i++, sport++) {
		sport = port_in(rig, sport, false, 0, 1);
		talks[i] = talk_of(sport, false);
		ok = ok && sl_talk_establish(rig, &talks[i]);
		ok = ok && set_of(rig, &talks[i]) == (i < 8 ? 0 : 1) &&
		     !(rig->flows[0].way[0] & OVERFLOW) == (i < 8);
	}
	check(rig, ok, "the ninth flow of a set goes to its second", "it lies elsewhere");
	for (int i = 0; i < 9; i++)
		ok = ok && goes_on(rig, &talks[i]);
	check(rig, ok && !sl_rig_counted(rig, SL_COUNTER_FLOW_EVICTED),
	      "all nine are found, none was pushed out", "one is lost");
	ok = sl_talk_finish(rig, &talks[3]);
	talks[9] = talk_of(port_in(rig, sport, false, 0, 1), false);
	ok = ok && sl_talk_establish(rig, &talks[9]) && set_of(rig, &talks[9]) == 0 &&
	     goes_on(rig, &talks[8]) && (rig->flows[0].way[0] & OVERFLOW);
	check(rig, ok, "a place in the first set is taken again, the second is still looked into",
	      "wrong set, or the flow of the second set is lost");
	for (int i = 0; i < 10; i++)
		ok = ok && (i == 3 || sl_talk_finish(rig, &talks[i]));
	check(rig, ok && !sl_rig_flow_count(rig), "and all of them end", "some are left");
}

/* ---- a full table -------------------------------------------------------------------------- */

/* What stands in the way of the 17th flow: one of 16 places, the first 8 in its first set. */
struct place {
	enum sl_way_kind kind; /* FREE: an open flow, as old as its place says */
	uint32_t age_ms;
};

static const struct {
	const char *description;
	struct {
		uint32_t at;
		struct place place;
	} other[4]; /* places that are not open and 1000 - at ms old */
	uint32_t victim;
	bool expired;
} full[] = {
	{"open flows alone: the one that is silent longest", {{9, {SL_WAY_OPEN, 2000}}}, 9, false},
	{"open flows alone, in the first set", {{4, {SL_WAY_OPEN, 2000}}}, 4, false},
	{"one opening: spared while it is young", {{5, {SL_WAY_OPENING, 0}}}, 0, false},
	{"one opening, in the second set", {{12, {SL_WAY_OPENING, 900}}}, 0, false},
	{"one opening in each set",
	 {{5, {SL_WAY_OPENING, 0}}, {12, {SL_WAY_OPENING, 500}}},
	 0,
	 false},
	{"one opening for more than a second: it goes", {{5, {SL_WAY_OPENING, 1100}}}, 5, false},
	{"the same in the second set", {{12, {SL_WAY_OPENING, 1100}}}, 12, false},
	{"two opening ones in a set: the older",
	 {{5, {SL_WAY_OPENING, 10}}, {7, {SL_WAY_OPENING, 400}}},
	 7,
	 false},
	{"two of the second set",
	 {{9, {SL_WAY_OPENING, 400}}, {15, {SL_WAY_OPENING, 10}}},
	 9,
	 false},
	{"two of the second set, one of the first",
	 {{2, {SL_WAY_OPENING, 800}}, {9, {SL_WAY_OPENING, 400}}, {15, {SL_WAY_OPENING, 10}}},
	 9,
	 false},
	{"one opening, young, and one closing: that",
	 {{5, {SL_WAY_OPENING, 500}}, {3, {SL_WAY_CLOSING, 0}}},
	 3,
	 false},
	{"one closing", {{13, {SL_WAY_CLOSING, 0}}}, 13, false},
	{"one of UDP", {{11, {SL_WAY_UDP, 0}}}, 11, false},
	{"opening before closing",
	 {{2, {SL_WAY_CLOSING, 2500}}, {14, {SL_WAY_OPENING, 1500}}},
	 14,
	 false},
	{"closing before UDP", {{2, {SL_WAY_UDP, 2500}}, {14, {SL_WAY_CLOSING, 0}}}, 14, false},
	{"UDP before open", {{2, {SL_WAY_OPEN, 5000}}, {14, {SL_WAY_UDP, 0}}}, 14, false},
	{"the older of two opening ones, over both sets",
	 {{1, {SL_WAY_OPENING, 1000}}, {10, {SL_WAY_OPENING, 2000}}},
	 10,
	 false},
	{"the older of two closing ones",
	 {{1, {SL_WAY_CLOSING, 1000}}, {10, {SL_WAY_CLOSING, 500}}},
	 1,
	 false},
	{"expired open", {{6, {SL_WAY_OPEN, 7000}}}, 6, true},
	{"expired opening", {{6, {SL_WAY_OPENING, 5000}}}, 6, true},
	{"expired closing", {{6, {SL_WAY_CLOSING, 4000}}}, 6, true},
	{"expired UDP", {{6, {SL_WAY_UDP, 6000}}}, 6, true},
	{"expired open before living opening, in one set",
	 {{6, {SL_WAY_OPEN, 7000}}, {3, {SL_WAY_OPENING, 100}}},
	 6,
	 true},
	{"expired open of the first set before living opening of the second",
	 {{6, {SL_WAY_OPEN, 7000}}, {11, {SL_WAY_OPENING, 100}}},
	 6,
	 true},
	{"expired open of the second set before living opening of the first",
	 {{11, {SL_WAY_OPEN, 7000}}, {6, {SL_WAY_OPENING, 100}}},
	 11,
	 true},
	{"expired UDP of the second set before living closing of the first",
	 {{15, {SL_WAY_UDP, 6000}}, {0, {SL_WAY_CLOSING, 100}}},
	 15,
	 true},
	{"each kind by its own idle time: closing is over where open is not",
	 {{3, {SL_WAY_OPEN, 3500}}, {9, {SL_WAY_CLOSING, 3500}}},
	 9,
	 true},
};

static struct place place_of(size_t index, uint32_t at)
{
	for (size_t i = 0; i < sizeof(full[index].other) / sizeof(full[index].other[0]); i++) {
		if (full[index].other[i].place.kind && full[index].other[i].at == at)
			return full[index].other[i].place;
	}
	return (struct place){SL_WAY_OPEN, 1000 - at};
}

static bool talk_as(struct sl_rig *rig, struct sl_talk *talk, enum sl_way_kind kind)
{
	switch (kind) {
	case SL_WAY_OPENING:
	case SL_WAY_UDP:
		return sl_talk_client(rig, talk, talk->udp ? 0 : SYN, 0) == SL_RIG_FORWARD;
	case SL_WAY_CLOSING:
		return sl_talk_establish(rig, talk) &&
		       sl_talk_client(rig, talk, FIN | ACK, 0) == SL_RIG_FORWARD;
	default:
		return sl_talk_establish(rig, talk);
	}
}

static void age(struct sl_rig *rig, const struct sl_talk *talk, uint32_t age_ms)
{
	uint32_t index = sl_talk_index(rig, talk);

	if (index != UINT32_MAX)
		sl_rig_flow_age(rig, &rig->flows[index / WAYS].flow[index % WAYS], age_ms);
}

/* Fills sets 0 and 1 with flows as the case says, then opens one more. */
static void full_run(struct sl_rig *rig, size_t index)
{
	struct sl_talk talks[PLACES], more;
	bool ok = true, right = true;
	uint16_t sport = 1024;

	rig_small(rig);
	for (uint32_t i = 0; i < PLACES; i++, sport++) {
		struct place place = place_of(index, i);
		bool udp = place.kind == SL_WAY_UDP;

		sport = port_in(rig, sport, udp, i < WAYS ? 0 : 1, i < WAYS ? 1 : 0);
		talks[i] = talk_of(sport, udp);
		ok = ok && talk_as(rig, &talks[i], place.kind);
	}
	for (uint32_t i = 0; i < PLACES; i++)
		age(rig, &talks[i], place_of(index, i).age_ms);
	more = talk_of(port_in(rig, sport, false, 0, 1), false);
	ok = ok && sl_rig_flow_count(rig) == PLACES &&
	     sl_talk_client(rig, &more, SYN, 0) == SL_RIG_FORWARD;
	for (uint32_t i = 0; i < PLACES; i++)
		right = right && still_there(rig, &talks[i]) == (i != full[index].victim);
	check(rig,
	      ok && right && sl_rig_flow_count(rig) == PLACES &&
		      rig->nodes[A].flows_expired == full[index].expired &&
		      rig->nodes[A].flows_evicted == !full[index].expired &&
		      sl_rig_counted(rig, SL_COUNTER_FLOW_EXPIRED) == full[index].expired &&
		      sl_rig_counted(rig, SL_COUNTER_FLOW_EVICTED) == !full[index].expired,
	      full[index].description,
	      !ok      ? "the table was not full, or the SYN was not forwarded"
	      : !right ? "another flow was pushed out"
		       : "expired and evicted are not counted right");
}

/* A flood meets a table in which established flows have most of the room. */
static void flood(struct sl_rig *rig, uint32_t count, bool late)
{
	struct sl_talk talks[SETS * 6];
	uint32_t living = 0, expired;
	uint16_t sport = 1024;
	bool ok = true;

	rig_small(rig);
	for (uint32_t i = 0; i < SETS * 6; i++, sport++) {
		sport = port_in(rig, sport, false, i % SETS, (i + 1) % SETS);
		talks[i] = talk_of(sport, false);
		ok = ok && sl_talk_establish(rig, &talks[i]);
	}
	for (uint32_t i = 0; i < count; i++) {
		struct sl_talk syn = talk_of((uint16_t)(30000 + i), false);

		/* The node answers each of them, as it would answer any. */
		ok = ok && sl_talk_client(rig, &syn, SYN, 0) == SL_RIG_FORWARD &&
		     sl_talk_node(rig, &syn, SYN | ACK, 0) == SL_RIG_FORWARD;
		if (late)
			age(rig, &syn, SYN_MS + 500);
	}
	for (uint32_t i = 0; i < SETS * 6; i++)
		living += goes_on(rig, &talks[i]);
	expired = rig->nodes[A].flows_expired;
	sl_rig_check(rig, ok && living == SETS * 6,
		     late ? "old SYNs make room" : "a flood of SYNs pushes out SYNs alone",
		     "%u of %u established flows are left", living, SETS * 6);
	check(rig,
	      rig->nodes[A].flows_evicted + expired == count - SETS * 2 &&
		      (late ? expired == count - SETS * 2 : expired == 0),
	      late ? "and are counted as expired" : "and they are counted as evicted",
	      "the count is wrong");
}

/* ---- ports --------------------------------------------------------------------------------- */

/* The first port of a block that shares its set with the next block. */
static uint16_t blocks_of_one_set(const struct sl_rig *rig)
{
	uint32_t last = UINT32_MAX;

	for (uint32_t port = 1024; port < 65536; port += BLOCK) {
		uint64_t hash = sl_audit_answer_hash(rig, A, htons((uint16_t)port), IPPROTO_TCP);
		uint32_t set = sl_audit_first_set(hash, SL_PORT_SETS(rig->settings->flow_sets));

		if (set == last)
			return (uint16_t)(port - BLOCK);
		last = set;
	}
	return 0;
}

static void port_set_full(struct sl_rig *rig)
{
	struct sl_talk talks[10];
	uint16_t first;
	bool ok;

	rig_small(rig);
	first = blocks_of_one_set(rig);
	ok = first;
	rig->settings->nat_port_min = first;
	rig->settings->nat_port_max = (uint16_t)(first + BLOCK);
	for (uint16_t i = 0; i < 10; i++)
		talks[i] = talk_of((uint16_t)(5000 + i), false);
	for (uint16_t i = 0; i < BLOCK; i++)
		ok = ok && sl_talk_establish(rig, &talks[i]);
	check(rig, ok && sl_rig_port_count(rig) == BLOCK, "a set of ports takes eight",
	      "no such ports, or a flow was not opened");
	check(rig,
	      sl_talk_client(rig, &talks[8], SYN, 0) == SL_RIG_DROP &&
		      sl_rig_counted(rig, SL_COUNTER_DROP_NO_PORT) == 1 &&
		      sl_rig_flow_count(rig) == BLOCK,
	      "the ninth, whose block has the same set, is refused and leaves nothing",
	      "not dropped, not counted, or it left a flow");
	ok = sl_talk_finish(rig, &talks[2]);
	check(rig, ok && sl_talk_establish(rig, &talks[9]) && sl_rig_port_count(rig) == BLOCK,
	      "a port that came back is used again", "the SYN was not forwarded");
	age(rig, &talks[5], IDLE_MS + 500);
	talks[8].seq = 0;
	check(rig,
	      sl_talk_establish(rig, &talks[8]) && rig->nodes[A].flows_expired == 1 &&
		      !still_there(rig, &talks[5]) && sl_rig_port_count(rig) == BLOCK,
	      "so is one whose flow was silent too long, whatever room the table has",
	      "the SYN was not forwarded, or the old flow is there still");
}

/*
 * All ports of a range that begins and ends within a block, and belongs to four CPUs, are found by
 * one: the last ones too.
 */
static void every_port(struct sl_rig *rig)
{
	const uint32_t count = 14 * BLOCK + 3;
	struct sl_talk talk;
	uint32_t opened = 0;

	rig_small(rig);
	rig->settings->flow_sets = SL_RIG_FLOW_SETS;
	rig->settings->nat_port_min = SL_RIG_PORT_MIN + 5;
	rig->settings->nat_port_max = (uint16_t)(SL_RIG_PORT_MIN + 5 + count - 1);
	for (uint32_t i = 0; i < count; i++) {
		talk = talk_of((uint16_t)(5000 + i), false);
		opened += sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD &&
			  talk.nat_port >= rig->settings->nat_port_min &&
			  talk.nat_port <= rig->settings->nat_port_max;
	}
	sl_rig_check(rig, opened == count, "one CPU finds every port of all", "%u of %u", opened,
		     count);
	talk = talk_of(4999, false);
	check(rig, sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_DROP, "and no other", "one more");
}

/* All places are taken: whoever comes next still finds a place and a port. */
static void full_of_syns(struct sl_rig *rig)
{
	char client[INET_ADDRSTRLEN];
	uint32_t sets = 64, late = 0;
	struct sl_talk talk;

	rig_small(rig);
	rig->settings->flow_sets = sets;
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_PENDING, 0);
	for (uint32_t i = 0; i < 20 * sets * WAYS; i++) {
		snprintf(client, sizeof(client), "198.51.%u.%u", i / 250 % 250, i % 250);
		talk = talk_of((uint16_t)(1024 + i), false);
		talk.client = client;
		late += sl_talk_client(rig, &talk, SYN, 0) != SL_RIG_FORWARD;
	}
	sl_rig_check(rig, !late, "no SYN waits for a port in a full table",
		     "%u of %u were dropped, %llu for want of a port", late, 20 * sets * WAYS,
		     (unsigned long long)sl_rig_counted(rig, SL_COUNTER_DROP_NO_PORT));
	check(rig, sl_rig_flow_count(rig) == sets * WAYS, "and it is full to the last place",
	      "there are free places");
}

/* A flow is begun, then it ends by `end`; its port and all else it held must have come back. */
enum end {
	END_RESET_CLIENT,
	END_RESET_NODE,
	END_FINS,
	END_EVICTED,
	END_EXPIRED,
	END_REPLACED,
	END_NO_ROUTE,
	END_UDP_EXPIRED,
	ENDS
};

static const struct {
	const char *description;
	enum sl_counter counter;
} ends[ENDS] = {
	{"reset by the client", SL_COUNTER_FLOW_CLOSED},
	{"reset by the node", SL_COUNTER_FLOW_CLOSED},
	{"closed by both", SL_COUNTER_FLOW_CLOSED},
	{"evicted", SL_COUNTER_FLOW_EVICTED},
	{"expired", SL_COUNTER_FLOW_EXPIRED},
	{"replaced by a new SYN", SL_COUNTER_FLOW_CLOSED},
	{"no way out for its first packet", SL_COUNTER_FLOW_CLOSED},
	{"UDP, expired", SL_COUNTER_FLOW_EXPIRED},
};

/* Fills both sets of the flow, which is the one that has to go, and one more takes its place. */
static bool push_out(struct sl_rig *rig, struct sl_talk *talk, uint32_t age_ms)
{
	uint64_t hash = sl_talk_hash(rig, talk);
	uint32_t first = sl_audit_first_set(hash, SETS), second = sl_audit_second_set(hash, SETS);
	uint16_t sport = 20000;

	for (uint32_t i = 1; i <= PLACES; i++, sport++) {
		struct sl_talk other;

		if (i == PLACES)
			age(rig, talk, age_ms);
		sport = port_in(rig, sport, false, i < WAYS ? first : second,
				i < WAYS ? second : first);
		other = talk_of(sport, false);
		if (!sl_talk_establish(rig, &other))
			return false;
	}
	return true;
}

static bool end_by(struct sl_rig *rig, struct sl_talk *talk, enum end end)
{
	switch (end) {
	case END_RESET_CLIENT:
		return sl_talk_client(rig, talk, RST, 0) == SL_RIG_FORWARD;
	case END_RESET_NODE:
		return sl_talk_node(rig, talk, RST | ACK, 0) == SL_RIG_FORWARD;
	case END_FINS:
		return sl_talk_finish(rig, talk);
	case END_EVICTED:
		return push_out(rig, talk, 2000);
	case END_EXPIRED:
		return push_out(rig, talk, IDLE_MS + 500);
	case END_UDP_EXPIRED:
		return push_out(rig, talk, UDP_MS + 500);
	case END_REPLACED:
		age(rig, talk, IDLE_MS + 500);
		talk->seq += 1000000;
		return sl_talk_client(rig, talk, SYN, 0) == SL_RIG_FORWARD;
	default:
		return false;
	}
}

static void ends_run(struct sl_rig *rig, enum end end)
{
	struct sl_talk talk;
	__u64 hash, held, *entry;
	uint32_t others;
	bool ok, gone;

	rig_small(rig);
	talk = talk_of(port_in(rig, 1024, end == END_UDP_EXPIRED, 2, 3), end == END_UDP_EXPIRED);
	if (end == END_NO_ROUTE) {
		sl_rig_node(rig, A, SL_RIG_POOL4, "10.0.9.9", 8000, "10.0.0.2");
		check(rig,
		      sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_DROP &&
			      sl_rig_counted(rig, ends[end].counter) == 1 &&
			      !sl_rig_flow_count(rig),
		      ends[end].description, "not dropped, or the flow stayed");
		return;
	}
	/* With a request under way, so that there is something awaited to give back too. */
	ok = talk.udp ? sl_talk_client(rig, &talk, 0, 30) == SL_RIG_FORWARD
		      : sl_talk_establish(rig, &talk) &&
				sl_talk_client(rig, &talk, ACK, 30) == SL_RIG_FORWARD;
	hash = sl_audit_answer_hash(rig, A, htons(talk.nat_port),
				    talk.udp ? IPPROTO_UDP : IPPROTO_TCP);
	entry = &rig->ports[sl_audit_first_set(hash, SL_PORT_SETS(SETS))]
			 .way[talk.nat_port % BLOCK];
	held = *entry;
	ok = ok && held && rig->nodes[A].waiting == 1 && end_by(rig, &talk, end);
	gone = *entry != held;
	others = sl_rig_flow_count(rig);
	check(rig,
	      ok && gone && sl_rig_counted(rig, ends[end].counter) == 1 &&
		      rig->nodes[A].waiting == 0 && sl_rig_port_count(rig) == others,
	      ends[end].description,
	      !ok     ? "it did not come about"
	      : !gone ? "its port is still taken"
		      : "not counted, or a byte is awaited for ever");
}

/* A repeated SYN moves the flow to the other node: the port towards the first comes back. */
static void rebind(struct sl_rig *rig)
{
	uint32_t both[] = {A, B};
	struct sl_talk talk = talk_of(5000, false);
	uint32_t slot;
	bool ok;

	rig_small(rig);
	sl_rig_table(rig, SL_RIG_POOL4, both, 2);
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, 2);
	ok = sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD;
	slot = talk.slot;
	age(rig, &talk, 1100);
	talk.seq = 0;
	ok = ok && sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD;
	check(rig,
	      ok && talk.slot == A + B - slot && sl_rig_port_count(rig) == 1 &&
		      rig->nodes[slot].flows_opened == 1 && rig->nodes[slot].flows_closed == 1 &&
		      rig->nodes[talk.slot].flows_opened == 1,
	      "moved to another node", "not moved, or the old port is still taken");
	age(rig, &talk, 1100);
	talk.seq = 0;
	rig->settings->nat_port_max = rig->settings->nat_port_min - 1;
	slot = talk.slot;
	ok = sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD;
	check(rig,
	      ok && talk.slot == slot && sl_rig_port_count(rig) == 1 && sl_rig_flow_count(rig) == 1,
	      "not moved where no port is left: it stays where it was",
	      "dropped, or the flow lost its port");
}

/* A node whose slot was given to another endpoint: flows of before must not touch its counts. */
static void replaced_node(struct sl_rig *rig)
{
	struct sl_talk talk = talk_of(5000, false);
	bool ok;

	rig_small(rig);
	ok = sl_talk_establish(rig, &talk);
	rig->nodes[A].flows_opened = 0;
	memset(rig->nodes[A].flow_epochs, 0, sizeof(rig->nodes[A].flow_epochs));
	rig->nodes[A].incarnation++;
	ok = ok && sl_talk_client(rig, &talk, RST, 0) == SL_RIG_FORWARD;
	sl_rig_check(rig,
		     ok && !rig->nodes[A].flows_closed && !sl_rig_flow_count(rig) &&
			     !sl_rig_port_count(rig) &&
			     sl_rig_counted(rig, SL_COUNTER_FLOW_CLOSED) == 1,
		     "a flow of the slot's node of before ends", "it is counted on the new one");
}

/* UDP flows are found by both sides, and a datagram after the idle time keeps its node. */
static void udp(struct sl_rig *rig)
{
	struct sl_talk talk = talk_of(5000, true);
	uint16_t port;
	bool ok;

	rig_small(rig);
	ok = sl_talk_client(rig, &talk, 0, 9) == SL_RIG_FORWARD;
	port = talk.nat_port;
	ok = ok && sl_talk_node(rig, &talk, 0, 9) == SL_RIG_FORWARD;
	age(rig, &talk, UDP_MS + 500);
	ok = ok && sl_talk_client(rig, &talk, 0, 9) == SL_RIG_FORWARD && talk.nat_port == port;
	check(rig, ok && sl_rig_flow_count(rig) == 1 && rig->nodes[A].flows_opened == 1,
	      "UDP over its idle time, while nobody needs the place", "another flow was opened");
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	equal_tags(&rig);
	overflow(&rig);
	for (size_t i = 0; i < sizeof(full) / sizeof(*full); i++)
		full_run(&rig, i);
	flood(&rig, 400, false);
	flood(&rig, 400, true);
	port_set_full(&rig);
	every_port(&rig);
	full_of_syns(&rig);
	for (int i = 0; i < ENDS; i++)
		ends_run(&rig, i);
	rebind(&rig);
	replaced_node(&rig);
	udp(&rig);
	return sl_rig_close(&rig);
}
