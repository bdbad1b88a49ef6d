/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * otlp.h - sends traces and metrics to an OpenTelemetry collector (`otlp` of the configuration).
 *
 *   workers' queues (request/traces.h, SL_TRACES_RECORDS each)
 *     -> poll: spans of whole requests, gathered for GATHER_MS or GATHER_BYTES
 *     -> batches, at most BATCHES_MAX of them wait -> one fiber of the control loop -> POST /v1/traces
 *   every `otlp.metrics`: the body of /metrics, written and turned into OTLP on a thread of the pool of
 *     work -> the same fiber -> POST /v1/metrics
 *
 * The collector is a pool: choice of a node, breaker, TLS and Retry-After are the upstream engine's
 * (upstream/call.h). What an answer means (OTLP specification, "Failures"):
 *
 *   answer                            traces                                       metrics
 *   2xx                               sent; what it rejects is counted             the same
 *   429, 502, 503, 504; no answer,    again, with backoff up to RETRY_MAX_MS,      the next ones say it all
 *   no node                           dropped after otlp.wait
 *   any other                         dropped                                      dropped
 *
 * A collector that is down costs no request anything: batches wait, then the queues of the workers fill, then
 * records are lost and counted. At the end of the process what is left has FLUSH_MS.
 *
 * Threads: control, but write_metrics().
 */
#ifndef SL_OPS_OTLP_H
#define SL_OPS_OTLP_H

#include "user/ops/watch.h"

extern const struct sl_watch_part sl_otlp_part;

#endif
