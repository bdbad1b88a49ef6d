/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/alert.h"

#include <string.h>
#include "user/base/fnv.h"

#define HOUR_MS 3600000u

/* FNV-1a, as Prometheus takes for its fingerprints. */
static uint64_t mix(uint64_t hash, const char *text)
{
	return (sl_fnv_text(hash, text) ^ 255u) * SL_FNV_PRIME;
}

uint64_t sl_alert_who(const char *receiver)
{
	return mix(SL_FNV_BASIS, receiver) | 1u;
}

static uint64_t fingerprint_of(const struct sl_notice *notice, enum sl_notice_kind kind,
			       enum sl_alert_severity severity)
{
	uint64_t hash = mix(SL_FNV_BASIS, sl_notice_kind_name(kind));

	hash = mix(hash, sl_alert_severity_name(severity));
	hash = mix(hash, sl_notice_of_name(notice->of));
	return mix(hash, notice->name) | 1u;
}

const char *sl_alert_severity_name(enum sl_alert_severity severity)
{
	return severity == SL_ALERT_PAGE ? "page" : "ticket";
}

const char *const sl_alert_label_names[] = {"pool", "node", "route",	"dependency",
					    "zone", "kind", "severity", NULL};

const char *sl_alert_label(const struct sl_alert *alert, enum sl_alert_label label)
{
	switch (label) {
	case SL_ALERT_POOL:
		return alert->pool;
	case SL_ALERT_NODE:
		return alert->of == SL_NOTICE_OF_NODE ? alert->name : "";
	case SL_ALERT_ROUTE:
		return alert->of == SL_NOTICE_OF_ROUTE ? alert->name : "";
	case SL_ALERT_DEPENDENCY:
		return alert->dependency;
	case SL_ALERT_ZONE:
		return alert->zone;
	case SL_ALERT_KIND:
		return sl_notice_kind_name(alert->kind);
	case SL_ALERT_SEVERITY:
		return sl_alert_severity_name(alert->severity);
	default:
		return "";
	}
}

static struct sl_alert *find(struct sl_alert_book *book, uint64_t fingerprint)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		if (book->list[i].fingerprint == fingerprint)
			return &book->list[i];
	}
	return NULL;
}

static void tell_changed(struct sl_alert_book *book, const struct sl_alert *alert)
{
	if (book->changed)
		book->changed(book->owner, alert);
}

/* ---- what fires ------------------------------------------------------------------------------ */

void sl_alert_fire(struct sl_alert_book *book, const struct sl_notice *notice,
		   enum sl_notice_kind kind, enum sl_alert_severity severity, uint64_t number,
		   uint64_t now_ms)
{
	uint64_t fingerprint = fingerprint_of(notice, kind, severity);
	struct sl_alert *alert = find(book, fingerprint);

	if (alert && !alert->ends_ms) {
		alert->confirmed = true;
		alert->number = number ? number : alert->number;
		return;
	}
	if (!alert) {
		alert = find(book, 0);
		if (!alert) {
			book->refused++;
			return;
		}
		memset(alert, 0, sizeof(*alert));
	}
	alert->fingerprint = fingerprint;
	alert->number = number;
	alert->starts_ms = now_ms;
	alert->ends_ms = 0;
	alert->kind = kind;
	alert->of = notice->of;
	alert->severity = severity;
	alert->confirmed = true;
	sl_notice_set(alert->name, sizeof(alert->name), notice->name);
	sl_notice_set(alert->pool, sizeof(alert->pool),
		      notice->of == SL_NOTICE_OF_POOL ? notice->name : notice->pool);
	sl_notice_set(alert->text, sizeof(alert->text), notice->text);
	alert->zone[0] = alert->dependency[0] = '\0';
	if (book->place)
		book->place(book->owner, alert);
	tell_changed(book, alert);
}

static void end(struct sl_alert_book *book, struct sl_alert *alert, uint64_t now_ms)
{
	if (!alert || !alert->fingerprint || alert->ends_ms)
		return;
	alert->ends_ms = now_ms > alert->starts_ms ? now_ms : alert->starts_ms + 1;
	tell_changed(book, alert);
}

void sl_alert_end(struct sl_alert_book *book, const struct sl_notice *notice,
		  enum sl_notice_kind kind, enum sl_alert_severity severity, uint64_t now_ms)
{
	end(book, find(book, fingerprint_of(notice, kind, severity)), now_ms);
}

