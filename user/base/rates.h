/* SPDX-License-Identifier: BSD-2-Clause */
/* rates.h - what a key, a tenant or a model may use. 0: as much as there is. */
#ifndef SL_BASE_RATES_H
#define SL_BASE_RATES_H

#include <stdbool.h>
#include <stdint.h>

#define SL_RATE_MAX 1000000000u

struct sl_rates {
	uint32_t requests_per_minute;
	uint32_t tokens_per_minute;
	uint32_t concurrent; /* requests and streams under way */
};

static inline bool sl_rates_any(const struct sl_rates *rates)
{
	return rates->requests_per_minute || rates->tokens_per_minute || rates->concurrent;
}

#endif
