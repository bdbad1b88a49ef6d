/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/upstream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/tunables.h"
#include "user/upstream/concurrency.h"
#include "user/upstream/upstream_conn.h"

#define ALIVE_STEP_NS  1000000u
#define GATE_TRIES_MAX 4 /* gates lost to another thread or plane before giving up */

/* ---- nodes ---------------------------------------------------------------------------------- */

static void describe(struct sl_upstream *up, struct sl_upstream_node *node)
{
	char address[SL_ADDRESS_TEXT_SIZE];

	node->incarnation = node->state->incarnation;
	node->address_len = sl_address_to_sockaddr(&node->state->endpoint, &node->address);
	sl_peer_put(&node->peer);
	if (up->state.peers) {
		node->peers_generation = sl_peers_generation(up->state.peers);
		node->peer = sl_peers_get(up->state.peers, node->slot);
	}
	snprintf(node->text, sizeof(node->text), "%s",
		 node->peer ? node->peer->text
			    : sl_address_format(&node->state->endpoint, address));
}

/* Has a reload changed how the node is reached? Connections made the old way are not used then. */
static void renew_peer(struct sl_upstream *up, struct sl_upstream_node *node)
{
	struct sl_peer *peer = sl_peers_get(up->state.peers, node->slot);

	if (peer != node->peer) {
		sl_upstream_forget_idle(node);
		node->era++;
	}
	sl_peer_put(&peer);
	describe(up, node);
}

static struct sl_upstream_node *node_at(struct sl_upstream *up, uint32_t slot)
{
	struct sl_upstream_node *node = up->by_slot[slot];

	if (!node) {
		node = calloc(1, sizeof(*node));
		if (!node)
			return NULL;
		node->slot = slot;
		node->state = &up->state.nodes[slot];
		describe(up, node);
		up->by_slot[slot] = node;
	} else if (node->incarnation != node->state->incarnation) {
		sl_upstream_forget_idle(node); /* the slot has another endpoint now */
		describe(up, node);
	} else if (up->state.peers &&
		   node->peers_generation != sl_peers_generation(up->state.peers)) {
		renew_peer(up, node);
	}
	return node;
}

/* ---- choosing ------------------------------------------------------------------------------- */

static uint32_t tunable(const struct sl_upstream *up, uint32_t pool, enum sl_tunable id)
{
	return (uint32_t)sl_tunable_get(up->state.tunables, pool, id);
}

static void tell(struct sl_upstream *up, const struct sl_upstream_node *node,
		 const struct sl_breaker_change *change)
{
	if ((change->changed || change->cap_denied) && up->changed)
		up->changed(up->owner, node, change);
}

static bool pass_gate(struct sl_upstream *up, struct sl_upstream_node *node, uint32_t *ret_ticket)
{
	struct sl_breaker_config config;
	struct sl_breaker_change change = {0};
	enum sl_breaker_verdict verdict;

	sl_breaker_config_fill(up->state.tunables, node->state->pool, &config);
	verdict = sl_breaker_admit(node->state, &up->state.pools[node->state->pool], &config,
				   sl_loop_now_ms(up->loop), sl_random_u32(&up->random), ret_ticket,
				   &change);
	tell(up, node, &change);
	return verdict != SL_BREAKER_REFUSE;
}

/* Threads that race for the last place of a node may all see it free; one gets it. */
static bool take_place(struct sl_upstream_node *node, uint32_t limit)
{
	uint32_t before = __atomic_fetch_add(&node->state->requests, 1, __ATOMIC_SEQ_CST);

	if (!limit || before < limit)
		return true;
	__atomic_fetch_sub(&node->state->requests, 1, __ATOMIC_SEQ_CST);
	return false;
}

static enum sl_zone zone_of(const struct sl_upstream_pool *pool, uint32_t index)
{
	static const enum sl_zone zones[SL_RINGS] = {SL_ZONE_LOCAL, SL_ZONE_REGION, SL_ZONE_SPILL};

