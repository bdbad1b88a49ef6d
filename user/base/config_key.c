/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_key_rows.h"

#include <string.h>

const char *const sl_config_bools[] = {"false", "true", NULL};

/* Behind all others: by then whatever a route may name is known. */
static const struct sl_config_key last_keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_ROUTE_LIST, "routes", offsetof(struct sl_config, routes), NULL,
	 0, SL_CONFIG_ROUTES_MAX, NULL, false, "a list of routes",
	 "Public model names of the daemon. At least one route or one service must be there."},
};

static const struct sl_config_key_table last = SL_CONFIG_KEY_TABLE(last_keys);

static const struct sl_config_key_table *const tables[] = {
	&sl_config_keys_root,	  &sl_config_keys_kernel,   &sl_config_keys_pool,
	&sl_config_keys_canary,	  &sl_config_keys_route,    &sl_config_keys_validate,
	&sl_config_keys_prompt,	  &sl_config_keys_degrade,  &sl_config_keys_semantic,
	&sl_config_keys_retrieve, &sl_config_keys_sampling, &sl_config_keys_slo,
	&sl_config_keys_page,	  &sl_config_keys_alert,    &sl_config_keys_rollout,
	&sl_config_keys_eval,	  &sl_config_keys_otlp,	    &last,
};

