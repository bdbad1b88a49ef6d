/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/quality/eval_report.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "user/wire/json_scan.h"

static const char *const outcome_names[SL_EVAL_OUTCOMES] = {"unsure", "passed", "failed"};

double sl_eval_case_score(const struct sl_eval_case *of)
{
	return of->repeat ? (double)of->passed / of->repeat : 0;
}

enum sl_eval_outcome sl_eval_case_outcome(const struct sl_eval_case *of)
{
	double wanted = of->threshold * of->repeat - 1e-9; /* 0.7 of 10 is 7 */

	if (of->passed >= wanted)
		return SL_EVAL_CASE_PASSED;
	return of->repeat - of->failed < wanted ? SL_EVAL_CASE_FAILED : SL_EVAL_CASE_UNSURE;
}

/* ---- a baseline ------------------------------------------------------------------------------ */

static struct sl_eval_case *find(struct sl_eval_report *report, const char *name)
{
	for (uint32_t i = 0; i < report->count; i++) {
		if (!strcmp(report->cases[i].name, name))
			return &report->cases[i];
	}
	return NULL;
}

static int take_before(struct sl_eval_report *report, const struct sl_json_field *element)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("name"), SL_JSON_FIELD("score"),
				    SL_JSON_FIELD("outcome")};
	char name[SL_EVAL_REPORT_NAME_BYTES];
	struct sl_eval_case *of;
	double score;

	if (element->type != SL_JSON_OBJECT ||
	    sl_json_scan(element->value, element->value_len, f, 3) ||
	    sl_json_string(&f[0], name, sizeof(name)) < 0 || sl_json_double(&f[1], &score))
		return -EINVAL;
	of = find(report, name);
	if (!of)
		return 0;
	of->is_known = true;
	of->before = score;
	for (int i = 0; i < SL_EVAL_OUTCOMES; i++) {
		if (sl_json_string_equal(&f[2], outcome_names[i], strlen(outcome_names[i])))
			of->before_outcome = (enum sl_eval_outcome)i;
	}
	return 0;
}

int sl_eval_report_compare(struct sl_eval_report *report, struct sl_span json,
			   struct sl_error *error)
{
	struct sl_json_field f = SL_JSON_FIELD("cases"), element;
	const char *cursor = NULL;
	int rc = 0;

	if (sl_json_scan(json.data, json.len, &f, 1) || f.type != SL_JSON_ARRAY)
		rc = -EINVAL;
	while (!rc && sl_json_each(&f, &cursor, &element))
		rc = take_before(report, &element);
	return rc ? sl_error_set(error, rc, "it is no report of sluice eval run") : 0;
}

void sl_eval_report_compare_cases(struct sl_eval_report *report, const struct sl_eval_case *before)
{
	for (uint32_t i = 0; i < report->count; i++) {
		struct sl_eval_case *of = &report->cases[i];

		/* what is not known of the other says nothing of a difference */
		of->is_known = before[i].passed + before[i].failed == before[i].repeat;
		of->before = sl_eval_case_score(&before[i]);
		of->before_outcome = sl_eval_case_outcome(&before[i]);
	}
}

static bool has_changed(const struct sl_eval_case *of)
{
	double change = sl_eval_case_score(of) - of->before;

	return of->is_known && of->passed + of->failed == of->repeat &&
	       (change > 1e-9 || change < -1e-9);
}

/* ---- conclusions ----------------------------------------------------------------------------- */

