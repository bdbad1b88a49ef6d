/* SPDX-License-Identifier: BSD-2-Clause */
/* What is told of evaluation: `sluice eval status`, /metrics. */
#include <inttypes.h>
#include <string.h>
#include "user/ops/eval_parts.h"

const char *sl_eval_measure_name(enum sl_eval_measure measure)
{
	static const char *const names[SL_EVAL_MEASURES] = {"format", "grounded", "relevant",
							    "judged", "any"};

	return names[measure];
}

const char *sl_eval_silence_name(enum sl_eval_silence silence)
{
	static const char *const names[SL_EVAL_SILENCES] = {"budget", "busy", "fuse", "failed",
							    "words"};

	return names[silence];
}

static const char *route_name(const struct sl_eval_part *part, uint32_t number)
{
	const char *name =
		number < part->place.names->count ? part->place.names->names[number] : NULL;

	return name ? name : "";
}

static const char *pool_name(const struct sl_eval_part *part, uint8_t pool)
{
	return pool ? part->place.state.pools[pool].name : "kept";
}

/* ---- text and JSON ----------------------------------------------------------------------------- */

static void put_rate(const struct sl_rate *rate, const char *measure, bool json, bool first,
		     struct sl_text *text)
{
	struct sl_interval interval = sl_rate_interval(rate);

	if (json)
		sl_text_printf(text,
			       "%s{\"measure\":\"%s\",\"answers\":%" PRIu64 ",\"bad\":%" PRIu64
			       ",\"bad_share\":%.6f,\"low\":%.6f,\"high\":%.6f}",
			       first ? "" : ",", measure, rate->count, rate->bad_count,
			       sl_rate_share(rate), interval.low, interval.high);
	else
		sl_text_printf(text,
			       "  %-9s %8" PRIu64 " looked at, %5.1f %% bad (%.1f to %.1f %%)\n",
			       measure, rate->count, 100 * sl_rate_share(rate), 100 * interval.low,
			       100 * interval.high);
}

static void put_rates(const struct sl_rate of[SL_EVAL_MEASURES], bool json, struct sl_text *text)
{
	bool first = true;

	for (int measure = 0; measure < SL_EVAL_MEASURES; measure++) {
		if (!of[measure].count)
			continue;
		put_rate(&of[measure], sl_eval_measure_name((enum sl_eval_measure)measure), json,
			 first, text);
		first = false;
	}
}

static void put_head(const struct sl_eval_part *part, uint32_t number, const char *model, bool json,
		     struct sl_text *text)
{
	if (!json) {
		sl_text_printf(text, "route %s%s%s\n", route_name(part, number),
			       model ? ", model " : "", model ? model : "");
		return;
	}
	sl_text_append_string(text, "{\"route\":");
	sl_text_append_json_string(text, route_name(part, number));
	sl_text_append_string(text, ",\"model\":");
	if (model)
		sl_text_append_json_string(text, model);
	else
		sl_text_append_string(text, "null");
	if (!model)
		sl_text_printf(text, ",\"poor\":%s,\"steer_share\":%.4f",
			       part->of_routes[number].poor ? "true" : "false",
			       part->of_routes[number].steer.share / (double)SL_STEER_ONE);
	sl_text_append_string(text, ",\"measures\":[");
}

static void put_all(const struct sl_eval_part *part, bool json, struct sl_text *text)
{
	bool first = true;
	uint32_t r, i;

	for (r = 0; r < SL_EVAL_ROUTES_MAX; r++) {
		const struct sl_eval_route *of = &part->of_routes[r];

		if (!of->of[SL_EVAL_ANY].count)
			continue;
		if (json && !first)
			sl_text_append_char(text, ',');
		first = false;
		put_head(part, r, NULL, json, text);
		put_rates(of->of, json, text);
		if (!json && of->steer.share)
			sl_text_printf(text,
				       "  %.1f %% of its requests ask its second pool first\n",
				       of->steer.share / 100.0);
		if (!json && of->poor)
			sl_text_append_string(text,
					      "  too many are bad (routes[].evaluate.poor)\n");
		sl_text_append_string(text, json ? "]}" : "");
		for (i = 0; i < part->group_count; i++) {
			const struct sl_eval_group *group = &part->groups[i];

			if (group->number != r)
				continue;
			sl_text_append_string(text, json ? "," : "");
			put_head(part, r, pool_name(part, group->pool), json, text);
			put_rates(group->of, json, text);
			sl_text_append_string(text, json ? "]}" : "");
		}
	}
	if (!json && first)
		sl_text_append_string(text, part->on ? "no answer has been looked at yet\n"
						     : "no answers are looked at "
						       "(routes[].evaluate.sample)\n");
}