	return pool->rings.of ? zones[pool->rings.of[index]] : SL_ZONE_NONE;
}

static struct sl_upstream_grant grant(const struct sl_upstream_pool *pool,
				      struct sl_upstream_node *node, uint32_t ticket,
				      const struct sl_choice *choice, enum sl_affinity_verdict why)
{
	return (struct sl_upstream_grant){.node = node,
					  .zone = zone_of(pool, choice->index),
					  .left = choice->loaded ? SL_ZONE_BY_LOAD
						  : choice->lost ? SL_ZONE_BY_LOSS
						  : choice->kept ? SL_ZONE_KEPT
								 : SL_ZONE_STAYED,
					  .ticket = ticket,
					  .panic = choice->panic,
					  .others = choice->others,
					  .affinity = why};
}

static struct sl_choose question(struct sl_upstream *up, const struct sl_upstream_pool *pool,
				 const uint32_t *tried, uint32_t tried_count)
{
	return (struct sl_choose){
		.nodes = up->state.nodes,
		.slots = pool->node_slots,
		.slot_count = pool->node_count,
		.tried = tried,
		.tried_count = tried_count,
		.holds = up->state.retries->holds,
		.limits = pool->limits,
		.nominal = pool->nominal,
		.loads = up->state.retries->loads,
		.concurrency = sl_upstream_concurrency(up, pool),
		.tokens_max = pool->concurrency.tokens,
		.doubtful = tunable(up, pool->slot, SL_TUNABLE_BREAKER_CONSECUTIVE),
		.now_ms = sl_loop_now_ms(up->loop),
		.slow_start_ms = tunable(up, pool->slot, SL_TUNABLE_SLOW_START_MS),
		.panic_percent = tunable(up, pool->slot, SL_TUNABLE_PANIC_PERCENT),
	};
}

/* Probes and what is left in need go first: they are chosen for more than their load. */
static enum sl_affinity_verdict lean(struct sl_upstream *up, const struct sl_upstream_pool *pool,
				     const struct sl_affinity_key *key, struct sl_choose *in,
				     struct sl_choice *choice)
{
	struct sl_affinity_choice near;

	if (!key || !choice->fresh)
		return SL_AFFINITY_NONE;
	in->place = choice->place;
	in->barred = choice->barred;
	near = sl_affinity_choose(up->state.retries->affinity, key, in, pool->slot,
				  pool->affinity_excess);
	if (near.index != SL_CHOOSE_NONE) {
		choice->slot = in->slots[near.index];
		choice->index = near.index;
		choice->limit = sl_choose_limit(in, near.index);
	}
	return near.verdict;
}

/* ---- rings ---------------------------------------------------------------------------------- */

void sl_upstream_claim_rings(struct sl_upstream_retries *retries,
			     const struct sl_upstream_pool *const *pool_of_slot)
{
	for (uint32_t slot = 0; slot < SL_POOLS_MAX; slot++) {
		const struct sl_upstream_pool *pool = pool_of_slot[slot];

		sl_rings_claim(&retries->rings[slot], sl_rings_owner(pool ? pool->name : NULL));
	}
}

void sl_upstream_look_at_rings(struct sl_upstream_retries *retries, const struct sl_choose *in,
			       const struct sl_upstream_pool *pool)
{
	struct sl_rings *rings = &retries->rings[pool->slot];
	struct sl_choose all = *in;
	uint32_t fit[SL_RINGS];

	if (!pool->rings.of || !sl_rings_look(rings, pool->rings.owner, in->now_ms))
		return;
	all.rings = &pool->rings;
	all.tried_count = 0;
	sl_choose_count_rings(&all, fit);
	for (uint32_t ring = 0; ring < SL_RINGS; ring++)
		sl_ring_step(&rings->shares[ring], fit[ring], sl_ring_size(&pool->rings, ring),
			     pool->rings.return_ms, in->now_ms);
}

static void ask_rings(struct sl_upstream *up, const struct sl_upstream_pool *pool,
		      struct sl_choose *in)
{
	struct sl_rings *rings = &up->state.retries->rings[pool->slot];

