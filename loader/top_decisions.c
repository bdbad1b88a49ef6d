/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_decisions.c - the pane of what sluice did, the newest first: requests about which something had to be
 * decided, as the daemon tells, and what became of breakers, as was seen from here.
 */
#include "loader/status.h"
#include "loader/top_item.h"
#include "user/base/address.h"

static void add_change(struct sl_top_items *items, const struct sl_top *top,
		       const struct sl_top_change *change, uint64_t number)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_DECISIONS, SL_TOP_PLAIN);
	char address[SL_ADDRESS_TEXT_SIZE], clock[SL_TOP_CLOCK_BYTES];
	struct sl_text text;

	sl_text_init(&text, 0);
	sl_text_printf(&text, "%s  node %s of pool %.64s: ", sl_top_clock(change->wall_ms, clock),
		       sl_address_format(&top->now.nodes[change->slot].endpoint, address),
		       change->pool < top->now.pool_slots ? top->now.pools[change->pool].name
							  : "?");
	sl_top_say_change(change, &text);
	item->line = sl_top_keep(items, &text);
	item->fact = item->line;
	item->key = sl_top_print(items, "change %llu", (unsigned long long)number);
	sl_text_fini(&text);
}

static void add_decision(struct sl_top_items *items, const struct sl_document *one)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_DECISIONS, SL_TOP_PLAIN);
	const char *model = sl_document_string(one, "model");
	char clock[SL_TOP_CLOCK_BYTES];

	item->name = sl_document_string(one, "id");
	/* the id last: who wants it presses Enter, and at 80 columns what was decided matters more */
	item->line = sl_top_print(items, "%s  %s: %s  (%s)",
				  sl_top_clock(sl_document_number(one, "started_ms"), clock),
				  *model ? model : "no route", sl_document_string(one, "what"),
				  item->name);
	item->fact = item->line;
	item->key = sl_top_print(items, "decision %s", item->name);
	item->of = one;
}

void sl_top_build_decisions(struct sl_top_items *items, const struct sl_top *top)
{
	const struct sl_document *list = sl_document_member(top->document, "decisions");
	uint64_t kept =
		top->change_count < SL_TOP_CHANGES_MAX ? top->change_count : SL_TOP_CHANGES_MAX;
	size_t total = sl_document_count(list), at = 0;
	uint64_t back = 1;

	while (at < total || back <= kept) {
		const struct sl_document *one = sl_document_at(list, at);
		uint64_t number = top->change_count - back;
		const struct sl_top_change *change = &top->changes[number % SL_TOP_CHANGES_MAX];

		if (back <= kept &&
		    (at == total || change->wall_ms >= sl_document_number(one, "started_ms"))) {
			if (change->slot < top->now.node_slots)
				add_change(items, top, change, number);
			back++;
		} else {
			add_decision(items, one);
			at++;
		}
	}
	items->summary[SL_TOP_DECISIONS] = "nothing had to be decided lately";
	if (kept)
		items->summary[SL_TOP_DECISIONS] = sl_top_print(
			items, "%zu request%s, %llu change%s of breakers, the last first", total,
			total == 1 ? "" : "s", (unsigned long long)kept, kept == 1 ? "" : "s");
	else if (total)
		items->summary[SL_TOP_DECISIONS] = sl_top_print(
			items, "%zu request%s, the last first", total, total == 1 ? "" : "s");
}
