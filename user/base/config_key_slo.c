/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of objectives: slo, routes[].slo; and their contradictions. */
#include "user/base/config_check.h"
#include "user/base/config_key_rows.h"

#define SLO(member)   offsetof(struct sl_config, slo.member)
#define ROUTE(member) offsetof(struct sl_config_route, slo.member)
#define ALERT(member) offsetof(struct sl_config_slo_alert, member)

#define MONTHS_MS      (45u * DAY_MS)
#define WINDOW_MS_MIN  60u /* a bucket of a millisecond */
#define SHARE_MAX      999999999u
#define SHARE_EXPECTED "a share like 0.999, below 1"

static const char *const levels[] = {"page", "ticket", NULL}; /* enum sl_slo_level */

/* at: SLO or ROUTE; rest: what holds where it is not set. */
#define OBJECTIVES(section, at, rest)                                                             \
	{section,                                                                                 \
	 SL_CONFIG_MONEY,                                                                         \
	 "availability",                                                                          \
	 at(objectives.availability),                                                             \
	 NULL,                                                                                    \
	 1,                                                                                       \
	 SHARE_MAX,                                                                               \
	 NULL,                                                                                    \
	 false,                                                                                   \
	 SHARE_EXPECTED,                                                                          \
	 "Share of requests that are answered, of those answered and those that ended with 5xx "  \
	 "or in a broken stream. " rest},                                                         \
		{section,                                                                         \
		 SL_CONFIG_MONEY,                                                                 \
		 "ttft",                                                                          \
		 at(objectives.ttft),                                                             \
		 NULL,                                                                            \
		 1,                                                                               \
		 SHARE_MAX,                                                                       \
		 NULL,                                                                            \
		 false,                                                                           \
		 SHARE_EXPECTED,                                                                  \
		 "Share of streams whose first token comes within `ttft_under`. " rest},          \
		{section, SL_CONFIG_MS, "ttft_under", at(objectives.ttft_ms), NULL, 1, DAY_MS,    \
		 NULL,	  false,	NULL,	      "See `ttft`."},                             \
		{section,                                                                         \
		 SL_CONFIG_MONEY,                                                                 \
		 "latency",                                                                       \
		 at(objectives.latency),                                                          \
		 NULL,                                                                            \
		 1,                                                                               \
		 SHARE_MAX,                                                                       \
		 NULL,                                                                            \
		 false,                                                                           \
		 SHARE_EXPECTED,                                                                  \
		 "Share of answers that are whole within `latency_under`. " rest},                \
		{section,                                                                         \
		 SL_CONFIG_MS,                                                                    \
		 "latency_under",                                                                 \
		 at(objectives.latency_ms),                                                       \
		 NULL,                                                                            \
		 1,                                                                               \
		 DAY_MS,                                                                          \
		 NULL,                                                                            \
		 false,                                                                           \
		 NULL,                                                                            \
		 "See `latency`."},                                                               \
	{                                                                                         \
		section, SL_CONFIG_MONEY, "quality", at(objectives.quality), NULL, 1, SHARE_MAX,  \
			NULL, false, SHARE_EXPECTED,                                              \
			"Share of answers that no ladder lessened (ladders.md) and nobody found " \
			"wanting. " rest                                                          \
	}

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "slo", 0, NULL, SL_CONFIG_SLO, 0, NULL, false,
	 "a map", "Objectives of routes, and when somebody is told that they are missed."},
	/* clang-format off */
	OBJECTIVES(SL_CONFIG_SLO, SLO, "For every route that does not say otherwise."),
	/* clang-format on */
	{SL_CONFIG_SLO, SL_CONFIG_PATH, "path", SLO(path), NULL, 0, PATH_LEN_MAX, NULL, false,
	 "an absolute path",
	 "Database of what was counted, for the daemon alone. Without it budgets begin anew with "
	 "the "
	 "process. Takes effect at the next start."},
	{SL_CONFIG_SLO, SL_CONFIG_MS, "window", SLO(window_ms), "30d", WINDOW_MS_MIN, MONTHS_MS,
	 NULL, false, NULL, "Over which the error budget is spent."},
	{SL_CONFIG_SLO, SL_CONFIG_U32, "events", SLO(events_min), "20", 1, 1000000000, NULL, false,
	 NULL, "Events in the long window of an alert, below which it is not raised."},
	{SL_CONFIG_SLO, SL_CONFIG_U32, "failures", SLO(failures_min), "3", 1, 1000000000, NULL,
	 false, NULL, "The same of bad events: one failure at night wakes nobody."},
	{SL_CONFIG_SLO, SL_CONFIG_ITEM_LIST, "alerts", SLO(alerts), NULL, SL_CONFIG_SLO_ALERT,
	 SL_CONFIG_SLO_ALERTS_MAX, NULL, false, "a list of up to 4 alerts",
	 "When a budget burns too fast. Without it: a page at 14.4 times its pace over 1h and 5m, "
	 "and at 6 times over 6h and 30m; a ticket at its pace over 3d and 6h."},

	{SL_CONFIG_SLO_ALERT, SL_CONFIG_CHOICE, "level", ALERT(level), "page", 0, 0, levels, false,
	 NULL, "`page`: somebody must look now. `ticket`: by day."},
	{SL_CONFIG_SLO_ALERT, SL_CONFIG_MONEY, "burn", ALERT(burn), NULL, 1, 1000000000000000ull,
	 NULL, true, "a number like 14.4",
	 "How many times faster than the budget allows. 1 spends it by the end of `slo.window`."},
	{SL_CONFIG_SLO_ALERT, SL_CONFIG_MS, "long", ALERT(long_ms), NULL, WINDOW_MS_MIN, MONTHS_MS,
	 NULL, true, NULL, "Window over which it must burn so fast to matter."},
	{SL_CONFIG_SLO_ALERT, SL_CONFIG_MS, "short", ALERT(short_ms), NULL, WINDOW_MS_MIN,
	 MONTHS_MS, NULL, true, NULL,
	 "Shorter one, over which it must still do so; the alert ends with it."},

	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "incidents", 0, NULL, SL_CONFIG_INCIDENTS, 0, NULL,
	 false, "a map", "The ledger of incidents."},
	{SL_CONFIG_INCIDENTS, SL_CONFIG_PATH, "path", offsetof(struct sl_config, incidents.path),
	 NULL, 0, PATH_LEN_MAX, NULL, false, "an absolute path",
	 "Database of the ledger, for the daemon alone. Without it incidents are forgotten with "
	 "the "
	 "process. Takes effect at the next start."},
	{SL_CONFIG_INCIDENTS, SL_CONFIG_MS, "join", offsetof(struct sl_config, incidents.join_ms),
	 "5m", 0, DAY_MS, NULL, false, NULL,
	 "Trouble in the same pool within this time of the last is the same incident; of the same "
	 "node, pool or route always while it is open."},
	{SL_CONFIG_INCIDENTS, SL_CONFIG_MS, "hold", offsetof(struct sl_config, incidents.hold_ms),
	 "1m", 0, DAY_MS, NULL, false, NULL,
	 "An incident is closed when all of its causes have been over for so long."},
	{SL_CONFIG_INCIDENTS, SL_CONFIG_U32, "keep_days",
	 offsetof(struct sl_config, incidents.keep_days), "400", 1, 10000, NULL, false, NULL,
	 "Older ones are removed at the start."},

	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "slo", 0, NULL, SL_CONFIG_ROUTE_SLO, 0, NULL,
	 false, "a map", "Its objectives."},
	{SL_CONFIG_ROUTE_SLO, SL_CONFIG_CHOICE, "enabled", ROUTE(on), "true", 0, 0, sl_config_bools,
	 false, NULL, "`false`: the route has no objectives, whatever `slo` says."},
	/* clang-format off */
	OBJECTIVES(SL_CONFIG_ROUTE_SLO, ROUTE, "As in `slo` where it is not set."),
	/* clang-format on */
};

