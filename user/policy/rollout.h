/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rollout.h - is the new one as good as the old one, and may more requests have it? One roll-out of anything:
 * a pool (another model), a version of a prompt or of an index, another configuration.
 *
 *   phase        requests that get the candidate   goes on when
 *   RUNNING      none while it is unchecked        its check has passed -> the first step
 *                none while it is in the shadow:   a gate is breached -> ROLLED_BACK
 *                it is asked beside a share        its step is over, all gates are calm -> the first step
 *                the step's share                  a gate is breached -> ROLLED_BACK
 *                                                  the step is over, all gates are calm -> the next step
 *                                                  the last step (all of them) is over -> FULL
 *   PAUSED       the step's share                  a gate is breached -> ROLLED_BACK; somebody resumes it
 *   FULL         all                               somebody aborts or forgets it
 *   ROLLED_BACK  none
 *   ABORTED      none
 *
 *   gate      a request is bad when
 *   errors    it failed, its stream broke, or the pool that was asked first had to be left for another one
 *   invalid   validation had to step in
 *   slow      its first token took over SL_ROLLOUT_SLOW_FACTOR times what 90 % of the baseline's take
 *   missed    of an index: it found no chunk that is good enough for its question
 *   score     of an index: its best chunk has less than SL_ROLLOUT_SCORE_FACTOR of the score that nine of ten of the
 *             baseline's have (of the least of the first SL_ROLLOUT_SCORE_MIN, from there on followed)
 *   quality   it was looked at, and its answer found wanting: by an evaluator or by a client's feedback
 *             (sl_rollout_note_quality(); says nothing before SL_ROLLOUT_QUALITY_MIN of the baseline were
 *             looked at)
 *
 * Each gate is Page's sequential test (CUSUM) on the candidate's requests: sum = max(0, sum + log likelihood
 * ratio of p1 against p0), a breach at SL_ROLLOUT_BREACH. p0 is the share of bad requests that the baseline
 * has meanwhile (at least SL_ROLLOUT_SHARE_MIN, at most SL_ROLLOUT_SHARE_MAX), p1 = p0 + the gate's `rise`. So what
 * spoils both arms alike is no breach, and no number of requests has to be waited for. Mean number of good
 * requests to a false breach: at least e^14 = 1.2 million (G. Lorden, Ann. Math. Stat. 1971). Requests that see
 * a bad candidate before it is gone, with a baseline of 1 % and a rise of 10 %:
 *
 *   all of its requests are bad     6
 *   a third                        25
 *   a tenth and a bit (0.11)      115
 *
 * Pure; times come in.
 */
#ifndef SL_POLICY_ROLLOUT_H
#define SL_POLICY_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#define SL_ROLLOUT_STEPS_MAX	16u
#define SL_ROLLOUT_BREACH	14.0
#define SL_ROLLOUT_CALM		4.0 /* a step is not left while a sum is above that */
#define SL_ROLLOUT_SHARE_MIN	0.01
#define SL_ROLLOUT_SHARE_MAX	0.5
#define SL_ROLLOUT_MEMORY	512.0 /* of the baseline's share, in requests */
#define SL_ROLLOUT_SLOW_FACTOR	1.5
#define SL_ROLLOUT_SLOW_MIN	50u /* requests of the baseline before `slow` says anything */
#define SL_ROLLOUT_SCORE_FACTOR 0.8
#define SL_ROLLOUT_SCORE_MIN	50u /* questions of the baseline before `score` does */
#define SL_ROLLOUT_QUALITY_MIN	20u /* the same of judged ones */

enum sl_rollout_gate {
	SL_ROLLOUT_ERRORS = 0,
	SL_ROLLOUT_INVALID,
	SL_ROLLOUT_SLOW,
	SL_ROLLOUT_MISSED, /* of those that were looked up, as the next */
	SL_ROLLOUT_SCORE,
	SL_ROLLOUT_QUALITY, /* of those that were judged, not of each request */
	SL_ROLLOUT_GATES
};

