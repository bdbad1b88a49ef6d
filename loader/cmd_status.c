/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_status.c - `sluice status`: one look, or a screen that refreshes.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/status.h"
#include "user/base/clock.h"
#include "user/base/unit.h"

#define STATUS_BYTES_MAX (8u << 20)
#define WATCH_US_DEFAULT 1000000u
#define WATCH_US_MIN	 100000u
#define WATCH_US_MAX	 3600000000u

#define SCREEN_ENTER "\033[?1049h\033[?25l"
#define SCREEN_LEAVE "\033[?25h\033[?1049l"
#define SCREEN_HOME  "\033[H"
#define SCREEN_CLEAR "\033[J"

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

/* Of the terminal; zeros where standard output is none. */
static struct winsize screen_size(void)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return (struct winsize){0};
	return size;
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
	struct sl_view view;

	if (sl_view_open_any(dir, daemon_socket, &view))
		return SL_EXIT_FAILED;
	look.view = &view;
	look.daemon = view.alone || !sl_admin_ask(daemon_socket, &answer, NULL);
	look.daemon_alone = view.alone || answer.memory;
	look.now_ns = sl_clock_ns();
	look.columns = screen_size().ws_col;
	if (look.pool && !sl_view_find_pool(&view, look.pool))
		exit_code = sl_say_error("sluice status", "there is no pool \"%s\"", look.pool);
	else if (arguments->json)
		sl_status_json(&look, text);
	else
		sl_status_text(&look, text);
	if (text->error)
		exit_code = sl_say_error("sluice status POOL", "the status is larger than %u bytes",
					 STATUS_BYTES_MAX);
	sl_view_close(&view);
	return exit_code;
}

/* How many bytes of the line fit into `columns`; an escape sequence takes no place. */
static int fitting_bytes(const char *line, int len, unsigned columns)
{
	unsigned used = 0;
	int i = 0;

	while (i < len && used < columns) {
		if (line[i] == '\033') {
			while (i < len && line[i] != 'm')
				i++;
		} else if (((unsigned char)line[i] & 0xc0) != 0x80) {
			used++;
		}
		i++;
	}
	while (i < len && ((unsigned char)line[i] & 0xc0) == 0x80)
		i++; /* the rest of a character */
	return i;
}

/*
 * Prints with each line cleared to its end, so that a shorter line leaves nothing of a longer, and
 * cut at the screen's edges: one line too many would scroll the first ones away. The first line is
 * the answer to "is it well" and may wrap.
 */
static void paint(const char *text)
{
	struct winsize size = screen_size();
	unsigned columns = size.ws_col ? size.ws_col : UINT16_MAX;
	unsigned rows = size.ws_row > 2 ? size.ws_row - 1u : UINT16_MAX;
	unsigned row = 0;

	fputs(SCREEN_HOME, stdout);
	for (const char *end; (end = strchr(text, '\n')) && row < rows; text = end + 1) {
		int len = (int)(end - text);

		printf("%.*s%s\033[K\r\n", row ? fitting_bytes(text, len, columns) : len, text,
		       sl_say_ink(stdout, SL_INK_PLAIN));
		row += row ? 1 : 1 + (unsigned)len / columns;
	}
	fputs(SCREEN_CLEAR, stdout);
}

static void sleep_us(uint64_t duration_us)
{
	struct timespec duration = {
		.tv_sec = (time_t)(duration_us / 1000000u),
		.tv_nsec = (long)(duration_us % 1000000u) * 1000,
	};

	(void)nanosleep(&duration, NULL); /* a signal ends it early: that is wanted */
}

static int watch(const struct sl_arguments *arguments, const char *daemon_socket,
		 uint64_t interval_us)
{
	struct sigaction action = {.sa_handler = interrupt};
	bool screen = isatty(STDOUT_FILENO) && !arguments->json;
	int exit_code = SL_EXIT_OK;
	struct sl_text text;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sl_text_init(&text, STATUS_BYTES_MAX);
	if (screen)
		fputs(SCREEN_ENTER, stdout);
	while (!interrupted && exit_code == SL_EXIT_OK) {
		sl_text_reset(&text);
		exit_code = look_once(arguments, daemon_socket, &text);
		if (screen)
			paint(sl_text_string(&text));
		else
			fputs(sl_text_string(&text), stdout);
		if (fflush(stdout))
			break; /* nobody reads any more */
		if (exit_code == SL_EXIT_OK && !interrupted)
			sleep_us(interval_us);
	}
	if (screen) {
		fputs(SCREEN_LEAVE, stdout);
		fflush(stdout);
	}
	if (screen && exit_code != SL_EXIT_OK) /* the message went with the screen */
		(void)look_once(arguments, daemon_socket, &text);
	sl_text_fini(&text);
	return exit_code;
}

static int run_status(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *daemon_socket = sl_admin_path(arguments->admin_socket);
	uint64_t interval_us = WATCH_US_DEFAULT;
	struct sl_text text;
	int exit_code;

	(void)command;
	if (arguments->watch && *arguments->watch &&
	    (sl_unit_parse_us(arguments->watch, strlen(arguments->watch), 1000000u, &interval_us) ||
	     interval_us < WATCH_US_MIN || interval_us > WATCH_US_MAX)) {
		sl_say_error("sluice status --watch=2, or --watch=500ms",
			     "--watch=%s is not a time from 100ms to 1h", arguments->watch);
		return SL_EXIT_USAGE;
	}
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
