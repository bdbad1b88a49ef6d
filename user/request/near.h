/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * near.h - what a request has to go by for the choice of a node beside load: the blocks of its prompt,
 * its session, its adapter (policy/affinity.h). Thread: the loop's.
 *
 * A session is named by x-session-id, else prompt_cache_key; where the pool keeps sessions, else by
 * the end user of the body.
 */
#ifndef SL_REQUEST_NEAR_H
#define SL_REQUEST_NEAR_H

#include "user/request/request.h"

/*
 * The request's key for the pool, made when first asked for while the client's request is there.
 * NULL: the pool's choice is by load alone, the request is for no text, or there is no memory.
 */
const struct sl_affinity_key *sl_near_key(struct sl_request *request,
					  const struct sl_upstream_pool *pool);

/* Is the request's model an adapter that the pool's nodes load? */
bool sl_near_is_adapter(const struct sl_request *request, const struct sl_upstream_pool *pool);

/* "local", "region" or "spill"; NULL: NONE. */
const char *sl_near_zone_word(enum sl_zone zone);

/* "prefix", "session", "miss", "load", "adapter" or "adapter-new"; NULL: NONE. */
const char *sl_near_word(enum sl_affinity_verdict verdict);

#endif
