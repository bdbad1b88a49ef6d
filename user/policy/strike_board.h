/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strike_board.h - the experiments on requests that run, where each attempt looks.
 *
 *   free -> runs   sl_strike_board_begin()
 *   runs           sl_strike_board_renew() within its lease
 *   runs -> free   sl_strike_board_end(), or the time, the lease or the hits are over: then it strikes nobody
 *                  any more, whoever has died, and sl_strike_board_sweep() finds it
 *
 * The board is memory of the process: what is lost with it is over. The control thread alone writes rows; any
 * thread reads them, without a lock: a row that changes meanwhile (`sequence` odd, or another) is none.
 * Cost: nothing but one load and a branch while no experiment runs; then a few loads a row and attempt.
 */
#ifndef SL_POLICY_STRIKE_BOARD_H
#define SL_POLICY_STRIKE_BOARD_H

#include "bpf/limits.h"
#include "user/policy/strike.h"

#define SL_STRIKES_MAX	16u
#define SL_STRIKE_WORDS (SL_NODES_MAX / 64)

enum sl_strike_end {
	SL_STRIKE_RUNS = 0,
	SL_STRIKE_RAN,	    /* its whole time */
	SL_STRIKE_ORPHANED, /* who ordered it was not heard any more */
	SL_STRIKE_SPENT,    /* the hits that it may have */
	SL_STRIKE_STOPPED,
	SL_STRIKE_BURNED, /* an objective burns its budget */
	SL_STRIKE_ENDS
};

struct sl_strike_row {
	uint32_t sequence;
	bool runs;		  /* control thread's, as the next */
	enum sl_strike_end ended; /* the experiment that was here last */
	struct sl_strike_order order;
	uint64_t end_ms;   /* of its time */
	uint64_t until_ms; /* of its lease */
	uint64_t seen, hits;
	uint64_t nodes[SL_STRIKE_WORDS]; /* bit per slot */
};

struct sl_strike_board {
	uint32_t on; /* rows that run */
	uint32_t last_number;
	uint64_t hits[SL_STRIKE_COUNT]; /* since the start, by kind */
	uint64_t ended[SL_STRIKE_ENDS];
	struct sl_strike_row rows[SL_STRIKES_MAX];
};

/* ---- control thread -------------------------------------------------------------------------- */

/* nodes: SL_STRIKE_WORDS words; NULL for a store. The experiment's number, or 0: SL_STRIKES_MAX run. */
uint32_t sl_strike_board_begin(struct sl_strike_board *board, const struct sl_strike_order *order,
			       const uint64_t *nodes, uint64_t now_ms);

/* The row of an experiment that runs, or ran last of all in its row; else NULL. */
struct sl_strike_row *sl_strike_board_find(struct sl_strike_board *board, uint32_t number);

void sl_strike_board_renew(struct sl_strike_row *row, uint64_t now_ms);
/* From now on it means those of its nodes alone that are in these SL_STRIKE_WORDS words. Is any left? */
bool sl_strike_board_narrow(struct sl_strike_row *row, const uint64_t *nodes);
void sl_strike_board_end(struct sl_strike_board *board, struct sl_strike_row *row,
			 enum sl_strike_end end);

/* Frees the next row that is over; *ret_order is what it was. SL_STRIKE_RUNS: there is none. */
enum sl_strike_end sl_strike_board_sweep(struct sl_strike_board *board, uint64_t now_ms,
					 struct sl_strike_order *ret_order);

/* ---- any thread ------------------------------------------------------------------------------ */

static inline bool sl_strike_board_is_on(const struct sl_strike_board *board)
{
	return board && __builtin_expect(__atomic_load_n(&board->on, __ATOMIC_RELAXED) != 0, 0);
}

/*
 * What strikes an attempt on the node of that slot: the first experiment that means it and takes it. id may be
 * NULL: then each is taken by its own chance. False: none; *ret_strike is untouched. *ret_key: see strike.h.
 */
bool sl_strike_board_pick(struct sl_strike_board *board, uint32_t slot, const char *id, bool check,
			  uint64_t now_ms, struct sl_strike *ret_strike, uint64_t *ret_key);

/* Is the store down for this request? */
bool sl_strike_board_is_down(struct sl_strike_board *board, enum sl_strike_store store,
			     const char *id, uint64_t now_ms);

#endif
