/* SPDX-License-Identifier: BSD-2-Clause */
/* config_rollout.h - `rollouts.checks`: programs that a roll-out asks before its next step. */
#ifndef SL_BASE_CONFIG_ROLLOUT_H
#define SL_BASE_CONFIG_ROLLOUT_H

#include "user/base/config_alert.h"

#define SL_CONFIG_ROLLOUT_CHECKS_MAX 16u

struct sl_config_rollout_check {
	struct sl_config_item item;
	struct sl_config_call call; /* its program and its time-out alone */
	uint32_t retry_ms;
};

#endif
