/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/view.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "user/base/address.h"
#include "user/base/shared_state.h"
#include "user/base/text.h"

struct map_shape {
	const char *name;
	uint32_t value_size;
	uint32_t entries_min;
	bool optional; /* came with a later version than the first */
};

static const struct map_shape shapes[SL_VIEW_MAPS] = {
	[SL_VIEW_SETTINGS] = {"settings", sizeof(struct sl_settings), 1, false},
	[SL_VIEW_TUNABLES] = {"tunables", sizeof(uint64_t), SL_TUNABLE_KEYS, false},
	[SL_VIEW_NODES] = {"nodes", sizeof(struct sl_node_state), 2, false},
	[SL_VIEW_POOLS] = {"pools", sizeof(struct sl_pool_state), 2, false},
	[SL_VIEW_COUNTERS] = {"counters", sizeof(struct sl_counters), 1, false},
	[SL_VIEW_LOADS] = {"loads", sizeof(struct sl_node_load), 2, true},
	[SL_VIEW_LATENCIES] = {"latencies", sizeof(struct sl_node_latency), 2, true},
	[SL_VIEW_SERVER_IDS] = {"server_ids", sizeof(struct sl_server_id), SL_SERVER_IDS_MAX, true},
	[SL_VIEW_SERVICES_GUARD] = {"services_guard", sizeof(struct sl_service_guard),
				    SL_SERVICES_MAX, true},
	[SL_VIEW_TRACE_FILTER] = {"trace_filter", sizeof(struct sl_trace_filter), 1, true},
	[SL_VIEW_CHAOS] = {"chaos", sizeof(struct sl_chaos), SL_CHAOS_MAX, true},
	[SL_VIEW_LAGS] = {"lags", sizeof(struct sl_lag), SL_CHAOS_MAX, true},
	[SL_VIEW_FLOWS] = {"flows", sizeof(struct sl_flow_set), 1, true},
	[SL_VIEW_SOURCES] = {"sources", sizeof(struct sl_source), 1, true},
	[SL_VIEW_ENDPOINTS] = {"endpoints", sizeof(uint32_t), 1, false},
	[SL_VIEW_SERVICES] = {"services", sizeof(struct sl_service), 1, false},
	[SL_VIEW_MAGLEV] = {"maglev", sizeof(uint32_t), 1, false},
	[SL_VIEW_MAGLEV_OLD] = {"maglev_old", sizeof(uint32_t), 1, true},
	[SL_VIEW_DEVICES] = {"devices", sizeof(struct sl_device), 1, false},
	[SL_VIEW_PREFIXES] = {"prefixes", sizeof(uint32_t), 1, true},
	[SL_VIEW_BEACON_KEYS] = {"beacon_keys", sizeof(struct sl_beacon_key), SL_BEACON_KEYS_MAX,
				 true},
	[SL_VIEW_TRACE] = {"trace", 0, 1, true}, /* a ring buffer has no values */
	[SL_VIEW_LAG_TAPS] = {"lag_taps", sizeof(uint32_t), 1, true},
};

static int refuse_abi(const char *dir, const char *what, uint32_t found, uint32_t expected)
{
	sl_say_error(
		"use the `sluice` that made it, or: sluice down, then sluice up CONFIG",
		"the maps in \"%s\" belong to another version: %s is %u, this command knows %u",
		dir, what, found, expected);
	return -EPROTO;
}

