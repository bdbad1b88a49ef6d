/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace.h - asking the kernel plane for its decisions: whose, for how long, and what they say.
 *
 *   off -> on    sl_trace_begin(): takes the lease (trace_filter.until_ns, by compare-and-swap),
 *                fills the filter, sets settings.trace to a number of its own
 *   on -> on     sl_trace_renew(), at least once in SL_TRACE_LEASE_MS
 *   on -> off    sl_trace_end(), or the first packet after the lease
 *
 * One trace at a time: the ring has one reader. Who is killed leaves a lease that ends by itself.
 */
#ifndef SL_LOADER_TRACE_H
#define SL_LOADER_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/view.h"
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_TRACE_LEASE_MS 5000u

/*
 * "10.0.0.7", "10.0.0.0/8", "10.0.0.7:5000", "fd00::7", "fd00::/64", "[fd00::7]:5000" as client of
 * the filter. 0 or -EINVAL, with a text that says what is wrong.
 */
int sl_trace_parse_client(const char *text, struct sl_trace_filter *filter, struct sl_error *error);

/* "10.0.0.1:80", "[fd00::1]:80", or an address alone for any port. Errors as above. */
int sl_trace_parse_service(const char *text, struct sl_trace_filter *filter,
			   struct sl_error *error);

/*
 * Switches the trace on; `filter` is read but for until_ns. -EBUSY: someone traces, or was killed
 * less than the lease ago.
 */
int sl_trace_begin(const struct sl_view *view, const struct sl_trace_filter *filter,
		   uint32_t *ret_number);

/* -ESTALE: the trace with this number is not on any more. */
int sl_trace_renew(const struct sl_view *view, uint32_t number);

/* Switches it off, if it is still this one. */
void sl_trace_end(const struct sl_view *view, uint32_t number);

/* Switches off what a killed trace left. Does nothing to one that runs. */
void sl_trace_clear(const struct sl_view *view);

/* One decision as one line. `wall_offset_ns`: wall clock minus CLOCK_MONOTONIC. */
void sl_trace_say(const struct sl_view *view, const struct sl_trace *record,
		  uint64_t wall_offset_ns, struct sl_text *text);
void sl_trace_json(const struct sl_view *view, const struct sl_trace *record,
		   uint64_t wall_offset_ns, struct sl_text *text);

#endif
