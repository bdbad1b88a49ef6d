/* SPDX-License-Identifier: BSD-2-Clause */
/* Rings: who is in which, what share each has, how it comes back, how many may leave by load, whom that makes
 * choose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "bpf/hash.h"
#include "user/policy/affinity.h"
#include "user/policy/choose.h"

#define NODES	  12u
#define NOW	  1000000u
#define SLOTS	  10u
#define RETURN_MS 10000u
#define HOLD_MS	  (RETURN_MS / 10)

static struct world {
	struct sl_node_state nodes[NODES + 1];
	uint32_t slots[NODES], limits[NODES], order[NODES];
	uint8_t of[NODES];
	struct sl_ring_map map;
	struct sl_rings rings;
	struct sl_choose in;
	uint32_t n;
	uint32_t went[SL_RINGS], passed[SL_RING_BORDERS], waited;
} w;

/* Nodes 1..4 in the zone, 5..8 in the region, 9..12 elsewhere, each with SLOTS places. */
static int begin(void **unused)
{
	struct sl_ring_place places[NODES];

	(void)unused;
	memset(&w, 0, sizeof(w));
	for (uint32_t i = 0; i < NODES; i++) {
		w.slots[i] = i + 1;
		w.limits[i] = SLOTS;
		w.nodes[i + 1].admin = SL_NODE_PRESENT;
		w.nodes[i + 1].weight = 1;
		w.nodes[i + 1].incarnation = 1;
		w.nodes[i + 1].endpoint.addr.w[3] = i;
		places[i] = (struct sl_ring_place){i < 4   ? "a"
						   : i < 8 ? "b"
							   : "c",
						   i < 8 ? "north" : "south"};
	}
	w.map = (struct sl_ring_map){.near_fill = SL_LOAD_FULL / 100 * 80,
				     .far_fill = SL_LOAD_FULL,
				     .caps = {100, 100},
				     .return_ms = RETURN_MS};
	assert_true(sl_ring_build(&w.map, w.of, w.order, &(struct sl_ring_place){"a", "north"},
				  places, NODES));
	w.in = (struct sl_choose){.nodes = w.nodes,
				  .slots = w.slots,
				  .slot_count = NODES,
				  .limits = w.limits,
				  .nominal = SLOTS,
				  .rings = &w.map,
				  .doubtful = 5,
				  .now_ms = NOW,
				  .slow_start_ms = 10000,
				  .panic_percent = 30};
	return 0;
}

static void set_open(uint32_t from, uint32_t to)
{
	for (uint32_t slot = from; slot <= to; slot++)
		w.nodes[slot].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, NOW + 100000);
}

static void set_load(uint32_t from, uint32_t to, uint32_t requests)
{
	for (uint32_t slot = from; slot <= to; slot++)
		w.nodes[slot].requests = requests;
}

/* As the daemon does it: the shares, the dice, what may pass; then what is passed is paid for. */
static struct sl_choice ask(void)
{
	struct sl_choice choice;

	w.in.random = (uint32_t)sl_mix64(++w.n) | 1; /* never the look at those due for a probe */
	w.in.dice = (uint8_t)sl_rings_dice(&w.rings);
	w.in.may_pass = 0;
	for (uint32_t ring = 0; ring < SL_RINGS; ring++)
		w.in.shares[ring] = (uint8_t)sl_ring_percent(&w.rings.shares[ring]);
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++)
		w.in.may_pass |= (uint8_t)(sl_rings_may_pass(&w.rings, &w.map, border) << border);
	choice = sl_choose_node(&w.in);
	if (choice.slot == SL_CHOOSE_NONE) {
		w.waited++;
		return choice;
	}
	sl_rings_earn(&w.rings, &w.map);
	w.went[w.of[choice.index]]++;
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		if (!(choice.loaded >> border & 1))
			continue;
		assert_true(w.of[choice.index] > border);
		assert_true(sl_rings_pass(&w.rings, &w.map, border));
		w.passed[border]++;
	}
	return choice;
}

