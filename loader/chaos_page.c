/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_page_parts.h"

#include <stdio.h>
#include <string.h>

#define DEEDS_OF_TABLE 2u

/* ---- words of both ------------------------------------------------------------------------- */

const char *sl_chaos_page_title(const struct sl_chaos_step *step)
{
	return step->planned	   ? step->plan.title
	       : step->words.title ? step->words.title
				   : step->words.kind;
}

const char *sl_chaos_page_outcome(const struct sl_chaos_step *step)
{
	if (!step->done)
		return "did not begin";
	if (step->result.ending != SL_CHAOS_RAN && step->result.ending != SL_CHAOS_SPENT)
		return sl_chaos_ending_name(step->result.ending);
	return step->plan.hypothesis.count ? sl_chaos_verdict_name(step->result.verdict) : "ran";
}

bool sl_chaos_page_is_bad(const struct sl_chaos_step *step)
{
	return !step->done || step->result.ending == SL_CHAOS_ABORTED ||
	       step->result.verdict == SL_CHAOS_BROKEN;
}

uint32_t sl_chaos_page_count_bad(const struct sl_chaos_day *day)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < day->count; i++)
		bad += sl_chaos_page_is_bad(&day->steps[i]);
	return bad;
}

const char *sl_chaos_page_verdict(const struct sl_chaos_condition *condition,
				  const struct sl_chaos_result *result)
{
	return sl_chaos_verdict_name(sl_chaos_condition_judge(condition, &result->measure));
}

const char *sl_chaos_page_seconds(double seconds, char out[SL_CHAOS_PAGE_CELL])
{
	if (seconds <= 0)
		return "-";
	if (seconds < 0.01)
		snprintf(out, SL_CHAOS_PAGE_CELL, "%.1f ms", seconds * 1000);
	else if (seconds < 1)
		snprintf(out, SL_CHAOS_PAGE_CELL, "%.0f ms", seconds * 1000);
	else
		snprintf(out, SL_CHAOS_PAGE_CELL, "%.1f s", seconds);
	return out;
}

const char *sl_chaos_page_detection(const struct sl_chaos_result *result,
				    char out[SL_CHAOS_PAGE_CELL])
{
	return result->measure.detected ? sl_chaos_page_seconds(result->measure.detection_s, out)
					: "not needed";
}

const char *sl_chaos_page_recovery(const struct sl_chaos_result *result,
				   char out[SL_CHAOS_PAGE_CELL])
{
	if (result->measure.recovered && result->measure.recovery_s < 0.1)
		return "at once";
	snprintf(out, SL_CHAOS_PAGE_CELL,
		 result->measure.recovered ? "%.1f s" : "not within %.1f s",
		 result->measure.recovery_s);
	return out;
}

/* The index of what was done most and is not told yet; deed_count: all is. */
static uint32_t next_deed(const struct sl_chaos_measure *measure,
			  const bool told[SL_CHAOS_DEEDS_MAX])
{
	uint32_t best = measure->deed_count;

	for (uint32_t i = 0; i < measure->deed_count; i++) {
		if (!told[i] && (best == measure->deed_count ||
				 measure->deeds[i].count > measure->deeds[best].count))
			best = i;
	}
	return best;
}

void sl_chaos_page_deeds(const struct sl_chaos_result *result, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &result->measure;
	bool told[SL_CHAOS_DEEDS_MAX] = {false};
	uint32_t count = 0, best;

	if (measure->opens) {
		sl_text_printf(text, "breaker opened %llu", (unsigned long long)measure->opens);
		count++;
	}
	while ((best = next_deed(measure, told)) < measure->deed_count) {
		told[best] = true;
		sl_text_printf(text, "%s%s %llu", count++ ? ", " : "", measure->deeds[best].name,
			       (unsigned long long)measure->deeds[best].count);
	}
	if (!count)
		sl_text_append_string(text, "nothing");
}

