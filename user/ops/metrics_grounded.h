/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_grounded.h - the part of GET /metrics that tells whether answers follow their documents. */
#ifndef SL_OPS_METRICS_GROUNDED_H
#define SL_OPS_METRICS_GROUNDED_H

#include "user/ops/metrics.h"

void sl_metrics_write_grounded(const struct sl_metrics_source *source, struct sl_text *text);

#endif
