/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eval_suite.h - the cases of a suite as `sluice eval run` has them (ops/eval_run.h), and the questions that
 * they become. Thread: one.
 */
#ifndef SL_QUALITY_EVAL_SUITE_H
#define SL_QUALITY_EVAL_SUITE_H

#include "user/base/error.h"
#include "user/base/text.h"
#include "user/quality/eval_report.h"
#include "user/quality/suite.h"

#define SL_EVAL_SUITE_BYTES_MAX	  (8u << 20)
#define SL_EVAL_SUITE_REPEATS_MAX 50u

struct sl_eval_suite_case {
	char *question; /* for the judge */
	char *rubric;	/* NULL: no judge is asked */
};

struct sl_eval_suite {
	struct sl_eval_case cases[SL_EVAL_REPORT_CASES_MAX];
	struct sl_eval_suite_case own[SL_EVAL_REPORT_CASES_MAX];
	uint32_t count;
	uint32_t case_of[SL_SUITE_CASES_MAX]; /* of each question of the suite */
};

struct sl_eval_suite_ask {
	const char *model;
	const char *prompt_id, *prompt_version; /* NULL: none; version "": the stable one */
};

/*
 * Each line becomes a case and, `repeat` times, a question of the suite. name: of the file, for errors.
 * 0; -EINVAL, -E2BIG, -ENOMEM with an error that names the line.
 */
int sl_eval_suite_read(struct sl_eval_suite *all, const char *name, struct sl_span text,
		       const struct sl_eval_suite_ask *ask, struct sl_suite *suite,
		       struct sl_error *error);

/* After the suite has ended: what came of each case. */
void sl_eval_suite_gather(struct sl_eval_suite *all, const struct sl_suite *suite);

void sl_eval_suite_fini(struct sl_eval_suite *all);

#endif
