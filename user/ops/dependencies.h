/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dependencies.h - the pools that stages need (embeddings, moderation, vector databases, rerankers, judges,
 * summaries, tools): is there anybody to ask?
 *
 *   state   leaves by
 *   up      each node's breaker is open or on trial, or the node is in doubt (the ejection cap keeps its
 *           breaker closed), or drained           -> down, told as a notice (DEPENDENCY)
 *   down    one is none of these any more         -> up, told as its end
 *
 * What is told names who goes without, and how: by the ladders (docs/ladders.md) nobody fails for it, so nobody
 * else would say so. A node on trial (half-open) is not up yet. The states are looked at every
 * SL_DEPENDENCIES_LOOK_MS on the control thread; requests pay nothing. What is down at the start is told.
 */
#ifndef SL_OPS_DEPENDENCIES_H
#define SL_OPS_DEPENDENCIES_H

#include "user/ops/watch.h"

#define SL_DEPENDENCIES_LOOK_MS 200u

extern const struct sl_watch_part sl_dependencies_part;

/* What a pool is needed for, bits. */
enum sl_dependency_use {
	SL_DEPENDENCY_EMBEDDINGS = 0,
	SL_DEPENDENCY_MODERATION,
	SL_DEPENDENCY_SOURCE,
	SL_DEPENDENCY_RERANKER,
	SL_DEPENDENCY_JUDGE,
	SL_DEPENDENCY_SUMMARY,
	SL_DEPENDENCY_TOOL,
	SL_DEPENDENCY_USES
};

/* The uses of each pool of a configuration: uses[pool], bits; all of them are written. */
void sl_dependencies_find(const struct sl_config *config, uint8_t uses[SL_POOLS_MAX]);

/* "embeddings, reranker"; at most size bytes. */
void sl_dependencies_name(uint8_t uses, char *out, size_t size);

#endif
