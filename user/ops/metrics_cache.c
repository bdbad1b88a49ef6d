/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_cache.h"

#include <inttypes.h>
#include <string.h>

static void write_one(struct sl_text *text, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		       name, value);
}

/* Routes without a cache have no samples. */
static void write_requests(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char *const results[SL_RECALLS] = {
		[SL_RECALL_BYPASS] = "bypass",
		[SL_RECALL_MISS] = "miss",
		[SL_RECALL_HIT] = "hit",
		[SL_RECALL_COALESCED] = "coalesced",
	};
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	sl_text_append_string(text, "# HELP sluice_cache_requests_total Requests of routes with a "
				    "cache of answers, by what it made of them.\n"
				    "# TYPE sluice_cache_requests_total counter\n");
	for (route = 1; route < count; route++) {
		for (int r = SL_RECALL_BYPASS; r < SL_RECALLS; r++) {
			uint64_t sum = sl_metrics_route_sum(
				source, route, offsetof(struct sl_route_stats, by_recall[r]));

			if (!sum)
				continue;
			sl_text_append_string(text, "sluice_cache_requests_total{route=\"");
			sl_text_append_json(text, source->names->names[route],
					    strlen(source->names->names[route]));
			sl_text_printf(text, "\",result=\"%s\"} %" PRIu64 "\n", results[r], sum);
		}
	}
}

void sl_metrics_write_cache(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char *const ends[SL_CACHE_ENDS] = {
		[SL_CACHE_END_SIZE] = "size",
		[SL_CACHE_END_EXPIRED] = "expired",
		[SL_CACHE_END_REPLACED] = "replaced",
		[SL_CACHE_END_PURGED] = "purged",
	};
	struct sl_cache_counts counts;

	write_requests(source, text);
	sl_cache_count(source->workers[0]->cache, &counts);
	write_one(text, "sluice_cache_bytes", "gauge", "Memory of the answers kept.", counts.bytes);
	write_one(text, "sluice_cache_entries", "gauge", "Answers kept.", counts.entries);
	write_one(text, "sluice_cache_refused_total", "counter",
		  "Answers for which the cache had no room.", counts.refused);
	sl_text_append_string(text, "# HELP sluice_cache_evictions_total Answers that went, by "
				    "reason.\n# TYPE sluice_cache_evictions_total counter\n");
	for (int end = 0; end < SL_CACHE_ENDS; end++)
		sl_text_printf(text, "sluice_cache_evictions_total{reason=\"%s\"} %" PRIu64 "\n",
			       ends[end], counts.ended[end]);
}
