/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos.h - what the daemon does for experiments (`sluice chaos`): it tells who listens, among them the audit
 * trail, that one began or ended, and says how its clients fare. The experiment is the kernel plane's.
 *
 *	chaos FORMAT began NAME     one notice; so "ended NAME"
 *	chaos FORMAT facts          "requests N errors N ttft US:COUNT US:COUNT ...", since the start
 *
 * Errors are answers of 5xx and streams that ended by an error event. A bucket of ttft is named by the largest
 * value that it takes. One part of watch.h, on its thread.
 */
#ifndef SL_OPS_CHAOS_H
#define SL_OPS_CHAOS_H

#include "user/ops/watch.h"

extern const struct sl_watch_part sl_chaos_part;

#endif
