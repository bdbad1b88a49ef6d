/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_say.h"

#include <math.h>
#include <stdio.h>

/* ---- words --------------------------------------------------------------------------------- */

static void say_conditions(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &result->plan->hypothesis;

	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct sl_chaos_condition *condition = &conditions->list[i];
		char value[32];

		sl_text_printf(text, "  %-8s %s (%s)\n",
			       sl_chaos_verdict_name(
				       sl_chaos_condition_judge(condition, &result->measure)),
			       condition->text,
			       sl_chaos_measured_text(condition, &result->measure, value));
	}
}

static void say_deeds(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &result->measure;

	if (!measure->deed_count && !measure->opens)
		return;
	sl_text_append_string(text, "  did     ");
	if (measure->detected)
		sl_text_printf(text, " first after %.1f s:", measure->detection_s);
	sl_text_printf(text, " %llu breakers opened", (unsigned long long)measure->opens);
	for (uint32_t i = 0; i < measure->deed_count; i++)
		sl_text_printf(text, ", %s %llu", measure->deeds[i].name,
			       (unsigned long long)measure->deeds[i].count);
	sl_text_append_char(text, '\n');
}

/* One line for the daemon, which keeps it. */
void sl_chaos_say_verdict(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &result->plan->hypothesis;

	sl_text_printf(text, "%s: %s after %.1f s", result->plan->title,
		       sl_chaos_ending_name(result->ending), result->ran_s);
	if (conditions->count)
		sl_text_printf(text, ", hypothesis %s", sl_chaos_verdict_name(result->verdict));
	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct sl_chaos_condition *condition = &conditions->list[i];
		char value[32];

		sl_text_printf(text, "%s %s (%s)", i ? "," : ":", condition->text,
			       sl_chaos_measured_text(condition, &result->measure, value));
	}
}

void sl_chaos_say_text(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &result->measure;
	double p99_s;

	sl_text_printf(text, "%s: %s after %.1f s%s%s\n", result->plan->title,
		       sl_chaos_ending_name(result->ending), result->ran_s,
		       result->why[0] ? ": " : "", result->why);
	if (result->plan->word->level != SL_CHAOS_COMMANDS)
		sl_text_printf(text, "  hit      %llu of %llu %s, %u nodes\n",
			       (unsigned long long)result->hits, (unsigned long long)result->seen,
			       result->plan->word->level == SL_CHAOS_PACKETS ? "packets"
									     : "attempts",
			       result->aim.count);
	if (result->plan->word->kind == SL_CHAOS_LAG)
		sl_text_printf(
			text,
			"  lag      %.4g ms, give or take %.4g; %llu late, %llu sent at once "
			"for want of room, %llu lost\n",
			(double)result->lag.delay_us / 1e3, (double)result->lag.jitter_us / 1e3,
			(unsigned long long)result->lag.late,
			(unsigned long long)result->lag.overflow,
			(unsigned long long)result->lag.lost);
	sl_text_printf(text, "  clients  %llu requests, %llu errors",
		       (unsigned long long)measure->requests, (unsigned long long)measure->errors);
	if (sl_chaos_percentile(measure->ttft, 99, &p99_s))
		sl_text_printf(text, ", p99 first byte %.3g s", p99_s);
	if (measure->daemon_lost)
		sl_text_append_string(text, "; then the daemon was gone, or started anew");
	sl_text_printf(text, "\n  nodes    %u open at most, ", measure->open_max);
	if (measure->recovered)
		sl_text_printf(text, "all used again after %.1f s\n", measure->recovery_s);
	else
		sl_text_printf(text, "not all used again after %.1f s\n", measure->recovery_s);
	say_deeds(result, text);
	if (result->plan->hypothesis.count) {
		sl_text_printf(text, "hypothesis %s\n", sl_chaos_verdict_name(result->verdict));
		say_conditions(result, text);
	}
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, "\"%s\": ", name);
	sl_text_append_json_string(text, value);
	sl_text_append_string(text, ", ");
}

static void put_conditions(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &result->plan->hypothesis;

	sl_text_append_string(text, "\"conditions\": [");
	for (uint32_t i = 0; i < conditions->count; i++) {
		const struct sl_chaos_condition *condition = &conditions->list[i];
		double value;

		sl_text_append_string(text, i ? ", {" : "{");
		put_string(text, "condition", condition->text);
		put_string(text, "verdict",
			   sl_chaos_verdict_name(
				   sl_chaos_condition_judge(condition, &result->measure)));
		if (sl_chaos_condition_value(condition, &result->measure, &value) && !isinf(value))
			sl_text_printf(text, "\"value\": %.9g}", value);
		else
			sl_text_append_string(text, "\"value\": null}");
	}
	sl_text_append_string(text, "], ");
}

