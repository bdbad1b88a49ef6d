/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_genai.h - the families of request/genai.h, under OpenTelemetry's names with underscores. Any thread. */
#ifndef SL_OPS_METRICS_GENAI_H
#define SL_OPS_METRICS_GENAI_H

#include "user/ops/metrics.h"

void sl_metrics_write_genai(const struct sl_metrics_source *source, struct sl_text *text);

#endif