/* A deed in the words of who does not run sluice. */
static void put_deed(const struct sl_chaos_deed *deed, struct sl_text *text)
{
	static const struct {
		const char *name, *words;
	} words[] = {
		{"retries", "tried again elsewhere"},
		{"fallbacks", "answered by the pool behind"},
		{"resumed", "streams went on elsewhere"},
		{"hedges", "asked of a second node too"},
		{"shed", "refused for overload"},
		{"cached", "answered from the cache"},
	};
	char count[SL_CHAOS_PAGE_CELL];

	sl_chaos_page_count(deed->count, count);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(words[i].name, deed->name)) {
			sl_text_printf(text, "%s %s", count, words[i].words);
			return;
		}
	}
	sl_text_printf(text, "%s by the step %s", count, deed->name);
}

void sl_chaos_page_answered(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &step->result.measure;
	bool told[SL_CHAOS_DEEDS_MAX] = {false};
	uint32_t count = 0, best;

	for (; count < DEEDS_OF_TABLE; count++) {
		best = next_deed(measure, told);
		if (best == measure->deed_count)
			break;
		told[best] = true;
		sl_text_append_string(text, count ? "; " : "");
		put_deed(&measure->deeds[best], text);
	}
	if (!count)
		sl_text_append_string(text, measure->opens ? "left the node alone" : "nothing");
}

/* Without the folder that it is in. */
static const char *command_of(const struct sl_chaos_step *step)
{
	const char *words = step->words.begin, *end = words + strcspn(words, " ");

	for (const char *at = words; at < end; at++) {
		if (*at == '/')
			words = at + 1;
	}
	return words;
}

void sl_chaos_page_done(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	enum sl_chaos_level level = step->plan.word->level;

	if (level == SL_CHAOS_COMMANDS) {
		sl_text_printf(text, "%s, for %.1f s", command_of(step), result->ran_s);
		return;
	}
	sl_text_printf(text, "%s, %s: %llu of %llu %s", step->plan.word->name, step->plan.aimed_at,
		       (unsigned long long)result->hits, (unsigned long long)result->seen,
		       level == SL_CHAOS_PACKETS ? "packets" : "attempts");
	if (result->aim.count)
		sl_text_printf(text, " at %u node%s", result->aim.count,
			       result->aim.count == 1 ? "" : "s");
	sl_text_printf(text, ", for %.1f s", result->ran_s);
}

static void put_rate(char out[SL_CHAOS_PAGE_CELL], uint64_t count, double for_s)
{
	if (for_s > 0)
		snprintf(out, SL_CHAOS_PAGE_CELL, "%.1f", (double)count / for_s);
	else
		snprintf(out, SL_CHAOS_PAGE_CELL, "-");
}

static void put_failed(char out[SL_CHAOS_PAGE_CELL], uint64_t errors, uint64_t requests)
{
	if (requests)
		snprintf(out, SL_CHAOS_PAGE_CELL, "%llu (%.2f%%)", (unsigned long long)errors,
			 (double)errors * 100 / (double)requests);
	else
		snprintf(out, SL_CHAOS_PAGE_CELL, "-");
}

static void put_seconds(char out[SL_CHAOS_PAGE_CELL], double seconds)
{
	char room[SL_CHAOS_PAGE_CELL];

	snprintf(out, SL_CHAOS_PAGE_CELL, "%s", sl_chaos_page_seconds(seconds, room));
}

void sl_chaos_page_rows(const struct sl_chaos_result *result,
			struct sl_chaos_page_row rows[SL_CHAOS_PAGE_ROWS])
{
	const struct sl_chaos_steady *steady = &result->steady;
	const struct sl_chaos_measure *measure = &result->measure;
	double p50_s = 0, p99_s = 0;

