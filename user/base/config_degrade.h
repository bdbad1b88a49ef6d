/* SPDX-License-Identifier: BSD-2-Clause */
/* config_degrade.h - what is saved on a route in need: rules, and tools that depend on pools. */
#ifndef SL_BASE_CONFIG_DEGRADE_H
#define SL_BASE_CONFIG_DEGRADE_H

#include <stdint.h>
#include "user/base/config_item.h"

#define SL_CONFIG_DEGRADE_RULES_MAX 8u
#define SL_CONFIG_DEGRADE_TOOLS_MAX 64u
/* Billionths. Down to here precision over the labelled pairs stays above 0.98, for the gates stay. */
#define SL_CONFIG_DEGRADE_SIMILARITY_MIN 700000000u

/* An entry of routes[].degrade.rules. */
struct sl_config_degrade_rule {
	struct sl_config_item item;
	uint32_t load;	   /* bounds, see policy/degrade.h; 0: does not count */
	uint32_t breakers; /* percent */
	uint32_t wait_ms;
	uint32_t ttft_ms;
	uint32_t leave; /* percent of them */
	uint32_t dwell_ms;
	uint32_t classes;    /* bit by enum sl_key_class */
	uint32_t max_tokens; /* what it does, each 0: nothing */
	uint32_t model;	     /* index into pools + 1 */
	uint32_t messages;
	uint32_t no_hedge;
	uint64_t similarity; /* billionths */
};

/* An entry of routes[].degrade.tools. */
struct sl_config_degrade_tool {
	struct sl_config_item item; /* its name as in the requests */
	uint32_t pool;		    /* index into pools + 1 */
};

/* routes[].degrade */
struct sl_config_degrade {
	struct sl_config_items rules;
	struct sl_config_items tools;
};

#endif
