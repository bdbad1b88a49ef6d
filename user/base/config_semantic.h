/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_semantic.h - what `embedding` and `semantic_cache` at the top level and `semantic_cache` of a
 * route say.
 */
#ifndef SL_BASE_CONFIG_SEMANTIC_H
#define SL_BASE_CONFIG_SEMANTIC_H

#include <stdint.h>

/* Chosen by the labelled pairs, see docs/benchmarks.md. */
#define SL_CONFIG_SEMANTIC_THRESHOLD "0.85"

/* Who makes vectors of texts. */
struct sl_config_embedding {
	const char *model;	  /* directory of the embedded encoder's model; NULL: none */
	const char *packed;	  /* file that keeps it packed; NULL: in memory */
	uint32_t pool;		  /* that is asked instead, as index; UINT32_MAX: none */
	const char *pool_model;	  /* by this name */
	uint32_t pool_dimensions; /* that its vectors have; 0: any */
};

/* What all routes share. */
struct sl_config_semantic_store {
	const char *path; /* of the database; NULL: in memory only */
	uint32_t entries_max;
	uint32_t bytes_max;
};

struct sl_config_route_semantic {
	uint32_t ttl_ms;    /* 0: the route has none */
	uint64_t threshold; /* billionths */
	uint32_t turns_max; /* users' messages of a conversation */
	uint32_t shared;    /* 1: tenants share it */
	uint32_t wait_ms;   /* longest time for vector and search */
	uint32_t answer_bytes_max;
	/* shadows, see policy/shadow.h */
	uint32_t shadow_percent; /* of the hits */
	uint32_t shadow_tokens;	 /* an hour */
	uint32_t false_percent;
	uint64_t shadow_agree; /* billionths */
	uint32_t shadow_judge; /* pool and 1; 0: none */
	uint64_t threshold_min, threshold_max;
};

#endif
