/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_chaos.c - `sluice chaos`: break something on purpose, within bounds, and see whether the service
 * stands it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/chaos_day.h"
#include "loader/chaos_page.h"
#include "loader/chaos_say.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "user/base/clock.h"
#include "user/base/replace.h"

#define REPORT_BYTES_MAX (1u << 20)
#define PATH_BYTES_MAX	 4096u

static struct sl_chaos_words_of words_of(const struct sl_arguments *arguments)
{
	return (struct sl_chaos_words_of){
		.kind = arguments->words[1],
		.node = arguments->node,
		.pool = arguments->pool,
		.zone = arguments->zone,
		.region = arguments->region,
		.between = arguments->between,
		.store = arguments->store,
		.status = arguments->status,
		.delay = arguments->delay,
		.jitter = arguments->jitter,
		.after = arguments->after,
		.how = arguments->how,
		.nodes = arguments->nodes,
		.before = arguments->before,
		.checks = arguments->checks ? "yes" : NULL,
		.despite_burn = arguments->despite_burn ? "yes" : NULL,
		.config = arguments->config,
		.share = arguments->share,
		.way = arguments->way,
		.duration = arguments->duration,
		.recover = arguments->recover,
		.hits = arguments->hits,
		.limit = arguments->limit,
		.hypothesis = arguments->hypothesis,
		.abort = arguments->abort,
		.daemon_socket = sl_admin_path(arguments->admin_socket),
	};
}

/* ---- start --------------------------------------------------------------------------------- */

static int leave(const struct sl_view *view, const struct sl_chaos_plan *plan)
{
	uint32_t number;
	int exit_code = sl_chaos_leave(view, plan, &number);

	if (exit_code == SL_EXIT_OK)
		printf("%u\n", number);
	return exit_code;
}

/* A broken hypothesis is the answer, and a failure for who asks by a script. */
static int run(const struct sl_view *view, const struct sl_chaos_plan *plan, bool json)
{
	struct sl_chaos_result *result = calloc(1, sizeof(*result));
	struct sl_text text;
	int exit_code;

	if (!result)
		return sl_say_error(NULL, "no memory");
	exit_code = sl_chaos_run(view, plan, result);
	if (exit_code == SL_EXIT_OK) {
		sl_text_init(&text, REPORT_BYTES_MAX);
		(json ? sl_chaos_say_json : sl_chaos_say_text)(result, &text);
		fputs(sl_text_string(&text), stdout);
		sl_text_fini(&text);
		if (result->verdict == SL_CHAOS_BROKEN || result->ending == SL_CHAOS_ABORTED)
			exit_code = SL_EXIT_FAILED;
	}
	free(result);
	return exit_code;
}

static int start(const struct sl_view *view, const struct sl_arguments *arguments)
{
	struct sl_chaos_words_of words = words_of(arguments);
	struct sl_chaos_plan plan;

	if (sl_chaos_plan_make(view, &words, &plan))
		return SL_EXIT_FAILED;
	if (plan.word->level == SL_CHAOS_PACKETS && !view->chaos)
		return sl_say_error("sluice up CONFIG",
				    "%s is of packets: \"%s\" has no kernel plane that knows "
				    "experiments",
				    plan.word->name, view->dir);
	if (!arguments->detach)
		return run(view, &plan, arguments->json);
	if (plan.hypothesis.count || plan.abort.count)
		return sl_say_error("without --detach",
				    "who leaves the experiment alone cannot judge it: no "
				    "--hypothesis, no --abort");
	return leave(view, &plan);
}

/* ---- a game day ---------------------------------------------------------------------------- */

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

static void write_json(const struct sl_chaos_day *day, struct sl_text *text)
{
	bool first = true;

	sl_text_append_char(text, '[');
	for (uint32_t i = 0; i < day->count; i++) {
		if (!day->steps[i].done)
			continue;
		sl_text_append_string(text, first ? "" : ", ");
		sl_chaos_say_json(&day->steps[i].result, text);
		first = false;
	}
	sl_text_append_string(text, "]\n");
}

/* To the file, or to standard output where none is named. */
static int report(const struct sl_chaos_day *day, const char *path, bool json)
{
	struct sl_text text;
	int error;

	sl_text_init(&text, 0);
	if (json)
		write_json(day, &text);
	else if (path && ends_with(path, ".html"))
		sl_chaos_page_html(day, &text);
	else
		sl_chaos_page_markdown(day, &text);
	error = text.error;
	if (!error && path)
		error = sl_replace_file(path, &text);
	else if (!error)
		fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	return error ? sl_say_error(NULL, "the report \"%s\" cannot be written: %s",
				    path ? path : "-", strerror(-error))
		     : SL_EXIT_OK;
}

