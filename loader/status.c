/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/status.h"

#include <stdio.h>
#include "bpf/breaker.h"
#include "loader/record.h"
#include "loader/say.h"
#include "loader/status_beacon.h"
#include "user/base/address.h"
#include "user/base/clock.h"

const char *sl_status_state_name(uint32_t state)
{
	static const char *const names[SL_BREAKER_STATES] = {
		[SL_BREAKER_CLOSED] = "closed",
		[SL_BREAKER_HALF_OPEN] = "half_open",
		[SL_BREAKER_OPEN] = "open",
		[SL_BREAKER_FORCED_OPEN] = "forced_open",
		[SL_BREAKER_METRICS_ONLY] = "metrics_only",
	};

	return state < SL_BREAKER_STATES ? names[state] : "unknown";
}

const char *sl_status_signal_name(uint32_t signal)
{
	static const char *const names[SL_SIGNAL_COUNT] = {
#define X(id, name, help) name,
		SL_SIGNALS(X)
#undef X
	};

	return signal < SL_SIGNAL_COUNT ? names[signal] : "unknown";
}

const char *sl_status_plane_name(uint32_t plane)
{
	static const char *const names[] = {"none", "kernel", "daemon", "operator"};

	return plane < sizeof(names) / sizeof(names[0]) ? names[plane] : "unknown";
}

/* ---- walking ------------------------------------------------------------------------------- */

static bool wants_pool(const struct sl_status_look *look, uint32_t pool)
{
	const struct sl_pool_state *state = &look->view->pools[pool];

	if (!state->present)
		return false;
	return !look->pool || !strncmp(state->name, look->pool, sizeof(state->name));
}

/* The pool's nodes in the order of the configuration: *slot goes from one to the next, 0 ends. */
static uint32_t next_node(const struct sl_view *view, uint32_t pool, uint32_t slot)
{
	for (slot++; slot < sl_view_node_slots(view); slot++) {
		const struct sl_node_state *node = &view->nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && node->pool == pool)
			return slot;
	}
	return 0;
}

static uint64_t age_ms(uint64_t now_ns, uint64_t then_ns)
{
	return now_ns > then_ns ? (now_ns - then_ns) / SL_NS_PER_MS : 0;
}

static uint64_t flows_in_flight(const struct sl_node_state *node)
{
	return sl_node_flows(node, sl_clock_ns());
}

/* What a node can take: without kernel plane there are no flows. */
static const char *arrivals(const struct sl_status_look *look)
{
	return look->view->alone ? "requests" : "flows";
}

/* ---- is it well ---------------------------------------------------------------------------- */

struct pool_health {
	uint32_t nodes;
	uint32_t available;
	uint32_t draining;
	uint32_t sick; /* open, forced open or half-open */
	uint32_t worst_slot;
};

static struct pool_health look_at_pool(const struct sl_status_look *look, uint32_t pool)
{
	uint64_t now_ms = look->now_ns / SL_NS_PER_MS;
	struct pool_health health = {0};

	for (uint32_t slot = next_node(look->view, pool, 0); slot;
	     slot = next_node(look->view, pool, slot)) {
		const struct sl_node_state *node = &look->view->nodes[slot];
		enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));
		bool well = state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY;

		health.nodes++;
		health.draining += !!(node->admin & SL_NODE_DRAINING);
		health.available += !!sl_breaker_available(node, now_ms);
		health.sick += !well;
		if (!well && !health.worst_slot)
			health.worst_slot = slot;
	}
	return health;
}

