/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/trail_check.h"

#include <string.h>

#define DONE_MASK    0xfu
#define ANSWER	     (1u << 4)
#define TEXT_SHIFT   8u
#define TEXT_MASK    0xffu
#define NUMBER_SHIFT 16u
#define NUMBER_MAX   0xffffu

_Static_assert(SL_CHECK_DONES <= DONE_MASK + 1, "four bits");
_Static_assert(SL_TRAIL_TEXTS_BYTES <= TEXT_MASK, "eight bits, 0 for none");

/* The text that the event's value names; NULL: none. */
static const char *text_of(const struct sl_trail *trail, uint32_t value)
{
	uint32_t at = value >> TEXT_SHIFT & TEXT_MASK;

	return at && at <= SL_TRAIL_TEXTS_BYTES ? &trail->texts[at - 1] : NULL;
}

/* Where it begins, and 1; one that is there already serves both. 0: no room, or nothing to keep. */
static uint32_t keep_text(struct sl_trail *trail, const char *text)
{
	size_t at = 0, room, len;

	if (!text || !text[0])
		return 0;
	for (; at < trail->texts_len; at += strlen(&trail->texts[at]) + 1)
		if (strcmp(&trail->texts[at], text) == 0)
			return (uint32_t)at + 1;
	room = sizeof(trail->texts) - at;
	if (room < 2)
		return 0;
	len = strnlen(text, room - 1);
	memcpy(&trail->texts[at], text, len);
	trail->texts[at + len] = '\0';
	trail->texts_len = (uint8_t)(at + len + 1);
	return (uint32_t)at + 1;
}

static bool adds_up(enum sl_check_done done)
{
	return done == SL_CHECK_REDACTED || done == SL_CHECK_MASKED;
}

/* Adds to the event that says the same. False: there is none. */
static bool add_to(struct sl_trail *trail, uint8_t check, uint32_t value, uint32_t number)
{
	for (uint16_t i = 0; i < trail->event_count; i++) {
		struct sl_trail_event *event = &trail->events[i];
		uint32_t sum = (event->value >> NUMBER_SHIFT) + number;

		if (event->kind != SL_TRAIL_CHECK || event->detail != check ||
		    (event->value & NUMBER_MAX) != value)
			continue;
		sum = sum < NUMBER_MAX ? sum : NUMBER_MAX;
		__atomic_store_n(&event->value, value | sum << NUMBER_SHIFT, __ATOMIC_RELAXED);
		return true;
	}
	return false;
}

void sl_trail_check_note(const struct sl_trail_ref *ref, uint64_t now_ns,
			 const struct sl_checked *checked)
{
	struct sl_trail *trail = sl_trail_of(ref);
	uint32_t number = checked->number < NUMBER_MAX ? checked->number : NUMBER_MAX, value;

	if (!trail)
		return;
	value = checked->done | (checked->is_answer ? ANSWER : 0) |
		keep_text(trail, checked->what) << TEXT_SHIFT;
	if (adds_up(checked->done) && add_to(trail, (uint8_t)checked->check, value, number))
		return;
	sl_trail_note(ref, now_ns,
		      &(struct sl_trail_event){.kind = SL_TRAIL_CHECK,
					       .detail = (uint8_t)checked->check,
					       .value = value | number << NUMBER_SHIFT});
}

struct sl_trail_check_words sl_trail_check_words_of(const struct sl_trail *trail,
						    const struct sl_trail_event *event)
{
	uint32_t done = event->value & DONE_MASK, number = event->value >> NUMBER_SHIFT;
	bool known = done < SL_CHECK_DONES && event->detail < SL_CHECKS;

	if (!known) /* torn while it was copied */
		return (struct sl_trail_check_words){.check = "none", .of = "", .done = "none"};
	return (struct sl_trail_check_words){
		.check = sl_check_name((enum sl_check)event->detail),
		.of = sl_trail_check_is_answer(event) ? "answer" : "question",
		.done = sl_check_done_name((enum sl_check_done)done),
		.what = text_of(trail, event->value),
		.number_name = !number				   ? NULL
			       : adds_up((enum sl_check_done)done) ? "times"
								   : "repair",
		.number = number,
	};
}
