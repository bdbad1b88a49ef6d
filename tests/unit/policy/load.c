/* SPDX-License-Identifier: BSD-2-Clause */
/* What servers say of their load: how long it is trusted, what we add to it, whom it makes choose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "bpf/hash.h"
#include "user/policy/affinity.h"
#include "user/policy/choose.h"

#define NODES 64u
#define NOW   1000000u
#define LATER (NOW + 5000u)
#define POOL  1u

static struct world {
	struct sl_node_state nodes[NODES + 1];
	uint32_t slots[NODES], limits[NODES], order[NODES];
	uint8_t of[NODES];
	struct sl_ring_map rings;
	struct sl_loads loads;
	struct sl_choose in;
	struct sl_affinity *affinity;
} w;

static int begin(void **unused)
{
	(void)unused;
	memset(&w, 0, sizeof(w));
	for (uint32_t i = 0; i < NODES; i++) {
		w.slots[i] = i + 1;
		w.nodes[i + 1].admin = SL_NODE_PRESENT;
		w.nodes[i + 1].weight = 1;
		w.nodes[i + 1].incarnation = 1;
		w.nodes[i + 1].endpoint.addr.w[3] = i;
	}
	w.in = (struct sl_choose){
		.nodes = w.nodes,
		.slots = w.slots,
		.slot_count = 2,
		.loads = &w.loads,
		.now_ms = NOW,
		.slow_start_ms = 10000,
		.panic_percent = 30,
		.shares = {100, 100, 100},
		.may_pass = 3,
	};
	return sl_affinity_open(1, &w.affinity);
}

static int end(void **unused)
{
	(void)unused;
	sl_affinity_close(&w.affinity);
	return 0;
}

static void says(uint32_t slot, struct sl_load_reading reading)
{
	sl_load_take(&w.loads, slot, 1, &reading, w.nodes[slot].requests, LATER);
}

static uint32_t chosen(void)
{
	return sl_choose_node(&w.in).slot;
}

static void set_open(uint32_t slot)
{
	w.nodes[slot].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, NOW + 100000);
}

/* ---- whom it makes choose -------------------------------------------------------------------- */

/* Two nodes: what is in flight from here, what each says, and who must be chosen. */
static const struct row {
	const char *what;
	uint32_t ours[3], limits[3];
	struct sl_load_reading says[3];
	uint32_t expect;
} rows[] = {
	{"somebody else's work counts", {0, 0, 3}, {0}, {{0}, {.running = 9}, {0}}, 2},
	{"what waits counts as what runs", {0, 0, 3}, {0}, {{0}, {.running = 2, .waiting = 7}}, 2},
	{"the server counts ours too, once", {0, 9, 10}, {0}, {{0}, {.running = 9}}, 1},
	{"the larger count: ours, where the server says less",
	 {0, 9, 8},
	 {0},
	 {{0}, {.running = 1}},
	 2},
	{"a full KV cache before few requests",
	 {0, 1, 9},
	 {0},
	 {{0}, {.running = 1, .kv_permille = 970}, {.running = 9, .kv_permille = 100}},
	 2},
	{"a queue before few requests",
	 {0, 1, 9},
	 {0},
	 {{0}, {.running = 1, .waiting = 4}, {.running = 9}},
	 2},
	{"slots: of a small server a few are much", {0, 4, 9}, {0, 8, 64}, {{0}}, 2},
	{"slots: as the server says",
	 {0, 4, 9},
	 {0},
	 {{0}, {.running = 4, .slots = 8}, {.running = 9}},
	 2},
	{"slots: the limit of ours counts beside the server's",
	 {0, 4, 9},
	 {0, 5, 0},
	 {{0}, {.running = 4, .slots = 1000}, {.running = 9, .slots = 64}},
	 2},
	{"slots: one that has no limit is as large as the largest", {0, 4, 5}, {0, 8, 0}, {{0}}, 1},
};

static void test_rows(void **unused)
{
	(void)unused;
	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		static const struct sl_load_reading nothing;

		end(NULL);
		begin(NULL);
		for (uint32_t slot = 1; slot <= 2; slot++) {
			w.nodes[slot].requests = rows[r].ours[slot];
			w.limits[slot - 1] = rows[r].limits[slot];
			if (rows[r].limits[slot] > w.in.nominal)
				w.in.nominal = rows[r].limits[slot];
			if (memcmp(&rows[r].says[slot], &nothing, sizeof(nothing)))
				says(slot, rows[r].says[slot]);
		}
		w.in.limits = w.limits;
		for (w.in.random = 0; w.in.random < 3; w.in.random++)
			if (chosen() != rows[r].expect)
				fail_msg("%s: slot %u", rows[r].what, chosen());
	}
}

