/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * telemetry.h - brings what the nodes say of their load to those that choose (policy/load.h): one
 * reader for all threads of the daemon.
 *
 * Every node whose page of metrics is wanted has a timer of its own, due every `every` with a quarter
 * of jitter; reading a page is a fiber on the control loop, over a connection of its own that the
 * server closes. At most SL_TELEMETRY_RUNNING_MAX are read at once.
 *
 *   result    what came                                   what follows
 *   good      a page with a metric that is known          trusted for `stale`
 *   unknown   a page without one                          nothing is known of the node; after
 *   status    another status than 200                     SL_TELEMETRY_DULL in a row once a minute
 *   failed    no answer, too late, too long               nothing new; the last page until it is stale
 *   spared    nobody asked: the breaker is not closed     -
 *   beacon    nobody asked: its beacons arrive, and the   -
 *             pool has no adapters, which they do not name
 *
 * A page that fails is no failure of the node: it says nothing to the breaker, as far as this process
 * has a say (the kernel plane sees connects and resets of any kind). Beacons that arrive are taken in
 * every SL_TELEMETRY_BEACON_MS, for every node, and are trusted for the tunable beacon.stale_ms.
 *
 * Thread: control. The counts are read by any.
 */
#ifndef SL_OPS_TELEMETRY_H
#define SL_OPS_TELEMETRY_H

#include "user/request/routes.h"

#define SL_TELEMETRY_RUNNING_MAX 16u
#define SL_TELEMETRY_DULL	 3u
#define SL_TELEMETRY_DULL_MS	 60000u
#define SL_TELEMETRY_TIMEOUT_MS	 1000u
#define SL_TELEMETRY_PAGE_BYTES	 (4u << 20)
#define SL_TELEMETRY_BEACON_MS	 100u

enum sl_telemetry_result {
	SL_TELEMETRY_GOOD = 0,
	SL_TELEMETRY_UNKNOWN,
	SL_TELEMETRY_STATUS,
	SL_TELEMETRY_FAILED,
	SL_TELEMETRY_SPARED,
	SL_TELEMETRY_BEACON,
	SL_TELEMETRY_RESULTS
};

/* Of one node slot, for the metrics. */
struct sl_telemetry_counts {
	uint64_t results[SL_TELEMETRY_RESULTS];
};

struct sl_telemetry;

/* state.retries->loads is written. beacons: by node slot, NULL: there are none. 0 or -ENOMEM. */
int sl_telemetry_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		      const struct sl_node_load *beacons, struct sl_telemetry **ret_telemetry);

/* Reads what this snapshot asks for from now on; takes a reference of its own. */
void sl_telemetry_apply(struct sl_telemetry *telemetry, struct sl_routes *routes);

/* SL_NODES_MAX entries by slot; NULL while there is no reader. Any thread. */
const struct sl_telemetry_counts *sl_telemetry_counts(const struct sl_telemetry *telemetry);

/* Reads no more: turns the loop until nothing is open any more. NULL is allowed. */
void sl_telemetry_stop(struct sl_telemetry *telemetry);

/* Frees it; nobody reads the counts any more. */
void sl_telemetry_close(struct sl_telemetry **telemetry);

#endif