static void say_sick(const struct sl_status_look *look, uint32_t pool,
		     const struct pool_health *health, struct sl_text *text)
{
	const struct sl_node_state *node = &look->view->nodes[health->worst_slot];
	uint64_t word = sl_breaker_load(&node->breaker);
	uint32_t wait_ms = sl_breaker_wait_ms(word, look->now_ns / SL_NS_PER_MS);
	enum sl_breaker_state state = sl_breaker_state(word);
	char duration[SL_DURATION_TEXT_MAX];
	static const char *const words[SL_BREAKER_STATES] = {
		"closed", "half-open", "open", "forced open", "only measuring",
	};

	sl_text_printf(text, "%u of %u nodes of pool \"%.63s\" %s %s (%s", health->sick,
		       health->nodes, look->view->pools[pool].name,
		       health->sick == 1 ? "is" : "are",
		       health->sick == 1 ? words[state] : "not closed",
		       sl_status_signal_name(node->last_signal));
	if (state == SL_BREAKER_OPEN && wait_ms)
		sl_text_printf(text, ", %s to probe",
			       sl_say_duration(wait_ms * SL_NS_PER_MS, duration));
	else if (state == SL_BREAKER_OPEN)
		sl_text_printf(text, ", probe due at the next %s",
			       look->view->alone ? "request" : "flow");
	sl_text_append_string(text, ")");
	if (!health->available)
		sl_text_printf(text, ", none takes new %s", arrivals(look));
}

/* Devices with a living fast lane, at either hook. */
static uint32_t lane_device_count(const struct sl_view *view)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint32_t count, devices = 0;

	sl_record_list(view->dir, records, SL_RECORDS_MAX, &count);
	for (uint32_t i = 0; i < count; i++)
		devices +=
			(sl_record_is_xdp(records[i].kind) || sl_record_is_lane(records[i].kind)) &&
			sl_record_alive(view->dir, &records[i]);
	return devices;
}

/* What is wrong beside nodes. Returns the number of complaints, those before included. */
static uint32_t say_planes(const struct sl_status_look *look, uint32_t complaints,
			   struct sl_text *text)
{
	if (look->view->alone)
		return complaints;
	if (!lane_device_count(look->view))
		sl_text_printf(text, "%sno device is attached", complaints++ ? "; " : "sluice: ");
	if (look->daemon_alone)
		sl_text_printf(text, "%sthe daemon does not use the kernel plane (restart it)",
			       complaints++ ? "; " : "sluice: ");
	return complaints;
}

bool sl_status_summary(const struct sl_status_look *look, struct sl_text *text)
{
	uint32_t nodes = 0, available = 0, draining = 0, pools = 0, complaints = 0;

	for (uint32_t pool = 1; pool < sl_view_pool_slots(look->view); pool++) {
		struct pool_health health;

		if (!wants_pool(look, pool))
			continue;
		health = look_at_pool(look, pool);
		pools++;
		nodes += health.nodes;
		available += health.available;
		draining += health.draining;
		if (!health.sick && (health.available || !health.nodes))
			continue;
		sl_text_append_string(text, complaints++ ? "; " : "sluice: ");
		if (health.sick)
			say_sick(look, pool, &health, text);
		else
			sl_text_printf(text, "pool \"%.63s\": all %u nodes drain",
				       look->view->pools[pool].name, health.nodes);
	}
	if (say_planes(look, complaints, text))
		return false;
	sl_text_printf(text, "sluice: well: %u of %u nodes in %u pool%s take new %s", available,
		       nodes, pools, pools == 1 ? "" : "s", arrivals(look));
	if (draining)
		sl_text_printf(text, ", %u drain%s", draining, draining == 1 ? "s" : "");
	return true;
}

/* ---- text ---------------------------------------------------------------------------------- */

static enum sl_ink state_ink(enum sl_breaker_state state, uint32_t admin)
{
	if (state == SL_BREAKER_OPEN || state == SL_BREAKER_FORCED_OPEN)
		return SL_INK_BAD;
	if (state == SL_BREAKER_CLOSED && !(admin & SL_NODE_DRAINING))
		return SL_INK_GOOD;
	return SL_INK_WARN;
}

/*
 * Columns of a node's line. A narrow terminal gets those that answer "may it be used, is it used";
 * a drain then stands in the breaker's cell, and the last change is named without its plane.
 */
enum node_column {
	COLUMN_INDEX,
	COLUMN_NODE,
	COLUMN_BREAKER,
	COLUMN_ADMIN,
	COLUMN_FLOWS,
	COLUMN_REQUESTS,
	COLUMN_CONNECT,
	COLUMN_FIRST_BYTE,
	COLUMN_IN,
	COLUMN_OUT,
	COLUMN_LAST,
	COLUMN_OUTCOMES,
	COLUMN_TRIPS,
	COLUMN_CHANGE,
	COLUMN_COUNT
};

