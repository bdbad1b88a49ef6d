/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trail_spans.h - a trail as OpenTelemetry spans: what `sluice explain` says, for a tracing system.
 *
 *   POST /v1/chat/completions            SERVER    the request; ladders, refusal, the client's leaving
 *     admit                              INTERNAL  key, limits, route
 *     prompt, screen, cache, retrieve,   INTERNAL  each that the route has
 *     fit, validate
 *     queue                              INTERNAL  each wait for a place or a node
 *     generate                           INTERNAL  pools, retries, hedges, fallbacks as events
 *       chat MODEL                       CLIENT    each attempt: node, why it, how it ended; first token
 *
 * Times are those of the trail: microseconds since the request's start, of the loop's turn (a stage that
 * waits for nothing takes none). Names after the semantic conventions for GenAI and HTTP where they have
 * one; ours begin with `sluice.`. No prompt, no answer: a trail has none.
 *
 * Pure but for the names it looks up. Control thread.
 */
#ifndef SL_REQUEST_TRAIL_SPANS_H
#define SL_REQUEST_TRAIL_SPANS_H

#include "user/request/traces.h"
#include "user/upstream/upstream.h"

/* Appends the spans, between sl_otlp_begin() and sl_otlp_end(). offset_ns makes loop time Unix time. Returns
 * their number. */
uint32_t sl_trail_spans_write(const struct sl_trace_record *record, uint64_t offset_ns,
			      const struct sl_upstream_state *state, struct sl_text *text);

#endif
