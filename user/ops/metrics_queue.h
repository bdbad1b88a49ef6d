/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_queue.h - the part of GET /metrics that tells of the pools' queues; see metrics.h. */
#ifndef SL_OPS_METRICS_QUEUE_H
#define SL_OPS_METRICS_QUEUE_H

#include "user/ops/metrics.h"

void sl_metrics_write_queue(const struct sl_metrics_source *source, struct sl_text *text);

#endif