static int open_map(struct sl_view *view, enum sl_view_map map, bool quiet)
{
	const struct map_shape *shape = &shapes[map];
	struct bpf_map_info info = {0};
	uint32_t info_len = sizeof(info);
	char path[SL_PINS_PATH_MAX];
	int fd = bpf_obj_get(sl_pins_path(view->dir, shape->name, path));

	if (fd == -ENOENT && shape->optional)
		return 0;
	if (fd == -ENOENT) {
		if (!quiet)
			sl_say_error("sluice up CONFIG",
				     "the kernel plane is not loaded: no maps in \"%s\"",
				     view->dir);
		return fd;
	}
	if (fd < 0 && quiet)
		return fd;
	if (fd < 0) {
		sl_say_error("run as root, or with CAP_BPF", "cannot open the map \"%s\": %s", path,
			     strerror(-fd));
		return fd;
	}
	view->fds[map] = fd;
	if (bpf_obj_get_info_by_fd(fd, &info, &info_len)) {
		int error = -errno;

		sl_say_error("run as root, or with CAP_BPF", "cannot inspect the map \"%s\": %s",
			     path, strerror(-error));
		return error;
	}
	if (info.value_size != shape->value_size)
		return refuse_abi(view->dir, shape->name, info.value_size, shape->value_size);
	if (info.max_entries < shape->entries_min)
		return refuse_abi(view->dir, shape->name, info.max_entries, shape->entries_min);
	view->entries[map] = info.max_entries;
	return 0;
}

static int map_memory(struct sl_view *view, enum sl_view_map map, int protection)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t len = (uint64_t)view->entries[map] * shapes[map].value_size;
	void *memory;

	len = (len + page - 1) / page * page;
	memory = mmap(NULL, len, protection, MAP_SHARED, view->fds[map], 0);
	if (memory == MAP_FAILED) {
		int error = -errno;

		sl_say_error("run as root", "cannot map \"%s/%s\" into memory: %s", view->dir,
			     shapes[map].name, strerror(-error));
		return error;
	}
	view->memory[map] = memory;
	view->memory_len[map] = len;
	return 0;
}

static struct sl_view empty_view(const char *dir)
{
	struct sl_view view = {.dir = dir};

	for (unsigned map = 0; map < SL_VIEW_MAPS; map++)
		view.fds[map] = -1;
	return view;
}

/* The typed pointers of what is mapped. */
static void point(struct sl_view *view)
{
	view->settings = view->memory[SL_VIEW_SETTINGS];
	view->tunables = view->memory[SL_VIEW_TUNABLES];
	view->nodes = view->memory[SL_VIEW_NODES];
	view->pools = view->memory[SL_VIEW_POOLS];
	view->counters = view->memory[SL_VIEW_COUNTERS];
	view->loads = view->memory[SL_VIEW_LOADS];
	view->latencies = view->memory[SL_VIEW_LATENCIES];
	view->server_ids = view->memory[SL_VIEW_SERVER_IDS];
	view->services_guard = view->memory[SL_VIEW_SERVICES_GUARD];
	view->trace_filter = view->memory[SL_VIEW_TRACE_FILTER];
	view->chaos = view->memory[SL_VIEW_CHAOS];
	view->lags = view->memory[SL_VIEW_LAGS];
}

int sl_view_open(const char *dir, bool quiet, struct sl_view *ret_view)
{
	struct sl_view view = empty_view(dir);
	int error = 0;

	for (unsigned map = 0; !error && map < SL_VIEW_MAPS; map++)
		error = open_map(&view, map, quiet);
	for (unsigned map = 0; !error && map < SL_VIEW_MAPPED_AT_ONCE; map++)
		error = view.fds[map] < 0 ? 0 : map_memory(&view, map, PROT_READ | PROT_WRITE);
	point(&view);
	if (!error && view.settings->abi_version != SL_ABI_VERSION)
		error = refuse_abi(dir, "abi_version", view.settings->abi_version, SL_ABI_VERSION);
	if (error)
		sl_view_close(&view);
	else
		*ret_view = view;
	return error;
}

/* ---- a daemon without kernel plane ----------------------------------------------------------- */

static int refuse_daemon(const char *daemon_socket, uint32_t abi)
{
	sl_say_error("use the `sluice` that belongs to it, or restart the daemon",
		     "the daemon at %s is of another version: its memory's ABI is %u, this command "
		     "knows %u",
		     daemon_socket, abi, SL_ABI_VERSION);
	return -EPROTO;
}

