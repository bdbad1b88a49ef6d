/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * maglev.h - lookup tables that spread flows over nodes and change little when the nodes change.
 *
 * Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section
 * 3.4: every node walks a permutation of the table of its own and in its turns takes the next slot
 * that is still free. Turns are dealt by weight: the k-th turn of a node comes at time k / weight,
 * earliest first. That is the paper's round robin where all weights are equal; with any weights a
 * node gets its share of slots rounded up, at the cost of the heaviest, and never none while there
 * are slots for all.
 * Rejected: a credit counter per node and round; it costs 50 ms where one node outweighs 4,095.
 *
 * The table depends on keys, weights and size alone, not on the order of the nodes (but for two of
 * one key, should a hash ever do that: there the order settles it) and never on the values, so
 * balancers that share an address compute equal tables. Pure but for one allocation; any thread.
 * Cost: 4,096 nodes and 65,537 slots take about 10 ms; see tests/bench/maglev.c.
 */
#ifndef SL_BASE_MAGLEV_H
#define SL_BASE_MAGLEV_H

#include <stdint.h>
#include "bpf/limits.h"

struct sl_maglev_node {
	uint64_t key;	 /* hash of what the node is; equal on all balancers */
	uint32_t weight; /* 0: no slots */
	uint32_t value;	 /* what the node's slots hold: its node slot, never 0 */
};

#define SL_MAGLEV_SLOTS_PER_NODE 100u /* so that one slot more or less is one percent */

/*
 * The size of the table for that many nodes: a prime from a fixed list, at least
 * SL_MAGLEV_SLOTS_PER_NODE each, at most SL_MAGLEV_SIZE_MAX. The list doubles, because a change of
 * size moves nearly every flow that is not in the flow table yet.
 */
uint32_t sl_maglev_size(uint32_t node_count);

/*
 * Fills ret_table[0..size). Without any node of weight it is all 0, which is no node slot.
 * Returns 0, -EINVAL (size is no prime or over SL_MAGLEV_SIZE_MAX, a value is 0), -E2BIG (more than
 * SL_POOL_NODES_MAX nodes), -ENOMEM; the table is untouched then.
 */
int sl_maglev_build(const struct sl_maglev_node *nodes, uint32_t count, uint32_t size,
		    uint32_t *ret_table);

#endif
