/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_differ.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "user/base/yaml.h"

struct look {
	struct sl_config_differ found;
	struct sl_text *out;
};

static const struct sl_yaml nothing = {.kind = SL_YAML_NULL};

/* What a map has under the key, or nothing. */
static const struct sl_yaml *under(const struct sl_yaml *map, const char *key)
{
	const struct sl_yaml_pair *pair = sl_yaml_find(map, key);

	return pair ? pair->value : &nothing;
}

static bool is_equal(const struct sl_yaml *a, const struct sl_yaml *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind || a->count != b->count)
		return false;
	if (a->kind == SL_YAML_SCALAR)
		return a->text_len == b->text_len && !memcmp(a->text, b->text, a->text_len);
	for (unsigned i = 0; i < a->count; i++) {
		bool equal = a->kind == SL_YAML_LIST
				     ? is_equal(a->items[i], b->items[i])
				     : is_equal(a->pairs[i].value, under(b, a->pairs[i].key));

		if (!equal)
			return false;
	}
	return true;
}

__attribute__((format(printf, 2, 3))) static void note(struct look *look, const char *format, ...)
{
	va_list args;

	if (look->found.may_not++)
		sl_text_append_string(look->out, ", ");
	va_start(args, format);
	sl_text_vprintf(look->out, format, args);
	va_end(args);
}

static bool is_listed(const char *key, const char *const *list)
{
	for (; *list; list++) {
		if (!strcmp(key, *list))
			return true;
	}
	return false;
}

/* Keys of two maps: of those that differ the listed ones may not (fixed), or only they may. where: "routes[chat]" */
static void compare(struct look *look, const struct sl_yaml *from, const struct sl_yaml *to,
		    const char *where, const char *const *list, bool fixed)
{
	const struct sl_yaml *maps[] = {from, to};

	for (int side = 0; side < 2; side++) {
		for (unsigned i = 0; maps[side]->kind == SL_YAML_MAP && i < maps[side]->count;
		     i++) {
			const char *key = maps[side]->pairs[i].key;

			/* what both have was looked at on the first side */
			if ((side && sl_yaml_find(from, key)) ||
			    is_equal(under(from, key), under(to, key)))
				continue;
			if (is_listed(key, list) == fixed)
				note(look, "%s.%s", where, key);
			else
				look->found.may++;
		}
	}
}

static const struct sl_yaml *route_of(const struct sl_yaml *routes, const char *model)
{
	for (unsigned i = 0; routes->kind == SL_YAML_LIST && i < routes->count; i++) {
		const struct sl_yaml *name = under(routes->items[i], "model");

		if (name->kind == SL_YAML_SCALAR && !strcmp(name->text, model))
			return routes->items[i];
	}
	return &nothing;
}

static void compare_route(struct look *look, const struct sl_yaml *from, const struct sl_yaml *to,
			  const char *model)
{
	static const char *const fixed[] = {"model", "limits", "slo", "evaluate", NULL};
	static const char *const files[] = {"lists_in", "lists_out", NULL};
	char where[SL_CONFIG_MODEL_MAX + 32];
	uint32_t may;

	snprintf(where, sizeof(where), "routes[%s]", model);
	compare(look, from, to, where, fixed, true);
	may = look->found.may; /* `validate` was counted as one */
	snprintf(where, sizeof(where), "routes[%s].validate", model);
	compare(look, under(from, "validate"), under(to, "validate"), where, files, true);
	look->found.may = may;
}

/* Those that only the one has, and keys of those that both have. */
static void compare_routes(struct look *look, const struct sl_yaml *from, const struct sl_yaml *to)
{
	const struct sl_yaml *lists[] = {from, to};

	for (int side = 0; side < 2; side++) {
		const struct sl_yaml *list = lists[side];

		for (unsigned i = 0; list->kind == SL_YAML_LIST && i < list->count; i++) {
			const struct sl_yaml *model = under(list->items[i], "model");
			const struct sl_yaml *other;

			if (model->kind != SL_YAML_SCALAR)
				continue;
			other = route_of(lists[!side], model->text);
			if (other->kind != SL_YAML_MAP) {
				note(look, "routes[%s]", model->text);
			} else if (!side) {
				compare_route(look, list->items[i], other, model->text);
			}
		}
	}
}

static void compare_pools(struct look *look, const struct sl_yaml *from, const struct sl_yaml *to)
{
	static const char *const may[] = {"model",	    "path",	  "api",      "api_key",
					  "api_key_header", "max_tokens", "continue", NULL};
	const struct sl_yaml *maps[] = {from, to};
	char where[SL_CONFIG_NAME_MAX + 32];

	for (int side = 0; side < 2; side++) {
		const struct sl_yaml *map = maps[side];

		for (unsigned i = 0; map->kind == SL_YAML_MAP && i < map->count; i++) {
			const char *name = map->pairs[i].key;
			const struct sl_yaml_pair *other = sl_yaml_find(maps[!side], name);

			snprintf(where, sizeof(where), "pools.%s", name);
			if (!other)
				note(look, "%s", where);
			else if (!side)
				compare(look, map->pairs[i].value, other->value, where, may, false);
		}
	}
}

struct sl_config_differ sl_config_differ(const struct sl_config *from, const struct sl_config *to,
					 struct sl_text *out)
{
	static const char *const apart[] = {"routes", "pools", NULL};
	const struct sl_yaml *a = from->said, *b = to->said;
	struct look look = {.out = out};
	const struct sl_yaml *maps[] = {a, b};

	for (int side = 0; side < 2; side++) {
		for (unsigned i = 0; maps[side]->kind == SL_YAML_MAP && i < maps[side]->count;
		     i++) {
			const char *key = maps[side]->pairs[i].key;

			if (!is_listed(key, apart) && !(side && sl_yaml_find(a, key)) &&
			    !is_equal(under(a, key), under(b, key)))
				note(&look, "%s", key);
		}
	}
	compare_routes(&look, under(a, "routes"), under(b, "routes"));
	compare_pools(&look, under(a, "pools"), under(b, "pools"));
	return look.found;
}
