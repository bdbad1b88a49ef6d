/* SPDX-License-Identifier: BSD-2-Clause */
/* cmd_incidents.c - `sluice incidents`: the daemon's ledger of what broke (user/ops/incidents.h). */
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define LINE_BYTES 256u
#define WORD_MAX   32u

static int run_incidents(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *verb = arguments->word_count ? arguments->words[0] : "list";
	const char *more = arguments->word_count > 1 ? arguments->words[1] : arguments->since;
	bool show = !strcmp(verb, "show");
	char line[LINE_BYTES];

	(void)command;
	if (!show && strcmp(verb, "list") != 0 && strcmp(verb, "stats") != 0)
		return sl_say_error("sluice incidents --help",
				    "\"%s\": expected list, show or stats", verb);
	if (show != (arguments->word_count > 1))
		return sl_say_error("sluice incidents list",
				    show ? "show which incident?" : "only show takes an ID");
	if (more && (!more[0] || strpbrk(more, " \n") || strlen(more) > WORD_MAX))
		return sl_say_error("sluice incidents --help", "\"%s\": expected a time like 2h",
				    more);
	snprintf(line, sizeof(line), "incidents %s %s%s%s", arguments->json ? "json" : "text", verb,
		 more ? " " : "", more ? more : "");
	return sl_admin_show(sl_admin_path(arguments->admin_socket), line,
			     "sluice incidents --help");
}

static const struct sl_option incidents_options[] = {
	SL_OPTION_JSON,
	{SL_OPTION_TEXT, "since", "TIME", NULL, offsetof(struct sl_arguments, since),
	 "only what was open in the last 90s, 2h, 7d"},
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_incidents = {
	.name = "incidents",
	.words = "[list|show ID|stats]",
	.words_max = 2,
	.summary = "show what broke, what was done about it and who was harmed",
	.description = "list      the incidents, the newest last\n"
		       "show ID   its timeline: what was seen by which plane, what was done, which "
		       "requests\n"
		       "          and keys it concerned\n"
		       "stats     mean times between failures, to repair and to detection, by "
		       "node, pool,\n"
		       "          dependency and route",
	.options = incidents_options,
	.run = run_incidents,
};
