/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey.h - a pool at a glance: how full its nodes are, and how many of them take requests. Costs a few
 * loads a node; for decisions about a request, not about a packet. Thread: the loop's.
 */
#ifndef SL_UPSTREAM_SURVEY_H
#define SL_UPSTREAM_SURVEY_H

#include "user/upstream/upstream.h"

struct sl_survey {
	uint32_t nodes;
	/* That take requests and do not fail: neither open, drained, left alone, doubtful, nor found
	 * failing by health checks. */
	uint32_t available;
	uint32_t running; /* requests of this host at those */
	/* That those take at once: slots, or what policy/concurrency.h found; 0: some take any number. */
	uint32_t places;
};

struct sl_survey sl_survey_make(const struct sl_upstream *up, const struct sl_upstream_pool *pool);

#endif
