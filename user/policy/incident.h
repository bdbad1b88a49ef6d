/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * incident.h - which notices make an incident, which belong to one, and when it is over.
 *
 *   notice                              what it does
 *   trouble: warn or bad, not over      joins an open incident, or opens one
 *   trouble again (a breaker flaps)     the same incident; the first SL_INCIDENT_AGAIN_MAX of them are events
 *   over                                eases that cause
 *   a deed (info: configuration, ...)   goes into the timeline of the incidents it concerns, opens none
 *   any other info                      the same, as a remark
 *   INCIDENT                            nothing: the caller tells it of this book
 *
 *   state    leaves by
 *   OPEN     all causes are over, and have been for hold_ms -> CLOSED
 *   CLOSED   never: the same trouble later is another incident
 *
 * What belongs together: the same subject (node, pool, route, ...) always; what shares a pool (a node and
 * its pool, a route and the pools of its chain) when the incident has seen something in the last join_ms.
 * A zone or region that is lost is an incident of its own: what shares a pool with it later joins that one.
 * It began when its subject was first harmed (what the caller knows: requests that failed or had to be
 * tried again), was found out when it was opened, and ended when its last cause was over.
 *
 * Events are the truth. The caller keeps each that it is given (on_event) as a row, and hands the rows back
 * after a restart: the book is as it was, but for how often and until when a cause repeated itself beyond
 * SL_INCIDENT_AGAIN_MAX, which no row tells: what denies a trip each second, or flaps, must not fill the
 * ledger. What was open then is looked at by sl_incidents_recheck().
 *
 * Limits: SL_INCIDENTS_MAX incidents, the oldest closed one makes room; SL_INCIDENTS_OPEN_MAX open ones,
 * SL_INCIDENT_EVENTS_MAX events and SL_INCIDENT_CAUSES_MAX causes each: what is more is counted.
 *
 * Pure but for memory: times come in. One thread, or the caller locks.
 */
#ifndef SL_POLICY_INCIDENT_H
#define SL_POLICY_INCIDENT_H

#include "user/base/api_key.h"
#include "user/base/notice.h"
#include "user/base/text.h"

#define SL_INCIDENTS_MAX       256u
#define SL_INCIDENTS_OPEN_MAX  64u
#define SL_INCIDENT_CAUSES_MAX 16u
#define SL_INCIDENT_EVENTS_MAX 64u
#define SL_INCIDENT_AGAIN_MAX  4u /* events of one cause that repeats itself */
#define SL_INCIDENT_POOLS_MAX  16u
#define SL_INCIDENT_KEYS_MAX   32u

enum sl_incident_what {
	SL_INCIDENT_OPENED = 0, /* value: when it began */
	SL_INCIDENT_SEEN,
	SL_INCIDENT_WORSE,
	SL_INCIDENT_EASED,
	SL_INCIDENT_DONE,    /* somebody's or the daemon's deed */
	SL_INCIDENT_NOTED,   /* a remark */
	SL_INCIDENT_COUNTED, /* requests meanwhile; the last one counts */
	SL_INCIDENT_CLOSED,  /* value: when the last cause was over */
	SL_INCIDENT_WHATS
};

struct sl_incident_event {
	uint64_t at_ms;
	uint64_t value;
	enum sl_incident_what what;
	enum sl_notice_kind kind;
	enum sl_notice_level level;
	enum sl_notice_of of;
	char name[SL_NOTICE_NAME_BYTES];
	char pool[SL_NOTICE_NAME_BYTES];
	char who[SL_NOTICE_WHO_BYTES];
	char text[SL_NOTICE_TEXT_BYTES];
};

/* Requests that had to do with it while it was open. */
struct sl_incident_counts {
	uint64_t requests;
	uint64_t harmed;    /* failed, or a broken stream */
	uint64_t saved;	    /* answered all the same, by a retry or a fallback */
	uint64_t retries;   /* further attempts */
	uint64_t fallbacks; /* requests that left their pool */
	uint32_t key_count;
	bool more_keys;
	char keys[SL_INCIDENT_KEYS_MAX][SL_API_KEY_ID_LEN + 1]; /* of those that were harmed */
};

