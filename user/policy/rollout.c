/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/rollout.h"

#include <math.h>
#include <string.h>
#include "user/policy/share.h"

#define SLOW_QUANTILE  0.9
#define SCORE_QUANTILE 0.1
#define SCORE_PACE     0.02 /* of the score itself, a question */
#define SLOW_PACE      0.05 /* of ln(us), a request: a tenfold change is followed within some 60 */

const char *sl_rollout_gate_name(enum sl_rollout_gate gate)
{
	static const char *const names[SL_ROLLOUT_GATES] = {"errors", "invalid", "slow",
							    "missed", "score",	 "quality"};

	return names[gate];
}

const char *sl_rollout_phase_name(enum sl_rollout_phase phase)
{
	static const char *const names[SL_ROLLOUT_PHASES] = {"running", "paused", "full",
							     "rolled_back", "aborted"};

	return names[phase];
}

void sl_rollout_begin(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
		      uint64_t now_ms)
{
	memset(rollout, 0, sizeof(*rollout));
	rollout->step_ms = now_ms;
	rollout->shadowing = rules->shadow != 0;
	rollout->unchecked = rules->checked && !rollout->shadowing;
}

static double between(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

/* Follows the quantile of the baseline's times: one number, no history. */
static void follow(struct sl_rollout *rollout, uint32_t first_us)
{
	double ln = log((double)first_us);

	if (rollout->slow_ln == 0)
		rollout->slow_ln = ln;
	else
		rollout->slow_ln += ln > rollout->slow_ln ? SLOW_PACE * SLOW_QUANTILE
							  : -SLOW_PACE * (1 - SLOW_QUANTILE);
}

/* One of `seen` events, the newest. */
static void follow_share(struct sl_rollout_arm *arm, enum sl_rollout_gate gate, uint64_t seen,
			 bool bad)
{
	double weight = seen < SL_ROLLOUT_MEMORY ? 1 / (double)seen : 1 / SL_ROLLOUT_MEMORY;

	arm->bad[gate] += bad;
	arm->shares[gate] += weight * ((bad ? 1.0 : 0.0) - arm->shares[gate]);
}

/* The same of the scores, of whatever scale. The least of the first ones: too low is no false breach. */
static void follow_score(struct sl_rollout *rollout, double score)
{
	double pace = SCORE_PACE * rollout->score;

	if (rollout->looked_up < SL_ROLLOUT_SCORE_MIN)
		rollout->score =
			rollout->looked_up && rollout->score < score ? rollout->score : score;
	else
		rollout->score += score > rollout->score ? pace * SCORE_QUANTILE
							 : -pace * (1 - SCORE_QUANTILE);
	rollout->looked_up++;
}

/* Which gates this request says something to. */
static void find_known(const struct sl_rollout *rollout, const struct sl_rollout_request *request,
		       bool known[SL_ROLLOUT_QUALITY])
{
	known[SL_ROLLOUT_ERRORS] = known[SL_ROLLOUT_INVALID] = true;
	known[SL_ROLLOUT_SLOW] =
		rollout->baseline.requests >= SL_ROLLOUT_SLOW_MIN && request->first_us;
	known[SL_ROLLOUT_MISSED] = request->looked_up;
	known[SL_ROLLOUT_SCORE] = request->looked_up && request->score > 0 &&
				  rollout->looked_up >= SL_ROLLOUT_SCORE_MIN;
}

static void count(struct sl_rollout_arm *arm, const bool known[SL_ROLLOUT_QUALITY],
		  const bool bad[SL_ROLLOUT_QUALITY])
{
	int gate;

	arm->requests++;
	for (gate = 0; gate < SL_ROLLOUT_QUALITY; gate++) {
		if (known[gate])
			follow_share(arm, (enum sl_rollout_gate)gate, ++arm->known[gate],
				     bad[gate]);
	}
}

static void add_up(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
		   enum sl_rollout_gate gate, bool bad)
{
	double p0 =
		between(rollout->baseline.shares[gate], SL_ROLLOUT_SHARE_MIN, SL_ROLLOUT_SHARE_MAX);
	double p1 = between(p0 + rules->rises[gate], p0, 1 - SL_ROLLOUT_SHARE_MIN / 2);
	double ratio = bad ? log(p1 / p0) : log((1 - p1) / (1 - p0));

	if (rules->rises[gate] > 0)
		rollout->sums[gate] = between(rollout->sums[gate] + ratio, 0, SL_ROLLOUT_BREACH);
}

void sl_rollout_note(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
		     const struct sl_rollout_request *request)
{
	bool known[SL_ROLLOUT_QUALITY], bad[SL_ROLLOUT_QUALITY];
	int gate;

	find_known(rollout, request, known);
	bad[SL_ROLLOUT_ERRORS] = request->failed;
	bad[SL_ROLLOUT_INVALID] = request->invalid;
	bad[SL_ROLLOUT_SLOW] =
		known[SL_ROLLOUT_SLOW] &&
		log((double)request->first_us) > rollout->slow_ln + log(SL_ROLLOUT_SLOW_FACTOR);
	bad[SL_ROLLOUT_MISSED] = request->missed;
	bad[SL_ROLLOUT_SCORE] = (double)request->score < SL_ROLLOUT_SCORE_FACTOR * rollout->score;
	if (!request->candidate) {
		count(&rollout->baseline, known, bad);
		if (request->first_us)
			follow(rollout, request->first_us);
		if (request->looked_up && request->score > 0)
			follow_score(rollout, (double)request->score);
		return;
	}
	count(&rollout->candidate, known, bad);
	rollout->step_requests++;
	for (gate = 0; gate < SL_ROLLOUT_QUALITY; gate++) {
		if (known[gate])
			add_up(rollout, rules, (enum sl_rollout_gate)gate, bad[gate]);
	}
}

void sl_rollout_note_quality(struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
			     bool candidate, bool bad)
{
	struct sl_rollout_arm *arm = candidate ? &rollout->candidate : &rollout->baseline;

	arm->judged++;
	follow_share(arm, SL_ROLLOUT_QUALITY, arm->judged, bad);
	if (!candidate)
		return;
	rollout->step_judged++;
	if (rollout->baseline.judged >= SL_ROLLOUT_QUALITY_MIN)
		add_up(rollout, rules, SL_ROLLOUT_QUALITY, bad);
}

static bool is_calm(const struct sl_rollout *rollout)
{
	int gate;

	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++) {
		if (rollout->sums[gate] > SL_ROLLOUT_CALM)
			return false;
	}
	return true;
}

