/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/incident.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum role { TROUBLE, OVER, DEED, REMARK };

static bool is_deed(enum sl_notice_kind kind)
{
	return kind == SL_NOTICE_CONFIG || kind == SL_NOTICE_OVERRIDE || kind == SL_NOTICE_TUNE ||
	       kind == SL_NOTICE_KEY || kind == SL_NOTICE_PROMPT || kind == SL_NOTICE_INDEX ||
	       kind == SL_NOTICE_ROLLOUT || kind == SL_NOTICE_CHAOS || kind == SL_NOTICE_HOOK;
}

/* Nobody will say that it is over: it was a moment. */
static bool is_moment(enum sl_notice_kind kind)
{
	return kind == SL_NOTICE_CAP || kind == SL_NOTICE_RETIRED || kind == SL_NOTICE_MODEL ||
	       kind == SL_NOTICE_PROMPT || kind == SL_NOTICE_INDEX || kind == SL_NOTICE_ROLLOUT ||
	       kind == SL_NOTICE_OVERRIDE || kind == SL_NOTICE_TUNE;
}

/* Experiments and hooks are deeds however they go: trouble that they make is told by others. */
static enum role role_of(const struct sl_notice *notice)
{
	if (notice->kind == SL_NOTICE_CHAOS || notice->kind == SL_NOTICE_HOOK)
		return DEED;
	if (notice->over)
		return OVER;
	if (notice->level > SL_NOTICE_INFO && notice->kind != SL_NOTICE_OVERRIDE &&
	    notice->kind != SL_NOTICE_TUNE)
		return TROUBLE;
	return is_deed(notice->kind) ? DEED : REMARK;
}

/* ---- the book ------------------------------------------------------------------------------ */

void sl_incidents_init(struct sl_incidents *book, const struct sl_incident_limits *limits)
{
	memset(book, 0, sizeof(*book));
	book->limits = *limits;
	book->next_id = 1;
}

static void free_incident(struct sl_incident *incident)
{
	free(incident->events);
	free(incident);
}

void sl_incidents_fini(struct sl_incidents *book)
{
	for (uint32_t i = 0; i < book->count; i++)
		free_incident(book->list[i]);
	book->count = book->open_count = 0;
}

/* The oldest closed one goes. False: all are open. */
static bool make_room(struct sl_incidents *book)
{
	uint32_t i = 0;

	if (book->count < SL_INCIDENTS_MAX)
		return true;
	while (i < book->count && book->list[i]->open)
		i++;
	if (i == book->count)
		return false;
	free_incident(book->list[i]);
	memmove(&book->list[i], &book->list[i + 1], (--book->count - i) * sizeof(book->list[0]));
	return true;
}

static struct sl_incident *find(const struct sl_incidents *book, uint64_t id)
{
	for (uint32_t i = book->count; i-- > 0;) {
		if (book->list[i]->id == id)
			return book->list[i];
	}
	return NULL;
}

const struct sl_incident *sl_incidents_find(const struct sl_incidents *book, uint64_t id)
{
	return find(book, id);
}

/* ---- events change it ---------------------------------------------------------------------- */

static struct sl_incident_cause *cause_of(struct sl_incident *incident, enum sl_notice_kind kind,
					  enum sl_notice_of of, const char *name)
{
	for (uint32_t i = 0; i < incident->cause_count; i++) {
		struct sl_incident_cause *cause = &incident->causes[i];

		if (cause->kind == kind && cause->of == of && !strcmp(cause->name, name))
			return cause;
	}
	return NULL;
}

static void concern(struct sl_incidents *book, struct sl_incident *incident, const char *pool)
{
	if (!pool[0])
		return;
	for (uint32_t i = 0; i < incident->pool_count; i++) {
		if (!strcmp(incident->pools[i], pool))
			return;
	}
	if (incident->pool_count == SL_INCIDENT_POOLS_MAX)
		return;
	sl_notice_set(incident->pools[incident->pool_count++], SL_NOTICE_NAME_BYTES, pool);
	book->version++;
}

