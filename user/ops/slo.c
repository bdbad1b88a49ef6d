/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/slo_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"

#define SAVED_VERSION 1u
#define NAME_BYTES    (SL_CONFIG_MODEL_MAX + 32u)

/* As it is on disk. */
struct record {
	uint32_t version, size;
	struct sl_slo slo;
};

struct sl_slo_saved {
	struct sl_slo_saved *next;
	char name[NAME_BYTES]; /* "availability MODEL" */
	struct sl_slo slo;
};

/* ---- what was saved -------------------------------------------------------------------------- */

static void on_value(void *owner, struct sl_span name, struct sl_span bytes)
{
	struct sl_slo_part *part = owner;
	struct record record;
	struct sl_slo_saved *saved;

	if (bytes.len != sizeof(record) || name.len >= NAME_BYTES)
		return;
	memcpy(&record, bytes.data, sizeof(record));
	if (record.version != SAVED_VERSION || record.size != sizeof(record))
		return;
	saved = calloc(1, sizeof(*saved));
	if (!saved)
		return;
	memcpy(saved->name, name.data, name.len);
	saved->slo = record.slo;
	memset(saved->slo.burns, 0, sizeof(saved->slo.burns)); /* told again by this process */
	saved->next = part->saved;
	part->saved = saved;
}

static void name_of(const struct sl_slo_part *part, uint32_t route, enum sl_slo_kind kind,
		    char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%s %s", sl_slo_kind_name(kind), part->names->names[route]);
}

static void take_saved(struct sl_slo_part *part, const char *name, struct sl_slo *slo)
{
	struct sl_slo_saved **at = &part->saved, *found;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	found = *at;
	if (!found)
		return;
	*slo = found->slo;
	*at = found->next;
	free(found);
}

static void save(struct sl_slo_part *part)
{
	struct record record = {.version = SAVED_VERSION, .size = sizeof(record)};
	char name[NAME_BYTES];

	for (uint32_t r = 0; r < part->names->count; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
			struct sl_slo_objective *objective = part->routes[r].of[kind];

			if (!objective || !objective->changed)
				continue;
			record.slo = objective->slo;
			name_of(part, r, kind, name);
			sl_journal_keep(part->journal, name, &record, sizeof(record));
			objective->changed = false;
		}
	}
}

/* ---- configuration --------------------------------------------------------------------------- */

static struct sl_slo_rules rules_of(const struct sl_config_slo *slo)
{
	static const struct sl_slo_pair usual[] = {
		{SL_SLO_PAGE, 14400000000ull, 3600000u, 300000u},
		{SL_SLO_PAGE, 6000000000ull, 21600000u, 1800000u},
		{SL_SLO_TICKET, 1000000000ull, 259200000u, 21600000u},
	};
	const struct sl_config_slo_alert *alerts = slo->alerts.items;
	struct sl_slo_rules rules = {
		.budget_ms = slo->window_ms,
		.events_min = slo->events_min,
		.failures_min = slo->failures_min,
		.pair_count = slo->alerts.count,
	};

	for (uint32_t i = 0; i < rules.pair_count; i++)
		rules.pairs[i] = (struct sl_slo_pair){alerts[i].level, alerts[i].burn,
						      alerts[i].long_ms, alerts[i].short_ms};
	if (!rules.pair_count) {
		memcpy(rules.pairs, usual, sizeof(usual));
		rules.pair_count = sizeof(usual) / sizeof(usual[0]);
	}
	return rules;
}

static uint64_t share_of(const struct sl_config_objectives *objectives, enum sl_slo_kind kind)
{
	const uint64_t shares[SL_SLO_KINDS] = {
		[SL_SLO_AVAILABILITY] = objectives->availability,
		[SL_SLO_TTFT] = objectives->ttft,
		[SL_SLO_LATENCY] = objectives->latency,
		[SL_SLO_QUALITY] = objectives->quality,
	};

	return shares[kind];
}

static uint32_t bound_of(const struct sl_config_objectives *objectives, enum sl_slo_kind kind)
{
	return kind == SL_SLO_TTFT	? objectives->ttft_ms
	       : kind == SL_SLO_LATENCY ? objectives->latency_ms
					: 0;
}

