/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quality.h - whether a route's documents still answer its questions.
 *
 * Of the last `questions` it counts those that found no good chunk:
 *
 *	state	goes to		when
 *	good	poor		the window is full and the share is `poor` or more
 *	poor	good		the share is `back` or less (which is less than `poor`)
 *
 * While it is poor the questions are still looked up, so that it can come back. Pure; the caller's lock.
 */
#ifndef SL_POLICY_QUALITY_H
#define SL_POLICY_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#define SL_QUALITY_QUESTIONS_MAX 1000u
#define SL_QUALITY_ONE		 1000000000ull /* a share of 1 */

struct sl_quality_rule {
	uint64_t poor; /* billionths; 0: never */
	uint64_t back;
	uint32_t questions; /* 1 to SL_QUALITY_QUESTIONS_MAX */
};

/* All zero: good, nothing seen. */
struct sl_quality {
	uint8_t missed[SL_QUALITY_QUESTIONS_MAX]; /* 1: no good chunk */
	uint32_t questions;			  /* of the rule it was filled by */
	uint32_t count;				  /* filled */
	uint32_t next;
	uint32_t misses;
	bool poor;
};

/* One more question. Returns whether the route is poor now. A changed window begins anew. */
bool sl_quality_note(struct sl_quality *quality, const struct sl_quality_rule *rule, bool good);

#endif
