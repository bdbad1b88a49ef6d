/* A timer wheel with one-millisecond slots.
 *
 * Owns: its slots. Timers are embedded in their owners and linked in by arming.
 * Invariants: an armed timer is in exactly one slot; a timer never fires before its due time; a
 * timer due further away than one turn waits in its slot and is passed over until its turn has
 * come. Threads: one owner. Costs: O(1) to arm and disarm; no system call, no clock of its own.
 */
#ifndef TESTS_STANDIN_WHEEL_H
#define TESTS_STANDIN_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

enum { SL_WHEEL_SLOT_COUNT = 4096 };

struct sl_timer {
	struct sl_timer *next, *prev; /* NULL when not armed */
	uint64_t due_ns;
};

struct sl_wheel {
	struct sl_timer slots[SL_WHEEL_SLOT_COUNT]; /* list heads */
	uint64_t used[SL_WHEEL_SLOT_COUNT / 64];    /* a bit for each slot with a timer */
	uint64_t tick; /* milliseconds: the first that has not been turned past */
};

/* Makes an empty wheel that stands at now_ns (monotonic). */
void sl_wheel_init(struct sl_wheel *wheel, uint64_t now_ns);

/* Arms, or re-arms, a timer. */
void sl_wheel_arm(struct sl_wheel *wheel, struct sl_timer *timer, uint64_t due_ns);

/* Disarms a timer; one that is not armed is left alone. */
void sl_wheel_disarm(struct sl_wheel *wheel, struct sl_timer *timer);

/* Takes one timer that is due, disarmed; NULL when none is left. Call until NULL. */
struct sl_timer *sl_wheel_take(struct sl_wheel *wheel, uint64_t now_ns);

/* Milliseconds from now_ns until something may be due; -1 when no timer is armed. */
int sl_wheel_wait_ms(const struct sl_wheel *wheel, uint64_t now_ns);

#endif
