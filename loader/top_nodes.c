/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_nodes.c - the pane of pools and nodes: breakers as the daemon tells them, rates of both planes.
 *
 * Without a daemon, and for pools that it does not know, the maps alone. Columns come with the width of the
 * terminal; those of a terminal of 80 columns differ, for without a daemon the kernel plane's are all there are.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/say.h"
#include "loader/short.h"
#include "loader/status.h"
#include "loader/top_item.h"
#include "user/base/address.h"
#include "user/base/clock.h"

#define CELL_BYTES  96u
#define MARK_WIDTH  3 /* in front of each line, by who shows it */
#define SPARE_FIRST 5
#define SPARE_MAX   16 /* columns more for a breaker's words */

enum column {
	COLUMN_NODE,
	COLUMN_BREAKER,
	COLUMN_FLOWS,
	COLUMN_REQUESTS,
	COLUMN_GOOD,
	COLUMN_BAD,
	COLUMN_WAITING,
	COLUMN_CONNECT,
	COLUMN_FIRST_BYTE,
	COLUMN_IN,
	COLUMN_OUT,
	COLUMN_NEW,
	COLUMN_TRIPS,
	COLUMN_BEACON,
	COLUMN_HEALTH,
	COLUMN_COUNT
};

#define NEVER UINT32_MAX

/* Shown on terminals of at least this width, with a daemon and without. */
struct column_shape {
	const char *title;
	int width; /* negative: to the left */
	uint32_t with, without;
	bool of_packets; /* counted by the kernel plane alone */
};

static const struct column_shape columns_of[COLUMN_COUNT] = {
	[COLUMN_NODE] = {"node", -21, 0, 0, false},
	[COLUMN_BREAKER] = {"breaker, since, why", -17, 0, 0, false},
	[COLUMN_FLOWS] = {"flow", 4, 52, 47, true},
	[COLUMN_REQUESTS] = {"reqs", 4, 47, 83, false},
	[COLUMN_GOOD] = {"ok/s", 4, 57, NEVER, false},
	[COLUMN_BAD] = {"bad/s", 5, 63, NEVER, false},
	[COLUMN_WAITING] = {"wait", 4, 94, 52, true},
	[COLUMN_CONNECT] = {"conn p50/p99", 12, 89, 78, false},
	[COLUMN_FIRST_BYTE] = {"1st p50/p99", 12, 76, 65, false},
	[COLUMN_IN] = {"in B/s", 6, 101, 90, true},
	[COLUMN_OUT] = {"out B/s", 7, 109, 98, true},
	[COLUMN_NEW] = {"new/s", 5, 115, 104, true},
	[COLUMN_TRIPS] = {"trips", 5, 121, 110, false},
	[COLUMN_BEACON] = {"beacon", -22, 144, 133, false},
	[COLUMN_HEALTH] = {"health", -28, 173, 162, false},
};

/* A node as it is to be shown, whoever knows it. */
struct row {
	const struct sl_document *of; /* NULL: the maps alone */
	struct sl_top_node node;
	uint32_t slot;
	char address[SL_TOP_WHY_BYTES];
	const char *pool, *state, *signal;
	uint64_t since_us;
	bool draining, retired;
	enum sl_top_grade grade;
};

static bool shows(const struct sl_top *top, uint32_t columns, enum column column)
{
	uint32_t from = top->document ? columns_of[column].with : columns_of[column].without;

	if (columns_of[column].of_packets && !top->now.plane)
		return false;
	return from != NEVER && (!columns || columns >= from);
}

/* ---- one node -------------------------------------------------------------------------------- */

static bool is_state(const struct row *row, enum sl_breaker_state state)
{
	return !strcmp(row->state, sl_status_state_name(state));
}

static bool is_closed(const struct row *row)
{
	return is_state(row, SL_BREAKER_CLOSED) || is_state(row, SL_BREAKER_METRICS_ONLY);
}

static const char *check_of(const struct row *row)
{
	return row->node.health ? row->node.health->check : "";
}

