/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of a game day as one HTML page. */
#include <stdio.h>
#include "loader/chaos_page_parts.h"

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
	sl_text_printf(text, "</dd><dt>noticed after</dt><dd>%s</dd>",
		       sl_chaos_page_detection(result, room));
	sl_text_printf(text,
		       "<dt>whole again after</dt><dd>%s</dd><dt>breakers</dt><dd>%u open at most, "
		       "%llu probes</dd>",
		       sl_chaos_page_recovery(result, room), result->measure.open_max,
		       (unsigned long long)result->measure.probes);
	sl_text_reset(&words);
	sl_chaos_page_deeds(result, &words);
	sl_text_append_string(text, "<dt>sluice did</dt><dd>");
	put_html(text, sl_text_string(&words));
	sl_text_append_string(text, "</dd></dl>\n");
	sl_text_fini(&words);
}

static void put_step(const struct sl_chaos_day *day, uint32_t index, struct sl_text *text)
{
	const struct sl_chaos_step *step = &day->steps[index];

	sl_text_printf(text, "<section id=\"e%u\"><h3>", index + 1);
	put_html(text, sl_chaos_page_title(step));
	sl_text_append_char(text, ' ');
	put_badge(text, step);
	sl_text_append_string(text, "</h3>\n");
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

/* One look for screens, light and dark, for phones, and for paper. */
/* clang-format off */
static const char page_head[] =
	"<meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
	"<style>\n"
	":root{color-scheme:light dark;--ok:light-dark(#187a3c,#5ed58a);--bad:light-dark(#b3261e,#ff8a80);"
	"--so:light-dark(#7a5c00,#e6c34a);--line:light-dark(#d5d9de,#3a4048);--card:light-dark(#f6f8fa,#1c2128);"
	"--dim:light-dark(#57606a,#9aa4af);--a:light-dark(#1f6fd0,#6aa9ff);--b:light-dark(#c2410c,#ff9d66)}\n"
	"body{font:16px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;padding:0 1rem}\n"
	"h1{margin:0 0 .2rem;line-height:1.2}h2{font-size:1.3rem;margin:2.2rem 0 .5rem;break-after:avoid}"
	"h3{font-size:1.1rem;margin:0 0 .4rem;break-after:avoid}a{color:inherit}.dim{color:var(--dim)}\n"
	".verdict{font-size:1.15rem;margin:1rem 0;padding:.8rem 1.1rem;border-left:.4rem solid;border-radius:.4rem;"
	"background:var(--card)}.verdict span{color:CanvasText}\n"
	"table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
	"td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}"
	"th{color:var(--dim);font-weight:600;font-size:.85rem}thead{display:table-header-group}tr{break-inside:avoid}\n"
	".wide{overflow-x:auto}.w{white-space:nowrap}\n"
	"section{margin-top:1.2rem;padding:1rem 1.2rem;border:1px solid var(--line);border-radius:.6rem;"
	"break-inside:avoid}\n"
	".sum{display:grid;grid-template-columns:repeat(auto-fit,minmax(12rem,1fr));gap:.8rem;margin:1rem 0}"
	".sum div{background:var(--card);border-radius:.6rem;padding:.6rem 1rem}"
	".sum b{display:block;font-size:1.7rem;line-height:1.25}"
	".sum span,.axis,.y,figcaption,.note{color:var(--dim);font-size:.8rem}\n"
	".badge{font-size:.8rem;font-weight:600;padding:.1rem .6rem;border-radius:1rem;border:1px solid;"
	"white-space:nowrap}.held{color:var(--ok)}.broken{color:var(--bad)}.unknown{color:var(--so)}\n"
	"dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:.6rem 0}dt{color:var(--dim)}"
	"dd{margin:0;overflow-wrap:anywhere}li{margin:.2rem 0}\n"
	".pair,.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,19rem),1fr));"
	"gap:1rem 1.5rem;align-items:start}figure{margin:.6rem 0 0}"
	"figcaption{display:flex;flex-wrap:wrap;gap:0 .6rem;align-items:center}figcaption b{color:CanvasText}\n"
	".plot{display:grid;grid-template-columns:3.6rem 1fr;gap:0 .4rem}.y{display:flex;flex-direction:column;"
	"justify-content:space-between;text-align:right;line-height:1}svg{width:100%;height:5.2rem;background:var(--card);"
	"border-left:1px solid var(--dim);border-bottom:1px solid var(--dim)}\n"
	".axis{grid-column:2;display:flex;justify-content:space-between;margin:0}"
	".on{fill:#f80;fill-opacity:.16}.grid{stroke:var(--line);vector-effect:non-scaling-stroke}"
	"polyline{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}.l0{stroke:var(--a)}"
	".l1{stroke:var(--b);stroke-dasharray:5 3}figcaption i{width:1rem;border-top:.16rem solid;display:inline-block}"
	".k0{color:var(--a)}.k1{color:var(--b);border-top-style:dashed!important}"
	".shade{display:inline-block;width:1rem;height:.8rem;background:#ff880029;border:1px solid #ff880066}\n"
	"@media(max-width:46rem){body{margin:1rem auto}.day thead{display:none}.day tr{display:grid;padding:.5rem 0;"
	"border-bottom:1px solid var(--line)}.day td{border:0;padding:.1rem 0}.day td[data-of]:before{content:attr(data-of) "
	"\": \";color:var(--dim)}.sum{grid-template-columns:1fr 1fr}dl{grid-template-columns:1fr}section{padding:.8rem}.pair td,.pair th"
	"{padding:.35rem .3rem .35rem 0}}\n"
	"@page{size:A4;margin:14mm}@media print{:root{color-scheme:light}body{font-size:10.5pt;margin:0;padding:0;"
	"max-width:none}.verdict,.sum div,svg,.on{print-color-adjust:exact;-webkit-print-color-adjust:exact}"
	".sum{grid-template-columns:repeat(4,1fr)}.day td,.day th{padding:.2rem .35rem;font-size:8.5pt}"
	".plots,.pair{grid-template-columns:1fr 1fr;gap:.4rem 1.2rem}section{border:0;padding:.5rem 0 0;margin-top:.8rem;"
	"border-top:1px solid var(--line);border-radius:0;font-size:9pt}section td,section th{padding:.1rem .4rem}"
	"svg{height:3.2rem}figure{margin:0}dl{margin:.3rem 0}.engineers{break-before:page}h2{margin-top:1.4rem}}\n"
	"</style>\n";
/* clang-format on */

static void put_card(struct sl_text *text, const char *class, const char *number, const char *what,
		     const char *more)
{
	sl_text_printf(text, "<div><b class=\"%s\">%s</b><span>%s", class, number, what);
	if (more) {
		sl_text_append_string(text, ": ");
		put_html(text, more);
	}
	sl_text_append_string(text, "</span></div>");
}

static void put_cards(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
		      struct sl_text *text)
{
	char number[SL_CHAOS_PAGE_CELL], what[64];

	sl_text_append_string(text, "<div class=\"sum\">");
	snprintf(number, sizeof(number), "%u of %u", sums->held, day->count);
	put_card(text, sums->bad ? "broken" : "held", number, "experiments went as was hoped",
		 NULL);
	snprintf(what, sizeof(what), "of %s requests failed for their clients",
		 sl_chaos_page_count(sums->requests, number));
	put_card(text, sums->errors ? "broken" : "held", sl_chaos_page_count(sums->errors, number),
		 what, NULL);
	put_card(text, "", sl_chaos_page_seconds(sums->detection_s, number),
		 "until the slowest was noticed",
		 sums->detected ? sl_chaos_page_title(sums->detected) : NULL);
	if (sums->recovered && sums->recovery_s < 0.1)
		snprintf(number, sizeof(number), "at once");
	else
		sl_chaos_page_seconds(sums->recovery_s, number);
	put_card(text, "", number, "until all was used again, at most",
		 sums->recovered ? sl_chaos_page_title(sums->recovered) : NULL);
	sl_text_append_string(text, "</div>\n");
}

/* A cell with what `words` says. */
static void put_words(const struct sl_chaos_step *step, const char *of,
		      void (*words)(const struct sl_chaos_step *, struct sl_text *),
		      struct sl_text *text)
{
	struct sl_text cell;

	sl_text_init(&cell, 0);
	words(step, &cell);
	sl_text_printf(text, "<td data-of=\"%s\">", of);
	put_html(text, sl_text_string(&cell));
	sl_text_append_string(text, "</td>");
	sl_text_fini(&cell);
}

static void put_summary_row(const struct sl_chaos_day *day, uint32_t index, struct sl_text *text)
{
	const struct sl_chaos_step *step = &day->steps[index];
	char room[SL_CHAOS_PAGE_CELL];

	sl_text_printf(text, "<tr><td><a href=\"#e%u\">", index + 1);
	put_html(text, sl_chaos_page_title(step));
	sl_text_append_string(text, "</a></td><td>");
	put_badge(text, step);
	sl_text_append_string(text, "</td>");
	if (step->done) {
		put_words(step, "clients saw", sl_chaos_page_seen, text);
		put_words(step, "first token, 99 %", sl_chaos_page_slower, text);
		sl_text_printf(text, "<td class=\"w\" data-of=\"noticed after\">%s</td>",
			       sl_chaos_page_detection(&step->result, room));
		sl_text_printf(text, "<td class=\"w\" data-of=\"whole again after\">%s</td>",
			       sl_chaos_page_recovery(&step->result, room));
		put_words(step, "sluice did", sl_chaos_page_answered, text);
	} else {
		sl_text_append_string(text, "<td colspan=\"5\">the command said why</td>");
	}
	sl_text_append_string(text, "</tr>\n");
}

static void put_summary(const struct sl_chaos_day *day, struct sl_text *text)
{
	sl_text_append_string(
		text, "<h2>What was broken, and what clients saw</h2>\n"
		      "<div class=\"wide\"><table class=\"day\"><thead><tr><th>what was "
		      "broken</th><th>outcome</th><th>what clients saw</th><th>first token, "
		      "99 %</th><th>noticed after</th><th>whole again after</th><th>sluice "
		      "did</th></tr></thead><tbody>\n");
	for (uint32_t i = 0; i < day->count; i++)
		put_summary_row(day, i, text);
	sl_text_append_string(text, "</tbody></table></div>\n<dl class=\"note\">");
	for (uint32_t i = 0; i < SL_CHAOS_PAGE_TERMS; i++)
		sl_text_printf(text, "<dt>%s</dt><dd>%s</dd>", sl_chaos_page_terms[i].term,
			       sl_chaos_page_terms[i].meaning);
	sl_text_append_string(text, "</dl>\n");
}

static void put_limits(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
		       struct sl_text *text)
{
	struct sl_text words;

	sl_text_init(&words, 0);
	sl_text_append_string(text, "<h2>What this day does not show</h2>\n<ul>\n");
	for (uint32_t i = 0; sl_chaos_page_limit(day, sums, i, &words); i++) {
		sl_text_append_string(text, "<li>");
		put_html(text, sl_text_string(&words));
		sl_text_append_string(text, "</li>\n");
		sl_text_reset(&words);
	}
	sl_text_append_string(text, "</ul>\n");
	sl_text_fini(&words);
}

static void put_day_facts(const struct sl_chaos_day *day, struct sl_text *text)
{
	struct sl_text words;
	const char *name;

	sl_text_init(&words, 0);
	sl_text_append_string(text, "<h2>Where and when</h2>\n<dl>");
	for (uint32_t i = 0; (name = sl_chaos_page_fact(day, i, &words)); i++) {
		sl_text_printf(text, "<dt>%s</dt><dd>", name);
		put_html(text, sl_text_string(&words));
		sl_text_append_string(text, "</dd>");
		sl_text_reset(&words);
	}
	sl_text_append_string(text, "</dl>\n");
	sl_text_fini(&words);
}

static void put_head(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
		     struct sl_text *text)
{
	struct sl_text words;

	sl_text_init(&words, 0);
	sl_text_append_string(text, "<title>");
	put_html(text, day->name);
	sl_text_append_string(text, "</title></head><body>\n<h1>");
	put_html(text, day->name);
	sl_chaos_page_when_where(day, &words);
	sl_text_append_string(text, "</h1>\n<p class=\"dim\">");
	put_html(text, sl_text_string(&words));
	sl_text_reset(&words);
	sl_chaos_page_sentence(day, sums, &words);
	sl_text_printf(text, "</p>\n<p class=\"verdict %s\"><span>%s ",
		       sums->bad		  ? "broken"
		       : sums->held == day->count ? "held"
						  : "unknown",
		       sums->bad ? "\xe2\x9c\x95" : "\xe2\x9c\x93");
	put_html(text, sl_text_string(&words));
	sl_text_append_string(text, "</span></p>\n");
	put_cards(day, sums, text);
	if (day->about) {
		sl_text_append_string(text, "<p>");
		put_html(text, day->about);
		sl_text_append_string(text, "</p>\n");
	}
	sl_text_fini(&words);
}

void sl_chaos_page_html(const struct sl_chaos_day *day, struct sl_text *text)
{
	struct sl_chaos_page_sums sums;

	sl_chaos_page_sum(day, &sums);
	sl_text_append_string(text, "<!doctype html>\n<html lang=\"en\"><head>\n");
	sl_text_append_string(text, page_head);
	put_head(day, &sums, text);
	put_summary(day, text);
	put_limits(day, &sums, text);
	sl_text_append_string(text, "<h2 class=\"engineers\">Each experiment, for "
				    "engineers</h2>\n<p class=\"dim\">In the "
				    "figures <span class=\"shade\"></span> is the time in which "
				    "something was broken; time is in seconds from that on.</p>\n");
	for (uint32_t i = 0; i < day->count; i++)
		put_step(day, i, text);
	put_day_facts(day, text);
	sl_text_append_string(text, "</body></html>\n");
}
