/* SPDX-License-Identifier: BSD-2-Clause */
/* config_slo.h - `slo`, `routes[].slo`, `incidents`: objectives, and when their error budget burns too fast. */
#ifndef SL_BASE_CONFIG_SLO_H
#define SL_BASE_CONFIG_SLO_H

#include <stdint.h>
#include "user/base/config_item.h"

#define SL_CONFIG_SLO_ALERTS_MAX 4u

/* An entry of slo.alerts. */
struct sl_config_slo_alert {
	struct sl_config_item item;
	uint32_t level; /* 0: page, 1: ticket */
	uint64_t burn;	/* billionths */
	uint32_t long_ms, short_ms;
};

/* Shares in billionths; 0: not set. */
struct sl_config_objectives {
	uint64_t availability;
	uint64_t ttft;
	uint32_t ttft_ms;
	uint64_t latency;
	uint32_t latency_ms;
	uint64_t quality;
};

/* slo */
struct sl_config_slo {
	struct sl_config_objectives objectives; /* of routes that say nothing else */
	const char *path;   /* of the counts; NULL: forgotten with the process */
	uint32_t window_ms; /* of the error budget */
	uint32_t events_min, failures_min;
	struct sl_config_items alerts; /* none: those of policy/slo.h's scheme */
};

/* routes[].slo */
struct sl_config_route_slo {
	struct sl_config_objectives objectives; /* what is not set is as in `slo` */
	uint32_t on;
};

/* incidents */
struct sl_config_incidents {
	const char *path; /* of the ledger; NULL: forgotten with the process */
	uint32_t join_ms, hold_ms;
	uint32_t keep_days;
};

#endif
