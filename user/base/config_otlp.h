/* SPDX-License-Identifier: BSD-2-Clause */
/* config_otlp.h - `otlp`, `tracing`: what goes to an OpenTelemetry collector, and which requests do. */
#ifndef SL_BASE_CONFIG_OTLP_H
#define SL_BASE_CONFIG_OTLP_H

#include <stdint.h>

/* Bits of tracing.keep, in the order of its words. */
#define SL_CONFIG_KEEP_ERRORS	1u
#define SL_CONFIG_KEEP_SLOW	2u
#define SL_CONFIG_KEEP_DEGRADED 4u

/* otlp */
struct sl_config_otlp {
	uint32_t pool; /* index into pools and 1; 0: nothing is sent */
	uint32_t traces;
	uint32_t metrics_ms;	/* between two times that they are sent; 0: never */
	const char *headers;	/* NAME=VALUE,...; or NULL */
	const char *service;	/* service.name */
	const char *attributes; /* of the resource, as headers; or NULL */
	uint32_t timeout_ms;
	uint32_t wait_ms; /* that traces wait for a collector */
};

/* tracing */
struct sl_config_tracing {
	uint64_t share;	 /* billionths */
	uint32_t follow; /* 1: who asks decides, where it says so */
	uint32_t keep;	 /* SL_CONFIG_KEEP_* */
	uint32_t slow_ms, slow_first_ms;
};

#endif
