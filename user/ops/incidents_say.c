/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of incidents: `sluice incidents`, /metrics. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/unit.h"
#include "user/ops/incidents_parts.h"
#include "user/policy/reliability.h"

#define WORDS_MAX	  3u
#define RECENT_CLOSED_MAX 3u
#define SUBJECTS_MAX	  512u

static uint64_t recovered_of(const struct sl_incident *incident, uint64_t now_ms)
{
	return incident->open ? now_ms : incident->recovered_ms;
}

/* ---- one ------------------------------------------------------------------------------------- */

static void show_line(const struct sl_incident *incident, uint64_t now_ms, struct sl_text *text)
{
	char when[SL_CLOCK_ISO_SIZE];

	sl_clock_format_iso(incident->began_ms, when);
	sl_text_printf(text, "%" PRIu64 " %s %s %s %s %s", incident->id,
		       incident->open ? "open" : "closed", when,
		       sl_notice_level_name(incident->level), sl_notice_of_name(incident->of),
		       incident->name[0] ? incident->name : "-");
	if (incident->pool[0])
		sl_text_printf(text, " pool=%s", incident->pool);
	sl_text_printf(text, " lasted=%.1fs causes=%u harmed=%" PRIu64 " saved=%" PRIu64 "\n",
		       (double)(recovered_of(incident, now_ms) - incident->began_ms) / 1000,
		       incident->cause_count, incident->counts.harmed, incident->counts.saved);
}

static void show_text(const struct sl_incident *incident, uint64_t now_ms, struct sl_text *text)
{
	const struct sl_incident_counts *counts = &incident->counts;
	char when[SL_CLOCK_ISO_SIZE];

	sl_clock_format_iso(incident->began_ms, when);
	sl_text_printf(text, "incident %" PRIu64 " %s %s %s %s", incident->id,
		       incident->open ? "open" : "closed", sl_notice_level_name(incident->level),
		       sl_notice_of_name(incident->of), incident->name);
	if (incident->pool[0])
		sl_text_printf(text, " pool=%s", incident->pool);
	sl_text_printf(text, "\n  began %s found +%.1f s, %s %.1f s\n", when,
		       (double)(incident->opened_ms - incident->began_ms) / 1000,
		       incident->open ? "open for" : "over after",
		       (double)(recovered_of(incident, now_ms) - incident->began_ms) / 1000);
	sl_text_printf(text,
		       "  requests %" PRIu64 " harmed=%" PRIu64 " saved=%" PRIu64
		       " retries=%" PRIu64 " fallbacks=%" PRIu64 " keys=%u%s",
		       counts->requests, counts->harmed, counts->saved, counts->retries,
		       counts->fallbacks, counts->key_count, counts->more_keys ? "+" : "");
	for (uint32_t i = 0; i < counts->key_count; i++)
		sl_text_printf(text, "%s%s", i ? "," : " ", counts->keys[i]);
	sl_text_append_char(text, '\n');
	for (uint32_t i = 0; i < incident->event_count; i++) {
		const struct sl_incident_event *event = &incident->events[i];

		sl_clock_format_iso(event->at_ms, when);
		sl_text_printf(text, "  %s %s %s %s %s %s: %s\n", when,
			       sl_incident_what_name(event->what), sl_notice_kind_name(event->kind),
			       sl_notice_of_name(event->of), event->name, event->who, event->text);
	}
	if (incident->left_out)
		sl_text_printf(text, "  and %u more\n", incident->left_out);
}

