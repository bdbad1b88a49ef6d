/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * screen.h - commands that refresh until Ctrl-C: the screen, its size, the wait, the signals.
 *
 * The alternate screen of the terminal is used, so what was there before comes back. One user a
 * process, one thread.
 */
#ifndef SL_LOADER_SCREEN_H
#define SL_LOADER_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* Of the terminal; zeros where standard output is none. */
struct sl_screen_size {
	uint32_t columns;
	uint32_t rows;
};

struct sl_screen_size sl_screen_size(void);

void sl_screen_enter(void);
void sl_screen_leave(void);

/*
 * Prints with each line cleared to its end, so that a shorter line leaves nothing of a longer, and
 * cut at the screen's edges: one line too many would scroll the first ones away. The first line may
 * wrap. Escape sequences take no place.
 */
void sl_screen_paint(const char *text);

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
