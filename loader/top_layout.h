/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_layout.h - the screen of `sluice top`: which lines stand where. Pure.
 *
 *	✕ Not well: route "chat" has nobody to answer it; ...        the verdict, up to a quarter of the screen
 *	gw1 22:48:56  12 req/s ...                                   totals, or why no daemon tells
 *	✕ 1 nodes      2 of 4 nodes in 3 pools take requests, 2 out  a pane's line
 *	 ✕ 10.0.0.7:8000 open ...                                    its items
 *	✓ 4 budgets    2 objectives, none burns                      a pane that is well is one line
 *	? help ...                                                   the last line: keys, a question, what was done
 *
 * Panes with what is broken come first, then what sluice did, then the others. Each has its line; the rest of
 * the screen is given to items: the chosen one, what is broken, what is in doubt, pools, then what is well. All of
 * other people's text goes through safe.h here.
 */
#ifndef SL_LOADER_TOP_LAYOUT_H
#define SL_LOADER_TOP_LAYOUT_H

#include "loader/frame.h"
#include "loader/top_ui.h"

struct sl_top_look_of {
	const char *const *inks; /* sl_say_inks() */
	bool utf8;
	struct sl_screen_size size;
};

/*
 * The screen, rows with an end each, no more than there are. `detail` is the text of the item that ui->mode is
 * about. Sets what is shown, and ui->scroll to what there is to scroll.
 */
void sl_top_layout(const struct sl_top_items *items, struct sl_top_ui *ui,
		   const struct sl_top_look_of *look, const char *detail,
		   struct sl_top_shown *shown, struct sl_text *text);

/* All panes and items, without bounds or inks. */
void sl_top_layout_text(const struct sl_top_items *items, bool utf8, struct sl_text *text);

/* "✓", "▲", "✕", or ".", "!", "X"; " " for what is neither. */
const char *sl_top_mark(enum sl_top_grade grade, bool utf8);

#endif
