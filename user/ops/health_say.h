/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health_say.h - the nodes' health as lines, for the admin socket. Thread: control.
 */
#ifndef SL_OPS_HEALTH_SAY_H
#define SL_OPS_HEALTH_SAY_H

#include "user/base/health_line.h"
#include "user/ops/checks.h"
#include "user/request/routes.h"

/* Of one node. routes: for where it is; NULL: not told. Any thread. */
void sl_health_look(const struct sl_upstream_state *state, const struct sl_check_counts *counts,
		    const struct sl_routes *routes, uint32_t slot, uint64_t now_ms,
		    struct sl_health_line *ret_line);

/* One line for each node that is configured. counts: of sl_checks_counts(), or NULL. */
void sl_health_say(const struct sl_upstream_state *state, const struct sl_check_counts *counts,
		   const struct sl_routes *routes, uint64_t now_ms, struct sl_text *text);

#endif