/* A reading ends with its time, and with the endpoint that gave it. */
static void test_trusted_for_its_time(void **unused)
{
	(void)unused;
	w.nodes[2].requests = 3;
	says(1, (struct sl_load_reading){.running = 100});
	assert_int_equal(chosen(), 2);
	w.in.now_ms = LATER - 1;
	assert_int_equal(chosen(), 2);
	w.in.now_ms = LATER;
	assert_int_equal(chosen(), 1);
	w.in.now_ms = NOW;
	w.nodes[1].incarnation = 2;
	assert_int_equal(chosen(), 1);
	w.nodes[1].incarnation = 1;
	sl_load_forget(&w.loads, 1);
	assert_int_equal(chosen(), 1);
	w.in.loads = NULL;
	assert_int_equal(chosen(), 1);
}

/* What nobody may believe does no harm: a node that claims the world is the last, not nobody. */
static void test_a_lie_does_not_take_a_node_away(void **unused)
{
	(void)unused;
	says(1, (struct sl_load_reading){.running = UINT32_MAX,
					 .waiting = UINT32_MAX,
					 .kv_permille = UINT32_MAX,
					 .kv_tokens = 1});
	assert_int_equal(chosen(), 2);
	w.in.slot_count = 1;
	assert_int_equal(chosen(), 1);
	assert_int_equal(sl_choose_fill(&w.in, 0), SL_LOAD_FILL_MAX);
}

/* ---- what we add since ----------------------------------------------------------------------- */

/* A second's requests do not all follow one reading: they spread as if each were told. */
static void test_they_do_not_herd(void **unused)
{
	uint32_t sent[3] = {0};

	(void)unused;
	says(1, (struct sl_load_reading){.running = 20, .kv_permille = 500});
	says(2, (struct sl_load_reading){.running = 10, .kv_permille = 250});
	for (int i = 0; i < 50; i++) {
		uint32_t slot = chosen();

		w.nodes[slot].requests++;
		sent[slot]++;
	}
	/* Ten to level the two, the other forty by turns. */
	assert_in_range(sent[1], 18, 22);
	assert_in_range(sent[2], 28, 32);
}

static void test_a_queue_goes_on(void **unused)
{
	const struct sl_load *load = &w.loads.nodes[1];

	(void)unused;
	w.nodes[1].requests = 10;
	says(1, (struct sl_load_reading){.running = 8, .waiting = 2});
	assert_int_equal(load->others, 0);
	assert_int_equal(sl_load_queue_fill(load, 10), 2 * SL_LOAD_FULL / SL_LOAD_QUEUE_FULL);
	assert_int_equal(sl_load_queue_fill(load, 13), 5 * SL_LOAD_FULL / SL_LOAD_QUEUE_FULL);
	assert_int_equal(sl_load_queue_fill(load, 3), 0); /* ended since: nobody waits any more */
	says(1, (struct sl_load_reading){.running = 8, .waiting = 7});
	assert_int_equal(load->others, 5);
	says(1, (struct sl_load_reading){.running = 8});
	assert_int_equal(sl_load_queue_fill(load, 50), 0); /* it had room */
}

static void test_kv_cache_goes_on(void **unused)
{
	const struct sl_load *load = &w.loads.nodes[1];

	(void)unused;
	/* by tokens, where its size is known, over the counter's end */
	w.loads.sent[1] = UINT32_MAX - 99;
	w.nodes[1].requests = 4;
	says(1, (struct sl_load_reading){.running = 4, .kv_permille = 500, .kv_tokens = 10000});
	assert_int_equal(sl_load_kv_fill(load, 4, UINT32_MAX - 99), SL_LOAD_FULL / 2);
	assert_int_equal(sl_load_kv_fill(load, 5, 2400), SL_LOAD_FULL / 2 + SL_LOAD_FULL / 4);
	/* at least what we have in flight */
	static struct sl_concurrency states[NODES + 1];

	w.loads.sent[1] = UINT32_MAX - 99;
	w.in.concurrency = states;
	states[1].tokens = 7500;
	assert_int_equal(sl_choose_fill(&w.in, 0), SL_LOAD_FULL / 4 * 3);
	states[1].tokens = 2500;
	assert_int_equal(sl_choose_fill(&w.in, 0), SL_LOAD_FULL / 2);
	/* by requests, where it is not */
	says(1, (struct sl_load_reading){.running = 8, .kv_permille = 400});
	assert_int_equal(sl_load_kv_fill(load, 7, 0), 400ull * SL_LOAD_FULL / 1000 * 12 / 8);
	says(1, (struct sl_load_reading){.kv_permille = 400});
	w.loads.nodes[1].ours = 0;
	assert_int_equal(sl_load_kv_fill(load, 7, 0), 400ull * SL_LOAD_FULL / 1000);
}

