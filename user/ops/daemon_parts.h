/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon_parts.h - what daemon.c and daemon_admin.c share. */
#ifndef SL_OPS_DAEMON_PARTS_H
#define SL_OPS_DAEMON_PARTS_H

#include "user/ops/admin.h"
#include "user/ops/autoscale.h"
#include "user/ops/beacon.h"
#include "user/ops/canary.h"
#include "user/ops/checks.h"
#include "user/ops/daemon.h"
#include "user/ops/dwells.h"
#include "user/ops/keys.h"
#include "user/ops/ledger.h"
#include "user/ops/metrics.h"
#include "user/ops/page.h"
#include "user/ops/stores.h"
#include "user/ops/suites.h"
#include "user/ops/takeover.h"
#include "user/ops/telemetry.h"
#include "user/ops/threads.h"
#include "user/ops/watch.h"
#include "user/request/exposition.h"

struct sl_daemon {
	const char *config_path;
	struct sl_routes *routes; /* the control thread's reference */
	struct sl_kernel_plane *plane;
	struct sl_upstream_retries retries;
	struct sl_rooms rooms;
	struct sl_route_names names;
	struct sl_threads threads;
	struct sl_metrics_source metrics;
	struct sl_worker_hooks hooks;
	struct sl_loop *loop; /* control */
	struct sl_timer event_timer;
	struct sl_timer drain_timer;
	struct sl_timer keys_timer;
	struct sl_keys keys;
	struct sl_ledger ledger;
	struct sl_beacon_sender *beacons;
	struct sl_checks *health; /* NULL: no checks */
	struct sl_canary *canary; /* the same */
	struct sl_scaler *scaler; /* NULL: no memory for it */
	struct sl_telemetry *telemetry;
	struct sl_dwells *dwells;
	struct sl_cache *cache;
	struct sl_stores stores;
	struct sl_suites *suites; /* of prompts; NULL: no memory for them */
	struct sl_tls_tickets *tickets;
	struct sl_peers *peers;
	struct sl_admin admin;
	struct sl_watch *watch;	      /* NULL: no memory for it */
	struct sl_page *page;	      /* the same */
	struct sl_takeover *takeover; /* while this process takes over; else NULL */
	bool handed_over;	      /* a new process serves; this one ends with its connections */
	bool draining;
	bool cut;
	uint64_t drain_until_ms;
};

/* Opens the admin socket of the configuration; its orders act on the daemon. */
void sl_daemon_open_admin(struct sl_daemon *daemon);

/* Opens the status page, last of all. */
void sl_daemon_open_page(struct sl_daemon *daemon);

#endif