static void put_counts(const struct sl_eval_part *part, bool json, struct sl_text *text)
{
	int i;

	if (json)
		sl_text_printf(text,
			       "],\"looked\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"waiting\":%u"
			       ",\"judge\":{\"answers\":%" PRIu64 ",\"tokens\":%" PRIu64
			       ",\"blown\":%u,\"spent\":{\"minute\":%s,\"day\":%s},\"silent\":{",
			       part->looked, part->failed, sl_evals_waiting(part->evals),
			       part->judge_answers, part->judge_tokens, part->blown,
			       part->spent[SL_ALLOWANCE_MINUTE] ? "true" : "false",
			       part->spent[SL_ALLOWANCE_DAY] ? "true" : "false");
	else
		sl_text_printf(text,
			       "%" PRIu64 " looked at, %" PRIu64
			       " could not be, %u wait; judges: %" PRIu64 " answers, %" PRIu64
			       " tokens%s%s; silent:",
			       part->looked, part->failed, sl_evals_waiting(part->evals),
			       part->judge_answers, part->judge_tokens,
			       part->blown ? ", left alone for a while" : "",
			       part->spent[SL_ALLOWANCE_DAY]	  ? ", the day's are used up"
			       : part->spent[SL_ALLOWANCE_MINUTE] ? ", the minute's are used up"
								  : "");
	for (i = 0; i < SL_EVAL_SILENCES; i++)
		sl_text_printf(text, json ? "%s\"%s\":%" PRIu64 : "%s %s=%" PRIu64,
			       json && i ? "," : "", sl_eval_silence_name((enum sl_eval_silence)i),
			       part->silences[i]);
	sl_text_append_string(text, json ? "}},\"dropped\":{" : "\ndropped:");
	for (i = 0; i < SL_EVAL_DROPS; i++)
		sl_text_printf(text, json ? "%s\"%s\":%" PRIu64 : "%s %s=%" PRIu64,
			       json && i ? "," : "", sl_eval_drop_name((enum sl_eval_drop)i),
			       sl_evals_dropped(part->evals, (enum sl_eval_drop)i));
	sl_text_append_string(text, json ? "}}\n" : "\n");
}

void sl_eval_say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_eval_part *part = owner;
	char *rest = NULL;
	const char *format = strtok_r(ask->words, " ", &rest);
	const char *verb = strtok_r(NULL, " ", &rest);
	bool json = format && !strcmp(format, "json");

	if (!verb || strcmp(verb, "status") != 0) {
		sl_text_append_string(text, "!expected status\n");
		return;
	}
	pthread_mutex_lock(&part->lock);
	sl_text_append_string(text, json ? "{\"evaluations\":[" : "");
	put_all(part, json, text);
	put_counts(part, json, text);
	pthread_mutex_unlock(&part->lock);
}

/* ---- metrics ----------------------------------------------------------------------------------- */

static void put_labels(const struct sl_eval_part *part, const char *family,
		       const struct sl_eval_group *group, struct sl_text *text)
{
	sl_text_printf(text, "%s{route=", family);
	sl_text_append_json_string(text, route_name(part, group->number));
	sl_text_append_string(text, ",model=");
	sl_text_append_json_string(text, pool_name(part, group->pool));
}

static void put_answers(const struct sl_eval_part *part, struct sl_text *text)
{
	static const char family[] = "sluice_eval_answers_total";

	sl_text_append_string(text,
			      "# HELP sluice_eval_answers_total Answers that were looked at, by "
			      "what was looked for and found.\n"
			      "# TYPE sluice_eval_answers_total counter\n");
	for (uint32_t i = 0; i < part->group_count; i++) {
		for (int m = 0; m < SL_EVAL_MEASURES; m++) {
			const struct sl_rate *rate = &part->groups[i].of[m];
			const char *name = sl_eval_measure_name((enum sl_eval_measure)m);

			if (!rate->count)
				continue;
			put_labels(part, family, &part->groups[i], text);
			sl_text_printf(text, ",measure=\"%s\",verdict=\"bad\"} %" PRIu64 "\n", name,
				       rate->bad_count);
			put_labels(part, family, &part->groups[i], text);
			sl_text_printf(text, ",measure=\"%s\",verdict=\"good\"} %" PRIu64 "\n",
				       name, rate->count - rate->bad_count);
		}
	}
}

/* which: 0 the share itself, 1 and 2 the ends of its interval. */
static void put_shares(const struct sl_eval_part *part, const char *family, const char *help,
		       int which, struct sl_text *text)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", family, help, family);
	for (uint32_t i = 0; i < part->group_count; i++) {
		for (int m = 0; m < SL_EVAL_MEASURES; m++) {
			const struct sl_rate *rate = &part->groups[i].of[m];
			struct sl_interval interval = sl_rate_interval(rate);

			if (!rate->count)
				continue;
			put_labels(part, family, &part->groups[i], text);
			sl_text_printf(text, ",measure=\"%s\"} %.6f\n",
				       sl_eval_measure_name((enum sl_eval_measure)m),
				       which == 0   ? sl_rate_share(rate)
				       : which == 1 ? interval.low
						    : interval.high);
		}
	}
}

