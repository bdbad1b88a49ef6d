/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/litellm.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/suggest.h"

#define COUNT_MAX   1000000000ull
#define NAMES_MAX   256u
#define REPEAT_MAX  16u
#define FINDING_MAX 512u

/* ---- findings ------------------------------------------------------------------------------ */

void sl_litellm_init(struct sl_litellm *import, const char *file, const char *listen)
{
	struct sl_litellm_settings *set = &import->settings;

	memset(import, 0, sizeof(*import));
	import->file = file;
	import->listen = listen;
	sl_arena_init(&import->arena, 0, SL_LITELLM_ARENA_MAX);
	set->retries = set->timeout_ms = set->stream_timeout_ms = SL_LITELLM_NONE;
	set->retry_after_ms = set->cooldown_ms = set->allowed_fails = SL_LITELLM_NONE;
	set->fallbacks_max = set->parallel = set->body_mib = SL_LITELLM_NONE;
}

void sl_litellm_fini(struct sl_litellm *import)
{
	free(import->findings);
	sl_arena_fini(&import->arena);
	memset(import, 0, sizeof(*import));
}

static bool grow_findings(struct sl_litellm *import)
{
	uint32_t size = import->finding_size ? import->finding_size * 2 : 64;
	struct sl_litellm_finding *findings;

	if (import->finding_count < import->finding_size)
		return true;
	if (import->finding_count >= SL_LITELLM_FINDINGS_MAX)
		return false;
	findings = realloc(import->findings, size * sizeof(*findings));
	if (!findings)
		return false;
	import->findings = findings;
	import->finding_size = size;
	return true;
}

/* The default fallbacks of many groups are wrong in the same way: said once. */
static bool is_said(const struct sl_litellm *import, unsigned line, const char *key,
		    const char *text)
{
	uint32_t first =
		import->finding_count < REPEAT_MAX ? 0 : import->finding_count - REPEAT_MAX;

	for (uint32_t i = first; i < import->finding_count; i++) {
		const struct sl_litellm_finding *finding = &import->findings[i];

		if (finding->line == line && !strcmp(finding->key, key) &&
		    !strcmp(finding->text, text))
			return true;
	}
	return false;
}

void sl_litellm_note(struct sl_litellm *import, enum sl_litellm_verdict verdict, unsigned line,
		     const char *key, const char *format, ...)
{
	struct sl_litellm_finding *finding;
	char text[FINDING_MAX];
	va_list values;

	va_start(values, format);
	vsnprintf(text, sizeof(text), format, values);
	va_end(values);
	key = key ? key : "";
	if (is_said(import, line, key, text))
		return;
	import->counts[verdict]++;
	if (!grow_findings(import)) {
		import->findings_lost++;
		return;
	}
	finding = &import->findings[import->finding_count];
	finding->verdict = verdict;
	finding->line = line;
	finding->order = import->finding_count;
	finding->key = sl_arena_strdup(&import->arena, key);
	finding->text = sl_arena_strdup(&import->arena, text);
	if (finding->key && finding->text)
		import->finding_count++;
	else
		import->findings_lost++;
}

#define REFUSE(import, line, key, ...) \
	sl_litellm_note(import, SL_LITELLM_UNSUPPORTED, line, key, __VA_ARGS__)

/* ---- values -------------------------------------------------------------------------------- */

const char *sl_litellm_value(const struct sl_litellm *import, const struct sl_yaml *node)
{
	static const char prefix[] = "os.environ/";
	const struct sl_yaml_pair *pair;

	if (!node || node->kind != SL_YAML_SCALAR)
		return NULL;
	if (strncmp(node->text, prefix, sizeof(prefix) - 1) != 0)
		return node->text;
	pair = sl_yaml_find(import->environment, node->text + sizeof(prefix) - 1);
	if (pair && pair->value->kind == SL_YAML_SCALAR)
		return pair->value->text;
	return getenv(node->text + sizeof(prefix) - 1);
}

static bool is_off(const struct sl_yaml *node)
{
	return node->kind == SL_YAML_NULL ||
	       ((node->kind == SL_YAML_LIST || node->kind == SL_YAML_MAP) && !node->count) ||
	       (node->kind == SL_YAML_SCALAR &&
		(!strcmp(node->text, "false") || !strcmp(node->text, "False") ||
		 !strcmp(node->text, "FALSE")));
}

