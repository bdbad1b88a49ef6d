/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/rollout.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/rollout_parts.h"
#include "user/policy/drift.h"
#include "user/stage/stage.h"
#include "user/store/prompts.h"

struct sl_rollout_entry *sl_rollouts_find(struct sl_rollouts *rollouts, const char *name)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && !strcmp(entry->item->name, name))
			return entry;
	}
	return NULL;
}

static bool is_used(const struct sl_rollouts *rollouts, uint8_t id)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		if (rollouts->entries[i].used && rollouts->entries[i].item->id == id)
			return true;
	}
	return false;
}

/* Not one that records under way may still name: the ids go round. */
static uint8_t free_id(const struct sl_rollouts *rollouts)
{
	uint8_t id = (uint8_t)(1 + rollouts->made % 127);

	while (is_used(rollouts, id)) /* there are more ids than entries */
		id = id == 127 ? 1 : (uint8_t)(id + 1);
	return id;
}

struct sl_rollout_entry *sl_rollouts_new(struct sl_rollouts *rollouts)
{
	struct sl_rollout_item *item;
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX && rollouts->entries[i].used; i++)
		;
	item = i < SL_ROLLOUTS_MAX ? calloc(1, sizeof(*item)) : NULL;
	if (!item)
		return NULL;
	item->id = free_id(rollouts);
	item->older = rollouts->items;
	rollouts->items = item;
	rollouts->made++;
	rollouts->entries[i] = (struct sl_rollout_entry){.used = true, .item = item};
	return &rollouts->entries[i];
}

void sl_rollouts_set_used(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, bool used)
{
	pthread_mutex_lock(&rollouts->lock);
	entry->used = used;
	pthread_mutex_unlock(&rollouts->lock);
}

int sl_rollouts_publish(struct sl_rollouts *rollouts)
{
	struct sl_rollout_set *set = calloc(1, sizeof(*set));
	uint32_t i;

	if (!set) { /* the shares within the one before still move */
		sl_log(SL_LOG_ERROR, "rollout: no memory");
		return -ENOMEM;
	}
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && !entry->settled &&
		    (sl_rollout_share(&entry->state, &entry->rules) ||
		     (entry->state.unchecked && !entry->ended_ms) ||
		     sl_rollout_shadow(&entry->state, &entry->rules)))
			set->items[set->count++] = entry->item;
	}
	set->older = rollouts->sets;
	rollouts->sets = set;
	__atomic_store_n(&rollouts->place.stores->rollouts->set, set, __ATOMIC_RELEASE);
	return 0;
}

void sl_rollouts_tell(const struct sl_rollout_entry *entry, enum sl_notice_level level,
		      const char *who, const char *format, ...)
{
	static const enum sl_notice_of subjects[SL_ROLLOUT_KINDS] = {
		[SL_ROLLOUT_MODEL] = SL_NOTICE_OF_ROUTE,
		[SL_ROLLOUT_PROMPT] = SL_NOTICE_OF_PROMPT,
		[SL_ROLLOUT_INDEX] = SL_NOTICE_OF_INDEX,
		[SL_ROLLOUT_CONFIG] = SL_NOTICE_OF_DAEMON,
	};
	struct sl_notice notice = {.kind = SL_NOTICE_ROLLOUT,
				   .level = level,
				   .of = subjects[entry->item->kind],
				   .over = level == SL_NOTICE_INFO,
				   .audit = true};
	char text[SL_NOTICE_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	sl_notice_set(notice.name, sizeof(notice.name), entry->item->subject);
	sl_notice_set(notice.who, sizeof(notice.who), who);
	sl_notice_tell(&notice, "%s: %s", entry->item->name, text);
	sl_log(level == SL_NOTICE_BAD ? SL_LOG_ERROR : SL_LOG_INFO, "rollout \"%s\" of %s: %s (%s)",
	       entry->item->name, entry->item->subject, text, who);
}

static void set_share(struct sl_rollout_entry *entry)
{
	__atomic_store_n(&entry->item->shadow, sl_rollout_shadow(&entry->state, &entry->rules),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&entry->item->share, sl_rollout_share(&entry->state, &entry->rules),
			 __ATOMIC_RELAXED);
}

/* What is FULL becomes what is served anyway, where that is for a roll-out to do: now, or at a later turn. */
static bool settle(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	if (!sl_rollouts_promote(rollouts, entry))
		return false;
	entry->settled = true;
	__atomic_store_n(&entry->item->share, 0, __ATOMIC_RELAXED);
	sl_rollouts_drop(rollouts, entry);
	rollouts->dirty = true;
	return true;
}

void sl_rollouts_end(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		     enum sl_rollout_phase phase, const char *who, const char *reason)
{
	pthread_mutex_lock(&rollouts->lock);
	entry->state.phase = phase;
	entry->ended_ms = sl_clock_wall_ms();
	snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	entry->promoter[0] = '\0';
	set_share(entry); /* first of all: the next request has the baseline */
	pthread_mutex_unlock(&rollouts->lock);
	sl_rollouts_rest_check(rollouts, entry);
	if (phase == SL_ROLLOUT_FULL)
		(void)settle(rollouts, entry);
	else
		sl_rollouts_drop(rollouts, entry);
	(void)sl_rollouts_publish(rollouts);
	rollouts->ended[phase]++;
	rollouts->dirty = true;
	sl_rollouts_tell(entry, phase == SL_ROLLOUT_ROLLED_BACK ? SL_NOTICE_BAD : SL_NOTICE_INFO,
			 who, "%s: %s; %" PRIu64 " requests have had the candidate",
			 sl_rollout_phase_name(phase), reason, entry->seen);
}

static bool burns(const struct sl_rollouts *rollouts, const char *route)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		if (!strcmp(rollouts->burning[i], route))
			return true;
	}
	return false;
}

