/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/latency.h"
#include "user/ops/dwells.h"
#include "user/ops/metrics_cache.h"
#include "user/ops/metrics_concurrency.h"
#include "user/ops/metrics_health.h"
#include "user/ops/metrics_http.h"
#include "user/ops/metrics_affinity.h"
#include "user/ops/metrics_again.h"
#include "user/ops/metrics_fit.h"
#include "user/ops/metrics_genai.h"
#include "user/ops/metrics_kernel.h"
#include "user/ops/metrics_ladder.h"
#include "user/ops/metrics_names.h"
#include "user/ops/metrics_outcomes.h"
#include "user/ops/metrics_resume.h"
#include "user/ops/metrics_semantic.h"
#include "user/ops/metrics_grounded.h"
#include "user/ops/metrics_retrieve.h"
#include "user/ops/metrics_spend.h"
#include "user/ops/metrics_tls.h"
#include "user/ops/metrics_tokens.h"
#include "user/ops/metrics_turns.h"
#include "user/ops/metrics_queue.h"
#include "user/request/chain.h"

#define VERSION	     "0.1.0"
#define LABELS_BYTES 512u /* of one node */

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void sample(struct sl_text *text, const char *name, uint64_t value)
{
	sl_text_printf(text, "%s %" PRIu64 "\n", name, value);
}

static void single(struct sl_text *text, const char *name, const char *type, const char *help,
		   uint64_t value)
{
	family(text, name, type, help);
	sample(text, name, value);
}

/* ---- process --------------------------------------------------------------------------------- */

static void write_process(const struct sl_metrics_source *source, struct sl_text *text)
{
	family(text, "sluice_build_info", "gauge", "Version and event-loop back end.");
	sl_text_printf(text, "sluice_build_info{version=\"%s\",io=\"%s\"} 1\n", VERSION,
		       source->io_backend);
	family(text, "sluice_profile_info", "gauge",
	       "Profile of the configuration in force; none: no profile.");
	sl_text_printf(text, "sluice_profile_info{profile=\"%s\"} 1\n",
		       __atomic_load_n(&source->profile, __ATOMIC_RELAXED));
	family(text, "sluice_kernel_plane", "gauge",
	       "1 for the mode in force: bpf, or memory (no kernel plane: no fast lane).");
	sl_text_printf(text, "sluice_kernel_plane{mode=\"bpf\"} %d\n", source->plane->bpf);
	sl_text_printf(text, "sluice_kernel_plane{mode=\"memory\"} %d\n", !source->plane->bpf);
	family(text, "sluice_start_time_seconds", "gauge", "Start of the daemon, Unix time.");
	sl_text_append_string(text, "sluice_start_time_seconds ");
	sl_text_append_scaled(text, source->start_wall_ms, 3);
	sl_text_append_char(text, '\n');
	family(text, "sluice_config_reloads_total", "counter", "Reloads of the configuration.");
	sl_text_printf(text, "sluice_config_reloads_total{result=\"success\"} %" PRIu64 "\n",
		       source->reloads_ok);
	sl_text_printf(text, "sluice_config_reloads_total{result=\"failure\"} %" PRIu64 "\n",
		       source->reloads_failed);
	single(text, "sluice_config_last_reload_successful", "gauge",
	       "1 when the configuration file in force is the newest one read.",
	       source->last_reload_ok);
}

/* ---- threads added up ------------------------------------------------------------------------ */

#define SUM(expression)                                                  \
	({                                                               \
		uint64_t sum_ = 0;                                       \
		for (uint32_t i_ = 0; i_ < source->worker_count; i_++) { \
			const struct sl_worker *w = source->workers[i_]; \
			sum_ += LOAD(w->expression);                     \
		}                                                        \
		sum_;                                                    \
	})

/* ---- fields of structures -------------------------------------------------------------------- */

struct field {
	const char *name;
	const char *type;
	const char *help;
	size_t offset;
	size_t bytes;
};

#define FIELD(kind, name, type, help, field)                                                      \
	{                                                                                         \
		name, type, help, offsetof(struct kind, field), sizeof(((struct kind *)0)->field) \
	}

