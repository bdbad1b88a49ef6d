/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_status.c - `sluice status`: one look, or a screen that refreshes.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "loader/status.h"
#include "loader/trace.h"
#include "user/base/clock.h"

#define STATUS_BYTES_MAX (8u << 20)

/* Models that answer otherwise than recorded (sluice canary). A daemon that knows of none says nothing. */
static void put_changed(const char *daemon_socket, struct sl_text *text)
{
	struct sl_text reply;

	sl_text_init(&reply, 65536);
	if (!sl_admin_say(daemon_socket, "canary text changed", &reply) &&
	    sl_text_string(&reply)[0] != '!')
		sl_text_append_span(text, sl_text_span(&reply));
	sl_text_fini(&reply);
}

/* The same for scripts: JSON as the daemon wrote it. Left empty where it does not know the word. */
static void ask_drift(const char *daemon_socket, struct sl_text *drift)
{
	if (sl_admin_say(daemon_socket, "canary json drift", drift) ||
	    sl_text_string(drift)[0] != '[' || sl_text_string(drift)[drift->len - 1] != '\n')
		sl_text_reset(drift);
}

/* Of each route whose semantic cache was asked: what `sluice cache explain` says. */
static void put_semantic(const char *daemon_socket, struct sl_text *text)
{
	struct sl_text reply;
	struct sl_span rest;

	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	if (!sl_admin_say(daemon_socket, "cache text explain", &reply)) {
		rest = sl_text_span(&reply);
		while (rest.len && rest.data[0] != '!') {
			struct sl_span line = sl_span_cut(&rest, '\n');

			/* a line without a figure says that there is none */
			if (line.len && sl_span_find(line, '=') < line.len)
				sl_text_printf(text, "semantic cache of %.*s\n", (int)line.len,
					       line.data);
		}
	}
	sl_text_fini(&reply);
}

/* JSON as the daemon wrote it, without its end of line. Left empty where it does not know the word. */
static void ask_json(const char *daemon_socket, const char *words, struct sl_text *json)
{
	if (sl_admin_say(daemon_socket, words, json) || sl_text_string(json)[0] != '{' ||
	    sl_text_string(json)[json->len - 1] != '\n')
		sl_text_reset(json);
	else
		sl_text_truncate(json, json->len - 1);
}

/* Of each pool with nodes in this zone or region and elsewhere: what each ring has. Then zones and regions. */
static void put_rings(const char *daemon_socket, struct sl_text *text)
{
	struct sl_text reply;

	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	if (!sl_admin_say(daemon_socket, "rings text", &reply) && reply.len &&
	    sl_text_string(&reply)[0] != '!')
		sl_text_printf(text, "\nzones and regions\n%s", sl_text_string(&reply));
	sl_text_fini(&reply);
}

/* One look into `text`. Returns enum sl_exit. */
static int look_once(const struct sl_arguments *arguments, const char *daemon_socket,
		     struct sl_text *text)
{
	const char *dir = sl_pins_dir(arguments->pin_dir, NULL);
	struct sl_status_look look = {
		.daemon_socket = daemon_socket,
		.pool = arguments->word_count ? arguments->words[0] : NULL,
	};
	struct sl_admin_answer answer = {0};
	int exit_code = SL_EXIT_OK;
	struct sl_text drift, semantic, rings;
	struct sl_view view;

