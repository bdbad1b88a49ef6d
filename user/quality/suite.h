/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * suite.h - runs a regression suite: asks a model each case's question, and checks the answers.
 *
 *   made (any thread) -> sl_suite_add() for each case -> sl_suite_start() (the loop's thread)
 *     -> `parallel` fibers take a case each, until none is left, the deadline, or sl_suite_stop()
 *     -> done(owner) once, on the loop's thread -> sl_suite_verdict(), reports -> sl_suite_free()
 *
 *   verdict of a case   when                                        of the suite
 *   passed              its checks hold                             all of them passed
 *   failed              one does not, or it could not be rendered   any failed
 *   unsure              no answer came in time, or a check cannot   none failed, some are unsure
 *                       be told
 *
 * Calls go through the one upstream engine (upstream/call.h): breakers, limits and retries are those of
 * every request, and a suite never waits in a queue. Checks run on the pool of threads (io/work.h): they
 * may take their time. What a suite is of is its owner's business: a version of a prompt, a file.
 */
#ifndef SL_QUALITY_SUITE_H
#define SL_QUALITY_SUITE_H

#include "user/base/text.h"
#include "user/io/work.h"
#include "user/upstream/call.h"
#include "user/wire/template_suite.h"

#define SL_SUITE_CASES_MAX    1000u
#define SL_SUITE_PARALLEL_MAX 64u
#define SL_SUITE_REPORT_BYTES (1u << 20)

enum sl_suite_verdict {
	SL_SUITE_PENDING = 0,
	SL_SUITE_PASSED,
	SL_SUITE_FAILED,
	SL_SUITE_UNSURE,
	SL_SUITE_VERDICTS
};

extern const char *const sl_suite_verdict_names[SL_SUITE_VERDICTS];

struct sl_suite;

struct sl_suite_options {
	const char *name;  /* for reports: "support@8d969eef6eca"; copied, as the next */
	const char *model; /* that was asked */
	uint32_t parallel; /* 1 to SL_SUITE_PARALLEL_MAX */
	uint32_t case_ms;  /* longest wait for one answer */
	uint32_t total_ms; /* of all; what has not begun by then is unsure */
	/* As in struct sl_suite_answer; called on threads of the pool, with an owner that outlives it. */
	int (*likeness)(void *owner, struct sl_span a, struct sl_span b);
	void *likeness_owner;
	/*
	 * Asked about an answer whose checks hold, on its fiber; question: as it was added, from 0. 1 it is
	 * good, 0 it is not, -errno it cannot be told; why says so where it is not 1. NULL: nobody is.
	 */
	int (*judge)(void *owner, uint32_t question, struct sl_span answer, char *why,
		     size_t why_size);
	void (*done)(void *owner, struct sl_suite *suite);
	void *owner;
};

/* What it runs on; borrowed until done. */
struct sl_suite_place {
	struct sl_loop *loop;
	struct sl_upstream *up;
	const struct sl_upstream_pool *pool;
	struct sl_work *work;
	struct sl_span lines; /* of each request's head, each with its CR LF; or empty */
};

/* NULL without memory. */
struct sl_suite *sl_suite_make(const struct sl_suite_options *options);

/*
 * One more case. body: a chat completion without `stream`; of: as sl_suite_read() takes it; both copied.
 * fault not NULL: it cannot be asked, and has failed for that reason. -E2BIG, -ENOMEM.
 */
int sl_suite_add(struct sl_suite *suite, const char *name, struct sl_span body, struct sl_span of,
		 const char *fault);

/* On the loop's thread. 0 (also with nothing to ask: done is called before it returns), or -errno where
 * no fiber can be started: done is not called. */
int sl_suite_start(struct sl_suite *suite, const struct sl_suite_place *place);

/* On the loop's thread: calls that wait are broken off; done follows soon. */
void sl_suite_stop(struct sl_suite *suite);

/* Any thread: how many have been answered, of how many. */
void sl_suite_progress(const struct sl_suite *suite, uint32_t *ret_done, uint32_t *ret_count);

/* After done: of all cases; and was it stopped? */
enum sl_suite_verdict sl_suite_verdict(const struct sl_suite *suite);
bool sl_suite_was_stopped(const struct sl_suite *suite);

/* What came of one question, in the order in which they were added. Borrowed from the suite. */
struct sl_suite_result {
	enum sl_suite_verdict verdict;
	const char *detail;
	uint32_t ms;
};

/* After done. False: there are no more. */
bool sl_suite_result(const struct sl_suite *suite, uint32_t i, struct sl_suite_result *ret_result);

/* After done. extra: members of the JSON object behind its verdict, each with its comma, or "". */
void sl_suite_report_json(const struct sl_suite *suite, const char *extra, struct sl_text *out);

/* A report of that JSON as a text for people; what is not such a report: -EINVAL. */
int sl_suite_report_text(struct sl_span json, struct sl_text *out);

/* Before the start, or after done. NULLs; NULL is fine. */
void sl_suite_free(struct sl_suite **suite);

#endif
