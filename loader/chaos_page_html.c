/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of a game day as one HTML page. */
#include <stdio.h>
#include "loader/chaos_page_parts.h"

#define DEEDS_OF_TABLE 3u

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

/* The colour of an outcome; one that nobody expected anything of is none. */
static const char *class_of(const struct sl_chaos_step *step)
{
	if (sl_chaos_page_is_bad(step))
		return "broken";
	return step->result.verdict == SL_CHAOS_HELD ? "held" : "unknown";
}

static void put_badge(struct sl_text *text, const struct sl_chaos_step *step)
{
	sl_text_printf(text, "<span class=\"badge %s\">%s</span>", class_of(step),
		       sl_chaos_page_outcome(step));
}

/* ---- one experiment -------------------------------------------------------------------------- */

static void put_conditions(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_conditions *conditions = &step->plan.hypothesis;
	char value[SL_CHAOS_PAGE_CELL];

	if (!conditions->count)
		return;
	sl_text_append_string(text,
			      "<table><tr><th>hypothesis</th><th>measured</th><th></th></tr>");
	for (uint32_t i = 0; i < conditions->count; i++) {
		const char *verdict = sl_chaos_page_verdict(&conditions->list[i], &step->result);

		sl_text_append_string(text, "<tr><td>");
		put_html(text, conditions->list[i].text);
		sl_text_printf(
			text, "</td><td>%s</td><td class=\"%s\">%s</td></tr>",
			sl_chaos_measured_text(&conditions->list[i], &step->result.measure, value),
			verdict, verdict);
	}
	sl_text_append_string(text, "</table>\n");
}

static void put_rows(const struct sl_chaos_result *result, struct sl_text *text)
{
	struct sl_chaos_page_row rows[SL_CHAOS_PAGE_ROWS];

	sl_chaos_page_rows(result, rows);
	sl_text_append_string(text, "<table><tr><th></th><th>before</th><th>meanwhile</th></tr>");
	for (uint32_t i = 0; i < SL_CHAOS_PAGE_ROWS; i++)
		sl_text_printf(text, "<tr><td>%s</td><td>%s</td><td>%s</td></tr>", rows[i].what,
			       rows[i].before, rows[i].meanwhile);
	sl_text_append_string(text, "</table>\n");
}

static void put_facts(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	char room[SL_CHAOS_PAGE_CELL];
	struct sl_text words;

	sl_text_init(&words, 0);
	sl_chaos_page_done(step, &words);
	sl_text_append_string(text, "<dl><dt>done</dt><dd>");
	put_html(text, sl_text_string(&words));
	sl_text_printf(text, "</dd><dt>detected</dt><dd>%s</dd>",
		       sl_chaos_page_detection(result, room));
	sl_text_printf(text,
		       "<dt>recovered</dt><dd>%s</dd><dt>breakers</dt><dd>%u open at most, "
		       "%llu probes</dd>",
		       sl_chaos_page_recovery(result, room), result->measure.open_max,
		       (unsigned long long)result->measure.probes);
	sl_text_reset(&words);
	sl_chaos_page_deeds(result, SL_CHAOS_DEEDS_MAX, &words);
	sl_text_append_string(text, "<dt>sluice did</dt><dd>");
	put_html(text, sl_text_string(&words));
	sl_text_append_string(text, "</dd></dl>\n");
	sl_text_fini(&words);
}

static void put_step(const struct sl_chaos_day *day, uint32_t index, struct sl_text *text)
{
	const struct sl_chaos_step *step = &day->steps[index];

	sl_text_printf(text, "<section id=\"e%u\"><h2>", index + 1);
	put_html(text, sl_chaos_page_title(step));
	sl_text_append_char(text, ' ');
	put_badge(text, step);
	sl_text_append_string(text, "</h2>\n");
	if (step->words.about) {
		sl_text_append_string(text, "<p>");
		put_html(text, step->words.about);
		sl_text_append_string(text, "</p>\n");
	}
	if (!step->done) {
		sl_text_append_string(text, "<p>The command said why.</p></section>\n");
		return;
	}
	put_facts(step, text);
	sl_text_append_string(text, "<div class=\"pair\">");
	put_conditions(step, text);
	put_rows(&step->result, text);
	sl_text_append_string(text, "</div>\n");
	sl_chaos_plot(&step->result, text);
	sl_text_append_string(text, "</section>\n");
}

/* ---- the page -------------------------------------------------------------------------------- */