static void put_field(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

static void show_events(const struct sl_incident *incident, struct sl_text *text)
{
	sl_text_append_string(text, ",\"events\":[");
	for (uint32_t i = 0; i < incident->event_count; i++) {
		const struct sl_incident_event *event = &incident->events[i];

		sl_text_printf(text, "%s{\"at_ms\":%" PRIu64, i ? "," : "", event->at_ms);
		put_field(text, "what", sl_incident_what_name(event->what));
		put_field(text, "kind", sl_notice_kind_name(event->kind));
		put_field(text, "level", sl_notice_level_name(event->level));
		put_field(text, "of", sl_notice_of_name(event->of));
		put_field(text, "name", event->name);
		put_field(text, "plane", event->who);
		put_field(text, "text", event->text);
		sl_text_append_char(text, '}');
	}
	sl_text_printf(text, "],\"events_left_out\":%u", incident->left_out);
}

static void show_json(const struct sl_incident *incident, bool whole, struct sl_text *text)
{
	const struct sl_incident_counts *counts = &incident->counts;

	sl_text_printf(text, "{\"id\":%" PRIu64 ",\"open\":%s", incident->id,
		       incident->open ? "true" : "false");
	put_field(text, "level", sl_notice_level_name(incident->level));
	put_field(text, "of", sl_notice_of_name(incident->of));
	put_field(text, "name", incident->name);
	put_field(text, "pool", incident->pool);
	sl_text_printf(text,
		       ",\"began_ms\":%" PRIu64 ",\"opened_ms\":%" PRIu64
		       ",\"recovered_ms\":%" PRIu64 ",\"closed_ms\":%" PRIu64
		       ",\"causes\":%u,\"requests\":%" PRIu64 ",\"harmed\":%" PRIu64
		       ",\"saved\":%" PRIu64 ",\"retries\":%" PRIu64 ",\"fallbacks\":%" PRIu64
		       ",\"more_keys\":%s,\"keys\":[",
		       incident->began_ms, incident->opened_ms, incident->recovered_ms,
		       incident->closed_ms, incident->cause_count, counts->requests, counts->harmed,
		       counts->saved, counts->retries, counts->fallbacks,
		       counts->more_keys ? "true" : "false");
	for (uint32_t i = 0; i < counts->key_count; i++) {
		sl_text_append_string(text, i ? "," : "");
		sl_text_append_json_string(text, counts->keys[i]);
	}
	sl_text_append_char(text, ']');
	if (whole)
		show_events(incident, text);
	sl_text_append_char(text, '}');
}

static void list(const struct sl_incident_part *part, uint64_t since_ms, bool json,
		 struct sl_text *text)
{
	uint64_t now_ms = sl_clock_wall_ms();
	bool found = false;

	sl_text_append_string(text, json ? "{\"incidents\":[" : "");
	for (uint32_t i = 0; i < part->book.count; i++) {
		const struct sl_incident *incident = part->book.list[i];

		if (recovered_of(incident, now_ms) < since_ms)
			continue;
		if (json) {
			sl_text_append_string(text, found ? "," : "");
			show_json(incident, false, text);
		} else {
			show_line(incident, now_ms, text);
		}
		found = true;
	}
	sl_text_append_string(text, json ? "]}\n" : found ? "" : "no incident\n");
}

/* Those that are open, and the last few that are not; newest first. */
static void recent(const struct sl_incident_part *part, bool json, struct sl_text *text)
{
	uint64_t now_ms = sl_clock_wall_ms();
	uint32_t closed = 0;
	bool found = false;

	sl_text_append_string(text, json ? "{\"incidents\":[" : "");
	for (uint32_t i = part->book.count; i-- > 0;) {
		const struct sl_incident *incident = part->book.list[i];

		if (!incident->open && closed++ >= RECENT_CLOSED_MAX)
			continue;
		sl_text_append_string(text, json && found ? "," : "");
		if (json)
			show_json(incident, false, text);
		else
			show_line(incident, now_ms, text);
		found = true;
	}
	sl_text_append_string(text, json ? "]}\n" : found ? "" : "no incident\n");
}

/* ---- statistics ------------------------------------------------------------------------------ */

struct subject {
	enum sl_notice_of of;
	const char *name;
	struct sl_outage outages[SL_INCIDENTS_MAX];
	uint32_t count;
	uint64_t last_id; /* whose the last outage is */
};

/* A pool that no route asks is somebody's dependency. */
static const char *kind_of(const struct sl_incident_part *part, const struct subject *subject)
{
	if (subject->of != SL_NOTICE_OF_POOL)
		return sl_notice_of_name(subject->of);
	for (uint32_t i = 0; i < part->routes->route_count; i++) {
		const struct sl_route *route = &part->routes->routes[i];

		for (uint32_t cause = 0; cause < SL_CAUSES; cause++) {
			for (uint32_t k = 0; k < route->chains[cause].len; k++) {
				if (!strcmp(route->chains[cause].pools[k]->name, subject->name))
					return "pool";
			}
		}
	}
	return "dependency";
}

static struct subject *subject_of(struct subject **subjects, uint32_t *count,
				  const struct sl_incident_cause *cause)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (subjects[i]->of == cause->of && !strcmp(subjects[i]->name, cause->name))
			return subjects[i];
	}
	if (*count == SUBJECTS_MAX)
		return NULL;
	subjects[*count] = calloc(1, sizeof(**subjects));
	if (!subjects[*count])
		return NULL;
	subjects[*count]->of = cause->of;
	subjects[*count]->name = cause->name;
	return subjects[(*count)++];
}