static void asks(uint32_t count)
{
	memset(w.went, 0, sizeof(w.went));
	memset(w.passed, 0, sizeof(w.passed));
	w.waited = 0;
	while (count--)
		ask();
}

/* The shares as the nodes are now, at that time. */
static void step(uint64_t now_ms)
{
	uint32_t fit[SL_RINGS];

	w.in.now_ms = now_ms;
	w.in.tried_count = 0;
	sl_choose_count_rings(&w.in, fit);
	for (uint32_t ring = 0; ring < SL_RINGS; ring++)
		sl_ring_step(&w.rings.shares[ring], fit[ring], sl_ring_size(&w.map, ring),
			     w.map.return_ms, now_ms);
}

/* ---- who is where ---------------------------------------------------------------------------- */

static void test_rings(void **unused)
{
	static const struct {
		const char *what;
		struct sl_ring_place host, node;
		enum sl_ring expect;
	} rows[] = {
		{"the same zone", {"a", "n"}, {"a", "n"}, SL_RING_ZONE},
		{"another zone of the region", {"a", "n"}, {"b", "n"}, SL_RING_REGION},
		{"another region", {"a", "n"}, {"c", "s"}, SL_RING_FAR},
		{"nobody knows where", {"a", "n"}, {NULL, NULL}, SL_RING_FAR},
		{"a region without a zone", {"a", "n"}, {NULL, "n"}, SL_RING_REGION},
		{"no regions: the same zone", {"a", NULL}, {"a", NULL}, SL_RING_ZONE},
		{"no regions: another zone", {"a", NULL}, {"b", NULL}, SL_RING_FAR},
		{"a host that knows its region alone", {NULL, "n"}, {"a", "n"}, SL_RING_REGION},
		{"nothing said is not the same", {NULL, NULL}, {NULL, NULL}, SL_RING_FAR},
	};
	struct sl_ring_place all[2] = {{"a", "n"}, {"a", "n"}};
	struct sl_ring_map map = {.of = NULL};
	uint32_t order[2];
	uint8_t of[2];

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (sl_ring_of(&rows[i].host, &rows[i].node) != rows[i].expect)
			fail_msg("%s", rows[i].what);
	}
	assert_false(sl_ring_build(&map, of, order, &all[0], all, 2));
	assert_null(map.of); /* all in one: nothing to prefer */
}

/* ---- whom it makes choose -------------------------------------------------------------------- */

/* What is lost and how full the rings are; percent of 10,000 requests that each gets, a percent more or less. */
static const struct row {
	const char *what;
	uint32_t lost[SL_RINGS]; /* of its 4 nodes */
	uint32_t load[SL_RINGS]; /* in flight on each node */
	uint32_t expect[SL_RINGS], waits;
} rows[] = {
	{"all well: the zone", {0, 0, 0}, {0, 0, 0}, {100, 0, 0}, 0},
	{"a quarter of the zone is out: the rest can do it", {1, 0, 0}, {0, 0, 0}, {100, 0, 0}, 0},
	{"half of it: 70 percent stay, the region has the others",
	 {2, 0, 0},
	 {0, 0, 0},
	 {70, 30, 0},
	 0},
	{"three quarters: 35 percent", {3, 0, 0}, {0, 0, 0}, {35, 65, 0}, 0},
	{"all: the region", {4, 0, 0}, {0, 0, 0}, {0, 100, 0}, 0},
	{"all, and half of the region's", {4, 2, 0}, {0, 0, 0}, {0, 70, 30}, 0},
	{"half of both: 70 and the rest", {2, 2, 0}, {0, 0, 0}, {70, 30, 0}, 0},
	{"most of both", {3, 3, 0}, {0, 0, 0}, {35, 35, 30}, 0},
	{"the region is lost: elsewhere", {4, 4, 0}, {0, 0, 0}, {0, 0, 100}, 0},
	{"the zone is full: the region", {0, 0, 0}, {8, 0, 0}, {0, 100, 0}, 0},
	{"the region is full: elsewhere", {0, 0, 0}, {8, 8, 0}, {0, 0, 100}, 0},
	{"all are too full: the least full", {0, 0, 0}, {9, 8, 9}, {0, 100, 0}, 0},
	{"all as full: the nearest", {0, 0, 0}, {9, 9, 9}, {100, 0, 0}, 0},
	{"no place but in the zone", {0, 0, 0}, {9, 10, 10}, {100, 0, 0}, 0},
	{"no place at all: who asks waits", {0, 0, 0}, {10, 10, 10}, {0, 0, 0}, 100},
	{"lost, and no place elsewhere: waits", {4, 4, 0}, {0, 0, 10}, {0, 0, 0}, 100},
	{"all but a few of each are lost: what is left, by load",
	 {3, 3, 3},
	 {0, 0, 0},
	 {35, 35, 30},
	 0},
};

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		const struct row *row = &rows[r];

		begin(NULL);
		for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
			set_load(ring * 4 + 1, ring * 4 + 4, row->load[ring]);
			if (row->lost[ring])
				set_open(ring * 4 + 1, ring * 4 + row->lost[ring]);
		}
		asks(10000);
		for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
			if (abs((int)w.went[ring] - (int)row->expect[ring] * 100) > 100)
				fail_msg("%s: %u of 10,000 to %s", row->what, w.went[ring],
					 sl_ring_name((enum sl_ring)ring));
		}
		if (w.waited != row->waits * 100)
			fail_msg("%s: %u wait", row->what, w.waited);
	}
}

