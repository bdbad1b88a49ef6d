/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_resume.h - the part of GET /metrics that tells of streams that broke; see metrics.h. */
#ifndef SL_OPS_METRICS_RESUME_H
#define SL_OPS_METRICS_RESUME_H

#include "user/ops/metrics.h"

void sl_metrics_write_resume(const struct sl_metrics_source *source, struct sl_text *text);

#endif