static enum sl_top_grade judge(const struct row *row)
{
	if (is_state(row, SL_BREAKER_OPEN) || is_state(row, SL_BREAKER_FORCED_OPEN) ||
	    row->retired || (!strcmp(check_of(row), "failing") && !row->draining))
		return SL_TOP_BAD;
	if (!is_closed(row) || row->draining || !strcmp(check_of(row), "not_ready") ||
	    (row->node.health && (row->node.health->doubtful || row->node.health->held_ms)))
		return SL_TOP_WARN;
	return SL_TOP_GOOD;
}

static void fill_row(const struct sl_top *top, const struct sl_document *of, const char *pool,
		     uint32_t slot, struct row *row)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	const struct sl_node_state *state;

	*row = (struct row){.of = of, .slot = slot, .pool = pool};
	sl_top_node(top, slot, &row->node);
	state = row->node.state;
	row->retired = state->admin & SL_NODE_RETIRED;
	if (of) {
		snprintf(row->address, sizeof(row->address), "%.*s", (int)sizeof(row->address) - 1,
			 sl_document_string(of, "address"));
		row->state = sl_document_string(of, "state");
		row->signal = sl_document_string(of, "last_signal");
		row->since_us = sl_document_number(of, "changed_ms_ago") * 1000u;
		row->draining = sl_document_true(of, "draining");
	} else {
		snprintf(row->address, sizeof(row->address), "%s",
			 sl_address_format(&state->endpoint, address));
		row->state = sl_status_state_name(sl_breaker_state(state->breaker));
		row->signal = sl_status_signal_name(state->last_signal);
		if (state->changed_ns && top->now.now_ns > state->changed_ns)
			row->since_us = (top->now.now_ns - state->changed_ns) / SL_NS_PER_US;
		row->draining = state->admin & SL_NODE_DRAINING;
	}
	row->grade = judge(row);
}

/* ---- cells ----------------------------------------------------------------------------------- */

static const char *state_word(const struct row *row)
{
	static const struct {
		enum sl_breaker_state state;
		const char *word;
	} words[] = {{SL_BREAKER_CLOSED, "closed"},
		     {SL_BREAKER_HALF_OPEN, "half-open"},
		     {SL_BREAKER_OPEN, "open"},
		     {SL_BREAKER_FORCED_OPEN, "forced"},
		     {SL_BREAKER_METRICS_ONLY, "measures"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is_state(row, words[i].state))
			return words[i].word;
	}
	return row->state;
}

/* Why it is not well, in a word. */
static const char *why(const struct row *row)
{
	if (!is_closed(row))
		return row->signal;
	if (!strcmp(check_of(row), "failing"))
		return "checks fail";
	if (!strcmp(check_of(row), "not_ready"))
		return "not ready";
	if (row->node.health && row->node.health->held_ms)
		return "left alone";
	return row->node.health && row->node.health->doubtful ? "in doubt" : "";
}

static void put_breaker(const struct row *row, char cell[CELL_BYTES])
{
	const char *drains = row->retired ? "dead, " : row->draining ? "drains, " : "";
	char since[SL_SHORT_BYTES] = "";

	/* of a well one it matters less than why it is in doubt */
	if (row->since_us && (!is_closed(row) || !*why(row)))
		sl_short_time(row->since_us, since);
	snprintf(cell, CELL_BYTES, "%s%.20s%s%s%s%.40s", drains, state_word(row), *since ? " " : "",
		 since, *why(row) ? " " : "", why(row));
}

/*
 * "85us/1.2ms", with a star where the interval had no sample. Where the kernel plane measured none, the mean that
 * the daemon knows.
 */
