/* SPDX-License-Identifier: BSD-2-Clause */
/* metrics_tls.h - handshakes and certificates, as metrics; called by sl_metrics_write() alone. */
#ifndef SL_OPS_METRICS_TLS_H
#define SL_OPS_METRICS_TLS_H

#include "user/ops/metrics.h"

void sl_metrics_write_tls(const struct sl_metrics_source *source, struct sl_text *text);

#endif
