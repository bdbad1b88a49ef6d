/* SPDX-License-Identifier: BSD-2-Clause */
/* Who has seen a prompt's beginning: the longest wins, in bounds; what is kept, and what is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "user/base/random.h"
#include "user/policy/affinity.h"

#define NODES		  64u
#define POOL		  1u
#define BLOCK		  SL_AFFINITY_BLOCK_BYTES
#define EXCESS		  25u
#define INCARNATION(slot) (100u + (slot))

struct world {
	struct sl_affinity *affinity;
	struct sl_node_state nodes[NODES + 1];
	uint32_t slots[NODES];
	struct sl_choose in;
	struct sl_random random;
};

static struct world w;

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	for (uint32_t i = 0; i < NODES; i++) {
		struct sl_node_state *node = &w.nodes[i + 1];

		w.slots[i] = i + 1;
		node->admin = SL_NODE_PRESENT;
		node->weight = 1;
		node->incarnation = INCARNATION(i + 1);
		node->endpoint.addr.w[3] = 0x0a000000u + i;
		node->endpoint.port = 8000;
	}
	w.in = (struct sl_choose){
		.nodes = w.nodes, .slots = w.slots, .slot_count = 4, .now_ms = 1000000};
	sl_random_seed(&w.random, 7);
	return sl_affinity_open(1, &w.affinity);
}

static int end(void **state)
{
	(void)state;
	sl_affinity_close(&w.affinity);
	return 0;
}

/* A prompt by its blocks: "abc" is a block of a, one of b, one of c. */
static struct sl_affinity_key prompt(const char *blocks)
{
	static char text[(SL_AFFINITY_BLOCKS_MAX + 2) * BLOCK];
	struct sl_affinity_key key = {0};
	size_t i, count = strlen(blocks);

	for (i = 0; i < count; i++)
		memset(text + i * BLOCK, blocks[i], BLOCK);
	sl_affinity_key_prompt(w.affinity, "m", 1, text, count * BLOCK, &key);
	return key;
}

static struct sl_affinity_key numbered(uint32_t number)
{
	char text[BLOCK] = {0};
	struct sl_affinity_key key = {0};

	memcpy(text, &number, sizeof(number));
	sl_affinity_key_prompt(w.affinity, "m", 1, text, sizeof(text), &key);
	return key;
}

static struct sl_affinity_key session(uint32_t number)
{
	struct sl_affinity_key key = {0};

	sl_affinity_key_session((const char *)&number, sizeof(number), &key);
	return key;
}

static struct sl_affinity_choice choose(const struct sl_affinity_key *key)
{
	return sl_affinity_choose(w.affinity, key, &w.in, POOL, EXCESS);
}

static uint32_t note(const struct sl_affinity_key *key, uint32_t slot)
{
	return sl_affinity_note(w.affinity, key, POOL, slot, INCARNATION(slot), w.in.now_ms);
}

/* The slot that is chosen; 0: none. */
static uint32_t chosen(const struct sl_affinity_key *key)
{
	uint32_t index = choose(key).index;

	return index == SL_CHOOSE_NONE ? 0 : w.slots[index];
}

