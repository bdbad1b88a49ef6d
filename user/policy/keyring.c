/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/keyring.h"

#include <errno.h>
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

/* ---- limits -------------------------------------------------------------------------------- */

static uint32_t or_default(uint32_t own, uint32_t otherwise)
{
	return own != 0 ? own : otherwise;
}

static struct sl_meter *meter_of_tenant(const struct sl_keyring *former, const char *name)
{
	for (uint32_t i = 0; former != NULL && i < former->tenant_count; i++)
		if (strcmp(former->tenants[i].name, name) == 0)
			return sl_meter_get(former->tenants[i].meter);
	return sl_meter_new();
}

static int add_tenants(struct sl_keyring *ring, const struct sl_config *config,
		       const struct sl_keyring *former)
{
	for (uint32_t i = 0; i < config->tenant_count; i++) {
		struct sl_keyring_entry *tenant = &ring->tenants[i];

		ring->tenant_count++;
		tenant->rates = config->tenants[i].rates;
		tenant->meter = meter_of_tenant(former, config->tenants[i].name);
		/* the file's arena is the ring's, and the configuration may go before it */
		tenant->name = sl_arena_strdup(&ring->file->arena, config->tenants[i].name);
		if (tenant->meter == NULL || tenant->name == NULL)
			return -ENOMEM;
	}
	return 0;
}

static struct sl_meter *meter_of_key(const struct sl_keyring *former, const char *id)
{
	const struct sl_key_record *old =
		former != NULL && former->kind == SL_KEYRING_KEYED ? find(former, id) : NULL;

	return old != NULL ? sl_meter_get(sl_keyring_entry_of(former, old)->meter) : sl_meter_new();
}

static int add_key(struct sl_keyring *ring, uint32_t index, const struct sl_rates *otherwise,
		   const struct sl_keyring *former)
{
	const struct sl_key_record *record = &ring->file->records[index];
	struct sl_keyring_entry *entry = &ring->entries[index];

	entry->meter = meter_of_key(former, record->id);
	if (entry->meter == NULL)
		return -ENOMEM;
	entry->rates.requests_per_minute =
		or_default(record->rates.requests_per_minute, otherwise->requests_per_minute);
	entry->rates.tokens_per_minute =
		or_default(record->rates.tokens_per_minute, otherwise->tokens_per_minute);
	entry->rates.concurrent = or_default(record->rates.concurrent, otherwise->concurrent);
	for (uint32_t i = 0; i < ring->tenant_count; i++)
		if (strcmp(ring->tenants[i].name, record->tenant) == 0)
			entry->tenant = &ring->tenants[i];
	return 0;
}

static void insert(struct sl_keyring *ring, uint32_t index)
{
	uint32_t at = hash_of(ring->file->records[index].id) & ring->bucket_mask;

	while (ring->buckets[at] != 0)
		at = (at + 1) & ring->bucket_mask;
	ring->buckets[at] = index + 1;
}

/* ---- life ---------------------------------------------------------------------------------- */

static int allocate(struct sl_keyring *ring, uint32_t tenant_count)
{
	uint32_t size = BUCKETS_MIN;

	while (size < 2 * ring->file->count)
		size *= 2;
	ring->bucket_mask = size - 1;
	ring->buckets = calloc(size, sizeof(*ring->buckets));
	ring->entries = calloc(ring->file->count + 1u, sizeof(*ring->entries));
	ring->tenants = calloc(tenant_count + 1u, sizeof(*ring->tenants));
	return ring->buckets && ring->entries && ring->tenants ? 0 : -ENOMEM;
}

struct sl_keyring *sl_keyring_build(struct sl_key_file **file, const struct sl_config *config,
				    const struct sl_keyring *former)
{
	static const struct sl_config none;
	struct sl_keyring *ring = sl_keyring_new(SL_KEYRING_KEYED);
	int rc;

	if (ring == NULL) {
		sl_key_file_close(file);
		return NULL;
	}
	if (config == NULL)
		config = &none;
	ring->file = *file;
	*file = NULL;
	rc = allocate(ring, config->tenant_count);
	if (rc == 0)
		rc = add_tenants(ring, config, former);
	for (uint32_t i = 0; i < ring->file->count && rc == 0; i++) {
		insert(ring, i);
		rc = add_key(ring, i, &config->key_rates, former);
	}
	if (rc != 0)
		sl_keyring_put(&ring);
	return ring;
}

static uint64_t budget_or(uint64_t own, uint64_t otherwise)
{
	return own != 0 ? own : otherwise;
}

int sl_keyring_set_accounts(struct sl_keyring *ring, const struct sl_config *config,
			    struct sl_accounts *accounts)
{
	const struct sl_budget *otherwise = &config->key_budget;

	for (uint32_t i = 0; i < ring->tenant_count && config->price_count; i++) {
		struct sl_keyring_entry *tenant = &ring->tenants[i];

		tenant->purse.budget = config->tenants[i].budget;
		tenant->purse.account = sl_accounts_get(accounts, SL_SPEND_TENANT, tenant->name);
		if (tenant->purse.account == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < ring->file->count && config->price_count; i++) {
		const struct sl_key_record *record = &ring->file->records[i];
		struct sl_purse *purse = &ring->entries[i].purse;

		purse->budget.day = budget_or(record->budget.day, otherwise->day);
		purse->budget.month = budget_or(record->budget.month, otherwise->month);
		purse->budget.total = budget_or(record->budget.total, otherwise->total);
		purse->account = sl_accounts_get(accounts, SL_SPEND_KEY, record->id);
		if (purse->account == NULL)
			return -ENOMEM;
	}
	return 0;
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
	for (uint32_t i = 0; old->entries != NULL && i < old->file->count; i++)
		sl_meter_put(&old->entries[i].meter);
	for (uint32_t i = 0; i < old->tenant_count; i++)
		sl_meter_put(&old->tenants[i].meter);
	sl_key_file_close(&old->file);
	free(old->buckets);
	free(old->entries);
	free(old->tenants);
	free(old);
}

const struct sl_keyring_entry *sl_keyring_entry_of(const struct sl_keyring *ring,
						   const struct sl_key_record *key)
{
	return &ring->entries[key - ring->file->records];
}

/* ---- checks -------------------------------------------------------------------------------- */

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
