/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_kernel.c - the pane of the kernel plane: devices, the flow table, packets, flows, what was done, losses.
 */
#include <stdlib.h>
#include <string.h>
#include "loader/short.h"
#include "loader/top_item.h"

#define LABEL "%-9s "

struct rate {
	const char *name;
	uint64_t count;
};

static struct sl_top_item *add(struct sl_top_items *items, enum sl_top_grade grade,
			       const char *label, struct sl_text *text)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_KERNEL, grade);

	item->line = sl_top_print(items, LABEL "%s", label, sl_text_string(text));
	item->key = sl_top_print(items, "kernel %s", label);
	item->fact = "";
	sl_text_reset(text);
	return item;
}

static void say_rates(const struct sl_top *top, const struct rate *rates, size_t rate_count,
		      struct sl_text *text)
{
	char number[SL_SHORT_BYTES];

	for (size_t i = 0; i < rate_count; i++)
		sl_text_printf(
			text, "%s%s %s/s", i ? "  " : "", rates[i].name,
			sl_short_count((double)rates[i].count / sl_top_seconds(top), number));
}

static uint64_t moved_between(const struct sl_top *top, enum sl_counter first, enum sl_counter last)
{
	uint64_t sum = 0;

	for (unsigned i = first; i <= (unsigned)last; i++)
		sum += sl_top_moved(top, i);
	return sum;
}

static int more_first(const void *a, const void *b)
{
	uint64_t x = ((const struct rate *)a)->count, y = ((const struct rate *)b)->count;

	return x < y ? 1 : x > y ? -1 : 0;
}

/* What moved of what should not, the most frequent first. */
static size_t losses_of(const struct sl_top *top, struct rate losses[SL_COUNTER_COUNT])
{
	size_t count = 0;

	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		const char *name = sl_top_counter_name(i);

		if (sl_top_is_loss(i) && sl_top_moved(top, i))
			losses[count++] = (struct rate){strncmp(name, "drop_", 5) ? name : name + 5,
							sl_top_moved(top, i)};
	}
	qsort(losses, count, sizeof(*losses), more_first);
	return count;
}

static void add_losses(struct sl_top_items *items, const struct sl_top *top, struct sl_text *text)
{
	struct rate losses[SL_COUNTER_COUNT] = {{0}};
	size_t count = losses_of(top, losses);
	struct sl_top_item *item;

	if (count)
		say_rates(top, losses, count, text);
	else
		sl_text_append_string(text, "none");
	item = add(items, count ? SL_TOP_WARN : SL_TOP_GOOD, "drops", text);
	sl_text_append_string(text, "drops of the kernel plane:");
	for (size_t i = 0; i < count; i++)
		sl_text_printf(text, " %s", losses[i].name);
	item->fact = sl_top_print(items, "%s%s", sl_text_string(text), count ? "" : " none");
	sl_text_reset(text);
}

static void add_table(struct sl_top_items *items, const struct sl_top *top, struct sl_text *text)
{
	const struct sl_top_table *table = &top->now.table;
	char number[SL_SHORT_BYTES];

	if (!table->places)
		sl_text_append_string(text, "none");
	else
		sl_text_printf(text, "%llu of %llu places hold living flows (%s%.1f %%)",
			       (unsigned long long)table->living, (unsigned long long)table->places,
			       table->estimated ? "estimated, " : "",
			       100.0 * (double)table->living / (double)table->places);
	if (table->places && table->expired)
		sl_text_printf(text, ", %s are over",
			       sl_short_count((double)table->expired, number));
	add(items, SL_TOP_PLAIN, "table", text);
}

