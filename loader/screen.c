/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "loader/say.h"
#include "user/base/unit.h"

#define INTERVAL_US_DEFAULT 1000000u
#define INTERVAL_US_MIN	    100000u
#define INTERVAL_US_MAX	    3600000000u

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"
#define HOME  "\033[H"
#define CLEAR "\033[J"

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	(void)number;
	interrupted = 1;
}

void sl_screen_catch(void)
{
	struct sigaction action = {.sa_handler = interrupt};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

bool sl_screen_interrupted(void)
{
	return interrupted;
}

struct sl_screen_size sl_screen_size(void)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return (struct sl_screen_size){0, 0};
	return (struct sl_screen_size){size.ws_col, size.ws_row};
}

void sl_screen_enter(void)
{
	fputs(ENTER, stdout);
}

void sl_screen_leave(void)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
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

void sl_screen_paint(const char *text)
{
	struct sl_screen_size size = sl_screen_size();
	unsigned columns = size.columns ? size.columns : UINT16_MAX;
	unsigned rows = size.rows > 2 ? size.rows - 1u : UINT16_MAX;
	unsigned row = 0;

	fputs(HOME, stdout);
	for (const char *end; (end = strchr(text, '\n')) && row < rows; text = end + 1) {
		int len = (int)(end - text);

		printf("%.*s%s\033[K\r\n", row ? fitting_bytes(text, len, columns) : len, text,
		       sl_say_ink(stdout, SL_INK_PLAIN));
		row += row ? 1 : 1 + (unsigned)len / columns;
	}
	fputs(CLEAR, stdout);
}

void sl_screen_sleep_us(uint64_t duration_us)
{
	struct timespec duration = {
		.tv_sec = (time_t)(duration_us / 1000000u),
		.tv_nsec = (long)(duration_us % 1000000u) * 1000,
	};

	if (!interrupted)
		(void)nanosleep(&duration, NULL); /* a signal ends it early: that is wanted */
}

int sl_screen_interval(const char *command, const char *value, uint64_t *ret_us)
{
	uint64_t interval_us = INTERVAL_US_DEFAULT;
	char next[80];

	if (value && *value &&
	    (sl_unit_parse_us(value, strlen(value), 1000000u, &interval_us) ||
	     interval_us < INTERVAL_US_MIN || interval_us > INTERVAL_US_MAX)) {
		snprintf(next, sizeof(next), "sluice %s --watch=2, or --watch=500ms", command);
		sl_say_error(next, "--watch=%s is not a time from 100ms to 1h", value);
		return -EINVAL;
	}
	*ret_us = interval_us;
	return 0;
}