static void put_times(const struct sl_top_times *times, uint32_t mean_us, char cell[CELL_BYTES])
{
	char p50[SL_SHORT_BYTES], p99[SL_SHORT_BYTES];

	if (!times->count && !mean_us)
		snprintf(cell, CELL_BYTES, "-");
	else if (!times->count)
		snprintf(cell, CELL_BYTES, "mean %s", sl_short_time(mean_us, p50));
	else
		snprintf(cell, CELL_BYTES, "%s/%s%s", sl_short_time(times->p50_us, p50),
			 sl_short_time(times->p99_us, p99), times->since_start ? "*" : "");
}

static void put_beacon(const struct sl_top *top, const struct sl_node_load *load,
		       char cell[CELL_BYTES])
{
	static const char *const names[] = {"unknown", "ready", "busy", "draining", "sick"};
	char ago[SL_SHORT_BYTES];
	uint64_t age_us;

	if (!load) {
		snprintf(cell, CELL_BYTES, "-");
		return;
	}
	age_us = top->now.now_ns > load->seen_ns ? (top->now.now_ns - load->seen_ns) / SL_NS_PER_US
						 : 0;
	snprintf(cell, CELL_BYTES, "%s %u/%u+%u %s ago",
		 load->health <= SL_HEALTH_SICK ? names[load->health] : "unknown", load->running,
		 load->slots, load->waiting, sl_short_time(age_us, ago));
}

static void put_count(double value, char cell[CELL_BYTES])
{
	char number[SL_SHORT_BYTES];

	snprintf(cell, CELL_BYTES, "%s", sl_short_count(value, number));
}

static void put_cells(const struct sl_top *top, const struct row *row,
		      char cells[COLUMN_COUNT][CELL_BYTES])
{
	double seconds = sl_top_seconds(top);
	char words[SL_HEALTH_WORDS_SIZE];
	const struct sl_top_node *node = &row->node;

	snprintf(cells[COLUMN_NODE], CELL_BYTES, "%.*s", (int)CELL_BYTES - 1, row->address);
	put_breaker(row, cells[COLUMN_BREAKER]);
	put_times(&node->connect, node->state->connect_us, cells[COLUMN_CONNECT]);
	put_times(&node->first_byte, node->state->first_byte_us, cells[COLUMN_FIRST_BYTE]);
	put_beacon(top, node->load, cells[COLUMN_BEACON]);
	snprintf(cells[COLUMN_HEALTH], CELL_BYTES, "%.*s", (int)CELL_BYTES - 1,
		 sl_health_words(node->health, words));
	put_count((double)node->flows, cells[COLUMN_FLOWS]);
	put_count((double)node->state->waiting, cells[COLUMN_WAITING]);
	put_count((double)node->state->requests, cells[COLUMN_REQUESTS]);
	put_count(sl_document_real(row->of, "answers_per_s"), cells[COLUMN_GOOD]);
	put_count(sl_document_real(row->of, "failures_per_s"), cells[COLUMN_BAD]);
	put_count((double)node->bytes_in / seconds, cells[COLUMN_IN]);
	put_count((double)node->bytes_out / seconds, cells[COLUMN_OUT]);
	put_count((double)node->opened / seconds, cells[COLUMN_NEW]);
	snprintf(cells[COLUMN_TRIPS], CELL_BYTES, "%u", node->state->trips);
}

/* Widths of a terminal: what the columns leave goes to the breaker's words, long addresses, and those words. */
struct widths {
	uint32_t columns; /* 0: no bounds */
	int node, breaker;
};

static struct widths widths_of(const struct sl_top *top, uint32_t columns, size_t longest)
{
	struct widths widths = {columns, abs(columns_of[COLUMN_NODE].width),
				abs(columns_of[COLUMN_BREAKER].width)};
	int left = (int)columns - MARK_WIDTH, more;

	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		left -= shows(top, columns, i) ? abs(columns_of[i].width) + 1 : 0;
	left = left < 0 ? 0 : left + 1; /* no blank behind the last */
	more = left < SPARE_FIRST ? left : SPARE_FIRST;
	widths.breaker += more;
	left -= more;
	more = (int)longest > widths.node ? (int)longest - widths.node : 0;
	more = more < left ? more : left;
	widths.node += more;
	left -= more;
	widths.breaker += left < SPARE_MAX ? left : SPARE_MAX;
	return widths;
}