static void open_breaker(uint32_t slot)
{
	w.nodes[slot].breaker = sl_breaker_pack(SL_BREAKER_OPEN, 0, 1, w.in.now_ms + 100000);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void test_keys_share_what_prompts_share(void **state)
{
	struct sl_affinity_key one = prompt("abcd"), two = prompt("abxd");
	struct sl_affinity_key other = {0};
	char text[2 * BLOCK - 1];

	(void)state;
	assert_int_equal(one.block_count, 4);
	assert_int_equal(one.blocks[0], two.blocks[0]);
	assert_int_equal(one.blocks[1], two.blocks[1]);
	assert_int_not_equal(one.blocks[2], two.blocks[2]);
	assert_int_not_equal(one.blocks[3], two.blocks[3]); /* alike, behind what is not */
	memset(text, 'a', sizeof(text));
	sl_affinity_key_prompt(w.affinity, "m", 1, text, sizeof(text), &other);
	assert_int_equal(other.block_count, 1); /* a partial block does not count */
	assert_int_equal(other.blocks[0], one.blocks[0]);
	sl_affinity_key_prompt(w.affinity, "n", 1, text, sizeof(text), &other);
	assert_int_not_equal(other.blocks[0], one.blocks[0]);
}

static void test_long_prompts_end_at_the_bound(void **state)
{
	char blocks[SL_AFFINITY_BLOCKS_MAX + 3];
	struct sl_affinity_key key;

	(void)state;
	memset(blocks, 'a', sizeof(blocks) - 1);
	blocks[sizeof(blocks) - 1] = '\0';
	key = prompt(blocks);
	assert_int_equal(key.block_count, SL_AFFINITY_BLOCKS_MAX);
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* Who knows what, and what is wrong with nodes 1..4; the prompt is "abc". */
struct row {
	const char *what;
	const char *knows[5]; /* by slot; NULL: nothing */
	uint32_t load[5];
	uint32_t open[5], draining[5], doubtful[5], tried[2], tried_count;
	uint32_t weight[5];
	uint32_t expect; /* slot; 0: none */
	enum sl_affinity_verdict verdict;
	uint32_t blocks;
};

static const struct row rows[] = {
	{.what = "nobody knows it", .verdict = SL_AFFINITY_MISS},
	{.what = "one knows it",
	 .knows = {[2] = "abc"},
	 .expect = 2,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 3},
	{.what = "the longest wins",
	 .knows = {[1] = "a", [3] = "ab", [4] = "ax"},
	 .expect = 3,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 2},
	{.what = "a longer one that goes on otherwise",
	 .knows = {[2] = "abxyz"},
	 .expect = 2,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 2},
	{.what = "of two as long, the one with less to do",
	 .knows = {[2] = "abc", [4] = "abc"},
	 .load = {0, 2, 2, 2, 1},
	 .expect = 4,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 3},
	{.what = "too much to do: the next longest",
	 .knows = {[1] = "abc", [2] = "ab"},
	 .load = {0, 9, 1, 1, 1},
	 .expect = 2,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 2},
	{.what = "too much to do, and nobody else knows it",
	 .knows = {[1] = "abc"},
	 .load = {0, 9, 1, 1, 1},
	 .verdict = SL_AFFINITY_LOAD},
	{.what = "at the bound: 5 of 1.25 * 16 / 4",
	 .knows = {[1] = "abc"},
	 .load = {0, 4, 4, 4, 3},
	 .expect = 1,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 3},
	{.what = "over the bound: 6 of 1.25 * 16 / 4",
	 .knows = {[1] = "abc"},
	 .load = {0, 5, 4, 3, 3},
	 .verdict = SL_AFFINITY_LOAD},
	{.what = "twice the weight, twice the bound",
	 .knows = {[1] = "abc"},
	 .load = {0, 5, 4, 3, 3},
	 .weight = {0, 2, 1, 1, 1},
	 .expect = 1,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 3},
	{.what = "an ejected node has no share: 7 of 1.25 * 16 / 3",
	 .knows = {[1] = "abc"},
	 .load = {0, 6, 4, 0, 5},
	 .open = {0, 0, 0, 1},
	 .expect = 1,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 3},
	{.what = "its breaker is open",
	 .knows = {[2] = "abc"},
	 .open = {0, 0, 1},
	 .verdict = SL_AFFINITY_MISS},
	{.what = "it is drained",
	 .knows = {[2] = "abc", [3] = "a"},
	 .draining = {0, 0, 1},
	 .expect = 3,
	 .verdict = SL_AFFINITY_PREFIX,
	 .blocks = 1},
	{.what = "it was tried by this request",
	 .knows = {[2] = "abc"},
	 .tried = {2},
	 .tried_count = 1,
	 .verdict = SL_AFFINITY_MISS},
	{.what = "it is in doubt",
	 .knows = {[2] = "abc"},
	 .doubtful = {0, 0, 5},
	 .verdict = SL_AFFINITY_MISS},
};

static void run_row(const struct row *row)
{
	struct sl_affinity_key key = prompt("abc");
	struct sl_affinity_choice choice;

	for (uint32_t slot = 1; slot <= 4; slot++) {
		struct sl_node_state *node = &w.nodes[slot];

		if (row->knows[slot]) {
			struct sl_affinity_key known = prompt(row->knows[slot]);

			note(&known, slot);
		}
		node->requests = row->load[slot];
		node->consecutive = row->doubtful[slot];
		if (row->weight[slot])
			node->weight = row->weight[slot];
		if (row->open[slot])
			open_breaker(slot);
		if (row->draining[slot])
			node->admin |= SL_NODE_DRAINING;
	}
	w.in.tried = row->tried;
	w.in.tried_count = row->tried_count;
	w.in.doubtful = 5;
	w.in.random = 1;
	choice = choose(&key);
	if ((row->expect ? w.slots[choice.index] != row->expect : choice.index != SL_CHOOSE_NONE) ||
	    choice.verdict != row->verdict || choice.blocks != row->blocks)
		fail_msg("%s: index %u verdict %d blocks %u", row->what, choice.index,
			 choice.verdict, choice.blocks);
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		end(state);
		begin(state);
		run_row(&rows[i]);
	}
}

/* ---- what is remembered ---------------------------------------------------------------------- */

static void test_pools_know_for_themselves(void **state)
{
	struct sl_affinity_key key = prompt("abc");

	(void)state;
	note(&key, 2);
	assert_int_equal(sl_affinity_choose(w.affinity, &key, &w.in, POOL + 1, EXCESS).verdict,
			 SL_AFFINITY_MISS);
}

static void test_another_node_in_the_slot(void **state)
{
	struct sl_affinity_key key = prompt("abc");

	(void)state;
	note(&key, 2);
	w.nodes[2].incarnation++;
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_MISS);
	w.nodes[2].incarnation--;
	assert_int_equal(chosen(&key), 2);
}

