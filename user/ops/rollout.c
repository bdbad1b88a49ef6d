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

const char *sl_rollouts_kind_name(enum sl_rollout_kind kind)
{
	static const char *const names[SL_ROLLOUT_KINDS] = {"route", "prompt", "index"};

	return names[kind];
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
	struct sl_notice notice = {.kind = SL_NOTICE_ROLLOUT,
				   .level = level,
				   .of = entry->item->kind == SL_ROLLOUT_PROMPT
						 ? SL_NOTICE_OF_PROMPT
						 : SL_NOTICE_OF_ROUTE,
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

/* The candidate is the stable version from now on. */
static void promote_prompt(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	char hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error = {""};
	int rc = -ENOENT;

	if (rollouts->place.stores->prompts)
		rc = sl_prompts_promote(rollouts->place.stores->prompts,
					sl_span_string(entry->item->subject),
					sl_span_string(entry->item->candidate), SL_PROMPT_STABLE,
					false, "rollout", hash, &error);
	entry->settled = !rc;
	if (rc)
		sl_rollouts_tell(entry, SL_NOTICE_WARN, "daemon",
				 "full, but the version was not made stable: %s",
				 error.text[0] ? error.text : strerror(-rc));
}

void sl_rollouts_end(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		     enum sl_rollout_phase phase, const char *who, const char *reason)
{
	pthread_mutex_lock(&rollouts->lock);
	entry->state.phase = phase;
	entry->ended_ms = sl_clock_wall_ms();
	snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	set_share(entry); /* first of all: the next request has the baseline */
	pthread_mutex_unlock(&rollouts->lock);
	if (phase == SL_ROLLOUT_FULL && entry->item->kind == SL_ROLLOUT_PROMPT)
		promote_prompt(rollouts, entry);
	if (entry->settled)
		__atomic_store_n(&entry->item->share, 0, __ATOMIC_RELAXED);
	(void)sl_rollouts_publish(rollouts);
	rollouts->ended[phase]++;
	rollouts->dirty = true;
	sl_rollouts_tell(entry, phase == SL_ROLLOUT_ROLLED_BACK ? SL_NOTICE_BAD : SL_NOTICE_INFO,
			 who, "%s: %s; %" PRIu64 " requests have had the candidate",
			 sl_rollout_phase_name(phase), reason, entry->seen);
}

static uint16_t slot_of(const struct sl_rollouts *rollouts, const char *pool)
{
	const struct sl_config *config = rollouts->routes->config;
	uint32_t i;

	for (i = 0; i < config->pool_count; i++) {
		if (!strcmp(config->pools[i].name, pool))
			return (uint16_t)rollouts->routes->pools[i].slot;
	}
	return 0;
}

void sl_rollouts_resolve(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry)
{
	if (entry->item->kind == SL_ROLLOUT_MODEL)
		entry->candidate_pool = slot_of(rollouts, entry->item->candidate);
}

/* ---- evidence -------------------------------------------------------------------------------- */

static const uint64_t invalid_steps =
	1ull << SL_STEP_VALIDATE_REPAIRED | 1ull << SL_STEP_VALIDATE_MODEL |
	1ull << SL_STEP_VALIDATE_REFUSED | 1ull << SL_STEP_VALIDATE_ENDED;

/* Did the request have to leave the pool that was asked first, for that pool's fault? */
static bool left_pool(const struct sl_feed_record *record)
{
	return record->fallback && record->fallback != SL_CAUSE_QUOTA + 1 &&
	       record->fallback != SL_CAUSE_CONTEXT_LENGTH + 1 &&
	       record->fallback != SL_CAUSE_CONTENT_POLICY + 1;
}

/*
 * One request of that arm. Whom somebody else answered than the candidate, for no fault of its own (a smaller
 * model in need, a larger context), says nothing of it; for its fault it is a bad one.
 */
static void count(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		  const struct sl_feed_record *record, bool candidate)
{
	struct sl_rollout_request request = {
		.candidate = candidate,
		.failed = record->outcome == SL_FEED_FAILED || record->outcome == SL_FEED_BROKEN ||
			  left_pool(record),
		.invalid = (record->degraded & invalid_steps) != 0,
		.first_us = record->first_us,
	};

	if (candidate && entry->item->kind == SL_ROLLOUT_PROMPT)
		request.failed |= record->degraded >> SL_STEP_PROMPT_KNOWN_GOOD & 1;
	if (candidate && entry->item->kind == SL_ROLLOUT_MODEL && !request.failed &&
	    record->pool != entry->candidate_pool)
		return;
	pthread_mutex_lock(&rollouts->lock);
	entry->seen += candidate;
	sl_rollout_note(&entry->state, &entry->rules, &request);
	pthread_mutex_unlock(&rollouts->lock);
}

static struct sl_rollout_entry *entry_of(struct sl_rollouts *rollouts, uint8_t id)
{
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used && entry->item->id == id)
			return entry;
	}
	return NULL;
}

