/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_index.c - `sluice index list|build|append|verify|promote|rollback`: the daemon's indexes. An order is
 * carried out by the daemon's builder; this waits for it, and may be ended meanwhile without harm.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 128u /* that the daemon takes */
#define POLL_MS	   50

/* One line to the daemon. Returns an enum sl_exit; what it says is in reply. */
static int say(const char *path, const char *line, struct sl_text *reply)
{
	return sl_admin_order(path, line, SL_SPAN(""), "sluice index list", reply);
}

/* Until the builder has done it; how far it is goes to a terminal. */
static int wait_until_done(const char *path, const struct sl_arguments *arguments,
			   struct sl_text *reply)
{
	const struct timespec pause = {0, POLL_MS * 1000000L};
	bool shows = isatty(STDERR_FILENO), shown = false;
	char line[LINE_BYTES];
	int exit_code;

	snprintf(line, sizeof(line), "index %s wait %s %.20s", arguments->json ? "json" : "text",
		 arguments->words[1], sl_text_string(reply) + 1);
	do {
		nanosleep(&pause, NULL);
		exit_code = say(path, line, reply);
		if (shows && exit_code == SL_EXIT_OK && sl_text_string(reply)[0] == '.') {
			fprintf(stderr, "\r%-40s", sl_text_string(reply) + 1);
			shown = true;
		}
	} while (exit_code == SL_EXIT_OK && sl_text_string(reply)[0] == '.');
	if (shown)
		fputc('\n', stderr);
	return exit_code;
}

static int run_index(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *path = sl_admin_path(arguments->admin_socket);
	char line[LINE_BYTES];
	struct sl_text reply;
	int used, exit_code;

	(void)command;
	used = snprintf(line, sizeof(line), "index %s", arguments->json ? "json" : "text");
	for (uint32_t i = 0; i < arguments->word_count && used < (int)sizeof(line); i++)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " %s",
				 arguments->words[i]);
	if (used >= (int)sizeof(line) || strchr(line, '\n') ||
	    strcmp(arguments->words[0], "wait") == 0)
		return sl_say_error("sluice index --help", "the words are too long, or unknown");
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	exit_code = say(path, line, &reply);
	if (exit_code == SL_EXIT_OK && sl_text_string(&reply)[0] == '.')
		exit_code = wait_until_done(path, arguments, &reply);
	if (exit_code == SL_EXIT_OK)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static const struct sl_option index_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_index = {
	.name = "index",
	.words = "list|build|append|verify|promote|rollback [NAME [VERSION]]",
	.words_min = 1,
	.words_max = 3,
	.summary = "make, check and serve versions of the document indexes",
	.description =
		"list [NAME]             what is served, its versions, and what is stale\n"
		"build NAME              a version from all documents\n"
		"append NAME             a version with what changed in the documents\n"
		"verify NAME [VERSION]   reads a version whole and asks it sample questions\n"
		"promote NAME VERSION    serves a version from now on, in one step\n"
		"rollback NAME           serves the version before\n\n"
		"What is served goes on being served meanwhile. A version that is made is checked, "
		"and waits\n"
		"for its promotion; those that the daemon makes by itself (indexes.NAME.refresh) "
		"do not.",
	.options = index_options,
	.run = run_index,
};
