/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * h2_budget.h - how often a peer may do what costs us more than it. Pure; any thread.
 *
 * A bucket of `burst` turns, of which one comes back every each_ns: kept as the time at which it is
 * full again, so an idle one needs no care.
 */
#ifndef SL_HTTP_H2_BUDGET_H
#define SL_HTTP_H2_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct sl_h2_budget {
	uint64_t full_ns; /* 0: full */
};

/* Takes a turn. False: none is left. */
static inline bool sl_h2_budget_take(struct sl_h2_budget *budget, uint64_t now_ns, uint64_t each_ns,
				     uint32_t burst)
{
	if (budget->full_ns < now_ns)
		budget->full_ns = now_ns;
	if (budget->full_ns - now_ns + each_ns > burst * each_ns)
		return false;
	budget->full_ns += each_ns;
	return true;
}

/* Gives turns back, up to the burst. */
static inline void sl_h2_budget_earn(struct sl_h2_budget *budget, uint64_t each_ns, uint32_t turns)
{
	uint64_t gain_ns = turns * each_ns;

	budget->full_ns = budget->full_ns > gain_ns ? budget->full_ns - gain_ns : 0;
}

#endif
