/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/watch.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/alerts.h"
#include "user/ops/audit.h"
#include "user/ops/dependencies.h"
#include "user/ops/recovery.h"
#include "user/ops/eval.h"
#include "user/ops/feedback.h"
#include "user/ops/otlp.h"
#include "user/ops/rings.h"
#include "user/ops/rollout.h"
#include "user/ops/incidents.h"
#include "user/ops/slo.h"
#include "user/ops/chaos.h"
#include "user/ops/index_embed.h"

/* In the order in which they are asked. */
/* clang-format off */
static const struct sl_watch_part *const parts[] = {
	&sl_feedback_part,
	&sl_eval_part,
	&sl_rollout_part,
	&sl_audit_part,
	&sl_watch_slo,
	&sl_rings_part,
	&sl_watch_incidents,
	&sl_watch_alerts,
	&sl_watch_recovery,
	&sl_chaos_part,
	&sl_dependencies_part,
	&sl_index_embed_part,
	&sl_otlp_part, /* the last: closed first, and its jobs read the others' metrics */
};
/* clang-format on */

#define PARTS (sizeof(parts) / sizeof(parts[0]))

struct sl_watch {
	struct sl_watch_place place;
	struct sl_timer timer;
	bool opened[PARTS];
	void *owners[PARTS];
	uint64_t records, notices; /* taken; read by any thread */
};

/* The opened parts, from position i on; PARTS: no more. */
static size_t next_part(const struct sl_watch *watch, size_t i)
{
	while (i < PARTS && !watch->opened[i])
		i++;
	return i;
}

#define EACH_PART(watch, i) \
	for ((i) = next_part(watch, 0); (i) < PARTS; (i) = next_part(watch, (i) + 1))

static void switch_feeds(struct sl_watch *watch)
{
	bool on = false;
	uint32_t k;
	size_t i;

	EACH_PART(watch, i)
	on |= parts[i]->wants_records && parts[i]->wants_records(watch->owners[i]);
	for (k = 0; k < watch->place.threads->count; k++)
		__atomic_store_n(&watch->place.threads->workers[k]->feed.on, on, __ATOMIC_RELAXED);
}

static void take_records(struct sl_watch *watch, struct sl_feed *feed)
{
	struct sl_feed_record record;
	uint32_t count = 0;
	size_t i;

	/* No more than a ring holds: a busy worker must not keep this thread for ever. */
	while (count++ < SL_FEED_RECORDS && sl_feed_take(feed, &record)) {
		__atomic_fetch_add(&watch->records, 1, __ATOMIC_RELAXED);
		EACH_PART(watch, i)
		if (parts[i]->record)
			parts[i]->record(watch->owners[i], &record);
	}
}

static void take_notices(struct sl_watch *watch)
{
	struct sl_notice notice;
	uint32_t count = 0;
	size_t i;

	while (count++ < SL_NOTICES_MAX && sl_notice_take(&notice)) {
		__atomic_fetch_add(&watch->notices, 1, __ATOMIC_RELAXED);
		EACH_PART(watch, i)
		if (parts[i]->notice)
			parts[i]->notice(watch->owners[i], &notice);
	}
}

void sl_watch_turn(struct sl_watch *watch)
{
	uint64_t now_ms = sl_clock_ms();
	uint32_t k;
	size_t i;

	if (!watch)
		return;
	for (k = 0; k < watch->place.threads->count; k++)
		take_records(watch, &watch->place.threads->workers[k]->feed);
	take_notices(watch);
	EACH_PART(watch, i)
	if (parts[i]->poll)
		parts[i]->poll(watch->owners[i], now_ms);
}

static void on_timer(struct sl_timer *timer)
{
	struct sl_watch *watch =
		(struct sl_watch *)((char *)timer - offsetof(struct sl_watch, timer));

	sl_watch_turn(watch);
	sl_timer_set(watch->place.loop, timer, SL_WATCH_POLL_MS);
}

void sl_watch_open(const struct sl_watch_place *place, struct sl_routes *routes,
		   struct sl_watch **ret_watch)
{
	struct sl_watch *watch = calloc(1, sizeof(*watch));
	size_t i;

