/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/hedge.h"

#include <assert.h>
#include "user/base/latency.h"

#define US_PER_MS  1000u
#define SHIFT_MAX  31u
#define LOAD(word) __atomic_load_n(&(word), __ATOMIC_RELAXED)

/* ---- times ----------------------------------------------------------------------------------- */

uint32_t sl_hedge_class(bool stream, uint64_t prompt_tokens)
{
	uint32_t length = prompt_tokens < 1000	  ? 0
			  : prompt_tokens < 4000  ? 1
			  : prompt_tokens < 16000 ? 2
						  : 3;

	return (stream ? 0 : SL_HEDGE_LENGTHS) + length;
}

/* The inverse of sl_latency_bucket_min_us(). */
static uint32_t bucket_of(uint64_t us)
{
	uint32_t index, octave;

	if (us < SL_LATENCY_SUB)
		return (uint32_t)us;
	octave = 63u - (uint32_t)__builtin_clzll(us);
	index = (octave - 1) * SL_LATENCY_SUB + ((us >> (octave - 2)) & (SL_LATENCY_SUB - 1));
	return index < SL_LATENCY_BUCKETS ? index : SL_LATENCY_BUCKETS - 1;
}

/*
 * Halves them `shift` times. What other threads add meanwhile stays; one rounded down to nothing is
 * gone for good, or single times of long ago would make the percentile of today.
 */
static void forget(struct sl_hedge_times *times, uint32_t shift)
{
	uint32_t i, count, gone, sum = 0;

	for (i = 0; i < SL_LATENCY_BUCKETS; i++) {
		count = LOAD(times->buckets[i]);
		gone = count - (count >> shift);
		if (gone)
			__atomic_fetch_sub(&times->buckets[i], gone, __ATOMIC_RELAXED);
		sum += gone;
	}
	__atomic_fetch_sub(&times->count, sum, __ATOMIC_RELAXED);
}

/* One thread of those that see it due does it. */
static void age(struct sl_hedge_times *times, uint64_t now_ms)
{
	uint64_t halved_ms = LOAD(times->halved_ms);
	uint64_t halvings = now_ms > halved_ms ? (now_ms - halved_ms) / SL_HEDGE_HALVE_MS : 0;
	bool full = LOAD(times->count) >= SL_HEDGE_TIMES_MAX;

	if (!halvings && !full)
		return;
	if (halvings > SHIFT_MAX)
		halvings = SHIFT_MAX;
	/* The word must change, or two threads could both win; a millisecond is nothing here. */
	if (__atomic_compare_exchange_n(&times->halved_ms, &halved_ms,
					now_ms > halved_ms ? now_ms : halved_ms + 1, false,
					__ATOMIC_RELAXED, __ATOMIC_RELAXED))
		forget(times, halvings ? (uint32_t)halvings : 1);
}

void sl_hedge_note(struct sl_hedge_times *times, uint64_t us, uint64_t now_ms)
{
	age(times, now_ms);
	/* The sum first: forget() takes off it what it finds in the buckets. */
	__atomic_fetch_add(&times->count, 1, __ATOMIC_RELEASE);
	__atomic_fetch_add(&times->buckets[bucket_of(us)], 1, __ATOMIC_RELEASE);
}

uint64_t sl_hedge_after_us(const struct sl_hedge_times *times, const struct sl_hedge_config *config,
			   uint32_t per_mille, uint32_t min_ms)
{
	uint64_t min_us = (uint64_t)min_ms * US_PER_MS;
	uint32_t count = LOAD(times->count);
	uint64_t us;

	if (!config->percent || !count || count < config->samples_min)
		return SL_HEDGE_NEVER;
	us = sl_latency_quantile_us(times->buckets, per_mille);
	return us > min_us ? us : min_us;
}

/* ---- the budget ------------------------------------------------------------------------------ */

static void give_back(struct sl_hedge_pool *pool, uint32_t amount)
{
	uint32_t spent = LOAD(pool->spent);

	while (spent && !__atomic_compare_exchange_n(&pool->spent, &spent,
						     spent > amount ? spent - amount : 0, true,
						     __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

static bool pay(struct sl_hedge_pool *pool, const struct sl_hedge_config *config)
{
	uint64_t full = (uint64_t)config->burst * SL_HEDGE_COST;
	uint32_t spent = LOAD(pool->spent);

	do {
		if (spent > full) /* the budget was made smaller */
			spent = (uint32_t)full;
		if (!config->percent || spent + SL_HEDGE_COST > full)
			return false;
	} while (!__atomic_compare_exchange_n(&pool->spent, &spent, spent + SL_HEDGE_COST, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

void sl_hedge_earn(struct sl_hedge_pool *pool, const struct sl_hedge_config *config)
{
	if (LOAD(pool->spent))
		give_back(pool, config->percent);
}

enum sl_hedge_verdict sl_hedge_take(struct sl_hedge_pool *pool, struct sl_retry_budget *retries,
				    const struct sl_hedge_config *config,
				    const struct sl_hedge_view *view)
{
	if (view->panic)
		return SL_HEDGE_PANIC;
	if (!view->other)
		return SL_HEDGE_NO_NODE;
	if (!view->place)
		return SL_HEDGE_NO_PLACE;
	if (sl_retry_is_spent(retries, &config->retry, view->now_ms))
		return SL_HEDGE_RETRIES;
	if (!pay(pool, config))
		return SL_HEDGE_BUDGET;
	if (sl_retry_take(retries, &config->retry, view->in_flight, false, view->now_ms) ==
	    SL_RETRY_CHARGED)
		return SL_HEDGE_GO;
	give_back(pool, SL_HEDGE_COST);
	return SL_HEDGE_RETRIES;
}

void sl_hedge_done(struct sl_retry_budget *retries)
{
	sl_retry_done(retries);
}

void sl_hedge_refund(struct sl_hedge_pool *pool, struct sl_retry_budget *retries)
{
	sl_retry_done(retries);
	give_back(pool, SL_HEDGE_COST);
}

const char *sl_hedge_verdict_name(enum sl_hedge_verdict verdict)
{
	static const char *const names[SL_HEDGE_VERDICTS] = {
		[SL_HEDGE_BUDGET] = "budget",	  [SL_HEDGE_RETRIES] = "retries",
		[SL_HEDGE_PANIC] = "panic",	  [SL_HEDGE_NO_NODE] = "no_node",
		[SL_HEDGE_NO_PLACE] = "no_place", [SL_HEDGE_GO] = "go",
	};

	assert(verdict < SL_HEDGE_VERDICTS);
	return names[verdict];
}
