/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/kernel/plane.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "user/base/shared_state.h"
#include "user/base/tunables.h"

struct sl_plane_events {
	struct ring_buffer *ring;
	void (*fn)(void *owner, const struct sl_event *event);
	void *owner;
};

enum mapping {
	MAP_SETTINGS,
	MAP_NODES,
	MAP_POOLS,
	MAP_TUNABLES,
	MAP_COUNTERS,
	/* A kernel plane without these is older; what they are for is missing then. */
	MAP_LOADS,
	MAP_LATENCIES,
	MAP_SERVER_IDS,
	MAP_SERVICES_GUARD,
	MAP_CHAOS,
	MAP_COUNT,
	MAP_OPTIONAL = MAP_LOADS
};

_Static_assert((int)MAP_COUNT == (int)SL_PLANE_MAPPINGS, "sizes");

struct map_shape {
	const char *name;
	size_t value_bytes;
	uint32_t entries_min; /* what is indexed without asking again */
};

static const struct map_shape shapes[MAP_COUNT] = {
	[MAP_SETTINGS] = {"settings", sizeof(struct sl_settings), 1},
	[MAP_NODES] = {"nodes", sizeof(struct sl_node_state), SL_NODES_MAX},
	[MAP_POOLS] = {"pools", sizeof(struct sl_pool_state), SL_POOLS_MAX},
	[MAP_TUNABLES] = {"tunables", sizeof(uint64_t), SL_TUNABLES_SIZE},
	[MAP_COUNTERS] = {"counters", sizeof(struct sl_counters), 1},
	[MAP_LOADS] = {"loads", sizeof(struct sl_node_load), SL_NODES_MAX},
	[MAP_LATENCIES] = {"latencies", sizeof(struct sl_node_latency), SL_NODES_MAX},
	[MAP_SERVER_IDS] = {"server_ids", sizeof(struct sl_server_id), SL_SERVER_IDS_MAX},
	[MAP_SERVICES_GUARD] = {"services_guard", sizeof(struct sl_service_guard), SL_SERVICES_MAX},
	[MAP_CHAOS] = {"chaos", sizeof(struct sl_chaos), SL_CHAOS_MAX},
};

static size_t page_up(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static void **slot_of(struct sl_kernel_plane *plane, enum mapping which)
{
	void **const slots[MAP_COUNT] = {
		[MAP_SETTINGS] = (void **)&plane->settings,
		[MAP_NODES] = (void **)&plane->nodes,
		[MAP_POOLS] = (void **)&plane->pools,
		[MAP_TUNABLES] = (void **)&plane->tunables,
		[MAP_COUNTERS] = (void **)&plane->counters,
		[MAP_LOADS] = (void **)&plane->loads,
		[MAP_LATENCIES] = (void **)&plane->latencies,
		[MAP_SERVER_IDS] = (void **)&plane->server_ids,
		[MAP_SERVICES_GUARD] = (void **)&plane->services_guard,
		[MAP_CHAOS] = (void **)&plane->chaos,
	};

	return slots[which];
}

/* ---- pinned maps ----------------------------------------------------------------------------- */

static int open_pin(const struct sl_kernel_plane *plane, const char *name)
{
	char path[sizeof(plane->pin_dir) + 32];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", plane->pin_dir, name);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

static int check_shape(const struct sl_kernel_plane *plane, const struct map_shape *shape, int fd,
		       uint32_t *ret_entries, struct sl_error *why)
{
	struct bpf_map_info info = {0};
	__u32 info_len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) || info.value_size != shape->value_bytes ||
	    info.max_entries < shape->entries_min)
		return sl_error_set(why, -EPROTO,
				    "%s/%s: %u values of %u bytes, this daemon expects %u of %zu "
				    "(run: sluice down; sluice up CONFIG)",
				    plane->pin_dir, shape->name, info.max_entries, info.value_size,
				    shape->entries_min, shape->value_bytes);
	*ret_entries = info.max_entries;
	return 0;
}

