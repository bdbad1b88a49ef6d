/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/migrate.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include "bpf/breaker.h"
#include "loader/attach.h"
#include "loader/pins.h"
#include "loader/record.h"
#include "loader/say.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/tunables.h"

/*
 * The layout of ABI 1, frozen: sizes of values, and where in them the members lie that are read.
 * Not abi.h's structs: those go on changing.
 */
enum v1 {
	V1_VERSION = 1,
	V1_TUNABLES = 19, /* keys that it had; their numbers and meanings are the same today */
	V1_TUNABLE_KEYS = 64,
	V1_SETTINGS_BYTES = 64,
	V1_SETTINGS_ABI = 0,	/* u32 */
	V1_SETTINGS_SEED = 16,	/* u64 */
	V1_SETTINGS_NODES = 28, /* u32, highest slot + 1 */
	V1_SETTINGS_POOLS = 32, /* u32, highest slot + 1 */
	V1_NODE_BYTES = 512,
	V1_NODE_ENDPOINT = 0, /* 16 bytes of address, u16 port, u8 protocol, a pad */
	V1_NODE_ADMIN = 28,   /* u32: bit 0 present, bit 1 draining */
	V1_NODE_BREAKER = 64, /* u64: state in bits 61-63, 3 is forced open */
	V1_POOL_BYTES = 128,
	V1_POOL_PRESENT = 0, /* u32 */
	V1_POOL_NAME = 64,   /* 64 bytes */
};
#define V1_PRESENT     (1u << 0)
#define V1_DRAINING    (1u << 1)
#define V1_STATE_SHIFT 61
#define V1_FORCED_OPEN 3u

/* Lost races for a breaker are tried again this often; each try is SL_CAS_TRIES_MAX swaps. */
#define FORCE_TRIES_MAX 64

enum old_map { OLD_SETTINGS, OLD_TUNABLES, OLD_NODES, OLD_POOLS, OLD_MAPS };

static const struct {
	const char *name;
	uint32_t value_bytes;
} old_shapes[OLD_MAPS] = {
	[OLD_SETTINGS] = {"settings", V1_SETTINGS_BYTES},
	[OLD_TUNABLES] = {"tunables", sizeof(uint64_t)},
	[OLD_NODES] = {"nodes", V1_NODE_BYTES},
	[OLD_POOLS] = {"pools", V1_POOL_BYTES},
};

/* The old maps, open; and how many slots of them are in use. */
struct old {
	int fds[OLD_MAPS];
	uint32_t entries[OLD_MAPS];
	uint64_t seed;
	uint32_t node_slots;
	uint32_t pool_slots;
};

static uint32_t read_u32(const unsigned char *value, unsigned offset)
{
	uint32_t number;

	memcpy(&number, value + offset, sizeof(number));
	return number;
}

static uint64_t read_u64(const unsigned char *value, unsigned offset)
{
	uint64_t number;

	memcpy(&number, value + offset, sizeof(number));
	return number;
}

bool sl_migrate_knows(uint32_t version)
{
	return version == V1_VERSION;
}

/* ---- the old maps -------------------------------------------------------------------------- */

static void close_old(struct old *old)
{
	for (unsigned i = 0; i < OLD_MAPS; i++) {
		if (old->fds[i] >= 0)
			close(old->fds[i]);
		old->fds[i] = -1;
	}
}

static int refuse_old(const char *path, const char *what)
{
	sl_say_error("the `sluice down` that belongs to it, then sluice up CONFIG",
		     "\"%s\" cannot be carried over: %s", path, what);
	return -EPROTO;
}

static int open_old_map(const char *from, enum old_map which, struct old *old)
{
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);
	char path[SL_PINS_PATH_MAX];
	int fd = bpf_obj_get(sl_pins_path(from, old_shapes[which].name, path));

	if (fd < 0)
		return refuse_old(path, strerror(-fd));
	old->fds[which] = fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len))
		return refuse_old(path, strerror(errno));
	if (info.type != BPF_MAP_TYPE_ARRAY || info.value_size != old_shapes[which].value_bytes)
		return refuse_old(path, "it has not the layout of version 1");
	old->entries[which] = info.max_entries;
	return 0;
}

static uint32_t least(uint32_t one, uint32_t other)
{
	return one < other ? one : other;
}

static int open_old(const char *from, struct old *ret_old)
{
	unsigned char settings[V1_SETTINGS_BYTES];
	struct old old = {.fds = {-1, -1, -1, -1}};
	uint32_t zero = 0;
	int error = 0;

	for (unsigned i = 0; !error && i < OLD_MAPS; i++)
		error = open_old_map(from, i, &old);
	if (!error && bpf_map_lookup_elem(old.fds[OLD_SETTINGS], &zero, settings))
		error = refuse_old(from, strerror(errno));
	if (!error && read_u32(settings, V1_SETTINGS_ABI) != V1_VERSION)
		error = refuse_old(from, "its settings are not of version 1");
	if (error) {
		close_old(&old);
		return error;
	}
	old.seed = read_u64(settings, V1_SETTINGS_SEED);
	old.node_slots = least(read_u32(settings, V1_SETTINGS_NODES), old.entries[OLD_NODES]);
	old.pool_slots = least(read_u32(settings, V1_SETTINGS_POOLS), old.entries[OLD_POOLS]);
	*ret_old = old;
	return 0;
}

