/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * room.h - where requests wait for a place on a node: a queue for each pool, shared by all threads.
 *
 * Shared, not one a thread, because order and shares count in the whole pool: SO_REUSEPORT spreads
 * connections by chance, so with queues of their own a thread would serve batch while another lets
 * critical wait, and a tenant would have as many shares as threads. The price is a lock, taken by
 * requests that wait and by those that end while somebody waits (0.2 us, policy/queue.h); while
 * nobody waits a request costs one load.
 *
 *   free place        whoever releases it grants it to the next one, without looking at other nodes
 *   limit grows       (policy/concurrency.h) the same look as below finds the places
 *   node comes back   each thread with waiting requests looks every SL_ROOM_TICK_MS: breakers,
 *                     drains, Retry-After and reloads change without telling anybody
 *   pool removed      each thread sends its own on their way (MOVED) when it gets the new snapshot
 *   sick pool         without a healthy node, or while requests come back because no connection could
 *                     be made (a breaker has not opened yet, or may not): one request at a time
 *                     tries a node, every SL_ROOM_PROBE_MS
 *
 * A waiting request has no fiber. What was decided for it comes to its own thread, in sl_waiter's
 * callback:
 *
 *   WAITING --grant, shed--> DECIDED --its thread's turn--> ended()
 *      |---expiry (its thread's timer)-----------------------> ended()
 *      |---sl_room_leave(): true, no ended()
 *
 * Lost wake-ups: one who begins to wait counts himself, then looks for a place; one who frees a place
 * counts it, then looks whether somebody waits. Either sees the other (sequentially consistent).
 */
#ifndef SL_REQUEST_ROOM_H
#define SL_REQUEST_ROOM_H

#include <pthread.h>
#include "user/base/histogram.h"
#include "user/io/loop.h"
#include "user/policy/queue.h"
#include "user/upstream/upstream.h"

#define SL_ROOM_TICK_MS	 10u
#define SL_ROOM_PROBE_MS 250u
#define SL_ROOM_GRANTS_MAX \
	64u /* at one look: a pool without limits is not flooded when it is back */

struct sl_worker;

/* Waiting in one pool. Made when first needed, kept to the end of the process. */
struct sl_room {
	pthread_mutex_t lock;
	struct sl_queue queue;
	uint32_t waiting;  /* queue.count, for those without the lock */
	uint64_t probe_ns; /* a sick pool is tried again */
	uint64_t doubt_ns; /* until then the pool counts as sick whatever its breakers say */
	struct sl_histogram wait_us[SL_QUEUE_CLASSES]; /* of those granted */
};

struct sl_rooms {
	struct sl_room *by_pool[SL_POOLS_MAX];
};

struct sl_waiter {
	struct sl_queue_entry entry; /* first; see its verdict in ended() */
	struct sl_waiter *next;	     /* in the desk's box */
	struct sl_worker *worker;
	struct sl_room *room;
	uint32_t pool_slot;
	const char *pool_name;	/* of its request's snapshot */
	bool came_back;		/* no connection could be made to any node of its chain */
	uint32_t hold_check_ms; /* 0, or how often expired() is asked before the deadline */
	struct sl_timer timer;
	struct sl_upstream_grant
		grant; /* its node counts for the thread that granted: use `slot` */
	uint32_t slot;
	/* Its thread: it does not wait any more. GRANTED: the place of node `slot` is the caller's. */
	void (*ended)(struct sl_waiter *waiter);
	/* Its thread, every hold_check_ms: true: it wants to leave the queue (EXPIRED). */
	bool (*looks)(struct sl_waiter *waiter);
};

/* A thread's share. */
struct sl_desk {
	struct sl_rooms *rooms; /* of all threads; NULL: nobody waits, all is refused */
	struct sl_waiter *box;	/* decided by any thread, newest first */
	struct sl_task task;
	struct sl_timer timer;
	uint32_t waiting[SL_POOLS_MAX]; /* of this thread */
	uint32_t waiting_count;
};

void sl_desk_init(struct sl_desk *desk);

/* The worker has a new snapshot: who waits here for a pool that it does not have ends as MOVED. */
void sl_room_reload(struct sl_worker *worker);

/* Frees the rooms; nobody may wait. */
void sl_rooms_fini(struct sl_rooms *rooms);

/* Do others wait for a pool of limited nodes that serves? Then it is not for a newcomer to try. */
bool sl_room_is_busy(struct sl_worker *worker, const struct sl_upstream_pool *pool);

/* Does anybody wait in the pool, for a place or for a node? */
bool sl_room_is_waited_in(struct sl_worker *worker, const struct sl_upstream_pool *pool);

/*
 * Begins to wait. waiter: entry's first block, came_back, hold_check_ms, ended, looks. WAITING: ended() comes,
 * at the earliest in this turn. Else a refusal, with *ret_wait_ns.
 */
enum sl_queue_verdict sl_room_enter(struct sl_worker *worker, const struct sl_upstream_pool *pool,
				    struct sl_waiter *waiter, uint64_t *ret_wait_ns);

/* The client went away. True: out of the queue, ended() does not come. False: it comes. */
bool sl_room_leave(struct sl_waiter *waiter);

/* How many wait in the pool, and for how long the oldest has. */
void sl_room_look(struct sl_worker *worker, const struct sl_upstream_pool *pool,
		  uint32_t *ret_waiting, uint64_t *ret_oldest_ms);

/* How many wait where it does. */
uint32_t sl_room_depth(const struct sl_waiter *waiter);

/* How long another one like the waiter would wait if it came now; 0: not known. */
uint64_t sl_room_estimate_ns(struct sl_worker *worker, const struct sl_waiter *waiter);

/* A place of the node is free (the hook of sl_upstream_release()). */
void sl_room_freed(struct sl_worker *worker, uint32_t pool_slot, uint32_t node_slot);

#endif
