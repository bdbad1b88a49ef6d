/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * say.h - how the command speaks: errors with a next action, colours, durations.
 *
 * Errors go to standard error, data to standard output. Colours only on a terminal, never with
 * NO_COLOR set. Single-threaded, as the whole command.
 */
#ifndef SL_LOADER_SAY_H
#define SL_LOADER_SAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum sl_exit {
	SL_EXIT_OK = 0,
	SL_EXIT_FAILED = 1,
	SL_EXIT_USAGE = 2,
};

enum sl_ink {
	SL_INK_PLAIN = 0,
	SL_INK_GOOD,
	SL_INK_WARN,
	SL_INK_BAD,
	SL_INK_DIM,
	SL_INK_BOLD,
	SL_INK_CHOSEN, /* what the next key is about */
	SL_INKS
};

/* Longest text that sl_say_duration() writes, with its NUL. */
#define SL_DURATION_TEXT_MAX 24u

/*
 * An error: what is wrong (object and value named) and what to do next, which may be NULL where
 * there is nothing but to read. Returns SL_EXIT_FAILED so that callers can `return` it.
 */
int sl_say_error(const char *next, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for what does not stop the command. */
void sl_say_warning(const char *next, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * The escape sequences of all inks, "" where the stream is no terminal. Each colour also has a word or a sign
 * beside it wherever it is used. 16 colours are the terminal's own, for dark and light; where it has 256, ones that
 * are legible on both; a terminal without colours has bold and reverse; NO_COLOR and TERM=dumb have none of it.
 */
const char *const *sl_say_inks(FILE *stream);

/* The escape sequence of the ink, or "" where the stream is not a terminal. */
const char *sl_say_ink(FILE *stream, enum sl_ink ink);

/* "850 us", "3.2 s", "4 min": two figures are enough for a person. Returns `text`. */
const char *sl_say_duration(uint64_t duration_ns, char text[SL_DURATION_TEXT_MAX]);

/* "1.5 MB" and the like, powers of 1000. Returns `text`. */
const char *sl_say_bytes(uint64_t bytes, char text[SL_DURATION_TEXT_MAX]);

#endif
