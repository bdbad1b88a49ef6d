/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trace_context.h - W3C Trace Context: which trace a request belongs to, read from its client and told to nodes.
 *
 *   traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *                version, trace id, id of the span that asks, flags (1: sampled, 2: the id is random)
 *
 * Read as the standard says it strictly: lower case only, no zero id, version 00 exactly 55 bytes long, a
 * higher version by its first 55, ff never. A field that is not valid is as good as none: a new trace.
 *
 * Ids of the request's own spans are not kept but computed: sl_trace_child() of the request's span and a
 * small number, which writer (traceparent for a node) and exporter share.
 *
 * Source: W3C Trace Context (Recommendation of 2021-11-23), the random flag from Level 2. Pure; any thread.
 */
#ifndef SL_BASE_TRACE_CONTEXT_H
#define SL_BASE_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_TRACE_PARENT_LEN 55u
#define SL_TRACE_ID_TEXT    33u /* with its NUL */
#define SL_TRACE_SAMPLED    1u
#define SL_TRACE_RANDOM	    2u
#define SL_TRACE_STATE_MAX  32u /* members of all tracestate fields together */

/* Ids in the order of their digits: the first digit is the highest bits. */
struct sl_trace_context {
	uint64_t high, low; /* the trace; both 0: none */
	uint64_t parent;    /* span that asks; 0: the request begins the trace */
	uint64_t span; /* the request's own; 0: it takes no part, what came is passed on as it is */
	uint8_t flags;
	bool state; /* the client's tracestate is valid and goes on */
	uint8_t pad[6];
};

static inline bool sl_trace_is(const struct sl_trace_context *trace)
{
	return trace->high || trace->low;
}

/* Reads a traceparent's value into high, low, parent and flags. False: it is not valid. */
bool sl_trace_read(struct sl_span value, struct sl_trace_context *ret_trace);

/*
 * Is the value of a tracestate field valid? *members is raised by the members it has; over
 * SL_TRACE_STATE_MAX, of all fields together, it is not.
 */
bool sl_trace_state_is_valid(struct sl_span value, uint32_t *members);

/*
 * Is the trace one of a share of all, in billionths? By the id alone (its lowest 56 bits), so that all
 * who sample the same share take the same traces.
 */
bool sl_trace_is_in_share(const struct sl_trace_context *trace, uint64_t billionths);

/* Id of the number-th span below the request's; never 0. */
uint64_t sl_trace_child(const struct sl_trace_context *trace, uint32_t number);

/* traceparent for whom that span asks; with a NUL. */
void sl_trace_write(const struct sl_trace_context *trace, uint64_t span,
		    char out[SL_TRACE_PARENT_LEN + 1]);

/* The trace's 32 digits, with a NUL. */
void sl_trace_write_id(const struct sl_trace_context *trace, char out[SL_TRACE_ID_TEXT]);

/* 32 lower-case digits, not all 0. */
bool sl_trace_read_id(struct sl_span text, uint64_t *ret_high, uint64_t *ret_low);

#endif
