/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - what happened between two looks at the shared state, and what the daemon says of it.
 *
 *   sl_top_look()    copies the state; what was `now` becomes `before`; asks the daemon for the document of its
 *                    status page, once (a daemon that works alone is asked for its memory, too)
 *   sl_top_between   whether the two belong together: the same kernel plane, both there
 *   renderings       top_item.h for people, top_json.c for programs
 *
 * A look opens the maps anew, so a kernel plane that is replaced, taken down or loaded meanwhile is
 * noticed. Copies are not of one instant (view.h), so sums over nodes may be off by the packets of
 * some microseconds. A look costs about a millisecond and, with a large flow table, a sample of it:
 * SL_TOP_SAMPLE_SETS sets, over which flows are spread evenly by their hash.
 */
#ifndef SL_LOADER_TOP_H
#define SL_LOADER_TOP_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/breaker.h"
#include "loader/health.h"
#include "loader/top_ask.h"
#include "user/base/text.h"

#define SL_TOP_SAMPLE_SETS 65536u
#define SL_TOP_DEVICES_MAX 256u
#define SL_TOP_SUMMARY_MAX 512u
#define SL_TOP_HOST_MAX	   65u
#define SL_TOP_CHANGES_MAX 128u /* changes of nodes that are remembered */

/* The flow table as it is. */
struct sl_top_table {
	uint64_t living;
	uint64_t expired; /* over their idle time, their place not needed yet */
	uint64_t places;  /* 0: there is no table */
	bool estimated;
};

struct sl_top_state {
	uint64_t now_ns; /* CLOCK_MONOTONIC; 0: no look was taken */
	uint32_t plane;	 /* id of the settings map; 0: a daemon without kernel plane */
	uint64_t counters[SL_COUNTER_COUNT];
	uint32_t node_slots; /* of the arrays below, slot 0 unused */
	uint32_t pool_slots;
	struct sl_node_state *nodes;
	struct sl_pool_state *pools;
	struct sl_node_latency *latencies;
	struct sl_node_load *loads;
	uint64_t event_bytes; /* ever written to the ring of events */
	struct sl_top_table table;
	struct sl_health_look health; /* empty: no daemon tells */
};

/* What became of a node between two looks; a breaker that opened and closed in between shows in the trips. */
struct sl_top_change {
	uint64_t wall_ms;
	uint32_t pool, slot, incarnation;
	uint32_t trips;	     /* so many more */
	uint8_t before, now; /* enum sl_breaker_state */
	bool drained, undrained;
	uint32_t signal; /* enum sl_signal: the last one */
};

struct sl_top {
	struct sl_top_state now;
	struct sl_top_state before;
	uint32_t unasked; /* looks at which a daemon that did not answer is left alone */
	bool well;
	char summary[SL_TOP_SUMMARY_MAX]; /* is it well: as `sluice status` says it */
	char devices[SL_TOP_DEVICES_MAX]; /* "eth0 xdp_native, eth1 tcx_lane" */
	char host[SL_TOP_HOST_MAX];
	struct sl_document
		*document;   /* the status page's; NULL: no daemon, and `no_document` says why */
	struct sl_text json; /* its text */
	char no_document[SL_TOP_WHY_BYTES];
	uint32_t strange; /* looks in a row at which the daemon knew other nodes than the maps */
	uint64_t wall_ms; /* of the last look */
	/* A ring: what was seen since the command began. */
	struct sl_top_change changes[SL_TOP_CHANGES_MAX];
	uint64_t change_count;
};

/* Percentiles over the interval, or where it has no sample since the node was configured. */
struct sl_top_times {
	uint64_t count; /* samples, of the interval or since the start */
	uint64_t p50_us;
	uint64_t p99_us;
	bool since_start;
};

/* One node, differences being those of the interval. */
struct sl_top_node {
	const struct sl_node_state *state;
	const struct sl_node_load *load;     /* of its beacons; NULL: none ever came */
	const struct sl_health_line *health; /* as the daemon tells; NULL: it does not */
	uint64_t flows;			     /* alive now */
	uint64_t opened, closed, expired, evicted;
	uint64_t bytes_in, bytes_out; /* payload from and to it */
	uint32_t trips;		      /* in the interval; state->trips counts all */
	struct sl_top_times connect, first_byte;
};

void sl_top_init(struct sl_top *top);

/*
 * Takes a look. Says on stderr what is wrong; errors of sl_view_open_any(), or -ENOMEM. On failure
 * the earlier looks stay.
 */
int sl_top_look(struct sl_top *top, const char *dir, const char *daemon_socket);
void sl_top_fini(struct sl_top *top);

/* Are there two looks at the same kernel plane? Else there is nothing to render yet. */
bool sl_top_between(const struct sl_top *top);

double sl_top_seconds(const struct sl_top *top);

/* How far a counter went in the interval. */
uint64_t sl_top_moved(const struct sl_top *top, enum sl_counter counter);

/* Events of the interval; those that found no room included. */
uint64_t sl_top_events(const struct sl_top *top);

void sl_top_node(const struct sl_top *top, uint32_t slot, struct sl_top_node *ret_node);

/* The pool's nodes in their order: the slot after `slot`, from 0 on; 0 ends. */
uint32_t sl_top_next_node(const struct sl_top *top, uint32_t pool, uint32_t slot);

/*
 * What the operator should know of packets that went nowhere: the counters that count losses. Some
 * drops are none (a beacon that was read, a SYN that is sent elsewhere).
 */
bool sl_top_is_loss(enum sl_counter counter);
const char *sl_top_counter_name(enum sl_counter counter);

/*
 * Does the daemon know these maps? Not while it still has those of a kernel plane that is gone: then what it says of
 * nodes is of others. Once is nothing: it may reload.
 */
bool sl_top_is_strange(const struct sl_top *top);
/* After each look. */
void sl_top_note_strange(struct sl_top *top);

/* Remembers what became of the nodes between the last two looks. */
void sl_top_note_changes(struct sl_top *top);

/* One object on one line. */
void sl_top_json(const struct sl_top *top, struct sl_text *text);

#endif
