/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_ui.h - where the operator of `sluice top` is, and what a key does there. Pure.
 *
 *   looking     j k arrows  another item        1-9 0 tab   another pane, or all
 *               Enter       more about it       / p ? q     filter, pause, help, end
 *               d u b a     -> asked
 *   breaker     o c a       -> asked            other       -> looking
 *   asked       y           the deed            other       -> looking
 *   typing      text        the filter          Enter       -> looking; Escape: without one
 *   detail,     j k         scroll              q Escape    -> looking
 *   help
 *
 * What is asked about is copied: that the list moves under the question changes nothing of it.
 */
#ifndef SL_LOADER_TOP_UI_H
#define SL_LOADER_TOP_UI_H

#include "loader/top_item.h"

#define SL_TOP_KEY_BYTES    192u
#define SL_TOP_FILTER_BYTES 64u
#define SL_TOP_NAME_BYTES   256u
#define SL_TOP_ALL	    SL_TOP_PANES /* no pane alone: all of them */

enum sl_top_mode {
	SL_TOP_LOOKING = 0,
	SL_TOP_DETAIL,
	SL_TOP_HELP,
	SL_TOP_TYPING,
	SL_TOP_BREAKER,
	SL_TOP_ASKED,
};

/* A deed with what it is done to. */
struct sl_top_order {
	enum sl_top_deed deed; /* 0: none */
	char name[SL_TOP_NAME_BYTES], pool[SL_TOP_KEY_BYTES], index_of[SL_TOP_KEY_BYTES];
	char left[SL_TOP_KEY_BYTES];
	uint64_t number;
	unsigned deeds; /* that could be done to it */
};

/* Items as they stand on the screen, from above: the layout's, for the keys. */
struct sl_top_shown {
	const struct sl_top_item *items[SL_TOP_ITEMS_MAX + 1];
	uint32_t count;
	uint32_t page; /* so many at once */
};

struct sl_top_ui {
	enum sl_top_mode mode;
	enum sl_top_pane pane;	       /* or SL_TOP_ALL */
	char chosen[SL_TOP_KEY_BYTES]; /* an item's key, which is kept in sight; "": the first */
	uint32_t scroll;	       /* lines of detail or help above the screen */
	uint32_t scroll_max;	       /* the layout's */
	bool paused;
	char filter[SL_TOP_FILTER_BYTES];
	struct sl_top_order order;
	char said[SL_TOP_NAME_BYTES]; /* what became of the last deed; until the next key */
	bool failed;
};

enum sl_top_want {
	SL_TOP_NOTHING = 0,
	SL_TOP_PAINT,
	SL_TOP_LOOK, /* now */
	SL_TOP_DO,   /* ui->order */
	SL_TOP_QUIT,
};

void sl_top_ui_init(struct sl_top_ui *ui);

/* daemon: one answers. Returns what is to be done about the key. */
enum sl_top_want sl_top_ui_key(struct sl_top_ui *ui, const struct sl_top_shown *shown, bool daemon,
			       int key);

/* The chosen one of those shown; NULL: none is shown. */
const struct sl_top_item *sl_top_ui_chosen(const struct sl_top_ui *ui,
					   const struct sl_top_shown *shown);

/* Does the filter let it through? */
bool sl_top_ui_lets(const struct sl_top_ui *ui, const struct sl_top_item *item);

/* The question about the order, for the last line: "Drain 10.0.0.7:8000 of pool chat? ..." */
void sl_top_ui_question(const struct sl_top_order *order, struct sl_text *text);

/* The page's deed for it: "drain?pool=...&node=..."; and the words of the command that does the same. */
void sl_top_order_deed(const struct sl_top_order *order, struct sl_text *text);
/* words: 4 at least, NULL behind the last. False: no command does that without a daemon. */
bool sl_top_order_words(const struct sl_top_order *order, const char *words[4]);

#endif
