/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_outcomes.h"

#include <inttypes.h>

static void write_one(const struct sl_metrics_source *source, uint32_t route,
		      enum sl_feed_outcome outcome, enum sl_ending ending, struct sl_text *text)
{
	size_t at = offsetof(struct sl_route_stats, outcomes) +
		    ((size_t)outcome * SL_ENDING_COUNT + ending) * sizeof(uint64_t);
	const char *name = route ? source->names->names[route] : "";
	uint64_t count = sl_metrics_route_sum(source, route, at);

	/* a route's good ones are there from the start: rules divide by what has grown */
	if (!count && !(route && outcome == SL_FEED_GOOD && ending == SL_ENDING_OK))
		return;
	sl_text_append_string(text, "sluice_outcomes_total{route=\"");
	sl_text_append_json(text, name, strlen(name));
	sl_text_printf(text, "\",outcome=\"%s\",cause=\"%s\"} %" PRIu64 "\n",
		       sl_feed_outcome_name(outcome),
		       ending == SL_ENDING_UNSET ? "no_attempt" : sl_outcome_of(ending)->name,
		       count);
}

void sl_metrics_write_outcomes(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	sl_text_append_string(text, "# HELP sluice_outcomes_total Requests that have ended: good, "
				    "failed (5xx), broken (a "
				    "stream), refused (4xx), gone (the client left); cause: how "
				    "the last attempt ended.\n"
				    "# TYPE sluice_outcomes_total counter\n");
	for (uint32_t route = 0; route < (count ? count : 1); route++) {
		for (int outcome = 0; outcome < SL_FEED_OUTCOMES; outcome++) {
			for (int ending = 0; ending < SL_ENDING_COUNT; ending++)
				write_one(source, route, (enum sl_feed_outcome)outcome,
					  (enum sl_ending)ending, text);
		}
	}
}
