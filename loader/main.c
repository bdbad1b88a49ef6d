/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - the `sluice` command: the list of its subcommands, and nothing else.
 *
 * Exit codes: 0 done, 1 failed (with a message that names the next action), 2 usage.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bpf/abi.h"
#include "loader/command.h"
#include "loader/say.h"
#include "loader/version.h"

static int run_version(const struct sl_command *command, const struct sl_arguments *arguments)
{
	(void)command;
	if (arguments->json)
		printf("{\"version\": \"%s\", \"abi\": %u}\n", SL_VERSION, SL_ABI_VERSION);
	else
		printf("sluice %s (map ABI %u)\n", SL_VERSION, SL_ABI_VERSION);
	return SL_EXIT_OK;
}

static const struct sl_option version_options[] = {SL_OPTION_JSON, SL_OPTION_NONE};

static const struct sl_command command_version = {
	.name = "version",
	.summary = "print the versions of the command and of its maps",
	.description = "Prints the version of the command and the ABI version of the maps it pins.",
	.options = version_options,
	.run = run_version,
};

/* In the order of `sluice --help`; a line each, so that two new ones do not meet. */
/* clang-format off */
static const struct sl_command *const commands[] = {
	&sl_command_up,
	&sl_command_down,
	&sl_command_status,
	&sl_command_top,
	&sl_command_trace,
	&sl_command_check,
	&sl_command_tune,
	&sl_command_drain,
	&sl_command_undrain,
	&sl_command_breaker,
	&sl_command_guard,
	&sl_command_key,
	&sl_command_import,
	&sl_command_explain,
	&sl_command_prompt,
	&sl_command_index,
	&sl_command_canary,
	&sl_command_cache,
	&sl_command_audit,
	&sl_command_upgrade,
	&sl_command_slo,
	&sl_command_alerts,
	&sl_command_feedback,
	&sl_command_eval,
	&sl_command_incidents,
	&sl_command_rollout,
	&sl_command_chaos,
	&command_version,
};
/* clang-format on */

static void print_usage(FILE *stream)
{
	fprintf(stream, "usage: sluice COMMAND [ARGUMENT]... [OPTION]...\n\n"
			"Loads, inspects and steers the kernel plane of sluice.\n\ncommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(stream, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(stream, "\n`sluice COMMAND --help` tells about each; the manual is sluice(8).\n");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		print_usage(stderr);
		return SL_EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		print_usage(stdout);
		return SL_EXIT_OK;
	}
	if (!strcmp(name, "--version"))
		name = "version";
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i]->name, name)) {
			int exit_code = sl_command_run(commands[i], argc - 2, argv + 2);

			/* a full disk or a closed pipe must not look like success */
			if (fflush(stdout) != 0 && exit_code == SL_EXIT_OK)
				return SL_EXIT_FAILED;
			return exit_code;
		}
	}
	fprintf(stderr, "sluice: command is not known: %s\n  next: sluice --help\n", name);
	return SL_EXIT_USAGE;
}
