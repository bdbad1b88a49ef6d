/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys are that the file does not name: the profile's value, else their own default. */
#include <errno.h>
#include <string.h>

#include "user/base/config_explain_note.h"
#include "user/base/config_reader.h"
#include "user/base/tunables.h"

/* A profile's values have no place in the file: complaints about what they lead to name the pool or route. */
static void forget_marks(struct sl_yaml *node)
{
	node->mark = (struct sl_yaml_mark){0, 0};
	for (unsigned i = 0; i < node->count; i++) {
		if (node->kind == SL_YAML_MAP)
			node->pairs[i].mark = node->mark;
		forget_marks(node->kind == SL_YAML_MAP ? node->pairs[i].value : node->items[i]);
	}
}

/* As if the value stood in the file. -EINVAL: it is no YAML, which a unit test rules out. */
static int parse_value(struct sl_config_reader *r, const struct sl_profile_row *row,
		       struct sl_yaml **ret_node)
{
	struct sl_report report;
	int rc;

	sl_report_init(&report, row->key, row->value, strlen(row->value));
	rc = sl_yaml_parse(&report, r->arena, ret_node);
	if (!rc && report.count)
		rc = -EINVAL;
	sl_report_fini(&report);
	if (!rc)
		forget_marks(*ret_node);
	return rc;
}

/* The profile's rows as trees; the others stay NULL. */
static int parse_rows(struct sl_config_reader *r)
{
	size_t count = 0;

	while (sl_profile_at(count))
		count++;
	r->settings = sl_reader_allocate(r, count, sizeof(*r->settings));
	for (size_t i = 0; i < count && r->settings; i++) {
		const struct sl_profile_row *row = sl_profile_at(i);
		int rc = row->profiles & SL_PROFILE_BIT(r->config->profile)
				 ? parse_value(r, row, &r->settings[i])
				 : 0;

		if (rc)
			return rc;
	}
	return r->settings ? 0 : -ENOMEM;
}

/* The value of the row as a tree; valid rows only. */
static const struct sl_yaml *tree_of(const struct sl_config_reader *r,
				     const struct sl_profile_row *row)
{
	return r->settings[row - sl_profile_at(0)];
}

int sl_reader_profile(struct sl_config_reader *r, const struct sl_yaml *root)
{
	const struct sl_yaml_pair *pair = sl_yaml_find(root, "profile");

	if (pair == NULL || pair->value->kind != SL_YAML_SCALAR || pair->value->broken)
		return 0;
	for (unsigned i = SL_PROFILE_NONE + 1; i < SL_PROFILES; i++) {
		if (strcmp(sl_profiles[i].name, pair->value->text) == 0)
			r->config->profile = (enum sl_profile)i;
	}
	if (r->explain)
		r->explain->profile_line = pair->value->mark.line;
	return r->config->profile == SL_PROFILE_NONE ? 0 : parse_rows(r);
}

void sl_reader_tunable_presets(struct sl_config_reader *r)
{
	struct sl_config *config = r->config;
	size_t skip = strlen(SL_PROFILE_TUNABLE);
	const struct sl_profile_row *row;

	for (unsigned i = 0; i < SL_TUNABLE_COUNT; i++)
		config->tunables[i] = sl_tunable_info[i].initial;
	for (size_t i = 0; r->settings && (row = sl_profile_at(i)); i++) {
		int id = strncmp(row->key, SL_PROFILE_TUNABLE, skip) == 0
				 ? sl_tunable_find(row->key + skip)
				 : -ENOENT;

		if (id < 0 || !r->settings[i])
			continue;
		sl_reader_tunable(r, (unsigned)id, r->settings[i], config->tunables);
		config->tunables_of_profile |= 1ull << id;
	}
	for (unsigned i = 0; r->explain && i < SL_TUNABLE_COUNT; i++)
		sl_explain_tunable(r, i, NULL);
}

void sl_reader_preset(struct sl_config_reader *r, const struct sl_config_key *key, void *target)
{
	const struct sl_profile_row *row =
		sl_profile_find(r->config->profile, key->section, key->name);
	struct sl_yaml preset = {.kind = SL_YAML_SCALAR, .text = key->preset, .shown = key->preset};

	sl_explain_preset(r, key, row);
	if (row == NULL && key->preset == NULL)
		return;
	preset.text_len = row == NULL ? strlen(key->preset) : 0;
	r->quiet++;
	sl_reader_value(r, key, row != NULL ? tree_of(r, row) : &preset, target);
	r->quiet--;
}

void sl_reader_presets(struct sl_config_reader *r, enum sl_config_section section, void *target)
{
	const struct sl_config_key *key;

	for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
		size_t before;

		if (key->section != section)
			continue;
		if (key->type != SL_CONFIG_SECTION_MAP) {
			sl_reader_preset(r, key, target);
			continue;
		}
		before = sl_reader_push_name(r, key->name);
		sl_reader_presets(r, (enum sl_config_section)key->min, target);
		sl_reader_pop(r, before);
	}
}
