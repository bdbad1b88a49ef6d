/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/names.h"

#include <string.h>
#include "user/ops/canary_parts.h"
#include "user/policy/drift.h"

/* ---- the configuration ----------------------------------------------------------------------- */

struct sweep {
	const struct sl_node_state *nodes;
	const struct sl_config *old, *new;
};

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool is_same_list(const struct sl_config_names *a, const struct sl_config_names *b)
{
	uint32_t i = 0;

	while (i < a->count && i < b->count && !strcmp(a->names[i], b->names[i]))
		i++;
	return i == a->count && i == b->count;
}

static bool keep(void *arg, uint32_t slot, uint32_t incarnation, const char *pool)
{
	const struct sweep *sweep = arg;
	const struct sl_node_state *node = &sweep->nodes[slot];
	const struct sl_config_pool *old = sl_config_find_pool(sweep->old, pool);
	const struct sl_config_pool *new = sl_config_find_pool(sweep->new, pool);

	return old && new &&
	       node->incarnation == incarnation &&__atomic_load_n(&node->admin, __ATOMIC_RELAXED) &
		       SL_NODE_PRESENT &&new->expect != SL_CONFIG_EXPECT_OFF &&
	       old->expect == new->expect &&is_same(old->model, new->model) &&
	       is_same_list(&old->expect_names, &new->expect_names);
}

static void add_pools(struct sl_drift_board *board, const struct sl_routes *routes)
{
	for (uint32_t i = 0; i < routes->config->pool_count; i++)
		sl_drift_add(board, routes->config->pools[i].name);
}

void sl_names_apply(struct sl_identities *ids, struct sl_drift_board *board,
		    const struct sl_node_state *nodes, const struct sl_routes *old,
		    const struct sl_routes *new)
{
	add_pools(board, new);
	sl_identities_sweep(ids, keep, &(struct sweep){nodes, old->config, new->config});
}

int sl_names_open(struct sl_drift_board *board, const struct sl_routes *routes,
		  struct sl_identities **ret_ids)
{
	add_pools(board, routes);
	return sl_identities_open(board, ret_ids);
}

/* ---- shown ----------------------------------------------------------------------------------- */

struct shown {
	const char *pool; /* NULL: all */
	struct sl_text *text;
	uint32_t count;	 /* written, of this pool */
	uint32_t before; /* of those before it */
	uint32_t left;	 /* left out */
	bool model, fingerprint;
};

static void put_changed(void *arg, const struct sl_identity_view *view)
{
	const struct shown *shown = arg;
	struct sl_text *text = shown->text;

	if ((shown->pool && strcmp(shown->pool, view->pool) != 0) ||
	    !(view->model_changed || view->fingerprint_changed))
		return;
	sl_text_printf(text, "pool %s: node %s %s ", view->pool, view->node,
		       view->listed ? "lists" : "answers as");
	if (view->model_changed) {
		sl_text_append_string(text, "model ");
		sl_text_append_json_string(text, view->model);
		sl_text_append_string(text, ", before ");
		sl_text_append_json_string(text, view->accepted);
	} else {
		sl_text_append_string(text, "fingerprint ");
		sl_text_append_json_string(text, view->fingerprint);
		sl_text_append_string(text, ", which it did not have before");
	}
	sl_text_printf(text, " (if that is right: sluice canary accept %s)\n", view->pool);
}

void sl_names_show_changed(struct sl_identities *ids, const char *pool, struct sl_text *text)
{
	struct shown shown = {.pool = pool, .text = text};

	sl_identities_each(ids, put_changed, &shown);
}

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

static void put_record(void *arg, const struct sl_identity_view *view)
{
	struct shown *shown = arg;
	struct sl_text *text = shown->text;

	if (strcmp(shown->pool, view->pool) != 0)
		return;
	shown->model |= view->model_changed;
	shown->fingerprint |= view->fingerprint_changed;
	if (shown->before + shown->count >= SL_NAMES_SHOWN_MAX) {
		shown->left++;
		return;
	}
	sl_text_append_string(text, shown->count++ ? ",\n  {\"node\":" : "\n  {\"node\":");
	sl_text_append_json_string(text, view->node);
	put_string(text, "by", view->listed ? "list" : "answers");
	put_string(text, "asked", view->asked);
	put_string(text, "model", view->model);
	put_string(text, "accepted", view->accepted);
	put_string(text, "fingerprint", view->fingerprint);
	sl_text_printf(text, ",\"model_changed\":%s,\"fingerprint_changed\":%s,\"differs\":%s}",
		       view->model_changed ? "true" : "false",
		       view->fingerprint_changed ? "true" : "false",
		       view->differs ? "true" : "false");
}

static void put_causes(const struct sl_canary *canary, const struct shown *shown,
		       struct sl_text *text)
{
	const struct sl_canary_pool *pool = canary ? canary->pools : NULL;
	uint32_t causes = (uint32_t)shown->model << SL_CANARY_MODEL |
			  (uint32_t)shown->fingerprint << SL_CANARY_FINGERPRINT;
	const char *between = "";

	while (pool && strcmp(pool->name, shown->pool) != 0)
		pool = pool->next;
	if (pool)
		causes |= sl_canary_alarms(pool);
	sl_text_append_string(text, ",\"causes\":[");
	for (int cause = 0; cause < SL_CANARY_CAUSES; cause++) {
		if (!(causes >> cause & 1))
			continue;
		sl_text_printf(text, "%s\"%s\"", between, sl_canary_cause_name(cause));
		between = ",";
	}
	sl_text_append_char(text, ']');
}

void sl_names_show_json(struct sl_canary *canary, struct sl_identities *ids,
			const struct sl_drift_board *board, const struct sl_routes *routes,
			struct sl_text *text)
{
	uint32_t total = 0;

	sl_text_append_char(text, '[');
	for (uint32_t i = 0; i < routes->config->pool_count; i++) {
		struct shown shown = {
			.pool = routes->config->pools[i].name, .text = text, .before = total};

		sl_text_append_string(text, i ? ",\n {\"pool\":" : "\n {\"pool\":");
		sl_text_append_json_string(text, shown.pool);
		sl_text_printf(text, ",\"holds\":%s,\"nodes\":[",
			       sl_drift_holds(board, shown.pool) ? "true" : "false");
		sl_identities_each(ids, put_record, &shown);
		total += shown.count;
		sl_text_printf(text, "],\"left_out\":%u", shown.left);
		put_causes(canary, &shown, text);
		sl_text_append_char(text, '}');
	}
	sl_text_append_string(text, "]");
}
