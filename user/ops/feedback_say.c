/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of feedback: `sluice feedback`, /metrics. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/ops/feedback_parts.h"
#include "user/wire/feedback.h"

#define LISTED_USUALLY 20u

static void put_rating(const struct sl_feedback_part *part, const struct sl_rating *rating,
		       struct sl_text *text)
{
	char when[32], version[SL_FEEDBACK_VERSION_BYTES];
	time_t s = (time_t)(rating->wall_ms / 1000);
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
	sl_text_printf(text, "%s %s", when, rating->of.id);
	if (rating->has_score)
		sl_text_printf(text, " score=%g", (double)rating->score / SL_FEEDBACK_ONE);
	if (rating->label[0])
		sl_text_printf(text, " label=%s", rating->label);
	sl_text_printf(text, " route=%s model=%s", sl_feedback_route(part, rating->of.route),
		       sl_feedback_pool(part, rating->of.pool));
	if (rating->of.prompt_version)
		sl_text_printf(text, " prompt=%s",
			       sl_feedback_prompt(rating->of.prompt_version, version));
	if (rating->key_id[0])
		sl_text_printf(text, " key=%s", rating->key_id);
	if (rating->comment[0]) {
		sl_text_append_char(text, ' ');
		sl_text_append_json_string(text, rating->comment); /* no line of its own making */
	}
	sl_text_append_char(text, '\n');
}

static void list(const struct sl_feedback_part *part, uint32_t count, bool json,
		 struct sl_text *text)
{
	struct sl_rating rating;
	uint32_t i;

	sl_text_append_string(text, json ? "{\"feedback\":[" : "");
	for (i = 0; i < count && sl_ratings_at(part->ratings, i, &rating); i++) {
		if (json && i)
			sl_text_append_char(text, ',');
		if (json)
			sl_feedback_put_json(part, &rating, text);
		else
			put_rating(part, &rating, text);
	}
	if (json)
		sl_text_append_string(text, "]}\n");
	else if (!i)
		sl_text_append_string(text, part->on ? "nobody has rated an answer yet\n"
						     : "feedback is not taken "
						       "(feedback.enabled)\n");
}

static void put_group(const struct sl_feedback_part *part, const struct sl_feedback_group *group,
		      bool json, struct sl_text *text)
{
	double satisfaction = sl_feedback_satisfaction(group);
	char version[SL_FEEDBACK_VERSION_BYTES];

	sl_feedback_prompt(group->prompt_version, version);
	if (!json) {
		sl_text_printf(text, "%-24s %-16s %-12s %8" PRIu64 " %8" PRIu64 " %8" PRIu64,
			       group->route ? sl_feedback_route(part, group->route) : "other",
			       group->pool ? sl_feedback_pool(part, group->pool) : "-",
			       version[0] ? version : "-", group->good, group->bad, group->neutral);
		if (satisfaction >= 0)
			sl_text_printf(text, " %9.1f %%\n", satisfaction * 100);
		else
			sl_text_append_string(text, "          -\n");
		return;
	}
	sl_text_append_string(text, "{\"route\":");
	sl_text_append_json_string(text, sl_feedback_route(part, group->route));
	sl_text_append_string(text, ",\"model\":");
	sl_text_append_json_string(text, sl_feedback_pool(part, group->pool));
	sl_text_printf(text,
		       ",\"prompt_version\":\"%s\",\"good\":%" PRIu64 ",\"bad\":%" PRIu64
		       ",\"neutral\":%" PRIu64 ",\"scored\":%u",
		       version, group->good, group->bad, group->neutral, group->scored);
	if (satisfaction >= 0)
		sl_text_printf(text, ",\"satisfaction\":%.4f", satisfaction);
	sl_text_append_char(text, '}');
}

static void stats(struct sl_feedback_part *part, bool json, struct sl_text *text)
{
	struct sl_journal_stats disk;
	uint32_t i;

	sl_journal_read_stats(part->journal, &disk);
	if (json)
		sl_text_printf(text, "{\"enabled\":%s,\"groups\":[", part->on ? "true" : "false");
	else
		sl_text_printf(text, "%-24s %-16s %-12s %8s %8s %8s %11s\n", "ROUTE", "MODEL",
			       "PROMPT", "GOOD", "BAD", "NEUTRAL", "SATISFIED");
	pthread_mutex_lock(&part->lock);
	for (i = 0; i < part->group_count; i++) {
		if (json && i)
			sl_text_append_char(text, ',');
		put_group(part, &part->groups[i], json, text);
	}
	pthread_mutex_unlock(&part->lock);
	if (json)
		sl_text_append_string(text, "],\"refused\":{");
	for (i = 0; i < SL_RATINGS_REFUSALS; i++)
		sl_text_printf(text, json ? "%s\"%s\":%" PRIu64 : "%srefused, %s: %" PRIu64 "\n",
			       json && i ? "," : "",
			       sl_ratings_refusal_name((enum sl_ratings_refusal)i),
			       sl_ratings_refusals(part->ratings, (enum sl_ratings_refusal)i));
	if (json)
		sl_text_printf(text, "},\"store_failing\":%s}\n", disk.failing ? "true" : "false");
	else if (disk.failing)
		sl_text_append_string(text, "feedback.path cannot be written (see the log)\n");
}

