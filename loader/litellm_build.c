/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deployments of a group that have the same `order`, model, API and key become one pool; a group's pools stand
 * in its chain by order. A node belongs to one pool in sluice, so groups with the same nodes share
 * a pool where that is the same to clients, and else the later one goes without the node.
 */
#include "loader/litellm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/address.h"

#define WEIGHT_MAX 1000u

#define REFUSE(import, line, key, ...) \
	sl_litellm_note(import, SL_LITELLM_UNSUPPORTED, line, key, __VA_ARGS__)

static const char *deployment_path(struct sl_litellm *import,
				   const struct sl_litellm_deployment *deployment, const char *key)
{
	return sl_arena_printf(&import->arena, "model_list[%u]%s", deployment->index, key);
}

/* ---- pools --------------------------------------------------------------------------------- */

static bool is_name_taken(const struct sl_litellm *import, const char *name)
{
	for (uint32_t i = 0; i < import->pool_count; i++)
		if (!strcmp(import->pools[i].name, name))
			return true;
	return false;
}

/* A name that no pool has: that of the group, what a pool's may not have as '-', then -2, -3. */
static const char *make_name(struct sl_litellm *import, const char *group)
{
	char stem[SL_CONFIG_NAME_MAX - 4 + 1]; /* room for "-255" */
	char name[SL_CONFIG_NAME_MAX + 1];

	snprintf(stem, sizeof(stem), "%s", group);
	for (char *byte = stem; *byte; byte++)
		if (strchr(":/@+", *byte))
			*byte = '-';
	snprintf(name, sizeof(name), "%s", stem);
	for (uint32_t i = 2; is_name_taken(import, name) && i <= SL_LITELLM_POOLS_MAX; i++)
		snprintf(name, sizeof(name), "%s-%u", stem, i);
	return sl_arena_strdup(&import->arena, name);
}

static bool is_text_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_manner_equal(const struct sl_litellm_manner *a, const struct sl_litellm_manner *b)
{
	return a->messages == b->messages && is_text_equal(a->api_key, b->api_key) &&
	       is_text_equal(a->path, b->path);
}

/* The next pool of the group with all deployments that belong to it, or none are left. */
static bool make_pool(struct sl_litellm *import, uint32_t group)
{
	struct sl_config_chain *own = &import->groups[group].own;
	struct sl_litellm_deployment *first = NULL;
	struct sl_litellm_pool *pool;

	for (uint32_t i = 0; i < import->deployment_count; i++) {
		struct sl_litellm_deployment *other = &import->deployments[i];

		if (other->group == group && other->pool == UINT32_MAX &&
		    (!first || other->order < first->order))
			first = other;
	}
	if (!first)
		return false;
	if (import->pool_count == SL_LITELLM_POOLS_MAX || own->len == SL_CONFIG_CHAIN_MAX) {
		REFUSE(import, first->line, deployment_path(import, first, ""),
		       "there are more than %u pools, or more than %u in one route",
		       SL_LITELLM_POOLS_MAX, SL_CONFIG_CHAIN_MAX);
		first->pool = 0;
		first->share = 0;
		return true;
	}
	pool = &import->pools[import->pool_count];
	pool->name = make_name(import, import->groups[group].name);
	pool->model = first->model;
	pool->manner = first->manner;
	pool->order = first->order;
	pool->group = group;
	pool->same_as = import->pool_count;
	import->no_memory |= !pool->name;
	for (uint32_t i = 0; i < import->deployment_count; i++) {
		struct sl_litellm_deployment *other = &import->deployments[i];

		if (other->group != group || other->pool != UINT32_MAX ||
		    other->order != first->order || strcmp(other->model, first->model) != 0 ||
		    !is_manner_equal(&other->manner, &first->manner))
			continue;
		other->pool = import->pool_count;
		other->share = 1;
	}
	if (own->len && import->pools[own->pools[own->len - 1]].order == first->order)
		REFUSE(import, first->line, deployment_path(import, first, ".litellm_params.model"),
		       "the nodes of a pool serve one model and take one key; this one became a "
		       "pool of its own, which is asked when those before it fail");
	own->pools[own->len++] = import->pool_count++;
	return !import->no_memory;
}

