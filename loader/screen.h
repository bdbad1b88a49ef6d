/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * screen.h - commands that refresh until Ctrl-C: the screen, its size, keys, the wait, the signals.
 *
 * The alternate screen of the terminal is used, so what was there before comes back: at the end, when a signal
 * ends the process, a failed assertion and a crash included, and while it is stopped (Ctrl-Z). One user a process,
 * one thread; what a signal must put back is the process's, and so is the state here.
 */
#ifndef SL_LOADER_SCREEN_H
#define SL_LOADER_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "loader/frame.h"

/* Of the terminal; zeros where standard output is none. */
struct sl_screen_size sl_screen_size(void);

/* keys: those of standard input come one by one, unseen, where it is a terminal. */
void sl_screen_enter(bool keys);
void sl_screen_leave(void);

/* Makes the screen show the text (frame.h): one write(2) of what changed, none where nothing did. */
void sl_screen_paint(const char *text);

/* What a wait ended with. */
enum sl_screen_event {
	SL_SCREEN_TIME = 0,
	SL_SCREEN_KEYS, /* sl_screen_read() has some */
	SL_SCREEN_SIZE, /* the terminal has another size, or was away: paint again */
	SL_SCREEN_END,	/* interrupted */
};

/* Until then (sl_clock_ns()), a key, another size or the end. Stops and goes on as the shell wants it. */
enum sl_screen_event sl_screen_wait(uint64_t until_ns);

/* Bytes of keys that came; 0: none, or no more will. Never waits. */
size_t sl_screen_read(char *bytes, size_t size);

/* From now on SIGINT, SIGTERM and SIGHUP only end what sl_screen_interrupted() rules. */
void sl_screen_catch(void);
bool sl_screen_interrupted(void);

/* Ends early when interrupted. */
void sl_screen_sleep_us(uint64_t duration_us);

/*
 * The value of `sluice COMMAND --watch`, where NULL and "" mean a second. Returns 0, or -EINVAL after
 * a message.
 */
int sl_screen_interval(const char *command, const char *value, uint64_t *ret_us);

#endif