/* One that is too long loses its middle: nodes differ at the end. */
static void put_address(struct sl_text *text, const char *address, int width)
{
	size_t len = strlen(address), tail;

	if (len <= (size_t)width) {
		sl_text_printf(text, "%-*s", width, address);
		return;
	}
	tail = (size_t)width / 2;
	sl_text_printf(text, "%.*s~%s", width - 1 - (int)tail, address, address + len - tail);
}

static void put_line(const struct sl_top *top, const struct widths *widths,
		     char cells[COLUMN_COUNT][CELL_BYTES], struct sl_text *text)
{
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		int width = i == COLUMN_BREAKER ? -widths->breaker : columns_of[i].width;
		int places = widths->columns ? abs(width) : (int)CELL_BYTES;

		if (!shows(top, widths->columns, i))
			continue;
		if (i == COLUMN_NODE)
			put_address(text, cells[i],
				    widths->columns			   ? widths->node
				    : (int)strlen(cells[i]) > widths->node ? (int)strlen(cells[i])
									   : widths->node);
		else
			sl_text_printf(text, " %*.*s", width, places, cells[i]);
	}
	while (text->len && text->data[text->len - 1] == ' ')
		sl_text_truncate(text, text->len - 1);
}

static void add_titles(struct sl_top_items *items, const struct sl_top *top,
		       const struct widths *widths)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_NODES, SL_TOP_PLAIN);
	char cells[COLUMN_COUNT][CELL_BYTES];
	struct sl_text text;

	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		snprintf(cells[i], CELL_BYTES, "%s", columns_of[i].title);
	sl_text_init(&text, 0);
	put_line(top, widths, cells, &text);
	item->line = sl_top_keep(items, &text);
	item->titles = true;
	sl_text_fini(&text);
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct sums {
	uint32_t pools, nodes, available, out, draining;
};

static void set_deeds(struct sl_top_items *items, const struct row *row, struct sl_top_item *item)
{
	item->deeds = row->draining ? SL_TOP_UNDRAIN : SL_TOP_DRAIN;
	item->deeds |= is_state(row, SL_BREAKER_FORCED_OPEN) ? SL_TOP_AUTO : SL_TOP_OPEN;
	if (!is_closed(row))
		item->deeds |= SL_TOP_CLOSE;
	item->index_of = sl_top_print(items, "%s/%u", row->pool, row->node.state->index);
}

static void add_node(struct sl_top_items *items, const struct sl_top *top, const struct row *row,
		     const struct widths *widths)
{
	struct sl_top_item *item = sl_top_items_add(items, SL_TOP_NODES, row->grade);
	char cells[COLUMN_COUNT][CELL_BYTES];
	struct sl_text text;

	put_cells(top, row, cells);
	sl_text_init(&text, 0);
	put_line(top, widths, cells, &text);
	item->line = sl_top_keep(items, &text);
	item->fact = sl_top_print(items, "%s of pool %s: %s%s%s%s", row->address, row->pool,
				  row->draining ? "drains, " : "", state_word(row),
				  *why(row) ? ", " : "", why(row));
	item->key = sl_top_print(items, "node %s %s", row->pool, row->address);
	item->of = row->of;
	item->slot = row->slot;
	item->name = sl_top_print(items, "%s", row->address);
	item->pool = row->pool;
	set_deeds(items, row, item);
	sl_text_fini(&text);
}

static bool takes(const struct sl_top *top, const struct row *row)
{
	return row->of ? sl_document_true(row->of, "available")
		       : sl_breaker_available(row->node.state, top->now.now_ns / SL_NS_PER_MS);
}

static bool is_out(const struct row *row)
{
	return row->of ? sl_document_true(row->of, "out") : !is_closed(row) && !row->draining;
}

