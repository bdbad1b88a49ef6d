/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_concurrency.h - the part of GET /metrics that is of the limits that nodes have shown by
 * themselves (policy/concurrency.h). As metrics.h.
 */
#ifndef SL_OPS_METRICS_CONCURRENCY_H
#define SL_OPS_METRICS_CONCURRENCY_H

#include "user/ops/metrics.h"

void sl_metrics_write_concurrency(const struct sl_metrics_source *source, struct sl_text *text);

#endif
