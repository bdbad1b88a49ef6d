/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relay_survey.h - which nodes have streams open, and how long all of them have been silent.
 *
 * A walk over the thread's relays, some ns each: for a timer of seconds. Thread: the loop's.
 */
#ifndef SL_REQUEST_RELAY_SURVEY_H
#define SL_REQUEST_RELAY_SURVEY_H

#include "user/request/worker.h"

/* Of one node slot. Paused streams (their client is slow) are not among them. */
struct sl_relay_survey {
	uint32_t streams;
	uint64_t progress_ns; /* of the one that brought a token last */
};

/* Adds this thread's streams to nodes[SL_NODES_MAX], which other threads do at the same time. */
void sl_relay_survey(const struct sl_worker *worker, struct sl_relay_survey *nodes);

/* The node of that slot serves nobody: this thread's streams from it end as stalled. */
void sl_relay_stall_node(struct sl_worker *worker, uint32_t slot);

#endif