static void test_a_failed_attempt_takes_back_its_own(void **state)
{
	struct sl_affinity_key longer = prompt("abc"), shorter = prompt("ab");
	uint32_t known;

	(void)state;
	assert_int_equal(note(&shorter, 1), 0);
	known = note(&longer, 1);
	assert_int_equal(known, 2);
	assert_int_equal(choose(&longer).blocks, 3);
	sl_affinity_forget(w.affinity, &longer, POOL, 1, known);
	assert_int_equal(choose(&longer).blocks, 2);
	note(&longer, 3);
	assert_int_equal(chosen(&longer), 3);
}

static void test_copies_are_bounded(void **state)
{
	struct sl_affinity_key key = prompt("a");
	uint32_t slot, kept = 0;

	(void)state;
	for (slot = 1; slot <= 8; slot++) {
		w.in.now_ms += 10000;
		note(&key, slot);
	}
	w.in.slot_count = 1;
	for (slot = 1; slot <= 8; slot++) {
		w.in.slots = &w.slots[slot - 1];
		kept += choose(&key).verdict == SL_AFFINITY_PREFIX;
	}
	assert_int_equal(kept, SL_AFFINITY_COPIES_MAX);
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_PREFIX); /* the newest is among them */
}

/* However many prompts come, the table stays; the newest are in it, and those that are used. */
static void test_the_oldest_make_room(void **state)
{
	uint32_t entries = SL_AFFINITY_SETS * SL_AFFINITY_WAYS, i, newest = 0, oldest = 0;
	struct sl_affinity_key used = prompt("used"), key;

	(void)state;
	assert_int_equal(SL_AFFINITY_BYTES, entries * sizeof(uint64_t));
	for (i = 0; i < 2 * entries; i++) {
		key = numbered(i);
		note(&key, 1 + i % 4);
		w.in.now_ms += i % 4 == 0;
		if (i % 10000 == 0)
			note(&used, 2);
	}
	for (i = 0; i < 1000; i++) {
		key = numbered(i);
		oldest += choose(&key).verdict == SL_AFFINITY_PREFIX;
		key = numbered(2 * entries - 1 - i);
		newest += choose(&key).verdict == SL_AFFINITY_PREFIX;
	}
	assert_int_equal(newest, 1000);
	assert_in_range(oldest, 0, 50);
	assert_int_equal(choose(&used).blocks, 4);
}

/* ---- properties ------------------------------------------------------------------------------ */

static void test_the_same_prompt_stays(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		struct sl_affinity_key key = numbered(i);
		uint32_t slot = 1 + sl_random_below(&w.random, 4);

		note(&key, slot);
		w.in.random = sl_random_u32(&w.random);
		assert_int_equal(chosen(&key), slot);
		assert_int_equal(chosen(&key), slot);
	}
}

/* Whatever mix of prompts and sessions comes and ends: nobody is taken over the bound. */
static void test_no_node_over_the_bound(void **state)
{
	uint32_t i, taken = 0, refused = 0;

	(void)state;
	w.in.slot_count = 8;
	for (i = 0; i < 20000; i++) {
		uint32_t hot = sl_random_below(&w.random, 3), slot, load = 0, at;
		struct sl_affinity_key key = hot ? numbered(hot) : session(i % 5);
		struct sl_affinity_choice choice = choose(&key);

		for (at = 1; at <= 8; at++)
			load += w.nodes[at].requests;
		if (choice.index != SL_CHOOSE_NONE) {
			slot = w.slots[choice.index];
			taken++;
			assert_true((w.nodes[slot].requests + 1) * 800 <
				    125 * (load + 1) + 800); /* below the bound rounded up */
		} else {
			refused++;
			slot = 1;
			for (at = 2; at <= 8; at++) {
				if (w.nodes[at].requests < w.nodes[slot].requests)
					slot = at;
			}
		}
		w.nodes[slot].requests++;
		note(&key, slot);
		at = 1 + sl_random_below(&w.random, 8);
		if (load > 40 && w.nodes[at].requests)
			w.nodes[at].requests--;
	}
	assert_in_range(taken, 10000, 20000);
	assert_in_range(refused, 1, 10000);
}

