/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_verdict.h"

#include <stdarg.h>

struct reasons {
	enum sl_page_level level;
	uint32_t count, left_out;
	struct sl_text *text;
};

const char *sl_page_level_name(enum sl_page_level level)
{
	return level == SL_PAGE_WELL ? "well" : level == SL_PAGE_DEGRADED ? "degraded" : "down";
}

/* One more; the first decides how the sentence begins, so the worst are told first. */
__attribute__((format(printf, 3, 4))) static void
add(struct reasons *reasons, enum sl_page_level level, const char *format, ...)
{
	va_list args;

	if (reasons->count == SL_PAGE_REASONS_MAX) {
		reasons->left_out++;
		return;
	}
	if (!reasons->count)
		reasons->level = level;
	sl_text_append_string(reasons->text, reasons->count++	     ? "; "
					     : level == SL_PAGE_DOWN ? "Not well: "
								     : "Degraded: ");
	va_start(args, format);
	sl_text_vprintf(reasons->text, format, args);
	va_end(args);
}

static const char *more(uint32_t count)
{
	return count == 1 ? "" : "s";
}

static void add_down(const struct sl_page_facts *facts, struct reasons *reasons)
{
	if (facts->no_keys)
		add(reasons, SL_PAGE_DOWN, "the API keys cannot be read");
	if (facts->routes_down == 1)
		add(reasons, SL_PAGE_DOWN, "route \"%s\" has nobody to answer it", facts->route);
	else if (facts->routes_down)
		add(reasons, SL_PAGE_DOWN,
		    "%u of %u routes have nobody to answer them, \"%s\" first", facts->routes_down,
		    facts->routes, facts->route);
	if (facts->burning == 1)
		add(reasons, SL_PAGE_DOWN, "%s burns its error budget", facts->burns);
	else if (facts->burning)
		add(reasons, SL_PAGE_DOWN, "%u objectives burn their error budgets, %s first",
		    facts->burning, facts->burns);
}

static void add_degraded(const struct sl_page_facts *facts, struct reasons *reasons)
{
	if (facts->out == 1)
		add(reasons, SL_PAGE_DEGRADED, "node %s is out (%s)", facts->node, facts->why);
	else if (facts->out)
		add(reasons, SL_PAGE_DEGRADED, "%u of %u nodes are out, %s first (%s)", facts->out,
		    facts->nodes, facts->node, facts->why);
	if (facts->pools_down && !facts->routes_down)
		add(reasons, SL_PAGE_DEGRADED, "pool \"%s\" takes nothing, others stand in for it",
		    facts->pool);
	if (facts->waiting)
		add(reasons, SL_PAGE_DEGRADED, "%u request%s wait%s in an overloaded queue",
		    facts->waiting, more(facts->waiting), facts->waiting == 1 ? "s" : "");
	if (facts->rules)
		add(reasons, SL_PAGE_DEGRADED, "%u rule%s of degradation %s in force", facts->rules,
		    more(facts->rules), facts->rules == 1 ? "is" : "are");
	if (facts->smouldering)
		add(reasons, SL_PAGE_DEGRADED, "%u error budget%s will not last",
		    facts->smouldering, more(facts->smouldering));
	if (facts->reload_refused)
		add(reasons, SL_PAGE_DEGRADED,
		    "the last reload was refused, the configuration before it is in force");
	if (facts->incidents)
		add(reasons, SL_PAGE_DEGRADED, "%u incident%s %s open", facts->incidents,
		    more(facts->incidents), facts->incidents == 1 ? "is" : "are");
}

/* What somebody does on purpose: it is told, and makes nothing worse. */
static void add_deeds(const struct sl_page_facts *facts, struct sl_text *text)
{
	if (facts->draining)
		sl_text_printf(text, "; %u node%s drain%s", facts->draining, more(facts->draining),
			       facts->draining == 1 ? "s" : "");
	if (facts->rollouts)
		sl_text_printf(text, "; %u roll-out%s under way", facts->rollouts,
			       facts->rollouts == 1 ? " is" : "s are");
	if (facts->experiments)
		sl_text_printf(text, "; %u experiment%s", facts->experiments,
			       facts->experiments == 1 ? " runs" : "s run");
	if (facts->ends)
		sl_text_append_string(text, "; the daemon ends, its open requests go on");
}

enum sl_page_level sl_page_judge(const struct sl_page_facts *facts, struct sl_text *text)
{
	struct reasons reasons = {.level = SL_PAGE_WELL, .text = text};

	add_down(facts, &reasons);
	add_degraded(facts, &reasons);
	if (!reasons.count)
		sl_text_printf(text, "Well: %u of %u node%s in %u pool%s take requests",
			       facts->available, facts->nodes, more(facts->nodes), facts->pools,
			       more(facts->pools));
	if (reasons.left_out)
		sl_text_printf(text, "; and %u more", reasons.left_out);
	add_deeds(facts, text);
	sl_text_append_char(text, '.');
	return reasons.level;
}