const char *sl_rollouts_why_held(const struct sl_rollouts *rollouts,
				 const struct sl_rollout_entry *entry)
{
	if (rollouts->chaos)
		return "an experiment runs";
	if (entry->item->kind != SL_ROLLOUT_MODEL) /* a prompt may have a route's name */
		return NULL;
	if (burns(rollouts, entry->item->subject))
		return "an objective of the route burns its budget";
	if (sl_drift_holds(rollouts->place.stores->drift, entry->item->candidate))
		return "the candidate's answers have drifted";
	return NULL;
}

static void judge(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, uint64_t now_ms)
{
	enum sl_rollout_verdict verdict;
	char reason[SL_NOTICE_TEXT_BYTES];
	int gate;

	entry->held = sl_rollouts_why_held(rollouts, entry);
	sl_rollouts_turn_check(
		rollouts, entry,
		entry->promoter[0] ||
			(!entry->held && sl_rollout_is_ready(&entry->state, &entry->rules, now_ms)),
		now_ms);
	if (!entry->held && entry->check.state == SL_ROLLOUT_CHECK_RUNNING)
		entry->held = "its check runs";
	else if (!entry->held && entry->check_why[0])
		entry->held = entry->check_why;
	pthread_mutex_lock(&rollouts->lock);
	verdict = sl_rollout_judge(&entry->state, &entry->rules, now_ms,
				   entry->held || !sl_rollout_check_allows(&entry->check));
	pthread_mutex_unlock(&rollouts->lock);
	gate = entry->state.breached;
	if (verdict == SL_ROLLOUT_BACK) {
		snprintf(reason, sizeof(reason),
			 "gate %s: %" PRIu64 " of %" PRIu64 " bad, %.1f %% of the baseline's",
			 sl_rollout_gate_name((enum sl_rollout_gate)gate),
			 entry->state.candidate.bad[gate],
			 gate == SL_ROLLOUT_QUALITY ? entry->state.candidate.judged
						    : entry->state.candidate.known[gate],
			 100 * entry->state.baseline.shares[gate]);
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ROLLED_BACK, "daemon", reason);
	} else if (verdict == SL_ROLLOUT_DONE) {
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_FULL, "daemon", "all gates are calm");
	} else if (verdict == SL_ROLLOUT_NEXT) {
		set_share(entry);
		sl_rollouts_rest_check(rollouts, entry);
		rollouts->dirty = true;
		sl_rollouts_tell(entry, SL_NOTICE_INFO, "daemon", "step %u of %u: %.2f %%",
				 entry->state.step + 1, entry->rules.step_count,
				 entry->rules.shares[entry->state.step] / 100.0);
	}
}

static void look(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, uint64_t now_ms)
{
	char why[SL_NOTICE_TEXT_BYTES];

	if (sl_rollouts_is_broken(rollouts, entry, why))
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ROLLED_BACK, "daemon", why);
	else
		judge(rollouts, entry, now_ms);
}

static void note_burn(struct sl_rollouts *rollouts, const struct sl_notice *notice)
{
	uint32_t i, room = SL_ROLLOUTS_MAX;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		if (!strcmp(rollouts->burning[i], notice->name))
			break;
		if (!rollouts->burning[i][0] && room == SL_ROLLOUTS_MAX)
			room = i;
	}
	if (i < SL_ROLLOUTS_MAX && notice->over)
		rollouts->burning[i][0] = '\0';
	else if (i == SL_ROLLOUTS_MAX && !notice->over && room < SL_ROLLOUTS_MAX)
		sl_notice_set(rollouts->burning[room], SL_NOTICE_NAME_BYTES, notice->name);
}

