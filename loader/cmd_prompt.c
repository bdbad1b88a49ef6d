/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_prompt.c - `sluice prompt list|promote|rollback`: the daemon's stored prompts.
 */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 128u /* that the daemon takes */

static int run_prompt(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *path = sl_admin_path(arguments->admin_socket);
	char line[LINE_BYTES];
	struct sl_text reply;
	int used, error, exit_code = SL_EXIT_OK;

	(void)command;
	used = snprintf(line, sizeof(line), "prompt %s", arguments->json ? "json" : "text");
	for (uint32_t i = 0; i < arguments->word_count && used < (int)sizeof(line); i++)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " %s",
				 arguments->words[i]);
	if (used >= (int)sizeof(line) || strchr(line, '\n'))
		return sl_say_error("sluice prompt --help", "the words are too long");
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	error = sl_admin_say(path, line, &reply);
	if (error)
		exit_code = sl_say_error("systemctl status sluiced", "no daemon answers at %s: %s",
					 path, strerror(-error));
	else if (sl_text_string(&reply)[0] == '!')
		exit_code = sl_say_error("sluice prompt list", "%s", sl_text_string(&reply) + 1);
	else
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static const struct sl_option prompt_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_prompt = {
	.name = "prompt",
	.words = "list|promote|rollback [ID [VERSION [LABEL]]]",
	.words_min = 1,
	.words_max = 4,
	.summary = "list stored prompts, promote a version, roll back",
	.description =
		"list                         every version: labels, state, answers served and "
		"spoilt\n"
		"promote ID VERSION [LABEL]   points stable (or canary, known-good) at it; the\n"
		"                             stable version before becomes known-good\n"
		"rollback ID                  stable is the version before again, at once\n\n"
		"A version is given by the first six or more digits of its hash. Each change "
		"is a line\n"
		"of audit.log in prompts.dir. A new version is a changed ID.prompt there, read "
		"at SIGHUP.",
	.options = prompt_options,
	.run = run_prompt,
};
