/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/health_say.h"

#include <stdio.h>
#include "user/base/tunables.h"
#include "user/policy/choose.h"
#include "user/policy/retry.h"

static const char *check_of(const struct sl_upstream_state *state,
			    const struct sl_check_counts *counts, uint32_t slot)
{
	static const char *const names[SL_CHECK_STATES] = {
		[SL_CHECK_STATE_UNKNOWN] = "unknown",
		[SL_CHECK_STATE_GOOD] = "good",
		[SL_CHECK_STATE_NOT_READY] = "not_ready",
		[SL_CHECK_STATE_FAILING] = "failing",
	};
	uint32_t now = counts ? __atomic_load_n(&counts[slot].state, __ATOMIC_RELAXED) : 0;

	return state->retries->checked[slot] && now < SL_CHECK_STATES ? names[now] : "none";
}

static bool is_doubtful(const struct sl_upstream_state *state, const struct sl_node_state *node)
{
	struct sl_choose in = {.doubtful =
				       (uint32_t)sl_tunable_get(state->tunables, node->pool,
								SL_TUNABLE_BREAKER_CONSECUTIVE)};

	return sl_choose_is_doubtful(&in, node);
}

/* Its position in the pool: mostly the one that the state has. */
static uint32_t index_of(const struct sl_upstream_pool *pool, const struct sl_node_state *node,
			 uint32_t slot)
{
	uint32_t i = node->index;

	if (i < pool->node_count && pool->node_slots[i] == slot)
		return i;
	for (i = 0; i < pool->node_count && pool->node_slots[i] != slot; i++)
		;
	return i;
}

static void look_where(const struct sl_routes *routes, const struct sl_node_state *node,
		       struct sl_health_line *line)
{
	const struct sl_upstream_pool *pool = routes->pool_of_slot[node->pool];
	const struct sl_config_node *config;
	uint32_t i = pool ? index_of(pool, node, line->slot) : 0;

	if (!pool || i == pool->node_count)
		return;
	config = &routes->config->pools[pool - routes->pools].nodes[i];
	snprintf(line->ring, sizeof(line->ring), "%s",
		 pool->rings.of ? sl_ring_name((enum sl_ring)pool->rings.of[i]) : "");
	snprintf(line->zone, sizeof(line->zone), "%.32s", config->zone ? config->zone : "");
	snprintf(line->region, sizeof(line->region), "%.32s", config->region ? config->region : "");
}

void sl_health_look(const struct sl_upstream_state *state, const struct sl_check_counts *counts,
		    const struct sl_routes *routes, uint32_t slot, uint64_t now_ms,
		    struct sl_health_line *ret_line)
{
	const struct sl_node_state *node = &state->nodes[slot];
	uint64_t hold = __atomic_load_n(&state->retries->holds[slot], __ATOMIC_RELAXED);
	struct sl_health_line line = {.slot = slot, .incarnation = node->incarnation};

	snprintf(line.check, sizeof(line.check), "%s", check_of(state, counts, slot));
	line.zombies = counts ? __atomic_load_n(&counts[slot].zombies, __ATOMIC_RELAXED) : 0;
	line.doubtful = is_doubtful(state, node);
	line.held_ms = (uint32_t)sl_retry_held_ms(hold, node->incarnation, now_ms);
	if (routes)
		look_where(routes, node, &line);
	*ret_line = line;
}

void sl_health_say(const struct sl_upstream_state *state, const struct sl_check_counts *counts,
		   const struct sl_routes *routes, uint64_t now_ms, struct sl_text *text)
{
	uint32_t slot;

	for (slot = 1; slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &state->nodes[slot];
		struct sl_health_line line;

		if (!(__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_PRESENT))
			continue;
		sl_health_look(state, counts, routes, slot, now_ms, &line);
		sl_health_line_write(&line, text);
	}
}
