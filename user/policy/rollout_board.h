/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rollout_board.h - which roll-outs there are, for the request path: who gets a candidate?
 *
 * The control thread publishes a set as a whole; the shares within it move (atomic). A set that another one
 * replaced is kept until the end of the process, because a request may be reading it: some hundred bytes a
 * roll-out that somebody starts or ends. A request without roll-outs costs one load.
 *
 * Who asks has the same answer each time (policy/share.h, with the roll-out's name and start as the salt): a
 * conversation does not change its model in the middle, and who saw the last roll-out first is another one now.
 */
#ifndef SL_POLICY_ROLLOUT_BOARD_H
#define SL_POLICY_ROLLOUT_BOARD_H

#include <stdint.h>
#include "user/base/text.h"

#define SL_ROLLOUTS_MAX	      16u
#define SL_ROLLOUT_NAME_BYTES 64u
#define SL_ROLLOUT_TEXT_BYTES 128u

enum sl_rollout_kind {
	SL_ROLLOUT_MODEL = 0, /* of a route: requests go to another pool first */
	SL_ROLLOUT_PROMPT,    /* of a prompt: requests that name no version get another one */
	SL_ROLLOUT_KINDS
};

struct sl_rollout_item {
	uint8_t id; /* 1 to 127, of no other roll-out that is kept */
	enum sl_rollout_kind kind;
	char name[SL_ROLLOUT_NAME_BYTES];
	char salt[SL_ROLLOUT_NAME_BYTES + 24];
	char subject[SL_ROLLOUT_TEXT_BYTES];   /* the route's model, or the prompt */
	char candidate[SL_ROLLOUT_TEXT_BYTES]; /* the pool, or the version's hash */
	uint32_t share;			       /* of 10,000; atomic */
	struct sl_rollout_item *older;	       /* the list of its owner */
};

struct sl_rollout_set {
	uint32_t count;
	struct sl_rollout_item *items[SL_ROLLOUTS_MAX];
	struct sl_rollout_set *older; /* the list of its owner */
};

/* An answer of a roll-out was judged: by an evaluator, or by the client who had it. */
struct sl_rollout_signal {
	uint8_t mark; /* sl_rollout_mark() */
	bool bad;
};

#define SL_ROLLOUT_SIGNALS_MAX \
	256u /* between two turns of who takes them; more are lost, and counted */

struct sl_rollout_board {
	const struct sl_rollout_set *set; /* atomic; NULL: none */
	/* Of the control thread alone: who judges puts them in, who rolls out takes them. */
	struct sl_rollout_signal signals[SL_ROLLOUT_SIGNALS_MAX];
	uint32_t signal_count;
	uint64_t signals_lost;
};

/* Tells of both marks of a request, where it has any. The control thread. */
void sl_rollout_board_tell(struct sl_rollout_board *board, const uint8_t marks[SL_ROLLOUT_KINDS],
			   bool bad);

/* The roll-out of that subject, or NULL. board NULL: none. Any thread. */
const struct sl_rollout_item *sl_rollout_board_find(const struct sl_rollout_board *board,
						    enum sl_rollout_kind kind,
						    struct sl_span subject);

/* Does this asker get the candidate? */
bool sl_rollout_item_takes(const struct sl_rollout_item *item, struct sl_span asker);

/* What a record says of a request's part in a roll-out: its id and its arm. 0: none. */
static inline uint8_t sl_rollout_mark(const struct sl_rollout_item *item, bool candidate)
{
	return (uint8_t)(item->id << 1 | candidate);
}

static inline uint8_t sl_rollout_mark_id(uint8_t mark)
{
	return mark >> 1;
}

static inline bool sl_rollout_mark_candidate(uint8_t mark)
{
	return mark & 1;
}

#endif