/* To each of the files. */
static int report_all(const struct sl_chaos_day *day, const char *paths, bool json)
{
	struct sl_span rest = sl_span_string(paths ? paths : "");
	char path[PATH_BYTES_MAX];
	int exit_code = paths ? SL_EXIT_OK : report(day, NULL, json);

	while (rest.len) {
		struct sl_span one = sl_span_cut(&rest, ',');

		if (one.len >= sizeof(path))
			return sl_say_error(NULL, "the report's name is too long");
		snprintf(path, sizeof(path), "%.*s", (int)one.len, one.data);
		if (one.len && report(day, path, json))
			exit_code = SL_EXIT_FAILED;
	}
	return exit_code;
}

static int run_day(const struct sl_view *view, const char *path,
		   const struct sl_arguments *arguments)
{
	struct sl_chaos_day day;
	int exit_code = sl_chaos_day_read(path, &day);

	if (!exit_code) {
		exit_code = sl_chaos_day_run(view, &day, arguments->config,
					     sl_admin_path(arguments->admin_socket));
		if (report_all(&day, arguments->output, arguments->json))
			exit_code = SL_EXIT_FAILED;
	}
	sl_chaos_day_close(&day);
	return exit_code;
}

/* ---- list and stop ------------------------------------------------------------------------- */

static uint32_t count_nodes(const struct sl_chaos *row)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_NODES_MAX / 64; i++)
		count += (uint32_t)__builtin_popcountll(row->nodes[i]);
	return count;
}

/* Of an experiment that holds packets back; behind its row. */
static void list_lag(const struct sl_lag *lag, bool json)
{
	printf(json ? ", \"lag\": {\"delay_us\": %" PRIu64 ", \"jitter_us\": %" PRIu64
		      ", \"held\": %" PRIu64 ", \"now\": %" PRIu64 ", \"late\": %" PRIu64
		      ", \"overflow\": %" PRIu64 ", \"lost\": %" PRIu64 "}"
		    : "           by %" PRIu64 " us, give or take %" PRIu64 ": %" PRIu64
		      " held, %" PRIu64 " now, %" PRIu64 " late, %" PRIu64
		      " sent at once for want of room, %" PRIu64 " lost\n",
	       (uint64_t)lag->delay_us, (uint64_t)lag->jitter_us, (uint64_t)lag->held,
	       (uint64_t)lag->now, (uint64_t)lag->late, (uint64_t)lag->overflow,
	       (uint64_t)lag->lost);
}

static void list_row(const struct sl_view *view, uint32_t at, uint64_t now_ns, bool json,
		     bool first)
{
	const struct sl_chaos *row = &view->chaos[at];
	double left_s = row->end_ns > now_ns ? (double)(row->end_ns - now_ns) / 1e9 : 0;
	double share = (double)row->share / SL_CHAOS_ALL;

	if (json)
		printf("%s{\"number\": %u, \"name\": \"%.63s\", \"kind\": \"%s\", \"share\": %.6g, "
		       "\"nodes\": %u, \"seen\": %" PRIu64 ", \"hits\": %" PRIu64
		       ", \"left_s\": %.1f",
		       first ? "" : ", ", row->number, row->name, sl_chaos_kind_name(row->kind),
		       share, count_nodes(row), (uint64_t)row->seen, (uint64_t)row->hits, left_s);
	else
		printf("%-10u %-40.63s %5.4g%% %5u nodes %10" PRIu64 " hits %6.1f s left\n",
		       row->number, row->name, share * 100, count_nodes(row), (uint64_t)row->hits,
		       left_s);
	if (row->kind == SL_CHAOS_LAG && view->lags && view->lags[at].number == row->number)
		list_lag(&view->lags[at], json);
	if (json)
		putchar('}');
}

/* What the daemon says to a line; "" where none answers, or refuses. */
static const char *ask_daemon(const char *socket, const char *line, struct sl_text *answer)
{
	const char *said;

	sl_text_reset(answer);
	if (sl_admin_say(socket, line, answer))
		sl_text_reset(answer);
	said = sl_text_string(answer);
	return said[0] == '!' ? "" : said;
}