/* An incident is one outage of each of its subjects, however many causes say so. */
static void add_cause(struct subject *subject, const struct sl_incident *incident,
		      const struct sl_incident_cause *cause)
{
	bool own = cause->of == incident->of && !strcmp(cause->name, incident->name);
	uint64_t began_ms = own ? incident->began_ms : cause->began_ms;
	struct sl_outage *outage = subject->count ? &subject->outages[subject->count - 1] : NULL;

	if (outage && subject->last_id == incident->id) {
		if (!cause->over)
			outage->ended_ms = 0;
		else if (outage->ended_ms && cause->over_ms > outage->ended_ms)
			outage->ended_ms = cause->over_ms;
		return;
	}
	subject->last_id = incident->id;
	if (subject->count < SL_INCIDENTS_MAX)
		subject->outages[subject->count++] = (struct sl_outage){
			began_ms, cause->began_ms, cause->over ? cause->over_ms : 0};
}

static uint32_t collect(const struct sl_incident_part *part, struct subject **subjects)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < part->book.count; i++) {
		const struct sl_incident *incident = part->book.list[i];

		for (uint32_t k = 0; k < incident->cause_count; k++) {
			struct subject *subject =
				subject_of(subjects, &count, &incident->causes[k]);

			if (subject)
				add_cause(subject, incident, &incident->causes[k]);
		}
	}
	return count;
}

static void show_stats(const char *kind, const struct subject *subject,
		       const struct sl_reliability *r, bool json, struct sl_text *text)
{
	if (!json) {
		sl_text_printf(text,
			       "%s %s outages=%u down=%.1fs mtbf=%.1fs mttr=%.1fs mttd=%.1fs\n",
			       kind, subject->name, r->outages, (double)r->down_ms / 1000,
			       (double)r->mtbf_ms / 1000, (double)r->mttr_ms / 1000,
			       (double)r->mttd_ms / 1000);
		return;
	}
	sl_text_printf(text, "{\"kind\":\"%s\"", kind);
	put_field(text, "name", subject->name);
	sl_text_printf(text,
		       ",\"outages\":%u,\"ended\":%u,\"down_ms\":%" PRIu64 ",\"mtbf_ms\":%" PRIu64
		       ",\"mttr_ms\":%" PRIu64 ",\"mttd_ms\":%" PRIu64 "}",
		       r->outages, r->ended, r->down_ms, r->mtbf_ms, r->mttr_ms, r->mttd_ms);
}

static void stats(const struct sl_incident_part *part, uint64_t since_ms, bool json,
		  struct sl_text *text)
{
	struct subject *subjects[SUBJECTS_MAX];
	uint32_t count = collect(part, subjects);
	uint64_t from_ms = part->begun_ms > since_ms ? part->begun_ms : since_ms;
	uint64_t now_ms = sl_clock_wall_ms();

