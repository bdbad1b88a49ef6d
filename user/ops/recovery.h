/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recovery.h - the watch's part that mends by itself: runs the hooks of `recovery` (policy/recovery.h says when,
 * ops/calls.h how).
 *
 *   notice                                        trigger         target
 *   BREAKER of a node, now open                   node_ejected    the node
 *   BREAKER of a node, over                       node_back       the node
 *   NO_NODE of a pool; CAP (one more would go)    pool_short      the pool
 *   BURN, begins                                  budget_burn     the route
 *   INCIDENT, opened                              incident        what it was opened for
 *
 * Each run is told as notice HOOK of the same subject, so that it stands in the timeline of the incident, in the
 * audit trail and in the log: which hook, how it ended, what it said first, how long it took. What a rule refuses
 * is counted, not told. A dry run is told as one.
 *
 * Threads as in watch.h; the counts are atomic.
 */
#ifndef SL_OPS_RECOVERY_H
#define SL_OPS_RECOVERY_H

#include "user/ops/watch.h"

extern const struct sl_watch_part sl_watch_recovery;

#endif