/* The dice is even: of any hundred in a row a share differs by a few only. */
static void test_dice_is_even(void **unused)
{
	struct sl_rings rings = {.turn = 4294967000u}; /* and where its count turns over */

	(void)unused;
	for (uint32_t percent = 5; percent < 100; percent += 15) {
		for (uint32_t n = 0; n < 50; n++) {
			uint32_t below = 0;

			for (uint32_t i = 0; i < 100; i++)
				below += sl_rings_dice(&rings) < percent;
			assert_in_range(below, percent - 4, percent + 4);
		}
	}
}

/* A retry goes on outwards after two failures in the zone and one more in the region, whatever the caps say. */
static void test_retry_leaves(void **unused)
{
	uint32_t tried[] = {1, 2, 5, 9};

	(void)unused;
	w.map.caps[0] = w.map.caps[1] = 0;
	w.in.tried = tried;
	w.in.tried_count = 1;
	asks(100);
	assert_int_equal(w.went[SL_RING_ZONE], 100);
	w.in.tried_count = 2;
	asks(100);
	assert_int_equal(w.went[SL_RING_REGION], 100);
	w.in.tried_count = 3;
	asks(100);
	assert_int_equal(w.went[SL_RING_FAR], 100);
	set_open(9, 12); /* nobody there: back to the best of the others, none that was tried */
	asks(100);
	assert_int_equal(w.went[SL_RING_FAR], 0);
	assert_int_equal(w.went[SL_RING_ZONE] + w.went[SL_RING_REGION], 100);
	assert_false(sl_choose_is_among(tried, 4, ask().slot));
	assert_int_equal(w.passed[0] + w.passed[1], 0);
}

/* A node that is due for its probe is asked in a ring that has no share, and in far ones now and then. */
static void test_probes(void **unused)
{
	uint32_t probes = 0;

	(void)unused;
	set_open(1, 4);
	step(NOW);
	assert_int_equal(sl_ring_percent(&w.rings.shares[SL_RING_ZONE]), 0);
	w.nodes[3].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, NOW - 1);
	assert_int_equal(ask().slot, 3);
	w.nodes[3].breaker = 0;
	w.rings = (struct sl_rings){.turn = 0};
	w.nodes[11].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, NOW - 1);
	memset(w.in.shares, 100, sizeof(w.in.shares));
	for (w.in.random = 0; w.in.random < 10 * SL_CHOOSE_ZONE_LOOK_PERIOD; w.in.random++)
		probes += sl_choose_node(&w.in).slot == 11;
	assert_int_equal(probes, 10);
}

