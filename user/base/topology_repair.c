/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology_work.h"

#include <time.h>
#include "bpf/breaker.h"

#define REPAIR_WAIT_NS 1000000 /* a step of breaker.h takes well under a microsecond */

static bool needs_place(const struct sl_node_state *node)
{
	enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));

	return sl_topology_is_present(node) && state != SL_BREAKER_CLOSED &&
	       state != SL_BREAKER_METRICS_ONLY;
}

static uint32_t sum_ejected(const struct sl_topology_view *view, uint32_t pool)
{
	uint32_t sum = 0;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if (sl_topology_is_present(node) && node->pool == pool)
			sum += sl_breaker_load32(&node->ejected);
	}
	return sum;
}

static void wait_a_step(void)
{
	struct timespec wait = {.tv_nsec = REPAIR_WAIT_NS};

	nanosleep(&wait, NULL);
}

uint32_t sl_topology_repair(const struct sl_topology_view *view)
{
	uint32_t repaired = 0;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct sl_node_state *node = &view->nodes[slot];
		uint64_t word = sl_breaker_load(&node->breaker);
		uint32_t ejected = sl_breaker_load32(&node->ejected);
		uint32_t want = needs_place(node);

		if (ejected == want)
			continue;
		wait_a_step();
		if (sl_breaker_load(&node->breaker) == word &&
		    __sync_bool_compare_and_swap(&node->ejected, ejected, want))
			repaired++;
	}
	for (uint32_t slot = 1; slot < SL_POOLS_MAX; slot++) {
		struct sl_pool_state *pool = &view->pools[slot];
		uint32_t ejected = sl_breaker_load32(&pool->ejected);
		uint32_t want;

		if (!pool->present)
			continue;
		want = sum_ejected(view, slot);
		if (ejected == want)
			continue;
		wait_a_step();
		if (sum_ejected(view, slot) == want &&
		    __sync_bool_compare_and_swap(&pool->ejected, ejected, want))
			repaired++;
	}
	return repaired;
}