static uint64_t field_of(const void *base, const struct field *field)
{
	const char *at = (const char *)base + field->offset;

	return field->bytes == 8 ? LOAD(*(const uint64_t *)at) : LOAD(*(const uint32_t *)at);
}

/* ---- admission ------------------------------------------------------------------------------- */

static void write_admission(const struct sl_metrics_source *source, struct sl_text *text)
{
	int i;

	family(text, "sluice_keys_loads_total", "counter", "Reads of the file of API keys.");
	sl_text_printf(text, "sluice_keys_loads_total{result=\"success\"} %" PRIu64 "\n",
		       LOAD(source->keys->loads_ok));
	sl_text_printf(text, "sluice_keys_loads_total{result=\"failure\"} %" PRIu64 "\n",
		       LOAD(source->keys->loads_failed));
	single(text, "sluice_keys_last_load_successful", "gauge",
	       "1 when the API keys in force are those of the file, or none are asked for.",
	       LOAD(source->keys->last_ok));
	family(text, "sluice_admission_refused_total", "counter",
	       "Requests refused by their API key or by a limit, by reason.");
	for (i = 0; i < SL_ADMIT_REFUSALS; i++)
		sl_text_printf(text, "sluice_admission_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_admit_refusal_name((enum sl_admit_refusal)i),
			       SUM(stats.refused_admission[i]));
	sl_metrics_write_spend(source, text);
}

/* ---- routes ---------------------------------------------------------------------------------- */

static const struct sl_route_stats *route_of(const struct sl_worker *worker, uint32_t route)
{
	return __atomic_load_n(&worker->stats.routes[route], __ATOMIC_ACQUIRE);
}

uint64_t sl_metrics_route_sum(const struct sl_metrics_source *source, uint32_t route, size_t offset)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < source->worker_count; i++) {
		const struct sl_route_stats *stats = route_of(source->workers[i], route);

		if (stats)
			sum += __atomic_load_n((const uint64_t *)((const char *)stats + offset),
					       __ATOMIC_RELAXED);
	}
	return sum;
}

static void route_label(const struct sl_metrics_source *source, uint32_t route, struct sl_text *out)
{
	sl_text_reset(out);
	sl_text_append_string(out, "route=\"");
	if (route && route < source->names->count)
		sl_text_append_json(out, source->names->names[route],
				    strlen(source->names->names[route]));
	sl_text_append_char(out, '"');
}

static uint32_t route_count(const struct sl_metrics_source *source)
{
	uint32_t count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	return count ? count : 1;
}

static void write_statuses(const struct sl_metrics_source *source, uint32_t route,
			   const char *label, struct sl_text *text)
{
	int status;
	uint32_t i;

	for (status = SL_STATS_STATUS_MIN; status <= SL_STATS_STATUS_MAX; status++) {
		uint64_t sum = 0;

		for (i = 0; i < source->worker_count; i++) {
			const struct sl_route_stats *stats = route_of(source->workers[i], route);

			if (stats)
				sum += LOAD(stats->by_status[status - SL_STATS_STATUS_MIN]);
		}
		if (sum)
			sl_text_printf(text, "sluice_requests_total{%s,code=\"%d\"} %" PRIu64 "\n",
				       label, status, sum);
	}
}

struct route_counter {
	const char *name;
	const char *help;
	size_t offset;
};

#define ROUTE_COUNTER(field, help)                                                      \
	{                                                                               \
		"sluice_" #field "_total", help, offsetof(struct sl_route_stats, field) \
	}

static const struct route_counter route_counters[] = {
	ROUTE_COUNTER(client_gone, "Requests whose client left before the end."),
	ROUTE_COUNTER(streams, "Streams opened towards clients."),
	ROUTE_COUNTER(streams_broken, "Streams that ended with an error event."),
	ROUTE_COUNTER(retries, "Attempts beyond the first of a request."),
	ROUTE_COUNTER(fallbacks, "Answers from a pool other than the route's first."),
	ROUTE_COUNTER(tokens, "Stream events with content that were relayed."),
};

static void write_route_counters(const struct sl_metrics_source *source, struct sl_text *label,
				 struct sl_text *text)
{
	uint32_t route, i;
	size_t c;

