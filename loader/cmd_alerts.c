/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_alerts.c - `sluice alerts`: what fires, and how the receivers are reached (user/ops/alerts.h). */
#include <stdio.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

static int run_alerts(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct sl_text reply;
	int exit_code;

	(void)command;
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	exit_code = sl_admin_order(sl_admin_path(arguments->admin_socket),
				   arguments->json ? "alerts json" : "alerts text", SL_SPAN(""),
				   "sluice alerts --help", &reply);
	if (!exit_code)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
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