static int map_pin(struct sl_kernel_plane *plane, enum mapping which, struct sl_error *why)
{
	const struct map_shape *shape = &shapes[which];
	int fd = open_pin(plane, shape->name);
	uint32_t entries = 0;
	void *memory;
	int rc;

	if (fd == -ENOENT && which >= MAP_OPTIONAL)
		return 0;
	if (fd < 0)
		return sl_error_set_errno(why, fd, "%s/%s", plane->pin_dir, shape->name);
	rc = check_shape(plane, shape, fd, &entries, why);
	if (rc) {
		close(fd);
		return rc;
	}
	plane->sizes[which] = page_up(entries * shape->value_bytes);
	memory = mmap(NULL, plane->sizes[which], PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (memory == MAP_FAILED)
		return sl_error_set_errno(why, -errno, "%s/%s: mmap", plane->pin_dir, shape->name);
	*slot_of(plane, which) = memory;
	return 0;
}

static int on_event(void *ctx, void *data, size_t size)
{
	struct sl_plane_events *events = ctx;

	if (size >= sizeof(struct sl_event))
		events->fn(events->owner, data);
	return 0;
}

static int open_events(struct sl_kernel_plane *plane, struct sl_error *why)
{
	int fd = open_pin(plane, "events");

	if (fd < 0)
		return sl_error_set_errno(why, fd, "%s/events", plane->pin_dir);
	plane->events = calloc(1, sizeof(*plane->events));
	if (plane->events)
		plane->events->ring = ring_buffer__new(fd, on_event, plane->events, NULL);
	close(fd);
	if (!plane->events || !plane->events->ring)
		return sl_error_set(why, -ENOMEM, "%s/events: ring buffer", plane->pin_dir);
	return 0;
}

static int open_hashes(struct sl_kernel_plane *plane, struct sl_error *why)
{
	plane->endpoints_fd = open_pin(plane, "endpoints");
	plane->services_fd = open_pin(plane, "services");
	plane->maglev_fd = open_pin(plane, "maglev");
	if (plane->endpoints_fd < 0 || plane->services_fd < 0 || plane->maglev_fd < 0)
		return sl_error_set(why, -ENOENT, "%s: endpoints, services or maglev is missing",
				    plane->pin_dir);
	plane->maglev_old_fd = open_pin(plane, "maglev_old");
	plane->prefixes_fd = open_pin(plane, "prefixes");
	plane->beacon_keys_fd = open_pin(plane, "beacon_keys");
	return 0;
}

static int open_pins(struct sl_kernel_plane *plane, struct sl_error *why)
{
	int which, rc;

	for (which = 0; which < MAP_COUNT; which++) {
		rc = map_pin(plane, (enum mapping)which, why);
		if (rc)
			return rc;
		if (which == MAP_SETTINGS && plane->settings->abi_version != SL_ABI_VERSION)
			return sl_error_set(why, -EPROTO,
					    "%s: kernel plane speaks ABI %u, this daemon %u (run: "
					    "sluice down; sluice up CONFIG)",
					    plane->pin_dir, plane->settings->abi_version,
					    SL_ABI_VERSION);
	}
	rc = open_hashes(plane, why);
	return rc ? rc : open_events(plane, why);
}

/* ---- anonymous memory ------------------------------------------------------------------------ */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void unmap(struct sl_kernel_plane *plane)
{
	int which;

	for (which = 0; which < MAP_COUNT; which++) {
		void **slot = slot_of(plane, (enum mapping)which);

		if (*slot)
			munmap(*slot, plane->sizes[which]);
		*slot = NULL;
	}
	if (plane->events) {
		ring_buffer__free(plane->events->ring);
		free(plane->events);
		plane->events = NULL;
	}
	close_fd(&plane->endpoints_fd);
	close_fd(&plane->services_fd);
	close_fd(&plane->maglev_fd);
	close_fd(&plane->maglev_old_fd);
	close_fd(&plane->prefixes_fd);
	close_fd(&plane->beacon_keys_fd);
	close_fd(&plane->memory_fd);
}

/* The parts of shared_state.h are the mappings before the counters, in the same order. */
_Static_assert((int)SL_SHARED_SETTINGS == (int)MAP_SETTINGS &&
		       (int)SL_SHARED_NODES == (int)MAP_NODES &&
		       (int)SL_SHARED_POOLS == (int)MAP_POOLS &&
		       (int)SL_SHARED_TUNABLES == (int)MAP_TUNABLES,
	       "order of the parts");

static int make_memory(struct sl_kernel_plane *plane)
{
	struct sl_shared_layout layout;
	int rc = sl_shared_state_create(&plane->memory_fd);
	int which;

	if (rc)
		return rc;
	sl_shared_state_layout_here(&layout);
	for (which = 0; which < (int)SL_SHARED_PARTS; which++) {
		rc = sl_shared_state_map(plane->memory_fd, &layout, (enum sl_shared_part)which,
					 slot_of(plane, (enum mapping)which));
		if (rc)
			return rc;
		plane->sizes[which] = layout.parts[which].size_bytes;
	}
	plane->settings->abi_version = SL_ABI_VERSION;
	for (which = 0; which < (int)SL_TUNABLES_SIZE; which++) {
		uint32_t id = (uint32_t)which % SL_TUNABLE_KEYS;

		plane->tunables[which] = which >= (int)SL_TUNABLE_KEYS ? SL_TUNABLE_INHERIT
					 : id < SL_TUNABLE_COUNT       ? sl_tunable_info[id].initial
								       : 0;
	}
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

int sl_kernel_plane_open(const char *pin_dir, struct sl_kernel_plane **ret_plane,
			 struct sl_error *why)
{
	struct sl_kernel_plane *plane = calloc(1, sizeof(*plane));
	int rc;

	why->text[0] = '\0';
	if (!plane)
		return -ENOMEM;
	plane->endpoints_fd = plane->services_fd = plane->maglev_fd = -1;
	plane->maglev_old_fd = -1;
	plane->prefixes_fd = plane->beacon_keys_fd = plane->memory_fd = -1;
	snprintf(plane->pin_dir, sizeof(plane->pin_dir), "%s", pin_dir);
	libbpf_set_print(NULL);
	rc = open_pins(plane, why);
	plane->bpf = rc == 0;
	if (rc) {
		unmap(plane);
		if (rc != -EPROTO)
			rc = make_memory(plane);
	}
	if (rc) {
		unmap(plane);
		free(plane);
		return rc;
	}
	*ret_plane = plane;
	return 0;
}

void sl_kernel_plane_begin(struct sl_kernel_plane *plane)
{
	uint32_t slot;

	for (slot = 0; slot < SL_NODES_MAX; slot++)
		__atomic_store_n(&plane->nodes[slot].requests, 0, __ATOMIC_RELAXED);
}

void sl_kernel_plane_close(struct sl_kernel_plane **plane)
{
	if (!*plane)
		return;
	unmap(*plane);
	free(*plane);
	*plane = NULL;
}

/* ---- topology -------------------------------------------------------------------------------- */

static int put_endpoint(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_update_elem(plane->endpoints_fd, endpoint, &slot, BPF_ANY) ? -errno : 0;
}

static int del_endpoint(void *ctx, const struct sl_endpoint *endpoint)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_delete_elem(plane->endpoints_fd, endpoint) ? -errno : 0;
}

static int next_key(int fd, const struct sl_endpoint *previous, struct sl_endpoint *ret_endpoint)
{
	return bpf_map_get_next_key(fd, previous, ret_endpoint) ? -errno : 0;
}

static int next_endpoint(void *ctx, const struct sl_endpoint *previous,
			 struct sl_endpoint *ret_endpoint)
{
	return next_key(((struct sl_kernel_plane *)ctx)->endpoints_fd, previous, ret_endpoint);
}

static int put_service(void *ctx, const struct sl_endpoint *endpoint,
		       const struct sl_service *service)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_update_elem(plane->services_fd, endpoint, service, BPF_ANY) ? -errno : 0;
}

