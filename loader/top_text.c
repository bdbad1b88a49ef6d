/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_text.c - the screen of `sluice top`.
 *
 *   is it well | host, time, events | devices | table | packets | flows | what was done | losses
 *   titles, then each pool with its nodes
 *
 * The head has eight lines; pools share the rest evenly, sick nodes first. Columns come with the
 * width of the terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "loader/say.h"
#include "loader/status.h"
#include "loader/top.h"
#include "user/base/address.h"
#include "user/base/clock.h"

#define CELL_BYTES  64u
#define SHORT_BYTES 16u
#define LABEL	    "%-9s "

/* ---- short numbers ------------------------------------------------------------------------- */

/* "0", "7.5", "1234", "12k", "1.2M": at most four characters. */
static const char *put_count(double value, char out[SHORT_BYTES])
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;
	int digits;

	while (value >= (unit ? 999.5 : 9999.5) && unit + 2 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	digits = value < 9.95 && (unit || value != (double)(uint64_t)value);
	snprintf(out, SHORT_BYTES, "%.*f%.*s", digits, value, unit ? 1 : 0, &units[unit]);
	return out;
}

/* "85us", "1.2ms", "350ms", "12s", "5m": at most five characters. */
static const char *put_time(uint64_t us, char out[SHORT_BYTES])
{
	double ms = (double)us / 1e3;

	if (us < 1000)
		snprintf(out, SHORT_BYTES, "%uus", (unsigned)us);
	else if (ms < 999.5)
		snprintf(out, SHORT_BYTES, ms < 9.95 ? "%.1fms" : "%.0fms", ms);
	else if (ms < 99.5e3)
		snprintf(out, SHORT_BYTES, ms < 9.95e3 ? "%.1fs" : "%.0fs", ms / 1e3);
	else if (ms < 99.5 * 60e3)
		snprintf(out, SHORT_BYTES, "%.0fm", ms / 60e3);
	else
		snprintf(out, SHORT_BYTES, "%.0fh", ms / 3600e3 < 9999 ? ms / 3600e3 : 9999.0);
	return out;
}

static uint64_t age_us(const struct sl_top *top, uint64_t then_ns)
{
	return top->now.now_ns > then_ns ? (top->now.now_ns - then_ns) / SL_NS_PER_US : 0;
}

/* ---- the head ------------------------------------------------------------------------------ */

struct rate {
	const char *name;
	uint64_t count;
};

static void say_rates(const struct sl_top *top, const char *label, const struct rate *rates,
		      size_t rate_count, struct sl_text *text)
{
	char number[SHORT_BYTES];

	sl_text_printf(text, LABEL, label);
	for (size_t i = 0; i < rate_count; i++)
		sl_text_printf(text, "%s%s %s/s", i ? "  " : "", rates[i].name,
			       put_count((double)rates[i].count / sl_top_seconds(top), number));
	sl_text_append_string(text, "\n");
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

static void say_losses(const struct sl_top *top, struct sl_text *text)
{
	struct rate losses[SL_COUNTER_COUNT] = {{0}};
	size_t count = 0;

	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		const char *name = sl_top_counter_name(i);

		if (sl_top_is_loss(i) && sl_top_moved(top, i))
			losses[count++] = (struct rate){strncmp(name, "drop_", 5) ? name : name + 5,
							sl_top_moved(top, i)};
	}
	qsort(losses, count, sizeof(*losses), more_first);
	if (!count) {
		sl_text_printf(text, LABEL "none\n", "drops");
		return;
	}
	sl_text_append_string(text, sl_say_ink(stdout, SL_INK_WARN));
	say_rates(top, "drops", losses, count, text);
	sl_text_append_string(text, sl_say_ink(stdout, SL_INK_PLAIN));
}

static void say_table(const struct sl_top *top, struct sl_text *text)
{
	const struct sl_top_table *table = &top->now.table;
	char number[SHORT_BYTES];

	sl_text_printf(text, LABEL, "table");
	if (!table->places) {
		sl_text_append_string(text, "none\n");
		return;
	}
	sl_text_printf(text, "%llu of %llu places hold living flows (%s%.1f %%)",
		       (unsigned long long)table->living, (unsigned long long)table->places,
		       table->estimated ? "estimated, " : "",
		       100.0 * (double)table->living / (double)table->places);
	if (table->expired)
		sl_text_printf(text, ", %s are over", put_count((double)table->expired, number));
	sl_text_append_string(text, "\n");
}

