/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/dwells.h"

#include <stdlib.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/policy/dwell.h"

#define LOAD(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)

_Static_assert(SL_BREAKER_STATES <= SL_DWELL_STATES, "each state of a breaker has its place");

struct sl_dwells {
	struct sl_loop *loop;
	const struct sl_kernel_plane *plane;
	struct sl_timer timer;
	struct sl_dwell nodes[SL_NODES_MAX];
};

static void look(struct sl_dwells *dwells)
{
	const struct sl_kernel_plane *plane = dwells->plane;
	uint64_t now_ms = sl_clock_ms();

	for (uint32_t slot = 1; slot < plane->settings->node_count && slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *node = &plane->nodes[slot];

		if (LOAD(node->admin) & SL_NODE_PRESENT)
			sl_dwell_look(&dwells->nodes[slot], LOAD(node->incarnation),
				      sl_breaker_state(LOAD(node->breaker)), now_ms);
	}
}

static void on_timer(struct sl_timer *timer)
{
	struct sl_dwells *dwells =
		(struct sl_dwells *)((char *)timer - offsetof(struct sl_dwells, timer));

	look(dwells);
	sl_timer_set(dwells->loop, timer, SL_DWELLS_LOOK_MS);
}

struct sl_dwells *sl_dwells_open(struct sl_loop *loop, const struct sl_kernel_plane *plane)
{
	struct sl_dwells *dwells = calloc(1, sizeof(*dwells));

	if (!dwells) {
		sl_log(SL_LOG_ERROR, "metrics: no times of breakers' states: no memory");
		return NULL;
	}
	dwells->loop = loop;
	dwells->plane = plane;
	look(dwells);
	sl_timer_init(&dwells->timer, on_timer);
	sl_timer_set(loop, &dwells->timer, SL_DWELLS_LOOK_MS);
	return dwells;
}

void sl_dwells_close(struct sl_dwells **dwells)
{
	if (*dwells)
		sl_timer_cancel((*dwells)->loop, &(*dwells)->timer);
	free(*dwells);
	*dwells = NULL;
}

/* States that a node was never in have no line. */
static void write_node(const struct sl_node_state *node, const char *labels, const void *arg,
		       struct sl_text *text)
{
	static const char *const states[SL_BREAKER_STATES] = {"closed", "half_open", "open",
							      "forced_open", "metrics_only"};
	const struct sl_dwells *dwells = arg;
	const struct sl_dwell *dwell = &dwells->nodes[node - dwells->plane->nodes];

	for (uint32_t state = 0; state < SL_BREAKER_STATES; state++) {
		uint64_t ms = LOAD(dwell->ms[state]);

		if (!ms)
			continue;
		sl_text_append_string(text, "sluice_node_breaker_seconds_total{");
		sl_text_append_string(text, labels);
		sl_text_append_string(text, ",state=\"");
		sl_text_append_string(text, states[state]);
		sl_text_append_string(text, "\"} ");
		sl_text_append_scaled(text, ms, 3);
		sl_text_append_char(text, '\n');
	}
}

void sl_dwells_write_metrics(const struct sl_dwells *dwells, const struct sl_metrics_source *source,
			     struct sl_text *text)
{
	if (!dwells)
		return;
	sl_text_append_string(text, "# HELP sluice_node_breaker_seconds_total Time that the node's "
				    "breaker was in the state.\n"
				    "# TYPE sluice_node_breaker_seconds_total counter\n");
	sl_metrics_each_node(source, text, write_node, dwells);
}
