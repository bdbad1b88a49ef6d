/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_key.h - the tables of keys of the configuration file: name, type, default, bounds, unit and
 * help, once for the reader, its error texts and the reference manual. Internal to config*.c.
 * Constant data; any thread.
 *
 *   config_key_root.c      top level, the daemon, its clients, autoscale
 *   config_key_kernel.c    the kernel plane
 *   config_key_pool.c      pools, nodes, services
 *   config_key_route.c     routes
 *   config_key_otlp.c      what is sent to an OpenTelemetry collector
 *   config_key_STAGE.c     a stage: its key at the top level, its key of routes, what is inside
 *   config_key.c           the list of the tables, the list of the sections
 *
 * A new stage needs, each beside the others of its kind:
 *
 *   config_STAGE.h         its structs; config.h includes it and puts them into struct sl_config
 *                          (what all routes share) and struct sl_config_route
 *   config_key_STAGE.c     its rows: {SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "STAGE", 0, NULL,
 *                          SL_CONFIG_ROUTE_STAGE, ...} and the rows of SL_CONFIG_ROUTE_STAGE, whose
 *                          offsets count from struct sl_config_route; with SL_CONFIG_ROOT and struct
 *                          sl_config the same for the top level
 *   here                   its sections at the end of the enum, the declaration of its table
 *   config_key.c           a line in the list of tables, one a section
 *   config_check.h         its contradictions, called by sl_config_check(), in a file of its own
 *
 * Presets of sections that the file leaves out are filled in by themselves. Lists and maps of things
 * with keys of their own are SL_CONFIG_ITEM_LIST and SL_CONFIG_ITEM_MAP; see config_item.h. A share or
 * a threshold is SL_CONFIG_MONEY, which is any decimal number in billionths.
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
	SL_CONFIG_ROLLOUTS,	   /* struct sl_config */
	SL_CONFIG_ROLLOUT_CHECK,   /* struct sl_config_rollout_check */
	SL_CONFIG_AUDIT,	   /* struct sl_config */
	SL_CONFIG_PRICE,	   /* struct sl_config_price */
	SL_CONFIG_KERNEL,	   /* struct sl_config */
	SL_CONFIG_BEACON,	   /* struct sl_config */
	SL_CONFIG_BEACON_KEY,	   /* struct sl_config_beacon_key */
	SL_CONFIG_BEACON_NODE,	   /* struct sl_config_report */
	SL_CONFIG_POOL,		   /* struct sl_config_pool */
	SL_CONFIG_POOL_HEALTH,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_QUEUE,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_AT_ONCE,	   /* struct sl_config_pool */
	SL_CONFIG_POOL_CANARY,	   /* struct sl_config_pool */
	SL_CONFIG_CANARY,	   /* struct sl_config */
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
	SL_CONFIG_ROUTE_VALIDATE,  /* struct sl_config_route */
	SL_CONFIG_PROMPTS,	   /* struct sl_config */
	SL_CONFIG_ROUTE_PROMPT,	   /* struct sl_config_route */
	SL_CONFIG_ROUTE_SAMPLING,  /* struct sl_config_route */
	SL_CONFIG_ROUTE_CONTEXT,   /* struct sl_config_route */
	SL_CONFIG_DEGRADE,	   /* struct sl_config_route */
	SL_CONFIG_DEGRADE_RULE,	   /* struct sl_config_degrade_rule */
	SL_CONFIG_DEGRADE_TOOL,	   /* struct sl_config_degrade_tool */
	SL_CONFIG_EMBEDDING,	   /* struct sl_config */
	SL_CONFIG_SEMANTIC,	   /* struct sl_config */
	SL_CONFIG_ROUTE_SEMANTIC,  /* struct sl_config_route */
	SL_CONFIG_EMBEDDER,	   /* struct sl_config_embedder */
	SL_CONFIG_INDEX,	   /* struct sl_config_index */
	SL_CONFIG_SOURCE,	   /* struct sl_config_source */
	SL_CONFIG_RERANKER,	   /* struct sl_config_reranker */
	SL_CONFIG_ROUTE_RETRIEVE,  /* struct sl_config_route */
	SL_CONFIG_INCIDENTS,	   /* struct sl_config */
	SL_CONFIG_SLO,		   /* struct sl_config */
	SL_CONFIG_SLO_ALERT,	   /* struct sl_config_slo_alert */
	SL_CONFIG_ROUTE_SLO,	   /* struct sl_config_route */
	SL_CONFIG_PAGE,		   /* struct sl_config */
	SL_CONFIG_ALERTS,	   /* struct sl_config */
	SL_CONFIG_RECEIVER,	   /* struct sl_config_receiver */
	SL_CONFIG_RECOVERY,	   /* struct sl_config */
	SL_CONFIG_HOOK,		   /* struct sl_config_recovery_hook */
	SL_CONFIG_FEEDBACK,	   /* struct sl_config */
	SL_CONFIG_EVALUATION,	   /* struct sl_config */
	SL_CONFIG_ROUTE_EVALUATE,  /* struct sl_config_route */
	SL_CONFIG_OTLP,		   /* struct sl_config */
	SL_CONFIG_TRACING,	   /* struct sl_config */
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
	SL_CONFIG_TEXT,	  /* const char *, anything; max: longest */
	SL_CONFIG_SET,	  /* uint32_t, a bit a choice; one, or a list of them */
	/* The others have a function of their own in config_read.c or config_kernel.c. */
	SL_CONFIG_POOL_NAME, /* uint32_t, index into pools */
	SL_CONFIG_POOL_REF,  /* uint32_t, the same and 1; 0: none was named */
	SL_CONFIG_SPILL,
	SL_CONFIG_CHAIN,
	SL_CONFIG_NAMES, /* struct sl_config_names, models' names */
	SL_CONFIG_LISTEN_LIST,
	SL_CONFIG_DEVICE_LIST,
	SL_CONFIG_TUNABLE_MAP,
	SL_CONFIG_SECTION_MAP, /* min: enum sl_config_section, same target */
	SL_CONFIG_ITEM_LIST,   /* struct sl_config_items; min: enum sl_config_section of an item */
	SL_CONFIG_ITEM_MAP,    /* the same, of NAME: ITEM */
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