static void say_kernel(const struct sl_top *top, struct sl_text *text)
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

	say_table(top, text);
	say_rates(top, "packets", packets, sizeof(packets) / sizeof(*packets), text);
	say_rates(top, "flows", flows, sizeof(flows) / sizeof(*flows), text);
	say_rates(top, "sluice", done, sizeof(done) / sizeof(*done), text);
	say_losses(top, text);
}

static void say_head(const struct sl_top *top, struct sl_text *text)
{
	time_t now = time(NULL);
	char number[SHORT_BYTES], clock[16];
	struct tm local;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&now, &local));
	sl_text_printf(text, "%s%s%s\n", sl_say_ink(stdout, top->well ? SL_INK_GOOD : SL_INK_BAD),
		       top->summary, sl_say_ink(stdout, SL_INK_PLAIN));
	sl_text_printf(text, LABEL "%s  over %.1f s", top->host, clock, sl_top_seconds(top));
	if (!top->now.plane) {
		sl_text_append_string(text, "  no kernel plane: the daemon works alone\n");
		return;
	}
	sl_text_printf(text, "  breaker events %s/s\n",
		       put_count((double)sl_top_events(top) / sl_top_seconds(top), number));
	sl_text_printf(text, LABEL "%s\n", "devices", top->devices);
	say_kernel(top, text);
}

/* ---- nodes --------------------------------------------------------------------------------- */

enum column {
	COLUMN_NODE,
	COLUMN_BREAKER,
	COLUMN_FLOWS,
	COLUMN_WAITING,
	COLUMN_CONNECT,
	COLUMN_FIRST_BYTE,
	COLUMN_REQUESTS,
	COLUMN_IN,
	COLUMN_OUT,
	COLUMN_NEW,
	COLUMN_TRIPS,
	COLUMN_BEACON,
	COLUMN_HEALTH,
	COLUMN_COUNT
};

struct column_shape {
	const char *title;
	int width;	    /* negative: to the left */
	uint32_t wide_from; /* shown on terminals of at least this width */
};

static const struct column_shape columns[COLUMN_COUNT] = {
	[COLUMN_NODE] = {"node", -21, 0},
	[COLUMN_BREAKER] = {"breaker, since, why", -20, 0},
	[COLUMN_FLOWS] = {"flow", 4, 0},
	[COLUMN_WAITING] = {"wait", 4, 0},
	[COLUMN_CONNECT] = {"conn p50/p99", 12, 0},
	[COLUMN_FIRST_BYTE] = {"1st p50/p99", 12, 0},
	[COLUMN_REQUESTS] = {"reqs", 4, 85},
	[COLUMN_IN] = {"in B/s", 6, 92},
	[COLUMN_OUT] = {"out B/s", 7, 100},
	[COLUMN_NEW] = {"new/s", 5, 106},
	[COLUMN_TRIPS] = {"trips", 5, 112},
	[COLUMN_BEACON] = {"beacon", -22, 135},
	[COLUMN_HEALTH] = {"health", -28, 165},
};

/* The first six make 79 columns: at the 80th some terminals wrap. */
static bool shows(struct sl_screen_size size, enum column column)
{
	return !size.columns || size.columns >= columns[column].wide_from;
}

static enum sl_ink ink_of(const struct sl_node_state *node)
{
	enum sl_breaker_state state = sl_breaker_state(node->breaker);

	if (state == SL_BREAKER_OPEN || state == SL_BREAKER_FORCED_OPEN)
		return SL_INK_BAD;
	if (state == SL_BREAKER_CLOSED && !(node->admin & SL_NODE_DRAINING))
		return SL_INK_GOOD;
	return SL_INK_WARN;
}

static void say_cells(struct sl_screen_size size, char cells[COLUMN_COUNT][CELL_BYTES],
		      enum sl_ink ink, struct sl_text *text)
{
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		int width = columns[i].width;
		int places = size.columns ? abs(width) : (int)CELL_BYTES;

		if (!shows(size, i))
			continue;
		sl_text_printf(text, "%s%s%*.*s%s", " ",
			       i == COLUMN_BREAKER ? sl_say_ink(stdout, ink) : "", width, places,
			       cells[i],
			       i == COLUMN_BREAKER ? sl_say_ink(stdout, SL_INK_PLAIN) : "");
	}
	sl_text_append_string(text, "\n");
}

