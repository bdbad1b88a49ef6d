/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/concurrency.h"

#include "user/base/clock.h"
#include "user/base/tunables.h"

static uint32_t tunable(const struct sl_upstream *up, uint32_t pool, enum sl_tunable id)
{
	return (uint32_t)sl_tunable_get(up->state.tunables, pool, id);
}

static struct sl_concurrency_config config_of(const struct sl_upstream *up,
					      const struct sl_upstream_pool *pool,
					      const struct sl_upstream_node *node)
{
	struct sl_concurrency_config config = pool->concurrency;
	const struct sl_load *load = sl_load_fresh(up->state.retries->loads, node->slot,
						   node->incarnation, sl_loop_now_ms(up->loop));

	config.gap_percent = tunable(up, pool->slot, SL_TUNABLE_CONCURRENCY_GAP);
	config.is_queueing = load && __atomic_load_n(&load->waiting, __ATOMIC_RELAXED);
	config.window_ms = tunable(up, pool->slot, SL_TUNABLE_CONCURRENCY_WINDOW);
	return config;
}

static uint32_t in_flight_of(const struct sl_upstream_node *node)
{
	return __atomic_load_n(&node->state->requests, __ATOMIC_RELAXED);
}

struct sl_concurrency *sl_upstream_concurrency(const struct sl_upstream *up,
					       const struct sl_upstream_pool *pool)
{
	struct sl_concurrency *states = up->state.retries->concurrency;

	if (!states || !pool || pool->concurrency.mode == SL_CONCURRENCY_OFF ||
	    !tunable(up, pool->slot, SL_TUNABLE_CONCURRENCY_ENABLED))
		return NULL;
	return states;
}

void sl_upstream_note_enter(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			    const struct sl_upstream_node *node)
{
	struct sl_concurrency *states = sl_upstream_concurrency(up, pool);
	struct sl_concurrency_config config;

	if (!states)
		return;
	config = config_of(up, pool, node);
	sl_concurrency_enter(&states[node->slot], &config, node->incarnation, in_flight_of(node),
			     sl_loop_now_ms(up->loop));
}

void sl_upstream_note_gap(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			  const struct sl_upstream_node *node, uint64_t since_ns, uint64_t tokens)
{
	struct sl_concurrency *states = sl_upstream_concurrency(up, pool);
	struct sl_concurrency_config config;

	if (!states || !tokens)
		return;
	config = config_of(up, pool, node);
	sl_concurrency_note_gap(&states[node->slot], since_ns / tokens / SL_NS_PER_US);
	sl_concurrency_tick(&states[node->slot], &config, in_flight_of(node),
			    sl_loop_now_ms(up->loop));
}

void sl_upstream_note_busy(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			   const struct sl_upstream_node *node, bool told)
{
	struct sl_concurrency *states = sl_upstream_concurrency(up, pool);
	struct sl_concurrency_config config;

	if (!states || (!told && pool->concurrency.mode != SL_CONCURRENCY_GAP))
		return;
	config = config_of(up, pool, node);
	sl_concurrency_note_busy(&states[node->slot], &config, node->incarnation,
				 in_flight_of(node), sl_loop_now_ms(up->loop));
}
