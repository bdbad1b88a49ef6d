/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_names.h"

#include <inttypes.h>
#include "user/policy/drift.h"
#include "user/stage/stage.h"
#include "user/upstream/identity.h"

static const struct sl_identities *identities_of(const struct sl_metrics_source *source)
{
	return source->worker_count ? source->workers[0]->upstream.state.retries->identities : NULL;
}

static struct sl_identity_counts counts_of(const struct sl_metrics_source *source,
					   const struct sl_node_state *node)
{
	return sl_identity_counts(identities_of(source), (uint32_t)(node - source->plane->nodes));
}

static void write_state(const struct sl_node_state *node, const char *labels, const void *arg,
			struct sl_text *text)
{
	sl_text_printf(text, "sluice_node_model_changed{%s} %d\n", labels,
		       counts_of(arg, node).changed != 0);
}

static void write_changes(const struct sl_node_state *node, const char *labels, const void *arg,
			  struct sl_text *text)
{
	struct sl_identity_counts counts = counts_of(arg, node);

	if (counts.models)
		sl_text_printf(text,
			       "sluice_node_model_changes_total{%s,what=\"model\"} %" PRIu64 "\n",
			       labels, counts.models);
	if (counts.fingerprints)
		sl_text_printf(text,
			       "sluice_node_model_changes_total{%s,what=\"fingerprint\"} %" PRIu64
			       "\n",
			       labels, counts.fingerprints);
}

static void write_unwatched(const struct sl_node_state *node, const char *labels, const void *arg,
			    struct sl_text *text)
{
	uint64_t count = counts_of(arg, node).unwatched;

	if (count)
		sl_text_printf(text, "sluice_node_model_unwatched_total{%s} %" PRIu64 "\n", labels,
			       count);
}

static void family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_board(const struct sl_drift_board *board, struct sl_text *text)
{
	uint32_t count = __atomic_load_n(&board->count, __ATOMIC_ACQUIRE);

	family(text, "sluice_rollout_holds", "gauge",
	       "1 while the pool's model has changed, so that prompts are not promoted to it.");
	for (uint32_t i = 0; i < count; i++)
		sl_text_printf(text, "sluice_rollout_holds{pool=\"%s\"} %d\n", board->pools[i].name,
			       sl_drift_holds(board, board->pools[i].name));
	family(text, "sluice_rollouts_held_total", "counter",
	       "Promotions that were refused for it.");
	for (uint32_t i = 0; i < count; i++)
		sl_text_printf(text, "sluice_rollouts_held_total{pool=\"%s\"} %" PRIu32 "\n",
			       board->pools[i].name,
			       __atomic_load_n(&board->pools[i].held, __ATOMIC_RELAXED));
}

void sl_metrics_write_names(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_stores *stores = source->worker_count ? source->workers[0]->stores : NULL;

	if (stores && stores->drift)
		write_board(stores->drift, text);
	if (!identities_of(source))
		return;
	family(text, "sluice_node_model_changed", "gauge",
	       "1 while the node names another model or fingerprint than was accepted.");
	sl_metrics_each_node(source, text, write_state, source);
	family(text, "sluice_node_model_changes_total", "counter",
	       "Times the node named another one than before.");
	sl_metrics_each_node(source, text, write_changes, source);
	family(text, "sluice_node_model_unwatched_total", "counter",
	       "Answers of models beyond the 16 that are watched on one node.");
	sl_metrics_each_node(source, text, write_unwatched, source);
}
