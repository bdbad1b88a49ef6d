/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_canary.c - `sluice canary`: questions that tell whether a model has changed. What the words mean is
 * the daemon's to say (user/ops/canary.h); a run is begun there and waited for here.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 256u
#define POLL_MS	   200
#define POLLS_MAX  (3600 * 1000 / POLL_MS) /* an hour of them */
#define SOON_MS	   20
#define SOON_POLLS 100 /* at first: a short run is over at once */

/* Says one line. An answer that is an error is told. */
static int say(const struct sl_arguments *arguments, const char *verb, const char *pool,
	       struct sl_text *reply)
{
	char line[LINE_BYTES];

	if (pool && (!pool[0] || strpbrk(pool, " \n") || strlen(pool) > 64))
		return sl_say_error("sluice canary --help", "\"%s\" is no pool's name", pool);
	snprintf(line, sizeof(line), "canary %s %s%s%s", arguments->json ? "json" : "text", verb,
		 pool ? " " : "", pool ? pool : "");
	return sl_admin_order(sl_admin_path(arguments->admin_socket), line, SL_SPAN(""),
			      "sluice canary --help", reply);
}

/* Until so many runs have ended. */
static int wait_for(const struct sl_arguments *arguments, const char *pool,
		    unsigned long long until, struct sl_text *reply)
{
	struct timespec pause = {.tv_nsec = SOON_MS * 1000000L};

	for (int i = 0; i < POLLS_MAX; i++) {
		int exit_code = say(arguments, "ended", pool, reply);

		if (exit_code)
			return exit_code;
		if (strtoull(sl_text_string(reply), NULL, 10) >= until)
			return SL_EXIT_OK;
		if (i == SOON_POLLS)
			pause.tv_nsec = POLL_MS * 1000000L;
		nanosleep(&pause, NULL);
	}
	return sl_say_error("sluice canary show", "the run has not ended within an hour");
}

static int run_canary(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *verb = arguments->words[0];
	const char *pool = arguments->word_count > 1 ? arguments->words[1] : NULL;
	bool accepts = !strcmp(verb, "accept");
	bool begins = accepts || !strcmp(verb, "run") || !strcmp(verb, "record");
	unsigned long long until = 0;
	struct sl_text reply;
	int exit_code = SL_EXIT_OK;

	(void)command;
	sl_text_init(&reply, 1u << 20);
	if (!begins && strcmp(verb, "show") != 0)
		exit_code = sl_say_error("sluice canary --help",
					 "\"%s\": expected show, run, record or accept", verb);
	else if (begins && !pool)
		exit_code = sl_say_error("sluice canary show", "%s which pool's questions?", verb);
	if (!exit_code && begins) {
		exit_code = say(arguments, verb, pool, &reply);
		until = exit_code ? 0 : strtoull(sl_text_string(&reply), NULL, 10);
		if (until)
			exit_code = wait_for(arguments, pool, until, &reply);
	}
	if (!exit_code && (until || !begins)) {
		exit_code = say(arguments, "show", pool, &reply);
	} else if (!exit_code) { /* a pool without questions */
		sl_text_reset(&reply);
		sl_text_printf(&reply, "%s\n", arguments->json ? "{\"pools\":[]}" : "accepted");
	}
	if (!exit_code)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static const struct sl_option canary_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_canary = {
	.name = "canary",
	.words = "show|run|record|accept [POOL]",
	.words_min = 1,
	.words_max = 2,
	.summary = "ask models their canary questions, record a baseline, show what has changed",
	.description =
		"show [POOL]   what the last run has found against the baseline, and the alarms\n"
		"run POOL      asks the questions now (pools.NAME.canary.file), waits, and shows "
		"that\n"
		"record POOL   asks each several times and makes the answers the baseline, in the\n"
		"              place of the one before\n"
		"accept POOL   what was found last is right: the alarms end, those of the names in "
		"its\n"
		"              nodes' answers too, and prompts may be promoted to it again\n\n"
		"The daemon runs them by itself every pools.NAME.canary.every.",
	.options = canary_options,
	.run = run_canary,
};
