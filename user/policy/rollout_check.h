/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rollout_check.h - a roll-out's named check (a regression suite): what it has said of the step that is to be left.
 *
 *   state       it means                                         goes on when
 *   NONE        none was named: steps are taken without one
 *   WAITING     the step is not over                             the step is ready and it was started -> RUNNING
 *   RUNNING     somebody runs it                                 exit 0 -> PASSED, exit 1 -> FAILED, else -> CANNOT_RUN
 *   PASSED      the step may be left                             it is left -> WAITING
 *   FAILED      for good: the roll-out goes back
 *   CANNOT_RUN  it has said nothing: no step is taken            the pause is over, the step ready, started -> RUNNING
 *
 * Whoever takes a run back (the check was changed, the roll-out has ended) is in WAITING at once, and what that
 * run still says is not for this machine.
 *
 * Pure; times come in.
 */
#ifndef SL_POLICY_ROLLOUT_CHECK_H
#define SL_POLICY_ROLLOUT_CHECK_H

#include <stdbool.h>
#include <stdint.h>

enum sl_rollout_check_state {
	SL_ROLLOUT_CHECK_NONE = 0,
	SL_ROLLOUT_CHECK_WAITING,
	SL_ROLLOUT_CHECK_RUNNING,
	SL_ROLLOUT_CHECK_PASSED,
	SL_ROLLOUT_CHECK_FAILED,
	SL_ROLLOUT_CHECK_CANNOT_RUN,
	SL_ROLLOUT_CHECK_STATES
};

/* What a run has come to. */
enum sl_rollout_check_end {
	SL_ROLLOUT_CHECK_SAYS_NOTHING = 0, /* not started, no end of its own, another status */
	SL_ROLLOUT_CHECK_SAYS_GOOD,
	SL_ROLLOUT_CHECK_SAYS_BAD,
	SL_ROLLOUT_CHECK_ENDS
};

struct sl_rollout_check {
	enum sl_rollout_check_state state;
	uint32_t misses;   /* runs in a row that said nothing */
	uint64_t again_ms; /* CANNOT_RUN: not before */
	uint64_t ends[SL_ROLLOUT_CHECK_ENDS];
};

/* status: of a program that ended by itself; -1: it did not. */
enum sl_rollout_check_end sl_rollout_check_end_of(int status);

/* Is it to be started now? ready: nothing but the check keeps the roll-out from its next step. */
bool sl_rollout_check_is_due(const struct sl_rollout_check *check, bool ready, uint64_t now_ms);
/* May the step be left, for the check's part? */
bool sl_rollout_check_allows(const struct sl_rollout_check *check);

/* It runs: of one that is WAITING or CANNOT_RUN. */
void sl_rollout_check_start(struct sl_rollout_check *check);
/* The run has ended (RUNNING); pause_ms: before one that said nothing is run again. */
void sl_rollout_check_end(struct sl_rollout_check *check, enum sl_rollout_check_end end,
			  uint64_t now_ms, uint64_t pause_ms);
/* There is nothing to be run: as CANNOT_RUN, but it may be started once there is. No run is counted. */
void sl_rollout_check_hold(struct sl_rollout_check *check);
/* The step was left, or the run was taken back. What FAILED stays. */
void sl_rollout_check_rest(struct sl_rollout_check *check);

const char *sl_rollout_check_state_name(enum sl_rollout_check_state state);
const char *sl_rollout_check_end_name(enum sl_rollout_check_end end);

#endif
