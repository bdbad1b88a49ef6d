/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_eval.c - `sluice eval`: what evaluators found in live answers. */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

static int run_status(const struct sl_arguments *arguments)
{
	struct sl_text reply;
	int exit_code;

	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	exit_code = sl_admin_order(sl_admin_path(arguments->admin_socket),
				   arguments->json ? "eval json status" : "eval text status",
				   SL_SPAN(""), "sluice eval --help", &reply);
	if (!exit_code)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static int run_eval(const struct sl_command *command, const struct sl_arguments *arguments)
{
	(void)command;
	if (!strcmp(arguments->words[0], "status") && arguments->word_count == 1)
		return run_status(arguments);
	return sl_say_error("sluice eval --help", "expected status");
}

static const struct sl_option eval_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_eval = {
	.name = "eval",
	.words = "status",
	.words_min = 1,
	.words_max = 2,
	.summary = "show what evaluators found in answers",
	.description =
		"   status   by route and model (pool): answers looked at, the share that was bad "
		"and\n"
		"            its interval of 95 %, by measure: format, grounded (hallucinations),\n"
		"            relevant, judged; what was dropped, and what judges used\n"
		"Answers are looked at where routes[].evaluate.sample says so.",
	.options = eval_options,
	.run = run_eval,
};
