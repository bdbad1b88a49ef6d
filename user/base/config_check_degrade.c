/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_check.h"

static bool has_bound(const struct sl_config_degrade_rule *rule)
{
	return rule->load || rule->breakers || rule->wait_ms || rule->ttft_ms;
}

static bool saves(const struct sl_config_degrade_rule *rule)
{
	return rule->max_tokens || rule->model || rule->messages || rule->no_hedge ||
	       rule->similarity;
}

static void check_rule(const struct sl_config *config, const struct sl_config_route *route,
		       const struct sl_config_degrade_rule *rule, uint32_t index,
		       struct sl_report *report)
{
	const struct sl_config_chain *chain = &route->chains[SL_CAUSE_ERROR];
	const struct sl_config_item *at = &rule->item;

	if (!has_bound(rule))
		sl_report_add(report, at->line, at->column,
			      "route \"%s\": degrade.rules[%u]: nothing would ever bring it into "
			      "force (expected load, breakers, wait or ttft)",
			      route->model, index);
	if (!saves(rule))
		sl_report_add(report, at->line, at->column,
			      "route \"%s\": degrade.rules[%u]: it saves nothing (expected "
			      "max_tokens, model, messages, no_hedge or similarity)",
			      route->model, index);
	if (rule->model && chain->len && rule->model - 1 == chain->pools[0])
		sl_report_add(report, at->line, at->column,
			      "route \"%s\": degrade.rules[%u].model: \"%s\" is the pool that is "
			      "asked first anyway (expected another one)",
			      route->model, index, config->pools[rule->model - 1].name);
}

void sl_config_check_degrade(const struct sl_config *config, struct sl_report *report)
{
	uint32_t r, i;

	for (r = 0; r < config->route_count; r++) {
		const struct sl_config_route *route = &config->routes[r];
		const struct sl_config_degrade_rule *rules = route->degrade.rules.items;

		for (i = 0; i < route->degrade.rules.count && route->model; i++)
			check_rule(config, route, &rules[i], i, report);
	}
}
