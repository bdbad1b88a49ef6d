/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cache.h - answers by the digest of what asked for them: bounded, shared by the daemon's threads.
 *
 * A key is a SHA-256 that the caller made of everything that decides the answer. Two requests with
 * one digest are the same request, for nobody can make a second text with it; so the text itself is
 * not kept, and nobody can fill one bucket on purpose.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023): a new entry waits in a small queue (a tenth of the
 * bytes) and moves to the main queue only if it was found again meanwhile; one that left the small
 * queue unused and comes back soon (its fingerprint is among the ghosts) enters the main queue at
 * once. Prompts that are asked once, which most are, so never push out those that are asked often.
 *
 *	queue    head that was used             head that was not
 *	small    to main                        out, its fingerprint to the ghosts
 *	main     to the tail, one use less      out
 *
 * Threads: any. SL_CACHE_SHARDS locks, chosen by the key. Under one: a walk of a bucket (about one
 * entry), a few pointers, and at most SL_CACHE_EVICT_MAX heads looked at by an insertion: 0.1 us for
 * a find, 2 us for an insertion with what it allocates and frees, which it does without the lock.
 * Values are counted references, so that one may be sent while it is evicted. Pure: the caller
 * brings the clock.
 */
#ifndef SL_STORE_CACHE_H
#define SL_STORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_CACHE_KEY_BYTES 32u
#define SL_CACHE_SHARDS	   16u
#define SL_CACHE_EVICT_MAX 64u /* heads that one insertion looks at; then it is refused */

struct sl_cache_key {
	uint8_t bytes[SL_CACHE_KEY_BYTES];
};

/* What an answer is of, for people who look for it; names that are longer are cut. */
struct sl_cache_label {
	uint64_t version; /* of prompt and index */
	char tenant[64], route[64];
	char begins[64]; /* how the last message does */
};

/* An answer. Immutable but for its references, and its label until it is inserted. */
struct sl_cache_value {
	uint32_t refs;
	uint64_t born_ns;
	struct sl_cache_label label; /* all zero at first */
	size_t len;
	char data[];
};

/* Why an entry went. */
enum sl_cache_end {
	SL_CACHE_END_SIZE = 0, /* another one needed the room */
	SL_CACHE_END_EXPIRED,
	SL_CACHE_END_REPLACED, /* the same key was inserted again */
	SL_CACHE_END_PURGED,   /* by hand */
	SL_CACHE_ENDS
};

struct sl_cache_counts {
	uint64_t bytes; /* values and what keeps them */
	uint64_t entries;
	uint64_t ended[SL_CACHE_ENDS];
	uint64_t refused; /* insertions: larger than a shard allows, no room, no memory */
};

struct sl_cache;

/* A copy of the bytes, with one reference; NULL without memory. */
struct sl_cache_value *sl_cache_value_new(const char *data, size_t len, uint64_t now_ns);
struct sl_cache_value *sl_cache_value_get(struct sl_cache_value *value);
void sl_cache_value_put(struct sl_cache_value **value);

/* bytes_max 0 gives NULL, a cache that holds nothing. Returns 0 or -ENOMEM. */
int sl_cache_open(size_t bytes_max, struct sl_cache **ret_cache);
void sl_cache_close(struct sl_cache **cache);

/* The value of the key, younger than ttl_ns, with a reference for the caller; or NULL. */
struct sl_cache_value *sl_cache_find(struct sl_cache *cache, const struct sl_cache_key *key,
				     uint64_t ttl_ns, uint64_t now_ns);

/*
 * Keeps a reference of its own to the value, in place of one that the key had. ttl_ns tells an entry
 * that leaves whether it was expired. No effect when it is refused (counted).
 */
void sl_cache_insert(struct sl_cache *cache, const struct sl_cache_key *key,
		     struct sl_cache_value *value, uint64_t ttl_ns, uint64_t now_ns);

/*
 * Asks fits() of every entry, and takes out those of which it says true. Returns how many. It is called under
 * a shard's lock: it may copy, and must not call the cache. A cache that is NULL has none.
 */
uint32_t sl_cache_purge(struct sl_cache *cache,
			bool (*fits)(void *owner, const struct sl_cache_key *key,
				     const struct sl_cache_value *value),
			void *owner);

void sl_cache_count(struct sl_cache *cache, struct sl_cache_counts *ret_counts);

#endif
