/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_audit.c - `sluice audit`: is the trail of what was done whole, and what does it say? Reads the file by
 * itself, so that it can be verified where no daemon runs, on another host, years later.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/say.h"
#include "user/base/audit.h"

#define VERIFY "sluice audit --help"

/* The file that is named, else that of the running daemon. */
static int find_file(const struct sl_arguments *arguments, struct sl_text *path)
{
	if (arguments->word_count > 1) {
		sl_text_append_string(path, arguments->words[1]);
		return SL_EXIT_OK;
	}
	return sl_admin_order(sl_admin_path(arguments->admin_socket), "audit text path",
			      SL_SPAN(""), "sluice audit verify FILE", path);
}

static int read_known(const char *text, struct sl_audit_head *ret_head)
{
	char *end;

	errno = 0;
	ret_head->line = strtoull(text, &end, 10);
	if (errno || *end != ':' || !ret_head->line ||
	    strspn(end + 1, "0123456789abcdef") != SL_AUDIT_HASH_SIZE - 1 ||
	    strlen(end + 1) != SL_AUDIT_HASH_SIZE - 1)
		return sl_say_error("sluice audit head",
				    "\"%s\" is no head (expected LINE:HASH, as head prints it)",
				    text);
	memcpy(ret_head->hash, end + 1, SL_AUDIT_HASH_SIZE);
	return SL_EXIT_OK;
}

static void print_line(void *owner, struct sl_span line)
{
	(void)owner;
	printf("%.*s\n", (int)line.len, line.data);
}

/* The value of a string member that our own lines have exactly once, still escaped. */
static struct sl_span member(struct sl_span line, const char *name)
{
	char key[24];
	int len = snprintf(key, sizeof(key), "\"%s\":\"", name);
	const char *at = memmem(line.data, line.len, key, (size_t)len), *end;

	if (!at)
		return (struct sl_span){"", 0};
	at += len;
	for (end = at; end < line.data + line.len && *end != '"'; end++)
		end += *end == '\\';
	return (struct sl_span){at, (size_t)(end - at)};
}

static void print_text(void *owner, struct sl_span line)
{
	struct sl_span at = member(line, "at"), kind = member(line, "kind"),
		       name = member(line, "name"), who = member(line, "who"),
		       text = member(line, "text");

	(void)owner;
	printf("%.*s  %-10.*s %.*s%s%.*s  (%.*s)\n", (int)at.len, at.data, (int)kind.len, kind.data,
	       (int)name.len, name.data, name.len ? ": " : "", (int)text.len, text.data,
	       (int)who.len, who.data);
}

static void print_json(const char *path, const struct sl_audit_report *report, bool good)
{
	struct sl_text text;

	sl_text_init(&text, 0);
	sl_text_append_string(&text, "{\"file\": ");
	sl_text_append_json_string(&text, path);
	sl_text_printf(&text,
		       ", \"good\": %s, \"verdict\": \"%s\", \"lines\": %" PRIu64
		       ", \"head\": \"%" PRIu64 ":%s\"}",
		       good ? "true" : "false", sl_audit_verdict_text(report->verdict),
		       report->lines, report->head.line, report->head.hash);
	puts(sl_text_string(&text));
	sl_text_fini(&text);
}

static int judge(const struct sl_arguments *arguments, const char *path,
		 const struct sl_audit_report *report)
{
	bool good = report->verdict == SL_AUDIT_GOOD || report->verdict == SL_AUDIT_TORN;

	if (arguments->json)
		print_json(path, report, good);
	else if (good)
		printf("%s: %s: %" PRIu64 " lines, head %" PRIu64 ":%s\n", path,
		       sl_audit_verdict_text(report->verdict), report->lines, report->head.line,
		       report->head.hash);
	if (good)
		return SL_EXIT_OK;
	if (report->verdict == SL_AUDIT_CUT)
		sl_say_error("compare the file with a copy of it", "%s: %s", path,
			     sl_audit_verdict_text(report->verdict));
	else
		sl_say_error("compare the file with a copy of it", "%s: line %" PRIu64 ": %s", path,
			     report->lines + 1, sl_audit_verdict_text(report->verdict));
	return SL_EXIT_FAILED;
}

static int work_on(const struct sl_arguments *arguments, const char *path)
{
	const char *verb = arguments->words[0];
	struct sl_audit_head known;
	struct sl_audit_report report;
	void (*each)(void *owner, struct sl_span line) = NULL;
	int fd, rc;

	if (arguments->known && read_known(arguments->known, &known))
		return SL_EXIT_FAILED;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sl_say_error(VERIFY, "%s: %s", path, strerror(errno));
	if (!strcmp(verb, "list"))
		each = arguments->json ? print_line : print_text;
	rc = sl_audit_verify(fd, arguments->known ? &known : NULL, &report, each, NULL);
	close(fd);
	if (rc)
		return sl_say_error(VERIFY, "%s: %s", path, strerror(-rc));
	if (!strcmp(verb, "verify") || report.verdict > SL_AUDIT_TORN)
		return judge(arguments, path, &report);
	if (!strcmp(verb, "head"))
		printf("%" PRIu64 ":%s\n", report.head.line, report.head.hash);
	return SL_EXIT_OK;
}

static int run_audit(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *verb = arguments->words[0];
	struct sl_text path;
	int exit_code;

	(void)command;
	if (strcmp(verb, "verify") != 0 && strcmp(verb, "list") != 0 && strcmp(verb, "head") != 0)
		return sl_say_error(VERIFY, "\"%s\": expected verify, list or head", verb);
	sl_text_init(&path, 0);
	exit_code = find_file(arguments, &path);
	if (!exit_code)
		exit_code = work_on(arguments, sl_text_string(&path));
	sl_text_fini(&path);
	return exit_code;
}

static const struct sl_option audit_options[] = {
	{SL_OPTION_TEXT, "known", "LINE:HASH", NULL, offsetof(struct sl_arguments, known),
	 "a head that was kept elsewhere and must be in the trail"},
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_audit = {
	.name = "audit",
	.words = "verify|list|head [FILE]",
	.words_min = 1,
	.words_max = 2,
	.summary = "show who did what, and prove that nothing in the trail was changed",
	.description =
		"verify [FILE]  every line has its hash, and follows the one before; exit 1 where "
		"not\n"
		"list [FILE]    what was done, when and by whom; up to the first line that is not "
		"good\n"
		"head [FILE]    the newest line and its hash: keep it elsewhere, and verify with "
		"--known\n"
		"               that the end was not cut off and the whole not written anew\n\n"
		"Without FILE that of the running daemon (audit.file).",
	.options = audit_options,
	.run = run_audit,
};
