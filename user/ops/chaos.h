/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos.h - the daemon's part of experiments (`sluice chaos`). Those on packets are the kernel plane's: here they
 * are written down, and it is said how clients fare. Those on requests run here, on the board of strikes
 * (policy/strike_board.h), and end here: by their time, their lease, their hits, an operator, an objective that
 * burns its budget, the daemon's end.
 *
 *	chaos FORMAT began NAME     of one on packets: one notice; so "ended NAME"
 *	chaos FORMAT start ORDER    one on requests, see policy/strike.h: "NUMBER SLOT SLOT ...", the nodes it means
 *	chaos FORMAT renew NUMBER   its lease: "runs SEEN HITS", or how it ended instead of "runs"
 *	chaos FORMAT stop NUMBER    or "stop all": "N stopped"
 *	chaos FORMAT verdict TEXT   what came of one: into the audit trail, and kept for
 *	chaos FORMAT report         the last SL_CHAOS_VERDICTS_MAX of these
 *	chaos FORMAT list           a line each, or an array of objects
 *	chaos FORMAT facts          how clients fare, since the start:
 *
 *		requests N errors N burns N probes N ttft US:COUNT US:COUNT ...
 *		did NAME N              what sluice did about it, one line each: retries, steps of ladders
 *
 * Errors are answers of 5xx and streams that ended by an error event. A bucket of ttft is named by the largest
 * value that it takes. burns counts objectives that began to burn at the rate that pages. One part of watch.h, on
 * its thread.
 */
#ifndef SL_OPS_CHAOS_H
#define SL_OPS_CHAOS_H

#include "user/ops/watch.h"

extern const struct sl_watch_part sl_chaos_part;

#endif