	for (c = 0; c < sizeof(route_counters) / sizeof(route_counters[0]); c++) {
		family(text, route_counters[c].name, "counter", route_counters[c].help);
		for (route = 1; route < route_count(source); route++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++) {
				const struct sl_route_stats *stats =
					route_of(source->workers[i], route);

				if (stats)
					sum += LOAD(*(const uint64_t *)((const char *)stats +
									route_counters[c].offset));
			}
			route_label(source, route, label);
			sl_text_printf(text, "%s{%s} %" PRIu64 "\n", route_counters[c].name,
				       sl_text_string(label), sum);
		}
	}
}

static void write_fallbacks(const struct sl_metrics_source *source, struct sl_text *label,
			    struct sl_text *text)
{
	uint32_t route, cause, i;

	family(text, "sluice_fallbacks_by_cause_total", "counter",
	       "Answers from another pool, by the cause whose chain it is in.");
	for (route = 1; route < route_count(source); route++) {
		route_label(source, route, label);
		for (cause = 0; cause < SL_CAUSES; cause++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++) {
				const struct sl_route_stats *stats =
					route_of(source->workers[i], route);

				if (stats)
					sum += LOAD(stats->fallbacks_by_cause[cause]);
			}
			if (sum)
				sl_text_printf(text,
					       "sluice_fallbacks_by_cause_total{%s,cause=\"%s\"} "
					       "%" PRIu64 "\n",
					       sl_text_string(label),
					       sl_chain_cause_name((enum sl_cause)cause), sum);
		}
	}
}

static void write_route_histogram(const struct sl_metrics_source *source, struct sl_text *label,
				  const char *name, const char *help, size_t offset,
				  struct sl_text *text)
{
	uint32_t route, i;

	family(text, name, "histogram", help);
	for (route = 1; route < route_count(source); route++) {
		struct sl_histogram sum = {0};

		for (i = 0; i < source->worker_count; i++) {
			const struct sl_route_stats *stats = route_of(source->workers[i], route);

			if (stats)
				sl_histogram_merge(
					&sum, (const struct sl_histogram *)((const char *)stats +
									    offset));
		}
		route_label(source, route, label);
		sl_histogram_append_prometheus(&sum, text, name, sl_text_string(label),
					       sl_histogram_latency_edges_us,
					       SL_HISTOGRAM_LATENCY_EDGES, 6);
	}
}

static void write_routes(const struct sl_metrics_source *source, struct sl_text *text)
{
	struct sl_text label;
	uint32_t route;

	sl_text_init(&label, 0);
	family(text, "sluice_requests_total", "counter",
	       "Inference requests answered, by route and status; route \"\" is none.");
	for (route = 0; route < route_count(source); route++) {
		route_label(source, route, &label);
		write_statuses(source, route, sl_text_string(&label), text);
	}
	write_route_counters(source, &label, text);
	write_fallbacks(source, &label, text);
	write_route_histogram(source, &label, "sluice_request_duration_seconds",
			      "Inference requests from complete request to the end of the answer.",
			      offsetof(struct sl_route_stats, duration_us), text);
	write_route_histogram(source, &label, "sluice_time_to_first_token_seconds",
			      "Streams from complete request to the first event.",
			      offsetof(struct sl_route_stats, ttft_us), text);
	sl_text_fini(&label);
}

/* ---- pools and nodes ------------------------------------------------------------------------- */

static void write_endings(const struct sl_metrics_source *source, const char *name,
			  const char *help, size_t offset, struct sl_text *text)
{
	uint32_t pool, i;
	int ending;

	family(text, name, "counter", help);
	for (pool = 1; pool < source->plane->settings->pool_count && pool < SL_POOLS_MAX; pool++) {
		if (!source->plane->pools[pool].present)
			continue;
		for (ending = 1; ending < SL_ENDING_COUNT; ending++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++) {
				const uint64_t *counts =
					(const uint64_t *)((const char *)&source->workers[i]
								   ->stats +
							   offset);

				sum += LOAD(counts[pool * SL_ENDING_COUNT + (uint32_t)ending]);
			}
			if (sum)
				sl_text_printf(text, "%s{pool=\"%s\",ending=\"%s\"} %" PRIu64 "\n",
					       name, source->plane->pools[pool].name,
					       sl_outcome_of((enum sl_ending)ending)->name, sum);
		}
	}
}