	sl_upstream_look_at_rings(up->state.retries, in, pool);
	in->rings = &pool->rings;
	in->dice = (uint8_t)sl_rings_dice(rings);
	in->may_pass = 0;
	for (uint32_t ring = 0; ring < SL_RINGS; ring++)
		in->shares[ring] = (uint8_t)sl_ring_percent(&rings->shares[ring]);
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		if (sl_rings_may_pass(rings, &pool->rings, border))
			in->may_pass |= (uint8_t)(1u << border);
	}
}

static void give_points_back(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			     uint8_t paid)
{
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		if (paid >> border & 1)
			sl_rings_give_back(&up->state.retries->rings[pool->slot], &pool->rings,
					   border);
	}
}

/* Keeps of what the choice says of borders those that its node is behind, and pays for them. False: another
 * thread's request has had the points. */
static bool pass_borders(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			 struct sl_choice *choice)
{
	struct sl_rings *rings = &up->state.retries->rings[pool->slot];
	uint8_t behind = (uint8_t)((1u << pool->rings.of[choice->index]) - 1), paid = 0;

	choice->loaded &= behind;
	choice->lost &= behind;
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		if (!(choice->loaded >> border & 1))
			continue;
		if (!sl_rings_pass(rings, &pool->rings, border)) {
			give_points_back(up, pool, paid);
			return false;
		}
		paid |= (uint8_t)(1u << border);
	}
	return true;
}

static void count_borders(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			  const struct sl_choice *choice, bool first)
{
	struct sl_rings *rings = &up->state.retries->rings[pool->slot];

	if (first)
		sl_rings_earn(rings, &pool->rings);
	for (uint32_t border = 0; border < SL_RING_BORDERS; border++) {
		if (choice->loaded >> border & 1)
			__atomic_fetch_add(&rings->passed_load[border], 1, __ATOMIC_RELAXED);
		if (choice->lost >> border & 1)
			__atomic_fetch_add(&rings->passed_loss[border], 1, __ATOMIC_RELAXED);
		if (choice->kept >> border & 1)
			__atomic_fetch_add(&rings->kept[border], 1, __ATOMIC_RELAXED);
	}
}

/* ---- a node --------------------------------------------------------------------------------- */

/* Its place is taken: through its gate. False: another thread or plane was there first. */
static bool enter(struct sl_upstream *up, const struct sl_upstream_pool *pool,
		  struct sl_upstream_node *node, const struct sl_choice *choice,
		  uint32_t *ret_ticket)
{
	sl_upstream_note_enter(up, pool, node);
	if (choice->panic) {
		__atomic_fetch_add(&up->state.pools[pool->slot].panics, 1, __ATOMIC_RELAXED);
		*ret_ticket = (uint32_t)sl_breaker_generation(node->state->breaker) << 1;
		return true;
	}
	if (pass_gate(up, node, ret_ticket))
		return true;
	__atomic_fetch_sub(&node->state->requests, 1, __ATOMIC_SEQ_CST);
	return false;
}

static struct sl_upstream_grant acquire(struct sl_upstream *up, struct sl_choose *in,
					const struct sl_upstream_pool *pool,
					const struct sl_affinity_key *key, bool rings)
{
	struct sl_pool_state *pool_state = &up->state.pools[pool->slot];
	bool full = false;
	int i;

	for (i = 0; i < GATE_TRIES_MAX; i++) {
		struct sl_choice choice;
		enum sl_affinity_verdict why;
		struct sl_upstream_node *node;
		uint32_t ticket = 0;

		in->random = sl_random_u32(&up->random);
		if (rings)
			ask_rings(up, pool, in);
		choice = sl_choose_node(in);
		why = lean(up, pool, key, in, &choice);
		full = choice.full;
		if (choice.slot == SL_CHOOSE_NONE)
			break;
		node = node_at(up, choice.slot);
		if (!node)
			break;
		full = true;
		if (rings && !pass_borders(up, pool, &choice))
			continue;
		full = !take_place(node, choice.limit);
		if (!full && enter(up, pool, node, &choice, &ticket)) {
			if (rings)
				count_borders(up, pool, &choice, !in->tried_count);
			return grant(pool, node, ticket, &choice, why);
		}
		give_points_back(up, pool, choice.loaded);
	}
	if (!full)
		__atomic_fetch_add(&pool_state->no_node, 1, __ATOMIC_RELAXED);
	return (struct sl_upstream_grant){.full = full};
}

