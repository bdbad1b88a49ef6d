/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/cache.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define USES_MAX	3u
#define SMALL_SHARE	10u   /* the small queue has one part in so many of the bytes */
#define VALUE_SHARE	4u    /* and one value at most one part in so many of a shard */
#define BYTES_EACH	1024u /* of an entry, on average: for the number of buckets */
#define BUCKETS_MIN	16u
#define GHOSTS_A_BUCKET 2u

enum queue_id { SMALL = 0, MAIN, QUEUES };

struct entry {
	struct entry *chain;	     /* in its bucket */
	struct entry *older, *newer; /* in its queue */
	struct sl_cache_value *value;
	uint64_t ttl_ns;
	struct sl_cache_key key;
	uint8_t queue;
	uint8_t uses;
};

struct queue {
	struct entry *oldest, *newest;
	size_t bytes;
};

struct shard {
	pthread_mutex_t lock;
	struct entry **buckets;
	uint64_t *ghosts; /* fingerprints by their low bits; a newer one takes the place */
	uint32_t bucket_mask;
	uint32_t ghost_mask;
	size_t bytes_max;
	struct queue queues[QUEUES];
	struct sl_cache_counts counts; /* bytes: unused, the queues have it */
} __attribute__((aligned(64)));

struct sl_cache {
	struct shard shards[SL_CACHE_SHARDS];
};

/* ---- values ---------------------------------------------------------------------------------- */

struct sl_cache_value *sl_cache_value_new(const char *data, size_t len, uint64_t now_ns)
{
	struct sl_cache_value *value = malloc(sizeof(*value) + len);

	if (value == NULL)
		return NULL;
	value->refs = 1;
	value->born_ns = now_ns;
	value->label = (struct sl_cache_label){0};
	value->len = len;
	if (len > 0)
		memcpy(value->data, data, len);
	return value;
}

struct sl_cache_value *sl_cache_value_get(struct sl_cache_value *value)
{
	__atomic_fetch_add(&value->refs, 1, __ATOMIC_RELAXED);
	return value;
}