/* ---- nodes that are named more than once --------------------------------------------------- */

/* Each node of a pool once; what comes again adds to its weight. */
static void merge_twins(struct sl_litellm *import)
{
	for (uint32_t i = 0; i < import->deployment_count; i++) {
		struct sl_litellm_deployment *again = &import->deployments[i];

		for (uint32_t j = 0; j < i && again->share; j++) {
			struct sl_litellm_deployment *first = &import->deployments[j];

			if (!first->share || first->pool != again->pool ||
			    !sl_address_equal(&first->endpoint, &again->endpoint))
				continue;
			again->share = 0;
			if (first->weight != SL_LITELLM_NONE && again->weight != SL_LITELLM_NONE)
				first->weight += again->weight;
			sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, again->line,
					deployment_path(import, again, ".litellm_params.api_base"),
					"the pool has node %s already", again->address);
		}
		import->pools[again->pool].nodes += again->share;
	}
}

static bool has_node(const struct sl_litellm *import, uint32_t pool,
		     const struct sl_endpoint *endpoint)
{
	for (uint32_t i = 0; i < import->deployment_count; i++)
		if (import->deployments[i].share && import->deployments[i].pool == pool &&
		    sl_address_equal(&import->deployments[i].endpoint, endpoint))
			return true;
	return false;
}

static bool has_name(const struct sl_litellm *import, uint32_t pool)
{
	for (uint32_t i = 0; i < import->deployment_count; i++)
		if (import->deployments[i].share && import->deployments[i].pool == pool &&
		    sl_address_is_name(&import->deployments[i].endpoint.addr))
			return true;
	return false;
}

static bool are_nodes_equal(const struct sl_litellm *import, uint32_t a, uint32_t b)
{
	if (import->pools[a].nodes != import->pools[b].nodes)
		return false;
	for (uint32_t i = 0; i < import->deployment_count; i++)
		if (import->deployments[i].share && import->deployments[i].pool == a &&
		    !has_node(import, b, &import->deployments[i].endpoint))
			return false;
	return true;
}

/* The client's name is the model's own. */
static bool is_plain(const struct sl_litellm *import, const struct sl_litellm_pool *pool)
{
	return !pool->model || !strcmp(pool->model, import->groups[pool->group].name);
}

/*
 * An earlier pool with the same nodes does for this one too, if it asks them for the same model, or
 * if in both cases the model is the one that the client names.
 */
static void share_pool(struct sl_litellm *import, uint32_t index)
{
	struct sl_litellm_pool *pool = &import->pools[index];

	for (uint32_t i = 0; i < index; i++) {
		struct sl_litellm_pool *other = &import->pools[i];
		bool same = other->model && !strcmp(other->model, pool->model);

		if (other->same_as != i || !are_nodes_equal(import, i, index) ||
		    !is_manner_equal(&other->manner, &pool->manner))
			continue;
		if (!same && has_name(import, index)) /* a name may be in several pools */
			continue;
		if (!same &&
		    (other->renames || !is_plain(import, other) || !is_plain(import, pool)))
			continue;
		if (!same)
			other->model = NULL;
		else
			other->renames |= !is_plain(import, pool);
		pool->same_as = i;
		for (uint32_t j = 0; j < import->deployment_count; j++)
			if (import->deployments[j].pool == index)
				import->deployments[j].share = 0;
		return;
	}
}

static void drop_strays(struct sl_litellm *import)
{
	for (uint32_t i = 0; i < import->deployment_count; i++) {
		struct sl_litellm_deployment *again = &import->deployments[i];

		for (uint32_t j = 0; j < i && again->share; j++) {
			const struct sl_litellm_deployment *first = &import->deployments[j];

			if (!first->share || first->pool == again->pool ||
			    sl_address_is_name(&again->endpoint.addr) ||
			    !sl_address_equal(&first->endpoint, &again->endpoint))
				continue;
			again->share = 0;
			import->pools[again->pool].nodes--;
			REFUSE(import, again->line,
			       deployment_path(import, again, ".litellm_params.api_base"),
			       "node %s is in pool \"%s\" already, and a node belongs to one pool; "
			       "give it a second port",
			       again->address, import->pools[first->pool].name);
		}
	}
}

