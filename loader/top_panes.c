/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_panes.c - the panes that are the daemon's: in the words of the status page, one line a thing.
 */
#include <stdio.h>
#include <string.h>
#include "loader/say.h"
#include "loader/short.h"
#include "loader/top_item.h"
#include "user/base/clock.h"

static const char *count(double value, char out[SL_SHORT_BYTES])
{
	return sl_short_count(value, out);
}

static const char *more(uint64_t count)
{
	return count == 1 ? "" : "s";
}

static unsigned long long number(const struct sl_document *of, const char *name)
{
	return sl_document_number(of, name);
}

static const char *span(uint64_t ms, char out[SL_DURATION_TEXT_MAX])
{
	return sl_say_duration(ms * SL_NS_PER_MS, out);
}

/* The item's line is what is kept of the text; its fact what stood there before `fact_len`. */
static void keep(struct sl_top_items *items, struct sl_top_item *item, struct sl_text *text,
		 size_t fact_len)
{
	item->fact = sl_top_print(items, "%.*s", (int)fact_len, sl_text_string(text));
	item->line = sl_top_keep(items, text);
}

/* ---- ladders --------------------------------------------------------------------------------- */

/* ">gpu 1/2, small 1/1": the chain, and where it stands. */
static void say_chain(const struct sl_document *route, struct sl_text *text)
{
	const struct sl_document *chain = sl_document_member(route, "chain");
	const char *here = sl_document_string(route, "pool");

	for (size_t i = 0; i < sl_document_count(chain); i++) {
		const struct sl_document *rung = sl_document_at(chain, i);
		const char *pool = sl_document_string(rung, "pool");

		sl_text_printf(text, "%s%s%s %llu/%llu", i ? ", " : "",
			       *here && !strcmp(here, pool) ? ">" : "", pool,
			       number(rung, "available"), number(rung, "nodes"));
	}
}

/* Steps taken within the last minute; returns whether there were any. */
static bool say_steps(const struct sl_document *route, struct sl_text *text)
{
	const struct sl_document *steps = sl_document_member(route, "steps");
	bool any = false;

	for (size_t i = 0; i < sl_document_count(steps); i++) {
		const struct sl_document *step = sl_document_at(steps, i);

		if (!sl_document_true(step, "now"))
			continue;
		sl_text_printf(text, "%s%s",
			       any ? ", " : "; steps now: ", sl_document_string(step, "step"));
		any = true;
	}
	return any;
}

static enum sl_top_grade add_route(struct sl_top_items *items, const struct sl_document *route)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_LADDERS, SL_TOP_PLAIN);
	const struct sl_document *chain = sl_document_member(route, "chain");
	const char *model = sl_document_string(route, "model");
	const char *pool = sl_document_string(route, "pool");
	size_t rules = sl_document_count(sl_document_member(route, "rules_in_force"));
	char requests[SL_SHORT_BYTES], errors[SL_SHORT_BYTES], first[SL_SHORT_BYTES];
	bool lessened = rules || strcmp(pool, sl_document_string(sl_document_at(chain, 0), "pool"));
	uint64_t p50_us = sl_document_number(route, "ttft_p50_us");
	struct sl_text text;
	size_t fact_len;

	sl_text_init(&text, 0);
	if (*pool)
		sl_text_printf(&text, "%s: answered by pool %s", model, pool);
	else
		sl_text_printf(&text, "%s: nobody answers it", model);
	lessened |= say_steps(route, &text);
	if (rules)
		sl_text_printf(&text, "; %zu rule%s of degradation in force", rules, more(rules));
	fact_len = text.len;
	sl_text_append_string(&text, "; ");
	say_chain(route, &text);
	sl_text_printf(&text, "; %s/s, %s errors/s",
		       count(sl_document_real(route, "requests_per_s"), requests),
		       count(sl_document_real(route, "errors_per_s"), errors));
	if (p50_us)
		sl_text_printf(&text, ", first token %s", sl_short_time(p50_us, first));
	keep(items, item, &text, fact_len);
	item->grade = !*pool ? SL_TOP_BAD : lessened ? SL_TOP_WARN : SL_TOP_GOOD;
	item->key = sl_top_print(items, "route %s", model);
	item->of = route;
	sl_top_grade(items, SL_TOP_LADDERS, item->grade);
	sl_text_fini(&text);
	return item->grade;
}

