/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/events.h"

#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/request/worker.h"

static void tell_retired(const char *pool, const char *node)
{
	struct sl_notice notice = {.kind = SL_NOTICE_RETIRED,
				   .level = SL_NOTICE_WARN,
				   .of = SL_NOTICE_OF_NODE,
				   .who = "kernel"};

	sl_notice_set(notice.name, sizeof(notice.name), node);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_notice_tell(&notice, "dead, sends nothing: its flows of the fast lane are reset");
}

static void on_event(void *owner, const struct sl_event *event)
{
	struct sl_kernel_plane *plane = owner;
	struct sl_breaker_change change = {
		.changed = event->kind == SL_EVENT_TRANSITION,
		.cap_denied = event->kind == SL_EVENT_CAP_DENIED,
		.from = event->from,
		.to = event->to,
		.generation = event->generation,
		.signal = event->signal,
		.plane = event->plane,
	};
	char text[SL_ADDRESS_TEXT_SIZE];

	if (event->pool >= SL_POOLS_MAX || event->node >= SL_NODES_MAX)
		return;
	if (event->kind == SL_EVENT_NO_NODE) {
		sl_log_limited(SL_LOG_WARN, "pool \"%s\": fast lane: no node takes new flows",
			       plane->pools[event->pool].name);
		return;
	}
	sl_address_format(&plane->nodes[event->node].endpoint, text);
	if (event->kind == SL_EVENT_RETIRED) {
		sl_log(SL_LOG_WARN,
		       "pool \"%s\": node %s: dead, sends nothing: its flows of the fast lane are "
		       "reset (flow.retire_ms)",
		       plane->pools[event->pool].name, text);
		tell_retired(plane->pools[event->pool].name, text);
		return;
	}
	sl_worker_log_change(plane->pools[event->pool].name, text, &change);
}

void sl_events_log(struct sl_kernel_plane *plane)
{
	sl_kernel_plane_poll(plane, on_event, plane);
}
