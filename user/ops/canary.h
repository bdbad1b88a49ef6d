/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * canary.h - asks pools their canary questions on a schedule, and holds the answers against the recorded
 * baseline (policy/drift.h).
 *
 *   due (every, a quarter by chance)
 *     |  the pool has too much to do: later, and left out after SL_CANARY_LATER_MAX_MS
 *     v
 *   a run: each question of the file, one after the other, as a call of low weight (upstream/call.h)
 *     |  none was answered, or the file is bad: failed, said in the log
 *     v
 *   measured against the baseline -> sums -> alarms, kept on disk
 *
 * `record` asks each question `samples` times and makes that the baseline; the old one is replaced as a
 * whole, and its alarms are forgotten. Beside the causes of drift.h two are told at once and end at once:
 * `model`, the answers name another model than the baseline's; `fingerprint`, one that it had not.
 *
 * A pool with any alarm is one not to roll out to (sl_drift_holds()). The names in all other answers are
 * looked at in upstream/identity.h, with or without questions; a baseline that is recorded accepts those,
 * too. At most SL_CANARY_RUNNING_MAX runs at once.
 *
 * Thread: control. The board is read by any; write_metrics() may be called by any.
 */
#ifndef SL_OPS_CANARY_H
#define SL_OPS_CANARY_H

#include "user/request/routes.h"
#include "user/stage/stage.h"

#define SL_CANARY_RUNNING_MAX  4u
#define SL_CANARY_LATER_MAX_MS 3600000u

struct sl_canary;

/* stores: with their work and board; borrowed. Without memory nobody is asked, which is said in the log. */
void sl_canary_open(struct sl_loop *loop, const struct sl_upstream_state *state,
		    struct sl_stores *stores, struct sl_canary **ret_canary);

/* What this snapshot asks for from now on; takes a reference of its own. canary NULL: nothing. */
void sl_canary_apply(struct sl_canary *canary, struct sl_routes *routes);

/*
 * What the words say, which are changed; the answer begins with '!' when it is an error.
 *
 *	FORMAT show [POOL]      what is known
 *	FORMAT run POOL         begins a run; answers "N", the number of runs that will then have ended
 *	FORMAT record POOL      the same for a baseline
 *	FORMAT ended POOL       answers the number of runs that have ended
 *	FORMAT accept POOL      what its answers and its nodes' names are now is right; answers as run does, or "0"
 *	                        where there is nothing to wait for: a pool without questions
 *	FORMAT changed          a line a pool that has an alarm, and a node whose names have changed
 *	FORMAT drift            the alarms of all pools and what their nodes say they are, as JSON
 */
void sl_canary_say(struct sl_canary *canary, char *words, struct sl_text *text);

void sl_canary_write_metrics(struct sl_canary *canary, struct sl_text *text);

/* No more runs: turns the loop until nothing is open any more. */
void sl_canary_stop(struct sl_canary *canary);
void sl_canary_close(struct sl_canary **canary);

#endif
