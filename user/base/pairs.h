/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pairs.h - "key=value,key=value" with percent-coded values: the form of OTEL_RESOURCE_ATTRIBUTES and
 * OTEL_EXPORTER_OTLP_HEADERS (OpenTelemetry specification, after W3C Baggage). Pure; any thread.
 */
#ifndef SL_BASE_PAIRS_H
#define SL_BASE_PAIRS_H

#include <stdbool.h>
#include "user/base/text.h"

/*
 * Each pair, decoded, goes to fn (borrowed for the call). False: one is none, has a '%' without two
 * digits, or a value over 1,024 bytes; *ret_bad is it, and fn has had those before it.
 */
bool sl_pairs_each(struct sl_span pairs,
		   void (*fn)(void *arg, struct sl_span key, struct sl_span value), void *arg,
		   struct sl_span *ret_bad);

#endif