/* The pool's line, then its nodes, those that are not well first. */
static void add_pool(struct sl_top_items *items, const struct sl_top *top, const struct row *rows,
		     uint32_t count, const char *name, uint32_t pool, const struct widths *widths,
		     struct sums *sums)
{
	struct sl_top_item *head = sl_top_items_add(items, SL_TOP_NODES, SL_TOP_PLAIN);
	const struct sl_pool_state *now = &top->now.pools[pool],
				   *before = pool < top->before.pool_slots
						     ? &top->before.pools[pool]
						     : now;
	uint32_t available = 0, out = 0, draining = 0;
	struct sl_text text;

	for (uint32_t i = 0; i < count; i++) {
		available += takes(top, &rows[i]);
		out += is_out(&rows[i]);
		draining += rows[i].draining;
	}
	sl_text_init(&text, 0);
	sl_text_printf(&text, "pool \"%s\": %u of %u nodes take requests", name, available, count);
	if (out)
		sl_text_printf(&text, ", %u out", out);
	if (draining)
		sl_text_printf(&text, ", %u drain%s", draining, draining == 1 ? "s" : "");
	head->fact = sl_top_print(items, "%s", sl_text_string(&text));
	if (pool && now->no_node != before->no_node)
		sl_text_printf(&text, ", %llu found no node",
			       (unsigned long long)(now->no_node - before->no_node));
	if (pool && now->panics != before->panics)
		sl_text_printf(&text, ", %llu in panic",
			       (unsigned long long)(now->panics - before->panics));
	if (pool && now->spills != before->spills)
		sl_text_printf(&text, ", %llu spilled",
			       (unsigned long long)(now->spills - before->spills));
	head->line = sl_top_keep(items, &text);
	head->grade = count && !available ? SL_TOP_BAD : out ? SL_TOP_WARN : SL_TOP_GOOD;
	sl_top_grade(items, SL_TOP_NODES, head->grade);
	head->heading = true;
	head->key = sl_top_print(items, "pool %s", name);
	for (int grade = SL_TOP_BAD; grade >= SL_TOP_GOOD; grade--) {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t first = items->count;

			if (rows[i].grade != (enum sl_top_grade)grade)
				continue;
			add_node(items, top, &rows[i], widths);
			if (items->count > first)
				items->list[first].left =
					sl_top_print(items, "%u of %u nodes are left",
						     available - takes(top, &rows[i]), count);
		}
	}
	sums->pools++;
	sums->nodes += count;
	sums->available += available;
	sums->out += out;
	sums->draining += draining;
	sl_text_fini(&text);
}

static uint32_t pool_slot(const struct sl_top *top, const char *name)
{
	for (uint32_t pool = 1; pool < top->now.pool_slots; pool++) {
		if (top->now.pools[pool].present &&
		    !strncmp(top->now.pools[pool].name, name, sizeof(top->now.pools[pool].name)))
			return pool;
	}
	return 0;
}

/* What the daemon tells of pools, where it is of these nodes. */
static const struct sl_document *told_pools(const struct sl_top *top)
{
	return sl_top_is_strange(top) ? NULL : sl_document_member(top->document, "pools");
}

/* The pools that the daemon tells of. */
static void add_told(struct sl_top_items *items, const struct sl_top *top, struct row *rows,
		     const struct widths *widths, struct sums *sums)
{
	const struct sl_document *pools = told_pools(top);

	for (size_t p = 0; p < sl_document_count(pools); p++) {
		const struct sl_document *pool = sl_document_at(pools, p);
		const struct sl_document *nodes = sl_document_member(pool, "nodes");
		const char *name = sl_document_string(pool, "name");
		uint32_t count = 0;

		for (size_t n = 0; n < sl_document_count(nodes) && count < top->now.node_slots;
		     n++) {
			const struct sl_document *node = sl_document_at(nodes, n);
			uint64_t slot = sl_document_number(node, "slot");

			if (slot && slot < top->now.node_slots)
				fill_row(top, node, name, (uint32_t)slot, &rows[count++]);
		}
		add_pool(items, top, rows, count, name, pool_slot(top, name), widths, sums);
	}
}

