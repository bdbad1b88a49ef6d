/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/shadow.h"

#include <math.h>

#define Z	     1.959964 /* of the normal distribution, for 95 % */
#define MS_OF_HOUR   3600000u
#define PERCENT_FULL 100u

void sl_shadow_wilson(uint64_t count, uint64_t all, double *ret_low, double *ret_high)
{
	double n = (double)all, share, middle, half, whole;

	*ret_low = 0;
	*ret_high = 1;
	if (!all)
		return;
	share = (double)count / n;
	whole = 1 + Z * Z / n;
	middle = (share + Z * Z / (2 * n)) / whole;
	half = Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / whole;
	*ret_low = count ? middle - half : 0; /* rounding would leave a trace of nothing */
	*ret_high = count < all ? middle + half : 1;
}

static uint64_t lowest_of(const struct sl_shadow_limits *limits)
{
	return limits->lowest < limits->threshold ? limits->lowest : limits->threshold;
}

static uint64_t highest_of(const struct sl_shadow_limits *limits)
{
	return limits->highest > limits->threshold ? limits->highest : limits->threshold;
}

uint64_t sl_shadow_threshold(struct sl_shadow *shadow, const struct sl_shadow_limits *limits)
{
	if (shadow->configured != limits->threshold) {
		shadow->configured = limits->threshold;
		shadow->threshold = limits->threshold;
		shadow->agreed = 0;
		shadow->differed = 0;
	}
	/* The limits may have changed since. */
	if (shadow->threshold < lowest_of(limits))
		shadow->threshold = lowest_of(limits);
	if (shadow->threshold > highest_of(limits))
		shadow->threshold = highest_of(limits);
	return shadow->threshold;
}

static void begin_hour(struct sl_shadow *shadow, uint64_t now_ms)
{
	uint64_t hour = now_ms / MS_OF_HOUR;

	if (shadow->hour == hour)
		return;
	shadow->hour = hour;
	shadow->tokens = 0;
}

bool sl_shadow_wants(struct sl_shadow *shadow, const struct sl_shadow_limits *limits,
		     uint64_t tokens, uint64_t now_ms)
{
	uint64_t before = shadow->hits * limits->percent / PERCENT_FULL;

	shadow->hits++;
	if (shadow->hits * limits->percent / PERCENT_FULL == before)
		return false;
	begin_hour(shadow, now_ms);
	if (shadow->tokens + tokens > limits->tokens_max) {
		shadow->spared++;
		return false;
	}
	return true;
}

void sl_shadow_spend(struct sl_shadow *shadow, uint64_t tokens, uint64_t now_ms)
{
	begin_hour(shadow, now_ms);
	shadow->tokens += tokens;
	shadow->all_tokens += tokens;
}

static enum sl_shadow_move move_to(struct sl_shadow *shadow, uint64_t threshold)
{
	enum sl_shadow_move move =
		threshold > shadow->threshold ? SL_SHADOW_RAISED : SL_SHADOW_LOWERED;

	if (threshold == shadow->threshold)
		return SL_SHADOW_STAYS;
	shadow->threshold = threshold;
	shadow->agreed = 0;
	shadow->differed = 0;
	shadow->raised += move == SL_SHADOW_RAISED;
	shadow->lowered += move == SL_SHADOW_LOWERED;
	return move;
}

enum sl_shadow_move sl_shadow_note(struct sl_shadow *shadow, const struct sl_shadow_limits *limits,
				   bool agreed)
{
	uint64_t threshold = sl_shadow_threshold(shadow, limits), next = threshold;
	double target = (double)limits->target_percent / PERCENT_FULL, low, high;
	uint32_t samples;

	shadow->agreed += agreed;
	shadow->differed += !agreed;
	shadow->all_agreed += agreed;
	shadow->all_differed += !agreed;
	samples = shadow->agreed + shadow->differed;
	if (samples >= SL_SHADOW_SAMPLES_MIN) {
		sl_shadow_wilson(shadow->differed, samples, &low, &high);
		if (low > target)
			next = threshold + SL_SHADOW_STEP_UP;
		else if (high < target / 2)
			next = threshold - SL_SHADOW_STEP_DOWN;
		if (next > highest_of(limits))
			next = highest_of(limits);
		if (next < lowest_of(limits))
			next = lowest_of(limits);
	}
	if (samples >= SL_SHADOW_SAMPLES_MAX) {
		shadow->agreed /= 2;
		shadow->differed /= 2;
	}
	return move_to(shadow, next);
}
