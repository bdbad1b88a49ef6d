/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.h - one look at the shared state, as text for people and as JSON for programs.
 *
 * Both read the live state through a view; the caller prints the text. Costs a few microseconds and
 * a system call a device.
 */
#ifndef SL_LOADER_STATUS_H
#define SL_LOADER_STATUS_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/health.h"
#include "loader/view.h"
#include "user/base/text.h"

/* What the two renderings need to know beside the maps. */
struct sl_status_look {
	const struct sl_view *view;
	const char *pool;	      /* only this pool; NULL: all */
	const char *daemon_socket;    /* where the daemon was looked for */
	bool daemon;		      /* it answered */
	const char *profile;	      /* that it works by; "": it did not say */
	struct sl_health_look health; /* what it says of the nodes; empty: nothing */
	const char *drift;	      /* what it says of pools' models, as JSON; "": nothing */
	const char *semantic;	      /* the same of routes' semantic caches */
	const char *rings;	      /* and of zones and regions */
	bool daemon_alone;	      /* it works without kernel plane */
	uint64_t now_ns;	      /* CLOCK_MONOTONIC */
	uint32_t columns;	      /* width of the terminal; 0: no terminal, show all columns */
};

const char *sl_status_state_name(uint32_t state);   /* enum sl_breaker_state */
const char *sl_status_signal_name(uint32_t signal); /* enum sl_signal */
const char *sl_status_plane_name(uint32_t plane);   /* enum sl_plane */

/* The answer to "is it well", one line without its end. Returns whether it is. */
bool sl_status_summary(const struct sl_status_look *look, struct sl_text *text);

void sl_status_text(const struct sl_status_look *look, struct sl_text *text);
void sl_status_json(const struct sl_status_look *look, struct sl_text *text);

#endif