static bool is_under_way(const struct sl_rollout *rollout)
{
	return rollout->phase == SL_ROLLOUT_RUNNING || rollout->phase == SL_ROLLOUT_PAUSED;
}

bool sl_rollout_is_ready(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules,
			 uint64_t now_ms)
{
	if (rollout->phase != SL_ROLLOUT_RUNNING || !is_calm(rollout))
		return false;
	return rollout->unchecked || (now_ms - rollout->step_ms >= rules->step_ms &&
				      rollout->step_requests >= rules->step_requests &&
				      rollout->step_judged >= rules->step_judged);
}

enum sl_rollout_verdict sl_rollout_judge(struct sl_rollout *rollout,
					 const struct sl_rollout_rules *rules, uint64_t now_ms,
					 bool held)
{
	int gate;

	if (!is_under_way(rollout))
		return SL_ROLLOUT_STAY;
	for (gate = 0; gate < SL_ROLLOUT_GATES; gate++) {
		if (rollout->sums[gate] < SL_ROLLOUT_BREACH)
			continue;
		rollout->phase = SL_ROLLOUT_ROLLED_BACK;
		rollout->breached = (enum sl_rollout_gate)gate;
		return SL_ROLLOUT_BACK;
	}
	if (held || !sl_rollout_is_ready(rollout, rules, now_ms))
		return SL_ROLLOUT_STAY;
	rollout->step_ms = now_ms;
	rollout->step_requests = rollout->step_judged = 0;
	if (rollout->shadowing || rollout->unchecked) {
		rollout->shadowing = rollout->unchecked = false;
		return SL_ROLLOUT_NEXT;
	}
	if (rollout->step + 1 < rules->step_count) {
		rollout->step++;
		return SL_ROLLOUT_NEXT;
	}
	rollout->phase = SL_ROLLOUT_FULL;
	return SL_ROLLOUT_DONE;
}

uint32_t sl_rollout_share(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules)
{
	if (is_under_way(rollout))
		return rollout->shadowing || rollout->unchecked ? 0 : rules->shares[rollout->step];
	return rollout->phase == SL_ROLLOUT_FULL ? SL_SHARE_WHOLE : 0;
}

uint32_t sl_rollout_shadow(const struct sl_rollout *rollout, const struct sl_rollout_rules *rules)
{
	return is_under_way(rollout) && rollout->shadowing ? rules->shadow : 0;
}