static void put_lag(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_lag *lag = &result->lag;

	if (result->plan->word->kind != SL_CHAOS_LAG)
		return;
	sl_text_printf(text,
		       "\"lag\": {\"delay_us\": %llu, \"jitter_us\": %llu, \"held\": %llu, "
		       "\"late\": %llu, \"overflow\": %llu, \"lost\": %llu}, ",
		       (unsigned long long)lag->delay_us, (unsigned long long)lag->jitter_us,
		       (unsigned long long)lag->held, (unsigned long long)lag->late,
		       (unsigned long long)lag->overflow, (unsigned long long)lag->lost);
}

/* What was usual, what sluice did about it, and when. */
static void put_doings(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &result->measure;
	const struct sl_chaos_steady *steady = &result->steady;

	sl_text_printf(
		text,
		"\"before\": {\"s\": %.3f, \"requests\": %llu, \"errors\": %llu, "
		"\"p50_ttft_s\": %.6g, \"p99_ttft_s\": %.6g}, \"opens\": %llu, \"probes\": %llu, ",
		steady->for_s, (unsigned long long)steady->requests,
		(unsigned long long)steady->errors, steady->p50_s, steady->p99_s,
		(unsigned long long)measure->opens, (unsigned long long)measure->probes);
	if (measure->detected)
		sl_text_printf(text, "\"detection_s\": %.3f, ", measure->detection_s);
	sl_text_append_string(text, "\"did\": {");
	for (uint32_t i = 0; i < measure->deed_count; i++) {
		sl_text_append_string(text, i ? ", " : "");
		sl_text_append_json_string(text, measure->deeds[i].name);
		sl_text_printf(text, ": %llu", (unsigned long long)measure->deeds[i].count);
	}
	sl_text_append_string(text, "}, ");
}

static void put_samples(const struct sl_chaos_result *result, struct sl_text *text)
{
	sl_text_append_string(text, "\"samples\": [");
	for (uint32_t i = 0; i < result->sample_count; i++) {
		const struct sl_chaos_sample *sample = &result->samples[i];

		sl_text_printf(
			text,
			"%s{\"s\": %.3f, \"hits\": %llu, \"requests\": %llu, "
			"\"errors\": %llu, \"open\": %u, \"half_open\": %u, \"p50_s\": %.6g, "
			"\"p99_s\": %.6g}",
			i ? ", " : "", sample->at_s, (unsigned long long)sample->hits,
			(unsigned long long)sample->requests, (unsigned long long)sample->errors,
			sample->open, sample->half_open, sample->p50_s, sample->p99_s);
	}
	sl_text_append_string(text, "]");
}

void sl_chaos_say_json(const struct sl_chaos_result *result, struct sl_text *text)
{
	static const char *const levels[] = {
		[SL_CHAOS_PACKETS] = "packet",
		[SL_CHAOS_REQUESTS] = "request",
		[SL_CHAOS_COMMANDS] = "command",
	};
	const struct sl_chaos_measure *measure = &result->measure;
	double p99_s;

	sl_text_append_char(text, '{');
	put_string(text, "title", result->plan->title);
	put_string(text, "kind", result->plan->word->name);
	put_string(text, "aimed_at", result->plan->aimed_at);
	put_string(text, "level", levels[result->plan->word->level]);
	sl_text_printf(text, "\"nodes\": %u, \"share\": %.6g, \"began\": %llu, \"ran_s\": %.3f, ",
		       result->aim.count, (double)result->plan->share / SL_CHAOS_ALL,
		       (unsigned long long)result->wall_s, result->ran_s);
	put_string(text, "ending", sl_chaos_ending_name(result->ending));
	put_string(text, "why", result->why);
	sl_text_printf(text,
		       "\"seen\": %llu, \"hits\": %llu, \"requests\": %llu, \"errors\": %llu, "
		       "\"open_max\": %u, \"recovered\": %s, \"recovery_s\": %.3f, ",
		       (unsigned long long)result->seen, (unsigned long long)result->hits,
		       (unsigned long long)measure->requests, (unsigned long long)measure->errors,
		       measure->open_max, measure->recovered ? "true" : "false",
		       measure->recovery_s);
	if (sl_chaos_percentile(measure->ttft, 99, &p99_s))
		sl_text_printf(text, "\"p99_ttft_s\": %.6g, ", p99_s);
	sl_text_printf(text, "\"daemon_lost\": %s, ", measure->daemon_lost ? "true" : "false");
	put_string(text, "verdict", sl_chaos_verdict_name(result->verdict));
	put_lag(result, text);
	put_doings(result, text);
	put_conditions(result, text);
	put_samples(result, text);
	sl_text_append_string(text, "}\n");
}
