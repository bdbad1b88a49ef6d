/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a decision costs: to wait and be granted with WAITING others in the queue of a pool, to choose
 * among NODES nodes (by what is in flight alone, by what the servers say of themselves too, with a
 * zone to stay in that has room or none) or the FEW of which all are looked at, and to find the one
 * that knows a prompt of PROMPT_BYTES or a session. Nanoseconds of CPU time, the median of ROUNDS runs. No test depends on
 * the figures.
 *
 *	build/bench/queue
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/base/random.h"
#include "user/policy/affinity.h"
#include "user/policy/choose.h"
#include "user/policy/queue.h"

#define ROUNDS	     15
#define STEPS	     200000u
#define WAITING	     10000u
#define TENANTS	     500u
#define NODES	     256u
#define FEW	     SL_CHOOSE_SCAN_MAX
#define PROMPTS	     64u
#define PROMPT_BYTES 32768u
#define POOL	     1u
#define PER_MS	     20u /* decisions in a millisecond, as of a busy thread */

static const struct sl_queue_config config = {.count_max = 2 * WAITING,
					      .bytes_max = 1ull << 40,
					      .target_ns = 5000000000ull,
					      .interval_ns = 10000000000ull};
static struct sl_queue queue;
static struct sl_queue_entry entries[WAITING + 1];
static struct sl_node_state nodes[NODES + 1];
static uint32_t slots[NODES];
static uint8_t ring_of[NODES];
static uint32_t ring_order[NODES];
static struct sl_loads loads;
static struct sl_random random_;
static struct sl_affinity *affinity;
static char prompts[PROMPTS][PROMPT_BYTES];
static struct sl_affinity_key keys[PROMPTS];
static uint64_t now_ns = 1000000000000ull;
static volatile uint32_t sink;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void push(struct sl_queue_entry *entry)
{
	uint64_t wait_ns;

	*entry = (struct sl_queue_entry){
		.class = (enum sl_key_class)sl_random_below(&random_, SL_QUEUE_CLASSES),
		.tenant = sl_random_below(&random_, TENANTS),
		.cost = 100 + sl_random_below(&random_, 8000),
		.bytes = 4000,
		.born_ns = now_ns,
		.deadline_ns = UINT64_MAX,
	};
	if (sl_queue_push(&queue, &config, entry, now_ns, &wait_ns) != SL_QUEUE_WAITING)
		abort();
}

static void run_queue(void)
{
	uint32_t i;

	for (i = 0; i < STEPS; i++) {
		struct sl_queue_entry *entry = sl_queue_pop(&queue, &config, now_ns);

		now_ns += 1000;
		sl_queue_tick(&queue, &config, now_ns);
		push(entry);
	}
}

static void choose(struct sl_choose *in)
{
	uint32_t i;

	in->nodes = nodes;
	in->slots = slots;
	in->now_ms = 1000;
	for (i = 0; i < STEPS / 10; i++) {
		in->random = sl_random_u32(&random_);
		sink = sl_choose_node(in).slot;
	}
}

static void run_choose(void)
{
	choose(&(struct sl_choose){.slot_count = NODES});
}

static void run_choose_said(void)
{
	choose(&(struct sl_choose){.slot_count = NODES, .loads = &loads});
}

static void run_choose_few(void)
{
	choose(&(struct sl_choose){.slot_count = FEW, .loads = &loads});
}

static void choose_near(uint64_t fill)
{
	static struct sl_ring_map rings = {.of = ring_of,
					   .order = ring_order,
					   .ends = {NODES / 2, NODES / 2, NODES},
					   .far_fill = SL_LOAD_FULL,
					   .caps = {100, 100}};

	rings.near_fill = fill;
	choose(&(struct sl_choose){.slot_count = NODES,
				   .loads = &loads,
				   .rings = &rings,
				   .shares = {100, 100, 100},
				   .may_pass = 3});
}

static void run_choose_zone(void)
{
	choose_near(SL_LOAD_FULL);
}

static void run_choose_spill(void)
{
	choose_near(1);
}