static void fit_objective(struct sl_slo_part *part, const struct sl_config *config,
			  const struct sl_route *route, enum sl_slo_kind kind)
{
	const struct sl_config_objectives *own = &route->config->slo.objectives;
	const struct sl_config_objectives *common = &config->slo.objectives;
	struct sl_slo_objective **at = &part->routes[route->stats_index].of[kind];
	uint64_t share = share_of(own, kind) ? share_of(own, kind) : share_of(common, kind);
	uint32_t bound_ms = bound_of(own, kind) ? bound_of(own, kind) : bound_of(common, kind);
	char name[NAME_BYTES];

	if (!share || !route->config->slo.on)
		return;
	if (!*at) {
		*at = calloc(1, sizeof(**at));
		if (!*at) {
			sl_log(SL_LOG_ERROR,
			       "route \"%s\": its objective of %s is not kept: no memory",
			       route->model, sl_slo_kind_name(kind));
			return;
		}
		name_of(part, route->stats_index, kind, name);
		take_saved(part, name, &(*at)->slo);
	}
	(*at)->kind = kind;
	(*at)->share = share;
	(*at)->bound_us = bound_ms > UINT32_MAX / 1000u ? UINT32_MAX : bound_ms * 1000u;
	(*at)->on = part->any = true;
	sl_slo_fit(&(*at)->slo, &part->rules);
}

static void apply(void *owner, struct sl_routes *routes)
{
	struct sl_slo_part *part = owner;

	pthread_mutex_lock(&part->lock);
	part->rules = rules_of(&routes->config->slo);
	part->any = false;
	for (uint32_t r = 0; r < SL_SLO_ROUTES_MAX; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
			if (part->routes[r].of[kind])
				part->routes[r].of[kind]->on = false;
		}
	}
	for (uint32_t i = 0; i < routes->route_count; i++) {
		const struct sl_route *route = &routes->routes[i];
		const struct sl_route_chain *chain = &route->chains[SL_CAUSE_ERROR];

		if (route->stats_index >= SL_SLO_ROUTES_MAX)
			continue;
		snprintf(part->routes[route->stats_index].pool,
			 sizeof(part->routes[route->stats_index].pool), "%s",
			 chain->len ? chain->pools[0]->name : "");
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++)
			fit_objective(part, routes->config, route, kind);
	}
	pthread_mutex_unlock(&part->lock);
}

static bool wants_records(const void *owner)
{
	return ((const struct sl_slo_part *)owner)->any;
}

/* ---- counting -------------------------------------------------------------------------------- */

/* An answer of a step that is only good for the time of need. */
static bool is_lessened(uint64_t degraded)
{
	for (uint32_t step = 0; degraded && step < SL_STEPS; step++) {
		if (degraded >> step & 1 && !sl_steps[step].keeps)
			return true;
	}
	return false;
}

/* What the record says of that objective: 1 good, 0 bad, -1 nothing. */
static int verdict(const struct sl_slo_route *route, const struct sl_slo_objective *objective,
		   const struct sl_feed_record *record)
{
	bool good = record->outcome == SL_FEED_GOOD, broken = record->outcome == SL_FEED_BROKEN;

	switch (objective->kind) {
	case SL_SLO_AVAILABILITY:
		return good ? 1 : broken || record->outcome == SL_FEED_FAILED ? 0 : -1;
	case SL_SLO_TTFT:
		return (good || broken) && record->stream && record->first_us
			       ? record->first_us <= objective->bound_us
			       : -1;
	case SL_SLO_LATENCY:
		return good ? record->duration_us <= objective->bound_us : -1;
	case SL_SLO_QUALITY:
	case SL_SLO_KINDS:
		break;
	}
	return good ? !route->wanting && !is_lessened(record->degraded) : -1;
}

static void note_record(void *owner, const struct sl_feed_record *record)
{
	struct sl_slo_part *part = owner;
	struct sl_slo_route *route;

	if (record->route >= SL_SLO_ROUTES_MAX)
		return;
	route = &part->routes[record->route];
	pthread_mutex_lock(&part->lock);
	for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
		struct sl_slo_objective *objective = route->of[kind];
		int good = objective && objective->on ? verdict(route, objective, record) : -1;

		if (good < 0)
			continue;
		sl_slo_note(&objective->slo, record->end_wall_ms, good);
		objective->changed = true;
	}
	pthread_mutex_unlock(&part->lock);
}