/* In panic the nearest with as few failures. */
static void test_panic(void **unused)
{
	(void)unused;
	w.in.allow_panic = true;
	set_open(1, NODES);
	for (uint32_t slot = 1; slot <= NODES; slot++)
		w.nodes[slot].consecutive = 7;
	asks(50);
	assert_int_equal(w.went[SL_RING_ZONE], 50);
	for (uint32_t slot = 1; slot <= 4; slot++)
		w.nodes[slot].consecutive = 8;
	asks(50);
	assert_int_equal(w.went[SL_RING_REGION], 50);
	w.nodes[12].consecutive = 6;
	assert_int_equal(ask().slot, 12);
}

/* ---- caps ------------------------------------------------------------------------------------ */

/* The zone is too full all the time: what of any N in a row leaves is under the stated share. */
static void test_caps(void **unused)
{
	static const uint32_t caps[] = {0, 1, 5, 20, 50, 99};

	(void)unused;
	for (size_t c = 0; c < sizeof(caps) / sizeof(caps[0]); c++) {
		uint32_t cap = caps[c], history[3001] = {0};

		begin(NULL);
		w.map.caps[0] = cap;
		set_load(1, 4, 8);
		asks(0);
		for (uint32_t n = 1; n <= 3000; n++) {
			/* sometimes it has room, and points are saved up */
			set_load(1, 4, n % 700 < 300 ? 1 : 8);
			ask();
			history[n] = w.passed[0];
			for (uint32_t back = 1; back <= n; back += 37) {
				uint32_t left = history[n] - history[n - back];

				if (left * 100 > cap * (back + SL_RING_SAVED_MAX))
					fail_msg("cap %u: %u of %u left", cap, left, back);
			}
		}
		assert_int_equal(w.waited,
				 0); /* it has a place, though it is fuller than it should be */
		assert_int_equal(w.passed[1], 0);
		set_load(1, 4, 8);
		asks(2000);
		/* and what may leave, does */
		assert_in_range(w.passed[0], 2000 * cap / 100, 2000 * cap / 100 + cap);
	}
}

/* Who comes second for the last points is told so, and what was not used comes back. */
static void test_points(void **unused)
{
	(void)unused;
	w.map.caps[0] = 50;
	sl_rings_earn(&w.rings, &w.map);
	assert_false(sl_rings_may_pass(&w.rings, &w.map, 0));
	assert_false(sl_rings_pass(&w.rings, &w.map, 0));
	sl_rings_earn(&w.rings, &w.map);
	assert_true(sl_rings_may_pass(&w.rings, &w.map, 0));
	assert_true(sl_rings_pass(&w.rings, &w.map, 0));
	assert_false(sl_rings_pass(&w.rings, &w.map, 0));
	sl_rings_give_back(&w.rings, &w.map, 0);
	assert_true(sl_rings_pass(&w.rings, &w.map, 0));
	assert_true(sl_rings_pass(&w.rings, &w.map, 1)); /* has no cap */
}

