/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_import.c - `sluice import litellm`: another gateway's configuration as one of sluice.
 *
 * What it makes is read again by the reader that `sluice check` uses, before anything is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader/command.h"
#include "loader/litellm.h"
#include "loader/say.h"
#include "user/base/address.h"
#include "user/base/report.h"

#define LISTEN_DEFAULT "127.0.0.1:4000"
#define TEXT_MAX       (64u << 20)
#define READ_BYTES     65536u
#define OUTPUT_MODE    0644

static int read_file(const char *path, struct sl_text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;
	int error = fd < 0 ? errno : 0;

	while (!error && got > 0 && text->len <= SL_YAML_BYTES_MAX) {
		if (sl_text_reserve(text, READ_BYTES)) {
			error = ENOMEM;
			break;
		}
		got = read(fd, text->data + text->len, READ_BYTES);
		if (got > 0)
			text->len += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
		else if (got < 0)
			error = errno;
	}
	if (fd >= 0)
		close(fd);
	if (error)
		return sl_say_error("give the path of LiteLLM's config.yaml", "%s: %s", path,
				    strerror(error));
	return SL_EXIT_OK;
}

/*
 * LiteLLM has no ${NAME}: the two bytes stand for themselves. The reader would replace them, so
 * they are written as it wants them (columns shift, lines stay).
 */
static void escape(const struct sl_text *from, struct sl_text *to)
{
	for (size_t i = 0; i < from->len; i++) {
		if (from->data[i] == '$' && i + 1 < from->len && from->data[i + 1] == '{')
			sl_text_append_char(to, '$');
		sl_text_append_char(to, from->data[i]);
	}
}

/* Parses and builds. SL_EXIT_OK also where nothing could be taken. */
static int convert(struct sl_litellm *import, const struct sl_text *source)
{
	struct sl_report report;
	struct sl_yaml *root = NULL;
	int rc, exit_code = SL_EXIT_OK;

	sl_report_init(&report, import->file, sl_text_string(source), source->len);
	rc = sl_yaml_parse(&report, &import->arena, &root);
	if (rc || report.count) {
		char *complaints = sl_report_render(&report);

		fputs(complaints ? complaints : "", stderr);
		free(complaints);
		exit_code = sl_say_error("mend what the lines above name, and import again",
					 "%s cannot be read as YAML", import->file);
	} else if (root->kind != SL_YAML_MAP) {
		exit_code = sl_say_error("give the path of LiteLLM's config.yaml",
					 "%s: expected a map with a model_list, here is %s",
					 import->file, sl_yaml_kind_name(root->kind));
	} else {
		rc = sl_litellm_read(import, root);
		rc = rc ? rc : sl_litellm_build(import);
		if (rc)
			exit_code = sl_say_error(NULL, "%s: out of memory", import->file);
	}
	sl_report_fini(&report);
	return exit_code;
}

/* What was made must be good; if it is not, that is a fault of this command. */
static int check(const struct sl_text *made)
{
	struct sl_config *config = NULL;
	char *errors = NULL;

	if (made->error)
		return sl_say_error(NULL, "the configuration is larger than %u bytes", TEXT_MAX);
	if (!sl_config_parse("output", sl_text_string(made), made->len, &config, &errors)) {
		sl_config_close(&config);
		return SL_EXIT_OK;
	}
	fputs(errors ? errors : "", stderr);
	free(errors);
	return sl_say_error("report it, with the lines above",
			    "the configuration that was made is not good");
}

/* A new file, or with --force in place of another, which stays whole if this fails. */
static int write_output(const char *path, const struct sl_text *made, bool force)
{
	char temporary[4096];
	int fd, error = 0;

	if (snprintf(temporary, sizeof(temporary), force ? "%s.new" : "%s", path) >=
	    (int)sizeof(temporary))
		return sl_say_error(NULL, "--output: the path is too long");
	if (force)
		unlink(temporary);
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, OUTPUT_MODE);
	if (fd < 0)
		return sl_say_error(errno == EEXIST ? "choose another, or overwrite it: --force"
						    : NULL,
				    "--output %s: %s", path, strerror(errno));
	error = -sl_text_write(made, fd);
	if (close(fd) && !error)
		error = errno;
	if (!error && force && rename(temporary, path))
		error = errno;
	if (!error)
		return SL_EXIT_OK;
	unlink(temporary);
	return sl_say_error(NULL, "--output %s: %s", path, strerror(error));
}

static int say_findings(const struct sl_litellm *import)
{
	struct sl_text text;

	sl_text_init(&text, TEXT_MAX);
	sl_litellm_write_findings(import, "", &text);
	fputs(sl_text_string(&text), stderr);
	sl_text_fini(&text);
	return import->counts[SL_LITELLM_UNSUPPORTED] > 0;
}