static void note_notice(void *owner, const struct sl_notice *notice)
{
	struct sl_slo_part *part = owner;

	if (notice->kind != SL_NOTICE_QUALITY && notice->kind != SL_NOTICE_DRIFT)
		return;
	if (notice->level < SL_NOTICE_WARN && !notice->over)
		return;
	for (uint32_t r = 0; r < part->names->count; r++) {
		const char *name = notice->of == SL_NOTICE_OF_ROUTE  ? part->names->names[r]
				   : notice->of == SL_NOTICE_OF_POOL ? part->routes[r].pool
								     : "";

		if (name && name[0] && !strcmp(name, notice->name)) /* position 0 has no name */
			part->routes[r].wanting = !notice->over;
	}
}

/* ---- judging --------------------------------------------------------------------------------- */

/* The levels at which an objective of the route burns now, as bits. */
static uint64_t levels_of(const struct sl_slo_part *part, const struct sl_slo_route *route)
{
	uint64_t levels = 0;

	for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
		const struct sl_slo_objective *objective = route->of[kind];

		for (uint32_t i = 0; objective && objective->on && i < part->rules.pair_count;
		     i++) {
			if (objective->slo.burns[i])
				levels |= 1ull << part->rules.pairs[i].level;
		}
	}
	return levels;
}

static bool burns(const struct sl_slo_route *route)
{
	for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
		const struct sl_slo_objective *objective = route->of[kind];

		for (uint32_t i = 0; objective && objective->on && i < SL_SLO_PAIRS_MAX; i++) {
			if (objective->slo.burns[i])
				return true;
		}
	}
	return false;
}

static void tell(struct sl_slo_part *part, uint32_t r, struct sl_slo_objective *objective,
		 uint32_t i)
{
	const struct sl_slo_pair *pair = &part->rules.pairs[i];
	bool begins = objective->slo.burns[i];
	struct sl_notice notice = {
		.kind = SL_NOTICE_BURN,
		.level = !begins		      ? SL_NOTICE_INFO
			 : pair->level == SL_SLO_PAGE ? SL_NOTICE_BAD
						      : SL_NOTICE_WARN,
		.of = SL_NOTICE_OF_ROUTE,
		.over = !begins && !burns(&part->routes[r]),
		.number = levels_of(part, &part->routes[r]),
		.who = "daemon",
	};
	char longer[SL_SLO_SPAN_BYTES], shorter[SL_SLO_SPAN_BYTES], whole[SL_SLO_SPAN_BYTES];

	sl_notice_set(notice.name, sizeof(notice.name), part->names->names[r]);
	sl_notice_set(notice.pool, sizeof(notice.pool), part->routes[r].pool);
	sl_slo_span(pair->long_ms, longer);
	sl_slo_span(pair->short_ms, shorter);
	sl_slo_span(part->rules.budget_ms, whole);
	sl_notice_tell(
		&notice,
		"%s %g%%: %s at %gx: now %.1fx over %s, %.1fx over %s; %.1f%% of the budget of %s "
		"is left",
		sl_slo_kind_name(objective->kind), (double)objective->share / 1e7,
		begins ? sl_slo_level_name(pair->level) : "no more", (double)pair->burn / 1e9,
		sl_slo_burn(sl_slo_long(&objective->slo, i), objective->share), longer,
		sl_slo_burn(sl_slo_short(&objective->slo, i), objective->share), shorter,
		sl_slo_left(&objective->slo, objective->share) * 100, whole);
	sl_log(SL_LOG_WARN, "route \"%s\": %s %s: burns %s%s", part->names->names[r],
	       sl_slo_kind_name(objective->kind), sl_slo_level_name(pair->level),
	       begins ? "its error budget" : "it no more", begins ? " (sluice slo)" : "");
	part->routes[r].burns = !notice.over;
}

static void judge(struct sl_slo_part *part)
{
	uint64_t wall_ms = sl_clock_wall_ms();

	for (uint32_t r = 0; r < part->names->count && part->any; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
			struct sl_slo_objective *objective = part->routes[r].of[kind];
			uint32_t changed;

			if (!objective || !objective->on)
				continue;
			sl_slo_advance(&objective->slo, wall_ms);
			changed = sl_slo_judge(&objective->slo, &part->rules, objective->share);
			for (uint32_t i = 0; i < part->rules.pair_count; i++) {
				if (changed >> i & 1)
					tell(part, r, objective, i);
			}
		}
	}
}