/* Without pools that have no node left, and shared ones by the index of that which stays. */
static void settle_chains(struct sl_litellm *import)
{
	for (uint32_t i = 0; i < import->group_count; i++) {
		struct sl_config_chain *own = &import->groups[i].own;
		struct sl_config_chain kept = {{0}, 0};

		for (uint32_t j = 0; j < own->len; j++) {
			uint32_t pool = import->pools[own->pools[j]].same_as;
			bool twice = false;

			for (uint32_t k = 0; k < kept.len; k++)
				twice |= kept.pools[k] == pool;
			if (!twice && import->pools[pool].nodes)
				kept.pools[kept.len++] = pool;
		}
		*own = kept;
		import->groups[i].chains[SL_CAUSE_ERROR] = kept;
	}
}

/* ---- weights ------------------------------------------------------------------------------- */

static uint64_t share_of(const struct sl_litellm_deployment *deployment, unsigned by)
{
	return by == 0	 ? deployment->weight
	       : by == 1 ? deployment->requests_per_minute
			 : deployment->tokens_per_minute;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* By the first of weight, rpm and tpm that any deployment has; who has none, gets least. */
static void weigh(struct sl_litellm *import, uint32_t pool)
{
	uint64_t largest = 0, divisor = 0;
	unsigned by;

	for (by = 0; by < 3 && !largest; by++)
		for (uint32_t i = 0; i < import->deployment_count; i++) {
			const struct sl_litellm_deployment *other = &import->deployments[i];
			uint64_t share = share_of(other, by);

			if (other->pool != pool || !other->share || share == SL_LITELLM_NONE)
				continue;
			largest = share > largest ? share : largest;
			divisor = common_divisor(divisor, share);
		}
	for (uint32_t i = 0; i < import->deployment_count && largest; i++) {
		struct sl_litellm_deployment *other = &import->deployments[i];
		uint64_t share = share_of(other, by - 1);

		if (other->pool != pool || !other->share)
			continue;
		share = share == SL_LITELLM_NONE ? 0 : share;
		if (!share)
			REFUSE(import, other->line,
			       deployment_path(import, other, ".litellm_params"),
			       "the smallest weight is 1; `sluice drain` keeps requests from %s",
			       other->address);
		share = largest / divisor > WEIGHT_MAX
				? (share * WEIGHT_MAX + largest / 2) / largest
				: share / divisor;
		other->share = share ? (uint32_t)share : 1;
	}
}

/* ---- aliases ------------------------------------------------------------------------------- */

static bool has_plain_pool(const struct sl_litellm *import, uint32_t group)
{
	const struct sl_config_chain *own = &import->groups[group].own;

	for (uint32_t i = 0; i < own->len; i++)
		if (!import->pools[own->pools[i]].model)
			return true;
	return false;
}

static void make_alias(struct sl_litellm *import, const struct sl_yaml_pair *pair)
{
	const struct sl_yaml_pair *model = sl_yaml_find(pair->value, "model");
	const struct sl_yaml_pair *hidden = sl_yaml_find(pair->value, "hidden");
	const char *target = sl_litellm_value(import, model ? model->value : pair->value);
	uint32_t group = target ? sl_litellm_group_find(import, target) : UINT32_MAX;
	const char *path = sl_arena_printf(&import->arena, "model_group_alias.%.80s", pair->key);

	if (strspn(pair->key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			      "._-:/@+") != strlen(pair->key) ||
	    strchr("._-:/@+", pair->key[0]) || strlen(pair->key) > SL_CONFIG_MODEL_MAX)
		REFUSE(import, pair->mark.line, path,
		       "expected up to 127 letters, digits and . _ - : / @ +");
	else if (group == UINT32_MAX || !import->groups[group].own.len)
		REFUSE(import, pair->mark.line, path, "the group has no route here");
	else if (sl_litellm_group_find(import, pair->key) != UINT32_MAX)
		REFUSE(import, pair->mark.line, path, "a group has this name too; rename one");
	else if (has_plain_pool(import, group))
		REFUSE(import, pair->mark.line, path,
		       "the group's nodes serve several models and know none by this name");
	else if (import->alias_count + import->group_count >= SL_CONFIG_ROUTES_MAX)
		REFUSE(import, pair->mark.line, path, "there are more than %u routes",
		       SL_CONFIG_ROUTES_MAX);
	else
		import->aliases[import->alias_count++] =
			(struct sl_litellm_alias){pair->key, group};
	if (hidden && hidden->value->kind == SL_YAML_SCALAR &&
	    !strcasecmp(hidden->value->text, "true"))
		REFUSE(import, hidden->mark.line, path, "GET /v1/models lists every route");
}

static uint32_t find_group(const struct sl_litellm *import, const char *name)
{
	for (uint32_t i = 0; i < import->alias_count; i++)
		if (!strcmp(import->aliases[i].name, name))
			return import->aliases[i].group;
	return sl_litellm_group_find(import, name);
}

/* ---- fallbacks ----------------------------------------------------------------------------- */

/* What one list of fallbacks is: which cause, and how the file calls it. */
struct fallback {
	enum sl_cause cause;
	const char *path;
};

/* Adds the pools of a group to a chain of another. False where there is no more room. */
static bool add_group(struct sl_litellm *import, uint32_t to, uint32_t group, unsigned line,
		      const struct fallback *kind)
{
	const struct sl_config_chain *more = &import->groups[group].own;
	const struct sl_config_chain *own = &import->groups[to].own;
	struct sl_config_chain *chain = &import->groups[to].chains[kind->cause];

	for (uint32_t i = 0; i < more->len; i++) {
		uint32_t pool = more->pools[i];
		bool twice = own->len && pool == own->pools[0];

		for (uint32_t j = 0; j < chain->len; j++)
			twice |= chain->pools[j] == pool;
		if (twice)
			continue;
		if (!import->pools[pool].model) {
			REFUSE(import, line, kind->path,
			       "\"%s\" for \"%s\": its nodes serve several models, by the client's "
			       "name; give it a pool of its own",
			       import->groups[group].name, import->groups[to].name);
			continue;
		}
		if (chain->len == SL_CONFIG_CHAIN_MAX) {
			REFUSE(import, line, kind->path,
			       "a route has at most %u pools; those from \"%s\" on are left out",
			       SL_CONFIG_CHAIN_MAX, import->groups[group].name);
			return false;
		}
		chain->pools[chain->len++] = pool;
	}
	return true;
}

/* A list of model names, or one. */
static void add_targets(struct sl_litellm *import, uint32_t to, const struct sl_yaml *targets,
			const struct fallback *kind)
{
	unsigned count = targets->kind == SL_YAML_LIST ? targets->count : 1;
	uint64_t groups_max = import->settings.fallbacks_max;

	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item =
			targets->kind == SL_YAML_LIST ? targets->items[i] : targets;
		const char *name = sl_litellm_value(import, item);
		uint32_t group = name ? find_group(import, name) : UINT32_MAX;

		if (i >= groups_max) {
			REFUSE(import, item->mark.line, kind->path,
			       "max_fallbacks ends the list before it");
			return;
		}
		if (!name)
			REFUSE(import, item->mark.line, kind->path,
			       "expected a model_name; a fallback cannot change the request");
		else if (group == UINT32_MAX || !import->groups[group].own.len)
			REFUSE(import, item->mark.line, kind->path, "\"%.127s\" %s", name,
			       group == UINT32_MAX ? "is no model_name of the file"
						   : "has no node that could be taken");
		else if (!add_group(import, to, group, item->mark.line, kind))
			return;
	}
}

