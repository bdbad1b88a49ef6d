/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_key.h - the table of keys of the configuration file: name, type, default, bounds, unit and
 * help, once for the reader, its error texts and the reference manual. Internal to config*.c.
 * Constant data; any thread.
 */
#ifndef SL_BASE_CONFIG_KEY_H
#define SL_BASE_CONFIG_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A map of the file; each has one target struct that its offsets count from. */
enum sl_config_section {
	SL_CONFIG_ROOT = 0,	   /* struct sl_config */
	SL_CONFIG_LISTEN,	   /* struct sl_config_listen */
	SL_CONFIG_LISTEN_TLS,	   /* struct sl_config_listen */
	SL_CONFIG_LIMITS,	   /* struct sl_config */
	SL_CONFIG_TIMEOUTS,	   /* struct sl_config */
	SL_CONFIG_CACHE,	   /* struct sl_config */
	SL_CONFIG_LOG,		   /* struct sl_config */
	SL_CONFIG_KEYS,		   /* struct sl_config */
	SL_CONFIG_TENANT,	   /* struct sl_config_tenant */
	SL_CONFIG_SPEND,	   /* struct sl_config */
	SL_CONFIG_PRICE,	   /* struct sl_config_price */
	SL_CONFIG_KERNEL,	   /* struct sl_config */
	SL_CONFIG_BEACON,	   /* struct sl_config */
	SL_CONFIG_BEACON_KEY,	   /* struct sl_config_beacon_key */
	SL_CONFIG_BEACON_NODE,	   /* struct sl_config_report */
	SL_CONFIG_POOL,		   /* struct sl_config_pool */
	SL_CONFIG_POOL_HEALTH,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_QUEUE,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_AT_ONCE,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_METRICS,	   /* struct sl_config_pool */
	SL_CONFIG_NODE,		   /* struct sl_config_node */
	SL_CONFIG_SERVICE,	   /* struct sl_config_service */
	SL_CONFIG_ROUTE,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_FALLBACKS, /* struct sl_config_route */
	SL_CONFIG_ROUTE_TIMEOUTS,  /* struct sl_config_route */
	SL_CONFIG_ROUTE_LIMITS,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_CACHE,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_HEDGE,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_QUEUE,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_BUFFER,	   /* struct sl_config_route */
	SL_CONFIG_AUTOSCALE,	   /* struct sl_config */
	SL_CONFIG_SECTIONS
};

enum sl_config_type {
	/* Scalars: min and max bound the value. */
	SL_CONFIG_U32 = 0, /* uint32_t */
	SL_CONFIG_U64,	   /* uint64_t */
	SL_CONFIG_MS,	   /* uint32_t, a duration */
	SL_CONFIG_BYTES,   /* uint32_t, a size */
	SL_CONFIG_CHOICE,  /* uint32_t or enum: index into choices */
	SL_CONFIG_PATH,	   /* const char *, absolute; max: longest */
	SL_CONFIG_TARGET,  /* const char *, path of an URL, its query too; max: longest */
	SL_CONFIG_PATHS,   /* struct sl_config_paths, absolute */
	SL_CONFIG_MODEL,   /* const char *, a model's name */
	SL_CONFIG_PORTS,
	SL_CONFIG_ENDPOINT,
	SL_CONFIG_URL,	  /* metrics_at and metrics_path of struct sl_config_report */
	SL_CONFIG_SECRET, /* uint64_t[2], 32 hex digits */
	SL_CONFIG_TOKEN,  /* const char *, visible ASCII, secret; max: longest */
	SL_CONFIG_MONEY,  /* uint64_t, billionths of a decimal number; min and max in them */
	SL_CONFIG_WORD,	  /* const char *, letters and digits; max: longest */
	/* The others have a function of their own in config_read.c or config_kernel.c. */
	SL_CONFIG_POOL_NAME, /* uint32_t, index into pools */
	SL_CONFIG_SPILL,
	SL_CONFIG_CHAIN,
	SL_CONFIG_NAMES, /* struct sl_config_names, models' names */
	SL_CONFIG_LISTEN_LIST,
	SL_CONFIG_DEVICE_LIST,
	SL_CONFIG_TUNABLE_MAP,
	SL_CONFIG_SECTION_MAP, /* min: enum sl_config_section, same target */
	SL_CONFIG_POOL_MAP,
	SL_CONFIG_TENANT_MAP,
	SL_CONFIG_PRICE_MAP,
	SL_CONFIG_NODE_LIST,
	SL_CONFIG_SERVICE_LIST,
	SL_CONFIG_ROUTE_LIST,
	SL_CONFIG_PREFIXES, /* min: enum sl_prefix_rule */
	SL_CONFIG_BEACON_KEYS,
	SL_CONFIG_BEACON_TARGETS,
	SL_CONFIG_BEACON_NODES,
};

struct sl_config_key {
	enum sl_config_section section;
	enum sl_config_type type;
	const char *name;
	size_t offset;	    /* in the section's target */
	const char *preset; /* default as one would write it; NULL: none */
	uint64_t min;
	uint64_t max;
	const char *const *choices; /* SL_CONFIG_CHOICE: NULL-terminated; NULL entries end it */
	bool required;
	const char *expected; /* for the manual and for errors; NULL: made from type and bounds */
	const char *help;     /* what it does, and why the default is what it is */
};

/* The table, and its end. A section's keys are together, pools before what refers to them. */
extern const struct sl_config_key sl_config_keys[];
extern const size_t sl_config_key_count;

const struct sl_config_key *sl_config_key_find(enum sl_config_section section, const char *name);

#define SL_CONFIG_EXPECTED_SIZE 256u

/* "1 to 1000", "10ms to 1h, like 250ms, 2s or 1m": what the key takes. Returns out. */
const char *sl_config_key_expected(const struct sl_config_key *key,
				   char out[SL_CONFIG_EXPECTED_SIZE]);

#endif
