/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What must hold.
 *
 * At every change of a word: an edge that breaker.h draws; the generation rises by one at a change
 * of state and with a probe, and stays otherwise; no second probe while one is in flight; a probe
 * goes out, and counts as lost, only when it is time; an outcome changes only the word of its own
 * generation; where no operator forces anything, the nodes that refuse are never more than the cap.
 *
 * At rest: a node holds a place exactly while it refuses, and the pool's count is their sum, within
 * the cap; the cumulative counts agree with what the callers were told; no generation gave out two
 * probes. Then time moves on, and only good answers come: every node closes within a few requests,
 * all places are given back; and each node can trip again after that.
 *
 * When an actor was killed, sl_topology_repair() of the product runs first.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include "user/base/topology.h"

#define OPEN_MS	 2000u
#define PROBE_MS 1000u

/* ---- the beginning -------------------------------------------------------------------------- */

static void init_node(struct sim_run *run, uint32_t i)
{
	const struct sim_start *start = &run->scenario->start[i];
	struct sl_node_state *node = &run->world.nodes[i];
	uint64_t second = (SIM_T0 / 1000u) & 0xffffu;

	node->admin = SL_NODE_PRESENT | start->admin;
	node->pool = 1;
	node->breaker = sl_breaker_pack((enum sl_breaker_state)start->state, start->exponent,
					start->generation, SIM_T0 + (int64_t)start->until_ms) |
			start->successes * SL_BREAKER_SUCCESS_UNIT;
	if (start->probe)
		node->breaker |= SL_BREAKER_PROBE_BIT;
	if (start->state != SL_BREAKER_CLOSED && start->state != SL_BREAKER_METRICS_ONLY) {
		node->ejected = 1;
		run->world.pools[1].ejected++;
	}
	node->consecutive = start->consecutive;
	if (start->failures || start->fine) {
		node->window_s = SIM_T0 / 1000u;
		node->window[node->window_s % SL_WINDOW_BUCKETS] = second << 48 |
								   (uint64_t)start->fine << 32 |
								   (uint64_t)start->failures << 16;
	}
}

void sim_check_init(struct sim_run *run)
{
	const struct sim_scenario *s = run->scenario;
	struct sl_pool_state *pool = &run->world.pools[1];

	memset(&run->world, 0, sizeof(run->world));
	memset(run->actors, 0, sizeof(run->actors));
	pool->present = 1;
	pool->node_count = s->counted ? s->counted : s->node_count;
	for (uint32_t i = 1; i <= s->node_count; i++)
		init_node(run, i);
	for (uint32_t a = 0; a < SIM_ACTORS_MAX; a++)
		for (uint32_t i = 1; i <= s->node_count; i++)
			run->actors[a].ticket[i] = s->actors[a].ticket[i] - 1;
	run->config[0] = (struct sl_breaker_config){
		.consecutive = s->consecutive,
		.failure_percent = 50,
		.volume = s->volume ? s->volume : 1000,
		.open_ms = OPEN_MS,
		.open_max_ms = 4 * OPEN_MS,
		.probe_ms = PROBE_MS,
		.successes = s->successes ? s->successes : 1,
		.eject_percent = 50,
	};
	run->config[1] = run->config[0];
	run->config[1].metrics_only = 1;
}

/* ---- at every change ------------------------------------------------------------------------ */

static bool refuses(const struct sl_node_state *node)
{
	enum sl_breaker_state state = sl_breaker_state(node->breaker);

	return state == SL_BREAKER_OPEN || state == SL_BREAKER_HALF_OPEN ||
	       state == SL_BREAKER_FORCED_OPEN;
}

static uint32_t count_refusing(const struct sim_run *run)
{
	uint32_t refusing = 0;

	for (uint32_t i = 1; i <= run->scenario->node_count; i++)
		refusing += refuses(&run->world.nodes[i]);
	return refusing;
}

/* Does an actor do that? `arg` counts for orders only. */
static bool has_verb(const struct sim_run *run, enum sim_verb verb, uint8_t arg)
{
	for (uint32_t a = 0; a < run->actor_count; a++)
		for (const struct sim_op *op = run->scenario->actors[a].ops; op->verb != SIM_END;
		     op++)
			if (op->verb == verb && (verb != SIM_FORCE || op->arg == arg))
				return true;
	return false;
}

/* Nobody may put the pool over its cap but an operator, or a configuration that shrinks it. */
static bool is_capped(const struct sim_run *run)
{
	const struct sim_scenario *s = run->scenario;

	if (s->counted)
		return false;
	for (uint32_t i = 1; i <= s->node_count; i++)
		if (s->start[i].state == SL_BREAKER_FORCED_OPEN)
			return false;
	return !has_verb(run, SIM_RESIZE, 0) && !has_verb(run, SIM_FORCE, SL_BREAKER_ORDER_OPEN);
}