static int del_service(void *ctx, const struct sl_endpoint *endpoint)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_delete_elem(plane->services_fd, endpoint) ? -errno : 0;
}

static int next_service(void *ctx, const struct sl_endpoint *previous,
			struct sl_endpoint *ret_endpoint)
{
	return next_key(((struct sl_kernel_plane *)ctx)->services_fd, previous, ret_endpoint);
}

static int get_service(void *ctx, const struct sl_endpoint *endpoint,
		       struct sl_service *ret_service)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_lookup_elem(plane->services_fd, endpoint, ret_service) ? -errno : 0;
}

static int put_beacon_key(void *ctx, uint32_t index, const struct sl_beacon_key *key)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_update_elem(plane->beacon_keys_fd, &index, key, BPF_ANY) ? -errno : 0;
}

static int put_prefix(void *ctx, const struct sl_prefix *prefix, uint32_t value)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_update_elem(plane->prefixes_fd, prefix, &value, BPF_ANY) ? -errno : 0;
}

static int del_prefix(void *ctx, const struct sl_prefix *prefix)
{
	struct sl_kernel_plane *plane = ctx;

	return bpf_map_delete_elem(plane->prefixes_fd, prefix) ? -errno : 0;
}

static int next_prefix(void *ctx, const struct sl_prefix *previous, struct sl_prefix *ret_prefix,
		       uint32_t *ret_value)
{
	struct sl_kernel_plane *plane = ctx;

	if (bpf_map_get_next_key(plane->prefixes_fd, previous, ret_prefix))
		return -errno;
	return bpf_map_lookup_elem(plane->prefixes_fd, ret_prefix, ret_value) ? -errno : 0;
}

/* Fills a new array; one call for all its entries. */
static int fill_table(int fd, const uint32_t *table, uint32_t size)
{
	uint32_t *keys = malloc(size * sizeof(*keys));
	uint32_t count = size;
	int rc;

	if (!keys)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++)
		keys[i] = i;
	rc = bpf_map_update_batch(fd, keys, table, &count, NULL) ? -errno : 0;
	free(keys);
	return rc;
}

/*
 * The whole table is made aside and swapped in: a packet sees the old one or the new one. The
 * kernel frees the old one after a grace period. loader/apply.c does the same for its own libbpf.
 */
