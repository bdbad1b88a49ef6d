/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * concurrency.h - policy/concurrency.h on the states of nodes that the threads share: what requests
 * and streams see is noted, and the limits that come of it count in every choice.
 *
 * Nothing happens in a pool without `concurrency`, with the tunable concurrency.enabled at 0, or
 * where the threads share no states (tests). A limit that has grown wakes nobody: those who wait for
 * a place look every SL_ROOM_TICK_MS (request/room.h). Thread: the loop's.
 */
#ifndef SL_UPSTREAM_CONCURRENCY_H
#define SL_UPSTREAM_CONCURRENCY_H

#include "user/upstream/upstream.h"

/* The states, by node slot, where the pool's nodes are limited by them; else NULL. */
struct sl_concurrency *sl_upstream_concurrency(const struct sl_upstream *up,
					       const struct sl_upstream_pool *pool);

/* A request of the pool has got a place on the node. */
void sl_upstream_note_enter(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			    const struct sl_upstream_node *node);

/* So many tokens of a stream came in one read, so long after those before. pool NULL: a reload has
 * taken it away. For one in SL_CONCURRENCY_SAMPLE reads. */
void sl_upstream_note_gap(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			  const struct sl_upstream_node *node, uint64_t since_ns, uint64_t tokens);

/* The node had too much to do for a request that still counts as in flight; told: it said so, not
 * we by its silence, which mode busy does not judge. */
void sl_upstream_note_busy(struct sl_upstream *up, const struct sl_upstream_pool *pool,
			   const struct sl_upstream_node *node, bool told);

#endif
