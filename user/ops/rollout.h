/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rollout.h - the part of the watch that rolls out models, prompts, indexes, configurations: starts, steps, goes back by itself.
 *
 *   sluice rollout start [-> it is asked beside a share of the requests (request/shadowed.h)]
 *     -> a share of the requests gets the candidate (policy/rollout_board.h)
 *     -> each ended request of either arm is a record -> gates (policy/rollout.h), looked at every SL_WATCH_POLL_MS
 *     -> the next step, full, or back to the baseline at once: in the shared state within one turn
 *
 *   what ends       what is served then
 *   full, a prompt  its stable label points at the candidate (the former one is known-good)
 *   full, an index  its version is promoted (store/indexes.h); the roll-out serves it to all until that is done
 *   full, another configuration   it, until the configuration says so itself (ops/rollout_config.c)
 *   full, a model   the candidate's pool first, until the configuration says so itself and the roll-out is
 *                   forgotten: a roll-out does not write configuration
 *   rolled back,    the baseline, whatever the labels and the configuration say
 *   aborted
 *
 * With check=NAME a program of the configuration is run before each step (ops/rollout_check.c,
 * policy/rollout_check.h): what it says is one more gate, `suite`.
 *
 * No step is taken while the candidate's pool has drifted (policy/drift.h), an objective of the route burns its budget,
 * or an experiment (chaos) runs: evidence of such times is counted but nothing rises on it.
 *
 * Every step is a notice and a line of the audit trail. All of it is kept in `rollouts.file` (one JSON line a
 * roll-out, replaced as a whole): a restart goes on at the step where it was, its evidence anew. An operator's
 * order is on the disk before it is answered; a step of the daemon's own is written by a job, so a crash may lose
 * the last tenth of a second: at worst a share is the one before, or a roll-back is found once more.
 *
 * Thread: control; write_metrics: any.
 */
#ifndef SL_OPS_ROLLOUT_H
#define SL_OPS_ROLLOUT_H

#include "user/ops/watch.h"

/*
 * On the admin socket:
 *
 *	rollout FORMAT start NAME KEY=VALUE...	see sluice-rollout in sluice(8) for the keys
 *	rollout FORMAT status [NAME]
 *	rollout FORMAT pause|resume|promote|abort|forget NAME
 */
extern const struct sl_watch_part sl_rollout_part;

#endif