static int map_parts(struct sl_view *view, int fd)
{
	static const enum sl_view_map maps[SL_SHARED_PARTS] = {
		[SL_SHARED_SETTINGS] = SL_VIEW_SETTINGS,
		[SL_SHARED_NODES] = SL_VIEW_NODES,
		[SL_SHARED_POOLS] = SL_VIEW_POOLS,
		[SL_SHARED_TUNABLES] = SL_VIEW_TUNABLES,
	};
	struct sl_shared_layout layout;
	int error = sl_shared_state_check(fd);

	sl_shared_state_layout_here(&layout);
	for (unsigned part = 0; !error && part < SL_SHARED_PARTS; part++) {
		enum sl_view_map map = maps[part];

		error = sl_shared_state_map(fd, &layout, part, &view->memory[map]);
		if (error)
			break;
		view->memory_len[map] = layout.parts[part].size_bytes;
		view->entries[map] = layout.parts[part].entries;
	}
	return error;
}

/* Maps the memory behind fd, which stays the caller's. */
static int open_memory(const char *dir, const char *daemon_socket, int fd, struct sl_view *ret_view)
{
	struct sl_view view = empty_view(dir);
	int error = map_parts(&view, fd);

	point(&view);
	view.alone = true;
	if (error)
		sl_say_error("restart the daemon",
			     "the memory that the daemon at %s handed over cannot be used: %s",
			     daemon_socket, strerror(-error));
	else if (view.settings->abi_version != SL_ABI_VERSION)
		error = refuse_daemon(daemon_socket, view.settings->abi_version);
	if (error)
		sl_view_close(&view);
	else
		*ret_view = view;
	return error;
}

/* Nothing is pinned, and the daemon gave no memory: `daemon_error` says why. */
static int explain_absence(const char *dir, const char *daemon_socket, int daemon_error)
{
	if (daemon_error)
		sl_say_error("sluice up CONFIG, or start the daemon: sluiced CONFIG",
			     "the kernel plane is not loaded (no maps in \"%s\") and no daemon "
			     "answers at %s: %s",
			     dir, daemon_socket, strerror(-daemon_error));
	else
		sl_say_error("--pin-dir DIR, as kernel.pin_dir of its configuration says",
			     "no maps in \"%s\", and the daemon at %s uses a kernel plane that is "
			     "pinned elsewhere",
			     dir, daemon_socket);
	return -ENOENT;
}

int sl_view_open_any(const char *dir, const char *daemon_socket, struct sl_view *ret_view)
{
	struct sl_admin_answer answer;
	int daemon_error, fd = -1;
	int error = sl_view_open(dir, true, ret_view);

	if (!error || error == -EPROTO)
		return error;
	daemon_error = sl_admin_ask(daemon_socket, &answer, &fd);
	if (!daemon_error && answer.abi != SL_ABI_VERSION)
		error = refuse_daemon(daemon_socket, answer.abi);
	else if (fd >= 0)
		error = open_memory(dir, daemon_socket, fd, ret_view);
	else if (!daemon_error && answer.memory) /* dropped where the process may open no more */
		error = explain_absence(dir, daemon_socket, -EMFILE);
	else if (error == -ENOENT)
		error = explain_absence(dir, daemon_socket, daemon_error);
	else
		error = sl_view_open(dir, false, ret_view); /* again, to say what is wrong */
	if (fd >= 0)
		close(fd);
	return error;
}

void sl_view_close(struct sl_view *view)
{
	for (unsigned map = 0; map < SL_VIEW_MAPPED; map++) {
		if (view->memory[map])
			munmap(view->memory[map], view->memory_len[map]);
	}
	for (unsigned map = 0; map < SL_VIEW_MAPS; map++) {
		if (view->fds[map] >= 0)
			close(view->fds[map]);
	}
	*view = empty_view(NULL);
}