/* ---- affinity -------------------------------------------------------------------------------- */

static uint32_t by_affinity(const struct sl_affinity_key *key, enum sl_affinity_verdict verdict)
{
	struct sl_affinity_choice choice = sl_affinity_choose(w.affinity, key, &w.in, POOL, 25);

	assert_int_equal(choice.verdict, verdict);
	return choice.index == SL_CHOOSE_NONE ? 0 : w.slots[choice.index];
}

/* A node full of somebody else's work gets nothing for affinity either. */
static void test_affinity_sees_others_work(void **unused)
{
	struct sl_affinity_key key = {.session = 77};

	(void)unused;
	sl_affinity_confirm(w.affinity, &key, POOL, 1, 1, NOW);
	assert_int_equal(by_affinity(&key, SL_AFFINITY_SESSION), 1);
	says(1, (struct sl_load_reading){.running = 40});
	assert_int_equal(by_affinity(&key, SL_AFFINITY_SESSION), 2);
	says(1, (struct sl_load_reading){.kv_permille = 960});
	assert_int_equal(by_affinity(&key, SL_AFFINITY_SESSION), 2);
	says(1, (struct sl_load_reading){.kv_permille = 940});
	assert_int_equal(by_affinity(&key, SL_AFFINITY_SESSION), 1);
}

static struct sl_load_reading with_adapters(uint32_t running, uint32_t max, const char *one,
					    const char *two)
{
	struct sl_load_reading reading = {.running = running, .adapter_max = max};

	if (one)
		reading.adapters[reading.adapter_count++] = sl_load_adapter(one, strlen(one));
	if (two)
		reading.adapters[reading.adapter_count++] = sl_load_adapter(two, strlen(two));
	return reading;
}

static void test_adapter_where_it_is_loaded(void **unused)
{
	struct sl_affinity_key key = {.adapter = sl_load_adapter("sql", 3)};

	(void)unused;
	w.in.slot_count = 8;
	for (uint32_t slot = 1; slot <= 8; slot++)
		says(slot, with_adapters(2, 4, "other", NULL));
	says(5, with_adapters(2, 4, "other", "sql"));
	assert_int_equal(by_affinity(&key, SL_AFFINITY_ADAPTER), 5);
	/* of two the one with less load */
	says(3, with_adapters(1, 4, "sql", NULL));
	assert_int_equal(by_affinity(&key, SL_AFFINITY_ADAPTER), 3);
	/* within the bound: 2 of 16 are no share of eight nodes */
	says(3, with_adapters(9, 4, "sql", NULL));
	says(5, with_adapters(9, 4, "sql", NULL));
	assert_int_not_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), 3);
	assert_int_not_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), 5);
	/* what is stale says nothing */
	w.in.now_ms = LATER;
	by_affinity(&key, SL_AFFINITY_ADAPTER_NEW);
}

/* Without a word from anybody each adapter stays on its node, and they spread. */
static void test_adapters_have_places(void **unused)
{
	uint32_t places[100], used = 0;
	bool seen[9] = {false};

	(void)unused;
	w.in.slot_count = 8;
	for (uint32_t i = 0; i < 100; i++) {
		struct sl_affinity_key key = {.adapter = sl_load_adapter((char *)&i, sizeof(i))};

		places[i] = by_affinity(&key, SL_AFFINITY_ADAPTER_NEW);
		assert_int_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), places[i]);
		used += !seen[places[i]];
		seen[places[i]] = true;
		/* Where no further adapter fits, it goes to the next; where none has room, back. */
		says(places[i], with_adapters(0, 2, "a", "b"));
		assert_int_not_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), places[i]);
		says(places[i], (struct sl_load_reading){.adapter_max = 2, .adapters_used = 2});
		assert_int_not_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), places[i]);
		for (uint32_t slot = 1; slot <= 8; slot++)
			says(slot, with_adapters(0, 2, "a", "b"));
		assert_int_equal(by_affinity(&key, SL_AFFINITY_ADAPTER_NEW), places[i]);
		memset(&w.loads, 0, sizeof(w.loads));
	}
	assert_int_equal(used, 8);
}