static void take_record(void *part, const struct sl_feed_record *record)
{
	struct sl_rollouts *rollouts = part;
	uint32_t kind;

	/* Whom the client's own fault, its leaving or a kept answer ended says nothing of a model. */
	if (record->outcome == SL_FEED_REFUSED || record->outcome == SL_FEED_GONE ||
	    (record->outcome == SL_FEED_GOOD && !record->pool))
		return;
	for (kind = 0; kind < SL_ROLLOUT_KINDS; kind++) {
		uint8_t mark = record->rollouts[kind];
		struct sl_rollout_entry *entry =
			mark ? entry_of(rollouts, sl_rollout_mark_id(mark)) : NULL;

		if (entry)
			count(rollouts, entry, record, sl_rollout_mark_candidate(mark));
	}
}

/* What was asked beside, and came back. */
static void take_shadowed(struct sl_rollouts *rollouts)
{
	struct sl_rollout_shadowed *said = sl_rollout_board_take(rollouts->place.stores->rollouts);

	pthread_mutex_lock(&rollouts->lock);
	while (said) {
		struct sl_rollout_shadowed *next = said->next;
		struct sl_rollout_entry *entry = entry_of(rollouts, said->id);

		if (entry) {
			entry->shadowed++;
			sl_rollout_note(&entry->state, &entry->rules,
					&(struct sl_rollout_request){
						.candidate = true,
						.failed = said->failed,
						.invalid = said->invalid,
						.first_us = said->first_us,
					});
		}
		free(said);
		said = next;
	}
	pthread_mutex_unlock(&rollouts->lock);
}

/* What was judged meanwhile: by evaluators, by clients. */
static void take_signals(struct sl_rollouts *rollouts)
{
	struct sl_rollout_board *board = rollouts->place.stores->rollouts;
	uint32_t k;

	pthread_mutex_lock(&rollouts->lock);
	for (k = 0; k < board->signal_count; k++) {
		const struct sl_rollout_signal *signal = &board->signals[k];
		struct sl_rollout_entry *entry =
			entry_of(rollouts, sl_rollout_mark_id(signal->mark));

		if (entry)
			sl_rollout_note_quality(&entry->state, &entry->rules,
						sl_rollout_mark_candidate(signal->mark),
						signal->bad);
	}
	board->signal_count = 0;
	pthread_mutex_unlock(&rollouts->lock);
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
	pthread_mutex_lock(&rollouts->lock);
	verdict = sl_rollout_judge(&entry->state, &entry->rules, now_ms, entry->held != NULL);
	pthread_mutex_unlock(&rollouts->lock);
	gate = entry->state.breached;
	if (verdict == SL_ROLLOUT_BACK) {
		snprintf(reason, sizeof(reason),
			 "gate %s: %" PRIu64 " of %" PRIu64 " bad, %.1f %% of the baseline's",
			 sl_rollout_gate_name((enum sl_rollout_gate)gate),
			 entry->state.candidate.bad[gate],
			 gate == SL_ROLLOUT_QUALITY ? entry->state.candidate.judged
						    : entry->state.candidate.requests,
			 100 * entry->state.baseline.shares[gate]);
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ROLLED_BACK, "daemon", reason);
	} else if (verdict == SL_ROLLOUT_DONE) {
		sl_rollouts_end(rollouts, entry, SL_ROLLOUT_FULL, "daemon", "all gates are calm");
	} else if (verdict == SL_ROLLOUT_NEXT) {
		set_share(entry);
		rollouts->dirty = true;
		sl_rollouts_tell(entry, SL_NOTICE_INFO, "daemon", "step %u of %u: %.2f %%",
				 entry->state.step + 1, entry->rules.step_count,
				 entry->rules.shares[entry->state.step] / 100.0);
	}
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

/* By the configuration in force: whose pool is gone ends. */
static void resolve_all(struct sl_rollouts *rollouts)
{
	uint32_t i;

	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (!entry->used)
			continue;
		sl_rollouts_resolve(rollouts, entry);
		if (entry->item->kind == SL_ROLLOUT_MODEL && !entry->candidate_pool &&
		    entry->state.phase <= SL_ROLLOUT_FULL)
			sl_rollouts_end(rollouts, entry, SL_ROLLOUT_ABORTED, "configuration",
					"the candidate's pool is no longer configured");
	}
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_rollouts *rollouts = calloc(1, sizeof(*rollouts));

	if (!rollouts)
		return -ENOMEM;
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
}

static bool wants_records(const void *part)
{
	return ((const struct sl_rollouts *)part)->path[0] != '\0';
}

static void poll_part(void *part, uint64_t now_ms)
{
	struct sl_rollouts *rollouts = part;
	uint32_t i;

	take_signals(rollouts);
	take_shadowed(rollouts);
	for (i = 0; i < SL_ROLLOUTS_MAX && !rollouts->stopped; i++) {
		if (rollouts->entries[i].used && !rollouts->entries[i].ended_ms)
			judge(rollouts, &rollouts->entries[i], now_ms);
	}
	if (!rollouts->stopped)
		sl_rollouts_write(rollouts, now_ms);
}

