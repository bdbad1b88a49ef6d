/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_alerts.c - `sluice alerts`: what fires, and how the receivers are reached (user/ops/alerts.h). */
#include <stdio.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

static int run_alerts(const struct sl_command *command, const struct sl_arguments *arguments)
{

	(void)command;
	return sl_admin_show(sl_admin_path(arguments->admin_socket),
			     arguments->json ? "alerts json" : "alerts text",
			     "sluice alerts --help");
}

static const struct sl_option alerts_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_alerts = {
	.name = "alerts",
	.words = "",
	.words_max = 0,
	.summary = "show which alerts fire, and whether their receivers are reached",
	.description = "Each alert that fires, or that is over and not told everybody yet; then "
		       "each receiver\n"
		       "of alerts.receivers: how many messages it got, how many failed, and how "
		       "the last one\n"
		       "went. What an alert means and what to do: docs/runbooks/NAME.md.",
	.options = alerts_options,
	.run = run_alerts,
};