void sl_cache_value_put(struct sl_cache_value **value)
{
	struct sl_cache_value *old = *value;

	*value = NULL;
	if (old != NULL && __atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(old);
}

/* ---- keys: a digest is as good as a random number ---------------------------------------------- */

static uint64_t word_of(const struct sl_cache_key *key, unsigned index)
{
	uint64_t word;

	memcpy(&word, key->bytes + index * sizeof(word), sizeof(word));
	return word;
}

static struct shard *shard_of(struct sl_cache *cache, const struct sl_cache_key *key)
{
	return &cache->shards[word_of(key, 0) % SL_CACHE_SHARDS];
}

static struct entry **bucket_of(struct shard *shard, const struct sl_cache_key *key)
{
	return &shard->buckets[word_of(key, 1) & shard->bucket_mask];
}

static uint64_t *ghost_of(struct shard *shard, const struct sl_cache_key *key)
{
	return &shard->ghosts[word_of(key, 2) & shard->ghost_mask];
}

static struct entry **find(struct shard *shard, const struct sl_cache_key *key)
{
	struct entry **at = bucket_of(shard, key);

	while (*at != NULL && memcmp(&(*at)->key, key, sizeof(*key)) != 0)
		at = &(*at)->chain;
	return at;
}

/* ---- queues ---------------------------------------------------------------------------------- */

static size_t bytes_of(const struct sl_cache_value *value)
{
	return sizeof(struct entry) + sizeof(*value) + value->len;
}

static void enqueue(struct shard *shard, struct entry *entry, enum queue_id id)
{
	struct queue *queue = &shard->queues[id];

	entry->queue = (uint8_t)id;
	entry->newer = NULL;
	entry->older = queue->newest;
	if (queue->newest != NULL)
		queue->newest->newer = entry;
	else
		queue->oldest = entry;
	queue->newest = entry;
	queue->bytes += bytes_of(entry->value);
}

static void dequeue(struct shard *shard, struct entry *entry)
{
	struct queue *queue = &shard->queues[entry->queue];

	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		queue->oldest = entry->newer;
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		queue->newest = entry->older;
	queue->bytes -= bytes_of(entry->value);
}

static bool is_expired(const struct entry *entry, uint64_t ttl_ns, uint64_t now_ns)
{
	return now_ns > entry->value->born_ns && now_ns - entry->value->born_ns >= ttl_ns;
}

/* Out of bucket and queue, onto the list of those to be freed without the lock. */
static void take_out(struct shard *shard, struct entry **at, enum sl_cache_end end,
		     struct entry **gone)
{
	struct entry *entry = *at;

	*at = entry->chain;
	dequeue(shard, entry);
	entry->chain = *gone;
	*gone = entry;
	shard->counts.entries--;
	shard->counts.ended[end]++;
}

static void free_all(struct entry *gone)
{
	while (gone != NULL) {
		struct entry *entry = gone;

		gone = entry->chain;
		sl_cache_value_put(&entry->value);
		free(entry);
	}
}

/* Looks at one head. */
static void evict_step(struct shard *shard, uint64_t now_ns, struct entry **gone)
{
	const struct queue *small = &shard->queues[SMALL];
	enum queue_id from = small->bytes > shard->bytes_max / SMALL_SHARE ? SMALL : MAIN;
	struct entry *entry;

	if (shard->queues[from].oldest == NULL)
		from = from == SMALL ? MAIN : SMALL;
	entry = shard->queues[from].oldest;
	if (is_expired(entry, entry->ttl_ns, now_ns)) {
		take_out(shard, find(shard, &entry->key), SL_CACHE_END_EXPIRED, gone);
	} else if (entry->uses > 0) {
		dequeue(shard, entry);
		entry->uses = from == SMALL ? 0 : (uint8_t)(entry->uses - 1);
		enqueue(shard, entry, MAIN);
	} else {
		if (from == SMALL)
			*ghost_of(shard, &entry->key) = word_of(&entry->key, 3);
		take_out(shard, find(shard, &entry->key), SL_CACHE_END_SIZE, gone);
	}
}

static bool make_room(struct shard *shard, size_t bytes, uint64_t now_ns, struct entry **gone)
{
	const struct queue *queues = shard->queues;

	for (unsigned i = 0; i < SL_CACHE_EVICT_MAX; i++) {
		if (queues[SMALL].bytes + queues[MAIN].bytes + bytes <= shard->bytes_max)
			return true;
		evict_step(shard, now_ns, gone);
	}
	return queues[SMALL].bytes + queues[MAIN].bytes + bytes <= shard->bytes_max;
}

/* ---- the cache ------------------------------------------------------------------------------- */

static int open_shard(struct shard *shard, size_t bytes_max)
{
	uint32_t buckets = BUCKETS_MIN;

	while (buckets < bytes_max / BYTES_EACH)
		buckets *= 2;
	pthread_mutex_init(&shard->lock, NULL);
	shard->bytes_max = bytes_max;
	shard->bucket_mask = buckets - 1;
	shard->ghost_mask = GHOSTS_A_BUCKET * buckets - 1;
	shard->buckets = calloc(buckets, sizeof(*shard->buckets));
	shard->ghosts = calloc(GHOSTS_A_BUCKET * buckets, sizeof(*shard->ghosts));
	return shard->buckets != NULL && shard->ghosts != NULL ? 0 : -ENOMEM;
}

int sl_cache_open(size_t bytes_max, struct sl_cache **ret_cache)
{
	struct sl_cache *cache;
	int rc = 0;

	if (bytes_max == 0) {
		*ret_cache = NULL;
		return 0;
	}
	cache = aligned_alloc(_Alignof(struct sl_cache), sizeof(*cache));
	if (cache == NULL)
		return -ENOMEM;
	memset(cache, 0, sizeof(*cache));
	for (unsigned i = 0; i < SL_CACHE_SHARDS; i++) {
		int one = open_shard(&cache->shards[i], bytes_max / SL_CACHE_SHARDS);

		rc = rc ? rc : one;
	}
	if (rc != 0)
		sl_cache_close(&cache);
	else
		*ret_cache = cache;
	return rc;
}

void sl_cache_close(struct sl_cache **cache)
{
	struct sl_cache *old = *cache;

	*cache = NULL;
	for (unsigned i = 0; old != NULL && i < SL_CACHE_SHARDS; i++) {
		struct shard *shard = &old->shards[i];

		for (unsigned id = 0; id < QUEUES; id++)
			for (struct entry *entry = shard->queues[id].oldest; entry != NULL;) {
				struct entry *next = entry->newer;

				entry->chain = NULL;
				free_all(entry);
				entry = next;
			}
		free(shard->buckets);
		free(shard->ghosts);
		pthread_mutex_destroy(&shard->lock);
	}
	free(old);
}

struct sl_cache_value *sl_cache_find(struct sl_cache *cache, const struct sl_cache_key *key,
				     uint64_t ttl_ns, uint64_t now_ns)
{
	struct sl_cache_value *value = NULL;
	struct entry *gone = NULL;
	struct shard *shard;
	struct entry **at;

	if (cache == NULL)
		return NULL;
	shard = shard_of(cache, key);
	pthread_mutex_lock(&shard->lock);
	at = find(shard, key);
	if (*at != NULL && is_expired(*at, ttl_ns, now_ns)) {
		take_out(shard, at, SL_CACHE_END_EXPIRED, &gone);
	} else if (*at != NULL) {
		value = sl_cache_value_get((*at)->value);
		if ((*at)->uses < USES_MAX)
			(*at)->uses++;
	}
	pthread_mutex_unlock(&shard->lock);
	free_all(gone);
	return value;
}

uint32_t sl_cache_purge(struct sl_cache *cache,
			bool (*fits)(void *owner, const struct sl_cache_key *key,
				     const struct sl_cache_value *value),
			void *owner)
{
	uint32_t purged = 0;

	for (unsigned i = 0; cache != NULL && i < SL_CACHE_SHARDS; i++) {
		struct shard *shard = &cache->shards[i];
		struct entry *gone = NULL, *entry, *newer;

		pthread_mutex_lock(&shard->lock);
		for (unsigned id = 0; id < QUEUES; id++)
			for (entry = shard->queues[id].oldest; entry != NULL; entry = newer) {
				newer = entry->newer;
				if (!fits(owner, &entry->key, entry->value))
					continue;
				take_out(shard, find(shard, &entry->key), SL_CACHE_END_PURGED,
					 &gone);
				purged++;
			}
		pthread_mutex_unlock(&shard->lock);
		free_all(gone);
	}
	return purged;
}

void sl_cache_insert(struct sl_cache *cache, const struct sl_cache_key *key,
		     struct sl_cache_value *value, uint64_t ttl_ns, uint64_t now_ns)
{
	struct entry *entry, *gone = NULL, **at;
	struct shard *shard;
	bool room;

	if (cache == NULL)
		return;
	shard = shard_of(cache, key);
	entry = bytes_of(value) <= shard->bytes_max / VALUE_SHARE ? calloc(1, sizeof(*entry))
								  : NULL;
	pthread_mutex_lock(&shard->lock);
	at = find(shard, key);
	if (entry != NULL && *at != NULL)
		take_out(shard, at, SL_CACHE_END_REPLACED, &gone);
	room = entry != NULL && make_room(shard, bytes_of(value), now_ns, &gone);
	if (room) {
		uint64_t *ghost = ghost_of(shard, key);
		struct entry **bucket = bucket_of(shard, key);
		bool known = *ghost == word_of(key, 3);

		entry->key = *key;
		entry->value = sl_cache_value_get(value);
		entry->ttl_ns = ttl_ns;
		entry->chain = *bucket;
		*bucket = entry;
		enqueue(shard, entry, known ? MAIN : SMALL);
		if (known)
			*ghost = 0;
		shard->counts.entries++;
	} else {
		shard->counts.refused++;
	}
	pthread_mutex_unlock(&shard->lock);
	if (!room)
		free(entry);
	free_all(gone);
}

void sl_cache_count(struct sl_cache *cache, struct sl_cache_counts *ret_counts)
{
	struct sl_cache_counts sum = {0};

	for (unsigned i = 0; cache != NULL && i < SL_CACHE_SHARDS; i++) {
		struct shard *shard = &cache->shards[i];

		pthread_mutex_lock(&shard->lock);
		sum.bytes += shard->queues[SMALL].bytes + shard->queues[MAIN].bytes;
		sum.entries += shard->counts.entries;
		sum.refused += shard->counts.refused;
		for (unsigned end = 0; end < SL_CACHE_ENDS; end++)
			sum.ended[end] += shard->counts.ended[end];
		pthread_mutex_unlock(&shard->lock);
	}
	*ret_counts = sum;
}
