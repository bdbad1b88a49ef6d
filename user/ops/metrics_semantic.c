/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_semantic.h"

#include <inttypes.h>
#include "user/stage/stage.h"
#include "user/store/semantic.h"

static void write_one(struct sl_text *text, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		       name, value);
}

static void write_lookups(const struct sl_semantic_counts *counts, struct sl_text *text)
{
	static const char *const verdicts[SL_SEMANTIC_VERDICTS] = {
		[SL_SEMANTIC_NONE] = "none",
		[SL_SEMANTIC_FAR] = "far",
		[SL_SEMANTIC_GATED] = "gated",
		[SL_SEMANTIC_HIT] = "hit",
	};

	sl_text_append_string(
		text, "# HELP sluice_semantic_cache_lookups_total Questions that were looked "
		      "for, by what was found: none, none near enough (far), near ones that "
		      "the gates refused (gated), an answer (hit).\n"
		      "# TYPE sluice_semantic_cache_lookups_total counter\n");
	for (int i = 0; i < SL_SEMANTIC_VERDICTS; i++)
		sl_text_printf(text,
			       "sluice_semantic_cache_lookups_total{result=\"%s\"} %" PRIu64 "\n",
			       verdicts[i], counts->found[i]);
	sl_text_append_string(
		text, "# HELP sluice_semantic_cache_gated_total Lookups that a gate refused, "
		      "by the gate of the nearest question.\n"
		      "# TYPE sluice_semantic_cache_gated_total counter\n");
	for (int i = SL_GATE_PASSED + 1; i < SL_GATES; i++)
		sl_text_printf(text, "sluice_semantic_cache_gated_total{gate=\"%s\"} %" PRIu64 "\n",
			       sl_gate_name((enum sl_gate)i), counts->gated[i]);
}

void sl_metrics_write_semantic(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_stores *stores = source->worker_count ? source->workers[0]->stores : NULL;
	struct sl_semantic_counts counts;

	if (!stores || !stores->semantic)
		return;
	sl_semantic_count(stores->semantic, &counts);
	write_lookups(&counts, text);
	write_one(text, "sluice_semantic_cache_entries", "gauge", "Answers kept by their meaning.",
		  counts.entries);
	write_one(text, "sluice_semantic_cache_bytes", "gauge",
		  "Memory of questions, answers and vectors.", counts.bytes);
	write_one(text, "sluice_semantic_cache_insertions_total", "counter",
		  "Answers that were kept.", counts.inserted);
	write_one(text, "sluice_semantic_cache_refused_total", "counter",
		  "Answers too large to keep, or no memory.", counts.refused);
	write_one(text, "sluice_semantic_cache_evictions_total", "counter",
		  "Answers that went for want of room.", counts.evicted);
	write_one(text, "sluice_semantic_cache_purged_total", "counter",
		  "Answers that were purged by hand.", counts.purged);
	write_one(text, "sluice_semantic_cache_disk_errors_total", "counter",
		  "Times that the database failed; the cache went on in memory.",
		  counts.disk_errors);
}
