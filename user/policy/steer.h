/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * steer.h - how many of a route's requests ask its second pool first, by how good the answers of both are.
 *
 *	of the two, surely worse (its interval of bad answers lies above the other's)
 *	                             loses `step` of the requests, down to `floor`
 *	neither                      nothing moves
 *	one has too few samples      it gets its floor, so that it has some
 *
 * At most one step every `every_ms`: evidence of the share before must come in first. The share of the second
 * begins at `floor`, and is never outside of floor to 1 - floor: what is known of a pool is never stale.
 *
 * Pure; times come in.
 */
#ifndef SL_POLICY_STEER_H
#define SL_POLICY_STEER_H

#include "user/policy/rate.h"

#define SL_STEER_SAMPLES_MIN 20u /* of a pool, before it counts */
#define SL_STEER_ONE	     10000u

struct sl_steer_rules {
	uint32_t floor, step; /* of SL_STEER_ONE */
	uint32_t every_ms;
};

struct sl_steer {
	uint32_t share; /* of the second; 0: it has not begun */
	uint64_t moved_ms;
};

/* Looks, and moves where it is time. Returns the share. */
uint32_t sl_steer_move(struct sl_steer *steer, const struct sl_steer_rules *rules,
		       const struct sl_rate *first, const struct sl_rate *second, uint64_t now_ms);

#endif
