/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dwell.h - how long something was in each of its states, by looking at it now and then.
 *
 * Between two looks it counts as in the state of the first: at most one interval goes to the wrong state at
 * each change, and a visit between two looks is not seen. A clock that was set back counts for nothing.
 *
 * One writer; readers of any thread load `ms` as they are.
 */
#ifndef SL_POLICY_DWELL_H
#define SL_POLICY_DWELL_H

#include <stdint.h>

#define SL_DWELL_STATES 8u

/* All zero: never looked at. */
struct sl_dwell {
	uint64_t ms[SL_DWELL_STATES];
	uint64_t looked_ms; /* 0: never */
	uint32_t whose;	    /* incarnation: another one begins anew */
	uint8_t state;
};

/* now_ms: not 0. A state beyond the last one counts as that. */
void sl_dwell_look(struct sl_dwell *dwell, uint32_t whose, uint32_t state, uint64_t now_ms);

#endif
