/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pools.c - which node of a pool gets a new flow: weights, power of two choices, the load bound, slow
 * start, what beacons say, ejection cap and panic, spill, draining. trip.c has what one node's
 * signals do; here pools are larger and shares are counted.
 *
 * Nodes are ports of one address. Flows that count as load are established ones; a SYN alone is no
 * load, so shares of SYNs show what is chosen at one unchanging load. Chance is that of hashes of
 * client ports, the same in every run, but for slow start; its bounds are five standard deviations
 * wide.
 */
#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"
#include "tests/bpf/lib/talk.h"

#define CLIENT	  "198.51.100.7"
#define FAST	  "192.0.2.100"
#define SYN	  SL_FRAME_SYN
#define ACK	  SL_FRAME_ACK
#define POOL	  SL_RIG_POOL4
#define SPILL	  5u
#define THIRD	  6u
#define FLOWS	  400u
#define MANY	  2000u
#define NODES_MAX 16u

/* Flows that each slot got. */
struct shares {
	uint32_t of[SL_RIG_NODES_MAX];
	uint32_t refused;
};

static struct sl_talk talks[MANY];

/* Puts a table's entries into no order, as those of a real one are; always the same. */
static void shuffle(uint32_t *slots, uint32_t count)
{
	for (uint32_t i = count - 1, seed = 1; i > 0; i--) {
		uint32_t other, slot = slots[i];

		seed = seed * 1664525u + 1013904223u;
		other = (seed >> 16) % (i + 1);
		slots[i] = slots[other];
		slots[other] = slot;
	}
}

/*
 * `count` nodes from `first` on, with these weights (NULL: 1 each), and the table that goes with
 * them.
 */
static void pool_of(struct sl_rig *rig, uint32_t pool, uint32_t first, uint32_t count,
		    const uint32_t *weights)
{
	uint32_t slots[SL_RIG_MAGLEV_SIZE], entries = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t weight = weights ? weights[i] : 1;

		sl_rig_node(rig, first + i, pool, "10.0.0.11", (uint16_t)(8000 + first + i),
			    "10.0.0.2");
		rig->nodes[first + i].weight = weight;
		while (weight--)
			slots[entries++] = first + i;
	}
	for (uint32_t i = entries; i < SL_RIG_MAGLEV_SIZE; i++)
		slots[i] = slots[i % entries];
	shuffle(slots, SL_RIG_MAGLEV_SIZE);
	sl_rig_table(rig, pool, slots, SL_RIG_MAGLEV_SIZE);
	rig->pools[pool].node_count = count;
	rig->pools[pool].weight_sum = entries;
}

/* A pool of `count` nodes in the slots from 1 on behind the service. */
static void rig_for(struct sl_rig *rig, uint32_t count, const uint32_t *weights)
{
	sl_rig_reset(rig);
	memset(rig->nodes, 0, SL_RIG_NODES_MAX * sizeof(*rig->nodes));
	sl_rig_tune(rig, SL_TUNABLE_CONNECT_RETRIES, 0);
	sl_rig_tune(rig, SL_TUNABLE_POOL_REFUSE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_RATE, 0);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_PENDING, 0);
	pool_of(rig, POOL, 1, count, weights);
}

static struct sl_talk talk_of(uint32_t number)
{
	return (struct sl_talk){
		.client = CLIENT,
		.service = FAST,
		.sport = (uint16_t)(1024 + number),
		.dport = 80,
	};
}

/* SYNs of `count` clients from number `first` on. */
static struct shares syns_from(struct sl_rig *rig, uint32_t first, uint32_t count)
{
	struct shares shares = {0};

	for (uint32_t i = first; i < first + count; i++) {
		struct sl_talk talk = talk_of(i);

		if (sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD)
			shares.of[talk.slot]++;
		else
			shares.refused++;
	}
	return shares;
}

static struct shares syns(struct sl_rig *rig, uint32_t count)
{
	return syns_from(rig, 0, count);
}

/* Connections of `count` clients, kept in `talks`. */
static struct shares establish(struct sl_rig *rig, uint32_t count)
{
	struct shares shares = {0};

