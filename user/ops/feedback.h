/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feedback.h - the part of the watch that keeps what clients say about answers (POST /v1/feedback).
 *
 *	each ended request   -> store/ratings.h: one that may be rated
 *	each rating          -> the sums of its route, model (pool) and version of the prompt
 *	                     -> a signal to the roll-out that the request was part of (policy/rollout_board.h):
 *	                        bad below 0; a rating that replaces another one is none, or one client had two
 *	                        votes
 *	                     -> a row of `feedback.path`, where there is one
 *
 * Satisfaction is the mean of the scores, from 0 (all bad) to 1; a rating without a score (a label that means
 * none) counts as a rating alone. With SL_FEEDBACK_MEMORY scores half of them are forgotten. The newest
 * SL_FEEDBACK_SAVED answers are written every SL_FEEDBACK_SAVE_MS and at the end, so that they can be rated
 * after a restart, too.
 *
 * Thread: control; write_metrics: any.
 */
#ifndef SL_OPS_FEEDBACK_H
#define SL_OPS_FEEDBACK_H

#include "user/ops/watch.h"

#define SL_FEEDBACK_GROUPS_MAX 256u /* of route, model, prompt; the last is for all others */
#define SL_FEEDBACK_MEMORY     2000u
#define SL_FEEDBACK_SAVED      4096u
#define SL_FEEDBACK_SAVE_MS    10000u
#define SL_FEEDBACK_LISTED_MAX 1000u

/*
 * On the admin socket:
 *
 *	feedback FORMAT list [COUNT]	the newest first
 *	feedback FORMAT stats
 */
extern const struct sl_watch_part sl_feedback_part;

#endif