	sl_text_printf(text, json ? "{\"from_ms\":%" PRIu64 ",\"subjects\":[" : "", from_ms);
	for (uint32_t i = 0; i < count; i++) {
		struct sl_reliability r;

		sl_reliability_of(subjects[i]->outages, subjects[i]->count, from_ms, now_ms, &r);
		sl_text_append_string(text, json && i ? "," : "");
		show_stats(kind_of(part, subjects[i]), subjects[i], &r, json, text);
		free(subjects[i]);
	}
	sl_text_append_string(text, json ? "]}\n" : count ? "" : "no incident\n");
}

/* ---- words ----------------------------------------------------------------------------------- */

void sl_incidents_say(struct sl_incident_part *part, char *words, struct sl_text *text)
{
	char *split[WORDS_MAX] = {NULL}, *rest = NULL;
	uint64_t now_ms = sl_clock_wall_ms(), number = 0;
	uint32_t count = 0;
	bool json, good = true;

	for (char *word = strtok_r(words, " ", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		split[count++] = word;
	json = count && !strcmp(split[0], "json");
	if (count == 3 && !strcmp(split[1], "show"))
		good = !sl_span_u64(sl_span_string(split[2]), &number);
	else if (count == 3)
		good = !sl_unit_parse_ms(split[2], strlen(split[2]), &number);
	if (!good || count < 2) {
		sl_text_append_string(text, "!expected list, show ID or stats, and a time like 2h");
	} else if (!strcmp(split[1], "show")) {
		const struct sl_incident *incident = sl_incidents_find(&part->book, number);

		if (!incident)
			sl_text_printf(text, "!there is no incident \"%.32s\"",
				       split[2] ? split[2] : "");
		else if (json)
			show_json(incident, true, text);
		else
			show_text(incident, now_ms, text);
		sl_text_append_string(text, incident && json ? "\n" : "");
	} else if (!strcmp(split[1], "recent")) {
		recent(part, json, text);
	} else if (!strcmp(split[1], "stats")) {
		stats(part, count == 3 && number < now_ms ? now_ms - number : 0, json, text);
	} else {
		list(part, count == 3 && number < now_ms ? now_ms - number : 0, json, text);
	}
}

/* ---- metrics --------------------------------------------------------------------------------- */

struct reliability_family {
	const char *name, *help;
	size_t offset;
	bool seconds;
	size_t of; /* of how many it is a mean: without any it has no line; or NO_MEAN */
};

#define OF(field) offsetof(struct sl_reliability, field)
#define NO_MEAN	  SIZE_MAX

static const struct reliability_family reliability_families[] = {
	{"sluice_reliability_outages", "Outages in the ledger.", OF(outages), false, NO_MEAN},
	{"sluice_reliability_down_seconds", "Time that it was down, of the ledger's time.",
	 OF(down_ms), true, NO_MEAN},
	{"sluice_reliability_mtbf_seconds", "Mean time between failures: time up by outages.",
	 OF(mtbf_ms), true, OF(outages)},
	{"sluice_reliability_mttr_seconds",
	 "Mean time to recover: from its beginning to the end of an outage.", OF(mttr_ms), true,
	 OF(ended)},
	{"sluice_reliability_mttd_seconds",
	 "Mean time to detect: from the beginning of an outage until it was found out.",
	 OF(mttd_ms), true, OF(outages)},
};

/* What the page says of the ledger, copied: whoever writes to the ledger waits for the copy, not for the page. */
struct glance {
	uint64_t open[SL_NOTICE_LEVELS], opened, refused;
	uint32_t count;
	struct subject *subjects[SUBJECTS_MAX];
	const char *kinds[SUBJECTS_MAX]; /* constants */
};

static void look(struct sl_incident_part *part, struct glance *glance)
{
	memset(glance, 0, sizeof(*glance));
	pthread_mutex_lock(&part->lock);
	for (uint32_t i = 0; i < part->book.count; i++)
		glance->open[part->book.list[i]->level] += part->book.list[i]->open;
	glance->opened = part->book.opened;
	glance->refused = part->book.refused;
	glance->count = collect(part, glance->subjects);
	for (uint32_t i = 0; i < glance->count; i++)
		glance->kinds[i] = kind_of(part, glance->subjects[i]);
	pthread_mutex_unlock(&part->lock);
}

static void write_reliability(const struct reliability_family *family, const struct glance *glance,
			      const struct sl_reliability *found, struct sl_text *text)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", family->name, family->help,
		       family->name);
	for (uint32_t i = 0; i < glance->count; i++) {
		const char *at = (const char *)&found[i] + family->offset;
		uint64_t value = family->seconds ? *(const uint64_t *)at : *(const uint32_t *)at;

		if (family->of != NO_MEAN &&
		    !*(const uint32_t *)((const char *)&found[i] + family->of))
			continue;
		sl_text_printf(text, "%s{kind=\"%s\",name=\"", family->name, glance->kinds[i]);
		sl_text_append_json(text, glance->subjects[i]->name,
				    strlen(glance->subjects[i]->name));
		sl_text_append_string(text, "\"} ");
		sl_text_append_scaled(text, value, family->seconds ? 3 : 0);
		sl_text_append_char(text, '\n');
	}
}

