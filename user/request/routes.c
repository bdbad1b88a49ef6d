/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/routes.h"
#include "user/request/stages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "user/base/clock.h"
#include "user/base/text.h"
#include "user/wire/openai.h"

#define MODELS_BYTES_EACH (6u * SL_OPENAI_MODEL_BYTES_MAX + 128u)

static uint32_t hash_of(const char *name, size_t len)
{
	return (uint32_t)XXH3_64bits(name, len);
}

/* How many requests each node takes; limits has room for the pool's nodes. */
static void limit_pool(const struct sl_config_pool *from, struct sl_upstream_pool *pool,
		       uint32_t *limits)
{
	uint32_t i;

	for (i = 0; i < from->node_count; i++) {
		limits[i] = from->nodes[i].slots ? from->nodes[i].slots : from->slots;
		if (limits[i])
			pool->limits = limits;
		if (limits[i] > pool->nominal)
			pool->nominal = limits[i];
	}
	pool->queue = (struct sl_queue_config){
		.count_max = from->queue_count_max,
		.bytes_max = from->queue_bytes_max,
		.target_ns = from->queue_target_ms * SL_NS_PER_MS,
		.interval_ns = from->queue_interval_ms * SL_NS_PER_MS,
	};
	pool->concurrency = (struct sl_concurrency_config){
		.mode = (enum sl_concurrency_mode)from->concurrency,
		.min = from->concurrency_min,
		.max = from->concurrency_max,
		.tokens = from->concurrency_tokens,
	};
}

/* How near its nodes are; of and order have room for them. */
static int build_rings(const struct sl_config *config, const struct sl_config_pool *from,
		       struct sl_upstream_pool *pool, uint8_t *of, uint32_t *order)
{
	struct sl_ring_place host = {config->zone, config->region};
	struct sl_ring_place *places;

	if (!config->zone && !config->region)
		return 0;
	places = calloc(from->node_count + 1, sizeof(*places));
	if (!places)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->node_count; i++)
		places[i] = (struct sl_ring_place){from->nodes[i].zone, from->nodes[i].region};
	pool->rings = (struct sl_ring_map){
		.near_fill = (uint64_t)SL_LOAD_FULL * from->zone_load / 100,
		.far_fill = (uint64_t)SL_LOAD_FULL * from->far_load / 100,
		.caps = {from->zone_spill, from->region_spill},
		.return_ms = from->zone_return_ms,
		.owner = sl_rings_owner(from->name),
	};
	sl_ring_build(&pool->rings, of, order, &host, places, from->node_count);
	free(places);
	return 0;
}

/* The provider's key as the header line that carries it. */
static int build_key(const struct sl_config_pool *from, struct sl_upstream_pool *pool)
{
	enum sl_config_key_header header = from->api_key_header;
	struct sl_text line;

	if (!from->api_key)
		return 0;
	if (header == SL_CONFIG_KEY_HEADER_AUTO)
		header = from->api == SL_CONFIG_API_ANTHROPIC ? SL_CONFIG_KEY_HEADER_X_API_KEY
							      : SL_CONFIG_KEY_HEADER_AUTHORIZATION;
	sl_text_init(&line, 0);
	sl_text_printf(&line, "%s: %s%s\r\n", sl_config_key_headers[header],
		       header == SL_CONFIG_KEY_HEADER_AUTHORIZATION ? "Bearer " : "",
		       from->api_key);
	pool->key_line = sl_text_take(&line);
	return pool->key_line ? 0 : -ENOMEM;
}

