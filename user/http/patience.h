/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * patience.h - how long a peer that sends or takes bytes slowly is waited for. Pure; any thread.
 */
#ifndef SL_HTTP_PATIENCE_H
#define SL_HTTP_PATIENCE_H

#include <stddef.h>
#include <stdint.h>
#include "user/base/clock.h"

static inline uint64_t sl_patience_min_ns(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * When a peer that moved so many bytes since from_ns is overdue: timeout_ms are given, each
 * byte earns the time that it takes at `rate` bytes a second. Rate 0: never (UINT64_MAX). Does not
 * overflow for as many bytes as a connection can carry (2^34 at 1 byte a second).
 */
static inline uint64_t sl_patience_due_ns(uint64_t from_ns, uint32_t timeout_ms, uint64_t bytes,
					  uint32_t rate)
{
	const uint64_t second_ns = 1000 * SL_NS_PER_MS;

	if (!rate)
		return UINT64_MAX;
	return from_ns + (uint64_t)timeout_ms * SL_NS_PER_MS + bytes / rate * second_ns +
	       bytes % rate * second_ns / rate;
}

/* Of one answer under way: what the client has taken of it, and since when it is behind. */
struct sl_patience {
	uint64_t progress_ns; /* last byte in, or out while sending */
	uint64_t sent_mark;   /* bytes sent by then */
	uint64_t behind_ns;   /* since then more of the answer waits than slack */
	uint64_t behind_mark; /* bytes sent by then */
};

/* What a client may do: silence, and bytes a second (0: any) while more than slack waits. */
struct sl_patience_bounds {
	uint32_t timeout_ms;
	uint32_t rate_min;
	uint32_t slack;
};

/*
 * When an answer is overdue of which `pending` bytes wait and `sent` were taken. Only a client that
 * does not take its bytes is late; the owner times the rest. What is below the slack may be on its
 * way just now: it is not held against a client whose server writes slowly.
 */
static inline uint64_t sl_patience_answer_ns(struct sl_patience *p, uint64_t now_ns, size_t pending,
					     uint64_t sent, struct sl_patience_bounds bounds)
{
	if (!pending || p->sent_mark != sent) {
		p->sent_mark = sent;
		p->progress_ns = now_ns;
	}
	if (pending <= bounds.slack || !p->behind_ns) {
		p->behind_ns = now_ns;
		p->behind_mark = sent;
	}
	return sl_patience_min_ns(p->progress_ns + (uint64_t)bounds.timeout_ms * SL_NS_PER_MS,
				  sl_patience_due_ns(p->behind_ns, bounds.timeout_ms,
						     sent - p->behind_mark, bounds.rate_min));
}

#endif
