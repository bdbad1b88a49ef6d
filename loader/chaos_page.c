/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_page.h"

#include <stdio.h>
#include <time.h>

#define PLOT_WIDTH  640.0
#define PLOT_HEIGHT 90.0

/* ---- words of both ------------------------------------------------------------------------- */

static const char *title_of(const struct sl_chaos_step *step)
{
	return step->planned	   ? step->plan.title
	       : step->words.title ? step->words.title
				   : step->words.kind;
}

static const char *outcome_of(const struct sl_chaos_step *step)
{
	if (!step->done)
		return "did not begin";
	if (step->result.ending != SL_CHAOS_RAN && step->result.ending != SL_CHAOS_SPENT)
		return sl_chaos_ending_name(step->result.ending);
	return step->plan.hypothesis.count ? sl_chaos_verdict_name(step->result.verdict) : "ran";
}

static bool is_bad(const struct sl_chaos_step *step)
{
	return !step->done || step->result.ending == SL_CHAOS_ABORTED ||
	       step->result.verdict == SL_CHAOS_BROKEN;
}

static uint32_t count_bad(const struct sl_chaos_day *day)
{
	uint32_t bad = 0;

	for (uint32_t i = 0; i < day->count; i++)
		bad += is_bad(&day->steps[i]);
	return bad;
}

static const char *when(const struct sl_chaos_day *day, char out[64])
{
	time_t at = (time_t)day->steps[0].result.wall_s;
	struct tm parts;

	out[0] = '\0';
	if (at && gmtime_r(&at, &parts))
		strftime(out, 64, "%Y-%m-%d %H:%M:%S UTC", &parts);
	return out;
}

/* The measured value of a condition. */
static const char *value_of(const struct sl_chaos_condition *condition,
			    const struct sl_chaos_result *result, char out[32])
{
	double value;

	if (!sl_chaos_condition_value(condition, &result->measure, &value))
		return "not measured";
	return sl_chaos_value_text(condition, value, out);
}

static const char *verdict_of(const struct sl_chaos_condition *condition,
			      const struct sl_chaos_result *result)
{
	return sl_chaos_verdict_name(sl_chaos_condition_judge(condition, &result->measure));
}