static void build_ladders(struct sl_top_items *items, const struct sl_document *routes)
{
	size_t total = sl_document_count(routes), down = 0, lessened = 0;

	for (size_t i = 0; i < total; i++) {
		enum sl_top_grade grade = add_route(items, sl_document_at(routes, i));

		down += grade == SL_TOP_BAD;
		lessened += grade == SL_TOP_WARN;
	}
	if (down)
		items->summary[SL_TOP_LADDERS] = sl_top_print(
			items, "nobody answers %zu of %zu route%s", down, total, more(total));
	else if (lessened)
		items->summary[SL_TOP_LADDERS] =
			sl_top_print(items, "%zu of %zu route%s answered below the best step",
				     lessened, total, more(total));
	else
		items->summary[SL_TOP_LADDERS] = sl_top_print(
			items, "%zu route%s, answered at the best step", total, more(total));
}

/* ---- queues ---------------------------------------------------------------------------------- */

static void build_queues(struct sl_top_items *items, const struct sl_document *queues)
{
	static const char *const classes[] = {"critical", "interactive", "standard", "batch"};
	size_t total = sl_document_count(queues), overloaded = 0;
	uint64_t waiting = 0;
	struct sl_text text;

	sl_text_init(&text, 0);
	for (size_t i = 0; i < total; i++) {
		const struct sl_document *queue = sl_document_at(queues, i);
		bool over = sl_document_true(queue, "overloaded");
		uint64_t here = sl_document_number(queue, "waiting");
		struct sl_top_item *item = sl_top_items_add(items, SL_TOP_QUEUES,
							    over   ? SL_TOP_WARN
							    : here ? SL_TOP_PLAIN
								   : SL_TOP_GOOD);
		char wait[SL_DURATION_TEXT_MAX];
		const char *between = "; ";

		sl_text_printf(&text, "%s: %llu wait%s%s", sl_document_string(queue, "pool"),
			       (unsigned long long)here, here == 1 ? "s" : "",
			       over ? ", overloaded: the lowest class is shed" : "");
		item->fact = sl_top_print(items, "queue of %s%s", sl_document_string(queue, "pool"),
					  over	 ? ": overloaded, the lowest class is shed"
					  : here ? ": some wait"
						 : ": nobody waits");
		if (here)
			sl_text_printf(&text, "; a new one would wait %s",
				       span(sl_document_number(queue, "estimate_ms"), wait));
		for (int c = 0; here && c < 4; c++) {
			sl_text_printf(&text, "%s%s %llu", between, classes[c],
				       number(queue, classes[c]));
			between = ", ";
		}
		item->line = sl_top_keep(items, &text);
		item->key = sl_top_print(items, "queue %s", sl_document_string(queue, "pool"));
		item->of = queue;
		waiting += here;
		overloaded += over;
	}
	if (waiting || overloaded)
		items->summary[SL_TOP_QUEUES] = sl_top_print(
			items, "%llu wait%s, %zu of %zu overloaded", (unsigned long long)waiting,
			waiting == 1 ? "s" : "", overloaded, total);
	else
		items->summary[SL_TOP_QUEUES] =
			sl_top_print(items, "nobody waits in %zu queue%s", total, more(total));
	sl_text_fini(&text);
}

/* ---- budgets --------------------------------------------------------------------------------- */

static enum sl_top_grade burns(const struct sl_document *objective)
{
	const struct sl_document *alerts = sl_document_member(objective, "alerts");
	enum sl_top_grade grade = SL_TOP_GOOD;

	for (size_t i = 0; i < sl_document_count(alerts); i++) {
		const struct sl_document *alert = sl_document_at(alerts, i);

		if (!sl_document_true(alert, "burns"))
			continue;
		if (!strcmp(sl_document_string(alert, "level"), "page"))
			return SL_TOP_BAD;
		grade = SL_TOP_WARN;
	}
	return grade;
}

