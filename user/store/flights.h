/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flights.h - who asks for an answer and who waits for it, over all threads of the daemon.
 *
 * An entry is one call under way for a key; whoever entered it first leads it. Later ones join it as
 * waiters. Of a waiter:
 *
 *	state     it is                                  leaves by
 *	waiting   in its entry's list                    leave (by itself), or land and pass -> told
 *	told      has its outcome; tell() was called     done, by its own thread, which frees it
 *
 * tell() is called once for each, without a lock, on the thread that landed or passed, and has to
 * hand the waiter to its own thread, which may have lost interest meanwhile: that is for the two to
 * settle there, so nobody waits for anybody and no lock is held while one waits.
 *
 * Entries and waiters are the callers' memory, from malloc(): what is still there when the table is
 * closed is freed with it. Threads: any. SL_FLIGHTS_SHARDS locks, chosen by the key; under one a walk
 * of a list (about one entry), and a pointer or two a waiter. Pure: neither loops nor clock.
 */
#ifndef SL_STORE_FLIGHTS_H
#define SL_STORE_FLIGHTS_H

#include <stdbool.h>
#include "user/store/cache.h"

#define SL_FLIGHTS_SHARDS 16u
#define SL_FLIGHTS_LISTS  64u /* a shard */

struct sl_flights;

enum sl_flights_outcome {
	SL_FLIGHTS_WAITING = 0,
	SL_FLIGHTS_SERVED,   /* value is its answer, with a reference */
	SL_FLIGHTS_LEADS,    /* entry is its own now */
	SL_FLIGHTS_RELEASED, /* there is nothing to wait for */
};

struct sl_flights_waiter {
	struct sl_flights_waiter *next, **pprev;
	struct sl_flights_waiter *told_next; /* of those that one call tells */
	struct sl_flights_entry *entry;	     /* LEADS: its own; not to be looked at else */
	struct sl_cache_key key;
	void (*tell)(struct sl_flights_waiter *waiter);
	struct sl_cache_value *value;
	enum sl_flights_outcome outcome;
};

struct sl_flights_entry {
	struct sl_flights_entry *next, **pprev; /* those with a like key */
	struct sl_flights_waiter *first, **end;
	struct sl_cache_key key;
};

/* Returns 0 or -ENOMEM. */
int sl_flights_open(struct sl_flights **ret_flights);
/* No thread uses it any more. */
void sl_flights_close(struct sl_flights **flights);

/*
 * With entry->key and waiter->tell set. True: the entry is in, the caller leads it; the waiter was not
 * used. False: the waiter waits for another's; the entry was not used.
 */
bool sl_flights_enter(struct sl_flights *flights, struct sl_flights_entry *entry,
		      struct sl_flights_waiter *waiter);

/* True: it waits no more, and is the caller's. False: it was told; see done. */
bool sl_flights_leave(struct sl_flights *flights, struct sl_flights_waiter *waiter);

/* By the leader: the entry is out and the caller's again. All are SERVED, or without a value RELEASED. */
void sl_flights_land(struct sl_flights *flights, struct sl_flights_entry *entry,
		     struct sl_cache_value *value);

/* By the leader, who gives up. True: the first waiter LEADS, and may do so already. False: there is
 * none; the entry is out and the caller's again. */
bool sl_flights_pass(struct sl_flights *flights, struct sl_flights_entry *entry);

/* By a told waiter's own thread: it is the caller's again, with what its outcome says. */
void sl_flights_done(struct sl_flights *flights, struct sl_flights_waiter *waiter);

#endif
