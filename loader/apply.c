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
	if (!error) /* guessed, it would let floods through */
		error = sl_random_secure(settings.guard_key, sizeof(settings.guard_key));
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

static int get_service(void *ctx, const struct sl_endpoint *endpoint,
		       struct sl_service *ret_service)
{
	const struct sl_view *view = ctx;

	return bpf_map_lookup_elem(view->fds[SL_VIEW_SERVICES], endpoint, ret_service) ? -errno : 0;
}

static int put_beacon_key(void *ctx, uint32_t index, const struct sl_beacon_key *key)
{
	const struct sl_view *view = ctx;

	return put(view->fds[SL_VIEW_BEACON_KEYS], &index, key);
}

static int put_prefix(void *ctx, const struct sl_prefix *prefix, uint32_t value)
{
	const struct sl_view *view = ctx;

	return put(view->fds[SL_VIEW_PREFIXES], prefix, &value);
}

static int del_prefix(void *ctx, const struct sl_prefix *prefix)
{
	const struct sl_view *view = ctx;

	return delete_key(view->fds[SL_VIEW_PREFIXES], prefix);
}

static int next_prefix(void *ctx, const struct sl_prefix *previous, struct sl_prefix *ret_prefix,
		       uint32_t *ret_value)
{
	const struct sl_view *view = ctx;
	int fd = view->fds[SL_VIEW_PREFIXES];

	if (bpf_map_get_next_key(fd, previous, ret_prefix))
		return -errno;
	return bpf_map_lookup_elem(fd, ret_prefix, ret_value) ? -errno : 0;
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

/*
 * The whole table is made aside and swapped in: a packet sees the old one or the new one. The
 * kernel frees the old one after a grace period. user/kernel/plane.c does the same for its own
 * libbpf.
 */
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

static int keep_maglev(void *ctx, uint32_t pool_slot, uint32_t generation)
{
	uint32_t key = sl_old_table(pool_slot, generation), id;
	const struct sl_view *view = ctx;
	int fd, error;

	if (bpf_map_lookup_elem(view->fds[SL_VIEW_MAGLEV], &pool_slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	error = put(view->fds[SL_VIEW_MAGLEV_OLD], &key, &fd);
	close(fd);
	return error;
}

static int del_maglev(void *ctx, uint32_t pool_slot)
{
	const struct sl_view *view = ctx;

	for (uint32_t i = 0; i < SL_OLD_TABLES; i++) {
		uint32_t key = sl_old_table(pool_slot, i);

		if (view->fds[SL_VIEW_MAGLEV_OLD] >= 0)
			(void)delete_key(view->fds[SL_VIEW_MAGLEV_OLD], &key);
	}
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

static struct sl_topology_view topology_view_of(const struct sl_view *view)
{
	bool has_keys = view->fds[SL_VIEW_BEACON_KEYS] >= 0;
	bool has_prefixes = view->fds[SL_VIEW_PREFIXES] >= 0;

	return (struct sl_topology_view){
		.settings = view->settings,
		.nodes = view->nodes,
		.nodes_max = view->entries[SL_VIEW_NODES],
		.pools = view->pools,
		.tunables = view->tunables,
		.loads = view->loads,
		.latencies = view->latencies,
		.server_ids = view->server_ids,
		.services_guard = view->services_guard,
		.ctx = (void *)view,
		.put_endpoint = put_endpoint,
		.del_endpoint = del_endpoint,
		.next_endpoint = next_endpoint,
		.put_service = put_service,
		.del_service = del_service,
		.next_service = next_service,
		.get_service = get_service,
		.put_beacon_key = has_keys ? put_beacon_key : NULL,
		.put_prefix = has_prefixes ? put_prefix : NULL,
		.del_prefix = has_prefixes ? del_prefix : NULL,
		.next_prefix = has_prefixes ? next_prefix : NULL,
		.put_maglev = put_maglev,
		.keep_maglev = view->fds[SL_VIEW_MAGLEV_OLD] >= 0 ? keep_maglev : NULL,
		.del_maglev = del_maglev,
	};
}

/* Rows are indexed without asking again: every map by node slot has as many as `nodes`. */
static bool is_large_enough(const struct sl_view *view)
{
	uint32_t nodes = view->entries[SL_VIEW_NODES];

	return nodes <= SL_NODES_MAX && view->entries[SL_VIEW_POOLS] >= SL_POOLS_MAX &&
	       view->entries[SL_VIEW_TUNABLES] >= SL_TUNABLES_SIZE &&
	       (!view->loads || view->entries[SL_VIEW_LOADS] >= nodes) &&
	       (!view->latencies || view->entries[SL_VIEW_LATENCIES] >= nodes);
}

int sl_apply_config(const struct sl_view *view, struct sl_config *config,
		    struct sl_topology *ret_topology)
{
	struct sl_topology_view topology_view = topology_view_of(view);
	struct sl_error reason = {0};
	uint32_t vlan_count;
	int error;

	if (!is_large_enough(view)) {
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
