/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology_work.h - one application of a configuration while it goes on. Internal to topology*.c.
 *
 *   topology.c          the plan: which slot for whom; the order of the steps
 *   topology_write.c    settings, tunables, pools, nodes, lookup tables, spills, server ids
 *   topology_service.c  services and their rows in `services_guard`
 *   topology_guard.c    allow and deny list, keys and port of the beacons
 *   topology_remove.c   what the configuration no longer names
 *   topology_repair.c   ejection counts
 *
 * Every function returns 0 or -errno and, on failure, has written work->error.
 */
#ifndef SL_BASE_TOPOLOGY_WORK_H
#define SL_BASE_TOPOLOGY_WORK_H

#include "user/base/topology.h"

/* One configured node, in an array sorted by endpoint. */
struct sl_topology_wanted {
	const struct sl_config_node *node;
	uint32_t pool; /* index in the configuration */
	uint32_t index;
	uint32_t slot; /* 0: not known yet */
};

enum sl_topology_mark {
	SL_TOPOLOGY_GONE = 0,	 /* the configuration does not name the pool in this slot */
	SL_TOPOLOGY_KEPT = 1,	 /* it does */
	SL_TOPOLOGY_CHANGED = 2, /* and its lookup table changes */
};

/* Where a configured service has its row of `services_guard`. */
struct sl_topology_row {
	uint16_t index;
	bool is_known;
	bool is_new; /* the row was another service's, or nobody's */
};

struct sl_topology_work {
	const struct sl_topology_view *view;
	const struct sl_config *config;
	struct sl_topology topology;
	struct sl_topology_wanted *wanted;
	uint32_t wanted_count;
	uint8_t *pool_marks;	      /* by pool slot: enum sl_topology_mark */
	bool *pool_is_udp;	      /* by index: a UDP service leads there, or spills into it */
	struct sl_topology_row *rows; /* by the service's index */
	struct sl_error *error;
};

/* An order of endpoints, the same on every host. */
int sl_topology_compare(const struct sl_endpoint *a, const struct sl_endpoint *b);

/* The configured node of that endpoint, be it its TCP or its UDP one; NULL. */
struct sl_topology_wanted *sl_topology_find(const struct sl_topology_work *work,
					    const struct sl_endpoint *endpoint);

/* The configured service's index, or UINT32_MAX. */
uint32_t sl_topology_find_service(const struct sl_topology_work *work,
				  const struct sl_endpoint *endpoint);

bool sl_topology_is_present(const struct sl_node_state *node);
void sl_topology_store32(uint32_t *at, uint32_t value);

/* The keys of a map, at most max of them; the caller frees. 0 or -errno, without error text. */
int sl_topology_list(void *ctx,
		     int (*next)(void *ctx, const struct sl_endpoint *previous,
				 struct sl_endpoint *ret_endpoint),
		     uint32_t max, struct sl_endpoint **ret_keys, uint32_t *ret_count);

/* Before anything is written. -ENOSPC: more services than fit while the old ones are there. */
int sl_topology_plan_services(struct sl_topology_work *work);

/* The steps, in this order. */
int sl_topology_write_state(struct sl_topology_work *work); /* settings to server ids */
void sl_topology_write_bounds(const struct sl_topology_view *view, bool may_shrink);
int sl_topology_write_guard(struct sl_topology_work *work);
int sl_topology_write_services(struct sl_topology_work *work);
int sl_topology_remove(struct sl_topology_work *work);

#endif