struct sl_incident_cause {
	enum sl_notice_kind kind;
	enum sl_notice_of of;
	char name[SL_NOTICE_NAME_BYTES];
	char pool[SL_NOTICE_NAME_BYTES];
	uint64_t began_ms, over_ms; /* over_ms of its last end */
	bool over;
	bool told_over; /* as the events say */
	uint32_t times;
};

struct sl_incident {
	uint64_t id; /* from 1 on */
	bool open;
	enum sl_notice_level level;
	enum sl_notice_of of; /* of what it was opened for */
	char name[SL_NOTICE_NAME_BYTES];
	char pool[SL_NOTICE_NAME_BYTES];
	uint64_t began_ms, opened_ms, seen_ms, recovered_ms, closed_ms;
	struct sl_incident_cause causes[SL_INCIDENT_CAUSES_MAX];
	uint32_t cause_count;
	char pools[SL_INCIDENT_POOLS_MAX][SL_NOTICE_NAME_BYTES]; /* that are concerned */
	uint32_t pool_count;
	struct sl_incident_event *events;
	uint32_t event_count, event_size;
	uint32_t left_out; /* events and causes over their maximum */
	struct sl_incident_counts counts;
	uint64_t counted_ms; /* when they were told last */
	bool counted;	     /* they have changed since */
};

struct sl_incident_limits {
	uint32_t join_ms;
	uint32_t hold_ms;
	uint32_t count_ms; /* between two events COUNTED */
};

struct sl_incidents {
	struct sl_incident_limits limits;
	struct sl_incident *list[SL_INCIDENTS_MAX]; /* by id, the oldest first */
	uint32_t count, open_count;
	uint64_t next_id;
	uint64_t opened;  /* since the beginning of the book */
	uint64_t refused; /* troubles that no incident could be opened for */
	uint64_t version; /* changes when incidents open, close or concern another pool */
	void *owner;
	/* Each event, after it is in the book. */
	void (*on_event)(void *owner, const struct sl_incident *incident,
			 const struct sl_incident_event *event);
};

/* What the caller knows of a notice beside it. */
struct sl_incident_facts {
	const char *const *pools; /* of a route's chain */
	uint32_t pool_count;
	uint64_t harmed_ms; /* when requests of its subject began to be harmed; 0: none were */
};

void sl_incidents_init(struct sl_incidents *book, const struct sl_incident_limits *limits);
void sl_incidents_fini(struct sl_incidents *book);

void sl_incidents_notice(struct sl_incidents *book, const struct sl_notice *notice,
			 const struct sl_incident_facts *facts);

/* Closes what is due, tells counts that are. */
void sl_incidents_poll(struct sl_incidents *book, uint64_t wall_ms);

/* Each cause of an open incident for which `lasts` says no is over, at that moment. For the time after a
 * restart, and for notices that were lost. */
void sl_incidents_recheck(struct sl_incidents *book, uint64_t wall_ms, const char *why,
			  bool (*lasts)(void *owner, const struct sl_incident_cause *cause),
			  void *owner);

/* Has the route, or a pool of its chain, to do with the open incident? */
bool sl_incident_concerns(const struct sl_incident *incident, const char *route,
			  const char *const *pools, uint32_t pool_count);

/* A request that it concerns has ended. key: its public id, or "". */
void sl_incident_count(struct sl_incident *incident, bool harmed, uint32_t attempts, bool fell_back,
		       const char *key);

/* The one of that id, or NULL. */
const struct sl_incident *sl_incidents_find(const struct sl_incidents *book, uint64_t id);

/*
 * An event of before a restart, in the order in which they came; on_event is not called. counts: of
 * COUNTED, else NULL. -EINVAL: of an incident that is not in the book; its id is not given again.
 */
int sl_incidents_apply(struct sl_incidents *book, uint64_t id,
		       const struct sl_incident_event *event,
		       const struct sl_incident_counts *counts);

/* No new incident gets this id, or a lower one. */
void sl_incidents_reserve(struct sl_incidents *book, uint64_t id);

const char *sl_incident_what_name(enum sl_incident_what what); /* "opened", ... */

#endif