	for (uint32_t i = 0; i < count; i++) {
		talks[i] = talk_of(i);
		if (sl_talk_establish(rig, &talks[i]))
			shares.of[talks[i].slot]++;
		else
			shares.refused++;
	}
	return shares;
}

static bool near(uint32_t value, uint32_t expected, uint32_t percent)
{
	uint32_t slack = expected * percent / 100;

	return value + slack >= expected && value <= expected + slack;
}

static uint32_t largest(const struct shares *shares, uint32_t first, uint32_t count)
{
	uint32_t most = 0;

	for (uint32_t i = first; i < first + count; i++)
		most = shares->of[i] > most ? shares->of[i] : most;
	return most;
}

static uint32_t smallest(const struct shares *shares, uint32_t first, uint32_t count)
{
	uint32_t least = UINT32_MAX;

	for (uint32_t i = first; i < first + count; i++)
		least = shares->of[i] < least ? shares->of[i] : least;
	return least;
}

static void check(struct sl_rig *rig, bool ok, const char *name, const struct shares *shares)
{
	const char *audit = sl_audit(rig, false);

	sl_rig_check(rig, ok && !audit, name, "%s: %u %u %u %u %u %u %u %u, refused %u",
		     audit ? audit : "shares of slots 1 to 8", shares->of[1], shares->of[2],
		     shares->of[3], shares->of[4], shares->of[5], shares->of[6], shares->of[7],
		     shares->of[8], shares->refused);
}

/* ---- weights, two choices ------------------------------------------------------------------ */

static void weights(struct sl_rig *rig)
{
	static const uint32_t uneven[] = {1, 2, 5};
	struct shares shares;

	rig_for(rig, 3, uneven);
	shares = syns(rig, MANY);
	check(rig,
	      near(shares.of[1], MANY / 8, 15) && near(shares.of[2], MANY / 4, 15) &&
		      near(shares.of[3], MANY * 5 / 8, 15),
	      "weights 1, 2, 5 without load: the table's shares", &shares);
	rig_for(rig, 3, uneven);
	shares = establish(rig, FLOWS);
	check(rig,
	      near(shares.of[1], FLOWS / 8, 10) && near(shares.of[2], FLOWS / 4, 10) &&
		      near(shares.of[3], FLOWS * 5 / 8, 10),
	      "weights 1, 2, 5 under load: as many flows for each unit of weight", &shares);
}

/* Two choices keep all nodes close to the mean, where one would not. */
static void two_choices(struct sl_rig *rig)
{
	struct shares shares;

	rig_for(rig, NODES_MAX, NULL);
	sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 0);
	shares = syns(rig, FLOWS);
	check(rig, largest(&shares, 1, NODES_MAX) > FLOWS / NODES_MAX + 5,
	      "without load, as chance will have it", &shares);
	rig_for(rig, NODES_MAX, NULL);
	sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 0);
	shares = establish(rig, FLOWS);
	check(rig,
	      largest(&shares, 1, NODES_MAX) <= FLOWS / NODES_MAX + 3 &&
		      smallest(&shares, 1, NODES_MAX) + 6 >= FLOWS / NODES_MAX,
	      "two choices by load: nobody has three more than the mean", &shares);
}

/* Averages of a moment ago, for all slots. */
static void speed(struct sl_rig *rig, uint32_t slot, uint32_t connect_us, uint32_t first_byte_us)
{
	rig->nodes[slot].connect_us = connect_us;
	rig->nodes[slot].first_byte_us = first_byte_us;
	rig->nodes[slot].last_byte_ns = sl_rig_now_ns();
}

static void by_speed(struct sl_rig *rig)
{
	struct shares shares;

	rig_for(rig, 2, NULL);
	speed(rig, 1, 100, 20000);
	speed(rig, 2, 100, 9000);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[2] > FLOWS * 9 / 10, "first byte more than twice as fast", &shares);
	rig_for(rig, 2, NULL);
	speed(rig, 1, 5000, 100);
	speed(rig, 2, 300, 100);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[2] > FLOWS * 9 / 10, "connect more than twice as fast", &shares);
	rig_for(rig, 2, NULL);
	speed(rig, 1, 100, 20000);
	speed(rig, 2, 100, 12000);
	shares = syns(rig, FLOWS);
	check(rig, near(shares.of[2], FLOWS / 2, 20), "less than twice as fast: they share",
	      &shares);
	rig_for(rig, 2, NULL);
	speed(rig, 1, 100, 20000);
	speed(rig, 2, 100, 2000);
	sl_rig_load(rig, 2, 1);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] > FLOWS * 9 / 10, "load comes before speed", &shares);
}

