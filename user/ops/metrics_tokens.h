/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_tokens.h - what lengths of prompts rested on; part of /metrics. */
#ifndef SL_OPS_METRICS_TOKENS_H
#define SL_OPS_METRICS_TOKENS_H

#include "user/ops/metrics.h"

void sl_metrics_write_tokens(const struct sl_metrics_source *source, struct sl_text *text);

#endif