/* The rows of both levels: of packets from the map, of requests from the daemon. */
static int list(const struct sl_view *view, const char *socket, bool json)
{
	uint64_t now_ns = sl_clock_ns();
	struct sl_text answer;
	const char *said;
	bool first = true;

	sl_text_init(&answer, REPORT_BYTES_MAX);
	if (json)
		putchar('[');
	for (uint32_t row = 0; view->chaos && row < SL_CHAOS_MAX; row++) {
		if (!sl_chaos_runs(view, row, now_ns))
			continue;
		list_row(view, row, now_ns, json, first);
		first = false;
	}
	said = ask_daemon(socket, json ? "chaos json list" : "chaos text list", &answer);
	if (json && said[0] == '[' && said[1] != ']')
		printf("%s%.*s", first ? "" : ", ", (int)(strrchr(said, ']') - said - 1), said + 1);
	else if (!json)
		fputs(said, stdout);
	if (json)
		puts("]");
	else if (first && !said[0])
		puts("no experiment runs");
	sl_text_fini(&answer);
	return SL_EXIT_OK;
}

/* What came of those that somebody looked at, as the daemon keeps it. */
static int report_last(const char *socket, bool json)
{
	struct sl_text reply;
	int exit_code;

	sl_text_init(&reply, REPORT_BYTES_MAX);
	exit_code = sl_admin_order(socket, json ? "chaos json report" : "chaos text report",
				   SL_SPAN(""), "sluice upgrade", &reply);
	if (!exit_code)
		fputs(reply.len ? sl_text_string(&reply) : "no experiment was judged\n", stdout);
	sl_text_fini(&reply);
	return exit_code;
}

static uint32_t stop_packets(const struct sl_view *view, bool all, uint64_t number)
{
	uint64_t now_ns = sl_clock_ns();
	uint32_t stopped = 0;

	for (uint32_t row = 0; view->chaos && row < SL_CHAOS_MAX; row++) {
		struct sl_chaos_ticket ticket = {row, view->chaos[row].number};

		if (sl_chaos_runs(view, row, now_ns) && (all || ticket.number == number))
			stopped += sl_chaos_end(view, &ticket);
	}
	return stopped;
}

static uint32_t stop_requests(const char *socket, bool all, uint64_t number)
{
	struct sl_text answer;
	uint64_t stopped = 0;
	char line[64];
	const char *said;

	if (all)
		snprintf(line, sizeof(line), "chaos text stop all");
	else
		snprintf(line, sizeof(line), "chaos text stop %" PRIu64, number);
	sl_text_init(&answer, REPORT_BYTES_MAX);
	said = ask_daemon(socket, line, &answer);
	if (sl_span_u64(sl_span_make(said, strspn(said, "0123456789")), &stopped))
		stopped = 0;
	sl_text_fini(&answer);
	return (uint32_t)stopped;
}

static int stop(const struct sl_view *view, const char *socket, const char *which)
{
	bool all = !which || !strcmp(which, "all");
	uint64_t number = 0;
	uint32_t stopped;

	if (!all && sl_span_u64(sl_span_string(which), &number))
		return sl_say_error("sluice chaos list", "\"%s\" is neither a number nor all",
				    which);
	stopped = stop_packets(view, all, number) + stop_requests(socket, all, number);
	if (!all && !stopped)
		return sl_say_error("sluice chaos list", "no experiment %s runs", which);
	printf("%u stopped\n", stopped);
	return SL_EXIT_OK;
}

static bool is_verb(const char *verb)
{
	static const char *const verbs[] = {"start", "run", "list", "status", "report", "stop"};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i], verb))
			return true;
	}
	return false;
}

static int run_chaos(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *verb = arguments->words[0];
	const char *word = arguments->word_count > 1 ? arguments->words[1] : NULL;
	const char *socket = sl_admin_path(arguments->admin_socket);
	int exit_code;
	struct sl_view view;

	(void)command;
	if (!is_verb(verb))
		return sl_say_error("sluice chaos --help",
				    "\"%s\": expected start, run, status, report or stop", verb);
	if ((!strcmp(verb, "start") || !strcmp(verb, "run")) && !word)
		return sl_say_error("sluice chaos --help", "%s what?", verb);
	if (sl_view_open_any(sl_pins_dir(arguments->pin_dir, NULL), socket, &view))
		return SL_EXIT_FAILED;
	if (!strcmp(verb, "start"))
		exit_code = start(&view, arguments);
	else if (!strcmp(verb, "run"))
		exit_code = run_day(&view, word, arguments);
	else if (!strcmp(verb, "list") || !strcmp(verb, "status"))
		exit_code = list(&view, socket, arguments->json);
	else if (!strcmp(verb, "report"))
		exit_code = report_last(socket, arguments->json);
	else
		exit_code = stop(&view, socket, word);
	sl_view_close(&view);
	return exit_code;
}

