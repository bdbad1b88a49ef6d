/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include "loader/say.h"
#include "user/base/clock.h"
#include "user/base/unit.h"

#define INTERVAL_US_DEFAULT 1000000u
#define INTERVAL_US_MIN	    100000u
#define INTERVAL_US_MAX	    3600000000u

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[0m\033[?25h\033[?1049l"

static volatile sig_atomic_t interrupted, resized, stopped, resumed;

/* What has to be put back, by a signal's handler too. */
static struct {
	volatile sig_atomic_t entered;
	volatile sig_atomic_t raw;
	bool keys;
	bool keys_over;
	struct termios before;
	struct sl_frame frame;
} terminal;

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

/* ---- there and back -------------------------------------------------------------------------- */

/* All of it, in one call unless the terminal is slow. Safe in a signal's handler. */
static void write_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t written = write(STDOUT_FILENO, bytes, len);

		if (written < 0 && errno != EINTR)
			return; /* nobody looks any more: the signal that says so ends it */
		if (written > 0) {
			bytes += written;
			len -= (size_t)written;
		}
	}
}

static void give_back(void)
{
	if (terminal.entered)
		write_all(LEAVE, sizeof(LEAVE) - 1);
	if (terminal.raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal.before);
	terminal.entered = 0;
	terminal.raw = 0;
}

static void take(void)
{
	struct termios raw;

	if (terminal.keys && isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &terminal.before)) {
		raw = terminal.before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_iflag &= ~(tcflag_t)(ICRNL | IXON);
		raw.c_cc[VMIN] = 0;
		raw.c_cc[VTIME] = 0;
		terminal.raw = !tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	}
	write_all(ENTER, sizeof(ENTER) - 1);
	terminal.entered = 1;
	sl_frame_forget(&terminal.frame);
}

static void note(int number)
{
	resized |= number == SIGWINCH;
	stopped |= number == SIGTSTP;
	resumed |= number == SIGCONT;
}

/* The process ends by it all the same: SA_RESETHAND, and it is raised again. */
static void die(int number)
{
	give_back();
	raise(number);
}

static void catch_all(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGQUIT, SIGSYS};
	static const int noted[] = {SIGWINCH, SIGTSTP, SIGCONT};
	struct sigaction action = {.sa_handler = note}, before;

	for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++)
		sigaction(noted[i], &action, NULL);
	action = (struct sigaction){.sa_handler = die, .sa_flags = SA_RESETHAND | SA_NODEFER};
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		/* a sanitizer's own stays */
		if (!sigaction(fatal[i], NULL, &before) && before.sa_handler == SIG_DFL)
			sigaction(fatal[i], &action, NULL);
	}
}

void sl_screen_enter(bool keys)
{
	terminal.keys = keys;
	sl_frame_init(&terminal.frame);
	catch_all();
	take();
}

void sl_screen_leave(void)
{
	give_back();
	sl_frame_fini(&terminal.frame);
}

void sl_screen_paint(const char *text)
{
	struct sl_text bytes;

	sl_text_init(&bytes, 0);
	sl_frame_change(&terminal.frame, text, sl_screen_size(), &bytes);
	write_all(sl_text_string(&bytes), bytes.len);
	sl_text_fini(&bytes);
}

/* ---- the wait -------------------------------------------------------------------------------- */

/* Stopped by the shell: the terminal is the shell's until it says to go on. */
static void stop(void)
{
	give_back();
	stopped = 0;
	kill(getpid(), SIGSTOP);
}

/* What signals left to be done. */
static bool settle(enum sl_screen_event *ret_event)
{
	bool back = false;

	if (interrupted) {
		*ret_event = SL_SCREEN_END;
		return true;
	}
	if (stopped) {
		stop();
		back = true;
	}
	if (resumed || back) {
		give_back(); /* stopped where nobody could catch it: the terminal may be the shell's */
		take();
	}
	back |= resized || resumed;
	resized = 0;
	resumed = 0;
	*ret_event = SL_SCREEN_SIZE;
	return back;
}

enum sl_screen_event sl_screen_wait(uint64_t until_ns)
{
	enum sl_screen_event event = SL_SCREEN_TIME;
	sigset_t caught, before;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigaddset(&caught, SIGHUP);
	sigaddset(&caught, SIGWINCH);
	sigaddset(&caught, SIGTSTP);
	sigaddset(&caught, SIGCONT);
	/* none can come between the look at what it left and the wait */
	sigprocmask(SIG_BLOCK, &caught, &before);
	while (!settle(&event)) {
		struct pollfd keys = {.fd = terminal.raw && !terminal.keys_over ? STDIN_FILENO : -1,
				      .events = POLLIN};
		uint64_t now_ns = sl_clock_ns();
		uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
		struct timespec wait = {(time_t)(left_ns / 1000000000u),
					(long)(left_ns % 1000000000u)};
		int ready = ppoll(&keys, 1, &wait, &before);

		if (ready < 0 && errno == EINTR)
			continue;
		event = ready > 0 ? SL_SCREEN_KEYS : SL_SCREEN_TIME;
		break;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return event;
}

size_t sl_screen_read(char *bytes, size_t size)
{
	ssize_t got = terminal.raw ? read(STDIN_FILENO, bytes, size) : 0;

	if (got <= 0)
		terminal.keys_over = got == 0 || (errno != EINTR && errno != EAGAIN);
	return got > 0 ? (size_t)got : 0;
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
