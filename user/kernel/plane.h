/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plane.h - the daemon's view of the state that both planes share.
 *
 * With the kernel plane up (`sluice up`), the pinned maps: settings, nodes, pools, tunables,
 * counters, loads, latencies and what else is an array are mapped into memory, so the request path
 * reads and writes them without a system call; endpoints, services, lookup tables, prefixes and
 * beacon keys are written by bpf(2) at start and reload only.
 * Without it, the same structs in anonymous shared memory: everything in user space works as
 * before, only the fast lane and the kernel's own measurements are missing. That is said loudly.
 *
 * One plane a process. open, apply, poll_events and close belong to the control thread; the mapped
 * structs to everyone, with atomics.
 */
#ifndef SL_KERNEL_PLANE_H
#define SL_KERNEL_PLANE_H

#include <stdbool.h>
#include "user/base/topology.h"

struct sl_plane_events; /* the ring buffer's reader */

#define SL_PLANE_MAPPINGS 10u

struct sl_kernel_plane {
	bool bpf; /* false: anonymous memory */
	char pin_dir[256];
	struct sl_settings *settings;
	struct sl_node_state *nodes;
	struct sl_pool_state *pools;
	uint64_t *tunables;
	struct sl_counters *counters; /* settings->cpu_count rows; NULL without BPF */
	/* NULL without BPF, or with a kernel plane that has no such map. */
	struct sl_node_load *loads;		 /* SL_NODES_MAX: what beacons say */
	struct sl_node_latency *latencies;	 /* SL_NODES_MAX */
	struct sl_server_id *server_ids;	 /* SL_SERVER_IDS_MAX */
	struct sl_service_guard *services_guard; /* SL_SERVICES_MAX */
	struct sl_chaos *chaos;			 /* SL_CHAOS_MAX: experiments */
	size_t sizes[SL_PLANE_MAPPINGS];	 /* of the mappings, in that order */
	int memory_fd;				 /* of the anonymous memory, -1 with BPF */
	int endpoints_fd, services_fd, maglev_fd, maglev_old_fd, prefixes_fd, beacon_keys_fd;
	struct sl_plane_events *events;
};

/*
 * Opens the pinned maps below pin_dir, or makes anonymous memory when there are none (or they
 * cannot be used: why then holds the reason for the log, else it is empty). `requests` of every
 * node is set to 0: those in flight died with the daemon that counted them. Returns 0; -EPROTO when
 * the pins are of another ABI version (why says which); -ENOMEM.
 */
int sl_kernel_plane_open(const char *pin_dir, struct sl_kernel_plane **ret_plane,
			 struct sl_error *why);

/* This is the only daemon there is: none of the requests that the states count is under way. */
void sl_kernel_plane_begin(struct sl_kernel_plane *plane);

void sl_kernel_plane_close(struct sl_kernel_plane **plane);

/* Brings the maps to what the configuration says; see topology.h. */
int sl_kernel_plane_apply(struct sl_kernel_plane *plane, const struct sl_config *config,
			  struct sl_topology *ret_topology, struct sl_error *error);

/* Hands every event that waits to fn. Returns their number; 0 without BPF. */
int sl_kernel_plane_poll(struct sl_kernel_plane *plane,
			 void (*fn)(void *owner, const struct sl_event *event), void *owner);

#endif
