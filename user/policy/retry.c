/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/retry.h"

#define MS_PER_MIN	 60000u
#define INCARNATION_BITS 16

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* Takes up to amount off what was spent. */
static void give_back(struct sl_retry_budget *budget, uint32_t amount)
{
	uint32_t spent = LOAD(budget->spent);

	while (spent && amount &&
	       !__atomic_compare_exchange_n(&budget->spent, &spent,
					    spent > amount ? spent - amount : 0, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
}

/* Only whole hundredths are given, and the clock moves by what they cost: no rest is lost. */
static void refill(struct sl_retry_budget *budget, const struct sl_retry_config *config,
		   uint64_t now_ms)
{
	uint64_t per_min = (uint64_t)config->reserve_per_min * SL_RETRY_COST;
	uint64_t from_ms = LOAD(budget->refilled_ms);
	uint64_t earned, full = (uint64_t)config->budget * SL_RETRY_COST, to_ms = now_ms;

	if (!per_min || now_ms <= from_ms)
		return;
	if (now_ms - from_ms >= full * MS_PER_MIN / per_min) {
		earned = full;
	} else {
		earned = (now_ms - from_ms) * per_min / MS_PER_MIN;
		to_ms = from_ms + (earned * MS_PER_MIN + per_min - 1) / per_min;
	}
	if (earned && __atomic_compare_exchange_n(&budget->refilled_ms, &from_ms, to_ms, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		give_back(budget, (uint32_t)earned);
}

static bool pay(struct sl_retry_budget *budget, const struct sl_retry_config *config)
{
	uint64_t full = (uint64_t)config->budget * SL_RETRY_COST;
	uint32_t spent = LOAD(budget->spent);

	do {
		if (spent > full) /* the budget was made smaller */
			spent = (uint32_t)full;
		if ((uint64_t)spent * 2 >= full)
			return false;
	} while (!__atomic_compare_exchange_n(&budget->spent, &spent, spent + SL_RETRY_COST, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

enum sl_retry_verdict sl_retry_take(struct sl_retry_budget *budget,
				    const struct sl_retry_config *config, uint32_t in_flight,
				    bool charge, uint64_t now_ms)
{
	uint32_t running = __atomic_add_fetch(&budget->running, 1, __ATOMIC_RELAXED);
	uint64_t all = (uint64_t)in_flight + running;
	uint64_t places = all * config->concurrent_percent / 100;

	if (!config->budget)
		return SL_RETRY_CHARGED;
	if (places < config->concurrent_min)
		places = config->concurrent_min;
	if (running > places) {
		sl_retry_done(budget);
		return SL_RETRY_CROWDED;
	}
	refill(budget, config, now_ms);
	if (charge && !pay(budget, config)) {
		sl_retry_done(budget);
		return SL_RETRY_SPENT;
	}
	return SL_RETRY_CHARGED;
}

bool sl_retry_is_spent(struct sl_retry_budget *budget, const struct sl_retry_config *config,
		       uint64_t now_ms)
{
	uint64_t full = (uint64_t)config->budget * SL_RETRY_COST;

	if (!config->budget)
		return false;
	refill(budget, config, now_ms);
	return (uint64_t)LOAD(budget->spent) * 2 >= full;
}

void sl_retry_done(struct sl_retry_budget *budget)
{
	__atomic_fetch_sub(&budget->running, 1, __ATOMIC_RELAXED);
}

void sl_retry_refund(struct sl_retry_budget *budget)
{
	give_back(budget, SL_RETRY_COST);
}

void sl_retry_earn(struct sl_retry_budget *budget, const struct sl_retry_config *config)
{
	if (LOAD(budget->spent))
		give_back(budget, config->earn);
}

/* ---- Retry-After ----------------------------------------------------------------------------- */

uint64_t sl_retry_hold_word(uint64_t until_ms, uint32_t incarnation)
{
	return until_ms << INCARNATION_BITS | (incarnation & ((1u << INCARNATION_BITS) - 1));
}

uint64_t sl_retry_held_ms(uint64_t word, uint32_t incarnation, uint64_t now_ms)
{
	uint64_t until_ms = word >> INCARNATION_BITS;

	if (until_ms <= now_ms || word != sl_retry_hold_word(until_ms, incarnation))
		return 0;
	return until_ms - now_ms;
}
