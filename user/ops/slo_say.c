/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of objectives: `sluice slo`, /metrics. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "user/ops/slo_parts.h"

const char *sl_slo_span(uint64_t ms, char out[SL_SLO_SPAN_BYTES])
{
	static const struct {
		uint64_t ms;
		const char *unit;
	} units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
	uint32_t i = 0;

	while (ms % units[i].ms)
		i++;
	snprintf(out, SL_SLO_SPAN_BYTES, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
	return out;
}

/* Is it the first window of that length? Pairs may share one. */
static bool is_first(const struct sl_slo *slo, uint32_t window)
{
	for (uint32_t i = 1; i < window; i++) {
		if (slo->windows[i].length_ms == slo->windows[window].length_ms)
			return false;
	}
	return slo->windows[window].length_ms != 0;
}

static const struct sl_slo_objective *objective_at(const struct sl_slo_part *part, uint32_t route,
						   uint32_t kind)
{
	const struct sl_slo_objective *objective = part->routes[route].of[kind];

	return objective && objective->on ? objective : NULL;
}

/* ---- text and JSON --------------------------------------------------------------------------- */

static void show_text(const struct sl_slo_part *part, const char *route,
		      const struct sl_slo_objective *objective, struct sl_text *text)
{
	const struct sl_slo *slo = &objective->slo;
	char span[SL_SLO_SPAN_BYTES];

	sl_text_printf(text, "route %s: %s %g%%", route, sl_slo_kind_name(objective->kind),
		       (double)objective->share / 1e7);
	if (objective->bound_us)
		sl_text_printf(text, " under %s", sl_slo_span(objective->bound_us / 1000u, span));
	sl_text_printf(text, ": budget of %s: %.1f%% left; burns",
		       sl_slo_span(slo->windows[0].length_ms, span),
		       sl_slo_left(slo, objective->share) * 100);
	for (uint32_t i = 1; i < SL_SLO_WINDOWS; i++) {
		if (is_first(slo, i))
			sl_text_printf(text, " %s=%.2fx",
				       sl_slo_span(slo->windows[i].length_ms, span),
				       sl_slo_burn(&slo->windows[i], objective->share));
	}
	sl_text_printf(text, "; good=%" PRIu64 " bad=%" PRIu64, slo->good, slo->bad);
	for (uint32_t i = 0; i < part->rules.pair_count; i++) {
		if (slo->burns[i])
			sl_text_printf(text, " %s",
				       part->rules.pairs[i].level == SL_SLO_PAGE ? "PAGE"
										 : "TICKET");
	}
	sl_text_append_char(text, '\n');
}

static void show_json(const struct sl_slo_part *part, const char *route,
		      const struct sl_slo_objective *objective, struct sl_text *text)
{
	const struct sl_slo *slo = &objective->slo;
	const char *between = "";

	sl_text_append_string(text, "{\"route\":");
	sl_text_append_json_string(text, route);
	sl_text_printf(text, ",\"slo\":\"%s\",\"objective\":%.9g",
		       sl_slo_kind_name(objective->kind), (double)objective->share / 1e9);
	if (objective->bound_us)
		sl_text_printf(text, ",\"under_ms\":%u", objective->bound_us / 1000u);
	sl_text_printf(text,
		       ",\"good\":%" PRIu64 ",\"bad\":%" PRIu64 ",\"window_ms\":%" PRIu64
		       ",\"window_good\":%" PRIu64 ",\"window_bad\":%" PRIu64
		       ",\"budget_left\":%.6f,\"burn\":[",
		       slo->good, slo->bad, slo->windows[0].length_ms, slo->windows[0].good,
		       slo->windows[0].bad, sl_slo_left(slo, objective->share));
	for (uint32_t i = 1; i < SL_SLO_WINDOWS; i++) {
		if (!is_first(slo, i))
			continue;
		sl_text_printf(text, "%s{\"window_ms\":%" PRIu64 ",\"rate\":%.4f}", between,
			       slo->windows[i].length_ms,
			       sl_slo_burn(&slo->windows[i], objective->share));
		between = ",";
	}
	sl_text_append_string(text, "],\"alerts\":[");
	for (uint32_t i = 0; i < part->rules.pair_count; i++) {
		const struct sl_slo_pair *pair = &part->rules.pairs[i];

		sl_text_printf(text,
			       "%s{\"level\":\"%s\",\"burn\":%g,\"long_ms\":%u,\"short_ms\":%u,"
			       "\"burns\":%s}",
			       i ? "," : "", sl_slo_level_name(pair->level),
			       (double)pair->burn / 1e9, pair->long_ms, pair->short_ms,
			       slo->burns[i] ? "true" : "false");
	}
	sl_text_append_string(text, "]}");
}

void sl_slo_say(struct sl_slo_part *part, char *words, struct sl_text *text)
{
	char *rest = NULL, *format = strtok_r(words, " ", &rest),
	     *name = strtok_r(NULL, " ", &rest);
	bool json = format && !strcmp(format, "json"), found = false;

	sl_text_append_string(text, json ? "{\"objectives\":[" : "");
	for (uint32_t r = 0; r < part->names->count; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
			const struct sl_slo_objective *objective = objective_at(part, r, kind);

			if (!objective || (name && strcmp(name, part->names->names[r]) != 0))
				continue;
			if (!json) {
				show_text(part, part->names->names[r], objective, text);
			} else {
				sl_text_append_string(text, found ? "," : "");
				show_json(part, part->names->names[r], objective, text);
			}
			found = true;
		}
	}
	sl_text_append_string(text, json ? "]}\n" : "");
	if (!found && name) {
		sl_text_reset(text);
		sl_text_printf(text, "!route \"%.128s\" has no objectives (routes[].slo, slo)",
			       name);
	} else if (!found && !json) {
		sl_text_append_string(text, "no route has objectives (routes[].slo, slo)\n");
	}
}

