/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/ratings.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS	     (2u * SL_RATINGS_REQUESTS) /* both tables: chains by position + 1 */
#define MS_OF_MINUTE 60000u

_Static_assert(!(SL_RATINGS_REQUESTS & (SL_RATINGS_REQUESTS - 1)), "positions are masked");

/* A ring, and chains through it by the hash of what its entries are found by. */
struct table {
	uint32_t size;
	uint64_t put; /* of all time; the newest is at put - 1 */
	uint32_t *next;
	uint32_t first[BUCKETS];
};

struct minute {
	char key_id[SL_API_KEY_ID_LEN + 1];
	uint64_t minute;
	uint32_t count;
};

struct sl_ratings {
	pthread_mutex_t lock; /* of all below but the first three */
	bool on, comments;    /* atomic, as the next */
	uint32_t per_minute;
	struct table requests, kept;
	struct sl_rated *rated;
	struct sl_rating *ratings;
	struct sl_rating *pending;
	uint32_t pending_first, pending_count;
	struct minute minutes[SL_RATINGS_KEYS_MAX];
	uint64_t refused[SL_RATINGS_REFUSALS];
};

/* ---- tables ---------------------------------------------------------------------------------- */

static uint32_t bucket_of(const char *id, const char *key_id)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *id; id++)
		hash = (hash ^ (unsigned char)*id) * 16777619u;
	for (; *key_id; key_id++)
		hash = (hash ^ (unsigned char)*key_id) * 16777619u;
	return (hash ^ hash >> 15) % BUCKETS;
}

static bool open_table(struct table *table, uint32_t size)
{
	table->size = size;
	table->next = calloc(size, sizeof(*table->next));
	return table->next != NULL;
}

/* Takes the entry at that place out of its chain. */
static void unchain(struct table *table, uint32_t bucket, uint32_t place)
{
	uint32_t *at = &table->first[bucket];

	while (*at && *at != place + 1)
		at = &table->next[*at - 1];
	if (*at)
		*at = table->next[place];
}

static void chain(struct table *table, uint32_t bucket, uint32_t place)
{
	table->next[place] = table->first[bucket];
	table->first[bucket] = place + 1;
}

static uint32_t next_place(const struct table *table)
{
	return (uint32_t)(table->put % table->size);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct sl_ratings *sl_ratings_open(void)
{
	struct sl_ratings *ratings = calloc(1, sizeof(*ratings));

	if (!ratings)
		return NULL;
	pthread_mutex_init(&ratings->lock, NULL);
	ratings->rated = calloc(SL_RATINGS_REQUESTS, sizeof(*ratings->rated));
	ratings->ratings = calloc(SL_RATINGS_KEPT, sizeof(*ratings->ratings));
	ratings->pending = calloc(SL_RATINGS_PENDING_MAX, sizeof(*ratings->pending));
	if (!ratings->rated || !ratings->ratings || !ratings->pending ||
	    !open_table(&ratings->requests, SL_RATINGS_REQUESTS) ||
	    !open_table(&ratings->kept, SL_RATINGS_KEPT))
		sl_ratings_close(&ratings);
	return ratings;
}

void sl_ratings_close(struct sl_ratings **ratings)
{
	struct sl_ratings *r = *ratings;

	*ratings = NULL;
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r->requests.next);
	free(r->kept.next);
	free(r->rated);
	free(r->ratings);
	free(r->pending);
	free(r);
}

void sl_ratings_apply(struct sl_ratings *ratings, bool on, uint32_t per_minute, bool comments)
{
	__atomic_store_n(&ratings->on, on, __ATOMIC_RELAXED);
	__atomic_store_n(&ratings->per_minute, per_minute, __ATOMIC_RELAXED);
	__atomic_store_n(&ratings->comments, comments, __ATOMIC_RELAXED);
}

bool sl_ratings_are_on(const struct sl_ratings *ratings)
{
	return ratings && __atomic_load_n(&ratings->on, __ATOMIC_RELAXED);
}

bool sl_ratings_keep_comments(const struct sl_ratings *ratings)
{
	return __atomic_load_n(&ratings->comments, __ATOMIC_RELAXED);
}

/* ---- requests -------------------------------------------------------------------------------- */

void sl_ratings_note(struct sl_ratings *ratings, const struct sl_rated *rated)
{
	struct table *table = &ratings->requests;
	uint32_t place;

	pthread_mutex_lock(&ratings->lock);
	place = next_place(table);
	if (table->put >= table->size)
		unchain(table, bucket_of(ratings->rated[place].id, ""), place);
	ratings->rated[place] = *rated;
	chain(table, bucket_of(rated->id, ""), place);
	table->put++;
	pthread_mutex_unlock(&ratings->lock);
}

bool sl_ratings_find(struct sl_ratings *ratings, const char *id, struct sl_rated *ret_rated)
{
	uint32_t at;

	pthread_mutex_lock(&ratings->lock);
	at = ratings->requests.first[bucket_of(id, "")];
	while (at && strcmp(ratings->rated[at - 1].id, id) != 0)
		at = ratings->requests.next[at - 1];
	if (at)
		*ret_rated = ratings->rated[at - 1];
	pthread_mutex_unlock(&ratings->lock);
	return at != 0;
}

uint32_t sl_ratings_copy(struct sl_ratings *ratings, struct sl_rated *out, uint32_t max)
{
	const struct table *table = &ratings->requests;
	uint32_t count, i;

	pthread_mutex_lock(&ratings->lock);
	count = table->put < table->size ? (uint32_t)table->put : table->size;
	count = count < max ? count : max;
	for (i = 0; i < count; i++)
		out[i] = ratings->rated[(table->put - count + i) % table->size];
	pthread_mutex_unlock(&ratings->lock);
	return count;
}

