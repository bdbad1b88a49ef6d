/* SPDX-License-Identifier: BSD-2-Clause */
/* chaos_page_parts.h - what the report's two forms share. */
#ifndef SL_LOADER_CHAOS_PAGE_PARTS_H
#define SL_LOADER_CHAOS_PAGE_PARTS_H

#include "loader/chaos_page.h"

#define SL_CHAOS_PAGE_CELL 32u /* a figure in words */

const char *sl_chaos_page_title(const struct sl_chaos_step *step);
/* "held", "broken", "unknown", "ran", "aborted", "stopped", "interrupted", "did not begin" */
const char *sl_chaos_page_outcome(const struct sl_chaos_step *step);
bool sl_chaos_page_is_bad(const struct sl_chaos_step *step);
uint32_t sl_chaos_page_count_bad(const struct sl_chaos_day *day);
const char *sl_chaos_page_when(const struct sl_chaos_day *day, char out[64]);

/* What was measured, each as a few words in `out`. */
const char *sl_chaos_page_verdict(const struct sl_chaos_condition *condition,
				  const struct sl_chaos_result *result);
const char *sl_chaos_page_detection(const struct sl_chaos_result *result,
				    char out[SL_CHAOS_PAGE_CELL]);
const char *sl_chaos_page_recovery(const struct sl_chaos_result *result,
				   char out[SL_CHAOS_PAGE_CELL]);
const char *sl_chaos_page_seconds(double seconds, char out[SL_CHAOS_PAGE_CELL]); /* 0: "-" */

/* "fallbacks 12, retrieve=words 3": those that were done most; at most `most` of them. */
void sl_chaos_page_deeds(const struct sl_chaos_result *result, uint32_t most, struct sl_text *text);

/* "refuse, pool vectors: 100% of the requests, 240 of them, at 2 nodes for 5.0 s" */
void sl_chaos_page_done(const struct sl_chaos_step *step, struct sl_text *text);

/* Rows of before and meanwhile: requests a second, failed, median and p99. */
struct sl_chaos_page_row {
	const char *what;
	char before[SL_CHAOS_PAGE_CELL], meanwhile[SL_CHAOS_PAGE_CELL];
};
#define SL_CHAOS_PAGE_ROWS 4u
void sl_chaos_page_rows(const struct sl_chaos_result *result,
			struct sl_chaos_page_row rows[SL_CHAOS_PAGE_ROWS]);

/* chaos_plot.c: figures of an experiment as inline SVG. */
void sl_chaos_plot(const struct sl_chaos_result *result, struct sl_text *text);

#endif