/* ---- metrics --------------------------------------------------------------------------------- */

enum family { OBJECTIVE, GOOD, BAD, LEFT, BURN, BURNING, FAMILIES };

static const struct {
	const char *name, *type, *help;
} families[FAMILIES] = {
	[OBJECTIVE] = {"sluice_slo_objective_ratio", "gauge", "Share of events that must be good."},
	[GOOD] = {"sluice_slo_good_total", "counter", "Events that were good for the objective."},
	[BAD] = {"sluice_slo_bad_total", "counter", "Events that spent its error budget."},
	[LEFT] = {"sluice_slo_budget_remaining_ratio", "gauge",
		  "Share of the error budget that is left; below 0 it is overspent."},
	[BURN] = {"sluice_slo_burn_rate", "gauge",
		  "How many times faster than it may the budget was spent over the window."},
	[BURNING] = {"sluice_slo_burning", "gauge", "1 while an alert of that level is raised."},
};

static void put_labels(struct sl_text *text, const char *name, const char *route,
		       const struct sl_slo_objective *objective)
{
	sl_text_printf(text, "%s{route=\"", name);
	sl_text_append_json(text, route, strlen(route));
	sl_text_printf(text, "\",slo=\"%s\"", sl_slo_kind_name(objective->kind));
}

static void write_burn(const char *route, const struct sl_slo_objective *objective,
		       struct sl_text *text)
{
	char span[SL_SLO_SPAN_BYTES];

	for (uint32_t i = 1; i < SL_SLO_WINDOWS; i++) {
		if (!is_first(&objective->slo, i))
			continue;
		put_labels(text, families[BURN].name, route, objective);
		sl_text_printf(text, ",window=\"%s\"} %.4f\n",
			       sl_slo_span(objective->slo.windows[i].length_ms, span),
			       sl_slo_burn(&objective->slo.windows[i], objective->share));
	}
}

static void write_burning(const struct sl_slo_part *part, const char *route,
			  const struct sl_slo_objective *objective, struct sl_text *text)
{
	for (uint32_t level = SL_SLO_PAGE; level <= SL_SLO_TICKET; level++) {
		bool on = false;

		for (uint32_t i = 0; i < part->rules.pair_count; i++)
			on |= part->rules.pairs[i].level == level && objective->slo.burns[i];
		put_labels(text, families[BURNING].name, route, objective);
		sl_text_printf(text, ",level=\"%s\"} %d\n", sl_slo_level_name(level), on);
	}
}

static void write_sample(const struct sl_slo_part *part, enum family family, const char *route,
			 const struct sl_slo_objective *objective, struct sl_text *text)
{
	if (family == BURN) {
		write_burn(route, objective, text);
		return;
	}
	if (family == BURNING) {
		write_burning(part, route, objective, text);
		return;
	}
	put_labels(text, families[family].name, route, objective);
	if (family == GOOD || family == BAD)
		sl_text_printf(text, "} %" PRIu64 "\n",
			       family == GOOD ? objective->slo.good : objective->slo.bad);
	else
		sl_text_printf(text, "} %.9g\n",
			       family == LEFT ? sl_slo_left(&objective->slo, objective->share)
					      : (double)objective->share / 1e9);
}

void sl_slo_write_metrics(struct sl_slo_part *part, struct sl_text *text)
{
	struct sl_journal_stats stats;

	for (uint32_t family = 0; family < FAMILIES && part->any; family++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
			       families[family].help, families[family].name, families[family].type);
		for (uint32_t r = 0; r < part->names->count; r++) {
			for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
				const struct sl_slo_objective *objective =
					objective_at(part, r, kind);

				if (objective)
					write_sample(part, family, part->names->names[r], objective,
						     text);
			}
		}
	}
	if (!part->any)
		return;
	sl_journal_read_stats(part->journal, &stats);
	sl_text_printf(text,
		       "# HELP sluice_slo_store_failing 1 while what was counted cannot be "
		       "written.\n# TYPE sluice_slo_store_failing gauge\n"
		       "sluice_slo_store_failing %d\n",
		       stats.failing);
}
