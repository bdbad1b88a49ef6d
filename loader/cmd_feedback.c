/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_feedback.c - `sluice feedback`: what clients said about answers. */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 256u

static int run_feedback(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *count = arguments->word_count > 1 ? arguments->words[1] : "";
	char line[LINE_BYTES];

	(void)command;
	if (strlen(arguments->words[0]) + strlen(count) > LINE_BYTES / 2 ||
	    strpbrk(arguments->words[0], " \n") || strpbrk(count, " \n"))
		return sl_say_error("sluice feedback --help", "expected list [COUNT] or stats");
	snprintf(line, sizeof(line), "feedback %s %s%s%s", arguments->json ? "json" : "text",
		 arguments->words[0], count[0] ? " " : "", count);
	return sl_admin_show(sl_admin_path(arguments->admin_socket), line,
			     "sluice feedback --help");
}

static const struct sl_option feedback_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_feedback = {
	.name = "feedback",
	.words = "list [COUNT] | stats",
	.words_min = 1,
	.words_max = 2,
	.summary = "show what clients said about answers",
	.description = "   list [COUNT]   the newest ratings (20), with what they are of\n"
		       "   stats          ratings and satisfaction by route, model (pool) and "
		       "version of the\n"
		       "                  prompt, and how many were refused\n"
		       "Clients rate by POST /v1/feedback; see feedback in the configuration.",
	.options = feedback_options,
	.run = run_feedback,
};
