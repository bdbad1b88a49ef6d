/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reqlog.h - the request log: one JSON object a line for each request that has ended.
 *
 *	{"time":"2026-03-01T12:00:00.123Z","id":"req_…","model":"chat","key_id":"…","tenant":"…",
 *	 "stream":true,"outcome":"ok","status":200,"attempts":2,"pool":"chat","node":"10.0.0.7:8000",
 *	 "fallback":"ttft","cache":"miss","ms":812.4,"ttft_ms":41.2,"tokens":96,"prompt_tokens":18,
 *	 "cost":0.000213}
 *
 * Never a prompt, an answer or a secret; key_id is the public part of a key. Lines gather in the
 * thread's buffer and go out in one write(2) at SL_REQLOG_FLUSH_BYTES or SL_REQLOG_FLUSH_MS, whole
 * lines only (the file is opened to append, so threads do not mix theirs). What cannot be written is
 * counted and gone: a full disk never holds up a request. A reload opens the file anew, for
 * logrotate. Without `log.requests` a request costs one comparison. Thread: the loop's.
 */
#ifndef SL_REQUEST_REQLOG_H
#define SL_REQUEST_REQLOG_H

#include "user/base/config.h"
#include "user/base/key_file.h"
#include "user/base/text.h"
#include "user/io/loop.h"

#define SL_REQLOG_BUFFER_BYTES (256u << 10)
#define SL_REQLOG_FLUSH_BYTES  (32u << 10)
#define SL_REQLOG_FLUSH_MS     200u

struct sl_reqlog {
	struct sl_loop *loop;
	int fd; /* -1: no log */
	uint32_t sample;
	uint32_t count; /* of good requests, for the sample */
	struct sl_text buffer;
	struct sl_timer timer;
	uint64_t lines, lost;
};

/* What a line says; strings may be NULL or "" for nothing. */
struct sl_reqlog_line {
	const char *id;
	const char *model;
	const struct sl_key_record *key;
	const char *client;  /* subject of its certificate (mutual TLS), or NULL */
	const char *outcome; /* "ok" is sampled, all else is written */
	const char *pool;
	const char *node;
	const char *fallback;
	const char *cache;
	const char *hedge;    /* "won" or "lost" */
	const char *degraded; /* as in x-sluice-degraded */
	bool stream;
	int status;
	uint32_t attempts;
	uint32_t prompt_tokens;
	uint64_t tokens;
	uint64_t duration_us;
	uint64_t first_us; /* of a stream's first token; 0: none */
	bool priced;
	uint64_t cost; /* nano, where priced */
};

void sl_reqlog_init(struct sl_reqlog *log, struct sl_loop *loop);
/* Opens the file of the configuration (anew), or none. What fails is logged and leaves none. */
void sl_reqlog_apply(struct sl_reqlog *log, const struct sl_config *config);
/* Writes what is left. */
void sl_reqlog_fini(struct sl_reqlog *log);

static inline bool sl_reqlog_is_on(const struct sl_reqlog *log)
{
	return log->fd >= 0;
}

void sl_reqlog_write(struct sl_reqlog *log, const struct sl_reqlog_line *line);

#endif