static bool is_told(const struct sl_top *top, const char *name)
{
	const struct sl_document *pools = told_pools(top);

	for (size_t p = 0; p < sl_document_count(pools); p++) {
		if (!strcmp(sl_document_string(sl_document_at(pools, p), "name"), name))
			return true;
	}
	return false;
}

static void add_mapped(struct sl_top_items *items, const struct sl_top *top, struct row *rows,
		       const struct widths *widths, struct sums *sums)
{
	for (uint32_t pool = 1; pool < top->now.pool_slots; pool++) {
		const struct sl_pool_state *state = &top->now.pools[pool];
		const char *name = sl_top_print(items, "%.64s", state->name);
		uint32_t count = 0;

		if (!state->present || is_told(top, name))
			continue;
		for (uint32_t slot = sl_top_next_node(top, pool, 0); slot;
		     slot = sl_top_next_node(top, pool, slot))
			fill_row(top, NULL, name, slot, &rows[count++]);
		add_pool(items, top, rows, count, name, pool, widths, sums);
	}
}

static size_t longest_address(const struct sl_top *top)
{
	const struct sl_document *pools = sl_document_member(top->document, "pools");
	char address[SL_ADDRESS_TEXT_SIZE];
	size_t longest = 0, len;

	for (size_t p = 0; p < sl_document_count(pools); p++) {
		const struct sl_document *nodes =
			sl_document_member(sl_document_at(pools, p), "nodes");

		for (size_t n = 0; n < sl_document_count(nodes); n++) {
			len = strlen(sl_document_string(sl_document_at(nodes, n), "address"));
			longest = len > longest ? len : longest;
		}
	}
	for (uint32_t slot = 1; slot < top->now.node_slots; slot++) {
		if (!(top->now.nodes[slot].admin & SL_NODE_PRESENT))
			continue;
		len = strlen(sl_address_format(&top->now.nodes[slot].endpoint, address));
		longest = len > longest ? len : longest;
	}
	return longest;
}

void sl_top_build_nodes(struct sl_top_items *items, const struct sl_top *top, uint32_t columns)
{
	struct widths widths = widths_of(top, columns, longest_address(top));
	struct row *rows = calloc(top->now.node_slots + 1u, sizeof(*rows));
	struct sums sums = {0};
	struct sl_text text;

	items->summary[SL_TOP_NODES] = "no memory";
	if (!rows)
		return;
	add_titles(items, top, &widths);
	add_told(items, top, rows, &widths, &sums);
	add_mapped(items, top, rows, &widths, &sums);
	free(rows);
	sl_text_init(&text, 0);
	sl_text_printf(&text, "%u of %u node%s in %u pool%s take requests", sums.available,
		       sums.nodes, sums.nodes == 1 ? "" : "s", sums.pools,
		       sums.pools == 1 ? "" : "s");
	if (sums.out)
		sl_text_printf(&text, ", %u out", sums.out);
	if (sums.draining)
		sl_text_printf(&text, ", %u drain%s", sums.draining, sums.draining == 1 ? "s" : "");
	items->summary[SL_TOP_NODES] = sl_top_keep(items, &text);
	sl_text_fini(&text);
}

/* ---- more about one -------------------------------------------------------------------------- */

void sl_top_say_change(const struct sl_top_change *change, struct sl_text *text)
{
	const char *between = "";

	if (change->before != change->now) {
		sl_text_printf(text, "%s -> %s, %s", sl_status_state_name(change->before),
			       sl_status_state_name(change->now),
			       sl_status_signal_name(change->signal));
		between = "; ";
	} else if (change->trips) {
		sl_text_printf(text,
			       change->now == SL_BREAKER_OPEN ? "tried, and %s again, %s"
							      : "opened, and %s again, %s",
			       sl_status_state_name(change->now),
			       sl_status_signal_name(change->signal));
		between = "; ";
	}
	if (change->drained || change->undrained)
		sl_text_printf(text, "%s%s", between, change->drained ? "drained" : "undrained");
}