/* ---- the load bound ------------------------------------------------------------------------ */

static void bound(struct sl_rig *rig)
{
	struct shares shares;

	/* Mean 36: both of the first two are above 125 % of it, which is 45. */
	rig_for(rig, 3, NULL);
	sl_rig_load(rig, 1, 50);
	sl_rig_load(rig, 2, 60);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[3] == FLOWS && sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED) > 0,
	      "nodes above the bound get nothing, whoever the candidates are", &shares);
	rig_for(rig, 3, NULL);
	sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 0);
	sl_rig_load(rig, 1, 50);
	sl_rig_load(rig, 2, 60);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] > 0 && !sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED),
	      "without a bound the lighter candidate takes it", &shares);
	rig_for(rig, 3, NULL);
	sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 200);
	sl_rig_load(rig, 1, 50);
	sl_rig_load(rig, 2, 60);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] > 0 && !sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED),
	      "a bound of 200 % leaves these alone", &shares);
	/* Fewer than eight flows are never too many. */
	rig_for(rig, 3, NULL);
	sl_rig_load(rig, 1, 6);
	sl_rig_load(rig, 2, 7);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] > 0 && !sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED),
	      "a few flows say little", &shares);
	/* By weight: 50 flows are no more than the share of a node of weight 4. */
	rig_for(rig, 3, (const uint32_t[]){4, 4, 1});
	sl_rig_load(rig, 1, 50);
	sl_rig_load(rig, 2, 49);
	sl_rig_load(rig, 3, 13);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[2] > 0 && !sl_rig_counted(rig, SL_COUNTER_GATE_BOUNDED),
	      "the bound goes by weight", &shares);
	/* The others take nothing: the bound alone turns nobody away. */
	rig_for(rig, 3, NULL);
	sl_rig_load(rig, 1, 90);
	rig->nodes[2].admin |= SL_NODE_DRAINING;
	rig->nodes[3].admin |= SL_NODE_DRAINING;
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] + shares.refused == FLOWS && shares.of[1] >= FLOWS / 2,
	      "where nobody else is left the bound gives way", &shares);
}

/* One node holds on to its flows while those of the others end. No flow that stands moves. */
static void slow_node(struct sl_rig *rig)
{
	const uint32_t nodes = 8, slow = 3, rounds = 4;
	uint32_t first_share, late_share, standing = 0;
	struct shares shares;
	bool kept = true;

	rig_for(rig, nodes, NULL);
	shares = establish(rig, FLOWS);
	first_share = shares.of[slow];
	for (uint32_t round = 1; round < rounds; round++) {
		memset(&shares, 0, sizeof(shares));
		for (uint32_t i = 0; i < FLOWS; i++) {
			if (talks[i].slot == slow)
				continue;
			sl_talk_finish(rig, &talks[i]);
			talks[i] = talk_of(round * FLOWS + i);
			if (sl_talk_establish(rig, &talks[i]))
				shares.of[talks[i].slot]++;
		}
	}
	late_share = shares.of[slow];
	for (uint32_t i = 0; i < FLOWS; i++) {
		if (talks[i].slot != slow)
			continue;
		standing++;
		kept = kept && sl_talk_client(rig, &talks[i], ACK, 10) == SL_RIG_FORWARD &&
		       talks[i].slot == slow;
	}
	check(rig, near(first_share, FLOWS / nodes, 20) && late_share <= first_share / 4,
	      "a node whose flows do not end is relieved", &shares);
	sl_rig_check(rig, kept && standing >= first_share, "and keeps those that it has",
		     "%u stand, it had %u", standing, first_share);
}

/* ---- slow start ---------------------------------------------------------------------------- */

