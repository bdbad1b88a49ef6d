/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The search. Actors are coroutines on small stacks; a state is saved by copying the memory they
 * share, what is known of each, and the used part of each stack. Depth first; the table keeps, for
 * each state seen, how many interleavings lead on from it.
 */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Boost.Context's C ABI (boost/context/detail/fcontext.hpp). */
typedef void *fcontext_t;
struct transfer_t {
	fcontext_t fctx;
	void *data;
};
extern struct transfer_t jump_fcontext(fcontext_t to, void *data);
extern fcontext_t make_fcontext(void *stack_top, size_t size, void (*fn)(struct transfer_t));

#define STACK_BYTES (64u * 1024)
#define SAVED_BYTES 4096u /* of a stack */
#define DEPTH_MAX   1024u
#define STATES_MAX  (48u << 20)

struct sim_run sim;

static struct {
	_Alignas(64) char bytes[STACK_BYTES];
} stacks[SIM_ACTORS_MAX];
static fcontext_t contexts[SIM_ACTORS_MAX];
static fcontext_t scheduler;

/* ---- actors --------------------------------------------------------------------------------- */

void sim_yield(void)
{
	struct transfer_t from = jump_fcontext(scheduler, NULL);

	scheduler = from.fctx;
}

static void run_op(struct sim_actor_state *actor, const struct sim_actor *script,
		   const struct sim_op *op)
{
	int32_t ticket = actor->ticket[op->node];
	struct sim_result result;

	if (op->verb == SIM_REPORT && (ticket < 0 || (ticket & SIM_REFUSED)))
		return;
	if (sim.is_serial)
		sim_yield();
	actor->is_inside = 1;
	sim_subject_op(&sim.world, &sim.config[op->metrics], op, script->plane, &ticket, &result);
	sim_hooks_settle();
	actor->ticket[op->node] = ticket;
	actor->results[actor->op] = result;
	actor->is_inside = 0;
	actor->is_stale = 0;
	actor->accesses = 0;
	actor->history = 0;
}

static void act(struct transfer_t from)
{
	struct sim_actor_state *actor = &sim.actors[sim.actor];
	const struct sim_actor *script = &sim.scenario->actors[sim.actor];

	scheduler = from.fctx;
	for (; script->ops[actor->op].verb != SIM_END; actor->op++)
		run_op(actor, script, &script->ops[actor->op]);
	actor->is_done = 1;
	for (;;)
		sim_yield();
}

/* Lets one actor make its next access, and go on to the one after it. */
static void step(uint32_t a)
{
	struct transfer_t from;

	sim.actor = a;
	sim.is_hooked = true;
	from = jump_fcontext(contexts[a], NULL);
	contexts[a] = from.fctx;
	sim.is_hooked = false;
}

