/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_ladder.h - the part of GET /metrics that tells of steps down and of the pool of workers; see
 * metrics.h. */
#ifndef SL_OPS_METRICS_LADDER_H
#define SL_OPS_METRICS_LADDER_H

#include "user/ops/metrics.h"

void sl_metrics_write_ladder(const struct sl_metrics_source *source, struct sl_text *text);

#endif
