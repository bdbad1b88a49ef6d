/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * alert.h - which alerts fire, and who is to be told of which now.
 *
 *   alert        firing --end--> resolved --each receiver that heard of it was told--> forgotten
 *
 *   a receiver of an alert
 *     not told   firing for group_ms -> due          ended meanwhile -> never told: it was nothing
 *     sent       its first message goes, or went without an answer: due again; ended -> due: resolved,
 *                for it may have heard
 *     told       repeat_ms later -> due again        ended -> due: resolved
 *
 * Told are groups: alerts whose labels in `group_by` are alike, by default all of a pool together, so that a pool
 * that dies is one message; by zone a rack that loses power is one. A message that failed is
 * repeated with what is so by then, after 1 s doubled with each failure up to a minute, with jitter; more
 * than per_hour in an hour wait for the next one, and are counted. So a receiver that is dead holds up
 * nobody: its alerts stay due, the others' do not know of it.
 *
 * An alert is known by what it is about (kind, severity, subject): the same again is the same alert. What is
 * kept of it over a restart is the struct as it is (version in ops/alerts.c), with who has been told, so that
 * nobody is told twice.
 *
 * Limits: SL_ALERTS_MAX; one that finds no place is counted. Pure: wall times come in. One thread, or the
 * caller locks.
 */
#ifndef SL_POLICY_ALERT_H
#define SL_POLICY_ALERT_H

#include "user/base/notice.h"

#define SL_ALERTS_MAX	       128u
#define SL_ALERT_RECEIVERS_MAX 8u
#define SL_ALERT_RETRY_MS      1000u
#define SL_ALERT_RETRY_MS_MAX  60000u
#define SL_ALERT_GIVE_UP_MS    86400000u /* resolved, and nobody could be told: forgotten */

enum sl_alert_severity { SL_ALERT_PAGE = 0, SL_ALERT_TICKET, SL_ALERT_SEVERITIES };

/* What an alert is about, by which alerts are told together. Names: sl_alert_label_name(). */
enum sl_alert_label {
	SL_ALERT_POOL = 0,
	SL_ALERT_NODE,
	SL_ALERT_ROUTE,
	SL_ALERT_DEPENDENCY, /* a pool that stages call and no route's requests go to */
	SL_ALERT_ZONE,	     /* of a node */
	SL_ALERT_KIND,
	SL_ALERT_SEVERITY,
	SL_ALERT_LABELS
};

enum sl_alert_state { SL_ALERT_UNTOLD = 0, SL_ALERT_FIRING, SL_ALERT_RESOLVED, SL_ALERT_SENT };

struct sl_alert_told {
	uint64_t who; /* sl_alert_who() of the receiver; 0: nobody */
	uint64_t at_ms;
	uint32_t state; /* what it heard last */
	uint32_t pad;
};

struct sl_alert {
	uint64_t fingerprint;	     /* 0: no alert */
	uint64_t number;	     /* of its incident; 0: none */
	uint64_t starts_ms, ends_ms; /* ends_ms 0: fires */
	enum sl_notice_kind kind;
	enum sl_notice_of of;
	enum sl_alert_severity severity;
	bool confirmed; /* by this process */
	char name[SL_NOTICE_NAME_BYTES];
	char pool[SL_NOTICE_NAME_BYTES];
	char text[SL_NOTICE_TEXT_BYTES];
	struct sl_alert_told told[SL_ALERT_RECEIVERS_MAX];
	/* Since version 2 of what is kept: at the end, so that an older one is this one's beginning. */
	char zone[SL_NOTICE_NAME_BYTES];
	char dependency[SL_NOTICE_NAME_BYTES];
};

struct sl_alert_book {
	struct sl_alert list[SL_ALERTS_MAX];
	uint64_t refused; /* found no place */
	void *owner;
	void (*changed)(void *owner, const struct sl_alert *alert); /* fingerprint as before */
	/* Of one that has just fired: fills zone and dependency in; NULL: neither is known. */
	void (*place)(void *owner, struct sl_alert *alert);
	void (*forgotten)(void *owner, uint64_t fingerprint);
};

