/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * incidents.h - the watch's part that keeps the ledger of incidents (policy/incident.h): hears every notice,
 * counts the requests that an open incident concerns, keeps its events in a journal (`incidents.path`).
 *
 * Also here: once in SL_INCIDENTS_LOOK_MS each pool is looked at: one without a node to ask is told as
 * notice NO_NODE; breakers whose end nobody told are found closed; of a node or a pool that left the
 * configuration every cause is over.
 *
 * After a restart open incidents go on; a cause whose breaker is closed by now, and every other cause that
 * this process cannot look at, is over at that moment: what still is so is told again and joins.
 *
 *   admin socket: "incidents FORMAT list [SINCE]", "... show ID", "... stats [SINCE]"
 *
 * Threads as in watch.h; one lock.
 */
#ifndef SL_OPS_INCIDENTS_H
#define SL_OPS_INCIDENTS_H

#include "user/ops/watch.h"

#define SL_INCIDENTS_LOOK_MS 1000u

extern const struct sl_watch_part sl_watch_incidents;

#endif
