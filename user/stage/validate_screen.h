/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * validate_screen.h - personal data and secrets (policy/pii.h) and what lists name (wire/pattern.h) in a
 * text that comes in pieces: replaced, or told.
 *
 *   bytes in ->  [ context | held back ] -> bytes out
 *
 * What goes out is what would go out if the whole text had come at once, wherever it was cut: what may
 * still become a match is held back (sl_pii_hold(), at most SL_PII_HOLD_MAX bytes; in prose the last
 * word; with lists as much as sl_pattern_hold_back() says), and a little of what went out is kept, for the words before a number. A secret longer than
 * what is held back is cut off where it begins, and the rest of it swallowed as it comes. One thread.
 */
#ifndef SL_STAGE_VALIDATE_SCREEN_H
#define SL_STAGE_VALIDATE_SCREEN_H

#include "user/base/text.h"
#include "user/policy/pii.h"
#include "user/wire/pattern.h"

#define SL_SCREEN_BYTES_MAX (4u << 20) /* of one piece */
#define SL_SCREEN_LISTS_MAX 16u

enum sl_screen_action {
	SL_SCREEN_REDACT = 0, /* [email] */
	SL_SCREEN_MASK,	      /* j***@example.com, ************1111 */
	SL_SCREEN_BLOCK,      /* the first match ends it */
};

struct sl_screen {
	unsigned int kinds;
	enum sl_screen_action action;
	/* lists of patterns, held by the caller: what they match is removed, or ends it */
	struct sl_pattern_list *const *lists;
	uint64_t *const *list_matches; /* counted there; NULL: nowhere */
	uint32_t list_count;	       /* at most SL_SCREEN_LISTS_MAX */
	bool lists_block;
	struct sl_text window;
	size_t done; /* of the window, gone out or replaced */
	uint8_t mode;
	unsigned int found; /* kinds, a bit each; SL_SCREEN_LISTED: one of the lists */
	uint32_t count;	    /* matches */
	/* of them, what nobody was told of so far: sl_validate_tell() */
	uint32_t untold[SL_PII_COUNT]; /* NONE: of lists */
	uint32_t untold_lists[SL_SCREEN_LISTS_MAX];
	uint8_t last_kind, last_list; /* of the newest match; NONE: last_list's */
};

#define SL_SCREEN_LISTED 1u

void sl_screen_init(struct sl_screen *screen, unsigned int kinds, enum sl_screen_action action);
void sl_screen_fini(struct sl_screen *screen);

/*
 * Takes a piece, and appends to out what may go out by now; all of it with final, after which the screen
 * begins anew. Returns 0; -EPERM at the first match where the action is BLOCK (out has what was before
 * it); -ENOMEM, -E2BIG.
 */
int sl_screen_feed(struct sl_screen *screen, const char *data, size_t len, bool final,
		   struct sl_text *out);

/* Anything held back? */
bool sl_screen_holds(const struct sl_screen *screen);

#endif
