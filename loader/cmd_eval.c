/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_eval.c - `sluice eval`: what evaluators found in live answers, and regression suites.
 *
 * `status` is the daemon's to say. `run` is done by another program, sluiced --eval (user/ops/eval_run.h): it
 * has the clients, the schemas and the encoder that a suite needs, and this command has none of them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"

#define WORDS_MAX  40u
#define EXIT_ERROR 2 /* of `run`: 1 is a regression */

static int run_status(const struct sl_arguments *arguments)
{

	return sl_admin_show(sl_admin_path(arguments->admin_socket),
			     arguments->json ? "eval json status" : "eval text status",
			     "sluice eval --help");
}

struct words {
	const char *words[WORDS_MAX + 1];
	uint32_t count;
};

static void add(struct words *words, const char *option, const char *value)
{
	if (!value || words->count + 2 > WORDS_MAX)
		return;
	words->words[words->count++] = option;
	words->words[words->count++] = value;
}

/* sluiced lies beside this command, else on the way of programs. */
static void find_daemon(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 16);
	char *slash;

	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash)
		strcpy(slash + 1, "sluiced");
	if (!slash || access(path, X_OK))
		strcpy(path, "sluiced");
}

static int run_suite(const struct sl_arguments *a)
{
	struct words words = {.words = {"sluice", "--eval"}, .count = 2};
	char path[PATH_MAX];

	if (!a->against) {
		sl_say_error("sluice eval --help", "expected --against TARGET");
		return EXIT_ERROR;
	}
	add(&words, "--against", a->against);
	add(&words, "--versus", a->versus);
	add(&words, "--url", a->url);
	add(&words, "--versus-key-env", a->versus_key_env);
	add(&words, "--model", a->model);
	add(&words, "--prompt", a->prompt);
	add(&words, "--key-env", a->key_env);
	add(&words, "--judge", a->judge);
	add(&words, "--judge-model", a->judge_model);
	add(&words, "--judge-key-env", a->judge_key_env);
	add(&words, "--baseline", a->baseline);
	add(&words, "--output", a->output);
	add(&words, "--html", a->html);
	add(&words, "--encoder", a->encoder);
	add(&words, "--parallel", a->parallel);
	add(&words, "--timeout", a->timeout);
	if (a->json)
		words.words[words.count++] = "--json";
	if (a->paired)
		words.words[words.count++] = "--paired";
	words.words[words.count++] = "--";
	words.words[words.count++] = a->words[1];
	words.words[words.count] = NULL;
	find_daemon(path);
	execvp(path, (char *const *)words.words);
	sl_say_error("install sluiced beside sluice", "%s: %s", path, strerror(errno));
	return EXIT_ERROR;
}

static int run_eval(const struct sl_command *command, const struct sl_arguments *arguments)
{
	(void)command;
	if (!strcmp(arguments->words[0], "status") && arguments->word_count == 1)
		return run_status(arguments);
	if (!strcmp(arguments->words[0], "run") && arguments->word_count == 2)
		return run_suite(arguments);
	sl_say_error("sluice eval --help", "expected status, or run SUITE");
	return EXIT_ERROR;
}

#define TEXT(name, member, value, help)                                                        \
	{                                                                                      \
		SL_OPTION_TEXT, name, value, NULL, offsetof(struct sl_arguments, member), help \
	}

static const struct sl_option eval_options[] = {
	TEXT("against", against, "TARGET",
	     "what is asked: http://ADDRESS:PORT[/v1], https://NAME[/PATH], model:NAME, pool:NAME, "
	     "prompt:ID[@VERSION], index:NAME@VERSION"),
	TEXT("versus", versus, "TARGET", "another one, to compare it with"),
	TEXT("url", url, "URL", "the sluice whose names they are (http://127.0.0.1:8080/v1)"),
	TEXT("model", model, "MODEL", "which model there; of a sluice a route"),
	TEXT("prompt", prompt, "ID[@VERSION]", "a stored prompt of that sluice"),
	TEXT("key-env", key_env, "NAME", "the variable of the environment that has the key"),
	TEXT("versus-key-env", versus_key_env, "NAME", "the same for --versus (as --key-env)"),
	TEXT("judge", judge, "URL", "who judges: the check {\"judge\": \"RUBRIC\"}"),
	TEXT("judge-model", judge_model, "MODEL", "which model there (judge)"),
	TEXT("judge-key-env", judge_key_env, "NAME", "the variable that has its key"),
	TEXT("baseline", baseline, "FILE", "a report of before (--output), to compare with"),
	{SL_OPTION_FLAG, "paired", NULL, NULL, offsetof(struct sl_arguments, paired),
	 "only what the paired test finds is a regression, not each case that fails newly"},
	TEXT("output", output, "FILE", "writes the report as JSON there"),
	TEXT("html", html, "FILE", "writes it as one page of HTML there"),
	TEXT("encoder", encoder, "DIR", "the sentence encoder, for the check similar"),
	TEXT("parallel", parallel, "N", "questions at once (4)"),
	TEXT("timeout", timeout, "SECONDS", "for one answer (60)"),
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_eval = {
	.name = "eval",
	.words = "status | run SUITE",
	.words_min = 1,
	.words_max = 2,
	.summary = "show what evaluators found in answers; run a regression suite",
	.description = "   status      by route and model (pool): answers looked at, the share "
		       "that was bad and\n"
		       "               its interval of 95 %, by measure: format, grounded "
		       "(hallucinations),\n"
		       "               relevant, judged; what was dropped, and what judges used\n"
		       "   run SUITE   asks each case of a file (a JSON object a line) and checks "
		       "the answers;\n"
		       "               exits with 0 when all is well, 1 for a regression, 2 when "
		       "it cannot be\n"
		       "               told. No daemon is needed.\n"
		       "Live answers are looked at where routes[].evaluate.sample says so.",
	.options = eval_options,
	.run = run_eval,
};
