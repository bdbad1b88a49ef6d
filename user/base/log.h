/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - records for the operator, one line each on standard error.
 *
 *	time=2025-03-01T12:00:00.123Z level=warn pool "chat": node 10.0.0.7:8000: breaker open
 *trips=3
 *
 * A record names the object first, then what happened, then numbers as key=value. Never a prompt,
 * an answer, a key or a token. Line breaks and control bytes are escaped, so a record stays one
 * line whatever a peer sent. One write(2) a record: threads do not mix their lines. The level is
 * the one mutable global of the project. Any thread, also before main's set-up; not in signal
 * handlers.
 */
#ifndef SL_BASE_LOG_H
#define SL_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define SL_LOG_RECORD_BYTES_MAX 2048u /* longer records are cut and end in "..." */
#define SL_LOG_LIMIT_RECORDS	5u    /* of one call site in one period */
#define SL_LOG_LIMIT_PERIOD_MS	10000u

enum sl_log_level {
	SL_LOG_ERROR = 0, /* something asked for does not work */
	SL_LOG_WARN = 1,  /* works, but not as asked */
	SL_LOG_INFO = 2,  /* changes of state an operator wants to see; the default */
	SL_LOG_DEBUG = 3, /* for whoever debugs sluice */
};

extern atomic_int sl_log_level_now;

void sl_log_set_level(enum sl_log_level level);

/* "error", "warn", "info", "debug". -EINVAL for any other name. */
int sl_log_parse_level(const char *name, enum sl_log_level *ret_level);

static inline bool sl_log_enabled(enum sl_log_level level)
{
	return (int)level <= atomic_load_explicit(&sl_log_level_now, memory_order_relaxed);
}

/* Use the macro: it skips the arguments' evaluation when the level is off. errno is preserved. */
__attribute__((format(printf, 2, 3))) void sl_log_write(enum sl_log_level level, const char *format,
							...);

#define sl_log(level, ...)                                \
	do {                                              \
		if (sl_log_enabled(level))                \
			sl_log_write(level, __VA_ARGS__); \
	} while (0)

/* Budget of one call site; all zero is full. Any thread. */
struct sl_log_limit {
	atomic_uint_least64_t period_start_ms;
	atomic_uint_least32_t records;
	atomic_uint_least32_t suppressed;
};

/*
 * True when the call site may write now. *ret_suppressed: records that were left out since the
 * last one that was written (0 mostly). Threads that race at a period's edge may pass a record
 * more.
 */
bool sl_log_limit_pass(struct sl_log_limit *limit, uint64_t now_ms, uint32_t *ret_suppressed);

/* For what a peer or a failing node can trigger without end. Writes " suppressed=N" by itself. */
#define sl_log_limited(level, format, ...)                                                 \
	do {                                                                               \
		static struct sl_log_limit sl_log_site_;                                   \
		if (sl_log_enabled(level))                                                 \
			sl_log_write_limited(&sl_log_site_, level, format, ##__VA_ARGS__); \
	} while (0)

__attribute__((format(printf, 3, 4))) void
sl_log_write_limited(struct sl_log_limit *limit, enum sl_log_level level, const char *format, ...);

#endif
