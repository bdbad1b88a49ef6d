/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_http.h - the part of GET /metrics about client connections and what came by them. */
#ifndef SL_OPS_METRICS_HTTP_H
#define SL_OPS_METRICS_HTTP_H

#include "user/ops/metrics.h"

void sl_metrics_write_http(const struct sl_metrics_source *source, struct sl_text *text);

#endif