struct sl_upstream_grant sl_upstream_acquire_near(struct sl_upstream *up,
						  const struct sl_upstream_pool *pool,
						  const struct sl_affinity_key *key,
						  const uint32_t *tried, uint32_t tried_count,
						  bool allow_panic)
{
	struct sl_choose in = question(up, pool, tried, tried_count);

	in.allow_panic = allow_panic;
	return acquire(up, &in, pool, key, pool->rings.of != NULL);
}

struct sl_upstream_grant sl_upstream_acquire(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const uint32_t *tried, uint32_t tried_count,
					     bool allow_panic)
{
	return sl_upstream_acquire_near(up, pool, NULL, tried, tried_count, allow_panic);
}

/* Is the node in the nearest ring, and this one whole? Then who waits may have its place unasked. */
static bool is_home(const struct sl_upstream *up, const struct sl_upstream_pool *pool,
		    uint32_t index)
{
	const struct sl_ring_share *share =
		&up->state.retries->rings[pool->slot].shares[pool->rings.of[index]];

	return pool->rings.of[index] == pool->rings.of[pool->rings.order[0]] &&
	       sl_ring_percent(share) == 100;
}

struct sl_upstream_grant sl_upstream_acquire_at(struct sl_upstream *up,
						const struct sl_upstream_pool *pool,
						uint32_t node_slot)
{
	struct sl_choose in = question(up, pool, NULL, 0);
	struct sl_upstream_grant found;
	uint32_t i = 0;

	while (i < pool->node_count && pool->node_slots[i] != node_slot)
		i++;
	if (i == pool->node_count)
		return (struct sl_upstream_grant){0};
	if (pool->rings.of && !is_home(up, pool, i))
		return sl_upstream_acquire(up, pool, NULL, 0, false);
	in.slots += i;
	in.slot_count = 1;
	if (in.limits)
		in.limits += i;
	if (!sl_choose_any_healthy(&in))
		return (struct sl_upstream_grant){0};
	found = acquire(up, &in, pool, NULL, false);
	found.zone = zone_of(pool, i);
	if (found.node && pool->rings.of)
		sl_rings_earn(&up->state.retries->rings[pool->slot], &pool->rings);
	return found;
}

void sl_upstream_adopt(struct sl_upstream *up, struct sl_upstream_grant *grant, uint32_t node_slot)
{
	grant->node = node_at(up, node_slot);
	if (!grant->node)
		__atomic_fetch_sub(&up->state.nodes[node_slot].requests, 1, __ATOMIC_SEQ_CST);
}

bool sl_upstream_any_healthy(struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	struct sl_choose in = question(up, pool, NULL, 0);

	return sl_choose_any_healthy(&in);
}

void sl_upstream_report(struct sl_upstream *up, struct sl_upstream_node *node, uint32_t ticket,
			enum sl_outcome outcome, enum sl_signal signal)
{
	struct sl_breaker_config config;
	struct sl_breaker_change change = {0};

	sl_breaker_config_fill(up->state.tunables, node->state->pool, &config);
	sl_breaker_report(node->state, &up->state.pools[node->state->pool], &config,
			  sl_loop_now_ms(up->loop), sl_random_u32(&up->random), ticket, outcome,
			  signal, SL_PLANE_DAEMON, &change);
	tell(up, node, &change);
}

struct sl_upstream_grant sl_upstream_grant_check(struct sl_upstream *up, uint32_t slot)
{
	return (struct sl_upstream_grant){.node = node_at(up, slot)};
}

