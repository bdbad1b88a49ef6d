/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * burn.h - does one version of a prompt spoil answers? Its error and its validation budget.
 *
 *   state    requests           goes on when
 *   GOOD     all                errors or invalid answers of the last window reach their share, out of
 *                               at least requests_min -> BURNT
 *   BURNT    none               the hold is over -> TRIAL
 *   TRIAL    one of 8           an outcome makes more than half the share impossible to keep
 *                               -> BURNT, for twice as long (at most 8 times the hold);
 *                               `trials` outcomes within half the share -> GOOD
 *
 * Half the share on the way back is the hysteresis: what sits at its budget does not come and go. What
 * is in flight when the state changes is counted where it ends; it moves nothing while BURNT.
 *
 * Pure: times come in. The caller locks (a version is shared by threads).
 */
#ifndef SL_POLICY_BURN_H
#define SL_POLICY_BURN_H

#include <stdbool.h>
#include <stdint.h>

#define SL_BURN_BUCKETS	    10u
#define SL_BURN_TRIAL_EVERY 8u
#define SL_BURN_HOLDS_MAX   8u /* the hold grows to so many times its length */

enum sl_burn_outcome { SL_BURN_OK = 0, SL_BURN_ERROR, SL_BURN_INVALID, SL_BURN_OUTCOMES };

enum sl_burn_state { SL_BURN_GOOD = 0, SL_BURN_BURNT, SL_BURN_TRIAL };

struct sl_burn_limits {
	uint32_t window_ms;
	uint32_t requests_min;	  /* outcomes in the window before it is judged, at least 1 */
	uint32_t error_percent;	  /* share that burns the budget, 1 to 100; 0: never */
	uint32_t invalid_percent; /* the same */
	uint32_t hold_ms;
	uint32_t trials; /* at least 1 */
};

struct sl_burn {
	enum sl_burn_state state;
	uint64_t bucket; /* now_ms / bucket length of the newest */
	uint32_t counts[SL_BURN_BUCKETS][SL_BURN_OUTCOMES];
	uint64_t until_ms; /* BURNT */
	uint32_t holds;	   /* length of the last hold, in holds */
	uint32_t asked;	   /* TRIAL: requests since it began */
	uint32_t tried[SL_BURN_OUTCOMES];
};

/* May the next request have this version? May begin a trial. */
bool sl_burn_allows(struct sl_burn *burn, uint64_t now_ms);

/* How one ended. True when that changed the state, for the log. */
bool sl_burn_note(struct sl_burn *burn, const struct sl_burn_limits *limits, uint64_t now_ms,
		  enum sl_burn_outcome outcome);

#endif
