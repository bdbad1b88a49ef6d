/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_fit.h - the part of GET /metrics that tells of pools passed over; see metrics.h. */
#ifndef SL_OPS_METRICS_FIT_H
#define SL_OPS_METRICS_FIT_H

#include "user/ops/metrics.h"

void sl_metrics_write_fit(const struct sl_metrics_source *source, struct sl_text *text);

#endif
