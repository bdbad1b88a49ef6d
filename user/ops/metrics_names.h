/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics_names.h - the part of GET /metrics that is of what nodes say they are, and of what that holds up.
 * As metrics.h.
 */
#ifndef SL_OPS_METRICS_NAMES_H
#define SL_OPS_METRICS_NAMES_H

#include "user/ops/metrics.h"

void sl_metrics_write_names(const struct sl_metrics_source *source, struct sl_text *text);

#endif