int sl_migrate_begin(const char *from, uint32_t version, uint64_t *ret_seed)
{
	struct old old;
	int error;

	if (!sl_migrate_knows(version))
		return refuse_old(from, "this command does not know its layouts");
	error = open_old(from, &old);
	if (!error) {
		*ret_seed = old.seed;
		close_old(&old);
	}
	return error;
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* An old number that the configuration does not set: `fallback` stands for "never tuned". */
static bool carry_number(const struct old *old, uint32_t old_pool, uint32_t id, uint64_t fallback,
			 uint64_t *live)
{
	uint32_t key = old_pool * V1_TUNABLE_KEYS + id;
	uint64_t value;

	if (bpf_map_lookup_elem(old->fds[OLD_TUNABLES], &key, &value) || value == fallback ||
	    value < sl_tunable_info[id].min || value > sl_tunable_info[id].max)
		return false;
	__atomic_store_n(live, value, __ATOMIC_RELAXED);
	return true;
}

static uint32_t carry_global(const struct old *old, const struct sl_view *view,
			     const struct sl_config *config)
{
	uint32_t carried = 0;

	for (uint32_t id = 0; id < V1_TUNABLES; id++) {
		/* the configuration fills its row: there the initial number is not a name, nor is
		 * one of its profile */
		if (config->tunables[id] == sl_tunable_info[id].initial ||
		    (config->tunables_of_profile >> id & 1))
			carried += carry_number(old, 0, id, sl_tunable_info[id].initial,
						&view->tunables[id]);
	}
	return carried;
}

static uint32_t carry_pool(const struct old *old, uint32_t old_pool, const char *name,
			   const struct sl_view *view, const struct sl_config *config)
{
	const struct sl_config_pool *wanted = sl_config_find_pool(config, name);
	uint32_t pool = sl_view_find_pool(view, name);
	uint32_t carried = 0;

	for (uint32_t id = 0; wanted && pool && id < V1_TUNABLES; id++) {
		if (wanted->tunables[id] == SL_TUNABLE_INHERIT)
			carried += carry_number(old, old_pool, id, SL_TUNABLE_INHERIT,
						&view->tunables[pool * SL_TUNABLE_KEYS + id]);
	}
	return carried;
}

static uint32_t carry_pools(const struct old *old, const struct sl_view *view,
			    const struct sl_config *config)
{
	uint32_t carried = 0;

	for (uint32_t slot = 1; slot < old->pool_slots; slot++) {
		unsigned char value[V1_POOL_BYTES + 1];

		if (bpf_map_lookup_elem(old->fds[OLD_POOLS], &slot, value) ||
		    !read_u32(value, V1_POOL_PRESENT))
			continue;
		value[V1_POOL_BYTES] = '\0';
		carried += carry_pool(old, slot, (const char *)value + V1_POOL_NAME, view, config);
	}
	return carried;
}

/* ---- nodes --------------------------------------------------------------------------------- */

static struct sl_node_state *find_node(const struct sl_view *view,
				       const struct sl_endpoint *endpoint)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		struct sl_node_state *node = &view->nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && node->pool < view->entries[SL_VIEW_POOLS] &&
		    sl_address_equal(&node->endpoint, endpoint))
			return node;
	}
	return NULL;
}

/* Returns 1 when the breaker is forced open now. */
static uint32_t force_open(struct sl_node_state *node, const struct sl_view *view)
{
	struct sl_breaker_change change;
	int done = 0;

	for (int tries = 0; !done && tries < FORCE_TRIES_MAX; tries++)
		done = sl_breaker_force(node, &view->pools[node->pool], SL_BREAKER_ORDER_OPEN,
					sl_clock_ms(), SL_PLANE_OPERATOR, &change);
	return done != 0;
}

static void carry_node(const unsigned char *value, const struct sl_view *view,
		       struct sl_migrated *migrated)
{
	uint32_t admin = read_u32(value, V1_NODE_ADMIN);
	struct sl_endpoint endpoint;
	struct sl_node_state *node;

	if (!(admin & V1_PRESENT))
		return;
	memcpy(&endpoint, value + V1_NODE_ENDPOINT, sizeof(endpoint));
	node = find_node(view, &endpoint);
	if (!node)
		return; /* no longer configured */
	if (admin & V1_DRAINING) {
		__atomic_fetch_or(&node->admin, SL_NODE_DRAINING, __ATOMIC_SEQ_CST);
		migrated->drains++;
	}
	if (read_u64(value, V1_NODE_BREAKER) >> V1_STATE_SHIFT == V1_FORCED_OPEN)
		migrated->forced += force_open(node, view);
}

int sl_migrate_carry(const char *from, const struct sl_view *view, const struct sl_config *config,
		     struct sl_migrated *ret_migrated)
{
	struct sl_migrated migrated = {0};
	struct old old;
	int error = open_old(from, &old);

	if (error)
		return error;
	migrated.tunables = carry_global(&old, view, config) + carry_pools(&old, view, config);
	for (uint32_t slot = 1; slot < old.node_slots; slot++) {
		unsigned char value[V1_NODE_BYTES];

		if (!bpf_map_lookup_elem(old.fds[OLD_NODES], &slot, value))
			carry_node(value, view, &migrated);
	}
	close_old(&old);
	*ret_migrated = migrated;
	return 0;
}

int sl_migrate_take(const char *from, const char *dir)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint32_t count;
	int error = 0;

	sl_record_clear_unfinished(from);
	sl_record_list(from, records, SL_RECORDS_MAX, &count);
	for (uint32_t i = 0; !error && i < count; i++) {
		error = sl_record_move(from, dir, &records[i]);
		if (error != -EEXIST)
			continue;
		/* an `up` that was stopped attached anew: the filter is one and the same by now */
		if (sl_record_is_cls(records[i].kind) || records[i].kind == SL_RECORD_CLSACT)
			error = sl_record_unpin(from, &records[i]);
		else
			error = sl_attach_remove(from, &records[i]);
	}
	return error;
}