/* A slot that another pool takes is as new; the pool that had it does not touch it any more. */
static void test_claim(void **unused)
{
	static const struct sl_rings empty;
	uint64_t old = sl_rings_owner("old"), new = sl_rings_owner("new");
	struct sl_rings expect = empty;

	(void)unused;
	assert_true(sl_rings_look(&w.rings, old, NOW)); /* nobody has said whose it is */
	sl_rings_claim(&w.rings, old);
	assert_true(sl_rings_look(&w.rings, old, NOW));
	assert_false(sl_rings_look(&w.rings, old, NOW + SL_RING_LOOK_MS - 1));
	set_open(1, 4);
	step(NOW);
	set_load(5, 8, SLOTS);
	asks(10);
	w.rings.passed_loss[0] = w.rings.passed_load[1] = w.rings.kept[0] = 7;
	w.rings.points[0] = 50;
	assert_int_equal(sl_ring_percent(&w.rings.shares[SL_RING_ZONE]), 0);

	sl_rings_claim(&w.rings, old); /* a reload that leaves it where it is */
	assert_int_equal(sl_ring_percent(&w.rings.shares[SL_RING_ZONE]), 0);
	assert_int_equal(w.rings.points[0], 50);

	sl_rings_claim(&w.rings, new);
	assert_false(sl_rings_look(&w.rings, old, NOW + 10 * SL_RING_LOOK_MS));
	expect.owner = new;
	expect.turn = w.rings.turn; /* of the dice */
	assert_memory_equal(&w.rings, &expect, sizeof(expect));
	assert_true(sl_rings_look(&w.rings, new, NOW + 1));

	/* It went, and one of its name comes again: the same. */
	step(NOW + 1);
	assert_int_equal(sl_ring_percent(&w.rings.shares[SL_RING_ZONE]), 0);
	sl_rings_claim(&w.rings, sl_rings_owner(NULL));
	assert_false(sl_rings_look(&w.rings, new, NOW + 10 * SL_RING_LOOK_MS));
	sl_rings_claim(&w.rings, new);
	assert_int_equal(sl_ring_percent(&w.rings.shares[SL_RING_ZONE]), 100);
}

/* All its places taken: who may not leave waits, and takes the next place of the zone. */
static void test_cap_and_full(void **unused)
{
	(void)unused;
	w.map.caps[0] = 0;
	set_load(1, 4, SLOTS);
	asks(100);
	assert_int_equal(w.waited, 100);
	assert_true(ask().full);
	w.nodes[2].requests--;
	assert_int_equal(ask().slot, 2);
	/* not even in panic, for which nobody is out here */
	w.nodes[2].requests++;
	w.in.allow_panic = true;
	w.in.panic_percent = 0;
	assert_int_equal(ask().slot, SL_CHOOSE_NONE);
}

static void test_region_cap(void **unused)
{
	(void)unused;
	w.map.caps[1] = 10;
	set_load(1, 8, 9);
	asks(1000);
	assert_in_range(w.went[SL_RING_FAR], 99, 110);
	assert_int_equal(w.passed[1], w.went[SL_RING_FAR]);
	/* the zone's own border is free: the emptier of the two rings */
	set_load(5, 8, 8);
	asks(100);
	assert_in_range(w.went[SL_RING_REGION], 80, 100);
}

/* What is lost is not capped: neither the whole nor its part. */
static void test_cap_and_loss(void **unused)
{
	(void)unused;
	w.map.caps[0] = w.map.caps[1] = 0;
	set_open(1, 2);
	asks(1000);
	assert_in_range(w.went[SL_RING_REGION], 290, 310);
	set_open(1, 4);
	asks(1000);
	assert_int_equal(w.went[SL_RING_REGION], 1000);
	set_open(1, 8);
	asks(1000);
	assert_int_equal(w.went[SL_RING_FAR], 1000);
	assert_int_equal(w.waited, 0);
	/* but what those that are left are too full for is load: it stays, and waits for a place */
	begin(NULL);
	w.map.caps[0] = 0;
	set_open(1, 2);
	set_load(3, 4, SLOTS);
	asks(1000);
	assert_in_range(w.went[SL_RING_REGION], 290, 310);
	assert_in_range(w.waited, 690, 710);
}

/* Nodes elsewhere are filled to far_fill and no further by what is not theirs. */
static void test_far_load(void **unused)
{
	uint32_t taken = 0;

	(void)unused;
	w.map.far_fill = (uint64_t)SL_LOAD_FULL * 70 / 100;
	set_open(1, 8);
	while (taken < 100) {
		struct sl_choice choice = ask();

		if (choice.slot == SL_CHOOSE_NONE)
			break;
		w.nodes[choice.slot].requests++;
		taken++;
	}
	assert_int_equal(taken, 4 * 7);
	assert_true(ask().full);
}

