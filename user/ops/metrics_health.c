/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_health.h"

#include <inttypes.h>
#include "user/ops/checks.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

static const struct sl_check_counts *counts_of(const struct sl_metrics_source *source,
					       const struct sl_node_state *node)
{
	return &source->health[node - source->plane->nodes];
}

/* A node that is not checked has no lines. */
static void write_state(const struct sl_node_state *node, const char *labels, const void *arg,
			struct sl_text *text)
{
	static const char *const states[SL_CHECK_STATES] = {
		[SL_CHECK_STATE_GOOD] = "good",
		[SL_CHECK_STATE_NOT_READY] = "not_ready",
		[SL_CHECK_STATE_FAILING] = "failing",
	};
	uint32_t now = LOAD(counts_of(arg, node)->state);

	for (uint32_t s = SL_CHECK_STATE_GOOD; s < SL_CHECK_STATES && now; s++)
		sl_text_printf(text, "sluice_node_health{%s,state=\"%s\"} %d\n", labels, states[s],
			       s == now);
}

static void write_replies(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	static const char *const questions[SL_CHECK_QUESTIONS] = {"live", "ready", "models",
								  "generate"};
	static const char *const replies[SL_CHECK_REPLIES] = {"good", "not_ready", "failed",
							      "unclear"};
	const struct sl_check_counts *counts = counts_of(arg, node);
	uint64_t count;

	for (int q = 0; q < SL_CHECK_QUESTIONS; q++) {
		for (int r = 0; r < SL_CHECK_REPLIES; r++) {
			count = LOAD(counts->replies[q][r]);
			if (count)
				sl_text_printf(text,
					       "sluice_node_health_checks_total{%s,check=\"%s\","
					       "result=\"%s\"} %" PRIu64 "\n",
					       labels, questions[q], replies[r], count);
		}
	}
	count = LOAD(counts->spared);
	if (count)
		sl_text_printf(text,
			       "sluice_node_health_checks_total{%s,check=\"generate\","
			       "result=\"spared\"} %" PRIu64 "\n",
			       labels, count);
}

static void write_zombies(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	uint32_t count = LOAD(counts_of(arg, node)->zombies);

	if (count)
		sl_text_printf(text, "sluice_node_zombies_total{%s} %" PRIu32 "\n", labels, count);
}

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_probes(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < source->worker_count; i++)
		sum += LOAD(source->workers[i]->upstream.probes);
	family(text, "sluice_breaker_probes_total", "counter",
	       "Requests that were sent as the probe of a half-open breaker.");
	sl_text_printf(text, "sluice_breaker_probes_total %" PRIu64 "\n", sum);
}

void sl_metrics_write_health(const struct sl_metrics_source *source, struct sl_text *text)
{
	write_probes(source, text);
	if (!source->health)
		return;
	family(text, "sluice_node_health", "gauge",
	       "1 for the state that the health checks found the node in.");
	sl_metrics_each_node(source, text, write_state, source);
	family(text, "sluice_node_health_checks_total", "counter",
	       "Health checks of the node; spared: a probe of generation that requests made "
	       "needless.");
	sl_metrics_each_node(source, text, write_replies, source);
	family(text, "sluice_node_zombies_total", "counter",
	       "Times the node was silent on all its streams.");
	sl_metrics_each_node(source, text, write_zombies, source);
}
