/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_item.h - what `sluice top` knows, as a list of lines in panes: whatever shows it shows these.
 *
 *	verdict, totals
 *	pane:  its summary, its grade            "nodes: 3 of 4 nodes in 3 pools take requests, 1 out"
 *	item:  grade, line, fact, what may be done with it
 *
 * top_nodes.c makes the nodes' pane, top_panes.c those that only the daemon knows, top_kernel.c the kernel
 * plane's. Pure. Lines hold other people's text as it came: who shows them sends them through safe.h. All of it
 * lives until the next build, and borrows from the looks that it was built of.
 */
#ifndef SL_LOADER_TOP_ITEM_H
#define SL_LOADER_TOP_ITEM_H

#include "loader/top.h"
#include "user/base/arena.h"

#define SL_TOP_ITEMS_MAX 8192u /* lines; the rest is left out, and said to be */

/* Their keys are 1 to 9. */
enum sl_top_pane {
	SL_TOP_NODES = 0,
	SL_TOP_LADDERS,
	SL_TOP_QUEUES,
	SL_TOP_BUDGETS,
	SL_TOP_INCIDENTS,
	SL_TOP_ROLLOUTS,
	SL_TOP_CHAOS,
	SL_TOP_DECISIONS,
	SL_TOP_KERNEL,
	SL_TOP_PANES
};

enum sl_top_grade {
	SL_TOP_PLAIN = 0, /* neither: a fact */
	SL_TOP_GOOD,
	SL_TOP_WARN,
	SL_TOP_BAD,
};

/* What may be done with an item. */
enum sl_top_deed {
	SL_TOP_DRAIN = 1 << 0,
	SL_TOP_UNDRAIN = 1 << 1,
	SL_TOP_OPEN = 1 << 2,
	SL_TOP_CLOSE = 1 << 3,
	SL_TOP_AUTO = 1 << 4,
	SL_TOP_ABORT_ROLLOUT = 1 << 5,
	SL_TOP_ABORT_CHAOS = 1 << 6,
	SL_TOP_ABORT_STRIKE = 1 << 7,
};

struct sl_top_item {
	enum sl_top_pane pane;
	enum sl_top_grade grade;
	bool heading;	  /* of those that follow: it cannot be chosen */
	bool titles;	  /* of columns: nothing but for eyes */
	const char *key;  /* the same thing has the same in every look */
	const char *line; /* for a screen of the width that was given */
	const char *fact; /* what is worth a word when it changes: no rates, no ages */
	const struct sl_document *of;
	uint32_t slot;	      /* of a node */
	unsigned deeds;	      /* enum sl_top_deed, those that may be done now */
	const char *name;     /* what a deed is done to: the node, the roll-out, the experiment */
	const char *pool;     /* of a node */
	const char *index_of; /* POOL/INDEX of a node */
	uint64_t number;      /* of an experiment */
	const char *left;     /* what a drain leaves: "1 of 2 nodes are left" */
};

struct sl_top_items {
	struct sl_arena arena;
	struct sl_top_item *list;
	uint32_t count;
	uint32_t left_out;
	const char *summary[SL_TOP_PANES]; /* NULL: nothing is known of such things */
	enum sl_top_grade grade[SL_TOP_PANES];
	const char *verdict;
	enum sl_top_grade verdict_grade;
	const char *totals;
	bool daemon;  /* it told; else `totals` says why not */
	bool strange; /* it told of other nodes: of these the maps tell alone */
};

void sl_top_items_init(struct sl_top_items *items);
void sl_top_items_fini(struct sl_top_items *items);

/* Of two looks that belong together. columns 0: no bounds. */
void sl_top_items_build(struct sl_top_items *items, const struct sl_top *top, uint32_t columns);

const char *sl_top_pane_name(enum sl_top_pane pane);

/* ---- for those who make panes ---------------------------------------------------------------- */

/* Adds one, zeroed but for these. Where there is no room it is one that nobody will see. */
struct sl_top_item *sl_top_items_add(struct sl_top_items *items, enum sl_top_pane pane,
				     enum sl_top_grade grade);

/* In the arena; "" without memory. */
__attribute__((format(printf, 2, 3))) const char *sl_top_print(struct sl_top_items *items,
							       const char *format, ...);
/* Copies what was put together in a text, and empties it. */
const char *sl_top_keep(struct sl_top_items *items, struct sl_text *text);

/* The pane's grade becomes at least this. */
void sl_top_grade(struct sl_top_items *items, enum sl_top_pane pane, enum sl_top_grade grade);

#define SL_TOP_CLOCK_BYTES 16u
/* "22:48:56", in the time of this place. */
const char *sl_top_clock(uint64_t wall_ms, char out[SL_TOP_CLOCK_BYTES]);

void sl_top_build_nodes(struct sl_top_items *items, const struct sl_top *top, uint32_t columns);
void sl_top_build_kernel(struct sl_top_items *items, const struct sl_top *top);
/* Ladders, queues, budgets, incidents, roll-outs, experiments: what only a daemon knows. */
void sl_top_build_panes(struct sl_top_items *items, const struct sl_top *top);
/* What was decided of requests, as the daemon tells, and what became of nodes, as was seen from here. */
void sl_top_build_decisions(struct sl_top_items *items, const struct sl_top *top);

/* More about one, as lines of text: for top_detail.h. */
void sl_top_describe_node(const struct sl_top_item *item, const struct sl_top *top,
			  struct sl_text *text);
void sl_top_describe_kernel(const struct sl_top *top, struct sl_text *text);
/* "closed -> open, connect_error" */
void sl_top_say_change(const struct sl_top_change *change, struct sl_text *text);

#endif