/* Share of SYNs for node 1 of two, `elapsed_ms` after its recovery; the clock is held there. */
static uint32_t share_after(struct sl_rig *rig, uint32_t elapsed_ms, uint32_t slow_start_ms)
{
	uint32_t share = 0;

	rig_for(rig, 2, NULL);
	sl_rig_tune(rig, SL_TUNABLE_SLOW_START_MS, slow_start_ms);
	for (uint32_t i = 0; i < MANY; i++) {
		struct sl_talk talk = talk_of(i);

		rig->nodes[1].recovered_ms = sl_rig_now_ns() / 1000000 - elapsed_ms;
		share += sl_talk_client(rig, &talk, SYN, 0) == SL_RIG_FORWARD && talk.slot == 1;
	}
	return share;
}

static void slow_start(struct sl_rig *rig)
{
	static const struct {
		uint32_t elapsed_ms;
		uint32_t percent; /* of all flows: half of its capacity */
	} times[] = {{0, 5}, {1000, 16}, {2000, 27}, {3000, 38}, {4000, 50}, {4800, 50}};
	uint32_t before = 0;
	struct shares shares;

	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		uint32_t share = share_after(rig, times[i].elapsed_ms, 4000);
		char name[64];

		snprintf(name, sizeof(name), "slow start, %u of 4000 ms", times[i].elapsed_ms);
		/* Five standard deviations of 2,000 draws are below six percent points. */
		sl_rig_check(rig,
			     share + MANY * 6 / 100 >= MANY * times[i].percent / 100 &&
				     share <= MANY * (times[i].percent + 6) / 100,
			     name, "%u of %u", share, MANY);
		sl_rig_check(rig, share + MANY * 6 / 100 >= before, "its share grows",
			     "from %u to %u", before, share);
		before = share;
	}
	sl_rig_check(rig, near(share_after(rig, 0, 0), MANY / 2, 15), "no slow start by tunable",
		     "it is held back");
	rig_for(rig, 2, NULL);
	for (uint32_t slot = 1; slot <= 2; slot++)
		rig->nodes[slot].recovered_ms = sl_rig_now_ns() / 1000000;
	shares = syns(rig, FLOWS);
	check(rig, !shares.refused && near(shares.of[1], FLOWS / 2, 40),
	      "all in slow start: they share, and nobody is turned away", &shares);
}

/* ---- beacons ------------------------------------------------------------------------------- */

static void beacon(struct sl_rig *rig, uint32_t slot, uint32_t running, uint32_t waiting,
		   uint32_t kv_permille, enum sl_health health)
{
	struct sl_node_load *load = &rig->loads[slot];

	memset(load, 0, sizeof(*load));
	load->seen_ns = sl_rig_now_ns();
	load->running = running;
	load->waiting = waiting;
	load->kv_permille = kv_permille;
	load->health = health;
	load->slots = 64;
}

static void beacons(struct sl_rig *rig)
{
	static const struct {
		const char *description;
		uint32_t running, waiting, kv_permille;
		enum sl_health health;
		uint32_t local; /* flows counted here on node 2 */
		bool steers;	/* away from node 1 */
	} cases[] = {
		{"running requests count", 5, 0, 0, SL_HEALTH_READY, 0, true},
		{"waiting requests count", 0, 5, 0, SL_HEALTH_READY, 0, true},
		{"idle by its beacon", 0, 0, 0, SL_HEALTH_READY, 0, false},
		{"less than the other has here", 4, 0, 0, SL_HEALTH_READY, 9, false},
		{"KV cache nearly full", 0, 0, 950, SL_HEALTH_READY, 9, true},
		{"KV cache not that full", 0, 0, 949, SL_HEALTH_READY, 9, false},
		{"busy", 0, 0, 0, SL_HEALTH_BUSY, 9, true},
		{"draining by its own word", 0, 0, 0, SL_HEALTH_DRAINING, 9, true},
		{"sick by its own word", 0, 0, 0, SL_HEALTH_SICK, 9, true},
		{"health not known", 0, 0, 0, SL_HEALTH_UNKNOWN, 9, false},
	};
	struct shares shares;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		rig_for(rig, 2, NULL);
		sl_rig_tune(rig, SL_TUNABLE_BEACON_STALE_MS, SL_TUNABLE_MAX_BEACON_STALE_MS);
		sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 0);
		beacon(rig, 1, cases[i].running, cases[i].waiting, cases[i].kv_permille,
		       cases[i].health);
		sl_rig_load(rig, 2, cases[i].local);
		shares = syns(rig, FLOWS);
		check(rig,
		      cases[i].steers  ? shares.of[1] < FLOWS / 10
		      : cases[i].local ? shares.of[1] > FLOWS * 9 / 10
				       : near(shares.of[1], FLOWS / 2, 20),
		      cases[i].description, &shares);
	}
}

