/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_page.h - the report of a game day as Markdown and as one HTML page.
 *
 * The page has its plots as inline SVG, no script and nothing from elsewhere: it can be mailed. Both
 * append to the text; what came from a file is escaped.
 */
#ifndef SL_LOADER_CHAOS_PAGE_H
#define SL_LOADER_CHAOS_PAGE_H

#include "loader/chaos_day.h"
#include "user/base/text.h"

void sl_chaos_page_markdown(const struct sl_chaos_day *day, struct sl_text *text);
void sl_chaos_page_html(const struct sl_chaos_day *day, struct sl_text *text);

#endif
