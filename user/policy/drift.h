/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drift.h - has a model changed? Its answers to the same questions, run after run, against a recorded
 * baseline. Pure; the caller has the state.
 *
 *   cause     one run says                                             its increment
 *   format    how many of the answers failed their checks              log likelihood ratio of p1 against p0
 *   refusal   how many were refusals                                   the same
 *   longer    mean over the questions of ln(tokens), in spreads above  2 (z - 1)
 *   shorter   the same, below                                          2 (z - 1)
 *   meaning   mean distance of the answers to the baseline's, the same 2 (z - 1)
 *
 *                sum >= SL_DRIFT_ALARM
 *      quiet --------------------------> alarm        sum = max(0, sum + increment), at most SL_DRIFT_ALARM
 *        ^                                 |
 *        +---------------------------------+
 *                sum <= SL_DRIFT_CLEAR
 *
 * Page's sequential test (CUSUM; E. S. Page, Biometrika 1954). 2 (z - 1) is the log likelihood ratio of a
 * mean that has moved by two spreads. For sums of such ratios the mean time to a false alarm is at least
 * e^SL_DRIFT_ALARM observations (G. Lorden, Ann. Math. Stat. 1971): 160,000 questions for format and
 * refusal, and more, for p0 is taken on the safe side of what few answers have shown. One run's z has less
 * noise than that assumes, for it is a mean over questions, so runs are far safer. A change by d spreads
 * is found after about 6 / (d - 1) runs: 6 for two, 2 for four and more, which is the most that counts of
 * one run (one answer that ran away is no change of the model); one spread or less is never called a
 * change. An alarm ends after five runs as before the change.
 *
 * Spreads are of one question's answers to each other when the baseline was recorded, at least
 * SL_DRIFT_LENGTH_SPREAD_MIN or SL_DRIFT_MEANING_SPREAD_MIN: where nothing is left to chance, a few words
 * more or less are no change.
 */
#ifndef SL_POLICY_DRIFT_H
#define SL_POLICY_DRIFT_H

#include <stdbool.h>
#include <stdint.h>

#define SL_DRIFT_ALARM		    12.0
#define SL_DRIFT_CLEAR		    3.0
#define SL_DRIFT_Z_MAX		    4.0
#define SL_DRIFT_LENGTH_SPREAD_MIN  0.15 /* of ln(tokens): 15 % */
#define SL_DRIFT_MEANING_SPREAD_MIN 0.04 /* of a cosine distance */
#define SL_DRIFT_SHARE_MIN	    0.02 /* of failures: a baseline without any is not proof of none */
#define SL_DRIFT_SHARE_RISE	    0.25 /* that is to be found */

enum sl_drift_cause {
	SL_DRIFT_FORMAT = 0,
	SL_DRIFT_REFUSAL,
	SL_DRIFT_LONGER,
	SL_DRIFT_SHORTER,
	SL_DRIFT_MEANING,
	SL_DRIFT_CAUSES
};

const char *sl_drift_cause_name(enum sl_drift_cause cause);

/* Of the questions together, when they were recorded. */
struct sl_drift_base {
	uint32_t answers;      /* recorded; 0: nothing is judged */
	uint32_t bad_format;   /* of these */
	uint32_t refusals;     /* the same */
	double length_spread;  /* of ln(tokens) within a question */
	double meaning_spread; /* of distances within a question */
	bool has_meaning;
};

/* One run: what it has of each question that was answered. */
struct sl_drift_run {
	uint32_t answers;
	uint32_t bad_format;
	uint32_t refusals;
	double length_sum;  /* of ln(tokens) minus the question's own mean */
	double meaning_sum; /* of the distances minus the question's own mean */
	uint32_t meanings;  /* that have one */
};

struct sl_drift {
	double sums[SL_DRIFT_CAUSES];
	bool alarms[SL_DRIFT_CAUSES];
};

/* Takes the run in. Returns which alarms changed, bit by enum sl_drift_cause. */
uint32_t sl_drift_note(struct sl_drift *drift, const struct sl_drift_base *base,
		       const struct sl_drift_run *run);

/* Is any in alarm? */
bool sl_drift_is_on(const struct sl_drift *drift);

/* ---- which pools have an alarm, for whoever rolls something out -------------------------------- */

#define SL_DRIFT_POOLS_MAX  256u /* that ever had one; those past the end hold nothing */
#define SL_DRIFT_NAME_BYTES 64u

/* Who has seen the model change. */
enum sl_drift_source {
	SL_DRIFT_BY_CANARY = 0, /* the pool's canary questions: ops/canary.h */
	SL_DRIFT_BY_ANSWERS,	/* the names in its nodes' answers: upstream/identity.h */
};

/* Zeros at first. */
struct sl_drift_board {
	uint32_t count;
	struct {
		char name[SL_DRIFT_NAME_BYTES];
		uint32_t on; /* bit by enum sl_drift_source */
		uint32_t held;
	} pools[SL_DRIFT_POOLS_MAX];
};

/* The pool is known from now on. Of one thread, while others read and set. */
void sl_drift_add(struct sl_drift_board *board, const char *pool);

/* Of a pool that is known; of another one nothing is kept. Any thread. */
void sl_drift_set(struct sl_drift_board *board, const char *pool, enum sl_drift_source source,
		  bool on);

/* Should a roll-out to this pool wait? board NULL, or a pool that is not known: no. Any thread. */
bool sl_drift_holds(const struct sl_drift_board *board, const char *pool);

/* One was refused for it. Any thread. */
void sl_drift_count_held(struct sl_drift_board *board, const char *pool);

#endif
