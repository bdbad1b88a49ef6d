/* SPDX-License-Identifier: BSD-2-Clause */
/* What the table of keys says, in words: for errors and for the manual. Declared in config_key.h and config.h. */
#include "user/base/config_key.h"

#include <stdio.h>

#include "user/base/config.h"
#include "user/base/text.h"
#include "user/base/unit.h"

static void append_choices(struct sl_text *text, const struct sl_config_key *key)
{
	const char *const *choice = key->choices + key->min;

	for (const char *separator = ""; *choice != NULL; choice++) {
		sl_text_printf(text, "%s%s", separator, *choice);
		separator = choice[1] != NULL && choice[2] == NULL ? " or " : ", ";
	}
}

const char *sl_config_key_expected(const struct sl_config_key *key,
				   char out[SL_CONFIG_EXPECTED_SIZE])
{
	char min[SL_UNIT_TEXT_SIZE];
	char max[SL_UNIT_TEXT_SIZE];
	struct sl_text text;

	sl_text_init_fixed(&text, out, SL_CONFIG_EXPECTED_SIZE);
	if (key->expected != NULL)
		sl_text_append_string(&text, key->expected);
	else if (key->type == SL_CONFIG_MS)
		sl_text_printf(&text, "%s to %s, like 250ms, 2s or 1m",
			       sl_unit_format_ms(key->min, min), sl_unit_format_ms(key->max, max));
	else if (key->type == SL_CONFIG_BYTES)
		sl_text_printf(&text, "%s to %s, like 64KiB or 4MiB",
			       sl_unit_format_bytes(key->min, min),
			       sl_unit_format_bytes(key->max, max));
	else if (key->type == SL_CONFIG_CHOICE || key->type == SL_CONFIG_SET)
		append_choices(&text, key);
	else
		sl_text_printf(&text, "%llu to %llu", (unsigned long long)key->min,
			       (unsigned long long)key->max);
	return out;
}

/* ---- reference ----------------------------------------------------------------------------- */

void sl_config_write_reference(FILE *file)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];
	const struct sl_config_key *key;

	for (unsigned section = 0; section < SL_CONFIG_SECTIONS; section++) {
		bool quoted = section != SL_CONFIG_ROOT;

		fprintf(file, "%s### %s%s%s\n\n", section > 0 ? "\n" : "", quoted ? "`" : "",
			sl_config_sections[section].title, quoted ? "`" : "");
		fprintf(file, "| key | default | takes | what it does |\n|---|---|---|---|\n");
		for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
			const char *tick = key->preset != NULL ? "`" : "";
			const char *preset = key->preset != NULL ? key->preset
					     : key->required	 ? "required"
								 : "-";

			if (key->section != section)
				continue;
			fprintf(file, "| `%s` | %s%s%s | %s | %s |\n", key->name, tick, preset,
				tick, sl_config_key_expected(key, expected), key->help);
		}
	}
}