static const struct field pool_fields[] = {
	FIELD(sl_pool_state, "sluice_pool_nodes", "gauge", "Nodes of the pool.", node_count),
	FIELD(sl_pool_state, "sluice_pool_ejected", "gauge", "Nodes ejected by their breaker.",
	      ejected),
	FIELD(sl_pool_state, "sluice_pool_no_node_total", "counter",
	      "Choices that found no node at all.", no_node),
	FIELD(sl_pool_state, "sluice_pool_panics_total", "counter", "Choices made in panic.",
	      panics),
	FIELD(sl_pool_state, "sluice_pool_spills_total", "counter",
	      "Choices handed on to the pool's fallback.", spills),
};

static const struct field node_fields[] = {
	FIELD(sl_node_state, "sluice_node_requests", "gauge", "Requests in flight from the daemon.",
	      requests),
	FIELD(sl_node_state, "sluice_node_weight", "gauge", "Configured weight.", weight),
	FIELD(sl_node_state, "sluice_node_trips_total", "counter", "Times the breaker opened.",
	      trips),
	FIELD(sl_node_state, "sluice_node_trips_denied_total", "counter",
	      "Trips that the ejection cap refused.", cap_denied),
	FIELD(sl_node_state, "sluice_node_flows_opened_total", "counter",
	      "Fast-lane flows opened to the node.", flows_opened),
	FIELD(sl_node_state, "sluice_node_flows_closed_total", "counter",
	      "Fast-lane flows to the node that ended.", flows_closed),
	FIELD(sl_node_state, "sluice_node_flows_expired_total", "counter",
	      "Fast-lane flows to the node forgotten after their idle time.", flows_expired),
	FIELD(sl_node_state, "sluice_node_flows_evicted_total", "counter",
	      "Fast-lane flows to the node forgotten while alive, for want of room.",
	      flows_evicted),
	FIELD(sl_node_state, "sluice_node_received_bytes_total", "counter",
	      "Payload bytes from the node, as the kernel plane saw them.", bytes_in),
	FIELD(sl_node_state, "sluice_node_sent_bytes_total", "counter",
	      "Payload bytes to the node, as the kernel plane saw them.", bytes_out),
};

static void write_pools(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_kernel_plane *plane = source->plane;
	uint32_t pool;
	size_t f;

	for (f = 0; f < sizeof(pool_fields) / sizeof(pool_fields[0]); f++) {
		family(text, pool_fields[f].name, pool_fields[f].type, pool_fields[f].help);
		for (pool = 1; pool < plane->settings->pool_count && pool < SL_POOLS_MAX; pool++) {
			if (plane->pools[pool].present)
				sl_text_printf(text, "%s{pool=\"%s\"} %" PRIu64 "\n",
					       pool_fields[f].name, plane->pools[pool].name,
					       field_of(&plane->pools[pool], &pool_fields[f]));
		}
	}
}

/* The nodes' labels, made once a page: a line of them for each family. */
struct sl_metrics_labels {
	uint32_t count;
	struct {
		uint32_t slot, at; /* where in the text, with its end */
	} nodes[SL_NODES_MAX];
	struct sl_text text;
};

static void label_nodes(const struct sl_metrics_source *source, struct sl_metrics_labels *labels)
{
	const struct sl_kernel_plane *plane = source->plane;
	char address[SL_ADDRESS_TEXT_SIZE], name[SL_PEER_TEXT_SIZE];
	uint32_t slot;

	for (slot = 1; slot < plane->settings->node_count && slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &plane->nodes[slot];
		const char *shown;

		if (!(LOAD(node->admin) & SL_NODE_PRESENT) || node->pool >= SL_POOLS_MAX)
			continue;
		shown = sl_peers_text(source->peers, slot, name);
		if (!shown)
			shown = sl_address_format(&node->endpoint, address);
		labels->nodes[labels->count].slot = slot;
		labels->nodes[labels->count++].at = (uint32_t)labels->text.len;
		sl_text_printf(&labels->text, "pool=\"%s\",node=\"%s\"",
			       plane->pools[node->pool].name, shown);
		sl_text_append_char(&labels->text, '\0');
	}
}

