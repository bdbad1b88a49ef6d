/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_top.c - `sluice top`: what happens now, one screen, refreshed.
 *
 *   on a terminal     a screen that refreshes until Ctrl-C; --once: one interval, as text
 *   else              one interval, as text; --watch goes on
 *   --json            an object a line for each interval; --once: one
 */
#include <stdio.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "loader/top.h"
#include "user/base/clock.h"

#define TOP_BYTES_MAX (16u << 20)

struct watch {
	const char *dir;
	const char *daemon_socket;
	uint64_t interval_us;
	bool json;
	bool once;
	bool screen;
};

/* Prints the interval that just ended. Returns whether anybody reads. */
static bool show(const struct watch *watch, const struct sl_top *top, struct sl_text *text)
{
	struct sl_screen_size none = {0, 0};

	sl_text_reset(text);
	if (watch->json)
		sl_top_json(top, text);
	else
		sl_top_text(top, watch->screen ? sl_screen_size() : none, text);
	if (watch->screen)
		sl_screen_paint(sl_text_string(text));
	else
		fputs(sl_text_string(text), stdout);
	return !fflush(stdout);
}

/* From look to look, whatever a look costs. */
static void sleep_until(uint64_t then_ns)
{
	uint64_t now_ns = sl_clock_ns();

	if (then_ns > now_ns)
		sl_screen_sleep_us((then_ns - now_ns) / SL_NS_PER_US);
}

/* Until interrupted, or the first interval ended. Returns enum sl_exit. */
static int look_on(const struct watch *watch, struct sl_top *top, struct sl_text *text)
{
	int error = sl_top_look(top, watch->dir, watch->daemon_socket);

	while (!error && !sl_screen_interrupted()) {
		sleep_until(top->now.now_ns + watch->interval_us * SL_NS_PER_US);
		if (sl_screen_interrupted())
			break;
		error = sl_top_look(top, watch->dir, watch->daemon_socket);
		if (error || !sl_top_between(top)) /* another kernel plane: from here on */
			continue;
		if (!show(watch, top, text) || watch->once)
			break;
	}
	if (text->error)
		return sl_say_error("sluice status POOL", "the text is larger than %u bytes",
				    TOP_BYTES_MAX);
	return error ? SL_EXIT_FAILED : SL_EXIT_OK;
}

static int run_top(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct watch watch = {
		.dir = sl_pins_dir(arguments->pin_dir, NULL),
		.daemon_socket = sl_admin_path(arguments->admin_socket),
		.json = arguments->json,
	};
	struct sl_top top = {0};
	struct sl_text text;
	int exit_code;

	(void)command;
	if (sl_screen_interval("top", arguments->watch, &watch.interval_us))
		return SL_EXIT_USAGE;
	watch.screen = isatty(STDOUT_FILENO) && !watch.json && !arguments->once;
	watch.once = arguments->once || (!watch.screen && !watch.json && !arguments->watch);
	sl_screen_catch();
	sl_text_init(&text, TOP_BYTES_MAX);
	if (watch.screen)
		sl_screen_enter();
	exit_code = look_on(&watch, &top, &text);
	if (watch.screen)
		sl_screen_leave();
	if (watch.screen && exit_code != SL_EXIT_OK) /* the message went with the screen */
		(void)sl_top_look(&top, watch.dir, watch.daemon_socket);
	sl_text_fini(&text);
	sl_top_fini(&top);
	return exit_code;
}

static const struct sl_option top_options[] = {
	SL_OPTION_JSON,
	{SL_OPTION_MAYBE, "watch", "SECONDS", NULL, offsetof(struct sl_arguments, watch),
	 "length of an interval (default: a second), and go on without a terminal"},
	{SL_OPTION_FLAG, "once", NULL, NULL, offsetof(struct sl_arguments, once),
	 "show one interval and end"},
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_top = {
	.name = "top",
	.summary = "show what happens now: rates, nodes, drops by reason",
	.description =
		"Shows the last interval: packets, flows, what was retried, refused and dropped, "
		"and of\n"
		"each node its breaker, flows, waiting requests, connect time and first byte "
		"(median and\n"
		"99th percentile; a star: since the start, the interval had none). Refreshes on a "
		"terminal\n"
		"until Ctrl-C; elsewhere it shows one interval. Only reads.",
	.options = top_options,
	.run = run_top,
};
