/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.h - hierarchical timer wheel over struct sl_timer, 1 ms ticks.
 *
 * SL_WHEEL_LEVELS levels of 64 slots. A timer sits at the level of the highest 6-bit group in which
 * its due tick differs from the current one, so the lowest level that is not empty holds the
 * earliest work and one count-trailing-zeros finds it. Set and cancel are O(1); a timer moves down
 * at most once a level. Used through loop.h; one thread.
 */
#ifndef SL_IO_WHEEL_H
#define SL_IO_WHEEL_H

#include "user/io/loop.h"

#define SL_WHEEL_LEVELS 7u
#define SL_WHEEL_SLOTS	64u
#define SL_WHEEL_BITS	6u
/* Last tick that can be asked for: 139 years of uptime. Later ones are clamped to it. */
#define SL_WHEEL_TICK_MAX ((UINT64_C(1) << (SL_WHEEL_LEVELS * SL_WHEEL_BITS)) - 1)

struct sl_wheel {
	uint64_t tick; /* last millisecond whose timers have run */
	uint64_t used[SL_WHEEL_LEVELS];
	struct sl_timer *slots[SL_WHEEL_LEVELS][SL_WHEEL_SLOTS];
};

/* Starts empty at now_ms. */
void sl_wheel_init(struct sl_wheel *wheel, uint64_t now_ms);

/* (Re)arms for tick due_ms; ticks that have passed mean the next one. */
void sl_wheel_set(struct sl_wheel *wheel, struct sl_timer *timer, uint64_t due_ms);
void sl_wheel_cancel(struct sl_wheel *wheel, struct sl_timer *timer);

/* The next tick at which there is work (a timer or a move down), UINT64_MAX when empty. */
uint64_t sl_wheel_next_ms(const struct sl_wheel *wheel);

/*
 * Runs everything due up to and including now_ms, in order of ticks. Callbacks may set and cancel
 * any timer, also the ones that are about to run. Returns how many ran.
 */
uint64_t sl_wheel_advance(struct sl_wheel *wheel, uint64_t now_ms);

#endif
