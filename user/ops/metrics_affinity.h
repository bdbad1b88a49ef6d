/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_affinity.h - the part of GET /metrics that tells why nodes were chosen; see metrics.h. */
#ifndef SL_OPS_METRICS_AFFINITY_H
#define SL_OPS_METRICS_AFFINITY_H

#include "user/ops/metrics.h"

void sl_metrics_write_affinity(const struct sl_metrics_source *source, struct sl_text *text);

#endif
