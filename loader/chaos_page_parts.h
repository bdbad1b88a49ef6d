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

/* ---- the whole day: chaos_page_words.c ----------------------------------------------------------- */

struct sl_chaos_page_sums {
	uint64_t requests, errors; /* of all that were done */
	uint32_t held, bad;
	uint32_t unrecovered; /* whose nodes were not all used again in time */
	const struct sl_chaos_step *detected, *recovered; /* the slowest; NULL: none was */
	double detection_s, recovery_s;
	double shortest_s, longest_s; /* they ran */
	double usual_rate;	      /* requests a second before one, at most */
};
void sl_chaos_page_sum(const struct sl_chaos_day *day, struct sl_chaos_page_sums *ret_sums);

/* "12,345". Returns out. */
const char *sl_chaos_page_count(uint64_t count, char out[SL_CHAOS_PAGE_CELL]);

/* The verdict in three sentences. */
void sl_chaos_page_sentence(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
			    struct sl_text *text);

/* The index-th thing that the day does not show, as a sentence; false: there are no more. */
bool sl_chaos_page_limit(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
			 uint32_t index, struct sl_text *text);

/* "26 November 2026, 19:35 to 19:40 UTC, host gw1, sluice 0.1.0" */
void sl_chaos_page_when_where(const struct sl_chaos_day *day, struct sl_text *text);

/* The name of the index-th fact, and the fact; NULL: there are no more. */
const char *sl_chaos_page_fact(const struct sl_chaos_day *day, uint32_t index,
			       struct sl_text *text);

/* What clients saw of one: "none of 830 failed". */
void sl_chaos_page_seen(const struct sl_chaos_step *step, struct sl_text *text);

/* The 99th percentile of first tokens, "33 ms -> 65 ms"; "-": one of them was not measured. */
void sl_chaos_page_slower(const struct sl_chaos_step *step, struct sl_text *text);

#define SL_CHAOS_PAGE_TERMS 5u
struct sl_chaos_page_term {
	const char *term, *meaning;
};
extern const struct sl_chaos_page_term sl_chaos_page_terms[SL_CHAOS_PAGE_TERMS];

/* ---- one experiment: chaos_page.c ---------------------------------------------------------------- */

/* What was measured, each as a few words in `out`. */
const char *sl_chaos_page_verdict(const struct sl_chaos_condition *condition,
				  const struct sl_chaos_result *result);
const char *sl_chaos_page_detection(const struct sl_chaos_result *result,
				    char out[SL_CHAOS_PAGE_CELL]);
const char *sl_chaos_page_recovery(const struct sl_chaos_result *result,
				   char out[SL_CHAOS_PAGE_CELL]);
const char *sl_chaos_page_seconds(double seconds, char out[SL_CHAOS_PAGE_CELL]); /* 0: "-" */

/* "breaker opened 2, fallbacks 12, retrieve=words 3", what was done most first. */
void sl_chaos_page_deeds(const struct sl_chaos_result *result, struct sl_text *text);

/* The two that were done most, in plain words: "12 answered by the pool behind". */
void sl_chaos_page_answered(const struct sl_chaos_step *step, struct sl_text *text);

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

/* chaos_plot.c: figures of an experiment as inline SVG, and as lines of bars. */
void sl_chaos_plot_text(const struct sl_chaos_result *result, struct sl_text *text);
void sl_chaos_plot(const struct sl_chaos_result *result, struct sl_text *text);

#endif