static void put_breaker(const struct sl_top *top, const struct sl_node_state *node,
			char cell[CELL_BYTES])
{
	static const char *const names[SL_BREAKER_STATES] = {"closed", "half-open", "open",
							     "forced", "measures"};
	enum sl_breaker_state state = sl_breaker_state(node->breaker);
	const char *drains = node->admin & SL_NODE_RETIRED    ? "dead, "
			     : node->admin & SL_NODE_DRAINING ? "drains, "
							      : "";
	bool why = state != SL_BREAKER_CLOSED && state != SL_BREAKER_METRICS_ONLY;
	char since[SHORT_BYTES] = "";

	if (node->changed_ns)
		put_time(age_us(top, node->changed_ns), since);
	snprintf(cell, CELL_BYTES, "%s%s %s%s%s", drains, names[state], since, why ? " " : "",
		 why ? sl_status_signal_name(node->last_signal) : "");
}

/* "85us/1.2ms", with a star where the interval had no sample. */
static void put_times(const struct sl_top_times *times, char cell[CELL_BYTES])
{
	char p50[SHORT_BYTES], p99[SHORT_BYTES];

	if (!times->count)
		snprintf(cell, CELL_BYTES, "-");
	else
		snprintf(cell, CELL_BYTES, "%s/%s%s", put_time(times->p50_us, p50),
			 put_time(times->p99_us, p99), times->since_start ? "*" : "");
}

static void put_beacon(const struct sl_top *top, const struct sl_node_load *load,
		       char cell[CELL_BYTES])
{
	static const char *const names[] = {"unknown", "ready", "busy", "draining", "sick"};
	char ago[SHORT_BYTES];

	if (!load)
		snprintf(cell, CELL_BYTES, "-");
	else
		snprintf(cell, CELL_BYTES, "%s %u/%u+%u %s ago",
			 load->health <= SL_HEALTH_SICK ? names[load->health] : "unknown",
			 load->running, load->slots, load->waiting,
			 put_time(age_us(top, load->seen_ns), ago));
}

static void say_node(const struct sl_top *top, struct sl_screen_size size, uint32_t slot,
		     struct sl_text *text)
{
	char cells[COLUMN_COUNT][CELL_BYTES], address[SL_ADDRESS_TEXT_SIZE], number[SHORT_BYTES];
	char words[SL_HEALTH_WORDS_SIZE];
	double seconds = sl_top_seconds(top);
	struct sl_top_node node;

	sl_top_node(top, slot, &node);
	snprintf(cells[COLUMN_NODE], CELL_BYTES, "%s",
		 sl_address_format(&node.state->endpoint, address));
	put_breaker(top, node.state, cells[COLUMN_BREAKER]);
	put_times(&node.connect, cells[COLUMN_CONNECT]);
	put_times(&node.first_byte, cells[COLUMN_FIRST_BYTE]);
	put_beacon(top, node.load, cells[COLUMN_BEACON]);
	snprintf(cells[COLUMN_HEALTH], CELL_BYTES, "%.*s", (int)CELL_BYTES - 1,
		 sl_health_words(node.health, words));
	snprintf(cells[COLUMN_FLOWS], CELL_BYTES, "%s", put_count((double)node.flows, number));
	snprintf(cells[COLUMN_WAITING], CELL_BYTES, "%s",
		 put_count((double)node.state->waiting, number));
	snprintf(cells[COLUMN_REQUESTS], CELL_BYTES, "%s",
		 put_count((double)node.state->requests, number));
	snprintf(cells[COLUMN_IN], CELL_BYTES, "%s",
		 put_count((double)node.bytes_in / seconds, number));
	snprintf(cells[COLUMN_OUT], CELL_BYTES, "%s",
		 put_count((double)node.bytes_out / seconds, number));
	snprintf(cells[COLUMN_NEW], CELL_BYTES, "%s",
		 put_count((double)node.opened / seconds, number));
	snprintf(cells[COLUMN_TRIPS], CELL_BYTES, "%u", node.state->trips);
	say_cells(size, cells, ink_of(node.state), text);
}

static void say_titles(struct sl_screen_size size, struct sl_text *text)
{
	sl_text_printf(text, "\n%s", sl_say_ink(stdout, SL_INK_DIM));
	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		if (shows(size, i))
			sl_text_printf(text, " %*.*s", columns[i].width, abs(columns[i].width),
				       columns[i].title);
	}
	sl_text_printf(text, "%s\n", sl_say_ink(stdout, SL_INK_PLAIN));
}

