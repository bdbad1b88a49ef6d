/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose the shares of a pool's slot are: a pool that takes the slot of one that a reload removed has all of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "user/upstream/upstream.h"

#define SLOT	  3u
#define NOW	  1000000u
#define RETURN_MS 300000u

static struct world {
	struct sl_upstream_retries retries;
	struct sl_node_state nodes[5];
	const struct sl_upstream_pool *pool_of_slot[SL_POOLS_MAX];
} w;

/* One node in the zone and one in the region, each. */
static const uint32_t old_slots[] = {1, 2}, new_slots[] = {3, 4}, order[] = {0, 1};
static const uint8_t of[] = {SL_RING_ZONE, SL_RING_REGION};

static struct sl_upstream_pool pool_of(const char *name, const uint32_t *node_slots)
{
	return (struct sl_upstream_pool){
		.name = name,
		.slot = SLOT,
		.node_count = 2,
		.node_slots = node_slots,
		.rings = {.of = of,
			  .order = order,
			  .ends = {1, 2, 2},
			  .return_ms = RETURN_MS,
			  .owner = sl_rings_owner(name)},
	};
}

static uint32_t look(const struct sl_upstream_pool *pool, uint64_t now_ms)
{
	struct sl_choose in = {.nodes = w.nodes,
			       .slots = pool->node_slots,
			       .slot_count = pool->node_count,
			       .doubtful = 5,
			       .now_ms = now_ms};

	sl_upstream_look_at_rings(&w.retries, &in, pool);
	return sl_ring_percent(&w.retries.rings[SLOT].shares[SL_RING_ZONE]);
}

static void apply(const struct sl_upstream_pool *pool)
{
	w.pool_of_slot[SLOT] = pool;
	sl_upstream_claim_rings(&w.retries, w.pool_of_slot);
}

static void test_new_pool_inherits_nothing(void **unused)
{
	struct sl_upstream_pool old = pool_of("old", old_slots), new = pool_of("new", new_slots);

	(void)unused;
	for (uint32_t slot = 1; slot <= 4; slot++) {
		w.nodes[slot].admin = SL_NODE_PRESENT;
		w.nodes[slot].weight = 1;
		w.nodes[slot].incarnation = 1;
	}
	apply(&old);
	assert_int_equal(look(&old, NOW), 100);
	w.nodes[1].admin = 0; /* as a removed one is */
	assert_int_equal(look(&old, NOW + 1000), 0);
	apply(&old);
	assert_int_equal(look(&old, NOW + 2000), 0);

	apply(&new);
	assert_int_equal(look(&new, NOW + 3000), 100);
	/* A request of the removed pool that tries again: its nodes are none of the new one's business. */
	assert_int_equal(look(&old, NOW + 4000), 100);
	assert_int_equal(look(&new, NOW + 5000), 100);
	/* What the new one's own nodes say counts. */
	w.nodes[3].admin = 0;
	assert_int_equal(look(&new, NOW + 6000), 0);

	/* Removed, and one of its name comes later. */
	apply(NULL);
	w.nodes[3].admin = SL_NODE_PRESENT;
	apply(&new);
	assert_int_equal(look(&new, NOW + 7000), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_pool_inherits_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
