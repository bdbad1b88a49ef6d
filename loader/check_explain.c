/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/check_explain.h"

#include <stdio.h>
#include <string.h>
#include "loader/say.h"
#include "user/base/config_advice.h"
#include "user/base/text.h"

#define COLUMNS	      100u
#define KEY_COLUMNS   30u
#define VALUE_COLUMNS 9u
#define WHY_COLUMN    (2u + KEY_COLUMNS + 2u * (VALUE_COLUMNS + 1u))
#define NAME_COLUMNS  63u /* of a route's model that is shown beside its number */

static bool of_profile(const struct sl_config_said *said)
{
	return said->row && !said->line;
}

static bool is_overridden(const struct sl_config_said *said)
{
	return said->row && said->line;
}

/* Words from `column` on, further lines from `indent` on, and the end of the line. */
static void put_wrapped(const char *text, size_t column, size_t indent)
{
	bool begins = true;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (!begins && column + 1 + word > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
			begins = true;
		}
		printf("%s%.*s", begins ? "" : " ", (int)word, text);
		column += word + !begins;
		begins = false;
		text += word + (text[word] == ' ');
	}
	putchar('\n');
}

/* "routes[1]" alone tells little: its model too. Returns out, "" for others. */
static const char *name_of(const struct sl_config *config, const char *path,
			   char out[NAME_COLUMNS + 8])
{
	unsigned index;

	out[0] = '\0';
	if (sscanf(path, "routes[%u]", &index) == 1 && index < config->route_count)
		snprintf(out, NAME_COLUMNS + 8, " (%.*s)", (int)NAME_COLUMNS,
			 config->routes[index].model);
	return out;
}

/* ---- what the profile set -------------------------------------------------------------------- */

static bool same_key(const struct sl_config_said *a, const struct sl_config_said *b)
{
	return strcmp(a->key, b->key) == 0 && strcmp(a->section, b->section) == 0;
}

/* Of all pools, routes and the like that have the key: how many have it from the profile. */
static size_t count_same(const struct sl_config_explain *explain, const struct sl_config_said *said,
			 size_t *ret_of_profile)
{
	size_t all = 0;

	*ret_of_profile = 0;
	for (size_t i = 0; i < explain->count; i++) {
		if (!same_key(explain->said[i], said))
			continue;
		all++;
		*ret_of_profile += of_profile(explain->said[i]);
	}
	return all;
}

static bool was_before(const struct sl_config_explain *explain, size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (of_profile(explain->said[i]) &&
		    same_key(explain->said[i], explain->said[index]))
			return true;
	}
	return false;
}

static void put_setting(const struct sl_config_explain *explain, const struct sl_config_said *said)
{
	const char *preset = said->preset ? said->preset : "-";
	size_t value_len = strlen(said->value);
	size_t from_profile, all = count_same(explain, said, &from_profile);
	char why[512];
	int column;

	snprintf(why, sizeof(why), "%s%s", said->row->why,
		 said->row->pinned ? " (The default is the same.)" : "");
	if (from_profile < all)
		snprintf(why + strlen(why), sizeof(why) - strlen(why), " (%zu of %zu, see below)",
			 from_profile, all);
	column = printf("  %-*s %-*s ", (int)KEY_COLUMNS - 1, said->key, (int)VALUE_COLUMNS,
			value_len > VALUE_COLUMNS ? "below" : said->value);
	column += printf("%-*s ", (int)VALUE_COLUMNS, preset);
	put_wrapped(why, (size_t)column, WHY_COLUMN);
	if (value_len > VALUE_COLUMNS) {
		printf("    ");
		put_wrapped(said->value, 4, 6);
	}
}

static void put_settings(const struct sl_config_explain *explain)
{
	const char *section = NULL;

	printf("\n%sset by the profile%s, %s\n", sl_say_ink(stdout, SL_INK_BOLD),
	       sl_say_ink(stdout, SL_INK_PLAIN), "each with its value, its default and the reason");
	for (size_t i = 0; i < explain->count; i++) {
		const struct sl_config_said *said = explain->said[i];

		if (!of_profile(said) || was_before(explain, i))
			continue;
		if (!section || strcmp(section, said->section))
			printf("\n%s\n", said->section[0] ? said->section : "top level");
		section = said->section;
		put_setting(explain, said);
	}
}

static void put_overridden(const struct sl_config *config, const struct sl_config_explain *explain)
{
	char name[NAME_COLUMNS + 8], text[1024];
	bool first = true;

	for (size_t i = 0; i < explain->count; i++) {
		const struct sl_config_said *said = explain->said[i];
		int column;

		if (!is_overridden(said))
			continue;
		if (first)
			printf("\n%soverridden by the file%s\n\n", sl_say_ink(stdout, SL_INK_BOLD),
			       sl_say_ink(stdout, SL_INK_PLAIN));
		first = false;
		column = printf("  line %-5u ", said->line);
		snprintf(text, sizeof(text), "%s%s: %s", said->path,
			 name_of(config, said->path, name), said->value ? said->value : "-");
		put_wrapped(text, (size_t)column, (size_t)column);
		printf("%*s", column, "");
		snprintf(text, sizeof(text), "the profile says %s: %s", said->row->value,
			 said->row->why);
		put_wrapped(text, (size_t)column, (size_t)column);
	}
}

