/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_again.h"

#include <inttypes.h>

/* A counter that each pool has, with one value for each reason where it has reasons. */
struct counter {
	const char *name;
	const char *help;
	size_t offset;	  /* in struct sl_stats, of an array by pool slot */
	uint32_t width;	  /* of its rows */
	uint32_t reasons; /* of these, from the first on; 0: a plain number */
	const char *(*reason)(uint32_t index);
};

static const char *retry_reason(uint32_t index)
{
	static const char *const names[] = {
		[SL_RETRY_SPENT] = "spent", [SL_RETRY_CROWDED] = "crowded"};

	return names[index];
}

static const char *hedge_reason(uint32_t index)
{
	return sl_hedge_verdict_name((enum sl_hedge_verdict)index);
}

#define STATS(field) offsetof(struct sl_stats, field)

static const struct counter counters[] = {
	{"sluice_retries_refused_total",
	 "Retries that the pool's budget refused: spent, or crowded up to the deadline.",
	 STATS(retries_refused), SL_RETRY_VERDICTS, SL_RETRY_CROWDED + 1, retry_reason},
	{"sluice_retries_waited_total",
	 "Retries that waited for a place among those under way, or for a Retry-After.",
	 STATS(retries_waited), 1, 0, NULL},
	{"sluice_hedges_started_total", "Second attempts beside a slow first one.",
	 STATS(hedges_started), 1, 0, NULL},
	{"sluice_hedges_won_total", "Second attempts that gave the answer.", STATS(hedges_won), 1,
	 0, NULL},
	{"sluice_hedges_cancelled_total",
	 "Attempts that were cut because the other one of two was first.", STATS(hedges_cancelled),
	 1, 0, NULL},
	{"sluice_hedges_refused_total",
	 "Second attempts that were due and not made: over the budget, over what retries may do, "
	 "in "
	 "panic, or no other node is well.",
	 STATS(hedges_refused), SL_HEDGE_VERDICTS, SL_HEDGE_GO, hedge_reason},
};

static uint64_t sum_of(const struct sl_metrics_source *source, const struct counter *counter,
		       uint32_t pool, uint32_t reason)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < source->worker_count; i++) {
		const uint64_t *values =
			(const uint64_t *)((const char *)&source->workers[i]->stats +
					   counter->offset);

		sum += __atomic_load_n(&values[pool * counter->width + reason], __ATOMIC_RELAXED);
	}
	return sum;
}

static void write_pool(const struct sl_metrics_source *source, const struct counter *counter,
		       uint32_t pool, struct sl_text *text)
{
	const char *name = source->plane->pools[pool].name;
	uint32_t reason;

	if (!counter->reasons)
		sl_text_printf(text, "%s{pool=\"%s\"} %" PRIu64 "\n", counter->name, name,
			       sum_of(source, counter, pool, 0));
	for (reason = 0; reason < counter->reasons; reason++)
		sl_text_printf(text, "%s{pool=\"%s\",reason=\"%s\"} %" PRIu64 "\n", counter->name,
			       name, counter->reason(reason),
			       sum_of(source, counter, pool, reason));
}

void sl_metrics_write_again(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t pool, count = source->plane->settings->pool_count;
	size_t c;

	if (count > SL_POOLS_MAX)
		count = SL_POOLS_MAX;
	for (c = 0; c < sizeof(counters) / sizeof(counters[0]); c++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s counter\n", counters[c].name,
			       counters[c].help, counters[c].name);
		for (pool = 1; pool < count; pool++) {
			if (source->plane->pools[pool].present)
				write_pool(source, &counters[c], pool, text);
		}
	}
}
