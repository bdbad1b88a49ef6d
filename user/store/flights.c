/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/flights.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct shard {
	pthread_mutex_t lock;
	struct sl_flights_waiter *told; /* until they are done: only close reads it */
	struct sl_flights_entry *lists[SL_FLIGHTS_LISTS];
} __attribute__((aligned(64)));

struct sl_flights {
	struct shard shards[SL_FLIGHTS_SHARDS];
};

/* A digest is as good as a random number. */
static struct shard *shard_of(struct sl_flights *flights, const struct sl_cache_key *key)
{
	return &flights->shards[key->bytes[0] % SL_FLIGHTS_SHARDS];
}

static struct sl_flights_entry **list_of(struct shard *shard, const struct sl_cache_key *key)
{
	return &shard->lists[key->bytes[1] % SL_FLIGHTS_LISTS];
}

/* ---- life ------------------------------------------------------------------------------------ */

int sl_flights_open(struct sl_flights **ret_flights)
{
	struct sl_flights *flights = aligned_alloc(_Alignof(struct sl_flights), sizeof(*flights));

	if (flights == NULL)
		return -ENOMEM;
	memset(flights, 0, sizeof(*flights));
	for (unsigned i = 0; i < SL_FLIGHTS_SHARDS; i++)
		pthread_mutex_init(&flights->shards[i].lock, NULL);
	*ret_flights = flights;
	return 0;
}

static void free_waiters(struct sl_flights_waiter *waiter)
{
	while (waiter != NULL) {
		struct sl_flights_waiter *next = waiter->next;

		sl_cache_value_put(&waiter->value);
		free(waiter);
		waiter = next;
	}
}

static void free_entries(struct sl_flights_entry *entry)
{
	while (entry != NULL) {
		struct sl_flights_entry *next = entry->next;

		free_waiters(entry->first);
		free(entry);
		entry = next;
	}
}

void sl_flights_close(struct sl_flights **flights)
{
	struct sl_flights *old = *flights;

	*flights = NULL;
	for (unsigned i = 0; old != NULL && i < SL_FLIGHTS_SHARDS; i++) {
		struct shard *shard = &old->shards[i];

		free_waiters(shard->told);
		for (unsigned list = 0; list < SL_FLIGHTS_LISTS; list++)
			free_entries(shard->lists[list]);
		pthread_mutex_destroy(&shard->lock);
	}
	free(old);
}

/* ---- under the lock -------------------------------------------------------------------------- */

static void put_in(struct shard *shard, struct sl_flights_entry *entry)
{
	struct sl_flights_entry **list = list_of(shard, &entry->key);

	entry->first = NULL;
	entry->end = &entry->first;
	entry->next = *list;
	entry->pprev = list;
	if (entry->next != NULL)
		entry->next->pprev = &entry->next;
	*list = entry;
}

static void take_out(struct sl_flights_entry *entry)
{
	*entry->pprev = entry->next;
	if (entry->next != NULL)
		entry->next->pprev = entry->pprev;
}

static void join(struct sl_flights_entry *entry, struct sl_flights_waiter *waiter)
{
	waiter->outcome = SL_FLIGHTS_WAITING;
	waiter->value = NULL;
	waiter->entry = entry;
	waiter->key = entry->key; /* the entry may be gone once the waiter is told */
	waiter->next = NULL;
	waiter->pprev = entry->end;
	*entry->end = waiter;
	entry->end = &waiter->next;
}

/* From the list that it is in; only that of an entry has an end. */
static void unlink_waiter(struct sl_flights_waiter *waiter, struct sl_flights_entry *entry)
{
	*waiter->pprev = waiter->next;
	if (waiter->next != NULL)
		waiter->next->pprev = waiter->pprev;
	else if (entry != NULL)
		entry->end = waiter->pprev;
}

static void note_told(struct shard *shard, struct sl_flights_waiter *waiter,
		      enum sl_flights_outcome outcome)
{
	unlink_waiter(waiter, waiter->entry);
	waiter->outcome = outcome;
	waiter->next = shard->told;
	waiter->pprev = &shard->told;
	if (waiter->next != NULL)
		waiter->next->pprev = &waiter->next;
	shard->told = waiter;
}

/* ---- the table ------------------------------------------------------------------------------- */

bool sl_flights_enter(struct sl_flights *flights, struct sl_flights_entry *entry,
		      struct sl_flights_waiter *waiter)
{
	struct shard *shard = shard_of(flights, &entry->key);
	struct sl_flights_entry *found;

	pthread_mutex_lock(&shard->lock);
	found = *list_of(shard, &entry->key);
	while (found != NULL && memcmp(&found->key, &entry->key, sizeof(entry->key)) != 0)
		found = found->next;
	if (found != NULL)
		join(found, waiter);
	else
		put_in(shard, entry);
	pthread_mutex_unlock(&shard->lock);
	return found == NULL;
}

bool sl_flights_leave(struct sl_flights *flights, struct sl_flights_waiter *waiter)
{
	struct shard *shard = shard_of(flights, &waiter->key);
	bool waits;

	pthread_mutex_lock(&shard->lock);
	waits = waiter->outcome == SL_FLIGHTS_WAITING;
	if (waits)
		unlink_waiter(waiter, waiter->entry);
	pthread_mutex_unlock(&shard->lock);
	return waits;
}

void sl_flights_land(struct sl_flights *flights, struct sl_flights_entry *entry,
		     struct sl_cache_value *value)
{
	struct shard *shard = shard_of(flights, &entry->key);
	struct sl_flights_waiter *told = NULL, **end = &told, *waiter;

	pthread_mutex_lock(&shard->lock);
	take_out(entry);
	while ((waiter = entry->first) != NULL) {
		if (value != NULL)
			waiter->value = sl_cache_value_get(value);
		note_told(shard, waiter, value != NULL ? SL_FLIGHTS_SERVED : SL_FLIGHTS_RELEASED);
		waiter->told_next = NULL;
		*end = waiter;
		end = &waiter->told_next;
	}
	pthread_mutex_unlock(&shard->lock);
	while ((waiter = told) != NULL) {
		told = waiter->told_next; /* before it may be freed */
		waiter->tell(waiter);
	}
}

bool sl_flights_pass(struct sl_flights *flights, struct sl_flights_entry *entry)
{
	struct shard *shard = shard_of(flights, &entry->key);
	struct sl_flights_waiter *waiter;

	pthread_mutex_lock(&shard->lock);
	waiter = entry->first;
	if (waiter != NULL)
		note_told(shard, waiter, SL_FLIGHTS_LEADS);
	else
		take_out(entry);
	pthread_mutex_unlock(&shard->lock);
	if (waiter != NULL)
		waiter->tell(waiter);
	return waiter != NULL;
}

void sl_flights_done(struct sl_flights *flights, struct sl_flights_waiter *waiter)
{
	struct shard *shard = shard_of(flights, &waiter->key);

	pthread_mutex_lock(&shard->lock);
	unlink_waiter(waiter, NULL);
	pthread_mutex_unlock(&shard->lock);
}