	if (!sl_chaos_percentile(measure->ttft, 50, &p50_s) ||
	    !sl_chaos_percentile(measure->ttft, 99, &p99_s))
		p50_s = p99_s = 0;
	rows[0].what = "requests a second";
	put_rate(rows[0].before, steady->requests, steady->for_s);
	put_rate(rows[0].meanwhile, measure->requests, result->ran_s + measure->recovery_s);
	rows[1].what = "failed for the client";
	put_failed(rows[1].before, steady->errors, steady->requests);
	put_failed(rows[1].meanwhile, measure->errors, measure->requests);
	rows[2].what = "first token, median";
	put_seconds(rows[2].before, steady->p50_s);
	put_seconds(rows[2].meanwhile, p50_s);
	rows[3].what = "first token, 99th percentile";
	put_seconds(rows[3].before, steady->p99_s);
	put_seconds(rows[3].meanwhile, p99_s);
}

/* ---- Markdown ------------------------------------------------------------------------------ */

/* In a cell of a table, where a bar or a line's end would break it. */
static void put_cell(struct sl_text *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '|' || *value == '\\' || *value == '<' || *value == '`')
			sl_text_append_char(text, '\\');
		sl_text_append_char(text, *value == '\n' ? ' ' : *value);
	}
}

/* What a writer of words puts there, as a cell. */
static void put_done(struct sl_text *text, const struct sl_chaos_step *step)
{
	struct sl_text done;

	sl_text_init(&done, 0);
	sl_chaos_page_done(step, &done);
	put_cell(text, sl_text_string(&done));
	sl_text_fini(&done);
}

static void put_conditions(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &step->plan.hypothesis;
	char value[SL_CHAOS_PAGE_CELL];

	if (!conditions->count)
		return;
	sl_text_append_string(text, "\n| claimed | measured | verdict |\n|---|---|---|\n");
	for (uint32_t i = 0; i < conditions->count; i++) {
		sl_text_append_string(text, "| ");
		put_cell(text, conditions->list[i].text);
		sl_text_printf(
			text, " | %s | %s |\n",
			sl_chaos_measured_text(&conditions->list[i], &step->result.measure, value),
			sl_chaos_page_verdict(&conditions->list[i], &step->result));
	}
}

static void put_rows(const struct sl_chaos_result *result, struct sl_text *text)
{
	struct sl_chaos_page_row rows[SL_CHAOS_PAGE_ROWS];

	sl_chaos_page_rows(result, rows);
	sl_text_append_string(text, "\n| | before | meanwhile |\n|---|---|---|\n");
	for (uint32_t i = 0; i < SL_CHAOS_PAGE_ROWS; i++)
		sl_text_printf(text, "| %s | %s | %s |\n", rows[i].what, rows[i].before,
			       rows[i].meanwhile);
}

static void put_step(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	char room[SL_CHAOS_PAGE_CELL];

	sl_text_append_string(text, "\n## ");
	put_cell(text, sl_chaos_page_title(step));
	sl_text_printf(text, "\n\n**%s**. ", sl_chaos_page_outcome(step));
	if (step->words.about)
		put_cell(text, step->words.about);
	if (!step->done) {
		sl_text_append_string(text, " The command said why.\n");
		return;
	}
	sl_text_append_string(text, "\n\n- Done: ");
	put_done(text, step);
	sl_text_printf(text, ".\n- Noticed after: %s.", sl_chaos_page_detection(result, room));
	sl_text_printf(text,
		       "\n- Whole again after: %s.\n- Breakers: %u open at most, %llu probes.",
		       sl_chaos_page_recovery(result, room), result->measure.open_max,
		       (unsigned long long)result->measure.probes);
	sl_text_append_string(text, "\n- sluice did: ");
	sl_chaos_page_deeds(result, text);
	sl_text_append_string(text, ".\n");
	put_conditions(step, text);
	put_rows(result, text);
	sl_chaos_plot_text(result, text);
}

/* As text of a cell: what `words` appends. */
static void put_step_cell(const struct sl_chaos_step *step,
			  void (*words)(const struct sl_chaos_step *, struct sl_text *),
			  struct sl_text *text)
{
	struct sl_text cell;

