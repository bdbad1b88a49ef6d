/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_act.h - what the status page may do: POST /act/WORD?...
 *
 *	drain, undrain                           pool=POOL&node=ADDRESS
 *	breaker-open, breaker-close, breaker-auto  the same
 *	rollout-abort                            name=ROLLOUT
 *	chaos-abort                              number=NUMBER, of an experiment of the kernel plane
 *	strike-abort                             the same, of one on the daemon's requests
 *
 * The same deeds as `sluice drain`, `breaker`, `rollout abort`, and as ending `sluice chaos`; each is told as a
 * notice with who did it, so it is in the audit trail. Thread: control.
 */
#ifndef SL_OPS_PAGE_ACT_H
#define SL_OPS_PAGE_ACT_H

#include "user/ops/metrics.h"
#include "user/ops/watch.h"

struct sl_page_deed {
	const struct sl_metrics_source *metrics;
	struct sl_watch *watch;
	const char *who;
	uint64_t now_ns;
};

/* Appends {"done": TEXT} or {"error": {"message": TEXT}} and returns the status. */
int sl_page_act(const struct sl_page_deed *deed, const struct sl_admin_request *request,
		struct sl_text *text);

#endif