void sl_metrics_each_node(const struct sl_metrics_source *source, struct sl_text *text,
			  void (*fn)(const struct sl_node_state *node, const char *labels,
				     const void *arg, struct sl_text *text),
			  const void *arg)
{
	const struct sl_metrics_labels *labels = source->labels;

	for (uint32_t i = 0; i < labels->count; i++)
		fn(&source->plane->nodes[labels->nodes[i].slot],
		   labels->text.data + labels->nodes[i].at, arg, text);
}

void sl_metrics_line(struct sl_text *text, const char *name, const char *labels, uint64_t value)
{
	sl_text_append_string(text, name);
	sl_text_append_char(text, '{');
	sl_text_append_string(text, labels);
	sl_text_append(text, "} ", 2);
	sl_text_append_u64(text, value);
	sl_text_append_char(text, '\n');
}

static void write_field(const struct sl_node_state *node, const char *labels, const void *arg,
			struct sl_text *text)
{
	const struct field *field = arg;

	sl_metrics_line(text, field->name, labels, field_of(node, field));
}

static void write_breaker(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	static const char *const states[SL_BREAKER_STATES] = {"closed", "half_open", "open",
							      "forced_open", "metrics_only"};
	int state, now = (int)sl_breaker_state(LOAD(node->breaker));

	(void)arg;
	for (state = 0; state < SL_BREAKER_STATES; state++) {
		sl_text_append_string(text, "sluice_node_breaker_state{");
		sl_text_append_string(text, labels);
		sl_text_append_string(text, ",state=\"");
		sl_text_append_string(text, states[state]);
		sl_text_append_string(text, state == now ? "\"} 1\n" : "\"} 0\n");
	}
}

static void write_draining(const struct sl_node_state *node, const char *labels, const void *arg,
			   struct sl_text *text)
{
	(void)arg;
	sl_metrics_line(text, "sluice_node_draining", labels,
			(LOAD(node->admin) & SL_NODE_DRAINING) != 0);
}

static void write_flows(const struct sl_node_state *node, const char *labels, const void *arg,
			struct sl_text *text)
{
	(void)arg;
	sl_metrics_line(text, "sluice_node_flows", labels, sl_node_flows(node, sl_clock_ns()));
}

/* arg: offset of a u32 in us. */
static void write_average(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	const struct field *field = arg;

	sl_text_append_string(text, field->name);
	sl_text_append_char(text, '{');
	sl_text_append_string(text, labels);
	sl_text_append(text, "} ", 2);
	sl_text_append_scaled(text, field_of(node, field), 6);
	sl_text_append_char(text, '\n');
}

static void write_signals(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	static const char *const names[SL_SIGNAL_COUNT] = {
#define X(id, name, help) [SL_SIGNAL_##id] = name,
		SL_SIGNALS(X)
#undef X
	};
	int signal;

	(void)arg;
	for (signal = 1; signal < SL_SIGNAL_COUNT; signal++) {
		uint64_t count = LOAD(node->signals[signal]);

		if (count)
			sl_text_printf(text,
				       "sluice_node_signals_total{%s,signal=\"%s\"} %" PRIu64 "\n",
				       labels, names[signal], count);
	}
}

static const struct field averages[] = {
	FIELD(sl_node_state, "sluice_node_connect_seconds", "gauge",
	      "Moving average of the connect time.", connect_us),
	FIELD(sl_node_state, "sluice_node_first_byte_seconds", "gauge",
	      "Moving average of the time to the first byte.", first_byte_us),
};

/* ---- what only the kernel plane measures ------------------------------------------------------ */

/*
 * Exponents of the edges in us, so that every count is exact: 128 us to 4 s, 1 ms to 67 s. Nodes
 * may be thousands, so each has few.
 */
static const uint8_t connect_edges[] = {7, 8, 9, 10, 12, 14, 16, 18, 20, 22};
static const uint8_t first_byte_edges[] = {10, 12, 14, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26};

