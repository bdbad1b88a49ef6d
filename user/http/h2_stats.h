/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_stats.h - what HTTP/2 connections of one server did. Written by its thread, read by any.
 */
#ifndef SL_HTTP_H2_STATS_H
#define SL_HTTP_H2_STATS_H

#include <stdint.h>

/* Why a connection was ended, or a stream of it. */
#define SL_H2_REFUSALS(X)                            \
	X(PROTOCOL, "protocol")	    /* connection */ \
	X(RESETS, "rapid_reset")    /* connection */ \
	X(CONTROL, "control_flood") /* connection */ \
	X(HEADERS, "header_flood")  /* connection */ \
	X(MALFORMED, "malformed")   /* stream */     \
	X(BODIES, "bodies")	    /* stream */

enum sl_h2_refusal {
#define X(id, name) SL_H2_REFUSED_##id,
	SL_H2_REFUSALS(X)
#undef X
		SL_H2_REFUSED_COUNT
};

extern const char *const sl_h2_refusal_names[SL_H2_REFUSED_COUNT];

struct sl_h2_stats {
	uint64_t conns;	   /* open now */
	uint64_t accepted; /* ever */
	uint64_t streams;  /* open now */
	uint64_t requests; /* complete ones, ever */
	uint64_t resets;   /* streams that clients gave up */
	uint64_t refused[SL_H2_REFUSED_COUNT];
};

#endif