static void put_arm(struct sl_text *text, const char *name, const char *arm,
		    const struct sl_rollout_arm *counts)
{
	int gate;

	sl_text_printf(text,
		       "sluice_rollout_requests_total{rollout=\"%s\",arm=\"%s\"} %" PRIu64 "\n",
		       name, arm, counts->requests);
	sl_text_printf(text, "sluice_rollout_judged_total{rollout=\"%s\",arm=\"%s\"} %" PRIu64 "\n",
		       name, arm, counts->judged);
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++)
		sl_text_printf(
			text,
			"sluice_rollout_bad_total{rollout=\"%s\",arm=\"%s\",gate=\"%s\"} %" PRIu64
			"\n",
			name, arm, sl_rollout_gate_name((enum sl_rollout_gate)gate),
			counts->bad[gate]);
}

static void put_shadows(const struct sl_rollouts *rollouts, struct sl_text *text)
{
	static const char head[] = "# HELP sluice_rollout_shadowed_total Requests that the "
				   "candidate was asked beside.\n"
				   "# TYPE sluice_rollout_shadowed_total counter\n";
	static const char spared[] =
		"# HELP sluice_rollout_spared_total Those that it was not asked beside, by why.\n"
		"# TYPE sluice_rollout_spared_total counter\n";

	sl_text_append_string(text, head);
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used)
			sl_text_printf(
				text, "sluice_rollout_shadowed_total{rollout=\"%s\"} %" PRIu64 "\n",
				entry->item->name, entry->shadowed);
	}
	sl_text_append_string(text, spared);
	for (uint32_t i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		for (int why = 0; entry->used && why < SL_ROLLOUT_SPAREDS; why++)
			sl_text_printf(
				text,
				"sluice_rollout_spared_total{rollout=\"%s\",why=\"%s\"} %" PRIu64
				"\n",
				entry->item->name,
				sl_rollout_spared_name((enum sl_rollout_spared)why),
				__atomic_load_n(&entry->item->spared[why], __ATOMIC_RELAXED));
	}
}

/* Names are of letters, digits, '.', '_' and '-': no label has to be escaped. */
static void write_metrics(void *part, struct sl_text *text)
{
	static const char head[] =
		"# HELP sluice_rollout_share Share of the requests that get the candidate.\n"
		"# TYPE sluice_rollout_share gauge\n";
	static const char arms[] =
		"# HELP sluice_rollout_requests_total Ended requests of a roll-out, by arm.\n"
		"# TYPE sluice_rollout_requests_total counter\n"
		"# HELP sluice_rollout_judged_total Those whose quality was judged.\n"
		"# TYPE sluice_rollout_judged_total counter\n"
		"# HELP sluice_rollout_bad_total Those that were bad, by gate.\n"
		"# TYPE sluice_rollout_bad_total counter\n";
	static const char ends[] =
		"# HELP sluice_rollouts_ended_total Roll-outs that ended, by how.\n"
		"# TYPE sluice_rollouts_ended_total counter\n";
	struct sl_rollouts *rollouts = part;
	uint32_t i;

	pthread_mutex_lock(&rollouts->lock);
	sl_text_append_string(text, head);
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (entry->used)
			sl_text_printf(text, "sluice_rollout_share{rollout=\"%s\"} %.4f\n",
				       entry->item->name,
				       sl_rollout_share(&entry->state, &entry->rules) / 10000.0);
	}
	put_shadows(rollouts, text);
	sl_text_append_string(text, arms);
	for (i = 0; i < SL_ROLLOUTS_MAX; i++) {
		const struct sl_rollout_entry *entry = &rollouts->entries[i];

		if (!entry->used)
			continue;
		put_arm(text, entry->item->name, "candidate", &entry->state.candidate);
		put_arm(text, entry->item->name, "baseline", &entry->state.baseline);
	}
	sl_text_append_string(text, ends);
	for (i = SL_ROLLOUT_FULL; i < SL_ROLLOUT_PHASES; i++)
		sl_text_printf(text, "sluice_rollouts_ended_total{how=\"%s\"} %" PRIu64 "\n",
			       sl_rollout_phase_name((enum sl_rollout_phase)i), rollouts->ended[i]);
	pthread_mutex_unlock(&rollouts->lock);
	sl_text_printf(
		text,
		"# HELP sluice_rollout_file_failures_total Writes of rollouts.file that failed.\n"
		"# TYPE sluice_rollout_file_failures_total counter\n"
		"sluice_rollout_file_failures_total %" PRIu64 "\n",
		__atomic_load_n(&rollouts->failures, __ATOMIC_RELAXED));
}

/* The workers have ended: nobody reads the board any more. */
static void close_part(void *part)
{
	struct sl_rollouts *rollouts = part;

	sl_rollouts_wait(rollouts);
	take_shadowed(rollouts);
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
	.record = take_record,
	.notice = take_notice,
	.poll = poll_part,
	.write_metrics = write_metrics,
	.add_facts = add_facts,
	.say = sl_rollouts_say,
	.stop = stop_part,
	.close = close_part,
};
