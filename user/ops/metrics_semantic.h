/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_semantic.h - the part of GET /metrics that tells of the semantic cache; see metrics.h. */
#ifndef SL_OPS_METRICS_SEMANTIC_H
#define SL_OPS_METRICS_SEMANTIC_H

#include "user/ops/metrics.h"

/* Nothing where no route has one. */
void sl_metrics_write_semantic(const struct sl_metrics_source *source, struct sl_text *text);

#endif