int sl_eval_report_conclude(struct sl_eval_report *report)
{
	struct sl_paired paired = {0};
	double weights = 0, sum = 0;
	bool worse;

	for (uint32_t i = 0; i < report->count; i++) {
		const struct sl_eval_case *of = &report->cases[i];
		enum sl_eval_outcome outcome = sl_eval_case_outcome(of);
		double score = sl_eval_case_score(of);

		report->outcomes[outcome]++;
		weights += of->weight;
		sum += of->weight * score;
		/* what is not known says nothing of a difference */
		if (!of->is_known || of->passed + of->failed < of->repeat)
			continue;
		report->compared++;
		sl_paired_add(&paired, of->weight, score - of->before);
		report->worse += score < of->before - 1e-9;
		report->better += score > of->before + 1e-9;
		report->newly_failed +=
			outcome == SL_EVAL_CASE_FAILED && of->before_outcome == SL_EVAL_CASE_PASSED;
	}
	report->score = weights > 0 ? sum / weights : 0;
	report->p = sl_paired_worse(report->worse, report->better);
	report->gain = sl_paired_difference(&paired);
	worse = report->baseline ? report->p < SL_EVAL_REPORT_ALPHA ||
					   (!report->paired && report->newly_failed)
				 : report->outcomes[SL_EVAL_CASE_FAILED] > 0;
	report->exit_code = worse ? 1 : report->outcomes[SL_EVAL_CASE_UNSURE] ? 2 : 0;
	return report->exit_code;
}

static const char *verdict_of(const struct sl_eval_report *report)
{
	static const char *const verdicts[] = {"passed", "failed", "unsure"};

	return report->exit_code == 1 && report->baseline ? "regression"
							  : verdicts[report->exit_code];
}

/* ---- JSON and text ---------------------------------------------------------------------------- */

static void put_string(struct sl_text *out, const char *name, const char *value)
{
	sl_text_printf(out, ",\"%s\":", name);
	sl_text_append_json_string(out, value ? value : "");
}

static void put_comparison_json(const struct sl_eval_report *report, struct sl_text *out)
{
	bool any = false;

	sl_text_printf(out,
		       ",\"worse\":%u,\"better\":%u,\"newly_failed\":%u,\"p\":%.6g,\"compared\":%u"
		       ",\"difference\":{\"mean\":%.6f,\"low\":%.6f,\"high\":%.6f},\"changed\":[",
		       report->worse, report->better, report->newly_failed, report->p,
		       report->compared, report->gain.mean, report->gain.low, report->gain.high);
	for (uint32_t i = 0; i < report->count; i++) {
		if (!has_changed(&report->cases[i]))
			continue;
		sl_text_append_string(out, any ? "," : "");
		sl_text_append_json_string(out, report->cases[i].name);
		any = true;
	}
	sl_text_append_char(out, ']');
}

void sl_eval_report_json(const struct sl_eval_report *report, struct sl_text *out)
{
	sl_text_printf(out, "{\"verdict\":\"%s\"", verdict_of(report));
	put_string(out, "suite", report->suite);
	put_string(out, "against", report->against);
	put_string(out, "model", report->model);
	put_string(out, "prompt", report->prompt);
	put_string(out, "baseline", report->baseline);
	sl_text_printf(
		out,
		",\"at_ms\":%" PRIu64 ",\"score\":%.6f,\"passed\":%u,\"failed\":%u,\"unsure\":%u",
		report->wall_ms, report->score, report->outcomes[SL_EVAL_CASE_PASSED],
		report->outcomes[SL_EVAL_CASE_FAILED], report->outcomes[SL_EVAL_CASE_UNSURE]);
	if (report->baseline)
		put_comparison_json(report, out);
	sl_text_append_string(out, ",\"cases\":[");
	for (uint32_t i = 0; i < report->count; i++) {
		const struct sl_eval_case *of = &report->cases[i];

		sl_text_append_string(out, i ? ",{\"name\":" : "{\"name\":");
		sl_text_append_json_string(out, of->name);
		sl_text_printf(out,
			       ",\"outcome\":\"%s\",\"score\":%.6f,\"weight\":%g,\"threshold\":%g"
			       ",\"repeat\":%u,\"passed\":%u,\"failed\":%u,\"ms\":%" PRIu64,
			       outcome_names[sl_eval_case_outcome(of)], sl_eval_case_score(of),
			       of->weight, of->threshold, of->repeat, of->passed, of->failed,
			       of->ms);
		if (of->is_known)
			sl_text_printf(out, ",\"before\":%.6f", of->before);
		put_string(out, "why", of->why);
		sl_text_append_char(out, '}');
	}
	sl_text_append_string(out, "]}\n");
}