static const char page_head[] =
	"<meta charset=\"utf-8\"><meta name=\"viewport\" "
	"content=\"width=device-width,initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
	"'unsafe-inline'\">\n<style>\n"
	":root{color-scheme:light "
	"dark;--ok:light-dark(#187a3c,#5ed58a);--bad:light-dark(#b3261e,#ff8a80);"
	"--so:light-dark(#7a5c00,#e6c34a);--line:light-dark(#d5d9de,#3a4048);"
	"--card:light-dark(#f6f8fa,#1c2128);--dim:light-dark(#57606a,#9aa4af)}\n"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}"
	"h1{margin-bottom:.2rem}h2{font-size:1.2rem;margin:0 0 .4rem}"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
	"td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);"
	"vertical-align:top}th{color:var(--dim);font-weight:600;font-size:.85rem}"
	".wide{overflow-x:auto}.n{text-align:right}.w{white-space:nowrap}section{margin-top:2rem;"
	"padding:1rem 1.2rem;"
	"border:1px solid var(--line);border-radius:.6rem;break-inside:avoid}"
	".sum{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}.sum div{background:var(--card);"
	"border-radius:.6rem;padding:.6rem 1rem;min-width:7rem}.sum "
	"b{display:block;font-size:1.6rem;"
	"line-height:1.2}.sum span,.axis,figcaption{color:var(--dim);font-size:.8rem}\n"
	".badge{font-size:.8rem;font-weight:600;padding:.1rem .6rem;border-radius:1rem;"
	"border:1px solid;white-space:nowrap}.held{color:var(--ok)}.broken{color:var(--bad)}"
	".unknown{color:var(--so)}a{color:inherit}dl{display:grid;grid-template-columns:max-"
	"content "
	"1fr;gap:.1rem 1rem;margin:.6rem "
	"0}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}\n"
	".pair,.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,1fr));gap:"
	"1rem "
	"1.5rem;align-items:start}figure{margin:.6rem 0 0}figcaption{display:flex;gap:.6rem;"
	"align-items:center}figcaption b{color:CanvasText}.top{margin-left:auto}"
	"svg{width:100%;height:5.2rem;background:var(--card);border-radius:.3rem}"
	".on{fill:#f80;fill-opacity:.16}polyline{fill:none;stroke-width:2;"
	"vector-effect:non-scaling-stroke}.l0{stroke:#2b7de0}.l1{stroke:#d9480f}"
	"figcaption i{width:.8rem;height:.2rem;display:inline-block}.k0{background:#2b7de0}"
	".k1{background:#d9480f}.axis{display:flex;justify-content:space-between;margin:0}\n</"
	"style>\n";

static void put_card(struct sl_text *text, uint64_t number, const char *what, const char *class)
{
	sl_text_printf(text, "<div><b class=\"%s\">%llu</b><span>%s</span></div>", class,
		       (unsigned long long)number, what);
}

static void put_cards(const struct sl_chaos_day *day, struct sl_text *text)
{
	uint64_t requests = 0, errors = 0;
	uint32_t bad = sl_chaos_page_count_bad(day), held = 0;

	for (uint32_t i = 0; i < day->count; i++) {
		requests += day->steps[i].result.measure.requests;
		errors += day->steps[i].result.measure.errors;
		held += day->steps[i].done && day->steps[i].result.verdict == SL_CHAOS_HELD &&
			!sl_chaos_page_is_bad(&day->steps[i]);
	}
	sl_text_append_string(text, "<div class=\"sum\">");
	put_card(text, day->count, "experiments", "");
	put_card(text, held, "held", "held");
	put_card(text, bad, "not as hoped", bad ? "broken" : "");
	put_card(text, requests, "requests meanwhile", "");
	put_card(text, errors, "failed for clients", "");
	sl_text_append_string(text, "</div>\n");
}

static void put_summary_row(const struct sl_chaos_day *day, uint32_t index, struct sl_text *text)
{
	const struct sl_chaos_step *step = &day->steps[index];
	const struct sl_chaos_result *result = &step->result;
	char room[SL_CHAOS_PAGE_CELL];
	struct sl_text deeds;

	sl_text_printf(text, "<tr><td><a href=\"#e%u\">", index + 1);
	put_html(text, sl_chaos_page_title(step));
	sl_text_append_string(text, "</a></td><td>");
	put_badge(text, step);
	if (!step->done) {
		sl_text_append_string(text,
				      "</td><td></td><td></td><td></td><td></td><td></td></tr>\n");
		return;
	}
	sl_text_printf(
		text,
		"</td><td class=\"n\">%llu</td><td class=\"n\">%llu</td><td class=\"w\">%s</td>",
		(unsigned long long)result->measure.requests,
		(unsigned long long)result->measure.errors, sl_chaos_page_detection(result, room));
	sl_text_printf(text, "<td class=\"w\">%s</td><td>", sl_chaos_page_recovery(result, room));
	sl_text_init(&deeds, 0);
	sl_chaos_page_deeds(result, DEEDS_OF_TABLE, &deeds);
	put_html(text, sl_text_string(&deeds));
	sl_text_fini(&deeds);
	sl_text_append_string(text, "</td></tr>\n");
}

void sl_chaos_page_html(const struct sl_chaos_day *day, struct sl_text *text)
{
	char at[64];

	sl_text_append_string(text, "<!doctype html>\n<html lang=\"en\"><head>\n");
	sl_text_append_string(text, page_head);
	sl_text_append_string(text, "<title>");
	put_html(text, day->name);
	sl_text_append_string(text, "</title></head><body>\n<h1>");
	put_html(text, day->name);
	sl_text_printf(text, "</h1>\n<p>%s. Shaded in the figures: while the experiment ran.</p>\n",
		       sl_chaos_page_when(day, at));
	put_cards(day, text);
	sl_text_append_string(text,
			      "<div class=\"wide\"><table><tr><th>experiment</th><th>outcome"
			      "</th><th class=\"n\">requests</th><th class=\"n\">failed</th><th>"
			      "detected</th><th>recovered</th><th>sluice did</th></tr>\n");
	for (uint32_t i = 0; i < day->count; i++)
		put_summary_row(day, i, text);
	sl_text_append_string(text, "</table></div>\n");
	for (uint32_t i = 0; i < day->count; i++)
		put_step(day, i, text);
	sl_text_append_string(text, "</body></html>\n");
}
