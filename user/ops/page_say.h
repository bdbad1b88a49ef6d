/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * page_say.h - the snapshot: everything that the status page shows, as one JSON object in one line.
 *
 * The members of pools and nodes are those of `sluice top --json` where it has them; docs/operations.md lists
 * all. Nothing in it is a secret: names, addresses, counts and states; of requests their ids, never a text.
 *
 * Thread: any that is no loop's, one at a time for the counts.
 */
#ifndef SL_OPS_PAGE_SAY_H
#define SL_OPS_PAGE_SAY_H

#include "user/ops/page_count.h"
#include "user/ops/page_verdict.h"

#define SL_PAGE_DECISIONS_MAX 12u
#define SL_PAGE_STEP_MS \
	60000u /* a step that nobody took for so long is not where the ladder stands */

/*
 * The last requests about which something was decided, newest first. Kept from snapshot to snapshot, for a busy
 * thread's ring of trails holds a second's.
 */
struct sl_page_decisions {
	struct sl_trail list[SL_PAGE_DECISIONS_MAX];
	uint32_t count;
};

/* What is told; borrowed for the call. */
struct sl_page_scene {
	const struct sl_metrics_source *metrics;
	struct sl_upstream_state state;
	const struct sl_routes *routes;
	const struct sl_page_counts *counts;
	struct sl_page_decisions *decisions;
	const struct sl_page_facts *told; /* by the parts of the watch */
	struct sl_span parts;		  /* their members, from a comma on */
	uint64_t now_ns;
	uint32_t interval_ms;
};

/* An experiment of the kernel plane that is at work. */
bool sl_page_chaos_runs(const struct sl_kernel_plane *plane, uint32_t row, uint64_t now_ns);

/* The node's name as the snapshot, logs and ledgers have it. Returns out. */
#define SL_PAGE_NODE_BYTES 320u
const char *sl_page_node_text(const struct sl_metrics_source *source, uint32_t slot,
			      char out[SL_PAGE_NODE_BYTES]);

/* Appends it. A text that has an error afterwards was too long. */
void sl_page_say(const struct sl_page_scene *scene, struct sl_text *text);

#endif
