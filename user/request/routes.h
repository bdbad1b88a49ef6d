/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * routes.h - the configuration as requests see it: an immutable snapshot, swapped whole at reload.
 *
 * Every request in flight holds a reference to the snapshot it began with; the last put frees it
 * together with its configuration. The reference count is atomic; the rest is read-only. Any
 * thread.
 */
#ifndef SL_REQUEST_ROUTES_H
#define SL_REQUEST_ROUTES_H

#include "user/base/config.h"
#include "user/base/topology.h"
#include "user/policy/limit.h"
#include "user/policy/spend.h"
#include "user/request/secure.h"
#include "user/upstream/upstream.h"

struct sl_route_chain {
	const struct sl_upstream_pool *pools[SL_CONFIG_CHAIN_MAX];
	uint32_t len;
	bool only; /* of a request: no chain of another cause follows, see stage/pick.h */
};

struct sl_route {
	const char *model;
	const struct sl_config_route *config;
	struct sl_route_chain chains[SL_CAUSES]; /* see chain.h */
	bool staged;				 /* it has stages, see stages.h */
	bool other_api;				 /* a pool of it does not speak chat completions */
	uint32_t stats_index;
	struct sl_meter *meter;	      /* what all clients use of it; of the names' table */
	const struct sl_price *price; /* the configuration's; NULL: it costs nothing */
	struct sl_purse purse;	      /* account NULL: money is not counted */
};

/* Names of routes in the order of their counters; grows over reloads, never shrinks. */
struct sl_route_names {
	char *names[1024];
	struct sl_meter *meters[1024]; /* names past the end share the first */
	uint32_t count;
	struct sl_accounts *accounts; /* for what is spent on them; NULL: not counted */
};

struct sl_routes {
	uint32_t refs;
	struct sl_config *config;
	struct sl_topology topology;
	struct sl_secure secure;
	struct sl_upstream_pool *pools;
	const struct sl_upstream_pool *pool_of_slot[SL_POOLS_MAX];
	uint32_t *limits; /* of all pools' nodes */
	uint8_t *rings;	  /* the same room, see ring.h */
	uint32_t *ring_order;
	struct sl_route *routes;
	uint32_t route_count;
	uint32_t *buckets; /* open addressing by name; value index + 1 */
	uint32_t bucket_mask;
	int64_t created_s; /* Unix time, as its models tell it */
	char *models_json; /* body of GET /v1/models */
	size_t models_json_len;
};

/*
 * Takes config, topology and secure over (also on failure). Returns 0 or -ENOMEM. names gets the routes
 * that it does not hold yet; the caller keeps it for the life of the process.
 */
int sl_routes_build(struct sl_config *config, struct sl_topology *topology,
		    const struct sl_secure *secure, struct sl_route_names *names,
		    struct sl_routes **ret_routes);

struct sl_routes *sl_routes_get(struct sl_routes *routes);
void sl_routes_put(struct sl_routes **routes);

/* The route of a public model name, or NULL. */
const struct sl_route *sl_routes_find(const struct sl_routes *routes, const char *model,
				      size_t model_len);

#endif
