/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_ladder.h"

#include <inttypes.h>
#include <string.h>
#include "user/stage/degrade.h"
#include "user/stage/validate_lists.h"

/*
 * Steps that nobody took have no samples, but for those that docs/prometheus-rules.yml names: what begins at 1
 * never grew, and its first would not be alerted.
 */
static bool is_watched(enum sl_step step)
{
	switch (step) {
	case SL_STEP_PROMPT_KNOWN_GOOD:
	case SL_STEP_RETRIEVE_NONE:
	case SL_STEP_RETRIEVE_BARE:
	case SL_STEP_RETRIEVE_POOR:
	case SL_STEP_RETRIEVE_UNGROUNDED:
	case SL_STEP_INBOUND_UNMODERATED:
	case SL_STEP_VALIDATE_UNMODERATED:
	case SL_STEP_VALIDATE_REFUSED:
	case SL_STEP_VALIDATE_ENDED:
		return true;
	default:
		return false;
	}
}

static void write_steps(const struct sl_metrics_source *source, struct sl_text *text)
{
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);
	int step;

	sl_text_append_string(text,
			      "# HELP sluice_ladder_steps_total Requests that a stage took one "
			      "step down, see docs/ladders.md.\n"
			      "# TYPE sluice_ladder_steps_total counter\n");
	for (route = 1; route < count; route++) {
		for (step = 0; step < SL_STEPS; step++) {
			uint64_t sum = sl_metrics_route_sum(
				source, route, offsetof(struct sl_route_stats, ladder[step]));

			if (!sum && !is_watched((enum sl_step)step))
				continue;
			sl_text_append_string(text, "sluice_ladder_steps_total{route=\"");
			sl_text_append_json(text, source->names->names[route],
					    strlen(source->names->names[route]));
			sl_text_printf(text, "\",stage=\"%s\",step=\"%s\"} %" PRIu64 "\n",
				       sl_stage_text(sl_steps[step].stage),
				       sl_step_name((enum sl_step)step), sum);
		}
	}
}

static void write_sampled(const struct sl_metrics_source *source, struct sl_text *text)
{
	static const char *const results[2] = {"set", "overruled"};
	uint32_t route, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	sl_text_append_string(
		text, "# HELP sluice_sampling_fixed_total Parameters that requests got from "
		      "their route: they named none (set), or another value (overruled).\n"
		      "# TYPE sluice_sampling_fixed_total counter\n");
	for (route = 1; route < count; route++) {
		for (int overruled = 0; overruled < 2; overruled++) {
			uint64_t sum = sl_metrics_route_sum(
				source, route, offsetof(struct sl_route_stats, sampled[overruled]));

			if (!sum)
				continue;
			sl_text_append_string(text, "sluice_sampling_fixed_total{route=\"");
			sl_text_append_json(text, source->names->names[route],
					    strlen(source->names->names[route]));
			sl_text_printf(text, "\",result=\"%s\"} %" PRIu64 "\n", results[overruled],
				       sum);
		}
	}
}

/* Rules that never were have no samples. */
static void write_rules(const struct sl_metrics_source *source, const struct sl_degrade *degrade,
			struct sl_text *text)
{
	uint32_t route, rule, count = __atomic_load_n(&source->names->count, __ATOMIC_ACQUIRE);

	sl_text_append_string(text, "# HELP sluice_degrade_in_force 1 while the rule of a route's "
				    "degradation is in force.\n"
				    "# TYPE sluice_degrade_in_force gauge\n");
	for (route = 1; route < count; route++) {
		for (rule = 0; rule < SL_CONFIG_DEGRADE_RULES_MAX; rule++) {
			if (!sl_degrade_entered(degrade, route, rule))
				continue;
			sl_text_append_string(text, "sluice_degrade_in_force{route=\"");
			sl_text_append_json(text, source->names->names[route],
					    strlen(source->names->names[route]));
			sl_text_printf(text, "\",rule=\"%u\"} %d\n", rule,
				       sl_degrade_is_in_force(degrade, route, rule));
		}
	}
}

static void write_one(struct sl_text *text, const char *name, const char *type, const char *help,
		      uint64_t value)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		       name, value);
}

static void write_work(struct sl_work *work, struct sl_text *text)
{
	struct sl_work_stats stats;

	sl_work_read_stats(work, &stats);
	write_one(text, "sluice_work_threads", "gauge", "Threads for what must not hold up a loop.",
		  stats.threads);
	write_one(text, "sluice_work_queued", "gauge", "Jobs that wait for one of them.",
		  stats.queued);
	write_one(text, "sluice_work_running", "gauge", "Jobs that run.", stats.running);
	write_one(text, "sluice_work_jobs_total", "counter", "Jobs that have run.", stats.done);
	write_one(text, "sluice_work_refused_total", "counter",
		  "Jobs that found the queue full: their stage stepped down.", stats.refused);
	write_one(text, "sluice_work_abandoned_total", "counter",
		  "Jobs that nobody waited for any more when they had run.", stats.abandoned);
	sl_text_append_string(text,
			      "# HELP sluice_work_seconds_total Time of the jobs, in the queue and "
			      "running.\n# TYPE sluice_work_seconds_total counter\n"
			      "sluice_work_seconds_total{state=\"queued\"} ");
	sl_text_append_scaled(text, stats.wait_ns, 9);
	sl_text_append_string(text, "\nsluice_work_seconds_total{state=\"running\"} ");
	sl_text_append_scaled(text, stats.run_ns, 9);
	sl_text_append_char(text, '\n');
}

static void write_list(struct sl_text *text, const char *name,
		       const struct sl_validate_list_stats *list, uint64_t value)
{
	sl_text_printf(text, "%s{list=\"", name);
	sl_text_append_json(text, list->path, strlen(list->path));
	sl_text_printf(text, "\"} %" PRIu64 "\n", value);
}

/* A row of one of them for each list. */
static void write_lists(struct sl_validate_lists *lists, struct sl_text *text)
{
	static const struct {
		const char *name, *type, *help;
	} rows[] = {
		{"sluice_list_patterns", "gauge", "Patterns of the list that are in force."},
		{"sluice_list_current", "gauge", "1 while those are what its file says."},
		{"sluice_list_matches_total", "counter", "What it has found, in both ways."},
		{"sluice_list_loads_failed_total", "counter", "Times that its file was bad."},
	};
	struct sl_validate_list_stats list;

	for (unsigned int row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		if (!sl_validate_lists_read_stats(lists, 0, &list))
			return;
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", rows[row].name, rows[row].help,
			       rows[row].name, rows[row].type);
		for (uint32_t i = 0; sl_validate_lists_read_stats(lists, i, &list); i++) {
			const uint64_t values[] = {list.patterns, list.is_current, list.matches,
						   list.loads_failed};

			write_list(text, rows[row].name, &list, values[row]);
		}
	}
}

void sl_metrics_write_ladder(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_stores *stores = source->workers[0]->stores;

	write_steps(source, text);
	write_sampled(source, text);
	if (!stores)
		return;
	write_rules(source, stores->degrade, text);
	write_work(stores->work, text);
	write_lists(stores->lists, text);
}