static void old_beacons(struct sl_rig *rig)
{
	struct shares shares;

	rig_for(rig, 2, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BEACON_STALE_MS, 500);
	beacon(rig, 1, 50, 50, 1000, SL_HEALTH_SICK);
	rig->loads[1].seen_ns -= 600000000ull;
	shares = syns(rig, FLOWS);
	check(rig, near(shares.of[1], FLOWS / 2, 20), "a stale beacon says nothing", &shares);
	rig_for(rig, 2, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BEACON_STALE_MS, SL_TUNABLE_MAX_BEACON_STALE_MS);
	beacon(rig, 1, 50, 50, 1000, SL_HEALTH_SICK);
	rig->loads[1].seen_ns = 0;
	shares = syns(rig, FLOWS);
	check(rig, near(shares.of[1], FLOWS / 2, 20), "nor does one that never came", &shares);
	rig_for(rig, 2, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BEACON_STALE_MS, SL_TUNABLE_MAX_BEACON_STALE_MS);
	sl_rig_tune(rig, SL_TUNABLE_LOAD_BOUND, 0);
	beacon(rig, 1, 3, 0, 0, SL_HEALTH_READY);
	sl_rig_load(rig, 1, 20);
	sl_rig_load(rig, 2, 10);
	shares = syns(rig, FLOWS);
	check(rig, shares.of[1] < FLOWS / 10, "the larger of what is counted and what is told",
	      &shares);
	rig_for(rig, 2, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BEACON_STALE_MS, SL_TUNABLE_MAX_BEACON_STALE_MS);
	beacon(rig, 1, 9, 9, 999, SL_HEALTH_BUSY);
	beacon(rig, 2, 9, 9, 999, SL_HEALTH_BUSY);
	shares = syns(rig, FLOWS);
	check(rig, !shares.refused && near(shares.of[1], FLOWS / 2, 20),
	      "all busy: nobody is turned away", &shares);
}

/* ---- ejection, panic ----------------------------------------------------------------------- */

/* Failures that the other plane saw, until the breaker has an opinion. */
static void fail(struct sl_rig *rig, uint32_t slot, uint32_t count)
{
	struct sl_breaker_config config = {
		.consecutive = 5,
		.failure_percent = 50,
		.volume = 20,
		.open_ms = 600000,
		.open_max_ms = 600000,
		.probe_ms = 10000,
		.successes = 3,
		.eject_percent = (uint32_t)rig->tunables[SL_TUNABLE_BREAKER_EJECT_PERCENT],
	};
	struct sl_node_state *node = &rig->nodes[slot];
	struct sl_breaker_change change;

	while (count--)
		sl_breaker_report(node, &rig->pools[node->pool], &config, sl_rig_now_ns() / 1000000,
				  0, sl_breaker_ticket(sl_breaker_load(&node->breaker), 0),
				  SL_OUTCOME_FAILURE, SL_SIGNAL_RESET, SL_PLANE_DAEMON, &change);
}

