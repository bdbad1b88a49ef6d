/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top_detail.h - more about one line of `sluice top`: what the looks know of it, and what the command says that
 * knows more (an incident's timeline, the gates of a roll-out, the way of a request), asked of the daemon.
 */
#ifndef SL_LOADER_TOP_DETAIL_H
#define SL_LOADER_TOP_DETAIL_H

#include "loader/top_item.h"

/* Lines with an end each. One exchange with the daemon at most. */
void sl_top_detail(const struct sl_top_item *item, const struct sl_top *top, const char *socket,
		   struct sl_text *text);

#endif