static void build_budgets(struct sl_top_items *items, const struct sl_document *objectives)
{
	size_t total = sl_document_count(objectives), burning = 0;
	struct sl_text text;

	sl_text_init(&text, 0);
	for (size_t i = 0; i < total; i++) {
		const struct sl_document *one = sl_document_at(objectives, i);
		const struct sl_document *windows = sl_document_member(one, "burn");
		enum sl_top_grade grade = burns(one);
		struct sl_top_item *item = sl_top_items_add(items, SL_TOP_BUDGETS, grade);

		burning += grade != SL_TOP_GOOD;
		sl_text_printf(&text, "%s: %s %.4g %%, ", sl_document_string(one, "route"),
			       sl_document_string(one, "slo"),
			       100 * sl_document_real(one, "objective"));
		item->fact = sl_top_print(items, "%s%s", sl_text_string(&text),
					  grade == SL_TOP_BAD	 ? "burns its budget"
					  : grade == SL_TOP_WARN ? "its budget will not last"
								 : "within its budget");
		sl_text_printf(&text, "%.1f %% of the budget left%s",
			       100 * sl_document_real(one, "budget_left"),
			       grade == SL_TOP_BAD    ? ", pages"
			       : grade == SL_TOP_WARN ? ", will not last"
						      : "");
		for (size_t w = 0; w < sl_document_count(windows); w++) {
			const struct sl_document *window = sl_document_at(windows, w);
			char time[SL_SHORT_BYTES];

			sl_text_printf(
				&text, "%s%.1fx over %s", w ? ", " : "; burns ",
				sl_document_real(window, "rate"),
				sl_short_time(1000u * sl_document_number(window, "window_ms"),
					      time));
		}
		item->line = sl_top_keep(items, &text);
		item->key = sl_top_print(items, "objective %s %s", sl_document_string(one, "route"),
					 sl_document_string(one, "slo"));
		item->of = one;
	}
	if (!total)
		items->summary[SL_TOP_BUDGETS] = "no route has objectives";
	else if (burning)
		items->summary[SL_TOP_BUDGETS] = sl_top_print(items, "%zu of %zu burn%s", burning,
							      total, burning == 1 ? "s" : "");
	else
		items->summary[SL_TOP_BUDGETS] =
			sl_top_print(items, "%zu objective%s, none burns", total, more(total));
	sl_text_fini(&text);
}

/* ---- incidents ------------------------------------------------------------------------------- */

static void add_incident(struct sl_top_items *items, const struct sl_document *one, uint64_t now_ms,
			 struct sl_text *text)
{
	bool open = sl_document_true(one, "open");
	bool bad = !strcmp(sl_document_string(one, "level"), "bad");
	const char *pool = sl_document_string(one, "pool");
	uint64_t began_ms = sl_document_number(one, "began_ms");
	uint64_t end_ms = open ? now_ms : sl_document_number(one, "recovered_ms");
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_INCIDENTS,
						    !open ? SL_TOP_PLAIN
						    : bad ? SL_TOP_BAD
							  : SL_TOP_WARN);
	char lasted[SL_DURATION_TEXT_MAX], clock[SL_TOP_CLOCK_BYTES];
	size_t fact_len;

	sl_text_printf(text, "%s %llu: %s %s", open ? "open" : "closed", number(one, "id"),
		       sl_document_string(one, "of"), sl_document_string(one, "name"));
	if (*pool && strcmp(pool, sl_document_string(one, "name")) != 0)
		sl_text_printf(text, " of pool %s", pool);
	fact_len = text->len;
	sl_text_printf(text, ", %s %s; %llu harmed, %llu saved; began %s",
		       open ? "for" : "over after",
		       span(end_ms > began_ms ? end_ms - began_ms : 0, lasted),
		       number(one, "harmed"), number(one, "saved"), sl_top_clock(began_ms, clock));
	keep(items, item, text, fact_len);
	item->key = sl_top_print(items, "incident %llu", number(one, "id"));
	item->of = one;
}

static void build_incidents(struct sl_top_items *items, const struct sl_document *incidents,
			    uint64_t now_ms)
{
	size_t total = sl_document_count(incidents), open = 0;
	struct sl_text text;

	sl_text_init(&text, 0);
	for (size_t i = 0; i < total; i++) {
		add_incident(items, sl_document_at(incidents, i), now_ms, &text);
		open += sl_document_true(sl_document_at(incidents, i), "open");
	}
	items->summary[SL_TOP_INCIDENTS] =
		open	? sl_top_print(items, "%zu open", open)
		: total ? sl_top_print(items, "none open, %zu lately", total)
			: "none";
	sl_text_fini(&text);
}

/* ---- roll-outs and experiments --------------------------------------------------------------- */

static bool is_under_way(const struct sl_document *rollout)
{
	const char *phase = sl_document_string(rollout, "phase");

	return !strcmp(phase, "running") || !strcmp(phase, "paused");
}

static void add_rollout(struct sl_top_items *items, const struct sl_document *one,
			struct sl_text *text)
{
	const char *phase = sl_document_string(one, "phase");
	bool back = !strcmp(phase, "rolled_back");
	struct sl_top_item *item =
		sl_top_items_add(items, SL_TOP_ROLLOUTS, back ? SL_TOP_WARN : SL_TOP_PLAIN);
	const struct sl_document *a = sl_document_member(one, "candidate_requests");
	const struct sl_document *b = sl_document_member(one, "baseline_requests");
	const char *name = sl_document_string(one, "name");
	size_t fact_len;