static void test_a_large_pool_sums_once_a_millisecond(void **state)
{
	struct sl_affinity_key key = numbered(1);
	uint32_t i;

	(void)state;
	w.in.slot_count = NODES;
	for (i = 1; i <= NODES; i++)
		w.nodes[i].requests = 4;
	note(&key, 3);
	assert_int_equal(chosen(&key), 3);
	for (i = 1; i <= NODES; i++)
		w.nodes[i].requests = 1;
	w.nodes[3].requests = 4; /* the mean of just now still allows 5 */
	assert_int_equal(chosen(&key), 3);
	w.in.now_ms++;
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_LOAD);
}

static void test_sessions_spread_by_weight(void **state)
{
	uint32_t counts[5] = {0}, i;

	(void)state;
	for (i = 0; i < 8000; i++) {
		struct sl_affinity_key key = session(i);

		counts[chosen(&key)]++;
	}
	for (i = 1; i <= 4; i++)
		assert_in_range(counts[i], 1800, 2200);
	memset(counts, 0, sizeof(counts));
	w.nodes[2].weight = 5;
	for (i = 0; i < 8000; i++) {
		struct sl_affinity_key key = session(i);

		counts[chosen(&key)]++;
	}
	assert_in_range(counts[2], 4800, 5200);
	assert_in_range(counts[1], 850, 1150);
}

/* A node that goes loses its own sessions, and the others keep theirs; so with one that comes. */
static void test_only_its_own_move(void **state)
{
	uint32_t before[2000], i, moved = 0;

	(void)state;
	w.in.slot_count = 8;
	for (i = 0; i < 2000; i++) {
		struct sl_affinity_key key = session(i);

		before[i] = chosen(&key);
	}
	w.nodes[3].admin |= SL_NODE_DRAINING;
	for (i = 0; i < 2000; i++) {
		struct sl_affinity_key key = session(i);
		uint32_t now = chosen(&key);

		assert_int_not_equal(now, 3);
		moved += now != before[i];
		if (before[i] != 3)
			assert_int_equal(now, before[i]);
	}
	assert_in_range(moved, 180, 320);
}

static void test_a_session_stays_where_it_went(void **state)
{
	struct sl_affinity_key key = session(5);
	uint32_t home = chosen(&key), next;

	(void)state;
	note(&key, home);
	open_breaker(home);
	next = chosen(&key);
	assert_int_not_equal(next, home);
	note(&key, next);
	w.nodes[home].breaker = 0;
	assert_int_equal(chosen(&key), next);
	/* A second node was asked too, and the first one answered. */
	note(&key, home);
	sl_affinity_forget(w.affinity, &key, POOL, home, 0);
	sl_affinity_confirm(w.affinity, &key, POOL, next, INCARNATION(next), w.in.now_ms);
	assert_int_equal(chosen(&key), next);
}

static void test_a_session_is_for_prompts_nobody_knows(void **state)
{
	struct sl_affinity_key key = prompt("abc"), other = session(9);
	uint32_t home = chosen(&other), else_ = home == 1 ? 2 : 1;

	(void)state;
	note(&key, else_);
	key.session = other.session;
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_PREFIX);
	assert_int_equal(chosen(&key), else_);
	open_breaker(else_);
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_SESSION);
	assert_int_equal(chosen(&key), home);
}

static void test_nothing_to_go_by(void **state)
{
	struct sl_affinity_key key = {0};

	(void)state;
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_NONE);
	sl_affinity_key_session("", 0, &key);
	assert_int_equal(choose(&key).verdict, SL_AFFINITY_NONE);
	w.in.slot_count = 0;
	key = session(1);
	assert_int_equal(choose(&key).index, SL_CHOOSE_NONE);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys_share_what_prompts_share),
		TEST(test_long_prompts_end_at_the_bound),
		TEST(test_rows),
		TEST(test_pools_know_for_themselves),
		TEST(test_another_node_in_the_slot),
		TEST(test_a_failed_attempt_takes_back_its_own),
		TEST(test_copies_are_bounded),
		TEST(test_the_oldest_make_room),
		TEST(test_the_same_prompt_stays),
		TEST(test_no_node_over_the_bound),
		TEST(test_a_large_pool_sums_once_a_millisecond),
		TEST(test_sessions_spread_by_weight),
		TEST(test_only_its_own_move),
		TEST(test_a_session_stays_where_it_went),
		TEST(test_a_session_is_for_prompts_nobody_knows),
		TEST(test_nothing_to_go_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