static void take_notice(void *part, const struct sl_notice *notice)
{
	struct sl_rollouts *rollouts = part;

	if (notice->kind == SL_NOTICE_CHAOS)
		rollouts->chaos = !notice->over;
	else if (notice->kind == SL_NOTICE_BURN && notice->of == SL_NOTICE_OF_ROUTE)
		note_burn(rollouts, notice);
}

/* ---- the part -------------------------------------------------------------------------------- */

/* By the configuration in force: whose candidate is gone ends. */
static void resolve_all(struct sl_rollouts *rollouts)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];
		const char *gone = entry->used ? sl_rollouts_resolve(rollouts, entry) : NULL;

		if (gone && entry->state.phase <= SL_ROLLOUT_FULL && !entry->settled)
			sl_rollouts_end(rollouts, entry,
					entry->item->kind == SL_ROLLOUT_CONFIG
						? SL_ROLLOUT_ROLLED_BACK
						: SL_ROLLOUT_ABORTED,
					"configuration", gone);
	}
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_rollouts *rollouts = calloc(1, sizeof(*rollouts));
	int rc;

	if (!rollouts)
		return -ENOMEM;
	rc = sl_calls_open(place->loop, &place->state, &rollouts->calls);
	if (rc) {
		free(rollouts);
		return rc;
	}
	rollouts->place = *place;
	rollouts->routes = sl_routes_get(routes);
	pthread_mutex_init(&rollouts->lock, NULL);
	snprintf(rollouts->path, sizeof(rollouts->path), "%s",
		 routes->config->rollouts_file ? routes->config->rollouts_file : "");
	sl_rollouts_read(rollouts);
	resolve_all(rollouts);
	*ret_part = rollouts;
	return 0;
}

static void apply_part(void *part, struct sl_routes *routes)
{
	struct sl_rollouts *rollouts = part;

	sl_routes_put(&rollouts->routes);
	rollouts->routes = sl_routes_get(routes);
	resolve_all(rollouts);
}

/* The shares stay for the requests under way; a process that took over writes the file from now on. */
static void stop_part(void *part, bool leaving)
{
	struct sl_rollouts *rollouts = part;

	(void)leaving;
	if (!rollouts->stopped)
		(void)sl_rollouts_write_now(rollouts);
	rollouts->stopped = true;
	sl_calls_stop(rollouts->calls);
}

static bool wants_records(const void *part)
{
	return ((const struct sl_rollouts *)part)->path[0] != '\0';
}

static void poll_part(void *part, uint64_t now_ms)
{
	struct sl_rollouts *rollouts = part;
	uint32_t i;

	sl_rollouts_take_signals(rollouts);
	sl_rollouts_take_shadowed(rollouts);
	for (i = 0; i < SL_ROLLOUTS_MAX && !rollouts->stopped; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && !entry->ended_ms)
			look(rollouts, entry, now_ms);
		else if (entry->used && entry->state.phase == SL_ROLLOUT_FULL && !entry->settled &&
			 settle(rollouts, entry))
			(void)sl_rollouts_publish(rollouts); /* no request has a part in it now */
	}
	if (!rollouts->stopped)
		sl_rollouts_write(rollouts, now_ms);
}

/* The workers have ended: nobody reads the board any more. */
static void close_part(void *part)
{
	struct sl_rollouts *rollouts = part;

	sl_calls_close(&rollouts->calls);
	sl_rollouts_wait(rollouts);
	sl_rollouts_take_shadowed(rollouts);
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++)
		sl_routes_put(&rollouts->entries[i].routes);
	__atomic_store_n(&rollouts->place.stores->rollouts->set, NULL, __ATOMIC_RELEASE);
	while (rollouts->sets) {
		struct sl_rollout_set *set = rollouts->sets;

		rollouts->sets = set->older;
		free(set);
	}
	while (rollouts->items) {
		struct sl_rollout_item *item = rollouts->items;

		rollouts->items = item->older;
		free(item);
	}
	sl_routes_put(&rollouts->routes);
	pthread_mutex_destroy(&rollouts->lock);
	free(rollouts);
}

static void add_facts(void *part, struct sl_page_facts *facts)
{
	const struct sl_rollouts *rollouts = part;

	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++)
		facts->rollouts += rollouts->entries[i].used &&
				   rollouts->entries[i].state.phase <= SL_ROLLOUT_PAUSED;
}

const struct sl_watch_part sl_rollout_part = {
	.word = "rollout",
	.open = open_part,
	.apply = apply_part,
	.wants_records = wants_records,
	.record = sl_rollouts_take_record,
	.notice = take_notice,
	.poll = poll_part,
	.write_metrics = sl_rollouts_write_metrics,
	.add_facts = add_facts,
	.say = sl_rollouts_say,
	.stop = stop_part,
	.close = close_part,
};