void sl_upstream_condemn(struct sl_upstream *up, uint32_t slot, enum sl_signal signal)
{
	struct sl_upstream_node *node = node_at(up, slot);
	struct sl_breaker_config config;
	struct sl_breaker_change change = {0};

	if (!node)
		return;
	sl_breaker_config_fill(up->state.tunables, node->state->pool, &config);
	sl_breaker_condemn(node->state, &up->state.pools[node->state->pool], &config,
			   sl_loop_now_ms(up->loop), sl_random_u32(&up->random), signal,
			   SL_PLANE_DAEMON, &change);
	tell(up, node, &change);
}

void sl_upstream_release(struct sl_upstream *up, struct sl_upstream_node *node)
{
	__atomic_fetch_sub(&node->state->requests, 1, __ATOMIC_SEQ_CST);
	if (up->freed)
		up->freed(up->owner, node->state->pool, node->slot);
}

void sl_upstream_give_back(struct sl_upstream *up, const struct sl_upstream_grant *grant)
{
	sl_upstream_report(up, grant->node, grant->ticket, SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE);
	sl_upstream_release(up, grant->node);
}

/* ---- trying again --------------------------------------------------------------------------- */

static struct sl_retry_config retry_config(const struct sl_upstream *up, uint32_t pool)
{
	return (struct sl_retry_config){
		.budget = tunable(up, pool, SL_TUNABLE_RETRY_BUDGET),
		.earn = tunable(up, pool, SL_TUNABLE_RETRY_EARN),
		.reserve_per_min = tunable(up, pool, SL_TUNABLE_RETRY_RESERVE),
		.concurrent_percent = tunable(up, pool, SL_TUNABLE_RETRY_CONCURRENT),
		.concurrent_min = tunable(up, pool, SL_TUNABLE_RETRY_CONCURRENT_MIN),
	};
}

static uint32_t in_flight_of(const struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	uint32_t i, sum = 0;

	for (i = 0; i < pool->node_count; i++)
		sum += __atomic_load_n(&up->state.nodes[pool->node_slots[i]].requests,
				       __ATOMIC_RELAXED);
	return sum;
}

enum sl_retry_verdict sl_upstream_retry_take(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const struct sl_upstream_node *failed,
					     const uint32_t *tried, uint32_t tried_count)
{
	struct sl_choose in = question(up, pool, tried, tried_count);
	struct sl_retry_config config = retry_config(up, pool->slot);

	if (failed && sl_choose_is_out(&in, failed->state) && sl_choose_any_healthy(&in))
		return SL_RETRY_MOVED;
	return sl_retry_take(&up->state.retries->budgets[pool->slot], &config,
			     in_flight_of(up, pool), failed != NULL, in.now_ms);
}

void sl_upstream_retry_done(struct sl_upstream *up, const struct sl_upstream_pool *pool, bool used)
{
	struct sl_retry_budget *budget = &up->state.retries->budgets[pool->slot];

	sl_retry_done(budget);
	if (!used)
		sl_retry_refund(budget);
}

void sl_upstream_retry_earn(struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	struct sl_retry_config config = retry_config(up, pool->slot);

	sl_retry_earn(&up->state.retries->budgets[pool->slot], &config);
}

bool sl_upstream_hold(struct sl_upstream *up, struct sl_upstream_node *node, uint64_t wait_ms)
{
	uint32_t max_ms = tunable(up, node->state->pool, SL_TUNABLE_RETRY_AFTER_MAX);

	if (wait_ms > max_ms)
		wait_ms = max_ms;
	if (wait_ms)
		__atomic_store_n(
			&up->state.retries->holds[node->slot],
			sl_retry_hold_word(sl_loop_now_ms(up->loop) + wait_ms, node->incarnation),
			__ATOMIC_RELAXED);
	return wait_ms != 0;
}

