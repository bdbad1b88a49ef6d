/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of canary questions: `sluice canary`, /metrics. */
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/ops/canary_parts.h"
#include "user/ops/names.h"

#define WORDS_MAX 3u

static struct sl_canary_pool *find(struct sl_canary *canary, const char *name)
{
	struct sl_canary_pool *pool = canary->pools;

	while (pool && strcmp(pool->name, name) != 0)
		pool = pool->next;
	return pool;
}

/* ---- show ------------------------------------------------------------------------------------ */

static double ratio_of(const struct sl_drift_run *run)
{
	return run->answers ? exp(run->length_sum / run->answers) : 1;
}

static void show_json(const struct sl_canary_pool *pool, struct sl_text *text)
{
	const struct sl_baseline *b = pool->baseline;
	uint32_t alarms = sl_canary_alarms(pool);
	const char *between = "";

	sl_text_append_string(text, "{\"pool\":");
	sl_text_append_json_string(text, pool->name);
	sl_text_printf(text,
		       ",\"runs\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"running\":%s,\"holds\":%s,"
		       "\"alarms\":[",
		       pool->ended, pool->results[SL_CANARY_FAILED],
		       pool->running ? "true" : "false", alarms ? "true" : "false");
	for (int cause = 0; cause < SL_CANARY_CAUSES; cause++) {
		if (!(alarms >> cause & 1))
			continue;
		sl_text_printf(text, "%s\"%s\"", between, sl_canary_cause_name(cause));
		between = ",";
	}
	sl_text_append_string(text, "],\"model\":");
	sl_text_append_json_string(text, pool->model);
	sl_text_append_string(text, ",\"fingerprint\":");
	sl_text_append_json_string(text, pool->fingerprint);
	sl_text_printf(text,
		       ",\"latency_ms\":%.1f,\"answers\":%u,\"bad_format\":%u,\"refusals\":%u,"
		       "\"length_ratio\":%.3f,\"meanings\":%u,\"trouble\":",
		       (double)pool->latency_us / 1000, pool->last.answers, pool->last.bad_format,
		       pool->last.refusals, ratio_of(&pool->last), pool->last.meanings);
	sl_text_append_json_string(text, pool->trouble);
	if (b) {
		sl_text_printf(text,
			       ",\"baseline\":{\"recorded_ms\":%" PRIu64
			       ",\"questions\":%u,\"answers\":%u,\"model\":",
			       b->recorded_ms, b->count, b->base.answers);
		sl_text_append_json_string(text, b->model);
		sl_text_append_string(text, ",\"sums\":{");
		for (int cause = 0; cause < SL_DRIFT_CAUSES; cause++)
			sl_text_printf(text, "%s\"%s\":%.2f", cause ? "," : "",
				       sl_canary_cause_name(cause), b->drift.sums[cause]);
		sl_text_append_string(text, "}}");
	}
	sl_text_append_char(text, '}');
}

static void show_text(const struct sl_canary_pool *pool, struct sl_text *text)
{
	const struct sl_baseline *b = pool->baseline;
	uint32_t alarms = sl_canary_alarms(pool);
	char when[SL_CLOCK_ISO_SIZE];
	const char *between = " ";

	sl_text_printf(text, "pool %s: %s", pool->name,
		       !b	? "no baseline (sluice canary record)"
		       : alarms ? "CHANGED:"
				: "as recorded");
	for (int cause = 0; cause < SL_CANARY_CAUSES; cause++) {
		if (!(alarms >> cause & 1))
			continue;
		sl_text_printf(text, "%s%s", between, sl_canary_cause_name(cause));
		between = ", ";
	}
	sl_text_append_char(text, '\n');
	if (b) {
		sl_clock_format_iso(b->recorded_ms, when);
		sl_text_printf(text, "  baseline  %s model=%s questions=%u answers=%u\n", when,
			       b->model, b->count, b->base.answers);
	}
	if (pool->last_ms) {
		sl_clock_format_iso(pool->last_ms, when);
		sl_text_printf(text,
			       "  last run  %s model=%s fingerprint=%s answers=%u bad_format=%u "
			       "refusals=%u length=%.2fx latency_ms=%.1f\n",
			       when, pool->model, pool->fingerprint, pool->last.answers,
			       pool->last.bad_format, pool->last.refusals, ratio_of(&pool->last),
			       (double)pool->latency_us / 1000);
	}
	if (pool->trouble[0])
		sl_text_printf(text, "  not answered: %s\n", pool->trouble);
	for (int cause = 0; cause < SL_DRIFT_CAUSES && b; cause++)
		sl_text_printf(text, "  %-8s sum=%.2f of %.0f%s\n", sl_canary_cause_name(cause),
			       b->drift.sums[cause], SL_DRIFT_ALARM,
			       b->drift.alarms[cause] ? " ALARM" : "");
}

