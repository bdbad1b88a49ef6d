/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_telemetry.h - the part of metrics.h that tells what the nodes say of their load. */
#ifndef SL_OPS_METRICS_TELEMETRY_H
#define SL_OPS_METRICS_TELEMETRY_H

#include "user/ops/metrics.h"

void sl_metrics_write_telemetry(const struct sl_metrics_source *source, struct sl_text *text);

#endif