void sl_alert_end_incident(struct sl_alert_book *book, uint64_t number,
			   enum sl_alert_severity severity, uint64_t now_ms)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		if (book->list[i].number == number &&
		    (severity == SL_ALERT_SEVERITIES || book->list[i].severity == severity))
			end(book, &book->list[i], now_ms);
	}
}

void sl_alert_end_unconfirmed(struct sl_alert_book *book, uint64_t now_ms)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		if (!book->list[i].confirmed)
			end(book, &book->list[i], now_ms);
	}
}

uint32_t sl_alert_count(const struct sl_alert_book *book, enum sl_alert_severity severity)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++)
		count += book->list[i].fingerprint && !book->list[i].ends_ms &&
			 book->list[i].severity == severity;
	return count;
}

/* ---- who is to be told ------------------------------------------------------------------------ */

static const struct sl_alert_told *told_of(const struct sl_alert *alert, uint64_t who)
{
	static const struct sl_alert_told none;

	for (uint32_t i = 0; i < SL_ALERT_RECEIVERS_MAX; i++) {
		if (alert->told[i].who == who)
			return &alert->told[i];
	}
	return &none;
}

/* Its place: the one it has, a free one, or that of who was told the longest ago. */
static struct sl_alert_told *place_of(struct sl_alert *alert, uint64_t who)
{
	struct sl_alert_told *best = &alert->told[0];

	for (uint32_t i = 0; i < SL_ALERT_RECEIVERS_MAX; i++) {
		if (alert->told[i].who == who)
			return &alert->told[i];
		if (alert->told[i].at_ms < best->at_ms)
			best = &alert->told[i];
	}
	return best;
}

static bool wants(const struct sl_alert_receiver *receiver, const struct sl_alert *alert)
{
	bool wanted = !receiver->pool_count;

	if (!(receiver->severities >> alert->severity & 1) ||
	    (receiver->kinds && !(receiver->kinds >> alert->kind & 1)))
		return false;
	for (uint32_t i = 0; i < receiver->pool_count && !wanted; i++)
		wanted = !strcmp(receiver->pools[i], alert->pool);
	return wanted;
}

static bool passed(uint64_t since_ms, uint64_t span_ms, uint64_t now_ms)
{
	return now_ms < since_ms || now_ms - since_ms >= span_ms; /* a clock set back: now */
}

/* Belongs into a message of its group, whenever that is sent. */
static bool is_news(const struct sl_alert_receiver *receiver, const struct sl_alert *alert)
{
	uint32_t state = told_of(alert, receiver->who)->state;

	return alert->ends_ms ? state == SL_ALERT_FIRING || state == SL_ALERT_SENT
			      : state != SL_ALERT_FIRING;
}

static bool is_due(const struct sl_alert_receiver *receiver, const struct sl_alert *alert,
		   uint64_t now_ms)
{
	const struct sl_alert_told *told = told_of(alert, receiver->who);

	if (is_news(receiver, alert))
		return passed(alert->ends_ms ? alert->ends_ms : alert->starts_ms,
			      receiver->group_ms, now_ms);
	return !alert->ends_ms && passed(told->at_ms, receiver->repeat_ms, now_ms);
}

static bool is_alike(const struct sl_alert *a, const struct sl_alert *b, uint32_t by)
{
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		if (by >> label & 1 && strcmp(sl_alert_label(a, (enum sl_alert_label)label),
					      sl_alert_label(b, (enum sl_alert_label)label)) != 0)
			return false;
	}
	return true;
}

static void collect(const struct sl_alert_book *book, const struct sl_alert_receiver *receiver,
		    const struct sl_alert *first, struct sl_alert_group *group)
{
	group->count = 0;
	group->by = receiver->group_by;
	for (int label = 0; label < SL_ALERT_LABELS; label++)
		sl_notice_set(group->labels[label], sizeof(group->labels[label]),
			      group->by >> label & 1
				      ? sl_alert_label(first, (enum sl_alert_label)label)
				      : "");
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		const struct sl_alert *alert = &book->list[i];

		if (!alert->fingerprint || !is_alike(alert, first, group->by) ||
		    !wants(receiver, alert) || (alert->ends_ms && !is_news(receiver, alert)))
			continue;
		group->alerts[group->count].fingerprint = alert->fingerprint;
		group->alerts[group->count].index = i;
		group->alerts[group->count++].state =
			alert->ends_ms ? SL_ALERT_RESOLVED : SL_ALERT_FIRING;
	}
}