/* Of one receiver: what it wants, and how it goes. */
struct sl_alert_receiver {
	uint64_t who;
	uint32_t severities; /* bits */
	uint32_t kinds;	     /* bits; 0: all */
	const char *const *pools;
	uint32_t pool_count; /* 0: all */
	uint32_t group_by;   /* bits by enum sl_alert_label; 0: all of them are one group */
	uint32_t group_ms, repeat_ms, per_hour;
	/* state */
	uint32_t failures;
	uint64_t next_ms;
	uint64_t hour_ms; /* when the hour began */
	uint32_t in_hour;
	bool limited;		     /* in this hour, and counted */
	uint64_t sent, failed, held; /* messages; held: hours in which some had to wait */
};

/* What a message has to say: alerts that are alike in the labels of `by`. */
struct sl_alert_group {
	uint32_t by;
	char labels[SL_ALERT_LABELS][SL_NOTICE_NAME_BYTES]; /* of those in `by` */
	uint32_t count;
	struct {
		uint64_t fingerprint;
		uint32_t index;
		uint32_t state; /* as it is told */
	} alerts[SL_ALERTS_MAX];
};

uint64_t sl_alert_who(const char *receiver);

/* It fires, if it does not already. name, pool, text of the notice; level says nothing. */
void sl_alert_fire(struct sl_alert_book *book, const struct sl_notice *notice,
		   enum sl_notice_kind kind, enum sl_alert_severity severity, uint64_t number,
		   uint64_t now_ms);

/* It is over, if it fires. */
void sl_alert_end(struct sl_alert_book *book, const struct sl_notice *notice,
		  enum sl_notice_kind kind, enum sl_alert_severity severity, uint64_t now_ms);

/* All of that incident of that severity (SL_ALERT_SEVERITIES: of any). */
void sl_alert_end_incident(struct sl_alert_book *book, uint64_t number,
			   enum sl_alert_severity severity, uint64_t now_ms);

/* Those that an earlier process left and nobody has confirmed. */
void sl_alert_end_unconfirmed(struct sl_alert_book *book, uint64_t now_ms);

/* Is there something to tell it now? Fills the group in; and forgets what is done with. */
bool sl_alert_due(struct sl_alert_book *book, struct sl_alert_receiver *receiver, uint64_t now_ms,
		  struct sl_alert_group *ret_group);

/* That message is on its way: whatever becomes of it, the receiver may hear it. */
void sl_alert_begun(struct sl_alert_book *book, const struct sl_alert_receiver *receiver,
		    const struct sl_alert_group *group, uint64_t now_ms);

/* No message is on its way to it: when none has to be either, its failures are over. */
void sl_alert_settle(const struct sl_alert_book *book, struct sl_alert_receiver *receiver,
		     uint64_t now_ms);

/* That message was sent, or could not be. random: any number. */
void sl_alert_made(struct sl_alert_book *book, struct sl_alert_receiver *receiver,
		   const struct sl_alert_group *group, bool ok, uint64_t now_ms, uint32_t random);

/* Resolved, and all who heard of it have been told. receivers: all that there are. */
void sl_alert_sweep(struct sl_alert_book *book, const struct sl_alert_receiver *receivers,
		    uint32_t count, uint64_t now_ms);

uint32_t sl_alert_count(const struct sl_alert_book *book, enum sl_alert_severity severity);

/* "pool", "node", ..., NULL-terminated. */
extern const char *const sl_alert_label_names[];
/* "" where it has none. */
const char *sl_alert_label(const struct sl_alert *alert, enum sl_alert_label label);

const char *sl_alert_severity_name(enum sl_alert_severity severity); /* "page", "ticket" */

#endif
