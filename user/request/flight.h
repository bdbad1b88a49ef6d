/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flight.h - one upstream call on which identical requests wait, on any thread, and what it brings.
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
 * to the relay, which copies what it forwards until the flight's bound.
 *
 * Threads: the table is shared (store/flights.h); a flight belongs to its leader's thread, a follower
 * to its own, which learns of the outcome by a post to its loop.
 */
#ifndef SL_REQUEST_FLIGHT_H
#define SL_REQUEST_FLIGHT_H

#include "user/base/text.h"
#include "user/io/fiber.h"
#include "user/request/worker.h"
#include "user/store/flights.h"
#include "user/wire/openai.h"

struct sl_follower;

struct sl_flight {
	struct sl_flights_entry entry; /* first */
	struct sl_worker *worker;      /* the leader's */
	uint64_t ttl_ns;
	uint32_t choices; /* that a stream must bring to their end */
	bool may_be_cut;  /* finish_reason "length" is good enough */
	/* what a stream has brought */
	uint32_t finished;
	bool spoilt; /* will not be kept */
	struct sl_text bytes;
	char model[SL_OPENAI_MODEL_BYTES_MAX + 1]; /* that the node was asked for */
	struct sl_cache_label label;
};

/*
 * From a fiber. Returns a flight that the caller leads, bytes_max its largest answer; or NULL, and a
 * follower of the one that is under way, whose fiber will be woken. Neither without memory.
 */
struct sl_flight *sl_flight_enter(struct sl_worker *worker, const struct sl_cache_key *key,
				  size_t bytes_max, struct sl_follower **ret_follower);

/* Is there an outcome? */
bool sl_flight_is_told(const struct sl_follower *follower);

/*
 * The follower is over, with the outcome that there is: *ret_value a reference of the caller's
 * (SERVED), *ret_flight a flight that the caller leads (LEADS). WAITING: it has left in time.
 */
enum sl_flights_outcome sl_flight_part(struct sl_follower **follower,
				       struct sl_cache_value **ret_value,
				       struct sl_flight **ret_flight);

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