static void show(struct sl_canary *canary, const char *name, bool json, struct sl_text *text)
{
	bool first = true;

	sl_text_append_string(text, json ? "{\"pools\":[" : "");
	for (struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		if (name && strcmp(pool->name, name) != 0)
			continue;
		sl_text_append_string(text, json && !first ? "," : "");
		first = false;
		if (json)
			show_json(pool, text);
		else
			show_text(pool, text);
	}
	sl_text_append_string(text, json    ? "]}\n"
				    : first ? "no pool has canary questions (pools.NAME.canary)\n"
					    : "");
	if (!json)
		sl_names_show_changed(sl_canary_identities(canary), name, text);
}

/* For `sluice status`: nothing while all is well. */
static void show_changed(const struct sl_canary *canary, struct sl_text *text)
{
	sl_names_show_changed(sl_canary_identities(canary), NULL, text);
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		uint32_t alarms = sl_canary_alarms(pool);
		const char *between = " ";

		if (!alarms)
			continue;
		sl_text_printf(text, "pool %s: the model has changed:", pool->name);
		for (int cause = 0; cause < SL_CANARY_CAUSES; cause++) {
			if (!(alarms >> cause & 1))
				continue;
			sl_text_printf(text, "%s%s", between, sl_canary_cause_name(cause));
			between = ", ";
		}
		sl_text_printf(text, " (sluice canary show %s)\n", pool->name);
	}
}

/* ---- words ----------------------------------------------------------------------------------- */

static void act(struct sl_canary_pool *pool, const char *word, struct sl_text *text)
{
	enum sl_canary_deed deed = !strcmp(word, "record")   ? SL_CANARY_DEED_RECORD
				   : !strcmp(word, "accept") ? SL_CANARY_DEED_ACCEPT
							     : SL_CANARY_DEED_RUN;

	if (!strcmp(word, "ended")) {
		sl_text_printf(text, "%" PRIu64 "\n", pool->ended);
	} else if (deed == SL_CANARY_DEED_RUN && strcmp(word, "run") != 0) {
		sl_text_printf(text, "!expected show, run POOL, record POOL or accept POOL");
	} else if (pool->running || pool->asked) {
		sl_text_printf(text,
			       "!pool \"%s\": its questions are being asked; again when they are",
			       pool->name);
	} else {
		if (deed == SL_CANARY_DEED_ACCEPT)
			sl_identities_accept(sl_canary_identities(pool->canary), pool->name);
		sl_canary_begin(pool, deed);
		sl_text_printf(text, "%" PRIu64 "\n", pool->ended + 1);
	}
}

/* Of a pool that has no questions there are the names alone. */
static void act_unasked(struct sl_canary *canary, const char *word, const char *name,
			struct sl_text *text)
{
	if (strcmp(word, "accept") != 0) {
		sl_text_printf(text, "!no pool \"%.64s\" has canary questions (pools.NAME.canary)",
			       name);
	} else if (!sl_config_find_pool(canary->routes->config, name)) {
		sl_text_printf(text, "!there is no pool \"%.64s\"", name);
	} else {
		sl_identities_accept(sl_canary_identities(canary), name);
		sl_text_append_string(text, "0\n");
	}
}

/* Words about all pools. */
static void say_all(struct sl_canary *canary, const char *word, struct sl_text *text)
{
	if (!strcmp(word, "changed")) {
		show_changed(canary, text);
	} else if (!strcmp(word, "drift")) {
		sl_names_show_json(canary, sl_canary_identities(canary), canary->stores->drift,
				   canary->routes, text);
		sl_text_append_char(text, '\n');
	} else {
		sl_text_append_string(
			text, "!expected show [POOL], run POOL, record POOL or accept POOL");
	}
}

