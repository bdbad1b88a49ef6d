/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_semantic.h - the keys of embeddings and of the semantic cache: `embedding` and
 * `semantic_cache` at the top level, `semantic_cache` of a route.
 */
#ifndef SL_BASE_CONFIG_SEMANTIC_H
#define SL_BASE_CONFIG_SEMANTIC_H

#include <stdbool.h>
#include <stdint.h>

/* Chosen by the labelled set, see docs/benchmarks.md. */
#define SL_CONFIG_SEMANTIC_THRESHOLD "0.85"

/* Of the daemon. */
struct sl_config_embedding {
	const char *model;  /* directory of the embedded encoder's model; NULL: none */
	const char *packed; /* file that keeps it packed; NULL: in memory */
};

struct sl_config_semantic_store {
	const char *path; /* database; NULL: in memory only */
	uint64_t bytes_max;
	uint32_t entries_max;
};

/* Of a route. */
struct sl_config_semantic {
	uint32_t on;		/* a choice: no, yes */
	uint64_t threshold;	/* billionths */
	uint64_t threshold_min; /* how far shadow samples may move it */
	uint32_t ttl_ms;
	uint32_t turns_max; /* user messages of a conversation */
	uint32_t shared;    /* a choice: no, yes: tenants share it */
	uint64_t shadow;    /* share of hits that are asked all the same, billionths */
	uint32_t answer_bytes_max;
};

#endif