/* Letters of those who may: a(dmit), r(eport), o(perator). */
static const char *const edges[SL_BREAKER_STATES][SL_BREAKER_STATES] = {
	[SL_BREAKER_CLOSED] = {[SL_BREAKER_CLOSED] = "r",
			       [SL_BREAKER_OPEN] = "r",
			       [SL_BREAKER_FORCED_OPEN] = "o",
			       [SL_BREAKER_METRICS_ONLY] = "r"},
	[SL_BREAKER_HALF_OPEN] = {[SL_BREAKER_CLOSED] = "aro",
				  [SL_BREAKER_HALF_OPEN] = "ar",
				  [SL_BREAKER_OPEN] = "ar",
				  [SL_BREAKER_FORCED_OPEN] = "o",
				  [SL_BREAKER_METRICS_ONLY] = "a"},
	[SL_BREAKER_OPEN] = {[SL_BREAKER_CLOSED] = "o",
			     [SL_BREAKER_HALF_OPEN] = "a",
			     [SL_BREAKER_FORCED_OPEN] = "o",
			     [SL_BREAKER_METRICS_ONLY] = "a"},
	[SL_BREAKER_FORCED_OPEN] = {[SL_BREAKER_CLOSED] = "o", [SL_BREAKER_OPEN] = "o"},
	[SL_BREAKER_METRICS_ONLY] = {[SL_BREAKER_CLOSED] = "r",
				     [SL_BREAKER_FORCED_OPEN] = "o",
				     [SL_BREAKER_METRICS_ONLY] = "r"},
};

static char letter(const struct sim_op *op)
{
	return op->verb == SIM_ADMIT ? 'a' : op->verb == SIM_FORCE ? 'o' : 'r';
}

static void check_probe(const struct sim_op *op, uint64_t old, uint64_t next)
{
	uint64_t now_ms = SIM_T0 + (int64_t)op->at_ms;
	bool is_out = sl_breaker_state(old) == SL_BREAKER_HALF_OPEN && sl_breaker_probe(old);

	if (op->verb != SIM_ADMIT || op->metrics)
		return;
	if (sl_breaker_probe(next) && is_out)
		sim_fail("a second probe while one is in flight");
	if (sl_breaker_probe(next) && sl_breaker_wait_ms(old, now_ms) != 0)
		sim_fail("a probe before its time");
	if (!sl_breaker_probe(next) && (!is_out || sl_breaker_wait_ms(old, now_ms) != 0))
		sim_fail("a probe counts as lost before its time");
}

static void check_report(const struct sim_run *run, const struct sim_op *op, uint64_t old,
			 uint64_t next)
{
	uint32_t ticket = (uint32_t)(run->actors[run->actor].ticket[op->node] & ~SIM_REFUSED);
	bool is_half = sl_breaker_state(old) == SL_BREAKER_HALF_OPEN;

	if (ticket >> 1 != sl_breaker_generation(old))
		sim_fail("an outcome of generation %u changes generation %u", ticket >> 1,
			 sl_breaker_generation(old));
	if ((ticket & 1u) != is_half)
		sim_fail("the outcome of a ticket %s probe changes the word",
			 ticket & 1u ? "with" : "without");
	if (is_half && !sl_breaker_probe(old))
		sim_fail("a probe's outcome counts twice");
	if (is_half && sl_breaker_state(next) == SL_BREAKER_CLOSED &&
	    sl_breaker_until_ms(next) == ((SIM_T0 + op->at_ms) & SL_BREAKER_UNTIL_MASK) &&
	    sl_breaker_wait_ms(old, SIM_T0 + (int64_t)op->at_ms) == 0)
		sim_fail("a probe that came too late closes");
}

