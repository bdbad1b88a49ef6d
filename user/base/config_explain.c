/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_explain_note.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/mask.h"
#include "user/base/tunables.h"

#define VALUE_BYTES_MAX 400u /* of a value as it is shown */
#define TUNABLES	"tunables"

const char *sl_config_said_from(const struct sl_config_said *said)
{
	if (said->line)
		return "file";
	return said->row ? "profile" : "default";
}

/* ---- values as text -------------------------------------------------------------------------- */

static void write_flow(struct sl_text *text, const struct sl_yaml *node)
{
	bool is_map = node->kind == SL_YAML_MAP;

	if (node->kind == SL_YAML_SCALAR)
		sl_text_append_string(text, node->shown);
	if (node->kind != SL_YAML_LIST && !is_map)
		return;
	sl_text_append_char(text, is_map ? '{' : '[');
	for (unsigned i = 0; i < node->count && !text->error; i++) {
		sl_text_append_string(text, i ? ", " : "");
		if (is_map)
			sl_text_printf(text, "%s: ", node->pairs[i].key);
		write_flow(text, is_map ? node->pairs[i].value : node->items[i]);
	}
	sl_text_append_char(text, is_map ? '}' : ']');
}

/* What is secret by its type or by the look of it (mask.h) is not shown. */
static const char *value_of(struct sl_config_reader *r, const struct sl_config_key *key,
			    const struct sl_yaml *node)
{
	size_t skip = strlen(key->name) + 2;
	char memory[VALUE_BYTES_MAX];
	struct sl_text flow, masked;
	const char *value = NULL;

	if (key->type == SL_CONFIG_TOKEN || key->type == SL_CONFIG_SECRET)
		return "(hidden)";
	sl_text_init_fixed(&flow, memory, sizeof(memory));
	sl_text_printf(&flow, "%s: ", key->name);
	write_flow(&flow, node);
	sl_text_init(&masked, 4 * VALUE_BYTES_MAX);
	if (!sl_mask_source(sl_text_span(&flow), &masked) && masked.len >= skip)
		value = sl_arena_printf(r->arena, "%s%s", sl_text_string(&masked) + skip,
					flow.error ? " ..." : "");
	sl_text_fini(&masked);
	return value;
}

/* Contents that have lines of their own. */
static bool is_container(const struct sl_config_key *key)
{
	switch (key->type) {
	case SL_CONFIG_SECTION_MAP:
	case SL_CONFIG_TUNABLE_MAP:
	case SL_CONFIG_ITEM_MAP:
	case SL_CONFIG_POOL_MAP:
	case SL_CONFIG_TENANT_MAP:
	case SL_CONFIG_PRICE_MAP:
	case SL_CONFIG_SERVICE_LIST:
	case SL_CONFIG_ROUTE_LIST:
	case SL_CONFIG_BEACON_KEYS:
	case SL_CONFIG_BEACON_NODES:
		return true;
	default:
		return false;
	}
}

/* ---- notes ----------------------------------------------------------------------------------- */

static void note(struct sl_config_reader *r, const struct sl_config_said *said, const char *name)
{
	struct sl_config_explain *explain = r->explain;
	struct sl_config_said *entry = sl_reader_allocate(r, 1, sizeof(*entry));
	size_t before = r->path.len;

	if (!entry)
		return;
	if (name)
		before = sl_reader_push_name(r, name);
	*entry = *said;
	entry->path = sl_arena_strdup(r->arena, sl_text_string(&r->path));
	if (name)
		sl_reader_pop(r, before);
	if (!entry->path)
		r->no_memory = true;
	if (explain->last)
		explain->last->next = entry;
	else
		explain->first = entry;
	explain->last = entry;
	explain->noted++;
}

static const char *title_of(enum sl_config_section section)
{
	return section == SL_CONFIG_ROOT ? "" : sl_config_sections[section].title;
}

void sl_explain_preset(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_profile_row *row)
{
	struct sl_config_said said = {.section = title_of(key->section),
				      .key = key->name,
				      .value = row ? row->value : key->preset,
				      .preset = key->preset,
				      .row = row};

	if (r->explain && !r->quiet && !is_container(key))
		note(r, &said, key->name);
}

void sl_explain_file(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node)
{
	struct sl_config_said said = {.section = title_of(key->section),
				      .key = key->name,
				      .preset = key->preset,
				      .line = node->mark.line};

	if (!r->explain || r->quiet || is_container(key))
		return;
	said.row = sl_profile_find(r->config->profile, key->section, key->name);
	said.value = value_of(r, key, node);
	note(r, &said, NULL);
}

void sl_explain_tunable(struct sl_config_reader *r, unsigned id, const struct sl_yaml *node)
{
	const struct sl_tunable_info *tunable = &sl_tunable_info[id];
	const char *name;
	bool is_global = strncmp(sl_text_string(&r->path), "pools.", 6) != 0;
	struct sl_config_said said = {.section = is_global ? TUNABLES : "pools.NAME." TUNABLES,
				      .key = tunable->name};

	if (!r->explain || r->quiet)
		return;
	name = sl_arena_printf(r->arena, SL_PROFILE_TUNABLE "%s", tunable->name);
	if (!name) {
		r->no_memory = true;
		return;
	}
	said.preset =
		is_global ? sl_arena_printf(r->arena, "%llu", (unsigned long long)tunable->initial)
			  : NULL;
	if (is_global)
		said.row = sl_profile_find(r->config->profile, SL_CONFIG_ROOT, name);
	said.value = node ? node->shown : said.row ? said.row->value : said.preset;
	said.line = node ? node->mark.line : 0;
	note(r, &said, node ? NULL : name);
}

/* ---- each path once -------------------------------------------------------------------------- */

/* Where a path was noted first, and what was noted of it last. */
struct place {
	struct sl_config_said *said;
	size_t order;
};

static int by_path(const void *left, const void *right)
{
	const struct place *a = left, *b = right;
	int order = strcmp(a->said->path, b->said->path);

	return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int by_order(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	return (a->order > b->order) - (a->order < b->order);
}

/* Sorted by path and order: of each path the first place and the last note. Returns how many. */
static size_t unite(struct place *places, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (kept && !strcmp(places[kept - 1].said->path, places[i].said->path))
			places[kept - 1].said = places[i].said;
		else
			places[kept++] = places[i];
	}
	return kept;
}

int sl_explain_finish(struct sl_config_explain *explain, struct sl_arena *arena)
{
	struct place *places = calloc(explain->noted + 1, sizeof(*places));
	struct sl_config_said *said = explain->first;

	explain->said = sl_arena_array(arena, explain->noted + 1, sizeof(*explain->said));
	if (!places || !explain->said) {
		free(places);
		return -ENOMEM;
	}
	for (size_t i = 0; said; said = said->next, i++)
		places[i] = (struct place){said, i};
	qsort(places, explain->noted, sizeof(*places), by_path);
	explain->count = unite(places, explain->noted);
	qsort(places, explain->count, sizeof(*places), by_order);
	for (size_t i = 0; i < explain->count; i++)
		explain->said[i] = places[i].said;
	free(places);
	return 0;
}
