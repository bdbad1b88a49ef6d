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
	else if (key->type == SL_CONFIG_CHOICE)
		append_choices(&text, key);
	else
		sl_text_printf(&text, "%llu to %llu", (unsigned long long)key->min,
			       (unsigned long long)key->max);
	return out;
}

/* ---- reference ----------------------------------------------------------------------------- */

static const char *const section_titles[SL_CONFIG_SECTIONS] = {
	[SL_CONFIG_ROOT] = "Top level",
	[SL_CONFIG_LISTEN] = "listen[]",
	[SL_CONFIG_LISTEN_TLS] = "listen[].tls",
	[SL_CONFIG_LIMITS] = "limits",
	[SL_CONFIG_TIMEOUTS] = "timeouts",
	[SL_CONFIG_CACHE] = "cache",
	[SL_CONFIG_AUTOSCALE] = "autoscale",
	[SL_CONFIG_LOG] = "log",
	[SL_CONFIG_KEYS] = "keys",
	[SL_CONFIG_TENANT] = "tenants.NAME",
	[SL_CONFIG_SPEND] = "spend",
	[SL_CONFIG_PRICE] = "prices.MODEL",
	[SL_CONFIG_KERNEL] = "kernel",
	[SL_CONFIG_BEACON] = "kernel.beacon",
	[SL_CONFIG_BEACON_KEY] = "kernel.beacon.keys[]",
	[SL_CONFIG_BEACON_NODE] = "kernel.beacon.nodes[]",
	[SL_CONFIG_POOL] = "pools.NAME",
	[SL_CONFIG_POOL_HEALTH] = "pools.NAME.health",
	[SL_CONFIG_POOL_QUEUE] = "pools.NAME.queue",
	[SL_CONFIG_POOL_AT_ONCE] = "pools.NAME.concurrency",
	[SL_CONFIG_POOL_METRICS] = "pools.NAME.metrics",
	[SL_CONFIG_NODE] = "pools.NAME.nodes[]",
	[SL_CONFIG_SERVICE] = "services[]",
	[SL_CONFIG_ROUTE] = "routes[]",
	[SL_CONFIG_ROUTE_FALLBACKS] = "routes[].fallbacks",
	[SL_CONFIG_ROUTE_TIMEOUTS] = "routes[].timeouts",
	[SL_CONFIG_ROUTE_LIMITS] = "routes[].limits",
	[SL_CONFIG_ROUTE_CACHE] = "routes[].cache",
	[SL_CONFIG_ROUTE_HEDGE] = "routes[].hedge",
	[SL_CONFIG_ROUTE_QUEUE] = "routes[].queue",
	[SL_CONFIG_ROUTE_BUFFER] = "routes[].buffer",
};

void sl_config_write_reference(FILE *file)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];

	for (unsigned section = 0; section < SL_CONFIG_SECTIONS; section++) {
		bool quoted = section != SL_CONFIG_ROOT;

		fprintf(file, "%s### %s%s%s\n\n", section > 0 ? "\n" : "", quoted ? "`" : "",
			section_titles[section], quoted ? "`" : "");
		fprintf(file, "| key | default | takes | what it does |\n|---|---|---|---|\n");
		for (size_t i = 0; i < sl_config_key_count; i++) {
			const struct sl_config_key *key = &sl_config_keys[i];
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
