/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_explain.c - `sluice explain REQUEST-ID`: what the daemon decided about one request, and when.
 */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define ID_LEN_MAX 63u /* as the daemon takes it from x-request-id */

static int run_explain(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *path = sl_admin_path(arguments->admin_socket), *id = arguments->words[0];
	char line[ID_LEN_MAX + 32];
	struct sl_text reply;
	int error, exit_code = SL_EXIT_OK;

	(void)command;
	if (!id[0] || strlen(id) > ID_LEN_MAX || strpbrk(id, " \n"))
		return sl_say_error("sluice explain with the value of x-request-id",
				    "\"%s\" is no request's id", id);
	snprintf(line, sizeof(line), "explain %s %s", id, arguments->json ? "json" : "text");
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	error = sl_admin_say(path, line, &reply);
	if (error)
		exit_code = sl_say_error("systemctl status sluiced", "no daemon answers at %s: %s",
					 path, strerror(-error));
	else if (!reply.len)
		exit_code =
			sl_say_error("look into the file of log.requests, which keeps it longer",
				     "request %s is not known (the daemon keeps the last 1,024 "
				     "of each thread)",
				     id);
	else
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static const struct sl_option explain_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_explain = {
	.name = "explain",
	.words = "REQUEST-ID|TRACE-ID",
	.words_min = 1,
	.words_max = 1,
	.summary = "tell what the daemon decided about one request, and when",
	.description = "Shows each decision with its time since the request came: admitted or "
		       "refused, cache,\n"
		       "pools entered and why, each attempt with its node, why that node, when it "
		       "was sent and\n"
		       "how it ended, waits, and the outcome. The id is the answer's x-request-id, "
		       "or its trace's. "
		       "The daemon\n"
		       "keeps the last 1,024 requests of each thread.",
	.options = explain_options,
	.run = run_explain,
};