const struct sl_config_key_table sl_config_keys_slo = SL_CONFIG_KEY_TABLE(keys);

/* ---- checks ---------------------------------------------------------------------------------- */

/* A share of what comes in time needs the time, here or in `slo`. */
static void check_times(const struct sl_config_objectives *own,
			const struct sl_config_objectives *common, unsigned line, unsigned column,
			const char *where, struct sl_report *report)
{
	if (own->ttft && !own->ttft_ms && !common->ttft_ms)
		sl_report_add(report, line, column,
			      "%s.ttft: in what time? (expected \"ttft_under\" beside it)", where);
	if (own->latency && !own->latency_ms && !common->latency_ms)
		sl_report_add(report, line, column,
			      "%s.latency: in what time? (expected \"latency_under\" beside it)",
			      where);
}

void sl_config_check_slo(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_slo *slo = &config->slo;
	const struct sl_config_slo_alert *alerts = slo->alerts.items;
	char where[64];

	check_times(&slo->objectives, &slo->objectives, 0, 0, "slo", report);
	for (uint32_t i = 0; i < slo->alerts.count; i++) {
		if (alerts[i].short_ms && alerts[i].short_ms >= alerts[i].long_ms)
			sl_report_add(report, alerts[i].item.line, alerts[i].item.column,
				      "slo.alerts[%u]: short %ums is not shorter than long %ums", i,
				      alerts[i].short_ms, alerts[i].long_ms);
	}
	for (uint32_t i = 0; i < config->route_count; i++) {
		const struct sl_config_route *route = &config->routes[i];

		snprintf(where, sizeof(where), "routes[%u].slo", i);
		check_times(&route->slo.objectives, &slo->objectives, route->line, route->column,
			    where, report);
	}
}
