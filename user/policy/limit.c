/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/limit.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 wide; /* units times a period leave 64 bits */

#define SLACK_NS 10000u

/*
 * Costs are rounded up, which must not take the last unit away from who comes with all at once: 7 a
 * minute are 8571428572 ns each, and 7 of those 4 ns too long. Half a unit at most, and 10 us at
 * most: it covers 10,000 charges.
 */
static uint64_t slack_ns(uint32_t rate)
{
	uint64_t half = SL_LIMIT_PERIOD_NS / rate / 2;

	return half < SLACK_NS ? half : SLACK_NS;
}

/* Rounded up: many small charges do not add up to more than the rate. */
static uint64_t cost_ns(uint32_t rate, uint64_t units)
{
	wide cost = ((wide)units * SL_LIMIT_PERIOD_NS + rate - 1) / rate;

	return cost > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)cost;
}

static uint64_t charged_ns(const struct sl_limit *limit, uint64_t now_ns)
{
	uint64_t drained_ns = __atomic_load_n(&limit->drained_ns, __ATOMIC_SEQ_CST);

	return drained_ns > now_ns ? drained_ns - now_ns : 0;
}

bool sl_limit_reserve(struct sl_limit *limit, uint32_t rate, uint64_t units, uint64_t now_ns,
		      uint64_t *ret_wait_ns)
{
	uint64_t held = __atomic_add_fetch(&limit->reserved, units, __ATOMIC_SEQ_CST);
	uint64_t level_ns = charged_ns(limit, now_ns) + cost_ns(rate, held);

	uint64_t room_ns = SL_LIMIT_PERIOD_NS + slack_ns(rate);

	if (level_ns <= room_ns)
		return true;
	__atomic_sub_fetch(&limit->reserved, units, __ATOMIC_SEQ_CST);
	*ret_wait_ns =
		cost_ns(rate, units) > room_ns ? SL_LIMIT_NEVER : level_ns - SL_LIMIT_PERIOD_NS;
	return false;
}

/* The charge comes before the reservation goes: no one finds room that is not there. */
void sl_limit_settle(struct sl_limit *limit, uint32_t rate, uint64_t reserved, uint64_t used,
		     uint64_t now_ns)
{
	uint64_t old_ns = __atomic_load_n(&limit->drained_ns, __ATOMIC_SEQ_CST);
	uint64_t cost = used ? cost_ns(rate, used) : 0;
	uint64_t new_ns;

	do {
		new_ns = (old_ns > now_ns ? old_ns : now_ns) + cost;
	} while (used && !__atomic_compare_exchange_n(&limit->drained_ns, &old_ns, new_ns, true,
						      __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
	__atomic_sub_fetch(&limit->reserved, reserved, __ATOMIC_SEQ_CST);
}

void sl_limit_look(const struct sl_limit *limit, uint32_t rate, uint64_t now_ns,
		   uint64_t *ret_remaining, uint64_t *ret_reset_ns)
{
	uint64_t held = __atomic_load_n(&limit->reserved, __ATOMIC_SEQ_CST);
	uint64_t level_ns = charged_ns(limit, now_ns) + cost_ns(rate, held);
	uint64_t room_ns = SL_LIMIT_PERIOD_NS + slack_ns(rate);
	uint64_t left_ns = level_ns < room_ns ? room_ns - level_ns : 0;

	*ret_remaining = (uint64_t)((wide)left_ns * rate / SL_LIMIT_PERIOD_NS);
	*ret_reset_ns = level_ns;
}

/* ---- meters -------------------------------------------------------------------------------- */

struct sl_meter *sl_meter_new(void)
{
	struct sl_meter *meter = aligned_alloc(_Alignof(struct sl_meter), sizeof(*meter));

	if (meter != NULL) {
		memset(meter, 0, sizeof(*meter));
		meter->refs = 1;
	}
	return meter;
}

struct sl_meter *sl_meter_get(struct sl_meter *meter)
{
	__atomic_add_fetch(&meter->refs, 1, __ATOMIC_RELAXED);
	return meter;
}

void sl_meter_put(struct sl_meter **meter)
{
	struct sl_meter *old = *meter;

	*meter = NULL;
	if (old != NULL && __atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(old);
}

static bool take_place(struct sl_meter *meter, const struct sl_rates *rates)
{
	uint32_t now = __atomic_add_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);

	if (!rates->concurrent || now <= rates->concurrent)
		return true;
	__atomic_sub_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);
	return false;
}

enum sl_meter_limit sl_meter_take(struct sl_meter *meter, const struct sl_rates *rates,
				  uint64_t tokens, uint64_t now_ns, uint64_t *ret_wait_ns)
{
	uint32_t per_minute = rates->requests_per_minute;

	*ret_wait_ns = 0;
	if (!take_place(meter, rates))
		return SL_METER_CONCURRENT;
	if (per_minute && !sl_limit_reserve(&meter->requests, per_minute, 1, now_ns, ret_wait_ns)) {
		__atomic_sub_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);
		return SL_METER_REQUESTS;
	}
	if (!rates->tokens_per_minute ||
	    sl_limit_reserve(&meter->tokens, rates->tokens_per_minute, tokens, now_ns, ret_wait_ns))
		return SL_METER_NONE;
	if (per_minute)
		sl_limit_settle(&meter->requests, per_minute, 1, 0, now_ns);
	__atomic_sub_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);
	return SL_METER_TOKENS;
}

void sl_meter_undo(struct sl_meter *meter, const struct sl_rates *rates, uint64_t tokens,
		   uint64_t now_ns)
{
	if (rates->requests_per_minute)
		sl_limit_settle(&meter->requests, rates->requests_per_minute, 1, 0, now_ns);
	if (rates->tokens_per_minute)
		sl_limit_settle(&meter->tokens, rates->tokens_per_minute, tokens, 0, now_ns);
	__atomic_sub_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);
}

void sl_meter_begin(struct sl_meter *meter, const struct sl_rates *rates, uint64_t now_ns)
{
	if (rates->requests_per_minute)
		sl_limit_settle(&meter->requests, rates->requests_per_minute, 1, 1, now_ns);
	__atomic_add_fetch(&meter->requests_total, 1, __ATOMIC_RELAXED);
}

void sl_meter_end(struct sl_meter *meter, const struct sl_rates *rates, uint64_t reserved,
		  uint64_t used, uint64_t now_ns)
{
	if (rates->tokens_per_minute)
		sl_limit_settle(&meter->tokens, rates->tokens_per_minute, reserved, used, now_ns);
	__atomic_add_fetch(&meter->tokens_total, used, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&meter->in_flight, 1, __ATOMIC_SEQ_CST);
}
