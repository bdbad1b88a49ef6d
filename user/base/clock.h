/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * clock.h - the two clocks. Durations and deadlines are CLOCK_MONOTONIC (the kernel plane's
 * bpf_ktime_get_ns); the wall clock is for records and answers only. Any thread, about 20 ns.
 */
#ifndef SL_BASE_CLOCK_H
#define SL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define SL_NS_PER_US 1000ull
#define SL_NS_PER_MS 1000000ull
#define SL_NS_PER_S  1000000000ull

/* CLOCK_MONOTONIC in ns. On a loop's thread use sl_loop_now_ns(): it costs no call. */
static inline uint64_t sl_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t sl_clock_ms(void)
{
	return sl_clock_ns() / SL_NS_PER_MS;
}

/* ms since 1970-01-01 UTC; may jump. */
static inline uint64_t sl_clock_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / SL_NS_PER_MS;
}

#define SL_CLOCK_ISO_SIZE 32u

/* What turns a monotonic time into one since 1970; both clocks read now. */
static inline uint64_t sl_clock_wall_offset_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SL_NS_PER_S + (uint64_t)now.tv_nsec - sl_clock_ns();
}

/* "2025-03-01T12:00:00.123Z" (ISO 8601, UTC); years after 9999 are written as 9999. */
void sl_clock_format_iso(uint64_t wall_ms, char out[SL_CLOCK_ISO_SIZE]);

#endif
