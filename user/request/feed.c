/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/feed.h"

#include <stdlib.h>

_Static_assert(sizeof(struct sl_feed_record) <= 192, "a record is three lines of cache at most");
_Static_assert(!(SL_FEED_RECORDS & (SL_FEED_RECORDS - 1)), "positions are masked");

void sl_feed_init(struct sl_feed *feed)
{
	*feed = (struct sl_feed){.ring = calloc(SL_FEED_RECORDS, sizeof(*feed->ring))};
}

void sl_feed_fini(struct sl_feed *feed)
{
	free(feed->ring);
	feed->ring = NULL;
}

void sl_feed_put(struct sl_feed *feed, const struct sl_feed_record *record)
{
	uint64_t tail = __atomic_load_n(&feed->tail, __ATOMIC_ACQUIRE);

	if (!feed->ring || feed->head - tail >= SL_FEED_RECORDS) {
		__atomic_store_n(&feed->lost, feed->lost + 1, __ATOMIC_RELAXED);
		return;
	}
	feed->ring[feed->head & (SL_FEED_RECORDS - 1)] = *record;
	__atomic_store_n(&feed->head, feed->head + 1, __ATOMIC_RELEASE);
}

bool sl_feed_take(struct sl_feed *feed, struct sl_feed_record *ret_record)
{
	uint64_t head = __atomic_load_n(&feed->head, __ATOMIC_ACQUIRE);

	if (!feed->ring || feed->tail == head)
		return false;
	*ret_record = feed->ring[feed->tail & (SL_FEED_RECORDS - 1)];
	__atomic_store_n(&feed->tail, feed->tail + 1, __ATOMIC_RELEASE);
	return true;
}

uint64_t sl_feed_lost(const struct sl_feed *feed)
{
	return __atomic_load_n(&feed->lost, __ATOMIC_RELAXED);
}

const char *sl_feed_outcome_name(enum sl_feed_outcome outcome)
{
	static const char *const names[SL_FEED_OUTCOMES] = {"good", "failed", "broken", "refused",
							    "gone"};

	return names[outcome];
}
