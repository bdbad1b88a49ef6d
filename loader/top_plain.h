/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_plain.h - `sluice top --plain`: for screen readers, logs and slow lines. All once, then what changes.
 *
 *	22:48:56 Well: 4 of 4 nodes in 3 pools take requests.
 *	22:49:12 Degraded: node 10.0.0.7:8000 is out (breaker open, connect_error).
 *	22:49:12 nodes: 10.0.0.7:8000 of pool gpu: open, connect_error
 *	22:50:03 incidents: over: open 3: node 10.0.0.7:8000 of pool gpu
 *
 * A change is one of an item's fact: rates and ages are none. Pure.
 */
#ifndef SL_LOADER_TOP_PLAIN_H
#define SL_LOADER_TOP_PLAIN_H

#include "loader/top_item.h"

/* What was told last: key and fact of each item. */
struct sl_top_plain {
	struct sl_text told; /* "key\0fact\0pane" of each, one after the other */
	char verdict[SL_TOP_SUMMARY_MAX];
	bool begun;
};

void sl_top_plain_init(struct sl_top_plain *plain);
void sl_top_plain_fini(struct sl_top_plain *plain);

/* Appends what is new since the call before; the first time all of it. */
void sl_top_plain_tell(struct sl_top_plain *plain, const struct sl_top_items *items,
		       uint64_t wall_ms, bool utf8, struct sl_text *text);

#endif