struct latency_family {
	const char *name;
	const char *help;
	size_t offset;
	const uint8_t *edges;
	size_t edge_count;
	const struct sl_kernel_plane *plane; /* in a copy */
};

static const struct latency_family latency_families[] = {
	{"sluice_node_connect_duration_seconds",
	 "Connects to the node that the kernel plane saw; the sum is of the buckets' middles.",
	 offsetof(struct sl_node_latency, connect), connect_edges, sizeof(connect_edges), NULL},
	{"sluice_node_first_byte_duration_seconds",
	 "From a request to the first byte, as the kernel plane saw it; the sum is of the buckets' "
	 "middles.",
	 offsetof(struct sl_node_latency, first_byte), first_byte_edges, sizeof(first_byte_edges),
	 NULL},
};

/* A node without a sample has no lines. */
static void write_latency(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	const struct latency_family *wanted = arg;
	const struct sl_node_latency *latency =
		&wanted->plane->latencies[node - wanted->plane->nodes];
	const uint32_t *counts = (const uint32_t *)((const char *)latency + wanted->offset);

	if (sl_latency_count(counts))
		sl_latency_append_prometheus(counts, text, wanted->name, labels, wanted->edges,
					     wanted->edge_count);
}

struct load_field {
	struct field field;
	unsigned digits; /* decimal places that the number has */
	const struct sl_kernel_plane *plane;
};

static const struct load_field load_fields[] = {
	{FIELD(sl_node_load, "sluice_node_beacon_slots", "gauge",
	       "Requests that the node works on at once, by its beacon; 0: it does not say.",
	       slots),
	 0, NULL},
	{FIELD(sl_node_load, "sluice_node_beacon_running", "gauge",
	       "Requests that the node works on, by its beacon.", running),
	 0, NULL},
	{FIELD(sl_node_load, "sluice_node_beacon_waiting", "gauge",
	       "Requests that wait at the node, by its beacon.", waiting),
	 0, NULL},
	{FIELD(sl_node_load, "sluice_node_beacon_kv_cache_ratio", "gauge",
	       "Use of the node's KV cache, by its beacon.", kv_permille),
	 3, NULL},
	{FIELD(sl_node_load, "sluice_node_beacon_health", "gauge",
	       "By its beacon: 0 unknown, 1 ready, 2 busy, 3 draining, 4 sick.", health),
	 0, NULL},
	{FIELD(sl_node_load, "sluice_node_beacons_total", "counter",
	       "Beacons of the node that were taken in.", accepted),
	 0, NULL},
};

/* A node that never sent a beacon has no lines. */
static void write_load(const struct sl_node_state *node, const char *labels, const void *arg,
		       struct sl_text *text)
{
	const struct load_field *wanted = arg;
	const struct sl_node_load *load = &wanted->plane->loads[node - wanted->plane->nodes];

	if (!LOAD(load->seen_ns))
		return;
	sl_text_printf(text, "%s{%s} ", wanted->field.name, labels);
	sl_text_append_scaled(text, field_of(load, &wanted->field), wanted->digits);
	sl_text_append_char(text, '\n');
}

static void write_beacon_age(const struct sl_node_state *node, const char *labels, const void *arg,
			     struct sl_text *text)
{
	const struct sl_kernel_plane *plane = arg;
	uint64_t seen_ns = LOAD(plane->loads[node - plane->nodes].seen_ns);
	uint64_t now_ns = sl_clock_ns();

	if (!seen_ns)
		return;
	sl_text_printf(text, "sluice_node_beacon_age_seconds{%s} ", labels);
	sl_text_append_scaled(text, now_ns > seen_ns ? (now_ns - seen_ns) / SL_NS_PER_MS : 0, 3);
	sl_text_append_char(text, '\n');
}

