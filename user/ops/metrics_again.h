/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_again.h - the part of GET /metrics that tells of retries and hedges; see metrics.h. */
#ifndef SL_OPS_METRICS_AGAIN_H
#define SL_OPS_METRICS_AGAIN_H

#include "user/ops/metrics.h"

void sl_metrics_write_again(const struct sl_metrics_source *source, struct sl_text *text);

#endif
