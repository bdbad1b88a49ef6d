/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/drift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *sl_drift_cause_name(enum sl_drift_cause cause)
{
	static const char *const names[SL_DRIFT_CAUSES] = {"format", "refusal", "longer", "shorter",
							   "meaning"};

	return cause < SL_DRIFT_CAUSES ? names[cause] : "unknown";
}

/* Of so many failures among so many answers. */
static double share_increment(uint32_t bad, uint32_t count, uint32_t bad_before,
			      uint32_t count_before)
{
	/* A little more than what was seen, for it was seen in few answers. */
	double p0 = (bad_before + 1.5) / (count_before + 2.0), p1;

	if (p0 < SL_DRIFT_SHARE_MIN)
		p0 = SL_DRIFT_SHARE_MIN;
	if (p0 > 1 - SL_DRIFT_SHARE_MIN)
		p0 = 1 - SL_DRIFT_SHARE_MIN;
	p1 = p0 + SL_DRIFT_SHARE_RISE;
	if (p1 > (1 + p0) / 2)
		p1 = (1 + p0) / 2;
	return bad * log(p1 / p0) + (count - bad) * log((1 - p1) / (1 - p0));
}

static double mean_increment(double sum, uint32_t count, double spread, double spread_min)
{
	double z = sum / count / (spread > spread_min ? spread : spread_min);

	if (z > SL_DRIFT_Z_MAX)
		z = SL_DRIFT_Z_MAX;
	if (z < -SL_DRIFT_Z_MAX)
		z = -SL_DRIFT_Z_MAX;
	return 2 * (z - 1);
}

static bool add(struct sl_drift *drift, enum sl_drift_cause cause, double increment)
{
	double sum = drift->sums[cause] + increment;
	bool before = drift->alarms[cause];

	drift->sums[cause] = sum < 0 ? 0 : sum > SL_DRIFT_ALARM ? SL_DRIFT_ALARM : sum;
	if (drift->sums[cause] >= SL_DRIFT_ALARM)
		drift->alarms[cause] = true;
	else if (drift->sums[cause] <= SL_DRIFT_CLEAR)
		drift->alarms[cause] = false;
	return drift->alarms[cause] != before;
}

uint32_t sl_drift_note(struct sl_drift *drift, const struct sl_drift_base *base,
		       const struct sl_drift_run *run)
{
	double increments[SL_DRIFT_CAUSES] = {0};
	uint32_t changed = 0;

	if (!base->answers || !run->answers)
		return 0;
	increments[SL_DRIFT_FORMAT] =
		share_increment(run->bad_format, run->answers, base->bad_format, base->answers);
	increments[SL_DRIFT_REFUSAL] =
		share_increment(run->refusals, run->answers, base->refusals, base->answers);
	increments[SL_DRIFT_LONGER] = mean_increment(
		run->length_sum, run->answers, base->length_spread, SL_DRIFT_LENGTH_SPREAD_MIN);
	increments[SL_DRIFT_SHORTER] = mean_increment(
		-run->length_sum, run->answers, base->length_spread, SL_DRIFT_LENGTH_SPREAD_MIN);
	if (base->has_meaning && run->meanings)
		increments[SL_DRIFT_MEANING] =
			mean_increment(run->meaning_sum, run->meanings, base->meaning_spread,
				       SL_DRIFT_MEANING_SPREAD_MIN);
	for (int cause = 0; cause < SL_DRIFT_CAUSES; cause++) {
		if (add(drift, (enum sl_drift_cause)cause, increments[cause]))
			changed |= 1u << cause;
	}
	return changed;
}

bool sl_drift_is_on(const struct sl_drift *drift)
{
	for (int cause = 0; cause < SL_DRIFT_CAUSES; cause++) {
		if (drift->alarms[cause])
			return true;
	}
	return false;
}

/* ---- the board ------------------------------------------------------------------------------- */

/* Its place; SL_DRIFT_POOLS_MAX: it has none. */
static uint32_t find(const struct sl_drift_board *board, const char *pool)
{
	uint32_t count = board ? __atomic_load_n(&board->count, __ATOMIC_ACQUIRE) : 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!strcmp(board->pools[i].name, pool))
			return i;
	}
	return SL_DRIFT_POOLS_MAX;
}

void sl_drift_add(struct sl_drift_board *board, const char *pool)
{
	uint32_t count = board->count;

	if (count == SL_DRIFT_POOLS_MAX || find(board, pool) != SL_DRIFT_POOLS_MAX)
		return;
	snprintf(board->pools[count].name, sizeof(board->pools[count].name), "%s", pool);
	__atomic_store_n(&board->count, count + 1, __ATOMIC_RELEASE);
}

void sl_drift_set(struct sl_drift_board *board, const char *pool, enum sl_drift_source source,
		  bool on)
{
	uint32_t i = find(board, pool), bit = 1u << source;

	if (i == SL_DRIFT_POOLS_MAX)
		return;
	if (on)
		__atomic_fetch_or(&board->pools[i].on, bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_and(&board->pools[i].on, ~bit, __ATOMIC_RELAXED);
}

bool sl_drift_holds(const struct sl_drift_board *board, const char *pool)
{
	uint32_t i = find(board, pool);

	return i != SL_DRIFT_POOLS_MAX &&
	       __atomic_load_n(&board->pools[i].on, __ATOMIC_RELAXED) != 0;
}

void sl_drift_count_held(struct sl_drift_board *board, const char *pool)
{
	uint32_t i = find(board, pool);

	if (i != SL_DRIFT_POOLS_MAX)
		__atomic_fetch_add(&board->pools[i].held, 1, __ATOMIC_RELAXED);
}
