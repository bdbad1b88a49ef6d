/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos_say.h - an experiment's result in words, for programs, as Markdown and as one HTML page.
 *
 * The page has its plots as inline SVG, no script and nothing from elsewhere: it can be mailed. All
 * append to the text.
 */
#ifndef SL_LOADER_CHAOS_SAY_H
#define SL_LOADER_CHAOS_SAY_H

#include "loader/chaos_run.h"
#include "user/base/text.h"

void sl_chaos_say_text(const struct sl_chaos_result *result, struct sl_text *text);
void sl_chaos_say_verdict(const struct sl_chaos_result *result, struct sl_text *text);
void sl_chaos_say_json(const struct sl_chaos_result *result, struct sl_text *text);

#endif
