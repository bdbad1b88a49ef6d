/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * index_embed.h - vectors of a pool for the builder of indexes, which has no upstream engine.
 *
 *	builder's thread                          control thread
 *	ask(): a job with copies  -- post -->     a fiber: sl_embed_ask(), by the daemon's upstream engine,
 *	waits: done, its time, gone,              with breaker, time-outs, key and TLS as any call
 *	the part's stop           <-- signal --   keeps the vectors in the job
 *
 * A job has two references, the builder's and the fiber's: whoever is last frees it, so neither waits for the
 * other at the end. A part of the daemon (watch.h): asking ends with stop.
 */
#ifndef SL_OPS_INDEX_EMBED_H
#define SL_OPS_INDEX_EMBED_H

#include "user/ops/watch.h"

extern const struct sl_watch_part sl_index_embed_part;

#endif