/* clang-format off */
#define TEXT(name, value, help) \
	{SL_OPTION_TEXT, #name, value, NULL, offsetof(struct sl_arguments, name), help}
/* clang-format on */
static const struct sl_option chaos_options[] = {
	TEXT(node, "NODE", "aim at this node (ADDRESS:PORT or POOL/INDEX)"),
	TEXT(pool, "POOL", "aim at all nodes of this pool"),
	TEXT(zone, "ZONE", "aim at the nodes of this zone, of which --config tells"),
	TEXT(region, "REGION", "the same of a region"),
	TEXT(between, "ZONE,ZONE",
	     "of packets: between this host's zone and the other one, of which --config tells"),
	TEXT(store, "STORE", "of `down`: cache, semantic or documents"),
	TEXT(config, "CONFIG", "the configuration file, for zones, regions and packets"),
	TEXT(share, "SHARE", "chance of each packet, or request: 30% or 0.3 (100%)"),
	TEXT(status, "STATUS", "of `error`: 400 to 599 (503)"),
	TEXT(delay, "TIME",
	     "of `delay`: by so much; of `slow`: for each event (1s); of `lag`: (100ms)"),
	TEXT(jitter, "TIME", "of `delay` and `lag`: give or take so much (0)"),
	TEXT(after, "N", "of `cut` and `malformed`: behind so many events, or bytes as 200b (0)"),
	TEXT(how, "HOW", "of `malformed`: `json` or `chunk` (json)"),
	{SL_OPTION_FLAG, "checks", NULL, NULL, offsetof(struct sl_arguments, checks),
	 "of requests: health checks are struck too"},
	TEXT(way, "WAY", "packets `to` the nodes, `from` them, or `both` (both)"),
	{SL_OPTION_TEXT, "for", "TIME", NULL, offsetof(struct sl_arguments, duration),
	 "how long (30s)"},
	TEXT(recover, "TIME", "then wait so long until the nodes are used again (60s)"),
	TEXT(before, "TIME", "look on for so long first, to know what is usual"),
	TEXT(hits, "N", "end after so many packets, or requests, were touched"),
	TEXT(limit, "PERCENT", "largest share of a pool's nodes that may be touched (50)"),
	TEXT(nodes, "N", "of requests: most nodes that may be touched"),
	TEXT(hypothesis, "CONDITIONS",
	     "what is expected, as: client errors < 0.1%, recovery < 20s"),
	TEXT(abort, "CONDITIONS", "end it as soon as one of these is true"),
	{SL_OPTION_FLAG, "despite-burn", NULL, NULL, offsetof(struct sl_arguments, despite_burn),
	 "go on when an objective burns its budget at the rate that pages"},
	{SL_OPTION_FLAG, "detach", NULL, NULL, offsetof(struct sl_arguments, detach),
	 "print its number and leave it alone: it ends by itself"},
	TEXT(output, "FILE",
	     "of `run`: the report, HTML where its name ends so, else Markdown; several with "
	     "commas"),
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_chaos = {
	.name = "chaos",
	.words = "start KIND|run FILE|status|report|stop [NUMBER]",
	.words_min = 1,
	.words_max = 2,
	.summary = "break something on purpose, within bounds, and judge what happens",
	.description =
		"start KIND      packets to and from the nodes: drop, reset, corrupt (the "
		"receiver\n"
		"                drops them), garble (the application gets them), lag (they come\n"
		"                later), blackhole, partition. Requests to them, in the daemon:\n"
		"                error, delay, slow, cut, malformed, refuse, hang; of a store, "
		"down.\n"
		"                Watches until its time is\n"
		"                over, Ctrl-C, a condition of --abort, an objective that burns "
		"its\n"
		"                budget, or `stop`; then says what was seen. Exit code 1: the\n"
		"                hypothesis is broken, or it was aborted\n"
		"run FILE        a game day: the experiments of a file, one after the other, and "
		"a\n"
		"                report with plots\n"
		"status, list    what runs\n"
		"report          what came of the last ones, with their verdicts\n"
		"stop [NUMBER]   ends one, or all\n\n"
		"Killed, it leaves an experiment that the kernel plane, or the daemon, ends by "
		"itself\n"
		"within five seconds.",
	.options = chaos_options,
	.run = run_chaos,
};
