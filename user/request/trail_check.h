/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * trail_check.h - what a check of a question or an answer did, in a trail: an event of the kind SL_TRAIL_CHECK.
 *
 *	detail	enum sl_check
 *	value	bits 0 to 3 enum sl_check_done, 4 of the answer, 8 to 15 where its text begins in the trail's
 *		texts and 1 (0: it has none), 16 to 31 the number
 *
 * Redactions of one kind, list and side are one event, however many they are. Thread: as of trail.h.
 */
#ifndef SL_REQUEST_TRAIL_CHECK_H
#define SL_REQUEST_TRAIL_CHECK_H

#include "user/request/trail.h"
#include "user/stage/stage.h"

/* checked->what is copied, cut to what room there is; no room at all: it is left out. */
void sl_trail_check_note(const struct sl_trail_ref *ref, uint64_t now_ns,
			 const struct sl_checked *checked);

/* Such an event for people. Constant strings, but what, which is the trail's. */
struct sl_trail_check_words {
	const char *check, *of, *done;
	const char *what;	 /* NULL: nothing more to say */
	const char *number_name; /* "times" or "repair"; NULL: the number says nothing */
	uint32_t number;
};

struct sl_trail_check_words sl_trail_check_words_of(const struct sl_trail *trail,
						    const struct sl_trail_event *event);

/* Is it about the answer? Else about the question. */
static inline bool sl_trail_check_is_answer(const struct sl_trail_event *event)
{
	return event->value & 1u << 4;
}

#endif
