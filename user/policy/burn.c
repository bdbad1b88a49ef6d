/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/burn.h"

#include <string.h>

static uint64_t bucket_of(const struct sl_burn_limits *limits, uint64_t now_ms)
{
	uint64_t length = limits->window_ms / SL_BURN_BUCKETS;

	return now_ms / (length ? length : 1);
}

/* Empties what is older than the window. */
static void advance(struct sl_burn *burn, uint64_t bucket)
{
	uint64_t gone = bucket > burn->bucket ? bucket - burn->bucket : 0;

	if (gone > SL_BURN_BUCKETS)
		gone = SL_BURN_BUCKETS;
	for (uint64_t i = 1; i <= gone; i++)
		memset(burn->counts[(bucket + 1 - i) % SL_BURN_BUCKETS], 0,
		       sizeof(burn->counts[0]));
	if (gone)
		burn->bucket = bucket;
}

static void set_state(struct sl_burn *burn, enum sl_burn_state state)
{
	burn->state = state;
	burn->asked = 0;
	memset(burn->tried, 0, sizeof(burn->tried));
	memset(burn->counts, 0, sizeof(burn->counts));
}

static bool over(uint64_t bad, uint64_t all, uint32_t percent)
{
	return percent && bad * 100 >= all * percent;
}

static bool is_burnt(const struct sl_burn *burn, const struct sl_burn_limits *limits)
{
	uint64_t sums[SL_BURN_OUTCOMES] = {0}, all = 0;

	for (uint32_t i = 0; i < SL_BURN_BUCKETS; i++) {
		for (uint32_t k = 0; k < SL_BURN_OUTCOMES; k++) {
			sums[k] += burn->counts[i][k];
			all += burn->counts[i][k];
		}
	}
	return all >= limits->requests_min &&
	       (over(sums[SL_BURN_ERROR], all, limits->error_percent) ||
		over(sums[SL_BURN_INVALID], all, limits->invalid_percent));
}

static void hold(struct sl_burn *burn, const struct sl_burn_limits *limits, uint64_t now_ms,
		 uint32_t holds)
{
	set_state(burn, SL_BURN_BURNT);
	burn->holds = holds < SL_BURN_HOLDS_MAX ? holds : SL_BURN_HOLDS_MAX;
	burn->until_ms = now_ms + (uint64_t)limits->hold_ms * burn->holds;
}

bool sl_burn_allows(struct sl_burn *burn, uint64_t now_ms)
{
	if (burn->state == SL_BURN_BURNT && now_ms >= burn->until_ms)
		set_state(burn, SL_BURN_TRIAL);
	if (burn->state == SL_BURN_TRIAL)
		return burn->asked++ % SL_BURN_TRIAL_EVERY == 0;
	return burn->state == SL_BURN_GOOD;
}

static bool note_trial(struct sl_burn *burn, const struct sl_burn_limits *limits, uint64_t now_ms,
		       enum sl_burn_outcome outcome)
{
	uint32_t *tried = burn->tried, all;

	tried[outcome]++;
	all = tried[SL_BURN_OK] + tried[SL_BURN_ERROR] + tried[SL_BURN_INVALID];
	/* 200: half the share */
	if ((limits->error_percent && (uint64_t)tried[SL_BURN_ERROR] * 200 >
					      (uint64_t)limits->trials * limits->error_percent) ||
	    (limits->invalid_percent &&
	     (uint64_t)tried[SL_BURN_INVALID] * 200 >
		     (uint64_t)limits->trials * limits->invalid_percent)) {
		hold(burn, limits, now_ms, burn->holds * 2);
		return true;
	}
	if (all < limits->trials)
		return false;
	set_state(burn, SL_BURN_GOOD);
	burn->holds = 0;
	return true;
}

bool sl_burn_note(struct sl_burn *burn, const struct sl_burn_limits *limits, uint64_t now_ms,
		  enum sl_burn_outcome outcome)
{
	if (burn->state == SL_BURN_BURNT)
		return false;
	if (burn->state == SL_BURN_TRIAL)
		return note_trial(burn, limits, now_ms, outcome);
	advance(burn, bucket_of(limits, now_ms));
	burn->counts[burn->bucket % SL_BURN_BUCKETS][outcome]++;
	if (!is_burnt(burn, limits))
		return false;
	hold(burn, limits, now_ms, 1);
	return true;
}