/* ---- zones ----------------------------------------------------------------------------------- */

static uint32_t near_count(void)
{
	return w.rings.ends[0];
}

/* Nodes 1..local are in the zone, the next ones up to `region` elsewhere in the region. */
static void rings(uint32_t local, uint32_t region, uint32_t all)
{
	struct sl_ring_place places[NODES] = {{0}};

	for (uint32_t i = 0; i < region; i++)
		places[i] = (struct sl_ring_place){i < local ? "a" : "b", "north"};
	w.rings = (struct sl_ring_map){
		.near_fill = SL_LOAD_FULL / 100 * 80, .far_fill = SL_LOAD_FULL, .caps = {100, 100}};
	assert_true(sl_ring_build(&w.rings, w.of, w.order, &(struct sl_ring_place){"a", "north"},
				  places, all));
	w.in.rings = &w.rings;
	w.in.slot_count = all;
}

static void zone(uint32_t local, uint32_t all)
{
	rings(local, local, all);
}

/* The n-th request's chances. */
static void draw(uint32_t n)
{
	static struct sl_rings turns;

	turns.turn = n;
	w.in.dice = (uint8_t)sl_rings_dice(&turns);
	w.in.random = (uint32_t)sl_mix64(n);
}

/* How many of 10,000 stay; none may go to a node whose breaker refuses. */
static uint32_t staying(void)
{
	uint32_t stay = 0;

	for (uint32_t n = 0; n < 10000; n++) {
		struct sl_choice choice;

		draw(n);
		choice = sl_choose_node(&w.in);
		assert_int_not_equal(choice.slot, SL_CHOOSE_NONE);
		assert_true(sl_breaker_available(&w.nodes[choice.slot], NOW));
		stay += choice.slot <= near_count();
		assert_int_equal(choice.index, choice.slot - 1);
		if (choice.place)
			assert_int_equal(choice.place - 1, w.of[choice.index]);
	}
	return stay;
}

static void test_zone_is_preferred(void **unused)
{
	(void)unused;
	for (uint32_t all = 8; all <= NODES; all *= 8) {
		zone(all / 2, all);
		for (uint32_t slot = 1; slot <= all / 2; slot++)
			w.nodes[slot].requests = 100;
		assert_int_equal(staying(), 10000);
	}
	zone(1, 8); /* and a retry knows of the others */
	assert_int_equal(staying(), 10000);
	assert_true(sl_choose_node(&w.in).others);
	for (uint32_t slot = 2; slot <= 8; slot++)
		set_open(slot);
	assert_false(sl_choose_node(&w.in).others);
}

static void test_zone_spills_over_its_load(void **unused)
{
	(void)unused;
	zone(4, 8);
	for (uint32_t slot = 1; slot <= 4; slot++)
		w.nodes[slot].requests = SL_LOAD_SLOTS_NOMINAL * 80 / 100;
	assert_int_equal(staying(), 0);
	w.nodes[3].requests -= 2;
	assert_int_equal(staying(), 10000);
	/* by what the servers say, too */
	for (uint32_t slot = 1; slot <= 4; slot++) {
		w.nodes[slot].requests = 1;
		says(slot, (struct sl_load_reading){.running = 1, .kv_permille = 850});
	}
	assert_int_equal(staying(), 0);
	/* but not where the others are as full */
	for (uint32_t slot = 1; slot <= 8; slot++) {
		w.nodes[slot].requests = SL_LOAD_SLOTS_NOMINAL - 1;
		says(slot, (struct sl_load_reading){0});
	}
	assert_int_equal(staying(), 10000);
}

