/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ratings.h - what clients said about answers (POST /v1/feedback), and which answers there were.
 *
 *	control thread: sl_ratings_note() for each ended request -> a window of SL_RATINGS_REQUESTS
 *	a worker:       sl_ratings_find(), sl_ratings_put() -> SL_RATINGS_PENDING_MAX that wait
 *	control thread: sl_ratings_take() -> the window of SL_RATINGS_KEPT, sums, the journal (ops/feedback.c)
 *
 * A request and a key have one rating: a later one replaces it. Who may rate: the key that asked, or one
 * whose tenant asked; without keys anybody. An id that occurs twice is its newest request's.
 *
 * Bounded: the oldest request and the oldest rating are forgotten. Replacing a rating that has been forgotten
 * counts it as a new one. A minute's ratings of one key are at most `per_minute` of the configuration.
 *
 * One lock, held for a look-up (some 100 ns); nobody on the path of a model's request takes it. Any thread.
 */
#ifndef SL_STORE_RATINGS_H
#define SL_STORE_RATINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/api_key.h"
#include "user/base/key_file.h"
#include "user/policy/rollout_board.h"

#define SL_RATINGS_REQUESTS    16384u /* a power of two; some 2.5 MiB */
#define SL_RATINGS_KEPT	       8192u
#define SL_RATINGS_PENDING_MAX 512u
#define SL_RATINGS_KEYS_MAX    256u /* whose minute is counted; others share one */
#define SL_RATINGS_ID_BYTES    65u
#define SL_RATINGS_LABEL_BYTES 33u
#define SL_RATINGS_COMMENT     1001u
#define SL_RATINGS_TENANT      (SL_KEY_NAME_MAX + 1u)

/* An answer that may be rated. */
struct sl_rated {
	uint64_t end_wall_ms;
	uint64_t prompt_version; /* its first 64 bits; 0: none */
	uint32_t index_version;	 /* 0: none */
	uint16_t route;		 /* position in struct sl_route_names */
	uint16_t node;		 /* slot; 0: none */
	uint8_t pool;		 /* the same */
	uint8_t rollouts[SL_ROLLOUT_KINDS];
	char id[SL_RATINGS_ID_BYTES];
	char key_id[SL_API_KEY_ID_LEN + 1]; /* "": none */
};

struct sl_rating {
	struct sl_rated of;
	uint64_t wall_ms;
	char key_id[SL_API_KEY_ID_LEN + 1]; /* who says so; "": nobody is known */
	bool has_score;
	int32_t score; /* thousandths of -1 to 1 */
	char label[SL_RATINGS_LABEL_BYTES];
	char comment[SL_RATINGS_COMMENT];
};

enum sl_ratings_refusal {
	SL_RATINGS_UNKNOWN = 0, /* no such request, or another's */
	SL_RATINGS_RATE,	/* of the key, in this minute */
	SL_RATINGS_FULL,	/* too many wait */
	SL_RATINGS_BAD,		/* the body */
	SL_RATINGS_REFUSALS
};

struct sl_ratings;

/* NULL without memory. */
struct sl_ratings *sl_ratings_open(void);
void sl_ratings_close(struct sl_ratings **ratings);

/* Does it take any? per_minute: of a key, 0: no bound; comments: they are kept (screened). */
void sl_ratings_apply(struct sl_ratings *ratings, bool on, uint32_t per_minute, bool comments);
bool sl_ratings_are_on(const struct sl_ratings *ratings);
bool sl_ratings_keep_comments(const struct sl_ratings *ratings);

void sl_ratings_note(struct sl_ratings *ratings, const struct sl_rated *rated);

/* The newest request of that id; false: it is not known. */
bool sl_ratings_find(struct sl_ratings *ratings, const char *id, struct sl_rated *ret_rated);

/* May that key rate once more in this minute? Counts it. */
bool sl_ratings_may(struct sl_ratings *ratings, const char *key_id, uint64_t now_ms);

/* -EAGAIN: too many wait. */
int sl_ratings_put(struct sl_ratings *ratings, const struct sl_rating *rating);

void sl_ratings_refused(struct sl_ratings *ratings, enum sl_ratings_refusal why);
uint64_t sl_ratings_refusals(struct sl_ratings *ratings, enum sl_ratings_refusal why);
const char *sl_ratings_refusal_name(enum sl_ratings_refusal why);

/*
 * The oldest that waits goes into the window. *ret_before: the one that it replaces, where *ret_replaces.
 * False: none waits. The control thread.
 */
bool sl_ratings_take(struct sl_ratings *ratings, struct sl_rating *ret_rating,
		     struct sl_rating *ret_before, bool *ret_replaces);

/* One that was read from the disk; as sl_ratings_take() has it. */
void sl_ratings_restore(struct sl_ratings *ratings, const struct sl_rating *rating,
			struct sl_rating *ret_before, bool *ret_replaces);

/* The newest first; i from 0. False: there are no more. */
bool sl_ratings_at(struct sl_ratings *ratings, uint32_t i, struct sl_rating *ret_rating);

/* The newest `max` requests, oldest first; returns how many. For the disk. */
uint32_t sl_ratings_copy(struct sl_ratings *ratings, struct sl_rated *out, uint32_t max);

#endif
