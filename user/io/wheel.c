/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wheel.c - see wheel.h.
 *
 * Invariant: a timer at level n shares with `tick` every 6-bit group above n, and its group n is
 * greater than that of `tick`. It holds across jumps of `tick` because sl_wheel_advance() stops at
 * the start of each used slot. Timers that are being run hang on a list on the stack: pprev makes
 * cancelling them work there too.
 */
#include "user/io/wheel.h"

#include <assert.h>

static unsigned group(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (level * SL_WHEEL_BITS)) & (SL_WHEEL_SLOTS - 1);
}

void sl_wheel_init(struct sl_wheel *wheel, uint64_t now_ms)
{
	*wheel = (struct sl_wheel){.tick = now_ms};
}

static void link_first(struct sl_timer **head, struct sl_timer *timer)
{
	timer->next = *head;
	if (timer->next)
		timer->next->pprev = &timer->next;
	*head = timer;
	timer->pprev = head;
}

static void unlink_timer(struct sl_timer *timer)
{
	*timer->pprev = timer->next;
	if (timer->next)
		timer->next->pprev = timer->pprev;
	timer->next = NULL;
	timer->pprev = NULL;
}

static void insert(struct sl_wheel *wheel, struct sl_timer *timer)
{
	uint64_t differ = wheel->tick ^ timer->due_ms;
	unsigned level = (63u - (unsigned)__builtin_clzll(differ)) / SL_WHEEL_BITS;
	unsigned slot = group(timer->due_ms, level);

	link_first(&wheel->slots[level][slot], timer);
	wheel->used[level] |= UINT64_C(1) << slot;
}

void sl_wheel_set(struct sl_wheel *wheel, struct sl_timer *timer, uint64_t due_ms)
{
	if (timer->pprev)
		sl_wheel_cancel(wheel, timer);
	if (due_ms <= wheel->tick)
		due_ms = wheel->tick + 1;
	if (due_ms > SL_WHEEL_TICK_MAX)
		due_ms = SL_WHEEL_TICK_MAX;
	assert(due_ms > wheel->tick);
	timer->due_ms = due_ms;
	insert(wheel, timer);
}

void sl_wheel_cancel(struct sl_wheel *wheel, struct sl_timer *timer)
{
	struct sl_timer **pprev = timer->pprev;
	struct sl_timer **first = &wheel->slots[0][0];

	if (!pprev)
		return;
	unlink_timer(timer);
	/* The last one of a slot clears its bit; other places (a list on the stack) have none. */
	if (!*pprev && pprev >= first && pprev < first + SL_WHEEL_LEVELS * SL_WHEEL_SLOTS) {
		size_t at = (size_t)(pprev - first);

		wheel->used[at / SL_WHEEL_SLOTS] &= ~(UINT64_C(1) << at % SL_WHEEL_SLOTS);
	}
}

/* Level of the earliest work, SL_WHEEL_LEVELS when empty; its tick goes to *ret_tick. */
static unsigned earliest(const struct sl_wheel *wheel, uint64_t *ret_tick)
{
	for (unsigned level = 0; level < SL_WHEEL_LEVELS; level++) {
		unsigned shift = level * SL_WHEEL_BITS;
		uint64_t above;

		if (!wheel->used[level])
			continue;
		above = wheel->tick >> (shift + SL_WHEEL_BITS) << SL_WHEEL_BITS;
		*ret_tick = (above | (unsigned)__builtin_ctzll(wheel->used[level])) << shift;
		return level;
	}
	return SL_WHEEL_LEVELS;
}

uint64_t sl_wheel_next_ms(const struct sl_wheel *wheel)
{
	uint64_t tick;

	return earliest(wheel, &tick) == SL_WHEEL_LEVELS ? UINT64_MAX : tick;
}

/* Takes the list out of a slot and hangs it on *head. */
static void take_slot(struct sl_wheel *wheel, unsigned level, unsigned slot, struct sl_timer **head)
{
	*head = wheel->slots[level][slot];
	wheel->slots[level][slot] = NULL;
	wheel->used[level] &= ~(UINT64_C(1) << slot);
	if (*head)
		(*head)->pprev = head;
}

uint64_t sl_wheel_advance(struct sl_wheel *wheel, uint64_t now_ms)
{
	uint64_t tick, ran = 0;
	unsigned level;

	while ((level = earliest(wheel, &tick)) < SL_WHEEL_LEVELS && tick <= now_ms) {
		struct sl_timer *list, *due = NULL;

		assert(tick > wheel->tick);
		wheel->tick = tick;
		take_slot(wheel, level, group(tick, level), &list);
		while (list) {
			struct sl_timer *timer = list;

			unlink_timer(timer);
			if (timer->due_ms <= tick)
				link_first(&due, timer);
			else
				insert(wheel, timer);
		}
		while (due) {
			struct sl_timer *timer = due;

			unlink_timer(timer);
			ran++;
			timer->expired(timer);
		}
	}
	if (now_ms > wheel->tick)
		wheel->tick = now_ms;
	return ran;
}