	if (sl_view_open_any(dir, daemon_socket, &view))
		return SL_EXIT_FAILED;
	sl_trace_clear(&view);
	look.view = &view;
	look.daemon = !sl_admin_ask(daemon_socket, &answer, NULL) || view.alone;
	look.profile = answer.profile;
	look.daemon_alone = view.alone || answer.memory;
	if (look.daemon)
		sl_health_ask(daemon_socket, sl_view_node_slots(&view), &look.health);
	sl_text_init(&drift, SL_ADMIN_REPLY_BYTES_MAX);
	if (look.daemon && arguments->json)
		ask_drift(daemon_socket, &drift);
	look.drift = sl_text_string(&drift);
	sl_text_init(&semantic, SL_ADMIN_REPLY_BYTES_MAX);
	if (look.daemon && arguments->json)
		ask_json(daemon_socket, "cache json explain", &semantic);
	look.semantic = sl_text_string(&semantic);
	sl_text_init(&rings, SL_ADMIN_REPLY_BYTES_MAX);
	if (look.daemon && arguments->json)
		ask_json(daemon_socket, "rings json", &rings);
	look.rings = sl_text_string(&rings);
	look.now_ns = sl_clock_ns();
	look.columns = sl_screen_size().columns;
	if (look.pool && !sl_view_find_pool(&view, look.pool))
		exit_code = sl_say_error("sluice status", "there is no pool \"%s\"", look.pool);
	else if (arguments->json)
		sl_status_json(&look, text);
	else
		sl_status_text(&look, text);
	if (look.daemon && !arguments->json && !exit_code) {
		put_changed(daemon_socket, text);
		put_semantic(daemon_socket, text);
		put_rings(daemon_socket, text);
	}
	if (text->error)
		exit_code = sl_say_error("sluice status POOL", "the status is larger than %u bytes",
					 STATUS_BYTES_MAX);
	sl_text_fini(&drift);
	sl_text_fini(&semantic);
	sl_text_fini(&rings);
	sl_health_fini(&look.health);
	sl_view_close(&view);
	return exit_code;
}

static int watch(const struct sl_arguments *arguments, const char *daemon_socket,
		 uint64_t interval_us)
{
	bool screen = isatty(STDOUT_FILENO) && !arguments->json;
	int exit_code = SL_EXIT_OK;
	struct sl_text text;

	sl_screen_catch();
	sl_text_init(&text, STATUS_BYTES_MAX);
	if (screen)
		sl_screen_enter(false);
	while (!sl_screen_interrupted() && exit_code == SL_EXIT_OK) {
		sl_text_reset(&text);
		exit_code = look_once(arguments, daemon_socket, &text);
		if (screen)
			sl_screen_paint(sl_text_string(&text));
		else
			fputs(sl_text_string(&text), stdout);
		if (fflush(stdout))
			break; /* nobody reads any more */
		if (exit_code == SL_EXIT_OK)
			sl_screen_sleep_us(interval_us);
	}
	if (screen)
		sl_screen_leave();
	if (screen && exit_code != SL_EXIT_OK) /* the message went with the screen */
		(void)look_once(arguments, daemon_socket, &text);
	sl_text_fini(&text);
	return exit_code;
}

static int run_status(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *daemon_socket = sl_admin_path(arguments->admin_socket);
	uint64_t interval_us;
	struct sl_text text;
	int exit_code;

	(void)command;
	if (sl_screen_interval("status", arguments->watch, &interval_us))
		return SL_EXIT_USAGE;
	if (arguments->watch)
		return watch(arguments, daemon_socket, interval_us);
	sl_text_init(&text, STATUS_BYTES_MAX);
	exit_code = look_once(arguments, daemon_socket, &text);
	fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	return exit_code;
}

static const struct sl_option status_options[] = {
	SL_OPTION_JSON,
	{SL_OPTION_MAYBE, "watch", "SECONDS", NULL, offsetof(struct sl_arguments, watch),
	 "refresh until Ctrl-C (default: each second)"},
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_status = {
	.name = "status",
	.words = "[POOL]",
	.words_max = 1,
	.summary = "show pools, nodes, breakers, devices and counters",
	.description =
		"Shows what both planes know of each node. The first line answers \"is it well\".\n"
		"The breaker's column: state, time to the probe, gN the generation, xN the "
		"exponent\n"
		"of the open time. Where no kernel plane is loaded, the daemon's memory is read.\n"
		"Exit code 0 whenever one of the two could be read.",
	.options = status_options,
	.run = run_status,
};
