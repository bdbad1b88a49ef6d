/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/chain.h"

static const char *const cause_names[SL_CAUSES] = {
	[SL_CAUSE_ERROR] = "error",
	[SL_CAUSE_TTFT] = "ttft",
	[SL_CAUSE_TOTAL] = "total",
	[SL_CAUSE_CONTEXT_LENGTH] = "context_length",
	[SL_CAUSE_CONTENT_POLICY] = "content_policy",
	[SL_CAUSE_QUOTA] = "quota",
	[SL_CAUSE_BREAKER_OPEN] = "breaker_open",
};

static const struct sl_route_chain *chain_of(const struct sl_chain_walk *walk)
{
	if (walk->own && walk->cause == SL_CAUSE_ERROR)
		return walk->own;
	return &walk->route->chains[walk->cause];
}

void sl_chain_begin(struct sl_chain_walk *walk, const struct sl_route *route)
{
	*walk = (struct sl_chain_walk){.route = route, .used = 1u << SL_CAUSE_ERROR};
}

void sl_chain_begin_own(struct sl_chain_walk *walk, const struct sl_route *route,
			const struct sl_route_chain *own)
{
	sl_chain_begin(walk, route);
	walk->own = own;
}

void sl_chain_begin_thrifty(struct sl_chain_walk *walk, const struct sl_route *route)
{
	*walk = (struct sl_chain_walk){
		.route = route, .cause = SL_CAUSE_QUOTA, .used = UINT32_MAX, .moves = 1};
}

const struct sl_upstream_pool *sl_chain_pool(const struct sl_chain_walk *walk)
{
	return chain_of(walk)->pools[walk->at];
}

bool sl_chain_has_own(const struct sl_chain_walk *walk, enum sl_cause cause)
{
	if (walk->own && walk->own->only)
		return false;
	return walk->route->chains[cause].len && !(walk->used & 1u << cause);
}

uint32_t sl_chain_behind(const struct sl_chain_walk *walk, enum sl_cause cause)
{
	if (sl_chain_has_own(walk, cause))
		return walk->route->chains[cause].len;
	return chain_of(walk)->len - walk->at - 1;
}

bool sl_chain_next(struct sl_chain_walk *walk, enum sl_cause cause)
{
	if (sl_chain_has_own(walk, cause)) {
		walk->cause = cause;
		walk->used |= 1u << cause;
		walk->at = 0;
	} else if (walk->at + 1 < chain_of(walk)->len) {
		walk->at++;
	} else {
		return false;
	}
	walk->moves++;
	return true;
}

bool sl_chain_leaves_at_once(const struct sl_chain_walk *walk, enum sl_cause cause)
{
	if (cause != SL_CAUSE_CONTEXT_LENGTH && cause != SL_CAUSE_CONTENT_POLICY &&
	    cause != SL_CAUSE_QUOTA)
		return false;
	return sl_chain_has_own(walk, cause) ||
	       (walk->cause == cause && walk->at + 1 < chain_of(walk)->len);
}

const char *sl_chain_cause_name(enum sl_cause cause)
{
	return cause_names[cause];
}
