/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/dependencies.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/base/tunables.h"
#include "user/policy/choose.h"

static const char *const use_names[SL_DEPENDENCY_USES] = {
	[SL_DEPENDENCY_EMBEDDINGS] = "embeddings",
	[SL_DEPENDENCY_MODERATION] = "moderation",
	[SL_DEPENDENCY_SOURCE] = "source",
	[SL_DEPENDENCY_RERANKER] = "reranker",
	[SL_DEPENDENCY_JUDGE] = "judge",
	[SL_DEPENDENCY_SUMMARY] = "summary",
	[SL_DEPENDENCY_TOOL] = "tool",
};

struct dependencies {
	pthread_mutex_t lock; /* metrics are written by any thread */
	const struct sl_kernel_plane *plane;
	const uint64_t *tunables;
	struct sl_routes *routes;
	uint8_t uses[SL_POOLS_MAX];			  /* by place in the configuration */
	bool down[SL_POOLS_MAX];			  /* by slot */
	char names[SL_POOLS_MAX][SL_CONFIG_NAME_MAX + 1]; /* whose state that is */
	uint64_t looked_ms;
};

/* ---- who needs what --------------------------------------------------------------------------- */

static void mark(uint8_t uses[SL_POOLS_MAX], uint32_t pool, enum sl_dependency_use use)
{
	if (pool < SL_POOLS_MAX)
		uses[pool] |= (uint8_t)(1u << use);
}

static void mark_name(const struct sl_config *config, uint8_t uses[SL_POOLS_MAX], const char *name,
		      enum sl_dependency_use use)
{
	for (uint32_t i = 0; name && i < config->pool_count; i++)
		if (!strcmp(config->pools[i].name, name))
			mark(uses, i, use);
}

static void mark_route(const struct sl_config *config, const struct sl_config_route *route,
		       uint8_t uses[SL_POOLS_MAX])
{
	const struct sl_config_degrade_tool *tools = route->degrade.tools.items;

	/* a place and 1: 0 wraps to what mark() passes over */
	mark(uses, route->validate.moderation - 1u, SL_DEPENDENCY_MODERATION);
	mark(uses, route->semantic.shadow_judge - 1u, SL_DEPENDENCY_JUDGE);
	mark(uses, route->context.summary_pool, SL_DEPENDENCY_SUMMARY);
	mark_name(config, uses, route->retrieve.judge, SL_DEPENDENCY_JUDGE);
	for (uint32_t i = 0; i < route->degrade.tools.count; i++)
		mark(uses, tools[i].pool - 1u, SL_DEPENDENCY_TOOL);
}

void sl_dependencies_find(const struct sl_config *config, uint8_t uses[SL_POOLS_MAX])
{
	const struct sl_config_source *sources = config->sources.items;
	const struct sl_config_reranker *rerankers = config->rerankers.items;

	memset(uses, 0, SL_POOLS_MAX * sizeof(*uses));
	mark(uses, config->embedding.pool, SL_DEPENDENCY_EMBEDDINGS);
	for (uint32_t i = 0; i < config->sources.count; i++)
		mark_name(config, uses, sources[i].pool, SL_DEPENDENCY_SOURCE);
	for (uint32_t i = 0; i < config->rerankers.count; i++)
		mark_name(config, uses, rerankers[i].pool, SL_DEPENDENCY_RERANKER);
	for (uint32_t i = 0; i < config->route_count; i++)
		mark_route(config, &config->routes[i], uses);
}

void sl_dependencies_name(uint8_t uses, char *out, size_t size)
{
	struct sl_text text;

	sl_text_init_fixed(&text, out, size);
	for (uint32_t use = 0; use < SL_DEPENDENCY_USES; use++)
		if (uses & 1u << use)
			sl_text_printf(&text, "%s%s", text.len ? ", " : "", use_names[use]);
}

/* ---- looking ----------------------------------------------------------------------------------- */

static bool is_up(const struct dependencies *d, const struct sl_node_state *node)
{
	struct sl_choose in = {.doubtful = (uint32_t)sl_tunable_get(
				       d->tunables, node->pool, SL_TUNABLE_BREAKER_CONSECUTIVE)};

	return !(__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_DRAINING) &&
	       sl_breaker_state(__atomic_load_n(&node->breaker, __ATOMIC_RELAXED)) !=
		       SL_BREAKER_FORCED_OPEN &&
	       !sl_choose_is_out(&in, node);
}