static void put_comparison(const struct sl_eval_report *report, struct sl_text *out)
{
	sl_text_printf(out,
		       ": %u worse, %u better, %u newly failed; chance of that without a "
		       "difference: %.3g",
		       report->worse, report->better, report->newly_failed, report->p);
	sl_text_printf(out, "; score %+.1f points (%+.1f to %+.1f) in %u cases",
		       100 * report->gain.mean, 100 * report->gain.low, 100 * report->gain.high,
		       report->compared);
}

void sl_eval_report_text(const struct sl_eval_report *report, struct sl_text *out)
{
	sl_text_printf(out,
		       "%s  %s by %s at %s%s%s: %u passed, %u failed, %u unsure; score %.1f %%\n",
		       verdict_of(report), report->suite, report->model, report->against,
		       report->prompt && report->prompt[0] ? ", prompt " : "",
		       report->prompt ? report->prompt : "", report->outcomes[SL_EVAL_CASE_PASSED],
		       report->outcomes[SL_EVAL_CASE_FAILED], report->outcomes[SL_EVAL_CASE_UNSURE],
		       100 * report->score);
	if (report->baseline) {
		sl_text_printf(out, "against %s", report->baseline);
		put_comparison(report, out);
		sl_text_append_char(out, '\n');
	}
	for (uint32_t i = 0; i < report->count; i++) {
		const struct sl_eval_case *of = &report->cases[i];

		sl_text_printf(out, "  %s  %s (%u of %u, %" PRIu64 " ms)",
			       outcome_names[sl_eval_case_outcome(of)], of->name, of->passed,
			       of->repeat, of->ms / (of->repeat ? of->repeat : 1));
		if (has_changed(of))
			sl_text_printf(out, ", before %.0f %%", 100 * of->before);
		sl_text_append_char(out, '\n');
		if (of->why[0])
			sl_text_printf(out, "          %s\n", of->why);
	}
}

/* ---- HTML ------------------------------------------------------------------------------------- */

static void put_html(struct sl_text *out, const char *text)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '<':
			sl_text_append_string(out, "&lt;");
			break;
		case '>':
			sl_text_append_string(out, "&gt;");
			break;
		case '&':
			sl_text_append_string(out, "&amp;");
			break;
		case '"':
			sl_text_append_string(out, "&quot;");
			break;
		default:
			sl_text_append_char(out, *text);
		}
	}
}

static const char page_head[] =
	"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n<title>";
static const char page_style[] =
	"</title>\n<style>\n:root{color-scheme:light "
	"dark;--ink:#1b1f24;--dim:#57606a;--line:#d0d7de;--good:#1a7f37;--bad:#cf222e;--odd:#"
	"9a6700;--"
	"back:#fff;--row:#f6f8fa}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#3d444d;--good:"
	"#"
	"3fb950;--bad:#ff7b72;--odd:#d29922;--back:#0d1117;--row:#151b23}}\n"
	"body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);max-width:"
	"70rem;margin:2rem auto;padding:0 1rem}\n"
	"h1{font-size:1.5rem;margin:0}p{margin:.3rem 0;color:var(--dim)}"
	".big{font-size:2.2rem;font-weight:700;margin:1rem 0 0}\n"
	".passed{color:var(--good)}.failed,.regression{color:var(--bad)}.unsure{color:var(--odd)}\n"
	".bar{display:flex;height:.8rem;border-radius:.4rem;overflow:hidden;margin:.8rem 0 "
	"1.5rem}.bar span{background:currentColor}\n"
	"table{border-collapse:collapse;width:100%}th{text-align:left;color:var(--dim);font-weight:"
	"600}"
	"th,td{padding:.45rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}\n"
	"td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tr:nth-child("
	"even) "
	"td{background:var(--row)}\n"
	".why{color:var(--dim);font-size:.9rem;overflow-wrap:anywhere}\n</style></head><body>\n";

