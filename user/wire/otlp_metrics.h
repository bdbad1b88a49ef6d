/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * otlp_metrics.h - the body of GET /metrics as OTLP metrics. One list of metrics, in one place: what the
 * renderers write for Prometheus is what is read here, line by line, so that neither has what the other lacks.
 *
 *   Prometheus                      OTLP
 *   counter                         sum, monotonic, cumulative
 *   gauge                           gauge
 *   histogram                       histogram, explicit bounds, cumulative
 *   name, labels                    the same; those that begin with gen_ai_ have OpenTelemetry's dots
 *   HELP                            description
 *   ..._seconds, ..._bytes          unit s, By
 *
 * A line that is none of this (no other program's text comes here) is left out. Pure.
 */
#ifndef SL_WIRE_OTLP_METRICS_H
#define SL_WIRE_OTLP_METRICS_H

#include "user/base/text.h"

/*
 * Appends an ExportMetricsServiceRequest. resource: as in otlp.h; start_ns: Unix time since when
 * counters count. Returns the number of points.
 */
uint32_t sl_otlp_metrics_write(struct sl_span body, struct sl_span resource, uint64_t start_ns,
			       uint64_t now_ns, struct sl_text *text);

#endif