static int build_pools(struct sl_routes *routes)
{
	const struct sl_config *config = routes->config;
	uint32_t i, nodes = 0;

	for (i = 0; i < config->pool_count; i++)
		nodes += config->pools[i].node_count;
	routes->pools = calloc(config->pool_count + 1, sizeof(*routes->pools));
	routes->limits = calloc(nodes + 1, sizeof(*routes->limits));
	routes->rings = calloc(nodes + 1, sizeof(*routes->rings));
	routes->ring_order = calloc(nodes + 1, sizeof(*routes->ring_order));
	if (!routes->pools || !routes->limits || !routes->rings || !routes->ring_order)
		return -ENOMEM;
	nodes = 0;
	for (i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *from = &config->pools[i];
		struct sl_upstream_pool *pool = &routes->pools[i];
		struct sl_text json;

		pool->name = from->name;
		pool->slot = routes->topology.pool_slots[i];
		pool->node_count = from->node_count;
		pool->affinity = from->affinity;
		pool->affinity_excess = from->affinity_excess;
		pool->takes_rest = from->rest == SL_CONFIG_REST_PREFILL;
		pool->node_slots = routes->topology.node_slots[i];
		pool->adapters = &from->adapters;
		pool->expect = from->expect;
		pool->expect_names = &from->expect_names;
		limit_pool(from, pool, routes->limits + nodes);
		if (build_rings(config, from, pool, routes->rings + nodes,
				routes->ring_order + nodes))
			return -ENOMEM;
		nodes += from->node_count;
		routes->pool_of_slot[pool->slot] = pool;
		pool->path = from->path;
		pool->api = from->api;
		pool->max_tokens = from->max_tokens;
		if (from->model)
			pool->price = sl_config_find_price(config, from->model);
		if (build_key(from, pool))
			return -ENOMEM;
		if (!from->model)
			continue;
		sl_text_init(&json, 0);
		sl_text_append_char(&json, '"');
		sl_text_append_json(&json, from->model, strlen(from->model));
		sl_text_append_char(&json, '"');
		pool->model_json_len = json.len;
		pool->model_json = sl_text_take(&json);
		if (!pool->model_json)
			return -ENOMEM;
	}
	return 0;
}

/* The position of the route's counters: the one it had before, a new one, or the shared first. */
static uint32_t stats_index_of(struct sl_route_names *names, const char *model)
{
	uint32_t i;

	if (!names->count) {
		names->meters[0] = sl_meter_new();   /* NULL: those who share it have no limit */
		names->names[names->count++] = NULL; /* SL_STATS_NO_ROUTE */
	}
	for (i = 1; i < names->count; i++) {
		if (!strcmp(names->names[i], model))
			return i;
	}
	if (names->count == sizeof(names->names) / sizeof(names->names[0]))
		return 0;
	names->names[i] = strdup(model);
	names->meters[i] = sl_meter_new();
	if (!names->names[i] || !names->meters[i]) {
		free(names->names[i]);
		sl_meter_put(&names->meters[i]);
		return 0;
	}
	__atomic_store_n(&names->count, i + 1, __ATOMIC_RELEASE);
	return i;
}

static void insert(struct sl_routes *routes, uint32_t index)
{
	const char *model = routes->routes[index].model;
	uint32_t at = hash_of(model, strlen(model)) & routes->bucket_mask;

	while (routes->buckets[at])
		at = (at + 1) & routes->bucket_mask;
	routes->buckets[at] = index + 1;
}

static void resolve(const struct sl_routes *routes, const struct sl_config_chain *from,
		    struct sl_route *route, struct sl_route_chain *to)
{
	for (to->len = 0; to->len < from->len; to->len++) {
		to->pools[to->len] = &routes->pools[from->pools[to->len]];
		if (to->pools[to->len]->api != SL_CONFIG_API_OPENAI)
			route->other_api = true;
	}
}

