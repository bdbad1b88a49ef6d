/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hedged.h - a request at a node of a pool and, where that one is slow, at a second one as well.
 *
 *   first alone ---- over -----------------------------> its ending
 *        |  the hedge time is there, and policy/hedge.h says go
 *   first and hedge ---- one has an answer ------------> its ending; the other is cancelled
 *        |  one fails in a way that is worth a retry
 *   the other alone ---- over -------------------------> its ending
 *
 * Which endings decide is policy/outcome.c's: whatever is not to be retried, so the first token, a
 * whole answer, a 4xx, the client's leaving. When the first fails while the hedge runs, the hedge is
 * simply the retry. At most one hedge a request, before anything has gone to the client, counted
 * among its attempts and never the one that is kept for a pool behind in the chain.
 *
 * The hedge is an attempt like every other: it takes a place of its node (slots), where somebody waits
 * for one there is none, and it goes out with what the pool says of its nodes: model, path, key, TLS.
 * The one that is not wanted is closed, neutral for its node's breaker and its affinity.
 *
 * Whatever may be retried may be hedged, and that is all: no endpoint so far leaves anything behind on
 * a server. One that does must be neither. Thread: the loop's, on the request's fiber.
 */
#ifndef SL_REQUEST_HEDGED_H
#define SL_REQUEST_HEDGED_H

#include "user/request/request.h"

/*
 * Runs it to its ending on the granted node. request->attempt is then the one that decided, with
 * last_pool and last_node. last: see sl_plan_make().
 */
enum sl_ending sl_hedged_run(struct sl_request *request, const struct sl_upstream_pool *pool,
			     const struct sl_upstream_grant *grant, bool last);

/* "won": the hedge decided; "lost": another attempt did; NULL: there was none. */
const char *sl_hedged_name(enum sl_hedged hedged);

#endif