#define CELL_BYTES 64u

struct column {
	const char *title;
	int width;	    /* negative: to the left */
	uint32_t wide_from; /* shown on terminals of at least this width */
};

static const struct column node_columns[COLUMN_COUNT] = {
	[COLUMN_INDEX] = {"#", 3, 0},		[COLUMN_NODE] = {"node", -22, 0},
	[COLUMN_BREAKER] = {"breaker", -24, 0}, [COLUMN_ADMIN] = {"admin", -8, 130},
	[COLUMN_FLOWS] = {"flows", 5, 0},	[COLUMN_REQUESTS] = {"reqs", 4, 0},
	[COLUMN_CONNECT] = {"connect", 8, 140}, [COLUMN_FIRST_BYTE] = {"1st byte", 8, 140},
	[COLUMN_IN] = {"in", 8, 185},		[COLUMN_OUT] = {"out", 8, 185},
	[COLUMN_LAST] = {"last", 8, 185},	[COLUMN_OUTCOMES] = {"ok/slow/fail", 12, 0},
	[COLUMN_TRIPS] = {"trips", 5, 88},	[COLUMN_CHANGE] = {"last change", -27, 118},
};
#define PLANE_WIDE_FROM 185u

static bool shows(const struct sl_status_look *look, enum node_column column)
{
	return !look->columns || look->columns >= node_columns[column].wide_from;
}

static void say_cells(const struct sl_status_look *look, char cells[COLUMN_COUNT][CELL_BYTES],
		      enum sl_ink ink, struct sl_text *text)
{
	enum sl_ink after = ink == SL_INK_DIM ? SL_INK_DIM : SL_INK_PLAIN;

	for (unsigned i = 0; i < COLUMN_COUNT; i++) {
		const struct column *column = &node_columns[i];

		if (!shows(look, i))
			continue;
		sl_text_printf(text, "%s%s%*s%s", i ? " " : "  ",
			       i == COLUMN_BREAKER ? sl_say_ink(stdout, ink) : "",
			       i == COLUMN_CHANGE ? 0 : column->width, cells[i],
			       i == COLUMN_BREAKER ? sl_say_ink(stdout, after) : "");
	}
	sl_text_append_string(text, "\n");
}

/* "open 3.2 s" with the generation and exponent behind it. */
static void put_state_cell(const struct sl_status_look *look, const struct sl_node_state *node,
			   char cell[CELL_BYTES])
{
	uint64_t word = sl_breaker_load(&node->breaker);
	uint32_t wait_ms = sl_breaker_wait_ms(word, look->now_ns / SL_NS_PER_MS);
	char duration[SL_DURATION_TEXT_MAX];
	enum sl_breaker_state state = sl_breaker_state(word);
	bool drains = (node->admin & SL_NODE_DRAINING) && !shows(look, COLUMN_ADMIN);
	const char *prefix = drains ? "drains, " : "";

	if (state == SL_BREAKER_OPEN)
		snprintf(cell, CELL_BYTES, "%sopen %s g%u x%u", prefix,
			 wait_ms ? sl_say_duration(wait_ms * SL_NS_PER_MS, duration) : "due",
			 sl_breaker_generation(word), sl_breaker_exponent(word));
	else if (state == SL_BREAKER_HALF_OPEN)
		snprintf(cell, CELL_BYTES, "%shalf_open %u ok%s g%u", prefix,
			 sl_breaker_successes(word), sl_breaker_probe(word) ? " probe" : "",
			 sl_breaker_generation(word));
	else
		snprintf(cell, CELL_BYTES, "%s%s g%u", prefix, sl_status_state_name(state),
			 sl_breaker_generation(word));
}

static void put_change_cell(const struct sl_status_look *look, const struct sl_node_state *node,
			    char cell[CELL_BYTES])
{
	bool plane = !look->columns || look->columns >= PLANE_WIDE_FROM;
	char ago[SL_DURATION_TEXT_MAX];

	if (!node->changed_ns) {
		snprintf(cell, CELL_BYTES, "-");
		return;
	}
	snprintf(cell, CELL_BYTES, "%s%s%s, %s ago", sl_status_signal_name(node->last_signal),
		 plane ? " by " : "", plane ? sl_status_plane_name(node->last_plane) : "",
		 sl_say_duration(age_ms(look->now_ns, node->changed_ns) * SL_NS_PER_MS, ago));
}

