/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strata.h - which requests of a route are looked at, so that rare ones are seen as well as common ones.
 *
 *   a request -> its stratum: who asked (one of SL_STRATA_TENANTS), kept answer or not, degraded or not,
 *                stream or not, its arm in a roll-out
 *   taken     by its stratum's share: every (1 / share)th one, counted within the stratum
 *             or because none of its stratum was taken for rare_ms
 *   weight    how many of its stratum have come since the last one that was taken, itself included
 *
 * So the weights of those that were taken add up to the requests that came, whatever the shares were, and a
 * weighted share (policy/rate.h) is one of the traffic, not of the samples.
 *
 * No lock and no allocation: three atomic operations for a request that is not taken, two more for one that
 * is. Two requests at the same moment may both find theirs the turn or none of them; the sum of the weights
 * holds all the same. Any thread.
 */
#ifndef SL_POLICY_STRATA_H
#define SL_POLICY_STRATA_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_STRATA_TENANTS 32u
#define SL_STRATA_SHARES  10000u /* a share of 1 */

enum sl_strata_arm {
	SL_STRATA_NO_ARM = 0,
	SL_STRATA_BASELINE,
	SL_STRATA_CANDIDATE,
	SL_STRATA_ARMS
};

#define SL_STRATA (SL_STRATA_TENANTS * 2u * 2u * 2u * SL_STRATA_ARMS)

struct sl_stratum_of {
	struct sl_span tenant; /* or key; may be empty */
	bool kept;	       /* a kept answer, not a model's own */
	bool degraded;
	bool stream;
	enum sl_strata_arm arm;
};

/* All zero at first. */
struct sl_stratum {
	uint32_t credit; /* of SL_STRATA_SHARES, wraps around */
	uint32_t since;	 /* requests since the last one that was taken */
	uint64_t taken_ms;
};

struct sl_strata {
	struct sl_stratum of[SL_STRATA];
};

/* Below SL_STRATA. */
uint32_t sl_strata_find(const struct sl_stratum_of *of);

/*
 * A request of that stratum: is it to be looked at, and for how many does it stand? share: of
 * SL_STRATA_SHARES; 0: never, and it does not count. rare_ms 0: by the share alone. now_ms: above 0.
 */
bool sl_strata_take(struct sl_strata *strata, uint32_t stratum, uint32_t share, uint32_t rare_ms,
		    uint64_t now_ms, uint32_t *ret_weight);

#endif