/* ---- ratings --------------------------------------------------------------------------------- */

/* That key's; one of nobody's, or of a minute that is over, is taken for it. The last is everybody's else. */
static struct minute *minute_of(struct sl_ratings *ratings, const char *key_id, uint64_t minute)
{
	uint32_t free_at = SL_RATINGS_KEYS_MAX - 1, i;

	for (i = 0; i + 1 < SL_RATINGS_KEYS_MAX; i++) {
		struct minute *at = &ratings->minutes[i];

		if (at->count && !strcmp(at->key_id, key_id))
			return at;
		if ((!at->count || at->minute != minute) && free_at == SL_RATINGS_KEYS_MAX - 1)
			free_at = i;
	}
	if (free_at < SL_RATINGS_KEYS_MAX - 1) {
		ratings->minutes[free_at] = (struct minute){.minute = minute};
		memcpy(ratings->minutes[free_at].key_id, key_id, strlen(key_id) + 1);
	}
	return &ratings->minutes[free_at];
}

bool sl_ratings_may(struct sl_ratings *ratings, const char *key_id, uint64_t now_ms)
{
	uint32_t most = __atomic_load_n(&ratings->per_minute, __ATOMIC_RELAXED);
	uint64_t minute = now_ms / MS_OF_MINUTE;
	struct minute *of;
	bool may;

	if (!most)
		return true;
	pthread_mutex_lock(&ratings->lock);
	of = minute_of(ratings, key_id, minute);
	if (of->minute != minute)
		of->count = 0;
	of->minute = minute;
	may = of->count < most;
	of->count += may;
	pthread_mutex_unlock(&ratings->lock);
	return may;
}

int sl_ratings_put(struct sl_ratings *ratings, const struct sl_rating *rating)
{
	int rc = 0;

	pthread_mutex_lock(&ratings->lock);
	if (ratings->pending_count == SL_RATINGS_PENDING_MAX)
		rc = -EAGAIN;
	else
		ratings->pending[(ratings->pending_first + ratings->pending_count++) %
				 SL_RATINGS_PENDING_MAX] = *rating;
	pthread_mutex_unlock(&ratings->lock);
	return rc;
}

static void keep(struct sl_ratings *ratings, const struct sl_rating *rating,
		 struct sl_rating *ret_before, bool *ret_replaces)
{
	struct table *table = &ratings->kept;
	uint32_t bucket = bucket_of(rating->of.id, rating->key_id), at = table->first[bucket],
		 place;

	while (at && (strcmp(ratings->ratings[at - 1].of.id, rating->of.id) != 0 ||
		      strcmp(ratings->ratings[at - 1].key_id, rating->key_id) != 0))
		at = table->next[at - 1];
	*ret_replaces = at != 0;
	if (at) {
		*ret_before = ratings->ratings[at - 1];
		ratings->ratings[at - 1] = *rating;
		return;
	}
	place = next_place(table);
	if (table->put >= table->size)
		unchain(table,
			bucket_of(ratings->ratings[place].of.id, ratings->ratings[place].key_id),
			place);
	ratings->ratings[place] = *rating;
	chain(table, bucket, place);
	table->put++;
}

bool sl_ratings_take(struct sl_ratings *ratings, struct sl_rating *ret_rating,
		     struct sl_rating *ret_before, bool *ret_replaces)
{
	bool any;

	pthread_mutex_lock(&ratings->lock);
	any = ratings->pending_count > 0;
	if (any) {
		*ret_rating = ratings->pending[ratings->pending_first];
		ratings->pending_first = (ratings->pending_first + 1) % SL_RATINGS_PENDING_MAX;
		ratings->pending_count--;
		keep(ratings, ret_rating, ret_before, ret_replaces);
	}
	pthread_mutex_unlock(&ratings->lock);
	return any;
}

void sl_ratings_restore(struct sl_ratings *ratings, const struct sl_rating *rating,
			struct sl_rating *ret_before, bool *ret_replaces)
{
	pthread_mutex_lock(&ratings->lock);
	keep(ratings, rating, ret_before, ret_replaces);
	pthread_mutex_unlock(&ratings->lock);
}

bool sl_ratings_at(struct sl_ratings *ratings, uint32_t i, struct sl_rating *ret_rating)
{
	const struct table *table = &ratings->kept;
	bool any;

	pthread_mutex_lock(&ratings->lock);
	any = i < table->put && i < table->size;
	if (any)
		*ret_rating = ratings->ratings[(table->put - 1 - i) % table->size];
	pthread_mutex_unlock(&ratings->lock);
	return any;
}

/* ---- counters -------------------------------------------------------------------------------- */

void sl_ratings_refused(struct sl_ratings *ratings, enum sl_ratings_refusal why)
{
	__atomic_fetch_add(&ratings->refused[why], 1, __ATOMIC_RELAXED);
}

uint64_t sl_ratings_refusals(struct sl_ratings *ratings, enum sl_ratings_refusal why)
{
	return __atomic_load_n(&ratings->refused[why], __ATOMIC_RELAXED);
}

const char *sl_ratings_refusal_name(enum sl_ratings_refusal why)
{
	static const char *const names[SL_RATINGS_REFUSALS] = {"unknown", "rate", "full", "bad"};

	return names[why];
}
