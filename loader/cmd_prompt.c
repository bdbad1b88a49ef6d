/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_prompt.c - `sluice prompt`: the daemon's stored prompts. What the words mean is the daemon's to say
 * (user/ops/prompt_say.h); only the text of a push is read here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 480u /* that the daemon takes */
#define HASH_BYTES 65u
#define POLL_MS	   200
#define TEXT_BYTES (1u << 20) /* the same, of a text */

/* FILE, or standard input for "-". */
static int read_text(const char *path, struct sl_text *text)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "r") : stdin;
	char part[16384];
	size_t got;

	if (!file)
		return sl_say_error("give a file that can be read, or -", "%s: %s", path,
				    strerror(errno));
	while ((got = fread(part, 1, sizeof(part), file)) > 0)
		sl_text_append(text, part, got);
	if (ferror(file) || text->error)
		sl_say_error("a prompt has at most 256 KiB", "%s: %s", path,
			     text->error ? "it is too long" : strerror(errno));
	got = ferror(file) || text->error;
	if (file != stdin)
		fclose(file);
	return got ? SL_EXIT_FAILED : SL_EXIT_OK;
}

/* The line to say. Of a push the file's name stays here and the length of its text goes. */
static int write_line(const struct sl_arguments *arguments, const struct sl_text *body, bool push,
		      char line[LINE_BYTES])
{
	int used = snprintf(line, LINE_BYTES, "prompt %s", arguments->json ? "json" : "text");

	for (uint32_t i = 0; i < arguments->word_count && used < (int)LINE_BYTES; i++) {
		if (!arguments->words[i][0] || strpbrk(arguments->words[i], " \n"))
			return sl_say_error("sluice prompt --help", "\"%s\" is no id or version",
					    arguments->words[i]);
		if (push && i == 2)
			break;
		used += snprintf(line + used, LINE_BYTES - (size_t)used, " %s",
				 arguments->words[i]);
	}
	if (arguments->force && used < (int)LINE_BYTES)
		used += snprintf(line + used, LINE_BYTES - (size_t)used, " force");
	if (push && used < (int)LINE_BYTES)
		used += snprintf(line + used, LINE_BYTES - (size_t)used, " +%zu", body->len);
	if (used >= (int)LINE_BYTES)
		return sl_say_error("sluice prompt --help", "the words are too long");
	return SL_EXIT_OK;
}

/* One question; the reply is the caller's to free. */
static int ask(const struct sl_arguments *arguments, const char *line, struct sl_span body,
	       struct sl_text *reply)
{
	sl_text_init(reply, SL_ADMIN_REPLY_BYTES_MAX);
	return sl_admin_order(sl_admin_path(arguments->admin_socket), line, body,
			      "sluice prompt --help", reply);
}

/* ---- suites ---------------------------------------------------------------------------------- */

/* The version that is tested, from "~HASH DONE COUNT" or the same as JSON. */
static bool read_hash(const char *reply, char hash[HASH_BYTES])
{
	const char *at = strstr(reply, "\"version\":\"");

	at = at ? at + strlen("\"version\":\"") : reply + 1;
	snprintf(hash, HASH_BYTES, "%.*s", (int)strspn(at, "0123456789abcdef"), at);
	return strlen(hash) == HASH_BYTES - 1;
}

/* Does the report say that all cases have passed? */
static int judge(const char *report)
{
	static const char text[] = "passed ", json[] = "{\"verdict\":\"passed\"";

	return !strncmp(report, text, sizeof(text) - 1) || !strncmp(report, json, sizeof(json) - 1)
		       ? SL_EXIT_OK
		       : SL_EXIT_FAILED;
}

/* Waits until the suite has ended. The daemon bounds that (prompts.suite_timeout). */
static int wait_for_report(const struct sl_arguments *arguments, const char *started,
			   struct sl_text *reply)
{
	const struct timespec pause = {.tv_nsec = POLL_MS * 1000000L};
	char line[LINE_BYTES], hash[HASH_BYTES];
	int exit_code;

