/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/steer.h"

static uint32_t bounded(uint32_t share, const struct sl_steer_rules *rules)
{
	uint32_t most = SL_STEER_ONE - rules->floor;

	return share < rules->floor ? rules->floor : share > most ? most : share;
}

uint32_t sl_steer_move(struct sl_steer *steer, const struct sl_steer_rules *rules,
		       const struct sl_rate *first, const struct sl_rate *second, uint64_t now_ms)
{
	struct sl_interval one = sl_rate_interval(first), other = sl_rate_interval(second);

	if (!steer->share) {
		steer->share = rules->floor;
		steer->moved_ms = now_ms;
	}
	steer->share = bounded(steer->share, rules); /* a reload may have moved the floor */
	if (now_ms - steer->moved_ms < rules->every_ms ||
	    sl_rate_samples(first) < SL_STEER_SAMPLES_MIN ||
	    sl_rate_samples(second) < SL_STEER_SAMPLES_MIN)
		return steer->share;
	if (one.low > other.high)
		steer->share = bounded(steer->share + rules->step, rules);
	else if (other.low > one.high)
		steer->share =
			bounded(steer->share > rules->step ? steer->share - rules->step : 0, rules);
	else
		return steer->share;
	steer->moved_ms = now_ms;
	return steer->share;
}
