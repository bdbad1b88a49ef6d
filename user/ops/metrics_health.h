/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_health.h - the part of GET /metrics that is of the health checks. As metrics.h.
 */
#ifndef SL_OPS_METRICS_HEALTH_H
#define SL_OPS_METRICS_HEALTH_H

#include "user/ops/metrics.h"

void sl_metrics_write_health(const struct sl_metrics_source *source, struct sl_text *text);

#endif
