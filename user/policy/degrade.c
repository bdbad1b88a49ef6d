/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/degrade.h"

#include <string.h>
#include "user/base/latency.h"

#define P95 950u

static bool is_over(uint32_t value, uint32_t bound)
{
	return bound && value > bound;
}

static bool is_above(uint32_t value, uint32_t bound, uint32_t percent)
{
	return bound && (uint64_t)value * 100 > (uint64_t)bound * percent;
}

static bool any_over(const struct sl_degrade_view *view, const struct sl_degrade_view *bounds)
{
	return is_over(view->load_percent, bounds->load_percent) ||
	       is_over(view->breakers_percent, bounds->breakers_percent) ||
	       is_over(view->wait_ms, bounds->wait_ms) || is_over(view->ttft_ms, bounds->ttft_ms);
}

static bool is_calm(const struct sl_degrade_view *view, const struct sl_degrade_rule *rule)
{
	const struct sl_degrade_view *bounds = &rule->bounds;
	uint32_t percent = rule->leave_percent;

	return !is_above(view->load_percent, bounds->load_percent, percent) &&
	       !is_above(view->breakers_percent, bounds->breakers_percent, percent) &&
	       !is_above(view->wait_ms, bounds->wait_ms, percent) &&
	       !is_above(view->ttft_ms, bounds->ttft_ms, percent);
}

static void set_on(struct sl_degrade_state *state, bool on, uint64_t now_ms)
{
	state->since_ms = now_ms;
	state->calm_ms = 0;
	state->entered += on;
	__atomic_store_n(&state->on, on, __ATOMIC_RELAXED);
}

/* The caller alone. */
static enum sl_degrade_change move(struct sl_degrade_state *state,
				   const struct sl_degrade_rule *rule,
				   const struct sl_degrade_view *view, uint64_t now_ms)
{
	bool idle = now_ms - state->looked_ms >= rule->dwell_ms;

	state->looked_ms = now_ms;
	if (any_over(view, &rule->bounds)) {
		state->calm_ms = 0;
		if (state->on)
			return SL_DEGRADE_SAME;
		set_on(state, true, now_ms);
		return SL_DEGRADE_ENTERED;
	}
	if (!state->on)
		return SL_DEGRADE_SAME;
	if (!is_calm(view, rule)) {
		state->calm_ms = 0;
		return SL_DEGRADE_SAME;
	}
	if (!state->calm_ms)
		state->calm_ms = now_ms;
	if (!idle &&
	    (now_ms - state->calm_ms < rule->dwell_ms || now_ms - state->since_ms < rule->dwell_ms))
		return SL_DEGRADE_SAME;
	set_on(state, false, now_ms);
	return SL_DEGRADE_LEFT;
}

bool sl_degrade_look(struct sl_degrade_state *state, const struct sl_degrade_rule *rule,
		     const struct sl_degrade_view *view, uint64_t now_ms,
		     enum sl_degrade_change *ret_change)
{
	*ret_change = SL_DEGRADE_SAME;
	/* Who finds another thread at it takes what is known: nobody waits here. */
	if (!__atomic_exchange_n(&state->busy, 1, __ATOMIC_ACQUIRE)) {
		*ret_change = move(state, rule, view, now_ms);
		__atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
	}
	return __atomic_load_n(&state->on, __ATOMIC_RELAXED);
}

/* ---- times ----------------------------------------------------------------------------------- */

static uint32_t bucket_of(uint64_t us)
{
	uint32_t index = 0;

	while (index + 1 < SL_LATENCY_BUCKETS && sl_latency_bucket_min_us(index + 1) <= us)
		index++;
	return index;
}

void sl_degrade_note(struct sl_degrade_times *times, uint64_t us, uint64_t now_ms)
{
	uint64_t window = now_ms / SL_DEGRADE_WINDOW_MS;
	uint64_t newest = __atomic_load_n(&times->window, __ATOMIC_RELAXED);

	/* One of the threads begins the window; a sample that another loses meanwhile is no loss. */
	if (window > newest && __atomic_compare_exchange_n(&times->window, &newest, window, false,
							   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
		memset(times->counts[window % 2], 0, sizeof(times->counts[0]));
		if (window > newest + 1)
			memset(times->counts[(window + 1) % 2], 0, sizeof(times->counts[0]));
	}
	__atomic_fetch_add(&times->counts[window % 2][bucket_of(us)], 1, __ATOMIC_RELAXED);
}

uint32_t sl_degrade_ttft_ms(const struct sl_degrade_times *times, uint64_t now_ms)
{
	uint64_t window = now_ms / SL_DEGRADE_WINDOW_MS;
	uint64_t newest = __atomic_load_n(&times->window, __ATOMIC_RELAXED);
	uint32_t sums[SL_LATENCY_BUCKETS], i;

	if (window > newest + 1)
		return 0;
	for (i = 0; i < SL_LATENCY_BUCKETS; i++) {
		sums[i] = __atomic_load_n(&times->counts[newest % 2][i], __ATOMIC_RELAXED);
		if (window == newest) /* else that is two windows ago */
			sums[i] += __atomic_load_n(&times->counts[(newest + 1) % 2][i],
						   __ATOMIC_RELAXED);
	}
	if (sl_latency_count(sums) < SL_DEGRADE_SAMPLES_MIN)
		return 0;
	return (uint32_t)(sl_latency_quantile_us(sums, P95) / 1000u);
}
