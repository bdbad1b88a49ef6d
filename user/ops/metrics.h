/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * metrics.h - GET /metrics: the threads' counters added up, node states, kernel counters.
 *
 * Prometheus text format 0.0.4. Names and help texts are the tables in metrics.c; label values are
 * names of the configuration file, never a client's text. Reads while others write (relaxed): a
 * scrape may miss the last few events, never sees a torn number.
 */
#ifndef SL_OPS_METRICS_H
#define SL_OPS_METRICS_H

#include "user/kernel/plane.h"
#include "user/ops/keys.h"
#include "user/request/worker.h"

struct sl_check_counts;
struct sl_dwells;
struct sl_telemetry_counts;

struct sl_metrics_labels; /* of the nodes, while a page is written */

struct sl_metrics_source {
	struct sl_worker **workers;
	uint32_t worker_count;
	const struct sl_kernel_plane *plane;
	const struct sl_route_names *names;
	struct sl_keys *keys;
	struct sl_peers *peers;
	struct sl_ledger *ledger;
	const struct sl_check_counts *health;	     /* by node slot; NULL: there is no prober */
	const struct sl_telemetry_counts *telemetry; /* the same */
	const struct sl_loads *loads;
	const struct sl_dwells *dwells; /* NULL: no memory for it. Atomic */
	const char *io_backend;
	const char *profile; /* of the configuration in force; a constant. Atomic */
	uint64_t start_wall_ms;
	uint64_t reloads_ok, reloads_failed;
	bool last_reload_ok;
	struct sl_endpoint listen[SL_CONFIG_LISTEN_MAX]; /* as at the start */
	int64_t certificate_ends[SL_CONFIG_LISTEN_MAX];	 /* Unix time; 0: no TLS. Atomic */
	const struct sl_metrics_labels *labels;
};

/* "NAME{LABELS} VALUE". A page of 1,000 nodes has 20,000 such lines: no format is read for each. */
void sl_metrics_line(struct sl_text *text, const char *name, const char *labels, uint64_t value);

/* Calls fn for every node that is configured, with its labels. */
void sl_metrics_each_node(const struct sl_metrics_source *source, struct sl_text *text,
			  void (*fn)(const struct sl_node_state *node, const char *labels,
				     const void *arg, struct sl_text *text),
			  const void *arg);

/* Of one route, a uint64_t of struct sl_route_stats at this offset, over all workers. */
uint64_t sl_metrics_route_sum(const struct sl_metrics_source *source, uint32_t route,
			      size_t offset);

void sl_metrics_write(const struct sl_metrics_source *source, struct sl_text *text);

#endif
