/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_turns.h - turns of the threads' loops (io/turns.h), as metrics; called by sl_metrics_write() alone. */
#ifndef SL_OPS_METRICS_TURNS_H
#define SL_OPS_METRICS_TURNS_H

#include "user/ops/metrics.h"

/* Nothing where nobody measures. */
void sl_metrics_write_turns(const struct sl_metrics_source *source, struct sl_text *text);

#endif