static void put_bar(const struct sl_eval_report *report, struct sl_text *out)
{
	static const enum sl_eval_outcome order[] = {SL_EVAL_CASE_PASSED, SL_EVAL_CASE_FAILED,
						     SL_EVAL_CASE_UNSURE};

	sl_text_append_string(out, "<div class=\"bar\" aria-hidden=\"true\">");
	for (int i = 0; i < SL_EVAL_OUTCOMES; i++)
		sl_text_printf(out, "<span class=\"%s\" style=\"flex:%u\"></span>",
			       outcome_names[order[i]], report->outcomes[order[i]]);
	sl_text_append_string(out, "</div>\n");
}

static void put_row(const struct sl_eval_report *report, const struct sl_eval_case *of,
		    struct sl_text *out)
{
	const char *outcome = outcome_names[sl_eval_case_outcome(of)];

	sl_text_printf(out, "<tr><td class=\"%s\">%s</td><td>", outcome, outcome);
	put_html(out, of->name);
	if (of->why[0]) {
		sl_text_append_string(out, "<div class=\"why\">");
		put_html(out, of->why);
		sl_text_append_string(out, "</div>");
	}
	sl_text_printf(out, "</td><td class=\"n\">%u of %u</td><td class=\"n\">%g</td>", of->passed,
		       of->repeat, of->weight);
	if (report->baseline && of->is_known)
		sl_text_printf(out, "<td class=\"n %s\">%.0f %%</td>",
			       sl_eval_case_score(of) < of->before - 1e-9   ? "failed"
			       : sl_eval_case_score(of) > of->before + 1e-9 ? "passed"
									    : "",
			       100 * of->before);
	else if (report->baseline)
		sl_text_append_string(out, "<td class=\"n\">new</td>");
	sl_text_printf(out, "<td class=\"n\">%" PRIu64 " ms</td></tr>\n",
		       of->ms / (of->repeat ? of->repeat : 1));
}

void sl_eval_report_html(const struct sl_eval_report *report, struct sl_text *out)
{
	const char *verdict = verdict_of(report);

	sl_text_append_string(out, page_head);
	put_html(out, report->suite);
	sl_text_printf(out, ": %s", verdict);
	sl_text_append_string(out, page_style);
	sl_text_append_string(out, "<h1>");
	put_html(out, report->suite);
	sl_text_append_string(out, "</h1>\n<p>");
	put_html(out, report->model);
	sl_text_append_string(out, " at ");
	put_html(out, report->against);
	if (report->prompt && report->prompt[0]) {
		sl_text_append_string(out, ", prompt ");
		put_html(out, report->prompt);
	}
	sl_text_printf(
		out,
		"</p>\n<p class=\"big %s\">%s, %.1f %%</p>\n<p>%u passed, %u failed, %u unsure",
		verdict, verdict, 100 * report->score, report->outcomes[SL_EVAL_CASE_PASSED],
		report->outcomes[SL_EVAL_CASE_FAILED], report->outcomes[SL_EVAL_CASE_UNSURE]);
	sl_text_append_string(out, "</p>\n");
	if (report->baseline) {
		sl_text_append_string(out, "<p>against ");
		put_html(out, report->baseline);
		put_comparison(report, out);
		sl_text_append_string(out, "</p>\n");
	}
	put_bar(report, out);
	sl_text_printf(
		out,
		"<table><thead><tr><th>outcome</th><th>case</th><th>held</th><th>weight</th>%s"
		"<th>time</th></tr></thead><tbody>\n",
		report->baseline ? "<th>before</th>" : "");
	for (uint32_t i = 0; i < report->count; i++)
		put_row(report, &report->cases[i], out);
	sl_text_append_string(out, "</tbody></table>\n</body></html>\n");
}