enum sl_rollout_phase {
	SL_ROLLOUT_RUNNING = 0,
	SL_ROLLOUT_PAUSED,
	SL_ROLLOUT_FULL,
	SL_ROLLOUT_ROLLED_BACK,
	SL_ROLLOUT_ABORTED,
	SL_ROLLOUT_PHASES
};

struct sl_rollout_rules {
	uint32_t shadow; /* of 10,000, that the candidate is asked beside first; 0: never */
	uint32_t shares[SL_ROLLOUT_STEPS_MAX]; /* of 10,000, rising; the last is 10,000 */
	uint32_t step_count;
	uint64_t step_ms;	/* least length of a step */
	uint32_t step_requests; /* of the candidate, that a step must have seen */
	uint32_t step_judged;	/* of those, that must have been judged */
	bool checked; /* there is a check (policy/rollout_check.h): nobody is given it before */
	double rises
		[SL_ROLLOUT_GATES]; /* of the share of bad requests, to be found; 0: the gate is off */
};

struct sl_rollout_arm {
	uint64_t requests;
	uint64_t judged; /* of quality */
	uint64_t known
		[SL_ROLLOUT_GATES]; /* requests that said something to the gate; QUALITY: `judged` */
	uint64_t bad[SL_ROLLOUT_GATES];
	double shares[SL_ROLLOUT_GATES]; /* of the last SL_ROLLOUT_MEMORY requests or so */
};

struct sl_rollout {
	enum sl_rollout_phase phase;
	bool shadowing; /* before step 0; nobody is given what the candidate says */
	bool unchecked; /* the same where there is no shadow: its check comes first */
	uint32_t step;
	uint64_t step_ms;	/* when it began */
	uint64_t step_requests; /* of the candidate since then */
	uint64_t step_judged;
	struct sl_rollout_arm baseline, candidate;
	double sums[SL_ROLLOUT_GATES];
	double score;	    /* nine of ten of the baseline's best chunks are above it */
	uint64_t looked_up; /* of the baseline */
	double slow_ln;	    /* ln of what 90 % of the baseline's first tokens take, in us */
	enum sl_rollout_gate breached; /* ROLLED_BACK */
};

/* One request that was answered, or should have been. */
struct sl_rollout_request {
	bool candidate;
	bool failed, invalid;
	uint32_t first_us; /* 0: not known */
	bool looked_up, missed;
	float score; /* 0 and less: not known */
};

enum sl_rollout_verdict {
	SL_ROLLOUT_STAY = 0,
	SL_ROLLOUT_NEXT, /* the next step has begun */
	SL_ROLLOUT_DONE, /* it is FULL now */
	SL_ROLLOUT_BACK, /* it is ROLLED_BACK now */
};

/* RUNNING, in the shadow where the rules have one, else at its first step, or unchecked before it. */
void sl_rollout_begin(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
		      uint64_t now_ms);

void sl_rollout_note(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
		     const struct sl_rollout_request *request);

/* One answer of either arm was judged. */
void sl_rollout_note_quality(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
			     bool candidate, bool bad);

/* Is its step over, and are all gates calm? */
bool sl_rollout_is_ready(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
			 uint64_t now_ms);

/* After requests, and from time to time. held: something else says that no step is to be taken now. */
enum sl_rollout_verdict sl_rollout_judge(struct sl_rollout *rollout,
					 const struct sl_rollout_rules *rules, uint64_t now_ms,
					 bool held);

/* Of 10,000, that gets the candidate now. */
uint32_t sl_rollout_share(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules);

/* Of 10,000, that the candidate is asked beside now. */
uint32_t sl_rollout_shadow(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules);

const char *sl_rollout_gate_name(enum sl_rollout_gate gate);
const char *sl_rollout_phase_name(enum sl_rollout_phase phase);

#endif
