/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliability.h - what outages of one subject (a node, a pool, a route) say of it: how long it goes well
 * between two (MTBF), how long until it is well again (MTTR), how long until anybody knows (MTTD).
 *
 *   MTBF   time it was up / outages that began
 *   MTTR   mean of began -> ended, of the outages that have ended
 *   MTTD   mean of began -> found out, of those that began
 *
 * Outages that overlap are down once. A clock that was set back makes spans of nothing. Pure; any thread.
 */
#ifndef SL_POLICY_RELIABILITY_H
#define SL_POLICY_RELIABILITY_H

#include <stdint.h>

struct sl_outage {
	uint64_t began_ms, found_ms;
	uint64_t ended_ms; /* 0: goes on */
};

struct sl_reliability {
	uint32_t outages; /* that began in the time looked at */
	uint32_t ended;
	uint64_t down_ms;
	uint64_t mtbf_ms, mttr_ms, mttd_ms; /* 0: without one there is no mean */
};

/* outages in the order in which they began; from_ms to now_ms is looked at. */
void sl_reliability_of(const struct sl_outage *outages, uint32_t count, uint64_t from_ms,
		       uint64_t now_ms, struct sl_reliability *ret_reliability);

#endif
