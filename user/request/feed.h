/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * feed.h - what became of each request, for those who draw conclusions from it: objectives, roll-outs,
 * evaluation, traces.
 *
 *   a worker, where a request or a stream ends: sl_feed_put() -> ring of SL_FEED_RECORDS, one a thread
 *     -> the control thread, every SL_WATCH_POLL_MS: sl_feed_take() (ops/watch.h)
 *
 * One writer, one reader, no lock, no allocation, no system call. A record is one copy of 160 bytes (three
 * lines of cache, 20 ns; 640 KiB a thread, touched as it fills). A full ring loses the new record and counts it: no
 * request ever waits for its reader. Off (nobody wants records): one relaxed load a request.
 *
 * No prompt, no answer, no secret: the id, the key's public id, numbers.
 */
#ifndef SL_REQUEST_FEED_H
#define SL_REQUEST_FEED_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/api_key.h"
#include "user/policy/rollout_board.h"

#define SL_FEED_RECORDS	 4096u /* a thread; a power of two */
#define SL_FEED_ID_BYTES 65u

/* How it went, as the one who pays for it sees it. */
enum sl_feed_outcome {
	SL_FEED_GOOD = 0, /* a whole answer, or a stream to its end */
	SL_FEED_FAILED,	  /* 5xx, ours or a node's: counts against availability */
	SL_FEED_BROKEN,	  /* a stream that ended with an error event or was cut: counts too */
	SL_FEED_REFUSED,  /* 4xx: the client's request, key or limits */
	SL_FEED_GONE,	  /* its client left first */
	SL_FEED_OUTCOMES
};

struct sl_feed_record {
	uint64_t end_wall_ms;
	uint64_t degraded;	 /* bit by enum sl_step */
	uint64_t cost;		 /* nano, where priced */
	uint64_t tokens;	 /* of the answer; 0: not known */
	uint64_t prompt_version; /* as in struct sl_stage, as the next */
	uint32_t index_version;
	uint32_t duration_us;
	uint32_t first_us; /* to the first token of a stream; else as duration_us; 0: no answer */
	uint32_t prompt_tokens;
	uint16_t route; /* its position in struct sl_route_names (stats_index); 0: none was found */
	uint16_t status;
	uint16_t node; /* slot of the last one that was asked; 0: none */
	uint16_t incarnation;
	uint16_t attempts;
	uint8_t pool;			    /* slot; 0: none */
	uint8_t outcome;		    /* enum sl_feed_outcome */
	uint8_t ending;			    /* enum sl_ending of the last attempt, or the stream */
	uint8_t fallback;		    /* enum sl_cause + 1; 0: none */
	uint8_t recall;			    /* enum sl_recall */
	uint8_t hedged;			    /* enum sl_hedged */
	struct sl_rollout_found found;	    /* as in struct sl_stage */
	uint8_t rollouts[SL_ROLLOUT_KINDS]; /* by enum sl_rollout_kind: policy/rollout_board.h */
	bool stream;
	bool priced;
	char id[SL_FEED_ID_BYTES];
	char key_id[SL_API_KEY_ID_LEN + 1]; /* "": none */
};

struct sl_feed {
	struct sl_feed_record *ring;		    /* NULL: no memory, nothing is kept */
	bool on;				    /* somebody reads; any thread may set it */
	uint64_t head __attribute__((aligned(64))); /* the writer's: records put */
	uint64_t lost;
	uint64_t tail __attribute__((aligned(64))); /* the reader's: records taken */
};

void sl_feed_init(struct sl_feed *feed);
void sl_feed_fini(struct sl_feed *feed);

static inline bool sl_feed_is_on(const struct sl_feed *feed)
{
	return __atomic_load_n(&feed->on, __ATOMIC_RELAXED) && feed->ring;
}

/* The writer's thread. */
void sl_feed_put(struct sl_feed *feed, const struct sl_feed_record *record);

/* The reader's thread: the oldest, or false. */
bool sl_feed_take(struct sl_feed *feed, struct sl_feed_record *ret_record);

/* Any thread. */
uint64_t sl_feed_lost(const struct sl_feed *feed);

const char *sl_feed_outcome_name(enum sl_feed_outcome outcome); /* "good", "failed", ... */

#endif