static void summarize(struct sl_top_items *items, const struct sl_top *top)
{
	uint64_t in =
		sl_top_moved(top, SL_COUNTER_PACKETS) + sl_top_moved(top, SL_COUNTER_PACKETS_TC);
	char packets[SL_SHORT_BYTES], events[SL_SHORT_BYTES], flows[SL_SHORT_BYTES];
	double seconds = sl_top_seconds(top);
	struct rate losses[SL_COUNTER_COUNT] = {{0}};
	size_t count = losses_of(top, losses);

	items->summary[SL_TOP_KERNEL] = sl_top_print(
		items, "%s packets/s, %s new flows/s, %s breaker events/s, %s%s%s",
		sl_short_count((double)in / seconds, packets),
		sl_short_count((double)sl_top_moved(top, SL_COUNTER_FLOW_OPENED) / seconds, flows),
		sl_short_count((double)sl_top_events(top) / seconds, events),
		count ? "drops: " : "no drops", count ? losses[0].name : "",
		count > 1 ? ", ..." : "");
}

void sl_top_build_kernel(struct sl_top_items *items, const struct sl_top *top)
{
	const struct rate packets[] = {
		{"in",
		 sl_top_moved(top, SL_COUNTER_PACKETS) + sl_top_moved(top, SL_COUNTER_PACKETS_TC)},
		{"to nodes", sl_top_moved(top, SL_COUNTER_FORWARD_TO_NODE)},
		{"to clients", sl_top_moved(top, SL_COUNTER_FORWARD_TO_CLIENT)},
		{"passed", moved_between(top, SL_COUNTER_PASS_NOT_IP, SL_COUNTER_PASS_DISABLED)},
	};
	const struct rate flows[] = {
		{"new", sl_top_moved(top, SL_COUNTER_FLOW_OPENED)},
		{"closed", sl_top_moved(top, SL_COUNTER_FLOW_CLOSED)},
		{"expired", sl_top_moved(top, SL_COUNTER_FLOW_EXPIRED)},
		{"evicted", sl_top_moved(top, SL_COUNTER_FLOW_EVICTED)},
	};
	const struct rate done[] = {
		{"moved", sl_top_moved(top, SL_COUNTER_RETRY_MOVED)},
		{"turned", sl_top_moved(top, SL_COUNTER_RETRY_TURNED)},
		{"withheld", sl_top_moved(top, SL_COUNTER_DROP_WITHHELD)},
		{"spilled", sl_top_moved(top, SL_COUNTER_GATE_SPILLED)},
		{"refused", sl_top_moved(top, SL_COUNTER_DROP_REFUSED) +
				    sl_top_moved(top, SL_COUNTER_DROP_NO_NODE)},
		{"guard", moved_between(top, SL_COUNTER_DROP_RATE_SOURCE, SL_COUNTER_DROP_COOKIE)},
	};
	struct sl_text text;

	if (!top->now.plane) {
		items->summary[SL_TOP_KERNEL] = "no kernel plane: the daemon works alone";
		return;
	}
	sl_text_init(&text, 0);
	sl_text_append_string(&text, top->devices);
	add(items, SL_TOP_PLAIN, "devices", &text);
	add_table(items, top, &text);
	say_rates(top, packets, sizeof(packets) / sizeof(*packets), &text);
	add(items, SL_TOP_PLAIN, "packets", &text);
	say_rates(top, flows, sizeof(flows) / sizeof(*flows), &text);
	add(items, SL_TOP_PLAIN, "flows", &text);
	say_rates(top, done, sizeof(done) / sizeof(*done), &text);
	add(items, SL_TOP_PLAIN, "sluice", &text);
	add_losses(items, top, &text);
	summarize(items, top);
	sl_text_fini(&text);
}

void sl_top_describe_kernel(const struct sl_top *top, struct sl_text *text)
{
	sl_text_append_string(text, "counters that moved in the interval (sluice status: all)\n\n");
	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		if (sl_top_moved(top, i))
			sl_text_printf(text, "  %-22s %12.1f/s\n", sl_top_counter_name(i),
				       (double)sl_top_moved(top, i) / sl_top_seconds(top));
	}
}
