/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_kernel.h - the part of GET /metrics that the kernel plane counts; see metrics.h. */
#ifndef SL_OPS_METRICS_KERNEL_H
#define SL_OPS_METRICS_KERNEL_H

#include "user/ops/metrics.h"

void sl_metrics_write_kernel(const struct sl_metrics_source *source, struct sl_text *text);

#endif