static int put_maglev(void *ctx, uint32_t pool_slot, const uint32_t *table, uint32_t size)
{
	struct sl_kernel_plane *plane = ctx;
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "maglev_table", sizeof(uint32_t),
				sizeof(uint32_t), size, &options);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fill_table(fd, table, size);
	if (!rc && bpf_map_update_elem(plane->maglev_fd, &pool_slot, &fd, BPF_ANY))
		rc = -errno;
	close(fd); /* the outer map holds it */
	return rc;
}

static int keep_maglev(void *ctx, uint32_t pool_slot, uint32_t generation)
{
	uint32_t key = sl_old_table(pool_slot, generation), id;
	struct sl_kernel_plane *plane = ctx;
	int fd, rc;

	if (bpf_map_lookup_elem(plane->maglev_fd, &pool_slot, &id))
		return -errno;
	fd = bpf_map_get_fd_by_id(id);
	if (fd < 0)
		return -errno;
	rc = bpf_map_update_elem(plane->maglev_old_fd, &key, &fd, BPF_ANY) ? -errno : 0;
	close(fd);
	return rc;
}

static int del_maglev(void *ctx, uint32_t pool_slot)
{
	struct sl_kernel_plane *plane = ctx;

	for (uint32_t i = 0; i < SL_OLD_TABLES; i++) {
		uint32_t key = sl_old_table(pool_slot, i);

		if (plane->maglev_old_fd >= 0)
			(void)bpf_map_delete_elem(plane->maglev_old_fd, &key);
	}

	return bpf_map_delete_elem(plane->maglev_fd, &pool_slot) ? -errno : 0;
}

/* Without BPF nobody looks endpoints or services up: there is nothing to write. */
static int no_put_endpoint(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot)
{
	(void)ctx, (void)endpoint, (void)slot;
	return 0;
}

static int no_endpoint(void *ctx, const struct sl_endpoint *endpoint)
{
	(void)ctx, (void)endpoint;
	return 0;
}

static int no_next(void *ctx, const struct sl_endpoint *previous, struct sl_endpoint *ret_endpoint)
{
	(void)ctx, (void)previous, (void)ret_endpoint;
	return -ENOENT;
}

static int no_put_service(void *ctx, const struct sl_endpoint *endpoint,
			  const struct sl_service *service)
{
	(void)ctx, (void)endpoint, (void)service;
	return 0;
}

static int no_put_maglev(void *ctx, uint32_t pool_slot, const uint32_t *table, uint32_t size)
{
	(void)ctx, (void)pool_slot, (void)table, (void)size;
	return 0;
}

static int no_del_maglev(void *ctx, uint32_t pool_slot)
{
	(void)ctx, (void)pool_slot;
	return 0;
}

int sl_kernel_plane_apply(struct sl_kernel_plane *plane, const struct sl_config *config,
			  struct sl_topology *ret_topology, struct sl_error *error)
{
	struct sl_topology_view view = {
		.settings = plane->settings,
		.nodes = plane->nodes,
		.nodes_max = SL_NODES_MAX,
		.pools = plane->pools,
		.tunables = plane->tunables,
		.loads = plane->loads,
		.latencies = plane->latencies,
		.server_ids = plane->server_ids,
		.services_guard = plane->services_guard,
		.ctx = plane,
		.put_endpoint = plane->bpf ? put_endpoint : no_put_endpoint,
		.del_endpoint = plane->bpf ? del_endpoint : no_endpoint,
		.next_endpoint = plane->bpf ? next_endpoint : no_next,
		.put_service = plane->bpf ? put_service : no_put_service,
		.del_service = plane->bpf ? del_service : no_endpoint,
		.next_service = plane->bpf ? next_service : no_next,
		.get_service = plane->bpf ? get_service : NULL,
		.put_beacon_key = plane->beacon_keys_fd >= 0 ? put_beacon_key : NULL,
		.put_prefix = plane->prefixes_fd >= 0 ? put_prefix : NULL,
		.del_prefix = plane->prefixes_fd >= 0 ? del_prefix : NULL,
		.next_prefix = plane->prefixes_fd >= 0 ? next_prefix : NULL,
		.put_maglev = plane->bpf ? put_maglev : no_put_maglev,
		.keep_maglev = plane->maglev_old_fd >= 0 ? keep_maglev : NULL,
		.del_maglev = plane->bpf ? del_maglev : no_del_maglev,
	};

	return sl_topology_apply(&view, config, ret_topology, error);
}

int sl_kernel_plane_poll(struct sl_kernel_plane *plane,
			 void (*fn)(void *owner, const struct sl_event *event), void *owner)
{
	int rc;

	if (!plane->events)
		return 0;
	plane->events->fn = fn;
	plane->events->owner = owner;
	rc = ring_buffer__consume(plane->events->ring);
	return rc < 0 ? 0 : rc;
}
