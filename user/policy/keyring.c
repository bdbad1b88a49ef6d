/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/keyring.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 8u

/* Ids are drawn by us, so nobody chooses where they fall. */
static uint32_t hash_of(const char *id)
{
	uint64_t head;
	uint16_t tail;

	memcpy(&head, id, sizeof(head));
	memcpy(&tail, id + sizeof(head), sizeof(tail));
	return (uint32_t)((head ^ (uint64_t)tail << 29) * 0x9e3779b97f4a7c15ull >> 32);
}

struct sl_keyring *sl_keyring_new(enum sl_keyring_kind kind)
{
	struct sl_keyring *ring = calloc(1, sizeof(*ring));

	if (ring != NULL) {
		ring->refs = 1;
		ring->kind = kind;
	}
	return ring;
}

struct sl_keyring *sl_keyring_build(struct sl_key_file **file)
{
	struct sl_keyring *ring = sl_keyring_new(SL_KEYRING_KEYED);
	uint32_t size = BUCKETS_MIN;

	while (size < 2 * (*file)->count)
		size *= 2;
	if (ring != NULL)
		ring->buckets = calloc(size, sizeof(*ring->buckets));
	if (ring == NULL || ring->buckets == NULL) {
		free(ring);
		sl_key_file_close(file);
		return NULL;
	}
	ring->bucket_mask = size - 1;
	ring->file = *file;
	*file = NULL;
	for (uint32_t i = 0; i < ring->file->count; i++) {
		uint32_t at = hash_of(ring->file->records[i].id) & ring->bucket_mask;

		while (ring->buckets[at] != 0)
			at = (at + 1) & ring->bucket_mask;
		ring->buckets[at] = i + 1;
	}
	return ring;
}

struct sl_keyring *sl_keyring_get(struct sl_keyring *ring)
{
	__atomic_fetch_add(&ring->refs, 1, __ATOMIC_RELAXED);
	return ring;
}

void sl_keyring_put(struct sl_keyring **ring)
{
	struct sl_keyring *old = *ring;

	*ring = NULL;
	if (old == NULL || __atomic_sub_fetch(&old->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	sl_key_file_close(&old->file);
	free(old->buckets);
	free(old);
}

static const struct sl_key_record *find(const struct sl_keyring *ring, const char *id)
{
	uint32_t at = hash_of(id) & ring->bucket_mask;

	for (; ring->buckets[at] != 0; at = (at + 1) & ring->bucket_mask) {
		const struct sl_key_record *key = &ring->file->records[ring->buckets[at] - 1];

		if (memcmp(key->id, id, SL_API_KEY_ID_LEN) == 0)
			return key;
	}
	return NULL;
}

enum sl_keyring_verdict sl_keyring_check(const struct sl_keyring *ring, const char *text,
					 size_t len, uint64_t now_s,
					 const struct sl_key_record **ret_key)
{
	static const struct sl_api_key_hash nobody;
	const struct sl_key_record *key;
	bool matches;

	*ret_key = NULL;
	if (ring->kind == SL_KEYRING_OPEN)
		return SL_KEYRING_ADMITTED;
	if (ring->kind != SL_KEYRING_KEYED)
		return SL_KEYRING_UNCHECKED;
	if (text == NULL || len == 0)
		return SL_KEYRING_MISSING;
	if (!sl_api_key_is_formed(text, len))
		return SL_KEYRING_MALFORMED;
	key = find(ring, text + SL_API_KEY_PREFIX_LEN);
	/* an unknown id costs the same, so that the time does not tell which ids there are */
	matches = sl_api_key_matches(text, key != NULL ? &key->hash : &nobody);
	if (key == NULL || !matches)
		return SL_KEYRING_UNKNOWN;
	switch (sl_key_record_state(key, now_s)) {
	case SL_KEY_ACTIVE:
		*ret_key = key;
		return SL_KEYRING_ADMITTED;
	case SL_KEY_EXPIRED:
		return SL_KEYRING_EXPIRED;
	default:
		return SL_KEYRING_REVOKED;
	}
}

bool sl_keyring_may(const struct sl_key_record *key, const char *model, size_t model_len)
{
	for (uint32_t i = 0; i < key->route_count; i++)
		if (strlen(key->routes[i]) == model_len &&
		    memcmp(key->routes[i], model, model_len) == 0)
			return true;
	return key->route_count == 0;
}
