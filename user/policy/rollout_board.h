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
 *
 * In the shadow nobody gets the candidate: it is asked beside a share of the requests (by their ids), at most
 * `asks_max` of them a minute over all threads, and what became of it is put into a list for the control thread.
 */
#ifndef SL_POLICY_ROLLOUT_BOARD_H
#define SL_POLICY_ROLLOUT_BOARD_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_ROLLOUTS_MAX	      16u
#define SL_ROLLOUT_NAME_BYTES 64u
#define SL_ROLLOUT_TEXT_BYTES 128u

enum sl_rollout_kind {
	SL_ROLLOUT_MODEL = 0, /* of a route: requests go to another pool first */
	SL_ROLLOUT_PROMPT,    /* of a prompt: requests that name no version get another one */
	SL_ROLLOUT_INDEX,     /* of an index: questions are looked up in another version */
	SL_ROLLOUT_CONFIG,    /* of the configuration: requests are answered by another one */
	SL_ROLLOUT_KINDS
};

/* Why a request of the share was not asked beside after all. */
enum sl_rollout_spared {
	SL_ROLLOUT_SPARED_BUDGET = 0, /* the minute's are used up */
	SL_ROLLOUT_SPARED_BUSY,	      /* too many on the way, or the candidate is full */
	SL_ROLLOUT_SPARED_TOOLS, /* it calls tools: what an answer sets off is not ours to double */
	SL_ROLLOUT_SPARED_FORM, /* no chat completion, or the candidate's form of it cannot be told */
	SL_ROLLOUT_SPARED_REFUSED, /* 4xx for the question's sake: says nothing */
	SL_ROLLOUT_SPAREDS
};

struct sl_rollout_item {
	uint8_t id; /* 1 to 127, of no other roll-out that is kept */
	enum sl_rollout_kind kind;
	char name[SL_ROLLOUT_NAME_BYTES];
	char salt[SL_ROLLOUT_NAME_BYTES + 24];
	char subject[SL_ROLLOUT_TEXT_BYTES];   /* the route's model, or the prompt */
	char candidate[SL_ROLLOUT_TEXT_BYTES]; /* the pool, or the version's hash */
	uint32_t share;			       /* of 10,000; atomic */
	uint32_t shadow;		       /* the same, to be asked beside */
	uint32_t asks_max;		       /* of those, a minute */
	uint64_t asks;			       /* the minute << 32 | how many in it; atomic */
	uint64_t spared[SL_ROLLOUT_SPAREDS];   /* atomic */
	struct sl_rollout_item *older;	       /* the list of its owner */
};

/* How well an index answered a question, for the roll-out of one. */
enum sl_rollout_lookup {
	SL_ROLLOUT_LOOKUP_NONE = 0, /* it was not asked */
	SL_ROLLOUT_LOOKUP_GOOD,
	SL_ROLLOUT_LOOKUP_MISSED, /* no chunk that is good enough */
	SL_ROLLOUT_LOOKUP_FAILED, /* it could not be searched, or not as it should be */
};

struct sl_rollout_found {
	uint8_t lookup; /* enum sl_rollout_lookup */
	float score;	/* of the best chunk: GOOD and MISSED; 0 and less: not known */
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

/* What became of one that was asked beside. */
struct sl_rollout_shadowed {
	struct sl_rollout_shadowed *next;
	uint8_t id; /* of its roll-out */
	bool failed, invalid;
	uint32_t first_us; /* comparable with a request's; 0: not known */
	struct sl_rollout_found found;
};

#define SL_ROLLOUT_SIGNALS_MAX \
	256u /* between two turns of who takes them; more are lost, and counted */

struct sl_rollout_board {
	const struct sl_rollout_set *set;     /* atomic; NULL: none */
	struct sl_rollout_shadowed *shadowed; /* newest first; atomic */
	/* Of the control thread alone: who judges puts them in, who rolls out takes them. */
	struct sl_rollout_signal signals[SL_ROLLOUT_SIGNALS_MAX];
	uint32_t signal_count;
	uint64_t signals_lost;
};

/* Tells of both marks of a request, where it has any. The control thread. */
void sl_rollout_board_tell(struct sl_rollout_board *board, const uint8_t marks[SL_ROLLOUT_KINDS],
			   bool bad);

/* The roll-out of that subject, or NULL. board NULL: none. Any thread. */
struct sl_rollout_item *sl_rollout_board_find(const struct sl_rollout_board *board,
					      enum sl_rollout_kind kind, struct sl_span subject);

/* The one of that id, or NULL. */
const struct sl_rollout_item *sl_rollout_board_id(const struct sl_rollout_board *board, uint8_t id);

/* Is the candidate to be asked beside this request? Where it is, one of the minute's is used. */
bool sl_rollout_item_shadows(struct sl_rollout_item *item, struct sl_span request, uint64_t now_ms);
void sl_rollout_item_spare(struct sl_rollout_item *item, enum sl_rollout_spared why);
const char *sl_rollout_spared_name(enum sl_rollout_spared why);

/* Puts a copy into the list; without memory it is lost, and false. Any thread. */
bool sl_rollout_board_shadowed(struct sl_rollout_board *board,
			       const struct sl_rollout_shadowed *shadowed);
/* All of them, in no order, for free() each; NULL: none. The control thread. */
struct sl_rollout_shadowed *sl_rollout_board_take(struct sl_rollout_board *board);

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
