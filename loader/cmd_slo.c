/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_slo.c - `sluice slo`: objectives of routes, what is left of their error budgets, how fast they burn. */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 256u

static int run_slo(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *route = arguments->word_count ? arguments->words[0] : "";
	char line[LINE_BYTES];

	(void)command;
	if (strpbrk(route, " \n") || strlen(route) > SL_CONFIG_MODEL_MAX)
		return sl_say_error("sluice slo --help", "\"%s\" is no route's model", route);
	snprintf(line, sizeof(line), "slo %s%s%s", arguments->json ? "json" : "text",
		 route[0] ? " " : "", route);
	return sl_admin_show(sl_admin_path(arguments->admin_socket), line, "sluice slo --help");
}

static const struct sl_option slo_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_slo = {
	.name = "slo",
	.words = "[ROUTE]",
	.words_max = 1,
	.summary = "show objectives of routes, their error budgets and how fast these burn",
	.description =
		"For each objective of each route, or of one: the share of the error budget that "
		"is\n"
		"left, and how many times faster than it may it was spent over the windows of the\n"
		"alerts (1x spends it exactly). PAGE or TICKET: an alert of that level is raised.\n"
		"Objectives are set by slo and routes[].slo of the configuration.",
	.options = slo_options,
	.run = run_slo,
};