void sim_fail(const char *format, ...)
{
	va_list args;

	if (sim.is_failed)
		return;
	sim.is_failed = true;
	fprintf(stderr, "# %s: ", sim.scenario->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; the way there:\n");
	sim_log_print();
}

/* ---- states --------------------------------------------------------------------------------- */

struct snapshot {
	struct sim_world world;
	struct sim_actor_state actors[SIM_ACTORS_MAX];
	fcontext_t contexts[SIM_ACTORS_MAX];
	uint32_t log_length;
	char stacks[SIM_ACTORS_MAX][SAVED_BYTES];
};

static struct snapshot *snapshots; /* DEPTH_MAX */

static size_t stack_used(uint32_t a)
{
	size_t used = (size_t)(stacks[a].bytes + STACK_BYTES - (char *)contexts[a]);

	if (used > SAVED_BYTES) {
		fprintf(stderr, "sim: an actor's stack takes %zu bytes, raise SAVED_BYTES\n", used);
		exit(2);
	}
	return used;
}

static void save(struct snapshot *to)
{
	to->world = sim.world;
	memcpy(to->actors, sim.actors, sizeof(to->actors));
	memcpy(to->contexts, contexts, sizeof(contexts));
	to->log_length = sim_log_length();
	for (uint32_t a = 0; a < sim.actor_count; a++)
		memcpy(to->stacks[a], contexts[a], stack_used(a));
}

static void restore(const struct snapshot *from)
{
	sim.world = from->world;
	memcpy(sim.actors, from->actors, sizeof(sim.actors));
	memcpy(contexts, from->contexts, sizeof(contexts));
	sim_log_cut(from->log_length);
	for (uint32_t a = 0; a < sim.actor_count; a++)
		memcpy(contexts[a], from->stacks[a], stack_used(a));
}

struct key {
	uint64_t low, high;
};

struct entry {
	struct key key;
	double interleavings; /* 0: free */
};

struct table {
	struct entry *entries;
	size_t size, used; /* size is a power of two */
};

static struct table seen, serial_ends;

/* What decides how it goes on, and what is checked at the end. */
struct view {
	struct {
		uint64_t breaker, window[SL_WINDOW_BUCKETS], window_s;
		uint32_t admin, consecutive, ejected, trips, cap_denied, has_recovered;
	} nodes[SIM_NODES_MAX];
	uint32_t node_count, ejected;
	struct sim_actor_state actors[SIM_ACTORS_MAX];
};

static struct key key_now(bool is_end)
{
	struct view view;
	XXH128_hash_t hash;

	memset(&view, 0, sizeof(view));
	for (uint32_t i = 0; i < sim.scenario->node_count; i++) {
		const struct sl_node_state *node = &sim.world.nodes[i + 1];

		view.nodes[i].breaker = node->breaker;
		view.nodes[i].admin = node->admin;
		view.nodes[i].ejected = node->ejected;
		view.nodes[i].trips = node->trips;
		view.nodes[i].cap_denied = node->cap_denied;
		view.nodes[i].has_recovered = node->recovered_ms != 0;
		/* These are emptied before it closes: what a straggler leaves is no matter. */
		if (is_end && sl_breaker_state(node->breaker) != SL_BREAKER_CLOSED)
			continue;
		memcpy(view.nodes[i].window, node->window, sizeof(node->window));
		view.nodes[i].window_s = node->window_s;
		view.nodes[i].consecutive = node->consecutive;
	}
	view.node_count = sim.world.pools[1].node_count;
	view.ejected = sim.world.pools[1].ejected;
	memcpy(view.actors, sim.actors, sizeof(view.actors));
	hash = XXH3_128bits(&view, sizeof(view));
	return (struct key){hash.low64, hash.high64};
}

/* The entry of that key, or the free one where it belongs. */
static struct entry *table_at(const struct table *table, struct key key)
{
	size_t i = key.low & (table->size - 1);

	while (table->entries[i].interleavings != 0 &&
	       (table->entries[i].key.low != key.low || table->entries[i].key.high != key.high))
		i = (i + 1) & (table->size - 1);
	return &table->entries[i];
}

static void table_clear(struct table *table)
{
	free(table->entries);
	table->size = 1u << 12;
	table->used = 0;
	table->entries = calloc(table->size, sizeof(struct entry));
}

static void table_put(struct table *table, struct key key, double interleavings)
{
	struct table bigger = {NULL, table->size * 2, table->used};

	if (table->used * 2 > table->size) {
		bigger.entries = calloc(bigger.size, sizeof(struct entry));
		if (!bigger.entries || table->used > STATES_MAX) {
			fprintf(stderr, "sim: %s: too many states\n", sim.scenario->name);
			exit(2);
		}
		for (size_t i = 0; i < table->size; i++)
			if (table->entries[i].interleavings != 0)
				*table_at(&bigger, table->entries[i].key) = table->entries[i];
		free(table->entries);
		*table = bigger;
	}
	*table_at(table, key) = (struct entry){key, interleavings};
	table->used++;
}

/* ---- the search ----------------------------------------------------------------------------- */

static struct sim_count count;

static bool has_death(void)
{
	for (uint32_t a = 0; a < sim.actor_count; a++)
		if (sim.actors[a].is_dead)
			return true;
	return false;
}

static void end(void)
{
	struct key key = key_now(true);

	count.ends++;
	if (sim.is_serial) {
		if (table_at(&serial_ends, key)->interleavings == 0)
			table_put(&serial_ends, key, 1);
	} else if (!has_death() && table_at(&serial_ends, key)->interleavings == 0) {
		count.overlaps++;
		if (!sim.scenario->has_overlap || sim.is_strict)
			sim_fail("no order of whole operations ends like this");
	}
	sim_check_rest(&sim);
}

static double visit(uint32_t depth);

/* One successor: the actor steps, or dies where it stands. */
static double follow(uint32_t depth, uint32_t a, bool dies)
{
	if (dies)
		sim.actors[a].is_done = sim.actors[a].is_dead = 1;
	else
		step(a);
	return sim.is_failed || sim.is_unsettled ? 0 : visit(depth + 1);
}

static double visit(uint32_t depth)
{
	struct key key = key_now(false);
	struct snapshot *here = &snapshots[depth];
	struct entry *known = table_at(&seen, key);
	double sum = 0;
	bool is_moved = false;

	if (known->interleavings != 0)
		return known->interleavings;
	if (depth + 1 == DEPTH_MAX)
		sim_fail("%u steps and no end", depth);
	save(here);
	for (uint32_t a = 0; a < sim.actor_count * 2; a++) {
		const struct sim_actor_state *actor = &here->actors[a / 2];

		if (actor->is_done || (a % 2 && !(sim.scenario->actors[a / 2].is_mortal &&
						  actor->is_inside && actor->accesses > 0)))
			continue;
		if (is_moved)
			restore(here);
		is_moved = true;
		sum += follow(depth, a / 2, a % 2);
		if (sim.is_failed || sim.is_unsettled)
			return 0;
	}
	if (!is_moved) {
		sum = 1;
		end();
	}
	table_put(&seen, key, sum);
	return sum;
}

static void start(const struct sim_scenario *scenario)
{
	table_clear(&seen);
	memset(&count, 0, sizeof(count));
	sim.scenario = scenario;
	sim.is_failed = sim.is_unsettled = false;
	sim_log_cut(0);
	sim_check_init(&sim);
	sim.actor_count = 0;
	for (uint32_t a = 0; a < SIM_ACTORS_MAX; a++) {
		if (scenario->actors[a].ops[0].verb == SIM_END)
			break;
		contexts[a] = make_fcontext(stacks[a].bytes + STACK_BYTES, STACK_BYTES, act);
		sim.actor_count++;
	}
	for (uint32_t a = 0; a < sim.actor_count; a++)
		step(a);
}

int sim_explore(const struct sim_scenario *scenario, struct sim_count *ret_count)
{
	if (!snapshots)
		snapshots = calloc(DEPTH_MAX, sizeof(*snapshots));
	sim_hooks_init();
	table_clear(&serial_ends);
	sim.is_serial = true;
	do {
		start(scenario);
		if (!sim.is_unsettled)
			(void)visit(0);
	} while (sim.is_unsettled && !sim.is_failed);
	sim.is_serial = false;
	while (!sim.is_failed) {
		start(scenario);
		if (!sim.is_unsettled)
			count.interleavings = visit(0);
		if (!sim.is_unsettled)
			break;
	}
	count.states = seen.used;
	*ret_count = count;
	return sim.is_failed ? -1 : 0;
}
