/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shadow.h - how often is a kept answer the wrong one, and how near must questions be for it?
 *
 * Of the answers that the semantic cache gives, a share is asked of the model as well, beside the client.
 * Where the two answers say the same the hit was a good one, else a false one. The rate of false hits is
 * known within Wilson's interval (95 %), and that moves the route's threshold:
 *
 *   interval                                   threshold
 *   all of it above the target                 up by SL_SHADOW_STEP_UP, to `highest` at most
 *   all of it below half of the target         down by SL_SHADOW_STEP_DOWN, to `lowest` at least
 *   otherwise, or below SL_SHADOW_SAMPLES_MIN  stays
 *
 * Half of the target on the way down, and the smaller step, are the hysteresis. A threshold that moved is
 * judged by samples of its own: those before it tell of another one. Of SL_SHADOW_SAMPLES_MAX samples half
 * are forgotten, so that what was true last month does not outvote today.
 *
 * Pure: times come in. The caller locks.
 */
#ifndef SL_POLICY_SHADOW_H
#define SL_POLICY_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#define SL_SHADOW_STEP_UP     10000000u /* billionths of a similarity */
#define SL_SHADOW_STEP_DOWN   5000000u
#define SL_SHADOW_SAMPLES_MIN 20u
#define SL_SHADOW_SAMPLES_MAX 2000u

struct sl_shadow_limits {
	uint32_t percent;   /* of the hits, that are sampled */
	uint64_t threshold; /* as configured; all in billionths */
	uint64_t lowest, highest;
	uint32_t target_percent; /* of false hits */
	uint64_t tokens_max;	 /* an hour */
};

/* Of a route. All zero: nothing is known yet. */
struct sl_shadow {
	uint64_t configured;	   /* threshold that it began with; another one begins anew */
	uint64_t threshold;	   /* now */
	uint32_t agreed, differed; /* since the threshold moved */
	uint64_t hits;
	uint64_t hour, tokens; /* that were used in it */
	uint64_t all_agreed, all_differed, failed, spared, all_tokens, raised, lowered;
	uint64_t judged, judge_failed; /* by a model; the vectors were compared instead */
};

enum sl_shadow_move { SL_SHADOW_STAYS = 0, SL_SHADOW_RAISED, SL_SHADOW_LOWERED };

/* Wilson's score interval at 95 % for `count` of `all`; all 0: 0 to 1. */
void sl_shadow_wilson(uint64_t count, uint64_t all, double *ret_low, double *ret_high);

/* The threshold to go by, in billionths. */
uint64_t sl_shadow_threshold(struct sl_shadow *shadow, const struct sl_shadow_limits *limits);

/*
 * A kept answer was given: is the model to be asked as well? Every hundredth, say, and not above the hour's
 * tokens (counted as spared); tokens: what it may use.
 */
bool sl_shadow_wants(struct sl_shadow *shadow, const struct sl_shadow_limits *limits,
		     uint64_t tokens, uint64_t now_ms);

/* It has used so many. */
void sl_shadow_spend(struct sl_shadow *shadow, uint64_t tokens, uint64_t now_ms);

/* What came of it. */
enum sl_shadow_move sl_shadow_note(struct sl_shadow *shadow, const struct sl_shadow_limits *limits,
				   bool agreed);

#endif