static void see(struct sl_incidents *book, struct sl_incident *incident,
		const struct sl_incident_event *event)
{
	struct sl_incident_cause *cause = cause_of(incident, event->kind, event->of, event->name);

	if (!cause && incident->cause_count == SL_INCIDENT_CAUSES_MAX) {
		incident->left_out++;
		return;
	}
	if (!cause) {
		cause = &incident->causes[incident->cause_count++];
		*cause = (struct sl_incident_cause){
			.kind = event->kind, .of = event->of, .began_ms = event->at_ms};
		sl_notice_set(cause->name, sizeof(cause->name), event->name);
		sl_notice_set(cause->pool, sizeof(cause->pool), event->pool);
	}
	cause->times++;
	cause->over = cause->told_over = is_moment(event->kind);
	cause->over_ms = cause->over ? event->at_ms : 0;
	incident->seen_ms = event->at_ms;
	concern(book, incident, event->of == SL_NOTICE_OF_POOL ? event->name : event->pool);
}

static void ease(struct sl_incident *incident, const struct sl_incident_event *event)
{
	struct sl_incident_cause *cause = cause_of(incident, event->kind, event->of, event->name);

	if (!cause)
		return;
	cause->over = cause->told_over = true;
	cause->over_ms = event->at_ms;
}

/* What see() does, without an event: the timeline has said often enough that it repeats itself. */
static void see_again(struct sl_incident *incident, struct sl_incident_cause *cause,
		      const struct sl_incident_event *event)
{
	cause->times++;
	cause->over = is_moment(event->kind);
	cause->over_ms = cause->over ? event->at_ms : 0;
	incident->seen_ms = event->at_ms;
}

static struct sl_incident *begin(struct sl_incidents *book, uint64_t id,
				 const struct sl_incident_event *event)
{
	struct sl_incident *incident;

	if (book->open_count == SL_INCIDENTS_OPEN_MAX || !make_room(book))
		return NULL;
	incident = calloc(1, sizeof(*incident));
	if (!incident)
		return NULL;
	incident->id = id;
	incident->open = true;
	incident->level = event->level;
	incident->of = event->of;
	sl_notice_set(incident->name, sizeof(incident->name), event->name);
	sl_notice_set(incident->pool, sizeof(incident->pool), event->pool);
	incident->began_ms = event->value;
	incident->opened_ms = incident->seen_ms = incident->counted_ms = event->at_ms;
	book->list[book->count++] = incident;
	book->open_count++;
	book->opened++;
	book->version++;
	sl_incidents_reserve(book, id);
	return incident;
}

/* One place is for its end, which is always told. */
static bool is_full(const struct sl_incident *incident, enum sl_incident_what what)
{
	return incident->event_count >= SL_INCIDENT_EVENTS_MAX - (what != SL_INCIDENT_CLOSED);
}

static void keep_event(struct sl_incident *incident, const struct sl_incident_event *event)
{
	struct sl_incident_event *grown;
	uint32_t size = incident->event_size ? incident->event_size * 2 : 8;

	if (event->what == SL_INCIDENT_COUNTED)
		return;
	if (is_full(incident, event->what)) {
		incident->left_out++;
		return;
	}
	if (incident->event_count == incident->event_size) {
		grown = realloc(incident->events, size * sizeof(*grown));
		if (!grown) {
			incident->left_out++;
			return;
		}
		incident->events = grown;
		incident->event_size = size;
	}
	incident->events[incident->event_count++] = *event;
}

/* What an event changes, now or read again after a restart. */
static void change(struct sl_incidents *book, struct sl_incident *incident,
		   const struct sl_incident_event *event)
{
	if (event->what == SL_INCIDENT_SEEN)
		see(book, incident, event);
	else if (event->what == SL_INCIDENT_EASED)
		ease(incident, event);
	else if (event->what == SL_INCIDENT_WORSE)
		incident->level = event->level;
	if (event->what == SL_INCIDENT_CLOSED && incident->open) {
		incident->open = false;
		incident->closed_ms = event->at_ms;
		incident->recovered_ms = event->value;
		book->open_count--;
		book->version++;
	}
	keep_event(incident, event);
}