	*ret_watch = watch;
	if (!watch) {
		sl_log(SL_LOG_ERROR, "watch: no objective, incident or roll-out: no memory");
		return;
	}
	watch->place = *place;
	for (i = 0; i < PARTS; i++) {
		int rc = parts[i]->open(&watch->place, routes, &watch->owners[i]);

		watch->opened[i] = rc == 0;
		if (rc)
			sl_log(SL_LOG_ERROR, "watch: %s is left out: %s",
			       parts[i]->word ? parts[i]->word : "a part", strerror(-rc));
	}
	switch_feeds(watch);
	sl_timer_init(&watch->timer, on_timer);
	sl_timer_set(place->loop, &watch->timer, SL_WATCH_POLL_MS);
}

void sl_watch_apply(struct sl_watch *watch, struct sl_routes *routes)
{
	size_t i;

	if (!watch)
		return;
	EACH_PART(watch, i)
	if (parts[i]->apply)
		parts[i]->apply(watch->owners[i], routes);
	switch_feeds(watch);
}

bool sl_watch_say(struct sl_watch *watch, const char *word, const struct sl_admin_ask *ask,
		  struct sl_text *text)
{
	size_t i;

	if (!watch)
		return false;
	EACH_PART(watch, i)
	{
		if (!parts[i]->word || strcmp(parts[i]->word, word) != 0)
			continue;
		parts[i]->say(watch->owners[i], ask, text);
		return true;
	}
	return false;
}

void sl_watch_add_facts(struct sl_watch *watch, struct sl_page_facts *facts)
{
	size_t i;

	if (!watch)
		return;
	EACH_PART(watch, i)
	if (parts[i]->add_facts)
		parts[i]->add_facts(watch->owners[i], facts);
}

static uint64_t lost_records(const struct sl_watch *watch)
{
	uint64_t lost = 0;
	uint32_t k;

	for (k = 0; k < watch->place.threads->count; k++)
		lost += sl_feed_lost(&watch->place.threads->workers[k]->feed);
	return lost;
}

static void write_counter(struct sl_text *text, const char *name, const char *help, uint64_t value)
{
	sl_text_printf(text, "# HELP sluice_watch_%s_total %s\n", name, help);
	sl_text_printf(text, "# TYPE sluice_watch_%s_total counter\n", name);
	sl_text_printf(text, "sluice_watch_%s_total %llu\n", name, (unsigned long long)value);
}

void sl_watch_write_metrics(struct sl_watch *watch, struct sl_text *text)
{
	size_t i;

	if (!watch)
		return;
	write_counter(text, "records", "Ended requests that were looked at.",
		      __atomic_load_n(&watch->records, __ATOMIC_RELAXED));
	write_counter(text, "records_lost", "Ended requests that nobody could look at in time.",
		      lost_records(watch));
	write_counter(text, "notices", "Notices of all parts of the daemon.",
		      __atomic_load_n(&watch->notices, __ATOMIC_RELAXED));
	write_counter(text, "notices_lost", "Notices that came faster than they were taken.",
		      sl_notice_lost());
	EACH_PART(watch, i)
	if (parts[i]->write_metrics)
		parts[i]->write_metrics(watch->owners[i], text);
}

void sl_watch_stop(struct sl_watch *watch, bool leaving)
{
	size_t i;

	if (!watch)
		return;
	EACH_PART(watch, i)
	if (parts[i]->stop)
		parts[i]->stop(watch->owners[i], leaving);
}

void sl_watch_close(struct sl_watch **watch_ref)
{
	struct sl_watch *watch = *watch_ref;
	size_t i;

	if (!watch)
		return;
	sl_timer_cancel(watch->place.loop, &watch->timer);
	sl_watch_turn(watch);
	take_notices(watch); /* what that turn has found out */
	for (i = PARTS; i-- > 0;) {
		if (watch->opened[i])
			parts[i]->close(watch->owners[i]);
	}
	free(watch);
	*watch_ref = NULL;
}