/* A measured time, or "-" where nothing was measured yet. */
static void put_time_cell(uint32_t time_us, char cell[CELL_BYTES])
{
	char duration[SL_DURATION_TEXT_MAX];

	snprintf(cell, CELL_BYTES, "%s",
		 time_us ? sl_say_duration(time_us * SL_NS_PER_US, duration) : "-");
}

static void say_node(const struct sl_status_look *look, uint32_t slot, struct sl_text *text)
{
	const struct sl_node_state *node = &look->view->nodes[slot];
	uint64_t last_byte_ns = sl_breaker_load(&node->last_byte_ns);
	char cells[COLUMN_COUNT][CELL_BYTES], buffer[SL_ADDRESS_TEXT_SIZE];
	struct sl_breaker_window window;

	sl_breaker_window_sum(node, look->now_ns / SL_NS_PER_MS, &window);
	snprintf(cells[COLUMN_INDEX], CELL_BYTES, "%u", node->index);
	snprintf(cells[COLUMN_NODE], CELL_BYTES, "%s", sl_address_format(&node->endpoint, buffer));
	put_state_cell(look, node, cells[COLUMN_BREAKER]);
	snprintf(cells[COLUMN_ADMIN], CELL_BYTES, "%s",
		 node->admin & SL_NODE_DRAINING ? "draining" : "-");
	snprintf(cells[COLUMN_FLOWS], CELL_BYTES, "%llu",
		 (unsigned long long)flows_in_flight(node));
	snprintf(cells[COLUMN_REQUESTS], CELL_BYTES, "%u", node->requests);
	put_time_cell(node->connect_us, cells[COLUMN_CONNECT]);
	put_time_cell(node->first_byte_us, cells[COLUMN_FIRST_BYTE]);
	sl_say_bytes(node->bytes_in, cells[COLUMN_IN]);
	sl_say_bytes(node->bytes_out, cells[COLUMN_OUT]);
	if (last_byte_ns)
		sl_say_duration(age_ms(look->now_ns, last_byte_ns) * SL_NS_PER_MS,
				cells[COLUMN_LAST]);
	else
		snprintf(cells[COLUMN_LAST], CELL_BYTES, "never");
	snprintf(cells[COLUMN_OUTCOMES], CELL_BYTES, "%u/%u/%u", window.success, window.slow,
		 window.failure);
	snprintf(cells[COLUMN_TRIPS], CELL_BYTES, "%u", node->trips);
	put_change_cell(look, node, cells[COLUMN_CHANGE]);
	say_cells(look, cells,
		  state_ink(sl_breaker_state(sl_breaker_load(&node->breaker)), node->admin), text);
}

/* A line below the node's, where it is checked or something is to be said. */
static void say_health(const struct sl_status_look *look, uint32_t slot, struct sl_text *text)
{
	const struct sl_health_line *line =
		sl_health_of(&look->health, &look->view->nodes[slot], slot);
	char words[SL_HEALTH_WORDS_SIZE];
	bool well = line && !line->doubtful && !line->held_ms && line->check[0] != 'f' &&
		    strncmp(line->check, "not", 3) != 0;

	if (!sl_health_words(line, words)[0])
		return;
	sl_text_printf(text, "      %shealth: %s%s\n",
		       sl_say_ink(stdout, well ? SL_INK_DIM : SL_INK_WARN), words,
		       sl_say_ink(stdout, SL_INK_PLAIN));
}

