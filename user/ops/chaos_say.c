/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of experiments: facts for `sluice chaos`, its list, /metrics. */
#include <stdlib.h>
#include <time.h>
#include "user/base/clock.h"
#include "user/ops/chaos_parts.h"

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

const char *sl_chaos_end_word(enum sl_strike_end end)
{
	static const char *const words[SL_STRIKE_ENDS] = {
		[SL_STRIKE_RUNS] = "runs",	   [SL_STRIKE_RAN] = "ran",
		[SL_STRIKE_ORPHANED] = "orphaned", [SL_STRIKE_SPENT] = "spent",
		[SL_STRIKE_STOPPED] = "stopped",   [SL_STRIKE_BURNED] = "burned",
	};

	return words[end];
}

/* ---- facts ----------------------------------------------------------------------------------- */

struct facts {
	uint64_t requests, errors, probes;
	uint64_t retries, fallbacks, resumed, cached, hedges, shed;
	uint64_t steps[SL_STEPS];
	struct sl_histogram ttft_us;
};

static void add_route(const struct sl_route_stats *route, struct facts *facts)
{
	for (int status = SL_STATS_STATUS_MIN; status <= SL_STATS_STATUS_MAX; status++) {
		uint64_t count = load(&route->by_status[status - SL_STATS_STATUS_MIN]);

		facts->requests += count;
		if (status >= 500)
			facts->errors += count;
	}
	facts->shed += load(&route->by_status[429 - SL_STATS_STATUS_MIN]);
	facts->errors += load(&route->streams_broken);
	facts->retries += load(&route->retries);
	facts->fallbacks += load(&route->fallbacks);
	facts->resumed += load(&route->resumptions[SL_RESUMPTION_CONTINUED]) +
			  load(&route->resumptions[SL_RESUMPTION_RESTARTED]);
	facts->cached += load(&route->by_recall[SL_RECALL_HIT]);
	for (uint32_t i = 0; i < SL_STEPS; i++)
		facts->steps[i] += load(&route->ladder[i]);
	sl_histogram_merge(&facts->ttft_us, &route->ttft_us);
}

static void add_worker(const struct sl_worker *worker, struct facts *facts)
{
	facts->probes += load(&worker->upstream.probes);
	for (uint32_t i = 0; i < SL_POOLS_MAX; i++)
		facts->hedges += load(&worker->stats.hedges_started[i]);
	for (uint32_t i = 0; i < SL_STATS_ROUTES_MAX; i++) {
		const struct sl_route_stats *route =
			__atomic_load_n(&worker->stats.routes[i], __ATOMIC_ACQUIRE);

		if (route)
			add_route(route, facts);
	}
}

static void put_did(struct sl_text *text, const char *name, uint64_t count)
{
	if (count)
		sl_text_printf(text, "did %s %llu\n", name, (unsigned long long)count);
}

static void put_facts(const struct sl_chaos_part *part, const struct facts *facts,
		      struct sl_text *text)
{
	sl_text_printf(text, "requests %llu errors %llu burns %llu probes %llu ttft",
		       (unsigned long long)facts->requests, (unsigned long long)facts->errors,
		       (unsigned long long)part->burns, (unsigned long long)facts->probes);
	for (uint32_t i = 0; i < SL_HISTOGRAM_BUCKETS; i++) {
		if (facts->ttft_us.buckets[i])
			sl_text_printf(text, " %llu:%llu",
				       (unsigned long long)sl_histogram_bucket_max(i),
				       (unsigned long long)facts->ttft_us.buckets[i]);
	}
	sl_text_append_char(text, '\n');
	put_did(text, "retries", facts->retries);
	put_did(text, "fallbacks", facts->fallbacks);
	put_did(text, "resumed", facts->resumed);
	put_did(text, "hedges", facts->hedges);
	put_did(text, "shed", facts->shed);
	put_did(text, "cached", facts->cached);
	for (uint32_t i = 0; i < SL_STEPS; i++)
		put_did(text, sl_steps[i].text, facts->steps[i]);
}

void sl_chaos_say_facts(const struct sl_chaos_part *part, struct sl_text *text)
{
	struct facts *facts = calloc(1, sizeof(*facts));

	if (!facts) {
		sl_text_append_string(text, "!no memory");
		return;
	}
	for (uint32_t k = 0; k < part->place.threads->count; k++)
		add_worker(part->place.threads->workers[k], facts);
	put_facts(part, facts, text);
	free(facts);
}

/* ---- the list -------------------------------------------------------------------------------- */

