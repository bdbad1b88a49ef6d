/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_check.c - `sluice check`: does the configuration hold?
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/command.h"
#include "loader/say.h"

static int run_check(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct sl_config *config;
	char *errors = NULL;
	uint32_t nodes = 0, fast = 0;
	int error = sl_config_read(arguments->words[0], &config, &errors);

	(void)command;
	if (error) {
		fputs(errors ? errors : "", stderr);
		free(errors);
		return sl_say_error("mend what the lines above name, then: sluice check CONFIG",
				    "configuration \"%s\" is refused: %s", arguments->words[0],
				    strerror(-error));
	}
	for (uint32_t i = 0; i < config->pool_count; i++)
		nodes += config->pools[i].node_count;
	for (uint32_t i = 0; i < config->service_count; i++)
		fast += config->services[i].lane == SL_LANE_FAST;
	if (arguments->json)
		printf("{\"valid\": true, \"pools\": %u, \"nodes\": %u, \"services\": %u, "
		       "\"fast_services\": %u, \"routes\": %u, \"devices\": %u}\n",
		       config->pool_count, nodes, config->service_count, fast, config->route_count,
		       config->device_count);
	else
		printf("%s: good: pools: %u, nodes: %u, services: %u (fast lane: %u), routes: %u, "
		       "devices: %u\n",
		       arguments->words[0], config->pool_count, nodes, config->service_count, fast,
		       config->route_count, config->device_count);
	sl_config_close(&config);
	return SL_EXIT_OK;
}

static const struct sl_option check_options[] = {SL_OPTION_JSON, SL_OPTION_NONE};

const struct sl_command sl_command_check = {
	.name = "check",
	.words = "CONFIG",
	.words_min = 1,
	.words_max = 1,
	.summary = "validate a configuration file",
	.description = "Reads the file as `sluice up` and the daemon would and prints each error "
		       "with its line.\nChanges nothing and needs no privilege.",
	.options = check_options,
	.run = run_check,
};
