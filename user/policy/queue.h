/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * queue.h - who is next when a pool has no place free.
 *
 *   between classes   critical, interactive, standard, batch: strictly, but a class that was passed
 *                     over SL_QUEUE_PASSED_MAX times in a row is next. So each class that waits has
 *                     at least one of any SL_QUEUE_PASSED_MAX + SL_QUEUE_CLASSES grants
 *   within a class    deficit round robin over the tenants by estimated tokens (Shreedhar and
 *                     Varghese, 1995). Rounds in which a tenant could only save up are skipped: it
 *                     waits in the calendar for the round that it can pay in, so a grant costs the
 *                     same however dear the requests are
 *   within a tenant   oldest first; newest first while overloaded
 *
 * Overloaded (the idea is CoDel's, Nichols and Jacobson, 2012): at each grant of a whole interval the
 * oldest of the class whose turn it was had waited for longer than the target, and as many arrived as
 * were granted. The second half is ours: a burst that drains fails nobody. While it lasts the lowest
 * class that waits loses those older than the target. It ends with the first grant at which that
 * oldest is younger than half the target, or the first interval in which the queue shrank.
 *
 *   verdict     it means                                            the entry
 *   WAITING     in the queue                                        the queue's
 *   COUNT       as many wait as may, none of a lower class          the caller's, as it was
 *   BYTES       the same by bytes                                   the caller's
 *   DEADLINE    the estimated wait is longer than it can            the caller's
 *   DISPLACED   was waiting, gave way to one of a higher class      from sl_queue_take_shed()
 *   SHED        was waiting, overload                               from sl_queue_take_shed()
 *   GRANTED     from sl_queue_pop()                                 the caller's
 *   EXPIRED     waited as long as it could; the caller's timer      from sl_queue_remove()
 *   LEFT        its client went away                                from sl_queue_remove()
 *   MOVED       the pool is no more                                 from sl_queue_remove()
 *
 * The estimate is what goes ahead times the mean time between two grants, as measured while others
 * waited; nobody is refused by it before SL_QUEUE_GAPS_MIN were measured.
 *
 * Every operation is O(1) in what waits. Pure: the caller brings clock and lock. No allocation after
 * init.
 */
#ifndef SL_POLICY_QUEUE_H
#define SL_POLICY_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/key_file.h" /* enum sl_key_class */

#define SL_QUEUE_CLASSES    SL_KEY_CLASSES
#define SL_QUEUE_PASSED_MAX 16u
#define SL_QUEUE_QUANTUM    64u	  /* tokens a tenant saves in a round; no request counts as less */
#define SL_QUEUE_ROUNDS	    2048u /* of the calendar; a multiple of 64 */
#define SL_QUEUE_COST_MAX   (SL_QUEUE_QUANTUM * (SL_QUEUE_ROUNDS - 2u)) /* more counts as this */
#define SL_QUEUE_FLOWS_MAX  1024u /* tenants that wait at once; more share one's turn */
#define SL_QUEUE_GAPS_MIN   8u

enum sl_queue_verdict {
	SL_QUEUE_UNSET = 0,
	SL_QUEUE_WAITING,
	SL_QUEUE_GRANTED,
	SL_QUEUE_COUNT,
	SL_QUEUE_BYTES,
	SL_QUEUE_DEADLINE,
	SL_QUEUE_DISPLACED,
	SL_QUEUE_SHED,
	SL_QUEUE_EXPIRED,
	SL_QUEUE_LEFT,
	SL_QUEUE_MOVED,
	SL_QUEUE_VERDICTS
};

struct sl_queue_config {
	uint32_t count_max;
	uint64_t bytes_max;
	uint64_t target_ns; /* 0: never overloaded */
	uint64_t interval_ns;
};

struct sl_queue_flow;

/* One that waits; part of its owner. The caller fills the first block before each push. */
struct sl_queue_entry {
	enum sl_key_class class;
	uint64_t tenant; /* equal numbers share a turn */
	uint32_t cost;	 /* estimated tokens */
	uint32_t bytes;
	uint64_t born_ns;     /* since when it waits: now, unless it has waited before */
	uint64_t deadline_ns; /* cannot wait longer; UINT64_MAX: without a bound */

	enum sl_queue_verdict verdict;
	struct sl_queue_flow *flow;		/* NULL: not in a queue */
	struct sl_queue_entry *next, *prev;	/* of its tenant, oldest first */
	struct sl_queue_entry *younger, *older; /* of its class */
};

struct sl_queue_round {
	struct sl_queue_flow *first, *last;
};

struct sl_queue_class {
	uint32_t count;
	uint32_t flow_count;
	uint32_t passed; /* grants to others since its last one */
	uint32_t round;	 /* the present one's place in the calendar */
	struct sl_queue_entry *oldest, *youngest;
	uint64_t filled[SL_QUEUE_ROUNDS / 64]; /* bit by round with a flow in it */
	struct sl_queue_round rounds[SL_QUEUE_ROUNDS];
};

/* What a tenant had saved when its last request went: below a quantum, so that idling saves nothing. */
struct sl_queue_rest {
	uint64_t tenant;
	enum sl_key_class class;
	uint32_t saved;
};

struct sl_queue {
	uint32_t count;
	uint64_t bytes;
	bool overloaded;
	struct sl_queue_class classes[SL_QUEUE_CLASSES];
	struct sl_queue_entry *shed; /* for sl_queue_take_shed(), linked by next */
	/* drain rate */
	uint64_t last_grant_ns; /* 0: the time since does not count */
	uint64_t gap_ns;
	uint32_t gap_count;
	/* overload */
	uint64_t window_ns; /* its start; 0: none */
	uint32_t window_pushes, window_grants;
	/* tenants that wait, by hash; and the memory of all */
	struct sl_queue_flow *buckets[SL_QUEUE_FLOWS_MAX];
	struct sl_queue_rest rests[SL_QUEUE_FLOWS_MAX]; /* by bucket: the last that left it */
	struct sl_queue_flow *flows, *free_flows;
	uint32_t flow_count; /* that wait */
	uint32_t flows_used; /* of the memory, ever */
	uint64_t counts[SL_QUEUE_VERDICTS][SL_QUEUE_CLASSES];
};

/* All zero, with memory for the tenants. 0 or -ENOMEM. fini: nobody may wait any more. */
int sl_queue_init(struct sl_queue *queue);
void sl_queue_fini(struct sl_queue *queue);

/*
 * Takes the entry in. Anything but WAITING is a refusal; then *ret_wait_ns is a time after which it
 * may be worth asking again. May shed others: see sl_queue_take_shed().
 */
enum sl_queue_verdict sl_queue_push(struct sl_queue *queue, const struct sl_queue_config *config,
				    struct sl_queue_entry *entry, uint64_t now_ns,
				    uint64_t *ret_wait_ns);

/* An entry that was granted and could not use it waits again, before all of its tenant's. */
void sl_queue_return(struct sl_queue *queue, struct sl_queue_entry *entry);

/* The next one, or NULL when nobody waits. It is out of the queue. */
struct sl_queue_entry *sl_queue_pop(struct sl_queue *queue, const struct sl_queue_config *config,
				    uint64_t now_ns);

/* Takes one out that waits: EXPIRED, LEFT or MOVED. */
void sl_queue_remove(struct sl_queue *queue, struct sl_queue_entry *entry,
		     enum sl_queue_verdict why);

/* Sheds what overload allows to shed. Now and then, and before sl_queue_take_shed(). */
void sl_queue_tick(struct sl_queue *queue, const struct sl_queue_config *config, uint64_t now_ns);

/* One that was shed or displaced, see its verdict; NULL: no more. */
struct sl_queue_entry *sl_queue_take_shed(struct sl_queue *queue);

/* The pool has no node to grant: the time until it has one says nothing of how fast it serves. */
void sl_queue_pause(struct sl_queue *queue);

/* How long one of that class and tenant would wait if it came now; 0 while nothing was measured. */
uint64_t sl_queue_estimate_ns(const struct sl_queue *queue, enum sl_key_class class,
			      uint64_t tenant);

/* "deadline", "shed", ...: label of the metric. */
const char *sl_queue_verdict_name(enum sl_queue_verdict verdict);

#endif
