/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recovery.h - may a hook run now for this target (a node, a pool, a route)?
 *
 *   verdict   refuses because
 *   run       -
 *   busy      it runs for that target now
 *   soon      its last run for it began less than every_ms ago, doubled with each failure in a row up to an hour
 *   cooling   it succeeded less than cooldown_ms ago
 *   hour      it ran per_hour times for it in this hour
 *   full      SL_RECOVERY_TARGETS_MAX others had it in the last hour, or in their longer every_ms or cooldown_ms
 *
 * What repairs can also break: a restart of a server that needs minutes to load its model must not be repeated
 * while it does. Pure; monotonic times come in. One thread.
 */
#ifndef SL_POLICY_RECOVERY_H
#define SL_POLICY_RECOVERY_H

#include "user/base/notice.h"

#define SL_RECOVERY_TARGETS_MAX 64u
#define SL_RECOVERY_BACKOFF_MAX 3600000u

struct sl_recovery_rule {
	uint32_t every_ms, cooldown_ms, per_hour;
};

struct sl_recovery_target {
	char name[SL_NOTICE_NAME_BYTES];     /* "": free */
	uint64_t began_ms, good_ms, hour_ms; /* 0: never */
	uint32_t in_hour, failures;
	bool runs;
};

struct sl_recovery {
	struct sl_recovery_target targets[SL_RECOVERY_TARGETS_MAX];
};

enum sl_recovery_verdict {
	SL_RECOVERY_RUN = 0,
	SL_RECOVERY_BUSY,
	SL_RECOVERY_SOON,
	SL_RECOVERY_COOLING,
	SL_RECOVERY_HOUR,
	SL_RECOVERY_FULL,
	SL_RECOVERY_VERDICTS
};

/* now_ms: not 0. RUN: it counts as begun; sl_recovery_ran() says how it went. */
enum sl_recovery_verdict sl_recovery_ask(struct sl_recovery *recovery,
					 const struct sl_recovery_rule *rule, const char *target,
					 uint64_t now_ms);

void sl_recovery_ran(struct sl_recovery *recovery, const char *target, bool ok, uint64_t now_ms);

const char *sl_recovery_verdict_name(enum sl_recovery_verdict verdict); /* "soon", ... */

#endif