static void say_pool(const struct sl_status_look *look, uint32_t pool, struct sl_text *text)
{
	const struct sl_pool_state *state = &look->view->pools[pool];
	char titles[COLUMN_COUNT][CELL_BYTES];

	sl_text_printf(text,
		       "\npool %s\"%.63s\"%s: %u node%s, %u ejected, %llu %s found no node, "
		       "%llu in panic\n",
		       sl_say_ink(stdout, SL_INK_BOLD), state->name,
		       sl_say_ink(stdout, SL_INK_PLAIN), state->node_count,
		       state->node_count == 1 ? "" : "s", state->ejected,
		       (unsigned long long)state->no_node, arrivals(look),
		       (unsigned long long)state->panics);
	for (unsigned i = 0; i < COLUMN_COUNT; i++)
		snprintf(titles[i], CELL_BYTES, "%s", node_columns[i].title);
	sl_text_append_string(text, sl_say_ink(stdout, SL_INK_DIM));
	say_cells(look, titles, SL_INK_DIM, text);
	sl_text_append_string(text, sl_say_ink(stdout, SL_INK_PLAIN));
	for (uint32_t slot = next_node(look->view, pool, 0); slot;
	     slot = next_node(look->view, pool, slot)) {
		say_node(look, slot, text);
		sl_status_beacon_text(look, slot, text);
		say_health(look, slot, text);
	}
}

static bool same_device(const struct sl_record *one, const struct sl_record *other)
{
	return one->ifindex == other->ifindex && one->netns == other->netns;
}

/* The device's records from the first on, in the order of their kinds: XDP, TC, qdisc. */
static void say_device(const struct sl_view *view, const struct sl_record *records, uint32_t count,
		       struct sl_text *text)
{
	bool alive = true;
	bool first = true;

	sl_text_printf(text, "  %-16s ", records[0].device);
	for (unsigned kind = 0; kind < SL_RECORD_KIND_COUNT; kind++) {
		for (uint32_t i = 0; i < count; i++) {
			if (records[i].kind != kind || !same_device(&records[0], &records[i]))
				continue;
			sl_text_printf(text, "%s%s", first ? "" : ", ", sl_record_kind_name(kind));
			alive &= sl_record_alive(view->dir, &records[i]);
			first = false;
		}
	}
	sl_text_append_string(text, alive ? "\n" : " (the device is gone)\n");
}

static void say_devices(const struct sl_view *view, struct sl_text *text)
{
	struct sl_record records[SL_RECORDS_MAX];
	uint32_t count;

	sl_record_list(view->dir, records, SL_RECORDS_MAX, &count);
	sl_text_append_string(text, "\ndevices\n");
	for (uint32_t i = 0; i < count; i++) {
		bool said = false;

		for (uint32_t before = 0; before < i; before++)
			said |= same_device(&records[before], &records[i]);
		if (!said)
			say_device(view, &records[i], count - i, text);
	}
}

struct counter_name {
	const char *name;
	const char *help;
};

static const struct counter_name counter_names[SL_COUNTER_COUNT] = {
#define X(id, name, help) {name, help},
#include "bpf/counters.def"
#undef X
};

static void say_counters(const struct sl_view *view, struct sl_text *text)
{
	sl_text_append_string(text, "\npackets and flows, counters above zero\n");
	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		uint64_t value = sl_view_counter(view, i);

		if (value)
			sl_text_printf(text, "  %-20s %14llu  %s\n", counter_names[i].name,
				       (unsigned long long)value, counter_names[i].help);
	}
}

void sl_status_text(const struct sl_status_look *look, struct sl_text *text)
{
	struct sl_text line;
	char memory[1024];
	bool well;

	sl_text_init_fixed(&line, memory, sizeof(memory));
	well = sl_status_summary(look, &line);
	sl_text_printf(text, "%s%s%s\n", sl_say_ink(stdout, well ? SL_INK_GOOD : SL_INK_BAD),
		       sl_text_string(&line), sl_say_ink(stdout, SL_INK_PLAIN));
	if (look->view->alone)
		sl_text_append_string(text, "no kernel plane: the daemon works alone (sluice up "
					    "CONFIG loads it)\n");
	sl_text_printf(text, "daemon: %s (%s)%s%s\n", look->daemon ? "answers" : "does not answer",
		       look->daemon_socket, look->profile[0] ? ", profile " : "", look->profile);
	for (uint32_t pool = 1; pool < sl_view_pool_slots(look->view); pool++) {
		if (wants_pool(look, pool))
			say_pool(look, pool, text);
	}
	if (look->pool || look->view->alone)
		return;
	say_devices(look->view, text);
	say_counters(look->view, text);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void put_number(struct sl_text *text, const char *name, uint64_t value)
{
	sl_text_printf(text, "\"%s\": %llu, ", name, (unsigned long long)value);
}

static void put_bool(struct sl_text *text, const char *name, bool value)
{
	sl_text_printf(text, "\"%s\": %s, ", name, value ? "true" : "false");
}

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, "\"%s\": ", name);
	sl_text_append_json_string(text, value);
	sl_text_append_string(text, ", ");
}