void sl_feedback_say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_feedback_part *part = owner;
	char *rest = NULL;
	const char *format = strtok_r(ask->words, " ", &rest);
	const char *verb = strtok_r(NULL, " ", &rest), *count = strtok_r(NULL, " ", &rest);
	bool json = format && !strcmp(format, "json");
	uint64_t number = LISTED_USUALLY;

	if (verb && !strcmp(verb, "stats") && !count) {
		stats(part, json, text);
		return;
	}
	if (!verb || strcmp(verb, "list") != 0 ||
	    (count && (sl_span_u64(sl_span_string(count), &number) || !number ||
		       number > SL_FEEDBACK_LISTED_MAX))) {
		sl_text_printf(text, "!expected list [COUNT] (at most %u) or stats\n",
			       SL_FEEDBACK_LISTED_MAX);
		return;
	}
	list(part, (uint32_t)number, json, text);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void put_labels(const struct sl_feedback_part *part, const struct sl_feedback_group *group,
		       const char *family, struct sl_text *text)
{
	char version[SL_FEEDBACK_VERSION_BYTES];

	sl_text_printf(text, "%s{route=", family);
	sl_text_append_json_string(text,
				   group->route ? sl_feedback_route(part, group->route) : "other");
	sl_text_append_string(text, ",model=");
	sl_text_append_json_string(text, sl_feedback_pool(part, group->pool));
	sl_text_printf(text, ",prompt=\"%s\"", sl_feedback_prompt(group->prompt_version, version));
}

static void put_groups(const struct sl_feedback_part *part, struct sl_text *text)
{
	static const char family[] = "sluice_feedback_ratings_total";
	uint32_t i;

	sl_text_append_string(text, "# HELP sluice_feedback_ratings_total Ratings of answers by "
				    "clients, by what they say.\n"
				    "# TYPE sluice_feedback_ratings_total counter\n");
	for (i = 0; i < part->group_count; i++) {
		const struct sl_feedback_group *group = &part->groups[i];

		put_labels(part, group, family, text);
		sl_text_printf(text, ",verdict=\"good\"} %" PRIu64 "\n", group->good);
		put_labels(part, group, family, text);
		sl_text_printf(text, ",verdict=\"bad\"} %" PRIu64 "\n", group->bad);
		put_labels(part, group, family, text);
		sl_text_printf(text, ",verdict=\"neutral\"} %" PRIu64 "\n", group->neutral);
	}
	sl_text_append_string(text, "# HELP sluice_feedback_satisfaction Mean score of the newest "
				    "ratings, 0 (bad) to 1.\n"
				    "# TYPE sluice_feedback_satisfaction gauge\n");
	for (i = 0; i < part->group_count; i++) {
		if (!part->groups[i].scored)
			continue;
		put_labels(part, &part->groups[i], "sluice_feedback_satisfaction", text);
		sl_text_printf(text, "} %.4f\n", sl_feedback_satisfaction(&part->groups[i]));
	}
	sl_text_append_string(text,
			      "# HELP sluice_feedback_scores Ratings that the satisfaction is "
			      "the mean of.\n"
			      "# TYPE sluice_feedback_scores gauge\n");
	for (i = 0; i < part->group_count; i++) {
		put_labels(part, &part->groups[i], "sluice_feedback_scores", text);
		sl_text_printf(text, "} %u\n", part->groups[i].scored);
	}
}

void sl_feedback_write_metrics(void *owner, struct sl_text *text)
{
	struct sl_feedback_part *part = owner;
	struct sl_journal_stats disk;
	uint32_t i;

	pthread_mutex_lock(&part->lock);
	if (part->group_count)
		put_groups(part, text);
	pthread_mutex_unlock(&part->lock);
	if (!sl_ratings_are_on(part->ratings))
		return;
	sl_text_append_string(text, "# HELP sluice_feedback_refused_total Ratings that were not "
				    "taken, by reason.\n"
				    "# TYPE sluice_feedback_refused_total counter\n");
	for (i = 0; i < SL_RATINGS_REFUSALS; i++)
		sl_text_printf(text, "sluice_feedback_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_ratings_refusal_name((enum sl_ratings_refusal)i),
			       sl_ratings_refusals(part->ratings, (enum sl_ratings_refusal)i));
	sl_journal_read_stats(part->journal, &disk);
	sl_text_printf(text,
		       "# HELP sluice_feedback_store_failing 1 while ratings cannot be written.\n"
		       "# TYPE sluice_feedback_store_failing gauge\n"
		       "sluice_feedback_store_failing %d\n",
		       disk.failing);
}