void sl_canary_say(struct sl_canary *canary, char *words, struct sl_text *text)
{
	char *split[WORDS_MAX] = {NULL}, *rest = NULL;
	struct sl_canary_pool *pool;
	uint32_t count = 0;

	for (char *word = strtok_r(words, " ", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		split[count++] = word;
	pool = canary && count == 3 ? find(canary, split[2]) : NULL;
	if (!canary)
		sl_text_append_string(text, "!the daemon asks no canary questions: no memory");
	else if (count == 3 && !pool)
		act_unasked(canary, split[1], split[2], text);
	else if (count >= 2 && !strcmp(split[1], "show"))
		show(canary, split[2], !strcmp(split[0], "json"), text);
	else if (pool)
		act(pool, split[1], text);
	else
		say_all(canary, count == 2 ? split[1] : "", text);
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void put_label(struct sl_text *text, const char *name, const struct sl_canary_pool *pool)
{
	sl_text_printf(text, "%s{pool=\"", name);
	sl_text_append_json(text, pool->name, strlen(pool->name));
	sl_text_append_char(text, '"');
}

static void write_alarms(const struct sl_canary *canary, struct sl_text *text)
{
	sl_text_append_string(text,
			      "# HELP sluice_model_drift 1 while the pool's model answers its "
			      "canary questions otherwise than recorded, by what is different.\n"
			      "# TYPE sluice_model_drift gauge\n");
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		for (int cause = 0; cause < SL_CANARY_CAUSES && pool->baseline; cause++) {
			put_label(text, "sluice_model_drift", pool);
			sl_text_printf(text, ",cause=\"%s\"} %u\n", sl_canary_cause_name(cause),
				       sl_canary_alarms(pool) >> cause & 1);
		}
	}
	sl_text_append_string(text,
			      "# HELP sluice_model_drift_sum Evidence for it; 12 is an alarm.\n"
			      "# TYPE sluice_model_drift_sum gauge\n");
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		for (int cause = 0; cause < SL_DRIFT_CAUSES && pool->baseline; cause++) {
			put_label(text, "sluice_model_drift_sum", pool);
			sl_text_printf(text, ",cause=\"%s\"} %.3f\n", sl_canary_cause_name(cause),
				       pool->baseline->drift.sums[cause]);
		}
	}
}

static void write_runs(const struct sl_canary *canary, struct sl_text *text)
{
	static const char *const results[SL_CANARY_RESULTS] = {"good", "recorded", "failed",
							       "skipped"};

	sl_text_append_string(text, "# HELP sluice_canary_runs_total Runs of a pool's canary "
				    "questions.\n# TYPE sluice_canary_runs_total counter\n");
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		for (int result = 0; result < SL_CANARY_RESULTS; result++) {
			put_label(text, "sluice_canary_runs_total", pool);
			sl_text_printf(text, ",result=\"%s\"} %" PRIu64 "\n", results[result],
				       pool->results[result]);
		}
	}
	sl_text_append_string(text, "# HELP sluice_canary_questions_total Canary questions asked.\n"
				    "# TYPE sluice_canary_questions_total counter\n");
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		put_label(text, "sluice_canary_questions_total", pool);
		sl_text_printf(text, ",result=\"answered\"} %" PRIu64 "\n", pool->answered);
		put_label(text, "sluice_canary_questions_total", pool);
		sl_text_printf(text, ",result=\"failed\"} %" PRIu64 "\n", pool->unanswered);
	}
	sl_text_append_string(text,
			      "# HELP sluice_canary_latency_seconds Mean time of the answers of "
			      "the last run.\n# TYPE sluice_canary_latency_seconds gauge\n");
	for (const struct sl_canary_pool *pool = canary->pools; pool; pool = pool->next) {
		put_label(text, "sluice_canary_latency_seconds", pool);
		sl_text_printf(text, "} %.6f\n", (double)pool->latency_us / 1e6);
	}
}

void sl_canary_write_metrics(struct sl_canary *canary, struct sl_text *text)
{
	if (!canary)
		return;
	pthread_mutex_lock(&canary->lock);
	if (canary->pools) {
		write_alarms(canary, text);
		write_runs(canary, text);
	}
	pthread_mutex_unlock(&canary->lock);
}
