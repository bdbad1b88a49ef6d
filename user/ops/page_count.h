/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_count.h - what goes on, for the status page: the threads' counters, now and at the look before, so
 * rates; and the last SL_PAGE_SAMPLES looks of the whole daemon, for its plots.
 *
 * A look adds up all threads: 0.1 ms for 20 routes on 16 threads, so the owner spaces it by what it cost
 * (sl_page_counts_due). Memory: 8.5 kB a route that has ever been asked, 160 kB for nodes.
 *
 * Thread: one, the owner's, which is no loop's; what it reads is written by others meanwhile (relaxed).
 */
#ifndef SL_OPS_PAGE_COUNT_H
#define SL_OPS_PAGE_COUNT_H

#include "user/ops/metrics.h"

#define SL_PAGE_SAMPLES 120u

struct sl_page_rates {
	double requests, errors, tokens, retries, fallbacks; /* a second */
	uint64_t ttft_p50_us, ttft_p95_us; /* of the interval; 0: no stream began */
};

struct sl_page_route {
	uint64_t requests, errors, tokens, retries, fallbacks, steps[SL_STEPS];
	uint64_t stepped_ns[SL_STEPS]; /* when a request last took that step; 0: not seen */
	struct sl_page_rates rates;
	struct sl_histogram ttft_us;
};

struct sl_page_node {
	uint32_t incarnation;
	uint64_t good, bad; /* outcomes, by both planes */
	double good_rate, bad_rate;
};

struct sl_page_sample {
	uint64_t wall_ms;
	struct sl_page_rates rates;
	uint64_t in_flight, waiting;
};

struct sl_page_counts {
	uint64_t at_ns, cost_ns; /* of the last look */
	double seconds;		 /* between the last two; 0: there were none */
	struct sl_page_route *routes[SL_STATS_ROUTES_MAX]; /* NULL: never asked */
	struct sl_page_node nodes[SL_NODES_MAX];
	struct sl_page_rates all;
	struct sl_page_sample samples[SL_PAGE_SAMPLES];
	uint64_t sample_count; /* ever; the newest is at sample_count - 1, modulo */
	struct sl_histogram now, between, every; /* while a look is taken */
};

/* All zero is empty. */
void sl_page_counts_fini(struct sl_page_counts *counts);

/* Is it time for a look? */
bool sl_page_counts_due(const struct sl_page_counts *counts, uint64_t now_ns, uint64_t interval_ns);

void sl_page_counts_look(struct sl_page_counts *counts, const struct sl_metrics_source *source);

/* How many wait in the pool's queue; counts: by class, or NULL. ret_estimate_ns, ret_overloaded: or NULL. */
uint32_t sl_page_waiting(const struct sl_metrics_source *source, uint32_t pool,
			 uint32_t by_class[SL_QUEUE_CLASSES], uint64_t *ret_estimate_ns,
			 bool *ret_overloaded);

#endif
