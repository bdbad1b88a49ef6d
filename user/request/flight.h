/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flight.h - one upstream call on which identical requests of a thread wait, and what it brings.
 *
 * The request that asked first leads: it goes through the pipeline as always, holds the flight and
 * ends it. The others follow: they are parked on their fibers, each with its own deadline.
 *
 *	the leader's call                             the followers
 *	a whole, valid answer that may be kept        get it
 *	an answer that may not be kept                go on, each by itself and all at once
 *	a failure, or the leader's client has left    the first one leads, the others wait for it
 *
 * A follower leaves whenever it likes; the flight ends with its leader. A stream's flight is handed
 * to the relay, which copies what it forwards until the flight's bound. Thread: the loop's.
 */
#ifndef SL_REQUEST_FLIGHT_H
#define SL_REQUEST_FLIGHT_H

#include "user/base/text.h"
#include "user/io/fiber.h"
#include "user/request/worker.h"
#include "user/store/cache.h"
#include "user/wire/openai.h"

enum sl_follower_state {
	SL_FOLLOWER_WAITING = 0,
	SL_FOLLOWER_SERVED,   /* has the value */
	SL_FOLLOWER_LEADS,    /* has the flight */
	SL_FOLLOWER_RELEASED, /* there is nothing to wait for */
};

struct sl_follower {
	struct sl_follower *next, **pprev;
	struct sl_flight *flight;
	struct sl_fiber *fiber;
	struct sl_cache_value *value; /* SERVED: a reference of the follower's */
	enum sl_follower_state state;
};

struct sl_flight {
	struct sl_flight *next, **pprev; /* those of the worker with a like key */
	struct sl_worker *worker;
	struct sl_cache_key key;
	struct sl_follower *first, **end;
	uint64_t ttl_ns;
	uint32_t choices; /* that a stream must bring to their end */
	bool may_be_cut;  /* finish_reason "length" is good enough */
	/* what a stream has brought */
	uint32_t finished;
	bool spoilt; /* will not be kept */
	struct sl_text bytes;
	char model[SL_OPENAI_MODEL_BYTES_MAX + 1]; /* that the node was asked for */
};

/* The flight of that key, or NULL. */
struct sl_flight *sl_flight_find(struct sl_worker *worker, const struct sl_cache_key *key);

/* A flight of the caller's, who leads; bytes_max: largest answer. NULL without memory. */
struct sl_flight *sl_flight_new(struct sl_worker *worker, const struct sl_cache_key *key,
				size_t bytes_max);

void sl_flight_join(struct sl_flight *flight, struct sl_follower *follower, struct sl_fiber *fiber);
/* Only while WAITING. */
void sl_flight_leave(struct sl_follower *follower);

/* The flight is over (NULL: nothing happens). With a value all have it. */
void sl_flight_land(struct sl_flight **flight, struct sl_cache_value *value);
/* The leader failed or left: the first follower leads, or the flight is gone. */
void sl_flight_fail(struct sl_flight **flight);

/* Whether a whole answer of that endpoint is complete and the asked model's. */
bool sl_flight_judge(const struct sl_flight *flight, enum sl_openai_endpoint endpoint,
		     const char *body, size_t len);

/* A stream's chunk with a finish_reason; bytes as they were forwarded; its orderly end. */
void sl_flight_finish(struct sl_flight *flight, const char *data, size_t len);
void sl_flight_capture(struct sl_flight *flight, const char *bytes, size_t len);
/* Keeps the stream and lands the flight if every choice came to a good end. */
void sl_flight_commit(struct sl_flight **flight);

#endif