/* What is known elsewhere does not lead a request past a border with a cap, or into a ring that comes back. */
static void test_affinity_is_bound(void **unused)
{
	struct sl_affinity_key key = {.session = 77};
	struct sl_affinity_choice near;
	struct sl_affinity *affinity;
	struct sl_choice choice;

	(void)unused;
	assert_int_equal(sl_affinity_open(1, &affinity), 0);
	sl_affinity_note(affinity, &key, 1, 9, 1, NOW);
	for (uint32_t cap = 100; cap; cap -= 50) {
		w.map.caps[1] = cap;
		choice = ask();
		w.in.place = choice.place;
		w.in.barred = choice.barred;
		near = sl_affinity_choose(affinity, &key, &w.in, 1, 25);
		assert_int_equal(near.verdict, SL_AFFINITY_SESSION);
		if (cap == 100)
			assert_int_equal(w.slots[near.index], 9);
		else
			assert_int_equal(w.of[near.index], SL_RING_ZONE);
	}
	/* the session's node is in the zone, which has no share yet */
	w.map.caps[1] = 100;
	sl_affinity_confirm(affinity, &key, 1, 2, 1, NOW);
	set_open(1, 4);
	step(NOW);
	for (uint32_t slot = 1; slot <= 4; slot++)
		w.nodes[slot].breaker = 0;
	step(NOW + 1);
	choice = ask();
	assert_int_equal(w.of[choice.index], SL_RING_REGION);
	w.in.place = choice.place;
	w.in.barred = choice.barred;
	near = sl_affinity_choose(affinity, &key, &w.in, 1, 25);
	assert_int_equal(w.of[near.index], SL_RING_REGION);
	sl_affinity_close(&affinity);
}

/* ---- coming back ----------------------------------------------------------------------------- */

static uint32_t percent(void)
{
	return sl_ring_percent(&w.rings.shares[SL_RING_ZONE]);
}

static enum sl_ring_state state(uint64_t now_ms)
{
	return sl_ring_state_of(&w.rings.shares[SL_RING_ZONE], w.map.return_ms, now_ms);
}

static void set_closed(uint32_t from, uint32_t to)
{
	for (uint32_t slot = from; slot <= to; slot++)
		w.nodes[slot].breaker = 0;
}

static void test_comes_back_slowly(void **unused)
{
	uint32_t before = 0, t;

	(void)unused;
	assert_int_equal(state(NOW), SL_RING_WHOLE);
	set_open(1, 4);
	step(NOW); /* at once */
	assert_int_equal(percent(), 0);
	assert_int_equal(state(NOW), SL_RING_LOST);
	asks(100);
	assert_int_equal(w.went[SL_RING_ZONE], 0);
	set_closed(1, 4);
	for (t = 0; t <= HOLD_MS; t += 100)
		step(NOW + 60000 + t);
	assert_int_equal(percent(), 0);
	assert_int_equal(state(NOW + 60000 + t), SL_RING_HELD + (t > HOLD_MS));
	asks(100);
	assert_int_equal(w.went[SL_RING_ZONE], 0);
	for (; t < HOLD_MS + RETURN_MS; t += 100) {
		uint32_t even = (t - HOLD_MS) * 100 / RETURN_MS;

		step(NOW + 60000 + t);
		assert_in_range(percent(), even ? even - 1 : 0, even);
		assert_true(percent() >= before);
		assert_int_equal(state(NOW + 60000 + t), SL_RING_RISING);
		before = percent();
		asks(100);
		assert_in_range(w.went[SL_RING_ZONE], before > 4 ? before - 4 : 0, before + 4);
		assert_int_equal(w.went[SL_RING_ZONE] + w.went[SL_RING_REGION], 100);
	}
	step(NOW + 60000 + t);
	assert_int_equal(percent(), 100);
	assert_int_equal(state(NOW + 60000 + t), SL_RING_WHOLE);
}