static int build_routes(struct sl_routes *routes, struct sl_route_names *names)
{
	const struct sl_config *config = routes->config;
	uint32_t i, k, size = 8;

	while (size < 2 * config->route_count)
		size *= 2;
	routes->bucket_mask = size - 1;
	routes->buckets = calloc(size, sizeof(*routes->buckets));
	routes->routes = calloc(config->route_count + 1, sizeof(*routes->routes));
	if (!routes->buckets || !routes->routes)
		return -ENOMEM;
	routes->route_count = config->route_count;
	for (i = 0; i < config->route_count; i++) {
		struct sl_route *route = &routes->routes[i];

		route->config = &config->routes[i];
		route->model = route->config->model;
		route->staged = sl_stages_wanted(config, route->config);
		for (k = 0; k < SL_CAUSES; k++)
			resolve(routes, &route->config->chains[k], route, &route->chains[k]);
		route->stats_index = stats_index_of(names, route->model);
		route->meter = names->meters[route->stats_index];
		insert(routes, i);
		route->price = sl_config_find_price(config, route->model);
		if (!config->price_count || !names->accounts)
			continue;
		route->purse.budget = route->config->budget;
		route->purse.account =
			sl_accounts_get(names->accounts, SL_SPEND_MODEL, route->model);
		if (!route->purse.account)
			return -ENOMEM;
	}
	return 0;
}

static int build_models(struct sl_routes *routes)
{
	size_t size = routes->route_count * MODELS_BYTES_EACH + 64;
	struct sl_openai_model *models = calloc(routes->route_count + 1, sizeof(*models));
	uint32_t i;
	int len;

	routes->models_json = malloc(size);
	routes->created_s = (int64_t)(sl_clock_wall_ms() / 1000);
	if (!models || !routes->models_json) {
		free(models);
		return -ENOMEM;
	}
	for (i = 0; i < routes->route_count; i++)
		models[i] = (struct sl_openai_model){routes->routes[i].model, "sluice",
						     routes->created_s};
	len = sl_openai_models_write(models, routes->route_count, routes->models_json, size);
	free(models);
	if (len < 0)
		return len;
	routes->models_json_len = (size_t)len;
	return 0;
}

static void destroy(struct sl_routes *routes)
{
	uint32_t i;

	for (i = 0; routes->pools && i < routes->config->pool_count; i++) {
		free((char *)routes->pools[i].model_json);
		free((char *)routes->pools[i].key_line);
	}
	free(routes->pools);
	free(routes->limits);
	free(routes->rings);
	free(routes->ring_order);
	free(routes->routes);
	free(routes->buckets);
	free(routes->models_json);
	sl_secure_fini(&routes->secure);
	sl_topology_fini(&routes->topology);
	sl_config_close(&routes->config);
	free(routes);
}

int sl_routes_build(struct sl_config *config, struct sl_topology *topology,
		    const struct sl_secure *secure, struct sl_route_names *names,
		    struct sl_routes **ret_routes)
{
	struct sl_routes *routes = calloc(1, sizeof(*routes));
	struct sl_secure unused = *secure;
	int rc;

	if (!routes) {
		sl_secure_fini(&unused);
		sl_topology_fini(topology);
		sl_config_close(&config);
		return -ENOMEM;
	}
	routes->refs = 1;
	routes->config = config;
	routes->topology = *topology;
	routes->secure = *secure;
	rc = build_pools(routes);
	if (!rc)
		rc = build_routes(routes, names);
	if (!rc)
		rc = build_models(routes);
	if (rc) {
		destroy(routes);
		return rc;
	}
	*ret_routes = routes;
	return 0;
}

struct sl_routes *sl_routes_get(struct sl_routes *routes)
{
	__atomic_fetch_add(&routes->refs, 1, __ATOMIC_RELAXED);
	return routes;
}

void sl_routes_put(struct sl_routes **routes)
{
	struct sl_routes *old = *routes;

	*routes = NULL;
	if (old && __atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) == 0)
		destroy(old);
}

const struct sl_route *sl_routes_find(const struct sl_routes *routes, const char *model,
				      size_t model_len)
{
	uint32_t at = hash_of(model, model_len) & routes->bucket_mask;

	for (; routes->buckets[at]; at = (at + 1) & routes->bucket_mask) {
		const struct sl_route *route = &routes->routes[routes->buckets[at] - 1];

		if (strlen(route->model) == model_len && !memcmp(route->model, model, model_len))
			return route;
	}
	return NULL;
}
