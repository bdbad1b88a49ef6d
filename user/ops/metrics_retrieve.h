/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_retrieve.h - the part of GET /metrics that tells of indexes and retrieval; see metrics.h. */
#ifndef SL_OPS_METRICS_RETRIEVE_H
#define SL_OPS_METRICS_RETRIEVE_H

#include "user/ops/metrics.h"

void sl_metrics_write_retrieve(const struct sl_metrics_source *source, struct sl_text *text);

#endif
