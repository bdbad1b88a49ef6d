/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval_report.h - what a run of a regression suite has come to: as JSON (which is also a baseline for later
 * runs), as a text, as one page of HTML that needs nothing else.
 *
 *	case     its score is the share of its repeats whose checks held
 *	passed   the score is at its threshold or above
 *	failed   it would not be, whatever those were that are not known
 *	unsure   it may or may not
 *
 *	the run against a baseline    is a regression when
 *	always                        the paired test (policy/paired.h) of the cases' scores is below
 *	                              SL_EVAL_REPORT_ALPHA
 *	without `paired`              or a case has failed that had passed
 *
 * Thread: one.
 */
#ifndef SL_QUALITY_EVAL_REPORT_H
#define SL_QUALITY_EVAL_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"
#include "user/policy/paired.h"

#define SL_EVAL_REPORT_ALPHA	  0.05
#define SL_EVAL_REPORT_NAME_BYTES 256u
#define SL_EVAL_REPORT_WHY_BYTES  400u
#define SL_EVAL_REPORT_CASES_MAX  1000u

enum sl_eval_outcome {
	SL_EVAL_CASE_UNSURE = 0,
	SL_EVAL_CASE_PASSED,
	SL_EVAL_CASE_FAILED,
	SL_EVAL_OUTCOMES
};

struct sl_eval_case {
	char name[SL_EVAL_REPORT_NAME_BYTES];
	double weight, threshold;
	uint32_t repeat, passed, failed; /* the others are not known */
	uint64_t ms;			 /* of all repeats */
	char why[SL_EVAL_REPORT_WHY_BYTES];
	/* against the baseline */
	bool is_known;
	double before; /* its score */
	enum sl_eval_outcome before_outcome;
};

struct sl_eval_report {
	const char *suite, *against, *model, *prompt; /* borrowed; "" or NULL: none, as the next */
	const char *baseline; /* what it is compared with: a file, or another target */
	uint64_t wall_ms;
	struct sl_eval_case *cases; /* borrowed */
	uint32_t count;
	bool paired;
	/* sl_eval_report_conclude() */
	uint32_t outcomes[SL_EVAL_OUTCOMES];
	double score; /* weighted, 0 to 1 */
	uint32_t worse, better, newly_failed;
	double p;			/* of the paired test; 1 without a baseline */
	uint32_t compared;		/* cases that are known of both */
	struct sl_paired_interval gain; /* of their scores, weighted: now less before */
	int exit_code;
};

enum sl_eval_outcome sl_eval_case_outcome(const struct sl_eval_case *of);
double sl_eval_case_score(const struct sl_eval_case *of);

/* Takes what an earlier report says of cases of the same names. -EINVAL with an error: it is none. */
int sl_eval_report_compare(struct sl_eval_report *report, struct sl_span json,
			   struct sl_error *error);

/* The same from a run of the same suite that has just been made: of those cases, in the same order. */
void sl_eval_report_compare_cases(struct sl_eval_report *report, const struct sl_eval_case *before);

/* Counts. Returns the exit code: 0 passed, 1 a regression (without a baseline: a case has failed), 2 unsure. */
int sl_eval_report_conclude(struct sl_eval_report *report);

void sl_eval_report_json(const struct sl_eval_report *report, struct sl_text *out);
void sl_eval_report_text(const struct sl_eval_report *report, struct sl_text *out);
void sl_eval_report_html(const struct sl_eval_report *report, struct sl_text *out);

#endif