	sl_text_init(&cell, 0);
	words(step, &cell);
	sl_text_append_string(text, " | ");
	put_cell(text, sl_text_string(&cell));
	sl_text_fini(&cell);
}

static void put_summary(const struct sl_chaos_day *day, struct sl_text *text)
{
	char room[SL_CHAOS_PAGE_CELL];

	sl_text_append_string(text, "| what was broken | outcome | what clients saw | first token, "
				    "99 % | noticed after | whole again after | sluice did |\n"
				    "|---|---|---|---|---|---|---|\n");
	for (uint32_t i = 0; i < day->count; i++) {
		const struct sl_chaos_step *step = &day->steps[i];

		sl_text_append_string(text, "| ");
		put_cell(text, sl_chaos_page_title(step));
		sl_text_printf(text, " | %s", sl_chaos_page_outcome(step));
		if (!step->done) {
			sl_text_append_string(text, " | | | | | |\n");
			continue;
		}
		put_step_cell(step, sl_chaos_page_seen, text);
		put_step_cell(step, sl_chaos_page_slower, text);
		sl_text_printf(text, " | %s", sl_chaos_page_detection(&step->result, room));
		sl_text_printf(text, " | %s", sl_chaos_page_recovery(&step->result, room));
		put_step_cell(step, sl_chaos_page_answered, text);
		sl_text_append_string(text, " |\n");
	}
}

static void put_head(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
		     struct sl_text *text)
{
	struct sl_text words;

	sl_text_init(&words, 0);
	sl_chaos_page_sentence(day, sums, &words);
	sl_text_append_string(text, "# ");
	put_cell(text, day->name);
	sl_text_append_string(text, "\n\n**");
	put_cell(text, sl_text_string(&words));
	sl_text_append_string(text, "**\n\n");
	sl_text_reset(&words);
	sl_chaos_page_when_where(day, &words);
	put_cell(text, sl_text_string(&words));
	sl_text_append_char(text, '.');
	if (day->about) {
		sl_text_append_char(text, ' ');
		put_cell(text, day->about);
	}
	sl_text_append_string(text, "\n\n");
	sl_text_fini(&words);
}

static void put_limits(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
		       struct sl_text *text)
{
	struct sl_text words;

	sl_text_init(&words, 0);
	sl_text_append_string(text, "\n**What this day does not show**\n\n");
	for (uint32_t i = 0; sl_chaos_page_limit(day, sums, i, &words); i++) {
		sl_text_append_string(text, "- ");
		put_cell(text, sl_text_string(&words));
		sl_text_append_char(text, '\n');
		sl_text_reset(&words);
	}
	sl_text_append_string(text, "\n**The words**\n\n");
	for (uint32_t i = 0; i < SL_CHAOS_PAGE_TERMS; i++)
		sl_text_printf(text, "- %s: %s.\n", sl_chaos_page_terms[i].term,
			       sl_chaos_page_terms[i].meaning);
	sl_text_fini(&words);
}

static void put_facts(const struct sl_chaos_day *day, struct sl_text *text)
{
	struct sl_text words;
	const char *name;

	sl_text_init(&words, 0);
	sl_text_append_string(text, "\n**Where and when**\n\n| | |\n|---|---|\n");
	for (uint32_t i = 0; (name = sl_chaos_page_fact(day, i, &words)); i++) {
		sl_text_printf(text, "| %s | ", name);
		put_cell(text, sl_text_string(&words));
		sl_text_append_string(text, " |\n");
		sl_text_reset(&words);
	}
	sl_text_fini(&words);
}

void sl_chaos_page_markdown(const struct sl_chaos_day *day, struct sl_text *text)
{
	struct sl_chaos_page_sums sums;

	sl_chaos_page_sum(day, &sums);
	put_head(day, &sums, text);
	put_summary(day, text);
	put_limits(day, &sums, text);
	for (uint32_t i = 0; i < day->count; i++)
		put_step(&day->steps[i], text);
	put_facts(day, text);
}
