/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_cache.h - the part of GET /metrics that tells of the cache of answers; see metrics.h. */
#ifndef SL_OPS_METRICS_CACHE_H
#define SL_OPS_METRICS_CACHE_H

#include "user/ops/metrics.h"

void sl_metrics_write_cache(const struct sl_metrics_source *source, struct sl_text *text);

#endif
