/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_check.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/address.h"

#define NODES_USABLE (SL_NODES_MAX - 1u) /* slot 0 is never used */

/* An endpoint and where it was said, for the search of duplicates. */
struct place {
	struct sl_endpoint endpoint;
	const char *text;
	const char *pool; /* NULL: a service */
	unsigned line;
	unsigned column;
};

static bool is_same_port(const struct place *a, const struct place *b)
{
	return memcmp(&a->endpoint.addr, &b->endpoint.addr, sizeof(a->endpoint.addr)) == 0 &&
	       a->endpoint.port == b->endpoint.port;
}

/* A TCP and a UDP service may share a port; a node may not share one with either. */
static bool is_clash(const struct place *a, const struct place *b)
{
	return a->pool != NULL || b->pool != NULL || a->endpoint.proto == b->endpoint.proto;
}

/* By address, port, protocol and place. */
static int compare_places(const void *left, const void *right)
{
	const struct place *a = left;
	const struct place *b = right;
	int order = memcmp(&a->endpoint, &b->endpoint, sizeof(a->endpoint));

	if (order != 0)
		return order;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static void complain_twice(struct sl_report *report, const struct place *first,
			   const struct place *again)
{
	if (first->pool != NULL && again->pool != NULL)
		sl_report_add(report, again->line, again->column,
			      "pool \"%s\": node %s is already in pool \"%s\", line %u (a node "
			      "belongs to one pool, once)",
			      again->pool, again->text, first->pool, first->line);
	else if (first->pool == NULL && again->pool == NULL)
		sl_report_add(report, again->line, again->column,
			      "service %s is already in line %u", again->text, first->line);
	else
		sl_report_add(report, again->line, again->column,
			      "%s is a node and a service (see line %u): packets would go in a "
			      "circle",
			      again->text, first->line);
}

/* All nodes and services that were read well. Returns their number. */
static size_t collect(const struct sl_config *config, struct place *places)
{
	size_t count = 0;

	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];

		for (uint32_t j = 0; j < pool->node_count; j++) {
			const struct sl_config_node *node = &pool->nodes[j];

			if (node->text != NULL)
				places[count++] =
					(struct place){node->endpoint, node->text, pool->name,
						       node->line, node->column};
		}
	}
	for (uint32_t i = 0; i < config->service_count; i++) {
		const struct sl_config_service *service = &config->services[i];

		if (service->text != NULL)
			places[count++] = (struct place){service->endpoint, service->text, NULL,
							 service->line, service->column};
	}
	return count;
}

static void check_endpoints(const struct sl_config *config, struct sl_report *report)
{
	size_t room = config->service_count + 1u;
	size_t nodes = 0;
	size_t first = 0;
	struct place *places;
	size_t count;

	for (uint32_t i = 0; i < config->pool_count; i++)
		nodes += config->pools[i].node_count;
	if (nodes > NODES_USABLE)
		sl_report_add(report, 0, 0, "pools: %zu nodes in all are too many (at most %u)",
			      nodes, NODES_USABLE);
	room += nodes;
	places = calloc(room, sizeof(*places));
	if (places == NULL) {
		sl_report_add(report, 0, 0, "out of memory");
		return;
	}
	count = collect(config, places);
	qsort(places, count, sizeof(*places), compare_places);
	for (size_t i = 1; i < count; i++) {
		size_t other = is_same_port(&places[first], &places[i]) ? first : i;

		first = other;
		while (other < i && !is_clash(&places[other], &places[i]))
			other++;
		if (other < i)
			complain_twice(report, &places[other], &places[i]);
	}
	free(places);
}

/* Falling back to the pool that has just failed is a mistake in the file. */
static void check_fallbacks(const struct sl_config *config, uint32_t index,
			    struct sl_report *report)
{
	const struct sl_config_route *route = &config->routes[index];
	const struct sl_config_chain *pools = &route->chains[SL_CAUSE_ERROR];