/* In ms for seconds. Returns what is wrong, or NULL. */
static const char *parse_number(const char *text, bool seconds, uint64_t *ret_value)
{
	double value;
	char *end;

	if (!text)
		return "expected a number; a variable of the environment must be set";
	value = strtod(text, &end);
	if (end == text || *end || !isfinite(value) || value < 0 || value > (double)COUNT_MAX)
		return "expected a number";
	if (seconds)
		value = floor(value * 1000 + 0.5);
	if (value != floor(value))
		return "expected a whole number";
	if (seconds && value < 1)
		return "expected a time";
	*ret_value = (uint64_t)value;
	return NULL;
}

/* ---- keys by the table --------------------------------------------------------------------- */

static void note_unknown(struct sl_litellm *import, enum sl_litellm_section section,
			 const struct sl_yaml_pair *pair, const char *path)
{
	const char *names[NAMES_MAX];
	const char *near;
	size_t count = 0;

	for (size_t i = 0; i < sl_litellm_key_count && count < NAMES_MAX; i++)
		if (sl_litellm_keys[i].section == section ||
		    (section == SL_LITELLM_SETTINGS &&
		     sl_litellm_keys[i].section == SL_LITELLM_ROUTER))
			names[count++] = sl_litellm_keys[i].name;
	near = sl_suggest(pair->key, names, count);
	REFUSE(import, pair->mark.line, path, "LiteLLM documents no such key in %s%s%s%s",
	       sl_litellm_section_name(section), near ? " (did you mean \"" : "", near ? near : "",
	       near ? "\"?)" : "");
}

/* Numbers that the router's settings have said already stay. */
static void take_number(struct sl_litellm *import, const struct sl_litellm_key *key,
			const struct sl_yaml_pair *pair, const char *path, void *target)
{
	uint64_t *field = (uint64_t *)((char *)target + key->offset);
	const char *wrong;
	uint64_t value;

	wrong = parse_number(sl_litellm_value(import, pair->value), key->how == SL_LITELLM_SECONDS,
			     &value);
	if (wrong) {
		REFUSE(import, pair->mark.line, path, "%s", wrong);
		return;
	}
	if (value > key->max) {
		REFUSE(import, pair->mark.line, path, "sluice takes up to %u%s",
		       key->how == SL_LITELLM_SECONDS ? key->max / 1000 : key->max,
		       key->how == SL_LITELLM_SECONDS ? " seconds" : "");
		return;
	}
	if (*field != SL_LITELLM_NONE) {
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, pair->mark.line, path,
				"router_settings says it too, and comes first");
		return;
	}
	*field = value;
	sl_litellm_note(import, SL_LITELLM_TAKEN, pair->mark.line, path, "%s", key->text);
}

static void take_tree(struct sl_litellm *import, const struct sl_litellm_key *key,
		      const struct sl_yaml_pair *pair, const char *path, void *target)
{
	const struct sl_yaml_pair **field = (void *)((char *)target + key->offset);

	if (*field) {
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, pair->mark.line, path,
				"router_settings says it too, and comes first");
		return;
	}
	*field = pair;
	if (key->text) /* what it names is looked at when all groups are known */
		sl_litellm_note(import, SL_LITELLM_TAKEN, pair->mark.line, path, "%s", key->text);
}

static void take_pair(struct sl_litellm *import, enum sl_litellm_section section,
		      const struct sl_yaml_pair *pair, const char *path, void *target)
{
	const struct sl_litellm_key *key = sl_litellm_key_find(section, pair->key);

	if (!key) {
		note_unknown(import, section, pair, path);
		return;
	}
	if (key->how == SL_LITELLM_ELSEWHERE)
		return;
	if (is_off(pair->value)) {
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, pair->mark.line, path,
				"it is off or empty");
		return;
	}
	switch (key->how) {
	case SL_LITELLM_NO:
		REFUSE(import, pair->mark.line, path, "%s", key->text);
		break;
	case SL_LITELLM_IDLE:
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, pair->mark.line, path, "%s",
				key->text);
		break;
	case SL_LITELLM_COUNT:
	case SL_LITELLM_SECONDS:
		take_number(import, key, pair, path, target);
		break;
	case SL_LITELLM_TREE:
		take_tree(import, key, pair, path, target);
		break;
	case SL_LITELLM_LOCK:
		import->settings.locked = true;
		REFUSE(import, pair->mark.line, path, "%s; `keys.file` is set in the output",
		       key->text);
		break;
	case SL_LITELLM_ELSEWHERE:
		break;
	}
}