static uint32_t count_nodes(const struct sl_strike_row *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_STRIKE_WORDS; i++)
		count += (uint32_t)__builtin_popcountll(row->nodes[i]);
	return count;
}

static void put_row(const struct sl_strike_row *row, uint64_t now_ms, bool json,
		    struct sl_text *text)
{
	double left_s = row->end_ms > now_ms ? (double)(row->end_ms - now_ms) / 1e3 : 0;
	double share = (double)row->order.share / SL_STRIKE_ALL;

	if (!json) {
		sl_text_printf(text, "%-10u %-40.63s %5.4g%% %5u nodes %10llu hits %6.1f s left\n",
			       row->order.strike.number, row->order.name, share * 100,
			       count_nodes(row), (unsigned long long)load(&row->hits), left_s);
		return;
	}
	sl_text_printf(text, "{\"number\": %u, \"name\": ", row->order.strike.number);
	sl_text_append_json_string(text, row->order.name);
	sl_text_printf(
		text,
		", \"level\": \"request\", \"kind\": \"%s\", \"share\": %.6g, \"nodes\": %u, "
		"\"seen\": %llu, \"hits\": %llu, \"left_s\": %.1f}",
		sl_strike_kind_name(row->order.strike.kind), share, count_nodes(row),
		(unsigned long long)load(&row->seen), (unsigned long long)load(&row->hits), left_s);
}

void sl_chaos_say_list(const struct sl_chaos_part *part, bool json, struct sl_text *text)
{
	uint64_t now_ms = sl_clock_ms();
	bool first = true;

	if (json)
		sl_text_append_char(text, '[');
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		const struct sl_strike_row *row = &part->board->rows[i];

		if (!row->runs)
			continue;
		if (json && !first)
			sl_text_append_string(text, ", ");
		put_row(row, now_ms, json, text);
		first = false;
	}
	if (json)
		sl_text_append_string(text, "]\n");
}

/* The newest last. */
void sl_chaos_say_report(const struct sl_chaos_part *part, bool json, struct sl_text *text)
{
	uint32_t count = part->verdict_count;
	uint32_t first = count > SL_CHAOS_VERDICTS_MAX ? count - SL_CHAOS_VERDICTS_MAX : 0;

	if (json)
		sl_text_append_char(text, '[');
	for (uint32_t i = first; i < count; i++) {
		uint64_t wall_ms = part->verdicts[i % SL_CHAOS_VERDICTS_MAX].wall_ms;
		const char *verdict = part->verdicts[i % SL_CHAOS_VERDICTS_MAX].text;
		time_t at = (time_t)(wall_ms / 1000u);
		struct tm parts;
		char when[32] = "";

		if (gmtime_r(&at, &parts))
			strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &parts);
		if (!json) {
			sl_text_printf(text, "%s %s\n", when, verdict);
			continue;
		}
		sl_text_printf(text, "%s{\"at\": \"%s\", \"verdict\": ", i > first ? ", " : "",
			       when);
		sl_text_append_json_string(text, verdict);
		sl_text_append_char(text, '}');
	}
	if (json)
		sl_text_append_string(text, "]\n");
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void put_family(struct sl_text *text, const char *name, const char *type, const char *help)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sl_chaos_write_metrics(const struct sl_chaos_part *part, struct sl_text *text)
{
	put_family(text, "sluice_chaos_experiments", "gauge",
		   "Experiments on requests that run now.");
	sl_text_printf(text, "sluice_chaos_experiments %u\n",
		       __atomic_load_n(&part->board->on, __ATOMIC_RELAXED));
	put_family(text, "sluice_chaos_hits_total", "counter",
		   "Attempts, and looks into stores, that experiments struck, by kind.");
	for (uint32_t i = SL_STRIKE_NONE + 1; i < SL_STRIKE_COUNT; i++)
		sl_text_printf(text, "sluice_chaos_hits_total{kind=\"%s\"} %llu\n",
			       sl_strike_kind_name((enum sl_strike_kind)i),
			       (unsigned long long)load(&part->board->hits[i]));
	put_family(text, "sluice_chaos_ended_total", "counter",
		   "Experiments on requests that ended, by why.");
	for (uint32_t i = SL_STRIKE_RUNS + 1; i < SL_STRIKE_ENDS; i++)
		sl_text_printf(text, "sluice_chaos_ended_total{how=\"%s\"} %llu\n",
			       sl_chaos_end_word((enum sl_strike_end)i),
			       (unsigned long long)load(&part->board->ended[i]));
}