static const struct sl_yaml *find_default(const struct sl_yaml *list)
{
	for (unsigned i = 0; list && list->kind == SL_YAML_LIST && i < list->count; i++) {
		const struct sl_yaml_pair *pair = sl_yaml_find(list->items[i], "*");

		if (pair)
			return pair->value;
	}
	return NULL;
}

/* [{GROUP: [NAME, ...]}, ...]; a group named "*" stands for all that are not named. */
static void add_fallbacks(struct sl_litellm *import, const struct sl_yaml_pair *setting,
			  const struct fallback *kind, const struct sl_yaml *otherwise)
{
	const struct sl_yaml *list = setting ? setting->value : NULL;
	const struct sl_yaml *preset = find_default(list);
	bool named[SL_LITELLM_GROUPS_MAX] = {false};

	if (list && list->kind != SL_YAML_LIST)
		REFUSE(import, setting->mark.line, kind->path,
		       "expected a list of {MODEL: [FALLBACK, ...]}");
	for (unsigned i = 0; list && list->kind == SL_YAML_LIST && i < list->count; i++) {
		const struct sl_yaml *map = list->items[i];

		if (map->kind != SL_YAML_MAP)
			REFUSE(import, map->mark.line, kind->path,
			       "expected {MODEL: [FALLBACK, ...]}");
		for (unsigned j = 0; map->kind == SL_YAML_MAP && j < map->count; j++) {
			const struct sl_yaml_pair *pair = &map->pairs[j];
			uint32_t to = find_group(import, pair->key);

			if (!strcmp(pair->key, "*"))
				continue;
			if (to == UINT32_MAX || !import->groups[to].own.len) {
				REFUSE(import, pair->mark.line, kind->path, "\"%.127s\" %s",
				       pair->key,
				       to == UINT32_MAX ? "is no model_name of the file"
							: "has no node that could be taken");
				continue;
			}
			named[to] = true;
			add_targets(import, to, pair->value, kind);
		}
	}
	preset = preset ? preset : otherwise;
	for (uint32_t i = 0; preset && i < import->group_count; i++)
		if (!named[i] && import->groups[i].own.len)
			add_targets(import, i, preset, kind);
}