/* `prefix` with its dot, or "". */
static void take_map(struct sl_litellm *import, enum sl_litellm_section section,
		     const struct sl_yaml *map, const char *prefix, void *target)
{
	for (unsigned i = 0; map->kind == SL_YAML_MAP && i < map->count; i++) {
		const char *path =
			sl_arena_printf(&import->arena, "%s%.80s", prefix, map->pairs[i].key);

		if (path)
			take_pair(import, section, &map->pairs[i], path, target);
		else
			import->no_memory = true;
	}
}

static void take_section(struct sl_litellm *import, enum sl_litellm_section section,
			 const struct sl_yaml *root)
{
	const char *name = sl_litellm_section_name(section);
	const struct sl_yaml_pair *pair = sl_yaml_find(root, name);
	char prefix[64];

	if (!pair || pair->value->kind == SL_YAML_NULL)
		return;
	if (pair->value->kind != SL_YAML_MAP) {
		REFUSE(import, pair->mark.line, name, "expected a map, here is %s",
		       sl_yaml_kind_name(pair->value->kind));
		return;
	}
	snprintf(prefix, sizeof(prefix), "%s.", name);
	take_map(import, section, pair->value, prefix, &import->settings);
}

/* ---- one deployment ------------------------------------------------------------------------ */

static void take_info(struct sl_litellm *import, const struct sl_yaml *item, const char *path)
{
	const struct sl_yaml_pair *info = sl_yaml_find(item, "model_info");
	const struct sl_yaml_pair *mode = info ? sl_yaml_find(info->value, "mode") : NULL;
	static const char *const modes[] = {"chat", "completion", "embedding", "responses"};
	char full[128];

	snprintf(full, sizeof(full), "%s.model_info.", path);
	if (info && info->value->kind != SL_YAML_MAP && info->value->kind != SL_YAML_NULL)
		REFUSE(import, info->mark.line, full, "expected a map, here is %s",
		       sl_yaml_kind_name(info->value->kind));
	else if (info)
		take_map(import, SL_LITELLM_INFO, info->value, full, NULL);
	snprintf(full, sizeof(full), "%s.model_info.mode", path);
	if (mode && mode->value->kind == SL_YAML_SCALAR &&
	    sl_litellm_is_one_of(sl_span_string(mode->value->text), modes,
				 sizeof(modes) / sizeof(modes[0])))
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, mode->mark.line, full,
				"a route takes each kind of request");
	else if (mode)
		REFUSE(import, mode->mark.line, full,
		       "sluice serves chat, completion, embedding and responses");
}

uint32_t sl_litellm_group_find(const struct sl_litellm *import, const char *name)
{
	for (uint32_t i = 0; i < import->group_count; i++)
		if (!strcmp(import->groups[i].name, name))
			return i;
	return UINT32_MAX;
}

static uint32_t find_or_add_group(struct sl_litellm *import, const char *name, unsigned line)
{
	uint32_t index = sl_litellm_group_find(import, name);

	if (index != UINT32_MAX || import->group_count == SL_LITELLM_GROUPS_MAX)
		return index;
	import->groups[import->group_count].name = name;
	import->groups[import->group_count].line = line;
	return import->group_count++;
}

static void take_deployment(struct sl_litellm *import, const struct sl_yaml *item, unsigned index,
			    const char *path, const struct sl_yaml *params)
{
	struct sl_litellm_deployment *deployment = &import->deployments[import->deployment_count];
	const char *name = sl_litellm_value(import, sl_yaml_find(item, "model_name")->value);
	char full[128];

	deployment->group = find_or_add_group(import, name, item->mark.line);
	if (deployment->group == UINT32_MAX) {
		REFUSE(import, item->mark.line, path, "there are more than %u model groups",
		       SL_LITELLM_GROUPS_MAX);
		return;
	}
	if (!sl_litellm_target(import, params, path, deployment))
		return;
	deployment->index = index;
	deployment->line = item->mark.line;
	deployment->weight = deployment->requests_per_minute = SL_LITELLM_NONE;
	deployment->tokens_per_minute = deployment->parallel = SL_LITELLM_NONE;
	deployment->timeout_ms = deployment->stream_timeout_ms = SL_LITELLM_NONE;
	deployment->retries = deployment->client_retries = SL_LITELLM_NONE;
	deployment->order = SL_LITELLM_NONE;
	snprintf(full, sizeof(full), "%s.litellm_params.", path);
	take_map(import, SL_LITELLM_PARAMS, params, full, deployment);
	take_info(import, item, path);
	import->deployment_count++;
	sl_litellm_note(import, SL_LITELLM_TAKEN, deployment->line, path, "node %s, model %s",
			deployment->address ? deployment->address : "", deployment->model);
}

