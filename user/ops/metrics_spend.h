/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_spend.h - what tenants and models have used and spent. Thread: any. */
#ifndef SL_OPS_METRICS_SPEND_H
#define SL_OPS_METRICS_SPEND_H

#include "user/base/text.h"
#include "user/ops/metrics.h"

/* Money without samples where there are no prices. */
void sl_metrics_write_spend(const struct sl_metrics_source *source, struct sl_text *text);

#endif