static void write_reliabilities(const struct sl_incident_part *part, const struct glance *glance,
				uint64_t now_ms, struct sl_text *text)
{
	struct sl_reliability *found = calloc(SUBJECTS_MAX, sizeof(*found));

	for (uint32_t i = 0; found && i < glance->count; i++)
		sl_reliability_of(glance->subjects[i]->outages, glance->subjects[i]->count,
				  part->begun_ms, now_ms, &found[i]);
	for (size_t f = 0;
	     found && f < sizeof(reliability_families) / sizeof(reliability_families[0]); f++)
		write_reliability(&reliability_families[f], glance, found, text);
	free(found);
}

void sl_incidents_write_metrics(struct sl_incident_part *part, uint64_t now_ms,
				struct sl_text *text)
{
	struct sl_journal_stats kept;
	struct glance glance;

	look(part, &glance);
	sl_text_append_string(text, "# HELP sluice_incidents_open Incidents that are not over.\n"
				    "# TYPE sluice_incidents_open gauge\n");
	for (uint32_t level = SL_NOTICE_WARN; level < SL_NOTICE_LEVELS; level++)
		sl_text_printf(text, "sluice_incidents_open{level=\"%s\"} %" PRIu64 "\n",
			       sl_notice_level_name(level), glance.open[level]);
	sl_journal_read_stats(part->journal, &kept);
	sl_text_printf(text,
		       "# HELP sluice_incidents_total Incidents in the ledger and since.\n"
		       "# TYPE sluice_incidents_total counter\nsluice_incidents_total %" PRIu64
		       "\n# HELP sluice_incidents_refused_total Troubles that no incident could be "
		       "opened for.\n# TYPE sluice_incidents_refused_total counter\n"
		       "sluice_incidents_refused_total %" PRIu64
		       "\n# HELP sluice_incidents_store_failing 1 while the ledger cannot be "
		       "written.\n# TYPE sluice_incidents_store_failing gauge\n"
		       "sluice_incidents_store_failing %d\n"
		       "# HELP sluice_incidents_store_lost_total Events that are not in the file.\n"
		       "# TYPE sluice_incidents_store_lost_total counter\n"
		       "sluice_incidents_store_lost_total %" PRIu64 "\n",
		       glance.opened, glance.refused, kept.failing, kept.lost);
	write_reliabilities(part, &glance, now_ms, text);
	for (uint32_t i = 0; i < glance.count; i++)
		free(glance.subjects[i]);
}
