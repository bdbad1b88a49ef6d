/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/rate.h"

#include <assert.h>
#include <math.h>

struct sl_interval sl_interval_wilson(double share, double n, double z)
{
	double zz = z * z, centre, half;
	struct sl_interval interval = {0, 1};

	if (n <= 0)
		return interval;
	centre = (share + zz / (2 * n)) / (1 + zz / n);
	half = z / (1 + zz / n) * sqrt(share * (1 - share) / n + zz / (4 * n * n));
	/* rounding must not leave what was seen outside */
	interval.low = share <= 0 ? 0 : fmax(0, centre - half);
	interval.high = share >= 1 ? 1 : fmin(1, centre + half);
	return interval;
}

void sl_rate_add(struct sl_rate *rate, double weight, bool bad)
{
	assert(weight > 0);
	if (rate->remembered >= SL_RATE_MEMORY) {
		rate->weight /= 2;
		rate->weight_squares /= 2;
		rate->bad /= 2;
		rate->remembered /= 2;
	}
	rate->weight += weight;
	rate->weight_squares += weight * weight;
	rate->bad += bad ? weight : 0;
	rate->remembered++;
	rate->count++;
	rate->bad_count += bad;
}

double sl_rate_share(const struct sl_rate *rate)
{
	return rate->weight > 0 ? rate->bad / rate->weight : 0;
}

double sl_rate_samples(const struct sl_rate *rate)
{
	return rate->weight > 0 ? rate->weight * rate->weight / rate->weight_squares : 0;
}

struct sl_interval sl_rate_interval(const struct sl_rate *rate)
{
	return sl_interval_wilson(sl_rate_share(rate), sl_rate_samples(rate), SL_RATE_Z);
}