static void ejection(struct sl_rig *rig)
{
	struct shares shares;

	rig_for(rig, 4, NULL);
	fail(rig, 1, 5);
	fail(rig, 2, 5);
	shares = syns(rig, FLOWS);
	check(rig,
	      !shares.of[1] && !shares.of[2] && !shares.refused &&
		      near(shares.of[3], FLOWS / 2, 25) && rig->pools[POOL].ejected == 2,
	      "two of four tripped by the other plane: the rest takes all", &shares);
	fail(rig, 3, 5);
	shares = syns(rig, FLOWS);
	check(rig,
	      rig->pools[POOL].ejected == 2 && rig->nodes[3].cap_denied == 1 && shares.of[3] > 0,
	      "the third is over the cap and stays in", &shares);
	rig_for(rig, 10, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_EJECT_PERCENT, 80);
	for (uint32_t slot = 1; slot <= 8; slot++)
		fail(rig, slot, 5);
	shares = syns(rig, MANY);
	check(rig,
	      shares.of[9] + shares.of[10] == MANY && !rig->pools[POOL].panics &&
		      !sl_rig_counted(rig, SL_COUNTER_GATE_PANIC),
	      "below the panic threshold, but somebody is there: no panic", &shares);
}

static void panic(struct sl_rig *rig)
{
	static const uint32_t failures[] = {9, 8, 5, 7};
	struct sl_event event = {0};
	struct shares shares;

	rig_for(rig, 4, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_EJECT_PERCENT, 100);
	for (uint32_t slot = 1; slot <= 4; slot++) {
		fail(rig, slot, 5);
		rig->nodes[slot].consecutive = failures[slot - 1];
	}
	shares = syns(rig, FLOWS);
	check(rig,
	      shares.of[3] == FLOWS && rig->pools[POOL].panics == FLOWS &&
		      sl_rig_counted(rig, SL_COUNTER_GATE_PANIC) == FLOWS &&
		      rig->pools[POOL].ejected == 4,
	      "all tripped: panic, and the least bad one takes it", &shares);
	rig->nodes[3].admin |= SL_NODE_DRAINING;
	shares = syns_from(rig, FLOWS, 40);
	check(rig, shares.of[4] == 40, "panic spares the one that drains: the next takes it",
	      &shares);
	rig->nodes[3].admin &= ~SL_NODE_DRAINING;
	rig->nodes[4].consecutive = 5;
	sl_rig_load(rig, 3, 30);
	shares = syns_from(rig, 2 * FLOWS, FLOWS);
	check(rig, shares.of[4] == FLOWS, "equally bad: the less loaded", &shares);
	rig_for(rig, 4, NULL);
	sl_rig_tune(rig, SL_TUNABLE_BREAKER_EJECT_PERCENT, 100);
	sl_rig_tune(rig, SL_TUNABLE_PANIC_PERCENT, 0);
	for (uint32_t slot = 1; slot <= 4; slot++)
		fail(rig, slot, 5);
	shares = syns(rig, 40);
	check(rig,
	      shares.refused == 40 && rig->pools[POOL].no_node == 40 &&
		      sl_rig_counted(rig, SL_COUNTER_DROP_NO_NODE) == 40 &&
		      sl_rig_events(rig, &event) == 40 && event.kind == SL_EVENT_NO_NODE &&
		      event.pool == POOL,
	      "without panic all are refused, and said so", &shares);
}

/* ---- spill, draining ----------------------------------------------------------------------- */

/* The pool in slots 1 to 4 takes nothing; two others lie in slots 11 and 21. */
static void rig_spilling(struct sl_rig *rig)
{
	rig_for(rig, 4, NULL);
	pool_of(rig, SPILL, 11, 2, NULL);
	pool_of(rig, THIRD, 21, 2, NULL);
	for (uint32_t slot = 1; slot <= 4; slot++)
		rig->nodes[slot].admin |= SL_NODE_DRAINING;
	rig->pools[POOL].spill = SPILL;
}