/* The blocks of a prompt, hashed, and the node that has served the longest chain of them. */
static void run_prompt(void)
{
	struct sl_choose in = {.nodes = nodes, .slots = slots, .slot_count = 0, .now_ms = 1000};
	struct sl_affinity_key key = {0};
	uint32_t i;

	for (i = 0; i < STEPS / 10; i++) {
		sl_affinity_key_prompt(affinity, "model", 5, prompts[i % PROMPTS], PROMPT_BYTES,
				       &key);
		sink = (uint32_t)sl_affinity_choose(affinity, &key, &in, POOL, 25).verdict;
	}
}

static void choose_known(const struct sl_affinity_key *list)
{
	struct sl_choose in = {.nodes = nodes, .slots = slots, .slot_count = NODES, .now_ms = 1000};
	uint32_t i;

	for (i = 0; i < STEPS / 10; i++) {
		in.random = sl_random_u32(&random_);
		in.now_ms += i % PER_MS == 0;
		sink = sl_affinity_choose(affinity, &list[i % PROMPTS], &in, POOL, 25).index;
		if (sink == SL_CHOOSE_NONE)
			abort();
	}
}

static void run_known(void)
{
	choose_known(keys);
}

static void run_session(void)
{
	static struct sl_affinity_key sessions[PROMPTS];
	uint32_t i;

	for (i = 0; i < PROMPTS; i++)
		sessions[i].session = sl_random_u64(&random_) | 1;
	choose_known(sessions);
}

static void run_note(void)
{
	uint32_t i;

	for (i = 0; i < STEPS / 10; i++)
		sl_affinity_note(affinity, &keys[i % PROMPTS], POOL, slots[i % PROMPTS], 1,
				 now_ns / 1000000u);
}

static void fill_prompts(void)
{
	uint32_t i, at;

	for (i = 0; i < PROMPTS; i++) {
		for (at = 0; at < PROMPT_BYTES; at++)
			prompts[i][at] = (char)(32 + sl_random_below(&random_, 90));
		sl_affinity_key_prompt(affinity, "model", 5, prompts[i], PROMPT_BYTES, &keys[i]);
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(const char *what, void (*run)(void), uint32_t steps)
{
	uint64_t ns[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t begin = cpu_ns();

		run();
		ns[i] = cpu_ns() - begin;
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	printf("%-58s %6llu ns\n", what, (unsigned long long)(ns[ROUNDS / 2] / steps));
}

int main(void)
{
	uint32_t i;

	sl_random_seed(&random_, 1);
	if (sl_queue_init(&queue) || sl_affinity_open(1, &affinity))
		return 1;
	for (i = 0; i < WAITING; i++)
		push(&entries[i]);
	for (i = 0; i < NODES; i++) {
		slots[i] = i + 1;
		nodes[i + 1].admin = SL_NODE_PRESENT;
		nodes[i + 1].weight = 1;
		nodes[i + 1].incarnation = 1;
		nodes[i + 1].endpoint.addr.w[3] = i;
		nodes[i + 1].requests = 8;
		ring_of[i] = i % 2 ? SL_RING_FAR : SL_RING_ZONE;
		ring_order[i % 2 * NODES / 2 + i / 2] = i;
		sl_load_take(&loads, i + 1, 1,
			     &(struct sl_load_reading){
				     .running = 9, .waiting = 1, .kv_permille = 300 + i},
			     8, UINT64_MAX);
	}
	measure("queue: wait and be granted, 10,000 wait, 500 tenants", run_queue, STEPS);
	measure("choose: one of 256 nodes with room", run_choose, STEPS / 10);
	measure("choose: the same, by what they say of their load", run_choose_said, STEPS / 10);
	measure("choose: one of 16, all of them looked at", run_choose_few, STEPS / 10);
	measure("choose: one of 256 in a zone with room", run_choose_zone, STEPS / 10);
	measure("choose: one of 256, the zone has none", run_choose_spill, STEPS / 10);
	fill_prompts();
	measure("affinity: a prompt of 32 KB remembered", run_note, STEPS / 10);
	measure("affinity: a prompt of 32 KB hashed and looked up", run_prompt, STEPS / 10);
	measure("affinity: one of 256 nodes for a known prompt", run_known, STEPS / 10);
	measure("affinity: one of 256 nodes for a session", run_session, STEPS / 10);
	sl_affinity_close(&affinity);
	return 0;
}
