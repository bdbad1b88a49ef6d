/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chain.h - which pool a request turns to next, by what happened in the last one.
 *
 *   cause            it is                                         without a chain of its own
 *   error            anything else                                 the next pool of `pools`
 *   ttft             no first token of a stream in time            as error
 *   total            no whole answer within the attempt's time     as error
 *   breaker_open     the pool had no node to ask                   as error
 *   quota            the server's account is used up               busy: another node, then error
 *                    or a budget of the caller's: begins there     429, before any of this
 *   context_length   the prompt is too long for the model          the answer goes to the client
 *   content_policy   the server refused the content                the answer goes to the client
 *
 * A route may give each cause a chain of its own (`fallbacks`). The walk begins with `pools`, enters
 * the chain of each cause at most once, and does not come back: at the end of a chain it is over.
 * Pure: reads the route, writes the walk.
 */
#ifndef SL_REQUEST_CHAIN_H
#define SL_REQUEST_CHAIN_H

#include "user/request/routes.h"

struct sl_chain_walk {
	const struct sl_route *route;
	const struct sl_route_chain *own; /* in the place of the route's `pools`; NULL: that */
	enum sl_cause cause;		  /* whose chain the walk is in */
	uint32_t at;			  /* position in it */
	uint32_t used;			  /* bit by cause */
	uint32_t moves;			  /* pools passed by so far */
};

void sl_chain_begin(struct sl_chain_walk *walk, const struct sl_route *route);

/* The same with a chain of the request's own in the place of the route's `pools`; NULL: that one. */
void sl_chain_begin_own(struct sl_chain_walk *walk, const struct sl_route *route,
			const struct sl_route_chain *own);

/*
 * Begins where a budget says so: in the chain of the cause quota, which the route has. No other
 * cause leads out of it, for what the others cost was not reserved.
 */
void sl_chain_begin_thrifty(struct sl_chain_walk *walk, const struct sl_route *route);
const struct sl_upstream_pool *sl_chain_pool(const struct sl_chain_walk *walk);

/* The cause has a chain of its own that was not entered yet. */
bool sl_chain_has_own(const struct sl_chain_walk *walk, enum sl_cause cause);

/* Pools that could follow when this one fails for that cause. */
uint32_t sl_chain_behind(const struct sl_chain_walk *walk, enum sl_cause cause);

/* Turns to the next pool. Returns false, and stays where it is, at the end. */
bool sl_chain_next(struct sl_chain_walk *walk, enum sl_cause cause);

/*
 * Should the request leave the pool at once? So where another node of it would answer the same, and
 * the cause's own chain is ahead or, inside it, goes on.
 */
bool sl_chain_leaves_at_once(const struct sl_chain_walk *walk, enum sl_cause cause);

/* "context_length", as in the configuration. */
const char *sl_chain_cause_name(enum sl_cause cause);

#endif
