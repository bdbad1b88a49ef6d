/* SPDX-License-Identifier: BSD-2-Clause */
/* config_canary.h - `pools.NAME.canary`: questions that a pool's model is asked again and again. */
#ifndef SL_BASE_CONFIG_CANARY_H
#define SL_BASE_CONFIG_CANARY_H

#include <stdint.h>

struct sl_config_canary {
	const char *file; /* of the questions; NULL: none are asked */
	uint32_t every_ms;
	uint32_t timeout_ms;
	uint32_t samples; /* answers to each question in a baseline */
	uint32_t load;	  /* percent of the pool's places in use over which it waits */
};

#endif
