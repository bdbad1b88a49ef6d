/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/paired.h"

#include <math.h>

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
