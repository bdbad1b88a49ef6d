/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * view.h - the state that both planes share, as plain memory.
 *
 *   from                          has
 *   the pinned maps               all; hash tables, tries and rings stay descriptors
 *   a daemon without kernel       settings, nodes, pools and tunables: its shared memory, handed
 *   plane                         over by its admin socket; no counters, no descriptors
 *
 * A map that the loaded kernel plane does not have is no error but for those of the first version:
 * its pointer is NULL and its descriptor -1, as all are without kernel plane. Ask before use.
 *
 * The mapped arrays are live: others write them while one reads, so single words are read and
 * written with atomics and no two words belong to one instant.
 */
#ifndef SL_LOADER_VIEW_H
#define SL_LOADER_VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "user/base/flow_table.h"

/* The maps of abi.h. */
enum sl_view_map {
	SL_VIEW_SETTINGS = 0,
	SL_VIEW_TUNABLES,
	SL_VIEW_NODES,
	SL_VIEW_POOLS,
	SL_VIEW_COUNTERS,
	SL_VIEW_LOADS,
	SL_VIEW_LATENCIES,
	SL_VIEW_SERVER_IDS,
	SL_VIEW_SERVICES_GUARD,
	SL_VIEW_TRACE_FILTER,
	SL_VIEW_CHAOS,
	SL_VIEW_LAGS,
	/* Large: mapped by sl_view_map_large(), to read. */
	SL_VIEW_FLOWS,
	SL_VIEW_SOURCES,
	/* Descriptors. */
	SL_VIEW_ENDPOINTS,
	SL_VIEW_SERVICES,
	SL_VIEW_MAGLEV,
	SL_VIEW_MAGLEV_OLD,
	SL_VIEW_DEVICES,
	SL_VIEW_PREFIXES,
	SL_VIEW_BEACON_KEYS,
	SL_VIEW_TRACE,
	SL_VIEW_LAG_TAPS,
	SL_VIEW_MAPS,
	SL_VIEW_MAPPED_AT_ONCE = SL_VIEW_FLOWS, /* those before it are mapped by open */
	SL_VIEW_MAPPED = SL_VIEW_ENDPOINTS,	/* those before it can be mapped */
};

struct sl_view {
	const char *dir; /* borrowed */
	int fds[SL_VIEW_MAPS];
	void *memory[SL_VIEW_MAPPED];
	uint64_t memory_len[SL_VIEW_MAPPED];
	uint32_t entries[SL_VIEW_MAPS]; /* max_entries; 0: there is no such map */
	struct sl_settings *settings;
	uint64_t *tunables;		   /* row * SL_TUNABLE_KEYS + id */
	struct sl_node_state *nodes;	   /* entries[SL_VIEW_NODES]; slot 0 unused */
	struct sl_pool_state *pools;	   /* entries[SL_VIEW_POOLS]; slot 0 unused */
	struct sl_counters *counters;	   /* entries[SL_VIEW_COUNTERS], 0 of them without plane */
	struct sl_node_load *loads;	   /* by node slot */
	struct sl_node_latency *latencies; /* by node slot */
	struct sl_server_id *server_ids;   /* by server id */
	struct sl_service_guard *services_guard; /* by sl_service.index */
	struct sl_trace_filter *trace_filter;	 /* one */
	struct sl_chaos *chaos;			 /* SL_CHAOS_MAX; NULL: an older plane */
	struct sl_lag *lags;			 /* as chaos; NULL: it holds nothing back */
	bool alone;				 /* the memory of a daemon without kernel plane */
};

/*
 * Opens and maps what is pinned in `dir`. Says on stderr what is wrong and what to do; when `quiet`
 * only that the maps are of another version.
 * -ENOENT: nothing pinned there; -EPERM; -EPROTO: another ABI.
 */
int sl_view_open(const char *dir, bool quiet, struct sl_view *ret_view);

/*
 * The same, and where no maps can be opened, the memory of the daemon that answers at
 * `daemon_socket`. Maps of another ABI are an error all the same: both planes may still obey them.
 * Says on stderr what is wrong and what to do. Waits for the daemon as sl_admin_ask() does.
 */
int sl_view_open_any(const char *dir, const char *daemon_socket, struct sl_view *ret_view);

/*
 * Maps SL_VIEW_FLOWS or SL_VIEW_SOURCES to read, once; until then they cost nothing. -ENOENT: there
 * is no such map; -errno of mmap(2).
 */
int sl_view_map_large(struct sl_view *view, enum sl_view_map map, const void **ret_memory);

/* Counts the flows of the fast lane, see flow_table.h. Errors as above. */
int sl_view_count_flows(struct sl_view *view, uint64_t now_ns, struct sl_flow_counts *ret_counts);

/* Unmaps and closes; idempotent. */
void sl_view_close(struct sl_view *view);

/* Slots that can be in use, bounded by the map whatever the settings say; loop from 1. */
uint32_t sl_view_node_slots(const struct sl_view *view);
uint32_t sl_view_pool_slots(const struct sl_view *view);

/* Sum over the CPUs in use. */
uint64_t sl_view_counter(const struct sl_view *view, enum sl_counter counter);

/* Slot of the pool, 0 when there is none of that name. */
uint32_t sl_view_find_pool(const struct sl_view *view, const char *name);

/*
 * Slot of the node that `text` means: "ADDRESS:PORT" or "POOL/INDEX". 0, after a message on stderr,
 * when it means none.
 */
uint32_t sl_view_find_node(const struct sl_view *view, const char *text);

#endif
