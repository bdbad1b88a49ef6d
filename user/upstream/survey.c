/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/survey.h"

#include "user/base/tunables.h"
#include "user/upstream/concurrency.h"

/* Requests that the node takes at once; 0: any number. */
static uint32_t places_of(const struct sl_upstream_pool *pool, uint32_t index,
			  const struct sl_concurrency *found)
{
	const struct sl_concurrency *own = found ? &found[pool->node_slots[index]] : NULL;
	uint32_t limit = pool->limits ? pool->limits[index] : 0;
	uint32_t learned = own ? __atomic_load_n(&own->limit, __ATOMIC_RELAXED) : 0;

	if (learned && (!limit || learned < limit))
		return learned;
	return limit;
}

/* A pool's last node never opens its breaker, so failing counts for itself. */
static bool is_available(const struct sl_upstream *up, uint32_t slot, uint64_t now_ms)
{
	const struct sl_upstream_retries *retries = up->state.retries;
	const struct sl_node_state *node = &up->state.nodes[slot];
	const struct sl_choose in = {
		.doubtful = (uint32_t)sl_tunable_get(up->state.tunables, node->pool,
						     SL_TUNABLE_BREAKER_CONSECUTIVE),
	};
	uint64_t hold = __atomic_load_n(&retries->holds[slot], __ATOMIC_RELAXED);

	return sl_breaker_available(node, now_ms) &&
	       !sl_retry_held_ms(hold, node->incarnation, now_ms) &&
	       !__atomic_load_n(&retries->failing[slot], __ATOMIC_RELAXED) &&
	       !sl_choose_is_doubtful(&in, node);
}

struct sl_survey sl_survey_make(const struct sl_upstream *up, const struct sl_upstream_pool *pool)
{
	const struct sl_concurrency *found = sl_upstream_concurrency(up, pool);
	uint64_t now_ms = sl_loop_now_ms(up->loop);
	struct sl_survey survey = {.nodes = pool->node_count};
	bool any_number = false;
	uint32_t i;

	for (i = 0; i < pool->node_count; i++) {
		uint32_t slot = pool->node_slots[i], places = places_of(pool, i, found);

		if (!is_available(up, slot, now_ms))
			continue;
		survey.available++;
		survey.running +=
			__atomic_load_n(&up->state.nodes[slot].requests, __ATOMIC_RELAXED);
		survey.places += places;
		any_number = any_number || !places;
	}
	if (any_number)
		survey.places = 0;
	return survey;
}