static void spill(struct sl_rig *rig)
{
	struct sl_event event = {0};
	struct shares shares;
	bool kept = true;

	rig_spilling(rig);
	shares = establish(rig, FLOWS);
	check(rig,
	      shares.of[11] + shares.of[12] == FLOWS && near(shares.of[11], FLOWS / 2, 20) &&
		      rig->pools[POOL].spills == FLOWS && !rig->pools[POOL].no_node &&
		      sl_rig_counted(rig, SL_COUNTER_GATE_SPILLED) == FLOWS,
	      "a pool that takes nothing spills into its fallback", &shares);
	for (uint32_t slot = 1; slot <= 4; slot++)
		rig->nodes[slot].admin &= ~SL_NODE_DRAINING;
	for (uint32_t i = 0; i < FLOWS; i++) {
		uint32_t slot = talks[i].slot;

		kept = kept && sl_talk_client(rig, &talks[i], ACK, 5) == SL_RIG_FORWARD &&
		       talks[i].slot == slot;
	}
	sl_rig_check(rig, kept, "what was spilled stays where it is when the pool is back",
		     "a flow moved");
	rig_spilling(rig);
	rig->pools[POOL].spill = 0;
	shares = syns(rig, 20);
	check(rig, shares.refused == 20 && rig->pools[POOL].no_node == 20,
	      "no fallback named: refused", &shares);
	rig_spilling(rig);
	sl_rig_tune(rig, SL_TUNABLE_POOL_SPILL, 0);
	shares = syns(rig, 20);
	check(rig, shares.refused == 20 && !rig->pools[POOL].spills, "spilling is off: refused",
	      &shares);
	rig_spilling(rig);
	rig->nodes[11].admin = rig->nodes[12].admin = SL_NODE_PRESENT | SL_NODE_DRAINING;
	rig->pools[SPILL].spill = THIRD;
	shares = syns(rig, 20);
	check(rig,
	      shares.refused == 20 && !shares.of[21] && !shares.of[22] &&
		      rig->pools[POOL].spills == 20 &&
		      rig->pools[SPILL].no_node + rig->pools[SPILL].spills == 20 &&
		      sl_rig_events(rig, &event) == 20 && event.kind == SL_EVENT_NO_NODE,
	      "the fallback takes nothing either: refused, not spilled on", &shares);
	rig_spilling(rig);
	rig->pools[POOL].spill = POOL;
	shares = syns(rig, 20);
	check(rig, shares.refused == 20, "a pool that spills into itself ends", &shares);
	rig_spilling(rig);
	rig->pools[POOL].spill = SL_POOLS_MAX + 7;
	shares = syns(rig, 20);
	check(rig, shares.refused == 20, "a fallback that is no pool", &shares);
	rig_spilling(rig);
	rig->pools[POOL].spill = SL_RIG_POOL6;
	shares = syns(rig, 20);
	check(rig, shares.refused == 20, "a fallback of the other family", &shares);
}

static void drain(struct sl_rig *rig)
{
	struct shares shares;
	bool kept = true;

	rig_for(rig, 4, NULL);
	shares = establish(rig, 100);
	rig->nodes[2].admin |= SL_NODE_DRAINING;
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t slot = talks[i].slot;

		kept = kept && sl_talk_client(rig, &talks[i], ACK, 5) == SL_RIG_FORWARD &&
		       talks[i].slot == slot;
	}
	sl_rig_check(rig, kept && shares.of[2] > 0, "a node that drains keeps its flows",
		     "one moved");
	shares = (struct shares){0};
	for (uint32_t i = 100; i < 100 + FLOWS; i++) {
		talks[i] = talk_of(i);
		if (sl_talk_establish(rig, &talks[i]))
			shares.of[talks[i].slot]++;
	}
	check(rig,
	      !shares.of[2] && shares.of[1] + shares.of[3] + shares.of[4] == FLOWS &&
		      largest(&shares, 1, 4) < FLOWS / 3 + FLOWS / 10,
	      "and gets no other; the rest share them evenly", &shares);
	rig->nodes[2].admin &= ~SL_NODE_DRAINING;
	shares = (struct shares){0};
	for (uint32_t i = 600; i < 700; i++) {
		talks[i] = talk_of(i);
		sl_talk_establish(rig, &talks[i]);
		shares.of[talks[i].slot]++;
	}
	check(rig, shares.of[2] > 30, "back again it is the least loaded", &shares);
}

int main(void)
{
	struct sl_rig rig;

	sl_rig_open(&rig);
	weights(&rig);
	two_choices(&rig);
	by_speed(&rig);
	bound(&rig);
	slow_node(&rig);
	slow_start(&rig);
	beacons(&rig);
	old_beacons(&rig);
	ejection(&rig);
	panic(&rig);
	spill(&rig);
	drain(&rig);
	return sl_rig_close(&rig);
}
