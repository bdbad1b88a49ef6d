/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_telemetry.h"

#include <inttypes.h>
#include "user/base/clock.h"
#include "user/ops/telemetry.h"
#include "user/request/near.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static uint32_t slot_of(const struct sl_metrics_source *source, const struct sl_node_state *node)
{
	return (uint32_t)(node - source->plane->nodes);
}

static void write_results(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	static const char *const results[SL_TELEMETRY_RESULTS] = {
		"good", "unknown", "status", "failed", "spared", "beacon",
	};
	const struct sl_metrics_source *source = arg;
	const struct sl_telemetry_counts *counts = &source->telemetry[slot_of(source, node)];

	for (int r = 0; r < SL_TELEMETRY_RESULTS; r++) {
		uint64_t count = LOAD(counts->results[r]);

		if (count)
			sl_text_printf(text,
				       "sluice_node_metrics_reads_total{%s,result=\"%s\"} %" PRIu64
				       "\n",
				       labels, results[r], count);
	}
}

/* A number of struct sl_load. */
struct said {
	const char *name;
	const char *help;
	size_t offset;
	unsigned digits; /* decimal places that it has */
	const struct sl_metrics_source *source;
};

static const struct said saids[] = {
	{"sluice_node_others_requests",
	 "Requests at the node that were not ours, by its own word. No line: not known, or too "
	 "old.",
	 offsetof(struct sl_load, others), 0, NULL},
	{"sluice_node_reported_waiting", "Requests that wait at the node, by its own word.",
	 offsetof(struct sl_load, waiting), 0, NULL},
	{"sluice_node_reported_kv_cache_ratio", "Use of its KV cache, by its own word.",
	 offsetof(struct sl_load, kv_permille), 3, NULL},
	{"sluice_node_reported_adapters", "LoRA adapters in use, by its own word.",
	 offsetof(struct sl_load, adapter_count), 0, NULL},
};

static void write_said(const struct sl_node_state *node, const char *labels, const void *arg,
		       struct sl_text *text)
{
	const struct said *said = arg;
	const struct sl_load *load = sl_load_fresh(said->source->loads, slot_of(said->source, node),
						   node->incarnation, sl_clock_ms());
	const char *at = (const char *)load;

	if (!load)
		return;
	sl_text_printf(text, "%s{%s} ", said->name, labels);
	sl_text_append_scaled(
		text, __atomic_load_n((const uint32_t *)(at + said->offset), __ATOMIC_RELAXED),
		said->digits);
	sl_text_append_char(text, '\n');
}

static void write_zones(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_kernel_plane *plane = source->plane;
	uint32_t pool, i, zone;

	for (pool = 1; pool < plane->settings->pool_count && pool < SL_POOLS_MAX; pool++) {
		for (zone = SL_ZONE_LOCAL; zone < SL_ZONES && plane->pools[pool].present; zone++) {
			uint64_t sum = 0;

			for (i = 0; i < source->worker_count; i++)
				sum += LOAD(source->workers[i]->stats.zones[pool][zone]);
			if (sum)
				sl_text_printf(text,
					       "sluice_zone_attempts_total{pool=\"%s\",zone=\"%s\"}"
					       " %" PRIu64 "\n",
					       plane->pools[pool].name,
					       sl_near_zone_word((enum sl_zone)zone), sum);
		}
	}
}

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sl_metrics_write_telemetry(const struct sl_metrics_source *source, struct sl_text *text)
{
	family(text, "sluice_zone_attempts_total", "counter",
	       "Attempts in pools with nodes in this zone and in others, by where the node is.");
	write_zones(source, text);
	if (!source->telemetry)
		return;
	family(text, "sluice_node_metrics_reads_total", "counter",
	       "Times the node's page of metrics was read, by what came: good, unknown (no metric "
	       "that is known), status (not 200), failed; or not read: spared (its breaker), "
	       "beacon (it sends them).");
	sl_metrics_each_node(source, text, write_results, source);
	for (size_t i = 0; i < sizeof(saids) / sizeof(saids[0]); i++) {
		struct said said = saids[i];

		said.source = source;
		family(text, said.name, "gauge", said.help);
		sl_metrics_each_node(source, text, write_said, &said);
	}
}
