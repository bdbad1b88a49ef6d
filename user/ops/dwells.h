/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dwells.h - how long each node's breaker was in each state: part of GET /metrics.
 *
 * Every SL_DWELLS_LOOK_MS each node of the kernel plane is looked at (policy/dwell.h): a load a node, 10 us for
 * 1,000 of them. Who wants every change sees it in the notices and in the ledger of incidents.
 *
 * Threads: control; write: any.
 */
#ifndef SL_OPS_DWELLS_H
#define SL_OPS_DWELLS_H

#include "user/io/loop.h"
#include "user/ops/metrics.h"

#define SL_DWELLS_LOOK_MS 100u

struct sl_dwells;

/* Without memory NULL, said in the log. plane outlives it. */
struct sl_dwells *sl_dwells_open(struct sl_loop *loop, const struct sl_kernel_plane *plane);
void sl_dwells_close(struct sl_dwells **dwells);

/* dwells NULL: nothing. */
void sl_dwells_write_metrics(const struct sl_dwells *dwells, const struct sl_metrics_source *source,
			     struct sl_text *text);

#endif