static void tell(struct sl_incidents *book, struct sl_incident *incident,
		 const struct sl_incident_event *event)
{
	change(book, incident, event);
	if (book->on_event)
		book->on_event(book->owner, incident, event);
}

/* ---- notices ------------------------------------------------------------------------------- */

static struct sl_incident_event event_of(const struct sl_notice *notice, enum sl_incident_what what)
{
	struct sl_incident_event event = {.at_ms = notice->wall_ms,
					  .what = what,
					  .kind = notice->kind,
					  .level = notice->level,
					  .of = notice->of};

	sl_notice_set(event.name, sizeof(event.name), notice->name);
	sl_notice_set(event.pool, sizeof(event.pool), notice->pool);
	sl_notice_set(event.who, sizeof(event.who), notice->who);
	sl_notice_set(event.text, sizeof(event.text), notice->text);
	return event;
}

static bool has_subject(const struct sl_incident *incident, enum sl_notice_of of, const char *name)
{
	for (uint32_t i = 0; i < incident->cause_count; i++) {
		if (incident->causes[i].of == of && !strcmp(incident->causes[i].name, name))
			return true;
	}
	return false;
}

static bool has_pool(const struct sl_incident *incident, const char *pool)
{
	for (uint32_t i = 0; i < incident->pool_count && pool[0]; i++) {
		if (!strcmp(incident->pools[i], pool))
			return true;
	}
	return false;
}

static bool shares_pool(const struct sl_incident *incident, const struct sl_notice *notice,
			const struct sl_incident_facts *facts)
{
	bool shares = has_pool(incident, notice->pool) ||
		      (notice->of == SL_NOTICE_OF_POOL && has_pool(incident, notice->name));

	for (uint32_t i = 0; i < facts->pool_count && !shares; i++)
		shares = has_pool(incident, facts->pools[i]);
	return shares;
}

static struct sl_incident *find_open(struct sl_incidents *book, const struct sl_notice *notice,
				     const struct sl_incident_facts *facts)
{
	struct sl_incident *near = NULL;
	bool alone = notice->of == SL_NOTICE_OF_ZONE || notice->of == SL_NOTICE_OF_REGION;

	for (uint32_t i = book->count; i-- > 0;) {
		struct sl_incident *incident = book->list[i];

		if (!incident->open)
			continue;
		if (has_subject(incident, notice->of, notice->name))
			return incident;
		if (!near && !alone &&
		    notice->wall_ms <= incident->seen_ms + book->limits.join_ms &&
		    shares_pool(incident, notice, facts))
			near = incident;
	}
	return near;
}

static struct sl_incident *open_one(struct sl_incidents *book, const struct sl_notice *notice,
				    const struct sl_incident_facts *facts)
{
	struct sl_incident_event event = event_of(notice, SL_INCIDENT_OPENED);
	struct sl_incident *incident;

	event.value = facts->harmed_ms && facts->harmed_ms < notice->wall_ms ? facts->harmed_ms
									     : notice->wall_ms;
	incident = begin(book, book->next_id, &event);
	if (incident)
		tell(book, incident, &event);
	else
		book->refused++;
	return incident;
}

static void note_trouble(struct sl_incidents *book, const struct sl_notice *notice,
			 const struct sl_incident_facts *facts)
{
	struct sl_incident *incident = find_open(book, notice, facts);
	struct sl_incident_event event = event_of(notice, SL_INCIDENT_SEEN);
	struct sl_incident_cause *cause;

	if (!incident)
		incident = open_one(book, notice, facts);
	if (!incident)
		return;
	cause = cause_of(incident, notice->kind, notice->of, notice->name);
	if (cause && cause->times >= SL_INCIDENT_AGAIN_MAX)
		see_again(incident, cause, &event);
	else if (!cause && incident->cause_count == SL_INCIDENT_CAUSES_MAX)
		incident->left_out++;
	else
		tell(book, incident, &event);
	for (uint32_t i = 0; i < facts->pool_count; i++)
		concern(book, incident, facts->pools[i]);
	if (notice->level <= incident->level)
		return;
	event.what = SL_INCIDENT_WORSE;
	tell(book, incident, &event);
}

