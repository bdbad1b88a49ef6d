/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * traces.h - which requests are traced, and the trails of those that are, on their way to the exporter.
 *
 *   a request begins: sl_traces_begin() reads traceparent or begins a trace, decides by the flag of who
 *     asks, else by the share
 *   it ends: sl_traces_end() puts its trail into the thread's queue if it was chosen, or is one that
 *     `tracing.keep` wants (its nodes were told that it is not sampled: they had to be told before)
 *     -> the control thread, every SL_WATCH_POLL_MS: sl_traces_take() (ops/otlp.h)
 *
 * One writer, one reader, no lock, no allocation, no system call on the request's path. A record is one copy of a
 * trail (1.1 KiB, some 60 ns), and only of the requests that are sent; the others cost a random number
 * and a comparison. A full queue loses the new record and counts it.
 *
 * Off (`otlp` has no pool, or no traces): what the client sent is passed on as it is, and its trace is
 * noted for `sluice explain` alone.
 */
#ifndef SL_REQUEST_TRACES_H
#define SL_REQUEST_TRACES_H

#include "user/base/config.h"
#include "user/base/random.h"
#include "user/http/h1_parse.h"
#include "user/request/feed.h"
#include "user/request/trail.h"

#define SL_TRACES_RECORDS 256u /* a thread; a power of two */

struct sl_trace_record {
	struct sl_trail trail; /* its events by their times */
	uint32_t duration_us;
	uint32_t first_us; /* as in the feed */
	uint16_t status;
	uint8_t outcome; /* enum sl_feed_outcome */
	bool overtaken;	 /* the trail was taken by a later request: ids and the end alone */
	uint8_t pad[4];
};

struct sl_traces {
	struct sl_trace_record *ring;		    /* NULL: no memory, nothing is kept */
	uint64_t head __attribute__((aligned(64))); /* the writer's: records put */
	uint64_t lost;				    /* the queue was full */
	uint64_t overtaken;
	uint64_t tail __attribute__((aligned(64))); /* the reader's: records taken */
};

void sl_traces_init(struct sl_traces *traces);
void sl_traces_fini(struct sl_traces *traces);

/* The trace of a request with that head. */
struct sl_trace_context sl_traces_begin(const struct sl_config *config,
					const struct sl_h1_head *head, struct sl_random *random);

/* What a request was in the end. */
struct sl_trace_end {
	const char *id;
	const char *model; /* or NULL */
	uint64_t degraded; /* bit by enum sl_step */
	uint32_t duration_us;
	uint32_t first_us;
	uint16_t status;
	enum sl_feed_outcome outcome;
	bool fell_back;
};

/* The writer's thread. */
void sl_traces_end(struct sl_traces *traces, const struct sl_config *config,
		   const struct sl_trail_ref *ref, const struct sl_trace_end *end);

/* The reader's thread: the oldest, or false. */
bool sl_traces_take(struct sl_traces *traces, struct sl_trace_record *ret_record);

#endif