/* ---- pools --------------------------------------------------------------------------------- */

static bool is_sick(const struct sl_node_state *node)
{
	return ink_of(node) != SL_INK_GOOD;
}

/* Up to `lines` of the pool's nodes, sick ones first; the last line tells how many are missing. */
static void say_nodes(const struct sl_top *top, struct sl_screen_size size, uint32_t pool,
		      uint32_t lines, struct sl_text *text)
{
	uint32_t node_count = 0, shown = 0;

	for (uint32_t slot = sl_top_next_node(top, pool, 0); slot;
	     slot = sl_top_next_node(top, pool, slot))
		node_count++;
	if (node_count > lines)
		lines -= lines > 1;
	for (unsigned sick = 2; sick-- > 0;) {
		for (uint32_t slot = sl_top_next_node(top, pool, 0); slot && shown < lines;
		     slot = sl_top_next_node(top, pool, slot)) {
			if (is_sick(&top->now.nodes[slot]) != (sick == 1))
				continue;
			say_node(top, size, slot, text);
			shown++;
		}
	}
	if (shown < node_count)
		sl_text_printf(text, " and %u more: sluice status\n", node_count - shown);
}

static void say_pool(const struct sl_top *top, struct sl_screen_size size, uint32_t pool,
		     uint32_t lines, struct sl_text *text)
{
	const struct sl_pool_state *state = &top->now.pools[pool];
	const struct sl_pool_state *before =
		pool < top->before.pool_slots ? &top->before.pools[pool] : state;

	sl_text_printf(text, "%spool \"%.40s\"%s: %u node%s, %u ejected",
		       sl_say_ink(stdout, SL_INK_BOLD), state->name,
		       sl_say_ink(stdout, SL_INK_PLAIN), state->node_count,
		       state->node_count == 1 ? "" : "s", state->ejected);
	if (state->no_node != before->no_node)
		sl_text_printf(text, ", %llu found no node",
			       (unsigned long long)(state->no_node - before->no_node));
	if (state->panics != before->panics)
		sl_text_printf(text, ", %llu in panic",
			       (unsigned long long)(state->panics - before->panics));
	if (state->spills != before->spills)
		sl_text_printf(text, ", %llu spilled",
			       (unsigned long long)(state->spills - before->spills));
	sl_text_append_string(text, "\n");
	say_nodes(top, size, pool, lines ? lines - 1 : UINT32_MAX, text);
}

static uint32_t next_pool(const struct sl_top *top, uint32_t pool)
{
	for (pool++; pool < top->now.pool_slots; pool++) {
		if (top->now.pools[pool].present)
			return pool;
	}
	return 0;
}

/* The lines that `pool` may have of `room`, when those after it get at most a fair share each. */
static uint32_t share_of(const struct sl_top *top, uint32_t pool, uint32_t room)
{
	uint32_t pools = 1, fair, taken = 0;

	for (uint32_t next = next_pool(top, pool); next; next = next_pool(top, next))
		pools++;
	fair = room / pools;
	for (uint32_t next = next_pool(top, pool); next; next = next_pool(top, next)) {
		uint32_t want = 1 + top->now.pools[next].node_count;

		taken += want < fair ? want : fair;
	}
	/* Where there is no room for a node, the pool's own line and one of its nodes. */
	return room > taken + 2 ? room - taken : 2;
}

/* Lines of the text, the summary's wrapped ones included. */
static uint32_t lines_used(const struct sl_top *top, struct sl_screen_size size,
			   const struct sl_text *text)
{
	uint32_t lines = size.columns ? (uint32_t)strlen(top->summary) / size.columns : 0;

	for (const char *at = sl_text_string(text); (at = strchr(at, '\n')); at++)
		lines++;
	return lines;
}

void sl_top_text(const struct sl_top *top, struct sl_screen_size size, struct sl_text *text)
{
	uint32_t room = 0, used;

	say_head(top, text);
	say_titles(size, text);
	for (uint32_t pool = next_pool(top, 0); pool; pool = next_pool(top, pool)) {
		if (size.rows) {
			used = lines_used(top, size, text) + 1; /* the cursor's line stays free */
			room = share_of(top, pool, used < size.rows ? size.rows - used : 0);
		}
		say_pool(top, size, pool, room, text);
	}
}
