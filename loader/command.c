/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/command.h"

#include <stdio.h>
#include <string.h>
#include "loader/say.h"

static int usage_error(const struct sl_command *command, const char *what, const char *value)
{
	fprintf(stderr, "sluice %s: %s%s%s\n  next: sluice %s --help\n", command->name, what,
		value ? " " : "", value ? value : "", command->name);
	return SL_EXIT_USAGE;
}

static void print_help(const struct sl_command *command)
{
	const struct sl_option *option;

	printf("usage: sluice %s%s%s%s\n\n%s\n", command->name, command->words ? " " : "",
	       command->words ? command->words : "", command->options->kind ? " [OPTION]..." : "",
	       command->description);
	if (command->options->kind)
		printf("\noptions:\n");
	for (option = command->options; option->kind; option++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s%s", option->name,
			 option->kind == SL_OPTION_FLAG	   ? ""
			 : option->kind == SL_OPTION_MAYBE ? "[="
							   : " ",
			 option->value ? option->value : "",
			 option->kind == SL_OPTION_MAYBE ? "]" : "");
		printf("  %-30s %s\n", left, option->help);
	}
	printf("  %-30s %s\n", "--help", "this text");
}

/* The option of this name; the name ends at `=` or NUL. */
static const struct sl_option *find_option(const struct sl_command *command, const char *name)
{
	size_t name_len = strcspn(name, "=");

	for (const struct sl_option *option = command->options; option->kind; option++) {
		if (strlen(option->name) == name_len && !strncmp(option->name, name, name_len))
			return option;
	}
	return NULL;
}

static bool is_choice(const struct sl_option *option, const char *value)
{
	char wanted[64];

	if (!option->choices)
		return true;
	if (*value == '\0' || strchr(value, '|') || strlen(value) > sizeof(wanted) - 3)
		return false;
	snprintf(wanted, sizeof(wanted), "|%s|", value);
	return strstr(option->choices, wanted) != NULL;
}

/* Stores the value; returns what is wrong, or NULL. */
static const char *store(const struct sl_option *option, const char *value,
			 struct sl_arguments *arguments)
{
	char *target = (char *)arguments + option->offset;

	switch (option->kind) {
	case SL_OPTION_FLAG:
		*(bool *)target = true;
		return NULL;
	case SL_OPTION_TEXT:
	case SL_OPTION_MAYBE:
		if (!is_choice(option, value))
			return "value is none of the choices in --help:";
		*(const char **)target = value;
		return NULL;
	case SL_OPTION_DEVICES:
		if (arguments->device_count == SL_CONFIG_DEVICES_MAX)
			return "too many devices at";
		arguments->devices[arguments->device_count++] = value;
		return NULL;
	case SL_OPTION_END:
		break;
	}
	return "option is not known:";
}

/*
 * Takes one option from argv[*index] on and advances *index past what it used. Returns
 * SL_EXIT_OK, or SL_EXIT_USAGE after a message.
 */
static int take_option(const struct sl_command *command, int argc, char **argv, int *index,
		       struct sl_arguments *arguments)
{
	const char *text = argv[*index];
	const struct sl_option *option = find_option(command, text + 2);
	const char *equals = strchr(text, '=');
	const char *value = equals ? equals + 1 : NULL;
	const char *wrong;

	if (strncmp(text, "--", 2) || !option)
		return usage_error(command, "option is not known:", text);
	if (option->kind == SL_OPTION_FLAG && value)
		return usage_error(command, "option takes no value:", text);
	if (option->kind == SL_OPTION_MAYBE && !value)
		value = "";
	if ((option->kind == SL_OPTION_TEXT || option->kind == SL_OPTION_DEVICES) && !value) {
		if (*index + 1 >= argc)
			return usage_error(command, "option needs a value:", text);
		value = argv[++*index];
	}
	++*index;
	wrong = store(option, value, arguments);
	return wrong ? usage_error(command, wrong, text) : SL_EXIT_OK;
}

int sl_command_run(const struct sl_command *command, int argc, char **argv)
{
	struct sl_arguments arguments = {0};
	bool options_ended = false;
	int index = 0;

	while (index < argc) {
		const char *text = argv[index];

		if (!options_ended && (!strcmp(text, "--help") || !strcmp(text, "-h"))) {
			print_help(command);
			return SL_EXIT_OK;
		}
		if (!options_ended && !strcmp(text, "--")) {
			options_ended = true;
			index++;
			continue;
		}
		if (!options_ended && text[0] == '-' && text[1] != '\0') {
			int exit_code = take_option(command, argc, argv, &index, &arguments);

			if (exit_code != SL_EXIT_OK)
				return exit_code;
			continue;
		}
		if (arguments.word_count == command->words_max)
			return usage_error(command, "one argument too many:", text);
		arguments.words[arguments.word_count++] = text;
		index++;
	}
	if (arguments.word_count < command->words_min)
		return usage_error(command, "arguments missing, expected:", command->words);
	return command->run(command, &arguments);
}