	if (!read_hash(started, hash))
		return sl_say_error(NULL, "the daemon says \"%.80s\"", started);
	snprintf(line, sizeof(line), "prompt %s report %.*s@%s", arguments->json ? "json" : "text",
		 (int)strcspn(arguments->words[1], "@"), arguments->words[1], hash);
	do {
		nanosleep(&pause, NULL);
		sl_text_fini(reply);
		exit_code = ask(arguments, line, SL_SPAN(""), reply);
	} while (!exit_code && sl_text_string(reply)[0] == '~');
	return exit_code;
}

static int say(const struct sl_arguments *arguments, const char *line, struct sl_span body)
{
	const char *verb = arguments->words[0];
	struct sl_text reply;
	char *started = NULL;
	int exit_code = ask(arguments, line, body, &reply);

	if (!exit_code && !strcmp(verb, "test")) {
		started = sl_text_take(&reply);
		exit_code = wait_for_report(arguments, started ? started : "", &reply);
		free(started);
	}
	if (!exit_code) {
		const char *text = sl_text_string(&reply);

		fputs(text[0] == '~' ? text + 1 : text, stdout);
		if (!strcmp(verb, "test") || !strcmp(verb, "report"))
			exit_code = judge(text);
	}
	sl_text_fini(&reply);
	return exit_code;
}

static int run_prompt(const struct sl_command *command, const struct sl_arguments *arguments)
{
	bool push = !strcmp(arguments->words[0], "push");
	char line[LINE_BYTES];
	struct sl_text body;
	int exit_code = SL_EXIT_OK;

	(void)command;
	sl_text_init(&body, TEXT_BYTES);
	if (push && arguments->word_count != 3)
		exit_code = sl_say_error("sluice prompt --help", "expected push ID FILE");
	if (push && !exit_code)
		exit_code = read_text(arguments->words[2], &body);
	if (!exit_code)
		exit_code = write_line(arguments, &body, push, line);
	if (!exit_code)
		exit_code = say(arguments, line, sl_text_span(&body));
	sl_text_fini(&body);
	return exit_code;
}

static const struct sl_option prompt_options[] = {
	{SL_OPTION_FLAG, "force", NULL, NULL, offsetof(struct sl_arguments, force),
	 "promote whatever the version's suite says, and whatever model has changed"},
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_prompt = {
	.name = "prompt",
	.words = "push|list|show|diff|promote|rollback|test|report [ID [VERSION [LABEL]]]",
	.words_min = 1,
	.words_max = 4,
	.summary = "keep, list, compare and test stored prompts, promote a version, roll back",
	.description =
		"push ID FILE                 keeps the file's text (- for standard input) as a "
		"version;\n"
		"                             the same text again is the same version\n"
		"list [ID]                    every version: labels, state, answers served and "
		"spoilt\n"
		"show ID[@VERSION]            its text; of the stable one where none is named\n"
		"diff ID[@FROM] [TO]          what is different, as diff -u says it; from stable "
		"to the newest\n"
		"promote ID VERSION [LABEL]   points stable (or canary, known-good) at it; the\n"
		"                             stable version before becomes known-good\n"
		"                             refused while its suite has not passed, or a pool "
		"that it\n"
		"                             goes to has a model that has changed, but for "
		"--force\n"
		"rollback ID                  stable is the version before again, at once\n"
		"test ID[@VERSION] [MODEL]    runs its regression suite and waits for the report; "
		"status 0\n"
		"                             when all cases have passed, for CI\n"
		"report ID[@VERSION]          how that ended last\n\n"
		"A version is given by the first six or more digits of its hash, or by a label. "
		"Each change\n"
		"is a line of audit.log in prompts.dir. A changed ID.prompt there, read at SIGHUP, "
		"is a\n"
		"push too.",
	.options = prompt_options,
	.run = run_prompt,
};
