/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiled schemas by the digest of their text. Few and looked up once a request: a plain walk over
 * the digests costs less than what a table would take to keep in order.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "user/base/digest.h"
#include "user/wire/schema_parts.h"

struct entry {
	uint8_t digest[SL_DIGEST_BYTES];
	struct sl_schema *schema;
	uint64_t used; /* by the cache's own count of calls */
};

struct sl_schema_cache {
	pthread_mutex_t lock; /* of all below */
	struct entry entries[SL_SCHEMA_CACHE_ENTRIES_MAX];
	uint32_t count;
	size_t bytes;
	uint64_t calls;
	struct sl_schema_cache_stats stats;
};

struct sl_schema_cache *sl_schema_cache_open(void)
{
	struct sl_schema_cache *cache = calloc(1, sizeof(*cache));

	if (cache)
		pthread_mutex_init(&cache->lock, NULL);
	return cache;
}

static void drop(struct sl_schema_cache *cache, uint32_t index)
{
	cache->bytes -= cache->entries[index].schema->arena.bytes;
	sl_schema_free(&cache->entries[index].schema);
	cache->entries[index] = cache->entries[--cache->count];
}

void sl_schema_cache_close(struct sl_schema_cache **cache)
{
	if (!*cache)
		return;
	while ((*cache)->count)
		drop(*cache, 0);
	pthread_mutex_destroy(&(*cache)->lock);
	free(*cache);
	*cache = NULL;
}

static struct entry *find(struct sl_schema_cache *cache, const uint8_t *digest)
{
	for (uint32_t i = 0; i < cache->count; i++)
		if (memcmp(cache->entries[i].digest, digest, SL_DIGEST_BYTES) == 0)
			return &cache->entries[i];
	return NULL;
}

static void make_room(struct sl_schema_cache *cache, size_t bytes)
{
	while (cache->count && (cache->count == SL_SCHEMA_CACHE_ENTRIES_MAX ||
				cache->bytes + bytes > SL_SCHEMA_CACHE_BYTES_MAX)) {
		uint32_t oldest = 0;

		for (uint32_t i = 1; i < cache->count; i++)
			if (cache->entries[i].used < cache->entries[oldest].used)
				oldest = i;
		drop(cache, oldest);
		cache->stats.evicted++;
	}
}

static int get(struct sl_schema_cache *cache, const uint8_t *digest, struct sl_span text,
	       unsigned int flags, struct sl_schema **ret_schema, struct sl_error *error)
{
	struct entry *entry = find(cache, digest);
	struct sl_schema *schema;
	int rc;

	cache->calls++;
	if (entry) {
		cache->stats.hits++;
		entry->used = cache->calls;
		*ret_schema = sl_schema_hold(entry->schema);
		return 0;
	}
	cache->stats.misses++;
	rc = sl_schema_compile(text.data, text.len, SL_SCHEMA_DRAFT_2020, flags, &schema, error);
	if (rc)
		return rc;
	make_room(cache, schema->arena.bytes);
	entry = &cache->entries[cache->count++];
	memcpy(entry->digest, digest, sizeof(entry->digest));
	entry->schema = schema;
	entry->used = cache->calls;
	cache->bytes += schema->arena.bytes;
	*ret_schema = sl_schema_hold(schema);
	return 0;
}

int sl_schema_cache_get(struct sl_schema_cache *cache, const char *text, size_t len,
			unsigned int flags, struct sl_schema **ret_schema, struct sl_error *error)
{
	struct sl_span parts[] = {{(const char *)&flags, sizeof(flags)}, {text, len}};
	uint8_t digest[SL_DIGEST_BYTES];
	int rc;

	sl_digest_sha256(parts, 2, digest);
	pthread_mutex_lock(&cache->lock);
	rc = get(cache, digest, parts[1], flags, ret_schema, error);
	pthread_mutex_unlock(&cache->lock);
	return rc;
}

void sl_schema_cache_read_stats(struct sl_schema_cache *cache,
				struct sl_schema_cache_stats *ret_stats)
{
	pthread_mutex_lock(&cache->lock);
	*ret_stats = cache->stats;
	pthread_mutex_unlock(&cache->lock);
}