/* An instant as its age; null where it never was. */
static void put_age(struct sl_text *text, const char *name, uint64_t now_ns, uint64_t then_ns)
{
	if (then_ns)
		put_number(text, name, age_ms(now_ns, then_ns));
	else
		sl_text_printf(text, "\"%s\": null, ", name);
}

static void put_breaker(const struct sl_node_state *node, uint64_t now_ns, struct sl_text *text)
{
	uint64_t word = sl_breaker_load(&node->breaker);
	uint64_t now_ms = now_ns / SL_NS_PER_MS;

	put_string(text, "state", sl_status_state_name(sl_breaker_state(word)));
	put_number(text, "generation", sl_breaker_generation(word));
	put_number(text, "wait_ms", sl_breaker_wait_ms(word, now_ms));
	put_number(text, "exponent", sl_breaker_exponent(word));
	put_bool(text, "probe", sl_breaker_probe(word));
	put_number(text, "successes", sl_breaker_successes(word));
	put_bool(text, "available", sl_breaker_available(node, now_ms));
	put_number(text, "consecutive", node->consecutive);
	put_number(text, "trips", node->trips);
	put_number(text, "cap_denied", node->cap_denied);
	put_string(text, "last_signal", sl_status_signal_name(node->last_signal));
	put_string(text, "last_plane", sl_status_plane_name(node->last_plane));
	put_age(text, "changed_ms_ago", now_ns, node->changed_ns);
}

/* One node on one line, so that grep and sed find their way. */
static void put_node(const struct sl_status_look *look, uint32_t slot, struct sl_text *text)
{
	const struct sl_node_state *node = &look->view->nodes[slot];
	char address[SL_ADDRESS_TEXT_SIZE];
	struct sl_breaker_window window;
	bool first = true;

	sl_text_append_string(text, "   {");
	put_number(text, "slot", slot);
	put_number(text, "index", node->index);
	put_string(text, "address", sl_address_format(&node->endpoint, address));
	put_breaker(node, look->now_ns, text);
	put_bool(text, "draining", node->admin & SL_NODE_DRAINING);
	sl_status_beacon_json(look, slot, text);
	sl_health_json(sl_health_of(&look->health, node, slot), text);
	put_number(text, "weight", node->weight);
	put_number(text, "flows", flows_in_flight(node));
	put_number(text, "flows_opened", sl_breaker_load(&node->flows_opened));
	put_number(text, "flows_closed", sl_breaker_load(&node->flows_closed));
	put_number(text, "requests", node->requests);
	put_number(text, "waiting", node->waiting);
	put_number(text, "connect_us", node->connect_us);
	put_number(text, "first_byte_us", node->first_byte_us);
	put_number(text, "bytes_in", sl_breaker_load(&node->bytes_in));
	put_number(text, "bytes_out", sl_breaker_load(&node->bytes_out));
	put_age(text, "last_byte_ms_ago", look->now_ns, sl_breaker_load(&node->last_byte_ns));
	sl_breaker_window_sum(node, look->now_ns / SL_NS_PER_MS, &window);
	sl_text_printf(text, "\"window\": {\"success\": %u, \"slow\": %u, \"failure\": %u}, ",
		       window.success, window.slow, window.failure);
	sl_text_append_string(text, "\"signals\": {");
	for (unsigned signal = 0; signal < SL_SIGNAL_COUNT; signal++) {
		if (!node->signals[signal])
			continue;
		sl_text_printf(text, "%s\"%s\": %llu", first ? "" : ", ",
			       sl_status_signal_name(signal),
			       (unsigned long long)node->signals[signal]);
		first = false;
	}
	sl_text_append_string(text, "}}");
}