void sl_upstream_hold_until(struct sl_upstream *up, uint32_t slot, uint64_t until_ms)
{
	uint64_t word =
		until_ms ? sl_retry_hold_word(until_ms, up->state.nodes[slot].incarnation) : 0;

	__atomic_store_n(&up->state.retries->holds[slot], word, __ATOMIC_RELAXED);
}

uint64_t sl_upstream_held_ms(struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	struct sl_choose in = question(up, pool, NULL, 0);

	return sl_choose_held_ms(&in);
}

/* ---- a second node -------------------------------------------------------------------------- */

static struct sl_hedge_config hedge_config(const struct sl_upstream *up, uint32_t pool)
{
	return (struct sl_hedge_config){
		.percent = tunable(up, pool, SL_TUNABLE_HEDGE_PERCENT),
		.burst = tunable(up, pool, SL_TUNABLE_HEDGE_BURST),
		.samples_min = tunable(up, pool, SL_TUNABLE_HEDGE_SAMPLES_MIN),
		.retry = retry_config(up, pool),
	};
}

void sl_upstream_hedge_earn(struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	struct sl_hedge_config config = hedge_config(up, pool->slot);

	sl_hedge_earn(&up->state.retries->hedges[pool->slot], &config);
}

void sl_upstream_hedge_note(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			    uint32_t class, uint64_t duration_us)
{
	sl_hedge_note(&up->state.retries->hedges[pool->slot].times[class], duration_us,
		      sl_loop_now_ms(up->loop));
}

uint64_t sl_upstream_hedge_after_us(struct sl_upstream *up, const struct sl_upstream_pool *pool,
				    uint32_t class, uint32_t per_mille, uint32_t min_ms)
{
	struct sl_hedge_config config = hedge_config(up, pool->slot);

	return sl_hedge_after_us(&up->state.retries->hedges[pool->slot].times[class], &config,
				 per_mille, min_ms);
}

enum sl_hedge_verdict sl_upstream_hedge_take(struct sl_upstream *up,
					     const struct sl_upstream_pool *pool,
					     const struct sl_affinity_key *key, bool waited,
					     const uint32_t *tried, uint32_t tried_count,
					     struct sl_upstream_grant *ret_grant)
{
	struct sl_choose in = question(up, pool, tried, tried_count);
	struct sl_hedge_config config = hedge_config(up, pool->slot);
	struct sl_hedge_view view = {
		.panic = sl_choose_in_panic(&in),
		.other = sl_choose_any_healthy(&in),
		.place = !waited && sl_choose_any_place(&in),
		.in_flight = in_flight_of(up, pool),
		.now_ms = in.now_ms,
	};
	struct sl_upstream_grant grant;
	enum sl_hedge_verdict verdict;

	verdict = sl_hedge_take(&up->state.retries->hedges[pool->slot],
				&up->state.retries->budgets[pool->slot], &config, &view);
	if (verdict != SL_HEDGE_GO)
		return verdict;
	grant = sl_upstream_acquire_near(up, pool, key, tried, tried_count, false);
	if (grant.node && !sl_choose_is_among(tried, tried_count, grant.node->slot)) {
		*ret_grant = grant;
		return SL_HEDGE_GO;
	}
	/* Another thread's outcome has closed the way there just now, or its request has the place. */
	if (grant.node)
		sl_upstream_give_back(up, &grant);
	sl_upstream_hedge_done(up, pool, false);
	return SL_HEDGE_NO_PLACE;
}

void sl_upstream_hedge_done(struct sl_upstream *up, const struct sl_upstream_pool *pool, bool used)
{
	struct sl_upstream_retries *shared = up->state.retries;

	if (used)
		sl_hedge_done(&shared->budgets[pool->slot]);
	else
		sl_hedge_refund(&shared->hedges[pool->slot], &shared->budgets[pool->slot]);
}

/* ---- measurements --------------------------------------------------------------------------- */

uint64_t sl_upstream_kernel_signals(const struct sl_upstream_node *node)
{
	static const enum sl_signal signals[] = {SL_SIGNAL_SYN_RETRANS, SL_SIGNAL_RST_EARLY,
						 SL_SIGNAL_ICMP_UNREACH};
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sum += __atomic_load_n(&node->state->signals[signals[i]], __ATOMIC_RELAXED);
	return sum;
}