static uint32_t count_up(const struct dependencies *d, const struct sl_upstream_pool *pool)
{
	uint32_t up = 0;

	for (uint32_t i = 0; i < pool->node_count; i++)
		up += is_up(d, &d->plane->nodes[pool->node_slots[i]]);
	return up;
}

static void tell(const struct sl_upstream_pool *pool, uint8_t uses, bool down)
{
	struct sl_notice notice = {.kind = SL_NOTICE_DEPENDENCY,
				   .level = down ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_POOL,
				   .over = !down,
				   .who = "daemon"};
	char names[128];

	sl_dependencies_name(uses, names, sizeof(names));
	sl_notice_set(notice.name, sizeof(notice.name), pool->name);
	sl_notice_tell(&notice,
		       down ? "no node answers: its ladders step down (%s)"
			    : "a node answers again (%s)",
		       names);
	sl_log(down ? SL_LOG_WARN : SL_LOG_INFO,
	       down ? "dependency \"%s\": none of its nodes answers: %s step down (see: sluice "
		      "status %s)"
		    : "dependency \"%s\": a node answers again: %s",
	       pool->name, names, pool->name);
}

static void look(struct dependencies *d)
{
	for (uint32_t i = 0; i < d->routes->config->pool_count; i++) {
		const struct sl_upstream_pool *pool = &d->routes->pools[i];
		bool down = pool->node_count && !count_up(d, pool);
		uint32_t slot = pool->slot;

		if (!d->uses[i])
			continue;
		if (strcmp(d->names[slot], pool->name) != 0) { /* slots are used again */
			snprintf(d->names[slot], sizeof(d->names[slot]), "%s", pool->name);
			d->down[slot] = false;
		}
		if (d->down[slot] == down)
			continue;
		d->down[slot] = down;
		tell(pool, d->uses[i], down);
	}
}

static void poll(void *owner, uint64_t now_ms)
{
	struct dependencies *d = owner;

	if (now_ms - d->looked_ms < SL_DEPENDENCIES_LOOK_MS)
		return;
	pthread_mutex_lock(&d->lock);
	d->looked_ms = now_ms;
	look(d);
	pthread_mutex_unlock(&d->lock);
}

static void write_metrics(void *owner, struct sl_text *text)
{
	struct dependencies *d = owner;

	pthread_mutex_lock(&d->lock);
	sl_text_append_string(text, "# HELP sluice_dependency_up Whether anybody of a pool that "
				    "stages need can be asked, by what it is needed for.\n"
				    "# TYPE sluice_dependency_up gauge\n");
	for (uint32_t i = 0; i < d->routes->config->pool_count; i++) {
		const struct sl_upstream_pool *pool = &d->routes->pools[i];

		for (uint32_t use = 0; use < SL_DEPENDENCY_USES; use++)
			if (d->uses[i] & 1u << use)
				sl_text_printf(text,
					       "sluice_dependency_up{pool=\"%s\",use=\"%s\"} %d\n",
					       pool->name, use_names[use], !d->down[pool->slot]);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void apply(void *owner, struct sl_routes *routes)
{
	struct dependencies *d = owner;
	struct sl_routes *old;

	pthread_mutex_lock(&d->lock);
	old = d->routes;
	d->routes = sl_routes_get(routes);
	sl_dependencies_find(routes->config, d->uses);
	pthread_mutex_unlock(&d->lock);
	if (old)
		sl_routes_put(&old);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct dependencies *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	pthread_mutex_init(&d->lock, NULL);
	d->plane = place->plane;
	d->tunables = place->state.tunables;
	apply(d, routes);
	*ret_part = d;
	return 0;
}

static void close_part(void *owner)
{
	struct dependencies *d = owner;

	sl_routes_put(&d->routes);
	pthread_mutex_destroy(&d->lock);
	free(d);
}

const struct sl_watch_part sl_dependencies_part = {
	.open = open_part,
	.apply = apply,
	.poll = poll,
	.write_metrics = write_metrics,
	.close = close_part,
};