static void write_measured(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_kernel_plane *plane = source->plane;
	size_t i;

	for (i = 0; plane->latencies && i < sizeof(latency_families) / sizeof(*latency_families);
	     i++) {
		struct latency_family wanted = latency_families[i];

		wanted.plane = plane;
		family(text, wanted.name, "histogram", wanted.help);
		sl_metrics_each_node(source, text, write_latency, &wanted);
	}
	if (!plane->loads)
		return;
	for (i = 0; i < sizeof(load_fields) / sizeof(load_fields[0]); i++) {
		struct load_field wanted = load_fields[i];

		wanted.plane = plane;
		family(text, wanted.field.name, wanted.field.type, wanted.field.help);
		sl_metrics_each_node(source, text, write_load, &wanted);
	}
	family(text, "sluice_node_beacon_age_seconds", "gauge",
	       "Since the node's last beacon was taken in.");
	sl_metrics_each_node(source, text, write_beacon_age, plane);
}

static void write_nodes(const struct sl_metrics_source *source, struct sl_text *text)
{
	size_t f;

	family(text, "sluice_node_breaker_state", "gauge",
	       "1 for the state of the node's breaker.");
	sl_metrics_each_node(source, text, write_breaker, NULL);
	family(text, "sluice_node_draining", "gauge", "1 while the node is drained.");
	sl_metrics_each_node(source, text, write_draining, NULL);
	family(text, "sluice_node_flows", "gauge",
	       "Fast-lane flows with a packet in the last minute.");
	sl_metrics_each_node(source, text, write_flows, NULL);
	for (f = 0; f < sizeof(node_fields) / sizeof(node_fields[0]); f++) {
		family(text, node_fields[f].name, node_fields[f].type, node_fields[f].help);
		sl_metrics_each_node(source, text, write_field, &node_fields[f]);
	}
	for (f = 0; f < sizeof(averages) / sizeof(averages[0]); f++) {
		family(text, averages[f].name, averages[f].type, averages[f].help);
		sl_metrics_each_node(source, text, write_average, &averages[f]);
	}
	family(text, "sluice_node_signals_total", "counter", "Signals the breaker got, by kind.");
	sl_metrics_each_node(source, text, write_signals, NULL);
}

static void write_all(const struct sl_metrics_source *source, struct sl_text *text)
{
	write_process(source, text);
	sl_metrics_write_http(source, text);
	write_admission(source, text);
	write_routes(source, text);
	sl_metrics_write_genai(source, text);
	sl_metrics_write_outcomes(source, text);
	sl_metrics_write_cache(source, text);
	sl_metrics_write_ladder(source, text);
	sl_metrics_write_semantic(source, text);
	sl_metrics_write_retrieve(source, text);
	sl_metrics_write_grounded(source, text);
	sl_metrics_write_resume(source, text);
	sl_metrics_write_tls(source, text);
	sl_metrics_write_turns(source, text);
	sl_metrics_write_queue(source, text);
	write_endings(source, "sluice_attempts_total", "Attempts on nodes, by how they ended.",
		      offsetof(struct sl_stats, attempts), text);
	write_endings(source, "sluice_stream_endings_total", "Streams, by how they ended.",
		      offsetof(struct sl_stats, stream_endings), text);
	sl_metrics_write_again(source, text);
	sl_metrics_write_affinity(source, text);
	sl_metrics_write_fit(source, text);
	sl_metrics_write_tokens(source, text);
	write_pools(source, text);
	write_nodes(source, text);
	sl_dwells_write_metrics(__atomic_load_n(&source->dwells, __ATOMIC_ACQUIRE), source, text);
	write_measured(source, text);
	sl_metrics_write_health(source, text);
	sl_metrics_write_names(source, text);
	sl_metrics_write_concurrency(source, text);
	sl_metrics_write_kernel(source, text);
}

void sl_metrics_write(const struct sl_metrics_source *source, struct sl_text *text)
{
	struct sl_metrics_source labelled = *source;
	struct sl_metrics_labels *labels = calloc(1, sizeof(*labels));

	if (!labels) {
		text->error = -ENOMEM;
		return;
	}
	sl_text_init(&labels->text, SL_NODES_MAX * LABELS_BYTES);
	label_nodes(source, labels);
	if (labels->text.error)
		labels->count = 0;
	labelled.labels = labels;
	write_all(&labelled, text);
	if (labels->text.error)
		text->error = labels->text.error;
	sl_text_fini(&labels->text);
	free(labels);
}