uint32_t sl_view_node_slots(const struct sl_view *view)
{
	uint32_t count = __atomic_load_n(&view->settings->node_count, __ATOMIC_RELAXED);

	return count < view->entries[SL_VIEW_NODES] ? count : view->entries[SL_VIEW_NODES];
}

uint32_t sl_view_pool_slots(const struct sl_view *view)
{
	uint32_t count = __atomic_load_n(&view->settings->pool_count, __ATOMIC_RELAXED);

	return count < view->entries[SL_VIEW_POOLS] ? count : view->entries[SL_VIEW_POOLS];
}

uint64_t sl_view_counter(const struct sl_view *view, enum sl_counter counter)
{
	uint32_t rows = view->settings->cpu_count;
	uint64_t sum = 0;

	if (rows > view->entries[SL_VIEW_COUNTERS])
		rows = view->entries[SL_VIEW_COUNTERS];
	for (uint32_t cpu = 0; cpu < rows; cpu++)
		sum += __atomic_load_n(&view->counters[cpu].v[counter], __ATOMIC_RELAXED);
	return sum;
}

int sl_view_map_large(struct sl_view *view, enum sl_view_map map, const void **ret_memory)
{
	int error = 0;

	if (!view->memory[map])
		error = view->fds[map] < 0 ? -ENOENT : map_memory(view, map, PROT_READ);
	if (!error)
		*ret_memory = view->memory[map];
	return error;
}

int sl_view_count_flows(struct sl_view *view, uint64_t now_ns, struct sl_flow_counts *ret_counts)
{
	const void *sets;
	int error = sl_view_map_large(view, SL_VIEW_FLOWS, &sets);

	if (!error)
		sl_flow_table_count(sets, view->entries[SL_VIEW_FLOWS], view->tunables, now_ns,
				    ret_counts);
	return error;
}

uint32_t sl_view_find_pool(const struct sl_view *view, const char *name)
{
	for (uint32_t slot = 1; slot < sl_view_pool_slots(view); slot++) {
		const struct sl_pool_state *pool = &view->pools[slot];

		if (pool->present && !strncmp(pool->name, name, sizeof(pool->name)))
			return slot;
	}
	return 0;
}

/* The node of the pool with this position, 0 when there is none. */
static uint32_t find_by_index(const struct sl_view *view, uint32_t pool, uint64_t index)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && node->pool == pool && node->index == index)
			return slot;
	}
	return 0;
}

static uint32_t find_by_address(const struct sl_view *view, const char *text)
{
	struct sl_endpoint endpoint;
	struct sl_error error = {0};

	if (sl_address_parse(text, &endpoint, &error)) {
		sl_say_error("sluice status", "node \"%s\": %s (or give POOL/INDEX)", text,
			     error.text);
		return 0;
	}
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && sl_address_equal(&node->endpoint, &endpoint))
			return slot;
	}
	sl_say_error("sluice status", "node \"%s\": no pool has this address", text);
	return 0;
}

uint32_t sl_view_find_node(const struct sl_view *view, const char *text)
{
	const char *slash = strrchr(text, '/');
	char name[sizeof(view->pools->name)];
	uint64_t index;
	uint32_t pool, slot;

	if (!slash)
		return find_by_address(view, text);
	if ((size_t)(slash - text) >= sizeof(name) ||
	    sl_span_u64(sl_span_string(slash + 1), &index)) {
		sl_say_error("sluice status", "node \"%s\" is neither ADDRESS:PORT nor POOL/INDEX",
			     text);
		return 0;
	}
	memcpy(name, text, (size_t)(slash - text));
	name[slash - text] = '\0';
	pool = sl_view_find_pool(view, name);
	if (!pool) {
		sl_say_error("sluice status", "node \"%s\": there is no pool \"%s\"", text, name);
		return 0;
	}
	slot = find_by_index(view, pool, index);
	if (!slot)
		sl_say_error("sluice status",
			     "node \"%s\": pool \"%s\" has %u nodes, counted from 0", text, name,
			     view->pools[pool].node_count);
	return slot;
}