static void put_hallucinations(const struct sl_eval_part *part, struct sl_text *text)
{
	static const char family[] = "sluice_hallucination_ratio";

	sl_text_append_string(text,
			      "# HELP sluice_hallucination_ratio Share of answers that say what "
			      "their context does not; bound: the interval of 95 %.\n"
			      "# TYPE sluice_hallucination_ratio gauge\n");
	for (uint32_t i = 0; i < part->group_count; i++) {
		const struct sl_rate *rate = &part->groups[i].of[SL_EVAL_GROUNDED];
		struct sl_interval interval = sl_rate_interval(rate);
		const struct {
			const char *bound;
			double value;
		} rows[] = {{"mean", sl_rate_share(rate)},
			    {"low", interval.low},
			    {"high", interval.high}};

		for (size_t k = 0; rate->count && k < 3; k++) {
			put_labels(part, family, &part->groups[i], text);
			sl_text_printf(text, ",bound=\"%s\"} %.6f\n", rows[k].bound, rows[k].value);
		}
	}
}

static void put_single(struct sl_text *text, const char *name, const char *type, const char *help,
		       uint64_t value)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n%s %" PRIu64 "\n", name, help, name, type,
		       name, value);
}

static void put_reasons(const struct sl_eval_part *part, struct sl_text *text)
{
	int i;

	sl_text_append_string(text,
			      "# HELP sluice_eval_dropped_total Answers that were to be looked "
			      "at and were not, by reason.\n"
			      "# TYPE sluice_eval_dropped_total counter\n");
	for (i = 0; i < SL_EVAL_DROPS; i++)
		sl_text_printf(text, "sluice_eval_dropped_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_eval_drop_name((enum sl_eval_drop)i),
			       sl_evals_dropped(part->evals, (enum sl_eval_drop)i));
	sl_text_printf(text, "sluice_eval_dropped_total{reason=\"failed\"} %" PRIu64 "\n",
		       part->failed);
	sl_text_append_string(text, "# HELP sluice_eval_judge_silent_total Times that a judge said "
				    "nothing, by reason.\n"
				    "# TYPE sluice_eval_judge_silent_total counter\n");
	for (i = 0; i < SL_EVAL_SILENCES; i++)
		sl_text_printf(text, "sluice_eval_judge_silent_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_eval_silence_name((enum sl_eval_silence)i), part->silences[i]);
}

static void put_spent(const struct sl_eval_part *part, struct sl_text *text)
{
	static const char *const names[SL_ALLOWANCE_PERIODS] = {"minute", "day"};

	sl_text_append_string(text, "# HELP sluice_eval_budget_spent 1 while answers are looked at "
				    "without a judge, for its tokens of that period are used up.\n"
				    "# TYPE sluice_eval_budget_spent gauge\n");
	for (int i = 0; i < SL_ALLOWANCE_PERIODS; i++)
		sl_text_printf(text, "sluice_eval_budget_spent{period=\"%s\"} %d\n", names[i],
			       part->spent[i]);
}

static void put_steer(const struct sl_eval_part *part, struct sl_text *text)
{
	sl_text_append_string(text,
			      "# HELP sluice_eval_steer_share Share of a route's requests that ask "
			      "its second pool first, by the quality of answers.\n"
			      "# TYPE sluice_eval_steer_share gauge\n");
	for (uint32_t r = 0; r < SL_EVAL_ROUTES_MAX; r++) {
		if (!part->of_routes[r].steer.share)
			continue;
		sl_text_append_string(text, "sluice_eval_steer_share{route=");
		sl_text_append_json_string(text, route_name(part, r));
		sl_text_printf(text, "} %.4f\n",
			       part->of_routes[r].steer.share / (double)SL_STEER_ONE);
	}
}

void sl_eval_write_metrics(void *owner, struct sl_text *text)
{
	struct sl_eval_part *part = owner;

	if (!part->on)
		return;
	pthread_mutex_lock(&part->lock);
	if (part->group_count) {
		put_answers(part, text);
		put_shares(part, "sluice_eval_bad_ratio",
			   "Share of answers that are bad, weighted.", 0, text);
		put_shares(part, "sluice_eval_bad_ratio_low", "Lower end of its interval of 95 %.",
			   1, text);
		put_shares(part, "sluice_eval_bad_ratio_high", "Upper end of its interval of 95 %.",
			   2, text);
		put_hallucinations(part, text);
	}
	put_reasons(part, text);
	put_spent(part, text);
	put_steer(part, text);
	put_single(text, "sluice_eval_waiting", "gauge", "Answers that wait to be looked at.",
		   sl_evals_waiting(part->evals));
	put_single(text, "sluice_eval_judge_answers_total", "counter", "Verdicts of judges.",
		   part->judge_answers);
	put_single(text, "sluice_eval_judge_tokens_total", "counter",
		   "Tokens that judges have used.", part->judge_tokens);
	put_single(text, "sluice_eval_judges_blown", "gauge",
		   "Judges that are left alone for a while, for they were not useful.",
		   part->blown);
	pthread_mutex_unlock(&part->lock);
}