	for (uint32_t cause = SL_CAUSE_ERROR + 1; cause < SL_CAUSES && pools->len; cause++) {
		const struct sl_config_chain *chain = &route->chains[cause];

		for (uint32_t i = 0; i < chain->len; i++) {
			if (chain->pools[i] == pools->pools[0])
				sl_report_add(
					report, route->line, route->column,
					"routes[%u].fallbacks: model \"%s\": pool \"%s\" is the "
					"route's first pool (expected another one)",
					index, route->model, config->pools[chain->pools[i]].name);
		}
	}
}

static void check_routes(const struct sl_config *config, struct sl_report *report)
{
	for (uint32_t i = 0; i < config->route_count; i++) {
		const struct sl_config_route *route = &config->routes[i];

		if (route->model == NULL)
			continue;
		check_fallbacks(config, i, report);
		if (route->backoff_ms > route->backoff_max_ms)
			sl_report_add(report, route->line, route->column,
				      "routes[%u]: model \"%s\": backoff %ums is over backoff_max "
				      "%ums",
				      i, route->model, route->backoff_ms, route->backoff_max_ms);
		for (uint32_t j = 0; j < i; j++) {
			const struct sl_config_route *other = &config->routes[j];

			if (other->model == NULL || strcmp(other->model, route->model) != 0)
				continue;
			sl_report_add(report, route->line, route->column,
				      "routes[%u].model: model \"%s\" already has a route in line "
				      "%u",
				      i, route->model, other->line);
			break;
		}
	}
}

static bool has_pool(const struct sl_config_route *route, uint32_t pool)
{
	for (uint32_t cause = 0; cause < SL_CAUSES; cause++)
		for (uint32_t i = 0; i < route->chains[cause].len; i++)
			if (route->chains[cause].pools[i] == pool)
				return true;
	return false;
}

/* An adapter that nobody can ask for is a misspelt one. */
static void check_adapters(const struct sl_config *config, uint32_t index, struct sl_report *report)
{
	const struct sl_config_pool *pool = &config->pools[index];

	for (uint32_t i = 0; i < pool->adapters.count; i++) {
		const char *name = pool->adapters.names[i];
		uint32_t r = 0;

		while (r < config->route_count &&
		       (!config->routes[r].model || strcmp(config->routes[r].model, name) != 0 ||
			!has_pool(&config->routes[r], index)))
			r++;
		if (r == config->route_count)
			sl_report_add(
				report, pool->line, pool->column,
				"pools.%s.adapters: \"%s\" is the model of no route with this "
				"pool (expected a route with \"model: %s\")",
				pool->name, name, name);
	}
}

static uint64_t tunable_of(const struct sl_config *config, const struct sl_config_pool *pool,
			   enum sl_tunable index)
{
	if (pool != NULL && pool->tunables[index] != SL_TUNABLE_INHERIT)
		return pool->tunables[index];
	return config->tunables[index];
}

/* Who contradicts a profile has not read it: say which number is its. */
static const char *of_profile(const struct sl_config *config, const struct sl_config_pool *pool,
			      enum sl_tunable index)
{
	bool is_own = pool != NULL && pool->tunables[index] != SL_TUNABLE_INHERIT;

	return !is_own && (config->tunables_of_profile >> index & 1) ? " (of the profile)" : "";
}

/* The row of a pool, or the global one (pool NULL). */
static void check_tunables(const struct sl_config *config, const struct sl_config_pool *pool,
			   const struct sl_yaml *map, struct sl_report *report)
{
	const struct sl_yaml_pair *said = sl_yaml_find(map, "tunables");
	uint64_t open_ms = tunable_of(config, pool, SL_TUNABLE_BREAKER_OPEN_MS);
	uint64_t max_ms = tunable_of(config, pool, SL_TUNABLE_BREAKER_OPEN_MAX_MS);

	if (said == NULL || open_ms <= max_ms)
		return;
	sl_report_add(report, said->mark.line, said->mark.column,
		      "%s%s%stunables: breaker.open_ms %llu%s is over breaker.open_max_ms %llu%s",
		      pool != NULL ? "pools." : "", pool != NULL ? pool->name : "",
		      pool != NULL ? "." : "", (unsigned long long)open_ms,
		      of_profile(config, pool, SL_TUNABLE_BREAKER_OPEN_MS),
		      (unsigned long long)max_ms,
		      of_profile(config, pool, SL_TUNABLE_BREAKER_OPEN_MAX_MS));
}