static void put_pool(const struct sl_status_look *look, uint32_t pool, struct sl_text *text)
{
	const struct sl_pool_state *state = &look->view->pools[pool];
	char name[sizeof(state->name) + 1];
	bool first = true;

	snprintf(name, sizeof(name), "%.64s", state->name);
	sl_text_append_string(text, "  {");
	put_string(text, "name", name);
	put_number(text, "slot", pool);
	put_number(text, "node_count", state->node_count);
	put_number(text, "ejected", state->ejected);
	put_number(text, "maglev_size", state->maglev_size);
	put_number(text, "generation", state->generation);
	put_number(text, "no_node", state->no_node);
	put_number(text, "panics", state->panics);
	sl_text_append_string(text, "\"nodes\": [\n");
	for (uint32_t slot = next_node(look->view, pool, 0); slot;
	     slot = next_node(look->view, pool, slot)) {
		sl_text_append_string(text, first ? "" : ",\n");
		put_node(look, slot, text);
		first = false;
	}
	sl_text_append_string(text, "]}");
}

static void put_devices(const struct sl_view *view, struct sl_text *text)
{
	struct sl_record records[SL_RECORDS_MAX];
	bool first = true;
	uint32_t count;

	sl_record_list(view->dir, records, SL_RECORDS_MAX, &count);
	count = view->alone ? 0 : count; /* what a half-done `up` left is no device */
	sl_text_append_string(text, "\"devices\": [");
	for (uint32_t i = 0; i < count; i++) {
		if (records[i].kind == SL_RECORD_CLSACT)
			continue;
		sl_text_append_string(text, first ? "\n  {" : ",\n  {");
		put_string(text, "device", records[i].device);
		put_number(text, "ifindex", records[i].ifindex);
		put_string(text, "mode", sl_record_kind_name(records[i].kind));
		sl_text_printf(text, "\"alive\": %s}",
			       sl_record_alive(view->dir, &records[i]) ? "true" : "false");
		first = false;
	}
	sl_text_append_string(text, "],\n");
}

static void put_counters(const struct sl_view *view, struct sl_text *text)
{
	bool first = true;

	sl_text_append_string(text, "\"counters\": {");
	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		uint64_t value = sl_view_counter(view, i);

		if (!value)
			continue;
		sl_text_printf(text, "%s\"%s\": %llu", first ? "" : ", ", counter_names[i].name,
			       (unsigned long long)value);
		first = false;
	}
	sl_text_append_string(text, "}");
}

void sl_status_json(const struct sl_status_look *look, struct sl_text *text)
{
	struct sl_text line;
	char memory[1024];
	bool first = true;
	bool well;

	sl_text_init_fixed(&line, memory, sizeof(memory));
	well = sl_status_summary(look, &line);
	sl_text_append_string(text, "{");
	put_number(text, "abi", look->view->settings->abi_version);
	put_string(text, "pin_dir", look->view->dir);
	put_string(text, "kernel_plane", look->view->alone ? "memory" : "bpf");
	put_bool(text, "well", well);
	put_string(text, "summary", sl_text_string(&line));
	sl_text_append_string(text, "\n\"daemon\": {");
	put_bool(text, "answers", look->daemon);
	put_bool(text, "alone", look->daemon_alone);
	put_string(text, "profile", look->profile);
	sl_text_append_string(text, "\"socket\": ");
	sl_text_append_json_string(text, look->daemon_socket);
	sl_text_append_string(text, "},\n\"pools\": [\n");
	for (uint32_t pool = 1; pool < sl_view_pool_slots(look->view); pool++) {
		if (!wants_pool(look, pool))
			continue;
		sl_text_append_string(text, first ? "" : ",\n");
		put_pool(look, pool, text);
		first = false;
	}
	sl_text_append_string(text, "],\n");
	sl_text_append_string(text, "\"drift\": ");
	sl_text_append_string(text, look->drift && look->drift[0] ? look->drift : "null");
	sl_text_append_string(text, ",\n\"semantic_cache\": ");
	sl_text_append_string(text, look->semantic && look->semantic[0] ? look->semantic : "null");
	sl_text_append_string(text, ",\n\"rings\": ");
	sl_text_append_string(text, look->rings && look->rings[0] ? look->rings : "null");
	sl_text_append_string(text, ",\n");
	put_devices(look->view, text);
	put_counters(look->view, text);
	sl_text_append_string(text, "}\n");
}
