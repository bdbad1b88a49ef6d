/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_item.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "loader/short.h"
#include "user/base/clock.h"

#define ARENA_BYTES_MAX (64u << 20)
#define ARENA_BLOCK	(64u << 10)

const char *sl_top_pane_name(enum sl_top_pane pane)
{
	static const char *const names[SL_TOP_PANES] = {
		[SL_TOP_NODES] = "nodes",	  [SL_TOP_LADDERS] = "ladders",
		[SL_TOP_QUEUES] = "queues",	  [SL_TOP_BUDGETS] = "budgets",
		[SL_TOP_INCIDENTS] = "incidents", [SL_TOP_ROLLOUTS] = "roll-outs",
		[SL_TOP_CHAOS] = "chaos",	  [SL_TOP_DECISIONS] = "decisions",
		[SL_TOP_KERNEL] = "kernel",
	};

	return names[pane];
}

void sl_top_items_init(struct sl_top_items *items)
{
	*items = (struct sl_top_items){0};
	sl_arena_init(&items->arena, ARENA_BLOCK, ARENA_BYTES_MAX);
}

void sl_top_items_fini(struct sl_top_items *items)
{
	sl_arena_fini(&items->arena);
	*items = (struct sl_top_items){0};
}

/* ---- for those who make panes ---------------------------------------------------------------- */

struct sl_top_item *sl_top_items_add(struct sl_top_items *items, enum sl_top_pane pane,
				     enum sl_top_grade grade)
{
	struct sl_top_item *item;

	if (items->count == SL_TOP_ITEMS_MAX) {
		items->left_out++;
		item = &items->list[SL_TOP_ITEMS_MAX]; /* one more than are shown */
	} else {
		item = &items->list[items->count++];
		sl_top_grade(items, pane, grade);
	}
	*item = (struct sl_top_item){
		.pane = pane,
		.grade = grade,
		.key = "",
		.line = "",
		.fact = "",
	};
	return item;
}

const char *sl_top_print(struct sl_top_items *items, const char *format, ...)
{
	struct sl_text text;
	const char *kept;
	va_list values;

	sl_text_init(&text, 0);
	va_start(values, format);
	sl_text_vprintf(&text, format, values);
	va_end(values);
	kept = sl_top_keep(items, &text);
	sl_text_fini(&text);
	return kept;
}

const char *sl_top_keep(struct sl_top_items *items, struct sl_text *text)
{
	const char *kept = sl_arena_strndup(&items->arena, sl_text_string(text), text->len);

	sl_text_reset(text);
	return kept ? kept : "";
}

void sl_top_grade(struct sl_top_items *items, enum sl_top_pane pane, enum sl_top_grade grade)
{
	if (items->grade[pane] < grade)
		items->grade[pane] = grade;
}

const char *sl_top_clock(uint64_t wall_ms, char out[SL_TOP_CLOCK_BYTES])
{
	time_t seconds = (time_t)(wall_ms / 1000u);
	struct tm local;

	out[0] = '\0';
	if (localtime_r(&seconds, &local))
		strftime(out, SL_TOP_CLOCK_BYTES, "%H:%M:%S", &local);
	return out;
}

/* ---- the head -------------------------------------------------------------------------------- */

static void judge(struct sl_top_items *items, const struct sl_top *top)
{
	const char *level = sl_document_string(top->document, "level");

	items->daemon = top->document;
	items->strange = sl_top_is_strange(top);
	items->verdict = sl_document_string(top->document, "summary");
	if (items->strange)
		items->verdict = sl_top_print(
			items,
			"%s; the daemon has the nodes of a kernel plane that is gone (start it "
			"anew), and says of them: %s",
			top->summary, items->verdict);
	else if (!top->document)
		items->verdict = top->summary;
	if (!top->document || items->strange)
		items->verdict_grade = top->well && !items->strange ? SL_TOP_GOOD : SL_TOP_BAD;
	else if (!strcmp(level, "down"))
		items->verdict_grade = SL_TOP_BAD;
	else
		items->verdict_grade = strcmp(level, "well") != 0 ? SL_TOP_WARN : SL_TOP_GOOD;
}

static const char *totals(struct sl_top_items *items, const struct sl_top *top)
{
	const struct sl_document *of = sl_document_member(top->document, "totals");
	char clock[SL_TOP_CLOCK_BYTES], requests[SL_SHORT_BYTES], errors[SL_SHORT_BYTES];
	char tokens[SL_SHORT_BYTES], flying[SL_SHORT_BYTES], waiting[SL_SHORT_BYTES];
	char p50[SL_SHORT_BYTES] = "-", p95[SL_SHORT_BYTES];
	uint64_t p50_us = sl_document_number(of, "ttft_p50_us");

	sl_top_clock(top->wall_ms, clock);
	if (!top->document)
		return sl_top_print(items, "%s %s  %s: what the kernel plane alone knows",
				    top->host, clock, top->no_document);
	if (p50_us)
		sl_short_time(p50_us, p50);
	return sl_top_print(
		items, "%s %s  %s req/s  %s err/s  %s tok/s  ttft %s%s%s  run %s  wait %s",
		top->host, clock, sl_short_count(sl_document_real(of, "requests_per_s"), requests),
		sl_short_count(sl_document_real(of, "errors_per_s"), errors),
		sl_short_count(sl_document_real(of, "tokens_per_s"), tokens), p50,
		p50_us ? "/" : "",
		p50_us ? sl_short_time(sl_document_number(of, "ttft_p95_us"), p95) : "",
		sl_short_count(sl_document_real(of, "in_flight"), flying),
		sl_short_count(sl_document_real(of, "waiting"), waiting));
}

void sl_top_items_build(struct sl_top_items *items, const struct sl_top *top, uint32_t columns)
{
	struct sl_arena arena = items->arena;

	sl_arena_reset(&arena);
	*items = (struct sl_top_items){.arena = arena, .verdict = "", .totals = ""};
	items->list = sl_arena_array(&items->arena, SL_TOP_ITEMS_MAX + 1, sizeof(*items->list));
	if (!items->list)
		return;
	judge(items, top);
	items->totals = totals(items, top);
	sl_top_build_nodes(items, top, columns);
	if (top->document)
		sl_top_build_panes(items, top);
	sl_top_build_decisions(items, top);
	sl_top_build_kernel(items, top);
}