	sl_text_printf(text, "%s: %s %s -> %s: %s", name, sl_document_string(one, "kind"),
		       sl_document_string(one, "subject"), sl_document_string(one, "candidate"),
		       back ? "rolled back" : phase);
	if (is_under_way(one) && sl_document_true(one, "shadowing"))
		sl_text_append_string(text, ", in the shadow");
	else if (is_under_way(one))
		sl_text_printf(text, ", step %llu, %.1f %% of requests", number(one, "step") + 1,
			       100 * sl_document_real(one, "share"));
	if (sl_document_string(one, "reason")[0])
		sl_text_printf(text, "; ended: %s", sl_document_string(one, "reason"));
	if (sl_document_string(one, "held")[0])
		sl_text_printf(text, "; held: %s", sl_document_string(one, "held"));
	fact_len = text->len;
	sl_text_printf(text, "; candidate %llu, %llu errors; baseline %llu, %llu errors",
		       number(a, "requests"), number(a, "errors"), number(b, "requests"),
		       number(b, "errors"));
	keep(items, item, text, fact_len);
	item->key = sl_top_print(items, "rollout %s", name);
	item->name = name;
	item->of = one;
	item->deeds = is_under_way(one) ? SL_TOP_ABORT_ROLLOUT : 0;
}

static void build_rollouts(struct sl_top_items *items, const struct sl_document *rollouts)
{
	size_t total = sl_document_count(rollouts), under_way = 0;
	struct sl_text text;

	sl_text_init(&text, 0);
	for (size_t i = 0; i < total; i++) {
		add_rollout(items, sl_document_at(rollouts, i), &text);
		under_way += is_under_way(sl_document_at(rollouts, i));
	}
	items->summary[SL_TOP_ROLLOUTS] =
		under_way ? sl_top_print(items, "%zu under way", under_way)
		: total	  ? sl_top_print(items, "none under way, %zu ended", total)
			  : "nothing is rolled out";
	sl_text_fini(&text);
}

/* One on packets is the kernel plane's, one on requests the daemon's. */
static void add_experiment(struct sl_top_items *items, const struct sl_document *one, bool packets,
			   struct sl_text *text)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_CHAOS, SL_TOP_WARN);
	const char *what = packets ? "packets" : "requests";
	uint64_t left_ms = packets ? sl_document_number(one, "left_ms")
				   : sl_document_number(one, "left_s") * 1000u;
	char hits[SL_SHORT_BYTES], left[SL_DURATION_TEXT_MAX];
	size_t fact_len;

	item->name = packets ? sl_top_print(items, "%s %s", sl_document_string(one, "kind"),
					    sl_document_string(one, "aim"))
			     : sl_document_string(one, "name");
	sl_text_printf(text, "%s, %.3g %% of the %s", item->name,
		       packets ? sl_document_real(one, "percent")
			       : 100 * sl_document_real(one, "share"),
		       what);
	fact_len = text->len;
	sl_text_printf(text, "; %s hit, ends in %s at the latest",
		       count(sl_document_real(one, "hits"), hits), span(left_ms, left));
	keep(items, item, text, fact_len);
	item->number = sl_document_number(one, "number");
	item->key = sl_top_print(items, "%s %llu", what, (unsigned long long)item->number);
	item->of = one;
	item->deeds = packets ? SL_TOP_ABORT_CHAOS : SL_TOP_ABORT_STRIKE;
}

static void build_chaos(struct sl_top_items *items, const struct sl_document *document)
{
	const struct sl_document *chaos = sl_document_member(document, "chaos");
	const struct sl_document *strikes = sl_document_member(document, "strikes");
	size_t total = sl_document_count(chaos) + sl_document_count(strikes);
	struct sl_text text;

	sl_text_init(&text, 0);
	for (size_t i = 0; i < sl_document_count(chaos); i++)
		add_experiment(items, sl_document_at(chaos, i), true, &text);
	for (size_t i = 0; i < sl_document_count(strikes); i++)
		add_experiment(items, sl_document_at(strikes, i), false, &text);
	items->summary[SL_TOP_CHAOS] =
		total ? sl_top_print(items, "%zu run%s", total, total == 1 ? "s" : "")
		      : "no experiment runs";
	sl_text_fini(&text);
}

void sl_top_build_panes(struct sl_top_items *items, const struct sl_top *top)
{
	const struct sl_document *of = top->document;

	build_ladders(items, sl_document_member(of, "routes"));
	build_queues(items, sl_document_member(of, "queues"));
	build_budgets(items, sl_document_member(of, "objectives"));
	build_incidents(items, sl_document_member(of, "incidents"), top->wall_ms);
	build_rollouts(items, sl_document_member(of, "rollouts"));
	build_chaos(items, of);
}
