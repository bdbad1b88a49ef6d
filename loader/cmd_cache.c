/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_cache.c - `sluice cache`: the answers that the daemon keeps. What the words mean is the daemon's to
 * say (user/ops/cache_say.h).
 */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define SELECTORS_MAX 8u

static int ask(const struct sl_arguments *arguments, struct sl_span selectors)
{
	struct sl_text line, reply;
	int exit_code;

	sl_text_init(&line, 0);
	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	sl_text_printf(&line, "cache %s %s", arguments->json ? "json" : "text",
		       arguments->words[0]);
	if (selectors.len)
		sl_text_printf(&line, " +%zu", selectors.len);
	exit_code = sl_admin_order(sl_admin_path(arguments->admin_socket), sl_text_string(&line),
				   selectors, "sluice cache --help", &reply);
	if (exit_code == SL_EXIT_OK)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	sl_text_fini(&line);
	return exit_code;
}

static int run_cache(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct sl_text selectors;
	int exit_code;

	(void)command;
	if (strpbrk(arguments->words[0], " \n"))
		return sl_say_error("sluice cache --help", "expected list, show, explain or purge");
	sl_text_init(&selectors, 0);
	for (uint32_t i = 1; i < arguments->word_count; i++) {
		if (strchr(arguments->words[i], '\n')) {
			sl_text_fini(&selectors);
			return sl_say_error("sluice cache --help",
					    "a selector is one line: NAME=VALUE");
		}
		sl_text_append_string(&selectors, arguments->words[i]);
		sl_text_append_char(&selectors, '\n');
	}
	exit_code = ask(arguments, sl_text_span(&selectors));
	sl_text_fini(&selectors);
	return exit_code;
}

static const struct sl_option cache_options[] = {
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_cache = {
	.name = "cache",
	.words = "list|show|explain|purge [NAME=VALUE]...",
	.words_min = 1,
	.words_max = SELECTORS_MAX,
	.summary = "list, show, explain and purge kept answers",
	.description =
		"list     kept answers of the exact (e-...) and the semantic cache (s-...), at "
		"most "
		"200 of\n"
		"         each: key, tenant, route, version, age, question\n"
		"show     one of them, with its answer: key=KEY\n"
		"explain  the routes' similarity thresholds, and what is known of false hits\n"
		"purge    takes out what all selectors fit; all=yes: everything\n\n"
		"Selectors: key=KEY, tenant=NAME, route=MODEL, prefix=TEXT (how the question "
		"begins),\n"
		"version=HEX (of prompt and index, as list prints it).",
	.options = cache_options,
	.run = run_cache,
};