static void end_cause(struct sl_incidents *book, struct sl_incident *incident,
		      const struct sl_incident_cause *cause, const struct sl_incident_event *event)
{
	if (cause->told_over) /* its beginning was not told either */
		ease(incident, event);
	else
		tell(book, incident, event);
}

static void note_over(struct sl_incidents *book, const struct sl_notice *notice)
{
	struct sl_incident_event event = event_of(notice, SL_INCIDENT_EASED);
	struct sl_incident_cause *cause;

	for (uint32_t i = 0; i < book->count; i++) {
		struct sl_incident *incident = book->list[i];

		cause = incident->open ? cause_of(incident, notice->kind, notice->of, notice->name)
				       : NULL;
		if (cause && !cause->over)
			end_cause(book, incident, cause, &event);
	}
}

/* Into the incidents that it may have caused or mended: those of its pools; of the daemon's, all. */
static void note_deed(struct sl_incidents *book, const struct sl_notice *notice,
		      const struct sl_incident_facts *facts, enum sl_incident_what what)
{
	struct sl_incident_event event = event_of(notice, what);

	for (uint32_t i = 0; i < book->count; i++) {
		struct sl_incident *incident = book->list[i];

		if (!incident->open || (notice->of != SL_NOTICE_OF_DAEMON &&
					!has_subject(incident, notice->of, notice->name) &&
					!shares_pool(incident, notice, facts)))
			continue;
		if (is_full(incident, what)) /* nor a row: an incident may last for weeks */
			incident->left_out++;
		else
			tell(book, incident, &event);
	}
}

void sl_incidents_notice(struct sl_incidents *book, const struct sl_notice *notice,
			 const struct sl_incident_facts *facts)
{
	if (notice->kind == SL_NOTICE_INCIDENT) /* what this book said itself */
		return;
	switch (role_of(notice)) {
	case TROUBLE:
		note_trouble(book, notice, facts);
		break;
	case OVER:
		note_over(book, notice);
		if (is_deed(notice->kind)) /* a good configuration is one too */
			note_deed(book, notice, facts, SL_INCIDENT_DONE);
		break;
	case DEED:
		note_deed(book, notice, facts, SL_INCIDENT_DONE);
		break;
	case REMARK:
		note_deed(book, notice, facts, SL_INCIDENT_NOTED);
		break;
	}
}

/* ---- time ---------------------------------------------------------------------------------- */

static void tell_counts(struct sl_incidents *book, struct sl_incident *incident, uint64_t wall_ms)
{
	struct sl_incident_event event = {
		.at_ms = wall_ms, .what = SL_INCIDENT_COUNTED, .level = incident->level};

	incident->counted = false;
	incident->counted_ms = wall_ms;
	tell(book, incident, &event);
}

static void not_after(uint64_t *at_ms, uint64_t wall_ms)
{
	if (*at_ms > wall_ms)
		*at_ms = wall_ms;
}

/* The clock was set back: what was to come then was now, or the incident would wait for it. */
static void keep_to_clock(struct sl_incident *incident, uint64_t wall_ms)
{
	not_after(&incident->seen_ms, wall_ms);
	not_after(&incident->counted_ms, wall_ms);
	for (uint32_t i = 0; i < incident->cause_count; i++)
		not_after(&incident->causes[i].over_ms, wall_ms);
}

/* When the last cause was over; 0: one goes on. */
static uint64_t recovered_at(const struct sl_incident *incident, uint64_t wall_ms)
{
	uint64_t at_ms = incident->opened_ms <= wall_ms ? incident->opened_ms : 1;

	for (uint32_t i = 0; i < incident->cause_count; i++) {
		if (!incident->causes[i].over)
			return 0;
		if (incident->causes[i].over_ms > at_ms)
			at_ms = incident->causes[i].over_ms;
	}
	return at_ms;
}