static const char *recovery_of(const struct sl_chaos_result *result, char out[32])
{
	snprintf(out, 32, result->measure.recovered ? "%.1f s" : "not within %.1f s",
		 result->measure.recovery_s);
	return out;
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

static void put_markdown_conditions(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &step->plan.hypothesis;
	char value[32];

	if (!conditions->count)
		return;
	sl_text_append_string(text, "\n| claimed | measured | verdict |\n|---|---|---|\n");
	for (uint32_t i = 0; i < conditions->count; i++) {
		sl_text_append_string(text, "| ");
		put_cell(text, conditions->list[i].text);
		sl_text_printf(text, " | %s | %s |\n",
			       value_of(&conditions->list[i], &step->result, value),
			       verdict_of(&conditions->list[i], &step->result));
	}
}

static void put_markdown_step(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	char recovery[32];

	sl_text_append_string(text, "\n## ");
	put_cell(text, title_of(step));
	sl_text_printf(text, "\n\n**%s**", outcome_of(step));
	if (!step->done) {
		sl_text_append_string(text, ". The command said why.\n");
		return;
	}
	sl_text_printf(text, ": %s, ", step->plan.word->name);
	put_cell(text, step->plan.aimed_at);
	sl_text_printf(text,
		       ", %.4g%% of the packets of %u nodes, %.1f s. %llu of %llu packets were "
		       "touched; clients made %llu requests, %llu of them failed; at most %u nodes "
		       "were open, all used again: %s.\n",
		       (double)step->plan.share * 100 / SL_CHAOS_ALL, step->plan.aim.count,
		       result->ran_s, (unsigned long long)result->hits,
		       (unsigned long long)result->seen,
		       (unsigned long long)result->measure.requests,
		       (unsigned long long)result->measure.errors, result->measure.open_max,
		       recovery_of(result, recovery));
	put_markdown_conditions(step, text);
}

void sl_chaos_page_markdown(const struct sl_chaos_day *day, struct sl_text *text)
{
	char at[64];

	sl_text_append_string(text, "# ");
	put_cell(text, day->name);
	sl_text_printf(text, "\n\n%s. %u experiments, %u of them not as hoped.\n\n", when(day, at),
		       day->count, count_bad(day));
	sl_text_append_string(text, "| experiment | outcome |\n|---|---|\n");
	for (uint32_t i = 0; i < day->count; i++) {
		sl_text_append_string(text, "| ");
		put_cell(text, title_of(&day->steps[i]));
		sl_text_printf(text, " | %s |\n", outcome_of(&day->steps[i]));
	}
	for (uint32_t i = 0; i < day->count; i++)
		put_markdown_step(&day->steps[i], text);
}

/* ---- HTML ---------------------------------------------------------------------------------- */

static void put_html(struct sl_text *text, const char *value)
{
	for (; *value; value++) {
		switch (*value) {
		case '<':
			sl_text_append_string(text, "&lt;");
			break;
		case '>':
			sl_text_append_string(text, "&gt;");
			break;
		case '&':
			sl_text_append_string(text, "&amp;");
			break;
		case '"':
			sl_text_append_string(text, "&quot;");
			break;
		default:
			sl_text_append_char(text, *value);
		}
	}
}

enum plotted { PLOT_REQUESTS = 0, PLOT_ERRORS, PLOT_HITS, PLOT_OPEN, PLOTS };

/* What is plotted of a sample: counts a second since the one before, and open nodes as they are. */
static double plotted(const struct sl_chaos_result *result, uint32_t i, enum plotted what)
{
	const struct sl_chaos_sample *now = &result->samples[i];
	const struct sl_chaos_sample *before = &result->samples[i ? i - 1 : 0];
	double time_s = now->at_s - before->at_s;
	uint64_t count = what == PLOT_REQUESTS ? now->requests - before->requests
			 : what == PLOT_ERRORS ? now->errors - before->errors
					       : now->hits - before->hits;

	if (what == PLOT_OPEN)
		return now->open;
	return time_s > 0 ? (double)count / time_s : 0;
}

static void put_plot(const struct sl_chaos_result *result, enum plotted what, struct sl_text *text)
{
	static const char *const names[PLOTS] = {"requests a second", "failed a second",
						 "packets touched a second", "open nodes"};
	double end_s = result->samples[result->sample_count - 1].at_s, most = 0;

	for (uint32_t i = 0; i < result->sample_count; i++) {
		double value = plotted(result, i, what);

		most = value > most ? value : most;
	}
	if (end_s <= 0)
		end_s = 1;
	sl_text_printf(
		text,
		"<figure><figcaption>%s, at most %.4g</figcaption><svg viewBox=\"0 0 %g %g\" "
		"role=\"img\" aria-label=\"%s, at most %.4g\"><rect class=\"on\" x=\"0\" y=\"0\" "
		"width=\"%.1f\" height=\"%g\"/><polyline class=\"p%d\" points=\"",
		names[what], most, PLOT_WIDTH, PLOT_HEIGHT, names[what], most,
		(result->ran_s < end_s ? result->ran_s / end_s : 1) * PLOT_WIDTH, PLOT_HEIGHT,
		(int)what);
	for (uint32_t i = 0; i < result->sample_count; i++)
		sl_text_printf(text, "%.1f,%.1f ", result->samples[i].at_s / end_s * PLOT_WIDTH,
			       PLOT_HEIGHT - 2 -
				       (most > 0 ? plotted(result, i, what) / most : 0) *
					       (PLOT_HEIGHT - 4));
	sl_text_printf(
		text,
		"\"/></svg><p class=\"axis\"><span>0 s</span><span>%.1f s</span></p></figure>\n",
		end_s);
}

static void put_html_conditions(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &step->plan.hypothesis;
	char value[32];

	if (!conditions->count)
		return;
	sl_text_append_string(text,
			      "<table><tr><th>claimed</th><th>measured</th><th>verdict</th></tr>");
	for (uint32_t i = 0; i < conditions->count; i++) {
		const char *verdict = verdict_of(&conditions->list[i], &step->result);

		sl_text_append_string(text, "<tr><td>");
		put_html(text, conditions->list[i].text);
		sl_text_printf(text, "</td><td>%s</td><td class=\"%s\">%s</td></tr>",
			       value_of(&conditions->list[i], &step->result, value), verdict,
			       verdict);
	}
	sl_text_append_string(text, "</table>\n");
}

static void put_html_step(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	char recovery[32];

	sl_text_append_string(text, "<section><h2>");
	put_html(text, title_of(step));
	sl_text_printf(text, " <span class=\"%s\">%s</span></h2>\n",
		       is_bad(step) ? "broken" : "held", outcome_of(step));
	if (!step->done) {
		sl_text_append_string(text, "<p>The command said why.</p></section>\n");
		return;
	}
	sl_text_printf(text, "<p>%s, ", step->plan.word->name);
	put_html(text, step->plan.aimed_at);
	sl_text_printf(
		text,
		": %.4g%% of the packets of %u nodes for %.1f s; the shaded part of the plots. "
		"%llu packets were touched, clients made %llu requests and %llu failed. All nodes "
		"used again: %s.</p>\n",
		(double)step->plan.share * 100 / SL_CHAOS_ALL, step->plan.aim.count, result->ran_s,
		(unsigned long long)result->hits, (unsigned long long)result->measure.requests,
		(unsigned long long)result->measure.errors, recovery_of(result, recovery));
	put_html_conditions(step, text);
	for (int what = 0; result->sample_count && what < PLOTS; what++)
		put_plot(result, (enum plotted)what, text);
	sl_text_append_string(text, "</section>\n");
}

static const char page_head[] =
	"<meta charset=\"utf-8\"><meta name=\"viewport\" "
	"content=\"width=device-width,initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n<style>\n"
	":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;"
	"margin:2rem auto;padding:0 "
	"1rem}table{border-collapse:collapse;width:100%}td,th{text-align:left;"
	"padding:.3rem .6rem;border-bottom:1px solid "
	"#8884}section{margin-top:2.5rem}figure{margin:1rem 0}"
	"svg{width:100%;height:auto;border:1px solid #8886}.on{fill:#f803;}polyline{fill:none;"
	"stroke-width:2;stroke:#2a7}.p1{stroke:#d33}.p2{stroke:#d70}.p3{stroke:#57d}.axis{display:"
	"flex;"
	"justify-content:space-between;margin:0;font-size:.8rem}.held{color:#2a7}.broken{color:#"
	"d33}"
	".unknown{color:#a80}h2 span{font-size:1rem}\n</style>\n";

void sl_chaos_page_html(const struct sl_chaos_day *day, struct sl_text *text)
{
	char at[64];

	sl_text_append_string(text, "<!doctype html>\n<html lang=\"en\"><head>\n");
	sl_text_append_string(text, page_head);
	sl_text_append_string(text, "<title>");
	put_html(text, day->name);
	sl_text_append_string(text, "</title></head><body>\n<h1>");
	put_html(text, day->name);
	sl_text_printf(text, "</h1>\n<p>%s. %u experiments, %u of them not as hoped.</p>\n<table>",
		       when(day, at), day->count, count_bad(day));
	for (uint32_t i = 0; i < day->count; i++) {
		sl_text_append_string(text, "<tr><td>");
		put_html(text, title_of(&day->steps[i]));
		sl_text_printf(text, "</td><td class=\"%s\">%s</td></tr>\n",
			       is_bad(&day->steps[i]) ? "broken" : "held",
			       outcome_of(&day->steps[i]));
	}
	sl_text_append_string(text, "</table>\n");
	for (uint32_t i = 0; i < day->count; i++)
		put_html_step(&day->steps[i], text);
	sl_text_append_string(text, "</body></html>\n");
}
