/* SPDX-License-Identifier: BSD-2-Clause */
/* config_alert.h - `alerts`, `recovery`: who is told of what fires, and what is run to mend it. */
#ifndef SL_BASE_CONFIG_ALERT_H
#define SL_BASE_CONFIG_ALERT_H

#include <stdint.h>
#include "user/base/config_item.h"

#define SL_CONFIG_RECEIVERS_MAX 8u
#define SL_CONFIG_HOOKS_MAX	16u
#define SL_CONFIG_WORDS_MAX	32u /* of a command */

/* How something outside is called: a pool's node by POST, or a program. */
struct sl_config_call {
	uint32_t pool; /* 1 + index; 0: none */
	const char *path;
	struct sl_config_names exec; /* a program and its words; none: the pool */
	uint32_t timeout_ms;
	const char *hmac; /* secret; NULL: not signed */
};

enum sl_config_alert_format { SL_CONFIG_ALERT_WEBHOOK = 0, SL_CONFIG_ALERT_ALERTMANAGER };

struct sl_config_receiver {
	struct sl_config_item item;
	struct sl_config_call call;
	uint32_t format;
	uint32_t severities;	      /* bits: page, ticket; 0: both */
	uint32_t kinds;		      /* bits by enum sl_notice_kind; 0: all */
	struct sl_config_names pools; /* none: all */
	uint32_t per_hour;
	uint32_t group_by; /* bits by sl_config_alert_labels[]; 0: as alerts.group_by */
};

enum sl_config_trigger {
	SL_CONFIG_ON_NODE_EJECTED = 0,
	SL_CONFIG_ON_NODE_BACK,
	SL_CONFIG_ON_POOL_SHORT,
	SL_CONFIG_ON_BUDGET_BURN,
	SL_CONFIG_ON_INCIDENT,
	SL_CONFIG_TRIGGERS
};

struct sl_config_recovery_hook {
	struct sl_config_item item;
	struct sl_config_call call;
	uint32_t on; /* bits by enum sl_config_trigger */
	struct sl_config_names pools;
	uint32_t every_ms, cooldown_ms, per_hour;
	uint32_t dry_run;
};

struct sl_config_alerts {
	const char *path;
	const char *runbooks;
	uint32_t group_by; /* bits by sl_config_alert_labels[] */
	uint32_t group_ms, repeat_ms;
	struct sl_config_items receivers;
};

struct sl_config_recovery {
	struct sl_config_items hooks;
};

extern const char *const sl_config_alert_labels[]; /* NULL-terminated, as the next */
extern const char *const sl_config_triggers[];	   /* NULL-terminated */

#endif