static void build_fallbacks(struct sl_litellm *import)
{
	const struct sl_litellm_settings *set = &import->settings;
	static const struct fallback error = {SL_CAUSE_ERROR, "fallbacks"};
	static const struct fallback context = {SL_CAUSE_CONTEXT_LENGTH,
						"context_window_fallbacks"};
	static const struct fallback content = {SL_CAUSE_CONTENT_POLICY,
						"content_policy_fallbacks"};

	add_fallbacks(import, set->fallbacks, &error,
		      set->default_fallbacks ? set->default_fallbacks->value : NULL);
	add_fallbacks(import, set->context_fallbacks, &context, NULL);
	add_fallbacks(import, set->content_fallbacks, &content, NULL);
}

/* ---- all ----------------------------------------------------------------------------------- */

static void build_aliases(struct sl_litellm *import)
{
	const struct sl_yaml_pair *setting = import->settings.aliases;

	if (setting && setting->value->kind != SL_YAML_MAP)
		REFUSE(import, setting->mark.line, "model_group_alias",
		       "expected a map of ALIAS: MODEL");
	for (unsigned i = 0;
	     setting && setting->value->kind == SL_YAML_MAP && i < setting->value->count; i++)
		make_alias(import, &setting->value->pairs[i]);
}

int sl_litellm_build(struct sl_litellm *import)
{
	size_t aliases = import->settings.aliases ? import->settings.aliases->value->count : 0;

	import->pools =
		sl_arena_array(&import->arena, SL_LITELLM_POOLS_MAX, sizeof(*import->pools));
	import->aliases = sl_arena_array(&import->arena, aliases + 1, sizeof(*import->aliases));
	if (!import->pools || !import->aliases)
		return -ENOMEM;
	for (uint32_t i = 0; i < import->deployment_count; i++)
		import->deployments[i].pool = UINT32_MAX;
	for (uint32_t i = 0; i < import->group_count; i++)
		while (make_pool(import, i))
			;
	if (import->no_memory)
		return -ENOMEM;
	merge_twins(import);
	for (uint32_t i = 0; i < import->pool_count; i++)
		share_pool(import, i);
	drop_strays(import);
	settle_chains(import);
	for (uint32_t i = 0; i < import->pool_count; i++)
		weigh(import, i);
	build_aliases(import);
	build_fallbacks(import);
	for (uint32_t i = 0; i < import->group_count; i++)
		if (!import->groups[i].own.len)
			REFUSE(import, import->groups[i].line, import->groups[i].name,
			       "none of its deployments could be taken; it has no route");
	return import->no_memory ? -ENOMEM : 0;
}

uint32_t sl_litellm_routes(const struct sl_litellm *import)
{
	uint32_t count = import->alias_count;

	for (uint32_t i = 0; i < import->group_count; i++)
		count += import->groups[i].own.len > 0;
	return count;
}