struct sl_config_key_table {
	const struct sl_config_key *keys;
	size_t count;
};

extern const struct sl_config_key_table sl_config_keys_root;
extern const struct sl_config_key_table sl_config_keys_kernel;
extern const struct sl_config_key_table sl_config_keys_pool;
extern const struct sl_config_key_table sl_config_keys_canary;
extern const struct sl_config_key_table sl_config_keys_route;
extern const struct sl_config_key_table sl_config_keys_validate;
extern const struct sl_config_key_table sl_config_keys_sampling;
extern const struct sl_config_key_table sl_config_keys_prompt;
extern const struct sl_config_key_table sl_config_keys_degrade;
extern const struct sl_config_key_table sl_config_keys_semantic;
extern const struct sl_config_key_table sl_config_keys_retrieve;
extern const struct sl_config_key_table sl_config_keys_slo;
extern const struct sl_config_key_table sl_config_keys_page;
extern const struct sl_config_key_table sl_config_keys_alert;
extern const struct sl_config_key_table sl_config_keys_rollout;
extern const struct sl_config_key_table sl_config_keys_eval;
extern const struct sl_config_key_table sl_config_keys_otlp;

struct sl_config_section_info {
	const char *title; /* in the manual */
	size_t item_size;  /* of SL_CONFIG_ITEM_*: the item's struct */
};

extern const struct sl_config_section_info sl_config_sections[SL_CONFIG_SECTIONS];

/* Every key of every table, by its number; NULL behind the last. A section's keys come in the order in
 * which they are read: pools before what refers to them. */
const struct sl_config_key *sl_config_key_at(size_t index);

const struct sl_config_key *sl_config_key_find(enum sl_config_section section, const char *name);

#define SL_CONFIG_EXPECTED_SIZE 256u

/* "1 to 1000", "10ms to 1h, like 250ms, 2s or 1m": what the key takes. Returns out. */
const char *sl_config_key_expected(const struct sl_config_key *key,
				   char out[SL_CONFIG_EXPECTED_SIZE]);

#endif