/* The word is every thread's: not written for each of a thousand tokens. */
void sl_upstream_note_alive(struct sl_upstream *up, const struct sl_upstream_node *node)
{
	uint64_t *alive_ns = &up->state.retries->alive_ns[node->slot];
	uint64_t now_ns = sl_loop_now_ns(up->loop);

	if (now_ns - __atomic_load_n(alive_ns, __ATOMIC_RELAXED) >= ALIVE_STEP_NS)
		__atomic_store_n(alive_ns, now_ns, __ATOMIC_RELAXED);
}

uint64_t sl_upstream_alive_ns(const struct sl_upstream *up, const struct sl_upstream_node *node)
{
	uint64_t alive_ns =
		__atomic_load_n(&up->state.retries->alive_ns[node->slot], __ATOMIC_RELAXED);
	uint64_t byte_ns = __atomic_load_n(&node->state->last_byte_ns, __ATOMIC_RELAXED);

	if (__atomic_load_n(&up->state.retries->checked[node->slot], __ATOMIC_RELAXED))
		return alive_ns;
	return alive_ns > byte_ns ? alive_ns : byte_ns;
}

/* Moving average with weight 1/8; racing threads may lose a sample, which is harmless. */
static void average(__u32 *value, uint64_t sample)
{
	uint32_t old = __atomic_load_n(value, __ATOMIC_RELAXED);
	uint32_t bounded = sample > UINT32_MAX ? UINT32_MAX : (uint32_t)sample;
	int64_t next = old ? (int64_t)old + ((int64_t)bounded - (int64_t)old) / 8 : bounded;

	__atomic_store_n(value, (uint32_t)next, __ATOMIC_RELAXED);
}

/* It knows nodes by address, not by name. */
static bool kernel_sees(const struct sl_upstream *up, const struct sl_upstream_node *node)
{
	return up->state.kernel_measures && !(node->peer && node->peer->name);
}

void sl_upstream_note_connect(struct sl_upstream *up, struct sl_upstream_node *node,
			      uint64_t duration_us)
{
	if (!kernel_sees(up, node))
		average(&node->state->connect_us, duration_us);
}

void sl_upstream_note_first_byte(struct sl_upstream *up, struct sl_upstream_node *node,
				 uint64_t duration_us)
{
	sl_upstream_note_alive(up, node);
	if (kernel_sees(up, node))
		return;
	average(&node->state->first_byte_us, duration_us);
	__atomic_store_n(&node->state->last_byte_ns, sl_loop_now_ns(up->loop), __ATOMIC_RELAXED);
}

/* ---- life ----------------------------------------------------------------------------------- */

int sl_upstream_init(struct sl_upstream *up, struct sl_loop *loop,
		     const struct sl_upstream_state *state)
{
	memset(up, 0, sizeof(*up));
	up->loop = loop;
	up->state = *state;
	up->by_slot = calloc(SL_NODES_MAX, sizeof(struct sl_upstream_node *));
	if (!up->by_slot)
		return -ENOMEM;
	sl_upstream_conns_init(up);
	sl_random_init(&up->random);
	return 0;
}

void sl_upstream_drain(struct sl_upstream *up)
{
	uint32_t slot;

	sl_timer_cancel(up->loop, &up->sweep);
	up->idle_max = 0;
	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (up->by_slot[slot])
			sl_upstream_forget_idle(up->by_slot[slot]);
	}
}

void sl_upstream_fini(struct sl_upstream *up)
{
	uint32_t slot;

	for (slot = 0; slot < SL_NODES_MAX; slot++) {
		if (up->by_slot[slot])
			sl_peer_put(&up->by_slot[slot]->peer);
		free(up->by_slot[slot]);
	}
	free(up->by_slot);
	up->by_slot = NULL;
	sl_slab_fini(&up->conns);
}
