/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * limit.h - how much in how much time: GCRA with reservations.
 *
 * The generic cell rate algorithm (ITU-T I.371) keeps one time stamp: when all that was charged will
 * have drained. A unit costs period / rate; what is charged may reach one period ahead of now, so a
 * limit of 60 a minute takes 60 at once, then one a second (to within half a unit or 10 us). There is no window whose edge lets
 * twice as much through.
 *
 * What a request will use is known only when it has ended. So an estimate is reserved first, which
 * counts against the limit but has no time stamp, and what was used is charged at the end:
 *
 *	admitted  <=>  drain time of what was charged  +  cost of all reservations  <=  one period
 *
 * Thus nothing is charged that was not used, and no estimate that was too large has to be given
 * back to a stamp that has drained meanwhile. Use above the estimate is charged too: those who come
 * later wait for it.
 *
 * Threads share a limit without a lock: a reservation is one atomic addition and a load (undone when
 * refused), a charge a compare-and-swap. 10 ns alone, some 100 ns when another core wrote the line
 * last. A thread sees others' reservations before its own is admitted, so that none is admitted in
 * excess; two that race for the last room may both be refused. Pure: the caller brings the clock, ns
 * of CLOCK_MONOTONIC; it may be behind another thread's by the length of a loop's turn.
 */
#ifndef SL_POLICY_LIMIT_H
#define SL_POLICY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/rates.h"

#define SL_LIMIT_PERIOD_NS 60000000000ull
#define SL_LIMIT_NEVER	   UINT64_MAX /* a wait that would not help: more than the whole limit */

/* All zero: nothing was used. */
struct sl_limit {
	uint64_t drained_ns; /* when all that was charged will have drained */
	uint64_t reserved;   /* units of those under way */
};

/* Reserves units. Else false, and *ret_wait_ns: how long at least until they could be had. */
bool sl_limit_reserve(struct sl_limit *limit, uint32_t rate, uint64_t units, uint64_t now_ns,
		      uint64_t *ret_wait_ns);

/* Ends a reservation and charges what was used, which may be 0 or more than was reserved. */
void sl_limit_settle(struct sl_limit *limit, uint32_t rate, uint64_t reserved, uint64_t used,
		     uint64_t now_ns);

/* Units that could be reserved now, and the time until all could. Both are gone when read. */
void sl_limit_look(const struct sl_limit *limit, uint32_t rate, uint64_t now_ns,
		   uint64_t *ret_remaining, uint64_t *ret_reset_ns);

/* ---- what one key, tenant or model has used --------------------------------------------------- */

enum sl_meter_limit {
	SL_METER_NONE = 0,
	SL_METER_CONCURRENT,
	SL_METER_REQUESTS,
	SL_METER_TOKENS,
	SL_METER_LIMITS
};

/* Outlives reloads. Of any thread; a cache line of its own. */
struct sl_meter {
	uint32_t refs; /* of snapshots */
	uint32_t in_flight;
	struct sl_limit requests;
	struct sl_limit tokens;
	uint64_t requests_total; /* admitted */
	uint64_t tokens_total;	 /* charged */
} __attribute__((aligned(64)));

/* NULL without memory. One reference. */
struct sl_meter *sl_meter_new(void);
struct sl_meter *sl_meter_get(struct sl_meter *meter);
void sl_meter_put(struct sl_meter **meter);

/*
 * Takes a place and reserves a request and the tokens. SL_METER_NONE: taken; else the limit that
 * refused, with *ret_wait_ns, and nothing is taken.
 */
enum sl_meter_limit sl_meter_take(struct sl_meter *meter, const struct sl_rates *rates,
				  uint64_t tokens, uint64_t now_ns, uint64_t *ret_wait_ns);

/* Takes sl_meter_take() back, as if it had not been. */
void sl_meter_undo(struct sl_meter *meter, const struct sl_rates *rates, uint64_t tokens,
		   uint64_t now_ns);

/* Charges the request itself, once every meter has taken it. */
void sl_meter_begin(struct sl_meter *meter, const struct sl_rates *rates, uint64_t now_ns);

/* Gives the place back and charges the tokens that were used. */
void sl_meter_end(struct sl_meter *meter, const struct sl_rates *rates, uint64_t reserved,
		  uint64_t used, uint64_t now_ns);

#endif