/* May it be told anything now? */
static bool may_call(struct sl_alert_receiver *receiver, uint64_t now_ms)
{
	if (now_ms < receiver->next_ms &&
	    receiver->next_ms - now_ms <= SL_ALERT_RETRY_MS_MAX) /* else the clock was set back */
		return false;
	if (passed(receiver->hour_ms, HOUR_MS, now_ms)) {
		receiver->hour_ms = now_ms;
		receiver->in_hour = 0;
		receiver->limited = false;
	}
	if (receiver->in_hour < receiver->per_hour)
		return true;
	receiver->held += !receiver->limited;
	receiver->limited = true;
	return false;
}

bool sl_alert_due(struct sl_alert_book *book, struct sl_alert_receiver *receiver, uint64_t now_ms,
		  struct sl_alert_group *ret_group)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		const struct sl_alert *alert = &book->list[i];

		if (!alert->fingerprint || !wants(receiver, alert) ||
		    !is_due(receiver, alert, now_ms))
			continue;
		if (!may_call(receiver, now_ms))
			return false;
		collect(book, receiver, alert, ret_group);
		return true;
	}
	return false;
}

void sl_alert_begun(struct sl_alert_book *book, const struct sl_alert_receiver *receiver,
		    const struct sl_alert_group *group, uint64_t now_ms)
{
	for (uint32_t i = 0; i < group->count; i++) {
		struct sl_alert *alert = &book->list[group->alerts[i].index];
		uint32_t state = told_of(alert, receiver->who)->state;

		if (alert->fingerprint != group->alerts[i].fingerprint ||
		    group->alerts[i].state != SL_ALERT_FIRING || state == SL_ALERT_FIRING ||
		    state == SL_ALERT_SENT)
			continue;
		*place_of(alert, receiver->who) = (struct sl_alert_told){
			.who = receiver->who, .at_ms = now_ms, .state = SL_ALERT_SENT};
		tell_changed(book, alert);
	}
}

void sl_alert_settle(const struct sl_alert_book *book, struct sl_alert_receiver *receiver,
		     uint64_t now_ms)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX && receiver->failures; i++) {
		const struct sl_alert *alert = &book->list[i];

		if (alert->fingerprint && wants(receiver, alert) &&
		    (is_news(receiver, alert) || is_due(receiver, alert, now_ms)))
			return;
	}
	receiver->failures = 0;
	receiver->next_ms = 0;
}

void sl_alert_made(struct sl_alert_book *book, struct sl_alert_receiver *receiver,
		   const struct sl_alert_group *group, bool ok, uint64_t now_ms, uint32_t random)
{
	uint64_t wait_ms = SL_ALERT_RETRY_MS;

	if (!ok) {
		for (uint32_t i = 0; i < receiver->failures && wait_ms < SL_ALERT_RETRY_MS_MAX; i++)
			wait_ms *= 2;
		if (wait_ms > SL_ALERT_RETRY_MS_MAX)
			wait_ms = SL_ALERT_RETRY_MS_MAX;
		receiver->failures++;
		receiver->failed++;
		receiver->next_ms = now_ms + wait_ms / 2 + random % (wait_ms / 2 + 1);
		return;
	}
	receiver->failures = 0;
	receiver->next_ms = 0;
	receiver->sent++;
	receiver->in_hour++;
	for (uint32_t i = 0; i < group->count; i++) {
		struct sl_alert *alert = &book->list[group->alerts[i].index];

		if (alert->fingerprint != group->alerts[i].fingerprint)
			continue; /* another one has its place by now */
		*place_of(alert, receiver->who) = (struct sl_alert_told){
			.who = receiver->who, .at_ms = now_ms, .state = group->alerts[i].state};
		tell_changed(book, alert);
	}
}

void sl_alert_sweep(struct sl_alert_book *book, const struct sl_alert_receiver *receivers,
		    uint32_t count, uint64_t now_ms)
{
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		struct sl_alert *alert = &book->list[i];
		uint64_t fingerprint = alert->fingerprint;
		bool waits = false;

		if (!fingerprint || !alert->ends_ms)
			continue;
		for (uint32_t r = 0; r < count && !waits; r++)
			waits = wants(&receivers[r], alert) && is_news(&receivers[r], alert);
		if (waits && !passed(alert->ends_ms, SL_ALERT_GIVE_UP_MS, now_ms))
			continue;
		memset(alert, 0, sizeof(*alert));
		if (book->forgotten)
			book->forgotten(book->owner, fingerprint);
	}
}
