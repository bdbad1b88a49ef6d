/* SPDX-License-Identifier: BSD-2-Clause */
/* What lies between two looks: pure. */
#include "loader/top.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/latency.h"

/* Of the kernel's ring buffer, before each record. */
#define RING_HEADER_BYTES 8u

static const char *const counter_names[SL_COUNTER_COUNT] = {
#define X(id, name, help) name,
#include "bpf/counters.def"
#undef X
};

const char *sl_top_counter_name(enum sl_counter counter)
{
	return counter_names[counter];
}

bool sl_top_is_loss(enum sl_counter counter)
{
	switch (counter) {
	case SL_COUNTER_DROP_BEACON:	  /* read */
	case SL_COUNTER_DROP_COOKIE_BACK: /* proved its source */
	case SL_COUNTER_DROP_WITHHELD:	  /* its SYN goes elsewhere */
		return false;
	case SL_COUNTER_EVENT_LOST:
	case SL_COUNTER_TRACE_LOST:
	case SL_COUNTER_CAS_LOST:
		return true;
	default:
		return !strncmp(counter_names[counter], "drop_", 5);
	}
}

/* ---- between two looks --------------------------------------------------------------------- */

bool sl_top_between(const struct sl_top *top)
{
	return top->before.now_ns && top->now.now_ns > top->before.now_ns &&
	       top->before.plane == top->now.plane;
}

double sl_top_seconds(const struct sl_top *top)
{
	return (double)(top->now.now_ns - top->before.now_ns) / 1e9;
}

uint64_t sl_top_moved(const struct sl_top *top, enum sl_counter counter)
{
	return top->now.counters[counter] - top->before.counters[counter];
}

uint64_t sl_top_events(const struct sl_top *top)
{
	return (top->now.event_bytes - top->before.event_bytes) /
		       (sizeof(struct sl_event) + RING_HEADER_BYTES) +
	       sl_top_moved(top, SL_COUNTER_EVENT_LOST);
}

uint32_t sl_top_next_node(const struct sl_top *top, uint32_t pool, uint32_t slot)
{
	for (slot++; slot < top->now.node_slots; slot++) {
		const struct sl_node_state *node = &top->now.nodes[slot];

		if ((node->admin & SL_NODE_PRESENT) && node->pool == pool)
			return slot;
	}
	return 0;
}

static struct sl_top_times times_of(const uint32_t before[SL_LATENCY_BUCKETS],
				    const uint32_t now[SL_LATENCY_BUCKETS])
{
	uint32_t between[SL_LATENCY_BUCKETS];
	struct sl_top_times times = {0};
	const uint32_t *counts = between;

	sl_latency_between(before, now, between);
	times.count = sl_latency_count(between);
	if (!times.count) {
		counts = now;
		times.count = sl_latency_count(now);
		times.since_start = true;
	}
	times.p50_us = sl_latency_quantile_us(counts, 500);
	times.p99_us = sl_latency_quantile_us(counts, 990);
	return times;
}

void sl_top_node(const struct sl_top *top, uint32_t slot, struct sl_top_node *ret_node)
{
	static const struct sl_node_latency no_latency;
	static const struct sl_node_state no_node;
	const struct sl_node_state *now = &top->now.nodes[slot];
	const struct sl_node_latency *latency = &top->now.latencies[slot];
	const struct sl_node_latency *latency_before = &no_latency;
	const struct sl_node_state *before = &no_node;

	/* A slot that another node has got begins at zero. */
	if (slot < top->before.node_slots &&
	    top->before.nodes[slot].incarnation == now->incarnation) {
		before = &top->before.nodes[slot];
		latency_before = &top->before.latencies[slot];
	}
	*ret_node = (struct sl_top_node){
		.state = now,
		.health = sl_health_of(&top->now.health, now, slot),
		.load = top->now.loads[slot].seen_ns ? &top->now.loads[slot] : NULL,
		.flows = sl_node_flows(now, top->now.now_ns),
		.opened = now->flows_opened - before->flows_opened,
		.closed = now->flows_closed - before->flows_closed,
		.expired = now->flows_expired - before->flows_expired,
		.evicted = now->flows_evicted - before->flows_evicted,
		.bytes_in = now->bytes_in - before->bytes_in,
		.bytes_out = now->bytes_out - before->bytes_out,
		.trips = now->trips - before->trips,
		.connect = times_of(latency_before->connect, latency->connect),
		.first_byte = times_of(latency_before->first_byte, latency->first_byte),
	};
}

/* ---- is it the same world --------------------------------------------------------------------- */

#define STRANGE_LOOKS 2u

/* Marks the slots that the document tells of. Returns whether each is in the maps. */
static bool mark_told(const struct sl_top *top, uint8_t *told)
{
	const struct sl_document *pools = sl_document_member(top->document, "pools");

	for (size_t p = 0; p < sl_document_count(pools); p++) {
		const struct sl_document *nodes =
			sl_document_member(sl_document_at(pools, p), "nodes");

		for (size_t n = 0; n < sl_document_count(nodes); n++) {
			const struct sl_document *node = sl_document_at(nodes, n);
			uint64_t slot = sl_document_number(node, "slot");
			uint64_t incarnation = sl_document_number(node, "incarnation");

			if (slot >= top->now.node_slots ||
			    !(top->now.nodes[slot].admin & SL_NODE_PRESENT) ||
			    (incarnation && incarnation != top->now.nodes[slot].incarnation))
				return false;
			told[slot] = 1;
		}
	}
	return true;
}

static bool agrees(const struct sl_top *top)
{
	uint8_t *told = calloc(top->now.node_slots + 1u, 1);
	bool same = told && mark_told(top, told);

	for (uint32_t slot = 1; same && slot < top->now.node_slots; slot++)
		same = told[slot] || !(top->now.nodes[slot].admin & SL_NODE_PRESENT);
	free(told);
	return same;
}

void sl_top_note_strange(struct sl_top *top)
{
	top->strange = top->document && !agrees(top) ? top->strange + 1 : 0;
}

bool sl_top_is_strange(const struct sl_top *top)
{
	return top->strange >= STRANGE_LOOKS;
}

/* ---- changes of nodes ------------------------------------------------------------------------ */

static void note_change(struct sl_top *top, uint32_t slot)
{
	const struct sl_node_state *now = &top->now.nodes[slot], *before = &top->before.nodes[slot];
	struct sl_top_change change = {
		.wall_ms = top->wall_ms,
		.pool = now->pool,
		.slot = slot,
		.incarnation = now->incarnation,
		.trips = now->trips - before->trips,
		.before = (uint8_t)sl_breaker_state(before->breaker),
		.now = (uint8_t)sl_breaker_state(now->breaker),
		.drained = now->admin & ~before->admin & SL_NODE_DRAINING,
		.undrained = before->admin & ~now->admin & SL_NODE_DRAINING,
		.signal = now->last_signal,
	};

	if (change.before != change.now || change.trips || change.drained || change.undrained)
		top->changes[top->change_count++ % SL_TOP_CHANGES_MAX] = change;
}

void sl_top_note_changes(struct sl_top *top)
{
	uint32_t slots = top->before.node_slots < top->now.node_slots ? top->before.node_slots
								      : top->now.node_slots;

	for (uint32_t slot = 1; sl_top_between(top) && slot < slots; slot++) {
		if ((top->now.nodes[slot].admin & SL_NODE_PRESENT) &&
		    top->now.nodes[slot].incarnation == top->before.nodes[slot].incarnation)
			note_change(top, slot);
	}
}
