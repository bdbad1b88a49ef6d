/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology_work.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include "bpf/breaker.h"
#include "user/base/clock.h"

#define FORCE_TRIES_MAX 100

int sl_topology_list(void *ctx,
		     int (*next)(void *ctx, const struct sl_endpoint *previous,
				 struct sl_endpoint *ret_endpoint),
		     uint32_t max, struct sl_endpoint **ret_keys, uint32_t *ret_count)
{
	struct sl_endpoint *keys = calloc(max, sizeof(*keys));
	uint32_t count = 0;
	int code = keys == NULL ? -ENOMEM : 0;

	while (code == 0 && count < max) {
		code = next(ctx, count == 0 ? NULL : &keys[count - 1], &keys[count]);
		if (code == 0)
			count++;
	}
	if (code < 0 && code != -ENOENT) {
		free(keys);
		return code;
	}
	*ret_keys = keys;
	*ret_count = count;
	return 0;
}

static bool is_wanted_endpoint(const struct sl_topology_work *work,
			       const struct sl_endpoint *endpoint)
{
	const struct sl_topology_wanted *wanted = sl_topology_find(work, endpoint);

	return wanted != NULL &&
	       (endpoint->proto != IPPROTO_UDP || work->pool_is_udp[wanted->pool]);
}

static int remove_keys(struct sl_topology_work *work, bool is_services)
{
	const struct sl_topology_view *view = work->view;
	struct sl_endpoint *keys;
	uint32_t count;
	int code =
		sl_topology_list(view->ctx, is_services ? view->next_service : view->next_endpoint,
				 is_services ? SL_SERVICES_MAX : SL_ENDPOINTS_MAX, &keys, &count);

	if (code < 0)
		return sl_error_set_errno(work->error, code, "cannot list the %s",
					  is_services ? "services" : "endpoints");
	for (uint32_t i = 0; i < count && code == 0; i++) {
		if (is_services ? sl_topology_find_service(work, &keys[i]) != UINT32_MAX
				: is_wanted_endpoint(work, &keys[i]))
			continue;
		code = is_services ? view->del_service(view->ctx, &keys[i])
				   : view->del_endpoint(view->ctx, &keys[i]);
		if (code == -ENOENT)
			code = 0;
	}
	free(keys);
	if (code < 0)
		return sl_error_set_errno(work->error, code, "cannot remove a former %s",
					  is_services ? "service" : "node's endpoint");
	return 0;
}

static void remove_nodes(struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;

	for (uint32_t slot = 1; slot < view->nodes_max; slot++) {
		struct sl_node_state *node = &view->nodes[slot];
		struct sl_breaker_change change;
		const struct sl_topology_wanted *wanted;

		if (!sl_topology_is_present(node))
			continue;
		wanted = sl_topology_find(work, &node->endpoint);
		if (wanted != NULL && wanted->slot == slot)
			continue;
		__atomic_fetch_and(
			&node->admin,
			~(uint32_t)(SL_NODE_PRESENT | SL_NODE_DRAINING | SL_NODE_RETIRED),
			__ATOMIC_RELEASE);
		for (int tries = 0; tries < FORCE_TRIES_MAX; tries++) {
			if (sl_breaker_force(node, &view->pools[node->pool], SL_BREAKER_ORDER_CLOSE,
					     sl_clock_ms(), SL_PLANE_OPERATOR, &change))
				break;
		}
		work->topology.nodes_removed++;
	}
}

static int remove_pools(struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;

	for (uint32_t slot = 1; slot < SL_POOLS_MAX; slot++) {
		struct sl_pool_state *pool = &view->pools[slot];
		int code;

		if (!pool->present || work->pool_marks[slot] != SL_TOPOLOGY_GONE)
			continue;
		sl_topology_store32(&pool->node_count, 0);
		sl_topology_store32(&pool->maglev_size, 0);
		for (uint32_t i = 0; i < SL_OLD_TABLES; i++)
			sl_topology_store32(&pool->old_size[i], 0);
		sl_topology_store32(&pool->local, 0);
		sl_topology_store32(&pool->weight_sum, 0);
		sl_topology_store32(&pool->spill, 0);
		code = view->del_maglev(view->ctx, slot);
		if (code < 0 && code != -ENOENT)
			return sl_error_set_errno(work->error, code,
						  "pool \"%s\": cannot remove its lookup table",
						  pool->name);
		sl_topology_store32(&pool->present, 0);
	}
	return 0;
}

int sl_topology_remove(struct sl_topology_work *work)
{
	int code = remove_keys(work, true);

	if (code < 0)
		return code;
	remove_nodes(work);
	code = remove_keys(work, false);
	if (code == 0)
		code = remove_pools(work);
	if (code == 0)
		sl_topology_write_bounds(work->view, true);
	return code;
}