const struct sl_config_section_info sl_config_sections[SL_CONFIG_SECTIONS] = {
	[SL_CONFIG_ROOT] = {"Top level", 0},
	[SL_CONFIG_LISTEN] = {"listen[]", 0},
	[SL_CONFIG_LISTEN_TLS] = {"listen[].tls", 0},
	[SL_CONFIG_LIMITS] = {"limits", 0},
	[SL_CONFIG_TIMEOUTS] = {"timeouts", 0},
	[SL_CONFIG_CACHE] = {"cache", 0},
	[SL_CONFIG_AUTOSCALE] = {"autoscale", 0},
	[SL_CONFIG_LOG] = {"log", 0},
	[SL_CONFIG_KEYS] = {"keys", 0},
	[SL_CONFIG_TENANT] = {"tenants.NAME", 0},
	[SL_CONFIG_SPEND] = {"spend", 0},
	[SL_CONFIG_ROLLOUTS] = {"rollouts", 0},
	[SL_CONFIG_ROLLOUT_CHECK] = {"rollouts.checks.NAME",
				     sizeof(struct sl_config_rollout_check)},
	[SL_CONFIG_AUDIT] = {"audit", 0},
	[SL_CONFIG_PRICE] = {"prices.MODEL", 0},
	[SL_CONFIG_KERNEL] = {"kernel", 0},
	[SL_CONFIG_BEACON] = {"kernel.beacon", 0},
	[SL_CONFIG_BEACON_KEY] = {"kernel.beacon.keys[]", 0},
	[SL_CONFIG_BEACON_NODE] = {"kernel.beacon.nodes[]", 0},
	[SL_CONFIG_POOL] = {"pools.NAME", 0},
	[SL_CONFIG_POOL_HEALTH] = {"pools.NAME.health", 0},
	[SL_CONFIG_POOL_QUEUE] = {"pools.NAME.queue", 0},
	[SL_CONFIG_POOL_AT_ONCE] = {"pools.NAME.concurrency", 0},
	[SL_CONFIG_POOL_CANARY] = {"pools.NAME.canary", 0},
	[SL_CONFIG_CANARY] = {"canary", 0},
	[SL_CONFIG_POOL_METRICS] = {"pools.NAME.metrics", 0},
	[SL_CONFIG_NODE] = {"pools.NAME.nodes[]", 0},
	[SL_CONFIG_SERVICE] = {"services[]", 0},
	[SL_CONFIG_ROUTE] = {"routes[]", 0},
	[SL_CONFIG_ROUTE_FALLBACKS] = {"routes[].fallbacks", 0},
	[SL_CONFIG_ROUTE_TIMEOUTS] = {"routes[].timeouts", 0},
	[SL_CONFIG_ROUTE_LIMITS] = {"routes[].limits", 0},
	[SL_CONFIG_ROUTE_CACHE] = {"routes[].cache", 0},
	[SL_CONFIG_ROUTE_HEDGE] = {"routes[].hedge", 0},
	[SL_CONFIG_ROUTE_QUEUE] = {"routes[].queue", 0},
	[SL_CONFIG_ROUTE_BUFFER] = {"routes[].buffer", 0},
	[SL_CONFIG_ROUTE_VALIDATE] = {"routes[].validate", 0},
	[SL_CONFIG_PROMPTS] = {"prompts", 0},
	[SL_CONFIG_ROUTE_PROMPT] = {"routes[].prompt", 0},
	[SL_CONFIG_ROUTE_SAMPLING] = {"routes[].sampling", 0},
	[SL_CONFIG_ROUTE_CONTEXT] = {"routes[].context", 0},
	[SL_CONFIG_DEGRADE] = {"routes[].degrade", 0},
	[SL_CONFIG_DEGRADE_RULE] = {"routes[].degrade.rules[]",
				    sizeof(struct sl_config_degrade_rule)},
	[SL_CONFIG_DEGRADE_TOOL] = {"routes[].degrade.tools.NAME",
				    sizeof(struct sl_config_degrade_tool)},
	[SL_CONFIG_EMBEDDING] = {"embedding", 0},
	[SL_CONFIG_SEMANTIC] = {"semantic_cache", 0},
	[SL_CONFIG_ROUTE_SEMANTIC] = {"routes[].semantic_cache", 0},
	[SL_CONFIG_EMBEDDER] = {"embedders.NAME", sizeof(struct sl_config_embedder)},
	[SL_CONFIG_INDEX] = {"indexes.NAME", sizeof(struct sl_config_index)},
	[SL_CONFIG_SOURCE] = {"sources.NAME", sizeof(struct sl_config_source)},
	[SL_CONFIG_RERANKER] = {"rerankers.NAME", sizeof(struct sl_config_reranker)},
	[SL_CONFIG_ROUTE_RETRIEVE] = {"routes[].retrieve", 0},
	[SL_CONFIG_INCIDENTS] = {"incidents", 0},
	[SL_CONFIG_SLO] = {"slo", 0},
	[SL_CONFIG_SLO_ALERT] = {"slo.alerts[]", sizeof(struct sl_config_slo_alert)},
	[SL_CONFIG_ALERTS] = {"alerts", 0},
	[SL_CONFIG_RECEIVER] = {"alerts.receivers.NAME", sizeof(struct sl_config_receiver)},
	[SL_CONFIG_RECOVERY] = {"recovery", 0},
	[SL_CONFIG_HOOK] = {"recovery.hooks.NAME", sizeof(struct sl_config_recovery_hook)},
	[SL_CONFIG_ROUTE_SLO] = {"routes[].slo", 0},
	[SL_CONFIG_PAGE] = {"page", 0},
	[SL_CONFIG_FEEDBACK] = {"feedback", 0},
	[SL_CONFIG_EVALUATION] = {"evaluation", 0},
	[SL_CONFIG_ROUTE_EVALUATE] = {"routes[].evaluate", 0},
	[SL_CONFIG_OTLP] = {"otlp", 0},
	[SL_CONFIG_TRACING] = {"tracing", 0},
};

const struct sl_config_key *sl_config_key_at(size_t index)
{
	size_t t;

	for (t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		if (index < tables[t]->count)
			return &tables[t]->keys[index];
		index -= tables[t]->count;
	}
	return NULL;
}

const struct sl_config_key *sl_config_key_find(enum sl_config_section section, const char *name)
{
	const struct sl_config_key *key;
	size_t i;

	for (i = 0; (key = sl_config_key_at(i)); i++)
		if (key->section == section && strcmp(key->name, name) == 0)
			return key;
	return NULL;
}
