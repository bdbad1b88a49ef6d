/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/apply.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader/say.h"
#include "loader/vlan.h"
#include "user/base/random.h"
#include "user/base/tunables.h"

int sl_apply_begin(const struct sl_object *object)
{
	struct sl_settings settings = {
		.abi_version = SL_ABI_VERSION,
		.tunable_count = SL_TUNABLE_COUNT,
		.counter_count = SL_COUNTER_COUNT,
	};
	int cpus = libbpf_num_possible_cpus();
	uint32_t zero = 0;
	int error = cpus < 0 ? cpus : 0;

	settings.cpu_count = (uint32_t)cpus;
	settings.flow_sets = sl_object_entries(object, "flows");
	settings.syn_count = sl_object_entries(object, "syns");
	if (!error &&
	    bpf_map_update_elem(sl_object_map(object, "settings"), &zero, &settings, BPF_ANY))
		error = -errno;
	if (error)
		sl_say_error("report it with `uname -r`", "cannot write the settings: %s",
			     strerror(-error));
	return error;
}

/* ---- callbacks of the topology ------------------------------------------------------------- */

static int put(int fd, const void *key, const void *value)
{
	return bpf_map_update_elem(fd, key, value, BPF_ANY) ? -errno : 0;
}

static int delete_key(int fd, const void *key)
{
	return bpf_map_delete_elem(fd, key) ? -errno : 0;
}

static int put_endpoint(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot)
{
	const struct sl_view *view = ctx;

	return put(view->fds[SL_VIEW_ENDPOINTS], endpoint, &slot);
}

static int del_endpoint(void *ctx, const struct sl_endpoint *endpoint)
{
	const struct sl_view *view = ctx;

	return delete_key(view->fds[SL_VIEW_ENDPOINTS], endpoint);
}

static int next_endpoint(void *ctx, const struct sl_endpoint *previous,
			 struct sl_endpoint *ret_endpoint)
{
	const struct sl_view *view = ctx;

	return bpf_map_get_next_key(view->fds[SL_VIEW_ENDPOINTS], previous, ret_endpoint) ? -errno
											  : 0;
}

static int put_service(void *ctx, const struct sl_endpoint *endpoint,
		       const struct sl_service *service)
{
	const struct sl_view *view = ctx;

	return put(view->fds[SL_VIEW_SERVICES], endpoint, service);
}

static int del_service(void *ctx, const struct sl_endpoint *endpoint)
{
	const struct sl_view *view = ctx;

	return delete_key(view->fds[SL_VIEW_SERVICES], endpoint);
}

static int next_service(void *ctx, const struct sl_endpoint *previous,
			struct sl_endpoint *ret_endpoint)
{
	const struct sl_view *view = ctx;

	return bpf_map_get_next_key(view->fds[SL_VIEW_SERVICES], previous, ret_endpoint) ? -errno
											 : 0;
}

/* Fills a new array; one call for all its entries. */
static int fill_table(int fd, const uint32_t *table, uint32_t size)
{
	uint32_t *keys = malloc(size * sizeof(*keys));
	uint32_t count = size;
	int error;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++)
		keys[i] = i;
	error = bpf_map_update_batch(fd, keys, table, &count, NULL) ? -errno : 0;
	free(keys);
	return error;
}

/* The whole table is made aside and swapped in: a packet sees the old one or the new one. */
static int put_maglev(void *ctx, uint32_t pool_slot, const uint32_t *table, uint32_t size)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	const struct sl_view *view = ctx;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(uint32_t),
				sizeof(uint32_t), size, &options);
	int error;

	if (fd < 0)
		return -errno;
	error = fill_table(fd, table, size);
	if (!error)
		error = put(view->fds[SL_VIEW_MAGLEV], &pool_slot, &fd);
	close(fd); /* the outer map holds it */
	return error;
}

static int del_maglev(void *ctx, uint32_t pool_slot)
{
	const struct sl_view *view = ctx;

	return delete_key(view->fds[SL_VIEW_MAGLEV], &pool_slot);
}

/* ---- configuration ------------------------------------------------------------------------- */

/* A seed that is in use stays: flows that lost their entry should find their node again. */
static void settle_seed(const struct sl_view *view, struct sl_config *config)
{
	struct sl_random random;

	if (config->seed)
		return;
	config->seed = view->settings->seed;
	if (config->seed)
		return;
	sl_random_init(&random);
	config->seed = sl_random_u64(&random) | 1;
}

int sl_apply_config(const struct sl_view *view, struct sl_config *config,
		    struct sl_topology *ret_topology)
{
	struct sl_topology_view topology_view = {
		.settings = view->settings,
		.nodes = view->nodes,
		.nodes_max = view->entries[SL_VIEW_NODES],
		.pools = view->pools,
		.tunables = view->tunables,
		.ctx = (void *)view,
		.put_endpoint = put_endpoint,
		.del_endpoint = del_endpoint,
		.next_endpoint = next_endpoint,
		.put_service = put_service,
		.del_service = del_service,
		.next_service = next_service,
		.put_maglev = put_maglev,
		.del_maglev = del_maglev,
	};
	struct sl_error reason = {0};
	uint32_t vlan_count;
	int error;

	if (view->entries[SL_VIEW_POOLS] < SL_POOLS_MAX ||
	    view->entries[SL_VIEW_TUNABLES] < SL_TUNABLES_SIZE) {
		sl_say_error("sluice down, then sluice up CONFIG",
			     "the maps in \"%s\" are smaller than this version needs", view->dir);
		return -EPROTO;
	}
	settle_seed(view, config);
	error = sl_topology_apply(&topology_view, config, ret_topology, &reason);
	if (error) {
		sl_say_error("sluice check CONFIG",
			     "the configuration cannot be put into the maps: %s",
			     reason.text[0] ? reason.text : strerror(-error));
		return error;
	}
	error = sl_vlan_apply(view->fds[SL_VIEW_DEVICES], &vlan_count);
	if (error) {
		sl_topology_fini(ret_topology);
		sl_say_error("ip -d link show type vlan",
			     "the VLAN devices cannot be told to the kernel plane (at most %u): %s",
			     SL_DEVICES_MAX, strerror(-error));
	}
	return error;
}
