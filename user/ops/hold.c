/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/hold.h"

#include <errno.h>
#include <string.h>

/* The first pool of the route that is held; NULL: none is. */
static const char *held_pool(const struct sl_drift_board *board, const struct sl_route *route)
{
	for (int cause = 0; cause < SL_CAUSES; cause++) {
		const struct sl_route_chain *chain = &route->chains[cause];

		for (uint32_t i = 0; i < chain->len; i++) {
			if (sl_drift_holds(board, chain->pools[i]->name))
				return chain->pools[i]->name;
		}
	}
	return NULL;
}

static const char *held_of(const struct sl_drift_board *board, const struct sl_routes *routes,
			   const struct sl_prompt *prompt, const struct sl_prompt_version *version)
{
	struct sl_span own =
		version->template ? sl_template_param(version->template, "model") : SL_SPAN("");
	const struct sl_route *route;
	const char *pool = NULL;
	bool bound = false;

	for (uint32_t i = 0; i < routes->route_count && !pool; i++) {
		const char *id = routes->routes[i].config->prompt.id;

		if (!id || strcmp(id, prompt->id) != 0)
			continue;
		bound = true;
		pool = held_pool(board, &routes->routes[i]);
	}
	if (bound || own.len <= 2)
		return pool;
	route = sl_routes_find(routes, own.data + 1, own.len - 2);
	return route ? held_pool(board, route) : NULL;
}

int sl_hold_check(struct sl_drift_board *board, const struct sl_routes *routes,
		  const struct sl_prompt *prompt, const struct sl_prompt_version *version,
		  bool forced, struct sl_error *error)
{
	const char *pool = board && routes ? held_of(board, routes, prompt, version) : NULL;

	if (!pool)
		return 0;
	if (!forced)
		sl_drift_count_held(board, pool);
	return sl_error_set(
		error, -EBUSY,
		"prompt \"%s\": version %.12s: the model of pool \"%s\" has changed (see: "
		"sluice status); if that is right: sluice canary accept %s, else promote "
		"with --force",
		prompt->id, version->hash, pool, pool);
}