static void read_item(struct sl_litellm *import, const struct sl_yaml *item, unsigned index)
{
	const struct sl_yaml_pair *name = sl_yaml_find(item, "model_name");
	const struct sl_yaml_pair *params = sl_yaml_find(item, "litellm_params");
	const char *text = name ? sl_litellm_value(import, name->value) : NULL;
	char path[64], prefix[80];

	snprintf(path, sizeof(path), "model_list[%u]", index);
	snprintf(prefix, sizeof(prefix), "%s.", path);
	if (item->kind != SL_YAML_MAP || !text || !params || params->value->kind != SL_YAML_MAP) {
		REFUSE(import, item->mark.line, path,
		       "expected a map with model_name and litellm_params");
		return;
	}
	take_map(import, SL_LITELLM_ENTRY, item, prefix, NULL);
	if (!sl_litellm_is_model(text))
		REFUSE(import, name->mark.line,
		       sl_arena_printf(&import->arena, "%s.model_name", path),
		       strchr(text, '*') ? "sluice matches whole names; list each model on its own"
					 : "expected up to 127 letters, digits and . _ - : / @ +");
	else if (import->deployment_count == SL_LITELLM_DEPLOYMENTS_MAX)
		REFUSE(import, item->mark.line, path, "there are more than %u nodes",
		       SL_LITELLM_DEPLOYMENTS_MAX);
	else
		take_deployment(import, item, index, path, params->value);
}

static void read_models(struct sl_litellm *import, const struct sl_yaml *root)
{
	const struct sl_yaml_pair *list = sl_yaml_find(root, "model_list");

	if (!list || list->value->kind != SL_YAML_LIST) {
		REFUSE(import, list ? list->mark.line : 0, "model_list",
		       "expected a list of deployments; models that LiteLLM keeps in its database "
		       "must be written into the file");
		return;
	}
	for (unsigned i = 0; i < list->value->count; i++)
		read_item(import, list->value->items[i], i);
}

/* ---- strategy ------------------------------------------------------------------------------ */

static void read_strategy(struct sl_litellm *import)
{
	struct sl_litellm_settings *set = &import->settings;
	const char *text = set->strategy ? sl_litellm_value(import, set->strategy->value) : NULL;
	const struct sl_yaml *checks = set->checks ? set->checks->value : NULL;
	bool usage = text && !strncmp(text, "usage-based-routing", 19);

	if (text && (!strcmp(text, "simple-shuffle") || !strcmp(text, "least-busy")))
		sl_litellm_note(import, SL_LITELLM_TAKEN, set->strategy->mark.line,
				"routing_strategy",
				"sluice chooses by weight and by what each node has under way");
	else if (set->strategy)
		REFUSE(import, set->strategy->mark.line, "routing_strategy",
		       "sluice chooses by weight and by what each node has under way%s",
		       usage ? "; rpm and tpm became routes[].limits" : "");
	set->rates_are_limits = usage;
	for (unsigned i = 0; checks && checks->kind == SL_YAML_LIST && i < checks->count; i++) {
		const char *check = sl_litellm_value(import, checks->items[i]);

		if (check && !strcmp(check, "enforce_model_rate_limits")) {
			set->rates_are_limits = true;
			sl_litellm_note(import, SL_LITELLM_TAKEN, checks->items[i]->mark.line,
					"optional_pre_call_checks",
					"rpm and tpm became routes[].limits");
			continue;
		}
		REFUSE(import, checks->items[i]->mark.line, "optional_pre_call_checks",
		       "sluice has no such check; it chooses by weight and load");
	}
}

int sl_litellm_read(struct sl_litellm *import, const struct sl_yaml *root)
{
	const struct sl_yaml_pair *environment = sl_yaml_find(root, "environment_variables");
	const struct sl_yaml_pair *list = sl_yaml_find(root, "model_list");
	size_t count = list ? list->value->count : 0;

	import->environment = environment ? environment->value : NULL;
	import->deployments =
		sl_arena_array(&import->arena, count + 1, sizeof(*import->deployments));
	import->groups =
		sl_arena_array(&import->arena, SL_LITELLM_GROUPS_MAX, sizeof(*import->groups));
	if (!import->deployments || !import->groups)
		return -ENOMEM;
	take_map(import, SL_LITELLM_ROOT, root, "", NULL);
	/* the router's settings come before those of the same name in litellm_settings */
	take_section(import, SL_LITELLM_ROUTER, root);
	take_section(import, SL_LITELLM_SETTINGS, root);
	take_section(import, SL_LITELLM_GENERAL, root);
	read_strategy(import);
	read_models(import, root);
	return import->no_memory ? -ENOMEM : 0;
}