void sim_check_word(const struct sim_run *run, uint32_t node, uint64_t old, uint64_t next)
{
	const struct sim_op *op =
		&run->scenario->actors[run->actor].ops[run->actors[run->actor].op];
	enum sl_breaker_state from = sl_breaker_state(old), to = sl_breaker_state(next);
	uint32_t rise = (sl_breaker_generation(next) - sl_breaker_generation(old)) & 0xffffu;
	bool is_new = sl_breaker_probe(next) && !sl_breaker_probe(old);
	bool is_toggle = (from == SL_BREAKER_CLOSED && to == SL_BREAKER_METRICS_ONLY) ||
			 (from == SL_BREAKER_METRICS_ONLY && to == SL_BREAKER_CLOSED);
	uint32_t cap = sl_breaker_cap(run->scenario->node_count, 50);

	if (op->node != node)
		sim_fail("an operation on node %u changes node %u", op->node, node);
	if (next >> 61 >= SL_BREAKER_STATES || !edges[from][to] ||
	    !strchr(edges[from][to], letter(op)))
		sim_fail("no such edge: %d -> %d", from, to);
	if (sl_breaker_probe(next) && to != SL_BREAKER_HALF_OPEN)
		sim_fail("a probe in a state that has none");
	if (rise != ((from != to && !is_toggle) || is_new ? 1u : 0u))
		sim_fail("the generation rises by %u", rise);
	check_probe(op, old, next);
	if (op->verb == SIM_REPORT || op->verb == SIM_PANIC)
		check_report(run, op, old, next);
	if (from == SL_BREAKER_CLOSED && to == SL_BREAKER_OPEN && !has_verb(run, SIM_RESIZE, 0) &&
	    !has_verb(run, SIM_FORCE, SL_BREAKER_ORDER_OPEN) &&
	    count_refusing(run) > sl_breaker_cap(run->world.pools[1].node_count, 50))
		sim_fail("a trip in a pool that is over its cap");
	if (count_refusing(run) > run->world.pools[1].ejected)
		sim_fail("%u nodes refuse, the pool counts %" PRId32, count_refusing(run),
			 (int32_t)run->world.pools[1].ejected);
	if (is_capped(run) && count_refusing(run) > cap)
		sim_fail("%u nodes refuse at one time, the cap is %u", count_refusing(run), cap);
}

/* ---- at rest -------------------------------------------------------------------------------- */

static bool has_death(const struct sim_run *run)
{
	for (uint32_t a = 0; a < run->actor_count; a++)
		if (run->actors[a].is_dead)
			return true;
	return false;
}

static void check_places(const struct sim_run *run, const char *when)
{
	const struct sl_pool_state *pool = &run->world.pools[1];
	uint32_t sum = 0, cap = sl_breaker_cap(pool->node_count, 50);

	for (uint32_t i = 1; i <= run->scenario->node_count; i++) {
		const struct sl_node_state *node = &run->world.nodes[i];

		if (node->ejected != refuses(node))
			sim_fail("%s: node %u %s but %s a place", when, i,
				 refuses(node) ? "refuses" : "admits",
				 node->ejected ? "holds" : "has not");
		sum += node->ejected;
	}
	if (pool->ejected != sum)
		sim_fail("%s: the pool counts %" PRId32 " ejected, there are %u", when,
			 (int32_t)pool->ejected, sum);
	if (is_capped(run) && sum > cap)
		sim_fail("%s: %u ejected, the cap is %u", when, sum, cap);
}

/* The node's cumulative counts are what the callers were told. */
static void check_counts(const struct sim_run *run, uint32_t i)
{
	const struct sl_node_state *node = &run->world.nodes[i];
	uint32_t trips = 0, denied = 0, closed = 0;

	for (uint32_t a = 0; a < run->actor_count; a++) {
		const struct sim_actor *actor = &run->scenario->actors[a];

		for (uint32_t o = 0; actor->ops[o].verb != SIM_END; o++) {
			const struct sim_result *result = &run->actors[a].results[o];

			if (actor->ops[o].node != i)
				continue;
			denied += result->cap_denied;
			trips += result->edge == SIM_EDGE(SL_BREAKER_CLOSED, SL_BREAKER_OPEN) ||
				 result->edge == SIM_EDGE(SL_BREAKER_HALF_OPEN, SL_BREAKER_OPEN);
			closed += (result->edge & 7u) == SL_BREAKER_CLOSED && result->edge &&
				  result->edge !=
					  SIM_EDGE(SL_BREAKER_METRICS_ONLY, SL_BREAKER_CLOSED);
		}
	}
	if (node->trips < trips)
		sim_fail("node %u: %u trips, the callers saw %u", i, node->trips, trips);
	if (node->cap_denied != denied)
		sim_fail("node %u: cap_denied %u, the callers saw %u", i, node->cap_denied, denied);
	if (closed && node->recovered_ms == 0)
		sim_fail("node %u: closed, and no slow start", i);
}

static void check_grants(const struct sim_run *run)
{
	const struct sim_actor *actors = run->scenario->actors;

	for (uint32_t n = 0; n < SIM_ACTORS_MAX * SIM_OPS_MAX; n++) {
		const struct sim_op *op = &actors[n / SIM_OPS_MAX].ops[n % SIM_OPS_MAX];
		const struct sim_result *one =
			&run->actors[n / SIM_OPS_MAX].results[n % SIM_OPS_MAX];

		if (op->verb != SIM_ADMIT || one->verdict != SL_BREAKER_ADMIT_PROBE)
			continue;
		if (!(one->ticket & 1u))
			sim_fail("a probe with a ticket without");
		for (uint32_t m = 0; m < n; m++) {
			const struct sim_op *other = &actors[m / SIM_OPS_MAX].ops[m % SIM_OPS_MAX];
			const struct sim_result *two =
				&run->actors[m / SIM_OPS_MAX].results[m % SIM_OPS_MAX];

			if (other->verb == SIM_ADMIT && other->node == op->node &&
			    two->verdict == SL_BREAKER_ADMIT_PROBE && two->ticket == one->ticket)
				sim_fail("generation %u gave out two probes", one->ticket >> 1);
		}
	}
}