static void test_zone_spills_as_it_fails(void **unused)
{
	(void)unused;
	for (uint32_t all = 8; all <= NODES; all *= 8) {
		end(NULL);
		begin(NULL);
		zone(all / 2, all);
		for (uint32_t slot = 1; slot <= all / 8; slot++)
			set_open(slot);
		/* three quarters times the spare is more than all; by samples, nearly */
		assert_in_range(staying(), all > SL_CHOOSE_SCAN_MAX ? 8900 : 10000, 10000);
		for (uint32_t slot = 1; slot <= all * 3 / 8; slot++)
			set_open(slot);
		/* a quarter times the spare is 35 percent; the others' nodes have less to do */
		for (uint32_t slot = 1; slot <= all / 2; slot++)
			w.nodes[slot].requests = 1;
		assert_in_range(staying(), 3300, 4100);
		for (uint32_t slot = 1; slot <= all / 2; slot++)
			set_open(slot);
		assert_int_equal(staying(), 0);
	}
}

/* A zone that is back takes up again what its nodes' slow start allows. */
static void test_zone_ramps(void **unused)
{
	(void)unused;
	zone(2, 4);
	w.nodes[1].recovered_ms = w.nodes[2].recovered_ms = NOW - 5000;
	w.nodes[1].requests = w.nodes[2].requests = SL_LOAD_SLOTS_NOMINAL / 10 * 6;
	assert_int_equal(staying(), 0);
	w.in.slow_start_ms = 1000;
	assert_int_equal(staying(), 10000);
}

/* Nodes elsewhere that are due for their probe get it before they are needed. */
static void test_zone_looks_elsewhere(void **unused)
{
	uint32_t probes = 0;

	(void)unused;
	zone(2, 4);
	w.nodes[4].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, NOW - 1);
	for (w.in.random = 0; w.in.random < 10 * SL_CHOOSE_ZONE_LOOK_PERIOD; w.in.random++)
		probes += chosen() == 4;
	assert_int_equal(probes, 10);
}

static void test_zone_in_panic(void **unused)
{
	(void)unused;
	zone(2, 4);
	w.in.allow_panic = true;
	for (uint32_t slot = 1; slot <= 4; slot++) {
		set_open(slot);
		w.nodes[slot].consecutive = 5;
	}
	w.nodes[1].requests = w.nodes[2].requests = 50;
	w.nodes[2].requests = 20;
	assert_true(sl_choose_node(&w.in).panic);
	assert_int_equal(chosen(), 2);
	w.nodes[3].consecutive = 4; /* a better one elsewhere goes before */
	assert_int_equal(chosen(), 3);
	w.nodes[3].breaker = 0; /* a healthy one elsewhere is no panic at all */
	w.nodes[3].consecutive = 0;
	w.in.panic_percent = 10;
	assert_false(sl_choose_node(&w.in).panic);
	assert_int_equal(chosen(), 3);
}

/* New sessions and adapters find their place in the zone; where they are already counts for more. */
static void test_zone_and_names(void **unused)
{
	struct sl_affinity_key sql = {.adapter = sl_load_adapter("sql", 3)};

	(void)unused;
	zone(4, 8);
	w.in.place = SL_RING_ZONE + 1;
	for (uint32_t i = 1; i <= 100; i++) {
		struct sl_affinity_key session = {.session = i * 7919u};
		struct sl_affinity_key adapter = {.adapter = i * 104729u};

		assert_in_range(by_affinity(&session, SL_AFFINITY_SESSION), 1, 4);
		assert_in_range(by_affinity(&adapter, SL_AFFINITY_ADAPTER_NEW), 1, 4);
	}
	for (uint32_t slot = 1; slot <= 8; slot++)
		says(slot, with_adapters(2, 4, slot == 7 ? "sql" : NULL, NULL));
	assert_int_equal(by_affinity(&sql, SL_AFFINITY_ADAPTER), 7);
	says(2, with_adapters(2, 4, "sql", NULL));
	says(7, with_adapters(0, 4, "sql", NULL)); /* with less to do, but elsewhere */
	assert_int_equal(by_affinity(&sql, SL_AFFINITY_ADAPTER), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_trusted_for_its_time),
		TEST(test_a_lie_does_not_take_a_node_away),
		TEST(test_they_do_not_herd),
		TEST(test_a_queue_goes_on),
		TEST(test_kv_cache_goes_on),
		TEST(test_affinity_sees_others_work),
		TEST(test_adapter_where_it_is_loaded),
		TEST(test_adapters_have_places),
		TEST(test_zone_is_preferred),
		TEST(test_zone_spills_over_its_load),
		TEST(test_zone_spills_as_it_fails),
		TEST(test_zone_ramps),
		TEST(test_zone_looks_elsewhere),
		TEST(test_zone_in_panic),
		TEST(test_zone_and_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