/* What was seen of its breaker since the command began, the newest first. */
static void describe_changes(const struct sl_top_item *item, const struct sl_top *top,
			     struct sl_text *text)
{
	uint64_t kept =
		top->change_count < SL_TOP_CHANGES_MAX ? top->change_count : SL_TOP_CHANGES_MAX;
	uint32_t incarnation = top->now.nodes[item->slot].incarnation;
	bool any = false;

	sl_text_append_string(text, "\nits breaker, as seen from here since this command runs:\n");
	for (uint64_t back = 1; back <= kept; back++) {
		const struct sl_top_change *change =
			&top->changes[(top->change_count - back) % SL_TOP_CHANGES_MAX];
		char clock[SL_TOP_CLOCK_BYTES];

		if (change->slot != item->slot || change->incarnation != incarnation)
			continue;
		sl_text_printf(text, "  %s  ", sl_top_clock(change->wall_ms, clock));
		sl_top_say_change(change, text);
		sl_text_append_string(text, "\n");
		any = true;
	}
	sl_text_append_string(text, any ? "" : "  no change\n");
}

static void describe_incidents(const struct sl_top_item *item, const struct sl_top *top,
			       struct sl_text *text)
{
	const struct sl_document *list = sl_document_member(top->document, "incidents");

	for (size_t i = 0; i < sl_document_count(list); i++) {
		const struct sl_document *one = sl_document_at(list, i);
		char clock[SL_TOP_CLOCK_BYTES];

		if (strcmp(sl_document_string(one, "name"), item->name) != 0)
			continue;
		sl_text_printf(text, "incident %llu: began %s, %s (sluice incidents show %llu)\n",
			       (unsigned long long)sl_document_number(one, "id"),
			       sl_top_clock(sl_document_number(one, "began_ms"), clock),
			       sl_document_true(one, "open") ? "open" : "closed",
			       (unsigned long long)sl_document_number(one, "id"));
	}
}

void sl_top_describe_node(const struct sl_top_item *item, const struct sl_top *top,
			  struct sl_text *text)
{
	char cell[CELL_BYTES], time[SL_SHORT_BYTES], words[SL_HEALTH_WORDS_SIZE];
	uint64_t probe_ms = sl_document_number(item->of, "probe_in_ms");
	struct row row;

	fill_row(top, item->of, item->pool, item->slot, &row);
	sl_text_printf(text, "node %s of pool \"%s\" (%s)\n\n", row.address, row.pool,
		       item->index_of);
	put_breaker(&row, cell);
	sl_text_printf(text, "breaker     %s\n", cell);
	if (probe_ms)
		sl_text_printf(text, "probe in    %s\n", sl_short_time(probe_ms * 1000u, time));
	sl_text_printf(text, "last signal %s; trips of all time: %u\n", row.signal,
		       row.node.state->trips);
	if (*sl_health_words(row.node.health, words))
		sl_text_printf(text, "health      %s\n", words);
	put_times(&row.node.connect, row.node.state->connect_us, cell);
	sl_text_printf(text, "connect     %s (median/99th percentile)\n", cell);
	put_times(&row.node.first_byte, row.node.state->first_byte_us, cell);
	sl_text_printf(text, "first byte  %s\n", cell);
	sl_text_printf(text, "under way   %llu flows, %u requests, %u wait for their first byte\n",
		       (unsigned long long)row.node.flows, row.node.state->requests,
		       row.node.state->waiting);
	if (row.of)
		sl_text_printf(text, "rates       %.1f answers/s, %.1f failures/s\n",
			       sl_document_real(row.of, "answers_per_s"),
			       sl_document_real(row.of, "failures_per_s"));
	put_beacon(top, row.node.load, cell);
	sl_text_printf(text, "beacon      %s\n", cell);
	describe_incidents(item, top, text);
	describe_changes(item, top, text);
}