/* ---- afterwards ----------------------------------------------------------------------------- */

static struct sim_result do_op(struct sim_run *run, uint8_t verb, uint32_t node, uint8_t arg,
			       int32_t *ticket, int32_t at_ms)
{
	struct sim_op op = {.verb = verb, .node = (uint8_t)node, .arg = arg, .at_ms = at_ms};
	struct sim_result result;

	sim_subject_op(&run->world, &run->config[0], &op, SL_PLANE_DAEMON, ticket, &result);
	return result;
}

/* One request to each node, all answered well. */
static void serve_round(struct sim_run *run, int32_t at_ms)
{
	for (uint32_t i = 1; i <= run->scenario->node_count; i++) {
		int32_t ticket = -1;

		if (do_op(run, SIM_ADMIT, i, 0, &ticket, at_ms).verdict == SL_BREAKER_REFUSE)
			continue;
		do_op(run, SIM_REPORT, i, SL_OUTCOME_SUCCESS, &ticket, at_ms);
	}
}

static void check_recovers(struct sim_run *run, int32_t *at_ms)
{
	/* A lost probe, its open time, then the good ones; each round is past any time in use. */
	uint32_t rounds = run->config[0].successes + 2;

	for (uint32_t i = 1; i <= run->scenario->node_count; i++)
		if (sl_breaker_state(run->world.nodes[i].breaker) == SL_BREAKER_FORCED_OPEN)
			do_op(run, SIM_FORCE, i, 0 /* auto */, NULL, *at_ms);
	for (uint32_t round = 0; round < rounds; round++) {
		*at_ms += (int32_t)(4 * OPEN_MS + PROBE_MS);
		serve_round(run, *at_ms);
	}
	for (uint32_t i = 1; i <= run->scenario->node_count; i++)
		if (sl_breaker_state(run->world.nodes[i].breaker) != SL_BREAKER_CLOSED)
			sim_fail("afterwards: node %u does not close", i);
	if (run->world.pools[1].ejected != 0)
		sim_fail("afterwards: all closed, the pool counts %" PRId32 " ejected",
			 (int32_t)run->world.pools[1].ejected);
}

static void check_trips_again(struct sim_run *run, int32_t at_ms)
{
	for (uint32_t i = 1; i <= run->scenario->node_count; i++) {
		struct sl_node_state *node = &run->world.nodes[i];

		for (uint32_t n = 0; n < run->config[0].consecutive; n++) {
			int32_t ticket = -1;

			do_op(run, SIM_ADMIT, i, 0, &ticket, at_ms);
			do_op(run, SIM_REPORT, i, SL_OUTCOME_FAILURE, &ticket, at_ms);
		}
		if (refuses(node) != (run->world.pools[1].node_count > 1))
			sim_fail("afterwards: node %u does not trip", i);
		do_op(run, SIM_FORCE, i, 2 /* close */, NULL, at_ms);
	}
	check_places(run, "afterwards");
}

/* The product's sleep between two looks; nobody runs here but the repair. */
int __wrap_nanosleep(const struct timespec *wait, struct timespec *left);
int __wrap_nanosleep(const struct timespec *wait, struct timespec *left)
{
	(void)wait;
	(void)left;
	return 0;
}

static void repair(struct sim_run *run)
{
	static struct sl_pool_state pools[SL_POOLS_MAX];
	struct sl_topology_view view = {
		.nodes = run->world.nodes,
		.nodes_max = SIM_NODES_MAX + 1,
		.pools = pools,
	};

	pools[1] = run->world.pools[1];
	(void)sl_topology_repair(&view);
	run->world.pools[1] = pools[1];
}

void sim_check_rest(struct sim_run *run)
{
	const char *wrong = run->scenario->rest ? run->scenario->rest(run) : NULL;
	int32_t at_ms = 30000;

	if (wrong)
		sim_fail("%s", wrong);
	check_grants(run);
	if (has_death(run))
		repair(run);
	else
		for (uint32_t i = 1; i <= run->scenario->node_count; i++)
			check_counts(run, i);
	check_places(run, "at rest");
	check_recovers(run, &at_ms);
	check_trips_again(run, at_ms + 2000);
}
