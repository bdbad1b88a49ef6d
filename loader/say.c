/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/say.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const no_inks[SL_INKS] = {"", "", "", "", "", "", ""};

static const char *const inks_16[SL_INKS] = {
	[SL_INK_PLAIN] = "\033[0m",  [SL_INK_GOOD] = "\033[32m", [SL_INK_WARN] = "\033[33m",
	[SL_INK_BAD] = "\033[1;31m", [SL_INK_DIM] = "\033[2m",	 [SL_INK_BOLD] = "\033[1m",
	[SL_INK_CHOSEN] = "\033[7m",
};

/* At least 3.9:1 on black and 4.5:1 on white, as WCAG counts it: #008700, #af5f00, #d70000. */
static const char *const inks_256[SL_INKS] = {
	[SL_INK_PLAIN] = "\033[0m",	  [SL_INK_GOOD] = "\033[38;5;28m",
	[SL_INK_WARN] = "\033[38;5;130m", [SL_INK_BAD] = "\033[1;38;5;160m",
	[SL_INK_DIM] = "\033[2m",	  [SL_INK_BOLD] = "\033[1m",
	[SL_INK_CHOSEN] = "\033[7m",
};

static const char *const inks_mono[SL_INKS] = {
	[SL_INK_PLAIN] = "\033[0m",  [SL_INK_GOOD] = "", [SL_INK_WARN] = "\033[1m",
	[SL_INK_BAD] = "\033[1m",    [SL_INK_DIM] = "",	 [SL_INK_BOLD] = "\033[1m",
	[SL_INK_CHOSEN] = "\033[7m",
};

const char *const *sl_say_inks(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	const char *more = getenv("COLORTERM");

	if ((no_color && *no_color) || !isatty(fileno(stream)) || (term && !strcmp(term, "dumb")))
		return no_inks;
	if (term && (!strncmp(term, "vt1", 3) || !strncmp(term, "vt2", 3) || strstr(term, "-m")))
		return inks_mono;
	return (more && *more) || (term && strstr(term, "256color")) ? inks_256 : inks_16;
}

const char *sl_say_ink(FILE *stream, enum sl_ink ink)
{
	return sl_say_inks(stream)[ink];
}

static void say(enum sl_ink ink, const char *word, const char *next, const char *format,
		va_list values)
{
	fprintf(stderr, "sluice: %s%s:%s ", sl_say_ink(stderr, ink), word,
		sl_say_ink(stderr, SL_INK_PLAIN));
	vfprintf(stderr, format, values);
	if (next)
		fprintf(stderr, "\n  next: %s", next);
	fputc('\n', stderr);
}

int sl_say_error(const char *next, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	say(SL_INK_BAD, "error", next, format, values);
	va_end(values);
	return SL_EXIT_FAILED;
}

void sl_say_warning(const char *next, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	say(SL_INK_WARN, "warning", next, format, values);
	va_end(values);
}

const char *sl_say_duration(uint64_t duration_ns, char text[SL_DURATION_TEXT_MAX])
{
	double us = (double)duration_ns / 1e3;

	if (us < 1e3)
		snprintf(text, SL_DURATION_TEXT_MAX, "%.0f us", us);
	else if (us < 1e6)
		snprintf(text, SL_DURATION_TEXT_MAX, us < 1e4 ? "%.1f ms" : "%.0f ms", us / 1e3);
	else if (us < 120e6)
		snprintf(text, SL_DURATION_TEXT_MAX, us < 1e7 ? "%.1f s" : "%.0f s", us / 1e6);
	else if (us < 7200e6)
		snprintf(text, SL_DURATION_TEXT_MAX, "%.0f min", us / 60e6);
	else
		snprintf(text, SL_DURATION_TEXT_MAX, "%.0f h", us / 3600e6);
	return text;
}

const char *sl_say_bytes(uint64_t bytes, char text[SL_DURATION_TEXT_MAX])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
	double value = (double)bytes;
	unsigned unit = 0;

	while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1000;
		unit++;
	}
	snprintf(text, SL_DURATION_TEXT_MAX, unit && value < 10 ? "%.1f %s" : "%.0f %s", value,
		 units[unit]);
	return text;
}