static int say_json(const struct sl_litellm *import, const char *output, const char *configuration)
{
	struct sl_text text;
	int exit_code = SL_EXIT_OK;

	sl_text_init(&text, 2 * TEXT_MAX);
	sl_litellm_write_json(import, output, configuration, &text);
	if (text.error)
		exit_code = sl_say_error(NULL, "the report is larger than %u bytes", 2 * TEXT_MAX);
	else
		fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	return exit_code;
}

/* Writes what was asked for. */
static int deliver(struct sl_litellm *import, const struct sl_arguments *arguments)
{
	bool unsupported = say_findings(import);
	bool refused = arguments->strict && unsupported;
	const char *output = arguments->output;
	struct sl_text made;
	int exit_code = SL_EXIT_OK, json_code = SL_EXIT_OK;

	sl_text_init(&made, TEXT_MAX);
	if (!sl_litellm_routes(import))
		exit_code = sl_say_error("the lines above say why",
					 "%s: no deployment could be taken, so there is no "
					 "configuration",
					 import->file);
	else if (refused)
		exit_code = sl_say_error("remove those keys, or import without --strict",
					 "%s: %u keys are not supported", import->file,
					 import->counts[SL_LITELLM_UNSUPPORTED]);
	if (!exit_code) {
		sl_litellm_write(import, &made);
		exit_code = check(&made);
	}
	if (!exit_code && output)
		exit_code = write_output(output, &made, arguments->force);
	if (arguments->json)
		json_code = say_json(import, exit_code ? NULL : output,
				     exit_code ? NULL : sl_text_string(&made));
	else if (!exit_code && !output)
		fputs(sl_text_string(&made), stdout);
	sl_text_fini(&made);
	return exit_code ? exit_code : json_code;
}

static int run_import(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *listen = arguments->listen ? arguments->listen : LISTEN_DEFAULT;
	struct sl_endpoint endpoint;
	struct sl_litellm import;
	struct sl_text file, source;
	struct sl_error why;
	int exit_code;

	(void)command;
	if (strcmp(arguments->words[0], "litellm") != 0) {
		sl_say_error("sluice import --help", "import %s: expected litellm",
			     arguments->words[0]);
		return SL_EXIT_USAGE;
	}
	if (sl_address_parse(listen, &endpoint, &why))
		return sl_say_error(NULL, "--listen: %s", why.text);
	sl_litellm_init(&import, arguments->words[1], listen);
	sl_text_init(&file, SL_YAML_BYTES_MAX + 2 * READ_BYTES);
	sl_text_init(&source, 2 * (SL_YAML_BYTES_MAX + 2 * READ_BYTES));
	exit_code = read_file(arguments->words[1], &file);
	if (!exit_code) {
		escape(&file, &source);
		exit_code = source.error ? sl_say_error(NULL, "out of memory")
					 : convert(&import, &source);
	}
	if (!exit_code)
		exit_code = deliver(&import, arguments);
	sl_text_fini(&source);
	sl_text_fini(&file);
	sl_litellm_fini(&import);
	return exit_code;
}

static const struct sl_option import_options[] = {
	{SL_OPTION_TEXT, "output", "FILE", NULL, offsetof(struct sl_arguments, output),
	 "write the configuration there; a file that exists is an error"},
	{SL_OPTION_FLAG, "force", NULL, NULL, offsetof(struct sl_arguments, force),
	 "overwrite the file of --output"},
	{SL_OPTION_TEXT, "listen", "ADDR:PORT", NULL, offsetof(struct sl_arguments, listen),
	 "where the daemon takes requests (default: " LISTEN_DEFAULT ")"},
	{SL_OPTION_FLAG, "strict", NULL, NULL, offsetof(struct sl_arguments, strict),
	 "write nothing and fail where a key is not supported"},
	{SL_OPTION_FLAG, "json", NULL, NULL, offsetof(struct sl_arguments, json),
	 "print what was and was not taken, and the configuration, as one JSON object"},
	SL_OPTION_NONE,
};

const struct sl_command sl_command_import = {
	.name = "import",
	.words = "litellm FILE",
	.words_min = 2,
	.words_max = 2,
	.summary = "make a configuration from that of another gateway",
	.description =
		"Reads a LiteLLM proxy's config.yaml and prints a configuration of sluice that\n"
		"`sluice check` takes. What sluice cannot express is named on standard error with\n"
		"its line, and in comments. `os.environ/NAME` is looked up as LiteLLM does.\n"
		"Needs no privilege.",
	.options = import_options,
	.run = run_import,
};
