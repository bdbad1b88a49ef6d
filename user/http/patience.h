/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * patience.h - how long a peer that sends or takes bytes slowly is waited for. Pure; any thread.
 */
#ifndef SL_HTTP_PATIENCE_H
#define SL_HTTP_PATIENCE_H

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

#endif