/* A reload took what burnt away: nobody would say that it is over. */
static void end_orphans(struct sl_slo_part *part)
{
	for (uint32_t r = 0; r < part->names->count; r++) {
		struct sl_notice notice = {.kind = SL_NOTICE_BURN,
					   .of = SL_NOTICE_OF_ROUTE,
					   .over = true,
					   .who = "daemon"};

		if (!part->routes[r].burns || burns(&part->routes[r]))
			continue;
		sl_notice_set(notice.name, sizeof(notice.name), part->names->names[r]);
		sl_notice_set(notice.pool, sizeof(notice.pool), part->routes[r].pool);
		sl_notice_tell(&notice, "its objectives are others now");
		part->routes[r].burns = false;
	}
}

static void poll(void *owner, uint64_t now_ms)
{
	struct sl_slo_part *part = owner;

	if (now_ms - part->judged_ms < SL_SLO_JUDGE_MS)
		return;
	part->judged_ms = now_ms;
	pthread_mutex_lock(&part->lock);
	judge(part);
	end_orphans(part);
	if (now_ms - part->saved_ms >= SL_SLO_SAVE_MS) {
		part->saved_ms = now_ms;
		save(part);
	}
	pthread_mutex_unlock(&part->lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void write_metrics(void *owner, struct sl_text *text)
{
	struct sl_slo_part *part = owner;

	pthread_mutex_lock(&part->lock);
	sl_slo_write_metrics(part, text);
	pthread_mutex_unlock(&part->lock);
}

static void say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_slo_part *part = owner;

	pthread_mutex_lock(&part->lock);
	judge(part);
	sl_slo_say(part, ask->words, text);
	pthread_mutex_unlock(&part->lock);
}

static void destroy(struct sl_slo_part *part)
{
	while (part->saved) {
		struct sl_slo_saved *next = part->saved->next;

		free(part->saved);
		part->saved = next;
	}
	for (uint32_t r = 0; r < SL_SLO_ROUTES_MAX; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++)
			free(part->routes[r].of[kind]);
	}
	pthread_mutex_destroy(&part->lock);
	free(part);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_slo_part *part = calloc(1, sizeof(*part));
	struct sl_journal_reader reader = {.owner = part, .value = on_value};
	int rc;

	if (!part)
		return -ENOMEM;
	pthread_mutex_init(&part->lock, NULL);
	part->names = place->names;
	rc = sl_journal_open(routes->config->slo.path, "slo", 0, &reader, &part->journal);
	if (rc) {
		destroy(part);
		return rc;
	}
	apply(part, routes);
	*ret_part = part;
	return 0;
}

static void close_part(void *owner)
{
	struct sl_slo_part *part = owner;

	save(part);
	sl_journal_close(&part->journal);
	destroy(part);
}

static void add_objective(const struct sl_slo_part *part, const char *route,
			  const struct sl_slo_objective *objective, struct sl_page_facts *facts)
{
	bool pages = false, tickets = false;

	for (uint32_t i = 0; i < part->rules.pair_count; i++) {
		pages |= objective->slo.burns[i] && part->rules.pairs[i].level == SL_SLO_PAGE;
		tickets |= objective->slo.burns[i] && part->rules.pairs[i].level != SL_SLO_PAGE;
	}
	if (pages && !facts->burning++)
		snprintf(facts->burns, sizeof(facts->burns), "%s of route \"%.90s\"",
			 sl_slo_kind_name(objective->kind), route);
	facts->smouldering += tickets && !pages;
}

static void add_facts(void *owner, struct sl_page_facts *facts)
{
	struct sl_slo_part *part = owner;

	pthread_mutex_lock(&part->lock);
	for (uint32_t r = 0; r < part->names->count; r++) {
		for (uint32_t kind = 0; kind < SL_SLO_KINDS; kind++) {
			const struct sl_slo_objective *objective = part->routes[r].of[kind];

			if (objective && objective->on)
				add_objective(part, part->names->names[r], objective, facts);
		}
	}
	pthread_mutex_unlock(&part->lock);
}

const struct sl_watch_part sl_watch_slo = {
	.word = "slo",
	.open = open_part,
	.apply = apply,
	.wants_records = wants_records,
	.record = note_record,
	.notice = note_notice,
	.poll = poll,
	.write_metrics = write_metrics,
	.add_facts = add_facts,
	.say = say,
	.close = close_part,
};