/* However seldom or often it is looked at, and with any time to come back. */
static void test_any_pace(void **unused)
{
	static const uint32_t returns[] = {1000, 30000, 3600000};
	static const uint32_t paces[] = {1, 100, 1000, 7919};

	(void)unused;
	for (size_t r = 0; r < 3; r++) {
		for (size_t p = 0; p < 4; p++) {
			uint32_t return_ms = returns[r], hold_ms = return_ms / 10, t;

			begin(NULL);
			w.map.return_ms = return_ms;
			set_open(1, 4);
			step(NOW);
			set_closed(1, 4);
			step(NOW + 1);
			for (t = 0; t < hold_ms + return_ms && t < 400000; t += paces[p]) {
				uint64_t most =
					t > hold_ms ? (uint64_t)(t - hold_ms) * 100 / return_ms : 0;

				step(NOW + 1 + t);
				assert_true(percent() <= most);
				assert_true(percent() + 2 >= most);
			}
		}
	}
	w.map.return_ms = 0;
	set_open(1, 4);
	step(NOW);
	set_closed(1, 4);
	step(NOW + 1);
	assert_int_equal(percent(), 100);
}

/* A part of it comes back as slowly; a little more missing cuts, without a new wait. */
static void test_part(void **unused)
{
	uint32_t t;

	(void)unused;
	set_open(1, 2);
	step(NOW);
	assert_int_equal(percent(), 70);
	assert_int_equal(state(NOW), SL_RING_SHORT);
	set_closed(1, 2);
	for (t = 100; t <= HOLD_MS; t += 100)
		step(NOW + t);
	assert_int_equal(percent(), 70);
	for (; t <= 2 * HOLD_MS + 100; t += 100)
		step(NOW + t);
	assert_in_range(percent(), 78, 81);
}

/* Each loss on the way back doubles the wait, up to a bound; long after, it is forgotten. */
static void test_flaps(void **unused)
{
	uint64_t now_ms = NOW, wait_ms = HOLD_MS;

	(void)unused;
	set_open(1, 4);
	step(now_ms);
	for (uint32_t n = 0; n < SL_RING_FLAPS_MAX + 3; n++) {
		uint64_t from_ms = now_ms += 100;

		set_closed(1, 4);
		for (step(now_ms); !percent(); step(now_ms))
			now_ms += 100;
		assert_in_range(now_ms - from_ms, wait_ms, wait_ms + 400);
		if (n < SL_RING_FLAPS_MAX)
			wait_ms *= 2;
		set_open(1, 4); /* gone again, with a few percent */
		step(now_ms += 100);
		assert_int_equal(percent(), 0);
	}
	set_closed(1, 4);
	for (step(now_ms); percent() < 100; step(now_ms))
		now_ms += 1000;
	set_open(1, 4); /* too soon: still a flap */
	step(now_ms += SL_RING_CALM * RETURN_MS - 1000);
	assert_int_equal(w.rings.shares[SL_RING_ZONE].flaps, SL_RING_FLAPS_MAX);
	set_closed(1, 4);
	for (step(now_ms); percent() < 100; step(now_ms))
		now_ms += 1000;
	set_open(1, 4);
	step(now_ms += SL_RING_CALM * RETURN_MS + 1000);
	assert_int_equal(w.rings.shares[SL_RING_ZONE].flaps, 0);
}

/* A ring that comes back takes what the others have no place for: nobody fails for the ramp's sake. */
static void test_ramp_yields(void **unused)
{
	(void)unused;
	set_open(1, 4);
	step(NOW);
	set_closed(1, 4);
	step(NOW + 100);
	set_load(5, NODES, SLOTS);
	asks(100);
	assert_int_equal(w.went[SL_RING_ZONE], 100);
	w.nodes[7].requests--;
	asks(100);
	assert_int_equal(w.went[SL_RING_REGION], 100);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(test_rings),
		TEST(test_rows),
		TEST(test_dice_is_even),
		TEST(test_retry_leaves),
		TEST(test_probes),
		TEST(test_panic),
		TEST(test_caps),
		TEST(test_points),
		TEST(test_claim),
		TEST(test_cap_and_full),
		TEST(test_region_cap),
		TEST(test_cap_and_loss),
		TEST(test_far_load),
		TEST(test_affinity_is_bound),
		TEST(test_comes_back_slowly),
		TEST(test_any_pace),
		TEST(test_part),
		TEST(test_flaps),
		TEST(test_ramp_yields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
