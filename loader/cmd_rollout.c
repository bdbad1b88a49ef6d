/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_rollout.c - `sluice rollout`: gives another model, version of a prompt or of an index, or configuration to more
 * and more requests. The daemon does it (user/ops/rollout.h); here its words are put together.
 */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 480u
#define HELP	   "sluice rollout --help"

static const char *const verbs[] = {"status",  "start", "pause", "resume",
				    "promote", "abort", "forget"};

static bool is_verb(const char *word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(word, verbs[i]))
			return true;
	}
	return false;
}

static int run_rollout(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *verb = arguments->word_count ? arguments->words[0] : "status";
	char line[LINE_BYTES];
	int len = snprintf(line, sizeof(line), "rollout %s %s", arguments->json ? "json" : "text",
			   verb);
	struct sl_text reply;
	int exit_code;

	(void)command;
	if (!is_verb(verb))
		return sl_say_error(
			HELP,
			"\"%s\": expected status, start, pause, resume, promote, abort or "
			"forget",
			verb);
	if (strcmp(verb, "status") != 0 && arguments->word_count < 2)
		return sl_say_error(HELP, "%s which roll-out?", verb);
	for (uint32_t i = 1; i < arguments->word_count; i++) {
		if (strpbrk(arguments->words[i], " \n") || !arguments->words[i][0])
			return sl_say_error(HELP, "\"%s\" has a blank in it", arguments->words[i]);
		if ((size_t)len < sizeof(line))
			len += snprintf(line + len, sizeof(line) - (size_t)len, " %s",
					arguments->words[i]);
	}
	if ((size_t)len < sizeof(line) && arguments->force)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " force");
	if ((size_t)len < sizeof(line) && arguments->blue_green)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " blue-green");
	if ((size_t)len >= sizeof(line))
		return sl_say_error(HELP, "that is too long");
	sl_text_init(&reply, 1u << 20);
	exit_code = sl_admin_order(sl_admin_path(arguments->admin_socket), line, SL_SPAN(""), HELP,
				   &reply);
	if (!exit_code)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static const struct sl_option rollout_options[] = {
	{SL_OPTION_FLAG, "force", NULL, NULL, offsetof(struct sl_arguments, force),
	 "start although the candidate has drifted, or its suite has not passed; promote without "
	 "its check"},
	{SL_OPTION_FLAG, "blue-green", NULL, NULL, offsetof(struct sl_arguments, blue_green),
	 "start with all requests at once; the gates are the same, abort is the switch back"},
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_rollout = {
	.name = "rollout",
	.words = "[status|start|pause|resume|promote|abort|forget [NAME [KEY=VALUE]...]]",
	.words_max = SL_COMMAND_WORDS_MAX,
	.summary = "give another model, prompt, index or configuration to more and more requests",
	.description =
		"status [NAME]   what is rolled out, how far, and what speaks against it\n"
		"start NAME route=MODEL pool=POOL         another pool for a route\n"
		"start NAME prompt=ID version=VERSION     another version of a prompt\n"
		"start NAME index=NAME version=NUMBER     another version of an index\n"
		"start NAME config=FILE                    another configuration, of routes and "
		"models\n"
		"   steps=1,5,25,100  per cent of those who ask, step by step; 100: all at once\n"
		"   steps=shadow,1,5,25,100  first it is asked beside, and nobody gets what it "
		"says\n"
		"   shadow=10 asks=60 beside so many per cent of the requests, so many a minute\n"
		"   step=10m          least length of a step\n"
		"   requests=50       least number of requests that a step must have seen\n"
		"   judged=0          the same of those that were judged\n"
		"   check=NAME        a program of rollouts.checks that has to pass before each "
		"step\n"
		"   errors=10 invalid=10 slow=25 missed=10 score=25 quality=10\n"
		"                     per cent more than the baseline has that are found, and roll "
		"it back at once; 0: does not count\n"
		"pause|resume NAME   takes no further step; goes on\n"
		"promote NAME        all requests now; with a check: once that, run now, has "
		"passed\n"
		"abort NAME          none from now on, the baseline for all\n"
		"forget NAME         one that has ended; a full one of a model once the\n"
		"                    configuration says so itself",
	.options = rollout_options,
	.run = run_rollout,
};
