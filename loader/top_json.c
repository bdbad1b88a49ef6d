/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_json.c - an interval of `sluice top` as one JSON object on one line.
 *
 * Numbers are counts of the interval (`interval_s` long), not rates, so that a reader may add them
 * up; names that say so ("flows", "waiting") are of the moment. "daemon" is the status page's document as it came.
 */
#include <stdio.h>
#include "loader/safe.h"
#include "loader/status.h"
#include "loader/top.h"
#include "user/base/address.h"
#include "user/base/clock.h"

static void put_number(struct sl_text *text, const char *name, uint64_t value)
{
	sl_text_printf(text, "\"%s\": %llu, ", name, (unsigned long long)value);
}

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, "\"%s\": ", name);
	sl_text_append_json_string(text, value);
	sl_text_append_string(text, ", ");
}

static void put_age(struct sl_text *text, const char *name, uint64_t now_ns, uint64_t then_ns)
{
	if (then_ns)
		put_number(text, name, now_ns > then_ns ? (now_ns - then_ns) / SL_NS_PER_MS : 0);
	else
		sl_text_printf(text, "\"%s\": null, ", name);
}

/* Takes back the separator behind the last member. */
static void put_end(struct sl_text *text, const char *end)
{
	if (text->len >= 2 && text->data[text->len - 2] == ',')
		sl_text_truncate(text, text->len - 2);
	sl_text_append_string(text, end);
}

static void put_times(struct sl_text *text, const char *name, const struct sl_top_times *times)
{
	sl_text_printf(text, "\"%s\": {", name);
	put_number(text, "count", times->count);
	put_number(text, "p50_us", times->p50_us);
	put_number(text, "p99_us", times->p99_us);
	sl_text_printf(text, "\"since_start\": %s}, ", times->since_start ? "true" : "false");
}

static void put_beacon(struct sl_text *text, const struct sl_node_load *load, uint64_t now_ns)
{
	static const char *const names[] = {"unknown", "ready", "busy", "draining", "sick"};

	if (!load) {
		sl_text_append_string(text, "\"beacon\": null, ");
		return;
	}
	sl_text_append_string(text, "\"beacon\": {");
	put_age(text, "seen_ms_ago", now_ns, load->seen_ns);
	put_string(text, "health",
		   load->health <= SL_HEALTH_SICK ? names[load->health] : "unknown");
	put_number(text, "slots", load->slots);
	put_number(text, "running", load->running);
	put_number(text, "waiting", load->waiting);
	put_number(text, "kv_permille", load->kv_permille);
	put_end(text, "}, ");
}

static void put_node(const struct sl_top *top, uint32_t slot, struct sl_text *text)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	struct sl_top_node node;
	const struct sl_node_state *state;

	sl_top_node(top, slot, &node);
	state = node.state;
	sl_text_append_string(text, "{");
	put_number(text, "slot", slot);
	put_number(text, "index", state->index);
	put_string(text, "address", sl_address_format(&state->endpoint, address));
	put_string(text, "state", sl_status_state_name(sl_breaker_state(state->breaker)));
	put_string(text, "last_signal", sl_status_signal_name(state->last_signal));
	put_age(text, "changed_ms_ago", top->now.now_ns, state->changed_ns);
	sl_text_printf(text, "\"draining\": %s, ",
		       state->admin & SL_NODE_DRAINING ? "true" : "false");
	put_number(text, "trips", node.trips);
	put_number(text, "flows", node.flows);
	put_number(text, "waiting", state->waiting);
	put_number(text, "requests", state->requests);
	put_number(text, "opened", node.opened);
	put_number(text, "closed", node.closed);
	put_number(text, "expired", node.expired);
	put_number(text, "evicted", node.evicted);
	put_number(text, "bytes_in", node.bytes_in);
	put_number(text, "bytes_out", node.bytes_out);
	put_times(text, "connect", &node.connect);
	put_times(text, "first_byte", &node.first_byte);
	put_beacon(text, node.load, top->now.now_ns);
	sl_health_json(node.health, text);
	put_end(text, "}, ");
}

static void put_pool(const struct sl_top *top, uint32_t pool, struct sl_text *text)
{
	const struct sl_pool_state *state = &top->now.pools[pool];
	const struct sl_pool_state *before =
		pool < top->before.pool_slots ? &top->before.pools[pool] : state;
	char name[sizeof(state->name) + 1];

	snprintf(name, sizeof(name), "%.64s", state->name);
	sl_text_append_string(text, "{");
	put_string(text, "name", name);
	put_number(text, "node_count", state->node_count);
	put_number(text, "ejected", state->ejected);
	put_number(text, "no_node", state->no_node - before->no_node);
	put_number(text, "panics", state->panics - before->panics);
	put_number(text, "spills", state->spills - before->spills);
	sl_text_append_string(text, "\"nodes\": [");
	for (uint32_t slot = sl_top_next_node(top, pool, 0); slot;
	     slot = sl_top_next_node(top, pool, slot))
		put_node(top, slot, text);
	put_end(text, "]}, ");
}

static void put_table(const struct sl_top_table *table, struct sl_text *text)
{
	sl_text_append_string(text, "\"table\": {");
	put_number(text, "living", table->living);
	put_number(text, "expired", table->expired);
	put_number(text, "places", table->places);
	sl_text_printf(text, "\"estimated\": %s}, ", table->estimated ? "true" : "false");
}

void sl_top_json(const struct sl_top *top, struct sl_text *text)
{
	char time[SL_CLOCK_ISO_SIZE];

	sl_clock_format_iso(sl_clock_wall_ms(), time);
	sl_text_append_string(text, "{");
	put_string(text, "time", time);
	sl_text_printf(text, "\"interval_s\": %.3f, ", sl_top_seconds(top));
	put_string(text, "host", top->host);
	put_string(text, "kernel_plane", top->now.plane ? "bpf" : "memory");
	put_string(text, "devices", top->devices);
	sl_text_printf(text, "\"well\": %s, ", top->well ? "true" : "false");
	put_string(text, "summary", top->summary);
	put_table(&top->now.table, text);
	put_number(text, "events", sl_top_events(top));
	sl_text_append_string(text, "\"counters\": {");
	for (unsigned i = 0; i < SL_COUNTER_COUNT; i++) {
		if (sl_top_moved(top, i))
			put_number(text, sl_top_counter_name(i), sl_top_moved(top, i));
	}
	put_end(text, "}, \"pools\": [");
	for (uint32_t pool = 1; pool < top->now.pool_slots; pool++) {
		if (top->now.pools[pool].present)
			put_pool(top, pool, text);
	}
	put_end(text, "], ");
	sl_text_append_string(text, "\"daemon\": ");
	if (top->document)
		sl_safe_append_json(text, sl_text_span(&top->json));
	else
		sl_text_append_string(text, "null");
	sl_text_append_string(text, "}\n");
}