void sl_incidents_poll(struct sl_incidents *book, uint64_t wall_ms)
{
	for (uint32_t i = 0; i < book->count; i++) {
		struct sl_incident *incident = book->list[i];
		uint64_t recovered_ms;
		bool ends;

		if (!incident->open)
			continue;
		keep_to_clock(incident, wall_ms);
		recovered_ms = recovered_at(incident, wall_ms);
		ends = recovered_ms && wall_ms >= recovered_ms + book->limits.hold_ms;
		if (incident->counted &&
		    (ends || wall_ms >= incident->counted_ms + book->limits.count_ms))
			tell_counts(book, incident, wall_ms);
		if (ends) {
			struct sl_incident_event event = {.at_ms = wall_ms,
							  .value = recovered_ms,
							  .what = SL_INCIDENT_CLOSED,
							  .level = incident->level,
							  .of = incident->of,
							  .who = "daemon",
							  .text = "all causes are over"};

			sl_notice_set(event.name, sizeof(event.name), incident->name);
			sl_notice_set(event.pool, sizeof(event.pool), incident->pool);
			tell(book, incident, &event);
		}
	}
}

void sl_incidents_recheck(struct sl_incidents *book, uint64_t wall_ms, const char *why,
			  bool (*lasts)(void *owner, const struct sl_incident_cause *cause),
			  void *owner)
{
	for (uint32_t i = 0; i < book->count; i++) {
		struct sl_incident *incident = book->list[i];

		for (uint32_t k = 0; k < incident->cause_count && incident->open; k++) {
			const struct sl_incident_cause *cause = &incident->causes[k];
			struct sl_incident_event event = {.at_ms = wall_ms,
							  .what = SL_INCIDENT_EASED,
							  .kind = cause->kind,
							  .of = cause->of,
							  .who = "daemon"};

			if (cause->over || lasts(owner, cause))
				continue;
			sl_notice_set(event.name, sizeof(event.name), cause->name);
			sl_notice_set(event.pool, sizeof(event.pool), cause->pool);
			sl_notice_set(event.text, sizeof(event.text), why);
			end_cause(book, incident, &incident->causes[k], &event);
		}
	}
}

/* ---- requests ------------------------------------------------------------------------------ */

bool sl_incident_concerns(const struct sl_incident *incident, const char *route,
			  const char *const *pools, uint32_t pool_count)
{
	if (has_subject(incident, SL_NOTICE_OF_ROUTE, route))
		return true;
	for (uint32_t i = 0; i < pool_count; i++) {
		if (has_pool(incident, pools[i]))
			return true;
	}
	return false;
}

static void count_key(struct sl_incident_counts *counts, const char *key)
{
	for (uint32_t i = 0; i < counts->key_count; i++) {
		if (!strcmp(counts->keys[i], key))
			return;
	}
	if (counts->key_count == SL_INCIDENT_KEYS_MAX)
		counts->more_keys = true;
	else
		sl_notice_set(counts->keys[counts->key_count++], sizeof(counts->keys[0]), key);
}

void sl_incident_count(struct sl_incident *incident, bool harmed, uint32_t attempts, bool fell_back,
		       const char *key)
{
	struct sl_incident_counts *counts = &incident->counts;

	counts->requests++;
	counts->harmed += harmed;
	counts->saved += !harmed && (attempts > 1 || fell_back);
	counts->retries += attempts > 1 ? attempts - 1 : 0;
	counts->fallbacks += fell_back;
	if (harmed && key[0])
		count_key(counts, key);
	incident->counted = true;
}

/* ---- rows ---------------------------------------------------------------------------------- */

void sl_incidents_reserve(struct sl_incidents *book, uint64_t id)
{
	if (id >= book->next_id)
		book->next_id = id + 1;
}

int sl_incidents_apply(struct sl_incidents *book, uint64_t id,
		       const struct sl_incident_event *event,
		       const struct sl_incident_counts *counts)
{
	struct sl_incident *incident = find(book, id);

	sl_incidents_reserve(book, id);
	if (!incident && event->what == SL_INCIDENT_OPENED)
		incident = begin(book, id, event);
	if (!incident)
		return -EINVAL;
	if (event->what == SL_INCIDENT_COUNTED && counts)
		incident->counts = *counts;
	change(book, incident, event);
	return 0;
}

const char *sl_incident_what_name(enum sl_incident_what what)
{
	static const char *const names[SL_INCIDENT_WHATS] = {
		"opened", "seen", "worse", "eased", "done", "noted", "counted", "closed"};

	return names[what];
}
