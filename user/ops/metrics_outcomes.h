/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_outcomes.h - what became of the requests of each route, and by what cause: part of GET /metrics. */
#ifndef SL_OPS_METRICS_OUTCOMES_H
#define SL_OPS_METRICS_OUTCOMES_H

#include "user/ops/metrics.h"

void sl_metrics_write_outcomes(const struct sl_metrics_source *source, struct sl_text *text);

#endif