/* What is said about TLS where there is none is a mistake about what protects the traffic. */
static void check_https(const struct sl_config_pool *pool, struct sl_report *report)
{
	const char *key = pool->ca ? "ca" : "server_name";
	bool tls = false;

	for (uint32_t i = 0; i < pool->node_count; i++)
		tls |= pool->nodes[i].tls;
	if ((pool->ca || pool->server_name) && !tls)
		sl_report_add(report, pool->line, pool->column,
			      "pools.%s.%s: none of its nodes is reached by TLS (write them as "
			      "https://NAME or https://ADDRESS:PORT)",
			      pool->name, key);
}

static void check_concurrency(const struct sl_config_pool *pool, struct sl_report *report)
{
	if (pool->concurrency_max && pool->concurrency_min > pool->concurrency_max)
		sl_report_add(report, pool->line, pool->column,
			      "pools.%s.concurrency: min is %u and max %u (expected min at most "
			      "max)",
			      pool->name, pool->concurrency_min, pool->concurrency_max);
}

/* A probe that no node of the pool could ever answer. */
static void check_api(const struct sl_config_pool *pool, struct sl_report *report)
{
	if (pool->api == SL_CONFIG_API_ANTHROPIC &&
	    pool->health.generate_as != SL_CONFIG_GENERATE_CHAT)
		sl_report_add(report, pool->line, pool->column,
			      "pools.%s.health.generate_as: servers of \"api: anthropic\" have "
			      "neither completions nor embeddings (leave it out, or write chat)",
			      pool->name);
}

static void check_autoscale(const struct sl_config *config, const struct sl_yaml *root,
			    struct sl_report *report)
{
	const struct sl_yaml_pair *pair = sl_yaml_find(root, "autoscale");

	if (pair == NULL || pair->value->kind != SL_YAML_MAP)
		return;
	if (sl_yaml_find(pair->value, "pool") == NULL)
		sl_report_add(report, pair->value->mark.line, pair->value->mark.column,
			      "autoscale: needs the key \"pool\" (the autoscaler, as a pool)");
	if (!config->autoscale_depth && !config->autoscale_wait_ms)
		sl_report_add(report, pair->value->mark.line, pair->value->mark.column,
			      "autoscale: neither depth nor wait counts, so nobody would ever be "
			      "called (expected one above 0)");
}

void sl_config_check(const struct sl_config *config, const struct sl_yaml *root,
		     struct sl_report *report)
{
	const struct sl_yaml_pair *pools = sl_yaml_find(root, "pools");

	check_endpoints(config, report);
	sl_config_check_kernel(config, root, report);
	check_routes(config, report);
	check_autoscale(config, root, report);
	sl_config_check_spend(config, root, report);
	sl_config_check_degrade(config, report);
	sl_config_check_semantic(config, report);
	sl_config_check_retrieve(config, root, report);
	sl_config_check_sampling(config, report);
	sl_config_check_slo(config, report);
	sl_config_check_page(config, report);
	sl_config_check_alert(config, report);
	sl_config_check_rollout(config, report);
	sl_config_check_otlp(config, report);
	check_tunables(config, NULL, root, report);
	for (uint32_t i = 0; i < config->pool_count; i++) {
		check_https(&config->pools[i], report);
		check_adapters(config, i, report);
		check_concurrency(&config->pools[i], report);
		check_api(&config->pools[i], report);
		check_tunables(config, &config->pools[i], pools->value->pairs[i].value, report);
	}
	/* A file that was to have some and got them wrong has been told so. */
	if (config->route_count == 0 && config->service_count == 0 &&
	    config->role != SL_ROLE_NODE && config->beacon.send_count == 0 && report->count == 0)
		sl_report_add(report, 0, 0,
			      "nothing to do: at least one entry under \"routes\" or \"services\" "
			      "is needed");
}
