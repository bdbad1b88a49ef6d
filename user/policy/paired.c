/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/paired.h"

#include <math.h>

#define Z95   1.959963984540054 /* of a normal distribution, 97.5 % lie below */
#define ADDED 2.0		/* cases that say nothing; half of them differ, by 1 */

double sl_paired_worse(uint32_t worse, uint32_t better)
{
	uint32_t n = worse + better, k;
	double sum = 0;

	if (!n)
		return 1;
	for (k = worse; k <= n; k++)
		sum += exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * M_LN2);
	return sum < 1 ? sum : 1;
}

void sl_paired_add(struct sl_paired *paired, double weight, double difference)
{
	paired->weights += weight;
	paired->squares += weight * weight;
	paired->sum += weight * difference;
	paired->sum_squares += weight * difference * difference;
}

/* Student's quantile of 97.5 % by the expansion of Cornish and Fisher; from 3 degrees on within 2 %. */
static double student(double degrees)
{
	const double z = Z95, z2 = z * z;

	return z + z * (z2 + 1) / (4 * degrees) +
	       z * ((5 * z2 + 16) * z2 + 3) / (96 * degrees * degrees) +
	       z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * degrees * degrees * degrees);
}

struct sl_paired_interval sl_paired_difference(const struct sl_paired *paired)
{
	struct sl_paired_interval interval = {0, -1, 1};
	double n, mean, square, half;

	if (!(paired->weights > 0))
		return interval;
	n = paired->weights * paired->weights /
	    paired->squares; /* as many equal ones say as much */
	interval.mean = paired->sum / paired->weights;
	mean = interval.mean * n / (n + ADDED);
	square = (paired->sum_squares / paired->weights * n + ADDED / 2) / (n + ADDED);
	half = student(n + ADDED - 1) * sqrt(fmax(0, square - mean * mean) / (n + ADDED));
	interval.low = fmax(-1, fmin(mean - half, interval.mean));
	interval.high = fmin(1, fmax(mean + half, interval.mean));
	return interval;
}
