/* See wheel.h. */
#include "tests/standin/wheel.h"

#include <stddef.h>

static const uint64_t tick_ns = 1000000;

static unsigned int slot_of(uint64_t tick)
{
	return (unsigned int)(tick % SL_WHEEL_SLOT_COUNT);
}

void sl_wheel_init(struct sl_wheel *wheel, uint64_t now_ns)
{
	for (unsigned int i = 0; i < SL_WHEEL_SLOT_COUNT; i++)
		wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
	for (unsigned int i = 0; i < SL_WHEEL_SLOT_COUNT / 64; i++)
		wheel->used[i] = 0;
	wheel->tick = now_ns / tick_ns;
}

/* The tick at whose turn the timer has become due: rounded up, so never early. */
static uint64_t tick_of(const struct sl_wheel *wheel, uint64_t due_ns)
{
	uint64_t tick = (due_ns + tick_ns - 1) / tick_ns;

	return tick < wheel->tick ? wheel->tick : tick;
}

void sl_wheel_disarm(struct sl_wheel *wheel, struct sl_timer *timer)
{
	if (!timer->next)
		return;
	timer->next->prev = timer->prev;
	timer->prev->next = timer->next;
	if (timer->next == timer->prev) {
		size_t slot = (size_t)(timer->next - wheel->slots);

		wheel->used[slot / 64] &= ~(1ull << slot % 64);
	}
	timer->next = timer->prev = NULL;
}

void sl_wheel_arm(struct sl_wheel *wheel, struct sl_timer *timer, uint64_t due_ns)
{
	sl_wheel_disarm(wheel, timer);
	timer->due_ns = due_ns;
	unsigned int slot = slot_of(tick_of(wheel, due_ns));
	struct sl_timer *head = &wheel->slots[slot];

	timer->next = head;
	timer->prev = head->prev;
	head->prev->next = timer;
	head->prev = timer;
	wheel->used[slot / 64] |= 1ull << slot % 64;
}

/* Slots from the wheel's own to the next used one; SL_WHEEL_SLOT_COUNT when none is used. */
static unsigned int distance(const struct sl_wheel *wheel)
{
	unsigned int from = slot_of(wheel->tick);

	for (unsigned int i = 0; i <= SL_WHEEL_SLOT_COUNT / 64; i++) {
		unsigned int word = (from / 64 + i) % (SL_WHEEL_SLOT_COUNT / 64);
		uint64_t bits = wheel->used[word];

		if (i == 0)
			bits &= ~0ull << from % 64;
		if (!bits)
			continue;
		unsigned int slot = word * 64 + (unsigned int)__builtin_ctzll(bits);
		return (slot + SL_WHEEL_SLOT_COUNT - from) % SL_WHEEL_SLOT_COUNT;
	}
	return SL_WHEEL_SLOT_COUNT;
}

struct sl_timer *sl_wheel_take(struct sl_wheel *wheel, uint64_t now_ns)
{
	uint64_t now_tick = now_ns / tick_ns;

	while (wheel->tick <= now_tick) {
		unsigned int skip = distance(wheel);

		if (skip > now_tick - wheel->tick) {
			/* The present tick stays open: a timer may still be armed for it. */
			wheel->tick = now_tick;
			return NULL;
		}
		wheel->tick += skip;
		struct sl_timer *head = &wheel->slots[slot_of(wheel->tick)];
		for (struct sl_timer *timer = head->next; timer != head; timer = timer->next) {
			if (timer->due_ns > now_ns)
				continue;
			sl_wheel_disarm(wheel, timer);
			return timer;
		}
		if (wheel->tick == now_tick)
			return NULL;
		wheel->tick++;
	}
	return NULL;
}

int sl_wheel_wait_ms(const struct sl_wheel *wheel, uint64_t now_ns)
{
	unsigned int skip = distance(wheel);

	if (skip == SL_WHEEL_SLOT_COUNT)
		return -1;
	uint64_t due_ns = (wheel->tick + skip) * tick_ns;
	return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + tick_ns - 1) / tick_ns);
}
