/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_check.c - `sluice check`: does the configuration hold, and what did its profile set?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/check_explain.h"
#include "loader/command.h"
#include "loader/say.h"

static void put_verdict(const struct sl_config *config, const char *path, bool json)
{
	const char *profile = sl_profiles[config->profile].name;
	uint32_t nodes = 0, fast = 0;

	for (uint32_t i = 0; i < config->pool_count; i++)
		nodes += config->pools[i].node_count;
	for (uint32_t i = 0; i < config->service_count; i++)
		fast += config->services[i].lane == SL_LANE_FAST;
	if (json)
		printf("{\"valid\": true, \"profile\": \"%s\", \"pools\": %u, \"nodes\": %u, "
		       "\"services\": %u, \"fast_services\": %u, \"routes\": %u, "
		       "\"devices\": %u",
		       profile, config->pool_count, nodes, config->service_count, fast,
		       config->route_count, config->device_count);
	else
		printf("%s: good: pools: %u, nodes: %u, services: %u (fast lane: %u), routes: %u, "
		       "devices: %u, profile: %s\n",
		       path, config->pool_count, nodes, config->service_count, fast,
		       config->route_count, config->device_count, profile);
}

static int run_check(const struct sl_command *command, const struct sl_arguments *arguments)
{
	bool all = arguments->explain && !strcmp(arguments->explain, "all");
	struct sl_config_explain explain;
	struct sl_config *config;
	char *errors = NULL;
	int error;

	(void)command;
	if (arguments->explain && arguments->explain[0] && !all) {
		sl_say_error("sluice check --explain=all CONFIG",
			     "--explain=%s: it takes nothing, or all", arguments->explain);
		return SL_EXIT_USAGE;
	}
	error = arguments->explain
			? sl_config_explain_read(arguments->words[0], &config, &explain, &errors)
			: sl_config_read(arguments->words[0], &config, &errors);
	if (error) {
		fputs(errors ? errors : "", stderr);
		free(errors);
		return sl_say_error("mend what the lines above name, then: sluice check CONFIG",
				    "configuration \"%s\" is refused: %s", arguments->words[0],
				    strerror(-error));
	}
	put_verdict(config, arguments->words[0], arguments->json);
	if (arguments->explain && arguments->json) {
		printf(",\n");
		sl_check_explain_json(config, &explain, all);
	} else if (arguments->explain) {
		sl_check_explain_text(config, &explain, all);
	}
	if (arguments->json)
		printf("}\n");
	sl_config_close(&config);
	return SL_EXIT_OK;
}

static const struct sl_option check_options[] = {
	{SL_OPTION_MAYBE, "explain", "all", NULL, offsetof(struct sl_arguments, explain),
	 "show what the profile set and why, and what it recommends; all: every key"},
	SL_OPTION_JSON,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_check = {
	.name = "check",
	.words = "CONFIG",
	.words_min = 1,
	.words_max = 1,
	.summary = "validate a configuration file, explain what its profile sets",
	.description =
		"Reads the file as `sluice up` and the daemon would and prints each error "
		"with its line.\nChanges nothing and needs no privilege. With --explain: each key "
		"that `profile` set,\nwith the reason; those that the file overrode, with their "
		"line; and what the profile\nrecommends and only the file can say. Advice does not "
		"change the exit status.",
	.options = check_options,
	.run = run_check,
};
