/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/strata.h"

#include <assert.h>

static uint32_t hash_of(struct sl_span text)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < text.len; i++)
		hash = (hash ^ (unsigned char)text.data[i]) * 16777619u;
	return hash ^ hash >> 16;
}

uint32_t sl_strata_find(const struct sl_stratum_of *of)
{
	uint32_t at = hash_of(of->tenant) % SL_STRATA_TENANTS;

	assert(of->arm < SL_STRATA_ARMS);
	at = at * 2 + of->kept;
	at = at * 2 + of->degraded;
	at = at * 2 + of->stream;
	return at * SL_STRATA_ARMS + of->arm;
}

/* One of those that come at once alone takes the turn of a stratum that was not looked at for long. */
static bool is_rare(struct sl_stratum *stratum, uint32_t rare_ms, uint64_t now_ms)
{
	uint64_t taken_ms = __atomic_load_n(&stratum->taken_ms, __ATOMIC_RELAXED);

	if (!rare_ms || (taken_ms && now_ms - taken_ms < rare_ms))
		return false;
	return __atomic_compare_exchange_n(&stratum->taken_ms, &taken_ms, now_ms, false,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

bool sl_strata_take(struct sl_strata *strata, uint32_t at, uint32_t share, uint32_t rare_ms,
		    uint64_t now_ms, uint32_t *ret_weight)
{
	struct sl_stratum *stratum = &strata->of[at];
	uint32_t before, weight;

	assert(at < SL_STRATA && share <= SL_STRATA_SHARES);
	if (!share)
		return false;
	__atomic_fetch_add(&stratum->since, 1, __ATOMIC_RELAXED);
	/* SL_STRATA_SHARES does not divide 2^32: once in 430,000 turns one comes early, and its weight says so */
	before = __atomic_fetch_add(&stratum->credit, share, __ATOMIC_RELAXED);
	if (before / SL_STRATA_SHARES == (before + share) / SL_STRATA_SHARES &&
	    !is_rare(stratum, rare_ms, now_ms))
		return false;
	__atomic_store_n(&stratum->taken_ms, now_ms, __ATOMIC_RELAXED);
	weight = __atomic_exchange_n(&stratum->since, 0, __ATOMIC_RELAXED);
	if (!weight) /* another one at the same moment stands for this one too */
		return false;
	*ret_weight = weight;
	return true;
}
