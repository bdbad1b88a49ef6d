/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology.h - brings the shared maps to what a configuration says, while packets flow.
 *
 * Used by `sluice up`, at the daemon's start and at its reload; the caller says through callbacks
 * how maps are reached, so the same code serves pinned maps and plain memory. One caller at a time
 * (the pin directory's lock); both planes go on working meanwhile.
 *
 * What stays: a node keeps its slot, its breaker, its drain and its counts as long as its endpoint
 * is configured, also when it changes pools; a pool keeps its slot as long as its name is. What
 * goes: a removed node loses SL_NODE_PRESENT and its endpoint, and gives back its ejection place.
 * Its slot is used again only when no untouched slot is left, never within the same call, and then
 * with another incarnation and generation, so nothing of the old node sticks to the new one.
 *
 * Order of writes, so that no packet meets half a pool:
 *   settings, tunables, new pools
 *   nodes: `loads` and `latencies` of a new one cleared, its state, then its endpoints
 *   each pool's family and mode; when its lookup table changes, the one it was is kept beside it,
 *   for flows that were opened by it (bpf/chain.h); its lookup table, then sizes and weights
 *   spills: now every pool has its table
 *   server ids, also those that lead nowhere any more
 *   beacon keys, then the beacon port; allow and deny list
 *   services: the row in `services_guard` of a new one cleared, then the service
 *   removals: services, nodes, endpoints, pools
 * Doing it twice changes nothing. A process killed in the middle leaves maps that work; the next
 * call finishes.
 *
 * Endpoints: sl_node_state.endpoint is TCP always, and so is its key in `endpoints`. Where a UDP
 * service leads to the node's pool, straight or by spills, a second key with UDP leads to the same
 * slot. Services: sl_service.index is the lowest row that is free, and stays as long as the service
 * does. Lookup tables depend on endpoints and weights alone, not on slots, so hosts with the same
 * configuration have the same tables whatever each has gone through. Prefixes of the file carry
 * SL_PREFIX_OF_FILE and go with it; others were made by hand and stay. What the loader settles when
 * it makes the maps (flow_sets, syn_count, cpu_count, guard_key) is not touched.
 *
 * A host of role `node` that meets a pool of its own for the first time was probably just added to
 * it: the former table is then the one without this host. So it passes on the flows that
 * were opened before it came, as all others do.
 *
 * Tunables: a number that the file names is set to it; every other keeps what an operator gave it.
 */
#ifndef SL_BASE_TOPOLOGY_H
#define SL_BASE_TOPOLOGY_H

#include "user/base/config.h"
#include "user/base/error.h"

/*
 * How to reach the maps. Pointers are borrowed for the call. Callbacks return 0 or -errno; a delete
 * of what is not there returns 0 or -ENOENT. The next_* walk the keys that exist: previous NULL
 * starts, -ENOENT ends; nothing is changed during a walk.
 */
struct sl_topology_view {
	struct sl_settings *settings;
	struct sl_node_state *nodes; /* nodes_max of them, slot 0 unused */
	uint32_t nodes_max;	     /* at most SL_NODES_MAX */
	struct sl_pool_state *pools; /* SL_POOLS_MAX of them, slot 0 unused */
	uint64_t *tunables;	     /* SL_TUNABLES_SIZE of them */
	/* Without kernel plane nobody uses these: NULL. */
	struct sl_node_load *loads;		 /* nodes_max of them */
	struct sl_node_latency *latencies;	 /* nodes_max of them */
	struct sl_server_id *server_ids;	 /* SL_SERVER_IDS_MAX of them */
	struct sl_service_guard *services_guard; /* SL_SERVICES_MAX of them */
	void *ctx;
	int (*put_endpoint)(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot);
	int (*del_endpoint)(void *ctx, const struct sl_endpoint *endpoint);
	int (*next_endpoint)(void *ctx, const struct sl_endpoint *previous,
			     struct sl_endpoint *ret_endpoint);
	int (*put_service)(void *ctx, const struct sl_endpoint *endpoint,
			   const struct sl_service *service);
	int (*del_service)(void *ctx, const struct sl_endpoint *endpoint);
	int (*next_service)(void *ctx, const struct sl_endpoint *previous,
			    struct sl_endpoint *ret_endpoint);
	/* NULL without kernel plane. */
	int (*get_service)(void *ctx, const struct sl_endpoint *endpoint,
			   struct sl_service *ret_service);
	int (*put_beacon_key)(void *ctx, uint32_t index, const struct sl_beacon_key *key);
	/* All three or none. */
	int (*put_prefix)(void *ctx, const struct sl_prefix *prefix, uint32_t value);
	int (*del_prefix)(void *ctx, const struct sl_prefix *prefix);
	int (*next_prefix)(void *ctx, const struct sl_prefix *previous,
			   struct sl_prefix *ret_prefix, uint32_t *ret_value);
	int (*put_maglev)(void *ctx, uint32_t pool_slot, const uint32_t *table, uint32_t size);
	/* The pool's table, which is about to be replaced, becomes the former one of this
	 * generation too; -ENOENT: it has none. NULL: nobody looks there. */
	int (*keep_maglev)(void *ctx, uint32_t pool_slot, uint32_t generation);
	int (*del_maglev)(void *ctx, uint32_t pool_slot); /* the former ones too */
	/* This host's address towards a node, for NAT and as a tunnel's outer source; NULL:
	 * sl_topology_source(). */
	int (*source)(void *ctx, const struct sl_endpoint *endpoint, struct sl_addr *ret_addr);
};

/* Where things of the configuration ended up; by their index in it. */
struct sl_topology {
	uint32_t *pool_slots;  /* [pool] */
	uint32_t **node_slots; /* [pool][node] */
	uint32_t pool_count;
	uint32_t nodes_added;
	uint32_t nodes_removed;
	uint32_t nodes_unroutable; /* no route to them now: no source address */
	uint32_t repaired;	   /* see sl_topology_repair() */
};

/*
 * Applies the configuration. On failure *ret_topology is untouched and error says what is wrong:
 * -EEXIST (an endpoint is in two pools, or twice in one), -ENOSPC (no slot left, or a full list of
 * prefixes), -ENOMEM, or what a callback returned. Endpoints, slots and services are checked before
 * anything is written.
 */
int sl_topology_apply(const struct sl_topology_view *view, const struct sl_config *config,
		      struct sl_topology *ret_topology, struct sl_error *error);

/* Frees what apply allocated. */
void sl_topology_fini(struct sl_topology *topology);

/*
 * Makes `ejected` of every node and pool agree with the breakers again, after a process died
 * between two steps of breaker.h. What disagrees is looked at again after a millisecond, so a step
 * under way is left alone. Part of apply. Returns how many numbers it put right.
 */
uint32_t sl_topology_repair(const struct sl_topology_view *view);

/*
 * The address this host would use towards the endpoint: connects a UDP socket, which sends no
 * packet, and asks for its name. 0 or -errno (-ENETUNREACH: no route).
 */
int sl_topology_source(const struct sl_endpoint *endpoint, struct sl_addr *ret_addr);

/* A node's key in lookup tables: the same on every host. */
uint64_t sl_topology_node_key(const struct sl_endpoint *endpoint);

#endif