/* ---- advice ---------------------------------------------------------------------------------- */

static void put_advice(void *owner, const struct sl_advice *advice)
{
	bool *first = owner;
	char more[64] = "";

	if (*first)
		printf("\n%srecommended by the profile%s, and only you can say it\n\n",
		       sl_say_ink(stdout, SL_INK_BOLD), sl_say_ink(stdout, SL_INK_PLAIN));
	*first = false;
	if (advice->others)
		snprintf(more, sizeof(more), "   # and %u more", advice->others);
	put_wrapped(advice->why, (size_t)printf("  %s: ", advice->key), 4);
	printf("      %s%s\n", advice->line, more);
}

/* ---- every key ------------------------------------------------------------------------------- */

static void put_every(const struct sl_config *config, const struct sl_config_explain *explain)
{
	char name[NAME_COLUMNS + 8], from[24];
	size_t section_len = 0;
	const char *section = NULL;

	for (size_t i = 0; i < explain->count; i++) {
		const struct sl_config_said *said = explain->said[i];
		size_t len = strlen(said->path) - strlen(said->key);
		int column;

		if (!section || len != section_len || strncmp(section, said->path, len)) {
			printf("\n%.*s%s\n", (int)(len ? len - 1 : 9),
			       len ? said->path : "top level", name_of(config, said->path, name));
			section = said->path;
			section_len = len;
		}
		snprintf(from, sizeof(from), "line %u", said->line);
		column = printf("  %-*s %-11s ", (int)KEY_COLUMNS - 1, said->key,
				said->line ? from : sl_config_said_from(said));
		put_wrapped(said->value ? said->value : "-", (size_t)column, (size_t)column);
	}
}

void sl_check_explain_text(const struct sl_config *config, const struct sl_config_explain *explain,
			   bool all)
{
	bool first = true;

	if (config->profile == SL_PROFILE_NONE)
		printf("\nno profile: what the file does not name has the default of "
		       "docs/configuration.md%s\n",
		       all ? "" : " (every key: --explain=all)");
	else
		put_wrapped(
			sl_profiles[config->profile].purpose,
			(size_t)printf("\nprofile %s, line %u: ", sl_profiles[config->profile].name,
				       explain->profile_line) -
				1,
			2);
	if (all)
		put_every(config, explain);
	if (config->profile == SL_PROFILE_NONE)
		return;
	put_settings(explain);
	put_overridden(config, explain);
	sl_advice_each(config, put_advice, &first);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void json_string(struct sl_text *text, const char *before, const char *value)
{
	sl_text_append_string(text, before);
	if (value)
		sl_text_append_json_string(text, value);
	else
		sl_text_append_string(text, "null");
}

static void json_setting(struct sl_text *text, const struct sl_config_said *said, bool first)
{
	json_string(text, first ? "\n  {\"key\": " : ",\n  {\"key\": ", said->path);
	json_string(text, ", \"section\": ", said->section);
	json_string(text, ", \"value\": ", said->value);
	json_string(text, ", \"from\": ", sl_config_said_from(said));
	if (said->line)
		sl_text_printf(text, ", \"line\": %u", said->line);
	else
		sl_text_append_string(text, ", \"line\": null");
	json_string(text, ", \"default\": ", said->preset);
	json_string(text, ", \"profile\": ", said->row ? said->row->value : NULL);
	json_string(text, ", \"why\": ", said->row ? said->row->why : NULL);
	sl_text_append_char(text, '}');
}

struct advised {
	struct sl_text *text;
	bool first;
};

static void json_advice(void *owner, const struct sl_advice *advice)
{
	struct advised *advised = owner;

	json_string(advised->text,
		    advised->first ? "\n  {\"key\": " : ",\n  {\"key\": ", advice->key);
	advised->first = false;
	json_string(advised->text, ", \"add\": ", advice->line);
	json_string(advised->text, ", \"why\": ", advice->why);
	sl_text_printf(advised->text, ", \"others\": %u}", advice->others);
}

void sl_check_explain_json(const struct sl_config *config, const struct sl_config_explain *explain,
			   bool all)
{
	struct advised advised = {.first = true};
	struct sl_text text;
	bool first = true;

	sl_text_init(&text, SIZE_MAX);
	advised.text = &text;
	json_string(&text, "\"explain\": {\"purpose\": ",
		    config->profile ? sl_profiles[config->profile].purpose : NULL);
	sl_text_printf(&text, ", \"line\": %u, \"settings\": [", explain->profile_line);
	for (size_t i = 0; i < explain->count; i++) {
		if (!all && !explain->said[i]->row)
			continue;
		json_setting(&text, explain->said[i], first);
		first = false;
	}
	sl_text_append_string(&text, "], \"advice\": [");
	sl_advice_each(config, json_advice, &advised);
	sl_text_append_string(&text, "]}");
	fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
}
